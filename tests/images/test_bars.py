"""Rules of bar lengths against closed forms, brute force, and a published ellipse fit."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist

from agn_helpers.errors import AgnError
from agn_helpers.images import (
    ellipse_bar_length,
    fit_isophotes,
    measure_turned,
    phase_bar_length,
    published_bar_length,
    read_cutouts,
    rotation_free_bar_length,
    scan_thresholds,
    second_moment_length,
)


def draw_ridge(angle, *, side=65, along=14.0, ratio=0.25, power=2):
    """A map that falls off along an ellipse, at an angle in degrees from the columns' axis to the rows'."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    u, v = cosine * x + sine * y, cosine * y - sine * x
    return np.exp(-0.5 * (np.abs(u / along) ** power + np.abs(v / (ratio * along)) ** power))


def scan_by_hand(saliency, threshold):
    """Number of pixels, |r| of their rows and columns, and the axis ratio, as the definitions say."""
    scaled = (saliency - saliency.min()) / np.ptp(saliency)
    rows, columns = np.nonzero(scaled > threshold)
    if len(rows) < 2:
        return len(rows), np.nan, np.nan
    covariance = np.cov(rows, columns, bias=True)
    small, large = np.linalg.eigvalsh(covariance)
    constant = min(np.ptp(rows), np.ptp(columns)) == 0
    r = np.nan if constant else abs(np.corrcoef(rows, columns)[0, 1])
    return len(rows), r, np.sqrt(max(small, 0) / large)


@pytest.mark.parametrize("seed", range(4))
def test_the_scan_is_what_its_definition_says(seed):
    rng = np.random.default_rng(seed)
    saliency = draw_ridge(40 * seed, side=33, along=8) + 0.3 * rng.random((33, 33))
    scan = scan_thresholds(saliency)
    for threshold in (0.5, 0.6123, 0.75, 0.9, 0.99, 1.0):
        at = round((threshold - 0.5) * 1e4)
        n, r, ratio = scan_by_hand(saliency, scan.index[at])
        row = scan.iloc[at]
        assert row["n_pixels"] == n
        np.testing.assert_allclose([row["correlation"], row["axis_ratio"]], [r, ratio], atol=1e-6)


@pytest.mark.parametrize("q", [0.2, 0.35, 0.6])
@pytest.mark.parametrize("angle", [0, 20, 45, 70, 90, 135])
def test_correlation_of_rows_and_columns_depends_on_the_position_angle_and_axis_ratio_does_not(q, angle):
    scan = scan_thresholds(draw_ridge(angle, side=301, along=60, ratio=q)).iloc[0]
    a = np.radians(angle)
    off = (1 - q**2) * np.sin(a) * np.cos(a)
    expected = np.abs(off) / np.sqrt(
        (np.cos(a) ** 2 + q**2 * np.sin(a) ** 2) * (np.sin(a) ** 2 + q**2 * np.cos(a) ** 2)
    )
    assert scan["correlation"] == pytest.approx(expected, abs=0.01)
    assert scan["axis_ratio"] == pytest.approx(q, abs=0.01)
    if angle == 45:
        assert scan["correlation"] == pytest.approx((1 - q**2) / (1 + q**2), abs=0.01)


def test_the_published_rule_needs_its_number_of_pixels_along_a_row_and_the_other_does_not():
    # A thin bar on a fainter round bulge: above half of the peak the bulge is in the mask.
    bulge = draw_ridge(0, along=7, ratio=1.0)
    found = {}
    for angle in (0, 45):
        saliency = draw_ridge(angle, along=14, ratio=0.12) + 0.9 * bulge
        found[angle] = (
            published_bar_length(saliency, least_correlation=0.7, fewest=5),
            rotation_free_bar_length(saliency, largest_ratio=0.42, fewest=5),
        )
    published, free = zip(*found.values())
    assert [each.stopped_by for each in published] == ["number", "shape"]
    assert [each.stopped_by for each in free] == ["shape", "shape"]
    assert published[0].length < 0.5 * published[1].length
    assert free[0].length == pytest.approx(free[1].length, rel=0.1)


