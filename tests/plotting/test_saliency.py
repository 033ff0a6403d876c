"""Figures of attributions: colours and heights say the numbers, and every word can be read."""

import itertools
import warnings
from dataclasses import replace
from unittest import mock

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_hex, to_rgba
from matplotlib.text import Text

from agn_helpers.errors import AgnError
from agn_helpers.lines import AGN_TYPES, LINES, SPEED_OF_LIGHT
from agn_helpers.lines import PAPER_GRID as GRID
from agn_helpers.plotting import (
    DOUBLE_COLUMN,
    GREY,
    SALIENCY_COLOURS,
    PaintedSpectrum,
    ProbabilityBars,
    find_floor,
    full_colour,
    plot_attribution_map,
    plot_curves,
    plot_faithfulness,
    plot_line_statistics,
    plot_methods,
    plot_opposite_shares,
    plot_saliency,
    plot_saliency_panels,
    plot_summary_page,
    plot_velocity_profile,
    save_figure,
    say_method,
)
from agn_helpers.plotting.colours import map_scales, smooth_map
from agn_helpers.plotting.style import mark_survey
from agn_helpers.saliency import Attribution, measure_lines, summarise_lines

pytestmark = pytest.mark.usefixtures("plot_style")

RNG = np.random.default_rng(0)


def line(name, height, width=400):
    return height * np.exp(-0.5 * (LINES[name].velocity(GRID) / width) ** 2)


#: Like a type 2: [O III] 5007 sixty times the continuum.
FLUX = 1 + line("Hbeta", 4) + line("OIII4959", 20) + line("OIII5007", 60) + 0.03 * RNG.normal(size=1000)
#: Wings of Hβ raise, its centre lowers.
ATTRIBUTION = 0.2 * (line("Hbeta", 1, 2500) - line("Hbeta", 2)) + 0.01 * RNG.normal(size=1000)
UNCERTAINTY = np.full(1000, 0.01)
FADED = np.abs(ATTRIBUTION) < 0.02

#: What is too little to be coloured.
NOTHING = np.abs(ATTRIBUTION) < find_floor("∂ ln P / ∂ flux")

Y = np.repeat(list(AGN_TYPES), (30, 20, 50))
MAPS = ATTRIBUTION * 10 ** RNG.uniform(-4, 2, size=(100, 1)) * np.where(Y == "type 2", -1, 1)[:, None]
CERTAINTY = RNG.uniform(0.4, 1, size=100)
SUMMARY = summarise_lines(measure_lines(MAPS, grid=GRID, relative=True), y=Y, predicted=Y)
STATISTICS = measure_lines(ATTRIBUTION[None], grid=GRID, uncertainty=UNCERTAINTY[None]).to_frame()
PROBABILITIES = {"intermediate": 0.2, "type 1": 0.05, "type 2": 0.75}

METHODS = {
    "gradient": ATTRIBUTION,
    "integrated_gradients_from_class_mean": ATTRIBUTION * (FLUX - 1),
    "occlusion": np.repeat(RNG.normal(size=20), 50),
    "lime": np.zeros(1000),
}
MEASURES = pd.DataFrame(
    {
        "deletion_pixels": [0.5, 0.1, 0.3],
        "relevance_rank": [0.9, 0.2, np.nan],
        "labels_permuted": [-0.001, -1, 0.5],
        "equal": [0.7, 0.7, 0.7],
        "unknown": np.nan,
    },
    index=["gradient", "random order", "integrated_gradients"],
)
SHARE = np.linspace(0, 1, 21)
CURVES = pd.DataFrame(
    {
        name: -8 * (1 - np.exp(-rate * SHARE))
        for rate, name in enumerate(["lime", "random order", *"abcdefg"], 1)
    },
    index=SHARE,
)

