"""Radio galaxies: simulated ones are what they are said to be, real ones are prepared or refused."""

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from scipy import ndimage

from agn_helpers.errors import AgnError
from agn_helpers.images import (
    RADIO_PARTS,
    TrainingPlan,
    cross_validate,
    cut_middle,
    measure_brightness,
    prepare_radio,
    randomise_network,
    read_radio_images,
    score_accuracy,
    score_baselines,
    simulate_radio,
    train_radio,
)
from agn_helpers.images.radio import cut_at_best, measure_noise
from agn_helpers.images.radio_simulator import BEAM, NOISE, PIXEL

from .real import FOLDER, SETS, find_shared, read_set

RANDOM = np.random.default_rng(0).random((3, 9, 9))


@pytest.fixture(scope="module")
def sample():
    return simulate_radio(60, random_state=3, title=None)


class TestSimulator:
    def test_fr1_fade_outwards_and_fr2_end_bright_by_construction(self, sample):
        ratio = sample.truth["fr_ratio"]
        assert ratio[sample.label == 0].max() < 0.5 < ratio[sample.label == 1].min()
        assert np.bincount(sample.label).tolist() == [30, 30]

    def test_each_class_has_its_parts(self, sample):
        for label, own, other in ((0, "plume", "lobe"), (1, "lobe", "plume")):
            of = sample.part[sample.label == label]
            assert (of == 1 + RADIO_PARTS.index(own)).any() and not (of == 1 + RADIO_PARTS.index(other)).any()
        assert not (sample.part[sample.label == 0] == 1 + RADIO_PARTS.index("hot spot")).any()

    def test_beam_and_noise_are_those_of_first(self, sample):
        quiet = [image for image in sample.images if image.max() < 20]
        noise = [measure_noise(image) for image in quiet]
        assert np.median(noise) == pytest.approx(NOISE, rel=0.1)
        # Noise is correlated over the beam: its width follows from the ratio to the noise of differences.
        image = min(sample.images, key=np.max)
        step = 1.4826 * np.median(np.abs(np.diff(image, axis=0))) / (np.sqrt(2) * measure_noise(image))
        sigma = BEAM / PIXEL / np.sqrt(8 * np.log(2))
        assert step == pytest.approx(np.sqrt(1 - np.exp(-1 / (4 * sigma**2))), rel=0.15)

    def test_brightness_tells_the_class_only_where_it_is_asked_to(self):
        for brighter, low, high in ((1.0, 0.35, 0.68), (30.0, 0.8, 1.0)):
            many = simulate_radio(120, brighter=brighter, random_state=5, title=None)
            seen = measure_brightness(many.images)
            half = np.arange(120) % 2 == 0
            found = score_baselines(seen[half], many.label[half], seen[~half], many.label[~half])
            assert low <= found.loc["cut in peak", "accuracy"] <= high
            if brighter > 1:
                # Dividing by the peak hides nothing once the noise is clipped.
                divided = many.images / many.images.max(axis=(1, 2), keepdims=True)
                again = measure_brightness(divided)
                found = score_baselines(again[half], many.label[half], again[~half], many.label[~half])
                assert found.loc["cut in noise level", "accuracy"] > 0.75

    def test_a_seed_is_a_sample(self, sample):
        again = simulate_radio(60, random_state=3, title=None)
        np.testing.assert_array_equal(again.images, sample.images)
        assert not np.array_equal(simulate_radio(60, random_state=4, title=None).images, sample.images)
        with pytest.raises(AgnError, match="at least 2"):
            simulate_radio(1)
        with pytest.raises(AgnError, match="positive ratio"):
            simulate_radio(4, brighter=0)


