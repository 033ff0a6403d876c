"""Which pixels, and which parts of an image, move a network's output."""

from typing import NamedTuple

import numpy as np
from sklearn.utils import check_random_state
from tqdm import tqdm

from ..errors import AgnError
from ..saliency import KERNEL_WIDTH, draw_kept, fit_surrogate
from .networks import check_images

# The published image code takes the root of the kernel.
_IMAGE_KERNEL_WIDTH = KERNEL_WIDTH * np.sqrt(2)

# Copies of an image at once.
_COPIES = 512


class SmoothGradient(NamedTuple):
    """Means over noisy copies of an image, arrays like the images.

    signed : mean of the gradients, as Smilkov et al. (2017).
    absolute : mean of their absolute values, as widely used software has it.
    """

    signed: np.ndarray
    absolute: np.ndarray


def gradient(network, images, *, output=0):
    """Exact derivatives of an output by each pixel, like `images`.

    Parameters
    ----------
    network : ImageNetwork
    images : (n, height, width) or (n, height, width, channels) array
    output : int or (n,) array of int
        Which output: the log odds of a binary network, a class, a value.

    Returns
    -------
    array like images
        In units of the output per unit of a pixel.
    """
    return network.gradients(images, output)


def smooth_gradient(network, images, *, output=0, noise=0.1, n_draws=64, random_state=0):
    """SmoothGrad: gradients averaged over copies of each image with white noise.

    Smilkov et al. 2017 (arXiv:1706.03825).

    Parameters
    ----------
    network, images, output
        As of `gradient`.
    noise : float
        Standard deviation of the noise as a share of each image's range of values.
    n_draws : int
        Copies of each image.
    random_state : int, RandomState or None
        Of the noise, which is drawn image by image: a first image's does not depend on how many follow.

    Returns
    -------
    SmoothGradient
    """
    images = np.asarray(images, dtype=np.float32)
    network.check_images(images)
    if not (np.isfinite(noise) and noise > 0 and n_draws >= 1):
        raise AgnError(f"noise must be positive and n_draws at least 1; got {noise} and {n_draws}.")
    output = np.broadcast_to(np.asarray(output), (len(images),))
    random = check_random_state(random_state)
    signed, absolute = np.empty((2, *images.shape))
    at_once = max(1, _COPIES // n_draws)
    for first in tqdm(range(0, len(images), at_once), desc="SmoothGrad", delay=2, disable=None):
        block = slice(first, first + at_once)
        several = images[block, None]
        range_ = np.ptp(several, axis=tuple(range(1, several.ndim)), keepdims=True)
        draws = random.standard_normal((len(several), n_draws, *images.shape[1:])).astype(np.float32)
        noisy = (several + noise * range_ * draws).reshape(-1, *images.shape[1:])
        slopes = network.gradients(noisy, np.repeat(output[block], n_draws)).reshape(draws.shape)
        signed[block], absolute[block] = slopes.mean(axis=1), np.abs(slopes).mean(axis=1)
    return SmoothGradient(signed, absolute)


def integrated_gradients(network, images, *, output=0, baseline=0.0, n_steps=64):
    """Gradients along the straight line from a baseline, times the way: they add up to the output's change.

    Sundararajan, Taly & Yan 2017 (ICML; arXiv:1703.01365), by the midpoint rule.

    Parameters
    ----------
    network, images, output
        As of `gradient`.
    baseline : float or array
        The image without its source: no emission by default.
    n_steps : int

    Returns
    -------
    array like images
        In units of the output.
    """
    images = np.asarray(images, dtype=np.float32)
    network.check_images(images)
    if n_steps < 1:
        raise AgnError(f"n_steps must be at least 1; got {n_steps}.")
    way = images - np.broadcast_to(np.asarray(baseline, dtype=np.float32), images.shape)
    total = np.zeros(images.shape)
    for step in range(n_steps):
        total += network.gradients(images - way * (1 - (step + 0.5) / n_steps), output)
    return way * total / n_steps


class SegmentExplanation(NamedTuple):
    """What the pieces of one image do for a score.

    coefficients : (n_segments,) array
        In units of the score; 0 for pieces that the replacement does not change.
    uncertainty : (n_segments,) array
        Standard deviation of a coefficient over the repeats' random copies; 0 where nothing was drawn.
    r2 : float
        How well the surrogate tells the copies' scores, mean over the repeats; 1 where there is none.
    segments : (height, width) array of int
        Number of each pixel's piece.
    """

    coefficients: np.ndarray
    uncertainty: np.ndarray
    r2: float
    segments: np.ndarray

    @property
    def attribution(self):
        """Coefficients spread evenly over their pieces' pixels, (height, width)."""
        pixels = np.bincount(self.segments.ravel(), minlength=len(self.coefficients))
        return (self.coefficients / np.maximum(pixels, 1))[self.segments]


def explain_by_lime(
    model, image, segments, *, output=0, replacement=0.0, n_samples=1000, n_repeats=1, random_state=0
):
    """Weights of pieces of an image in a linear model that is true near the image (LIME).

    Ribeiro, Singh & Guestrin 2016 (KDD; arXiv:1602.04938); Tang et al. 2023 (arXiv:2307.03453) for radio
    galaxies.  Pieces are kept or replaced at random and the score is regressed on which were kept.

    Parameters
    ----------
    model : ImageNetwork or function
        A function takes images (m, height, width) and gives scores (m,).
    image : (height, width) array
    segments : (height, width) array of int
        From 0 on, e.g. of `segment_emission`.
    output : int
        Which output of a network.
    replacement : float or (height, width) array
        What takes a piece's place: 0, no emission, by default.
    n_samples, n_repeats : int
        Changed copies, the image among them; and how often they are drawn.
    random_state : int, RandomState or None

    Returns
    -------
    SegmentExplanation

    Raises
    ------
    AgnError
        For segments of another size than the image, NaN, a blank image (the replacement changes nothing),
        too few copies.
    """
    image, owner, other, alive = _check_pieces(image, segments, replacement)
    if n_repeats < 1:
        raise AgnError(f"n_repeats must be at least 1; got {n_repeats}.")
    score = _choose_score(model, output)
    random = check_random_state(random_state)
    found = []
    for _ in range(n_repeats):
        kept = draw_kept(n_samples, len(alive), random)
        values = _score_kept(score, image, other, owner, alive, kept)
        found.append(fit_surrogate(kept, values, kernel_width=_IMAGE_KERNEL_WIDTH))
    coefficients, uncertainty = np.zeros((2, owner.max() + 1))
    each = np.array([one.coefficients for one in found])
    coefficients[alive] = each.mean(axis=0)
    if n_repeats > 1:
        uncertainty[alive] = each.std(axis=0, ddof=1)
    return SegmentExplanation(coefficients, uncertainty, float(np.mean([one.r2 for one in found])), owner)


def occlude_segments(model, image, segments, *, output=0, replacement=0.0):
    """Drop of the score when one piece of an image after the other is replaced.

    Zeiler & Fergus 2014 (ECCV; arXiv:1311.2901), with pieces for windows.  Arguments, result and errors are
    those of `explain_by_lime`.
    """
    image, owner, other, alive = _check_pieces(image, segments, replacement)
    score = _choose_score(model, output)
    kept = np.vstack([np.ones(len(alive), int), 1 - np.eye(len(alive), dtype=int)])
    values = _score_kept(score, image, other, owner, alive, kept)
    coefficients, uncertainty = np.zeros((2, owner.max() + 1))
    coefficients[alive] = values[0] - values[1:]
    return SegmentExplanation(coefficients, uncertainty, 1.0, owner)


def score_without(model, image, segments, removed, *, output=0, replacement=0.0):
    """Scores (m,) of copies of an image without some of its pieces.

    Parameters
    ----------
    model, image, segments, output, replacement
        As of `explain_by_lime`.
    removed : (m, n_segments) array of bool
        Which pieces each copy lacks.
    """
    image, owner, other, _ = _check_pieces(image, segments, replacement)
    removed = np.asarray(removed, dtype=bool)
    if removed.ndim != 2 or removed.shape[1] != owner.max() + 1:
        raise AgnError(f"removed must be (copies, {owner.max() + 1}), a column a piece; got {removed.shape}.")
    every = np.arange(removed.shape[1])
    return _score_kept(_choose_score(model, output), image, other, owner, every, ~removed)


def _check_pieces(image, segments, replacement):
    """Image, owners, replacement like the image, and the pieces that it changes."""
    image = check_images(np.asarray(image)[None])[0, ..., 0]
    owner = np.asarray(segments)
    if owner.shape != image.shape or owner.dtype.kind not in "iu" or owner.min() < 0:
        raise AgnError(
            f"segments must number the pixels of the image, {image.shape}, from 0 on; got {owner.dtype} of "
            f"shape {owner.shape}."
        )
    other = np.broadcast_to(np.asarray(replacement, dtype=np.float32), image.shape)
    alive = np.unique(owner[other != image])
    if not len(alive):
        raise AgnError("the replacement must change the image; it equals it. The image may be blank.")
    return image, owner, other, alive


def _score_kept(score, image, other, owner, alive, kept):
    """Scores (m,) of copies of an image, pieces in `alive` kept or replaced; equal ones are scored once."""
    different, place = np.unique(kept, axis=0, return_inverse=True)
    is_kept = np.ones((len(different), owner.max() + 1), dtype=bool)
    is_kept[:, alive] = different
    parts = [
        score(np.where(is_kept[start : start + _COPIES][:, owner], image, other))
        for start in range(0, len(different), _COPIES)
    ]
    return np.concatenate(parts)[place.ravel()]


def _choose_score(model, output):
    if hasattr(model, "outputs"):
        return lambda images: model.outputs(images)[:, output]
    return lambda images: np.asarray(model(images), dtype=float).reshape(len(images))
