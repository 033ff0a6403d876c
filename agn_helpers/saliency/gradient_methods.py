"""Attributions from exact gradients: at the spectrum, and on the way to it from a baseline."""

import warnings
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import roots_legendre
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, gen_batches

from ..classifier import draw_normal, log_proba_gradient, pair_decisions
from ..errors import AgnError
from ..spectra import standard_deviation
from .target import (
    BLOCK_ELEMENTS,
    TargetScore,
    check_spectra,
    check_wavelengths,
    spectra_blocks,
    tell_progress,
)
from .windows import check_baseline, remove_lines

# Differences of log p below this are rounding.
_SMALLEST_DIFFERENCE = 1e-12


def gradient(estimator, X, *, target=None, of="log_p"):
    """Exact gradient of a class's log-probability by the flux at each wavelength.

    Saliency in the sense of Baehrens et al. 2010 (JMLR 11, 1803) and Simonyan et al. 2014 (ICLR workshop).

    Parameters
    ----------
    estimator : ProbabilisticSVC, or Pipeline of affine steps that ends in one
        Fitted.
    X : (n_spectra, n_grid) array
        Spectra, as the estimator takes them.
    target : label or (n_spectra,) sequence of labels, optional
        Class whose probability is explained; the most probable one of each spectrum by default.
    of : {"log_p", "p", "log_odds", "margin"}
        The number that is differentiated (see `TargetScore`).

    Returns
    -------
    (n_spectra, n_grid) array
        In 1/flux; positive where more flux raises the target's log-probability.

    Raises
    ------
    AgnError
        For NaN, another number of wavelengths, an unknown target, an estimator without an exact gradient
        (`finite_difference`, `occlusion` and `lime` need none).
    """
    X = check_spectra(estimator, X)
    # The classifier meets the most probable class on its way to the gradient.
    is_found = of == "log_p" and target is None
    score = None if is_found else TargetScore(estimator, X, target=target, of=of)
    attribution = np.empty(X.shape)
    for block in spectra_blocks(X, title="gradient"):
        part = X[block]
        if is_found:
            tell_progress(len(part))
        attribution[block] = log_proba_gradient(estimator, part) if is_found else score.gradients(part, block)
    return attribution


def gradient_times_input(estimator, X, *, grid, target=None, of="log_p"):
    """Exact gradient times the continuum-subtracted flux.

    The continuum is `remove_lines`, so that flux outside the line windows is all continuum and has
    no attribution.  Unlike integrated gradients from the same baseline, whose first-order estimate it
    is, the map does not add up to the change of log p.

    Parameters
    ----------
    estimator, X, target, of
        As in `gradient`.
    grid : (n_grid,) array
        Rest wavelengths in vacuum Å, increasing.

    Returns
    -------
    (n_spectra, n_grid) array
        In units of log p a pixel.

    Raises
    ------
    AgnError
        As `gradient`, and for another grid.
    """
    X = check_spectra(estimator, X)
    grid = check_wavelengths(grid, X.shape[1])
    attribution = gradient(estimator, X, target=target, of=of)
    for block in spectra_blocks(X):
        attribution[block] *= X[block] - remove_lines(X[block], grid)
    return attribution


