"""Tables that say which file is which spectrum, with redshifts and types.

An index lies beside the spectra that it describes, as ``index.csv``, ``index.ecsv`` or ``index.fits``: a
table with the columns ``file`` (relative to it) and, as far as known, ``redshift`` (or ``z``), ``label``,
``medium``,
``columns`` (as ``flux=NAME,error=NAME``), ``object`` (a name that repeats of one object share), ``ra`` and
``dec`` (degrees).
"""

from __future__ import annotations

import itertools
import logging
import os
import re
from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.table import Table

from ..errors import AgnError, SpectrumError
from ..files import TABLE_FORMATS, read_table
from ..limits import LARGEST_TEXT, check_columns, read_regular, summarise_error
from ..lines import parse_label
from .medium import check_medium
from .observed import ObservedSpectrum, Rejected
from .reading import find_spectra, finish_spectrum, name_in_file, name_of
from .redshifts import known_redshift
from .roles import ROLES

logger = logging.getLogger(__name__)

#: Files that are taken for the index of their folder.
INDEX_NAMES = ("index.csv", "index.ecsv", "index.fits")

# Tables that lie beside DESI's spectra, and are read with them.
_BESIDE_DESI = re.compile(
    r"(?:redrock|zbest|rrdetails|qso_mgii|qso_qn|emline|tile-qa)-.*\.(?:fits|h5)(?:\.gz)?"
)

_OTHER_NAMES = {
    "z": "redshift",
    "zspec": "redshift",
    "z_spec": "redshift",
    "filename": "file",
    "type": "label",
}

_UNKNOWN = {"", "nan", "none", "null", "n/a", "na", "--", "-", "?", "unknown"}


