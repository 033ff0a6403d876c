"""The search for nearest neighbours behind maps and their measures."""

import numpy as np
from openTSNE.affinity import get_knn_index
from sklearn.neighbors import NearestNeighbors

from ..errors import AgnError
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
