"""A trained model: a classifier that knows how its spectra were reduced, and its .skops file.

Unlike pickles, .skops files run no code of their authors when opened.
"""

from __future__ import annotations

import warnings
import zipfile
from dataclasses import dataclass, field
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from astropy.table import Table
from sklearn.base import BaseEstimator
from skops.io.exceptions import UntrustedTypesFoundException

from ..dispatch import call_above
from ..errors import AgnError
from ..files import whole_file
from ..limits import check_size, summarise_error
from ..maps import SpectrumMap, place_on_map
from ..reduction import reduce_spectra, sample_arrays, sample_grid
from ..spectra import open_spectra
from .completion import SpectrumCompleter
from .gradients import unwrap_estimator
from .marginal import ensemble_log_proba, marginal_proba
from .novelty import NoveltyDetector
from .predict import classify_spectra, join_parts, predict_types
from .prediction_sets import PredictionSets

#: Types of this package that a model file may hold; skops itself trusts numpy's, scipy's and scikit-learn's.
TRUSTED_TYPES = (
    "agn_helpers.classifier.completion.SpectrumCompleter",
    "agn_helpers.classifier.novelty.NoveltyDetector",
    "agn_helpers.classifier.prediction_sets.PredictionSets",
    "agn_helpers.classifier.svc.ProbabilisticSVC",
    "agn_helpers.classifier.training.Kernel",
)

# Raised when the layout of the file, or the place of a type in this package, changes.
_FORMAT = 2

_OTHER_VERSION = (
    "a model must have been written by this version of the package; {} was not. Train it again: "
    "agn reproduce --only 01,02."
)

_PARTS = ("estimator", "grid", "meta", "extras")

# 1e-7 is 0.02 pixels of a grid that only rounding has touched, and far below a pixel of the paper's (3e-4).
_GRID_TOLERANCE = 1e-7


