"""Simulated radio galaxies as VLA FIRST sees them: FR I fade outwards, FR II end in hot spots.

A source is a few hundred round blobs along two jets, each of which belongs to a part of known name.  Fluxes
and noise have one distribution for both classes, so that brightness does not tell them apart; the smallest
sources are FR II, because fading takes more beams to be seen.  Beam, noise, fluxes and sizes are those of
unlabelled FIRST images; what FR I and FR II look like comes from their definition.
Fanaroff & Riley (1974) define the classes by where the brightest regions lie: nearer to the centre than to
the ends (FR I, edge-darkened) or nearer to the ends (FR II, edge-brightened).
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.ndimage import gaussian_filter
from sklearn.utils import check_random_state
from tqdm import tqdm

from ..errors import AgnError

#: Names of the classes, in the order of labels 0 and 1.
RADIO_CLASSES = ("FR I", "FR II")

#: Parts of a source, by the numbers of `RadioSample.part` from 1 on; 0 is where there is no emission.
RADIO_PARTS = ("core", "inner jet", "plume", "lobe", "hot spot", "unrelated")

#: Parts that define each class.
DEFINING_PARTS = {"FR I": ("core", "inner jet"), "FR II": ("hot spot",)}

#: Of VLA FIRST (Becker, White & Helfand 1995): arcsec a pixel, beam (FWHM, arcsec), noise (mJy a beam).
PIXEL, BEAM, NOISE = 1.8, 5.4, 0.145

#: Pixels on a side.
N_PIXELS = 150

_SIGMA = BEAM / np.sqrt(8 * np.log(2))

# Arcsec from the middle.
_PLACES = (np.arange(N_PIXELS) - (N_PIXELS - 1) / 2) * PIXEL

# Residual sidelobes of a bright source, as a share of its peak: measured on unlabelled FIRST images.
_SIDELOBES = 2.2e-4

# Least and median length from end to end (arcsec), and its scatter (natural logarithm).  A double is told by
# two beams between its hot spots; that jets fade is seen over five or more, which is why catalogues of FR I
# hold no smaller ones.  What is seen of both above the noise is as large as in unlabelled FIRST images.
_LENGTHS = {"FR I": (32.0, 85.0, 0.6), "FR II": (9.0, 42.0, 0.8)}

# Sigma (arcsec) of the bowl in which an interferometer without short spacings leaves extended emission.
_BOWL = 60.0

# Of the brightest pixel within so many arcsec of the middle.
_LEAST_SNR, _MIDDLE = 8, 54.0

# Steps along a jet.
_STEPS = 40


@dataclasses.dataclass(frozen=True)
class RadioSample:
    """Simulated sources and their truth.

    Attributes
    ----------
    images : (n, 150, 150) float32 array
        mJy a beam, 1.8 arcsec a pixel.
    label : (n,) int array
        0 for FR I, 1 for FR II.
    part : (n, 150, 150) uint8 array
        Which part is brightest in each pixel, from 1 in the order of `RADIO_PARTS`; 0 where the source is
        fainter than the noise.
    truth : dict of (n,) arrays
        ``length`` (arcsec, end to end along the jets), ``flux`` (mJy), ``peak_snr`` and ``middle_snr`` (of
        the brightest pixels of all and near the middle), ``bending`` (degrees),
        ``fr_ratio`` (distance between the brightest regions on both sides over the length).
    """

    images: np.ndarray
    label: np.ndarray
    part: np.ndarray
    truth: dict

    def __len__(self):
        return len(self.images)


def simulate_radio(n_sources, *, brighter=1.0, random_state=0, title="radio galaxies"):
    """Simulate FR I and FR II radio galaxies, half of each.

    Parameters
    ----------
    n_sources : int
    brighter : float
        How much brighter the peaks of FR II are: 1 gives no shortcut to the class, 10 the one that published
        training sets have.
    random_state : int, RandomState or None
    title : str or None
        Of the progress bar, which shows after two seconds.

    Returns
    -------
    RadioSample

    Raises
    ------
    AgnError
        For fewer than two sources, or a ratio that is not positive.
    """
    if not (np.isfinite(brighter) and brighter > 0):
        raise AgnError(f"brighter must be a positive ratio; got {brighter}.")
    if n_sources < 2:
        raise AgnError(f"n_sources must be at least 2, one of each class; got {n_sources}.")
    random = check_random_state(random_state)
    label = random.permutation(np.arange(n_sources) % 2)
    images = np.empty((n_sources, N_PIXELS, N_PIXELS), np.float32)
    part = np.empty(images.shape, np.uint8)
    rows = []
    for number in tqdm(range(n_sources), desc=title, unit="source", delay=2, disable=None if title else True):
        ratio, middle = brighter ** (0.5 if label[number] else -0.5), 0.0
        # What shows nothing within an arcminute of its position is in no catalogue.
        while middle < _LEAST_SNR:
            blobs, truth = _draw_fr2(random) if label[number] else _draw_fr1(random)
            images[number], part[number], more = _observe(blobs, ratio, random)
            middle = more["middle_snr"]
        rows.append({**truth, **more})
    return RadioSample(images, label, part, {key: np.array([row[key] for row in rows]) for key in rows[0]})


class _Blobs:
    """Round Gaussians: x, y, sigma (arcsec), flux (any unit), part."""

    def __init__(self):
        self.rows = []

    def add(self, x, y, sigma, flux, part):
        x, y, sigma, flux = np.broadcast_arrays(x, y, sigma, flux)
        number = np.full(x.shape, RADIO_PARTS.index(part))
        self.rows.append(np.column_stack([np.ravel(each) for each in (x, y, sigma, flux, number)]))

    def stack(self):
        return np.concatenate(self.rows)


def _draw_length(random, least, median, scatter):
    """End to end, arcsec."""
    return float(np.clip(np.exp(random.normal(np.log(median), scatter)), least, 180))


def _draw_arms(random, length, *, uneven, bending):
    """Paths of two jets from the core: s (steps,), and for each x, y, heading and length; degrees of bending.

    Bending turns both jets the same way in the sky (a wide-angle or narrow-angle tail) or, as precession
    does, opposite ways.
    """
    s = (np.arange(_STEPS) + 0.5) / _STEPS
    ratio = np.exp(random.normal(0, uneven))
    lengths = length * np.array([ratio, 1]) / (1 + ratio)
    angle = random.uniform(0, 2 * np.pi)
    is_tail = random.uniform() < 0.6
    where = random.uniform(0.2, 1.5)
    paths = []
    for side, arm in zip((0, np.pi), lengths):
        turn = bending * np.exp(random.normal(0, 0.4))
        sign = -1 if is_tail and side else 1
        wiggle = random.normal(0, 0.12) * np.sin(
            2 * np.pi * (s * random.uniform(0.5, 1.5) + random.uniform())
        )
        heading = angle + side + random.normal(0, 0.07) + sign * np.radians(turn) * s**where + wiggle
        x, y = (np.cumsum(part(heading)) * arm / _STEPS for part in (np.cos, np.sin))
        paths.append((x, y, heading, arm))
    return s, paths


def _ripple(random, scale):
    """Lognormal brightness along a jet: knots some steps long."""
    rough = gaussian_filter(random.normal(size=_STEPS), random.uniform(0.7, 4.0), mode="nearest")
    return np.exp(scale * rough / max(rough.std(), 1e-9))


def _spread(random, blobs, path, width, flux, part, copies=5):
    """Blobs of a flux a step scattered across a path within `width` (sigma, arcsec)."""
    x, y, heading, _ = path
    across = random.normal(size=(copies, _STEPS)) * 0.7 * width
    along = random.normal(size=(copies, _STEPS)) * 0.35 * width
    blobs.add(
        x - across * np.sin(heading) + along * np.cos(heading),
        y + across * np.cos(heading) + along * np.sin(heading),
        np.broadcast_to(0.65 * width, (copies, _STEPS)),
        flux / copies * np.exp(random.normal(0, 0.35, (copies, _STEPS))),
        part,
    )


def _draw_fr1(random):
    """Jets brightest near the core, fading into plumes that widen and bend."""
    length = _draw_length(random, *_LENGTHS["FR I"])
    bending = abs(random.normal(0, 40)) if random.uniform() < 0.7 else random.uniform(40, 120)
    s, paths = _draw_arms(random, length, uneven=0.22, bending=bending)
    blobs, ratio, total = _Blobs(), 0.0, 0.0
    flare = random.uniform(0.03, 0.46)
    decline = random.uniform(0.8, 3.5)
    floor = random.uniform(0.0, 1.0)
    opening = random.uniform(0.05, 0.35)
    lumps = random.uniform(0.1, 0.7)
    for path, bright in zip(paths, np.exp(random.normal(0, 0.28, 2))):
        own = np.clip(flare * np.exp(random.normal(0, 0.2)), 0.02, 0.48)
        rising = floor + (1 - floor) * s / own
        surface = np.where(s < own, rising, (s / own) ** -decline)
        # Knots are no brighter than where the jet is brightest: that is what makes it an FR I.
        surface = np.minimum(surface * _ripple(random, lumps), np.maximum(surface, 0.75))
        width = path[3] * (0.015 + opening * np.minimum(s, 0.3 + 0.5 * s))
        flux = bright * surface * (0.4 * width + 0.6 * width.mean()) * path[3]
        inner = s < max(1.6 * own, 0.15)
        _spread(random, blobs, path, width, np.where(inner, flux, 0), "inner jet")
        _spread(random, blobs, path, width, np.where(inner, 0, flux), "plume")
        total += flux.sum()
        ratio += own * path[3] / length
    share = np.clip(np.exp(random.normal(np.log(0.08), 1.1)), 0.002, 0.6)
    blobs.add(0.0, 0.0, 0.1, total * share / (1 - share), "core")
    return blobs, {"length": length, "bending": bending, "fr_ratio": ratio}


def _draw_fr2(random):
    """Hot spots at the ends of two lobes that fade towards a weak core."""
    length = _draw_length(random, *_LENGTHS["FR II"])
    bending = abs(random.normal(0, 15))
    s, paths = _draw_arms(random, length, uneven=0.2, bending=bending)
    blobs, ratio = _Blobs(), 0.0
    sides = np.exp(random.normal(0, 0.35, 2))
    fatness = random.uniform(0.06, 0.24)
    reach = random.uniform(0.0, 0.85)
    slope = random.uniform(0.3, 2.0)
    compact = random.beta(1.1, 2.2)
    lumps = random.uniform(0.1, 0.45)
    for path, bright in zip(paths, sides):
        x, y, heading, arm = path
        spot = np.clip(compact + random.normal(0, 0.1), 0.08, 0.92)
        start = np.clip(reach + random.normal(0, 0.08), 0, 0.9)
        filled = np.clip((s - start) / (1 - start), 0, None) ** slope * _ripple(random, lumps)
        # Backflow is widest behind the head.
        width = arm * fatness * (0.5 + 0.7 * np.clip((1 - s) / (1 - start), 0, 1) ** 0.5)
        _spread(random, blobs, path, width, bright * (1 - spot) * filled / filled.sum(), "lobe")
        place = int(np.clip((1 - abs(random.normal(0, 0.06))) * _STEPS, 0, _STEPS - 1))
        size = np.clip(arm * random.uniform(0.01, 0.08), 0.2, 4.0)
        second = random.uniform(0, 0.5) if random.uniform() < 0.35 else 0.0
        blobs.add(x[place], y[place], size, bright * spot * (1 - second), "hot spot")
        if second:
            back, aside = place - int(random.uniform(2, 9)), random.normal(0, 0.08) * arm
            x2, y2 = x[back] - aside * np.sin(heading[back]), y[back] + aside * np.cos(heading[back])
            blobs.add(x2, y2, 1.5 * size, bright * spot * second, "hot spot")
        if random.uniform() < 0.4:
            jet = sides.sum() * random.uniform(0.005, 0.06) * _ripple(random, 0.5) / _STEPS
            _spread(random, blobs, path, 0.01 * arm + 0.2, np.where(s < 0.7, jet, 0), "inner jet", copies=1)
        ratio += arm * (place + 0.5) / _STEPS / length
    share = np.clip(np.exp(random.normal(np.log(0.015), 1.1)), 0.0003, 0.15)
    blobs.add(0.0, 0.0, 0.1, sides.sum() * share / (1 - share), "core")
    return blobs, {"length": length, "bending": bending, "fr_ratio": ratio}


def _draw_unrelated(random, peak):
    """Sources of the field: many faint ones, few as bright as the source itself."""
    blobs = _Blobs()
    for _ in range(random.poisson(0.8)):
        x, y = random.uniform(-N_PIXELS / 2, N_PIXELS / 2, 2) * PIXEL
        if np.hypot(x, y) < 35:
            continue
        flux = min(5 * NOISE * random.uniform() ** -1.3, 2 * peak)
        blobs.add(x, y, 0.3, flux, "unrelated")
        if random.uniform() < 0.35:
            dx, dy = random.normal(0, 7, 2)
            blobs.add(x + dx, y + dy, random.uniform(0.3, 4), flux * random.uniform(0.2, 1), "unrelated")
    return blobs


def _observe(blobs, ratio, random):
    """Image (mJy a beam), part map and what else is true of the blobs as FIRST sees them."""
    source = blobs.stack()
    where = random.normal(0, 1.0, 2)
    source[:, :2] += where
    maps = _render(source)
    peak = ratio * NOISE * np.clip(np.exp(random.normal(np.log(200), 1.4)), 15, 10_000)
    factor = peak / maps.sum(axis=0).max()
    maps *= factor
    unrelated = _draw_unrelated(random, peak)
    if unrelated.rows:
        maps += _render(unrelated.stack())
    whole = maps.sum(axis=0)
    noise = gaussian_filter(random.normal(size=whole.shape), _SIGMA / PIXEL, mode="wrap")
    sigma = np.hypot(NOISE, _SIDELOBES * whole.max())
    part = np.where(whole > sigma, 1 + maps.argmax(axis=0), 0)
    truth = {"flux": source[:, 3].sum() * factor, "peak_snr": peak / sigma}
    truth["middle_snr"] = whole[np.hypot(_PLACES[:, None], _PLACES) < _MIDDLE].max() / sigma
    return whole + noise * (sigma / noise.std()), part, truth


def _render(blobs):
    """Brightness (n_parts, 150, 150) a beam of blobs seen by the beam."""
    maps = np.zeros((len(RADIO_PARTS), N_PIXELS, N_PIXELS))
    for number in range(len(RADIO_PARTS)):
        x, y, sigma, flux = blobs[blobs[:, 4] == number, :4].T
        variance = sigma[:, None] ** 2 + _SIGMA**2
        columns = np.exp(-((_PLACES - x[:, None]) ** 2) / (2 * variance))
        rows = np.exp(-((_PLACES - y[:, None]) ** 2) / (2 * variance)) * flux[:, None] * _SIGMA**2 / variance
        maps[number] = rows.T @ columns
        wide = np.exp(-(_PLACES**2) / (2 * _BOWL**2)) * _SIGMA / _BOWL
        maps[number] -= flux.sum() * np.outer(wide, wide)
    return maps
