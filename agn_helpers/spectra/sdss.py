"""The layouts of SDSS: reading ``spec`` (DR8 and later) and ``spSpec`` (DR7 and before), writing spec-lite.

What the files hold is described in the SDSS data model, https://data.sdss.org/datamodel.
"""

import functools
import re
from typing import NamedTuple

import numpy as np
from astropy.io import fits

from ..errors import SpectrumError
from ..files import whole_file
from .noise import invert_variance
from .redshifts import known_redshift, remark_on

_BLOCK = 2880

_CARD = 80

_END = b"END".ljust(_CARD)

# Headers of tables that are kept, parsed: some 20 kB each.
_LAYOUTS = 500

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
    header : bytes
        The cards as they stand in the file.
    """

    cards: dict
    start: int
    header: bytes

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
        header = content[start:end]
        # Every file has a first header of its own; those of tables are the same in many.
        cards = _parse_cards(header) if hdus else _parse_cards.__wrapped__(header)
        hdu = Hdu(cards, start + _whole_blocks(end + _CARD - start), header)
        start = hdu.start + _whole_blocks(hdu.size())
        if start > len(content):
            raise SpectrumError(
                f"{path} is truncated in HDU {len(hdus)}: {start - len(content)} bytes are missing; "
                "get the file again."
            )
        hdus.append(hdu)
    return hdus


@functools.lru_cache(maxsize=_LAYOUTS)
def _parse_cards(header):
    text = header.decode("latin-1")
    return {text[i : i + 8].rstrip(): text[i + 10 : i + _CARD] for i in range(0, len(text), _CARD)}


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
    rows, row_length, layout = _lay_out(hdu.header)
    columns = {}
    for name in layout.keys() & names:
        kind, offset, scaling = layout[name]
        column = np.ndarray((rows,), kind, content, hdu.start + offset, (row_length,))
        columns[name] = column if scaling is None else column * scaling[0] + scaling[1]
    return columns


@functools.lru_cache(maxsize=_LAYOUTS)
def _lay_out(header):
    """Rows of a table, their length, and by name the columns' type, offset, and scale and zero or None."""
    hdu = Hdu(_parse_cards(header), 0, header)
    columns, offset = {}, 0
    rows, row_length = int(hdu.value("NAXIS2")), int(hdu.value("NAXIS1"))
    for i in range(1, int(hdu.value("TFIELDS")) + 1):
        kind, size = _column_kind(hdu.cards[f"TFORM{i}"])
        scaling = None
        if f"TSCAL{i}" in hdu.cards or f"TZERO{i}" in hdu.cards:
            scaling = _number(hdu.value(f"TSCAL{i}", "1")), _number(hdu.value(f"TZERO{i}", "0"))
        columns[hdu.value(f"TTYPE{i}", "").upper()] = kind, offset, scaling
        offset += size
    if offset > row_length:
        raise ValueError(f"a table has rows of {row_length} bytes and columns of {offset}")
    return rows, row_length, columns


@functools.lru_cache(maxsize=1000)
def _column_kind(card):
    """The type of an element of a column and the length of a row of it, bytes, by the card TFORM."""
    repeat, code = re.search(r"(\d*)([A-Z])", card).groups()
    count = int(repeat or 1)
    if code in "AX":
        # A string of `count` bytes, or `count` bits.
        kind = np.dtype(f"S{count}" if code == "A" else f"V{-(-count // 8)}")
        return kind, kind.itemsize
    kind = np.dtype(_TYPES[code])
    return kind, count * kind.itemsize


def _number(text):
    """The value of a card as a float; exponents may be written with a D."""
    return float(text.upper().replace("D", "E"))


#: Unit of flux in SDSS files, as their header writes it.
SDSS_FLUX_UNIT = "1E-17 erg/cm^2/s/Ang"

_NEEDED = frozenset(("FLUX", "LOGLAM", "IVAR"))

_PIXELS = _NEEDED | {"AND_MASK"}

_CATALOGUE = frozenset(
    ("Z", "ZWARNING", "CLASS", "SUBCLASS", "PLATE", "MJD", "FIBERID", "FIELD", "CATALOGID", "SDSS_ID")
    + ("PLUG_RA", "PLUG_DEC", "RACAT", "DECCAT")
)

_FILE_NAMES = (
    re.compile(r"spec-(?P<plate>\d{4,6})-(?P<mjd>\d{5})-(?P<fiberid>\d{4})(?!\d)"),
    re.compile(r"spSpec-(?P<mjd>\d{5})-(?P<plate>\d{4})-(?P<fiberid>\d{3})(?!\d)"),
)

