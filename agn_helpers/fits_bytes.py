"""A few columns out of a FITS file in memory, without setting up the others.

astropy builds every one of the up to 236 columns of an SDSS catalogue row, which takes many times longer than
the spectrum itself.  Layout after the FITS standard 4.0 (Chen et al. 2018), sections 3, 4 and 7.3.
"""

import re
from typing import NamedTuple

import numpy as np

from .errors import SpectrumError

_BLOCK = 2880
_CARD = 80
_END = b"END".ljust(_CARD)
# Table 18; descriptors of variable-length arrays (P, Q) are only stepped over.
_TYPES = {"L": "S1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_TYPES |= {"C": ">c8", "M": ">c16", "P": "V8", "Q": "V16"}


class Hdu(NamedTuple):
    """One header and where its data begin.

    Attributes
    ----------
    cards : dict
        Keyword -> the rest of the card, as text.
    start : int
        Offset of the data in the file, bytes.
    """

    cards: dict
    start: int

    def value(self, key, default=None):
        """The value of a card as text, or `default`."""
        card = self.cards.get(key)
        if card is None:
            return default
        if card.lstrip().startswith("'"):
            return card.split("'")[1].strip()
        return card.split("/")[0].strip()

    def is_table(self):
        """Whether this is a binary table."""
        return self.value("XTENSION") == "BINTABLE"

    def size(self):
        """Length of the data in bytes, without padding."""
        axes = [int(self.value(f"NAXIS{i + 1}")) for i in range(int(self.value("NAXIS")))]
        values = int(self.value("PCOUNT", 0)) + int(np.prod(axes, dtype=object)) if axes else 0
        size = abs(int(self.value("BITPIX"))) // 8 * int(self.value("GCOUNT", 1)) * values
        if size < 0:
            raise ValueError(f"a header claims {size} bytes of data")
        return size


def split_hdus(content, path):
    """Find all HDUs of a FITS file.

    Parameters
    ----------
    content : bytes
        The whole file.
    path : path-like
        Where it came from, for errors.

    Returns
    -------
    list of Hdu

    Raises
    ------
    SpectrumError
        For a file that ends too early, in whichever HDU.
    """
    hdus, start = [], 0
    while not hdus or (start < len(content) and b"XTENSION".startswith(content[start : start + 8])):
        end = content.find(_END, start)
        while end > 0 and (end - start) % _CARD:
            end = content.find(_END, end + 1)
        if end < 0:
            missing = _BLOCK - (len(content) - start) % _BLOCK
            raise SpectrumError(
                f"{path} is truncated in the header of HDU {len(hdus)}: at least {missing} bytes are "
                "missing; get the file again."
            )
        text = content[start:end].decode("latin-1")
        cards = {text[i : i + 8].rstrip(): text[i + 10 : i + _CARD] for i in range(0, len(text), _CARD)}
        hdu = Hdu(cards, start + _whole_blocks(end + _CARD - start))
        start = hdu.start + _whole_blocks(hdu.size())
        if start > len(content):
            raise SpectrumError(
                f"{path} is truncated in HDU {len(hdus)}: {start - len(content)} bytes are missing; "
                "get the file again."
            )
        hdus.append(hdu)
    return hdus


def _whole_blocks(size):
    return -(-size // _BLOCK) * _BLOCK


def read_columns(content, hdu, names):
    """Read columns of a binary table.

    Parameters
    ----------
    content : bytes
        The whole file.
    hdu : Hdu
        A binary table in it.
    names : collection of str
        Wanted columns, upper case; the file's may be lower case.

    Returns
    -------
    dict
        Those of the wanted columns that exist, by upper-case name, each (n_rows,): text as bytes, numbers
        big-endian; of a column of arrays the first element.
    """
    columns, offset = {}, 0
    rows, row_length = int(hdu.value("NAXIS2")), int(hdu.value("NAXIS1"))
    for i in range(1, int(hdu.value("TFIELDS")) + 1):
        repeat, code = re.match(r"(\d*)([A-Z])", hdu.value(f"TFORM{i}")).groups()
        count = int(repeat or 1)
        if code in "AX":
            # A string of `count` bytes, or `count` bits.
            kind = np.dtype(f"S{count}" if code == "A" else f"V{-(-count // 8)}")
            count = 1
        else:
            kind = np.dtype(_TYPES[code])
        name = hdu.value(f"TTYPE{i}", "").upper()
        if name in names:
            column = np.ndarray((rows,), kind, content, hdu.start + offset, (row_length,))
            if f"TSCAL{i}" in hdu.cards or f"TZERO{i}" in hdu.cards:
                column = column * float(hdu.value(f"TSCAL{i}", 1)) + float(hdu.value(f"TZERO{i}", 0))
            columns[name] = column
        offset += count * kind.itemsize
    return columns
