"""Open the picker on very many spectra: python -m tests.benchmarks.pick_many [--n 100000] [--folder DIR].

A small simulated run is repeated with other noise, 12 kB a spectrum on the disk, and its map with it.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from dataclasses import replace

import numpy as np
from astropy.table import Table

from agn_helpers.files import write_table
from agn_helpers.maps import read_map, write_map
from agn_helpers.picker import SpectrumPicker
from agn_helpers.reduction import read_sample, write_sample

from ..small_run import write_small_run
from .bench_picker import median_time

_N_SMALL, _N_PICKS = 3346, 50

#: Seconds to open, milliseconds of a pick, GiB.
LIMITS = (10, 300, 4)


def write_many(root, n_spectra):
    """Write a run of so many spectra, named "many", below `root`."""
    folder = write_small_run(root, run="many", n_type1=680, n_intermediate=521, n_type2=2145).data
    sample, spectrum_map = read_sample(folder / "sample.fits"), read_map(folder / "map.fits")
    rows, rng = np.arange(n_spectra) % _N_SMALL, np.random.default_rng(0)
    many = sample[rows]
    many["name"] = [f"{name}-{number:07d}" for number, name in enumerate(many["name"])]
    noise = np.divide(0.5, np.sqrt(many["ivar"]), out=np.zeros(many["ivar"].shape), where=many["ivar"] > 0)
    many["flux"] = (many["flux"] + noise * rng.standard_normal(noise.shape)).astype(np.float32)
    write_sample(many, folder / "sample.fits")
    places = spectrum_map.coordinates[rows] + rng.normal(0, 1.5, (n_spectra, 2))
    names, landmarks = np.asarray(many["name"], dtype=str), np.arange(_N_SMALL)
    X = np.asarray(many["flux"], dtype=np.float32)
    write_map(
        replace(spectrum_map, coordinates=places, X=X, name=names, landmarks=landmarks), folder / "map.fits"
    )
    part = np.where(np.arange(n_spectra) % 5 == 0, "test", "training")
    write_table(Table({"name": names, "part": part}, meta={"survey": "synthetic"}), folder / "split.ecsv")


def main():
    """Print what was measured, a line a number; exit with 1 beyond a limit, of processor time."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.pick_many")
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--folder", help="for the run; a temporary one by default")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder, prefix="agn-pick-") as root:
        # In a process of its own, whose memory does not count.

        worker = multiprocessing.get_context("spawn").Process(target=write_many, args=(root, chosen.n))
        worker.start()
        worker.join()
        wall, cpu = time.perf_counter(), time.process_time()
        picker = SpectrumPicker.open_run("many", root=root, front_end=True)
        canvases = [picker.view.controls.map_figure.canvas, picker.view.controls.spectrum_figure.canvas]
        for canvas in canvases:
            canvas.syncing_data_url = False
            canvas.draw()
        opened = time.process_time() - cpu
        print(f"{chosen.n} spectra: open after {time.perf_counter() - wall:.1f} s, {opened:.1f} s of CPU")
        names = np.random.default_rng(1).choice(picker.state.name, _N_PICKS)
        pick = 1e3 * median_time(picker.pick, names.tolist())
        picker.what_if(broad_hbeta_flux=-40)
        step = 1e3 * median_time(
            lambda flux: picker.what_if(broad_hbeta_flux=flux), np.linspace(-40, 100, 20)
        )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"a pick {pick:.0f} ms, a step of a slider {step:.0f} ms of CPU; peak memory {peak:.2f} GiB")
        picker.close()
    return int(opened > LIMITS[0] or pick > LIMITS[1] or peak > LIMITS[2])


if __name__ == "__main__":
    sys.exit(main())
