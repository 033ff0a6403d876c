"""Density in place of points that cover each other."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from scipy.spatial import cKDTree
from sklearn.linear_model import LogisticRegression

from agn_helpers.maps import SpectrumMap, SpectrumScaler
from agn_helpers.plotting import maps, plot_map


def test_cells_count_their_points_and_mix_their_colours():
    places = np.array([[0.1, 0.1], [0.2, 0.2], [0.9, 0.1], [0.3, 0.3], [0.1, 0.9], [5, 5], [-0.1, 0.5]])
    colours = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0], [1, 1, 1], [1, 1, 1], [1, 1, 1.0]])
    image = maps.count_colours(places, colours, extent=(0, 1, 0, 1), cells=(2, 2))
    np.testing.assert_allclose(image[0, 0], [1 / 3, 1 / 3, 0, 1])
    np.testing.assert_allclose(image[0, 1, :3], [0, 0, 1])
    np.testing.assert_allclose(image[1, 0, :3], [1, 1, 1])
    assert image[1, 1, 3] == 0 and 0.3 <= image[0, 1, 3] == image[1, 0, 3] < 1


def test_opacity_grows_with_the_number():
    places = np.repeat(np.column_stack([np.arange(8) + 0.5, np.full(8, 0.5)]), 4 ** np.arange(8), axis=0)
    image = maps.count_colours(places, np.zeros((len(places), 3)), extent=(0, 8, 0, 1), cells=(8, 1))
    assert (np.diff(image[0, :, 3]) > 0).all() and image[0, -1, 3] == 1 and image[0, 0, 3] >= 0.3


@pytest.fixture
def many_points(monkeypatch):
    monkeypatch.setattr(maps, "MOST_POINTS", 500)
    rng = np.random.default_rng(0)
    y = np.where(np.arange(3000) < 1500, "type 1", "type 2")
    places = rng.normal(size=(3000, 2)) + 6 * (y == "type 2")[:, None]
    return SpectrumMap(places, np.ones((3000, 4)), y, 30.0, SpectrumScaler(), 0), y


def test_a_map_of_many_is_drawn_as_density_with_the_same_legend(many_points):
    figure, (dense, plain) = plt.subplots(1, 2, figsize=(8, 4))
    plot_map(*many_points, ax=dense)
    maps.MOST_POINTS = 5000
    plot_map(*many_points, ax=plain)
    figure.canvas.draw()
    assert len(dense.images) == 1 and not plain.images
    assert not any(len(each.get_offsets()) for each in dense.collections)
    labels = [[text.get_text() for text in ax.get_legend().get_texts()] for ax in (dense, plain)]
    assert labels[0] == labels[1] == ["type 1 (1500)", "type 2 (1500)"]
    np.testing.assert_allclose(dense.dataLim.get_points(), plain.dataLim.get_points(), atol=0.2)
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(float)

    def colour_at(ax, place):
        x, y = ax.transData.transform(place).astype(int)
        part = pixels[pixels.shape[0] - y - 20 : pixels.shape[0] - y + 20, x - 20 : x + 20]
        return part.mean(axis=(0, 1))

    blue, yellow = colour_at(dense, (0, 0)), colour_at(dense, (6, 6))
    assert blue[2] > blue[0] + 30 and yellow[0] > yellow[2] + 15
    plt.close(figure)


def test_the_density_is_that_of_the_view(many_points):
    figure, ax = plt.subplots(figsize=(4, 4))
    plot_map(*many_points, ax=ax)
    figure.canvas.draw()
    (image,) = ax.images
    whole = (image.get_array()[..., 3] > 0).sum()
    ax.set_aspect("auto")
    ax.set(xlim=(-0.3, 0.3), ylim=(-0.3, 0.3))
    figure.canvas.draw()
    in_view = np.all(np.abs(many_points[0].coordinates) < 0.3, axis=1).sum()
    assert 0.8 * in_view <= (image.get_array()[..., 3] > 0).sum() <= in_view < whole
    assert image.get_extent() == (*ax.get_xlim(), *ax.get_ylim())
    plt.close(figure)


@pytest.fixture
def two_crowds():
    rng = np.random.default_rng(1)
    y = np.repeat(["type 1", "type 2"], 200)
    places = rng.normal(size=(400, 2)) + 5 * (y == "type 2")[:, None] * [1, 0]
    return SpectrumMap(places, np.ones((400, 4)), y, 30.0, SpectrumScaler(), 0), y


@pytest.mark.parametrize(
    ("n_maps", "grid"), [(1, (1, 3)), (2, (1, 2)), (3, (1, 3)), (4, (2, 2)), (6, (2, 3))]
)
def test_panels_fill_their_page(two_crowds, n_maps, grid):
    figure = maps.plot_map_panels([two_crowds[0]] * n_maps, two_crowds[1])
    assert figure.axes[0].get_subplotspec().get_gridspec().get_geometry() == grid


def test_a_wide_map_has_its_legend_in_one_row(two_crowds):
    figure, (wide, narrow) = plt.subplots(2, 1, figsize=(7, 6))
    narrow.set_position((0.1, 0.1, 0.3, 0.3))
    for ax in (wide, narrow):
        plot_map(*two_crowds, ax=ax)
        for label in ("others", "more"):
            maps.circle_on_map(two_crowds[0], [0, 1], label=label, ax=ax)
    rows = []
    for ax in (wide, narrow):
        figure.canvas.draw()
        rows.append({round(text.get_window_extent().y0) for text in ax.get_legend().get_texts()})
    assert [len(each) for each in rows] == [1, 2]


def test_lines_of_decision_fade_where_no_spectrum_is(two_crowds):
    spectrum_map, y = two_crowds
    ax = plot_map(spectrum_map, y)
    plane = LogisticRegression().fit(spectrum_map.coordinates, y)
    maps.plot_decision(spectrum_map, plane, ax=ax)
    lines = [each for each in ax.collections if isinstance(each, LineCollection)]
    middles, alpha = zip(
        *(
            (each[0].mean(axis=0), a)
            for line in lines
            for *each, a in zip(line.get_segments(), line.get_alpha())
        )
    )
    distance = cKDTree(spectrum_map.coordinates).query(middles)[0]
    assert min(distance) < 0.3 and max(distance) > 1
    order = np.argsort(distance)
    assert (np.diff(np.array(alpha)[order]) <= 1e-9).all()
    assert np.max(alpha) > 0.9 and np.min(alpha) == 0
