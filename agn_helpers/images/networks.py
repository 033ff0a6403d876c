"""Small convolutional networks for images: training, probabilities, gradients, a file without pickle."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import zipfile
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logsumexp, softmax
from sklearn.utils import check_random_state
from tqdm import tqdm

from ..errors import AgnError
from ..files import whole_file
from ..limits import check_size, read_regular, summarise_error

KINDS = ("binary", "classes", "regression")

#: Of the layout of network files; another number is another layout.
FILE_VERSION = 1

# Images at once; the last ones of a set are filled up, so that one size is compiled.
_BLOCK = 128

# The file's text, beside the arrays.
_ABOUT = "about"

_REMEDY = "Train it again, or get the file again."


@dataclasses.dataclass(frozen=True)
class Layout:
    """What a network is made of.

    Attributes
    ----------
    shape : tuple of int
        Height, width and channels of an image.
    n_outputs : int
    widths : tuple of int
        Channels of the convolutions: 5 x 5 pixels at every other pixel, then 3 x 3; between them means of
        2 x 2 pixels.
    groups : int
        Of GroupNorm; divides the widths.
    n_hidden : int
        Features of the dense layer.
    rings : int
        Into so many rings about its centre an image is unrolled first, so that to turn it is to move it; 0:
        it is taken as it is.
    """

    shape: tuple[int, int, int]
    n_outputs: int = 1
    widths: tuple[int, ...] = (12, 24, 48, 48)
    groups: int = 4
    n_hidden: int = 64
    rings: int = 0


@dataclasses.dataclass(frozen=True)
class TrainingPlan:
    """How a network is trained: AdamW with a rate that rises, then falls as a cosine.

    Attributes
    ----------
    n_epochs, batch_size : int
    learning_rate, weight_decay : float
    dropout : float
        Share of the features that are left out at each step.
    rotate : bool
        Turn each image by any angle and mirror it, at each step anew.
    shift : float
        Move it by up to so many pixels.
    widths : tuple of int
    rings : int
        See `Layout`.
    """

    n_epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    dropout: float = 0.3
    rotate: bool = True
    shift: float = 2.0
    widths: tuple[int, ...] = (12, 24, 48, 48)
    rings: int = 0


@dataclasses.dataclass(frozen=True)
class ImageNetwork:
    """One trained network, or several whose outputs are averaged.

    Attributes
    ----------
    kind : {"binary", "classes", "regression"}
        Outputs are log odds, each of its own; log probabilities of classes but for a constant; or values.
    layout : Layout
    members : tuple of tuples of arrays
        Weights of each network.
    classes : tuple of str
        Names: of the two classes of a single log odds, the one it speaks against first; of classes; else of
        the outputs, or none.
    centre, scale : tuple of float
        Images are taken as (image - centre) / scale, a number a channel.
    unit : tuple of two tuples of float
        Zero and unit of the outputs of a regression.
    temperature : float
        Log odds and log probabilities are divided by it (`calibrate_network`).
    meta : dict
        What JSON can hold: how images are prepared, on what it was trained.
    """

    kind: str
    layout: Layout
    members: tuple
    classes: tuple[str, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    unit: tuple[tuple[float, ...], tuple[float, ...]]
    temperature: float = 1.0
    meta: dict = dataclasses.field(default_factory=dict)

    def __repr__(self):
        height, width, channels = self.layout.shape
        what = ", ".join(self.classes) or f"{self.layout.n_outputs} outputs"
        size = f"{height} x {width} x {channels}"
        return f"<ImageNetwork: {self.kind} ({what}) of {size} images; {len(self.members)} members>"

    def outputs(self, images):
        """Log odds, log probabilities but for a constant, or values: (n, n_outputs).

        Parameters
        ----------
        images : (n, height, width) or (n, height, width, channels) array

        Raises
        ------
        AgnError
            For images of another size, NaN or infinity.
        """
        images = self.check_images(images)
        compute = _load_architecture().compute_outputs
        total = np.zeros((len(images), self.layout.n_outputs))
        for member in self.members:
            net = _rebuild(self.layout, member)
            for block, part in self._blocks(images):
                total[block] += np.asarray(compute(net, part), dtype=float)[: len(total[block])]
        zero, unit = np.array(self.unit)
        return total / len(self.members) / self.temperature * unit + zero

    def features(self, images):
        """What the dense layers see of images, (n, n_features): side by side those of all members.

        A linear model on them learns another task from few examples.
        """
        images = self.check_images(images)
        compute = _load_architecture().compute_features
        columns = []
        for member in self.members:
            net = _rebuild(self.layout, member)
            parts = [
                (block, np.asarray(compute(net, part), dtype=float)) for block, part in self._blocks(images)
            ]
            columns.append(np.concatenate([part[: block.stop - block.start] for block, part in parts]))
        return np.concatenate(columns, axis=1)

    def gradients(self, images, output=0):
        """Exact derivatives of an output by each pixel, like `images`.

        Parameters
        ----------
        images : (n, height, width) or (n, height, width, channels) array
        output : int or (n,) array of int
            Which output, of each image.
        """
        checked = self.check_images(images)
        output = np.broadcast_to(np.asarray(output), (len(checked),)).astype(np.int32)
        if output.size and not (0 <= output.min() and output.max() < self.layout.n_outputs):
            raise AgnError(
                f"output must be 0 to {self.layout.n_outputs - 1}; got {output.min()} to {output.max()}."
            )
        compute = _load_architecture().compute_gradients
        total = np.zeros(checked.shape)
        for member in self.members:
            net = _rebuild(self.layout, member)
            for block, part in self._blocks(checked):
                chosen = np.resize(output[block], len(part))
                total[block] += np.asarray(compute(net, part, chosen), dtype=float)[: len(total[block])]
        factor = np.array(self.unit[1])[output] / (len(self.members) * self.temperature)
        total *= factor[:, None, None, None] / np.array(self.scale)
        return total.reshape(np.shape(images))

    def predict_proba(self, images):
        """Probabilities: (n, 2) of the classes of a single log odds, else (n, n_outputs)."""
        if self.kind == "regression":
            raise AgnError("a regression has no probabilities; use predict.")
        outputs = self.outputs(images)
        if self.kind == "classes":
            return softmax(outputs, axis=1)
        return np.hstack([expit(-outputs), expit(outputs)]) if self.layout.n_outputs == 1 else expit(outputs)

    def predict(self, images):
        """Names of the most probable classes (n,); of several log odds their probabilities; or values."""
        if self.kind == "regression":
            values = self.outputs(images)
            return values[:, 0] if self.layout.n_outputs == 1 else values
        proba = self.predict_proba(images)
        if self.kind == "binary" and self.layout.n_outputs > 1:
            return proba
        return np.array(self.classes)[proba.argmax(axis=1)]

    def check_images(self, images):
        """Images as float32 (n, height, width, channels); AgnError where they are of another size."""
        images = check_images(images)
        if images.shape[1:] != self.layout.shape:
            asked, got = (" x ".join(map(str, shape)) for shape in (self.layout.shape, images.shape[1:]))
            raise AgnError(
                f"images must be {asked} (height, width, channels), as the network's; got {got}. "
                "Prepare them alike."
            )
        return images

    def _blocks(self, images):
        """Slices of images, and these, normalised and filled up to one size."""
        centre, scale = np.array(self.centre, np.float32), np.array(self.scale, np.float32)
        for first in range(0, len(images), _BLOCK):
            part = (images[first : first + _BLOCK] - centre) / scale
            # A few images alone are a size of their own: gradients of one need not wait for 128.
            full = next(size for size in (1, 16, _BLOCK) if size >= len(part))
            yield slice(first, first + len(part)), np.resize(part, (full, *part.shape[1:]))


def check_images(images):
    """Images as a float32 array (n, height, width, channels).

    Parameters
    ----------
    images : (n, height, width) or (n, height, width, channels) array

    Raises
    ------
    AgnError
        For another number of dimensions, no image, NaN or infinity.
    """
    try:
        images = np.asarray(images, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise AgnError("images must be numbers, all images of one size; these are not.") from error
    if images.ndim not in (3, 4) or not images.size:
        raise AgnError(
            f"images must be (n, height, width) or (n, height, width, channels); got shape {images.shape}. "
            "Write image[None] for one image."
        )
    wrong = np.flatnonzero(~np.isfinite(images).all(axis=tuple(range(1, images.ndim))))
    if len(wrong):
        raise AgnError(
            f"images must be finite; image {wrong[0]} holds NaN or infinity. Mask or leave it out."
        )
    return images if images.ndim == 4 else images[..., None]


def train_network(
    images: Any,
    targets: Any,
    *,
    kind: str = "binary",
    classes: tuple[str, ...] = (),
    plan: TrainingPlan | None = None,
    meta: dict | None = None,
    random_state: Any = 0,
    title: str | None = "training",
) -> ImageNetwork:
    """Train a small convolutional network; the same seed gives the same network.

    Parameters
    ----------
    images : (n, height, width) or (n, height, width, channels) array
        Prepared images, e.g. 64 x 64.
    targets : array
        For "binary" (n,) or (n, n_outputs) labels 0 and 1, or fractions such as those of votes, each the
        target of its own log odds; for "classes" (n,) numbers of classes or (n, n_classes) fractions; for
        "regression" (n,) or (n, n_outputs) values.
    kind : {"binary", "classes", "regression"}
        Loss: cross entropy of each log odds, cross entropy of the classes, or square.
    classes : tuple of str
        Their names, see `ImageNetwork`.
    plan : TrainingPlan, optional
    meta : dict, optional
        Kept with the network and its file.
    random_state : int, RandomState or None
        Of weights, order and changes of the images.
    title : str or None
        Of the progress bar, which shows after two seconds and not in notebooks' pages.

    Returns
    -------
    ImageNetwork

    Raises
    ------
    AgnError
        For images or targets that cannot be used, one class only, another number of targets than images, an
        unknown kind, or where jax, equinox or optax are missing.
    """
    plan = plan or TrainingPlan()
    images = check_images(images)
    targets, classes = _check_targets(targets, len(images), kind, classes)
    layout = Layout(images.shape[1:], targets.shape[1], tuple(plan.widths), rings=plan.rings)
    centre, scale = images.mean(axis=(0, 1, 2)), images.std(axis=(0, 1, 2))
    if not (scale > 0).all():
        raise AgnError("images must differ; all pixels of a channel are equal. Leave blank images out.")
    zero, unit = np.zeros(targets.shape[1]), np.ones(targets.shape[1])
    if kind == "regression":
        zero, unit = targets.mean(axis=0), targets.std(axis=0)
    empty = ImageNetwork(
        kind=kind,
        layout=layout,
        members=(None,),
        classes=classes,
        centre=tuple(centre.tolist()),
        scale=tuple(scale.tolist()),
        unit=(tuple(zero.tolist()), tuple(unit.tolist())),
        meta={"package_version": version("agn-helpers"), **(meta or {})},
    )
    return _fit(empty, images, targets, plan, random_state, title)


def refine_network(network, images, targets, *, plan=None, random_state=0, title="training"):
    """Train a network on, from its weights, on other images such as real ones after simulated ones.

    Parameters
    ----------
    network : ImageNetwork
        Each of its members is trained on; how it takes images, and the zero and unit of its outputs, stay.
    images, targets, plan, random_state, title
        As of `train_network`; the widths of the plan are those of the network whatever it says.

    Returns
    -------
    ImageNetwork
        Not calibrated.

    Raises
    ------
    AgnError
        As `train_network`, and for images of another size than the network's.
    """
    images = network.check_images(images)
    targets, _ = _check_targets(targets, len(images), network.kind, network.classes)
    if targets.shape[1] != network.layout.n_outputs:
        raise AgnError(f"targets must be of {network.layout.n_outputs} outputs; got {targets.shape[1]}.")
    plan = dataclasses.replace(plan or TrainingPlan(), widths=network.layout.widths)
    random = check_random_state(random_state)
    return combine_networks(
        [
            _fit(dataclasses.replace(network, members=(member,)), images, targets, plan, random, title)
            for member in network.members
        ]
    )


def _fit(network, images, targets, plan, random_state, title):
    """A network of one member, trained from its weights or, where it has none, from random ones."""
    arch = _load_architecture()
    import jax

    random = check_random_state(random_state)
    zero, unit = np.array(network.unit)
    images = (images - np.float32(network.centre)) / np.float32(network.scale)
    targets = ((targets - zero) / unit).astype(np.float32)
    key, drawn = jax.random.split(jax.random.key(random.randint(2**31 - 1)))
    batch = min(plan.batch_size, len(images))
    n_batches = len(images) // batch
    optimiser, step = arch.make_step(plan)
    # An array, as an argument that is compiled once must be.
    kind = np.int32(list(arch.LOSSES).index(network.kind))
    rates = iter(arch.plan_rates(plan, plan.n_epochs * n_batches))
    start = network.members[0]
    net = arch.ConvNet(network.layout, drawn) if start is None else arch.fill(network.layout, start)
    state = optimiser.init(arch.trainable(net))
    for _ in tqdm(range(plan.n_epochs), desc=title, unit="epoch", delay=2, disable=None if title else True):
        order = random.permutation(len(images))[: n_batches * batch].reshape(n_batches, batch)
        for chosen in order:
            key, own = jax.random.split(key)
            net, state = step(net, state, images[chosen], targets[chosen], own, next(rates), kind)
    member = tuple(np.asarray(leaf) for leaf in jax.tree_util.tree_leaves(net))
    if not all(np.isfinite(leaf).all() for leaf in member):
        raise AgnError(f"the training did not converge; lower learning_rate, {plan.learning_rate:g}.")
    return dataclasses.replace(network, members=(member,))


def _check_targets(targets, n_images, kind, classes):
    """Targets (n, n_outputs) of floats, and names."""
    if kind not in KINDS:
        raise AgnError(f"kind must be one of {', '.join(KINDS)}; got {kind!r}.")
    targets = np.asarray(targets)
    if targets.dtype.kind not in "buif" or targets.ndim not in (1, 2) or len(targets) != n_images:
        raise AgnError(
            f"targets must be numbers, one row an image: {n_images}; got {targets.dtype} of shape "
            f"{targets.shape}."
        )
    targets = targets.astype(float)
    if not np.isfinite(targets).all():
        raise AgnError(f"targets must be finite; target {np.flatnonzero(~np.isfinite(targets))[0]} is not.")
    if kind == "classes" and targets.ndim == 1:
        if (targets != targets.round()).any() or targets.min() < 0:
            raise AgnError("numbers of classes must be 0, 1, 2 …; some are not.")
        targets = np.eye(max(int(targets.max()) + 1, len(classes)))[targets.astype(int)]
    targets = targets.reshape(n_images, -1)
    if kind != "regression" and not (targets.min() >= 0 and targets.max() <= 1):
        raise AgnError(f"labels and fractions must be 0 to 1; got {targets.min():g} to {targets.max():g}.")
    if (targets == targets[0]).all():
        raise AgnError("targets must be of two classes or more values; all are equal. Give images of both.")
    if kind == "regression" and not (targets.std(axis=0) > 0).all():
        raise AgnError("values of each output must differ; those of one do not.")
    n_names = 2 if kind == "binary" and targets.shape[1] == 1 else targets.shape[1]
    if kind == "regression" and not classes:
        n_names = 0
    names = tuple(classes) or tuple(map(str, range(n_names)))
    if len(names) != n_names:
        raise AgnError(f"classes must be {n_names} names; got {len(names)}.")
    return targets, names


def combine_networks(networks):
    """The network whose outputs are the means of some networks' of one kind, layout and normalisation.

    Each keeps its weights; temperatures are forgotten, calibrate the whole.

    Raises AgnError where they differ in kind, layout, classes or in how images are taken.
    """
    first = networks[0]
    for other in networks[1:]:
        for name in ("kind", "layout", "classes", "centre", "scale", "unit"):
            if getattr(other, name) != getattr(first, name):
                raise AgnError(
                    f"networks must be of one kind, trained on the same images; their {name} differ."
                )
    members = tuple(member for network in networks for member in network.members)
    return dataclasses.replace(first, members=members, temperature=1.0)


def calibrate_network(network, images, targets):
    """A copy whose temperature makes its probabilities right on images it was not trained on.

    Guo et al. 2017 (ICML; arXiv:1706.04599): the one number that minimises the cross entropy.

    Parameters
    ----------
    network : ImageNetwork
        Not a regression.
    images, targets : arrays
        As of `train_network`.
    """
    if network.kind == "regression":
        raise AgnError("a regression has no probabilities to calibrate.")
    targets, _ = _check_targets(targets, len(images), network.kind, network.classes)
    outputs = network.outputs(images) * network.temperature

    def loss(log_temperature):
        z = outputs / np.exp(log_temperature)
        if network.kind == "classes":
            return (logsumexp(z, axis=1) - (targets * z).sum(axis=1)).mean()
        return (np.logaddexp(0, z) - targets * z).mean()

    found = minimize_scalar(loss, bounds=(-3, 3), method="bounded")
    return dataclasses.replace(network, temperature=float(np.exp(found.x)))


def save_network(network, path):
    """Write a network to `path`, which ends in .npz: arrays, and a JSON text with layout and checksum."""
    path = Path(path)
    if path.suffix != ".npz":
        raise AgnError(f"a network's name must end in .npz; got {str(path)!r}. Give another name.")
    arrays = {
        f"{number:02d}_{place:02d}": leaf
        for number, member in enumerate(network.members)
        for place, leaf in enumerate(member)
    }
    about = {
        field.name: getattr(network, field.name)
        for field in dataclasses.fields(network)
        if field.name != "members"
    }
    about["layout"] = dataclasses.asdict(network.layout)
    about |= {"file_version": FILE_VERSION, "n_members": len(network.members)}
    about["sha256"] = _sum_up(about, arrays)
    with whole_file(path) as temporary:
        np.savez_compressed(temporary, **arrays, **{_ABOUT: np.array(json.dumps(about))})


def load_network(path):
    """Read a network from an .npz file; no code of its author runs.

    Raises
    ------
    AgnError
        For a file that is no network, of another version, damaged or changed.
    """
    content = read_regular(path)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            check_size(sum(entry.file_size for entry in archive.infolist()), path)
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays.pop(_ABOUT)))
        written = about.get("file_version")
    except AgnError:
        raise
    except Exception as error:  # zipfile, numpy and json share no class of errors.
        raise AgnError(f"{path} is no network (.npz) file: {summarise_error(error)}. {_REMEDY}") from error
    if written != FILE_VERSION:
        raise AgnError(
            f"{path} must be of version {FILE_VERSION} of network files; it is of {written!r}. {_REMEDY}"
        )
    if about.pop("sha256", None) != _sum_up(about, arrays):
        raise AgnError(f"{path} is damaged or was changed: its checksum differs. {_REMEDY}")
    try:
        fields = {
            key: _freeze(value) for key, value in about.items() if key not in ("file_version", "n_members")
        }
        layout = Layout(**{key: _freeze(value) for key, value in about["layout"].items()})
        names = sorted(arrays)
        members = tuple(
            tuple(arrays[name] for name in names if name.startswith(f"{number:02d}_"))
            for number in range(about["n_members"])
        )
        return ImageNetwork(**{**fields, "layout": layout, "members": members, "meta": about["meta"]})
    except (KeyError, TypeError, ValueError) as error:
        raise AgnError(f"{path} is no network file: {summarise_error(error)}. {_REMEDY}") from error


def _sum_up(about, arrays):
    """The sha256 of what a file says and holds."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def _freeze(value):
    return tuple(map(_freeze, value)) if isinstance(value, list) else value


def _rebuild(layout, member):
    """The ConvNet of a layout with the weights of a member."""
    return _load_architecture().fill(layout, member)


def _load_architecture() -> ModuleType:
    """The module that needs jax, equinox and optax."""
    try:
        from . import architecture
    except ImportError as error:
        raise AgnError(
            f"networks need jax, equinox and optax; {error.name} is missing. "
            "Install them: pip install 'agn-helpers[images]'."
        ) from error
    return architecture
