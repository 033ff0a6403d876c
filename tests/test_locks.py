"""One process makes a run; what dead ones left is swept, what living ones hold is not."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from agn_helpers import locks
from agn_helpers.errors import AgnError
from agn_helpers.files import check_writable, whole_file
from agn_helpers.locks import (
    UNFINISHED,
    claim_file,
    claim_run,
    hold_lock,
    scratch_folder,
    sweep_unfinished,
    unfinished_folder,
)

HOLD = """
import sys, time
from agn_helpers.locks import claim_run, scratch_folder, unfinished_folder
with claim_run(sys.argv[1]), unfinished_folder(sys.argv[1]) as folder, scratch_folder() as scratch:
    (folder / "table.csv").write_text("half")
    print(scratch, flush=True)
    time.sleep(60)
"""


@contextlib.contextmanager
def neighbour(folder):
    """Another process that makes a run in `folder`; gives it and its scratch folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def test_a_second_process_is_told_who_makes_the_run_and_since_when(tmp_path):
    with neighbour(tmp_path) as (process, _):
        for signal_sent in (None, signal.SIGSTOP):
            if signal_sent:
                process.send_signal(signal_sent)
            start = time.monotonic()
            with pytest.raises(AgnError) as caught, claim_run(tmp_path):
                pass
            assert time.monotonic() - start < 2
            message = str(caught.value)
            assert f"run {tmp_path.name} is being made by process {process.pid} of " in message
            assert "since 20" in message and "wait until it has ended, or give another --run" in message
        process.send_signal(signal.SIGCONT)


def test_the_run_of_a_dead_process_is_taken_over_and_its_leavings_swept(tmp_path):
    with neighbour(tmp_path) as (process, scratch):
        [unfinished] = tmp_path.glob(f"{UNFINISHED}*")
        sweep_unfinished(tmp_path)
        with scratch_folder():
            assert unfinished.is_dir() and os.path.isdir(scratch), "what a living process holds was swept"
        process.kill()
        process.wait()
    with claim_run(tmp_path) as handle:
        assert os.fstat(handle).st_size > 10
    with scratch_folder() as mine:
        assert mine.is_dir() and not os.path.exists(scratch)
    assert not mine.exists()
    check_writable(tmp_path / "table.csv")
    assert os.listdir(tmp_path) == []


def test_whoever_inherits_the_lock_holds_the_run_on(tmp_path):
    """As the kernel of a process that was killed does, for up to a second."""
    with claim_run(tmp_path) as handle:
        kernel = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1.5)"], pass_fds=[handle])
        (tmp_path / ".lock").write_text("999999999 me@nowhere 2026-01-01T00:00:00+00:00")
    # Our own end removed the file; what the kernel holds is no hindrance then.
    with claim_run(tmp_path):
        pass
    kernel.wait()


def test_links_in_the_place_of_our_files_are_not_followed(tmp_path):
    target = tmp_path / "precious"
    target.write_text("of somebody else")
    (tmp_path / "claim").symlink_to(target)
    for opened in (claim_file, hold_lock):
        with pytest.raises(OSError, match="symbolic links"), opened(tmp_path / "claim"):
            pass
    (tmp_path / f"{UNFINISHED}x").symlink_to(tmp_path, target_is_directory=True)
    sweep_unfinished(tmp_path)
    assert target.read_text() == "of somebody else"


def test_deep_sweeps_go_into_folders_and_spare_what_is_held(tmp_path):
    for folder in (tmp_path, tmp_path / "tables", tmp_path / "tables" / "more"):
        (folder / f"{UNFINISHED}dead").mkdir(parents=True)
    with unfinished_folder(tmp_path / "tables") as held:
        sweep_unfinished(tmp_path)
        assert len(list(tmp_path.rglob(f"{UNFINISHED}*"))) == 3
        sweep_unfinished(tmp_path, deep=True)
        assert list(tmp_path.rglob(f"{UNFINISHED}*")) == [held]


def test_files_are_on_the_disk_before_they_get_their_names(tmp_path, monkeypatch):
    done, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda *paths: (done.append("replace"), replace(*paths)))
    with whole_file(tmp_path / "table.csv") as temporary:
        temporary.unlink()
        temporary.write_text("written anew, as astropy does")
    assert done == ["fsync", "replace"]
    assert (tmp_path / "table.csv").read_text().startswith("written anew")


@pytest.mark.parametrize("at", ["mkdtemp", "lock_file"])
def test_a_folder_that_is_swept_before_it_is_locked_is_made_again(tmp_path, monkeypatch, at):
    """Another process that begins at this very moment takes it for that of a dead one."""
    module = tempfile if at == "mkdtemp" else locks
    do, swept = getattr(module, at), []

    def sweep(*arguments, **options):
        found = do(*arguments, **options)
        if not swept:
            [folder] = tmp_path.iterdir()
            swept.append(folder)
            folder.rmdir()
        return found

    monkeypatch.setattr(module, at, sweep)
    with unfinished_folder(tmp_path) as folder:
        assert folder.is_dir() and folder not in swept
        sweep_unfinished(tmp_path)
        assert folder.is_dir()
    assert swept and not list(tmp_path.iterdir())
