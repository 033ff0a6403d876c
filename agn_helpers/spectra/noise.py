"""The noise of a spectrum: from its errors, or from the flux itself where it comes without any."""

import numpy as np
from scipy.ndimage import binary_dilation, median_filter

# Resampling mixed this many pixels on either side of a gap with the gap.
_GAP_EDGE = 4

#: What ``meta["noise"]`` says where ivar comes from `estimate_noise`.
ESTIMATED = "estimated from the flux (DER_SNR)"


def estimate_noise(flux, *, window=101):
    """Estimate the noise of each pixel from the flux itself.

    1.482602 / sqrt(6) times the running median of |2 f(i) - f(i-2) - f(i+2)|: DER_SNR of Stoehr et al. 2008
    (ASP Conf. Ser. 394, 505), which takes one median over the whole spectrum.  The noise must be uncorrelated
    between pixels two apart; where it is correlated, the estimate is too low.

    Parameters
    ----------
    flux : (n_pixels,) array
        Pixels that are not finite are left out.
    window : int
        Length of the running median in pixels; broad enough that no line dominates it.

    Returns
    -------
    (n_pixels,) array
        Standard deviation in the unit of flux; NaN where flux is not finite and four pixels around, or
        everywhere when fewer than five pixels are left.
    """
    flux = np.asarray(flux, dtype=float)
    noise = np.full(flux.shape, np.nan)
    gaps = binary_dilation(~np.isfinite(flux), iterations=_GAP_EDGE)
    good = np.flatnonzero(~gaps)
    if good.size >= 5:
        finite = flux[good]
        change = np.abs(2 * finite[2:-2] - finite[:-4] - finite[4:])
        median = median_filter(change, size=min(window, change.size), mode="reflect")
        noise[good] = 1.482602 / np.sqrt(6) * np.pad(median, 2, mode="edge")
    return noise


def invert_variance(error):
    """Inverse variance of standard deviations `error`, same shape; 0 where they are not positive."""
    error = np.asarray(error, dtype=float)
    with np.errstate(all="ignore"):
        return np.where(error > 0, error**-2.0, 0)


def standard_deviation(ivar, *, unknown=0.0):
    """Standard deviations of inverse variances `ivar`, same shape, float64; `unknown` where ivar is 0."""
    ivar = np.asarray(ivar)
    return np.divide(1, np.sqrt(ivar, dtype=float), out=np.full(ivar.shape, unknown), where=ivar > 0)
