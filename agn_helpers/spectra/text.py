"""Spectra in text files: delimiter, header, units and decimal mark found from the content."""

import re

import numpy as np
from astropy.table import Table

from ..errors import SpectrumError
from ..limits import LONGEST_LINE, MOST_HEADER_LINES, check_columns
from .noise import estimate_noise, invert_variance
from .roles import AXES, Column, name_role, split_name
from .tables import layouts_of_table
from .units import is_unit

_COMMENT = ("#", "%", "!", ";", "\\", "//")

_MISSING = {"", "nan", "null", "none", "na", "n/a", "--", "-", "indef", '""', "nodata"}

_WORDS = {"true": 1.0, "false": 0.0, "t": 1.0, "f": 0.0}

_FLUXES = {"flux", "energy flux", "magnitude", "counts", "other flux"}

# Of a longer comment the beginning is read.
_LONGEST_COMMENT = 1000

#: The finest spectra have a tenth of it.
_MOST_LINES = 3_000_000


def read_text(content, path, chosen=None):
    """Read a text file in memory into its columns, comments, and what these say.

    Columns are found by their names in a header, which may be a comment, with units in brackets, in a row
    of their own or in a comment; two or three columns without names are wavelength, flux, error.  A
    comment such as
    ``# redshift = 0.31`` gives the redshift.

    Parameters
    ----------
    content : bytes
    path : pathlib.Path
        Where it came from, for errors.
    chosen : dict, optional
        Role to name, from the user; names columns without names by their numbers, from 1.

    Returns
    -------
    list of Layout

    Raises
    ------
    SpectrumError
        For text that is no table of numbers.
    """
    comments, lines = _split_lines(_decode(content), path)
    pipes, lines = _take_pipes(lines)
    if not lines:
        raise SpectrumError(f"{path} holds no numbers; expected columns wavelength, flux and ivar or error.")
    delimiter, comma = _find_delimiter([line for _, line in lines])
    header, units = None, None
    if pipes:
        # Names, types, units, fillings: what stands for a unit is one, known or not.
        header, units = pipes[0], pipes[2] if len(pipes) > 2 else None
        delimiter, comma = None, False
    elif _numbers(_split(lines[0][1], delimiter), comma) is None:
        header = _split_header(lines.pop(0)[1], delimiter)
    lines, unit_row = _take_unit_row(lines, delimiter, comma, len(header or ()))
    columns = _read_columns(lines, delimiter, comma, path, named=header is not None)
    if header is not None and len(header) == len(columns) - 1 and _is_index(columns[0]):
        header = ["row", *header]
    if header is not None and len(header) != len(columns):
        raise SpectrumError(
            f"{path} must have a name for every column; got {len(header)} names ({', '.join(header)[:60]}) "
            f"for {len(columns)} columns; correct its first line."
        )
    header = header or _comment_header(comments, delimiter, len(columns))
    named = header is not None
    header = header or [str(i + 1) for i in range(len(columns))]
    units = units or unit_row or _comment_units(comments, len(columns))
    header = [name or f"column {i + 1}" for i, name in enumerate(header)]
    columns = [_make_column(name, unit, values) for name, unit, values in zip(header, units, columns)]
    notes = []
    if not named and not chosen:
        notes.append(_name_by_position(columns, path))
    _apply_remarks(columns, comments)
    repeated = {c.name for c in columns if [other.name for other in columns].count(c.name) > 1}
    if repeated:
        raise SpectrumError(
            f"{path} must name each column once; {', '.join(sorted(repeated))} is there twice."
        )
    table = Table({column.name: column.values for column in columns})
    for column in columns:
        table[column.name].info.meta = {"unit": column.unit}
        table[column.name].info.description = column.note
    layouts = layouts_of_table(table, "text", comments, path)
    for layout in layouts:
        layout.notes += notes
    return layouts


