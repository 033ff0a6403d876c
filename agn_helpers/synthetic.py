"""The embedded survey: physical parameters in, spectra out as SDSS would have observed them.  No data.

On an axis equally spaced in log λ, velocity broadening, velocity shifts and redshift are convolutions
and translations, hence products in Fourier space (as in Cappellari 2017, MNRAS 466, 798): each
component is rendered there, exactly and for many objects at once, in single precision like SDSS's files.
"""

import functools

import numpy as np
from astropy.table import Column, vstack
from scipy import fft
from scipy.interpolate import CubicSpline

from .emission import (
    BROAD_LINES,
    FE_II_LINES,
    NARROW_LINES,
    balmer_continuum,
    calzetti_extinction,
    fe_ii_humps,
    smc_extinction,
)
from .errors import AgnError
from .lines import LINES, SPEED_OF_LIGHT
from .population import draw_objects
from .reduction import PAPER_GRID
from .spectra import ObservedSpectrum
from .stellar import population_templates

# SDSS pixels are 1e-4 dex wide; the axis reaches beyond the observed range on both sides.
_DEX = 1e-4
_LOG_START = 3.3
_AXIS = 10 ** (_LOG_START + _DEX * np.arange(8192))
_PIXEL_VELOCITY = SPEED_OF_LIGHT * np.log(10) * _DEX
_FREQUENCY = fft.rfftfreq(_AXIS.size)
_GAUSSIAN_EXPONENT = (-2 * (np.pi * _FREQUENCY) ** 2).astype(np.float32)
_FWHM_TO_SIGMA = 1 / np.sqrt(8 * np.log(2))

_RESOLVING_POWER = 1850.0
_BATCH = 256  # objects rendered at once: 256 x 8192 pixels stay in the processor's reach

# First and last pixels of SDSS spectra (log10 Å) vary by a few from plate to plate.
_LOG_FIRST, _LOG_LAST, _LOG_JITTER = 3.5795, 3.9647, 5
_FIRST, _LAST = (round((log_wavelength - _LOG_START) / _DEX) for log_wavelength in (_LOG_FIRST, _LOG_LAST))
_OBSERVED = _AXIS[_FIRST : _LAST + _LOG_JITTER]

# Noise per pixel of SDSS-I spectra against observed wavelength (Å), relative to 5400-6800 Å, between the
# sky's emission lines; medians of archive spectra, in keeping with York et al. (2000, AJ 120, 1579).
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

# Wings carry less of the lines that come from further out (De Robertis & Osterbrock 1984, ApJ 286, 171).
_WING_SHARE = {"OIII": 1.0, "NeIII": 0.9, "NeV": 1.0, "OIII4363": 1.0, "FeVII": 1.0, "HeII": 0.7, "ArIV": 1.0}
_WING_SHARE_OF_OTHERS = 0.5


def _gaussian(fwhm):
    """Fourier transform of Gaussians of `fwhm` (n,) km/s, the instrument's added; (n, n_frequencies)."""
    instrument = SPEED_OF_LIGHT / _RESOLVING_POWER
    variance = (fwhm**2 + instrument**2) * (_FWHM_TO_SIGMA / _PIXEL_VELOCITY) ** 2
    return np.exp(_GAUSSIAN_EXPONENT * variance[:, None].astype(np.float32))


def _translate(pixels):
    """Fourier transform of translations by `pixels` (n,); (n, n_frequencies)."""
    # Whole turns are taken off in double precision; what is left is safe in single.
    phase = (2 * np.pi * (np.multiply.outer(pixels, _FREQUENCY) % 1)).astype(np.float32)
    transform = np.empty(phase.shape, dtype=np.complex64)
    transform.real, transform.imag = np.cos(phase), -np.sin(phase)
    return transform


def _observed_part(transform):
    return fft.irfft(transform)[:, _FIRST : _LAST + _LOG_JITTER]


def _comb(lines):
    """Fourier transform of each line of a LineList with flux `ratio` (Å times continuum), per Å."""
    position = (np.log10(lines.wavelength) - _LOG_START) / _DEX
    height = lines.ratio / (lines.wavelength * np.log(10) * _DEX)
    return height[:, None].astype(np.float32) * _translate(position)


def _transform(spectra):
    return fft.rfft(spectra.astype(np.float32))


@functools.cache
def _emission():
    """Transforms of narrow lines (a row a line), broad lines, all Fe II, and the Balmer continuum."""
    iron = _comb(FE_II_LINES).sum(axis=0) + _transform(fe_ii_humps(_AXIS))
    return _comb(NARROW_LINES), _comb(BROAD_LINES).sum(axis=0), iron, _transform(balmer_continuum(_AXIS))


