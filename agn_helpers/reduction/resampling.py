"""Flux onto another grid: each grid point takes the mean of the pixels under it, weighed by their overlap.

Two ways to the same numbers, bit for bit: NumPy's, and where numba is installed one walk along the pixel and
the grid edges together, which is quicker once the seconds of compiling it are earned back.
"""

import logging
from functools import cache
from importlib import util

import numpy as np

from ..errors import ReductionError

logger = logging.getLogger(__name__)

#: Share of the grid that must be observed.
LEAST_OBSERVED = 0.6

# So many spectra, one at a time, cost in NumPy what compiling the walk does.
_WORTH_COMPILING = 5000

# Neighbours kept beyond either end of the grid, so that no edge under it is an extrapolated one.
_BESIDE = 3


def pixel_edges(wavelength):
    """Edges (n + 1,) of pixels with centres `wavelength` (n,): halfway between neighbours."""
    middles = 0.5 * (wavelength[1:] + wavelength[:-1])
    return np.concatenate([2 * wavelength[:1] - middles[:1], middles, 2 * wavelength[-1:] - middles[-1:]])


def resample_flux(wavelength, flux, ivar, *, grid):
    """Resample one spectrum onto `grid`, carrying its inverse variance along.

    A grid point's flux is the mean of the good pixels under it, weighed by their overlap in wavelength,
    so that a line keeps its flux; its variance follows from the same weights for independent pixels.
    Grid points without a good pixel get ivar 0; their flux, between their neighbours' or the nearest at the
    ends, only keeps the place for what `agn_helpers.classifier.SpectrumCompleter` knows better.

    Parameters
    ----------
    wavelength : (n_pixels,) array
        Rest-frame vacuum Å, increasing.
    flux, ivar : (n_pixels,) arrays
        Flux density per Å in any unit u, ivar in u**-2; pixels with ivar 0 are not used.
    grid : (n_grid,) array
        Wavelengths (Å), increasing.

    Returns
    -------
    flux, ivar : (n_grid,) arrays

    Raises
    ------
    ReductionError
        Where good pixels cover less than 60 % of the grid.
    """
    good = ivar > 0
    if good.sum() < 2:
        raise ReductionError(
            f"at least 2 pixels with ivar > 0 are needed; got {good.sum()}; leave this spectrum out."
        )
    block = resample_block(wavelength, flux[None], ivar[None], redshift=np.zeros(1), grid=grid)
    resampled, resampled_ivar, covered = (values[0] for values in block)
    if covered < LEAST_OBSERVED:
        start, stop = wavelength[good][[0, -1]]
        raise ReductionError(
            f"good pixels must cover at least {LEAST_OBSERVED:.0%} of {grid[0]:.1f} to {grid[-1]:.1f} Å at "
            f"rest; got {covered:.0%}, between {start:.1f} and {stop:.1f} Å; check the redshift or "
            "leave it out."
        )
    return resampled, resampled_ivar


def resample_block(wavelength, flux, ivar, *, redshift, grid):
    """Resample spectra that share their observed wavelengths, each brought to rest by its own redshift.

    Row for row the numbers of `resample_flux`, to the last bit.  Nothing is raised for a row that cannot be
    used: the caller looks at its share of the grid.

    Parameters
    ----------
    wavelength : (n_pixels,) array
        Observed vacuum Å, increasing.
    flux, ivar : (n_spectra, n_pixels) arrays, single or double precision
        Flux density per Å in any unit u, ivar in u**-2; pixels with ivar 0 are not used.
    redshift : (n_spectra,) array
        Where it is not a number greater than -1, the grid is not observed.
    grid : (n_grid,) array
        Rest-frame Å, increasing.

    Returns
    -------
    flux, ivar : (n_spectra, n_grid) arrays
        In double precision.  Flux is NaN in rows without any good pixel under the grid.
    covered : (n_spectra,) array
        Share of the grid points with a good pixel under them; `LEAST_OBSERVED` is what is asked of it.
    """
    wavelength, grid = (np.ascontiguousarray(values, dtype=float) for values in (wavelength, grid))
    stretch = 1 + np.asarray(redshift, dtype=float)
    stretch = np.where((stretch > 0) & np.isfinite(stretch), stretch, np.nan)
    sums = _find_way()(wavelength, _native(flux), _native(ivar), stretch, pixel_edges(grid))
    overlap, total, variance = sums
    filled = overlap > 0
    with np.errstate(all="ignore"):
        resampled = total / overlap
        # Right for each point; the covariance of two points that share a pixel is not kept.
        resampled_ivar = np.where(filled, overlap**2 / variance, 0.0)
    for row in np.flatnonzero(filled.any(axis=1) & ~filled.all(axis=1)):
        known = filled[row]
        resampled[row, ~known] = np.interp(grid[~known], grid[known], resampled[row, known])
    return resampled, resampled_ivar, filled.mean(axis=1)


