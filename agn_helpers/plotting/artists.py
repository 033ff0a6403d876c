"""A spectrum in the colours of its attributions, and class probabilities; both can be updated in place."""

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator, NullLocator

from ..lines import AGN_TYPES
from ..reduction import pixel_edges
from .colours import saliency_colours
from .spectra import add_cut_note, find_cut_lines, flux_limits
from .style import GREY, current_theme

_BAND = {"alpha": 0.45, "linewidth": 0, "zorder": 2}

# Shares of an Axes' height: the strip's middle line, half its height, and where the spectrum begins.
_STRIP_MIDDLE, _STRIP_HALF, _STRIP_TOP = 0.12, 0.1, 0.26

# Widths of the coloured line, of its outline, and of what has faded.
_LINE, _OUTLINE, _FADED = 1.2, 1.8, 0.7

_MAX_NOTES = 8


def _colour(collection, attribution, scale, faded):
    """Give the parts of a collection the colours of attributions; faded ones are grey."""
    collection.set_array(np.ma.array(attribution, mask=faded))
    collection.set_clim(-scale, scale)


def _outline_band(x, band):
    """Vertices of the area between the rows of `band`, (2, n); none for None."""
    return [] if band is None else [np.column_stack([[*x, *x[::-1]], [*band[0], *band[1][::-1]]])]


class AttributionStrip:
    """Attributions as bars about a line; `middle` and `half` the height are shares of the Axes' height."""

    def __init__(self, ax, wavelength, *, middle, half):
        self._wavelength, self._middle, self._half = wavelength, middle, half
        place = {"transform": ax.get_xaxis_transform()}
        self._bars = PolyCollection(
            [], cmap=saliency_colours(), norm=Normalize(), linewidth=0.2, edgecolor="face", zorder=3, **place
        )
        theme = current_theme()
        self._band = PolyCollection([], facecolor=theme.band, **_BAND, **place)
        self.artists = [ax.add_collection(drawn, autolim=False) for drawn in (self._band, self._bars)]
        ax.plot(
            [0, 1], [middle, middle], color=theme.muted, linewidth=0.4, zorder=2.6, transform=ax.transAxes
        )

    def update(self, attribution, *, scale, faded, band=None):
        """Draw attributions (n,) whose full height is at `scale`; `band` (2, n) is a grey area."""
        edges, foot = pixel_edges(self._wavelength), np.full(len(attribution), self._middle)
        top = self._height(attribution / scale)
        corners = [(edges[:-1], foot), (edges[:-1], top), (edges[1:], top), (edges[1:], foot)]
        self._bars.set_verts(np.stack([np.column_stack(corner) for corner in corners], axis=1))
        _colour(self._bars, attribution, scale, faded)
        band = None if band is None else self._height(band / scale)
        self._band.set_verts(_outline_band(self._wavelength, band))

    def _height(self, share):
        return self._middle + self._half * np.clip(share, -1, 1)


