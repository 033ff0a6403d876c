"""A page for one spectrum: its saliency map, zooms on the Balmer lines, probabilities, line statistics."""

from textwrap import fill

import numpy as np
from matplotlib.ticker import MultipleLocator

from .card_parts import ROW, draw_probabilities, draw_statistics, order_statistics
from .errors import AgnError
from .lines import LINES
from .page_layout import add_axes, open_page, write_words
from .plotting import GREY, mark_survey
from .saliency_colours import (
    WINDOWS,
    add_colour_bar,
    describe_map,
    full_colour,
    prepare_map,
    say_number,
    shade_windows,
)
from .saliency_plots import draw_map
from .spectrum_plots import mark_lines, set_spectrum_axes

#: Ranges of the zooms in Å, by the line whose core and wings are shaded.
ZOOMS = {"Hbeta": (4700.0, 5060.0), "Hgamma": (4250.0, 4450.0)}

# Lengths in millimetres from the top left corner of the page.
_LEFT, _RIGHT = 13.5, 176.0
_SPECTRUM = {"top": 25.5, "height": 58.0}
_ZOOM = {"top": 106.0, "height": 46.0}
_ZOOM_GAP = 13.0
_FOOT_TOP = 172.0
_NAMES_WIDTH, _BARS_WIDTH, _TABLE_LEFT = 16.0, 35.0, 91.0


def saliency_card(
    grid,
    flux,
    attribution,
    *,
    probabilities,
    target,
    uncertainty=None,
    statistics=None,
    name="",
    redshift=None,
    true_label=None,
    survey=None,
    smooth=None,
    quantity="∂ ln P / ∂ flux",
):
    """Draw a page for one spectrum.

    The spectrum in the colours of its map stands on top; below are zooms on Hβ-[O III] and Hγ, in which
    the core and the wings of the Balmer line are shaded; at the foot the class probabilities and a table
    of line statistics. All share one scale of colours. The page is 180 mm wide.

    Parameters
    ----------
    grid, flux : (n_grid,) arrays
        Rest-frame vacuum Å and normalised flux.
    attribution : (n_grid,) array
        Derivative of ln P(target) by flux, in 1/flux.
    probabilities : mapping of str to float
        Probability of each class; a dict or a pandas.Series.
    target : str
        The class that is explained, one of those.
    uncertainty : (n_grid,) array, optional
        One standard deviation of the attribution; see `agn_helpers.saliency_plots.plot_saliency`.
    statistics : pandas.DataFrame, optional
        A row a line, whose key of `LINES` is in the index or in a column ``line``. Of the columns ``core``,
        ``wings`` and ``contrast`` (mean attributions and their difference) and ``core_error``,
        ``wings_error``, ``contrast_error`` (or ``core_uncertainty`` …) those that are there are shown; NaN
        is a dash. `agn_helpers.line_statistics.measure_lines` gives it by its ``to_frame()``.
    name : str
        Of the spectrum.
    redshift : float, optional
    true_label : str, optional
        Its type where it is known.
    survey : str, optional
        Origin of the spectrum, written at the foot; then `agn_helpers.plotting.save_figure` needs it no
        more.
    smooth : float, optional
        Width in km/s of a running mean over the attributions.
    quantity : str
        What the attributions are, with their unit.

    Returns
    -------
    Figure

    Raises
    ------
    AgnError
        For a target without a probability, statistics of unknown lines or without a column to show, and as
        `plot_saliency`.
    """
    probabilities = dict(probabilities)
    if target not in probabilities:
        raise AgnError(f"target must be one of {', '.join(map(str, probabilities))}; got {target!r}.")
    grid, flux = np.asarray(grid, dtype=float), np.asarray(flux, dtype=float)
    attribution, faded = prepare_map(grid, attribution, uncertainty=uncertainty, smooth=smooth)
    pixels = {"scale": full_colour(attribution), "faded": faded}
    rows = order_statistics(statistics)

    bars = 5.0 * len(probabilities)
    height = _FOOT_TOP + 5 + (max(bars + 20, ROW * (len(rows) + 2)) if rows else max(bars, 16)) + 6
    page = open_page(height)
    _write_head(page, name, redshift, true_label, probabilities, target)
    cax = add_axes(page, _RIGHT - 64, 9.0, 60, 1.8)
    add_colour_bar(page, scale=pixels["scale"], target=target, cax=cax, orientation="horizontal")
    cax.xaxis.set_label_position("top")

    ax = add_axes(page, _LEFT, _SPECTRUM["top"], _RIGHT - _LEFT, _SPECTRUM["height"])
    set_spectrum_axes(ax, grid, flux)
    note = describe_map(uncertainty=uncertainty, smooth=smooth)
    draw_map(ax, grid, flux, attribution, **pixels, note=note)
    mark_lines(ax)
    _draw_zooms(page, grid, flux, attribution, pixels)

    ax = add_axes(page, _LEFT + _NAMES_WIDTH, _FOOT_TOP + 5, _BARS_WIDTH, bars)
    draw_probabilities(ax, probabilities, true_label=true_label)
    write_words(page, _LEFT, _FOOT_TOP, "Class probabilities", weight="bold")
    shaded = (
        f"Shaded in the zooms: core, |v| < {WINDOWS['core'][1]:.0f} km/s, and wings, "
        f"{WINDOWS['wings'][0]:.0f} to {WINDOWS['wings'][1]:.0f} km/s."
    )
    meaning = (
        f"Attribution: {quantity}; full colour at ±{say_number(pixels['scale'])}. The strips say by height "
        "what the lines say by colour."
    )
    words = {"size": 7, "color": GREY, "linespacing": 1.25}
    # Under the bars, or beside them where no table stands there.
    left, top = (_LEFT, _FOOT_TOP + bars + 9) if rows else (_TABLE_LEFT, _FOOT_TOP + 6)
    write_words(page, left, top, f"{fill(meaning, 58)}\n{fill(shaded, 58)}", **words)
    if rows:
        draw_statistics(page, rows, scale=pixels["scale"], left=_TABLE_LEFT, right=_RIGHT, top=_FOOT_TOP)
    if survey is not None:
        mark_survey(page, survey)
    return page


