"""The summary page of a spectrum: saliency map, zooms on Balmer lines, probabilities, line statistics."""

from textwrap import fill
from typing import NamedTuple

import numpy as np
from matplotlib.ticker import MultipleLocator

from ..errors import AgnError
from ..lines import LINES
from ..saliency import check_wavelengths
from .artists import PaintedSpectrum, ProbabilityBars
from .colours import (
    SALIENCY_COLOURS,
    SIGNIFICANT,
    WINDOWS,
    add_colour_bar,
    choose_smoothing,
    describe_map,
    find_floor,
    format_number,
    full_colour,
    prepare_map,
    shade_windows,
)
from .spectra import mark_lines, set_spectrum_axes
from .style import GREY, add_axes, add_text, draw_rule, mark_survey, open_page

# Height of a row of the table in mm.
_ROW = 4.5

_COLUMNS = {"core": "core", "wings": "wings", "contrast": "core − wings"}

# Width of the lines' names, and of the square before a number, in mm.
_NAMES, _SQUARE = 21.0, 2.6


class StatisticsCell(NamedTuple):
    """A number of a `StatisticsTable`: itself, how it is written, and whether it is more than 2σ from 0.

    `significant` is None without an uncertainty; a value that is NaN is written as a dash.
    """

    value: float
    text: str
    significant: bool | None


class StatisticsTable(NamedTuple):
    """Statistics of lines as they are written, all numbers in one power of ten.

    Attributes
    ----------
    power : int
    columns : list of str
        What stands above the numbers.
    rows : list of (str, list of StatisticsCell)
        The name of each line, from blue to red, and its numbers.
    """

    power: int
    columns: list
    rows: list


def tabulate_statistics(statistics):
    """Write line statistics as a table that a page or a widget can show.

    Parameters
    ----------
    statistics : pandas.DataFrame
        A row a line, see `plot_summary_page`.

    Returns
    -------
    StatisticsTable

    Raises
    ------
    AgnError
        For lines that are no keys of `LINES`, and where no column can be shown.
    """
    statistics = statistics.rename(columns=lambda name: str(name).replace("_uncertainty", "_error"))
    if "line" in statistics:
        statistics = statistics.set_index("line")
    unknown = [str(line) for line in statistics.index if line not in LINES]
    if unknown or not statistics.index.is_unique:
        got = ", ".join(unknown) or "a line twice"
        raise AgnError(f"statistics must have a row a line, by the keys of LINES; got {got}.")
    shown = [name for name in _COLUMNS if name in statistics]
    if not shown:
        got = ", ".join(map(str, statistics.columns))
        raise AgnError(f"statistics must have a column of {', '.join(_COLUMNS)}; got {got or 'none'}.")
    values = np.abs(statistics[shown].to_numpy(dtype=float))
    largest = np.max(values, where=np.isfinite(values), initial=0)
    power = int(np.floor(np.log10(largest))) if largest > 0 else 0
    rows = []
    for line in sorted(statistics.index, key=lambda line: LINES[line].wavelength):
        row = statistics.loc[line]
        cells = [_write_cell(row[name], row.get(f"{name}_error", np.nan), 10.0**power) for name in shown]
        rows.append((LINES[line].label, cells))
    return StatisticsTable(power, [_COLUMNS[name] for name in shown], rows)


def _write_cell(value, error, unit):
    if not np.isfinite(value):
        return StatisticsCell(value, "–", None)
    # Adding 0 turns a rounded -0 into 0.
    text = f"{round(value / unit, 2) + 0:+.2f}".replace("-", "−")
    if not np.isfinite(error):
        return StatisticsCell(value, text, None)
    return StatisticsCell(value, f"{text} ± {error / unit:.2f}", bool(abs(value) >= SIGNIFICANT * error))


