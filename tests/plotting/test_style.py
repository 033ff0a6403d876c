"""Figures: on the Axes that was given, with nothing hidden, overlapping or said by colour alone."""

import itertools
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from scipy.spatial.distance import pdist

from agn_helpers.errors import AgnError
from agn_helpers.lines import AGN_TYPES, LINES, MARKED_LINES, PAPER_GRID
from agn_helpers.maps import SpectrumMap, SpectrumScaler
from agn_helpers.plotting import (
    DOUBLE_COLUMN,
    SALIENCY_COLOURS,
    SINGLE_COLUMN,
    circle_on_map,
    map_size,
    mark_lines,
    number_on_map,
    plot_confusion,
    plot_examples,
    plot_histogram,
    plot_map,
    plot_map_values,
    plot_mean_spectrum,
    plot_observed,
    plot_reliability,
    plot_saliency,
    save_figure,
)
from agn_helpers.plotting.maps import repel_labels
from agn_helpers.plotting.spectra import flux_limits, note_cut_lines, separate_labels
from agn_helpers.spectra import ObservedSpectrum

pytestmark = pytest.mark.usefixtures("plot_style")

RNG = np.random.default_rng(0)
TYPES = np.array(list(AGN_TYPES))
Y = TYPES[np.arange(90) % 3]
SPECTRUM_MAP = SpectrumMap(
    RNG.normal(size=(90, 2)), np.ones((90, 4)), np.arange(90).astype(str), 20, SpectrumScaler(), 0
)


def line(name, height, width=400):
    velocity = LINES[name].velocity(PAPER_GRID)
    return height * np.exp(-0.5 * (velocity / width) ** 2)


#: Like a type 2: [O III] 5007 twelve times, Hβ twice the continuum.
FLUX = 1 + line("Hbeta", 1) + line("OIII4959", 4) + line("OIII5007", 12) + 0.02 * RNG.normal(size=1000)
ATTRIBUTION = 0.3 * (line("Hbeta", 1, 3000) - line("Hbeta", 2)) + 0.01 * RNG.normal(size=1000)
OBSERVED = ObservedSpectrum(PAPER_GRID * 1.05, FLUX, np.full(1000, 2500.0), 0.05, "spec-0001", label="type 2")

DRAWINGS = {
    "observed": lambda ax: plot_observed(OBSERVED, ax=ax),
    "mean": lambda ax: plot_mean_spectrum(PAPER_GRID, np.array([FLUX, FLUX + 0.1]), label="type 2", ax=ax),
    "examples": lambda ax: plot_examples(PAPER_GRID, np.array([FLUX] * 3), names=list("abc"), ax=ax),
    "histogram": lambda ax: plot_histogram(RNG.normal(size=90), Y, xlabel="Redshift", ax=ax),
    "confusion": lambda ax: plot_confusion(Y, Y[::-1], ax=ax),
    "reliability": lambda ax: plot_reliability(Y, RNG.dirichlet([1, 1, 1], 90), TYPES, ax=ax),
    "map": lambda ax: plot_map(SPECTRUM_MAP, np.where(np.arange(90) < 5, "", Y), ax=ax),
    "values": lambda ax: plot_map_values(
        SPECTRUM_MAP, np.where(Y == "type 1", np.nan, 0.1), label="Redshift", ax=ax
    ),
    "circles": lambda ax: circle_on_map(SPECTRUM_MAP, np.arange(4), label="misclassified", ax=ax),
    "numbers": lambda ax: number_on_map(
        SPECTRUM_MAP, np.arange(9), np.arange(9), filled=np.arange(9) < 4, labels=("wrong", "right"), ax=ax
    ),
    "saliency": lambda ax: plot_saliency(PAPER_GRID, FLUX, ATTRIBUTION, target="type 2", title="One", ax=ax),
    "saliency, nothing": lambda ax: plot_saliency(PAPER_GRID, FLUX, 0 * FLUX, target="type 2", ax=ax),
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


def word_boxes(ax, words):
    ax.figure.draw_without_rendering()
    # Without the leader from the name to its line.
    boxes = [Text.get_window_extent(text) for text in ax.texts if text.get_text() in words]
    assert len(boxes) == len(words)
    return sorted(boxes, key=lambda box: box.x0)


@pytest.mark.parametrize(
    ("width", "words"),
    [
        (DOUBLE_COLUMN, [LINES[name].label for name in MARKED_LINES]),
        (SINGLE_COLUMN, ["[O II]", "He I", "Hδ", "Hγ", "Hβ", "[O III]", "[O III]"]),
    ],
)
def test_names_of_the_marked_lines_neither_overlap_nor_leave_the_figure(width, words):
    figure, ax = plt.subplots(figsize=(width, 2.5))
    plot_saliency(PAPER_GRID, FLUX, ATTRIBUTION, target="type 2", title="One", ax=ax)
    boxes = word_boxes(ax, words)
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))
    assert boxes[0].x0 >= 0
    colour_bar = next(other for other in figure.axes if other is not ax)
    assert boxes[-1].x1 < colour_bar.bbox.x0
    assert colour_bar.get_tightbbox().x1 <= figure.bbox.x1


def test_lines_outside_the_axes_are_not_marked():
    ax = plt.subplots()[1]
    ax.set_xlim(4800, 5100)
    mark_lines(ax)
    assert [text.get_text() for text in ax.texts] == ["Hβ", "[O III] 4959", "[O III] 5007"]


