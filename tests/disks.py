"""Disks to fail on: a full one, one for reading only. Mounting needs root on Linux; other users skip."""

import contextlib
import ctypes
import sys

import pytest

_READ_ONLY, _REMOUNT = 1, 32
_DETACH = 2


@contextlib.contextmanager
def small_disk(folder, *, read_only=False):
    """Mount a file system of 64 kB on `folder` while the block runs."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is None or libc.mount(b"tmpfs", bytes(folder), b"tmpfs", 0, b"size=64k"):
        pytest.skip("a small file system can only be mounted by root on Linux")
    try:
        if read_only:
            assert libc.mount(b"tmpfs", bytes(folder), b"tmpfs", _REMOUNT | _READ_ONLY, None) == 0
        yield folder
    finally:
        libc.umount2(bytes(folder), _DETACH)
