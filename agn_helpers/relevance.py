"""Relevance within known windows: do maps look where two samples differ?

Arras, Osman & Samek (2022, Information Fusion 81, 14; CLEVR-XAI), on the pairs of `agn_helpers.ground_truth`.
"""

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score

from .errors import AgnError
from .ground_truth import simulate_pairs, train_on_pairs
from .line_shares import relative_maps
from .map_similarity import check_draws, choose_methods, summarise_values


def relevance_mass(attribution, windows):
    """Relevance mass accuracy: share of |attribution| within the windows.

    Section 4 of Arras, Osman & Samek (2022), with |attribution| as the relevance: for a gradient the sign
    says in which direction, not whether, a pixel counts.

    Parameters
    ----------
    attribution : (n_spectra, n_grid) array
    windows : (n_grid,) or (n_spectra, n_grid) bool array

    Returns
    -------
    (n_spectra,) array
        A random map has the windows' share of the grid, a perfect one 1.

    Raises
    ------
    ValueError
        For NaN, or windows of another shape or without a pixel.
    """
    attribution, windows = _check_windows(attribution, windows)
    return np.where(windows, relative_maps(attribution), 0).sum(axis=1)


def relevance_rank(attribution, windows):
    """Relevance rank accuracy: share of the K highest |attribution| that lie within windows of K pixels.

    Section 4 of Arras, Osman & Samek (2022).  Of equal values at the threshold each counts by the chance
    that it would be drawn.

    Parameters
    ----------
    attribution : (n_spectra, n_grid) array
    windows : (n_grid,) or (n_spectra, n_grid) bool array

    Returns
    -------
    (n_spectra,) array
        A random map has the windows' share of the grid, a perfect one 1.

    Raises
    ------
    ValueError
        For NaN, or windows of another shape or without a pixel.
    """
    attribution, windows = _check_windows(attribution, windows)
    accuracy = np.empty(len(attribution))
    for row, (values, inside) in enumerate(zip(np.abs(attribution), windows)):
        n_inside = inside.sum()
        threshold = np.partition(values, -n_inside)[-n_inside]
        above, equal = values > threshold, values == threshold
        chance = (n_inside - above.sum()) / equal.sum()
        accuracy[row] = ((above & inside).sum() + chance * (equal & inside).sum()) / n_inside
    return accuracy


def _check_windows(attribution, windows):
    attribution, windows = np.asarray(attribution, dtype=float), np.asarray(windows, dtype=bool)
    if attribution.ndim != 2 or not np.isfinite(attribution).all():
        raise AgnError(
            f"attribution must be finite maps, (n_spectra, n_grid); got shape {attribution.shape} or NaN."
        )
    if windows.shape not in (attribution.shape, attribution.shape[1:]):
        raise AgnError(f"windows must fit the maps, {attribution.shape}; got shape {windows.shape}.")
    windows = np.broadcast_to(windows, attribution.shape)
    if not windows.any(axis=1).all():
        raise AgnError("windows must hold a pixel of the grid; they hold none. Check that they lie on it.")
    return attribution, windows


def measure_relevance(
    *,
    methods=None,
    hosts="one",
    paired=True,
    n_pairs=300,
    n_repeats=2,
    n_explained=30,
    n_bootstrap=500,
    random_state=0,
):
    """Relevance rank and mass accuracy of methods on held-out synthetic pairs.

    Parameters
    ----------
    methods : see `agn_helpers.map_similarity.choose_methods`
    hosts, paired, n_pairs
        See `agn_helpers.ground_truth.simulate_pairs`.
    n_repeats : int
        Sets of pairs, each with its own classifier: all gradients of one linear machine of two classes are
        proportional, so that its spectra are one piece of evidence.
    n_explained : int
        Held-out spectra, drawn at random, that are explained in each set.
    n_bootstrap : int
    random_state : int

    Returns
    -------
    pandas.DataFrame
        Columns ``method``; ``rank, rank_low, rank_high`` and ``mass, mass_low, mass_high`` (medians, 95 %
        bootstrap over sets and spectra); ``windows`` (share of the grid: what a random map has); ``f_score``
        (mean macro F on the held-out pairs).

    Raises
    ------
    ValueError
        For no pairs, repeats or spectra, and for unknown methods.
    """
    check_draws(n_repeats, "n_repeats")
    check_draws(n_explained, "n_explained")
    methods = choose_methods(methods)
    found, scores = {name: [] for name in methods}, []
    for seed in np.random.SeedSequence(random_state).generate_state(n_repeats):
        seed = int(seed)
        pairs = simulate_pairs(n_pairs, hosts=hosts, paired=paired, random_state=seed)
        classifier, test = train_on_pairs(pairs, random_state=seed)
        scores.append(f1_score(pairs.y[test], classifier.predict(pairs.X[test]), average="macro"))
        # Of a small test part as many as it has.
        shown = np.random.default_rng(seed).choice(test, min(n_explained, len(test)), replace=False)
        for name, method in methods.items():
            maps = method(
                classifier,
                pairs.X[shown],
                grid=pairs.grid,
                ivar=pairs.ivar[shown],
                target=None,
                random_state=seed,
            )
            found[name].append([measure(maps, pairs.windows) for measure in (relevance_rank, relevance_mass)])
    rows = []
    for name, values in found.items():
        row = {"method": name}
        for kind, each in zip(("rank", "mass"), np.array(values).swapaxes(0, 1)):
            summary = summarise_values(each, n_bootstrap=n_bootstrap, random_state=random_state)
            row |= dict(zip((kind, f"{kind}_low", f"{kind}_high"), summary))
        rows.append(row | {"windows": pairs.windows.mean(), "f_score": np.mean(scores)})
    return pd.DataFrame(rows)
