"""The two figures of the spectrum picker, whose artists are updated in place: the map, and what is picked."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np

from ..lines import LINES
from ..plotting import (
    DARK,
    FLUX_LABEL,
    GREY,
    SALIENCY_COLOURS,
    WAVELENGTH_LABEL,
    ZOOMS,
    PaintedSpectrum,
    ProbabilityBars,
    circle_on_map,
    describe_map,
    format_number,
    full_colour,
    mark_lines,
    plot_map,
    prepare_map,
    shade_windows,
)

#: Small letters as they are shaped, not as the grid of pixels would have them.
ON_SCREEN = {"text.hinting": "none"}

#: How the foot of a figure says where the spectra come from.
FOOT = {"size": 6.5, "color": GREY, "style": "italic", "ha": "right", "va": "bottom"}


class Panel:
    """A figure of which the background is drawn once, and a few artists again and again.

    Parameters
    ----------
    figure : Figure or SubFigure
    live : bool
        Draw the changing artists apart from the rest, for `refresh`.
    """

    def __init__(self, figure, *, live):
        self.figure, self.live = figure, live
        self._background, self._changing = None, []
        self._connection = figure.canvas.mpl_connect("draw_event", self._keep_background) if live else None

    def add_changing(self, artist):
        """Take note of an artist that `refresh` draws; returns it."""
        artist.set_animated(self.live)
        self._changing.append(artist)
        return artist

    def _keep_background(self, event):
        self._background = self.figure.canvas.copy_from_bbox(self.figure.bbox)
        self._draw_changing()

    def _draw_changing(self):
        for artist in sorted(self._changing, key=lambda artist: artist.zorder):
            self.figure.draw_artist(artist)

    def refresh(self):
        """Show the changing artists as they are now; the first drawing of the figure must come before."""
        if self._background is not None:
            self.figure.canvas.restore_region(self._background)
            with plt.rc_context(ON_SCREEN):
                self._draw_changing()
            self.figure.canvas.blit(self.figure.bbox)

    def close(self):
        """Let go of the figure."""
        if self._connection is not None:
            self.figure.canvas.mpl_disconnect(self._connection)
        self.figure.clear()
        self._changing, self._background = [], None

    def _add_axes(self, left, bottom, right, top):
        """Axes by their distances in inches from the sides of the figure."""
        size = self.figure.bbox.size / self.figure.dpi
        low, high = np.array([left, bottom]) / size, 1 - np.array([right, top]) / size
        return self.figure.add_axes((*low, *(high - low)))

    def _fit(self, text, words, *, size):
        """Set the words of a Text in letters of `size`, or smaller where the figure is too narrow."""
        text.set(text=words, size=size)
        with plt.rc_context(ON_SCREEN):
            width = text.get_window_extent().width
        room = self.figure.bbox.width - 0.12 * self.figure.dpi
        if width > room:
            text.set_size(size * room / width)

    def _write(self, x, y, text="", **style):
        """Text at inches from the left (or, negative, right) and from the top (or, negative, bottom)."""
        width, height = self.figure.bbox.size / self.figure.dpi
        place = (x / width if x >= 0 else 1 + x / width, 1 - y / height if y >= 0 else -y / height)
        return self.figure.text(*place, text, **{"color": DARK, "va": "top", **style})


def origin_label(survey):
    """Where spectra come from, in the words of `mark_survey`."""
    return "synthetic survey: simulated spectra" if "synthetic" in survey else f"survey: {survey}"


# Marks of what is picked, selected, added.
_PICKED, _SELECTED, _ADDED = "#000000", "#cc2a8c", "#009E73"


class MapPanel(Panel):
    """The map: all spectra by type, with marks for what is picked, selected, added and changed."""

    def __init__(self, figure, state, *, live=True):
        super().__init__(figure, live=live)
        self.build(state)

    def build(self, state):
        """Draw everything anew, e.g. at another size or with further spectra."""
        self.figure.clear()
        self._changing, self._background = [], None
        with plt.style.context(["agn_helpers.agn", ON_SCREEN]):
            self.ax = self._add_axes(0.05, 0.62, 0.05, 0.28)
            self._draw_map(state)
            self._add_marks()
            self._write(-0.06, -0.05, origin_label(state.survey), **FOOT)

    def _draw_map(self, state):
        known = state.part != "added"
        shown = replace(state.spectrum_map, coordinates=state.places[known])
        plot_map(shown, state.label[known], alpha=0.5, ax=self.ax)
        wrong = state.wrong[known[state.wrong]]
        if len(wrong):
            circle_on_map(shown, wrong, label=f"misclassified ({len(wrong)})", ax=self.ax)
        if not known.all():
            look = {"s": 70, "marker": "*", "color": _ADDED, "edgecolor": "white", "linewidth": 0.5}
            label = f"added ({np.sum(~known)})"
            self.ax.scatter(*state.places[~known].T, label=label, zorder=5, **look)
        # As in any scatter plot of two unlike quantities, the points may use all the room there is.
        self.ax.set_aspect("auto")
        self.ax.margins(0.03)
        legend = self.ax.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, -0.01),
            ncols=3,
            handletextpad=0.1,
            columnspacing=1.0,
            markerscale=1.3,
        )
        for handle in legend.legend_handles:
            handle.set_alpha(1)

    def _add_marks(self):
        ax, hidden = self.ax, {"visible": False}
        ring = {"marker": "o", "facecolor": "none"}
        self._selected = ax.scatter(
            [], [], s=16, **ring, edgecolor=_SELECTED, linewidth=0.9, zorder=6, **hidden
        )
        self._moved = ax.annotate(
            "",
            (0, 0),
            (0, 0),
            arrowprops={"arrowstyle": "-|>", "color": _PICKED, "linewidth": 1.2, "shrinkA": 5, "shrinkB": 0},
            zorder=9,
            **hidden,
        )
        self._rings = [
            ax.scatter([], [], s=110, **ring, edgecolor=colour, linewidth=width, zorder=zorder)
            for colour, width, zorder in (("white", 4, 7), (_PICKED, 1.8, 8))
        ]
        self._name = ax.annotate(
            "",
            (0, 0),
            (0, 11),
            textcoords="offset points",
            size=8,
            color=DARK,
            va="bottom",
            bbox={"boxstyle": "round,pad=0.3", "facecolor": "#fffff0", "edgecolor": GREY, "linewidth": 0.6},
            zorder=10,
            annotation_clip=False,
            **hidden,
        )
        for artist in (self._selected, self._moved, *self._rings, self._name):
            self.add_changing(artist)

    def update(self, state, shown):
        """Put the marks where they belong."""
        self._selected.set_visible(len(state.selection) > 0)
        self._selected.set_offsets(state.places[state.selection])
        place = state.places[state.row]
        for ring in self._rings:
            ring.set_offsets([place])
            ring.set_visible(not state.shows_selection)
        self._moved.set_visible(shown.place is not None)
        if shown.place is not None:
            self._moved.xy, self._moved.xyann = shown.place, place

    def name_point(self, state, row):
        """Write a spectrum's name and type beside its point; None takes the words away.

        Returns True where anything changed.
        """
        text = "" if row is None else f"{state.name[row]}\n{state.label[row] or 'type unknown'}"
        if text == self._name.get_text():
            return False
        self._name.set_visible(bool(text))
        self._name.set_text(text)
        if text:
            self._name.xy = state.places[row]
            across, up = self.ax.transAxes.inverted().transform(self.ax.transData.transform(self._name.xy))
            self._name.set_ha("left" if across < 0.35 else "right" if across > 0.65 else "center")
            self._name.set_va("top" if up > 0.85 else "bottom")
            self._name.xyann = (0, -11 if up > 0.85 else 11)
        return True

    def zoom(self, x, y, factor):
        """Let the map show `factor` times as much about a place that stays where it is."""
        (left, right), (bottom, top) = self.ax.get_xlim(), self.ax.get_ylim()
        self.ax.set_xlim(x + factor * (left - x), x + factor * (right - x))
        self.ax.set_ylim(y + factor * (bottom - y), y + factor * (top - y))

    def pixels_per_unit(self):
        """Pixels of the screen that a step of 1 takes along x and y, (2,) array."""
        corners = self.ax.transData.transform([(0, 0), (1, 1)])
        return np.abs(corners[1] - corners[0])


class SpectrumPanel(Panel):
    """The picked spectrum in the colours of its map, a zoom on Hβ-[O III], and the class probabilities."""

    def __init__(self, figure, state, *, live=True):
        super().__init__(figure, live=live)
        self.build(state)

    def build(self, state):
        """Draw everything anew, e.g. at another size."""
        self.figure.clear()
        self._changing, self._background, self._grid = [], None, state.grid
        width, height = self.figure.bbox.size / self.figure.dpi
        lower = 0.55 + 0.36 * (height - 1.95)
        bars = max(1.9, 0.3 * width)
        with plt.style.context(["agn_helpers.agn", ON_SCREEN]):
            full = self._add_axes(0.56, lower + 0.62, 0.68, 0.72)
            zoom = self._add_axes(0.56, 0.52, bars + 0.35, height - lower)
            low, high = ZOOMS["Hbeta"]
            near = (state.grid > low) & (state.grid < high)
            self._spectra = [
                PaintedSpectrum(full, state.grid),
                PaintedSpectrum(zoom, state.grid, part=near),
            ]
            for ax in (full, zoom):
                # Where a label would stand is found out at every drawing, unless it is told.
                ax.yaxis.set_label_coords(-0.1, 0.5)
            full.set_xlim(state.grid[[0, -1]] + [-8, 8])
            zoom.set_xlim(low, high)
            zoom.set_xlabel(WAVELENGTH_LABEL)
            shade_windows(zoom, lambda velocity: LINES["Hbeta"].window(0, velocity)[1])
            self._write(0.06, 0.5 * (height + 0.3), FLUX_LABEL, rotation=90, va="center", size=8.5)
            mark_lines(full)
            mark_lines(zoom, ("HeII4686", "Hbeta", "OIII4959", "OIII5007"))
            self._add_colour_bar(full)
            beside = self._add_axes(width - bars + 0.45, 0.52, 0.48, height - lower)
            beside.set_title("Class probabilities")
            self._bars = ProbabilityBars(beside, state.classes)
            self._title = self._write(0.06, 0.06, weight="bold")
            self._subtitle = self._write(0.06, 0.25, color="#555555")
            self._origin = self._write(-0.06, -0.05, **FOOT)
        for artist in (self._title, self._subtitle, self._origin, *self._bars.artists):
            self.add_changing(artist)
        for spectrum in self._spectra:
            for artist in spectrum.artists:
                self.add_changing(artist)

    def _add_colour_bar(self, beside):
        width = self.figure.bbox.width / self.figure.dpi
        box = beside.get_position()
        ax = self.figure.add_axes((1 - 0.6 / width, box.y0, 0.09 / width, box.height))
        ax.imshow(np.linspace(0, 1, 256)[:, None], cmap=SALIENCY_COLOURS, aspect="auto", origin="lower")
        ax.set_axis_off()
        look = {"transform": ax.transAxes, "color": DARK, "size": 7.5}
        # Above and below the bar, flush with the figure's edge: powers of ten are wide.
        edge = (0.6 - 0.04) / 0.09
        self._ends = [
            self.add_changing(ax.text(edge, height, "", ha="right", va=va, **look))
            for height, va in ((1.02, "bottom"), (-0.02, "top"))
        ]
        middle = {"ha": "left", "va": "center", "rotation": 90}
        self._meaning = self.add_changing(ax.text(1.6, 0.5, "", **look, **middle))

    def update(self, shown):
        """Draw what is `Shown`."""
        uncertainty, smooth = shown.uncertainty if shown.fade else None, shown.smooth
        attribution, faded = prepare_map(
            self._grid, shown.attribution, uncertainty=uncertainty, smooth=smooth
        )
        scale = full_colour(attribution)
        for spectrum in self._spectra:
            spectrum.update(
                shown.flux,
                attribution,
                scale=scale,
                faded=faded,
                before=shown.unchanged,
                flux_band=shown.flux_band,
                attribution_band=shown.attribution_band,
            )
        outlined = None if np.array_equal(shown.probability, shown.before) else shown.before
        self._bars.update(shown.probability, before=outlined, band=shown.probability_band)
        self._fit(self._title, shown.title, size=9.5)
        note = describe_map(uncertainty=uncertainty, smooth=smooth)
        meaning = f"{shown.method.replace('_', ' ')}: green raises, purple lowers P({shown.target})"
        words = [f"what if: {shown.change}" if shown.change else "", meaning, note]
        self._fit(self._subtitle, "   ·   ".join(word for word in words if word), size=8)
        self._origin.set_text(origin_label(shown.survey))
        for end, sign in zip(self._ends, "+−"):
            end.set_text(f"{sign}{format_number(scale)}")
        self._meaning.set_text(f"P({shown.target})")
