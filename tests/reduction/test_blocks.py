"""Coadds read and reduced by the block: to the last bit what one spectrum after the other gives."""

import numpy as np
import pytest
from astropy.io import fits

from agn_helpers.errors import SpectrumError
from agn_helpers.reduction import reduce_block, reduce_spectra
from agn_helpers.spectra import SpectrumBlock, read_coadd, read_spectra
from agn_helpers.survey import simulate_survey

from ..coadds import arm_wavelengths, simulate_arms, write_coadd


@pytest.fixture(scope="module")
def survey():
    return simulate_survey(n_type1=20, n_intermediate=10, n_type2=20, random_state=3)[0]


@pytest.fixture(scope="module")
def coadd(survey, tmp_path_factory):
    """Fifty targets, three fibres on the sky among them, some pixels masked."""
    arms, redshift = simulate_arms(survey, np.random.default_rng(4))
    zwarn = np.zeros(50, dtype=int)
    zwarn[7], zwarn[8] = 4, 1 << 9
    path = tmp_path_factory.mktemp("coadds") / "coadd-synthetic-dark-100.fits"
    return write_coadd(path, arms, redshift, sky=[0, 20, 49], zwarn=zwarn, resolution=True)


def assert_same_tables(found, expected):
    assert found.colnames == expected.colnames
    for name in expected.colnames:
        same = np.asarray(found[name]) == np.asarray(expected[name])
        if expected[name].dtype.kind == "f":
            same |= np.isnan(found[name]) & np.isnan(expected[name])
        assert same.all(), name


def assert_same_reduction(block, spectra):
    sample, rejected = reduce_block(block)
    one, others = reduce_spectra(spectra)
    assert_same_tables(sample, one)
    assert_same_tables(rejected, others)
    assert sample.meta == one.meta
    return sample, rejected


def test_blocks_hold_the_spectra_of_the_file(coadd):
    apart = list(read_spectra(coadd))
    blocks = list(read_coadd(coadd, size=20))
    assert [len(block.name) for block in blocks] == [20, 20, 7]
    rows = [(block, row) for block in blocks for row in range(len(block.name))]
    for spectrum, (block, row) in zip(apart, rows, strict=True):
        assert block.name[row] == spectrum.name
        assert np.array_equal(block.wavelength, spectrum.wavelength)
        assert np.array_equal(block.flux[row], spectrum.flux)
        assert np.array_equal(block.ivar[row], spectrum.ivar)
        assert np.array_equal(block.redshift[row], spectrum.redshift, equal_nan=True)
        assert block.meta[row] == spectrum.meta
    assert np.isnan(apart[7].redshift)
    assert apart[6].meta["zwarning"] == 4


def test_some_targets_of_a_coadd(coadd):
    whole = next(read_coadd(coadd))
    [part] = read_coadd(coadd, targets=slice(10, 15))
    assert part.name == whole.name[10:15]
    assert np.array_equal(part.flux, whole.flux[10:15])
    assert np.array_equal(part.ivar, whole.ivar[10:15])
    assert part.meta == whole.meta[10:15]


def test_arms_are_merged_by_inverse_variance_and_masks_kept(coadd):
    block = next(read_coadd(coadd))
    with fits.open(coadd) as hdus:
        waves = arm_wavelengths()
        # The first target is a fibre on the sky.
        row, pixel = 1, 5
        blue, red = len(waves["B"]) - 51 + pixel, pixel
        assert waves["B"][blue] == waves["R"][red]
        flux = [hdus["B_FLUX"].data[row, blue], hdus["R_FLUX"].data[row, red]]
        ivar = [hdus["B_IVAR"].data[row, blue], hdus["R_IVAR"].data[row, red]]
        ivar = [
            each * (hdus[f"{arm}_MASK"].data[row, at] == 0) for each, arm, at in zip(ivar, "BR", (blue, red))
        ]
        at = np.argmin(np.abs(block.wavelength - waves["R"][red]))
        np.testing.assert_allclose(block.flux[0, at], np.average(flux, weights=ivar), rtol=1e-6)
        np.testing.assert_allclose(block.ivar[0, at], np.sum(ivar), rtol=1e-6)
        masked = np.argwhere(hdus["Z_MASK"].data)
        targets = np.delete(np.arange(50), [0, 20, 49])
        for target, pixel in masked:
            if target in targets and pixel > 200:
                at = np.argmin(np.abs(block.wavelength - waves["Z"][pixel]))
                assert block.ivar[np.searchsorted(targets, target), at] == 0


