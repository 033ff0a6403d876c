"""Maps of spectra, in memory and on disk, and the scale on which they measure distances."""

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from astropy.table import Table
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import ThreadpoolController

from ..errors import AgnError
from ..files import read_table, write_table
from ..limits import summarise_error

#: Raised when a map file's columns change meaning; `read_map` refuses other versions.
MAP_VERSION = 2


def check_fluxes(X, what, *, dtype=np.float64):
    """Fluxes as an array (n_spectra, n_grid); AgnError, which names `what`, for others."""
    try:
        X = check_array(X, dtype=dtype, ensure_all_finite=False)
    except ValueError as error:
        problem = str(error).splitlines()[0]
        raise AgnError(f"{what} must be an array (n_spectra, n_grid) of fluxes; {problem}") from error
    bad = np.flatnonzero(~np.isfinite(X).all(axis=1))
    if len(bad):
        raise AgnError(f"{what} must be finite; row {bad[0]} is not. Complete it, or leave it out.")
    return X


@cache
def _threads():
    return ThreadpoolController()


def one_thread():
    """Context in which linear algebra runs on one thread.

    On several, sums are rounded in another order; t-SNE makes another map of that. Maps must not depend on
    how many cores there are.
    """
    return _threads().limit(limits=1, user_api="blas")


class SpectrumScaler(TransformerMixin, BaseEstimator):
    """Bring spectra onto the scale on which a map measures distances.

    Parameters
    ----------
    standardise : bool, default=True
        Bring each wavelength to mean 0 and standard deviation 1 (the paper's eq. A.1).
    n_components : int, optional
        Then keep this number of principal components, which leaves most of the noise out; all wavelengths by
        default.

    Attributes
    ----------
    mean_, deviation_ : (n_grid,) float32 arrays
        Of each wavelength; 0 and 1 without `standardise`.
    axes_ : PCA or None
    """

    def __init__(self, *, standardise=True, n_components=None):
        self.standardise = standardise
        self.n_components = n_components

    @property
    def name(self):
        """What distances are measured between, in words."""
        name = "standardised" if self.standardise else "raw"
        return name if self.n_components is None else f"{name}, {self.n_components} components"

    def fit(self, X, y=None):
        """Learn the scale from spectra (n_spectra, n_grid); returns self."""
        X = np.asarray(X, dtype=np.float32)
        self.mean_, self.deviation_ = np.zeros(X.shape[1], np.float32), np.ones(X.shape[1], np.float32)
        if self.standardise:
            deviation = X.std(axis=0, dtype=np.float64)
            # A wavelength at which all spectra agree carries no distance.
            deviation[deviation == 0] = 1
            self.mean_ = X.mean(axis=0, dtype=np.float64).astype(np.float32)
            self.deviation_ = deviation.astype(np.float32)
        self.axes_ = None
        if self.n_components is not None:
            # The solver of the covariance matrix needs little memory and is the same on every call.
            axes = PCA(self.n_components, svd_solver="covariance_eigh")
            with one_thread():
                self.axes_ = axes.fit(self._standardise(X))
        return self

    def transform(self, X):
        """Scaled spectra, (n, n_grid) or (n, n_components) float32."""
        check_is_fitted(self)
        scaled = self._standardise(np.asarray(X, dtype=np.float32))
        if self.axes_ is None:
            return scaled
        with one_thread():
            return self.axes_.transform(scaled).astype(np.float32)

    def _standardise(self, X):
        return (X - self.mean_) / self.deviation_ if self.standardise else X


@dataclass(repr=False)
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
        Fitted to X, or its landmarks: the scale on which distances are measured.
    random_state : int
        Seed of the initialisation and the neighbour search.
    meta : dict
        Anything else worth keeping, e.g. ``survey``.
    landmarks : (n_landmarks,) array of int, optional
        Rows of the spectra that made the map, where all others were placed among them; None where all did.
    """

    coordinates: np.ndarray
    X: np.ndarray
    name: np.ndarray
    perplexity: float
    scaler: SpectrumScaler
    random_state: int
    meta: dict = field(default_factory=dict)
    landmarks: np.ndarray | None = None

    def __repr__(self):
        survey = self.meta.get("survey", "unknown")
        return f"<SpectrumMap: {len(self.name)} spectra, perplexity {self.perplexity:g}; survey {survey}>"

    @property
    def scale_name(self):
        """What its distances are measured between, in words."""
        return self.scaler.name

    @property
    def makers(self):
        """Rows of the spectra that made the map."""
        return slice(None) if self.landmarks is None else self.landmarks

    def scale(self, X):
        """Spectra (n, n_grid) on the scale on which the map measures distances."""
        if not hasattr(self.scaler, "mean_"):
            # A map that was left on the disk is only looked at when something is placed on it.
            self.scaler.fit(self.X[self.makers])
        return self.scaler.transform(X)


def write_map(spectrum_map, path):
    """Write a map as a FITS table with columns ``name, x, y, flux, landmark``; whole or not at all.

    The last only for maps of landmarks.

    Raises
    ------
    AgnError
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
    if spectrum_map.landmarks is not None:
        table["landmark"] = np.isin(np.arange(len(table)), spectrum_map.landmarks)
    write_table(table, path)


def read_map(path, *, mapped=False):
    """Read a map that `write_map` wrote.

    Parameters
    ----------
    path : path
    mapped : bool
        Leave the fluxes on the disk, and the scale unknown, until something is placed on the map.

    Returns
    -------
    SpectrumMap

    Raises
    ------
    AgnError
        For a file that is no map, or one of another version.
    """
    table = read_table(path, mapped=mapped)
    meta = {key.lower(): value for key, value in table.meta.items()}
    version = meta.pop("map_version", None)
    if version != MAP_VERSION:
        raise AgnError(
            f"{path} must be a map of version {MAP_VERSION}, as write_map writes it; it is of version "
            f"{version}. Make it again: agn reproduce --only 03."
        )
    try:
        X = np.asarray(table["flux"])
        # The other order of bytes can stay on the disk.
        X = X if mapped and X.dtype == ">f4" else X.astype(np.float32)
        coordinates = np.column_stack([table["x"], table["y"]]).astype(float)
        if X.ndim != 2 or coordinates.shape != (len(X), 2) or X.dtype.kind != "f":
            raise ValueError(f"x, y and {X.dtype} flux are of shapes {coordinates.shape} and {X.shape}")
        if not (np.isfinite(X).all() and np.isfinite(coordinates).all()):
            raise ValueError("x, y and flux must be finite")
        landmarks = np.flatnonzero(table["landmark"]) if "landmark" in table.colnames else None
        if landmarks is not None and not len(landmarks):
            raise ValueError("no spectrum is a landmark")
        standardise, n_components = bool(meta.pop("standardise")), int(meta.pop("n_components"))
        spectrum_map = SpectrumMap(
            coordinates=coordinates,
            X=X,
            name=np.asarray(table["name"]).astype(str),
            perplexity=float(meta.pop("perplexity")),
            scaler=SpectrumScaler(standardise=standardise, n_components=n_components or None),
            random_state=int(meta.pop("random_state")),
            meta=meta,
            landmarks=landmarks,
        )
        if not mapped:
            spectrum_map.scale(X[:1])
        return spectrum_map
    except Exception as error:  # Columns and numbers of any kind may stand in a file.
        raise AgnError(
            f"{path} must be a map as write_map writes it; reading it says: {summarise_error(error)}. "
            "Make it again: agn reproduce --only 03."
        ) from error
