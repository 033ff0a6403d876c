"""Attributions: how much each wavelength moves the probability of a class."""

import numpy as np
from astropy.table import Table
from sklearn.utils import check_array
from tqdm import tqdm

from .checks import encode_target
from .errors import AgnError
from .files import write_table

# Below this share of a spectrum's median |flux| a relative step would drown in rounding.
_SMALLEST_FLUX = 1e-3


def finite_difference(estimator, X, *, target=None, step=0.01, of="log_p", batch_size=4096):
    """Forward difference of a class's probability, one wavelength after the other.

    The saliency map of Peruzzi et al. 2021 (section 4.1): flux f_i is raised by e_i = `step` f_i and the
    attribution of wavelength i is [log p(f + e_i) - log p(f)] / e_i. Where f_i is nearer to zero than a
    thousandth of the spectrum's median |flux|, e_i is `step` times that instead.

    Parameters
    ----------
    estimator : fitted classifier
        With ``classes_`` and ``predict_proba``; ``predict_log_proba`` is used where it exists.
    X : (n_spectra, n_grid) array
        Spectra, as the estimator takes them.
    target : str or (n_spectra,) sequence of str, optional
        Class whose probability is explained; the most probable one of each spectrum by default.
    step : float
        Relative size of the step.
    of : {"log_p", "p"}
        Differentiate log p, as the paper says, or p, as its published code does.
    batch_size : int
        Spectra that are classified at once; it bounds the memory at any number of spectra.

    Returns
    -------
    (n_spectra, n_grid) array
        Attributions in units of 1/flux; positive where more flux raises the target's probability.

    Raises
    ------
    ValueError
        For NaN, an unknown target, an estimator without ``predict_proba``, a step that is not positive,
        or log p of a class whose probability is zero.
    """
    X = check_array(X, dtype=np.float64, input_name="X")
    column = find_target(estimator, X, target=target)
    if not (np.isfinite(step) and step > 0):
        raise AgnError(f"step must be positive; got {step}.")
    if of not in ("log_p", "p"):
        raise AgnError(f"of must be 'log_p' or 'p'; got {of!r}.")
    if batch_size < 1:
        raise AgnError(f"batch_size must be at least 1; got {batch_size}.")

    start = _score(estimator, X, of)[np.arange(len(X)), column]
    hopeless = np.flatnonzero(~np.isfinite(start))
    if len(hopeless):
        raise AgnError(
            f"log p has no derivative where p is 0; spectrum {hopeless[0]} has it for target "
            f"{estimator.classes_[column[hopeless[0]]]!r}. Use of='p' or another target."
        )
    floor = _SMALLEST_FLUX * np.median(np.abs(X), axis=1, keepdims=True)
    steps = step * np.where(np.abs(X) > floor, X, np.where(floor > 0, floor, 1))

    attribution = np.empty(X.shape)
    # No bar in notebooks, whose pages would keep it.
    for first in tqdm(range(0, X.size, batch_size), desc="saliency", unit="batch", delay=2, disable=None):
        rows, pixels = np.divmod(np.arange(first, min(first + batch_size, X.size)), X.shape[1])
        raised = X[rows]
        raised[np.arange(len(rows)), pixels] += steps[rows, pixels]
        score = _score(estimator, raised, of)[np.arange(len(rows)), column[rows]]
        attribution[rows, pixels] = (score - start[rows]) / steps[rows, pixels]
    return attribution


def find_target(estimator, X, *, target=None):
    """Column of ``predict_proba`` that is explained for each spectrum.

    Parameters
    ----------
    estimator : fitted classifier
        With ``classes_`` and ``predict_proba``.
    X : (n_spectra, n_grid) array
        Spectra.
    target : str or (n_spectra,) sequence of str, optional
        One class for all or one each; the most probable one of each spectrum by default.

    Returns
    -------
    (n_spectra,) array of int

    Raises
    ------
    ValueError
        For an unknown class, another number of them, an estimator without ``predict_proba``.
    """
    if not hasattr(estimator, "predict_proba"):
        raise AgnError(f"the estimator must have predict_proba; {type(estimator).__name__} has none.")
    if target is None:
        return np.argmax(estimator.predict_proba(X), axis=1)
    return encode_target(target, np.asarray(estimator.classes_), len(X))


def write_saliency(path, *, name, target, attribution, grid, meta=None):
    """Write attributions as a FITS table with columns ``name, target, attribution``; whole or not at all.

    Parameters
    ----------
    path : path
        The file.
    name, target : (n_spectra,) sequences of str
        Which spectrum, and the class whose probability is explained.
    attribution : (n_spectra, n_grid) array
        In units of 1/flux.
    grid : (n_grid,) array
        Rest wavelengths in vacuum Å, equally spaced; its ends go into the header.
    meta : dict, optional
        Further header entries, e.g. ``survey``.

    Raises
    ------
    OutputError
        Where `path` does not end in .fits or cannot be written.
    """
    table = Table(
        {"name": np.asarray(name, dtype=str), "target": np.asarray(target, dtype=str)},
        meta={**(meta or {}), "grid_min": grid[0], "grid_max": grid[-1], "grid_n": len(grid)},
    )
    table["attribution"] = np.asarray(attribution)
    write_table(table, path)


def _score(estimator, X, of):
    if of == "p":
        return estimator.predict_proba(X)
    # Minus infinity is met by the caller.
    with np.errstate(divide="ignore"):
        if hasattr(estimator, "predict_log_proba"):
            return estimator.predict_log_proba(X)
        return np.log(estimator.predict_proba(X))
