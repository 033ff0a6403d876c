"""The host galaxy's starlight: five stellar populations as continua with their absorption features.

No library of stellar spectra is needed: a population is a smooth pseudo-continuum, the Balmer jump and
the absorption features that can be distinguished at SDSS resolution, with the strengths of published
population models.  `tests/test_synthetic.py` measures Lick indices and the 4000 Å break on the result
and holds them against those models.

Sources: shapes, Vazdekis et al. (2010, MNRAS 404, 1639) for 0.1, 1 and 10 Gyr, outside 3640 to 7000 Å
Bruzual & Charlot (2003, MNRAS 344, 1000); features and their indices, Worthey et al. (1994, ApJS 94, 687),
Worthey & Ottaviani (1997, ApJS 111, 377) and Trager et al. (2000, AJ 119, 1645).
"""

import numpy as np
from scipy.interpolate import PchipInterpolator

#: The columns of `population_templates`: 0.1 Gyr, 1 Gyr and three kinds of 10 Gyr.
POPULATIONS = ("young", "adult", "old", "old metal-poor", "old Mg-enhanced")

# Pseudo-continuum (above the absorption features) per Å, about 1 at 5500 Å.  From 3640 to 7000 Å it is that
# with which the MILES models (Vazdekis et al. 2010, MNRAS 404, 1639; solar, Kroupa) come out; towards the
# jump at 3646 Å it follows the Balmer absorption lines beyond those listed below, which blend there.
_CONTINUUM = np.array(
    [  # Å, young, adult, old
        (1990, 1.35, 0.18, 0.02),
        (2500, 1.22, 0.26, 0.05),
        (2800, 1.18, 0.34, 0.09),
        (3100, 1.17, 0.42, 0.17),
        (3400, 1.17, 0.49, 0.25),
        (3640, 1.18, 0.57, 0.31),
        (3690, 1.14, 0.57, 0.36),
        (3725, 1.37, 0.675, 0.337),
        (3760, 1.72, 0.85, 0.453),
        (3850, 1.98, 0.94, 0.348),
        (3950, 2.02, 1.01, 0.485),
        (4050, 1.98, 1.187, 0.644),
        (4200, 1.85, 1.14, 0.69),
        (4400, 1.65, 1.187, 0.85),
        (4700, 1.45, 1.177, 0.973),
        (5000, 1.24, 1.10, 0.977),
        (5300, 1.087, 1.05, 1.034),
        (5500, 1.00, 1.005, 1.018),
        (6000, 0.843, 0.937, 1.049),
        (6500, 0.691, 0.827, 0.996),
        (7000, 0.604, 0.763, 0.971),
        (8000, 0.41, 0.615, 0.95),
        (9000, 0.30, 0.51, 0.91),
        (9600, 0.25, 0.455, 0.895),
        (13200, 0.10, 0.255, 0.76),
    ]
)

# Balmer absorption: vacuum Å, equivalent widths (Å) in young, adult and old light.  The wings are
# pressure broadened: each line is a core and a twice as strong, broad wing.
_BALMER = np.array(
    [
        (6564.61, 4.5, 4.5, 1.0),
        (4862.68, 7.6, 7.0, 2.0),
        (4341.68, 8.3, 8.0, 1.7),
        (4102.89, 8.6, 8.6, 1.5),
        (3971.20, 7.2, 8.2, 1.2),
        (3890.15, 6.8, 7.4, 1.1),
        (3836.47, 6.2, 6.4, 0.9),
        (3798.98, 5.2, 5.0, 0.7),
        (3771.70, 4.0, 3.7, 0.5),
        (3751.22, 3.0, 2.6, 0.4),
        (3735.43, 2.2, 1.8, 0.3),
        (3722.95, 1.5, 1.2, 0.2),
    ]
)

_BALMER_SIGMA = (4.0, 10.0)  # Å, of core and wing

