"""Shapley values: closed forms, integrated gradients, all orders by hand, and the shap package."""

from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from agn_helpers.classifier import NoveltyDetector, ProbabilisticSVC, SpectrumCompleter, TrainedModel
from agn_helpers.errors import AgnError
from agn_helpers.saliency import (
    TargetScore,
    check_segments,
    explain,
    integrated_gradients,
    remove_lines,
    shap,
)

from ..toy_spectra import GRID, make_spectra

X, IVAR, Y = make_spectra()
MEAN = X.mean(axis=0)

LINEAR = {
    "plain": ProbabilisticSVC(C=0.5, kernel="linear", random_state=0),
    "scaled": make_pipeline(StandardScaler(), PCA(20), ProbabilisticSVC(kernel="linear", random_state=0)),
}


@pytest.fixture(scope="module", params=LINEAR)
def linear(request):
    return LINEAR[request.param].fit(X, Y)


@pytest.fixture(scope="module")
def rbf():
    return ProbabilisticSVC(C=5, gamma=0.02, random_state=0).fit(X, Y)


def cut_into(n_segments):
    edges = np.linspace(GRID[0], GRID[-1] + 1, n_segments + 1)
    names = [f"part {number}" for number in range(n_segments)]
    return pd.DataFrame({"name": names, "low": edges[:-1], "high": edges[1:]})


def change_of(model, spectra, of):
    score, rows = TargetScore(model, spectra, of=of), np.arange(len(spectra))
    return score.values(spectra, rows) - score.values(np.tile(MEAN, (len(spectra), 1)), rows)


def test_of_a_linear_margin_adds_up_to_its_change_from_the_mean(linear):
    values, uncertainty = shap(linear, X[:9], baseline=MEAN, of="margin")
    np.testing.assert_allclose(values.sum(axis=1), change_of(linear, X[:9], "margin"), atol=1e-10)
    assert uncertainty is None
    # The mean of the sample over its own values is nothing: what a background means.
    same_way = shap(linear, X, baseline=MEAN, target="type 1", of="margin").attribution
    assert np.abs(same_way).max() > 0


def test_of_a_linear_margin_is_integrated_gradients_from_the_mean(linear):
    values = shap(linear, X[:9], baseline=MEAN, of="margin").attribution
    expected = integrated_gradients(linear, X[:9], baseline=MEAN, of="margin")
    np.testing.assert_allclose(values, expected, atol=1e-12)


def test_of_two_classes_is_the_weights_times_the_distance_from_the_mean():
    two = Y != "intermediate"
    model = ProbabilisticSVC(C=0.5, kernel="linear", random_state=0).fit(X[two], Y[two])
    values = shap(model, X[two], baseline=X[two].mean(axis=0), target="type 1", of="margin").attribution
    np.testing.assert_allclose(values, model.coef_ * (X[two] - X[two].mean(axis=0)), atol=1e-12)
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize("of", ["log_p", "p", "margin"])
def test_by_segments_is_what_all_orders_give(rbf, of):
    n, spectra, segments = 6, X[:4], cut_into(6)
    owner = np.repeat(np.arange(n), np.diff(check_segments(segments, GRID))[:, 0])
    score, rows = TargetScore(rbf, spectra, of=of), np.arange(4)

    def worth(members):
        return score.values(np.where(np.isin(owner, members), spectra, MEAN), rows)

    exact = np.zeros((4, n))
    for segment in range(n):
        others = [other for other in range(n) if other != segment]
        for size in range(n):
            for members in combinations(others, size):
                gain = worth([*members, segment]) - worth(members)
                exact[:, segment] += gain / (n * comb(n - 1, size))
    found = shap(rbf, spectra, baseline=MEAN, grid=GRID, segments=segments, n_samples=4000, of=of)
    sums = np.array([found.attribution[:, owner == segment].sum(axis=1) for segment in range(n)]).T
    np.testing.assert_allclose(sums, exact, atol=0.02 * np.abs(exact).max())
    np.testing.assert_allclose(found.attribution.sum(axis=1), change_of(rbf, spectra, of), atol=1e-9)
    assert np.ptp(found.attribution[:, owner == 2], axis=1).max() == 0


def test_few_coalitions_add_up_as_well_and_their_scatter_is_told(rbf):
    few = shap(rbf, X[:4], baseline=MEAN, grid=GRID, n_samples=100, n_repeats=8)
    many = shap(rbf, X[:4], baseline=MEAN, grid=GRID, n_samples=2000, n_repeats=8, random_state=1)
    np.testing.assert_allclose(few.attribution.sum(axis=1), change_of(rbf, X[:4], "log_p"), atol=1e-9)
    assert np.median(many.uncertainty / few.uncertainty) < 0.5
    error = np.hypot(few.uncertainty, many.uncertainty)
    assert np.mean(np.abs(few.attribution - many.attribution) < 4 * error) > 0.95


