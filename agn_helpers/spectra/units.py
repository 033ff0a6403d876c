"""Units as astronomers write them, and fluxes and errors brought to a flux density per Å."""

import functools
import re
import warnings

import numpy as np
from astropy import units as u

from ..errors import SpectrumError

#: The unit to which everything is converted that is no flux density per wavelength itself.
FLUX_UNIT = u.Unit("1e-17 erg / (s cm2 AA)")

_WORDS = {
    **dict.fromkeys(("a", "å", "aa", "ang", "angs", "angstrom", "angstroms", "ångström"), "Angstrom"),
    **dict.fromkeys(("micron", "microns", "micrometer", "mum", "um"), "um"),
    **dict.fromkeys(("nanometer", "nanometers", "nanometre", "nanometres", "nm"), "nm"),
    **dict.fromkeys(("meter", "meters", "metre", "metres"), "m"),
    **dict.fromkeys(("erg", "ergs"), "erg"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("hz", "hertz"), "Hz"),
    **dict.fromkeys(("ghz",), "GHz"),
    **dict.fromkeys(("thz",), "THz"),
    **dict.fromkeys(("jy", "jansky", "janskys"), "Jy"),
    **dict.fromkeys(("mjy",), "mJy"),
    **dict.fromkeys(("ujy", "microjansky"), "uJy"),
    **dict.fromkeys(("njy",), "nJy"),
    **dict.fromkeys(("ev",), "eV"),
    **dict.fromkeys(("kev",), "keV"),
    **dict.fromkeys(("w", "watt", "watts"), "W"),
    **dict.fromkeys(("cm",), "cm"),
    **dict.fromkeys(
        ("count", "counts", "cts", "ct", "adu", "adus", "dn", "e", "electron", "electrons"), "ct"
    ),
    **dict.fromkeys(("photon", "photons", "ph", "phot"), "photon"),
    **dict.fromkeys(("flam", "flambda"), "(erg s-1 cm-2 Angstrom-1)"),
    **dict.fromkeys(("fnu",), "(erg s-1 cm-2 Hz-1)"),
    **dict.fromkeys(("pix", "pixel", "pixels", "spaxel", "fiber", "fibre"), "pix"),
    **dict.fromkeys(("percent",), "%"),
}

_MAGNITUDES = {
    **dict.fromkeys(("abmag", "abmags", "magab", "mab", "ab", "abmagnitude", "abmagnitudes"), u.ABmag),
    **dict.fromkeys(("stmag", "stmags", "magst"), u.STmag),
    **dict.fromkeys(("mag", "mags", "magnitude", "magnitudes", "vegamag"), u.mag),
}

# Flux, luminosity and surface brightness per wavelength; parsed once, since parsing is slow.
_PER_WAVELENGTH = tuple(map(u.Unit, ("W / m3", "W / m", "W / (m3 arcsec2)", "W / (m3 pix)")))

_ENERGY_FLUX, _PHOTONS = u.Unit("W / m2"), u.Unit("photon / (s m3)")

# Of the standard deviation.
_POWERS = {"error": 1, "variance": 2, "ivar": -2}

# What says that there is a unit, and not which.
_UNSTATED = {"", "none", "null", "unknown", "-", "--", "---", "n/a", "na", "unitless", "dimensionless"}

_UNSTATED |= {
    "dimensionlessunit",
    "arbitrary",
    "arbunits",
    "arbitraryunits",
    "relative",
    "relativeflux",
    "normalized",
}

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺·×", "0123456789-+.*")

_SCALE = re.compile(
    r"^\(?\s*(?:10\s*(?:\*\*|\^)\s*\(?\s*([-+]?\d+)\s*\)?|10([-+]\d+)|[eE]([-+]\d+)"
    r"|([-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?))"
    r"\s*\)?\s*[*.x ]?\s*"
)


# Letters of a unit, with its scale and in brackets.
_LONGEST = 100


