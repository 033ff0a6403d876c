"""HTTP transfers that survive a bad network: retries, back-off, stalls, redirects, limits of size."""

import contextlib
import hashlib
import http.client
import ipaddress
import queue
import random
import re
import socket
import threading
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib import metadata
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from ..errors import AgnError, SpectrumError


@dataclass(frozen=True)
class Limits:
    """How patient and how careful a transfer is.

    Attributes
    ----------
    connect_timeout, read_timeout : float
        Seconds without a connection, and without a byte.
    total_time : float
        Seconds that one attempt may take.
    lowest_rate : float
        Bytes per second below which an attempt is given up, judged after `read_timeout`.
    attempts : int
        Tries for one address.
    first_wait, longest_wait : float
        Seconds to wait after the first failed attempt, doubled after each further one, and at most; also
        the most that a server's Retry-After is granted.
    largest_size : int
        Bytes of one file; what is longer is not a spectrum.
    redirects : int
        How many are followed.
    """

    connect_timeout: float = 10
    read_timeout: float = 30
    total_time: float = 300
    lowest_rate: float = 1000
    attempts: int = 8
    first_wait: float = 0.5
    longest_wait: float = 60
    largest_size: int = 64 << 20
    redirects: int = 5


class TransferError(AgnError):
    """A file could not be had.

    Attributes
    ----------
    kind : str
        ``"rejected"``: what was sent is not what was asked for.  ``"refused"``: an answer that will not
        change, such as 403.  ``"sick"``: one that may, such as 503.  ``"unreachable"``: none.
    """

    def __init__(self, message, *, kind):
        super().__init__(message)
        self.kind = kind


class AbsentError(TransferError):
    """The archive answered that it has no such file."""


class UnreachableError(AgnError):
    """The archive has stopped answering: it makes no sense to ask it for more."""


class StoppedError(Exception):
    """The run is being ended."""


# What a host may look like.  Parsers disagree about everything else: before a backslash or an @ one sees a
# password where another sees the host.
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[\w-]{1,63}(?:\.[\w-]{1,63})*\.?)(?::\d*)?")

# Addresses of version 6 that stand for one of version 4 (RFC 6052, section 2.1).
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class AddressError(AgnError):
    """An address that must not be asked."""


def check_base(url):
    """Return the base address of an archive without its last slash.

    Parameters
    ----------
    url : str
        Such as ``"https://data.sdss.org"`` or ``"http://localhost:8000/mirror"``.

    Raises
    ------
    AddressError
        For another scheme, no host, a password, a query or a fragment.
    """
    parts = _split(url)
    if parts.query or parts.fragment:
        raise AddressError(f"a mirror must be a plain address such as https://data.sdss.org; got {url!r}.")
    return url.rstrip("/")


def is_private(url):
    """Whether the host of an address is this machine, of a private network or otherwise not public.

    A name that cannot be looked up here is left to the proxy that perhaps can, and is not private.
    """
    parts = urlsplit(url)
    try:
        return not _is_global(parts.hostname)
    except ValueError:
        pass
    try:
        found = {item[4][0] for item in socket.getaddrinfo(parts.hostname, parts.port)}
    except (OSError, UnicodeError):
        return False
    return not all(_is_global(address.partition("%")[0]) for address in found)


def _is_global(text):
    # Sockets know more spellings than ip_address: 127.1, 2130706433, 0x7f.1.
    with contextlib.suppress(OSError, UnicodeError):
        text = socket.inet_ntoa(socket.inet_aton(text))
    address = ipaddress.ip_address(text)
    if address.version == 6:
        inside = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inside = ipaddress.ip_address(int(address) & 0xFFFFFFFF)
        address = inside or address
    return address.is_global


def follow_redirect(url, location, *, allow_private):
    """Where a redirect leads.

    Parameters
    ----------
    url : str
        The address that was asked.
    location : str
        What it answered, absolute or relative.
    allow_private : bool
        Whether this machine and private networks may be asked.

    Returns
    -------
    str

    Raises
    ------
    AddressError
        For what is no address, for a scheme other than http and https, from https to http, and to a private
        address.
    """
    try:
        target = urljoin(url, location)
    except ValueError as error:
        raise AddressError(
            f"a redirect must lead to an address; {url} leads to {location!r} ({error})."
        ) from None
    parts = _split(target)
    if urlsplit(url).scheme == "https" and parts.scheme != "https":
        raise AddressError(f"a redirect must not leave https; {url} leads to {target}.")
    if not allow_private and is_private(target):
        raise AddressError(
            f"a redirect of a public archive must not lead to a private address; {url} leads to {target}."
        )
    return target


def _split(url):
    try:
        parts = urlsplit(url)
        # Reading it checks it.
        _ = parts.port
    except ValueError as error:
        raise AddressError(f"an address must be http or https; {url!r} is no address ({error}).") from None
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(parts.netloc):
        raise AddressError(f"an address must be http or https, a host and no password; got {url!r}.")
    return parts


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
