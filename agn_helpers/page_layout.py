"""Pages on which Axes and words have their places in millimetres from the top left corner."""

import matplotlib.pyplot as plt
from matplotlib.layout_engine import PlaceHolderLayoutEngine

from .plotting import DARK, DOUBLE_COLUMN

_MILLIMETRES = 25.4


def open_page(height):
    """Return an empty Figure, 180 mm wide as a journal page and `height` mm high; no layout moves things."""
    # No engine at all would be taken for the style's own once the page has been saved.
    engine = PlaceHolderLayoutEngine(adjust_compatible=True, colorbar_gridspec=True)
    return plt.figure(figsize=(DOUBLE_COLUMN, height / _MILLIMETRES), layout=engine)


def add_axes(page, left, top, width, height):
    """Add an Axes to a page; all lengths in mm."""
    x, y = _place(page, left, top + height)
    return page.add_axes((x, y, *_share(page, width, height)))


def write_words(page, left, top, text, **style):
    """Write on a page, by default with the text's upper left corner at the place; returns the Text."""
    look = {"ha": "left", "va": "top", "size": 8.5, "color": DARK} | style
    return page.text(*_place(page, left, top), text, **look)


def draw_rule(page, left, right, top, *, linewidth):
    """Draw a horizontal line across a page."""
    (low, y), (high, _) = _place(page, left, top), _place(page, right, top)
    page.add_artist(plt.Line2D([low, high], [y, y], color=DARK, linewidth=linewidth))


def _share(page, width, height):
    return width / _MILLIMETRES / page.get_figwidth(), height / _MILLIMETRES / page.get_figheight()


def _place(page, left, top):
    x, y = _share(page, left, top)
    return x, 1 - y
