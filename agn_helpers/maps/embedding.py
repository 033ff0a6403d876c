"""t-SNE maps of spectra, and new spectra on an old map."""

from __future__ import annotations

import hashlib
from numbers import Real
from typing import Any

import numpy as np
import openTSNE
from joblib import Parallel, delayed
from openTSNE.affinity import PerplexityBasedNN
from openTSNE.nearest_neighbors import PrecomputedNeighbors
from sklearn.base import clone

from ..errors import AgnError
from .neighbours import MOST_FOR_EXACT, count_neighbours, index_neighbours, largest_perplexity
from .spectrum_map import SpectrumMap, SpectrumScaler, check_fluxes, one_thread

# Neighbours on the map that a new spectrum settles among (Poličar, Stražar & Zupan 2019).
_PLACING_PERPLEXITY = 5


class MapPlacer:
    """Put new spectra on an existing map without moving it; made once, it places at once.

    Each new spectrum starts at the median place of its nearest neighbours on the map and settles there
    on its own, so that its place does not depend on which others are placed with it
    (Poličar, Stražar & Zupan 2019).

    Parameters
    ----------
    spectrum_map : SpectrumMap
        The map.
    n_jobs : int
        Threads; -1 for all cores, which pays for many thousands of new spectra only.
    most : int
        Of more spectra that made the map, so many are drawn, with the map's seed, to place others among.
    """

    def __init__(self, spectrum_map, *, n_jobs=1, most=MOST_FOR_EXACT):
        self.spectrum_map = spectrum_map
        makers = np.arange(len(spectrum_map.X))[spectrum_map.makers]
        if len(makers) > most:
            draw = np.random.default_rng(spectrum_map.random_state)
            makers = np.sort(draw.choice(makers, most, replace=False))
        scaled = spectrum_map.scale(spectrum_map.X[makers])
        coordinates = spectrum_map.coordinates[makers]
        k = count_neighbours(spectrum_map.perplexity, len(scaled))
        index = index_neighbours(scaled, k, random_state=spectrum_map.random_state, n_jobs=n_jobs)
        affinities = PerplexityBasedNN(knn_index=index, perplexity=spectrum_map.perplexity, n_jobs=n_jobs)
        # Interpolated repulsion of a map that stands still is computed once, a tree at every step.
        # transform() centres the embedding that it gets in place: give it a copy.
        self._embedding = openTSNE.TSNEEmbedding(
            np.array(coordinates, dtype=np.float64),
            affinities,
            negative_gradient_method="fft",
            random_state=spectrum_map.random_state,
            n_jobs=n_jobs,
        )
        self._centre = coordinates.max(axis=0) / 2 + coordinates.min(axis=0) / 2

    def place(self, X_new):
        """Places (n_new, 2) of spectra `X_new` (n_new, n_grid) on the map.

        Raises
        ------
        AgnError
            For another number of wavelengths than the map's, NaN or infinity.
        """
        X_new = check_fluxes(X_new, "new spectra")
        n_grid = self.spectrum_map.X.shape[1]
        if X_new.shape[1] != n_grid:
            raise AgnError(
                f"new spectra must be on the map's grid of {n_grid} wavelengths; got {X_new.shape[1]}. "
                f"Reduce them with the grid of the sample behind the map."
            )
        perplexity = min(_PLACING_PERPLEXITY, self.spectrum_map.perplexity)
        scaled = self.spectrum_map.scale(X_new)
        with one_thread():
            places = self._embedding.transform(scaled, perplexity=perplexity)
        return np.asarray(places) + self._centre


def place_on_map(spectrum_map: SpectrumMap, X_new: np.ndarray, *, n_jobs: int = 1) -> np.ndarray:
    """Put new spectra on an existing map without moving it; see `MapPlacer`.

    Parameters
    ----------
    spectrum_map : SpectrumMap
        The map.
    X_new : (n_new, n_grid) array
        Fluxes on the grid of the map's spectra.
    n_jobs : int
        Threads.

    Returns
    -------
    (n_new, 2) array
        Places.
    """
    return MapPlacer(spectrum_map, n_jobs=n_jobs).place(X_new)


_FEWEST_SPECTRA = 10

# Below this number threads wait longer than they work.
_FEWEST_FOR_THREADS = 1000

# Steps, first with attraction exaggerated. The tree's opening angles and the number of first steps save a
# third to a half of openTSNE's 0.5 and 250; on 3346 spectra the Kullback-Leibler divergence is no larger by
# more than 0.1 %, and the trustworthiness differs by less than 0.002 (make bench). Above `most_exact` a tree
# takes too long; repulsion is interpolated on a grid (Linderman et al. 2019).
_STEPS = {
    "bh": ({"n_iter": 125, "exaggeration": 12, "theta": 1.2}, {"n_iter": 500, "theta": 0.8}),
    "fft": ({"n_iter": 250, "exaggeration": 12}, {"n_iter": 500}),
}


