"""A judge without a classifier: lines are fitted, and a stated rule gives the type."""

from functools import cache

import numpy as np
import pandas as pd
from scipy.optimize import nnls
from scipy.stats import spearmanr
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import RidgeCV

from ..lines import LINES, SPEED_OF_LIGHT
from ..reduction import sample_arrays, sample_grid
from ..saliency import gradient
from ..survey import FE_II_LINES, line_profile, population_templates

# Å in which [O III] gives the profile of narrow lines, and in which Hβ is fitted.
_OIII_RANGE, _HBETA_RANGE = (4920.0, 5080.0), (4600.0, 5125.0)

# FWHM of the narrowest component tried, km/s; the profile of narrow lines has these multiples of it, too.
_NARROW, _MULTIPLES = (150, 220, 320, 450, 650, 900), (1.0, 2.0, 3.5)

# FWHM and displacement of broad Hβ tried, km/s.
_BROAD = (1500, 2000, 2800, 4000, 5600, 8000, 12000)

_SHIFTS = (-4000, -2000, -1000, -400, 0, 400, 1000, 2000, 4000)

# The rule: least significance and equivalent width (Å) of a broad Hβ, and Hβ over [O III] above which it is a
# type 1 (Winkler 1992, MNRAS 257, 677: Seyfert 1.2 above, 1.5 below).
_LEAST_SIGMA, _LEAST_EW, _TYPE1_RATIO = 5.0, 3.0, 2.0

# Of reading the width of broad Hβ, in the order of `measure_widths`.
_WAYS = ("|gradient|", "|gradient x flux|", "line fit", "ridge", "kernel ridge")

_OIII_RATIO = 2.98  # of 5007 to 4959 Å


def fit_lines(X, ivar, *, grid):
    """Fit Hβ and [O III] of reduced spectra: stars, a power law, Fe II, narrow lines, a broad Hβ.

    Narrow Hβ has the profile of [O III], a sum of three Gaussians of one centre, so that winged or wide
    narrow
    lines are not taken for broad ones.  All but the power law are positive (non-negative least squares); the
    width and place of broad Hβ are those of the smallest chi² on a grid.

    Parameters
    ----------
    X, ivar : (n_spectra, n_grid) arrays
        Fluxes in units of that at 5100 Å; ivar 0 where not observed.
    grid : (n_grid,) array
        Rest-frame vacuum Å.

    Returns
    -------
    pandas.DataFrame
        A row a spectrum: ``ew_broad, ew_broad_error, fwhm_broad, shift_broad, ew_narrow, ew_oiii`` (Å of the
        continuum at 5100 Å, km/s).
    """
    X, ivar = np.asarray(X, dtype=float), np.asarray(ivar, dtype=float)
    return pd.DataFrame([_fit_one(flux, weight, tuple(grid)) for flux, weight in zip(X, ivar)])


def _gaussian(grid, centre, fwhm, shift=0.0):
    """Of flux 1, (n,)."""
    centre = centre * (1 + shift / SPEED_OF_LIGHT)
    sigma = centre * fwhm / SPEED_OF_LIGHT / np.sqrt(8 * np.log(2))
    return np.exp(-0.5 * ((grid - centre) / sigma) ** 2) / (np.sqrt(2 * np.pi) * sigma)


@cache
def _templates(grid):
    """The fit's parts that are alike for all spectra: [O III], Hβ with its profile, the rest, broad Hβ."""
    grid = np.array(grid)
    at = {name: LINES[name].wavelength for name in ("OIII5007", "OIII4959", "Hbeta")}
    oiii = {
        width: np.stack(
            [
                _gaussian(grid, at["OIII5007"], many * width)
                + _gaussian(grid, at["OIII4959"], many * width) / _OIII_RATIO
                for many in _MULTIPLES
            ],
            axis=1,
        )
        for width in _NARROW
    }
    hbeta = {
        width: np.stack([_gaussian(grid, at["Hbeta"], many * width) for many in _MULTIPLES], axis=1)
        for width in _NARROW
    }
    x = (grid - 5100.0) / 500.0
    # With both signs, non-negative least squares leaves the power law's terms free.
    smooth = np.stack([np.ones_like(x), x, x**2], axis=1)
    continuum = np.concatenate([population_templates(grid).T, smooth, -smooth], axis=1)
    helium = np.stack([_gaussian(grid, LINES["HeII4686"].wavelength, width) for width in (400, 1200)], axis=1)
    iron = line_profile(FE_II_LINES, grid, fwhm=3000.0)[:, None]
    broad = {(w, s): _gaussian(grid, at["Hbeta"], w, s) for w in _BROAD for s in _SHIFTS}
    return oiii, hbeta, np.concatenate([continuum, helium, iron], axis=1), broad


