"""How attributions look: colours and their scale, smoothing, fading, the strip that says them by height."""

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize

from ..errors import AgnError
from ..lines import SPEED_OF_LIGHT
from ..saliency import CORE, WINGS
from .style import current_theme

#: What raises a probability, what lowers it: no colour of a type, and apart from all of them also for
#: colour-blind eyes.
RAISES, LOWERS = "#0B6B2E", "#4A1A9C"

#: How sentences call the two.
COLOUR_WORDS = {"raises": "green", "lowers": "purple"}

#: Purple lowers, green raises; the middle is nearly white. Lines have a grey outline, so that they show on
#: white paper; what is not significant is grey.
SALIENCY_COLOURS = LinearSegmentedColormap.from_list(
    "saliency", ["#2A0D66", LOWERS, "#9A7FD6", "#E6E6E6", "#66B783", RAISES, "#043A17"]
).with_extremes(bad="#bdbdbd")

#: The same on a dark ground, where strength is brightness.
SALIENCY_ON_DARK = LinearSegmentedColormap.from_list(
    "saliency_on_dark", ["#D6C8FF", "#B8A0FF", "#7C5FD0", "#3A3A3A", "#2F8F52", "#7DE0A0", "#C4F7D6"]
).with_extremes(bad="#6A6A6A")

#: Attributions nearer to zero than so many times their uncertainty fade.
SIGNIFICANT = 2.0

#: Attributions nearer to zero than this are not coloured, by what they are. In ln P, P or a margin by flux
#: it is what moves the number by 0.003 where a tenth of the continuum comes or goes on 100 pixels; of other
#: methods, whose maps add up to the number, as much in all on 1000 pixels.
FLOORS = {"∂": 3e-4, "pixel": 3e-6}

#: Windows of a line: inner and outer velocity (km/s) on both sides.
WINDOWS = {"core": (0.0, CORE), "wings": WINGS}


_METHOD_NAMES = {"smoothgrad": "SmoothGrad", "lime": "LIME", "shap": "SHAP"}


def say_method(name):
    """How figures and pages call a method of `agn_helpers.saliency.METHODS`."""
    return _METHOD_NAMES.get(name, str(name).replace("_", " ").replace(" - ", " − "))


def saliency_colours():
    """The colours of attributions on the ground of the figures that are made now."""
    return SALIENCY_ON_DARK if current_theme().is_dark else SALIENCY_COLOURS


def full_colour(attribution):
    """Attribution (1/flux) that gets the full colour: that of the 1 % strongest, or 1 where all are zero."""
    return float(map_scales(np.asarray(attribution)[None])[0])


def map_scales(attributions):
    """Scales (n_spectra,) of maps (n_spectra, n_grid), each as in `full_colour`."""
    scales = np.percentile(np.abs(attributions), 99, axis=1)
    return np.where(scales > 0, scales, 1.0)


def smooth_map(wavelength, values, width):
    """Running mean of values (..., n_grid) over `width` km/s; at the ends over as much as there is.

    Raises AgnError for a width that is not positive.
    """
    if not (np.isfinite(width) and width > 0):
        raise AgnError(f"smooth must be a positive number of km/s; got {width}.")
    half = np.exp(0.5 * width / SPEED_OF_LIGHT)
    first = np.searchsorted(wavelength, wavelength / half)
    last = np.searchsorted(wavelength, wavelength * half, side="right")
    sums = np.insert(np.cumsum(values, axis=-1, dtype=float), 0, 0, axis=-1)
    return (sums[..., last] - sums[..., first]) / (last - first)


def find_floor(quantity):
    """Attribution below which nothing is coloured, by what the attributions are (`FLOORS`); else 0."""
    return next((floor for mark, floor in FLOORS.items() if mark in quantity), 0.0)


#: Width (km/s) of the running mean over maps that are noise from pixel to pixel.
SMOOTHING = 600.0

# Correlation of neighbouring pixels below which a map is such noise: those of narrow lines have 0.7 and more.
_LEAST_CORRELATION = 0.5


def choose_smoothing(attributions, smooth="auto"):
    """Width in km/s of the running mean over maps (..., n_grid): as asked for, or as they need.

    smooth : float, None or "auto", the latter `SMOOTHING` where neighbouring pixels have little in common, as
        in the median map; else None
    """
    if not isinstance(smooth, str):
        return smooth
    if smooth != "auto":
        raise AgnError(f"smooth must be a number of km/s, None or 'auto'; got {smooth!r}.")
    maps = np.atleast_2d(np.asarray(attributions, dtype=float))
    maps = maps - maps.mean(axis=-1, keepdims=True)
    power = np.sum(maps**2, axis=-1)
    alike = np.sum(maps[..., 1:] * maps[..., :-1], axis=-1)[power > 0] / power[power > 0]
    return SMOOTHING if alike.size and np.median(alike) < _LEAST_CORRELATION else None


