"""FITS files of any layout but that of SDSS: surveys, tables, images."""

import io
import re
import warnings

from astropy.io import fits
from astropy.table import Table

from ..errors import SpectrumError
from ..limits import check_fits, summarise_error
from .axes import read_axis
from .desi import is_desi, read_desi
from .fits_images import describe_headers, is_image, list_hdus, read_images
from .roles import AXES, name_role
from .surveys import adapt_to_survey, read_survey
from .tables import layouts_of_table
from .units import kind_of_unit

# Columns of a table that may be a spectrum without known names.
_FEW = 4


def read_fits(content, path, chosen):
    """Read a FITS file in memory into the spectra that it holds.

    Parameters
    ----------
    content : bytes or None
        None to read from the disk what is needed.
    path : pathlib.Path
        For errors, and for what lies beside the file.
    chosen : dict or None
        Role to name, as the user gave it; decides between HDUs.

    Returns
    -------
    list of Layout, or an iterable with a length of fields (DESI)

    Raises
    ------
    SpectrumError
        For damaged files, and for those without a spectrum.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if content is None:
                with open(path, "rb") as file:
                    check_fits(file, path)
                warnings.filterwarnings("error", message=".*truncated.*")
            hdus = fits.open(path if content is None else io.BytesIO(content), lazy_load_hdus=False)
            if is_desi(hdus):
                return read_desi(hdus, path)
            layouts = (
                read_survey(hdus, path) or _read_tables(hdus, path, chosen) or read_images(hdus, path, chosen)
            )
    except SpectrumError:
        raise
    except Exception as error:  # astropy's readers raise whatever a damaged file makes of them.
        reason = summarise_error(error)
        raise SpectrumError(f"{path} must be a sound FITS file; reading it says: {reason}.") from error
    if not layouts:
        raise SpectrumError(
            f"{path} holds no spectrum: no image, and no table with wavelength and flux; it holds "
            f"{list_hdus(hdus)}."
        )
    for layout in layouts:
        adapt_to_survey(layout, hdus)
    return layouts


def _read_tables(hdus, path, chosen):
    """Spectra in tables: those that hold a flux and an axis, or the columns that the user names."""
    wanted = {re.sub(r"\s*\[.*", "", str(name)).lower() for name in (chosen or {}).values()}
    found, first = [], None
    for hdu in hdus:
        if not isinstance(hdu, fits.BinTableHDU | fits.TableHDU) or isinstance(hdu, fits.CompImageHDU):
            continue
        names = {name.lower() for name in hdu.columns.names}
        roles = {name_role(name, *_ucds(hdu, name))[0] for name in hdu.columns.names}
        axis = roles.intersection(AXES)
        flux = roles & {"flux", "energy flux"}
        if not any(is_image(other) for other in hdus):
            # Beside images, tables of magnitudes are about the objects.
            flux |= roles & {"magnitude", "counts", "other flux"}
        first = first or (hdu if flux or axis else None)
        if (wanted and wanted <= names) or (flux and (axis or _table_axis(hdu)) and not (wanted - names)):
            found.append(hdu)
    if not found and first is not None and not any(is_image(hdu) for hdu in hdus):
        # Its own error says what is missing.
        found = [first]
    if not found and not any(is_image(hdu) for hdu in hdus):
        tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)]
        units = [unit for hdu in tables for unit in hdu.columns.units]
        # Units may tell, or the error what is missing.
        found = tables if len(tables) == 1 and (len(units) <= _FEW or any(map(kind_of_unit, units))) else []
    layouts = []
    for hdu in found:
        table = Table.read(hdu)
        if not len(table):
            continue
        _keep_ucds(table, hdu)
        parts = layouts_of_table(table, "FITS table", [], path)
        axis = _table_axis(hdu)
        for number, part in enumerate(parts):
            if axis is not None and not any(name_role(c.name)[0] in AXES for c in part.columns):
                part.columns.append(axis(len(part.columns[0].values)))
            describe_headers(part, [hdus[0].header, hdu.header], alone=len(parts) == 1)
            if len(found) > 1:
                name = hdu.name or str(number)
                part.name = f"{name}-{part.name}" if part.name else name
        layouts += parts
    return layouts


def _ucds(hdu, name):
    number = hdu.columns.names.index(name) + 1
    utype = next(
        (hdu.header[f"{key}{number}"] for key in ("TUTYP", "TUTYPE") if f"{key}{number}" in hdu.header), ""
    )
    return str(hdu.header.get(f"TUCD{number}", "")), str(utype)


def _keep_ucds(table, hdu):
    for name in table.colnames:
        ucd, utype = _ucds(hdu, name)
        number = hdu.columns.names.index(name) + 1
        table[name].info.meta = {"ucd": ucd, "utype": utype}
        table[name].info.description = str(hdu.header.comments[f"TTYPE{number}"])
        unit = hdu.header.get(f"TUNIT{number}")
        if unit is not None:
            # astropy takes A for the ampere; the text is kept and understood later.
            table[name].info.meta["unit"] = str(unit)


def _table_axis(hdu):
    """The axis that the header of a table describes, where no column does: COEFF0 or CRVAL1."""
    if "COEFF0" in hdu.header or (
        "CRVAL1" in hdu.header and ("CDELT1" in hdu.header or "CD1_1" in hdu.header)
    ):
        return lambda n_pixels: read_axis(hdu.header, n_pixels)
    return None
