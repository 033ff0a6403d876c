"""Line statistics against closed forms: maps whose means, shares, ranks and signs are known."""

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from agn_helpers.classifier import ProbabilisticSVC
from agn_helpers.lines import LINES
from agn_helpers.lines import PAPER_GRID as GRID
from agn_helpers.runs import write_frame
from agn_helpers.saliency import (
    cluster_maps,
    measure_lines,
    rank_lines,
    refit_half_samples,
    share_in_windows,
    summarise_lines,
)
from agn_helpers.saliency.windows import line_windows


def speed(name):
    return np.abs(LINES[name].velocity(GRID))


def line_map(core, wings, *, name="Hbeta", continuum=0.0):
    """A map of one value in a line's core, another in its wings, a third elsewhere; (n_grid,)."""
    velocity = speed(name)
    inside = [velocity < 500, (velocity > 1000) & (velocity < 5000)]
    return np.select(inside, [core, wings], continuum)


def column(measured, quantity, line="Hbeta"):
    return getattr(measured, quantity)[:, list(measured.line).index(line)]


def test_core_wings_continuum_and_contrast_of_a_known_map():
    maps = np.array([line_map(2, -1, continuum=0.25), line_map(-3, -4)])
    measured = measure_lines(maps, grid=GRID)
    np.testing.assert_allclose(column(measured, "core"), [2, -3])
    np.testing.assert_allclose(column(measured, "wings"), [-1, -4])
    np.testing.assert_allclose(column(measured, "continuum"), [0.25, 0])
    np.testing.assert_allclose(column(measured, "contrast"), [3, 1])
    np.testing.assert_array_equal(column(measured, "opposite"), [True, False])


def test_every_line_with_a_core_on_the_grid_is_measured():
    lines = measure_lines(np.ones((1, 1000)), grid=GRID).line
    # Half of [O II]'s core is on the paper's grid, which starts at 3728.91 Å; He I 5876 and Hα are off.
    assert list(lines) == [name for name in LINES if LINES[name].wavelength < 5100]


def test_another_lines_core_is_no_wing():
    blend = line_map(1, 0, name="OIII4959")
    measured = measure_lines(blend[None], grid=GRID, lines=["OIII4959", "OIII5007"])
    assert LINES["OIII5007"].velocity(LINES["OIII4959"].wavelength) > -5000
    assert column(measured, "core", "OIII4959") == 1
    assert column(measured, "wings", "OIII5007") == 0


def test_a_pixel_in_two_cores_belongs_to_the_nearer_line():
    middle = (LINES["NeIII3968"].wavelength + LINES["Hepsilon"].wavelength) / 2
    steps = np.where(GRID < middle, 1.0, -1.0)
    measured = measure_lines(steps[None], grid=GRID, lines=["NeIII3968", "Hepsilon"])
    assert (column(measured, "core", "NeIII3968"), column(measured, "core", "Hepsilon")) == (1, -1)


def test_the_continuum_lies_outside_all_line_windows():
    outside = np.ones(GRID.size)
    for _, low, high in line_windows(GRID).itertuples(index=False):
        outside[(low <= GRID) & (high > GRID)] = 0
    np.testing.assert_allclose(measure_lines(outside[None], grid=GRID).continuum, 1)


def test_errors_hold_for_noise_that_moves_all_pixels_together_or_against_each_other():
    sigma = line_map(0.3, 0.1, continuum=0.2)
    rng = np.random.default_rng(0)
    together = rng.standard_normal((4000, 1)) * sigma
    against = together * np.where(speed("Hbeta") < 700, 1, -1)
    bound = measure_lines(sigma[None], grid=GRID, uncertainty=sigma[None], lines=["Hbeta"])
    assert bound.core_error[0, 0] == pytest.approx(0.3)
    assert bound.contrast_error[0, 0] == pytest.approx(0.4)
    for draws, scatter in ((together, 0.2), (against, 0.4)):
        drawn = measure_lines(draws, grid=GRID, lines=["Hbeta"])
        assert drawn.core.std() == pytest.approx(0.3, rel=0.05)
        assert drawn.contrast.std() == pytest.approx(scatter, rel=0.05)


