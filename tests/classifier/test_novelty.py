"""What is unlike the training sample is found; noise, gaps and cosmic rays are not."""

import numpy as np
import pytest
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import median_filter

from agn_helpers.classifier import (
    NoveltyDetector,
    ProbabilisticSVC,
    TrainedModel,
    load_model,
    novelty,
    save_model,
)
from agn_helpers.classifier.novelty import NOVELTY_PARTS, _profile_variance
from agn_helpers.lines import LINES
from agn_helpers.reduction import reduce_spectra, sample_grid
from agn_helpers.spectra import read_spectra
from agn_helpers.survey import draw_objects, observe, simulate_survey
from agn_helpers.tuning import split_sample

GRID = np.linspace(4000.0, 4600.0, 300)
NOISE = 0.02


def simulate(n, *, seed, noise=NOISE, jitter=0.0):
    """Continua of any slope with a line of any strength: fluxes and inverse variances, (n, 300) each."""
    rng = np.random.default_rng(seed)
    slope, strength = rng.normal(0, 0.3, (n, 1)), rng.exponential(1.0, (n, 1))
    line = np.exp(-0.5 * ((GRID - 4200 - rng.normal(0, jitter, (n, 1))) / 6) ** 2)
    flux = 1 + slope * (GRID - 4300) / 300 + strength * line
    return flux + rng.normal(0, noise, flux.shape), np.full(flux.shape, noise**-2.0)


def add_feature(X, wavelength, depth, sigma=5.0):
    return X + depth * np.exp(-0.5 * ((GRID - wavelength) / sigma) ** 2)


@pytest.fixture(scope="module")
def detector():
    return NoveltyDetector(n_components=5, random_state=0).fit(*simulate(400, seed=0), grid=GRID)


@pytest.mark.parametrize(("precision", "error"), [(np.float64, 1e-8), (np.float32, 1e-3)])
def test_residual_is_that_of_generalised_least_squares(detector, monkeypatch, precision, error):
    monkeypatch.setattr(novelty, "_PRECISION", precision)
    X, ivar = simulate(3, seed=1)
    X = add_feature(X, 4450, -0.15)
    ivar[0, 40:60] = 0
    used = ivar > 0
    k = detector.n_components_
    components = detector.basis_[:k]
    offset = np.where(used, X - detector.mean_, 0)
    model = detector.mean_ + offset @ components.T @ components
    correlated = (detector.basis_.T * detector.prior_) @ detector.basis_
    for row, good, response in zip(range(3), used, detector.significance(X, ivar)):
        variance = NOISE**2 + detector.floor_[good] + (0.05 * model[row, good]) ** 2
        variance = variance + _profile_variance(model)[row, good]
        covariance = np.diag(variance) + correlated[np.ix_(good, good)]
        residual = np.zeros(GRID.size)
        # The part of the offset that its own error explains (Rasmussen & Williams 2006, eq. 2.25).
        residual[good] = np.sqrt(variance) * np.linalg.solve(covariance, offset[row, good])
        line = np.exp(-0.5 * np.arange(-4, 5) ** 2)
        norm = np.sqrt(np.convolve(good, line**2, mode="same").clip(1e-9))
        assert np.abs(residual).max() < 3  # below what is taken for a cosmic ray
        assert_allclose(response, np.convolve(residual, line, mode="same") / norm, atol=error)


def test_single_precision_changes_no_flag(monkeypatch):
    """Of a survey and of spectra unlike it, bright and faint."""
    spectra, _ = simulate_survey(n_type1=60, n_intermediate=60, n_type2=120, random_state=3)
    sample, _ = reduce_spectra(spectra)
    X, ivar = np.asarray(sample["flux"], float), np.asarray(sample["ivar"], float)
    detector = NoveltyDetector(random_state=0).fit(X[::2], ivar[::2], grid=sample_grid(sample))
    X = np.concatenate([X, X[:80, ::-1], X[:80] + 0.1 * (np.arange(1000) % 97 < 4)])
    ivar = np.concatenate([ivar, ivar[:80, ::-1], ivar[:80] * 1e4])
    single = detector.novelty_by_part(X, ivar)
    monkeypatch.setattr(novelty, "_PRECISION", np.float64)
    double = detector.novelty_by_part(X, ivar)
    assert_array_equal(single > 1, double > 1)
    assert 0.1 < (double[:, 0] > 1).mean() < 0.8
    assert_array_equal(single[:, 1:], double[:, 1:])
    assert_allclose(single[:, 0], double[:, 0], atol=1e-3, rtol=1e-3)


