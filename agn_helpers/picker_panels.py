"""Figures of which a few artists are drawn again and again on a background that is drawn once."""

import matplotlib.pyplot as plt
import numpy as np

from .plotting import DARK, GREY

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


def say_origin(survey):
    """Where spectra come from, in the words of `plotting.mark_survey`."""
    return "synthetic survey: simulated spectra" if "synthetic" in survey else f"survey: {survey}"
