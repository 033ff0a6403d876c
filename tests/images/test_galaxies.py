"""Simulated galaxies: the truth is what is drawn, and samples follow the table that they were taken from."""

import numpy as np
import pytest

from agn_helpers.errors import AgnError
from agn_helpers.images import (
    HOYLE_LENGTH,
    HOYLE_SIZE,
    RADIUS,
    SIDE,
    prepare_image,
    read_lengths,
    simulate_galaxies,
    subtract_profile,
)
from agn_helpers.images.galaxies import HOYLE_CORRELATION, HOYLE_SCATTER, _blur, _draw_bar

GALAXY = {"bar_angle": 0.0, "bar_shape": 2.0, "bar_ratio": 0.3, "bar_index": 1.0}


def test_the_same_seed_gives_the_same_galaxies_of_any_side():
    first, second = (simulate_galaxies(4, random_state=3) for _ in range(2))
    np.testing.assert_array_equal(first.images, second.images)
    assert first.truth.equals(second.truth)
    assert not np.array_equal(first.images, simulate_galaxies(4, random_state=4).images)
    larger = simulate_galaxies(4, side=96, random_state=3)
    np.testing.assert_array_equal(larger.truth["length"], first.truth["length"])
    halved = larger.images.reshape(4, 48, 2, 48, 2).mean(axis=(2, 4))
    # Noise and clumps are other ones.
    for few, many in zip(first.images, halved):
        assert np.corrcoef(few.ravel(), many.ravel())[0, 1] > 0.8


def test_a_bar_ends_where_it_should_and_holds_the_light_of_a_ferrers_bar():
    y, x = np.mgrid[-40:40:801j, -40:40:801j]
    bar = _draw_bar(GALAXY, x, y, 20.0)
    assert bar.max() == 1
    assert np.abs(x[bar > 0]).max() == pytest.approx(20, abs=0.1)
    assert np.abs(y[bar > 0]).max() == pytest.approx(6, abs=0.1)
    # The integral of 1 - m² over an ellipse of axes a, b is π a b / 2.
    assert bar.sum() * 0.01 == pytest.approx(np.pi * 20 * 6 / 2, rel=1e-3)


def test_length_and_angle_on_the_sky_are_those_of_the_ends_of_the_bar():
    truth = simulate_galaxies(300, barred_share=1.0, random_state=0).truth
    ends = truth["length_in_disc"].to_numpy() * np.exp(1j * truth["bar_angle"].to_numpy())
    sky = (ends.real + 1j * ends.imag * truth["cos_inclination"]) * np.exp(1j * truth["node"])
    np.testing.assert_allclose(np.abs(sky), truth["length"])
    turn = (np.angle(sky) - truth["angle"]) % np.pi
    np.testing.assert_allclose(np.minimum(turn, np.pi - turn), 0, atol=1e-9)


def test_deviations_from_round_lie_along_strong_bars():
    images, truth = simulate_galaxies(300, barred_share=1.0, random_state=1)
    strong = truth["votes"] > 0.7
    wave = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    inside = np.hypot(*wave) < 6
    y, x = wave[:, inside]
    sums = (subtract_profile(images)[:, inside] * np.exp(2j * np.arctan2(y, x))).sum(axis=1)
    turn = np.abs(np.angle(sums * np.exp(-2j * truth["angle"].fillna(0)))) / 2
    assert np.degrees(np.median(turn[strong])) < 10


def test_strong_bars_have_taken_more_of_the_disc_beside_them():
    truth = simulate_galaxies(300, random_state=8).truth
    barred = truth[truth["is_barred"]]
    assert (truth["gap"][~truth["is_barred"]] == 0).all() and barred["gap"].between(0, 0.8).all()
    assert np.corrcoef(barred["gap"], barred["strength"])[0, 1] > 0.5


def test_without_bars_nothing_is_measured():
    truth = simulate_galaxies(50, barred_share=0.0, random_state=2).truth
    assert not truth["is_barred"].any() and (truth["strength"] == 0).all()
    assert truth[["length", "angle", "measured"]].isna().all(axis=None)
    assert truth["votes"].mean() < 0.2


