"""HTTP transfers that survive a bad network: attempts, stalls, redirects, bounds on size and rate."""

import contextlib
import hashlib
import http.client
import ipaddress
import os
import random
import re
import socket
import ssl
import threading
import time
import urllib.request
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from importlib import metadata
from urllib.parse import unquote, urljoin, urlsplit

import certifi
import tenacity
import urllib3

from ..errors import AgnError, SpectrumError

# What can go wrong on the way, as urllib3 and the sockets below it say it.
_NETWORK_ERRORS = (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)

_REDIRECTS, _ABSENT, _TRANSIENT = (301, 302, 303, 307, 308), (404, 410), (408, 425, 429, 500, 502, 503, 504)

# Bytes read at once; a longer message beside a status other than 200 is not read.
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Limits:
    """How patient and how careful a transfer is: seconds, bytes and numbers of tries."""

    connect_timeout: float = 10
    read_timeout: float = 30  # without a byte
    total_time: float = 300  # of one attempt
    lowest_rate: float = 1000  # bytes per second, judged after `read_timeout`
    attempts: int = 8  # for one address
    first_wait: float = 0.5  # after the first failed attempt, doubled after each further one
    longest_wait: float = 60  # also the most that a server's Retry-After is granted
    largest_size: int = 64 << 20  # what is longer is not a spectrum
    redirects: int = 5


class Failure(StrEnum):
    """Why a file could not be had."""

    ABSENT = "absent"  # The archive answers that it has no such file.
    REFUSED = "refused"  # An answer that will not change, such as 403.
    REJECTED = "rejected"  # What was sent is not what was asked for.
    TRANSIENT = "transient"  # An answer that may change, such as 503.
    UNREACHABLE = "unreachable"  # No answer.
    CLOSED = "closed"  # No answer from the last resort; the other archive has no such file.


class TransferError(AgnError):
    """A file could not be had; `kind` is a Failure, `final` says that another attempt would be no use."""

    def __init__(self, message, *, kind, final=False, wait=0.0):
        super().__init__(message)
        self.kind, self.wait = kind, wait
        self.final = final or kind in (Failure.ABSENT, Failure.REFUSED)


class AddressError(AgnError):
    """An address that must not be asked."""


class StoppedError(Exception):
    """The run is being ended."""


class Transfer:
    """Fetches files for any number of threads over a few connections to each host.

    A thread has a connection only while it transfers, so that none idles while a file is verified or a
    failure is waited out.  Only where `base_url` is private may a redirect lead to a private address.
    """

    def __init__(self, base_url, *, connections=1, limits=None):
        """Nothing is connected yet."""
        self.limits = limits or Limits()
        self.stopped = threading.Event()
        self._base_url, self._connections = base_url, connections
        self._pools, self._lock = {}, threading.Lock()
        # Not a seed to set: clients that failed together must not come back together.
        self._random = random.Random()
        self._resume = 0.0

    def get(self, url, check=None, *, form=None):
        """The bytes at `url`, which is asked by POST where there is a `form` to send along.

        `check` raises SpectrumError where they are not what was asked for; they are asked for again then,
        until the same wrong bytes come twice.  Raises TransferError after the last attempt, or at once where
        further ones would be no use, and StoppedError once `stopped` is set.
        """
        limits = self.limits
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda error: not getattr(error, "final", True)),
            stop=tenacity.stop_after_attempt(limits.attempts),
            wait=self._choose_wait,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return attempts(self._attempt, url, check, form, refused=set())
        except TransferError as error:
            count = f"attempt {attempts.statistics['attempt_number']} of {limits.attempts}"
            raise TransferError(f"{str(error).rstrip('.')} ({count}).", kind=error.kind) from error

    def _attempt(self, url, check, form, refused):
        """Fetch and check once; whatever goes wrong is a TransferError."""
        self._sleep(self._resume - time.monotonic())
        try:
            content = self._follow(url, form)
            if check is not None:
                check(content)
            return content
        except SpectrumError as error:
            digest = hashlib.sha256(content).digest()
            final = digest in refused
            refused.add(digest)
            raise TransferError(f"{url}: {error}", kind=Failure.REJECTED, final=final) from error
        except AddressError as error:
            raise TransferError(str(error), kind=Failure.REFUSED) from error
        except _NETWORK_ERRORS as error:
            raise TransferError(f"{url}: {_describe(error)}", kind=Failure.UNREACHABLE) from error

    def _follow(self, url, form):
        """Ask an address, and those that it redirects to."""
        asked = url
        for _ in range(self.limits.redirects + 1):
            status, headers, content = self._ask(url, form)
            if status in _REDIRECTS and "location" in headers:
                is_local = is_private(self._base_url)
                url = follow_redirect(url, headers["location"], allow_private=is_local)
            elif status == 200:
                return content
            elif status in _ABSENT:
                raise TransferError(f"{url}: not found ({status})", kind=Failure.ABSENT)
            else:
                raise TransferError(
                    f"{url}: the archive answers {status} {http.client.responses.get(status, '')}",
                    kind=Failure.TRANSIENT if status in _TRANSIENT else Failure.REFUSED,
                    wait=self._honour(headers.get("retry-after", "")),
                )
        raise TransferError(
            f"{asked}: more than {self.limits.redirects} redirects, the last to {url}", kind=Failure.REFUSED
        )

    def _ask(self, url, form):
        """Status, headers and content of one answer; its connection goes back to the others."""
        timeout = urllib3.Timeout(connect=self.limits.connect_timeout, read=self.limits.read_timeout)
        answer = self._find_pool(url).request(
            "GET" if form is None else "POST",
            url,
            body=form,
            redirect=False,
            retries=False,
            preload_content=False,
            decode_content=False,
            timeout=timeout,
        )
        content, length = None, answer.length_remaining
        try:
            # A short message is read to its end, so that the connection can be used again.
            if answer.status == 200 or (length is not None and length <= _BLOCK):
                content = self._read_body(url, answer)
        finally:
            if content is None:
                answer.close()
            # Without this a connection that was closed is never given back, and the pool runs dry.
            answer.release_conn()
        return answer.status, answer.headers, content

    def _read_body(self, url, answer):
        """The bytes of an answer within the bounds on size, time and rate."""
        limits, started, content = self.limits, time.monotonic(), bytearray()
        size = answer.length_remaining or 0
        while size <= limits.largest_size:
            # Whole blocks would hide a stall: a read that waits for 64 kB is content with a byte a second.
            block = answer.read1(_BLOCK, decode_content=False)
            if not block:
                return bytes(content)
            content += block
            size, passed = len(content), time.monotonic() - started
            problem = ""
            if passed > limits.total_time:
                problem = f"not complete after {limits.total_time:g} s"
            elif passed > limits.read_timeout and size < limits.lowest_rate * passed:
                problem = f"stalled, {size} bytes in {passed:.0f} s"
            if problem:
                raise TransferError(f"{url}: {problem}", kind=Failure.TRANSIENT)
            if self.stopped.is_set():
                raise StoppedError
        raise TransferError(f"{url}: longer than {limits.largest_size} bytes", kind=Failure.REFUSED)

    def _find_pool(self, url):
        """The connections to an address: direct ones, or those through the proxy of the environment."""
        parts, proxies = urlsplit(url), urllib.request.getproxies()
        proxy = proxies.get(parts.scheme) or proxies.get("all")
        if proxy and urllib.request.proxy_bypass(parts.hostname):
            proxy = None
        with self._lock:
            if proxy not in self._pools:
                self._pools[proxy] = _make_pool(proxy, self._connections)
            return self._pools[proxy]

    def _honour(self, retry_after):
        """Seconds that a Retry-After asks for, within bounds; all threads wait as long."""
        seconds = 0.0
        with contextlib.suppress(ValueError):
            seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
        with contextlib.suppress(ValueError):
            seconds = float(retry_after)
        seconds = min(max(0.0, seconds), self.limits.longest_wait)
        self._resume = max(self._resume, time.monotonic() + seconds)
        return seconds

    def _choose_wait(self, state):
        """Seconds until the next attempt: doubled each time, by chance up to halved, as long as asked for."""
        seconds = min(self.limits.longest_wait, self.limits.first_wait * 2 ** (state.attempt_number - 1))
        return max(state.outcome.exception().wait, seconds * self._random.uniform(0.5, 1))

    def _sleep(self, seconds):
        if self.stopped.wait(max(0.0, seconds)):
            raise StoppedError


