"""The paper's split, and its search for the best kernel, C and gamma on shared kernel matrices."""

import itertools
import re
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state, check_X_y

from ..classifier import ProbabilisticSVC, choose_solver, encode_classes, split_folds
from ..errors import AgnError
from .kernel_paths import grid_paths, make_folds, refined_paths, score_paths, score_primal

#: The paper's four kernels; "poly2" is a polynomial of degree 2.
TUNED_KERNELS = ("linear", "rbf", "poly2", "poly3")

#: The paper's ranges, a point a decade; the refinement takes it from there.
C_VALUES = tuple(5.0 * 10.0**decade for decade in range(-4, 5))

GAMMA_VALUES = tuple(5.0 * 10.0**decade for decade in range(-3, 1))

#: The paper's search: every kernel over both ranges.
PARAM_GRID = {name: {"C": C_VALUES, "gamma": GAMMA_VALUES} for name in TUNED_KERNELS}


# Two fibres within so many arcsec saw one object.
_SAME_OBJECT = 1.0


class Split(NamedTuple):
    """Row numbers of the three parts of a sample."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def group_repeats(sample):
    """Say which spectra of a reduced sample are repeats of one object.

    Spectra of one name, of one ``object`` or within 1 arcsec on the sky, as far as the sample tells; what
    a chain of such pairs joins is one object.

    Parameters
    ----------
    sample : astropy.table.Table
        With ``name`` and, where known, ``object, ra, dec`` (degrees).

    Returns
    -------
    (n_spectra,) array of int
        The row of each object's first spectrum.
    """
    rows = np.arange(len(sample))
    pairs = [np.empty((0, 2), dtype=int)]
    for key in {"name", "object"}.intersection(sample.colnames):
        words = np.ma.filled(np.ma.asarray(sample[key]).astype(str), "")
        first = np.unique(words, return_index=True)[1][np.unique(words, return_inverse=True)[1].ravel()]
        pairs.append(np.stack([rows, np.where(words == "", rows, first)], axis=1))
    if {"ra", "dec"} <= set(sample.colnames):
        ra, dec = (np.ma.filled(np.ma.asarray(sample[key], dtype=float), np.nan) for key in ("ra", "dec"))
        known = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
        ra, dec = np.radians(ra[known]), np.radians(dec[known])
        places = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
        chord = 2 * np.sin(np.radians(_SAME_OBJECT / 3600) / 2)
        pairs.append(known[cKDTree(places).query_pairs(chord, output_type="ndarray")])
    one, other = np.concatenate(pairs).T
    graph = coo_array((np.ones(len(one)), (one, other)), shape=(len(rows), len(rows)))
    groups = connected_components(graph, directed=False)[1]
    return np.unique(groups, return_index=True)[1][groups]


def split_sample(y, *, random_state=0, stratified=False, groups=None):
    """Split a sample 64/16/20 into training, validation and test rows, as the paper does.

    80/20, then the 80 again 80/20; for the paper's 3346 spectra the sizes of its Table 2.

    Parameters
    ----------
    y : (n,) array of labels
    random_state : int, RandomState or None
        Seed of the permutation.
    stratified : bool
        Keep the classes' shares in all parts; the paper does not.
    groups : (n,) array, optional
        Of `group_repeats`: rows of one group are in one part.  The groups are then split as rows are without
        any, each counted as its first row; where all differ the split is the same.

    Returns
    -------
    split : Split
        Three arrays of row numbers, without overlap, together every row.

    Raises
    ------
    AgnError
        For fewer than five rows and, with `stratified`, a class too small to be in every part.
    """
    y = np.asarray(y)
    if groups is not None and len(np.unique(groups)) < len(y):
        _, first, group = np.unique(groups, return_index=True, return_inverse=True)
        parts = split_sample(y[first], random_state=random_state, stratified=stratified)
        return Split(*(np.flatnonzero(np.isin(group.ravel(), part)) for part in parts))
    n_train, n_validation = round(0.64 * len(y)), round(0.16 * len(y))
    n_test = len(y) - n_train - n_validation
    if min(n_train, n_validation, n_test) < 1:
        raise AgnError(f"a sample to split needs at least 5 rows; got {len(y)}; add labelled spectra.")
    random_state = check_random_state(random_state)
    if not stratified:
        order = random_state.permutation(len(y))
        return Split(*np.split(order, [n_train, n_train + n_validation]))
    split = partial(train_test_split, random_state=random_state)
    try:
        rest, test = split(np.arange(len(y)), test_size=n_test, stratify=y)
        train, validation = split(rest, test_size=n_validation, stratify=y[rest])
    except ValueError as error:
        raise AgnError(f"every class must be in every part; {error} Leave stratified out.") from error
    return Split(train, validation, test)


def fold_sample(y, *, groups=None, n_folds=5, random_state=0):
    """Stratified folds, for cross-validation, in which no repeats of an object are on both sides.

    Parameters
    ----------
    y : (n,) array of labels
    groups : (n,) array, optional
        Of `group_repeats`.
    n_folds : int
    random_state : int
        Shuffles the folds.

    Returns
    -------
    StratifiedKFold, or list of (train, test) rows
        The latter where there are repeats.

    Raises
    ------
    AgnError
        Where a type has fewer objects than there are folds.
    """
    y = np.asarray(y)
    if groups is None or len(np.unique(groups)) == len(y):
        return StratifiedKFold(n_folds, shuffle=True, random_state=random_state)
    for name in np.unique(y):
        if (n_objects := len(np.unique(np.asarray(groups)[y == name]))) < n_folds:
            raise AgnError(f"each type needs {n_folds} objects, one a fold; got {n_objects} of {name}.")
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=random_state)
    return list(folds.split(np.zeros(len(y)), y, groups))


def tabulate_split(split, y, *, types=None):
    """Count the spectra of each type in each part.

    Parameters
    ----------
    split : Split
    y : (n,) array of labels
    types : sequence of labels, optional
        The columns, in this order; all that occur, sorted, by default.

    Returns
    -------
    pandas.DataFrame
        Index ``part``: training, validation, test.
    """
    y = np.asarray(y)
    types = np.unique(y).tolist() if types is None else list(types)
    parts = dict(zip(("training", "validation", "test"), split))
    counts = {part: [np.sum(y[rows] == name) for name in types] for part, rows in parts.items()}
    return pd.DataFrame.from_dict(counts, orient="index", columns=types).rename_axis("part")


def list_problems(y, rows):
    """The paper's two problems, by name: the rows of all types, and those of type 1 and type 2 alone.

    y : (n,) array of types; rows : (n_fitted,) array of row numbers that may be used.  The second problem
    is left out where it is the first, or one type only.
    """
    y = np.asarray(y)
    problems = {"all types": rows}
    if len(np.unique(y[rows])) == 3:
        problems["type 1 or type 2"] = rows[y[rows] != "intermediate"]
    return problems


def search_grid(
    X,
    y,
    param_grid=None,
    *,
    scaled=False,
    class_weight="balanced",
    cv=5,
    refine=True,
    solver="auto",
    n_jobs=None,
):
    """Search the best parameters of each kernel by cross-validated macro F.

    A grid over C and gamma, then steps around the best value, each half as long (in logarithm) as the one
    before, until the fourth decimal of F stands still in two rounds in a row.

    Parameters
    ----------
    X : (n_samples, n_features) array
    y : (n_samples,) array of labels
    param_grid : dict of str to dict, optional
        Kernel ("linear", "rbf", "poly2", "poly3", …) to its values of ``C``, ``gamma`` (not for linear) and
        ``coef0`` (a number, of polynomials), as in `PARAM_GRID`, the default.  For poly with coef0 = 0 only
        C gamma**degree matters: gamma is then held and C reaches further (see `kernel_paths.grid_paths`).
    scaled : bool
        Standardise the features first, in each fold by its training part.
    class_weight : dict, "balanced" or None
        The paper's is "balanced".
    cv : int, scikit-learn splitter, or list of (train, test) rows
        A number means stratified folds, shuffled with seed 0; see `fold_sample`.
    refine : bool
        Whether to go on after the grid.
    solver : {"auto", "libsvm", "primal"}
        As of `agn_helpers.classifier.ProbabilisticSVC`; "auto" is "libsvm" for up to 12 000 spectra.  With
        "primal" X may be memory-mapped, and each C starts from the one before.
    n_jobs : int, optional
        Threads.

    Returns
    -------
    results : pandas.DataFrame
        Columns as in scikit-learn's ``cv_results_``, and ``name`` (of the kernel), ``scaled`` and ``round``
        (0: the grid).  Fit times are libsvm's alone, 0 where a smaller C had given the same solution.

    Raises
    ------
    AgnError
        For a kernel of another name, C or gamma not positive, NaN features, one class only, a class with
        fewer members than folds.
    """
    try:
        X, y = check_X_y(X, y, dtype=[np.float64, np.float32])
    except ValueError as error:
        raise AgnError(
            f"X and y must be finite fluxes and their labels; {str(error).splitlines()[0]}"
        ) from error
    grid = _check_grid(PARAM_GRID if param_grid is None else param_grid)
    weight = np.ones(len(y))
    classes, encoded, factors = encode_classes(y, weight, class_weight=class_weight, shape=X.shape)
    if isinstance(class_weight, Mapping):
        class_weight = dict(enumerate(factors))
    folds = split_folds(cv, X, encoded, weight, classes=classes, random_state=0)
    options = {"y": encoded, "class_weight": class_weight, "n_jobs": n_jobs}
    if choose_solver(solver, "linear", len(X)) == "primal":
        score = partial(score_primal, folds=folds, X=X, scaled=scaled, **options)
    else:
        folds = make_folds(X.astype(float, copy=False), folds, scaled=scaled)
        score = partial(score_paths, folds=folds, **options)
    paths = [path for name, values in grid.items() for path in grid_paths(name, **values)]
    rows = [row | {"round": 0} for row in score(paths, title="grid")]
    if refine:
        rows += _refine(rows, grid, score)
    results = pd.DataFrame(rows).assign(scaled=scaled)
    results["rank_test_score"] = results["mean_test_score"].rank(method="min", ascending=False).astype(int)
    return results


def _check_grid(param_grid):
    """Give every kernel of a grid all its values; AgnError for a kernel or a value that cannot be."""
    if not param_grid:
        raise AgnError("param_grid must hold at least one kernel; got none.")
    grid = {}
    for name, values in param_grid.items():
        if name not in ("linear", "rbf") and not re.fullmatch("poly[1-9]", name):
            raise AgnError(f"a kernel must be one of {', '.join(TUNED_KERNELS)}; got {name!r}.")
        if unknown := set(values) - {"C", "gamma", "coef0"}:
            raise AgnError(f"a kernel has values of C, gamma and coef0; got {unknown.pop()!r} of {name}.")
        grid[name] = {"C": (), "gamma": (1.0,) if name == "linear" else (), "coef0": 0.0, **values}
        for key in ("C", "gamma"):
            numbers = np.asarray(grid[name][key], dtype=float)
            if not (numbers.size and np.all(numbers > 0) and np.all(np.isfinite(numbers))):
                raise AgnError(f"{key} of {name} must hold positive finite numbers; got {numbers.tolist()}.")
    return grid


def _refine(rows, grid, score):
    """Rows of steps around the best of each kernel, each half as long, until F stands still twice."""
    best = {name: _best_row(rows, name) for name in grid}
    factor = {name: _grid_step(values["C"]) for name, values in grid.items()}
    still, found = dict.fromkeys(grid, 0), []
    for number in itertools.count(1):
        moving = [name for name in grid if still[name] < 2]
        if not moving:
            return found
        paths = []
        for name in moving:
            factor[name] = np.sqrt(factor[name])
            paths += refined_paths(best[name], factor[name], grid[name]["coef0"])
        scored = score(paths, title=f"refinement {number}")
        found += [row | {"round": number} for row in scored]
        for name in moving:
            new = _best_row([best[name], *scored], name)
            gain = new["mean_test_score"] - best[name]["mean_test_score"]
            still[name] = still[name] + 1 if gain < 5e-5 else 0
            best[name] = new


def _grid_step(C):
    return (max(C) / min(C)) ** (1 / (len(C) - 1)) if len(C) > 1 else 10.0


def _best_row(rows, name):
    # Of equal scores the first: the smallest C of the grid, and later only what is truly better.
    return max((row for row in rows if row["name"] == name), key=lambda row: row["mean_test_score"])


def best_result(results, name=None):
    """Return the row with the highest mean score, of one kernel by `name` or of all; the first of equals.

    results : pandas.DataFrame of `search_grid`, or several of them concatenated
    Raises AgnError for a kernel that was not searched.
    """
    chosen = results if name is None else results[results["name"] == name]
    if chosen.empty:
        raise AgnError(f"name must be one of {sorted(set(results['name']))}; got {name!r}.")
    return chosen.iloc[chosen["mean_test_score"].to_numpy().argmax()]


def make_classifier(result, *, class_weight="balanced", prior="sample", random_state=0):
    """Make the classifier that a row of `search_grid` describes, not yet fitted.

    Parameters
    ----------
    result : pandas.Series
        A row, e.g. from `best_result`.
    class_weight, prior, random_state
        As in `agn_helpers.classifier.ProbabilisticSVC`; with prior "sample" the probabilities are calibrated
        to the sample's own frequencies, while the SVMs are balanced as the paper's.

    Returns
    -------
    classifier : sklearn.pipeline.Pipeline
        Steps ``scale`` (a StandardScaler, or "passthrough") and ``classify``.
    """
    # SVC's tolerance, with which the candidates were compared.
    classifier = ProbabilisticSVC(
        **result["params"], class_weight=class_weight, prior=prior, tol=1e-3, random_state=random_state
    )
    scale = StandardScaler() if result["scaled"] else "passthrough"
    return Pipeline([("scale", scale), ("classify", classifier)])


# Of places in units of their standard deviation.
_PLANE_GRID = {"C": [0.1, 1, 10, 100], "gamma": [0.5, 2, 8, 32]}


def classify_plane(places, y, *, rows=None, random_state=0):
    """Train an rbf SVM on places, with the C and gamma of the best cross-validated macro F.

    Parameters
    ----------
    places : (n_spectra, 2) array
        Coordinates on a map.
    y : (n_spectra,) array of labels
    rows : (n_train,) array of int, optional
        Those to train on, of two types at least, two spectra each; all by default.
    random_state : int
        Shuffles the folds, of which there are three, or two where a class has two spectra.

    Returns
    -------
    ProbabilisticSVC
        Fitted to the places as they are.

    Raises
    ------
    AgnError
        For a class of one spectrum, or one class only.
    """
    places, y = np.asarray(places, dtype=float), np.asarray(y)
    rows = np.arange(len(y)) if rows is None else rows
    centre, unit = places.mean(axis=0), places.std()
    rarest = np.unique(y[rows], return_counts=True)[1]
    if len(rarest) < 2 or rarest.min() < 2:
        raise AgnError(f"places must be of two types, of two spectra each; got {rarest.tolist()} of a type.")
    folds = StratifiedKFold(min(3, rarest.min()), shuffle=True, random_state=random_state)
    results = search_grid(
        (places[rows] - centre) / unit, y[rows], {"rbf": _PLANE_GRID}, cv=folds, refine=False
    )
    best = best_result(results)
    return ProbabilisticSVC(
        C=best["param_C"],
        gamma=best["param_gamma"] / unit**2,
        class_weight="balanced",
        random_state=random_state,
    ).fit(places[rows], y[rows])
