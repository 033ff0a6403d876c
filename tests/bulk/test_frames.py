"""Frames of spectra: one function does a partition, whatever holds its columns."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from agn_helpers.bulk import attributions, classify_many, classify_partition
from agn_helpers.classifier import ProbabilisticSVC, TrainedModel
from agn_helpers.errors import AgnError
from agn_helpers.reduction import sample_arrays


def make_frame(survey, *, pixels=None):
    """Columns as those of the Multimodal Universe; with `pixels` all on the same wavelengths."""
    rows = []
    for number, spectrum in enumerate(survey):
        wave, flux, ivar = spectrum.wavelength, spectrum.flux, spectrum.ivar
        if pixels is not None:
            flux, ivar = (np.interp(pixels, wave, each) for each in (flux, ivar))
            wave = pixels
        row = {"flux": flux, "ivar": np.where(ivar > 0, ivar, 1), "lambda": wave, "mask": ivar == 0}
        row |= {"Z": spectrum.redshift, "ZWARN": number == 3, "ra": 10.0 + number, "dec": -5.0}
        rows.append(row | {"object_id": spectrum.name, "lsf_sigma": 0 * wave})
    return pd.DataFrame(rows, index=pd.Index(np.arange(len(survey)) * 7 + 1000, name="_healpix_29"))


def compare(found, table):
    for name in ("p_type1", "p_intermediate", "p_type2", "snr", "novelty", "log_odds_error"):
        # Novelty is computed in single precision.
        rtol = 1e-4 if name == "novelty" else 1e-9
        np.testing.assert_allclose(found[name].to_numpy(float), table[name], rtol=rtol, atol=1e-12)
    assert found["predicted"].tolist() == table["predicted"].tolist()
    assert found["name"].tolist() == table["name"].tolist()


@pytest.fixture(scope="module")
def frame(survey):
    return make_frame(survey)


def test_a_frame_of_lists_is_classified_as_the_spectra_themselves(frame, survey, model):
    found = classify_partition(frame, model)
    compare(found, model.classify(survey))
    assert (found.index == frame.index).all()
    assert found.index.name == "_healpix_29"
    assert found["ra"].tolist() == frame["ra"].tolist()
    assert found["zwarning"].tolist() == [int(number == 3) for number in range(len(frame))]


def test_spectra_on_one_axis_are_reduced_together_to_the_same(survey, model):
    frame = make_frame(survey, pixels=np.arange(3800, 9100, 0.8))
    found = classify_partition(frame, model)
    apart = pd.concat([classify_partition(frame[row : row + 1], model) for row in range(len(frame))])
    for name in ("flux", "ivar"):
        assert found[name].tolist() == apart[name].tolist()
    np.testing.assert_allclose(found["p_type1"], apart["p_type1"], rtol=1e-9)


def nest(frame):
    """The arrays in one column ``spectrum`` of structs."""
    names = ["flux", "ivar", "lambda", "mask", "lsf_sigma"]
    cells = [{name: row[name].tolist() for name in names} for row in frame.to_dict("records")]
    kind = pa.struct([(name, pa.list_(pa.bool_() if name == "mask" else pa.float64())) for name in names])
    column = pd.array(cells, dtype=pd.ArrowDtype(kind))
    return frame.drop(columns=names).assign(spectrum=column)


@pytest.mark.parametrize(
    "change", [nest, lambda frame: frame.rename(columns={"lambda": "wavelength", "Z": "redshift"})]
)
def test_other_columns_for_the_same(frame, model, change):
    pd.testing.assert_frame_equal(classify_partition(change(frame), model), classify_partition(frame, model))


def test_a_nested_column(frame, model):
    pytest.importorskip("nested_pandas", reason="nested-pandas is not installed")
    from nested_pandas import NestedDtype

    nested = nest(frame)
    nested["spectrum"] = nested["spectrum"].astype(NestedDtype(nested["spectrum"].dtype))
    pd.testing.assert_frame_equal(classify_partition(nested, model), classify_partition(frame, model))


def test_what_cannot_be_used_keeps_its_row_and_says_why(frame, model):
    frame = frame.copy()
    names = list(frame.columns)
    frame.iloc[2, names.index("Z")] = np.nan
    frame.iat[4, names.index("flux")] = None
    frame.iat[5, names.index("ivar")] = np.zeros(3)
    # Filled up at the end, as rows of one length are.
    frame.iat[6, names.index("lambda")] = np.append(frame["lambda"].iloc[6][:-40], np.full(40, -1.0))
    found = classify_partition(frame, model)
    assert (found.index == frame.index).all()
    assert np.flatnonzero(found["predicted"] == "rejected").tolist() == [2, 4, 5]
    assert found["name"].tolist() == frame["object_id"].tolist()
    assert "a redshift is needed" in found["reason"].iloc[2]
    assert found["flux"].isna().to_numpy().nonzero()[0].tolist() == [2, 4, 5]
    assert np.isnan(attributions(found, model)[2]).all()


def test_an_empty_frame_has_the_same_columns(frame, model):
    whole, empty = classify_partition(frame, model), classify_partition(frame[:0], model)
    assert len(empty) == 0
    pd.testing.assert_series_equal(whole.dtypes, empty.dtypes)


def test_a_frame_without_spectra_is_refused(frame, model):
    for name, said in (("flux", "a column flux"), ("lambda", "lambda or wavelength"), ("Z", "redshift or z")):
        with pytest.raises(AgnError, match=f"must have .*{said}"):
            classify_partition(frame.drop(columns=name), model)
    with pytest.raises(AgnError, match="a list of numbers a row; it holds double"):
        classify_partition(frame.assign(flux=1.0), model)


def test_a_model_by_its_path(frame, model, model_file):
    pd.testing.assert_frame_equal(
        classify_partition(frame, str(model_file)), classify_partition(frame, model)
    )


def test_three_coefficients_are_the_whole_attribution(frame, survey, model):
    truth = model.explain(survey)
    found = classify_partition(frame, model)
    assert found["target"].tolist() == truth.target.tolist()
    assert (
        found["attribution_pairs"].iloc[0].shape == (3,)
        if hasattr(found["attribution_pairs"].iloc[0], "shape")
        else True
    )
    scale = np.abs(truth.values).max()
    np.testing.assert_allclose(attributions(found, model), truth.values, rtol=0, atol=1e-12 * scale)
    assert (truth.values[~truth.observed] == 0).all()
    arrays = classify_partition(frame, model, explain="arrays")
    np.testing.assert_allclose(attributions(arrays), truth.values, rtol=0, atol=1e-6 * scale)
    assert "attribution_pairs" not in arrays
    none = classify_partition(frame, model, explain=False)
    with pytest.raises(AgnError, match="hold no attributions"):
        attributions(none)
    with pytest.raises(AgnError, match="need the linear model"):
        attributions(found)


def test_other_kernels_keep_arrays(frame, survey, model, tmp_path):
    X, y = sample_arrays(model.reduce(survey)[0])
    estimator = ProbabilisticSVC(kernel="rbf", gamma=1e-4, random_state=0).fit(X, y)
    curved = TrainedModel(estimator, model.grid, model.meta, {"completion": model.completion})
    found = classify_partition(frame, curved)
    truth = curved.explain(survey)
    scale = np.abs(truth.values).max()
    np.testing.assert_allclose(attributions(found), truth.values, rtol=0, atol=1e-6 * scale)


def test_a_lazy_array_of_all_attributions(files, model, tmp_path):
    pytest.importorskip("dask.array", reason="dask is not installed")
    classify_many(files, model, tmp_path / "out", partition_size=7)
    lazy = attributions(tmp_path / "out")
    assert lazy.shape == (30, 1000)
    assert lazy.chunks[0] == (7, 7, 7, 7, 2)
    truth = model.explain(files).values
    np.testing.assert_allclose(lazy.compute(), truth, rtol=0, atol=1e-12 * np.abs(truth).max())
