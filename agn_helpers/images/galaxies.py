"""Simulated disc galaxies, of which the bar is known; volunteers who vote on it and measure it.

Every image is a cut-out like those of Galaxy Zoo: a fixed number of pixels per 90 % light radius of the
catalogue, so that the dimensionless bar length alone sets the bar's size in pixels.  Sizes, lengths and the
scatter of those who measure follow the table of Hoyle et al. (2011, MNRAS 415, 3627).
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.special import expit

from ..errors import AgnError

#: Pixels of a cut-out's side, and pixels that a catalogue's 90 % light radius is long.
SIDE, RADIUS = 48, 20.0

#: Of the 3150 bars of Hoyle et al. (2011): mean and deviation of ln(length / galaxy size) and of ln(size in
#: kpc/h), their correlation, and quantiles of the volunteers' scatter in units of the length.  Their size is
#: taken for the diameter 2 R90: it is the length in kpc/h over the dimensionless length.
HOYLE_LENGTH, HOYLE_SIZE, HOYLE_CORRELATION = (-0.804, 0.313), (2.901, 0.387), -0.21
HOYLE_SCATTER = {0.05: 0.052, 0.25: 0.101, 0.5: 0.149, 0.75: 0.213, 0.95: 0.345}

#: Of the sizes of the same galaxies on the sky: deviation of ln(2 R90 / arcsec), which says nothing of the
#: dimensionless length.
HOYLE_ANGULAR_SCATTER = 0.37

# How many volunteers measured a bar, three at least, and the share of bars (same table).
_MEASURERS, _SHARES = (3, 4, 5, 6), (0.31, 0.33, 0.29, 0.07)

# Those who vote on one galaxy: the median of Galaxy Zoo 2 is 44 (Willett et al. 2013, MNRAS 435, 2835).
_VOTERS = 40

# A bar is seen by half of the volunteers where it has this share of the light within its own ellipse.
_SEEN, _SEEN_WIDTH, _SEEN_WRONGLY = 0.22, 0.35, 0.05


class Galaxies(NamedTuple):
    """Images, and what is true of them.

    Attributes
    ----------
    images : (n, height, width) float32 array
        Prepared as `prepare_image` does.
    truth : pandas.DataFrame
        A row a galaxy: ``is_barred``; ``length`` (of the bar on the sky, in units of the galaxy's diameter
        2 R90; NaN without a bar), ``strength`` (share of the bar in the light), ``angle`` (of the bar, from
        the columns' axis to the rows', rad), ``size`` (2 R90, kpc/h), ``votes`` (share of the volunteers who
        see a bar), ``measured`` (their mean length, as ``length``), ``n_measured``, and what was drawn of
        disc, bulge, arms, ring, clumps, seeing and noise.
    """

    images: np.ndarray
    truth: pd.DataFrame


def simulate_galaxies(n, *, barred_share=0.5, side=SIDE, random_state=0):
    """Simulate cut-outs of disc galaxies, votes and measured bar lengths.

    Disc, bulge (Sérsic), bar (Ferrers, of boxy ellipses) with a gap in the disc beside it, spiral arms, inner
    ring, lens, clumps of young stars and neighbours; inclined, seen through a Gaussian point spread, with the
    sky's noise.

    Parameters
    ----------
    n : int
    barred_share : float
        Chance that a galaxy has a bar.
    side : int
        Pixels; the galaxy has the same share of the image whatever it is.
    random_state : int

    Returns
    -------
    Galaxies

    Raises
    ------
    AgnError
        For fewer than one galaxy, a share outside 0 to 1, or a side below 16 pixels.
    """
    if n < 1 or not 0 <= barred_share <= 1 or side < 16:
        raise AgnError(
            "n must be at least 1, barred_share 0 to 1 and side at least 16 pixels; "
            f"got {n}, {barred_share} and {side}."
        )
    rng = np.random.default_rng(random_state)
    truth = _draw_galaxies(n, barred_share, rng)
    images = np.empty((n, side, side), dtype=np.float32)
    visible = np.zeros(n)
    for number, galaxy in enumerate(truth.to_dict("records")):
        images[number], visible[number] = _render(galaxy, side, np.random.default_rng(galaxy["seed"]))
    return Galaxies(images, _ask_volunteers(truth.drop(columns="seed"), visible, rng))


def draw_angular_sizes(n, *, random_state=0):
    """Sizes of galaxies on the sky (n,), in units of their median; they scatter as those of Hoyle et al."""
    return np.exp(HOYLE_ANGULAR_SCATTER * np.random.default_rng(random_state).standard_normal(n))


def prepare_image(image, *, stretch=3.0):
    """Scale images to the mean of what is bright and compress them: asinh, as survey pictures do.

    Parameters
    ----------
    image : (..., height, width) array
        Sky subtracted, in any unit.
    stretch : float
        Brightness, in units of the mean over the galaxy, up to which the scale is linear, inverted.

    Returns
    -------
    (..., height, width) float32 array
        About 1 at the mean brightness within R90.

    Raises
    ------
    AgnError
        For an image that is not finite, or has no light.
    """
    image = np.asarray(image, dtype=float)
    if not np.isfinite(image).all():
        raise AgnError(f"an image must be finite; {np.sum(~np.isfinite(image))} pixels are not; fill them.")
    y, x = _coordinates(image.shape[-1], image.shape[-2])
    inside = np.hypot(x, y) < RADIUS
    level = image[..., inside].mean(axis=-1)[..., None, None]
    if not (level > 0).all():
        raise AgnError("an image must have light within its 90 % radius; it is blank or its sky is too high.")
    return (np.arcsinh(stretch * image / level) / np.arcsinh(stretch)).astype(np.float32)


def subtract_profile(images):
    """What of images deviates from round: the mean over each circle about the centre is subtracted.

    Networks see these: in the image itself the steep profile of a galaxy, which says nothing of a bar, is
    what differs most from one galaxy to another.

    Parameters
    ----------
    images : (..., height, width) array

    Returns
    -------
    (..., height, width) float32 array
    """
    images = np.asarray(images, dtype=np.float32)
    height, width = images.shape[-2:]
    y, x = _coordinates(width, height)
    circle = np.rint(np.hypot(y, x) * height / SIDE).astype(int).ravel()
    flat = images.reshape(-1, height * width)
    means = np.stack([np.bincount(circle, pixels) for pixels in flat])
    means /= np.bincount(circle).clip(1)
    return (flat - means[:, circle]).astype(np.float32).reshape(images.shape)


def _coordinates(width, height=None):
    """Rows and columns from the centre in the units of a frame of `SIDE` pixels, (height, width) each."""
    height = width if height is None else height
    y, x = np.mgrid[:height, :width].astype(float)
    return (y - (height - 1) / 2) * SIDE / height, (x - (width - 1) / 2) * SIDE / width


def _draw_galaxies(n, barred_share, rng):
    """What is drawn of every galaxy before it is rendered; lengths in pixels of a frame of `SIDE`."""
    first, second = rng.multivariate_normal([0, 0], [[1, HOYLE_CORRELATION], [HOYLE_CORRELATION, 1]], n).T
    length = np.exp(HOYLE_LENGTH[0] + HOYLE_LENGTH[1] * first).clip(0.12, 1.2)
    is_barred = rng.random(n) < barred_share
    arms = rng.choice([0, 2, 2, 2, 3, 4], n)
    frame = {
        "is_barred": is_barred,
        "length_in_disc": np.where(is_barred, length, np.nan),
        # Of the bars of Gadotti (2011, MNRAS 415, 3308) the median has 10 % of the light.
        "strength": np.where(is_barred, np.exp(rng.normal(np.log(0.10), 0.55, n)).clip(0.015, 0.35), 0.0),
        "bar_ratio": rng.normal(0.25, 0.07, n).clip(0.12, 0.5),
        "bar_shape": rng.uniform(2.0, 3.5, n),
        "bar_index": rng.uniform(0.5, 1.5, n),
        "bar_angle": rng.uniform(0, np.pi, n),
        "size": np.exp(HOYLE_SIZE[0] + HOYLE_SIZE[1] * second),
        # An exponential disc has 90 % of its light within 3.9 scale lengths; bulges and errors scatter it.
        "scale": RADIUS / 3.7 * np.exp(rng.normal(0, 0.12, n)),
        # Hoyle et al. took galaxies of axis ratio above one half.
        "cos_inclination": rng.uniform(0.5, 1.0, n),
        "node": rng.uniform(0, np.pi, n),
        "bulge": rng.beta(1.3, 6.0, n),
        "bulge_radius": rng.uniform(0.12, 0.4, n),
        "bulge_index": rng.uniform(1.0, 3.0, n),
        "bulge_ratio": rng.uniform(0.75, 1.0, n),
        "lens": np.where(rng.random(n) < 0.25, rng.uniform(0.03, 0.2, n), 0.0),
        "lens_radius": rng.uniform(1.0, 2.2, n),
        "lens_ratio": rng.uniform(0.55, 0.95, n),
        "lens_angle": rng.uniform(0, np.pi, n),
        "arms": arms,
        "arm_contrast": np.where(arms > 0, rng.uniform(0.1, 0.9, n), 0.0),
        "pitch": np.radians(rng.uniform(10, 35, n)),
        "arm_phase": rng.uniform(0, 2 * np.pi, n),
        "sense": rng.choice([-1, 1], n),
        "ring": np.where(rng.random(n) < 0.3, rng.uniform(0.02, 0.1, n), 0.0),
        "ring_radius": rng.uniform(0.8, 2.2, n),
        "n_clumps": rng.poisson(np.where(arms > 0, 8, 1)),
        "n_neighbours": rng.poisson(0.4, n),
        "seeing": rng.uniform(1.8, 3.6, n),
        "signal_to_noise": np.exp(rng.uniform(np.log(4), np.log(40), n)),
        "seed": rng.integers(2**63, size=n),
    }
    # Strong bars have taken the more of the disc around them (Kim et al. 2016, MNRAS 462, 3430).
    frame["gap"] = (4 * frame["strength"] * rng.uniform(0.5, 1.5, n)).clip(0, 0.8)
    truth = pd.DataFrame(frame)
    # A bar in the disc, seen from the side, is foreshortened across the line of nodes.
    across, along = np.sin(truth["bar_angle"]) * truth["cos_inclination"], np.cos(truth["bar_angle"])
    truth.insert(1, "length", truth["length_in_disc"] * np.hypot(across, along))
    angle = (np.arctan2(across, along) + truth["node"]) % np.pi
    truth.insert(2, "angle", np.where(is_barred, angle, np.nan))
    return truth


def _render(galaxy, side, rng):
    """The prepared image of a galaxy, and the share of the bar in the light where the bar is."""
    y, x = _coordinates(side)
    cos_node, sin_node = np.cos(galaxy["node"]), np.sin(galaxy["node"])
    # In the disc: u along the line of nodes, v across it, foreshortened on the sky.
    u, v_sky = cos_node * x + sin_node * y, -sin_node * x + cos_node * y
    v = v_sky / galaxy["cos_inclination"]
    radius, azimuth = np.hypot(u, v), np.arctan2(v, u)
    scale = galaxy["scale"]
    bar, bar_end = np.zeros_like(radius), 0.3 * scale
    if galaxy["is_barred"]:
        bar_end = galaxy["length_in_disc"] * RADIUS
        bar = _draw_bar(galaxy, u, v, bar_end)
    disc = np.exp(-radius / scale) * _draw_arms(galaxy, radius, azimuth, bar_end)
    disc *= 1 - galaxy["gap"] * np.exp(-((radius / bar_end) ** 4))
    ring_at = bar_end if galaxy["is_barred"] else galaxy["ring_radius"] * scale
    ring = np.exp(-0.5 * ((radius - ring_at) / (0.12 * ring_at + 0.4)) ** 2)
    cos_lens, sin_lens = np.cos(galaxy["lens_angle"]), np.sin(galaxy["lens_angle"])
    lens = _draw_ellipse(
        cos_lens * u + sin_lens * v,
        cos_lens * v - sin_lens * u,
        galaxy["lens_radius"] * scale,
        galaxy["lens_ratio"],
    )
    # Bulges are rounder than the disc they sit in.
    flattening = 0.5 * (1 + galaxy["cos_inclination"]) * galaxy["bulge_ratio"]
    bulge = _draw_sersic(
        np.hypot(u, v_sky / flattening), galaxy["bulge_radius"] * scale, galaxy["bulge_index"]
    )
    parts = {"bulge": bulge, "strength": bar, "ring": ring, "lens": lens}
    light = {name: galaxy[name] * part / max(part.sum(), 1e-12) for name, part in parts.items()}
    rest = max(1 - sum(galaxy[name] for name in parts), 0.3)
    total = sum(light.values()) + rest * disc / disc.sum()
    where = bar > 0
    visible = light["strength"][where].sum() / total[where].sum() if where.any() else 0.0
    total = total + _draw_points(galaxy, x, y, u, v, radius, total, rng)
    total = _blur(total, galaxy["seeing"] * side / SIDE)
    # The noise is that of the sky, said by the signal per pixel at two scale lengths.
    at_two = np.exp(-2.0) * rest / disc.sum()
    noise = at_two / galaxy["signal_to_noise"] * rng.standard_normal(total.shape)
    # Bars narrower than the point spread are harder to see.
    width = galaxy["bar_ratio"] * bar_end
    return prepare_image(total + noise), visible * np.clip(2 * width / galaxy["seeing"], 0, 1)


def _draw_bar(galaxy, u, v, end):
    """Surface density of a bar (Ferrers 1877) of boxy ellipses (Athanassoula et al. 1990): 0 beyond `end`."""
    cosine, sine = np.cos(galaxy["bar_angle"]), np.sin(galaxy["bar_angle"])
    along, across = cosine * u + sine * v, cosine * v - sine * u
    shape = galaxy["bar_shape"]
    m = np.abs(along / end) ** shape + np.abs(across / (galaxy["bar_ratio"] * end)) ** shape
    return (1 - m ** (2 / shape)).clip(0) ** galaxy["bar_index"]


def _draw_arms(galaxy, radius, azimuth, start):
    """By how much logarithmic arms, which begin at `start`, change the disc."""
    if not galaxy["arms"]:
        return 1.0
    winding = galaxy["sense"] * np.log(radius.clip(0.3) / start) / np.tan(galaxy["pitch"])
    phase = galaxy["arm_phase"]
    if galaxy["is_barred"] and galaxy["arms"] == 2:
        # Two arms begin where the bar ends.
        phase = 2 * galaxy["bar_angle"]
    wave = np.exp(2.0 * (np.cos(galaxy["arms"] * (azimuth - winding) - phase) - 1))
    return 1 + galaxy["arm_contrast"] * (4.0 * wave - 1.0) * expit((radius - start) / 0.8)


def _draw_ellipse(along, across, end, ratio):
    """A lens: nearly flat, with an edge."""
    return (1 - (along / end) ** 2 - (across / (ratio * end)) ** 2).clip(0) ** 0.5


def _draw_sersic(radius, effective, index):
    """Surface density of Sérsic's law, its peak softened by a third of a pixel."""
    b = 2 * index - 1 / 3 + 0.009876 / index
    return np.exp(-b * (np.hypot(radius, 0.33) / effective) ** (1 / index))


