"""Prediction sets: the types that a spectrum may well have, the true one among them as often as promised.

The guarantee is that of conformal prediction: it needs no model to be right, only new spectra that are drawn
as those were that calibrated it.  For others there is `agn_helpers.classifier.novelty`.
"""

from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.utils.validation import check_array, check_is_fitted

from ..errors import AgnError

# Novelty up to which sets are as wide as those of the training sample, in units of the threshold.
_FAMILIAR = 0.5


class PredictionSets(BaseEstimator):
    """Class-conditional (Mondrian) conformal prediction sets.

    A class is left out of a spectrum's set where the spectrum's probability of it is among the lowest, a
    share of 1 - `confidence`, that calibration spectra of the class were given.

    Parameters
    ----------
    confidence : float, default=0.95
        How often the true class is to be in the set, in each class.

    Attributes
    ----------
    classes_ : (n_classes,) array
    scores_ : (n_spectra,) array
        Nonconformity of the calibration spectra: minus the log-probability of their class.
    labels_ : (n_spectra,) array
        Their classes.

    Notes
    -----
    With log-probabilities of spectra that the classifier did not see, the true class is in the set with
    a probability of at least `confidence` in every class, and of at most 1 / (n + 1) more for n calibration
    spectra of the class, whatever the classifier and the distribution are.  A class of fewer than
    1 / (1 - confidence) - 1 calibration spectra (19 for 95 %) is in every set.  The most probable class is
    in every set too, where it is usually recognised with more certainty, so that none is empty.

    The promise is for spectra drawn as those of the calibration.  It says nothing of others, and cannot be
    mended by more confidence: coverage falls by as much as the two distributions differ (Barber et al. 2023).
    Sets are therefore wider the nearer a spectrum's novelty is to being unlike the training sample: the share
    of calibration spectra that count as unusual falls in proportion from 1 - `confidence` at half the
    threshold, below which nine of ten spectra like the training sample are, to none at the threshold.  From
    there on nothing is known, and all classes are in the set.

    References
    ----------
    Vovk, Gammerman & Shafer 2005, Algorithmic Learning in a Random World, chapter 4; Sadinle, Lei &
    Wasserman 2019, JASA 114, 223 (this score gives the smallest sets of a given coverage in each class);
    Romano, Sesia & Candès 2020, NeurIPS 33, 3581; Angelopoulos & Bates 2023, Found. Trends Mach. Learn. 16,
    494; Barber, Candès, Ramdas & Tibshirani 2023, Ann. Stat. 51, 816.

    Examples
    --------
    >>> import numpy as np
    >>> log_proba = np.log([[0.9, 0.1]] * 40 + [[0.2, 0.8]] * 40)
    >>> sets = PredictionSets().fit(log_proba, ["a"] * 40 + ["b"] * 40, classes=["a", "b"])
    >>> sets.predict(np.log([[0.95, 0.05], [0.5, 0.5]])).tolist()
    [[True, False], [True, False]]
    """

    def __init__(self, *, confidence=0.95):
        self.confidence = confidence

    def fit(self, log_proba, y, *, classes):
        """Calibrate on spectra of known classes that the classifier has not seen.

        Parameters
        ----------
        log_proba : (n_spectra, n_classes) array
            Log-probabilities of the classes.
        y : (n_spectra,) array
            True classes.
        classes : (n_classes,) array
            Classes in the order of the columns.

        Returns
        -------
        self

        Raises
        ------
        AgnError
            For a confidence that is not between 0 and 1, arrays that do not fit, or a label that is no class.
        """
        if not 0 < self.confidence < 1:
            raise AgnError(f"confidence must be between 0 and 1; got {self.confidence}.")
        y, classes = np.asarray(y), np.asarray(classes)
        log_proba = _check_log_proba(log_proba, len(classes))
        is_class = y[:, None] == classes
        if y.shape != (len(log_proba),) or not is_class.any(axis=1).all():
            raise AgnError(f"y must be {len(log_proba)} labels among {', '.join(map(str, classes))}.")
        self.classes_, self.labels_ = classes, y
        self.scores_ = -log_proba[is_class]
        return self

    def p_values(self, log_proba):
        """How usual the log-probability of each class is among calibration spectra of that class.

        Parameters
        ----------
        log_proba : (n_spectra, n_classes) array

        Returns
        -------
        (n_spectra, n_classes) array
            Share of them with a log-probability as low or lower, the spectrum itself counted as one of them.
        """
        check_is_fitted(self)
        log_proba = _check_log_proba(log_proba, len(self.classes_))
        columns = []
        for name, column in zip(self.classes_, log_proba.T):
            scores = np.sort(self.scores_[self.labels_ == name])
            at_least = len(scores) - np.searchsorted(scores, -column)
            columns.append((1 + at_least) / (1 + len(scores)))
        return np.stack(columns, axis=1)

    def predict(self, log_proba, novelty=None):
        """Whether each class is in the set.

        Parameters
        ----------
        log_proba : (n_spectra, n_classes) array
            As in `p_values`.
        novelty : (n_spectra,) array, optional
            Of `NoveltyDetector.novelty`: 1 at the threshold.

        Returns
        -------
        (n_spectra, n_classes) bool array
            At least the most probable class of each spectrum; all where the novelty is 1 and more.
        """
        p_values = self.p_values(log_proba)
        excluded = np.full(len(p_values), 1 - self.confidence)
        if novelty is not None:
            excluded *= np.clip((1 - np.asarray(novelty, dtype=float)) / (1 - _FAMILIAR), 0, 1)
        inside = p_values > excluded[:, None]
        if len(inside):
            inside[np.arange(len(inside)), np.argmax(log_proba, axis=1)] = True
        return inside


