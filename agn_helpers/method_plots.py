"""Explanation methods compared by their maps of one spectrum."""

from textwrap import fill

import numpy as np
from matplotlib.ticker import NullLocator

from .errors import AgnError
from .page_layout import add_axes, open_page, write_words
from .plotting import DARK, GREY
from .saliency_colours import (
    SALIENCY_COLOURS,
    add_colour_bar,
    describe_map,
    draw_strip,
    full_colour,
    pixel_edges,
    prepare_map,
    say_number,
)
from .spectrum_plots import WAVELENGTH_LABEL, mark_lines, note_cut_lines, set_spectrum_axes

# Lengths in millimetres.
_LEFT, _WIDTH = 32.0, 129.0
_TITLE_HEIGHT, _HEAD_HEIGHT, _SPECTRUM_HEIGHT, _STRIP_HEIGHT = 6.5, 19.0, 42.0, 13.0
# Where the coloured band of a strip lies below its bars, which reach from -1 to 1.
_BAND = (-1.48, -1.16)


def plot_methods(grid, flux, attributions, *, target, uncertainties=None, smooth=None, title=""):
    """Draw what several methods make of one spectrum: the spectrum on top, a strip a method below.

    Each strip says an attribution by height and by colour, and once more as a band at its foot. Each has
    its own scale s (`agn_helpers.saliency_colours.full_colour`), written at its right end, for methods
    differ in their units.

    Parameters
    ----------
    grid, flux : (n_grid,) arrays
        Rest-frame vacuum Å and normalised flux.
    attributions : mapping of str to (n_grid,) array
        A map a method; names are written at the left, underscores as blanks.
    target : str
        The class that is explained.
    uncertainties : mapping of str to (n_grid,) array, optional
        Standard deviations for some or all methods; pixels nearer to zero than twice that are grey.
    smooth : float, optional
        Width in km/s of a running mean over the maps.
    title : str
        Written on top.

    Returns
    -------
    Figure

    Raises
    ------
    AgnError
        For no methods, uncertainties of a method without a map, and as
        `agn_helpers.saliency_plots.plot_saliency`.
    """
    grid, uncertainties = np.asarray(grid, dtype=float), uncertainties or {}
    if not attributions:
        raise AgnError("attributions must hold at least one method's map; got none.")
    if set(uncertainties) - set(attributions):
        unknown = ", ".join(sorted(set(uncertainties) - set(attributions)))
        raise AgnError(f"uncertainties must belong to a method of attributions; got {unknown}.")
    head = _TITLE_HEIGHT if title else 0.0
    height = head + _HEAD_HEIGHT + _SPECTRUM_HEIGHT + 2 + _STRIP_HEIGHT * len(attributions) + 15
    page = open_page(height)
    cax = add_axes(page, _LEFT + _WIDTH - 58, head + 6.2, 54, 1.8)
    ends = {"ends": ("−s", "+s"), "orientation": "horizontal"}
    add_colour_bar(page, scale=1, target=target, cax=cax, **ends)
    cax.xaxis.set_label_position("top")
    write_words(page, _LEFT, 3.5, title, size=9.5)
    note = describe_map(uncertainty=uncertainties or None, smooth=smooth)
    write_words(page, _LEFT, head + 5, note, size=7, color=GREY)

    ax = add_axes(page, _LEFT, head + _HEAD_HEIGHT, _WIDTH, _SPECTRUM_HEIGHT)
    set_spectrum_axes(ax, grid, flux)
    ax.plot(grid, flux, color=DARK, linewidth=0.6)
    note_cut_lines(ax, grid, flux)
    mark_lines(ax)
    ax.tick_params(labelbottom=False)
    ax.set_xlabel("")
    top = head + _HEAD_HEIGHT + _SPECTRUM_HEIGHT + 2
    for name, attribution in attributions.items():
        uncertainty = uncertainties.get(name)
        attribution, faded = prepare_map(grid, attribution, uncertainty=uncertainty, smooth=smooth)
        scale = full_colour(attribution)
        strip = add_axes(page, _LEFT, top, _WIDTH, _STRIP_HEIGHT)
        strip.set(xlim=ax.get_xlim(), ylim=(-1.5, 1.35))
        draw_strip(strip, grid, attribution, scale=scale, middle=0.0, half=1.0, faded=faded)
        band = np.ma.array(attribution / scale, mask=faded)[None]
        strip.pcolormesh(pixel_edges(grid), _BAND, band, cmap=SALIENCY_COLOURS, vmin=-1, vmax=1)
        mark_lines(strip, labels=False)
        strip.yaxis.set_major_locator(NullLocator())
        strip.yaxis.set_minor_locator(NullLocator())
        strip.spines[:].set_visible(False)
        strip.tick_params(axis="x", which="both", length=0, labelbottom=False)
        words = {"transform": strip.transAxes, "va": "center", "linespacing": 1.1}
        strip.text(-0.012, 0.53, fill(str(name).replace("_", " "), 20), ha="right", **words)
        strip.text(1.012, 0.53, f"s = {say_number(scale)}", size=7, color=GREY, **words)
        top += _STRIP_HEIGHT
    strip.tick_params(axis="x", which="major", length=3, labelbottom=True)
    strip.tick_params(axis="x", which="minor", length=1.6)
    strip.spines["bottom"].set_visible(True)
    strip.set_xlabel(WAVELENGTH_LABEL)
    return page
