"""Are attributions true? Deletion and insertion curves, and the table of methods and measures."""

from itertools import cycle
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from ..errors import AgnError
from .distributions import draw_heatmap
from .style import DARK, DOUBLE_COLUMN, GREY, SINGLE_COLUMN

# Colours other than those of the types (Tol 2021, "muted"), with dashes and marks for print in grey.
_LOOKS = (
    ("#332288", "-", "o"),
    ("#117733", (0, (5, 1.5)), "s"),
    ("#CC6677", (0, (1.4, 1)), "^"),
    ("#44AA99", (0, (5, 1.2, 1.2, 1.2)), "D"),
    ("#882255", (0, (3, 1)), "v"),
    ("#999933", (0, (8, 2)), "P"),
    ("#AA4499", (0, (5, 1, 1, 1, 1, 1)), "X"),
    ("#555555", (0, (1.2, 1.8)), "*"),
)

#: Measures of `agn_helpers.faithfulness.measure_faithfulness` of which less is better.
LOWER_IS_BETTER = (
    "deletion_pixels",
    "deletion_segments",
    "labels_permuted",
    "labels_permuted_absolute",
    "dual_shuffled",
    "dual_shuffled_absolute",
)

#: Its rows that are no methods but what methods are compared with.
REFERENCES = ("random order", "|flux - continuum|")

# From the worst to the best of a measure; dark words can be read on all of it.
_RANKING = {"cmap": LinearSegmentedColormap.from_list("ranking", ["#ffffff", "#a9cbe8"]), "top": 1, "size": 8}


def plot_curves(
    curves,
    *,
    low=None,
    high=None,
    random="random order",
    xlabel="Share of pixels removed",
    ylabel="ln P(target)",
    ax=None,
):
    """Draw deletion or insertion curves, a line a method; random order in grey.

    Parameters
    ----------
    curves : pandas.DataFrame
        The index is the share of pixels removed or inserted, 0 to 1; a column a method.
    low, high : pandas.DataFrame, optional
        Ends of intervals, drawn as bands for the columns that they hold.
    random : str
        Which column is the random order.
    xlabel, ylabel : str
        What is drawn.

    Returns
    -------
    Axes

    Raises
    ------
    AgnError
        For a table without methods or without two shares.
    """
    if curves.shape[1] == 0 or len(curves) < 2:
        raise AgnError(f"curves must hold a method and two shares; got a table of shape {curves.shape}.")
    ax = ax or plt.subplots(figsize=(SINGLE_COLUMN, 2.7))[1]
    share = curves.index.to_numpy(dtype=float)
    looks = cycle(_LOOKS)
    # Random order first, behind the others.
    step = max(len(share) // 8, 1)
    for place, name in enumerate(sorted(curves, key=lambda name: name != random)):
        colour, dashes, marker = (GREY, "-", "") if name == random else next(looks)
        if low is not None and high is not None and name in low and name in high:
            ax.fill_between(share, low[name], high[name], color=colour, alpha=0.16, linewidth=0)
        ax.plot(
            share,
            curves[name],
            color=colour,
            linestyle=dashes,
            marker=marker,
            markersize=3,
            markevery=(place % step, step),
            linewidth=1.6 if name == random else 0.9,
            alpha=0.6 if name == random else 1.0,
            label=_say(name),
        )
    ax.set(xlim=(share.min(), share.max()), xlabel=xlabel, ylabel=ylabel)
    # Above the Axes, where no curve can lie under it.
    look = {"ncols": 3, "columnspacing": 1.0, "handlelength": 2.2, "handletextpad": 0.5}
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), **look)
    return ax


def plot_faithfulness(table, *, lower_is_better=None, references=REFERENCES, digits=2, ax=None):
    """Draw a table of measures (rows) and methods (columns), shaded from each measure's worst to its best.

    Parameters
    ----------
    table : pandas.DataFrame
        As from `agn_helpers.faithfulness.measure_faithfulness` without intervals: a row a method, a column a
        measure; NaN, where a measure does not apply, is a dash.
    lower_is_better : collection of str, optional
        Measures of which the value nearest to zero is the best; of all others it is the highest. Those of
        `LOWER_IS_BETTER` that are in the table by default.
    references : collection of str
        Rows that are no methods: they stand last, grey, and do not compete.
    digits : int
        Behind the decimal point.

    Returns
    -------
    Axes
        The best methods of each measure, as the written digits tell, are bold and framed, unless all are
        equal.

    Raises
    ------
    AgnError
        For a table without a method or measure, or a measure in `lower_is_better` that is no column.
    """
    methods = [name for name in table.index if name not in references]
    order = methods + [name for name in table.index if name in references]
    lower = set(LOWER_IS_BETTER) & set(table) if lower_is_better is None else set(lower_is_better)
    if not methods or not table.shape[1]:
        raise AgnError(
            f"the table must hold a method and a measure; got {table.shape[0]} x {table.shape[1]}."
        )
    if lower - set(table):
        unknown = ", ".join(sorted(lower - set(table)))
        raise AgnError(f"lower_is_better must name measures of the table; got {unknown}.")
    ax = ax or plt.subplots(figsize=(DOUBLE_COLUMN, 0.85 + 0.2 * table.shape[1]))[1]
    values = table.loc[order].T.astype(float)
    # What the digits do not distinguish is no difference.
    better = values[methods].round(digits)
    better.loc[sorted(lower)] = -better.loc[sorted(lower)].abs()
    shade, best = _rank_methods(better)
    draw_heatmap(ax, shade.reindex(columns=order, fill_value=0.0), _write_values(values, digits), **_RANKING)
    for text, (row, column) in zip(ax.texts, np.ndindex(values.shape)):
        text.set(color=DARK if column < len(methods) else GREY)
        if column < len(methods) and best.iloc[row, column]:
            text.set(weight="bold")
            frame = {"facecolor": "none", "edgecolor": DARK, "linewidth": 0.8}
            ax.add_patch(plt.Rectangle((column + 0.04, row + 0.08), 0.92, 0.84, **frame))
    width = max(90 // len(order), 8)
    heads = [fill(_say(name), width, break_long_words=False) for name in order]
    ax.set_xticks(ax.get_xticks(), heads, rotation=0, size=7.5, linespacing=1.2, va="baseline")
    rows = [f"{_say(name)}  {'↓' if name in lower else '↑'}" for name in table]
    ax.set_yticks(ax.get_yticks(), rows, rotation=0, size=8)
    for label in ax.get_xticklabels()[len(methods) :]:
        label.set_color(GREY)
    ax.xaxis.tick_top()
    ax.tick_params(which="both", length=0)
    key = "↑ higher, ↓ nearer to 0 is better; framed: the best; shade: from the worst to the best of a row"
    ax.set_xlabel(key, size=7, color=GREY)
    return ax


def _rank_methods(better):
    """Places of methods (columns) between worst (0) and best (1) of each row, and which are the best."""
    worst, best = better.min(axis=1), better.max(axis=1)
    span = (best - worst).where(best > worst)
    return better.sub(worst, axis=0).div(span, axis=0).fillna(0.0), better.eq(
        best.where(best > worst), axis=0
    )


def _write_values(values, digits):
    # Adding 0 turns a rounded -0 into 0.
    written = values.round(digits).add(0.0).map(f"{{:.{digits}f}}".format)
    return written.replace("-", "−", regex=True).where(values.notna(), "–")


def _say(name):
    return str(name).replace("_", " ")
