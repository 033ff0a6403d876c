"""The command line: what it writes, what it says, and its exit code, for good input and bad."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from joblib import cpu_count

from agn_helpers.classifier import (
    NoveltyDetector,
    ProbabilisticSVC,
    SpectrumCompleter,
    TrainedModel,
    calibrate_sets,
    load_model,
    save_model,
)
from agn_helpers.cli import app as cli
from agn_helpers.cli import batch
from agn_helpers.cli.messages import format_table, report_all, report_kinds
from agn_helpers.files import TABLE_FORMATS
from agn_helpers.reduction import reduce_spectra, sample_arrays, sample_grid
from agn_helpers.spectra import write_spec_lite
from agn_helpers.survey import simulate_survey
from agn_helpers.tuning.models import digest_training

from ..disks import small_disk

COLUMNS = ["name", "redshift", "p_type1", "p_intermediate", "p_type2", "predicted", "snr"]
COLUMNS += ["unobserved", "missing_lines", "reason"]
ORIGIN = ["ra", "dec", "class", "zwarning", "assumptions"]


def write_notebook(folder, name, source, parameters='run = "synthetic"\nsurvey = "synthetic"', tags=()):
    cell = nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})
    code = nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)})
    notebook = nbformat.v4.new_notebook(cells=[cell, code])
    folder.mkdir(exist_ok=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")


@pytest.fixture(scope="module")
def simulated():
    # Without intermediates even a few spectra teach the types beyond doubt.
    return simulate_survey(n_type1=40, n_intermediate=0, n_type2=40)[0]


@pytest.fixture(scope="module")
def model(simulated):
    sample, _ = reduce_spectra(simulated)
    estimator = ProbabilisticSVC(C=1.0, kernel="linear", random_state=0).fit(*sample_arrays(sample))
    meta = {"survey": "synthetic", "normalisation": "window", "program": digest_training()}
    return TrainedModel(estimator, sample_grid(sample), meta)


@pytest.fixture(scope="module")
def doubts(simulated, model):
    """What says how much the model does not know."""
    sample, _ = reduce_spectra(simulated)
    X, y = sample_arrays(sample)
    detector = NoveltyDetector(random_state=0).fit(X, np.asarray(sample["ivar"]), grid=model.grid)
    return {"prediction_sets": calibrate_sets(model.estimator, X, y), "novelty": detector}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with one notebook and no model, as the current folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    write_notebook(folder / "notebooks", "01_first", "print('done')")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def trained(project, model):
    save_model(model, project / "data" / "general" / "model.skops")
    return project


@pytest.fixture
def spectra(tmp_path, simulated):
    """A folder of four unlabelled spectra: two of type 1, two of type 2."""
    folder = tmp_path / "spectra"
    folder.mkdir()
    for spectrum in simulated[:2] + simulated[-2:]:
        write_spec_lite(spectrum, folder / f"{spectrum.name}.fits")
    return folder


def write_text(spectrum, path):
    """Text has no place for a redshift."""
    columns = [spectrum.wavelength, spectrum.flux, spectrum.ivar]
    Table(columns, names=["wavelength", "flux", "ivar"]).write(path, format="ascii.csv")


def read_table(path):
    return Table.read(path, format=TABLE_FORMATS[Path(path).suffix])


def one_line(capsys, kind="error"):
    """The line on standard error, which must be the only one."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"{kind}: ")
    return lines[0]


# agn classify