def _draw_points(galaxy, x, y, u, v, radius, total, rng):
    """Clumps of young stars where the disc is bright, and neighbours anywhere."""
    points = np.zeros_like(total)
    weight = (total * (radius < 3.5 * galaxy["scale"]) * (radius > 0.8 * galaxy["scale"])).ravel()
    if galaxy["n_clumps"] and weight.sum() > 0:
        for place in rng.choice(weight.size, galaxy["n_clumps"], p=weight / weight.sum()):
            near = np.exp(-0.5 * ((x - x.flat[place]) ** 2 + (y - y.flat[place]) ** 2) / 0.7**2)
            points += rng.exponential(0.004) * near / near.sum()
    for _ in range(galaxy["n_neighbours"]):
        column, row = rng.uniform(-SIDE / 2, SIDE / 2, 2)
        near = np.exp(-0.5 * ((x - column) ** 2 + (y - row) ** 2) / 0.5**2)
        if near.sum() > 0:
            points += rng.exponential(0.01) * near / near.sum()
    return points


def _blur(image, fwhm):
    """Through a Gaussian point spread, by Fourier transform; beyond the edges it goes on as at them."""
    side, margin = image.shape[0], int(np.ceil(1.5 * fwhm))
    image = np.pad(image, margin, mode="edge")
    size = next_fast_len(image.shape[0] + margin, real=True)
    frequency = np.fft.fftfreq(size)
    sigma = fwhm / np.sqrt(8 * np.log(2))
    row = np.exp(-2 * (np.pi * sigma * frequency) ** 2)
    spread = np.outer(row, row[: size // 2 + 1])
    blurred = irfft2(rfft2(image, (size, size)) * spread, (size, size))
    return blurred[margin : margin + side, margin : margin + side]


def _ask_volunteers(truth, visible, rng):
    """Votes and measured lengths, with the scatter of those of Galaxy Zoo and of Hoyle et al. (2011)."""
    seen = np.where(visible > 0, expit(np.log(visible.clip(1e-6) / _SEEN) / _SEEN_WIDTH), 0)
    # Elongated lenses are taken for bars now and then.
    wrongly = _SEEN_WRONGLY + 2 * truth["lens"] * (1 - truth["lens_ratio"])
    chance = (wrongly + (1 - wrongly) * 0.95 * seen).clip(0, 1)
    truth["votes"] = rng.binomial(_VOTERS, chance) / _VOTERS
    number = rng.choice(_MEASURERS, len(truth), p=_SHARES)
    scatter = np.interp(rng.random(len(truth)), list(HOYLE_SCATTER), list(HOYLE_SCATTER.values()))
    error = scatter * rng.standard_normal(len(truth)) / np.sqrt(number)
    truth["measured"] = truth["length"] * (1 + error)
    truth["n_measured"] = np.where(truth["is_barred"], number, 0)
    truth["visible"] = visible
    return truth
