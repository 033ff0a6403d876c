"""Cross-validated scores of many support vector machines on shared kernel matrices."""

import time
from functools import partial
from typing import NamedTuple

import numpy as np
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.parallel import Parallel, delayed
from tqdm.auto import tqdm

from ..classifier import Kernel, decide_along


class CPath(NamedTuple):
    """A kernel with increasing values of C.

    name : str, e.g. "poly2"
    kernel : Kernel
    costs : (n_costs,) array
    """

    name: str
    kernel: Kernel
    costs: np.ndarray


class Fold(NamedTuple):
    """What all kernels share in one fold: dot products and squared norms.

    train, held : row numbers
    train_products : (n_train, n_train) array
    held_products : (n_held, n_train) array
    norms, held_norms : (n_train,) and (n_held,) arrays
    """

    train: np.ndarray
    held: np.ndarray
    train_products: np.ndarray
    held_products: np.ndarray
    norms: np.ndarray
    held_norms: np.ndarray


def make_folds(X, splits, *, scaled):
    """Prepare the dot products of every fold.

    Parameters
    ----------
    X : (n_samples, n_features) array
    splits : iterable of (train, held) row numbers
    scaled : bool
        Standardise the features, with means and deviations of the training part only.

    Returns
    -------
    folds : list of Fold
        Together about n_folds * n_train**2 * 8 bytes.
    """
    products = None if scaled else X @ X.T
    folds = []
    for train, held in splits:
        if scaled:
            # As in a pipeline, the scaler sees only the training part, so each fold has its own products.
            scaler = StandardScaler().fit(X[train])
            Z, Z_held = scaler.transform(X[train]), scaler.transform(X[held])
            train_products, held_products = Z @ Z.T, Z_held @ Z.T
            held_norms = np.einsum("ij,ij->i", Z_held, Z_held)
        else:
            train_products = products[np.ix_(train, train)]
            held_products = products[np.ix_(held, train)]
            held_norms = products.diagonal()[held]
        norms = train_products.diagonal().copy()
        folds.append(Fold(train, held, train_products, held_products, norms, held_norms))
    return folds


def _score_path(path, fold, y, class_weight):
    """Macro F on the held-out part for increasing C, with the times of fit and prediction: (n_costs, 3)."""
    kernel, costs, truth = path.kernel, path.costs, y[fold.held]
    values = kernel.apply(fold.train_products, fold.norms, fold.norms)
    held_values = kernel.apply(fold.held_products, fold.held_norms, fold.norms)
    rows, previous = [], None
    for C in costs:
        start = time.perf_counter()
        svm = SVC(C=C, kernel="precomputed", class_weight=class_weight).fit(values, y[fold.train])
        fitted = time.perf_counter()
        score = _score_macro(truth, _vote(svm, held_values))
        rows.append((score, fitted - start, time.perf_counter() - fitted))
        solution = (svm.support_.tobytes(), svm.dual_coef_.tobytes())
        # The same, bit by bit, for two values of C: no multiplier touches its bound, nor will for larger C.
        if solution == previous:
            break
        previous = solution
    rows += [(rows[-1][0], 0.0, 0.0)] * (len(costs) - len(rows))
    return np.array(rows)


def _vote(svm, values):
    """What `SVC.predict` says of a Gram matrix (n, n_train), by one product: (n,) places in its classes."""
    n_classes = len(svm.classes_)
    owner = np.repeat(np.arange(n_classes), svm.n_support_)
    pairs = list(zip(*np.triu_indices(n_classes, 1)))
    coef = np.zeros((values.shape[1], len(pairs)))
    for number, (first, second) in enumerate(pairs):
        # Row r of libsvm's coefficients is that of a class against the r-th of the others.
        for own, row in ((first, second - 1), (second, first)):
            coef[svm.support_[owner == own], number] = svm.dual_coef_[row, owner == own]
    for_first = values @ coef + svm.intercept_ > 0
    if n_classes == 2:
        # Of two classes scikit-learn turns the sign.
        for_first = ~for_first
    return _count_votes(for_first, n_classes)


def _count_votes(for_first, n_classes):
    """The class that wins most of its pairs (n, n_pairs), the first of equals, as libsvm has it: (n,)."""
    votes = np.zeros((len(for_first), n_classes), dtype=int)
    pairs = zip(*np.triu_indices(n_classes, 1))
    for (first, second), is_first in zip(pairs, for_first.T):
        votes[:, first] += is_first
        votes[:, second] += ~is_first
    return votes.argmax(axis=1)


def _score_macro(truth, predicted):
    """Macro F of places of classes (n,), as scikit-learn's `f1_score` gives it."""
    n_classes = max(truth.max(), predicted.max()) + 1
    counts = np.bincount(truth * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)
    total = counts.sum(axis=0) + counts.sum(axis=1)
    return np.mean(2 * counts.diagonal()[total > 0] / total[total > 0])


def score_paths(paths, folds, y, *, class_weight, n_jobs=None, title=""):
    """Score kernels at increasing values of C on every fold.

    Parameters
    ----------
    paths : list of CPath
    folds : list of Fold
    y : (n_samples,) int array
        Classes from 0 on; each fold trains on all of them.
    class_weight : dict, "balanced" or None
    n_jobs : int, optional
        Threads; libsvm works outside Python's lock.
    title : str
        Of the progress bar, which shows after two seconds.

    Returns
    -------
    rows : list of dict
        A row a path and C, keys as in scikit-learn's ``cv_results_``.
    """
    score = partial(_score_path, y=y, class_weight=class_weight)
    return _score_all(score, paths, folds, n_jobs=n_jobs, title=title)


