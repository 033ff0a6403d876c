"""How patient a transfer is, and how it fails."""

from dataclasses import dataclass

from .errors import AgnError


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