@functools.lru_cache(maxsize=500)
def parse_unit(text):
    """Understand a unit as headers, tables and people write it.

    Parameters
    ----------
    text : str
        Such as ``"1E-17 erg/cm^2/s/Ang"``, ``"10**(-17) erg s-1 cm-2 A-1"``, ``"flam"``, ``"log(Angstrom)"``.

    Returns
    -------
    astropy unit or None
        None where none is stated; A is the ångström, not the ampere.

    Raises
    ------
    ValueError
        For what is no unit.
    """
    text = str(text).strip().translate(_SUPERSCRIPTS).strip("\"'")
    if len(text) > _LONGEST:
        raise ValueError(f"{text[:20]!r}… is no unit")
    word = re.sub(r"[^a-z0-9]", "", text.lower())
    if text.lower() in _UNSTATED or (word and word in _UNSTATED):
        return None
    if word in _MAGNITUDES:
        return _MAGNITUDES[word]
    wrapped = re.fullmatch(r"\(([^()]*(?:\([^()]*\)[^()]*)*)\)|\[(.*)\]", text)
    if wrapped:
        return parse_unit(wrapped[1] or wrapped[2])
    power = re.fullmatch(r"\((.*)\)\s*(?:\*\*|\^)?\s*\(?([-+]?\d)\)?", text)
    if power and power[1].count("(") == power[1].count(")"):
        return (parse_unit(power[1]) or u.dimensionless_unscaled) ** int(power[2])
    log = re.fullmatch(r"(?:log10|log|dex)\s*[\[( ]\s*(?:lambda/)?(.+?)[\])]?", text, re.IGNORECASE)
    if log:
        return u.dex(parse_unit(log[1]) or u.AA)
    text = re.sub(r"[{}$\\]|\bunits? of\b", "", text).replace("µ", "u").replace("μ", "u")
    scale = _SCALE.match(text)
    factor = 1.0
    if scale:
        power = scale[1] or scale[2] or scale[3]
        factor = 10.0 ** int(power) if power else float(re.sub("[dD]", "e", scale[4]))
        text = text[scale.end() :]
    if re.search(r"[^\w\s().*/^+,%Åå-]|\d{4}", text):
        raise ValueError(f"{text!r} is no unit")
    text = re.sub(r"[^\W\d_]+", _replace_word, text.replace("**", "^").replace("_", " "))
    text = re.sub(r"\^\s*\(?\s*([-+]?\d+)\s*\)?", r"\1", text).strip(" .*")
    if not text:
        return u.Unit(factor) if factor != 1 else None
    known = u.get_current_unit_registry().registry
    for word in re.findall(r"[^\W\d_]+", text):
        # Looked up first, since astropy takes long to guess what a word that is none was meant to be.
        if word not in known:
            raise ValueError(f"{word!r} is no unit")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return u.Unit(f"{factor!r} {text}" if factor != 1 else text, format="generic")


def _replace_word(match):
    """The name that astropy knows for a word of a unit; case decides only where it must (mJy, MJy)."""
    word = match[0]
    return word if word in ("MJy", "EHz", "Pa") else _WORDS.get(word.lower(), word)


@functools.lru_cache(maxsize=500)
def is_unit(text):
    """Whether a text states a unit."""
    try:
        return parse_unit(text) is not None
    except (ValueError, TypeError, OverflowError):
        return False


@functools.lru_cache(maxsize=500)
def kind_of_unit(text):
    """What is of such a unit: "axis" (wavelength, frequency, energy), "flux" (a flux density), or ""."""
    unit = parse_unit(text) if is_unit(text) else None
    if unit is None or isinstance(unit, u.LogUnit):
        return ""
    if unit.is_equivalent(u.Jy) or unit.is_equivalent(_PER_WAVELENGTH[0]):
        return "flux"
    return "axis" if axis_of_unit(text) else ""


