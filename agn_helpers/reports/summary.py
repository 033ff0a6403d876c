"""The key numbers of a run, with intervals, beside the paper's."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import AgnError
from ..files import read_table
from ..lines import AGN_TYPES
from ..tuning import paper_table


class KeyNumber(NamedTuple):
    """A number that a report begins with.

    Attributes
    ----------
    group, name : str
        What it belongs to, and what it says.
    value : float
    interval : (float, float) or None
        Its uncertainty, as `meaning` says.
    meaning : str
        Of the interval.
    paper : float or str or None
        What Peruzzi et al. (2021) give.
    notebook : str
        Number of the notebook that measures it.
    """

    group: str
    name: str
    value: float
    interval: tuple | None
    meaning: str
    paper: float | str | None
    notebook: str


_BOOTSTRAP = "95 %, bootstrap over the test spectra"
_SURVEYS = "least and largest of {:.0f} surveys"
_BINOMIAL = "95 %, binomial"

_TEST = "Scores on the test part"
_MANY = "Scores over independent surveys"
_DOUBT = "Doubt"
_MAPS = "Are the saliency maps true?"
_HBETA = "How Hβ is weighed"
_PLANE = "The map"

_CLAIMS = {
    "opposite 500": "core of 500 km/s and wings of opposite sign, {}",
    "opposite 150": "core of 150 km/s and wings of opposite sign, {}",
    "foot": "core and wings both weighed with the sign of a broad line, {}",
}


def collect_numbers(tables):
    """The key numbers of a run.

    Parameters
    ----------
    tables : path
        Folder of its tables; those that are not there are left out.

    Returns
    -------
    list of KeyNumber
    """
    numbers = []
    for collect in (_collect_scores, _collect_surveys, _collect_doubts, _collect_maps, _collect_plane):
        numbers += collect(Path(tables))
    return [each for each in numbers if np.isfinite(each.value)]


def _read(tables, name, key):
    """Rows of a table by a column, dicts; none where it is missing or damaged."""
    path = tables / f"{name}.csv"
    if not path.is_file():
        return {}
    try:
        table = read_table(path)
    except AgnError:
        return {}
    return {str(row[key]): dict(zip(table.colnames, row)) for row in table} if key in table.colnames else {}


def _number(row, name):
    value = row.get(name)
    return np.nan if value is None or value is np.ma.masked else float(value)


def _interval(row, low, high):
    ends = _number(row, low), _number(row, high)
    return ends if np.isfinite(ends).all() else None


def _paper(value):
    return value if np.isfinite(value) else None


def _collect_scores(tables):
    rows, numbers = _read(tables, "table6", "kernel"), []
    if row := rows.get("the model"):
        for key, name in (
            ("f_score", "macro F"),
            ("precision", "macro precision"),
            ("recall", "macro recall"),
        ):
            ends = _interval(row, f"{key}_low", f"{key}_high")
            paper = _paper(_number(row, f"{key}_paper"))
            numbers.append(KeyNumber(_TEST, name, _number(row, key), ends, _BOOTSTRAP, paper, "02"))
    for name, row in _read(tables, "table8", "type").items():
        ends, paper = _interval(row, "f_score_low", "f_score_high"), _paper(_number(row, "f_score_paper"))
        numbers.append(
            KeyNumber(_TEST, f"F of {name}", _number(row, "f_score"), ends, _BOOTSTRAP, paper, "02")
        )
    return numbers


def _collect_surveys(tables):
    numbers = []
    published = paper_table(8)["f_score"].to_dict() | {"macro": paper_table(6).loc["linear", "f_score"]}
    rows = _read(tables, "audit_scores", "score")
    for key in sorted(rows, key=lambda key: key != "F macro"):
        row, name = rows[key], key.removeprefix("F ")
        meaning = _SURVEYS.format(_number(row, "n"))
        ends, paper = _interval(row, "low", "high"), published.get(name)
        numbers.append(
            KeyNumber(_MANY, _name_score(name), _number(row, "median"), ends, meaning, paper, "06")
        )
    rows = _read(tables, "audit_claims", "claim")
    for start, words in _CLAIMS.items():
        for of_type in AGN_TYPES:
            if row := rows.get(f"{start} {of_type}"):
                meaning = _SURVEYS.format(_number(row, "n"))
                ends, value = _interval(row, "low", "high"), _number(row, "median")
                numbers.append(KeyNumber(_HBETA, words.format(of_type), value, ends, meaning, None, "06"))
    return numbers


def _name_score(name):
    return "macro F, median" if name == "macro" else f"F of {name}, median"


def _collect_doubts(tables):
    numbers = []
    for name, row in _read(tables, "doubts", "type").items():
        ends, value = _interval(row, "covered_low", "covered_high"), _number(row, "covered")
        words = f"prediction sets that hold the true type, {name} (promised: 0.95)"
        numbers.append(KeyNumber(_DOUBT, words, value, ends, _BINOMIAL, None, "02"))
    for key, words in (("ece", "expected calibration error"), ("brier", "Brier score")):
        if row := _read(tables, "calibration", "score").get(key):
            numbers.append(KeyNumber(_DOUBT, words, _number(row, "value"), None, "", None, "02"))
    return numbers


def _collect_maps(tables):
    rows = _read(tables, "saliency_faithfulness", "method")
    gradient, chance = rows.get("gradient", {}), rows.get("random order", {})
    by_chance = f"by chance {_number(chance, 'rank_one_host'):.2f}"
    found = (
        ("rank_one_host", f"strongest pixels inside the windows where pairs differ ({by_chance})"),
        ("rank_each_host", f"the same, each pair with a host galaxy of its own ({by_chance})"),
        ("labels_permuted", "rank correlation with maps of permuted labels (0: nothing is left)"),
    )
    # Adding 0 turns a rounded -0 into 0.
    return [
        KeyNumber(_MAPS, words, round(_number(gradient, key), 2) + 0, None, "", None, "04")
        for key, words in found
    ]


def _collect_plane(tables):
    path = tables / "map_bridges.csv"
    if not path.is_file():
        return []
    rows = [row for row in read_table(path) if str(row["perplexity"]) != "full space"]
    if not rows:
        return []
    words = "share of the intermediates that stand between type 1 and type 2"
    return [KeyNumber(_PLANE, words, float(rows[-1]["share"]), None, "", "half, by eye", "03")]


def format_numbers(numbers, groups=(_TEST, _MANY, _DOUBT)):
    """Key numbers as lines of a table for a screen; none where there are none.

    numbers : list of KeyNumber
    groups : which of their groups
    """
    rows = [
        (
            each.name,
            f"{each.value:.3f}",
            "" if each.interval is None else f"{each.interval[0]:.3f} to {each.interval[1]:.3f}",
            f"{each.paper:.3f}" if isinstance(each.paper, float) else "",
        )
        for each in numbers
        if each.group in groups
    ]
    if not rows:
        return []
    rows = [("", "this run", "interval", "paper"), *rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows]
