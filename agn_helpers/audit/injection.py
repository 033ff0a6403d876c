"""What if a spectrum had more of something?  Injection and recovery, effects of concepts, counterfactuals."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from astropy.table import Table

from ..errors import AgnError
from ..lines import NORMALISATION_WAVELENGTH
from ..reduction import sample_arrays, sample_grid
from ..survey import (
    BROAD_LINES,
    FE_II_LINES,
    NARROW_LINES,
    line_profile,
    population_templates,
    select_lines,
    smc_extinction,
)

_OIII = select_lines(NARROW_LINES, "OIII")

# Of type 2 quasars, in the median of those that the survey draws.
_OIII_TO_HBETA = 7.0

# Old stars, with which host light is added.
_OLD = 2

# Amounts tried before the turning point is narrowed down, and halvings of the interval.
_N_TRIED, _N_HALVINGS = 48, 40


class Concept(NamedTuple):
    """Something that a spectrum may have more or less of.

    Attributes
    ----------
    unit : str
        Of its amount.
    typical : float
        An amount that is common.
    least, most : float
        Range in which a counterfactual is looked for.
    apply : function
        Of fluxes (n, n_grid), grid (n_grid,) and amounts (n, 1); gives fluxes.
    """

    unit: str
    typical: float
    least: float
    most: float
    apply: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def _add_lines(lines, fwhm, shift=0.0):
    return lambda X, grid, amount: X + amount * line_profile(lines, grid, fwhm=fwhm, shift=shift)


def _add_narrow(fwhm):
    """Lines of a type 2 quasar: Hβ with [O III] of the same width."""
    balmer, oiii = (_add_lines(lines, fwhm) for lines in (BROAD_LINES, _OIII))
    return lambda X, grid, amount: oiii(balmer(X, grid, amount), grid, _OIII_TO_HBETA * amount)


def _add_host(X, grid, amount):
    host = population_templates(grid)[_OLD]
    host = host / np.interp(NORMALISATION_WAVELENGTH, grid, host)
    return (X - amount * host) / (1 - amount) if np.all(amount < 0) else (1 - amount) * X + amount * host


def _redden(X, grid, amount):
    return X * smc_extinction(grid, amount) / smc_extinction(NORMALISATION_WAVELENGTH, amount)


def _tilt(X, grid, amount):
    return X * (grid / NORMALISATION_WAVELENGTH) ** amount


#: Concepts by name. Equivalent widths are those of Hβ, of the Fe II blend at 4570 Å or of [O III] 5007, in
#: units of the continuum at 5100 Å.
CONCEPTS = {
    "broad Hβ": Concept("Å", 10.0, -60.0, 120.0, _add_lines(BROAD_LINES, 4000.0)),
    "displaced Hβ": Concept("Å", 10.0, -60.0, 120.0, _add_lines(BROAD_LINES, 4000.0, -3500.0)),
    "very broad Hβ": Concept("Å", 20.0, -60.0, 120.0, _add_lines(BROAD_LINES, 12000.0)),
    "narrow Hβ, 400 km/s": Concept("Å", 5.0, -20.0, 120.0, _add_lines(BROAD_LINES, 400.0)),
    "narrow Hβ, 1000 km/s": Concept("Å", 10.0, -20.0, 120.0, _add_lines(BROAD_LINES, 1000.0)),
    "narrow Hβ and [O III], 1000 km/s": Concept("Å", 10.0, -20.0, 120.0, _add_narrow(1000.0)),
    "Fe II": Concept("Å", 20.0, -60.0, 120.0, _add_lines(FE_II_LINES, 3000.0)),
    "[O III]": Concept("Å", 30.0, -100.0, 500.0, _add_lines(_OIII, 300.0)),
    "host light": Concept("of the light", 0.3, 0.0, 0.95, _add_host),
    "reddening": Concept("E(B-V)", 0.3, -1.0, 1.5, _redden),
    "slope": Concept("power of λ", 1.0, -4.0, 4.0, _tilt),
}


def inject_concept(X: np.ndarray, grid: np.ndarray, concept: str, amount: Any) -> np.ndarray:
    """Spectra with more (or less, for negative amounts) of something.

    Parameters
    ----------
    X : (n_spectra, n_grid) array
        Fluxes in units of that at 5100 Å.
    grid : (n_grid,) array
        Rest-frame vacuum Å.
    concept : str
        Key of `CONCEPTS`.
    amount : float or (n_spectra,) array
        In the concept's unit.

    Returns
    -------
    (n_spectra, n_grid) array

    Raises
    ------
    AgnError
        For concepts that there are not.
    """
    if concept not in CONCEPTS:
        raise AgnError(f"concept must be one of {', '.join(CONCEPTS)}; got {concept!r}.")
    amount = np.broadcast_to(np.asarray(amount, dtype=float), len(X))[:, None]
    return CONCEPTS[concept].apply(np.asarray(X, dtype=float), np.asarray(grid), amount)


def measure_concepts(survey: Any) -> dict[str, float]:
    """How far a typical amount of every concept moves the classifier of one survey; for `repeat_surveys`.

    Returns
    -------
    dict of str to float
        ``"<concept> | <type> : <other> | at <type>"``: median change of the log odds, in nats, over the test
        spectra of that type.
    """
    X, y = (array[survey.test] for array in sample_arrays(survey.sample))
    estimator, grid = survey.model.estimator, sample_grid(survey.sample)
    classes = list(estimator.classes_)
    before = estimator.predict_log_proba(X)
    values = {}
    for concept, described in CONCEPTS.items():
        change = estimator.predict_log_proba(inject_concept(X, grid, concept, described.typical)) - before
        for one, other, at in (
            ("type 1", "intermediate", "type 1"),
            ("intermediate", "type 2", "intermediate"),
            ("intermediate", "type 2", "type 2"),
        ):
            if one in classes and other in classes and (y == at).any():
                moved = change[:, classes.index(one)] - change[:, classes.index(other)]
                values[f"{concept} | {one} : {other} | at {at}"] = np.median(moved[y == at])
    return values


def measure_completeness(
    model: Any,
    sample: Table,
    *,
    widths: Sequence[float] = (1500, 2500, 4000, 5000, 8000, 12000),
    strengths: Sequence[float] = (2, 4, 6, 10, 20, 40),
    shifts: Sequence[float] = (0,),
) -> pd.DataFrame:
    """Share of type 2 spectra whose broad lines are noticed when some are injected, as for planets' transits.

    Parameters
    ----------
    model : TrainedModel
    sample : astropy.table.Table
        A reduced sample with labels; type 2 spectra that are predicted type 2 are injected into.
    widths, shifts : sequence of float
        FWHM and displacement of the Balmer lines, km/s.
    strengths : sequence of float
        Equivalent widths of Hβ, Å.

    Returns
    -------
    pandas.DataFrame
        A row a combination: ``width, strength, shift, n, found`` (share that is no longer predicted type 2).
    """
    X, y = sample_arrays(sample)
    grid = sample_grid(sample)
    rows = y == "type 2"
    if rows.any():
        rows[rows] = model.estimator.predict(X[rows]) == "type 2"
    if not rows.any():
        raise AgnError("completeness needs type 2 spectra that are predicted type 2; there are none.")
    X, table = X[rows], []
    for width in widths:
        for shift in shifts:
            profile = line_profile(BROAD_LINES, grid, fwhm=width, shift=shift)
            for strength in strengths:
                found = np.mean(model.estimator.predict(X + strength * profile) != "type 2")
                table.append((width, strength, shift, len(X), found))
    return pd.DataFrame(table, columns=["width", "strength", "shift", "n", "found"])


def what_would_turn(
    model: Any, spectra: Any, *, concepts: Sequence[str] = ("broad Hβ", "host light", "reddening")
) -> Table:
    """Smallest change of a spectrum that turns its predicted type.

    Parameters
    ----------
    model : TrainedModel
    spectra : ObservedSpectrum, path, sequence of these, or reduced sample
    concepts : sequence of str
        Keys of `CONCEPTS`, each changed alone.

    Returns
    -------
    astropy.table.Table
        A row a spectrum and concept: ``name, predicted, concept, amount`` (in ``unit``; NaN where no amount
        within the concept's range turns the type), ``unit, turns_to``.

    Notes
    -----
    The first turn on a grid of amounts on either side of zero is narrowed down by halving, for any kernel;
    for a linear kernel, two types and lines added it is the closed form, minus the log odds over their slope.
    """
    sample = spectra if isinstance(spectra, Table) else model.reduce_all(spectra)
    model.check_sample(sample)
    X, grid = sample_arrays(sample)[0].astype(float), model.grid
    predicted = np.array(model.estimator.predict(X))
    rows = []
    for concept in concepts:
        amount, turned = _find_turn(model.estimator, X, grid, concept, predicted)
        unit = CONCEPTS[concept].unit
        rows += [
            (str(name), str(now), concept, value, unit, str(then))
            for name, now, value, then in zip(sample["name"], predicted, amount, turned)
        ]
    rows.sort(key=lambda row: list(sample["name"]).index(row[0]))
    table = Table(rows=rows, names=["name", "predicted", "concept", "amount", "unit", "turns_to"])
    table.meta["survey"] = sample.meta["survey"]
    return table


def _find_turn(estimator, X, grid, concept, predicted):
    """Amounts (n,) nearest to zero that turn the types, NaN for none, and the types (n,) then."""
    inject_concept(X[:0], grid, concept, 0.0)
    described = CONCEPTS[concept]
    best, turned = np.full(len(X), np.nan), np.full(len(X), "", dtype=object)
    for end in (described.least, described.most):
        if end == 0:
            continue
        steps = np.concatenate([[0], np.geomspace(1e-3, 1, _N_TRIED)]) * end
        low, high = np.zeros(len(X)), np.full(len(X), np.nan)
        for before, step in itertools.pairwise(steps):
            left = np.flatnonzero(np.isnan(high))
            if not len(left):
                break
            turns = estimator.predict(inject_concept(X[left], grid, concept, step)) != predicted[left]
            low[left[turns]], high[left[turns]] = before, step
        rows = np.flatnonzero(~np.isnan(high))
        for _ in range(_N_HALVINGS if len(rows) else 0):
            middle = (low[rows] + high[rows]) / 2
            turns = estimator.predict(inject_concept(X[rows], grid, concept, middle)) != predicted[rows]
            high[rows], low[rows] = np.where(turns, middle, high[rows]), np.where(turns, low[rows], middle)
        nearer = rows[~(np.abs(best[rows]) <= np.abs(high[rows]))]
        if len(nearer):
            best[nearer] = high[nearer]
            turned[nearer] = estimator.predict(inject_concept(X[nearer], grid, concept, high[nearer]))
    return best, turned
