"""Statistics of the lines over a sample, by line and type."""

from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullLocator

from ..errors import AgnError
from ..lines import AGN_TYPES, LINES
from .colours import (
    SALIENCY_COLOURS,
    WINDOWS,
    add_colour_bar,
    choose_smoothing,
    describe_map,
    map_scales,
    shade_windows,
    smooth_map,
)
from .saliency import TITLE_PAD
from .spectra import WAVELENGTH_LABEL, mark_lines
from .style import DARK, DOUBLE_COLUMN, GREY, SINGLE_COLUMN


def plot_line_statistics(
    summary,
    *,
    values=("core", "wings"),
    type_column="true",
    xlabel="Mean attribution / mean |attribution| of the map",
    ax=None,
):
    """Draw how mean attributions of the lines are distributed over a sample, for each line and type.

    Marks are medians, bars hold the middle 68 % of the spectra. The first value is filled, the second hollow.

    Parameters
    ----------
    summary : pandas.DataFrame
        From `agn_helpers.saliency.summarise_lines`: ``line``, the type in `type_column`, and of each
        value three quantiles, e.g. ``core_q16, core_q50, core_q84``. A row a line and type, so that of true
        and predicted types some have to be chosen, e.g. those that are equal. Measure with ``relative=True``,
        or maps of confident predictions, smaller by orders of magnitude, gather at zero.
    values : sequence of one or two str
        Of core, wings, continuum, contrast.
    type_column : str
        "true" or "predicted": by which type the rows are distinguished.
    xlabel : str
        What is drawn.

    Returns
    -------
    Axes

    Raises
    ------
    AgnError
        For a table without these columns or without rows, with unknown lines, or several rows of a line and
        type.
    """
    if not 1 <= len(values) <= 2:
        raise AgnError(f"values must name one or two quantities; got {len(values)}.")
    columns = [f"{value}_q{q}" for value in values for q in (16, 50, 84)]
    lines, names = _check_summary(summary, type_column, columns)
    ax = ax or plt.subplots(figsize=(SINGLE_COLUMN, 0.8 + 0.36 * len(lines)))[1]
    series = [(name, value) for name in names for value in values]
    for (name, value), offset in zip(series, _offsets(len(series))):
        rows = summary[summary[type_column] == name].set_index("line").reindex(lines)
        low, middle, high = (rows[f"{value}_q{q}"].to_numpy() for q in (16, 50, 84))
        hollow = {"markerfacecolor": "white"} if value != values[0] else {}
        label = " ".join(filter(None, [name if len(names) > 1 else "", value if len(values) > 1 else ""]))
        _draw_series(ax, name, middle, low, high, offset, label=label, **hollow)
    ax.axvline(0, color=GREY, linewidth=0.6, zorder=0.5)
    ax.set_xlabel(fill(xlabel, max(int(ax.get_position().width * ax.figure.get_figwidth() * 17), 20)))
    if len(names) == 1:
        ax.set_title(names[0])
    return _dress_rows(ax, lines, columns=max(len(names), 2))


def plot_opposite_shares(summary, *, type_column="true", ax=None):
    """Draw in which share of the spectra a line's core and wings are weighed oppositely.

    Parameters
    ----------
    summary : pandas.DataFrame
        As in `plot_line_statistics`, with ``share_opposite``.
    type_column : str
        "true" or "predicted".

    Returns
    -------
    Axes
        The line stands at one half.

    Raises
    ------
    AgnError
        As `plot_line_statistics`.
    """
    lines, names = _check_summary(summary, type_column, ["share_opposite"])
    ax = ax or plt.subplots(figsize=(SINGLE_COLUMN, 0.75 + 0.27 * len(lines)))[1]
    for name, offset in zip(names, _offsets(len(names))):
        rows = summary[summary[type_column] == name].set_index("line").reindex(lines)
        share = rows["share_opposite"].to_numpy()
        _draw_series(ax, name, share, share, share, offset, label=name)
    ax.axvline(0.5, color=GREY, linewidth=0.6, zorder=0.5)
    ax.set(xlim=(-0.02, 1.02), xlabel="Share of spectra whose core and wings have opposite signs")
    return _dress_rows(ax, lines, columns=len(names))


