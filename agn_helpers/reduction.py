"""Observed spectra in, the reduced sample out: rest frame, sky mask, flux at 5100 Å, the common grid."""

import logging
import warnings

import numpy as np
from astropy.io.fits.verify import VerifyWarning
from astropy.table import Table

from .errors import ReductionError
from .files import whole_file
from .lines import NORMALISATION_WAVELENGTH
from .spectra import Rejected

logger = logging.getLogger(__name__)

#: Table 1 of Peruzzi et al. (2021): the rest wavelengths (Å) that all their spectra share.
PAPER_GRID = np.linspace(3728.91, 5265.95, 1000)

#: Residuals of the night sky's strongest line survive in SDSS coadds with ivar > 0 (observed vacuum Å).
SKY_LINE_WINDOW = (5569.0, 5590.0)

# Half-width (Å) of the window whose mean is the flux at 5100 Å, the good pixels that it needs, the share
# of the grid that good pixels must cover, and the gap (Å) at its ends that the nearest flux may fill.
_NORMALISATION_HALF_WIDTH = 15.0
_MIN_WINDOW_PIXELS = 3
_MIN_GRID_SHARE = 0.8
_MAX_END_GAP = 15.0
# Outliers beyond this many median absolute deviations are left out of the window's mean.
_CLIP = 5.0


def to_rest_frame(wavelength, redshift):
    """Shift observed `wavelength` (Å) to the rest frame of `redshift`; same shape.

    Flux density is left as it is: a factor common to all pixels does not survive normalisation.
    """
    return np.asarray(wavelength) / (1 + redshift)


def mask_sky_line(wavelength, ivar):
    """Inverse variance with 0 where observed `wavelength` (Å) lies in the 5577 Å sky line's window."""
    low, high = SKY_LINE_WINDOW
    return np.where((wavelength > low) & (wavelength < high), 0.0, ivar)


def continuum_level(wavelength, flux, ivar, *, normalisation="window"):
    """Flux at 5100 Å, by which a spectrum is divided.

    Parameters
    ----------
    wavelength, flux, ivar : (n_pixels,) arrays
        Rest-frame vacuum Å, flux in any unit u, ivar in u**-2.
    normalisation : {"window", "pixel"}
        Mean of the good pixels within 15 Å, without outliers, or the good pixel nearest to 5100 Å, as
        in the paper.

    Raises
    ------
    ReductionError
        Where there is no good pixel near 5100 Å or the flux there is not positive.
    """
    distance = np.abs(wavelength - NORMALISATION_WAVELENGTH)
    window = distance <= _NORMALISATION_HALF_WIDTH
    near = window & (ivar > 0)
    if near.sum() < _MIN_WINDOW_PIXELS:
        raise ReductionError(
            f"at least {_MIN_WINDOW_PIXELS} pixels within {_NORMALISATION_HALF_WIDTH:.0f} Å of 5100 Å at "
            f"rest must be good; got {near.sum()} of {window.sum()}."
        )
    if normalisation == "pixel":
        level = flux[near][np.argmin(distance[near])]
    elif normalisation == "window":
        values = flux[near]
        deviation = np.abs(values - np.median(values))
        level = values[deviation <= _CLIP * np.median(deviation)].mean()
    else:
        raise ReductionError(f"normalisation must be 'window' or 'pixel'; got {normalisation!r}.")
    if not level > 0:
        raise ReductionError(f"flux at 5100 Å must be positive; got {level:.3g}.")
    return level


def _pixel_edges(wavelength):
    middles = 0.5 * (wavelength[1:] + wavelength[:-1])
    return np.concatenate([2 * wavelength[:1] - middles[:1], middles, 2 * wavelength[-1:] - middles[-1:]])


