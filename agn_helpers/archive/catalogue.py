"""Which objects, of which type: catalogues from files, and what is wrong with their rows.

A catalogue is an astropy Table with the columns of `COLUMNS`, a row an object:

``name`` ``spec-PPPP-MMMMM-FFFF``; ``DATASET-SPECID`` for objects of other surveys; "" where only coordinates
are known; ``plate, mjd, fiberid`` (-1 where unknown); ``run2d``, the reduction, or ""; ``ra, dec`` in degrees
and ``redshift`` (NaN where unknown); ``label``, a type or ""; ``source``, the list that says so.
Files are named after the numbers only, never after what a list calls an object.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from os import PathLike
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table, vstack

from ..errors import AgnError
from ..limits import read_regular
from ..lines import AGN_TYPES, parse_label
from .layout import RUN2D, SPECTRUM_NAME, name_spectrum
from .tables import parse_table

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
    """A dict of our names to those of a list, for the columns that there are, beside the `columns` named.

    Raises AgnError for a name that is not there, and where nothing says which spectra are meant.
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
    """A number, NaN for other text."""
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
    """Plate, MJD and fibre within the name of a file or spectrum, NaN where there are none."""
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
        except Exception:  # astropy's parser of angles raises whatever a cell makes of it.
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


#: Columns of a catalogue and their kinds.
COLUMNS = {
    "name": str,
    "plate": int,
    "mjd": int,
    "fiberid": int,
    "run2d": str,
    "ra": float,
    "dec": float,
    "redshift": float,
    "label": str,
    "source": str,
}

#: Columns of the problems of a catalogue; kind is unusable, duplicate, conflict, ignored (of a cell) or
#: absent (of a list).
PROBLEM_COLUMNS = ("name", "source", "kind", "reason")


def read_catalogue(
    path: str | PathLike, *, label: str | None = None, columns: Mapping[str, str] | None = None
) -> tuple[Table, Table]:
    """Read a list of objects from a file.

    Parameters
    ----------
    path : str or path-like
        CSV or other text with or without a line of column names, ECSV, FITS, Parquet or VOTable, recognised
        by its content.  Without names the columns are plate, mjd, fiberid.
    label, columns
        As of `make_catalogue`.

    Returns
    -------
    catalogue, problems : astropy.table.Table
        As of `make_catalogue`.

    Raises
    ------
    AgnError
        For a file that is no table, or one that says neither plate, MJD and fibre nor coordinates.
    """
    path = Path(path)
    content = read_regular(path)
    return make_catalogue(parse_table(content, path), source=path.name, label=label, columns=columns)


def make_catalogue(table, *, source, label=None, columns=None):
    """Turn any table of objects into a catalogue.

    Parameters
    ----------
    table : astropy.table.Table
        With plate, MJD and fibre (in columns of their own or within a name), or with ra and dec, or with the
        specid and dataset of another survey.
    source : str
        Where it comes from.
    label : str, optional
        The type of all objects that have none in the table.
    columns : dict, optional
        What the table calls a column of ours, e.g. ``{"redshift": "zem"}``, where that is not obvious.

    Returns
    -------
    catalogue : astropy.table.Table
        The usable rows; of several rows for one spectrum one, without a label where they differ in it.
    problems : astropy.table.Table
        Columns `PROBLEM_COLUMNS`: the rows that were left out or changed, and why.

    Raises
    ------
    AgnError
        Where no column says which spectra are meant, `columns` names one that is not there, or `label` is
        no type.
    """
    if label is not None and parse_label(label) is None:
        raise AgnError(f"label must be one of {', '.join(AGN_TYPES)}; got {label!r}.")
    found = find_columns(table, columns or {}, source)
    numbers = read_identifiers(table, found)
    ra, dec = read_coordinates(table, found)
    names = name_rows(table, found, numbers)
    labels, problems = read_labels(table, found, parse_label(label), source)
    run2d, more = read_run2d(table, found, source)
    problems += more
    catalogue = Table(
        {
            "name": names,
            **numbers,
            "run2d": run2d,
            "ra": ra,
            "dec": dec,
            "redshift": read_numbers(table, found, "redshift"),
            "label": labels,
            "source": np.full(len(table), source),
        }
    )
    usable = (catalogue["name"] != "") | (np.isfinite(ra) & np.isfinite(dec))
    problems += [
        (
            "",
            source,
            "unusable",
            f"row {row + 1} of {source} must give plate, MJD and fibre, or coordinates; correct it.",
        )
        for row in np.flatnonzero(~usable)
    ]
    catalogue, repeated = combine_catalogues([catalogue[usable]])
    return catalogue, make_problems([make_problems(problems), repeated])


def combine_catalogues(catalogues):
    """Put catalogues together, each spectrum once.

    Parameters
    ----------
    catalogues : sequence of astropy.table.Table

    Returns
    -------
    catalogue : astropy.table.Table
        Of several rows for one spectrum the first, with the first redshift, position and label that is
        given; where two labels differ it has none.
    problems : astropy.table.Table
        Kinds ``"duplicate"`` and ``"conflict"``.
    """
    together = vstack(list(catalogues), metadata_conflicts="silent")
    names = np.asarray(together["name"])
    _, first, group = np.unique(names, return_index=True, return_inverse=True)
    group = first[group]
    # Objects without a name are known by their position, and resolved before they can be repeated.
    group = np.where(names == "", np.arange(len(names)), group)
    problems = []
    for row in np.flatnonzero(group != np.arange(len(names))):
        kept, spare = together[group[row]], together[row]
        problems.append(_merge_rows(kept, spare))
    kept = together[np.unique(group)] if len(together) else together
    conflicts = [problem[0] for problem in problems if problem[2] == "conflict"]
    kept["label"][np.isin(kept["name"], conflicts)] = ""
    return kept, make_problems(problems)


def limit_catalogue(catalogue, number):
    """The first `number` objects of each label, in the order of the catalogue."""
    labels = np.asarray(catalogue["label"])
    rows = [np.flatnonzero(labels == label)[:number] for label in np.unique(labels)]
    return catalogue[np.sort(np.concatenate(rows))] if rows else catalogue


def _merge_rows(kept, spare):
    """Complete a row from another of the same spectrum, and return what there is to say of it."""
    for key in ("ra", "dec", "redshift"):
        if np.isnan(kept[key]):
            kept[key] = spare[key]
    name, one, other = str(kept["name"]), str(kept["label"]), str(spare["label"])
    if one and other and one != other:
        reason = f"{name} is {one} in {kept['source']} and {other} in {spare['source']}; it gets no label."
        return name, str(spare["source"]), "conflict", reason
    if not one:
        kept["label"] = other
    reason = f"{name} of {spare['source']} was listed before, in {kept['source']}; it is taken once."
    return name, str(spare["source"]), "duplicate", reason


def make_problems(parts):
    """One table with `PROBLEM_COLUMNS` of some such tables, or of their rows."""
    if any(isinstance(part, Table) for part in parts):
        return vstack(list(parts), metadata_conflicts="silent")
    return Table(rows=list(parts) or None, names=PROBLEM_COLUMNS, dtype=[str] * len(PROBLEM_COLUMNS))
