"""Deletion and insertion curves: does the probability fall when what a map calls important is taken away?

Samek et al. (2017, IEEE TNNLS 28, 2660); Petsiuk, Das & Saenko (2018, BMVC) for the two areas.  And
infidelity (Yeh et al. 2019, NeurIPS 32, 10967): does it fall by as much as the map says?
"""

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from ..errors import AgnError
from ..saliency import (
    check_baseline,
    check_segments,
    check_spectra,
    check_wavelengths,
    make_segments,
    remove_lines,
    spectra_blocks,
)
from .similarity import check_draws


def perturbation_curve(score, X, relevance, *, reference, units=None, insertion=False, n_steps=20):
    """Score of the target while pixels are replaced by a reference, the most relevant first.

    Parameters
    ----------
    score : TargetScore
        Made of the estimator and X; the target stays that of X.
    X : (n_spectra, n_grid) array
    relevance : (n_spectra, n_grid) array
        What the map says that a pixel's flux adds to the score, beyond the reference's; the largest first.
        Equal ones go from blue to red.
    reference : (n_grid,) or (n_spectra, n_grid) array
    units : (n_grid,) int array, optional
        Pixels of one number are replaced together, in the order of their summed relevance; each pixel is a
        unit by default.  A unit that the reference changes in no spectrum is left out.
    insertion : bool
        Start from the reference and bring the pixels of X back instead.
    n_steps : int
        Replacements, an equal share of the units at each.

    Returns
    -------
    (n_spectra, n_steps + 1) array
        The first is the score of X (of the reference for insertion), the last that of the other.

    Raises
    ------
    AgnError
        For NaN, X on another grid, a reference or relevance of another shape, no steps, a reference that
        equals X.
    """
    X = check_spectra(score.estimator, X)
    check_draws(n_steps, "n_steps")
    relevance = np.asarray(relevance, dtype=float)
    if relevance.shape != X.shape or not np.isfinite(relevance).all():
        raise AgnError(
            f"relevance must be finite and have the shape of X, {X.shape}; got {relevance.shape} or NaN."
        )
    reference = check_baseline(reference, X.shape)
    units = _number_units(units, (reference != X).any(axis=0))
    n_units = units.max() + 1
    curves = np.empty((len(X), n_steps + 1))
    for block in spectra_blocks(X, copies=4):
        place = _place_in_order(relevance[block], units, n_units)
        start, end = (reference[block], X[block]) if insertion else (X[block], reference[block])
        for step in range(n_steps + 1):
            replaced = place < round(step * n_units / n_steps)
            curves[block, step] = score.values(np.where(replaced, end, start), block)
    return curves


def _number_units(units, changed):
    """Numbers (n_grid,) from 0 of the units that are replaced, -1 for the pixels of the others."""
    units = np.arange(len(changed)) if units is None else np.asarray(units)
    if units.shape != changed.shape:
        raise AgnError(f"units must hold a number for each of {len(changed)} pixels; got {units.shape}.")
    used = np.isin(units, units[changed])
    if not used.any():
        raise AgnError("the reference must differ from X; it equals it, so that nothing can be deleted.")
    numbers = np.full(len(units), -1)
    numbers[used] = np.unique(units[used], return_inverse=True)[1]
    return numbers


def _place_in_order(relevance, units, n_units):
    """When each pixel is replaced, (n_spectra, n_grid): 0 for those of the first unit."""
    used = units >= 0
    order = np.argsort(units[used], kind="stable")
    starts = np.searchsorted(units[used][order], np.arange(n_units))
    total = np.add.reduceat(relevance[:, used][:, order], starts, axis=1)
    place = np.empty(total.shape, dtype=int)
    sequence = np.argsort(-total, axis=1, kind="stable")
    np.put_along_axis(place, sequence, np.arange(n_units)[None], axis=1)
    # Pixels of no unit come after all others, hence never; they equal the reference anyway.
    return np.where(used, place[:, np.where(used, units, 0)], n_units)


def curve_area(curves):
    """Area under curves (…, n_steps + 1) over an axis from 0 to 1, by the trapezoidal rule; (…)."""
    return (curves[..., 1:] + curves[..., :-1]).mean(axis=-1) / 2


def number_segments(grid, segments=None):
    """Number (n_grid,) of the segment of each pixel; `make_segments` by default."""
    spans = check_segments(make_segments(grid) if segments is None else segments, grid)
    return np.repeat(np.arange(len(spans)), spans[:, 1] - spans[:, 0])


