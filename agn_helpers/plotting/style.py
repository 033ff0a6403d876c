"""One figure a function: each draws on one Axes, returns it, and neither shows nor saves.

Use with ``plt.style.use("agn_helpers.agn")``, the style sheet beside this module.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.layout_engine import ConstrainedLayoutEngine, PlaceHolderLayoutEngine

from ..errors import AgnError
from ..files import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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


def add_text(page, left, top, text, **style):
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


#: Widths in inches of a figure in one or both columns of a journal page (Astronomy & Astrophysics).
SINGLE_COLUMN, DOUBLE_COLUMN = 88 / 25.4, 180 / 25.4

#: Colours of what is no spectrum: marks and notes, words.
GREY = "#777777"

DARK = "#222222"


def save_figure(figure: Figure | Axes, path: str | PathLike, *, survey: str | None = None) -> None:
    """Save a Figure, or the Figure of an Axes, whole or not at all; the suffix of `path` says the format.

    Parameters
    ----------
    figure : Figure or Axes
        What to save.
    path : path
        E.g. ``figures/synthetic/map.png``; folders are created.
    survey : str, optional
        Origin of the spectra, written into the figure by `mark_survey`.

    Raises
    ------
    AgnError
        For a suffix of no format of figures, or where it cannot be written.
    """
    whole: Any = figure.figure if isinstance(figure, Axes) else figure
    formats = sorted(whole.canvas.get_supported_filetypes())
    if Path(path).suffix.removeprefix(".").lower() not in formats:
        raise AgnError(f"the suffix of a figure must be one of {', '.join(formats)}; got {path}.")
    if survey is not None:
        mark_survey(whole, survey)
    with whole_file(path) as temporary:
        whole.savefig(temporary)


def mark_survey(figure, survey):
    """Write under a Figure where its spectra come from; what is synthetic says so."""
    if "synthetic" in survey:
        text = f"{survey}: simulated" if "images" in survey else "synthetic survey: simulated spectra"
    else:
        text = f"survey: {survey}"
    style = {"size": 6.5, "color": GREY, "style": "italic", "ha": "right", "va": "bottom"}
    figure.text(0.997, 0.15 * reserve_footer(figure), text, **style)


def reserve_footer(figure):
    """Keep constrained layout out of a strip at a Figure's foot; returns its share of the height."""
    height = 10 / 72 / figure.get_figheight()
    if isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        figure.get_layout_engine().set(rect=(0, height, 1, 1 - height))
    return height


def apply_layout(figure):
    """Give the Axes of a Figure the places that its layout will find for them when drawn."""
    if figure.get_layout_engine() is not None:
        figure.get_layout_engine().execute(figure)
    for ax in figure.axes:
        ax.apply_aspect()
