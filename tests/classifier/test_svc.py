import warnings
from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import check_estimator

from agn_helpers.classifier import ProbabilisticSVC, log_proba_gradient, svc, training
from agn_helpers.classifier.coupling import couple_pairs, couple_pairs_gradient, fit_sigmoid
from agn_helpers.errors import AgnError

KERNELS = [
    {"kernel": "linear"},
    {"kernel": "rbf"},
    {"kernel": "poly", "degree": 1, "coef0": 0.5},
    {"kernel": "poly", "degree": 2, "coef0": 1.0},
    {"kernel": "poly", "degree": 3},
]


def make_problem(n_classes, n_samples=240, n_features=12, random_state=0, names=False):
    X, y = make_classification(
        n_samples,
        n_features,
        n_informative=8,
        n_redundant=0,
        n_classes=n_classes,
        n_clusters_per_class=1,
        class_sep=1.0,
        random_state=random_state,
    )
    return X, np.array([f"type {label}" for label in y]) if names else y


def central_difference(log_proba, X, columns, step=1e-5):
    rows = np.arange(len(X))
    gradient = np.empty_like(X)
    for feature in range(X.shape[1]):
        move = np.zeros(X.shape[1])
        move[feature] = step
        difference = log_proba(X + move)[rows, columns] - log_proba(X - move)[rows, columns]
        gradient[:, feature] = difference / (2 * step)
    return gradient


class TestScikitLearn:
    def test_scikit_learns_own_checks(self):
        results = check_estimator(ProbabilisticSVC(), on_skip=None)
        # It needs an environment variable that is set before scipy is imported.
        skipped = {result["check_name"] for result in results if result["status"] == "skipped"}
        assert skipped <= {"check_array_api_input"}

    def test_inner_folds_are_what_check_cv_takes(self):
        X, y = make_problem(3)
        splitter = StratifiedKFold(4, shuffle=True, random_state=0)
        expected = ProbabilisticSVC(cv=4, random_state=0).fit(X, y)
        for cv in (splitter, list(splitter.split(X, y)), splitter.split(X, y)):
            model = ProbabilisticSVC(cv=cv, random_state=0).fit(X, y)
            np.testing.assert_array_equal(model.sigmoids_, expected.sigmoids_)
        groups = np.arange(len(y)) % 3
        folds = list(LeaveOneGroupOut().split(X, y, groups))
        assert not np.array_equal(ProbabilisticSVC(cv=folds).fit(X, y).sigmoids_, expected.sigmoids_)

    def test_folds_must_partition_the_samples(self):
        X, y = make_problem(3)
        folds = list(StratifiedKFold(3).split(X, y))
        first, others = np.flatnonzero(y == 0), np.flatnonzero(y > 0)
        for cv, words in (
            (folds[:2], "exactly once"),
            (folds + folds[:1], "exactly once"),
            ([(first, others), (others, first)], "fold 0 lacks"),
            ([(1, 2, 3)], "cv must be"),
            ("five", "cv must be"),
            (1.5, "cv must be"),
            ([(np.arange(10), [999])], "cv must"),
        ):
            with pytest.raises(AgnError, match=words):
                ProbabilisticSVC(cv=cv).fit(X, y)

    def test_a_grid_search_can_clone_it_and_cut_a_gram_matrix_on_both_axes(self):
        X, y = make_problem(3)
        plain = cross_val_score(ProbabilisticSVC(kernel="linear", random_state=0), X, y)
        gram = cross_val_score(ProbabilisticSVC(kernel="precomputed", random_state=0), X @ X.T, y)
        assert gram == pytest.approx(plain)

    def test_prediction_before_fit(self):
        for method in ("predict", "predict_proba", "decision_function", "log_proba_gradient"):
            with pytest.raises(NotFittedError):
                getattr(ProbabilisticSVC(), method)(np.zeros((1, 2)))