DRAWINGS = {
    "map": lambda ax: plot_saliency(GRID, FLUX, ATTRIBUTION, target="type 2", title="One", ax=ax),
    "map that fades": lambda ax: plot_saliency(
        GRID, FLUX, ATTRIBUTION, target="type 2", uncertainty=UNCERTAINTY, smooth=500, ax=ax
    ),
    "all maps": lambda ax: plot_attribution_map(MAPS, Y, CERTAINTY, grid=GRID, ax=ax),
    "profile": lambda ax: plot_velocity_profile(MAPS, Y, grid=GRID, ax=ax),
    "profile beside another line": lambda ax: plot_velocity_profile(
        MAPS[:30], Y[:30], grid=GRID, line="Hgamma", smooth=300, ax=ax
    ),
    "lines": lambda ax: plot_line_statistics(SUMMARY, ax=ax),
    "contrasts": lambda ax: plot_line_statistics(SUMMARY, values=["contrast"], ax=ax),
    "opposites": lambda ax: plot_opposite_shares(SUMMARY, ax=ax),
    "faithfulness": lambda ax: plot_faithfulness(MEASURES, ax=ax),
    "curves": lambda ax: plot_curves(CURVES, low=CURVES - 1, high=CURVES + 1, ax=ax),
}

PAGES = {
    "panels": lambda: plot_saliency_panels(
        GRID, [FLUX] * 3, [ATTRIBUTION] * 3, uncertainties=[UNCERTAINTY] * 3, smooth=300, titles=list("abc")
    ),
    "methods": lambda: plot_methods(make_attributions(METHODS, gradient=UNCERTAINTY), title="One"),
    "one method": lambda: plot_methods(make_attributions({"gradient": ATTRIBUTION})),
    "summary page": lambda: draw_summary_page(uncertainty=UNCERTAINTY, statistics=STATISTICS),
    "summary page without table": lambda: draw_summary_page(target="intermediate", smooth=500),
    "summary page of a short spectrum": lambda: draw_summary_page(
        values=ATTRIBUTION[:600], probabilities={"type 1": 1.0}, target="type 1", survey="unknown"
    ),
}


def make_attributions(maps, *, target="type 2", **uncertainties):
    return [
        Attribution(
            values=values[None],
            uncertainty=uncertainties[method][None] if method in uncertainties else None,
            method=method,
            target=np.array([target]),
            of="log_p",
            flux=FLUX[None],
            grid=GRID,
            name=np.array([""]),
        )
        for method, values in maps.items()
    ]


def draw_summary_page(
    *, values=ATTRIBUTION, target="type 2", uncertainty=None, survey="synthetic", method="gradient", **options
):
    (one,) = make_attributions({method: ATTRIBUTION}, target=target)
    n_grid = len(values)
    one = replace(
        one,
        values=values[None],
        uncertainty=None if uncertainty is None else uncertainty[None],
        flux=one.flux[:, :n_grid],
        grid=GRID[:n_grid],
        name=np.array(["spec-0266-51630-0461"]),
        survey=survey,
    )
    look = {"probabilities": PROBABILITIES, "redshift": 0.0807, "true_label": "intermediate"}
    return plot_summary_page(one, **(look | options))


def drawn_words(figure):
    """Texts that are drawn, with their boxes in pixels."""
    drawn, draw = [], Text.draw

    def record(text, renderer):
        drawn.append(text)
        draw(text, renderer)

    with mock.patch.object(Text, "draw", record):
        figure.draw_without_rendering()
    shown = {id(text): text for text in drawn if text.get_visible() and text.get_text().strip()}
    # Without the leaders from names to lines.
    return [(text, Text.get_window_extent(text)) for text in shown.values()]


def check_words(figure):
    with warnings.catch_warnings():
        # Missing glyphs and layouts that do not fit come as warnings.
        warnings.simplefilter("error")
        words = drawn_words(figure)
    for text, box in words:
        inside = box.x0 > -1 and box.y0 > -1 and box.x1 < figure.bbox.x1 + 1 and box.y1 < figure.bbox.y1 + 1
        assert inside, f"{text.get_text()!r} leaves the figure"
    for (one, box), (other, near) in itertools.combinations(words, 2):
        wide = min(box.x1, near.x1) - max(box.x0, near.x0)
        high = min(box.y1, near.y1) - max(box.y0, near.y0)
        # Boxes of words have some air above and below the ink.
        assert wide < 1 or high < 3, f"{one.get_text()!r} overlaps {other.get_text()!r}"


def find(ax, kind):
    return [drawn for drawn in ax.collections if type(drawn) is kind and drawn.get_array() is not None]


@pytest.mark.parametrize("name", DRAWINGS)
def test_all_words_of_a_figure_are_inside_and_apart(name):
    figure = DRAWINGS[name](None).figure
    mark_survey(figure, "synthetic")
    check_words(figure)


