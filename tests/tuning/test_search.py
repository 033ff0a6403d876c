import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from sklearn.datasets import make_classification
from sklearn.metrics import precision_recall_fscore_support
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from agn_helpers.classifier import ProbabilisticSVC
from agn_helpers.errors import AgnError
from agn_helpers.tuning import (
    TUNED_KERNELS,
    best_result,
    classify_plane,
    fold_sample,
    group_repeats,
    list_problems,
    make_classifier,
    noise_curve,
    score_kernels,
    score_predictions,
    score_probabilities,
    search_grid,
    split_sample,
    tabulate_confusion,
    tabulate_coverage,
    tabulate_split,
    time_training,
)
from agn_helpers.tuning.kernel_paths import grid_paths
from agn_helpers.tuning.metrics import NOISE_SIGMAS, reliability_curve
from agn_helpers.tuning.search import C_VALUES, GAMMA_VALUES, Split

CLASSES = ["intermediate", "type 1", "type 2"]


def make_repeats():
    """300 objects, then 60 of them again: 20 by object and place, 20 by place alone, 20 by object alone."""
    rng = np.random.default_rng(0)
    again = rng.choice(300, 40, replace=False)
    truth = np.r_[np.arange(300), again, again[:20]]
    ra, dec = rng.uniform(0, 360, 300)[truth], rng.uniform(-60, 60, 300)[truth]
    dec[320:340] += 0.5 / 3600
    ra[340:] = np.nan
    objects = np.array([f"object {number}" for number in truth])
    objects[320:340] = ""
    return Table(
        {
            "name": [f"spectrum {row}" for row in range(len(truth))],
            "object": objects,
            "ra": ra,
            "dec": dec,
            "label": np.array(CLASSES)[truth % 3],
            "truth": truth,
        }
    )


def make_grid(C, gamma, *kernels):
    return {key: {"C": C, "gamma": gamma} for key in kernels or TUNED_KERNELS}


@pytest.fixture(scope="module")
def problem():
    X, y = make_classification(
        300, 15, n_informative=6, n_classes=3, weights=[0.2, 0.2], flip_y=0.1, random_state=0
    )
    return X * np.linspace(0.3, 4, 15), np.array(CLASSES)[y]


