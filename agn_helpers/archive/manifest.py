"""What became of what was asked for: of a call, and the manifest of a cache, where outcomes are remembered.

A manifest has one line of JSON an outcome, appended and never rewritten.

Several clients may append at once.  A line that a dying client left incomplete is skipped and ended by the
next.
"""

import collections
import json
import os
import re
import threading
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from astropy.table import Table

from ..errors import AgnError
from ..locks import FLAGS, lock_file, unlock_file

# A folder and a file in it, and nothing that leads elsewhere.
_FILE = re.compile(r"(?!\.)[A-Za-z0-9._-]+/(?!\.)[A-Za-z0-9._-]+")

# Bytes read at once; no line comes near it.
_LONGEST = 1 << 20


class Outcome(StrEnum):
    """What became of a spectrum that was asked for."""

    KEPT = "kept"  # It was there.
    VERIFIED = "verified"
    ABSENT = "not found"
    REJECTED = "rejected"  # What was sent is no such spectrum.
    FAILED = "failed"  # There was no answer that could be used.
    DAMAGED = "damaged"  # On disk it is no longer what was fetched.
    BUSY = "busy"  # Another client is fetching it.


class Entry(NamedTuple):
    """The latest outcome of one spectrum, as a line of the manifest says it."""

    outcome: str
    file: str = ""  # relative to the cache
    size: int = 0  # bytes
    sha256: str = ""
    url: str = ""  # "" for a file that was found in the cache
    release: int = 0  # that was asked for
    time: str = ""  # UTC, ISO 8601
    reason: str = ""  # why there is no file
    changed: str = ""  # the sha256 when it was fetched before, where that was another


class Result(NamedTuple):
    """What became of a spectrum in this run."""

    name: str
    outcome: Outcome
    entry: Entry | None


class Manifest:
    """The outcomes of a cache by the names of the spectra, with those of other clients as they come in."""

    def __init__(self, path):
        """Read all lines of the file, which is created where it is missing."""
        self._path = path
        try:
            self._handle = os.open(path, FLAGS | os.O_APPEND, 0o666)
        except OSError as error:
            raise self._explain(error) from error
        self._lock = threading.Lock()
        self._offset = 0
        self._latest = {}
        # A later failure does not undo it.
        self._verified = {}
        self.refresh()

    def __enter__(self):
        """Nothing to do: the file is open."""
        return self

    def __exit__(self, *_):
        """Close the file; a thread that comes late gets an error, not the next file of that number."""
        with self._lock:
            os.close(self._handle)
            self._handle = -1

    def __iter__(self):
        """Names of all spectra, in the order of their first outcomes."""
        return iter(list(self._latest))

    def get(self, name):
        """The latest Entry of a spectrum, or None."""
        return self._latest.get(name)

    def known_sha256(self, name):
        """The sha256 by which a spectrum was last verified, or ""."""
        return self._verified.get(name, "")

    def refresh(self):
        """Take in what was appended since, by whichever client."""
        with self._lock:
            self._read_on()

    def record(self, name, entry):
        """Append an outcome; return it with ``time`` and ``changed`` filled in."""
        try:
            return self._append(name, entry)
        except OSError as error:
            raise self._explain(error) from error

    def _explain(self, error):
        return AgnError(
            f"{self._path} could not be written: {error.strerror}; free some space or choose another folder."
        )

    def _append(self, name, entry):
        """Write one line where no other client can write at the same time."""
        with self._lock:
            lock_file(self._handle)
            try:
                self._read_on()
                before = self._verified.get(name, "")
                changed = before if entry.outcome == Outcome.VERIFIED and before != entry.sha256 else ""
                now = datetime.now(UTC).isoformat(timespec="seconds")
                entry = entry._replace(time=now, changed=changed)
                fields = {key: value for key, value in entry._asdict().items() if value}
                line = json.dumps({"name": name, **fields}, ensure_ascii=False).encode() + b"\n"
                size = os.fstat(self._handle).st_size
                torn = size and self._read_at(size - 1, 1) != b"\n"
                os.write(self._handle, b"\n" + line if torn else line)
            finally:
                unlock_file(self._handle)
            self._read_on()
        return entry

    def _read_on(self):
        """Take in all whole lines that follow."""
        while block := self._read_at(self._offset, _LONGEST):
            end = block.rfind(b"\n") + 1
            if not end and len(block) < _LONGEST:
                # Without an end of line this is a line in the making, or torn.
                return
            # What is longer than any line is none.
            end = end or len(block)
            for line in block[:end].splitlines():
                self._take(line)
            self._offset += end

    def _read_at(self, offset, length):
        os.lseek(self._handle, offset, os.SEEK_SET)
        return os.read(self._handle, length)

    def _take(self, line):
        """Take in one line, unless it is incomplete or names a file outside of the cache."""
        try:
            fields = json.loads(line)
            entry = Entry(**{key: fields[key] for key in Entry._fields if key in fields})
            name = fields["name"]
            if entry.file and not _FILE.fullmatch(entry.file):
                raise ValueError(f"{entry.file} is no file of the cache")
            if not isinstance(name, str) or any(
                type(value) is not type(default) for value, default in zip(entry[1:], Entry("")[1:])
            ):
                raise TypeError(f"a field of {name!r} is of another type")
            Outcome(entry.outcome)
        except (ValueError, TypeError, KeyError, RecursionError):
            return
        self._latest[name] = entry
        if entry.outcome == Outcome.VERIFIED:
            self._verified[name] = entry.sha256


class FetchReport(NamedTuple):
    """What a call of `fetch_spectra` did.

    Attributes
    ----------
    counts : dict
        Number of spectra by outcome, such as ``"kept"`` (they were there) and ``"verified"`` (fetched now).
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


class Tally:
    """Counts results and keeps those that are worth a word."""

    def __init__(self):
        self.counts, self.missing, self.changed, self.size = collections.Counter(), [], [], 0

    def add(self, result):
        entry, outcome = result.entry, str(result.outcome)
        self.counts[outcome] += 1
        if outcome == Outcome.VERIFIED:
            self.size += entry.size
            if entry.changed:
                self.changed.append((result.name, entry.changed, entry.sha256))
        elif outcome != Outcome.KEPT:
            self.missing.append((result.name, outcome, entry.reason))

    def report(self, conflicts):
        missing, changed = (
            Table(rows=rows or None, names=names, dtype=[str] * 3)
            for rows, names in (
                (self.missing, ("name", "outcome", "reason")),
                (self.changed, ("name", "before", "now")),
            )
        )
        return FetchReport(dict(self.counts), missing, changed, conflicts, self.size)
