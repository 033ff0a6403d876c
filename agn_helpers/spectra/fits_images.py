"""FITS images: with a spectral axis, several by their names, rows by theirs, IRAF's bands."""

import re

import numpy as np
from astropy.io import fits
from astropy.table import Table

from ..errors import SpectrumError
from .assemble import Layout
from .axes import read_axis, read_multispec
from .medium import medium_in_header
from .redshifts import known_redshift, redshift_in_comments, redshift_in_header
from .roles import AXES, Column, name_role

_MOST_APERTURES = 10_000


def list_hdus(hdus):
    parts = []
    for number, hdu in enumerate(hdus):
        kind = "table" if isinstance(hdu, fits.BinTableHDU | fits.TableHDU) else "image"
        shown = (
            f" ({', '.join(hdu.columns.names[:12])})"
            if kind == "table"
            else f" {hdu.shape}"
            if hdu.shape
            else ""
        )
        parts.append(f"HDU {number} {hdu.name or 'without a name'} {kind}{shown}")
    return "; ".join(parts)[:400]


def describe_headers(layout, headers, *, alone=True):
    """What headers say of redshift, medium, type and place; the first that says anything holds.

    That of a file of many spectra (not `alone`) has the place of none.
    """
    comments = []
    for header in headers:
        comments += [str(line) for key in ("COMMENT", "HISTORY") for line in header.get(key, ())]
    layout.comments = layout.comments + comments
    for header in headers:
        redshift, meta = redshift_in_header(header)
        layout.meta = {**meta, **layout.meta}
        if np.isnan(layout.redshift):
            layout.redshift = redshift
        layout.medium = layout.medium or medium_in_header(header)
        if "SURVEY" in header and "survey" not in layout.meta:
            layout.meta["survey"] = str(header["SURVEY"]).strip()
        for key in ("ra", "dec"):
            value = header.get(key.upper())
            if alone and key not in layout.meta and isinstance(value, float | int):
                layout.meta[key] = float(value)
    if np.isnan(layout.redshift):
        layout.redshift = redshift_in_comments(comments)
    return layout


def _images(hdus):
    return [
        (number, hdu)
        for number, hdu in enumerate(hdus)
        if isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU)
        and hdu.shape
        and 0 not in hdu.shape
    ]


def is_image(hdu):
    return isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU) and bool(hdu.shape)


def read_images(hdus, path, chosen):
    """Spectra in images: each image a role by its name, or the rows of one image by theirs."""
    images = _images(hdus)
    if not images:
        return []
    shapes = {number: tuple(n for n in hdu.shape if n > 1) for number, hdu in images}
    names = {number: _image_name(number, hdu) for number, hdu in images}
    flux = _find_flux_image(hdus, names, chosen, path)
    shape, hdu = shapes[flux], hdus[flux]
    if len(shape) == 0 or len(shape) > 3:
        raise SpectrumError(f"{path} must hold a spectrum; its image is of shape {hdu.shape}.")
    if len(shape) > 1 and _row_names(hdu):
        return [_named_rows(hdus, hdu, path)]
    if len(shape) == 3 or (len(shape) == 2 and _has_bands(hdu)):
        return _read_bands(hdus, hdu, path)
    columns = {}
    for number, image in images:
        columns[number] = (names[number], image, shapes[number])
    if len(shape) == 1:
        return [_one_image(hdus, flux, columns, path)]
    return _many_rows(hdus, flux, columns, path)


def _find_flux_image(hdus, names, chosen, path):
    """Number of the HDU of flux: by the user, by name, else the primary array where it has no other name."""
    told = re.sub(r"\s*\[.*", "", str((chosen or {}).get("flux", ""))).lower()
    roles = {number: name_role(name)[0] for number, name in names.items()}
    for candidates in (
        [number for number, name in names.items() if name.lower() == told],
        *([number for number in names if roles[number] == role] for role in ("flux", "other flux")),
        [number for number in names if number == 0 and roles[0] is None],
        list(names) if len(names) == 1 and None in roles.values() else [],
    ):
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            break
    first = next(iter(names.values()))
    raise SpectrumError(
        f"{path} must hold one image of flux; it holds {list_hdus(hdus)}; say which is meant: "
        f'columns={{"flux": "{first}"}}, or --columns flux={first}.'
    )


def _image_name(number, hdu):
    """EXTNAME, else "flux" for a primary array, else the number of the HDU."""
    name = hdu.name.strip()
    if name and name.upper() != "PRIMARY":
        return name
    return "PRIMARY" if number == 0 else f"HDU {number}"


def _unit_of(hdu):
    unit = str(hdu.header.get("BUNIT", "")).strip()
    if not unit and "UNITS" in hdu.header:
        found = re.search(r"\"flux\"\s*:\s*\"([^\"]*)\"", str(hdu.header["UNITS"]))
        unit = found[1] if found else ""
    return unit