class TestSplit:
    labels = np.repeat(["type 1", "intermediate", "type 2"], [680, 521, 2145])

    @pytest.mark.parametrize("stratified", [False, True])
    def test_sizes_are_the_papers_and_no_row_is_lost(self, stratified):
        split = split_sample(self.labels, random_state=1, stratified=stratified)
        assert [len(part) for part in split] == [2141, 535, 670]
        assert np.array_equal(np.sort(np.concatenate(split)), np.arange(3346))

    def test_stratified_parts_keep_the_shares(self):
        for part in split_sample(self.labels, stratified=True):
            assert np.mean(self.labels[part] == "intermediate") == pytest.approx(521 / 3346, abs=0.002)

    def test_the_seed_decides(self):
        first, again, other = (split_sample(self.labels, random_state=seed).test for seed in (3, 3, 4))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)

    def test_parts_are_counted_by_type(self):
        split = Split(np.array([0, 2]), np.array([3]), np.array([1, 4]))
        table = tabulate_split(split, ["a", "b", "b", "a", "b"], types=["b", "a", "c"])
        assert table.to_dict("list") == {"b": [1, 0, 2], "a": [1, 1, 0], "c": [0, 0, 0]}
        assert table.index.tolist() == ["training", "validation", "test"]

    def test_the_easier_problem_leaves_the_intermediates_out(self):
        y = np.array(["type 1", "intermediate", "type 2", "type 1"])
        problems = list_problems(y, np.array([3, 1, 2]))
        assert problems["type 1 or type 2"].tolist() == [3, 2]
        assert list(list_problems(y, np.array([0, 2]))) == ["all types"]

    @pytest.mark.parametrize("stratified", [False, True])
    def test_repeats_of_an_object_are_in_one_part(self, stratified):
        """By object or within an arcsec; without any repeats as if there were no groups."""
        sample = make_repeats()
        groups = group_repeats(sample)
        assert len(np.unique(groups)) == 300
        y = np.asarray(sample["label"])
        parts = split_sample(y, random_state=1, stratified=stratified, groups=groups)
        assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(y)))
        objects = [set(sample["truth"][part]) for part in parts]
        assert not objects[0] & objects[1] and not objects[1] & objects[2] and not objects[0] & objects[2]
        assert [len(each) for each in objects] == [192, 48, 60]
        alone = group_repeats(sample[:300])
        for grouped, plain in zip(
            split_sample(y[:300], random_state=1, stratified=stratified, groups=alone),
            split_sample(y[:300], random_state=1, stratified=stratified),
        ):
            assert np.array_equal(grouped, plain)

    def test_repeats_of_an_object_are_in_one_fold(self):
        sample = make_repeats()
        y, groups = np.asarray(sample["label"]), group_repeats(sample)
        folds = fold_sample(y, groups=groups, random_state=2)
        assert np.array_equal(np.sort(np.concatenate([test for _, test in folds])), np.arange(len(y)))
        for train, test in folds:
            assert not set(sample["truth"][train]) & set(sample["truth"][test])
            assert set(y[test]) == set(CLASSES)
        plain = StratifiedKFold(5, shuffle=True, random_state=2)
        for ours, theirs in zip(
            fold_sample(y[:300], groups=groups[:300], random_state=2).split(y, y), plain.split(y, y)
        ):
            assert np.array_equal(ours[1], theirs[1])
        with pytest.raises(AgnError, match="each type needs 5 objects, one a fold; got 1 of b"):
            fold_sample(["a"] * 9 + ["b"] * 9, groups=[*range(9), *[9] * 9])

    def test_a_sample_without_names_of_objects_has_no_repeats(self):
        sample = Table(
            {"name": ["a", "b", "c"], "object": ["", "", ""], "ra": [np.nan] * 3, "dec": [0.0] * 3}
        )
        assert group_repeats(sample).tolist() == [0, 1, 2]
        assert group_repeats(sample["name",]).tolist() == [0, 1, 2]
        near = Table({"name": ["a", "b", "c"], "ra": [359.9999, 0.0001, 0.0], "dec": [80.0, 80.0, 80.0005]})
        assert group_repeats(near).tolist() == [0, 0, 2]

    def test_a_tiny_sample_is_refused(self):
        with pytest.raises(ValueError, match="at least 5 rows; got 2"):
            split_sample(["a", "b"])


