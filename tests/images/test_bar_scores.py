"""Scores of bar lengths: closed forms, brute force, and what a constant reaches on a real table."""

import numpy as np
import pandas as pd
import pytest

from agn_helpers.errors import AgnError
from agn_helpers.images import (
    HOYLE_ANGULAR_SCATTER,
    PAPER_SCORES,
    Calibration,
    calibrate_lengths,
    correlate,
    draw_angular_sizes,
    null_correlations,
    read_lengths,
    score_lengths,
)


@pytest.fixture
def galaxies():
    """Measured lengths and sizes of many galaxies, independent of each other."""
    rng = np.random.default_rng(0)
    return rng.lognormal(-0.8, 0.31, 4000), rng.lognormal(2.9, 0.39, 4000)


def test_correlations_are_numpys_along_the_last_axis():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 5, 30))
    expected = [np.corrcoef(x, y)[0, 1] for x, y in zip(a, b)]
    np.testing.assert_allclose(correlate(a, b), expected)
    assert np.isnan(correlate(np.full(30, 0.1), b[0]))
    assert correlate(a[0], -3 * a[0] + 1) == pytest.approx(-1)


def test_a_calibration_is_the_line_of_least_squares_and_fills_what_is_not_said():
    rng = np.random.default_rng(2)
    length = rng.random(50)
    measured = 0.5 * length + 0.1 + 0.01 * rng.normal(size=50)
    line = calibrate_lengths(np.append(length, np.nan), np.append(measured, 0.9))
    np.testing.assert_allclose([line.slope, line.intercept], np.polyfit(length, measured, 1))
    np.testing.assert_allclose(
        line.apply([np.nan, 1.0]),
        [line.slope * length.mean() + line.intercept, np.polyval(np.polyfit(length, measured, 1), 1.0)],
    )
    flat = calibrate_lengths(np.full(50, 3.0), measured)
    np.testing.assert_allclose(flat.apply([3.0, 7.0, np.nan]), measured.mean())
    assert calibrate_lengths(np.full(50, np.nan), measured).fill([np.nan])[0] == measured.mean()


