"""Trials of all methods: on the same galaxies, repeatable, and none sees the test part."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from agn_helpers.errors import AgnError
from agn_helpers.images import (
    DIRECT,
    PUBLISHED,
    RADIUS,
    ROUTES,
    SIDE,
    TRANSFERRED,
    BarPlan,
    Cutout,
    calibrate_lengths,
    calibrated_lengths,
    compare_methods,
    correlate,
    draw_pictures,
    measure_cutouts,
    measure_route,
    orient_images,
    prepare_cutout,
    published_bar_length,
    repeat_trials,
    run_trial,
    score_trials,
    simulate_galaxies,
    simulate_measured,
    smooth_gradient,
    subtract_profile,
    summarise_trials,
)
from agn_helpers.images.bar_trials import _train, _tune

pytest.importorskip("jax")
pytest.importorskip("photutils")

PLAN = BarPlan(n_votes=96, n_epochs=1, n_labels=(6, 16), n_calibration=8, n_test=7, n_draws=2)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("bars")


@pytest.fixture(scope="module")
def trial(kept):
    return repeat_trials(PLAN, 1, n_jobs=1, folder=kept)[0]


def test_all_methods_measure_the_same_galaxies(trial):
    labels = [f"{kind}, {n} labels" for n in (6, 16) for kind in (TRANSFERRED, DIRECT)]
    assert trial.methods == [*ROUTES, "ellipse fit", *labels]
    assert trial.lengths["part"].value_counts().to_dict() == {"calibration": 8, "test": 7}
    assert np.isfinite(trial.lengths[["true", "measured", "size", *labels]]).all(axis=None)
    assert set(trial.settings) == set(ROUTES) and 0 <= trial.scores["auc"] <= 1


def test_a_trial_is_kept_and_read_again(trial, kept):
    files = {path: path.stat().st_mtime_ns for path in kept.rglob("*") if path.is_file()}
    again = repeat_trials(PLAN, 1, n_jobs=1, folder=kept)[0]
    assert {path: path.stat().st_mtime_ns for path in kept.rglob("*") if path.is_file()} == files
    pd.testing.assert_frame_equal(again.lengths, trial.lengths)
    assert (again.settings, again.scores, again.seed) == (trial.settings, trial.scores, trial.seed)
    images = simulate_galaxies(2, random_state=9).images
    np.testing.assert_array_equal(again.votes.gradients(images), trial.votes.gradients(images))
    np.testing.assert_array_equal(again.direct.predict(images), trial.direct.predict(images))


def test_the_same_seed_gives_the_same_trial(trial):
    again = run_trial(PLAN, trial.seed)
    assert again.settings == trial.settings
    pd.testing.assert_frame_equal(again.lengths, trial.lengths, rtol=1e-5)


def test_the_test_part_decides_no_setting_and_no_line(trial):
    bars = simulate_measured(12, random_state=4)
    pictures = draw_pictures(bars.images, trial.votes, n_draws=2)
    tuning = np.arange(12) < 8
    measured = bars.truth["measured"].to_numpy()
    other = {name: np.where(tuning[:, None, None], each, each[::-1]) for name, each in pictures.items()}
    for name in ROUTES:
        setting, lengths = _tune(pictures, name, measured, tuning)
        changed, others = _tune(other, name, np.where(tuning, measured, 9.0), tuning)
        assert changed == setting
        np.testing.assert_array_equal(others[tuning], lengths[tuning])
        reached = []
        for each in ROUTES[name].settings:
            found = measure_route({key: part[:8] for key, part in pictures.items()}, name, each)
            filled = np.where(np.isfinite(found), found, np.nanmean(found))
            reached.append(float(np.nan_to_num(correlate(filled, measured[:8]), nan=-1.0)))
            if each == setting:
                chosen = reached[-1]
        assert chosen == pytest.approx(max(reached))
    # Scores of test galaxies change with these, the lines that calibrate do not.
    lengths = trial.lengths.copy()
    method, test = trial.methods[-1], lengths["part"] == "test"
    before = calibrated_lengths(trial, method)["length"]
    lengths.loc[test, "measured"] = lengths.loc[test, "measured"].to_numpy()[::-1]
    after = calibrated_lengths(dataclasses.replace(trial, lengths=lengths), method)["length"]
    pd.testing.assert_series_equal(after, before)


def test_routes_measure_pictures_in_diameters():
    ridge = np.zeros((1, SIDE, SIDE))
    ridge[0, 24, 10:31] = 1.0
    pictures = {"image": ridge, "absolute": ridge}
    setting = {"least_correlation": 0.9, "fewest": 0}
    pixels = published_bar_length(ridge[0], **setting).length
    # All 21 pixels, until none is left.
    assert pixels == 0.0
    assert np.isnan(measure_route(pictures, PUBLISHED, setting)).all()
    found = measure_route(pictures, "saliency, second moment", {"floor": 0.5})
    np.testing.assert_allclose(found, np.sqrt(21**2 - 1) / (2 * RADIUS))
    # The same galaxy on twice as many pixels.
    larger = np.kron(ridge, np.ones((1, 2, 2)))
    pictures = {"image": larger, "absolute": larger}
    found = measure_route(pictures, "saliency, second moment", {"floor": 0.5})
    np.testing.assert_allclose(found, np.sqrt(42**2 - 1) / 2 / (2 * RADIUS))


def test_pictures_are_the_means_of_gradients_of_noisy_images(trial):
    """SmoothGrad by brute force: one gradient a draw, of the deviation from round."""
    images = simulate_measured(1, random_state=3).images
    pictures = draw_pictures(images, trial.votes, noise=0.1, n_draws=3, random_state=5)
    seen = subtract_profile(images)
    np.testing.assert_array_equal(pictures["deviation"], seen)
    draws = np.random.RandomState(5).standard_normal((3, SIDE, SIDE)).astype(np.float32)
    noisy = [seen[0] + 0.1 * np.ptp(seen[0]) * each for each in draws]
    slopes = np.array([trial.votes.gradients(each[None])[0] for each in noisy])
    scale = np.abs(slopes).max()
    np.testing.assert_allclose(pictures["absolute"][0], np.abs(slopes).mean(axis=0), atol=1e-4 * scale)
    np.testing.assert_allclose(pictures["signed"][0], slopes.mean(axis=0), atol=1e-4 * scale)
    np.testing.assert_allclose(pictures["product"], pictures["absolute"] * seen)
    again = smooth_gradient(trial.votes, seen, noise=0.1, n_draws=3, random_state=5)
    np.testing.assert_array_equal(again.absolute, pictures["absolute"])


def test_features_carry_the_output_of_the_network(trial):
    images = subtract_profile(simulate_galaxies(3, random_state=1).images)
    features = trial.votes.features(images)
    assert features.shape == (3, 2 * trial.votes.layout.widths[-1])
    first, first_offset, last, last_offset = (
        np.asarray(each, dtype=float) for each in trial.votes.members[0][-4:]
    )
    hidden = features @ first + first_offset
    output = (hidden / (1 + np.exp(-hidden))) @ last + last_offset
    np.testing.assert_allclose(output, trial.votes.outputs(images), rtol=1e-3, atol=1e-4)


def test_eight_orientations_are_all_that_need_no_interpolation():
    image = np.random.default_rng(0).random((1, 6, 6))
    turned = orient_images(image)
    np.testing.assert_array_equal(turned[0], image[0])
    assert all(not np.array_equal(a, b) for a, b in itertools.combinations(turned, 2))
    group = {each.tobytes() for each in turned}
    assert {np.rot90(each).copy().tobytes() for each in turned} == group
    assert {each.T.copy().tobytes() for each in turned} == group


def test_measured_bars_are_those_that_half_of_the_volunteers_see():
    images, truth = simulate_measured(30, random_state=2)
    assert images.shape == (30, SIDE, SIDE) and len(truth) == 30
    assert truth["is_barred"].all() and (truth["votes"] >= 0.5).all()
    np.testing.assert_array_equal(images[:5], simulate_measured(30, random_state=2).images[:5])


def test_scores_are_of_the_test_part_alone(trial):
    scores = score_trials([trial], n_bootstrap=50)
    test = trial.lengths[trial.lengths["part"] == "test"]
    method = f"{DIRECT}, 16 labels"
    row = scores.loc[(method, trial.seed)]
    assert row["r"] == pytest.approx(np.corrcoef(test[method], test["measured"])[0, 1])
    kpc = np.corrcoef(test["size"], test["measured"] * test["size"])[0, 1]
    assert scores.loc[("one constant", trial.seed), "r_scaled"] == pytest.approx(kpc)
    assert scores.loc[("one constant", trial.seed), "skill"] == pytest.approx(0)
    calibrated = calibrated_lengths(trial, method)
    error = calibrated["length"] - calibrated["measured"]
    assert row["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
    with pytest.raises(AgnError, match="got 'guess'"):
        calibrated_lengths(trial, "guess")


def test_summaries_are_medians_and_ranges_over_trials():
    index = pd.MultiIndex.from_product([["b", "a"], [1, 2, 3]], names=["method", "seed"])
    names = ["r", "r_low", "r_high", "r_scaled", "r_scaled_low", "r_scaled_high"]
    names += ["rmse_raw", "rmse", "rmse_scaled", "skill", "found"]
    scores = pd.DataFrame(np.arange(66.0).reshape(6, 11), index=index, columns=names)
    summary = summarise_trials(scores)
    assert list(summary.index) == ["b", "a"] and (summary["n"] == 3).all()
    assert summary.loc["b", ["r", "r_min", "r_max", "r_low"]].tolist() == [11, 0, 22, 12]
    difference = compare_methods(scores, "a", "b")
    assert difference["r"].tolist() == [33.0] * 3 and list(difference.index) == [1, 2, 3]
    with pytest.raises(AgnError, match="methods are b, a; got 'c'"):
        compare_methods(scores, "a", "c")


def test_the_network_of_votes_learns_bars_from_few_galaxies():
    sample, fresh = (simulate_galaxies(n, random_state=seed) for n, seed in ((1200, 21), (400, 22)))
    seen = subtract_profile(sample.images)
    votes = _train(seen, sample.truth["votes"], 9600, kind="binary", random_state=0, title=None)
    said = votes.outputs(subtract_profile(fresh.images))[:, 0]
    assert roc_auc_score(fresh.truth["votes"] >= 0.5, said) > 0.85


def test_ones_own_galaxies_are_measured_by_every_trial(trial):
    y, x = np.mgrid[:151, :151] - 75.0
    image = np.exp(-np.hypot(x, y) / 14) + 0.5 * (np.hypot(x, y / 0.3) < 25) + 0.01
    cutout = Cutout("own", image, 0.5)
    table = measure_cutouts([cutout], [trial], plan=PLAN)
    assert set(table["method"]) == {*ROUTES, "ellipse fit", f"{DIRECT}, 16 labels"}
    row = table.set_index("method").loc["ellipse fit"]
    # The bar is 50 pixels of 0.5 arcsec long.
    assert row["raw"] == pytest.approx(25, rel=0.35)
    known = trial.lengths[trial.lengths["part"] == "calibration"]
    line = calibrate_lengths(known["ellipse fit"], known["measured"])
    diameter = prepare_cutout(cutout).diameter
    assert row["length"] == pytest.approx(line.apply([row["raw"] / diameter])[0] * diameter)


def test_plans_that_cannot_be_are_refused():
    with pytest.raises(AgnError, match="n_seeds must be at least 1; got 0"):
        repeat_trials(PLAN, 0)
    with pytest.raises(AgnError, match=r"bars that are measured among 40 galaxies; got \(6, 5000\)"):
        run_trial(dataclasses.replace(PLAN, n_votes=40, n_labels=(6, 5000)), 0)