class TestMachines:
    @pytest.mark.parametrize("n_classes", [2, 3, 5])
    @pytest.mark.parametrize("options", KERNELS)
    def test_decision_values_are_those_of_svc(self, options, n_classes):
        X, y = make_problem(n_classes)
        y[:60] = 0  # classes of unequal size
        common = {"C": 0.7, "class_weight": "balanced", "decision_function_shape": "ovo", **options}
        # Both stop where the solver of one would.
        common["tol"] = 1e-3
        ours = ProbabilisticSVC(**common, random_state=0).fit(X, y)
        theirs = SVC(**common).fit(X, y)
        assert ours.decision_function(X) == pytest.approx(theirs.decision_function(X), abs=1e-9)

    def test_weights_mean_what_they_mean_in_svc(self):
        X, y = make_problem(3)
        weight = np.random.default_rng(0).uniform(0, 2, len(y))
        weight[:20] = 0
        common = {"class_weight": {0: 3.0, 1: 0.5, 2: 1.0}, "decision_function_shape": "ovo", "tol": 1e-3}
        # SVC does not count weights in the variance that "scale" stands for.
        common["gamma"] = 0.1
        ours = ProbabilisticSVC(**common, random_state=0).fit(X, y, weight)
        theirs = SVC(**common).fit(X, y, weight)
        assert ours.decision_function(X) == pytest.approx(theirs.decision_function(X), abs=1e-9)

    def test_without_a_gram_matrix_the_result_is_the_same(self, monkeypatch):
        X, y = make_problem(3)
        for options in KERNELS:
            monkeypatch.setattr(training, "_LARGEST_GRAM", 12_000)
            expected = ProbabilisticSVC(**options, random_state=0).fit(X, y).predict_proba(X)
            monkeypatch.setattr(training, "_LARGEST_GRAM", 10)
            direct = ProbabilisticSVC(**options, random_state=0).fit(X, y).predict_proba(X)
            assert direct == pytest.approx(expected, abs=1e-9)

    def test_precomputed_kernel_gives_the_same_probabilities(self):
        X, y = make_problem(3)
        kernel = (X @ X.T + 1) ** 2
        poly = ProbabilisticSVC(kernel="poly", degree=2, gamma=1.0, coef0=1.0, random_state=0)
        gram = ProbabilisticSVC(kernel="precomputed", random_state=0)
        expected = poly.fit(X[:200], y[:200]).predict_proba(X[200:])
        given = gram.fit(kernel[:200, :200], y[:200]).predict_proba(kernel[200:, :200])
        assert given == pytest.approx(expected, abs=1e-9)

    def test_the_linear_kernel_keeps_weights_only(self):
        X, y = make_problem(3)
        model = ProbabilisticSVC(kernel="linear", random_state=0).fit(X, y)
        assert model.coef_.shape == (3, X.shape[1])
        assert not hasattr(model, "support_vectors_")

    def test_prediction_in_chunks_changes_nothing(self, monkeypatch):
        X, y = make_problem(4)
        for options in KERNELS:
            model = ProbabilisticSVC(**options, random_state=0).fit(X, y)
            expected = model.predict_proba(X), model.log_proba_gradient(X, 1)
            monkeypatch.setattr(svc, "_CHUNK_ELEMENTS", 1000)
            assert model.predict_proba(X) == pytest.approx(expected[0], rel=1e-12)
            assert model.log_proba_gradient(X, 1) == pytest.approx(expected[1], rel=1e-9, abs=1e-12)
            monkeypatch.undo()

    def test_single_precision_input(self):
        X, y = make_problem(3)
        X = X.astype(np.float32)
        model = ProbabilisticSVC(random_state=0).fit(X, y)
        assert model.predict_proba(X) == pytest.approx(model.predict_proba(X.astype(float)), rel=1e-12)


