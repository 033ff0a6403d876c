"""LIME on physical segments: a weighted linear model of what the classifier does around one spectrum."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.utils import check_random_state

from .baselines import bridge_window, check_baseline, line_mask
from .errors import AgnError
from .scores import Score, check_spectra, check_wavelengths, spectra_blocks
from .segments import check_segments, make_segments

# Of Ribeiro's code for images, whose features are switched on and off like these.
_KERNEL_WIDTH = 0.25


class SegmentWeights(NamedTuple):
    """What LIME says of each segment.

    attribution : (n_spectra, n_grid) array, log p a pixel
        Coefficients, each spread evenly over its segment's pixels.
    coefficients, spread : (n_spectra, n_segments) arrays, log p
        Mean over the repeats, and their standard deviation: the scatter that the random perturbations leave.
    segments : pandas.DataFrame
        Columns ``name``, ``low``, ``high``.
    """

    attribution: np.ndarray
    coefficients: np.ndarray
    spread: np.ndarray
    segments: pd.DataFrame


def lime(
    estimator,
    X,
    *,
    grid,
    segments=None,
    target=None,
    replacement="continuum",
    n_samples=500,
    n_repeats=5,
    alpha=0.01,
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
    n_samples : int
        Perturbed spectra in each repeat, the spectrum itself among them.
    n_repeats : int
        At least 2, for the spread.
    alpha : float
        Penalty of the ridge; the weights of the perturbed spectra have the mean 1.
    random_state : int, RandomState or None
        Which segments are replaced; the same for every spectrum.
    of : {"log_p", "p", "margin"}
        The number that is regressed (see `scores.Score`).

    Returns
    -------
    SegmentWeights

    Raises
    ------
    ValueError
        For NaN, another grid, an unknown target, an estimator without ``predict_proba``, segments that do not
        cover the grid once, a replacement of another shape, fewer samples than 2, fewer repeats than 2,
        a negative penalty, or log p of a class whose probability is zero.
    """
    X = check_spectra(estimator, X)
    grid = check_wavelengths(grid, X.shape[1])
    segments = make_segments(grid) if segments is None else segments
    spans = check_segments(segments, grid)
    for name, value, least in (("n_samples", n_samples, 2), ("n_repeats", n_repeats, 2), ("alpha", alpha, 0)):
        if not value >= least:
            raise AgnError(f"{name} must be at least {least}; got {value}.")
    if isinstance(replacement, str) and replacement != "continuum":
        raise AgnError(f"replacement must be 'continuum' or an array of fluxes; got {replacement!r}.")
    if not isinstance(replacement, str):
        replacement = check_baseline(replacement, X.shape)
    score = Score(estimator, X, target=target, of=of)
    random_state = check_random_state(random_state)
    repeats = [_draw_kept(n_samples, len(spans), random_state) for _ in range(n_repeats)]
    lengths = np.empty(len(grid))
    owner = np.empty(len(grid), dtype=int)
    for number, (first, last) in enumerate(spans):
        owner[first:last], lengths[first:last] = number, last - first

    attribution = np.empty(X.shape)
    coefficients, spread = np.empty((2, len(X), len(spans)))
    for block in spectra_blocks(X, copies=n_samples, title="lime"):
        part = X[block].astype(float)
        other = _flatten(part, grid, spans) if isinstance(replacement, str) else replacement[block]
        weights = [
            _fit_weights(score, part, other, np.arange(len(X))[block], kept, owner, alpha) for kept in repeats
        ]
        coefficients[block], spread[block] = np.mean(weights, axis=0), np.std(weights, axis=0, ddof=1)
        attribution[block] = coefficients[block][:, owner] / lengths
    return SegmentWeights(attribution, coefficients, spread, segments)


def _draw_kept(n_samples, n_segments, random_state):
    kept = random_state.randint(2, size=(n_samples, n_segments))
    kept[0] = 1
    return kept


def _flatten(X, grid, spans):
    """Every segment replaced by the line between its neighbours' continuum, like X."""
    clean = ~line_mask(grid)
    bridges = [bridge_window(X, grid, start, stop, clean=clean) for start, stop in spans]
    flat = np.empty(X.shape)
    for (start, stop), bridge in zip(spans, bridges):
        flat[:, start:stop] = bridge
    return flat


def _fit_weights(score, X, other, rows, kept, owner, alpha):
    """Coefficients (m, n_segments) of one set of perturbations."""
    mixed = np.where(kept[:, None, owner], X, other)
    values = score.values(mixed.reshape(-1, X.shape[1]), np.tile(rows, len(kept))).reshape(len(kept), -1)
    distance = 1 - np.sqrt(kept.mean(axis=1))
    weight = np.exp(-((distance / _KERNEL_WIDTH) ** 2))
    return Ridge(alpha=alpha).fit(kept, values, weight / weight.mean()).coef_.reshape(len(X), -1)
