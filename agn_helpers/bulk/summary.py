"""What a folder of results holds: counts, the most doubtful spectra, and a page of it."""

from __future__ import annotations

import base64
import collections
import io
import os
from html import escape
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..classifier import UNDETERMINED, load_model
from ..errors import AgnError
from ..files import whole_file
from ..lines import AGN_TYPES
from .dataset import MODEL_FILE, attributions, part_name, read_manifest
from .partitions import list_values

PAGE = "summary.html"

# Parts whose spectra are averaged for the page: enough for a mean, and a million need not be read.
_AVERAGED = 10

_MOST_REASONS = 12


class Summary(NamedTuple):
    """What a folder of results holds.

    Attributes
    ----------
    n_partitions, n_done : int
    n_spectra, n_rejected : int
    n_repeated : int
        Rows whose name an earlier row has.
    survey, model_survey : str
    counts : dict of str to int
        Spectra by predicted type.
    doubts : dict of str to int
        How many spectra each kind of doubt is about.
    reasons : dict of str to int
        Why spectra were rejected, numbers and names left out, the most frequent first.
    least_certain, most_unlike : pandas.DataFrame
        The spectra of the least probable types, and those most unlike the training sample.
    """

    n_partitions: int
    n_done: int
    n_spectra: int
    n_rejected: int
    n_repeated: int
    survey: str
    model_survey: str
    counts: dict
    doubts: dict
    reasons: dict
    least_certain: pd.DataFrame
    most_unlike: pd.DataFrame


def summarise_results(folder: str | os.PathLike, *, number: int = 20, page: bool = True) -> Summary:
    """Count what a folder of results holds, and write a page of it, ``summary.html`` in the folder.

    Parameters
    ----------
    folder : path
        Results of `classify_many`, finished or not.
    number : int
        Spectra in each table of doubtful ones.
    page : bool
        Whether to write the page.

    Returns
    -------
    Summary

    Raises
    ------
    AgnError
        For a folder without results, and one without a finished partition.
    """
    folder = Path(folder)
    run, records = read_manifest(folder)
    if not records:
        raise AgnError(f"{folder} holds no finished partition yet; let the run go on.")
    counts: collections.Counter = collections.Counter()
    doubts: collections.Counter = collections.Counter()
    reasons: collections.Counter = collections.Counter()
    names: set[int] = set()
    certain, unlike, n_spectra = [], [], 0
    for record in records:
        frame = _read_scalars(folder / "spectra" / part_name(record["partition"], ".parquet"))
        counts.update(frame["predicted"])
        doubts.update(_find_doubts(frame))
        n_spectra += len(frame)
        names.update(map(hash, frame["name"]))
        certain.append(frame[frame["predicted"] != UNDETERMINED].nsmallest(number, "probability"))
        if "novelty" in frame:
            unlike.append(frame.nlargest(number, "novelty"))
        rejected = pq.read_table(folder / "rejected" / part_name(record["partition"], ".parquet"))
        reasons.update(map(_shorten, rejected["reason"].to_pylist(), rejected["name"].to_pylist()))
    surveys = {name for record in records for name in record["survey"].split(", ") if record["n_spectra"]}
    summary = Summary(
        n_partitions=len(run["partitions"]),
        n_done=len(records),
        n_spectra=n_spectra,
        n_rejected=sum(record["n_rejected"] for record in records),
        n_repeated=n_spectra - len(names),
        survey=", ".join(sorted(surveys)) or "unknown",
        model_survey=run["model_survey"],
        counts={name: counts[name] for name in (*AGN_TYPES, UNDETERMINED) if counts[name]},
        doubts=dict(doubts),
        reasons=dict(reasons.most_common()),
        least_certain=_join(certain).nsmallest(number, "probability"),
        most_unlike=_join(unlike).nlargest(number, "novelty") if unlike else pd.DataFrame(),
    )
    if page:
        _write_page(folder, summary, records)
    return summary


def _read_scalars(path):
    """All columns of a part but its arrays, with the probability of the type."""
    names = [each.name for each in pq.read_schema(path) if not pa.types.is_fixed_size_list(each.type)]
    frame = pq.read_table(path, columns=names).to_pandas()
    frame["probability"] = frame[[f"p_{kind.key}" for kind in AGN_TYPES.values()]].max(axis=1)
    return frame


def _join(frames):
    return pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)


def _find_doubts(frame):
    """How many spectra of a part each kind of doubt is about."""
    found = {
        "undetermined: Hβ, or too much else, was not observed": frame["predicted"] == UNDETERMINED,
        "the pipeline doubts the redshift (zwarning)": frame["zwarning"] > 0,
    }
    if "p_low" in frame:
        found["a model of another survey would give another type (p_low below 0.5)"] = frame["p_low"] < 0.5
    if "prediction_set" in frame:
        found["may well be of more than one type (prediction_set)"] = frame["prediction_set"].str.contains(
            "|", regex=False
        )
    if "novelty" in frame:
        found["unlike anything the model was trained on (unlike_training)"] = frame["unlike_training"]
    return {name: int(each.sum()) for name, each in found.items()}


def _shorten(reason, name):
    """A reason without what differs from spectrum to spectrum: names, paths and numbers."""
    words = (reason.replace(name, "…") if name else reason).split()
    return " ".join("…" if "/" in word or any(map(str.isdigit, word)) else word for word in words)[:160]


