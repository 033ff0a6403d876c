"""Reading SDSS spec-lite files, against specutils on the same files in the same run; and DESI coadds."""

import os
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits
from specutils import Spectrum

from agn_helpers.spectra import read_spectra, read_spectrum, write_spec_lite
from agn_helpers.survey import simulate_survey

from . import Row, at_least

_ROUNDS = 3
_N_FILES = 24
_N_TARGETS = 500


def run():
    """Processor time per file, the least of three rounds that take turns."""
    shared = Path(os.environ.get("AGN_SHARED", Path(__file__).parents[3] / "shared"))
    files = sorted((shared / "spectra/sdss").glob("*.fits"))
    if files:
        return [*_compare(files[:: max(1, len(files) // _N_FILES)], "real"), _read_targets()]
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for spectrum in simulate_survey(n_type1=_N_FILES, n_intermediate=0, n_type2=0)[0]:
            files.append(Path(folder, f"{spectrum.name}.fits"))
            write_spec_lite(spectrum, files[-1])
        return [*_compare(files, "synthetic"), _read_targets()]


def _read_targets():
    """Targets a second of a DESI coadd of three arms, the best of three rounds."""
    rng, hdus = np.random.default_rng(0), [fits.PrimaryHDU()]
    ids = fits.Column("TARGETID", "K", array=np.arange(_N_TARGETS))
    hdus.append(fits.BinTableHDU.from_columns([ids], name="FIBERMAP"))
    for arm, low, n_pixels in (("B", 3600, 2751), ("R", 5760, 2326), ("Z", 7520, 2881)):
        flux = rng.normal(5, 1, (_N_TARGETS, n_pixels)).astype(np.float32)
        parts = {"WAVELENGTH": low + 0.8 * np.arange(n_pixels), "FLUX": flux, "IVAR": np.ones_like(flux)}
        parts["MASK"] = np.zeros(flux.shape, np.int32)
        hdus += [fits.ImageHDU(values, name=f"{arm}_{part}") for part, values in parts.items()]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "coadd.fits")
        fits.HDUList(hdus).writeto(path)
        rates = []
        for _ in range(_ROUNDS):
            start = time.perf_counter()
            n_read = sum(1 for _ in read_spectra(path))
            rates.append(n_read / (time.perf_counter() - start))
    return Row(f"DESI coadd of {_N_TARGETS} targets", max(rates), "spectra/s", "", True)


def _compare(files, kind):
    readers = {
        "read_spectrum": read_spectrum,
        "specutils.Spectrum.read": Spectrum.read,
        "specutils told the format": lambda file: Spectrum.read(file, format="SDSS-III/IV spec"),
        "astropy.io.fits, three columns and the redshift": _read_columns,
    }
    for file in files:
        ours, theirs = read_spectrum(file), _read_columns(file)
        same = all(np.array_equal(getattr(ours, name), each) for name, each in zip(("flux", "ivar"), theirs))
        assert same and np.array_equal(ours.wavelength, theirs[2]), f"{file} is read otherwise by astropy"
    seconds = {name: min(times) for name, times in _time(readers, files).items()}
    own, recognising, told, columns = seconds.values()
    rows = [
        Row(f"{name}, {len(files)} {kind} SDSS files", value * 1e3, "ms/file", "", True)
        for name, value in seconds.items()
    ]
    return [
        *rows,
        at_least("read_spectrum, against specutils.Spectrum.read", recognising / own, 50),
        at_least("read_spectrum, against specutils told the format", told / own, 8),
        at_least("read_spectrum, against astropy.io.fits", columns / own, 5),
    ]


def _read_columns(file):
    """What a script would read by astropy: flux, ivar, wavelength, redshift."""
    with fits.open(file) as hdus:
        pixels, row = hdus[1].data, hdus[2].data
        wavelength = 10 ** pixels["loglam"].astype(float)
        return pixels["flux"].astype(float), pixels["ivar"].astype(float), wavelength, float(row["Z"][0])


def _time(readers, files):
    times = {name: [] for name in readers}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(_ROUNDS):
            for name, read in readers.items():
                start = time.process_time()
                for file in files:
                    read(file)
                times[name].append((time.process_time() - start) / len(files))
    return times
