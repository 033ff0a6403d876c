"""The layers of a small convolutional network, and one step of its training; all that knows jax."""

from functools import cache
from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

# Of GroupNorm: the variance of an empty map is nothing.
_LEAST_VARIANCE = 1e-5

# Of each ring of an unrolled image.
_ANGLES = 48


class ConvNet(eqx.Module):
    """Blocks of convolution, GroupNorm, swish and means of 2 x 2; then means and soft maxima, a dense layer.

    Without normalisation a network does not learn from radio maps, of which nearly all pixels are 0.  All of
    it is smooth, so that its gradients are those of what is seen nearby.  Where the layout has rings, the
    image is unrolled first; convolutions go around then, as angles do.
    """

    kernels: list
    scales: list
    offsets: list
    dense: list
    groups: int = eqx.field(static=True)
    rings: int = eqx.field(static=True)

    def __init__(self, layout, key):
        """Weights drawn for a `networks.Layout`: normal, with the variance of He et al. (2015)."""
        widths = [layout.shape[2], *layout.widths]
        keys = iter(jax.random.split(key, len(layout.widths) + 2))
        self.kernels = [
            _draw(next(keys), (5 if number == 0 else 3,) * 2 + (first, last), 2.0)
            for number, (first, last) in enumerate(pairwise(widths))
        ]
        self.scales = [jnp.ones(width) for width in layout.widths]
        self.offsets = [jnp.zeros(width) for width in layout.widths]
        n_features = 2 * layout.widths[-1]
        self.dense = [
            _draw(next(keys), (n_features, layout.n_hidden), 2.0),
            jnp.zeros(layout.n_hidden),
            _draw(next(keys), (layout.n_hidden, layout.n_outputs), 1.0),
            jnp.zeros(layout.n_outputs),
        ]
        self.groups, self.rings = layout.groups, layout.rings

    def __call__(self, images, key=None, dropout=0.0):
        """Outputs (n, n_outputs) of images (n, height, width, channels); with a key, features drop out."""
        features = self.features(images)
        if key is not None:
            kept = jax.random.bernoulli(key, 1 - dropout, features.shape)
            features = jnp.where(kept, features / (1 - dropout), 0)
        first, first_offset, last, last_offset = self.dense
        return jax.nn.swish(features @ first + first_offset) @ last + last_offset

    def features(self, images):
        """What the dense layers see (n, n_features): means and soft maxima of the last maps."""
        maps = _unroll(images, self.rings) if self.rings else images
        for number, (kernel, scale, offset) in enumerate(zip(self.kernels, self.scales, self.offsets)):
            stride = 2 if number == 0 else 1
            maps = _convolve(maps, kernel, stride, around=self.rings > 0)
            maps = jax.nn.swish(_normalise(maps, self.groups) * scale + offset)
            if number + 1 < len(self.kernels):
                maps = _pool(maps)
        return jnp.concatenate([maps.mean(axis=(1, 2)), jax.nn.logsumexp(maps, axis=(1, 2))], axis=1)


def _draw(key, shape, gain):
    fan_in = jnp.prod(jnp.array(shape[:-1]))
    return jax.random.normal(key, shape) * jnp.sqrt(gain / fan_in)


def _convolve(maps, kernel, stride, *, around):
    padding: Any = "SAME"
    if around:
        more = len(kernel) - stride
        ends = more // 2, more - more // 2
        maps = jnp.pad(maps, ((0, 0), (0, 0), ends, (0, 0)), mode="wrap")
        padding = ends, (0, 0)
    names = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(maps, kernel, (stride, stride), padding, dimension_numbers=names)


