"""How unlike the training sample a spectrum is: in its features, its continuum, or for want of lines.

A classifier gives every spectrum one of its types, a star's too.  Here a spectrum is reconstructed from the
training sample's principal components, each flux weighed by its error, and what is left over is searched for
spectral features.  Noise, gaps and cosmic rays leave nothing; a line that the training sample does
not have, or has at another wavelength (a wrong redshift), does.  Components make any continuum and take away
any line, so that the slope and level of the continuum and the strength of the lines are looked at by
themselves.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import convolve1d, maximum_filter1d
from scipy.stats import chi2, norm
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.model_selection import KFold
from sklearn.preprocessing import SplineTransformer
from sklearn.utils.validation import check_array, check_is_fitted

from ..errors import AgnError
from ..lines import NORMALISATION_WAVELENGTH
from .completion import pair_products, solve_positive, unpack_pairs
from .continuum_lines import measure_continuum, measure_lines

# Spectra reconstructed together: some 60 MB of temporary arrays.
_BATCH = 256

# Å between bends of the smooth error: more than narrow lines and stellar absorption, less than Fe II blends.
_BEND = 50.0

# In grid points: the narrowest line that the grid resolves, of sigma 1.
_LINE = np.exp(-0.5 * np.arange(-4.0, 5.0) ** 2)

# Cosmic rays hit one or two points: none may stand out by more than noise does from the median of five.
_RAY_WINDOW, _RAY_LIMIT = 5, 3.0

# Of the search for features: scores differ by less than a thousandth of their threshold from those of double.
_PRECISION = np.float32

# What is brighter (in units of the flux at 5100 Å) has squares that single precision does not hold.
_BRIGHTEST = 1e15

_LEAST_SPECTRA = 10

#: Parts of a spectrum's novelty.
NOVELTY_PARTS = ("features", "continuum", "lines")

# Their shares of false alarms: the most to the lines, since weak ones in noise are nearest to none at all,
# the least to the features, of which real spectra have some that no simulation has (residuals of the sky).
_SHARES = {"features": 0.1, "continuum": 0.25, "lines": 0.65}

# Near a line of the spectrum, profile and wavelength are uncertain by so much of its height, within so many
# grid points (some 800 km/s); what stands out from the median over so many points is a line.
_PROFILE_ERROR, _PROFILE_REACH = 0.3, 8

_SMOOTH, _SMOOTH_STEP = 13, 4

# Differences of the continuum count in units of those that this share of the training sample have.
_COMMON = 0.9

# Of the training sample: what is noisier than this share of it does not lack lines for that.
_NOISIEST = 0.99


class NoveltyDetector(BaseEstimator):
    """Tell spectra that are unlike the training sample by their features, their continuum or their lines.

    *Features.*  A spectrum is mean + components + smooth error + noise, the coefficients Gaussian with the
    variances that they have in the training sample: probabilistic principal components with an error of its
    own for every flux, solved by weighted least squares.  The variance of a flux is that of its noise, of
    what the components do not hold in the training sample, and of systematic errors, since real spectra
    differ by a few per cent from any template, and from one survey to another; 30 % of a line's height for
    its profile and shift.  The residual, divided by the square root of it, goes through a matched filter for
    narrow lines; the strongest response, either sign, is the score.

    *Continuum.*  The logarithms of the fluxes between the lines are Gaussian with the mean and covariance of
    the training sample.  A matched filter each tells their level (the flux at 5100 Å is 1) and their slope,
    and the Mahalanobis distance all else; the furthest of them is the score.

    *Lines.*  The significance of [O II], [Ne III], Hβ and [O III], each at its best width, added in
    quadrature.  A spectrum with less of them than all of the training sample is unlike it, so that
    featureless continua, stars and galaxies without emission lines are told.

    Parameters
    ----------
    n_components : int, default=40
        Components that are kept, at most one for ten spectra.
    systematic : float, default=0.05
        Systematic error, as a share of the flux from point to point, and in units of the flux at 5100 Å for
        the smooth part that bends every 50 Å.  SDSS calibrates its fluxes to 4 %.
    false_alarm : float, default=0.02
        Share of spectra like the training sample that are flagged all the same, at most: 65 % of it for
        want of lines, 25 % for the continuum, 10 % for features.
    cv : int, default=5
        Folds: the thresholds come from spectra scored with what was learnt of the others.
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
    grid_ : (n_grid,) array
        Å.
    continuum_mean_, continuum_covariance_ : (n_bins,) and (n_bins, n_bins) arrays
        Of the logarithms of the continuum.
    continuum_range_ : (2, 3) array
        Middle and range of level, slope and Mahalanobis distance.
    line_error_ : (n_templates,) array
        Errors of lines' equivalent widths in the noisiest spectra, Å.
    thresholds_ : dict
        By part, the score that its share of the held-out spectra are beyond; that of the features in
        standard deviations, and no less than noise alone reaches; that of the lines is the least.

    Notes
    -----
    A part of the light too much (a zero level in error) that is normalised away is no different from more
    light of a nucleus, and is not told.  Thresholds, and all choices of this module, come from simulated
    spectra: held-out ones that are to pass, and ones with wrong redshifts, slopes and levels, inverted, and
    without lines that are not; real ones have only judged.

    References
    ----------
    Tipping & Bishop 1999, J. R. Statist. Soc. B 61, 611 (probabilistic components); Connolly & Szalay 1999,
    AJ 117, 2052 (noisy spectra with gaps); Adelman-McCarthy et al. 2008, ApJS 175, 297 (calibration).
    """

    def __init__(self, *, n_components=40, systematic=0.05, false_alarm=0.02, cv=5, random_state=None):
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
        self.grid_ = np.asarray(grid, dtype=float)
        held_out = np.empty((len(X), len(NOVELTY_PARTS)))
        for train, held in KFold(self.cv, shuffle=True, random_state=self.random_state).split(X):
            self._learn(X[train], ivar[train])
            held_out[held] = self._scores(X[held], ivar[held])
        self.thresholds_ = {}
        for part, scores in zip(NOVELTY_PARTS, held_out.T):
            # Of n + 1 spectra alike, no more than this share is beyond this rank of the n.
            share = self.false_alarm * _SHARES[part]
            rank = min(len(X), int(np.ceil((1 - share) * (len(X) + 1))))
            # Too few lines are unlike, and too much of all else.
            sign = -1 if part == "lines" else 1
            self.thresholds_[part] = float(sign * np.sort(sign * scores)[rank - 1])
        self._learn(X, ivar)
        # Noise alone reaches as far (Bonferroni); spectra better than the systematic error do not show it.
        noise = norm.isf(self.false_alarm * _SHARES["features"] / (2 * X.shape[1]))
        self.thresholds_["features"] = max(float(noise), self.thresholds_["features"])
        share = self.false_alarm * _SHARES["continuum"] / self.continuum_range_.shape[1]
        noise = _noise_range(len(self.continuum_mean_), 1 - share) / self.continuum_range_[1]
        self.thresholds_["continuum"] = max(float(noise.max()), self.thresholds_["continuum"])
        return self

    def _learn(self, X, ivar):
        n_components = min(self.n_components, max(1, len(X) // 10))
        pca = PCA(n_components, svd_solver="covariance_eigh").fit(X)
        n_knots = max(2, round(np.ptp(self.grid_) / _BEND) + 1)
        splines = SplineTransformer(n_knots=n_knots).fit_transform(self.grid_[:, None]).T
        self.mean_ = pca.mean_
        self.basis_ = np.concatenate([pca.components_, splines])
        variances = np.append(pca.explained_variance_, np.full(len(splines), self.systematic**2))
        self.prior_ = variances.clip(np.finfo(float).eps)
        self.n_components_ = n_components
        used, model = ivar > 0, pca.inverse_transform(pca.transform(X))
        excess = (X - model) ** 2 - _invert(ivar) - _profile_variance(model)
        self.floor_ = (np.where(used, excess, 0).sum(axis=0) / used.sum(axis=0).clip(1)).clip(0)

        _, level, _ = measure_continuum(X, ivar, grid=self.grid_)
        self.continuum_mean_ = np.median(level, axis=0)
        self.continuum_covariance_ = np.atleast_2d(np.cov(level.T))
        values = self._compare_continuum(X, ivar)
        middle = np.median(values, axis=0)
        middle[-1] = 0
        common = np.quantile(np.abs(values - middle), _COMMON, axis=0)
        # No less than what noise alone does.
        self.continuum_range_ = np.stack([middle, np.maximum(common, _noise_range(level.shape[1], _COMMON))])

        lines = measure_lines(X, ivar, grid=self.grid_, systematic=self.systematic)
        observed = [each[np.isfinite(each)] for each in lines.error.T]
        # A line that no training spectrum shows is never noisier than in them.
        self.line_error_ = np.array([np.quantile(each, _NOISIEST) if each.size else 1e6 for each in observed])

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
            The largest of `novelty_by_part`: spectra above 1 are unlike the training sample.
        """
        return self.novelty_by_part(X, ivar).max(axis=1)

    def novelty_by_part(self, X, ivar):
        """How unlike the training sample spectra are in each of `NOVELTY_PARTS`.

        Parameters
        ----------
        X, ivar : (n_spectra, n_grid) arrays
            As in `significance`.

        Returns
        -------
        (n_spectra, 3) array
            In units of the thresholds, so that above 1 is unlike: the strongest feature that the components
            cannot make, the furthest difference of the continuum, and how much lines lack of their
            threshold (2 for no lines at all, -inf where they were not observed).
        """
        check_is_fitted(self)
        X, ivar = _check_shapes(X, ivar, len(self.mean_))
        parts, limits = self._scores(X, ivar), self.thresholds_
        parts[:, 0] /= limits["features"]
        parts[:, 1] /= limits["continuum"]
        looked_for, least = np.isfinite(parts[:, 2]), limits["lines"]
        parts[looked_for, 2] = 1 + (least - parts[looked_for, 2]) / max(1, least)
        parts[~looked_for, 2] = -np.inf
        return parts

    def _scores(self, X, ivar):
        """Strongest feature, furthest difference of the continuum, lines; (n_spectra, 3)."""
        strongest = np.empty((len(X), len(NOVELTY_PARTS)))
        for batch, part in self._responses(X, ivar):
            strongest[batch, 0] = np.abs(part).max(axis=1)
            flux, inverse = _check_values(X[batch], ivar[batch])
            middle, common = self.continuum_range_
            values = self._compare_continuum(flux, inverse)
            strongest[batch, 1] = np.abs((values - middle) / common).max(axis=1)
            lines = measure_lines(flux, inverse, grid=self.grid_, systematic=self.systematic)
            strongest[batch, 2] = lines.add_up(self.line_error_)
        return strongest

    def _compare_continuum(self, X, ivar):
        """Level, slope and Mahalanobis distance of the continuum in standard deviations, (n_spectra, 3)."""
        centre, level, variance = measure_continuum(X, ivar, grid=self.grid_)
        offset = level - self.continuum_mean_
        precision = np.linalg.inv(self.continuum_covariance_ + variance[:, None] * np.eye(len(centre)))
        pulled = np.einsum("nab,nb->na", precision, offset)
        forms = np.stack([np.ones(len(centre)), np.log(centre / NORMALISATION_WAVELENGTH)])
        sizes = np.einsum("fa,nab,fb->nf", forms, precision, forms, optimize=True)
        distance = np.sqrt(np.einsum("na,na->n", offset, pulled).clip(0))
        return np.column_stack([pulled @ forms.T / np.sqrt(sizes), distance])

    def _responses(self, X, ivar):
        """Yield slices of the spectra and their `significance`, a bounded number of spectra at a time."""
        basis, mean, floor = (part.astype(_PRECISION) for part in (self.basis_, self.mean_, self.floor_))
        components = basis[: self.n_components_]
        products = pair_products(self.basis_, _PRECISION)
        profile, power = _LINE.astype(_PRECISION), (_LINE**2).astype(_PRECISION)
        for start in range(0, len(X), _BATCH):
            batch = slice(start, start + _BATCH)
            flux, inverse = _check_values(X[batch], ivar[batch])
            used = inverse > 0
            # Seven digits of the fluxes are far more than their noise leaves; only the equations need more.
            offset = np.where(used, flux - self.mean_, 0).clip(-_BRIGHTEST, _BRIGHTEST).astype(_PRECISION)
            # The systematic error is a share of the model's flux, which a plain projection gives well enough.
            model = mean + offset @ components.T @ components
            with np.errstate(over="ignore"):
                variance = _invert(inverse).astype(_PRECISION)
            variance += floor + (self.systematic * model) ** 2
            variance += _profile_variance(model)
            weight = used / variance.clip(np.finfo(_PRECISION).tiny)

            normal = unpack_pairs(weight @ products, len(basis)) + np.diag(1 / self.prior_)
            coefficients = solve_positive(normal, ((weight * offset) @ basis.T)[..., None])[..., 0]
            residual = np.sqrt(weight) * (offset - coefficients.astype(_PRECISION) @ basis)

            around = _median_of_five(residual)
            residual = np.clip(residual, around - _RAY_LIMIT, around + _RAY_LIMIT) * used
            noise = np.sqrt(convolve1d(used.astype(_PRECISION), power, mode="constant"))
            yield batch, convolve1d(residual, profile, mode="constant") / noise.clip(profile[0])