@functools.lru_cache(maxsize=500)
def axis_of_unit(text):
    """The spectral axis that a unit is of: "wavelength", "frequency", "energy", or ""."""
    unit = parse_unit(text) if is_unit(text) else None
    if unit is None or isinstance(unit, u.LogUnit):
        return ""
    kinds = {"wavelength": u.AA, "frequency": u.Hz, "energy": u.eV}
    return next((name for name, one in kinds.items() if unit.is_equivalent(one)), "")


_NO_DENSITY = re.compile(
    r"\b(?:(?:lambda|lam|λ)[\s_*·×]*f[\s_]*(?:lambda|lam|λ)|(?:nu|ν)[\s_*·×]*f[\s_]*(?:nu|ν))"
    r"|\blog(?:10)?[\s_(]*(?:of\s+)?(?:the\s+)?flux|\bflux(?:es)?\s*(?:is|are|in|=|:)\s*(?:in\s+)?log\w*"
    r"|\bcontinuum[\s-]*(?:normali[sz]ed|divided|rectified)|\brectified\s+(?:flux|spectrum)",
    re.IGNORECASE,
)


def find_no_density(comments):
    """What comments say of fluxes that are no flux densities: λF_λ, logarithms, ratios; "" where nothing."""
    found = (_NO_DENSITY.search(line) for line in comments if not re.search(r"\bnot\b", line))
    return next((match[0] for match in found if match), "")


def read_unit(text, what, path):
    """`parse_unit`, its error a SpectrumError that says of which column (`what`) and file."""
    try:
        return parse_unit(text)
    except (ValueError, TypeError, OverflowError):
        raise SpectrumError(
            f"the unit of {what} must be known; got {str(text)[:40]!r} in {path}; name it: "
            f'columns={{"{what}": "NAME [unit]"}}, or --columns "{what}=NAME [unit]".'
        ) from None


def convert_flux(column, wavelength, path, *, counts=False, error=None):
    """Bring flux, and its error, to a flux density per wavelength.

    A flux density per wavelength keeps its unit and its numbers; one per frequency, photons, AB and ST
    magnitudes, and λF_λ where the column says so, become 1e-17 erg/s/cm²/Å.

    Parameters
    ----------
    column : Column
        The flux.
    wavelength : (n_pixels,) array
        Å.
    path : path-like
        For errors.
    counts : bool
        Take counts as they are.
    error : tuple of str and Column, optional
        Its role ("error", "variance", "ivar") and column.

    Returns
    -------
    flux : (n_pixels,) array
    sigma : (n_pixels,) array or None
        Standard deviation; NaN or not positive where the pixel is unusable.
    unit : str
    notes : list of str
        What was assumed or converted.

    Raises
    ------
    SpectrumError
        For units that are none, do not fit, or cannot be converted.
    """
    values, unit, notes = column.values, read_unit(column.unit, "flux", path), []
    if unit in (u.ABmag, u.STmag, u.mag):
        return _from_magnitudes(values, unit, wavelength, path, error)
    if isinstance(unit, u.LogUnit):
        raise _refuse_flux(column, path)
    factor, out = 1.0, column.unit
    bare = unit is None or unit.is_equivalent(u.dimensionless_unscaled)
    if bare and column.energy:
        factor = 1 / wavelength
        notes.append("flux converted from λF_λ (by its name) to F_λ")
    elif bare:
        notes.append("flux unit not stated, taken for a flux density per Å")
    elif column.energy and unit.is_equivalent(_ENERGY_FLUX):
        factor, out = 1 / wavelength, (unit / u.AA).to_string()
        notes.append(f"flux converted from λF_λ ({column.unit}) to F_λ")
    elif any(unit.is_equivalent(per) for per in _PER_WAVELENGTH):
        if column.energy:
            raise _refuse_flux(column, path)
    elif unit.is_equivalent(u.Jy) or unit.is_equivalent(_PHOTONS):
        factor = (1 * unit).to_value(FLUX_UNIT, u.spectral_density(wavelength * u.AA))
        out = FLUX_UNIT.to_string()
        notes.append(f"flux converted from {column.unit} to F_λ")
    elif counts and _in_counts(unit):
        notes.append(f"flux is in {column.unit}, without a flux calibration")
    else:
        raise _refuse_flux(column, path)
    sigma = None if error is None else _convert_error(error, values, unit, wavelength, path, notes)
    return values * factor, None if sigma is None else sigma * factor, out, notes


