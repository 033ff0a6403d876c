"""t-SNE maps of spectra, and new spectra on an old map."""

from dataclasses import dataclass, field

import numpy as np
import openTSNE
from astropy.table import Table
from openTSNE.affinity import PerplexityBasedNN
from sklearn.utils import check_array

from .errors import AgnError
from .files import write_table

#: Raised when a map file's columns change meaning; `read_map` refuses other versions.
MAP_VERSION = 1

_FEWEST_SPECTRA = 10
_NEIGHBOURS_PER_PERPLEXITY = 3
_FEWEST_FOR_THREADS = 1000


@dataclass
class SpectrumMap:
    """Places of spectra on a plane, with what is needed to put others beside them.

    Attributes
    ----------
    coordinates : (n_spectra, 2) array
        Places; only distances between near neighbours have a meaning, the axes have none.
    X : (n_spectra, n_grid) float32 array
        The spectra themselves.
    name : (n_spectra,) array of str
        Their names.
    perplexity : float
        Effective number of neighbours of a spectrum.
    standardise : bool
        True where each wavelength was brought to mean 0 and standard deviation 1 (the paper's eq. A.1).
    random_state : int
        Seed of the initialisation and the neighbour search.
    meta : dict
        Anything else worth keeping, e.g. ``survey``.
    """

    coordinates: np.ndarray
    X: np.ndarray
    name: np.ndarray
    perplexity: float
    standardise: bool
    random_state: int
    meta: dict = field(default_factory=dict)

    def scale(self, X):
        """Bring spectra (n, n_grid) onto the scale on which this map measures distances."""
        if not self.standardise:
            return np.asarray(X, dtype=np.float64)
        spread = self.X.std(axis=0, dtype=np.float64)
        # A wavelength at which all spectra agree carries no distance.
        spread[spread == 0] = 1
        return (np.asarray(X, dtype=np.float64) - self.X.mean(axis=0, dtype=np.float64)) / spread


def largest_perplexity(n_spectra):
    """Largest perplexity that `n_spectra` spectra allow: each needs three times as many neighbours."""
    return (n_spectra - 1) // _NEIGHBOURS_PER_PERPLEXITY


