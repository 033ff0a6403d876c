"""Spectra of a catalogue, from the archives to a verified cache on disk; may be stopped and begun again."""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import queue
import threading
import time
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from astropy.table import Table
from tqdm import tqdm

from ..errors import AgnError, SpectrumError
from ..files import make_folder
from ..locks import claim_file
from .cache import MANIFEST, RECORDS, require_own, sweep_parts, update_index
from .catalogue import make_problems, name_rows, split_survey_name
from .http import Failure, StoppedError, Transfer, TransferError, check_base
from .layout import ARCHIVE, check_release, list_urls, name_dr7_file
from .manifest import Entry, FetchReport, Manifest, Outcome, Result, Tally
from .sparcl import fetch_from_sparcl
from .verify import verify_spectrum

if TYPE_CHECKING:
    from .http import Limits

#: Connections at once: what an archive is asked for, whatever the caller wants.
MOST_WORKERS = 16

# Spectra in a row for which the archive gave no answer that could be used, or none at all, before it is left
# alone.
_MOST_FAILURES, _MOST_SILENT = 80, 3

# What the manifest says of a failure; of all others that the spectrum failed.
_OUTCOMES = {Failure.ABSENT: Outcome.ABSENT, Failure.REJECTED: Outcome.REJECTED}

# Seconds until a spectrum that another client is fetching is looked at again, and for threads to end.
_ASK_AGAIN, _LAST_WAIT = 0.2, 2.0

# Seconds that another client is waited for before it is said.
_SILENCE = 5.0

logger = logging.getLogger(__name__)


class Task(NamedTuple):
    """A spectrum to be fetched; `run2d` may be ""."""

    name: str
    plate: int
    mjd: int
    fiberid: int
    run2d: str

    @property
    def folder(self):
        """Where its files lie in a cache."""
        return f"{self.plate:04d}"

    def verify(self, content):
        """Raise SpectrumError where these bytes are not the spectrum."""
        verify_spectrum(content, plate=self.plate, mjd=self.mjd, fiberid=self.fiberid)

    def list_files(self):
        """Its files in a cache: SDSS spec, spSpec."""
        names = f"{self.name}.fits", name_dr7_file(self.plate, self.mjd, self.fiberid)
        return tuple(f"{self.folder}/{name}" for name in names)


