"""How alike two attribution maps of one spectrum are, and the interval of a statistic over many."""

import numpy as np
from scipy.stats import rankdata
from sklearn.utils import check_random_state

from ..errors import AgnError
from ..saliency import METHODS


def correlate_ranks(maps, others, *, absolute=False):
    """Spearman's rank correlation of maps, spectrum by spectrum.

    Parameters
    ----------
    maps, others : (n_spectra, n_grid) arrays
    absolute : bool
        Compare |maps|: which pixels matter, whatever their sign.  Signed ranks ask more, and miss a map that
        is the same but for its sign; a table should hold both (Adebayo et al. 2018, their section 4).

    Returns
    -------
    (n_spectra,) array
        From -1 to 1; 0 where one of the two maps is constant, which agrees with nothing.

    Raises
    ------
    AgnError
        For two shapes, or NaN.

    Notes
    -----
    Pixels where both maps are exactly zero are left out: a method that never attributes anything to the
    continuum would else agree with itself on that, whatever the model.
    """
    maps, others = np.asarray(maps, dtype=float), np.asarray(others, dtype=float)
    if maps.ndim != 2 or maps.shape != others.shape:
        raise AgnError(f"two sets of maps must have one shape; got {maps.shape} and {others.shape}.")
    if not (np.isfinite(maps).all() and np.isfinite(others).all()):
        raise AgnError("maps must be finite; one holds NaN or infinity. Leave its spectrum out.")
    if absolute:
        maps, others = np.abs(maps), np.abs(others)
    return np.array([_correlate_pair(*pair) for pair in zip(maps, others)])


def _correlate_pair(first, second):
    used = (first != 0) | (second != 0)
    ranks = [rankdata(each[used]) - (used.sum() + 1) / 2 for each in (first, second)]
    norm = np.sqrt(np.prod([rank @ rank for rank in ranks]))
    return ranks[0] @ ranks[1] / norm if norm > 0 else 0.0


def summarise_values(values, *, statistic=np.median, n_bootstrap=500, random_state=0):
    """Median of values, or another statistic, and its 95 % bootstrap interval.

    Parameters
    ----------
    values : (n_repeats, n_spectra) array
        Repeats (of a model, of a draw) and, within each bootstrap sample of them, spectra are drawn anew:
        spectra that one model explains do not tell how the next model would.  One repeat: spectra alone.
    statistic : function
        Of an array, along an ``axis``; `numpy.mean` where a median would hide the few that count.
    n_bootstrap : int
    random_state : int, RandomState or None

    Returns
    -------
    value, low, high : float

    Raises
    ------
    AgnError
        For no bootstrap samples.
    """
    check_draws(n_bootstrap, "n_bootstrap")
    random_state = check_random_state(random_state)
    values = np.atleast_2d(values)
    n_repeats, n_spectra = values.shape
    drawn = np.empty((n_bootstrap, n_repeats, n_spectra))
    for each in drawn:
        repeats = random_state.randint(n_repeats, size=(n_repeats, 1))
        each[:] = values[repeats, random_state.randint(n_spectra, size=(1, n_spectra))]
    interval = np.quantile(statistic(drawn, axis=(1, 2)), [0.025, 0.975])
    return float(statistic(values)), *map(float, interval)


def check_draws(number, name):
    """AgnError for fewer than one draw."""
    if number < 1:
        raise AgnError(f"{name} must be at least 1; got {number}.")


def choose_methods(methods=None):
    """Methods by name, as a dict of functions.

    Parameters
    ----------
    methods : sequence of str, dict or None
        Names in `agn_helpers.saliency.METHODS`, or names with functions (estimator, X, *, grid, ivar,
        target, random_state) -> (n_spectra, n_grid); all of `METHODS` by default.

    Raises
    ------
    AgnError
        For an unknown name, and for none.
    """
    if isinstance(methods, dict):
        chosen = dict(methods)
    else:
        names = list(METHODS) if methods is None else [methods] if isinstance(methods, str) else methods
        unknown = [name for name in names if name not in METHODS]
        if unknown:
            raise AgnError(f"methods must be among {', '.join(METHODS)}; got {', '.join(unknown)}.")
        chosen = {name: METHODS[name] for name in names}
    if not chosen:
        raise AgnError("methods must hold at least one method; got none.")
    return chosen
