"""One partition of spectra: read, reduced, classified, explained; arrays in, a frame out."""

from __future__ import annotations

import functools
import json
import logging
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..classifier import (
    TrainedModel,
    linear_weights,
    load_model,
    log_proba_gradient,
    pair_decisions,
    predict_types,
    unwrap_estimator,
    weigh_sample,
)
from ..errors import AgnError
from ..limits import summarise_error
from ..reduction import ReducedSample, reduce_block, reduce_spectra
from ..spectra import Rejected, SpectrumBlock, name_of, read_coadd, read_files
from .frames import read_frame
from .reading_ahead import read_ahead

logger = logging.getLogger(__name__)

# Spectra reduced and classified at once: arrays of some 30 MB.
_AT_ONCE = 250

#: What ``predicted`` says in a frame of a spectrum that could not be reduced.
REJECTED = "rejected"


@functools.lru_cache(maxsize=2)
def open_model(path, stamp):
    """A model, read once a process; anew where `stamp`, a checksum or the time of the file, is another."""
    return load_model(path)


def classify_partition(
    frame: pd.DataFrame, model: TrainedModel | str | Path, *, explain: bool | str = True, force: bool = False
) -> pd.DataFrame:
    """Classify the spectra of a frame, such as a partition of an LSDB catalogue.

    ``catalog.map_partitions(classify_partition, "model.skops")`` works as it is.

    Parameters
    ----------
    frame : pandas.DataFrame
        A row a spectrum, in list columns or in one nested or struct column ``spectrum``: ``flux``, ``ivar``,
        ``lambda`` or ``wavelength`` (observed vacuum Å) and, where there is one, ``mask`` (true: not to be
        used), as in the Multimodal Universe; and columns ``redshift`` or ``Z``, and where there are any
        ``ra``, ``dec``, ``ZWARN`` and ``name`` or ``object_id``.
    model : TrainedModel or path of one
        A path is read once a process, and travels to workers at less cost.
    explain : bool or "arrays"
        Whether to add the exact gradient of the log-probability of the most probable type; for linear
        kernels as ``attribution_pairs``, three coefficients from which `attributions` makes it, unless
        "arrays".
    force : bool
        Predict types also where Hβ was not observed.

    Returns
    -------
    pandas.DataFrame
        In the order of `frame` and with its index: the columns of `agn_helpers.classifier.predict_types`,
        then ``flux`` and ``ivar`` on the model's grid, ``target`` and ``attribution`` or
        ``attribution_pairs``.  Where a spectrum could not be reduced ``predicted`` is "rejected" and
        ``reason`` says why.

    Raises
    ------
    AgnError
        For a frame without these columns.
    """
    if not isinstance(model, TrainedModel):
        model = open_model(str(model), os.path.getmtime(model) if os.path.exists(model) else None)
    table, rejected = classify_frame(frame, model, explain=explain, force=force)
    failed = [
        {"row": row, "name": each.name, "predicted": REJECTED, "reason": each.reason}
        for row, each in rejected
    ]
    whole = pa.concat_tables([table, pa.Table.from_pylist(failed, schema=table.schema)])
    result = whole.sort_by("row").drop("row").to_pandas(types_mapper=pd.ArrowDtype)
    result.index = frame.index
    return result


def classify_frame(frame, model, *, explain, force):
    """A table of the classified rows of a frame, with their ``row``, and (row, Rejected) of the others."""
    names, chunks = read_frame(frame, size=_AT_ONCE)
    schema = make_schema(model, explain=explain)
    tables = [schema.append(pa.field("row", pa.int64())).empty_table()]
    rejected = []
    for chunk in chunks:
        sample, failed = _reduce(chunk, model)
        table, others = _classify_sample(sample, failed, {}, model, schema, force=force)
        rows = pa.array([int(name) for name in table["name"].to_pylist()], pa.int64())
        own = pa.array([names[row] for row in rows.to_pylist()], pa.string())
        tables.append(table.set_column(0, table.schema.field(0), own).append_column("row", rows))
        rejected += [(int(each.name), each._replace(name=names[int(each.name)])) for each in others]
    return pa.concat_tables(tables), rejected


