"""Which pixels, and which parts of an image, move a network's output."""

from typing import NamedTuple

import numpy as np
from sklearn.utils import check_random_state
from tqdm import tqdm

from ..errors import AgnError


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
    checked = network.check_images(images)
    if not (np.isfinite(noise) and noise > 0 and n_draws >= 1):
        raise AgnError(f"noise must be positive and n_draws at least 1; got {noise} and {n_draws}.")
    output = np.broadcast_to(np.asarray(output), (len(images),))
    random = check_random_state(random_state)
    signed, absolute = np.empty((2, *images.shape))
    for number in tqdm(range(len(images)), desc="SmoothGrad", unit="image", delay=2, disable=None):
        image = checked[number].reshape(images.shape[1:])
        draws = random.standard_normal((n_draws, *image.shape)).astype(np.float32)
        slopes = network.gradients(image + noise * np.ptp(image) * draws, int(output[number]))
        signed[number], absolute[number] = slopes.mean(axis=0), np.abs(slopes).mean(axis=0)
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
