"""New spectra get the types of what they are, in chunks of any size."""

import numpy as np
import pytest
from astropy.table import Table
from numpy.testing import assert_allclose
from sklearn.base import clone

from agn_helpers.classifier import (
    NoveltyDetector,
    ProbabilisticSVC,
    TrainedModel,
    calibrate_sets,
    classify_spectra,
    describe_doubts,
    join_parts,
    train_ensemble,
)
from agn_helpers.errors import AgnError
from agn_helpers.lines import AGN_TYPES, LINES
from agn_helpers.reduction import reduce_spectra, sample_arrays, sample_grid
from agn_helpers.spectra import Rejected
from agn_helpers.survey import simulate_survey

ORIGIN = ["ra", "dec", "class", "zwarning", "assumptions"]


def train(spectra):
    sample, _ = reduce_spectra(spectra)
    estimator = ProbabilisticSVC(C=1.0, kernel="linear", random_state=0).fit(*sample_arrays(sample))
    return TrainedModel(estimator, sample_grid(sample), {"survey": "synthetic", "normalisation": "window"})


@pytest.fixture(scope="module")
def training_spectra():
    return simulate_survey(n_type1=60, n_intermediate=60, n_type2=60)[0]


@pytest.fixture(scope="module")
def model(training_spectra):
    return train(training_spectra)


@pytest.fixture(scope="module")
def doubting_model(model, training_spectra):
    """The same model, with what says how much it does not know."""
    sample, _ = reduce_spectra(training_spectra)
    X, y = sample_arrays(sample)
    detector = NoveltyDetector(random_state=0).fit(X, np.asarray(sample["ivar"]), grid=model.grid)
    extras = {"prediction_sets": calibrate_sets(model.estimator, X, y), "novelty": detector}
    return TrainedModel(model.estimator, model.grid, model.meta, extras)


@pytest.fixture(scope="module")
def spectra():
    return simulate_survey(n_type1=8, n_intermediate=0, n_type2=8, random_state=1)[0]


def test_types_come_out_as_they_were_put_in(model, spectra):
    (part,) = classify_spectra(spectra, model)
    columns = ["name", "redshift", "p_type1", "p_intermediate", "p_type2", "predicted", "snr"]
    columns += ["unobserved", "missing_lines", "reason"]
    assert part.table.colnames == [*columns, *ORIGIN]
    assert set(part.table["zwarning"]) == {-1} and set(part.table["assumptions"]) == {""}
    assert list(part.table["name"]) == [spectrum.name for spectrum in spectra]
    assert_allclose(part.table["redshift"], [spectrum.redshift for spectrum in spectra])
    probability = np.column_stack([part.table[f"p_{agn_type.key}"] for agn_type in AGN_TYPES.values()])
    assert_allclose(probability.sum(axis=1), 1)
    assert list(part.table["predicted"]) == [list(AGN_TYPES)[column] for column in probability.argmax(axis=1)]
    broad = [spectrum.label == "type 1" for spectrum in spectra]
    assert list(part.table["p_type1"] > part.table["p_type2"]) == broad
    assert np.all(part.table["snr"] > 5)


