"""What there is to see of one spectrum or of a selection, and how it is found."""

from typing import NamedTuple

import numpy as np

from ..classifier import UNDETERMINED, find_reasons
from ..lines import AGN_TYPES, LINES, MARKED_LINES
from ..saliency import (
    CORE,
    gradient,
    measure_lines,
    name_quantity,
    silence_unobserved,
    smoothgrad,
)

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
    of : str
        The number that is explained, see `TargetScore`.
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
    of: str = "log_p"
    change: str = ""
    unchanged: np.ndarray | None = None
    smooth: float | None = None
    fade: bool = False

    @property
    def quantity(self):
        """What the attributions are, as figures write it."""
        return name_quantity(self.of, self.method)


def show_spectrum(spectra, row, flux, ivar, *, target=None, of="log_p"):
    """Explain spectrum `row`, with its own flux and ivar or changed ones, by its exact gradient; `Shown`."""
    estimator, before = spectra.model.estimator, spectra.probability[row]
    changed = not np.array_equal(flux, spectra.X[row])
    probability = estimator.predict_proba(flux[None])[0] if changed else before
    target = target or spectra.classes[int(probability.argmax())]
    noisy = smoothgrad(estimator, flux[None], target=target, ivar=ivar[None], n_draws=_N_DRAWS, of=of)
    attribution = gradient(estimator, flux[None], target=target, of=of)[0]
    uncertainty = noisy.standard_deviation[0]
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
        of=of,
    )


def show_selection(spectra, rows, *, target=None, of="log_p"):
    """Explain what spectra have in common: mean spectrum, mean map, and the spread of both; `Shown`.

    Of very many the mean is that of some of them.
    """
    name = f"{len(rows)} selected spectra" if len(rows) > 1 else "1 selected spectrum"
    if len(rows) > _MOST_AVERAGED:
        rows = rows[np.linspace(0, len(rows) - 1, _MOST_AVERAGED).astype(int)]
        name = f"{len(rows)} of {name}"
    spectra.complete(rows)
    X = spectra.X[rows].astype(float)
    attribution = gradient(spectra.model.estimator, X, target=target, of=of)
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
        of=of,
    )


def tabulate_lines(shown, grid):
    """Mean attribution of the marked lines' cores and wings in what is `Shown`; see `measure_lines`."""
    lines = [name for name in MARKED_LINES if (np.abs(LINES[name].velocity(grid)) < CORE).any()]
    uncertainty = None if shown.uncertainty is None else shown.uncertainty[None]
    measured = measure_lines(shown.attribution[None], grid=grid, uncertainty=uncertainty, lines=lines)
    return measured.to_frame().set_index("line").drop(columns="name")
