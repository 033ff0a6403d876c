"""What ProbabilisticSVC refuses, and why, before any long computation starts."""

from numbers import Integral, Real

import numpy as np
from sklearn.model_selection import StratifiedKFold, check_cv
from sklearn.utils import check_array, compute_class_weight, gen_batches
from sklearn.utils.multiclass import check_classification_targets

from ..errors import AgnError

KERNELS = ("linear", "rbf", "poly", "precomputed")

SOLVERS = ("auto", "libsvm", "primal")

_PRIORS = ("weighted", "sample")

_SHAPES = ("ovr", "ovo")

_GAMMA_WORDS = ("scale", "auto")


# Rows above which sums over all of X are made in blocks.
_MANY = 12_000


def _is_positive(value):
    return isinstance(value, Real) and not isinstance(value, bool) and 0 < value < np.inf


def _is_one_of(words):
    return lambda value: isinstance(value, str) and value in words


def _is_integer_from(least):
    return lambda value: isinstance(value, Integral) and not isinstance(value, bool) and value >= least


def check_parameters(estimator):
    """Raise AgnError for the first parameter of a ProbabilisticSVC that is out of its range."""
    rules = {
        "C": (_is_positive, "a positive finite number"),
        "kernel": (_is_one_of(KERNELS), f"one of {', '.join(KERNELS)}"),
        "degree": (_is_integer_from(1), "an integer of at least 1"),
        "gamma": (
            lambda value: _is_one_of(_GAMMA_WORDS)(value) or _is_positive(value),
            "'scale', 'auto' or a positive finite number",
        ),
        "coef0": (lambda value: isinstance(value, Real) and np.isfinite(value), "a finite number"),
        "prior": (_is_one_of(_PRIORS), f"one of {', '.join(_PRIORS)}"),
        "solver": (_is_one_of(SOLVERS), f"one of {', '.join(SOLVERS)}"),
        "n_landmarks": (_is_integer_from(1), "an integer of at least 1"),
        "tol": (_is_positive, "a positive finite number"),
        "decision_function_shape": (_is_one_of(_SHAPES), f"one of {', '.join(_SHAPES)}"),
    }
    for name, (is_good, rule) in rules.items():
        value = getattr(estimator, name)
        if not is_good(value):
            raise AgnError(f"{name} must be {rule}; got {value!r}.")


def check_features(X, kernel):
    """Raise AgnError for a Gram matrix that is not square, and for features that are all constant."""
    if kernel == "precomputed":
        if X.shape[0] != X.shape[1]:
            raise AgnError(f"X must be a square matrix for a precomputed kernel; got shape {X.shape}.")
    elif not np.ptp(X, axis=0).any():
        raise AgnError("X must vary from sample to sample; all its features are constant.")


def resolve_gamma(gamma, X, weight):
    """Turn "scale" and "auto" into the numbers that they stand for in `sklearn.svm.SVC`.

    The variance of "scale" is that of the samples counted by their weights (n_samples,).
    """
    if gamma == "scale":
        variance = _find_variance(X, weight)
        return 1 / (X.shape[1] * (float(variance) or 1.0))
    return 1 / X.shape[1] if gamma == "auto" else float(gamma)


def _find_variance(X, weight):
    """Of all values of rows that count by their weights; a block at a time where there are many."""
    if len(X) <= _MANY:
        centred = X - np.average(X, weights=np.broadcast_to(weight[:, None], X.shape))
        return np.average(centred**2, weights=np.broadcast_to(weight[:, None], X.shape))
    total = X.shape[1] * weight.sum()
    blocks = list(gen_batches(len(X), _MANY))
    mean = sum(weight[block] @ X[block].sum(axis=1, dtype=float) for block in blocks) / total
    return sum(weight[block] @ ((X[block] - mean) ** 2).sum(axis=1, dtype=float) for block in blocks) / total


def check_weight(sample_weight, n_samples):
    """Return sample weights as floats (n_samples,), ones for None; AgnError for negative or all zero."""
    if sample_weight is None:
        return np.ones(n_samples)
    weight = check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    if weight.shape != (n_samples,):
        raise AgnError(f"sample_weight must have shape ({n_samples},); got {weight.shape}.")
    if weight.min() < 0 or not weight.any():
        raise AgnError("sample_weight must not be negative, nor zero for all samples.")
    return weight


