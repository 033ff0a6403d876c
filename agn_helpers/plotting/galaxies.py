"""Galaxies and their bars: images with what was measured on them, scans of maps, scores of methods."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgba

from .style import DARK, GREY, SINGLE_COLUMN

#: Of the bar's true length, on images, and of what a rule found.
BAR_COLOUR, FOUND_COLOUR = "#56B4E9", "#C27C00"


def plot_galaxy(image, *, length=None, angle=None, mask=None, title=None, cmap="gray", ax=None):
    """Draw an image or a map, its bar as a line from end to end, pixels of a mask in colour.

    Parameters
    ----------
    image : (height, width) array
    length : float, optional
        Of the bar, pixels, centred in the image.
    angle : float, optional
        Of the bar, from the columns' axis to the rows', rad.
    mask : (height, width) bool array, optional
    title : str, optional
    cmap : str

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(SINGLE_COLUMN / 2, SINGLE_COLUMN / 2))[1]
    low, high = np.percentile(image, [1, 99.8])
    look: dict = {"origin": "lower", "interpolation": "nearest"}
    ax.imshow(image, cmap=cmap, vmin=low, vmax=max(high, low + 1e-12), **look)
    if length is not None and angle is not None and np.isfinite(length):
        y, x = (np.array(image.shape) - 1) / 2
        along, up = length / 2 * np.cos(angle), length / 2 * np.sin(angle)
        ax.plot([x - along, x + along], [y - up, y + up], color=BAR_COLOUR, linewidth=1.2)
    if mask is not None:
        ax.imshow(np.where(np.asarray(mask)[..., None], to_rgba(FOUND_COLOUR, 0.75), 0.0), **look)
    ax.set(xticks=[], yticks=[])
    ax.minorticks_off()
    ax.spines[:].set_visible(False)
    if title:
        ax.set_title(title, size=7.5, loc="center")
    return ax


def plot_scan(scan, column, *, limit, threshold, ax=None):
    """Draw a measure of shape against the threshold of a saliency map, and where a scan stops.

    Parameters
    ----------
    scan : pandas.DataFrame
        From `agn_helpers.images.scan_thresholds`.
    column : {"correlation", "axis_ratio"}
    limit : float
        Of that measure.
    threshold : float
        Where the scan stopped.

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(SINGLE_COLUMN, 2.2))[1]
    ax.plot(scan.index, scan[column], color=DARK)
    ax.axhline(limit, color=GREY, linewidth=0.7, linestyle=(0, (4, 3)))
    ax.axvline(threshold, color=FOUND_COLOUR, linewidth=1.2)
    names = {"correlation": "|r| of row and column", "axis_ratio": "Axis ratio"}
    # A scan that stops where it begins is not drawn on the axis.
    ax.set(xlim=(0.48, 1.01), ylim=(0, 1.02), xlabel="Threshold", ylabel=names[column])
    ax.set_xticks([0.5, 0.75, 1])
    ax.set_box_aspect(1)
    return ax


def plot_lengths(measured, length, *, title=None, ax=None):
    """Draw the lengths of one method against those that volunteers measured.

    Parameters
    ----------
    measured, length : (n,) arrays
        In units of the galaxy's diameter.
    title : str, optional

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(SINGLE_COLUMN / 1.5, SINGLE_COLUMN / 1.5))[1]
    ax.scatter(measured, length, s=6, color=DARK, alpha=0.5, linewidth=0)
    end = 1.08 * np.nanmax(measured)
    ax.plot([0, end], [0, end], color=GREY, linewidth=0.6, linestyle=(0, (4, 3)))
    ax.set(xlim=(0, end), ylim=(0, end), xlabel="Measured length", ylabel="Method's length")
    ax.set_box_aspect(1)
    if title:
        ax.set_title(title)
    return ax


def plot_method_scores(summary, *, null=None, ax=None):
    """Draw r of every method: of dimensionless lengths, and of those in kpc behind it.

    Parameters
    ----------
    summary : pandas.DataFrame
        From `agn_helpers.images.summarise_trials`: ``r, r_low, r_high, r_min, r_max``, the same of
        ``r_scaled``; the index names methods.
    null : float, optional
        The r of lengths in kpc that one constant for all galaxies reaches, drawn as a line.

    Returns
    -------
    Axes
        Points are medians over seeds, thick bars their range, thin ones the interval of one seed.
    """
    ax = ax or plt.subplots(figsize=(1.5 * SINGLE_COLUMN, 0.7 + 0.24 * len(summary)))[1]
    place = np.arange(len(summary))
    names = {
        "r": ("dimensionless", DARK, -0.13),
        "r_scaled": ("in kpc, size of the galaxy known", GREY, 0.17),
    }
    for column, (label, colour, shift) in names.items():
        look = {"color": colour, "alpha": 1 if column == "r" else 0.85}
        ax.hlines(place + shift, summary[f"{column}_low"], summary[f"{column}_high"], linewidth=0.7, **look)
        ax.hlines(place + shift, summary[f"{column}_min"], summary[f"{column}_max"], linewidth=2.6, **look)
        ax.plot(summary[column], place + shift, "o", markersize=4, label=label, **look)
    if null is not None:
        ax.axvline(null, color=FOUND_COLOUR, linewidth=1, zorder=0, label="in kpc, one constant for all")
    ax.axvline(0, color=GREY, linewidth=0.6, linestyle=(0, (4, 3)), zorder=0)
    ax.set_yticks(place, [name.replace(" x ", " × ") for name in summary.index])
    ax.invert_yaxis()
    ax.tick_params(axis="y", which="both", length=0)
    ax.set(xlabel="Pearson's r with the lengths that volunteers measured")
    ax.set_xlim(right=1)
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, columnspacing=1.2)
    return ax
