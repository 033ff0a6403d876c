"""Spectra of which something was not observed, simulated and real, by a model of the embedded survey."""

import dataclasses

import numpy as np
import pytest
from scipy.special import logsumexp

from agn_helpers.classifier import (
    SpectrumCompleter,
    TrainedModel,
    load_model,
    save_model,
    weigh_sample,
)
from agn_helpers.lines import LINES, PAPER_GRID
from agn_helpers.reduction import reduce_spectra, sample_arrays
from agn_helpers.spectra import ObservedSpectrum, read_spectra
from agn_helpers.survey import simulate_survey

HBETA = np.abs(LINES["Hbeta"].velocity(PAPER_GRID)) <= 3000
FOLDERS = ("sdss", "sdss2")


def hide(sample, mask):
    """The sample with pixels (n_grid,) or (n_spectra, n_grid) unobserved, and nonsense in their place."""
    hidden = sample.copy()
    hidden["ivar"] = np.where(mask, 0, sample["ivar"])
    hidden["flux"] = np.where(mask, -99, sample["flux"])
    return hidden


def hide_first(width):
    return lambda n_spectra: np.tile(PAPER_GRID < PAPER_GRID[0] + width, (n_spectra, 1))


def hide_tenth(n_spectra):
    return np.random.default_rng(0).random((n_spectra, PAPER_GRID.size)) < 0.1


def hide_gap(seed):
    """150 Å anywhere but in Hβ's window."""

    def hide_one(n_spectra):
        rng, (low, high) = np.random.default_rng(seed), LINES["Hbeta"].window(-3000, 3000)
        starts = rng.uniform(PAPER_GRID[0], PAPER_GRID[-1] - 150, 10 * n_spectra)
        starts = starts[(starts + 150 < low) | (starts > high)][:n_spectra, None]
        return (PAPER_GRID >= starts) & (PAPER_GRID < starts + 150)

    return hide_one


# Several gaps, since the place of one decides over a spectrum or two.
MASKS = {
    "first 50": [hide_first(50)],
    "first 100": [hide_first(100)],
    "first 200": [hide_first(200)],
    "tenth": [hide_tenth],
    "gap": [hide_gap(seed) for seed in (1, 2, 3)],
}


@pytest.fixture(scope="module")
def split(embedded_split):
    return embedded_split


@pytest.fixture(scope="module")
def model(completing_model):
    return completing_model


@pytest.fixture(scope="module")
def test_sample(embedded_sample, split):
    return embedded_sample[split[1]]


@pytest.fixture(scope="module")
def real(shared):
    """Real spectra of each folder, reduced."""
    samples = [reduce_spectra(read_spectra(shared / "spectra" / folder))[0] for folder in FOLDERS]
    assert [len(sample) for sample in samples] == [96, 93]
    return samples


def compare(model, samples, name):
    """Share of types as from whole spectra, and of log odds within two standard deviations of those."""
    same, within = [], []
    for sample in samples:
        whole = weigh_sample(sample, model).log_proba
        for mask in MASKS[name]:
            hidden = weigh_sample(hide(sample, mask(len(sample))), model)
            column = hidden.log_proba.argmax(axis=1)
            change = log_odds(hidden.log_proba, column) - log_odds(whole, column)
            same.append(whole.argmax(axis=1) == column)
            within.append(np.abs(change) <= 2 * hidden.log_odds_error)
    return np.concatenate(same).mean(), np.concatenate(within).mean()


def log_odds(log_proba, column):
    of_class = np.arange(log_proba.shape[1]) == column[:, None]
    return log_proba[of_class] - logsumexp(np.where(of_class, -np.inf, log_proba), axis=1)


@pytest.mark.parametrize("name", MASKS)
def test_simulated_spectra_keep_their_types_and_the_change_is_as_announced(model, test_sample, name):
    same, within = compare(model, [test_sample], name)
    assert same >= 0.98
    assert within >= 0.90