def test_classify_a_folder(trained, spectra, capsys):
    assert cli.main(["classify", str(spectra)]) == 0
    table = read_table("classified.ecsv")
    assert table.colnames == [*COLUMNS, *ORIGIN]
    assert list(table["name"]) == sorted(path.stem for path in spectra.iterdir())
    assert sorted(table["predicted"]) == ["type 1", "type 1", "type 2", "type 2"]
    total = table["p_type1"] + table["p_intermediate"] + table["p_type2"]
    np.testing.assert_allclose(total, 1)
    assert table.meta["survey"] == table.meta["model_survey"] == "synthetic"
    assert table.meta["run"] == "general"
    assert len(read_table("classified_rejected.ecsv")) == 0
    said = capsys.readouterr()
    *shown, summary = said.out.splitlines()
    assert summary == "4 spectra: 2 type 1, 2 type 2. Table: classified.ecsv"
    assert shown[0].split() == ["name", "type", "P"]
    for line, row in zip(shown[1:], table, strict=True):
        best = max(row["p_type1"], row["p_intermediate"], row["p_type2"])
        assert line.split() == [row["name"], *row["predicted"].split(), f"{best:.3f}"]
    numbers = re.findall(r"(?<= )-?0\.0*(\d+)", Path("classified.ecsv").read_text())
    assert len(numbers) > 8 and max(map(len, numbers)) <= 8
    assert said.err == ""


@pytest.mark.parametrize("suffix", TABLE_FORMATS)
def test_classify_says_what_the_model_does_not_know(
    trained, doubts, model, simulated, tmp_path, capsys, suffix
):
    knowing = TrainedModel(model.estimator, model.grid, model.meta, doubts)
    save_model(knowing, trained / "data" / "general" / "model.skops")
    folder = tmp_path / "doubtful"
    folder.mkdir()
    for number, shift in ((0, 0.0), (-1, 0.0), (-2, 0.02)):
        wrong = dataclasses.replace(simulated[number], redshift=simulated[number].redshift + shift)
        write_spec_lite(wrong, folder / f"{wrong.name}.fits")
    assert cli.main(["classify", str(folder), "--output", f"mine{suffix}"]) == 0
    table = read_table(f"mine{suffix}")
    assert table.colnames == [*COLUMNS, "prediction_set", "novelty", "unlike_training", "unlike_in", *ORIGIN]
    unlike = [str(value) == "True" for value in table["unlike_training"]]
    assert unlike == [name == simulated[-2].name for name in table["name"]]
    assert unlike == list(table["novelty"] > 1)
    *shown, summary, several, novel = capsys.readouterr().out.splitlines()
    assert (
        shown[0].split("  ")[0] == "name" and "unlike training" in shown[0] and "features" in "".join(shown)
    )
    assert summary.startswith("3 spectra: ")
    assert several.endswith("more than one type (column prediction_set).")
    assert novel.startswith("1 spectrum is unlike anything the model was trained on (features 1")


def test_without_hbeta_a_type_is_undetermined_and_can_be_forced(trained, model, simulated, tmp_path, capsys):
    sample, _ = reduce_spectra(simulated)
    completion = SpectrumCompleter(8).fit(sample["flux"], sample["ivar"])
    knowing = TrainedModel(model.estimator, model.grid, model.meta, {"completion": completion})
    save_model(knowing, trained / "data" / "general" / "model.skops")
    folder = tmp_path / "masked"
    folder.mkdir()
    for spectrum in (simulated[0], simulated[-1]):
        rest = spectrum.wavelength / (1 + spectrum.redshift)
        hidden = np.abs(rest - 4862.7) < (60 if spectrum is simulated[0] else 20)
        masked = dataclasses.replace(spectrum, ivar=np.where(hidden, 0, spectrum.ivar))
        write_spec_lite(masked, folder / f"{masked.name}.fits")
    assert cli.main(["classify", str(folder), "--explain"]) == 0
    table = read_table("classified.ecsv")
    table.sort("unobserved")
    assert table.colnames == [*COLUMNS, "log_odds_error", *ORIGIN]
    assert list(table["predicted"]) == ["type 2", "undetermined"]
    assert "at least half of Hβ" in table["reason"][1] and not np.ma.filled(table["reason"], "")[0]
    assert table["missing_lines"][1] == "Hbeta"
    *shown, summary, undetermined, pages = capsys.readouterr().out.splitlines()
    assert summary == "2 spectra: 1 type 2, 1 undetermined. Table: classified.ecsv"
    assert pages == "Summary pages: classified_saliency/index.html"
    page = Path("classified_saliency/index.html").read_text()
    assert "Undetermined (at least half of Hβ" in page and len(shown) == 3
    assert undetermined.startswith("1 is undetermined for want of what was not observed (column reason)")
    assert len(list(Path("classified_saliency").glob("*.png"))) == 2
    assert cli.main(["classify", str(folder), "--force"]) == 0
    table = read_table("classified.ecsv")
    assert set(table["predicted"]) <= {"type 1", "type 2"} and len(table) == 2
    assert len(capsys.readouterr().out.splitlines()) == 1 + 3