class TestSigmoid:
    def test_it_is_the_optimum_of_platts_likelihood(self):
        rng = np.random.default_rng(3)
        positive = rng.random(300) < 0.3
        decision = rng.normal(np.where(positive, 1.0, -1.0), 1.5)
        target = np.where(positive, (positive.sum() + 1) / (positive.sum() + 2), 1 / ((~positive).sum() + 2))

        def loss(parameters):
            z = parameters[0] * decision + parameters[1]
            return np.sum(np.logaddexp(0, z) - (1 - target) * z)

        best = minimize(loss, [-1.0, 0.0], tol=1e-12)
        assert fit_sigmoid(decision, positive) == pytest.approx(best.x, abs=1e-4)
        assert loss(fit_sigmoid(decision, positive)) <= best.fun + 1e-12

    def test_it_follows_the_unit_of_the_decision_values(self):
        rng = np.random.default_rng(3)
        positive = rng.random(100) < 0.5
        decision = rng.normal(np.where(positive, 1.0, -1.0))
        slope, offset = fit_sigmoid(decision, positive)
        assert slope < 0
        for unit in (1e-8, 1e8):
            assert fit_sigmoid(unit * decision, positive) == pytest.approx((slope / unit, offset), rel=1e-6)

    def test_repeating_every_member_is_weighing_it(self):
        rng = np.random.default_rng(1)
        positive = np.arange(80) % 2 == 0
        decision = rng.normal(np.where(positive, 0.5, -0.5))
        weight = rng.integers(0, 4, 80)
        repeated = fit_sigmoid(decision.repeat(weight), positive.repeat(weight))
        assert fit_sigmoid(decision, positive, weight) == pytest.approx(repeated)

    def test_separable_and_constant_values_stay_finite(self):
        positive = np.arange(20) < 10
        for decision in (np.where(positive, 5.0, -5.0), np.zeros(20)):
            assert np.all(np.isfinite(fit_sigmoid(decision, positive)))

    def test_one_wild_value_does_not_flatten_the_sigmoid(self):
        X, y = make_problem(2, n_samples=400)
        tame = ProbabilisticSVC(kernel="poly", degree=3, random_state=0).fit(X, y)
        X[y == 0] = np.vstack([X[y == 0][1:], 100 * X[y == 1][:1]])
        wild = ProbabilisticSVC(kernel="poly", degree=3, gamma=tame._kernel.gamma, random_state=0).fit(X, y)
        assert wild.sigmoids_[0, 0] < 0.5 * tame.sigmoids_[0, 0]


def exact_coupling(log_odds, n_classes):
    """Wu, Lin & Weng's second method in rational arithmetic."""
    ratio = [[Fraction(0)] * n_classes for _ in range(n_classes)]
    for value, i, j in zip(log_odds, *np.triu_indices(n_classes, 1)):
        small = Fraction(float(np.exp(-abs(value))))
        win, lose = 1 / (1 + small), small / (1 + small)
        ratio[i][j], ratio[j][i] = (win, lose) if value > 0 else (lose, win)
    n = n_classes + 1
    system = [[Fraction(0)] * (n + 1) for _ in range(n)]
    for i in range(n_classes):
        for j in range(n_classes):
            square = sum(ratio[s][i] ** 2 for s in range(n_classes))
            system[i][j] = square if i == j else -ratio[j][i] * ratio[i][j]
        system[i][n_classes] = Fraction(-1)
        system[n_classes][i] = Fraction(1)
    system[n_classes][n] = Fraction(1)
    for column in range(n):
        pivot = next(row for row in range(column, n) if system[row][column])
        system[column], system[pivot] = system[pivot], system[column]
        for row in range(n):
            if row != column and system[row][column]:
                factor = system[row][column] / system[column][column]
                system[row] = [a - factor * b for a, b in zip(system[row], system[column])]
    return np.array([float(system[i][n] / system[i][i]) for i in range(n_classes)])


def objective(ratios, p):
    """Wu, Lin & Weng's equation 18 for ratios (n, k, k), probabilities (n, k)."""
    difference = ratios.transpose(0, 2, 1) * p[:, :, None] - ratios * p[:, None, :]
    return (difference**2).sum(axis=(1, 2))


