"""Networks: exact gradients, the same for a seed, files that are what they say, errors in one line."""

import json
import subprocess
import sys

import numpy as np
import pytest

from agn_helpers.errors import AgnError
from agn_helpers.images import (
    TrainingPlan,
    calibrate_network,
    combine_networks,
    integrated_gradients,
    load_network,
    save_network,
    smooth_gradient,
    train_network,
)

N, SIZE = 96, 32
QUICK = TrainingPlan(n_epochs=30, batch_size=16, widths=(8, 16))


def make_images(seed=0):
    """One spot in the middle, or two beside it."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, N)
    places = np.arange(SIZE) - (SIZE - 1) / 2
    images = rng.normal(0, 0.05, (N, SIZE, SIZE))
    for number in range(N):
        angle, reach = rng.uniform(0, 2 * np.pi), 7 * label[number]
        for sign in (-1, 1):
            x, y = sign * reach * np.cos(angle), sign * reach * np.sin(angle)
            images[number] += np.exp(-((places - x) ** 2 + (places[:, None] - y) ** 2) / 8)
    return images.astype(np.float32), label


IMAGES, LABEL = make_images()


@pytest.fixture(scope="module")
def network():
    return train_network(IMAGES, LABEL, plan=QUICK, classes=("one", "two"), title=None)


def test_learns_what_can_be_learned_and_repeats_itself(network):
    other, label = make_images(1)
    assert np.mean(network.predict(other) == np.array(["one", "two"])[label]) > 0.9
    again = train_network(IMAGES, LABEL, plan=QUICK, classes=("one", "two"), title=None)
    np.testing.assert_array_equal(again.outputs(other), network.outputs(other))
    seed = train_network(IMAGES, LABEL, plan=QUICK, random_state=1, title=None)
    assert not np.allclose(seed.outputs(other), network.outputs(other))


@pytest.mark.parametrize("kind", ["binary", "classes", "regression"])
def test_steps_are_those_of_optax_with_its_own_schedule(kind):
    import equinox as eqx
    import jax
    import optax

    from agn_helpers.images import architecture
    from agn_helpers.images.networks import Layout

    plan, n_steps = TrainingPlan(learning_rate=0.01, rotate=False, shift=0, dropout=0.0, widths=(8, 8)), 40
    rates = architecture.plan_rates(plan, n_steps)
    schedule = optax.warmup_cosine_decay_schedule(0.0, plan.learning_rate, n_steps // 10, n_steps)
    np.testing.assert_allclose(rates, [schedule(step) for step in range(n_steps)], rtol=1e-5, atol=1e-9)
    peer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=plan.weight_decay))
    ours, step = architecture.make_step(plan)
    other = TrainingPlan(n_epochs=3, learning_rate=0.1, rotate=False, shift=0, dropout=0.0)
    assert architecture.make_step(other)[1] is step
    layout = Layout((SIZE, SIZE, 1), 2, widths=(8, 8))
    nets = [architecture.ConvNet(layout, jax.random.key(0)) for _ in range(2)]
    states = [optimiser.init(architecture.trainable(net)) for optimiser, net in zip((ours, peer), nets)]
    x, y = IMAGES[:16, ..., None], np.eye(2, dtype=np.float32)[LABEL[:16]]
    loss = {
        "binary": optax.sigmoid_binary_cross_entropy,
        "classes": optax.softmax_cross_entropy,
        "regression": lambda said, true: (said - true) ** 2,
    }[kind]
    number = np.int32(list(architecture.LOSSES).index(kind))

    @eqx.filter_jit
    def slope(net):
        return eqx.filter_grad(lambda one: loss(one(x), y).mean())(net)

    for rate in rates[:12]:
        nets[0], states[0] = step(nets[0], states[0], x, y, jax.random.key(0), rate, number)
        updates, states[1] = peer.update(slope(nets[1]), states[1], architecture.trainable(nets[1]))
        nets[1] = eqx.apply_updates(nets[1], updates)
    for mine, theirs in zip(*map(jax.tree.leaves, nets)):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-4)


def test_outputs_do_not_depend_on_who_else_is_asked_about(network):
    together = network.outputs(IMAGES)
    np.testing.assert_allclose(network.outputs(IMAGES[5:6]), together[5:6], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(network.outputs(IMAGES[:20]), together[:20], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["binary", "classes", "regression"])
def test_gradients_are_those_of_finite_differences(kind):
    targets = {"binary": LABEL, "classes": LABEL + 2 * (np.arange(N) % 2), "regression": 5 + 2.5 * LABEL}
    network = train_network(
        IMAGES, targets[kind], kind=kind, plan=TrainingPlan(n_epochs=3, widths=(8, 16)), title=None
    )
    output = network.layout.n_outputs - 1
    rng, x = np.random.default_rng(0), IMAGES[:6]
    slopes = network.gradients(x, output)
    for _ in range(3):
        # Along the gradient, where float32 has most to show; a little off it.
        way = slopes / np.linalg.norm(slopes, axis=(1, 2), keepdims=True)
        way = (way + 0.3 * rng.normal(size=x.shape) / SIZE).astype(np.float32)
        coarse, fine = (
            (network.outputs(x + step * way) - network.outputs(x - step * way))[:, output] / (2 * step)
            for step in (0.04, 0.02)
        )
        # Richardson: what is left is of fourth order.
        np.testing.assert_allclose((slopes * way).sum(axis=(1, 2)), (4 * fine - coarse) / 3, rtol=1e-3)


def test_unrolled_a_turned_image_is_a_moved_one():
    from agn_helpers.images.architecture import _ANGLES, _unroll

    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    image = (np.exp(-((x - 3) ** 2) - y**2) + 0.1 * x)[None, ..., None].astype(np.float32)
    unrolled = np.asarray(_unroll(image, 6))[0, ..., 0]
    assert unrolled.shape == (6, _ANGLES)
    # Towards the columns' end first, then to the rows'; a pixel apart from the first pixel on.
    assert np.unravel_index(unrolled.argmax(), unrolled.shape) == (2, 0)
    np.testing.assert_allclose(unrolled[:, _ANGLES // 4], np.exp(-9 - np.arange(1, 7.0) ** 2), atol=0.03)
    turned = np.asarray(_unroll(np.rot90(image, axes=(2, 1)), 6))[0, ..., 0]
    np.testing.assert_allclose(turned, np.roll(unrolled, _ANGLES // 4, axis=1), atol=1e-4)


def test_networks_of_rings_have_exact_gradients_and_go_around(tmp_path):
    plan = TrainingPlan(n_epochs=2, widths=(8, 16), rings=SIZE // 2 - 1, rotate=False, shift=0.0)
    network = train_network(IMAGES, LABEL, plan=plan, title=None)
    x = IMAGES[:3]
    slopes = network.gradients(x)
    way = (slopes / np.linalg.norm(slopes, axis=(1, 2), keepdims=True)).astype(np.float32)
    coarse, fine = (
        (network.outputs(x + step * way) - network.outputs(x - step * way))[:, 0] / (2 * step)
        for step in (0.04, 0.02)
    )
    np.testing.assert_allclose((slopes * way).sum(axis=(1, 2)), (4 * fine - coarse) / 3, rtol=1e-3)
    # A quarter of the angles is a multiple of the two strides: nothing changes but rounding.
    turned = network.outputs(np.rot90(x, axes=(1, 2)))
    np.testing.assert_allclose(turned, network.outputs(x), rtol=1e-3, atol=1e-4)
    save_network(network, tmp_path / "rings.npz")
    np.testing.assert_array_equal(load_network(tmp_path / "rings.npz").outputs(x), network.outputs(x))


def test_smooth_gradient_is_brute_force(network):
    x = IMAGES[:2]
    ours = smooth_gradient(network, x, noise=0.2, n_draws=5, random_state=3)
    random = np.random.RandomState(3)
    for number, image in enumerate(x):
        draws = random.standard_normal((5, SIZE, SIZE)).astype(np.float32)
        slopes = np.array([network.gradients((image + 0.2 * np.ptp(image) * one)[None])[0] for one in draws])
        scale = np.abs(slopes).max()
        np.testing.assert_allclose(ours.signed[number], slopes.mean(axis=0), atol=1e-4 * scale)
        np.testing.assert_allclose(ours.absolute[number], np.abs(slopes).mean(axis=0), atol=1e-4 * scale)


def test_integrated_gradients_add_up_to_the_change(network):
    x = IMAGES[:4]
    change = (network.outputs(x) - network.outputs(np.zeros_like(x)))[:, 0]
    total = integrated_gradients(network, x, n_steps=128).sum(axis=(1, 2))
    np.testing.assert_allclose(total, change, rtol=0.01, atol=0.02)


def test_probabilities_have_two_columns_and_temperature_calibrates(network):
    proba = network.predict_proba(IMAGES)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    rng = np.random.default_rng(0)
    odds = network.outputs(IMAGES)[:, 0]
    # Labels that are drawn with odds half as large in logarithm: the temperature is 2.
    many = np.tile(IMAGES, (40, 1, 1))
    drawn = rng.uniform(size=len(many)) < 1 / (1 + np.exp(-np.tile(odds, 40) / 2))
    found = calibrate_network(network, many, drawn.astype(int))
    assert found.temperature == pytest.approx(2, rel=0.15)
    np.testing.assert_allclose(found.outputs(IMAGES) * found.temperature, network.outputs(IMAGES), rtol=1e-5)
    np.testing.assert_allclose(
        found.gradients(IMAGES[:2]) * found.temperature, network.gradients(IMAGES[:2]), rtol=1e-5, atol=1e-7
    )


def test_fractions_of_votes_are_learned():
    votes = np.column_stack([0.2 + 0.6 * LABEL, np.full(N, 0.5) + 0.1 * (np.arange(N) % 2)])
    network = train_network(IMAGES, votes, plan=QUICK, title=None)
    predicted = network.predict(IMAGES)
    assert predicted.shape == (N, 2) and 0 < predicted.min() < predicted.max() < 1
    # Both outputs hang on the image; the second has nothing to learn.
    assert np.corrcoef(predicted[:, 0], votes[:, 0])[0, 1] > 0.9
    assert np.ptp(predicted[:, 1]) < np.ptp(predicted[:, 0])


def test_a_mean_of_networks(network):
    other = train_network(IMAGES, LABEL, plan=QUICK, classes=("one", "two"), random_state=1, title=None)
    both = combine_networks([network, other])
    mean = (network.outputs(IMAGES) + other.outputs(IMAGES)) / 2
    np.testing.assert_allclose(both.outputs(IMAGES), mean, rtol=1e-6)
    with pytest.raises(AgnError, match="their classes differ"):
        combine_networks([network, train_network(IMAGES, LABEL, plan=QUICK, title=None)])


class TestFiles:
    def test_what_is_read_is_what_was_written(self, network, tmp_path):
        save_network(network, tmp_path / "net.npz")
        read = load_network(tmp_path / "net.npz")
        np.testing.assert_array_equal(read.outputs(IMAGES), network.outputs(IMAGES))
        assert (read.classes, read.layout, read.meta) == (network.classes, network.layout, network.meta)

    def test_other_files_are_refused_in_one_line(self, network, tmp_path):
        path = tmp_path / "net.npz"
        save_network(network, path)
        with np.load(path) as file:
            arrays = {key: file[key] for key in file.files}
        about = json.loads(str(arrays["about"]))

        def write(**changes):
            other = tmp_path / f"{len(list(tmp_path.iterdir()))}.npz"
            np.savez(other, **{**arrays, **changes})
            return other

        later = np.array(json.dumps(about | {"file_version": 2}))
        moved = {key: each + 1e-3 for key, each in arrays.items() if key == "00_00"}
        calmer = np.array(json.dumps(about | {"temperature": 3.0}))
        text = tmp_path / "text.npz"
        text.write_text("no archive")
        for path, message in (
            (write(about=later), "must be of version 1 of network files; it is of 2"),
            (write(**moved), "its checksum differs"),
            (write(about=calmer), "its checksum differs"),
            (write(about=np.array("{")), "is no network"),
            (write(about=np.array([{}], dtype=object)), "is no network"),
            (text, "is no network"),
            (tmp_path, "cannot be read|must be a regular file"),
        ):
            with pytest.raises(AgnError, match=message) as caught:
                load_network(path)
            assert "\n" not in str(caught.value)
        with pytest.raises(AgnError, match=r"must end in \.npz"):
            save_network(network, tmp_path / "net.pkl")


def with_nan():
    images = IMAGES.copy()
    images[3, 0, 0] = np.nan
    return images


@pytest.mark.parametrize(
    ("images", "targets", "options", "message"),
    [
        (IMAGES[0], LABEL, {}, r"write image\[None\]|Write image\[None\]"),
        (with_nan(), LABEL, {}, "image 3 holds NaN"),
        (np.zeros_like(IMAGES), LABEL, {}, "blank images"),
        (IMAGES, LABEL[1:], {}, "one row an image: 96; got int64 of shape \\(95,\\)"),
        (IMAGES, np.ones(N), {}, "two classes"),
        (IMAGES, LABEL * 3, {}, "must be 0 to 1; got 0 to 3"),
        (IMAGES, LABEL.astype(str), {}, "targets must be numbers"),
        (IMAGES, LABEL, {"kind": "other"}, "kind must be one of"),
        (IMAGES, LABEL, {"classes": ("a",)}, "classes must be 2 names; got 1"),
        (IMAGES, LABEL + 0.5, {"kind": "classes"}, "0, 1, 2"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(images, targets, options, message):
    with pytest.raises(AgnError, match=message):
        train_network(images, targets, plan=QUICK, **options)


def test_images_of_another_size_are_refused(network):
    with pytest.raises(AgnError, match=r"images must be 32 x 32 x 1 .* got 16 x 16 x 1"):
        network.predict(IMAGES[:, :16, :16])
    with pytest.raises(AgnError, match="output must be 0 to 0; got 1"):
        network.gradients(IMAGES[:2], 1)


def test_without_jax_one_line_says_what_to_install():
    program = (
        "import sys\nsys.modules['jax'] = sys.modules['equinox'] = None\n"
        "import numpy as np\nfrom agn_helpers.images import train_network\n"
        "from agn_helpers.images import simulate_radio\n"
        "try:\n    train_network(np.random.rand(4, 8, 8), [0, 1, 0, 1])\n"
        "except ValueError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "networks need jax, equinox and optax" in done.stdout and "agn-helpers[images]" in done.stdout
    assert len(done.stdout.splitlines()) == 1
