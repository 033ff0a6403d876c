"""One spectrum: to the rest frame, the sky line masked, its flux at 5100 Å, onto another grid."""

import numpy as np
import pandas as pd

from ..errors import ReductionError
from ..lines import AGN_TYPES, NORMALISATION_WAVELENGTH, PAPER_GRID
from .resampling import LEAST_OBSERVED, resample_flux
from .wild_pixels import find_wild_pixels, middle

#: Residuals of the night sky's strongest line survive in SDSS coadds with ivar > 0 (observed vacuum Å).
SKY_LINE_WINDOW = (5569.0, 5590.0)

# Half-width (Å) of the window whose mean is the flux at 5100 Å, and the good pixels that it needs.
_NORMALISATION_HALF_WIDTH = 15.0

_MIN_WINDOW_PIXELS = 3

# Continuum (Å) on either side that takes the window's place where it was not observed: between [O III] with
# its wings and the Fe II blend from 5170 Å on.
_SIDE_WINDOWS = ((5040.0, 5085.0), (5115.0, 5160.0))

#: Wavelengths at rest outside of which nothing tells the flux at 5100 Å.
AROUND_5100 = (5039.0, 5161.0)

# What is cut off beyond the grid (Å) must not share a pixel with it.
_MARGIN = 30.0

# Outliers beyond this many median absolute deviations are left out of the window's mean.
_CLIP = 5.0


def to_rest_frame(wavelength, redshift):
    """Shift observed `wavelength` (Å) to the rest frame of `redshift`; same shape.

    Flux density is left as it is: a factor common to all pixels does not survive normalisation.
    """
    return np.asarray(wavelength) / (1 + redshift)


def mask_sky_line(wavelength, ivar):
    """Inverse variance, 0 where observed `wavelength` (Å, increasing) is in the 5577 Å sky line's window."""
    low, high = SKY_LINE_WINDOW
    masked = np.array(ivar)
    masked[..., wavelength.searchsorted(low, side="right") : wavelength.searchsorted(high)] = 0
    return masked


def continuum_level(wavelength, flux, ivar, *, normalisation="window"):
    """Flux at 5100 Å, by which a spectrum is divided.

    Parameters
    ----------
    wavelength, flux, ivar : (n_pixels,) arrays
        Rest-frame vacuum Å, flux in any unit u, ivar in u**-2.
    normalisation : {"window", "pixel"}
        Mean of the good pixels within 15 Å, without outliers, or the good pixel nearest to 5100 Å, as
        in the paper.  Where fewer than 3 pixels within 15 Å are good, both are the straight line at 5100 Å
        through the means of 5040 to 5085 and 5115 to 5160 Å, which need as many each.

    Raises
    ------
    ReductionError
        Where there are no good pixels in these windows or the flux is not positive.
    """
    if normalisation not in ("window", "pixel"):
        raise ReductionError(f"normalisation must be 'window' or 'pixel'; got {normalisation!r}.")
    low, high = NORMALISATION_WAVELENGTH + _NORMALISATION_HALF_WIDTH * np.array([-1, 1])
    window = slice(wavelength.searchsorted(low), wavelength.searchsorted(high, side="right"))
    near = np.flatnonzero(ivar[window] > 0) + window.start
    if near.size < _MIN_WINDOW_PIXELS:
        sides = [(ivar > 0) & (wavelength >= low) & (wavelength <= high) for low, high in _SIDE_WINDOWS]
        if min(side.sum() for side in sides) < _MIN_WINDOW_PIXELS:
            (low, left), (right, high) = _SIDE_WINDOWS
            raise ReductionError(
                f"at least {_MIN_WINDOW_PIXELS} pixels within {_NORMALISATION_HALF_WIDTH:.0f} Å of 5100 Å at "
                f"rest must be good, or as many in both {low:.0f}-{left:.0f} and {right:.0f}-{high:.0f} Å; "
                f"got {near.size} of {window.stop - window.start}, {sides[0].sum()} and {sides[1].sum()}; "
                "leave this spectrum out."
            )
        places = [wavelength[side].mean() for side in sides]
        level = np.interp(NORMALISATION_WAVELENGTH, places, [_clipped_mean(flux[side]) for side in sides])
    elif normalisation == "pixel":
        level = flux[near[np.argmin(np.abs(wavelength[near] - NORMALISATION_WAVELENGTH))]]
    else:
        level = _clipped_mean(flux[near])
    if not level > 0:
        raise ReductionError(f"flux at 5100 Å must be positive; got {level:.3g}; leave this spectrum out.")
    return level


def _clipped_mean(values):
    deviation = np.abs(values - middle(values))
    kept = values[deviation <= _CLIP * middle(deviation)]
    return np.add.reduce(kept) / len(kept)


