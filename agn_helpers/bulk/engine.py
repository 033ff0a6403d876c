"""Classifying very many spectra: partition by partition, here or on Dask, and on from where it stopped."""

from __future__ import annotations

import collections
import contextlib
import functools
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import threadpoolctl

from ..classifier import TrainedModel
from ..errors import AgnError
from ..limits import summarise_error
from ..locks import claim_run
from ..reduction import expect_spectra
from .dataset import (
    MANIFEST,
    MODEL_FILE,
    describe_run,
    forget_record,
    open_run,
    read_record,
    write_json,
    write_part,
)
from .partitions import (
    classify_chunks,
    classify_frame,
    open_model,
    read_partition,
    read_results_part,
)
from .reading_ahead import Trail
from .sources import PARTITION_SIZE, divide_source

logger = logging.getLogger(__name__)

# A partition is tried so often: a worker may die of another's memory, a disk be full for a minute.
_TRIES = 5

# So many partitions that fail one after the other, none between them succeeding, end the run.
_IN_A_ROW = 5

# Partitions that wait on a worker, so that it never waits for the client.
_AHEAD = 3

# Seconds between looks at a cluster from which nothing comes, and for an answer from it.
_LOOK, _ANSWER = 2.0, 60.0


class Job(NamedTuple):
    """What a worker must know besides the partition."""

    folder: str
    model: str
    options: dict
    seconds: float
    n_spectra: int


class Outcome(NamedTuple):
    """What became of a run: numbers of partitions, of those done before, and of spectra."""

    n_partitions: int
    n_before: int
    n_spectra: int
    n_rejected: int


def classify_many(
    source: Any,
    model: TrainedModel,
    output: str | os.PathLike,
    *,
    client: Any = None,
    explain: bool | str = True,
    resume: bool = True,
    progress: Callable[[int, int], object] | None = None,
    **options: Any,
) -> Outcome:
    """Classify any number of spectra into a folder of Parquet files, a partition at a time.

    A partition is either whole or absent.  The same call after any interruption goes on and computes
    nothing twice that was finished; the files are the same to the byte.

    Parameters
    ----------
    source : path, list of paths, or Dask collection of frames
        Folders and files of spectra, DESI coadds among them; a folder of earlier results, whose reduced
        spectra are classified anew; an LSDB catalogue or Dask DataFrame as for `classify_partition`.
    model : TrainedModel
    output : path
        A new folder, or that of an earlier call.
    client : dask.distributed.Client, optional
        See `open_client`; without one this process does the work.
    explain : bool or "arrays"
        Whether to keep attributions; of linear kernels as coefficients, see `attributions`, or as arrays.
    resume : bool
        False begins anew where there are results already.
    progress : function of two int, optional
        Called with the numbers of spectra done and of all, about, after each partition.
    **options
        ``force`` as of `predict_types`; ``redshift``, ``columns`` and ``medium`` as of `read_spectra`;
        ``partition_size`` (2000 spectra); ``seconds`` (60), the time limit of a file.

    Returns
    -------
    Outcome

    Raises
    ------
    AgnError
        For a changed model, source or option; another process at work there; partitions that could not be
        done, after all others are.

    Notes
    -----
    A file that is damaged, hangs, or ends the process that reads it (for want of memory) becomes a rejected
    row; a worker that dies costs its partition another try.
    """
    size, seconds = options.pop("partition_size", PARTITION_SIZE), options.pop("seconds", 60.0)
    known = {"force": False, "redshift": None, "columns": None, "medium": None}
    if unknown := sorted(set(options) - set(known)):
        raise AgnError(f"options are {', '.join(known)}, partition_size, seconds; got {unknown[0]}.")
    chosen = {**known, **options, "explain": explain, "partition_size": size}
    partitions = divide_source(source, size=size)
    folder = Path(output)
    wanted = describe_run(model, partitions, chosen)
    folder.mkdir(parents=True, exist_ok=True)
    with claim_run(folder, remedy="name another folder"):
        open_run(folder, wanted, model, resume=resume)
        found = [read_record(folder, each, check=True) for each in partitions]
        todo = [each for each, record in zip(partitions, found) if record is None]
        for each in todo:
            forget_record(folder, each)
        total = sum(each.n_spectra for each in partitions)
        done = [sum(each.n_spectra for each, record in zip(partitions, found) if record is not None)]
        records = {each.number: record for each, record in zip(partitions, found) if record is not None}
        if progress is not None:
            progress(done[0], total)

        def finish(partition, record):
            records[partition.number] = record
            done[0] += partition.n_spectra
            if progress is not None:
                progress(done[0], total)

        job = Job(str(folder.resolve()), wanted["model"], chosen, seconds, total)
        failed = run_all(todo, job, finish, client)
        if failed:
            number, reason = next(iter(failed.items()))
            raise AgnError(
                f"{len(failed)} of {len(partitions)} partitions could not be done; the same command tries "
                f"them again. Partition {number}: {reason}"
            )
        ordered = [records[each.number] for each in partitions]
        write_json({"done": ordered, "complete": True}, folder / MANIFEST)
        with contextlib.suppress(OSError):
            os.rmdir(folder / "attempts")
    numbers = (sum(each[key] for each in ordered) for key in ("n_spectra", "n_rejected"))
    return Outcome(len(partitions), len(partitions) - len(todo), *numbers)


