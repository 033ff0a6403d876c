"""Spectra that have a place on a map, and their predicted types; others can join them."""

import difflib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from astropy.table import Table

from ..classifier import marginal_proba, weigh_sample
from ..errors import AgnError
from ..maps import MapPlacer
from ..reduction import sample_grid
from ..spectra import Rejected, read_spectra

# A name that shares as much with what was typed (difflib's ratio) is worth a suggestion.
_LIKE = 0.7

# Completing takes a millisecond a spectrum: more of them wait until they are looked at.
_MOST_COMPLETED = 20_000

# Spectra classified together: some 60 MB of temporary arrays.
_BLOCK = 4096

_MOST_COMPARED = 4000


class MappedSpectra:
    """A reduced sample, its places on a map and its probabilities.

    Parameters
    ----------
    sample : astropy.table.Table
        The reduced sample, on the model's grid.
    model : TrainedModel
        Its estimator must have `predict_proba`.
    spectrum_map : SpectrumMap
        With a place for every spectrum of the sample.
    split : astropy.table.Table, optional
        ``name, part``: who was trained on and who is in the test.

    Attributes
    ----------
    name, label, part, origin : (n_spectra,) arrays of str
        Of all spectra, those added later at the end; "" where unknown.  `part` is "added" for these, `origin`
        the survey.
    redshift : (n_spectra,) array
    X, ivar : (n_spectra, n_grid) arrays
        Normalised flux, completed by the model, and its inverse variance, 0 where not observed.  Of more
        than 20 000 spectra a flux and its probabilities are completed once `complete` is asked for them;
        until then gaps are bridged, as the sample has them.
    places : (n_spectra, 2) array
        On the map.
    probability : (n_spectra, n_classes) array
    ra, dec : (n_spectra,) arrays
        Degrees; NaN where not known.
    survey : str
        Where the sample comes from.
    meta : dict
        The sample's.

    Raises
    ------
    AgnError
        Where the three do not fit together.
    """

    def __init__(self, sample, model, spectrum_map, *, split=None):
        self.grid, self.model, self.survey = sample_grid(sample), model, str(sample.meta["survey"])
        model.check_sample(sample)
        if not len(sample):
            raise AgnError("there must be spectra to pick from; the sample is empty.")
        self.name = np.asarray(sample["name"], dtype=str)
        self.places = _find_places(self.name, spectrum_map, self.grid)
        self.spectrum_map, self._placer = spectrum_map, None
        self.label = np.asarray(sample["label"], dtype=str)
        parts = dict(zip(split["name"], split["part"])) if split is not None else {}
        self.part = np.array([str(parts.get(name, "")) for name in self.name])
        self.redshift = np.asarray(sample["redshift"], dtype=float)
        self.ivar = np.asarray(sample["ivar"])
        if len(sample) > _MOST_COMPLETED and model.completion is not None:
            self.X = np.array(sample["flux"], dtype=np.float32)
            self.probability = _in_blocks(model.estimator.predict_proba, self.X)
            self._waiting = _in_blocks(lambda ivar: (ivar == 0).any(axis=1), self.ivar)
        else:
            self.X, self.probability = self._classify(sample)
            self._waiting = np.zeros(len(sample), bool)
        self.origin = np.full(len(self.name), self.survey)
        self.ra, self.dec = (_find_degrees(sample, name) for name in ("ra", "dec"))
        self.meta = dict(sample.meta)

    def complete(self, rows):
        """Complete spectra by the model where that was put off, and average their probabilities."""
        rows = np.unique(rows)
        rows = rows[self._waiting[rows]]
        for block in np.split(rows, range(_BLOCK, len(rows), _BLOCK)) if len(rows) else ():
            found = marginal_proba(
                self.model.estimator, self.model.completion, self.X[block], self.ivar[block].astype(float)
            )
            self.X[block], self.probability[block] = found.flux, np.exp(found.log_proba)
            self._waiting[block] = False

    @property
    def n_waiting(self):
        """How many spectra have their gaps bridged for now, see `complete`."""
        return int(self._waiting.sum())

    @property
    def classes(self):
        """Class names in the order of the probabilities."""
        return [str(name) for name in self.model.classes]

    @property
    def predicted(self):
        """Most probable class of each spectrum, (n_spectra,) array of str."""
        return np.array(self.classes)[self.probability.argmax(axis=1)]

    @property
    def wrong(self):
        """Rows of the spectra whose predicted type is not their label."""
        return np.flatnonzero((self.label != "") & (self.predicted != self.label))

    def as_sample(self, rows, *, flux=None):
        """Rows as a reduced sample on the model's grid, with their own flux or another (n, n_grid)."""
        columns = {key: getattr(self, key)[rows] for key in ("name", "redshift", "label", "ivar", "X")}
        sample = Table(columns, meta=dict(self.meta))
        sample.rename_column("X", "flux")
        sample["snr"] = np.nan
        if flux is not None:
            sample["flux"] = flux
        return sample

    def find(self, name):
        """Row of the spectrum of this name, or of the only one whose name holds it.

        Raises AgnError for no or several such names; the message holds the nearest one.
        """
        name = str(name).strip()
        within = self.find_matches(name)
        if len(within) == 1:
            return int(within[0])
        if len(within):
            raise AgnError(
                f"{len(within)} names hold {name!r}, such as {self.name[within[0]]}; give more of the name."
            )
        # Where there are many names, those that begin alike are near enough.
        many = np.sort(self.name)
        first = max(0, np.searchsorted(many, name) - _MOST_COMPARED // 2)
        near = difflib.get_close_matches(name, many[first : first + _MOST_COMPARED], n=1, cutoff=_LIKE)
        hint = f"did you mean {near[0]}?" if near else "no name is like it."
        raise AgnError(f"there is no spectrum {name!r}; {hint}")

    def find_matches(self, text):
        """Rows of the spectra whose names hold a text; of the one that it names, where there is one."""
        text = str(text).strip()
        exact = np.flatnonzero(self.name == text)
        if len(exact) or not text:
            return exact[:1]
        return np.flatnonzero(np.char.find(np.char.lower(self.name), text.lower()) >= 0)

    def find_near(self, x, y, *, scale=(1.0, 1.0)):
        """Row of the spectrum nearest to a place on the map, and its distance.

        scale : pair of float, by which distances along x and y are multiplied, e.g. pixels per unit
        """
        distance = np.hypot(*((self.places - (x, y)) * scale).T)
        row = int(np.argmin(distance))
        return row, distance[row]

    def add_spectra(self, files, *, redshift=None):
        """Put spectra from files beside the others, on the map as it is.

        Parameters
        ----------
        files : path, sequence of paths, or mapping of str to bytes
            As for `read_spectra`, or names and contents of uploaded files.
        redshift : float, optional
            Of spectra whose files tell none.

        Returns
        -------
        rows : (n_added,) array of int
            Of the new spectra.
        rejected : astropy.table.Table
            ``name, file, reason`` of those that could not be used.

        Raises
        ------
        AgnError
            Where nothing at all can be read.
        """
        read = read_uploaded if isinstance(files, Mapping) else read_spectra
        added, rejected = self.model.reduce(read(files, redshift=redshift))
        known = np.isin(added["name"], self.name)
        for name in added["name"][known]:
            rejected.add_row((name, "", f"{name} is on the map already; rename the file to add it again."))
        added = added[~known]
        first = len(self.name)
        if len(added):
            X, probability = self._classify(added)
            self.places = np.vstack([self.places, self.place(X)])
            self.probability = np.vstack([self.probability, probability])
            self.X = np.vstack([self.X, X])
            self.ivar = np.vstack([self.ivar, np.asarray(added["ivar"])])
            self._waiting = np.append(self._waiting, np.zeros(len(added), bool))
            for key, values in {
                "name": np.asarray(added["name"], dtype=str),
                "label": np.asarray(added["label"], dtype=str),
                "part": np.full(len(added), "added"),
                "redshift": np.asarray(added["redshift"], dtype=float),
                "origin": np.full(len(added), str(added.meta["survey"])),
                "ra": _find_degrees(added, "ra"),
                "dec": _find_degrees(added, "dec"),
            }.items():
                setattr(self, key, np.concatenate([getattr(self, key), values]))
        return np.arange(first, len(self.name)), rejected

    def place(self, X):
        """Places (n, 2) of other spectra (n, n_grid) on the map."""
        if self._placer is None:
            self._placer = MapPlacer(self.spectrum_map)
        return self._placer.place(X)

    def describe(self, row):
        """Say in a line what is known of a spectrum: its name, redshift, type, part."""
        part = f" ({self.part[row]})" if self.part[row] else ""
        label = self.label[row] or "type unknown"
        return f"{self.name[row]}   z = {self.redshift[row]:.4f}   {label}{part}"

    def _classify(self, sample):
        """Fluxes as the classifier sees them, completed by the model, and probabilities."""
        marginal = weigh_sample(sample, self.model)
        return marginal.flux.astype(np.float32), np.exp(marginal.log_proba)


def _find_degrees(sample, column):
    if column not in sample.colnames:
        return np.full(len(sample), np.nan)
    return np.ma.filled(np.ma.asarray(sample[column], dtype=float), np.nan)


def _in_blocks(function, array):
    """A function of rows, of one block after the other: memory-mapped ones are never copied whole."""
    return np.concatenate([function(array[first : first + _BLOCK]) for first in range(0, len(array), _BLOCK)])


def read_uploaded(files, *, redshift=None):
    """Read files that are no files yet, names and contents, as `read_spectra` does; returns a list."""
    with tempfile.TemporaryDirectory(prefix="agn-") as folder:
        paths = [Path(folder) / Path(name).name for name in files]
        for path, content in zip(paths, files.values()):
            path.write_bytes(content)
        # The folder will be gone when a message is read.
        place = f"{folder}{os.sep}"
        try:
            found = list(read_spectra(paths, redshift=redshift))
        except AgnError as error:
            raise AgnError(str(error).replace(place, "")) from error
    return [
        Rejected(*(text.replace(place, "") for text in item)) if isinstance(item, Rejected) else item
        for item in found
    ]


def _find_places(names, spectrum_map, grid):
    if spectrum_map is None:
        raise AgnError("the sample must have a map; it has none; make it with embed_spectra (notebook 03).")
    if spectrum_map.X.shape[1] != len(grid):
        raise AgnError(
            f"the map must be of spectra on the sample's grid of {len(grid)} wavelengths; got "
            f"{spectrum_map.X.shape[1]}; make it again with embed_spectra (notebook 03)."
        )
    row = {name: k for k, name in enumerate(spectrum_map.name)}
    missing = [name for name in names if name not in row]
    if missing:
        raise AgnError(
            f"every spectrum must have a place on the map; {len(missing)} of {len(names)} have none, such as "
            f"{missing[0]}; make the map again with embed_spectra (notebook 03)."
        )
    return spectrum_map.coordinates[[row[name] for name in names]].astype(float)
