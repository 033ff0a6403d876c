"""Are attributions true?  Every method against four kinds of tests, in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from ..classifier import TrainedModel
from ..reduction import sample_arrays, sample_grid
from ..saliency import TargetScore, check_spectra, find_target, remove_lines
from .curves import curve_area, measure_curves
from .ground_truth import measure_relevance
from .sanity import measure_sanity, measure_stability
from .similarity import check_draws, choose_methods

if TYPE_CHECKING:
    from astropy.table import Table

#: Methods whose maps are derivatives, per unit flux; to predict what a replacement does they are multiplied
#: by the flux that it takes away.
PER_FLUX = ("gradient", "finite_difference", "smoothgrad")


class Faithfulness(NamedTuple):
    """What four kinds of tests found.

    Attributes
    ----------
    table : pandas.DataFrame
        See `join_measures`.
    curves, sanity, stability, relevance : pandas.DataFrame
        Of `measure_curves`, `measure_sanity`, `measure_stability` and `measure_relevance` (with a column
        ``hosts``), the last three with their intervals.
    """

    table: pd.DataFrame
    curves: pd.DataFrame
    sanity: pd.DataFrame
    stability: pd.DataFrame
    relevance: pd.DataFrame


def measure_faithfulness(
    model: Any,
    sample: Table,
    known: Table,
    *,
    methods: Sequence[str] | Mapping[str, Any] | None = None,
    n_explained: int = 20,
    n_pairs: int = 300,
    random_state: int | np.random.RandomState | None = 0,
) -> Faithfulness:
    """Test the methods by deletion, changed models, changed spectra and a known truth.

    Parameters
    ----------
    model : TrainedModel or fitted classifier
        Each map explains log p of the class that it predicts.
    sample : astropy.table.Table
        Reduced spectra on which it was not trained; all are used for the curves.
    known : astropy.table.Table
        The reduced spectra on which it was trained.
    methods : sequence of str or dict, optional
        See `agn_helpers.faithfulness.similarity.choose_methods`; all by default.
    n_explained : int
        Of the sample, drawn at random, for sanity and stability; and held-out synthetic spectra for
        relevance.
    n_pairs : int
        Pairs of synthetic spectra that differ in known windows, in each of two sets.
    random_state : int, RandomState or None

    Returns
    -------
    Faithfulness

    Raises
    ------
    AgnError
        For samples on another grid or normalised otherwise, no draws, unknown methods.
    """
    estimator = model.estimator if isinstance(model, TrainedModel) else model
    if isinstance(model, TrainedModel):
        model.check_sample(sample)
        model.check_sample(known)
    X, grid, ivar = sample_arrays(sample)[0], sample_grid(sample), np.asarray(sample["ivar"], dtype=float)
    X = check_spectra(estimator, X)
    check_draws(n_explained, "n_explained")
    rng = check_random_state(random_state)
    seed = rng.randint(2**31 - 1)
    shown = np.sort(rng.permutation(len(X))[:n_explained])
    common = {"methods": choose_methods(methods), "random_state": seed}
    few = {"grid": grid, "ivar": ivar[shown], **common}

    relevances = find_relevances(estimator, X, grid=grid, ivar=ivar, **common)
    curves = measure_curves(TargetScore(estimator, X, of="p"), X, relevances, grid=grid, random_state=seed)
    sanity = measure_sanity(estimator, X[shown], sample_arrays(known), n_repeats=2, **few)
    stability = measure_stability(estimator, X[shown], **few)
    sets = {"n_pairs": n_pairs, "n_repeats": 2, "n_explained": n_explained, **common}
    relevance = pd.concat(
        [measure_relevance(hosts=hosts, **sets).assign(hosts=hosts) for hosts in ("one", "each")]
    )
    table = join_measures(curves, sanity, stability, relevance)
    return Faithfulness(table, curves, sanity, stability, relevance)


def join_measures(curves, sanity, stability, relevance):
    """Join the four tables of `Faithfulness` into one.

    Returns
    -------
    pandas.DataFrame
        Index ``method``, with rows "random order" (what a random map has) and "|flux - continuum|" for
        comparison.  Columns:

        - ``deletion_pixels, insertion_pixels, deletion_segments, insertion_segments``: mean area under the
          curve of p (a true map deletes to less and inserts to more);
        - ``<check>`` and ``<check>_absolute``: rank correlation with the maps of changed models: low for
          "labels_permuted" and "dual_shuffled", high for "another_seed" and "half_the_sample";
        - ``stable_<change>``: rank correlation with the maps of changed spectra;
        - ``rank_one_host, mass_one_host, rank_each_host, mass_each_host``: relevance within known windows.
    """
    areas = pd.Series(curve_area(curves.to_numpy()), curves.index)
    areas = areas.groupby(["name", "unit", "kind"], sort=False).mean()
    methods = areas.index.unique("name").rename("method")
    kinds = {"signed": "", "absolute": "_absolute"}
    checked = sanity.set_index(["method", "check"]).rename(columns=kinds)[list(kinds.values())]
    hosts = relevance.set_index(["method", "hosts"])[["rank", "mass"]]
    for name, group in relevance.groupby("hosts", sort=False):
        hosts.loc[("random order", name), :] = group["windows"].iloc[0]
    parts = [
        _spread(areas, "{1}_{0}"),
        _spread(checked.stack(), "{0}{1}"),
        _spread(stability.set_index(["method", "change"])["signed"], "stable_{0}"),
        _spread(hosts.stack(), "{1}_{0}_host"),
    ]
    return pd.concat([part.reindex(methods) for part in parts], axis=1)


def _spread(values, form):
    """Give each method of a Series a row and each of its other keys a column, named by `form` of the keys."""
    table = {}
    for (method, *keys), value in values.items():
        table.setdefault(form.format(*keys).replace(" ", "_"), {})[method] = value
    return pd.DataFrame(table)


def find_relevances(estimator, X, *, grid, ivar=None, methods=None, random_state=0):
    """What each method's map says that the lines add to log p, pixel by pixel.

    Parameters
    ----------
    estimator : fitted classifier
    X : (n_spectra, n_grid) array
    grid : (n_grid,) array
        Rest wavelengths in vacuum Å.
    ivar : (n_spectra, n_grid) array, optional
        Needed by ``smoothgrad``.
    methods : see `agn_helpers.faithfulness.similarity.choose_methods`
    random_state : int, RandomState or None

    Returns
    -------
    dict of str to (n_spectra, n_grid) array
        For `measure_curves`: maps in log p a pixel as they are, those of `PER_FLUX` times the flux above the
        local continuum.

    Raises
    ------
    AgnError
        For NaN, X on another grid, unknown methods.
    """
    X = check_spectra(estimator, X)
    above = X - remove_lines(X, grid)
    options = {"grid": grid, "ivar": ivar, "random_state": random_state}
    options["target"] = estimator.classes_[find_target(estimator, X)]
    return {
        name: method(estimator, X, **options) * (above if name in PER_FLUX else 1)
        for name, method in choose_methods(methods).items()
    }
