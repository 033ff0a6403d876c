"""What an astronomer comes for, each in at most three lines after the imports."""

import pytest

from agn_helpers import load_model, place_on_map, read_spectrum, sample_arrays
from agn_helpers.maps import read_map
from agn_helpers.plotting import plot_methods
from agn_helpers.spectra import write_spec_lite
from agn_helpers.survey import simulate_survey

from .small_run import write_small_run


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A small run, and a folder of spectra of one's own."""
    project = tmp_path_factory.mktemp("project")
    write_small_run(project, run="synthetic")
    for spectrum in simulate_survey(n_type1=2, n_intermediate=1, n_type2=1, random_state=7)[0]:
        write_spec_lite(spectrum, project / "mine" / f"{spectrum.name}.fits")
    return project


@pytest.fixture
def work(project, monkeypatch, plot_style):
    monkeypatch.chdir(project)
    return sorted((project / "mine").iterdir())[0].name


def test_read_and_plot_a_spectrum(work):
    ax = read_spectrum(f"mine/{work}").plot()

    assert ax.lines and work.removesuffix(".fits") in ax.get_title(loc="left")


def test_classify_a_folder(work):
    table = load_model("data/synthetic/model.skops").classify("mine")

    assert len(table) == 4 and not table.meta["rejected"]
    assert set(table["predicted"]) <= {"type 1", "intermediate", "type 2"}


def test_explain_a_spectrum(work):
    model = load_model("data/synthetic/model.skops")
    attribution = model.explain(read_spectrum(f"mine/{work}"), method="smoothgrad")
    ax = attribution.plot()

    assert attribution.values.shape == attribution.uncertainty.shape == (1, len(model.grid))
    assert any(attribution.target[0] in each.get_ylabel() + each.get_xlabel() for each in ax.figure.axes)


def test_put_it_on_the_map(work):
    model, spectrum_map = load_model("data/synthetic/model.skops"), read_map("data/synthetic/map.fits")
    places = model.place(f"mine/{work}", spectrum_map)

    assert places.shape == (1, 2)
    sample, _ = model.reduce(f"mine/{work}")
    assert (places == place_on_map(spectrum_map, sample_arrays(sample)[0])).all()


def test_compare_two_methods(work):
    model, spectrum = load_model("data/synthetic/model.skops"), read_spectrum(f"mine/{work}")
    figure = plot_methods([model.explain(spectrum, method=method) for method in ("gradient", "occlusion")])

    names = {text.get_text() for ax in figure.axes for text in ax.texts}
    assert {"gradient", "occlusion"} <= names
