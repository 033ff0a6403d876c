"""A folder of results: a Parquet file a partition, what was asked for, and a manifest of what is done.

run.json            model, options, source, versions: what must be the same for a run to go on
model.skops         the model
spectra/part-*.parquet    classified spectra
rejected/part-*.parquet   what could not be used, with reasons
done/part-*.json    written after the files of a partition, with their checksums
manifest.json       all of these in one, once all are there
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..classifier import TrainedModel, linear_weights, load_model
from ..errors import AgnError
from ..files import make_folder, whole_file
from ..locks import sweep_unfinished
from .partitions import list_values
from .sources import RUN_FILE

MODEL_FILE, MANIFEST = "model.skops", "manifest.json"

# Raised when the layout changes.
_FORMAT = 1

_READ_AT_ONCE = 1 << 22


def fingerprint(model):
    """A checksum of all that a model computes with; the same for a model and its file."""
    digest = hashlib.sha256()
    _absorb([model.estimator, model.grid, model.meta, model.extras], digest, set())
    return digest.hexdigest()


def _absorb(part, digest, seen):
    """Add an object, however deep, to a checksum."""
    if isinstance(part, np.ndarray):
        digest.update(f"array {part.dtype.str} {part.shape}".encode())
        if part.dtype.kind == "O":
            _absorb(part.tolist(), digest, seen)
        else:
            digest.update(np.ascontiguousarray(part).tobytes())
    elif part is None or isinstance(part, bool | int | float | str | np.generic):
        value = part.item() if isinstance(part, np.generic) else part
        digest.update(f"{type(value).__name__} {value!r};".encode())
    elif isinstance(part, list | tuple):
        digest.update(f"list {len(part)};".encode())
        for value in part:
            _absorb(value, digest, seen)
    elif isinstance(part, dict):
        digest.update(f"dict {len(part)};".encode())
        for key in sorted(part, key=str):
            digest.update(f"{key!r}:".encode())
            _absorb(part[key], digest, seen)
    elif id(part) not in seen:
        seen.add(id(part))
        digest.update(f"object {type(part).__qualname__};".encode())
        _absorb(dict(getattr(part, "__dict__", {})), digest, seen)


def part_name(number, suffix):
    """Name of a partition's file."""
    return f"part-{number:05d}{suffix}"


def describe_run(model, partitions, options):
    """What must be the same for a run to go on: the content of run.json, a dict."""
    return {
        "format": _FORMAT,
        "package_version": version("agn-helpers"),
        "model": fingerprint(model),
        "model_survey": model.survey,
        "options": options,
        "n_spectra": sum(each.n_spectra for each in partitions),
        "partitions": [each.key for each in partitions],
        "versions": {name: version(name) for name in ("numpy", "scipy", "scikit-learn", "pyarrow")}
        | {"python": platform.python_version()},
    }


def check_folder(folder: str | os.PathLike) -> None:
    """Refuse, with AgnError, a folder for results that holds something else."""
    folder = Path(folder)
    if not folder.is_dir() or (folder / RUN_FILE).is_file():
        return
    if any(not each.name.startswith(".") for each in folder.iterdir()):
        raise AgnError(f"{folder} must be empty or hold results; it holds other files; name another folder.")


def open_run(folder, wanted, model, *, resume):
    """Make a folder of results, or find that it is one of the same run.

    Parameters
    ----------
    folder : Path
    wanted : dict
        Of `describe_run`.
    model : TrainedModel
    resume : bool
        False removes what is there of an earlier run.

    Raises
    ------
    AgnError
        For a folder that holds something else, and for one of a run with another model, options or source.
    """
    from ..classifier import save_model

    check_folder(folder)
    make_folder(folder)
    path = folder / RUN_FILE
    for each in ("", "spectra", "rejected", "done"):
        sweep_unfinished(folder / each)
    shutil.rmtree(folder / "attempts", ignore_errors=True)
    if path.is_file() and resume:
        _compare(read_json(path), wanted, folder)
        return
    if path.is_file():
        # Last what makes the folder one of results, so that a kill on the way leaves it one.
        for name in (MANIFEST, "done", "spectra", "rejected", MODEL_FILE, RUN_FILE):
            with contextlib.suppress(FileNotFoundError):
                target = folder / name
                shutil.rmtree(target) if target.is_dir() else target.unlink()
    save_model(model, folder / MODEL_FILE)
    write_json(wanted, path)