def _score_all(score, paths, folds, *, n_jobs, title):
    """Rows of a function of path and fold that gives (n_costs, 3)."""
    tasks = [(path, fold) for path in paths for fold in folds]
    scored = Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")(
        delayed(score)(path, fold) for path, fold in tasks
    )
    scored = list(tqdm(scored, total=len(tasks), desc=title, leave=False, delay=2))
    rows = []
    for number, path in enumerate(paths):
        table = np.array(scored[number * len(folds) : (number + 1) * len(folds)])
        rows += [_result_row(path, C, table[:, index]) for index, C in enumerate(path.costs)]
    return rows


def score_primal(paths, folds, X, y, *, class_weight, scaled, n_jobs=None, title=""):
    """Score kernels at increasing values of C on every fold as `score_paths` does, by the primal solver.

    Parameters
    ----------
    paths, y, class_weight, n_jobs, title
        As there.
    folds : list of (train, held) rows
    X : (n_samples, n_features) array
    scaled : bool
        Standardise the features by the training part.

    Returns
    -------
    rows : list of dict
        With ``solver`` among the ``params``.  Fit times are the mean over all C of a path.
    """

    def score(path, fold):
        train, held = fold
        start = time.perf_counter()
        decision = decide_along(
            X,
            y,
            train,
            held,
            kernel=path.kernel,
            costs=path.costs,
            class_weight=class_weight,
            scaled=scaled,
        )
        seconds = (time.perf_counter() - start) / len(path.costs)
        votes = [_count_votes(each > 0, y.max() + 1) for each in decision]
        return np.array([(_score_macro(y[held], each), seconds, 0.0) for each in votes])

    rows = _score_all(score, paths, folds, n_jobs=n_jobs, title=title)
    for row in rows:
        row["params"] |= {"solver": "primal"}
    return rows


def _result_row(path, C, table):
    kernel = path.kernel
    params = {"kernel": kernel.name, "C": float(C)}
    if kernel.name != "linear":
        params["gamma"] = float(kernel.gamma)
    if kernel.name == "poly":
        params |= {"degree": kernel.degree, "coef0": kernel.coef0}
    scores, fit_times, score_times = table.T
    return {
        "name": path.name,
        "mean_fit_time": fit_times.mean(),
        "std_fit_time": fit_times.std(),
        "mean_score_time": score_times.mean(),
        "std_score_time": score_times.std(),
        "param_kernel": kernel.name,
        "param_C": params["C"],
        "param_gamma": params.get("gamma", np.nan),
        "param_degree": params.get("degree", np.nan),
        "param_coef0": params.get("coef0", np.nan),
        "params": params,
        **{f"split{number}_test_score": score for number, score in enumerate(scores)},
        "mean_test_score": scores.mean(),
        "std_test_score": scores.std(),
    }


def grid_paths(name, C, gamma, coef0=0.0):
    """Lay the grid of one kernel out as paths.

    A polynomial kernel with coef0 = 0 is (gamma x·s)**degree = gamma**degree (x·s)**degree: gamma only
    changes the unit of the multipliers, and the SVM depends on C gamma**degree alone.  Its path has one
    gamma, the middle of the range, and values of C that reach all products C gamma**degree of the grid.

    Parameters
    ----------
    name : {"linear", "rbf", "poly2", "poly3", …}
    C, gamma : sequences of positive numbers
    coef0 : float

    Returns
    -------
    paths : list of CPath
    """
    C, gamma = np.unique(C), np.unique(gamma)
    if name == "linear":
        return [CPath(name, Kernel("linear"), C)]
    if name == "rbf":
        return [CPath(name, Kernel("rbf", gamma=float(value)), C) for value in gamma]
    degree = int(name.removeprefix("poly"))
    if coef0:
        return [CPath(name, Kernel("poly", float(value), degree, coef0), C) for value in gamma]
    middle, costs = float(gamma[0]), C
    if len(gamma) > 1:
        middle = float(np.sqrt(gamma[0] * gamma[-1]))
        low, high = C[0] * (gamma[0] / middle) ** degree, C[-1] * (gamma[-1] / middle) ** degree
        # As many points a decade as C has; one value of C becomes as many as there are gammas.
        step = np.log(C[-1] / C[0]) / (len(C) - 1) if len(C) > 1 else np.log(high / low) / (len(gamma) - 1)
        costs = np.geomspace(low, high, 1 + int(np.ceil(np.log(high / low) / step - 1e-9)))
    return [CPath(name, Kernel("poly", middle, degree), costs)]


def refined_paths(row, factor, coef0=0.0):
    """Lay out the neighbours of a result, a `factor` away in C and in gamma where it counts by itself."""
    params = row["params"]
    C = np.array([params["C"] / factor, params["C"] * factor])
    if params["kernel"] == "linear" or (params["kernel"] == "poly" and not coef0):
        kernel = Kernel(params["kernel"], params.get("gamma", 1.0), params.get("degree", 3), coef0)
        return [CPath(row["name"], kernel, C)]
    paths = []
    for gamma in (params["gamma"] / factor, params["gamma"], params["gamma"] * factor):
        kernel = Kernel(params["kernel"], gamma, params.get("degree", 3), coef0)
        costs = C if gamma == params["gamma"] else np.insert(C, 1, params["C"])
        paths.append(CPath(row["name"], kernel, costs))
    return paths
