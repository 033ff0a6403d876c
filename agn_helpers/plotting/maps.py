"""Maps of spectra: by type, by a number, and with chosen spectra numbered."""

from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.image import AxesImage
from matplotlib.ticker import NullLocator
from scipy.spatial import ConvexHull, cKDTree

from ..lines import AGN_TYPES
from .style import DARK, DOUBLE_COLUMN, GREY, SINGLE_COLUMN, apply_layout, current_theme

_UNKNOWN = "#8A8A8A"


def repel_labels(anchors, *, radius, steps=300):
    """Centres (n, 2) of discs near `anchors` (n, 2), overlapping neither each other nor these."""
    anchors = np.asarray(anchors, dtype=float)
    # Away from the crowd first; the golden angle parts those that would go the same way.
    angle = np.arange(len(anchors)) * np.pi * (3 - 5**0.5)
    outward = anchors - anchors.mean(axis=0) + 1e-3 * np.column_stack([np.cos(angle), np.sin(angle)])
    places = anchors + 2 * radius * outward / np.linalg.norm(outward, axis=1, keepdims=True)
    for _ in range(steps):
        push = 0.02 * (anchors - places)
        for others, distance in ((places, 2.3 * radius), (anchors, 1.7 * radius)):
            away = places[:, None] - others[None]
            length = np.linalg.norm(away, axis=2)
            overlap = np.clip(distance - length, 0, None) / np.where(length > 0, length, 1)
            push += 0.3 * np.einsum("ij,ijk->ik", overlap, away)
        places = places + push
    return places


#: More points than these cover each other; their density is drawn instead.
MOST_POINTS = 20_000

# Cells of the density are so many pixels wide: the more of them, the fewer points are in view.
_CELLS = 2.0, 5.0


class DensityImage(AxesImage):
    """How many points are where, and of which colours: an image made anew for whatever part is in view.

    A cell's colour is the mean of its points', its opacity grows with the logarithm of their number, so that
    single points and crowds are both seen, at any zoom.

    Parameters
    ----------
    ax : Axes
    places : (n_points, 2) array
    colours : (n_points, 3) array
        RGB, from 0 to 1.
    **options
        Of `matplotlib.image.AxesImage`, such as ``zorder``.
    """

    def __init__(self, ax, places, colours, **options):
        super().__init__(ax, origin="lower", interpolation="nearest", **options)
        self._places, self._colours = np.asarray(places, dtype=float), np.asarray(colours, dtype=float)
        self.set_data(np.zeros((1, 1, 4)))
        ax.add_image(self)
        ax.update_datalim(self._places)
        ax.autoscale_view()

    def get_extent(self):
        """The limits of the Axes: the image fills them."""
        return *self.axes.get_xlim(), *self.axes.get_ylim()

    def draw(self, renderer):
        """Count the points of the part that is in view, and draw them."""
        left, right, bottom, top = extent = self.get_extent()
        in_view = np.all((self._places > (left, bottom)) & (self._places < (right, top)), axis=1)
        room = np.sqrt(self.axes.bbox.size.prod() / max(1, in_view.sum()))
        cells = np.maximum(1, self.axes.bbox.size / np.clip(room / 3, *_CELLS)).astype(int)
        self._A = count_colours(self._places[in_view], self._colours[in_view], extent=extent, cells=cells)
        super().draw(renderer)


def count_colours(places, colours, *, extent, cells):
    """Density of coloured points as an image.

    Parameters
    ----------
    places : (n_points, 2) array
    colours : (n_points, 3) array
    extent : left, right, bottom, top
        Points beyond it are not counted.
    cells : n_columns, n_rows

    Returns
    -------
    (n_rows, n_columns, 4) array
        RGB is the mean colour of a cell's points; the opacity is 0 without points and 1 for the most in any
        cell, of one point 0.3, or more where no cell has many.
    """
    left, right, bottom, top = extent
    column, row = (np.floor((places - (left, bottom)) / (right - left, top - bottom) * cells)).T
    inside = (column >= 0) & (column < cells[0]) & (row >= 0) & (row < cells[1])
    cell = (row * cells[0] + column)[inside].astype(int)

    def add_up(weights=None):
        return np.bincount(cell, weights=weights, minlength=cells[0] * cells[1])

    number = add_up()
    image = np.stack([*(add_up(each) for each in colours[inside].T), np.zeros(len(number))], axis=1)
    image[:, :3] /= np.maximum(1, number)[:, None]
    most = np.log2(max(2, number.max()))
    faintest = max(0.3, 0.9 - 0.1 * most)
    rise = (np.log2(np.maximum(1, number)) / most) ** 1.5
    image[:, 3] = np.where(number > 0, faintest + (1 - faintest) * rise, 0)
    return image.reshape(cells[1], cells[0], 4)


