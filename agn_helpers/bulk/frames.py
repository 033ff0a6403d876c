"""Spectra in the columns of a frame, as catalogues of LSDB and the Multimodal Universe hold them."""

import numpy as np
import pyarrow as pa

from ..errors import AgnError
from ..limits import summarise_error
from ..spectra import ObservedSpectrum, Rejected, SpectrumBlock

# What columns may be called, in lower case; the first that is there.
_ARRAYS = {
    "flux": ("flux",),
    "ivar": ("ivar", "flux_ivar"),
    "wavelength": ("lambda", "wavelength", "wave", "lam"),
    "mask": ("mask",),
}
_SCALARS = {
    "name": ("name", "object_id", "targetid", "id"),
    "redshift": ("redshift", "z", "z_spec"),
    "ra": ("ra", "target_ra"),
    "dec": ("dec", "target_dec"),
    "zwarning": ("zwarning", "zwarn", "z_warning"),
}


def read_frame(frame, *, size):
    """Take spectra out of a frame.

    Parameters
    ----------
    frame : pandas.DataFrame
        See `classify_partition`.
    size : int
        Spectra of a chunk.

    Returns
    -------
    names : list of str
        Of all rows.
    chunks : iterator of SpectrumBlock or list of ObservedSpectrum and Rejected
        The spectra are named by their numbers, since names may repeat; a block where all of a chunk have the
        same wavelengths.

    Raises
    ------
    AgnError
        For missing columns.
    """
    arrays = _find_arrays(frame)
    lower = {str(name).lower(): name for name in frame.columns[::-1]}
    scalars = {}
    for key, known in _SCALARS.items():
        found = next((lower[name] for name in known if name in lower), None)
        if found is not None:
            scalars[key] = frame[found].tolist()
    missing = [key for key in ("flux", "ivar", "wavelength") if key not in arrays]
    missing += [] if "redshift" in scalars else ["redshift"]
    if missing:
        wanted = " or ".join({**_ARRAYS, **_SCALARS}[missing[0]])
        has = ", ".join(map(str, frame.columns)) or "none"
        raise AgnError(f"a frame of spectra must have a column {wanted}; it has {has}; rename one.")
    names = [_read_name(name) for name in scalars.get("name", range(len(frame)))]
    return names, _read_chunks(arrays, scalars, names, size)


def _read_name(name):
    return name.decode("utf-8", "replace").strip() if isinstance(name, bytes) else str(name).strip()


def _find_arrays(frame):
    """Lists of arrays by role: of columns, or of the fields of a column ``spectrum``."""
    sources = {str(name).lower(): name for name in frame.columns[::-1]}
    fields = _find_fields(pa.array(frame[sources["spectrum"]])) if "spectrum" in sources else {}
    found = {}
    for role, known in _ARRAYS.items():
        name = next((name for name in known if name in fields or name in sources), None)
        if name is not None:
            found[role] = _split_lists(fields[name] if name in fields else pa.array(frame[sources[name]]))
    return found


def _find_fields(nested):
    """Columns of lists, by name, of one of structs of lists or of lists of structs (nested-pandas)."""
    nested = nested.combine_chunks() if isinstance(nested, pa.ChunkedArray) else nested
    if pa.types.is_struct(nested.type):
        return {field.name.lower(): nested.field(i) for i, field in enumerate(nested.type)}
    if _is_list(nested.type) and pa.types.is_struct(nested.type.value_type):
        inner = nested.values
        return {
            field.name.lower(): type(nested).from_arrays(nested.offsets, inner.field(i))
            for i, field in enumerate(inner.type)
        }
    return {}


def _is_list(kind):
    return pa.types.is_list(kind) or pa.types.is_large_list(kind)


def _split_lists(column):
    """Arrays of the rows of a column of lists; an empty one where it is null."""
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_null(column.type) or not len(column):
        return [np.empty(0)] * len(column)
    kind = column.type
    if not (_is_list(kind) or pa.types.is_fixed_size_list(kind)):
        raise AgnError(f"a column of a spectrum must hold a list of numbers a row; it holds {kind}.")
    return [
        np.empty(0) if each.values is None else each.values.to_numpy(zero_copy_only=False) for each in column
    ]


def _read_chunks(arrays, scalars, names, size):
    for start in range(0, len(names), size):
        rows = range(start, min(start + size, len(names)))
        yield _read_block(arrays, scalars, rows, names) or [
            _read_row(arrays, scalars, row, names[row]) for row in rows
        ]


def _describe(scalars, row, name):
    """Redshift and meta of a row."""
    meta: dict = {"format": "frame", "medium": "vacuum", "file": name, "assumptions": []}
    for key in ("ra", "dec"):
        if key in scalars:
            meta[key] = float(scalars[key][row])
    warning = scalars.get("zwarning", {row: None})[row]
    if warning is not None and warning == warning:
        meta["zwarning"] = int(warning)
        if meta["zwarning"]:
            meta["assumptions"].append(f"the pipeline doubts its redshift (ZWARNING {meta['zwarning']})")
    redshift = scalars["redshift"][row]
    return np.nan if redshift is None else float(redshift), meta


def _read_block(arrays, scalars, rows, names):
    """A SpectrumBlock of rows with the same wavelengths and sound numbers; None for others."""
    wave = arrays["wavelength"][rows[0]]
    sizes = {len(arrays[role][row]) for role in arrays for row in rows}
    if sizes != {len(wave)} or len(wave) < 2 or not (wave > 0).all() or not (np.diff(wave) > 0).all():
        return None
    if not all(np.array_equal(arrays["wavelength"][row], wave) for row in rows):
        return None
    try:
        flux, ivar = (
            np.stack([np.asarray(arrays[role][row], dtype=float) for row in rows])
            for role in ("flux", "ivar")
        )
        known = [_describe(scalars, row, names[row]) for row in rows]
    except (TypeError, ValueError):
        return None
    bad = ~np.isfinite(flux) | ~np.isfinite(ivar) | (ivar < 0)
    if "mask" in arrays:
        bad |= np.stack([np.asarray(arrays["mask"][row]).astype(bool) for row in rows])
    redshift, meta = [each for each, _ in known], [each for _, each in known]
    return SpectrumBlock(
        np.asarray(wave, dtype=float), flux, np.where(bad, 0, ivar), redshift, [str(r) for r in rows], meta
    )


def _read_row(arrays, scalars, row, name):
    """One spectrum; pixels without a wavelength, with which lists are filled up, are left out."""
    try:
        wave = np.asarray(arrays["wavelength"][row], dtype=float)
        flux, ivar = (np.asarray(arrays[role][row], dtype=float) for role in ("flux", "ivar"))
        if "mask" in arrays:
            ivar = np.where(np.asarray(arrays["mask"][row]).astype(bool), 0, ivar)
        there = np.isfinite(wave) & (wave > 0)
        redshift, meta = _describe(scalars, row, name)
        return ObservedSpectrum(wave[there], flux[there], ivar[there], redshift, str(row), meta=meta)
    except Exception as error:  # Cells of a frame may hold anything.
        return Rejected(str(row), "", f"{name}: {summarise_error(error)}")
