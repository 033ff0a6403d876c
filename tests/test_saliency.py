"""Attributions against closed forms, the exact gradient, and a loop over pixels."""

import numpy as np
import pytest
from astropy.table import Table
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier

from agn_helpers.classifier import ProbabilisticSVC
from agn_helpers.saliency import find_target, finite_difference, write_saliency

CLASSES = np.array(["intermediate", "type 1", "type 2"])


@pytest.fixture(scope="module")
def spectra():
    """Positive curves of three classes that differ in a bump's height."""
    rng = np.random.default_rng(0)
    label = CLASSES[np.arange(120) % 3]
    bump = np.exp(-0.5 * ((np.arange(30) - 15) / 3) ** 2)
    height = np.select([label == "type 1", label == "intermediate"], [1.0, 0.5], 0.0)
    return 1 + height[:, None] * bump + 0.2 * rng.normal(size=(120, 30)), label


@pytest.fixture(scope="module")
def logistic(spectra):
    return LogisticRegression(max_iter=1000).fit(*spectra)


@pytest.fixture(scope="module")
def machine(spectra):
    return ProbabilisticSVC(C=0.5, kernel="linear", random_state=0).fit(*spectra)


def exact_logistic(model, X, target):
    """By the definition of softmax, d log p_t / dx = w_t - sum over c of p_c w_c."""
    column = [list(model.classes_).index(name) for name in target]
    return model.coef_[column] - model.predict_proba(X) @ model.coef_


def test_tends_to_the_closed_form_as_the_step_shrinks(logistic, spectra):
    X, target = spectra[0][:9], spectra[1][:9]
    exact = exact_logistic(logistic, X, target)
    errors = [
        np.abs(finite_difference(logistic, X, target=target, step=step) - exact).max()
        for step in (1e-2, 1e-3, 1e-4)
    ]
    # A forward difference errs by a multiple of its step.
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.05)
    assert errors[1] / errors[2] == pytest.approx(10, rel=0.05)


def test_agrees_with_the_exact_gradient_of_the_support_vector_classifier(machine, spectra):
    X = spectra[0][:12]
    exact = machine.log_proba_gradient(X)
    small = finite_difference(machine, X, step=1e-5)
    np.testing.assert_allclose(small, exact, atol=1e-4 * np.abs(exact).max())
    assert np.corrcoef(finite_difference(machine, X).ravel(), exact.ravel())[0, 1] > 0.9999


def test_is_the_papers_formula_pixel_by_pixel(machine, spectra):
    flux = spectra[0][4]
    target = machine.predict([flux])[0]
    column = list(machine.classes_).index(target)
    before = machine.predict_proba([flux])[0, column]
    for of, score in (("log_p", np.log), ("p", lambda p: p)):
        attribution = finite_difference(machine, [flux], of=of)[0]
        for pixel in (0, 7, 15, 29):
            raised = flux.copy()
            raised[pixel] += 0.01 * flux[pixel]
            after = machine.predict_proba([raised])[0, column]
            expected = (score(after) - score(before)) / (0.01 * flux[pixel])
            assert attribution[pixel] == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_probabilities_of_all_classes_together_cannot_change(machine, spectra):
    X = spectra[0][:6]
    total = sum(finite_difference(machine, X, target=name, of="p") for name in CLASSES)
    assert np.abs(total).max() < 1e-12 / (0.01 * np.abs(X).min())


@pytest.mark.parametrize("value", [0.0, 1e-12, -1e-9, -0.4])
def test_is_safe_where_the_flux_is_zero_or_negative(logistic, spectra, value):
    X = spectra[0][:5].copy()
    X[:, 10] = value
    target = [str(name) for name in spectra[1][:5]]
    attribution = finite_difference(logistic, X, target=target, step=1e-4)
    np.testing.assert_allclose(attribution, exact_logistic(logistic, X, target), rtol=1e-2, atol=1e-4)


