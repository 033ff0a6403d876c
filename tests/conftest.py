"""What all tests share: one thread a process, the network block, and the folder of real spectra."""

import os
import runpy
from functools import cache
from pathlib import Path

# Before numpy is imported. Threads of small batched products wait for each other in busy loops: a fixture of
# 14 CPU seconds takes one with a single thread. Processes that tests start inherit it.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
os.environ["VECLIB_MAXIMUM_THREADS"] = "1"
# Progress bars come after two seconds: what a command says must not depend on how fast the machine is.
os.environ["TQDM_DISABLE"] = "1"

import matplotlib.pyplot as plt
import numpy as np
import pytest

from agn_helpers.classifier import ProbabilisticSVC, SpectrumCompleter, TrainedModel
from agn_helpers.lines import PAPER_GRID
from agn_helpers.reduction import reduce_spectra, sample_arrays
from agn_helpers.survey import simulate_survey
from agn_helpers.tuning import split_sample, train_general

ROOT = Path(__file__).parents[1]
# Material that is not part of the project.
SHARED = Path(os.environ.get("AGN_SHARED", ROOT.parent / "shared"))
NETWORK_BLOCK = ROOT / "tests" / "network_block"


# Files that take longest come first, so that no worker is left with one of them at the end.
SLOWEST = ("test_notebooks", "maps/test_survey_map", "browser/test_picker_browser")


def pytest_collection_modifyitems(items):
    """Sort files by SLOWEST; say of each test without its material what it would check, as its name does."""
    places = {ROOT / "tests" / f"{name}.py": number for number, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))
    if not SHARED.is_dir():
        for item in items:
            if "shared" in item.fixturenames:
                words = item.originalname.removeprefix("test_").replace("_", " ")
                reason = f"would check: {words}; there is no folder {SHARED}, AGN_SHARED names another"
                item.add_marker(pytest.mark.skip(reason))


@pytest.fixture(scope="session", autouse=True)
def network_block():
    """Connections beyond this machine raise, here and in every Python process that a test starts."""
    runpy.run_path(str(NETWORK_BLOCK / "sitecustomize.py"))
    paths = [str(NETWORK_BLOCK), os.environ.get("PYTHONPATH")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))


@pytest.fixture(autouse=True)
def close_figures():
    """No figure outlives its test."""
    yield
    plt.close("all")


@pytest.fixture
def plot_style():
    """Figures in the style of the project."""
    plt.switch_backend("agg")
    with plt.style.context("agn_helpers.agn"):
        yield


@pytest.fixture(scope="session")
def shared():
    """The folder of material that is not part of the project; tests that need it are skipped without it."""
    return SHARED


@pytest.fixture(scope="session")
def embedded_sample():
    """The whole embedded survey, reduced."""
    sample, rejected = reduce_spectra(simulate_survey()[0])
    assert len(rejected) == 0
    return sample


@pytest.fixture(scope="session")
def embedded_split(embedded_sample):
    """Rows of the embedded survey that are fitted, and of the test part, as in notebook 02."""
    parts = split_sample(sample_arrays(embedded_sample)[1])
    return np.concatenate([parts.train, parts.validation]), parts.test


@pytest.fixture(scope="session")
def completing_model(embedded_sample, embedded_split):
    """The model of notebook 02, with what it knows of spectra."""
    known = embedded_sample[embedded_split[0]]
    X, y = sample_arrays(known)
    classifier = ProbabilisticSVC(
        C=0.07, kernel="linear", class_weight="balanced", prior="sample", random_state=0
    )
    # The number that SpectrumCompleter() chooses here by cross-validated likelihood, see test_unobserved.
    completion = SpectrumCompleter(40).fit(X, np.asarray(known["ivar"]))
    meta = {"survey": "synthetic", "normalisation": "window"}
    return TrainedModel(classifier.fit(X, y), PAPER_GRID, meta, {"completion": completion})


@pytest.fixture(scope="session")
def general_model():
    """The model that `agn classify` uses, trained anew, without the ensemble beside it."""
    return train_general(n_others=0)


@pytest.fixture(scope="session")
def paper_model(embedded_sample):
    """Function of a seed: the paper's kernel and C fitted on 80 % as in notebook 02; the held-out rows."""
    X, y = sample_arrays(embedded_sample)

    @cache
    def train(seed):
        split = split_sample(y, random_state=seed)
        fitted = np.concatenate([split.train, split.validation])
        options = {"class_weight": "balanced", "prior": "sample", "random_state": 0}
        return ProbabilisticSVC(0.07, kernel="linear", **options).fit(X[fitted], y[fitted]), split.test

    return train
