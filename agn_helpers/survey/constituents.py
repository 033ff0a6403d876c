"""What galaxies and nuclei are made of, drawn from published statistics: narrow lines, stars, broad profiles.

Narrow lines follow the measurements of Vaona et al. (2012, MNRAS 427, 1266) for 521 intermediate-type
galaxies: medians, standard deviations, rank correlations and tails of line ratios, widths, equivalent widths
and velocity dispersions.
"""

import numpy as np
from scipy import stats

from .emission import BALMER_EDGE

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


#: Variants of the stellar populations, one of which a galaxy's stars are.
N_STARS = 24


def draw_lognormal(rng, median, sigma, size):
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


def draw_narrow_lines(rng, n):
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
        drawn[name] = draw_lognormal(rng, np.exp(median), sigma, n)
    # [Ne V] and He II need the same hard photons.
    drawn["NeV"] *= np.sqrt(drawn["HeII"] / 0.15)
    return drawn


def draw_host(rng, n, *, young=1.0, varied=False):
    """Shares of the light at 5500 Å of stars of different ages, and their dust.

    young : light of young and adult stars relative to that of intermediates
    varied : all mixtures and much dust, as in the nuclei of Cid Fernandes et al. (2004, MNRAS 355, 273),
        not few all old or starbursts (Kauffmann et al. 2003, section 6)
    """
    if varied:
        young_share, adult, old_share = rng.dirichlet((0.6, 0.9, 1.5), n).T
        dust = rng.exponential(0.25, n)
    else:
        young_share, adult = young * rng.beta(1.0, 9.0, n), young * rng.beta(1.3, 3.0, n)
        adult *= 1 - young_share
        old_share = 1 - young_share - adult
        dust = np.abs(rng.normal(0, 0.15, n))
    old = rng.dirichlet((1.0, 1.0, 1.0), n) * old_share[:, None]
    return {
        "host_young": young_share,
        "host_adult": adult,
        "host_old": old[:, 0],
        "host_old_metal_poor": old[:, 1],
        "host_old_enhanced": old[:, 2],
        "ebv_host": dust,
        "stars": rng.integers(N_STARS, size=n),
    }


def draw_blends(rng, n):
    """Draw the blends of broad lines that differ from nucleus to nucleus; dict of (n,).

    The Balmer continuum and the lines before it scatter as Hδ / Hβ does (La Mura et al. 2007); Fe II is three
    quarters as wide as Hβ (Hu et al. 2008, ApJ 687, 78), and its parts vary against each other (Kovačević,
    Popović & Dimitrijević 2010, ApJS 189, 15, who give no numbers for all of them: some 30 %).
    """
    return {
        "balmer_continuum": draw_lognormal(rng, BALMER_EDGE, 0.25, n),
        "fe_ii_width": draw_lognormal(rng, 0.75, 0.2, n),
        "fe_ii_blue": draw_lognormal(rng, 1.0, 0.3, n),
        "fe_ii_central": draw_lognormal(rng, 1.0, 0.3, n),
        "fe_ii_red": draw_lognormal(rng, 1.0, 0.3, n),
    }


def draw_profile(rng, n, fwhm, kinds):
    """Draw the profiles of broad lines.

    rng : Generator
    n : int
    fwhm : (n,) array
        Width of the classical component, km/s; that of other kinds follows from their own statistics.
    kinds : dict
        Shares of ``"classical"``, two Gaussians, a classical and a very broad component (Zamfir et al. 2010,
        MNRAS 403, 1759); ``"double-peaked"``, disk emitters (Strateva et al. 2003, AJ 126, 1720: 3 % of
        low-redshift broad-line objects, widths some twice as large); ``"displaced"``, all of the line moved
        by 1000 to 5000 km/s (Eracleous et al. 2012, ApJS 201, 23: 0.6 % of quasars; Shen et al. 2011, ApJS
        194, 45); ``"very broad"``, 8000 to 16 000 km/s.
    Returns a dict of (n,) columns.
    """
    kind = rng.choice(list(kinds), n, p=np.array(list(kinds.values())) / sum(kinds.values()))
    double, displaced, wide = (kind == name for name in ("double-peaked", "displaced", "very broad"))
    fwhm = np.where(double, 1.9 * fwhm, fwhm).clip(None, 16000)
    fwhm = np.where(wide, rng.uniform(8000, 16000, n), fwhm)
    separation = np.where(double, rng.uniform(0.25, 0.45, n) * fwhm, 0.0)
    away = np.where(displaced, rng.choice([-1, 1], n) * rng.uniform(1000, 5000, n), 0.0)
    return {
        "profile": kind.astype("U13"),
        # Two peaks half as wide as the whole line.
        "fwhm_broad": np.where(double, 0.6, 1.0) * fwhm,
        "shift_broad": rng.normal(0, 0.06, n) * fwhm - separation + away,
        "very_broad_share": np.where(double, rng.uniform(0.35, 0.65, n), rng.beta(2, 3.5, n)),
        "fwhm_very_broad": np.where(
            double, 0.6, np.where(wide, rng.uniform(1.0, 1.3, n), rng.uniform(1.8, 3.2, n))
        )
        * fwhm,
        "shift_very_broad": np.where(double, separation, rng.normal(0.12, 0.15, n) * fwhm) + away,
    }
