"""Reading in threads while what was read is worked on; what hangs is given up after a time limit."""

import itertools
import queue
import threading

_END = object()

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
