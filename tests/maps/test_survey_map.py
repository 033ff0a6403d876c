"""The map of the simulated survey: what is placed on it, simulated anew or observed, falls among its kind."""

import numpy as np
import pytest
from astropy.table import Table
from sklearn.metrics import f1_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from agn_helpers.maps import (
    MapPlacer,
    SpectrumScaler,
    embed_spectra,
    find_neighbours,
    place_on_map,
    score_components,
    vote_on_map,
)
from agn_helpers.reduction import reduce_spectra, sample_arrays
from agn_helpers.spectra import read_spectra
from agn_helpers.survey import simulate_survey

N_NEIGHBOURS = 10
# As in notebook 03.
SCALER = SpectrumScaler(n_components=30)


@pytest.fixture(scope="module")
def survey(embedded_sample):
    return sample_arrays(embedded_sample)


@pytest.fixture(scope="module")
def survey_map(survey):
    return embed_spectra(survey[0], perplexity=50, scaler=SCALER)


@pytest.fixture(scope="module")
def placer(survey_map):
    return MapPlacer(survey_map)


def test_thirty_components_distinguish_simulated_types_as_well_as_all_fluxes(survey):
    """Chosen on the simulated survey alone, by cross-validation; fewer lose what tells the types."""
    score = score_components(*survey, [3, 30], n_neighbours=N_NEIGHBOURS)["standardised"]
    assert score["30"] > score["all"] - 0.01
    assert score["30"] > score["3"] + 0.01


def test_a_spectrum_placed_again_lands_within_its_own_neighbourhood(survey, survey_map, placer):
    old = survey_map.coordinates
    moved = np.linalg.norm(placer.place(survey[0]) - old, axis=1)
    fifth = find_neighbours(old, 5)[:, 4]
    assert np.median(moved) < np.median(np.linalg.norm(old[fifth] - old, axis=1))


def test_spectra_never_seen_get_their_type_from_the_map_nearly_as_well_as_from_the_full_space(
    survey, survey_map, placer
):
    X, y = survey
    # A fifth of the survey once more, with another seed.
    new, _ = simulate_survey(n_type1=136, n_intermediate=104, n_type2=429, random_state=7)
    X_new, y_new = sample_arrays(reduce_spectra(new)[0])
    vote = KNeighborsClassifier(N_NEIGHBOURS)

    def score(known, placed):
        return f1_score(y_new, vote.fit(known, y).predict(placed), average="macro")

    standardise = StandardScaler().fit(X)
    full = score(standardise.transform(X), standardise.transform(X_new))
    denoised = score(survey_map.scaler.transform(X), survey_map.scaler.transform(X_new))
    plane = score(survey_map.coordinates, placer.place(X_new))
    print(f"macro F of {N_NEIGHBOURS} neighbours: {full:.3f} between spectra, {denoised:.3f} between")
    print(f"components, {plane:.3f} on the map")
    assert plane >= 0.9 * full


def read_real(shared):
    """Reduced fluxes of the real spectra, and whether their lines are broad or narrow."""
    X, kinds = [], []
    for folder in ("sdss", "text"):
        sample, _ = reduce_spectra(read_spectra(shared / "spectra" / folder))
        index = Table.read(shared / "spectra" / folder / "index.csv")
        kind = {str(row["file"]).rsplit(".", 1)[0]: str(row["kind"]) for row in index}
        kinds += [kind[name] for name in sample["name"]]
        X.append(sample_arrays(sample)[0])
    return np.concatenate(X), np.array(kinds)


def count_kin(spectrum_map, y, X, kinds):
    """Broad-line spectra with fewer than half, narrow-line ones with more than half of type 2 around them."""
    votes = vote_on_map(spectrum_map, y, place_on_map(spectrum_map, X), n_neighbours=N_NEIGHBOURS)
    broad, narrow = (votes["type 2"][kinds == kind] for kind in ("broad", "narrow"))
    return np.sum(broad < 0.5), np.sum(narrow > 0.5)


def test_real_spectra_fall_among_their_own_kind_from_most_starts(shared, survey, survey_map):
    """Where a borderline spectrum falls is an accident of the start, so that several starts are looked at.

    The map is of the paper's selection, which has no type 2 quasars: half of the narrow-line spectra fall
    among the intermediates that lead to type 1, where their blue light and wide lines belong.
    """
    X, kinds = read_real(shared)
    assert [np.sum(kinds == kind) for kind in ("broad", "narrow")] == [59, 13]
    starts = [
        embed_spectra(
            survey[0], perplexity=50, scaler=SCALER, initialisation="random", random_state=random_state
        )
        for random_state in range(2)
    ]
    counts = np.array([count_kin(each, survey[1], X, kinds) for each in (survey_map, *starts)])
    print(f"of 59 broad-line spectra {counts[:, 0].tolist()}, of 13 narrow-line ones {counts[:, 1].tolist()}")
    broad, narrow = counts.T
    assert np.median(broad) >= 0.85 * 59
    assert broad.min() >= 0.8 * 59
    assert narrow.min() > 13 / 2