def _normalise(maps, groups):
    n, height, width, channels = maps.shape
    grouped = maps.reshape(n, height, width, groups, channels // groups)
    centred = grouped - grouped.mean(axis=(1, 2, 4), keepdims=True)
    variance = jnp.square(centred).mean(axis=(1, 2, 4), keepdims=True)
    return (centred * jax.lax.rsqrt(variance + _LEAST_VARIANCE)).reshape(maps.shape)


def _pool(maps):
    """Means of 2 x 2 pixels; an odd last row or column is left out."""
    n, height, width, channels = maps.shape
    maps = maps[:, : height // 2 * 2, : width // 2 * 2]
    return maps.reshape(n, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))


def change_images(images, key, *, rotate, shift):
    """Images turned by any angle, mirrored and moved by chance, between pixels linearly; edges go on."""
    n, height, width, _ = images.shape
    keys = jax.random.split(key, 3)
    angle = jax.random.uniform(keys[0], (n, 1, 1), maxval=2 * jnp.pi) * rotate
    mirror = jnp.where(jax.random.bernoulli(keys[1], 0.5, (n, 1, 1)) & (rotate > 0), -1.0, 1.0)
    moves = jax.random.uniform(keys[2], (2, n, 1, 1), minval=-shift, maxval=shift)
    y, x = jnp.meshgrid(
        jnp.arange(height) - (height - 1) / 2, jnp.arange(width) - (width - 1) / 2, indexing="ij"
    )
    y, x = y[None], x[None] * mirror
    rows = jnp.cos(angle) * y - jnp.sin(angle) * x + (height - 1) / 2 + moves[0]
    columns = jnp.sin(angle) * y + jnp.cos(angle) * x + (width - 1) / 2 + moves[1]
    return _interpolate(images, rows, columns)


def _unroll(images, rings):
    """Images by rings, a pixel apart about the centre, and angles: a turned image is a moved one."""
    _, height, width, _ = images.shape
    angle = jnp.arange(_ANGLES) * (2 * jnp.pi / _ANGLES)
    radius = jnp.arange(1, rings + 1)[None, :, None]
    return _interpolate(
        images, (height - 1) / 2 + radius * jnp.sin(angle), (width - 1) / 2 + radius * jnp.cos(angle)
    )


def _interpolate(images, rows, columns):
    """Images at places (n or 1, rows, columns), between pixels linearly; edges go on."""
    n, height, width, _ = images.shape
    rows, columns = jnp.clip(rows, 0, height - 1), jnp.clip(columns, 0, width - 1)
    row, column = jnp.floor(rows).astype(int), jnp.floor(columns).astype(int)
    below, right = jnp.minimum(row + 1, height - 1), jnp.minimum(column + 1, width - 1)
    down, along = (rows - row)[..., None], (columns - column)[..., None]
    each = jnp.arange(n)[:, None, None]
    top = images[each, row, column] * (1 - along) + images[each, row, right] * along
    bottom = images[each, below, column] * (1 - along) + images[each, below, right] * along
    return top * (1 - down) + bottom * down


#: Of outputs and targets, for each kind of network.
LOSSES = {
    "binary": lambda outputs, targets: optax.sigmoid_binary_cross_entropy(outputs, targets).mean(),
    "classes": lambda outputs, targets: optax.softmax_cross_entropy(outputs, targets).mean(),
    "regression": lambda outputs, targets: jnp.square(outputs - targets).mean(),
}


def _loss(net, images, targets, key, kind, *, dropout):
    return jax.lax.switch(kind, list(LOSSES.values()), net(images, key, dropout), targets)


def plan_rates(plan, n_steps):
    """Learning rates (n_steps,): they rise over a tenth of the steps and fall as a cosine to nothing."""
    steps, warm = np.arange(n_steps), max(1, n_steps // 10)
    falling = (1 + np.cos(np.pi * (steps - warm) / max(1, n_steps - warm))) / 2
    return np.float32(plan.learning_rate * np.where(steps < warm, steps / warm, falling))


def make_step(plan):
    """AdamW and a compiled step: (net, state, images, targets, key, rate, kind) -> (net, state).

    The rate is an argument, and so is the kind, as its place in `LOSSES`: plans that differ in length and
    rates, and networks of votes and of lengths, are compiled once.
    """
    return _make_step(plan.weight_decay, plan.dropout, plan.rotate, plan.shift)


@cache
def _make_step(weight_decay, dropout, rotate, shift):
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1.0, weight_decay=weight_decay))

    @eqx.filter_jit
    def step(net, state, images, targets, key, rate, kind):
        turned, dropped = jax.random.split(key)
        if rotate or shift:
            images = change_images(images, turned, rotate=float(rotate), shift=shift)
        slope = eqx.filter_grad(_loss)(net, images, targets, dropped, kind, dropout=dropout)
        updates, state = optimiser.update(slope, state, trainable(net))
        return eqx.apply_updates(net, jax.tree.map(lambda update: rate * update, updates)), state

    return optimiser, step


@eqx.filter_jit
def compute_outputs(net, images):
    """Outputs (n, n_outputs)."""
    return net(images)


@eqx.filter_jit
def compute_features(net, images):
    """Features (n, n_features)."""
    return net.features(images)


@eqx.filter_jit
def compute_gradients(net, images, output):
    """Gradients like images of the outputs chosen by `output` (n,) int."""
    return jax.grad(lambda x: jnp.take_along_axis(net(x), output[:, None], axis=1).sum())(images)


def trainable(net):
    """The arrays of a network, which an optimiser changes."""
    return eqx.filter(net, eqx.is_array)


def fill(layout, leaves):
    """The network of a layout with given arrays, in the order of `jax.tree_util.tree_leaves`."""
    empty = jax.eval_shape(lambda key: ConvNet(layout, key), jax.random.key(0))
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(empty), list(map(jnp.asarray, leaves)))