def _check_summary(summary, type_column, columns):
    """Lines and types that are there, each in their order."""
    missing = [column for column in ("line", type_column, *columns) if column not in summary]
    if missing:
        raise AgnError(f"the summary must be one of summarise_lines; it lacks {', '.join(missing)}.")
    unknown = sorted(set(summary["line"]) - set(LINES))
    if unknown or summary.empty:
        raise AgnError(f"the summary must hold lines of LINES; got {', '.join(unknown) or 'no rows'}.")
    if summary.duplicated(["line", type_column]).any():
        raise AgnError(
            f"the summary must have one row a line and {type_column} type; got several. Choose rows first, "
            "e.g. those where true and predicted are the same."
        )
    lines = [line for line in LINES if (summary["line"] == line).any()]
    return lines, [name for name in AGN_TYPES if (summary[type_column] == name).any()]


def _offsets(number):
    """Heights of a row's marks about the middle of the row."""
    return 0.8 * ((np.arange(number) + 0.5) / number - 0.5)


def _draw_series(ax, name, middle, low, high, offset, **style):
    look = AGN_TYPES[name]
    marks = {"marker": look.marker, "markersize": 3.2, "markeredgewidth": 0.8, "linestyle": "none"}
    # An interval holds its middle but for rounding.
    ends = np.maximum([middle - low, high - middle], 0)
    place = np.arange(len(middle)) + offset
    ax.errorbar(middle, place, xerr=ends, color=look.colour, elinewidth=0.8, **marks, **style)


def _dress_rows(ax, lines, *, columns):
    for row in range(0, len(lines), 2):
        ax.axhspan(row - 0.5, row + 0.5, color="#f4f4f4", linewidth=0, zorder=0)
    ax.set_yticks(range(len(lines)), [LINES[line].label for line in lines])
    ax.set_ylim(len(lines) - 0.5, -0.5)
    ax.tick_params(axis="y", which="both", length=0)
    ax.yaxis.set_minor_locator(NullLocator())
    # Above the Axes, where no mark can lie under it.
    place = {"loc": "lower right", "bbox_to_anchor": (1, 1), "columnspacing": 0.8, "handletextpad": 0.3}
    ax.legend(ncols=columns, **place)
    return ax


# A type has at least this share of an image, however rare it is, and gaps between types are as high.
_LEAST_SHARE, _GAP = 0.06, 0.012

# Grey print keeps the types apart.
_DASHES = {"type 1": "-", "intermediate": (0, (4, 1.2)), "type 2": (0, (1.4, 0.8))}


