"""How far maps of spectra can be believed: what of the full space they keep, and at which perplexities."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.metrics import f1_score, pairwise_distances_chunked
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_X_y

from ..errors import AgnError
from ..lines import AGN_TYPES
from .neighbours import find_neighbours

# Ranks of all pairs take 2 bytes each; beyond this number of spectra a random choice stands for all.
_MOST_FOR_RANKS = 10_000


class Isthmus(NamedTuple):
    """How many spectra of one type have both other types among their neighbours.

    Attributes
    ----------
    share : float
        Observed share of the spectra of the type.
    expected : float
        Mean share where the labels are exchanged at random.
    low, high : float
        Limits that hold the middle 95 % of the shares under exchange.
    p_value : float
        Probability of a share at least as far from `expected` under exchange, in either direction.
    """

    share: float
    expected: float
    low: float
    high: float
    p_value: float


def measure_maps(maps, y, *, n_neighbours=10, random_state=0):
    """Measure what maps of the same spectra keep of the full space.

    The full space is the one in which a map's own distances were taken.
    Trustworthiness (Venna & Kaski 2001) is 1 where no neighbour on the map is a stranger in the full space.
    Preservation is the share of the nearest neighbours in the full space that are among the nearest on
    the map; by chance it would be `n_neighbours` / (n_spectra - 1). Purity is the share of a spectrum's
    neighbours that are of its own type, averaged over the type.

    Parameters
    ----------
    maps : sequence of SpectrumMap
        Of the same spectra in the same order.
    y : (n_spectra,) array of str
        Types.
    n_neighbours : int
        Neighbours that are looked at; fewer than half of the spectra.
    random_state : int
        Seed of the 10 000 spectra that stand for all, where there are more.

    Returns
    -------
    pandas.DataFrame
        A row a map: ``scale, perplexity, trustworthiness, preservation``, then for each type
        ``purity_<key>`` on the map and ``purity_<key>_full`` in the full space.

    Raises
    ------
    ValueError
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
    if n_spectra > _MOST_FOR_RANKS:
        rows = np.sort(np.random.default_rng(random_state).choice(n_spectra, _MOST_FOR_RANKS, replace=False))
    full, ranks, table = {}, {}, []
    for spectrum_map in maps:
        scale = spectrum_map.scale_name
        if scale not in full:
            scaled = spectrum_map.scale(spectrum_map.X)
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


def measure_purity(neighbours, y):
    """Share of neighbours that are of a spectrum's own type, averaged over each type.

    Parameters
    ----------
    neighbours : (n_spectra, k) array of int
        Rows of each spectrum's neighbours, from `agn_helpers.maps.find_neighbours`.
    y : (n_spectra,) array of str
        Types.

    Returns
    -------
    dict
        Type to share, in the order of `AGN_TYPES`; types without spectra are left out.
    """
    y = np.asarray(y)
    own = (y[neighbours] == y[:, None]).mean(axis=1)
    return {name: float(own[y == name].mean()) for name in AGN_TYPES if (y == name).any()}


def measure_isthmus(neighbours, y, *, between="intermediate", exchange=None, n_draws=1000, random_state=0):
    """Share of the spectra of one type that have both other types among their neighbours, against chance.

    Chance keeps the map and exchanges labels at random: among all spectra, which asks whether types lie
    together at all, or among the types `exchange` only. Exchanged between intermediates and type 2, the
    labels tell whether intermediates lie nearer to type 1 than the spectra of type 2 around them do: that
    is what makes an isthmus.

    Parameters
    ----------
    neighbours : (n_spectra, k) array of int
        Rows of each spectrum's neighbours.
    y : (n_spectra,) array of str
        Types; three of them.
    between : str
        The type that is looked at.
    exchange : sequence of str, optional
        Types whose labels are exchanged; all by default.
    n_draws : int
        Number of exchanges, at least 1.
    random_state : int
        Seed.

    Returns
    -------
    Isthmus

    Raises
    ------
    ValueError
        Where there are not three types with `between` among them, for unknown types to exchange, or no draw.
    """
    types, codes = np.unique(np.asarray(y), return_inverse=True)
    if len(types) != 3 or between not in types:
        raise AgnError(f"y must hold three types, {between!r} among them; got {', '.join(map(str, types))}.")
    strangers = sorted(set(exchange or ()) - set(types))
    if strangers:
        raise AgnError(f"exchange must name types of y, {', '.join(types)}; got {strangers[0]!r}.")
    if n_draws < 1:
        raise AgnError(f"n_draws must be at least 1; got {n_draws}.")
    own = list(types).index(between)
    others = [code for code in range(3) if code != own]
    movable = np.flatnonzero(np.isin(types[codes], list(exchange or types)))

    def share(codes):
        around = codes[neighbours[codes == own]]
        return np.logical_and(*((around == other).any(axis=1) for other in others)).mean()

    rng = np.random.default_rng(random_state)
    shares = np.empty(n_draws)
    for draw in range(n_draws):
        shuffled = codes.copy()
        shuffled[movable] = rng.permutation(codes[movable])
        shares[draw] = share(shuffled)
    observed, expected = share(codes), shares.mean()
    # A little slack, for shares that differ by rounding only; plus one for the observed labels themselves.
    further = np.abs(shares - expected) >= np.abs(observed - expected) - 1e-12
    low, high = np.percentile(shares, [2.5, 97.5])
    return Isthmus(
        float(observed), float(expected), float(low), float(high), float((1 + further.sum()) / (1 + n_draws))
    )


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
