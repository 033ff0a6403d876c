"""How well bar lengths are measured: scores with intervals, and what predictors without any skill reach.

Lengths in kpc are dimensionless lengths times the size of the galaxy, on both sides of a comparison: the size
alone correlates them.  So r is told of dimensionless lengths first, and beside it, of lengths in kpc, what a
constant and a permutation reach.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from ..errors import AgnError
from ..files import read_table

#: What Bhambra et al. (2022, MNRAS 511, 5032) found: Pearson's r of lengths in kpc/h, and the root mean
#: square error in kpc/h, on different galaxies for the two methods.
PAPER_SCORES = pd.DataFrame(
    {"r": [0.76, 0.59], "rmse": [1.69, 2.10]}, index=pd.Index(["saliency", "direct network"], name="method")
)


class Calibration(NamedTuple):
    """A line from what a method says to the length.

    Attributes
    ----------
    slope, intercept : float
    said, mean : float
        Means of what the method said and of the lengths, on the galaxies that it was fitted to; where the
        method says nothing later, the one stands for it, which the line turns into the other.
    """

    slope: float
    intercept: float
    said: float
    mean: float

    def fill(self, length):
        """Lengths (n,) as the method says them, `said` where it says nothing."""
        length = np.asarray(length, dtype=float)
        return np.where(np.isfinite(length), length, self.said)

    def apply(self, length):
        """Calibrated lengths (n,) of lengths (n,)."""
        return self.slope * self.fill(length) + self.intercept


def calibrate_lengths(length, measured):
    """Fit the line by least squares, on galaxies that no score is told of.

    Parameters
    ----------
    length, measured : (n,) arrays
        What a method says, NaN where nothing, and the lengths that volunteers measured.

    Returns
    -------
    Calibration
        Of slope 0 where fewer than three lengths are known or all are equal.

    Raises
    ------
    AgnError
        For arrays of other lengths, or measured lengths that are not finite.
    """
    length, measured = _check_lengths(length, measured)
    known, mean = np.isfinite(length), float(measured.mean())
    said = float(length[known].mean()) if known.any() else mean
    if known.sum() < 3 or np.ptp(length[known]) == 0:
        return Calibration(0.0, mean, said, mean)
    slope, intercept = np.polyfit(length[known], measured[known], 1)
    return Calibration(float(slope), float(intercept), said, mean)


def _check_lengths(length, *others):
    length = np.asarray(length, dtype=float)
    others = [np.asarray(each, dtype=float) for each in others]
    if length.ndim != 1 or any(each.shape != length.shape for each in others):
        shapes = ", ".join(str(each.shape) for each in (length, *others))
        raise AgnError(f"lengths and sizes must be (n,), one a galaxy; got {shapes}.")
    if len(length) < 3:
        raise AgnError(f"a correlation needs at least 3 galaxies; got {len(length)}.")
    if not all(np.isfinite(each).all() for each in others):
        raise AgnError("measured lengths and sizes must be finite; leave out galaxies without.")
    return length, *others


def correlate(a, b):
    """Pearson's r along the last axis; NaN where one does not vary."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    a, b = a - a.mean(axis=-1, keepdims=True), b - b.mean(axis=-1, keepdims=True)
    scale = np.sqrt((a * a).sum(axis=-1) * (b * b).sum(axis=-1))
    # Rounding makes a constant differ from its mean.
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(scale > 1e-12 * (b * b).sum(axis=-1), (a * b).sum(axis=-1) / scale, np.nan)


def score_lengths(length, measured, size, *, calibration, n_bootstrap=1000, random_state=0):
    """Score one method on galaxies it was neither trained, tuned nor calibrated on.

    Parameters
    ----------
    length : (n,) array
        Dimensionless lengths that the method says; NaN where nothing, which the calibration fills.
    measured, size : (n,) arrays
        Lengths that volunteers measured, and the sizes of the galaxies, e.g. in kpc/h.
    calibration : Calibration
    n_bootstrap : int
        Samples of galaxies for the intervals, which hold 95 % of them.
    random_state : int

    Returns
    -------
    pandas.Series
        ``r`` of the dimensionless lengths, ``r_scaled`` of those in kpc, each with ``_low`` and ``_high``;
        ``rmse_raw``, ``rmse`` (after calibration) of the dimensionless lengths; ``rmse_scaled`` (kpc, after
        calibration); ``skill``, 1 less the ratio of the calibrated mean square to that of the calibration's
        mean for all; ``found``, the share of galaxies for which the method says a length.

    Raises
    ------
    AgnError
        As `calibrate_lengths`.
    """
    length, measured, size = _check_lengths(length, measured, size)
    raw, calibrated = calibration.fill(length), calibration.apply(length)
    drawn = np.random.default_rng(random_state).integers(len(length), size=(n_bootstrap, len(length)))
    scores = {}
    for name, (a, b) in {"r": (raw, measured), "r_scaled": (raw * size, measured * size)}.items():
        several = correlate(a[drawn], b[drawn])
        low, high = np.nanquantile(several, [0.025, 0.975]) if np.isfinite(several).any() else (np.nan,) * 2
        scores |= {name: float(correlate(a, b)), f"{name}_low": low, f"{name}_high": high}
    error = calibrated - measured
    scores["rmse_raw"] = np.sqrt(np.mean((raw - measured) ** 2))
    scores["rmse"] = np.sqrt(np.mean(error**2))
    scores["rmse_scaled"] = np.sqrt(np.mean((error * size) ** 2))
    scores["skill"] = 1 - np.mean(error**2) / np.mean((calibration.mean - measured) ** 2)
    scores["found"] = np.isfinite(length).mean()
    return pd.Series(scores, dtype=float)


