"""Populations of active galaxies: which kinds of objects there are of each type, and how many.

Narrow lines, hosts and profiles are in `agn_helpers.survey.constituents`.  The kinds:

type 1
    *quasars* as in Marziani et al. (2013, A&A 555, A89): slopes from Vanden Berk et al. (2001, AJ 122,
    549), equivalent widths of Hβ, Fe II and [O III] with their correlations (Eigenvector 1) from Boroson &
    Green (1992, ApJS 80, 109) and Shen et al. (2011, ApJS 194, 45); *Seyfert 1* nuclei, the same in galaxies
    that give 20 to 80 % of the light; *narrow-line Seyfert 1* (Zhou et al. 2006, ApJS 166, 128).
intermediate
    Vaona et al. (2012, MNRAS 427, 1266).  A broad Hβ is measured in 63 % of theirs only; the others have one
    all the same, as faint as their broad Hα divided by the Balmer ratio makes it.  The ratio's distribution
    was fitted with the undetected as censored data (ln ratio: mean ln 7.0, sigma 0.57, detected above 4.4 Å).
    Where the ratio is above that of gas without dust, dust is not always the reason: of the 14 Seyfert 1.8
    and 1.9 that Trippe et al. (2010, ApJ 725, 1749) could decide on, 4 are reddened and 10 have a faint
    ionising continuum, under which optical depth and collisions raise the ratio (Korista & Goad 2004, ApJ
    606, 749).
type 2
    *Seyfert 2* galaxies, without broad lines and nearly without featureless light (at most 5 %, Schmitt,
    Storchi-Bergmann & Cid Fernandes 1999, MNRAS 303, 173), their narrow lines dustier and their stars older
    than those of intermediates (Malkan, Jensen & Hao 2026, arXiv 2512.10186); *type 2 quasars* with strong
    lines of up to 1300 km/s (Zakamska et al. 2003, AJ 126, 2125; Reyes et al. 2008, AJ 136, 2373).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
from astropy.table import Table, vstack

from ..errors import AgnError
from ..lines import LINES
from .constituents import draw_blends, draw_host, draw_lognormal, draw_narrow_lines, draw_profile

_HBETA = LINES["Hbeta"].wavelength

_BALMER_RATIO_FREE_OF_DUST = 3.06  # Dong et al. (2008, MNRAS 383, 581)

_REDDENED = 4 / 14

# Hβ, narrow and broad, relative to [O III] 5007 that divides Seyfert 1.2 and 1.5 (Winkler 1992).
_LEAST_OF_SEYFERT1 = 2.0

# Shares of the profiles of broad lines, see `draw_profile`.
_PUBLISHED_PROFILES = {"classical": 0.96, "double-peaked": 0.03, "displaced": 0.01}


@dataclass(frozen=True)
class Population:
    """Kinds of objects and their shares, and what of them is drawn otherwise than published.

    Attributes
    ----------
    mix : dict of dict
        By type, the shares of its kinds.
    profiles : dict
        Shares of the kinds of broad profiles: ``classical, double-peaked, displaced, very broad``.
    redshift, snr : (float, float), optional
        Range in which they are drawn uniformly (redshifts) or uniformly in the logarithm (median S/N per
        pixel), for all types alike, instead of as published.
    nucleus_share : (float, float), optional
        Range of the nucleus's share of the light at 5500 Å of type 1 objects, whose broad lines go with it.
    resolution : (float, float)
        Range of the instrument's FWHM, km/s, drawn uniformly in the logarithm.
    redshift_error : float, optional
        Scale of Student's t with 3 degrees of freedom for redshifts from anywhere, relative to 1 + z; by
        default errors are normal, 3e-4 for quasars and 7e-5 for galaxies.
    calibration_error : float
        That of the flux, smooth over hundreds of Å, relative to SDSS's 4 %.
    varied_hosts : bool
        Whether stars of all ages mix freely, with much dust, and type 2 nuclei have scattered light.
    """

    mix: Mapping[str, Mapping[str, float]]
    profiles: Mapping[str, float]
    redshift: tuple[float, float] | None = None
    snr: tuple[float, float] | None = None
    nucleus_share: tuple[float, float] | None = None
    resolution: tuple[float, float] = (162.0, 162.0)
    redshift_error: float | None = None
    calibration_error: float = 1.0
    varied_hosts: bool = False

    def __post_init__(self):
        for label, kinds in self.mix.items():
            if label not in KINDS or set(kinds) - set(KINDS[label]):
                known = "; ".join(f"{name}: {', '.join(members)}" for name, members in KINDS.items())
                raise AgnError(
                    f"mix must be of kinds that there are ({known}); got {label}: {', '.join(kinds)}."
                )
        for name, shares in (*self.mix.items(), ("profiles", self.profiles)):
            if min(shares.values(), default=-1) < 0 or sum(shares.values()) <= 0:
                raise AgnError(f"shares must not be negative nor all zero; got {dict(shares)} for {name}.")
        limits = {"redshift": 0, "snr": 0, "nucleus_share": 0, "resolution": 0}
        for name, least in limits.items():
            given = getattr(self, name)
            if given is not None and not (len(given) == 2 and least < given[0] <= given[1] < np.inf):
                raise AgnError(f"{name} must be a range (low, high) above {least}; got {given}.")


def _uniform_in_log(rng, limits, n):
    low, high = np.log(limits)
    return np.exp(rng.uniform(low, high, n))


def _low_redshift(rng, n):
    """Redshifts (n,) as of Vaona et al.: density rising as z^1.4; 16, 50, 84 %: 0.048, 0.074, 0.092."""
    low, high, power = 0.02, 0.1, 2.4
    return (low**power + rng.random(n) * (high**power - low**power)) ** (1 / power)


def _galaxy(rng, n):
    """Distance and brightness of a nearby galaxy; dict of (n,)."""
    return {
        "redshift": _low_redshift(rng, n),
        "redshift_error": 7e-5 * rng.standard_normal(n),
        # Some 29 at 5500 Å, as catalogued, is 22 in the median of the range, whose blue end is noisier.
        "snr": draw_lognormal(rng, 22, 0.30, n).clip(10, 40),
        "continuum_5500": draw_lognormal(rng, 36, 0.50, n),
    }


def _no_broad_lines(n):
    names = ("ew_broad_hbeta", "fwhm_broad", "shift_broad", "very_broad_share", "fwhm_very_broad")
    names += ("shift_very_broad", "fe_ii_ratio", "fe_ii_width", "fe_ii_blue", "fe_ii_central", "fe_ii_red")
    names += ("balmer_continuum", "ebv_nucleus")
    return {"profile": np.full(n, "none", dtype="U13")} | {name: np.zeros(n) for name in names}


def _draw_quasars(rng, n, population):
    narrow = draw_narrow_lines(rng, n)
    # Eigenvector 1: strong Fe II goes with narrow Hβ and weak [O III].
    one, two, three = rng.standard_normal((3, n))
    fwhm = (4300 * np.exp(0.45 * one)).clip(1100, 15000)
    iron = (0.50 * np.exp(0.60 * (-0.55 * one + 0.84 * two))).clip(0.02, 2.5)
    ew_oiii = (15 * np.exp(0.80 * (-0.45 * (-0.55 * one + 0.84 * two) + 0.89 * three))).clip(0.5, 250)
    # Shen et al. (2011), eq. 1, at 5100 Å luminosities of 10^44.5 to 10^45.5 erg/s.
    host = rng.beta(1.0, 9.0, n)
    slope = rng.normal(-1.56, 0.40, n)
    nucleus = 1 - host
    ew_broad = draw_lognormal(rng, 70, 0.46, n).clip(12, 250) * nucleus * (_HBETA / 5500) ** slope
    oiii = narrow["OIII_core"] + narrow["OIII_wing"]
    narrow["ew_hbeta"] = ew_oiii * nucleus / oiii
    # Narrow-line regions of quasars are larger and faster than those of Seyfert galaxies.
    narrow["fwhm_core"] *= 1.4
    narrow["fwhm_wing"] *= 1.4
    narrow["ebv_narrow"] *= 0.3
    return (
        narrow
        | draw_host(rng, n, varied=population.varied_hosts)
        | draw_profile(rng, n, fwhm, population.profiles)
        | draw_blends(rng, n)
        | {
            "redshift": rng.uniform(0.4, 0.75, n),
            "redshift_error": 3e-4 * rng.standard_normal(n),
            "snr": draw_lognormal(rng, 18, 0.40, n).clip(10, 40),
            "continuum_5500": draw_lognormal(rng, 12, 0.50, n),
            "nucleus_share": nucleus,
            "slope": slope,
            "ebv_nucleus": rng.exponential(0.03, n),
            "ew_broad_hbeta": ew_broad,
            "fe_ii_ratio": iron,
        }
    )


def _set_nucleus(objects, share):
    """Give nuclei another share of the light; their lines, broad and narrow, go with it."""
    for name in ("ew_broad_hbeta", "ew_hbeta"):
        objects[name] = objects[name] * share / objects["nucleus_share"]
    objects["nucleus_share"] = share
    return objects


def _draw_seyfert1(rng, n, population):
    """Nuclei of Seyfert 1.0 and 1.2 (Winkler 1992, MNRAS 257, 677) in galaxies."""

    def draw(n):
        nuclei = _draw_quasars(rng, n, population) | _galaxy(rng, n)
        nuclei = _set_nucleus(nuclei, rng.uniform(0.2, 0.8, n))
        return nuclei, _hbeta_to_oiii(nuclei) > _LEAST_OF_SEYFERT1

    return _draw_until(draw, n)


def _draw_narrow_line_seyfert1(rng, n, population):
    nuclei = _draw_quasars(rng, n, replace(population, profiles={"classical": 1.0})) | _galaxy(rng, n)
    # Zhou et al. (2006): Hβ below 2200 km/s, Fe II / Hβ of 0.8 in the median, weak [O III].
    factor = rng.uniform(900, 2200, n) / nuclei["fwhm_broad"]
    for name in ("fwhm_broad", "shift_broad", "fwhm_very_broad", "shift_very_broad"):
        nuclei[name] = nuclei[name] * factor
    nuclei["fe_ii_ratio"] = draw_lognormal(rng, 0.8, 0.45, n).clip(0.1, 2.5)
    nuclei["ew_hbeta"] = nuclei["ew_hbeta"] * 0.7
    return _set_nucleus(nuclei, rng.uniform(0.3, 0.95, n))


def _draw_intermediates(rng, n, population):
    narrow = draw_narrow_lines(rng, n)
    ew_halpha = narrow["ew_broad_halpha"]
    # Fainter broad lines have larger ratios: the catalogue's fall with the equivalent width of broad Hα.
    log_ratio = -0.27 * np.log(ew_halpha / 52) + 0.52 * rng.standard_normal(n)
    ratio = (7.0 * np.exp(log_ratio)).clip(2.6, 40)
    # The SMC's A(Hβ) - A(Hα) is 1.00 E(B-V).
    reddening = np.log10(ratio / _BALMER_RATIO_FREE_OF_DUST) / 0.4
    ew_broad = (ew_halpha / ratio).clip(0, 120)
    # Hβ is a little broader than Hα (Greene & Ho 2005, ApJ 630, 122, eq. 3).
    halpha = narrow["fwhm_broad"].clip(1900, 10500)
    slope = rng.normal(-1.56, 0.40, n)
    # Dust before the narrow lines is before the nucleus too (Heard & Gaskell 2016, MNRAS 461, 4227).
    reddening = reddening.clip(0, 1.2)
    reddening = np.where(rng.random(n) < _REDDENED, reddening, np.minimum(reddening, narrow["ebv_narrow"]))
    # The continuum is that of an unreddened nucleus of ordinary gas with these lines: dust dims lines and
    # continuum alike, gas with a high ratio lacks Hβ alone.
    lost = ratio / _BALMER_RATIO_FREE_OF_DUST * 10 ** (-0.4 * reddening)
    share = ew_broad * lost / (draw_lognormal(rng, 70, 0.46, n) * (_HBETA / 5500) ** slope)
    return (
        narrow
        | draw_host(rng, n, varied=population.varied_hosts)
        | _galaxy(rng, n)
        | draw_profile(rng, n, 1070 * (halpha / 1000) ** 1.03, population.profiles)
        | draw_blends(rng, n)
        | {
            # At these redshifts the 3 arcsec fibre always holds some of the galaxy.
            "nucleus_share": share.clip(0, 0.75),
            "slope": slope,
            "ebv_nucleus": reddening,
            "ew_broad_hbeta": ew_broad,
            "fe_ii_ratio": draw_lognormal(rng, 0.4, 0.5, n).clip(0, 2.0),
        }
    )


def _draw_seyfert18(rng, n, population):
    """Intermediates whose broad Hβ can be measured: above the limits that were fitted with the ratio."""

    def draw(n):
        objects = _draw_intermediates(rng, n, population)
        seen = objects["ew_broad_hbeta"] > draw_lognormal(rng, 4.4, 0.92, n)
        return objects, seen & (_hbeta_to_oiii(objects) < _LEAST_OF_SEYFERT1)

    return _draw_until(draw, n)


def _hbeta_to_oiii(objects):
    """Hβ, narrow and broad, relative to [O III] 5007."""
    oiii = objects["ew_hbeta"] * (objects["OIII_core"] + objects["OIII_wing"])
    return (objects["ew_broad_hbeta"] + objects["ew_hbeta"]) / oiii


def _draw_until(draw, n):
    """Draw objects until n meet their condition: `draw` gives columns and which rows meet it."""
    parts = [draw(0)[0]]
    while (lacking := n - sum(len(part["redshift"]) for part in parts)) > 0:
        objects, chosen = draw(2 * lacking + 10)
        parts.append({name: values[chosen][:lacking] for name, values in objects.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _draw_seyfert2(rng, n, population):
    narrow = draw_narrow_lines(rng, n)
    narrow["ebv_narrow"] = rng.normal(0.50, 0.20, n).clip(0)
    return (
        narrow
        | draw_host(rng, n, young=0.5, varied=population.varied_hosts)
        | _galaxy(rng, n)
        | _no_broad_lines(n)
        # Scattered light of the hidden nucleus, a tenth to a half in many (Cid Fernandes et al. 2004).
        | {
            "nucleus_share": rng.beta(1.0, 6.0 if population.varied_hosts else 30.0, n),
            "slope": rng.normal(-1.56, 0.40, n),
        }
    )


def _draw_type2_quasars(rng, n, population):
    galaxies = _draw_seyfert2(rng, n, population)
    # [O III] at least three times Hβ, some of it in the wing.  The width that holds 80 % of it is 750 km/s in
    # the median, as that of Zakamska & Greene (2014, MNRAS 442, 784); they find 90 % within 370 to 4780 km/s.
    core = draw_lognormal(rng, 430, 0.45, n).clip(180, 1300)
    oiii, wing = _uniform_in_log(rng, (3, 16), n), rng.beta(2, 3, n)
    return galaxies | {
        "ew_hbeta": draw_lognormal(rng, 150, 0.7, n).clip(20, 1200) / oiii,
        "OIII_core": oiii * (1 - wing),
        "OIII_wing": oiii * wing,
        "OII": draw_lognormal(rng, 2.5, 0.5, n),
        "NeIII": draw_lognormal(rng, 0.9, 0.3, n),
        "HeII": draw_lognormal(rng, 0.28, 0.6, n),
        "fwhm_core": core,
        "fwhm_wing": (core * rng.uniform(1.5, 3.0, n)).clip(None, 2500),
        "shift_wing": rng.normal(-150, 250, n),
        "redshift": rng.uniform(0.3, 0.8, n),
        "redshift_error": 2e-4 * rng.standard_normal(n),
        "snr": draw_lognormal(rng, 8, 0.5, n).clip(3, 30),
        "continuum_5500": draw_lognormal(rng, 4, 0.5, n),
        # Scattered light of the hidden quasar (Zakamska et al. 2006, AJ 132, 1496).
        "nucleus_share": rng.beta(1.0, 6.0, n),
    }


_DRAW = {
    "type 1": {
        "quasar": _draw_quasars,
        "Seyfert 1": _draw_seyfert1,
        "narrow-line Seyfert 1": _draw_narrow_line_seyfert1,
    },
    "intermediate": {"Seyfert 1.5 to 1.9": _draw_intermediates, "Seyfert 1.5 to 1.8": _draw_seyfert18},
    "type 2": {"Seyfert 2": _draw_seyfert2, "type 2 quasar": _draw_type2_quasars},
}

#: Kinds of objects by type.
KINDS = {label: tuple(kinds) for label, kinds in _DRAW.items()}

#: Named populations: the selection of Peruzzi et al. (2021), and all that one may be asked to classify.
POPULATIONS = {
    "paper": Population(
        mix={"type 1": {"quasar": 1}, "intermediate": {"Seyfert 1.5 to 1.9": 1}, "type 2": {"Seyfert 2": 1}},
        profiles=_PUBLISHED_PROFILES,
    ),
    "general": Population(
        mix={
            "type 1": {"quasar": 0.4, "Seyfert 1": 0.45, "narrow-line Seyfert 1": 0.15},
            # No spectrum of this range tells a Seyfert 1.9, without a broad Hβ, from a type 2.
            "intermediate": {"Seyfert 1.5 to 1.8": 1},
            "type 2": {"Seyfert 2": 0.6, "type 2 quasar": 0.4},
        },
        profiles={"classical": 0.7, "double-peaked": 0.1, "displaced": 0.1, "very broad": 0.1},
        redshift=(0.02, 0.8),
        snr=(5.0, 40.0),
        resolution=(120.0, 600.0),
        redshift_error=3e-4,
        calibration_error=3.0,
        varied_hosts=True,
    ),
}


def change_population(population, **changes):
    """A `Population` by its name or itself, with other values of its fields; AgnError for unknown ones."""
    if not isinstance(population, Population):
        if population not in POPULATIONS:
            raise AgnError(f"population must be one of {', '.join(POPULATIONS)}; got {population!r}.")
        population = POPULATIONS[population]
    unknown = set(changes) - {field.name for field in fields(Population)}
    if unknown:
        raise AgnError(
            f"a population has no {', '.join(sorted(unknown))}; see agn_helpers.survey.Population."
        )
    return replace(population, **changes)


def draw_objects(label, n, *, population="paper", random_state=0):
    """Draw the physical parameters of `n` objects of one type.

    Parameters
    ----------
    label : {"type 1", "intermediate", "type 2"}
    n : int
    population : {"paper", "general"} or Population
    random_state : int, SeedSequence or Generator

    Returns
    -------
    astropy.table.Table
        A row an object, of the kind ``kind`` and with broad lines of the ``profile``.  Equivalent widths (Å)
        refer to the total continuum at 5500 Å at rest, line names are fluxes relative to narrow Hβ (as
        observed where the catalogue measures them, else without the dust of ``ebv_narrow``), widths, shifts
        and the instrument's ``resolution`` (FWHM) are in km/s, shares are of the light at 5500 Å,
        ``continuum_5500`` is in 1e-17 erg/s/cm²/Å, ``fe_ii_ratio`` is the Fe II blend at 4570 Å over broad
        Hβ, ``fe_ii_blue, fe_ii_central, fe_ii_red`` are the other parts of Fe II relative to their mean,
        ``fe_ii_width`` its FWHM over that of the classical component, ``balmer_continuum`` the height of that
        continuum at 3646 Å over broad Hβ (1/Å).
    """
    population = change_population(population)
    rng = np.random.default_rng(random_state)
    mix = population.mix[label]
    numbers = rng.multinomial(n, np.array(list(mix.values())) / sum(mix.values()))
    parts = []
    for kind, number in zip(mix, numbers):
        objects = _DRAW[label][kind](rng, number, population)
        if population.nucleus_share is not None and label == "type 1":
            objects = _set_nucleus(objects, rng.uniform(*population.nucleus_share, number))
        if population.redshift is not None:
            objects["redshift"] = rng.uniform(*population.redshift, number)
        if population.snr is not None:
            objects["snr"] = _uniform_in_log(rng, population.snr, number)
        if population.redshift_error is not None:
            objects["redshift_error"] = population.redshift_error * rng.standard_t(3, number)
        objects["resolution"] = _uniform_in_log(rng, population.resolution, number)
        for name in ("ew_broad_halpha",):
            objects.pop(name, None)
        objects["calibration_error"] = np.full(number, population.calibration_error)
        labels = {"label": np.full(number, label, dtype="U12"), "kind": np.full(number, kind, dtype="U21")}
        parts.append(Table(labels | dict(sorted(objects.items()))))
    table = vstack(parts, metadata_conflicts="silent")[rng.permutation(n)]
    table.meta["survey"] = "synthetic"
    return table
