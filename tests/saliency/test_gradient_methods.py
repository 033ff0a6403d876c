"""Exact gradients and integrated gradients against closed forms."""

import warnings

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from agn_helpers.classifier import ProbabilisticSVC
from agn_helpers.saliency import finite_difference, gradient, remove_lines
from agn_helpers.saliency.gradient_methods import gradient_times_input, integrated_gradients
from agn_helpers.saliency.windows import class_mean

from ..toy_spectra import CLASSES, GRID, make_spectra

X, _, Y = make_spectra()

MODELS = {
    "linear": ProbabilisticSVC(C=0.5, kernel="linear", random_state=0),
    "rbf": ProbabilisticSVC(C=5, gamma=0.02, random_state=0),
    "poly": ProbabilisticSVC(C=0.1, kernel="poly", degree=2, coef0=1, gamma=0.05, random_state=0),
    "scaled": make_pipeline(StandardScaler(), PCA(20), ProbabilisticSVC(kernel="linear", random_state=0)),
}


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    return MODELS[request.param].fit(X, Y)


@pytest.fixture(scope="module")
def two_classes():
    spectra, _, label = make_spectra(classes=("type 1", "type 2"))
    return ProbabilisticSVC(C=0.5, kernel="linear", random_state=0).fit(spectra, label)


def central_difference(score, spectra, step=1e-5):
    """Numerical gradient (n, n_grid) of score(spectra) -> (n,)."""
    columns = []
    for pixel in range(spectra.shape[1]):
        move = np.zeros(spectra.shape[1])
        move[pixel] = step
        columns.append((score(spectra + move) - score(spectra - move)) / (2 * step))
    return np.stack(columns, axis=1)


class TestGradient:
    @pytest.mark.parametrize("target", [None, "type 2"])
    @pytest.mark.parametrize("of", ["log_p", "p"])
    def test_is_the_central_difference(self, model, target, of):
        spectra = X[:6]
        label = model.predict(spectra) if target is None else np.full(6, target)
        column = np.searchsorted(CLASSES, label)
        function = model.predict_log_proba if of == "log_p" else model.predict_proba
        numerical = central_difference(lambda moved: function(moved)[np.arange(6), column], spectra)
        exact = gradient(model, spectra, target=target, of=of)
        np.testing.assert_allclose(exact, numerical, atol=1e-6 * np.abs(exact).max())

    @pytest.mark.parametrize("kernel", ["linear", "rbf"])
    def test_of_two_classes_is_the_central_difference_too(self, kernel):
        spectra, _, label = make_spectra(n_spectra=60, classes=("type 1", "type 2"))
        model = ProbabilisticSVC(kernel=kernel, random_state=0).fit(spectra, label)
        column = model.predict_proba(spectra).argmax(axis=1)
        numerical = central_difference(
            lambda moved: model.predict_log_proba(moved)[np.arange(60), column], spectra
        )
        exact = gradient(model, spectra)
        np.testing.assert_allclose(exact, numerical, atol=1e-6 * np.abs(exact).max())
        assert len(set(column)) == 2

    def test_finite_difference_tends_to_it_as_the_step_shrinks(self, model):
        exact = gradient(model, X[:4])
        errors = [np.abs(finite_difference(model, X[:4], step=h) - exact).max() for h in (1e-2, 1e-3, 1e-4)]
        # A forward difference errs by a multiple of its step.
        assert errors[0] / errors[1] == pytest.approx(10, rel=0.1)
        assert errors[1] / errors[2] == pytest.approx(10, rel=0.1)

    def test_of_log_odds_is_that_of_log_p_over_the_rest_and_never_saturates(self, model):
        for spectra in (X[:4], X[:4] + 30 * (X[:4] - X.mean(axis=0))):
            log_proba = model.predict_log_proba(spectra)
            column = log_proba.argmax(axis=1)
            rest = np.where(np.arange(3) == column[:, None], -np.inf, log_proba)
            expected = gradient(model, spectra) / np.exp(rest).sum(axis=1)[:, None]
            np.testing.assert_allclose(
                gradient(model, spectra, of="log_odds"), expected, rtol=1e-9, atol=1e-300
            )

        def score(moved):
            values = model.predict_proba(moved)[:, 0]
            return np.log(values / (1 - values))

        exact = gradient(model, X[:2], target=model.classes_[0], of="log_odds")
        scale = np.abs(exact).max()
        np.testing.assert_allclose(exact, central_difference(score, X[:2]), atol=1e-4 * scale)

    def test_of_the_margin_is_the_machines_weights_for_a_linear_kernel(self, two_classes):
        toward_second = gradient(two_classes, X[:3], target="type 2", of="margin")
        np.testing.assert_array_equal(toward_second, np.tile(-two_classes.coef_, (3, 1)))
        np.testing.assert_array_equal(
            gradient(two_classes, X[:3], target="type 1", of="margin"), -toward_second
        )

    def test_of_the_margin_is_that_over_the_most_probable_rival(self, model):
        # The pair of a target and its rival: (0, 1), (0, 2), (1, 2).
        final = model[-1] if isinstance(MODELS["scaled"], type(model)) else model
        inner = model[:-1].transform if final is not model else lambda spectra: spectra
        proba = model.predict_proba(X[:9])
        target, rival = np.argsort(proba, axis=1)[:, :-3:-1].T
        pair = np.minimum(target, rival) + np.maximum(target, rival) - 1
        sign = np.where(target < rival, 1, -1)
        numerical = central_difference(
            lambda moved: sign * final.pair_decisions(inner(moved))[np.arange(9), pair], X[:9]
        )
        exact = gradient(model, X[:9], of="margin")
        np.testing.assert_allclose(exact, numerical, atol=1e-6 * np.abs(exact).max())
        assert (final.pair_decisions(inner(X[:9]))[np.arange(9), pair] * sign > 0).mean() > 0.5

    def test_labels_one_by_one_and_float32_are_understood(self, model):
        each = gradient(model, X[:3], target=["type 1", "type 2", "type 1"])
        np.testing.assert_allclose(
            each[1], gradient(model, X[1:2], target="type 2")[0], rtol=1e-9, atol=1e-12
        )
        single = gradient(model, X[:3].astype(np.float32), target="type 1")
        np.testing.assert_allclose(single, gradient(model, X[:3], target="type 1"), rtol=1e-3, atol=1e-5)


