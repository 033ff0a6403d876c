"""Output files that are either whole or absent, and tables in four formats."""

import contextlib
import errno
import functools
import hashlib
import io
import os
import re
import tempfile
import warnings
import zipfile
from pathlib import Path
from urllib.parse import quote

from .errors import AgnError
from .limits import (
    check_columns,
    check_fits,
    check_parquet,
    check_size,
    open_regular,
    read_regular,
    summarise_error,
)
from .locks import sweep_unfinished, unfinished_folder

_REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another folder",
    errno.EROFS: "the folder is on a read-only file system; choose another folder",
    errno.EACCES: "writing there is not permitted; choose another folder or change its permissions",
    errno.EPERM: "writing there is not permitted; choose another folder or change its permissions",
    errno.ENOTDIR: "a part of that path is a file, not a folder; choose another folder",
    errno.EEXIST: "a file of that name is in the way; choose another folder",
    errno.EISDIR: "that is a folder; name a file",
}

# Letters of a file name before its suffix: with a hash behind them, less than any file system takes.
_LONGEST_STEM = 150

# With these a cell begins that spreadsheets take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

#: File suffix to the name that astropy gives the format.
TABLE_FORMATS = {".ecsv": "ascii.ecsv", ".csv": "ascii.csv", ".fits": "fits", ".parquet": "parquet"}


@functools.cache
def digest_program(*parts):
    """Digest of the program, or of parts of it: what is kept is that of the program that made it."""
    home = Path(__file__).parent
    paths = sorted(
        each for each in home.rglob("*.py") if not parts or each.relative_to(home).parts[0] in parts
    )
    return hashlib.blake2b(b"".join(path.read_bytes() for path in paths), digest_size=8).hexdigest()


def _explain(path, error):
    """An error in one line, with a remedy, for one of the system."""
    cause = error
    # Writers such as astropy wrap the system's error in one of their own.
    while cause.errno not in _REMEDIES and isinstance(cause.__context__, OSError):
        cause = cause.__context__
    # numpy reports a short write without saying why.
    number = errno.ENOSPC if re.search(r"requested and \d+ written", str(cause)) else cause.errno
    remedy = _REMEDIES.get(number, cause.strerror or " ".join(str(cause).split()))
    return AgnError(f"{path} could not be written: {remedy}.")