class PaintedSpectrum:
    """A spectrum in the colours of its attributions, which a strip below it says by height.

    Parameters
    ----------
    ax : Axes
        With its limits of wavelength; those of flux follow what is drawn.
    grid : (n_grid,) array
        Rest-frame vacuum Å.
    part : index of grid
        The pixels that are shown; all by default.
    note : str
        Written above the strip.

    Attributes
    ----------
    artists : list of Artist
        What `update` changes.
    """

    def __init__(self, ax, grid, *, part=slice(None), note=""):
        self._ax, self._part, self._wavelength = ax, part, grid[part]
        self._top = _STRIP_TOP
        look = {"capstyle": "round", "joinstyle": "round"}
        theme = current_theme()
        self._band = PolyCollection([], facecolor=theme.band, **_BAND)
        self._line = LineCollection([], cmap=saliency_colours(), norm=Normalize(), zorder=4, **look)
        for drawn in (self._band, self._line):
            ax.add_collection(drawn, autolim=False)
        (self._before,) = ax.plot([], [], color=theme.before, linewidth=0.8, zorder=2.5)
        look = {f"solid_{name}": value for name, value in look.items()}
        (self._outline,) = ax.plot([], [], color=theme.outline, linewidth=_OUTLINE, zorder=3.5, **look)
        self._strip = AttributionStrip(ax, self._wavelength, middle=_STRIP_MIDDLE, half=_STRIP_HALF)
        self._notes = [add_cut_note(ax) for _ in range(_MAX_NOTES)]
        if note:
            # A line of 6.5 points more.
            self._top += 8 / 72 / (ax.get_position().height * ax.figure.get_figheight())
            place = {"xycoords": "axes fraction", "xytext": (3, 1.5), "textcoords": "offset points"}
            look = {"size": 6.5, "color": theme.muted, "va": "bottom", "zorder": 4}
            ground = {"facecolor": theme.ground, "linewidth": 0, "pad": 0.6}
            ax.annotate(note, (0, _STRIP_MIDDLE + _STRIP_HALF), bbox=ground, **look, **place)
        ax.yaxis.set_minor_locator(NullLocator())
        # The tick marks of flux change with the spectrum, those of wavelength do not.
        ax.yaxis.set_zorder(2.4)
        self.artists = [self._band, self._before, self._outline, self._line, *self._strip.artists]
        self.artists += [*self._notes, ax.yaxis, ax.spines["left"]]

    def update(
        self, flux, attribution, *, scale, faded=None, before=None, flux_band=None, attribution_band=None
    ):
        """Draw another spectrum.

        Parameters
        ----------
        flux, attribution : (n_grid,) arrays
            Normalised flux, and attributions in 1/flux.
        scale : float
            Attribution that gets the full colour.
        faded : (n_grid,) array of bool, optional
            Pixels that are thin and grey.
        before : (n_grid,) array, optional
            Another spectrum, drawn thin behind it.
        flux_band, attribution_band : (2, n_grid) arrays, optional
            Ends of grey areas behind the spectrum and the strip.
        """
        ax, x = self._ax, self._wavelength
        faded = np.zeros(len(flux), dtype=bool) if faded is None else faded
        flux, attribution, faded, before, flux_band, attribution_band = (
            None if values is None else np.asarray(values)[..., self._part]
            for values in (flux, attribution, faded, before, flux_band, attribution_band)
        )
        low, high = flux_limits(x, *(values for values in (flux, before, flux_band) if values is not None))
        ax.set_yticks([tick for tick in MaxNLocator(4).tick_values(low, high) if low <= tick <= high])
        ax.set_ylim(low - (high - low) * self._top / (1 - self._top), high)
        ax.spines["left"].set_bounds(low, high)

        # A pixel reaches half-way to its neighbours.
        points = np.column_stack([x, flux])
        borders = np.vstack([points[:1], 0.5 * (points[1:] + points[:-1]), points[-1:]])
        strokes = np.stack([borders[:-1], points, borders[1:]], axis=1)
        self._line.set_segments(strokes)
        self._line.set_linewidths(np.where(faded, _FADED, _LINE))
        _colour(self._line, attribution, scale, faded)
        breaks = np.full((1, 2), np.nan)
        clear = [np.vstack([stroke, breaks]) for stroke in strokes[~faded]] if faded.any() else [points]
        self._outline.set_data(*np.vstack([breaks, *clear]).T)
        self._before.set_data((x, before) if before is not None else ([], []))
        self._band.set_verts(_outline_band(x, flux_band))
        self._strip.update(attribution, scale=scale, faded=faded, band=attribution_band)
        cut = find_cut_lines(x, flux, high)
        for note, place in zip(self._notes, [*cut, *[None] * _MAX_NOTES]):
            note.set_visible(place is not None)
            if place is not None:
                note.set_text(f"↑{place[1]:.1f}")
                note.xy = (place[0], 1)


class ProbabilityBars:
    """The class probabilities as bars in the types' colours.

    Parameters
    ----------
    ax : Axes
    classes : sequence of str
        Names of the probabilities.
    true_label : str, optional
        The class that is marked as the true one.

    Attributes
    ----------
    artists : list of Artist
        What `update` changes.
    """

    def __init__(self, ax, classes, *, true_label=None):
        classes = list(classes)
        names = [name for name in AGN_TYPES if name in classes]
        names += [name for name in classes if name not in AGN_TYPES]
        self._columns = [classes.index(name) for name in names]
        self._marks = ["  true type" if name == true_label else "" for name in names]
        colours = [AGN_TYPES[name].colour if name in AGN_TYPES else GREY for name in names]
        rows, zeros = np.arange(len(names)), np.zeros(len(names))
        theme = current_theme()
        ax.barh(rows, zeros + 1, 0.6, color=theme.track)
        self._bars = ax.barh(rows, zeros, 0.6, color=colours, zorder=3)
        frame = {"facecolor": "none", "edgecolor": theme.ink, "linewidth": 1, "zorder": 4}
        self._before = ax.barh(rows, zeros, 0.6, **frame)
        self._spread = LineCollection([], color=theme.ink, linewidth=1.2, zorder=5)
        ax.add_collection(self._spread, autolim=False)
        style = {"textcoords": "offset points", "va": "center", "size": 8}
        self._values = [ax.annotate("", (1, row), (4, 0), **style) for row in rows]
        ax.set_yticks(rows, names, size=8)
        ax.set(xlim=(0, 1), ylim=(len(names) - 0.5, -0.5), xticks=[])
        ax.tick_params(which="both", length=0)
        ax.minorticks_off()
        ax.spines[:].set_visible(False)
        self.artists = [*self._bars, *self._before, self._spread, *self._values]

    def update(self, probability, *, before=None, band=None):
        """Draw other probabilities.

        Parameters
        ----------
        probability : (n_classes,) array
        before : (n_classes,) array, optional
            What they were before a change, as outlines.
        band : (2, n_classes) array, optional
            Ends of intervals.
        """
        drawn = zip(self._columns, self._marks, self._bars, self._before, self._values)
        for column, mark, bar, outline, value in drawn:
            bar.set_width(probability[column])
            outline.set_visible(before is not None)
            outline.set_width(0 if before is None else before[column])
            value.set_text(f"{probability[column]:.3f}{mark}")
        ends = [] if band is None else np.transpose(band)[self._columns]
        self._spread.set_segments([[(low, row), (high, row)] for row, (low, high) in enumerate(ends)])