@pytest.mark.parametrize("suffix", TABLE_FORMATS)
def test_suffix_chooses_the_format(trained, spectra, suffix):
    assert cli.main(["classify", str(spectra), "--output", f"out/mine{suffix}"]) == 0
    table = read_table(f"out/mine{suffix}")
    assert table.colnames == [*COLUMNS, *ORIGIN]
    assert len(table) == 4
    assert read_table(f"out/mine_rejected{suffix}").colnames == ["name", "file", "reason"]
    assert sorted(os.listdir("out")) == [f"mine{suffix}", f"mine_rejected{suffix}"]


def test_redshift_from_file_then_index_then_option(trained, simulated, tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    for spectrum, name in zip(simulated, ("file.fits", "index.txt", "option.txt")):
        (write_spec_lite if name.endswith("fits") else write_text)(spectrum, folder / name)
    truth = [spectrum.redshift for spectrum in simulated[:3]]
    # The index goes before the option, and both before the file.
    index = f"file,redshift,label\nindex.txt,{truth[1]},type 2\nfile.fits,{truth[0]},\n"
    (folder / "index.csv").write_text(index)
    assert cli.main(["classify", str(folder), "--redshift", str(truth[2])]) == 0
    table = read_table("classified.ecsv")
    np.testing.assert_allclose(table["redshift"], truth, rtol=1e-6)
    assert set(table["predicted"]) == {"type 1"}


def test_columns_and_medium_as_told_and_what_was_assumed(trained, simulated, tmp_path, capsys):
    """Options reach every file; what was assumed is a column, and counted where something was."""
    folder = tmp_path / "odd"
    folder.mkdir()
    for number, spectrum in enumerate((simulated[0], simulated[-1])):
        decoy = np.full(spectrum.flux.size, 7.0)
        columns = [spectrum.wavelength, decoy, spectrum.flux, spectrum.ivar]
        table = Table(columns, names=["wavelength", "flux", "mine", "ivar"])
        table.meta["comments"] = [f"redshift = {spectrum.redshift}"]
        table.write(folder / f"{number}.ecsv")
    argv = ["classify", str(folder), "--columns", "flux=mine,ivar=ivar", "--medium", "vacuum"]
    assert cli.main(argv) == 0
    table = read_table("classified.ecsv")
    assert list(table["predicted"]) == ["type 1", "type 2"]
    np.testing.assert_allclose(table["redshift"], [simulated[0].redshift, simulated[-1].redshift])
    assumed = ["wavelength unit Å (from its values)", "flux unit not stated, taken for a flux density per Å"]
    assert list(table["assumptions"]) == ["; ".join(assumed)] * 2
    counted = capsys.readouterr().out.splitlines()[-1]
    assert counted == f"assumed: {assumed[0]} (2); {assumed[1]} (2)."
    assert cli.main([*argv[:-1], "air", "--redshift", str(simulated[0].redshift)]) == 0
    said = capsys.readouterr().out
    assert "wavelengths converted from air to vacuum (2)" in said
    assert "redshift … as told, while the file says … (1)" in said
    assert cli.main([*argv[:-1], "water"]) == 1
    assert one_line(capsys) == 'error: medium must be "air" or "vacuum"; got \'water\'.'
    assert cli.main(["classify", str(folder), "--columns", "fluss=mine"]) == 1
    assert "columns must be written as flux=NAME,error=NAME" in one_line(capsys)


def test_warnings_and_places_of_pipelines_come_through(trained, simulated, tmp_path, capsys):
    folder = tmp_path / "warned"
    folder.mkdir()
    meta = {"zwarning": 4, "class": "GALAXY", "survey": "synthetic"}
    write_spec_lite(dataclasses.replace(simulated[0], meta=meta), folder / "warned.fits")
    (folder / "index.csv").write_text("file,ra,dec\nwarned.fits,150.25,-2.5\n")
    assert cli.main(["classify", str(folder)]) == 0
    (row,) = read_table("classified.ecsv")
    assert (row["zwarning"], row["class"], row["ra"], row["dec"]) == (4, "GALAXY", 150.25, -2.5)
    assert row["assumptions"] == "the pipeline doubts its redshift (ZWARNING 4)"
    assert "1 with a redshift that its pipeline doubts (column zwarning)." in capsys.readouterr().out


def test_spectrum_without_redshift_is_rejected(trained, simulated, tmp_path, capsys):
    write_text(simulated[0], tmp_path / "bare.csv")
    assert cli.main(["classify", str(tmp_path / "bare.csv")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert "bare.csv" in lines[0]
    assert "redshift" in lines[0]
    assert lines[1] == "error: no spectrum could be classified; the reasons are in classified_rejected.ecsv."
    (row,) = read_table("classified_rejected.ecsv")
    assert row["file"].endswith("bare.csv")
    assert not Path("classified.ecsv").exists()


def rewrite(change):
    """A way to spoil an SDSS file: what it says of its HDUs."""

    def spoil(path):
        with fits.open(path, memmap=False) as hdus:
            hdus = change(hdus) or hdus
            hdus.writeto(path, overwrite=True)

    return spoil


def set_column(name, value):
    return rewrite(lambda hdus: hdus[1].data[name].__setitem__(slice(None), value))


def drop_column(hdus):
    hdus[1] = fits.BinTableHDU.from_columns([c for c in hdus[1].columns if c.name.lower() != "flux"])


def reverse(hdus):
    hdus[1].data["loglam"] = hdus[1].data["loglam"][::-1].copy()


def repeat(hdus):
    hdus[1].data["loglam"][100] = hdus[1].data["loglam"][99]


BAD_FILES = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:30_000]),
    "empty": lambda path: path.write_bytes(b""),
    "jpeg": lambda path: path.write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(5000)),
    "missing HDU": rewrite(lambda hdus: hdus[:1]),
    "missing column": rewrite(drop_column),
    "NaN flux": set_column("flux", np.nan),
    "infinite flux": set_column("flux", np.inf),
    "no ivar": set_column("ivar", 0),
    "decreasing wavelength": rewrite(reverse),
    "duplicate wavelength": rewrite(repeat),
    "redshift -2": rewrite(lambda hdus: hdus[2].data["Z"].__setitem__(0, -2)),
    "absent": lambda path: path.unlink(),
    "folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_bad_file_gets_one_line_and_stops_no_other(trained, spectra, what, capsys):
    bad, *good = sorted(spectra.iterdir())
    bad = bad.rename(bad.with_name("bad.fits"))
    BAD_FILES[what](bad)
    assert cli.main(["classify", str(bad), *map(str, good)]) == 3
    assert sorted(read_table("classified.ecsv")["name"]) == [path.stem for path in good]
    (row,) = read_table("classified_rejected.ecsv")
    assert row["file"] == str(bad)
    error, summary = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert "bad.fits" in error
    assert summary == "1 rejected; the reasons are in classified_rejected.ecsv."


