"""The nucleus and its gas: line lists with their ratios, Fe II, the Balmer continuum, extinction.

Ratios of narrow lines follow from case B recombination and atomic physics where they are fixed
(Storey & Hummer 1995; Osterbrock & Ferland 2006); those that vary from object to object are drawn
in `agn_helpers.survey.population`.
"""

from dataclasses import dataclass

import numpy as np

from ..lines import LINES, SPEED_OF_LIGHT

# Case B ratios to Hβ for upper levels 3 to 8 (10^4 K, 10^2 cm^-3; Hα as raised in narrow-line regions,
# Osterbrock & Ferland 2006) and beyond.
_BALMER_LIMIT = 3647.01  # vacuum Å

_BALMER_RATIOS = {3: 2.95, 4: 1.0, 5: 0.468, 6: 0.259, 7: 0.159, 8: 0.105}

_LAST_LEVEL = 40

_BALMER_RATIOS |= {level: 0.0731 * (9 / level) ** 2.9 for level in range(9, _LAST_LEVEL + 1)}

# Broad Balmer decrement without dust: Dong et al. (2008) for Hα.  La Mura et al. (2007, ApJ 671, 104) have
# 3.45, 0.45 and 0.25, whose Hγ and Hδ are what the dust leaves that raises their Hα.
_BROAD_BALMER_RATIOS = {3: 3.06, 4: 1.0, 5: 0.477, 6: 0.273}

# The lines beyond are those of recombination at 15 000 K and 10^10 cm^-3 (Storey & Hummer 1995, MNRAS 272,
# 41) relative to Hδ, as is the height of the Balmer continuum at its edge relative to Hβ (1/Å).
_OF_RECOMBINATION = _BROAD_BALMER_RATIOS[6] / 0.305

BALMER_EDGE = 0.0030 * _OF_RECOMBINATION

_HIGH_BALMER_RATIOS = {7: 0.209 * _OF_RECOMBINATION, 8: 0.154 * _OF_RECOMBINATION}

# Populations of higher levels are thermal at this density, so that each line has the flux of the continuum
# over its distance to the next, 8 λ / n^3 with the limit's λ (within 4 % of Storey & Hummer's for n of 9 to
# 50): lines and continuum join without a step (Grandi 1982, ApJ 255, 25; Wills, Netzer & Wills 1985, ApJ 288,
# 94; Kovačević, Popović & Kollatschny 2014, Adv. Space Res. 54, 1347).
_HIGH_BALMER_RATIOS |= {
    level: BALMER_EDGE * 8 * _BALMER_LIMIT / level**3 for level in range(9, _LAST_LEVEL + 1)
}

# Narrow lines other than hydrogen's: vacuum Å, the drawn quantity they scale with, and their ratio to it.
_NARROW_LINES = (
    (3346.79, "NeV", 0.36), (3426.85, "NeV", 1.0),
    (3727.09, "OII", 0.46), (3729.88, "OII", 0.54),
    (LINES["NeIII3869"].wavelength, "NeIII", 1.0), (LINES["NeIII3968"].wavelength, "NeIII", 0.301),
    (LINES["HeI3889"].wavelength, "HeI", 0.8), (4027.33, "HeI", 0.16), (4472.74, "HeI", 0.36),
    (LINES["HeI5876"].wavelength, "HeI", 1.0), (7067.14, "HeI", 0.35),
    (LINES["OIII4363"].wavelength, "OIII4363", 1.0),
    (LINES["OIII4959"].wavelength, "OIII", 1 / 2.98), (LINES["OIII5007"].wavelength, "OIII", 1.0),
    (LINES["HeII4686"].wavelength, "HeII", 1.0), (5413.02, "HeII", 0.08), (3204.03, "HeII", 0.40),
    (4712.69, "ArIV", 1.0), (4741.49, "ArIV", 0.9),
    (4069.75, "SII4072", 0.75), (4077.50, "SII4072", 0.25),
    (5200.53, "NI", 1.0),
    (3759.75, "FeVII", 0.7), (5160.33, "FeVII", 0.5), (5722.30, "FeVII", 0.8), (6088.7, "FeVII", 1.2),
    (LINES["OI6300"].wavelength, "OI", 1.0), (6365.54, "OI", 0.33),
    (LINES["NII6584"].wavelength, "NII", 1.0), (LINES["NII6548"].wavelength, "NII", 0.327),
    (LINES["SII6716"].wavelength, "SII", 0.54), (LINES["SII6731"].wavelength, "SII", 0.46),
    (7137.77, "ArIII", 1.0), (7321.0, "OIIred", 1.0), (9071.1, "SIII", 1.0), (9533.2, "SIII", 2.5),
)  # fmt: skip

