"""The reduction against closed forms: lines keep flux and place, noise its size, nothing is lost."""

import numpy as np
import pytest
from astropy.table import Table

from agn_helpers.errors import AgnError, ReductionError
from agn_helpers.lines import LINES, PAPER_GRID
from agn_helpers.reduction import read_sample, reduce_spectra, sample_arrays, sample_grid, write_sample
from agn_helpers.reduction.resampling import resample_flux
from agn_helpers.reduction.rest_frame import continuum_level, reduce_spectrum
from agn_helpers.reduction.sample import shared_grid
from agn_helpers.spectra import ObservedSpectrum, Rejected

SDSS = 10 ** np.arange(3.5797, 3.9650, 1e-4)
HBETA = LINES["Hbeta"].wavelength


def make_spectrum(*, z=0.05, flux=None, ivar=None, wavelength=SDSS, **fields):
    flux = np.ones(wavelength.size) if flux is None else flux
    ivar = np.full(wavelength.size, 100.0) if ivar is None else ivar
    return ObservedSpectrum(wavelength, flux, ivar, redshift=z, name=fields.pop("name", "one"), **fields)


@pytest.mark.parametrize("z", [0.0201, 0.0537, 0.0999, 0.402, 0.5813, 0.748])
@pytest.mark.parametrize("sigma", [90.0, 200.0, 1500.0])  # km/s; SDSS's own resolution is 69
def test_a_line_keeps_its_flux_and_its_place(z, sigma):
    width = HBETA * sigma / 299792.458
    rest = SDSS / (1 + z)
    line = 40 * np.exp(-0.5 * ((rest - HBETA) / width) ** 2) / (np.sqrt(2 * np.pi) * width)
    flux, _ = reduce_spectrum(make_spectrum(z=z, flux=1 + line), grid=PAPER_GRID)
    line_flux = (flux - 1) * (PAPER_GRID[1] - PAPER_GRID[0])
    near = np.abs(PAPER_GRID - HBETA) < 8 * width
    assert line_flux[near].sum() == pytest.approx(40, rel=5e-3)
    assert np.average(PAPER_GRID[near], weights=line_flux[near]) == pytest.approx(HBETA, abs=0.1)


def test_ivar_is_that_of_repeated_draws():
    rng = np.random.default_rng(3)
    ivar = np.where(np.arange(SDSS.size) % 7 == 0, 0.0, rng.uniform(20, 400, SDSS.size))
    noise = np.where(ivar > 0, 1 / np.sqrt(np.where(ivar > 0, ivar, 1)), 50.0)
    rest = SDSS / 1.07
    draws = np.array(
        [resample_flux(rest, rng.normal(1, noise), ivar, grid=PAPER_GRID)[0][::3] for _ in range(1500)]
    )
    _, resampled = resample_flux(rest, np.ones(SDSS.size), ivar, grid=PAPER_GRID)
    used = resampled[::3] > 0
    ratio = draws.std(axis=0)[used] * np.sqrt(resampled[::3][used])
    # The scatter of 1500 draws is known to 1.8 % at a point, to 0.1 % over all points.
    assert ratio.mean() == pytest.approx(1, abs=0.005)
    assert np.abs(ratio - 1).max() < 0.09


def test_masked_pixels_do_not_count():
    flux, ivar = np.ones(SDSS.size), np.full(SDSS.size, 4.0)
    gap = (SDSS / 1.05 > 4500) & (SDSS / 1.05 < 4520)
    flux[gap], ivar[gap] = 1e6, 0.0
    resampled, resampled_ivar = resample_flux(SDSS / 1.05, flux, ivar, grid=PAPER_GRID)
    np.testing.assert_allclose(resampled, 1)
    inside = (PAPER_GRID > 4502) & (PAPER_GRID < 4518)
    assert np.all(resampled_ivar[inside] == 0)
    assert np.all(resampled_ivar[(PAPER_GRID < 4498) | (PAPER_GRID > 4522)] > 0)


