"""Statistics of the lines over a sample, by line and type."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullLocator

from .errors import AgnError
from .lines import AGN_TYPES, LINES
from .plotting import GREY, SINGLE_COLUMN


def plot_line_statistics(
    summary,
    *,
    values=("core", "wings"),
    type_column="true",
    xlabel="Mean attribution / mean |attribution| of the map",
    ax=None,
):
    """Draw how mean attributions of the lines are distributed over a sample, for each line and type.

    Marks are medians, bars hold the middle 68 % of the spectra. The first value is filled, the second hollow.

    Parameters
    ----------
    summary : pandas.DataFrame
        From `agn_helpers.line_statistics.summarise_lines`: ``line``, the type in `type_column`, and of each
        value three quantiles, e.g. ``core_q16, core_q50, core_q84``. A row a line and type, so that of true
        and predicted types some have to be chosen, e.g. those that are equal. Measure with ``relative=True``,
        lest maps of firm calls, smaller by orders of magnitude, gather at zero.
    values : sequence of one or two str
        Of core, wings, continuum, contrast.
    type_column : str
        "true" or "predicted": by which type the rows are told apart.
    xlabel : str
        What is drawn.

    Returns
    -------
    Axes

    Raises
    ------
    AgnError
        For a table without these columns or without rows, with unknown lines, or several rows of a line and
        type.
    """
    if not 1 <= len(values) <= 2:
        raise AgnError(f"values must name one or two quantities; got {len(values)}.")
    columns = [f"{value}_q{q}" for value in values for q in (16, 50, 84)]
    lines, names = _check_summary(summary, type_column, columns)
    ax = ax or plt.subplots(figsize=(SINGLE_COLUMN, 0.8 + 0.36 * len(lines)))[1]
    series = [(name, value) for name in names for value in values]
    for (name, value), offset in zip(series, _offsets(len(series))):
        rows = summary[summary[type_column] == name].set_index("line").reindex(lines)
        low, middle, high = (rows[f"{value}_q{q}"].to_numpy() for q in (16, 50, 84))
        hollow = {"markerfacecolor": "white"} if value != values[0] else {}
        label = name if len(values) == 1 else f"{name}, {value}"
        _draw_series(ax, name, middle, low, high, offset, label=label, **hollow)
    ax.axvline(0, color=GREY, linewidth=0.6, zorder=0.5)
    ax.set_xlabel(xlabel)
    return _dress_rows(ax, lines, columns=len(names))


def plot_opposite_shares(summary, *, type_column="true", ax=None):
    """Draw in which share of the spectra a line's core and wings are weighed oppositely, with 95 % intervals.

    Parameters
    ----------
    summary : pandas.DataFrame
        As in `plot_line_statistics`, with ``share_opposite, share_low, share_high``.
    type_column : str
        "true" or "predicted".

    Returns
    -------
    Axes
        The line stands at one half, which chance alone would give.

    Raises
    ------
    AgnError
        As `plot_line_statistics`.
    """
    lines, names = _check_summary(summary, type_column, ["share_opposite", "share_low", "share_high"])
    ax = ax or plt.subplots(figsize=(SINGLE_COLUMN, 0.75 + 0.27 * len(lines)))[1]
    for name, offset in zip(names, _offsets(len(names))):
        rows = summary[summary[type_column] == name].set_index("line").reindex(lines)
        numbers = (rows[column].to_numpy() for column in ("share_opposite", "share_low", "share_high"))
        _draw_series(ax, name, *numbers, offset, label=name)
    ax.axvline(0.5, color=GREY, linewidth=0.6, zorder=0.5)
    ax.set(xlim=(-0.02, 1.02), xlabel="Share of spectra whose core and wings have opposite signs")
    return _dress_rows(ax, lines, columns=len(names))


def _check_summary(summary, type_column, columns):
    """Lines and types that are there, each in their order."""
    missing = [column for column in ("line", type_column, *columns) if column not in summary]
    if missing:
        raise AgnError(f"the summary must be one of summarise_lines; it lacks {', '.join(missing)}.")
    unknown = sorted(set(summary["line"]) - set(LINES))
    if unknown or summary.empty:
        raise AgnError(f"the summary must hold lines of LINES; got {', '.join(unknown) or 'no rows'}.")
    if summary.duplicated(["line", type_column]).any():
        raise AgnError(
            f"the summary must have one row a line and {type_column} type; got several. Choose rows first, "
            "e.g. those where true and predicted are the same."
        )
    lines = [line for line in LINES if (summary["line"] == line).any()]
    return lines, [name for name in AGN_TYPES if (summary[type_column] == name).any()]


def _offsets(number):
    """Heights of a row's marks about the middle of the row."""
    return 0.8 * ((np.arange(number) + 0.5) / number - 0.5)


def _draw_series(ax, name, middle, low, high, offset, **style):
    look = AGN_TYPES[name]
    marks = {"marker": look.marker, "markersize": 3.2, "markeredgewidth": 0.8, "linestyle": "none"}
    # An interval holds its middle but for rounding.
    ends = np.maximum([middle - low, high - middle], 0)
    place = np.arange(len(middle)) + offset
    ax.errorbar(middle, place, xerr=ends, color=look.colour, elinewidth=0.8, **marks, **style)


def _dress_rows(ax, lines, *, columns):
    for row in range(0, len(lines), 2):
        ax.axhspan(row - 0.5, row + 0.5, color="#f4f4f4", linewidth=0, zorder=0)
    ax.set_yticks(range(len(lines)), [LINES[line].label for line in lines])
    ax.set_ylim(len(lines) - 0.5, -0.5)
    ax.tick_params(axis="y", which="both", length=0)
    ax.yaxis.set_minor_locator(NullLocator())
    # Above the Axes, where no mark can lie under it.
    place = {"loc": "lower right", "bbox_to_anchor": (1, 1), "columnspacing": 0.8, "handletextpad": 0.3}
    ax.legend(ncols=columns, **place)
    return ax