@functools.cache
def _populations():
    return _transform(population_templates(_AXIS))


_HOST_COLUMNS = ("host_young", "host_adult", "host_old", "host_old_metal_poor", "host_old_enhanced")


def render_objects(objects):
    """Noise-free spectra of objects drawn by `draw_objects`, at their redshifts and SDSS's resolution.

    Parameters
    ----------
    objects : astropy.table.Table
        Physical parameters, a row an object.

    Returns
    -------
    wavelength : (n_pixels,) array
        Observed vacuum Å, equally spaced in log λ, all that an SDSS spectrum may reach.
    flux : (n_objects, n_pixels) array
        Flux density per Å in units of the continuum at 5500 Å at rest.
    """
    column = {name: np.asarray(objects[name]) for name in objects.colnames if name not in ("label", "name")}
    single = {name: values.astype(np.float32)[:, None] for name, values in column.items()}
    rest = (_OBSERVED / (1 + column["redshift"][:, None])).astype(np.float32)
    to_observed = _translate(np.log10(1 + column["redshift"]) / _DEX)

    shares = np.concatenate([single[name] for name in _HOST_COLUMNS], axis=1)
    starlight = (shares @ _populations()) * _gaussian(column["stellar_sigma"] / _FWHM_TO_SIGMA) * to_observed
    dust = calzetti_extinction(rest, single["ebv_host"])
    dust /= calzetti_extinction(np.float32(5500), single["ebv_host"])
    flux = _observed_part(starlight) * dust * (1 - single["nucleus_share"])

    comb, *_ = _emission()
    core, wing = _narrow_weights(single)
    narrow = (core @ comb) * _gaussian(column["fwhm_core"])
    narrow += (wing @ comb) * _gaussian(column["fwhm_wing"]) * _shift(column["shift_wing"])
    flux += _observed_part(narrow * to_observed)

    ebv = single["ebv_nucleus"]
    reddening = smc_extinction(rest, ebv)
    power_law = (rest / 5500) ** single["slope"] * reddening / smc_extinction(np.float32(5500), ebv)
    flux += single["nucleus_share"] * power_law
    if np.any(column["ew_broad_hbeta"] > 0):
        # The drawn strength is that of Hβ as observed, behind the dust.
        reddening /= smc_extinction(np.float32(LINES["Hbeta"].wavelength), ebv)
        flux += single["ew_broad_hbeta"] * reddening * _broad_lines(column, single, to_observed)
    return _OBSERVED, flux


def _narrow_weights(single):
    """Flux of each narrow line's core and wing; two (n, n_lines) arrays."""
    # The wing's share of [O III] is measured; other lines have a part of it.
    oiii = single["OIII_core"] + single["OIII_wing"]
    ratios = single | {"H": np.ones_like(oiii), "OIII": oiii}
    total = single["ew_hbeta"] * np.concatenate([ratios[name] for name in NARROW_LINES.species], axis=1)
    share = [_WING_SHARE.get(name, _WING_SHARE_OF_OTHERS) for name in NARROW_LINES.species]
    wing = single["OIII_wing"] / oiii * np.array(share, dtype=np.float32)
    return total * (1 - wing), total * wing


def _shift(velocity):
    return _translate(velocity / _PIXEL_VELOCITY)


def _broad_lines(column, single, to_observed):
    """Broad lines, Fe II and Balmer continuum of a batch for a broad Hβ of flux 1, without dust."""
    _, broad, iron, balmer = _emission()
    very = single["very_broad_share"]
    profile = (1 - very) * _gaussian(column["fwhm_broad"]) * _shift(column["shift_broad"])
    profile += very * _gaussian(column["fwhm_very_broad"]) * _shift(column["shift_very_broad"])
    blend = (broad + single["balmer_continuum"] * balmer) * profile
    blend += single["fe_ii_ratio"] * iron * _gaussian(0.8 * column["fwhm_broad"])
    return _observed_part(blend * to_observed)


def _noise_shape(wavelength):
    curve = np.interp(wavelength, *_NOISE_CURVE.T)
    sigma = 1.3 * _DEX * np.log(10)  # of a sky line, in ln λ: the instrument's profile
    for centre, excess in _SKY_LINES:
        curve = curve * (1 + (excess - 1) * np.exp(-0.5 * (np.log(wavelength / centre) / sigma) ** 2))
    return curve


