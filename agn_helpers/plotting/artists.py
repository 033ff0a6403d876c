"""A painted spectrum and bars of probabilities whose artists are updated in place."""

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator, NullLocator

from ..lines import AGN_TYPES
from .colours import SALIENCY_COLOURS
from .spectra import flux_limits
from .style import DARK, GREY

_OUTLINE = "#8f8f8f"


def pixel_edges(wavelength):
    """Borders (n_grid + 1,) half-way between pixels; the first and the last pixel end at their centres."""
    return np.concatenate([wavelength[:1], 0.5 * (wavelength[1:] + wavelength[:-1]), wavelength[-1:]])


def draw_coloured_line(ax, wavelength, flux, attribution, *, scale, faded=None):
    """Draw a spectrum, each pixel in the colour of its attribution; faded pixels thin and grey."""
    faded = np.zeros(len(wavelength), dtype=bool) if faded is None else faded
    # A pixel reaches half-way to its neighbours.
    points = np.column_stack([wavelength, flux])
    borders = np.vstack([points[:1], 0.5 * (points[1:] + points[:-1]), points[-1:]])
    strokes = np.stack([borders[:-1], points, borders[1:]], axis=1)
    look = {"capstyle": "round", "joinstyle": "round"}
    outline = LineCollection(
        strokes, colors=_OUTLINE, linewidths=np.where(faded, 0.6, 1.75), zorder=2, **look
    )
    colours = LineCollection(
        strokes,
        linewidths=np.where(faded, 0.6, 1.15),
        array=np.ma.array(attribution, mask=faded),
        cmap=SALIENCY_COLOURS,
        norm=Normalize(-scale, scale),
        zorder=3,
        **look,
    )
    ax.add_collection(outline, autolim=False)
    return ax.add_collection(colours, autolim=False)


def draw_strip(ax, wavelength, attribution, *, scale, middle, half, faded=None):
    """Draw attributions as bars about `middle`, `half` high where at full colour, and no higher than that."""
    edges = pixel_edges(wavelength)
    top = middle + half * np.clip(attribution / scale, -1, 1)
    foot = np.full(len(wavelength), middle)
    corners = [(edges[:-1], foot), (edges[:-1], top), (edges[1:], top), (edges[1:], foot)]
    bars = PolyCollection(
        np.stack([np.column_stack(corner) for corner in corners], axis=1),
        array=np.ma.array(attribution, mask=False if faded is None else faded),
        cmap=SALIENCY_COLOURS,
        norm=Normalize(-scale, scale),
        linewidth=0.2,
        edgecolor="face",
        zorder=2,
    )
    ax.axhline(middle, color=GREY, linewidth=0.4, zorder=2.5)
    return ax.add_collection(bars, autolim=False)


_PANEL_OUTLINE, _BAND = "#8f8f8f", {"facecolor": "#bbbbbb", "alpha": 0.45, "linewidth": 0, "zorder": 2}

_ROUND = {"solid_capstyle": "round", "solid_joinstyle": "round"}

# Shares of an Axes' height: the strip's middle line, half its height, and where the spectrum begins.
_STRIP_MIDDLE, _STRIP_HALF, _STRIP_TOP = 0.12, 0.1, 0.26

_MAX_NOTES = 4