# What the embedded survey cannot tell: the bluest 200 Å of real broad-line spectra are 7 % brighter than in
# simulated ones alike elsewhere.
TOO_BLUE = pytest.mark.xfail(
    strict=True, reason="real spectra are bluer below 3930 Å than the embedded survey"
)


@pytest.mark.parametrize("name", [pytest.param(n, marks=[TOO_BLUE] * n.endswith("200")) for n in MASKS])
def test_real_spectra_keep_their_types(general_model, real, name):
    assert compare(general_model, real, name)[0] >= 0.98


@pytest.mark.parametrize("name", [pytest.param(n, marks=[TOO_BLUE] * n.endswith("200")) for n in MASKS])
def test_real_spectra_change_as_announced(general_model, real, name):
    assert compare(general_model, real, name)[1] >= 0.90


def test_no_real_spectrum_without_hbeta_has_a_type_in_silence(model, real):
    for sample in real:
        table = model.predict(hide(sample, HBETA))
        assert set(table["predicted"]) == {"undetermined"}
        assert all(
            text == "at least half of Hβ ± 3000 km/s must be observed; got 0%" for text in table["reason"]
        )
        assert all("Hbeta" in names.split("|") for names in table["missing_lines"])


def test_a_type_without_hbeta_can_be_had_by_force(model, test_sample):
    hidden = hide(test_sample[:5], HBETA)
    assert set(model.predict(hidden)["predicted"]) == {"undetermined"}
    forced = model.predict(hidden, force=True)
    assert set(forced["predicted"]) <= {"type 1", "intermediate", "type 2"}
    assert set(forced["reason"]) == {""}
    whole = model.predict(test_sample[:5])
    assert np.all(forced["log_odds_error"] > whole["log_odds_error"])