def test_relative_maps_do_not_know_their_scale():
    maps = np.random.default_rng(0).normal(size=(1, 1000))
    maps = np.concatenate([maps, 1e-6 * maps, 0 * maps])
    measured = measure_lines(maps, grid=GRID, relative=True, uncertainty=np.abs(maps))
    np.testing.assert_allclose(measured.contrast[0], measured.contrast[1])
    np.testing.assert_allclose(measured.contrast_error[0], measured.contrast_error[1])
    tiny = measure_lines(1e-200 * maps[:1], grid=GRID)
    assert tiny.decided.all()
    np.testing.assert_array_equal(tiny.opposite, measured.opposite[:1])
    assert not measured.contrast[2].any()
    assert not measured.decided[2].any()


@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_other_number_types_agree(dtype):
    maps = np.random.default_rng(0).integers(-99, 99, size=(3, 1000))
    expected = measure_lines(maps.astype(float), grid=GRID).core
    np.testing.assert_allclose(measure_lines(maps.astype(dtype), grid=GRID).core, expected, atol=1e-4)


@pytest.fixture(scope="module")
def summary():
    """Ten spectra, eight of them with core and wings of opposite sign, three of these not significantly."""
    cores = np.array([1, 1, 1, 1, 1, 0.1, 0.1, 0.1, 1, 1])
    maps = np.array([line_map(core, wing) for core, wing in zip(cores, [-0.1] * 8 + [0.2] * 2)])
    errors = np.full(maps.shape, 0.15)
    measured = measure_lines(maps, grid=GRID, uncertainty=errors)
    labels = np.array(["type 1"] * 10)
    return measured, summarise_lines(measured, y=labels, predicted=labels)


def test_opposite_signs_are_counted_where_both_have_one(summary):
    row = summary[1].set_index("line").loc["Hbeta"]
    assert (row["n"], row["n_decided"], row["n_opposite"], row["share_opposite"]) == (10, 10, 8, 0.8)


def test_only_significant_contrasts_count_where_errors_are_known(summary):
    # A contrast of 0.2 is below two errors of 0.15 + 0.15, those of 1.1 and 0.8 above.
    row = summary[1].set_index("line").loc["Hbeta"]
    assert (row["n_significant"], row["share_significant"]) == (7, pytest.approx(5 / 7))


def test_quantiles_are_those_of_each_type_as_called():
    maps = np.array([line_map(value, 0.5) for value in (1, 2, 3, 4)])
    measured = measure_lines(maps, grid=GRID, lines=["Hbeta"])
    table = summarise_lines(measured, y=["a", "a", "a", "b"], predicted=["a", "a", "b", "b"])
    assert list(zip(table["true"], table["predicted"], table["n"])) == [
        ("a", "a", 2),
        ("a", "b", 1),
        ("b", "b", 1),
    ]
    np.testing.assert_allclose(table["core_q50"], [1.5, 3, 4])
    np.testing.assert_allclose(table["core_q16"], [1.16, 3, 4])
    assert table["n_opposite"].sum() == 0


def test_tables_go_to_csv_and_latex(summary, tmp_path):
    measured, table = summary
    long = measured.to_frame(name=[f"spec-{n}" for n in range(10)])
    assert len(long) == 10 * len(measured.line)
    row = long[(long["name"] == "spec-8") & (long["line"] == "Hbeta")].iloc[0]
    assert (row["core"], row["contrast_error"]) == (pytest.approx(1), pytest.approx(0.3))
    write_frame(table.set_index("line"), tmp_path / "lines.csv", survey="synthetic")
    assert len(Table.read(tmp_path / "lines.csv")) == len(table)
    assert "toprule" in (tmp_path / "lines.tex").read_text()


