"""t-SNE maps of spectra, and new spectra on an old map."""

import hashlib
from dataclasses import replace

import numpy as np
import openTSNE
from joblib import Parallel, delayed
from openTSNE.affinity import PerplexityBasedNN
from openTSNE.nearest_neighbors import PrecomputedNeighbors
from sklearn.utils import check_array

from .errors import AgnError
from .map_placer import MapPlacer, place_on_map
from .maps import SpectrumMap, read_map, write_map
from .neighbours import MOST_FOR_EXACT, count_neighbours, index_neighbours, largest_perplexity

__all__ = [
    "MapPlacer",
    "SpectrumMap",
    "embed_perplexities",
    "embed_spectra",
    "largest_perplexity",
    "place_on_map",
    "read_map",
    "write_map",
]

_FEWEST_SPECTRA = 10
# Below this number threads wait longer than they work.
_FEWEST_FOR_THREADS = 1000
# Opening angle of the Barnes-Hut tree: a third faster than the usual 0.5; on 3346 spectra the
# trustworthiness of the maps differs by less than 0.002 (make bench).
_OPENING_ANGLE = 0.8


def embed_spectra(
    X,
    *,
    perplexity=50,
    standardise=True,
    n_components=None,
    initialisation="pca",
    random_state=0,
    name=None,
    meta=None,
    n_jobs=None,
):
    """Map spectra onto a plane by t-SNE (van der Maaten & Hinton 2008).

    The same spectra in the same order with the same seed give the same map bit for bit, whatever
    `n_jobs`: neighbours are searched exactly and the gradient of each spectrum is summed by one thread.
    Above 20 000 spectra neighbours are approximate and the seed fixes the map for one `n_jobs` only.

    Parameters
    ----------
    X : (n_spectra, n_grid) array
        Fluxes on the common grid; no two spectra alike.
    perplexity : float
        Effective number of neighbours; the paper shows 5 to 50.
    standardise : bool
        Whether to bring each wavelength to mean 0 and standard deviation 1 first.
    n_components : int, optional
        Measure distances between this number of principal components instead of all wavelengths, which
        leaves most of the noise out.
    initialisation : {"pca", "random"}
        Start from the two principal components, which keeps large structure in place (Kobak & Berens
        2019), or from random places, which shows what of the map is an accident of its start.
    random_state : int
        Seed.
    name : (n_spectra,) sequence of str, optional
        Names; the row numbers by default.
    meta : dict, optional
        Kept with the map.
    n_jobs : int, optional
        Threads; all cores by default, but one below 1000 spectra, where threads wait longer than they work.

    Returns
    -------
    SpectrumMap

    Raises
    ------
    ValueError
        For fewer than 10 spectra, NaN, duplicates, a perplexity that is not positive or too large.
    """
    (spectrum_map,) = embed_perplexities(
        X,
        [perplexity],
        standardise=standardise,
        n_components=n_components,
        initialisation=initialisation,
        random_state=random_state,
        name=name,
        meta=meta,
        n_jobs=n_jobs,
    )
    return spectrum_map


def embed_perplexities(
    X,
    perplexities,
    *,
    standardise=True,
    n_components=None,
    initialisation="pca",
    random_state=0,
    name=None,
    meta=None,
    n_jobs=None,
):
    """Map spectra at several perplexities; neighbours are searched once, for the largest.

    Each map is the one that `embed_spectra` makes at its perplexity, to the bit up to 20 000 spectra. The
    maps are made side by side, each by one thread.

    Parameters
    ----------
    perplexities : sequence of float
        At least one.
    X, standardise, n_components, initialisation, random_state, name, meta, n_jobs :
        As in `embed_spectra`.

    Returns
    -------
    list of SpectrumMap
        In the order of `perplexities`.

    Raises
    ------
    ValueError
        As `embed_spectra`; for no perplexity at all.
    """
    X, name = _check_spectra(X, name)
    if not len(perplexities):
        raise AgnError("perplexities must hold at least one number; got none.")
    for perplexity in perplexities:
        if not 0 < perplexity <= largest_perplexity(len(X)):
            raise AgnError(
                f"perplexity must be positive and at most {largest_perplexity(len(X))}, a third of the "
                f"{len(X)} spectra; got {perplexity:g}."
            )
    if initialisation not in ("pca", "random"):
        raise AgnError(f"initialisation must be 'pca' or 'random'; got {initialisation!r}.")
    if n_components is not None and not 2 <= n_components <= min(X.shape):
        raise AgnError(
            f"n_components must be from 2 to {min(X.shape)}, the smaller of the numbers of spectra and "
            f"wavelengths; got {n_components}."
        )
    if n_jobs is None:
        n_jobs = -1 if len(X) >= _FEWEST_FOR_THREADS else 1
    blank = SpectrumMap(np.empty((0, 2)), X, name, 0.0, bool(standardise), random_state, n_components)
    scaled = blank.scale(X)
    if initialisation == "pca":
        start = openTSNE.initialization.pca(scaled, random_state=random_state)
    else:
        start = openTSNE.initialization.random(scaled, random_state=random_state)
    index = index_neighbours(
        scaled,
        count_neighbours(max(perplexities), len(X)),
        random_state=random_state,
        n_jobs=n_jobs,
    )
    neighbours, distances = index.build()

    n_jobs_each = n_jobs if len(perplexities) == 1 else 1

    def embed(perplexity):
        # The optimiser rounds the affinities it is given: each map gets its own.
        k = count_neighbours(perplexity, len(X))
        affinities = PerplexityBasedNN(
            knn_index=PrecomputedNeighbors(neighbours[:, :k], distances[:, :k]),
            perplexity=perplexity,
            n_jobs=n_jobs_each,
        )
        places = np.asarray(
            openTSNE.TSNE(
                # Above, a tree takes too long; repulsion is interpolated on a grid (Linderman et al. 2019).
                negative_gradient_method="bh" if len(X) <= MOST_FOR_EXACT else "fft",
                theta=_OPENING_ANGLE,
                random_state=random_state,
                n_jobs=n_jobs_each,
            ).fit(affinities=affinities, initialization=start.copy())
        )
        centred = places - (places.max(axis=0) + places.min(axis=0)) / 2
        return replace(blank, coordinates=centred, perplexity=float(perplexity), meta=dict(meta or {}))

    return Parallel(n_jobs=1 if len(perplexities) == 1 else n_jobs, prefer="threads")(
        delayed(embed)(perplexity) for perplexity in perplexities
    )


def _check_spectra(X, name):
    X = check_array(X, dtype=np.float32, input_name="X")
    n_spectra = len(X)
    if n_spectra < _FEWEST_SPECTRA:
        raise AgnError(f"a map needs at least {_FEWEST_SPECTRA} spectra; got {n_spectra}.")
    name = np.asarray([str(row) for row in range(n_spectra)] if name is None else name, dtype=str)
    if len(name) != n_spectra:
        raise AgnError(f"there must be one name for each of the {n_spectra} spectra; got {len(name)}.")
    first = {}
    for row, flux in enumerate(X):
        twin = first.setdefault(hashlib.blake2b(flux.tobytes(), digest_size=16).digest(), row)
        if twin != row:
            raise AgnError(f"no two spectra may be alike; {name[twin]} and {name[row]} are. Leave one out.")
    return X, name