def test_half_of_hbeta_is_enough(model, test_sample):
    inside = np.flatnonzero(HBETA)
    for n_hidden, is_enough in ((len(inside) // 2, True), (len(inside) // 2 + 1, False)):
        few = test_sample[:1].copy()
        few["ivar"] = np.where(few["ivar"] > 0, few["ivar"], 1)
        mask = np.isin(np.arange(PAPER_GRID.size), inside[:n_hidden])
        (row,) = model.predict(hide(few, mask))
        assert (row["predicted"] != "undetermined") == is_enough
        assert ("Hbeta" in row["missing_lines"]) == (not is_enough)


def test_missing_lines_are_named(model, test_sample):
    first, oiii = PAPER_GRID < 4150, np.abs(LINES["OIII5007"].velocity(PAPER_GRID)) < 600
    whole = model.predict(test_sample)["missing_lines"] == ""
    few = test_sample[whole][:2]
    table = model.predict(hide(few, np.array([first, oiii])))
    assert list(table["missing_lines"]) == ["OII3727|HeI3889|Hdelta", "OIII5007"]
    np.testing.assert_allclose(table["unobserved"], np.mean(hide(few, [first, oiii])["ivar"] == 0, axis=1))


def test_without_completion_only_small_gaps_are_bridged(model, test_sample):
    plain = TrainedModel(model.estimator, model.grid, model.meta)
    assert "undetermined" not in plain.predict(test_sample)["predicted"]
    table = plain.predict(hide(test_sample[:3], PAPER_GRID < 3900))
    assert set(table["predicted"]) == {"undetermined"}
    assert "completes no spectra; got 89%" in table["reason"][0]


def test_whole_spectra_are_classified_as_without_completion(model, test_sample):
    few = test_sample[:20].copy()
    few["ivar"] = np.where(few["ivar"] > 0, few["ivar"], 1)
    plain = TrainedModel(model.estimator, model.grid, model.meta)
    table, expected = model.predict(few), plain.predict(few)
    for name in expected.colnames:
        np.testing.assert_array_equal(table[name], expected[name])
    assert not table["log_odds_error"].any()
    attribution = model.explain(few)
    np.testing.assert_array_equal(attribution.values, plain.explain(few).values)
    assert attribution.uncertainty is None and attribution.observed.all()


@pytest.fixture(scope="module")
def near():
    """Simulated spectra, moved to z = 0.005: they begin 50 to 60 Å within the grid."""
    spectra = simulate_survey(n_type1=4, n_intermediate=4, n_type2=4, random_state=7)[0]
    return [_move(spectrum, 0.005) for spectrum in spectra]


def _move(spectrum, redshift):
    wavelength = spectrum.wavelength / (1 + spectrum.redshift) * (1 + redshift)
    seen = wavelength > 3800
    arrays = (array[seen] for array in (wavelength, spectrum.flux, spectrum.ivar))
    return ObservedSpectrum(*arrays, redshift=redshift, name=spectrum.name, label=spectrum.label)


def test_nearby_galaxies_are_reduced_and_classified(model, near):
    sample, rejected = model.reduce(near)
    assert len(rejected) == 0
    blue = PAPER_GRID < 3800 / 1.005 - 2
    assert not sample["ivar"][:, blue].any()
    # Completed, not the constant that keeps the place.
    assert np.ptp(sample["flux"][:, blue], axis=1).min() > 0.01
    table = model.predict(sample)
    for name in ("p_type1", "log_odds_error"):
        np.testing.assert_allclose(table[name], model.classify(near)[name], rtol=1e-4, atol=1e-7)
    assert "undetermined" not in table["predicted"]
    labels = np.array([spectrum.label for spectrum in near])
    assert np.sum(table["predicted"] == labels) >= 10
    table = model.classify([dataclasses.replace(near[0], ivar=np.where(_in_hbeta(near[0]), 0, near[0].ivar))])
    assert list(table["predicted"]) == ["undetermined"]


def _in_hbeta(spectrum):
    return np.abs(LINES["Hbeta"].velocity(spectrum.wavelength / (1 + spectrum.redshift))) < 3000


@pytest.mark.parametrize("method", ["gradient", "smoothgrad", "occlusion"])
def test_what_was_not_observed_has_no_attribution_but_an_uncertainty(model, test_sample, method):
    sample = hide(test_sample[:3], PAPER_GRID < 3830)
    attribution = model.explain(sample, method=method)
    unobserved = np.asarray(sample["ivar"]) == 0
    np.testing.assert_array_equal(attribution.observed, ~unobserved)
    assert not attribution.values[unobserved].any()
    completed = weigh_sample(sample, model).flux
    np.testing.assert_array_equal(attribution.flux, completed)
    plain = TrainedModel(model.estimator, model.grid, model.meta)
    asked = {"method": method, "target": attribution.target}
    options = {"ivar": np.asarray(sample["ivar"])} if method == "smoothgrad" else {}
    full = plain.explain(completed, **asked, **options)
    np.testing.assert_array_equal(attribution.uncertainty[unobserved], np.abs(full.values[unobserved]))
    np.testing.assert_array_equal(attribution.values[~unobserved], full.values[~unobserved])
    if method == "smoothgrad":
        np.testing.assert_array_equal(attribution.uncertainty[~unobserved], full.uncertainty[~unobserved])
    else:
        assert not attribution.uncertainty[~unobserved].any()
    assert attribution[1:].observed.shape == (2, PAPER_GRID.size)


def test_the_completion_goes_to_a_file_and_back(model, test_sample, tmp_path):
    save_model(model, tmp_path / "model.skops")
    back = load_model(tmp_path / "model.skops")
    hidden = hide(test_sample[:4], PAPER_GRID < 3900)
    for name in ("p_type1", "log_odds_error"):
        np.testing.assert_array_equal(back.predict(hidden)[name], model.predict(hidden)[name])


def test_the_number_of_components_has_the_largest_likelihood(embedded_sample, split):
    few = embedded_sample[split[0][::2]]
    completer = SpectrumCompleter(cv=2).fit(sample_arrays(few)[0], np.asarray(few["ivar"]))
    assert completer.n_components_ in (30, 40, 60)
    assert completer.likelihood_[40] > completer.likelihood_[20] + 5 > completer.likelihood_[5] + 100
