"""Ground truth: two samples of the simulated survey that differ within known windows and nowhere else.

Half of the spectra are synthetic type 2 spectra, the others the same with a broad component under Hβ and Hγ.
`measure_relevance` judges maps by these windows.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score
from sklearn.model_selection import PredefinedSplit
from sklearn.utils import check_random_state

from ..errors import AgnError
from ..lines import LINES
from ..reduction import reduce_spectra, sample_arrays, sample_grid
from ..saliency import relative_maps
from ..spectra import standard_deviation
from ..survey import draw_objects, simulate_survey
from ..tuning import best_result, make_classifier, search_grid
from .similarity import check_draws, choose_methods, summarise_values

#: Flux of the added components relative to that of Hβ (the broad decrement of `agn_helpers.survey.emission`).
COMPONENTS = {"Hbeta": 1.0, "Hgamma": 0.45}

#: Full width at half maximum of the added components, km/s: a round number near the median of intermediates.
FWHM = 4000.0

_LABELS = ("without", "with")

_C_VALUES = (5e-4, 5e-3, 5e-2, 5e-1, 5.0, 50.0)

_FOLDS = 5


@dataclass(frozen=True)
class Pairs:
    """Synthetic spectra that differ within windows only.

    Attributes
    ----------
    X, ivar : (2 n_pairs, n_grid) arrays
        Those without the components, then those with them.
    y : (2 n_pairs,) array of str
        "without" or "with".
    pair : (2 n_pairs,) int array
        Number of the pair, which must not stand on both sides of a split.
    windows : (n_grid,) bool array
        The pixels in which the two differ.
    grid : (n_grid,) array
        Rest wavelengths in vacuum Å.
    """

    X: np.ndarray
    ivar: np.ndarray
    y: np.ndarray
    pair: np.ndarray
    windows: np.ndarray
    grid: np.ndarray


def simulate_pairs(n_pairs, *, hosts="one", paired=True, fwhm=FWHM, random_state=0):
    """Draw pairs of synthetic spectra, with and without a broad component of Hβ and Hγ.

    Parameters
    ----------
    n_pairs : int
    hosts : {"one", "each"}
        "one": every spectrum is the mean of the drawn type 2 spectra with the noise of one of them.  What
        lies outside the windows then says nothing of what lies inside, and a classifier that uses it errs.
        "each": every pair is a type 2 object of its own, as observed.  Galaxies with strong lines or strong
        absorption inside the windows have them outside, too: subtracting the latter from the former helps to
        see the component, so that a good classifier *does* use pixels outside (suppressors; Haufe et
        al. 2014, NeuroImage 87, 96), and a true map shows that.
    paired : bool
        Both of a pair have the same host and the same noise: outside the windows they are identical.
        Otherwise each has its own.
    fwhm : float
        Full width at half maximum of the components, and the width of the windows, km/s.
    random_state : int

    Returns
    -------
    Pairs

    Raises
    ------
    AgnError
        For no pairs, another kind of hosts, a width that is not positive.

    Notes
    -----
    Strengths are those of the broad Hβ of the survey's intermediates, many of them lost in the noise.  The
    components are Gaussians cut where they have fallen to one half: within the windows every pixel
    differs by at least that.
    """
    if n_pairs < 1:
        raise AgnError(f"n_pairs must be at least 1; got {n_pairs}. Some 400 train a classifier.")
    if hosts not in ("one", "each"):
        raise AgnError(f"hosts must be 'one' or 'each'; got {hosts!r}.")
    if not 0 < fwhm < np.inf:
        raise AgnError(f"fwhm must be a positive width in km/s; got {fwhm}.")
    n_spectra = n_pairs if paired else 2 * n_pairs
    spectra, _ = simulate_survey(n_type1=0, n_intermediate=0, n_type2=n_spectra, random_state=random_state)
    sample, _ = reduce_spectra(spectra)
    X, grid, ivar = sample_arrays(sample)[0], sample_grid(sample), np.asarray(sample["ivar"], dtype=float)
    rng = np.random.default_rng(random_state)
    if hosts == "one":
        sigma = standard_deviation(ivar)
        X = X.mean(axis=0) + sigma * rng.standard_normal(X.shape)
    strength = np.asarray(draw_objects("intermediate", n_pairs, random_state=rng)["ew_broad_hbeta"])
    profile = _component(grid, fwhm)
    rows = np.concatenate([np.arange(n_pairs), np.arange(n_spectra)[-n_pairs:]])
    X = X[rows]
    X[n_pairs:] += strength[:, None] * profile
    return Pairs(
        X=X,
        ivar=ivar[rows],
        y=np.repeat(_LABELS, n_pairs),
        pair=np.tile(np.arange(n_pairs), 2),
        windows=profile > 0,
        grid=grid,
    )


def _component(grid, fwhm):
    """Components of an equivalent width of 1 Å in Hβ, were they not cut; (n_grid,) per unit continuum."""
    profile = np.zeros(len(grid))
    for name, ratio in COMPONENTS.items():
        velocity = LINES[name].velocity(grid)
        low, high = LINES[name].window(-fwhm / 2, fwhm / 2)
        peak = ratio * np.sqrt(4 * np.log(2) / np.pi) / (high - low)
        shape = np.exp(-4 * np.log(2) * (velocity / fwhm) ** 2)
        profile += np.where(np.abs(velocity) <= fwhm / 2, peak * shape, 0)
    return profile


def train_on_pairs(pairs, *, test_share=0.25, random_state=0):
    """Train a linear SVM to distinguish the two.

    C is chosen by macro F over five folds of the training pairs, with the project's search and nothing else:
    the windows have no say in it.

    Parameters
    ----------
    pairs : Pairs
    test_share : float
        Of the pairs, held out whole.
    random_state : int or RandomState

    Returns
    -------
    classifier : fitted Pipeline
    test : (n_test,) int array
        Rows of `pairs` that were held out.

    Raises
    ------
    AgnError
        Where fewer than ten pairs are left to train, or none to test.
    """
    random_state = check_random_state(random_state)
    numbers = random_state.permutation(np.unique(pairs.pair))
    n_test = round(test_share * len(numbers))
    if n_test < 1 or len(numbers) - n_test < 2 * _FOLDS:
        raise AgnError(
            f"pairs must leave {2 * _FOLDS} to train and 1 to test; got {len(numbers)} and a test share of "
            f"{test_share}. Draw more."
        )
    fold = np.full(len(numbers), -1)
    fold[numbers[n_test:]] = np.arange(len(numbers) - n_test) % _FOLDS
    fold = fold[pairs.pair]
    train, test = np.flatnonzero(fold >= 0), np.flatnonzero(fold < 0)
    results = search_grid(
        pairs.X[train],
        pairs.y[train],
        {"linear": {"C": _C_VALUES}},
        refine=False,
        cv=PredefinedSplit(fold[train]),
    )
    classifier = make_classifier(best_result(results), random_state=random_state.randint(2**31 - 1))
    return classifier.fit(pairs.X[train], pairs.y[train]), test


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
    AgnError
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
    AgnError
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
    random_state=0,
):
    """Relevance rank and mass accuracy of methods on held-out synthetic pairs.

    Parameters
    ----------
    methods : see `agn_helpers.faithfulness.similarity.choose_methods`
    hosts, paired, n_pairs
        See `agn_helpers.faithfulness.ground_truth.simulate_pairs`.
    n_repeats : int
        Sets of pairs, each with its own classifier: all gradients of one linear SVM of two classes are
        proportional, so that its spectra are one piece of evidence.
    n_explained : int
        Held-out spectra, drawn at random, that are explained in each set.
    random_state : int

    Returns
    -------
    pandas.DataFrame
        Columns ``method``; ``rank, rank_low, rank_high`` and ``mass, mass_low, mass_high`` (medians, 95 %
        bootstrap over sets and spectra); ``windows`` (share of the grid: what a random map has); ``f_score``
        (mean macro F on the held-out pairs).

    Raises
    ------
    AgnError
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
            summary = summarise_values(each, random_state=random_state)
            row |= dict(zip((kind, f"{kind}_low", f"{kind}_high"), summary))
        rows.append(row | {"windows": pairs.windows.mean(), "f_score": np.mean(scores)})
    return pd.DataFrame(rows)
