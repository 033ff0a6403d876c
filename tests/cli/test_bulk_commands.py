"""`agn classify … --output DIR/` and `agn summarise DIR`."""

import shutil

import pytest

from agn_helpers.classifier import ProbabilisticSVC, TrainedModel, save_model
from agn_helpers.cli.app import main
from agn_helpers.reduction import reduce_spectra, sample_arrays, sample_grid
from agn_helpers.spectra import write_spec_lite
from agn_helpers.survey import simulate_survey


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A model as run "small", and a folder of spectra."""
    survey = simulate_survey(n_type1=15, n_intermediate=0, n_type2=15)[0]
    sample, _ = reduce_spectra(survey)
    estimator = ProbabilisticSVC(kernel="linear", random_state=0).fit(*sample_arrays(sample))
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "01_first.ipynb").write_text("{}")
    save_model(TrainedModel(estimator, sample_grid(sample)), tmp_path / "data" / "small" / "model.skops")
    (tmp_path / "spectra").mkdir()
    for spectrum in survey[::3]:
        write_spec_lite(spectrum, tmp_path / "spectra" / f"{spectrum.name}.fits")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_into_a_folder_and_again(project, capsys):
    argv = ["classify", "spectra", "--run", "small", "--output", "out/"]
    assert main(argv) == 0
    said = capsys.readouterr().out
    assert "10 spectra: " in said
    assert "Results: out" in said
    assert main(argv) == 0
    assert "1 of 1 partitions were done before." in capsys.readouterr().err
    (project / "spectra" / "text.fits").write_text("no spectrum\n")
    assert main(argv) == 1
    assert "of other spectra" in capsys.readouterr().err
    assert main([*argv, "--restart"]) == 3
    said = capsys.readouterr()
    assert "1 rejected; the reasons are in out/rejected:" in said.err
    assert "10 spectra: " in said.out


def test_by_two_workers(project, capsys):
    pytest.importorskip("distributed", reason="dask[distributed] is not installed")
    # Named, so that a folder of any name will do.
    assert main(["classify", "spectra", "--run", "small", "--output", "out.d", "--workers", "2"]) == 0
    said = capsys.readouterr()
    assert "Dashboard: http://127.0.0.1:" in said.err
    assert (project / "out.d" / "manifest.json").is_file()
    assert main(["classify", "spectra", "--run", "small", "--output", "o", "--workers", "0"]) == 1
    assert "at least one worker; got 0" in capsys.readouterr().err


def test_summarise(project, capsys):
    assert main(["classify", "spectra", "--run", "small", "--output", "out/"]) == 0
    capsys.readouterr()
    assert main(["summarise", "out", "--number", "3"]) == 0
    said = capsys.readouterr().out
    table = said.partition("The least certain types:")[2].partition("Page:")[0].split("\n")
    assert len([line for line in table if line.strip().startswith("spec-")]) == 3
    assert (project / "out" / "summary.html").is_file()
    shutil.rmtree("out/done")
    (project / "out" / "manifest.json").unlink()
    assert main(["summarise", "out"]) == 1
    assert "no finished partition yet" in capsys.readouterr().err
    assert main(["summarise", "spectra"]) == 1
    assert "must be a folder of results" in capsys.readouterr().err