def _native(values):
    """Rows of numbers as the machine keeps them, in single or double precision."""
    values = np.asarray(values)
    kind = np.float32 if values.dtype.kind == "f" and values.dtype.itemsize == 4 else np.float64
    return np.ascontiguousarray(values, dtype=kind)


def expect_spectra(number):
    """Say how many spectra are to come: for enough of them the walk is compiled, and used from then on."""
    if number >= _WORTH_COMPILING:
        _compile_walk()


def _find_way():
    """The walk once it is compiled, NumPy's before."""
    return _compile_walk() if _compile_walk.cache_info().currsize else _sum_overlaps


def _sum_overlaps(wavelength, flux, ivar, stretch, grid_edges):
    """For each row and grid point the sums over good pixels of overlap, overlap x flux, overlap² / ivar."""
    sums = np.zeros((3, len(stretch), grid_edges.size - 1))
    for row in np.flatnonzero(np.isfinite(stretch)):
        ends = np.searchsorted(wavelength, grid_edges[[0, -1]] * stretch[row])
        part = slice(max(ends[0] - _BESIDE, 0), ends[1] + _BESIDE)
        if wavelength[part].size < 2:
            continue
        edges, row_flux, row_ivar = (
            pixel_edges(wavelength[part] / stretch[row]),
            flux[row, part],
            ivar[row, part],
        )
        # Cut the axis at every edge of either: each piece then lies in one pixel and under one grid point.
        inside = (edges > grid_edges[0]) & (edges < grid_edges[-1])
        # A stable sort merges two runs that are in order already.
        cuts = np.sort(np.concatenate([edges[inside], grid_edges]), kind="stable")
        length, middle = np.diff(cuts), 0.5 * (cuts[1:] + cuts[:-1])
        pixel, point = np.searchsorted(edges, middle) - 1, np.searchsorted(grid_edges, middle) - 1
        used = (pixel >= 0) & (pixel < row_flux.size) & (point >= 0)
        used[used] = row_ivar[pixel[used]] > 0
        pixel, point, length = pixel[used], point[used], length[used]
        for values, weights in zip(
            sums[:, row], (length, length * row_flux[pixel], length**2 / row_ivar[pixel]), strict=True
        ):
            values[:] = np.bincount(point, weights=weights, minlength=values.size)
    return sums


@cache
def _compile_walk():
    """`_sum_overlaps` as one walk along both lists of edges, compiled; itself where there is no numba."""
    if util.find_spec("numba") is None:
        return _sum_overlaps
    try:
        import numba
    except Exception as error:  # A numba that does not suit this NumPy says so in several ways.
        logger.warning("numba cannot be used, NumPy resamples instead: %s", error)
        return _sum_overlaps
    return numba.njit(nogil=True)(_walk_edges)


def _walk_edges(wavelength, flux, ivar, stretch, grid_edges):
    """See `_sum_overlaps`, whose every operation this does in the same order."""
    n_rows, n_points = len(stretch), grid_edges.size - 1
    sums = np.zeros((3, n_rows, n_points))
    edges = np.empty(wavelength.size + 1)
    for row in range(n_rows):
        factor = stretch[row]
        if not np.isfinite(factor):
            continue
        first = max(np.searchsorted(wavelength, grid_edges[0] * factor) - _BESIDE, 0)
        last = min(np.searchsorted(wavelength, grid_edges[-1] * factor) + _BESIDE, wavelength.size)
        n_pixels = last - first
        if n_pixels < 2:
            continue
        here = wavelength[first] / factor
        for k in range(1, n_pixels):
            before, here = here, wavelength[first + k] / factor
            edges[k] = 0.5 * (here + before)
        edges[0] = 2 * (wavelength[first] / factor) - edges[1]
        edges[n_pixels] = 2 * here - edges[n_pixels - 1]
        edge, grid_edge, pixel, point = 0, 1, 0, 0
        while edge <= n_pixels and edges[edge] <= grid_edges[0]:
            edge += 1
        cut = grid_edges[0]
        while grid_edge <= n_points:
            start = cut
            if edge <= n_pixels and edges[edge] < grid_edges[grid_edge]:
                cut = edges[edge]
                edge += 1
            else:
                cut = grid_edges[grid_edge]
                grid_edge += 1
            length, middle = cut - start, 0.5 * (cut + start)
            while pixel <= n_pixels and edges[pixel] < middle:
                pixel += 1
            while point <= n_points and grid_edges[point] < middle:
                point += 1
            if 0 < pixel <= n_pixels and point > 0:
                weight = ivar[row, first + pixel - 1]
                if weight > 0:
                    sums[0, row, point - 1] += length
                    sums[1, row, point - 1] += length * flux[row, first + pixel - 1]
                    sums[2, row, point - 1] += length * length / weight
    return sums
