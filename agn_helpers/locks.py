"""Locks that end with the process that holds them, so that several clients can share a folder.

They are the advisory locks of POSIX systems (flock).  Elsewhere nothing is locked: one client a folder.
"""

import contextlib
import os

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


def lock_file(handle, *, wait=True):
    """Lock an open file until it is closed.

    Parameters
    ----------
    handle : int
        A file descriptor.
    wait : bool
        Whether to wait for a client that holds the lock.

    Returns
    -------
    bool
        False where another client holds the lock and `wait` is False.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def unlock_file(handle):
    """Give up the lock of an open file."""
    if fcntl is not None:
        fcntl.flock(handle, fcntl.LOCK_UN)


@contextlib.contextmanager
def hold_lock(path):
    """Keep other clients out of a block; `path` is an empty file that stays behind."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        lock_file(handle)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def claim_file(path):
    """Open a file that one client at a time may write, which is how it claims what the file is for.

    The claim of a client that died is void, since its lock died with it; what it had written is truncated.
    Inside the block the holder may rename the file; what has not been renamed is removed.

    Parameters
    ----------
    path : pathlib.Path
        In a folder that exists.

    Yields
    ------
    int or None
        The file descriptor, at the beginning of an empty file; None where another client holds the claim.
    """
    handle = _open_claim(path)
    if handle is None:
        yield None
        return
    try:
        yield handle
    finally:
        # A file of that name is still ours unless the block renamed it.
        if _is_same(handle, path):
            os.unlink(path)
        os.close(handle)


def _open_claim(path):
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if not lock_file(handle, wait=False):
                os.close(handle)
                return None
            # Its former holder may have renamed or removed the file between our opening and locking it.
            if _is_same(handle, path):
                os.ftruncate(handle, 0)
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _is_same(handle, path):
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False
