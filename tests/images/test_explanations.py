"""Explanations of images and their checks: closed forms, the lime package, known parts."""

import numpy as np
import pytest

from agn_helpers.errors import AgnError
from agn_helpers.images import (
    SegmentExplanation,
    describe_explanation,
    describe_segments,
    explain_by_lime,
    measure_agreement,
    measure_curves,
    measure_mass,
    measure_place,
    occlude_segments,
    score_without,
    segment_emission,
    segment_quickshift,
    segment_slic,
    segment_squares,
)


def make_double(size=48):
    """Two bright ends, a faint bridge with a core, a speck, and nothing else."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    image = sum(np.exp(-((x - at) ** 2 + y**2) / 5) * high for at, high in ((-12, 1.0), (12, 0.8), (0, 0.35)))
    image += 0.15 * (np.abs(x) < 12) * (np.abs(y) < 2.5)
    image = np.where(image > 0.08, image, 0)
    image[3, 40] = image[3, 41] = 0.1
    return image.astype(np.float32)


IMAGE = make_double()


class TestSegments:
    def test_cover_the_image_once_and_part_ends_bridge_core_and_specks(self):
        segments = segment_emission(IMAGE)
        assert (segments == 0).sum() == (IMAGE == 0).sum()
        assert sorted(np.unique(segments)) == list(range(segments.max() + 1))
        middle = (IMAGE.shape[0] - 1) // 2
        ends = [segments[middle, middle + at] for at in (-12, 0, 13)]
        assert len({0, *ends}) == 4
        # The compact end is no larger than its half-maximum, and a diffuse piece lies around it.
        assert IMAGE[segments == ends[0]].min() > 0.5
        assert segments[3, 40] == segments[3, 41] == segments.max()
        pieces = describe_segments(segments, IMAGE)
        assert pieces["flux"].sum() == pytest.approx(1) and pieces["flux"][0] == 0
        assert pieces["pixels"].sum() == IMAGE.size
        assert pieces["distance"][ends[0]] == pytest.approx(12, abs=0.7)

    def test_turn_with_the_image(self):
        turned = segment_emission(np.rot90(IMAGE))
        ours = np.rot90(segment_emission(IMAGE))
        sizes = [np.sort(np.bincount(each.ravel())[1:]) for each in (turned, ours)]
        np.testing.assert_allclose(*sizes, atol=3)

    def test_what_has_no_emission_or_nothing_else_is_refused(self):
        with pytest.raises(AgnError, match="it has no emission"):
            segment_emission(np.zeros((8, 8)))
        with pytest.raises(AgnError, match="covers the whole image"):
            segment_emission(np.ones((8, 8)))

    def test_published_ones_are_of_photographs(self):
        pytest.importorskip("skimage")
        for segment in (segment_slic, segment_quickshift, segment_squares):
            found = segment(IMAGE)
            assert found.shape == IMAGE.shape and found.min() == 0
        assert segment_squares(IMAGE).max() == 35


def linear_score(images):
    """Linear in the flux of each column."""
    return images.sum(axis=1) @ np.arange(-24, 24) / 10


class TestLime:
    def test_of_a_linear_score_is_each_piece_s_sum(self):
        segments = segment_emission(IMAGE)
        ours = explain_by_lime(linear_score, IMAGE, segments)
        alone = [linear_score((IMAGE * (segments == n))[None])[0] for n in range(segments.max() + 1)]
        np.testing.assert_allclose(ours.coefficients, alone, rtol=1e-3, atol=2e-3)
        assert ours.r2 == pytest.approx(1, abs=1e-4) and ours.coefficients[0] == 0
        np.testing.assert_allclose(
            np.bincount(segments.ravel(), ours.attribution.ravel()), ours.coefficients, atol=1e-9
        )
        drop = occlude_segments(linear_score, IMAGE, segments)
        np.testing.assert_allclose(drop.coefficients, alone, atol=1e-4)

    def test_agrees_with_the_lime_package_on_the_same_segments(self):
        lime_image = pytest.importorskip("lime.lime_image")
        segments = segment_emission(IMAGE)

        def score(images):
            parts = linear_score(images)
            return np.tanh(parts / 20) + 0.3 * np.sin(images[:, 20:28].sum(axis=(1, 2)) / 5)

        def probabilities(colour):
            p = 1 / (1 + np.exp(-score(colour[..., 0])))
            return np.column_stack([1 - p, p])

        theirs = lime_image.LimeImageExplainer(random_state=0, feature_selection="none").explain_instance(
            np.repeat(IMAGE[..., None], 3, axis=2).astype(float),
            probabilities,
            labels=(1,),
            hide_color=0,
            num_samples=4000,
            segmentation_fn=lambda _: segments,
        )
        weights = np.zeros(segments.max() + 1)
        for number, weight in theirs.local_exp[1]:
            weights[number] = weight
        ours = explain_by_lime(lambda x: probabilities(x[..., None])[:, 1], IMAGE, segments, n_samples=4000)
        assert np.corrcoef(ours.coefficients[1:], weights[1:])[0, 1] > 0.99

    def test_depends_on_the_seed_and_says_its_scatter(self):
        segments = segment_emission(IMAGE)

        def rough(images):
            return np.tanh(linear_score(images)) + np.cos(images.sum(axis=(1, 2)))

        one, again, other = (
            explain_by_lime(rough, IMAGE, segments, n_samples=100, n_repeats=8, random_state=seed)
            for seed in (0, 0, 1)
        )
        np.testing.assert_array_equal(one.coefficients, again.coefficients)
        far = np.abs(one.coefficients - other.coefficients)[1:] / one.uncertainty[1:]
        assert 0 < far.max() < 5 * np.sqrt(2 / 8)
        assert one.r2 < 0.99

    def test_what_cannot_be_explained_is_refused(self):
        segments = segment_emission(IMAGE)
        for message, attempt in {
            "segments must number": lambda: explain_by_lime(linear_score, IMAGE, segments[1:]),
            "from 0 on; got float64": lambda: explain_by_lime(linear_score, IMAGE, segments * 1.0),
            "may be blank": lambda: explain_by_lime(linear_score, IMAGE * 0, segments),
            "holds NaN": lambda: explain_by_lime(linear_score, IMAGE * np.nan, segments),
            "n_samples must be at least 2": lambda: explain_by_lime(
                linear_score, IMAGE, segments, n_samples=1
            ),
            "removed must be": lambda: score_without(linear_score, IMAGE, segments, np.ones((2, 2), bool)),
        }.items():
            with pytest.raises(AgnError, match=message):
                attempt()


class LinearNetwork:
    """What the checks ask of a network."""

    def outputs(self, images):
        return linear_score(images)[:, None] + 1.0


def test_curves_fall_fastest_in_the_true_order():
    segments = segment_emission(IMAGE)
    network = LinearNetwork()
    true = occlude_segments(linear_score, IMAGE, segments)
    wrong = true._replace(coefficients=-true.coefficients)
    areas, worst = (measure_curves(network, IMAGE, each) for each in (true, wrong))
    assert areas["deletion"] < areas["random"] < worst["deletion"]
    assert areas["insertion"] > areas["random"] > worst["insertion"]


def test_agreement_mass_and_place():
    assert measure_agreement([3, 2, 1, 0], [30, 20, 10, 0], n_top=2) == (1.0, 1.0)
    assert measure_agreement([3, 2, 1, 0], [0, 1, 2, 3], n_top=2)[0] == -1
    part = np.zeros((4, 4), int)
    part[0] = 2
    weights = np.where(part == 2, -3.0, 1.0)
    assert measure_mass(weights, part, [2]) == (0.5, 0.25)
    assert measure_mass(weights, part, [2], within=part == 2) == (1.0, 1.0)
    with pytest.raises(AgnError, match="it is 0"):
        measure_mass(weights * 0, part, [2])
    with pytest.raises(AgnError, match="one size"):
        measure_mass(weights, part[1:], [2])
    segments = segment_emission(IMAGE)
    distance = describe_segments(segments, IMAGE)["distance"]
    coefficients = np.zeros(segments.max() + 1)
    ends = np.flatnonzero((distance > 11) & (distance < 13))
    core = int(segments[23, 23])
    coefficients[ends], coefficients[core] = 1.0, -1.0
    explanation = SegmentExplanation(coefficients, 0 * coefficients, 1.0, segments)
    place = measure_place(explanation, IMAGE)
    assert place["for_fr2"] > 2 * place["for_fr1"]
    assert describe_explanation(explanation, IMAGE, 0.9).startswith("FR II (90%): ")
    assert "of the way out" in describe_explanation(explanation, IMAGE, 0.1)
