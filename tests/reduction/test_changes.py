"""Changes to a spectrum against closed forms, the reduction, and the statistics of noise."""

import numpy as np
import pytest

from agn_helpers.errors import AgnError, ReductionError
from agn_helpers.lines import LINES, PAPER_GRID, SPEED_OF_LIGHT
from agn_helpers.reduction import SpectrumChange, perturb_spectrum
from agn_helpers.reduction.changes import broad_hbeta
from agn_helpers.reduction.rest_frame import reduce_spectrum
from agn_helpers.spectra import ObservedSpectrum

STEP = PAPER_GRID[1] - PAPER_GRID[0]
HBETA = LINES["Hbeta"].wavelength


@pytest.fixture
def flat():
    """A continuum of 1 with a signal-to-noise ratio of 20 and three pixels that are not known."""
    ivar = np.full(PAPER_GRID.size, 400.0)
    ivar[100:103] = 0
    return np.ones(PAPER_GRID.size), ivar


@pytest.mark.parametrize("shift", [-1500, 0, 1500])
@pytest.mark.parametrize("width", [600, 3000, 6000])
def test_a_broad_line_has_the_flux_the_centre_and_the_width_it_was_given(flat, width, shift):
    change = SpectrumChange(broad_hbeta_flux=37.0, broad_hbeta_width=width, broad_hbeta_shift=shift)
    line = perturb_spectrum(PAPER_GRID, *flat, change)[0] - flat[0]
    flux = line.sum() * STEP
    centre = (line * PAPER_GRID).sum() * STEP / flux
    sigma = np.sqrt((line * (PAPER_GRID - centre) ** 2).sum() * STEP / flux)
    # The tail of the broadest under 5100 Å counts as continuum.
    assert flux == pytest.approx(37, rel=2e-3)
    assert centre == pytest.approx(HBETA * (1 + shift / SPEED_OF_LIGHT), abs=1.0)
    observed = np.sqrt(sigma**2 - STEP**2 / 12) * np.sqrt(8 * np.log(2)) / HBETA * SPEED_OF_LIGHT
    assert observed == pytest.approx(width, rel=0.03)


def test_the_profile_is_the_gaussian_where_that_is_broad_against_the_grid():
    profile = broad_hbeta(PAPER_GRID, width=4000)
    sigma = 4000 / SPEED_OF_LIGHT * HBETA / np.sqrt(8 * np.log(2))
    gaussian = np.exp(-0.5 * ((PAPER_GRID - HBETA) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(profile, gaussian, atol=1e-3 * gaussian.max())


def test_what_is_added_can_be_taken_away_again(flat):
    there = perturb_spectrum(PAPER_GRID, *flat, SpectrumChange(broad_hbeta_flux=60, broad_hbeta_width=4000))
    back = perturb_spectrum(PAPER_GRID, *there, SpectrumChange(broad_hbeta_flux=-60, broad_hbeta_width=4000))
    np.testing.assert_allclose(back[0], flat[0], atol=1e-4)
    np.testing.assert_allclose(back[1], flat[1], rtol=1e-4)


def test_a_slope_is_a_power_law_about_5100_angstrom_and_the_errors_follow(flat):
    flux, ivar = perturb_spectrum(PAPER_GRID, *flat, SpectrumChange(slope=-1.5))
    law = (PAPER_GRID / 5100) ** -1.5
    # The mean of the law over the window at 5100 Å differs from 1 by less than 1e-4.
    np.testing.assert_allclose(flux, law, rtol=1e-4)
    np.testing.assert_allclose(ivar, flat[1] / law**2, rtol=2e-4)


def test_a_changed_spectrum_is_what_the_reduction_makes_of_the_changed_observation():
    wavelength = np.arange(3500, 6000, 0.9)
    flux = 40 + 0.01 * (wavelength - 5000)
    ivar = np.full(wavelength.size, 4.0)
    level = 40 + 0.01 * 100
    line = 100 * level * broad_hbeta(wavelength, width=12000, shift=2000)
    observed, changed = (
        reduce_spectrum(ObservedSpectrum(wavelength, f, ivar, redshift=0.0)) for f in (flux, flux + line)
    )
    change = SpectrumChange(broad_hbeta_flux=100, broad_hbeta_width=12000, broad_hbeta_shift=2000)
    ours = perturb_spectrum(PAPER_GRID, *observed, change)
    # The line's wing reaches 5100 Å, so that without the second division this would fail.
    assert broad_hbeta(np.array([5100.0, 5101.0]), width=12000, shift=2000)[0] * 100 > 0.02
    np.testing.assert_allclose(ours[0], changed[0], rtol=1e-3)
    np.testing.assert_allclose(ours[1], changed[1], rtol=5e-3)


def test_noise_has_its_level_and_ivar_knows_it(flat):
    draws = [
        perturb_spectrum(PAPER_GRID, *flat, SpectrumChange(noise=0.1), random_state=seed)[0]
        for seed in range(60)
    ]
    assert np.std(draws) == pytest.approx(0.1, rel=0.03)
    _, ivar = perturb_spectrum(PAPER_GRID, *flat, SpectrumChange(noise=0.1))
    level = np.median(ivar[flat[1] > 0]) * (1 / 400 + 0.1**2)
    # What is left of it is the level at 5100 Å, the mean of about 19 noisy points.
    assert level == pytest.approx(1, abs=0.1)
    np.testing.assert_array_equal(ivar == 0, flat[1] == 0)


def test_the_same_seed_gives_the_same_noise_at_every_level(flat):
    weak, strong = (
        perturb_spectrum(PAPER_GRID, *flat, SpectrumChange(noise=noise), random_state=3)[0]
        for noise in (0.01, 0.02)
    )
    assert np.corrcoef(weak, strong)[0, 1] > 0.9999
    assert np.std(strong) == pytest.approx(2 * np.std(weak), rel=0.02)


def test_no_change_changes_nothing(flat):
    flux, ivar = perturb_spectrum(
        PAPER_GRID, *flat, SpectrumChange(broad_hbeta_width=2000, broad_hbeta_shift=300)
    )
    np.testing.assert_array_equal(flux, flat[0])
    np.testing.assert_array_equal(ivar, flat[1])


def test_a_change_says_what_it_is():
    change = SpectrumChange(broad_hbeta_flux=40, broad_hbeta_shift=-300, noise=0.05)
    assert change.describe() == "broad Hβ +40 Å (FWHM 5000 km/s, −300 km/s), noise 0.05"
    assert SpectrumChange().describe() == "" and SpectrumChange().is_nothing
    assert not SpectrumChange(slope=0.1).is_nothing


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"broad_hbeta_width": 0}, "broad_hbeta_width must be positive; got 0"),
        ({"noise": -0.1}, "noise must not be negative; got -0.1"),
        ({"slope": np.nan}, "slope must be finite; got nan"),
        ({"broad_hbeta_flux": np.inf}, "broad_hbeta_flux must be finite"),
    ],
)
def test_impossible_changes_are_refused(values, message):
    with pytest.raises(AgnError, match=message):
        SpectrumChange(**values)


def test_a_line_that_leaves_no_flux_at_5100_angstrom_is_refused(flat):
    absorbed = SpectrumChange(broad_hbeta_flux=-2000, broad_hbeta_width=20000, broad_hbeta_shift=12000)
    with pytest.raises(ReductionError, match="flux at 5100 Å must be positive"):
        perturb_spectrum(PAPER_GRID, *flat, absorbed)
