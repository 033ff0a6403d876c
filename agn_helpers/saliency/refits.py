"""How a line is weighed by classifiers trained on half-samples, and at places without a line (placebo).

The maps of one SVM with a linear kernel are mixtures of as many weight vectors as it has pairs of
classes, so that a thousand spectra are a thousand looks at the same three vectors.  What a sign test over
spectra lacks is evidence from classifiers trained on other draws of the training set, and from places where
there is no line.
"""

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils import check_random_state
from tqdm import tqdm

from ..errors import AgnError
from ..lines import LINES, Line
from .gradient_methods import gradient
from .line_shares import check_maps
from .line_statistics import CORE, WINGS, measure_lines, sign_test
from .target import check_spectra


def refit_half_samples(estimator, X, y, *, n_refits=20, random_state=0):
    """Refit a classifier on random halves of a training set, each with its own seed.

    Halves without replacement vary as bootstrap samples do (Friedman & Hall 2007, J. Stat. Plan. Inference
    137, 669), and no spectrum stands on both sides of the inner folds that calibrate probabilities.

    Parameters
    ----------
    estimator : classifier
        Cloned for each refit.
    X : (n_train, n_grid) array
    y : (n_train,) array of labels
        Each class keeps its share.
    n_refits : int
    random_state : int, RandomState or None

    Yields
    ------
    fitted classifier

    Raises
    ------
    AgnError
        For no refits.
    """
    if n_refits < 1:
        raise AgnError(f"n_refits must be at least 1; got {n_refits}. Some 20 show the spread.")
    random_state = check_random_state(random_state)
    X, y = np.asarray(X), np.asarray(y)
    # No bar in notebooks, whose pages would keep it.
    for _ in tqdm(range(n_refits), desc="refits", delay=2, disable=None):
        halves = [random_state.permutation(members)[: -(-len(members) // 2)] for members in _by_class(y)]
        rows = np.sort(np.concatenate(halves))
        yield reseed(clone(estimator), random_state).fit(X[rows], y[rows])


def _by_class(y):
    return [np.flatnonzero(y == label) for label in np.unique(y)]


def reseed(estimator, random_state):
    """Give every `random_state` among an estimator's parameters a new number; returns the estimator."""
    seeds = [name for name in estimator.get_params() if name.split("__")[-1] == "random_state"]
    return estimator.set_params(**{name: int(random_state.randint(2**31 - 1)) for name in seeds})


def count_refits(
    estimator,
    X_train,
    y_train,
    X,
    y,
    *,
    grid,
    line="Hbeta",
    core=CORE,
    wings=WINGS,
    n_refits=20,
    random_state=0,
):
    """Share of correctly classified spectra whose core and wings are weighed oppositely, refit by refit.

    Parameters
    ----------
    estimator : classifier with an exact gradient
    X_train, y_train : (n_train, n_grid) and (n_train,) arrays
    X, y : (n_spectra, n_grid) and (n_spectra,) arrays
        Spectra to explain, not among the former; each with the gradient of log p of its predicted type.
    grid : (n_grid,) array
        Rest wavelengths in vacuum Å, increasing.
    line, core, wings
        As in `agn_helpers.saliency.measure_lines`.
    n_refits : int
    random_state : int, RandomState or None

    Returns
    -------
    pandas.DataFrame
        Columns ``refit, type, n`` (correctly classified), ``share_opposite``, and the means over those
        spectra of ``core, wings, contrast`` in units of each map's mean |attribution|; a row a refit and
        type.

    Raises
    ------
    AgnError
        For NaN, X on another grid, a line off the grid, no refits.
    """
    rows = []
    y = np.asarray(y)
    refits = refit_half_samples(estimator, X_train, y_train, n_refits=n_refits, random_state=random_state)
    for number, refit in enumerate(refits):
        X = check_spectra(refit, X)
        attribution = gradient(refit, X)
        lines = measure_lines(attribution, grid=grid, lines=[line], core=core, wings=wings, relative=True)
        right = refit.predict(X) == y
        for label in np.unique(y):
            members = right & (y == label)
            row = {"refit": number, "type": label, "n": int(members.sum())}
            row["share_opposite"] = sign_test(lines.opposite[members & lines.decided[:, 0], 0])[0]
            for part in ("core", "wings", "contrast"):
                row[part] = getattr(lines, part)[members].mean() if members.any() else np.nan
            rows.append(row)
    return pd.DataFrame(rows)


def summarise_refits(counts):
    """Spread over refits of what `count_refits` found.

    Parameters
    ----------
    counts : pandas.DataFrame
        Of `count_refits`.

    Returns
    -------
    pandas.DataFrame
        Index ``type``; columns ``n_refits``; ``share, share_low, share_high`` (median and 2.5 to 97.5 % over
        refits of the share weighed oppositely); ``n_most`` (refits in which it is more than half) and its
        one-sided sign test ``p_value``; medians of ``core, wings, contrast``.

    Notes
    -----
    Two halves of one sample share half of their spectra: the refits are not independent either, and the
    p-value is a lower limit.
    """
    rows = {}
    for label, group in counts.dropna(subset="share_opposite").groupby("type"):
        share = group["share_opposite"]
        most, p_value, _ = sign_test((share > 0.5).to_numpy())
        low, high = share.quantile([0.025, 0.975])
        rows[label] = {
            "n_refits": len(share),
            "share": share.median(),
            "share_low": low,
            "share_high": high,
            "n_most": round(most * len(share)),
            "p_value": p_value,
            **group[["core", "wings", "contrast"]].median(),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("type")


def count_placebo(attribution, *, grid, line="Hbeta", core=CORE, wings=WINGS):
    """Share of spectra with core and wings weighed oppositely, were the line anywhere else.

    A map is rough also where there is no line, and there two means have opposite signs by chance, in many
    spectra at once where all maps are mixtures of few: with this the share at the line must be compared.

    Parameters
    ----------
    attribution : (n_spectra, n_grid) array
        Maps of one group of spectra, e.g. of those rightly predicted type 1.
    grid : (n_grid,) array
        Rest wavelengths in vacuum Å, increasing.
    line : str
        Key of `agn_helpers.lines.LINES`.
    core, wings
        As in `agn_helpers.saliency.measure_lines`; other lines are not left out of the wings.

    Returns
    -------
    pandas.DataFrame
        Columns ``centre`` (Å), ``share_opposite``, and means over spectra of ``core, wings`` in units of each
        map's mean |attribution|.  First the line itself, then every wavelength of the grid from which the
        windows stay on the grid and off the line's own.  Neighbours share most of their pixels: there
        are as many independent places as whole windows fit.

    Raises
    ------
    AgnError
        For NaN, another number of wavelengths, an unknown line, or one whose windows are not on the grid.
    """
    attribution, grid = check_maps(attribution, grid)
    if line not in LINES:
        raise AgnError(f"line must be among {', '.join(LINES)}; got {line!r}.")
    own = LINES[line]
    centres = np.concatenate([[own.wavelength], grid[np.abs(own.velocity(grid)) > 2 * wings[1]]])
    lines = [Line(line, own.label, centre) for centre in centres]
    spans = np.array([each.window(-wings[1], wings[1]) for each in lines])
    whole = (spans[:, 0] >= grid[0]) & (spans[:, 1] <= grid[-1])
    if not whole[0]:
        raise AgnError(
            f"the windows of {line} must lie on the grid; {spans[0, 0]:.1f} to {spans[0, 1]:.1f} Å do not."
        )
    speed = np.abs([each.velocity(grid) for each, on_grid in zip(lines, whole) if on_grid])
    masks = np.concatenate([speed < core, (speed > wings[0]) & (speed < wings[1])]).astype(float)
    masks /= masks.sum(axis=1, keepdims=True)
    inner, outer = np.split(attribution @ masks.T, 2, axis=1)
    scale = np.abs(attribution).mean(axis=1, keepdims=True)
    return pd.DataFrame(
        {
            "centre": centres[whole],
            "share_opposite": (np.sign(inner) * np.sign(outer) < 0).mean(axis=0),
            "core": (inner / scale).mean(axis=0),
            "wings": (outer / scale).mean(axis=0),
        }
    )
