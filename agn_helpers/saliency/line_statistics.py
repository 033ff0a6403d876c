"""How classifiers weigh the lines: cores, wings and continuum of each line, over a whole sample.

What a table over many spectra can say: an SVM with a linear kernel has one weight vector a pair of
classes, and every one of its maps is a mixture of those few.  Its spectra are evidence of how often this
classifier weighs a line so, not of how often one trained on other spectra would; for that, see
`agn_helpers.saliency.refits`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from ..errors import AgnError
from ..lines import LINES
from .line_shares import check_maps
from .target import spectra_blocks
from .windows import BAND_PIXELS, line_mask

#: Core: |v| below the first, km/s; wings: |v| between the other two.  In between, cores and wings mix.
CORE, WINGS = 500.0, (1000.0, 5000.0)


_QUANTITIES = ("core", "wings", "continuum", "contrast")

_QUANTILES = (0.16, 0.5, 0.84)


@dataclass(frozen=True)
class LineMeasurements:
    """Mean attributions of lines; columnar, so that a million spectra need as little as their numbers.

    Attributes
    ----------
    line : (n_lines,) array of str
        Keys of `agn_helpers.lines.LINES`.
    core, wings, continuum, contrast : (n_spectra, n_lines) arrays
        Means over pixels; contrast is core - wings.  NaN where a line has no such pixels on the grid.
    core_error, wings_error, continuum_error, contrast_error : (n_spectra, n_lines) arrays or None
        Standard deviations.
    """

    line: np.ndarray
    core: np.ndarray
    wings: np.ndarray
    continuum: np.ndarray
    contrast: np.ndarray
    core_error: np.ndarray | None = None
    wings_error: np.ndarray | None = None
    continuum_error: np.ndarray | None = None
    contrast_error: np.ndarray | None = None

    @property
    def opposite(self):
        """Where core and wings have opposite signs, (n_spectra, n_lines) bool."""
        return np.sign(self.core) * np.sign(self.wings) < 0

    @property
    def decided(self):
        """Where core and wings both have a sign, (n_spectra, n_lines) bool."""
        return np.abs(np.sign(self.core) * np.sign(self.wings)) > 0

    def to_frame(self, *, name=None):
        """Long table: columns ``name, line``, the quantities and their errors; a row a spectrum and line.

        name : (n_spectra,) sequence, the numbers of the rows by default.
        """
        n_spectra, n_lines = self.core.shape
        name = np.arange(n_spectra) if name is None else np.asarray(name)
        if len(name) != n_spectra:
            raise AgnError(f"name must have an entry for each of {n_spectra} spectra; got {len(name)}.")
        columns = {"name": np.repeat(name, n_lines), "line": np.tile(self.line, n_spectra)}
        for quantity in _QUANTITIES:
            for key in (quantity, f"{quantity}_error"):
                if getattr(self, key) is not None:
                    columns[key] = getattr(self, key).ravel()
        return pd.DataFrame(columns)


def measure_lines(
    attribution: np.ndarray,
    *,
    grid: np.ndarray,
    uncertainty: np.ndarray | None = None,
    lines: Sequence[str] | None = None,
    core: float = CORE,
    wings: tuple[float, float] = WINGS,
    relative: bool = False,
) -> LineMeasurements:
    """Mean attribution of each line's core, wings and continuum, and the contrast of core and wings.

    Parameters
    ----------
    attribution : (n_spectra, n_grid) array
    grid : (n_grid,) array
        Rest wavelengths in vacuum Å, increasing.
    uncertainty : (n_spectra, n_grid) array, optional
        Standard deviation of each pixel, e.g. that of `smoothgrad`.
    lines : sequence of str, optional
        Keys of `agn_helpers.lines.LINES`; all those with a core on the grid by default.
    core : float
        Half-width of the core, km/s.
    wings : (float, float)
        Where the wings begin and end, km/s, on both sides.
    relative : bool
        Give each map in units of its own mean |attribution|, without which a quantile over spectra is a
        statement about how certain they are: those of confident predictions are smaller by far.

    Returns
    -------
    LineMeasurements

    Raises
    ------
    AgnError
        For NaN, another number of wavelengths, an unknown line, one that lies off the grid, windows that are
        not positive and in order.

    Notes
    -----
    Blends: a pixel in two cores belongs to the nearer line (Hε and [Ne III] 3968 are 197 km/s apart); a
    pixel in any line's core is no other line's wing ([O III] 4959 in the wing of 5007).  Wings of
    neighbours share pixels: those of [O III] 4363 are also Hγ's, and no count of pixels can tell them apart.
    Continuum: the 20 nearest pixels on either side, beyond the wings, outside all line windows
    (`agn_helpers.saliency.windows.line_windows`).

    Errors hold whatever the correlation between pixels: that of a mean is at most the mean of the errors,
    that of a contrast at most the sum of both.  Independent pixels would give errors smaller by the root of
    their number; but noise moves a map of few weight vectors as a whole, all pixels together.
    """
    attribution, grid = check_maps(attribution, grid)
    names, masks = _make_masks(grid, lines, core, wings)
    scale = np.ones(len(attribution))
    if relative:
        scale = np.concatenate([np.abs(attribution[k]).mean(axis=1) for k in spectra_blocks(attribution)])
        scale[scale == 0] = 1
    means = {part: _mean_over(attribution, mask) / scale[:, None] for part, mask in masks.items()}
    means["contrast"] = means["core"] - means["wings"]
    if uncertainty is not None:
        uncertainty, _ = check_maps(uncertainty, grid, name="uncertainty")
        if uncertainty.shape != attribution.shape or uncertainty.min() < 0:
            raise AgnError(
                f"uncertainty must have the shape of attribution, {attribution.shape}, and not be negative; "
                f"got {uncertainty.shape} from {uncertainty.min():.3g}. smoothgrad gives one."
            )
        for part, mask in masks.items():
            means[f"{part}_error"] = _mean_over(uncertainty, mask) / scale[:, None]
        means["contrast_error"] = means["core_error"] + means["wings_error"]
    return LineMeasurements(line=names, **means)


def _make_masks(grid, lines, core, wings):
    """Names (n_lines,), and for each part the pixels (n_lines, n_grid) that belong to it."""
    low, high = wings
    if not (0 < core <= low < high < np.inf):
        raise AgnError(f"core and wings must be increasing positive velocities in km/s; got {core}, {wings}.")
    unknown = [name for name in lines or () if name not in LINES]
    if unknown:
        raise AgnError(f"lines must be among {', '.join(LINES)}; got {', '.join(map(str, unknown))}.")
    everything = list(LINES)
    speed = np.abs([LINES[name].velocity(grid) for name in everything])
    in_core = speed < core
    own_core = in_core & (np.arange(len(everything))[:, None] == speed.argmin(axis=0))
    wing = (speed > low) & (speed < high) & ~in_core.any(axis=0)
    wanted = everything if lines is None else list(lines)
    on_grid = [everything.index(name) for name in wanted if own_core[everything.index(name)].any()]
    if not on_grid or (lines is not None and len(on_grid) < len(wanted)):
        off = [name for name in wanted if not own_core[everything.index(name)].any()]
        raise AgnError(
            f"every line must have its core on the grid, {grid[0]:.1f} to {grid[-1]:.1f} Å; "
            f"{', '.join(off)} has not. Leave it out."
        )
    clean = np.flatnonzero(~line_mask(grid))
    continuum = np.zeros_like(wing)
    for row in on_grid:
        left = clean[grid[clean] < LINES[everything[row]].window(-high, high)[0]]
        right = clean[grid[clean] > LINES[everything[row]].window(-high, high)[1]]
        continuum[row, left[-BAND_PIXELS:]] = continuum[row, right[:BAND_PIXELS]] = True
    parts = {"core": own_core, "wings": wing, "continuum": continuum}
    return np.array(everything)[on_grid], {part: mask[on_grid] for part, mask in parts.items()}


def _mean_over(values, mask):
    count = mask.sum(axis=1)
    weights = mask / np.where(count, count, np.nan)[:, None]
    return values @ weights.T.astype(values.dtype if values.dtype == np.float32 else float)


def summarise_lines(measurements, *, y, predicted, n_sigma=2.0):
    """Distributions over the sample, and whether core and wings are weighed oppositely more often than not.

    Parameters
    ----------
    measurements : LineMeasurements
    y, predicted : (n_spectra,) arrays of labels
        True and predicted types.
    n_sigma : float
        With errors: contrasts beyond this many of their errors are significant.

    Returns
    -------
    pandas.DataFrame
        A row for each true type, predicted type and line; columns ``true, predicted, line, n``; 16, 50 and
        84 % quantiles of each quantity, e.g. ``core_q50``; ``n_decided`` (core and wings both with a sign),
        ``n_opposite`` and ``share_opposite`` of those, its 95 % interval ``share_low, share_high`` (Wilson
        1927) and ``p_value``, of the one-sided sign test: how probable at least as many would be if one half
        were.  With errors, ``n_significant, share_significant, p_significant``: the same for spectra whose
        contrast is significant.

    Raises
    ------
    AgnError
        For labels that are not one a spectrum.

    Notes
    -----
    Shares and p-values are about the spectra, for this machine as it is; see the head of this module.
    """
    y, predicted = np.asarray(y), np.asarray(predicted)
    if not len(y) == len(predicted) == len(measurements.core):
        raise AgnError(
            f"y and predicted must hold a label for each of {len(measurements.core)} spectra; "
            f"got {len(y)} and {len(predicted)}."
        )
    rows = []
    for true, call in sorted(set(zip(y.tolist(), predicted.tolist()))):
        members = (y == true) & (predicted == call)
        for column, line in enumerate(measurements.line):
            row = {"true": true, "predicted": call, "line": line, "n": int(members.sum())}
            for quantity in _QUANTITIES:
                values = np.quantile(getattr(measurements, quantity)[members, column], _QUANTILES)
                row |= {f"{quantity}_q{100 * q:.0f}": value for q, value in zip(_QUANTILES, values)}
            rows.append(row | _count_opposite(measurements, members, column, n_sigma))
    return pd.DataFrame(rows)


def _count_opposite(measurements, members, column, n_sigma):
    decided = members & measurements.decided[:, column]
    opposite = measurements.opposite[:, column]
    share, p_value, interval = sign_test(opposite[decided])
    row = {"n_decided": int(decided.sum()), "n_opposite": int(opposite[decided].sum())}
    row |= {"share_opposite": share, "share_low": interval[0], "share_high": interval[1], "p_value": p_value}
    if measurements.contrast_error is not None:
        beyond = n_sigma * measurements.contrast_error[:, column]
        sure = decided & (np.abs(measurements.contrast[:, column]) > beyond)
        share, p_value, _ = sign_test(opposite[sure])
        row |= {"n_significant": int(sure.sum()), "share_significant": share, "p_significant": p_value}
    return row


def sign_test(opposite):
    """Share of True, p-value against one half (greater; exact), 95 % Wilson interval; NaN for none."""
    if not len(opposite):
        return np.nan, np.nan, (np.nan, np.nan)
    test = binomtest(int(np.sum(opposite)), len(opposite), 0.5, alternative="greater")
    both = binomtest(int(np.sum(opposite)), len(opposite)).proportion_ci(method="wilson")
    return test.statistic, test.pvalue, tuple(both)
