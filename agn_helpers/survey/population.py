"""Physical parameters of the simulated survey's objects, drawn from published statistics.

Intermediate and type 2 objects follow the measurements of Vaona et al. (2012, MNRAS 427, 1266) for 521
intermediate-type galaxies: medians, standard deviations, rank correlations and tails of line ratios, widths,
equivalent widths, velocity dispersions, redshifts.  A broad Hβ is measured in 63 % of those only; the others
have one all the same, as faint as their broad Hα divided by the Balmer ratio makes it.  The ratio's
distribution was fitted with the undetected as censored data (ln ratio: mean ln 7.0, sigma 0.57,
detected above 4.4 Å).

Type 1 objects are quasars as in Marziani et al. (2013, A&A 555, A89): slopes from Vanden Berk et al. (2001,
AJ 122, 549), Hβ equivalent widths, Fe II and [O III] with their correlations (Eigenvector 1) from Boroson &
Green (1992, ApJS 80, 109) and Shen et al. (2011, ApJS 194, 45), profiles from Zamfir et al. (2010, MNRAS 403,
1759), double peaks from Strateva et al. (2003, AJ 126, 1720).
"""

import numpy as np
from astropy.table import Table
from scipy import stats

from ..lines import LINES

# Natural logarithms of what Vaona et al. measured: median, sigma (half the 16-84 % range).
# Lines are relative to narrow Hβ, widths in km/s, broad Hα as equivalent width in Å.  Ne III, He II and the
# [O III] wing are moved down from their measured medians for the objects in which they were too faint.
_MEASURED = {
    "ew_hbeta": (1.22, 0.63),
    "OII": (0.88, 0.51),
    "NeIII": (-0.30, 0.55),
    "OIII_core": (1.46, 0.63),
    "OIII_wing": (1.00, 0.72),
    "HeII": (-1.90, 0.60),
    "fwhm_core": (5.43, 0.39),
    "fwhm_wing": (6.50, 0.37),
    "stellar_sigma": (4.84, 0.31),
    "OI": (-0.56, 0.60),
    "NII": (1.19, 0.45),
    "SII": (0.66, 0.50),
    "ew_broad_halpha": (3.97, 0.83),
    "fwhm_broad": (8.06, 0.38),
}

# Their rank correlations, in that order (lower triangle).
_CORRELATIONS = (
    (1,),
    (-0.40, 1),
    (-0.33, 0.48, 1),
    (-0.10, 0.36, 0.60, 1),
    (-0.24, 0.43, 0.66, 0.25, 1),
    (-0.40, 0.07, 0.56, 0.41, 0.30, 1),
    (0.04, 0.00, 0.00, 0.15, 0.01, -0.07, 1),
    (0.01, 0.03, 0.09, 0.17, 0.02, -0.06, 0.75, 1),
    (0.21, -0.10, -0.05, 0.04, 0.00, -0.05, 0.22, 0.19, 1),
    (-0.51, 0.76, 0.59, 0.38, 0.53, 0.17, 0.15, 0.23, -0.01, 1),
    (-0.50, 0.42, 0.32, 0.15, 0.38, 0.10, 0.21, 0.26, 0.06, 0.58, 1),
    (-0.48, 0.78, 0.37, 0.24, 0.45, 0.01, 0.14, 0.17, -0.12, 0.79, 0.70, 1),
    (0.48, -0.20, 0.11, 0.16, 0.06, 0.15, 0.03, 0.11, 0.34, -0.22, -0.35, -0.41, 1),
    (0.00, 0.09, 0.07, 0.13, -0.05, -0.08, -0.01, -0.14, 0.28, 0.03, -0.06, -0.13, 0.27, 1),
)

# The equivalent width of Hβ has longer tails, those of Student's t; all are cut where the largest of 521 are.
_TAILS, _TAILS_END = stats.t(8), 3.5

