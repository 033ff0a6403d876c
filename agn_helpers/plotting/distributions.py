"""What seaborn draws: distributions of numbers within each type, alone and in pairs, and tables in shades."""

import re
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.ticker import LogLocator, NullFormatter

from ..errors import AgnError
from ..lines import AGN_TYPES
from ..tuning import tabulate_confusion
from .style import DARK, DOUBLE_COLUMN, GREY, SINGLE_COLUMN

_PALETTE = {name: look.colour for name, look in AGN_TYPES.items()}


def _by_type(y):
    """Keywords by which seaborn draws the types that are there, each in its colour."""
    return {
        "hue": np.asarray(y, dtype=str),
        "hue_order": [name for name in AGN_TYPES if name in y],
        "palette": _PALETTE,
    }


def plot_histogram(values, y, *, xlabel, bins=30, ax=None):
    """Draw a number's distribution within each type.

    Parameters
    ----------
    values : (n_spectra,) array
        E.g. redshifts.
    y : (n_spectra,) array of str
        Types.
    xlabel : str
        What the values are, with their unit.
    bins : int
        Number of bins over the whole range.

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(SINGLE_COLUMN, 2.2))[1]
    # Columns of a FITS table have another byte order than pandas takes.
    values = np.asarray(values, dtype=float)
    edges = np.histogram_bin_edges(values, bins)
    sns.histplot(x=values, **_by_type(y), bins=edges, element="step", alpha=0.25, linewidth=0.9, ax=ax)
    ax.set(xlabel=xlabel, ylabel="Number of spectra")
    ax.get_legend().set_title(None)
    return ax


def plot_novelty(novelty, y, *, ax=None):
    """Draw how unlike the training sample spectra of each type are.

    Parameters
    ----------
    novelty : (n_spectra,) array
        From `agn_helpers.classifier.NoveltyDetector.novelty`.
    y : (n_spectra,) array of str
        True types.

    Returns
    -------
    Axes
        Shares of each type with a score above so much, from the median up, on logarithmic scales.
    """
    ax = ax or plt.subplots(figsize=(SINGLE_COLUMN, 2.4))[1]
    novelty = np.asarray(novelty, dtype=float)
    sns.ecdfplot(x=novelty, **_by_type(y), complementary=True, ax=ax)
    ax.axvline(1, color=GREY, linewidth=0.6, linestyle=(0, (4, 3)))
    look = {"size": 7, "color": GREY, "ha": "right", "va": "top", "textcoords": "offset points"}
    ax.annotate("threshold", (1, 1), (-3, -1), xycoords=("data", "axes fraction"), **look)
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="Novelty (in units of the threshold)",
        ylabel="Share of spectra above",
    )
    ax.set_xlim(np.median(novelty), max(1.6, 1.1 * np.max(novelty)))
    ax.set_ylim(0.6 / len(novelty), 1)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    # Above the Axes, where no curve can lie under it.
    sns.move_legend(ax, "lower left", bbox_to_anchor=(0, 1), ncols=3, columnspacing=1.2, title=None)
    return ax


def plot_surveys(values, *, null=None, ax=None):
    """Draw a number of every survey as a point, its median over surveys as a bar.

    Parameters
    ----------
    values : pandas.DataFrame
        A row a survey, a column a number, as of `agn_helpers.audit.repeat_surveys`.
    null : float, optional
        Where a dashed line marks that there is nothing in it.

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(3.4, 0.6 + 0.25 * values.shape[1]))[1]
    sns.stripplot(values, orient="h", size=3.5, color=DARK, alpha=0.6, jitter=0.18, ax=ax)
    for place, column in enumerate(values):
        ax.plot([values[column].median()] * 2, [place - 0.38, place + 0.38], color=DARK, lw=2)
    if null is not None:
        ax.axvline(null, color=GREY, lw=0.8, ls="--", zorder=0)
    ax.set_ylabel("")
    ax.tick_params(axis="y", which="both", length=0)
    return ax


