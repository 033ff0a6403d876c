"""What is injected has the strength, width and place that it is said to have; turning points are exact."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from agn_helpers import TrainedModel, reduce_spectra, simulate_survey
from agn_helpers.audit import (
    CONCEPTS,
    inject_concept,
    measure_completeness,
    measure_concepts,
    what_would_turn,
)
from agn_helpers.audit.ensembles import Survey
from agn_helpers.classifier import ProbabilisticSVC
from agn_helpers.errors import AgnError
from agn_helpers.lines import LINES, PAPER_GRID
from agn_helpers.reduction import sample_arrays
from agn_helpers.tuning import train_model

GRID = np.asarray(PAPER_GRID)


@pytest.fixture(scope="module")
def sample():
    spectra, _ = simulate_survey(n_type1=60, n_intermediate=60, n_type2=120, random_state=5)
    return reduce_spectra(spectra)[0]


@pytest.fixture(scope="module")
def model(sample):
    return train_model(sample, doubts=False)


@pytest.mark.parametrize("concept, width, shift", [("broad Hβ", 4000, 0), ("displaced Hβ", 4000, -3500)])
def test_injected_lines_have_their_equivalent_width_and_place(concept, width, shift):
    added = inject_concept(np.ones((1, len(GRID))), GRID, concept, 10.0)[0] - 1
    centre = LINES["Hbeta"].wavelength * (1 + shift / 299792.458)
    near = np.abs(GRID - centre) < 150
    flux = np.trapezoid(added[near], GRID[near])
    assert flux == pytest.approx(10.0, rel=0.02)
    assert np.average(GRID[near], weights=added[near]) == pytest.approx(centre, abs=1.0)
    above = GRID[near][added[near] > added[near].max() / 2]
    assert (above[-1] - above[0]) / centre * 299792.458 == pytest.approx(width, rel=0.05)


@pytest.mark.parametrize("concept", CONCEPTS)
def test_nothing_of_a_concept_changes_nothing_and_fluxes_at_5100_stay(concept):
    X = 1 + 0.3 * np.sin(GRID / 200)[None]
    assert_allclose(inject_concept(X, GRID, concept, 0.0), X, rtol=1e-12)
    if concept in ("host light", "reddening", "slope"):
        at = np.argmin(np.abs(GRID - 5100))
        changed = inject_concept(X / X[0, at], GRID, concept, 0.4)
        assert changed[0, at] == pytest.approx(1, abs=2e-3)
    with pytest.raises(AgnError, match="concept must be one of broad Hβ"):
        inject_concept(X, GRID, "broad Hα", 1.0)


def test_the_turning_point_of_two_types_is_the_closed_form(sample):
    X, y = sample_arrays(sample)
    rows = y != "type 1"
    estimator = ProbabilisticSVC(0.07, kernel="linear", prior="sample", random_state=0).fit(X[rows], y[rows])
    model = TrainedModel(estimator, GRID)
    table = what_would_turn(model, sample[rows], concepts=["broad Hβ"])
    profile = inject_concept(np.zeros((1, len(GRID))), GRID, "broad Hβ", 1.0)[0]
    log_proba = estimator.predict_log_proba(X[rows])
    # Log odds of two types are linear in a linear kernel's decision value, and so in what is added.
    odds = log_proba[:, 0] - log_proba[:, 1]
    more = estimator.predict_log_proba(X[rows] + profile)
    exact = -odds / (more[:, 0] - more[:, 1] - odds)
    inside = (exact > CONCEPTS["broad Hβ"].least) & (exact < CONCEPTS["broad Hβ"].most)
    assert inside.mean() > 0.9
    assert_allclose(np.asarray(table["amount"])[inside], exact[inside], rtol=1e-6, atol=1e-6)
    assert np.isnan(np.asarray(table["amount"])[~inside]).all()


def test_a_little_more_than_the_turning_point_turns_a_little_less_does_not(model, sample):
    table = model.what_would_turn(sample[::7])
    X = sample_arrays(sample[::7])[0]
    names = list(sample["name"][::7])
    assert len(table) == 3 * len(names)
    known = table[~np.isnan(np.asarray(table["amount"]))]
    assert len(known) > len(names)
    for row in known:
        flux = X[[names.index(row["name"])]]
        beyond = inject_concept(flux, GRID, row["concept"], row["amount"] * (1 + 1e-6))
        before = inject_concept(flux, GRID, row["concept"], row["amount"] * (1 - 1e-6))
        assert model.estimator.predict(beyond) == row["turns_to"] != row["predicted"]
        assert model.estimator.predict(before) == row["predicted"]


def test_more_is_found_of_what_is_stronger(model, sample):
    table = measure_completeness(model, sample, widths=[4000], strengths=[0.0, 5, 20, 80])
    assert table["found"].is_monotonic_increasing
    assert table["found"].iloc[0] == 0 and table["found"].iloc[-1] == 1
    with pytest.raises(AgnError, match="needs type 2 spectra"):
        measure_completeness(model, sample[np.array(sample["label"]) == "type 1"])


def test_effects_are_medians_of_changes_of_log_odds(model, sample):
    every = np.arange(len(sample))
    values = measure_concepts(Survey(0, sample, None, every, every, model))
    X, y = sample_arrays(sample)
    X = X[y == "type 2"]
    classes = list(model.classes)
    one, two = classes.index("intermediate"), classes.index("type 2")
    before, after = (
        model.estimator.predict_log_proba(Z)
        for Z in (X, inject_concept(X, GRID, "[O III]", CONCEPTS["[O III]"].typical))
    )
    expected = np.median((after - before)[:, one] - (after - before)[:, two])
    assert values["[O III] | intermediate : type 2 | at type 2"] == pytest.approx(expected)