def run_partition(partition, job):
    """Do one partition, wherever: read, classify, write; returns its record."""
    folder, options = Path(job.folder), job.options
    # A scheduler that lost a worker asks again for what it had finished.
    if (record := read_record(folder, partition)) is not None:
        return record
    model = open_model(str(folder / MODEL_FILE), job.model)
    expect_spectra(job.n_spectra)
    # The last bits of products depend on the number of threads; and there is one partition a core.
    with threadpoolctl.threadpool_limits(1), warnings.catch_warnings(), Trail(folder, partition) as trail:
        warnings.simplefilter("ignore")
        choice = {"explain": options["explain"], "force": options["force"]}
        if partition.kind == "frame":
            table, rejected, survey = _do_frame(partition, model, choice)
        else:
            chunks = (
                read_results_part(partition.items[0].path, model)
                if partition.kind == "results"
                else _read_files(partition, options, job.seconds, trail)
            )
            table, rejected, survey = classify_chunks(chunks, model, **choice)
        meta = describe_part(model, options, survey)
        return write_part(folder, partition, table, rejected, meta)


def _read_files(partition, options, seconds, trail):
    """The spectra of a partition; one item at a time where an earlier attempt ended in the middle."""
    reading = {key: options[key] for key in ("redshift", "columns", "medium")}
    note = trail.note if trail.careful else None
    return read_partition(partition, seconds=seconds, note=note, fatal=trail.fatal, **reading)


def _do_frame(partition, model, choice):
    frame = partition.frame
    frame = frame.compute(scheduler="synchronous") if hasattr(frame, "compute") else frame
    table, rejected = classify_frame(frame, model, **choice)
    return table.drop("row"), [each for _, each in rejected], "unknown"


def describe_part(model, options, survey):
    """What is written beside the columns of a part."""
    return {
        "model_survey": model.survey,
        "model_version": str(model.meta["package_version"]),
        "classes": [str(name) for name in model.classes],
        "options": options,
        "attribution": {"method": "gradient", "of": "log_p"},
        "sample": {
            "survey": survey,
            "grid_min": float(model.grid[0]),
            "grid_max": float(model.grid[-1]),
            "grid_n": len(model.grid),
            "normalisation": model.normalisation,
            "flux_unit": "flux at 5100 Angstrom",
        },
    }


class _Tries:
    """How often partitions were tried, and which are given up."""

    def __init__(self):
        self.failed = {}
        self._tries = collections.Counter()
        self._in_a_row = 0

    def succeed(self):
        self._in_a_row = 0

    def fail(self, partition, error):
        """Whether the partition is to be tried again; raises where all fail."""
        logger.debug("partition %d failed", partition.number, exc_info=error)
        self._tries[partition.number] += 1
        self._in_a_row += 1
        if self._in_a_row >= _IN_A_ROW:
            raise AgnError(
                f"{_IN_A_ROW} attempts failed one after the other; what is done stays, and the same command "
                f"goes on from there. The last, at partition {partition.number}: {summarise_error(error)}"
            ) from error
        again = self._tries[partition.number] < _TRIES
        if not again:
            self.failed[partition.number] = summarise_error(error)
        return again


def run_all(todo, job, finish, client):
    """Do partitions, here or on a cluster, `finish` each; returns those that failed, with reasons."""
    tries, waiting = _Tries(), collections.deque(todo)
    for partition, attempt in (
        _try_here(waiting, job) if client is None else _try_on_dask(waiting, job, client)
    ):
        try:
            record = attempt()
        except Exception as error:
            if tries.fail(partition, error):
                waiting.append(partition)
        else:
            tries.succeed()
            finish(partition, record)
    return tries.failed


