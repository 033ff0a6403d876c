"""Scores of predictions: precision, recall and F with intervals, confusion, calibration, coverage."""

import time

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.base import clone
from sklearn.metrics import confusion_matrix
from sklearn.utils import check_random_state
from tqdm.auto import tqdm

from ..errors import AgnError
from ..lines import AGN_TYPES

_SCORES = ("precision", "recall", "f_score")


def score_predictions(y_true, y_pred, *, labels=None, n_bootstrap=0, random_state=0):
    """Precision, recall and F of each class and their means over the classes ("macro").

    Parameters
    ----------
    y_true, y_pred : (n,) arrays of labels
    labels : sequence of labels, optional
        The classes, in the order of the rows; all those that occur, sorted, by default.
    n_bootstrap : int
        Bootstrap samples for the 95 % intervals; 0 leaves the intervals out.
    random_state : int, RandomState or None
        Draws the bootstrap samples.

    Returns
    -------
    scores : pandas.DataFrame
        Index ``class``: the classes, then ``macro``.  Columns ``precision``, ``recall``, ``f_score``,
        ``n`` (true members) and, with intervals, ``precision_low``, ``precision_high`` and so on.
        A class that is never predicted has precision 0.

    Raises
    ------
    AgnError
        For a label that is not among `labels`, and for no predictions at all.

    Notes
    -----
    A bootstrap sample of pairs (true, predicted) is a multinomial draw of the confusion matrix, so that
    thousands of them cost nothing.  Percentile intervals: Efron & Tibshirani 1993, chapter 13.
    """
    counts = tabulate_confusion(y_true, y_pred, labels=labels)
    table = counts.to_numpy()
    columns = dict(zip(_SCORES, _score_counts(table)))
    columns["n"] = np.append(table.sum(axis=1), table.sum())
    if n_bootstrap:
        random_state = check_random_state(random_state)
        draws = random_state.multinomial(table.sum(), (table / table.sum()).ravel(), size=n_bootstrap)
        for name, values in zip(_SCORES, _score_counts(draws.reshape(-1, *table.shape))):
            columns[f"{name}_low"], columns[f"{name}_high"] = np.percentile(values, [2.5, 97.5], axis=0)
    return pd.DataFrame(columns, index=pd.Index([*counts.index, "macro"], name="class"))