def test_nan_redshift_in_the_file_is_none(trained, spectra):
    bad = sorted(spectra.iterdir())[0]
    rewrite(lambda hdus: hdus[2].data["Z"].__setitem__(0, np.nan))(bad)
    assert cli.main(["classify", str(bad)]) == 1
    (row,) = read_table("classified_rejected.ecsv")
    assert "redshift" in row["reason"]


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ("file,redshift\nabsent.fits,0.1\n", "absent.fits"),
        ("file,redshift,label\n{name},0.1,quasar\n", "quasar"),
        ("file,redshift\n{name},far\n", "far"),
    ],
)
def test_bad_row_of_an_index_is_rejected(trained, spectra, index, words, capsys):
    name = sorted(os.listdir(spectra))[0]
    (spectra / "index.csv").write_text(index.format(name=name))
    assert cli.main(["classify", str(spectra)]) == 3
    (row,) = read_table("classified_rejected.ecsv")
    assert words in row["reason"]
    assert words in capsys.readouterr().err.splitlines()[0]


@pytest.mark.parametrize("index", ["redshift\n0.1\n", "file,redshift\n", "\x00\x01"])
def test_unusable_index_is_an_error(trained, spectra, index, capsys):
    (spectra / "index.csv").write_text(index)
    assert cli.main(["classify", str(spectra)]) == 1
    assert str(spectra / "index.csv") in one_line(capsys)
    assert not Path("classified.ecsv").exists()