class TestSearch:
    @pytest.mark.parametrize("name", ["linear", "rbf", "poly2", "poly3"])
    @pytest.mark.parametrize("scaled", [False, True])
    @pytest.mark.parametrize("n_classes", [2, 3])
    def test_fold_scores_are_scikit_learns(self, problem, name, scaled, n_classes):
        X, y = problem
        if n_classes == 2:
            X, y = X[y != "intermediate"], y[y != "intermediate"]
        folds = StratifiedKFold(4, shuffle=True, random_state=1)
        gamma = (0.03,) if name.startswith("poly") else (0.003, 0.3)
        # Where the classes are separable, far above the C at which nothing changes any more.
        C = (1e-3, 0.1, 1e4, 1e5, 1e6, 1e7) if name in ("rbf", "poly3") else (1e-3, 0.1, 1.0)
        results = search_grid(X, y, make_grid(C, gamma, name), cv=folds, scaled=scaled, refine=False)

        machine = SVC(kernel=name.rstrip("23"), class_weight="balanced")
        if name.startswith("poly"):
            machine.set_params(degree=int(name[-1]))
        grid = {"svc__C": C} if name == "linear" else {"svc__gamma": gamma, "svc__C": C}
        steps = [("scale", StandardScaler() if scaled else "passthrough"), ("svc", machine)]
        search = GridSearchCV(Pipeline(steps), grid, scoring="f1_macro", cv=folds, refit=False).fit(X, y)
        expected = {
            (params["svc__C"], params.get("svc__gamma")): index
            for index, params in enumerate(search.cv_results_["params"])
        }
        order = [expected[params["C"], params.get("gamma")] for params in results["params"]]
        for column in [f"split{fold}_test_score" for fold in range(4)] + [
            "mean_test_score",
            "std_test_score",
        ]:
            assert results[column].to_numpy() == pytest.approx(search.cv_results_[column][order], abs=1e-9)

    def test_columns_are_scikit_learns(self, problem):
        X, y = problem
        results = search_grid(X, y, make_grid([1.0], [0.01], "rbf"), refine=False)
        machine = GridSearchCV(SVC(), {"C": [1.0], "gamma": [0.01], "kernel": ["rbf"]}).fit(X, y)
        assert set(machine.cv_results_) <= set(results.columns)
        assert results["rank_test_score"].min() == 1

    def test_poly_depends_on_c_times_a_power_of_gamma_only(self, problem):
        X, y = problem
        for degree in (2, 3):
            decisions = [
                SVC(kernel="poly", degree=degree, gamma=gamma, C=1e-3 / gamma**degree, tol=1e-8)
                .fit(X, y)
                .decision_function(X)
                for gamma in (0.05, 0.4)
            ]
            assert decisions[0] == pytest.approx(decisions[1], rel=1e-4, abs=1e-4)

    @pytest.mark.parametrize("degree", [2, 3])
    def test_the_path_of_poly_reaches_every_product_of_the_grid(self, degree):
        (path,) = grid_paths(f"poly{degree}", C_VALUES, GAMMA_VALUES)
        products = path.costs * path.kernel.gamma**degree
        assert products.min() == pytest.approx(min(C_VALUES) * min(GAMMA_VALUES) ** degree)
        assert products.max() == pytest.approx(max(C_VALUES) * max(GAMMA_VALUES) ** degree)
        assert np.diff(np.log10(products)).max() <= 1 + 1e-9
        assert len(grid_paths(f"poly{degree}", C_VALUES, GAMMA_VALUES, coef0=1.0)) == len(GAMMA_VALUES)
        (single,) = grid_paths(f"poly{degree}", [3.0, 1.0, 7.0], [0.2])
        assert single.costs.tolist() == [1.0, 3.0, 7.0] and single.kernel.gamma == 0.2

    @pytest.mark.parametrize(
        ("name", "coef0"), [("linear", 0.0), ("rbf", 0.0), ("poly2", 0.0), ("poly2", 1.0)]
    )
    def test_refinement_never_loses_and_comes_to_rest(self, problem, name, coef0):
        X, y = problem
        C, gamma = (1e-3, 1e-1, 1e1), (0.001, 0.1)
        results = search_grid(X, y, {name: {"C": C, "gamma": gamma, "coef0": coef0}})
        by_round = results.groupby("round")["mean_test_score"].max()
        assert len(by_round) >= 3
        best = by_round.cummax().to_numpy()
        assert best[-1] - best[-3] < 5e-5 + 1e-12
        assert best_result(results)["mean_test_score"] == best[-1]

    def test_threads_change_nothing(self, problem):
        X, y = problem
        one, two = (
            search_grid(X, y, make_grid([0.1, 1.0], [0.01], "linear", "rbf"), n_jobs=n) for n in (1, 2)
        )
        timeless = [column for column in one if "time" not in column]
        pd.testing.assert_frame_equal(one[timeless], two[timeless])

    def test_the_best_row_becomes_a_classifier(self, problem):
        X, y = problem
        results = pd.concat(
            [
                search_grid(X, y, make_grid([0.1, 1.0], [0.01]), scaled=scaled, refine=False)
                for scaled in (False, True)
            ],
            ignore_index=True,
        )
        for name in ("linear", "rbf", "poly2", "poly3"):
            row = best_result(results, name)
            model = make_classifier(row).fit(X, y)
            assert isinstance(model[-1], ProbabilisticSVC)
            assert model[-1].C == row["param_C"]
            assert isinstance(model[0], StandardScaler) == row["scaled"]
            assert np.mean(model.predict(X) == y) > 0.5
        with pytest.raises(ValueError, match="name must be one of"):
            best_result(results, "sigmoid")

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"param_grid": {"sigmoid": {}}}, "kernel must be one of"),
            ({"param_grid": {"poly": {}}}, "kernel must be one of"),
            ({"param_grid": {}}, "at least one kernel"),
            ({"param_grid": {"linear": {"C": [0.0, 1.0]}}}, "C of linear must hold positive"),
            ({"param_grid": {"rbf": {"gamma": [1.0]}}}, "C of rbf must hold positive"),
            ({"param_grid": {"rbf": {"C": [1.0], "gamma": [-1.0]}}}, "gamma of rbf must hold positive"),
            ({"param_grid": {"rbf": {"c": [1.0]}}}, "got 'c' of rbf"),
            ({"cv": 90}, "cv=90 members"),
            ({"cv": 1}, "cv must be an integer of at least 2"),
            ({"class_weight": {"type 1": 1.0}}, "class_weight must name every class"),
        ],
    )
    def test_bad_parameters(self, problem, options, match, monkeypatch):
        monkeypatch.setattr("agn_helpers.tuning.search.make_folds", None)
        with pytest.raises(AgnError if "param_grid" in options else ValueError, match=match):
            search_grid(*problem, **options)

    def test_bad_data(self, problem):
        X, y = problem
        with pytest.raises(ValueError, match="NaN"):
            search_grid(np.where(X > 5, np.nan, X), y)
        with pytest.raises(ValueError, match="one class"):
            search_grid(X, np.full(len(X), "type 1"))


