"""Tables of objects in whatever format a list comes in: text, FITS, Parquet, VOTable."""

import io
import warnings

from astropy.io import ascii as text_tables
from astropy.table import Table

from ..errors import AgnError
from ..limits import check_columns, check_fits, check_parquet, check_votable, summarise_error
from .layout import SPECTRUM_NAME

# How XML begins, a letter in one byte or two.  Nothing else may reach its parser, which unpacks archives.
_XML = (b"<", b"\xef\xbb\xbf<", b"\xff\xfe<", b"\xfe\xff\0<", b"\0<")

_NAMELESS = ("plate", "mjd", "fiberid")


def parse_table(content, path):
    """Read a table that is in memory, with at least one row; its format is recognised by its content.

    Raises AgnError, with the `path` it came from, for what is no table, and for XML with a DOCTYPE, entities
    or data that lie elsewhere.
    """
    try:
        with warnings.catch_warnings():
            # VOTables of archives often break a rule of the standard without harm.
            warnings.simplefilter("ignore")
            if content.startswith(b"SIMPLE"):
                check_fits(content, path)
                table = Table.read(io.BytesIO(content), format="fits")
            elif content.startswith(b"PAR1"):
                check_parquet(content, path)
                table = Table.read(io.BytesIO(content), format="parquet")
            elif content[:512].lstrip().startswith(_XML):
                table = _parse_votable(content, path)
            else:
                table = _parse_text(content.decode("utf-8-sig"), path)
    except AgnError:
        raise
    except Exception as error:  # The readers of tables share no class of errors.
        reason = summarise_error(error)
        raise AgnError(f"{path} must be a table of objects; it cannot be read as one: {reason}.") from error
    if not len(table):
        raise AgnError(f"{path} must list objects; it has no row.")
    return table


def _parse_text(text, path):
    """A table in ECSV or with any delimiter, with or without a line of names."""
    widest = max((max(map(line.count, ",;|\t ")) for line in text.splitlines()), default=0)
    check_columns(widest + 1, path)
    if text.startswith("# %ECSV"):
        return Table.read(text, format="ascii.ecsv")
    lines = text.splitlines()
    body = [line for line in lines if line.strip() and not line.startswith("#")]
    if not body:
        raise ValueError("it has no row")
    delimiter = next((mark for mark in (",", ";", "\t", "|") if mark in body[0]), " ")
    options = {"delimiter": delimiter, "guess": False, "comment": None}
    table = text_tables.read(body[:1], format="no_header", **options)
    first = [str(cell) for cell in table[0]]
    if not any(_is_number(cell) or SPECTRUM_NAME.search(cell) for cell in first):
        return text_tables.read(body, format="basic" if delimiter == " " else "csv", **options)
    # Without a line of names, unless the last comment before the first row is one.
    comments = [line for line in lines[: lines.index(body[0])] if line.startswith("#")]
    names = comments[-1].lstrip("# ").split(None if delimiter == " " else delimiter) if comments else []
    table = text_tables.read(body, format="no_header", **options)
    table.rename_columns(table.colnames, _name_columns(first, [name.strip() for name in names]))
    return table


def _name_columns(first, names):
    """Names for the columns of a list whose first row is given."""
    if len(names) == len(first):
        return names
    named = next((number for number, cell in enumerate(first) if SPECTRUM_NAME.search(cell)), None)
    if named is None and len(first) < len(_NAMELESS):
        raise ValueError("without column names it needs at least plate, MJD and fibre")
    known = dict(enumerate(_NAMELESS)) if named is None else {named: "name"}
    return [known.get(number, f"column{number + 1}") for number in range(len(first))]


def _is_number(field):
    try:
        float(field)
    except ValueError:
        return False
    return True


def _parse_votable(content, path):
    """The longest table of a VOTable that refers to nothing outside of it."""
    from astropy.io.votable import parse

    check_votable(content, path)
    # Two-byte encodings hide letters behind zeros.
    if b"<votable" not in content[:8192].replace(b"\0", b"").lower():
        raise ValueError("it is a web page, perhaps an archive's error message")
    tables = list(parse(io.BytesIO(content), verify="ignore").iter_tables())
    tables = [table for table in tables if len(table.array)]
    if not tables:
        raise ValueError("it has no row")
    # A catalogue of several tables has its objects in the longest.
    longest = max(tables, key=lambda table: len(table.array))
    return longest.to_table(use_names_over_ids=True)
