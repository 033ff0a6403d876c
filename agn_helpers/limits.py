"""What a file may ask of a reader: regular, of bounded size, and no larger inside than it is outside.

A few bytes can promise a billion rows, unpack to gigabytes or never end; what is promised is compared with
what is there before memory or time is spent on it.
"""

import io
import os
import re
import stat

from .errors import AgnError

#: Bytes that one file, unpacked, may have.  DESI's largest coadds have a third of it.
LARGEST_FILE = 1 << 30

#: Bytes of text: a hundred times the finest spectrum.
LARGEST_TEXT = 128 << 20

#: Columns of a table (the most that FITS allows is 999), lines of a header, letters of a line of text.
MOST_COLUMNS, MOST_HEADER_LINES, LONGEST_LINE = 1000, 20_000, 20_000

_READ_AT_ONCE = 1 << 20

_BLOCK, _CARD = 2880, 80

# Bits of an element of a column; descriptors of variable-length arrays hold two numbers.
_BITS = {"L": 8, "X": 1, "B": 8, "I": 16, "J": 32, "K": 64, "A": 8, "E": 32, "D": 64, "C": 64, "M": 128}
_BITS |= {"P": 64, "Q": 128}

# What could make a parser of XML read other files or addresses, or swell.
_FORBIDDEN = (b"<!doctype", b"<!entity", b"xinclude")


def summarise_error(error):
    """One line of any exception: its type, unless that says nothing, and the beginning of what it says."""
    words = " ".join(str(error).split())[:200].rstrip(".")
    name = type(error).__name__
    return words if isinstance(error, AgnError) else f"{name}: {words}" if words else name


def escape_text(text):
    """Text with what cannot be printed, steers a terminal or begins a formula of figures, as Python escapes.

    Bytes of file names that are no UTF-8 become such as ``\\xe9``, and so do line ends, marks that turn the
    direction of writing, and the dollar sign.
    """
    text = str(text)
    if text.isprintable() and "$" not in text:
        return text
    return "".join(letter if letter.isprintable() and letter != "$" else _escape(letter) for letter in text)


def _escape(letter):
    number = ord(letter)
    # How Python keeps a byte of a file name that it cannot decode.
    number -= 0xDC00 if 0xDC80 <= number <= 0xDCFF else 0
    return (
        f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"
    )


def read_regular(path, *, largest=LARGEST_FILE):
    """The bytes of a regular file.

    Raises AgnError, in one line, for a device, a pipe, a socket, a folder, a link that leads nowhere or in a
    circle, a file that is larger than `largest` bytes, and one that cannot be read.
    """
    with open_regular(path) as file:
        try:
            content = read_at_most(file, largest + 1)
        except OSError as error:
            raise _unreadable(path, error) from error
    if len(content) > largest:
        raise AgnError(f"{path} must have at most {largest >> 20} MB; it has more; divide it.")
    return content


def open_regular(path):
    """A regular file, open to be read as bytes; AgnError for any other, and for what cannot be opened."""
    try:
        # Opening a pipe would wait for its other end; asking before opening would leave time to swap it.
        file = open(path, "rb", opener=_open_at_once)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        # Of what never ends nothing is read.
        file.close()
        raise AgnError(f"{path} must be a regular file; it is a device, a pipe or a socket.")
    return file


def _unreadable(path, error):
    reason = getattr(error, "strerror", None) or error
    return AgnError(f"{path} cannot be read ({reason}); name an existing file.")


def read_at_most(file, number):
    """The next bytes of a binary file, `number` of them at most; it takes no more memory than there are."""
    blocks = []
    while number > 0 and (block := file.read(min(number, _READ_AT_ONCE))):
        blocks.append(block)
        number -= len(block)
    return b"".join(blocks)