def find_reach(wavelength, redshift, grid):
    """Where observed `wavelength` (Å) meets `grid` and the windows around 5100 Å: first, and one beyond.

    redshift : float or array, whose shape both have
    """
    ends = min(grid[0], _SIDE_WINDOWS[0][0]) - _MARGIN, max(grid[-1], _SIDE_WINDOWS[-1][-1]) + _MARGIN
    return tuple(wavelength.searchsorted(end * (1 + np.asarray(redshift))) for end in ends)


def remark_on_wild(meta, wild):
    """Say in a spectrum's ``assumptions`` how many of its pixels are `wild`."""
    note = f"{wild.sum()} wild pixels, sharper than any line, left out"
    if note not in meta.setdefault("assumptions", []):
        meta["assumptions"].append(note)


def reduce_spectrum(spectrum, *, grid=PAPER_GRID, normalisation="window"):
    """Bring one ObservedSpectrum to rest, divide it by its flux at 5100 Å, resample it onto `grid`.

    Wild pixels are left out, see `find_wild_pixels`; how many they are is said in ``meta["assumptions"]``.

    Returns
    -------
    flux, ivar : (n_grid,) arrays
        In units of the flux at 5100 Å, within single precision.

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
        raise ReductionError(
            "at least one pixel must have ivar > 0; all are masked; leave this spectrum out."
        )
    part = slice(*find_reach(spectrum.wavelength, spectrum.redshift, grid))
    wavelength = to_rest_frame(spectrum.wavelength, spectrum.redshift)
    ivar = mask_sky_line(spectrum.wavelength, spectrum.ivar)
    if not np.any(ivar[part] > 0):
        raise ReductionError(
            f"good pixels must cover at least {LEAST_OBSERVED:.0%} of {grid[0]:.1f} to {grid[-1]:.1f} Å at "
            f"rest; got none between {wavelength[0]:.1f} and {wavelength[-1]:.1f} Å; check the redshift or "
            "leave it out."
        )
    wavelength, flux, ivar = wavelength[part], spectrum.flux[part], ivar[part]
    used = ivar > 0
    size = np.abs(flux[used])
    largest, usual = size.max(), middle(size)
    if largest > np.finfo(np.float32).max * usual:
        raise ReductionError(
            f"flux must be within single precision of its median, {usual:.3g}; got {largest:.3g}; correct or "
            "mask such pixels."
        )
    wild = find_wild_pixels(flux, ivar)
    if wild.any():
        ivar = np.where(wild, 0, ivar)
        remark_on_wild(spectrum.meta, wild)
    with np.errstate(all="ignore"):
        resampled, resampled_ivar = resample_flux(wavelength, flux, ivar, grid=grid)
        level = continuum_level(wavelength, flux, ivar, normalisation=normalisation)
        reduced, reduced_ivar = resampled / level, resampled_ivar * level**2
        # As samples hold them.
        single, single_ivar = reduced.astype(np.float32), reduced_ivar.astype(np.float32)
    vanish = (resampled_ivar > 0) & (single_ivar == 0)
    if not np.isfinite([single, single_ivar]).all() or vanish.any():
        raise ReductionError(
            f"flux and ivar must be within single precision once the flux at 5100 Å is 1; it is {level:.3g}, "
            f"fluxes reach {np.abs(flux[ivar > 0]).max():.3g}, ivar is {ivar[ivar > 0].min():.3g} to "
            f"{ivar.max():.3g}; correct or mask them."
        )
    return reduced, reduced_ivar


#: The paper's Table 1.
_PAPER_RANGES = pd.DataFrame(
    [[2713.93, 5265.95], [3728.91, 8318.88], [3727.07, 6955.60], [3728.91, 5265.95]],
    index=["type 1", "intermediate", "type 2", "adopted"],
    columns=["min (paper)", "max (paper)"],
)


def tabulate_ranges(spectra, grid):
    """Wavelengths at rest that the spectra of each type share, beside the paper's.

    Parameters
    ----------
    spectra : sequence of ObservedSpectrum
        Those without a redshift are left out.
    grid : (n_grid,) array
        The adopted wavelengths, vacuum Å.

    Returns
    -------
    pandas.DataFrame
        Index ``type``: the types that occur, then "adopted".  Columns ``min`` and ``max``: the largest of the
        first wavelengths and the smallest of the last, Å; ``min (paper)``, ``max (paper)``.
    """
    usable = [spectrum for spectrum in spectra if np.isfinite(spectrum.redshift)]
    ends = [to_rest_frame(spectrum.wavelength[[0, -1]], spectrum.redshift) for spectrum in usable]
    labels = np.array([spectrum.label for spectrum in usable])
    table = pd.DataFrame(ends, columns=["min", "max"]).groupby(labels).agg({"min": "max", "max": "min"})
    table = table.reindex([name for name in AGN_TYPES if any(each.label == name for each in spectra)])
    table.loc["adopted"] = np.asarray(grid)[[0, -1]]
    return table.join(_PAPER_RANGES).rename_axis("type").round(2)
