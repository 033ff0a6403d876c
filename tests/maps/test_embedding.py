"""Maps: neighbours stay neighbours, the same seed gives the same bits, new spectra do not move old ones."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from scipy.spatial import cKDTree

from agn_helpers.errors import AgnError
from agn_helpers.files import write_table
from agn_helpers.lines import AGN_TYPES
from agn_helpers.maps import (
    SpectrumScaler,
    embed_perplexities,
    embed_spectra,
    largest_perplexity,
    measure_maps,
    place_on_map,
    read_map,
    write_map,
)

N_GROUP, N_GRID = 60, 80


def make_groups(seed=0):
    """Three groups of smooth curves, and which group each belongs to."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0, 1, N_GRID)
    group = np.repeat(np.arange(3), N_GROUP)
    bump = np.exp(-0.5 * ((x - np.array([0.2, 0.5, 0.8])[group, None]) / 0.05) ** 2)
    slope = rng.normal(size=(len(group), 1)) * x
    return 1 + bump + 0.3 * slope + 0.05 * rng.normal(size=(len(group), N_GRID)), group


@pytest.fixture(scope="module")
def groups():
    return make_groups()


@pytest.fixture(scope="module")
def spectrum_map(groups):
    names = [f"spec-{row}" for row in range(len(groups[0]))]
    spectrum_map = embed_spectra(groups[0], perplexity=20, name=names)
    spectrum_map.meta["survey"] = "synthetic"
    return spectrum_map


@pytest.mark.parametrize("standardise", [True, False])
def test_neighbours_in_the_map_are_of_the_same_group(groups, standardise):
    X, group = groups
    coordinates = embed_spectra(X, perplexity=20, scaler=SpectrumScaler(standardise=standardise)).coordinates
    near = cKDTree(coordinates).query(coordinates, 11)[1][:, 1:]
    assert (group[near] == group[:, None]).mean() > 0.99


def test_the_same_seed_gives_the_same_map_bit_for_bit_in_a_fresh_process_with_other_threads(groups):
    program = (
        "import hashlib; from tests.maps.test_embedding import make_groups;"
        "from agn_helpers.maps import embed_spectra;"
        "m = embed_spectra(make_groups()[0][::3], perplexity=10, n_jobs=2);"
        "print(hashlib.sha256(m.coordinates.tobytes()).hexdigest())"
    )
    here = embed_spectra(groups[0][::3], perplexity=10, n_jobs=1)
    # Threads that wait without working, should other processes hold the cores.
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    run = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == hashlib.sha256(here.coordinates.tobytes()).hexdigest()


def test_the_number_of_blas_threads_changes_no_map():
    program = (
        "import hashlib, numpy as np; from agn_helpers.maps import SpectrumScaler, embed_spectra;"
        "X = np.random.default_rng(0).normal(size=(1000, 1000)) + np.linspace(0, 3, 1000)[:, None];"
        "scaler = SpectrumScaler(n_components=20);"
        "m = embed_spectra(X, perplexity=10, scaler=scaler, n_jobs=1);"
        "print(hashlib.sha256(m.scaler.axes_.components_.tobytes() + m.coordinates.tobytes()).hexdigest())"
    )
    hashes = set()
    for threads in ("1", "2"):
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_WAIT_POLICY": "passive"}
        run = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        hashes.add(run.stdout)
    assert len(hashes) == 1


def test_several_perplexities_at_once_give_the_maps_of_each_alone(groups):
    together = embed_perplexities(groups[0], [5, 20, 10], scaler=SpectrumScaler(n_components=8))
    for perplexity, spectrum_map in zip([5, 20, 10], together):
        alone = embed_spectra(groups[0], perplexity=perplexity, scaler=SpectrumScaler(n_components=8))
        assert spectrum_map.perplexity == perplexity
        np.testing.assert_array_equal(spectrum_map.coordinates, alone.coordinates)


def test_another_order_gives_another_map_of_the_same_quality(groups):
    X, y = groups
    order = np.random.default_rng(0).permutation(len(X))
    table = pd.concat(
        [
            measure_maps([embed_spectra(X[rows], perplexity=20)], np.array(list(AGN_TYPES))[y[rows]])
            for rows in (np.arange(len(X)), order)
        ]
    )
    assert np.ptp(table["trustworthiness"]) < 0.005


def test_a_random_start_keeps_neighbours_though_not_the_large_structure(groups):
    pca, random = (
        embed_spectra(groups[0], perplexity=20, initialisation=start).coordinates
        for start in ("pca", "random")
    )
    assert not np.allclose(pca, random)
    near = cKDTree(random).query(random, 11)[1][:, 1:]
    assert (groups[1][near] == groups[1][:, None]).mean() > 0.99


def test_distances_between_all_components_are_those_between_all_wavelengths(groups):
    X = groups[0]
    full = embed_spectra(X, perplexity=20)
    rotated = embed_spectra(X, perplexity=20, scaler=SpectrumScaler(n_components=X.shape[1]))
    pairs = np.arange(20), np.arange(40, 60)
    scaled = [each.scaler.transform(X) for each in (full, rotated)]
    distances = [np.linalg.norm(Z[pairs[0]] - Z[pairs[1]], axis=1) for Z in scaled]
    np.testing.assert_allclose(*distances, rtol=1e-4)
    assert SpectrumScaler(n_components=3).fit_transform(X).shape == (len(X), 3)


def test_more_spectra_than_exact_neighbours_allow_are_mapped_by_approximate_ones(groups):
    coordinates = embed_spectra(groups[0][::2], perplexity=10, most_exact=50).coordinates
    near = cKDTree(coordinates).query(coordinates, 11)[1][:, 1:]
    assert (groups[1][::2][near] == groups[1][::2, None]).mean() > 0.99


