"""The reduction of spectra in memory, resampling against specutils', and the writing of spec-lite files."""

import tempfile
import warnings
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.nddata import InverseVariance
from specutils import Spectrum
from specutils.manipulation import FluxConservingResampler

from agn_helpers.lines import PAPER_GRID
from agn_helpers.reduction import pixel_edges, reduce_spectra, resample_block, resampling
from agn_helpers.spectra import write_spec_lite
from agn_helpers.survey import simulate_survey

from ..spectra.test_sdss_bytes import write_by_astropy
from . import Row, at_least, at_most, time_in_turns

_N_BLOCK, _N_PEER, _N_WRITTEN = 300, 20, 30


def run():
    """Ratios within the run, of processor time; results are compared."""
    spectra, _ = simulate_survey(n_type1=100, n_intermediate=100, n_type2=200)
    (seconds,), (reduced,) = time_in_turns([lambda: reduce_spectra(spectra)[0]])
    rate = Row("reduce_spectra, spectra in memory", len(reduced) / seconds, "spectra/s", "", True)
    return [rate, *_compare_resampling(), *_compare_peer(), *_compare_writing(spectra[:_N_WRITTEN])]


def _compare_resampling():
    rng = np.random.default_rng(0)
    wavelength = 10 ** (3.58 + 1e-4 * np.arange(3800))
    flux, ivar = rng.normal(3, 1, (_N_BLOCK, 3800)), rng.gamma(2, 2, (_N_BLOCK, 3800))
    ivar[rng.random(ivar.shape) < 0.05] = 0
    redshift, edges = rng.uniform(0.03, 0.3, _N_BLOCK), pixel_edges(PAPER_GRID)
    ways = [resampling._sum_overlaps, resampling._compile_walk()]
    seconds, sums = time_in_turns(
        [lambda way=way: way(wavelength, flux, ivar, 1 + redshift, edges) for way in ways]
    )
    same = np.array_equal(*sums)
    block, _ = time_in_turns(
        [lambda: resample_block(wavelength, flux, ivar, redshift=redshift, grid=PAPER_GRID)]
    )
    return [
        Row("resampling a block of spectra", 1e6 * block[0] / _N_BLOCK, "µs each", "", True),
        at_least("resampling: the compiled walk against NumPy's", seconds[0] / seconds[1], 5.5),
        Row("resampling: both the same bits", float(same), "", "1", same),
    ]


def _compare_peer():
    """Without gaps, which specutils does not know of."""
    rng = np.random.default_rng(1)
    wavelength = 10 ** (3.58 + 1e-4 * np.arange(3800)) / 1.05
    flux, ivar = rng.normal(3, 1, (_N_PEER, 3800)), rng.gamma(2, 2, (_N_PEER, 3800))
    resample = FluxConservingResampler()

    def theirs():
        axis = wavelength * u.AA
        found = []
        for one, error in zip(flux, ivar):
            spectrum = Spectrum(flux=one * u.one, spectral_axis=axis, uncertainty=InverseVariance(error))
            found.append(resample(spectrum, PAPER_GRID * u.AA))
        return np.array([(each.flux.value, each.uncertainty.array) for each in found])

    def ours():
        return np.array(
            [resampling.resample_flux(wavelength, *each, grid=PAPER_GRID) for each in zip(flux, ivar)]
        )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (own, peer), results = time_in_turns([ours, theirs])
    difference = np.abs(results[0] - results[1]).max()
    return [
        at_least("resampling one by one, against specutils' FluxConservingResampler", peer / own, 130),
        at_most("resampling: largest difference from specutils', flux and ivar", difference, 1e-9),
    ]


def _compare_writing(spectra):
    with tempfile.TemporaryDirectory() as folder:
        path, other = Path(folder, "ours.fits"), Path(folder, "astropy.fits")

        def theirs():
            for spectrum in spectra:
                other.unlink(missing_ok=True)
                write_by_astropy(spectrum, other)

        (own, peer), _ = time_in_turns([lambda: [write_spec_lite(each, path) for each in spectra], theirs])
        same = path.read_bytes() == other.read_bytes()
    return [
        at_least("write_spec_lite against astropy's writer", peer / own, 12),
        Row("write_spec_lite: the same bytes", float(same), "", "1", same),
    ]