def test_chunks_change_nothing(model, spectra):
    spectra = [*spectra, Rejected("x", "x.fits", "broken")]
    whole, rejected = join_parts(list(classify_spectra(spectra, model)), model, run="a")
    for size in (1, 5):
        parts = list(classify_spectra(iter(spectra), model, chunk_size=size))
        assert len(parts) == -(-len(spectra) // size)
        table, also_rejected = join_parts(parts, model, run="a")
        assert table.colnames == whole.colnames
        for name in ("p_type1", "snr"):
            assert_allclose(table[name], whole[name])
        assert list(table["name"]) == list(whole["name"])
        assert [tuple(row) for row in also_rejected] == [("x", "x.fits", "broken")]
        assert len(rejected) == 1
        assert table.meta == whole.meta == rejected.meta
        assert whole.meta["survey"] == "synthetic"


def test_spectra_are_taken_a_chunk_at_a_time(model, spectra):
    taken = []
    parts = classify_spectra(
        (taken.append(spectrum.name) or spectrum for spectrum in spectra), model, chunk_size=4
    )
    next(parts)
    assert len(taken) == 4
    next(parts)
    assert len(taken) == 8


def test_type_that_the_model_never_saw_has_no_probability(spectra):
    (part,) = classify_spectra(spectra[:3], train(spectra))
    assert set(part.table["p_intermediate"]) == {0}
    assert_allclose(part.table["p_type1"] + part.table["p_type2"], 1)


def test_spectra_are_brought_onto_the_models_grid(model, spectra):
    grid = np.linspace(4200, 5200, 300)
    sample, _ = reduce_spectra(spectra, grid=grid)
    estimator = ProbabilisticSVC(C=1.0, kernel="linear", random_state=0).fit(*sample_arrays(sample))
    (part,) = classify_spectra(spectra[:2], TrainedModel(estimator, grid, {"normalisation": "pixel"}))
    assert part.sample["flux"].shape == (2, 300)
    assert part.sample.meta["normalisation"] == "pixel"


def test_only_rejected_spectra(model):
    (part,) = classify_spectra([Rejected("x", "x.fits", "broken")], model)
    assert len(part.table) == 0
    assert list(part.rejected["reason"]) == ["broken"]


def test_simulated_spectra_among_others_are_named(model, spectra):
    spectra[0].meta["survey"], kept = "sdss", spectra[0].meta["survey"]
    try:
        table, _ = join_parts(list(classify_spectra(spectra[:3], model)), model, run="a")
    finally:
        spectra[0].meta["survey"] = kept
    assert table.meta["survey"] == "sdss, synthetic"
    assert table.meta["model_survey"] == "synthetic"


def test_doubts_are_told_beside_the_types(model, doubting_model, spectra):
    (plain,) = classify_spectra(spectra, model)
    (part,) = classify_spectra(spectra, doubting_model)
    names = [name for name in plain.table.colnames if name not in ORIGIN]
    doubts = ["prediction_set", "novelty", "unlike_training", "unlike_in"]
    assert part.table.colnames == [*names, *doubts, *ORIGIN]
    for name in names:
        assert list(part.table[name]) == list(plain.table[name])
    X, _ = sample_arrays(part.sample)
    detector, sets = (doubting_model.extras[name] for name in ("novelty", "prediction_sets"))
    assert_allclose(part.table["novelty"], detector.novelty(X, np.asarray(part.sample["ivar"])))
    assert list(part.table["unlike_training"]) == list(part.table["novelty"] > 1)
    assert list(part.table["unlike_in"] != "") == list(part.table["unlike_training"])
    inside = sets.predict(model.estimator.predict_log_proba(X), part.table["novelty"])
    for types, row in zip(part.table["prediction_set"], inside):
        names = types.split("|") if types else []
        assert sorted(names) == sorted(sets.classes_[row])
        assert names == [name for name in AGN_TYPES if name in names]


def test_sets_of_undetermined_spectra_hold_all_types_that_may_be(doubting_model, spectra):
    """What was not observed leaves no type out that has 5 % or more, and no set empty."""
    sample, _ = doubting_model.reduce(spectra)
    window = np.abs(LINES["Hbeta"].velocity(doubting_model.grid)) <= 3000
    sample["ivar"][:, window] = 0
    table, forced = doubting_model.predict(sample), doubting_model.predict(sample, force=True)
    assert set(table["predicted"]) == {"undetermined"}
    for row, plain in zip(table, forced):
        allowed = {agn_type.name for agn_type in AGN_TYPES.values() if row[f"p_{agn_type.key}"] >= 0.05}
        sets = [set(filter(None, each["prediction_set"].split("|"))) for each in (row, plain)]
        assert allowed and sets[0] == allowed | sets[1]
    assert list(table["prediction_set"]) != list(forced["prediction_set"])


def test_a_model_of_other_classes_predicts_no_type(model, spectra):
    sample = model.reduce_all(spectra[:6])
    X, _ = sample_arrays(sample)
    stars = ProbabilisticSVC(kernel="linear", cv=2, random_state=0).fit(
        np.tile(X, (2, 1)), ["star", "galaxy"] * 6
    )
    other = TrainedModel(stars, grid=model.grid, meta=model.meta)
    with pytest.raises(AgnError, match=r"this one has the class 'galaxy'. Ask its estimator"):
        other.predict(sample)


def test_a_sample_without_a_survey_is_predicted_as_of_an_unknown_one(model, spectra):
    sample = model.reduce_all(spectra[:2])
    del sample.meta["survey"]
    assert model.predict(sample).meta["survey"] == "unknown"


def test_a_wrong_redshift_is_doubted(doubting_model):
    spectra, _ = simulate_survey(n_type1=0, n_intermediate=0, n_type2=10, random_state=2)
    for spectrum in spectra[:5]:
        spectrum.redshift += 0.02
    (part,) = classify_spectra(spectra, doubting_model)
    assert list(part.table["unlike_training"]) == [True] * 5 + [False] * 5


def test_doubts_of_chunks_are_joined(doubting_model, spectra):
    spectra = [Rejected("x", "x.fits", "broken"), *spectra[:3]]
    parts = list(classify_spectra(spectra, doubting_model, chunk_size=1))
    assert len(parts[0].table) == 0
    table, _ = join_parts(parts, doubting_model, run="a")
    (whole,) = classify_spectra(spectra, doubting_model)
    assert list(table["prediction_set"]) == list(whole.table["prediction_set"])
    # Sums of single precision depend on how many spectra are scored together.
    assert_allclose(table["novelty"], whole.table["novelty"], rtol=1e-4)
    assert table["unlike_training"].dtype == bool


def test_doubts_are_counted():
    table = Table(
        {"prediction_set": ["type 1", "type 1|type 2", "type 1", "type 2"], "unlike_training": [True] * 4}
    )
    several = "1 may well be of more than one type (column prediction_set)."
    assert describe_doubts(table) == [several, "4 spectra are unlike anything the model was trained on."]
    assert describe_doubts(table[:1])[1] == "1 spectrum is unlike anything the model was trained on."
    table["unlike_training"] = False
    assert describe_doubts(table)[1] == "0 spectra are unlike anything the model was trained on."
    assert describe_doubts(table["prediction_set", "unlike_training"][:0])[0].startswith("0 may")
    assert describe_doubts(Table({"name": ["x"]})) == []
    table["unlike_training"] = [True, True, False, False]
    table["unlike_in"] = ["lines", "features|lines", "", ""]
    table["p_low"] = [0.4, 0.9, 0.9, 0.9]
    doubted, _, unlike = describe_doubts(table)
    assert doubted == "1 type is doubted by a model of another survey (column p_low below 0.5)."
    assert unlike.endswith("was trained on (features 1, lines 2).")


def test_a_spectrum_unlike_the_training_sample_may_be_of_any_type(doubting_model):
    spectra, _ = simulate_survey(n_type1=5, n_intermediate=0, n_type2=5, random_state=3)
    for spectrum in spectra:
        x = spectrum.wavelength / (1 + spectrum.redshift) / 5100
        level = np.median(spectrum.flux)
        spectrum.flux = level * x**-1.5 + np.random.default_rng(0).normal(0, 0.03 * level, x.size)
        spectrum.ivar = np.full(x.size, (0.03 * level) ** -2)
    table = doubting_model.classify(spectra)
    assert set(table["unlike_in"]) == {"lines"}
    assert set(table["prediction_set"]) == {"|".join(AGN_TYPES)}


def test_probabilities_have_the_range_of_an_ensemble(model, spectra):
    samples = [
        sample_arrays(
            reduce_spectra(simulate_survey(n_type1=30, n_intermediate=30, n_type2=30, **seed)[0])[0]
        )
        for seed in ({"random_state": 1}, {"random_state": 2}, {"random_state": 3})
    ]
    ensemble = train_ensemble(model.estimator, iter(samples))
    knowing = TrainedModel(model.estimator, model.grid, model.meta, {"ensemble": ensemble})
    plain, table = model.classify(spectra), knowing.classify(spectra)
    assert table.colnames == [*plain.colnames[: -len(ORIGIN)], "p_low", "p_high", *ORIGIN]
    X, _ = sample_arrays(reduce_spectra(spectra)[0])
    members = [model.estimator, *(clone(model.estimator).fit(*sample) for sample in samples)]
    predicted = [list(model.classes).index(name) for name in table["predicted"]]
    each = [member.predict_proba(X)[np.arange(len(X)), predicted] for member in members]
    assert_allclose(table["p_low"], np.min(each, axis=0), rtol=1e-6)
    assert_allclose(table["p_high"], np.max(each, axis=0), rtol=1e-6)
    (empty,) = classify_spectra([Rejected("x", "x.fits", "broken")], knowing)
    assert empty.table.colnames == table.colnames