def map_size(spectrum_map, width, *, legend=True):
    """Size in inches (width, height) that an Axes of a map, its title and its legend fill without waste."""
    extent = np.ptp(spectrum_map.coordinates, axis=0)
    return width, width * min(extent[1] / extent[0], 1.0) + (0.7 if legend else 0.4)


def plot_map(spectrum_map, y, *, alpha=0.85, size=7, legend=True, ax=None):
    """Draw a map with every spectrum in its type's colour and marker; of very many, their density.

    Parameters
    ----------
    spectrum_map : SpectrumMap
        The map.
    y : (n_spectra,) array of str
        Types; "" where unknown.
    alpha : float
        Opacity; low where something else is drawn on top.
    size : float
        Area of a marker in square points.
    legend : bool
        Whether to name the types, with their numbers, below the map.

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(SINGLE_COLUMN, SINGLE_COLUMN))[1]
    dense = len(y) > MOST_POINTS
    if dense:
        palette = {name: to_rgb(AGN_TYPES[name].colour if name else _UNKNOWN) for name in ("", *AGN_TYPES)}
        DensityImage(ax, spectrum_map.coordinates, [palette[name] for name in y])
    # The rarest of the overlapping types comes last, on top.
    for name in ("", "type 2", "type 1", "intermediate"):
        x_y = spectrum_map.coordinates[y == name]
        if len(x_y):
            colour, marker = (AGN_TYPES[name].colour, AGN_TYPES[name].marker) if name else (_UNKNOWN, ".")
            label = f"{name or 'unknown'} ({len(x_y)})"
            # Beside a density only the legend's entry.
            x_y = x_y[:0] if dense else x_y
            ax.scatter(*x_y.T, s=size, color=colour, marker=marker, alpha=alpha, linewidth=0, label=label)
    set_map_axes(ax, spectrum_map)
    return _add_legend(ax) if legend else ax


def plot_map_panels(maps, y, *, columns=None):
    """Draw several maps of the same spectra on a page, with one legend.

    Parameters
    ----------
    maps : sequence of SpectrumMap
        Of the same spectra, e.g. at several perplexities.
    y : (n_spectra,) array of str
        Types; "" where unknown.
    columns : int, optional
        Maps side by side; by default two of two or four, else three.

    Returns
    -------
    Figure
    """
    columns = columns or (2 if len(maps) in (2, 4) else 3)
    width = DOUBLE_COLUMN / columns
    # The height of a title is all that a panel needs besides its map.
    heights = [
        max(map_size(spectrum_map, width, legend=False)[1] for spectrum_map in maps[first : first + columns])
        for first in range(0, len(maps), columns)
    ]
    figure, axes = plt.subplots(
        len(heights),
        columns,
        figsize=(DOUBLE_COLUMN, sum(heights) + 0.5),
        height_ratios=heights,
        squeeze=False,
    )
    figure.suptitle(f"t-SNE, {maps[0].scale_name}", x=0.01, ha="left", size=plt.rcParams["axes.titlesize"])
    for ax in axes.flat[len(maps) :]:
        ax.set_axis_off()
    for ax, spectrum_map in zip(axes.flat, maps):
        plot_map(spectrum_map, y, size=1.5 * width, legend=False, ax=ax)
        ax.set_title(f"perplexity {spectrum_map.perplexity:g}")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    handles, labels = zip(*sorted(zip(handles, labels), key=lambda entry: _rank_type(entry[1])))
    legend = figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=len(labels),
        markerscale=2.2,
        handletextpad=0.1,
    )
    for handle in legend.legend_handles:
        handle.set_alpha(1)
    return figure


def plot_decision(spectrum_map, estimator, *, ax):
    """Shade the plane of a map by the type that a classifier of places would predict where spectra are near.

    Parameters
    ----------
    spectrum_map : SpectrumMap
        The map, drawn already: its limits are used.
    estimator : fitted classifier
        Of places on the map, with ``classes_`` and ``predict_proba``.
    ax : Axes
        With the map.

    Returns
    -------
    Axes
    """
    apply_layout(ax.get_figure(root=True))
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    x, y = np.meshgrid(np.linspace(left, right, 200), np.linspace(bottom, top, 200))
    probability = estimator.predict_proba(np.column_stack([x.ravel(), y.ravel()]))
    # A prediction means little where no spectrum is near: it fades over the distance of a few neighbours.
    tree = cKDTree(spectrum_map.coordinates)
    spacing = np.median(
        tree.query(spectrum_map.coordinates, k=min(9, len(spectrum_map.coordinates)))[0][:, -1]
    )

    def fade(places):
        return np.exp(-0.5 * (tree.query(places)[0] / (1.5 * spacing)) ** 2)

    near = fade(np.column_stack([x.ravel(), y.ravel()])).reshape(x.shape)
    colours = np.array([to_rgb(AGN_TYPES[name].colour) for name in estimator.classes_])
    image = np.dstack([colours[probability.argmax(axis=1)].reshape(*x.shape, 3), 0.3 * near])
    place = {"extent": (left, right, bottom, top), "origin": "lower", "aspect": ax.get_aspect()}
    ax.imshow(image, interpolation="bilinear", zorder=0, **place)
    for column, _ in enumerate(estimator.classes_):
        lead = probability[:, column] - np.delete(probability, column, axis=1).max(axis=1)
        drawn = ax.contour(x, y, lead.reshape(x.shape), levels=[0])
        ends = np.concatenate([np.stack([line[:-1], line[1:]], axis=1) for line in drawn.allsegs[0]] or [[]])
        drawn.remove()
        if ends.size:
            # Away from spectra lines end before the shades do.
            alpha = np.clip(1.5 * fade(ends.mean(axis=1)) - 0.5, 0, 1)
            lines = LineCollection(ends, colors=DARK, alpha=alpha, linewidths=0.6, zorder=3)
            ax.add_collection(lines, autolim=False)
    ax.set(xlim=(left, right), ylim=(bottom, top))
    return ax


def mark_on_map(places, *, label, marker, colour, ax):
    """Mark new spectra on a map that is drawn already.

    Parameters
    ----------
    places : (n, 2) array
        From `agn_helpers.maps.place_on_map`.
    label : str
        What the legend says.
    marker, colour : str
        How they look.
    ax : Axes
        With the map.

    Returns
    -------
    Axes
    """
    look = {"s": 26, "color": colour, "edgecolor": DARK, "linewidth": 0.7}
    ax.scatter(*np.transpose(places), marker=marker, label=label, zorder=4, **look)
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
    # A fine outline, so that the brightest colours show on white paper.
    look = {"s": 6, "c": values[known], "edgecolor": GREY, "linewidth": 0.2}
    points = ax.scatter(*spectrum_map.coordinates[known].T, **look)
    bar = ax.figure.colorbar(points, ax=ax, label=fill(label, 20), shrink=0.7, aspect=28, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.minorticks_off()
    set_map_axes(ax, spectrum_map)
    return ax


def circle_on_map(spectrum_map, rows, *, label, size=24, ax):
    """Circle spectra on a map that is drawn already.

    Parameters
    ----------
    spectrum_map : SpectrumMap
        The map.
    rows : (n,) array of int
        Which of its spectra.
    label : str
        What the legend says.
    size : float
        Area of a circle in square points; small ones are drawn with a finer line.
    ax : Axes
        With the map.

    Returns
    -------
    Axes
    """
    thin = 0.8 * min(1, size / 24) ** 0.5
    look = {"s": size, "facecolor": "none", "edgecolor": current_theme().ink, "linewidth": thin}
    ax.scatter(*spectrum_map.coordinates[rows].T, label=label, zorder=4, **look)
    return _add_legend(ax)


def number_on_map(spectrum_map, rows, numbers, *, filled, labels, ax):
    """Number spectra on a map that is drawn already; numbers do not overlap.

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
    apply_layout(figure)
    anchors = ax.transData.transform(coordinates) * 72 / figure.dpi
    offsets = repel_labels(anchors, radius=4.6) - anchors
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
    # Below the map, where no spectrum can lie under it; in one row where the page is wide.
    handles, labels = ax.get_legend_handles_labels()
    is_wide = ax.get_window_extent().width > 4.5 * ax.get_figure(root=True).dpi
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "ncols": len(labels) if is_wide else 3}
    # Types in their own order, whatever that of drawing is; what else there is comes behind.
    order = sorted(range(len(labels)), key=lambda k: _rank_type(labels[k]))
    drawn = [[things[k] for k in order] for things in (handles, labels)]
    legend = ax.legend(*drawn, **place, markerscale=1.6, handletextpad=0.1, columnspacing=1.2)
    for handle in legend.legend_handles:
        handle.set_alpha(1)
    return ax


