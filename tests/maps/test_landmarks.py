"""Maps of landmarks: where the others come, and that they move nothing."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from agn_helpers.errors import AgnError
from agn_helpers.maps import MapPlacer, embed_landmarks, embed_spectra, read_map, write_map

from .test_embedding import make_groups


@pytest.fixture(scope="module")
def groups():
    return make_groups(4)


@pytest.fixture(scope="module")
def landmark_map(groups):
    return embed_landmarks(groups[0], n_landmarks=90, perplexity=12, random_state=3)


def test_others_come_among_landmarks_of_their_kind(groups, landmark_map):
    _, group = groups
    others = np.setdiff1d(np.arange(len(group)), landmark_map.landmarks)
    assert len(landmark_map.landmarks) == 90 and len(others) == 90
    tree = cKDTree(landmark_map.coordinates[landmark_map.landmarks])
    near = landmark_map.landmarks[tree.query(landmark_map.coordinates[others], 5)[1]]
    assert (group[near] == group[others, None]).mean() > 0.99


def test_landmarks_make_the_map_that_they_make_alone(groups, landmark_map):
    rows = landmark_map.landmarks
    alone = embed_spectra(groups[0][rows], perplexity=12, random_state=3)
    np.testing.assert_array_equal(landmark_map.coordinates[rows], alone.coordinates)
    others = np.setdiff1d(np.arange(len(groups[0])), rows)
    placed = MapPlacer(alone).place(groups[0][others])
    np.testing.assert_array_equal(landmark_map.coordinates[others], placed)


def test_blocks_change_nothing(groups, landmark_map, monkeypatch):
    monkeypatch.setattr("agn_helpers.maps.landmarks._BLOCK", 7)
    again = embed_landmarks(groups[0], n_landmarks=90, perplexity=12, random_state=3)
    np.testing.assert_allclose(again.coordinates, landmark_map.coordinates, atol=1e-6)


def test_a_landmark_map_comes_back_and_places_as_before(groups, landmark_map, tmp_path):
    landmark_map.meta["survey"] = "synthetic"
    write_map(landmark_map, tmp_path / "map.fits")
    new = groups[0][:5] + 0.01
    expected = MapPlacer(landmark_map).place(new)
    for mapped in (False, True):
        back = read_map(tmp_path / "map.fits", mapped=mapped)
        np.testing.assert_array_equal(back.landmarks, landmark_map.landmarks)
        np.testing.assert_array_equal(back.X, landmark_map.X.astype(np.float32))
        np.testing.assert_allclose(MapPlacer(back).place(new), expected, atol=1e-4)


def test_few_spectra_are_all_landmarks(groups):
    few = embed_landmarks(groups[0], perplexity=12)
    assert few.landmarks is None
    np.testing.assert_array_equal(few.coordinates, embed_spectra(groups[0], perplexity=12).coordinates)


def test_a_large_map_is_placed_on_by_a_draw_of_it(groups):
    whole = embed_spectra(groups[0], perplexity=12)
    placed = MapPlacer(whole, most=90).place(groups[0])
    near = cKDTree(whole.coordinates).query(placed, 5)[1]
    assert (groups[1][near] == groups[1][:, None]).mean() > 0.97


def test_names_must_be_as_many(groups):
    with pytest.raises(AgnError, match="one name for each of the 180 spectra; got 2"):
        embed_landmarks(groups[0], name=["a", "b"])
