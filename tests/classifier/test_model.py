import dataclasses
import os
import pickle
import zipfile
from collections import Counter

import numpy as np
import pytest
import skops.io
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from agn_helpers.classifier import (
    ProbabilisticSVC,
    TrainedModel,
    check_grid,
    load_model,
    log_proba_gradient,
    save_model,
)
from agn_helpers.errors import AgnError
from agn_helpers.files import write_table
from agn_helpers.maps import embed_spectra
from agn_helpers.reduction import reduce_spectra, sample_arrays
from agn_helpers.spectra import write_spec_lite
from agn_helpers.survey import simulate_survey

GRID = np.linspace(3728.91, 5265.95, 12)


@pytest.fixture(scope="module")
def spectra():
    X, y = make_classification(200, 12, n_informative=8, n_classes=3, random_state=0)
    return X, np.array(["intermediate", "type 1", "type 2"])[y]


@pytest.fixture(scope="module", params=["linear", "rbf", "poly"])
def model(request, spectra):
    classifier = ProbabilisticSVC(kernel=request.param, random_state=0)
    estimator = make_pipeline(StandardScaler(), PCA(8), classifier).fit(*spectra)
    meta = {"survey": "synthetic", "run": "test", "parameters": {"C": 1.0, "kernel": request.param}, "n": 200}
    return TrainedModel(estimator, GRID, meta, extras={"threshold": np.array([0.1, 0.2, 0.3])})


