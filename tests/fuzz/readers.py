"""Every reader as a function of bytes: it may raise AgnError in one line, and nothing else."""

import atexit
import os
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agn_helpers.archive import read_catalogue, read_missing
from agn_helpers.archive.manifest import Manifest
from agn_helpers.archive.verify import verify_spectrum
from agn_helpers.classifier import load_model
from agn_helpers.errors import AgnError
from agn_helpers.files import read_table
from agn_helpers.maps import read_map
from agn_helpers.reduction import read_sample, reduce_spectra
from agn_helpers.spectra import Rejected, parse_columns, read_entries, read_index, read_spectra
from agn_helpers.spectra.medium import medium_in_text
from agn_helpers.spectra.redshifts import redshift_in_comments
from agn_helpers.spectra.roles import name_role
from agn_helpers.spectra.text import _split_header
from agn_helpers.spectra.units import parse_unit

from . import seeds

# In memory where there is such a place: millions of files would wear a disk.
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))

atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)


def _write(content, name):
    path = FOLDER / f"{os.getpid()}-{name}"
    path.write_bytes(content)
    return path


def read_spectrum_file(content):
    """Read, reduce, and look at every number."""
    try:
        spectra = list(read_spectra([_write(content, "spectrum.dat")], redshift=0.001))
    except AgnError:
        return
    assert spectra, "a file left no trace"
    for spectrum in spectra:
        if isinstance(spectrum, Rejected):
            assert spectrum.reason.isprintable() or "\n" not in spectrum.reason
            continue
        assert np.isfinite(spectrum.wavelength).all() and np.isfinite(spectrum.ivar).all()
        assert np.isfinite(spectrum.flux[spectrum.ivar > 0]).all() and spectrum.ivar.min() >= 0
    sample, rejected = reduce_spectra(spectra)
    assert len(sample) + len(rejected) == len(spectra)
    assert np.isfinite(sample["flux"]).all() and np.isfinite(sample["ivar"]).all()
    assert not len(sample) or (sample["ivar"].min() >= 0 and sample["ivar"].max(axis=1).min() > 0)


def read_index_file(content):
    """An index, row by row."""
    read_entries(read_index(_write(content, "index.csv")), inside=True)


def read_cache_table(content):
    """What was asked for and is not there."""
    path = _write(content, "x").with_name("cache") / "records" / "missing.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    read_missing(path.parents[1])


def read_manifest(content):
    """All lines, of which the sound ones count."""
    with Manifest(_write(content, "manifest.jsonl")) as manifest:
        for name in manifest:
            entry = manifest.get(name)
            assert isinstance(name, str) and isinstance(entry.size, int)
            assert not {"..", ""} & set(entry.file.split("/")) or not entry.file


def read_words(content):
    """Whatever stands in a header."""
    text = content.decode("latin-1")
    for read, refusals in (
        (parse_unit, (ValueError, OverflowError)),
        (parse_columns, AgnError),
        (name_role, ()),
        (medium_in_text, ()),
        (lambda text: redshift_in_comments([text]), ()),
        (lambda text: _split_header(text, None), ()),
    ):
        try:
            read(text)
        except refusals:
            continue


class Reader(NamedTuple):
    """A reader and what it is fed with."""

    read: object
    seeds: object


READERS = {
    "text": Reader(read_spectrum_file, seeds.make_text),
    "tables": Reader(read_spectrum_file, seeds.make_tables),
    "fits": Reader(read_spectrum_file, seeds.make_fits),
    "packed": Reader(read_spectrum_file, seeds.make_packed),
    "parquet": Reader(read_spectrum_file, seeds.make_parquet),
    "hdf5": Reader(read_spectrum_file, seeds.make_hdf5),
    "index": Reader(read_index_file, seeds.make_index),
    "list": Reader(lambda content: read_catalogue(_write(content, "list.dat")), seeds.make_lists),
    "cache": Reader(read_cache_table, seeds.make_cache_tables),
    "manifest": Reader(read_manifest, seeds.make_manifests),
    "download": Reader(
        lambda content: verify_spectrum(content, plate=266, mjd=51630, fiberid=1),
        lambda: seeds.make_fits()[:1],
    ),
    "sample": Reader(lambda content: read_sample(_write(content, "sample.fits")), seeds.make_samples),
    "mapped": Reader(
        lambda content: read_sample(_write(content, "sample.fits"), mapped=True), seeds.make_samples
    ),
    "map": Reader(lambda content: read_map(_write(content, "map.fits")), seeds.make_maps),
    "split": Reader(lambda content: read_table(_write(content, "split.ecsv")), seeds.make_splits),
    "model": Reader(lambda content: load_model(_write(content, "model.skops")), seeds.make_models),
    "words": Reader(read_words, seeds.make_words),
}


def run_reader(name, content):
    """Feed a reader; AgnError in one line is an answer, any other exception is not."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            READERS[name].read(content)
        except AgnError as error:
            assert "\n" not in str(error), f"an error of several lines: {error}"
