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

# Share of a bridge's home that lies inside its border.
_INSIDE = 0.95


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


class Bridge(NamedTuple):
    """How far the spectra of one type reach from the cluster of a second towards that of a third.

    Attributes
    ----------
    share : float
        Share of the type that stands on the bridge: `beyond` without those that would be there, were the type
        scattered over its home; about 0 where all are, 1 where none is.
    beyond : float
        Share of the type nearer to the cluster at the other end than 95 % of its home are.
    nearest : float
        Share of the type among the spectra of it and of its home that are nearest to that cluster.
    expected : float
        The same among all of them: what `nearest` is where the two are mixed.
    purity : float
        Share of neighbours that are of the type, averaged over it: 1 where it keeps to itself, `expected`
        where it is scattered over its home.
    """

    share: float
    beyond: float
    nearest: float
    expected: float
    purity: float


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


def measure_bridge(
    points, y, *, between="intermediate", home="type 2", end="type 1", n_neighbours=10, n_nearest=100
):
    """How much of one type bridges the gap from its home, the cluster of a second, to the cluster of a third.

    A spectrum's distance from the cluster at the end is that from its `n_neighbours`-th nearest member, so
    that a few members that stray do not count.  The type's home are the spectra of the second type: beyond
    95 % of these, towards the end, stand 5 % of a type that is scattered over its home, and all of one that
    bridges the gap.  Where a share s does and the others are scattered, s + 0.05 (1 - s) are beyond, which
    is solved for s.

    Parameters
    ----------
    points : (n_spectra, n_dimensions) array
        Places on a map, or scaled spectra.
    y : (n_spectra,) array of str
        Types.
    between, home, end : str
        The type that is looked at, and those at either end; the paper's isthmus by default.
    n_neighbours : int
        For distances and purity; at most the number of spectra at the end.
    n_nearest : int
        Spectra of `between` and `home` nearest to the end that are counted; at most all.

    Returns
    -------
    Bridge

    Raises
    ------
    AgnError
        Where one of the types has no spectrum, and for numbers out of their range.

    Notes
    -----
    Both other types among a spectrum's neighbours are no sign of a bridge: on one, neighbours are of its own
    type.
    """
    points, y = np.asarray(points, dtype=float), np.asarray(y)
    kind = {name: np.flatnonzero(y == name) for name in (between, home, end)}
    for name, rows in kind.items():
        if not len(rows):
            raise AgnError(f"a bridge needs spectra of {between}, {home} and {end}; there is no {name}.")
    n_others = len(kind[between]) + len(kind[home])
    for name, value, most in (
        ("n_neighbours", n_neighbours, min(len(kind[end]), len(points) - 1)),
        ("n_nearest", n_nearest, n_others),
    ):
        if not 1 <= value <= most:
            raise AgnError(f"{name} must be from 1 to {most}; got {value}.")
    members = NearestNeighbors(n_neighbors=n_neighbours).fit(points[kind[end]])
    distance = {name: members.kneighbors(points[kind[name]])[0][:, -1] for name in (between, home)}
    beyond = (distance[between] < np.quantile(distance[home], 1 - _INSIDE)).mean()
    order = np.argsort(np.concatenate([distance[between], distance[home]]), kind="stable")
    own = find_neighbours(points, n_neighbours)[kind[between]]
    return Bridge(
        share=float((beyond - (1 - _INSIDE)) / _INSIDE),
        beyond=float(beyond),
        nearest=float((order[:n_nearest] < len(kind[between])).mean()),
        expected=len(kind[between]) / n_others,
        purity=float((y[own] == between).mean()),
    )


def tabulate_bridges(maps, y, *, n_neighbours=10, **options):
    """`measure_bridge` on several maps, and in the full space of each scale.

    Parameters
    ----------
    maps : sequence of SpectrumMap
        Of the same spectra.
    y : (n_spectra,) array of str
        Types.
    n_neighbours : int
    **options
        ``between, home, end, n_nearest`` of `measure_bridge`.

    Returns
    -------
    pandas.DataFrame
        Index ``scale, perplexity`` (str; "full space" last of each scale); the columns of `Bridge`.
    """
    rows = {}
    for name in dict.fromkeys(spectrum_map.scale_name for spectrum_map in maps):
        of_scale = [spectrum_map for spectrum_map in maps if spectrum_map.scale_name == name]
        places = {str(each.perplexity): each.coordinates for each in of_scale}
        places["full space"] = of_scale[0].scaler.transform(of_scale[0].X)
        for perplexity, points in places.items():
            bridge = measure_bridge(points, y, n_neighbours=n_neighbours, **options)
            rows[name, perplexity] = bridge._asdict()
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