def _fit_one(flux, ivar, grid):
    oiii, hbeta, rest, broad = _templates(grid)
    wavelength = np.array(grid)
    near = (wavelength > _OIII_RANGE[0]) & (wavelength < _OIII_RANGE[1]) & (ivar > 0)
    part = (wavelength > _HBETA_RANGE[0]) & (wavelength < _HBETA_RANGE[1]) & (ivar > 0)
    lacking = dict.fromkeys(
        ("ew_broad", "ew_broad_error", "fwhm_broad", "shift_broad", "ew_narrow", "ew_oiii"), np.nan
    )
    if near.sum() < 20 or part.sum() < 60:
        return lacking
    x = (wavelength[near] - 5000.0) / 80.0
    level = np.stack([np.ones_like(x), x, -np.ones_like(x), -x], axis=1)
    fits = {}
    for width, columns in oiii.items():
        amounts, misfit = _solve(np.concatenate([columns[near], level], axis=1), flux[near], ivar[near])
        fits[width] = (misfit, amounts[: len(_MULTIPLES)])
    width = min(fits, key=lambda each: fits[each][0])
    shares = fits[width][1]
    total = shares.sum()
    shares = shares / total if total > 0 else np.eye(len(_MULTIPLES))[0]
    fixed = np.concatenate([(hbeta[width] @ shares)[:, None], (oiii[width] @ shares)[:, None], rest], axis=1)[
        part
    ]
    root = np.sqrt(ivar[part])
    best = None
    for place, column in broad.items():
        amounts, misfit = _solve(np.concatenate([column[part, None], fixed], axis=1), flux[part], ivar[part])
        if best is None or misfit < best[1]:
            best = (place, misfit, amounts)
    (fwhm, shift), misfit, amounts = best
    columns = np.concatenate([broad[fwhm, shift][part, None], fixed], axis=1)[:, amounts > 0] * root[:, None]
    error = np.nan
    if amounts[0] > 0:
        # Scatter beyond the stated errors, or none stated at all, widens it.
        excess = max(1.0, misfit / max(1, part.sum() - columns.shape[1]))
        error = np.sqrt(np.linalg.pinv(columns.T @ columns)[0, 0] * excess)
    return {
        "ew_broad": amounts[0],
        "ew_broad_error": error,
        "fwhm_broad": float(fwhm),
        "shift_broad": float(shift),
        "ew_narrow": amounts[1],
        "ew_oiii": amounts[2],
    }


def _solve(columns, flux, ivar):
    """Non-negative amounts of columns, and chi²."""
    root = np.sqrt(ivar)
    amounts, norm = nnls(columns * root[:, None], flux * root, maxiter=30 * columns.shape[1])
    return amounts, norm**2


def judge_lines(fits):
    """Types by a rule: a broad Hβ of 5 sigma and 3 Å makes an intermediate, or a type 1 above twice [O III].

    Parameters
    ----------
    fits : pandas.DataFrame
        Of `fit_lines`.

    Returns
    -------
    (n_spectra,) array of str
        "undetermined" where nothing could be fitted.
    """
    is_broad = (fits["ew_broad"] > _LEAST_EW) & (fits["ew_broad"] > _LEAST_SIGMA * fits["ew_broad_error"])
    is_type1 = is_broad & (fits["ew_broad"] + fits["ew_narrow"] > _TYPE1_RATIO * fits["ew_oiii"])
    conditions = [fits["ew_broad"].isna(), is_type1, is_broad]
    return np.select(conditions, ["undetermined", "type 1", "intermediate"], "type 2")


def measure_widths(survey):
    """How well the FWHM of broad Hβ can be read from saliency, and from fluxes; for `repeat_surveys`.

    Returns
    -------
    dict of str to float
        ``"<way> | <type>"``: Spearman's correlation with the true FWHM over the test spectra of that type.
        Ways: second moment of |gradient| and of |gradient x flux above the continuum| about Hβ, the line fit,
        ridge and kernel ridge regression of ln FWHM on the fluxes.
    """
    X, y = sample_arrays(survey.sample)
    ivar, grid = np.asarray(survey.sample["ivar"], dtype=float), sample_grid(survey.sample)
    fwhm = np.asarray(survey.truth["fwhm_broad"], dtype=float)
    velocity = LINES["Hbeta"].velocity(grid)
    near = np.abs(velocity) < 12000
    values = {}
    for name in ("type 1", "intermediate"):
        train, test = survey.train[y[survey.train] == name], survey.test[y[survey.test] == name]
        if min(len(train), len(test)) < 20:
            values |= dict.fromkeys((f"{way} | {name}" for way in _WAYS), np.nan)
            continue
        attribution = gradient(survey.model.estimator, X[test], target=name)
        above = np.abs(attribution * (X[test] - np.median(X[test][:, near], axis=1, keepdims=True)))
        ways = [
            _second_moment(np.abs(attribution)[:, near], velocity[near]),
            _second_moment(above[:, near], velocity[near]),
            fit_lines(X[test], ivar[test], grid=grid)["fwhm_broad"],
            RidgeCV(np.logspace(-2, 4, 7)).fit(X[train], np.log(fwhm[train])).predict(X[test]),
            KernelRidge(alpha=0.1, kernel="rbf", gamma=0.003)
            .fit(X[train], np.log(fwhm[train]) - np.log(fwhm[train]).mean())
            .predict(X[test]),
        ]
        for way, measured in zip(_WAYS, ways):
            values[f"{way} | {name}"] = spearmanr(measured, fwhm[test], nan_policy="omit").statistic
    return values


def _second_moment(weights, velocity):
    centre = (weights * velocity).sum(axis=1) / weights.sum(axis=1)
    return np.sqrt((weights * (velocity - centre[:, None]) ** 2).sum(axis=1) / weights.sum(axis=1))