def _make_pool(proxy, connections):
    """Connections that verify certificates and ask for files as they are stored."""
    agent = f"agn-helpers/{metadata.version('agn-helpers')}"
    certificates = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or certifi.where()
    options = {
        # Lengths and checksums are those of the files, which are not to be compressed on the way.
        "headers": {"User-Agent": agent, "Accept-Encoding": "identity"},
        "ssl_context": ssl.create_default_context(
            **{"capath" if os.path.isdir(certificates) else "cafile": certificates}
        ),
        "maxsize": connections,
        "block": True,
    }
    if not proxy:
        return urllib3.PoolManager(**options)
    proxy = urllib3.util.parse_url(proxy if "://" in proxy else f"http://{proxy}")
    secret = urllib3.make_headers(proxy_basic_auth=unquote(proxy.auth)) if proxy.auth else None
    return urllib3.ProxyManager(proxy.url, proxy_headers=secret, **options)


def _describe(error):
    """The innermost reason, without the names of classes and their addresses in memory."""
    cause = error
    while isinstance(inner := cause.__cause__ or cause.__context__, Exception):
        cause = inner
    words = " ".join(str(cause).split()) or type(cause).__name__
    return getattr(cause, "strerror", None) or words


# What a host may look like.  Parsers disagree about everything else: before a backslash or an @ one sees a
# password where another sees the host.
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[\w-]{1,63}(?:\.[\w-]{1,63})*\.?)(?::\d*)?")

# Addresses of version 6 that stand for one of version 4 (RFC 6052, section 2.1).
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def check_base(url):
    """Return the base address of an archive without its last slash.

    Raises AddressError for another scheme than http and https, no host, a password, a query or a fragment.
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
    with contextlib.suppress(ValueError):
        return not _is_global(parts.hostname)
    try:
        found = {item[4][0] for item in socket.getaddrinfo(parts.hostname, parts.port)}
    except (OSError, UnicodeError):
        return False
    return not all(_is_global(address.partition("%")[0]) for address in found)


def _is_global(text):
    """Whether an address in numbers, in any spelling, is public; ValueError where it is a name."""
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
    """Where a redirect from `url` leads; AddressError for no address, away from https, to a private one."""
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
    """Parts of an address that all parsers take for the same, or AddressError."""
    try:
        parts = urlsplit(url)
        # Reading it checks it.
        _ = parts.port
    except ValueError as error:
        raise AddressError(f"an address must be http or https; {url!r} is no address ({error}).") from None
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(parts.netloc):
        raise AddressError(f"an address must be http or https, a host and no password; got {url!r}.")
    return parts
