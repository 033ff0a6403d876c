"""A classifier of places on a map, as in the paper's code: C and gamma are searched, types weighed alike."""

import numpy as np
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.svm import SVC

from ..classifier import ProbabilisticSVC
from ..errors import AgnError

# Of places in units of their standard deviation.
_GRID = {"C": [0.1, 1, 10, 100], "gamma": [0.5, 2, 8, 32]}


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
    search = GridSearchCV(
        SVC(class_weight="balanced"),
        _GRID,
        scoring="f1_macro",
        cv=StratifiedKFold(min(3, rarest.min()), shuffle=True, random_state=random_state),
    ).fit((places[rows] - centre) / unit, y[rows])
    return ProbabilisticSVC(
        C=search.best_params_["C"],
        gamma=search.best_params_["gamma"] / unit**2,
        class_weight="balanced",
        random_state=random_state,
    ).fit(places[rows], y[rows])
