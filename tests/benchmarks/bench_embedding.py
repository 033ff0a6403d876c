"""Maps against scikit-learn's and openTSNE's own, landmarks against all, and new spectra on a map."""

import numpy as np
import openTSNE
from sklearn.manifold import TSNE, trustworthiness

from agn_helpers.maps import MapPlacer, embed_landmarks, embed_perplexities, embed_spectra
from agn_helpers.reduction import reduce_spectra, sample_arrays
from agn_helpers.survey import simulate_survey

from . import Row, at_least, at_most, time_in_turns

PERPLEXITIES = (10, 50)

_N_NEW, _N_LANDMARKS = 1000, 1000


def run():
    """Rows for the whole embedded survey, standardised, on one thread each."""
    X, _ = sample_arrays(reduce_spectra(simulate_survey()[0])[0])
    scaled = embed_perplexities(X[:100], [10])[0].scaler.fit(X).transform(X)

    def ours():
        return [each.coordinates for each in embed_perplexities(X, PERPLEXITIES, n_jobs=1)]

    def scikit_learn():
        options = {"init": "pca", "random_state": 0, "n_jobs": 1}
        return [TSNE(perplexity=each, **options).fit_transform(scaled) for each in PERPLEXITIES]

    def opentsne():
        options = {"initialization": "pca", "random_state": 0, "n_jobs": 1}
        return [np.asarray(openTSNE.TSNE(perplexity=each, **options).fit(scaled)) for each in PERPLEXITIES]

    seconds, maps = time_in_turns([ours, scikit_learn, opentsne], rounds=1)
    trust = [[trustworthiness(scaled, each, n_neighbors=10) for each in of_one] for of_one in maps]
    rows = []
    for name, peer, theirs, limit in zip(
        ("scikit-learn's", "openTSNE's own"), seconds[1:], trust[1:], (2.5, 1.3)
    ):
        lost = np.max(np.subtract(theirs, trust[0]))
        rows.append(
            at_least(
                f"{len(PERPLEXITIES)} maps of {len(X)} spectra, against {name}", peer / seconds[0], limit
            )
        )
        rows.append(at_most(f"trustworthiness lost against {name}", lost, 0.005))
    return [*rows, *_compare_landmarks(X, scaled), *_compare_placing(X)]


def _compare_landmarks(X, scaled):
    (own, peer), maps = time_in_turns(
        [
            lambda: embed_landmarks(X, n_landmarks=_N_LANDMARKS, perplexity=30, n_jobs=1),
            lambda: embed_spectra(X, perplexity=30, n_jobs=1),
        ],
        rounds=1,
    )
    of_landmarks, of_all = (trustworthiness(scaled, each.coordinates, n_neighbors=10) for each in maps)
    return [
        Row(f"a map of {_N_LANDMARKS} landmarks, against one of all {len(X)}", peer / own, "times", "", True),
        at_most("trustworthiness that landmarks lose", of_all - of_landmarks, 0.02),
    ]


def _compare_placing(X):
    """Time a spectrum once a placer is made; blocks change nothing."""
    spectrum_map = embed_spectra(X, perplexity=30, n_jobs=1)
    new = X[:_N_NEW] + 0.05 * np.random.default_rng(0).normal(size=(_N_NEW, X.shape[1]))
    placer = MapPlacer(spectrum_map)
    (whole, blocks), places = time_in_turns(
        [
            lambda: placer.place(new),
            lambda: np.concatenate([placer.place(part) for part in np.array_split(new, 4)]),
        ]
    )
    return [
        Row("placing a new spectrum", 1e3 * whole / _N_NEW, "ms", "", True),
        at_most("placing in four blocks, against all at once", blocks / whole, 2, "times"),
        at_most("placing in blocks: largest difference", np.abs(places[0] - places[1]).max(), 1e-3),
    ]