def test_volunteers_scatter_as_published():
    truth = simulate_galaxies(3000, barred_share=1.0, side=16, random_state=5).truth
    error = (truth["measured"] / truth["length"] - 1) * np.sqrt(truth["n_measured"])
    scatter = np.interp(np.linspace(0, 1, 2001), list(HOYLE_SCATTER), list(HOYLE_SCATTER.values()))
    assert np.std(error) == pytest.approx(np.sqrt(np.mean(scatter**2)), rel=0.06)
    assert truth["n_measured"].between(3, 6).all()
    logs = np.log(truth[["length_in_disc", "size"]])
    np.testing.assert_allclose(logs.mean(), [HOYLE_LENGTH[0], HOYLE_SIZE[0]], atol=0.03)
    np.testing.assert_allclose(logs.std(), [HOYLE_LENGTH[1], HOYLE_SIZE[1]], rtol=0.05)
    assert np.corrcoef(logs.T)[0, 1] == pytest.approx(HOYLE_CORRELATION, abs=0.06)


def test_distributions_are_those_of_the_table_of_hoyle(shared):
    table = read_lengths(shared / "images" / "bars" / "hoyle_barlengths.csv")
    assert len(table) == 3150
    logs = np.log(table)
    np.testing.assert_allclose(logs.mean(), [HOYLE_LENGTH[0], HOYLE_SIZE[0]], atol=1e-3)
    np.testing.assert_allclose(logs.std(), [HOYLE_LENGTH[1], HOYLE_SIZE[1]], atol=1e-3)
    assert np.corrcoef(logs.T)[0, 1] == pytest.approx(HOYLE_CORRELATION, abs=0.01)


def test_bars_that_have_more_of_the_light_get_more_votes():
    truth = simulate_galaxies(600, barred_share=1.0, side=16, random_state=6).truth
    order = truth["strength"].rank(pct=True)
    assert truth["votes"][order > 0.8].mean() > truth["votes"][order < 0.2].mean() + 0.3


def test_the_point_spread_is_gaussian_and_keeps_the_light():
    image = np.zeros((49, 49))
    image[24, 24] = 1.0
    blurred = _blur(image, 4.0)
    y, x = np.mgrid[:49, :49] - 24
    sigma = 4.0 / np.sqrt(8 * np.log(2))
    expected = np.exp(-0.5 * (x**2 + y**2) / sigma**2) / (2 * np.pi * sigma**2)
    np.testing.assert_allclose(blurred, expected, atol=1e-4)
    assert blurred.sum() == pytest.approx(1)
    np.testing.assert_allclose(_blur(np.ones((20, 20)), 3.0)[5:-5, 5:-5], 1, atol=1e-5)


def test_what_is_round_has_no_deviation_and_what_is_not_keeps_its_differences():
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    circle = np.rint(np.hypot(x, y))
    np.testing.assert_allclose(subtract_profile(np.exp(-circle / 9)), 0, atol=1e-7)
    image = np.random.default_rng(0).normal(size=(3, SIDE, SIDE))
    deviation = subtract_profile(image)
    for number in (0, 5, 20):
        ring = circle == number
        if ring.any():
            np.testing.assert_allclose(deviation[:, ring].mean(axis=1), 0, atol=1e-6)
            change = image[:, ring] - deviation[:, ring]
            np.testing.assert_allclose(change, change[:, :1] * np.ones(ring.sum()), atol=1e-6)
    np.testing.assert_allclose(subtract_profile(image[0]), deviation[0])
    np.testing.assert_allclose(subtract_profile(np.rot90(image[0])), np.rot90(deviation[0]), atol=1e-6)


def test_preparation_knows_no_units_and_is_one_at_the_mean_brightness():
    image = simulate_galaxies(1, random_state=0).images[0].astype(float) ** 2 + 0.1
    np.testing.assert_allclose(prepare_image(7e-3 * image), prepare_image(image), rtol=1e-5)
    np.testing.assert_allclose(prepare_image(np.full((SIDE, SIDE), 5.0)), 1, rtol=1e-6)
    assert 2 * RADIUS < SIDE


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((SIDE, SIDE)), "must have light"),
        (np.full((SIDE, SIDE), np.nan), "must be finite; 2304 pixels"),
    ],
)
def test_blank_images_and_nan_are_refused(image, words):
    with pytest.raises(AgnError, match=words):
        prepare_image(image)


@pytest.mark.parametrize("wrong", [{"n": 0}, {"n": 2, "barred_share": 1.1}, {"n": 2, "side": 8}])
def test_impossible_samples_are_refused(wrong):
    with pytest.raises(AgnError, match="barred_share 0 to 1 and side at least 16 pixels"):
        simulate_galaxies(**wrong)