# Metal features: vacuum Å, sigma in Å, equivalent width (Å) in old light, its share in adult light, and
# whether magnesium, carbon or nitrogen makes it, which old, massive galaxies have in excess over iron.
_METALS = np.array(
    [
        (2600.0, 12.0, 5.0, 0.44, 0), (2798.0, 7.0, 9.0, 0.39, 0), (2852.0, 6.0, 5.0, 0.33, 0),
        (3090.0, 15.0, 3.0, 0.39, 0), (3360.0, 10.0, 2.0, 0.39, 0), (3470.0, 10.0, 1.5, 0.33, 0),
        (3580.0, 9.0, 4.0, 0.33, 0), (3730.0, 7.0, 3.7, 0.32, 0), (3750.0, 7.0, 10.2, 0.39, 0),
        (3766.0, 5.0, 5.1, 0.37, 0), (3790.0, 7.0, 4.3, 0.34, 0), (3816.5, 6.0, 4.6, 0.24, 0),
        (3834.5, 6.5, 11.8, 0.43, 1), (3861.0, 9.0, 5.6, 0.18, 1), (3878.5, 6.0, 5.0, 0.25, 1),
        (3904.0, 6.0, 1.1, 0.30, 0), (3922.5, 5.0, 0.1, 0.33, 0), (3934.8, 6.5, 19.6, 0.42, 0),
        (3969.6, 6.5, 16.3, 0.42, 0), (4006.5, 5.0, 0.4, 0.33, 0), (4032.5, 5.0, 1.4, 0.33, 0),
        (4046.8, 2.5, 1.8, 0.39, 0), (4065.0, 3.8, 3.0, 0.39, 0), (4078.8, 1.8, 1.7, 0.55, 0),
        (4092.0, 5.0, 0.3, 0.28, 0), (4119.0, 6.0, 1.9, 0.28, 0), (4133.5, 3.2, 2.0, 0.33, 0),
        (4145.0, 2.5, 2.1, 0.33, 0), (4157.0, 2.5, 1.5, 0.30, 0), (4160.0, 9.0, 1.5, 0.22, 1),
        (4179.0, 8.0, 3.8, 0.22, 1), (4201.0, 8.0, 3.1, 0.22, 1), (4215.5, 3.2, 0.7, 0.22, 1),
        (4228.0, 1.8, 3.1, 0.33, 0), (4237.0, 2.5, 1.3, 0.33, 0), (4251.5, 2.5, 2.0, 0.33, 0),
        (4261.5, 2.5, 1.1, 0.33, 0), (4273.0, 3.2, 3.5, 0.33, 0), (4291.0, 3.8, 2.6, 0.22, 1),
        (4303.5, 5.0, 5.6, 0.24, 1), (4312.0, 3.8, 2.8, 0.24, 1), (4326.5, 2.5, 2.1, 0.33, 0),
        (4345.0, 2.5, 0.1, 0.30, 0), (4353.0, 3.2, 1.5, 0.39, 0), (4370.0, 3.2, 1.5, 0.33, 0),
        (4385.0, 2.9, 4.1, 0.33, 0), (4396.0, 2.5, 1.7, 0.44, 0), (4406.5, 2.5, 2.5, 0.33, 0),
        (4417.0, 2.5, 1.1, 0.44, 0), (4428.5, 2.5, 1.6, 0.33, 0), (4443.5, 3.2, 1.2, 0.44, 0),
        (4456.5, 2.5, 1.9, 0.39, 0), (4468.0, 2.5, 1.5, 0.44, 0), (4482.5, 2.5, 0.4, 0.55, 0),
        (4495.0, 2.5, 0.9, 0.39, 0), (4512.0, 2.5, 0.1, 0.35, 0), (4530.5, 3.8, 2.2, 0.44, 0),
        (4550.5, 3.2, 1.1, 0.50, 0), (4572.0, 3.2, 0.1, 0.44, 0), (4585.0, 2.5, 0.8, 0.44, 0),
        (4604.0, 3.2, 0.5, 0.39, 0), (4630.0, 5.0, 0.1, 0.39, 0), (4648.0, 3.2, 1.4, 0.33, 0),
        (4668.5, 8.0, 2.3, 0.28, 1), (4690.0, 4.0, 1.7, 0.30, 0), (4704.5, 2.5, 1.3, 0.39, 1),
        (4715.0, 5.0, 0.9, 0.28, 1), (4737.0, 7.0, 1.4, 0.22, 1), (4758.0, 5.0, 0.1, 0.33, 0),
        (4766.0, 3.0, 1.1, 0.30, 0), (4785.0, 6.0, 0.9, 0.33, 0), (4825.0, 5.0, 0.2, 0.33, 0),
        (4873.0, 2.5, 0.9, 0.39, 0), (4892.5, 2.5, 0.8, 0.39, 0), (4921.5, 2.5, 1.0, 0.44, 0),
        (4939.5, 3.2, 0.1, 0.33, 0), (4958.9, 2.5, 0.1, 0.39, 0), (4984.5, 5.0, 1.3, 0.39, 0),
        (5003.0, 5.0, 1.1, 0.39, 0), (5016.5, 5.0, 1.9, 0.44, 0), (5027.5, 3.0, 0.9, 0.35, 0),
        (5042.5, 3.2, 1.6, 0.39, 0), (5052.5, 2.5, 0.5, 0.39, 0), (5066.5, 3.0, 0.7, 0.35, 0),
        (5080.5, 3.8, 2.2, 0.33, 0), (5099.5, 3.8, 1.2, 0.28, 1), (5110.5, 3.8, 1.2, 0.28, 1),
        (5127.0, 5.0, 1.9, 0.28, 1), (5142.0, 5.0, 1.7, 0.33, 1), (5155.0, 3.2, 1.8, 0.33, 1),
        (5168.5, 2.1, 2.3, 0.44, 1), (5174.1, 2.1, 2.7, 0.42, 1), (5185.0, 2.1, 2.7, 0.42, 1),
        (5194.0, 1.8, 1.4, 0.39, 0), (5208.0, 3.2, 2.8, 0.42, 0), (5228.5, 2.9, 1.9, 0.42, 0),
        (5251.0, 3.2, 1.1, 0.39, 0), (5262.5, 2.5, 0.9, 0.40, 0), (5271.0, 2.9, 2.4, 0.46, 0),
        (5284.0, 2.5, 0.4, 0.44, 0), (5299.0, 2.5, 0.6, 0.44, 0), (5317.5, 1.8, 0.1, 0.55, 0),
        (5330.0, 2.7, 1.5, 0.44, 0), (5341.5, 2.7, 0.9, 0.42, 0), (5372.0, 2.9, 0.6, 0.42, 0),
        (5383.0, 2.5, 0.1, 0.35, 0), (5398.5, 2.7, 0.7, 0.42, 0), (5407.5, 2.7, 1.0, 0.42, 0),
        (5431.5, 3.2, 0.4, 0.42, 0), (5448.0, 2.7, 0.1, 0.42, 0), (5477.0, 3.5, 0.8, 0.35, 0),
        (5507.0, 3.0, 0.4, 0.35, 0), (5530.0, 2.5, 0.2, 0.42, 1), (5589.0, 5.0, 0.7, 0.39, 0),
        (5617.0, 3.2, 0.1, 0.39, 0), (5660.0, 3.2, 0.8, 0.39, 0), (5709.5, 3.2, 1.1, 0.39, 0),
        (5783.0, 3.8, 0.9, 0.33, 0), (5891.6, 1.8, 2.5, 0.44, 0), (5897.6, 1.8, 1.9, 0.44, 0),
        (5970.0, 18.0, 1.6, 0.17, 0), (6123.9, 2.5, 0.6, 0.33, 0), (6163.9, 2.5, 0.8, 0.33, 0),
        (6232.0, 22.0, 2.6, 0.17, 0), (6497.0, 5.0, 0.9, 0.39, 0), (6720.0, 28.0, 1.8, 0.13, 0),
        (7110.0, 30.0, 3.4, 0.13, 0), (7680.0, 35.0, 2.2, 0.13, 0), (8190.0, 6.0, 0.8, 0.33, 0),
        (8500.4, 5.5, 1.4, 0.77, 0), (8544.4, 5.5, 3.4, 0.77, 0), (8664.5, 5.5, 2.8, 0.77, 0),
    ]
)  # fmt: skip

