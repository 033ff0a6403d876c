"""Spectra in tables of any kind: VOTable, ECSV, CDS, Parquet, HDF5, and rows that each hold a spectrum."""

import io
import itertools
import re
import warnings

import numpy as np
from astropy.table import Table

from ..errors import SpectrumError
from ..limits import (
    LARGEST_TEXT,
    LONGEST_LINE,
    MOST_HEADER_LINES,
    check_parquet,
    check_size,
    check_votable,
    summarise_error,
)
from .assemble import Layout
from .masks import mask_of_words
from .medium import medium_in_comments
from .redshifts import describe_row, known_redshift, redshift_in_comments
from .roles import AXES, Column, name_role, split_name

# Columns that name the object of a row, the most telling first.
_NAMES = (
    "name targetid sparclid specid specobjid objid objectid object objname sourceid source catalogid "
    "sdssid id target"
).split()

_LONG_NAMES = set(_NAMES) - {"name", "source", "target"} | {"name", "target"}

_LONGEST_COMMENT = 1000

_FORMATS = {
    "hdf5": "HDF5",
    "parquet": "Parquet",
    "votable": "VOTable",
    "ascii.ecsv": "ECSV",
    "ascii.cds": "CDS",
}


def table_format(content):
    """The name that astropy gives the format of a file that begins so; None for other files."""
    start = content[:4096]
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        return "hdf5"
    if b"<VOTABLE" in start or b":VOTABLE" in start:
        return "votable"
    if start.lstrip(b"\xef\xbb\xbf").startswith(b"# %ECSV"):
        return "ascii.ecsv"
    if b"Byte-by-byte Description" in content[:20000]:
        return "ascii.cds"
    return None