def _decode(content):
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _split_lines(text, path):
    """Comments, and the other lines with their numbers; header cards of IRAF are comments."""
    comments, lines = [], []
    if text.count("\n") > _MOST_LINES:
        raise SpectrumError(f"{path} must be one spectrum; it has more than {_MOST_LINES} lines.")
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if len(line) > LONGEST_LINE:
            raise SpectrumError(
                f"{path} must hold lines of numbers; line {number} has {len(line)} characters."
            )
        if line.startswith(_COMMENT):
            comments.append(line.lstrip("#%!;\\/ ")[:_LONGEST_COMMENT])
        elif line:
            lines.append((number, line))
    if len(comments) > MOST_HEADER_LINES:
        raise SpectrumError(f"{path} must have at most {MOST_HEADER_LINES} comments; it has {len(comments)}.")
    end = next((i for i, (_, line) in enumerate(lines[:2000]) if line == "END"), None)
    if end is not None and all(
        re.match(r"[A-Z0-9_-]{1,8}\s*=|COMMENT|HISTORY", line) for _, line in lines[:end]
    ):
        comments += [line for _, line in lines[:end]]
        lines = lines[end + 1 :]
    return comments, lines


def _take_pipes(lines):
    """The header of an IPAC table, lines that begin with a bar, each in its fields; and the other lines."""
    pipes = []
    if all(line.startswith("|") for _, line in lines):
        # All of a table in Markdown has bars.
        return pipes, [(number, line.strip("| ")) for number, line in lines]
    while lines and lines[0][1].startswith("|"):
        pipes.append([field.strip() for field in lines.pop(0)[1].strip("|").split("|")])
    return pipes, lines


