"""LIME and its segments: exact for a linear model, repeatable, and open about its scatter."""

import numpy as np
import pytest
from astropy.table import Table
from sklearn.ensemble import RandomForestClassifier

from agn_helpers.classifier import ProbabilisticSVC
from agn_helpers.lines import LINES, PAPER_GRID
from agn_helpers.saliency import check_segments, make_segments
from agn_helpers.saliency import target as scores
from agn_helpers.saliency.segment_methods import lime
from agn_helpers.saliency.windows import bridge_window, class_mean, line_mask

from ..toy_spectra import GRID, make_spectra

X, _, Y = make_spectra()
SEGMENTS = make_segments(GRID)


@pytest.fixture(scope="module")
def machine():
    return ProbabilisticSVC(C=5, gamma=0.02, random_state=0).fit(X, Y)


@pytest.fixture(scope="module")
def two_classes():
    spectra, _, label = make_spectra(classes=("type 1", "type 2"))
    return ProbabilisticSVC(C=0.5, kernel="linear", random_state=0).fit(spectra, label)


class TestSegments:
    @pytest.mark.parametrize("grid", [GRID, PAPER_GRID, np.geomspace(3000, 7000, 2000)])
    def test_cover_the_grid_once_with_cores_wings_and_continuum(self, grid):
        segments = make_segments(grid)
        spans = check_segments(segments, grid)
        assert spans[0, 0] == 0 and spans[-1, 1] == len(grid) and (spans[1:, 0] == spans[:-1, 1]).all()
        assert segments["name"].is_unique
        core = segments[segments["name"] == "Hbeta core"].iloc[0]
        velocity = LINES["Hbeta"].velocity([core["low"], core["high"]])
        pixel = LINES["Hbeta"].velocity(grid[np.searchsorted(grid, 4862.68) + 1]) + 1
        np.testing.assert_allclose(velocity, [-500, 500], atol=pixel)
        blue = segments[segments["name"] == "Hbeta blue wing"].iloc[0]
        assert LINES["Hbeta"].velocity(blue["low"]) == pytest.approx(-5000, abs=pixel)
        assert blue["high"] == core["low"]
        stretches = segments[segments["name"].str.startswith("continuum")]
        assert (stretches["high"] - stretches["low"]).max() < 100 + 2 * np.diff(grid).max()

    def test_no_continuum_stretch_touches_a_line(self):
        segments = make_segments(PAPER_GRID)
        continuum = np.zeros(len(PAPER_GRID), dtype=bool)
        for name, (start, stop) in zip(segments["name"], check_segments(segments, PAPER_GRID)):
            continuum[start:stop] = name.startswith("continuum")
        np.testing.assert_array_equal(continuum, ~line_mask(PAPER_GRID))

    def test_that_do_not_cover_the_grid_are_refused(self):
        gap, overlap, empty = (SEGMENTS.copy() for _ in range(3))
        row = list(SEGMENTS["name"]).index("Hbeta red wing")
        gap.loc[row, "low"] += 9
        overlap.loc[row, "low"] -= 9
        empty.loc[len(empty)] = ("nothing", 4700.1, 4700.2)
        for message, segments in {
            "lies in 0 of them": gap,
            "lies in 2 of them": overlap,
            "'nothing' holds none": empty,
            "lacks low, high": SEGMENTS[["name"]],
            "lacks name, low, high": "lines",
            "Å lies in 0 of them. Move": SEGMENTS[:-1].copy(),
        }.items():
            with pytest.raises(ValueError, match=message):
                check_segments(segments, GRID)
        for name in ("core", "continuum_length"):
            with pytest.raises(ValueError, match=f"{name} must be positive; got 0"):
                make_segments(GRID, **{name: 0})


