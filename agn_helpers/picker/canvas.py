"""The picker's canvases: figures that send whole pictures and never steal the keyboard, and a lasso."""

import threading
from contextlib import contextmanager
from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
from ipympl.backend_nbagg import Canvas, FigureManager
from matplotlib.figure import Figure
from matplotlib.widgets import LassoSelector
from PIL import Image

from ..plotting import read_style

# A lasso smaller than this, in pixels, is a click.
_CLICK = 5


# JupyterLab lets widgets be heard in another thread than cells run in, and a style is the whole process's:
# one thread at a time draws in it. Below, the grounds of the styles in force, the innermost last.
_drawing = threading.RLock()
_in_force: list[bool] = []


@contextmanager
def screen_style(*, dark):
    """Within it figures are drawn as for a screen: small letters as they are shaped."""
    with _drawing:
        if _in_force[-1:] == [dark]:
            # To set three hundred parameters again would take milliseconds.
            yield
            return
        _in_force.append(dark)
        try:
            with plt.rc_context({**read_style(dark=dark), "text.hinting": "none"}):
                yield
        finally:
            _in_force.pop()


class SteadyCanvas(Canvas):
    """A canvas that keeps its size, draws in one style whoever asks, and sends no pieces of pictures.

    ipympl sends what changed since the last picture.  Where pictures come faster than the browser decodes
    them, one of these pieces is dropped, and what it was to clear stays for good.
    """

    #: Whether what is drawn stands on a dark ground.
    dark = False

    def get_diff_image(self):
        """The picture, whole; None where it was sent already."""
        if not self._png_is_old:
            return None
        self._png_is_old = False
        self.set_image_mode("full")
        pixels = np.asarray(self.buffer_rgba())
        # What ipympl keeps for pages that are opened later.
        self._last_buff = pixels.view(np.uint32).squeeze(2).copy()
        with BytesIO() as png:
            # The page is on this machine: time counts, bytes do not.
            Image.fromarray(pixels).save(png, format="png", compress_level=1)
            return png.getvalue()

    def _handle_message(self, canvas, content, buffers):
        with screen_style(dark=self.dark):
            super()._handle_message(canvas, content, buffers)
        if content["type"] == "initialized":
            # A new page would let the mouse drag the canvas to another size.
            self.send_state("resizable")

    def draw(self):
        # Tick labels are made while drawing: in the style that is in force then.
        with screen_style(dark=self.dark):
            super().draw()


class MapLasso(LassoSelector):
    """A lasso that is drawn with the changing artists of a panel, and distinguished from a click.

    Parameters
    ----------
    panel : MapPanel
    on_click : function (x, y)
    on_select : function (vertices)
    """

    def __init__(self, panel, *, on_click, on_select):
        look = {"color": panel.theme.ink, "linewidth": 1.3, "zorder": 20}
        super().__init__(panel.ax, self._finish, button=1, props=look)
        self._panel, self._click, self._select = panel, on_click, on_select
        for artist in self.artists:
            panel.add_changing(artist)

    def update(self):
        """Draw the lasso as it is."""
        self._panel.refresh()

    def _finish(self, vertices):
        for artist in self.artists:
            artist.set_visible(False)
        self._panel.refresh()
        pixels = self.ax.transData.transform(vertices)
        if max(pixels.max(axis=0) - pixels.min(axis=0)) < _CLICK:
            self._click(*vertices[0])
        else:
            self._select(vertices)


def make_figure(name, *, dpi):
    """A Figure on a SteadyCanvas that no other part of matplotlib knows of; `name` is "Map" or "Spectrum"."""
    figure = Figure(dpi=dpi, layout="none", facecolor="white")
    canvas = SteadyCanvas(figure)
    FigureManager(canvas, 0)
    canvas.manager.set_window_title(name)
    canvas.header_visible = canvas.footer_visible = canvas.resizable = False
    canvas.toolbar_visible = False
    canvas.capture_scroll = True
    # The mouse is reported this often, in ms: a name follows it.
    canvas.pan_zoom_throttle = 16
    return figure
