"""Are attributions true? Deletion and insertion curves, and the table of methods and measures."""

from itertools import cycle
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from ..errors import AgnError
from .colours import say_method
from .distributions import draw_heatmap
from .style import DARK, DOUBLE_COLUMN, GREY, SINGLE_COLUMN

# Colours other than those of the types (Tol 2021, "muted", the pale ones darkened for white paper), with
# dashes and marks for print in grey.
_LOOKS = (
    ("#332288", "-", "o"),
    ("#117733", (0, (5, 1.5)), "s"),
    ("#CC6677", (0, (1.4, 1)), "^"),
    ("#2E8F7E", (0, (5, 1.2, 1.2, 1.2)), "D"),
    ("#882255", (0, (3, 1)), "v"),
    ("#86862B", (0, (8, 2)), "P"),
    ("#AA4499", (0, (5, 1, 1, 1, 1, 1)), "X"),
    ("#555555", (0, (1.2, 1.8)), "*"),
    ("#3A87B5", (0, (6, 1, 1, 1)), "p"),
)

# Curves nearer to each other than this share of all that is drawn are one.
_ALIKE = 0.01

# Measures by what they ask, in plain words; those that are not named here stand last, as they are.
_QUESTIONS = {
    "Does removing what it marks matter?": {
        "deletion_pixels": "removed pixel by pixel",
        "deletion_segments": "removed segment by segment",
        "insertion_pixels": "put back pixel by pixel",
        "insertion_segments": "put back segment by segment",
    },
    "Does it follow the classifier?": {
        "infidelity": "misses small changes (infidelity)",
        "labels_permuted": "like a classifier of shuffled labels",
        "labels_permuted_absolute": "the same, without signs",
        "dual_shuffled": "like a classifier of shuffled weights",
        "dual_shuffled_absolute": "the same, without signs",
    },
    "Is it stable?": {
        "another_seed": "trained with another seed",
        "another_seed_absolute": "the same, without signs",
        "half_the_sample": "trained on half of the sample",
        "half_the_sample_absolute": "the same, without signs",
        "max_sensitivity": "changes most with the noise",
        "stable_noise": "other noise",
        "stable_redshift_error": "an error of the redshift",
        "stable_local_median": "a smoothed spectrum",
        "stable_1_pixel_to_the_red": "a pixel to the red",
        "stable_1_pixel_to_the_blue": "a pixel to the blue",
    },
    "Does it find what is known to differ?": {
        "rank_one_host": "strongest pixels, one host",
        "mass_one_host": "share of the map, one host",
        "rank_each_host": "strongest pixels, own hosts",
        "mass_each_host": "share of the map, own hosts",
    },
}

#: Measures of `agn_helpers.faithfulness.measure_faithfulness` of which less is better.
LOWER_IS_BETTER = (
    "deletion_pixels",
    "deletion_segments",
    "infidelity",
    "labels_permuted",
    "labels_permuted_absolute",
    "dual_shuffled",
    "dual_shuffled_absolute",
    "max_sensitivity",
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
    # A method looks the same in every Axes, whichever it shares its curve with.
    looks = dict(zip([name for name in curves if name != random], cycle(_LOOKS)))
    # Random order first, behind the others.
    step, drawn = max(len(share) // 8, 1), []
    for place, names in enumerate(_merge_curves(curves, random)):
        name = names[0]
        colour, dashes, marker = looks.get(name, (GREY, "-", ""))
        if low is not None and high is not None and name in low and name in high:
            ax.fill_between(share, low[name], high[name], color=colour, alpha=0.16, linewidth=0)
        drawn += ax.plot(
            share,
            curves[name],
            label=fill(", ".join(map(say_method, names)), 24),
            color=colour,
            linestyle=dashes,
            marker=marker,
            markersize=3,
            markevery=(place % step, step),
            linewidth=1.6 if name == random else 0.9,
            alpha=0.85 if name == random else 1.0,
        )
    ax.set(xlim=(share.min(), share.max()), xlabel=xlabel, ylabel=ylabel)
    # In the order of the curves, which all meet at their ends.
    drawn.sort(key=lambda line: -np.mean(line.get_ydata()))
    ax.legend(handles=drawn, loc="center left", bbox_to_anchor=(1, 0.5), labelspacing=0.7)
    return ax


def _merge_curves(curves, random):
    """Columns in groups that no reader can tell apart, the random order first."""
    groups = []
    span = max(float(np.ptp(curves.to_numpy())), 1e-12)
    for name in sorted(curves, key=lambda name: name != random):
        for group in groups:
            if name != random and np.max(np.abs(curves[name] - curves[group[0]])) < _ALIKE * span:
                group.append(name)
                break
        else:
            groups.append([name])
    return groups


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
    words = {name: text for group in _QUESTIONS.values() for name, text in group.items()}
    known = [name for name in words if name in table]
    table = table[known + [name for name in table if name not in words]]
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
    width = max(80 // len(order), 8)
    heads = [fill(say_method(name), width, break_long_words=False) for name in order]
    ax.set_xticks(ax.get_xticks(), heads, rotation=0, size=6.4, linespacing=1.2, va="baseline")
    rows = [f"{words.get(name, say_method(name))}  {'↓' if name in lower else '↑'}" for name in table]
    ax.set_yticks(ax.get_yticks(), rows, rotation=0, size=8)
    _write_headings(ax, list(table))
    for label in ax.get_xticklabels()[len(methods) :]:
        label.set_color(GREY)
    ax.xaxis.tick_top()
    ax.tick_params(which="both", length=0)
    key = "↑ higher, ↓ nearer to 0 is better; framed: the best; shade: from the worst to the best of a row"
    ax.set_xlabel(key, size=7, color=GREY)
    return ax


def _write_headings(ax, measures):
    """A line between groups of rows, and what each group asks at the right of its first row."""
    for question, group in _QUESTIONS.items():
        rows = [row for row, name in enumerate(measures) if name in group]
        if len(rows) > 2:
            # With fewer rows its words would run into the next group's.
            ax.axhline(rows[0], color=DARK, linewidth=0.8)
            look = {
                "xycoords": ax.get_yaxis_transform(),
                "textcoords": "offset points",
                "va": "top",
                "size": 7,
            }
            ax.annotate(fill(question, 15), (1, rows[0]), (6, -2), color=GREY, annotation_clip=False, **look)


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