def _rank_type(label):
    """Place of a legend's entry: that of its type, and behind all types for what is none."""
    return next((k for k, name in enumerate(AGN_TYPES) if label.startswith(name)), len(AGN_TYPES))


def set_map_axes(ax, spectrum_map):
    """Give an Axes the looks of a map: equal scales, no ticks, and what was embedded in the title."""
    # Wider limits rather than a smaller box keep maps side by side in line.
    ax.set_aspect("equal", adjustable="datalim")
    # The coordinates of a t-SNE map mean nothing; only neighbourhood does.
    ax.set(xticks=[], yticks=[])
    ax.minorticks_off()
    ax.spines[:].set_visible(False)
    ax.set_title(f"t-SNE, {spectrum_map.scale_name}, perplexity {spectrum_map.perplexity:g}")


_DASHES = ((0, (4, 2)), (0, (1, 1.5)), "-")


def plot_persistence(table):
    """Draw the measures of maps against perplexity.

    Parameters
    ----------
    table : pandas.DataFrame
        From `agn_helpers.maps.measure_maps`; up to three scales, the last of them drawn solid.

    Returns
    -------
    Figure
        Trustworthiness, neighbourhood preservation, and the purity of each type's neighbourhood on the map,
        beside that in the full space ("no map").
    """
    figure, axes = plt.subplots(1, 3, figsize=(DOUBLE_COLUMN, 2.35))
    scales = list(dict.fromkeys(table["scale"]))
    dashes = dict(zip(scales, _DASHES[-len(scales) :]))
    levels = np.unique(table["perplexity"])
    full = 2.6 * levels[-1]
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
                axes[2].plot(full, part[f"{column}_full"].iloc[0], linestyle="none", **look)
    for ax, name in zip(
        axes, ("Trustworthiness", "Neighbourhood preservation", "Neighbours of the own type")
    ):
        ax.set(xlabel="Perplexity", ylabel=name)
        # Perplexities that were drawn, no others.
        ax.set_xscale("log")
        ax.set_xticks(levels, [f"{level:g}" for level in levels])
        ax.xaxis.set_minor_locator(NullLocator())
    # A column of its own, past the last perplexity: no map, all wavelengths.
    axes[2].axvline((levels[-1] * full) ** 0.5, color=GREY, linewidth=0.5)
    axes[2].set(ylim=(0, 1.03), xlim=(0.8 * levels[0], 1.6 * full))
    axes[2].set_xticks([*levels, full], [*(f"{level:g}" for level in levels), "no map"])
    axes[0].legend(handlelength=3.2)
    figure.legend(*axes[2].get_legend_handles_labels(), loc="outside upper right", ncols=3)
    return figure