class PaintedSpectrum:
    """The artists of one spectrum in the colours of its map; `part` are the grid points that it shows."""

    def __init__(self, ax, grid, part):
        self.ax, self.grid, self._part = ax, grid, part
        self._x = grid[part]
        middles = 0.5 * (self._x[1:] + self._x[:-1])
        self._edges = np.concatenate([self._x[:1], middles, self._x[-1:]])
        look = {"capstyle": "round", "joinstyle": "round"}
        self._outline, self._thin = (
            ax.plot([], [], color=_OUTLINE, linewidth=width, zorder=3, **_ROUND)[0] for width in (1.9, 0.7)
        )
        self._line = LineCollection([], cmap=SALIENCY_COLOURS, norm=Normalize(), zorder=4, **look)
        self._strip = PolyCollection(
            [], cmap=SALIENCY_COLOURS, norm=Normalize(), linewidth=0.2, edgecolor="face", zorder=3
        )
        self._band = PolyCollection([], **_BAND)
        self._strip_band = PolyCollection([], **_BAND)
        (self._before,) = ax.plot([], [], color="#9a9a9a", linewidth=0.8, zorder=2.5)
        self._zero = ax.axhline(_STRIP_MIDDLE, color=GREY, linewidth=0.4, zorder=2.6)
        self._zero.set_transform(ax.transAxes)
        style = {"textcoords": "offset points", "va": "top", "size": 7, "color": GREY, "zorder": 5}
        ground = {"facecolor": "white", "linewidth": 0, "pad": 0.4}
        self._notes = [
            ax.annotate("", (0, 1), (2.5, -1), xycoords=ax.get_xaxis_transform(), bbox=ground, **style)
            for _ in range(_MAX_NOTES)
        ]
        for collection in (self._band, self._strip_band, self._line, self._strip):
            ax.add_collection(collection, autolim=False)
        ax.yaxis.set_minor_locator(NullLocator())
        # The tick marks of flux change with the spectrum, those of wavelength do not.
        ax.yaxis.set_zorder(2.4)
        # Where a label would stand is found out at every drawing, unless it is told.
        ax.yaxis.set_label_coords(-0.1, 0.5)
        self.artists = [
            self._band,
            self._strip_band,
            self._before,
            self._outline,
            self._thin,
            self._line,
            self._strip,
            *self._notes,
            ax.yaxis,
            ax.spines["left"],
        ]

    def update(self, shown, attribution, *, scale, faded, before):
        flux = shown.flux[self._part]
        attribution, faded = attribution[self._part], faded[self._part]
        beside = [shown.flux_band[:, self._part]] if shown.flux_band is not None else []
        beside += [before[self._part]] if before is not None else []
        low, high = flux_limits(self._x, flux, *beside)
        bottom = low - (high - low) * _STRIP_TOP / (1 - _STRIP_TOP)
        ticks = MaxNLocator(4).tick_values(low, high)
        self.ax.set_yticks([tick for tick in ticks if low <= tick <= high])
        self.ax.set_ylim(bottom, high)
        self.ax.spines["left"].set_bounds(low, high)

        points = np.column_stack([self._x, flux])
        borders = np.vstack([points[:1], 0.5 * (points[1:] + points[:-1]), points[-1:]])
        strokes = np.stack([borders[:-1], points, borders[1:]], axis=1)
        colours = np.ma.array(attribution, mask=faded)
        self._outline.set_data(self._x, np.where(faded, np.nan, flux))
        self._thin.set_data(self._x, flux if faded.any() else np.full(len(flux), np.nan))
        self._line.set_segments(strokes)
        self._line.set_linewidths(np.where(faded, 0.7, 1.3))
        middle, half = (bottom + share * (high - bottom) for share in (_STRIP_MIDDLE, _STRIP_HALF))
        half -= bottom
        top = middle + half * np.clip(attribution / scale, -1, 1)
        foot = np.full(len(top), middle)
        corners = [(self._edges[:-1], foot), (self._edges[:-1], top), (self._edges[1:], top)]
        corners.append((self._edges[1:], foot))
        self._strip.set_verts(np.stack([np.column_stack(corner) for corner in corners], axis=1))
        for collection in (self._line, self._strip):
            collection.set_array(colours)
            collection.set_clim(-scale, scale)
        self._before.set_data((self._x, before[self._part]) if before is not None else ([], []))
        self._band.set_verts(self._outline_of(shown.flux_band))
        spread = shown.attribution_band
        if spread is not None:
            spread = middle + half * np.clip(spread / scale, -1, 1)
        self._strip_band.set_verts(self._outline_of(spread))
        self._note_cut_lines(flux, high)

    def _outline_of(self, band):
        if band is None:
            return []
        low, high = band[:, self._part]
        return [np.column_stack([np.append(self._x, self._x[::-1]), np.append(low, high[::-1])])]

    def _note_cut_lines(self, flux, high):
        cut = np.flatnonzero(flux > high)
        # Neighbouring lines such as the two of [O III] get one note.
        groups = np.split(cut, np.flatnonzero(np.diff(self._x[cut]) > 70) + 1) if len(cut) else []
        for note, group in zip(self._notes, [*groups, *[None] * _MAX_NOTES]):
            note.set_visible(group is not None)
            if group is not None:
                note.set_text(f"↑{flux[group].max():.1f}")
                note.xy = (self._x[group[-1]], 1)


