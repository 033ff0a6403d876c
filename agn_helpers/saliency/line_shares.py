"""Maps over a sample: the share in line windows, against random places and line by line; kinds of maps."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.utils import check_random_state, gen_batches

from ..errors import AgnError
from .target import check_wavelengths
from .windows import line_windows, window_pixels

_BLOCK = 4096  # maps at once: 32 MiB on the paper's grid


def share_in_windows(attribution, grid, *, windows=None, groups=None, n_draws=1000, random_state=0):
    """Share of total |attribution| within the line windows, against windows of the same widths at random.

    Parameters
    ----------
    attribution : (n_spectra, n_grid) array
    grid : (n_grid,) array
        Rest wavelengths in vacuum Å, increasing.
    windows : table with columns name, low, high (Å), optional
        `agn_helpers.saliency.windows.line_windows` by default.
    groups : (n_spectra,) array of labels, optional
        A row of the result for each, e.g. the predicted types; all spectra together by default.
    n_draws : int
        Random placements.  Windows that overlap are one; the pieces keep their widths, do not overlap and
        do not leave the grid, so that as many pixels are covered as by the lines.
    random_state : int, RandomState or None

    Returns
    -------
    pandas.DataFrame
        Index ``group``; columns ``n``, ``pixels`` (share of the grid that the windows cover), ``share`` (mean
        over spectra), ``share_q16, share_q84`` (quantiles over spectra), ``expected`` (mean over draws),
        ``expected_low, expected_high`` (95 % of draws), ``ratio`` (share over expected).  A map of zeros
        counts as even.  How chance would place windows is no test of the classifier, whose weights are one
        draw: for that see `agn_helpers.audit.repeat_surveys`.

    Raises
    ------
    AgnError
        For NaN, another number of wavelengths, a window off the grid, no draws, groups that are not one a
        spectrum.
    """
    attribution, grid = check_maps(attribution, grid)
    mask = np.any(_window_masks(grid, windows)[1], axis=0)
    _check_draws(n_draws, "n_draws")
    placed = _place_at_random(mask, n_draws, check_random_state(random_state))
    rows = {}
    for group, members in _split_groups(groups, len(attribution)):
        own, mean_map = _sum_windows(attribution, members, mask[None])
        # The mean share is linear in the map: one mean map will do for all placements.
        own, drawn = own[:, 0], placed @ mean_map
        rows[group] = {
            "n": len(own),
            "pixels": mask.mean(),
            "share": own.mean(),
            "share_q16": np.quantile(own, 0.16),
            "share_q84": np.quantile(own, 0.84),
            "expected": drawn.mean(),
            "expected_low": np.quantile(drawn, 0.025),
            "expected_high": np.quantile(drawn, 0.975),
            "ratio": own.mean() / drawn.mean(),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("group")


def rank_lines(attribution, grid, *, windows=None, n_bootstrap=1000, random_state=0):
    """Rank lines by their mean share of |attribution| per pixel, with bootstrap intervals.

    Parameters
    ----------
    attribution : (n_spectra, n_grid) array
    grid : (n_grid,) array
        Rest wavelengths in vacuum Å, increasing.
    windows : table with columns name, low, high (Å), optional
        `agn_helpers.saliency.windows.line_windows` by default; a pixel in two windows counts for both lines.
    n_bootstrap : int
        Bootstrap samples of the spectra.
    random_state : int, RandomState or None

    Returns
    -------
    pandas.DataFrame
        Index ``line``, the highest density first; columns ``rank, rank_low, rank_high, density, density_low,
        density_high`` (95 %; 1 is the density of an even map), ``share`` (mean of total |attribution|),
        ``pixels`` (number in the window).

    Raises
    ------
    AgnError
        As `share_in_windows`.
    """
    attribution, grid = check_maps(attribution, grid)
    names, masks = _window_masks(grid, windows)
    _check_draws(n_bootstrap, "n_bootstrap")
    random_state = check_random_state(random_state)
    shares, _ = _sum_windows(attribution, np.arange(len(attribution)), masks)
    density = shares * (len(grid) / masks.sum(axis=1))
    n = len(density)
    drawn = np.empty((n_bootstrap, len(names)))
    for number in range(n_bootstrap):
        drawn[number] = np.bincount(random_state.randint(n, size=n), minlength=n) @ density / n
    # A rank is one plus the number of lines that are denser.
    ranks = 1 + (drawn[:, None, :] > drawn[:, :, None]).sum(axis=2)
    mean = density.mean(axis=0)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    rank_low, rank_high = np.quantile(ranks, [0.025, 0.975], axis=0, method="nearest")
    table = pd.DataFrame(
        {
            "rank": 1 + (mean > mean[:, None]).sum(axis=1),
            "rank_low": rank_low,
            "rank_high": rank_high,
            "density": mean,
            "density_low": low,
            "density_high": high,
            "share": shares.mean(axis=0),
            "pixels": masks.sum(axis=1),
        },
        index=pd.Index(names, name="line"),
    )
    return table.sort_values("rank", kind="stable")


class MapClusters(NamedTuple):
    """Kinds of maps of a sample.

    labels : (n_spectra,) int array
        Cluster of each map, 0 for the largest.
    centres : (n_clusters, n_grid) array
        Mean normalised maps.
    stability : (n_repeats,) array
        Adjusted Rand index of the clusters that two halves of the sample tell: 1 where they are the same,
        about 0 where they agree by chance only.
    """

    labels: np.ndarray
    centres: np.ndarray
    stability: np.ndarray


def cluster_maps(attribution, *, n_clusters=3, n_repeats=20, random_state=0):
    """Divide the maps of a sample into kinds, and tell whether another sample would give the same.

    Maps of unit length go through k-means, so that their shapes count and not how much is at stake.  The
    sample is halved at random; each half's centres divide the whole sample, and the two divisions are
    compared (Hubert & Arabie 1985, J. Classification 2, 193).

    Parameters
    ----------
    attribution : (n_spectra, n_grid) array
        Signed maps by one method.
    n_clusters : int
        At least 2, and at most half of the maps.
    n_repeats : int
        Random halvings.
    random_state : int, RandomState or None

    Returns
    -------
    MapClusters

    Raises
    ------
    AgnError
        For NaN, a map that is zero everywhere, and numbers out of their range.

    Notes
    -----
    Maps of a linear kernel are mixtures of as many weight vectors as it has pairs of classes: stable
    clusters are kinds of *this classifier's* answers, not of galaxies.
    """
    attribution, _ = check_maps(attribution, np.arange(np.shape(attribution)[-1]))
    if not 2 <= n_clusters <= len(attribution) // 2:
        raise AgnError(f"n_clusters must be from 2 to {len(attribution) // 2}; got {n_clusters}.")
    _check_draws(n_repeats, "n_repeats")
    length = np.linalg.norm(attribution.astype(float), axis=1, keepdims=True)
    if not length.all():
        raise AgnError(f"map {np.argmin(length)} is zero everywhere and has no shape. Leave it out.")
    maps, rng = attribution / length, check_random_state(random_state)

    def divide(rows):
        return KMeans(n_clusters, n_init=5, random_state=rng.randint(2**31 - 1)).fit(maps[rows])

    found = divide(slice(None))
    order = np.argsort(-np.bincount(found.labels_, minlength=n_clusters), kind="stable")
    stability = []
    for _ in range(n_repeats):
        halves = np.array_split(rng.permutation(len(maps)), 2)
        stability.append(adjusted_rand_score(*(divide(half).predict(maps) for half in halves)))
    labels = np.argsort(order)[found.labels_]
    return MapClusters(labels, found.cluster_centers_[order], np.array(stability))


def relative_maps(attribution):
    """|attribution| as shares of each map's total, (n_spectra, n_grid); even where all is zero."""
    size = np.abs(attribution).astype(float)
    total = size.sum(axis=1, keepdims=True)
    return np.divide(size, total, out=np.full_like(size, 1 / size.shape[1]), where=total > 0)