def make_folder(path):
    """Create folder `path` with its parents where missing and return it as a Path."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _explain(path, error) from error
    return path


def check_writable(path):
    """Raise AgnError now where `path` could not be written after long work."""
    path = Path(path)
    make_folder(path.parent)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        tempfile.TemporaryFile(dir=path.parent).close()
        sweep_unfinished(path.parent)
    except OSError as error:
        raise _explain(path, error) from error


@contextlib.contextmanager
def whole_file(path):
    """Give a temporary path near `path`; rename it to `path` only when the block ends well.

    A block that raises (or is interrupted) leaves `path` as it was and no temporary file.
    Raises AgnError, in one line with a remedy, for a full disk or a read-only folder.

    Examples
    --------
    >>> with whole_file("table.csv") as temporary:  # doctest: +SKIP
    ...     table.write(temporary)
    """
    path = Path(path)
    make_folder(path.parent)
    try:
        # In a folder of its own it has its final name, by which writers choose the format.
        with unfinished_folder(path.parent) as folder:
            temporary = folder / path.name
            temporary.touch()
            yield temporary
            with open(temporary, "rb+") as file:
                # Without this a loss of power could leave an empty file under the final name.
                os.fsync(file.fileno())
            os.replace(temporary, path)
    except OSError as error:
        raise _explain(path, error) from error


def name_file(name, suffix):
    """A file name for what bears any name: letters that a disk may not take are quoted, long names cut.

    Different names give different files.
    """
    stem = quote(name, safe=" +") or "unnamed"
    if len(stem) > _LONGEST_STEM:
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:12]
        stem = f"{stem[:_LONGEST_STEM]}-{digest}"
    return stem + suffix


def table_format(path):
    """Name of the table format that the suffix of `path` stands for.  Raises AgnError for another."""
    suffix = Path(path).suffix.lower()
    if suffix not in TABLE_FORMATS:
        raise AgnError(
            f"a table's name must end in {', '.join(TABLE_FORMATS)}; got {str(path)!r}. Give another name."
        )
    return TABLE_FORMATS[suffix]


def read_arrays(path):
    """The arrays of an .npz file of images by name, without pickle; AgnError for another file."""
    content = read_regular(path)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            check_size(sum(entry.file_size for entry in archive.infolist()), path)
        import numpy as np

        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except AgnError:
        raise
    except Exception as error:  # zipfile and numpy share no class of errors.
        raise AgnError(
            f"{path} must be an .npz file; it is no .npz file of images ({summarise_error(error)})."
        ) from error


def write_table(table, path):
    """Write astropy `table` as ECSV, CSV, FITS or Parquet, by the suffix of `path`.

    CSV keeps the columns only; the others keep ``table.meta`` as well, which `read_table` gives back.  FITS
    knows only ASCII: other characters become Python escapes there.  Text that a spreadsheet would run as a
    formula, having = + - or @ at its begin, has an apostrophe before it in CSV, which `read_table` takes off.
    Raises AgnError for another suffix, or where the file cannot be written.
    """
    table_name = table_format(path)
    if table_name == "fits":
        table = _prepare_fits(table)
    elif table_name == "ascii.csv":
        table = _map_text(table, lambda text: f"'{text}" if text.startswith(_FORMULA) else text)
    with whole_file(path) as temporary, warnings.catch_warnings():
        # Keys longer than eight letters are fine: astropy and TOPCAT read HIERARCH cards.
        warnings.filterwarnings("ignore", message=".*HIERARCH card will be created")
        table.write(temporary, format=table_name, overwrite=True)


def read_table(path, *, mapped=False):
    """Read a table that `write_table` wrote, its metadata under the names that they were written with.

    With `mapped` the numbers of a FITS table stay on the disk until they are looked at, and it may be larger
    than memory; changes to them are not written.

    Raises AgnError, in one line, for another suffix and for a file that is missing or no such table.
    """
    table_name = table_format(path)
    if not os.path.lexists(path):
        raise AgnError(f"{path} is missing; write it first or give another name.")
    mapped = mapped and table_name == "fits"
    content = None if mapped else read_regular(path)
    try:
        with warnings.catch_warnings():
            # What astropy warns of in a damaged file, it also raises, or could mend.
            warnings.simplefilter("ignore")
            table = _map_fits(path) if mapped else _parse_table(content, table_name, path)
    except Exception as error:  # The readers of tables share no class of errors.
        reason = summarise_error(error)
        raise AgnError(
            f"{path} must be a table as write_table writes it; it cannot be read: {reason}. Make it again."
        ) from error
    if not table.colnames:
        raise AgnError(f"{path} must be a table as write_table writes it; it is empty. Make it again.")
    return table


def _parse_table(content, table_name, path):
    from astropy.table import Table

    if table_name == "fits":
        check_fits(content, path)
        return _parse_fits(io.BytesIO(content))
    if table_name == "parquet":
        check_parquet(content, path)
        return Table.read(io.BytesIO(content), format=table_name)
    text = content.decode("utf-8-sig")
    first = next((line for line in text.splitlines() if line and not line.startswith("#")), "")
    check_columns(1 + max(first.count(mark) for mark in ", "), path)
    table = Table.read(text, format=table_name)
    if table_name == "ascii.csv":
        table = _map_text(table, lambda text: text[text[:1] == "'" and text[1:].startswith(_FORMULA) :])
    return table


def _map_fits(path):
    with open_regular(path) as file:
        check_fits(file, path)
        return _parse_fits(file, memmap=True)


def _parse_fits(file, *, memmap=False):
    """The first table of a FITS file, its keys as the comments of their cards spell them."""
    from astropy.io import fits
    from astropy.table import Table

    with fits.open(file, memmap=memmap, character_as_bytes=False) as hdus:
        hdu = next((hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU)), None)
        if hdu is None:
            raise ValueError("it holds no table")
        table = Table.read(hdu, format="fits")
        spelt = {card.keyword: card.comment for card in hdu.header.cards}
    table.meta = {
        spelt[key] if spelt.get(key, "").upper() == key else key: value for key, value in table.meta.items()
    }
    return table


def _map_text(table, change):
    """A copy of a table with a function of text applied to all cells that hold text."""
    from astropy.table import MaskedColumn

    table = table.copy()
    for name in table.colnames:
        column = table[name]
        if column.dtype.kind == "U" and len(column):
            is_masked = isinstance(column, MaskedColumn)
            cells = [change(text) for text in (column.filled("") if is_masked else column).tolist()]
            table[name] = MaskedColumn(cells, mask=column.mask) if is_masked else cells
    return table


def _prepare_fits(table):
    """A copy in ASCII; FITS spells short keys in capitals, so the comments of their cards keep them."""

    def escape(text):
        return text.encode("ascii", "backslashreplace").decode() if isinstance(text, str) else text

    table = _map_text(table, escape)
    table.meta = {key: escape(value) for key, value in table.meta.items() if value is not None}
    for key, value in table.meta.items():
        if len(key) <= 8 and not isinstance(value, list):
            # With blanks, which have no meaning at the end, a long text leaves its comment another card.
            padded = value.ljust(69) if isinstance(value, str) and len(value) > 24 else value
            table.meta[key] = (padded, key)
    return table
