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

_STEEP = _STEEPEST * _LEAST_PEAK + _LEAST_STEP

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
    """`find_wild_pixels` of any number of spectra, each of its own length: a dict, by number, of those with any.

    fluxes, ivars : sequences of (n_pixels,) arrays, single or double precision
    """
    found: dict = {}
    steep = [number for number, spectrum in enumerate(zip(fluxes, ivars)) if _has_edges(*spectrum)]
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
    """The median of a few finite numbers, ten times as fast as NumPy's, which looks for NaN."""
    ordered, half = np.sort(values), len(values) // 2
    return ordered[half] if len(values) % 2 else 0.5 * (ordered[half - 1] + ordered[half])


def _has_edges(flux, ivar):
    """Whether any step between good neighbours may be a wild pixel's edge, which each has at least one of."""
    with np.errstate(all="ignore"):
        step, least = flux[1:] - flux[:-1], np.minimum(ivar[1:], ivar[:-1])
        least *= step
        least *= step
    # A little less than `_find_once` asks for, which rounds otherwise; what is no number is looked at.
    return not least.max(initial=0) < (1 - 1e-3) * 2 * _STEEP**2


def _find_once(parts):
    """Wild pixels, as a list of bool arrays, among the good ones of spectra: flux, ivar, number of the pixel."""
    laid = [_lay_out(*part) for part in parts]
    flux, sigma, gaps = map(np.concatenate, zip(*laid))
    ends = np.cumsum([0, *(len(each) for each, _, _ in laid)])
    wild = np.zeros(flux.shape, bool)
    # Few edges are as steep as those of any wild pixel; a run begins with one, or ends with one.
    step = np.diff(flux)
    edges = np.flatnonzero(np.abs(step) > _STEEP * np.sqrt(2) * np.maximum(sigma[1:], sigma[:-1]))
    spectrum = np.searchsorted(ends, edges, side="right") - 1
    # From one spectrum to the next there is none.
    within = edges + 1 < ends[spectrum + 1]
    edges, spectrum = edges[within], np.tile(spectrum[within], 2)
    signs = np.concatenate([np.sign(step[edges]), -np.sign(step[edges])])
    for width in range(1, WIDEST + 1):
        starts = np.concatenate([edges + 1, edges - width + 1])
        inside = (starts >= ends[spectrum] + 2) & (starts <= ends[spectrum + 1] - width - 2)
        starts = starts[inside]
        for place in starts[_are_wild(flux, signs[inside], sigma, gaps, starts, width)]:
            wild[place : place + width] = True
    return [wild[first + 2 : last - 2] for first, last in zip(ends[:-1], ends[1:])]


def _lay_out(flux, ivar, number):
    """Flux and error of a spectrum's good pixels, two of the level around beyond either end, and the gaps."""
    # Of numbers near the largest there are, sums would be infinite; a power of two rounds nothing.
    scale = 2.0 ** -np.clip(np.frexp(np.abs(flux).max())[1], -1000, 1000)
    flux = flux.astype(float) * scale
    with np.errstate(all="ignore"):
        sigma = np.clip(1 / np.sqrt(ivar.astype(float)) * scale, 1e-100, 1e100)
    level = [np.full(2, middle(part)) for part in (flux[:_AROUND], flux[-_AROUND:])]
    return (
        np.concatenate([level[0], flux, level[1]]),
        np.concatenate([sigma[[0, 0]], sigma, sigma[[-1, -1]]]),
        # After each pixel.
        np.concatenate([[True] * 2, np.diff(number) > 1, [True] * 3]),
    )


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