# SDSS's pixels are so wide (log10 Å), and 0 is one of them.
_GRID_STEP, _GRID_START = 1e-4, 3.4

# Bit 24 of the SDSS pixel mask, NODATA.
_NODATA = 1 << 24


def read_sdss(content, path):
    """Read a FITS file in memory that may be an SDSS spectrum.

    Parameters
    ----------
    content : bytes
        The whole file.
    path : pathlib.Path
        Where it came from, for errors and for identifiers that the file does not state.

    Returns
    -------
    dict or None
        The fields of an ObservedSpectrum; None for other FITS files.

    Raises
    ------
    SpectrumError
        For a truncated file (any FITS file).
    """
    hdus = split_hdus(content, path)
    primary = hdus[0]
    if _is_spspec(primary):
        return _read_spspec(content, primary, path)
    # Of full files the first such table is the coadd; the others are exposures.
    tables = sorted((hdu for hdu in hdus if hdu.is_table()), key=lambda hdu: hdu.value("EXTNAME") != "COADD")
    for hdu in tables:
        columns = read_columns(content, hdu, _PIXELS) if int(hdu.value("NAXIS2")) > 1 else {}
        if len(columns) >= len(_NEEDED) and columns.keys() >= _NEEDED:
            row = _read_catalogue(content, hdus)
            # The same three columns in anybody's table may be of any unit, with any mask.
            if row or hdu.value("EXTNAME") == "COADD" or "AND_MASK" in columns:
                return _read_spec(hdus[0], columns, row, path)
    return None


def _is_spspec(primary):
    """The image of 4 to 6 rows of SDSS-I/II, not that of LAMOST, which has another order of rows."""
    return (
        primary.value("NAXIS") == "2"
        and 4 <= int(primary.value("NAXIS2")) <= 6
        and "COEFF0" in primary.cards
        and "LAMOST" not in primary.value("TELESCOP", "").upper()
        and ("PLATEID" in primary.cards or primary.value("TELESCOP", "").startswith("SDSS"))
    )


def _read_spec(primary, columns, row, path):
    wavelength = _raise_ten(columns["LOGLAM"])
    meta = {
        "format": "SDSS spec",
        "medium": "vacuum",
        "class": row.get("CLASS", b"").decode("latin-1").strip(),
        "subclass": row.get("SUBCLASS", b"").decode("latin-1").strip(),
        "zwarning": int(row.get("ZWARNING", 0)),
        **_header_meta(primary),
        **_find_place(row, primary),
    }
    meta["assumptions"] = remark_on(meta)
    # Without the column CLASS, or an empty one, redshift 0 is no measurement.
    stated = row.get("Z", primary.value("Z", "nan"))
    redshift = known_redshift(stated, zwarning=meta["zwarning"], spectral_class=meta["class"])
    return {
        "wavelength": wavelength,
        "flux": columns["FLUX"].astype(float),
        "ivar": columns["IVAR"].astype(float),
        "redshift": redshift,
        **_identifiers(row, primary, path),
        "meta": meta,
    }


def _raise_ten(loglam):
    """Wavelengths (n,) by their logarithms; out of a table where these are pixels of SDSS's grid."""
    exponents, wavelengths = _sdss_grid()
    if loglam.dtype == ">f4" and len(loglam) and exponents[0] <= loglam[0] <= exponents[-1]:
        first = round((float(loglam[0]) - _GRID_START) / _GRID_STEP)
        part = slice(first, first + len(loglam))
        if np.array_equal(exponents[part], loglam):
            return wavelengths[part].copy()
    with np.errstate(over="ignore"):
        return 10 ** loglam.astype(float)


@functools.cache
def _sdss_grid():
    """All pixels that SDSS's spectra may have, 2500 to 12 600 Å: logarithms as in its files, wavelengths."""
    exponents = (_GRID_START + _GRID_STEP * np.arange(7000)).astype(np.float32)
    return exponents, 10 ** exponents.astype(float)


def _find_place(row, primary):
    """Right ascension and declination of the fibre, degrees; RA and DEC in headers are those of the plate."""
    found = {}
    for key, names in (("ra", ("PLUG_RA", "RACAT", "RAOBJ")), ("dec", ("PLUG_DEC", "DECCAT", "DECOBJ"))):
        value = next((row.get(name, primary.value(name)) for name in names
                      if name in row or name in primary.cards), "nan")  # fmt: skip
        found[key] = _number(str(value))
    return found if np.isfinite(found["ra"]) and abs(found["dec"]) <= 90 else {}


