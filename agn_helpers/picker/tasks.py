"""Explanations that take their time: in a thread, with progress, given up as soon as they are unwanted."""

import asyncio
import threading
import time

from ..saliency import explain


class _GivenUpError(Exception):
    """Raised within the thread of an explanation that is no longer wanted."""


class ExplainTask:
    """One explanation of one spectrum.

    Parameters
    ----------
    model, flux, method, options
        As for `explain`, flux (n_grid,).
    on_done : function (Attribution or None, error or None)
        Called once, in the thread that made the task, unless the task was given up.

    Attributes
    ----------
    method : str
    n_classified : int
        Spectra that the classifier was asked about so far.
    seconds : float
        Since the start.
    """

    def __init__(self, model, flux, *, method, on_done, **options):
        self.method, self.n_classified, self._start, self._on_done = method, 0, time.monotonic(), on_done
        self._stop = threading.Event()
        self._work = (model, flux), {"method": method, **options}

    @property
    def seconds(self):
        return time.monotonic() - self._start

    def run(self):
        """Begin: in a thread where an event loop runs that can take the result back, else at once."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._deliver(*self._explain())
        else:
            # A loop keeps weak references only.
            self._waiting = loop.create_task(self._run_apart())

    def give_up(self):
        """End at the next report of progress; nothing is delivered any more."""
        self._stop.set()

    async def _run_apart(self):
        self._deliver(*await asyncio.to_thread(self._explain))

    def _report(self, n_classified):
        if self._stop.is_set():
            raise _GivenUpError
        self.n_classified = n_classified

    def _explain(self):
        arguments, options = self._work
        try:
            return explain(*arguments, **options, progress=self._report), None
        except _GivenUpError:
            return None, None
        except Exception as error:  # Whatever it is, it belongs into the picker, not into a thread's log.
            return None, error

    def _deliver(self, attribution, error):
        if not self._stop.is_set():
            self._stop.set()
            self._on_done(attribution, error)
