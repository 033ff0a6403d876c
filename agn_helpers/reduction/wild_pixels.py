"""Wild pixels: cosmic rays and defects that the reduction of an archive left in, found by their sharp edges.

What a spectrograph lets through is no sharper than its line spread function.  Light that comes and goes
within three pixels, with an edge that no such function has, is none of the object's, however strong it is.
"""

import itertools

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
    return find_wild_of_many([flux], [ivar]).get(0, np.zeros(len(flux), bool))


def find_wild_of_many(fluxes, ivars):
    """`find_wild_pixels` of any number of spectra, each of its own length; a dict by number, where any.

    fluxes, ivars : sequences of (n_pixels,) arrays, single or double precision
    """
    found: dict = {}
    steep = [number for number, spectrum in enumerate(zip(fluxes, ivars)) if _find_edges(*spectrum).any()]
    looked_at = [(number, np.flatnonzero(ivars[number] > 0)) for number in steep]
    # A wild pixel may hide another: what is found is taken out, and the rest is looked at again.
    for _ in range(WIDEST):
        looked_at = [(number, good) for number, good in looked_at if good.size > _AROUND]
        if not looked_at:
            break
        parts = [(fluxes[number][good], ivars[number][good], good) for number, good in looked_at]
        again = []
        for (number, good), wild in zip(looked_at, _find_once(parts)):
            if wild.any():
                found.setdefault(number, np.zeros(len(fluxes[number]), bool))[good[wild]] = True
                again.append((number, good[~wild]))
        looked_at = again
    return found


def middle(values):
    """The median of finite numbers, far faster for few than NumPy's, which looks for NaN."""
    half = len(values) // 2
    ordered = np.partition(values, (half - 1, half))
    return ordered[half] if len(values) % 2 else 0.5 * (ordered[half - 1] + ordered[half])


def _find_edges(flux, ivar):
    """Steps from a pixel to the next that may be a wild pixel's edge, which each has at least one of."""
    with np.errstate(all="ignore"):
        step, size = flux[1:] - flux[:-1], np.minimum(ivar[1:], ivar[:-1])
        size *= step
        size *= step
    # A little less than `_are_wild` asks for, which rounds otherwise; what is no number is looked at.
    return ~(size < (1 - 1e-3) * 2 * (_STEEPEST * _LEAST_PEAK + _LEAST_STEP) ** 2)


def _find_once(parts):
    """Which of the good pixels of spectra, each a tuple of flux, ivar and number, are wild: bool arrays."""
    laid = [_continue(*part) for part in parts]
    flux, ivar, number = map(np.concatenate, zip(*laid))
    ends = np.cumsum([0, *(len(each) for each, *_ in laid)])
    wild, edges = np.zeros(flux.shape, bool), np.flatnonzero(_find_edges(flux, ivar))
    # A run begins with an edge, or ends with one.
    signs = np.sign(flux[edges + 1] - flux[edges])
    signs, spectrum = np.concatenate([signs, -signs]), np.searchsorted(ends, edges, side="right") - 1
    first, last = (np.tile(ends[spectrum + which], 2) for which in (0, 1))
    for width in range(1, WIDEST + 1):
        starts = np.concatenate([edges + 1, edges - width + 1])
        inside = (starts >= first + 2) & (starts <= last - width - 2)
        starts = starts[inside]
        windows = [values[starts[:, None] + np.arange(-2, width + 2)] for values in (flux, ivar, number)]
        for place in starts[_are_wild(signs[inside], *windows)]:
            wild[place : place + width] = True
    return [wild[first + 2 : last - 2] for first, last in itertools.pairwise(ends)]


def _continue(flux, ivar, number):
    """Two pixels more beyond either end, across a gap: of the level of the pixels next to it."""
    level = [middle(part) for part in (flux[:_AROUND], flux[-_AROUND:])]
    ends = level, ivar[[0, -1]], number[[0, -1]]
    return [
        np.concatenate([[first] * 2, values, [last] * 2], dtype=values.dtype)
        for (first, last), values in zip(ends, (flux, ivar, number))
    ]


def _are_wild(signs, flux, ivar, number):
    """Which runs, up or down by `signs` (n,), come and go within one pixel on either side.

    flux, ivar, number : (n, width + 4) arrays
        Of the run and two pixels beside it; a gap is where numbers do not follow each other.
    """
    # Of numbers near the largest there are, sums would be infinite; a power of two rounds nothing.
    scale = 2.0 ** -np.clip(np.frexp(np.abs(flux).max(axis=1))[1], -1000, 1000)
    around = flux.astype(float) * (signs * scale)[:, None]
    with np.errstate(all="ignore"):
        noise = np.clip(1 / np.sqrt(ivar.min(axis=1).astype(float)) * scale, 1e-100, 1e100) * np.sqrt(2)
    beside_2, beside_1, inside, after_1, after_2 = (around[:, part] for part in (0, 1, slice(2, -2), -2, -1))
    # Across a gap, or an end, nothing is known of an edge: a line may fall as far within it.
    gap_before, gap_after = number[:, 2] - number[:, 1] != 1, number[:, -2] - number[:, -3] != 1
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