def draw_statistics(page, table, *, scale, left, right, top):
    """Draw a StatisticsTable at `left`, `right`, `top` (mm), a square in its colour before each number."""
    add_text(page, left, top, "Mean attribution by line", weight="bold")
    if table.power:
        add_text(page, right, top, f"in $10^{{{table.power}}}$", ha="right", size=7.5)
    places = np.linspace(left + _NAMES, right + 2, len(table.columns) + 1)[:-1]
    top += 6.2
    draw_rule(page, left, right, top - 1.2, linewidth=0.8)
    for place, name in zip(places, table.columns):
        add_text(page, place + _SQUARE, top, name, size=7.5)
    draw_rule(page, left, right, top + _ROW - 0.8, linewidth=0.4)
    top += 0.7
    for name, cells in table.rows:
        top += _ROW
        add_text(page, left, top, name, size=7.5)
        for place, cell in zip(places, cells):
            weight = "bold" if cell.significant else "normal"
            add_text(page, place + _SQUARE, top, cell.text, size=7.5, weight=weight)
            if np.isfinite(cell.value):
                colour = SALIENCY_COLOURS(0.5 + 0.5 * np.clip(cell.value / scale, -1, 1))
                add_text(page, place, top + 0.1, "■", size=7, color=colour, family="DejaVu Sans")
    draw_rule(page, left, right, top + _ROW - 0.5, linewidth=0.8)
    if any(cell.significant is not None for _, cells in table.rows for cell in cells):
        words = f"Bold: more than {SIGNIFICANT:g}σ from 0"
        add_text(page, left, top + _ROW + 0.6, words, size=7, color=GREY)


#: Ranges of the zooms in Å, by the line whose core and wings are shaded.
ZOOMS = {"Hbeta": (4700.0, 5060.0), "Hgamma": (4250.0, 4450.0)}

# Lengths in millimetres from the top left corner of the page.
_LEFT, _RIGHT = 13.5, 176.0

_SPECTRUM = {"top": 27.0, "height": 56.5}

_ZOOM = {"top": 106.0, "height": 46.0}

_ZOOM_GAP = 13.0

_FOOT_TOP = 172.0

_NAMES_WIDTH, _BARS_WIDTH, _TABLE_LEFT = 16.0, 35.0, 91.0


def plot_summary_page(
    attribution,
    row=0,
    *,
    probabilities,
    statistics=None,
    redshift=None,
    true_label=None,
    smooth="auto",
    doubts=(),
):
    """Draw a page for one spectrum.

    The spectrum in the colours of its map stands on top; below are zooms on Hβ-[O III] and Hγ, in which
    the core and the wings of the Balmer line are shaded; at the foot the class probabilities and a table
    of line statistics. All share one scale of colours. The page is 180 mm wide.

    Parameters
    ----------
    attribution : Attribution
        With a grid. Its survey is written at the foot; then `agn_helpers.plotting.save_figure` needs none.
    row : int
        Which of its spectra.
    probabilities : mapping of str to float
        Probability of each class, the one that is explained among them; a dict or a pandas.Series.
    statistics : pandas.DataFrame, optional
        A row a line, whose key of `LINES` is in the index or in a column ``line``. Of the columns ``core``,
        ``wings`` and ``contrast`` (mean attributions and their difference) and ``core_error``,
        ``wings_error``, ``contrast_error`` (or ``core_uncertainty`` …) those that are there are shown; NaN
        is a dash. `agn_helpers.saliency.measure_lines` gives it by its ``to_frame()``.
    redshift : float, optional
    true_label : str, optional
        Its type where it is known.
    smooth : float, None or "auto"
        Width in km/s of a running mean over the attributions; by default where they are noise from pixel to
        pixel, see `choose_smoothing`.
    doubts : sequence of str
        What is to be known before the probabilities are believed, written below them.

    Returns
    -------
    Figure

    Raises
    ------
    AgnError
        For a target without a probability, statistics of unknown lines or without a column to show, and as
        `plot_saliency`.
    """
    probabilities, one = dict(probabilities), attribution[row]
    grid, flux, (values,) = check_wavelengths(one.grid, one.values.shape[1]), one.flux[0], one.values
    target, survey = str(one.target[0]), one.survey
    uncertainty = None if one.uncertainty is None else one.uncertainty[0]
    if target not in probabilities:
        raise AgnError(f"target must be one of {', '.join(map(str, probabilities))}; got {target!r}.")
    smooth = choose_smoothing(values, smooth)
    options = {"uncertainty": uncertainty, "smooth": smooth, "floor": find_floor(one.quantity)}
    values, faded = prepare_map(grid, values, **options)
    pixels = {"scale": full_colour(values), "faded": faded}
    table = None if statistics is None else tabulate_statistics(statistics)

    bars = 5.0 * len(probabilities)
    height = _FOOT_TOP + 5 + (max(bars + 20, _ROW * (len(table.rows) + 2)) if table else max(bars, 16)) + 6
    page = open_page(height)
    _write_head(page, str(one.name[0]), redshift, true_label, probabilities, target, doubts)
    cax = add_axes(page, _RIGHT - 64, 9.0, 60, 1.8)
    add_colour_bar(page, scale=pixels["scale"], target=target, cax=cax, orientation="horizontal")
    cax.xaxis.set_label_position("top")

    ax = add_axes(page, _LEFT, _SPECTRUM["top"], _RIGHT - _LEFT, _SPECTRUM["height"])
    set_spectrum_axes(ax, grid, flux)
    note = describe_map(**options, scale=pixels["scale"])
    PaintedSpectrum(ax, grid, note=note).update(flux, values, **pixels)
    mark_lines(ax)
    _draw_zooms(page, grid, flux, values, pixels)

    ax = add_axes(page, _LEFT + _NAMES_WIDTH, _FOOT_TOP + 5, _BARS_WIDTH, bars)
    ProbabilityBars(ax, probabilities, true_label=true_label).update(list(probabilities.values()))
    add_text(page, _LEFT, _FOOT_TOP, "Class probabilities", weight="bold")
    shaded = (
        f"Shaded in the zooms: core, |v| < {WINDOWS['core'][1]:.0f} km/s, and wings, "
        f"{WINDOWS['wings'][0]:.0f} to {WINDOWS['wings'][1]:.0f} km/s."
    )
    meaning = (
        f"Attribution: {one.quantity}; full colour at ±{format_number(pixels['scale'])}. The strips say by "
        "height what the lines say by colour."
    )
    words = {"size": 7, "color": GREY, "linespacing": 1.25}
    # Under the bars, or beside them where no table stands there.
    left, top = (_LEFT, _FOOT_TOP + bars + 9) if table else (_TABLE_LEFT, _FOOT_TOP + 6)
    add_text(page, left, top, f"{fill(meaning, 58)}\n{fill(shaded, 58)}", **words)
    if table:
        draw_statistics(page, table, scale=pixels["scale"], left=_TABLE_LEFT, right=_RIGHT, top=_FOOT_TOP)
    if survey != "unknown":
        mark_survey(page, survey)
    return page


