"""The primal solver: the same machines as libsvm's within a bound, exact gradients, any number of spectra."""

import tracemalloc

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import check_estimator

from agn_helpers.classifier import (
    ProbabilisticSVC,
    TrainedModel,
    load_model,
    log_proba_gradient,
    primal,
    save_model,
)
from agn_helpers.errors import AgnError
from agn_helpers.tuning import best_result, make_classifier, search_grid

from .test_svc import central_difference, make_problem

KERNELS = [
    {"kernel": "linear", "C": 0.5},
    {"kernel": "rbf", "gamma": 0.02, "C": 3.0},
    {"kernel": "poly", "degree": 2, "gamma": 0.05, "coef0": 1.0},
]


def test_scikit_learns_own_checks():
    results = check_estimator(ProbabilisticSVC(solver="primal"), on_skip=None)
    skipped = {result["check_name"] for result in results if result["status"] == "skipped"}
    assert skipped <= {"check_array_api_input"}


def scatter_between(ours, theirs):
    return np.sqrt(np.mean((ours - theirs) ** 2, axis=0)) / theirs.std(axis=0)


@pytest.mark.parametrize("options", KERNELS)
def test_decision_values_are_those_of_svc_within_the_rounded_corner(options, monkeypatch):
    X, y = make_problem(3, n_samples=500)
    options = {"class_weight": "balanced", "decision_function_shape": "ovo", **options}
    theirs = SVC(**options, tol=1e-9).fit(X, y).decision_function(X)
    ours = ProbabilisticSVC(**options, solver="primal", random_state=0)
    found = scatter_between(ours.fit(X, y).decision_function(X), theirs)
    assert found.max() < 0.015
    monkeypatch.setattr(primal, "_CORNER", 0.002)
    closer = scatter_between(ours.fit(X, y).decision_function(X), theirs)
    assert (closer < 0.3 * found).all()


def test_probabilities_are_nearly_those_of_libsvm():
    X, y = make_problem(3, n_samples=1500)
    common = {"kernel": "linear", "C": 0.1, "random_state": 0, "prior": "sample"}
    one, other = (ProbabilisticSVC(**common, solver=name).fit(X, y) for name in ("libsvm", "primal"))
    difference = np.abs(one.predict_proba(X) - other.predict_proba(X))
    assert np.median(difference) < 1e-3 and np.quantile(difference, 0.99) < 0.01 and difference.max() < 0.05
    assert (one.predict(X) != other.predict(X)).mean() < 0.005


def test_weights_are_the_least_of_the_objective_and_the_sum_of_multipliers():
    X, y = make_problem(2, n_samples=300)
    weight = np.random.default_rng(0).uniform(0.2, 2, len(y))
    sign = np.where(y == 0, 1.0, -1.0)
    machine = primal.Machine(primal.Rows.centred(X), np.arange(len(y)), sign, weight).train(0.3)
    slopes, intercept = machine.spectra.unfold(machine.weights)
    pull = machine.multipliers(0.3)
    np.testing.assert_allclose(pull @ X, slopes, rtol=1e-6, atol=1e-8)
    assert abs(pull.sum()) < 1e-6 * np.abs(pull).sum()
    assert (pull * sign >= 0).all() and (pull * sign <= 0.3 * weight + 1e-12).all()

    def objective(parameters):
        gap, width = 1 - sign * (X @ parameters[:-1] + parameters[-1]), primal._CORNER
        hinge = np.where(gap > width, gap, np.clip(gap + width, 0, None) ** 2 / (4 * width))
        return 0.5 * parameters[:-1] @ parameters[:-1] + 0.3 * weight @ hinge

    best = minimize(
        objective, np.zeros(X.shape[1] + 1), method="BFGS", options={"gtol": 1e-6, "maxiter": 5000}
    )
    assert objective(np.append(slopes, intercept)) <= best.fun * (1 + 1e-9)


@pytest.mark.parametrize("C", [1e-5, 1e-2, 10.0, 1e4])
def test_it_converges_at_any_c_and_from_a_quarter(C, monkeypatch):
    X, y = make_problem(2, n_samples=800)
    options = {"kernel": "linear", "C": C, "solver": "primal", "random_state": 0}
    cold = ProbabilisticSVC(**options).fit(X, y)
    monkeypatch.setattr(primal, "_COARSEST", 40)
    warm = ProbabilisticSVC(**options).fit(X, y)
    assert warm.n_iter_.max() < 100
    scale = np.abs(cold.coef_).max()
    np.testing.assert_allclose(warm.coef_, cold.coef_, atol=1e-4 * scale)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("options", KERNELS)
def test_gradients_are_exact(options, n_classes):
    X, y = make_problem(n_classes, n_samples=400)
    model = ProbabilisticSVC(**options, solver="primal", n_landmarks=60, random_state=0)
    model = make_pipeline(StandardScaler(), model).fit(X, y)
    assert model[-1].kernel == "linear" or len(model[-1].support_vectors_) == 60
    columns = model.predict_log_proba(X[:20]).argmax(axis=1)
    expected = central_difference(model.predict_log_proba, X[:20], columns)
    np.testing.assert_allclose(log_proba_gradient(model, X[:20]), expected, rtol=1e-5, atol=1e-8)