def plot_attribution_map(
    attributions, y, certainty, *, grid, target="predicted type", limit=1.0, smooth="auto", ax=None
):
    """Draw the maps of a whole sample as one image, a row a spectrum, by type and then by certainty.

    Each map is divided by its own scale (`agn_helpers.plotting.full_colour`), for scales differ by
    orders of magnitude. Where there are more spectra than pixels, neighbouring rows are averaged.

    Parameters
    ----------
    attributions : (n_spectra, n_grid) array
        In 1/flux; read in blocks, so that it may be a memory map of any length.
    y : (n_spectra,) array of str
        Types by which the rows are sorted, true or predicted.
    certainty : (n_spectra,) array
        E.g. the probability of the predicted type; the highest of each type is on top.
    grid : (n_grid,) array
        Rest-frame vacuum Å, equally spaced.
    target : str
        The class that is explained, as the colour bar says it.
    limit : float
        Share of a map's scale that gets the full colour.
    smooth : float, None or "auto"
        Width in km/s of a running mean over the maps of a type; by default where they are noise from pixel to
        pixel, see `choose_smoothing`, and then it is written beside the type.

    Returns
    -------
    Axes
        A narrow one at its right has the certainties.

    Raises
    ------
    AgnError
        For no spectra, arrays of different lengths, or a type that is none of `AGN_TYPES`.
    """
    ax = ax or plt.subplots(figsize=(DOUBLE_COLUMN, 5.2))[1]
    y, certainty = np.asarray(y), np.asarray(certainty, dtype=float)
    names = _check_sample(attributions, y, certainty=certainty, grid=grid)
    count = np.array([np.sum(y == name) for name in names])
    share = np.maximum(count / count.sum(), _LEAST_SHARE)
    share *= (1 - _GAP * (len(names) - 1)) / share.sum()

    pixels = ax.get_window_extent().height * plt.rcParams["savefig.dpi"] / ax.figure.dpi
    half = 0.5 * (grid[1] - grid[0])
    top = 1.0
    beside = ax.inset_axes((1.01, 0, 0.07, 1))
    for name, number, height in zip(names, count, share):
        rows = np.flatnonzero(y == name)
        rows = rows[np.argsort(-certainty[rows], kind="stable")]
        blocks = np.array_split(rows, min(number, max(int(pixels * height), 1)))
        image = np.array([_mean_map(attributions[block]) for block in blocks])
        width = choose_smoothing(attributions[rows[:200]], smooth)
        if width is not None:
            image = smooth_map(grid, image, width)
            image /= np.maximum(map_scales(image)[:, None], 1e-300)
        ax.imshow(
            image,
            cmap=SALIENCY_COLOURS,
            vmin=-limit,
            vmax=limit,
            extent=(grid[0] - half, grid[-1] + half, top - height, top),
            aspect="auto",
            interpolation="nearest",
        )
        band = Rectangle((-0.016, top - height), 0.01, height, color=AGN_TYPES[name].colour, linewidth=0)
        band.set(transform=ax.get_yaxis_transform(), clip_on=False)
        ax.add_patch(band)
        place = {"xycoords": ax.get_yaxis_transform(), "textcoords": "offset points"}
        words = {"ha": "right", "va": "center", "size": 7.5, "color": DARK}
        note = f"\n{describe_map(smooth=width)}".replace(" over", "\nover") if width else ""
        ax.annotate(f"{name}\n{number}{note}", (-0.016, top - height / 2), (-4, 0), **place, **words)
        heights = np.linspace(top, top - height, number)
        beside.plot(certainty[rows], heights, color=AGN_TYPES[name].colour, linewidth=1)
        top -= height + _GAP
    _dress_margin(beside)
    ax.set(xlim=(grid[0] - half, grid[-1] + half), ylim=(0, 1), xlabel=WAVELENGTH_LABEL)
    ax.set_title(
        "Spectra of each type, the most certain on top; each map is divided by its own scale", pad=TITLE_PAD
    )
    ax.yaxis.set_major_locator(NullLocator())
    ax.yaxis.set_minor_locator(NullLocator())
    ax.spines[:].set_visible(False)
    ends = (f"−{limit:g}", f"+{limit:g}")
    place = {"ax": ax, "pad": 0.02, "aspect": 36, "fraction": 0.04}
    add_colour_bar(ax.figure, scale=limit, target=target, ends=ends, **place)
    mark_lines(ax)
    for mark in ax.lines:
        # Between the types only, where it does not hide the centre of its line.
        mark.set_zorder(-1)
    return ax


def _dress_margin(ax):
    """The Axes of the certainties beside an image of maps."""
    ax.set(xlim=(0.3, 1.02), ylim=(0, 1), xticks=[0.5, 1], yticks=[], xlabel="P")
    ax.minorticks_off()
    ax.axvline(0.5, color=GREY, linewidth=0.4, zorder=0)
    ax.spines[["left", "top", "right"]].set_visible(False)


