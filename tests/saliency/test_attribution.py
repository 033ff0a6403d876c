"""Attributions against closed forms, the exact gradient, and a loop over pixels."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from agn_helpers.classifier import ProbabilisticSVC
from agn_helpers.errors import AgnError
from agn_helpers.files import read_table, write_table
from agn_helpers.saliency import (
    METHODS,
    explain,
    find_target,
    finite_difference,
    gradient,
    remove_lines,
    smoothgrad,
)
from agn_helpers.saliency.attribution import _FUNCTIONS
from agn_helpers.saliency.gradient_methods import gradient_times_input, integrated_gradients
from agn_helpers.saliency.perturbation_methods import occlusion
from agn_helpers.saliency.segment_methods import lime, shap
from agn_helpers.saliency.windows import class_mean
from agn_helpers.spectra import ObservedSpectrum

from .. import toy_spectra

CLASSES = np.array(["intermediate", "type 1", "type 2"])


@pytest.fixture(scope="module")
def spectra():
    """Positive curves of three classes that differ in a bump's height."""
    rng = np.random.default_rng(0)
    label = CLASSES[np.arange(120) % 3]
    bump = np.exp(-0.5 * ((np.arange(30) - 15) / 3) ** 2)
    height = np.select([label == "type 1", label == "intermediate"], [1.0, 0.5], 0.0)
    return 1 + height[:, None] * bump + 0.2 * rng.normal(size=(120, 30)), label


@pytest.fixture(scope="module")
def logistic(spectra):
    return LogisticRegression(max_iter=1000).fit(*spectra)


@pytest.fixture(scope="module")
def machine(spectra):
    return ProbabilisticSVC(C=0.5, kernel="linear", random_state=0).fit(*spectra)


def exact_logistic(model, X, target):
    """By the definition of softmax, d log p_t / dx = w_t - sum over c of p_c w_c."""
    column = [list(model.classes_).index(name) for name in target]
    return model.coef_[column] - model.predict_proba(X) @ model.coef_


def test_tends_to_the_closed_form_as_the_step_shrinks(logistic, spectra):
    X, target = spectra[0][:9], spectra[1][:9]
    exact = exact_logistic(logistic, X, target)
    errors = [
        np.abs(finite_difference(logistic, X, target=target, step=step) - exact).max()
        for step in (1e-2, 1e-3, 1e-4)
    ]
    # A forward difference errs by a multiple of its step.
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.05)
    assert errors[1] / errors[2] == pytest.approx(10, rel=0.05)


def test_agrees_with_the_exact_gradient_of_the_support_vector_classifier(machine, spectra):
    X = spectra[0][:12]
    exact = machine.log_proba_gradient(X)
    small = finite_difference(machine, X, step=1e-5)
    np.testing.assert_allclose(small, exact, atol=1e-4 * np.abs(exact).max())
    assert np.corrcoef(finite_difference(machine, X).ravel(), exact.ravel())[0, 1] > 0.9999


def test_is_the_papers_formula_pixel_by_pixel(machine, spectra):
    flux = spectra[0][4]
    target = machine.predict([flux])[0]
    column = list(machine.classes_).index(target)
    before = machine.predict_proba([flux])[0, column]
    for of, score in (("log_p", np.log), ("p", lambda p: p)):
        attribution = finite_difference(machine, [flux], of=of)[0]
        for pixel in (0, 7, 15, 29):
            raised = flux.copy()
            raised[pixel] += 0.01 * flux[pixel]
            after = machine.predict_proba([raised])[0, column]
            expected = (score(after) - score(before)) / (0.01 * flux[pixel])
            assert attribution[pixel] == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_probabilities_of_all_classes_together_cannot_change(machine, spectra):
    X = spectra[0][:6]
    total = sum(finite_difference(machine, X, target=name, of="p") for name in CLASSES)
    assert np.abs(total).max() < 1e-12 / (0.01 * np.abs(X).min())


@pytest.mark.parametrize("value", [0.0, 1e-12, -1e-9, -0.4])
def test_is_safe_where_the_flux_is_zero_or_negative(logistic, spectra, value):
    X = spectra[0][:5].copy()
    X[:, 10] = value
    target = [str(name) for name in spectra[1][:5]]
    attribution = finite_difference(logistic, X, target=target, step=1e-4)
    np.testing.assert_allclose(attribution, exact_logistic(logistic, X, target), rtol=1e-2, atol=1e-4)


