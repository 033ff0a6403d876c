"""A small model, and folders of small simulated spectra."""

import shutil

import pytest

from agn_helpers.classifier import (
    NoveltyDetector,
    ProbabilisticSVC,
    SpectrumCompleter,
    TrainedModel,
    save_model,
)
from agn_helpers.lines import PAPER_GRID
from agn_helpers.reduction import reduce_spectra, sample_arrays
from agn_helpers.spectra import write_spec_lite
from agn_helpers.survey import simulate_survey


@pytest.fixture(scope="session")
def survey():
    """Sixty simulated spectra."""
    return simulate_survey(n_type1=25, n_intermediate=10, n_type2=25)[0]


@pytest.fixture(scope="session")
def model(survey):
    """A model with all that tells doubt but an ensemble."""
    sample, _ = reduce_spectra(survey)
    X, y = sample_arrays(sample)
    estimator = ProbabilisticSVC(kernel="linear", random_state=0).fit(X, y)
    extras = {
        "completion": SpectrumCompleter(5).fit(X, sample["ivar"]),
        "novelty": NoveltyDetector(n_components=5, random_state=0).fit(X, sample["ivar"], grid=PAPER_GRID),
    }
    return TrainedModel(estimator, PAPER_GRID, {"survey": "synthetic"}, extras)


@pytest.fixture(scope="session")
def model_file(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.skops"
    save_model(model, path)
    return path


@pytest.fixture(scope="session")
def many_files(survey, tmp_path_factory):
    """240 files: each spectrum four times."""
    folder = tmp_path_factory.mktemp("many")
    for number, spectrum in enumerate(survey):
        first = folder / f"a-{number:03d}.fits"
        write_spec_lite(spectrum, first)
        for copy in "bcd":
            shutil.copy(first, folder / f"{copy}-{number:03d}.fits")
    return folder


@pytest.fixture
def files(many_files, tmp_path):
    """Thirty files of one's own."""
    folder = tmp_path / "spectra"
    folder.mkdir()
    for path in sorted(many_files.glob("a-0[012]?.fits")):
        shutil.copy(path, folder)
    return folder