def resample_flux(wavelength, flux, ivar, *, grid):
    """Resample one spectrum onto `grid`, carrying its inverse variance along.

    A grid point's flux is the mean of the good pixels under it, weighed by their overlap in wavelength,
    so that a line keeps its flux; its variance follows from the same weights for independent pixels.
    Grid points without a good pixel take the flux between their neighbours and ivar 0.

    Parameters
    ----------
    wavelength : (n_pixels,) array
        Rest-frame vacuum Å, increasing.
    flux, ivar : (n_pixels,) arrays
        Flux density per Å in any unit u, ivar in u**-2; pixels with ivar 0 are not used.
    grid : (n_grid,) array
        Wavelengths (Å), increasing.

    Returns
    -------
    flux, ivar : (n_grid,) arrays

    Raises
    ------
    ReductionError
        Where the good pixels leave more than 15 Å of an end, or more than a fifth, of the grid bare.
    """
    good = ivar > 0
    if good.sum() < 2:
        raise ReductionError(f"at least 2 pixels with ivar > 0 are needed; got {good.sum()}.")
    start, stop = wavelength[good][[0, -1]]
    if start - grid[0] > _MAX_END_GAP or grid[-1] - stop > _MAX_END_GAP:
        raise ReductionError(
            f"good pixels must cover {grid[0]:.1f} to {grid[-1]:.1f} Å at rest; "
            f"got {start:.1f} to {stop:.1f} Å."
        )
    edges, grid_edges = _pixel_edges(wavelength), _pixel_edges(grid)
    # Cut the axis at every edge of either: each piece then lies in one pixel and under one grid point.
    inside = (edges > grid_edges[0]) & (edges < grid_edges[-1])
    cuts = np.sort(np.concatenate([edges[inside], grid_edges]))
    length, middle = np.diff(cuts), 0.5 * (cuts[1:] + cuts[:-1])
    pixel = np.searchsorted(edges, middle) - 1
    point = np.searchsorted(grid_edges, middle) - 1
    covered = (pixel >= 0) & (pixel < wavelength.size)
    pixel, point, length = pixel[covered], point[covered], length[covered]
    used = good[pixel]
    pixel, point, length = pixel[used], point[used], length[used]

    def total(weights):
        return np.bincount(point, weights=weights, minlength=grid.size)

    overlap = total(length)
    filled = overlap > 0
    if filled.mean() < _MIN_GRID_SHARE:
        raise ReductionError(
            f"good pixels must cover at least {_MIN_GRID_SHARE:.0%} of the grid; got {filled.mean():.0%}."
        )
    resampled = np.interp(grid, grid[filled], total(length * flux[pixel])[filled] / overlap[filled])
    # Right for each point; the covariance of two points that share a pixel is not kept.
    variance = total(length**2 / ivar[pixel])
    resampled_ivar = np.divide(overlap**2, variance, out=np.zeros(grid.size), where=filled)
    return resampled, resampled_ivar


def reduce_spectrum(spectrum, *, grid=PAPER_GRID, normalisation="window"):
    """Bring one ObservedSpectrum to rest, divide it by its flux at 5100 Å, resample it onto `grid`.

    Returns
    -------
    flux, ivar : (n_grid,) arrays
        In units of the flux at 5100 Å.

    Raises
    ------
    ReductionError
        With the rule that the spectrum breaks.
    """
    if not np.isfinite(spectrum.redshift):
        raise ReductionError(
            "a redshift is needed and the file has none; give it in index.csv (columns file, redshift) "
            "or as an option."
        )
    if not np.any(spectrum.ivar > 0):
        raise ReductionError("at least one pixel must have ivar > 0; all are masked.")
    wavelength = to_rest_frame(spectrum.wavelength, spectrum.redshift)
    ivar = mask_sky_line(spectrum.wavelength, spectrum.ivar)
    # Only what the grid and the window at 5100 Å can touch.
    low = min(grid[0], NORMALISATION_WAVELENGTH - _NORMALISATION_HALF_WIDTH) - 2 * _MAX_END_GAP
    high = max(grid[-1], NORMALISATION_WAVELENGTH + _NORMALISATION_HALF_WIDTH) + 2 * _MAX_END_GAP
    part = slice(*np.searchsorted(wavelength, (low, high)))
    if part.stop - part.start < 3:
        raise ReductionError(
            f"good pixels must cover {grid[0]:.1f} to {grid[-1]:.1f} Å at rest; "
            f"got {wavelength[0]:.1f} to {wavelength[-1]:.1f} Å."
        )
    wavelength, flux, ivar = wavelength[part], spectrum.flux[part], ivar[part]
    resampled, resampled_ivar = resample_flux(wavelength, flux, ivar, grid=grid)
    level = continuum_level(wavelength, flux, ivar, normalisation=normalisation)
    return resampled / level, resampled_ivar * level**2


def shared_grid(spectra, *, n_grid=1000):
    """Equally spaced wavelengths over the rest-frame range that all `spectra` share, as in the paper.

    Spectra without a redshift are left out.  Raises ReductionError where no range is shared.
    """
    ranges = np.array(
        [
            to_rest_frame(spectrum.wavelength[[0, -1]], spectrum.redshift)
            for spectrum in spectra
            if np.isfinite(spectrum.redshift)
        ]
    ).reshape(-1, 2)
    if not len(ranges):
        raise ReductionError("no spectrum has a redshift, so there is no shared range; give redshifts.")
    low, high = ranges[:, 0].max(), ranges[:, 1].min()
    if not low < NORMALISATION_WAVELENGTH < high:
        raise ReductionError(
            f"the shared range must hold 5100 Å at rest; the spectra share {low:.1f} to {high:.1f} Å: "
            "leave out the spectra at the extremes of redshift, or give a grid."
        )
    return np.linspace(low, high, n_grid)