def integrated_gradients(
    estimator, X, *, baseline, target=None, n_steps=32, tolerance=0.01, max_steps=1024, of="log_p"
):
    """Share of each wavelength in the change of log p between a baseline and the spectrum.

    (x - b) times the mean gradient on the straight way from the baseline b to the spectrum x (Sundararajan,
    Taly & Yan 2017, ICML; arXiv:1703.01365), by Gauss-Legendre quadrature.

    Parameters
    ----------
    estimator, X, target, of
        As in `gradient`.
    baseline : (n_grid,) array, (n_spectra, n_grid) array, or function
        Where the way begins: `remove_lines(X, grid)`, `class_mean(X, y, label)`, or a function that makes the
        baselines of some spectra (m, n_grid), which spares an array as large as X.
    n_steps : int
        Nodes of the quadrature at first; doubled for the spectra whose map is not complete.
    tolerance : float
        A map is complete where its sum is the change of log p to this share of it.  Where rises and falls
        on the way cancel to less than `tolerance` of their total, the same share of that is asked for.
    max_steps : int
        Largest number of nodes.

    Returns
    -------
    (n_spectra, n_grid) array
        In units of log p; sums along axis 1 are ln p(x) - ln p(b).

    Raises
    ------
    AgnError
        As `gradient`, and for a baseline of another shape or with NaN, fewer than one step, a tolerance that
        is not positive.

    Warns
    -----
    ConvergenceWarning
        Where a map is not complete with `max_steps` nodes; names the spectra.
    """
    X = check_spectra(estimator, X)
    if not (1 <= n_steps <= max_steps):
        raise AgnError(f"n_steps must be from 1 to max_steps={max_steps}; got {n_steps}.")
    if not (np.isfinite(tolerance) and tolerance > 0):
        raise AgnError(f"tolerance must be positive; got {tolerance}.")
    if not callable(baseline):
        baseline = check_baseline(baseline, X.shape)
    score = TargetScore(estimator, X, target=target, of=of)
    # An estimator without a gradient is told so before anything else fails.
    score.gradients(X[:1], slice(0, 1))
    attribution = np.empty(X.shape)
    incomplete = []
    for block in spectra_blocks(X, title="integrated gradients"):
        rows = np.arange(len(X))[block]
        end = X[block].astype(float)
        start = check_baseline(baseline(X[block]), end.shape) if callable(baseline) else baseline[block]
        difference = score.values(end, rows) - score.values(start, rows)
        pending, steps = np.arange(len(end)), n_steps
        while True:
            maps, travelled = _integrate(score, start[pending], end[pending], rows[pending], steps)
            attribution[rows[pending]] = maps
            asked = tolerance * np.maximum(np.abs(difference[pending]), tolerance * travelled)
            error = np.abs(maps.sum(axis=1) - difference[pending])
            pending = pending[error > np.maximum(asked, _SMALLEST_DIFFERENCE)]
            if not len(pending) or 2 * steps > max_steps:
                break
            steps *= 2
        incomplete.extend(rows[pending].tolist())
    if incomplete:
        warnings.warn(
            f"integrated gradients must add up to the change of {of} within {tolerance:g}; those of "
            f"{len(incomplete)} spectra do not: {', '.join(map(str, incomplete[:10]))}"
            f"{' …' * (len(incomplete) > 10)}. Raise max_steps.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return attribution


_nodes = lru_cache(maxsize=None)(roots_legendre)


def _integrate(score, start, end, rows, n_steps):
    """Maps (m, n_grid), and how far the score travelled up and down on the way (m,)."""
    nodes, weights = _nodes(n_steps)
    nodes, weights = (nodes + 1) / 2, weights / 2
    way = end - start
    total, travelled = np.zeros(way.shape), np.zeros(len(way))
    for part in gen_batches(n_steps, max(1, BLOCK_ELEMENTS // way.size)):
        points = start[:, None] + nodes[part][None, :, None] * way[:, None]
        flat = score.gradients(points.reshape(-1, way.shape[1]), np.repeat(rows, points.shape[1]))
        gradients = flat.reshape(points.shape)
        total += np.einsum("nsg,s->ng", gradients, weights[part])
        travelled += np.abs(np.einsum("nsg,ng->ns", gradients, way)) @ weights[part]
    return total * way, travelled


class SmoothedGradient(NamedTuple):
    """Gradients averaged over draws of noise.

    mean : (n_spectra, n_grid) array, 1/flux
    standard_deviation : (n_spectra, n_grid) array, 1/flux
        Over the draws: the uncertainty that the spectrum's noise leaves in the map.
    """

    mean: np.ndarray
    standard_deviation: np.ndarray

    @property
    def significance(self):
        """|mean| in standard deviations, (n_spectra, n_grid); 0 where both vanish."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.mean == 0, 0, np.abs(self.mean) / self.standard_deviation)


def smoothgrad(
    estimator,
    X,
    *,
    target=None,
    ivar=None,
    noise_level=None,
    n_draws=50,
    random_state=0,
    of="log_p",
):
    """Mean and standard deviation of the gradient over noise added to the spectrum.

    SmoothGrad (Smilkov et al. 2017, arXiv:1706.03825; on galaxies: Bhambra et al. 2022, MNRAS 511, 5032),
    with the spectrum's own noise, so that the map carries an uncertainty.

    Parameters
    ----------
    estimator, X, target, of
        As in `gradient`.  The target is that of the spectrum without the noise.
    ivar : (n_spectra, n_grid) array
        Inverse variance of X; a pixel of ivar 0 gets no noise, since nothing is known of it.
    noise_level : float
        Standard deviation of the noise in the unit of X, instead of `ivar`.
    n_draws : int
        At least 2.
    random_state : int, RandomState or None
        The draws of a spectrum depend on it and on that spectrum's flux alone.

    Returns
    -------
    SmoothedGradient

    Raises
    ------
    AgnError
        As `gradient`; for both or neither of `ivar` and `noise_level`, an ivar of another shape, not finite
        or negative, and fewer than two draws.

    Notes
    -----
    For a linear kernel the draws are those of the few decision values that noise of the same distribution
    would give: a map then costs no more than its probabilities.
    """
    X = check_spectra(estimator, X)
    if n_draws < 2:
        raise AgnError(f"n_draws must be at least 2, for a standard deviation; got {n_draws}.")
    ivar = _check_noise(X, ivar, noise_level)
    score = TargetScore(estimator, X, target=target, of=of)
    seed = check_random_state(random_state).randint(2**31)
    weights = score.linear_weights()
    mean, deviation = np.empty(X.shape), np.empty(X.shape)
    # The coupling of the pairs works on some ten arrays of n_pairs² numbers a draw.
    copies = n_draws if weights is None else 1 + 10 * n_draws * len(weights) ** 2 // X.shape[1]
    for block in spectra_blocks(X, copies=copies, title="smoothgrad"):
        part = X[block].astype(float)
        sigma = np.full(part.shape, noise_level) if ivar is None else standard_deviation(ivar[block])
        rows = np.repeat(np.arange(len(X))[block], n_draws)
        if weights is None:
            results = _smooth_maps(score, part, sigma, rows, n_draws, seed)
        else:
            results = _smooth_decisions(score, part, sigma, rows, n_draws, seed, weights)
        mean[block], deviation[block] = results
    return SmoothedGradient(mean, deviation)


def _smooth_maps(score, X, sigma, rows, n_draws, seed):
    noisy = draw_normal(X, (n_draws, X.shape[1]), seed)
    noisy *= sigma[:, None]
    noisy += X[:, None]
    maps = score.gradients(noisy.reshape(-1, X.shape[1]), rows).reshape(noisy.shape)
    mean = maps.mean(axis=1)
    maps -= mean[:, None]
    return mean, np.sqrt(np.einsum("ndg,ndg->ng", maps, maps) / (n_draws - 1))


def _smooth_decisions(score, X, sigma, rows, n_draws, seed, weights):
    """The same for a linear kernel, of which log p sees nothing of the noise but its few decision values.

    These are normally distributed with the covariance w diag(sigma²) w^T, so it is they that are drawn, and
    the maps' deviation follows from the covariance of d log p / d decision values.
    """
    n_pairs = len(weights)
    first, second = np.triu_indices(n_pairs)
    covariance = np.empty((len(X), n_pairs, n_pairs))
    products = weights[first] * weights[second]
    covariance[:, first, second] = covariance[:, second, first] = sigma**2 @ products.T
    variance, axes = np.linalg.eigh(covariance)
    root = axes * np.sqrt(np.maximum(variance, 0))[:, None]
    decisions = draw_normal(X, (n_draws, n_pairs), seed) @ root.transpose(0, 2, 1)
    decisions += pair_decisions(score.estimator, X)[:, None]
    slopes = score.by_decision(decisions.reshape(-1, n_pairs), rows).reshape(decisions.shape)
    mean = slopes.mean(axis=1)
    slopes -= mean[:, None]
    spread = np.einsum("ndp,ndq->npq", slopes, slopes) / (n_draws - 1)
    # Two different pairs of classes count twice: as (a, b) and as (b, a).
    spread = spread[:, first, second] * np.where(first == second, 1, 2)
    variance = spread @ products
    return mean @ weights, np.sqrt(np.maximum(variance, 0))


def _check_noise(X, ivar, noise_level):
    if (ivar is None) == (noise_level is None):
        raise AgnError(
            "smoothgrad needs either the spectra's ivar or a noise_level in flux units; got "
            f"{'neither' if ivar is None else 'both'}."
        )
    if ivar is None:
        if not (np.isfinite(noise_level) and noise_level > 0):
            raise AgnError(f"noise_level must be positive; got {noise_level}.")
        return None
    ivar = np.asarray(ivar)
    if ivar.shape != X.shape:
        raise AgnError(f"ivar must have the shape of X, {X.shape}; got {ivar.shape}.")
    for row in range(len(ivar)):
        if not (ivar[row].min() >= 0 and ivar[row].max() < np.inf):
            raise AgnError(
                f"ivar must be finite and not negative; that of spectrum {row} is not. Set it to 0."
            )
    return ivar
