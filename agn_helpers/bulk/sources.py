"""Where many spectra come from, divided into partitions: files, DESI coadds, earlier results, Dask frames."""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import AgnError
from ..spectra import Entry, find_index, list_files, open_coadd, read_entries, read_index

#: Spectra of a partition: enough that Dask's part of the time is small, few enough for any memory.
PARTITION_SIZE = 2000

#: The file by which a folder of results is known.
RUN_FILE = "run.json"


class Item(NamedTuple):
    """What is read at once: a file, some targets of a DESI coadd (`start` to `stop`), a part of results."""

    path: str
    start: int = 0
    stop: int = 0
    entry: Entry | None = None

    @property
    def place(self):
        """How errors name it."""
        return f"{self.path}, targets {self.start} to {self.stop - 1}" if self.stop else self.path


class Partition(NamedTuple):
    """Spectra that are classified and written together.

    Attributes
    ----------
    number : int
    kind : {"files", "results", "frame"}
    items : list of Item
    key : str
        Changes with the names, sizes and times of the files and what their index says.
    n_spectra : int
        About how many they are.
    frame : dask Delayed or DataFrame, optional
    """

    number: int
    kind: str
    items: list
    key: str
    n_spectra: int
    frame: Any = None


def divide_source(source, *, size=PARTITION_SIZE):
    """Divide a source into partitions.

    Parameters
    ----------
    source : path, list of paths, or Dask collection of frames
        Files and folders (see `agn_helpers.spectra.read_spectra`), DESI coadds among them; one folder of
        earlier results; an LSDB catalogue or a Dask DataFrame.
    size : int
        Spectra of a partition, about.

    Returns
    -------
    list of Partition

    Raises
    ------
    AgnError
        For a source without spectra.
    """
    if not size >= 1:
        raise AgnError(f"a partition must hold at least one spectrum; got {size}.")
    if hasattr(source, "to_delayed"):
        return _divide_frames(source)
    if isinstance(source, str | os.PathLike):
        source = [source]
    if not isinstance(source, Iterable):
        raise AgnError(
            f"a source must be files, folders or a Dask collection of frames; got {type(source).__name__}."
        )
    paths = [Path(path) for path in source]
    results = [path for path in paths if (path / RUN_FILE).is_file()]
    if results and len(paths) > 1:
        raise AgnError(f"earlier results must be the only source; got {results[0]} and others.")
    if results:
        return _divide_results(results[0])
    return _group(_list_items(paths, size), size)


def _divide_frames(source):
    columns = [str(name) for name in source.columns]
    parts = source.to_delayed()
    # Dask's own names of parts are not the same tomorrow.
    keys = [_digest([type(source).__name__, columns, len(parts), number]) for number in range(len(parts))]
    return [Partition(number, "frame", [], keys[number], 0, part) for number, part in enumerate(parts)]


def _divide_results(folder):
    files = sorted((folder / "spectra").glob("part-*.parquet"))
    if not files:
        raise AgnError(f"{folder} must hold results; it has none yet. Finish them first.")
    items = [Item(str(path)) for path in files]
    return [
        Partition(number, "results", [item], _digest([_sign(item)]), 0) for number, item in enumerate(items)
    ]


def _list_items(paths, size):
    """All files, in order; the targets of coadds in portions of at most `size`."""
    entries: dict = {}
    for folder in dict.fromkeys(path if path.is_dir() else path.parent for path in paths):
        index = find_index(folder)
        entries |= read_entries(read_index(index), inside=True) if index else {}
    found = False
    for path in paths:
        for file in list_files(path, entries) if path.is_dir() else [path]:
            found = True
            entry = entries.get(os.path.abspath(file)) if entries else None
            n_targets = 0 if entry else count_targets(file)
            starts = range(0, n_targets, size) if n_targets else [0]
            for start in starts:
                yield Item(str(file), start, min(start + size, n_targets), entry)
    if not found:
        raise AgnError(f"there must be spectra in {', '.join(map(str, paths))}; there is none.")


def count_targets(path):
    """Targets of a DESI coadd that is read a block at a time; 0 for all other files."""
    name = Path(path).name
    if not name.startswith(("coadd-", "spectra-")) or not name.endswith(".fits"):
        return 0
    try:
        with open_coadd(path) as targets:
            return len(targets)
    except AgnError:
        # It is read, and rejected, as any file.
        return 0


def _group(items, size):
    partitions: list[Partition] = []
    group: list[Item] = []
    number = 0
    for item in items:
        here = max(1, item.stop - item.start)
        if group and number + here > size:
            partitions.append(_close(group, number, len(partitions)))
            group, number = [], 0
        group.append(item)
        number += here
    return [*partitions, _close(group, number, len(partitions))]


def _close(group, n_spectra, number):
    return Partition(number, "files", group, _digest([_sign(item) for item in group]), n_spectra)


def _sign(item):
    """What tells that a file, and redrock's beside it, and its row of the index, are still the same."""
    path = Path(item.path)
    signs: list = [os.path.abspath(path), item.start, item.stop]
    beside = [path.with_name("redrock-" + path.name.partition("-")[2])] if item.stop else []
    for each in (path, *beside):
        try:
            found = each.stat()
            signs += [found.st_size, found.st_mtime_ns]
        except OSError:
            signs.append(None)
    return [*signs, repr(item.entry)] if item.entry else signs


def _digest(value):
    return hashlib.sha256(json.dumps(value, ensure_ascii=True).encode()).hexdigest()[:32]
