"""Classifiers trained again, on random halves of a training set or with other seeds."""

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state
from tqdm import tqdm

from ..errors import AgnError


def refit_half_samples(estimator, X, y, *, n_refits=20, random_state=0):
    """Refit a classifier on random halves of a training set, each with its own seed.

    Halves without replacement vary as bootstrap samples do (Friedman & Hall 2007, J. Stat. Plan. Inference
    137, 669), and no spectrum stands on both sides of the inner folds that calibrate probabilities.

    Parameters
    ----------
    estimator : classifier
        Cloned for each refit.
    X : (n_train, n_grid) array
    y : (n_train,) array of labels
        Each class keeps its share.
    n_refits : int
    random_state : int, RandomState or None

    Yields
    ------
    fitted classifier

    Raises
    ------
    AgnError
        For no refits.
    """
    if n_refits < 1:
        raise AgnError(f"n_refits must be at least 1; got {n_refits}. Some 20 show the spread.")
    random_state = check_random_state(random_state)
    X, y = np.asarray(X), np.asarray(y)
    # No bar in notebooks, whose pages would keep it.
    for _ in tqdm(range(n_refits), desc="refits", delay=2, disable=None):
        halves = [random_state.permutation(members)[: -(-len(members) // 2)] for members in _by_class(y)]
        rows = np.sort(np.concatenate(halves))
        yield reseed(clone(estimator), random_state).fit(X[rows], y[rows])


def _by_class(y):
    return [np.flatnonzero(y == label) for label in np.unique(y)]


def reseed(estimator, random_state):
    """Give every `random_state` among an estimator's parameters a new number; returns the estimator."""
    seeds = [name for name in estimator.get_params() if name.split("__")[-1] == "random_state"]
    return estimator.set_params(**{name: int(random_state.randint(2**31 - 1)) for name in seeds})
