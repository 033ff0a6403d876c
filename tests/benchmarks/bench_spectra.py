"""Reading SDSS spec-lite files, against specutils on the same files in the same run."""

import os
import tempfile
import time
import warnings
from pathlib import Path

from specutils import Spectrum

from agn_helpers.spectra import read_spectrum, write_spec_lite
from agn_helpers.survey import simulate_survey

from . import Row

_ROUNDS = 3
_N_FILES = 24


def run():
    """Time per file, the least of three rounds that take turns."""
    shared = Path(os.environ.get("AGN_SHARED", Path(__file__).parents[3] / "shared"))
    files = sorted((shared / "spectra/sdss").glob("*.fits"))
    if files:
        return _compare(files[:: max(1, len(files) // _N_FILES)], "real")
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for spectrum in simulate_survey(n_type1=_N_FILES, n_intermediate=0, n_type2=0)[0]:
            files.append(Path(folder, f"{spectrum.name}.fits"))
            write_spec_lite(spectrum, files[-1])
        return _compare(files, "synthetic")


def _compare(files, kind):
    readers = {
        "read_spectrum": read_spectrum,
        "specutils.Spectrum.read": Spectrum.read,
        "specutils told the format": lambda file: Spectrum.read(file, format="SDSS-III/IV spec"),
    }
    seconds = {name: min(times) for name, times in _time(readers, files).items()}
    own, recognising, told = seconds.values()
    rows = [
        Row(f"{name}, {len(files)} {kind} SDSS files", value * 1e3, "ms/file", "", True)
        for name, value in seconds.items()
    ]
    faster, relative = recognising / own, own / told
    return [
        *rows,
        Row("as fast as specutils.Spectrum.read", faster, "times", ">= 8", faster >= 8),
        Row("time of specutils told the format", relative, "times", "<= 1.5", relative <= 1.5),
    ]


def _time(readers, files):
    times = {name: [] for name in readers}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(_ROUNDS):
            for name, read in readers.items():
                start = time.perf_counter()
                for file in files:
                    read(file)
                times[name].append((time.perf_counter() - start) / len(files))
    return times
