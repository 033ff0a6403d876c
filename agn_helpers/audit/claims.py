"""What README and notebooks say of the classifier, as numbers of one survey."""

import numpy as np
from scipy.ndimage import uniform_filter1d
from sklearn.preprocessing import StandardScaler

from ..lines import AGN_TYPES
from ..maps import measure_bridge
from ..reduction import sample_arrays, sample_grid
from ..saliency import gradient, measure_lines, share_in_windows
from ..tuning import score_predictions

# Å over which |attribution| is averaged before its highest place is looked for.
_AVERAGED = 15.0

#: Half-widths (km/s) of the core of Hβ.
CORES = (500, 150)


def measure_claims(survey):
    """Scores, and how Hβ is weighed, of one survey's classifier on its own test part.

    Parameters
    ----------
    survey : Survey

    Returns
    -------
    dict of str to float
        ``F macro``, ``F type 1`` …; ``opposite <core> <type>``, the share of the correctly classified spectra
        of a type whose core and wings of Hβ are weighed oppositely; ``foot <type>``, the share in which core
        (500 km/s) and wings both have the sign of a broad line (raise P of intermediates, lower that of type
        2); ``in lines <type>``, the share of |attribution| in line windows over that of windows at random
        places; ``strongest <type>``, the wavelength (Å) about which the mean |attribution| of the spectra
        predicted to be of a type is largest; ``bridge share`` and ``bridge nearest`` of
        `agn_helpers.maps.measure_bridge` for all spectra in the space of standardised fluxes, where a map's
        tears and starts play no part.
    """
    X, y = (array[survey.test] for array in sample_arrays(survey.sample))
    estimator, grid = survey.model.estimator, sample_grid(survey.sample)
    predicted, types = estimator.predict(X), [name for name in AGN_TYPES if name in estimator.classes_]
    scores = score_predictions(y, predicted, labels=types)["f_score"]
    values = {f"F {name}": scores[name] for name in scores.index}
    attribution = gradient(estimator, X, target=predicted)
    right = predicted == y
    for core in CORES:
        lines = measure_lines(attribution, grid=grid, lines=["Hbeta"], core=core, relative=True)
        for name in types:
            rows = right & (y == name)
            values[f"opposite {core} {name}"] = _mean(lines.opposite[rows, 0])
            if core == CORES[0] and name != "type 1":
                sign = 1 if name == "intermediate" else -1
                together = (sign * lines.core > 0) & (sign * lines.wings > 0)
                values[f"foot {name}"] = _mean(together[rows, 0])
    inside = share_in_windows(attribution, grid, groups=predicted, random_state=survey.seed)
    for name in types:
        if name in inside.index:
            values[f"in lines {name}"] = inside.loc[name, "share"] / inside.loc[name, "expected"]
        if np.any(predicted == name):
            mean = uniform_filter1d(np.abs(attribution[predicted == name]).mean(axis=0), _n_averaged(grid))
            values[f"strongest {name}"] = grid[np.argmax(mean)]
    fluxes, labels = sample_arrays(survey.sample)
    n_type1 = np.sum(labels == "type 1")
    bridge = measure_bridge(
        StandardScaler().fit_transform(fluxes),
        labels,
        n_neighbours=min(10, n_type1),
        n_nearest=min(100, len(labels) - n_type1),
    )
    return values | {"bridge share": bridge.share, "bridge nearest": bridge.nearest}


def _n_averaged(grid):
    return max(1, round(_AVERAGED * (len(grid) - 1) / (grid[-1] - grid[0])))


def _mean(values):
    return np.mean(values) if len(values) else np.nan
