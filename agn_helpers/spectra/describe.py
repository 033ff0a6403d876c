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
from .roles import AXES, assign_roles, name_role

# What is used of a file of SDSS or DESI.
_OF_SURVEYS = ("flux", "loglam", "wavelength", "ivar", "mask")

# Of tables about objects: what is read of them.
_ABOUT = {"TARGETID", "OBJTYPE", "NAME", "OBJECT", "TYPE", "Z", "ZWARNING", "ZWARN", "CLASS", "SUBCLASS"}

_ABOUT |= {"SPECTYPE", "PLATE", "MJD", "FIBERID", "FIELD", "CATALOGID", "PLUG_RA", "PLUG_DEC"}

_ABOUT |= {"TARGET_RA", "TARGET_DEC"}

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
        Columns ``place, name, unit, length, taken for`` ("-": not used); of a file of many spectra those of
        the first.
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
            if number == 0 and isinstance(item, dict):
                held = [(*row[:-1], row[-1] if row[-1] in _OF_SURVEYS else "-") for row in held]
            elif number == 0:
                held = _list_columns(item, columns, held, path)
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
    read = Table(
        rows=found or None, names=kinds, dtype=("U60", int, int, float, float, float, "U30", "U40", "U60")
    )
    read["redshift"].info.format = _format_redshift
    return FileContents(Table(rows=held or None, names=names, dtype=[str] * 5), read, notes, problem)


def _format_redshift(value):
    return "unknown" if value is np.ma.masked or np.isnan(value) else f"{value:.6g}"


def _describe(place, name, unit, length, role):
    return place, str(name), str(unit or ""), str(length), role or "-"


def _list_columns(layout, chosen, held, path):
    """The columns of a spectrum with what they are used as, then the places that hold none of them."""
    try:
        roles, _ = assign_roles(layout.columns, chosen, path)
    except SpectrumError:
        # What would be taken for what, were it not for the error.
        roles = {}
        known = [name_role(c.name, c.ucd, c.utype)[0] or c.role for c in layout.columns]
    else:
        used = {id(column): role for role, column in roles.items()}
        known = [used.get(id(column), "") for column in layout.columns]
        known = [c.axis if role == "wavelength" else role for c, role in zip(layout.columns, known)]
    places = {name.upper(): place for place, name, *_ in reversed(held)}
    # An image may be known as flux, its rows by their names, its axis by a card.
    names = {column.name.upper() for column in layout.columns}
    others = {place for place, name, *_ in held if name and name == place[2:] and name.upper() not in names}
    default = others.pop() if len(others) == 1 else ""
    rows = [
        _describe(places.get(c.name.upper(), default), c.name, c.unit, np.size(c.values), role)
        for c, role in zip(layout.columns, known)
    ]
    used = {row[0] for row in rows}
    return rows + [(*row[:-1], "-") for row in held if row[0] not in used and "columns" in row[3]]


def _list_hdus(content):
    """Images, and the columns of tables, of a FITS file; of tables about objects what may be used."""
    rows = []
    with warnings.catch_warnings(), fits.open(io.BytesIO(content)) as hdus:
        warnings.simplefilter("ignore")
        for number, hdu in enumerate(hdus):
            place = f"{number} {hdu.name}"
            if isinstance(hdu, fits.BinTableHDU | fits.TableHDU) and not isinstance(hdu, fits.CompImageHDU):
                length = hdu.header["NAXIS2"]
                roles = [name_role(column.name)[0] for column in hdu.columns]
                if "flux" in roles or set(roles).intersection(AXES):
                    rows += [
                        _describe(place, c.name, c.unit, f"{length} x {c.format}", role)
                        for c, role in zip(hdu.columns, roles)
                    ]
                else:
                    names = [c.name for c in hdu.columns if c.name.upper() in _ABOUT]
                    rows.append(
                        _describe(place, ", ".join(names), "", f"{length} x {len(roles)} columns", "")
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
