"""Where spectra come from: single files, folders, labels tables, fetched spectra, the simulated survey."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from astropy.table import join

from ..errors import SpectrumError
from ..runs import SDSS, SDSS_CACHE, SYNTHETIC
from ..spectra import Rejected, list_files, read_entries, read_files, read_index
from .synthetic import simulate_survey

if TYPE_CHECKING:
    from ..spectra import ObservedSpectrum


def open_survey(
    survey: str | PathLike,
    *,
    root: str | PathLike | None = None,
    random_state: int = 0,
    n_type1: int = 680,
    n_intermediate: int = 521,
    n_type2: int = 2145,
) -> Iterator[ObservedSpectrum | Rejected]:
    """Give the labelled spectra of a survey, one after the other.

    Parameters
    ----------
    survey : str or path-like
        ``"synthetic"`` for the simulated survey; ``"sdss"`` for what ``agn fetch`` brought to
        ``data/sdss/spectra`` (a folder of that name is ``"./sdss"``); a folder of spectra with an index; or
        an index, of which just the listed files are read.
        A folder of fetched spectra holds ``index.csv``, the spectra in folders by plate, and in ``records/``
        what was asked for and could not be had, which comes as Rejected after the others.
    root : path, optional
        Folder that ``data/`` and relative paths are in; the current one by default.
    random_state, n_type1, n_intermediate, n_type2 : int
        For the simulated survey, see `simulate_survey`.

    Returns
    -------
    iterator of ObservedSpectrum or Rejected
        As of `read_spectra`; spectra without a type are rejected, since there is nothing to learn from them.

    Raises
    ------
    SpectrumError
        At once, for a survey that does not exist, a table without labels, or one of which no row is usable.
    """
    if survey == SYNTHETIC:
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
    entries = read_entries(index, inside=survey.is_dir())
    problems = [entry.problem for entry in entries.values() if entry.problem]
    if len(problems) == len(entries):
        raise SpectrumError(problems[0])
    if not any(os.path.exists(file) for file in entries):
        raise SpectrumError(
            f"{index.meta['path']} must name files that exist, relative to its folder; not one of its "
            f"{len(entries)} does, such as {index['file'][0]}; correct the column file."
        )
    files = list_files(survey, entries) if survey.is_dir() else [entry.path for entry in entries.values()]
    labelled = (_require_label(spectrum, index.meta["path"]) for spectrum in read_files(files, entries, None))
    return itertools.chain(labelled, _list_missing(Path(index.meta["path"]).parent))


def _list_missing(folder):
    """What was to be fetched into a folder and is not there."""
    from ..archive import read_missing

    for row in read_missing(folder):
        yield Rejected(str(row["name"]), str(row["source"]), str(row["reason"]))


def _require_label(spectrum, table):
    """The spectrum, or that it is rejected where it has no type."""
    if isinstance(spectrum, Rejected) or spectrum.label is not None:
        return spectrum
    file = spectrum.meta["file"]
    return Rejected(spectrum.name, file, f"{file} must have a type; {table} gives none; add its label.")


def join_truth(sample, truth=None):
    """Numbers of each spectrum that a map can be coloured by.

    Parameters
    ----------
    sample : astropy.table.Table
        A reduced sample.
    truth : astropy.table.Table, optional
        Of the simulated survey: a row a spectrum, by ``name``.

    Returns
    -------
    astropy.table.Table
        Row by row those of the sample: ``name, redshift, snr``, then the columns of the truth that the sample
        does not have itself; masked where the truth has no such spectrum.
    """
    columns = sample["name", "redshift", "snr"]
    if truth is None:
        return columns
    extra = [name for name in truth.colnames if name not in ("redshift", "snr", "label")]
    return join(columns, truth[extra], keys="name", join_type="left", keep_order=True)
