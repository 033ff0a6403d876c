"""Spectra by folder or table: redshifts and types from the right place, bad rows and files one by one."""

import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest
from astropy.table import Table

from agn_helpers.errors import SpectrumError
from agn_helpers.spectra import ObservedSpectrum, Rejected, read_index, read_spectra, write_spec_lite
from agn_helpers.survey import open_survey


@pytest.fixture
def folder(tmp_path):
    """Four spectra, the first with a redshift of its own, and things that are none."""
    folder = tmp_path / "spectra"
    folder.mkdir()
    wavelength = np.linspace(4000, 5000, 100)
    for name, redshift in (("a", 0.1), ("b", np.nan), ("c", np.nan), ("d", np.nan)):
        spectrum = ObservedSpectrum(wavelength, np.ones(100), np.ones(100), redshift, name)
        write_spec_lite(spectrum, folder / f"{name}.fits")
    (folder / ".hidden").write_text("not a spectrum")
    (folder / "README.md").write_text("not a spectrum")
    (folder / "inner").mkdir()
    shutil.copy(folder / "a.fits", folder / "inner/e.fits")
    return folder


def write_index(folder, text):
    (folder / "index.csv").write_text(text)
    return folder / "index.csv"


def split(found):
    """Spectra by name, and reasons of rejection by name."""
    found = list(found)
    spectra = {item.name: item for item in found if isinstance(item, ObservedSpectrum)}
    reasons = {item.name: item.reason for item in found if isinstance(item, Rejected)}
    assert len(spectra) + len(reasons) == len(found)
    return spectra, reasons


def test_redshift_is_the_indexs_then_the_options_then_the_files(folder):
    """A and b have that of the index, c (an empty cell) and d (not listed) the option."""
    write_index(folder, "file,redshift,label\na.fits,0.9,Seyfert 1\nb.fits,0.2,1.8\nc.fits,,\n")
    spectra, reasons = split(read_spectra(folder, redshift=0.3))
    assert not reasons
    assert list(spectra) == ["a", "b", "c", "d"]
    np.testing.assert_allclose([item.redshift for item in spectra.values()], [0.9, 0.2, 0.3, 0.3])
    assert [item.label for item in spectra.values()] == ["type 1", "intermediate", None, None]


def test_files_find_the_index_beside_them(folder, monkeypatch):
    """Single files, also in the current folder, get what the index of their folder says."""
    write_index(folder, "file,redshift\nb.fits,0.2\n")
    assert next(read_spectra(folder / "b.fits")).redshift == 0.2
    monkeypatch.chdir(folder)
    assert next(read_spectra("b.fits")).redshift == 0.2
    assert next(read_spectra("./inner/../b.fits")).redshift == 0.2
    elsewhere = Table({"file": ["b.fits"], "redshift": [0.4]})
    assert next(read_spectra("b.fits", index=elsewhere)).redshift == 0.4


def test_bad_files_do_not_stop_the_others(folder):
    """Each bad file becomes a Rejected with its path and reason."""
    (folder / "b.fits").write_bytes(b"")
    (folder / "c.fits").write_bytes((folder / "c.fits").read_bytes()[:-1])
    spectra, reasons = split(read_spectra([folder, folder / "missing.fits"]))
    assert list(spectra) == ["a", "d"]
    assert "empty" in reasons["b"]
    assert "truncated" in reasons["c"]
    assert "No such file" in reasons["missing"]
    assert all(str(folder) in reason and "\n" not in reason for reason in reasons.values())


def test_bad_rows_name_table_row_and_remedy(folder):
    """Absent files, unknown types and redshifts that are no numbers are said row by row."""
    rows = "a.fits,type 7\nb.fits,type 2\nabsent.fits,type 1\ninner/e.fits,type 1\n"
    table = write_index(folder, "file,label\n" + rows)
    for found in (read_spectra(folder), open_survey(table), open_survey(folder)):
        spectra, reasons = split(found)
        assert spectra["b"].label == "type 2"
        assert spectra["e"].label == "type 1"
        assert f"{table}, row 1 (a.fits): label must be one of type 1" in reasons["a"]
        assert "got 'type 7'" in reasons["a"]
        assert f"{table}, row 3 names" in reasons["absent"]
        assert "correct or remove the row" in reasons["absent"]
    write_index(folder, "file,redshift\na.fits,far\n")
    assert "row 1 (a.fits): redshift must be a number; got 'far'" in split(read_spectra(folder))[1]["a"]


def test_one_object_is_not_in_a_sample_twice(folder):
    """The second spectrum of a name is rejected, and the reason names the first."""
    shutil.copy(folder / "a.fits", folder / "inner/a.fits")
    spectra, reasons = split(read_spectra([folder, folder / "inner"]))
    assert spectra["a"].meta["file"] == str(folder / "a.fits")
    assert f"is that of {folder / 'a.fits'} too" in reasons["a"]


