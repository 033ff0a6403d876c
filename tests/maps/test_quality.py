"""What maps keep: measures against scikit-learn's, and against closed forms on planes that are made."""

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
    measure_bridge,
    measure_maps,
    score_components,
    score_placing,
    score_stability,
    tabulate_bridges,
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


def make_bridge(share, *, n=(400, 500, 1000), random_state=0):
    """Types 1 and 2 as two discs, a share of the intermediates on a bar between, the others over type 2."""
    rng = np.random.default_rng(random_state)
    n_bridge = round(share * n[1])

    def disc(centre, size):
        angle, radius = rng.uniform(0, 2 * np.pi, size), 3 * np.sqrt(rng.uniform(size=size))
        return np.column_stack([centre + radius * np.cos(angle), radius * np.sin(angle)])

    bar = rng.uniform([-6.5, -0.5], [6, 0.5], size=(n_bridge, 2))
    places = [disc(-10, n[0]), bar, disc(9, n[1] - n_bridge), disc(9, n[2])]
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    return np.concatenate(places) @ turn, np.repeat(["type 1", "intermediate", "type 2"], n)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9])
def test_a_bridge_is_measured_as_wide_as_it_is(share):
    found = [measure_bridge(*make_bridge(share, random_state=seed)) for seed in range(4)]
    mean = pd.DataFrame(found).mean()
    assert mean["share"] == pytest.approx(share, abs=0.02)
    assert mean["beyond"] == pytest.approx(share + 0.05 * (1 - share), abs=0.02)
    assert mean["expected"] == pytest.approx(1 / 3)
    # On the bar nearly all neighbours are of the own type, over type 2 as many as chance has it.
    scattered = (1 - share) * 500 / ((1 - share) * 500 + 1000)
    assert mean["purity"] == pytest.approx(share + (1 - share) * scattered, abs=0.03)
    assert mean["nearest"] == pytest.approx(1 if share else 1 / 3, abs=0.05)


def test_what_lies_behind_or_strays_is_no_bridge():
    places, y = make_bridge(0.0)
    # The intermediates behind type 2, as seen from type 1; five of type 1 among type 2.
    away = places[y == "type 2"].mean(axis=0) - places[y == "type 1"].mean(axis=0)
    places[y == "intermediate"] += 10 * away / np.linalg.norm(away)
    behind = measure_bridge(places, y)
    assert behind.beyond == behind.nearest == 0 and behind.purity > 0.95
    assert behind.share == pytest.approx(-0.05 / 0.95)
    places, y = make_bridge(0.5)
    stray = np.flatnonzero(y == "type 1")[:5]
    before = measure_bridge(places, y)
    places[stray] = places[y == "type 2"][:5]
    assert measure_bridge(places, y).share == pytest.approx(before.share, abs=0.005)


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


def test_bridges_are_measured_on_every_map_and_in_the_full_space_of_every_scale(plane):
    places, y = plane
    maps = [make_map(places[:, ::-1], places), make_map(places, places, standardise=True)]
    maps[1].perplexity = 7.0
    table = tabulate_bridges(maps, y, n_neighbours=8, n_nearest=30)
    assert table.index.tolist() == [
        ("raw", "20.0"),
        ("raw", "full space"),
        ("standardised", "7.0"),
        ("standardised", "full space"),
    ]
    # The map is the full space, but for a reflection.
    assert table.iloc[0].tolist() == table.iloc[1].tolist()
    # All intermediates stand between, and no type 2 does.
    assert table["share"].tolist() == [1] * 4 and table["nearest"].tolist() == [1] * 4
    scaled = maps[1].scaler.transform(places)
    assert tuple(table.iloc[3]) == measure_bridge(scaled, y, n_neighbours=8, n_nearest=30)


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
    for message, attempt in {
        "at least one map": lambda: measure_maps([], y),
        "names differ": lambda: measure_maps([spectrum_map, other], y),
        "one label for each of the 240": lambda: measure_maps([spectrum_map], y[:9]),
        "n_neighbours must be .* less than half": lambda: measure_maps([spectrum_map], y, n_neighbours=120),
        "k must be at least 1": lambda: find_neighbours(places, 0),
        "there is no type 1": lambda: measure_bridge(places, np.where(y == "type 1", "type 2", y)),
        "n_neighbours must be from 1 to": lambda: measure_bridge(places, y, n_neighbours=0),
        "n_nearest must be from 1 to": lambda: measure_bridge(places, y, n_nearest=N),
        "min_cluster_size must be from 2": lambda: find_clusters(spectrum_map, min_cluster_size=1),
        "at least two maps": lambda: score_stability([np.zeros(5, int)]),
        "at least one other map": lambda: match_clusters(np.zeros(5, int), [], np.array(["type 1"] * 5)),
    }.items():
        with pytest.raises(ValueError, match=message):
            attempt()