class ProbabilityBars:
    """The class probabilities as bars in the types' colours; outlines say what they were before a change."""

    def __init__(self, ax, classes):
        names = [name for name in AGN_TYPES if name in classes]
        names += [name for name in classes if name not in AGN_TYPES]
        self._columns = [classes.index(name) for name in names]
        colours = [AGN_TYPES[name].colour if name in AGN_TYPES else GREY for name in names]
        rows = np.arange(len(names))
        ax.barh(rows, np.ones(len(names)), 0.6, color="#f0f0f0")
        self._bars = ax.barh(rows, np.zeros(len(names)), 0.6, color=colours, zorder=3)
        self._before = ax.barh(
            rows, np.zeros(len(names)), 0.6, facecolor="none", edgecolor=DARK, linewidth=1, zorder=4
        )
        self._spread = LineCollection([], color=DARK, linewidth=1.2, zorder=5)
        ax.add_collection(self._spread, autolim=False)
        style = {"textcoords": "offset points", "va": "center", "size": 8.5}
        self._values = [ax.annotate("", (1, row), (4, 0), **style) for row in rows]
        ax.set_yticks(rows, names, size=8.5)
        ax.set(xlim=(0, 1), ylim=(len(names) - 0.5, -0.5), xticks=[])
        ax.set_title("Class probabilities")
        ax.tick_params(which="both", length=0)
        ax.minorticks_off()
        ax.spines[:].set_visible(False)
        self.artists = [*self._bars, *self._before, self._spread, *self._values]

    def update(self, shown):
        changed = not np.array_equal(shown.probability, shown.before)
        for bar, outline, value, column in zip(self._bars, self._before, self._values, self._columns):
            bar.set_width(shown.probability[column])
            outline.set_width(shown.before[column])
            outline.set_visible(changed)
            value.set_text(f"{shown.probability[column]:.3f}")
        band = shown.probability_band
        self._spread.set_segments(
            []
            if band is None
            else [[(band[0, k], row), (band[1, k], row)] for row, k in enumerate(self._columns)]
        )


def draw_probabilities(ax, probabilities, *, true_label=None):
    """Draw class probabilities as bars in the types' colours.

    Parameters
    ----------
    ax : Axes
    probabilities : mapping of str to float
        Probability of each class.
    true_label : str, optional
        The class that is marked as the true one.

    Returns
    -------
    Axes
    """
    names = [name for name in AGN_TYPES if name in probabilities]
    names += [name for name in probabilities if name not in AGN_TYPES]
    values = [float(probabilities[name]) for name in names]
    colours = [AGN_TYPES[name].colour if name in AGN_TYPES else GREY for name in names]
    ax.barh(range(len(names)), np.ones(len(names)), 0.62, color="#f0f0f0")
    ax.barh(range(len(names)), values, 0.62, color=colours)
    for place, (name, value) in enumerate(zip(names, values)):
        words = f"{value:.3f}" + ("  true type" if name == true_label else "")
        ax.annotate(words, (1, place), (3, 0), textcoords="offset points", va="center", size=7.5)
    ax.set_yticks(range(len(names)), names)
    ax.set(xlim=(0, 1), ylim=(len(names) - 0.5, -0.5), xticks=[])
    ax.tick_params(which="both", length=0)
    ax.minorticks_off()
    ax.spines[:].set_visible(False)
    return ax