def _write_head(page, name, redshift, true_label, probabilities, target, doubts):
    predicted = max(probabilities, key=probabilities.get)
    facts = [] if redshift is None or not np.isfinite(redshift) else [f"z = {redshift:.4f}"]
    facts += [] if true_label is None else [f"true type: {true_label}"]
    add_text(page, _LEFT, 3, name or "Spectrum", size=12, weight="bold")
    add_text(page, _LEFT, 8.6, "    ".join(facts))
    add_text(page, _LEFT, 12.2, _judge(probabilities))
    second = [] if predicted == target else [f"explained: P({target}) = {probabilities[target]:.3f}"]
    add_text(page, _LEFT, 15.6, "   ·   ".join([*second, *doubts]), size=7, color=GREY)


def _judge(probabilities):
    """What the classifier says, in a sentence."""
    first, *others = sorted(probabilities, key=probabilities.get, reverse=True)
    if not others or probabilities[first] > 0.95:
        return f"The classifier says {first} (P = {probabilities[first]:.3f})."
    second = others[0]
    how = "hardly more than" if probabilities[first] < 1.5 * probabilities[second] else "rather than"
    return (
        f"The classifier says {first} (P = {probabilities[first]:.3f}), {how} {second} "
        f"({probabilities[second]:.3f})."
    )


def _draw_zooms(page, grid, flux, attribution, pixels):
    ranges = np.array(list(ZOOMS.values()))
    total = _RIGHT - _LEFT - _ZOOM_GAP
    # Half by range, half alike, so that the shorter range has room for its names.
    share = 0.5 * np.ptp(ranges, axis=1) / np.ptp(ranges, axis=1).sum() + 0.5 / len(ranges)
    left = _LEFT
    for (line, (low, high)), width in zip(ZOOMS.items(), total * share):
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
        PaintedSpectrum(ax, grid, part=near).update(flux, attribution, **pixels)
        shade_windows(ax, lambda velocity, line=line: LINES[line].window(0, velocity)[1])
        mark_lines(ax, list(LINES))
        if line != next(iter(ZOOMS)):
            ax.set_ylabel("")
