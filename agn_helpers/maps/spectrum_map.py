"""Places of spectra on a plane, in memory and on disk."""

from dataclasses import dataclass, field

import numpy as np
from astropy.table import Table
from sklearn.decomposition import PCA

from ..errors import AgnError
from ..files import write_table

#: Raised when a map file's columns change meaning; `read_map` refuses other versions.
MAP_VERSION = 2


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
    n_components : int or None
        Principal components between which distances are measured; None for all wavelengths.
    meta : dict
        Anything else worth keeping, e.g. ``survey``.
    """

    coordinates: np.ndarray
    X: np.ndarray
    name: np.ndarray
    perplexity: float
    standardise: bool
    random_state: int
    n_components: int | None = None
    meta: dict = field(default_factory=dict)
    _axes: PCA | None = field(default=None, init=False, repr=False, compare=False)
    _moments: tuple | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def scale_name(self):
        """What its distances are measured between, in words."""
        name = "standardised" if self.standardise else "raw"
        return name if self.n_components is None else f"{name}, {self.n_components} components"

    def scale(self, X):
        """Bring spectra (n, n_grid) onto the scale on which this map measures distances.

        Returns
        -------
        (n, n_grid) or (n, n_components) float32 array
        """
        scaled = self._standardise(X)
        if self.n_components is None:
            return scaled
        if self._axes is None:
            # The solver of the covariance matrix needs little memory and is the same on every call.
            self._axes = PCA(self.n_components, svd_solver="covariance_eigh").fit(self._standardise(self.X))
        return self._axes.transform(scaled).astype(np.float32)

    def _standardise(self, X):
        X = np.asarray(X, dtype=np.float32)
        if not self.standardise:
            return X
        if self._moments is None:
            spread = self.X.std(axis=0, dtype=np.float64)
            # A wavelength at which all spectra agree carries no distance.
            spread[spread == 0] = 1
            mean = self.X.mean(axis=0, dtype=np.float64)
            self._moments = mean.astype(np.float32), spread.astype(np.float32)
        mean, spread = self._moments
        return (X - mean) / spread


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
            # FITS headers know no None.
            "n_components": spectrum_map.n_components or 0,
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
        n_components=meta.pop("n_components") or None,
        meta=meta,
    )
