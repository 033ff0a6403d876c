"""What maps keep: measures against scikit-learn's, closed forms, and labels that are permuted."""

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from agn_helpers.errors import AgnError
from agn_helpers.lines import AGN_TYPES
from agn_helpers.maps import (
    SpectrumMap,
    SpectrumScaler,
    compare_clusterings,
    embed_spectra,
    find_clusters,
    find_neighbours,
    follow_clusters,
    match_clusters,
    measure_isthmus,
    measure_maps,
    score_components,
    score_placing,
    score_stability,
    tabulate_isthmus,
    tabulate_neighbours,
    vote_on_map,
)
from agn_helpers.maps.neighbours import measure_purity

N = 240


def make_map(coordinates, X, *, name=None, standardise=False):
    name = np.arange(len(X)).astype(str) if name is None else name
    scaler = SpectrumScaler(standardise=standardise).fit(X)
    return SpectrumMap(np.asarray(coordinates, float), X.astype(np.float32), name, 20.0, scaler, 0)


@pytest.fixture(scope="module")
def plane():
    """Spectra that fill a plane, type 1 at one end, type 2 at the other, intermediates between."""
    rng = np.random.default_rng(0)
    places = rng.uniform([0, 0], [9, 3], size=(N, 2))
    y = np.select([places[:, 0] < 3, places[:, 0] < 6], ["type 1", "intermediate"], "type 2")
    return places, y


def test_a_map_that_is_the_space_itself_keeps_everything(plane):
    places, y = plane
    row = measure_maps([make_map(places, places)], y).iloc[0]
    assert row["trustworthiness"] == row["preservation"] == 1
    for key in ("type1", "intermediate", "type2"):
        assert row[f"purity_{key}"] == row[f"purity_{key}_full"]


@pytest.mark.parametrize("standardise", [False, True])
def test_trustworthiness_is_scikit_learns(plane, standardise):
    rng = np.random.default_rng(1)
    X = np.column_stack([plane[0], rng.normal(size=(N, 3)) * [1, 5, 0.2]])
    spectrum_map = make_map(plane[0] + rng.normal(size=(N, 2)), X, standardise=standardise)
    ours = measure_maps([spectrum_map], plane[1], n_neighbours=7)["trustworthiness"][0]
    theirs = trustworthiness(spectrum_map.scaler.transform(X), spectrum_map.coordinates, n_neighbors=7)
    assert ours == pytest.approx(theirs, abs=1e-9)


def test_a_random_map_keeps_neighbours_as_often_as_chance_does(plane):
    places, y = plane
    rng = np.random.default_rng(2)
    maps = [make_map(rng.permutation(places), places) for _ in range(20)]
    table = measure_maps(maps, y, n_neighbours=10)
    assert table["preservation"].mean() == pytest.approx(10 / (N - 1), rel=0.1)
    assert table["trustworthiness"].mean() == pytest.approx(0.5, abs=0.02)
    share = (y == "type 2").mean()
    assert table["purity_type2"].mean() == pytest.approx(share, abs=0.03)


def test_a_random_choice_stands_for_very_many_spectra(plane):
    rng = np.random.default_rng(1)
    spectrum_map = make_map(plane[0] + 0.3 * rng.normal(size=(N, 2)), plane[0])
    whole = measure_maps([spectrum_map], plane[1])
    part = measure_maps([spectrum_map], plane[1], most_ranked=150)
    assert part["trustworthiness"][0] == pytest.approx(whole["trustworthiness"][0], abs=0.03)
    assert part["preservation"][0] == whole["preservation"][0]


def test_purity_counts_neighbours_of_the_own_type():
    near = np.array([[1, 2], [0, 2], [0, 1], [2, 1]])
    y = np.array(["type 1", "type 1", "type 2", "type 2"])
    assert measure_purity(near, y) == {"type 1": 0.5, "type 2": 0.25}


def test_an_isthmus_is_found_where_there_is_one_and_not_where_there_is_none():
    # A narrow strip: each intermediate has both others near; beyond it, types 1 and 2 by themselves.
    strip = np.column_stack([np.linspace(-1, 1, N), np.zeros(N)])
    y = np.where(np.abs(strip[:, 0]) < 0.02, "intermediate", np.where(strip[:, 0] < 0, "type 1", "type 2"))
    near = find_neighbours(strip, 12)
    between = measure_isthmus(near, y, permute=("intermediate", "type 2"))
    assert between.share == 1 > between.high
    assert between.p_value < 0.005
    # The same number of intermediates at the far end of type 2.
    y = np.where(strip[:, 0] < 0, "type 1", np.where(strip[:, 0] > 0.96, "intermediate", "type 2"))
    assert measure_isthmus(near, y).share == 0
    # Intermediates anywhere among type 2 are what a permutation makes of them.
    rng = np.random.default_rng(0)
    p_values = []
    for _ in range(40):
        y = np.where(
            strip[:, 0] < 0,
            "type 1",
            rng.permutation(np.where(np.arange(N) % 5 == 0, "intermediate", "type 2")),
        )
        p_values.append(measure_isthmus(near, y, permute=("intermediate", "type 2"), n_draws=200).p_value)
    assert np.mean(np.array(p_values) < 0.05) < 0.2
    assert np.mean(p_values) > 0.3


