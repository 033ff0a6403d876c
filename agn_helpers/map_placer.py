"""New spectra on an old map."""

import numpy as np
import openTSNE
from openTSNE.affinity import PerplexityBasedNN
from sklearn.utils import check_array

from .errors import AgnError
from .neighbours import count_neighbours, index_neighbours

# Neighbours on the map that a new spectrum settles among (Poličar, Stražar & Zupan 2019).
_PLACING_PERPLEXITY = 5


class MapPlacer:
    """Puts new spectra on an existing map without moving it; made once, it places at once.

    Each new spectrum starts at the median place of its nearest neighbours on the map and settles there
    on its own, so that its place does not depend on which others are placed with it
    (Poličar, Stražar & Zupan 2019).

    Parameters
    ----------
    spectrum_map : SpectrumMap
        The map.
    n_jobs : int
        Threads; -1 for all cores, which pays for many thousands of new spectra only.
    """

    def __init__(self, spectrum_map, *, n_jobs=1):
        self.spectrum_map = spectrum_map
        scaled = spectrum_map.scale(spectrum_map.X)
        k = count_neighbours(spectrum_map.perplexity, len(scaled))
        index = index_neighbours(scaled, k, random_state=spectrum_map.random_state, n_jobs=n_jobs)
        affinities = PerplexityBasedNN(knn_index=index, perplexity=spectrum_map.perplexity, n_jobs=n_jobs)
        # Interpolated repulsion of a map that stands still is computed once, a tree at every step.
        # transform() centres the embedding that it gets in place: give it a copy.
        self._embedding = openTSNE.TSNEEmbedding(
            np.array(spectrum_map.coordinates, dtype=np.float64),
            affinities,
            negative_gradient_method="fft",
            random_state=spectrum_map.random_state,
            n_jobs=n_jobs,
        )
        self._centre = spectrum_map.coordinates.max(axis=0) / 2 + spectrum_map.coordinates.min(axis=0) / 2

    def place(self, X_new):
        """Places (n_new, 2) of spectra `X_new` (n_new, n_grid) on the map.

        Raises
        ------
        ValueError
            For NaN or another number of wavelengths than the map's.
        """
        X_new = check_array(X_new, input_name="X_new")
        n_grid = self.spectrum_map.X.shape[1]
        if X_new.shape[1] != n_grid:
            raise AgnError(
                f"new spectra must be on the map's grid of {n_grid} wavelengths; got {X_new.shape[1]}. "
                f"Reduce them with the grid of the sample behind the map."
            )
        perplexity = min(_PLACING_PERPLEXITY, self.spectrum_map.perplexity)
        places = self._embedding.transform(self.spectrum_map.scale(X_new), perplexity=perplexity)
        return np.asarray(places) + self._centre


def place_on_map(spectrum_map, X_new, *, n_jobs=1):
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

    Raises
    ------
    ValueError
        For NaN or another number of wavelengths than the map's.
    """
    return MapPlacer(spectrum_map, n_jobs=n_jobs).place(X_new)
