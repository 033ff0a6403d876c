"""Probabilities averaged over what was not observed, against many draws of it."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from agn_helpers.classifier import ProbabilisticSVC, SpectrumCompleter, marginal_proba, train_ensemble
from agn_helpers.classifier import marginal as module

from ..toy_spectra import make_spectra

X, IVAR, Y = make_spectra()

ESTIMATORS = {
    "linear": make_pipeline(
        StandardScaler(), PCA(30), ProbabilisticSVC(kernel="linear", C=0.05, random_state=0)
    ),
    "rbf": ProbabilisticSVC(C=5, gamma=0.02, random_state=0),
    "another": make_pipeline(StandardScaler(), LogisticRegression(C=0.01)),
}


@pytest.fixture(scope="module")
def completer():
    return SpectrumCompleter(6).fit(X, IVAR)


@pytest.fixture(scope="module", params=ESTIMATORS)
def estimator(request):
    return ESTIMATORS[request.param].fit(X, Y)


@pytest.fixture(scope="module")
def masked():
    """Half of Hβ is missing in some spectra, the blue end in others, nothing in the rest."""
    ivar = IVAR[:12].copy()
    ivar[:4, 55:78] = ivar[4:8, :40] = 0
    return X[:12], ivar


def test_spectra_without_gaps_are_classified_to_the_last_bit_as_without_completion(estimator, completer):
    given = marginal_proba(estimator, completer, X, IVAR)
    np.testing.assert_array_equal(given.log_proba, estimator.predict_log_proba(X))
    np.testing.assert_array_equal(given.flux, X)
    assert not given.log_odds_error.any()


def test_other_spectra_gaps_change_no_bit_of_a_whole_one(estimator, completer, masked):
    spectra, ivar = masked
    given = marginal_proba(estimator, completer, spectra, ivar)
    np.testing.assert_array_equal(given.log_proba[8:], estimator.predict_log_proba(spectra)[8:])


def test_probabilities_are_the_means_over_all_that_may_have_been(estimator, completer, masked):
    spectra, ivar = masked
    given, n_draws = marginal_proba(estimator, completer, spectra, ivar), 4000
    known, rng = completer.condition(spectra, ivar), np.random.default_rng(0)
    for row in (0, 3, 5, 7):
        u = known.unobserved[row]
        covariance = completer.components_.T @ np.linalg.solve(known.precision[row], completer.components_)
        covariance = covariance[np.ix_(u, u)] + np.diag(known.variance[row, u])
        drawn = np.repeat(known.flux[[row]], n_draws, axis=0)
        drawn[:, u] = rng.multivariate_normal(known.flux[row, u], covariance, n_draws)
        p = estimator.predict_proba(drawn)
        best = given.log_proba[row].argmax()
        odds = np.log(p[:, best] / np.delete(p, best, axis=1).sum(axis=1))
        # 64 draws, or 128 points of equal weight, know a mean to an eighth of the scatter, and less well.
        np.testing.assert_allclose(np.exp(given.log_proba[row]), p.mean(axis=0), atol=0.35 * p.std() + 1e-3)
        assert given.log_odds_error[row] == pytest.approx(odds.std(), rel=0.35)


def test_a_linear_kernel_is_averaged_with_exactly_the_covariance_of_its_decisions(completer, masked):
    estimator = ESTIMATORS["linear"].fit(X[Y != "intermediate"], Y[Y != "intermediate"])
    spectra, ivar = masked
    given = marginal_proba(estimator, completer, spectra, ivar)
    known = completer.condition(spectra, ivar)
    weights = module.linear_weights(estimator)
    sigma = np.sqrt(known.project(weights, completer.components_)[:, 0, 0])
    # For two classes log odds are a straight line in the only decision value.
    slope = np.abs(estimator[-1].sigmoids_[0, 0])
    np.testing.assert_allclose(given.log_odds_error, slope * sigma, rtol=1e-6, atol=1e-12)


def test_what_was_not_seen_widens_the_answer(estimator, completer):
    """The more of a spectrum is missing, the less certain is its type, on the average."""
    errors, certainty = [], []
    for n_missing in (0, 20, 60, 120):
        ivar = IVAR.copy()
        ivar[:, 150 - n_missing :] = 0
        given = marginal_proba(estimator, completer, X, ivar)
        errors.append(np.median(given.log_odds_error))
        certainty.append(np.exp(given.log_proba).max(axis=1).mean())
        np.testing.assert_allclose(np.exp(given.log_proba).sum(axis=1), 1)
    assert np.all(np.diff(errors) > 0)
    assert certainty[-1] < certainty[0] - 0.02


def test_a_spectrum_has_the_same_answer_in_any_company(estimator, completer, masked, monkeypatch):
    spectra, ivar = masked
    together = marginal_proba(estimator, completer, spectra, ivar)
    monkeypatch.setattr(module, "_BATCH", 3)
    monkeypatch.setattr(module, "_BATCH_DRAWS", 1)
    for part in (slice(2, 3), slice(0, 12)):
        alone = marginal_proba(estimator, completer, spectra[part], ivar[part])
        for one, other in zip(alone, together):
            np.testing.assert_allclose(one, other[part], rtol=1e-6, atol=1e-9)


def test_an_ensemble_is_its_members_trained_one_by_one():
    halves = [(X[::2], Y[::2]), (X[1::2], Y[1::2])]
    log_proba = module.ensemble_log_proba(train_ensemble(ESTIMATORS["linear"], iter(halves)), X)
    for half, values in zip(halves, log_proba):
        member = clone(ESTIMATORS["linear"]).fit(*half)
        np.testing.assert_allclose(values, member.predict_log_proba(X), rtol=1e-6, atol=1e-9)


def test_ensembles_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="at least one sample"):
        train_ensemble(ESTIMATORS["linear"], [])
    with pytest.raises(ValueError, match="of linear kernels"):
        train_ensemble(ESTIMATORS["rbf"], [(X, Y)])
    kept = np.unique(Y)[0] != Y if len(np.unique(Y)) > 2 else None
    other = (X[kept], Y[kept]) if kept is not None else (X, np.char.add("x", Y.astype(str)))
    with pytest.raises(ValueError, match="must have the classes"):
        train_ensemble(ESTIMATORS["linear"], [(X, Y), other])
