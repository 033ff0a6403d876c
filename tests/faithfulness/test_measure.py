"""Tests of explanations against models whose true explanation is known in closed form."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from agn_helpers.classifier import ProbabilisticSVC, TrainedModel
from agn_helpers.errors import AgnError
from agn_helpers.faithfulness import average_curves, measure_faithfulness
from agn_helpers.faithfulness.curves import curve_area, measure_curves, number_segments, perturbation_curve
from agn_helpers.faithfulness.ground_truth import (
    COMPONENTS,
    Pairs,
    measure_relevance,
    relevance_mass,
    relevance_rank,
    simulate_pairs,
    train_on_pairs,
)
from agn_helpers.faithfulness.measure import find_relevances, join_measures
from agn_helpers.faithfulness.sanity import (
    change_model,
    change_spectra,
    measure_sanity,
    measure_stability,
    shuffle_dual,
)
from agn_helpers.faithfulness.similarity import choose_methods, correlate_ranks, summarise_values
from agn_helpers.lines import LINES
from agn_helpers.lines import PAPER_GRID as GRID
from agn_helpers.reduction import sample_arrays
from agn_helpers.saliency import TargetScore, gradient

CLASSES = np.array(["intermediate", "type 1", "type 2"])


class LinearModel:
    """log p of class "a" is the sum of the weighted fluxes: deletion curves are sums of its terms."""

    classes_ = np.array(["a", "b"])

    def __init__(self, weights):
        self.weights = weights

    def predict_log_proba(self, X):
        return np.column_stack([X @ self.weights, -X @ self.weights])

    def predict_proba(self, X):
        return expit(2 * self.predict_log_proba(X))


@pytest.fixture(scope="module")
def linear():
    rng = np.random.default_rng(0)
    return LinearModel(rng.normal(size=40)), rng.normal(size=(6, 40)), rng.normal(size=40)


@pytest.fixture(scope="module")
def bumps():
    """Three classes that differ in the height of a bump; half to train, half to explain."""
    rng = np.random.default_rng(1)
    y = CLASSES[np.arange(240) % 3]
    height = np.select([y == "type 1", y == "intermediate"], [1.0, 0.5], 0.0)
    X = (
        1
        + height[:, None] * np.exp(-0.5 * ((np.arange(60) - 30) / 4) ** 2)
        + 0.3 * rng.normal(size=(240, 60))
    )
    return X[:120], y[:120], X[120:]


@pytest.fixture(scope="module")
def machine(bumps):
    return ProbabilisticSVC(C=0.1, kernel="linear", random_state=0).fit(*bumps[:2])


def test_deletion_and_insertion_of_a_linear_model_are_sums_of_its_terms(linear):
    model, X, reference = linear
    terms = model.weights * (X - reference)
    score, options = TargetScore(model, X, target="a"), {"reference": reference, "n_steps": 40}
    deletion = perturbation_curve(score, X, terms, **options)
    insertion = perturbation_curve(score, X, terms, insertion=True, **options)
    taken = np.pad(np.cumsum(-np.sort(-terms, axis=1), axis=1), ((0, 0), (1, 0)))
    np.testing.assert_allclose(deletion, (X @ model.weights)[:, None] - taken, atol=1e-12)
    np.testing.assert_allclose(insertion, reference @ model.weights + taken, atol=1e-12)
    np.testing.assert_allclose(
        curve_area(deletion), (deletion.sum(axis=1) - deletion[:, [0, -1]].mean(axis=1)) / 40
    )


def test_no_order_deletes_faster_than_the_true_one(linear):
    model, X, reference = linear
    terms = model.weights * (X - reference)
    rng = np.random.default_rng(2)
    score = TargetScore(model, X, target="a")
    curves = measure_curves(
        score,
        X,
        {"true": terms, "reversed": -terms} | {str(n): rng.normal(size=X.shape) for n in range(20)},
        grid=GRID[:40],
        reference=reference,
        n_random=100,
    ).xs(("pixels", "deletion"), level=("unit", "kind"))
    pixels = pd.Series(curve_area(curves.to_numpy()), curves.index).unstack("name")
    assert (pixels.idxmin(axis=1) == "true").all()
    assert (pixels.idxmax(axis=1) == "reversed").all()
    # At random the curve falls in a straight line on average.
    middle = (X @ model.weights + reference @ model.weights) / 2
    np.testing.assert_allclose(pixels["random order"], middle, atol=4 * np.abs(terms).sum() / 6 / 100)
    distance = perturbation_curve(score, X, np.abs(X - reference), reference=reference)
    np.testing.assert_allclose(pixels["|flux - continuum|"], curve_area(distance))


def test_curves_are_averaged_over_spectra(linear):
    model, X, reference = linear
    score = TargetScore(model, X, target="a")
    relevance = model.weights * X
    curves = measure_curves(score, X, {"map": relevance}, grid=GRID[:40], reference=reference)
    for unit, units in (("pixels", None), ("segments", number_segments(GRID[:40]))):
        for kind in ("deletion", "insertion"):
            mean = average_curves(curves, unit=unit, kind=kind)
            assert mean.columns.tolist() == ["map", "random order", "|flux - continuum|"]
            assert mean.index.tolist() == pytest.approx(np.linspace(0, 1, 21).tolist())
            each = perturbation_curve(
                score, X, relevance, reference=reference, units=units, insertion=kind == "insertion"
            )
            np.testing.assert_allclose(mean["map"], each.mean(axis=0))


def test_derivatives_become_contributions_of_the_lines():
    pairs = simulate_pairs(30)
    model, test = train_on_pairs(pairs)
    X = pairs.X[test]
    found = find_relevances(model, X, grid=GRID, methods=["gradient", "gradient_times_input", "occlusion"])
    np.testing.assert_allclose(found["gradient"], found["gradient_times_input"], atol=1e-12)
    own = choose_methods("occlusion")["occlusion"](model, X, grid=GRID)
    np.testing.assert_array_equal(found["occlusion"], own)


def test_segments_are_replaced_whole_and_unchanged_pixels_do_not_count(linear):
    model, X, reference = linear
    units = np.repeat([7, 3, 5, 9], 10)
    same = reference.copy()
    reference = np.where(units == 9, X, reference)
    terms = model.weights * (X - reference)
    curve = perturbation_curve(
        TargetScore(model, X, target="a"), X, terms, reference=reference, units=units, n_steps=3
    )
    sums = np.add.reduceat(terms, [0, 10, 20], axis=1)
    taken = np.pad(np.cumsum(-np.sort(-sums, axis=1), axis=1), ((0, 0), (1, 0)))
    np.testing.assert_allclose(curve, (X @ model.weights)[:, None] - taken, atol=1e-12)
    np.testing.assert_array_equal(same, linear[2])


def test_a_curve_does_not_depend_on_its_company(linear):
    model, X, reference = linear
    together = perturbation_curve(TargetScore(model, X, of="p"), X, X, reference=reference)
    alone = [
        perturbation_curve(TargetScore(model, each, of="p"), each, each, reference=reference)[0]
        for each in X[:, None]
    ]
    np.testing.assert_allclose(together, alone)


def test_segments_number_every_pixel_of_the_grid():
    numbers = number_segments(GRID)
    assert numbers.shape == GRID.shape
    np.testing.assert_array_equal(np.unique(np.diff(numbers)), [0, 1])


def test_rank_correlation_is_spearmans():
    first, second = np.random.default_rng(3).normal(size=(2, 5, 200))
    second += first
    expected = [spearmanr(*pair).statistic for pair in zip(first, second)]
    np.testing.assert_allclose(correlate_ranks(first, second), expected)
    np.testing.assert_allclose(correlate_ranks(first, np.exp(first)), 1)
    np.testing.assert_allclose(correlate_ranks(first, -first), -1)
    np.testing.assert_allclose(correlate_ranks(first, -first, absolute=True), 1)
    assert not correlate_ranks(first, np.ones_like(first)).any()


def test_pixels_that_no_map_attributes_to_are_no_agreement():
    first, second = np.random.default_rng(4).normal(size=(2, 3, 100))
    padded = [np.pad(each, ((0, 0), (0, 900))) for each in (first, second)]
    for absolute in (False, True):
        np.testing.assert_allclose(
            correlate_ranks(*padded, absolute=absolute), correlate_ranks(first, second, absolute=absolute)
        )


def test_intervals_of_repeats_are_those_of_their_number():
    # Four models that differ and whose spectra agree: the interval is that of four values.
    values = np.repeat([[1.0], [2.0], [3.0], [4.0]], 200, axis=1)
    value, low, high = summarise_values(values, statistic=np.mean, n_bootstrap=2000)
    assert value == 2.5
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(1.25 / 4), rel=0.1)
    normal = np.random.default_rng(5).normal(size=400)
    value, low, high = summarise_values(normal, statistic=np.mean, n_bootstrap=2000)
    assert high - low == pytest.approx(2 * 1.96 * normal.std() / 20, rel=0.1)


def test_a_label_permuted_is_a_label_lost(machine, bumps):
    X, y, shown = bumps
    table = measure_sanity(
        machine, shown[:20], (X, y), grid=GRID[:60], methods="gradient", n_repeats=10
    ).set_index("check")
    for check in ("labels permuted", "dual shuffled"):
        assert abs(table.loc[check, "signed"]) < 0.3
        assert table.loc[check, "absolute"] < 0.3
    assert table.loc["another seed", "signed"] > 0.95
    assert 0.3 < table.loc["half the sample", "signed"] < table.loc["another seed", "signed"]
    assert (table["signed_low"] <= table["signed"]).all()
    assert (table["signed"] <= table["signed_high"]).all()


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_shuffled_multipliers_keep_sums_intercepts_and_the_original(bumps, kernel):
    X, y, _ = bumps
    model = make_pipeline(StandardScaler(), ProbabilisticSVC(C=0.1, kernel=kernel, random_state=0)).fit(X, y)
    before = model[-1].dual_coef_.copy()
    shuffled = shuffle_dual(model, X)[-1]
    np.testing.assert_array_equal(model[-1].dual_coef_, before)
    np.testing.assert_allclose(shuffled.dual_coef_.sum(axis=1), 0, atol=1e-9)
    np.testing.assert_array_equal(np.sort(shuffled.dual_coef_, axis=1), np.sort(before, axis=1))
    np.testing.assert_array_equal(shuffled.intercept_, model[-1].intercept_)
    if kernel == "linear":
        weights = shuffled.dual_coef_ @ model[0].transform(X)[shuffled.support_]
        np.testing.assert_allclose(shuffled.coef_, weights)


def test_spectra_change_as_said():
    centre = LINES["Hbeta"].wavelength
    X = 2 + np.exp(-0.5 * ((GRID - centre) / 6) ** 2)[None]
    changed = change_spectra(X, grid=GRID, ivar=np.full(X.shape, 4.0))

    def position(flux):
        return ((flux - 2) @ GRID / (flux - 2).sum())[0]

    step = GRID[1] - GRID[0]
    assert position(changed["1 pixel to the red"]) - position(X) == pytest.approx(step, rel=1e-6)
    assert position(changed["1 pixel to the blue"]) - position(X) == pytest.approx(-step, rel=1e-6)
    # A redshift that is too large puts lines too far in the blue.
    assert position(changed["redshift error"]) == pytest.approx(centre / 1.0001, abs=1e-3)
    np.testing.assert_allclose(changed["local median"], X / 2)
    assert (changed["noise"] - X).std() == pytest.approx(0.5, rel=0.1)
    assert "noise" not in change_spectra(X, grid=GRID)


def test_the_map_of_a_linear_machine_of_two_classes_is_stable(bumps):
    X = np.repeat(bumps[0], 20, axis=1)[:, :1000]
    model = ProbabilisticSVC(C=1, kernel="linear", random_state=0).fit(X, bumps[1] == "type 1")
    table = measure_stability(model, X[:10], grid=GRID, ivar=np.full((10, 1000), 100.0), methods="gradient")
    assert len(table) == 5
    np.testing.assert_allclose(table["signed"], 1)
    moved = measure_stability(model, X[:10], grid=GRID, methods="gradient_times_input")
    assert (moved["signed"] < 1 - 1e-9).sum() >= 3


def test_pairs_are_identical_outside_the_windows_and_differ_within():
    pairs = simulate_pairs(12, hosts="each")
    difference = pairs.X[12:] - pairs.X[:12]
    assert np.all((difference != 0) == pairs.windows)
    hbeta, hgamma = (np.abs(LINES[name].velocity(GRID)) <= 2000 for name in COMPONENTS)
    np.testing.assert_array_equal(pairs.windows, hbeta | hgamma)
    # Cut at half of the maximum, and 0.45 of Hβ's flux under Hγ.
    assert np.all(difference[:, hbeta].min(axis=1) >= 0.5 * difference[:, hbeta].max(axis=1))
    np.testing.assert_allclose(
        difference[:, hgamma].sum(axis=1) / difference[:, hbeta].sum(axis=1), 0.45, rtol=0.03
    )
    unpaired = simulate_pairs(12, hosts="each", paired=False)
    assert np.all(unpaired.X[12:, ~pairs.windows] != unpaired.X[:12, ~pairs.windows])


def test_one_host_leaves_only_noise_outside_the_windows():
    pairs = simulate_pairs(40)
    X, ivar = pairs.X[:40], pairs.ivar[:40]
    scatter = (X - X.mean(axis=0)) * np.sqrt(ivar)
    assert scatter[ivar > 0].std() == pytest.approx(np.sqrt(39 / 40), rel=0.02)


def test_a_perfect_map_scores_one_and_a_random_one_the_windows_share():
    windows = np.zeros(1000, dtype=bool)
    windows[300:420] = True
    perfect = np.where(windows, -2.0, 0)[None]
    assert relevance_mass(perfect, windows)[0] == relevance_rank(perfect, windows)[0] == 1
    assert relevance_rank(np.where(windows, 0, 1.0)[None], windows)[0] == 0
    even = np.ones((1, 1000))
    assert relevance_mass(even, windows)[0] == pytest.approx(0.12) == relevance_rank(even, windows)[0]
    random = np.random.default_rng(6).normal(size=(2000, 1000))
    assert relevance_mass(random, windows).mean() == pytest.approx(0.12, abs=0.002)
    assert relevance_rank(random, windows).mean() == pytest.approx(0.12, abs=0.003)


def test_half_of_a_map_in_the_windows():
    maps = np.zeros((1, 100))
    maps[0, :20] = 1
    windows = np.arange(100) < 10
    assert relevance_mass(maps, windows)[0] == pytest.approx(0.5)
    # Ten of twenty equal pixels are the highest ten: on average five of those within.
    assert relevance_rank(maps, windows)[0] == pytest.approx(0.5)


def test_the_gradient_finds_the_windows_of_the_ground_truth():
    table = measure_relevance(methods="gradient", n_pairs=150, n_repeats=2).iloc[0]
    assert table["rank"] >= 0.8
    assert table["mass"] > 4 * table["windows"]
    assert table["f_score"] > 0.8


def test_weights_outside_the_windows_help_where_hosts_differ():
    """Suppressors (Haufe et al. 2014): lines outside tell how strong those inside would be without."""
    pairs = simulate_pairs(300, hosts="each")
    whole, test = train_on_pairs(pairs)
    within = Pairs(pairs.X[:, pairs.windows], pairs.ivar, pairs.y, pairs.pair, pairs.windows, pairs.grid)
    narrow, same = train_on_pairs(within)
    np.testing.assert_array_equal(test, same)
    scores = [
        f1_score(pairs.y[test], model.predict(each.X[test]), average="macro")
        for model, each in ((whole, pairs), (narrow, within))
    ]
    assert scores[0] > scores[1]
    assert relevance_rank(gradient(whole, pairs.X[test]), pairs.windows).max() < 0.95


def test_the_training_pairs_are_whole():
    pairs = simulate_pairs(40)
    _, test = train_on_pairs(pairs, test_share=0.2)
    assert len(test) == 16
    assert np.all(np.bincount(pairs.pair[test], minlength=40) % 2 == 0)


def test_one_table_of_methods_and_measures(embedded_sample):
    sample = embedded_sample[::12]
    test = np.arange(len(sample)) % 5 == 0
    model = ProbabilisticSVC(C=0.07, kernel="linear", class_weight="balanced", random_state=0)
    model.fit(*sample_arrays(sample[~test]))
    found = measure_faithfulness(
        model, sample[test], sample[~test], methods=["gradient", "occlusion"], n_pairs=40, n_explained=5
    )
    table = found.table
    assert list(table.index) == ["gradient", "occlusion", "random order", "|flux - continuum|"]
    assert list(table) == [
        *(f"{kind}_{unit}" for unit in ("pixels", "segments") for kind in ("deletion", "insertion")),
        *("labels_permuted", "labels_permuted_absolute", "dual_shuffled", "dual_shuffled_absolute"),
        *("another_seed", "another_seed_absolute", "half_the_sample", "half_the_sample_absolute"),
        *("stable_noise", "stable_1_pixel_to_the_red", "stable_1_pixel_to_the_blue"),
        *("stable_redshift_error", "stable_local_median"),
        *("rank_one_host", "mass_one_host", "rank_each_host", "mass_each_host"),
    ]
    assert table.loc[["gradient", "occlusion"]].notna().all().all()
    assert table.loc["gradient", "another_seed"] == pytest.approx(1, abs=1e-3)
    assert table.loc["gradient", "deletion_pixels"] < table.loc["random order", "deletion_pixels"]
    assert table.loc["gradient", "insertion_pixels"] > table.loc["random order", "insertion_pixels"]
    for part, value in ((found.sanity, "signed"), (found.sanity, "absolute"), (found.relevance, "rank")):
        assert (part[f"{value}_low"] <= part[value]).all() and (part[value] <= part[f"{value}_high"]).all()


def test_four_tables_are_joined_name_by_name():
    keys = pd.MultiIndex.from_product(
        [["gradient", "random order"], ["pixels"], ["deletion", "insertion"], [0, 1]],
        names=["name", "unit", "kind", "spectrum"],
    )
    curves = pd.DataFrame(np.arange(8.0)[:, None] + np.zeros(3), index=keys)
    sanity = pd.DataFrame([{"method": "gradient", "check": "dual shuffled", "signed": 0.1, "absolute": 0.2}])
    stability = pd.DataFrame([{"method": "gradient", "change": "noise", "signed": 0.9}])
    relevance = pd.DataFrame(
        [{"method": "gradient", "hosts": "one", "rank": 0.7, "mass": 0.6, "windows": 0.08}]
    )
    table = join_measures(curves, sanity, stability, relevance)
    assert table.loc["gradient"].to_dict() == {
        "deletion_pixels": 0.5,
        "insertion_pixels": 2.5,
        "dual_shuffled": 0.1,
        "dual_shuffled_absolute": 0.2,
        "stable_noise": 0.9,
        "rank_one_host": 0.7,
        "mass_one_host": 0.6,
    }
    chance = table.loc["random order"].dropna().to_dict()
    assert chance == {
        "deletion_pixels": 4.5,
        "insertion_pixels": 6.5,
        "rank_one_host": 0.08,
        "mass_one_host": 0.08,
    }


def test_a_function_of_ones_own_is_a_method(machine, bumps):
    def ones(estimator, X, *, grid, ivar, target, random_state):
        return np.ones(np.shape(X))

    table = measure_sanity(
        machine, bumps[2][:4], bumps[:2], grid=GRID[:60], methods={"even": ones}, n_repeats=1
    )
    assert not table["signed"].any()


def test_bad_input_is_refused_in_one_line(linear, machine, bumps, embedded_sample):
    model, X, reference = linear
    Z, y, shown = bumps
    broken = X.copy()
    broken[0, 0] = np.nan
    grid = GRID[:60]
    logistic = LogisticRegression().fit(Z, y)
    score = TargetScore(model, X)
    sample, by_pixel = embedded_sample[:5], embedded_sample[:5]
    by_pixel.meta["normalisation"] = "pixel"
    X_few, y_few = sample_arrays(embedded_sample[::60])
    few = ProbabilisticSVC(kernel="linear", random_state=0).fit(X_few, y_few)
    trained = TrainedModel(few, grid=embedded_sample.grid, meta={"normalisation": "window"})

    def curve(relevance=X, **options):
        return perturbation_curve(score, X, relevance, **{"reference": reference} | options)

    for message, attempt in {
        "X must be finite": lambda: perturbation_curve(score, broken, X, reference=reference),
        "relevance must be finite": lambda: curve(broken),
        "relevance must .* shape of X": lambda: curve(X[:, 1:]),
        "baseline must have shape": lambda: curve(reference=reference[1:]),
        "units must hold a number for each": lambda: curve(units=np.zeros(3)),
        "reference must differ": lambda: curve(reference=X),
        "n_steps must be at least 1; got 0": lambda: curve(n_steps=0),
        "n_random must be": lambda: measure_curves(score, X, {}, grid=GRID[:40], n_random=0),
        "got 'lines', 'deletion'": lambda: average_curves(pd.DataFrame(), unit="lines"),
        "one shape": lambda: correlate_ranks(X, X[1:]),
        "maps must be finite": lambda: correlate_ranks(X, broken),
        "methods must be among": lambda: choose_methods(["gradeint"]),
        "at least one method": lambda: choose_methods([]),
        "check must be one of": lambda: change_model(machine, Z, y, check="labels swapped"),
        "needs a ProbabilisticSVC; got Log": lambda: shuffle_dual(logistic, Z),
        "in the same order; it is not": lambda: shuffle_dual(machine, Z[::-1]),
        "n_repeats must be": lambda: measure_sanity(machine, shown, (Z, y), grid=grid, n_repeats=0),
        "median flux within 50 Å": lambda: change_spectra(shown, grid=grid),
        "ivar must have the shape": lambda: change_spectra(np.ones((2, 1000)), grid=GRID, ivar=np.ones(1000)),
        "n_pairs must be": lambda: simulate_pairs(0),
        "hosts must be 'one' or 'each'": lambda: simulate_pairs(5, hosts="none"),
        "fwhm must be a positive": lambda: simulate_pairs(5, fwhm=0),
        "pairs must leave 10": lambda: train_on_pairs(simulate_pairs(8)),
        "n_explained must be at least 1; got 0": lambda: measure_relevance(n_explained=0),
        "n_bootstrap must be at least 1; got 0": lambda: summarise_values([1.0], n_bootstrap=0),
        "attribution must be finite": lambda: relevance_mass(broken, np.ones(40)),
        "windows must fit": lambda: relevance_rank(X, np.ones(41)),
        "windows must hold a pixel": lambda: relevance_rank(X, np.zeros(40)),
        "X must have 60 features": lambda: measure_faithfulness(machine, sample, sample),
        "normalised as the model's own, by 'window'; it is by 'pixel'": lambda: measure_faithfulness(
            trained, by_pixel, sample
        ),
        "a reduced sample is needed": lambda: measure_faithfulness(trained, sample, np.ones((5, 1000))),
        "grid must be 60 increasing": lambda: find_relevances(machine, shown, grid=GRID),
    }.items():
        with pytest.raises(AgnError, match=message) as caught:
            attempt()
        assert "\n" not in str(caught.value)