# Lines that the catalogue does not list, relative to narrow Hβ, without dust: median and sigma of the
# logarithm (Osterbrock & Ferland 2006, table 11.5; Zakamska et al. 2003, AJ 126, 2125).
_OTHER_LINES = {
    "HeI": (np.log(0.13), 0.30),
    "OIII4363": (np.log(0.20), 0.60),
    "ArIV": (np.log(0.06), 0.50),
    "SII4072": (np.log(0.15), 0.40),
    "NI": (np.log(0.10), 0.50),
    "FeVII": (np.log(0.03), 0.80),
    "NeV": (np.log(0.60), 0.70),
    "ArIII": (np.log(0.15), 0.30),
    "OIIred": (np.log(0.15), 0.40),
    "SIII": (np.log(0.60), 0.40),
}

_HBETA = LINES["Hbeta"].wavelength

_BALMER_RATIO_FREE_OF_DUST = 3.06  # Dong et al. (2008)


def _lognormal(rng, median, sigma, size):
    return median * np.exp(sigma * rng.standard_normal(size))


def _measured_quantities(rng, n):
    """Draw the catalogue's quantities with its correlations (Gaussian copula) and tails; dict of (n,)."""
    size = len(_CORRELATIONS)
    rank = np.eye(size)
    for row, values in enumerate(_CORRELATIONS):
        rank[row, : row + 1] = rank[: row + 1, row] = values
    # Pearson's coefficient of the Gaussian with these rank correlations; rounding may leave it indefinite.
    values, vectors = np.linalg.eigh(2 * np.sin(np.pi * rank / 6))
    normal = rng.standard_normal((n, size)) @ (vectors * np.sqrt(values.clip(1e-6))).T
    normal /= np.sqrt(((vectors**2) * values.clip(1e-6)).sum(axis=1))
    normal[:, 0] = _TAILS.ppf(stats.norm.cdf(normal[:, 0])) / _TAILS.ppf(stats.norm.cdf(1))
    normal = normal.clip(-_TAILS_END, _TAILS_END)
    return {
        name: np.exp(median + sigma * column)
        for (name, (median, sigma)), column in zip(_MEASURED.items(), normal.T)
    }


def _narrow_lines(rng, n):
    """Draw narrow lines, broad Hα and the stars' velocity dispersion; dict of (n,)."""
    drawn = _measured_quantities(rng, n)
    drawn["fwhm_core"] = drawn["fwhm_core"].clip(90, 800)
    # A wing is what is wider than the core; beyond 2500 km/s a line is not narrow.
    drawn["fwhm_wing"] = drawn["fwhm_wing"].clip(1.3 * drawn["fwhm_core"], 2500)
    drawn["shift_wing"] = rng.normal(-130, 150, n)
    # E(B-V) of the catalogue, from narrow Hα / Hβ; 16, 50, 84 %: 0.15, 0.31, 0.51.
    drawn["ebv_narrow"] = rng.normal(0.31, 0.18, n).clip(0)
    drawn["stellar_sigma"] = drawn["stellar_sigma"].clip(50, 350)
    for name, (median, sigma) in _OTHER_LINES.items():
        drawn[name] = _lognormal(rng, np.exp(median), sigma, n)
    # [Ne V] and He II need the same hard photons.
    drawn["NeV"] *= np.sqrt(drawn["HeII"] / 0.15)
    return drawn


def _host(rng, n):
    """Shares of the light at 5500 Å; few are all old or starbursts (Kauffmann et al. 2003, section 6)."""
    young, adult = rng.beta(1.0, 9.0, n), rng.beta(1.3, 3.0, n)
    adult *= 1 - young
    old = rng.dirichlet((1.0, 1.0, 1.0), n) * (1 - young - adult)[:, None]
    return {
        "host_young": young,
        "host_adult": adult,
        "host_old": old[:, 0],
        "host_old_metal_poor": old[:, 1],
        "host_old_enhanced": old[:, 2],
        "ebv_host": np.abs(rng.normal(0, 0.15, n)),
    }