def _axis_image_unit(header, hdu):
    unit = str(hdu.header.get("BUNIT", hdu.header.get("CUNIT1", ""))).strip()
    if not unit and "UNITS" in header:
        found = re.search(r"\"wave\"\s*:\s*\"([^\"]*)\"", str(header["UNITS"]))
        unit = found[1] if found else ""
    return unit


def _one_image(hdus, flux, columns, path):
    """One spectrum, its flux in one image and the rest in others of the same length."""
    header, size = hdus[flux].header, hdus[flux].data.size
    found, unused, named_axis = [], [], False
    for number, (name, image, shape) in columns.items():
        role = "flux" if number == flux else name_role(name)[0]
        if shape != (size,):
            continue
        axis = role in AXES
        named_axis |= axis
        unit = _axis_image_unit(header, image) if axis else _unit_of(image)
        if role is None:
            unused.append(name)
        shown = "flux" if number == flux and name_role(name)[0] != "flux" else name
        found.append(
            Column(shown, _values(image).ravel(), unit, note=str(image.header.get("COMMENT", ""))[:80])
        )
    layout = Layout(found, "FITS images" if len(found) > 1 else "FITS image")
    if unused:
        layout.notes.append(f"{', '.join(unused)} without a known name: not used")
    if not named_axis:
        found.append(_require_axis(hdus, flux, size, path))
    return describe_headers(layout, [h.header for h in dict.fromkeys((hdus[flux], hdus[0]))])


def _values(hdu):
    """The numbers of an image, those marked as BLANK masked."""
    data = np.asarray(hdu.data)
    if data.dtype.kind in "iu" and "BLANK" in hdu.header:
        return np.ma.masked_equal(data, hdu.header["BLANK"])
    return data


def _require_axis(hdus, flux, size, path):
    hdu = hdus[flux]
    # The fastest axis that is longer than 1.
    number = next(i + 1 for i, n in enumerate(hdu.shape[::-1]) if n > 1)
    axis = None
    if str(hdu.header.get("CTYPE1", "")).upper().startswith("MULTISPE") or (
        "WAT2_001" in hdu.header and "spec1" in str(hdu.header["WAT2_001"])
    ):
        return read_multispec(hdu.header, 1, size, path)[0]
    for header in (hdu.header, hdus[0].header):
        axis = (
            axis or read_axis(header, size, axis=number) or (read_axis(header, size) if number > 1 else None)
        )
    if axis is None:
        raise SpectrumError(
            f"{path} must have wavelengths: neither an image or a column of them nor a spectral axis "
            "in the header "
            f"(CTYPE1, CRVAL1, CDELT1) is there; it holds {list_hdus(hdus)}."
        )
    return axis


def _row_names(hdu):
    """Names of the rows of an image by cards ROW1 … or ARRAY1 …; empty where there are none."""
    for key in ("ROW", "ARRAY"):
        found = [
            str(hdu.header[f"{key}{i + 1}"]).strip()
            for i in range(hdu.shape[0])
            if f"{key}{i + 1}" in hdu.header
        ]
        if len(found) >= 2:
            return found
    if "LAMOST" in str(hdu.header.get("TELESCOP", "")).upper() and 3 <= hdu.shape[0] <= 5:
        return ["Flux", "Inverse", "Wavelength", "Andmask", "Ormask"][: hdu.shape[0]]
    text = str(hdu.header.get("EXTEN0", ""))
    return [part.strip() for part in text.split(",")] if "," in text and "flux" in text.lower() else []


def _named_rows(hdus, hdu, path):
    names, data = _row_names(hdu), np.asarray(hdu.data)
    names += [f"ROW{i + 1}" for i in range(len(names), data.shape[0])]
    columns = [
        Column(name, row, _unit_of(hdu) if name_role(name)[0] == "flux" else "")
        for name, row in zip(names, data)
    ]
    if not any(name_role(c.name)[0] in AXES for c in columns):
        columns.append(_require_axis(hdus, hdus.index(hdu), data.shape[1], path))
    return describe_headers(Layout(columns, "FITS image of named rows"), [hdu.header, hdus[0].header])


def _has_bands(hdu):
    """Whether the rows of an image are bands of one aperture, as IRAF names them, not apertures."""
    n_bands = hdu.shape[0]
    return n_bands > 1 and f"BANDID{n_bands}" in hdu.header and f"APNUM{n_bands}" not in hdu.header


def _read_bands(hdus, hdu, path):
    """IRAF's extractions: bands (spectrum, raw, background, sigma) by apertures by pixels."""
    data = np.asarray(hdu.data)
    data = data[:, None] if data.ndim == 2 else data
    n_bands, n_apertures, n_pixels = data.shape
    bands = [str(hdu.header.get(f"BANDID{i + 1}", "")) for i in range(n_bands)]
    if not any(band.startswith("spectrum") for band in bands) or n_apertures > _MOST_APERTURES:
        raise SpectrumError(
            f"{path} must hold a spectrum; it holds a cube of shape {hdu.shape} without names of its "
            "bands (BANDID1 …); "
            "extract the spectrum of the object first."
        )
    names = [
        band.split("-")[0].split()[0] if band.split() else f"band {k + 1}" for k, band in enumerate(bands)
    ]
    axes = _aperture_axes(hdu, n_apertures, n_pixels, path)
    layouts = []
    for i in range(n_apertures):
        columns = [Column(name, data[k, i], _unit_of(hdu)) for k, name in enumerate(names)]
        layout = Layout(
            [*columns, axes[i]], "IRAF", name=_aperture_name(hdu.header, i) if n_apertures > 1 else ""
        )
        layouts.append(describe_headers(layout, [hdu.header, hdus[0].header]))
    return layouts