def _find_delimiter(lines):
    """The mark between fields (None for blanks), and whether the comma is a decimal mark."""
    # Neither the header nor a broken last line tells.
    sample = lines[len(lines) // 2 : len(lines) // 2 + 5]
    if len(lines) < 10:
        sample = lines[-1:] if len(lines) < 3 else lines[1:-1]
    comma = any(re.search(r"\d,\d", line) for line in sample) and not any("." in line for line in sample)
    for mark in (";", "|"):
        if all(mark in line for line in sample):
            return mark, comma
    if all("," in line for line in sample):
        # "4300,5 30,3" has blanks or tabs between numbers, "4300, 30" has none without a comma.
        apart = all(re.search(r"\d[ \t]+[-+.\d]", line) and not re.search(r",\s", line) for line in sample)
        if not (apart and comma):
            return ",", False
    if all("\t" in line for line in sample):
        # Blanks within fields, as in units, and empty fields tell tabs from tabs and blanks mixed.
        by_tab = {len(line.split("\t")) for line in [*sample, *lines[:3]]}
        by_blank = {len(line.split()) for line in sample}
        return ("\t" if len(by_tab) == 1 and (by_tab != by_blank or "\t" in lines[0]) else None), comma
    return None, comma


def _split(line, delimiter):
    return [field.strip().strip("\"'").strip() for field in line.split(delimiter)]


def _number(field, comma):
    if comma:
        field = field.replace(",", ".")
    try:
        return float(field)
    except ValueError:
        word = field.lower()
        if word in _MISSING or set(field) == {"*"}:
            return np.nan
        if word in _WORDS:
            return _WORDS[word]
        # Fortran: 1.5D+03, and 1.5-103 where the letter found no place.
        fortran = re.fullmatch(r"([-+]?\d*\.?\d+\.?)(?:[dD]([-+]?\d+)|([-+]\d{2,3}))", field)
        if fortran is None:
            raise
        return float(f"{fortran[1]}e{fortran[2] or fortran[3]}")


def _is_number(field):
    return _numbers([field], False) is not None


def _numbers(fields, comma):
    """The fields as floats, missing ones NaN; None where one is no number."""
    try:
        return [_number(field, comma) for field in fields]
    except ValueError:
        return None


def _split_header(line, delimiter):
    if delimiter:
        return _split(line, delimiter)
    # "wave (nm) flux [erg / s]" is two columns. Bounds keep the time in proportion to the line.
    pattern = r"[^\s\[(]+(?:\s{0,20}[\[(](?:[^\[\]()]|\([^()]{0,80}\)){0,80}+[\])])?"
    return [name.strip("\"'") for name in re.findall(pattern, line)]


def _take_unit_row(lines, delimiter, comma, n_columns):
    """The lines without the rows of units and dashes below the header, as VizieR writes; and the units."""
    units = None
    for _ in range(3):
        if not lines or _numbers(_split(lines[0][1], delimiter), comma) is not None:
            break
        fields = _split(lines[0][1], delimiter)
        if all(set(field) <= {"-", "=", " "} for field in fields):
            lines = lines[1:]
            continue
        parts = fields if len(fields) == n_columns else _split_header(lines[0][1], delimiter)
        parts = [part.strip("[]()") if re.fullmatch(r"[\[(].*[\])]", part) else part for part in parts]
        if units is None and len(parts) == n_columns and all(_is_unit_or_none(part) for part in parts):
            units, lines = parts, lines[1:]
        elif len(fields) == n_columns and all(
            re.fullmatch(r"float\d*|double|int\d*|\d*[NS]|F\d+\.\d+", f) for f in fields
        ):
            lines = lines[1:]
        else:
            break
    return lines, units


def _is_unit_or_none(text):
    return text.lower() in _MISSING or is_unit(text)


def _comment_header(comments, delimiter, n_columns):
    """The last comment that names as many columns as there are, wavelength and flux among them."""
    for comment in reversed(comments):
        for mark in dict.fromkeys((delimiter, ",", None)):
            names = _split_header(comment, mark)
            meanings = {name_role(name)[0] for name in names}
            if len(names) == n_columns and meanings & _FLUXES and meanings.intersection(AXES):
                return names
    numbered = [
        re.match(r"(?:col(?:umn)?\.?\s*)?(\d+)\s*[:.=)-]?\s+(\S.*)", comment, re.IGNORECASE)
        for comment in comments
    ]
    numbered = [match for match in numbered if match]
    if [int(match[1]) for match in numbered] == list(range(1, n_columns + 1)):
        return [_split_header(match[2].replace(",", " "), None)[0] for match in numbered]
    for comment in reversed(comments):
        for mark in dict.fromkeys((delimiter, ",", None)):
            names = _split_header(comment, mark)
            # Names, some of them unknown: not to be passed over for an order that is usual.
            known = any(name_role(name)[0] for name in names)
            if len(names) == n_columns and known and not any(map(_is_number, names)):
                return names
    return None


def _comment_units(comments, n_columns):
    """A comment that holds as many units as there are columns, if there is one."""
    for comment in reversed(comments):
        comment = re.sub(r"^\s*units?\s*[:=]?\s*", "", comment, flags=re.IGNORECASE)
        for mark in (",", None):
            parts = [part.strip("[]() ") for part in comment.split(mark)]
            if (
                len(parts) == n_columns
                and sum(map(is_unit, parts)) >= 2
                and all(map(_is_unit_or_none, parts))
            ):
                return parts
    return [""] * n_columns


def _apply_remarks(columns, comments):
    """Sentences such as "wavelength in nm" and "flux unit: 1e-17 erg/s/cm2/A" give units where none stand."""
    for roles, words in ((AXES, r"wavelengths?|wave|lambda"), (("flux",), r"flux(?:es)?(?: density)?")):
        pattern = rf"\b(?:{words})\b\s*(?:units?)?\s*(?:is|are)?\s*(?:in|[:=])\s*(?:units? of\s*)?(.+)"
        for match in filter(None, (re.search(pattern, comment, re.IGNORECASE) for comment in comments)):
            ends = r"[;,](?!\d)|\band\b|\(air|\(vac|\bin (?:air|vac)|\b(?:air|vac)"
            text = re.split(ends, match[1])[0].strip(" .")
            # Of what is no flux density, the unit need not be understood to be refused.
            other = roles == ("flux",) and re.search(
                r"\bmag|count|\badu\b|electron|photon|normali", text.lower()
            )
            for column in columns:
                if name_role(column.name)[0] in roles and not column.unit and (is_unit(text) or other):
                    column.unit = text


def _make_column(name, unit, values):
    """A column; brackets that hold words instead of a unit are a remark on it."""
    _, bracket = split_name(name)
    unit = "" if unit.lower() in _MISSING else unit
    note = ""
    if bracket and not is_unit(bracket):
        words = re.findall(r"[a-zA-Z]{2,}", bracket)
        if len(words) > 1 or (
            words and words[0].lower() in ("air", "vac", "vacuum", "observed", "obs", "rest", "calibrated")
        ):
            note, name = bracket, re.sub(r"\s*[\[(].*", "", name)
            name = f"{name}_rest" if re.search(r"\brest", bracket.lower()) else name
    return Column(name, values, unit or ("" if note else bracket), note=note)


def _read_columns(lines, delimiter, comma, path, *, named):
    """The columns as arrays; of a table with names, those that hold words in every line stay text."""
    rows = [_split(line, delimiter) for _, line in lines]
    if not rows:
        raise SpectrumError(f"{path} holds no numbers; expected columns wavelength, flux and ivar or error.")
    check_columns(len(rows[0]), path)
    for (number, _), row in zip(lines, rows):
        if len(row) != len(rows[0]):
            raise SpectrumError(
                f"{path} must have as many columns in every line; got {len(row)} after {len(rows[0])} in "
                f"line {number}; correct it."
            )
    words = [i for i, cell in enumerate(rows[0]) if named and _numbers([cell], comma) is None]
    words = [
        i for i in words if all(_numbers([row[i]], comma) is None for row in (rows[len(rows) // 2], rows[-1]))
    ]
    if len(words) == len(rows[0]):
        words = []
    numbers = []
    for (number, line), row in zip(lines, rows):
        values = _numbers([cell for i, cell in enumerate(row) if i not in words] if words else row, comma)
        if values is None:
            raise SpectrumError(
                f"{path} must hold numbers; got {line[:40]!r} in line {number}; correct or remove it."
            )
        numbers.append(values)
    numbers = iter(np.array(numbers).T)
    return [np.array([row[i] for row in rows]) if i in words else next(numbers) for i in range(len(rows[0]))]


def _is_index(values):
    """Whether a column counts the rows, as R writes it without a name."""
    return (
        values.size > 1 and np.array_equal(np.diff(values), np.ones(values.size - 1)) and values[0] in (0, 1)
    )


def _name_by_position(columns, path):
    """Name two or three columns as is the custom, where their numbers do not speak against it; say so."""
    names = ["wavelength", "flux", "error"][: len(columns)]
    if not 2 <= len(columns) <= 3:
        raise SpectrumError(
            f"{path} must name its columns; it has {len(columns)} without names; add a first line such as "
            '"wavelength flux error", or say which is which: '
            'columns={"wavelength": "1", "flux": "2", "error": "3"}.'
        )
    steps = np.diff(columns[0].values[columns[0].values > 0])
    if not max((steps > 0).sum(), (steps < 0).sum()) >= 0.9 * steps.size:
        raise SpectrumError(
            f"{path} must name its columns; without names the first is wavelength, and this one is in "
            "no order; add a "
            'first line such as "wavelength flux error".'
        )
    if len(columns) == 3:
        flux, third = columns[1].values, columns[2].values
        scatter = np.nanmedian(estimate_noise(flux)) if np.isfinite(estimate_noise(flux)).any() else np.nan
        with np.errstate(all="ignore"):
            as_error = np.nanmedian(np.where(third > 0, third, np.nan)) / scatter
            as_ivar = (
                np.nanmedian(invert_variance(np.sqrt(np.where(third > 0, third, np.nan)))) ** 0.5 / scatter
            )
        unlike = as_error < 1 / 20 or as_error > 20 or (1 / 3 < as_ivar < 3 and not 1 / 5 < as_error < 5)
        if not (third > 0).any() or unlike:
            raise SpectrumError(
                f"{path} must name its columns; the third of three is unlike the scatter of the "
                'flux, so no error for certain; add a first line such as "wavelength flux ivar", or say '
                'columns={"wavelength": "1", "flux": "2", "error": "3"}.'
            )
    for column, name in zip(columns, names):
        column.name = name
    return f"columns without names taken for {', '.join(names)}"
