"""Which spectra are nearest to one another: the one search behind maps and their measures."""

from openTSNE.affinity import get_knn_index

#: Up to this number of spectra neighbours are exact; above, random projection trees (annoy) find nearly all.
MOST_FOR_EXACT = 20_000

_NEIGHBOURS_PER_PERPLEXITY = 3


def largest_perplexity(n_spectra):
    """Largest perplexity that `n_spectra` spectra allow: each needs three times as many neighbours."""
    return (n_spectra - 1) // _NEIGHBOURS_PER_PERPLEXITY


def count_neighbours(perplexity, n_spectra):
    """Neighbours that a spectrum needs at a perplexity; fewer where there are no more spectra."""
    return min(max(int(_NEIGHBOURS_PER_PERPLEXITY * perplexity), 1), n_spectra - 1)


def index_neighbours(scaled, k, *, random_state=0, n_jobs=1):
    """Index of spectra in which the nearest of any spectrum can be looked up.

    Parameters
    ----------
    scaled : (n_spectra, n_grid) float32 array
        Spectra on the scale on which distances are measured; exact up to `MOST_FOR_EXACT` of them.
    k : int
        Neighbours of each spectrum that `build` finds.
    random_state : int
        Seed of the projection trees.
    n_jobs : int
        Threads.

    Returns
    -------
    openTSNE.nearest_neighbors.KNNIndex
        ``build()`` gives neighbours and distances, (n_spectra, k) each, the spectrum itself left out;
        ``query(X, k)`` those of other spectra.
    """
    method = "exact" if len(scaled) <= MOST_FOR_EXACT else "annoy"
    return get_knn_index(scaled, method, k=k, metric="euclidean", n_jobs=n_jobs, random_state=random_state)
