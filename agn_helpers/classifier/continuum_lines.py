"""Coarse facts of a spectrum: the level of its continuum between the lines, and how clearly it has lines."""

from typing import NamedTuple

import numpy as np

from ..lines import LINES, SPEED_OF_LIGHT

# Continuum is what is further than this from all lines (km/s); in bins of so many Å, whose logarithms are
# taken of at least so much of the flux at 5100 Å and trusted to so much.
_LINE_WIDTH = 2000.0
_BIN = 40.0
_LEAST_FLUX = 0.03
_LOG_ERROR = 0.02

_FWHM_TO_SIGMA = 1 / np.sqrt(8 * np.log(2))

_OIII = {"OIII4959": 1 / 2.98, "OIII5007": 1.0}  # Storey & Zeippen 2000, MNRAS 312, 813

# Emission lines that are looked for together, relative to each other, in which FWHM (km/s), and the narrow
# ones that are fitted beside them.  The absorption of stars hides other Balmer lines.
_SYSTEMS: tuple[tuple[dict[str, float], tuple[float, ...], dict[str, float]], ...] = (
    ({"OII3727": 1.0}, (500.0,), {}),
    ({"NeIII3869": 1.0}, (500.0,), {}),
    ({"Hbeta": 1.0}, (500.0, 2500.0, 6000.0, 10_000.0), _OIII),
    (_OIII, (400.0, 1000.0), {}),
)

_NARROW = 600.0

# Share of the lines that may be unobserved in a spectrum of which it is said that lines lack.
_MOST_UNSEEN = 1 / 3

# The continuum below a line is a parabola over so many FWHM to either side, but at least so many km/s.
_SIDE_OF_LINE, _LEAST_SIDE = 2.7, 4000.0


def measure_continuum(X, ivar, *, grid):
    """Logarithm of the continuum between the lines, in bins of some 40 Å.

    Parameters
    ----------
    X, ivar : (n_spectra, n_grid) arrays
        Fluxes in units of that at 5100 Å, and inverse variances; bins without any take X as it is.
    grid : (n_grid,) array
        Å.

    Returns
    -------
    centre : (n_bins,) array
        Mean wavelengths, Å.
    level, variance : (n_spectra, n_bins) arrays
        Natural logarithm of the mean flux, of at least 0.03, and its variance, with 2 % of systematic error.
    """
    away = [np.abs(line.velocity(grid)) > _LINE_WIDTH for line in LINES.values()]
    free = np.flatnonzero(np.all(away, axis=0))
    step = (grid[-1] - grid[0]) / (len(grid) - 1)
    bins = np.array_split(free, max(1, round(len(free) * step / _BIN)))
    used = ivar > 0
    variances = np.divide(1.0, ivar, out=np.zeros(ivar.shape), where=used)
    level, variance = np.empty((2, len(X), len(bins)))
    for column, part in enumerate(bins):
        n_used = used[:, part].sum(axis=1)
        mean = (X[:, part] * used[:, part]).sum(axis=1) / n_used.clip(1)
        mean = np.where(n_used > 0, mean, X[:, part].mean(axis=1)).clip(_LEAST_FLUX)
        level[:, column] = np.log(mean)
        noise = variances[:, part].sum(axis=1) / (n_used.clip(1) * mean) ** 2
        variance[:, column] = np.where(n_used > 0, noise, 1e6) + _LOG_ERROR**2
    return np.array([grid[part].mean() for part in bins]), level, variance