def reduce_spectra(spectra, *, grid=PAPER_GRID, normalisation="window", survey=None):
    """Reduce any iterable of spectra; what cannot be reduced is listed with its reason, never dropped.

    Parameters
    ----------
    spectra : iterable of ObservedSpectrum or Rejected
        As `agn_helpers.surveys.open_survey` gives them; `Rejected` entries are passed on.
    grid : (n_grid,) array or None
        Rest-frame vacuum Å, equally spaced; None for the range that the spectra share, which needs all of
        them in memory at once.
    normalisation : {"window", "pixel"}
        See `continuum_level`.
    survey : str, optional
        Where the spectra come from; by default what they say of themselves.

    Returns
    -------
    sample : astropy.table.Table
        A row a spectrum: ``name, plate, mjd, fiberid, redshift, label ("" where unknown), snr (median per
        grid point), flux, ivar (n_grid each)``; the grid and the choices in ``meta``.
    rejected : astropy.table.Table
        ``name, file, reason``.
    """
    if grid is None:
        spectra = list(spectra)
        grid = shared_grid(spectrum for spectrum in spectra if not isinstance(spectrum, Rejected))
    grid = np.asarray(grid, dtype=float)
    steps = np.diff(grid)
    if grid.ndim != 1 or grid.size < 3 or steps[0] <= 0 or not np.allclose(steps, steps[0]):
        raise ReductionError("grid must be equally spaced, increasing wavelengths in Å, at least 3 of them.")
    rows, fluxes, ivars, rejected = [], [], [], []
    for spectrum in spectra:
        if isinstance(spectrum, Rejected):
            rejected.append(spectrum)
            continue
        try:
            flux, ivar = reduce_spectrum(spectrum, grid=grid, normalisation=normalisation)
        except ReductionError as error:
            logger.info("%s: %s", spectrum.name, error)
            rejected.append(Rejected(spectrum.name, str(spectrum.meta.get("file", "")), str(error)))
            continue
        used = ivar > 0
        rows.append(
            (
                spectrum.name,
                spectrum.plate,
                spectrum.mjd,
                spectrum.fiberid,
                float(spectrum.redshift),
                spectrum.label or "",
                float(np.median(flux[used] * np.sqrt(ivar[used]))),
            )
        )
        # Single precision halves the memory of a million spectra and is finer than any real noise.
        fluxes.append(flux.astype(np.float32))
        ivars.append(ivar.astype(np.float32))
        survey = survey or spectrum.meta.get("survey")
    names = ("name", "plate", "mjd", "fiberid", "redshift", "label", "snr")
    dtypes = (str, np.int32, np.int32, np.int32, float, str, float)
    sample = Table(rows=rows or None, names=names, dtype=dtypes)
    sample["flux"] = np.array(fluxes, dtype=np.float32).reshape(len(rows), grid.size)
    sample["ivar"] = np.array(ivars, dtype=np.float32).reshape(len(rows), grid.size)
    sample.meta.update(
        survey=survey or "unknown",
        grid_min=float(grid[0]),
        grid_max=float(grid[-1]),
        grid_n=int(grid.size),
        normalisation=normalisation,
        flux_unit="flux at 5100 Angstrom",
    )
    rejects = Table(rows=rejected or None, names=Rejected._fields, dtype=(str, str, str))
    rejects.meta["survey"] = sample.meta["survey"]
    return sample, rejects


def sample_grid(sample):
    """Wavelengths (n_grid,) in rest-frame vacuum Å of a reduced sample."""
    meta = {key.lower(): value for key, value in sample.meta.items()}
    return np.linspace(meta["grid_min"], meta["grid_max"], int(meta["grid_n"]))


def sample_arrays(sample):
    """Flux ``X`` (n_spectra, n_grid) in units of the flux at 5100 Å, and types ``y`` (n_spectra,)."""
    return np.asarray(sample["flux"], dtype=float), np.asarray(sample["label"], dtype=str)


def write_sample(sample, path):
    """Write a reduced sample as a FITS table that astropy and TOPCAT open; whole or not at all."""
    with whole_file(path) as temporary, warnings.catch_warnings():
        # Names longer than eight letters become HIERARCH cards, which both read.
        warnings.simplefilter("ignore", VerifyWarning)
        sample.write(temporary, format="fits", overwrite=True)


def read_sample(path):
    """Read a reduced sample back.

    Raises
    ------
    ReductionError
        Where the file is missing, is no FITS table, or lacks a column or the grid.
    """
    try:
        sample = Table.read(path, format="fits", character_as_bytes=False)
    except FileNotFoundError:
        raise ReductionError(f"{path} does not exist: run notebook 01 for this run first.") from None
    except (OSError, ValueError, IndexError) as error:
        raise ReductionError(f"{path} is no reduced sample: {str(error).splitlines()[0]}") from error
    sample.meta = {key.lower(): value for key, value in sample.meta.items()}
    needed = {"name", "redshift", "label", "flux", "ivar"} - set(sample.colnames)
    needed |= {"survey", "grid_min", "grid_max", "grid_n"} - set(sample.meta)
    if needed:
        raise ReductionError(f"{path} is no reduced sample: it lacks {', '.join(sorted(needed))}.")
    return sample
