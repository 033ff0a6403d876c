"""Figures of galaxies and bars: what is drawn is where the numbers say."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from agn_helpers.plotting import plot_galaxy, plot_lengths, plot_method_scores, plot_scan

pytestmark = pytest.mark.usefixtures("plot_style")


def test_a_bar_is_drawn_from_end_to_end_and_a_mask_on_its_pixels():
    image = np.random.default_rng(0).random((41, 61))
    mask = np.zeros(image.shape, bool)
    mask[5, 50] = True
    ax = plot_galaxy(image, length=20.0, angle=np.radians(30), mask=mask, title="galaxy")
    (line,) = ax.lines
    ends = line.get_xydata()
    np.testing.assert_allclose(ends.mean(axis=0), [30, 20])
    along = ends[1] - ends[0]
    assert np.hypot(*along) == pytest.approx(20)
    assert np.degrees(np.arctan2(along[1], along[0])) == pytest.approx(30)
    shade = ax.images[1].get_array()
    assert np.argwhere(shade[..., 3] > 0).tolist() == [[5, 50]]
    assert ax.get_title(loc="center") == "galaxy" and not len(ax.get_xticks())


def test_a_galaxy_without_a_bar_has_no_line():
    ax = plot_galaxy(np.eye(9), length=np.nan, angle=np.nan)
    assert not ax.lines and len(ax.images) == 1
    assert not plot_galaxy(np.zeros((9, 9))).lines


def test_scans_and_lengths_are_drawn_where_they_are():
    index = pd.Index([0.5, 0.6, 0.7], name="threshold")
    scan = pd.DataFrame({"correlation": [0.1, np.nan, 0.9], "axis_ratio": [0.9, 0.5, 0.2]}, index=index)
    ax = plot_scan(scan, "axis_ratio", limit=0.3, threshold=0.7)
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), np.column_stack([index, scan["axis_ratio"]]))
    assert ax.lines[1].get_ydata()[0] == 0.3 and ax.lines[2].get_xdata()[0] == 0.7
    assert ax.get_ylabel() == "Axis ratio"
    ax = plot_lengths([0.2, 0.4], [0.3, 0.35], title="method")
    np.testing.assert_array_equal(ax.collections[0].get_offsets(), [[0.2, 0.3], [0.4, 0.35]])


def test_scores_of_methods_stand_at_their_r_with_range_and_interval():
    columns = {
        "r": [0.2, 0.6],
        "r_min": [0.1, 0.5],
        "r_max": [0.3, 0.7],
        "r_low": [0.0, 0.4],
        "r_high": [0.4, 0.8],
    }
    summary = pd.DataFrame(columns, index=["a", "b"])
    summary = summary.join((summary + 0.1).rename(columns=lambda name: name.replace("r", "r_scaled", 1)))
    ax = plot_method_scores(summary, null=0.55, ax=plt.subplots()[1])
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b"]
    points = {line.get_label(): line.get_xdata() for line in ax.lines}
    np.testing.assert_allclose(points["dimensionless"], [0.2, 0.6])
    np.testing.assert_allclose(points["in kpc, size of the galaxy known"], [0.3, 0.7])
    assert points["in kpc, one constant for all"][0] == 0.55
    spans = [segment[:, 0].tolist() for each in ax.collections[:2] for segment in each.get_segments()]
    np.testing.assert_allclose(spans, [[0.0, 0.4], [0.4, 0.8], [0.1, 0.3], [0.5, 0.7]])
