"""All ways to measure a bar on the same simulated galaxies, again and again with seeds of their own.

A trial has its own galaxies, its own volunteers and its own networks.  Rules are tuned and lines calibrated
on galaxies of its calibration part; scores are told of its test part, which nothing else has seen.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.linear_model import RidgeCV
from tqdm import tqdm

from ..errors import AgnError
from ..files import digest_program, make_folder, read_table, whole_file
from .bar_scores import calibrate_lengths, correlate, score_lengths
from .bars import (
    ellipse_bar_length,
    fit_isophotes,
    phase_bar_length,
    published_bar_length,
    rotation_free_bar_length,
    second_moment_length,
)
from .cutouts import Cutout, prepare_cutout
from .explanations import smooth_gradient
from .galaxies import RADIUS, SIDE, Galaxies, simulate_galaxies, subtract_profile
from .networks import ImageNetwork, TrainingPlan, load_network, save_network, train_network

# Bars that fewer volunteers see are not measured.
_LEAST_VOTES = 0.5


class Route(NamedTuple):
    """A way from an image or a map to a length: which, by what rule, and the settings to choose from."""

    picture: str
    rule: Callable
    settings: tuple[dict[str, float], ...]


def _grid(**values: tuple[float, ...]) -> tuple[dict[str, float], ...]:
    return tuple(dict(zip(values, each)) for each in itertools.product(*values.values()))


# The paper's 10 to 50 pixels, of which 26 make a 90 % light radius there and 20 here, and one below.
_FEWEST = (3, 6, 11, 17, 23, 29)
_PUBLISHED = _grid(least_correlation=(0.7, 0.75, 0.8, 0.85, 0.9), fewest=_FEWEST)
# The axis ratios that these correlations mean for a bar at 45 degrees.
_ROTATION_FREE = _grid(largest_ratio=(0.42, 0.378, 0.333, 0.285, 0.229), fewest=_FEWEST)
_MOMENTS = _grid(floor=(0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7))
_PHASES = _grid(largest_turn=(10.0, 15.0, 20.0, 25.0, 30.0))

#: Ways that need no training on lengths but for what a few measured bars can tune.
ROUTES = {
    "image, second moment": Route("image", second_moment_length, _MOMENTS),
    "deviation, second moment": Route("deviation", second_moment_length, _MOMENTS),
    "deviation, phase": Route("deviation", phase_bar_length, _PHASES),
    "saliency, published rule": Route("absolute", published_bar_length, _PUBLISHED),
    "saliency, rotation-free rule": Route("absolute", rotation_free_bar_length, _ROTATION_FREE),
    "saliency, second moment": Route("absolute", second_moment_length, _MOMENTS),
    "signed saliency, phase": Route("signed", phase_bar_length, _PHASES),
    "saliency x deviation, second moment": Route("product", second_moment_length, _MOMENTS),
    "saliency x deviation, phase": Route("product", phase_bar_length, _PHASES),
}

#: The two that the published claim compares, and a linear model of lengths on what the network of votes has
#: learned.  Of the last two, names of methods go on with the number of labels.
PUBLISHED, DIRECT, TRANSFERRED = "saliency, published rule", "direct network", "votes' features"


@dataclasses.dataclass(frozen=True)
class BarPlan:
    """How large a trial is.

    Attributes
    ----------
    n_votes : int
        Galaxies, half of them barred, whose votes the network learns.
    n_epochs : int
        How often it sees each; every other network is shown as many images in all.
    n_labels : tuple of int
        Measured bars that direct networks learn from, all of them among the `n_votes` galaxies.
    n_calibration, n_test : int
        Measured bars for tuning and calibration, and for the scores.
    noise : float
        Of SmoothGrad, as a share of an image's range.
    n_draws : int
        Noisy copies of an image.
    """

    n_votes: int = 2400
    n_epochs: int = 8
    n_labels: tuple[int, ...] = (150, 600)
    n_calibration: int = 30
    n_test: int = 50
    noise: float = 0.1
    n_draws: int = 32


@dataclasses.dataclass(frozen=True)
class BarTrial:
    """What one trial found.

    Attributes
    ----------
    seed : int
    lengths : pandas.DataFrame
        A row a galaxy: ``part`` ("calibration" or "test"), ``true``, ``measured`` (by volunteers), ``size``
        (kpc/h), and a column a method; lengths in units of the galaxy's diameter, NaN where it says nothing.
    settings : dict
        Chosen for each route.
    scores : dict
        Of the vote network on the test galaxies and as many without a bar: ``auc``.
    votes, direct : ImageNetwork
        The network of votes, and the direct one with the most labels.
    """

    seed: int
    lengths: pd.DataFrame
    settings: dict[str, dict[str, float]]
    scores: dict[str, float]
    votes: ImageNetwork
    direct: ImageNetwork

    @property
    def methods(self) -> list[str]:
        """Names of the methods."""
        return [name for name in self.lengths if name not in ("part", "true", "measured", "size")]


def draw_pictures(
    images: np.ndarray, network: ImageNetwork, *, noise: float = 0.1, n_draws: int = 32, random_state: int = 0
) -> dict[str, np.ndarray]:
    """The pictures that bars are measured on.

    Parameters
    ----------
    images : (n, height, width) array
        Prepared.
    network : ImageNetwork
        Of votes.
    noise, n_draws, random_state
        See `smooth_gradient`.

    Returns
    -------
    dict of (n, height, width) arrays
        ``image``; ``deviation`` from round; and SmoothGrad of the log odds of a bar: ``absolute`` (means of
        |gradient|), ``signed``, ``product`` (|gradient| x deviation).
    """
    deviation = subtract_profile(images)
    smooth = smooth_gradient(network, deviation, noise=noise, n_draws=n_draws, random_state=random_state)
    return {
        "image": np.asarray(images),
        "deviation": deviation,
        "absolute": smooth.absolute,
        "signed": smooth.signed,
        "product": smooth.absolute * deviation,
    }


def measure_route(pictures: dict[str, np.ndarray], name: str, setting: dict[str, float]) -> np.ndarray:
    """Lengths (n,) by one of `ROUTES`, in units of the galaxy's diameter; NaN where there is none."""
    route = ROUTES[name]
    found = [route.rule(each, **setting) for each in pictures[route.picture]]
    pixels = np.array([getattr(each, "length", each) for each in found], dtype=float)
    return _in_diameters(np.where(pixels > 0, pixels, np.nan), pictures["image"])


