"""One spectrum from an archive to its verified file in a cache, whoever else is at it.

A spectrum takes its final name, ``PLATE/spec-PLATE-MJD-FIBER.fits``, once it is verified, and its line in the
manifest just before.  Until then a hidden file stands for the claim of the client that fetches it.
"""

import hashlib
import os
from typing import NamedTuple
from urllib.parse import urlsplit

from .archive_urls import list_urls, name_dr7_file, name_spectrum
from .errors import SpectrumError
from .files import OutputError, make_folder
from .limits import AbsentError, TransferError, UnreachableError
from .locks import claim_file
from .manifest import Entry, Result
from .verification import verify_spectrum

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
            except AbsentError:
                answered.add(host)
                continue
            except TransferError as error:
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