def _write_head(page, name, redshift, true_label, probabilities, target):
    called = max(probabilities, key=probabilities.get)
    facts = [] if redshift is None or not np.isfinite(redshift) else [f"z = {redshift:.4f}"]
    facts += [] if true_label is None else [f"true type: {true_label}"]
    facts += [f"called {called}, P = {probabilities[called]:.3f}"]
    write_words(page, _LEFT, 3, name or "Spectrum", size=12, weight="bold")
    write_words(page, _LEFT, 9.5, "    ".join(facts))
    if called != target:
        write_words(page, _LEFT, 13.5, f"explained: P({target}) = {probabilities[target]:.3f}")


def _draw_zooms(page, grid, flux, attribution, pixels):
    ranges = np.array(list(ZOOMS.values()))
    room = _RIGHT - _LEFT - _ZOOM_GAP
    # Half by range, half alike, so that the shorter range has room for its names.
    share = 0.5 * np.ptp(ranges, axis=1) / np.ptp(ranges, axis=1).sum() + 0.5 / len(ranges)
    left = _LEFT
    for (line, (low, high)), width in zip(ZOOMS.items(), room * share):
        ax = add_axes(page, left, _ZOOM["top"], width, _ZOOM["height"])
        left += width + _ZOOM_GAP
        near = (grid > low) & (grid < high)
        if near.sum() < 2:
            ax.set_axis_off()
            words = {"transform": ax.transAxes, "ha": "center", "color": GREY}
            ax.text(0.5, 0.5, f"{low:.0f} to {high:.0f} Å lies outside the spectrum", **words)
            continue
        set_spectrum_axes(ax, grid[near], flux[near])
        ax.set_xlim(low, high)
        ax.xaxis.set_major_locator(MultipleLocator(50))
        part = {"scale": pixels["scale"], "faded": pixels["faded"][near]}
        draw_map(ax, grid[near], flux[near], attribution[near], **part)
        shade_windows(ax, lambda velocity, line=line: LINES[line].window(0, velocity)[1])
        mark_lines(ax, list(LINES))
        if line != next(iter(ZOOMS)):
            ax.set_ylabel("")
