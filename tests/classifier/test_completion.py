"""What was not observed, against brute-force conditioning of the whole Gaussian."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from agn_helpers.classifier import SpectrumCompleter, fit_completion
from agn_helpers.classifier.completion import _fill_noise, pair_products, solve_positive, unpack_pairs
from agn_helpers.errors import AgnError

N_GRID, N_SHAPES = 40, 4


def draw_sample(n_spectra, *, seed=0, noise=0.1):
    """Spectra of four smooth shapes with scatter of 0.05, noisier in the blue; flux and ivar."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0, 1, N_GRID)
    shapes = np.array([np.cos(np.pi * k * x) / (k + 1) for k in range(N_SHAPES)])
    sigma = noise * np.linspace(2, 1, N_GRID) * rng.uniform(0.5, 2, (n_spectra, 1))
    X = 1 + rng.normal(size=(n_spectra, N_SHAPES)) @ shapes + 0.05 * rng.normal(size=(n_spectra, N_GRID))
    return X + sigma * rng.normal(size=X.shape), sigma**-2.0


@pytest.fixture(scope="module")
def sample():
    return draw_sample(2000)


@pytest.fixture(scope="module")
def completer(sample):
    return SpectrumCompleter(N_SHAPES).fit(*sample)


@pytest.fixture(scope="module")
def gaps():
    """Spectra of which an end, a stretch, scattered pixels, nearly all and nothing is missing."""
    X, ivar = draw_sample(5, seed=1)
    ivar[0, :9] = ivar[1, 15:25] = ivar[2, ::4] = ivar[3, 1:] = 0
    return X, ivar


def condition_by_force(completer, flux, ivar):
    """Mean and covariance of what was not observed, from the covariance of all pixels."""
    variance = completer.scatter_ + _fill_noise(ivar[None])[0]
    whole = completer.components_.T @ completer.components_ + np.diag(variance)
    o, u = ivar > 0, ivar == 0
    pull = whole[np.ix_(u, o)] @ np.linalg.inv(whole[np.ix_(o, o)])
    offset = flux[o] - completer.mean_[o]
    mean = completer.mean_[u] + pull @ offset
    covariance = whole[np.ix_(u, u)] - pull @ whole[np.ix_(o, u)]
    return mean, covariance * completer.inflation_ * max(1, _misfit_by_force(completer, flux, ivar, whole))


def _misfit_by_force(completer, flux, ivar, whole):
    """Mean squared error of the mean of each tenth given all others, in units of its variance."""
    squares = []
    for stretch in np.array_split(np.arange(N_GRID), 10):
        inside = np.isin(np.arange(N_GRID), stretch) & (ivar > 0)
        others = ~np.isin(np.arange(N_GRID), stretch) & (ivar > 0)
        if inside.sum() < len(stretch) / 2:
            continue
        pull = whole[np.ix_(inside, others)] @ np.linalg.inv(whole[np.ix_(others, others)])
        error = flux[inside] - completer.mean_[inside] - pull @ (flux - completer.mean_)[others]
        squares.append(
            error.mean() ** 2 / (whole[np.ix_(inside, inside)] - pull @ whole[np.ix_(others, inside)]).mean()
        )
    return np.mean(squares) if squares else 0


def test_the_conditional_is_that_of_the_whole_gaussian(completer, gaps):
    X, ivar = gaps
    given = completer.condition(X, ivar)
    projected = given.project(np.eye(N_GRID), completer.components_)
    for row in range(len(X)):
        u = ivar[row] == 0
        mean, covariance = condition_by_force(completer, X[row], ivar[row])
        np.testing.assert_allclose(given.flux[row, u], mean, rtol=0, atol=1e-8)
        np.testing.assert_array_equal(given.flux[row, ~u], X[row, ~u])
        np.testing.assert_allclose(projected[row][np.ix_(u, u)], covariance, rtol=0, atol=1e-8)
        assert not projected[row][~u].any() and not projected[row][:, ~u].any()
    np.testing.assert_array_equal(completer.complete(X, ivar), given.flux)


def test_the_likelihood_is_that_of_the_observed_pixels(completer, gaps):
    X, ivar = gaps
    for row, value in enumerate(completer.log_likelihood(X, ivar)):
        o = ivar[row] > 0
        W = completer.components_[:, o]
        covariance = W.T @ W + np.diag(completer.scatter_[o] + 1 / ivar[row, o])
        expected = multivariate_normal.logpdf(X[row, o], completer.mean_[o], covariance)
        assert value == pytest.approx(expected, rel=1e-9)


def test_nothing_depends_on_fluxes_that_were_not_observed(sample, completer, gaps):
    X, ivar = gaps
    for anything in (1e6, np.nan):
        wild = np.where(ivar > 0, X, anything)
        np.testing.assert_array_equal(completer.complete(wild, ivar), completer.complete(X, ivar))
    spectra, weights = (array.copy() for array in sample)
    weights[::3, 5:9] = 0
    expected = SpectrumCompleter(N_SHAPES).fit(spectra, weights)
    spectra[::3, 5:9] = -1e6
    found = SpectrumCompleter(N_SHAPES).fit(spectra, weights)
    np.testing.assert_allclose(found.components_, expected.components_, rtol=1e-9)
    assert found.inflation_ == pytest.approx(expected.inflation_)


