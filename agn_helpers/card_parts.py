"""What stands at the foot of a card: class probabilities as bars, line statistics as a table."""

import numpy as np

from .errors import AgnError
from .lines import AGN_TYPES, LINES
from .page_layout import draw_rule, write_words
from .plotting import GREY
from .saliency_colours import SALIENCY_COLOURS, SIGNIFICANT

#: Height of a row of the table in mm.
ROW = 4.5

_COLUMNS = {"core": "core", "wings": "wings", "contrast": "core − wings"}
# Width of the lines' names, and of the square before a number, in mm.
_NAMES, _SQUARE = 21.0, 2.6


def draw_probabilities(ax, probabilities, *, true_label=None):
    """Draw class probabilities as bars in the types' colours.

    Parameters
    ----------
    ax : Axes
    probabilities : mapping of str to float
        Probability of each class.
    true_label : str, optional
        The class that is marked as the true one.

    Returns
    -------
    Axes
    """
    names = [name for name in AGN_TYPES if name in probabilities]
    names += [name for name in probabilities if name not in AGN_TYPES]
    values = [float(probabilities[name]) for name in names]
    colours = [AGN_TYPES[name].colour if name in AGN_TYPES else GREY for name in names]
    ax.barh(range(len(names)), np.ones(len(names)), 0.62, color="#f0f0f0")
    ax.barh(range(len(names)), values, 0.62, color=colours)
    for place, (name, value) in enumerate(zip(names, values)):
        words = f"{value:.3f}" + ("  true type" if name == true_label else "")
        ax.annotate(words, (1, place), (3, 0), textcoords="offset points", va="center", size=7.5)
    ax.set_yticks(range(len(names)), names)
    ax.set(xlim=(0, 1), ylim=(len(names) - 0.5, -0.5), xticks=[])
    ax.tick_params(which="both", length=0)
    ax.minorticks_off()
    ax.spines[:].set_visible(False)
    return ax


def order_statistics(statistics):
    """Rows of a table of statistics as (Line, row), from blue to red; none for None.

    Raises AgnError for lines that are no keys of `LINES`, and where no column can be shown.
    """
    if statistics is None:
        return []
    statistics = statistics.rename(columns=lambda name: str(name).replace("_uncertainty", "_error"))
    if "line" in statistics:
        statistics = statistics.set_index("line")
    unknown = [str(line) for line in statistics.index if line not in LINES]
    if unknown or not statistics.index.is_unique:
        got = ", ".join(unknown) or "a line twice"
        raise AgnError(f"statistics must have a row a line, by the keys of LINES; got {got}.")
    if not set(_COLUMNS) & set(statistics.columns):
        got = ", ".join(map(str, statistics.columns))
        raise AgnError(f"statistics must have a column of {', '.join(_COLUMNS)}; got {got or 'none'}.")
    rows = [(LINES[line], row) for line, row in statistics.iterrows()]
    return sorted(rows, key=lambda pair: pair[0].wavelength)


def draw_statistics(page, rows, *, scale, left, right, top):
    """Write line statistics in one power of ten, each number after a square in its colour.

    Parameters
    ----------
    page : Figure
        From `agn_helpers.page_layout.open_page`.
    rows : list of (Line, pandas.Series)
        From `order_statistics`.
    scale : float
        Attribution that gets the full colour.
    left, right, top : float
        Where the table goes, in mm; it is ``ROW * (len(rows) + 3)`` high.
    """
    shown = [column for column in _COLUMNS if column in rows[0][1]]
    values = np.array([[row[column] for column in shown] for _, row in rows], dtype=float)
    largest = np.max(np.abs(values), where=np.isfinite(values), initial=0)
    power = int(np.floor(np.log10(largest))) if largest > 0 else 0
    write_words(page, left, top, "Mean attribution by line", weight="bold")
    if power:
        write_words(page, right, top, f"in $10^{{{power}}}$", ha="right", size=7.5)
    places = np.linspace(left + _NAMES, right + 2, len(shown) + 1)[:-1]
    top += 6.2
    draw_rule(page, left, right, top - 1.2, linewidth=0.8)
    for place, column in zip(places, shown):
        write_words(page, place + _SQUARE, top, _COLUMNS[column], size=7.5)
    draw_rule(page, left, right, top + ROW - 0.8, linewidth=0.4)
    top += 0.7
    for line, row in rows:
        top += ROW
        write_words(page, left, top, line.label, size=7.5)
        for place, column in zip(places, shown):
            error = row.get(f"{column}_error", np.nan)
            _write_number(page, place, top, row[column] / 10.0**power, error / 10.0**power)
            if np.isfinite(row[column]):
                colour = SALIENCY_COLOURS(0.5 + 0.5 * np.clip(row[column] / scale, -1, 1))
                write_words(page, place, top + 0.1, "■", size=7, color=colour, family="DejaVu Sans")
    draw_rule(page, left, right, top + ROW - 0.5, linewidth=0.8)
    if any(f"{column}_error" in rows[0][1] for column in shown):
        words = f"Bold: more than {SIGNIFICANT:g}σ from 0"
        write_words(page, left, top + ROW + 0.6, words, size=7, color=GREY)


def _write_number(page, left, top, value, error):
    # Adding 0 turns a rounded -0 into 0.
    text = f"{round(value, 2) + 0:+.2f}".replace("-", "−") if np.isfinite(value) else "–"
    heavy = False
    if np.isfinite(value) and np.isfinite(error):
        text += f" ± {error:.2f}"
        heavy = abs(value) >= SIGNIFICANT * error
    write_words(page, left + _SQUARE, top, text, size=7.5, weight="bold" if heavy else "normal")
