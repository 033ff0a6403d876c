"""Are the maps true?  Every method against every test, in one table."""

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from ..errors import AgnError
from ..saliency import check_spectra, check_wavelengths, find_target, remove_lines
from .curves import measure_curves
from .ground_truth import measure_relevance
from .sanity import measure_sanity
from .similarity import check_draws, choose_methods, summarise_values
from .stability import measure_stability

#: The parts of the table.
MEASURES = ("curves", "sanity", "stability", "ground_truth")

#: Methods whose maps are derivatives, per unit flux; to predict what a replacement does they are multiplied
#: by the flux that it takes away.
PER_FLUX = ("gradient", "finite_difference", "smoothgrad")


def measure_faithfulness(
    estimator,
    X,
    *,
    grid,
    X_train=None,
    y_train=None,
    ivar=None,
    methods=None,
    measures=MEASURES,
    per_flux=PER_FLUX,
    n_explained=20,
    n_repeats=2,
    n_pairs=300,
    n_bootstrap=500,
    intervals=False,
    random_state=0,
):
    """Table of methods and measures of faithfulness.

    Parameters
    ----------
    estimator : fitted classifier
        Each map explains log p of the class that it predicts.
    X : (n_spectra, n_grid) array
        Spectra on which it was not trained; all are used for the curves.
    grid : (n_grid,) array
        Rest wavelengths in vacuum Å.
    X_train, y_train : (n_train, n_grid) and (n_train,) arrays
        Its training set; needed by "sanity".
    ivar : (n_spectra, n_grid) array
        Needed by ``smoothgrad``, and by stability under noise, which is left out without it.
    methods : sequence of str or dict, optional
        See `agn_helpers.faithfulness.similarity.choose_methods`; all by default.
    measures : sequence of str
        Of `MEASURES`.
    per_flux : sequence of str
        Methods whose maps are multiplied by (flux - reference) before they order the replacements.
    n_explained : int
        Of X, drawn at random, for "sanity" and "stability"; and held-out synthetic spectra for
        "ground_truth".
    n_repeats, n_pairs : int
        Models a sanity check and sets of pairs; pairs a set.
    n_bootstrap : int
        For the intervals.
    intervals : bool
        Add ``<column>_low`` and ``<column>_high``, 95 % bootstrap intervals.
    random_state : int, RandomState or None

    Returns
    -------
    pandas.DataFrame
        Index ``method``.  Columns, one level, by measure:

        - ``deletion_pixels, insertion_pixels, deletion_segments, insertion_segments``: mean area under the
          curve of p (`measure_curves`; a true map deletes to less and inserts to more), with rows "random
          order" and "|flux - continuum|" for comparison;
        - ``<check>`` and ``<check>_absolute``: rank correlation with the maps of changed models
          (`measure_sanity`): low for "labels_permuted" and "dual_shuffled", high for "another_seed" and
          "half_the_sample";
        - ``stable_<change>``: rank correlation with the maps of changed spectra (`measure_stability`);
        - ``rank_one_host, mass_one_host, rank_each_host, mass_each_host``: relevance within known windows
          (`measure_relevance`; of the synthetic survey whatever X is), with the row "random order" as what
          a random map has.

    Raises
    ------
    ValueError
        For NaN, X on another grid, no draws, unknown methods or measures, no training set for "sanity".
    """
    X = check_spectra(estimator, X)
    grid = check_wavelengths(grid, X.shape[1])
    methods = choose_methods(methods)
    unknown = [name for name in measures if name not in MEASURES]
    if unknown or not len(measures):
        raise AgnError(f"measures must be among {', '.join(MEASURES)}; got {', '.join(unknown) or 'none'}.")
    for name, number in {
        "n_explained": n_explained,
        "n_repeats": n_repeats,
        "n_bootstrap": n_bootstrap,
    }.items():
        check_draws(number, name)
    if "sanity" in measures and (X_train is None or y_train is None):
        raise AgnError(
            "sanity checks train anew; give X_train and y_train, or leave 'sanity' out of measures."
        )
    ivar = None if ivar is None else np.asarray(ivar, dtype=float)
    random_state = check_random_state(random_state)
    seed = random_state.randint(2**31 - 1)
    shown = np.sort(random_state.permutation(len(X))[:n_explained])
    common = {"methods": methods, "n_bootstrap": n_bootstrap, "random_state": seed}
    part = {"grid": grid, "ivar": None if ivar is None else ivar[shown], **common}

    rows = []
    if "curves" in measures:
        rows += _curve_rows(estimator, X, grid, ivar, methods, per_flux, n_bootstrap, seed)
    if "sanity" in measures:
        table = measure_sanity(estimator, X[shown], X_train, y_train, n_repeats=n_repeats, **part)
        rows += _rows(table, "check", {"signed": "{}", "absolute": "{}_absolute"})
    if "stability" in measures:
        table = measure_stability(estimator, X[shown], **part)
        rows += _rows(table, "change", {"signed": "stable_{}"})
    if "ground_truth" in measures:
        for hosts in ("one", "each"):
            table = measure_relevance(
                hosts=hosts, n_pairs=n_pairs, n_repeats=n_repeats, n_explained=n_explained, **common
            ).assign(hosts=f"{hosts} host")
            rows += _rows(table, "hosts", {"rank": "rank_{}", "mass": "mass_{}"})
            chance = table["windows"].iloc[0]
            rows += [("random order", f"{kind}_{hosts}_host", *[chance] * 3) for kind in ("rank", "mass")]
    return _pivot(rows, intervals)