class Fetcher:
    """Fetches one spectrum; many threads do so with one of these."""

    def __init__(self, cache, manifest, transfer, *, release, mirror):
        self.cache, self.manifest, self.transfer = cache, manifest, transfer
        self.release, self.mirror = release, mirror
        self._failures = self._silent = 0
        # Hosts that do not answer while others do.
        self._closed = set()

    def fetch(self, task):
        """Return a Result; the spectrum is on disk, or the manifest says why not."""
        if entry := self._find(task):
            return Result(task.name, Outcome.KEPT, entry)
        folder = make_folder(self.cache / task.folder)
        require_own(folder)
        part = folder / f".{task.name}.part"
        try:
            with claim_file(part) as handle:
                if handle is None:
                    return Result(task.name, Outcome.BUSY, None)
                self.manifest.refresh()
                if entry := self._find(task) or self._adopt(task):
                    return Result(task.name, Outcome.KEPT, entry)
                content, url, problem = self._download(task)
                if problem is None:
                    entry = self._store(task, content, url, part, handle)
                else:
                    outcome = _OUTCOMES.get(problem.kind, Outcome.FAILED)
                    entry = Entry(outcome, url=url, release=self.release, reason=str(problem))
                    entry = self.manifest.record(task.name, entry)
        except OSError as error:
            raise AgnError(
                f"{error.filename or folder} could not be written: {error.strerror}; free some space, remove "
                "what is in the way or choose another folder."
            ) from error
        self._count_failures(problem)
        return Result(task.name, Outcome(entry.outcome), entry)

    def _find(self, task):
        """The Entry of a spectrum that is on disk, or None."""
        entry = self.manifest.get(task.name)
        if entry is None or entry.outcome != Outcome.VERIFIED or entry.file not in task.list_files():
            return None
        try:
            return entry if os.stat(self.cache / entry.file).st_size == entry.size else None
        except OSError:
            return None

    def _adopt(self, task):
        """Take over a file that is in the cache without a line in the manifest, or is whole again."""
        known = self.manifest.known_sha256(task.name)
        for file in task.list_files():
            try:
                content = (self.cache / file).read_bytes()
                if known not in ("", hashlib.sha256(content).hexdigest()):
                    continue
                task.verify(content)
            except (FileNotFoundError, SpectrumError):
                continue
            return self._record(task, file, content, url="")
        return None

    def _download(self, task):
        """Ask host after host: the bytes, their address and no problem, or why there are none."""
        url, problem, failures = "", None, {}
        for url in list_urls(*task[1:4], run2d=task.run2d, release=self.release, mirror=self.mirror):
            host = urlsplit(url).netloc
            if host in self._closed:
                failures[host] = Failure.CLOSED
                continue
            try:
                return self.transfer.get(url, task.verify), url, None
            except TransferError as error:
                kind = error.kind
                if (
                    kind == Failure.UNREACHABLE
                    and host not in failures
                    and Failure.ABSENT in failures.values()
                ):
                    # The last resort is closed: no reason to leave the archive that answers alone.
                    self._closed.add(host)
                    kind = Failure.CLOSED
                failures[host] = kind
                if problem is None and kind not in (Failure.ABSENT, Failure.CLOSED):
                    problem = TransferError(f"{task.name}: {error}", kind=kind)
                if kind in (Failure.TRANSIENT, Failure.UNREACHABLE):
                    break
        return None, url, problem or self._explain_absence(task, failures)

    def _explain_absence(self, task, failures):
        """That no host has a spectrum, or that one that might have it does not answer."""
        absent = ", ".join(host for host, kind in failures.items() if kind == Failure.ABSENT)
        closed = ", ".join(host for host, kind in failures.items() if kind == Failure.CLOSED)
        if closed:
            reason = f"{absent} does not have it (404), and {closed} does not answer"
            remedy = "look at its numbers, or try again later"
        else:
            reason = f"no archive of DR{self.release} has it (404)"
            remedy = "look at its numbers" + (f", or at its run2d {task.run2d}" if task.run2d else "")
        kind = Failure.CLOSED if closed else Failure.ABSENT
        return TransferError(f"{task.name}: {reason}; {remedy}.", kind=kind)

    def _store(self, task, content, url, part, handle):
        """Write the bytes, record them, and give the file its final name."""
        file = task.list_files()[url.endswith(".fit")]
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]
        # Without this a loss of power could leave an empty file under its final name.
        os.fsync(handle)
        entry = self._record(task, file, content, url=url)
        os.replace(part, self.cache / file)
        return entry

    def _record(self, task, file, content, *, url):
        sha256 = hashlib.sha256(content).hexdigest()
        entry = Entry(Outcome.VERIFIED, file, len(content), sha256, url, self.release)
        return self.manifest.record(task.name, entry)

    def _count_failures(self, problem):
        """End the run where it makes no sense to ask for more."""
        kind = problem and problem.kind
        is_failure = kind in (Failure.REFUSED, Failure.TRANSIENT, Failure.UNREACHABLE)
        self._failures = self._failures + 1 if is_failure else 0
        self._silent = self._silent + 1 if kind == Failure.UNREACHABLE else 0
        if self._failures >= _MOST_FAILURES or self._silent >= _MOST_SILENT:
            raise AgnError(
                f"the archive failed {self._failures} times in a row, the last time so: {problem} "
                "Nothing that was fetched is lost: give the same command again later."
            )


def open_archive(cache, address, *, mirror, workers, limits):
    """Make a cache ready; the Transfer from an archive or its mirror, that one's address, and the workers.

    Raises AgnError for a mirror that is no address, and for less than one worker.
    """
    if workers < 1:
        raise AgnError(f"workers must be at least 1; got {workers}.")
    mirror = None if mirror is None else check_base(mirror)
    make_folder(cache / RECORDS)
    sweep_parts(cache)
    workers = min(workers, MOST_WORKERS)
    return Transfer(mirror or address, connections=workers, limits=limits), mirror, workers


