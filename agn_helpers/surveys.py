"""Where spectra come from: single files, folders, labels tables, fetched spectra, the embedded survey."""

import itertools
import os
from pathlib import Path

import numpy as np
from astropy.table import Table

from .errors import SpectrumError
from .spectra import Rejected, name_of, read_spectrum
from .spectrum_index import INDEX_NAMES, find_index, read_entries, read_index
from .synthetic import simulate_survey

__all__ = ["SDSS", "SDSS_CACHE", "open_survey", "read_index", "read_spectra"]

#: Name of the survey of fetched spectra, and their folder within a project.
SDSS = "sdss"
SDSS_CACHE = Path("data", "sdss", "spectra")


def read_spectra(paths, *, redshift=None, index=None):
    """Read spectra one after the other; a bad file never stops the others.

    The redshift is the file's own, else that of the index, else `redshift`; the label is that of the index.
    A folder gives its files in the order of their names, without hidden files, README, the index and the
    folders inside it, then what its index lists besides; listed files that do not exist come as Rejected.
    Of two spectra with one name the second is rejected: an object that is in a sample twice may be trained
    on and tested at once.

    Parameters
    ----------
    paths : str, path-like, or iterable of these
        Files and folders.
    redshift : float, optional
        For spectra whose redshift neither file nor index tell.
    index : Table, str or path-like, optional
        One index for all of them (see `read_index`); by default the one beside each file.

    Returns
    -------
    iterator of ObservedSpectrum or Rejected
        One spectrum in memory at a time.

    Raises
    ------
    SpectrumError
        At once, where nothing but folders without spectra is named, and for an unusable index.
    """
    paths = [Path(path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
    if index is None:
        folders = {path if path.is_dir() else path.parent for path in paths}
        indices = [read_index(table) for table in map(find_index, folders) if table]
    else:
        indices = [index if isinstance(index, Table) else read_index(index)]
    entries = {key: entry for table in indices for key, entry in read_entries(table).items()}
    files, empty = [], []
    for path in paths:
        inside = _list_folder(path, entries) if path.is_dir() else [path]
        if not inside:
            reason = f"{path} must hold spectra, and holds none; folders in it are not searched."
            empty.append(Rejected(path.name, str(path), reason))
        files += inside
    if empty and not files:
        raise SpectrumError(empty[0].reason)
    return itertools.chain(empty, _read_all(files, entries, redshift))


def _list_folder(folder, entries):
    """Files of a folder and those that its index lists besides; nothing where none of them exists."""
    with os.scandir(folder) as found:
        names = sorted(entry.name for entry in found if entry.is_file())
    files = [
        folder / name for name in names if not name.startswith((".", "README")) and name not in INDEX_NAMES
    ]
    listed = {os.path.abspath(file) for file in files}
    besides = [
        entry.path
        for key, entry in entries.items()
        if key not in listed and entry.path.is_relative_to(folder)
    ]
    return files + besides if files or any(path.exists() for path in besides) else []


def _read_all(files, entries, redshift):
    first = {}
    for file in files:
        try:
            spectrum = _read_one(file, entries.get(os.path.abspath(file)), redshift)
            if spectrum.name in first:
                raise SpectrumError(
                    f"names must be unique in a sample; {spectrum.name} of {file} is that of "
                    f"{first[spectrum.name]} too; remove or rename one."
                )
        except SpectrumError as error:
            yield Rejected(name_of(file), str(file), str(error))
        else:
            first[spectrum.name] = file
            yield spectrum


def _read_one(file, entry, redshift):
    if entry is None:
        return read_spectrum(file, redshift=redshift)
    if entry.problem:
        raise SpectrumError(entry.problem)
    if not file.exists():
        raise SpectrumError(f"{entry.row} names {file}, which does not exist; correct or remove the row.")
    if not np.isnan(entry.redshift):
        redshift = entry.redshift
    return read_spectrum(file, redshift=redshift, label=entry.label)


def open_survey(survey, *, root=None, random_state=0, n_type1=680, n_intermediate=521, n_type2=2145):
    """Give the labelled spectra of a survey, one after the other.

    Parameters
    ----------
    survey : str or path-like
        ``"synthetic"`` for the embedded survey; ``"sdss"`` for what ``agn fetch`` brought to
        ``data/sdss/spectra`` (a folder of that name is ``"./sdss"``); a folder of spectra with an index; or
        an index, of which just the listed files are read.
        A folder of fetched spectra holds ``index.csv``, the spectra in folders by plate, and in ``records/``
        what was asked for and could not be had (`cache_index`), which comes as Rejected after the others.
    root : path, optional
        Folder that ``data/`` and relative paths are in; the current one by default.
    random_state, n_type1, n_intermediate, n_type2 : int
        For the embedded survey, see `synthetic.simulate_survey`.

    Returns
    -------
    iterator of ObservedSpectrum or Rejected
        As of `read_spectra`; spectra without a type are rejected, since there is nothing to learn from them.

    Raises
    ------
    SpectrumError
        At once, for a survey that does not exist, a table without labels, or one of which no row is usable.
    """
    if survey == "synthetic":
        spectra, _ = simulate_survey(
            random_state=random_state, n_type1=n_type1, n_intermediate=n_intermediate, n_type2=n_type2
        )
        return iter(spectra)
    survey = Path(root or "", SDSS_CACHE if survey == SDSS else survey)
    if not survey.exists():
        if survey == Path(root or "", SDSS_CACHE):
            raise SpectrumError(f"survey 'sdss' needs spectra in {survey}; fetch them: agn fetch paper.")
        raise SpectrumError(f"survey must be 'synthetic', a folder or a table; there is no {survey}.")
    index = read_index(survey)
    if "label" not in index.colnames:
        raise SpectrumError(f"{index.meta['path']} must have the column label, with types; add it.")
    entries = read_entries(index)
    problems = [entry.problem for entry in entries.values() if entry.problem]
    if len(problems) == len(entries):
        raise SpectrumError(problems[0])
    if not any(os.path.exists(file) for file in entries):
        raise SpectrumError(
            f"{index.meta['path']} must name files that exist, relative to its folder; not one of its "
            f"{len(entries)} does, such as {index['file'][0]}; correct the column file."
        )
    files = _list_folder(survey, entries) if survey.is_dir() else [entry.path for entry in entries.values()]
    spectra = (_require_label(spectrum, index.meta["path"]) for spectrum in _read_all(files, entries, None))
    return itertools.chain(spectra, _list_missing(Path(index.meta["path"]).parent))


def _list_missing(folder):
    """What was to be fetched into a folder and is not there."""
    from .cache_index import read_missing

    for row in read_missing(folder):
        yield Rejected(str(row["name"]), str(row["source"]), str(row["reason"]))


def _require_label(spectrum, table):
    if isinstance(spectrum, Rejected) or spectrum.label is not None:
        return spectrum
    file = spectrum.meta["file"]
    return Rejected(spectrum.name, file, f"{file} must have a type; {table} gives none; add its label.")
