"""Images of sources, their segments, and what these weigh."""

from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize

from ..errors import AgnError
from .colours import SALIENCY_COLOURS
from .style import DARK, DOUBLE_COLUMN, GREY, SINGLE_COLUMN

# Tol's light scheme: neighbours differ, in print too.
_PIECES = ("#77AADD", "#EE8866", "#EEDD88", "#FFAABB", "#44BB99", "#BBCC33", "#99DDFF", "#AAAA00")


def plot_image(image, *, pixel=None, title="", ax=None):
    """Draw an image in shades of grey, dark where it is bright.

    Parameters
    ----------
    image : (height, width) array
        From 0 to 1.
    pixel : float, optional
        Arcsec a pixel; a bar of 30 arcsec is drawn then.
    title : str

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(SINGLE_COLUMN / 2, SINGLE_COLUMN / 2))[1]
    ax.imshow(image, origin="lower", cmap="Greys", vmin=0, vmax=1, interpolation="nearest")
    _frame(ax, title)
    if pixel:
        height, width = np.shape(image)
        ax.plot([0.05 * width, 0.05 * width + 30 / pixel], [0.06 * height] * 2, color=DARK, linewidth=1.4)
        ax.text(0.05 * width, 0.09 * height, "30″", size=6.5, color=DARK, va="bottom")
    return ax


def plot_segments(segments, *, title="", ax=None):
    """Draw segments in colours of their own; number 0, the background, stays white.

    Parameters
    ----------
    segments : (height, width) array of int
    title : str

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(SINGLE_COLUMN / 2, SINGLE_COLUMN / 2))[1]
    shown = np.where(segments > 0, (segments - 1) % len(_PIECES), -1)
    colours = ListedColormap(["white", *_PIECES])
    ax.imshow(
        shown, origin="lower", cmap=colours, vmin=-1.5, vmax=len(_PIECES) - 0.5, interpolation="nearest"
    )
    _frame(ax, title)
    return ax


def plot_weights(image, weights, *, scale=None, title="", ax=None):
    """Draw weights over an image's contours: green raises the output, purple lowers it.

    Parameters
    ----------
    image, weights : (height, width) arrays
    scale : float, optional
        Weight of the full colour; the largest by default.
    title : str

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(SINGLE_COLUMN / 2, SINGLE_COLUMN / 2))[1]
    weights = np.asarray(weights, dtype=float)
    if weights.shape != np.shape(image):
        raise AgnError(f"weights must have the size of the image, {np.shape(image)}; got {weights.shape}.")
    scale = scale or np.abs(weights).max() or 1.0
    shown = np.ma.masked_where(weights == 0, weights)
    colours = SALIENCY_COLOURS.with_extremes(bad="white")
    ax.imshow(shown, origin="lower", cmap=colours, vmin=-scale, vmax=scale, interpolation="nearest")
    if np.ptp(image) > 0:
        ax.contour(image, levels=[0.2, 0.45, 0.7, 0.9], colors=DARK, linewidths=0.3, alpha=0.7)
    _frame(ax, title)
    return ax


def plot_gallery(images, titles, *, n_columns=8, pixel=None):
    """Draw images side by side.

    Parameters
    ----------
    images : (n, height, width) array
    titles : sequence of n str
    n_columns : int
    pixel : float, optional
        Of `plot_image`, for the first.

    Returns
    -------
    Figure
    """
    n_rows = -(-len(images) // n_columns)
    size = DOUBLE_COLUMN / n_columns
    figure, axes = plt.subplots(
        n_rows, n_columns, figsize=(DOUBLE_COLUMN, n_rows * (size + 0.13)), squeeze=False
    )
    for number, ax in enumerate(axes.flat):
        if number >= len(images):
            ax.set_axis_off()
            continue
        # What stays the same along a row is said once.
        again = number % n_columns and titles[number] == titles[number - 1]
        title = "" if again else titles[number]
        plot_image(images[number], title=title, pixel=None if number else pixel, ax=ax)
    return figure


def plot_explained_sources(images, explanations, words, *, pixel=None, n_shown=None, names=("FR I", "FR II")):
    """Draw a row a source: image, segments, what these weigh, and the explanation in words.

    Parameters
    ----------
    images : (n, height, width) array
    explanations : n SegmentExplanation
    words : n str
    pixel : float, optional
        Of `plot_image`.
    n_shown : int, optional
        Pixels on a side of the middle that are drawn; all by default.
    names : two str
        What negative and positive weights speak for.

    Returns
    -------
    Figure
    """
    height = SINGLE_COLUMN / 2.45
    figure, axes = plt.subplots(
        len(images),
        4,
        figsize=(DOUBLE_COLUMN, len(images) * height + 0.35),
        squeeze=False,
        width_ratios=(1, 1, 1, 1.15),
    )
    for row, (image, explanation, text) in enumerate(zip(images, explanations, words)):
        titles = ("Image", "Segments", "Weights") if row == 0 else ("", "", "")
        weights = np.where(explanation.segments > 0, explanation.coefficients[explanation.segments], 0)
        image, segments, shown = (
            _take_middle(each, n_shown) for each in (image, explanation.segments, weights)
        )
        plot_image(image, pixel=None if row else pixel, title=titles[0], ax=axes[row, 0])
        plot_segments(segments, title=titles[1], ax=axes[row, 1])
        plot_weights(image, shown, scale=np.abs(weights).max(), title=titles[2], ax=axes[row, 2])
        axes[row, 3].set_axis_off()
        note = f"{fill(text.replace('%', ' %'), 34)}.\n\n"
        note += f"Segments: {np.count_nonzero(np.unique(explanation.segments))}\n"
        note += f"Surrogate R²: {explanation.r2:.2f}"
        axes[row, 3].text(0, 0.95, note, size=7.5, color=DARK, va="top")
    bar = figure.colorbar(
        ScalarMappable(Normalize(-1, 1), SALIENCY_COLOURS),
        ax=axes[:, :3],
        orientation="horizontal",
        shrink=0.45,
        aspect=40,
        ticks=[],
    )
    bar.set_label(f"{names[0]}  ←  speaks for  →  {names[1]}", size=7.5, color=GREY)
    return figure


def _take_middle(image, n_pixels):
    """The middle of an image; all of it for None or more pixels than there are."""
    edges = [max(0, (size - (n_pixels or size)) // 2) for size in np.shape(image)]
    return np.asarray(image)[tuple(slice(edge, edge + n_pixels if n_pixels else None) for edge in edges)]


def _frame(ax, title):
    ax.set(xticks=[], yticks=[], title=title)
    ax.minorticks_off()
    for spine in ax.spines.values():
        spine.set(visible=True, color="#bbbbbb", linewidth=0.5)
