"""Radio galaxies: images of one's own, their preparation, networks for FR I and II, and what needs none."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.model_selection import StratifiedKFold
from sklearn.utils import check_random_state

from ..errors import AgnError
from ..files import read_arrays
from ..limits import check_fits, read_regular, summarise_error
from .networks import TrainingPlan, combine_networks, refine_network, train_network
from .radio_simulator import PIXEL, RADIO_CLASSES

#: Pixels on a side that are kept of an image, as lobes reach far, and how many of these become one.
N_SEEN, BINNED = 128, 2

#: For some hundreds of real images, which need many rounds: some 4000 steps; thousands need fewer rounds.
RADIO_PLAN = TrainingPlan(n_epochs=240)

#: For thousands of simulated images, and how these are prepared: what they teach holds of real ones at full
#: resolution; a narrower field and narrow layers keep that cheap.
SIMULATED_PLAN = TrainingPlan(n_epochs=14, widths=(8, 16, 32, 48))
FULL_RESOLUTION = {"n_seen": 96, "binned": 1}

# Within this radius of the centre (arcsec) the source's own peak is looked for: neighbours may be brighter.
_OWN = 60.0

# Grey levels of published images; what is fainter than a level is lost there, and so it is everywhere.
_LEVELS = 255

_MINIMUM_OF_ZEROS = 0.3


class RadioImages(NamedTuple):
    """Images read from disk.

    Attributes
    ----------
    images : (n, height, width) float32 array
    label : (n,) int array, or None
        0 for FR I, 1 for FR II.
    name : (n,) array of str
    rejected : pandas.DataFrame
        ``name, reason`` of what cannot be used.
    """

    images: np.ndarray
    label: np.ndarray | None
    name: np.ndarray
    rejected: pd.DataFrame


def read_radio_images(path, *, values=None):
    """Read images from an .npz file or a folder of FITS cut-outs.

    Parameters
    ----------
    path : path
        An .npz file with one array (n, height, width), and where known ``label`` (0 for FR I, 1 for FR II, or
        these names) and ``name``; or a folder of .fits files, as `agn fetch first` fills it, with labels in
        ``labels.csv`` (columns name, label) where known.
    values : str, optional
        Name of the array of images, where there are several.

    Returns
    -------
    RadioImages
        Blank images, those with NaN and, in a folder, those of another size than most are rejected.

    Raises
    ------
    AgnError
        For a file that holds no images, labels or names of other length, no image that can be used.
    """
    path = Path(path)
    images, label, name, rejected = _read_folder(path) if path.is_dir() else _read_npz(path, values)
    label = None if label is None else _number_labels(label, len(images), path)
    if len(name) != len(images):
        raise AgnError(f"names must be one an image, {len(images)}; {path} has {len(name)}.")
    good = np.ones(len(images), dtype=bool)
    for number, image in enumerate(images):
        reason = "" if np.isfinite(image).all() else "it holds NaN or infinity"
        reason = reason or ("" if np.ptp(image) > 0 else "it is blank")
        if reason:
            good[number] = False
            rejected.append((name[number], reason))
    if not good.any():
        raise AgnError(f"{path} must hold an image that can be used; {len(rejected)} are blank or broken.")
    return RadioImages(
        images[good].astype(np.float32),
        None if label is None else label[good],
        name[good],
        pd.DataFrame(rejected, columns=["name", "reason"]),
    )


def _read_npz(path, values):
    arrays = read_arrays(path)
    names = [key for key, each in arrays.items() if each.ndim == 3 and each.dtype.kind in "uif"]
    chosen = values or (names[0] if len(names) == 1 else None)
    if chosen not in names:
        raise AgnError(
            f"{path} must hold one array (n, height, width), or say values=; it has "
            f"{', '.join(names) or 'none'}."
        )
    images = arrays[chosen]
    name = arrays.get("name", arrays.get("object_id", np.arange(len(images)))).astype(str)
    return images.astype(np.float32), arrays.get("label"), np.atleast_1d(name), []


def _read_folder(path):
    from astropy.io import fits

    found, rejected = {}, []
    for file in sorted(path.rglob("*.fits")):
        try:
            content = read_regular(file)
            check_fits(content, file)
            with fits.open(io.BytesIO(content), memmap=False) as hdus:
                found[file.stem] = np.squeeze(np.asarray(hdus[0].data, dtype=np.float32))
            if found[file.stem].ndim != 2:
                raise AgnError(f"{file} must hold an image; its first HDU is none.")
        except (AgnError, OSError, TypeError, ValueError) as error:
            found.pop(file.stem, None)
            rejected.append((file.stem, summarise_error(error)))
    if not found:
        raise AgnError(f"{path} must hold .fits images; none can be read. agn fetch first LIST gets some.")
    shapes = [image.shape for image in found.values()]
    usual = max(set(shapes), key=shapes.count)
    for key in [key for key, image in found.items() if image.shape != usual]:
        size = " x ".join(map(str, found.pop(key).shape))
        rejected.append((key, f"it has {size} pixels, most others {usual[0]} x {usual[1]}"))
    label, names = None, np.array(list(found))
    if (path / "labels.csv").is_file():
        table = pd.read_csv(path / "labels.csv", dtype=str)
        if not {"name", "label"} <= set(table.columns):
            raise AgnError(f"{path / 'labels.csv'} must have the columns name and label.")
        of = dict(zip(table["name"], table["label"].fillna("")))
        unlabelled = [name for name in names if not of.get(name)]
        rejected += [(name, "it has no label in labels.csv") for name in unlabelled]
        for name in unlabelled:
            del found[name]
        if not found:
            raise AgnError(f"{path / 'labels.csv'} must have labels of the images; it has none of them.")
        names = np.array(list(found))
        label = np.array([of[name] for name in names])
    return np.array(list(found.values())), label, names, rejected


def _number_labels(label, n_images, path):
    """Labels (n_images,) 0 and 1 of numbers or names."""
    if label.shape != (n_images,):
        raise AgnError(f"labels must be one an image, {n_images}; {path} has {label.shape}.")
    words = {"fri": 0, "fr1": 0, "0": 0, "frii": 1, "fr2": 1, "1": 1}
    numbers = [words.get(str(each).lower().replace(" ", "").removesuffix(".0")) for each in label]
    if None in numbers:
        wrong = label[numbers.index(None)]
        raise AgnError(f"labels must be 0 and 1, or FR I and FR II; {path} has {wrong!r}.")
    return np.array(numbers)


def prepare_radio(images, *, clip=3.0, n_seen=N_SEEN, binned=BINNED):
    """Images as a network takes them: clipped, cut out, divided by the source's peak, binned, the root of it.

    Parameters
    ----------
    images : (n, height, width) array
        Any unit, 1.8 arcsec a pixel, the source in the middle.
    clip : float or None
        Set to 0 what is fainter than so many standard deviations of the noise, as published images are; None
        leaves the noise.  Images that are clipped already stay as they are.
    n_seen : int
        Pixels on a side that are kept, a multiple of `binned`.
    binned : int
        Pixels on a side whose mean becomes one.

    Returns
    -------
    (n, n_seen / binned, n_seen / binned) float32 array
        From 0 to 1: roots of means of shares of the peak, which are in steps of 1/255, as published images
        are stored.

    Raises
    ------
    AgnError
        For NaN, blank images, images smaller than n_seen, an n_seen that is no multiple of binned.
    """
    images = np.asarray(images, dtype=np.float32)
    if images.ndim != 3 or min(images.shape[1:]) < n_seen:
        raise AgnError(
            f"images must be (n, height, width) of at least {n_seen} x {n_seen} pixels; got {images.shape}."
        )
    if binned < 1 or n_seen < binned or n_seen % binned:
        raise AgnError(f"n_seen must be a multiple of binned; got {n_seen} and {binned}.")
    if clip is not None and not clip > 0:
        raise AgnError(f"clip must be positive, or None; got {clip}.")
    places = np.arange(n_seen) - (n_seen - 1) / 2
    own = np.hypot(places[:, None], places) * PIXEL < _OWN
    prepared = np.empty((len(images), n_seen // binned, n_seen // binned), np.float32)
    for number, image in enumerate(images):
        if not np.isfinite(image).all():
            raise AgnError(f"images must be finite; image {number} holds NaN or infinity. Leave it out.")
        level = 0.0 if clip is None else clip * measure_noise(image)
        kept = cut_middle(np.where(image > level, image, 0), n_seen)
        peak = kept[own].max()
        if not peak > 0:
            raise AgnError(f"images must show a source; image {number} is blank in the middle. Leave it out.")
        levels = np.clip(np.floor(_LEVELS * kept / peak) / _LEVELS, 0, 1)
        prepared[number] = np.sqrt(_list_binned(levels, binned).mean(axis=-1))
    return prepared


def cut_middle(images, n_pixels):
    """The middle n_pixels x n_pixels of images or maps (..., height, width)."""
    top, left = ((size - n_pixels) // 2 for size in images.shape[-2:])
    return images[..., top : top + n_pixels, left : left + n_pixels]


def _list_binned(maps, binned):
    """The pixels that become one, on a last axis: (..., height / binned, width / binned, binned^2)."""
    *first, height, width = maps.shape
    split = maps.reshape(*first, height // binned, binned, width // binned, binned)
    return split.swapaxes(-3, -2).reshape(*first, height // binned, width // binned, binned**2)


def measure_noise(image):
    """Standard deviation of an image's noise by its median absolute deviation; 0 where most pixels are 0."""
    values = image[::2, ::2]
    if np.mean(values == 0) > _MINIMUM_OF_ZEROS:
        return 0.0
    middle = np.median(values)
    return 1.4826 * float(np.median(np.abs(values - middle)))


