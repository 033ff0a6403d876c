"""Attributions to physical segments of a spectrum, kept or replaced together: LIME and Shapley values."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from ..classifier import linear_weights, pair_decisions
from ..errors import AgnError
from .surrogate import draw_kept, fit_surrogate
from .target import TargetScore, check_spectra, check_wavelengths, spectra_blocks
from .windows import bridge_window, check_baseline, check_segments, line_mask, make_segments


class LimeSampling(NamedTuple):
    """How LIME draws and fits.

    n_samples : int
        Perturbed spectra in each repeat, the spectrum itself among them.
    n_repeats : int
        At least 2, for the uncertainty.
    alpha : float
        Penalty of the ridge; the weights of the perturbed spectra have the mean 1.
    """

    n_samples: int = 500
    n_repeats: int = 5
    alpha: float = 0.01


#: Unless told otherwise.
LIME_SAMPLING = LimeSampling()


class SegmentWeights(NamedTuple):
    """What LIME says of each segment.

    attribution : (n_spectra, n_grid) array, log p a pixel
        Coefficients, each spread evenly over its segment's pixels.
    uncertainty : (n_spectra, n_grid) array, log p a pixel
        Standard error that the random perturbations leave in the attribution.
    coefficients, standard_deviation : (n_spectra, n_segments) arrays, log p
        Mean and standard deviation over the repeats.
    segments : pandas.DataFrame
        Columns ``name``, ``low``, ``high``.
    """

    attribution: np.ndarray
    uncertainty: np.ndarray
    coefficients: np.ndarray
    standard_deviation: np.ndarray
    segments: pd.DataFrame


def lime(
    estimator,
    X,
    *,
    grid,
    segments=None,
    target=None,
    replacement="continuum",
    sampling=LIME_SAMPLING,
    random_state=0,
    of="log_p",
):
    """Weights of physical segments in a linear model that is true near the spectrum.

    LIME (Ribeiro, Singh & Guestrin 2016, KDD; arXiv:1602.04938), as Liang et al. 2023 used it on spectra:
    segments are kept or replaced at random, and log p is regressed on which were kept.  Weights of
    the perturbed spectra are exp(-D² / 0.25²) with D the cosine distance from the spectrum as it is.

    Parameters
    ----------
    estimator : fitted classifier
        With ``classes_`` and ``predict_proba``.
    X : (n_spectra, n_grid) array
        Spectra, as the estimator takes them.
    grid : (n_grid,) array
        Rest wavelengths in vacuum Å, increasing.
    segments : table, optional
        Columns ``name``, ``low``, ``high`` (Å) that cover the grid once; lines' cores, wings and stretches of
        continuum of `make_segments` by default.
    target : label or (n_spectra,) sequence of labels, optional
        Class whose probability is explained; the most probable one of each spectrum by default.
    replacement : "continuum", (n_grid,) array or (n_spectra, n_grid) array
        What takes a segment's place: the straight line through the means of the 20 nearest pixels
        outside all line windows on either side, or another spectrum, e.g. `class_mean(X, y, label)`.
    sampling : LimeSampling or (n_samples, n_repeats, alpha)
        How many perturbed spectra, how often, and the penalty of the ridge.
    random_state : int, RandomState or None
        Which segments are replaced; the same for every spectrum.
    of : {"log_p", "p", "log_odds", "margin"}
        The number that is regressed (see `TargetScore`).

    Returns
    -------
    SegmentWeights

    Raises
    ------
    AgnError
        For NaN, another grid, an unknown target, an estimator without ``predict_proba``, segments that do not
        cover the grid once, a replacement of another shape, fewer samples than 2, fewer repeats than 2,
        a negative penalty, or log p of a class whose probability is zero.
    """
    pieces = _Pieces(estimator, X, grid=grid, segments=segments, target=target, of=of)
    n_samples, n_repeats, alpha = sampling
    for name, value, least in (("n_samples", n_samples, 2), ("n_repeats", n_repeats, 2), ("alpha", alpha, 0)):
        if not value >= least:
            raise AgnError(f"{name} must be at least {least}; got {value}.")
    if isinstance(replacement, str) and replacement != "continuum":
        raise AgnError(f"replacement must be 'continuum' or an array of fluxes; got {replacement!r}.")
    if not isinstance(replacement, str):
        replacement = check_baseline(replacement, pieces.X.shape)
    random_state = check_random_state(random_state)
    repeats = [draw_kept(n_samples, len(pieces.spans), random_state) for _ in range(n_repeats)]

    attribution, uncertainty = np.empty((2, *pieces.X.shape))
    coefficients, deviation = np.empty((2, len(pieces.X), len(pieces.spans)))
    for block in spectra_blocks(pieces.X, copies=n_samples, title="lime"):
        part = pieces.X[block].astype(float)
        other = pieces.flatten(part) if isinstance(replacement, str) else replacement[block]
        weights = [
            fit_surrogate(kept, pieces.score_mixed(part, other, block, kept), alpha=alpha).coefficients
            for kept in repeats
        ]
        coefficients[block], deviation[block] = np.mean(weights, axis=0), np.std(weights, axis=0, ddof=1)
        attribution[block] = pieces.spread(coefficients[block])
        uncertainty[block] = pieces.spread(deviation[block]) / np.sqrt(n_repeats)
    return SegmentWeights(attribution, uncertainty, coefficients, deviation, pieces.segments)


class _Pieces:
    """Spectra in physical segments, and the score of a class where some of these are replaced."""

    def __init__(self, estimator, X, *, grid, segments, target, of):
        self.X = check_spectra(estimator, X)
        self.grid = check_wavelengths(grid, self.X.shape[1])
        self.segments = make_segments(self.grid) if segments is None else segments
        self.spans = check_segments(self.segments, self.grid)
        lengths = self.spans[:, 1] - self.spans[:, 0]
        self.owner = np.repeat(np.arange(len(self.spans)), lengths)
        self.lengths = lengths[self.owner].astype(float)
        self.score = TargetScore(estimator, self.X, target=target, of=of)
        self._weights = _find_weights(estimator)

    def spread(self, coefficients):
        """Numbers (m, n_segments) divided evenly among the pixels of each segment, (m, n_grid)."""
        return coefficients[:, self.owner] / self.lengths

    def score_mixed(self, X, other, block, kept):
        """Scores (n_samples, m) of spectra X (m, n_grid), segments kept or replaced by those of `other`."""
        rows = np.tile(np.arange(len(self.X))[block], len(kept))
        if self._weights is not None:
            return self._score_sums(X, other, rows, kept)
        # Indexing by columns leaves them far apart in memory, and all that is made from it too.
        is_kept = np.ascontiguousarray(kept[:, self.owner], dtype=bool)
        mixed = np.where(is_kept[:, None], X, other)
        return self.score.values(mixed.reshape(-1, X.shape[1]), rows).reshape(len(kept), -1)

    def _score_sums(self, X, other, rows, kept):
        """The same for linear decision values, to which each segment that is kept adds its sum."""
        sums = np.add.reduceat((X - other)[:, None] * self._weights, self.spans[:, 0], axis=2)
        decisions = np.einsum("ks,mps->kmp", kept, sums, optimize=True)
        decisions += pair_decisions(self.score.estimator, other)
        return self.score.of_decisions(decisions.reshape(len(rows), -1), rows).reshape(len(kept), -1)

    def flatten(self, X):
        """Every segment replaced by the line between its neighbours' continuum, like X."""
        clean = ~line_mask(self.grid)
        flat = np.empty(X.shape)
        for start, stop in self.spans:
            flat[:, start:stop] = bridge_window(X, self.grid, start, stop, clean=clean)
        return flat


