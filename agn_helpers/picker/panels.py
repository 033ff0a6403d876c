"""A figure of the picker whose artists are updated in place, and the spectrum that is picked."""

import numpy as np
from matplotlib.collections import LineCollection

from ..lines import LINES, MARKED_LINES, SPEED_OF_LIGHT
from ..plotting import (
    COLOUR_WORDS,
    FLUX_LABEL,
    WAVELENGTH_LABEL,
    ZOOMS,
    PaintedSpectrum,
    ProbabilityBars,
    current_theme,
    describe_map,
    find_floor,
    format_number,
    full_colour,
    mark_lines,
    prepare_map,
    saliency_colours,
    say_method,
    shade_windows,
)
from .canvas import screen_style

#: How the foot of a figure says where the spectra come from.
FOOT = {"size": 6.5, "style": "italic", "ha": "right", "va": "bottom"}

# Lines of the user's, and those of another redshift: a colour of no type and no direction.
_OWN_LINES = "#0F7F8F"

_MOST_OWN = 40


class Panel:
    """A figure of which the background is drawn once, and a few artists again and again.

    Parameters
    ----------
    figure : Figure or SubFigure
    live : bool
        Draw the changing artists apart from the rest, for `refresh`.
    dark : bool
        Whether the page has a dark ground.
    """

    def __init__(self, figure, *, live, dark=False):
        self.figure, self.live, self.dark = figure, live, dark
        self._background, self._changing = None, []
        self._connection = figure.canvas.mpl_connect("draw_event", self._keep_background) if live else None

    def clear(self):
        """Take all away, and set the ground."""
        self.figure.clear()
        self._changing, self._background = [], None
        with screen_style(dark=self.dark):
            self.theme = current_theme()
        self.figure.set_facecolor(self.theme.ground)
        if self.live:
            self.figure.canvas.dark = self.dark

    def add_changing(self, artist):
        """Take note of an artist that `refresh` draws; returns it."""
        artist.set_animated(self.live)
        self._changing.append(artist)
        return artist

    def _keep_background(self, event):
        self._background = self.figure.canvas.copy_from_bbox(self.figure.bbox)
        self._draw_changing()

    def _draw_changing(self):
        shown = (artist for artist in self._changing if artist.get_visible())
        for artist in sorted(shown, key=lambda artist: artist.zorder):
            self.figure.draw_artist(artist)

    def refresh(self):
        """Show the changing artists as they are now; the first drawing of the figure must come before."""
        if self._background is not None:
            self.figure.canvas.restore_region(self._background)
            with screen_style(dark=self.dark):
                self._draw_changing()
            self.figure.canvas.blit(self.figure.bbox)

    def close(self):
        """Let go of the figure."""
        if self._connection is not None:
            self.figure.canvas.mpl_disconnect(self._connection)
        self.figure.clear()
        self._changing, self._background = [], None

    def page_place(self, x, y):
        """Where a pixel of the figure is on the page: from the left and from the top of the canvas."""
        ratio = self.figure.canvas.device_pixel_ratio
        return x / ratio, (self.figure.bbox.height - y) / ratio

    def _add_axes(self, left, bottom, right, top):
        """Axes by their distances in inches from the sides of the figure."""
        size = self.figure.bbox.size / self.figure.dpi
        low, high = np.array([left, bottom]) / size, 1 - np.array([right, top]) / size
        return self.figure.add_axes((*low, *(high - low)))

    def _fit(self, text, words, *, size):
        """Set the words of a Text in letters of `size`, or smaller where the figure is too narrow."""
        text.set(text=words, size=size)
        with screen_style(dark=self.dark):
            width = text.get_window_extent().width
        room = self.figure.bbox.width - 0.12 * self.figure.dpi
        if width > room:
            text.set_size(size * room / width)

    def _write(self, x, y, text="", **style):
        """Text at inches from the left (or, negative, right) and from the top (or, negative, bottom)."""
        width, height = self.figure.bbox.size / self.figure.dpi
        place = (x / width if x >= 0 else 1 + x / width, 1 - y / height if y >= 0 else -y / height)
        return self.figure.text(*place, text, **{"color": self.theme.ink, "va": "top", **style})


def origin_label(survey):
    """Where spectra come from, in the words of `mark_survey`."""
    return "synthetic survey: simulated spectra" if "synthetic" in survey else f"survey: {survey}"