def read_partition(partition, *, seconds=60.0, note=None, fatal=(), **reading):
    """Read the files of a partition.

    Parameters
    ----------
    partition : Partition
        Of kind "files" or "results".
    seconds : float
        Time limit of a file, or of 250 targets of a coadd.
    note : function of int or None, optional
        Called with the number of each item before it is read, and None after; then nothing is read ahead.
    fatal : set of int
        Numbers of items that are not to be read, since reading them ended earlier attempts.
    **reading
        ``redshift``, ``columns`` and ``medium`` as of `agn_helpers.spectra.read_spectra`.

    Yields
    ------
    SpectrumBlock, list of ObservedSpectrum and Rejected, or ReducedSample
    """
    is_careful, note = note is not None, note or (lambda number: None)

    def read(numbered):
        number, item = numbered
        if number in fatal:
            raise AgnError("reading it ended its process (a crash, or want of memory)")
        results = _read_item(item, **reading)
        while True:
            # Whatever ends the process between two results, this item does not.
            note(number)
            result = next(results, None)
            note(None)
            if result is None:
                return
            yield result

    has_blocks = any(item.stop for item in partition.items)
    # A block of a coadd takes 30 MB.
    threads, ahead = (0, 0) if is_careful else (1, 1) if has_blocks else (2, 32)
    items = list(enumerate(partition.items))
    spectra = []
    for (_, item), result in read_ahead(items, read, threads=threads, ahead=ahead, seconds=seconds):
        if isinstance(result, SpectrumBlock):
            if spectra:
                yield spectra
            spectra = []
            yield result
            continue
        if isinstance(result, Exception):
            reason = f"{item.place} must be readable; {summarise_error(result)}."
            result = Rejected(name_of(Path(item.path)), item.path, reason)
        spectra.append(result)
        if len(spectra) == _AT_ONCE:
            yield spectra
            spectra = []
    if spectra:
        yield spectra


def _read_item(item, *, redshift=None, columns=None, medium=None):
    """Blocks of a coadd, or the spectra of a file one by one."""
    told = redshift is not None or columns is not None or medium is not None
    if item.stop and not told:
        yield from read_coadd(item.path, targets=slice(item.start, item.stop), size=_AT_ONCE)
    elif item.start == 0:
        file = Path(item.path)
        entries = {} if item.entry is None else {os.path.abspath(file): item.entry}
        yield from read_files([file], entries, redshift, columns=columns, medium=medium)


def read_results_part(path, model):
    """The reduced spectra of a part of earlier results, `_AT_ONCE` at a time."""
    table = pq.read_table(path)
    meta = read_meta(table.schema)
    scalars = [field.name for field in table.schema if not pa.types.is_fixed_size_list(field.type)]
    for start in range(0, len(table), _AT_ONCE):
        part = table.slice(start, _AT_ONCE)
        sample = ReducedSample({name: np.array(part[name].to_pylist()) for name in scalars})
        for name in ("flux", "ivar"):
            sample[name] = list_values(part[name])
        sample["label"] = np.full(len(part), "")
        sample.meta.update(meta["sample"])
        yield sample


def classify_chunks(chunks, model, *, explain, force):
    """Reduce and classify what `read_partition` gives: a table, and a list of Rejected."""
    schema = make_schema(model, explain=explain)
    tables, rejected, surveys = [schema.empty_table()], [], set()
    for chunk in chunks:
        files = {} if isinstance(chunk, ReducedSample) else _find_files(chunk)
        sample, failed = (chunk, ()) if isinstance(chunk, ReducedSample) else _reduce(chunk, model)
        table, others = _classify_sample(sample, failed, files, model, schema, force=force)
        tables.append(table)
        rejected += others
        if len(sample):
            surveys |= set(sample.meta["survey"].split(", "))
    return pa.concat_tables(tables), rejected, ", ".join(sorted(surveys)) or "unknown"


def _find_files(chunk):
    metas = chunk.meta if isinstance(chunk, SpectrumBlock) else [getattr(each, "meta", {}) for each in chunk]
    names = chunk.name if isinstance(chunk, SpectrumBlock) else [each.name for each in chunk]
    return {name: str(meta.get("file", "")) for name, meta in zip(names, metas)}


