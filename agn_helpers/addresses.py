"""Which addresses may be asked: http(s) only, and nothing private unless the archive itself is."""

import ipaddress
import socket
from urllib.parse import urljoin, urlsplit

from .errors import AgnError


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
    if parts.username or parts.query or parts.fragment:
        raise AddressError(f"a mirror must be a plain address such as https://data.sdss.org; got {url!r}.")
    return url.rstrip("/")


def is_private(url):
    """Whether the host of an address is this machine, of a private network or otherwise not public.

    A name that cannot be looked up here is left to the proxy that perhaps can, and is not private.
    """
    parts = urlsplit(url)
    try:
        return not ipaddress.ip_address(parts.hostname).is_global
    except ValueError:
        pass
    try:
        found = {item[4][0] for item in socket.getaddrinfo(parts.hostname, parts.port)}
    except OSError:
        return False
    return not all(ipaddress.ip_address(address.partition("%")[0]).is_global for address in found)


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
        For a scheme other than http and https, from https to http, and to a private address.
    """
    target = urljoin(url, location)
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
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise AddressError(f"an address must be http or https with a host; got {url!r}.")
    return parts
