"""Explanations that take their time: in a thread, with progress, given up as soon as they are unwanted."""

import asyncio
import threading
import time

from ..saliency import explain


class _GivenUp(Exception):
    """Raised within the thread of an explanation that nobody waits for."""


class _WatchedEstimator:
    """An estimator that counts the spectra it classifies and stops when told to."""

    def __init__(self, estimator, task):
        self._estimator, self._task = estimator, task

    def __getattr__(self, name):
        value = getattr(self._estimator, name)
        if name.startswith("__") or not callable(value):
            return value

        def watched(X, *arguments, **options):
            self._task.check()
            result = value(X, *arguments, **options)
            self._task.n_classified += len(X)
            return result

        return watched


class ExplainTask:
    """One explanation of one spectrum.

    Parameters
    ----------
    estimator, flux, options
        As for `explain`, flux (n_grid,).
    on_done : function (attribution or None, error or None)
        Called once, in the thread that made the task, unless the task was given up.

    Attributes
    ----------
    n_classified : int
        Spectra that were classified so far.
    seconds : float
        Since the start.
    """

    def __init__(self, estimator, flux, *, on_done, **options):
        self.n_classified, self._start, self._on_done = 0, time.monotonic(), on_done
        self._stop = threading.Event()
        self._work = (_WatchedEstimator(estimator, self), flux[None]), options

    @property
    def seconds(self):
        return time.monotonic() - self._start

    def run(self):
        """Begin: in a thread where an event loop runs that can take the result back, else at once."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._deliver(*self._explain())
            return
        threading.Thread(target=self._run_apart, args=(loop,), daemon=True).start()

    def give_up(self):
        """End at the next classification; nothing is delivered any more."""
        self._stop.set()

    def check(self):
        """Leave the thread where the task was given up."""
        if self._stop.is_set():
            raise _GivenUp

    def _explain(self):
        arguments, options = self._work
        try:
            return explain(*arguments, **options)[0], None
        except _GivenUp:
            return None, None
        except Exception as error:  # Whatever it is, it belongs into the picker, not into a thread's log.
            return None, error

    def _run_apart(self, loop):
        result = self._explain()
        try:
            loop.call_soon_threadsafe(self._deliver, *result)
        except RuntimeError:
            # The kernel is shutting down.
            return

    def _deliver(self, attribution, error):
        if not self._stop.is_set():
            self._stop.set()
            self._on_done(attribution, error)
