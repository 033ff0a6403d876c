"""Figures of explained sources show the middle that was asked for, in the colours that the words name."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from agn_helpers.errors import AgnError
from agn_helpers.images import SegmentExplanation
from agn_helpers.plotting import plot_explained_sources, plot_gallery, plot_reliability, plot_weights

IMAGE = np.random.default_rng(0).random((12, 12))
SEGMENTS = np.zeros((12, 12), int)
SEGMENTS[5:7, 5:7], SEGMENTS[4, 4:8], SEGMENTS[0, 0] = 1, 2, 3
EXPLANATION = SegmentExplanation(np.array([9.0, 2.0, -1.0, 0.5]), np.zeros(4), 0.8, SEGMENTS)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.mark.parametrize(("n_shown", "middle"), [(None, slice(0, 12)), (6, slice(3, 9)), (40, slice(0, 12))])
def test_the_middle_is_drawn_and_all_pieces_are_counted(n_shown, middle):
    figure = plot_explained_sources([IMAGE], [EXPLANATION], ["FR I"], pixel=3.6, n_shown=n_shown)
    image, segments, weights, words = figure.axes[:4]
    np.testing.assert_array_equal(image.images[0].get_array(), IMAGE[middle, middle])
    drawn = segments.images[0].get_array()
    np.testing.assert_array_equal(drawn >= 0, SEGMENTS[middle, middle] > 0)
    # The background's weight belongs to no piece; the colours are those of the whole image.
    values = weights.images[0].get_array()
    np.testing.assert_array_equal(values.mask, SEGMENTS[middle, middle] == 0)
    assert values.max() == 2 and values.min() == -1 and weights.images[0].get_clim() == (-2, 2)
    assert "Segments: 3" in words.texts[0].get_text()


def test_green_raises_and_purple_lowers():
    drawn = plot_weights(IMAGE, np.where(SEGMENTS == 1, 1.0, -1.0)).images[0]
    red, green, blue = drawn.cmap(drawn.norm(1.0))[:3]
    assert green > red and green > blue
    red, green, blue = drawn.cmap(drawn.norm(-1.0))[:3]
    assert blue > red > green
    with pytest.raises(AgnError, match="size of the image"):
        plot_weights(IMAGE, np.ones((3, 3)))


def test_a_gallery_leaves_no_empty_frames():
    axes = plot_gallery([IMAGE] * 3, list("abc"), n_columns=2).axes
    assert [len(ax.images) for ax in axes] == [1, 1, 1, 0] and not axes[3].axison


def test_of_two_classes_one_reliability_is_drawn():
    rng = np.random.default_rng(0)
    p = rng.uniform(size=4000)
    y = np.where(rng.uniform(size=p.size) < p**2, "b", "a")
    ax = plot_reliability(y, np.column_stack([1 - p, p]), ["a", "b"], counted="sources")
    (only,) = ax.containers
    predicted, observed = only.lines[0].get_data()
    np.testing.assert_allclose(observed, predicted**2, atol=0.06)
    assert ax.get_ylabel() == "Share that is b" and ax.child_axes[0].get_ylabel() == "Sources"