def test_scores_are_what_their_names_say(galaxies):
    measured, size = (each[:200] for each in galaxies)
    rng = np.random.default_rng(3)
    length = 3 * measured + rng.normal(0, 0.4, 200)
    calibration = Calibration(0.3, 0.02, float(length.mean()), 0.5)
    scores = score_lengths(length, measured, size, calibration=calibration)
    assert scores["r"] == pytest.approx(np.corrcoef(length, measured)[0, 1])
    assert scores["r_scaled"] == pytest.approx(np.corrcoef(length * size, measured * size)[0, 1])
    error = 0.3 * length + 0.02 - measured
    assert scores["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
    assert scores["rmse_raw"] == pytest.approx(np.sqrt(np.mean((length - measured) ** 2)))
    assert scores["rmse_scaled"] == pytest.approx(np.sqrt(np.mean((error * size) ** 2)))
    assert scores["skill"] == pytest.approx(1 - np.mean(error**2) / np.mean((0.5 - measured) ** 2))
    assert scores["r_low"] < scores["r"] < scores["r_high"]
    # Fisher's transformation: half the interval is 1.96 / sqrt(n - 3).
    half = (np.arctanh(scores["r_high"]) - np.arctanh(scores["r_low"])) / 2
    assert half == pytest.approx(1.96 / np.sqrt(197), rel=0.25)


def test_a_method_gains_nothing_from_saying_nothing(galaxies):
    measured, size = (each[:300] for each in galaxies)
    length = measured.copy()
    length[::2] = np.nan
    scores = score_lengths(length, measured, size, calibration=calibrate_lengths(length, measured))
    assert scores["found"] == 0.5
    assert 0.5 < scores["r"] < 0.85
    silent = np.full(300, np.nan)
    scores = score_lengths(silent, measured, size, calibration=calibrate_lengths(silent, measured))
    assert scores["found"] == 0 and np.isnan(scores["r"])
    assert scores["skill"] == pytest.approx(0)


def test_one_constant_for_all_correlates_by_the_sizes_alone(galaxies):
    measured, size = galaxies
    nulls = null_correlations(measured, size, true_r=(0.0, 0.3, 1.0), n_draws=100)
    # Of independent factors with relative variances a (size) and b (length): r² = a / (a + b + a b).
    a, b = (np.var(each) / np.mean(each) ** 2 for each in (size, measured))
    assert nulls.loc["constant", "r"] == pytest.approx(np.sqrt(a / (a + b + a * b)), abs=0.03)
    # Two products that share the size: cov = E[s²] m² - (E s m)² over the variance of the product.
    assert nulls.loc["permutation", "r"] == pytest.approx(a / (a + b + a * b), abs=0.03)
    assert nulls.loc["dimensionless r = 0", "r"] == pytest.approx(nulls.loc["permutation", "r"], abs=0.02)
    assert nulls.loc["dimensionless r = 1", "r"] == pytest.approx(1)
    assert (nulls["low"] <= nulls["r"]).all() and (nulls["r"] <= nulls["high"] + 1e-12).all()


def test_on_the_real_table_a_constant_reaches_what_the_paper_reports(shared):
    table = read_lengths(shared / "images" / "bars" / "hoyle_barlengths.csv")
    nulls = null_correlations(table["measured"], table["size"], n_draws=200)
    assert nulls.loc["constant", "r"] == pytest.approx(0.69, abs=0.005)
    assert nulls.loc["permutation", "r"] == pytest.approx(0.49, abs=0.01)
    paper = PAPER_SCORES["r"]
    assert paper["direct network"] < nulls.loc["constant", "low"] < paper["saliency"]
    # The published errors are what r implies for 0.7 times these lengths.
    spread = 0.7 * (table["measured"] * table["size"]).std()
    np.testing.assert_allclose(PAPER_SCORES["rmse"], spread * np.sqrt(1 - paper**2), atol=0.02)


def test_in_arcsec_a_constant_reaches_even_more(shared):
    table = read_lengths(shared / "images" / "bars" / "hoyle_barlengths.csv")
    sizes = [draw_angular_sizes(len(table), random_state=seed) for seed in range(10)]
    nulls = [null_correlations(table["measured"], size, n_draws=50) for size in sizes]
    r = pd.concat(nulls, axis=1)["r"].mean(axis=1)
    # As above, of independent factors; sizes that were measured on the sky gave 0.74.
    a, b = np.expm1(HOYLE_ANGULAR_SCATTER**2), table["measured"].var() / table["measured"].mean() ** 2
    assert r["constant"] == pytest.approx(np.sqrt(a / (a + b + a * b)), abs=0.01)
    assert r["constant"] == pytest.approx(0.74, abs=0.02)
    assert r["permutation"] == pytest.approx(a / (a + b + a * b), abs=0.02)


def test_with_redshifts_sizes_on_the_sky_are_known(tmp_path):
    path = tmp_path / "bars.csv"
    path.write_text("length_avg,length_scaled,redshift\n10,0.5,0.01\n10,0.5,0.02\n8,0.4,0.05\n")
    table = read_lengths(path)
    np.testing.assert_allclose(table["size"], 20)
    # Hubble's law, H0 = 100 km/s/Mpc, and the first terms of a flat universe.
    z, q = np.array([0.01, 0.02, 0.05]), -0.55
    distance = 2997.92458 * z * (1 - (1 + q) / 2 * z) / (1 + z)
    np.testing.assert_allclose(table["angular_size"], np.degrees(0.02 / distance) * 3600, rtol=1e-3)
    path.write_text("length_avg,length_scaled,redshift\n10,0.5,0.01\n10,0.5,0\n")
    with pytest.raises(AgnError, match=r"redshifts of .* must be positive; those of row 2 are not"):
        read_lengths(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("length_avg\n1.0\n", "length_scaled is missing"),
        ("length_avg,length_scaled\n1.0,0.4\n2.0,-1\n", "must be positive; those of row 2 are not"),
        ("length_avg,length_scaled\n1.0,long\n", "must be numbers"),
        ("", "cannot be read|it is empty"),
    ],
)
def test_tables_that_are_none_are_refused(tmp_path, text, words):
    path = tmp_path / "bars.csv"
    path.write_text(text)
    with pytest.raises(AgnError, match=words):
        read_lengths(path)


def test_lengths_that_do_not_fit_are_refused(galaxies):
    measured, size = (each[:10] for each in galaxies)
    line = calibrate_lengths(measured, measured)
    with pytest.raises(AgnError, match=r"must be \(n,\), one a galaxy; got \(9,\), \(10,\), \(10,\)"):
        score_lengths(measured[:9], measured, size, calibration=line)
    with pytest.raises(AgnError, match="at least 3 galaxies; got 2"):
        calibrate_lengths(measured[:2], measured[:2])
    with pytest.raises(AgnError, match="must be finite; leave out galaxies without"):
        score_lengths(measured, np.where(size > 0, np.nan, 0), size, calibration=line)
    with pytest.raises(AgnError, match="true_r from 0 to 1"):
        null_correlations(measured, size, true_r=(1.5,))


def test_the_paper_is_quoted_right():
    expected = pd.DataFrame({"r": [0.76, 0.59], "rmse": [1.69, 2.10]}, index=["saliency", "direct network"])
    pd.testing.assert_frame_equal(PAPER_SCORES, expected, check_names=False)
