"""SmoothGrad: the gradient over the noise of a spectrum, its mean and how far it can be trusted."""

import hashlib
from typing import NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from .errors import AgnError
from .gradients import pair_decisions
from .scores import Score, check_spectra, spectra_blocks


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
    ValueError
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
    score = Score(estimator, X, target=target, of=of)
    seed = check_random_state(random_state).randint(2**31)
    weights = score.linear_weights()
    mean, deviation = np.empty(X.shape), np.empty(X.shape)
    # The coupling of the pairs works on some ten arrays of n_pairs² numbers a draw.
    copies = n_draws if weights is None else 1 + 10 * n_draws * len(weights) ** 2 // X.shape[1]
    for block in spectra_blocks(X, copies=copies, title="smoothgrad"):
        part = X[block].astype(float)
        sigma = _standard_deviation(part, ivar[block] if noise_level is None else noise_level**-2.0)
        rows = np.repeat(np.arange(len(X))[block], n_draws)
        if weights is None:
            results = _smooth_maps(score, part, sigma, rows, n_draws, seed)
        else:
            results = _smooth_decisions(score, part, sigma, rows, n_draws, seed, weights)
        mean[block], deviation[block] = results
    return SmoothedGradient(mean, deviation)


def _smooth_maps(score, X, sigma, rows, n_draws, seed):
    noisy = _draw_normal(X, (n_draws, X.shape[1]), seed)
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
    decisions = _draw_normal(X, (n_draws, n_pairs), seed) @ root.transpose(0, 2, 1)
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


def _standard_deviation(X, ivar):
    sigma = np.zeros(X.shape)
    return np.divide(1, np.sqrt(ivar, dtype=float), out=sigma, where=np.asarray(ivar) > 0)


def _draw_normal(X, shape, seed):
    """Standard normal numbers (n_spectra, *shape); each spectrum's flux is part of its seed."""
    draws = np.empty((len(X), *shape))
    for spectrum, out in zip(X, draws):
        digest = hashlib.blake2b(spectrum.tobytes(), digest_size=16).digest()
        sequence = np.random.SeedSequence([seed, int.from_bytes(digest, "little")])
        np.random.Generator(np.random.SFC64(sequence)).standard_normal(out=out)
    return draws