def _read_catalogue(content, hdus):
    """The row of SPECOBJ or SPALL, in whichever HDU; empty where there is none."""
    named = [hdu for hdu in hdus if hdu.value("EXTNAME") in ("SPECOBJ", "SPALL")]
    for hdu in named or [hdu for hdu in hdus if hdu.is_table() and hdu.value("NAXIS2") == "1"]:
        if hdu.is_table():
            columns = read_columns(content, hdu, _CATALOGUE)
            row = {key: column[0] for key, column in columns.items() if len(column)}
            if "Z" in row and (named or row.keys() & {"PLATE", "CLASS", "CATALOGID"}):
                return row
    return {}


def _read_spspec(content, primary, path):
    shape = int(primary.value("NAXIS2")), int(primary.value("NAXIS1"))
    kind = {"-32": ">f4", "-64": ">f8", "16": ">i2", "32": ">i4", "8": "u1"}[primary.value("BITPIX")]
    rows = np.ndarray(shape, kind, content, primary.start)
    if "BSCALE" in primary.cards or "BZERO" in primary.cards:
        rows = rows * _number(primary.value("BSCALE", "1")) + _number(primary.value("BZERO", "0"))
    # The WCS cards claim a linear axis; COEFF0 and COEFF1 are what holds.
    first, step = (_number(primary.value(key)) for key in ("COEFF0", "COEFF1"))
    # Class 0 is "unknown"; redshift 0 without a class is none.
    redshift = known_redshift(
        _number(primary.value("Z", "nan")), spectral_class=primary.value("SPEC_CLN", "")
    )
    meta = {"format": "SDSS spSpec", "medium": "vacuum", **_header_meta(primary)}
    meta |= {**_find_place({}, primary), "assumptions": []}
    return {
        "wavelength": 10 ** (first + step * np.arange(shape[1])),
        "flux": rows[0].astype(float),
        "ivar": invert_variance(rows[2]),
        "redshift": redshift,
        **_identifiers({}, primary, path),
        "meta": meta,
    }


def _identifiers(row, primary, path):
    """Plate, MJD and fibre from the catalogue row, else the primary header, else the file's name."""
    names = (pattern.search(path.name) for pattern in _FILE_NAMES)
    from_name = next((match.groupdict() for match in names if match), {})
    identifiers = {}
    for key in ("plate", "mjd", "fiberid"):
        word = key.upper()
        # Primary headers say PLATEID.
        stated = (row.get(word), primary.value(word), primary.value(word + "ID"), from_name.get(key))
        identifiers[key] = int(next((value for value in stated if value is not None), -1))
    catalogid = row.get("CATALOGID")
    if catalogid is not None and int(catalogid) > 0 and "FIELD" in row:
        # SDSS-V: no plates any more, and a fibre for each exposure.
        mjd = max(identifiers["mjd"], 0)
        return {"name": f"spec-{int(row['FIELD']):06d}-{mjd:05d}-{int(catalogid)}", "mjd": identifiers["mjd"]}
    if min(identifiers.values()) >= 0:
        return {"name": "spec-{plate:04d}-{mjd:05d}-{fiberid:04d}".format(**identifiers), **identifiers}
    return identifiers


def _header_meta(primary):
    # spSpec files write cm for cm^2.
    meta = {"flux_unit": primary.value("BUNIT", SDSS_FLUX_UNIT).replace("/cm/", "/cm^2/")}
    if "SURVEY" in primary.cards:
        meta["survey"] = primary.value("SURVEY")
    return meta


