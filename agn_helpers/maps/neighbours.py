"""Nearest neighbours: their search, their types, and the bridge between two types."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from openTSNE.affinity import get_knn_index
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from ..errors import AgnError
from ..lines import AGN_TYPES
from .spectrum_map import one_thread

#: Up to this number of spectra neighbours are exact; above, random projection trees (annoy) find nearly all.
MOST_FOR_EXACT = 20_000

_NEIGHBOURS_PER_PERPLEXITY = 3


def largest_perplexity(n_spectra):
    """Largest perplexity that `n_spectra` spectra allow: each needs three times as many neighbours."""
    return (n_spectra - 1) // _NEIGHBOURS_PER_PERPLEXITY


def count_neighbours(perplexity, n_spectra):
    """Neighbours that a spectrum needs at a perplexity; fewer where there are no more spectra."""
    return min(max(int(_NEIGHBOURS_PER_PERPLEXITY * perplexity), 1), n_spectra - 1)


def index_neighbours(scaled, k, *, random_state=0, n_jobs=1, most_exact=MOST_FOR_EXACT):
    """Index of spectra in which the nearest of any spectrum can be looked up.

    Parameters
    ----------
    scaled : (n_spectra, n_grid) float32 array
        Spectra on the scale on which distances are measured.
    k : int
        Neighbours of each spectrum that `build` finds.
    random_state : int
        Seed of the projection trees.
    n_jobs : int
        Threads.
    most_exact : int
        Largest number of spectra that are searched exactly.

    Returns
    -------
    openTSNE.nearest_neighbors.KNNIndex
        ``build()`` gives neighbours and distances, (n_spectra, k) each, the spectrum itself left out;
        ``query(X, k)`` those of other spectra.
    """
    method = "exact" if len(scaled) <= most_exact else "annoy"
    return get_knn_index(scaled, method, k=k, metric="euclidean", n_jobs=n_jobs, random_state=random_state)


def find_neighbours(points, k, *, random_state=0, n_jobs=1):
    """Rows of the `k` nearest neighbours of each point among the others, nearest first.

    Parameters
    ----------
    points : (n_points, n_dimensions) array
        Spectra as `SpectrumScaler` gives them, or places on a map.
    k : int
        At least 1 and fewer than there are points.
    random_state, n_jobs :
        As in `index_neighbours`.

    Returns
    -------
    (n_points, k) array of int

    Raises
    ------
    AgnError
        For another `k`.
    """
    points = np.asarray(points)
    if not 1 <= k < len(points):
        raise AgnError(f"k must be at least 1 and less than the {len(points)} points; got {k}.")
    if points.shape[1] == 2:
        # On a plane a tree is exact and fast at any number of points.
        return NearestNeighbors(n_neighbors=k, n_jobs=n_jobs).fit(points).kneighbors(return_distance=False)
    with one_thread():
        index = index_neighbours(points, k, random_state=random_state, n_jobs=n_jobs)
        return np.asarray(index.build()[0], dtype=np.intp)


class Isthmus(NamedTuple):
    """How many spectra of one type have both other types among their neighbours.

    Attributes
    ----------
    share : float
        Observed share of the spectra of the type.
    expected : float
        Mean share where the labels are permuted.
    low, high : float
        Limits that hold the middle 95 % of the shares under permutation.
    p_value : float
        Probability of a share at least as far from `expected` under permutation, in either direction.
    """

    share: float
    expected: float
    low: float
    high: float
    p_value: float


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


def measure_isthmus(neighbours, y, *, between="intermediate", permute=None, n_draws=1000, random_state=0):
    """Share of the spectra of one type that have both other types among their neighbours, against chance.

    Chance keeps the map and permutes labels: among all spectra, which asks whether types lie together at
    all, or among the types `permute` only. Permuted between intermediates and type 2, the labels tell
    whether intermediates lie nearer to type 1 than the spectra of type 2 around them do.
    Such spectra are a bridge, the paper's isthmus.

    Parameters
    ----------
    neighbours : (n_spectra, k) array of int
        Rows of each spectrum's neighbours.
    y : (n_spectra,) array of str
        Types; three of them.
    between : str
        The type that is looked at.
    permute : sequence of str, optional
        Types whose labels are permuted; all by default.
    n_draws : int
        Number of permutations, at least 1.
    random_state : int
        Seed.

    Returns
    -------
    Isthmus

    Raises
    ------
    AgnError
        Where there are not three types with `between` among them, for unknown types to permute, or no draw.
    """
    types, codes = np.unique(np.asarray(y), return_inverse=True)
    if len(types) != 3 or between not in types:
        raise AgnError(f"y must hold three types, {between!r} among them; got {', '.join(map(str, types))}.")
    unknown = sorted(set(permute or ()) - set(types))
    if unknown:
        raise AgnError(f"permute must name types of y, {', '.join(types)}; got {unknown[0]!r}.")
    if n_draws < 1:
        raise AgnError(f"n_draws must be at least 1; got {n_draws}.")
    own = list(types).index(between)
    others = [code for code in range(3) if code != own]
    movable = np.flatnonzero(np.isin(types[codes], list(permute or types)))

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


def tabulate_isthmus(maps, y, *, n_neighbours=10, **options):
    """`measure_isthmus` on several maps, and in the full space of each scale.

    Parameters
    ----------
    maps : sequence of SpectrumMap
        Of the same spectra.
    y : (n_spectra,) array of str
        Types; three of them.
    n_neighbours : int
    **options
        ``between, permute, n_draws, random_state`` of `measure_isthmus`.

    Returns
    -------
    pandas.DataFrame
        Index ``scale, perplexity`` (str; "full space" last of each scale); the columns of `Isthmus`.
    """
    rows = {}
    for name in dict.fromkeys(spectrum_map.scale_name for spectrum_map in maps):
        of_scale = [spectrum_map for spectrum_map in maps if spectrum_map.scale_name == name]
        places = {str(each.perplexity): each.coordinates for each in of_scale}
        places["full space"] = of_scale[0].scaler.transform(of_scale[0].X)
        for perplexity, points in places.items():
            near = find_neighbours(points, n_neighbours)
            rows[name, perplexity] = measure_isthmus(near, y, **options)._asdict()
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["scale", "perplexity"])


def tabulate_neighbours(neighbours, y):
    """Mean share of each type (columns) among the neighbours of the spectra of each type (rows, ``type``).

    neighbours : (n_spectra, k) array of int, from `find_neighbours`
    y : (n_spectra,) array of str
    """
    y = np.asarray(y)
    types = [name for name in AGN_TYPES if (y == name).any()]
    shares = pd.DataFrame({name: (y[neighbours] == name).mean(axis=1) for name in types})
    return shares.groupby(y).mean().reindex(types).rename_axis("type")


def vote_on_map(spectrum_map, y, places, *, n_neighbours=10):
    """Share of each type among the nearest neighbours of new places on a map.

    Parameters
    ----------
    spectrum_map : SpectrumMap
    y : (n_spectra,) array of str
        Types of its spectra.
    places : (n_new, 2) array
        From `place_on_map`.
    n_neighbours : int

    Returns
    -------
    pandas.DataFrame
        A row a place, a column a type.
    """
    vote = KNeighborsClassifier(n_neighbours).fit(spectrum_map.coordinates, y)
    shares = pd.DataFrame(vote.predict_proba(places), columns=vote.classes_)
    return shares[[name for name in AGN_TYPES if name in shares]]
