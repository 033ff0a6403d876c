"""Places of spectra on a plane, in memory and on disk."""

from dataclasses import dataclass, field

import numpy as np
from astropy.table import Table

from ..errors import AgnError
from ..files import write_table
from .scaler import SpectrumScaler

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
    scaler : SpectrumScaler
        Fitted to X: the scale on which distances are measured.
    random_state : int
        Seed of the initialisation and the neighbour search.
    meta : dict
        Anything else worth keeping, e.g. ``survey``.
    """

    coordinates: np.ndarray
    X: np.ndarray
    name: np.ndarray
    perplexity: float
    scaler: SpectrumScaler
    random_state: int
    meta: dict = field(default_factory=dict)

    @property
    def scale_name(self):
        """What its distances are measured between, in words."""
        return self.scaler.name


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
            "standardise": spectrum_map.scaler.standardise,
            "random_state": spectrum_map.random_state,
            # FITS headers know no None.
            "n_components": spectrum_map.scaler.n_components or 0,
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
    X = np.asarray(table["flux"], dtype=np.float32)
    scaler = SpectrumScaler(
        standardise=meta.pop("standardise"), n_components=meta.pop("n_components") or None
    )
    return SpectrumMap(
        coordinates=np.column_stack([table["x"], table["y"]]),
        X=X,
        name=np.asarray(table["name"], dtype=str),
        perplexity=meta.pop("perplexity"),
        scaler=scaler.fit(X),
        random_state=meta.pop("random_state"),
        meta=meta,
    )
