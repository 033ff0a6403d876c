"""Spectra without a feature: lines replaced by the local continuum, or the mean of another class."""

from itertools import pairwise

import numpy as np
import pandas as pd

from ..errors import AgnError
from ..lines import LINES
from ..reduction import pixel_edges
from .target import check_wavelengths

#: Lines with strong broad components in type 1 and intermediate AGN. That of Hε is faint, and so wide a
#: window would take the galaxy's break at 4000 Å for a part of the line.
BROAD_LINES = ("Hdelta", "Hgamma", "Hbeta", "HeI5876", "Halpha")

#: Half-widths of line windows, km/s: the reach of a broad component (Osterbrock & Ferland 2006, chapter 13)
#: and of a narrow line with its outflow.
BROAD_HALF_WIDTH = 5000.0

NARROW_HALF_WIDTH = 1000.0

# Pixels on either side whose mean is the local continuum: 1900 km/s on the paper's grid.
BAND_PIXELS = 20


def half_widths(*, broad=BROAD_HALF_WIDTH, narrow=NARROW_HALF_WIDTH):
    """Half-width (km/s) of the window of every line in `LINES`, a dict by name."""
    for name, value in {"broad": broad, "narrow": narrow}.items():
        if not (np.isfinite(value) and value > 0):
            raise AgnError(f"{name} must be a positive half-width in km/s; got {value}.")
    return {name: broad if name in BROAD_LINES else narrow for name in LINES}


def line_windows(grid, *, broad=BROAD_HALF_WIDTH, narrow=NARROW_HALF_WIDTH):
    """Windows (``name, low, high`` in Å, a row a line) of the lines that lie on a grid, at least in part.

    `broad` and `narrow` are half-widths in km/s of the windows of `BROAD_LINES` and of the others.
    """
    grid = check_wavelengths(grid, np.size(grid))
    rows = [(name, *LINES[name].window(-half, half)) for name, half in _sorted_half_widths(broad, narrow)]
    windows = pd.DataFrame(rows, columns=["name", "low", "high"])
    spans = window_pixels(windows, grid)
    return windows[spans[:, 0] < spans[:, 1]].reset_index(drop=True)


def _sorted_half_widths(broad, narrow):
    widths = half_widths(broad=broad, narrow=narrow)
    return sorted(widths.items(), key=lambda item: LINES[item[0]].wavelength)


def window_pixels(windows, grid):
    """First and one past the last pixel, (n_windows, 2), with low <= wavelength < high."""
    edges = np.column_stack([np.asarray(windows[name], dtype=float) for name in ("low", "high")])
    return np.searchsorted(grid, edges)


def line_mask(grid, *, broad=BROAD_HALF_WIDTH, narrow=NARROW_HALF_WIDTH):
    """Pixels (n_grid,) that lie in a line's window."""
    mask = np.zeros(len(grid), dtype=bool)
    for start, stop in window_pixels(line_windows(grid, broad=broad, narrow=narrow), grid):
        mask[start:stop] = True
    return mask


def bridge_window(X, grid, start, stop, *, clean):
    """Draw a straight line over a window: (n_spectra, stop - start).

    It goes through the means of the 20 nearest `clean` pixels on either side of the pixels start to stop - 1;
    where there are such pixels on one side only, it is their mean, where there are none, an AgnError.
    """
    places = np.flatnonzero(clean)
    left, right = places[places < start][-BAND_PIXELS:], places[places >= stop][:BAND_PIXELS]
    if not len(left) and not len(right):
        raise AgnError(
            f"no continuum is left beside the window {grid[start]:.1f} to {grid[stop - 1]:.1f} Å. "
            "Use narrower windows."
        )
    ends = [(grid[band].mean(), X[:, band].mean(axis=1)[:, None]) for band in (left, right) if len(band)]
    if len(ends) == 1:
        return np.repeat(ends[0][1], stop - start, axis=1)
    (low, level_low), (high, level_high) = ends
    share = (grid[start:stop] - low) / (high - low)
    return level_low + share * (level_high - level_low)


def remove_lines(X, grid, *, broad=BROAD_HALF_WIDTH, narrow=NARROW_HALF_WIDTH):
    """Replace all lines by the local continuum: a physical baseline of integrated gradients.

    Parameters
    ----------
    X : (n_spectra, n_grid) array
        Spectra.
    grid : (n_grid,) array
        Rest wavelengths in vacuum Å, increasing.
    broad, narrow : float
        Half-widths in km/s of the windows of `BROAD_LINES` and of the others.

    Returns
    -------
    (n_spectra, n_grid) array
        X outside the windows of `line_windows`; within them, overlapping ones taken together, a straight
        line through the means of the 20 nearest pixels outside all windows on either side.

    Raises
    ------
    AgnError
        For a grid of another length, or windows that leave no continuum.
    """
    X = np.atleast_2d(np.asarray(X, dtype=float))
    grid = check_wavelengths(grid, X.shape[1])
    mask = line_mask(grid, broad=broad, narrow=narrow)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask, [0]])))
    continuum = X.copy()
    for start, stop in edges.reshape(-1, 2):
        continuum[:, start:stop] = bridge_window(X, grid, start, stop, clean=~mask)
    return continuum