def _broad_profile(rng, n, fwhm):
    """Two Gaussians, a classical and a very broad component; one object in twenty has two peaks."""
    very_broad = rng.beta(2, 3.5, n)
    double = rng.random(n) < 0.05
    separation = np.where(double, rng.uniform(0.35, 0.6, n) * fwhm, 0.0)
    return {
        "fwhm_broad": fwhm,
        "shift_broad": rng.normal(0, 0.06, n) * fwhm - separation,
        "very_broad_share": np.where(double, rng.uniform(0.35, 0.65, n), very_broad),
        "fwhm_very_broad": np.where(double, rng.uniform(0.6, 1.0, n), rng.uniform(1.8, 3.2, n)) * fwhm,
        "shift_very_broad": np.where(double, separation, rng.normal(0.12, 0.15, n) * fwhm),
    }


def _low_redshift(rng, n):
    """Draw the redshifts of intermediate and type 2 objects; (n,)."""
    # Density rising as z^1.4 has the catalogue's quantiles (16, 50, 84 %: 0.048, 0.074, 0.092).
    low, high, power = 0.02, 0.1, 2.4
    return (low**power + rng.random(n) * (high**power - low**power)) ** (1 / power)


def _no_nucleus(n):
    """What describes broad lines, for objects without; dict of (n,) zeros."""
    names = ("ew_broad_hbeta", "fwhm_broad", "shift_broad", "very_broad_share", "fwhm_very_broad")
    names += ("shift_very_broad", "fe_ii_ratio", "balmer_continuum")
    return {name: np.zeros(n) for name in names}


def _draw_type1(rng, n):
    narrow = _narrow_lines(rng, n)
    # Eigenvector 1: strong Fe II goes with narrow Hβ and weak [O III].
    one, two, three = rng.standard_normal((3, n))
    fwhm = (4300 * np.exp(0.45 * one)).clip(1100, 15000)
    iron = (0.50 * np.exp(0.60 * (-0.55 * one + 0.84 * two))).clip(0.02, 2.5)
    ew_oiii = (15 * np.exp(0.80 * (-0.45 * (-0.55 * one + 0.84 * two) + 0.89 * three))).clip(0.5, 250)
    # Shen et al. (2011), eq. 1, at 5100 Å luminosities of 10^44.5 to 10^45.5 erg/s.
    host = rng.beta(1.0, 9.0, n)
    slope = rng.normal(-1.56, 0.40, n)
    nucleus = 1 - host
    ew_broad = _lognormal(rng, 70, 0.46, n).clip(12, 250) * nucleus * (_HBETA / 5500) ** slope
    oiii = narrow["OIII_core"] + narrow["OIII_wing"]
    narrow["ew_hbeta"] = ew_oiii * nucleus / oiii
    # Narrow-line regions of quasars are larger and faster than those of Seyfert galaxies.
    narrow["fwhm_core"] *= 1.4
    narrow["fwhm_wing"] *= 1.4
    narrow["ebv_narrow"] *= 0.3
    narrow.pop("ew_broad_halpha"), narrow.pop("fwhm_broad")
    return (
        narrow
        | _broad_profile(rng, n, fwhm)
        | {
            "redshift": rng.uniform(0.4, 0.75, n),
            "redshift_error": 3e-4 * rng.standard_normal(n),
            "snr": _lognormal(rng, 18, 0.40, n).clip(10, 40),
            "continuum_5500": _lognormal(rng, 12, 0.50, n),
            "nucleus_share": nucleus,
            "slope": slope,
            "ebv_nucleus": rng.exponential(0.03, n),
            "ew_broad_hbeta": ew_broad,
            "fe_ii_ratio": iron,
            "balmer_continuum": np.abs(rng.normal(0.0020, 0.0010, n)),
        }
    )


