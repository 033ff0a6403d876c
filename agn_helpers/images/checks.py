"""Is an explanation of an image true: does it repeat, does the probability follow it, where does it lie?"""

import dataclasses

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import spearmanr
from sklearn.utils import check_random_state
from tqdm import tqdm

from ..errors import AgnError
from .emission import describe_segments, segment_emission
from .explanations import explain_by_lime, score_without
from .radio_simulator import RADIO_CLASSES

# Share of an image's flux that makes a piece a part of its source.
_LEAST_FLUX = 0.01

# In radii that hold 95 % of the flux: what lies farther out belongs to another source.
_NEIGHBOUR = 1.5


def measure_agreement(first, second, *, n_top=5):
    """Rank correlation of two explanations' coefficients, and the overlap of their strongest pieces.

    Parameters
    ----------
    first, second : (n_segments,) arrays
        Of pieces that have a say.
    n_top : int

    Returns
    -------
    spearman, overlap : float
        NaN and 1 for fewer than three pieces; overlap is the share of the `n_top` largest |coefficients| of
        one that is among those of the other.
    """
    first, second = np.asarray(first), np.asarray(second)
    n_top = min(n_top, len(first))
    tops = [set(np.argsort(-np.abs(each), kind="stable")[:n_top]) for each in (first, second)]
    rank = spearmanr(first, second)[0] if len(first) > 2 else np.nan
    return float(rank), len(tops[0] & tops[1]) / n_top


def measure_curves(network, image, explanation, *, output=0, n_random=10, random_state=0):
    """Areas under deletion and insertion curves of pieces, the most supportive first, and by chance.

    The curve is the probability of the predicted class while pieces are taken from the image, or brought
    back to an empty one (Petsiuk, Das & Saenko 2018, BMVC).

    Parameters
    ----------
    network : ImageNetwork of one log odds
    image : (height, width) array
    explanation : SegmentExplanation
        Of this output.
    output : int
    n_random : int
        Random orders, each taken forwards and backwards, over which areas are averaged.
    random_state : int, RandomState or None

    Returns
    -------
    dict
        ``deletion, insertion, random``; a true explanation has the first below and the second above the last.
    """
    random = check_random_state(random_state)
    sign = 1 if network.outputs(image[None])[0, output] > 0 else -1
    pieces = np.flatnonzero(
        np.bincount(explanation.segments[image != 0], minlength=len(explanation.coefficients))
    )
    best = pieces[np.argsort(-sign * explanation.coefficients[pieces], kind="stable")]
    orders = [best, best[::-1]]
    for _ in range(n_random):
        drawn = random.permutation(pieces)
        orders += [drawn, drawn[::-1]]
    removed = np.zeros((len(orders), len(pieces) + 1, len(explanation.coefficients)), dtype=bool)
    for row, order in enumerate(orders):
        for step, piece in enumerate(order, start=1):
            removed[row, step:, piece] = True
    removed = removed.reshape(-1, removed.shape[-1])
    scores = score_without(network, image, explanation.segments, removed, output=output)
    curves = expit(sign * scores).reshape(len(orders), -1)
    areas = (curves[:, 1:] + curves[:, :-1]).mean(axis=1) / 2
    # To bring the best back first is to take the worst first, read backwards; by chance both are the same.
    return {"deletion": areas[0], "insertion": areas[1], "random": areas[2:].mean()}


def measure_place(explanation, image):
    """Where what speaks for each class lies: distances from the middle, in radii that hold 95 % of the flux.

    Parameters
    ----------
    explanation : SegmentExplanation
        Of the log odds of FR II.
    image : (height, width) array

    Returns
    -------
    dict
        ``for_fr1``, ``for_fr2``: mean distance of pieces with a hundredth of the flux or more, weighted by
        what they add to either side; NaN where none does. ``flux``: the same weighted by flux.
    """
    pieces = describe_segments(explanation.segments, image)
    # Specks and faint neighbours are no part of the source.
    seen = pieces["flux"] >= _LEAST_FLUX
    weights = {"for_fr1": np.clip(-explanation.coefficients, 0, None) * seen}
    weights |= {"for_fr2": np.clip(explanation.coefficients, 0, None) * seen, "flux": pieces["flux"]}
    return {
        name: float(np.average(pieces["out"], weights=weight)) if weight.sum() else np.nan
        for name, weight in weights.items()
    }


