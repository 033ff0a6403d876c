"""Changes to a reduced spectrum: a broad Hβ line, the slope of its continuum, noise."""

from dataclasses import dataclass, fields

import numpy as np
from scipy.special import erf

from ..errors import AgnError
from ..lines import LINES, NORMALISATION_WAVELENGTH, SPEED_OF_LIGHT
from .resampling import pixel_edges
from .rest_frame import continuum_level

# A Gaussian's full width at half maximum in standard deviations.
_FWHM = np.sqrt(8 * np.log(2))


@dataclass(frozen=True)
class SpectrumChange:
    """What is done to a spectrum; the default is nothing.

    Attributes
    ----------
    broad_hbeta_flux : float
        Flux of an additional broad Hβ line in units of the flux per Å at 5100 Å, that is its equivalent width
        in Å of the continuum there; negative to take such a line away.
    broad_hbeta_width : float
        Its full width at half maximum in km/s, as observed; Gaussian.
    broad_hbeta_shift : float
        Its velocity in km/s, positive to the red.
    slope : float
        The whole spectrum is multiplied by (wavelength / 5100 Å)**slope; positive is redder.
    noise : float
        Standard deviation of additional Gaussian noise a grid point, in units of the flux at 5100 Å.

    Raises
    ------
    AgnError
        For values that are not finite, a width that is not positive, negative noise.
    """

    broad_hbeta_flux: float = 0.0
    broad_hbeta_width: float = 5000.0
    broad_hbeta_shift: float = 0.0
    slope: float = 0.0
    noise: float = 0.0

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if not np.isfinite(value):
                raise AgnError(f"{field.name} must be finite; got {value}; give a number.")
        if self.broad_hbeta_width <= 0:
            raise AgnError(
                f"broad_hbeta_width must be positive; got {self.broad_hbeta_width:g}; give it in km/s."
            )
        if self.noise < 0:
            raise AgnError(f"noise must not be negative; got {self.noise:g}; give a standard deviation.")

    @property
    def is_nothing(self):
        """True where a spectrum stays as it is."""
        return not (self.broad_hbeta_flux or self.slope or self.noise)

    def describe(self):
        """Say in a few words what is changed, e.g. ``"broad Hβ +40 Å (5000 km/s), noise 0.05"``."""
        words = []
        if self.broad_hbeta_flux:
            shift = f", {self.broad_hbeta_shift:+.0f} km/s" if self.broad_hbeta_shift else ""
            words.append(
                f"broad Hβ {self.broad_hbeta_flux:+.3g} Å (FWHM {self.broad_hbeta_width:.0f} km/s{shift})"
            )
        if self.slope:
            words.append(f"slope {self.slope:+.2g}")
        if self.noise:
            words.append(f"noise {self.noise:.2g}")
        return ", ".join(words).replace("-", "−")


def broad_hbeta(grid, *, width, shift=0.0):
    """Profile of a broad Hβ line, a Gaussian averaged over each grid point's share of wavelength.

    Parameters
    ----------
    grid : (n_grid,) array
        Rest-frame vacuum Å, equally spaced.
    width, shift : float
        Full width at half maximum and velocity of the centre, km/s.

    Returns
    -------
    (n_grid,) array
        Flux density per Å of a line of flux 1; its sum times the grid's step is 1 where all of it fits.
    """
    step = grid[1] - grid[0]
    centre = LINES["Hbeta"].wavelength * (1 + shift / SPEED_OF_LIGHT)
    sigma = LINES["Hbeta"].wavelength * width / SPEED_OF_LIGHT / _FWHM
    return 0.5 * np.diff(erf((pixel_edges(grid) - centre) / (np.sqrt(2) * sigma))) / step


def perturb_spectrum(grid, flux, ivar, change, *, normalisation="window", random_state=0):
    """Apply a Change and divide by the flux at 5100 Å again, as the reduction would have.

    The line is added first, then come the slope and the noise, which is one draw, scaled to its level.  The
    line's own photon noise is left out: it is small beside that of host and sky.

    Parameters
    ----------
    grid : (n_grid,) array
        Rest-frame vacuum Å, equally spaced.
    flux, ivar : (n_grid,) arrays
        Normalised flux and its inverse variance; ivar 0 marks what is not known and stays 0.
    change : Change
        What to do.
    normalisation : {"window", "pixel"}
        How the sample was normalised, see `continuum_level`.
    random_state : int
        Seed of the noise.

    Returns
    -------
    flux, ivar : (n_grid,) arrays
        Exactly those given where nothing is changed.

    Raises
    ------
    ReductionError
        Where the changed flux at 5100 Å is not positive.
    """
    flux, ivar = np.asarray(flux, dtype=float), np.asarray(ivar, dtype=float)
    if change.is_nothing:
        return flux, ivar
    line = broad_hbeta(grid, width=change.broad_hbeta_width, shift=change.broad_hbeta_shift)
    tilt = (grid / NORMALISATION_WAVELENGTH) ** change.slope
    noise = np.random.default_rng(random_state).normal(size=len(grid))
    changed = (flux + change.broad_hbeta_flux * line) * tilt + change.noise * noise
    variance = np.divide(tilt**2, ivar, out=np.full(len(grid), np.inf), where=ivar > 0) + change.noise**2
    # On the grid the flux at 5100 Å is not quite 1, having been taken from the pixels as observed.
    before = continuum_level(grid, flux, ivar, normalisation=normalisation)
    level = continuum_level(grid, changed, 1 / variance, normalisation=normalisation) / before
    return changed / level, level**2 / variance
