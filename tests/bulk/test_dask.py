"""Runs on a real local cluster, and what survives when parts of it are killed."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

distributed = pytest.importorskip("distributed", reason="dask[distributed] is not installed")
psutil = pytest.importorskip("psutil")

from agn_helpers.bulk import classify_many, open_client, read_results  # noqa: E402
from agn_helpers.errors import AgnError  # noqa: E402

from ..conftest import ROOT  # noqa: E402
from .results import read_bytes, read_rows, stamp_finished  # noqa: E402
from .test_frames import make_frame  # noqa: E402

# Spectra of a partition, where there are to be twenty.
SIZE = 12

# More by hand: AGN_KILLS=10.
N_KILLS = int(os.environ.get("AGN_KILLS", "2"))


@pytest.fixture(scope="module")
def client():
    with open_client(workers=2) as client:
        yield client


@pytest.fixture(scope="module")
def undisturbed(many_files, model, tmp_path_factory):
    """What a run in this process makes of all files."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    classify_many(many_files, model, out, partition_size=SIZE)
    return read_bytes(out)


def test_a_cluster_writes_the_same_bytes(many_files, model, client, undisturbed, tmp_path):
    out, shown = tmp_path / "out", []
    found = classify_many(
        many_files, model, out, client=client, partition_size=SIZE, progress=lambda *seen: shown.append(seen)
    )
    assert found == (20, 0, 240, 0)
    assert read_bytes(out) == undisturbed
    assert shown[0] == (0, 240)
    assert shown[-1] == (240, 240)
    assert classify_many(many_files, model, out, client=client, partition_size=SIZE).n_before == 20


def test_results_are_a_lazy_frame(files, model, client, tmp_path):
    classify_many(files, model, tmp_path / "out", client=client, partition_size=7)
    lazy = read_results(tmp_path / "out")
    assert lazy.npartitions == 5
    rows = read_rows(tmp_path / "out")
    assert lazy["name"].compute().tolist() == rows["name"].tolist()
    assert lazy["p_type1"].mean().compute() == pytest.approx(rows["p_type1"].mean())
    few = read_results(tmp_path / "out", columns=["name", "predicted"])
    assert list(few.columns) == ["name", "predicted"]
    assert few.compute()["predicted"].tolist() == rows["predicted"].tolist()


def test_a_dask_frame_is_a_source(survey, model, client, tmp_path):
    import dask.dataframe as dd

    frame = make_frame(survey[:12]).reset_index(drop=True)
    frame.loc[5, "Z"] = -1.5
    arrays = {name: pd.ArrowDtype(kind) for name, kind in _list_kinds().items()}
    parts = dd.from_pandas(frame.astype(arrays), npartitions=3)
    found = classify_many(parts, model, tmp_path / "out", client=client)
    assert found == (3, 0, 11, 1)
    assert found == classify_many(parts, model, tmp_path / "here")
    assert read_bytes(tmp_path / "out") == read_bytes(tmp_path / "here")
    assert classify_many(parts, model, tmp_path / "out", client=client).n_before == 3


def _list_kinds():
    import pyarrow as pa

    kinds = dict.fromkeys(("flux", "ivar", "lambda"), pa.list_(pa.float64()))
    return kinds | {"mask": pa.list_(pa.bool_())}


class ActAtFile(distributed.WorkerPlugin):
    """On every worker, also one that is started anew: do something instead of reading one file."""

    def __init__(self, name, action):
        self.file, self.action = name, action

    def setup(self, worker):
        from agn_helpers.bulk import partitions

        read_files, name, action = partitions.read_files, self.file, self.action

        def read(paths, *arguments, **options):
            if paths[0].name == name:
                action()
            return read_files(paths, *arguments, **options)

        partitions.read_files = read


def _crash():
    os.kill(os.getpid(), signal.SIGKILL)


def _swallow():
    """Take memory until somebody ends it."""
    taken = []
    while True:
        taken.append(bytearray(os.urandom(1 << 20)) * 16)
        time.sleep(0.02)


@pytest.mark.parametrize("action", [_crash, _swallow])
def test_a_file_that_ends_its_worker_costs_its_row_only(files, model, tmp_path, action):
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            memory_limit="900MB",
            silence_logs=50,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.register_plugin(ActAtFile("a-011.fits", action))
        out = tmp_path / "out"
        found = classify_many(files, model, out, client=client, partition_size=7)
    assert found == (5, 0, 29, 1)
    [row] = read_rows(out, "rejected").to_dict("records")
    assert row["name"] == "a-011"
    assert "ended its process (a crash, or want of memory)" in row["reason"]
    assert not (out / "attempts").exists()