class SpectrumPanel(Panel):
    """The picked spectrum in the colours of its map, a part of it larger, and the class probabilities."""

    def __init__(self, figure, state, *, live=True, dark=False):
        super().__init__(figure, live=live, dark=dark)
        self.range = ZOOMS["Hbeta"]
        self.build(state)

    def build(self, state):
        """Draw everything anew, e.g. at another size."""
        self.clear()
        self._grid = state.grid
        width, height = self.figure.bbox.size / self.figure.dpi
        lower = 0.55 + 0.38 * (height - 1.8)
        bars = min(max(1.9, 0.3 * width), 0.42 * width)
        with screen_style(dark=self.dark):
            # A page says above the canvas what was changed.
            full = self._add_axes(0.56, lower + 0.6, 0.68, 0.7 if self.live else 0.86)
            zoom = self._add_axes(0.56, 0.52, bars + 0.35, height - lower)
            self.axes = (full, zoom)
            low, high = self.range
            near = (state.grid > low) & (state.grid < high)
            self._spectra = [PaintedSpectrum(full, state.grid)]
            if near.sum() > 1:
                self._spectra.append(PaintedSpectrum(zoom, state.grid, part=near))
            for ax in self.axes:
                # Where a label would stand is found out at every drawing, unless it is told.
                ax.yaxis.set_label_coords(-0.1, 0.5)
            full.set_xlim(state.grid[[0, -1]] + [-8, 8])
            zoom.set_xlim(low, high)
            zoom.set_xlabel(WAVELENGTH_LABEL)
            full.axvspan(low, high, color=self.theme.wings, linewidth=0, zorder=0)
            self._shade(zoom)
            self._write(0.06, 0.5 * (height + 0.3), FLUX_LABEL, rotation=90, va="center", size=8.5)
            mark_lines(full)
            mark_lines(zoom, (*MARKED_LINES, "HeII4686", "NeIII3869", "OIII4363"))
            self._own = [self._add_own_lines(ax) for ax in self.axes]
            self._add_colour_bar(full)
            beside = self._add_axes(width - bars + 0.45, 0.52, 0.48, height - lower)
            beside.set_title("Class probabilities")
            self._bars = ProbabilityBars(beside, state.classes)
            self._title = self._write(0.06, 0.06, weight="bold")
            self._notes = [self._write(0.06, top, color=self.theme.muted) for top in (0.25, 0.41)]
            self._origin = self._write(-0.06, -0.05, **{**FOOT, "color": self.theme.muted})
        for artist in (self._title, *self._notes, self._origin, *self._bars.artists):
            self.add_changing(artist)
        for spectrum in self._spectra:
            for artist in spectrum.artists:
                self.add_changing(artist)

    def _shade(self, ax):
        """Shade core and wings of the Balmer line in the middle of an Axes, where there is one."""
        low, high = self.range
        balmer = [LINES[name] for name in ("Hbeta", "Hgamma", "Hdelta")]
        inside = [line for line in balmer if low < line.wavelength < high]
        if inside:
            line = min(inside, key=lambda line: abs(line.wavelength - 0.5 * (low + high)))
            shade_windows(ax, lambda velocity: line.window(0, velocity)[1])

    def _add_own_lines(self, ax):
        marks = LineCollection(
            [], color=_OWN_LINES, linewidth=1, zorder=6, transform=ax.get_xaxis_transform()
        )
        look = {"size": 7, "color": _OWN_LINES, "rotation": 90, "va": "top", "ha": "right", "zorder": 6}
        place = {"xycoords": ax.get_xaxis_transform(), "textcoords": "offset points"}
        ground = {"facecolor": self.theme.ground, "linewidth": 0, "pad": 0.3, "alpha": 0.8}
        words = [
            ax.annotate("", (0, 0.99), (-1, 0), **place, **look, bbox=ground, visible=False)
            for _ in range(_MOST_OWN)
        ]
        for artist in (ax.add_collection(marks, autolim=False), *words):
            self.add_changing(artist)
        return marks, words

    def mark_own_lines(self, lines):
        """Mark lines by name and wavelength (Å) in both spectra; an empty mapping takes them away."""
        for ax, (marks, words) in zip(self.axes, self._own):
            low, high = ax.get_xlim()
            inside = [(name, place) for name, place in lines if low < place < high][:_MOST_OWN]
            marks.set_segments([[(place, 0.26), (place, 1)] for _, place in inside])
            for text, (name, place) in zip(words, [*inside, *[("", 0)] * _MOST_OWN]):
                text.set(text=name, visible=bool(name))
                text.xy = (place, 0.99)

    def look_at(self, state, wavelength, factor=1.0):
        """Show `factor` times as wide a part about a wavelength in the lower spectrum; drawn by `build`."""
        low, high = self.range
        width = np.clip((high - low) * factor, 60, np.ptp(state.grid))
        low = np.clip(wavelength - 0.5 * width, state.grid[0], state.grid[-1] - width)
        self.range = (float(low), float(low + width))

    def read(self, x, ax, shown):
        """What stands at wavelength x (Å) of what is `Shown`: a line of text; "" outside the spectra."""
        if ax not in self.axes or not self._grid[0] <= x <= self._grid[-1]:
            return ""
        pixel = int(np.argmin(np.abs(self._grid - x)))
        line = min(LINES.values(), key=lambda line: abs(line.wavelength - x))
        velocity = float(line.velocity(x))
        error = f" ± {1 / np.sqrt(shown.ivar[pixel]):.3f}" if shown.ivar[pixel] > 0 else " (not observed)"
        words = [
            f"{self._grid[pixel]:.1f} Å",
            f"flux {shown.flux[pixel]:.3f}{error}",
            f"{shown.quantity} {self._attribution[pixel]:+.2g}",
        ]
        if abs(velocity) < 6000:
            words.append(f"{line.label} {velocity:+.0f} km/s")
        return "  ·  ".join(words).replace("-", "−")

    def _add_colour_bar(self, beside):
        width = self.figure.bbox.width / self.figure.dpi
        box = beside.get_position()
        ax = self.figure.add_axes((1 - 0.6 / width, box.y0, 0.09 / width, box.height))
        ax.imshow(np.linspace(0, 1, 256)[:, None], cmap=saliency_colours(), aspect="auto", origin="lower")
        ax.set_axis_off()
        look = {"transform": ax.transAxes, "color": self.theme.ink, "size": 7.5}
        # Above and below the bar, flush with the figure's edge: powers of ten are wide.
        edge = (0.6 - 0.04) / 0.09
        self._ends = [
            self.add_changing(ax.text(edge, height, "", ha="right", va=va, **look))
            for height, va in ((1.02, "bottom"), (-0.02, "top"))
        ]
        middle = {"ha": "left", "va": "center", "rotation": 90}
        self._meaning = self.add_changing(ax.text(1.6, 0.5, "", **look, **middle))

    def update(self, shown, *, lines=()):
        """Draw what is `Shown`, with the user's lines: pairs of a name and a wavelength."""
        with screen_style(dark=self.dark):
            self._update(shown)
            self.mark_own_lines(lines)

    def _update(self, shown):
        options = {
            "uncertainty": shown.uncertainty if shown.fade else None,
            "smooth": shown.smooth,
            "floor": find_floor(shown.quantity),
        }
        self._attribution, faded = prepare_map(self._grid, shown.attribution, **options)
        scale = full_colour(self._attribution)
        for spectrum in self._spectra:
            spectrum.update(
                shown.flux,
                self._attribution,
                scale=max(scale, options["floor"]),
                faded=faded,
                before=shown.unchanged,
                flux_band=shown.flux_band,
                attribution_band=shown.attribution_band,
            )
        outlined = None if np.array_equal(shown.probability, shown.before) else shown.before
        self._bars.update(shown.probability, before=outlined, band=shown.probability_band)
        self._fit(self._title, shown.title, size=9.5)
        words = ", ".join(f"{word} {verb}" for verb, word in COLOUR_WORDS.items())
        meaning = f"{say_method(shown.method)}: {words} P({shown.target})"
        note = describe_map(**options, scale=scale)
        lines = [
            f"what if: {shown.change}" if shown.change and not self.live else "",
            f"{meaning}   ·   {note}" if note else meaning,
        ]
        for text, line in zip(self._notes, sorted(lines, key=bool, reverse=True)):
            self._fit(text, line, size=8)
        self._origin.set_text(origin_label(shown.survey))
        for end, sign in zip(self._ends, "+−"):
            end.set_text(f"{sign}{format_number(max(scale, options['floor']))}")
        self._meaning.set_text(shown.quantity)


def shift_lines(lines, shift):
    """Own lines, pairs of a name and a rest wavelength, and the marked ones where a redshift is another.

    shift : float, (1 + z) / (1 + z assumed); 1 for the redshift with which the spectrum was reduced
    """
    moved = [(name, place * shift) for name, place in lines]
    if shift != 1:
        moved += [(LINES[name].label, LINES[name].wavelength * shift) for name in MARKED_LINES]
    return moved


def shift_velocity(shift):
    """Velocity (km/s) of a shift of wavelengths."""
    return (shift - 1) * SPEED_OF_LIGHT