def class_mean(X, y, label):
    """Mean spectrum (n_grid,) of a class: a baseline that asks "why this class rather than that?".

    Parameters
    ----------
    X : (n_spectra, n_grid) array
    y : (n_spectra,) array of labels
    label : label
        The class.

    Raises
    ------
    AgnError
        Where no spectrum has the label, or the two lengths differ.
    """
    X, y = np.asarray(X), np.asarray(y)
    if len(X) != len(y):
        raise AgnError(f"y must hold a label for each of {len(X)} spectra; got {len(y)}.")
    if not np.any(y == label):
        raise AgnError(f"label must be one of {np.unique(y).tolist()}; got {label!r}.")
    return X[y == label].mean(axis=0, dtype=float)


def check_baseline(baseline, shape):
    """Broadcast a baseline (n_grid,) to `shape`; AgnError for another shape, NaN and infinity."""
    baseline = np.asarray(baseline, dtype=float)
    if baseline.shape not in (shape, shape[1:]):
        raise AgnError(
            f"baseline must have shape {shape[1:]} or {shape}; got {baseline.shape}. "
            "remove_lines and class_mean make one."
        )
    if not np.isfinite(baseline.sum()):
        raise AgnError("baseline must be finite; it holds NaN or infinity.")
    return np.broadcast_to(baseline, shape)


def make_segments(
    grid, *, core=500.0, broad=BROAD_HALF_WIDTH, narrow=NARROW_HALF_WIDTH, continuum_length=100.0
):
    """Divide a grid into lines' cores, lines' wings and stretches of continuum.

    Parameters
    ----------
    grid : (n_grid,) array
        Rest wavelengths in vacuum Å, increasing.
    core : float
        Half-width of the cores, km/s.
    broad, narrow : float
        Where the wings of `BROAD_LINES` and of the others end, km/s.
    continuum_length : float
        Longest stretch of continuum in one segment, Å.

    Returns
    -------
    pandas.DataFrame
        Columns ``name``, ``low``, ``high`` (Å; low <= wavelength < high), a row a segment, in order.  A core
        goes before a wing; where two of a kind overlap, a pixel goes to the line from which it has the
        smaller share of the half-width.  A wing that another line's core cuts in two has two rows.
    """
    grid = check_wavelengths(grid, np.size(grid))
    for name, value in {"core": core, "continuum_length": continuum_length}.items():
        if not (np.isfinite(value) and value > 0):
            raise AgnError(f"{name} must be positive; got {value}.")
    names = np.array(list(LINES))
    half = np.array(list(half_widths(broad=broad, narrow=narrow).values()))[:, None]
    velocity = np.array([LINES[name].velocity(grid) for name in names])
    line = np.argmin(np.where(np.abs(velocity) < core, np.abs(velocity), np.inf), axis=0)
    in_core = (np.abs(velocity) < core).any(axis=0)
    wing_line = np.argmin(np.abs(velocity) / half, axis=0)
    in_wing = ~in_core & (np.abs(velocity) < half).any(axis=0)
    side = np.where(velocity[wing_line, np.arange(len(grid))] < 0, "blue", "red")
    kind = np.full(len(grid), "continuum", dtype=object)
    kind[in_core] = [f"{name} core" for name in names[line[in_core]]]
    kind[in_wing] = [f"{name} {where} wing" for name, where in zip(names[wing_line[in_wing]], side[in_wing])]
    return _table_of_runs(kind, grid, continuum_length)


def _table_of_runs(kind, grid, continuum_length):
    edges = pixel_edges(grid)
    bounds = np.concatenate([[0], np.flatnonzero(kind[1:] != kind[:-1]) + 1, [len(grid)]])
    rows, seen = [], {}
    for start, stop in pairwise(bounds):
        if kind[start] == "continuum":
            pieces = int(np.ceil((edges[stop] - edges[start]) / continuum_length))
            cuts = np.unique(np.linspace(start, stop, pieces + 1).round().astype(int))
            rows += [
                (f"continuum {edges[a]:.0f}-{edges[b]:.0f}", edges[a], edges[b]) for a, b in pairwise(cuts)
            ]
            continue
        seen[kind[start]] = number = seen.get(kind[start], 0) + 1
        rows.append((kind[start] if number == 1 else f"{kind[start]} {number}", edges[start], edges[stop]))
    return pd.DataFrame(rows, columns=["name", "low", "high"])


def check_segments(segments, grid):
    """Spans of pixels (n_segments, 2), first and one past the last, of segments that cover a grid.

    Parameters
    ----------
    segments : table with columns name, low, high
        Å; low <= wavelength < high.
    grid : (n_grid,) array

    Raises
    ------
    AgnError
        Where a column is missing, a wavelength lies in no segment or in several, or a segment is empty.
    """
    columns = getattr(segments, "columns", ())
    missing = [name for name in ("name", "low", "high") if name not in columns]
    if missing:
        raise AgnError(
            f"segments must be a table with columns name, low, high; it lacks {', '.join(missing)}. "
            "make_segments gives one."
        )
    spans = window_pixels(segments, grid)
    empty = np.flatnonzero(spans[:, 0] >= spans[:, 1])
    if len(empty):
        raise AgnError(
            f"every segment must hold a wavelength of the grid; {list(segments['name'])[empty[0]]!r} holds "
            "none. Leave it out."
        )
    count = np.zeros(len(grid), dtype=int)
    for start, stop in spans:
        count[start:stop] += 1
    wrong = np.flatnonzero(count != 1)
    if len(wrong):
        raise AgnError(
            f"segments must cover the grid without gaps or overlaps; {grid[wrong[0]]:.2f} Å lies in "
            f"{count[wrong[0]]} of them. Move their ends."
        )
    return spans
