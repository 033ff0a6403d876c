"""A small run and pickers of it, for all tests of the picker; a module may have a `run` of its own."""

import pytest

from agn_helpers.picker import SpectrumPicker
from agn_helpers.picker.state import PickerState, read_run

from ..small_run import write_small_run


@pytest.fixture(scope="package")
def root(tmp_path_factory):
    """A project with a small run."""
    folder = tmp_path_factory.mktemp("project")
    write_small_run(folder, n_type1=30, n_intermediate=30, n_type2=60)
    return folder


@pytest.fixture(scope="module")
def run(root):
    return read_run("small", root=root)


@pytest.fixture
def state(run):
    return PickerState(**run._asdict())


@pytest.fixture
def picker(run, tmp_path):
    picker = SpectrumPicker(
        run.sample, run.model, run.spectrum_map, split=run.split, folder=tmp_path, front_end=True
    )
    for figure in (picker.view.controls.map_figure, picker.view.controls.spectrum_figure):
        figure.canvas.draw()
    yield picker
    picker.close()