@pytest.mark.parametrize("name", DRAWINGS)
def test_draws_on_the_axes_that_was_given(name):
    figure, ax = plt.subplots(layout="none")
    assert DRAWINGS[name](ax) is ax
    assert ax.has_data()
    assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize("name", PAGES)
def test_pages_hold_all_their_words(name, tmp_path):
    figure = PAGES[name]()
    if name == "one method":
        # Drawing a saved page again leaves it as it is.
        save_figure(figure, tmp_path / "page.png", survey="synthetic")
    assert figure.get_figwidth() == pytest.approx(180 / 25.4)
    check_words(figure)


def test_colours_say_the_attribution_of_each_pixel():
    ax = plot_saliency(GRID, FLUX, ATTRIBUTION, target="type 2")
    for drawn in (*find(ax, LineCollection), *find(ax, PolyCollection)):
        np.testing.assert_array_equal(drawn.get_array(), ATTRIBUTION)
        assert drawn.norm.vmin == -drawn.norm.vmax == -full_colour(ATTRIBUTION)
        np.testing.assert_array_equal(np.ma.getmaskarray(drawn.get_array()), NOTHING)
        ax.figure.draw_without_rendering()
        _, green, blue, _ = drawn.get_edgecolor().T
        strong = np.abs(ATTRIBUTION) > 0.2 * full_colour(ATTRIBUTION)
        assert strong.sum() > 20
        np.testing.assert_array_equal((green > blue)[strong], (ATTRIBUTION > 0)[strong])


def test_strokes_and_bars_stand_at_their_pixels():
    ax = plot_saliency(GRID, FLUX, ATTRIBUTION, target="type 2")
    strokes = np.array(find(ax, LineCollection)[0].get_segments())
    np.testing.assert_allclose(strokes[:, 1], np.column_stack([GRID, FLUX]))
    bars = np.array([path.vertices for path in find(ax, PolyCollection)[0].get_paths()])
    middle = bars[0, 0, 1]
    heights = bars[:, 1, 1] - middle
    half = heights.max()
    share = np.clip(ATTRIBUTION / full_colour(ATTRIBUTION), -1, 1)
    np.testing.assert_allclose(heights, half * share, atol=1e-12)
    assert np.all((bars[:, 0, 0] <= GRID) & (GRID <= bars[:, 2, 0]))
    # Nothing of the spectrum runs through the strip.
    top = ax.get_xaxis_transform().transform((GRID[0], middle + half))[1]
    assert top < ax.transData.transform((GRID[0], FLUX.min()))[1]


def picture(draw):
    figure, ax = plt.subplots(figsize=(5, 2.5), dpi=100, layout="none")
    draw(ax)
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())


def test_an_updated_spectrum_is_that_spectrum_drawn_anew():
    flat = 1 + 0.03 * RNG.normal(size=1000)
    last = {"scale": 0.1, "faded": FADED}

    def draw_anew(ax):
        ax.set_xlim(GRID[[0, -1]])
        PaintedSpectrum(ax, GRID).update(flat, ATTRIBUTION, **last)

    def update(ax):
        ax.set_xlim(GRID[[0, -1]])
        painted = PaintedSpectrum(ax, GRID)
        bands = {
            "flux_band": np.array([FLUX - 1, FLUX + 1]),
            "attribution_band": np.array([-UNCERTAINTY] * 2),
        }
        painted.update(FLUX, -ATTRIBUTION, scale=1.0, before=FLUX + 1, **bands)
        painted.update(flat, ATTRIBUTION, **last)

    np.testing.assert_array_equal(picture(update), picture(draw_anew))
    zoom = picture(lambda ax: PaintedSpectrum(ax, GRID, part=GRID > 4700).update(flat, ATTRIBUTION, **last))
    alone = picture(
        lambda ax: PaintedSpectrum(ax, GRID[GRID > 4700]).update(
            flat[GRID > 4700], ATTRIBUTION[GRID > 4700], scale=0.1, faded=FADED[GRID > 4700]
        )
    )
    np.testing.assert_array_equal(zoom, alone)


def test_a_single_pixel_that_has_not_faded_is_drawn_in_full():
    faded = np.arange(1000) != 500
    attribution = np.full(1000, 1e-4)
    axes = [plt.subplots(layout="none")[1] for _ in range(2)]
    for ax in axes:
        ax.set_xlim(GRID[[480, 520]])
    PaintedSpectrum(axes[0], GRID).update(FLUX, attribution, scale=1e-4, faded=faded)
    x, y = next(line for line in axes[0].lines if len(line.get_xdata()) > 2).get_data()
    assert np.nanmin(x) == pytest.approx(GRID[499:501].mean()) and GRID[500] in x
    assert np.nanmax(x) == pytest.approx(GRID[500:502].mean())
    assert y[list(x).index(GRID[500])] == FLUX[500]