def test_the_isthmus_is_the_same_for_the_same_seed(plane):
    near = find_neighbours(plane[0], 10)
    assert measure_isthmus(near, plane[1], n_draws=50) == measure_isthmus(near, plane[1], n_draws=50)


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], [100, 80, 60])
    places = np.array([[0, 0], [10, 0], [0, 10]])[group] + rng.normal(size=(N, 2))
    return places, group


def test_clusters_are_found_largest_first(blobs):
    places, group = blobs
    clusters = find_clusters(make_map(places, places))
    assert clusters.max() == 2
    assert (clusters == group)[clusters >= 0].all()
    assert np.mean(clusters < 0) < 0.1


def test_leaf_clusters_lie_within_those_of_excess_of_mass(blobs):
    places, _ = blobs
    spectrum_map = make_map(places, places)
    coarse, fine = (
        find_clusters(spectrum_map, min_cluster_size=10),
        find_clusters(spectrum_map, min_cluster_size=10, method="leaf"),
    )
    assert fine.max() >= coarse.max()
    for cluster in range(fine.max() + 1):
        assert len(np.unique(coarse[fine == cluster])) == 1


def test_the_same_clusters_agree_whatever_their_numbers_and_random_ones_do_not(blobs):
    group = blobs[1]
    renumbered = np.array([2, 0, 1])[group]
    shuffled = np.random.default_rng(0).permutation(group)
    agreement = compare_clusterings([group, renumbered, shuffled])
    assert agreement[0, 1] == pytest.approx(1)
    assert abs(agreement[0, 2]) < 0.05
    np.testing.assert_array_equal(agreement, agreement.T)
    np.testing.assert_array_equal(score_stability([group, renumbered]), 1)
    assert score_stability([group, shuffled]).mean() < 0.4


def test_stability_is_the_jaccard_index_of_a_spectrums_clusters():
    first, second = np.array([0, 0, 0, 1, 1, -1]), np.array([0, 0, 1, 1, -1, -1])
    expected = [2 / 3, 2 / 3, 1 / 4, 1 / 3, 1 / 2, 1]
    np.testing.assert_allclose(score_stability([first, second]), expected)


def test_clusters_are_followed_to_other_maps():
    y = np.array(["type 1"] * 4 + ["type 2"] * 3 + ["intermediate"])
    reference = np.array([0, 0, 0, 0, 1, 1, 1, -1])
    kept = np.array([1, 1, 1, 1, 0, 0, -1, 0])
    lost = np.array([0, 0, 0, 0, -1, -1, -1, -1])
    table = match_clusters(reference, [kept, kept, lost], y)
    assert list(table["n_spectra"]) == [4, 3]
    assert list(table["type1"]) == [1, 0]
    np.testing.assert_allclose(table["jaccard"], [1, 2 / 4])
    np.testing.assert_allclose(table["lowest"], [1, 0])
    assert list(table["persistent"]) == [True, False]


@pytest.mark.parametrize("n_wavelengths", [30, 300])
def test_components_are_scored_as_scikit_learns_pipeline_would(n_wavelengths):
    rng = np.random.default_rng(0)
    y = np.array(["type 1", "type 2"])[np.arange(150) % 2]
    X = rng.normal(size=(150, n_wavelengths))
    X[:, 3] += 2.0 * (y == "type 1")
    table = score_components(X, y, [8, 3], n_neighbours=5)
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    for name, steps in {"3": [PCA(3)], "8": [PCA(8)], "all": []}.items():
        votes = make_pipeline(StandardScaler(), *steps, KNeighborsClassifier(5))
        expected = cross_val_score(votes, X, y, cv=folds, scoring="f1_macro").mean()
        assert table.loc[name, "standardised"] == pytest.approx(expected, abs=1e-9)
    with pytest.raises(ValueError, match="counts must be from 1 to"):
        score_components(X, y, [301])
    with pytest.raises(ValueError, match="n_neighbours must be from 1"):
        score_components(X, y, [3], n_neighbours=0)