# Broad lines besides the Balmer series: vacuum Å and ratio to broad Hβ (after Vanden Berk et al. 2001).
_BROAD_LINES = (
    (2326.44, 0.20), (2423.0, 0.08), (2796.35, 0.95), (2803.53, 0.75), (3191.0, 0.05),
    (4472.74, 0.03), (4687.02, 0.02), (5877.25, 0.11), (7067.14, 0.05), (8448.7, 0.12),
)  # fmt: skip

# Optical Fe II: vacuum Å, log gf, upper level (eV), and the sum that the multiplets' group has in
# I Zw 1 relative to the 4434-4684 Å blend (Boroson & Green 1992; Véron-Cetty et al. 2004).
# Within a group strengths go as (gf / λ³) exp(-E / kT) at 10 000 K (Kovačević, Popović & Dimitrijević 2010,
# ApJS 189, 15, eq. 1).
_FE_II_GROUPS = (
    ("FeII", 0.66, (  # 37, 38
        (4473.6, -3.43, 5.61), (4490.4, -2.97, 5.59), (4492.7, -2.70, 5.61), (4509.6, -2.21, 5.60),
        (4516.6, -2.45, 5.59), (4521.5, -2.60, 5.55), (4523.9, -2.03, 5.58), (4535.4, -3.47, 5.59),
        (4542.8, -3.05, 5.58), (4550.7, -1.75, 5.55), (4557.2, -2.16, 5.55), (4577.6, -3.04, 5.55),
        (4584.1, -3.10, 5.55), (4585.1, -1.86, 5.51), (4621.8, -3.28, 5.51), (4630.6, -2.37, 5.48),
        (4658.3, -3.63, 5.55), (4668.1, -3.33, 5.48), (4732.8, -3.36, 5.51),
    )),
    ("FeII central", 0.40, ((4925.3, -1.32, 5.41), (5019.8, -1.22, 5.36), (5170.5, -0.87, 5.29))),  # 42
    ("FeII red", 0.75, (  # 41, 48, 49
        (5199.0, -2.10, 5.62), (5236.1, -2.05, 5.59), (5266.3, -3.19, 5.58), (5277.5, -1.94, 5.55),
        (5285.6, -3.19, 5.24), (5318.1, -1.85, 5.48), (5318.3, -2.91, 5.55), (5327.0, -3.22, 5.55),
        (5339.2, -3.89, 5.55), (5348.0, -3.60, 5.55), (5364.4, -2.74, 5.51), (5415.6, -3.79, 5.51),
        (5426.8, -3.36, 5.48), (5536.4, -2.93, 5.48),
    )),
    ("FeII blue", 0.55, (  # 27, 28
        (4123.8, -3.38, 5.59), (4129.9, -3.77, 5.58), (4174.6, -2.18, 5.55), (4180.0, -2.48, 5.55),
        (4234.4, -1.81, 5.51), (4259.4, -3.40, 5.61), (4274.5, -3.34, 5.61), (4297.8, -3.01, 5.59),
        (4304.4, -2.49, 5.58), (4353.0, -2.10, 5.55), (4370.6, -3.67, 5.61), (4386.6, -2.57, 5.61),
        (4415.0, -3.80, 5.58), (4418.0, -2.60, 5.58),
    )),
    ("FeII", 0.25, (  # 74
        (6150.0, -2.72, 5.90), (6240.1, -2.31, 5.87), (6249.3, -2.32, 5.88), (6457.9, -2.05, 5.82),
    )),
)  # fmt: skip