class TestScores:
    def make_predictions(self, n=400):
        rng = np.random.default_rng(0)
        y_true = rng.choice(CLASSES, size=n, p=[0.15, 0.2, 0.65])
        y_pred = np.where(rng.random(n) < 0.8, y_true, rng.choice(CLASSES, size=n))
        return y_true, y_pred

    def test_they_are_scikit_learns(self):
        y_true, y_pred = self.make_predictions()
        scores = score_predictions(y_true, y_pred)
        each = precision_recall_fscore_support(y_true, y_pred)
        mean = precision_recall_fscore_support(y_true, y_pred, average="macro")
        for name, values, value in zip(("precision", "recall", "f_score"), each, mean):
            assert scores[name].tolist() == pytest.approx([*values, value])
        assert scores.index.tolist() == [*CLASSES, "macro"]
        assert scores["n"].tolist() == [*each[3], len(y_true)]

    def test_a_class_that_is_never_predicted_scores_zero(self):
        scores = score_predictions(["a", "b", "b"], ["b", "b", "b"])
        assert scores.loc["a", ["precision", "recall", "f_score"]].tolist() == [0, 0, 0]

    def test_intervals_are_those_of_resampled_rows(self):
        y_true, y_pred = self.make_predictions()
        scores = score_predictions(y_true, y_pred, n_bootstrap=4000)
        assert np.all(scores["f_score_low"] < scores["f_score"])
        assert np.all(scores["f_score"] < scores["f_score_high"])
        rng = np.random.default_rng(1)
        draws = []
        for _ in range(500):
            rows = rng.integers(len(y_true), size=len(y_true))
            draws.append(score_predictions(y_true[rows], y_pred[rows], labels=CLASSES)["recall"])
        low, high = np.percentile(draws, [2.5, 97.5], axis=0)
        assert scores["recall_low"].to_numpy() == pytest.approx(low, abs=0.015)
        assert scores["recall_high"].to_numpy() == pytest.approx(high, abs=0.015)

    def test_confusion(self):
        y_true, y_pred = self.make_predictions()
        counts = tabulate_confusion(y_true, y_pred)
        assert counts.loc["type 1", "type 2"] == np.sum((y_true == "type 1") & (y_pred == "type 2"))
        shares = tabulate_confusion(y_true, y_pred, normalised=True)
        assert shares.sum(axis=1).tolist() == pytest.approx([1, 1, 1])
        assert np.diag(shares).tolist() == pytest.approx(
            score_predictions(y_true, y_pred)["recall"][:3].tolist()
        )
        with pytest.raises(ValueError, match="they lack"):
            tabulate_confusion(y_true, y_pred, labels=["type 1", "type 2"])
        with pytest.raises(ValueError, match="one length"):
            tabulate_confusion([], [])

    def test_kernels_are_scored_by_their_means_over_the_classes(self):
        y_true, y_pred = self.make_predictions()
        table = score_kernels(y_true, {"a": y_pred, "b": y_true}, labels=CLASSES, n_bootstrap=10)
        assert table.loc["b", ["precision", "recall", "f_score_low"]].tolist() == [1, 1, 1]
        expected = score_predictions(y_true, y_pred, n_bootstrap=10).loc["macro"]
        pd.testing.assert_series_equal(table.loc["a"], expected, check_names=False)