def test_fluxes_near_the_largest_that_a_sample_holds_are_still_finite(detector):
    X, ivar = simulate(3, seed=5)
    X[0, 100], X[1], ivar[2] = 3e38, 1e37, 1e-44
    assert np.isfinite(detector.significance(X, ivar)).all()


def test_the_median_of_five_is_scipys():
    values = np.random.default_rng(0).normal(size=(40, 57)).round(1)
    assert_array_equal(novelty._median_of_five(values), median_filter(values, size=(1, 5)))


def test_noise_alone_is_not_novel(detector):
    for noise in (NOISE, 0.1, 0.5):
        X, ivar = simulate(200, seed=2, noise=noise)
        assert np.mean(detector.novelty(X, ivar) > 1) <= 0.02
        assert detector.significance(X, ivar).std() < 1.05


def test_pure_noise_has_unit_responses():
    X, ivar = simulate(200, seed=3, noise=1.0)
    detector = NoveltyDetector(n_components=2, systematic=1e-6, random_state=0).fit(X, ivar, grid=GRID)
    assert_allclose(detector.significance(*simulate(200, seed=4, noise=1.0)).std(), 1, atol=0.03)


@pytest.mark.parametrize("depth", [0.8, -0.8])
def test_a_line_that_no_training_spectrum_has_is_found_where_it_is(detector, depth):
    X, ivar = simulate(20, seed=5)
    X = add_feature(X, 4500, depth)
    response = detector.significance(X, ivar)
    strongest = np.abs(response).argmax(axis=1)
    assert np.all(np.abs(GRID[strongest] - 4500) < 5)
    assert np.all(np.sign(response[np.arange(20), strongest]) == np.sign(depth))
    assert np.all(detector.novelty(X, ivar) > 1)
    features = np.abs(response).max(axis=1) / detector.thresholds_["features"]
    assert_allclose(detector.novelty_by_part(X, ivar)[:, 0], features)
    assert_allclose(detector.novelty(X, ivar), detector.novelty_by_part(X, ivar).max(axis=1))


def test_the_same_line_in_noise_is_not(detector):
    X, ivar = simulate(20, seed=5, noise=1.0)
    assert not np.any(detector.novelty(add_feature(X, 4500, 0.8), ivar) > 1)


def test_a_known_line_of_any_strength_and_a_smooth_error_are_not_novel(detector):
    X, ivar = simulate(20, seed=6)
    X = add_feature(X, 4200, 0.5, sigma=6.0) * (1 + 0.04 * np.sin(GRID / 40))
    assert not np.any(detector.novelty(X, ivar) > 1)


def test_what_is_masked_does_not_count(detector):
    X, ivar = simulate(5, seed=7)
    ivar[:, 100:130] = 0
    expected = detector.significance(X, ivar)
    X[:, 100:130] = 1e4
    assert_array_equal(detector.significance(X, ivar), expected)
    assert np.all(detector.novelty(X, ivar) < 1)


def test_a_cosmic_ray_is_not_a_line(detector):
    X, ivar = simulate(50, seed=8)
    places = np.random.default_rng(8).integers(5, 294, 50)
    for width in (0, 1):
        X[np.arange(50), places + width] += 0.5
        assert np.mean(detector.novelty(X, ivar) > 1) <= 0.04


@pytest.mark.parametrize(("precision", "error"), [(np.float64, 1e-7), (np.float32, 1e-4)])
def test_batches_change_nothing(detector, monkeypatch, precision, error):
    monkeypatch.setattr(novelty, "_PRECISION", precision)
    X, ivar = simulate(700, seed=9)
    whole = detector.novelty(X, ivar)
    parts = [detector.novelty(X[row : row + 300], ivar[row : row + 300]) for row in range(0, 700, 300)]
    assert_allclose(np.concatenate(parts), whole, rtol=error)
    assert detector.novelty(X[:0], ivar[:0]).shape == (0,)
    assert detector.significance(X[:0], ivar[:0]).shape == (0, 300)