def plot_clusters(spectrum_map, clusters, *, ax=None):
    """Draw a map with each cluster in an outline and a colour, and its number beside its middle.

    Parameters
    ----------
    spectrum_map : SpectrumMap
        The map.
    clusters : (n_spectra,) array of int
        From `agn_helpers.maps.find_clusters`.

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=map_size(spectrum_map, DOUBLE_COLUMN, legend=False))[1]
    outside = clusters < 0
    ax.scatter(*spectrum_map.coordinates[outside].T, s=3, color="#cccccc", linewidth=0)
    colours = plt.get_cmap("viridis")(np.linspace(0.0, 0.8, 5))[[0, 3, 1, 4, 2]]
    middles = []
    for cluster in range(clusters.max() + 1):
        places = spectrum_map.coordinates[clusters == cluster]
        colour = colours[cluster % len(colours)]
        ax.scatter(*places.T, s=5, color=colour, linewidth=0)
        # A colour comes back; an outline and a number do not.
        if len(places) > 2 and np.linalg.matrix_rank(places - places[0]) > 1:
            hull = places[ConvexHull(places).vertices]
            ax.fill(*hull.T, facecolor=(*colour[:3], 0.12), edgecolor=colour, linewidth=0.8, zorder=2)
        middles.append(np.median(places, axis=0))
    set_map_axes(ax, spectrum_map)
    if middles:
        apply_layout(ax.get_figure(root=True))
        points = ax.transData.transform(middles) * 72 / ax.get_figure(root=True).dpi
        offsets = repel_labels(points, radius=5.5) - points if len(middles) > 1 else [(0, 0)]
        ground = {"facecolor": "white", "edgecolor": GREY, "linewidth": 0.4, "boxstyle": "round,pad=0.15"}
        line = {"arrowstyle": "-", "color": DARK, "linewidth": 0.4, "shrinkA": 0, "shrinkB": 0}
        for cluster, (middle, offset) in enumerate(zip(middles, offsets)):
            look = {"size": 7, "weight": "bold", "ha": "center", "va": "center", "color": DARK, "zorder": 5}
            place = {"xytext": tuple(offset), "textcoords": "offset points"}
            ax.annotate(str(cluster), middle, **place, **look, bbox=ground, arrowprops=line)
    return ax
