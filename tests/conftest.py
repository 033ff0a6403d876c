"""What all tests share: one thread a process, the network block, and the folder of real spectra."""

import os
import runpy
from pathlib import Path

# Before numpy is imported. Threads of small batched products wait for each other in busy loops: a fixture of
# 14 CPU seconds takes one with a single thread. Processes that tests start inherit it.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
os.environ["VECLIB_MAXIMUM_THREADS"] = "1"

import matplotlib.pyplot as plt
import pytest

from agn_helpers.reduction import reduce_spectra
from agn_helpers.survey import simulate_survey

ROOT = Path(__file__).parents[1]
NETWORK_BLOCK = ROOT / "tests" / "network_block"


# Files that take longest come first, so that no worker is left with one of them at the end.
SLOWEST = ("browser/test_picker_browser", "test_notebooks")


def pytest_collection_modifyitems(items):
    """Sort files by SLOWEST; within a file, and after those named, the order stays."""
    places = {ROOT / "tests" / f"{name}.py": number for number, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session", autouse=True)
def network_block():
    """Connections beyond this machine raise, here and in every Python process that a test starts."""
    runpy.run_path(str(NETWORK_BLOCK / "sitecustomize.py"))
    paths = [str(NETWORK_BLOCK), os.environ.get("PYTHONPATH")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))


@pytest.fixture
def plot_style():
    """Figures in the style of the project, none of which outlives its test."""
    plt.switch_backend("agg")
    with plt.style.context("agn_helpers.agn"):
        yield
    plt.close("all")


@pytest.fixture(scope="session")
def shared():
    """The folder of material that is not part of the project; tests that need it skip without it."""
    folder = Path(os.environ.get("AGN_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"there is no folder {folder}; AGN_SHARED names another")
    return folder


@pytest.fixture(scope="session")
def embedded_sample():
    """The whole embedded survey, reduced."""
    sample, rejected = reduce_spectra(simulate_survey()[0])
    assert len(rejected) == 0
    return sample
