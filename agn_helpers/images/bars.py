"""Lengths of galaxy bars, read off saliency maps or off the image itself, without a network.

`published_bar_length` is the rule of Bhambra, Joachimi & Lahav (2022, MNRAS 511, 5032), which depends on the
position angle of the bar; `rotation_free_bar_length` is the same with an axis ratio in place of the
correlation of row and column numbers.  Second moments, Fourier phases and ellipse fits need
no network at all.
"""

import warnings
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.ndimage import rotate
from scipy.signal import find_peaks
from scipy.spatial.distance import pdist

from ..errors import AgnError

# The published scan: from half of the peak upwards in steps of 1e-4.
_THRESHOLDS = np.linspace(0.5, 1.0, 5001)

# With fewer there is no profile of the ellipticity.
_FEWEST_ISOPHOTES = 4


class BarLength(NamedTuple):
    """What a scan over thresholds found.

    Attributes
    ----------
    length : float
        Largest distance between two pixels of the mask, pixels; 0 for one pixel or none.
    threshold : float
        Where the scan stopped, 0.5 to 1.
    mask : (height, width) bool array
        Pixels above it.
    stopped_by : {"shape", "number"}
        Whether the pixels were elongated enough or too few.
    """

    length: float
    threshold: float
    mask: np.ndarray
    stopped_by: str


def scan_thresholds(saliency):
    """Number and shape of the pixels above every threshold.

    Parameters
    ----------
    saliency : (height, width) array

    Returns
    -------
    pandas.DataFrame
        Index ``threshold`` (0.5 to 1, of the map from its least to its largest value); ``n_pixels``;
        ``correlation``, |Pearson's r| of the pixels' row and column numbers, NaN where either does not vary;
        ``axis_ratio``, minor over major axis of the pixels' covariance, NaN for one pixel or none.

    Raises
    ------
    AgnError
        For a map that is no image, not finite, or constant.
    """
    saliency = _check_map(saliency)
    low, high = saliency.min(), saliency.max()
    if high == low:
        raise AgnError(f"a saliency map must vary; all its pixels are {low:g}; is the image blank?")
    scaled = ((saliency - low) / (high - low)).ravel()
    order = np.argsort(-scaled, kind="stable")
    row, column = (each.astype(float) for each in np.divmod(order, saliency.shape[1]))
    # Sums over the brightest k pixels, k from 0.
    sums = np.stack([row, column, row * row, column * column, row * column])
    sums = np.concatenate([np.zeros((5, 1)), np.cumsum(sums, axis=1)], axis=1)
    number = np.searchsorted(-scaled[order], -_THRESHOLDS, side="left")
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_row, mean_column, rows, columns, both = sums[:, number] / number
        var_row, var_column = rows - mean_row**2, columns - mean_column**2
        covariance = both - mean_row * mean_column
        correlation = np.abs(covariance) / np.sqrt(var_row * var_column)
        major, minor = _principal_variances(var_row, var_column, covariance)
        axis_ratio = np.sqrt(minor / major)
    # What does not vary differs from 0 by rounding.
    correlation[~((var_row > 1e-9) & (var_column > 1e-9))] = np.nan
    axis_ratio[~(major > 1e-9)] = np.nan
    frame = {"n_pixels": number, "correlation": correlation, "axis_ratio": axis_ratio}
    return pd.DataFrame(frame, index=pd.Index(_THRESHOLDS, name="threshold"))


def _check_map(saliency):
    saliency = np.asarray(saliency, dtype=float)
    if saliency.ndim != 2 or min(saliency.shape) < 2:
        raise AgnError(f"a map must be an image (height, width); got an array of shape {saliency.shape}.")
    if not np.isfinite(saliency).all():
        raise AgnError(f"a map must be finite; {np.sum(~np.isfinite(saliency))} of its pixels are not.")
    return saliency


def _principal_variances(var_row, var_column, covariance):
    mean, half = (var_row + var_column) / 2, np.hypot((var_row - var_column) / 2, covariance)
    return mean + half, (mean - half).clip(0)


def published_bar_length(saliency, *, least_correlation=0.85, fewest=40):
    """Bar length by the rule of Bhambra et al. (2022), pixels.

    The threshold rises from half of the map's range until |r| of the row and column numbers of the pixels
    above it exceeds `least_correlation`, or fewer than `fewest` are left; the length is the largest distance
    between two of them.  The correlation of a bar of axis ratio q is (1 - q²) / (1 + q²) at 45 degrees and 0
    along a row or a column, however thin it is.

    Parameters
    ----------
    saliency : (height, width) array
    least_correlation : float
        The paper's final choice is 0.85.
    fewest : int
        Pixels; the paper's is 40 on maps of 224 x 224.

    Returns
    -------
    BarLength

    Raises
    ------
    AgnError
        As `scan_thresholds`.
    """
    scan = scan_thresholds(saliency)
    return _stop_scan(saliency, scan, scan["correlation"] > least_correlation, fewest)