class TestCoverage:
    y = np.array(["type 2", "type 1", "type 2", "type 2"])
    inside = np.array([[True, False], [True, True], [False, False], [False, True]])

    def test_by_hand(self):
        table = tabulate_coverage(
            self.y, inside=self.inside, classes=["type 1", "type 2"], novelty=[0.5, 1.5, 1.0, 2.0]
        )
        assert table.index.tolist() == ["type 1", "type 2", "all"]
        assert table["n"].tolist() == [1, 3, 4]
        assert table["covered"].tolist() == pytest.approx([1, 1 / 3, 1 / 2])
        assert table["one type"].tolist() == pytest.approx([0, 2 / 3, 1 / 2])
        assert table["several"].tolist() == pytest.approx([1, 0, 1 / 4])
        assert table["none"].tolist() == pytest.approx([0, 1 / 3, 1 / 4])
        assert table["unlike training"].tolist() == pytest.approx([1, 1 / 3, 1 / 2])
        # Clopper and Pearson: of one success in one trial, alpha / 2 is what remains below.
        assert table.loc["type 1", ["covered_low", "covered_high"]].tolist() == pytest.approx([0.025, 1])

    def test_what_is_not_known_has_no_column(self):
        assert tabulate_coverage(self.y).columns.tolist() == ["n"]
        assert tabulate_coverage(self.y, novelty=np.zeros(4)).columns.tolist() == ["n", "unlike training"]

    def test_what_does_not_fit_is_refused(self):
        with pytest.raises(AgnError, match="a column a class"):
            tabulate_coverage(self.y, inside=self.inside[:2], classes=["type 1", "type 2"])
        with pytest.raises(AgnError, match="at least one spectrum"):
            tabulate_coverage([])


class TestPlane:
    def test_places_are_classified_whatever_their_unit_and_origin(self):
        rng = np.random.default_rng(0)
        y = np.array(CLASSES)[np.arange(150) % 3]
        places = np.array([[0, 0], [6, 0], [0, 6]])[np.arange(150) % 3] + rng.normal(size=(150, 2))
        rows = np.arange(100)
        plane = classify_plane(places, y, rows=rows)
        assert np.mean(plane.predict(places[100:]) == y[100:]) > 0.9
        moved = classify_plane(1024 * places + 4096, y, rows=rows)
        assert moved.predict(1024 * places + 4096).tolist() == plane.predict(places).tolist()
        assert moved.gamma == pytest.approx(plane.gamma / 1024**2)

    def test_a_type_of_one_spectrum_is_refused(self):
        with pytest.raises(AgnError, match="two spectra each"):
            classify_plane(np.eye(3, 2), np.array(["a", "a", "b"]))


