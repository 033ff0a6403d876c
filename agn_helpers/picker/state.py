"""The state of the spectrum picker: what is picked, selected, changed, and whose probability is explained."""

from typing import NamedTuple

import numpy as np
from astropy.table import Table

from ..classifier import UNDETERMINED, TrainedModel, find_reasons, load_model
from ..errors import AgnError
from ..files import read_table
from ..lines import AGN_TYPES, LINES, MARKED_LINES
from ..maps import SpectrumMap, read_map
from ..reduction import SpectrumChange, perturb_spectrum, read_sample
from ..saliency import CORE, METHODS, gradient, measure_lines, silence_unobserved, smoothgrad
from .mapped_spectra import MappedSpectra
from .run_files import find_run

# Draws of noise behind the uncertainty of a gradient: a standard deviation good to a sixth.
_N_DRAWS = 20

# Spectra of a selection that are averaged.
_MOST_AVERAGED = 5000


class Shown(NamedTuple):
    """What there is to see of one spectrum or of a selection.

    Attributes
    ----------
    name : str
        The spectrum's name, or how many are selected.
    title : str
        One line about it.
    flux, ivar : (n_grid,) arrays
        Of the spectrum, changed as asked for, or the mean of the selection and the inverse of its variance.
    probability, before : (n_classes,) arrays
        Of the classes, in the order of the model's; `before` is that without the change.
    target : str
        Whose probability is explained.
    attribution, uncertainty : (n_grid,) arrays
        In 1/flux; for a selection the mean map and its standard error.
    flux_band, attribution_band, probability_band : (2, n_grid), (2, n_grid), (2, n_classes) arrays or None
        What holds the middle 68 % of a selection.
    place : (2,) array or None
        Of the spectrum as changed on the map; None where it stands at its own place.
    survey : str
        Where it comes from.
    n_spectra : int
        How many there are.
    method : str
        How the map was made, a key of `METHODS`.
    change : str
        What was changed; "" for nothing.
    unchanged : (n_grid,) array or None
        The spectrum without the change, where there is one.
    smooth : float or None
        Width in km/s of a running mean over the map.
    fade : bool
        Whether the map is grey where it is nearer to zero than twice its uncertainty.
    """

    name: str
    title: str
    flux: np.ndarray
    ivar: np.ndarray
    probability: np.ndarray
    before: np.ndarray
    target: str
    attribution: np.ndarray
    uncertainty: np.ndarray | None
    survey: str
    flux_band: np.ndarray | None = None
    attribution_band: np.ndarray | None = None
    probability_band: np.ndarray | None = None
    place: np.ndarray | None = None
    n_spectra: int = 1
    method: str = "gradient"
    change: str = ""
    unchanged: np.ndarray | None = None
    smooth: float | None = None
    fade: bool = False


def show_spectrum(spectra, row, flux, ivar, *, target=None):
    """Explain spectrum `row`, with its own flux and ivar or changed ones, by its exact gradient; `Shown`."""
    estimator, before = spectra.model.estimator, spectra.probability[row]
    changed = not np.array_equal(flux, spectra.X[row])
    probability = estimator.predict_proba(flux[None])[0] if changed else before
    target = target or spectra.classes[int(probability.argmax())]
    noisy = smoothgrad(estimator, flux[None], target=target, ivar=ivar[None], n_draws=_N_DRAWS)
    attribution, uncertainty = gradient(estimator, flux[None], target=target)[0], noisy.standard_deviation[0]
    if spectra.model.completion is not None:
        attribution, uncertainty = silence_unobserved(attribution, uncertainty, ivar > 0)
    predicted = "was predicted" if changed else "predicted"
    if find_reasons(spectra.model, ivar[None])[0]:
        predicted = f"{UNDETERMINED}, most probable"
    return Shown(
        name=str(spectra.name[row]),
        title=f"{spectra.describe(row)}, {predicted} {spectra.predicted[row]}",
        flux=flux,
        ivar=ivar,
        probability=probability,
        before=before,
        target=target,
        attribution=attribution,
        uncertainty=uncertainty,
        place=spectra.place(flux[None])[0] if changed else None,
        survey=str(spectra.origin[row]),
    )