def rotation_free_bar_length(saliency, *, largest_ratio=0.285, fewest=40):
    """Bar length by the published scan with a rule that no rotation changes, pixels.

    The scan stops where the axis ratio of the pixels' covariance falls below `largest_ratio`; 0.285 is what a
    correlation of 0.85 means for a bar at 45 degrees.  Otherwise as `published_bar_length`.
    """
    scan = scan_thresholds(saliency)
    return _stop_scan(saliency, scan, scan["axis_ratio"] < largest_ratio, fewest)


def _stop_scan(saliency, scan, is_elongated, fewest):
    stops = is_elongated.to_numpy() | (scan["n_pixels"].to_numpy() < fewest)
    # Above the largest value is no pixel, so that the scan ends there at last.
    stops[-1] = True
    at = int(np.argmax(stops))
    saliency = np.asarray(saliency, dtype=float)
    low, high = saliency.min(), saliency.max()
    mask = (saliency - low) / (high - low) > _THRESHOLDS[at]
    stopped_by = "shape" if is_elongated.iloc[at] else "number"
    return BarLength(_longest_distance(mask), float(_THRESHOLDS[at]), mask, stopped_by)


def measure_turned(saliency, rules, *, angles=range(0, 181, 10)):
    """Lengths of a map that is turned, pixels: a rule that depends on the position angle gives itself away.

    Parameters
    ----------
    saliency : (height, width) array
    rules : dict of str to function
        Each gives a `BarLength`, or a number, of a map.
    angles : sequence of float
        Degrees; between pixels the map is linear.

    Returns
    -------
    pandas.DataFrame
        Index ``angle``, a column a rule.
    """
    saliency = _check_map(saliency)
    rows = {}
    for angle in angles:
        turned = rotate(saliency, angle, reshape=False, order=1, mode="constant", cval=saliency.min())
        found = {name: rule(turned) for name, rule in rules.items()}
        rows[angle] = {name: float(getattr(each, "length", each)) for name, each in found.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("angle")


def _longest_distance(mask):
    """Between the centres of two pixels; both are the first or last of their rows."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return 0.0
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    ends = np.concatenate([np.stack([rows, first], axis=1), np.stack([rows, last], axis=1)])
    return float(pdist(ends).max())


def second_moment_length(image, *, floor=0.5):
    """Length of a uniform line with the second moment of an image or map about its centre, pixels.

    Parameters
    ----------
    image : (height, width) array
        Weights; what lies below `floor` of the range from the median to the maximum has none.
    floor : float
        From 0 to below 1.

    Returns
    -------
    float
        The root of 12 times the variance along the major axis.

    Raises
    ------
    AgnError
        For what is no finite image, is constant, or a floor outside 0 to 1.
    """
    image = _check_map(image)
    if not 0 <= floor < 1:
        raise AgnError(f"floor must be at least 0 and below 1; got {floor}.")
    level = np.median(image)
    if image.max() == level:
        raise AgnError("an image must be brighter somewhere than its median; is it blank?")
    weight = (image - level) / (image.max() - level)
    weight = np.where(weight >= floor, weight, 0)
    weight /= weight.sum()
    row, column = np.mgrid[: image.shape[0], : image.shape[1]]
    row, column = row - (weight * row).sum(), column - (weight * column).sum()
    moments = [(weight * each).sum() for each in (row * row, column * column, row * column)]
    return float(np.sqrt(12 * _principal_variances(*moments)[0]))


def phase_bar_length(image, *, largest_turn=15.0):
    """Bar length by the phase of the Fourier component m = 2, pixels: a bar is straight, arms wind.

    The phase of the sum over each ring of one pixel is compared with that of the inner third; the bar ends
    where it has turned by more than `largest_turn` (e.g. Aguerri et al. 1998, AJ 116, 2136).

    Parameters
    ----------
    image : (height, width) array
        An image, what of it deviates from round, or a map; the galaxy is in the middle.
    largest_turn : float
        Degrees of position angle.

    Returns
    -------
    float
        Twice the radius; that of the image where the phase never turns.

    Raises
    ------
    AgnError
        For what is no finite image, or a turn outside 0 to 45.
    """
    image = _check_map(image)
    if not 0 < largest_turn < 45:
        raise AgnError(f"largest_turn must be between 0 and 45 degrees; got {largest_turn}.")
    y, x = np.indices(image.shape) - (np.array(image.shape)[:, None, None] - 1) / 2
    n_rings = min(image.shape) // 2
    ring = np.rint(np.hypot(x, y)).astype(int).clip(max=n_rings).ravel()
    wave = (image * np.exp(2j * np.arctan2(y, x))).ravel()
    sums = np.bincount(ring, wave.real, n_rings + 1) + 1j * np.bincount(ring, wave.imag, n_rings + 1)
    # The last holds the corners, the first the centre, of which no angle can be told.
    sums = sums[:-1]
    turn = np.abs(np.angle(sums * np.conj(sums[1 : n_rings // 3 + 1].sum()))) / 2
    ends = np.flatnonzero((turn > np.radians(largest_turn)) & (np.arange(n_rings) > 2))
    return 2.0 * float(ends[0] if len(ends) else n_rings)


def fit_isophotes(image, *, smallest=2.0, largest=None, step=0.15):
    """Ellipses fitted to the isophotes of a galaxy, with photutils (Jedrzejewski 1987, MNRAS 226, 747).

    Parameters
    ----------
    image : (height, width) array
        Of brightness or any increasing function of it; the galaxy is in the middle.
    smallest, largest : float
        Semi-major axes, pixels; up to 0.48 of the shorter side by default.
    step : float
        From one to the next, as a share.

    Returns
    -------
    pandas.DataFrame
        Index ``semi_major_axis`` (pixels); ``ellipticity``, ``position_angle`` (from the columns' axis to the
        rows', 0 to pi), ``intensity``.  Ellipses whose fit failed are left out; there may be none.

    Raises
    ------
    AgnError
        For what is no finite image, or where photutils is not installed.
    """
    try:
        from photutils.isophote import Ellipse, EllipseGeometry
    except ImportError as error:
        raise AgnError(
            "ellipse fits need photutils, which is not installed; pip install 'agn-helpers[images]'."
        ) from error
    image = _check_map(image)
    height, width = image.shape
    largest = 0.48 * min(height, width) if largest is None else largest
    centre = (width - 1) / 2, (height - 1) / 2
    limits = {"minsma": smallest, "maxsma": largest, "step": step, "fix_center": True}
    found: list = []
    # A fit that fails where it begins is begun elsewhere.
    for share in (0.35, 0.5, 0.2, 0.7):
        start = smallest + share * (largest - smallest)
        geometry = EllipseGeometry(*centre, start, *_guess_ellipse(image, start))
        with warnings.catch_warnings():
            # Of isophotes without a gradient, which are marked by codes.
            warnings.simplefilter("ignore")
            found = Ellipse(image, geometry).fit_image(sma0=start, maxgerr=1.0, maxit=20, **limits)
        if len(found) > _FEWEST_ISOPHOTES:
            break
    rows = [
        (each.sma, each.eps, each.pa % np.pi, each.intens)
        for each in found
        # Other codes: too few points, or no gradient, and the ellipse of a neighbour is repeated.
        if each.sma > 0 and each.stop_code in (0, 2)
    ]
    columns = ["semi_major_axis", "ellipticity", "position_angle", "intensity"]
    return pd.DataFrame(rows, columns=columns, dtype=float).set_index("semi_major_axis")


def _guess_ellipse(image, radius):
    """Ellipticity and position angle of the pixels that are brighter than the median at a radius."""
    y, x = np.indices(image.shape) - (np.array(image.shape)[:, None, None] - 1) / 2
    distance = np.hypot(x, y)
    inside = (image > np.median(image[np.abs(distance - radius) < 1])) & (distance < 2 * radius)
    if not inside.any():
        return 0.2, 0.0
    var_y, var_x, both = (y[inside] ** 2).mean(), (x[inside] ** 2).mean(), (x * y)[inside].mean()
    major, minor = _principal_variances(var_y, var_x, both)
    ellipticity = float(np.clip(1 - np.sqrt(minor / major), 0.05, 0.7)) if major > 0 else 0.2
    return ellipticity, float(0.5 * np.arctan2(2 * both, var_x - var_y) % np.pi)


class EllipseLimits(NamedTuple):
    """A bar's full length between two limits, pixels; NaN where no isophote looks like a bar.

    Attributes
    ----------
    lower : float
        Where the ellipticity has its first maximum.
    upper : float
        Where, beyond it, the ellipticity has fallen by 0.1 or the position angle has turned by 10 degrees.
    """

    lower: float
    upper: float


def ellipse_bar_length(isophotes, *, least_ellipticity=0.1, least_fall=0.02):
    """Limits of a bar's length from ellipse fits (Erwin & Sparke 2003, ApJS 146, 299; Erwin 2005).

    Parameters
    ----------
    isophotes : pandas.DataFrame
        From `fit_isophotes`.
    least_ellipticity : float
        Of the maximum; rounder isophotes are no bar.
    least_fall : float
        By how much the ellipticity falls beyond it before it is higher again.

    Returns
    -------
    EllipseLimits
    """
    axis = isophotes.index.to_numpy()
    ellipticity, angle = isophotes["ellipticity"].to_numpy(), isophotes["position_angle"].to_numpy()
    peaks, _ = find_peaks(np.concatenate([[0], ellipticity, [0]]))
    for peak in peaks - 1:
        beyond = ellipticity[peak:]
        higher = np.flatnonzero(beyond > ellipticity[peak])
        beyond = beyond[: higher[0]] if len(higher) else beyond
        if ellipticity[peak] >= least_ellipticity and ellipticity[peak] - beyond.min() >= least_fall:
            turn = np.abs((angle - angle[peak] + np.pi / 2) % np.pi - np.pi / 2)
            ends = (ellipticity < ellipticity[peak] - 0.1) | (turn > np.radians(10))
            ends &= axis > axis[peak]
            upper = axis[np.argmax(ends)] if ends.any() else axis[peak]
            return EllipseLimits(2 * float(axis[peak]), 2 * float(upper))
    return EllipseLimits(np.nan, np.nan)