def test_updated_probabilities_are_those_drawn_anew():
    names, band = ["intermediate", "type 1"], np.array([[0.1, 0.4], [0.3, 0.8]])

    def update(ax):
        bars = ProbabilityBars(ax, names)
        bars.update([0.9, 0.1], before=[0.2, 0.8], band=band)
        bars.update([0.4, 0.6])

    anew = picture(lambda ax: ProbabilityBars(ax, names).update([0.4, 0.6]))
    np.testing.assert_array_equal(picture(update), anew)
    ax = plt.subplots()[1]
    bars = ProbabilityBars(ax, names)
    bars.update([0.4, 0.6], before=[0.2, 0.8], band=band)
    # Types stand in their own order, whatever that of the classes is.
    assert [text.get_text() for text in ax.texts] == ["0.600", "0.400"]
    assert [bar.get_width() for bar in ax.containers[2]] == [0.8, 0.2]
    assert [segment[:, 0].tolist() for segment in ax.collections[0].get_segments()] == [
        [0.4, 0.8],
        [0.1, 0.3],
    ]


def test_strength_is_darkness_on_both_sides_of_a_light_grey():
    linear = SALIENCY_COLOURS(np.linspace(0, 1, 201))[:, :3] ** 2.2
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    assert np.all(np.diff(luminance[:101]) > 0) and np.all(np.diff(luminance[100:]) < 0)
    assert np.ptp(SALIENCY_COLOURS(0.5)[:3]) < 0.02 and 0.75 < SALIENCY_COLOURS(0.5)[1] < 0.95


def test_both_signs_stay_apart_for_colour_blind_eyes():
    # Deuteranopia and protanopia at full severity, Machado, Oliveira & Fernandes (2009), on linear RGB.
    deuteranopia = [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]
    protanopia = [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]
    strength = np.linspace(0.25, 1, 16)
    for matrix in (np.eye(3), deuteranopia, protanopia):
        raised, lowered = (
            np.clip(SALIENCY_COLOURS(0.5 + sign * strength / 2)[:, :3] ** 2.2 @ np.transpose(matrix), 0, 1)
            ** (1 / 2.2)
            for sign in (1, -1)
        )
        assert np.linalg.norm(raised - lowered, axis=1).min() > 0.2
        assert np.all(raised[:, 2] - raised[:, 0] < lowered[:, 2] - lowered[:, 0])


def test_pixels_within_two_sigma_fade():
    ax = plot_saliency(GRID, FLUX, ATTRIBUTION, target="type 2", uncertainty=UNCERTAINTY)
    assert 0.5 < FADED.mean() < 1
    ax.figure.draw_without_rendering()
    for drawn in (*find(ax, LineCollection), *find(ax, PolyCollection)):
        np.testing.assert_array_equal(np.ma.getmaskarray(drawn.get_array()), FADED)
        colours = drawn.get_edgecolor()
        assert np.all(np.ptp(colours[FADED, :3], axis=1) == 0)
        assert np.ptp(colours[~FADED, :3], axis=1).min() > 0
    widths = np.array(find(ax, LineCollection)[0].get_linewidths())
    assert widths[FADED].max() < widths[~FADED].min()
    assert "grey: less than 2σ from 0" in [text.get_text() for text in ax.texts]


def test_nothing_fades_where_all_is_certain_and_all_where_nothing_is():
    for uncertainty, share in ((0 * UNCERTAINTY, NOTHING.mean()), (UNCERTAINTY + 1, 1)):
        ax = plot_saliency(GRID, FLUX, ATTRIBUTION, target="type 2", uncertainty=uncertainty)
        assert np.ma.getmaskarray(find(ax, LineCollection)[0].get_array()).mean() == share