def show_selection(spectra, rows, *, target=None):
    """Explain what spectra have in common: mean spectrum, mean map, and the spread of both; `Shown`.

    Of very many the mean is that of some of them.
    """
    name = f"{len(rows)} selected spectra" if len(rows) > 1 else "1 selected spectrum"
    if len(rows) > _MOST_AVERAGED:
        rows = rows[np.linspace(0, len(rows) - 1, _MOST_AVERAGED).astype(int)]
        name = f"{len(rows)} of {name}"
    spectra.complete(rows)
    X = spectra.X[rows].astype(float)
    attribution = gradient(spectra.model.estimator, X, target=target)
    counts = {name: int(np.sum(spectra.label[rows] == name)) for name in AGN_TYPES}
    spread = X.var(axis=0)
    probability = spectra.probability[rows].mean(axis=0)
    return Shown(
        name=name,
        title=f"{name}: {', '.join(f'{count} {name}' for name, count in counts.items() if count)}",
        flux=X.mean(axis=0),
        ivar=np.divide(1, spread, out=np.zeros(len(spread)), where=spread > 0),
        probability=probability,
        before=probability,
        target=target or "predicted type",
        attribution=attribution.mean(axis=0),
        uncertainty=attribution.std(axis=0) / np.sqrt(len(rows)),
        flux_band=np.percentile(X, [16, 84], axis=0),
        attribution_band=np.percentile(attribution, [16, 84], axis=0),
        probability_band=np.percentile(spectra.probability[rows], [16, 84], axis=0),
        survey=", ".join(sorted(set(spectra.origin[rows].tolist()))),
        n_spectra=len(rows),
    )


def tabulate_lines(shown, grid):
    """Mean attribution of the marked lines' cores and wings in what is `Shown`; see `measure_lines`."""
    lines = [name for name in MARKED_LINES if (np.abs(LINES[name].velocity(grid)) < CORE).any()]
    uncertainty = None if shown.uncertainty is None else shown.uncertainty[None]
    measured = measure_lines(shown.attribution[None], grid=grid, uncertainty=uncertainty, lines=lines)
    return measured.to_frame().set_index("line").drop(columns="name")


class PickerInput(NamedTuple):
    """The arguments of `PickerState`."""

    sample: Table
    model: TrainedModel
    spectrum_map: SpectrumMap
    split: Table


def read_run(run, *, root=None):
    """Read the sample, the model, the map and the split of a run; see `find_run`.  Returns PickerInput."""
    paths = find_run(run, root=root)
    return PickerInput(
        sample=read_sample(paths["sample"], mapped=True),
        model=load_model(paths["model"]),
        spectrum_map=read_map(paths["spectrum_map"], mapped=True),
        split=_read_split(paths["split"]),
    )


def _read_split(path):
    split = read_table(path)
    if not {"name", "part"} <= set(split.colnames):
        has = ", ".join(split.colnames)
        raise AgnError(f"{path} must have columns name and part; it has {has}. Run notebook 02 again.")
    return split


