"""What of a map persists: measures against perplexity, islands, agreement between maps."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from .lines import AGN_TYPES
from .map_plots import map_size, set_map_axes
from .plotting import DARK, DOUBLE_COLUMN, GREY

_DASHES = ((0, (4, 2)), (0, (1, 1.5)), "-")


def plot_persistence(table):
    """Draw the measures of maps against perplexity.

    Parameters
    ----------
    table : pandas.DataFrame
        From `agn_helpers.persistence.measure_maps`; up to three scales, the last of them drawn solid.

    Returns
    -------
    Figure
        Trustworthiness, preservation, and the purity of each type's neighbourhood on the map, beside
        that in the full space (short ticks at the right).
    """
    figure, axes = plt.subplots(1, 3, figsize=(DOUBLE_COLUMN, 2.35))
    scales = list(dict.fromkeys(table["scale"]))
    dashes = dict(zip(scales, _DASHES[-len(scales) :]))
    for scale, part in table.groupby("scale", sort=False):
        part = part.sort_values("perplexity")
        for ax, column in zip(axes, ("trustworthiness", "preservation")):
            ax.plot(
                part["perplexity"],
                part[column],
                linestyle=dashes[scale],
                color=DARK,
                marker="o",
                label=scale,
            )
        for agn_type in AGN_TYPES.values():
            column = f"purity_{agn_type.key}"
            if column in part:
                look = {"color": agn_type.colour, "marker": agn_type.marker}
                label = agn_type.name if scale == scales[-1] else None
                axes[2].plot(part["perplexity"], part[column], linestyle=dashes[scale], label=label, **look)
                axes[2].axhline(
                    part[f"{column}_full"].iloc[0],
                    xmin=0.94,
                    color=agn_type.colour,
                    linestyle=dashes[scale],
                )
    for ax, name in zip(axes, ("Trustworthiness", "Neighbours preserved", "Neighbours of the own type")):
        ax.set(xlabel="Perplexity", ylabel=name)
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes[2].set(ylim=(0, 1.03), xlim=(0, 1.16 * table["perplexity"].max()))
    axes[2].text(
        1, 1.01, "full space", transform=axes[2].transAxes, ha="right", va="bottom", size=6.5, color=GREY
    )
    axes[0].legend(handlelength=3.2)
    axes[2].legend(loc="center", bbox_to_anchor=(0.5, 0.57))
    return figure


def plot_islands(spectrum_map, islands, *, ax=None):
    """Draw a map with each island in a colour of its own and its number at its middle.

    Parameters
    ----------
    spectrum_map : SpectrumMap
        The map.
    islands : (n_spectra,) array of int
        From `agn_helpers.islands.find_islands`.

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=map_size(spectrum_map, DOUBLE_COLUMN))[1]
    outside = islands < 0
    ax.scatter(*spectrum_map.coordinates[outside].T, s=3, color="#cccccc", linewidth=0)
    # Neighbouring numbers get colours far apart.
    colours = plt.get_cmap("viridis")(np.linspace(0.05, 0.95, 7))[[0, 4, 2, 6, 1, 5, 3]]
    for island in range(islands.max() + 1):
        places = spectrum_map.coordinates[islands == island]
        ax.scatter(*places.T, s=6, color=colours[island % len(colours)], linewidth=0)
    for island in range(islands.max() + 1):
        middle = np.median(spectrum_map.coordinates[islands == island], axis=0)
        style = {"facecolor": "white", "linewidth": 0, "alpha": 0.75, "boxstyle": "round,pad=0.12"}
        ax.text(*middle, str(island), size=7, weight="bold", ha="center", va="center", color=DARK, bbox=style)
    set_map_axes(ax, spectrum_map)
    return ax


def plot_agreement(agreement, labels, *, ax=None):
    """Draw the agreement of each pair of maps as numbers in shades.

    Parameters
    ----------
    agreement : (n_maps, n_maps) array
        From `agn_helpers.islands.compare_islands`.
    labels : (n_maps,) sequence of str
        Names of the maps.

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(4.4, 3.6))[1]
    ax.imshow(agreement, cmap="Blues", vmin=0, vmax=1.15)
    for (row, column), number in np.ndenumerate(agreement):
        colour = "white" if number > 0.65 else DARK
        ax.text(column, row, f"{number:.2f}", ha="center", va="center", size=6.5, color=colour)
    ax.set_xticks(range(len(labels)), labels, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(labels)), labels)
    ax.tick_params(which="both", length=0)
    ax.minorticks_off()
    ax.spines[:].set_visible(False)
    ax.set_title("Adjusted mutual information")
    return ax
