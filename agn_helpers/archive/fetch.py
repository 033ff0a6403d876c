"""Spectra of a catalogue, from the archives to a verified cache on disk; may be stopped and begun again."""

import collections
import hashlib
import os
import queue
import threading
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
from astropy.table import Table
from tqdm import tqdm

from ..errors import AgnError, SpectrumError
from ..files import OutputError, make_folder
from .cache import MANIFEST, RECORDS, update_index
from .catalogue import make_problems, split_survey_name
from .http import Failure, StoppedError, Transfer, TransferError, UnreachableError, check_base
from .layout import ARCHIVE, list_urls, name_dr7_file, name_spectrum
from .manifest import Entry, Manifest, Result, claim_file
from .verify import verify_spectrum

# Spectra in a row for which the archive gave no answer that could be used, or none at all, before it is left
# alone.
_MOST_FAILURES, _MOST_SILENT = 80, 3


class Task(NamedTuple):
    """A spectrum to be fetched; `run2d` may be ""."""

    name: str
    plate: int
    mjd: int
    fiberid: int
    run2d: str


class Fetcher:
    """Fetches one spectrum; many threads do so with one of these."""

    def __init__(self, cache, manifest, transfer, *, release, mirror):
        self.cache, self.manifest, self.transfer = cache, manifest, transfer
        self.release, self.mirror = release, mirror
        self._failures = self._silent = 0
        self._silent_hosts = set()

    def fetch(self, task):
        """Return a Result, or None where another client is fetching it."""
        if entry := self._find(task):
            return Result(task.name, "kept", entry)
        folder = make_folder(self.cache / f"{task.plate:04d}")
        part = folder / f".{task.name}.part"
        try:
            with claim_file(part) as handle:
                if handle is None:
                    return None
                self.manifest.refresh()
                if entry := self._find(task) or self._adopt(task):
                    return Result(task.name, "kept", entry)
                entry, problem = self._fetch(task, part, handle)
        except OSError as error:
            raise OutputError(
                f"{error.filename or folder} could not be written: {error.strerror}; free some space, remove "
                "what is in the way or choose another folder."
            ) from error
        self._count_failures(entry, problem)
        return Result(task.name, entry.outcome, entry)

    def _find(self, task):
        """The Entry of a spectrum that is on disk, or None."""
        entry = self.manifest.get(task.name)
        if entry is None or entry.outcome != "verified" or entry.file not in _list_files(task):
            return None
        try:
            return entry if os.stat(self.cache / entry.file).st_size == entry.size else None
        except OSError:
            return None

    def _adopt(self, task):
        """Take over a file that is in the cache without a line in the manifest, or is whole again."""
        known = self.manifest.known_sha256(task.name)
        for file in _list_files(task):
            try:
                content = (self.cache / file).read_bytes()
                if known not in ("", hashlib.sha256(content).hexdigest()):
                    continue
                verify_spectrum(content, plate=task.plate, mjd=task.mjd, fiberid=task.fiberid)
            except (FileNotFoundError, SpectrumError):
                continue
            return self._record(task, file, content, url="")
        return None

    def _fetch(self, task, part, handle):
        def check(content):
            verify_spectrum(content, plate=task.plate, mjd=task.mjd, fiberid=task.fiberid)

        numbers = task.plate, task.mjd, task.fiberid
        problem, url, answered, silent = None, "", set(), set()
        for url in list_urls(*numbers, run2d=task.run2d, release=self.release, mirror=self.mirror):
            host = urlsplit(url).netloc
            if host in self._silent_hosts:
                silent.add(host)
                continue
            try:
                content = self.transfer.get(url, check)
            except TransferError as error:
                if error.kind == Failure.ABSENT:
                    answered.add(host)
                    continue
                if error.kind == "unreachable" and answered and host not in answered:
                    # The last resort is closed: no reason to leave the archive that answers alone.
                    self._silent_hosts.add(host)
                    silent.add(host)
                    continue
                problem = problem or error
                if error.kind in ("rejected", "refused"):
                    continue
                break
            file = _list_files(task)[url.endswith(".fit")]
            view = memoryview(content)
            while view:
                view = view[os.write(handle, view) :]
            entry = self._record(task, file, content, url=url)
            os.replace(part, self.cache / file)
            return entry, None
        if problem is None and silent:
            reason = (
                f"{task.name}: {_join(answered)} does not have it (404), and {_join(silent)} does not "
                "answer; look at its numbers, or try again later."
            )
            entry = Entry("failed", url=url, release=self.release, reason=reason)
        elif problem is None:
            numbers = f"numbers, or at its run2d {task.run2d}" if task.run2d else "numbers"
            reason = f"{task.name}: no archive of DR{self.release} has it (404); look at its {numbers}."
            entry = Entry("not found", url=url, release=self.release, reason=reason)
        else:
            outcome = "rejected" if problem.kind == "rejected" else "failed"
            entry = Entry(outcome, url=url, release=self.release, reason=f"{task.name}: {problem}")
        return self.manifest.record(task.name, entry), problem

    def _record(self, task, file, content, *, url):
        sha256 = hashlib.sha256(content).hexdigest()
        entry = Entry("verified", file, len(content), sha256, url, self.release)
        return self.manifest.record(task.name, entry)

    def _count_failures(self, entry, problem):
        """End the run where it makes no sense to ask for more."""
        is_silent = problem is not None and problem.kind == "unreachable"
        self._failures = self._failures + 1 if problem is not None and entry.outcome == "failed" else 0
        self._silent = self._silent + 1 if is_silent else 0
        if self._failures >= _MOST_FAILURES or self._silent >= _MOST_SILENT:
            raise UnreachableError(
                f"the archive failed {self._failures} times in a row, the last time so: {entry.reason} "
                "Nothing that was fetched is lost: give the same command again later."
            )


def _join(hosts):
    return ", ".join(sorted(hosts))


def _list_files(task):
    """Files of a spectrum in the cache: SDSS spec, spSpec."""
    numbers = task.plate, task.mjd, task.fiberid
    folder = f"{task.plate:04d}"
    return f"{folder}/{name_spectrum(*numbers)}.fits", f"{folder}/{name_dr7_file(*numbers)}"


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
        of `Entry`.
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
        As from `read_catalogue`.  Objects with plate, MJD and fibre come from the SDSS archives, those of
        other surveys through SPARCL.
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
        As of `update_index`.
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
    named = _canonical_names(catalogue)
    problems = make_problems([*([] if problems is None else [problems]), _unnamed_rows(catalogue)])
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
                    from .sparcl import fetch_from_sparcl

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


def _unnamed_rows(catalogue):
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


def _canonical_names(catalogue):
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