def test_what_was_not_observed_keeps_its_place_and_is_counted():
    """Nearby galaxies, whose spectra begin within the grid, and gaps of any width are accepted."""
    grid_step = PAPER_GRID[1] - PAPER_GRID[0]
    rest = SDSS / 1.05
    masked = np.where((rest > 4100) & (rest < 4100 + 200 * grid_step), 0, 100.0)
    near, gap = make_spectrum(name="near", z=0.004), make_spectrum(name="gap", ivar=masked)
    sample, rejected = reduce_spectra([near, gap, make_spectrum(name="whole")])
    assert len(rejected) == 0
    first = SDSS[0] / 1.004
    assert sample["unobserved"][0] == pytest.approx(np.mean(PAPER_GRID < first), abs=0.001)
    # The sky line of 21 Å lies off the grid, at 5311 Å at rest, in those at z = 0.05.
    np.testing.assert_allclose(sample["unobserved"][1:], [0.2, 0], atol=0.0021)
    np.testing.assert_array_equal(sample["unobserved"], np.mean(sample["ivar"] == 0, axis=1))
    np.testing.assert_array_equal(sample["ivar"][0] > 0, PAPER_GRID > first - grid_step / 2)
    np.testing.assert_allclose(sample["flux"], 1, rtol=1e-6)


def test_the_least_that_must_be_observed_is_three_fifths():
    for last, is_enough in ((0.39, True), (0.41, False)):
        start = PAPER_GRID[0] + last * np.ptp(PAPER_GRID)
        cut = make_spectrum(ivar=np.where(SDSS / 1.05 < start, 0, 1.0))
        assert len(reduce_spectra([cut])[0]) == is_enough


def test_continuum_on_both_sides_normalises_where_5100_was_not_observed():
    rest = SDSS / 1.05
    slope = 3 + 0.01 * (rest - 5100)
    for normalisation in ("window", "pixel"):
        ivar = np.where(np.abs(rest - 5100) < 16, 0, 1.0)
        assert continuum_level(rest, slope, ivar, normalisation=normalisation) == pytest.approx(3, rel=1e-3)
    whole, _ = reduce_spectrum(make_spectrum(flux=slope))
    masked, ivar = reduce_spectrum(make_spectrum(flux=slope, ivar=ivar))
    np.testing.assert_allclose(masked, whole, rtol=2e-3)


def test_the_sky_line_is_masked_in_the_observed_frame():
    flux = np.ones(SDSS.size)
    flux[np.abs(SDSS - 5578.9) < 4] = 30
    for z in (0.05, 0.1141, 0.45):
        reduced, ivar = reduce_spectrum(make_spectrum(z=z, flux=flux))
        np.testing.assert_allclose(reduced, 1, rtol=1e-6)
        hidden = np.abs(PAPER_GRID * (1 + z) - 5578.9) < 4
        assert np.all(ivar[hidden] == 0)


def test_normalisation_is_robust_and_the_papers_pixel_is_an_option():
    rest = SDSS / 1.05
    rng = np.random.default_rng(0)
    flux = 7.0 + 0.1 * rng.standard_normal(SDSS.size)
    nearest = np.argmin(np.abs(rest - 5100))
    flux[nearest] = 90.0
    ivar = np.full(SDSS.size, 100.0)
    assert continuum_level(rest, flux, ivar) == pytest.approx(7, rel=0.01)
    assert continuum_level(rest, flux, ivar, normalisation="pixel") == 90
    ivar[nearest] = 0
    assert (
        continuum_level(rest, flux, ivar, normalisation="pixel")
        == flux[nearest - 1 : nearest + 2 : 2][np.argmin(np.abs(rest[nearest - 1 : nearest + 2 : 2] - 5100))]
    )