class TestGradientTimesInput:
    def test_is_the_product_with_the_flux_above_the_continuum(self, model):
        expected = gradient(model, X[:5]) * (X[:5] - remove_lines(X[:5], GRID))
        np.testing.assert_array_equal(gradient_times_input(model, X[:5], grid=GRID), expected)


class TestIntegratedGradients:
    @pytest.mark.parametrize("of", ["log_p", "p", "margin"])
    def test_adds_up_to_the_change_of_the_score(self, model, of):
        baseline = remove_lines(X, GRID)
        attribution = integrated_gradients(model, X, baseline=baseline, target="type 1", of=of)
        if of != "margin":
            function = model.predict_log_proba if of == "log_p" else model.predict_proba
            change = (function(X) - function(baseline))[:, 1]
            np.testing.assert_allclose(attribution.sum(axis=1), change, rtol=0.01, atol=1e-6)
        assert (attribution[X == baseline] == 0).all()

    def test_is_gradient_times_difference_for_a_linear_kernel_on_the_margin(self, two_classes):
        for baseline in (remove_lines(X[:20], GRID), class_mean(X, Y, "type 2")):
            attribution = integrated_gradients(two_classes, X[:20], baseline=baseline, of="margin")
            expected = gradient(two_classes, X[:20], of="margin") * (X[:20] - baseline)
            np.testing.assert_allclose(attribution, expected, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(
            gradient_times_input(two_classes, X[:20], grid=GRID, of="margin"),
            integrated_gradients(two_classes, X[:20], baseline=remove_lines(X[:20], GRID), of="margin"),
            rtol=1e-10,
            atol=1e-13,
        )

    def test_agrees_with_a_fine_trapezium_rule(self, model):
        baseline = class_mean(X, Y, "type 2")
        target = model.predict(X[:3])
        way = np.linspace(0, 1, 1001)
        points = baseline + way[:, None, None] * (X[:3] - baseline)
        maps = gradient(model, points.reshape(-1, len(GRID)), target=np.tile(target, len(way)))
        expected = np.trapezoid(maps.reshape(points.shape), way, axis=0) * (X[:3] - baseline)
        ours = integrated_gradients(model, X[:3], baseline=baseline, tolerance=1e-6)
        np.testing.assert_allclose(ours, expected, atol=1e-5 * np.abs(expected).max())

    def test_doubles_the_steps_until_the_map_is_complete(self, model):
        baseline = class_mean(X, Y, "type 2")
        coarse = integrated_gradients(model, X[:30], baseline=baseline, n_steps=1)
        change = model.predict_log_proba(X[:30]) - model.predict_log_proba(baseline[None])
        change = change[np.arange(30), np.searchsorted(CLASSES, model.predict(X[:30]))]
        np.testing.assert_allclose(coarse.sum(axis=1), change, rtol=0.01, atol=1e-4)

    def test_is_nothing_where_the_spectrum_is_its_own_baseline(self, model):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert not integrated_gradients(model, X[:3], baseline=X[:3]).any()

    def test_a_function_may_make_the_baselines(self, model):
        made = integrated_gradients(model, X[:5], baseline=lambda spectra: remove_lines(spectra, GRID))
        np.testing.assert_array_equal(
            made, integrated_gradients(model, X[:5], baseline=remove_lines(X[:5], GRID))
        )

    def test_names_the_spectra_that_stay_incomplete(self):
        model = MODELS["rbf"].fit(X, Y)
        far = np.concatenate([X[:1], 40 * X[1:2]])
        with pytest.warns(ConvergenceWarning, match="those of 1 spectra do not: 1. Raise max_steps"):
            integrated_gradients(model, far, baseline=X[:2], target="type 1", n_steps=1, max_steps=1)


def test_what_cannot_be_explained_is_refused_with_the_reason(two_classes):
    forest = RandomForestClassifier(5, random_state=0).fit(X, Y)
    broken = X[:3].copy()
    broken[1, 7] = np.nan
    flat = {"baseline": np.ones(len(GRID))}
    no_gradient = "RandomForestClassifier. finite_difference, occlusion and lime need no gradient"
    for message, attempt in {
        no_gradient: lambda: gradient(forest, X),
        f" {no_gradient}": lambda: integrated_gradients(forest, X, **flat),
        f"got {no_gradient}": lambda: gradient(forest, X, of="margin"),
        "one of the classes .*; got type 3": lambda: gradient(two_classes, X, target="type 3"),
        "one for each of 120 samples; got 2": lambda: gradient(two_classes, X, target=["type 1"] * 2),
        "of must be one of log_p, p, log_odds, margin; got 'q'": lambda: gradient(two_classes, X, of="q"),
        "spectrum 1 holds NaN": lambda: gradient(two_classes, broken),
        "X must have 151 features.*got 150. Resample": lambda: gradient(two_classes, X[:, 1:]),
        r"got shape \(151,\). Write X\[None\]": lambda: gradient(two_classes, X[0]),
        r"got shape \(0, 151\)": lambda: gradient(two_classes, X[:0]),
        "grid must be 151 increasing": lambda: gradient_times_input(two_classes, X, grid=GRID[1:]),
        "grid must be .*151": lambda: gradient_times_input(two_classes, X, grid=GRID[::-1]),
        r"baseline must have shape \(151,\) or \(120, 151\); got \(150,\)": lambda: integrated_gradients(
            two_classes, X, baseline=np.ones(150)
        ),
        r"got \(119, 151\)": lambda: integrated_gradients(two_classes, X, baseline=X[1:]),
        "got \\(\\)": lambda: integrated_gradients(two_classes, X, baseline=lambda part: 0.0),
        "baseline must be finite": lambda: integrated_gradients(two_classes, X[:3], baseline=broken),
        "n_steps must be from 1 .*got 0": lambda: integrated_gradients(two_classes, X, n_steps=0, **flat),
        "tolerance must be positive; got 0": lambda: integrated_gradients(
            two_classes, X, tolerance=0, **flat
        ),
    }.items():
        with pytest.raises(ValueError, match=message):
            attempt()
