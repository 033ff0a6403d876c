"""Tables in shades: confusion of types, agreement of maps."""

import matplotlib.pyplot as plt
import seaborn as sns

from ..lines import AGN_TYPES
from ..tuning import tabulate_confusion


def draw_heatmap(ax, shades, text, *, cmap="Blues", top=1.15, size=8.5, square=False):
    """Draw a table of shades, 0 to `top`, with a text in each cell; the DataFrame names rows and columns."""
    look = {"cmap": cmap, "vmin": 0, "vmax": top, "cbar": False, "square": square}
    sns.heatmap(shades, annot=text, fmt="", annot_kws={"size": size}, ax=ax, **look)
    ax.tick_params(which="both", length=0)
    ax.minorticks_off()
    ax.set(xlabel="", ylabel="")
    return ax


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
    ax.set_title("Adjusted mutual information")
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
    ax.set_xticks(ax.get_xticks(), [str(name) for name in table.columns], rotation=0)
    ax.set_yticks(ax.get_yticks(), [str(name) for name in table.index], rotation=0)
    return ax