def _sum_windows(attribution, members, masks):
    """Shares of total |attribution| in each window, (n_members, n_windows), and the mean map of shares."""
    shares, total = np.empty((len(members), len(masks))), np.zeros(attribution.shape[1])
    # A block at a time: a copy of a million maps would not fit.
    for block in gen_batches(len(members), _BLOCK):
        maps = relative_maps(attribution[members[block]])
        shares[block] = maps @ masks.T
        total += maps.sum(axis=0)
    return shares, total / len(members)


def check_maps(attribution, grid, *, name="attribution"):
    """Return maps (n_spectra, n_grid) and grid as arrays; AgnError for NaN, no maps, another grid."""
    attribution = np.asarray(attribution)
    if attribution.ndim != 2 or 0 in attribution.shape:
        raise AgnError(f"{name} must be maps, (n_spectra, n_grid); got shape {attribution.shape}.")
    grid = check_wavelengths(grid, attribution.shape[1])
    bad = np.flatnonzero(~np.isfinite(attribution.sum(axis=1, dtype=float)))
    if len(bad):
        raise AgnError(f"{name} must be finite; map {bad[0]} holds NaN or infinity. Leave it out.")
    return attribution, grid


def _check_draws(number, name):
    if number < 1:
        raise AgnError(f"{name} must be at least 1; got {number}. Some 1000 give a steady interval.")


def _window_masks(grid, windows):
    windows = line_windows(grid) if windows is None else windows
    missing = {"name", "low", "high"} - set(getattr(windows, "columns", ()))
    if missing:
        raise AgnError(f"windows must be a table with columns name, low, high; it lacks {sorted(missing)}.")
    names, spans = np.asarray(windows["name"], dtype=str), window_pixels(windows, grid)
    empty = names[spans[:, 0] >= spans[:, 1]]
    if len(empty) or not len(names):
        raise AgnError(
            f"every window must hold a wavelength of the grid, {grid[0]:.1f} to {grid[-1]:.1f} Å; "
            f"{', '.join(empty) or 'there is no window, which'} holds none. Leave it out."
        )
    pixel = np.arange(len(grid))
    return names, (pixel >= spans[:, :1]) & (pixel < spans[:, 1:])


def _split_groups(groups, n_spectra):
    if groups is None:
        return [("all", np.arange(n_spectra))]
    groups = np.asarray(groups)
    if len(groups) != n_spectra:
        raise AgnError(f"groups must hold a label for each of {n_spectra} spectra; got {len(groups)}.")
    return [(group, np.flatnonzero(groups == group)) for group in np.unique(groups)]


def _place_at_random(mask, n_draws, random_state):
    """Masks (n_draws, n_grid) with the runs of `mask` in random order and with random gaps."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask, [0]])))
    widths = edges[1::2] - edges[::2]
    free = len(mask) - widths.sum()
    placed = np.zeros((n_draws, len(mask)))
    for row in placed:
        # All arrangements are equally probable: of free + runs places, those of the runs are drawn.
        places = np.sort(random_state.choice(free + len(widths), len(widths), replace=False))
        starts = places - np.arange(len(widths))
        order = random_state.permutation(widths)
        starts = starts + np.concatenate([[0], np.cumsum(order)[:-1]])
        for start, width in zip(starts, order):
            row[start : start + width] = 1
    return placed