def _try_here(waiting, job):
    """Yield what is `waiting`, each with the function that does it; more may come to wait meanwhile."""
    while waiting:
        partition = waiting.popleft()
        yield partition, functools.partial(run_partition, partition, job)


def _try_on_dask(waiting, job, client):
    """As `_try_here`, with the function that gives what a worker has made of it."""
    import distributed

    running: dict = {}
    try:
        while waiting or running:
            if client.status in ("closing", "closed"):
                raise AgnError(
                    "the scheduler is gone; what is done stays. Start it again: the same command goes on."
                )
            n_workers = max(1, _count_workers(client))
            while waiting and len(running) < _AHEAD * n_workers:
                partition = waiting.popleft()
                running[_submit(client, partition, job)] = partition
            try:
                over = distributed.wait(list(running), timeout=_LOOK, return_when="FIRST_COMPLETED").done
            except (TimeoutError, distributed.TimeoutError, distributed.CancelledError):
                over = ()
            for future in [each for each in running if each in over or each.status in _OVER]:
                partition = running.pop(future)
                if future.status in _LOST:
                    waiting.append(partition)
                else:
                    yield partition, functools.partial(future.result, timeout=_ANSWER)
    finally:
        if client.status == "running":
            client.cancel(list(running))


def _count_workers(client):
    """Threads of a cluster, 0 without an answer; of a local one, workers that were given up start again.

    That is what their keepers do with one that is killed while it begins, or takes more than 15 s to.
    """
    import distributed

    try:
        threads, cluster = client.nthreads(), client.cluster
    except (OSError, RuntimeError):
        return 0
    if isinstance(cluster, distributed.LocalCluster) and len(threads) < len(cluster.worker_spec):
        cluster.scale(len(cluster.worker_spec))
    return sum(threads.values())


# Of a scheduler that was started anew, and whatever is over.
_LOST = ("cancelled", "lost")

_OVER = ("finished", "error", *_LOST)


def _submit(client, partition, job):
    if partition.kind != "frame":
        # Within a function Dask does not look for futures among the names of files.
        task = functools.partial(run_partition, partition, job)
        return client.submit(task, pure=False, key=_name_task(partition))
    from dask import delayed

    task = delayed(_run_frame, pure=False)(partition.frame, partition._replace(frame=None), job)
    return client.compute(task)


def _run_frame(frame, partition, job):
    return run_partition(partition._replace(frame=frame), job)


def _name_task(partition):
    """A name by which the dashboard groups tasks; none is asked for twice."""
    return f"classify-{partition.number:05d}-{os.urandom(6).hex()}"


@contextlib.contextmanager
def open_client(*, workers: int | None = None, scheduler: str | None = None) -> Iterator[Any]:
    """Give a Dask client: of a cluster of this machine's own, or of one that exists.

    Parameters
    ----------
    workers : int, optional
        Number of processes, one thread each; they end with the block.
    scheduler : str, optional
        Address, such as ``tcp://10.0.0.1:8786``, or a scheduler file, as dask-jobqueue and ``dask scheduler``
        give them.  Its workers need this package and the same file system.

    Raises
    ------
    AgnError
        Without Dask, for neither or both of the two, and for a scheduler that does not answer.
    """
    try:
        import dask
        import distributed
    except ImportError as error:
        raise AgnError("this needs Dask: pip install 'agn-helpers[scale]'.") from error
    if (workers is None) == (scheduler is None):
        raise AgnError("give either a number of workers or the address of a scheduler.")
    if scheduler is not None:
        place = {"scheduler_file": scheduler} if Path(scheduler).is_file() else {"address": scheduler}
        try:
            client = distributed.Client(**place, timeout=20)
        except (OSError, ValueError, TimeoutError) as error:
            raise AgnError(
                f"a Dask scheduler must answer at {scheduler}; got: {summarise_error(error)}. Start it, or "
                "correct --scheduler."
            ) from error
        with client:
            yield client
        return
    if workers is None or workers < 1:
        raise AgnError(f"there must be at least one worker; got {workers}.")
    # Statistics of what each line takes cost a twentieth of the time, and Dask's way to give memory back with
    # every array that is let go two thirds of it; busy machines answer late.
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    settings = {
        "distributed.nanny.pre-spawn-environ": dict.fromkeys(threads, 1),
        "distributed.worker.profile.enabled": False,
        "distributed.comm.timeouts.connect": "60s",
    }
    with (
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            security=_secure(distributed),
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def _secure(distributed):
    """Keys of a cluster's own, where they can be made: whoever reaches a scheduler runs code as its user."""
    try:
        return distributed.Security.temporary()
    except ImportError:
        return None