def plot_truth_pairs(truth, columns, *, log=()):
    """Draw parameters of simulated objects against one another, in the colour and marker of each type.

    Parameters
    ----------
    truth : astropy.table.Table or pandas.DataFrame
        From `agn_helpers.survey.simulate_survey`: ``label`` and a column a parameter.
    columns : sequence of str, or mapping of str to str
        Which parameters; a mapping says how the axes call them.
    log : collection of str
        Those on logarithmic scales; what is not positive is left out of them.

    Returns
    -------
    Figure
        The distribution of each parameter within the types on the diagonal, pairs below it.

    Raises
    ------
    AgnError
        For fewer than two columns, or columns that the table does not have.
    """
    labels = dict(columns) if isinstance(columns, Mapping) else {name: name for name in columns}
    missing = [name for name in ("label", *labels, *log) if name not in [*truth.columns]]
    if len(labels) < 2 or missing:
        got = f"no {', '.join(missing)}" if missing else f"{len(labels)}"
        raise AgnError(f"columns must name two or more columns of the table of true parameters; got {got}.")
    # Numbers that a type does not have are masked.
    frame = pd.DataFrame(
        {name: np.ma.filled(np.ma.asarray(truth[name], dtype=float), np.nan) for name in labels}
    )
    for name in log:
        frame[name] = frame[name].where(frame[name] > 0)
    # The rarest of the overlapping types comes last, on top.
    order = [name for name in ("type 2", "type 1", "intermediate") if name in set(truth["label"])]
    # The layout is made once, when all is drawn.
    with plt.rc_context({"figure.constrained_layout.use": False}):
        grid = sns.PairGrid(
            frame.assign(label=np.asarray(truth["label"], dtype=str)),
            vars=list(labels),
            hue="label",
            hue_order=order,
            palette=_PALETTE,
            hue_kws={"marker": [AGN_TYPES[name].marker for name in order]},
            corner=True,
            diag_sharey=False,
            height=DOUBLE_COLUMN / len(labels),
        )
    names = list(labels)
    for row, column in zip(*np.tril_indices(len(names))):
        ax = grid.axes[row, column]
        if names[column] in log:
            ax.set_xscale("log")
        if row > column and names[row] in log:
            ax.set_yscale("log")
        for axis in (ax.xaxis, ax.yaxis):
            if axis.get_scale() == "log":
                axis.set_major_locator(LogLocator(subs=(1, 3)))
                axis.set_major_formatter("{x:g}")
                axis.set_minor_formatter(NullFormatter())
    # A rare type shows beside a frequent one: all have the same area.
    alike = {"stat": "density", "common_norm": False}
    grid.map_diag(sns.histplot, element="step", alpha=0.25, linewidth=0.9, bins=24, **alike)
    grid.map_lower(plt.scatter, s=5, alpha=0.5, linewidth=0)
    for ax in filter(None, grid.axes.flat):
        ax.set(xlabel=labels.get(ax.get_xlabel(), ""), ylabel=labels.get(ax.get_ylabel(), ""))
    names = [name for name in AGN_TYPES if name in order]
    looks = [{"color": AGN_TYPES[name].colour, "marker": AGN_TYPES[name].marker} for name in names]
    marks = [plt.Line2D([], [], linestyle="none", markersize=5, **look) for look in looks]
    grid.figure.legend(marks, names, loc="upper right", bbox_to_anchor=(0.98, 0.98))
    grid.figure.set_layout_engine("constrained")
    return grid.figure


def draw_heatmap(ax, shades, text, *, cmap="Blues", top=1.15, size=8.5, square=False):
    """Draw a table of shades, 0 to `top`, with a text in each cell; the DataFrame names rows and columns."""
    look = {"cmap": cmap, "vmin": 0, "vmax": top, "cbar": False, "square": square}
    sns.heatmap(shades, annot=text, fmt="", annot_kws={"size": size}, ax=ax, **look)
    cells = ax.collections[0]
    drawn = ~np.ma.getmaskarray(cells.get_array()).ravel()
    for word, colour in zip(ax.texts, cells.get_facecolors()[drawn]):
        word.set_color(_read_on(colour))
    ax.tick_params(which="both", length=0)
    ax.minorticks_off()
    ax.set(xlabel="", ylabel="")
    return ax


def _read_on(ground):
    """White or dark, whichever has more contrast on a ground (WCAG 2.1's relative luminance)."""
    linear = np.where(ground[:3] <= 0.04045, ground[:3] / 12.92, ((ground[:3] + 0.055) / 1.055) ** 2.4)
    return DARK if linear @ [0.2126, 0.7152, 0.0722] > 0.21 else "white"


def plot_confusion(y, predicted, *, normalise=False, ax=None):
    """Draw how often each type (rows) is predicted to be each type (columns); see `tabulate_confusion`.

    Parameters
    ----------
    y, predicted : (n_spectra,) arrays of str
        True and predicted types.
    normalise : bool
        Write shares of each true type instead of numbers; the shades are shares in any case.

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(2.7, 2.5))[1]
    names = [name for name in AGN_TYPES if name in {*y, *predicted}]
    counts, shares = (
        tabulate_confusion(y, predicted, labels=names, normalised=normalised) for normalised in (False, True)
    )
    draw_heatmap(
        ax, shares, shares.map("{:.2f}".format) if normalise else counts.astype(str), size=10, square=True
    )
    ax.set_xticks(ax.get_xticks(), names, rotation=0)
    ax.set_yticks(ax.get_yticks(), names, rotation=90, va="center")
    title = "Share of each true type" if normalise else "Number of spectra"
    ax.set(xlabel="Predicted", ylabel="True", title=title)
    return ax


def plot_agreement(agreement, labels, *, ax=None):
    """Draw the agreement of each pair of maps as numbers in shades.

    Parameters
    ----------
    agreement : (n_maps, n_maps) array
        From `agn_helpers.maps.compare_clusterings`.
    labels : (n_maps,) sequence of str
        Names of the maps.

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(4.4, 3.6))[1]
    text = [[f"{number:.2f}" for number in row] for row in agreement]
    draw_heatmap(ax, agreement, text, size=6.5, square=True)
    ax.set_xticks(ax.get_xticks(), labels, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(ax.get_yticks(), labels, rotation=0)
    ax.set_title("Agreement of clusterings: adjusted mutual information\n(1: the same, 0: as by chance)")
    return ax


def plot_scores(table, *, ax=None):
    """Draw numbers between 0 and 1, such as scores and shares, in shades.

    Parameters
    ----------
    table : pandas.DataFrame
        Its index and columns name rows and columns.

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(3.6, 0.5 + 0.3 * len(table)))[1]
    draw_heatmap(ax, table, table.map("{:.2f}".format), size=7.5)
    for axis, names in ((ax.xaxis, table.columns), (ax.yaxis, table.index)):
        # A minus is longer than the hyphen of a word, and so is what stands between two numbers.
        words = [name if isinstance(name, str) else f"{name:g}".replace("-", "−") for name in names]
        words = [re.sub(r"(?<=\d)-(?=\d)", "–", word) for word in words]
        axis.set_ticks(axis.get_ticklocs(), words, rotation=0)
    return ax