def test_an_even_map_has_the_windows_share_and_the_density_one():
    maps = np.ones((5, 1000))
    row = share_in_windows(maps, GRID, n_draws=50).loc["all"]
    assert row["share"] == pytest.approx(row["pixels"]) == pytest.approx(row["expected"])
    assert row["ratio"] == pytest.approx(1)
    ranked = rank_lines(maps, GRID, n_bootstrap=20)
    np.testing.assert_allclose(ranked["density"], 1)
    assert set(ranked.index) == set(line_windows(GRID)["name"])


def test_a_map_of_lines_alone_beats_windows_anywhere_else():
    windows = line_windows(GRID)
    inside = [(GRID >= low) & (high > GRID) for _, low, high in windows.itertuples(index=False)]
    maps = np.array([np.any(inside, axis=0), np.ones(1000)], dtype=float)
    table = share_in_windows(maps, GRID, groups=["lines", "even"], n_draws=199)
    assert table.loc["lines", "share"] == pytest.approx(1)
    assert table.loc["lines", "ratio"] > 2
    assert table.loc["even", "ratio"] == pytest.approx(1)


def test_random_windows_keep_to_the_grid_and_have_the_share_of_what_they_cover():
    # One window of 100 pixels can start anywhere from 0 to 900: its mean share of a map of one pixel in
    # the middle is the number of placements that hold this pixel, 100 of 901.
    window = pd.DataFrame({"name": ["w"], "low": [GRID[300]], "high": [GRID[400]]})
    maps = np.zeros((1, 1000))
    maps[0, 500] = 1
    row = share_in_windows(maps, GRID, windows=window, n_draws=20000).loc["all"]
    assert row["expected"] == pytest.approx(100 / 901, abs=4 * np.sqrt(0.1 * 0.9 / 20000))
    assert (row["pixels"], row["share"]) == (0.1, 0)


def test_lines_are_ranked_by_density_with_the_bootstraps_doubt():
    windows = pd.DataFrame({"name": list("abc"), "low": GRID[[0, 100, 300]], "high": GRID[[100, 300, 310]]})
    first, second = np.zeros(1000), np.zeros(1000)
    first[:100], first[100:300], first[300:310] = 1, 2, 5
    second[:100], second[100:300], second[300:310] = 3, 2, 5
    sure = rank_lines(np.array([first] * 4), GRID, windows=windows, n_bootstrap=50)
    assert list(sure.index) == ["c", "b", "a"]
    assert (sure["rank"] == sure["rank_low"]).all()
    assert (sure["rank"] == sure["rank_high"]).all()
    np.testing.assert_allclose(sure["density"], np.array([5, 2, 1]) * 1000 / first.sum())
    doubtful = rank_lines(np.array([first, second]), GRID, windows=windows, n_bootstrap=200)
    assert list(doubtful.loc["c", ["rank_low", "rank_high"]]) == [1, 1]
    assert list(doubtful.loc["a", ["rank_low", "rank_high"]]) == [2, 3]


@pytest.fixture(scope="module")
def contrast_sample():
    """Two classes that differ by a core above and wings below the continuum."""
    rng = np.random.default_rng(0)
    y = np.repeat(["flat", "peaked"], 40)
    return 1 + np.outer(y == "peaked", line_map(0.5, -0.2)) + 0.3 * rng.normal(size=(80, 1000)), y


def test_kinds_of_maps_are_found_whatever_their_scale_and_are_stable():
    rng = np.random.default_rng(0)
    kinds = [line_map(1, -1), line_map(1, 1, name="Hgamma"), line_map(-1, 1)]
    group = np.repeat([0, 1, 2], [60, 40, 20])
    maps = np.array(kinds)[group] * 10 ** rng.uniform(-6, 6, size=(120, 1))
    maps *= 1 + 0.05 * rng.normal(size=maps.shape)
    found = cluster_maps(maps)
    np.testing.assert_array_equal(found.labels, group)
    np.testing.assert_allclose(found.stability, 1)
    for kind, centre in zip(kinds, found.centres):
        np.testing.assert_allclose(centre, kind / np.linalg.norm(kind), atol=0.01)
    assert found.stability.shape == (20,)