def test_smoothing_is_the_mean_over_a_window_of_velocity():
    smoothed = smooth_map(GRID, np.array([ATTRIBUTION, np.ones(1000)]), 700)
    for pixel in (0, 3, 480, 999):
        velocity = SPEED_OF_LIGHT * np.log(GRID / GRID[pixel])
        assert smoothed[0, pixel] == pytest.approx(ATTRIBUTION[np.abs(velocity) <= 350].mean(), rel=1e-9)
    np.testing.assert_allclose(smoothed[1], 1)
    ax = plot_saliency(GRID, FLUX, ATTRIBUTION, target="type 2", smooth=700)
    np.testing.assert_array_equal(find(ax, LineCollection)[0].get_array(), smoothed[0])
    assert "running mean over 700 km/s" in [text.get_text() for text in ax.texts]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attribution": ATTRIBUTION[:-1]}, "attribution must be on the spectrum's grid"),
        ({"attribution": np.where(FADED, np.nan, 1)}, "attribution must be finite"),
        ({"uncertainty": UNCERTAINTY[1:]}, "uncertainty must be on the spectrum's grid"),
        ({"uncertainty": np.full(1000, np.inf)}, "uncertainty must be finite"),
        ({"uncertainty": -UNCERTAINTY}, "uncertainty must not be negative; got -0.01"),
        ({"smooth": 0}, "smooth must be a positive number of km/s; got 0"),
        ({"smooth": np.nan}, "smooth must be a positive number of km/s; got nan"),
    ],
)
def test_a_map_that_cannot_be_drawn_is_refused(options, message):
    options = {"attribution": ATTRIBUTION} | options
    with pytest.raises(AgnError, match=message):
        plot_saliency(GRID, FLUX, options.pop("attribution"), target="type 2", **options)


@pytest.mark.parametrize("n_spectra", [1, 2, 5])
def test_panels_number_each_spectrum_and_say_each_scale(n_spectra):
    figure = plot_saliency_panels(
        GRID,
        np.array([FLUX] * n_spectra),
        np.array([ATTRIBUTION * 0.5**row for row in range(n_spectra)]),
        titles=[f"{row + 1}  type 2" for row in range(n_spectra)],
    )
    titles = [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]
    assert len(titles) == n_spectra
    assert all(title.startswith(f"{row + 1}  type 2;  full at ±") for row, title in enumerate(titles))
    with_ticks = [ax for ax in figure.axes if ax.get_xlabel() == "Rest wavelength (Å, vacuum)"]
    # The last row has the labels, and fills the page.
    assert len(with_ticks) == (2 if n_spectra == 2 else 1)
    with pytest.raises(AgnError, match="each spectrum needs a map and a title"):
        plot_saliency_panels(GRID, [FLUX], [ATTRIBUTION], titles=[])


def test_a_summary_page_shows_the_map_three_times_on_one_scale_and_the_probabilities():
    figure = draw_summary_page(uncertainty=UNCERTAINTY)
    maps = [ax for ax in figure.axes if find(ax, LineCollection)]
    assert [ax.get_xlim() for ax in maps[1:]] == [(4700, 5060), (4250, 4450)]
    assert {find(ax, LineCollection)[0].norm.vmax for ax in maps} == {full_colour(ATTRIBUTION)}
    named = [{text.get_text() for text in ax.texts} for ax in maps]
    assert {"Hβ", "[O III] 4959", "[O III] 5007"} <= named[1] and {"Hγ", "[O III] 4363"} <= named[2]

    bars = next(ax for ax in figure.axes if ax.get_yticklabels() and ax.containers)
    assert [label.get_text() for label in bars.get_yticklabels()] == list(AGN_TYPES)
    for bar, name in zip(bars.containers[1], AGN_TYPES):
        assert bar.get_width() == PROBABILITIES[name]
        assert to_hex(bar.get_facecolor()).upper() == AGN_TYPES[name].colour
    assert [text.get_text() for text in bars.texts] == ["0.050", "0.200  true type", "0.750"]
    words = [text.get_text() for text in figure.texts]
    assert "spec-0266-51630-0461" in words and "synthetic survey: simulated spectra" in words
    assert any("z = 0.0807" in text for text in words)
    assert "The classifier says type 2 (P = 0.750), rather than intermediate (0.200)." in words


def test_a_summary_page_says_what_it_explains_where_that_is_not_predicted():
    words = [text.get_text() for text in draw_summary_page(target="intermediate", redshift=np.nan).texts]
    assert not any("nan" in text for text in words)
    assert "explained: P(intermediate) = 0.200" in words
    for method, quantity in (("gradient", "∂ ln P / ∂ flux"), ("occlusion", "ln P per pixel")):
        words = [text.get_text() for text in draw_summary_page(method=method).texts]
        assert any(f"Attribution: {quantity}; full" in " ".join(text.split()) for text in words)