def measure_curves(score, X, relevances, *, grid, reference=None, n_steps=20, n_random=3, random_state=0):
    """Deletion and insertion curves of several maps, by pixels and by segments.

    Parameters
    ----------
    score : TargetScore
        Made of the estimator and X.
    X : (n_spectra, n_grid) array
    relevances : dict of str to (n_spectra, n_grid) array
        See `perturbation_curve`.
    grid : (n_grid,) array
        Rest wavelengths in vacuum Å.
    reference : (n_grid,) or (n_spectra, n_grid) array, optional
        X with all lines replaced by the local continuum by default (`agn_helpers.saliency.remove_lines`).
    n_steps : int
        See `perturbation_curve`.
    n_random : int
        Random orders, whose curves are averaged.
    random_state : int, RandomState or None

    Returns
    -------
    pandas.DataFrame
        A row a curve, index ``name, unit`` ("pixels", "segments"), ``kind`` ("deletion", "insertion"),
        ``spectrum``; a column for each share of the units replaced, 0 to 1.  Names are those of
        `relevances`, "random order", and "|flux - continuum|" (with another `reference`: the distance from
        that).  A true map's deletion curve has a small area (`curve_area`), its insertion curve a large one.

    Raises
    ------
    AgnError
        As `perturbation_curve`, and for no random orders.
    """
    X = check_spectra(score.estimator, X)
    grid = check_wavelengths(grid, X.shape[1])
    check_draws(n_random, "n_random")
    random_state = check_random_state(random_state)
    reference = check_baseline(remove_lines(X, grid) if reference is None else reference, X.shape)
    orders = {name: [relevance] for name, relevance in relevances.items()}
    orders["random order"] = [random_state.random_sample(X.shape) for _ in range(n_random)]
    orders["|flux - continuum|"] = [np.abs(X - reference)]
    curves, options = {}, {"reference": reference, "n_steps": n_steps}
    for unit, units in (("pixels", None), ("segments", number_segments(grid))):
        for name, draws in orders.items():
            for kind in ("deletion", "insertion"):
                of_draws = [
                    perturbation_curve(score, X, draw, units=units, insertion=kind == "insertion", **options)
                    for draw in draws
                ]
                curves[name, unit, kind] = pd.DataFrame(np.mean(of_draws, axis=0))
    table = pd.concat(curves, names=["name", "unit", "kind", "spectrum"])
    return table.set_axis(pd.Index(np.linspace(0, 1, n_steps + 1), name="share"), axis=1)


def average_curves(curves, *, unit="pixels", kind="deletion"):
    """Mean over spectra of some curves of `measure_curves`: index ``share``, a column a name.

    unit : "pixels" or "segments"; kind : "deletion" or "insertion"
    """
    if unit not in ("pixels", "segments") or kind not in ("deletion", "insertion"):
        raise AgnError(f"curves are of pixels or segments, by deletion or insertion; got {unit!r}, {kind!r}.")
    return curves.xs((unit, kind), level=("unit", "kind")).groupby("name", sort=False).mean().T


def measure_infidelity(score, X, relevances, *, grid, reference=None, n_draws=50, random_state=0):
    """How far maps miss the change of a score where random segments are replaced by a reference.

    Infidelity of Yeh et al. 2019, their definition 2.1, with I = X - reference in segments drawn at random:
    the mean squared difference between what a map says of I and the change of the score.  It is given here
    as a share of the mean squared change: 0 for the exact gradient of a linear score, 1 for a map of zeros.

    Parameters
    ----------
    score : TargetScore
        Made of the estimator and X; in the unit of the relevances, which is log p for `find_relevances`.
    X : (n_spectra, n_grid) array
    relevances : dict of str to (n_spectra, n_grid) array
        What maps say that each pixel's flux adds to the score, beyond the reference's.
    grid, reference
        As in `measure_curves`.
    n_draws : int
        Sets of segments for each spectrum; a set has a random share of them.
    random_state : int, RandomState or None

    Returns
    -------
    pandas.DataFrame
        Index ``name``, a column a spectrum.

    Raises
    ------
    AgnError
        For NaN, X on another grid, a reference of another shape or equal to X, no draws.
    """
    X = check_spectra(score.estimator, X)
    grid = check_wavelengths(grid, X.shape[1])
    check_draws(n_draws, "n_draws")
    rng = check_random_state(random_state)
    reference = check_baseline(remove_lines(X, grid) if reference is None else reference, X.shape)
    units = _number_units(number_segments(grid), (reference != X).any(axis=0))
    n_units = units.max() + 1
    replaced = rng.random_sample((n_draws, n_units)) < rng.random_sample((n_draws, 1))
    # Pixels of no unit are the same in both.
    mask = np.where(units >= 0, replaced[:, units], False)
    changes = np.empty((n_draws, len(X)))
    start = score.start(X)
    for block in spectra_blocks(X, copies=n_draws):
        rows = np.arange(len(X))[block]
        mixed = np.where(mask[:, None], reference[block], X[block])
        values = score.values(mixed.reshape(-1, X.shape[1]), np.tile(rows, n_draws))
        changes[:, block] = start[block] - values.reshape(n_draws, -1)
    scale = (changes**2).mean(axis=0)
    if not scale.all():
        raise AgnError(f"replaced segments must change the score; spectrum {np.argmin(scale)}'s does not.")
    missed = {
        name: ((mask @ np.asarray(relevance, dtype=float).T - changes) ** 2).mean(axis=0) / scale
        for name, relevance in relevances.items()
    }
    return pd.DataFrame.from_dict(missed, orient="index").rename_axis("name")