def measure_brightness(images):
    """What tells an image's brightness without its shape: a table of logarithms, ``peak``, ``noise level``.

    ``peak`` is that of the middle in the unit of the images; where they were divided by it, it says nothing.
    ``noise level`` is the faintest grey level above 0 of the clipped image as a share of the peak: it betrays
    the brightness of a source even where every image was divided by its peak.
    """
    rows = []
    for image in np.asarray(images, dtype=float):
        height, width = (size // 4 for size in image.shape)
        peak = image[height:-height, width:-width].max()
        level = 3 * measure_noise(image)
        seen = image[image > level]
        rows.append((np.log(peak), np.log(max(seen.min() / peak, 1 / _LEVELS))))
    return pd.DataFrame(rows, columns=["peak", "noise level"])


def train_radio(images, label, *, n_members=2, plan=RADIO_PLAN, random_state=0, meta=None, start=None):
    """Train networks on prepared images and average them.

    Parameters
    ----------
    images : (n, height, width) array
        Of `prepare_radio`.
    label : (n,) array of 0 and 1
    n_members : int
        Networks, each of its own seed.
    plan : TrainingPlan
        `RADIO_PLAN` by default: about a minute a network for 500 images.
    random_state : int, RandomState or None
    meta : dict, optional
        Kept with the network.
    start : ImageNetwork, optional
        Its members are trained on, instead of new ones: real images are few, and a network that has seen
        simulated sources needs no more.

    Returns
    -------
    ImageNetwork
    """
    if start is not None:
        return refine_network(start, images, label, plan=plan, random_state=random_state)
    random = check_random_state(random_state)
    members = [
        train_network(
            images, label, classes=RADIO_CLASSES, plan=plan, meta=meta, random_state=random.randint(2**31 - 1)
        )
        for _ in range(n_members)
    ]
    return combine_networks(members)


def average_orientations(network, images):
    """Log odds (n,) averaged over the eight ways to turn and mirror an image by pixels.

    A source has no preferred direction in the sky; the network learned that only nearly.
    """
    turned = [np.rot90(images, quarter, axes=(1, 2)) for quarter in range(4)]
    turned += [each[:, :, ::-1] for each in turned]
    return np.mean([network.outputs(each)[:, 0] for each in turned], axis=0)


def cross_validate(images, label, *, n_folds=5, random_state=0, **options):
    """Log odds (n,) of each image by networks that did not see it.

    Parameters
    ----------
    images, label, **options
        As of `train_radio`.
    n_folds : int
    random_state : int or None
        Of the folds and the networks.
    """
    if np.bincount(label, minlength=2).min() < n_folds:
        raise AgnError(f"each class must have at least {n_folds} images, one a fold; one has fewer.")
    odds = np.empty(len(images))
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=random_state)
    for train, test in folds.split(images, label):
        network = train_radio(images[train], label[train], random_state=random_state, **options)
        odds[test] = average_orientations(network, images[test])
    return odds


