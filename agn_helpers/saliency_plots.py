"""Saliency maps: spectra drawn in the colours of their attributions."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize

from .plotting import DARK, DOUBLE_COLUMN, GREY, leave_foot, settle_layout
from .spectrum_plots import (
    FLUX_LABEL,
    WAVELENGTH_LABEL,
    flux_limits,
    mark_lines,
    note_cut_lines,
    set_spectrum_axes,
)

#: Orange lowers, blue raises (the paper's); the middle is a grey that shows on white paper.
SALIENCY_COLOURS = LinearSegmentedColormap.from_list(
    "saliency", ["#a63603", "#e6550d", "#fd9a4e", "#d4d4d4", "#5aa6dc", "#1f6fb8", "#08306b"]
)

# The strip under a spectrum in shares of the Axes: its middle line, half its height, and its top.
_STRIP_MIDDLE, _STRIP_HALF, _STRIP_TOP = 0.1, 0.085, 0.22
# A title stands above the names of the lines.
_TITLE_PAD = 21


def full_colour(attribution):
    """Attribution (1/flux) that gets the full colour: that of the 1 % strongest, or 1 where all are zero."""
    return float(np.percentile(np.abs(attribution), 99)) or 1.0


def plot_saliency(
    wavelength, flux, attribution, *, target, title="", scale=None, colorbar=True, labels=True, ax=None
):
    """Draw a spectrum in the colours of its attributions, with the attributions themselves in a strip below.

    The colours are symmetric about zero. Lines that would press all else flat run out of the top, with
    their peak flux written beside them. The strip says by height what the line says by colour, for
    print in grey.

    Parameters
    ----------
    wavelength, flux : (n_grid,) arrays
        Rest-frame vacuum Å and normalised flux.
    attribution : (n_grid,) array
        Derivative of ln P(target) by flux, in 1/flux.
    target : str
        The class that is explained.
    title : str
        Written above the names of the lines.
    scale : float, optional
        Attribution that gets the full colour; `full_colour` by default.
    colorbar, labels : bool
        Whether to add the colour bar and the names of the lines.

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(DOUBLE_COLUMN, 2.9))[1]
    scale = full_colour(attribution) if scale is None else scale
    norm = Normalize(-scale, scale)

    set_spectrum_axes(ax, wavelength, flux)
    low, high = flux_limits(wavelength, flux)
    bottom = low - (high - low) * _STRIP_TOP / (1 - _STRIP_TOP)
    ax.set_yticks([tick for tick in ax.get_yticks() if low <= tick <= high])
    ax.set_ylim(bottom, high)
    ax.tick_params(axis="y", which="minor", left=False)
    ax.spines["left"].set_bounds(low, high)

    # Grey beneath keeps the line whole where its colour is faint.
    ax.plot(wavelength, flux, color="#999999", linewidth=1.7, solid_joinstyle="round", zorder=2)
    colours = {"cmap": SALIENCY_COLOURS, "norm": norm, "array": 0.5 * (attribution[:-1] + attribution[1:])}
    points = np.column_stack([wavelength, flux])
    pieces = np.stack([points[:-1], points[1:]], axis=1)
    ax.add_collection(
        LineCollection(pieces, linewidth=1.2, capstyle="round", zorder=3, **colours), autolim=False
    )

    middle = bottom + _STRIP_MIDDLE * (high - bottom)
    height = _STRIP_HALF * (high - bottom) * np.clip(attribution / scale, -1, 1)
    feet = np.column_stack([wavelength, np.full(len(wavelength), middle)])
    tips = np.column_stack([wavelength, middle + height])
    bars = np.stack([feet[:-1], tips[:-1], tips[1:], feet[1:]], axis=1)
    ax.add_collection(
        PolyCollection(bars, linewidth=0.2, edgecolor="face", zorder=2, **colours), autolim=False
    )
    ax.axhline(middle, color=GREY, linewidth=0.4, zorder=2.5)
    note_cut_lines(ax, wavelength, flux)
    if title:
        ax.set_title(title, pad=_TITLE_PAD if labels else None)
    if colorbar:
        bar = ax.figure.colorbar(
            ScalarMappable(norm, SALIENCY_COLOURS), ax=ax, pad=0.012, aspect=24, fraction=0.05, extend="both"
        )
        bar.set_ticks([-scale, 0, scale], labels=[f"−{_say(scale)}", "0", f"+{_say(scale)}"])
        _dress_bar(bar, f"lowers  ←  P({target})  →  raises")
        bar.ax.set_title("∂ ln P / ∂ flux", size=6.5, color=DARK, loc="left", pad=6)
    mark_lines(ax, labels=labels)
    return ax


def plot_saliency_panels(wavelength, X, attributions, *, titles, columns=2):
    """Draw saliency maps on a page, each panel with its own scale of colours, written in its title.

    Parameters
    ----------
    wavelength : (n_grid,) array
        Rest-frame vacuum Å.
    X, attributions : (n_spectra, n_grid) arrays
        Normalised fluxes, and derivatives of ln P of each spectrum's predicted class.
    titles : (n_spectra,) sequence of str
        What stands above each panel.
    columns : int
        Panels side by side.

    Returns
    -------
    Figure
    """
    rows = -(-len(X) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(DOUBLE_COLUMN, 1.72 * rows + 0.85), sharex=True, squeeze=False
    )
    for ax in axes.flat[len(X) :]:
        ax.set_axis_off()
    shown = axes.flat[: len(X)]
    bar = figure.colorbar(
        ScalarMappable(Normalize(-1, 1), SALIENCY_COLOURS),
        ax=axes,
        location="bottom",
        fraction=0.02,
        aspect=50,
        pad=0.012,
        shrink=0.6,
        extend="both",
    )
    bar.set_ticks([-1, 0, 1], labels=["−s", "0", "+s"])
    _dress_bar(bar, "∂ ln P / ∂ flux:   lowers  ←  P(predicted type)  →  raises")
    for ax, flux, attribution, title in zip(shown, X, attributions, titles):
        plot_saliency(
            wavelength,
            flux,
            attribution,
            target="predicted type",
            title=f"{title},  s = {_say(full_colour(attribution))}",
            colorbar=False,
            labels=False,
            ax=ax,
        )
        ax.set(xlabel="", ylabel="")
        ax.minorticks_off()
    for ax in axes[:, 0]:
        ax.set_ylabel(FLUX_LABEL)
    for ax in shown[-columns:]:
        ax.set_xlabel(WAVELENGTH_LABEL)
        ax.tick_params(labelbottom=True)
    for ax in shown[:columns]:
        ax.set_title(ax.get_title(loc="left"), pad=_TITLE_PAD)
    # Laying out a page of Axes takes seconds: once must do.
    leave_foot(figure)
    settle_layout(figure)
    figure.set_layout_engine("none")
    for ax in shown[:columns]:
        mark_lines(ax)
    return figure


def _dress_bar(bar, label):
    bar.outline.set_visible(False)
    bar.ax.minorticks_off()
    bar.set_label(label)


def _say(number):
    if 1e-3 <= number < 1e4:
        return f"{number:#.2g}".rstrip(".")
    mantissa, exponent = f"{number:.1e}".split("e")
    return rf"${mantissa}\times10^{{{int(exponent)}}}$"