def _in_counts(unit):
    return any(base.name in ("ct", "photon", "electron", "adu") for base in unit.decompose().bases)


def _refuse_flux(column, path):
    return SpectrumError(
        f"flux must be a flux density; {column.name} of {path} is in {column.unit}, which is none; "
        "give F_λ, F_ν "
        'or AB magnitudes, or say which column to take and its unit: columns={"flux": "NAME [unit]"}.'
    )


def _from_magnitudes(values, unit, wavelength, path, error):
    if unit == u.mag:
        raise SpectrumError(
            f"flux must be a flux density or AB magnitudes; {path} gives magnitudes of an unstated system; "
            'if they are AB, say so: columns={"flux": "NAME [AB mag]"}.'
        )
    density = u.spectral_density(wavelength * u.AA)
    with np.errstate(over="ignore"):
        flux = (np.where(np.abs(values) < 90, values, np.nan) * unit).to_value(FLUX_UNIT, density)
    name = "AB" if unit == u.ABmag else "ST"
    notes, sigma = [f"flux converted from {name} magnitudes to F_λ"], None
    if error is not None:
        role, column = error
        power = _POWERS[role]
        stated = read_unit(column.unit, role, path)
        if stated not in (None, u.mag, unit, u.mag**power):
            raise _refuse_error(role, column, f"{name} magnitudes", path)
        with np.errstate(all="ignore"):
            deviation = np.where(column.values > 0, column.values, np.nan) ** (1 / power)
        sigma = flux * deviation * np.log(10) / 2.5
    return flux, sigma, FLUX_UNIT.to_string(), notes


def _convert_error(error, flux, unit, wavelength, path, notes):
    """Standard deviation in the unit of the flux."""
    role, column = error
    power = _POWERS[role]
    stated = read_unit(column.unit, role, path)
    values = np.asarray(column.values, dtype=float)
    with np.errstate(all="ignore"):
        sigma = np.where(values > 0, values, np.nan) ** (1 / power)
    if stated is None:
        return sigma
    if stated == u.percent and role == "error":
        notes.append("errors converted from per cent of the flux")
        return sigma / 100 * np.abs(flux)
    if role != "error" and stated == unit and unit != u.dimensionless_unscaled:
        # The unit of the flux, copied.
        notes.append(
            f"{column.name} says {column.unit}, the unit of flux, and is taken for that to the power {power}"
        )
        return sigma
    own = unit or u.dimensionless_unscaled
    try:
        root = stated ** (1 / power)
        if root.is_equivalent(own):
            return sigma * root.to(own)
        if (unit is not None and unit.is_equivalent(_PER_WAVELENGTH[0])) or own.is_equivalent(u.Jy):
            return sigma * (1 * root).to_value(own, u.spectral_density(wavelength * u.AA))
    except (u.UnitsError, ValueError, TypeError):
        pass
    raise _refuse_error(role, column, str(unit or "an unstated unit"), path)


def _refuse_error(role, column, flux_unit, path):
    return SpectrumError(
        f"{role} must be in a unit that fits that of flux ({flux_unit}); {column.name} of {path} is in "
        f'{column.unit}; convert it, or say what it is: columns={{"{role}": "NAME [unit]"}}.'
    )


