"""Reading in threads while what was read is worked on: what hangs is given up, what kills is remembered."""

import collections
import contextlib
import itertools
import os
import queue
import struct
import threading

_END = object()

# What ended so many attempts at the same item is that item.
FATAL = 2

# Seconds after which a thread that nobody listens to any more notices it.
_PATIENCE = 0.5


def read_ahead(items, read, *, threads=2, ahead=32, seconds=60.0):
    """Read items in order, some of them before they are asked for.

    Parameters
    ----------
    items : list
    read : function of an item
        Gives an iterable; it is called in another thread where there are `threads`.
    threads : int
        0 to read only what is asked for, without a time limit.
    ahead : int
        Results that a thread keeps ready.
    seconds : float
        Time limit for one result.  A thread that exceeds it is left behind, since none can be ended from
        outside; it keeps its memory for as long as the system keeps it waiting.

    Yields
    ------
    item, result
        All results of an item in turn; last the exception where reading it raised one, TimeoutError where it
        took too long.
    """
    if not threads:
        for item in items:
            for result in _read_all(item, read):
                yield item, result
        return
    readers = [_Reader(items[first::threads], read, ahead) for first in range(threads)]
    try:
        for number, item in enumerate(items):
            which = number % threads
            while True:
                try:
                    result = readers[which].results.get(timeout=seconds)
                except queue.Empty:
                    readers[which].left.set()
                    readers[which] = _Reader(items[number + threads :: threads], read, ahead)
                    yield item, TimeoutError(f"reading takes longer than {seconds:g} s")
                    break
                if result is _END:
                    break
                yield item, result
    finally:
        for reader in readers:
            reader.left.set()


def _read_all(item, read):
    """The results of an item, last the exception that ended it."""
    try:
        yield from read(item)
    except Exception as error:
        yield error


class _Reader:
    """A thread that reads items, and its results."""

    def __init__(self, items, read, ahead):
        self.results: queue.Queue = queue.Queue(ahead)
        self.left = threading.Event()
        # Of a daemon the process does not wait for the end.
        threading.Thread(target=self._run, args=(items, read), daemon=True).start()

    def _run(self, items, read):
        for item in items:
            for result in itertools.chain(_read_all(item, read), [_END]):
                if not self._put(result):
                    return

    def _put(self, result):
        while not self.left.is_set():
            try:
                self.results.put(result, timeout=_PATIENCE)
            except queue.Full:
                continue
            return True
        return False


class Trail:
    """A file that remembers what each attempt at a partition was reading, for the case that it ended there.

    Attributes
    ----------
    careful : bool
        Whether an earlier attempt ended in the middle: only one item at a time is read then.
    fatal : set of int
        Numbers of the items that ended `FATAL` attempts which looked out for it.
    """

    _SLOT = struct.Struct("<q")

    # Not reading; reading ahead.
    _NOWHERE, _ANYWHERE = -1, -2

    def __init__(self, folder, partition):
        self._path = folder / "attempts" / f"part-{partition.number:05d}"

    def __enter__(self):
        self._path.parent.mkdir(exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        content = os.pread(self._file, 1 << 20, 0)
        ends = [value for (value,) in self._SLOT.iter_unpack(content[: len(content) // 8 * 8])]
        counts = collections.Counter(value for value in ends if value >= 0)
        self.careful = bool(ends)
        self.fatal = {number for number, count in counts.items() if count >= FATAL}
        self._place = len(ends) * self._SLOT.size
        self._write(self._NOWHERE if self.careful else self._ANYWHERE)
        return self

    def __exit__(self, *error):
        os.close(self._file)
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    def note(self, number):
        """Say the number of the item that is being read; None for nothing."""
        self._write(self._NOWHERE if number is None else number)

    def _write(self, value):
        os.pwrite(self._file, self._SLOT.pack(value), self._place)
