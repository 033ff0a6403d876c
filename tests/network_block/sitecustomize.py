"""Python imports this at start when this folder is on PYTHONPATH: connections beyond this machine raise."""

import ipaddress
import socket


class NetworkBlockedError(RuntimeError):
    """Something tried to open a connection; not an OSError, so that nobody takes it for a bad line."""


def _check(host):
    if host in (None, "", b"", "localhost", b"localhost", socket.gethostname()):
        return
    try:
        local = ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise NetworkBlockedError(f"tests must not open connections; one to {host!r} was tried.")


def _guard(method):
    def guarded(self, address):
        # Addresses of Unix sockets are paths.
        if isinstance(address, tuple):
            _check(address[0])
        return method(self, address)

    return guarded


def _guarded_getaddrinfo(host, *args, **kwargs):
    _check(host)
    return _getaddrinfo(host, *args, **kwargs)


_getaddrinfo = socket.getaddrinfo
socket.getaddrinfo = _guarded_getaddrinfo
socket.socket.connect = _guard(socket.socket.connect)
socket.socket.connect_ex = _guard(socket.socket.connect_ex)
