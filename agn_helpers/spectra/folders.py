"""Tables that say which file is which spectrum, with redshifts and types.

An index lies beside the spectra that it describes, as ``index.csv``, ``index.ecsv`` or ``index.fits``: a
table with the columns ``file`` (relative to it) and, as far as known, ``redshift`` and ``label``.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.table import Table

from ..errors import AgnError, SpectrumError
from ..files import TABLE_FORMATS
from ..lines import parse_label
from .observed import ObservedSpectrum, Rejected, name_of, read_spectrum

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


def open_spectra(spectra):
    """Iterate over spectra, in whichever way they are given.

    Parameters
    ----------
    spectra : ObservedSpectrum, path, or iterable of ObservedSpectrum, of paths
        Paths are those of files and folders, see `read_spectra`; an iterable holds the one or the other.

    Returns
    -------
    iterator of ObservedSpectrum or Rejected
    """
    if isinstance(spectra, ObservedSpectrum):
        return iter([spectra])
    if isinstance(spectra, str | os.PathLike):
        return read_spectra(spectra)
    is_path = False
    if isinstance(spectra, Iterable):
        spectra = iter(spectra)
        first = list(itertools.islice(spectra, 1))
        spectra = itertools.chain(first, spectra)
        is_path = bool(first) and isinstance(first[0], str | os.PathLike)
        wrong = [type(each).__name__ for each in first if not isinstance(each, ObservedSpectrum | Rejected)]
    else:
        wrong = [type(spectra).__name__]
    if wrong and not is_path:
        raise SpectrumError(
            f"spectra must be ObservedSpectrum, paths, or an iterable of these; got {wrong[0]}."
        )
    return read_spectra(list(spectra)) if is_path else spectra


def read_spectra(
    paths: str | PathLike | Iterable[str | PathLike],
    *,
    redshift: float | None = None,
    index: Table | str | PathLike | None = None,
) -> Iterator[ObservedSpectrum | Rejected]:
    """Read spectra one after the other; a bad file never stops the others.

    The redshift is the file's own, else that of the index, else `redshift`; the label is that of the index.
    A folder gives its files in the order of their names, without hidden files, README, the index and the
    folders inside it, then what its index lists besides; listed files that do not exist come as Rejected.
    Of two spectra with one name the second is rejected: an object that is in a sample twice may be trained
    on and tested at once.

    Parameters
    ----------
    paths : str, path-like, or iterable of these
        Files and folders.
    redshift : float, optional
        For spectra whose redshift neither file nor index tell.
    index : Table, str or path-like, optional
        One index for all of them (see `read_index`); by default the one beside each file.

    Returns
    -------
    iterator of ObservedSpectrum or Rejected
        One spectrum in memory at a time.

    Raises
    ------
    SpectrumError
        At once, where nothing but folders without spectra is named, and for an unusable index.
    """
    named = [Path(path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
    if index is None:
        folders = {path if path.is_dir() else path.parent for path in named}
        indices = [read_index(table) for table in map(find_index, folders) if table]
    else:
        indices = [index if isinstance(index, Table) else read_index(index)]
    entries = {key: entry for table in indices for key, entry in read_entries(table).items()}
    files: list[Path] = []
    empty: list[Rejected] = []
    for path in named:
        inside = list_files(path, entries) if path.is_dir() else [path]
        if not inside:
            reason = f"{path} must hold spectra, and holds none; folders in it are not searched."
            empty.append(Rejected(path.name, str(path), reason))
        files += inside
    if empty and not files:
        raise SpectrumError(empty[0].reason)
    return itertools.chain(empty, read_files(files, entries, redshift))


def list_files(folder, entries):
    """Files of a folder and those that its index lists besides; nothing where none of them exists."""
    with os.scandir(folder) as found:
        names = sorted(entry.name for entry in found if entry.is_file())
    files = [
        folder / name for name in names if not name.startswith((".", "README")) and name not in INDEX_NAMES
    ]
    listed = {os.path.abspath(file) for file in files}
    besides = [
        entry.path
        for key, entry in entries.items()
        if key not in listed and entry.path.is_relative_to(folder)
    ]
    return files + besides if files or any(path.exists() for path in besides) else []


def read_files(files, entries, redshift):
    first = {}
    for file in files:
        try:
            spectrum = _read_one(file, entries.get(os.path.abspath(file)), redshift)
            if spectrum.name in first:
                raise SpectrumError(
                    f"names must be unique in a sample; {spectrum.name} of {file} is that of "
                    f"{first[spectrum.name]} too; remove or rename one."
                )
        except SpectrumError as error:
            yield Rejected(name_of(file), str(file), str(error))
        else:
            first[spectrum.name] = file
            yield spectrum


def _read_one(file, entry, redshift):
    if entry is None:
        return read_spectrum(file, redshift=redshift)
    if entry.problem:
        raise SpectrumError(entry.problem)
    if not file.exists():
        raise SpectrumError(f"{entry.row} names {file}, which does not exist; correct or remove the row.")
    if not np.isnan(entry.redshift):
        redshift = entry.redshift
    return read_spectrum(file, redshift=redshift, label=entry.label)