def test_a_name_of_nothing_leaves_nothing_behind(project, capsys):
    """Not even the general model is trained for it."""
    assert cli.main(["classify", "nosuch.fits"]) == 1
    assert one_line(capsys) == "error: nosuch.fits does not exist; name an existing file or folder."
    assert sorted(os.listdir(project)) == ["notebooks"]


def test_kinds_of_reasons_are_counted(capsys):
    rows = [(f"dir/{k}.fits", f"index.csv, row {k} names {k}.fits, which does not exist") for k in range(79)]
    report_kinds("error", [*rows, ("b.txt", "b.txt must have a redshift")])
    assert capsys.readouterr().err.splitlines() == [
        "error: index.csv, row 0 names 0.fits, which does not exist (78 more like it)",
        "error: b.txt must have a redshift",
    ]


def test_a_table_on_the_screen_is_short_and_does_not_steer_the_terminal():
    columns = {"name": [f"a\x1b[31m{k}" for k in range(30)], "type": ["x"] * 30, "doubt": [""] * 30}
    lines = format_table(columns)
    assert lines[0] == "name     type" and lines[1] == "a[31m0   x"
    assert len(lines) == 1 + 20 + 1 and lines[-1] == "… and 10 more in the table."
    assert format_table({"name": []}) == []