def test_labels_move_no_more_than_needed():
    np.testing.assert_allclose(separate_labels([0, 10, 20], [4, 4, 4]), [0, 10, 20])
    np.testing.assert_allclose(separate_labels([0, 1], [4, 4]), [-1.5, 2.5])
    np.testing.assert_allclose(separate_labels([0, 1], [4, 4], low=0), [2, 6])
    positions, widths = np.sort(RNG.uniform(0, 30, 8)), RNG.uniform(1, 6, 8)
    moved = separate_labels(positions, widths)
    gaps = np.diff(moved) - 0.5 * (widths[1:] + widths[:-1])
    assert gaps.min() > -1e-9
    # Least squares: among random places that do not overlap either, none is nearer.
    cost = np.sum((moved - positions) ** 2)
    for _ in range(200):
        other = moved + RNG.normal(size=8)
        if (np.diff(other) >= 0.5 * (widths[1:] + widths[:-1])).all():
            assert np.sum((other - positions) ** 2) >= cost


def test_hbeta_can_be_read_however_high_oiii_is():
    low, high = flux_limits(PAPER_GRID, FLUX)
    assert low < 0.95 and 2 < high < 2.5
    ax = plt.subplots()[1]
    ax.set_ylim(low, high)
    note_cut_lines(ax, PAPER_GRID, FLUX)
    assert [text.get_text() for text in ax.texts] == [f"↑{FLUX.max():.1f}"]


def test_a_line_hardly_higher_than_the_rest_is_not_cut():
    flux = 1 + line("Hbeta", 1) + line("OIII5007", 1.2)
    assert flux_limits(PAPER_GRID, flux)[1] > flux.max()


def test_colours_stay_apart_for_colour_blind_eyes():
    # Deuteranopia and protanopia at full severity, Machado, Oliveira & Fernandes (2009), on linear RGB.
    deuteranopia = [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]
    protanopia = [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]
    types = [to_rgb(agn_type.colour) for agn_type in AGN_TYPES.values()]
    ends = [SALIENCY_COLOURS(share)[:3] for share in (0.15, 0.5, 0.85)]
    for colours in (types, ends):
        for matrix in (np.eye(3), deuteranopia, protanopia):
            seen = np.clip(np.array(colours) ** 2.2 @ np.transpose(matrix), 0, 1) ** (1 / 2.2)
            assert pdist(seen).min() > 0.2
    assert len({agn_type.marker for agn_type in AGN_TYPES.values()}) == 3


def test_confusion_shows_the_numbers_and_their_shares():
    y = np.array(["type 1"] * 3 + ["intermediate"] * 4 + ["type 2"] * 5)
    predicted = y.copy()
    predicted[3] = "type 2"
    for normalise, numbers in (
        (False, "3 0 0 0 3 1 0 0 5"),
        (True, "1.00 0.00 0.00 0.00 0.75 0.25 0.00 0.00 1.00"),
    ):
        ax = plot_confusion(y, predicted, normalise=normalise, ax=plt.subplots()[1])
        assert " ".join(text.get_text() for text in ax.texts) == numbers
        assert [label.get_text() for label in ax.get_yticklabels()] == list(AGN_TYPES)


def test_calibrated_probabilities_lie_on_the_diagonal():
    rng = np.random.default_rng(1)
    p = rng.uniform(size=20_000)
    y = np.where(rng.uniform(size=p.size) < p, "type 1", "type 2")
    ax = plot_reliability(y, np.column_stack([p, 1 - p]), ["type 1", "type 2"])
    for container in ax.containers:
        predicted, observed = container.lines[0].get_data()
        np.testing.assert_allclose(observed, predicted, atol=0.03)


def test_numbers_on_a_map_do_not_overlap():
    anchors = RNG.uniform(0, 200, size=(40, 2))
    anchors[1] = anchors[0]
    places = repel_labels(anchors, radius=4)
    assert pdist(places).min() > 1.8 * 4
    assert np.linalg.norm(places - anchors, axis=1).max() < 40


def test_a_map_of_any_shape_gets_a_figure_that_it_fills():
    flat = SpectrumMap(SPECTRUM_MAP.coordinates * [4, 1], *([None] * 5))
    tall = SpectrumMap(SPECTRUM_MAP.coordinates * [1, 4], *([None] * 5))
    assert map_size(flat, 7)[0] == map_size(tall, 7)[0] == 7
    assert map_size(flat, 7)[1] < 3.5 and 7 < map_size(tall, 7)[1] < 8


def test_a_figure_says_where_its_spectra_come_from(tmp_path):
    for survey, words in (("synthetic", "synthetic survey: simulated spectra"), ("sdss", "survey: sdss")):
        figure, ax = plt.subplots()
        save_figure(ax, tmp_path / "figure.png", survey=survey)
        assert [text.get_text() for text in figure.texts] == [words]


def test_a_figure_is_saved_whole_or_not_at_all(tmp_path):
    figure = plt.figure()
    save_figure(figure, tmp_path / "new" / "figure.png")
    for name in ("figure.foo", "figure"):
        with pytest.raises(AgnError, match=f"suffix of a figure must be one of .*png.*; got .*{name}"):
            save_figure(figure, tmp_path / name)
        assert not (tmp_path / name).exists()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["figure.png"]
    (tmp_path / "file").touch()
    with pytest.raises(AgnError, match="could not be written"):
        save_figure(figure, tmp_path / "file" / "figure.png")