def _find_weights(estimator):
    """Weights of linear decision values, or None."""
    try:
        return linear_weights(estimator)
    except AgnError:
        # A step before the classifier that is not affine.
        return None


class ShapleyValues(NamedTuple):
    """Shares of wavelengths in the change of a score from a baseline to the spectrum.

    attribution : (n_spectra, n_grid) array
        In units of the score a pixel; sums along axis 1 are the change.
    uncertainty : (n_spectra, n_grid) array or None
        Standard error that the random coalitions leave; None where the values are exact.
    """

    attribution: np.ndarray
    uncertainty: np.ndarray | None


def shap(
    estimator,
    X,
    *,
    baseline,
    grid=None,
    segments=None,
    target=None,
    n_samples=500,
    n_repeats=5,
    random_state=0,
    of="log_p",
):
    """Shapley values: what each wavelength adds, averaged over all orders of putting the spectrum together.

    Lundberg & Lee 2017 (NeurIPS 30, 4765), with one baseline spectrum in the place of what is missing.  The
    margin of a linear kernel is linear in the flux, and its values are known in closed form, w · (x -
    baseline) at each wavelength: with the mean of a background sample as the baseline they are those over
    the whole sample, and they equal integrated gradients of the margin.  All else goes by kernel SHAP on
    physical segments: coalitions are drawn in pairs of complements, their sizes as the Shapley kernel weighs
    them, and the score is regressed on which segments were there, the sum held to the whole change (Covert &
    Lee 2021, AISTATS).

    Parameters
    ----------
    estimator : fitted classifier
        With ``classes_`` and ``predict_proba``.
    X : (n_spectra, n_grid) array
        Spectra, as the estimator takes them.
    baseline : (n_grid,) array, (n_spectra, n_grid) array, or function
        What takes the place of missing flux: the mean of a background sample such as the training sample,
        `class_mean(X, y, label)`, or a function that makes the baselines of some spectra (m, n_grid).
    grid : (n_grid,) array, optional
        Rest wavelengths in vacuum Å, increasing; needed where there is no closed form.
    segments : table, optional
        As in `lime`; `make_segments` by default.
    target : label or (n_spectra,) sequence of labels, optional
        Class whose score is explained; the most probable one of each spectrum by default.
    n_samples : int
        Coalitions in each repeat, even; at least twice the number of segments.
    n_repeats : int
        At least 2, for the uncertainty.
    random_state : int, RandomState or None
        Which coalitions are drawn; the same for every spectrum.
    of : {"log_p", "p", "log_odds", "margin"}
        The number that is explained (see `TargetScore`).

    Returns
    -------
    ShapleyValues

    Raises
    ------
    AgnError
        For NaN, another grid, an unknown target, a baseline of another shape, segments that do not cover the
        grid once or are fewer than two, too few samples or repeats, or log p of a class whose probability is
        0.
    """
    if of == "margin" and _find_weights(estimator) is not None:
        return _shap_linear(estimator, X, baseline, target)
    pieces = _Pieces(estimator, X, grid=grid, segments=segments, target=target, of=of)
    X = pieces.X
    if not callable(baseline):
        baseline = check_baseline(baseline, X.shape)
    coalitions = _draw_coalitions(len(pieces.spans), n_samples, n_repeats, check_random_state(random_state))
    attribution, uncertainty = np.empty((2, *X.shape))
    for block in spectra_blocks(X, copies=n_samples, title="shap"):
        part = X[block].astype(float)
        other = check_baseline(baseline(X[block]), part.shape) if callable(baseline) else baseline[block]
        rows = np.arange(len(X))[block]
        ends = pieces.score.values(other, rows), pieces.score.values(part, rows)
        values = [
            _fit_shapley(pieces.score_mixed(part, other, block, kept), kept, ends) for kept in coalitions
        ]
        attribution[block] = pieces.spread(np.mean(values, axis=0))
        uncertainty[block] = pieces.spread(np.std(values, axis=0, ddof=1)) / np.sqrt(n_repeats)
    return ShapleyValues(attribution, uncertainty)