def _draw_intermediate(rng, n):
    narrow = _narrow_lines(rng, n)
    ew_halpha = narrow.pop("ew_broad_halpha")
    # Fainter broad lines are redder: the catalogue's ratios fall with the equivalent width of broad Hα.
    log_ratio = -0.27 * np.log(ew_halpha / 52) + 0.52 * rng.standard_normal(n)
    ratio = (7.0 * np.exp(log_ratio)).clip(2.6, 40)
    # The SMC's A(Hβ) - A(Hα) is 1.00 E(B-V).
    reddening = np.log10(ratio / _BALMER_RATIO_FREE_OF_DUST) / 0.4
    ew_broad = (ew_halpha / ratio).clip(0, 120)
    # Hβ is a little broader than Hα (Greene & Ho 2005, ApJ 630, 122, eq. 3).
    halpha = narrow.pop("fwhm_broad").clip(1900, 10500)
    slope = rng.normal(-1.56, 0.40, n)
    # The nucleus has the continuum that an unobscured one with this broad Hβ has.
    share = ew_broad / (_lognormal(rng, 70, 0.46, n) * (_HBETA / 5500) ** slope)
    return (
        narrow
        | _broad_profile(rng, n, 1070 * (halpha / 1000) ** 1.03)
        | {
            "redshift": _low_redshift(rng, n),
            "redshift_error": 7e-5 * rng.standard_normal(n),
            "snr": _lognormal(rng, 22, 0.30, n).clip(10, 40),
            "continuum_5500": _lognormal(rng, 36, 0.50, n),
            # At these redshifts the 3 arcsec fibre always holds some of the galaxy.
            "nucleus_share": share.clip(0, 0.75),
            "slope": slope,
            # Beyond that the ratio is not dust alone but thick or collisionally excited gas.
            "ebv_nucleus": reddening.clip(0, 1.2),
            "ew_broad_hbeta": ew_broad,
            "fe_ii_ratio": _lognormal(rng, 0.4, 0.5, n).clip(0, 2.0),
            "balmer_continuum": np.abs(rng.normal(0.0020, 0.0010, n)),
        }
    )


def _draw_type2(rng, n):
    narrow = _narrow_lines(rng, n)
    narrow.pop("ew_broad_halpha"), narrow.pop("fwhm_broad")
    return (
        _no_nucleus(n)
        | narrow
        | {
            "redshift": _low_redshift(rng, n),
            "redshift_error": 7e-5 * rng.standard_normal(n),
            "snr": _lognormal(rng, 22, 0.30, n).clip(10, 40),
            "continuum_5500": _lognormal(rng, 36, 0.50, n),
            # Scattered or young featureless light (Cid Fernandes et al. 2004, MNRAS 355, 273).
            "nucleus_share": rng.beta(1.0, 9.0, n),
            "slope": rng.normal(-1.56, 0.40, n),
            "ebv_nucleus": np.zeros(n),
        }
    )


_DRAW = {"type 1": _draw_type1, "intermediate": _draw_intermediate, "type 2": _draw_type2}


def draw_objects(label, n, *, random_state=0):
    """Draw the physical parameters of `n` objects of one type.

    Parameters
    ----------
    label : {"type 1", "intermediate", "type 2"}
    n : int
    random_state : int, SeedSequence or Generator

    Returns
    -------
    astropy.table.Table
        A row an object.  Equivalent widths (Å) refer to the total continuum at 5500 Å at rest, line names
        are fluxes relative to narrow Hβ (as observed where the catalogue measures them, else without the
        dust of ``ebv_narrow``), widths and shifts are in km/s, shares are of the light at 5500 Å,
        ``continuum_5500`` is in 1e-17 erg/s/cm²/Å, ``fe_ii_ratio`` is the Fe II blend at 4570 Å over broad
        Hβ, ``balmer_continuum`` the height of that continuum at 3646 Å over broad Hβ (1/Å).
    """
    rng = np.random.default_rng(random_state)
    objects = _DRAW[label](rng, n) | _host(rng, n)
    table = Table({"label": np.full(n, label, dtype="U12")} | dict(sorted(objects.items())))
    table.meta["survey"] = "synthetic"
    return table
