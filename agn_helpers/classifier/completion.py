"""What was not observed of a spectrum, by what was, and by the principal components of the training sample.

A spectrum is mean + components + intrinsic scatter + noise, all Gaussian (probabilistic principal components,
with the known noise of every flux), so that what was not observed is Gaussian too, given what was.  Its mean
takes its place, and its covariance is carried into decisions and probabilities.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack
from scipy.stats import norm
from sklearn.base import BaseEstimator
from sklearn.model_selection import KFold
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, check_is_fitted

from ..errors import AgnError

#: Numbers of components among which `SpectrumCompleter` chooses.
N_COMPONENTS = (5, 10, 20, 30, 40, 60)

#: Share of the grid that straight lines may bridge: more than sky lines and cosmic rays take from any
#: spectrum of the embedded survey, 2.5 %.
MOST_BRIDGED = 0.05

# Spectra worked on together: at 60 components some 30 MB of temporary arrays.
_BATCH = 128

# While components are learnt, pixels noisier than the spectrum's median by this factor count as unobserved:
# the variance of a few would drown all others.
_NOISY = 5.0

_LEAST_SPECTRA = 10

# Into which a spectrum is divided to see how well the components tell each from the others.
_N_STRETCHES = 10

# Stretches that are hidden to calibrate covariances, as shares of the grid (50 to 200 Å of the paper's), the
# components whose shape is predicted there, and how often that is to lie within its Gaussian interval.
_STRETCHES = (1 / 30, 1 / 8)

_N_SHAPES = 10

_CONFIDENCE = 0.95

# Of the scatter, the square of 1 % of the flux at 5100 Å. Chosen on the embedded survey: of 1e-5, 3e-5, 1e-4
# and 3e-4 this, trained on the training part, gives spectra of the validation part the largest likelihood.
_LEAST_SCATTER = 1e-4


class Conditional(NamedTuple):
    """What is known of spectra after what was observed of them.

    Attributes
    ----------
    flux : (n_spectra, n_grid) array
        As observed where it was, its mean elsewhere.
    unobserved : (n_spectra, n_grid) bool array
    precision : (n_spectra, n_components, n_components) array
        Inverse covariance of the components' coefficients.
    variance : (n_spectra, n_grid) array
        Of scatter and noise, which are independent from pixel to pixel; 0 where observed.
    """

    flux: np.ndarray
    unobserved: np.ndarray
    precision: np.ndarray
    variance: np.ndarray

    def project(self, weights, components, *, part=None):
        """Covariance (n_spectra, n_weights, n_weights) of weighted sums of what was not observed.

        weights : (n_weights, n_grid) array
        components : (n_components, n_grid) array, of the `SpectrumCompleter`
        part : (n_spectra, n_grid) array, optional
            1 for the unobserved pixels that count, 0 for others; all by default.
        """
        part = self.unobserved if part is None else part
        n_weights, n_grid = weights.shape
        by_coefficient = (weights[:, None] * components).reshape(-1, n_grid)
        slopes = (part @ by_coefficient.T).reshape(len(part), n_weights, -1)
        products = (weights[:, None] * weights).reshape(-1, n_grid)
        independent = (part * self.variance) @ products.T
        of_components = slopes @ solve_positive(self.precision, slopes.transpose(0, 2, 1))
        return of_components + independent.reshape(-1, n_weights, n_weights)


class SpectrumCompleter(BaseEstimator):
    """Gaussian distribution of what was not observed of a spectrum, given what was and its noise.

    Parameters
    ----------
    n_components : int, optional
        By default that of `N_COMPONENTS` which gives spectra held out in turn the largest likelihood: 40 in
        the training sample of the embedded survey.
    cv : int, default=3
        Folds of that choice.
    random_state : int, RandomState or None, default=0
        Shuffles the folds.

    Attributes
    ----------
    mean_ : (n_grid,) array
    components_ : (n_components, n_grid) array
        Each times the standard deviation of its coefficient in the sample.
    scatter_ : (n_grid,) array
        Intrinsic variance that the components do not hold.
    n_components_ : int
    likelihood_ : dict
        Mean log-likelihood of held-out spectra by number of components; empty where none was chosen.
    inflation_ : float
        Factor of all covariances, at least 1, beside that of each spectrum.

    Notes
    -----
    With W the components, V the scatter and N the noise of a spectrum, its fluxes are distributed with the
    covariance W'W + V + N.  The coefficients have the prior covariance I, and given the observed fluxes
    (I + W_o (V + N)_o⁻¹ W_o')⁻¹ by the Woodbury identity: work goes with n_grid n_components².  Components
    come in closed form from the sample's covariance without its mean noise (Tipping & Bishop 1999), over the
    spectra that have both pixels.  The scatter is that of each pixel instead of one for all: spectra of the
    embedded survey's validation part have a larger likelihood with it, for any number of components to 60.

    What was not observed is completed together with the noise that it would have had, interpolated between
    the observed pixels: the classifier's probabilities are those of noisy spectra.

    Spectra are not quite Gaussian, pixels that share light err together, and other surveys are not quite like
    the training sample, so that covariances come out too small.  Each spectrum tells by how much: every tenth
    of it is told from the other nine, and its covariance is raised by the mean squared error in units of
    the expected one, as errors are by a reduced χ² (Birge 1932, Phys. Rev. 40, 207).  A factor for all is
    left, with which 95 % of training spectra, held out in turn with a stretch of each hidden, lie within
    their 95 % intervals; 1.2 on the embedded survey.

    References
    ----------
    Tipping & Bishop 1999, J. R. Statist. Soc. B 61, 611; Connolly & Szalay 1999, AJ 117, 2052 (spectra with
    gaps).
    """

    def __init__(self, n_components=None, *, cv=3, random_state=0):
        self.n_components = n_components
        self.cv = cv
        self.random_state = random_state

    def fit(self, X, ivar, y=None):
        """Learn mean, components and scatter of a training sample.

        Parameters
        ----------
        X, ivar : (n_spectra, n_grid) arrays
            Fluxes, all types together, and inverse variances; fluxes with ivar 0 are not looked at.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        AgnError
            For arrays of different shapes, values that are not finite, negative ivar, fewer than 10 spectra,
            no components or more than half as many as spectra.
        """
        X, ivar = _check_spectra(X, ivar)
        if len(X) < _LEAST_SPECTRA:
            raise AgnError(f"completion needs at least {_LEAST_SPECTRA} training spectra; got {len(X)}.")
        largest = min(len(X) // 2, X.shape[1] - 1)
        if self.n_components is not None and not 1 <= self.n_components <= largest:
            raise AgnError(f"n_components must be from 1 to {largest}; got {self.n_components}.")
        folds = [
            (_Covariance(X[train], ivar[train]), X[held], ivar[held])
            for train, held in KFold(self.cv, shuffle=True, random_state=self.random_state).split(X)
        ]
        self.inflation_, self.likelihood_ = 1.0, {}
        chosen = self.n_components
        if chosen is None:
            candidates = [number for number in N_COMPONENTS if number <= largest] or [1]
            self.likelihood_ = {number: self._validate(folds, number) for number in candidates}
            chosen = max(self.likelihood_, key=self.likelihood_.get)
        error = np.quantile(np.abs(self._predict_hidden(folds, chosen)), _CONFIDENCE)
        self.inflation_ = float(max(1, error / norm.isf((1 - _CONFIDENCE) / 2)) ** 2)
        self._set(_Covariance(X, ivar), chosen)
        return self

    def _validate(self, folds, n_components):
        """Mean log-likelihood of held-out spectra."""
        values = []
        for covariance, X, ivar in folds:
            self._set(covariance, n_components)
            values.append(self.log_likelihood(X, ivar))
        return float(np.concatenate(values).mean())

    def _predict_hidden(self, folds, n_components):
        """Errors, in standard deviations, of what is said of a hidden stretch of each held-out spectrum.

        They are those of the strongest components' shapes there: what classifiers look at is smooth.
        """
        rng = check_random_state(self.random_state)
        errors = []
        for covariance, X, ivar in folds:
            self._set(covariance, n_components)
            hidden = _hide_stretches(ivar, rng)
            seen = np.where(hidden, 0, ivar)
            kept = (seen > 0).any(axis=1)
            X, seen, hidden = X[kept], seen[kept], (hidden & (ivar > 0))[kept].astype(float)
            given = self.condition(X, seen)
            shapes = self.components_[:_N_SHAPES]
            covariances = given.project(shapes, self.components_, part=hidden)
            variance = covariances.diagonal(axis1=1, axis2=2)
            error = (hidden * (X - given.flux)) @ shapes.T
            errors.append((error / np.sqrt(np.maximum(variance, _LEAST_SCATTER**2)))[variance.any(axis=1)])
        return np.concatenate(errors)

    def _set(self, covariance, n_components):
        self.n_components_, self.mean_ = n_components, covariance.mean
        self.components_, self.scatter_ = covariance.split(n_components)

    def log_likelihood(self, X, ivar):
        """Log-likelihood of the observed fluxes of spectra, (n_spectra,)."""
        X, ivar = self._check(X, ivar)
        values = [[]]
        for rows in _batches(len(X)):
            solved, used = self._solve(X[rows], ivar[rows]), ivar[rows] > 0
            told = (solved.all_pull * solved.coefficients).sum(axis=1)
            chi_squared = (solved.weight * solved.offset**2).sum(axis=1) - told
            noise = np.log(2 * np.pi / np.where(used, solved.weight, 2 * np.pi)).sum(axis=1)
            values.append(-0.5 * (chi_squared + np.linalg.slogdet(solved.precision)[1] + noise))
        return np.concatenate(values)

    def condition(self, X, ivar):
        """What is known of spectra after what was observed of them: `Conditional`.

        X, ivar : (n_spectra, n_grid) arrays, as for `fit`; at least one flux of each observed
        """
        X, ivar = self._check(X, ivar)
        parts = [self._condition(X[rows], ivar[rows]) for rows in _batches(len(X))]
        return Conditional(*map(np.concatenate, zip(*parts)))

    def complete(self, X, ivar):
        """Spectra with the mean of what was not observed in its place, (n_spectra, n_grid) array.

        X, ivar as in `condition`; spectra without gaps come back as they are.
        """
        X, ivar = self._check(X, ivar)
        rows = np.flatnonzero((ivar == 0).any(axis=1))
        completed = X.copy()
        for part in _batches(len(rows)):
            completed[rows[part]] = self._condition(X[rows[part]], ivar[rows[part]]).flux
        return completed

    def _condition(self, X, ivar):
        unobserved = ivar == 0
        solved = self._solve(X, ivar)
        flux = np.where(unobserved, self.mean_ + solved.coefficients @ self.components_, X)
        scale = self.inflation_ * np.maximum(1, self._misfit(ivar, solved))
        variance = np.where(unobserved, self.scatter_ + _fill_noise(ivar), 0) * scale[:, None]
        return Conditional(flux, unobserved, solved.precision / scale[:, None, None], variance)

    def _misfit(self, ivar, solved):
        """How far the mean flux of a spectrum's own stretches is from what the others tell of it, (n,).

        The mean square in units of the expected one, over the stretches that were observed by half at least.
        """
        total, number = np.zeros((2, len(ivar)))
        for stretch, products, pull in zip(self._stretches(), solved.products, solved.pull):
            used, offset = ivar[:, stretch] > 0, solved.offset[:, stretch]
            variance = 1 / np.where(used, solved.weight[:, stretch], 1)
            n_used = used.sum(axis=1)
            share = used / np.maximum(1, n_used)[:, None]
            slope = share @ self.components_[:, stretch].T
            # The stretch is taken out of what all pixels together say of the coefficients.
            others = unpack_pairs(solved.all_products - products, len(self.components_))
            told = solve_positive(others, np.stack([solved.all_pull - pull, slope], axis=2))
            told = np.einsum("nq,nqk->kn", slope, told)
            error = (share * offset).sum(axis=1) - told[0]
            counts = 2 * n_used >= used.shape[1]
            total += counts * error**2 / (told[1] + (share**2 * variance).sum(axis=1) + (n_used == 0))
            number += counts
        return total / np.maximum(1, number)

    def _solve(self, X, ivar):
        """What the observed fluxes say of the coefficients, stretch by stretch and together."""
        used = ivar > 0
        weight = used / np.where(used, self.scatter_ + _invert(ivar), 1)
        offset = np.where(used, X - self.mean_, 0)
        pairs, pulled, stretches = pair_products(self.components_), weight * offset, self._stretches()
        products = np.empty((len(stretches), len(X), pairs.shape[1]))
        for stretch, part in zip(stretches, products):
            np.matmul(weight[:, stretch], pairs[stretch], out=part)
        pull = np.stack([pulled[:, each] @ self.components_[:, each].T for each in stretches])
        # The coefficients' prior covariance is the identity.
        all_products = (
            products.sum(axis=0) + np.eye(len(self.components_))[np.triu_indices(len(self.components_))]
        )
        all_pull, precision = pull.sum(axis=0), unpack_pairs(all_products, len(self.components_))
        coefficients = solve_positive(precision, all_pull[..., None])[..., 0]
        return _Solved(weight, offset, products, all_products, pull, all_pull, precision, coefficients)

    def _stretches(self):
        return [
            slice(each[0], each[-1] + 1) for each in np.array_split(np.arange(len(self.mean_)), _N_STRETCHES)
        ]

    def _check(self, X, ivar):
        check_is_fitted(self)
        return _check_spectra(X, ivar, len(self.mean_))


class _Solved(NamedTuple):
    """Of n spectra and n_grid fluxes; products and pull by stretch and together, with the prior."""

    weight: np.ndarray
    offset: np.ndarray
    products: np.ndarray
    all_products: np.ndarray
    pull: np.ndarray
    all_pull: np.ndarray
    precision: np.ndarray
    coefficients: np.ndarray


def pair_products(components, kind=np.float64):
    """Products (n_grid, n_pairs) of all pairs of components (n_components, n_grid); kept for the next call.

    Weights (n, n_grid) times them are the equations of least squares, see `unpack_pairs`.
    """
    return _multiply_pairs(components.tobytes(), components.shape, np.dtype(kind))


@lru_cache(maxsize=2)
def _multiply_pairs(content, shape, kind):
    components = np.frombuffer(content).reshape(shape)
    first, second = np.triu_indices(shape[0])
    return np.ascontiguousarray((components[first] * components[second]).astype(kind).T)


def unpack_pairs(products, n_components):
    """Symmetric matrices (n, n_components, n_components) of sums over `pair_products` (n, n_pairs)."""
    places = np.empty((n_components, n_components), dtype=int)
    first, second = np.triu_indices(n_components)
    places[first, second] = places[second, first] = np.arange(first.size)
    return products.take(places, axis=1)


def solve_positive(matrices, right):
    """Solve positive definite equations, (n, k, k) and (n, k, m): a quarter faster than any matrices'."""
    solutions = np.empty(right.shape)
    for matrix, column, solution in zip(matrices, right, solutions):
        _, solution[:], failed = lapack.dposv(matrix.T, column, lower=1)
        if failed:  # Rounding made it indefinite.
            solution[:] = np.linalg.solve(matrix, column)
    return solutions


class _Covariance:
    """Mean and intrinsic covariance of a sample, its mean noise taken off, by eigenvalues."""

    def __init__(self, X, ivar):
        median = np.ma.median(np.ma.masked_equal(ivar, 0), axis=1).filled(0)
        used = (ivar > median[:, None] / _NOISY**2).astype(float)
        count = np.maximum(1, used.sum(axis=0))
        self.mean = (used * X).sum(axis=0) / count
        offset = used * (X - self.mean)
        noise = (used * _invert(ivar)).sum(axis=0) / count
        matrix = offset.T @ offset / np.maximum(1, used.T @ used) - np.diag(noise)
        values, vectors = np.linalg.eigh(matrix)
        self.diagonal = np.diag(matrix)
        self.values, self.vectors = values[::-1], vectors[:, ::-1].T

    def split(self, n_components):
        """Components (n_components, n_grid) and the variance (n_grid,) that they do not hold."""
        values = np.maximum(self.values[:n_components], 0)
        components = np.sqrt(values)[:, None] * self.vectors[:n_components]
        scatter = self.diagonal - (components**2).sum(axis=0)
        return components, np.maximum(scatter, _LEAST_SCATTER)


def _check_spectra(X, ivar, n_grid=None):
    X, ivar = np.asarray(X), np.asarray(ivar)
    if X.ndim != 2 or X.shape != ivar.shape or n_grid not in (None, X.shape[1]):
        wanted = "n_grid" if n_grid is None else n_grid
        raise AgnError(f"X and ivar must be (n_spectra, {wanted}); got {X.shape} and {ivar.shape}.")
    if not len(X):
        return X.astype(float), ivar.astype(float)
    ivar = check_array(ivar, dtype=np.float64, ensure_non_negative=True, input_name="ivar")
    # What stands where nothing was observed may be anything.
    X = check_array(np.where(ivar > 0, X, 0), dtype=np.float64, input_name="X")
    blank = np.flatnonzero(~(ivar > 0).any(axis=1))
    if len(blank):
        raise AgnError(
            f"every spectrum must have ivar > 0 somewhere; number {blank[0]} has not; leave it out."
        )
    return X, ivar


def _hide_stretches(ivar, rng):
    """Pixels (n, n_grid) of one stretch of each spectrum, anywhere on the grid, its ends included."""
    n_grid = ivar.shape[1]
    length = rng.uniform(*_STRETCHES, len(ivar)) * n_grid
    start = rng.uniform(-length / 2, n_grid - length / 2)
    places = np.arange(n_grid)
    return (places >= start[:, None]) & (places < (start + length)[:, None])


def _invert(ivar):
    return np.divide(1.0, ivar, out=np.zeros(ivar.shape), where=ivar > 0)


def _fill_noise(ivar):
    """Variances (n, n_grid) where observed, and between the nearest observed pixels elsewhere."""
    n_grid, used = ivar.shape[1], (ivar > 0).ravel()
    known, gaps, filled = np.flatnonzero(used), np.flatnonzero(~used), np.zeros(used.shape)
    variance, after = 1 / ivar.ravel()[known], np.searchsorted(known, gaps)
    before, after = after - 1, after
    # At the ends of a spectrum the nearest is on one side alone.
    row = gaps // n_grid
    lacks = (before < 0) | (known[before] // n_grid != row)
    before[lacks] += 1
    lacks = (after == len(known)) | (known[after % len(known)] // n_grid != row)
    after[lacks] -= 1
    slope = (variance[after] - variance[before]) / np.maximum(1, known[after] - known[before])
    filled[known] = variance
    filled[gaps] = slope * (gaps - known[before]) + variance[before]
    return filled.reshape(ivar.shape)


def _batches(n_spectra):
    return [slice(first, first + _BATCH) for first in range(0, n_spectra, _BATCH)]


def fit_completion(X, ivar, train, *, random_state=0):
    """Learn from a training sample what its spectra look like, and complete those with wide gaps.

    Parameters
    ----------
    X, ivar : (n_spectra, n_grid) arrays
        Of a reduced sample.
    train : (n_train,) int array
        Rows of the spectra that are learnt from.
    random_state : int, RandomState or None

    Returns
    -------
    completion : SpectrumCompleter or None
        None for fewer than 10 training spectra.
    X : (n_spectra, n_grid) array
        Completed where more than 5 % of a spectrum was not observed.  Smaller gaps stay bridged: how
        they are filled matters less than their noise.
    """
    if len(train) < _LEAST_SPECTRA:
        return None, X
    completion = SpectrumCompleter(random_state=random_state).fit(X[train], ivar[train])
    wide = (ivar == 0).mean(axis=1) > MOST_BRIDGED
    X = np.array(X, dtype=float)
    X[wide] = completion.complete(X[wide], ivar[wide])
    return completion, X
