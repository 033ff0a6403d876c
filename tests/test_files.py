"""Output files are whole or absent, also on a full disk, and tables come back as they went."""

import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from agn_helpers.errors import AgnError
from agn_helpers.files import (
    TABLE_FORMATS,
    check_writable,
    make_folder,
    read_table,
    whole_file,
    write_table,
)

from .disks import small_disk


@pytest.fixture
def table():
    table = Table({"name": ["spec-1", "größe 5100 Å"], "redshift": [0.05, np.nan], "n": [1, 2]})
    table.meta = {"run": "synthetic", "model_survey": "synthetic"}
    return table


def test_whole_file_appears_only_after_the_block(tmp_path):
    path = tmp_path / "new" / "table.csv"
    with whole_file(path) as temporary:
        temporary.write_text("x\n1\n")
        assert not path.exists()
        assert temporary.suffix == ".csv"
    assert path.read_text() == "x\n1\n"
    assert list(path.parent.iterdir()) == [path]


def test_whole_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "any").touch()
    with whole_file(tmp_path / "whole"):
        pass
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "any").stat().st_mode


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_interrupted_block_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(error), whole_file(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_folder_under_a_file_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "table.csv"
    for write in (make_folder, check_writable, lambda path: whole_file(path).__enter__()):
        with pytest.raises(AgnError, match="choose another folder") as caught:
            write(path)
        assert str(tmp_path / "file") in str(caught.value)
        assert "\n" not in str(caught.value)


def test_file_in_the_place_of_a_folder_is_refused(tmp_path, table):
    (tmp_path / "taken.csv").mkdir()
    for write in (check_writable, lambda path: write_table(table, path)):
        with pytest.raises(AgnError, match=r"taken\.csv could not be written: that is a folder"):
            write(tmp_path / "taken.csv")
    assert os.listdir(tmp_path) == ["taken.csv"]


@pytest.mark.parametrize("suffix", TABLE_FORMATS)
def test_full_disk_leaves_nothing(tmp_path, suffix):
    table = Table({"x": np.random.default_rng(0).normal(size=20_000)})
    with small_disk(tmp_path):
        message = r"^\S*big\.\w+ could not be written: the disk is full[^\n]*$"
        with pytest.raises(AgnError, match=message):
            write_table(table, tmp_path / f"big{suffix}")
        assert os.listdir(tmp_path) == []
        # The disk is usable again: a small table fits.
        write_table(table[:10], tmp_path / f"small{suffix}")
        assert os.listdir(tmp_path) == [f"small{suffix}"]


def test_read_only_disk_is_refused(tmp_path, table):
    with small_disk(tmp_path, read_only=True):
        for write in (check_writable, lambda path: write_table(table, path)):
            with pytest.raises(AgnError, match="read-only file system; choose another folder"):
                write(tmp_path / "table.ecsv")


def test_writable_place_is_left_as_it_was(tmp_path):
    check_writable(tmp_path / "new" / "table.ecsv")
    assert list(tmp_path.rglob("*")) == [tmp_path / "new"]


def test_file_size_limit_leaves_nothing(tmp_path):
    # Needs no mount, so that a failing write is proven for every user.
    program = """
import sys
from astropy.table import Table
from agn_helpers.errors import AgnError
from agn_helpers.files import write_table
try:
    write_table(Table({"x": range(100_000)}), sys.argv[1])
except AgnError as error:
    print(error)
"""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "big.csv"],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "big.csv could not be written" in done.stdout
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("suffix", TABLE_FORMATS)
def test_tables_come_back(tmp_path, table, suffix):
    path = tmp_path / f"table{suffix}"
    write_table(table, path)
    back = read_table(path)
    name = back["name"][1].encode().decode("unicode_escape") if suffix == ".fits" else back["name"][1]
    assert name == "größe 5100 Å"
    np.testing.assert_array_equal(np.ma.filled(back["redshift"], np.nan), table["redshift"])
    assert back.meta == ({} if suffix == ".csv" else table.meta)


@pytest.mark.parametrize("suffix", sorted(set(TABLE_FORMATS) - {".csv"}))
def test_metadata_come_back_in_their_case(tmp_path, suffix):
    meta = {
        **{"run": "synthetic", "OBSERVER": "E. E.", "gridMin": 3728.91, "ok": True, "n": 7, "nine_keys": 0.1},
        # Longer than one card of FITS, under short keys and long ones.
        **{"survey": "x" * 60, "path": "/a" * 100, "model_survey": "y" * 40, "Long_Key_Of_Mine": "z" * 200},
        "some": ["a", "b"],
    }
    table = Table({"x": [1.0]}, meta=meta)
    write_table(table, tmp_path / f"table{suffix}")
    assert table.meta == meta
    back = read_table(tmp_path / f"table{suffix}").meta
    if suffix == ".fits":
        # A list is several cards, none of which has room for a key.
        back["some"] = back.pop("SOME")
    assert back == meta