@pytest.mark.filterwarnings("ignore::FutureWarning")
class TestCoupling:
    @pytest.mark.parametrize("n_classes", [3, 4, 6])
    def test_it_is_exact_however_small_the_probability(self, n_classes):
        rng = np.random.default_rng(n_classes)
        first, second = np.triu_indices(n_classes, 1)
        for spread in (0.1, 1, 10, 20):
            score = spread * rng.normal(size=(8, n_classes))
            consistent = score[:, first] - score[:, second] + 0.3 * rng.normal(size=(8, len(first)))
            contradictory = spread * rng.normal(size=(8, len(first)))
            for log_odds in (*consistent, *contradictory):
                exact = exact_coupling(log_odds, n_classes)
                assert np.exp(couple_pairs(log_odds[None], n_classes)[0]) == pytest.approx(
                    exact, rel=1e-10, abs=0
                ), exact

    def test_consistent_pairs_give_back_their_probabilities(self):
        p = np.array([[0.7, 0.2, 0.1], [1 - 2e-12, 1.5e-12, 0.5e-12]])
        first, second = np.triu_indices(3, 1)
        assert couple_pairs(np.log(p[:, first] / p[:, second]), 3) == pytest.approx(np.log(p), rel=1e-9)

    def test_the_order_of_the_classes_does_not_matter(self):
        rng = np.random.default_rng(0)
        scores = rng.normal(size=(20, 4, 4)) * 5
        scores -= scores.transpose(0, 2, 1)
        first, second = np.triu_indices(4, 1)
        order = np.array([2, 0, 3, 1])
        there = couple_pairs(scores[:, first, second], 4)
        back = couple_pairs(scores[:, order[first], order[second]], 4)
        assert back == pytest.approx(there[:, order], rel=1e-10)

    def test_log_odds_beyond_the_range_of_floats_stay_finite(self):
        for log_odds in ([[900.0, 2000.0, 900.0]], [[-3000.0, 900.0, -900.0]], [[800.0, -800.0, 800.0]]):
            assert np.all(np.isfinite(couple_pairs(log_odds, 3)))
            assert np.all(np.isfinite(couple_pairs_gradient(log_odds, [1], 3)))

    @pytest.mark.parametrize("n_classes", [3, 4, 6])
    def test_agreement_with_libsvm(self, n_classes):
        X, y = make_problem(n_classes, n_samples=400)
        for options in ({"kernel": "linear"}, {"kernel": "rbf"}):
            theirs = fit_libsvm(X, y, **options)
            decision = theirs.decision_function(X)
            log_odds = -(decision * theirs.probA_ + theirs.probB_)
            p = np.exp(couple_pairs(log_odds, n_classes))
            libsvm_p = theirs.predict_proba(X)
            difference = np.abs(p - libsvm_p)
            assert np.median(difference) < 5e-4
            assert difference.max() < 5e-3
            ratios = np.zeros((len(X), n_classes, n_classes))
            first, second = np.triu_indices(n_classes, 1)
            # libsvm keeps its ratios off 0 and 1 by so much.
            ratios[:, first, second] = np.clip(expit(log_odds), 1e-7, 1 - 1e-7)
            ratios[:, second, first] = 1 - ratios[:, first, second]
            ours = objective(ratios, np.exp(couple_pairs(np.clip(log_odds, -16.118, 16.118), n_classes)))
            assert np.all(ours <= objective(ratios, libsvm_p) + 1e-15)

    def test_two_classes_are_the_sigmoid_itself(self):
        X, y = make_problem(2)
        theirs = fit_libsvm(X, y, kernel="rbf")
        # For two classes scikit-learn turns the sign of the decision values.
        log_odds = -(-theirs.decision_function(X) * theirs.probA_ + theirs.probB_)
        p = np.exp(couple_pairs(log_odds[:, None], 2))
        assert p[:, 0] == pytest.approx(expit(log_odds), rel=1e-13)
        # The libsvm within scikit-learn iterates for two classes too and stops as early as for more.
        assert np.abs(p - theirs.predict_proba(X)).max() < 5e-3


