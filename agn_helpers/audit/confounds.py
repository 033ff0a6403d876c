"""What else may tell the types apart: how a survey is made up, and parts of the spectrum without lines."""

import numpy as np
from sklearn.base import clone

from ..lines import AGN_TYPES, LINES
from ..reduction import reduce_spectra, sample_arrays, sample_grid
from ..survey import simulate_survey
from ..tuning import score_predictions

#: Surveys to judge by that differ from the training's in one thing, as changes of the population "paper".
SHIFTS = {
    "as trained": {},
    "all at z 0.02-0.1": {"redshift": (0.02, 0.1)},
    "all at z 0.4-0.75": {"redshift": (0.4, 0.75)},
    "hosts around type 1": {
        "mix": {
            "type 1": {"Seyfert 1": 1},
            "intermediate": {"Seyfert 1.5 to 1.9": 1},
            "type 2": {"Seyfert 2": 1},
        },
        "redshift": (0.02, 0.1),
        "nucleus_share": (0.3, 0.8),
    },
    "S/N 5-10": {"snr": (5, 10)},
    "redshift error 300 km/s": {"redshift_error": 1e-3},
    "resolution 400-600 km/s": {"resolution": (400, 600)},
    "calibration error 12 %": {"calibration_error": 3.0},
}

# Few spectra a survey: what a claim is over is surveys.
_SIZES = {"n_type1": 40, "n_intermediate": 40, "n_type2": 80}

# Half-width (km/s) of what belongs to a Balmer line.
_WIDE = 10000.0

_BALMER = ("Hbeta", "Hgamma", "Hdelta", "Hepsilon")

# Å over which the continuum is smoothed: far more than any line.
_SMOOTH = 300.0


def measure_confounds(survey):
    """Scores of one survey's classifier on surveys that differ in one thing; for `repeat_surveys`.

    Returns
    -------
    dict of str to float
        ``"<score> | <shift>"`` with the scores ``F macro``, ``F <type>`` and ``recall type 1``; shifts are
        the keys of `SHIFTS`.
    """
    values = {}
    for number, (shift, changes) in enumerate(SHIFTS.items()):
        spectra, _ = simulate_survey(random_state=survey.seed + 1 + number, **_SIZES, **changes)
        sample, _ = reduce_spectra(spectra)
        X, y = sample_arrays(sample)
        scores = score_predictions(y, survey.model.estimator.predict(X), labels=list(AGN_TYPES))
        values |= {f"F {name} | {shift}": scores.loc[name, "f_score"] for name in scores.index}
        values[f"recall type 1 | {shift}"] = scores.loc["type 1", "recall"]
    return values


def measure_representations(survey):
    """Scores of classifiers of one survey that see only a part of its spectra; for `repeat_surveys`.

    Returns
    -------
    dict of str to float
        ``"F <type> | <part>"``; parts are ``everything``, ``continuum only`` (averages over 300 Å without
        Balmer lines and [O III]), ``no smooth continuum`` (what is left without them), ``no Hβ``, ``Hβ
        alone`` and ``no Balmer lines``, within ±10 000 km/s.
    """
    X, y = sample_arrays(survey.sample)
    grid = sample_grid(survey.sample)
    hbeta, balmer = _near(grid, ("Hbeta",)), _near(grid, _BALMER)
    continuum = _smooth(X, grid, ~_near(grid, (*_BALMER, "OIII5007", "OIII4959")))
    parts = {
        "everything": X,
        "continuum only": continuum,
        "no smooth continuum": X - continuum,
        "no Hβ": np.where(hbeta, 0, X),
        "Hβ alone": np.where(hbeta, X, 0),
        "no Balmer lines": np.where(balmer, 0, X),
    }
    values = {}
    for part, fluxes in parts.items():
        estimator = survey.model.estimator
        if part != "everything":
            estimator = clone(estimator).fit(fluxes[survey.train], y[survey.train])
        predicted = estimator.predict(fluxes[survey.test])
        scores = score_predictions(y[survey.test], predicted, labels=list(AGN_TYPES))["f_score"]
        values |= {f"F {name} | {part}": scores[name] for name in scores.index}
    return values


def _near(grid, lines):
    return np.any([np.abs(LINES[line].velocity(grid)) < _WIDE for line in lines], axis=0)


def _smooth(X, grid, used):
    """Straight lines through means over 300 Å of the pixels that are `used`, (n_spectra, n_grid)."""
    edges = np.linspace(grid[0], grid[-1], round((grid[-1] - grid[0]) / _SMOOTH) + 1)
    which = np.digitize(grid, edges[1:-1])
    bins = [np.flatnonzero(used & (which == number)) for number in range(len(edges) - 1)]
    bins = [members for members in bins if len(members)]
    means = np.stack([X[:, members].mean(axis=1) for members in bins], axis=1)
    centres = [grid[members].mean() for members in bins]
    return np.stack([np.interp(grid, centres, row) for row in means])