def test_reduced_by_the_block_and_one_by_one(coadd):
    sample, rejected = assert_same_reduction(next(read_coadd(coadd)), list(read_spectra(coadd)))
    assert (len(sample), len(rejected)) == (46, 1)
    assert "a redshift is needed" in rejected["reason"][0]
    assert np.isfinite(sample["ra"]).all()


def test_whatever_is_odd_in_a_block_has_its_own_reason(coadd):
    block, apart = next(read_coadd(coadd)), list(read_spectra(coadd))
    near = np.flatnonzero(np.abs(block.wavelength / (1 + block.redshift[9]) - 4500) < 20)

    def change(row, flux=None, ivar=None):
        for key, function in (("flux", flux), ("ivar", ivar)):
            if function is not None:
                own = getattr(block, key)[row]
                own[:] = function(own)
                setattr(apart[row], key, own.astype(float))

    change(0, ivar=np.zeros_like)
    change(1, flux=np.negative)
    change(2, ivar=lambda ivar: np.where(np.arange(ivar.size) % 3, 0, ivar))
    change(3, flux=lambda flux: flux * np.float32(1e-20))
    change(4, ivar=lambda ivar: ivar * np.float32(1e-36))
    change(5, flux=lambda flux: np.where(np.arange(flux.size) == 3000, np.float32(3e38), flux))
    change(10, ivar=lambda ivar: np.where(block.wavelength < 4800 * (1 + block.redshift[10]), 0, ivar))
    change(11, flux=np.zeros_like)
    # Cosmic rays, alone and two side by side.
    struck = np.isin(np.arange(block.wavelength.size), near[[3, 30, 31]])
    change(9, flux=lambda flux: np.where(struck, 50 * flux.max(), flux))
    block.redshift[12] = apart[12].redshift = 3.0
    block.redshift[13] = apart[13].redshift = 0.9
    sample, rejected = assert_same_reduction(block, apart)
    assert {0, 1, 10, 12} <= {block.name.index(name) for name in rejected["name"]}
    assert "wild pixels" in sample["assumptions"][sample["name"].tolist().index(block.name[9])]


def test_a_normalisation_at_one_pixel_and_another_grid(coadd):
    grid = np.linspace(4000, 5200, 500)
    options = {"grid": grid, "normalisation": "pixel"}
    found, _ = reduce_block(next(read_coadd(coadd)), **options)
    one, _ = reduce_spectra(read_spectra(coadd), **options)
    assert_same_tables(found, one)


def test_double_precision_stays(survey):
    wave = np.arange(3800, 9100, 1.1)
    flux = np.stack([np.interp(wave, each.wavelength, each.flux) for each in survey])
    ivar = np.full(flux.shape, 4.0)
    names = [each.name for each in survey]
    block = SpectrumBlock(wave, flux, ivar, [each.redshift for each in survey], names, [{} for _ in survey])
    from agn_helpers.spectra import ObservedSpectrum

    apart = [ObservedSpectrum(wave, *row, meta={}) for row in zip(flux, ivar, block.redshift, names)]
    assert_same_reduction(block, apart)


def test_what_is_no_coadd(tmp_path, coadd):
    (tmp_path / "text.fits").write_text("SIMPLE")
    fits.PrimaryHDU(np.zeros(5)).writeto(tmp_path / "image.fits")
    (tmp_path / "short.fits").write_bytes(coadd.read_bytes()[:100_000])
    for name, said in (("text", "sound FITS"), ("image", "DESI coadd"), ("short", "truncated"), ("none", "")):
        with pytest.raises(SpectrumError, match=said) as caught:
            next(read_coadd(tmp_path / f"{name}.fits"))
        assert "\n" not in str(caught.value)