def test_all_landmarks_are_the_kernel_itself():
    X = make_problem(2, n_samples=200)[0]
    kernel = primal.Kernel("rbf", gamma=0.05)
    features = primal.map_features(X, kernel, rows=np.arange(200), n_landmarks=200, random_state=0)
    mapped = features.transform(X)
    np.testing.assert_allclose(mapped @ mapped.T, kernel.matrix(X, X), atol=1e-6)
    few = primal.map_features(X, kernel, rows=np.arange(200), n_landmarks=50, random_state=0)
    assert few.vectors.shape == (50, 12)
    # Of the landmarks themselves the kernel is exact.
    mapped = few.transform(few.vectors)
    np.testing.assert_allclose(mapped @ mapped.T, kernel.matrix(few.vectors, few.vectors), atol=1e-6)


def test_auto_goes_by_size_and_the_model_says_which(monkeypatch, tmp_path):
    X, y = make_problem(3, names=True)
    make = {"kernel": "linear", "random_state": 0}
    assert ProbabilisticSVC(**make).fit(X, y).solver_ == "libsvm"
    monkeypatch.setattr(primal, "LARGEST_DUAL", 200)
    estimator = ProbabilisticSVC(**make).fit(X, y)
    assert estimator.solver_ == "primal"
    gram = ProbabilisticSVC(kernel="precomputed", random_state=0).fit(X @ X.T, y)
    assert gram.solver_ == "libsvm"
    model = TrainedModel(make_pipeline(StandardScaler(), estimator).fit(X, y), grid=np.arange(12.0))
    assert model.meta["solver"] == "primal"
    save_model(model, tmp_path / "model.skops")
    back = load_model(tmp_path / "model.skops")
    assert back.meta["solver"] == "primal"
    np.testing.assert_array_equal(back.estimator.predict_proba(X), model.estimator.predict_proba(X))


@pytest.mark.parametrize("options", KERNELS[1:])
def test_a_model_of_landmarks_comes_back(options, tmp_path):
    X, y = make_problem(3, names=True)
    estimator = ProbabilisticSVC(**options, solver="primal", n_landmarks=30, random_state=0).fit(X, y)
    save_model(TrainedModel(estimator, grid=np.arange(12.0)), tmp_path / "model.skops")
    back = load_model(tmp_path / "model.skops").estimator
    np.testing.assert_array_equal(back.log_proba_gradient(X), estimator.log_proba_gradient(X))


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_a_memory_map_is_never_copied_whole(tmp_path, kernel):
    """160 MB of spectra, of which at most some blocks, and the features of landmarks, are in memory."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200_000)
    X = np.lib.format.open_memmap(tmp_path / "X.npy", mode="w+", dtype=np.float32, shape=(len(y), 200))
    for first in range(0, len(y), 20_000):
        rows = slice(first, first + 20_000)
        X[rows] = rng.normal(size=(20_000, 200))
        X[rows, :3] += 0.7 * y[rows, None]
    X.flush()
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    model = ProbabilisticSVC(C=0.01, kernel=kernel, n_landmarks=20, cv=2, random_state=0)
    tracemalloc.start()
    model.fit(mapped, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert model.solver_ == "primal"
    assert peak < 0.6 * mapped.nbytes
    if kernel == "linear":
        # The best there is: two normal distributions 0.7 apart along three axes.
        expected = 0.5 * (1 + np.vectorize(__import__("math").erf)(0.35 * np.sqrt(3) / np.sqrt(2)))
        assert np.mean(model.predict(mapped[:50_000]) == y[:50_000]) == pytest.approx(expected, abs=0.006)
        part = ProbabilisticSVC(C=0.01, kernel=kernel, cv=2, random_state=0, solver="primal")
        in_memory = part.fit(np.array(mapped[:5000]), y[:5000]).coef_
        np.testing.assert_array_equal(part.fit(mapped[:5000], y[:5000]).coef_, in_memory)


@pytest.mark.parametrize("scaled", [False, True])
def test_the_search_finds_what_libsvms_finds(scaled):
    X, y = make_problem(3, n_samples=600)
    grid = {"linear": {"C": [0.001, 0.01, 0.1, 1.0]}, "rbf": {"C": [0.1, 1.0], "gamma": [0.02, 0.05]}}
    options = {"scaled": scaled, "refine": False, "cv": 3}
    theirs, ours = (search_grid(X, y, grid, solver=solver, **options) for solver in ("libsvm", "primal"))
    np.testing.assert_allclose(ours["mean_test_score"], theirs["mean_test_score"], atol=0.01)
    assert (ours["param_C"] == theirs["param_C"]).all()
    best = best_result(ours)
    model = make_classifier(best).fit(X, y)
    assert model[-1].solver_ == "primal" and model[-1].C == best["param_C"]


def test_a_path_is_the_machines_one_by_one():
    X, y = make_problem(3, n_samples=300)
    train, held = np.arange(200), np.arange(200, 300)
    kernel = primal.Kernel("linear")
    along = primal.decide_along(X, y, train, held, kernel=kernel, costs=[0.01, 0.1, 1.0], class_weight=None)
    for C, decision in zip([0.01, 0.1, 1.0], along):
        alone = ProbabilisticSVC(C, kernel="linear", solver="primal", random_state=0).fit(X[train], y[train])
        np.testing.assert_allclose(decision, alone.pair_decisions(X[held]), atol=1e-3)


def test_what_it_refuses():
    X, y = make_problem(2)
    with pytest.raises(AgnError, match="precomputed kernel has no features for the primal solver"):
        ProbabilisticSVC(kernel="precomputed", solver="primal").fit(X @ X.T, y)
    with pytest.raises(AgnError, match="solver must be one of auto, libsvm, primal; got 'dual'"):
        ProbabilisticSVC(solver="dual").fit(X, y)
    with pytest.raises(AgnError, match="n_landmarks must be an integer of at least 1; got 0"):
        ProbabilisticSVC(n_landmarks=0).fit(X, y)