def _compare(found, wanted, folder):
    """Refuse to go on with another model, other options or another source."""
    redo = "Name another --output, or begin anew with --restart (resume=False)."
    for key in ("format", "package_version", "model", "options"):
        if found.get(key) != wanted[key]:
            what = {"model": "another model", "options": "other options"}.get(key, f"another {key}")
            before, now = found.get(key), wanted[key]
            if key == "options":
                names = [name for name in now if now[name] != (before or {}).get(name)]
                before, now = ({name: (each or {}).get(name) for name in names} for each in (before, now))
            said = f"{before} then, {now} now" if key != "model" else f"{before[:12]} then, {now[:12]} now"
            raise AgnError(f"the results in {folder} are of {what} ({said}). {redo}")
    before, now = found.get("partitions", []), wanted["partitions"]
    if before != now:
        first = next((i for i, (a, b) in enumerate(zip(before, now)) if a != b), min(len(before), len(now)))
        raise AgnError(
            f"the results in {folder} are of other spectra: from partition {first} on, files differ in name, "
            f"size, time or index ({len(before)} partitions then, {len(now)} now). {redo}"
        )


def read_json(path):
    """The content of a JSON file of a folder of results; AgnError where it is none."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AgnError(f"{path} must be of a folder of results; it cannot be read ({error}).") from error


def write_json(value, path):
    """Write JSON, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, sort_keys=True), encoding="utf-8")


def write_part(folder, partition, table, rejected, meta):
    """Write the files of a partition, then the record that they are whole; returns the record."""
    # A worker that was taken for dead may have been quicker.
    if (other := read_record(folder, partition)) is not None:
        return other
    record = {"partition": partition.number, "key": partition.key, "files": {}}
    # Whatever an earlier attempt left goes first: no record, no part.
    rejects = pa.table(
        {key: pa.array([getattr(each, key) for each in rejected], pa.string()) for key in _REJECTED}
    )
    for kind, part in (("spectra", table), ("rejected", rejects)):
        path = folder / kind / part_name(partition.number, ".parquet")
        part = part.replace_schema_metadata({b"agn": json.dumps(meta, sort_keys=True).encode()})
        floats = [field.name for field in part.schema if pa.types.is_fixed_size_list(field.type)]
        texts = [field.name for field in part.schema if pa.types.is_string(field.type)]
        with whole_file(path) as temporary:
            pq.write_table(
                part,
                temporary,
                compression="zstd",
                compression_level=1,
                use_dictionary=texts,
                use_byte_stream_split=[f"{name}.list.element" for name in floats],
                write_statistics=texts,
            )
            record["files"][kind] = {"sha256": hash_file(temporary), "bytes": temporary.stat().st_size}
    record |= {"n_spectra": len(table), "n_rejected": len(rejected), "survey": meta["sample"]["survey"]}
    write_json(record, folder / "done" / part_name(partition.number, ".json"))
    return record


_REJECTED = ("name", "file", "reason")


