"""The map of the embedded survey: what is placed on it, simulated anew or observed, falls among its kind."""

import numpy as np
import pytest
from astropy.table import Table
from sklearn.metrics import f1_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from agn_helpers.maps import MapPlacer, SpectrumScaler, embed_spectra, find_neighbours, score_components
from agn_helpers.reduction import reduce_spectra, sample_arrays
from agn_helpers.spectra import read_spectra
from agn_helpers.survey import simulate_survey

N_NEIGHBOURS = 10


@pytest.fixture(scope="module")
def survey(embedded_sample):
    return sample_arrays(embedded_sample)


@pytest.fixture(scope="module")
def survey_map(survey):
    # As in notebook 03.
    return embed_spectra(survey[0], perplexity=50, scaler=SpectrumScaler(n_components=30))


@pytest.fixture(scope="module")
def placer(survey_map):
    return MapPlacer(survey_map)


def test_the_number_of_components_is_the_one_that_tells_simulated_types_apart_best(survey):
    """Noise keeps neighbours apart: chosen on the embedded survey alone, by cross-validation."""
    score = score_components(*survey, [30], n_neighbours=N_NEIGHBOURS)["standardised"]
    assert score["30"] > score["all"] + 0.03


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
    machine = KNeighborsClassifier(N_NEIGHBOURS)

    def score(known, placed):
        return f1_score(y_new, machine.fit(known, y).predict(placed), average="macro")

    standardise = StandardScaler().fit(X)
    full = score(standardise.transform(X), standardise.transform(X_new))
    denoised = score(survey_map.scaler.transform(X), survey_map.scaler.transform(X_new))
    plane = score(survey_map.coordinates, placer.place(X_new))
    print(f"macro F of {N_NEIGHBOURS} neighbours: {full:.3f} between spectra, {denoised:.3f} between")
    print(f"components, {plane:.3f} on the map")
    assert plane >= 0.9 * full


@pytest.fixture(scope="module")
def real_neighbours(shared, survey, survey_map, placer):
    """Kind of each real spectrum, and the types of the spectra around its place."""
    kinds, around = [], []
    machine = KNeighborsClassifier(N_NEIGHBOURS).fit(survey_map.coordinates, survey[1])
    for folder in ("sdss", "text"):
        sample, _ = reduce_spectra(read_spectra(shared / "spectra" / folder))
        index = Table.read(shared / "spectra" / folder / "index.csv")
        kind = {str(row["file"]).rsplit(".", 1)[0]: str(row["kind"]) for row in index}
        kinds += [kind[name] for name in sample["name"]]
        near = machine.kneighbors(placer.place(sample_arrays(sample)[0]), return_distance=False)
        around.append(survey[1][near])
    return np.array(kinds), np.concatenate(around)


def test_real_spectra_fall_among_their_own_kind(real_neighbours):
    kinds, around = real_neighbours
    type2 = (around == "type 2").mean(axis=1)
    broad, narrow = type2[kinds == "broad"], type2[kinds == "narrow"]
    print(f"{(broad < 0.5).sum()} of {len(broad)} broad, {(narrow > 0.5).sum()} of {len(narrow)} narrow")
    assert (len(broad), len(narrow)) == (59, 13)
    assert np.mean(broad < 0.5) >= 0.9
    assert np.sum(narrow > 0.5) >= 11
