"""HTTP transfers that survive a bad network: retries, back-off, stalls, redirects, limits of size."""

import hashlib
import http.client
import queue
import random
import threading
import time
from email.utils import parsedate_to_datetime
from importlib import metadata

import requests
import urllib3

from .addresses import AddressError, follow_redirect, is_private
from .errors import SpectrumError
from .limits import AbsentError, Limits, StoppedError, TransferError

#: What can go wrong on the way, as requests, urllib3 and the sockets below them say it.
NETWORK_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
)
_REDIRECTS = (301, 302, 303, 307, 308)
_ABSENT = (404, 410)
_TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
_BLOCK = 1 << 16


class _AttemptError(Exception):
    """One attempt failed; `final` where another would, too."""

    def __init__(self, message, *, kind="sick", final=False, wait=0.0):
        super().__init__(message)
        self.kind, self.final, self.wait = kind, final or kind == "refused", wait


class Transfer:
    """Fetches files for any number of threads over a few connections.

    A thread has a connection only while it transfers, so that none idles while a file is verified or a
    failure is waited out.

    Parameters
    ----------
    base_url : str
        Of the archive; only where it is private itself may a redirect lead to a private address.
    connections : int
        How many at once.
    limits : Limits, optional
    """

    def __init__(self, base_url, *, connections=1, limits=None):
        """Nothing is connected yet."""
        # The last one used comes first: its connection is the likeliest to be still open.
        self._sessions = queue.LifoQueue()
        for _ in range(connections):
            self._sessions.put(_make_session())
        self.limits = limits or Limits()
        self.stopped = threading.Event()
        self._base_url = base_url
        # Not a seed to set: clients that failed together must not come back together.
        self._random = random.Random()
        self._resume = 0.0

    def get(self, url, check=None, *, form=None):
        """Fetch one file.

        Parameters
        ----------
        url : str
        check : callable, optional
            Given the bytes; raises SpectrumError where they are not what was asked for.  They are asked for
            again then, until the same wrong bytes come twice.
        form : dict or str, optional
            Sent along by POST.

        Returns
        -------
        bytes

        Raises
        ------
        AbsentError
            For 404 and 410.
        TransferError
            After the last attempt, or at once where further ones would be no use.
        StoppedError
            Once `stopped` is set.
        """
        refused = set()
        for number in range(self.limits.attempts):
            self._wait_until(self._resume)
            try:
                content, session = self._attempt(url, form)
                if check is not None:
                    check(content)
                return content
            except SpectrumError as error:
                digest = hashlib.sha256(content).digest()
                failure = _AttemptError(f"{url}: {error}", kind="rejected", final=digest in refused)
                refused.add(digest)
                # Its connection may still hold what the length that was claimed left out.
                session.close()
            except AddressError as error:
                failure = _AttemptError(str(error), kind="refused")
            except _AttemptError as error:
                failure = error
            except NETWORK_ERRORS as error:
                failure = _AttemptError(f"{url}: {_describe(error)}", kind="unreachable")
            if failure.final or number + 1 == self.limits.attempts:
                break
            self._back_off(number, failure.wait)
        message = f"{failure}".rstrip(".") + f" (attempt {number + 1} of {self.limits.attempts})."
        raise TransferError(message, kind=failure.kind)

    def _attempt(self, url, form):
        session = self._sessions.get()
        try:
            content = self._follow(session, url, form)
        except AbsentError:
            raise
        except BaseException:
            session.close()
            raise
        finally:
            self._sessions.put(session)
        return content, session

    def _follow(self, session, url, form):
        limits, asked = self.limits, url
        for _ in range(limits.redirects + 1):
            with session.request(
                "GET" if form is None else "POST",
                url,
                data=form,
                stream=True,
                allow_redirects=False,
                timeout=(limits.connect_timeout, limits.read_timeout),
            ) as answer:
                if answer.status_code != 200:
                    _drain(answer, limits.read_timeout)
                if answer.status_code in _REDIRECTS and "location" in answer.headers:
                    is_local = is_private(self._base_url)
                    url = follow_redirect(url, answer.headers["location"], allow_private=is_local)
                    continue
                if answer.status_code in _ABSENT:
                    raise AbsentError(f"{url}: not found ({answer.status_code}).", kind="refused")
                if answer.status_code != 200:
                    raise _AttemptError(
                        f"{url}: the archive answers {answer.status_code} {answer.reason}",
                        kind="sick" if answer.status_code in _TRANSIENT else "refused",
                        wait=self._honour(answer.headers.get("retry-after")),
                    )
                return self._read_body(url, answer)
        raise _AttemptError(
            f"{asked}: more than {limits.redirects} redirects, the last to {url}", kind="refused"
        )

    def _read_body(self, url, answer):
        limits, started = self.limits, time.monotonic()
        if (answer.raw.length_remaining or 0) > limits.largest_size:
            raise _AttemptError(f"{url}: longer than {limits.largest_size} bytes", kind="refused")
        content = bytearray()
        # Whole blocks would hide a stall: a read that waits for 64 kB is content with a byte a second.
        while block := answer.raw.read1(_BLOCK, decode_content=False):
            content += block
            passed = time.monotonic() - started
            if len(content) > limits.largest_size:
                raise _AttemptError(f"{url}: longer than {limits.largest_size} bytes", kind="refused")
            if passed > limits.total_time:
                raise _AttemptError(f"{url}: not complete after {limits.total_time:g} s")
            if passed > limits.read_timeout and len(content) < limits.lowest_rate * passed:
                raise _AttemptError(f"{url}: stalled, {len(content)} bytes in {passed:.0f} s")
            if self.stopped.is_set():
                raise StoppedError
        return bytes(content)

    def _honour(self, retry_after):
        """Seconds that a Retry-After asks for, within bounds; all threads wait as long."""
        if not retry_after:
            return 0.0
        try:
            seconds = float(retry_after)
        except ValueError:
            try:
                seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
            except ValueError:
                return 0.0
        seconds = min(max(0.0, seconds), self.limits.longest_wait)
        self._resume = max(self._resume, time.monotonic() + seconds)
        return seconds

    def _back_off(self, number, at_least):
        seconds = min(self.limits.longest_wait, self.limits.first_wait * 2**number)
        self._wait_until(time.monotonic() + max(at_least, seconds * self._random.uniform(0.5, 1)))

    def _wait_until(self, moment):
        if self.stopped.wait(max(0.0, moment - time.monotonic())):
            raise StoppedError


class _Session(requests.Session):
    def get_redirect_target(self, resp):
        """Nowhere: requests would read the body of a redirect to its end, however long."""


def _make_session():
    session = _Session()
    # Lengths and checksums are those of the files, which are not to be compressed on the way.
    session.headers.update(
        {"User-Agent": f"agn-helpers/{metadata.version('agn-helpers')}", "Accept-Encoding": "identity"}
    )
    return session


def _drain(answer, seconds):
    """Read a short message to its end, so that the connection can be used again."""
    end = time.monotonic() + seconds
    while 0 < (answer.raw.length_remaining or 0) <= _BLOCK and time.monotonic() < end:
        if not answer.raw.read1(_BLOCK, decode_content=False):
            break


def _describe(error):
    """The innermost reason, without the names of classes and their addresses in memory."""
    cause = error
    while (inner := getattr(cause, "reason", None) or cause.__cause__ or cause.__context__) and isinstance(
        inner, Exception
    ):
        cause = inner
    words = " ".join(str(cause).split()) or type(cause).__name__
    return getattr(cause, "strerror", None) or words
