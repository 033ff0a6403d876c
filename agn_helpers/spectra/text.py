"""Spectra in text files: delimiter, header, columns and unit of wavelength found from the content."""

import re
import warnings

import numpy as np
from astropy import units as u

from ..errors import SpectrumError
from .noise import ESTIMATED, estimate_noise, invert_variance

_COMMENT = ("#", "%", "!", ";")

_MISSING = {"", "nan", "null", "none", "na", "n/a", "--", "-", "indef"}

_ANGSTROM: dict[str, float | None] = {
    "": None,
    "a": 1,
    "aa": 1,
    "å": 1,
    "ang": 1,
    "angstrom": 1,
    "angstroms": 1,
}

_ANGSTROM |= {"nm": 10, "um": 1e4, "µm": 1e4, "μm": 1e4, "micron": 1e4, "microns": 1e4}

# What a header calls a column, in lower case without spaces, underscores and units.
_COLUMNS = {
    "wavelength": r"(?:obs)?(?:wavelength|wave|wavel|wav|wl|wvl|lambda|lam)(?:obs)?"
    r"(?P<unit>a|aa|ang|angstroms?|nm|um|microns?)?",
    "loglam": r"log(?:10)?(?:lam|lambda|wave|wavelength|wl)",
    "flux": r"flux|fluxdensity|fluxlambda|flambda|flam|fl|spec|spectrum",
    "ivar": r"ivar|fluxivar|invvar|inversevariance",
    "error": r"error|err|sigma|sig|std|stddev|stdev|unc|uncertainty|noise|rms|eflux|errflux|sigmaflux|ferr"
    r"|fluxe|fluxerr|fluxerror|fluxsigma|fluxstd|fluxunc|fluxuncertainty",
    "variance": r"variance|var|fluxvar|fluxvariance",
}

_REDSHIFT = re.compile(r"\b(?:redshift|z)\s*[:=]\s*([-+]?\d*\.?\d+(?:e[-+]?\d+)?)", re.IGNORECASE)

_ECSV_UNIT = re.compile(r"\{name: ([^,}]+), unit: ([^,}]+)")