def fit_libsvm(X, y, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        try:
            return SVC(probability=True, decision_function_shape="ovo", random_state=0, **options).fit(X, y)
        except TypeError:
            pytest.skip("this scikit-learn has no SVC(probability=True) any more")


class TestProbabilities:
    def test_they_sum_to_one_and_predict_never_disagrees(self):
        for n_classes in (2, 3, 6):
            X, y = make_problem(n_classes)
            model = ProbabilisticSVC(random_state=0).fit(X, y)
            p = model.predict_proba(X)
            assert p.sum(axis=1) == pytest.approx(np.ones(len(X)), abs=1e-14)
            assert np.all(model.predict(X) == model.classes_[p.argmax(axis=1)])
            assert np.log(p) == pytest.approx(model.predict_log_proba(X), abs=1e-12)

    def test_they_are_calibrated_where_the_truth_is_known(self):
        rng = np.random.default_rng(0)
        y = rng.integers(2, size=4000)
        X = rng.normal(size=(4000, 3)) + np.outer(y, [1.0, 0.5, 0.0])
        truth = expit(X @ [1.0, 0.5, 0.0] - 0.625)
        p = ProbabilisticSVC(kernel="linear", random_state=0).fit(X[:2000], y[:2000]).predict_proba(X[2000:])
        assert np.abs(p[:, 1] - truth[2000:]).mean() < 0.04

    def test_prior_sample_gives_the_samples_frequencies_and_weighted_the_weighted_ones(self):
        rng = np.random.default_rng(0)
        y = (rng.random(3000) < 0.1).astype(int)
        X = rng.normal(size=(3000, 2)) + y[:, None]
        means = {}
        for prior in ("sample", "weighted"):
            model = ProbabilisticSVC(kernel="linear", class_weight="balanced", prior=prior, random_state=0)
            p = model.fit(X, y).predict_proba(X)[:, 1]
            means[prior] = p.mean(), 0.5 * (p[y == 0].mean() + p[y == 1].mean())
        assert means["sample"][0] == pytest.approx(0.1, abs=0.01)
        assert means["weighted"][1] == pytest.approx(0.5, abs=0.02)

    def test_the_seed_decides(self):
        X, y = make_problem(3)
        p = [ProbabilisticSVC(random_state=seed).fit(X, y).predict_proba(X) for seed in (0, 0, 1)]
        assert np.array_equal(p[0], p[1])
        assert not np.array_equal(p[0], p[2])

    def test_decision_function_of_two_classes_is_their_log_odds(self):
        X, y = make_problem(2)
        model = ProbabilisticSVC(random_state=0).fit(X, y)
        p = model.predict_proba(X)
        assert model.decision_function(X) == pytest.approx(np.log(p[:, 1] / p[:, 0]))

    def test_decision_function_of_pairs(self):
        X, y = make_problem(4)
        model = ProbabilisticSVC(random_state=0, decision_function_shape="ovo").fit(X, y)
        assert model.decision_function(X).shape == (len(X), 6)
        log_odds = -(model.decision_function(X) * model.sigmoids_[:, 0] + model.sigmoids_[:, 1])
        assert couple_pairs(log_odds, 4) == pytest.approx(model.predict_log_proba(X))


class TestGradient:
    @pytest.mark.parametrize("n_classes", [2, 3, 4, 5, 6])
    @pytest.mark.parametrize("options", KERNELS)
    def test_it_equals_the_central_difference(self, options, n_classes):
        X, y = make_problem(n_classes)
        X = X * np.linspace(0.2, 5, X.shape[1]) + 3
        model = make_pipeline(StandardScaler(), ProbabilisticSVC(**options, random_state=0)).fit(X, y)
        target = np.random.default_rng(0).integers(n_classes, size=len(X))
        exact = log_proba_gradient(model, X, target)
        numerical = central_difference(model.predict_log_proba, X, target)
        likely = model.predict_proba(X)[np.arange(len(X)), target] >= 1e-4
        error = np.linalg.norm(exact - numerical, axis=1) / np.linalg.norm(exact, axis=1)
        assert likely.sum() > 50
        assert error[likely].max() < 1e-6

    @pytest.mark.parametrize("options", KERNELS)
    def test_a_confident_spectrum_still_has_a_map(self, options):
        found = 0
        for n_classes in (2, 3, 4):
            X, y = make_problem(n_classes)
            model = ProbabilisticSVC(**options, random_state=0).fit(X, y)
            # Steeper sigmoids make the same spectra more confident, down to 1e-10 and below.
            model.sigmoids_ *= 25 / np.percentile(-model.predict_log_proba(X), 80)
            for target in range(n_classes):
                log_p = model.predict_log_proba(X)[:, target]
                rows = (log_p < np.log(1e-4)) & (log_p > np.log(1e-14))
                found += rows.sum()
                if not rows.any():
                    continue
                gradient = model.log_proba_gradient(X[rows], target)
                assert np.all(np.isfinite(gradient))
                norm = np.linalg.norm(gradient, axis=1, keepdims=True)
                assert np.all(norm > 0)
                higher = model.predict_log_proba(X[rows] + 1e-5 * gradient / norm)[:, target]
                assert np.all(higher > log_p[rows])
                certain = model.predict_proba(X)[:, target] > 1 - 1e-10
                if not certain.any():
                    continue
                gradient = model.log_proba_gradient(X[certain], target)
                assert np.all(np.isfinite(gradient)) and np.all(np.abs(gradient).max(axis=1) > 0)
        assert found > 100

    def test_coupling_gradient_is_precise_down_to_tiny_probabilities(self):
        rng = np.random.default_rng(0)
        for n_classes in (3, 4, 6):
            first, second = np.triu_indices(n_classes, 1)
            score = 12 * rng.normal(size=(40, n_classes))
            log_odds = score[:, first] - score[:, second] + 0.3 * rng.normal(size=(40, len(first)))
            target = rng.integers(n_classes, size=40)
            numerical = central_difference(lambda x, k=n_classes: couple_pairs(x, k), log_odds, target)
            exact = couple_pairs_gradient(log_odds, target, n_classes)
            error = np.linalg.norm(exact - numerical, axis=1) / np.linalg.norm(exact, axis=1)
            likely = couple_pairs(log_odds, n_classes)[np.arange(40), target] > np.log(1e-10)
            assert error[likely].max() < 1e-6

    def test_probability_weighted_gradients_cancel(self):
        # The probabilities sum to one, so sum_k p_k grad log p_k = 0.
        X, y = make_problem(4)
        model = ProbabilisticSVC(random_state=0).fit(X, y)
        p = model.predict_proba(X)
        gradients = [p[:, [k]] * model.log_proba_gradient(X, k) for k in range(4)]
        assert np.abs(sum(gradients)).max() < 1e-12 * np.abs(gradients).max()

    def test_targets(self):
        X, y = make_problem(3, names=True)
        model = ProbabilisticSVC(random_state=0).fit(X, y)
        predicted = model.predict(X)
        assert np.array_equal(model.log_proba_gradient(X), model.log_proba_gradient(X, predicted))
        one = model.log_proba_gradient(X, "type 1")
        assert np.array_equal(one, model.log_proba_gradient(X, ["type 1"] * len(X)))
        assert one.shape == X.shape

    def test_it_passes_through_whitening_and_nested_pipelines(self):
        X, y = make_problem(3)
        X = X @ np.random.default_rng(0).normal(size=(12, 12)) + 5
        scaling = make_pipeline(
            StandardScaler(with_mean=False), "passthrough", StandardScaler(with_std=False)
        )
        for pca in (PCA(6), PCA(6, whiten=True)):
            model = make_pipeline(scaling, pca, ProbabilisticSVC(random_state=0)).fit(X, y)
            exact = log_proba_gradient(model, X, 1)
            numerical = central_difference(model.predict_log_proba, X, 1)
            error = np.linalg.norm(exact - numerical, axis=1) / np.linalg.norm(exact, axis=1)
            assert error.max() < 1e-6

    def test_an_estimator_without_it_is_told_so(self):
        X, y = make_problem(2)
        for model in (
            LogisticRegression(),
            make_pipeline(StandardScaler(), LogisticRegression()),
            make_pipeline(MinMaxScaler(), ProbabilisticSVC()),
        ):
            with pytest.raises(ValueError, match="exact gradient"):
                log_proba_gradient(clone(model).fit(X, y), X)
        gram = ProbabilisticSVC(kernel="precomputed").fit(X @ X.T, y)
        with pytest.raises(ValueError, match="no features"):
            gram.log_proba_gradient(X @ X.T)


class TestBadInput:
    @pytest.fixture(autouse=True)
    def no_training(self, monkeypatch):
        def refuse(*args, **kwargs):
            raise AssertionError("training began before the input was checked")

        monkeypatch.setattr(svc, "train_pairs", refuse)

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"C": 0}, "C must be"),
            ({"C": -1.0}, "C must be"),
            ({"C": np.nan}, "C must be"),
            ({"C": "1"}, "C must be"),
            ({"gamma": 0.0}, "gamma must be"),
            ({"gamma": -2}, "gamma must be"),
            ({"gamma": "big"}, "gamma must be"),
            ({"kernel": "sigmoid"}, "kernel must be"),
            ({"kernel": None}, "kernel must be"),
            ({"degree": 0}, "degree must be"),
            ({"coef0": np.inf}, "coef0 must be"),
            ({"cv": 1}, "cv must be"),
            ({"tol": 0}, "tol must be"),
            ({"prior": "flat"}, "prior must be"),
            ({"decision_function_shape": "ovx"}, "decision_function_shape must be"),
            ({"class_weight": "even"}, "class_weight must be 'balanced', None or a dict of the classes"),
            ({"class_weight": {0: 1.0, 1: 2.0}}, "class_weight must name every class"),
            ({"class_weight": {0: 1.0, 1: 2.0, 2: -1.0}}, "class_weight must hold positive"),
        ],
    )
    def test_parameters(self, options, match):
        X, y = make_problem(3)
        with pytest.raises(ValueError, match=match):
            ProbabilisticSVC(**options).fit(X, y)

    def test_data(self):
        X, y = make_problem(3)
        with pytest.raises(ValueError, match="one class"):
            ProbabilisticSVC().fit(X, np.zeros(len(X)))
        rare = np.where(np.arange(len(y)) < 4, 9, np.minimum(y, 1))
        with pytest.raises(ValueError, match=r"cv=5 members .* got 4 of class 9"):
            ProbabilisticSVC().fit(X, rare)
        with pytest.raises(ValueError, match="NaN"):
            ProbabilisticSVC().fit(np.where(X > 2, np.nan, X), y)
        with pytest.raises(ValueError, match="constant"):
            ProbabilisticSVC().fit(np.ones_like(X), y)
        with pytest.raises(ValueError, match="square"):
            ProbabilisticSVC(kernel="precomputed").fit(X, y)
        for weight in (-np.ones(len(y)), np.zeros(len(y)), np.ones(3), np.full(len(y), np.nan)):
            with pytest.raises(ValueError, match="sample_weight"):
                ProbabilisticSVC().fit(X, y, sample_weight=weight)


def test_bad_input_at_prediction():
    X, y = make_problem(3, names=True)
    model = ProbabilisticSVC(random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="expecting 12 features"):
        model.predict_proba(X[:, :5])
    with pytest.raises(ValueError, match="NaN"):
        model.predict(np.full((1, 12), np.nan))
    for target in ("type 7", ["type 0"] * 239 + ["star"], 3):
        with pytest.raises(ValueError, match=r"target must be one of the classes \['type 0'"):
            model.log_proba_gradient(X, target)
    with pytest.raises(ValueError, match="one for each of 240"):
        model.log_proba_gradient(X, ["type 0", "type 1"])