def test_the_length_is_the_largest_distance_between_pixels_of_the_mask():
    rng = np.random.default_rng(0)
    for _ in range(5):
        found = published_bar_length(
            rng.random((20, 30)), least_correlation=0.99, fewest=int(rng.integers(2, 60))
        )
        assert found.length == pytest.approx(pdist(np.argwhere(found.mask)).max())
        assert found.mask.sum() < 60


def test_a_scan_that_never_stops_ends_without_a_length():
    found = published_bar_length(draw_ridge(0), least_correlation=2.0, fewest=0)
    assert (found.threshold, found.length, found.mask.any()) == (1.0, 0.0, False)


def test_second_moments_are_those_of_a_line():
    line = np.zeros((61, 61))
    line[30, 10:51] = 1.0
    # Of n points in a row the variance is (n² - 1) / 12.
    assert second_moment_length(line) == pytest.approx(np.sqrt(41**2 - 1))
    square = np.kron(np.eye(3)[1][:, None] * np.ones(3), np.ones((20, 20)))
    assert second_moment_length(square) == pytest.approx(np.sqrt(60**2 - 1))
    turned = [second_moment_length(draw_ridge(angle), floor=0.2) for angle in range(0, 180, 15)]
    assert np.ptp(turned) < 0.02 * np.mean(turned)
    faint = np.maximum(line, 0.2 * np.random.default_rng(0).random(line.shape))
    assert second_moment_length(faint, floor=0.5) == pytest.approx(second_moment_length(line))


@pytest.mark.parametrize("end", [9, 14, 19])
@pytest.mark.parametrize("angle", [0, 30, 45, 100])
def test_the_phase_turns_where_arms_begin(end, angle):
    y, x = np.mgrid[:65, :65] - 32.0
    radius, azimuth = np.hypot(x, y), np.arctan2(y, x)
    winding = np.where(radius > end, (radius - end) / 4, 0)
    image = np.exp(-radius / 15) * (1 + 0.5 * np.cos(2 * (azimuth - np.radians(angle) - winding)))
    # The phase has turned by 15 degrees after another pixel.
    assert phase_bar_length(image) == pytest.approx(2 * (end + 2), abs=2)
    assert phase_bar_length(np.rot90(image)) == phase_bar_length(image)


def test_the_phase_of_what_never_turns_reaches_the_edge():
    assert phase_bar_length(draw_ridge(30)) == 64.0


def test_turning_a_map_gives_away_a_rule_that_depends_on_the_angle():
    saliency = draw_ridge(0, along=14, ratio=0.12) + 0.9 * draw_ridge(0, along=7, ratio=1.0)
    rules = {
        "published": partial(published_bar_length, least_correlation=0.7, fewest=5),
        "free": partial(rotation_free_bar_length, largest_ratio=0.42, fewest=5),
        "moment": partial(second_moment_length, floor=0.2),
    }
    table = measure_turned(saliency, rules, angles=[0, 45, 90])
    assert list(table) == list(rules) and list(table.index) == [0, 45, 90]
    spread = table.agg(np.ptp) / table.median()
    assert spread["published"] > 0.5 > 0.1 > spread["free"] and spread["moment"] < 0.05