def calibrate_sets(estimator, X, y, *, confidence=0.95, cv=5, random_state=0):
    """Prediction sets for a classifier that is trained on all of X, calibrated on X held out in turn.

    Each part of X is given its probabilities by a copy of the classifier that was trained on the other parts.
    So several times the spectra of one validation part calibrate the sets, and coverage scatters less.
    The sets are then used with the classifier trained on all of X, which does at least as well as the copies.
    This is an argument, not a proof: proofs for cross-validation (Vovk 2015, Ann. Math. Artif. Intell. 74, 9;
    Barber et al. 2021, Ann. Stat. 49, 486) combine the copies at prediction, and promise a coverage of
    2 `confidence` - 1, while `confidence` itself is what is found, there as in the tests of this module.
    It fails where there is nothing to learn: probabilities then differ more between the copies than between
    spectra.  Who needs the proof fits `PredictionSets` on spectra set aside.

    Parameters
    ----------
    estimator : classifier with `predict_log_proba`
        Its copies are fitted, not itself.
    X : (n_spectra, n_features) array
    y : (n_spectra,) array of labels
    confidence : float
        See `PredictionSets`.
    cv : int, or list of (train, test) rows
        Stratified folds, or those that keep repeats of an object together.
    random_state : int, RandomState or None
        Shuffles the folds.

    Returns
    -------
    PredictionSets

    Raises
    ------
    AgnError
        For a class with fewer members than folds, and what `estimator` raises.
    """
    classes, counts = np.unique(y, return_counts=True)
    if isinstance(cv, Integral) and counts.min() < cv:
        rarest = classes[counts.argmin()]
        raise AgnError(f"each class needs {cv} spectra, one a fold; got {counts.min()} of {rarest}.")
    if isinstance(cv, Integral):
        cv = StratifiedKFold(cv, shuffle=True, random_state=random_state)
    log_proba = cross_val_predict(estimator, X, y, cv=cv, method="predict_log_proba")
    return PredictionSets(confidence=confidence).fit(log_proba, y, classes=classes)


def _check_log_proba(log_proba, n_classes):
    log_proba = check_array(log_proba, dtype=np.float64, ensure_min_samples=0, input_name="log_proba")
    if log_proba.shape[1] != n_classes:
        raise AgnError(f"log_proba must have {n_classes} columns, one a class; got {log_proba.shape[1]}.")
    return log_proba