def test_folder_without_spectra_is_an_error(trained, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert cli.main(["classify", str(tmp_path / "empty")]) == 1
    assert str(tmp_path / "empty") in one_line(capsys)


def test_many_rejections_do_not_flood(trained, tmp_path, capsys):
    (tmp_path / "bad").mkdir()
    for number in range(60):
        (tmp_path / "bad" / f"{number}.fits").touch()
    assert cli.main(["classify", str(tmp_path / "bad")]) == 1
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("error: ") and first.endswith("(59 more like it)")
    assert last.startswith("error: no spectrum could be classified")
    assert len(read_table("classified_rejected.ecsv")) == 60


@pytest.mark.parametrize("output", ["table.txt", "table", "file/table.ecsv", "notebooks"])
def test_output_is_checked_before_any_work(project, spectra, output, capsys):
    # There is no model yet: work would begin with training.
    Path("file").touch()
    assert cli.main(["classify", str(spectra), "--output", output]) == 1
    assert output.split("/")[0] in one_line(capsys)
    assert sorted(os.listdir(project)) == ["file", "notebooks"]


def test_read_only_output_folder(trained, spectra, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    with small_disk(tmp_path / "out", read_only=True):
        assert cli.main(["classify", str(spectra), "--output", str(tmp_path / "out" / "table.csv")]) == 1
    assert "table.csv could not be written: the folder is on a read-only file system" in one_line(capsys)


def test_full_disk(trained, spectra, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    with small_disk(out):
        (out / "ballast").write_bytes(bytes(60_000))
        assert cli.main(["classify", str(spectra), "--explain", "--output", str(out / "table.csv")]) == 1
        assert "the disk is full; free some space" in one_line(capsys)
        left = {path.name for path in out.rglob("*") if path.is_file()}
        # The table does not wait for figures that find no place.
        assert left <= {"ballast", "table.csv", "table_rejected.csv"}
        assert "table.csv" not in left or len(Table.read(out / "table.csv")) == 4
    # Nor does memory: a page that was not written is closed, too.
    assert plt.get_fignums() == []


@pytest.mark.parametrize("redshift", ["-1", "-2.5", "nan", "inf"])
def test_impossible_redshift_is_an_error(trained, spectra, redshift, capsys):
    assert cli.main(["classify", str(spectra), "--redshift", redshift]) == 1
    assert f"redshift must be greater than -1 and finite; got {float(redshift)}" in one_line(capsys)


def test_run_without_a_model_is_an_error(project, spectra, capsys):
    assert cli.main(["classify", str(spectra), "--run", "mine"]) == 1
    line = one_line(capsys)
    assert str(Path("data", "mine", "model.skops")) in line
    assert "agn reproduce --run mine" in line


def test_run_is_a_plain_name(trained, spectra, capsys):
    assert cli.main(["classify", str(spectra), "--run", "../synthetic"]) == 1
    assert "'../synthetic'" in one_line(capsys)


def test_damaged_model_is_an_error(trained, spectra, capsys):
    path = trained / "data" / "general" / "model.skops"
    path.write_bytes(path.read_bytes()[:1000])
    assert cli.main(["classify", str(spectra)]) == 1
    assert "model.skops is not a readable model" in one_line(capsys)


def test_the_general_model_is_trained_on_first_use_only(project, model, spectra, monkeypatch, capsys):
    calls = []

    def train_general():
        calls.append(1)
        return model

    monkeypatch.setattr("agn_helpers.tuning.models.train_general", train_general)
    assert cli.main(["classify", str(spectra)]) == 0
    assert "trained first" in capsys.readouterr().err
    assert cli.main(["classify", str(spectra)]) == 0
    assert len(calls) == 1
    assert "trained first" not in capsys.readouterr().err
    assert (project / "data" / "general" / "model.skops").is_file()


def test_a_general_model_of_another_program_is_used_with_a_word_on_how_to_renew_it(trained, spectra, capsys):
    path = trained / "data" / "general" / "model.skops"
    model = load_model(path)
    assert cli.main(["classify", str(spectra)]) == 0
    assert "another version" not in capsys.readouterr().err
    for stale in ({"program": "0" * 16}, {}):
        meta = {key: value for key, value in model.meta.items() if key != "program"} | stale
        save_model(TrainedModel(model.estimator, model.grid, meta, model.extras), path)
        assert cli.main(["classify", str(spectra)]) == 0
        [said] = [line for line in capsys.readouterr().err.splitlines() if "another version" in line]
        assert said.startswith(f"{path} was trained by another version of this program; delete it")


def test_explain_draws_a_figure_a_spectrum(trained, spectra, monkeypatch):
    paths = sorted(spectra.iterdir())
    assert cli.main(["classify", *map(str, paths[:2]), "--explain", "--output", "mine.csv"]) == 0
    figures = sorted(Path("mine_saliency").glob("*.png"))
    index = Path("mine_saliency/index.html").read_text()
    assert all(f'src="{path.name}"' in index for path in figures) and "Predicted type 1 with P = " in index
    assert [path.name for path in figures] == [f"{path.stem}.png" for path in paths[:2]]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in figures)


# agn reproduce


def test_reproduce_runs_the_notebooks(project, capsys):
    source = "import json\njson.dump([run, survey, size], open(f'data/{run}/seen.json', 'w'))"
    parameters = 'run = "x"\nsurvey = "x"\nsize = 1'
    write_notebook(project / "notebooks", "01_first", source, parameters)
    assert cli.main(["reproduce", "--run", "mine", "-p", "size=-3", "--only", "01"]) == 0
    assert json.loads(Path("data/mine/seen.json").read_text()) == ["mine", "synthetic", -3]
    assert sorted(os.listdir("data/mine/notebooks")) == ["01_first.html", "01_first.ipynb"]
    said = capsys.readouterr()
    assert said.out.startswith("Executed notebooks and HTML pages: ")
    assert said.out.splitlines()[-1] == f"Report: {project / 'data/mine/report/index.html'}"
    assert Path("data/mine/report/index.html").is_file()
    # The bar names the notebook and counts its cells.
    assert "01_first" in said.err
    assert "3/3" in said.err


def test_failing_cell_is_shown(project, capsys):
    write_notebook(project / "notebooks", "01_first", "depth = 0\n1 / depth")
    assert cli.main(["reproduce"]) == 1
    said = capsys.readouterr().err
    assert "----> 2 1 / depth" in said
    last = said.splitlines()[-1]
    assert last.startswith("error: 01_first, cell In [3]: ZeroDivisionError: division by zero. The half-run")
    failed = project / "data" / "synthetic" / "notebooks" / "01_first.failed.ipynb"
    assert str(failed) in last
    assert os.listdir(failed.parent) == [failed.name]


@pytest.fixture
def calls(monkeypatch):
    """What would be run."""
    calls = []
    monkeypatch.setattr(
        batch, "run_notebooks", lambda folder, **options: calls.append(options) or [Path("a/b")]
    )
    # Nothing is run, so there is nothing to report.
    monkeypatch.setattr(
        "agn_helpers.reports.write_report", lambda run, **options: Path("data/r/report/i.html")
    )
    return calls


@pytest.mark.parametrize(
    ("survey", "options", "run"),
    [
        ("My Spectra", [], "My-Spectra"),
        ("My Spectra/index.csv", [], "My-Spectra"),
        ("My Spectra/bright.v2.csv", [], "bright.v2"),
        ("My Spectra", ["--run", "other"], "other"),
    ],
)
def test_run_is_called_after_its_survey(project, spectra, calls, survey, options, run):
    folder = spectra.rename(spectra.with_name("My Spectra"))
    table = "file,label\n" + "".join(f"{name},type 1\n" for name in os.listdir(folder))
    for name in ("index.csv", "bright.v2.csv"):
        (folder / name).write_text(table)
    # A path that is relative here stays true in the folder where the notebooks run.
    path = folder.parent / survey
    assert cli.main(["reproduce", "--survey", os.path.relpath(path), *options]) == 0
    assert calls[0]["run"] == run
    assert calls[0]["survey"] == path.resolve()


def test_parameters_come_in_pairs(project, calls):
    argv = [
        "reproduce",
        "-p",
        "size=3",
        "--parameter",
        "shift=-1.5",
        "-p",
        "mark=a=b",
        "-p",
        "law=x=y",
    ]
    assert cli.main(argv) == 0
    assert calls[0]["parameters"] == {"size": "3", "shift": "-1.5", "mark": "a=b", "law": "x=y"}


def test_only_is_a_list(project, calls):
    write_notebook(project / "notebooks", "02_second", "1/0")
    assert cli.main(["reproduce", "--only", "01, 02"]) == 0
    assert calls[0]["only"] == ["01", "02"]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["-p", "sise=3"], "declares a parameter 'sise'. Did you mean size?"),
        (["-p", "size=much"], "parameter size must be of type int"),
        (["-p", "run=x"], "parameter run is set by --run"),
        (["--only", "07"], "there is no notebook '07'; choose among 01_first"),
        (["--only", "5"], "there is no notebook '5'; choose among 01_first"),
        (["--run", "../x"], "'../x'"),
        (["--survey", "nowhere"], "nowhere"),
        (["--survey", "empty"], "must hold a table index.csv"),
        (["--survey", "no-labels"], "must have the column label"),
        (["--survey", "absent"], "must name files that exist"),
        (["--survey", "unknown"], "quasar"),
        (["--survey", "absent", "--run", "synthetic"], "run synthetic is kept for the simulated survey"),
    ],
)
def test_nothing_runs_with_a_wrong_option(project, argv, words, capsys):
    write_notebook(project / "notebooks", "01_first", "1/0", 'run = "x"\nsize = 1')
    tables = {
        "no-labels": "file\na.fits\n",
        "absent": "file,label\na.fits,type 1\n",
        "unknown": "file,label\nb.fits,quasar\n",
    }
    Path("empty").mkdir()
    for name, table in tables.items():
        Path(name).mkdir()
        Path(name, "index.csv").write_text(table)
        Path(name, "b.fits").touch()
    assert cli.main(["reproduce", *argv]) == 1
    assert words in one_line(capsys)
    assert not Path("data").exists()


