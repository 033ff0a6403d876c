"""What SDSS does to a spectrum: noise against wavelength, sky lines, bad pixels, errors of calibration."""

import numpy as np
from scipy.interpolate import CubicSpline

from ..lines import PAPER_GRID

_PIXEL = 1e-4 * np.log(10)  # in ln λ

_END_JITTER = 5  # pixels by which the ends of spectra vary from plate to plate

# Noise per pixel against observed wavelength (Å), relative to 5400-6800 Å, between the sky's emission lines:
# medians of ivar in 55 public SDSS-I spectra (spectrograph: York et al. 2000, AJ 120, 1579).
_NOISE_CURVE = np.array(
    [
        (3780, 4.30), (3810, 3.85), (3850, 3.27), (3900, 2.94), (4000, 2.43), (4200, 1.86), (4500, 1.52),
        (4800, 1.33), (5200, 1.16), (5500, 1.13), (5700, 1.18), (5850, 1.27), (5950, 1.05), (6050, 0.96),
        (6200, 0.93), (6500, 0.78), (6800, 0.72), (7200, 0.73), (7500, 0.74), (7700, 0.80), (8000, 0.86),
        (8200, 0.89), (8500, 0.96), (8700, 1.13), (9000, 1.29), (9250, 1.40),
    ]
)  # fmt: skip

# Sky emission lines (vacuum Å) and the noise on them relative to that curve.
_SKY_LINES = np.array(
    [
        (4359.6, 1.4), (5462.2, 1.4), (5578.9, 5.3), (5891.6, 1.9), (5897.6, 1.7), (6302.1, 2.2),
        (6365.5, 1.4), (6865.9, 1.4), (7246.0, 1.7), (7277.8, 1.9), (7318.1, 1.7), (7343.4, 1.8),
        (7372.2, 1.6), (7526.6, 1.5), (7603.0, 2.1), (7717.9, 1.8), (7753.5, 2.0), (7796.5, 1.9),
        (7823.5, 2.0), (7856.0, 2.0), (7915.9, 2.2), (7967.1, 2.0), (7996.5, 2.0), (8027.9, 1.8),
        (8290.9, 1.9), (8300.4, 1.9), (8346.4, 2.8), (8402.3, 2.5), (8433.3, 2.7), (8468.4, 2.3),
        (8507.5, 1.7), (8770.0, 2.2), (8780.1, 2.4), (8828.8, 3.7), (8838.9, 2.1), (8869.5, 1.8),
        (8887.9, 3.4), (8922.8, 3.4), (8959.8, 2.9), (9003.3, 2.3), (9053.2, 1.4),
    ]
)  # fmt: skip

_SKY_RESIDUAL_LINE = 5578.9

# Ripples of the flux calibration: rms and distance of independent values.
_RIPPLE, _RIPPLE_DEX = 0.01, 0.008

_SOURCE_NOISE_SHARE = 0.4  # of the variance at the median flux, from the object's own photons


def _noise_shape(wavelength):
    curve = np.interp(wavelength, *_NOISE_CURVE.T)
    sigma = 1.3 * _PIXEL  # of a sky line: the instrument's profile
    for centre, excess in _SKY_LINES:
        curve = curve * (1 + (excess - 1) * np.exp(-0.5 * (np.log(wavelength / centre) / sigma) ** 2))
    return curve


def _calibration_error(rng, wavelength, scale):
    """Factors by which flux calibration errs, (n, n_pixels); `scale` (n,) of the smooth part.

    Some 4 % from one end to the other (Adelman-McCarthy et al. 2008, ApJS 175, 297) and ripples of 1 % over
    about 100 Å (Yan 2011, AJ 142, 153).
    """
    x = np.log10(wavelength)
    ends = np.interp(x, x[[0, -1]], (-1, 1))
    terms = scale * rng.normal(0, [[0.0], [0.03], [0.02], [0.012]], (4, len(scale)))
    smooth = np.polynomial.legendre.legval(ends, terms)
    nodes = np.arange(x[0], x[-1] + _RIPPLE_DEX, _RIPPLE_DEX)
    ripples = CubicSpline(nodes, rng.normal(0, _RIPPLE, (len(scale), nodes.size)), axis=1)(x)
    return np.exp(smooth + ripples)


def observe_objects(objects, wavelength, flux, *, random_state):
    """Add what SDSS's telescope, spectrographs and pipeline do to spectra.

    Parameters
    ----------
    objects : astropy.table.Table
        With ``redshift``, ``snr`` (median per pixel within the paper's rest-frame range) and
        ``continuum_5500`` (1e-17 erg/s/cm²/Å).
    wavelength : (n_pixels,) array
        Observed vacuum Å, equally spaced in log λ.
    flux : (n_objects, n_pixels) array
        In units of the continuum at 5500 Å at rest.
    random_state : int or Generator

    Yields
    ------
    wavelength, flux, ivar : arrays
        Of each object; a few pixels are cut off at either end, flux is in 1e-17 erg/s/cm²/Å.
    """
    rng = np.random.default_rng(random_state)
    flux = flux * _calibration_error(rng, wavelength, np.asarray(objects["calibration_error"]))
    flux *= np.asarray(objects["continuum_5500"])[:, None]
    shape = _noise_shape(wavelength)
    width = 1.5 * _PIXEL
    residual_profile = np.exp(-0.5 * (np.log(wavelength / _SKY_RESIDUAL_LINE) / width) ** 2)
    for row, signal in zip(objects, flux):
        part = slice(rng.integers(_END_JITTER), wavelength.size - rng.integers(_END_JITTER))
        signal = signal[part]
        rest = wavelength[part] / (1 + row["redshift"])
        window = (rest > PAPER_GRID[0]) & (rest < PAPER_GRID[-1])
        photons = (signal / np.median(signal[window])).clip(0.1)
        sigma = shape[part] * np.sqrt(1 - _SOURCE_NOISE_SHARE + _SOURCE_NOISE_SHARE * photons)
        sigma *= np.median((signal / sigma)[window]) / row["snr"]
        noisy = signal + sigma * rng.standard_normal(signal.size)
        # The 5577 Å line is subtracted imperfectly, with nothing in ivar to tell.
        noisy += rng.normal(0, 4) * sigma * residual_profile[part]
        ivar = sigma**-2.0
        bad = _bad_pixels(rng, signal.size)
        ivar[bad] = 0.0
        noisy[bad] += 30 * sigma[bad] * rng.standard_normal(bad.size)
        yield wavelength[part], noisy.astype(np.float32), ivar.astype(np.float32)


def _bad_pixels(rng, n_pixels):
    """Indices of masked pixels: a few cosmic rays, now and then a bad column."""
    lengths = np.append(rng.integers(1, 6, rng.poisson(4)), rng.integers(8, 14, rng.binomial(1, 0.05)))
    starts = rng.integers(0, n_pixels, lengths.size)
    bad = np.concatenate([np.arange(start, start + length) for start, length in zip(starts, lengths)] or [[]])
    return bad[bad < n_pixels].astype(int)