def cut_at_best(feature, label):
    """The cut of a number that parts two classes best, and which side is class 1: (cut, +1 or -1)."""
    order = np.argsort(feature, kind="stable")
    values, is_one = np.asarray(feature)[order], np.asarray(label)[order]
    # Class 1 above the cut, which lies before each place; equal values stay together.
    right = np.concatenate([[is_one.sum()], is_one.sum() + np.cumsum(1 - 2 * is_one)])
    places = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1], [True]]))
    best_up, best_down = places[right[places].argmax()], places[right[places].argmin()]
    ends = np.concatenate([[-np.inf], (values[1:] + values[:-1]) / 2, [np.inf]])
    if right[best_up] >= len(values) - right[best_down]:
        return float(ends[best_up]), 1
    return float(ends[best_down]), -1


def score_baselines(train, train_label, test, test_label):
    """Accuracies of what needs no network: the majority, and cuts in brightness, learned on the training set.

    Parameters
    ----------
    train, test : tables of `measure_brightness`
    train_label, test_label : arrays of 0 and 1

    Returns
    -------
    pandas.DataFrame
        As of `score_accuracy`, a row a baseline.
    """
    majority = int(np.mean(train_label) >= 0.5)
    rows = {"majority": score_accuracy(np.full(len(test_label), majority), test_label)}
    for name in train.columns:
        if np.ptp(train[name]) > 0:
            cut, side = cut_at_best(train[name], train_label)
            rows[f"cut in {name}"] = score_accuracy((side * (test[name] - cut) > 0).astype(int), test_label)
    return pd.DataFrame(rows).T


def score_accuracy(predicted, label):
    """Accuracy with its 95 % interval (Clopper & Pearson 1934), and that of each class: a Series."""
    right = np.asarray(predicted) == np.asarray(label)
    interval = binomtest(int(right.sum()), len(right)).proportion_ci()
    row = {"n": len(right), "accuracy": right.mean(), "low": interval.low, "high": interval.high}
    for number, name in enumerate(RADIO_CLASSES):
        of = np.asarray(label) == number
        row[name] = right[of].mean() if of.any() else np.nan
    return pd.Series(row)