def measure_ellipses(images: np.ndarray) -> np.ndarray:
    """Lengths (n,) by ellipse fits, the upper limits, in units of the galaxy's diameter; NaN where none."""
    limits = [ellipse_bar_length(fit_isophotes(image, step=0.2)) for image in images]
    return _in_diameters(np.array([each.upper for each in limits]), images)


def _in_diameters(pixels, images):
    # Cut-outs of any side show the same share of a galaxy.
    return pixels * SIDE / images.shape[-1] / (2 * RADIUS)


def orient_images(images: np.ndarray) -> np.ndarray:
    """Images in the eight orientations that need no interpolation: (8 n, side, side), as they are first."""
    turned = [np.rot90(images, number, axes=(1, 2)) for number in range(4)]
    return np.concatenate([*turned, *(each[:, :, ::-1] for each in turned)])


def _train(images, targets, n_passes, *, random_state, kind, title):
    """A network that has been shown so many images in all, each galaxy in eight orientations."""
    images = orient_images(images)
    n_epochs = max(1, round(n_passes / len(images)))
    # Turned by other angles or shifted, pixels would be blurred, and networks learn half as fast.
    plan = TrainingPlan(
        n_epochs=n_epochs, learning_rate=5e-3, dropout=0.1, rotate=False, shift=0.0, widths=(16, 32, 64)
    )
    options = {"kind": kind, "plan": plan, "random_state": random_state, "title": title}
    meta = {"survey": "synthetic", "prepared": "subtract_profile(prepare_image(…))"}
    return train_network(images, np.tile(targets, 8), meta=meta, **options)