def test_segments_of_a_linear_margin_are_sums_of_the_closed_form():
    model = LINEAR["plain"].fit(X, Y)
    exact = shap(model, X[:5], baseline=MEAN, of="margin").attribution
    # The same number from an estimator whose kernel is not known to be linear.
    poly = ProbabilisticSVC(C=0.5, kernel="poly", degree=1, gamma=1, coef0=0, random_state=0).fit(X, Y)
    segments = cut_into(5)
    found = shap(poly, X[:5], baseline=MEAN, grid=GRID, segments=segments, of="margin").attribution
    for start, stop in check_segments(segments, GRID):
        np.testing.assert_allclose(
            found[:, start:stop].sum(axis=1), exact[:, start:stop].sum(axis=1), rtol=1e-4, atol=1e-6
        )


def test_is_that_of_the_shap_package(linear, rbf):
    package = pytest.importorskip("shap", reason="shap is not installed: pip install shap")
    decisive = LINEAR["plain"].fit(X, Y)
    score = TargetScore(decisive, X[:5], target="type 1", of="margin")
    for row in range(5):
        weights = score.gradients(X[row : row + 1], slice(row, row + 1))[0]
        explainer = package.LinearExplainer(
            (weights, 0.0), package.maskers.Independent(X, max_samples=len(X))
        )
        ours = shap(decisive, X[:5], baseline=MEAN, target="type 1", of="margin").attribution[row]
        np.testing.assert_allclose(ours, explainer.shap_values(X[row]), atol=1e-9)
    segments = cut_into(6)
    spans = check_segments(segments, GRID)
    owner = np.repeat(np.arange(6), spans[:, 1] - spans[:, 0])
    one = TargetScore(rbf, X[:1])

    def worth(members):
        mixed = np.where(members[:, owner] > 0, X[0], MEAN)
        return one.values(mixed, np.zeros(len(mixed), dtype=int))

    theirs = package.KernelExplainer(worth, np.zeros((1, 6))).shap_values(np.ones((1, 6)), silent=True)[0]
    ours = shap(rbf, X[:1], baseline=MEAN, grid=GRID, segments=segments, n_samples=4000).attribution[0]
    np.testing.assert_allclose(np.add.reduceat(ours, spans[:, 0]), theirs, atol=0.02 * np.abs(theirs).max())


@pytest.fixture(scope="module")
def trained():
    completer = SpectrumCompleter(n_components=5).fit(X, IVAR)
    detector = NoveltyDetector(n_components=5, random_state=0).fit(X, IVAR, grid=GRID)
    return TrainedModel(
        LINEAR["plain"].fit(X, Y), GRID, {"survey": "toy"}, {"completion": completer, "novelty": detector}
    )


def test_a_model_starts_from_the_mean_of_its_training_sample(trained):
    ours = trained.explain(X[:3], method="shap", of="margin")
    expected = shap(trained.estimator, X[:3], baseline=trained.completion.mean_, of="margin").attribution
    np.testing.assert_array_equal(ours.values, expected)
    np.testing.assert_allclose(trained.completion.mean_, MEAN, atol=1e-6)
    assert (ours.of, ours.quantity, ours.uncertainty) == ("margin", "margin per pixel", None)
    other = trained.explain(X[:3], method="shap", of="margin", baseline=X[5])
    assert not np.allclose(other.values, expected)
    # A classifier alone knows of no sample.
    alone = explain(trained.estimator, X[:3], method="shap", of="margin", grid=GRID)
    expected = shap(trained.estimator, X[:3], baseline=remove_lines(X[:3], GRID), of="margin").attribution
    np.testing.assert_array_equal(alone.values, expected)


def test_novelty_is_explained_where_the_new_feature_is(trained, plot_style):
    strange = X[:2].copy()
    strange[1] += 2.0 * np.exp(-0.5 * ((GRID - 4700) / 8) ** 2)
    found = trained.explain(strange, method="novelty", ivar=IVAR[:2])
    np.testing.assert_array_equal(found.values, trained.extras["novelty"].significance(strange, IVAR[:2]))
    assert abs(GRID[found.values[1].argmax()] - 4700) < 8
    limit = trained.extras["novelty"].thresholds_["features"]
    assert found.values[1].max() > limit > np.abs(found.values[0]).max()
    assert (found.method, found.of, found.quantity) == ("novelty", "novelty", "significance")
    assert repr(found) == "<Attribution: novelty; 2 spectra>"
    figure = found.plot(1).figure
    words = [ax.get_xlabel() + ax.get_ylabel() for ax in figure.axes]
    assert any("light than expected" in each for each in words)
    assert not any("P(" in each for each in words)
    with pytest.raises(AgnError, match="novelty needs the spectra's ivar"):
        trained.explain(strange, method="novelty")


@pytest.mark.parametrize(
    ("message", "options"),
    {
        "n_samples must be even and at least": {"n_samples": 7},
        "n_samples must be even and at least 12": {"segments": cut_into(6), "n_samples": 10},
        "n_repeats must be at least 2; got 1": {"n_repeats": 1},
        "segments must be at least two": {"segments": cut_into(1)},
        "baseline must have shape": {"baseline": MEAN[1:]},
        "grid must be the wavelengths": {"grid": None},
    }.items(),
)
def test_what_cannot_be_done_is_refused_with_the_reason(rbf, message, options):
    with pytest.raises(AgnError, match=message):
        shap(rbf, X[:2], **{"baseline": MEAN, "grid": GRID} | options)
