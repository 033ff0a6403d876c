"""Sanity and stability: a map must change when the model does, and not under changes that mean nothing.

Sanity: model and data randomisation of Adebayo et al. (2018, NeurIPS; arXiv:1810.03292), for SVMs.
"""

import copy

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state

from ..errors import AgnError
from ..lines import NORMALISATION_WAVELENGTH
from ..saliency import check_spectra, check_wavelengths, find_target, refit_half_samples, reseed
from ..spectra import standard_deviation
from .similarity import check_draws, choose_methods, correlate_ranks, summarise_values

#: Check -> whether its maps should still resemble the real ones.
CHECKS = {"labels permuted": False, "dual shuffled": False, "another seed": True, "half the sample": True}


def change_model(estimator, X, y, *, check, random_state=0):
    """Train the model that a sanity check compares with.

    Parameters
    ----------
    estimator : classifier, or Pipeline that ends in one
        Cloned.
    X : (n_train, n_grid) array
        The training set.
    y : (n_train,) array of labels
    check : str
        "labels permuted": trained on the same spectra with their labels in random order;
        "dual shuffled": trained as it is, then the multipliers of each pair of classes dealt to its
        other support vectors (a ProbabilisticSVC only), intercepts and sigmoids kept;
        "another seed": trained as it is with another seed, which shuffles the folds of the calibration only;
        "half the sample": trained on a random half, which moves the SVMs themselves.
    random_state : int, RandomState or None

    Returns
    -------
    fitted classifier

    Raises
    ------
    AgnError
        For another check, or multipliers of an estimator that has none.
    """
    random_state = check_random_state(random_state)
    if check not in CHECKS:
        raise AgnError(f"check must be one of {', '.join(CHECKS)}; got {check!r}.")
    if check == "half the sample":
        return next(refit_half_samples(estimator, X, y, n_refits=1, random_state=random_state))
    if check == "labels permuted":
        return clone(estimator).fit(X, random_state.permutation(y))
    if check == "another seed":
        return reseed(clone(estimator), random_state).fit(X, y)
    return shuffle_dual(clone(estimator).fit(X, y), X, random_state=random_state)


def shuffle_dual(estimator, X, *, random_state=0):
    """Deal the multipliers of each pair of classes to its support vectors at random.

    Parameters
    ----------
    estimator : ProbabilisticSVC, or Pipeline that ends in one
        Fitted; it is not changed.
    X : (n_train, n_grid) array
        What it was fitted on, in the same order.

    Returns
    -------
    fitted classifier
        Its multipliers still sum to zero, pair by pair.

    Raises
    ------
    AgnError
        For an estimator without multipliers, or another training set.
    """
    random_state = check_random_state(random_state)
    estimator = copy.deepcopy(estimator)
    is_pipeline = isinstance(estimator, Pipeline)
    svc = estimator[-1] if is_pipeline else estimator
    if not hasattr(svc, "dual_coef_") or not hasattr(svc, "sigmoids_"):
        raise AgnError(
            f"dual shuffled needs a ProbabilisticSVC; got {type(svc).__name__}. Leave this check out."
        )
    if is_pipeline and len(estimator) > 1:
        X = estimator[:-1].transform(X)
    vectors = np.asarray(X, dtype=float)[svc.support_]
    if hasattr(svc, "coef_"):
        scale = np.abs(svc.coef_).max()
        if not np.allclose(svc.dual_coef_ @ vectors, svc.coef_, atol=1e-6 * scale):
            raise AgnError("X must be what the estimator was fitted on, in the same order; it is not.")
    for multipliers in svc.dual_coef_:
        used = np.flatnonzero(multipliers)
        multipliers[used] = multipliers[random_state.permutation(used)]
    if hasattr(svc, "coef_"):
        svc.coef_ = svc.dual_coef_ @ vectors
    return estimator


def measure_sanity(estimator, X, train, *, grid, ivar=None, methods=None, n_repeats=3, random_state=0):
    """Rank correlation of the real maps with those of changed models.

    Parameters
    ----------
    estimator : fitted classifier
    X : (n_spectra, n_grid) array
        Spectra to explain; all models explain the class that `estimator` predicts.
    train : (X_train, y_train)
        What it was fitted on.
    grid : (n_grid,) array
        Rest wavelengths in vacuum Å.
    ivar : (n_spectra, n_grid) array, optional
        Where a method needs it.
    methods : see `agn_helpers.faithfulness.similarity.choose_methods`
    n_repeats : int
        Models a check: one permutation of labels tells of that permutation only.
    random_state : int, RandomState or None

    Returns
    -------
    pandas.DataFrame
        Columns ``method, check`` (of `CHECKS`), ``signed, signed_low, signed_high, absolute, absolute_low,
        absolute_high``: medians of Spearman's correlation over spectra and repeats with 95 % bootstrap
        intervals, of the maps and of |maps|.

    Raises
    ------
    AgnError
        For NaN, X on another grid, no repeats, unknown methods.
    """
    X = check_spectra(estimator, X)
    check_draws(n_repeats, "n_repeats")
    random_state = check_random_state(random_state)
    methods = choose_methods(methods)
    target = estimator.classes_[find_target(estimator, X)]
    seed = random_state.randint(2**31 - 1)
    options = {"grid": grid, "ivar": ivar, "target": target, "random_state": seed}
    real = {name: method(estimator, X, **options) for name, method in methods.items()}
    rows = []
    for check in CHECKS:
        found = {name: [] for name in methods}
        for _ in range(n_repeats):
            model = change_model(estimator, *train, check=check, random_state=random_state)
            for name, method in methods.items():
                maps = method(model, X, **options)
                found[name].append([correlate_ranks(real[name], maps, absolute=a) for a in (False, True)])
        for name, values in found.items():
            row = {"method": name, "check": check}
            for kind, each in zip(("signed", "absolute"), np.array(values).swapaxes(0, 1)):
                summary = summarise_values(each, random_state=seed)
                row |= dict(zip((kind, f"{kind}_low", f"{kind}_high"), summary))
            rows.append(row)
    return pd.DataFrame(rows)