def _open_at_once(path, flags):
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def check_fits(file, path):
    """Compare what the headers of a FITS file promise with what there is.

    Parameters
    ----------
    file : bytes or binary file
        The whole file.
    path : path-like
        For errors.

    Raises
    ------
    AgnError
        For headers without end or of too many lines, sizes that are no numbers, data that are not there
        (a truncated file), more rows than bytes, more than 999 columns, rows shorter than their columns, and
        compressed images that are too large.
    """
    file = io.BytesIO(file) if isinstance(file, bytes) else file
    size = file.seek(0, os.SEEK_END)
    start, number = 0, 0
    while start < size and (number == 0 or _read_at(file, start, 8) == b"XTENSION"):
        header = _read_header(file, start, number, path)
        data = start + len(header)
        there = size - data
        length, n_rows = _sound_headers.get(header, (size, size))
        if length > there or n_rows > there:
            length, n_rows = _check_hdu(_find_cards(header), there, number, path)
            if number:
                # Those of tables are the same in many files.
                if len(_sound_headers) >= _MOST_HEADERS:
                    _sound_headers.clear()
                _sound_headers[header] = length, n_rows
        start = data + -(-length // _BLOCK) * _BLOCK
        number += 1


def _read_at(file, start, length):
    file.seek(start)
    return file.read(length)


#: Headers without a fault, and the bytes and rows that they promise; some 20 kB each.
_sound_headers: dict[bytes, tuple[int, int]] = {}

_MOST_HEADERS = 500


def _read_header(file, start, number, path):
    """The blocks of a header, up to the one with the card END."""
    blocks = []
    for block in range(-(-MOST_HEADER_LINES * _CARD // _BLOCK)):
        content = _read_at(file, start + block * _BLOCK, _BLOCK)
        blocks.append(content)
        if _find_end(content) >= 0:
            # A header that ends in the last block of a file need not fill it.
            return b"".join(blocks).ljust(len(blocks) * _BLOCK)
        if len(content) < _BLOCK:
            raise AgnError(
                f"{path} is truncated in the header of HDU {number}: at least {_BLOCK - len(content)} bytes "
                "are missing; get the file again."
            )
    raise AgnError(f"{path} must have headers of at most {MOST_HEADER_LINES} lines; HDU {number} has more.")


def _find_end(block):
    """Where the card END begins, or -1; it may end with the file."""
    at = block.ljust(_BLOCK).find(b"END     ")
    while at >= 0 and at % _CARD:
        at = block.ljust(_BLOCK).find(b"END     ", at + 1)
    return at


def _find_cards(header):
    """The first card of each name."""
    cards, text = {}, header.decode("latin-1")
    for first in range(0, len(text), _CARD):
        name = text[first : first + 8].rstrip()
        if name == "END":
            break
        cards.setdefault(name, text[first + 10 : first + _CARD])
    return cards


def _check_hdu(cards, there, number, path):
    """The size of the data of an HDU, bytes, and how many rows a table claims."""

    def count(name, default=None):
        text = cards.get(name, default)
        value = re.match(r"\s*([-+]?\d{1,18})\s*(?:/|$)", str(text))
        if value is None or int(value[1]) < 0:
            raise AgnError(f"{name} in HDU {number} of {path} must be a whole number; got {text!r}.")
        return int(value[1])

    if count("NAXIS") > MOST_COLUMNS:
        raise AgnError(f"NAXIS in HDU {number} of {path} must be at most 999; got {count('NAXIS')}.")
    axes = [count(f"NAXIS{axis + 1}") for axis in range(count("NAXIS"))]
    n_values = int(bool(axes))
    # The first axis of random groups is 0 by definition.
    for axis in axes[1:] if axes and not axes[0] and "T" in cards.get("GROUPS", "") else axes:
        n_values *= axis
    bits = re.match(r"\s*-?(8|16|32|64)\s*(?:/|$)", cards.get("BITPIX", ""))
    if bits is None:
        raise AgnError(
            f"BITPIX in HDU {number} of {path} must be 8, 16, 32, 64 or such; got {cards.get('BITPIX')!r}."
        )
    size = int(bits[1]) // 8 * count("GCOUNT", 1) * (count("PCOUNT", 0) + n_values)
    if size > there:
        raise AgnError(
            f"{path} is truncated in HDU {number}: {-(-size // _BLOCK) * _BLOCK - there} bytes are missing; "
            "get the file again."
        )
    if "TFIELDS" in cards:
        if count("TFIELDS") > 999:
            raise AgnError(f"HDU {number} of {path} must have at most 999 columns; got {count('TFIELDS')}.")
        if len(axes) == 2 and axes[1] > max(there, 1):
            raise AgnError(f"HDU {number} of {path} must hold its rows; it has {axes[1]} in {there} bytes.")
        if cards.get("XTENSION", "").strip(" '").startswith("BINTABLE"):
            _check_columns(cards, count("TFIELDS"), axes, f"HDU {number} of {path}")
    if "ZNAXIS" in cards:
        n_values = 1
        for axis in range(min(count("ZNAXIS"), 999)):
            n_values *= count(f"ZNAXIS{axis + 1}")
        if n_values * 8 > LARGEST_FILE:
            raise AgnError(
                f"the image of HDU {number} of {path} must have at most {LARGEST_FILE >> 20} MB; it has "
                f"{n_values * 8 >> 20}."
            )
    return size, axes[1] if "TFIELDS" in cards and len(axes) == 2 else 0


def _check_columns(cards, n_columns, axes, place):
    width = 0
    for column in range(1, n_columns + 1):
        form = re.match(r"\s*'\s*(\d{0,18})([A-Z])", cards.get(f"TFORM{column}", ""))
        if form is None or form[2] not in _BITS:
            raise AgnError(f"TFORM{column} in {place} must be a type; got {cards.get(f'TFORM{column}')!r}.")
        width += -(-int(form[1] or 1) * _BITS[form[2]] // 8)
    if len(axes) == 2 and width > axes[0]:
        raise AgnError(f"{place} must have rows as long as its columns; got {axes[0]} and {width} bytes.")


def check_votable(content, path):
    """Refuse a VOTable that refers to other files, declares entities, or promises more than there is.

    Raises AgnError.
    """
    # Two-byte encodings hide letters behind zeros.
    plain = content.replace(b"\0", b"").lower()
    found = next((mark for mark in _FORBIDDEN if mark in plain), None)
    if found or (b"<stream" in plain and b"href" in plain):
        what = found.decode() if found else "<stream href"
        raise AgnError(f"{path} must be a VOTable that holds its data and no entities; it has {what}…")
    check_columns(max(plain.count(b"<field"), plain.count(b":field")), path)
    for promised in re.finditer(rb"\b(?:nrows|arraysize)\s*=\s*[\"']([\dx]{1,40})", plain):
        n_values = 1
        for part in filter(None, promised[1].split(b"x")):
            n_values *= int(part)
        if n_values > len(content):
            raise AgnError(f"{path} must hold what it promises; it says {promised[0].decode()!r}.")


def check_columns(number, path):
    """Raise AgnError for a table of more than `MOST_COLUMNS` columns."""
    if number > MOST_COLUMNS:
        raise AgnError(f"{path} must have at most {MOST_COLUMNS} columns; it has {number}.")


def check_size(size, path):
    """Raise AgnError for what would take more than `LARGEST_FILE` bytes of memory once it is read."""
    if size > LARGEST_FILE:
        raise AgnError(
            f"{path} must unpack to at most {LARGEST_FILE >> 20} MB; its header promises {size >> 20}; "
            "divide it."
        )


def check_parquet(content, path):
    """Raise AgnError for Parquet (bytes) whose columns, unpacked, would be larger than `LARGEST_FILE`."""
    import pyarrow.parquet

    found = pyarrow.parquet.ParquetFile(io.BytesIO(content)).metadata
    check_columns(found.num_columns, path)
    # Many equal values take no place in the file.  Columns must not be asked for their own numbers: where one
    # is damaged, pyarrow ends the process.
    check_size(8 * found.num_rows * found.num_columns, path)
