"""The paper's split, and its search for the best kernel, C and gamma on shared kernel matrices."""

import itertools
import re
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state, check_X_y

from ..classifier import ProbabilisticSVC, encode_classes, split_folds
from ..errors import AgnError
from .kernel_paths import grid_paths, make_folds, refined_paths, score_paths

#: The paper's four kernels; "poly2" is a polynomial of degree 2.
TUNED_KERNELS = ("linear", "rbf", "poly2", "poly3")

#: The paper's ranges, a point a decade; the refinement takes it from there.
C_VALUES = tuple(5.0 * 10.0**decade for decade in range(-4, 5))

GAMMA_VALUES = tuple(5.0 * 10.0**decade for decade in range(-3, 1))


class Split(NamedTuple):
    """Row numbers of the three parts of a sample."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split_sample(y, *, random_state=0, stratified=False):
    """Split a sample 64/16/20 into training, validation and test rows, as the paper does.

    80/20, then the 80 again 80/20; for the paper's 3346 spectra the sizes of its Table 2.

    Parameters
    ----------
    y : (n,) array of labels
    random_state : int, RandomState or None
        Seed of the permutation.
    stratified : bool
        Keep the classes' shares in all parts; the paper does not.

    Returns
    -------
    split : Split
        Three arrays of row numbers, without overlap, together every row.

    Raises
    ------
    ValueError
        For fewer than five rows; with `stratified`, for a class too small to be in every part.
    """
    y = np.asarray(y)
    n_train, n_validation = round(0.64 * len(y)), round(0.16 * len(y))
    n_test = len(y) - n_train - n_validation
    if min(n_train, n_validation, n_test) < 1:
        raise AgnError(f"a sample to split needs at least 5 rows; got {len(y)}; add labelled spectra.")
    random_state = check_random_state(random_state)
    if not stratified:
        order = random_state.permutation(len(y))
        return Split(*np.split(order, [n_train, n_train + n_validation]))
    rest, test = train_test_split(np.arange(len(y)), test_size=n_test, random_state=random_state, stratify=y)
    train, validation = train_test_split(
        rest, test_size=n_validation, random_state=random_state, stratify=y[rest]
    )
    return Split(train, validation, test)


def search_grid(
    X,
    y,
    *,
    kernels=TUNED_KERNELS,
    C=C_VALUES,
    gamma=GAMMA_VALUES,
    coef0=0.0,
    scaled=False,
    class_weight="balanced",
    cv=5,
    refine=True,
    n_jobs=None,
    random_state=0,
):
    """Search the best parameters of each kernel by cross-validated macro F.

    A grid over C and gamma, then steps around the best value, each half as long (in logarithm) as the one
    before, until the fourth decimal of F stands still in two rounds in a row.

    Parameters
    ----------
    X : (n_samples, n_features) array
    y : (n_samples,) array of labels
    kernels : sequence of {"linear", "rbf", "poly2", "poly3", …}
    C, gamma : sequences of positive numbers
        The grid.  For poly with coef0 = 0 only C gamma**degree matters: gamma is then held and C
        reaches further (see `agn_helpers.tuning.kernel_paths.grid_paths`).
    coef0 : float
        Constant of the polynomial kernels.
    scaled : bool
        Standardise the features first, in each fold by its training part.
    class_weight : dict, "balanced" or None
        The paper's is "balanced".
    cv : int or scikit-learn splitter
        A number means shuffled stratified folds.
    refine : bool
        Whether to go on after the grid.
    n_jobs : int, optional
        Threads.
    random_state : int, RandomState or None
        Shuffles the folds.

    Returns
    -------
    results : pandas.DataFrame
        Columns as in scikit-learn's ``cv_results_``, and ``name`` (of the kernel), ``scaled`` and ``round``
        (0: the grid).  Fit times are libsvm's alone, 0 where a smaller C had given the same machine.

    Raises
    ------
    ValueError
        For a kernel of another name, C or gamma not positive, NaN features, one class only, a class with
        fewer members than folds.
    """
    X, y = check_X_y(X, y, dtype=np.float64)
    kernels = [kernels] if isinstance(kernels, str) else list(kernels)
    if not kernels:
        raise ValueError("kernels must hold at least one kernel; got none.")
    for name in kernels:
        if name not in ("linear", "rbf") and not re.fullmatch("poly[1-9]", name):
            raise ValueError(f"kernels must be among {', '.join(TUNED_KERNELS)}; got {name!r}.")
    for name, values in (("C", C), ("gamma", gamma)):
        if not (len(values) and np.all(np.asarray(values) > 0) and np.all(np.isfinite(values))):
            raise ValueError(f"{name} must hold positive finite numbers; got {list(values)}.")
    weight = np.ones(len(y))
    classes, encoded, _ = encode_classes(y, weight, class_weight=class_weight, shape=X.shape)
    folds = split_folds(cv, X, encoded, weight, classes=classes, random_state=random_state)
    folds = make_folds(X, folds, scaled=scaled)
    options = {"class_weight": class_weight, "n_jobs": n_jobs}
    paths = [path for name in kernels for path in grid_paths(name, C, gamma, coef0)]
    rows = [row | {"round": 0} for row in score_paths(paths, folds, y, title="grid", **options)]
    best = {name: _best_row(rows, name) for name in kernels}
    still = dict.fromkeys(kernels, 0 if refine else 2)
    factor = _grid_step(C)
    for number in itertools.count(1):
        moving = [name for name in kernels if still[name] < 2]
        if not moving:
            break
        factor = np.sqrt(factor)
        paths = [path for name in moving for path in refined_paths(best[name], factor, coef0)]
        scored = score_paths(paths, folds, y, title=f"refinement {number}", **options)
        rows += [row | {"round": number} for row in scored]
        for name in moving:
            new = _best_row([best[name], *scored], name)
            gain = new["mean_test_score"] - best[name]["mean_test_score"]
            still[name] = still[name] + 1 if gain < 5e-5 else 0
            best[name] = new
    results = pd.DataFrame(rows)
    results["scaled"] = scaled
    results["rank_test_score"] = results["mean_test_score"].rank(method="min", ascending=False).astype(int)
    return results


def _grid_step(C):
    return (max(C) / min(C)) ** (1 / (len(C) - 1)) if len(C) > 1 else 10.0


def _best_row(rows, name):
    # Of equal scores the first: the smallest C of the grid, and later only what is truly better.
    return max((row for row in rows if row["name"] == name), key=lambda row: row["mean_test_score"])


def best_result(results, name=None):
    """Return the row with the highest mean score, of one kernel by `name` or of all; the first of equals.

    results : pandas.DataFrame of `search_grid`, or several of them concatenated
    Raises ValueError for a kernel that was not searched.
    """
    chosen = results if name is None else results[results["name"] == name]
    if chosen.empty:
        raise ValueError(f"name must be one of {sorted(set(results['name']))}; got {name!r}.")
    return chosen.iloc[chosen["mean_test_score"].to_numpy().argmax()]


def make_classifier(result, *, class_weight="balanced", prior="sample", random_state=0):
    """Make the classifier that a row of `search_grid` describes, not yet fitted.

    Parameters
    ----------
    result : pandas.Series
        A row, e.g. from `best_result`.
    class_weight, prior, random_state
        As in `agn_helpers.classifier.ProbabilisticSVC`; with prior "sample" the probabilities are calibrated
        to the sample's own frequencies, while the machines are balanced as the paper's.

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
