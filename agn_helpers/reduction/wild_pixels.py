"""Wild pixels: cosmic rays and defects that the reduction of an archive left in, found by their sharp edges.

What a spectrograph lets through is no sharper than its line spread function.  Light that comes and goes
within three pixels, with an edge that no such function has, is none of the object's, however strong it is.
"""

import numpy as np

#: Widest run of wild pixels that is looked for.
WIDEST = 3

# The largest step from pixel to pixel, in units of its peak, of a line of a full width at half maximum of 2.2
# pixels, wherever its centre lies: 0.65. SDSS's have 2.4 pixels and 0.59; of narrower ones the foot tells.
_STEEPEST = 0.65

# A step must exceed that by this many standard deviations, and the peak the level around by the second.
_LEAST_STEP, _LEAST_PEAK = 4.0, 8.0

# The step beside such an edge, in units of the edge: that of a line of 2 pixels is 0.37, of 1.75 pixels 0.25.
_FOOT = 0.25

# Pixels whose median is the level beyond an end.
_AROUND = 15


def find_wild_pixels(flux, ivar):
    """Pixels that neither light through a spectrograph nor noise explains.

    Parameters
    ----------
    flux, ivar : (n_pixels,) arrays
        As observed, in order of wavelength, before they are resampled; pixels with ivar 0 are not looked at.

    Returns
    -------
    (n_pixels,) bool array
    """
    found, good = np.zeros(flux.shape, bool), np.flatnonzero(ivar > 0)
    if good.size <= _AROUND or _is_smooth(flux[good], ivar[good]):
        return found
    # A wild pixel may hide another: what is found is taken out, and the rest is looked at again.
    for _ in range(WIDEST):
        if good.size <= _AROUND:
            break
        wild = _find_once(flux[good], ivar[good], np.diff(good) > 1)
        if not wild.any():
            break
        found[good[wild]] = True
        good = good[~wild]
    return found


def middle(values):
    """The median of a few finite numbers, ten times as fast as NumPy's, which looks for NaN."""
    ordered, half = np.sort(values), len(values) // 2
    return ordered[half] if len(values) % 2 else 0.5 * (ordered[half - 1] + ordered[half])


def _is_smooth(flux, ivar):
    """Whether no step from pixel to pixel, or to the level beyond an end, is that of a wild pixel's edge."""
    ends = [np.abs(part[0] - middle(part)) for part in (flux[:_AROUND], flux[: -_AROUND - 1 : -1])]
    steps = np.concatenate([ends[:1], np.abs(flux[1:] - flux[:-1]), ends[1:]])
    least = np.concatenate([ivar[:1], np.minimum(ivar[1:], ivar[:-1]), ivar[-1:]])
    # A little less than `_find_once` asks for, which rounds otherwise.
    with np.errstate(all="ignore"):
        return bool(
            (steps * steps * least).max() < (1 - 1e-6) * 2 * (_STEEPEST * _LEAST_PEAK + _LEAST_STEP) ** 2
        )


def _find_once(flux, ivar, gaps):
    # Of numbers near the largest there are, sums would be infinite.
    scale = np.median(np.abs(flux)) or 1.0
    with np.errstate(all="ignore"):
        flux = np.clip(flux / scale, -1e100, 1e100)
        sigma = np.clip(1 / np.sqrt(ivar) / scale, 1e-100, 1e100)
    # Beyond the ends the level is that of the pixels next to them.
    ends = [np.full(2, middle(part)) for part in (flux[:_AROUND], flux[-_AROUND:])]
    flux = np.concatenate([ends[0], flux, ends[1]])
    sigma = np.concatenate([sigma[[0, 0]], sigma, sigma[[-1, -1]]])
    gaps, wild = np.concatenate([[True] * 2, gaps, [True] * 2]), np.zeros(flux.shape, bool)
    # Few edges are as steep as those of any wild pixel; a run begins with one, or ends with one.
    step = np.diff(flux)
    noise = np.sqrt(2) * np.maximum(sigma[1:], sigma[:-1])
    edges = np.flatnonzero(np.abs(step) > (_STEEPEST * _LEAST_PEAK + _LEAST_STEP) * noise)
    signs_of_edges = np.sign(step[edges])
    for width in range(1, WIDEST + 1) if edges.size else ():
        starts = np.concatenate([edges + 1, edges - width + 1])
        signs = np.concatenate([signs_of_edges, -signs_of_edges])
        inside = (starts >= 2) & (starts <= flux.size - width - 2)
        starts, signs = starts[inside], signs[inside]
        for place in starts[_are_wild(flux, signs, sigma, gaps, starts, width)]:
            wild[place : place + width] = True
    return wild[2:-2]


def _are_wild(flux, signs, sigma, gaps, starts, width):
    """Which runs of `width` pixels, up or down by `signs`, come and go within one pixel on either side."""
    window = starts[:, None] + np.arange(-2, width + 2)
    around, noise = signs[:, None] * flux[window], sigma[window].max(axis=1) * np.sqrt(2)
    beside_2, beside_1, inside, after_1, after_2 = (
        around[:, part] for part in (0, 1, slice(2, 2 + width), 2 + width, 3 + width)
    )
    # Across a gap, or an end, nothing is known of an edge: a line may fall as far within it.
    gap_before, gap_after = gaps[starts - 1], gaps[starts + width - 1]
    step = np.maximum(
        np.where(gap_before, 0, inside[:, 0] - beside_1), np.where(gap_after, 0, inside[:, -1] - after_1)
    )
    peak = inside.max(axis=1) - np.minimum(beside_1, after_1)
    lowest = inside.min(axis=1) - np.maximum(beside_1, after_1)
    # A line has a foot: the steps beside its steepest one are nearly as steep.
    foot = np.maximum(
        np.where(gap_before, 0, np.abs(beside_1 - beside_2)),
        np.where(gap_after, 0, np.abs(after_2 - after_1)),
    )
    sharp = (step - _STEEPEST * peak > _LEAST_STEP * noise) & (peak > _LEAST_PEAK * noise)
    return sharp & (foot < _FOOT * step + noise) & (lowest > _FOOT * step)
