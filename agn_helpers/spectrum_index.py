"""Tables that say which file is which spectrum, with redshifts and types.

An index lies beside the spectra that it describes, as ``index.csv``, ``index.ecsv`` or ``index.fits``: a
table with the columns ``file`` (relative to it) and, as far as known, ``redshift`` and ``label``.
"""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.table import Table

from .errors import AgnError, SpectrumError
from .files import TABLE_FORMATS
from .lines import parse_label

#: Files that are taken for the index of their folder.
INDEX_NAMES = ("index.csv", "index.ecsv", "index.fits")


def read_index(path):
    """Read a table that says which file is what.

    Parameters
    ----------
    path : str or path-like
        The table (CSV, ECSV, FITS or Parquet), or the folder that holds it as ``index.csv`` …

    Returns
    -------
    astropy.table.Table
        Column names in lower case; ``file`` as text, relative to the table's folder; ``meta["path"]``.

    Raises
    ------
    SpectrumError
        For a folder without an index, a table that cannot be read or has no column ``file`` or no row.
    """
    path = Path(path)
    if path.is_dir():
        folder, path = path, find_index(path)
        if path is None:
            raise SpectrumError(
                f"{folder} must hold a table index.csv with columns file, redshift and label; add it."
            )
    if path.suffix.lower() not in TABLE_FORMATS:
        suffixes = ", ".join(TABLE_FORMATS)
        raise SpectrumError(f"{path} must be a table whose name ends in {suffixes}; got {path.suffix!r}.")
    try:
        table = Table.read(path, format=TABLE_FORMATS[path.suffix.lower()])
    except OSError as error:
        raise SpectrumError(f"{path} cannot be read: {error.strerror or error}.") from error
    except Exception as error:  # The readers of tables share no class of errors.
        reason = str(error).strip().split("\n")[0]
        raise SpectrumError(f"{path} must be a table; it cannot be read as one: {reason}") from error
    table.convert_bytestring_to_unicode()
    for name in table.colnames:
        table.rename_column(name, name.strip().lower())
    if "file" not in table.colnames:
        has = ", ".join(table.colnames) or "none"
        raise SpectrumError(f"{path} must have the column file; it has {has}; add it.")
    if not len(table):
        raise SpectrumError(f"{path} must list spectra; it has no row.")
    table["file"] = table["file"].astype(str)
    table.meta["path"] = str(path)
    return table


def find_index(folder):
    """Path of the index in a folder, or None."""
    return next((folder / name for name in INDEX_NAMES if (folder / name).is_file()), None)


class Entry(NamedTuple):
    """What one row of an index says; `problem` is empty where the row is sound."""

    path: Path
    row: str
    redshift: float
    label: str | None
    problem: str


def read_entries(index):
    """The rows of an index, by the absolute paths of their files; of two rows for one file the first."""
    table = Path(index.meta.get("path", ""))
    empty = [""] * len(index)
    redshifts, labels = (index[key] if key in index.colnames else empty for key in ("redshift", "label"))
    entries = {}
    for number, (file, redshift, label) in enumerate(zip(index["file"], redshifts, labels), start=1):
        path, row = table.parent / file, f"{table}, row {number}"
        try:
            entry = Entry(path, row, _parse_redshift(redshift), parse_label(label), "")
        except AgnError as error:
            entry = Entry(path, row, np.nan, None, f"{row} ({file}): {error} Correct or remove the row.")
        entries.setdefault(os.path.abspath(path), entry)
    return entries


def _parse_redshift(cell):
    if cell is np.ma.masked or str(cell).strip() == "":
        return np.nan
    try:
        return float(cell)
    except ValueError:
        raise AgnError(f"redshift must be a number; got {str(cell)!r}.") from None
