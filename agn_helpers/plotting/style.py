"""One figure a function: each draws on one Axes, returns it, and neither shows nor saves.

Use with ``plt.style.use("agn_helpers.agn")``, the style sheet beside this module.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import cache
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.layout_engine import ConstrainedLayoutEngine, PlaceHolderLayoutEngine

from ..errors import AgnError
from ..files import whole_file
from .captions import find_caption
from .layout import find_collisions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MILLIMETRES = 25.4


def open_page(height):
    """Return an empty Figure, 180 mm wide as a journal page and `height` mm high; no layout moves things."""
    # No engine at all would be taken for the style's own once the page has been saved.
    engine = PlaceHolderLayoutEngine(adjust_compatible=True, colorbar_gridspec=True)
    return plt.figure(figsize=(DOUBLE_COLUMN, height / _MILLIMETRES), layout=engine)


@contextmanager
def closing_figures():
    """Close what figures a block opens, also where it ends in an error; those open before it stay."""
    before = plt.get_fignums()
    try:
        yield
    finally:
        for number in set(plt.get_fignums()).difference(before):
            plt.close(number)


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
GREY = "#757575"

DARK = "#222222"


class Theme(NamedTuple):
    """What stands on a ground that is light or dark; colours of types and curves are the same on both.

    Attributes
    ----------
    ground, ink, muted : str
        The ground, words and strong marks, notes and weak marks.
    outline, before, band : str
        Of a painted spectrum: its outline, the spectrum before a change, and the spread of several.
    track, core, wings : str
        Faint areas: behind a bar, in the core and in the wings of a line.
    is_dark : bool
    """

    ground: str
    ink: str
    muted: str
    outline: str
    before: str
    band: str
    track: str
    core: str
    wings: str
    is_dark: bool


LIGHT_THEME = Theme(
    *("#FFFFFF", DARK, GREY),
    *("#8A8A8A", "#8A8A8A", "#BBBBBB"),
    *("#F0F0F0", "#DEDEDE", "#F1F1F1"),
    is_dark=False,
)

DARK_THEME = Theme(
    *("#111111", "#E2E2E2", "#A4A4A4"),
    *("#8A8A8A", "#9A9A9A", "#5C5C5C"),
    *("#2A2A2A", "#333333", "#232323"),
    is_dark=True,
)


def current_theme():
    """The Theme of the figures that are made now, by the ground that rcParams give them."""
    is_dark = np.mean(to_rgb(plt.rcParams["figure.facecolor"])) < 0.5
    return DARK_THEME if is_dark else LIGHT_THEME


def read_style(*, dark=False):
    """The rcParams of the package's style sheet, for `matplotlib.pyplot.rc_context`; read once."""
    names = ["agn_helpers.agn", "agn_helpers.agn_dark"][: 1 + dark]
    return _read_styles(tuple(names))


@cache
def _read_styles(names):
    with plt.style.context(["default", *names]):
        changed = dict(plt.rcParams)
    return {name: changed[name] for name in changed if name not in _NOT_OF_A_STYLE}


# Backends are chosen once, and a style sheet has no say in it.
_NOT_OF_A_STYLE = ("backend", "backend_fallback", "interactive", "toolbar", "timezone", "webagg.port")


#: Which further files `save_figure` writes beside the one it is told, e.g. "pdf,svg": journals want them.
FORMATS_VARIABLE = "AGN_FIGURES"

#: Where this is set, `save_figure` refuses figures with words that cannot be read, see `find_collisions`.
CHECK_VARIABLE = "AGN_CHECK_FIGURES"


def save_figure(
    figure: Figure | Axes, path: str | PathLike, *, survey: str | None = None, caption: str = ""
) -> None:
    """Save a Figure, or the Figure of an Axes, whole or not at all; the suffix of `path` says the format.

    Parameters
    ----------
    figure : Figure or Axes
        What to save.
    path : path
        E.g. ``figures/synthetic/map.png``; folders are created.  Of the formats that the environment variable
        AGN_FIGURES names, such as ``pdf,svg``, a file each is written beside it.
    survey : str, optional
        Origin of the spectra, written into the figure by `mark_survey`.
    caption : str
        What the figure shows and what its marks mean, in whole sentences; written beside it as a .txt file.
        A run's own figures have one, see `find_caption`.

    Raises
    ------
    AgnError
        For a suffix of no format of figures, or where it cannot be written.
    """
    whole: Any = figure.figure if isinstance(figure, Axes) else figure
    path, formats = Path(path), sorted(whole.canvas.get_supported_filetypes())
    wanted = [name.strip().lower() for name in os.environ.get(FORMATS_VARIABLE, "").split(",")]
    endings = [path.suffix.removeprefix(".").lower(), *filter(None, wanted)]
    for ending in endings:
        if ending not in formats:
            raise AgnError(
                f"the suffix of a figure must be one of {', '.join(formats)}; got {ending or path}, asked "
                f"for by {path} or by {FORMATS_VARIABLE}."
            )
    if survey is not None:
        mark_survey(whole, survey)
    if CHECK_VARIABLE in os.environ and (problems := find_collisions(whole)):
        raise AgnError(f"every word of {path.name} must be readable; {len(problems)} are not: {problems[0]}.")
    for ending in dict.fromkeys(endings):
        with whole_file(path.with_suffix(f".{ending}")) as temporary:
            # Words of an SVG stay words: they can be searched, and are as small as they can be.
            with plt.rc_context({"svg.fonttype": "none", "pdf.fonttype": 42}):
                whole.savefig(temporary)
    caption = caption or find_caption(path.stem)
    if caption:
        with whole_file(path.with_suffix(".txt")) as temporary:
            temporary.write_text(f"{' '.join(caption.split())}\n", encoding="utf-8")


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
