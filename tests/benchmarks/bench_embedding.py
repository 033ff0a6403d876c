"""Maps at six perplexities against scikit-learn's, and new spectra on a map."""

import time

import numpy as np
from sklearn.manifold import TSNE, trustworthiness

from agn_helpers.maps import embed_perplexities, place_on_map
from agn_helpers.reduction import reduce_spectra, sample_arrays
from agn_helpers.survey import simulate_survey

from . import Row

PERPLEXITIES = (5, 10, 20, 30, 40, 50)


def run():
    """Rows of the benchmark: the whole embedded survey, standardised; both with all cores."""
    X, _ = sample_arrays(reduce_spectra(simulate_survey()[0])[0])
    start = time.perf_counter()
    maps = embed_perplexities(X, PERPLEXITIES)
    ours = time.perf_counter() - start
    scaled = maps[0].scaler.transform(X)
    start = time.perf_counter()
    theirs_maps = [
        TSNE(perplexity=perplexity, init="pca", random_state=0, n_jobs=-1).fit_transform(scaled)
        for perplexity in PERPLEXITIES
    ]
    theirs = time.perf_counter() - start
    lost = [
        trustworthiness(scaled, other, n_neighbors=10)
        - trustworthiness(scaled, spectrum_map.coordinates, n_neighbors=10)
        for spectrum_map, other in zip(maps, theirs_maps)
    ]
    new = X[:100] + np.float32(0.05) * np.random.default_rng(0).normal(size=(100, X.shape[1]))
    start = time.perf_counter()
    place_on_map(maps[-1], new)
    placing = time.perf_counter() - start
    return [
        Row(
            "six maps of 3346 spectra: scikit-learn / ours",
            theirs / ours,
            "ratio",
            ">= 2",
            theirs >= 2 * ours,
        ),
        Row("largest loss of trustworthiness", max(lost), "", "<= 0.01", max(lost) <= 0.01),
        Row("placing 100 new spectra", placing, "s", "< 2", placing < 2),
    ]
