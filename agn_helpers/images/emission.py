"""Segments of an image's emission: core, jets, lobes, hot spots, specks as pieces, and one background.

Nearly all pixels of a clipped radio map are 0; pieces of nothing have no say, and weights of them are noise.
"""

import numpy as np
from scipy import ndimage

from ..errors import AgnError


def segment_emission(image, *, spacing=3, compact=0.5**0.5, least=4, most=30):
    """Divide the emission of a prepared image into compact pieces at its maxima and diffuse ones around them.

    Each local maximum of the emission owns the pixels from which a walk uphill ends there.  What of these is
    brighter than half of it is one piece (core, hot spot, knot), the rest another (jet, lobe, plume).
    Islands smaller than `least` pixels are one piece together, the specks.

    Parameters
    ----------
    image : (height, width) array
        0 where there is no emission.
    spacing : int
        Least distance of two maxima, pixels: about a beam.
    compact : float
        Share of the maximum that divides compact from diffuse, in the unit of the image: of prepared radio
        images, which are roots, the root of one half.
    least : int
        Pixels of the smallest island that is a piece of its own.
    most : int
        Pieces; where there are more, those of least flux become specks.

    Returns
    -------
    (height, width) array of int
        0 for the background, then from 1 by falling flux; specks are the last number.

    Raises
    ------
    AgnError
        For an image without emission or one that is emission everywhere.
    """
    image = np.asarray(image, dtype=float)
    emission = image > 0
    if not emission.any():
        raise AgnError("the image is blank: it has no emission to divide. Leave it out.")
    if emission.all():
        raise AgnError("the emission covers the whole image; clip it, e.g. at 3 sigma, first.")
    islands, _ = ndimage.label(emission, np.ones((3, 3)))
    sizes = np.bincount(islands.ravel())
    smooth = np.where(emission, ndimage.gaussian_filter(image, spacing / 3), 0.0)
    owner = _walk_uphill(smooth, emission, spacing)
    is_speck = emission & (sizes[islands] < least)
    top = np.where(owner >= 0, smooth.ravel()[owner], 0)
    owner = np.where(owner >= 0, 2 * owner + (smooth > compact * top), -1)
    owner[is_speck] = -1
    numbers = np.unique(owner[owner >= 0])
    flux = ndimage.sum_labels(image, owner, numbers)
    order = numbers[np.argsort(-flux, kind="stable")]
    segments = np.zeros(image.shape, dtype=int)
    for number, one in enumerate(order[:most], start=1):
        segments[owner == one] = number
    rest = emission & (segments == 0)
    segments[rest] = segments.max() + 1
    return segments


def _walk_uphill(smooth, emission, reach):
    """The flat index of the maximum that each pixel of the emission leads to; -2 outside of it."""
    n_rows, n_columns = smooth.shape
    index = np.arange(smooth.size).reshape(smooth.shape)
    size = 2 * (reach // 2) + 1
    # Ties are broken by place, or plateaus would be many maxima.
    rank = np.empty(smooth.size)
    rank[np.argsort(smooth.ravel(), kind="stable")] = np.arange(smooth.size)
    rank = np.where(emission, rank.reshape(smooth.shape), -1)
    best = ndimage.maximum_filter(rank, size, mode="constant", cval=-1)
    by_rank = np.empty(smooth.size, dtype=int)
    by_rank[rank.ravel()[emission.ravel()].astype(int)] = index[emission]
    target = index.copy()
    target[emission] = by_rank[best[emission].astype(int)]
    target = target.ravel()
    # Each step leads at least as high as the last; doubling the steps ends at the top.
    while not np.array_equal(again := target[target], target):
        target = again
    return np.where(emission, target.reshape(n_rows, n_columns), -2)


def describe_segments(segments, image):
    """Pixels, share of the flux, and flux-weighted distance from the image's centre of each piece.

    Parameters
    ----------
    segments : (height, width) array of int
    image : (height, width) array

    Returns
    -------
    dict of (n_segments,) arrays
        ``pixels``; ``flux``; ``distance``, pixels; ``out``, the same as a share of the radius that holds 95 %
        of the flux.  Background first.
    """
    segments, image = np.asarray(segments), np.asarray(image, dtype=float)
    if segments.shape != image.shape:
        raise AgnError(f"segments must have the shape of the image, {image.shape}; got {segments.shape}.")
    numbers = np.arange(segments.max() + 1)
    rows, columns = np.indices(image.shape) - (np.array(image.shape)[:, None, None] - 1) / 2
    radius = np.hypot(rows, columns)
    flux = ndimage.sum_labels(image, segments, numbers)
    moment = ndimage.sum_labels(image * radius, segments, numbers)
    far = ndimage.mean(radius, segments, numbers)
    order = np.argsort(radius, axis=None)
    inside = np.cumsum(image.ravel()[order])
    reach = max(1.0, radius.ravel()[order][np.searchsorted(inside, 0.95 * inside[-1])])
    distance = np.where(flux > 0, moment / np.where(flux > 0, flux, 1), far)
    return {
        "pixels": np.bincount(segments.ravel(), minlength=len(numbers)),
        "flux": flux / flux.sum(),
        "distance": distance,
        "out": distance / reach,
    }


def segment_squares(image, *, size=8):
    """Squares of `size` pixels, numbered row by row: the plainest segments there are."""
    rows, columns = (np.arange(length) // size for length in np.shape(image))
    return rows[:, None] * (columns[-1] + 1) + columns


def segment_quickshift(image):
    """Segments as LIME's software makes them by default (quickshift: kernel 4, distance 200, ratio 0.2)."""
    return _load_segmentation().quickshift(_colour(image), kernel_size=4, max_dist=200, ratio=0.2)


def segment_slic(image):
    """Fifty superpixels (SLIC), as of a photograph."""
    return _load_segmentation().slic(_colour(image), n_segments=50, start_label=0)


def _colour(image):
    return np.repeat(np.asarray(image, dtype=float)[..., None], 3, axis=2)


def _load_segmentation():
    try:
        from skimage import segmentation
    except ImportError as error:
        raise AgnError(
            "published segments need scikit-image, which is missing. "
            "Install it: pip install 'agn-helpers[images]'."
        ) from error
    return segmentation