def embed_spectra(X, *, perplexity=50, standardise=True, random_state=0, name=None, meta=None, n_jobs=None):
    """Map spectra onto a plane by t-SNE (van der Maaten & Hinton 2008), starting from their two
    principal components.

    The same spectra in the same order with the same seed give the same map bit for bit, whatever
    `n_jobs`: neighbours are searched exactly and the gradient of each spectrum is summed by one thread.

    Parameters
    ----------
    X : (n_spectra, n_grid) array
        Fluxes on the common grid; no two spectra alike.
    perplexity : float
        Effective number of neighbours; the paper shows 5 to 50.
    standardise : bool
        Whether to bring each wavelength to mean 0 and standard deviation 1 first.
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
    X = check_array(X, dtype=np.float32, input_name="X")
    n_spectra = len(X)
    if n_spectra < _FEWEST_SPECTRA:
        raise AgnError(f"a map needs at least {_FEWEST_SPECTRA} spectra; got {n_spectra}.")
    if not 0 < perplexity <= largest_perplexity(n_spectra):
        raise AgnError(
            f"perplexity must be positive and at most {largest_perplexity(n_spectra)}, a third of the "
            f"{n_spectra} spectra; got {perplexity:g}."
        )
    name = np.asarray([str(row) for row in range(n_spectra)] if name is None else name, dtype=str)
    if len(name) != n_spectra:
        raise AgnError(f"there must be one name for each of the {n_spectra} spectra; got {len(name)}.")
    distinct, first = np.unique(X, axis=0, return_index=True)
    if len(distinct) < n_spectra:
        repeated = np.setdiff1d(np.arange(n_spectra), first)[0]
        twin = np.flatnonzero((X == X[repeated]).all(axis=1))[0]
        raise AgnError(f"no two spectra may be alike; {name[twin]} and {name[repeated]} are. Leave one out.")

    spectrum_map = SpectrumMap(
        np.empty((n_spectra, 2)),
        X,
        name,
        float(perplexity),
        bool(standardise),
        random_state,
        dict(meta or {}),
    )
    if n_jobs is None:
        n_jobs = -1 if n_spectra >= _FEWEST_FOR_THREADS else 1
    scaled = spectrum_map.scale(X)
    embedding = openTSNE.TSNE(negative_gradient_method="bh", random_state=random_state, n_jobs=n_jobs).fit(
        affinities=_find_affinities(spectrum_map, scaled, n_jobs=n_jobs),
        initialization=openTSNE.initialization.pca(scaled, random_state=random_state),
    )
    coordinates = np.asarray(embedding)
    spectrum_map.coordinates = coordinates - (coordinates.max(axis=0) + coordinates.min(axis=0)) / 2
    return spectrum_map


def place_on_map(spectrum_map, X_new, *, n_jobs=1):
    """Put new spectra on an existing map without moving it.

    Each new spectrum starts at the median place of its nearest neighbours on the map and settles there
    on its own, so that its place does not depend on which others are placed with it
    (Poličar, Stražar & Zupan 2019).

    Parameters
    ----------
    spectrum_map : SpectrumMap
        The map.
    X_new : (n_new, n_grid) array
        Fluxes on the grid of the map's spectra.
    n_jobs : int
        Threads; -1 for all cores, which pays for many thousands of new spectra only.

    Returns
    -------
    (n_new, 2) array
        Places.

    Raises
    ------
    ValueError
        For NaN or another number of wavelengths than the map's.
    """
    X_new = check_array(X_new, input_name="X_new")
    n_grid = spectrum_map.X.shape[1]
    if X_new.shape[1] != n_grid:
        raise AgnError(
            f"new spectra must be on the map's grid of {n_grid} wavelengths; got {X_new.shape[1]}. "
            f"Reduce them with the grid of the sample behind the map."
        )
    scaled = spectrum_map.scale(spectrum_map.X)
    affinities = _find_affinities(spectrum_map, scaled, n_jobs=n_jobs)
    # transform() centres the embedding that it gets in place: give it a copy.
    old = openTSNE.TSNEEmbedding(
        spectrum_map.coordinates.copy(),
        affinities,
        negative_gradient_method="bh",
        random_state=spectrum_map.random_state,
        n_jobs=n_jobs,
    )
    neighbours = min(5, spectrum_map.perplexity)
    return np.asarray(old.transform(spectrum_map.scale(X_new), perplexity=neighbours))


def write_map(spectrum_map, path):
    """Write a map as a FITS table with columns ``name, x, y, flux``; whole or not at all.

    Raises
    ------
    OutputError
        Where `path` does not end in .fits or cannot be written.
    """
    table = Table(
        {
            "name": spectrum_map.name,
            "x": spectrum_map.coordinates[:, 0],
            "y": spectrum_map.coordinates[:, 1],
            "flux": spectrum_map.X,
        },
        meta={
            **spectrum_map.meta,
            "map_version": MAP_VERSION,
            "perplexity": spectrum_map.perplexity,
            "standardise": spectrum_map.standardise,
            "random_state": spectrum_map.random_state,
        },
    )
    write_table(table, path)


def read_map(path):
    """Read a map that `write_map` wrote.

    Returns
    -------
    SpectrumMap

    Raises
    ------
    AgnError
        For a file that is no map, or one of another version.
    """
    try:
        table = Table.read(path, format="fits")
        meta = {key.lower(): value for key, value in table.meta.items()}
        version = meta.pop("map_version")
    except (OSError, ValueError, KeyError) as error:
        raise AgnError(f"{path} is no map written by write_map; {error}.") from error
    if version != MAP_VERSION:
        raise AgnError(f"{path} is a map of version {version}, not {MAP_VERSION}; make it again.")
    return SpectrumMap(
        coordinates=np.column_stack([table["x"], table["y"]]),
        X=np.asarray(table["flux"], dtype=np.float32),
        name=np.asarray(table["name"], dtype=str),
        perplexity=meta.pop("perplexity"),
        standardise=meta.pop("standardise"),
        random_state=meta.pop("random_state"),
        meta=meta,
    )


def _find_affinities(spectrum_map, scaled, *, n_jobs):
    return PerplexityBasedNN(
        scaled,
        perplexity=spectrum_map.perplexity,
        method="exact",
        random_state=spectrum_map.random_state,
        n_jobs=n_jobs,
    )
