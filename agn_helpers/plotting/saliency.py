"""Saliency maps: spectra drawn in the colours of their attributions."""

from __future__ import annotations

from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from ..errors import AgnError
from .artists import AttributionStrip, PaintedSpectrum
from .colours import (
    add_colour_bar,
    choose_smoothing,
    describe_map,
    find_floor,
    format_number,
    full_colour,
    prepare_map,
    say_method,
)
from .spectra import FLUX_LABEL, WAVELENGTH_LABEL, mark_lines, note_cut_lines, set_spectrum_axes
from .style import DARK, DOUBLE_COLUMN, GREY, add_axes, add_text, apply_layout, open_page, reserve_footer

#: Points above an Axes at which a title clears the names of the lines.
TITLE_PAD = 21


def plot_saliency(
    wavelength: np.ndarray,
    flux: np.ndarray,
    attribution: np.ndarray,
    *,
    target: str,
    title: str = "",
    scale: float | None = None,
    uncertainty: np.ndarray | None = None,
    smooth: float | str | None = "auto",
    quantity: str = "∂ ln P / ∂ flux",
    meaning: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a spectrum in the colours of its attributions, with the attributions themselves in a strip below.

    The colours are symmetric about zero. Lines that would press all else flat run out of the top, with
    their peak flux written beside them. The strip says by height what the line says by colour, for
    print in grey.

    Parameters
    ----------
    wavelength, flux : (n_grid,) arrays
        Rest-frame vacuum Å and normalised flux.
    attribution : (n_grid,) array
        Derivative of ln P(target) by flux, in 1/flux; or what another method gives, see `quantity`.
    target : str
        The class that is explained.
    title : str
        Written above the names of the lines.
    scale : float, optional
        Attribution that gets the full colour; `full_colour` by default.
    uncertainty : (n_grid,) array, optional
        One standard deviation of the attribution; pixels nearer to zero than twice that fade to a thin grey
        line and grey bars, and the figure says so.
    smooth : float, None or "auto"
        Width in km/s of a running mean over the attributions; by default where they are noise from pixel to
        pixel, see `choose_smoothing`, noted in the figure.
    quantity : str
        What the attributions are, written at the colour bar.
    meaning : str, optional
        What the colours say; that they lower and raise P(target) by default.

    Returns
    -------
    Axes

    Raises
    ------
    AgnError
        For attributions or uncertainties that are not finite or not on the grid, and a width that is not
        positive.
    """
    ax = ax or plt.subplots(figsize=(DOUBLE_COLUMN, 2.9))[1]
    floor, smooth = find_floor(quantity), choose_smoothing(attribution, smooth)
    options = {"uncertainty": uncertainty, "smooth": smooth, "floor": floor}
    attribution, faded = prepare_map(wavelength, attribution, **options)
    scale = full_colour(attribution) if scale is None else scale
    set_spectrum_axes(ax, wavelength, flux)
    note = describe_map(**options, scale=scale)
    PaintedSpectrum(ax, wavelength, note=note).update(flux, attribution, scale=scale, faded=faded)
    if title:
        ax.set_title(title, pad=TITLE_PAD)
    place = {"ax": ax, "pad": 0.012, "aspect": 24, "fraction": 0.05}
    bar = add_colour_bar(ax.figure, scale=scale, target=target, meaning=meaning, **place)
    bar.ax.set_title(quantity, size=6.5, color=DARK, loc="left", pad=6)
    return mark_lines(ax)


def plot_saliency_panels(
    wavelength,
    X,
    attributions,
    *,
    titles,
    uncertainties=None,
    smooth="auto",
    quantity="∂ ln P / ∂ flux",
    columns=2,
):
    """Draw saliency maps on a page, each panel with its own scale of colours, written in its title.

    Parameters
    ----------
    wavelength : (n_grid,) array
        Rest-frame vacuum Å.
    X, attributions : (n_spectra, n_grid) arrays
        Normalised fluxes, and derivatives of ln P of each spectrum's predicted class.
    titles : (n_spectra,) sequence of str
        What stands above each panel.
    uncertainties : (n_spectra, n_grid) array, optional
        Pixels nearer to zero than twice that fade, as in `plot_saliency`.
    smooth : float, None or "auto"
        Width in km/s of a running mean over the attributions; by default where they are noise from pixel to
        pixel, see `choose_smoothing`.
    quantity : str
        What the attributions are, written at the colour bar.
    columns : int
        Panels side by side.

    Returns
    -------
    Figure

    Raises
    ------
    AgnError
        For numbers of spectra that differ, and as `plot_saliency`.
    """
    if not len(X) == len(attributions) == len(titles):
        raise AgnError(
            f"each spectrum needs a map and a title; got {len(X)} spectra, {len(attributions)} maps and "
            f"{len(titles)} titles."
        )
    smooth = choose_smoothing(attributions, smooth)
    rows = -(-len(X) // columns)
    figure = plt.figure(figsize=(DOUBLE_COLUMN, 1.9 * rows + 0.85))
    places = figure.add_gridspec(rows, columns)
    shown, axes, heads = [], [], []
    for row in range(rows):
        left = len(X) - row * columns
        # The last panels of an incomplete row share its width.
        few = min(left, columns)
        parts = [(columns * k // few, columns * (k + 1) // few) for k in range(few)]
        axes.append([figure.add_subplot(places[row, first:last]) for first, last in parts])
        shown += axes[-1]
    bar = add_colour_bar(
        figure,
        scale=1,
        target="predicted type",
        ends=("full colour", "full colour"),
        ax=shown,
        location="bottom",
        fraction=0.02,
        aspect=50,
        pad=0.012,
        shrink=0.6,
    )
    note = describe_map(uncertainty=uncertainties, smooth=smooth)
    bar.set_label(f"{quantity}:   {bar.ax.get_xlabel()}" + (f"   ({note})" if note else ""))
    for row, (ax, flux, attribution, title) in enumerate(zip(shown, X, attributions, titles)):
        attribution, faded = prepare_map(
            wavelength,
            attribution,
            uncertainty=None if uncertainties is None else uncertainties[row],
            smooth=smooth,
            floor=find_floor(quantity),
        )
        scale = full_colour(attribution)
        set_spectrum_axes(ax, wavelength, flux)
        PaintedSpectrum(ax, wavelength).update(flux, attribution, scale=scale, faded=faded)
        mark_lines(ax, labels=False)
        ax.set(xlabel="", ylabel="")
        words = f"{title};  full at ±{format_number(scale)}"
        heads.append(ax.set_title(words, pad=TITLE_PAD if row < columns else None))
        ax.minorticks_off()
    for row in axes:
        row[0].set_ylabel(FLUX_LABEL)
        for ax in row:
            ax.tick_params(labelbottom=row is axes[-1])
    for ax in axes[-1]:
        ax.set_xlabel(WAVELENGTH_LABEL)
    # Laying out a page of Axes takes seconds: once must do.
    reserve_footer(figure)
    apply_layout(figure)
    figure.set_layout_engine("none")
    for ax, head in zip(shown, heads):
        head.set_size(head.get_size() * min(1, ax.bbox.width / head.get_window_extent().width))
    for ax in shown[:columns]:
        mark_lines(ax)
    return figure


# Lengths in millimetres.
_LEFT, _WIDTH = 32.0, 129.0

_TITLE_HEIGHT, _HEAD_HEIGHT, _SPECTRUM_HEIGHT, _STRIP_HEIGHT = 6.5, 19.0, 42.0, 13.0

# Shares of a strip's height: the middle of its bars, half their height, and the coloured band below them.
_MIDDLE, _HALF, _BAND = 0.53, 0.35, (0.01, 0.12)


def plot_methods(attributions, *, row=0, smooth=None, title=""):
    """Draw what several methods make of one spectrum: the spectrum on top, a strip a method below.

    Each strip says an attribution by height and by colour, and once more as a band at its foot. Each has
    its own scale s (`agn_helpers.plotting.full_colour`), written at its right end, for methods
    differ in their units.  Pixels nearer to zero than twice their uncertainty are grey.

    Parameters
    ----------
    attributions : sequence of Attribution
        Of the same spectra for the same targets; methods are written at the left.
    row : int
        Which of the spectra.
    smooth : float, None or "auto"
        Width in km/s of a running mean over the maps; by default where the first of them is noise from pixel
        to pixel, see `choose_smoothing`.
    title : str
        Written on top.

    Returns
    -------
    Figure

    Raises
    ------
    AgnError
        For no attributions, for those of different spectra or targets, and as `plot_saliency`.
    """
    attributions = list(attributions)
    if not attributions:
        raise AgnError("attributions must hold at least one method's; got none.")
    first = attributions[0]
    for other in attributions[1:]:
        if not np.array_equal(other.flux, first.flux) or not np.array_equal(other.target, first.target):
            raise AgnError(
                f"methods must be compared on the same spectra and targets; got {first!r} and {other!r}."
            )
    grid, flux, target = np.asarray(first.grid, dtype=float), first.flux[row], first.target[row]
    smooth = choose_smoothing(first.values[row], smooth)
    is_uncertain = any(each.uncertainty is not None for each in attributions)
    head = _TITLE_HEIGHT if title else 0.0
    height = head + _HEAD_HEIGHT + _SPECTRUM_HEIGHT + 2 + _STRIP_HEIGHT * len(attributions) + 15
    page = open_page(height)
    cax = add_axes(page, _LEFT + _WIDTH - 58, head + 6.2, 54, 1.8)
    ends = {"ends": ("full colour", "full colour"), "orientation": "horizontal"}
    add_colour_bar(page, scale=1, target=target, cax=cax, **ends)
    cax.xaxis.set_label_position("top")
    add_text(page, _LEFT, 3.5, title, size=9.5)
    note = describe_map(uncertainty=is_uncertain or None, smooth=smooth)
    add_text(page, _LEFT, head + 5, note, size=7, color=GREY)

    ax = add_axes(page, _LEFT, head + _HEAD_HEIGHT, _WIDTH, _SPECTRUM_HEIGHT)
    set_spectrum_axes(ax, grid, flux)
    ax.plot(grid, flux, color=DARK, linewidth=0.6)
    note_cut_lines(ax, grid, flux)
    mark_lines(ax)
    ax.tick_params(labelbottom=False)
    ax.set_xlabel("")
    top = head + _HEAD_HEIGHT + _SPECTRUM_HEIGHT + 2
    for each in attributions:
        uncertainty = None if each.uncertainty is None else each.uncertainty[row]
        options = {"uncertainty": uncertainty, "smooth": smooth, "floor": find_floor(each.quantity)}
        attribution, faded = prepare_map(grid, each.values[row], **options)
        scale = full_colour(attribution)
        strip = add_axes(page, _LEFT, top, _WIDTH, _STRIP_HEIGHT)
        strip.set(xlim=ax.get_xlim(), ylim=(0, 1))
        bars = AttributionStrip(strip, grid, middle=_MIDDLE, half=_HALF)
        bars.update(attribution, scale=scale, faded=faded)
        mark_lines(strip, labels=False)
        strip.yaxis.set_major_locator(NullLocator())
        strip.yaxis.set_minor_locator(NullLocator())
        strip.spines[:].set_visible(False)
        strip.tick_params(axis="x", which="both", length=0, labelbottom=False)
        words = {"transform": strip.transAxes, "va": "center", "linespacing": 1.1}
        strip.text(-0.012, _MIDDLE, fill(say_method(each.method), 20), ha="right", **words)
        strip.text(1.012, _MIDDLE, f"full at\n±{format_number(scale)}", size=7, color=GREY, **words)
        top += _STRIP_HEIGHT
    strip.tick_params(axis="x", which="major", length=3, labelbottom=True)
    strip.tick_params(axis="x", which="minor", length=1.6)
    strip.spines["bottom"].set_visible(True)
    strip.set_xlabel(WAVELENGTH_LABEL)
    return page
