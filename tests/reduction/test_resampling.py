"""Resampling: both ways to the same bits, and what they mean."""

import numpy as np
import pytest

from agn_helpers.lines import PAPER_GRID
from agn_helpers.reduction import pixel_edges, resample_block, resampling
from agn_helpers.reduction.resampling import resample_flux

SDSS = 10 ** (3.58 + 1e-4 * np.arange(3800))
DESI = 3600 + 0.8 * np.arange(7781)


def draw_block(wavelength, n_spectra, seed, dtype=float):
    """Noise with a fifth of its pixels masked, some in long gaps, and redshifts from none to too far."""
    rng = np.random.default_rng(seed)
    shape = n_spectra, wavelength.size
    flux, ivar = rng.normal(3, 2, shape), rng.gamma(2, 2, shape)
    ivar[rng.random(shape) < 0.1] = 0
    for row in range(n_spectra):
        start = rng.integers(wavelength.size)
        ivar[row, start : start + rng.integers(400)] = 0
    return flux.astype(dtype), ivar.astype(dtype), rng.uniform(0, 1.2, n_spectra)


def find_sums(way, wavelength, flux, ivar, redshift, grid):
    return way(wavelength, flux, ivar, 1 + redshift, pixel_edges(grid))


@pytest.mark.parametrize(
    ("wavelength", "grid"),
    [
        (SDSS, PAPER_GRID),
        (DESI, PAPER_GRID),
        (SDSS, np.linspace(4000, 4100, 900)),  # Many points a pixel.
        (SDSS, np.linspace(2500, 12000, 50)),  # Beyond both ends.
        (4000 + 2.0 * np.arange(900), 4001 + 4.0 * np.arange(300)),  # Edges that coincide, at z = 0.
        (4000 + 2.0 * np.arange(2), 4001 + 4.0 * np.arange(3)),
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_walk_gives_numpys_sums_to_the_last_bit(wavelength, grid, dtype):
    """As Python runs it, so that this holds where there is no numba too; compiled, where there is."""
    flux, ivar, redshift = draw_block(wavelength, 4, 5, dtype)
    redshift[0] = 0
    redshift[-1] = np.nan
    expected = find_sums(resampling._sum_overlaps, wavelength, flux, ivar, redshift, grid)
    assert (expected[0, 0] > 0).any()
    for way in (resampling._walk_edges, resampling._compile_walk()):
        found = find_sums(way, wavelength, flux, ivar, redshift, grid)
        np.testing.assert_array_equal(found, expected)


def test_sums_are_those_of_the_definition():
    """Every pixel against every grid point."""
    flux, ivar, redshift = draw_block(SDSS, 3, 8)
    grid = np.linspace(3900, 4700, 150)
    resampled, resampled_ivar, covered = resample_block(SDSS, flux, ivar, redshift=redshift, grid=grid)
    for row, z in enumerate(redshift):
        edges, grid_edges = pixel_edges(SDSS / (1 + z)), pixel_edges(grid)
        high = np.minimum(edges[1:], grid_edges[1:, None])
        overlap = np.clip(high - np.maximum(edges[:-1], grid_edges[:-1, None]), 0, None) * (ivar[row] > 0)
        filled = overlap.sum(axis=1) > 0
        assert covered[row] == filled.mean()
        mean = (overlap @ flux[row] / overlap.sum(axis=1))[filled]
        np.testing.assert_allclose(resampled[row, filled], mean, rtol=1e-9, atol=1e-9)
        variance = (overlap**2) @ np.divide(1, ivar[row], out=np.zeros(SDSS.size), where=ivar[row] > 0)
        expected = np.divide(overlap.sum(axis=1) ** 2, variance, out=np.zeros(grid.size), where=filled)
        np.testing.assert_allclose(resampled_ivar[row], expected, rtol=1e-8)


def test_a_block_is_its_spectra_one_at_a_time():
    flux, ivar, _ = draw_block(DESI, 12, 2, np.float32)
    redshift = np.linspace(0.01, 0.8, 12)
    resampled, resampled_ivar, covered = resample_block(DESI, flux, ivar, redshift=redshift, grid=PAPER_GRID)
    assert (covered > 0.6).all()
    for row, z in enumerate(redshift):
        alone = resample_flux(
            DESI / (1 + z), flux[row].astype(float), ivar[row].astype(float), grid=PAPER_GRID
        )
        np.testing.assert_array_equal(alone, (resampled[row], resampled_ivar[row]))


def test_a_row_that_cannot_be_used_is_told_by_its_share():
    flux, ivar = np.ones((5, SDSS.size)), np.ones((5, SDSS.size))
    ivar[1] = 0
    redshift = np.array([0.05, 0.05, np.nan, -1.5, 7.0])
    resampled, resampled_ivar, covered = resample_block(SDSS, flux, ivar, redshift=redshift, grid=PAPER_GRID)
    np.testing.assert_array_equal(covered, [1, 0, 0, 0, 0])
    assert np.isnan(resampled[1:]).all() and not resampled_ivar[1:].any()
    np.testing.assert_allclose(resampled[0], 1)


def test_many_spectra_one_by_one_take_the_compiled_walk(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(resampling, "_WORTH_COMPILING", 3)
    resampling._compile_walk.cache_clear()
    ways = []
    for number in (1, 2, 3, 1):
        resampling.expect_spectra(number)
        ways.append(resampling._find_way())
    assert ways[:2] == [resampling._sum_overlaps] * 2 and hasattr(ways[2], "py_func")
    assert ways[3] is ways[2]
    monkeypatch.setattr(resampling.util, "find_spec", lambda name: None)
    assert resampling._compile_walk.__wrapped__() is resampling._sum_overlaps