class PickerState(MappedSpectra):
    """Spectra on a map, the one that is picked, those that are selected, and a change that is tried out.

    Parameters
    ----------
    sample, model, spectrum_map, split
        As for `MappedSpectra`; the model must have exact gradients.

    Attributes
    ----------
    row : int
        The picked spectrum; at first the one that the classifier is least sure about.
    selection : (n_selected,) array of int
    shows_selection : bool
        Whether the selection is on view and not the picked spectrum.
    change : SpectrumChange
    target : str or None
        Whose probability is explained; None for the most probable class.
    method, smooth, fade
        How it is explained, see `explain`.
    """

    def __init__(self, sample, model, spectrum_map, *, split=None):
        super().__init__(sample, model, spectrum_map, split=split)
        self.row = int(np.argmin(self.probability.max(axis=1)))
        self.selection = np.array([], dtype=int)
        self.shows_selection = False
        self.change = SpectrumChange()
        self.explain()

    def pick(self, name):
        """Pick the spectrum of this name, see `find`, without any change."""
        self.pick_row(self.find(name))

    def pick_row(self, row):
        """Pick the spectrum of this row, without any change."""
        self.row, self.shows_selection, self.change = int(row), False, SpectrumChange()

    def pick_near(self, x, y, *, scale=(1.0, 1.0)):
        """Pick the spectrum nearest to a place on the map, see `find_near`."""
        self.pick_row(self.find_near(x, y, scale=scale)[0])

    def step(self, steps):
        """Pick the spectrum so many steps on, in the selection where there is one; ends meet."""
        rows = self.selection if len(self.selection) else np.arange(len(self.name))
        at = np.searchsorted(rows, self.row)
        # From outside the selection the first step forward leads to the next of its rows.
        outside = at == len(rows) or rows[at] != self.row
        self.pick_row(rows[(at + steps - (outside and steps > 0)) % len(rows)])

    def select(self, names):
        """Select the spectra of these names and show what they have in common; none to end the selection."""
        self._select_rows([self.find(name) for name in ([names] if isinstance(names, str) else names)])

    def select_inside(self, inside):
        """Select the spectra where `inside`, a function of (n, 2) places, is True; AgnError for none."""
        rows = np.flatnonzero(inside(self.places))
        if not len(rows):
            raise AgnError("the lasso holds no spectrum; draw it around some points.")
        self._select_rows(rows)

    def what_if(self, **changes):
        """Change the picked spectrum; what is not named stays as it was, see `SpectrumChange`."""
        unknown = sorted(set(changes) - set(vars(self.change)))
        if unknown:
            known = ", ".join(vars(self.change))
            raise AgnError(f"a change must be one of {known}; got {unknown[0]!r}.")
        change = SpectrumChange(**{**vars(self.change), **changes})
        self._changed(change)
        self.change, self.shows_selection = change, False

    def reset(self):
        """Take every change back."""
        self.change = SpectrumChange()

    def explain(self, *, method=None, target=None, smooth=None, fade=False):
        """Choose how the spectrum is explained; see `SpectrumPicker.explain`."""
        method = method or "gradient"
        if method not in METHODS:
            raise AgnError(f"method must be one of {', '.join(METHODS)}; got {method!r}.")
        if target is not None and target not in self.classes:
            raise AgnError(f"the target must be one of {', '.join(self.classes)}; got {target!r}.")
        self.method, self.target, self.smooth, self.fade = method, target, smooth or None, bool(fade)

    def show(self):
        """What there is to see now, with the exact gradient as its map: `Shown`."""
        if self.shows_selection:
            shown = show_selection(self, self.selection, target=self.target)
        else:
            self.complete([self.row])
            shown = show_spectrum(self, self.row, *self._changed(self.change), target=self.target)
            if not self.change.is_nothing:
                shown = shown._replace(change=self.change.describe(), unchanged=self.X[self.row])
        return shown._replace(smooth=self.smooth, fade=self.fade)

    def show_selected(self):
        """Show what the selection has in common again; AgnError where nothing is selected."""
        if not len(self.selection):
            raise AgnError("nothing is selected; drag around points of the map first.")
        self.shows_selection = True

    def line_statistics(self, shown):
        """Table of line statistics of what is `Shown`, see `tabulate_lines`."""
        return tabulate_lines(shown, self.grid)

    def summarise(self, shown):
        """What is `Shown` in a line of text: the probability of each class, and the name."""
        names = [name for name in AGN_TYPES if name in self.classes]
        values = [f"{name} {shown.probability[self.classes.index(name)]:.3f}" for name in names]
        return f"{', '.join(values)}: {shown.name}{f' with {shown.change}' if shown.change else ''}"

    def _changed(self, change):
        return perturb_spectrum(
            self.grid,
            self.X[self.row],
            self.ivar[self.row],
            change,
            normalisation=self.model.normalisation,
        )

    def _select_rows(self, rows):
        self.selection = np.unique(np.asarray(rows, dtype=int))
        self.shows_selection, self.change = len(self.selection) > 0, SpectrumChange()