def embed_spectra(X: np.ndarray, *, perplexity: float = 50, **options: Any) -> SpectrumMap:
    """Map spectra onto a plane by t-SNE (van der Maaten & Hinton 2008).

    Parameters
    ----------
    X : (n_spectra, n_grid) array
        Fluxes on the common grid; no two spectra alike.
    perplexity : float
        Effective number of neighbours; the paper shows 5 to 50.
    **options
        ``scaler, initialisation, random_state, name, n_jobs, most_exact``: see `embed_perplexities`.

    Returns
    -------
    SpectrumMap
    """
    return embed_perplexities(X, [perplexity], **options)[0]


def embed_perplexities(
    X,
    perplexities,
    *,
    scaler=None,
    initialisation="pca",
    random_state=0,
    name=None,
    n_jobs=None,
    most_exact=MOST_FOR_EXACT,
):
    """Map spectra at several perplexities; neighbours are searched once, for the largest.

    The same spectra in the same order with the same seed give the same map bit for bit, at one perplexity or
    among several, whatever `n_jobs` and the number of cores: neighbours are searched exactly, linear algebra
    runs on one thread, and the gradient of each spectrum is summed by one thread. Above `most_exact` spectra
    neighbours are approximate, and the seed fixes the map for one `n_jobs` only.

    Parameters
    ----------
    X : (n_spectra, n_grid) array
        Fluxes on the common grid; no two spectra alike.
    perplexities : sequence of float
        At least one; several maps are made side by side, each by one thread.
    scaler : SpectrumScaler, optional
        Says between what distances are measured, and is fitted to X anew; standardised fluxes by default.
    initialisation : {"pca", "random"}
        Start from the two principal components, which keeps large structure in place (Kobak & Berens
        2019), or from random places, which shows what of the map is an accident of its start.
    random_state : int
        Seed.
    name : (n_spectra,) sequence of str, optional
        Names; the row numbers by default.
    n_jobs : int, optional
        Threads; all cores by default, but one below 1000 spectra, where threads wait longer than they work.
    most_exact : int
        Largest number of spectra whose neighbours are searched exactly.

    Returns
    -------
    list of SpectrumMap
        In the order of `perplexities`.

    Raises
    ------
    AgnError
        For fewer than 10 spectra, duplicates, NaN or infinity, no perplexity, one that is not positive or too
        large.
    """
    X, name = _check_spectra(X, name)
    scaler = SpectrumScaler() if scaler is None else clone(scaler)
    _check_choices(X, perplexities, scaler.n_components, initialisation)
    if n_jobs is None:
        n_jobs = -1 if len(X) >= _FEWEST_FOR_THREADS else 1
    scaled = scaler.fit(X).transform(X)
    with one_thread():
        start = getattr(openTSNE.initialization, initialisation)(scaled, random_state=random_state)
        index = index_neighbours(
            scaled,
            count_neighbours(max(perplexities), len(X)),
            random_state=random_state,
            n_jobs=n_jobs,
            most_exact=most_exact,
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
        method = "bh" if len(X) <= most_exact else "fft"
        places = openTSNE.TSNE(
            negative_gradient_method=method, random_state=random_state, n_jobs=n_jobs_each
        ).prepare_initial(affinities=affinities, initialization=start.copy())
        for steps in _STEPS[method]:
            places.optimize(**steps, inplace=True)
        places = np.asarray(places)
        centred = places - (places.max(axis=0) + places.min(axis=0)) / 2
        return SpectrumMap(centred, X, name, float(perplexity), scaler, random_state)

    return Parallel(n_jobs=1 if len(perplexities) == 1 else n_jobs, prefer="threads")(
        delayed(embed)(perplexity) for perplexity in perplexities
    )


def _check_choices(X, perplexities, n_components, initialisation):
    """AgnError for perplexities, components or a start that these spectra do not allow."""
    if not len(perplexities):
        raise AgnError("perplexities must hold at least one number; got none.")
    for perplexity in perplexities:
        if not (isinstance(perplexity, Real) and 0 < perplexity <= largest_perplexity(len(X))):
            raise AgnError(
                f"perplexity must be positive and at most {largest_perplexity(len(X))}, a third of the "
                f"{len(X)} spectra; got {perplexity}."
            )
    if initialisation not in ("pca", "random"):
        raise AgnError(f"initialisation must be 'pca' or 'random'; got {initialisation!r}.")
    if n_components is not None and not 2 <= n_components <= min(X.shape):
        raise AgnError(
            f"n_components must be from 2 to {min(X.shape)}, the smaller of the numbers of spectra and "
            f"wavelengths; got {n_components}."
        )


def _check_spectra(X, name):
    X = check_fluxes(X, "spectra", dtype=np.float32)
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