def _write_page(folder, summary, records):
    shown = {
        "name": "name",
        "redshift": "redshift",
        "predicted": "type",
        "probability": "P(type)",
        "p_low": "least P, other surveys",
        "novelty": "novelty",
        "unlike_in": "unlike in",
        "snr": "S/N",
        "ra": "RA (°)",
        "dec": "Dec (°)",
    }
    parts = [
        _table(
            ["type", "spectra", "share"],
            [(k, f"{n:,}", f"{n / max(1, summary.n_spectra):.2%}") for k, n in summary.counts.items()],
        ),
        "<h2>Doubts</h2>",
        _table(["of how many spectra", ""], [(k, f"{n:,}") for k, n in summary.doubts.items()]),
        _draw_means(folder, records, summary),
        "<h2>Least certain types</h2>",
        _tabulate(summary.least_certain, shown),
    ]
    if len(summary.most_unlike):
        parts += ["<h2>Most unlike the training sample</h2>", _tabulate(summary.most_unlike, shown)]
    if summary.reasons:
        rows = [(k, f"{n:,}") for k, n in list(summary.reasons.items())[:_MOST_REASONS]]
        parts += [f"<h2>{summary.n_rejected:,} rejected</h2>", _table(["reason", "spectra"], rows)]
    state = (
        ""
        if summary.n_done == summary.n_partitions
        else f"; {summary.n_done} of {summary.n_partitions} partitions done"
    )
    repeated = f" {summary.n_repeated:,} rows repeat a name." if summary.n_repeated else ""
    head = (
        f"<h1>{summary.n_spectra:,} spectra</h1><p>Survey: {escape(summary.survey)}; model trained on: "
        f"{escape(summary.model_survey)}{state}.{repeated}</p>"
    )
    text = _HEAD.format(title=escape(folder.resolve().name)) + head + "\n".join(parts) + "</body></html>\n"
    with whole_file(folder / PAGE) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _tabulate(frame, shown):
    columns = {name: title for name, title in shown.items() if name in frame and _is_told(frame[name])}
    rows = [[_write(row[name]) for name in columns] for row in frame.to_dict("records")]
    return _table(list(columns.values()), rows)


def _is_told(column):
    """Whether a column says anything of any row."""
    return bool((column.notna() & (column != "")).any())


def _write(value):
    return ("" if np.isnan(value) else f"{value:.4g}") if isinstance(value, float) else str(value)


def _table(titles, rows):
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _draw_means(folder, records, summary):
    """The mean spectrum of each type in the colours of its mean attribution, as an image in the page."""
    chosen = records[:: -(-len(records) // _AVERAGED)]
    sums = {}
    model = load_model(folder / MODEL_FILE)
    for record in chosen:
        table = pq.read_table(folder / "spectra" / part_name(record["partition"], ".parquet"))
        if not {"attribution", "attribution_pairs"} & set(table.column_names):
            return ""
        flux, observed = list_values(table["flux"]), list_values(table["ivar"]) > 0
        values = attributions(table.to_pandas(types_mapper=pd.ArrowDtype), model)
        types = np.array(table["predicted"].to_pylist())
        for name in AGN_TYPES:
            own = types == name
            new = [np.where(observed, each, 0)[own].sum(axis=0) for each in (flux, values)]
            new += [observed[own].sum(axis=0), own.sum()]
            sums[name] = [a + b for a, b in zip(sums.get(name, [0, 0, 0, 0]), new)]
    sums = {name: each for name, each in sums.items() if each[3]}
    if not sums:
        return ""
    # Only those who want a page wait for matplotlib.
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure

    from ..plotting import DOUBLE_COLUMN, plot_saliency

    images = []
    with plt.style.context("agn_helpers.agn"):
        for name, (flux, values, count, number) in sums.items():
            count = np.maximum(1, count)
            ax = Figure(figsize=(DOUBLE_COLUMN, 2.9)).subplots()
            plot_saliency(
                model.grid,
                flux / count,
                values / count,
                target=name,
                title=f"{name}: mean of {number:,} spectra",
                ax=ax,
            )
            buffer = io.BytesIO()
            ax.figure.savefig(buffer, format="png", dpi=200)
            data = base64.b64encode(buffer.getvalue()).decode()
            alt = f"Mean spectrum of {escape(name)} in the colours of its mean attribution"
            images.append(f'<img alt="{alt}" src="data:image/png;base64,{data}">')
    of = "" if len(chosen) == len(records) else f", of {len(chosen)} of {len(records)} partitions"
    return f"<h2>Mean spectra, and what made them their type{of}</h2>" + "\n".join(images)


_HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem }}
h1 {{ font-weight: 600; margin-bottom: 0 }} h2 {{ font-weight: 600; margin-top: 2rem }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; display: block; overflow-x: auto }}
th, td {{ padding: .2rem .9rem .2rem 0; text-align: left; border-bottom: 1px solid #e4e4e4;
  white-space: nowrap }}
td:first-child {{ white-space: normal; min-width: 14rem }}
th {{ font-weight: 600; border-bottom-color: #888 }}
img {{ display: block; width: 100%; margin: .6rem 0 }}
</style></head><body>
"""