def _reduce(chunk, model):
    reduce = reduce_block if isinstance(chunk, SpectrumBlock) else reduce_spectra
    return reduce(chunk, grid=model.grid, normalisation=model.normalisation)


def _classify_sample(sample, failed, files, model, schema, *, force):
    """Classify a reduced sample: a table of `schema`, and `failed` with what could not be classified.

    Where classifying all together fails, one spectrum after the other is tried: one of them is to blame.
    """
    rejected = [Rejected(*map(str, each)) for each in failed]
    if not len(sample):
        return schema.empty_table(), rejected
    try:
        return _tabulate(sample, model, schema, force=force), rejected
    except AgnError:
        raise
    except Exception as error:
        logger.debug("%d spectra were not classified together", len(sample), exc_info=error)
    tables = [schema.empty_table()]
    for row, name in enumerate(sample["name"].tolist()):
        try:
            tables.append(_tabulate(sample[row : row + 1], model, schema, force=force))
        except Exception as error:
            reason = f"{name} cannot be classified ({summarise_error(error)})."
            rejected.append(Rejected(name, files.get(name, ""), reason))
    return pa.concat_tables(tables), rejected


def _tabulate(sample, model, schema, *, force):
    marginal = weigh_sample(sample, model)
    table = predict_types(sample, model, force=force, marginal=marginal)
    columns = {name: table[name].tolist() for name in table.colnames}
    columns |= {name: np.asarray(sample[name], dtype=np.float32) for name in ("flux", "ivar")}
    if "target" in schema.names:
        index = marginal.log_proba.argmax(axis=1)
        target = np.asarray(model.classes)[index]
        columns["target"] = target.astype(str).tolist()
        if "attribution_pairs" in schema.names:
            decisions = pair_decisions(model.estimator, marginal.flux)
            classifier = unwrap_estimator(model.estimator)[1]
            columns["attribution_pairs"] = classifier.log_proba_by_decision(decisions, index)
        else:
            gradient = log_proba_gradient(model.estimator, marginal.flux, target)
            columns["attribution"] = np.where(sample["ivar"] > 0, gradient, 0).astype(np.float32)
    arrays = [
        pa.FixedSizeListArray.from_arrays(pa.array(np.ravel(columns[field.name])), type=field.type)
        if pa.types.is_fixed_size_list(field.type)
        else pa.array(columns[field.name], field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def make_schema(model, *, explain=True):
    """The columns of a partition's table, `pyarrow.Schema`; which they are depends on what a model tells."""
    if explain not in (True, False, "arrays"):
        raise AgnError(f"explain must be true, false or 'arrays'; got {explain!r}.")
    empty = predict_types(reduce_spectra([], grid=model.grid, normalisation=model.normalisation)[0], model)
    kinds = {"U": pa.string(), "f": pa.float64(), "i": pa.int64(), "b": pa.bool_()}
    fields = [pa.field(name, kinds[empty[name].dtype.kind]) for name in empty.colnames]
    on_grid = pa.list_(pa.float32(), len(model.grid))
    fields += [pa.field("flux", on_grid), pa.field("ivar", on_grid)]
    if explain:
        fields.append(pa.field("target", pa.string()))
        weights = None if explain == "arrays" else linear_weights(model.estimator)
        pairs = None if weights is None else pa.list_(pa.float64(), len(weights))
        fields.append(
            pa.field("attribution", on_grid) if pairs is None else pa.field("attribution_pairs", pairs)
        )
    return pa.schema(fields)


def list_values(column):
    """The values of a column of fixed-size lists, (n_rows, size)."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    size = column.type.list_size
    values = [chunk.flatten().to_numpy(zero_copy_only=False).reshape(-1, size) for chunk in chunks]
    return np.concatenate(values) if values else np.empty((0, size), column.type.value_type.to_pandas_dtype())


def read_meta(schema):
    """What was written beside the columns of a part."""
    return json.loads((schema.metadata or {}).get(b"agn", b"{}"))
