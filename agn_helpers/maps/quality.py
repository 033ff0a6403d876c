"""Measures of maps: what of the full space they keep, and how well neighbours know a type."""

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.metrics import f1_score, pairwise_distances_chunked
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from ..errors import AgnError
from ..lines import AGN_TYPES
from .embedding import place_on_map
from .neighbours import find_neighbours, measure_purity
from .spectrum_map import check_fluxes


def measure_maps(maps, y, *, n_neighbours=10, most_ranked=10_000, random_state=0):
    """Measure what maps of the same spectra keep of the full space.

    The full space is the one in which a map's own distances were taken.
    Trustworthiness (Venna & Kaski 2001) is 1 where no neighbour on the map is a false one, far away in the
    full space. Neighbourhood preservation is the share of the nearest neighbours in the full space that are
    among the nearest on the map; by chance it would be `n_neighbours` / (n_spectra - 1). Purity is the share
    of a spectrum's neighbours that are of its own type, averaged over the type.

    Parameters
    ----------
    maps : sequence of SpectrumMap
        Of the same spectra in the same order.
    y : (n_spectra,) array of str
        Types.
    n_neighbours : int
        Neighbours that are looked at; fewer than half of the spectra.
    most_ranked : int
        Ranks of all pairs take 2 bytes each: of more spectra than this a random choice stands for all.
    random_state : int
        Seed of that choice.

    Returns
    -------
    pandas.DataFrame
        A row a map: ``scale, perplexity, trustworthiness, preservation``, then for each type
        ``purity_<key>`` on the map and ``purity_<key>_full`` in the full space.

    Raises
    ------
    AgnError
        For no map, maps of different spectra, another number of labels, or too many neighbours.
    """
    n_spectra = _check_maps(maps, y)
    if not 1 <= n_neighbours < n_spectra / 2:
        raise AgnError(
            f"n_neighbours must be at least 1 and less than half of the {n_spectra} spectra; "
            f"got {n_neighbours}."
        )
    y = np.asarray(y)
    rows = np.arange(n_spectra)
    if n_spectra > most_ranked:
        rows = np.sort(np.random.default_rng(random_state).choice(n_spectra, most_ranked, replace=False))
    full, ranks, table = {}, {}, []
    for spectrum_map in maps:
        scale = spectrum_map.scale_name
        if scale not in full:
            scaled = spectrum_map.scaler.transform(spectrum_map.X)
            full[scale] = find_neighbours(scaled, n_neighbours)
            ranks[scale] = _rank_distances(scaled[rows])
        near = find_neighbours(spectrum_map.coordinates, n_neighbours)
        near_chosen = (
            near if len(rows) == n_spectra else find_neighbours(spectrum_map.coordinates[rows], n_neighbours)
        )
        kept = [len(np.intersect1d(*pair, assume_unique=True)) for pair in zip(near, full[scale])]
        purity, purity_full = measure_purity(near, y), measure_purity(full[scale], y)
        table.append(
            {
                "scale": scale,
                "perplexity": spectrum_map.perplexity,
                "trustworthiness": _trustworthiness(near_chosen, ranks[scale]),
                "preservation": np.mean(kept) / n_neighbours,
                **{f"purity_{AGN_TYPES[name].key}": value for name, value in purity.items()},
                **{f"purity_{AGN_TYPES[name].key}_full": value for name, value in purity_full.items()},
            }
        )
    return pd.DataFrame(table)


def _check_maps(maps, y):
    if not len(maps):
        raise AgnError("maps must hold at least one map; got none.")
    if any(not np.array_equal(spectrum_map.name, maps[0].name) for spectrum_map in maps):
        raise AgnError("maps must be of the same spectra in the same order; their names differ.")
    n_spectra = len(maps[0].name)
    if len(y) != n_spectra:
        raise AgnError(f"there must be one label for each of the {n_spectra} spectra; got {len(y)}.")
    return n_spectra


def _rank_distances(scaled):
    """Rank of each spectrum (column) by its distance from each (row), 1 for the nearest; 0 for itself."""
    n_spectra = len(scaled)
    ranks = np.empty((n_spectra, n_spectra), dtype=np.uint16)
    first = 0
    for distances in pairwise_distances_chunked(scaled, working_memory=256):
        block = slice(first, first + len(distances))
        distances[np.arange(len(distances)), np.arange(first, block.stop)] = -1
        order = np.argsort(distances, axis=1)
        np.put_along_axis(ranks[block], order, np.arange(n_spectra, dtype=np.uint16)[None], axis=1)
        first = block.stop
    return ranks


def _trustworthiness(near, ranks):
    n_spectra, k = near.shape
    excess = np.take_along_axis(ranks, near, axis=1).astype(np.int64) - k
    worst = n_spectra * k * (2 * n_spectra - 3 * k - 1) / 2
    return float(1 - excess[excess > 0].sum() / worst)


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
    AgnError
        For a count below 1 or above what a fold's spectra and wavelengths allow, or too few spectra.
    """
    X, y = check_fluxes(X, "spectra"), np.asarray(y)
    if len(X) != len(y):
        raise AgnError(f"there must be one label for each of the {len(X)} spectra; got {len(y)}.")
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


def score_placing(spectrum_map, y, X_new, y_new, *, n_neighbours=10):
    """Macro F-score of the vote of a new spectrum's neighbours: in the full space, and on the map.

    Parameters
    ----------
    spectrum_map : SpectrumMap
        Of spectra without the new ones.
    y : (n_spectra,) array of str
        Their types.
    X_new, y_new : (n_new, n_grid) and (n_new,) arrays
        Other spectra on the same grid, and their types.
    n_neighbours : int
        Voters.

    Returns
    -------
    pandas.Series
        Index ``neighbours``: "between all wavelengths" (standardised), "between components" (the map's own
        scale), "on the map".
    """
    known = spectrum_map.X.astype(float)
    scaler = StandardScaler().fit(known)
    spaces = {
        "between all wavelengths": (scaler.transform(known), scaler.transform(X_new)),
        "between components": (spectrum_map.scaler.transform(known), spectrum_map.scaler.transform(X_new)),
        "on the map": (spectrum_map.coordinates, place_on_map(spectrum_map, X_new)),
    }
    vote = KNeighborsClassifier(n_neighbours)
    scores = {
        name: f1_score(y_new, vote.fit(old, y).predict(new), average="macro")
        for name, (old, new) in spaces.items()
    }
    return pd.Series(scores, name="macro_f").rename_axis("neighbours")
