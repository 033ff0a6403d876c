"""What the scheduler costs, empty partitions on 64 workers: python -m tests.benchmarks.scheduler."""

import argparse
import time

from agn_helpers.bulk import engine
from agn_helpers.bulk.sources import Item, Partition


def do_nothing(partition, job):
    """In place of `run_partition`."""
    return {"n_spectra": 0, "n_rejected": 0}


def main():
    """Send partitions of 2000 file names, and wait for all."""
    import distributed

    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scheduler", description=__doc__)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("-n", "--number", type=int, default=3000, help="partitions")
    choice = parser.parse_args()
    items = [Item(f"/archive/spectra/spec-{number:04d}-50000-0001.fits") for number in range(2000)]
    engine.run_partition = do_nothing
    # All in one process: the scheduler shares its core with those whom it serves, a lower bound.
    look = {
        "protocol": "tcp",
        "dashboard_address": None,
        "processes": False,
        "threads_per_worker": 1,
        "memory_limit": 0,
    }
    with (
        distributed.LocalCluster(n_workers=choice.workers, **look) as cluster,
        distributed.Client(cluster) as client,
    ):
        for what, held in (("coadds", items[:1]), ("2000 files", items)):
            rate = measure(client, held, choice.number)
            print(
                f"{choice.workers} workers, partitions of {what}: {rate:.0f} a second = {2000 * rate:,.0f} "
                f"spectra a second; at 1 s a partition enough for {rate:.0f} workers"
            )


def measure(client, items, number):
    """Partitions a second."""
    todo = [Partition(each, "files", items, "", 2000) for each in range(number)]
    start, done = time.perf_counter(), []
    engine.run_all(todo, engine.Job("", "", {}, 60.0, 0), lambda *record: done.append(record), client)
    assert len(done) == number
    return number / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