def to_angstrom(column, path):
    """Wavelengths in Å of any spectral axis, and what was assumed.

    Parameters
    ----------
    column : Column
        Wavelength, its logarithm, frequency, energy or wavenumber, in its unit; without one, values tell.
    path : path-like
        For errors.

    Returns
    -------
    wavelength : (n_pixels,) array
        Å; NaN where the column holds padding, such as 0.
    scale : str
        The unit that it had.

    Raises
    ------
    SpectrumError
        For an unknown unit, values that tell none, and ranges outside 100 Å to 100 µm.
    """
    values = np.where(np.isfinite(column.values), column.values, np.nan).astype(float)
    if not np.isfinite(values).any():
        raise SpectrumError(f"wavelength must be numbers; {column.name} of {path} holds none.")
    unit, scale = read_unit(column.unit, "wavelength", path), column.unit
    if column.axis in ("loglam", "lnlam"):
        wavelength, scale = _from_log(values, unit, column, path)
    elif isinstance(unit, u.LogUnit):
        wavelength = 10 ** np.where(values > 0, values, np.nan) * unit.physical_unit.to(u.AA)
    elif unit is None and column.axis in ("wavelength", "rest"):
        wavelength, scale = _guess_scale(values, path)
    else:
        try:
            with np.errstate(divide="ignore"):
                wavelength = (np.where(values > 0, values, np.nan) * unit).to_value(u.AA, u.spectral())
        except (u.UnitsError, TypeError):
            raise SpectrumError(
                "wavelength must be in Å, nm or µm, or a frequency or energy; got "
                f"{column.unit or 'no unit'} for "
                f"{column.name} of {path}; convert it, or name its unit: "
                f'columns={{"wavelength": "NAME [unit]"}}.'
            ) from None
    wavelength = np.where(wavelength > 0, wavelength, np.nan)
    low, high = np.nanmin(wavelength, initial=np.inf), np.nanmax(wavelength, initial=-np.inf)
    if not 100 <= low <= high <= 1e6:
        raise SpectrumError(
            f"wavelength must lie between 100 Å and 100 µm; got {low:.6g} to {high:.6g} Å for "
            f"{column.name} of "
            f"{path}; correct its unit."
        )
    return wavelength, scale


def _from_log(values, unit, column, path):
    if column.axis == "lnlam":
        return np.exp(np.where(values > 0, values, np.nan)), "ln Å"
    if np.nanmax(values) > 6:
        raise SpectrumError(
            f"{path} must give log wavelength to base 10 in Å; got up to {np.nanmax(values):g}; convert it."
        )
    physical = getattr(unit, "physical_unit", unit) or u.AA
    factor = physical.to(u.AA) if physical.is_equivalent(u.AA) else 1.0
    if factor == 1 and np.nanmax(values) < 2 and unit is None:
        raise SpectrumError(f"{path} must state the unit of log wavelength; got up to {np.nanmax(values):g}.")
    return 10 ** np.where(values > 0, values, np.nan) * factor, "log10 Å"


def _guess_scale(values, path):
    """Å, nm, µm or log10 Å, by values that can be but one of these."""
    good = values[values > 0]
    low, high = np.min(good, initial=np.inf), np.max(good, initial=-np.inf)
    good = np.where(values > 0, values, np.nan)
    # Optical and near infrared ranges; what could be ultraviolet in Å or infrared in nm is not guessed.
    if high > 2600 and low > 500:
        return good, "Å (from its values)"
    if low > 150 and high < 1150:
        return good * 10, "nm (from its values)"
    if low > 3 and high < 5:
        return 10**good, "log10 Å (from its values)"
    if low > 0.1 and high < 2.6:
        return good * 1e4, "µm (from its values)"
    raise SpectrumError(
        f"{path} must state the unit of wavelength where values do not tell; got {low:g} to {high:g}; "
        'name the column wavelength (nm) or wavelength (Å), or say columns={"wavelength": "NAME [unit]"}.'
    )