def test_kinds_that_are_none_are_not_stable():
    noise = np.random.default_rng(1).normal(size=(200, 30))
    assert np.median(cluster_maps(noise, n_clusters=4, n_repeats=10).stability) < 0.2
    twice = [cluster_maps(noise, n_repeats=2, random_state=3) for _ in range(2)]
    np.testing.assert_array_equal(twice[0].labels, twice[1].labels)
    np.testing.assert_array_equal(twice[0].stability, twice[1].stability)
    silent = np.vstack([noise, np.zeros(30)])
    for message, attempt in {
        "map 200 is zero everywhere": lambda: cluster_maps(silent),
        "n_clusters must be from 2 to 100; got 1": lambda: cluster_maps(noise, n_clusters=1),
        "n_repeats must be at least 1; got 0": lambda: cluster_maps(noise, n_repeats=0),
        "attribution must be finite": lambda: cluster_maps(np.where(noise > 2, np.nan, noise)),
    }.items():
        with pytest.raises(ValueError, match=message):
            attempt()


def test_refits_see_half_of_each_class_and_differ(contrast_sample):
    X, y = contrast_sample
    machine = ProbabilisticSVC(C=0.01, kernel="linear", cv=3)
    first, second = refit_half_samples(machine, X, y[::-1], n_refits=2)
    assert len(first.support_) <= 40
    assert first.random_state != second.random_state
    assert not np.allclose(first.coef_, second.coef_)


def test_bad_input_is_refused_in_one_line(summary, contrast_sample):
    maps = np.ones((2, 1000))
    broken = maps.copy()
    broken[1, 7] = np.nan
    off = pd.DataFrame({"name": ["x"], "low": [6000.0], "high": [6010.0]})
    machine, (X, y) = ProbabilisticSVC(kernel="linear"), contrast_sample
    for message, attempt in {
        "finite; map 1": lambda: measure_lines(broken, grid=GRID),
        "finite; map 1 ": lambda: share_in_windows(broken, GRID),
        "finite; map 1 holds": lambda: rank_lines(broken, GRID),
        "grid must be 1000 increasing": lambda: measure_lines(maps, grid=GRID[1:]),
        "grid must be 1000 increasing wave": lambda: rank_lines(maps, GRID[1:]),
        "n_spectra, n_grid": lambda: measure_lines(maps[0], grid=GRID),
        "Halpha has not": lambda: measure_lines(maps, grid=GRID, lines=["Hbeta", "Halpha"]),
        "lines must be among": lambda: measure_lines(maps, grid=GRID, lines=["Lyalpha"]),
        "core and wings must be increasing": lambda: measure_lines(maps, grid=GRID, core=2000),
        "uncertainty must have the shape": lambda: measure_lines(maps, grid=GRID, uncertainty=maps[:1]),
        "not be negative": lambda: measure_lines(maps, grid=GRID, uncertainty=-maps),
        "a label for each of 10": lambda: summarise_lines(summary[0], y=["a"], predicted=["a"]),
        "an entry for each of 10": lambda: summary[0].to_frame(name=["a"]),
        "x holds none": lambda: share_in_windows(maps, GRID, windows=off),
        "x holds none. Leave": lambda: rank_lines(maps, GRID, windows=off),
        "there is no window": lambda: rank_lines(maps, GRID, windows=off[:0]),
        "columns name, low, high": lambda: rank_lines(maps, GRID, windows=off[["name"]]),
        "n_draws must be at least 1; got 0": lambda: share_in_windows(maps, GRID, n_draws=0),
        "n_bootstrap must be at least 1": lambda: rank_lines(maps, GRID, n_bootstrap=0),
        "groups must hold a label for each": lambda: share_in_windows(maps, GRID, groups=["a"]),
        "n_refits must be at least 1": lambda: next(refit_half_samples(machine, X, y, n_refits=0)),
    }.items():
        with pytest.raises(ValueError, match=message) as caught:
            attempt()
        assert "\n" not in str(caught.value)