def test_scale_of_the_flux_does_not_matter_and_signal_to_noise_stays():
    rng = np.random.default_rng(1)
    flux = 1 + 0.05 * rng.standard_normal(SDSS.size)
    ivar = np.full(SDSS.size, 400.0)
    one, one_ivar = reduce_spectrum(make_spectrum(flux=flux, ivar=ivar))
    two, two_ivar = reduce_spectrum(make_spectrum(flux=flux * 1e-17, ivar=ivar * 1e34))
    np.testing.assert_allclose(one, two, rtol=1e-9)
    np.testing.assert_allclose(one_ivar, two_ivar, rtol=1e-9)


BAD = {
    "no redshift": (dict(z=np.nan), "redshift"),
    "redshift out of range": (dict(z=1.5), "must cover"),
    "grid not reached": (dict(z=-0.2), "must cover at least 60%"),
    "5100 not reached": (dict(z=0.85), "5100"),
    "all masked": (dict(ivar=np.zeros(SDSS.size)), "ivar > 0"),
    "negative continuum": (dict(flux=-np.ones(SDSS.size)), "positive"),
    "all NaN": (dict(flux=np.full(SDSS.size, np.nan)), "ivar > 0"),
    "nothing near 5100": (dict(ivar=np.where(np.abs(SDSS / 1.05 - 5100) < 60, 0, 1.0)), "5040-5085"),
    "nothing beyond 5100": (dict(ivar=np.where(SDSS / 1.05 > 5080, 0, 1.0)), "5115-5160"),
    "half of the grid masked": (dict(ivar=np.where(np.abs(SDSS / 1.05 - 4400) < 400, 0, 1.0)), "60%"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_reduced_is_listed_with_its_reason(case):
    fields, reason = BAD[case]
    bad = make_spectrum(name="bad", meta={"file": "bad.fits"}, **fields)
    sample, rejected = reduce_spectra(
        [make_spectrum(name="good"), bad, Rejected("gone", "gone.fits", "is empty")]
    )
    assert list(sample["name"]) == ["good"]
    assert list(rejected["name"]) == ["bad", "gone"]
    assert list(rejected["file"]) == ["bad.fits", "gone.fits"]
    assert reason in rejected["reason"][0] and "\n" not in rejected["reason"][0]
    assert rejected["reason"][1] == "is empty"


def test_nothing_to_reduce_gives_an_empty_sample():
    sample, rejected = reduce_spectra([])
    assert len(sample) == len(rejected) == 0
    assert sample["flux"].shape == (0, 1000)


def test_shared_grid_is_the_overlap_of_all():
    near, far = make_spectrum(z=0.02), make_spectrum(z=0.75)
    grid = shared_grid([near, far])
    assert grid[0] == pytest.approx(SDSS[0] / 1.02) and grid[-1] == pytest.approx(SDSS[-1] / 1.75)
    sample, _ = reduce_spectra([near, far], grid=None)
    np.testing.assert_allclose(sample_grid(sample), grid)
    with pytest.raises(ReductionError, match="shared range must hold 5100"):
        shared_grid([near, make_spectrum(z=3.0)])
    with pytest.raises(ReductionError, match="no spectrum has a redshift"):
        shared_grid([make_spectrum(z=np.nan)])


@pytest.mark.parametrize("grid", [[1.0, 2.0], [5.0, 4.0, 3.0], [4000.0, 4001.0, 4003.0], np.ones((3, 3))])
def test_a_grid_must_be_equally_spaced(grid):
    with pytest.raises(ReductionError, match="equally spaced"):
        reduce_spectra([make_spectrum()], grid=grid)


@pytest.mark.parametrize("spectra", ["x.fits", ["x.fits"], None, make_spectrum(), [np.ones(5)]])
def test_what_is_no_list_of_spectra_is_refused(spectra):
    with pytest.raises(
        AgnError, match=r"spectra must be .*ObservedSpectrum; got \w+. Read files with"
    ) as caught:
        reduce_spectra(spectra)
    assert "\n" not in str(caught.value)


def test_an_unknown_normalisation_is_refused_before_any_spectrum():
    with pytest.raises(AgnError, match="normalisation must be 'window' or 'pixel'; got 'median'"):
        reduce_spectra([make_spectrum()], normalisation="median")


def test_every_survey_of_the_spectra_is_named():
    spectra = [make_spectrum(name=name) for name in "abc"]
    for spectrum, survey in zip(spectra, ("synthetic", "sdss", "sdss")):
        spectrum.meta["survey"] = survey
    assert reduce_spectra(spectra)[0].meta["survey"] == "sdss, synthetic"
    del spectra[1].meta["survey"]
    assert reduce_spectra(spectra[:2])[0].meta["survey"] == "synthetic, unknown"
    assert reduce_spectra(spectra, survey="mine")[0].meta["survey"] == "mine"


def test_a_sample_without_a_survey_says_so_and_one_without_a_grid_is_none():
    sample, _ = reduce_spectra([make_spectrum()])
    del sample.meta["survey"]
    assert repr(sample).endswith("survey unknown>")
    del sample.meta["grid_n"]
    with pytest.raises(AgnError, match="a reduced sample is needed, with its grid in its meta"):
        sample_grid(sample)


def test_sample_goes_to_fits_and_back(tmp_path):
    spectra = [make_spectrum(name=f"s{i}", plate=i, mjd=51000, fiberid=7, label=label) for i, label in
               enumerate(("type 1", None, "intermediate"))]  # fmt: skip
    sample, _ = reduce_spectra(spectra, survey="three")
    write_sample(sample, tmp_path / "sample.fits")
    back = read_sample(tmp_path / "sample.fits")
    assert back.meta["survey"] == "three" and back.meta["normalisation"] == "window"
    np.testing.assert_array_equal(sample_grid(back), PAPER_GRID)
    for name in sample.colnames:
        np.testing.assert_array_equal(np.asarray(back[name]), np.asarray(sample[name]))
    X, y = sample_arrays(back)
    assert X.shape == (3, 1000) and X.dtype == float and list(y) == ["type 1", "", "intermediate"]


def test_bad_sample_files_are_named(tmp_path):
    with pytest.raises(AgnError, match=r"absent\.fits is missing"):
        read_sample(tmp_path / "absent.fits")
    (tmp_path / "empty.fits").touch()
    with pytest.raises(AgnError, match=r"empty\.fits must be a table"):
        read_sample(tmp_path / "empty.fits")
    Table({"name": ["a"]}).write(tmp_path / "other.fits")
    with pytest.raises(ReductionError, match="lacks flux"):
        read_sample(tmp_path / "other.fits")
    (tmp_path / "file").touch()
    sample, _ = reduce_spectra([make_spectrum()])
    with pytest.raises(AgnError):
        write_sample(sample, tmp_path / "file" / "sample.fits")


def test_a_sample_says_and_draws_itself(plot_style):
    sample, _ = reduce_spectra([make_spectrum(name="a"), make_spectrum(name="b")], survey="two")
    assert repr(sample) == "<ReducedSample: 2 spectra of 1000 wavelengths, 3729 to 5266 Å; survey two>"
    assert repr(sample[:1]).startswith("<ReducedSample: 1 spectrum of 1000")
    assert "units of the flux at 5100 Å" in sample._repr_html_()
    np.testing.assert_array_equal(sample.grid, PAPER_GRID)
    assert {text.get_text() for text in sample.plot([0, 1]).texts} >= {"a", "b"}


def test_the_papers_grid_is_the_default_and_no_other_word_is_a_grid():
    spectrum = make_spectrum()
    np.testing.assert_array_equal(reduce_spectra([spectrum])[0].grid, PAPER_GRID)
    with pytest.raises(AgnError, match="grid must be 'paper', wavelengths in Å or None; got 'papers'"):
        reduce_spectra([spectrum], grid="papers")
