"""Observed spectra in, the reduced sample out: one table on one grid, and what could not be reduced."""

import logging
import warnings

import numpy as np
from astropy.io.fits.verify import VerifyWarning
from astropy.table import Table

from ..errors import ReductionError
from ..files import whole_file
from ..lines import NORMALISATION_WAVELENGTH, PAPER_GRID
from ..spectra import Rejected
from .rest_frame import reduce_spectrum, to_rest_frame

logger = logging.getLogger(__name__)


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
        As `agn_helpers.survey.open_survey` gives them; `Rejected` entries are passed on.
    grid : (n_grid,) array or None
        Rest-frame vacuum Å, equally spaced; None for the range that the spectra share, which needs all of
        them in memory at once.
    normalisation : {"window", "pixel"}
        See `agn_helpers.reduction.rest_frame.continuum_level`.
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
