"""How many principal components of spectra know their types best."""

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_X_y

from .errors import AgnError


def score_components(X, y, counts, *, n_neighbours=10, n_folds=3, random_state=0):
    """Macro F-score of the vote of a spectrum's neighbours, against the components that distances keep.

    Every flux brings its noise into a distance; the first components keep what spectra have in common. The
    score is cross-validated; components are found once a fold, for the largest number.

    Parameters
    ----------
    X : (n_spectra, n_grid) array
        Fluxes on the common grid, without those kept for tests.
    y : (n_spectra,) array of str
        Types.
    counts : sequence of int
        Numbers of components to try.
    n_neighbours, n_folds : int
        Voters a spectrum, and folds.
    random_state : int
        Seed of the folds.

    Returns
    -------
    pandas.DataFrame
        Index ``components`` (str): `counts` and "all", for distances between all wavelengths; columns
        ``raw, standardised``.

    Raises
    ------
    ValueError
        For NaN, a count below 1 or above what a fold's spectra and wavelengths allow, or too few spectra.
    """
    X, y = check_X_y(X, y, dtype=np.float64)
    counts = sorted(set(counts))
    fewest = min(len(X) - -(-len(X) // n_folds), X.shape[1])
    if not counts or counts[0] < 1 or counts[-1] > fewest:
        raise AgnError(f"counts must be from 1 to {fewest}, what a fold allows; got {counts}.")
    if not 1 <= n_neighbours <= len(X) - -(-len(X) // n_folds):
        raise AgnError(f"n_neighbours must be from 1 to the spectra of a fold; got {n_neighbours}.")
    scores = {}
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=random_state)
    for train, test in folds.split(X, y):
        for scale in ("raw", "standardised"):
            known, new = X[train], X[test]
            if scale == "standardised":
                scaler = StandardScaler().fit(known)
                known, new = scaler.transform(known), scaler.transform(new)
            # The covariance matrix is the smaller problem where there are more spectra than wavelengths.
            solver = "covariance_eigh" if len(known) > X.shape[1] else "full"
            axes = PCA(counts[-1], svd_solver=solver).fit(known)
            spaces = {str(n): (axes.transform(known)[:, :n], axes.transform(new)[:, :n]) for n in counts}
            for name, (old, placed) in {**spaces, "all": (known, new)}.items():
                votes = KNeighborsClassifier(n_neighbours).fit(old, y[train]).predict(placed)
                scores.setdefault((name, scale), []).append(f1_score(y[test], votes, average="macro"))
    table = pd.Series({key: np.mean(values) for key, values in scores.items()}).unstack(1)
    return table.reindex([*map(str, counts), "all"]).rename_axis("components")