def test_clusters_of_one_map_are_followed_to_the_others(blobs):
    places, group = blobs
    y = np.array(list(AGN_TYPES))[group]
    # The same three clusters, then two of them run together.
    merged = np.where(group[:, None] == 2, places - [0, 10], places)
    maps = [make_map(each, places) for each in (places, places[:, ::-1], merged)]
    followed = follow_clusters(maps, y, min_cluster_size=20)
    for kind in ("eom", "leaf"):
        found = [find_clusters(each, min_cluster_size=20, method=kind) for each in maps]
        np.testing.assert_array_equal(followed.clusters[kind], found)
        np.testing.assert_array_equal(followed.agreement[kind], compare_clusterings(found))
        table = match_clusters(found[0], found[1:], y)
        pd.testing.assert_frame_equal(followed.table.loc[kind], table)
    np.testing.assert_array_equal(followed.stability, score_stability(followed.clusters["leaf"]))
    assert followed.agreement["eom"][0, 1] == pytest.approx(1)
    assert followed.agreement["eom"][0, 2] < 0.9
    with pytest.raises(AgnError, match="at least one other map"):
        follow_clusters(maps[:1], y)


def test_neighbours_and_votes_by_hand():
    y = np.array(["type 2", "type 1", "type 2"])
    near = np.array([[1, 2], [0, 2], [0, 1]])
    table = tabulate_neighbours(near, y)
    assert table.index.tolist() == table.columns.tolist() == ["type 1", "type 2"]
    assert table.to_numpy().tolist() == [[0, 1], [0.5, 0.5]]
    spectrum_map = make_map([[0, 0], [1, 0], [5, 0]], np.zeros((3, 2)))
    votes = vote_on_map(spectrum_map, y, [[0.4, 0], [4.9, 0]], n_neighbours=2)
    assert votes.to_dict("list") == {"type 1": [0.5, 0.5], "type 2": [0.5, 0.5]}
    assert vote_on_map(spectrum_map, y, [[0.9, 0]], n_neighbours=1)["type 1"].tolist() == [1]


def test_the_isthmus_is_measured_on_every_map_and_in_the_full_space_of_every_scale(plane):
    places, y = plane
    maps = [make_map(places[:, ::-1], places), make_map(places, places, standardise=True)]
    maps[1].perplexity = 7.0
    options = {"permute": ("intermediate", "type 2"), "n_draws": 20}
    table = tabulate_isthmus(maps, y, n_neighbours=10, **options)
    assert table.index.tolist() == [
        ("raw", "20.0"),
        ("raw", "full space"),
        ("standardised", "7.0"),
        ("standardised", "full space"),
    ]
    # The map is the full space, but for a reflection.
    assert table.iloc[0].tolist() == table.iloc[1].tolist()
    near = find_neighbours(maps[1].scaler.transform(places), 10)
    assert tuple(table.iloc[3]) == measure_isthmus(near, y, **options)


def test_placing_is_scored_in_three_spaces(plane):
    rng = np.random.default_rng(4)
    X = np.column_stack([plane[0], 0.1 * rng.normal(size=(N, 8))])
    known, new = np.arange(N) % 4 > 0, np.arange(N) % 4 == 0
    spectrum_map = embed_spectra(X[known], perplexity=20, scaler=SpectrumScaler(n_components=2))
    scores = score_placing(spectrum_map, plane[1][known], X[new], plane[1][new], n_neighbours=5)
    pipeline = make_pipeline(StandardScaler(), KNeighborsClassifier(5)).fit(
        spectrum_map.X.astype(float), plane[1][known]
    )
    expected = f1_score(plane[1][new], pipeline.predict(X[new]), average="macro")
    assert scores["between all wavelengths"] == pytest.approx(expected)
    assert scores.index.tolist() == ["between all wavelengths", "between components", "on the map"]
    assert scores["on the map"] > 0.5


def test_what_cannot_be_measured_is_refused_with_the_reason(plane):
    places, y = plane
    spectrum_map = make_map(places, places)
    other = make_map(places, places, name=np.arange(N, 0, -1).astype(str))
    near = find_neighbours(places, 5)
    for message, attempt in {
        "at least one map": lambda: measure_maps([], y),
        "names differ": lambda: measure_maps([spectrum_map, other], y),
        "one label for each of the 240": lambda: measure_maps([spectrum_map], y[:9]),
        "n_neighbours must be .* less than half": lambda: measure_maps([spectrum_map], y, n_neighbours=120),
        "k must be at least 1": lambda: find_neighbours(places, 0),
        "y must hold three types": lambda: measure_isthmus(near, np.where(y == "type 1", "type 2", y)),
        "permute must name types of y": lambda: measure_isthmus(near, y, permute=("type 3",)),
        "n_draws must be at least 1": lambda: measure_isthmus(near, y, n_draws=0),
        "min_cluster_size must be from 2": lambda: find_clusters(spectrum_map, min_cluster_size=1),
        "at least two maps": lambda: score_stability([np.zeros(5, int)]),
        "at least one other map": lambda: match_clusters(np.zeros(5, int), [], np.array(["type 1"] * 5)),
    }.items():
        with pytest.raises(ValueError, match=message):
            attempt()