def draw_barred(angle, *, half=14.0, side=97):
    """A round disc and a bar of axis ratio 0.3 with a sharp end, at an angle in degrees."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    u, v = cosine * x + sine * y, cosine * y - sine * x
    bar = 1 / (1 + np.exp((np.hypot(u, v / 0.3) - half) / 0.7))
    return np.exp(-np.hypot(x, y) / 20) + 1.5 * bar


@pytest.mark.parametrize("angle", [0, 35, 120])
def test_ellipses_find_a_bar_in_a_round_disc(angle):
    pytest.importorskip("photutils")
    isophotes = fit_isophotes(draw_barred(angle), largest=40)
    peak = isophotes["ellipticity"].idxmax()
    assert isophotes["ellipticity"].max() == pytest.approx(0.7, abs=0.06)
    turn = (isophotes["position_angle"][peak] - np.radians(angle) + np.pi / 2) % np.pi - np.pi / 2
    assert abs(turn) < np.radians(2)
    lower, upper = ellipse_bar_length(isophotes)
    assert 0.75 * 28 < lower <= upper < 1.45 * 28


def test_limits_of_a_bar_from_a_profile():
    axis = [4.0, 6.0, 8.0, 10.0, 12.0, 14.0]

    def find(ellipticity, degrees):
        columns = {"ellipticity": ellipticity, "position_angle": np.radians(degrees)}
        return ellipse_bar_length(pd.DataFrame(columns, index=pd.Index(axis, name="semi_major_axis")))

    still = [30.0] * 6
    assert find([0.1, 0.3, 0.5, 0.45, 0.38, 0.2], still) == (16.0, 24.0)
    assert find([0.1, 0.3, 0.5, 0.45, 0.44, 0.43], [30, 30, 30, 35, 42, 50]) == (16.0, 24.0)
    # 179 degrees are one from 0.
    assert find([0.1, 0.3, 0.5, 0.45, 0.44, 0.3], [1, 1, 1, 179, 178, 178]) == (16.0, 28.0)
    # A ripple that is higher again at once is no bar's end.
    assert find([0.1, 0.30, 0.29, 0.4, 0.5, 0.2], still)[0] == 24.0
    assert np.isnan(find([0.05, 0.06, 0.05, 0.04, 0.03, 0.02], still)).all()


def test_a_published_ellipse_fit_is_found_again(shared):
    """NGC 4608: ours against the published profile of the ellipticity."""
    pytest.importorskip("photutils")
    folder = shared / "images" / "bars"
    cutout = next(each for each in read_cutouts(folder / "spitzer_barred.npz") if each.name == "n4608")
    names = ["sma_pix", "intens", "ellip", "pa_deg"]
    published = pd.read_csv(folder / "ellipse_n4608_irac1.csv", comment="#", names=names)
    centre = np.array(cutout.image.shape) // 2
    half = 150
    row, column = np.unravel_index(
        np.argmax(cutout.image[centre[0] - 20 : centre[0] + 20, centre[1] - 20 : centre[1] + 20]), (40, 40)
    )
    row, column = row + centre[0] - 20, column + centre[1] - 20
    square = cutout.image[row - half : row + half + 1, column - half : column + half + 1]
    ours = fit_isophotes(square, smallest=8, largest=110, step=0.1)
    theirs = np.interp(ours.index, published["sma_pix"], published["ellip"])
    inside = (ours.index > 15) & (ours.index < 80)
    assert np.median(np.abs(ours["ellipticity"] - theirs)[inside]) < 0.02
    peak = ours["ellipticity"].idxmax() * cutout.arcsec_per_pixel
    assert peak == pytest.approx(44.2, rel=0.1)


RULES = [
    scan_thresholds,
    published_bar_length,
    rotation_free_bar_length,
    second_moment_length,
    phase_bar_length,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (np.zeros(5), r"must be an image \(height, width\); got an array of shape \(5,\)"),
        (np.full((9, 9), np.inf), "must be finite; 81 of its pixels are not"),
    ],
)
def test_what_is_no_image_is_refused(rule, wrong, words):
    with pytest.raises(AgnError, match=words):
        rule(wrong)


def test_blank_images_and_impossible_settings_are_refused():
    blank = np.ones((9, 9))
    with pytest.raises(AgnError, match="all its pixels are 1"):
        published_bar_length(blank)
    with pytest.raises(AgnError, match="brighter somewhere than its median"):
        second_moment_length(blank)
    with pytest.raises(AgnError, match=r"floor must be at least 0 and below 1; got 1\.5"):
        second_moment_length(draw_ridge(0), floor=1.5)
    with pytest.raises(AgnError, match="largest_turn must be between 0 and 45 degrees; got 60"):
        phase_bar_length(draw_ridge(0), largest_turn=60)