class TestCalibration:
    def make_probabilities(self, n=60_000):
        rng = np.random.default_rng(0)
        proba = rng.dirichlet([0.6, 0.8, 1.5], size=n)
        chosen = (rng.random(n)[:, None] > proba.cumsum(axis=1)).sum(axis=1)
        return np.array(CLASSES)[chosen], proba

    def test_true_probabilities_are_calibrated(self):
        y, proba = self.make_probabilities()
        scores = score_probabilities(y, proba, classes=CLASSES)
        assert scores["ece"] < 0.01
        assert all(scores[f"ece {name}"] < 0.01 for name in CLASSES)
        assert scores["brier"] == pytest.approx((proba * (1 - proba)).sum(axis=1).mean(), abs=0.01)

    def test_a_confident_fool_is_found_out(self):
        y = np.array(CLASSES * 100)
        proba = np.tile([1.0, 0.0, 0.0], (300, 1))
        scores = score_probabilities(y, proba, classes=CLASSES)
        assert scores["ece"] == pytest.approx(2 / 3)
        assert scores["brier"] == pytest.approx(4 / 3)
        assert np.isinf(scores["log_loss"])

    def test_reliability_curve_by_hand(self):
        proba = np.array([[0.9, 0.1], [0.95, 0.05], [0.3, 0.7], [0.35, 0.65]])
        curve = reliability_curve(["a", "b", "b", "b"], proba, classes=["a", "b"], n_bins=2)
        rows = curve.set_index("class").loc["a"]
        assert rows["predicted"].tolist() == pytest.approx([0.325, 0.925])
        assert rows["observed"].tolist() == pytest.approx([0.0, 0.5])
        assert rows["n"].tolist() == [2, 2]
        best = curve[curve["class"] == "predicted class"]
        assert best["predicted"].tolist() == pytest.approx([0.8])
        assert best["observed"].tolist() == pytest.approx([0.75])

    def test_what_does_not_fit_is_refused(self):
        with pytest.raises(ValueError, match="a column a class"):
            reliability_curve(["a"], [[0.5, 0.5]], classes=["a", "b", "c"])
        with pytest.raises(ValueError, match=r"got \['c'\]"):
            score_probabilities(["c"], [[0.5, 0.5]], classes=["a", "b"])


class TestRobustness:
    def test_noise_lowers_the_score_to_chance(self, problem):
        X, y = problem
        model = ProbabilisticSVC(kernel="linear", random_state=0).fit(X[:200], y[:200])
        curve = noise_curve(model, X[200:], y[200:], sigmas=[0.0, 1.0, 1e3], n_draws=20)
        macro = curve[curve["class"] == "macro"].set_index("sigma")
        clean = score_predictions(y[200:], model.predict(X[200:]))["f_score"]["macro"]
        assert macro.loc[0.0, "mean"] == pytest.approx(clean)
        assert macro.loc[0.0, "std"] == pytest.approx(0)
        assert macro.loc[1e3, "mean"] < 0.5 < clean
        assert macro.loc[1e3, "std"] > 0
        assert set(curve["class"]) == {*CLASSES, "macro"}
        assert noise_curve(model, X, y, sigmas=[1.0], n_draws=2).equals(
            noise_curve(model, X, y, sigmas=[1.0], n_draws=2)
        )

    def test_the_papers_noise(self):
        assert NOISE_SIGMAS == (0.1, 0.2, 0.3, 0.4, 1.0, 2.0, 3.0, 4.0)

    def test_bad_noise_is_refused(self, problem):
        X, y = problem
        model = ProbabilisticSVC(random_state=0).fit(X, y)
        for options in ({"sigmas": [-1.0]}, {"n_draws": 0}):
            with pytest.raises(ValueError, match="sigmas must not be negative"):
                noise_curve(model, X, y, **options)

    def test_training_is_timed(self, problem):
        times = time_training({"linear": SVC(kernel="linear"), "rbf": SVC()}, *problem, n_fits=3)
        assert times.index.tolist() == ["linear", "rbf"]
        assert np.all((times["min"] > 0) & (times["min"] <= times["mean"]) & (times["mean"] <= times["max"]))
        assert times["n_fits"].tolist() == [3, 3]


def test_embedded_survey_is_classified_and_calibrated(embedded_sample, paper_model):
    X, y = np.asarray(embedded_sample["flux"], dtype=float), np.asarray(embedded_sample["label"], dtype=str)
    model, test = paper_model(0)
    scores = score_probabilities(y[test], model.predict_proba(X[test]), classes=model.classes_)
    assert scores["ece"] <= 0.04
    assert score_predictions(y[test], model.predict(X[test]))["f_score"]["macro"] > 0.85
