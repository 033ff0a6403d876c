"""Masks in Rice-compressed images, as DESI's are: only the rows that are asked for, and zeros at no cost.

A mask is nearly all zeros, and so is what it is compressed to.  astropy takes 50 µs for any row, most of it
for its headers; what is not compressed row by row in this way, or has many pixels masked, is left to it.

Rice's code: Pence, Seaman & White 2009, PASP 121, 414; FITS Standard 4.0, section 10.4.1.
"""

import numpy as np

# Of integers of 32 bits: bits that say how a block is coded, the number that says that it is not, and of one.
_SPLIT, _PLAIN, _WIDTH = 5, 25, 32

# A block in which anything changes takes as long as half a row of astropy's, and some 25 bytes.
_SPARSE = 1.8

_FIXED = {"ZCMPTYPE": "RICE_1", "ZBITPIX": 32, "ZNAXIS": 2, "ZTILE2": 1}


class RiceMask:
    """Which pixels of the rows of a compressed image of integers are not 0.

    Parameters
    ----------
    table : astropy.io.fits.BinTableHDU
        The image as it is stored, of an uncompressed file opened with ``disable_image_compression``.
    path : path
        Of the file.
    """

    def __init__(self, table, path):
        header = table.header
        self.n_pixels = header["ZNAXIS1"]
        options = {header.get(f"ZNAME{n}"): header.get(f"ZVAL{n}") for n in range(1, 5)}
        self._block = options.get("BLOCKSIZE", 32)
        self._places = table.data.view(np.ndarray)["COMPRESSED_DATA"].astype(int)
        start = table.fileinfo()["datLoc"] + header.get("THEAP", header["NAXIS1"] * header["NAXIS2"])
        end = table.fileinfo()["datLoc"] + header["NAXIS1"] * header["NAXIS2"] + header["PCOUNT"]
        codes = np.memmap(path, dtype=np.uint8, mode="r", offset=start, shape=(end - start,))
        self._codes = np.asarray(codes)

    def is_sparse(self, rows):
        """Whether some rows' codes are so little longer than those of zeros that `find` is the faster way."""
        of_zeros = (_WIDTH + _SPLIT * self.n_pixels / self._block) / 8
        return self._places[rows, 0].mean() < _SPARSE * of_zeros

    def find(self, rows):
        """Bool array (n_rows, n_pixels); None where all are 0."""
        found = None
        for number, (length, first) in enumerate(self._places[rows].tolist()):
            nonzero = find_nonzero(self._codes[first : first + length].tobytes(), self.n_pixels, self._block)
            if nonzero is not None:
                found = np.zeros((len(self._places[rows]), self.n_pixels), bool) if found is None else found
                found[number] = nonzero
        return found


def is_rice(table):
    """Whether `RiceMask` reads a table: 32-bit integers, a tile a row, no scale, no other columns."""
    header = table.header
    options = {header.get(f"ZNAME{n}"): header.get(f"ZVAL{n}") for n in range(1, 5)}
    return (
        all(header.get(key) == value for key, value in _FIXED.items())
        and header.get("ZTILE1") == header.get("ZNAXIS1")
        and not {"BSCALE", "BZERO", "ZSCALE", "ZZERO"} & set(header)
        and options.get("BYTEPIX", 4) == 4
        and [column.name for column in table.columns] == ["COMPRESSED_DATA"]
    )


def find_nonzero(code, n_pixels, block):
    """Which of `n_pixels` integers in Rice's code (bytes) are not 0: bool array, None for none of them.

    Raises ValueError for a code that ends too early.
    """
    n_blocks = -(-n_pixels // block)
    if 8 * len(code) < _WIDTH + _SPLIT * n_blocks:
        raise ValueError(f"{len(code)} bytes are too few for {n_pixels} compressed pixels")
    if not code.strip(b"\0"):
        return None
    bits = format(int.from_bytes(code, "big"), f"0{8 * len(code)}b")
    value, place, pixel = int(bits[:_WIDTH], 2), _WIDTH, 0
    nonzero = np.empty(n_pixels, bool)
    while pixel < n_pixels:
        # Blocks in which nothing changes are so many zeros.
        one = bits.find("1", place)
        same = ((one if one >= 0 else len(bits)) - place) // _SPLIT
        nonzero[pixel : pixel + same * block] = value != 0
        pixel, place = pixel + same * block, place + same * _SPLIT
        if pixel >= n_pixels:
            break
        low = int(bits[place : place + _SPLIT], 2) - 1
        place += _SPLIT
        for number in range(pixel, min(pixel + block, n_pixels)):
            if low == _PLAIN:
                difference, place = int(bits[place : place + _WIDTH], 2), place + _WIDTH
            else:
                one = bits.index("1", place)
                difference = (one - place) << low | int(bits[one + 1 : one + 1 + low] or "0", 2)
                place = one + 1 + low
            value = (value + (difference >> 1 ^ -(difference & 1))) % (1 << _WIDTH)
            nonzero[number] = value != 0
        pixel += block
    return nonzero