class TestPreparation:
    def test_clips_cuts_and_divides(self, sample):
        prepared = prepare_radio(sample.images)
        assert prepared.shape == (60, 64, 64) and prepared.min() == 0 and 0.9 < prepared.max() <= 1
        image = cut_middle(sample.images[0], 128)
        kept = np.where(image > 3 * measure_noise(sample.images[0]), image, 0)
        places = (np.arange(128) - 63.5) * PIXEL
        # A neighbour may be brighter than the source.
        peak = kept[np.hypot(places, places[:, None]) < 60].max()
        levels = np.clip(np.floor(255 * kept / peak) / 255, 0, 1)
        means = (levels[::2, ::2] + levels[1::2, ::2] + levels[::2, 1::2] + levels[1::2, 1::2]) / 4
        np.testing.assert_allclose(prepared[0], np.sqrt(means), atol=1e-6)
        # A share of the pixels of pure noise as of three standard deviations.
        empty = cut_middle(sample.part, 128)[:, ::2, ::2] == 0
        share = np.mean(
            [(x[ndimage.binary_erosion(e, iterations=2)] > 0).mean() for x, e in zip(prepared, empty)]
        )
        # Of four pixels one suffices.
        assert share < 4 * 0.006
        np.testing.assert_allclose(prepare_radio(7 * sample.images), prepared, atol=0.05)

    def test_full_resolution_is_an_option(self, sample):
        full = prepare_radio(sample.images[:9], binned=1)
        assert full.shape == (9, 128, 128) and (full.max(axis=(1, 2)) == 1).all()
        means = (full**2).reshape(9, 64, 2, 64, 2).mean(axis=(2, 4))
        np.testing.assert_allclose(prepare_radio(sample.images[:9]), np.sqrt(means), atol=1e-6)

    def test_what_was_clipped_already_stays(self, sample):
        once = np.where(sample.images > 1, sample.images, 0)
        np.testing.assert_array_equal(prepare_radio(once), prepare_radio(once, clip=None))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda x: x[0], "at least 128 x 128"),
            (lambda x: x[:, :90], "at least 128 x 128"),
            (lambda x: x * np.nan, "image 0 holds NaN"),
            (lambda x: x * 0, "image 0 is blank"),
        ],
    )
    def test_other_images_are_refused(self, sample, change, message):
        with pytest.raises(AgnError, match=message):
            prepare_radio(change(sample.images[:2]))
        with pytest.raises(AgnError, match="clip must be positive"):
            prepare_radio(sample.images[:2], clip=-1)
        with pytest.raises(AgnError, match="n_seen must be a multiple of binned; got 63 and 2"):
            prepare_radio(sample.images[:2], n_seen=63)


class TestReading:
    def test_blank_and_broken_images_are_rejected_with_reasons(self, sample, tmp_path):
        images = sample.images[:6].copy()
        images[1], images[2, 0, 0] = 0, np.nan
        np.savez(tmp_path / "own.npz", images=images, label=["FR I", "FRII", "fr1", "FR2", "0", "1"])
        read = read_radio_images(tmp_path / "own.npz")
        assert len(read.images) == 4 and read.label.tolist() == [0, 1, 0, 1]
        assert read.rejected["reason"].tolist() == ["it is blank", "it holds NaN or infinity"]

    def test_a_folder_of_fits_with_labels(self, sample, tmp_path):
        for name, image in zip("abc", sample.images):
            fits.writeto(tmp_path / f"{name}.fits", image)
        fits.writeto(tmp_path / "small.fits", sample.images[0][:100])
        (tmp_path / "bad.fits").write_bytes(b"SIMPLE  =")
        pd.DataFrame({"name": list("ab"), "label": ["FRI", "FRII"]}).to_csv(tmp_path / "labels.csv")
        read = read_radio_images(tmp_path)
        assert read.name.tolist() == ["a", "b"] and read.label.tolist() == [0, 1]
        reasons = dict(zip(read.rejected["name"], read.rejected["reason"]))
        assert set(reasons) == {"bad", "c", "small"} and "100 x 150 pixels" in reasons["small"]

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"images": np.ones((3, 9))}, "it has none"),
            ({"a": np.ones((3, 9, 9)), "b": np.ones((3, 9, 9))}, "say values=; it has a, b"),
            ({"a": RANDOM, "label": [0, 1]}, "labels must be one an image, 3"),
            ({"a": RANDOM, "label": [0, 1, 2]}, "labels must be 0 and 1"),
            ({"a": RANDOM, "name": ["x"]}, "names must be one an image"),
            ({"a": np.zeros((3, 9, 9))}, "3 are blank or broken"),
        ],
    )
    def test_other_files_are_refused(self, arrays, message, tmp_path):
        np.savez(tmp_path / "own.npz", **arrays)
        with pytest.raises(AgnError, match=message):
            read_radio_images(tmp_path / "own.npz")

    def test_no_archive_and_no_images_are_refused(self, tmp_path):
        (tmp_path / "own.npz").write_text("text")
        for path, message in ((tmp_path / "own.npz", "must be an .npz file"), (tmp_path, "none can be read")):
            with pytest.raises(AgnError, match=message):
                read_radio_images(path)


