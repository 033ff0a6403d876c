"""How unlike the training sample a spectrum is: what no mixture of its principal components can make.

A classifier gives every spectrum one of its types, a star's too.  Here a spectrum is reconstructed from the
training sample's principal components, each flux weighed by its error, and what is left over is searched for
spectral features.  Noise, gaps and cosmic rays leave nothing; a line that the training sample does
not have, or has at another wavelength (a wrong redshift), does.
"""

import numpy as np
from scipy.ndimage import convolve1d, median_filter
from scipy.stats import norm
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.model_selection import KFold
from sklearn.preprocessing import SplineTransformer
from sklearn.utils.validation import check_array, check_is_fitted

from ..errors import AgnError

# Spectra reconstructed together: some 60 MB of temporary arrays.
_BATCH = 256

# Å between bends of the smooth error: more than narrow lines and stellar absorption, less than Fe II blends.
_BEND = 50.0

# In grid points: the narrowest line that the grid resolves, of sigma 1.
_LINE = np.exp(-0.5 * np.arange(-4.0, 5.0) ** 2)

# Cosmic rays hit one or two points: none may stand out by more than noise does from the median of five.
_RAY_WINDOW, _RAY_LIMIT = 5, 3.0

_LEAST_SPECTRA = 10


class NoveltyDetector(BaseEstimator):
    """Search spectra for features that the training sample's principal components cannot make.

    A spectrum is mean + components + smooth error + noise, the coefficients Gaussian with the variances that
    they have in the training sample: probabilistic principal components with an error of its own for every
    flux, solved by weighted least squares.  The variance of a flux is that of its noise, of what the
    components do not hold in the training sample, and of a systematic error, since real spectra differ by a
    few per cent from any template, and from one survey to another.  The residual, divided by the square root
    of it, goes through a matched filter for narrow lines; the strongest response, either sign, is the score.

    Parameters
    ----------
    n_components : int, default=30
        Components that are kept, at most one for ten spectra.
    systematic : float, default=0.05
        Systematic error, as a share of the flux from point to point, and in units of the flux at 5100 Å for
        the smooth part that bends every 50 Å.  SDSS calibrates its fluxes to 4 %.
    false_alarm : float, default=0.01
        Share of spectra like the training sample that is flagged all the same.
    cv : int, default=5
        Folds: the threshold comes from spectra scored with the components of the others.
    random_state : int, RandomState or None, default=None
        Shuffles the folds.

    Attributes
    ----------
    n_components_ : int
    mean_ : (n_grid,) array
    basis_ : (n_terms, n_grid) array
        Components, then the splines of the smooth error.
    prior_ : (n_terms,) array
        Variances of their coefficients.
    floor_ : (n_grid,) array
        Variance that the components do not hold.
    threshold_ : float
        Strongest response, in standard deviations, that `false_alarm` of the held-out spectra exceed, and no
        more of spectra that are as noisy as can be.

    Notes
    -----
    Only what is there is found, not what is missing: a galaxy without emission lines, or a featureless
    continuum, is a mixture of components too.  The defaults are round numbers amid those (25 to 50
    components, systematic errors of 1 to 7 %) with which a detector trained on the embedded survey gives the
    same answer on real stars, quasars and galaxies.  Fewer components leave so much of the lines to `floor_`
    and to the threshold that stars pass.

    References
    ----------
    Tipping & Bishop 1999, J. R. Statist. Soc. B 61, 611 (probabilistic components); Connolly & Szalay 1999,
    AJ 117, 2052 (noisy spectra with gaps); Adelman-McCarthy et al. 2008, ApJS 175, 297 (calibration).
    """

    def __init__(self, *, n_components=30, systematic=0.05, false_alarm=0.01, cv=5, random_state=None):
        self.n_components = n_components
        self.systematic = systematic
        self.false_alarm = false_alarm
        self.cv = cv
        self.random_state = random_state

    def fit(self, X, ivar, *, grid):
        """Learn the components of spectra, and the threshold from the same spectra, held out in turn.

        Parameters
        ----------
        X, ivar : (n_spectra, n_grid) arrays
            Fluxes of the training sample, all types together, and their inverse variances; where these are
            0, fluxes between their neighbours', as of `agn_helpers.reduction.reduce_spectra`.
        grid : (n_grid,) array
            Wavelengths, Å.

        Returns
        -------
        self

        Raises
        ------
        AgnError
            For arrays of different shapes, values that are not finite, negative inverse variances, fewer than
            10 spectra, parameters out of their range.
        """
        X, ivar = _check_shapes(X, ivar, len(grid))
        if len(X) < _LEAST_SPECTRA:
            raise AgnError(f"novelty needs at least {_LEAST_SPECTRA} training spectra; got {len(X)}.")
        for name, value in (("false_alarm", self.false_alarm), ("systematic", self.systematic)):
            if not 0 < value < 1:
                raise AgnError(f"{name} must be between 0 and 1; got {value}.")
        if not 1 <= self.n_components:
            raise AgnError(f"n_components must be at least 1; got {self.n_components}.")
        X, ivar = _check_values(X, ivar)
        n_knots = max(2, round((grid[-1] - grid[0]) / _BEND) + 1)
        splines = SplineTransformer(n_knots=n_knots).fit_transform(np.reshape(grid, (-1, 1))).T
        held_out = np.empty(len(X))
        for train, held in KFold(self.cv, shuffle=True, random_state=self.random_state).split(X):
            self._learn(X[train], ivar[train], splines)
            held_out[held] = self._strongest(X[held], ivar[held])
        # Of n + 1 spectra alike, no more than this share is beyond this rank of the n.
        rank = min(len(X), int(np.ceil((1 - self.false_alarm) * (len(X) + 1))))
        # Noise alone reaches as far (Bonferroni); spectra better than the systematic error do not show it.
        noise = norm.isf(self.false_alarm / (2 * X.shape[1]))
        self.threshold_ = float(max(noise, np.sort(held_out)[rank - 1]))
        self._learn(X, ivar, splines)
        return self

    def _learn(self, X, ivar, splines):
        n_components = min(self.n_components, max(1, len(X) // 10))
        pca = PCA(n_components, svd_solver="covariance_eigh").fit(X)
        used = ivar > 0
        excess = (X - pca.inverse_transform(pca.transform(X))) ** 2 - _invert(ivar)
        self.mean_ = pca.mean_
        self.basis_ = np.concatenate([pca.components_, splines])
        variances = np.append(pca.explained_variance_, np.full(len(splines), self.systematic**2))
        self.prior_ = variances.clip(np.finfo(float).eps)
        self.floor_ = (np.where(used, excess, 0).sum(axis=0) / used.sum(axis=0).clip(1)).clip(0)
        self.n_components_ = n_components

    def significance(self, X, ivar):
        """Features that the components cannot make, at every wavelength.

        Parameters
        ----------
        X, ivar : (n_spectra, n_grid) arrays
            Fluxes and inverse variances; points with ivar 0 are not used.

        Returns
        -------
        (n_spectra, n_grid) array
            Response of the matched filter in standard deviations: positive for light in excess (an emission
            line), negative for light that is lacking.

        Raises
        ------
        AgnError
            For arrays of another shape, values that are not finite, negative inverse variances.
        """
        check_is_fitted(self)
        X, ivar = _check_shapes(X, ivar, len(self.mean_))
        response = np.empty(X.shape)
        for batch, part in self._responses(X, ivar):
            response[batch] = part
        return response

    def novelty(self, X, ivar):
        """How unlike the training sample spectra are.

        Parameters
        ----------
        X, ivar : (n_spectra, n_grid) arrays
            As in `significance`.

        Returns
        -------
        (n_spectra,) array
            The strongest feature that the components cannot make, in units of the threshold: spectra above 1
            are unlike the training sample.
        """
        check_is_fitted(self)
        X, ivar = _check_shapes(X, ivar, len(self.mean_))
        return self._strongest(X, ivar) / self.threshold_

    def _strongest(self, X, ivar):
        strongest = np.empty(len(X))
        for batch, part in self._responses(X, ivar):
            strongest[batch] = np.abs(part).max(axis=1)
        return strongest

    def _responses(self, X, ivar):
        """Yield slices of the spectra and their `significance`, a bounded number of spectra at a time."""
        components = self.basis_[: self.n_components_]
        rows, columns = np.triu_indices(len(self.basis_))
        products = (self.basis_[rows] * self.basis_[columns]).T
        for start in range(0, len(X), _BATCH):
            batch = slice(start, start + _BATCH)
            flux, inverse = _check_values(X[batch], ivar[batch])
            used = inverse > 0
            offset = np.where(used, flux - self.mean_, 0)
            # The systematic error is a share of the model's flux, which a plain projection gives well enough.
            model = self.mean_ + offset @ components.T @ components
            variance = _invert(inverse) + self.floor_ + (self.systematic * model) ** 2
            weight = used / variance.clip(np.finfo(float).tiny)

            normal = np.empty((len(offset), *2 * [len(self.basis_)]))
            normal[:, rows, columns] = normal[:, columns, rows] = weight @ products
            normal += np.diag(1 / self.prior_)
            coefficients = np.linalg.solve(normal, ((weight * offset) @ self.basis_.T)[..., None])[..., 0]
            residual = np.sqrt(weight) * (offset - coefficients @ self.basis_)

            around = median_filter(residual, size=(1, _RAY_WINDOW))
            residual = np.clip(residual, around - _RAY_LIMIT, around + _RAY_LIMIT) * used
            noise = np.sqrt(convolve1d(used.astype(float), _LINE**2, mode="constant"))
            yield batch, convolve1d(residual, _LINE, mode="constant") / noise.clip(_LINE[0])


def _invert(ivar):
    return np.divide(1.0, ivar, out=np.zeros(ivar.shape), where=ivar > 0)


def _check_shapes(X, ivar, n_grid):
    X, ivar = np.asarray(X), np.asarray(ivar)
    if X.shape != ivar.shape or X.shape[1:] != (n_grid,):
        raise AgnError(f"X and ivar must be (n_spectra, {n_grid}); got {X.shape} and {ivar.shape}.")
    return X, ivar


def _check_values(X, ivar):
    return check_array(X, dtype=np.float64, input_name="X"), check_array(
        ivar, dtype=np.float64, ensure_non_negative=True, input_name="ivar"
    )