def _aperture_axes(hdu, n_apertures, n_pixels, path):
    header = hdu.header
    if str(header.get("CTYPE1", "")).upper().startswith("MULTISPE") or "multispec" in str(
        header.get("WAT0_001", "")
    ):
        return read_multispec(header, n_apertures, n_pixels, path)
    axis = read_axis(header, n_pixels)
    if axis is None:
        raise SpectrumError(
            f"{path} must have wavelengths; its header describes no spectral axis (CTYPE1, CRVAL1, CDELT1)."
        )
    return [
        Column(axis.name, axis.values, axis.unit, note=axis.note, role=axis.role) for _ in range(n_apertures)
    ]


def _aperture_name(header, i):
    return str(header.get(f"APID{i + 1}", "")).strip() or str(header.get(f"APNUM{i + 1}", i + 1)).split()[0]


def _many_rows(hdus, flux, columns, path):
    """Many spectra, a row each: IRAF's apertures, or stacked images with a table of as many rows."""
    hdu = hdus[flux]
    data = np.squeeze(np.asarray(hdu.data))
    n_rows, n_pixels = data.shape
    same = {k: v for k, v in columns.items() if v[2] in ((n_rows, n_pixels), (n_pixels,)) and k != flux}
    companions = {
        k: v for k, v in same.items() if name_role(v[0])[0] in ("error", "variance", "ivar", "mask", "good")
    }
    tables = [t for t in hdus if isinstance(t, fits.BinTableHDU) and not isinstance(t, fits.CompImageHDU)]
    table = next((t for t in tables if t.header["NAXIS2"] == n_rows), None)
    iraf = "APNUM1" in hdu.header or "WAT0_001" in hdu.header
    axis_images = [v for v in same.values() if name_role(v[0])[0] in AXES]
    if not (companions or table is not None or iraf or axis_images):
        raise SpectrumError(
            f"{path} must hold spectra; it holds an image of shape {hdu.shape} whose rows have no "
            "names; extract the "
            "spectrum of the object first, or name its rows by cards ROW1 …"
        )
    axes = None if axis_images else _aperture_axes(hdu, n_rows, n_pixels, path)
    names = _names_of_rows(table, hdu.header, n_rows, iraf)
    layouts = []
    for i in range(n_rows):
        if names[i] is None:
            continue
        parts = [Column("flux", data[i], _unit_of(hdu))]
        for name, image, _ in same.values():
            if name_role(name)[0] is not None:
                values = np.squeeze(np.asarray(image.data))
                is_axis = name_role(name)[0] in AXES
                unit = _axis_image_unit(hdu.header, image) if is_axis else _unit_of(image)
                parts.append(Column(name, values[i] if values.ndim == 2 else values, unit))
        if axes:
            parts.append(axes[i])
        layout = Layout(parts, "IRAF" if iraf else "FITS images", name=names[i])
        layouts.append(describe_headers(layout, [hdu.header, hdus[0].header]))
        if n_rows > 1:
            # The header's redshift and place are not those of every row.
            layout.redshift = _row_redshift(table, i)
            layout.meta = {key: value for key, value in layout.meta.items() if key not in ("ra", "dec")}
    return layouts


def _names_of_rows(table, header, n_rows, iraf):
    """A name for each row, None for those that are no objects (fibres on the sky, unused ones)."""
    if table is None:
        return [_aperture_name(header, i) if iraf else str(i + 1) for i in range(n_rows)]
    rows = Table.read(table)
    rows.convert_bytestring_to_unicode()
    upper = {name.upper(): name for name in rows.colnames}
    key = next(
        (upper[k] for k in ("TARGETID", "NAME", "OBJECT", "OBJID", "OBJ_ID", "ID", "SPECID") if k in upper),
        None,
    )
    kinds = [str(kind).strip().upper() for kind in rows[upper["TYPE"]]] if "TYPE" in upper else None
    names = []
    for i in range(n_rows):
        # 2dfdr: P is a target; S sky, U unused, F a guide fibre, N none.
        if kinds and set(kinds) <= set("PSUFN") and kinds[i] != "P":
            names.append(None)
        else:
            names.append(str(rows[key][i]).strip() if key else str(i + 1))
    return names


def _row_redshift(table, i):
    if table is None:
        return np.nan
    upper = {name.upper(): name for name in table.columns.names}
    key = next((upper[k] for k in ("Z", "REDSHIFT", "Z_SPEC", "ZSPEC") if k in upper), None)
    return known_redshift(table.data[key][i]) if key else np.nan