def fetch_spectra(
    catalogue: Table,
    cache: str | PathLike,
    *,
    release: int = 17,
    workers: int = 8,
    mirror: str | None = None,
    limits: Limits | None = None,
    problems: Table | None = None,
    fresh: bool = False,
    progress: bool = True,
    client: Any = None,
) -> FetchReport:
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
    limits : http.Limits, optional
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
    AgnError
        For arguments that are no use, where the archive does not answer any more (what was fetched is kept),
        and where the cache cannot be written.
    """
    check_release(release)
    cache = Path(cache)
    if (cache / "index.csv").exists() and not (cache / RECORDS / MANIFEST).exists():
        raise AgnError(
            f"{cache} must be a cache of spectra or new; it holds an index.csv of your own. Name another."
        )
    options = {"mirror": mirror, "workers": workers, "limits": limits}
    transfer, mirror, workers = open_archive(cache, ARCHIVE, **options)
    # A name of one's own could lead anywhere.
    named = catalogue.copy()
    named["name"] = name_rows(catalogue, {"name": "name"}, catalogue)
    named = named[named["name"] != ""]
    problems = make_problems([*([] if problems is None else [problems]), _unnamed_rows(catalogue)])
    with Manifest(cache / RECORDS / MANIFEST) as manifest:
        fetcher = Fetcher(cache, manifest, transfer, release=release, mirror=mirror)
        tally = Tally()
        options = {"unit": " spectra", "delay": 2, "disable": None if progress else True}
        others = [name for name in named["name"].tolist() if split_survey_name(name)]
        results = itertools.chain(
            fetch_tasks(fetcher, _list_tasks(named), 2 * workers),
            fetch_from_sparcl(others, cache, manifest, client=client),
        )
        try:
            with tqdm(total=len(named), desc="fetch", **options) as bar:
                for result in results:
                    tally.add(result)
                    bar.set_postfix_str(f"{tally.size / 1e6:.0f} MB", refresh=False)
                    bar.update()
        finally:
            conflicts = update_index(cache, named, manifest, problems=problems, fresh=fresh)
    return tally.report(conflicts)


def _unnamed_rows(catalogue):
    """Problems of the objects of which only the position is known."""
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


def _list_tasks(catalogue):
    """The objects of SDSS, one after the other."""
    columns = [catalogue[key].tolist() for key in Task._fields]
    return (Task(*row) for row in zip(*columns) if row[1] > 0)


def fetch_tasks(fetcher, tasks, number):
    """Yield a Result a task, in the order in which they end; those of another client are looked at again."""
    limits, since, is_said = fetcher.transfer.limits, time.monotonic(), False
    while tasks:
        busy = []
        for task, result in _run_threads(fetcher, tasks, number):
            if result.outcome == Outcome.BUSY:
                busy.append(task)
            else:
                since, is_said = time.monotonic(), False
                yield result
        tasks, number = busy, min(number, len(busy))
        if not busy:
            return
        waited = time.monotonic() - since
        if waited > limits.total_time:
            # No transfer takes longer: whoever it is, it was stopped.
            for task in busy:
                yield Result(task.name, Outcome.BUSY, Entry(Outcome.BUSY, reason=_explain_busy(task, waited)))
            return
        if waited > _SILENCE and not is_said:
            logger.warning("%s Waiting for %d such.", _explain_busy(busy[0], waited), len(busy))
            is_said = True
        time.sleep(_ASK_AGAIN)


def _explain_busy(task, waited):
    return (
        f"{task.name} has been claimed by another client for {waited:.0f} s; see whether it was stopped, end "
        "it and give the same command again."
    )


def _run_threads(fetcher, tasks, number):
    """Yield every task with its Result; nothing more is asked for once the generator is left early."""
    tasks, lock, results = iter(tasks), threading.Lock(), queue.SimpleQueue()
    stopped = fetcher.transfer.stopped

    def work():
        try:
            while not stopped.is_set():
                with lock:
                    task = next(tasks, None)
                if task is None:
                    break
                results.put((task, fetcher.fetch(task)))
        except StoppedError:
            pass
        except BaseException as error:
            stopped.set()
            results.put(error)
        finally:
            results.put(None)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    running = number
    try:
        while running:
            result = results.get()
            if isinstance(result, BaseException):
                raise result
            if result is None:
                running -= 1
            else:
                yield result
    finally:
        if running:
            stopped.set()
            deadline = time.monotonic() + _LAST_WAIT
            for thread in threads:
                # One that waits for a silent server ends with the process; it writes nothing unverified.
                thread.join(timeout=max(0.0, deadline - time.monotonic()))