def test_a_gaussian_sample_is_found_as_it_was_drawn(sample):
    completer = SpectrumCompleter().fit(*sample)
    # Candidates are 5, 10 and 20; more than the four shapes only fit the noise.
    assert completer.n_components_ == 5
    assert set(completer.likelihood_) == {5, 10, 20, 30}
    assert completer.likelihood_[5] == max(completer.likelihood_.values())
    # Gaussian spectra are calibrated as they are.
    assert 1 <= completer.inflation_ < 1.1
    exact = SpectrumCompleter(N_SHAPES).fit(*sample)
    assert np.sqrt(np.median(exact.scatter_)) == pytest.approx(0.05, abs=0.01)


def test_what_was_hidden_lies_within_its_interval_as_often_as_promised(completer):
    X, ivar = draw_sample(2000, seed=3)
    seen = ivar.copy()
    seen[:, 10:22] = 0
    given = completer.condition(X, seen)
    weights = np.where((np.arange(N_GRID) >= 10) & (np.arange(N_GRID) < 22), 1.0, 0)[None]
    error = ((X - given.flux) @ weights.T)[:, 0]
    z = error / np.sqrt(given.project(weights, completer.components_)[:, 0, 0])
    # The noise that is interpolated is the true one here; 2000 spectra know the share to 0.5 %.
    assert np.mean(np.abs(z) < 1.96) == pytest.approx(0.95, abs=0.025)


def test_spectra_that_the_components_do_not_fit_are_less_certain(completer):
    X, ivar = draw_sample(1, seed=4)
    ivar[0, :8] = 0
    bumpy = X + 2 * np.exp(-0.5 * ((np.arange(N_GRID) - 22) / 1.5) ** 2)
    given = [completer.condition(spectra, ivar) for spectra in (X, bumpy)]
    assert given[1].variance[0, 0] > 3 * given[0].variance[0, 0]
    wide, narrow = (np.abs(np.linalg.inv(each.precision)).max() for each in given[::-1])
    assert wide > 3 * narrow


def test_batches_change_nothing(completer, monkeypatch):
    X, ivar = draw_sample(7, seed=5)
    ivar[:, 3:11] = 0
    together = completer.condition(X, ivar)
    monkeypatch.setattr("agn_helpers.classifier.completion._BATCH", 2)
    for one, other in zip(completer.condition(X, ivar), together):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-14)


def test_only_wide_gaps_of_a_training_sample_are_completed(sample):
    X, ivar = (array[:60].copy() for array in sample)
    ivar[0, 7:9], ivar[1, 7:17] = 0, 0
    completion, completed = fit_completion(X, ivar, np.arange(2, 60))
    changed = completed != X
    # Two of forty pixels are 5 % of the grid, which is still bridged.
    assert np.flatnonzero(changed.any(axis=1)).tolist() == [1]
    np.testing.assert_array_equal(changed[1], ivar[1] == 0)
    np.testing.assert_allclose(completed[1], completion.complete(X, ivar)[1], rtol=1e-12)
    np.testing.assert_array_equal(fit_completion(X[2:], ivar[2:], np.arange(58))[1], X[2:])
    assert completion.complete(X[:0], ivar[:0]).shape == (0, N_GRID)
    assert fit_completion(X, ivar, np.arange(9))[0] is None


def test_what_cannot_be_done_is_refused_with_the_reason(sample, completer):
    X, ivar = (array[:20] for array in sample)
    blank, broken = ivar.copy(), X.copy()
    blank[3], broken[0, 0] = 0, np.nan
    for message, attempt in {
        "at least 10 training spectra; got 9": lambda: SpectrumCompleter(2).fit(X[:9], ivar[:9]),
        "n_components must be from 1 to 10; got 11": lambda: SpectrumCompleter(11).fit(X, ivar),
        "number 3 has not": lambda: completer.complete(X, blank),
        r"must be \(n_spectra, 40\); got \(20, 39\)": lambda: completer.complete(X[:, 1:], ivar[:, 1:]),
        r"got \(20, 40\) and \(19, 40\)": lambda: SpectrumCompleter(2).fit(X, ivar[1:]),
    }.items():
        with pytest.raises(AgnError, match=message):
            attempt()
    for arrays in ((broken, ivar), (X, -ivar)):
        with pytest.raises(ValueError, match=r"NaN|Negative"):
            completer.complete(*arrays)


def test_equations_of_pairs_are_those_of_matrices():
    rng = np.random.default_rng(3)
    components, weight, right = rng.normal(size=(7, 40)), rng.random((5, 40)), rng.normal(size=(5, 7, 2))
    matrices = unpack_pairs(weight @ pair_products(components), 7)
    np.testing.assert_allclose(matrices, np.einsum("np,ap,bp->nab", weight, components, components))
    # One of them is not positive definite.
    matrices[2] -= 100 * np.eye(7)
    np.testing.assert_allclose(solve_positive(matrices, right), np.linalg.solve(matrices, right), rtol=1e-8)
    assert pair_products(components, np.float32).dtype == np.float32
