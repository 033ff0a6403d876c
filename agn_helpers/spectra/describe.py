"""What is read, and what a file holds: the tables that `agn formats` and `agn inspect` print."""

import io
import re
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.io import fits
from astropy.table import Table

from ..errors import SpectrumError
from .reading import find_spectra, finish_spectrum, name_in_file, read_content
from .roles import name_role

_FEW = 20

#: What is read: files, how they are recognised and laid out, medium and mask by their custom.
FORMATS = (
    ("SDSS spec", "table with flux, loglam, ivar in any HDU; SDSS-V too", "vacuum", "ivar 0"),
    ("SDSS spSpec", "image of 4 to 6 rows with COEFF0 and PLATEID", "vacuum", "sigma 0"),
    ("LAMOST", "image of 5 rows (DR1-7) or a row of arrays (DR8 on)", "vacuum", "ivar 0"),
    ("DESI coadd, spectra", "B_, R_, Z_ images by target; redrock's file beside it", "vacuum", "0 is good"),
    ("SPARCL", "table of arrays (Parquet, FITS) or a row a pixel", "vacuum", "0 is good; SDSS: ivar 0"),
    ("ESO Phase 3, 4MOST", "a row of arrays; roles by UCD and name", "as UCD says", "0 is good"),
    (
        "X-shooter, MPDAF, images",
        "images FLUX, ERRS, QUAL; DATA, STAT; WAVELENGTH",
        "as CTYPE1 says",
        "0 is good",
    ),
    ("2dfdr, AAOmega", "image and VARIANCE, a table FIBRES; counts", "air, or VACUUM", "-"),
    ("OzDES, WiggleZ, GAMA", "through specutils; or rows named by ROW1 …", "air; GAMA: -", "-"),
    ("2dFGRS", "an HDU a spectrum, rows flux, variance, sky; counts", "air", "-"),
    ("PypeIt", "coadd (OneSpec) and spec1d (a table an object)", "vacuum", "1 is good"),
    ("VIPERS", "WAVES, FLUXES, NOISE, MASK", "air", "0 is good"),
    ("IRAF", "equispec, multispec, bands; linear and log-linear", "as comments say", "-"),
    ("FITS table", "columns by name, unit and UCD; a row or an HDU a spectrum", "as stated", "0 is good"),
    ("VOTable, ECSV, IPAC, CDS", "columns by name and unit", "as stated", "0 is good"),
    ("Parquet, HDF5", "columns by name and unit (HDF5 needs h5py)", "as stated", "0 is good"),
    ("text", "columns by names and units in the header or a comment", "as comments say", "0 is good"),
    ("HST, JWST, 6dFGS, …", "through specutils, where it is installed", "as it says", "as it says"),
)


class FileContents(NamedTuple):
    """What `inspect_file` found.

    Attributes
    ----------
    columns : Table
        Columns ``place, name, unit, length, taken for``.
    spectra : Table
        Columns ``name, pixels, usable, from, to, redshift, format, medium, flux unit``: how each would be
        read.
    assumptions : list of str
        Of the first.
    problem : str
        Why the file, or its first spectrum, cannot be read; "" where it can.
    """

    columns: Table
    spectra: Table
    assumptions: list
    problem: str


def list_formats():
    """What is read.

    Returns
    -------
    astropy.table.Table
        Columns ``format, layout, medium, mask``.
    """
    return Table(rows=FORMATS, names=("format", "layout", "medium", "mask"))


def inspect_file(path, *, columns=None, medium=None, most=20):
    """Say what a file holds and how it would be read.

    Parameters
    ----------
    path : str or path-like
    columns : dict, optional
    medium : "air" or "vacuum", optional
        As for `read_spectrum`.
    most : int
        Spectra of a file of many that are looked at.

    Returns
    -------
    FileContents

    Raises
    ------
    SpectrumError
        Only for a file that cannot be opened, or is plainly no spectrum.
    """
    path = Path(path)
    content = read_content(path)
    held = _list_hdus(content) if content.startswith(b"SIMPLE  =") else []
    found, notes, problem = [], [], ""
    try:
        spectra = find_spectra(path, columns=columns, medium=medium)
        for number, (name, item) in enumerate(zip(spectra.names, spectra.items)):
            if number == 0 and not held and not isinstance(item, dict):
                held = [
                    _describe("", c.name, c.unit, np.size(c.values), c.role or _role(c)) for c in item.columns
                ]
            if number >= most:
                break
            name = name_in_file(path, name, spectra.count)
            spectrum = finish_spectrum(
                item, name, path, redshift=None, label=None, columns=columns, medium=medium
            )
            notes = notes or spectrum.meta["assumptions"]
            found.append(_summarise(spectrum))
    except SpectrumError as error:
        problem = str(error)
    names = ("place", "name", "unit", "length", "taken for")
    kinds = ("name", "pixels", "usable", "from", "to", "redshift", "format", "medium", "flux unit")
    return FileContents(
        Table(rows=held or None, names=names, dtype=("U40", "U40", "U60", "U20", "U20")),
        Table(
            rows=found or None, names=kinds, dtype=("U60", int, int, float, float, float, "U30", "U40", "U60")
        ),
        notes,
        problem,
    )


def _role(column):
    return name_role(column.name, column.ucd, column.utype)[0]


def _describe(place, name, unit, length, role):
    return place, str(name), str(unit or ""), str(length), role or "-"


def _list_hdus(content):
    """Images, and the columns of tables, of a FITS file."""
    rows = []
    with warnings.catch_warnings(), fits.open(io.BytesIO(content)) as hdus:
        warnings.simplefilter("ignore")
        for number, hdu in enumerate(hdus):
            place = f"{number} {hdu.name}"
            if isinstance(hdu, fits.BinTableHDU | fits.TableHDU) and not isinstance(hdu, fits.CompImageHDU):
                length = hdu.header["NAXIS2"]
                for column in hdu.columns:
                    role = name_role(column.name)[0]
                    # Catalogues of a hundred columns would bury the spectrum.
                    if role is not None or len(hdu.columns) <= _FEW:
                        rows.append(
                            _describe(place, column.name, column.unit, f"{length} x {column.format}", role)
                        )
            elif hdu.shape:
                shape = " x ".join(map(str, hdu.shape))
                role = name_role(re.sub(r"^[A-Z]{1,3}_", "", hdu.name))[0]
                rows.append(_describe(place, hdu.name, hdu.header.get("BUNIT", ""), shape, role))
    return rows


def _summarise(spectrum):
    used = spectrum.ivar > 0
    low, high = spectrum.wavelength[used][[0, -1]] if used.any() else (np.nan, np.nan)
    meta = spectrum.meta
    return (
        spectrum.name, used.size, int(used.sum()), round(float(low), 2), round(float(high), 2),
        spectrum.redshift,
        meta["format"], meta.get("medium", ""), meta.get("flux_unit", ""),
    )  # fmt: skip
