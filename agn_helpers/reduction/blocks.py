"""Many spectra that share their observed wavelengths, reduced together: a DESI coadd at once."""

import numpy as np

from ..lines import PAPER_GRID
from ..spectra import ObservedSpectrum, Rejected
from .resampling import LEAST_OBSERVED, resample_block
from .rest_frame import AROUND_5100, continuum_level, find_reach, mask_sky_line, to_rest_frame
from .sample import describe_origin, reduce_spectra, tabulate
from .wild_pixels import find_wild_pixels

# Fluxes that differ by more are looked at one spectrum after the other: their squares may not be numbers.
_LARGEST_RATIO = 1e30


def reduce_block(block, *, grid=PAPER_GRID, normalisation="window"):
    """Reduce spectra that share their observed wavelengths.

    To the last bit what `reduce_spectra` makes of them one after the other, in a fifth of the time.  What is
    unusual in any way, and whatever is to be rejected, goes through `reduce_spectra` itself.

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
    ivar = mask_sky_line(block.wavelength, np.asarray(block.ivar, dtype=float))
    usual, level = np.zeros(n_spectra, bool), np.full(n_spectra, np.nan)
    origins = [None] * n_spectra
    for row in np.flatnonzero(np.isfinite(redshift) & (redshift > -1)):
        try:
            ivar[row], level[row] = _prepare(block, ivar[row], row, grid, normalisation)
            origins[row] = describe_origin(block.meta[row])
            usual[row] = True
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
    signal = _find_signal(flux, ivar, usual)
    rows, fluxes, ivars, rejected, surveys = [], [], [], [], set()
    for row, name in enumerate(block.name):
        if usual[row]:
            ids = (name, -1, -1, -1, float(redshift[row]), "", signal[row], float(np.mean(ivar[row] == 0)))
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


def _prepare(block, ivar, row, grid, normalisation):
    """The ivar of a spectrum without its wild pixels, and its flux at 5100 Å; raises for unusual ones."""
    rest = to_rest_frame(block.wavelength, block.redshift[row])
    part = find_reach(rest, grid)
    flux, used = np.asarray(block.flux[row, part], dtype=float), ivar[part] > 0
    size = np.abs(flux[used])
    # The median is no less than that, or the spectrum is looked at by itself.
    if 2 * np.count_nonzero(size >= size.max() / _LARGEST_RATIO) <= size.size + 1:
        raise ValueError(row)
    wild = find_wild_pixels(flux, ivar[part])
    if wild.any():
        ivar[part][wild] = 0
        note = f"{wild.sum()} wild pixels, sharper than any line, left out"
        block.meta[row].setdefault("assumptions", []).append(note)
    near = slice(*np.searchsorted(rest, AROUND_5100))
    level = continuum_level(
        rest[near], block.flux[row, near].astype(float), ivar[near], normalisation=normalisation
    )
    return ivar, level


def _find_signal(flux, ivar, usual):
    """Median signal-to-noise ratio (n_spectra,) of the grid points that were observed."""
    signal = np.full(len(flux), np.nan)
    whole = usual & (ivar > 0).all(axis=1)
    signal[whole] = np.median(flux[whole] * np.sqrt(ivar[whole]), axis=1)
    for row in np.flatnonzero(usual & ~whole):
        used = ivar[row] > 0
        signal[row] = np.median(flux[row, used] * np.sqrt(ivar[row, used]))
    return signal.tolist()


def _reduce_alone(block, row, grid, normalisation):
    """`reduce_spectra` of one spectrum of a block."""
    name, meta = block.name[row], block.meta[row]
    flux, ivar, redshift = block.flux[row], block.ivar[row], block.redshift[row]
    try:
        spectrum = ObservedSpectrum(block.wavelength, flux, ivar, redshift, name, meta=meta)
    except Exception as error:
        spectrum = Rejected(name, str(meta.get("file", "")), str(error))
    return reduce_spectra([spectrum], grid=grid, normalisation=normalisation)