def write_spec_lite(spectrum, path):
    """Write a spectrum in the SDSS spec-lite layout.

    `read_spectrum`, astropy and specutils (which needs ``format="SDSS-III/IV spec"`` for an object without a
    fibre number) read it back; flux, ivar and log10 wavelength are float32, as in SDSS files.
    The header says ``SURVEY = 'synthetic'`` for a spectrum of the embedded survey.

    Parameters
    ----------
    spectrum : ObservedSpectrum
    path : str or path-like

    Raises
    ------
    SpectrumError
        Where float32 cannot tell neighbouring wavelengths apart, or overflows.
    AgnError
        Where `path` cannot be written.
    """
    loglam = np.log10(spectrum.wavelength).astype(np.float32)
    if not np.all(np.diff(loglam) > 0):
        raise SpectrumError(
            f"wavelengths must differ by more than 2e-7 dex, the precision of SDSS files; got steps down to "
            f"{np.diff(np.log10(spectrum.wavelength)).min():.1e} for {spectrum.name}; rebin the spectrum."
        )
    with np.errstate(over="ignore"):
        flux, ivar = spectrum.flux.astype(np.float32), spectrum.ivar.astype(np.float32)
    if not np.isfinite(ivar).all():
        raise SpectrumError(
            f"ivar must fit in float32; got {spectrum.ivar.max():.1e} for {spectrum.name}; "
            "give flux in units of 1e-17 erg/s/cm²/Å."
        )
    pixels = np.zeros(len(flux), dtype=_PIXEL_ROW)
    pixels["flux"], pixels["loglam"], pixels["ivar"] = flux, loglam, ivar
    pixels["and_mask"] = pixels["or_mask"] = np.where(ivar > 0, 0, _NODATA)
    meta = spectrum.meta
    row = np.zeros(1, dtype=_CATALOGUE_ROW)
    for name, key in (("SURVEY", "survey"), ("CLASS", "class"), ("SUBCLASS", "subclass")):
        row[name] = str(meta.get(key, "")).encode("ascii", "backslashreplace")
    row["Z"], row["ZWARNING"] = spectrum.redshift, meta.get("zwarning", 0)
    row["PLATE"], row["MJD"], row["FIBERID"] = spectrum.plate, spectrum.mjd, spectrum.fiberid
    # BOSS began with plate 3510 and calls its catalogue SPALL.
    catalogue = "SPECOBJ" if spectrum.plate < 3510 else "SPALL"
    tables = ((pixels, "COADD"), (row, catalogue), (np.zeros(0, dtype=_LINE_ROW), "SPZLINE"))
    blocks = [_fill_block(_primary_header(spectrum), b" ")]
    for rows, name in tables:
        blocks += [_table_header(rows.dtype, len(rows), name), _fill_block(rows.tobytes(), b"\0")]
    with whole_file(path) as temporary:
        temporary.write_bytes(b"".join(blocks))


_PIXEL_ROW = np.dtype(
    [(name, ">i4" if "mask" in name else ">f4") for name in
     ("flux", "loglam", "ivar", "and_mask", "or_mask", "wdisp", "sky", "model")]
)  # fmt: skip

_IDENTIFIERS = [(name, ">i4") for name in ("PLATE", "MJD", "FIBERID")]

_CATALOGUE_ROW = np.dtype(
    [
        ("SURVEY", "S16"),
        ("CLASS", "S6"),
        ("SUBCLASS", "S21"),
        ("Z", ">f4"),
        ("ZWARNING", ">i4"),
        *_IDENTIFIERS,
    ]
)

_LINE_ROW = np.dtype([*_IDENTIFIERS, ("LINENAME", "S13"), ("LINEZ", ">f4")])


def _fill_block(content, filling):
    return content.ljust(_whole_blocks(len(content)), filling)


def _primary_header(spectrum):
    """The header of what is no table, bytes."""
    meta = spectrum.meta
    cards = [
        ("SIMPLE", True, "conforms to FITS standard"),
        ("BITPIX", 8, "array data type"),
        ("NAXIS", 0, "number of array dimensions"),
        ("EXTEND", True),
        # specutils recognises an SDSS file by TELESCOP, VERS2D and FIBERID.
        ("TELESCOP", "SDSS 2.5-M", "names the layout of this file"),
        ("VERS2D", "v5", "names the layout of this file"),
        ("PLATEID", spectrum.plate),
        ("MJD", spectrum.mjd),
        ("FIBERID", spectrum.fiberid),
        ("BUNIT", meta.get("flux_unit", SDSS_FLUX_UNIT)),
        ("VACUUM", True, "wavelengths are in vacuum"),
        *([("SURVEY", meta["survey"])] if "survey" in meta else []),
    ]
    return b"".join(_write_card(*card) for card in cards) + _END


@functools.lru_cache(maxsize=1000)
def _write_card(*card):
    return fits.Card(*card).image.encode("ascii")


@functools.lru_cache(maxsize=100)
def _table_header(kind, n_rows, name):
    """The header of a table, as astropy writes it: once a layout."""
    columns = fits.BinTableHDU(np.zeros(n_rows, dtype=kind), name=name)
    return columns.header.tostring().encode("ascii")