def _score_counts(counts):
    """Precision, recall and F of confusion matrices (…, k, k): each (…, k + 1), their mean last."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    true, predicted = counts.sum(axis=-1), counts.sum(axis=-2)
    scores = (
        hits / np.maximum(predicted, 1),
        hits / np.maximum(true, 1),
        2 * hits / np.maximum(true + predicted, 1),
    )
    return [np.concatenate([score, score.mean(axis=-1, keepdims=True)], axis=-1) for score in scores]


def tabulate_confusion(y_true, y_pred, *, labels=None, normalised=False):
    """Confusion matrix with names.

    Parameters
    ----------
    y_true, y_pred : (n,) arrays of labels
    labels : sequence of labels, optional
        All those that occur, sorted, by default.
    normalised : bool
        Divide each row by its sum: the diagonal is then the recall.

    Returns
    -------
    confusion : pandas.DataFrame
        Rows the true classes, columns the predicted ones.
    """
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if len(y_true) == 0 or len(y_true) != len(y_pred):
        raise AgnError(f"y_true and y_pred must have one length, not 0; got {len(y_true)}, {len(y_pred)}.")
    found = np.union1d(y_true, y_pred).tolist()
    labels = found if labels is None else list(labels)
    unknown = [label for label in found if label not in labels]
    if unknown:
        raise AgnError(f"labels must name every class that occurs; they lack {unknown}.")
    counts = confusion_matrix(y_true, y_pred, labels=labels)
    if normalised:
        counts = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [str(label) for label in labels]
    return pd.DataFrame(counts, index=pd.Index(names, name="true"), columns=pd.Index(names, name="predicted"))


def score_kernels(y_true, predictions, *, labels=None, n_bootstrap=0, random_state=0):
    """Mean precision, recall and F over the classes of several classifiers on the same spectra.

    Parameters
    ----------
    y_true : (n,) array of labels
    predictions : dict of str to (n,) array of labels
        Name of a classifier to what it predicts.
    labels, n_bootstrap, random_state
        As in `score_predictions`.

    Returns
    -------
    pandas.DataFrame
        Index ``kernel``; the columns of `score_predictions`, of its row ``macro``.
    """
    options = {"labels": labels, "n_bootstrap": n_bootstrap, "random_state": random_state}
    rows = [
        score_predictions(y_true, y_pred, **options).loc["macro"].rename(name)
        for name, y_pred in predictions.items()
    ]
    return pd.DataFrame(rows).rename_axis("kernel")


def tabulate_coverage(y_true, *, inside=None, classes=None, novelty=None):
    """How often prediction sets hold the true type, how large they are, and how many spectra are novel.

    Parameters
    ----------
    y_true : (n,) array of labels
    inside : (n, n_classes) bool array, optional
        Whether a class is in a spectrum's set; without it there are no columns of sets.
    classes : (n_classes,) sequence, needed with `inside`
        The labels of its columns.
    novelty : (n,) array, optional
        In units of its threshold; without it there is no column of it.

    Returns
    -------
    pandas.DataFrame
        Index ``type``: each label, by `AGN_TYPES` first, and "all".  Columns ``n``; ``covered`` (share of
        sets with the true type) with ``covered_low, covered_high`` (95 %, exact binomial; Clopper & Pearson
        1934); the shares of sets of ``one type``, ``several`` and ``none``; ``unlike training`` (share with
        a novelty above 1).

    Raises
    ------
    AgnError
        For no spectra, or sets that do not fit them.
    """
    y_true = np.asarray(y_true)
    if not len(y_true):
        raise AgnError("coverage needs at least one spectrum; got none.")
    columns = {}
    if inside is not None:
        inside, members = _check_probabilities(y_true, inside, classes)
        columns["covered"] = inside[members]
        size = inside.sum(axis=1)
        columns |= {"one type": size == 1, "several": size > 1, "none": size == 0}
    if novelty is not None:
        columns["unlike training"] = np.asarray(novelty) > 1
    names = [name for name in AGN_TYPES if (y_true == name).any()]
    names += sorted(set(y_true.tolist()) - set(names))
    rows = {}
    for name in [*names, "all"]:
        of = (y_true == name) | (name == "all")
        row = {"n": of.sum()}
        for column, values in columns.items():
            row[column] = values[of].mean()
            if column == "covered":
                interval = binomtest(int(values[of].sum()), int(of.sum())).proportion_ci()
                row |= {"covered_low": interval.low, "covered_high": interval.high}
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index").astype({"n": int}).rename_axis("type")


def _check_probabilities(y_true, proba, classes):
    """Return `proba` as an array and the memberships (n, n_classes); AgnError where they do not fit."""
    y_true, proba, classes = np.asarray(y_true), np.asarray(proba, dtype=float), np.asarray(classes)
    if proba.shape != (len(y_true), len(classes)):
        raise AgnError(
            f"proba must have a row a label and a column a class, {(len(y_true), len(classes))}; "
            f"got {proba.shape}."
        )
    members = y_true[:, None] == classes
    if not members.any(axis=1).all():
        unknown = sorted(set(y_true[~members.any(axis=1)].tolist()))
        raise AgnError(f"y_true must hold the classes {classes.tolist()} only; got {unknown}.")
    return proba, members


def _bin_probabilities(predicted, observed, n_bins):
    """Mean prediction, share observed and number in bins of equal width, those that are not empty."""
    number = np.clip((predicted * n_bins).astype(int), 0, n_bins - 1)
    n = np.bincount(number, minlength=n_bins)
    filled = n > 0
    means = [np.bincount(number, values, n_bins)[filled] / n[filled] for values in (predicted, observed)]
    return (*means, n[filled])


def reliability_curve(y_true, proba, *, classes, n_bins=10):
    """Compare predicted probabilities with observed shares, class by class.

    Parameters
    ----------
    y_true : (n,) array of labels
    proba : (n, n_classes) array
    classes : (n_classes,) sequence, the labels of the columns
    n_bins : int
        Bins of equal width.

    Returns
    -------
    curve : pandas.DataFrame
        Columns ``class``, ``predicted`` (mean probability in the bin), ``observed`` (share of members),
        ``n``; a row for each bin that is not empty.  ``class`` "predicted class" is the curve of the
        highest probability against the share of right predictions.
    """
    proba, members = _check_probabilities(y_true, proba, classes)
    best = proba.argmax(axis=1)
    rows = np.arange(len(proba))
    curves = {"predicted class": (proba[rows, best], members[rows, best])}
    curves |= {str(label): (proba[:, k], members[:, k]) for k, label in enumerate(classes)}
    tables = []
    for name, (predicted, observed) in curves.items():
        columns = dict(zip(("predicted", "observed", "n"), _bin_probabilities(predicted, observed, n_bins)))
        tables.append(pd.DataFrame({"class": name, **columns}))
    return pd.concat(tables, ignore_index=True)


def score_probabilities(y_true, proba, *, classes, n_bins=10):
    """Brier score, expected calibration error and log loss.

    Parameters
    ----------
    y_true : (n,) array of labels
    proba : (n, n_classes) array
    classes : (n_classes,) sequence, the labels of the columns
    n_bins : int
        Bins of equal width of the calibration error.

    Returns
    -------
    scores : pandas.Series
        ``brier``: mean over spectra of the summed squared errors (Brier 1950; 0 to 2);
        ``log_loss``: mean of -log p of the true class, nat;
        ``ece``: calibration error of the predicted class (Guo et al. 2017);
        ``ece <class>``: of each class's probability.
    """
    proba, members = _check_probabilities(y_true, proba, classes)
    curve = reliability_curve(y_true, proba, classes=classes, n_bins=n_bins)
    gap = (curve["predicted"] - curve["observed"]).abs() * curve["n"]
    errors = gap.groupby(curve["class"], sort=False).sum() / len(proba)
    with np.errstate(divide="ignore"):
        log_loss = -np.log(proba[members]).mean()
    scores = {"brier": ((proba - members) ** 2).sum(axis=1).mean(), "log_loss": log_loss}
    scores["ece"] = errors.pop("predicted class")
    return pd.Series(scores | {f"ece {name}": error for name, error in errors.items()})


#: Standard deviations of the paper's noise, in units of the flux at 5100 Å, which the reduction sets to 1.
NOISE_SIGMAS = (0.1, 0.2, 0.3, 0.4, 1.0, 2.0, 3.0, 4.0)


def noise_curve(estimator, X, y, *, sigmas=NOISE_SIGMAS, n_draws=20, random_state=0):
    """F of each class when white Gaussian noise is added to the spectra.

    Parameters
    ----------
    estimator : fitted classifier
    X : (n_spectra, n_features) array
        Normalised fluxes of spectra not used in training.
    y : (n_spectra,) array of labels
    sigmas : sequence of float
        Standard deviations of the noise, in the unit of X.
    n_draws : int
        Draws of the noise for each of them.
    random_state : int, RandomState or None

    Returns
    -------
    curve : pandas.DataFrame
        Columns ``sigma``, ``class`` (the classes and ``macro``), ``mean`` and ``std`` of F over the draws,
        ``low`` and ``high`` (their 2.5 and 97.5 percentiles).

    Raises
    ------
    AgnError
        For a negative sigma or fewer than one draw.
    """
    if min(sigmas, default=0) < 0 or n_draws < 1:
        raise AgnError(f"sigmas must not be negative, n_draws at least 1; got {list(sigmas)}, {n_draws}.")
    random_state = check_random_state(random_state)
    X = np.asarray(X, dtype=float)
    labels = estimator.classes_
    rows = []
    with tqdm(total=len(sigmas) * n_draws, desc="noise", leave=False, delay=2) as progress:
        for sigma in sigmas:
            draws = []
            for _ in range(n_draws):
                noisy = X + sigma * random_state.standard_normal(X.shape)
                draws.append(score_predictions(y, estimator.predict(noisy), labels=labels)["f_score"])
                progress.update()
            draws = pd.DataFrame(draws)
            low, high = draws.quantile(0.025), draws.quantile(0.975)
            columns = {"mean": draws.mean(), "std": draws.std(ddof=0), "low": low, "high": high}
            rows.append(pd.DataFrame(columns).rename_axis("class").reset_index().assign(sigma=sigma))
    return pd.concat(rows, ignore_index=True)[["sigma", "class", "mean", "std", "low", "high"]]


def time_training(estimators, X, y, *, n_fits=10):
    """Time the training of classifiers.

    Parameters
    ----------
    estimators : dict of str to classifier
        Names and classifiers, which are cloned.
    X : (n_spectra, n_features) array
    y : (n_spectra,) array of labels
    n_fits : int
        Fits of each.

    Returns
    -------
    times : pandas.DataFrame
        Index ``name``; columns ``mean``, ``std``, ``min``, ``max`` (seconds of wall clock), ``n_fits``.
    """
    rows = {}
    with tqdm(total=len(estimators) * n_fits, desc="training", leave=False, delay=2) as progress:
        for name, estimator in estimators.items():
            seconds = np.zeros(n_fits)
            for number in range(n_fits):
                copy = clone(estimator)
                start = time.perf_counter()
                copy.fit(X, y)
                seconds[number] = time.perf_counter() - start
                progress.update()
            rows[name] = (seconds.mean(), seconds.std(), seconds.min(), seconds.max(), n_fits)
    columns = ["mean", "std", "min", "max", "n_fits"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("name")
