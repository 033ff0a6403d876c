"""SmoothGrad against its definition, and against the closed form for little noise."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from agn_helpers.classifier import ProbabilisticSVC
from agn_helpers.saliency import gradient, smoothgrad
from agn_helpers.saliency import target as scores

from ..toy_spectra import make_spectra

X, IVAR, Y = make_spectra()
# The blue half is noisier than the red one.
IVAR[:, :75] /= 16

MODELS = {
    "linear": make_pipeline(
        StandardScaler(), make_pipeline(PCA(30), ProbabilisticSVC(kernel="linear", C=0.05, random_state=0))
    ),
    "rbf": ProbabilisticSVC(C=5, gamma=0.02, random_state=0),
}


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    return MODELS[request.param].fit(X, Y)


def test_is_the_mean_and_deviation_of_gradients_of_noisy_spectra(model):
    n_draws, rng = 20_000, np.random.default_rng(1)
    target = model.predict(X[:3])
    ours = smoothgrad(model, X[:3], ivar=IVAR[:3], n_draws=n_draws)
    for row in range(3):
        noisy = X[row] + IVAR[row] ** -0.5 * rng.normal(size=(n_draws, X.shape[1]))
        maps = gradient(model, noisy, target=target[row])
        mean, deviation = maps.mean(axis=0), maps.std(axis=0)
        # Two means of n draws differ by a few times their joint error, sqrt(2 / n) deviations.
        assert np.abs((ours.mean[row] - mean) / deviation).max() < 5 * np.sqrt(2 / n_draws)
        np.testing.assert_allclose(ours.standard_deviation[row], deviation, rtol=0.1)


def test_deviation_for_little_noise_is_the_hessian_times_the_noise(model):
    level, step = 1e-4, 1e-5
    target = model.predict(X[:1])[0]
    moves = step * np.eye(X.shape[1])
    ahead, behind = (gradient(model, X[0] + sign * moves, target=target) for sign in (1, -1))
    hessian = (ahead - behind) / (2 * step)
    ours = smoothgrad(model, X[:1], noise_level=level, n_draws=4000)
    np.testing.assert_allclose(ours.mean, gradient(model, X[:1]), rtol=1e-2, atol=1e-5)
    expected = level * np.linalg.norm(hessian, axis=1)
    np.testing.assert_allclose(ours.standard_deviation[0], expected, rtol=0.05)


def test_noise_is_that_of_ivar_and_there_is_none_where_ivar_is_zero(model):
    level = smoothgrad(model, X[:4], noise_level=0.05)
    same = smoothgrad(model, X[:4], ivar=np.full(X[:4].shape, 400.0))
    np.testing.assert_allclose(same.mean, level.mean, rtol=1e-9, atol=1e-12)
    nothing = smoothgrad(model, X[:4], ivar=np.zeros(X[:4].shape))
    exact = gradient(model, X[:4])
    np.testing.assert_allclose(nothing.mean, exact, atol=1e-12 * np.abs(exact).max())
    assert nothing.standard_deviation.max() < 1e-7 * np.abs(exact).max()


def test_draws_of_a_spectrum_depend_on_nothing_but_itself_and_the_seed(model, monkeypatch):
    together = smoothgrad(model, X[:7], ivar=IVAR[:7])
    alone = smoothgrad(model, X[4:5], ivar=IVAR[4:5])
    monkeypatch.setattr(scores, "BLOCK_ELEMENTS", 1)
    one_by_one = smoothgrad(model, X[:7][::-1], ivar=IVAR[:7])
    other_seed = smoothgrad(model, X[4:5], ivar=IVAR[4:5], random_state=np.random.RandomState(3))
    for name in ("mean", "standard_deviation"):
        expected = getattr(together, name)
        np.testing.assert_allclose(getattr(alone, name)[0], expected[4], rtol=1e-7, atol=1e-12)
        np.testing.assert_allclose(getattr(one_by_one, name)[::-1], expected, rtol=1e-7, atol=1e-12)
        assert not np.allclose(getattr(other_seed, name)[0], expected[4], rtol=1e-3)
    # Two spectra get different noise: their maps would otherwise err together.
    assert np.abs(np.corrcoef(together.mean - gradient(model, X[:7]))[0, 1]) < 0.95


def test_a_map_that_noise_cannot_change_is_infinitely_significant():
    spectra, ivar, label = make_spectra(classes=("type 1", "type 2"))
    model = ProbabilisticSVC(kernel="linear", random_state=0).fit(spectra, label)
    ours = smoothgrad(model, spectra[:2], ivar=ivar[:2], of="margin")
    np.testing.assert_allclose(ours.mean, gradient(model, spectra[:2], of="margin"), rtol=1e-12)
    assert (ours.significance > 1e6).all()


def test_significance_is_the_mean_in_standard_deviations(model):
    ours = smoothgrad(model, X[:2], ivar=IVAR[:2])
    np.testing.assert_array_equal(ours.significance, np.abs(ours.mean) / ours.standard_deviation)


def test_what_cannot_be_done_is_refused_with_the_reason(model):
    broken, negative = IVAR.copy(), IVAR.copy()
    broken[2, 3], negative[1, 0] = np.nan, -1
    forest = RandomForestClassifier(5, random_state=0).fit(X, Y)
    for message, attempt in {
        "got neither": lambda: smoothgrad(model, X),
        "got both": lambda: smoothgrad(model, X, ivar=IVAR, noise_level=0.1),
        "n_draws must be at least 2.*got 0": lambda: smoothgrad(model, X, ivar=IVAR, n_draws=0),
        "n_draws .*got 1": lambda: smoothgrad(model, X, ivar=IVAR, n_draws=1),
        "noise_level must be positive; got 0": lambda: smoothgrad(model, X, noise_level=0),
        r"ivar must have the shape of X, \(120, 151\)": lambda: smoothgrad(model, X, ivar=IVAR[1:]),
        "that of spectrum 2 is not": lambda: smoothgrad(model, X, ivar=broken),
        "that of spectrum 1 is not": lambda: smoothgrad(model, X, ivar=negative),
        "lime need no gradient": lambda: smoothgrad(forest, X, ivar=IVAR),
        "got type 9": lambda: smoothgrad(model, X, ivar=IVAR, target="type 9"),
    }.items():
        with pytest.raises(ValueError, match=message):
            attempt()
