"""Which objects, of which type: catalogues from files, and what is wrong with their rows.

A catalogue is an astropy Table with the columns of `COLUMNS`, a row an object:

``name`` ``spec-PPPP-MMMMM-FFFF``; ``DATASET-SPECID`` for objects of other surveys; "" where only coordinates
are known; ``plate, mjd, fiberid`` (-1 where unknown); ``run2d``, the reduction, or ""; ``ra, dec`` in degrees
and ``redshift`` (NaN where unknown); ``label``, a type or ""; ``source``, the list that says so.
Files are named after the numbers only, never after what a list calls an object.
"""

from pathlib import Path

import numpy as np
from astropy.table import Table, vstack

from .catalogue_columns import (
    find_columns,
    name_rows,
    read_coordinates,
    read_identifiers,
    read_labels,
    read_numbers,
    read_run2d,
)
from .catalogue_files import parse_table
from .errors import AgnError
from .lines import AGN_TYPES, parse_label

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


def read_catalogue(path, *, label=None, columns=None):
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
    try:
        content = path.read_bytes()
    except OSError as error:
        raise AgnError(f"{path} cannot be read ({error.strerror}); name an existing list.") from error
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
        given; where two labels differ it has none, since nobody can learn from it.
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
    """One table of problems.

    Parameters
    ----------
    parts : sequence of astropy.table.Table, or of tuples
        Tables of problems, or rows of one.

    Returns
    -------
    astropy.table.Table
        Columns `PROBLEM_COLUMNS`.
    """
    if any(isinstance(part, Table) for part in parts):
        return vstack(list(parts), metadata_conflicts="silent")
    return Table(rows=list(parts) or None, names=PROBLEM_COLUMNS, dtype=[str] * len(PROBLEM_COLUMNS))