def test_a_spectrum_of_nothing_but_zeros_is_explained_too(logistic):
    X = np.zeros((1, 30))
    attribution = finite_difference(logistic, X, target="type 1", step=1e-4)
    np.testing.assert_allclose(attribution, exact_logistic(logistic, X, ["type 1"]), rtol=1e-2, atol=1e-4)


def test_the_target_is_the_most_probable_class_unless_named(machine, spectra):
    X = spectra[0][:10]
    predicted = machine.predict(X)
    np.testing.assert_array_equal(machine.classes_[find_target(machine, X)], predicted)
    np.testing.assert_array_equal(
        finite_difference(machine, X), finite_difference(machine, X, target=predicted)
    )


class Counting:
    """Another estimator, of which it is known how many spectra it was ever given at once."""

    def __init__(self, estimator):
        self.estimator, self.classes_, self.largest = estimator, estimator.classes_, 0

    def predict_proba(self, X):
        self.largest = max(self.largest, len(X))
        return self.estimator.predict_proba(X)


def test_the_batch_bounds_what_is_classified_at_once_and_changes_nothing(logistic, spectra):
    X = spectra[0][:7]
    whole = finite_difference(logistic, X)
    for batch_size in (7, 31, 64):
        counting = Counting(logistic)
        np.testing.assert_allclose(finite_difference(counting, X, batch_size=batch_size), whole, atol=1e-10)
        assert counting.largest == batch_size


def test_the_spectra_themselves_are_left_alone(logistic, spectra):
    X = spectra[0][:3]
    before = X.copy()
    finite_difference(logistic, X)
    np.testing.assert_array_equal(X, before)


def test_of_the_margin_is_the_difference_of_decision_values(spectra):
    X, y = spectra
    # For a linear model the step has no error.
    two = LogisticRegression().fit(X[y != "type 2"], y[y != "type 2"])
    np.testing.assert_allclose(
        finite_difference(two, X[:3], target="type 1", of="margin"), np.tile(two.coef_, (3, 1)), rtol=1e-6
    )
    three = LogisticRegression().fit(X, y)
    rank = np.argsort(-three.predict_proba(X[:3]), axis=1)
    expected = three.coef_[rank[:, 0]] - three.coef_[rank[:, 1]]
    np.testing.assert_allclose(finite_difference(three, X[:3], of="margin"), expected, rtol=1e-6, atol=1e-9)
    with pytest.raises(ValueError, match="a score a class; RandomForestClassifier has none"):
        finite_difference(RandomForestClassifier(3).fit(X, y), X[:3], of="margin")


def test_any_estimator_with_probabilities_will_do(spectra):
    forest = RandomForestClassifier(10, random_state=0).fit(*spectra)
    assert np.isfinite(finite_difference(forest, spectra[0][:3])).all()


def test_what_cannot_be_explained_is_refused_with_the_reason(logistic, machine, spectra):
    X, y = spectra
    forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    hopeless = np.flatnonzero(forest.predict_proba(X)[:, 0] == 0)[:1]
    broken = X[:2].copy()
    broken[1, 3] = np.nan
    for message, attempt in {
        "target must be one of": lambda: finite_difference(logistic, X[:2], target="type 3"),
        "target must be one label": lambda: finite_difference(logistic, X[:2], target=["type 1"]),
        "NaN": lambda: finite_difference(logistic, broken),
        "features": lambda: finite_difference(machine, X[:2, 1:]),
        "must have predict_proba; RidgeClassifier": lambda: finite_difference(RidgeClassifier().fit(X, y), X),
        "step must be positive; got 0": lambda: finite_difference(logistic, X, step=0),
        "of must be one of log_p, p, log_odds, margin; got 'logit'": lambda: finite_difference(
            logistic, X, of="logit"
        ),
        "batch_size must be at least 1": lambda: finite_difference(logistic, X, batch_size=0),
        "log p and log odds are infinite where p is 0 or 1; spectrum 0, .* for target intermediate": lambda: (
            finite_difference(forest, X[hopeless], target="intermediate")
        ),
    }.items():
        with pytest.raises(ValueError, match=message):
            attempt()


