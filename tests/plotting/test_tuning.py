"""Figures of the tuning: what is drawn is what was found, on the Axes that was given."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from agn_helpers.lines import AGN_TYPES
from agn_helpers.plotting import (
    DOUBLE_COLUMN,
    plot_beside_paper,
    plot_noise_curve,
    plot_novelty,
    plot_search,
    save_figure,
)
from agn_helpers.tuning import TUNED_KERNELS, best_result, compare_with_paper, paper_table, search_grid
from agn_helpers.tuning.metrics import NOISE_SIGMAS

pytestmark = pytest.mark.usefixtures("plot_style")

RNG = np.random.default_rng(0)
Y = np.array(list(AGN_TYPES))[np.arange(90) % 3]
X = RNG.normal(size=(90, 5)) + 1.5 * (Y == "type 1")[:, None] - (Y == "type 2")[:, None]
RESULTS = pd.concat(
    [
        search_grid(
            X,
            Y,
            {key: {"C": [0.01, 0.1, 1.0], "gamma": [0.05, 0.5]} for key in TUNED_KERNELS},
            cv=3,
            scaled=scaled,
        )
        for scaled in (False, True)
    ],
    ignore_index=True,
)
CURVE = pd.DataFrame(
    [
        (sigma, name, mean := RNG.uniform(0.3, 0.9), 0.02, mean - 0.05, mean + 0.04)
        for sigma in NOISE_SIGMAS
        for name in [*AGN_TYPES, "macro"]
    ],
    columns=["sigma", "class", "mean", "std", "low", "high"],
)
SCORES = paper_table(6)[["f_score"]] + 0.01
COMPARISON = compare_with_paper(
    SCORES.assign(f_score_low=SCORES - 0.02, f_score_high=SCORES + 0.015), paper_table(6)[["f_score"]]
)
NOVELTY = RNG.uniform(0.1, 1.1, size=90)

DRAWINGS = {
    **{
        f"search, {name}": lambda ax, name=name: plot_search(
            RESULTS, name, paper=paper_table(3).loc[name], ax=ax
        )
        for name in TUNED_KERNELS
    },
    "search of one value": lambda ax: plot_search(RESULTS[RESULTS["round"] == 0][:1], "linear", ax=ax),
    "noise": lambda ax: plot_noise_curve(CURVE, paper=paper_table(5), ax=ax),
    "noise alone": lambda ax: plot_noise_curve(CURVE[CURVE["class"] != "type 1"], ax=ax),
    "beside the paper": lambda ax: plot_beside_paper(COMPARISON, ax=ax),
    "novelty": lambda ax: plot_novelty(NOVELTY, Y, ax=ax),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_draws_on_the_given_axes_and_returns_it_without_warnings(name, tmp_path):
    figure, ax = plt.subplots(figsize=(DOUBLE_COLUMN, 3))
    with warnings.catch_warnings():
        # Missing glyphs and layouts that do not fit come as warnings.
        warnings.simplefilter("error")
        assert DRAWINGS[name](ax) is ax
        save_figure(ax, tmp_path / "figure.png", survey="synthetic")
    assert ax.has_data()
    assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize("name", TUNED_KERNELS)
def test_the_ring_marks_the_best_and_is_in_sight(name):
    ax = plot_search(RESULTS, name)
    rings = [line for line in ax.lines if line.get_markersize() == 7]
    for scaled, ring in zip((False, True), rings, strict=True):
        best = best_result(RESULTS[RESULTS["scaled"] == scaled], name)
        cost = best["param_C"] * (best["param_gamma"] ** int(name[-1]) if "poly" in name else 1)
        np.testing.assert_allclose(ring.get_xydata(), [[cost, best["mean_test_score"]]])
    assert ax.get_ylim()[1] > RESULTS["mean_test_score"].max()


def test_the_line_of_rbf_is_the_best_of_all_gammas():
    ax = plot_search(RESULTS, "rbf")
    grid = RESULTS[(RESULTS["name"] == "rbf") & (RESULTS["round"] == 0) & ~RESULTS["scaled"]]
    x, y = ax.lines[0].get_data()
    assert list(x) == [0.01, 0.1, 1.0]
    for C, score in zip(x, y):
        assert score == grid.loc[grid["param_C"] == C, "mean_test_score"].max()


def test_a_single_value_stands_in_the_middle():
    ax = plot_search(RESULTS[RESULTS["round"] == 0][:1], "linear")
    low, high = ax.get_xlim()
    assert low > 0 and np.sqrt(low * high) == pytest.approx(0.01)


def test_all_kernels_share_one_f_axis():
    limits = {plot_search(RESULTS, name).get_ylim() for name in TUNED_KERNELS}
    assert len(limits) == 1


def test_noise_of_each_type_in_its_colour_with_the_papers_beside():
    ax = plot_noise_curve(CURVE, paper=paper_table(5))
    for name, look in AGN_TYPES.items():
        ours, theirs = (line for line in ax.lines if line.get_color() == look.colour)
        assert list(ours.get_ydata()) == CURVE.loc[CURVE["class"] == name, "mean"].tolist()
        assert list(theirs.get_ydata()) == paper_table(5).loc[name].tolist()
        assert theirs.get_markerfacecolor() == "white"
    ax.figure.draw_without_rendering()
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels == ["0.1", "0.2", "0.3", "0.4", "1", "2", "3", "4"]


def test_scores_and_the_papers_do_not_hide_each_other():
    ax = plot_beside_paper(COMPARISON)
    ours, theirs = (next(line for line in ax.lines if line.get_marker() == marker) for marker in "oD")
    assert list(ours.get_xdata()) == COMPARISON["f_score"].tolist()
    assert list(theirs.get_xdata()) == COMPARISON["f_score_paper"].tolist()
    assert np.all(theirs.get_ydata() > ours.get_ydata())
    # The first row of the table is on top.
    assert ax.yaxis_inverted()


def test_novelty_is_the_share_beyond():
    ax = plot_novelty(NOVELTY, Y)
    for name, look in AGN_TYPES.items():
        x, y = next(line for line in ax.lines if line.get_color() == look.colour).get_data()
        for value, share in zip(x[:-1], y[:-1]):
            assert share == pytest.approx(np.mean(NOVELTY[Y == name] >= value))
        assert y[-1] == 0