@dataclass(repr=False)
class TrainedModel:
    """A fitted classifier with what is needed to use it on other spectra: it reduces, predicts and explains.

    Attributes
    ----------
    estimator : fitted scikit-learn classifier or Pipeline
    grid : (n_grid,) array
        Rest-frame vacuum Å of the features, increasing.
    meta : dict
        ``survey`` ("synthetic", or what the spectra came from), ``package_version``, ``solver`` (by which a
        `ProbabilisticSVC` was trained), and the parameters of the run; strings, numbers, lists and
        dictionaries of these.
    extras : dict
        Anything fitted beside the classifier: arrays and scikit-learn objects by name.  ``novelty``, a
        `NoveltyDetector`, and ``prediction_sets``, a `PredictionSets`, say what the model does not know;
        ``completion``, a `SpectrumCompleter`, what it expects where a spectrum was not observed;
        ``ensemble``, arrays of `train_ensemble`, what it would have said after training on other surveys.

    Raises
    ------
    AgnError
        For an estimator that is not fitted, or a grid that is not increasing or not as long as its features.
    """

    estimator: Any
    grid: np.ndarray
    meta: dict = field(default_factory=dict)
    extras: dict = field(default_factory=dict)

    def __post_init__(self):
        self.grid = np.asarray(self.grid, dtype=float)
        self.meta = {"package_version": version("agn-helpers"), **self.meta}
        solver = getattr(unwrap_estimator(self.estimator)[1], "solver_", None)
        if solver is not None:
            self.meta["solver"] = solver
        n_features = getattr(self.estimator, "n_features_in_", None)
        if not hasattr(self.estimator, "classes_") or n_features is None:
            raise AgnError(
                f"a model needs a fitted classifier; got {type(self.estimator).__name__}. Fit it first."
            )
        if self.grid.shape != (n_features,) or not np.all(np.diff(self.grid) > 0):
            raise AgnError(
                f"the grid must be {n_features} increasing wavelengths, one a feature; "
                f"got shape {self.grid.shape}. Give the grid of the reduced sample."
            )

    @property
    def classes(self):
        """Class names, (n_classes,), in the order of the probabilities' columns."""
        return self.estimator.classes_

    @property
    def normalisation(self):
        """How fluxes are normalised, see `agn_helpers.reduction.reduce_spectra`."""
        return self.meta.get("normalisation", "window")

    @property
    def completion(self):
        """`SpectrumCompleter` of what was not observed, or None."""
        return self.extras.get("completion")

    @property
    def survey(self):
        """What the model was trained on; "synthetic" for the embedded survey."""
        return str(self.meta.get("survey", "unknown"))

    def __repr__(self):
        classes = ", ".join(map(str, self.classes))
        return (
            f"<TrainedModel: {classes}; {len(self.grid)} wavelengths, {self.grid[0]:.0f} to "
            f"{self.grid[-1]:.0f} Å; trained on {self.survey}>"
        )

    def reduce(self, spectra: Any) -> tuple[Table, Table]:
        """Reduce observed spectra as the model's own were.

        Parameters
        ----------
        spectra : ObservedSpectrum, path, or iterable of these
            Paths are those of files and folders.

        Returns
        -------
        sample, rejected : astropy.table.Table
            As of `agn_helpers.reduction.reduce_spectra`; fluxes with ivar 0 are completed by the model.
        """
        sample, rejected = reduce_spectra(
            open_spectra(spectra), grid=self.grid, normalisation=self.normalisation
        )
        if self.completion is not None and len(sample):
            sample["flux"] = self.completion.complete(sample["flux"], sample["ivar"]).astype(np.float32)
        return sample, rejected

    def reduce_all(self, spectra: Any) -> Table:
        """The reduced sample of spectra none of which may be rejected; AgnError for the first that is."""
        sample, rejected = self.reduce(spectra)
        if len(rejected):
            raise AgnError(
                f"every spectrum must be reducible; {rejected['name'][0]}: {rejected['reason'][0]}"
            )
        return sample

    def check_sample(self, sample: Any) -> None:
        """Raise AgnError for no sample, and one on another grid or normalised otherwise than the model's."""
        if not isinstance(sample, Table) or "grid_n" not in sample.meta:
            raise AgnError(
                f"a reduced sample is needed, as model.reduce makes it; got {type(sample).__name__}. "
                "Observed spectra and files go to model.classify."
            )
        check_grid(self, sample_grid(sample))
        normalisation = sample.meta.get("normalisation", self.normalisation)
        if normalisation != self.normalisation:
            raise AgnError(
                f"the sample must be normalised as the model's own, by {self.normalisation!r}; it is by "
                f"{normalisation!r}. Reduce the spectra with model.reduce."
            )

    def predict(self, sample: Table, *, force: bool = False) -> Table:
        """Types, probabilities and doubts of a reduced sample; see `agn_helpers.classifier.predict_types`."""
        return predict_types(sample, self, force=force)

    def classify(self, spectra: Any, *, force: bool = False) -> Table:
        """Reduce observed spectra and predict their types.

        Parameters
        ----------
        spectra : ObservedSpectrum, path, or iterable of these
            As for `reduce`; labels are not looked at.
        force : bool
            Predict types also where Hβ was not observed.

        Returns
        -------
        astropy.table.Table
            As of `predict`; ``meta["rejected"]`` lists the spectra that could not be reduced, each with
            ``name, file, reason``, and a warning says how many they are.
        """
        chunks = classify_spectra(open_spectra(spectra), self, force=force)
        parts = [part._replace(sample=None) for part in chunks]
        if not parts:
            raise AgnError("there must be spectra to classify; got none. Give files, a folder or spectra.")
        table, rejected = join_parts(parts, self)
        if not len(table):
            raise AgnError(f"no spectrum could be classified; the first: {rejected['reason'][0]}")
        table.meta["rejected"] = [dict(zip(rejected.colnames, map(str, row))) for row in rejected]
        if len(rejected):
            warnings.warn(
                f"{len(rejected)} of {len(rejected) + len(table)} spectra were rejected; the table's "
                f"meta['rejected'] holds the reasons. The first: {rejected['reason'][0]}",
                stacklevel=2,
            )
        return table

    def explain(self, spectra: Any, *, method: str = "gradient", target: Any = None, **options: Any) -> Any:
        """Attributions of spectra; see `agn_helpers.saliency.explain`.

        Parameters
        ----------
        spectra : ObservedSpectrum or sequence of these, reduced sample, or array of fluxes
        method, target, **options
            As there.

        Returns
        -------
        agn_helpers.saliency.Attribution
        """
        return call_above("saliency.explain", self, spectra, method=method, target=target, **options)

    def place(self, spectra: Any, spectrum_map: Any) -> np.ndarray:
        """Places (n, 2) of spectra on a map of others; see `agn_helpers.maps.place_on_map`.

        Parameters
        ----------
        spectra : ObservedSpectrum or sequence of these, path, or reduced sample
            Where one of them cannot be reduced, this is an AgnError.
        spectrum_map : SpectrumMap
            Of spectra that were reduced as the model's own.
        """
        if not isinstance(spectrum_map, SpectrumMap):
            raise AgnError(
                f"spectrum_map must be a SpectrumMap, as of read_map; got {type(spectrum_map).__name__}."
            )
        sample = spectra if isinstance(spectra, Table) else self.reduce_all(spectra)
        self.check_sample(sample)
        return place_on_map(spectrum_map, sample_arrays(sample)[0])

    def what_would_turn(self, spectra: Any, **options: Any) -> Table:
        """Smallest changes that turn the types of spectra; see `agn_helpers.audit.what_would_turn`."""
        return call_above("audit.what_would_turn", self, spectra, **options)