@pytest.mark.parametrize("names", ["_error", "_uncertainty"])
def test_the_table_of_a_summary_page_says_numbers_and_what_is_significant(names):
    table = pd.DataFrame(
        {"core": [-3e-4, 1.5e-5], "contrast": [-4e-4, np.nan], f"contrast{names}": [1e-4, np.nan]},
        index=["Hbeta", "Hgamma"],
    )
    figure = draw_summary_page(statistics=table)
    words = {text.get_text(): text for text in figure.texts}
    assert {"in $10^{-4}$", "−3.00", "+0.15", "−4.00 ± 1.00", "–"} <= set(words)
    assert words["−4.00 ± 1.00"].get_weight() == "bold" and words["−3.00"].get_weight() == "normal"
    assert words["Hγ"].get_position()[1] > words["Hβ"].get_position()[1]
    # The squares are coloured by sign.
    squares = [to_rgba(text.get_color()) for text in figure.texts if text.get_text() == "■"]
    assert [green > blue for _, green, blue, _ in squares] == [True, False, False]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "type 3"}, "target must be one of intermediate, type 1, type 2; got 'type 3'"),
        ({"statistics": STATISTICS.assign(line="Lyalpha")}, "by the keys of LINES; got Lyalpha"),
        ({"statistics": STATISTICS.assign(line="Hbeta")}, "got a line twice"),
        ({"statistics": STATISTICS[["line", "name"]]}, "a column of core, wings, contrast; got name"),
        ({"uncertainty": UNCERTAINTY[1:]}, "uncertainty must be on the spectrum's grid"),
    ],
)
def test_a_summary_page_of_what_does_not_fit_together_is_refused(options, message):
    with pytest.raises(AgnError, match=message):
        draw_summary_page(**options)


def test_rows_of_the_sample_are_sorted_and_each_has_its_own_scale():
    ax = plot_attribution_map(MAPS, Y, CERTAINTY, grid=GRID)
    for image, name in zip(ax.images, AGN_TYPES, strict=True):
        rows = np.flatnonzero(Y == name)
        rows = rows[np.argsort(-CERTAINTY[rows])]
        np.testing.assert_allclose(image.get_array(), MAPS[rows] / map_scales(MAPS[rows])[:, None])
        assert image.norm.vmin == -image.norm.vmax
    edges = [image.get_extent() for image in ax.images]
    assert all(upper[2] > lower[3] for upper, lower in itertools.pairwise(edges))
    bands = [to_hex(patch.get_facecolor()).upper() for patch in ax.patches]
    assert bands == [look.colour for look in AGN_TYPES.values()]
    assert {"type 1\n30", "intermediate\n20", "type 2\n50"} <= {text.get_text() for text in ax.texts}


def test_more_spectra_than_pixels_are_averaged():
    maps, y = np.tile(MAPS[:, 300:700], (60, 1)), np.full(6000, "type 2")
    ax = plt.subplots(figsize=(DOUBLE_COLUMN, 2))[1]
    plot_attribution_map(maps, y, np.arange(6000), grid=GRID[300:700], smooth=None, ax=ax)
    rows = ax.images[0].get_array()
    assert len(rows) <= 2 * plt.rcParams["savefig.dpi"]
    count = [len(part) for part in np.array_split(np.arange(6000), len(rows))]
    scaled = maps / map_scales(maps)[:, None]
    np.testing.assert_allclose(np.average(rows, axis=0, weights=count), scaled.mean(axis=0), atol=1e-12)


