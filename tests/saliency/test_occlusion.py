"""Baselines and occlusion: what a line's flux is worth."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import RidgeClassifier

from agn_helpers.classifier import ProbabilisticSVC
from agn_helpers.lines import LINES
from agn_helpers.saliency import remove_lines
from agn_helpers.saliency import target as scores
from agn_helpers.saliency.perturbation_methods import occlusion
from agn_helpers.saliency.windows import class_mean, line_mask, line_windows

from ..toy_spectra import GRID, make_spectra

X, _, Y = make_spectra()


@pytest.fixture(scope="module")
def machine():
    return ProbabilisticSVC(C=0.5, kernel="linear", random_state=0).fit(X, Y)


@pytest.fixture(scope="module")
def two_classes():
    spectra, _, label = make_spectra(classes=("type 1", "type 2"))
    return ProbabilisticSVC(C=0.5, kernel="linear", random_state=0).fit(spectra, label)


class TestBaselines:
    def test_windows_are_in_velocity_and_broad_for_balmer_lines(self):
        windows = line_windows(GRID).set_index("name")
        for name, half in {"Hbeta": 5000, "OIII5007": 1000}.items():
            low, high = LINES[name].velocity(windows.loc[name].to_numpy(dtype=float))
            assert (low, high) == (pytest.approx(-half), pytest.approx(half))
        assert set(windows.index) == {"HeII4686", "Hbeta", "OIII4959", "OIII5007"}
        assert len(line_windows(GRID, narrow=100)) == 4

    def test_removing_lines_gives_a_straight_continuum_back(self):
        slope = 2 + 0.001 * (GRID - 4900)
        lines = np.where(line_mask(GRID), np.random.default_rng(0).normal(size=GRID.shape), 0)
        np.testing.assert_allclose(remove_lines((slope + lines)[None], GRID)[0], slope, rtol=1e-12)

    def test_flux_outside_the_windows_stays(self):
        mask = line_mask(GRID)
        continuum = remove_lines(X, GRID)
        np.testing.assert_array_equal(continuum[:, ~mask], X[:, ~mask])
        # The line adds up to 2 times the continuum there.
        assert np.abs(continuum[:, mask] - 1).max() < 0.5 < X[:, mask].max() - 1

    def test_at_the_grids_edge_the_continuum_is_level(self):
        grid = GRID[GRID > 4862]
        spectrum = np.where(line_mask(grid), 9.0, 3.0)[None]
        np.testing.assert_allclose(remove_lines(spectrum, grid), 3)

    def test_class_means_together_make_the_mean_of_all(self):
        names, members = np.unique(Y, return_counts=True)
        total = sum(count * class_mean(X, Y, name) for name, count in zip(names, members))
        np.testing.assert_allclose(total / len(X), X.mean(axis=0))
        one = class_mean(X, np.arange(len(X)), 7)
        np.testing.assert_array_equal(one, X[7])

    def test_is_refused_where_there_is_nothing_to_take(self):
        narrow = GRID[np.abs(LINES["Hbeta"].velocity(GRID)) < 3000]
        for message, attempt in {
            "no continuum is left beside the window": lambda: remove_lines(np.ones((1, len(narrow))), narrow),
            "grid must be 151": lambda: remove_lines(X, GRID[1:]),
            "broad must be a positive half-width": lambda: remove_lines(X, GRID, broad=0),
            "label must be one of .*; got 'type 7'": lambda: class_mean(X, Y, "type 7"),
            "a label for each of 120 spectra; got 119": lambda: class_mean(X, Y[1:], "type 1"),
        }.items():
            with pytest.raises(ValueError, match=message):
                attempt()


class TestOcclusion:
    def test_sum_over_a_lone_window_is_the_drop_without_the_line(self, machine):
        attribution = occlusion(machine, X[:9], grid=GRID, target="type 1")
        lone = line_windows(GRID).set_index("name").loc["OIII5007"]
        inside = (GRID >= lone["low"]) & (GRID < lone["high"])
        without = np.where(inside, remove_lines(X[:9], GRID), X[:9])
        drop = (machine.predict_log_proba(X[:9]) - machine.predict_log_proba(without))[:, 1]
        np.testing.assert_allclose(attribution[:, inside].sum(axis=1), drop, rtol=1e-9, atol=1e-12)
        assert np.ptp(attribution[:, inside], axis=1).max() < 1e-12
        assert not attribution[:, ~line_mask(GRID)].any()

    def test_overlapping_windows_are_averaged(self, machine):
        windows = pd.DataFrame({"low": [4800.0, 4850.0], "high": [4900.0, 4950.0]})
        both = occlusion(machine, X[:4], grid=GRID, windows=windows)
        first, second = (occlusion(machine, X[:4], grid=GRID, windows=windows[k : k + 1]) for k in (0, 1))
        shared = (GRID >= 4850) & (GRID < 4900)
        np.testing.assert_allclose(both, np.where(shared, (first + second) / 2, first + second), atol=1e-15)

    def test_of_a_linear_margin_is_the_weights_times_what_is_replaced(self, two_classes):
        attribution = occlusion(
            two_classes, X[:5], grid=GRID, windows=line_windows(GRID)[2:], target="type 2", of="margin"
        )
        exact = -two_classes.coef_[0] * (X[:5] - remove_lines(X[:5], GRID))
        for low, high in line_windows(GRID)[["low", "high"]].to_numpy()[2:]:
            inside = (GRID >= low) & (GRID < high)
            np.testing.assert_allclose(
                attribution[:, inside].sum(axis=1), exact[:, inside].sum(axis=1), atol=1e-10
            )

    def test_sliding_windows_cover_the_grid_and_find_the_line_that_counts(self, machine):
        attribution = occlusion(machine, X, grid=GRID, windows="sliding", width=3000.0, target="type 1")
        type1 = np.abs(attribution[Y == "type 1"]).mean(axis=0)
        assert (type1 > 0).all()
        assert np.abs(LINES["Hbeta"].velocity(GRID[type1.argmax()])) < 4000

    def test_a_window_wider_than_the_grid_is_the_whole_grid(self, machine):
        with pytest.raises(ValueError, match="no continuum is left"):
            occlusion(machine, X[:2], grid=GRID, windows="sliding", width=1e5)

    def test_any_estimator_with_probabilities_will_do_in_any_blocks(self, monkeypatch):
        forest = RandomForestClassifier(20, random_state=0).fit(X, Y)
        whole = occlusion(forest, X[:8], grid=GRID, of="p")
        assert np.abs(whole).max() > 0
        monkeypatch.setattr(scores, "BLOCK_ELEMENTS", 1)
        np.testing.assert_array_equal(occlusion(forest, X[:8], grid=GRID, of="p"), whole)

    def test_what_cannot_be_occluded_is_refused_with_the_reason(self, machine):
        forest = RandomForestClassifier(3, random_state=0).fit(X, Y)
        hopeless = np.flatnonzero(forest.predict_proba(X)[:, 1] == 0)[:1]
        broken = X[:2].copy()
        broken[1, 3] = np.inf
        off = pd.DataFrame({"low": [4800.0, 9000.0], "high": [4900.0, 9100.0]})
        options = {"grid": GRID}
        for message, attempt in {
            "spectrum 1 holds NaN or infinity": lambda: occlusion(machine, broken, **options),
            "grid must be 151": lambda: occlusion(machine, X, grid=GRID[:-1]),
            "got None": lambda: occlusion(machine, X, grid=None),
            "got type 0": lambda: occlusion(machine, X, target="type 0", **options),
            "windows must be 'lines'.*got 'all'": lambda: occlusion(machine, X, windows="all", **options),
            "window 1 holds none": lambda: occlusion(machine, X, windows=off, **options),
            "there is no window": lambda: occlusion(machine, X, windows=off[:0], **options),
            "width must be positive": lambda: occlusion(machine, X, windows="sliding", width=0, **options),
            "stride must be positive": lambda: occlusion(machine, X, windows="sliding", stride=-1, **options),
            "must have predict_proba; RidgeClassifier": lambda: occlusion(
                RidgeClassifier().fit(X, Y), X, **options
            ),
            "p is 0 or 1; spectrum 0, .* for target type 1": lambda: occlusion(
                forest, X[hopeless], target="type 1", **options
            ),
        }.items():
            with pytest.raises(ValueError, match=message):
                attempt()