# A quarter of Fe II between 4400 and 5500 Å is in lines that none of these groups has: measured in I Zw 1
# (Kovačević et al. 2010, section 3.1 and table 2), vacuum Å and relative strength.
_FE_II_OF_I_ZW_1 = (
    (4420.2, 3.0), (4450.9, 1.5), (4472.5, 1.2), (4494.8, 1.6), (4615.8, 0.7), (4626.8, 0.7), (4630.1, 1.2),
    (4633.2, 0.6), (4661.9, 1.0), (4670.2, 0.9), (4742.2, 0.5), (5132.6, 1.1), (5370.7, 1.45), (5397.7, 0.4),
    (5429.3, 1.4),
)  # fmt: skip

_I_ZW_1_TOTAL = 0.62

_FE_II_TEMPERATURE = 0.862  # k T at 10 000 K, eV

# Ultraviolet Fe II, blended into humps whatever the line width: centre, sigma (Å), flux relative to the
# 4434-4684 Å blend (Vestergaard & Wilkes 2001; Tsuzuki et al. 2006 above 3000 Å).
_FE_II_HUMPS = (
    (2260.0, 60.0, 0.7), (2400.0, 55.0, 1.6), (2510.0, 45.0, 1.5), (2600.0, 40.0, 1.0),
    (2730.0, 35.0, 0.4), (2890.0, 60.0, 0.7), (3180.0, 90.0, 0.5), (3500.0, 60.0, 0.3),
)  # fmt: skip


@dataclass(frozen=True)
class LineList:
    """Lines that share a profile: wavelengths (vacuum Å), what each scales with, and its ratio to that."""

    wavelength: np.ndarray
    species: np.ndarray
    ratio: np.ndarray


def _line_list(rows):
    wavelength, species, ratio = zip(*rows)
    return LineList(np.array(wavelength), np.array(species), np.array(ratio))


def _fe_ii_rows():
    for group, total, lines in _FE_II_GROUPS:
        wavelength, log_gf, energy = np.array(lines).T
        strength = 10**log_gf / wavelength**3 * np.exp(-energy / _FE_II_TEMPERATURE)
        strength *= total / strength.sum()
        yield from ((centre, group, ratio) for centre, ratio in zip(wavelength, strength))
    scale = _I_ZW_1_TOTAL / sum(strength for _, strength in _FE_II_OF_I_ZW_1)
    yield from ((centre, "FeII", scale * strength) for centre, strength in _FE_II_OF_I_ZW_1)


def _balmer_rows(ratios, species="H"):
    return [(_BALMER_LIMIT / (1 - 4 / level**2), species, ratio) for level, ratio in ratios.items()]


#: Species whose ratios to narrow Hβ are drawn as published: observed, with the dust in them.
OBSERVED_RATIOS = ("OII", "NeIII", "OIII", "HeII", "OI", "NII", "SII")

#: Narrow lines: wavelengths in vacuum Å, species, and fluxes in units of Hβ.
NARROW_LINES = _line_list(_balmer_rows(_BALMER_RATIOS) + list(_NARROW_LINES))

#: Broad lines, alike; those of hydrogen beyond Hδ are "H high": they go with the Balmer continuum, here of
#: height `BALMER_EDGE`.
BROAD_LINES = _line_list(
    _balmer_rows(_BROAD_BALMER_RATIOS)
    + [(centre, "H", ratio) for centre, ratio in _BROAD_LINES]
    + _balmer_rows(_HIGH_BALMER_RATIOS, "H high")
)