# A young population's few metal lines, as a share of the old one's.
_YOUNG_SHARE = 0.12

_METAL_POOR, _ENHANCED, _IRON_DEFICIT = 0.55, 1.15, 0.92

# Blends of weak lines redden old light; with fewer metals it goes as this power of wavelength bluer.
_METAL_POOR_SLOPE = -0.3


def _optical_depth(wavelength, centre, sigma, equivalent_width):
    depth = equivalent_width / (np.sqrt(2 * np.pi) * sigma)
    return depth * np.exp(-0.5 * ((wavelength - centre) / sigma) ** 2)


def population_templates(wavelength, *, scatter=0.0, random_state=0):
    """Light of each of `POPULATIONS` per Å, at rest, before velocity broadening.

    Parameters
    ----------
    wavelength : (n_pixels,) array
        Rest-frame vacuum Å, between 1990 and 13200.
    scatter : float
        Standard deviation of the logarithm of each metal feature's strength, drawn with `random_state`: no
        galaxy has the ages and abundances of five populations.

    Returns
    -------
    (5, n_pixels) array
        Flux density per Å, within 2 % of 1 for the pseudo-continuum at 5500 Å.
    """
    continua = [
        np.exp(PchipInterpolator(np.log(_CONTINUUM[:, 0]), np.log(column))(np.log(wavelength)))
        for column in _CONTINUUM[:, 1:].T
    ]
    balmer = np.zeros((3, wavelength.size))
    for centre, *strengths in _BALMER:
        for sigma, share in zip(_BALMER_SIGMA, (1 / 3, 2 / 3)):
            profile = _optical_depth(wavelength, centre, sigma, share)
            balmer += np.outer(strengths, profile)
    # Features come in two sorts, so that abundances can be mixed: iron-like and magnesium-like.
    iron, magnesium, adult = (np.zeros(wavelength.size) for _ in range(3))
    factors = np.exp(scatter * np.random.default_rng(random_state).standard_normal(len(_METALS)))
    for (centre, sigma, strength, share, enhanced), factor in zip(_METALS, factors):
        profile = _optical_depth(wavelength, centre, sigma, strength * factor)
        if enhanced:
            magnesium += profile
        else:
            iron += profile
        adult += share * profile
    metals = iron + magnesium
    return np.stack(
        [
            continua[0] * np.exp(-balmer[0] - _YOUNG_SHARE * metals),
            continua[1] * np.exp(-balmer[1] - adult),
            continua[2] * np.exp(-balmer[2] - metals),
            continua[2]
            * (wavelength / 5500) ** _METAL_POOR_SLOPE
            * np.exp(-balmer[2] - _METAL_POOR * metals),
            continua[2] * np.exp(-balmer[2] - _IRON_DEFICIT * iron - _ENHANCED * magnesium),
        ]
    )