def read_table(content, kind, path):
    """Read a table in memory into the spectra that it holds.

    Parameters
    ----------
    content : bytes
    kind : str
        As `table_format` gives it.
    path : path-like
        For errors, and for HDF5, which is read from the file.

    Returns
    -------
    list of Layout

    Raises
    ------
    SpectrumError
        For what cannot be read, and for tables without a spectrum.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = _open_table(content, kind, path)
    except SpectrumError:
        raise
    except Exception as error:  # The readers of tables share no class of errors.
        reason = summarise_error(error)
        name = _FORMATS.get(kind, kind)
        raise SpectrumError(f"{path} must be a sound {name} table; reading it says: {reason}") from error
    said = table.meta.get("comments", [])
    comments = [line for line in (said if isinstance(said, list) else [said]) if isinstance(line, str)]
    described = table.meta.get("description")
    comments += [str(described)] if described else []
    comments += [f"{key} = {value}" for key, value in table.meta.items() if np.isscalar(value)]
    return layouts_of_table(table, _FORMATS.get(kind, kind), comments, path)


def _open_table(content, kind, path):
    if kind == "hdf5":
        try:
            import h5py
        except ImportError:
            raise SpectrumError(f"{path} is HDF5, which needs h5py to be read: pip install h5py.") from None
        with h5py.File(io.BytesIO(content), "r") as file:
            return _table_in_hdf5(file, path)
    if kind == "parquet":
        import pyarrow.parquet

        check_parquet(content, path)
        # Through pyarrow, lists in cells come as arrays; its threads may abort a process that soon ends.
        source = io.BytesIO(content)
        return _from_arrow(pyarrow.parquet.read_table(source, use_threads=False, pre_buffer=False))
    if kind == "votable":
        check_votable(content, path)
        return _table_in_votable(content)
    if len(content) > LARGEST_TEXT:
        raise SpectrumError(f"{path} must be a table of spectra; it is text of {len(content) >> 20} MB.")
    text = content.decode("utf-8-sig")
    longest = max(map(len, text.splitlines()), default=0)
    if longest > LONGEST_LINE:
        raise SpectrumError(f"{path} must have lines of at most {LONGEST_LINE} characters; got {longest}.")
    return Table.read(text, format=kind)


def _table_in_votable(content):
    """The first table of a VOTable that holds a flux, else the first; its parameters as meta."""
    from astropy.io import votable

    tree = votable.parse(io.BytesIO(content))
    tables = [part.to_table(use_names_over_ids=True) for part in tree.iter_tables() if len(part.array)]
    parts = [part for part in tree.iter_tables() if len(part.array)]
    if not tables:
        raise ValueError("it holds no table with rows")
    columns = [{_role_of(table[name]) for name in table.colnames} for table in tables]
    fluxes = {"flux", "energy flux", "other flux", "magnitude", "counts"}
    chosen = next((i for i, roles in enumerate(columns) if roles & fluxes and roles.intersection(AXES)), 0)
    table = tables[chosen]
    for item in itertools.chain(*(r.params + r.infos for r in tree.resources), parts[chosen].params):
        if np.ndim(item.value) == 0:
            redshift = "redshift" in f"{item.ucd} {item.utype}".lower() and "error" not in str(item.ucd)
            table.meta["redshift" if redshift else item.name] = item.value
    return table


def _role_of(column):
    meta = column.info.meta or {}
    return name_role(column.name, str(meta.get("ucd", "")), str(meta.get("utype", "")))[0]


def _from_arrow(arrow):
    """An astropy table with the units that astropy or pandas wrote beside the columns."""
    table = Table()
    described = (arrow.schema.metadata or {}).get(b"table_meta_yaml", b"").decode("utf-8", "replace")
    units = dict(re.findall(r"\{name: ([^,}]+), unit: ([^,}]+)", described))
    for name in arrow.column_names:
        column = arrow[name]
        values = column.to_pylist() if "list" in str(column.type) else column.to_numpy()
        if isinstance(values, list):
            arrays = np.empty(len(values), dtype=object)
            arrays[:] = [np.asarray(v if v is not None else [], dtype=float) for v in values]
            values = arrays
        table[name] = values
        table[name].unit = units.get(name)
    for key in ("redshift", "z", "medium"):
        match = re.search(rf"\b{key}: ([^\s,}}]+)", described)
        if match:
            table.meta[key] = match[1]
    return table


def _table_in_hdf5(file, path):
    """The one group or compound dataset of an HDF5 file that holds columns of numbers."""
    import h5py

    groups = [file]
    file.visititems(lambda _, item: groups.append(item))
    # Of a dataset that was never written the file holds nothing, whatever its shape.
    check_size(sum(item.nbytes for item in groups if isinstance(item, h5py.Dataset)), path)
    found = []
    for item in groups:
        if isinstance(item, h5py.Dataset) and item.dtype.names:
            table = Table({name: np.asarray(item[name]) for name in item.dtype.names})
        elif isinstance(item, h5py.Group):
            arrays = {
                name: child for name, child in item.items() if isinstance(child, h5py.Dataset) and child.shape
            }
            sizes = {child.shape for child in arrays.values() if not child.dtype.names}
            if len(sizes) != 1:
                continue
            table = Table(
                {name: np.asarray(child) for name, child in arrays.items() if not child.dtype.names}
            )
            for name in table.colnames:
                unit = arrays[name].attrs.get("unit", arrays[name].attrs.get("units", ""))
                table[name].unit = str(unit.decode() if isinstance(unit, bytes) else unit) or None
        else:
            continue
        table.meta = {key: value for key, value in item.attrs.items() if np.isscalar(value)}
        if any(name_role(name)[0] == "flux" for name in table.colnames):
            found.append(table)
    if len(found) != 1 or len(found[0].colnames) < 2:
        table = _pool_datasets(groups)
        if table is not None:
            return table
        paths = ", ".join(item.name for item in groups if isinstance(item, h5py.Dataset))[:200]
        raise SpectrumError(
            f"{path} must hold one table with columns of wavelength and flux; it holds {paths or 'no data'}."
        )
    return found[0]


def _pool_datasets(items):
    """Arrays that lie in groups of their own, named as these (Starlink's NDF); None where they are not so."""
    table = Table()
    for item in items:
        if getattr(item, "ndim", 0) != 1 or item.dtype.names:
            continue
        *_, group, name = item.name.split("/")
        if name.lower() not in ("data", "values", "value", "array") or not group:
            return None
        if group in table.colnames or (len(table) and len(table) != len(item)):
            return None
        table[group] = np.asarray(item)
        unit = item.attrs.get("units", item.attrs.get("unit", ""))
        table[group].unit = str(unit.decode() if isinstance(unit, bytes) else unit) or None
    return table if len(table.colnames) > 1 else None


def layouts_of_table(table, kind, comments, path):
    """The spectra of a table: one in its rows, one in each row, or one for each name in a column of names.

    Parameters
    ----------
    table : astropy.table.Table
    kind : str
        Name of the format.
    comments : list of str
    path : path-like

    Returns
    -------
    list of Layout
    """
    if not len(table):
        raise SpectrumError(f"{path} must hold a spectrum; its table has no row.")
    # Of a longer comment the beginning is read, of very many the first.
    comments = [line[:_LONGEST_COMMENT] for line in comments[:MOST_HEADER_LINES]]
    arrays = [name for name in table.colnames if _holds_arrays(table[name])]
    if arrays:
        return [_row_layout(table, number, arrays, kind, comments, path) for number in range(len(table))]
    names = next((n for n in table.colnames if split_name(n)[0] in _LONG_NAMES and _repeats(table[n])), None)
    if names is None:
        return [_column_layout(table, kind, comments, "", path)]
    keys = np.asarray(table[names]).astype(str)
    return [
        _column_layout(table[keys == key], kind, comments, key if len(set(keys)) > 1 else "", path)
        for key in dict.fromkeys(keys)
    ]


def _holds_arrays(column):
    if column.dtype.kind == "O":
        return bool(len(column)) and np.ndim(column[0]) == 1
    return column.ndim == 2 and column.shape[1] > 1 and column.dtype.kind in "biuf"


def _repeats(column):
    """Whether a column of names names less objects than there are rows."""
    values = np.asarray(column)
    return (
        values.ndim == 1
        and values.dtype.kind in "iuSUO"
        and len(np.unique(values.astype(str))) <= len(values) / 10
    )


def _make(table, name, values):
    column = table[name]
    meta = column.info.meta or {}
    return Column(
        name,
        values,
        str(meta.get("unit", column.unit or "")),
        ucd=str(meta.get("ucd", "")),
        utype=str(meta.get("utype", "")),
        note=str(column.info.description or ""),
    )


def _column_layout(table, kind, comments, name, path):
    columns, scalars = [], {}
    for key in table.colnames:
        values = table[key]
        if values.ndim != 1:
            continue
        if values.dtype.kind not in "biuf":
            role = name_role(key)[0]
            if role not in ("mask", "good") or len(set(values.tolist())) == 1:
                scalars[key] = values[0]
                continue
            numbers = mask_of_words(values, role)
            if numbers is None:
                raise SpectrumError(
                    f"a mask must be numbers, or words such as good and bad; {key} of {path} holds "
                    f"{str(values[0])[:20]!r}; give numbers."
                )
            columns.append(Column(key, numbers))
            continue
        if name_role(key)[0] == "redshift":
            spread = np.ptp(np.ma.compressed(np.ma.asarray(values)))
            scalars |= {key: values[0]} if spread < 1e-6 else {}
        columns.append(_make(table, key, np.ma.asarray(values)))
    return _finish(Layout(columns, kind, name=name, comments=comments), scalars)


def _row_layout(table, number, arrays, kind, comments, path):
    row = table[number]
    columns = [_make(table, name, np.ma.asarray(row[name])) for name in arrays]
    scalars = {name: row[name] for name in table.colnames if name not in arrays and np.ndim(row[name]) == 0}
    layout = _finish(Layout(columns, kind, comments=comments), scalars)
    if len(table) > 1:
        words = {split_name(name)[0]: name for name in scalars}
        key = next((words[word] for word in _NAMES if word in words), None)
        layout.name = str(_plain(scalars[key])) if key else str(number + 1)
    release, specid = (_plain(scalars.get(name, "")) for name in ("data_release", "specid"))
    if release and specid:
        layout.name = f"{release}-{specid}"
    return layout


def _plain(value):
    return value.decode("latin-1").strip() if isinstance(value, bytes) else str(value).strip()


def _finish(layout, scalars):
    """What the other cells of a row, the comments and the format say of one spectrum."""
    upper = {key.upper(): value for key, value in scalars.items() if value is not np.ma.masked}
    layout.meta |= describe_row(upper)
    stated = next((value for key, value in scalars.items() if name_role(key)[0] == "redshift"), None)
    if stated is not None and stated is not np.ma.masked:
        layout.redshift = known_redshift(
            stated, zwarning=layout.meta.get("zwarning", 0), spectral_class=layout.meta.get("class", "")
        )
    if np.isnan(layout.redshift):
        layout.redshift = redshift_in_comments(layout.comments)
    layout.medium = medium_in_comments(layout.comments)
    for key, name in (("ra", "RA"), ("dec", "DEC")):
        try:
            layout.meta[key] = float(upper[name])
        except (KeyError, TypeError, ValueError):
            continue
    release = str(upper.get("DATA_RELEASE", ""))
    if release.startswith(("SDSS", "BOSS")):
        # Their mask is the and_mask, most bits of which are harmless; ivar is 0 where a pixel is bad.
        layout.columns = [c for c in layout.columns if name_role(c.name)[0] != "mask"]
        layout.usual_medium = "vacuum"
    elif release.startswith("DESI"):
        layout.mask_known, layout.usual_medium = True, "vacuum"
    return layout