def test_units_do_not_matter_to_a_standardised_map(groups, spectrum_map):
    # Powers of two are exact in floating point, so the maps must agree to the bit.
    unit = 2.0 ** np.random.default_rng(0).integers(-6, 6, N_GRID)
    rescaled = embed_spectra(groups[0] * unit, perplexity=20)
    np.testing.assert_array_equal(rescaled.coordinates, spectrum_map.coordinates)


def test_a_wavelength_without_any_spread_does_no_harm(groups):
    X = groups[0].copy()
    X[:, 7] = 1.0
    assert np.isfinite(embed_spectra(X, perplexity=20).coordinates).all()


def test_a_spectrum_placed_again_lands_in_its_own_neighbourhood(groups, spectrum_map):
    old = spectrum_map.coordinates.copy()
    moved = np.linalg.norm(place_on_map(spectrum_map, groups[0]) - old, axis=1)
    nearest = cKDTree(old).query(old, 6)[0][:, 5]
    assert np.median(moved) < np.median(nearest)
    np.testing.assert_array_equal(spectrum_map.coordinates, old)


def test_new_spectra_fall_on_their_own_group(groups, spectrum_map):
    X_new, group_new = make_groups(seed=1)
    near = cKDTree(spectrum_map.coordinates).query(place_on_map(spectrum_map, X_new), 5)[1]
    majority = np.array([np.bincount(row, minlength=3).argmax() for row in groups[1][near]])
    assert (majority == group_new).mean() > 0.98


def test_a_place_does_not_depend_on_which_others_are_placed(spectrum_map):
    X_new, _ = make_groups(seed=2)
    together = place_on_map(spectrum_map, X_new[::10])
    alone = np.vstack([place_on_map(spectrum_map, X_new[row : row + 1]) for row in (0, 10, 170)])
    np.testing.assert_allclose(alone, together[[0, 1, 17]], atol=1e-6)


def test_a_map_read_back_places_spectra_as_before(spectrum_map, tmp_path):
    write_map(spectrum_map, tmp_path / "map.fits")
    back = read_map(tmp_path / "map.fits")
    assert list(back.name) == list(spectrum_map.name)
    assert back.meta == {"survey": "synthetic"}
    assert (back.perplexity, back.random_state, back.scale_name) == (20, 0, "standardised")
    X_new, _ = make_groups(seed=3)
    np.testing.assert_array_equal(place_on_map(back, X_new[:3]), place_on_map(spectrum_map, X_new[:3]))


def test_largest_perplexity_is_just_possible():
    X = np.random.default_rng(0).normal(size=(31, 5))
    assert largest_perplexity(31) == 10
    assert embed_spectra(X, perplexity=10).coordinates.shape == (31, 2)
    with pytest.raises(ValueError, match=r"perplexity must be .* at most 10"):
        embed_spectra(X, perplexity=11)


@pytest.mark.parametrize("perplexity", [0, -5, float("nan")])
def test_a_perplexity_that_is_not_positive_is_refused(groups, perplexity):
    with pytest.raises(ValueError, match="perplexity must be positive"):
        embed_spectra(groups[0], perplexity=perplexity)


def test_bad_spectra_are_refused(groups, spectrum_map):
    X = groups[0]
    with pytest.raises(ValueError, match="at least 10 spectra"):
        embed_spectra(X[:9], perplexity=2)
    with pytest.raises(ValueError, match=r"no two spectra may be alike; 0 and 180 are"):
        embed_spectra(np.vstack([X, X[:1]]), perplexity=20)
    with pytest.raises(ValueError, match="one name for each"):
        embed_spectra(X, perplexity=20, name=["a"])
    with pytest.raises(ValueError, match="n_components must be from 2 to 80"):
        embed_spectra(X, perplexity=20, scaler=SpectrumScaler(n_components=1))
    with pytest.raises(ValueError, match="initialisation must be 'pca' or 'random'; got 'spectral'"):
        embed_spectra(X, perplexity=20, initialisation="spectral")
    with pytest.raises(ValueError, match="perplexities must hold at least one"):
        embed_perplexities(X, [])
    with pytest.raises(ValueError, match="grid of 80 wavelengths; got 79"):
        place_on_map(spectrum_map, X[:, 1:])
    broken = X.copy()
    broken[3, 5] = np.nan
    for attempt in (lambda: embed_spectra(broken, perplexity=20), lambda: place_on_map(spectrum_map, broken)):
        with pytest.raises(AgnError, match="must be finite; row 3 is not"):
            attempt()
    for wrong in (X[0], [["flux"]]):
        with pytest.raises(AgnError, match=r"must be an array \(n_spectra, n_grid\) of fluxes; ") as caught:
            embed_spectra(wrong, perplexity=20)
        assert "\n" not in str(caught.value)
    with pytest.raises(AgnError, match=r"perplexity must be positive .* got many"):
        embed_spectra(X, perplexity="many")


def test_a_file_that_is_no_map_or_of_another_version_is_refused(spectrum_map, tmp_path):
    write_map(spectrum_map, tmp_path / "map.fits")
    table = Table.read(tmp_path / "map.fits")
    table.meta["map_version"] = 99
    for meta, message in ((table.meta, "version 99"), ({}, "must be a map of version 2, .* of version None")):
        table.meta = meta
        write_table(table, tmp_path / "other.fits")
        with pytest.raises(ValueError, match=message):
            read_map(tmp_path / "other.fits")
    (tmp_path / "text.fits").write_text("no map")
    with pytest.raises(ValueError, match="must be a table"):
        read_map(tmp_path / "text.fits")