def assert_one_line(error, *words):
    message = str(error.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_model_comes_back_as_it_was(model, spectra, tmp_path):
    save_model(model, tmp_path / "model.skops")
    back = load_model(tmp_path / "model.skops")
    X, _ = spectra
    assert np.array_equal(back.estimator.predict_proba(X), model.estimator.predict_proba(X))
    gradient = model.estimator[-1].log_proba_gradient(X[:, :8])
    assert np.array_equal(back.estimator[-1].log_proba_gradient(X[:, :8]), gradient)
    assert np.array_equal(back.grid, GRID)
    assert back.meta == model.meta
    assert back.meta["survey"] == "synthetic"
    assert "package_version" in back.meta
    assert back.classes.tolist() == ["intermediate", "type 1", "type 2"]
    assert np.array_equal(back.extras["threshold"], [0.1, 0.2, 0.3])


def test_the_version_that_wrote_a_model_stays_with_it(model, tmp_path):
    old = TrainedModel(model.estimator, GRID, {"package_version": "0.0.1"})
    save_model(old, tmp_path / "model.skops")
    assert load_model(tmp_path / "model.skops").meta["package_version"] == "0.0.1"


def test_spectra_on_another_grid_are_refused(model):
    check_grid(model, GRID)
    check_grid(model, GRID * (1 + 1e-12))
    for grid in (GRID + 1, GRID[:-1], GRID[::-1], []):
        with pytest.raises(AgnError) as error:
            check_grid(model, grid)
        assert_one_line(error, "12 points from 3728.91 to 5265.95 Å", "Reduce them")


def test_a_model_needs_a_fitted_classifier_and_its_grid(model):
    with pytest.raises(AgnError, match="Fit it first"):
        TrainedModel(ProbabilisticSVC(), GRID)
    with pytest.raises(AgnError, match="Fit it first"):
        TrainedModel(StandardScaler().fit(np.eye(12)), GRID)
    for grid in (GRID[:-1], GRID[::-1], np.ones((12, 1)), np.full(12, np.nan)):
        with pytest.raises(AgnError, match="12 increasing wavelengths"):
            TrainedModel(model.estimator, grid)


class TestForeignFiles:
    def test_a_renamed_pickle_is_never_opened(self, tmp_path):
        class Attack:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "attacked"),)

        path = tmp_path / "model.skops"
        path.write_bytes(pickle.dumps(Attack()))
        with pytest.raises(AgnError) as error:
            load_model(path)
        assert_one_line(error, "model.skops", "pickle")
        assert not (tmp_path / "attacked").exists()

    @pytest.mark.parametrize("foreign", [FunctionTransformer(os.system), Counter("ab")])
    def test_foreign_types_are_refused(self, model, foreign, tmp_path):
        path = tmp_path / "model.skops"
        content = {
            "format": 1,
            "estimator": model.estimator,
            "grid": GRID,
            "meta": {},
            "extras": {"x": foreign},
        }
        skops.io.dump(content, path)
        with pytest.raises(AgnError) as error:
            load_model(path)
        assert_one_line(error, "was not opened", "system" if "Function" in repr(foreign) else "Counter")

    def test_foreign_types_are_not_written(self, model, tmp_path):
        path = tmp_path / "model.skops"
        with pytest.raises(AgnError) as error:
            save_model(TrainedModel(model.estimator, GRID, extras={"x": Counter("ab")}), path)
        assert_one_line(error, "collections.Counter")
        assert list(tmp_path.iterdir()) == []

    def test_damaged_files_are_refused(self, model, tmp_path):
        path = tmp_path / "model.skops"
        save_model(model, path)
        whole = path.read_bytes()
        for part in (whole[: len(whole) // 2], whole[:-10], b"", b"PK\x03\x04", whole[1000:]):
            path.write_bytes(part)
            with pytest.raises(AgnError) as error:
                load_model(path)
            assert_one_line(error, "model.skops")
        for place in np.linspace(0, len(whole) - 1, 40).astype(int):
            changed = bytearray(whole)
            changed[place] ^= 0xFF
            path.write_bytes(changed)
            try:
                load_model(path)
            except AgnError as refused:
                assert "\n" not in str(refused)

    def test_other_skops_and_zip_files_are_refused(self, model, tmp_path):
        path = tmp_path / "model.skops"
        for content in ([1, 2], {"format": 1}, {"format": 2}, model.estimator):
            skops.io.dump(content, path)
            with pytest.raises(AgnError, match="must have been written by this version"):
                load_model(path)
        content = {"format": 1, "estimator": model.estimator, "grid": GRID, "meta": 3, "extras": {}}
        skops.io.dump(content, path)
        with pytest.raises(AgnError, match="must have been written by this version"):
            load_model(path)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("schema.json", "{}")
        with pytest.raises(AgnError, match="not a readable model"):
            load_model(path)

    def test_a_missing_file_and_a_folder_are_named(self, tmp_path):
        for path in (tmp_path / "none.skops", tmp_path):
            with pytest.raises(AgnError, match="is not there"):
                load_model(path)

    def test_another_ending_is_refused(self, model, tmp_path):
        with pytest.raises(AgnError, match=r"must end in \.skops"):
            save_model(model, tmp_path / "model.pkl")


class TestItsJob:
    """A model reduces, predicts and explains by itself: nobody unpacks its grid and normalisation."""

    @pytest.fixture(scope="class")
    @classmethod
    def survey(cls):
        return simulate_survey(n_type1=30, n_intermediate=30, n_type2=30, random_state=3)[0]

    @pytest.fixture(scope="class", params=["window", "pixel"])
    @classmethod
    def trained(cls, request, survey):
        grid = np.linspace(3900, 5200, 400)
        sample, _ = reduce_spectra(survey[::2], grid=grid, normalisation=request.param)
        X, y = sample_arrays(sample)
        estimator = make_pipeline(StandardScaler(), ProbabilisticSVC(kernel="linear", C=0.01, random_state=0))
        meta = {"normalisation": request.param, "survey": "synthetic"}
        return TrainedModel(estimator.fit(X, y), sample.grid, meta)

    def test_spectra_are_reduced_as_the_models_own(self, trained, survey):
        sample, rejected = trained.reduce(survey[1::2])
        expected, _ = reduce_spectra(survey[1::2], grid=trained.grid, normalisation=trained.normalisation)
        assert len(rejected) == 0 and sample.meta["normalisation"] == trained.normalisation
        np.testing.assert_array_equal(sample["flux"], expected["flux"])

    def test_a_sample_that_was_reduced_otherwise_is_refused(self, trained, survey):
        other = {"window": "pixel", "pixel": "window"}[trained.normalisation]
        X, _ = sample_arrays(trained.reduce(survey)[0])
        spectrum_map = embed_spectra(X, perplexity=5)
        for options, words in (
            ({"grid": trained.grid, "normalisation": other}, "normalised as the model's own"),
            ({"grid": np.linspace(3950, 5200, 400)}, "on the model's grid"),
        ):
            sample, _ = reduce_spectra(survey[:2], **options)
            for use in (trained.predict, trained.explain, lambda sample: trained.place(sample, spectrum_map)):
                with pytest.raises(AgnError, match=words) as error:
                    use(sample)
                assert_one_line(error)

    def test_files_spectra_and_samples_are_classified_alike(self, trained, survey, tmp_path):
        for spectrum in survey[1:5]:
            write_spec_lite(spectrum, tmp_path / f"{spectrum.name}.fits")
        expected = trained.predict(trained.reduce(survey[1:5])[0])
        paths = sorted(tmp_path.iterdir())
        for given in (survey[1:5], iter(survey[1:5]), tmp_path, str(tmp_path), paths):
            table = trained.classify(given)
            assert table["predicted"].tolist() == expected["predicted"].tolist()
            # Files hold single precision.
            np.testing.assert_allclose(table["p_type1"], expected["p_type1"], atol=1e-4)
        assert len(trained.classify(survey[1])) == len(trained.classify(paths[0])) == 1
        with pytest.raises(AgnError, match="there must be spectra"):
            trained.classify([])

    def test_what_is_rejected_is_listed_and_said(self, trained, survey, tmp_path):
        write_spec_lite(survey[1], tmp_path / "good.fits")
        (tmp_path / "bad.fits").write_text("nothing")
        with pytest.warns(UserWarning, match="1 of 2 spectra were rejected"):
            table = trained.classify(tmp_path)
        assert len(table) == 1
        assert [entry["name"] for entry in table.meta["rejected"]] == ["bad"]
        for suffix in (".ecsv", ".csv", ".fits", ".parquet"):
            write_table(table, tmp_path / f"table{suffix}")
        with pytest.raises(AgnError, match="every spectrum must be reducible"):
            trained.explain([survey[1], dataclasses.replace(survey[2], redshift=np.nan)])

    def test_explanations_are_those_of_the_estimator(self, trained, survey):
        sample, _ = trained.reduce(survey[1:4])
        X, _ = sample_arrays(sample)
        for given in (survey[1:4], sample, X):
            attribution = trained.explain(given, method="gradient", target="type 2")
            np.testing.assert_allclose(
                attribution.values, log_proba_gradient(trained.estimator, X, "type 2"), rtol=1e-12
            )
        assert attribution.grid is trained.grid
        noisy = trained.explain(survey[1], method="smoothgrad", n_draws=5)
        assert noisy.uncertainty.shape == (1, 400) and noisy.name.tolist() == [survey[1].name]

    def test_what_is_no_spectrum_or_sample_is_refused(self, trained, survey, tmp_path):
        for attempt, words in (
            (lambda: trained.classify(5), "spectra must be ObservedSpectrum, paths"),
            (lambda: trained.classify([1, 2]), "spectra must be ObservedSpectrum, paths"),
            (lambda: trained.classify(tmp_path / "nowhere.fits"), "no spectrum could be classified"),
            (lambda: trained.predict(survey[1]), "a reduced sample is needed"),
            (lambda: trained.predict(np.ones((1, 400))), "a reduced sample is needed"),
            (lambda: trained.explain(None), "spectra must be observed spectra"),
            (lambda: trained.explain([]), "grid must be 0|spectra"),
            (lambda: trained.explain(str(tmp_path / "nowhere.fits")), "every spectrum must be reducible"),
            (lambda: trained.explain(np.ones(400), grid=np.arange(400.0)), "on the model's grid"),
            (
                lambda: trained.explain(trained.reduce(survey[1])[0], grid=trained.grid),
                "leave grid= and ivar=",
            ),
            (lambda: trained.explain(survey[1]).plot(1), "row must be one of 1 spectra"),
            (lambda: trained.place(survey[1], "map.fits"), "spectrum_map must be a SpectrumMap"),
        ):
            with pytest.raises(AgnError, match=words) as error:
                attempt()
            assert_one_line(error)

    def test_it_is_said_in_a_line(self, trained):
        assert repr(trained).startswith("<TrainedModel: intermediate, type 1, type 2; 400 wave")