def _calibration_error(rng, n):
    """Factors by which flux calibration errs, (n, pixels).

    Some 4 % from one end to the other (Adelman-McCarthy et al. 2008, ApJS 175, 297) and ripples of 1 % over
    about 100 Å (Yan 2011, AJ 142, 153).
    """
    x = np.log10(_OBSERVED)
    ends = np.interp(x, (_LOG_FIRST, _LOG_LAST), (-1, 1))
    smooth = np.polynomial.legendre.legval(ends, rng.normal(0, [[0.0], [0.03], [0.02], [0.012]], (4, n)))
    nodes = np.arange(x[0], x[-1] + _RIPPLE_DEX, _RIPPLE_DEX)
    ripples = CubicSpline(nodes, rng.normal(0, _RIPPLE, (n, nodes.size)), axis=1)(x)
    return np.exp(smooth + ripples)


def _observe(rng, objects, flux):
    """Add what the telescope does; yields wavelength, flux, ivar of each object in SDSS's units."""
    flux = flux * _calibration_error(rng, len(objects)) * np.asarray(objects["continuum_5500"])[:, None]
    shape = _noise_shape(_OBSERVED)
    residual_profile = np.exp(
        -0.5 * (np.log(_OBSERVED / _SKY_RESIDUAL_LINE) / (1.5 * _DEX * np.log(10))) ** 2
    )
    for row, signal in zip(objects, flux):
        part = slice(rng.integers(_LOG_JITTER), _OBSERVED.size - rng.integers(_LOG_JITTER))
        wavelength, signal = _OBSERVED[part], signal[part]
        rest = wavelength / (1 + row["redshift"])
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
        yield wavelength, noisy.astype(np.float32), ivar.astype(np.float32)


def _bad_pixels(rng, n_pixels):
    """Indices of masked pixels: a few cosmic rays, now and then a bad column."""
    lengths = np.append(rng.integers(1, 6, rng.poisson(4)), rng.integers(8, 18, rng.binomial(1, 0.05)))
    starts = rng.integers(0, n_pixels, lengths.size)
    bad = np.concatenate([np.arange(start, start + length) for start, length in zip(starts, lengths)] or [[]])
    return bad[bad < n_pixels].astype(int)


def simulate_survey(*, n_type1=680, n_intermediate=521, n_type2=2145, random_state=0):
    """The embedded survey: synthetic spectra in SDSS's form with the sample sizes of the paper.

    Parameters
    ----------
    n_type1, n_intermediate, n_type2 : int
        How many of each type; type 1 at redshifts 0.4 to 0.75, the others at 0.02 to 0.1, as in the paper.
    random_state : int
        Same seed, same spectra; a type's spectra do not depend on how many there are of the others.

    Returns
    -------
    spectra : list of ObservedSpectrum
        Observed frame, vacuum Å, flux in 1e-17 erg/s/cm²/Å; ``meta["survey"] == "synthetic"``.
    truth : astropy.table.Table
        Name, type and every physical parameter drawn, in the order of `spectra`; see
        `agn_helpers.population.draw_objects`.

    Raises
    ------
    AgnError
        For negative numbers of spectra or none at all.
    """
    numbers = {"type 1": n_type1, "intermediate": n_intermediate, "type 2": n_type2}
    if min(numbers.values()) < 0 or sum(numbers.values()) == 0:
        raise AgnError(f"numbers of spectra must not be negative, nor all zero; got {numbers}.")
    spectra, truths = [], []
    for (label, n), seed in zip(numbers.items(), np.random.SeedSequence(random_state).spawn(3)):
        if n == 0:
            continue
        drawing, observing = (np.random.default_rng(child) for child in seed.spawn(2))
        objects = draw_objects(label, n, random_state=drawing)
        truths.append(objects)
        for start in range(0, n, _BATCH):
            batch = objects[start : start + _BATCH]
            _, flux = render_objects(batch)
            for row, observed in zip(batch, _observe(observing, batch, flux)):
                spectra.append(_as_spectrum(len(spectra), row, observed))
    truth = vstack(truths)
    truth.add_column(Column([spectrum.name for spectrum in spectra], name="name"), index=0)
    return spectra, truth


def _as_spectrum(number, row, observed):
    # SDSS has no plates of these numbers; 640 fibres a plate.
    plate, fiberid = 99001 + number // 640, 1 + number % 640
    return ObservedSpectrum(
        *observed,
        redshift=row["redshift"] + row["redshift_error"] * (1 + row["redshift"]),
        name=f"spec-{plate}-60000-{fiberid:04d}",
        plate=plate,
        mjd=60000,
        fiberid=fiberid,
        label=str(row["label"]),
        meta={"survey": "synthetic"},
    )