class TestLime:
    @pytest.mark.parametrize("replacement", ["continuum", "mean"])
    def test_is_the_segment_sums_of_a_linear_margin(self, two_classes, replacement):
        mean = class_mean(X, Y, "type 2")
        ours = lime(
            two_classes,
            X[:10],
            grid=GRID,
            target="type 1",
            of="margin",
            replacement=replacement if replacement == "continuum" else mean,
        )
        weighted, clean = two_classes.coef_[0], ~line_mask(GRID)
        for number, (start, stop) in enumerate(check_segments(SEGMENTS, GRID)):
            other = mean[start:stop]
            if replacement == "continuum":
                other = bridge_window(X[:10], GRID, start, stop, clean=clean)
            exact = (weighted[start:stop] * (X[:10, start:stop] - other)).sum(axis=1)
            np.testing.assert_allclose(ours.coefficients[:, number], exact, rtol=0.02, atol=1e-4)
            np.testing.assert_allclose(
                ours.attribution[:, start:stop].sum(axis=1), ours.coefficients[:, number], atol=1e-12
            )
        # A linear model leaves the random perturbations nothing to scatter.
        assert ours.standard_deviation.max() < 1e-3 * np.abs(ours.coefficients).max()

    def test_standard_deviation_is_the_scatter_of_repeats_and_shrinks_with_samples(self, machine):
        few = lime(machine, X[:6], grid=GRID, sampling=(100, 20, 0.01))
        many = lime(machine, X[:6], grid=GRID, sampling=(1600, 20, 0.01))
        # Scatter of a least-squares coefficient falls as the root of the sample.
        assert np.median(few.standard_deviation / many.standard_deviation) == pytest.approx(4, rel=0.25)
        error = np.sqrt((few.standard_deviation**2 + many.standard_deviation**2) / 20)
        assert np.mean(np.abs(few.coefficients - many.coefficients) < 3 * error) > 0.95

    def test_finds_the_segments_that_count(self, machine):
        ours = lime(machine, X[Y == "type 1"], grid=GRID, target="type 1")
        weight = np.abs(ours.coefficients).mean(axis=0)
        assert ours.segments["name"][weight.argmax()] in ("Hbeta blue wing", "Hbeta core", "Hbeta red wing")

    def test_depends_on_the_seed_and_not_on_blocks_or_other_spectra(self, machine, monkeypatch):
        options = {"grid": GRID, "sampling": (60, 2, 0.01)}
        together = lime(machine, X[:5], **options)
        monkeypatch.setattr(scores, "BLOCK_ELEMENTS", 1)
        np.testing.assert_allclose(
            lime(machine, X[:5], **options).coefficients, together.coefficients, atol=1e-9
        )
        alone = lime(machine, X[3:4], **options)
        np.testing.assert_allclose(alone.coefficients[0], together.coefficients[3], atol=1e-9)
        assert not np.allclose(
            lime(machine, X[:5], random_state=1, **options).coefficients, together.coefficients, rtol=1e-3
        )

    def test_takes_any_table_and_any_estimator(self):
        forest = RandomForestClassifier(10, random_state=0).fit(X, Y)
        segments = Table({"name": ["blue", "red"], "low": [4500.0, 4900.0], "high": [4900.0, 5300.0]})
        ours = lime(
            forest,
            X[:4],
            grid=GRID,
            segments=segments,
            replacement=np.ones(151),
            of="p",
            sampling=(50, 5, 0.01),
        )
        assert ours.coefficients.shape == ours.standard_deviation.shape == (4, 2)
        assert np.ptp(ours.attribution[:, GRID < 4900], axis=1).max() == 0

    def test_what_cannot_be_done_is_refused_with_the_reason(self, machine):
        broken = X[:2].copy()
        broken[0, 0] = np.nan
        options = {"grid": GRID}
        for message, attempt in {
            "lies in 0 of them": lambda: lime(machine, X, segments=SEGMENTS[1:], **options),
            "n_samples must be at least 2; got 0": lambda: lime(machine, X, sampling=(0, 5, 0.01), **options),
            "n_repeats must be at least 2; got 0": lambda: lime(
                machine, X, sampling=(500, 0, 0.01), **options
            ),
            "alpha must be at least 0; got -1": lambda: lime(machine, X, sampling=(500, 5, -1), **options),
            "replacement must be .*got 'noise'": lambda: lime(machine, X, replacement="noise", **options),
            r"got \(150,\)": lambda: lime(machine, X, replacement=np.ones(150), **options),
            "grid must be 151": lambda: lime(machine, X, grid=GRID[1:]),
            "spectrum 0 holds NaN": lambda: lime(machine, broken, **options),
            "got type 5": lambda: lime(machine, X, target="type 5", **options),
            "must have predict_proba": lambda: lime(LINES["Hbeta"], X, **options),
        }.items():
            with pytest.raises(ValueError, match=message):
                attempt()
