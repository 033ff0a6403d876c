"""What a cache of spectra was asked for, and what it holds: the tables beside the spectra.

``index.csv`` lists the spectra on disk and is what `open_survey` reads; ``records/missing.csv`` lists what
was asked for and is not there, with the reason; together they are all lists ever fetched into the cache.
"""

import contextlib
import hashlib
import io
import os
import stat
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.table import Table, hstack, vstack
from tqdm import tqdm

from ..errors import AgnError
from ..files import make_folder, write_table
from ..limits import check_columns, read_regular, summarise_error
from ..lines import AGN_TYPES
from ..locks import claim_file, hold_lock, sweep_unfinished
from .catalogue import COLUMNS, make_problems
from .manifest import Manifest, Outcome

#: Folder of everything in a cache that is no spectrum; spectra are looked for beside it, not in it.
RECORDS = "records"

MANIFEST = "manifest.jsonl"

_INDEX, _MISSING = "index.csv", f"{RECORDS}/missing.csv"

# Columns of both tables and their kinds, in their order; the index goes without the last two.
_COLUMNS = {
    **{"file": str, "redshift": float, "label": str},
    **{key: kind for key, kind in COLUMNS.items() if key not in ("redshift", "label")},
    **{"outcome": str, "reason": str},
}

_OR = " / "

_PENDING = ("pending", "not asked for yet; give the same command again.")


def update_index(cache, catalogue, manifest, *, problems=None, fresh=False):
    """Write both tables anew, and return which labels of an earlier list the catalogue contradicts.

    The catalogue is added to what was asked for before, or takes its place where `fresh`; files stay where
    they are.  `problems` are rows of lists that could not be used (see `make_catalogue`): of these the
    unusable ones are missing.  A spectrum to which an earlier list gives another label gets both, as
    ``"type 1 / type 2"``, is rejected by `open_survey`, and is a problem of kind ``"conflict"``.
    """
    cache = Path(cache)
    make_folder(cache / RECORDS)
    with hold_lock(cache / RECORDS / ".index.lock"):
        for folder in (cache, cache / RECORDS):
            sweep_unfinished(folder)
        before = _make_empty() if fresh else read_request(cache)
        was_usable = before["outcome"] != "unusable"
        asked, conflicts = _add_request(before[was_usable], catalogue[list(COLUMNS)])
        unusable = [] if problems is None else [problems[problems["kind"] == "unusable"]]
        rows = [
            (str(row["name"]), str(row["source"]), "unusable", str(row["reason"]))
            for part in (*unusable, before[~was_usable])
            for row in part
        ]
        manifest.refresh()
        states = [_find_state(cache, manifest.get(name)) for name in asked["name"].tolist()]
        states = Table(rows=states or None, names=("file", "outcome", "reason"), dtype=[str] * 3)
        asked = hstack([asked, states])
        there = asked["outcome"] == Outcome.VERIFIED
        # Rows that could not be used have no other columns than these.
        unusable = Table(rows=rows or None, names=("name", "source", "outcome", "reason"), dtype=[str] * 4)
        missing = vstack([asked[~there], unusable[np.unique(unusable["reason"], return_index=True)[1]]])
        write_table(asked[there][list(_COLUMNS)[:-2]], cache / _INDEX)
        write_table(missing[list(_COLUMNS)], cache / _MISSING)
    return make_problems(conflicts)


def _find_state(cache, entry):
    """File, outcome and reason of a spectrum."""
    # A client may have died between its line in the manifest and the file's final name.
    if entry is None or (entry.outcome == Outcome.VERIFIED and not os.path.exists(cache / entry.file)):
        return ("", *_PENDING)
    return entry.file, entry.outcome, entry.reason


def _add_request(before, asked):
    """What was asked for before and is not asked for now, then what is asked for now."""
    again = np.isin(before["name"], asked["name"])
    labels = dict(zip(before["name"][again].tolist(), before["label"][again].tolist()))
    conflicts = []
    if labels:
        asked = asked.copy()
        now = asked["label"].tolist()
        for row, name in enumerate(asked["name"].tolist()):
            old, new = labels.get(name, ""), now[row]
            # Two types stay both, which is no type, whichever list is asked for again.
            now[row] = _OR.join(sorted({*old.split(_OR), new} - {""}))
            if old not in ("", now[row]):
                reason = f"{name} is {old} in an earlier list and {new} in this; it is used as neither."
                conflicts.append((name, str(asked["source"][row]), "conflict", reason))
        asked["label"] = np.array(now, dtype=str)
    return vstack([before[~again][list(COLUMNS)], asked], metadata_conflicts="silent"), conflicts


def read_request(cache):
    """Everything that a cache was asked for, with what became of it.

    A Table with the columns of a catalogue, ``file``, and ``outcome`` (such as ``"verified"`` or ``"not
    found"``; ``"unusable"`` for a row that names no spectrum, ``"pending"``) with its ``reason``.
    """
    parts = [_read_table(Path(cache) / name) for name in (_INDEX, _MISSING)]
    if parts[0] is not None:
        parts[0]["outcome"], parts[0]["reason"] = str(Outcome.VERIFIED), ""
    parts = [part for part in parts if part is not None and len(part)]
    return vstack(parts) if parts else _make_empty()