class TestExplain:
    """Every method under one signature."""

    X, ivar, y = toy_spectra.make_spectra()
    grid = toy_spectra.GRID

    @pytest.fixture
    def model(self):
        return ProbabilisticSVC(C=5, gamma=0.02, random_state=0).fit(self.X, self.y)

    def test_methods_are_the_functions_of_their_names(self, model):
        X, grid, ivar, target = self.X[:5], self.grid, self.ivar[:5], "type 1"
        expected = {
            "gradient": gradient(model, X, target=target),
            "finite_difference": finite_difference(model, X, target=target),
            "smoothgrad": smoothgrad(model, X, target=target, ivar=ivar, random_state=4).mean,
            "integrated_gradients": integrated_gradients(
                model, X, target=target, baseline=remove_lines(X, grid)
            ),
            "gradient_times_input": gradient_times_input(model, X, target=target, grid=grid),
            "occlusion": occlusion(model, X, target=target, grid=grid),
            "lime": lime(model, X, target=target, grid=grid, random_state=4).attribution,
            "shap": shap(
                model, X, target=target, grid=grid, baseline=remove_lines(X, grid), random_state=4
            ).attribution,
        }
        assert list(METHODS) == list(expected)
        for name, attribution in expected.items():
            common = {"grid": grid, "ivar": ivar, "target": target, "random_state": 4}
            np.testing.assert_array_equal(METHODS[name](model, X, baseline=None, **common), attribution)
            useless = {"ivar"} - set(inspect.signature(_FUNCTIONS[name]).parameters)
            taken = {key: value for key, value in common.items() if key not in useless}
            explained = explain(model, X, method=name, **taken)
            np.testing.assert_array_equal(explained.values, attribution)
            assert (explained.uncertainty is not None) == (name in ("smoothgrad", "lime", "shap"))
            for key in useless:
                with pytest.raises(AgnError, match=f"{name} takes .*; got {key}. Leave it out."):
                    explain(model, X, method=name, **taken, **{key: common[key]})

    def test_options_go_to_the_method(self, model):
        mean = class_mean(self.X, self.y, "type 2")
        np.testing.assert_array_equal(
            explain(model, self.X[:3], method="integrated_gradients", baseline=mean),
            integrated_gradients(model, self.X[:3], baseline=mean),
        )
        np.testing.assert_array_equal(
            explain(model, self.X[:3], method="smoothgrad", noise_level=0.1, n_draws=5),
            smoothgrad(model, self.X[:3], noise_level=0.1, n_draws=5).mean,
        )
        np.testing.assert_array_equal(explain(model, self.X[:3]), gradient(model, self.X[:3]))

    def test_methods_that_sum_up_agree_on_what_a_line_is_worth_to_a_linear_margin(self):
        model = ProbabilisticSVC(kernel="linear", random_state=0).fit(self.X, self.y)
        inside = np.abs(4862.68 - self.grid) < 80
        worth = {
            name: explain(model, self.X, method=name, grid=self.grid, target="type 1", of="margin")
            .values[:, inside]
            .sum(axis=1)
            for name in ("integrated_gradients", "gradient_times_input", "occlusion", "lime", "shap")
        }
        for name, values in worth.items():
            np.testing.assert_allclose(
                values, worth["integrated_gradients"], atol=0.02 * np.abs(values).max(), err_msg=name
            )

    def test_what_a_method_lacks_is_asked_for(self, model):
        for message, attempt in {
            "method must be one of gradient, .*, novelty; got 'shape'": lambda: explain(
                model, self.X, method="shape"
            ),
            r"method must be one of .*; got \['lime'\]": lambda: explain(model, self.X, method=["lime"]),
            "array of fluxes, one at least": lambda: explain(model, []),
            "either the spectra's ivar or a noise_level": lambda: explain(model, self.X, method="smoothgrad"),
            "wavelengths of X in Å; got None": lambda: explain(model, self.X, method="integrated_gradients"),
            "of X in Å; got None. Give": lambda: explain(model, self.X, method="occlusion"),
            "in Å; got None": lambda: explain(model, self.X, method="lime"),
            "of X in Å; got": lambda: explain(model, self.X, method="shap", baseline=self.X[0]),
            "novelty needs a TrainedModel": lambda: explain(model, self.X, method="novelty"),
            "novelty takes ivar; got target": lambda: explain(
                model, self.X, method="novelty", target="type 1"
            ),
            "Å; got None": lambda: explain(model, self.X, method="gradient_times_input"),
            "grid must be 151 increasing": lambda: explain(model, self.X, grid=self.grid[1:]),
        }.items():
            with pytest.raises(ValueError, match=message):
                attempt()