#: Redshift error, relative to 1 + z: 30 km/s, some three times SDSS's statistical error.
REDSHIFT_ERROR = 1e-4

# Half-width (Å) of the window around 5100 Å whose median is the other level of the continuum; the
# reduction's own is the mean over 15 Å.
_LEVEL_HALF_WIDTH = 50.0


def change_spectra(X, *, grid, ivar=None, random_state=0):
    """Spectra after changes that mean nothing.

    Parameters
    ----------
    X : (n_spectra, n_grid) array
        Fluxes in units of that at 5100 Å.
    grid : (n_grid,) array
        Rest wavelengths in vacuum Å, increasing.
    ivar : (n_spectra, n_grid) array, optional
        Without it there is no "noise".
    random_state : int, RandomState or None

    Returns
    -------
    dict of str to (n_spectra, n_grid) array
        "noise": once more the noise that the spectrum has (none where ivar is 0);
        "1 pixel to the red", "1 pixel to the blue": moved, the end pixel repeated;
        "redshift error": reduced with a redshift too large by `REDSHIFT_ERROR` (1 + z), by linear
        interpolation;
        "local median": divided by the median flux within 50 Å of 5100 Å.

    Raises
    ------
    AgnError
        For ivar of another shape or negative, or a grid without 5100 Å.
    """
    X = np.asarray(X, dtype=float)
    grid = check_wavelengths(grid, X.shape[1])
    near = np.abs(grid - NORMALISATION_WAVELENGTH) <= _LEVEL_HALF_WIDTH
    level = np.median(X[:, near], axis=1, keepdims=True) if near.any() else np.zeros((len(X), 1))
    if not (level > 0).all():
        raise AgnError("every spectrum needs a positive median flux within 50 Å of 5100 Å; one has none.")
    changed = {}
    if ivar is not None:
        ivar = np.asarray(ivar, dtype=float)
        if ivar.shape != X.shape or not (ivar >= 0).all():
            raise AgnError(
                f"ivar must have the shape of X, {X.shape}, and not be negative; got {ivar.shape}."
            )
        sigma = standard_deviation(ivar)
        changed["noise"] = X + sigma * check_random_state(random_state).standard_normal(X.shape)
    changed["1 pixel to the red"] = np.concatenate([X[:, :1], X[:, :-1]], axis=1)
    changed["1 pixel to the blue"] = np.concatenate([X[:, 1:], X[:, -1:]], axis=1)
    # A redshift too large by that puts what is at λ at λ / (1 + error).
    read_at = grid * (1 + REDSHIFT_ERROR)
    changed["redshift error"] = np.array([np.interp(read_at, grid, flux) for flux in X])
    changed["local median"] = X / level
    return changed


def measure_stability(estimator, X, *, grid, ivar=None, methods=None, random_state=0):
    """Rank correlation of maps before and after changes of the spectrum that mean nothing.

    Parameters
    ----------
    estimator : fitted classifier
    X : (n_spectra, n_grid) array
        The class predicted for X is explained, also where a change moves the prediction.
    grid, ivar
        See `change_spectra`.
    methods : see `agn_helpers.faithfulness.similarity.choose_methods`
    random_state : int, RandomState or None
        Methods that draw at random draw the same for both.

    Returns
    -------
    pandas.DataFrame
        Columns ``method, change, signed, low, high``: median over spectra of Spearman's correlation of the
        signed maps, pixel by pixel on the grid, with its 95 % bootstrap interval.

    Raises
    ------
    AgnError
        For NaN, X on another grid, unknown methods, and as `change_spectra`.
    """
    X = check_spectra(estimator, X)
    random_state = check_random_state(random_state)
    seed = random_state.randint(2**31 - 1)
    target = estimator.classes_[find_target(estimator, X)]
    changes = change_spectra(X, grid=grid, ivar=ivar, random_state=random_state)
    options = {"grid": grid, "ivar": ivar, "target": target, "random_state": seed}
    rows = []
    for name, method in choose_methods(methods).items():
        maps = method(estimator, X, **options)
        for change, changed in changes.items():
            values = correlate_ranks(maps, method(estimator, changed, **options))
            summary = summarise_values(values, random_state=seed)
            rows.append({"method": name, "change": change, **dict(zip(("signed", "low", "high"), summary))})
    return pd.DataFrame(rows)