def read_missing(cache):
    """What a cache was asked for and does not hold; a Table as of `read_request`."""
    missing = _read_table(Path(cache) / _MISSING)
    return _make_empty() if missing is None else missing


def _read_table(path):
    """One of the tables with text and numbers as they were written, None where it does not exist."""
    if not path.is_file():
        return None
    table = Table()
    try:
        content = read_regular(path)
        check_columns(content.partition(b"\n")[0].count(b",") + 1, path)
        frame = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
        absent = [key for key in list(_COLUMNS)[:-2] if key not in frame.columns]
        if absent:
            raise ValueError(f"it has no column {absent[0]}")
        for key in list(frame.columns):
            # A column at a time: a million rows take much memory as text of Python.
            cells, kind = np.array(frame.pop(key).tolist(), dtype=str), _COLUMNS.get(key, str)
            table[key] = np.where(cells == "", {str: "", int: "-1", float: "nan"}[kind], cells).astype(kind)
    except Exception as error:  # Whatever the file makes of its readers.
        raise AgnError(
            f"{path} must be as agn fetch wrote it; it is not ({summarise_error(error)}). Remove it and give "
            "the same command again."
        ) from error
    return table


def _make_empty():
    return Table(names=list(_COLUMNS), dtype=list(_COLUMNS.values()))


def summarise_request(cache):
    """How many were asked for and what became of them, type by type.

    Parameters
    ----------
    cache : path

    Returns
    -------
    pandas.DataFrame
        A row a type, "no type" and "all"; columns asked and every outcome that occurs.
    """
    request = read_request(cache)
    labels = np.where(np.isin(request["label"], list(AGN_TYPES)), request["label"], "no type")
    counts = pd.crosstab(pd.Series(labels, name="type"), pd.Series(np.asarray(request["outcome"])))
    rows = [name for name in (*AGN_TYPES, "no type") if name in counts.index]
    counts = counts.reindex(rows).rename_axis(columns=None)
    counts.insert(0, "asked", counts.sum(axis=1))
    counts.loc["all"] = counts.sum()
    return counts


def check_cache(cache, *, progress=True):
    """Compare every file of a cache with the manifest.

    What is missing or differs is recorded as damaged, is left out of the index, and will be fetched again by
    the next `fetch_spectra` that asks for it.

    Parameters
    ----------
    cache : path
    progress : bool
        Show a bar.

    Returns
    -------
    n_good : int
        Files whose bytes are those that were verified.
    damaged : astropy.table.Table
        Columns name, file, reason.

    Raises
    ------
    AgnError
        For a folder without a manifest.
    """
    cache = Path(cache)
    path = cache / RECORDS / MANIFEST
    if not path.is_file():
        raise AgnError(
            f"{cache} must be a cache of spectra or images; it has none: fetch them with agn fetch."
        )
    n_good, damaged = 0, []
    with Manifest(path) as manifest:
        names = [name for name in manifest if manifest.get(name).file]
        for name in tqdm(names, desc="check", unit=" files", delay=2, disable=None if progress else True):
            entry = manifest.get(name)
            found = _hash_file(cache / entry.file)
            if found != (entry.size, entry.sha256):
                # Another client may have fetched it anew since.
                manifest.refresh()
                if manifest.get(name) != entry:
                    entry = manifest.get(name)
                    found = _hash_file(cache / entry.file)
            if found == (entry.size, entry.sha256):
                n_good += 1
                if entry.outcome == Outcome.DAMAGED:
                    manifest.record(name, entry._replace(outcome=Outcome.VERIFIED, reason=""))
                continue
            reason = (
                f"{name}: {entry.file} is missing or cannot be read"
                if found is None
                else f"{name}: {entry.file} must have {entry.size} bytes of sha256 {entry.sha256[:12]}…; it "
                f"has {found[0]} of {found[1][:12]}…"
            )
            reason += "; fetch it again."
            if entry.outcome != Outcome.DAMAGED or entry.reason != reason:
                manifest.record(name, entry._replace(outcome=Outcome.DAMAGED, reason=reason))
            damaged.append((name, entry.file, reason))
        if (cache / _INDEX).is_file():
            # A cache of images has none.
            update_index(cache, read_request(cache)[:0], manifest)
    names = ("name", "file", "reason")
    return n_good, Table(rows=damaged or None, names=names, dtype=[str] * 3)


def _hash_file(path):
    """Size and sha256, or None where there is no file that can be read."""
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return file.tell(), digest
    except OSError:
        return None


def require_own(folder):
    """Raise AgnError for a folder of a cache that leads elsewhere, or is that of a stranger."""
    found, ours = os.lstat(folder), {os.stat(folder.parent).st_uid, getattr(os, "geteuid", int)()}
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in ours:
        raise AgnError(
            f"{folder} must be a folder of the cache's owner; it is a link or another's; remove it."
        )


def sweep_parts(cache):
    """Remove what clients that died had begun; whether one lives, the lock of its file says."""
    for part in cache.glob("[0-9]*/.*.part"):
        with contextlib.suppress(OSError), claim_file(part):
            pass
