"""Attributions from exact gradients: at the spectrum, and on the way to it from a baseline."""

import warnings
from functools import lru_cache

import numpy as np
from scipy.special import roots_legendre
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import gen_batches

from .baselines import check_baseline, remove_lines
from .errors import AgnError
from .gradients import log_proba_gradient
from .scores import BLOCK_ELEMENTS, Score, check_spectra, check_wavelengths, spectra_blocks

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
    of : {"log_p", "p", "margin"}
        The number that is differentiated (see `scores.Score`).

    Returns
    -------
    (n_spectra, n_grid) array
        In 1/flux; positive where more flux raises the target's log-probability.

    Raises
    ------
    ValueError
        For NaN, another number of wavelengths, an unknown target, an estimator without an exact gradient
        (`finite_difference`, `occlusion` and `lime` need none).
    """
    X = check_spectra(estimator, X)
    # The classifier meets the most probable class on its way to the gradient.
    is_found = of == "log_p" and target is None
    score = None if is_found else Score(estimator, X, target=target, of=of)
    attribution = np.empty(X.shape)
    for block in spectra_blocks(X, title="gradient"):
        part = X[block]
        attribution[block] = log_proba_gradient(estimator, part) if is_found else score.gradients(part, block)
    return attribution


def gradient_times_input(estimator, X, *, grid, target=None, of="log_p"):
    """Exact gradient times the continuum-subtracted flux.

    The continuum is `baselines.remove_lines`, so that flux outside the line windows is all continuum and has
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
    ValueError
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
    ValueError
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
    score = Score(estimator, X, target=target, of=of)
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