def encode_classes(y, weight, *, class_weight, shape):
    """Encode labels.

    Parameters
    ----------
    y : (n_samples,) array of labels
    weight : (n_samples,) array
        Sample weights; a sample of weight zero does not count.
    class_weight : dict, "balanced" or None
    shape : tuple
        Shape of X, for the message.

    Returns
    -------
    classes : (n_classes,) array, sorted
    encoded : (n_samples,) int array, indices into `classes`
    weights : (n_classes,) array, factors of C counted over the whole problem

    Raises
    ------
    AgnError
        For one class only, a class without a sample of positive weight, weights that lack a class.
    """
    check_classification_targets(y)
    classes, encoded = np.unique(y, return_inverse=True)
    members = np.bincount(encoded, weights=weight > 0)
    if len(classes) < 2:
        raise AgnError(f"y must hold at least two classes; got one class, {classes.tolist()[0]!r}.")
    if not members.min():
        raise AgnError(
            f"every class needs members of positive weight; class {classes.tolist()[members.argmin()]!r} has "
            f"none in data with n_samples={shape[0]}, n_features={shape[1]}."
        )
    if isinstance(class_weight, dict):
        missing = [label for label in classes.tolist() if label not in class_weight]
        if missing:
            raise AgnError(f"class_weight must name every class; it lacks {missing}.")
        bad = {label: value for label, value in class_weight.items() if not _is_positive(value)}
        if bad:
            raise AgnError(f"class_weight must hold positive finite numbers; got {bad}.")
    elif class_weight not in (None, "balanced"):
        raise AgnError(
            f"class_weight must be 'balanced', None or a dict of the classes; got {class_weight!r}."
        )
    weights = compute_class_weight(class_weight, classes=classes, y=y, sample_weight=weight)
    return classes, encoded, weights


def split_folds(cv, X, y, weight, *, classes, random_state):
    """Training and held-out rows of the inner folds, as scikit-learn's `check_cv` understands `cv`.

    Parameters
    ----------
    cv : int, None, splitter, or iterable of (train, test) rows
        A number (None: 5) means stratified folds, shuffled by `random_state`, of the samples that count.
    X : (n_samples, n_features) array
    y : (n_samples,) int array, indices into `classes`
    weight : (n_samples,) array
        Samples of weight 0 are in no fold.
    classes : (n_classes,) array, for the message
    random_state : int, RandomState or None

    Returns
    -------
    list of (train, held) int arrays, rows of X

    Raises
    ------
    AgnError
        For another `cv`, a class with fewer members than folds or missing from a fold's training part, and
        folds that do not hold out every sample exactly once.
    """
    used = np.flatnonzero(weight > 0)
    cv = 5 if cv is None else cv
    if isinstance(cv, Integral) and not isinstance(cv, bool):
        members = np.bincount(y[used])
        if cv < 2:
            raise AgnError(f"cv must be an integer of at least 2, a splitter or folds; got {cv!r}.")
        if members.min() < cv:
            raise AgnError(
                f"every class needs at least cv={cv} members of positive weight for the inner folds; got "
                f"{members.min()} of class {classes.tolist()[members.argmin()]!r} in data with "
                f"n_samples={X.shape[0]}, n_features={X.shape[1]}."
            )
        folds = StratifiedKFold(cv, shuffle=True, random_state=random_state).split(used, y[used])
        return [(used[train], used[held]) for train, held in folds]
    try:
        folds = [tuple(map(np.asarray, fold)) for fold in check_cv(cv, y, classifier=True).split(X, y)]
        count = np.bincount(np.concatenate([held for _, held in folds]), minlength=len(y))
    except (TypeError, ValueError, IndexError) as error:
        raise AgnError(
            f"cv must be an integer of at least 2, a splitter or folds of rows; got {cv!r} ({error})."
        ) from error
    if not np.all(count[used] == 1):
        raise AgnError("cv must hold out every sample exactly once; give folds that partition the samples.")
    folds = [tuple(part[weight[part] > 0] for part in fold) for fold in folds]
    for number, (train, _) in enumerate(folds):
        missing = np.setdiff1d(np.arange(len(classes)), y[train])
        if len(missing):
            raise AgnError(f"every fold must train on all classes; fold {number} lacks {classes[missing]}.")
    return folds


def encode_target(target, classes, n_samples):
    """Turn a label, or an array of one label a sample, into indices (n_samples,) into `classes`.

    Raises AgnError for a target that is no class, listing the classes, and for a wrong number of them.
    """
    index = {label: number for number, label in enumerate(classes.tolist())}
    if np.ndim(target) > 1:
        raise AgnError(f"target must be one label or a flat list of labels; got shape {np.shape(target)}.")
    labels = np.asarray(target).tolist() if np.ndim(target) else [target] * n_samples
    unknown = sorted({str(label) for label in labels if label not in index})
    if unknown:
        raise AgnError(f"target must be one of the classes {classes.tolist()}; got {', '.join(unknown)}.")
    if len(labels) != n_samples:
        raise AgnError(
            f"target must be one label, or one for each of {n_samples} samples; got {len(labels)}."
        )
    return np.array([index[label] for label in labels], dtype=int)