def test_folders_without_spectra_are_errors(folder, tmp_path):
    """At once where there is nothing else; among others they are rejected and the others read."""
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    write_index(nothing, "file,redshift\nabsent.fits,0.1\n")
    with pytest.raises(SpectrumError, match="nothing must hold spectra"):
        read_spectra(nothing)
    spectra, reasons = split(read_spectra([nothing, folder]))
    assert len(spectra) == 4
    assert "nothing must hold spectra" in reasons["nothing"]


def test_spectra_are_read_one_at_a_time(folder):
    """Reading waits until a spectrum is asked for, so that a folder need not fit in memory."""
    found = read_spectra(folder)
    assert next(found).name == "a"
    (folder / "b.fits").unlink()
    assert isinstance(next(found), Rejected)


def test_survey_keeps_only_what_has_a_type(folder):
    """A table's survey is what it lists; what has no type is rejected, since there is nothing to learn."""
    table = write_index(folder, "FILE,Label\nb.fits,Sy2\na.fits,\n")
    spectra, reasons = split(open_survey(table))
    assert {name: item.label for name, item in spectra.items()} == {"b": "type 2"}
    assert "must have a type" in reasons["a"]
    spectra, reasons = split(open_survey(folder))
    assert set(reasons) == {"a", "c", "d"}


@pytest.mark.parametrize("suffix", [".csv", ".ecsv", ".fits", ".parquet"])
def test_index_formats_say_the_same(folder, suffix):
    """An index may be any of the tables that the package writes."""
    path = folder / f"labels{suffix}"
    Table({"file": ["b.fits", "c.fits"], "redshift": [0.2, 0.3], "label": ["type 1", "type 2"]}).write(path)
    spectra, _ = split(open_survey(path))
    assert {name: (item.redshift, item.label) for name, item in spectra.items()} == {
        "b": (0.2, "type 1"),
        "c": (0.3, "type 2"),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,label\na,type 1\n", "must have the column file; it has name, label"),
        ("file,redshift\na.fits,0.1\n", "must have the column label"),
        ("file,label\n", "must list spectra; it has no row"),
        ("file,label\na.fits,type 1,2,3\n", "must be a table; it cannot be read as one"),
        ("file,label\nx.fits,type 1\ny.fits,type 2\n", "not one of its 2 does, such as x.fits"),
        ("file,label\na.fits,9\nb.fits,8\n", "row 1 .a.fits.: label must be one of"),
    ],
)
def test_unusable_tables_are_errors_at_once(folder, text, message):
    """A table of which nothing can be used stops before any spectrum is read."""
    table = write_index(folder, text)
    with pytest.raises(SpectrumError, match=message) as caught:
        open_survey(table)
    assert str(table) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_surveys_that_do_not_exist_are_errors(folder):
    """Neither a name, nor a folder without an index, nor a file that is no table."""
    for survey, message in (
        ("nowhere", "must be 'synthetic', a folder or a table"),
        (folder, "must hold a table index.csv"),
        (folder / "README.md", "must be a table whose name ends in"),
    ):
        with pytest.raises(SpectrumError, match=message):
            open_survey(survey)


def test_synthetic_survey_says_that_it_is_synthetic():
    """The simulated survey has the asked mix, unique names, and never passes for data."""
    found = list(open_survey("synthetic", n_type1=3, n_intermediate=2, n_type2=1, random_state=5))
    assert sorted(item.label for item in found) == ["intermediate"] * 2 + ["type 1"] * 3 + ["type 2"]
    assert len({item.name for item in found}) == 6
    assert {item.meta["survey"] for item in found} == {"synthetic"}


def test_real_folders_are_read_with_their_redshifts(shared):
    """Each file of the real folders gives a spectrum with the redshift that the folder's index lists."""
    for name in ("text", "desi"):
        folder = shared / "spectra" / name
        index = read_index(folder)
        spectra, reasons = split(read_spectra(folder))
        assert not reasons
        assert {item.meta["file"]: item.redshift for item in spectra.values()} == {
            str(folder / row["file"]): row["redshift"] for row in index
        }


def test_connections_are_blocked_here_and_in_other_processes():
    """The network block of the tests: names are not looked up, other machines not reached."""
    with pytest.raises(RuntimeError, match="must not open connections"):
        socket.getaddrinfo("data.sdss.org", 80)
    with socket.socket() as line, pytest.raises(RuntimeError, match="must not open connections"):
        line.connect(("192.0.2.1", 80))
    assert socket.getaddrinfo("localhost", 80)
    code = "import socket; socket.create_connection(('192.0.2.1', 80))"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "NetworkBlockedError" in child.stderr