class LineStrengths(NamedTuple):
    """Equivalent widths of emission lines, for each of the widths in which they are looked for.

    Attributes
    ----------
    width : (n_spectra, n_templates) array
        Equivalent width, Å; negative for absorption.
    error : (n_spectra, n_templates) array
        Of noise and systematic error; infinite where less than half of the line was observed.
    system : (n_templates,) int array
        Templates of the same lines have the same number.
    """

    width: np.ndarray
    error: np.ndarray
    system: np.ndarray

    def add_up(self, largest_error):
        """Significance of all lines together, (n_spectra,); infinite where too few were observed.

        Each line at its best width, emission less absorption, each in quadrature.  Of errors beyond
        `largest_error` (n_templates,) twice as much counts as emission that may be there, unseen.
        """
        seen = np.isfinite(self.error)
        beyond = np.sqrt((np.where(seen, self.error, 0) ** 2 - largest_error**2).clip(0))
        significance = np.where(seen, (self.width + 2 * beyond) / np.minimum(self.error, largest_error), 0)
        systems = np.unique(self.system)
        best = np.zeros((len(self.width), len(systems)))
        unseen = np.zeros(len(self.width))
        for column, number in enumerate(systems):
            templates = self.system == number
            best[:, column] = significance[:, templates].max(axis=1)
            unseen += ~seen[:, templates].any(axis=1)
        power = np.linalg.norm(best.clip(0), axis=1) - np.linalg.norm(best.clip(None, 0), axis=1)
        return np.where((unseen <= _MOST_UNSEEN * len(systems)) & (len(systems) > 0), power, np.inf)


def measure_lines(X, ivar, *, grid, systematic):
    """Fit emission lines on a parabolic continuum to spectra: `LineStrengths`.

    Parameters
    ----------
    X, ivar : (n_spectra, n_grid) arrays
        Fluxes and inverse variances; points with ivar 0 are not used.
    grid : (n_grid,) array
        Å.  Lines that are not on it are left out.
    systematic : float
        Error of each flux beside noise, as a share of the continuum.
    """
    used = ivar > 0
    variances = np.divide(1.0, ivar, out=np.zeros(ivar.shape), where=used)
    widths, errors, systems = [], [], []
    for number, (lines, fwhms, others) in enumerate(_SYSTEMS):
        centres = [LINES[name].wavelength for name in lines]
        # A grid may start between the lines of a doublet, which [O II] is.
        if min(centres) < grid[0] - 1 or max(centres) > grid[-1] + 1:
            continue
        for fwhm in fwhms:
            profile = _profile(grid, lines, fwhm)
            side = max(_LEAST_SIDE, _SIDE_OF_LINE * fwhm) / SPEED_OF_LIGHT
            near = (grid > min(centres) * (1 - side)) & (grid < max(centres) * (1 + side))
            x = np.linspace(-1, 1, near.sum())
            terms = [profile[near], np.ones(x.size), x, x**2]
            if others:
                terms.append(_profile(grid, others, _NARROW)[near])
            terms = np.stack(terms)
            level = np.median(X[:, near], axis=1).clip(_LEAST_FLUX)
            weight = used[:, near] / (variances[:, near] + (systematic * level[:, None]) ** 2)
            normal = np.einsum("np,ap,bp->nab", weight, terms, terms, optimize=True)
            covariance = np.linalg.inv(normal + 1e-9 * np.eye(len(terms)))
            fitted = np.einsum("nb,nb->n", covariance[:, 0], (weight * X[:, near]) @ terms.T)
            seen = used[:, near] @ profile[near] >= 0.5 * profile[near].sum()
            widths.append(fitted / level)
            errors.append(np.where(seen, np.sqrt(covariance[:, 0, 0]) / level, np.inf))
            systems.append(number)
    shape = (len(systems), len(X))
    return LineStrengths(
        np.reshape(widths, shape).T, np.reshape(errors, shape).T, np.array(systems, dtype=int)
    )


def _profile(grid, lines, fwhm):
    """Gaussian lines of unit flux together, in the ratios `lines`, (n_grid,)."""
    profile = np.zeros(grid.shape)
    for name, ratio in lines.items():
        sigma = LINES[name].wavelength * fwhm / SPEED_OF_LIGHT * _FWHM_TO_SIGMA
        shape = np.exp(-0.5 * ((grid - LINES[name].wavelength) / sigma) ** 2)
        profile += ratio / sum(lines.values()) * shape / (sigma * np.sqrt(2 * np.pi))
    return profile