class TestAttribution:
    X, ivar, y = toy_spectra.make_spectra()
    grid = toy_spectra.GRID

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls):
        classifier = ProbabilisticSVC(kernel="linear", random_state=0)
        return make_pipeline(StandardScaler(), classifier).fit(cls.X, cls.y)

    def test_an_array_of_one_spectrum_is_one_spectrum(self, model):
        one = explain(model, self.X[3], grid=self.grid)
        assert one.values.shape == one.flux.shape == (1, len(self.grid)) and len(one) == 1
        np.testing.assert_array_equal(np.asarray(one), gradient(model, self.X[3:4]))
        assert one.target[0] == model.predict(self.X[3:4])[0]

    def test_rows_are_attributions(self, model):
        whole = explain(model, self.X[:6], method="smoothgrad", ivar=self.ivar[:6], grid=self.grid)
        for rows, expected in ((2, [2]), ([4, 1], [4, 1]), (slice(1, 3), [1, 2])):
            part = whole[rows]
            np.testing.assert_array_equal(part.values, whole.values[expected])
            np.testing.assert_array_equal(part.uncertainty, whole.uncertainty[expected])
            assert part.target.tolist() == whole.target[expected].tolist()

    def test_the_table_says_what_it_holds(self, model, tmp_path):
        table = explain(model, self.X[:3], of="margin", target="type 1", grid=self.grid).to_table()
        write_table(table, tmp_path / "a.fits")
        back = read_table(tmp_path / "a.fits")
        assert back.meta["method"] == "gradient" and back.meta["of"] == "margin"
        assert set(back["target"]) == {"type 1"} and back["attribution"].shape == (3, len(self.grid))

    def test_without_a_grid_there_is_no_picture(self, model):
        with pytest.raises(AgnError, match="grid must be the wavelengths"):
            explain(model, self.X[0]).plot()

    def test_it_draws_itself(self, model, plot_style):
        attribution = explain(model, self.X[:2], grid=self.grid, method="smoothgrad", ivar=self.ivar[:2])
        assert "smoothgrad" in repr(attribution) and "2 spectra" in repr(attribution)
        assert attribution.plot(1, title="the second").get_title(loc="left") == "the second"

    def test_every_method_tells_its_progress_through_a_pipeline_and_can_be_stopped(self, model):
        for method in METHODS:
            told = []
            options = {"ivar": self.ivar[:1]} if method == "smoothgrad" else {}
            explain(model, self.X[0], method=method, grid=self.grid, progress=told.append, **options)
            assert method == "gradient" or (told and sorted(told) == told and told[-1] > 0), method

            def stop(n_done):
                raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                explain(model, self.X[0], method=method, grid=self.grid, progress=stop, **options)

    def test_observed_spectra_need_a_model(self, model):
        spectrum = ObservedSpectrum([4000.0, 5000.0], [1.0, 1.0], [1.0, 1.0])
        with pytest.raises(AgnError, match="need a TrainedModel"):
            explain(model, spectrum)


def test_the_file_names_spectra_targets_and_survey_in_the_precision_asked_for(machine, spectra, tmp_path):
    grid = np.linspace(4000, 5000, 30)
    maps = explain(machine, spectra[0][:4], method="lime", grid=grid, sampling=(50, 5, 0.01))
    maps = replace(maps, name=np.array(list("abcd")), survey="synthetic")
    for dtype in (np.float64, np.float32):
        write_table(maps.to_table(dtype=dtype), tmp_path / "saliency.fits")
        table = Table.read(tmp_path / "saliency.fits", character_as_bytes=False)
        for column, expected in {"attribution": maps.values, "uncertainty": maps.uncertainty}.items():
            np.testing.assert_array_equal(table[column], expected.astype(dtype))
            assert table[column].dtype.itemsize == np.dtype(dtype).itemsize
    assert list(table["name"]) == list("abcd")
    assert list(table["target"]) == list(maps.target)
    meta = {key.lower(): value for key, value in table.meta.items()}
    assert (meta["survey"], meta["method"], meta["of"]) == ("synthetic", "lime", "log_p")
    assert (meta["grid_min"], meta["grid_max"], meta["grid_n"]) == (4000, 5000, 30)
