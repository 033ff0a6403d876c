"""Physical segments of a spectrum: the cores and wings of its lines, and stretches of continuum."""

from itertools import pairwise

import numpy as np
import pandas as pd

from .baselines import BROAD_HALF_WIDTH, NARROW_HALF_WIDTH, half_widths, window_pixels
from .errors import AgnError
from .lines import LINES
from .scores import check_wavelengths


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
        Where the wings of `baselines.BROAD_LINES` and of the others end, km/s.
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
    middles = (grid[1:] + grid[:-1]) / 2
    edges = np.concatenate([[1.5 * grid[0] - 0.5 * grid[1]], middles, [1.5 * grid[-1] - 0.5 * grid[-2]]])
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
    ValueError
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
