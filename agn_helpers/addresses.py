"""Which addresses may be asked: http(s) only, and nothing private unless the archive itself is."""

import contextlib
import ipaddress
import re
import socket
from urllib.parse import urljoin, urlsplit

from .errors import AgnError

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
