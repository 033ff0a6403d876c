"""What the columns of a list mean, whatever the list calls them.

The functions below take the list as an astropy Table of n rows and, as `found`, what `find_columns` says of
it; they return arrays of shape (n,).
"""

import re

import numpy as np
from astropy.coordinates import SkyCoord

from .archive_urls import RUN2D, SPECTRUM_NAME, name_spectrum
from .errors import AgnError
from .lines import parse_label

# What lists call the columns, in lower case.
_ALIASES = {
    "plate": ("plate", "plateid"),
    "mjd": ("mjd", "smjd"),
    "fiberid": ("fiberid", "fiber", "fibre"),
    "run2d": ("run2d",),
    "ra": ("_raj2000", "raj2000", "ra_icrs", "ra", "_ra"),
    "dec": ("_dej2000", "dej2000", "decj2000", "de_icrs", "dec", "_dec", "de", "_de"),
    "redshift": ("redshift", "z", "zsp", "zspec", "z_1"),
    "label": ("label", "type", "agn_type"),
    "name": ("name", "file", "spec", "spectrum", "specname"),
    "specid": ("specid", "targetid"),
    "dataset": ("dataset", "data_release"),
}
_SURVEY_NAME = re.compile(r"([A-Z][A-Za-z0-9]*-[A-Za-z0-9]{1,20})-(0|-?[1-9]\d{0,18})")
_LIMITS = {"plate": (1, 999_999), "mjd": (10_000, 99_999), "fiberid": (1, 9999)}


def find_columns(table, columns, source):
    """Find what a list calls our columns.

    Parameters
    ----------
    table : astropy.table.Table
    columns : dict
        What is known already: our name to that of the list.
    source : str
        The list, for errors.

    Returns
    -------
    dict
        Our names to those of the list, for the columns that there are.

    Raises
    ------
    AgnError
        Where `columns` names one that is not there, or nothing says which spectra are meant.
    """
    wrong = [theirs for theirs in columns.values() if theirs not in table.colnames]
    if wrong:
        has = ", ".join(table.colnames)
        raise AgnError(f"{source} must have the column {wrong[0]} that was named; it has {has}.")
    by_lower = {name.lower(): name for name in reversed(table.colnames)}
    found = dict(columns)
    for ours, aliases in _ALIASES.items():
        if ours not in found:
            found.update((ours, by_lower[alias]) for alias in reversed(aliases) if alias in by_lower)
    complete = [{"plate", "mjd", "fiberid"}, {"name"}, {"ra", "dec"}, {"specid", "dataset"}]
    if not any(group <= set(found) for group in complete):
        has = ", ".join(table.colnames)
        raise AgnError(
            f"{source} must have columns plate, mjd and fiberid, or ra and dec; it has {has}. Rename them."
        )
    return found


def read_run2d(table, found, source):
    """Versions of the reductions, "" where unknown, and what is wrong with them (rows of problems)."""
    words, problems = read_text(table, found, "run2d"), []
    for word in np.unique(words).tolist():
        if word and not RUN2D.fullmatch(word):
            reason = f"{source}: run2d must be such as 26 or v5_13_2; got {word!r}. The usual ones are tried."
            problems.append(("", source, "ignored", reason))
            words = np.where(words == word, "", words)
    return words, problems


def read_text(table, found, key):
    """A column as text, "" where it is masked or missing."""
    if key not in found:
        return np.full(len(table), "")
    column = table[found[key]]
    if getattr(column, "dtype", None) is not None and column.dtype.kind == "S":
        column = np.char.decode(np.asarray(column), "utf-8", "replace")
    text = np.char.strip(np.asarray(column).astype(str))
    return np.where(np.ma.getmaskarray(table[found[key]]), "", text)


def read_numbers(table, found, key):
    """A column as floats, NaN where it is masked or no number."""
    if key not in found:
        return np.full(len(table), np.nan)
    column = table[found[key]]
    if column.dtype.kind in "iuf":
        return np.ma.filled(np.ma.asarray(column).astype(float), np.nan)
    return np.array([_parse_number(text) for text in read_text(table, found, key)], dtype=float)


def _parse_number(text):
    try:
        return float(text)
    except ValueError:
        return np.nan


def read_identifiers(table, found):
    """A dict of plate, mjd and fiberid, -1 in all three where one of them is not usable."""
    if {"plate", "mjd", "fiberid"} <= set(found):
        values = np.array([read_numbers(table, found, key) for key in _LIMITS])
    else:
        values = np.array([_parse_name(text) for text in read_text(table, found, "name")]).reshape(-1, 3).T
    low, high = np.array(list(_LIMITS.values())).T[:, :, None]
    good = np.all((values >= low) & (values <= high) & (values == np.floor(values)), axis=0)
    return {key: np.where(good, value, -1).astype(int) for key, value in zip(_LIMITS, values)}


def _parse_name(text):
    match = SPECTRUM_NAME.search(text)
    if match is None:
        return np.nan, np.nan, np.nan
    return tuple(float(match[key] or match[f"{key}7"]) for key in _LIMITS)


def name_rows(table, found, numbers):
    """Names by plate, MJD and fibre, or by data set and specid; "" for rows that have neither."""
    rows = zip(*(numbers[key].tolist() for key in _LIMITS))
    names = np.array([name_spectrum(*row) if row[0] > 0 else "" for row in rows], dtype=str)
    others = read_text(table, found, "name")
    if {"specid", "dataset"} <= set(found):
        datasets, specids = (read_text(table, found, key) for key in ("dataset", "specid"))
        others = np.char.add(np.char.add(datasets, "-"), specids)
    others = np.array([text if _SURVEY_NAME.fullmatch(text) else "" for text in others.tolist()], dtype=str)
    return np.where(names == "", others, names) if len(names) else names


def split_survey_name(name):
    """Data set and specid of an object of another survey, or None: ``("DESI-DR1", 39627835576420141)``."""
    match = _SURVEY_NAME.fullmatch(str(name))
    return (match[1], int(match[2])) if match else None


def read_coordinates(table, found):
    """Right ascension and declination in degrees, NaN where unknown; text may be sexagesimal, in hours."""
    ra, dec = (read_numbers(table, found, key) for key in ("ra", "dec"))
    words = [read_text(table, found, key) for key in ("ra", "dec")]
    sexagesimal = np.isnan(ra) & np.isnan(dec) & (words[0] != "") & (words[1] != "")
    for row in np.flatnonzero(sexagesimal):
        try:
            position = SkyCoord(words[0][row], words[1][row], unit=("hourangle", "deg"))
        except ValueError:
            continue
        ra[row], dec[row] = position.ra.deg, position.dec.deg
    good = (ra >= 0) & (ra <= 360) & (np.abs(dec) <= 90)
    return np.where(good, ra, np.nan), np.where(good, dec, np.nan)


def read_labels(table, found, default, source):
    """Types, `default` or "" where the list gives none, and what is wrong with them."""
    words, problems, meanings = read_text(table, found, "label"), [], {}
    for word in np.unique(words).tolist():
        try:
            meanings[word] = parse_label(word) or default or ""
        except AgnError as error:
            meanings[word] = default or ""
            if default is None:
                reason = f"{source}, {np.sum(words == word)} rows: {error}"
                problems.append(("", source, "ignored", reason))
    return np.array([meanings[word] for word in words.tolist()], dtype=str), problems