def calibrated_lengths(trial, method):
    """Lengths of the test galaxies of a trial by one method, calibrated: ``measured, size, length``.

    Raises AgnError for a method that was not tried.
    """
    if method not in trial.methods:
        raise AgnError(f"methods are {', '.join(trial.methods)}; got {method!r}.")
    known, test = (trial.lengths[trial.lengths["part"] == part] for part in ("calibration", "test"))
    calibration = calibrate_lengths(known[method], known["measured"])
    return test[["measured", "size"]].assign(length=calibration.apply(test[method]))


def score_trials(trials, *, n_bootstrap=1000):
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


def summarise_trials(scores):
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


def compare_methods(scores, first, second):
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


def null_correlations(measured, size, *, true_r=(0.2, 0.4, 0.6), n_draws=1000, random_state=0):
    """What r of lengths in kpc, or arcsec, predictors without skill reach that know the size of the galaxy.

    Parameters
    ----------
    measured, size : (n,) arrays
        Dimensionless lengths, and sizes of the galaxies, in kpc or on the sky.
    true_r : sequence of float
        Predictors whose dimensionless lengths correlate so with the measured ones, 0 to 1.
    n_draws : int
        Bootstrap samples, permutations and predictors.
    random_state : int

    Returns
    -------
    pandas.DataFrame
        Index ``predictor``: "constant", "permutation", and "dimensionless r = …"; ``r``, the mean over draws
        (of the constant, that of the sample), ``low`` and ``high``, between which 95 % of them lie.

    Raises
    ------
    AgnError
        As `calibrate_lengths`, or for an r outside 0 to 1.
    """
    measured, size = _check_lengths(measured, size)
    if not np.isfinite(measured).all() or not all(0 <= r <= 1 for r in true_r):
        raise AgnError(f"measured must be finite and true_r from 0 to 1; got {tuple(true_r)}.")
    rng = np.random.default_rng(random_state)
    kpc = measured * size
    drawn = rng.integers(len(kpc), size=(n_draws, len(kpc)))
    rows = {"constant": (float(correlate(size, kpc)), correlate(size[drawn], kpc[drawn]))}
    permuted = rng.permuted(np.tile(measured, (n_draws, 1)), axis=1)
    several = correlate(permuted * size, kpc)
    rows["permutation"] = (several.mean(), several)
    spread = measured - measured.mean()
    for r in true_r:
        # The part of a permutation that the lengths themselves do not explain.
        noise = permuted - measured.mean()
        noise = noise - (noise @ spread / (spread @ spread))[:, None] * spread
        noise *= np.linalg.norm(spread) / np.linalg.norm(noise, axis=1, keepdims=True)
        predictor = measured.mean() + r * spread + np.sqrt(1 - r**2) * noise
        several = correlate(predictor * size, kpc)
        rows[f"dimensionless r = {r:g}"] = (several.mean(), several)
    table = {
        name: {"r": r, **dict(zip(("low", "high"), np.quantile(draws, [0.025, 0.975])))}
        for name, (r, draws) in rows.items()
    }
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("predictor")


def read_lengths(path):
    """A table of measured bars as that of Hoyle et al. (2011): dimensionless lengths and sizes.

    Parameters
    ----------
    path : path
        Columns ``length_avg`` (kpc/h) and ``length_scaled`` (in units of the galaxy's size); ``redshift``
        where known.

    Returns
    -------
    pandas.DataFrame
        ``measured`` (``length_scaled``) and ``size`` (``length_avg`` over it, kpc/h); with redshifts also
        ``angular_size`` (arcsec; flat, with 0.3 of matter).

    Raises
    ------
    AgnError
        For a file that is no such table, a missing column, or lengths or redshifts that are not positive.
    """
    table = read_table(path)
    missing = [name for name in ("length_avg", "length_scaled") if name not in table.colnames]
    if missing:
        raise AgnError(f"{path} must have the columns length_avg and length_scaled; {missing[0]} is missing.")
    names = ["length_avg", "length_scaled", *(["redshift"] if "redshift" in table.colnames else [])]
    try:
        columns = {name: np.ma.filled(np.ma.asarray(table[name], dtype=float), np.nan) for name in names}
    except (TypeError, ValueError) as error:
        raise AgnError(f"{' and '.join(names)} of {path} must be numbers; some are not.") from error
    for what, name in zip(("lengths", "lengths", "redshifts"), names):
        wrong = np.flatnonzero(~((columns[name] > 0) & np.isfinite(columns[name])))
        if len(wrong):
            raise AgnError(f"{what} of {path} must be positive; those of row {wrong[0] + 1} are not.")
    size = columns["length_avg"] / columns["length_scaled"]
    frame = pd.DataFrame({"measured": columns["length_scaled"], "size": size})
    if "redshift" in columns:
        from astropy.cosmology import FlatLambdaCDM

        per_arcmin = FlatLambdaCDM(H0=100, Om0=0.3).kpc_proper_per_arcmin(columns["redshift"])
        frame["angular_size"] = 60 * size / per_arcmin.value
    return frame