def test_the_profile_is_the_median_of_scaled_maps_in_each_types_colour():
    ax = plot_velocity_profile(MAPS, Y, grid=GRID, limit=5500)
    near = np.abs(LINES["Hbeta"].velocity(GRID)) <= 5500
    for name, look in AGN_TYPES.items():
        drawn = next(one for one in ax.lines if one.get_color() == look.colour)
        np.testing.assert_allclose(drawn.get_xdata(), LINES["Hbeta"].velocity(GRID)[near])
        # All maps are one map, times a factor that the scale takes away.
        expected = (-1 if name == "type 2" else 1) * ATTRIBUTION[near] / full_colour(ATTRIBUTION)
        np.testing.assert_allclose(drawn.get_ydata(), expected)
        assert f"{name} ({np.sum(Y == name)})" == drawn.get_label()
    # Core and wings of these maps have opposite colours.
    speed = np.abs(drawn.get_xdata())
    assert (
        drawn.get_ydata()[speed < 100].min() > 0 > drawn.get_ydata()[(speed > 1500) & (speed < 3000)].mean()
    )
    edges = {tuple(sorted((patch.get_x(), patch.get_x() + patch.get_width()))) for patch in ax.patches}
    assert edges == {(-5000, -1000), (-500, 0), (0, 500), (1000, 5000)}


def test_lines_are_marked_at_their_quantiles():
    ax = plot_line_statistics(SUMMARY)
    lines = [label.get_text() for label in ax.get_yticklabels()]
    assert lines == [LINES[name].label for name in LINES if name in set(SUMMARY["line"])]
    for container, (name, value) in zip(
        ax.containers, itertools.product(AGN_TYPES, ("core", "wings")), strict=True
    ):
        rows = SUMMARY[SUMMARY["true"] == name]
        marks, _, (bars,) = container.lines
        np.testing.assert_allclose(marks.get_xdata(), rows[f"{value}_q50"])
        np.testing.assert_allclose(
            np.array(bars.get_segments())[:, :, 0], rows[[f"{value}_q16", f"{value}_q84"]], atol=1e-9
        )
        assert marks.get_color() == AGN_TYPES[name].colour
        assert (marks.get_markerfacecolor() == "white") == (value == "wings")
        assert np.abs(marks.get_ydata() - np.arange(len(rows))).max() < 0.5
    assert ax.yaxis_inverted()


def test_shares_of_opposite_signs_stand_beside_one_half():
    ax = plot_opposite_shares(SUMMARY)
    for container, name in zip(ax.containers, AGN_TYPES, strict=True):
        rows = SUMMARY[SUMMARY["true"] == name]
        np.testing.assert_array_equal(container.lines[0].get_xdata(), rows["share_opposite"])
    assert any(list(one.get_xdata()) == [0.5, 0.5] for one in ax.lines)


def test_methods_have_a_strip_each_on_its_own_scale():
    maps = {"gradient": ATTRIBUTION, "far_smaller": 0.1 * ATTRIBUTION}
    figure = plot_methods(make_attributions(maps, gradient=UNCERTAINTY))
    strips = [ax for ax in figure.axes if find(ax, PolyCollection)]
    assert [strip.texts[0].get_text() for strip in strips] == ["gradient", "far smaller"]
    one, other = (
        np.array([path.vertices for path in find(strip, PolyCollection)[0].get_paths()]) for strip in strips
    )
    np.testing.assert_allclose(one, other, atol=1e-12)
    assert strips[0].texts[1].get_text() != strips[1].texts[1].get_text()
    masks = [np.ma.getmaskarray(find(strip, PolyCollection)[0].get_array()) for strip in strips]
    np.testing.assert_array_equal(masks[0], FADED | NOTHING)
    least = find_floor("ln P per pixel")
    np.testing.assert_array_equal(masks[1], np.abs(0.1 * ATTRIBUTION) < least)


