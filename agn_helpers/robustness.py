"""How a trained classifier bears noise, and how long its training takes."""

import time

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils import check_random_state
from tqdm.auto import tqdm

from .metrics import score_predictions

#: Standard deviations of the paper's noise, in units of the flux at 5100 Å, which the reduction sets to 1.
NOISE_SIGMAS = (0.1, 0.2, 0.3, 0.4, 1.0, 2.0, 3.0, 4.0)


def noise_curve(estimator, X, y, *, sigmas=NOISE_SIGMAS, n_draws=20, random_state=0):
    """F of each class when white Gaussian noise is added to the spectra.

    Parameters
    ----------
    estimator : fitted classifier
    X : (n_spectra, n_features) array
        Normalised fluxes of spectra not used in training.
    y : (n_spectra,) array of labels
    sigmas : sequence of float
        Standard deviations of the noise, in the unit of X.
    n_draws : int
        Draws of the noise for each of them.
    random_state : int, RandomState or None

    Returns
    -------
    curve : pandas.DataFrame
        Columns ``sigma``, ``class`` (the classes and ``macro``), ``mean`` and ``std`` of F over the draws,
        ``low`` and ``high`` (their 2.5 and 97.5 percentiles).

    Raises
    ------
    ValueError
        For a negative sigma or fewer than one draw.
    """
    if min(sigmas, default=0) < 0 or n_draws < 1:
        raise ValueError(f"sigmas must not be negative, n_draws at least 1; got {list(sigmas)}, {n_draws}.")
    random_state = check_random_state(random_state)
    X = np.asarray(X, dtype=float)
    labels = estimator.classes_
    rows = []
    with tqdm(total=len(sigmas) * n_draws, desc="noise", leave=False, delay=2) as progress:
        for sigma in sigmas:
            draws = []
            for _ in range(n_draws):
                noisy = X + sigma * random_state.standard_normal(X.shape)
                draws.append(score_predictions(y, estimator.predict(noisy), labels=labels)["f_score"])
                progress.update()
            draws = pd.DataFrame(draws)
            low, high = draws.quantile(0.025), draws.quantile(0.975)
            columns = {"mean": draws.mean(), "std": draws.std(ddof=0), "low": low, "high": high}
            rows.append(pd.DataFrame(columns).rename_axis("class").reset_index().assign(sigma=sigma))
    return pd.concat(rows, ignore_index=True)[["sigma", "class", "mean", "std", "low", "high"]]


def time_training(estimators, X, y, *, n_fits=10):
    """Time the training of classifiers.

    Parameters
    ----------
    estimators : dict of str to classifier
        Names and classifiers, which are cloned.
    X : (n_spectra, n_features) array
    y : (n_spectra,) array of labels
    n_fits : int
        Fits of each.

    Returns
    -------
    times : pandas.DataFrame
        Index ``name``; columns ``mean``, ``std``, ``min``, ``max`` (seconds of wall clock), ``n_fits``.
    """
    rows = {}
    with tqdm(total=len(estimators) * n_fits, desc="training", leave=False, delay=2) as progress:
        for name, estimator in estimators.items():
            seconds = np.zeros(n_fits)
            for number in range(n_fits):
                machine = clone(estimator)
                start = time.perf_counter()
                machine.fit(X, y)
                seconds[number] = time.perf_counter() - start
                progress.update()
            rows[name] = (seconds.mean(), seconds.std(), seconds.min(), seconds.max(), n_fits)
    columns = ["mean", "std", "min", "max", "n_fits"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("name")