def prepare_map(wavelength, attribution, *, uncertainty=None, smooth=None, floor=0.0):
    """Smooth a map and find the pixels that fade.

    Parameters
    ----------
    wavelength : (n_grid,) array
        Å, increasing.
    attribution : (n_grid,) array
        In 1/flux.
    uncertainty : (n_grid,) array, optional
        One standard deviation, in 1/flux.
    smooth : float, optional
        Width in km/s of a running mean. Uncertainties are averaged as if neighbouring pixels erred together,
        as those of a classifier with few degrees of freedom do: significance is never overstated.
    floor : float, optional
        Attribution that counts as none, see `find_floor`.

    Returns
    -------
    attribution : (n_grid,) array
        Smoothed where wanted.
    faded : (n_grid,) array of bool
        Pixels with |attribution| < 2 uncertainty, where there is one, or < `floor`.

    Raises
    ------
    AgnError
        For another shape, NaN or infinity, a negative uncertainty, a width that is not positive.
    """
    maps = {"attribution": np.asarray(attribution, dtype=float)}
    if uncertainty is not None:
        maps["uncertainty"] = np.asarray(uncertainty, dtype=float)
    for name, values in maps.items():
        if values.shape != np.shape(wavelength):
            raise AgnError(
                f"{name} must be on the spectrum's grid, {np.shape(wavelength)}; got shape {values.shape}."
            )
        if not np.isfinite(values).all():
            raise AgnError(f"{name} must be finite; got {np.sum(~np.isfinite(values))} pixels that are not.")
        if smooth is not None:
            maps[name] = smooth_map(wavelength, values, smooth)
    strength = np.abs(maps["attribution"])
    faded = strength < floor
    if uncertainty is not None:
        if np.min(uncertainty) < 0:
            raise AgnError(f"uncertainty must not be negative; got {np.min(uncertainty):g}.")
        faded |= strength < SIGNIFICANT * maps["uncertainty"]
    return maps["attribution"], faded


def describe_map(*, uncertainty=None, smooth=None, scale=np.inf, floor=0.0):
    """What a figure says of its map: how it is smoothed, and what is grey; "" for a map as it is.

    scale, floor : float, what gets the full colour, and what gets none; told where one is not far below
        the other
    """
    words = [] if smooth is None else [f"running mean over {smooth:g} km/s"]
    if scale < floor:
        words.append("nothing here moves it")
    grey = [f"below {format_number(floor)}"] if floor <= scale < 20 * floor else []
    grey += [] if uncertainty is None else [f"less than {SIGNIFICANT:g}σ from 0"]
    return "; ".join([*words, *([f"grey: {' or '.join(grey)}"] if grey else [])])


def add_colour_bar(figure, *, scale, target, ends=None, meaning=None, **place):
    """Add a colour bar that says in words what the colours mean.

    figure : Figure
    scale : float, attribution (1/flux) at full colour
    target : str, the class that is explained
    ends : pair of str, what stands at full colour; the scale in numbers by default
    meaning : str, what the colours say; that they lower and raise P(target) by default
    place : passed on to `Figure.colorbar`
    """
    bar = figure.colorbar(
        ScalarMappable(Normalize(-scale, scale), saliency_colours()), extend="both", **place
    )
    low, high = ends or (f"−{format_number(scale)}", f"+{format_number(scale)}")
    bar.set_ticks([-scale, 0, scale], labels=[low, "0", high])
    bar.outline.set_visible(False)
    bar.ax.minorticks_off()
    bar.set_label(meaning or f"lowers  ←  P({target})  →  raises")
    return bar


def format_number(number):
    """Write a positive number with two digits, as a figure shows it."""
    if 1e-3 <= number < 1e4:
        return f"{number:#.2g}".rstrip(".")
    mantissa, exponent = f"{number:.1e}".split("e")
    return rf"${mantissa}\times10^{{{int(exponent)}}}$"


def shade_windows(ax, place):
    """Shade the core and the wings of a line on an Axes; `place` turns a velocity (km/s) into an x.

    Returns the Axes.
    """
    theme = current_theme()
    for window, (low, high) in WINDOWS.items():
        colour = getattr(theme, window)
        for side in (-1, 1):
            ax.axvspan(place(side * low), place(side * high), color=colour, linewidth=0, zorder=0)
    return ax
