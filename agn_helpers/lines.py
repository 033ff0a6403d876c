"""Rest wavelengths (vacuum, Å), line windows in km/s, and the AGN types with their colours.

Wavelengths are the vacuum values of the NIST Atomic Spectra Database; names and
labels keep the rounded air wavelengths by which astronomers know the lines.
"""

from dataclasses import dataclass

import numpy as np
from astropy import constants

from .errors import AgnError

SPEED_OF_LIGHT = constants.c.to_value("km/s")


@dataclass(frozen=True)
class Line:
    """A spectral line.

    Attributes
    ----------
    name : str
        Key in `LINES`, e.g. ``"Hbeta"``.
    label : str
        How a figure writes it, e.g. ``"Hβ"``.
    wavelength : float
        Rest wavelength in vacuum, Å; the mean of the two for an unresolved doublet.
    """

    name: str
    label: str
    wavelength: float

    def window(self, low, high):
        """Wavelengths (Å) at the velocities `low` and `high` (km/s) from the line centre."""
        return tuple(self.wavelength * (1 + velocity / SPEED_OF_LIGHT) for velocity in (low, high))

    def velocity(self, wavelength):
        """Velocity (km/s) of rest-frame vacuum `wavelength` (Å) from the line centre; same shape."""
        return (np.asarray(wavelength) / self.wavelength - 1) * SPEED_OF_LIGHT


# [O II] is a doublet, 3727.09 and 3729.88 Å; the paper's grid starts between the two, at 3728.91 Å.
LINES = {
    line.name: line
    for line in (
        Line("OII3727", "[O II] 3727", 3728.48),
        Line("NeIII3869", "[Ne III] 3869", 3869.86),
        Line("HeI3889", "He I 3889", 3889.75),
        Line("NeIII3968", "[Ne III] 3968", 3968.59),
        Line("Hepsilon", "Hε", 3971.20),
        Line("Hdelta", "Hδ", 4102.89),
        Line("Hgamma", "Hγ", 4341.68),
        Line("OIII4363", "[O III] 4363", 4364.44),
        Line("HeII4686", "He II 4686", 4687.02),
        Line("Hbeta", "Hβ", 4862.68),
        Line("OIII4959", "[O III] 4959", 4960.30),
        Line("OIII5007", "[O III] 5007", 5008.24),
        Line("HeI5876", "He I 5876", 5877.25),
        Line("OI6300", "[O I] 6300", 6302.05),
        Line("NII6548", "[N II] 6548", 6549.86),
        Line("Halpha", "Hα", 6564.61),
        Line("NII6584", "[N II] 6584", 6585.27),
        Line("SII6716", "[S II] 6716", 6718.29),
        Line("SII6731", "[S II] 6731", 6732.68),
    )
}

#: The seven lines that the paper marks in its saliency maps (its section 5.4).
MARKED_LINES = ("OII3727", "HeI3889", "Hdelta", "Hgamma", "Hbeta", "OIII4959", "OIII5007")

#: Flux at this rest wavelength (Å) is 1 after normalisation; it is continuum in every type.
NORMALISATION_WAVELENGTH = 5100.0


@dataclass(frozen=True)
class AgnType:
    """A type of active nucleus.

    Attributes
    ----------
    name : str
        The label in every table, e.g. ``"type 1"``.
    key : str
        The name without a space, for column and file names, e.g. ``"type1"``.
    colour : str
        Its colour in every figure: a contrast of 3:1 and more on white and on black, distinguished by
        colour-blind readers, and none of those that say what raises and what lowers a probability.
    marker : str
        Its marker on maps, so that grey print distinguishes the types.
    """

    name: str
    key: str
    colour: str
    marker: str


#: The three types from the broadest lines to the narrowest.
AGN_TYPES = {
    agn_type.name: agn_type
    for agn_type in (
        AgnType("type 1", "type1", "#2878D8", "o"),
        AgnType("intermediate", "intermediate", "#C4266F", "^"),
        AgnType("type 2", "type2", "#97810F", "s"),
    )
}

_LABEL_ALIASES = {
    "type 1": ("1", "1.0", "type1", "sy1", "seyfert1", "broad"),
    "intermediate": ("int", "int.", "1.2", "1.5", "1.8", "1.9", "sy1.2", "sy1.5", "sy1.8", "sy1.9"),
    "type 2": ("2", "2.0", "type2", "sy2", "seyfert2", "narrow"),
}

_LABELS = {alias: label for label, aliases in _LABEL_ALIASES.items() for alias in (label, *aliases)}


def parse_label(text):
    """Turn what a labels table says (``"Seyfert 2"``, ``"1.8"``, ``"type 1"``) into a type's name.

    Returns None for an empty cell.  Raises AgnError for anything else that is no type.
    """
    if text is None or text is np.ma.masked:
        return None
    words = str(text).strip().lower().replace("_", " ").replace("-", " ")
    if words in ("", "nan", "none", "--"):
        return None
    label = _LABELS.get(words) or _LABELS.get(words.replace(" ", ""))
    if label is None:
        raise AgnError(
            f"label must be one of {', '.join(AGN_TYPES)} (or Sy1, Sy1.8, Sy2 …); got {str(text)!r}."
        )
    return label


#: Table 1 of Peruzzi et al. (2021): the rest wavelengths (Å) that all their spectra share.
PAPER_GRID = np.linspace(3728.91, 5265.95, 1000)
