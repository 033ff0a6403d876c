"""Maps of spectra: by type, by a number, and with chosen spectra numbered."""

import matplotlib.pyplot as plt
import numpy as np

from .lines import AGN_TYPES
from .placement import step_aside
from .plotting import DARK, SINGLE_COLUMN, settle_layout


def map_size(spectrum_map, width):
    """Size in inches (width, height) that an Axes of a map and its title and legend fill without waste."""
    extent = np.ptp(spectrum_map.coordinates, axis=0)
    return width, width * min(extent[1] / extent[0], 1.0) + 0.8


def plot_map(spectrum_map, y, *, alpha=0.65, ax=None):
    """Draw a map with every spectrum in its type's colour and marker.

    Parameters
    ----------
    spectrum_map : SpectrumMap
        The map.
    y : (n_spectra,) array of str
        Types; "" where unknown.
    alpha : float
        Opacity; low where something else is drawn on top.

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(SINGLE_COLUMN, SINGLE_COLUMN))[1]
    # The rarest of the overlapping types comes last, on top.
    for name in ("", "type 2", "type 1", "intermediate"):
        x_y = spectrum_map.coordinates[y == name]
        if len(x_y):
            colour, marker = (AGN_TYPES[name].colour, AGN_TYPES[name].marker) if name else ("#bbbbbb", ".")
            label = f"{name or 'unknown'} ({len(x_y)})"
            ax.scatter(*x_y.T, s=7, color=colour, marker=marker, alpha=alpha, linewidth=0, label=label)
    _set_map_axes(ax, spectrum_map)
    return _add_legend(ax)


def plot_map_values(spectrum_map, values, *, label, ax=None):
    """Draw a map coloured by a number, such as redshift.

    Parameters
    ----------
    spectrum_map : SpectrumMap
        The map.
    values : (n_spectra,) array
        NaN is drawn grey.
    label : str
        What the values are, with their unit; written at the colour bar.

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(SINGLE_COLUMN, SINGLE_COLUMN))[1]
    known = np.isfinite(values)
    ax.scatter(*spectrum_map.coordinates[~known].T, s=5, color="#cccccc", linewidth=0)
    points = ax.scatter(*spectrum_map.coordinates[known].T, s=6, c=values[known], alpha=0.8, linewidth=0)
    bar = ax.figure.colorbar(points, ax=ax, label=label, shrink=0.7, aspect=28, pad=0.02)
    bar.solids.set_alpha(1)
    bar.outline.set_visible(False)
    bar.ax.minorticks_off()
    _set_map_axes(ax, spectrum_map)
    return ax


def circle_on_map(spectrum_map, rows, *, label, ax):
    """Circle spectra on a map that is drawn already.

    Parameters
    ----------
    spectrum_map : SpectrumMap
        The map.
    rows : (n,) array of int
        Which of its spectra.
    label : str
        What the legend says.
    ax : Axes
        With the map.

    Returns
    -------
    Axes
    """
    look = {"s": 24, "facecolor": "none", "edgecolor": DARK, "linewidth": 0.8}
    ax.scatter(*spectrum_map.coordinates[rows].T, label=label, zorder=4, **look)
    return _add_legend(ax)


def number_on_map(spectrum_map, rows, numbers, *, filled, labels, ax):
    """Number spectra on a map that is drawn already; the numbers step aside for one another.

    Call this once for all that is numbered, when the Axes has its final size.

    Parameters
    ----------
    spectrum_map : SpectrumMap
        The map.
    rows : (n,) array of int
        Which of its spectra.
    numbers : (n,) sequence
        What to write.
    filled : (n,) array of bool
        White on black where True, black on white elsewhere.
    labels : pair of str
        What the legend says of the filled and of the others.
    ax : Axes
        With the map.

    Returns
    -------
    Axes
    """
    filled = np.asarray(filled, dtype=bool)
    coordinates = spectrum_map.coordinates[rows]
    figure = ax.get_figure(root=True)
    settle_layout(figure)
    anchors = ax.transData.transform(coordinates) * 72 / figure.dpi
    offsets = step_aside(anchors, radius=4.6) - anchors
    for x_y, offset, number, dark in zip(coordinates, offsets, numbers, filled):
        ax.annotate(
            str(number),
            xy=x_y,
            xytext=offset,
            textcoords="offset points",
            ha="center",
            va="center",
            size=5.2,
            color="white" if dark else DARK,
            bbox={
                "boxstyle": "circle,pad=0.2",
                "facecolor": DARK if dark else "white",
                "edgecolor": DARK,
                "linewidth": 0.5,
            },
            arrowprops={"arrowstyle": "-", "color": DARK, "linewidth": 0.4, "shrinkA": 0, "shrinkB": 0},
            zorder=5,
        )
    for chosen, label, face in ((filled, labels[0], DARK), (~filled, labels[1], "white")):
        ax.scatter(
            *coordinates[chosen].T, s=9, facecolor=face, edgecolor=DARK, linewidth=0.6, label=label, zorder=4
        )
    return _add_legend(ax)


def _add_legend(ax):
    # Below the map, where no spectrum can lie under it.
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "ncols": 3}
    legend = ax.legend(**place, markerscale=1.6, handletextpad=0.1, columnspacing=1.2)
    for handle in legend.legend_handles:
        handle.set_alpha(1)
    return ax


def _set_map_axes(ax, spectrum_map):
    # Wider limits rather than a smaller box keep maps side by side in line.
    ax.set_aspect("equal", adjustable="datalim")
    # The coordinates of a t-SNE map mean nothing; only neighbourhood does.
    ax.set(xticks=[], yticks=[])
    ax.minorticks_off()
    ax.spines[:].set_visible(False)
    scale = "standardised" if spectrum_map.standardise else "raw"
    ax.set_title(f"t-SNE, {scale} flux, perplexity {spectrum_map.perplexity:g}")