#: The optical Fe II lines, in units of their blend at 4434 to 4684 Å.  Multiplets 37, 38 and lines of I Zw 1
#: are "FeII"; "FeII central" and "FeII red" are the other parts of the shelf about Hβ, "FeII blue" what lies
#: below Hγ.
FE_II_LINES = _line_list(list(_fe_ii_rows()))


def line_profile(lines, wavelength, *, fwhm, shift=0.0):
    """Flux per Å of Gaussian lines whose unit (Hβ, or the Fe II blend 4434-4684 Å) has flux 1.

    Parameters
    ----------
    lines : LineList
    wavelength : (n_pixels,) array
        Rest-frame vacuum Å.
    fwhm, shift : float
        km/s.

    Returns
    -------
    (n_pixels,) array
    """
    centre = lines.wavelength * (1 + shift / SPEED_OF_LIGHT)
    sigma = centre * fwhm / SPEED_OF_LIGHT / np.sqrt(8 * np.log(2))
    offset = (np.asarray(wavelength)[:, None] - centre) / sigma
    return np.exp(-0.5 * offset**2) @ (lines.ratio / (np.sqrt(2 * np.pi) * sigma))


def select_lines(lines, species):
    """Those of a LineList that scale with `species`."""
    chosen = lines.species == species
    return LineList(lines.wavelength[chosen], lines.species[chosen], lines.ratio[chosen])


def balmer_continuum(wavelength):
    """Balmer continuum per Å, 1 at 3646 Å, 0 where lines begin; shape of `wavelength` (rest Å).

    Partly thick gas at 15 000 K with optical depth 1 at the edge (Grandi 1982, ApJ 255, 25).  What levels
    beyond the last line emit is part of it.
    """
    edge, temperature = 3646.0, 15000.0

    def emitted(wavelength):
        planck = wavelength**-5.0 / np.expm1(1.4388e8 / (wavelength * temperature))
        return planck * -np.expm1(-((wavelength / edge) ** 3))

    first = _BALMER_LIMIT / (1 - 4 / (_LAST_LEVEL + 0.5) ** 2)
    return np.where(wavelength <= first, emitted(np.minimum(wavelength, edge)) / emitted(edge), 0.0)


def fe_ii_humps(wavelength):
    """Ultraviolet Fe II per Å for a blend 4434-4684 Å of flux 1; shape of `wavelength` (rest Å)."""
    return sum(
        flux * np.exp(-0.5 * ((wavelength - centre) / sigma) ** 2) / (np.sqrt(2 * np.pi) * sigma)
        for centre, sigma, flux in _FE_II_HUMPS
    )


def smc_extinction(wavelength, ebv):
    """Transmission of dust as in the Small Magellanic Cloud, which reddens nuclei.

    A(λ) = 1.39 (λ / µm)^-1.2 E(B-V) (Prevot et al. 1984; Richards et al. 2003, AJ 126, 1131).

    Parameters
    ----------
    wavelength : array
        Rest-frame Å.
    ebv : array
        Colour excess, magnitudes; broadcast against `wavelength`.
    """
    return 10 ** (-0.4 * 1.39 * (wavelength / 1e4) ** -1.2 * ebv)


def calzetti_extinction(wavelength, ebv):
    """Transmission of the dust of a host galaxy, for starlight and narrow lines.

    Calzetti et al. (2000, ApJ 533, 682), eq. 4, R_V = 4.05; 1200 to 22 000 Å.

    Parameters
    ----------
    wavelength : array
        Rest-frame Å.
    ebv : array
        Colour excess, magnitudes; broadcast against `wavelength`.
    """
    x = 1e4 / wavelength
    blue = 2.659 * (-2.156 + 1.509 * x - 0.198 * x**2 + 0.011 * x**3)
    red = 2.659 * (-1.857 + 1.040 * x)
    return 10 ** (-0.4 * (np.where(wavelength < 6300, blue, red) + 4.05) * ebv)
