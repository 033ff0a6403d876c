"""The paper's numbers as they were printed, and comparisons that subtract the right way round."""

import json

import numpy as np
import pandas as pd
import pytest

from agn_helpers.tuning import (
    TUNED_KERNELS,
    compare_with_paper,
    effective_cost,
    format_comparison,
    format_search,
    paper_grid,
    paper_table,
    search_grid,
    tabulate_search,
)


@pytest.fixture(scope="module")
def printed(shared):
    return json.loads((shared / "reference" / "paper_tables.json").read_text())


@pytest.mark.parametrize(
    ("number", "key"),
    [
        (3, "table3_validation_multiclass"),
        (4, "table4_validation_two_class"),
        (6, "table6_test_multiclass"),
        (8, "table8_linear_per_class"),
    ],
)
def test_scores_and_parameters_are_those_printed(printed, number, key):
    expected = pd.DataFrame(printed[key]).T.astype(float)
    table = paper_table(number)
    pd.testing.assert_frame_equal(table.astype(float), expected.loc[table.index], check_names=False)


def test_split_noise_and_times_are_those_printed(printed):
    split = pd.DataFrame(printed["table2_split"]).T
    table = paper_table(2).rename({"training": "train"})
    pd.testing.assert_frame_equal(table, split.loc[table.index, table.columns], check_names=False)
    noise = paper_table(5)
    assert noise.columns.tolist() == printed["table5_noise_f_score"]["sigma_in_units_of_flux_at_5100"]
    for name, row in noise.rename({"macro": "mean"}).iterrows():
        assert row.tolist() == printed["table5_noise_f_score"][name]
    assert (paper_table(7) == 1.0).all(axis=None)
    assert paper_table(9)["seconds"].to_dict() == printed["table9_training_seconds_i7_6700HQ"]


def test_a_table_is_a_copy_and_others_are_refused():
    table = paper_table(6)
    table.loc[:, "f_score"] = 0.0
    assert (paper_table(6)["f_score"] > 0.9).all()
    with pytest.raises(ValueError, match="number must be one of 2, 3, 4, 5, 6, 7, 8, 9; got 10"):
        paper_table(10)


def test_differences_are_ours_minus_the_papers():
    ours = pd.DataFrame(
        {"f_score": [0.9424, 0.9], "f_score_low": [0.92, 0.8], "f_score_high": [0.96, 0.95], "n": [1, 2]},
        index=["linear", "mine"],
    )
    table = compare_with_paper(ours, paper_table(6)[["f_score"]])
    assert table.columns.tolist() == [
        "f_score",
        "f_score_low",
        "f_score_high",
        "f_score_paper",
        "f_score_difference",
    ]
    assert table.loc["linear", "f_score_difference"] == pytest.approx(0.0004)
    assert table.loc["mine", ["f_score_paper", "f_score_difference"]].isna().all()
    shown = format_comparison(table)
    assert shown.loc["linear"].tolist() == ["0.942 [0.920, 0.960]", "0.942", "+0.000"]
    assert shown.loc["mine"].tolist() == ["0.900 [0.800, 0.950]", "", ""]
    assert shown.columns.tolist() == [("F", "here"), ("F", "paper"), ("F", "difference")]


def test_counts_stay_counts_a_scatter_follows_and_zero_has_no_minus():
    counts = compare_with_paper(paper_table(2) - 1, paper_table(2))
    assert format_comparison(counts, digits=0).loc["test", "type 1"].tolist() == ["131", "132", "-1"]
    ours = pd.DataFrame({"macro": [0.9199], "macro_std": [0.01]}, index=[0.1])
    shown = format_comparison(compare_with_paper(ours, paper_table(5).T[["macro"]]), digits=2)
    assert shown["mean over types"].loc[0.1].tolist() == ["0.92 ± 0.01", "0.92", "+0.00"]


def test_the_papers_parameters_are_a_grid_of_one_point_a_kernel():
    assert paper_grid(3) == {
        "linear": {"C": [0.07]},
        "rbf": {"C": [34.0], "gamma": [0.003]},
        "poly2": {"C": [0.0005], "gamma": [0.5]},
        "poly3": {"C": [0.0005], "gamma": [0.05]},
    }


def test_effective_cost():
    assert effective_cost(3.0, 0.5, "poly2") == 0.75
    assert effective_cost(3.0, 0.5, "rbf") == effective_cost(3.0, np.nan, "linear") == 3.0


def test_the_best_of_each_kernel_stands_beside_the_papers():
    rng = np.random.default_rng(0)
    y = np.repeat(["type 1", "type 2", "intermediate"], 30)
    X = rng.normal(size=(90, 5)) + 2 * (y == "type 1")[:, None] - (y == "type 2")[:, None]
    options = {"refine": False, "cv": 3}
    grid = {key: {"C": [0.01, 1.0], "gamma": [0.1]} for key in TUNED_KERNELS}
    searched = pd.concat(
        [search_grid(X, y, grid, scaled=scaled, **options) for scaled in (False, True)],
        ignore_index=True,
    )
    at_paper = search_grid(X, y, {key: {"C": [0.1], "gamma": [0.1]} for key in grid}, **options)
    table = tabulate_search(searched, at_paper, paper_table(3))
    assert table.index.tolist() == [
        (name, fluxes) for fluxes in ("as they are", "standardised") for name in TUNED_KERNELS
    ]
    best = searched.groupby(["scaled", "name"])["mean_test_score"].max()
    for (name, fluxes), row in table.iterrows():
        assert row["f_score"] == best[fluxes == "standardised", name]
        assert row["f_score_difference"] == pytest.approx(
            row["f_score"] - paper_table(3).loc[name, "f_score"]
        )
        # The paper's C belongs to unscaled fluxes.
        assert np.isnan(row["C_paper"]) == np.isnan(row["f_score_at_paper"]) == (fluxes == "standardised")
    assert table.loc[("poly3", "as they are"), "cost_paper"] == pytest.approx(0.0005 * 0.05**3)
    shown = format_search(table)
    assert shown.loc[("linear", "as they are"), ("C", "paper")] == "0.07"
    assert shown.loc[("linear", "standardised"), ("gamma", "here")] == ""