def _shap_linear(estimator, X, baseline, target):
    """The closed form, w · (x - baseline) at each wavelength, of a margin that is linear in the flux."""
    X = check_spectra(estimator, X)
    if not callable(baseline):
        baseline = check_baseline(baseline, X.shape)
    score = TargetScore(estimator, X, target=target, of="margin")
    attribution = np.empty(X.shape)
    for block in spectra_blocks(X, title="shap"):
        part = X[block].astype(float)
        other = check_baseline(baseline(X[block]), part.shape) if callable(baseline) else baseline[block]
        attribution[block] = score.gradients(part, block) * (part - other)
    return ShapleyValues(attribution, None)


def _draw_coalitions(n_segments, n_samples, n_repeats, random_state):
    """Which segments are there, n_repeats arrays (n_samples, n_segments) of bool."""
    if n_segments < 2:
        raise AgnError("segments must be at least two; got 1. lime and occlusion take one.")
    if n_samples % 2 or n_samples < 2 * n_segments:
        raise AgnError(
            f"n_samples must be even and at least {2 * n_segments}, twice the segments; got {n_samples}."
        )
    if n_repeats < 2:
        raise AgnError(f"n_repeats must be at least 2; got {n_repeats}.")
    sizes = np.arange(1, n_segments)
    chances = 1 / (sizes * (n_segments - sizes))
    coalitions = []
    for _ in range(n_repeats):
        size = random_state.choice(sizes, n_samples // 2, p=chances / chances.sum())
        rank = random_state.random_sample((n_samples // 2, n_segments)).argsort(axis=1).argsort(axis=1)
        half = rank < size[:, None]
        coalitions.append(np.concatenate([half, ~half]))
    return coalitions


def _fit_shapley(values, kept, ends):
    """Shapley values (m, n_segments): least squares with the sum held to the change between the ends."""
    change = values - ends[0]
    normal = np.linalg.pinv(kept.T.astype(float) @ kept)
    free, one = normal @ (kept.T @ change), normal.sum(axis=1, keepdims=True)
    # The multiplier of the constraint moves all along the solution for ones.
    return (free - one * (free.sum(axis=0) - (ends[1] - ends[0])) / one.sum()).T