def read_text(content, path):
    """Read a text file in memory: wavelength, flux and, where there is one, ivar, error or variance.

    Columns are found by their names in a header, which may be a comment; without a header they are
    wavelength, flux, error.  Wavelengths are in vacuum, in Å, nm, µm or log10 Å as the header says, else as
    their values tell; flux is per Å, or per frequency where the header says so.  Without errors, ivar comes
    from `estimate_noise`.  A comment such as ``# redshift = 0.31`` gives the redshift.

    Parameters
    ----------
    content : bytes
    path : pathlib.Path
        Where it came from, for errors.

    Returns
    -------
    dict
        The fields of an ObservedSpectrum.

    Raises
    ------
    SpectrumError
        For text that is no table of numbers, without wavelength or flux, or of an unknown unit.
    """
    comments, lines = [], []
    for number, line in enumerate(_decode(content).splitlines(), start=1):
        line = line.strip()
        if line.startswith(_COMMENT):
            comments.append(line.lstrip("#%!; "))
        elif line:
            lines.append((number, line))
    if not lines:
        raise SpectrumError(f"{path} holds no numbers; expected columns wavelength, flux and ivar or error.")
    # Neither the header nor a broken last line tells.
    middle = lines[len(lines) // 2][1]
    delimiter = next((mark for mark in ",;\t|" if mark in middle), None)
    header = None
    if _numbers(lines[0][1].split(delimiter)) is None:
        header = _split_header(lines.pop(0)[1], delimiter)
    rows = _read_rows(lines, delimiter, path)
    if header is None:
        header = _comment_header(comments, delimiter, rows.shape[1])
    units = dict(_ECSV_UNIT.findall("\n".join(comments)))
    fields = _name_columns(header, rows, units, path)
    redshift = next((float(match[1]) for match in map(_REDSHIFT.search, comments) if match), np.nan)
    return {**fields, "redshift": redshift}


def _decode(content):
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _numbers(fields):
    """The fields as floats, missing ones NaN; None where one is no number."""
    try:
        return [np.nan if field.strip().lower() in _MISSING else float(field) for field in fields]
    except ValueError:
        return None


def _split_header(line, delimiter):
    if delimiter:
        return [name.strip(" \"'") for name in line.split(delimiter)]
    # "wave (nm) flux [erg / s]" is two columns.
    return re.findall(r"[^\s\[(]+(?:\s*[\[(][^\])]*[\])])?", line)


def _comment_header(comments, delimiter, n_columns):
    """The last comment that names as many columns as there are, wavelength and flux among them."""
    for comment in reversed(comments):
        names = _split_header(comment, delimiter)
        meanings = {_meaning(name)[0] for name in names}
        if len(names) == n_columns and "flux" in meanings and meanings & {"wavelength", "loglam"}:
            return names
    return ["wavelength", "flux", "error"][:n_columns]


def _read_rows(lines, delimiter, path):
    rows = []
    for number, line in lines:
        row = _numbers(line.split(delimiter))
        if row is None:
            raise SpectrumError(
                f"{path} must hold numbers; got {line[:40]!r} in line {number}; correct or remove it."
            )
        if rows and len(row) != len(rows[0]):
            raise SpectrumError(
                f"{path} must have as many columns in every line; got {len(row)} after {len(rows[0])} in "
                f"line {number}; correct it."
            )
        rows.append(row)
    return np.array(rows).reshape(len(rows), -1)


def _meaning(name):
    """What a column's name means (a key of `_COLUMNS` or None) and the unit that it states ("" if none)."""
    bracket = re.search(r"[\[(](.*?)[\])]", name)
    word = re.sub(r"[\[(].*|[^a-z0-9]", "", name.lower())
    for meaning, pattern in _COLUMNS.items():
        match = re.fullmatch(pattern, word)
        if match:
            return meaning, bracket[1].strip() if bracket else match.groupdict().get("unit") or ""
    return None, ""


def _name_columns(header, rows, units, path):
    columns, stated = {}, {}
    for name, column in zip(header, rows.T):
        meaning, unit = _meaning(name)
        if meaning is not None and meaning not in columns:
            columns[meaning], stated[meaning] = column, units.get(name, unit).strip()
    if "flux" not in columns or not columns.keys() & {"wavelength", "loglam"}:
        raise SpectrumError(
            f"{path} must have columns wavelength and flux; got {', '.join(header)[:80] or 'none'}; "
            "name them so in its first line."
        )
    scale = "log10 Å"
    if "loglam" in columns:
        wavelength = _from_log(columns["loglam"], path)
    else:
        wavelength, scale = _to_angstrom(columns["wavelength"], stated["wavelength"], path)
    meta = {"format": "text", "wavelength_unit": scale, "flux_unit": stated["flux"]}
    if "ivar" in columns:
        ivar = columns["ivar"]
    elif "error" in columns:
        ivar = invert_variance(columns["error"])
    elif "variance" in columns:
        ivar = invert_variance(np.sqrt(np.clip(columns["variance"], 0, None)))
    else:
        ivar = invert_variance(estimate_noise(columns["flux"]))
        meta["noise"] = ESTIMATED
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)
        flux_unit = u.Unit(stated["flux"], parse_strict="silent")
    # Flux per frequency has another shape; ObservedSpectrum converts it.
    flux = columns["flux"] * flux_unit if flux_unit.is_equivalent(u.Jy) else columns["flux"]
    return {"wavelength": wavelength, "flux": flux, "ivar": ivar, "meta": meta}


def _from_log(loglam, path):
    if np.nanmax(loglam, initial=-np.inf) > 6:
        raise SpectrumError(
            f"{path} must give log wavelength to base 10 in Å; got up to {np.nanmax(loglam):g}; convert it."
        )
    return 10**loglam


def _to_angstrom(wavelength, unit, path):
    """Wavelength in Å, and the unit that it had."""
    unit = unit.lower()
    if unit not in _ANGSTROM:
        raise SpectrumError(f"{path} must give wavelength in Å, nm or µm; got {unit!r}; convert it.")
    if unit:
        return wavelength * _ANGSTROM[unit], unit
    low, high = np.nanmin(wavelength, initial=np.inf), np.nanmax(wavelength, initial=-np.inf)
    # Optical and near infrared ranges; what could be ultraviolet in Å or infrared in nm is not guessed.
    if high > 2600:
        return wavelength, "Å"
    if low > 150 and high < 1150:
        return wavelength * 10, "nm (from its values)"
    if low > 3 and high < 5:
        return 10**wavelength, "log10 Å (from its values)"
    if low > 0.1 and high < 2.6:
        return wavelength * 1e4, "µm (from its values)"
    raise SpectrumError(
        f"{path} must state the unit of wavelength where values do not tell; got {low:g} to {high:g}; "
        "name the column wavelength (nm) or wavelength (Å)."
    )
