"""Wavelengths in air or in vacuum: what a file says, and the conversion."""

import re

import numpy as np

from ..errors import SpectrumError

#: Below this (Å) wavelengths are given in vacuum by convention.
_SHORTEST_IN_AIR = 2000.0

_WAVE = r"(?:wave|wl\b|lambda|λ|medium|ångström|angstrom)"

# Cards, as text has them.
_YES_OR_NO = re.compile(
    r"\W*(?:is_?)?(?:vacuum|vac_?wave|wave_?vac)\W*[=:]\W*(?:(true|t|1|yes)|(false|f|0|no))\b.*"
)

_EITHER = re.compile(
    r"\W*(?:air_?or_?vac|air_?vac|(?:wave\w*[_ ])?medium|wave_?(?:med|type|ref))\W*[=:]"
    r"\W*(?:(vac)|(air))\w*\W?.*"
)

_SHORT = re.compile(r"\W*(?:in |medium\W+)?(?:air|vac(?:uum)?)\W*(?:wl|scale)?\W*")


def air_to_vacuum(wavelength):
    """Turn wavelengths in air into wavelengths in vacuum.

    Morton (2000, ApJS 130, 403), equation 8 for dry air at 15 °C and 1013 hPa, inverted by iteration.

    Parameters
    ----------
    wavelength : (n_pixels,) array
        Å in air; below 2000 Å they are taken for those in vacuum, as is the convention.

    Returns
    -------
    (n_pixels,) array
        Å in vacuum.
    """
    air = np.asarray(wavelength, dtype=float)
    vacuum = air
    for _ in range(3):
        s = (1e4 / np.maximum(vacuum, _SHORTEST_IN_AIR)) ** 2
        index = 1 + 8.34254e-5 + 2.406147e-2 / (130 - s) + 1.5998e-4 / (38.9 - s)
        vacuum = air * index
    return np.where(air < _SHORTEST_IN_AIR, air, vacuum)


def check_medium(medium):
    """Raise SpectrumError for a medium that is neither "air" nor "vacuum" nor None."""
    if medium not in ("air", "vacuum", None):
        raise SpectrumError(f'medium must be "air" or "vacuum"; got {medium!r}.')


def medium_in_text(text):
    """What one comment, card or column name says: "air", "vacuum" or None."""
    text = text[:1000].lower()
    air, vacuum = (
        re.search(r"\bair\b(?!\W*(?:mass|temp|press|humid|flow))|_air\b|\bair_", text),
        re.search(r"\bvac(?:uum)?\b|_vac(?:uum)?\b|\bvac_", text),
    )
    if air and vacuum:
        # "converted from air to vacuum", "vacuum (not air)"
        if re.search(r"air\W*(?:to|2|->|→|into)\W*vac|\bnot (?:in )?air|from air|vac\w*,? not air", text):
            return "vacuum"
        if re.search(r"vac\w*\W*(?:to|2|->|→|into)\W*air|\bnot (?:in )?vac|from vac|air,? not vac", text):
            return "air"
        return None
    if not air and not vacuum:
        return None
    negated = re.search(r"\bnot?\b(?: \w+){0,2} (?:air|vac)", text)
    if bool(air) != bool(negated):
        return "air"
    return "vacuum"


def medium_in_comments(comments):
    """What comments on wavelengths say; None where they say nothing or contradict each other."""
    said = set()
    for line in comments:
        lower = line.lower()
        card = _YES_OR_NO.fullmatch(lower) or _EITHER.fullmatch(lower)
        if card:
            said.add("vacuum" if card[1] else "air")
        elif re.search(_WAVE, lower) or _SHORT.fullmatch(lower):
            said.add(medium_in_text(line))
        elif re.search(r"\bair\b\W*(?:to|2|->|→)\W*vac|vac\w*\W*(?:to|2|->|→)\W*air\b", lower):
            said.add(medium_in_text(line))
    said -= {None}
    return said.pop() if len(said) == 1 else None


def medium_in_name(name):
    """What the name of a column says: "wave_air", "lambda (vacuum)", "airwave"."""
    said = medium_in_text(re.sub(r"[\[\]()]", " ", name))
    word = re.sub(r"[^a-z]", "", name.lower())
    if said is None and re.fullmatch(r"(?:log|log10)?(?:air\w{2,}|\w{3,}air|awav)", word):
        return "air"
    if said is None and re.fullmatch(r"(?:log|log10)?(?:vac\w{2,}|\w{3,}vac(?:uum)?)", word):
        return "vacuum"
    return said


def medium_in_header(header):
    """What the cards of a FITS header say: VACUUM, AIRORVAC, CTYPE1, and comments."""
    for key in ("VACUUM", "VACWAVE", "WAVEVAC", "ISVACUUM"):
        value = header.get(key)
        if value is not None:
            yes = str(value).strip().lower() in ("true", "t", "1", "yes", "vacuum")
            return "vacuum" if yes else "air"
    for key in ("AIRORVAC", "AIRVAC", "AIR_VAC", "MEDIUM", "WAVEMED", "WAVETYPE", "WAVEREF"):
        word = str(header.get(key, "")).strip().lower()
        if word.startswith(("air", "vac")) or word in ("a", "v"):
            return "air" if word.startswith("a") else "vacuum"
    for key in ("METADATA", "AIRVAC"):
        match = re.search(r"air_?(?:or)?_?vac\w*\W+(air|vac)", str(header.get(key, "")).lower())
        if match:
            return "air" if match[1] == "air" else "vacuum"
    types = [str(header.get(f"CTYPE{axis}", "")).upper() for axis in (1, 3)]
    if any(kind.startswith("AWAV") for kind in types):
        return "air"
    remarks = [str(line) for key in ("COMMENT", "HISTORY") for line in header.get(key, ())]
    cards = ("CTYPE1", "CUNIT1", "CRVAL1", "CDELT1", "WAT1_001", "COEFF0")
    remarks += [f"wavelength {header.comments[key]}" for key in cards if key in header]
    return medium_in_comments(remarks)