def test_false_alarms_are_as_many_as_asked_for():
    flagged = []
    for seed in range(5):
        detector = NoveltyDetector(n_components=2, false_alarm=0.5, random_state=0)
        detector.fit(*simulate(400, seed=seed, jitter=9.0), grid=GRID)
        flagged.append(detector.novelty_by_part(*simulate(500, seed=100 + seed, jitter=9.0)) > 1)
    features, continuum, lines = np.mean(flagged, axis=(0, 1))
    assert features == pytest.approx(0.05, abs=0.02)  # 10 % of them
    # The noise alone of this continuum reaches as far; none of the lines that are looked for is on this grid.
    assert continuum <= 0.125
    assert lines == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"false_alarm": 0}, "false_alarm must be between 0 and 1; got 0"),
        ({"systematic": -0.1}, "systematic must be between 0 and 1; got -0.1"),
        ({"n_components": 0}, "n_components must be at least 1; got 0"),
        ({"cv": 1}, "n_splits"),
    ],
)
def test_parameters_out_of_range_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        NoveltyDetector(**change).fit(*simulate(30, seed=0), grid=GRID)


def test_arrays_that_do_not_fit_are_refused(detector):
    X, ivar = simulate(30, seed=0)
    with pytest.raises(ValueError, match="at least 10 training spectra; got 9"):
        NoveltyDetector().fit(X[:9], ivar[:9], grid=GRID)
    with pytest.raises(ValueError, match=r"must be \(n_spectra, 300\)"):
        detector.novelty(X, ivar[:10])
    with pytest.raises(ValueError, match=r"must be \(n_spectra, 300\)"):
        detector.novelty(X[:, :-1], ivar[:, :-1])
    with pytest.raises(ValueError, match="Negative values"):
        detector.novelty(X, -ivar)
    X[3, 3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        detector.novelty(X, ivar)


def test_a_detector_is_kept_with_its_model(detector, tmp_path):
    X, ivar = simulate(40, seed=10)
    estimator = ProbabilisticSVC(kernel="linear").fit(X, np.arange(40) % 2)
    save_model(TrainedModel(estimator, GRID, extras={"novelty": detector}), tmp_path / "model.skops")
    kept = load_model(tmp_path / "model.skops").extras["novelty"]
    assert_array_equal(kept.novelty(X, ivar), detector.novelty(X, ivar))
    assert kept.get_params() == detector.get_params()


# The embedded survey, and a detector trained on it alone


def arrays(sample):
    return np.asarray(sample["flux"]), np.asarray(sample["ivar"])


@pytest.fixture(scope="module")
def trained(embedded_sample):
    """A detector trained on 80 % of the embedded survey, as notebook 02 does, and the other 20 %."""
    split = split_sample(embedded_sample["label"], random_state=0)
    X, ivar = arrays(embedded_sample)
    rows = np.concatenate([split.train, split.validation])
    detector = NoveltyDetector(random_state=0).fit(X[rows], ivar[rows], grid=sample_grid(embedded_sample))
    return detector, embedded_sample[split.test]


def test_held_out_embedded_spectra_are_not_flagged(trained):
    detector, held_out = trained
    assert np.mean(detector.novelty(*arrays(held_out)) > 1) <= 0.02
    fresh, _ = reduce_spectra(simulate_survey(n_type1=60, n_intermediate=60, n_type2=180, random_state=7)[0])
    assert np.mean(detector.novelty(*arrays(fresh)) > 1) <= 0.03


def test_more_noise_on_embedded_spectra_does_not_flag_them(trained):
    detector, held_out = trained
    X, ivar = (array.astype(float) for array in arrays(held_out[::5]))
    X = X + np.random.default_rng(0).normal(0, 0.3, X.shape)
    ivar = np.divide(1, 1 / np.where(ivar > 0, ivar, 1) + 0.09, out=np.zeros(ivar.shape), where=ivar > 0)
    assert np.mean(detector.novelty(X, ivar) > 1) <= 0.04


def test_spectra_at_a_wrong_redshift_are_flagged(trained):
    detector, _ = trained
    spectra, _ = simulate_survey(n_type1=0, n_intermediate=0, n_type2=40, random_state=8)
    for spectrum in spectra:
        spectrum.redshift += 0.01
    sample, _ = reduce_spectra(spectra)
    assert np.mean(detector.novelty(*arrays(sample)) > 1) >= 0.9


# A detector trained on all kinds of nuclei, and what no nucleus is


@pytest.fixture(scope="module")
def general():
    """A detector trained on the general population, and other spectra of it."""
    numbers = {"n_type1": 1000, "n_intermediate": 1000, "n_type2": 2000}
    fitted, others = (
        reduce_spectra(simulate_survey(population="general", random_state=seed, **sizes)[0])[0]
        for seed, sizes in ((0, numbers), (1, dict.fromkeys(numbers, 100)))
    )
    detector = NoveltyDetector(random_state=0).fit(*arrays(fitted), grid=sample_grid(fitted))
    return detector, *arrays(others)


# What a wrong calibration may make of fluxes and their inverse variances; x is the wavelength over 5100 Å.
CHANGES = {
    "steeper": lambda X, ivar, x: (X * x**6, ivar / x**12),
    "bluer": lambda X, ivar, x: (X / x**6, ivar * x**12),
    "inverted": lambda X, ivar, x: (2 - X, ivar),
    "backwards": lambda X, ivar, x: (X[:, ::-1], ivar[:, ::-1]),
    "zero too high": lambda X, ivar, x: (X + 0.3, ivar),
    "zero too low": lambda X, ivar, x: (X - 0.3, ivar),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_wrong_calibration_is_flagged(general, change):
    detector, X, ivar = general
    assert np.mean(detector.novelty(X, ivar) > 1) <= 0.04
    changed = detector.novelty(*CHANGES[change](X, ivar, detector.grid_ / 5100))
    assert np.mean(changed > 1) >= 0.95


@pytest.mark.parametrize("slope", [-2.5, -1.5, 0.0, 1.0, 6.0])
def test_power_laws_without_lines_are_flagged(general, slope):
    detector, X, ivar = general
    noise = np.where(ivar > 0, 1 / np.sqrt(np.where(ivar > 0, ivar, 1)), 0)
    power_law = (detector.grid_ / 5100) ** slope + noise * np.random.default_rng(0).standard_normal(X.shape)
    parts = detector.novelty_by_part(power_law, ivar) > 1
    assert np.mean(parts.any(axis=1)) >= 0.98
    clear = np.median(noise, axis=1) < 0.1
    assert np.all(parts[clear].any(axis=1))


def test_hosts_without_emission_lines_lack_lines(general):
    detector, _, _ = general
    galaxies = draw_objects("type 2", 100, population="general", random_state=2)
    galaxies["ew_hbeta"] = 0
    sample, _ = reduce_spectra(observe(galaxies))
    assert np.mean(detector.novelty_by_part(*arrays(sample))[:, NOVELTY_PARTS.index("lines")] > 1) >= 0.9


def test_what_was_not_observed_of_lines_does_not_lack(general):
    detector, X, ivar = general
    around = np.zeros(len(detector.grid_), dtype=bool)
    for line in ("OII3727", "Hbeta", "OIII4959", "OIII5007"):
        around |= np.abs(LINES[line].velocity(detector.grid_)) < 3000
    parts = detector.novelty_by_part(np.where(around, 1, X), np.where(around, 0, ivar))
    assert np.all(np.isneginf(parts[:, NOVELTY_PARTS.index("lines")]))


def real_spectra(shared):
    """Fluxes, ivar and kinds of the real SDSS spectra."""
    parts = []
    for folder in ("sdss", "sdss2"):
        sample, rejected = reduce_spectra(read_spectra(shared / "spectra" / folder))
        assert len(rejected) == 0
        index = Table.read(shared / "spectra" / folder / "index.csv")
        kinds = {str(row["file"]).removesuffix(".fits"): str(row["kind"]) for row in index}
        parts.append((*arrays(sample), np.array([kinds[name] for name in sample["name"]])))
    return [np.concatenate(each) for each in zip(*parts)]


def test_real_stars_are_flagged_and_real_agn_are_not(general, shared):
    detector, _, _ = general
    X, ivar, kind = real_spectra(shared)
    unlike = detector.novelty(X, ivar) > 1
    assert np.mean(unlike[kind == "star"]) >= 0.85
    nuclei = np.isin(kind, ["broad", "narrow"])
    assert nuclei.sum() == 133
    assert np.mean(unlike[nuclei]) <= 0.05
    shares = {
        name: np.mean(detector.novelty(*change(X[nuclei], ivar[nuclei], detector.grid_ / 5100)) > 1)
        for name, change in CHANGES.items()
    }
    assert min(shares.values()) >= 0.95


def test_stars_are_flagged_by_the_papers_population_too(trained, shared):
    X, ivar, kind = real_spectra(shared)
    assert np.mean(trained[0].novelty(X, ivar)[kind == "star"] > 1) >= 0.85