def read_index(path):
    """Read a table that says which file is what.

    Parameters
    ----------
    path : str or path-like
        The table (CSV, ECSV, FITS or Parquet), or the folder that holds it as ``index.csv`` …  CSV may be
        as spreadsheets
        write it: with a byte-order mark, with semicolons and decimal commas.

    Returns
    -------
    astropy.table.Table
        Column names in lower case, ``z`` as ``redshift``; ``file`` as text, relative to the table's folder;
        ``meta["path"]``.

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
        if path.suffix.lower() == ".csv":
            table = _read_csv(read_regular(path, largest=LARGEST_TEXT), path)
        else:
            table = read_table(path)
        table.convert_bytestring_to_unicode()
        if "file" in table.colnames and table["file"].ndim != 1:
            raise SpectrumError(f"{path} must hold a text in each cell of the column file; it holds several.")
    except AgnError as error:
        raise SpectrumError(str(error)) from error
    except Exception as error:  # The readers of tables share no class of errors.
        reason = summarise_error(error)
        raise SpectrumError(f"{path} must be a table; it cannot be read as one: {reason}.") from error
    names = [name.strip().lower() for name in table.colnames]
    names = [_OTHER_NAMES.get(name, name) if _OTHER_NAMES.get(name) not in names else name for name in names]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise SpectrumError(
            f"{path} must have each column once; {', '.join(repeated)} is there twice; rename one."
        )
    # One after the other, a new name might be that of a column whose turn has not come.
    table = Table([table[name] for name in table.colnames], names=names, meta=table.meta)
    if "file" not in table.colnames:
        has = ", ".join(table.colnames) or "none"
        raise SpectrumError(f"{path} must have the column file; it has {has}; add it.")
    if not len(table):
        raise SpectrumError(f"{path} must list spectra; it has no row.")
    table["file"] = [str(name).strip() if name is not np.ma.masked else "" for name in table["file"]]
    table.meta["path"] = str(path)
    return table


def _read_csv(content, path):
    """CSV of any spreadsheet: UTF-8 or UTF-16; commas, semicolons or tabs; decimal commas beside these."""
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    mark = max(",;\t", key=first.count)
    check_columns(first.count(mark) + 1, path)
    table = Table.read(text.splitlines(), format="ascii.csv", delimiter=mark)
    if mark != ",":
        for name in table.colnames:
            if table[name].dtype.kind == "U":
                cells = [re.sub(r"^([-+]?\d*),(\d+)$", r"\1.\2", str(cell)) for cell in table[name]]
                table[name] = np.ma.masked_array(cells, np.ma.getmaskarray(np.ma.asarray(table[name])))
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
    options: dict | None = None
    meta: dict | None = None


def read_entries(index, *, inside=False):
    """The rows of an index, by the absolute paths of their files; of two rows for one file the first.

    Where `inside`, as for an index that was found and not named, its files must lie in its folder.
    """
    table, entries = Path(index.meta.get("path", "")), {}
    folder = os.path.abspath(table.parent)
    for number, row in enumerate(index, start=1):
        cells = {key: _cell(row[key]) for key in _INDEX_COLUMNS if key in index.colnames}
        file = str(row["file"])
        path, place = table.parent / file, f"{table}, row {number}"
        try:
            if not file:
                raise AgnError("file must be the name of a spectrum; the cell is empty.")
            if inside and os.path.commonpath([folder, os.path.abspath(path)]) != folder:
                raise AgnError("file must lie in the folder of its index, unless the index itself is named.")
            options = {}
            if cells.get("columns"):
                options["columns"] = parse_columns(cells["columns"])
            if cells.get("medium"):
                options["medium"] = cells["medium"].lower()
                check_medium(options["medium"])
            meta = {key: _place(cells[key]) for key in ("ra", "dec") if cells.get(key)}
            meta = {key: value for key, value in meta.items() if np.isfinite(value)}
            meta |= {"object": cells["object"]} if cells.get("object") else {}
            redshift = _parse_redshift(cells.get("redshift", ""))
            entry = Entry(path, place, redshift, parse_label(cells.get("label", "")), "", options, meta)
        except AgnError as error:
            entry = Entry(path, place, np.nan, None, f"{place} ({file}): {error} Correct or remove the row.")
        entries.setdefault(os.path.abspath(path), entry)
    return entries


_INDEX_COLUMNS = ("redshift", "label", "columns", "medium", "object", "ra", "dec")


def _cell(value):
    text = "" if value is np.ma.masked else str(value).strip()
    return "" if text.lower() in _UNKNOWN else text


def parse_columns(text):
    """Turn ``flux=NAME,error=NAME [unit]`` into a dict of role to name.

    Raises
    ------
    AgnError
        For what is not of this form, and for unknown roles.
    """
    columns = {}
    for part in re.split(r"[,;]\s*(?=\w+\s*=)", str(text).strip()):
        role, equals, name = part.partition("=")
        if not equals or role.strip() not in ROLES or not name.strip():
            raise AgnError(
                f"columns must be written as flux=NAME,error=NAME with roles of {', '.join(ROLES)}; "
                f"got {part!r}."
            )
        columns[role.strip()] = name.strip()
    return columns


def _parse_redshift(cell):
    if not cell:
        return np.nan
    try:
        value = float(cell)
    except ValueError:
        raise AgnError(f"redshift must be a number; got {cell!r}.") from None
    # A user's 0 is a redshift; -9999 is none.
    return known_redshift(value, spectral_class="told") if value <= -5 or value == -1 else value


def _place(cell):
    try:
        return float(cell)
    except ValueError:
        return np.nan


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
    columns: dict | None = None,
    medium: str | None = None,
) -> Iterator[ObservedSpectrum | Rejected]:
    """Read spectra one after the other; a bad file never stops the others.

    The redshift is that of the index, else `redshift`, else the file's own; the label is that of the index.
    A folder gives its files in the order of their names, without hidden files, README, the index and the
    folders inside it, then what its index lists besides; what it lists and is not there comes as one
    Rejected.
    A file of many spectra gives each with a name of its own.
    Of two spectra with one name the second is rejected: an object that is in a sample twice may be trained
    on and tested at once.

    Parameters
    ----------
    paths : str, path-like, or iterable of these
        Files and folders.
    redshift : float, optional
        Goes before what a file states, and behind the index.
    index : Table, str or path-like, optional
        One index for all of them (see `read_index`); by default the one beside each file.
    columns : dict, optional
    medium : "air" or "vacuum", optional
        As for `read_spectrum`; what the index says of a file goes before them.

    Returns
    -------
    iterator of ObservedSpectrum or Rejected
        One spectrum in memory at a time, but of files of many.

    Raises
    ------
    SpectrumError
        At once, where nothing but folders without spectra is named, and for an unusable index.
    """
    check_medium(medium)
    named = [Path(path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
    if index is None:
        folders = {path if path.is_dir() else path.parent for path in named}
        indices = [read_index(table) for table in map(find_index, folders) if table]
    else:
        indices = [index if isinstance(index, Table) else read_index(index)]
    entries: dict[str, Entry] = {}
    for table in indices:
        entries |= read_entries(table, inside=index is None)
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
    return itertools.chain(empty, read_files(files, entries, redshift, columns=columns, medium=medium))


def list_files(folder, entries):
    """Files of a folder and those that its index lists besides; nothing where none of them exists."""
    with os.scandir(folder) as found:
        # What is neither a file nor a folder is named too, and rejected when it is read.
        names = sorted(entry.name for entry in found if not os.path.isdir(entry.path))
    files = [
        folder / name
        for name in names
        if not name.startswith((".", "README"))
        and name not in INDEX_NAMES
        and not _BESIDE_DESI.fullmatch(name)
    ]
    listed = {os.path.abspath(file) for file in files}
    besides = [
        entry.path
        for key, entry in entries.items()
        if key not in listed
        and (entry.path.is_relative_to(folder) or Path(entry.row.rpartition(", row ")[0]).parent == folder)
    ]
    return files + besides if files or any(path.exists() for path in besides) else []


def read_files(files, entries, redshift, *, columns=None, medium=None):
    """Read files in turn, each with what the entry of its path says; see `read_spectra`."""
    first, absent = {}, []
    options = {"columns": columns, "medium": medium}
    for file in files:
        entry = entries.get(os.path.abspath(file))
        if entry is not None and not entry.problem and not file.exists():
            absent.append(entry)
            continue
        for item in _read_one(file, entry, redshift, options):
            if not isinstance(item, Rejected) and item.name in first:
                item = Rejected(
                    item.name,
                    str(file),
                    f"names must be unique in a sample; {item.name} of {file} is that of "
                    f"{first[item.name]} too; "
                    "remove or rename one.",
                )
            elif not isinstance(item, Rejected):
                first[item.name] = file
            yield item
    if absent:
        yield _reject_absent(absent)


def _reject_absent(absent):
    """One line for all rows of an index whose files do not exist."""
    one, table = absent[0], absent[0].row.rpartition(", row ")[0]
    if len(absent) == 1:
        reason = f"{one.row} names {one.path}, which does not exist; correct or remove the row."
        return Rejected(name_of(one.path), str(one.path), reason)
    names = ", ".join(entry.path.name for entry in absent[:3])
    return Rejected(
        "",
        table,
        f"{table} names {len(absent)} files that do not exist, such as {names}; correct or remove the rows.",
    )


def _read_one(file, entry, redshift, options):
    """The spectra of a file; what cannot be read comes as Rejected."""
    label, meta = None, {}
    try:
        if entry is not None:
            if entry.problem:
                raise SpectrumError(entry.problem)
            redshift = redshift if np.isnan(entry.redshift) else entry.redshift
            label, meta, options = entry.label, entry.meta or {}, {**options, **(entry.options or {})}
        spectra = find_spectra(file, **options)
        items = iter(spectra.items)
    except SpectrumError as error:
        yield Rejected(name_of(file), str(file), str(error))
        return
    for own_name in spectra.names:
        name = name_in_file(file, own_name, spectra.count)
        try:
            spectrum = finish_spectrum(next(items), name, file, redshift=redshift, label=label, **options)
        except SpectrumError as error:
            yield Rejected(name, str(file), str(error))
        except Exception as error:  # What is read on the way, of a file of many.
            logger.debug("%s cannot be read on", file, exc_info=error)
            reason = f"{file} must be a sound file; reading it on fails ({summarise_error(error)})."
            yield Rejected(name, str(file), reason)
            return
        else:
            spectrum.meta.update(meta)
            yield spectrum