def find_relevances(estimator, X, *, grid, ivar=None, methods=None, per_flux=PER_FLUX, random_state=0):
    """What each method's map says that the lines add to log p, pixel by pixel.

    Parameters
    ----------
    estimator, X, grid, ivar, methods, per_flux, random_state
        As in `measure_faithfulness`.

    Returns
    -------
    dict of str to (n_spectra, n_grid) array
        For `agn_helpers.faithfulness.curves`: maps in log p a pixel as they are, derivatives times the flux
        above the local continuum.

    Raises
    ------
    ValueError
        For NaN, X on another grid, unknown methods.
    """
    X = check_spectra(estimator, X)
    above = X - remove_lines(X, grid)
    options = {"grid": grid, "ivar": ivar, "random_state": random_state}
    options["target"] = estimator.classes_[find_target(estimator, X)]
    return {
        name: method(estimator, X, **options) * (above if name in per_flux else 1)
        for name, method in choose_methods(methods).items()
    }


def _curve_rows(estimator, X, grid, ivar, methods, per_flux, n_bootstrap, seed):
    relevances = find_relevances(
        estimator, X, grid=grid, ivar=ivar, methods=methods, per_flux=per_flux, random_state=seed
    )
    areas = measure_curves(estimator, X, relevances, grid=grid, random_state=seed)
    rows = []
    for (name, unit), group in areas.groupby(["name", "unit"], sort=False):
        for kind in ("deletion", "insertion"):
            summary = summarise_values(
                group[kind].to_numpy(), statistic=np.mean, n_bootstrap=n_bootstrap, random_state=seed
            )
            rows.append((name, f"{kind}_{unit}", *summary))
    return rows


def _rows(table, key, names):
    """Rows (method, column, value, low, high) of a table of one test; `names`: its values -> column names."""
    rows = []
    for record in table.to_dict("records"):
        for value, name in names.items():
            column = name.format(record[key].replace(" ", "_"))
            low, high = (record.get(f"{value}_{end}", record.get(end)) for end in ("low", "high"))
            rows.append((record["method"], column, record[value], low, high))
    return rows


def _pivot(rows, intervals):
    long = pd.DataFrame(rows, columns=["method", "column", "value", "low", "high"])
    wide = {}
    for column, group in long.groupby("column", sort=False):
        group = group.set_index("method")
        wide[column] = group["value"]
        if intervals:
            wide |= {f"{column}_low": group["low"], f"{column}_high": group["high"]}
    return pd.DataFrame(wide).loc[pd.unique(long["method"])].rename_axis("method")