def _median_of_five(values):
    """Median (n, n_grid) of each value and two on either side, those beyond an end mirrored."""
    padded = np.pad(values, ((0, 0), (2, 2)), mode="symmetric")
    a, b, c, d, e = (padded[:, shift : shift + values.shape[1]] for shift in range(_RAY_WINDOW))
    # Of two sorted pairs neither the least nor the largest is the median of all five.
    low = np.maximum(np.minimum(a, b), np.minimum(c, d))
    high = np.minimum(np.maximum(a, b), np.maximum(c, d))
    return np.maximum(np.minimum(low, high), np.minimum(np.maximum(low, high), e))


def _profile_variance(model):
    """Variance (n_spectra, n_grid) of fluxes near the lines of spectra without noise, like `model`."""
    coarse = np.pad(model[:, ::_SMOOTH_STEP], ((0, 0), 2 * [_SMOOTH // 2]), mode="symmetric")
    coarse = np.sort(sliding_window_view(coarse, _SMOOTH, axis=1), axis=2)[..., _SMOOTH // 2]
    smooth = coarse.repeat(_SMOOTH_STEP, axis=1)[:, : model.shape[1]]
    height = maximum_filter1d(np.abs(model - smooth), 2 * _PROFILE_REACH + 1, axis=1)
    return (_PROFILE_ERROR * height) ** 2


def _noise_range(n_bins, share):
    """Within which a share of the levels, slopes and distances of noise alone are, (3,)."""
    deviation = norm.isf((1 - share) / 2)
    return np.array([deviation, deviation, np.sqrt(chi2.ppf(share, n_bins))])


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
