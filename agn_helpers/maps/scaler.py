"""The scale on which a map measures distances: raw fluxes, standardised ones, or principal components."""

from functools import cache

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import ThreadpoolController


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