def test_the_best_cut_is_that_of_trying_all():
    rng = np.random.default_rng(0)
    for _ in range(30):
        label = rng.integers(0, 2, 25)
        feature = np.round(rng.normal(size=25) + rng.choice([-1, 1]) * label, 1)
        cut, side = cut_at_best(feature, label)
        ours = np.mean((side * (feature - cut) > 0) == label)
        cuts = np.concatenate([[-9], np.unique(feature) + 0.01])
        best = max(np.mean((sign * (feature - c) > 0) == label) for c in cuts for sign in (-1, 1))
        assert ours == pytest.approx(best)


def test_intervals_are_those_of_the_binomial():
    row = score_accuracy([1] * 8 + [0] * 2, [1] * 10)
    # Clopper & Pearson for 8 of 10.
    assert (row["low"], row["high"]) == pytest.approx((0.4439, 0.9748), abs=1e-4)
    assert np.isnan(row["FR I"]) and row["FR II"] == 0.8


def test_networks_are_trained_folded_and_forgotten(sample):
    X = prepare_radio(sample.images)
    plan = TrainingPlan(n_epochs=2, widths=(8, 8))
    odds = cross_validate(X, sample.label, n_folds=2, plan=plan)
    assert np.isfinite(odds).all() and odds.shape == (60,)
    network = train_radio(X, sample.label, n_members=2, plan=plan)
    assert len(network.members) == 2
    other = randomise_network(network)
    assert not np.allclose(other.outputs(X), network.outputs(X))
    for mine, theirs in zip(network.members[0], other.members[0]):
        np.testing.assert_array_equal(np.sort(mine.ravel()), np.sort(theirs.ravel()))
    with pytest.raises(AgnError, match="at least 40 images"):
        cross_validate(X, sample.label, n_folds=40)


def test_real_images_are_read_and_their_shortcut_shown(shared):
    if not FOLDER.is_dir():
        pytest.skip("would check: real radio images; there are none in the shared folder")
    blank = read_radio_images(FOLDER / SETS["MiraBest"], values="first").rejected
    assert len(blank) == 6 and set(blank["reason"]) == {"it is blank"}
    images, _, label, places = read_set("FR-DEEP")
    seen = measure_brightness(images)
    found = score_baselines(seen, label, seen, label)
    # The faintest grey level alone: 0.88 is what others measured with it.
    assert 0.84 < found.loc["cut in noise level", "accuracy"] < 0.92
    _, _, other_label, others = read_set("MiraBest")
    seen = measure_brightness(read_radio_images(FOLDER / SETS["MiraBest"], values="first").images)
    assert score_baselines(seen, other_label, seen, other_label).loc["cut in noise level", "accuracy"] < 0.65
    assert 30 < find_shared(places, others).sum() < 120
