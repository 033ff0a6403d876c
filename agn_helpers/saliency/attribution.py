"""Attributions: how much each wavelength moves the probability of a class, by any method."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from astropy.table import Table

from ..classifier import TrainedModel, check_grid, weigh_sample
from ..dispatch import call_above
from ..errors import AgnError
from ..reduction import sample_arrays, sample_grid
from ..spectra import ObservedSpectrum
from .gradient_methods import gradient, gradient_times_input, integrated_gradients, smoothgrad
from .perturbation_methods import finite_difference, occlusion
from .segment_methods import lime, shap
from .target import check_spectra, check_wavelengths, find_target, report_progress
from .windows import remove_lines

_FUNCTIONS = {
    function.__name__: function
    for function in (
        gradient,
        finite_difference,
        smoothgrad,
        integrated_gradients,
        gradient_times_input,
        occlusion,
        lime,
        shap,
    )
}


def _attribute(function, estimator, X, **options):
    """Attributions (n_spectra, n_grid) by a method, and their uncertainty or None."""
    takes = inspect.signature(function).parameters
    if "baseline" in takes and options.get("baseline") is None:
        options["baseline"] = partial(
            remove_lines, grid=check_wavelengths(options.get("grid"), np.shape(X)[1])
        )
    # What all methods may be given, and only some have a use for.
    for name in {"grid", "ivar", "target", "baseline", "random_state"} - set(takes):
        options.pop(name, None)
    result = function(estimator, X, **options)
    return result[:2] if isinstance(result, tuple) else (result, None)


def _find_features(detector, X, *, ivar):
    if ivar is None:
        raise AgnError("novelty needs the spectra's ivar; give it, or a reduced sample.")
    return detector.significance(X, ivar)


def _attribution_values(function, estimator, X, **options):
    return _attribute(function, estimator, X, **options)[0]


#: Name -> function (estimator, X, *, grid, ivar, target, baseline, random_state, **options) -> attributions
#: (n_spectra, n_grid).  Of the arguments named here each method takes what it has a use for.
METHODS = {name: partial(_attribution_values, function) for name, function in _FUNCTIONS.items()}


#: Numbers that can be explained (see `TargetScore`), as figures write them.
NUMBERS = {"log_p": "ln P", "p": "P", "log_odds": "ln(P/(1−P))", "margin": "margin"}


def name_quantity(of, method):
    """What the attributions of a method are, by the number that is explained."""
    is_derivative = method in ("gradient", "finite_difference", "smoothgrad")
    return f"∂ {NUMBERS[of]} / ∂ flux" if is_derivative else f"{NUMBERS[of]} per pixel"


@dataclass(frozen=True)
class Attribution:
    """How much each wavelength of some spectra moves a number that a classifier gives them.

    Attributes
    ----------
    values : (n_spectra, n_grid) array
        In 1/flux for ``gradient``, ``finite_difference`` and ``smoothgrad``, in standard deviations for
        ``novelty``, in `of` a pixel for the others.
    uncertainty : (n_spectra, n_grid) array or None
        Standard deviation that the spectrum's noise (``smoothgrad``) or the draws (``lime``, ``shap``) leave
        in it.
        Where a spectrum was not observed its attribution is 0, since nothing seen there can have spoken for a
        type, and the uncertainty is the size of the attribution that the completed flux has there: what a
        flux would have weighed.
    method : str
        One of `METHODS`, or "novelty".
    target : (n_spectra,) array of str
        Class that is explained; "" for ``novelty``.
    of : {"log_p", "p", "log_odds", "margin", "novelty"}
        The number (see `TargetScore`).
    flux : (n_spectra, n_grid) array
        The spectra, normalised.
    grid : (n_grid,) array or None
        Rest wavelengths in vacuum Å.
    name : (n_spectra,) array of str
        Names of the spectra, "" where they have none.
    survey : str
        Where they come from.
    observed : (n_spectra, n_grid) bool array or None
        Where the spectra were observed; `flux` is completed elsewhere.  None where that is not known.
    """

    values: np.ndarray
    uncertainty: np.ndarray | None
    method: str
    target: np.ndarray
    of: str
    flux: np.ndarray
    grid: np.ndarray | None
    name: np.ndarray
    survey: str = "unknown"
    observed: np.ndarray | None = None

    def __len__(self):
        return len(self.values)

    def __repr__(self):
        targets = ", ".join(sorted(set(self.target.tolist())))
        what = self.method if self.of == "novelty" else f"{self.method} of {self.of} for {targets}"
        return f"<Attribution: {what}; {len(self)} spectra>"

    def __array__(self, dtype=None, copy=None):
        """The values: an Attribution is an array to whatever asks for one."""
        return np.array(self.values, dtype=dtype, copy=copy)

    def __getitem__(self, rows):
        """The Attribution of some spectra; of one by its number."""
        rows = [rows] if isinstance(rows, int | np.integer) else rows
        parts = {
            key: getattr(self, key)[rows]
            for key in ("values", "uncertainty", "target", "flux", "name", "observed")
            if getattr(self, key) is not None
        }
        return replace(self, **parts)

    @property
    def quantity(self):
        """What the values are, as figures write it."""
        return "significance" if self.of == "novelty" else name_quantity(self.of, self.method)

    def plot(self, row=0, **options):
        """Draw one of the spectra in the colours of its attribution.

        Parameters
        ----------
        row : int
            Which one.
        **options
            Of `agn_helpers.plotting.plot_saliency`, such as ``title``, ``smooth`` and ``ax``.

        Returns
        -------
        matplotlib.axes.Axes
        """
        if not -len(self) <= row < len(self):
            raise AgnError(f"row must be one of {len(self)} spectra, counted from 0; got {row}.")
        uncertainty = None if self.uncertainty is None else self.uncertainty[row]
        look = {"title": str(self.name[row]), "uncertainty": uncertainty, "quantity": self.quantity}
        if self.of == "novelty":
            look["meaning"] = "less  ←  light than expected  →  more"
        grid = check_wavelengths(self.grid, self.values.shape[1])
        return call_above(
            "plotting.plot_saliency",
            grid,
            self.flux[row],
            self.values[row],
            target=self.target[row],
            **{**look, **options},
        )

    def to_table(self, *, dtype=np.float64):
        """The attributions as an astropy Table: ``name, target, attribution``, with the grid in its meta.

        A fourth column, ``uncertainty``, where there is one.  `agn_helpers.files.write_table` writes it; of
        type float32, enough for maps, it is half as large.
        """
        grid = check_wavelengths(self.grid, self.values.shape[1])
        table = Table({"name": self.name, "target": self.target, "attribution": self.values.astype(dtype)})
        if self.uncertainty is not None:
            table["uncertainty"] = self.uncertainty.astype(dtype)
        table.meta.update(
            survey=self.survey,
            method=self.method,
            of=self.of,
            grid_min=float(grid[0]),
            grid_max=float(grid[-1]),
            grid_n=len(grid),
        )
        return table


def explain(
    model: Any,
    spectra: Any,
    *,
    method: str = "gradient",
    target: Any = None,
    grid: np.ndarray | None = None,
    ivar: np.ndarray | None = None,
    random_state: int | np.random.RandomState | None = 0,
    progress: Callable[[int], object] | None = None,
    **options: Any,
) -> Attribution:
    """Attributions of spectra by a method's name.

    Parameters
    ----------
    model : TrainedModel or fitted classifier
        A classifier needs ``classes_`` and ``predict_proba``.
    spectra : ObservedSpectrum, path, list of these, reduced sample, (n_spectra, n_grid) or (n_grid,) array
        Observed spectra need a model, which reduces them; an array holds fluxes as the classifier takes them.
        What was not observed of spectra and samples is completed by the model, see `Attribution`.
    method : str
        One of `METHODS`; or "novelty": the narrow features for which a model's `NoveltyDetector` finds
        spectra unlike its training sample, which are no matter of the classifier and have no `target`; what
        is odd in a continuum or in lines that lack has no wavelength (`novelty_by_part` of the detector).
    target : label or (n_spectra,) sequence of labels, optional
        Class whose probability is explained; the most probable one of each spectrum by default.
    grid : (n_grid,) array, optional
        Rest wavelengths in vacuum Å, where `model` and `spectra` tell none; needed by ``occlusion``,
        ``lime``, ``shap``, ``gradient_times_input``, ``integrated_gradients`` without a `baseline`, and by
        plots.
    ivar : (n_spectra, n_grid) array, optional
        Inverse variance of an array of spectra; needed by ``smoothgrad`` without a `noise_level`, and by
        ``novelty``.
    random_state : int, RandomState or None
        Of the methods that draw; the others draw nothing.
    progress : function of int, optional
        Called with the number of spectra that the classifier was asked about so far; what it raises ends the
        explanation.
    **options
        Those of the method, such as ``of``.  The `baseline` of ``integrated_gradients`` is the spectrum
        without lines by default; that of ``shap`` the mean spectrum of the training sample where the model
        holds it, as the run's models do, and else the spectrum without lines too.

    Returns
    -------
    Attribution

    Raises
    ------
    AgnError
        For an unknown method, an argument that it has no use for, spectra that cannot be reduced, and as the
        method does.
    """
    if not isinstance(method, str) or method not in (*METHODS, "novelty"):
        raise AgnError(f"method must be one of {', '.join(METHODS)}, novelty; got {method!r}.")
    function = _find_features if method == "novelty" else _FUNCTIONS[method]
    takes = set(inspect.signature(function).parameters)
    given = {"ivar": ivar, "target": target}
    useless = sorted(set(options) - takes)
    useless += [name for name, value in given.items() if value is not None and name not in takes]
    if useless:
        raise AgnError(
            f"{method} takes {', '.join(sorted(takes - {'estimator', 'detector', 'X'}))}; got {useless[0]}. "
            "Leave it out."
        )
    is_model = isinstance(model, TrainedModel)
    estimator = explained = model.estimator if is_model else model
    if method == "novelty":
        explained = model.extras.get("novelty") if is_model else None
        if explained is None:
            raise AgnError("novelty needs a TrainedModel with a NoveltyDetector; got none. Train it by agn.")
    X, ivar, grid, name, survey, log_proba = _read_spectra(model, spectra, ivar, grid)
    X = check_spectra(estimator, X)
    observed = None if log_proba is None else ivar > 0
    if target is None and log_proba is not None:
        target = estimator.classes_[log_proba.argmax(axis=1)]
    if "noise_level" in options and given["ivar"] is None:
        ivar = None
    if method == "shap" and is_model and model.completion is not None:
        options = {"baseline": model.completion.mean_, **options}
    with report_progress(progress):
        values, uncertainty = _attribute(
            function,
            explained,
            X,
            grid=grid,
            ivar=ivar,
            target=target,
            random_state=random_state,
            **options,
        )
    if observed is not None:
        values, uncertainty = silence_unobserved(values, uncertainty, observed)
    if method == "novelty":
        target = np.full(len(X), "")
    else:
        target = np.asarray(estimator.classes_)[find_target(estimator, X, target=target)].astype(str)
    return Attribution(
        values=values,
        uncertainty=uncertainty,
        method=method,
        target=target,
        of="novelty" if method == "novelty" else options.get("of", "log_p"),
        flux=X,
        grid=grid,
        name=name,
        survey=survey,
        observed=observed,
    )


def silence_unobserved(values, uncertainty, observed):
    """Take attributions back where nothing was observed.

    Parameters
    ----------
    values : (..., n_grid) array
    uncertainty : (..., n_grid) array or None
    observed : (..., n_grid) bool array

    Returns
    -------
    values, uncertainty : (..., n_grid) arrays
        0 ± |value| where not observed; elsewhere as given, without an uncertainty 0.  Both as given where
        all was observed.
    """
    if observed.all():
        return values, uncertainty
    spread = np.zeros(values.shape) if uncertainty is None else uncertainty
    return np.where(observed, values, 0), np.where(observed, spread, np.abs(values))


def _read_spectra(model, spectra, ivar, grid):
    """Flux, ivar, grid, names, survey of what `explain` is given; log-probabilities where it is completed."""
    is_model = isinstance(model, TrainedModel)
    if _is_observed(spectra):
        if not is_model:
            raise AgnError("observed spectra need a TrainedModel, which reduces them; give one, or a sample.")
        spectra = model.reduce_all(spectra)
    if isinstance(spectra, Table):
        if ivar is not None or grid is not None:
            raise AgnError("a reduced sample has its own grid and ivar; leave grid= and ivar= out.")
        X, ivar, log_proba = sample_arrays(spectra)[0], np.asarray(spectra["ivar"]), None
        if is_model:
            model.check_sample(spectra)
            if model.completion is not None:
                X, log_proba, _ = weigh_sample(spectra, model)
        name = np.asarray(spectra["name"], dtype=str)
        return X, ivar, sample_grid(spectra), name, str(spectra.meta.get("survey", "unknown")), log_proba
    if np.ma.is_masked(spectra):
        raise AgnError("an array of spectra must not be masked; give ivar 0 there, or a reduced sample.")
    try:
        X = np.atleast_2d(np.asarray(spectra, dtype=float))
        if X.ndim != 2 or not np.ndim(spectra) or not X.size:
            raise TypeError
    except (TypeError, ValueError) as error:
        raise AgnError(
            f"spectra must be observed spectra, a reduced sample or an array of fluxes, one at least; got "
            f"{type(spectra).__name__}."
        ) from error
    if is_model:
        if grid is not None:
            check_grid(model, grid)
        grid = model.grid
    if grid is not None:
        grid = check_wavelengths(grid, X.shape[1])
    return X, None if ivar is None else np.atleast_2d(ivar), grid, np.full(len(X), ""), "unknown", None


def _is_observed(spectra):
    kinds = ObservedSpectrum | str | os.PathLike
    first = next(iter(spectra), None) if isinstance(spectra, list | tuple) else spectra
    return isinstance(first, kinds)
