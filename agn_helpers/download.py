"""Spectra of a catalogue, from the archives to a verified cache on disk; may be stopped and begun again."""

import collections
import queue
import threading
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from tqdm import tqdm

from .addresses import check_base
from .archive_urls import ARCHIVE, list_urls, name_spectrum
from .cache_index import MANIFEST, RECORDS, update_index
from .catalogue_columns import split_survey_name
from .catalogues import make_problems
from .errors import AgnError
from .fetcher import Fetcher, Task
from .files import make_folder
from .limits import StoppedError
from .manifest import Manifest
from .transfer import Transfer

#: Connections at once: what an archive is asked for, whatever the caller wants.
MOST_WORKERS = 16
# Seconds until a spectrum that another client is fetching is looked at again, and for threads to end.
_ASK_AGAIN = 0.2
_LAST_WAIT = 2.0


class FetchReport(NamedTuple):
    """What a call of `fetch_spectra` did.

    Attributes
    ----------
    counts : dict
        Number of spectra by outcome: ``"kept"`` (they were there), ``"verified"`` (fetched now), and those
        of `manifest.Entry`.
    missing : astropy.table.Table
        Columns name, outcome, reason: what could not be had.
    changed : astropy.table.Table
        Columns name, before, now: spectra whose bytes (sha256) differ from those fetched before.
    conflicts : astropy.table.Table
        Spectra to which an earlier list gives another label, see `update_index`.
    size : int
        Bytes fetched now.
    """

    counts: dict
    missing: Table
    changed: Table
    conflicts: Table
    size: int


def fetch_spectra(
    catalogue,
    cache,
    *,
    release=17,
    workers=8,
    mirror=None,
    limits=None,
    problems=None,
    fresh=False,
    progress=True,
    client=None,
):
    """Bring the spectra of a catalogue to disk, each verified; what is there is not fetched again.

    Parameters
    ----------
    catalogue : astropy.table.Table
        See `agn_helpers.catalogues`.  Objects with plate, MJD and fibre come from the SDSS archives, those
        of other surveys through SPARCL.
    cache : path
        A folder; several clients may use it at once.
    release : int
        SDSS data release.
    workers : int
        Connections at once, at most `MOST_WORKERS`.
    mirror : str, optional
        Address that stands in for the SDSS archives.
    limits : transfer.Limits, optional
        Patience with the network.
    problems, fresh
        As of `cache_index.update_index`.
    progress : bool
        Show a bar with rate and time left.
    client : sparcl.client.SparclClient, optional
        Made when it is needed.

    Returns
    -------
    FetchReport

    Raises
    ------
    UnreachableError
        Where the archive does not answer any more; what was fetched is kept.
    AgnError
        For arguments that are no use; OutputError where the cache cannot be written.
    """
    mirror = None if mirror is None else check_base(mirror)
    if workers < 1:
        raise AgnError(f"workers must be at least 1; got {workers}.")
    list_urls(1, 1, 1, release=release)
    cache = Path(cache)
    if (cache / "index.csv").exists() and not (cache / RECORDS / MANIFEST).exists():
        raise AgnError(
            f"{cache} must be a cache of spectra or new; it holds an index.csv of your own. Name another."
        )
    make_folder(cache / RECORDS)
    named = _name_again(catalogue)
    problems = make_problems([*([] if problems is None else [problems]), _list_nameless(catalogue)])
    workers = min(workers, MOST_WORKERS)
    transfer = Transfer(mirror or ARCHIVE, connections=workers, limits=limits)
    with Manifest(cache / RECORDS / MANIFEST) as manifest:
        fetcher = Fetcher(cache, manifest, transfer, release=release, mirror=mirror)
        tally = _Tally()
        hide = None if progress else True
        bar = tqdm(total=len(named), desc="fetch", unit=" spectra", delay=2, disable=hide)
        try:
            with bar:
                for result in _run_threads(fetcher, _list_tasks(named), 2 * workers):
                    tally.add(result)
                    bar.set_postfix_str(f"{tally.size / 1e6:.0f} MB", refresh=False)
                    bar.update()
                others = [name for name in named["name"].tolist() if split_survey_name(name)]
                if others:
                    from .sparcl_files import fetch_from_sparcl

                    for result in fetch_from_sparcl(others, cache, manifest, client=client):
                        tally.add(result)
                        bar.update()
        finally:
            conflicts = update_index(cache, named, manifest, problems=problems, fresh=fresh)
    return tally.report(conflicts)


class _Tally:
    """Counts results and keeps those that are worth a word."""

    def __init__(self):
        self.counts, self.missing, self.changed, self.size = collections.Counter(), [], [], 0

    def add(self, result):
        self.counts[result.outcome] += 1
        if result.outcome == "verified":
            self.size += result.entry.size
            if result.entry.changed:
                self.changed.append((result.name, result.entry.changed, result.entry.sha256))
        elif result.outcome != "kept":
            self.missing.append((result.name, result.outcome, result.entry.reason))

    def report(self, conflicts):
        tables = [
            Table(rows=rows or None, names=names, dtype=[str] * 3)
            for rows, names in (
                (self.missing, ("name", "outcome", "reason")),
                (self.changed, ("name", "before", "now")),
            )
        ]
        return FetchReport(dict(self.counts), *tables, conflicts, self.size)


def _list_nameless(catalogue):
    rows = [
        (
            "",
            str(row["source"]),
            "unusable",
            f"RA {row['ra']:.5f}, Dec {row['dec']:.5f} of {row['source']} has no plate, MJD and fibre yet; "
            "find them with resolve_positions.",
        )
        for row in catalogue[catalogue["name"] == ""]
    ]
    return make_problems(rows)


def _name_again(catalogue):
    """The objects that can be fetched, named by their numbers: a name of one's own could lead anywhere."""
    names = [
        name_spectrum(*row[1:]) if row[1] > 0 else row[0] if split_survey_name(row[0]) else ""
        for row in zip(*(catalogue[key].tolist() for key in ("name", "plate", "mjd", "fiberid")))
    ]
    named = catalogue.copy()
    named["name"] = np.array(names, dtype=str)
    return named[named["name"] != ""]


def _list_tasks(catalogue):
    columns = [catalogue[key].tolist() for key in Task._fields]
    return (Task(*row) for row in zip(*columns) if row[1] > 0)


def _run_threads(fetcher, tasks, number):
    """Yield a Result a task, in the order in which they end; the threads end with the generator."""
    lock, waiting, results = threading.Lock(), collections.deque(), queue.SimpleQueue()

    def next_task():
        """A task, and whether it comes again."""
        with lock:
            task = next(tasks, None)
            return (waiting.popleft(), True) if task is None and waiting else (task, False)

    def work():
        try:
            while not fetcher.transfer.stopped.is_set():
                task, again = next_task()
                if task is None:
                    break
                result = fetcher.fetch(task)
                if result is not None:
                    results.put(result)
                    continue
                # Another client is at it; what becomes of it is seen later.
                waiting.append(task)
                if again:
                    fetcher.transfer.stopped.wait(_ASK_AGAIN)
        except StoppedError:
            pass
        except BaseException as error:
            fetcher.transfer.stopped.set()
            results.put(error)
        finally:
            results.put(None)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        while number:
            result = results.get()
            if isinstance(result, BaseException):
                raise result
            if result is None:
                number -= 1
            else:
                yield result
    finally:
        fetcher.transfer.stopped.set()
        deadline = time.monotonic() + _LAST_WAIT
        for thread in threads:
            # One that waits for a silent server ends with the process; it writes nothing unverified.
            thread.join(timeout=max(0.0, deadline - time.monotonic()))