def test_tables_of_other_programs_keep_their_keys(tmp_path):
    Table({"x": [1]}, meta={"TELESCOP": "SDSS"}).write(tmp_path / "other.fits")
    assert read_table(tmp_path / "other.fits").meta == {"TELESCOP": "SDSS"}


@pytest.mark.parametrize("content", ["empty", "text", "cut", "zeros", "spoilt", "other"])
@pytest.mark.parametrize("suffix", TABLE_FORMATS)
def test_what_is_no_table_is_one_line(tmp_path, table, suffix, content):
    path = tmp_path / f"table{suffix}"
    write_table(table, path)
    whole = path.read_bytes()
    other = tmp_path / f"other{'.parquet' if suffix == '.fits' else '.fits'}"
    write_table(table, other)
    made = {
        "empty": b"",
        "text": b'a\0"b\n,,,\n1,2\n',
        "cut": whole[:-3000] if suffix == ".fits" else whole[: len(whole) // 2],
        "zeros": bytes(5000),
        "spoilt": whole.replace(b"T", b"\xff").replace(b"a", b'"'),
        "other": other.read_bytes(),
    }
    path.write_bytes(made[content])
    try:
        read_table(path)
    except AgnError as error:
        assert str(path) in str(error) and "\n" not in str(error)
    else:
        # Half of a table without a count of its rows is a table, and so is any line of text, to CSV.
        is_text = suffix == ".csv" and content not in ("empty", "other")
        assert is_text or (suffix, content) == (".ecsv", "cut")


@pytest.mark.parametrize("damage", [None, "cut", "text", "empty", "spoilt"])
def test_a_table_left_on_the_disk_is_the_same_table_or_the_same_refusal(tmp_path, damage):
    path = tmp_path / "table.fits"
    flux = np.arange(6000, dtype=np.float32).reshape(60, 100)
    written = Table({"name": [f"s{row}" for row in range(60)], "flux": flux}, meta={"survey": "synthetic"})
    write_table(written, path)
    whole = path.read_bytes()
    made = {"cut": whole[:-9000], "text": b"text", "empty": b"", "spoilt": whole.replace(b"E", b"\xff")}
    if damage is None:
        mapped, read = read_table(path, mapped=True), read_table(path)
        assert all((mapped[name] == read[name]).all() for name in read.colnames) and mapped.meta == read.meta
        # Changes stay in memory, and a new file of the name does not disturb.
        mapped["flux"][0] = -1
        write_table(written[:3], path)
        assert (mapped["flux"][0] == -1).all()
        np.testing.assert_array_equal(mapped["flux"][1:], flux[1:])
        return
    path.write_bytes(made[damage])
    with pytest.raises(AgnError) as plain:
        read_table(path)
    with pytest.raises(AgnError) as caught:
        read_table(path, mapped=True)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    assert damage == "spoilt" or str(caught.value) == str(plain.value)


def test_a_fits_file_without_a_table_and_a_missing_file(tmp_path):
    fits.PrimaryHDU(np.ones(3)).writeto(tmp_path / "image.fits")
    with pytest.raises(AgnError, match=r"image\.fits must be a table .*: it holds no table\. Make it again"):
        read_table(tmp_path / "image.fits")
    with pytest.raises(AgnError, match=r"none\.ecsv is missing; write it first"):
        read_table(tmp_path / "none.ecsv")
    with pytest.raises(AgnError, match="must end in"):
        read_table(tmp_path / "none.txt")


@pytest.mark.parametrize("suffix", TABLE_FORMATS)
def test_empty_tables_keep_their_columns(tmp_path, table, suffix):
    path = tmp_path / f"table{suffix}"
    write_table(table[:0], path)
    back = read_table(path)
    assert len(back) == 0
    assert back.colnames == table.colnames


@pytest.mark.parametrize("name", ["table.txt", "table", "table.ecsv.gz"])
def test_other_suffixes_are_refused(tmp_path, table, name):
    with pytest.raises(AgnError, match=r"must end in \.ecsv, \.csv, \.fits, \.parquet") as caught:
        write_table(table, tmp_path / name)
    assert isinstance(caught.value, AgnError)
    assert os.listdir(tmp_path) == []
