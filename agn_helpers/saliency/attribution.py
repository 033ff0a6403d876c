"""Attributions: how much each wavelength moves the probability of a class, by any method."""

import inspect
from functools import partial

import numpy as np
from astropy.table import Table

from ..errors import AgnError
from ..files import write_table
from .gradient_methods import gradient, gradient_times_input, integrated_gradients, smoothgrad
from .perturbation_methods import finite_difference, lime, occlusion
from .target import check_spectra, check_wavelengths
from .windows import remove_lines


def choose_explained(test, right, *, fewest_right=6, random_state=0):
    """Choose which test spectra are explained one by one: every misclassified one, then as many others.

    Parameters
    ----------
    test : (n_test,) array of int
        Rows of the test part.
    right : (n_test,) array of bool
        Whether they are correctly classified.
    fewest_right : int
        Correctly classified ones that are chosen even where fewer are misclassified.
    random_state : int
        Seed of their choice.

    Returns
    -------
    rows : (n,) array of int
        Their rows; spectrum number k of figures and tables is the k-th of them, counted from 1.
    is_wrong : (n,) array of bool
        Whether they are misclassified; these come first.
    """
    wrong_rows, right_rows = test[~right], test[right]
    n_right = min(max(len(wrong_rows), fewest_right), len(right_rows))
    chosen = np.random.default_rng(random_state).choice(right_rows, n_right, replace=False)
    return np.concatenate([wrong_rows, chosen]), np.arange(len(wrong_rows) + n_right) < len(wrong_rows)


def _with_common_options(method):
    """Give a method the signature that all of `METHODS` share; what it has no use for is left out."""
    accepted = inspect.signature(method).parameters

    def attribute(
        estimator, X, *, grid=None, ivar=None, target=None, baseline=None, random_state=0, **options
    ):
        X = check_spectra(estimator, X)
        if grid is not None:
            check_wavelengths(grid, X.shape[1])
        if baseline is None:
            baseline = partial(remove_lines, grid=grid)
        common = {
            "grid": grid,
            "ivar": ivar,
            "target": target,
            "baseline": baseline,
            "random_state": random_state,
        }
        options |= {name: value for name, value in common.items() if name in accepted}
        result = method(estimator, X, **options)
        return result[0] if isinstance(result, tuple) else result

    return attribute


#: Name -> function (estimator, X, *, grid, ivar, target, baseline, random_state, **options) -> attributions
#: (n_spectra, n_grid); options are those of the method.
METHODS = {
    method.__name__: _with_common_options(method)
    for method in (
        gradient,
        finite_difference,
        smoothgrad,
        integrated_gradients,
        gradient_times_input,
        occlusion,
        lime,
    )
}


def explain(estimator, X, *, method="gradient", grid=None, ivar=None, target=None, random_state=0, **options):
    """Attributions by a method's name.

    Parameters
    ----------
    estimator : fitted classifier
        With ``classes_`` and ``predict_proba``.
    X : (n_spectra, n_grid) array
        Spectra, as the estimator takes them.
    method : str
        One of `METHODS`.
    grid : (n_grid,) array
        Rest wavelengths in vacuum Å; needed by ``occlusion``, ``lime``, ``gradient_times_input``, and by
        ``integrated_gradients`` without a `baseline`.
    ivar : (n_spectra, n_grid) array
        Needed by ``smoothgrad`` without a `noise_level`.
    target : label or (n_spectra,) sequence of labels, optional
        Class whose probability is explained; the most probable one of each spectrum by default.
    random_state : int, RandomState or None
    **options
        Those of the method; ``integrated_gradients`` starts from the spectrum without lines by default.

    Returns
    -------
    (n_spectra, n_grid) array
        In 1/flux for ``gradient``, ``finite_difference`` and ``smoothgrad`` (its mean), in log p a pixel
        for the others.

    Raises
    ------
    ValueError
        For an unknown method, and as the method does.
    """
    if method not in METHODS:
        raise AgnError(f"method must be one of {', '.join(METHODS)}; got {method!r}.")
    return METHODS[method](
        estimator, X, grid=grid, ivar=ivar, target=target, random_state=random_state, **options
    )


def write_saliency(path, *, name, target, attribution, grid, uncertainty=None, meta=None):
    """Write attributions as a FITS table with columns ``name, target, attribution``; whole or not at all.

    Parameters
    ----------
    path : path
        The file.
    name, target : (n_spectra,) sequences of str
        Which spectrum, and the class whose probability is explained.
    attribution : (n_spectra, n_grid) array
        In units of 1/flux, written in the precision it has: float32 is enough for maps, and half as large.
    grid : (n_grid,) array
        Rest wavelengths in vacuum Å, equally spaced; its ends go into the header.
    uncertainty : (n_spectra, n_grid) array, optional
        Standard deviation of the attribution; a fourth column.
    meta : dict, optional
        Further header entries, e.g. ``survey``.

    Raises
    ------
    ValueError
        For attributions that do not fit the grid, or an uncertainty of another shape.
    OutputError
        Where `path` does not end in .fits or cannot be written.
    """
    attribution = np.asarray(attribution)
    if attribution.ndim != 2:
        raise AgnError(f"attribution must be (n_spectra, n_grid); got shape {attribution.shape}.")
    grid = check_wavelengths(grid, attribution.shape[1])
    if uncertainty is not None and np.shape(uncertainty) != attribution.shape:
        raise AgnError(
            f"uncertainty must have the shape of attribution, {attribution.shape}; "
            f"got {np.shape(uncertainty)}."
        )
    table = Table(
        {"name": np.asarray(name, dtype=str), "target": np.asarray(target, dtype=str)},
        meta={**(meta or {}), "grid_min": grid[0], "grid_max": grid[-1], "grid_n": len(grid)},
    )
    table["attribution"] = attribution
    if uncertainty is not None:
        table["uncertainty"] = np.asarray(uncertainty)
    write_table(table, path)