def simulate_measured(n: int, *, random_state: Any = 0) -> Galaxies:
    """Galaxies whose bar at least half of the volunteers see, so that it was measured."""
    images, truth, number = [], [], 0
    for seed in np.random.SeedSequence(random_state).generate_state(100).tolist():
        found = simulate_galaxies(2 * n, barred_share=1.0, random_state=seed)
        seen = _find_measured(found.truth)
        images.append(found.images[seen])
        truth.append(found.truth[seen])
        number += int(seen.sum())
        if number >= n:
            break
    return Galaxies(np.concatenate(images)[:n], pd.concat(truth, ignore_index=True)[:n])


def _find_measured(truth):
    return (truth["is_barred"] & (truth["votes"] >= _LEAST_VOTES)).to_numpy()


def run_trial(plan: BarPlan, seed: int) -> BarTrial:
    """Simulate galaxies, train networks, tune rules, measure bars by every method.

    Parameters
    ----------
    plan : BarPlan
    seed : int

    Returns
    -------
    BarTrial

    Raises
    ------
    AgnError
        Where the galaxies of the votes hold fewer measured bars than `plan.n_labels` asks for.
    """
    seeds = np.random.SeedSequence(seed).generate_state(6).tolist()
    sample = simulate_galaxies(plan.n_votes, random_state=seeds[0])
    measured = np.flatnonzero(_find_measured(sample.truth))
    if not plan.n_labels or max(plan.n_labels) > len(measured):
        raise AgnError(
            f"n_labels must be some of the {len(measured)} bars that are measured among {plan.n_votes} "
            f"galaxies; got {plan.n_labels}. Ask for more votes or fewer labels."
        )
    shown = plan.n_votes * plan.n_epochs
    deviation = subtract_profile(sample.images)
    votes = _train(
        deviation, sample.truth["votes"], shown, kind="binary", random_state=seeds[1], title="votes"
    )
    bars = simulate_measured(plan.n_calibration + plan.n_test, random_state=seeds[2])
    draws = {"noise": plan.noise, "n_draws": plan.n_draws, "random_state": seeds[3]}
    pictures = draw_pictures(bars.images, votes, **draws)
    truth = bars.truth
    lengths = truth[["length", "measured", "size"]].rename(columns={"length": "true"})
    tuning = np.arange(len(lengths)) < plan.n_calibration
    lengths.insert(0, "part", np.where(tuning, "calibration", "test"))
    settings = {}
    for name in ROUTES:
        settings[name], lengths[name] = _tune(pictures, name, truth["measured"].to_numpy(), tuning)
    lengths["ellipse fit"] = measure_ellipses(bars.images)
    seen = subtract_profile(bars.images)
    for number in sorted(plan.n_labels):
        chosen = measured[:number]
        target = sample.truth["measured"].to_numpy()[chosen]
        # On what the network of votes has learned lies a linear model of the lengths.
        features = votes.features(orient_images(deviation[chosen]))
        ridge = RidgeCV(np.logspace(-2, 4, 13)).fit(features, np.tile(target, 8))
        lengths[f"{TRANSFERRED}, {number} labels"] = ridge.predict(votes.features(seen))
        direct = _train(
            deviation[chosen], target, shown, kind="regression", random_state=seeds[4], title="lengths"
        )
        lengths[f"{DIRECT}, {number} labels"] = direct.predict(seen)
    scores = _score_votes(votes, seeds[5])
    return BarTrial(seed, lengths, settings, scores, votes, direct)


def _tune(pictures, name, measured, tuning):
    """The setting whose lengths correlate best on the calibration part, and its lengths of all galaxies."""
    best = (-np.inf, {}, None)
    for setting in ROUTES[name].settings:
        lengths = measure_route({key: each[tuning] for key, each in pictures.items()}, name, setting)
        filled = calibrate_lengths(lengths, measured[tuning]).fill(lengths)
        r = float(np.nan_to_num(correlate(filled, measured[tuning]), nan=-1.0))
        best = max(best, (r, setting, None), key=lambda each: each[0])
    return best[1], measure_route(pictures, name, best[1])