def hash_file(path):
    """Checksum of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_READ_AT_ONCE):
            digest.update(block)
    return digest.hexdigest()


def read_record(folder, partition, *, check=False):
    """The record of a partition that is whole, or None; where `check`, files are compared with checksums."""
    path = folder / "done" / part_name(partition.number, ".json")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if record.get("key") == partition.key and _is_whole(folder, record, check=check) else None


def forget_record(folder, partition):
    """Remove the record of a partition that is to be done again, and the manifest that names it."""
    for path in (folder / MANIFEST, folder / "done" / part_name(partition.number, ".json")):
        path.unlink(missing_ok=True)


def _is_whole(folder, record, *, check):
    for kind, known in record["files"].items():
        path = folder / kind / part_name(record["partition"], ".parquet")
        try:
            if path.stat().st_size != known["bytes"] or (check and hash_file(path) != known["sha256"]):
                return False
        except OSError:
            return False
    return True


def read_manifest(folder):
    """What a folder of results holds: its run.json, and the records of its partitions in order.

    Raises AgnError for any other folder.
    """
    folder = Path(folder)
    if not (folder / RUN_FILE).is_file():
        raise AgnError(f"{folder} must be a folder of results, as agn classify makes it with --workers.")
    run = read_json(folder / RUN_FILE)
    if (folder / MANIFEST).is_file():
        records = read_json(folder / MANIFEST)["done"]
    else:
        records = [read_json(path) for path in sorted((folder / "done").glob("part-*.json"))]
    records = [each for each in records if run["partitions"][each["partition"]] == each["key"]]
    return run, records


def read_results(folder: str | os.PathLike, *, columns: list[str] | None = None) -> Any:
    """The classified spectra of a folder of results as a lazy frame, a partition a file.

    Parameters
    ----------
    folder : path
        Results of `classify_many`; of a run that goes on, what is done.
    columns : list of str, optional
        All by default; without ``flux``, ``ivar`` and attributions a million rows take 200 MB.

    Returns
    -------
    dask.dataframe.DataFrame
        Arrow types, arrays as fixed-size lists.

    Raises
    ------
    AgnError
        For another folder, one without results, and without Dask.
    """
    try:
        import dask.dataframe as dd
    except ImportError as error:
        raise AgnError("this needs Dask: pip install 'agn-helpers[scale]'.") from error
    folder = Path(folder)
    _, records = read_manifest(folder)
    if not records:
        raise AgnError(f"{folder} holds no finished partition yet; let the run go on.")
    files = [str(folder / "spectra" / part_name(each["partition"], ".parquet")) for each in records]
    meta = _read_part(files[0], columns=columns, empty=True)
    return dd.from_map(_read_part, files, columns=columns, meta=meta)


def _read_part(path, columns=None, empty=False):
    import pandas as pd

    table = pq.read_schema(path).empty_table() if empty else pq.read_table(path, columns=columns)
    table = table.select(columns) if columns is not None else table
    return table.replace_schema_metadata().to_pandas(types_mapper=pd.ArrowDtype)


def attributions(results: Any, model: TrainedModel | None = None) -> Any:
    """Attributions of results: gradients of the log-probability of ``target`` by the flux.

    Parameters
    ----------
    results : pandas.DataFrame, or path
        A frame of `classify_partition` or of a partition of `read_results`; or a folder of results.
    model : TrainedModel, optional
        What classified a frame with ``attribution_pairs``; that of the folder by default.

    Returns
    -------
    (n_spectra, n_grid) array
        A lazy `dask.array.Array` for a folder.  0 where a spectrum was not observed, NaN where it was
        rejected.  From three coefficients as from arrays, within rounding.

    Raises
    ------
    AgnError
        For results without attributions, and coefficients without a model that has a linear kernel.
    """
    if isinstance(results, str | os.PathLike):
        return _attributions_of_folder(Path(results))
    if "attribution" in results:
        return _to_array(results["attribution"])
    if "attribution_pairs" not in results:
        raise AgnError("results hold no attributions; classify with explain=True.")
    weights = None if model is None else linear_weights(model.estimator)
    if weights is None:
        raise AgnError("coefficients need the linear model that made them; give model=load_model(…).")
    values = _to_array(results["attribution_pairs"]) @ weights
    return np.where(_to_array(results["ivar"]) == 0, 0, values)


def _to_array(column):
    array = pa.array(column)
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    values = np.full((len(array), array.type.list_size), np.nan)
    there = np.asarray(array.is_valid())
    values[there] = list_values(array.drop_null())
    return values


def _attributions_of_folder(folder):
    try:
        import dask
        import dask.array as da
    except ImportError as error:
        raise AgnError("this needs Dask: pip install 'agn-helpers[scale]'.") from error
    frame, (_, records) = read_results(folder), read_manifest(folder)
    names = [name for name in ("attribution", "attribution_pairs", "ivar") if name in frame.columns]
    n_grid = frame["flux"].dtype.pyarrow_dtype.list_size
    make = dask.delayed(_attributions_of_part)
    parts = [
        da.from_delayed(make(str(folder), each["partition"], names), (each["n_spectra"], n_grid), float)
        for each in records
    ]
    return da.concatenate(parts)


def _attributions_of_part(folder, number, names):
    frame = _read_part(Path(folder) / "spectra" / part_name(number, ".parquet"), names)
    return attributions(frame, load_model(Path(folder) / MODEL_FILE))