def start(*argv):
    """A run in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.bulk.runs", *map(str, argv)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def wait_for_part(folder, process, number):
    """Wait until so many partitions are done, or the process has ended."""
    end = time.monotonic() + 600
    while process.poll() is None and len(list((folder / "done").glob("part-*.json"))) < number:
        assert time.monotonic() < end
        time.sleep(0.01)


def find_workers(pid):
    """Processes of a run that compute; one may end while it is looked at."""
    found = []
    with contextlib.suppress(psutil.Error):
        for each in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                found += [each] * ("spawn_main" in " ".join(each.cmdline()))
    return found


def kill(process, what, rng):
    if what == "worker":
        for each in rng.sample(workers := find_workers(process.pid), min(1, len(workers))):
            with contextlib.suppress(psutil.Error):
                each.kill()
    elif what == "client":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("what", ["worker", "client", "all"])
def test_kill_9_loses_nothing_and_computes_nothing_twice(many_files, model_file, undisturbed, tmp_path, what):
    out, rng, stamps = tmp_path / "out", random.Random(what), {}
    argv = many_files, model_file, out, SIZE
    process = start(*argv)
    for _ in range(N_KILLS):
        # Moments between the first partition and the last.
        wait_for_part(out, process, len(stamps) // 2 + 1 + rng.randrange(max(1, 20 // (2 * N_KILLS))))
        time.sleep(rng.uniform(0, 0.05))
        if process.poll() is None:
            kill(process, what, rng)
        if what != "worker":
            process.wait(timeout=60)
            # Workers of a client that was killed notice it.
            time.sleep(1)
            stamps = stamp_finished(out) if out.exists() else {}
            process = start(*argv)
        elif (out / "done").exists():
            stamps |= {key: value for key, value in stamp_finished(out).items() if key not in stamps}
    assert process.wait(timeout=180) == 0
    assert read_bytes(out) == undisturbed
    assert stamps
    assert stamps.items() <= stamp_finished(out).items()
    assert not [path for path in out.rglob(".unfinished-*") if what != "worker"]


def test_a_scheduler_is_asked_for_by_its_address(files, model, tmp_path):
    with pytest.raises(AgnError, match=r"a Dask scheduler must answer at tcp://127.0.0.1:1; "):
        with open_client(scheduler="tcp://127.0.0.1:1"):
            pass
    with pytest.raises(AgnError, match="either a number of workers or the address"):
        with open_client():
            pass
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, protocol="tcp", dashboard_address=None, processes=False
    ) as cluster:
        with open_client(scheduler=cluster.scheduler_address) as client:
            found = classify_many(files, model, tmp_path / "out", client=client, partition_size=7)
    assert found == (5, 0, 30, 0)


def test_workers_that_died_while_they_began_are_replaced(files, model, tmp_path):
    """Dask gives up a worker that is killed before it has reported: a run would wait for ever."""
    import dask

    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1s"}), open_client(workers=1) as client:
        before = {each.pid for each in find_workers(os.getpid())}
        end = time.monotonic() + 120
        killed = set()
        while client.cluster.workers:
            assert time.monotonic() < end
            for each in find_workers(os.getpid()):
                with contextlib.suppress(psutil.Error):
                    killed.add(each.pid)
                    each.kill()
            time.sleep(0.05)
        assert len(killed - before) >= 1
        assert not client.nthreads()
        found = classify_many(files, model, tmp_path / "out", client=client, partition_size=7)
    assert found == (5, 0, 30, 0)


def start_cluster(folder):
    """A scheduler and its worker as programs of their own; the scheduler's file and the two."""
    file, log = folder / f"scheduler-{time.monotonic_ns()}.json", open(folder / "cluster.log", "ab")
    place = ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(file)]
    scheduler, worker = (
        subprocess.Popen(
            [sys.executable, "-m", "dask", kind, *place, *options], cwd=ROOT, stdout=log, stderr=log
        )
        for kind, options in (("scheduler", ["--port", "0"]), ("worker", ["--no-nanny", "--nthreads", "1"]))
    )
    end = time.monotonic() + 120
    while not file.exists():
        assert time.monotonic() < end and scheduler.poll() is None, (folder / "cluster.log").read_text()
        time.sleep(0.05)
    return file, scheduler, worker


def test_a_scheduler_that_ends_is_said_and_another_goes_on(many_files, model, undisturbed, tmp_path):
    """No partition that was finished before is computed again."""
    import dask

    out, seen = tmp_path / "out", []
    file, scheduler, worker = start_cluster(tmp_path)

    def end_scheduler(done, total):
        seen.append(done)
        if len(seen) == 4:
            scheduler.kill()

    try:
        with dask.config.set({"distributed.comm.timeouts.connect": "5s"}):
            with pytest.raises(AgnError) as caught, open_client(scheduler=str(file)) as client:
                classify_many(
                    many_files, model, out, client=client, partition_size=SIZE, progress=end_scheduler
                )
        assert "the scheduler is gone; what is done stays" in str(caught.value)
        assert "\n" not in str(caught.value)
    finally:
        for process in (scheduler, worker):
            process.kill()
            process.wait(timeout=60)
    finished = stamp_finished(out)
    assert 3 <= len(finished) // 2 < 20
    file, scheduler, worker = start_cluster(tmp_path)
    try:
        with open_client(scheduler=str(file)) as client:
            found = classify_many(many_files, model, out, client=client, partition_size=SIZE)
    finally:
        for process in (worker, scheduler):
            process.kill()
            process.wait(timeout=60)
    assert found[0] == 20 and found.n_before == len(finished) // 2
    assert finished.items() <= stamp_finished(out).items()
    assert read_bytes(out) == undisturbed