def measure_cutouts(
    cutouts: list[Cutout], trials: list[BarTrial], *, plan: BarPlan | None = None
) -> pd.DataFrame:
    """Lengths of one's own galaxies by the networks, settings and calibrations of trials.

    Parameters
    ----------
    cutouts : list of Cutout
    trials : list of BarTrial
    plan : BarPlan, optional
        Its `noise` and `n_draws`.

    Returns
    -------
    pandas.DataFrame
        A row a galaxy, method and trial: ``galaxy, method, seed, length`` (calibrated) and ``raw``, arcsec;
        for ellipse fits ``raw`` is what the fit says.
    """
    plan = plan or BarPlan()
    prepared = [prepare_cutout(each) for each in cutouts]
    images = np.stack([each.image for each in prepared])
    ellipses, seen = measure_ellipses(images), subtract_profile(images)
    rows = []
    for trial in trials:
        pictures = draw_pictures(
            images, trial.votes, noise=plan.noise, n_draws=plan.n_draws, random_state=trial.seed
        )
        said = {name: measure_route(pictures, name, trial.settings[name]) for name in ROUTES}
        said["ellipse fit"] = ellipses
        said[trial.methods[-1]] = trial.direct.predict(seen)
        known = trial.lengths[trial.lengths["part"] == "calibration"]
        for method, raw in said.items():
            calibrated = calibrate_lengths(known[method], known["measured"]).apply(raw)
            for cutout, frame, *both in zip(cutouts, prepared, calibrated, raw):
                rows.append([cutout.name, method, trial.seed, *(each * frame.diameter for each in both)])
    return pd.DataFrame(rows, columns=["galaxy", "method", "seed", "length", "raw"])


def _score_votes(votes, seed):
    """How well the network ranks fresh galaxies by whether most volunteers see a bar."""
    from sklearn.metrics import roc_auc_score

    fresh = simulate_galaxies(400, random_state=seed)
    said = votes.outputs(subtract_profile(fresh.images))[:, 0]
    seen = fresh.truth["votes"] >= _LEAST_VOTES
    return {
        "auc": float(roc_auc_score(seen, said)),
        "r_votes": float(np.corrcoef(said, fresh.truth["votes"])[0, 1]),
    }


def repeat_trials(
    plan: BarPlan | None = None,
    n_seeds: int = 5,
    *,
    random_state: int = 0,
    n_jobs: int = 2,
    folder: Path | None = None,
) -> list[BarTrial]:
    """Run trials side by side, and go on where an earlier call was stopped.

    Parameters
    ----------
    plan : BarPlan, optional
    n_seeds : int
        Trials, whose seeds follow from `random_state`; the first n of more trials are the same.
    n_jobs : int
        Processes.
    folder : path, optional
        Trials are kept there, and read instead of run anew where all settings and the
        program are the same.

    Returns
    -------
    list of BarTrial

    Raises
    ------
    AgnError
        For fewer than one trial, or as `run_trial`.
    """
    if n_seeds < 1:
        raise AgnError(f"n_seeds must be at least 1; got {n_seeds}. A claim needs 5.")
    plan = plan or BarPlan()
    key = hashlib.blake2b(f"{plan} {digest_program()}".encode(), digest_size=8).hexdigest()
    seeds = np.random.SeedSequence(random_state).generate_state(n_seeds).tolist()
    paths = [None if folder is None else Path(folder, f"{key}-{seed}") for seed in seeds]
    tasks = (delayed(_keep_trial)(plan, seed, path) for seed, path in zip(seeds, paths))
    found = Parallel(n_jobs=n_jobs, return_as="generator")(tasks)
    return list(tqdm(found, total=n_seeds, desc="trials", delay=2, disable=None))


def _keep_trial(plan, seed, folder):
    if folder is None:
        return run_trial(plan, seed)
    # Written last, it says that all is there.
    done = folder / "trial.json"
    if not done.is_file():
        trial = run_trial(plan, seed)
        make_folder(folder)
        with whole_file(folder / "lengths.ecsv") as temporary:
            _as_table(trial.lengths).write(temporary, format="ascii.ecsv", overwrite=True)
        save_network(trial.votes, folder / "votes.npz")
        save_network(trial.direct, folder / "direct.npz")
        with whole_file(done) as temporary:
            temporary.write_text(json.dumps({"settings": trial.settings, "scores": trial.scores}), "utf-8")
    kept = json.loads(done.read_text(encoding="utf-8"))
    lengths = read_table(folder / "lengths.ecsv").to_pandas()
    networks = [load_network(folder / f"{name}.npz") for name in ("votes", "direct")]
    return BarTrial(seed, lengths, kept["settings"], kept["scores"], *networks)


