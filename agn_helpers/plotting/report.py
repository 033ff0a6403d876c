"""A page for one spectrum: its saliency map, zooms on the Balmer lines, probabilities, line statistics."""

from textwrap import fill

import numpy as np
from matplotlib.ticker import MultipleLocator

from ..errors import AgnError
from ..lines import LINES
from .artists import draw_probabilities
from .colours import (
    SALIENCY_COLOURS,
    SIGNIFICANT,
    WINDOWS,
    add_colour_bar,
    describe_map,
    format_number,
    full_colour,
    prepare_map,
    shade_windows,
)
from .saliency import draw_map
from .spectra import mark_lines, set_spectrum_axes
from .style import GREY, add_axes, add_text, draw_rule, mark_survey, open_page

#: Height of a row of the table in mm.
ROW = 4.5

_COLUMNS = {"core": "core", "wings": "wings", "contrast": "core − wings"}

# Width of the lines' names, and of the square before a number, in mm.
_NAMES, _SQUARE = 21.0, 2.6


def order_statistics(statistics):
    """Rows of a table of statistics as (Line, row), from blue to red; none for None.

    Raises AgnError for lines that are no keys of `LINES`, and where no column can be shown.
    """
    if statistics is None:
        return []
    statistics = statistics.rename(columns=lambda name: str(name).replace("_uncertainty", "_error"))
    if "line" in statistics:
        statistics = statistics.set_index("line")
    unknown = [str(line) for line in statistics.index if line not in LINES]
    if unknown or not statistics.index.is_unique:
        got = ", ".join(unknown) or "a line twice"
        raise AgnError(f"statistics must have a row a line, by the keys of LINES; got {got}.")
    if not set(_COLUMNS) & set(statistics.columns):
        got = ", ".join(map(str, statistics.columns))
        raise AgnError(f"statistics must have a column of {', '.join(_COLUMNS)}; got {got or 'none'}.")
    rows = [(LINES[line], row) for line, row in statistics.iterrows()]
    return sorted(rows, key=lambda pair: pair[0].wavelength)


def draw_statistics(page, rows, *, scale, left, right, top):
    """Write line statistics in one power of ten, each number after a square in its colour.

    Parameters
    ----------
    page : Figure
        From `agn_helpers.plotting.style.open_page`.
    rows : list of (Line, pandas.Series)
        From `order_statistics`.
    scale : float
        Attribution that gets the full colour.
    left, right, top : float
        Where the table goes, in mm; it is ``ROW * (len(rows) + 3)`` high.
    """
    shown = [column for column in _COLUMNS if column in rows[0][1]]
    values = np.array([[row[column] for column in shown] for _, row in rows], dtype=float)
    largest = np.max(np.abs(values), where=np.isfinite(values), initial=0)
    power = int(np.floor(np.log10(largest))) if largest > 0 else 0
    add_text(page, left, top, "Mean attribution by line", weight="bold")
    if power:
        add_text(page, right, top, f"in $10^{{{power}}}$", ha="right", size=7.5)
    places = np.linspace(left + _NAMES, right + 2, len(shown) + 1)[:-1]
    top += 6.2
    draw_rule(page, left, right, top - 1.2, linewidth=0.8)
    for place, column in zip(places, shown):
        add_text(page, place + _SQUARE, top, _COLUMNS[column], size=7.5)
    draw_rule(page, left, right, top + ROW - 0.8, linewidth=0.4)
    top += 0.7
    for line, row in rows:
        top += ROW
        add_text(page, left, top, line.label, size=7.5)
        for place, column in zip(places, shown):
            error = row.get(f"{column}_error", np.nan)
            _write_number(page, place, top, row[column] / 10.0**power, error / 10.0**power)
            if np.isfinite(row[column]):
                colour = SALIENCY_COLOURS(0.5 + 0.5 * np.clip(row[column] / scale, -1, 1))
                add_text(page, place, top + 0.1, "■", size=7, color=colour, family="DejaVu Sans")
    draw_rule(page, left, right, top + ROW - 0.5, linewidth=0.8)
    if any(f"{column}_error" in rows[0][1] for column in shown):
        words = f"Bold: more than {SIGNIFICANT:g}σ from 0"
        add_text(page, left, top + ROW + 0.6, words, size=7, color=GREY)


def _write_number(page, left, top, value, error):
    # Adding 0 turns a rounded -0 into 0.
    text = f"{round(value, 2) + 0:+.2f}".replace("-", "−") if np.isfinite(value) else "–"
    heavy = False
    if np.isfinite(value) and np.isfinite(error):
        text += f" ± {error:.2f}"
        heavy = abs(value) >= SIGNIFICANT * error
    add_text(page, left + _SQUARE, top, text, size=7.5, weight="bold" if heavy else "normal")


#: Ranges of the zooms in Å, by the line whose core and wings are shaded.
ZOOMS = {"Hbeta": (4700.0, 5060.0), "Hgamma": (4250.0, 4450.0)}

# Lengths in millimetres from the top left corner of the page.
_LEFT, _RIGHT = 13.5, 176.0

_SPECTRUM = {"top": 25.5, "height": 58.0}

_ZOOM = {"top": 106.0, "height": 46.0}

_ZOOM_GAP = 13.0

_FOOT_TOP = 172.0

_NAMES_WIDTH, _BARS_WIDTH, _TABLE_LEFT = 16.0, 35.0, 91.0


def plot_summary_page(
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
        One standard deviation of the attribution; see `agn_helpers.plotting.plot_saliency`.
    statistics : pandas.DataFrame, optional
        A row a line, whose key of `LINES` is in the index or in a column ``line``. Of the columns ``core``,
        ``wings`` and ``contrast`` (mean attributions and their difference) and ``core_error``,
        ``wings_error``, ``contrast_error`` (or ``core_uncertainty`` …) those that are there are shown; NaN
        is a dash. `agn_helpers.saliency.measure_lines` gives it by its ``to_frame()``.
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
    add_text(page, _LEFT, _FOOT_TOP, "Class probabilities", weight="bold")
    shaded = (
        f"Shaded in the zooms: core, |v| < {WINDOWS['core'][1]:.0f} km/s, and wings, "
        f"{WINDOWS['wings'][0]:.0f} to {WINDOWS['wings'][1]:.0f} km/s."
    )
    meaning = (
        f"Attribution: {quantity}; full colour at ±{format_number(pixels['scale'])}. The strips say by "
        "height what the lines say by colour."
    )
    words = {"size": 7, "color": GREY, "linespacing": 1.25}
    # Under the bars, or beside them where no table stands there.
    left, top = (_LEFT, _FOOT_TOP + bars + 9) if rows else (_TABLE_LEFT, _FOOT_TOP + 6)
    add_text(page, left, top, f"{fill(meaning, 58)}\n{fill(shaded, 58)}", **words)
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
    add_text(page, _LEFT, 3, name or "Spectrum", size=12, weight="bold")
    add_text(page, _LEFT, 9.5, "    ".join(facts))
    if called != target:
        add_text(page, _LEFT, 13.5, f"explained: P({target}) = {probabilities[target]:.3f}")


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
