"""Who may write: locks of files and runs that die with their process, and what dead processes left behind."""

import contextlib
import getpass
import os
import shutil
import socket
import stat
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from .errors import AgnError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: What the name of a folder begins with whose files have not got their final names yet.
UNFINISHED = ".unfinished-"

_SCRATCH = "agn-run-"

#: How a file is opened that may be written: a link in its place would lead what is written elsewhere.
FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)

# Seconds until the kernels of a process that was killed have seen that they are alone; they look each second.
_LAST_KERNEL = 5.0


def lock_file(handle, *, wait=True):
    """Lock an open file until it is closed; False where another client has it and `wait` is False."""
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
    handle = os.open(path, FLAGS, 0o666)
    try:
        lock_file(handle)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def claim_file(path):
    """Open a file that one client at a time may write, which is how it claims what the file is for.

    Gives the file descriptor of an empty file, or None where another client holds the claim.  The claim of a
    client that died is void, since its lock died with it.  Inside the block the holder may rename the file;
    what has not been renamed is removed.
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
    """An empty file that is locked and has that name, or None."""
    while True:
        handle = os.open(path, FLAGS, 0o666)
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
    """Whether an open file still has that name."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def claim_run(folder, *, remedy="give another --run"):
    """Keep other processes out of the folder of a run, which exists, for a block.

    Gives the file descriptor of the lock: whoever inherits it holds the run until it ends as well.  Raises
    AgnError that says who makes the run, and since when.  The lock of a process that died is taken over.
    """
    path, patience = Path(folder, ".lock"), time.monotonic() + _LAST_KERNEL
    while True:
        with claim_file(path) as handle:
            if handle is not None:
                now = datetime.now(UTC).isoformat(timespec="seconds")
                os.write(handle, f"{os.getpid()} {_name_user()}@{socket.gethostname()} {now}".encode())
                yield handle
                return
        owner = _read_owner(path)
        if time.monotonic() > patience or not _is_dead(owner):
            process, user, since = owner
            raise AgnError(
                f"run {Path(folder).name} is being made by process {process} of {user} since {since}; wait "
                f"until it has ended, or {remedy}."
            )
        time.sleep(0.1)


def _name_user():
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # A number without a name, as in containers.
        return str(os.getuid())


def _read_owner(path):
    """Process, user and time that a lock names."""
    try:
        words = path.read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        words = []
    return tuple(words) if len(words) == 3 else ("?", "?", "?")


def _is_dead(owner):
    """Whether a process, of this machine, has ended, or is just about to be named."""
    process, user, _ = owner
    if process == "?":
        return True
    if not process.isdigit() or user.rpartition("@")[2] != socket.gethostname():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


@contextlib.contextmanager
def unfinished_folder(parent, *, prefix=UNFINISHED):
    """A new folder in `parent`, removed after the block; it is locked meanwhile, so that it is not swept."""
    folder, handle = _make_locked_folder(parent, prefix)
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def _make_locked_folder(parent, prefix):
    """A new folder and the handle that locks it; another one where it was swept before it was locked."""
    while True:
        folder = tempfile.mkdtemp(prefix=prefix, dir=parent)
        if fcntl is None:
            return folder, None
        with contextlib.suppress(FileNotFoundError):
            handle = os.open(folder, os.O_RDONLY)
            lock_file(handle)
            if os.path.isdir(folder):
                return folder, handle
            os.close(handle)


@contextlib.contextmanager
def scratch_folder(parent=None):
    """A folder for sockets and pages among the temporary ones; those of dead processes are removed first."""
    parent = tempfile.gettempdir() if parent is None else parent
    sweep_unfinished(parent, prefix=_SCRATCH)
    with unfinished_folder(parent, prefix=_SCRATCH) as folder:
        yield folder


def sweep_unfinished(parent, *, prefix=UNFINISHED, deep=False):
    """Remove what processes that died left in a folder (and, where `deep`, in those within it)."""
    if fcntl is None:
        return
    for folder, names, _ in os.walk(parent):
        for name in [name for name in names if name.startswith(prefix)]:
            _remove_dead(os.path.join(folder, name))
        if not deep:
            return


def _remove_dead(folder):
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            found = os.fstat(handle)
            is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
            if is_ours and lock_file(handle, wait=False):
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)