def _as_table(lengths):
    from astropy.table import Table

    return Table.from_pandas(lengths, index=False)


def calibrated_lengths(trial: BarTrial, method: str) -> pd.DataFrame:
    """Lengths of the test galaxies of a trial by one method, calibrated: ``measured, size, length``.

    Raises AgnError for a method that was not tried.
    """
    if method not in trial.methods:
        raise AgnError(f"methods are {', '.join(trial.methods)}; got {method!r}.")
    known, test = (trial.lengths[trial.lengths["part"] == part] for part in ("calibration", "test"))
    calibration = calibrate_lengths(known[method], known["measured"])
    return test[["measured", "size"]].assign(length=calibration.apply(test[method]))


def score_trials(trials: list[BarTrial], *, n_bootstrap: int = 1000) -> pd.DataFrame:
    """Scores of every method in every trial, and of one constant for all galaxies.

    Parameters
    ----------
    trials : list of BarTrial
    n_bootstrap : int
        See `score_lengths`.

    Returns
    -------
    pandas.DataFrame
        Index ``method, seed``, columns of `score_lengths`.
    """
    rows = {}
    for trial in trials:
        known = trial.lengths[trial.lengths["part"] == "calibration"]
        test = trial.lengths[trial.lengths["part"] == "test"]
        said = {name: (known[name], test[name]) for name in trial.methods}
        mean = known["measured"].mean()
        said = {"one constant": (np.full(len(known), mean), np.full(len(test), mean)), **said}
        for name, (before, length) in said.items():
            calibration = calibrate_lengths(before, known["measured"])
            options = {"calibration": calibration, "n_bootstrap": n_bootstrap, "random_state": trial.seed}
            rows[name, trial.seed] = score_lengths(length, test["measured"], test["size"], **options)
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(table.index, names=["method", "seed"])
    return table


def summarise_trials(scores: pd.DataFrame) -> pd.DataFrame:
    """Middle and range of the scores over trials, and the interval of one trial.

    Parameters
    ----------
    scores : pandas.DataFrame
        Of `score_trials`.

    Returns
    -------
    pandas.DataFrame
        A row a method: ``n`` trials; ``r, r_min, r_max`` (median and range over trials) and ``r_low, r_high``
        (medians of the ends of the bootstrap intervals) of dimensionless lengths; the same of ``r_scaled``;
        medians of ``rmse_raw, rmse, rmse_scaled, skill, found``.
    """
    grouped = scores.groupby("method", sort=False)
    columns = {"n": grouped.size()}
    for name in ("r", "r_scaled"):
        columns |= {name: grouped[name].median()}
        columns |= {f"{name}_min": grouped[name].min(), f"{name}_max": grouped[name].max()}
        columns |= {f"{name}_{end}": grouped[f"{name}_{end}"].median() for end in ("low", "high")}
    columns |= {
        name: grouped[name].median() for name in ("rmse_raw", "rmse", "rmse_scaled", "skill", "found")
    }
    return pd.DataFrame(columns)


def compare_methods(scores: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """Differences of r between two methods, a row a trial, which is the unit: same galaxies, other networks.

    Parameters
    ----------
    scores : pandas.DataFrame
        Of `score_trials`.
    first, second : str
        Methods.

    Returns
    -------
    pandas.DataFrame
        Index ``seed``; ``r`` and ``r_scaled`` of the first less those of the second.

    Raises
    ------
    AgnError
        For a method that was not tried.
    """
    known = scores.index.get_level_values("method").unique()
    for name in (first, second):
        if name not in known:
            raise AgnError(f"methods are {', '.join(known)}; got {name!r}.")
    return scores.loc[first, ["r", "r_scaled"]] - scores.loc[second, ["r", "r_scaled"]]
