"""A page for each explained spectrum: the verdict in a sentence, its doubts, its map, what would turn it."""

from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
from joblib import Parallel, cpu_count, delayed
from tqdm import tqdm

from ..classifier import UNDETERMINED
from ..files import make_folder, name_file, whole_file
from ..lines import AGN_TYPES, LINES
from ..plotting import (
    DOUBLE_COLUMN,
    SIGNIFICANT,
    full_colour,
    plot_saliency,
    save_figure,
    say_method,
    tabulate_statistics,
)
from ..saliency import measure_lines
from ..spectra import list_sky_pages
from .pages import fill_page

# Å around Hβ and [O III] that the second figure shows.
_ZOOM = (4700.0, 5060.0)

_DPI = 130

# Spectra that a process draws before it is given others: some ten seconds.
_AT_ONCE = 20

# Of a figure's Axes: left, bottom, width, height.
_PLACE = (0.065, 0.17, 0.875, 0.66)


class ObjectPage(NamedTuple):
    """What an index says of a page.

    Attributes
    ----------
    name, file, verdict : str
    doubts : list of str
    row : dict
        Of the table of types.
    """

    name: str
    file: str
    verdict: str
    doubts: list
    row: dict


def describe_verdict(row, *, label="", statistics=None):
    """Say in one or two sentences what a spectrum is predicted to be, and what speaks for it.

    row : mapping, of the table of types (`predict_types`)
    label : str, its type where it is known
    statistics : DataFrame, optional, of its lines: ``line, core, core_error, wings, wings_error …``
    """
    probability = {name: float(row[f"p_{each.key}"]) for name, each in AGN_TYPES.items()}
    best = max(probability, key=probability.get)
    if row["predicted"] == UNDETERMINED:
        words = (
            f"Undetermined ({row['reason']}); {best} would be the most probable, P = {probability[best]:.2f}"
        )
    else:
        words = f"Predicted {best} with P = {probability[best]:.2f}"
    if label:
        words += ", as it is labelled" if label == row["predicted"] else f"; its label is {label}"
    strongest = [] if statistics is None else _name_strongest(statistics)
    return f"{words}. {_join(strongest)}".strip()


def _name_strongest(statistics):
    """Places whose flux moves the probability most, with the direction: those beyond their uncertainty."""
    found = []
    for place in ("core", "wings"):
        for line in statistics.index:
            value, error = statistics[place][line], statistics.get(f"{place}_error", {}).get(line, np.nan)
            if np.isfinite(value) and not abs(value) < SIGNIFICANT * (error if np.isfinite(error) else 0):
                found.append((abs(value), value, place, line))
    found.sort(key=lambda item: -item[0])
    # One place a line: its core and its wings mostly go together.
    by_line = {
        line: (value, f"the {place} of {LINES[line].label}") for _, value, place, line in reversed(found)
    }
    return sorted(by_line.values(), key=lambda item: -abs(item[0]))[:2]


def _join(strongest):
    words = [f"in {place} would {'raise' if value > 0 else 'lower'} it" for value, place in strongest]
    return f"More flux {words[0]} most{f', {words[1]} next' if len(words) > 1 else ''}." if words else ""


def describe_doubt(row):
    """What is to be doubted of a prediction, a list of short sentences; none where nothing is."""
    doubts = []
    held = [name for name in str(row.get("prediction_set", "")).split("|") if name]
    if len(held) > 1:
        doubts.append(f"It may also be {' or '.join(name for name in held if name != row['predicted'])}.")
    if row.get("unlike_training", False):
        where = str(row.get("unlike_in", "")).replace("|", " and ")
        doubts.append(f"It is unlike the training sample{f' in its {where}' if where else ''}.")
    if float(row.get("p_low", 1)) < 0.5:
        low, high = float(row["p_low"]), float(row["p_high"])
        doubts.append(f"Models of other surveys give P = {low:.2f} to {high:.2f}.")
    if missing := [name for name in str(row.get("missing_lines", "")).split("|") if name]:
        doubts.append(f"Not observed: {', '.join(LINES[name].label for name in missing)}.")
    if float(row.get("unobserved", 0)) > 0.05:
        doubts.append(f"{float(row['unobserved']):.0%} of the wavelengths were not observed.")
    if int(row.get("zwarning", -1)) > 0:
        doubts.append("Its pipeline doubts the redshift.")
    return doubts