def test_project_without_notebooks(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("agn_helpers.cli.reproduce.find_project", lambda: tmp_path)
    assert cli.main(["reproduce"]) == 1
    assert f"{tmp_path / 'notebooks'} holds no numbered notebooks" in one_line(capsys)


# Both


@pytest.mark.parametrize(
    "argv", [["nothing"], ["reproduce", "--nothing"], ["reproduce", "-p", "size"], ["classify"]]
)
def test_wrong_command_line(project, argv, capsys):
    assert cli.main(argv) == 2
    assert "Try 'agn" in capsys.readouterr().err


def test_what_servers_say_does_not_steer_the_terminal(capsys):
    report_all("list", ["a\x1b[31m b\n c"] * 51, "rows")
    lines = capsys.readouterr().err.splitlines()
    assert set(lines[:50]) == {"list: a[31m b c"} and lines[50:] == ["list: and 1 more rows."]


def test_unforeseen_errors_keep_their_traceback(project, monkeypatch):
    def fail(*args, **options):
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(batch, "run_notebooks", fail)
    with pytest.raises(RuntimeError, match="unforeseen"):
        cli.main(["reproduce"])


def start(*argv):
    # Tests started in the background inherit an ignored Ctrl-C, as nohup has it.
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from agn_helpers.cli.app import main; sys.exit(main())"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(found, process):
    end = time.monotonic() + 60
    while not found():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A process that has ended stays listed until its parent asks, here perhaps nobody.
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_interrupted_reproduce_leaves_no_kernel_and_no_half_file(project):
    source = """
import os, time
open('NAME.part', 'w').write(str(os.getpid()))
os.rename('NAME.part', 'NAME.pid')
time.sleep(300)
"""
    # Where there are two cores they run side by side.
    for stem, name in [("02_second", "a"), ("03_third", "b")]:
        write_notebook(project / "notebooks", stem, source.replace("NAME", name), tags=["needs-01"])
    pids = [Path("a.pid"), Path("b.pid")][: cpu_count()]
    process = start("reproduce")
    wait_for(lambda: all(pid.exists() for pid in pids), process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("interrupted: every file under its final name is whole")
    assert "Traceback" not in said, said
    assert not any(is_alive(int(pid.read_text())) for pid in pids)
    notebooks = project / "data" / "synthetic" / "notebooks"
    assert sorted(os.listdir(notebooks)) == ["01_first.html", "01_first.ipynb"]


@pytest.mark.parametrize("dies", [False, True])
def test_what_a_kernel_says_beside_its_messages_is_passed_on_only_where_it_dies(project, dies):
    # Under pytest a kernel leaves the file that is its standard error alone.
    source = 'import os, signal\nos.write(2, b"complaint of a kernel")\n'
    end = "os.kill(os.getpid(), signal.SIGKILL)" if dies else ""
    write_notebook(project / "notebooks", "02_second", source + end)
    process = start("reproduce")
    _, said = process.communicate(timeout=120)
    assert process.returncode == int(dies), said
    assert ("complaint of a kernel" in said) == dies


def test_interrupted_classify_leaves_no_half_file(trained, simulated, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for spectrum in simulated[::3]:
        write_spec_lite(spectrum, folder / f"{spectrum.name}.fits")
    process = start("classify", str(folder), "--explain")
    figures = Path("classified_saliency")
    wait_for(lambda: figures.is_dir() and any(figures.glob("spec*.png")), process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("interrupted: ")
    assert "Traceback" not in said, said
    assert not list(trained.rglob("*classified*.ecsv"))
    assert not [path for path in trained.rglob("*") if "unfinished" in path.name]
