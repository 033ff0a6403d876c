"""Figures of the tuning: what is drawn is what was found, on the Axes that was given."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from agn_helpers.errors import AgnError
from agn_helpers.lines import AGN_TYPES
from agn_helpers.plotting import (
    DOUBLE_COLUMN,
    plot_agreement,
    plot_beside_paper,
    plot_confusion,
    plot_histogram,
    plot_noise_curve,
    plot_novelty,
    plot_reliability,
    plot_search,
    plot_truth_pairs,
    save_figure,
)
from agn_helpers.survey import simulate_survey
from agn_helpers.tuning import (
    TUNED_KERNELS,
    best_result,
    compare_with_paper,
    paper_table,
    reliability_curve,
    search_grid,
    tabulate_confusion,
)
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
    rings = [line for line in ax.lines if line.get_markersize() == 7 and len(line.get_xdata())]
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
    # In one line with its name, one within the other.
    assert list(theirs.get_ydata()) == list(ours.get_ydata()) == [0, 1, 2, 3]
    assert theirs.get_markerfacecolor() == "none" and theirs.get_markersize() > 1.5 * ours.get_markersize()
    # The first row of the table is on top.
    assert ax.yaxis_inverted()


def test_novelty_is_the_share_beyond():
    ax = plot_novelty(NOVELTY, Y)
    for name, look in AGN_TYPES.items():
        drawn = next(line for line in ax.lines if to_hex(line.get_color()).upper() == look.colour)
        assert drawn.get_drawstyle() == "steps-post"
        x, y = drawn.get_data()
        np.testing.assert_array_equal(x[1:], np.sort(NOVELTY[Y == name]))
        for value, share in zip(x, y):
            assert share == pytest.approx(np.mean(NOVELTY[Y == name] > value))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(AGN_TYPES)
    assert ax.get_xlim()[1] > NOVELTY.max()


def test_histograms_count_each_type_in_its_colour():
    values = np.where(Y == "type 1", NOVELTY, 2 * NOVELTY).astype(">f8")
    ax = plot_histogram(values, Y, xlabel="Redshift", bins=12)
    edges = np.histogram_bin_edges(values, 12)
    for name, look in AGN_TYPES.items():
        (area,) = (area for area in ax.collections if to_hex(area.get_edgecolor()).upper() == look.colour)
        steps = area.get_paths()[0].vertices
        counts = np.histogram(values[Y == name], edges)[0]
        for left, right, count in zip(edges[:-1], edges[1:], counts):
            inside = steps[(steps[:, 0] > left - 1e-9) & (steps[:, 0] < right + 1e-9), 1]
            assert count in inside
        assert steps[:, 1].max() == counts.max()


def test_a_reliability_diagram_is_the_table_of_reliability(monkeypatch):
    probability = RNG.dirichlet([1, 1, 1], 90)
    table = reliability_curve(Y, probability, classes=list(AGN_TYPES))
    bars = dict(zip(AGN_TYPES, plot_reliability(Y, probability, list(AGN_TYPES)).containers, strict=True))
    for name in AGN_TYPES:
        part = table[(table["class"] == name) & (table["n"] >= 5)]
        np.testing.assert_array_equal(bars[name].lines[0].get_xydata(), part[["predicted", "observed"]])
    # It draws that table, whatever it holds.
    other = pd.DataFrame({"class": ["type 2"], "predicted": [0.3], "observed": [0.9], "n": [16]})
    monkeypatch.setattr("agn_helpers.plotting.tuning.reliability_curve", lambda *_, **options: other)
    (drawn,) = plot_reliability(Y, probability, list(AGN_TYPES)).containers
    assert drawn.lines[0].get_xydata().tolist() == [[0.3, 0.9]]
    share = (0.9 * 16 + 1) / 18
    ends = np.array(drawn.lines[2][0].get_segments())[0, :, 1]
    np.testing.assert_allclose(ends, 0.9 + np.array([-1, 1]) * np.sqrt(share * (1 - share) / 19))


def test_a_confusion_matrix_is_the_table_of_confusion(monkeypatch):
    predicted = RNG.permutation(Y)
    counts, shares = (
        tabulate_confusion(Y, predicted, labels=list(AGN_TYPES), normalised=normalised)
        for normalised in (False, True)
    )
    ax = plot_confusion(Y, predicted)
    assert [text.get_text() for text in ax.texts] == counts.to_numpy().astype(str).ravel().tolist()
    np.testing.assert_array_equal(ax.collections[0].get_array(), shares)
    ax = plot_confusion(Y, predicted, normalise=True, ax=plt.subplots()[1])
    assert [text.get_text() for text in ax.texts] == [f"{share:.2f}" for share in shares.to_numpy().ravel()]
    # It draws that table, whatever it holds.
    other = counts.replace(counts.iloc[0, 0], 77)
    monkeypatch.setattr("agn_helpers.plotting.distributions.tabulate_confusion", lambda *_, **options: other)
    assert "77" in [text.get_text() for text in plot_confusion(Y, predicted).texts]


def test_agreement_is_written_and_shaded():
    agreement = RNG.uniform(size=(3, 3))
    ax = plot_agreement(agreement, list("abc"))
    np.testing.assert_array_equal(ax.collections[0].get_array(), agreement)
    assert [text.get_text() for text in ax.texts] == [f"{number:.2f}" for number in agreement.ravel()]
    assert [label.get_text() for label in ax.get_xticklabels()] == list("abc")
    assert ax.yaxis_inverted()


def test_pairs_of_true_parameters_in_the_colours_of_the_types():
    _, truth = simulate_survey(n_type1=12, n_intermediate=9, n_type2=20)
    labels = {"redshift": "Redshift", "ew_broad_hbeta": "Broad Hβ (Å)", "snr": "S/N"}
    figure = plot_truth_pairs(truth, labels, log=["ew_broad_hbeta"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.draw_without_rendering()
    axes = {(ax.get_xlabel(), ax.get_ylabel()): ax for ax in figure.axes}
    ax = next(ax for ax in figure.axes if ax.get_xscale() == "log" and len(ax.collections) == 3)
    points = {to_hex(part.get_facecolor()[0]).upper(): part.get_offsets() for part in ax.collections}
    for name, look in AGN_TYPES.items():
        rows = truth[truth["label"] == name]
        x = np.ma.filled(np.ma.asarray(rows["ew_broad_hbeta"], dtype=float), np.nan)
        drawn = np.ma.filled(points[look.colour], np.nan)
        drawn = drawn[np.isfinite(drawn).all(axis=1)]
        kept = np.isfinite(x) & (x > 0)
        np.testing.assert_allclose(drawn, np.column_stack([x, rows["snr"]])[kept])
        # Type 2 has no broad line, hence no place on a logarithmic axis.
        assert len(drawn) == {"type 1": 12, "intermediate": 9, "type 2": 0}[name]
    assert {"Redshift", "Broad Hβ (Å)", "S/N"} <= {label for pair in axes for label in pair}
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(AGN_TYPES)
    with pytest.raises(AgnError, match="two or more columns of the table of true parameters; got no mass"):
        plot_truth_pairs(truth, ["redshift", "mass"])
    with pytest.raises(AgnError, match="got 1"):
        plot_truth_pairs(truth, ["redshift"])
