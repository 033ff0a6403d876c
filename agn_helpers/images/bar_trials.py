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
from .bar_scores import calibrate_lengths, correlate
from .bars import (
    ellipse_bar_length,
    fit_isophotes,
    phase_bar_length,
    published_bar_length,
    rotation_free_bar_length,
    second_moment_length,
)
from .explanations import smooth_gradient
from .galaxies import RADIUS, SIDE, Galaxies, simulate_galaxies, subtract_profile
from .networks import ImageNetwork, TrainingPlan, load_network, save_network, train_network

# Networks of all kinds see rings out to R90, since what tells a bar is how structure turns from ring to ring.
_TRAINING: dict[str, Any] = {
    "rings": int(RADIUS),
    "learning_rate": 5e-3,
    "dropout": 0.1,
    # Turned by other angles than eight, or shifted, pixels would be blurred.
    "rotate": False,
    "shift": 0.0,
    "widths": (16, 32, 64),
}

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
        How often it sees each, a multiple of the eight orientations; every other network is shown as many
        images in all, to the nearest full round.
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
    plan = TrainingPlan(n_epochs=n_epochs, **_TRAINING)
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
