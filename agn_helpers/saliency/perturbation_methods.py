"""Attributions from changed spectra, for any classifier: a pixel raised, or a window without its feature."""

import numpy as np
from tqdm import tqdm

from ..errors import AgnError
from ..lines import SPEED_OF_LIGHT
from .target import TargetScore, check_spectra, check_wavelengths, spectra_blocks
from .windows import bridge_window, line_mask, line_windows, window_pixels

# Below this share of a spectrum's median |flux| a relative step would drown in rounding.
_SMALLEST_FLUX = 1e-3


def finite_difference(estimator, X, *, target=None, step=0.01, of="log_p", batch_size=4096):
    """Forward difference of a class's probability, one wavelength after the other.

    The saliency map of Peruzzi et al. 2021 (section 4.1): flux f_i is raised by e_i = `step` f_i and the
    attribution of wavelength i is [log p(f + e_i) - log p(f)] / e_i. Where f_i is nearer to zero than a
    thousandth of the spectrum's median |flux|, e_i is `step` times that instead.

    Parameters
    ----------
    estimator : fitted classifier
        With ``classes_`` and ``predict_proba``; ``predict_log_proba`` is used where it exists.
    X : (n_spectra, n_grid) array
        Spectra, as the estimator takes them.
    target : str or (n_spectra,) sequence of str, optional
        Class whose probability is explained; the most probable one of each spectrum by default.
    step : float
        Relative size of the step.
    of : {"log_p", "p", "log_odds", "margin"}
        Differentiate log p, as the paper says, p, as its published code does, or the margin (`TargetScore`).
    batch_size : int
        Spectra that are classified at once; it bounds the memory at any number of spectra.

    Returns
    -------
    (n_spectra, n_grid) array
        Attributions in units of 1/flux; positive where more flux raises the target's probability.

    Raises
    ------
    AgnError
        For NaN, an unknown target, an estimator without ``predict_proba``, a step that is not positive,
        or log p of a class whose probability is zero.
    """
    X = check_spectra(estimator, X)
    if not (np.isfinite(step) and step > 0):
        raise AgnError(f"step must be positive; got {step}.")
    if batch_size < 1:
        raise AgnError(f"batch_size must be at least 1; got {batch_size}.")
    score = TargetScore(estimator, X, target=target, of=of)
    start = score.start(X)
    floor = np.concatenate([np.median(np.abs(X[block]), axis=1) for block in spectra_blocks(X)])
    attribution = np.empty(X.shape)
    # No bar in notebooks, whose pages would keep it.
    for first in tqdm(range(0, X.size, batch_size), desc="saliency", unit="batch", delay=2, disable=None):
        rows, pixels = np.divmod(np.arange(first, min(first + batch_size, X.size)), X.shape[1])
        raised = X[rows].astype(float, copy=False)
        each = np.arange(len(rows))
        flux, least = raised[each, pixels], _SMALLEST_FLUX * floor[rows]
        steps = step * np.where(np.abs(flux) > least, flux, np.where(least > 0, least, 1))
        raised[each, pixels] += steps
        attribution[rows, pixels] = (score.values(raised, rows) - start[rows]) / steps
    return attribution


def occlusion(estimator, X, *, grid, windows="lines", width=2000.0, stride=None, target=None, of="log_p"):
    """Drop of log p when a window of the spectrum is replaced by the local continuum.

    Occlusion (Zeiler & Fergus 2014, ECCV; arXiv:1311.2901) with a physical replacement: the straight line
    through the means of the 20 nearest pixels outside the window and outside all line windows on either side.

    Parameters
    ----------
    estimator : fitted classifier
        With ``classes_`` and ``predict_proba``.
    X : (n_spectra, n_grid) array
        Spectra, as the estimator takes them.
    grid : (n_grid,) array
        Rest wavelengths in vacuum Å, increasing.
    windows : {"lines", "sliding"} or table
        The windows of `line_windows`, windows of one width all along the grid, or a table with the
        columns ``low``, ``high`` in Å.
    width, stride : float
        Width of sliding windows and the distance of their centres, km/s; a quarter of `width` by default.
    target : label or (n_spectra,) sequence of labels, optional
        Class whose probability is explained; the most probable one of each spectrum by default.
    of : {"log_p", "p", "log_odds", "margin"}
        The number whose drop is measured (see `TargetScore`).

    Returns
    -------
    (n_spectra, n_grid) array
        In units of log p a pixel, positive where what was removed spoke for the target: each window's drop is
        spread evenly over its pixels, and a pixel in several windows has their mean.  The sum over the pixels
        of a window that overlaps no other is its drop, comparable with the sum of integrated gradients there.

    Raises
    ------
    AgnError
        For NaN, another grid, an unknown target, an estimator without ``predict_proba``, windows that are
        none of these, lie off the grid or leave no continuum, a width that is not positive, or log p of a
        class whose probability is zero.
    """
    X = check_spectra(estimator, X)
    grid = check_wavelengths(grid, X.shape[1])
    spans = _find_spans(windows, grid, width, width / 4 if stride is None else stride)
    in_lines = line_mask(grid)
    score = TargetScore(estimator, X, target=target, of=of)
    start = score.start(X)
    cover = np.zeros((len(spans), len(grid)))
    for number, (first, last) in enumerate(spans):
        cover[number, first:last] = 1
    share = cover / cover.sum(axis=1, keepdims=True) / np.maximum(cover.sum(axis=0), 1)
    attribution = np.empty(X.shape)
    for block in spectra_blocks(X, copies=len(spans), title="occlusion"):
        part = X[block].astype(float)
        changed = np.repeat(part[None], len(spans), axis=0)
        for number, (first, last) in enumerate(spans):
            changed[number, :, first:last] = bridge_window(part, grid, first, last, clean=~in_lines)
        rows = np.tile(np.arange(len(X))[block], len(spans))
        values = score.values(changed.reshape(-1, len(grid)), rows).reshape(len(spans), -1)
        attribution[block] = (start[block] - values).T @ share
    return attribution


def _find_spans(windows, grid, width, stride):
    """First and one past the last pixel of each window, (n_windows, 2)."""
    if isinstance(windows, str) and windows == "lines":
        windows = line_windows(grid)
    elif isinstance(windows, str) and windows == "sliding":
        windows = _slide_window(grid, width, stride)
    elif not {"low", "high"} <= set(getattr(windows, "columns", ())):
        raise AgnError(f"windows must be 'lines', 'sliding' or a table with low and high; got {windows!r}.")
    spans = window_pixels(windows, grid)
    empty = np.flatnonzero(spans[:, 0] >= spans[:, 1])
    if len(empty) or not len(spans):
        raise AgnError(
            f"windows must hold wavelengths of the grid, {grid[0]:.1f} to {grid[-1]:.1f} Å; "
            f"{f'window {empty[0]} holds none' if len(empty) else 'there is no window'}. Give others."
        )
    return spans


def _slide_window(grid, width, stride):
    for name, value in {"width": width, "stride": stride}.items():
        if not (np.isfinite(value) and value > 0):
            raise AgnError(f"{name} must be positive, in km/s; got {value}.")
    reach = SPEED_OF_LIGHT * np.log(grid[-1] / grid[0])
    n_windows = max(1, int(np.ceil((reach - width) / stride)) + 1)
    # The last window ends where the grid does, so that every pixel is covered by a window of full width.
    low = grid[0] * np.exp(np.linspace(0, max(reach - width, 0), n_windows) / SPEED_OF_LIGHT)
    high = low * np.exp(width / SPEED_OF_LIGHT)
    high[-1] = np.inf
    return {"low": low, "high": high}