def plot_velocity_profile(
    attributions, y, *, grid, line="Hbeta", limit=6000.0, smooth="auto", target="predicted type", ax=None
):
    """Draw how attributions run through a line, for each type: median, and the band of the middle 68 %.

    Each map is divided by its own scale first (`agn_helpers.plotting.full_colour` of the whole map).
    The core, |v| < 500 km/s, and the wings, 1000 to 5000 km/s, are shaded.

    Parameters
    ----------
    attributions : (n_spectra, n_grid) array
        In 1/flux.
    y : (n_spectra,) array of str
        Types, a colour each; true or predicted.
    grid : (n_grid,) array
        Rest-frame vacuum Å, increasing.
    line : str
        A key of `LINES`.
    limit : float
        Highest velocity on both sides, km/s.
    smooth : float, None or "auto"
        Width in km/s of a running mean over each map, said in the figure; by default where they are
        noise from pixel to pixel, see `choose_smoothing`.
    target : str
        The class that is explained, as the axis says it.

    Returns
    -------
    Axes

    Raises
    ------
    AgnError
        For no spectra, arrays of different lengths, a type that is none of `AGN_TYPES`, a line that is
        unknown or not on the grid, or a width that is not positive.
    """
    ax = ax or plt.subplots(figsize=(SINGLE_COLUMN, 2.9))[1]
    y = np.asarray(y)
    names = _check_sample(attributions, y, grid=grid)
    if line not in LINES:
        raise AgnError(f"line must be one of {', '.join(LINES)}; got {line!r}.")
    velocity = LINES[line].velocity(grid)
    near = np.abs(velocity) <= limit
    if near.sum() < 2:
        raise AgnError(f"{line} must be on the grid, {grid[0]:.0f} to {grid[-1]:.0f} Å; choose another line.")
    shade_windows(ax, lambda velocity: velocity)
    ax.axhline(0, color=GREY, linewidth=0.5)
    smooth, top = choose_smoothing(attributions, smooth), 0.0
    for name in names:
        maps = np.asarray(attributions)[y == name]
        maps = maps if smooth is None else smooth_map(grid, maps, smooth)
        low, middle, high = np.quantile(maps[:, near] / map_scales(maps)[:, None], (0.16, 0.5, 0.84), axis=0)
        colour, top = AGN_TYPES[name].colour, max(top, -low.min(), high.max())
        ax.fill_between(velocity[near], low, high, color=colour, alpha=0.22, linewidth=0)
        label = f"{name} ({len(maps)})"
        ax.plot(velocity[near], middle, color=colour, linestyle=_DASHES[name], linewidth=1.1, label=label)
    ax.set_xlim(-limit, limit)
    if len(ax.get_shared_y_axes().get_siblings(ax)) > 1 and not ax.get_autoscaley_on():
        # Side by side with others, which have their limits already.
        top = max(top, -ax.get_ylim()[0])
    ax.set_ylim(-top, (1.16 if smooth is None else 1.26) * top)
    words = {"xycoords": ("data", "axes fraction"), "ha": "center", "va": "top", "size": 6.5, "color": GREY}
    for window, (low, high) in WINDOWS.items():
        for side in (-1, 1) if low > 0 else (0,):
            ax.annotate(window, (side * 0.5 * (low + high), 0.985), **words)
    for other in LINES.values():
        place = LINES[line].velocity(other.wavelength)
        if 0 < abs(place) < limit:
            ax.axvline(place, color=GREY, linewidth=0.5, linestyle=(0, (4, 3)), zorder=0.5)
            low = words | {"va": "bottom", "ha": "right", "rotation": 90}
            ax.annotate(other.label, (place, 0.01), (-1, 0), textcoords="offset points", **low)
    if smooth is not None:
        ax.annotate(describe_map(smooth=smooth), (0, 0.92), **words)
    ax.set_xlabel(f"Velocity from {LINES[line].label} (km/s)")
    ax.set_ylabel(f"lowers  ←  P({target})  →  raises\n(attribution / scale of the map)")
    # Above the Axes, where no curve can lie under it.
    look = {"ncols": 3, "columnspacing": 1.0, "handlelength": 1.8}
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), **look)
    return ax


def _mean_map(maps):
    maps = np.asarray(maps, dtype=float)
    return np.mean(maps / map_scales(maps)[:, None], axis=0)


def _check_sample(attributions, y, *, grid, certainty=None):
    """Types that are there, in their order; AgnError for arrays that do not fit together."""
    shape = np.shape(attributions)
    if len(shape) != 2 or not shape[0] or shape[1] != len(grid):
        raise AgnError(f"attributions must be (n_spectra, {len(grid)}), at least one; got shape {shape}.")
    for what, values in {"y": y, "certainty": certainty}.items():
        if values is not None and values.shape != shape[:1]:
            raise AgnError(f"{what} must have one entry a spectrum, {shape[0]}; got shape {values.shape}.")
    unknown = sorted(set(y.tolist()) - set(AGN_TYPES))
    if unknown:
        raise AgnError(f"y must hold {', '.join(AGN_TYPES)}; got {', '.join(map(repr, unknown))}.")
    return [name for name in AGN_TYPES if (y == name).any()]