def test_a_spectrum_of_nothing_but_zeros_is_explained_too(logistic):
    X = np.zeros((1, 30))
    attribution = finite_difference(logistic, X, target="type 1", step=1e-4)
    np.testing.assert_allclose(attribution, exact_logistic(logistic, X, ["type 1"]), rtol=1e-2, atol=1e-4)


def test_the_target_is_the_most_probable_class_unless_named(machine, spectra):
    X = spectra[0][:10]
    predicted = machine.predict(X)
    np.testing.assert_array_equal(machine.classes_[find_target(machine, X)], predicted)
    np.testing.assert_array_equal(
        finite_difference(machine, X), finite_difference(machine, X, target=predicted)
    )


class Counting:
    """Another estimator, of which it is known how many spectra it was ever given at once."""

    def __init__(self, estimator):
        self.estimator, self.classes_, self.largest = estimator, estimator.classes_, 0

    def predict_proba(self, X):
        self.largest = max(self.largest, len(X))
        return self.estimator.predict_proba(X)


def test_the_batch_bounds_what_is_classified_at_once_and_changes_nothing(logistic, spectra):
    X = spectra[0][:7]
    whole = finite_difference(logistic, X)
    for batch_size in (7, 31, 64):
        counting = Counting(logistic)
        np.testing.assert_allclose(finite_difference(counting, X, batch_size=batch_size), whole, atol=1e-10)
        assert counting.largest == batch_size


def test_the_spectra_themselves_are_left_alone(logistic, spectra):
    X = spectra[0][:3]
    before = X.copy()
    finite_difference(logistic, X)
    np.testing.assert_array_equal(X, before)


def test_any_estimator_with_probabilities_will_do(spectra):
    forest = RandomForestClassifier(10, random_state=0).fit(*spectra)
    assert np.isfinite(finite_difference(forest, spectra[0][:3])).all()


def test_what_cannot_be_explained_is_refused_with_the_reason(logistic, machine, spectra):
    X, y = spectra
    forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    hopeless = np.flatnonzero(forest.predict_proba(X)[:, 0] == 0)[:1]
    broken = X[:2].copy()
    broken[1, 3] = np.nan
    for message, attempt in {
        "target must be one of": lambda: finite_difference(logistic, X[:2], target="type 3"),
        "target must be one label": lambda: finite_difference(logistic, X[:2], target=["type 1"]),
        "NaN": lambda: finite_difference(logistic, broken),
        "features": lambda: finite_difference(machine, X[:2, 1:]),
        "must have predict_proba; RidgeClassifier": lambda: finite_difference(RidgeClassifier().fit(X, y), X),
        "step must be positive; got 0": lambda: finite_difference(logistic, X, step=0),
        "of must be 'log_p' or 'p'": lambda: finite_difference(logistic, X, of="logit"),
        "batch_size must be at least 1": lambda: finite_difference(logistic, X, batch_size=0),
        "log p has no derivative where p is 0": lambda: finite_difference(
            forest, X[hopeless], target="intermediate"
        ),
    }.items():
        with pytest.raises(ValueError, match=message):
            attempt()


def test_the_file_names_spectra_targets_and_survey(machine, spectra, tmp_path):
    attribution = finite_difference(machine, spectra[0][:4])
    grid = np.linspace(4000, 5000, 30)
    write_saliency(
        tmp_path / "saliency.fits",
        name=list("abcd"),
        target=spectra[1][:4],
        attribution=attribution,
        grid=grid,
        meta={"survey": "synthetic"},
    )
    table = Table.read(tmp_path / "saliency.fits", character_as_bytes=False)
    np.testing.assert_array_equal(table["attribution"], attribution)
    assert list(table["name"]) == list("abcd")
    assert list(table["target"]) == list(spectra[1][:4])
    meta = {key.lower(): value for key, value in table.meta.items()}
    assert (meta["survey"], meta["grid_min"], meta["grid_max"], meta["grid_n"]) == (
        "synthetic",
        4000,
        5000,
        30,
    )