def write_object_pages(
    folder,
    sample,
    types,
    attribution,
    model,
    *,
    labels=None,
    back="../index.html",
    explorer="",
    progress=True,
):
    """Write a page, and its two figures, for each spectrum of a reduced sample.

    Parameters
    ----------
    folder : path
        Of the pages.
    sample : astropy.table.Table
        Reduced.
    types : astropy.table.Table
        Of its types, row by row, see `agn_helpers.classifier.predict_types`.
    attribution : Attribution
        Of its spectra, row by row.
    model : TrainedModel
        Asked what would turn the types.
    labels : (n_spectra,) sequence of str, optional
        Types where they are known.
    back, explorer : str
        Addresses of the index and of the explorer; "" for none.
    progress : bool
        Show a bar.

    Returns
    -------
    list of ObjectPage
    """
    folder = make_folder(folder)
    n = len(sample)
    measured = measure_lines(attribution.values, grid=model.grid, uncertainty=attribution.uncertainty)
    statistics = measured.to_frame(name=np.arange(n))
    turns = model.what_would_turn(sample) if n else ()
    rows = [dict(zip(types.colnames, row)) for row in types]
    files = [name_file(str(row["name"]), "") for row in rows]
    pages = []
    drawn = _draw_side_by_side(folder, files, attribution)
    for k, (row, images) in enumerate(
        zip(rows, tqdm(drawn, desc="pages", unit="page", total=n, disable=not progress, delay=1))
    ):
        lines = statistics[statistics["name"] == k].drop(columns="name").set_index("line")
        label = "" if labels is None else str(labels[k])
        verdict = describe_verdict(row, label=label, statistics=_finite(lines))
        page = ObjectPage(str(row["name"]), f"{files[k]}.html", verdict, describe_doubt(row), row)
        text = fill_page(
            "object.html",
            title=page.name,
            page=page,
            label=label,
            survey=attribution.survey,
            images=images,
            quantity=attribution.quantity,
            method=say_method(attribution.method),
            target=str(attribution.target[k]),
            probability={name: float(row[f"p_{each.key}"]) for name, each in AGN_TYPES.items()},
            statistics=tabulate_statistics(lines),
            turns=_describe_turns(turns, page.name),
            sky=list(list_sky_pages(_number(row.get("ra")), _number(row.get("dec"))).items()),
            before=f"{files[k - 1]}.html" if k else "",
            after=f"{files[k + 1]}.html" if k + 1 < n else "",
            back=back,
            explorer=f"{explorer}#{quote(page.name)}" if explorer else "",
        )
        with whole_file(folder / page.file) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="replace")
        pages.append(page)
    return pages


def _finite(lines):
    values = lines[[name for name in ("core", "wings") if name in lines]]
    return lines[np.isfinite(values).any(axis=1)]


def _number(value):
    return None if value is None or value is np.ma.masked else float(value)


def _draw_side_by_side(folder, files, attribution):
    """Draw all spectra, as many at once as there are cores; yield the images of one after the other."""
    starts = range(0, len(files), _AT_ONCE)
    tasks = [(folder, files[at : at + _AT_ONCE], attribution[at : at + _AT_ONCE]) for at in starts]
    # A further process has a second of imports to earn back.
    n_jobs = max(1, min(cpu_count(), len(tasks)))
    for several in Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_draw_some)(*task) for task in tasks
    ):
        yield from several


def _draw_some(folder, files, attribution):
    import matplotlib.pyplot as plt

    with plt.style.context(["agn_helpers.agn", {"savefig.dpi": _DPI}]):
        return [_draw(folder, stem, attribution, k) for k, stem in enumerate(files)]


def _draw(folder, stem, attribution, k):
    """The whole spectrum, and the part around Hβ: addresses and alternative texts of the images."""
    from matplotlib.figure import Figure

    grid, values = attribution.grid, attribution.values[k]
    near = (grid > _ZOOM[0]) & (grid < _ZOOM[1])
    images = []
    for part, end, words in (
        (np.ones(len(grid), dtype=bool), "", "The whole spectrum"),
        (near, "-hbeta", "The part around Hβ and [O III]"),
    ):
        if part.sum() < 2:
            continue
        ax = plot_saliency(
            grid[part],
            attribution.flux[k][part],
            values[part],
            target=str(attribution.target[k]),
            scale=full_colour(values),
            quantity=attribution.quantity,
            # A place that fits every spectrum spares most of the time that finding one takes.
            ax=Figure(figsize=(DOUBLE_COLUMN, 2.6), layout="none").add_axes(_PLACE),
        )
        save_figure(ax, folder / f"{stem}{end}.png", survey=attribution.survey)
        alt = f"{words}, coloured by what moves the probability, with the map by height in a strip below."
        images.append((quote(f"{stem}{end}.png"), alt))
    return images


def _describe_turns(turns, name):
    """What would turn the predicted type of a spectrum, a list of sentences."""
    sentences = []
    for row in turns:
        if str(row["name"]) != name:
            continue
        amount, concept = float(row["amount"]), str(row["concept"])
        if np.isfinite(amount):
            verb = "adding" if amount > 0 else "taking away"
            sentences.append(
                f"{verb} {abs(amount):.2g} {row['unit']} ({concept}) would make it {row['turns_to']}"
            )
        else:
            sentences.append(f"no amount of {concept} that was tried would turn it")
    return sentences


def write_gallery(folder, entries, *, title, survey=""):
    """Write an index of summary pages that are images.

    Parameters
    ----------
    folder : path
        Where they are.
    entries : sequence of (str, str, str, list of str)
        Name, file, verdict and doubts of each.
    title, survey : str

    Returns
    -------
    Path
        ``index.html`` in the folder.
    """
    path = Path(folder) / "index.html"
    entries = [(name, quote(file), verdict, doubts) for name, file, verdict, doubts in entries]
    with whole_file(path) as temporary:
        text = fill_page("gallery.html", title=title, survey=survey, entries=entries)
        temporary.write_text(text, encoding="utf-8", errors="replace")
    return path