def measure_mass(attribution, part, parts, *, within=None):
    """Share of an explanation on some parts of a source, and the share of the area that these have.

    Parameters
    ----------
    attribution : (height, width) array
        Its absolute values count.
    part : (height, width) array of int
        Number of the part that each pixel belongs to.
    parts : sequence of int
    within : (height, width) array of bool, optional
        Where area and explanation are counted, such as the emission; everywhere by default.

    Returns
    -------
    mass, area : float

    Raises
    ------
    AgnError
        For maps of other sizes, or where there is no explanation or nothing is counted.
    """
    weight, part = np.abs(np.asarray(attribution)), np.asarray(part)
    within = np.ones(part.shape, dtype=bool) if within is None else np.asarray(within, dtype=bool)
    if not weight.shape == part.shape == within.shape:
        raise AgnError(f"maps must have one size; got {weight.shape}, {part.shape} and {within.shape}.")
    chosen = np.isin(part, parts) & within
    if not within.any() or not weight[within].sum() > 0:
        raise AgnError("there must be an explanation to divide; it is 0 in all that is counted.")
    return float(weight[chosen].sum() / weight[within].sum()), float(chosen.sum() / within.sum())


def examine_sources(
    network, images, *, segment=segment_emission, n_samples=1000, random_state=0, title="LIME"
):
    """Explain every source by LIME twice and say how far that can be believed.

    Parameters
    ----------
    network : ImageNetwork of one log odds
    images : (n, height, width) array
        Prepared.
    segment : function of an image
    n_samples : int
        Of `explain_by_lime`.
    random_state : int
        The second explanation has the next seed.
    title : str or None

    Returns
    -------
    pandas.DataFrame
        A row a source: ``n_segments``, ``with_flux``, ``r2``, ``spearman`` and ``top5`` between the two
        seeds, areas of `measure_curves`, distances of `measure_place`.
    """
    rows = []
    for image in tqdm(images, desc=title, unit="source", delay=2, disable=None if title else True):
        segments = segment(image)
        seeds = random_state, random_state + 1
        both = [explain_by_lime(network, image, segments, n_samples=n_samples, random_state=s) for s in seeds]
        alive = np.unique(segments[image != 0])
        spearman, overlap = measure_agreement(*(each.coefficients[alive] for each in both))
        row = {"n_segments": len(np.unique(segments)), "with_flux": len(alive), "r2": both[0].r2}
        row |= {"spearman": spearman, "top5": overlap}
        rows.append(row | measure_curves(network, image, both[0]) | measure_place(both[0], image))
    return pd.DataFrame(rows)


def randomise_network(network, *, random_state=0):
    """A network of the same layout whose weights were never trained: its explanations should differ.

    Adebayo et al. 2018 (NeurIPS 31; arXiv:1810.03292).
    """
    random = check_random_state(random_state)
    members = []
    for member in network.members:
        # Shuffled, each layer keeps its distribution of weights and loses what it learned.
        members.append(tuple(random.permutation(leaf.ravel()).reshape(leaf.shape) for leaf in member))
    return dataclasses.replace(network, members=tuple(members))


def describe_explanation(explanation, image, probability, *, n_pieces=2):
    """One sentence: the class, and where the pieces that speak most for it lie.

    Parameters
    ----------
    explanation : SegmentExplanation
        Of the log odds of FR II.
    image : (height, width) array
    probability : float
        Of FR II.
    n_pieces : int
        Pieces that are named; specks of less than a hundredth of the flux never are.

    Returns
    -------
    str
    """
    is_second = probability >= 0.5
    pieces = describe_segments(explanation.segments, image)
    support = explanation.coefficients if is_second else -explanation.coefficients
    seen = [number for number in np.argsort(-support) if pieces["flux"][number] >= _LEAST_FLUX]
    best = [number for number in seen[:n_pieces] if support[number] > 0]
    out = pieces["out"]
    places = [f"at {x:.0%} of the way out" if x < _NEIGHBOUR else "in a neighbour" for x in out]
    where = " and ".join(f"{pieces['flux'][number]:.0%} of the flux {places[number]}" for number in best)
    name = RADIO_CLASSES[int(is_second)]
    sure = max(probability, 1 - probability)
    return f"{name} ({sure:.0%}): " + (where or "no piece alone speaks for it")
