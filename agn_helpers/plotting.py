"""One figure a function: each draws on one Axes, returns it, and neither shows nor saves.

Use with ``plt.style.use("agn_helpers.agn")``, the style sheet beside this module.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.layout_engine import ConstrainedLayoutEngine
from sklearn.metrics import confusion_matrix

from .files import whole_file
from .lines import AGN_TYPES

#: Widths in inches of a figure in one or both columns of a journal page (Astronomy & Astrophysics).
SINGLE_COLUMN, DOUBLE_COLUMN = 88 / 25.4, 180 / 25.4

#: Colours of what is no spectrum: marks and notes, words.
GREY = "#777777"
DARK = "#222222"


def save_figure(figure, path, *, survey=None):
    """Save a Figure, or the Figure of an Axes, whole or not at all; the suffix of `path` says the format.

    Parameters
    ----------
    figure : Figure or Axes
        What to save.
    path : path
        E.g. ``figures/synthetic/map.png``; folders are created.
    survey : str, optional
        Origin of the spectra, written into the figure by `mark_survey`.

    Raises
    ------
    OutputError
        Where it cannot be written.
    """
    figure = figure.figure if isinstance(figure, Axes) else figure
    if survey is not None:
        mark_survey(figure, survey)
    with whole_file(path) as temporary:
        figure.savefig(temporary)


def mark_survey(figure, survey):
    """Write under a Figure where its spectra come from; the embedded survey is called synthetic."""
    text = "synthetic survey: simulated spectra" if "synthetic" in survey else f"survey: {survey}"
    style = {"size": 6.5, "color": GREY, "style": "italic", "ha": "right", "va": "bottom"}
    figure.text(0.997, 0.15 * leave_foot(figure), text, **style)


def leave_foot(figure):
    """Keep constrained layout out of a strip at a Figure's foot; returns its share of the height."""
    height = 10 / 72 / figure.get_figheight()
    if isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        figure.get_layout_engine().set(rect=(0, height, 1, 1 - height))
    return height


def settle_layout(figure):
    """Give the Axes of a Figure the places that its layout will find for them when drawn."""
    if figure.get_layout_engine() is not None:
        figure.get_layout_engine().execute(figure)
    for ax in figure.axes:
        ax.apply_aspect()


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
    edges = np.histogram_bin_edges(values, bins)
    for agn_type in AGN_TYPES.values():
        chosen = values[y == agn_type.name]
        if len(chosen):
            ax.hist(chosen, edges, histtype="stepfilled", color=agn_type.colour, alpha=0.25, linewidth=0)
            ax.hist(chosen, edges, histtype="step", color=agn_type.colour, linewidth=0.9, label=agn_type.name)
    ax.set(xlabel=xlabel, ylabel="Number of spectra")
    ax.legend()
    return ax


def plot_confusion(y, predicted, *, normalise=False, ax=None):
    """Draw how often each type (rows) is called each type (columns).

    Parameters
    ----------
    y, predicted : (n_spectra,) arrays of str
        True and predicted types.
    normalise : bool
        Shares of each true type instead of numbers.

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(2.7, 2.5))[1]
    names = [name for name in AGN_TYPES if name in {*y, *predicted}]
    counts = confusion_matrix(y, predicted, labels=names)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1.15)
    for (row, column), number in np.ndenumerate(share if normalise else counts):
        ax.text(
            column,
            row,
            f"{number:.2f}" if normalise else f"{number}",
            ha="center",
            va="center",
            size=10,
            color="white" if share[row, column] > 0.6 else DARK,
        )
    ax.set_xticks(range(len(names)), names)
    ax.set_yticks(range(len(names)), names, rotation=90, va="center")
    ax.tick_params(which="both", length=0)
    ax.minorticks_off()
    ax.spines[:].set_visible(False)
    ax.set(
        xlabel="Predicted",
        ylabel="True",
        title="Share of each true type" if normalise else "Number of spectra",
    )
    return ax


def plot_reliability(y, probability, classes, *, bins=8, ax=None):
    """Draw how often a type is true against its predicted probability; honest ones lie on the diagonal.

    Parameters
    ----------
    y : (n_spectra,) array of str
        True types.
    probability : (n_spectra, n_classes) array
        Predicted probabilities.
    classes : (n_classes,) sequence of str
        What the columns are.
    bins : int
        Bins of equal width in probability; those with fewer than 5 spectra are left out. Bars are binomial
        standard errors, which Laplace's rule keeps above zero.

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(SINGLE_COLUMN, SINGLE_COLUMN))[1]
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=0.6, linestyle=(0, (4, 3)))
    columns = dict(zip(classes, np.transpose(probability)))
    for name in (name for name in AGN_TYPES if name in columns):
        p = columns[name]
        index = np.minimum((p * bins).astype(int), bins - 1)
        count = np.bincount(index, minlength=bins)
        used = count >= 5
        mean = np.bincount(index, p, minlength=bins)[used] / count[used]
        true = np.bincount(index, y == name, minlength=bins)[used]
        smooth = (true + 1) / (count[used] + 2)
        error = np.sqrt(smooth * (1 - smooth) / (count[used] + 3))
        look = AGN_TYPES[name]
        ax.errorbar(
            mean, true / count[used], error, color=look.colour, marker=look.marker, elinewidth=0.6, label=name
        )
    ax.set(
        xlim=(-0.03, 1.03),
        ylim=(-0.03, 1.03),
        xlabel="Predicted probability",
        ylabel="Share that is of the type",
    )
    ax.set_aspect("equal")
    ax.legend(loc="upper left")
    return ax
