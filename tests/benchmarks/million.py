"""Very many simulated spectra, from coadds to classified Parquet: python -m tests.benchmarks.million -n N.

Coadds are simulated into a folder that is removed afterwards: 64 kB a spectrum, a million are 64 GB.  The
fluxes are those of two thousand simulated spectra, each time with noise of their own.  With --links each file
has more names than one: so many more spectra are read, from the memory of the disk.
"""

import argparse
import contextlib
import multiprocessing
import shutil
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from agn_helpers.bulk import classify_many, open_client, summarise_results
from agn_helpers.classifier import load_model, save_model
from agn_helpers.survey import simulate_survey
from agn_helpers.tuning import train_general

from ..coadds import prepare_arms, write_coadd

PER_FILE = 2000


def main():
    """Simulate, classify ever more of them, print a table, tidy up."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.million", description=__doc__)
    parser.add_argument("-n", "--number", type=int, default=10_000, help="spectra")
    parser.add_argument("--links", type=int, default=1, help="names a file has: so many times the spectra")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", help="where the files go for a while")
    parser.add_argument("--model", help="a .skops file; the general model is trained without")
    parser.add_argument("--steps", type=int, default=3, help="numbers, each a quarter of the next")
    parser.add_argument(
        "--scaling",
        action="store_true",
        help="the smallest with no and 1 worker, too: what Dask costs, and what a second worker gains",
    )
    choice = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=choice.folder, prefix="agn-million-") as folder:
        # Elsewhere, so that what it takes is not counted below.
        child = multiprocessing.get_context("spawn").Process(
            target=simulate, args=(folder, choice.number, choice.model, choice.links)
        )
        child.start()
        child.join()
        files, model = sorted(Path(folder).glob("coadd-*")), load_model(Path(folder, "model.skops"))
        each = -(-choice.number * choice.links // len(files))
        numbers = sorted({max(1, len(files) // 4**step) for step in range(choice.steps)})
        titles = ("workers", "spectra", "wall s", "CPU s", "1/s", "client MB", "worker MB", "B a row")
        print("".join(f"{title:>10}" for title in titles))
        found = []
        here, alone = (
            measure(files[: numbers[0]], each, model, Path(folder), workers) if choice.scaling else None
            for workers in (0, 1)
        )
        with open_cluster(choice.workers) as client:
            # What is imported and compiled once is no part of the growth.
            run(files[:1], model, Path(folder), client)
            for number in numbers:
                found.append(measure(files[:number], each, model, Path(folder), choice.workers, client))
        if here and alone:
            print(f"Dask's overhead, 1 worker to none: wall {alone[1] / here[1] - 1:+.1%}", end="")
            print(f", CPU {alone[2] / here[2] - 1:+.1%}")
            print(f"1 to {choice.workers} workers: {alone[1] / found[0][1]:.2f} times as fast")
        if len(found) > 1:
            spectra, wall, cpu = np.array(found).T
            for name, seconds in (("wall", wall), ("CPU", cpu)):
                print(f"growth exponent, {name}: {np.polyfit(np.log(spectra), np.log(seconds), 1)[0]:.3f}")


def simulate(folder, number, model, links=1):
    """Train a model, and write coadds of `number` spectra in all."""
    folder, start = Path(folder), time.monotonic()
    save_model(load_model(model) if model else train_general(), folder / "model.skops")
    spectra, _ = simulate_survey(n_type1=700, n_intermediate=600, n_type2=700, random_state=1)
    rng, done = np.random.default_rng(0), 0
    draw = None
    while done < number:
        here = min(PER_FILE, number - done)
        draw = draw if draw is not None and here == PER_FILE else prepare_arms(spectra, here)
        arms, redshift = draw(rng)
        path = folder / f"coadd-synthetic-dark-{done // PER_FILE:05d}.fits"
        write_coadd(path, arms, redshift, first=done)
        done += here
    for path in sorted(folder.glob("*.fits")):
        for copy in range(1, links):
            path.with_name(f"{path.stem}-{copy:03d}.fits").hardlink_to(path)
    size = sum(path.stat().st_size for path in folder.iterdir()) / links
    seconds = time.monotonic() - start
    print(f"{number} spectra simulated: {size / 1e9:.1f} GB, {seconds:.0f} s", flush=True)


@contextlib.contextmanager
def open_cluster(workers):
    """A local cluster's client, or None for no workers."""
    if not workers:
        yield None
        return
    with open_client(workers=workers) as client:
        yield client


def run(files, model, folder, client):
    """Classify some coadds; returns the folder of the results."""
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    classify_many(files, model, out, client=client)
    return out


def measure(files, each, model, folder, workers, client=None):
    """One line of the table: number of spectra, wall and CPU seconds."""
    with contextlib.ExitStack() as stack:
        if client is None:
            client = stack.enter_context(open_cluster(workers))
            run(files[:1], model, folder, client)
        watch = stack.enter_context(Watch())
        start, before = time.monotonic(), watch.cpu()
        out = run(files, model, folder, client)
        wall, cpu = time.monotonic() - start, watch.cpu() - before
        summary = summarise_results(out, page=False)
        number = summary.n_spectra + summary.n_rejected
        size = sum(path.stat().st_size for path in out.rglob("*.parquet"))
        peaks = watch.peak_client >> 20, watch.peak_worker >> 20
        cells = (workers, number, f"{wall:.1f}", f"{cpu:.1f}", round(number / wall), *peaks, size // number)
        print("".join(f"{cell:>10}" for cell in cells), flush=True)
    shutil.rmtree(out)
    return number, wall, cpu


class Watch:
    """Memory of this process and of its children, looked at four times a second."""

    def __enter__(self):
        import psutil

        self._own = psutil.Process()
        self.peak_client = self.peak_worker = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._over.set()
        self._thread.join()

    def cpu(self):
        """Processor seconds of all processes so far."""
        return sum(sum(each.cpu_times()[:2]) for each in (self._own, *self._own.children(recursive=True)))

    def _look(self):
        import psutil

        while not self._over.wait(0.25):
            self.peak_client = max(self.peak_client, self._own.memory_info().rss)
            for child in self._own.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    self.peak_worker = max(self.peak_worker, child.memory_info().rss)


if __name__ == "__main__":
    main()
