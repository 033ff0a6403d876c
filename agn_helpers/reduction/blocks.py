"""Many spectra that share their observed wavelengths, reduced together: a DESI coadd at once."""

import itertools

import numpy as np

from ..errors import ReductionError
from ..lines import PAPER_GRID
from ..spectra import ObservedSpectrum, Rejected
from .resampling import LEAST_OBSERVED, resample_block
from .rest_frame import AROUND_5100, continuum_level, find_reach, mask_sky_line, remark_on_wild
from .sample import describe_origin, reduce_spectra, tabulate
from .wild_pixels import find_wild_of_many

# Fluxes that differ by more are looked at one spectrum after the other: their squares may not be numbers.
_LARGEST_RATIO = 1e30


def reduce_block(block, *, grid=PAPER_GRID, normalisation="window"):
    """Reduce spectra that share their observed wavelengths.

    To the last bit what `reduce_spectra` makes of them one after the other, in a third of the time.  What is
    unusual in any way, and whatever is to be rejected, goes through `reduce_spectra` itself.  Before many
    blocks say how many spectra there are, see `expect_spectra`: it halves the time where numba is installed.

    Parameters
    ----------
    block : agn_helpers.spectra.SpectrumBlock
    grid : (n_grid,) array
        Rest-frame vacuum Å, equally spaced.
    normalisation : {"window", "pixel"}

    Returns
    -------
    sample : ReducedSample
        In the order of the block.
    rejected : astropy.table.Table
        ``name, file, reason``.
    """
    n_spectra, grid = len(block.name), np.asarray(grid, dtype=float)
    redshift = np.asarray(block.redshift, dtype=float)
    ivar = mask_sky_line(block.wavelength, block.ivar)
    usual = np.isfinite(redshift) & (redshift > -1)
    _mask_wild(block, ivar, redshift, grid, usual)
    level, origins = _find_levels(block, ivar, redshift, usual, normalisation), [None] * n_spectra
    for row in np.flatnonzero(usual):
        try:
            origins[row] = describe_origin(block.meta[row])
        except Exception:  # Its reason is found below, as for a spectrum by itself.
            usual[row] = False
    # What is not usual has no place on the grid.
    flux, ivar, covered = resample_block(
        block.wavelength, block.flux, ivar, redshift=np.where(usual, redshift, np.nan), grid=grid
    )
    with np.errstate(all="ignore"):
        flux, resampled = flux / level[:, None], ivar
        # The square of a number, not of an array: their last bits differ.
        ivar = ivar * np.array([each**2 for each in level])[:, None]
        single, single_ivar = flux.astype(np.float32), ivar.astype(np.float32)
        usual &= (covered >= LEAST_OBSERVED) & np.isfinite(single).all(axis=1)
        usual &= np.isfinite(single_ivar).all(axis=1) & ~((resampled > 0) & (single_ivar == 0)).any(axis=1)
    unobserved = np.mean(ivar == 0, axis=1)
    signal = _find_signal(flux, ivar).tolist()
    rows, fluxes, ivars, rejected, surveys = [], [], [], [], set()
    for row, name in enumerate(block.name):
        if usual[row]:
            ids = (name, -1, -1, -1, float(redshift[row]), "", signal[row], float(unobserved[row]))
            rows.append((*ids, *origins[row]))
            fluxes.append(single[row])
            ivars.append(single_ivar[row])
            surveys.add(str(block.meta[row].get("survey") or "unknown"))
            continue
        sample, reasons = _reduce_alone(block, row, grid, normalisation)
        rejected += [Rejected(*each) for each in reasons]
        for each in sample:
            rows.append(tuple(each[key] for key in sample.colnames if key not in _MADE))
            fluxes.append(each["flux"])
            ivars.append(each["ivar"])
            surveys.add(sample.meta["survey"])
    survey = ", ".join(sorted(surveys)) or "unknown"
    return tabulate(rows, fluxes, ivars, rejected, grid=grid, normalisation=normalisation, survey=survey)


# Columns that `tabulate` adds itself.
_MADE = ("missing_lines", "flux", "ivar")


def _mask_wild(block, ivar, redshift, grid, usual):
    """Set `ivar` of wild pixels to 0, in place, and say so; spectra that cannot be judged are not `usual`."""
    rows, fluxes, ivars = [], [], []
    reach = zip(*(ends.tolist() for ends in find_reach(block.wavelength, redshift, grid)))
    for row, part in enumerate(itertools.starmap(slice, reach)):
        if not usual[row]:
            continue
        flux, used = block.flux[row, part], ivar[row, part] > 0
        size = np.where(used, np.abs(flux), 0)
        # The median of those used is no less than that, or the spectrum is looked at by itself.
        large = np.count_nonzero(size >= size.max(initial=0) / _LARGEST_RATIO)
        usual[row] = 2 * large > np.count_nonzero(used) + 1
        if usual[row]:
            rows.append(row)
            fluxes.append(flux)
            ivars.append(ivar[row, part])
    for number, wild in find_wild_of_many(fluxes, ivars).items():
        ivars[number][wild] = 0
        remark_on_wild(block.meta[rows[number]], wild)


def _find_levels(block, ivar, redshift, usual, normalisation):
    """Flux at 5100 Å, (n_spectra,); spectra without one are not `usual`."""
    level = np.full(len(usual), np.nan)
    first, last = (block.wavelength.searchsorted(end * (1 + redshift)) for end in AROUND_5100)
    for row in np.flatnonzero(usual):
        near = slice(first[row], last[row])
        rest, flux = block.wavelength[near] / (1 + redshift[row]), block.flux[row, near].astype(float)
        try:
            level[row] = continuum_level(rest, flux, ivar[row, near], normalisation=normalisation)
        except ReductionError:
            usual[row] = False
    return level


def _find_signal(flux, ivar):
    """Median signal-to-noise ratio (n_spectra,) of the grid points that were observed."""
    with np.errstate(all="ignore"):
        ordered = np.sort(np.where(ivar > 0, flux * np.sqrt(ivar), np.inf), axis=1)
    rows, number = np.arange(len(flux)), np.count_nonzero(ivar > 0, axis=1)
    return 0.5 * (ordered[rows, (number - 1).clip(0) // 2] + ordered[rows, number // 2])


def _reduce_alone(block, row, grid, normalisation):
    """`reduce_spectra` of one spectrum of a block."""
    name, meta = block.name[row], block.meta[row]
    flux, ivar, redshift = block.flux[row], block.ivar[row], block.redshift[row]
    try:
        spectrum = ObservedSpectrum(block.wavelength, flux, ivar, redshift, name, meta=meta)
    except Exception as error:
        spectrum = Rejected(name, str(meta.get("file", "")), str(error))
    return reduce_spectra([spectrum], grid=grid, normalisation=normalisation)
