"""The embedded survey against the paper, and a model trained on it alone against real spectra."""

import dataclasses

import numpy as np
import pytest
from astropy.table import Table
from numpy.testing import assert_allclose

from agn_helpers.classifier import ProbabilisticSVC
from agn_helpers.reduction import reduce_spectra, sample_arrays
from agn_helpers.spectra import read_spectra, read_spectrum
from agn_helpers.tuning import score_predictions, split_sample

from ..rewriting import LAYOUTS

SEEDS = (0, 5, 10)


@pytest.fixture(scope="module")
def embedded(embedded_sample):
    return sample_arrays(embedded_sample)


def test_scores_on_the_embedded_survey_are_near_the_papers(embedded, paper_model):
    """Means over splits: those of a single one scatter by 0.03 for intermediates."""
    X, y = embedded
    scores = []
    for seed in SEEDS:
        model, test = paper_model(seed)
        scores.append(score_predictions(y[test], model.predict(X[test]))["f_score"])
    mean = sum(scores) / len(scores)
    # Over 16 surveys macro F is 0.923 ± 0.013 and that of type 1 0.981 ± 0.011; this is one of them.
    assert mean["macro"] == pytest.approx(0.942, abs=0.03)
    assert mean["type 1"] >= 0.96
    assert mean["intermediate"] == pytest.approx(0.86, abs=0.06)
    assert mean["type 2"] == pytest.approx(0.96, abs=0.015)


def test_permuted_labels_cannot_be_learned(embedded):
    X, y = embedded
    y = np.random.default_rng(0).permutation(y)
    split = split_sample(y, random_state=0)
    model = ProbabilisticSVC(C=0.07, kernel="linear", class_weight="balanced", prior="sample", random_state=0)
    test, fitted = split.test, np.concatenate([split.train, split.validation])
    model.fit(X[fitted], y[fitted])
    assert score_predictions(y[test], model.predict(X[test]))["f_score"]["macro"] < 0.40


@pytest.fixture(scope="module")
def calls(general_model, shared):
    """What the general model predicts for the real spectra: kind and predicted type."""
    kinds, predicted = [], []
    for folder in ("sdss", "sdss2", "text", "text2"):
        sample, rejected = general_model.reduce(shared / "spectra" / folder)
        assert len(rejected) == 0
        index = Table.read(shared / "spectra" / folder / "index.csv")
        kind = {str(row["file"]).rsplit(".", 1)[0]: str(row["kind"]) for row in index}
        kinds += [kind[name] for name in sample["name"]]
        predicted += list(general_model.predict(sample)["predicted"])
    return Table({"kind": kinds, "predicted": predicted})


def test_real_broad_line_objects_are_predicted_type_1_or_intermediate(calls):
    broad = calls["predicted"][calls["kind"] == "broad"]
    assert len(broad) == 117
    assert np.mean(broad != "type 2") >= 0.98


def test_real_narrow_line_objects_are_predicted_type_2(calls):
    narrow = calls["predicted"][calls["kind"] == "narrow"]
    assert len(narrow) == 30
    # Two or three are wrong in every survey: a bump beside Hβ, and type 2 quasars with wide lines.
    assert np.sum(narrow != "type 2") <= 4


def test_odd_files_are_rejected_with_a_reason_and_other_formats_are_read(shared):
    sample, rejected = reduce_spectra(read_spectra(shared / "spectra" / "odd"))
    assert len(sample) == 0 and len(rejected) == 5
    reasons = dict(zip(rejected["name"], rejected["reason"]))
    # Its pipeline found no redshift (0 with a warning); with one, its pixels are missed next.
    assert "redshift is needed" in reasons.pop("spec-0269-51581-0003")
    file = shared / "spectra" / "odd" / "spec-0269-51581-0003.fits"
    assert "ivar > 0" in reduce_spectra(read_spectra(file, redshift=0.1))[1]["reason"][0]
    assert all("must cover" in reason for reason in reasons.values())
    for folder, number in (("spspec", 2), ("desi", 8)):
        sample, rejected = reduce_spectra(read_spectra(shared / "spectra" / folder))
        assert (len(sample), len(rejected)) == (number, 0)


def test_types_do_not_depend_on_the_layout(completing_model, shared, tmp_path):
    """Real SDSS spectra rewritten as LAMOST's, DESI's, CSV in air, CSV with a mask: numbers and types."""
    folders = [shared / "spectra" / name for name in ("sdss", "sdss2")]
    true = [spectrum for folder in folders for spectrum in read_spectra(folder)]
    assert len(true) == 189
    original = completing_model.classify(true)
    for name, write in LAYOUTS.items():
        rewritten = []
        for number, spectrum in enumerate(true):
            write(spectrum, tmp_path / name)
            again = read_spectrum(tmp_path / name)
            used = again.ivar > 0
            assert_allclose(again.wavelength, spectrum.wavelength, rtol=1e-9, err_msg=name)
            assert_allclose(again.ivar, spectrum.ivar, rtol=1e-9, err_msg=name)
            assert_allclose(again.flux[used], spectrum.flux[used], rtol=1e-9, atol=1e-12, err_msg=name)
            assert_allclose(again.redshift, spectrum.redshift, rtol=1e-9)
            rewritten.append(dataclasses.replace(again, name=str(number)))
        table = completing_model.classify(rewritten)
        assert list(table["predicted"]) == list(original["predicted"])
        assert_allclose(table["p_type1"], original["p_type1"], rtol=1e-4, atol=1e-7)