def test_the_best_method_of_each_measure_is_bold_and_framed():
    ax = plot_faithfulness(MEASURES)
    heads = [label.get_text() for label in ax.get_xticklabels()]
    assert [" ".join(head.split()) for head in heads] == ["gradient", "integrated gradients", "random order"]
    words = np.array([text.get_text() for text in ax.texts]).reshape(5, 3)
    assert words[:3].tolist() == [["0.50", "0.30", "0.10"], ["0.00", "0.50", "−1.00"], ["0.90", "–", "0.20"]]
    assert set(words[4]) == {"–"}
    # References do not compete, and where all are equal none is the best.
    bold = np.array([text.get_weight() == "bold" for text in ax.texts]).reshape(5, 3)
    assert np.argwhere(bold).tolist() == [[0, 1], [1, 0]]
    assert len(ax.patches) == 2
    shade = ax.collections[0].get_array()
    # Where there is no number, and in references, there is no shade.
    expected = [[0, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(shade, expected)
    arrows = [label.get_text()[-1] for label in ax.get_yticklabels()]
    assert "".join(arrows) == "↓↓↑↑↑"
    # What two digits do not tell apart is no rank.
    close = pd.DataFrame({"insertion": [0.9899, 0.9901, 0.5], "same": [1, 0.9999, 1]}, index=list("abc"))
    ax = plot_faithfulness(close)
    bold = np.array([text.get_weight() == "bold" for text in ax.texts]).reshape(2, 3)
    assert bold.tolist() == [[True, True, False], [False, False, False]]
    upwards = plot_faithfulness(MEASURES, lower_is_better=[])
    assert all(label.get_text().endswith("↑") for label in upwards.get_yticklabels())


def test_curves_differ_by_more_than_colour_and_random_order_is_grey():
    ax = plot_curves(CURVES, low=CURVES[["a"]] - 1, high=CURVES[["a"]] + 1)
    looks = {}
    names = {say_method(name): name for name in CURVES}
    for drawn in ax.lines:
        name = names[drawn.get_label()]
        np.testing.assert_array_equal(drawn.get_ydata(), CURVES[name])
        looks[name] = (drawn.get_color(), drawn.get_marker(), str(drawn.get_linestyle()))
    assert looks["random order"][0] == GREY and ax.lines[0].get_label() == "random order"
    # Beside the Axes the methods stand in the order of their curves.
    order = [names[text.get_text()] for text in ax.get_legend().get_texts()]
    assert order == sorted(CURVES, key=lambda name: -CURVES[name].mean())
    assert len({look[0] for look in looks.values()}) == len({look[1] for look in looks.values()}) == 9
    assert len(ax.collections) == 1
    # Curves that cannot be told apart are one, with all its names.
    twins = CURVES.assign(twin=CURVES["a"] + 1e-6)
    ax = plot_curves(twins)
    assert len(ax.lines) == 9
    assert any(line.get_label() in ("a, twin", "twin, a") for line in ax.lines)
    # A method looks the same beside twins and beside others.
    tables = [CURVES.assign(lime=CURVES["a"] + moved) for moved in (0, 1)]
    colours = [{line.get_label(): line.get_color() for line in plot_curves(each).lines} for each in tables]
    assert len(colours[0]) < len(colours[1]) and colours[0]["b"] == colours[1]["b"]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plot_attribution_map(MAPS[:0], Y[:0], CERTAINTY[:0], grid=GRID), "at least one; got shape"),
        (lambda: plot_attribution_map(MAPS, Y[1:], CERTAINTY, grid=GRID), "y must have one entry a spectrum"),
        (lambda: plot_attribution_map(MAPS, Y, CERTAINTY[1:], grid=GRID), "certainty must have one entry"),
        (lambda: plot_velocity_profile(MAPS, Y, grid=GRID[1:]), r"must be \(n_spectra, 999\)"),
        (lambda: plot_velocity_profile(MAPS, np.full(100, "star"), grid=GRID), "y must hold .* got 'star'"),
        (lambda: plot_velocity_profile(MAPS, Y, grid=GRID, line="Lya"), "line must be one of .* got 'Lya'"),
        (lambda: plot_velocity_profile(MAPS, Y, grid=GRID, line="Halpha"), "Halpha must be on the grid"),
        (lambda: plot_line_statistics(SUMMARY, values=[]), "values must name one or two"),
        (lambda: plot_line_statistics(SUMMARY, values=["median"]), "it lacks median_q16"),
        (lambda: plot_line_statistics(pd.concat([SUMMARY, SUMMARY])), "one row a line and true type"),
        (lambda: plot_line_statistics(SUMMARY.assign(line="Lya")), "lines of LINES; got Lya"),
        (lambda: plot_opposite_shares(SUMMARY[:0]), "lines of LINES; got no rows"),
        (lambda: plot_methods([]), "at least one method's; got none"),
        (
            lambda: plot_methods([*make_attributions(METHODS), *make_attributions(METHODS, target="type 1")]),
            "on the same spectra and targets; got <Attribution: .* for type 1",
        ),
        (lambda: plot_faithfulness(MEASURES[1:2]), "a method and a measure; got 1 x 5"),
        (lambda: plot_faithfulness(MEASURES, lower_is_better=["speed"]), "measures of the table; got speed"),
        (lambda: plot_curves(CURVES[:1]), "a method and two shares; got a table of shape"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(draw, message):
    with pytest.raises(AgnError, match=message) as caught:
        draw()
    assert "\n" not in str(caught.value)