def check_grid(model, grid):
    """Refuse spectra on another wavelength grid than the model's.

    model : TrainedModel
    grid : (n_grid,) wavelengths of the spectra, Å
    Raises AgnError where the two differ.
    """
    grid = np.asarray(grid, dtype=float)
    if grid.shape == model.grid.shape and np.allclose(grid, model.grid, rtol=_GRID_TOLERANCE, atol=0):
        return

    def describe(wavelength):
        if not wavelength.size:
            return "nothing"
        return f"{wavelength.size} points from {wavelength.flat[0]:.2f} to {wavelength.flat[-1]:.2f} Å"

    raise AgnError(
        f"the spectra must be on the model's grid, {describe(model.grid)}; got {describe(grid)}. "
        "Reduce them onto the model's grid."
    )


def save_model(model, path):
    """Write a TrainedModel to `path`, which ends in .skops.

    Raises AgnError for another ending or for parts that `load_model` would refuse, AgnError where
    the file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".skops":
        raise AgnError(f"a model's name must end in .skops; got {str(path)!r}. Give another name.")
    content = {"format": _FORMAT, **{name: getattr(model, name) for name in _PARTS}}
    with whole_file(path) as temporary:
        skops.io.dump(content, temporary, compression=zipfile.ZIP_DEFLATED)
        unknown = set(skops.io.get_untrusted_types(file=temporary)) - set(TRUSTED_TYPES)
        if unknown:
            raise AgnError(
                f"a model may hold only types of agn_helpers, scikit-learn and numpy; got "
                f"{', '.join(sorted(unknown))}. Leave them out of the estimator, meta and extras."
            )


def load_model(path: str | PathLike) -> TrainedModel:
    """Read a TrainedModel from a .skops file.

    Raises AgnError, in one line, for a file that is missing, truncated, a renamed pickle or anything else
    that is no model, and for one that holds types other than this package's, scikit-learn's and numpy's.
    """
    path = Path(path)
    if not path.is_file():
        raise AgnError(f"{path} is not there; train a model first, or name another file.")
    try:
        with zipfile.ZipFile(path) as parts:
            check_size(sum(part.file_size for part in parts.infolist()), path)
        content = skops.io.load(path, trusted=list(TRUSTED_TYPES))
    except UntrustedTypesFoundException as error:
        if all(name.startswith("agn_helpers.") for name in skops.io.get_untrusted_types(file=path)):
            raise AgnError(_OTHER_VERSION.format(path)) from error
        raise AgnError(
            f"{path} was not opened, for it holds types that a model has no use for: {_first_line(error)}. "
            "Use a file that this package wrote."
        ) from error
    except Exception as error:
        # A damaged or hostile file can make the reader fail in any way; none of them is worth a traceback.
        raise AgnError(
            f"{path} is not a readable model (.skops) file: {_first_line(error)}. It may be damaged, "
            "truncated or a pickle, which is never opened; train the model again."
        ) from error
    if not _is_model(content):
        raise AgnError(_OTHER_VERSION.format(path))
    try:
        model = TrainedModel(**{name: content[name] for name in _PARTS})
        _try_model(model)
    except Exception as error:  # Wrong shapes and types, wherever they are, fail somewhere in numpy.
        raise AgnError(
            f"{path} must be a model that works; its trial says: {summarise_error(error)}. Train it again: "
            "agn reproduce --only 01,02."
        ) from error
    return model


# Of what a model may hold beside its classifier, and is looked for by name.
_EXTRAS = {
    "completion": SpectrumCompleter,
    "novelty": NoveltyDetector,
    "prediction_sets": PredictionSets,
    "ensemble": dict,
}


def _try_model(model):
    """Use a model once, on a spectrum with a gap; whatever is wrong with it raises."""
    for name, kind in _EXTRAS.items():
        if not isinstance(model.extras.get(name), kind | None):
            raise AgnError(f"{name} must be a {kind.__name__}; it is a {type(model.extras[name]).__name__}")
    for name in ("estimator", "extras"):
        _require_finite(getattr(model, name), name, set())
    flux, ivar = np.ones((2, 1, len(model.grid)))
    ivar[:, : len(model.grid) // 10] = 0
    if model.completion is not None:
        completed, log_proba, _ = marginal_proba(model.estimator, model.completion, flux, ivar)
        found = [completed, log_proba]
    else:
        name = "predict_log_proba" if hasattr(model.estimator, "predict_log_proba") else "predict"
        found = [] if name == "predict" else [model.estimator.predict_log_proba(flux)]
        model.estimator.predict(flux)
    if novelty := model.extras.get("novelty"):
        found.append(novelty.novelty(flux, ivar))
    if sets := model.extras.get("prediction_sets"):
        sets.predict(found[1 if model.completion else 0])
    if ensemble := model.extras.get("ensemble"):
        if not np.array_equal(ensemble["classes"], model.classes):
            raise AgnError("ensemble must have the model's classes; it has others")
        found.append(ensemble_log_proba(ensemble, flux))
    if not all(np.isfinite(np.maximum(part, -1e9)).all() for part in found):
        raise AgnError("what it predicts is not finite")


def _require_finite(part, place, seen):
    """Raise AgnError where an array within an object, however deep, is not finite."""
    if id(part) in seen:
        return
    seen.add(id(part))
    if isinstance(part, np.ndarray | np.generic):
        if part.dtype.kind in "fc" and not np.isfinite(part).all():
            raise AgnError(f"{place} must be finite; it is not")
    elif isinstance(part, dict):
        for key, value in part.items():
            _require_finite(value, f"{place}.{key}", seen)
    elif isinstance(part, list | tuple):
        for value in part:
            _require_finite(value, place, seen)
    elif isinstance(part, BaseEstimator):
        _require_finite(vars(part), f"{place} ({type(part).__name__})", seen)


def _is_model(content):
    if not isinstance(content, dict) or set(content) != {"format", *_PARTS} or content["format"] != _FORMAT:
        return False
    return isinstance(content["meta"], dict) and isinstance(content["extras"], dict)


def _first_line(error):
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
