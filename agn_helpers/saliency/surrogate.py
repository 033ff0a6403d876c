"""LIME's surrogate: which parts were kept, and the linear model of a score on it that is true nearby.

Ribeiro, Singh & Guestrin 2016 (KDD; arXiv:1602.04938), for spectra and for images alike.
"""

from typing import NamedTuple

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.utils import check_random_state

from ..errors import AgnError

#: Of Ribeiro's code for images, whose features are switched on and off like these.
KERNEL_WIDTH = 0.25


class Surrogate(NamedTuple):
    """A linear model of a score.

    coefficients : (..., n_parts) array
        What each part adds to the score where it is kept.
    r2 : (...) array
        Share of the score's weighted variance over the perturbed copies that the model explains; 0 where
        the score does not vary.
    """

    coefficients: np.ndarray
    r2: np.ndarray


def draw_kept(n_samples, n_parts, random_state):
    """Which parts are kept, (n_samples, n_parts) of 0 and 1, each with chance 1/2; in the first copy all.

    Raises AgnError for fewer than two copies or no part.
    """
    if n_samples < 2 or n_parts < 1:
        raise AgnError(f"n_samples must be at least 2 and n_parts 1; got {n_samples} and {n_parts}.")
    kept = check_random_state(random_state).randint(2, size=(n_samples, n_parts))
    kept[0] = 1
    return kept


def fit_surrogate(kept, values, *, alpha=0.01, kernel_width=KERNEL_WIDTH):
    """Fit the weighted ridge regression of scores on what was kept.

    A copy's weight is exp(-D² / width²) with D the cosine distance from the copy that keeps all; weights
    have the mean 1.

    Parameters
    ----------
    kept : (n_samples, n_parts) array of 0 and 1
    values : (n_samples,) or (n_samples, n_scores) array
    alpha : float
        Penalty of the ridge.
    kernel_width : float

    Returns
    -------
    Surrogate
        Of one score, or with a first axis of n_scores.
    """
    distance = 1 - np.sqrt(kept.mean(axis=1))
    weight = np.exp(-((distance / kernel_width) ** 2))
    weight /= weight.mean()
    ridge = Ridge(alpha=alpha).fit(kept, values, weight)
    residual = np.average((values - ridge.predict(kept)) ** 2, axis=0, weights=weight)
    variance = np.average((values - np.average(values, axis=0, weights=weight)) ** 2, axis=0, weights=weight)
    r2 = np.where(variance > 0, 1 - residual / np.where(variance > 0, variance, 1), 0.0)
    return Surrogate(ridge.coef_, r2)
