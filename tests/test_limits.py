"""What a file may ask for: pipes, devices, links, bombs and promises are refused at once, in one line."""

import gzip
import io
import os
import time

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from agn_helpers.cli.app import main
from agn_helpers.errors import AgnError, SpectrumError
from agn_helpers.files import name_file, read_table, write_table
from agn_helpers.limits import (
    check_fits,
    check_parquet,
    check_votable,
    escape_text,
    read_regular,
    summarise_error,
)
from agn_helpers.spectra import (
    ObservedSpectrum,
    Rejected,
    read_entries,
    read_index,
    read_spectra,
    read_spectrum,
)
from agn_helpers.spectra.medium import medium_in_text
from agn_helpers.spectra.redshifts import redshift_in_comments
from agn_helpers.spectra.roles import name_role
from agn_helpers.spectra.text import _split_header


def refuse(read, *words):
    """Run a reader that must raise AgnError in one line with these words, soon; return the line."""
    start = time.monotonic()
    with pytest.raises(AgnError) as caught:
        read()
    message = str(caught.value)
    assert "\n" not in message
    assert time.monotonic() - start < 5
    for word in words:
        assert word in message
    return message


# Files


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "nowhere").symlink_to("none")
    for name, words in (
        ("pipe", "must be a regular file; it is a device, a pipe or a socket"),
        ("zero", "must be a regular file"),
        ("circle", "cannot be read (Too many levels of symbolic links)"),
        ("nowhere", "cannot be read (No such file or directory)"),
        (".", "cannot be read (Is a directory)"),
        ("nul\0", "cannot be read (embedded null byte)"),
    ):
        refuse(lambda name=name: read_regular(tmp_path / name), words)
        with pytest.raises(SpectrumError):
            read_spectrum(tmp_path / name)
    assert not [name for name in os.listdir("/proc/self/fd") if "pipe" in name]


def test_what_is_no_file_in_a_folder_is_named(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "good.csv").write_text(
        "wavelength,flux\n" + "".join(f"{x},1\n" for x in range(4000, 5000, 2))
    )
    found = list(read_spectra(tmp_path))
    assert [type(each) for each in found] == [Rejected, ObservedSpectrum, Rejected]


def test_large_files_and_large_insides(tmp_path):
    path = tmp_path / "sparse.csv"
    with open(path, "wb") as file:
        file.truncate(1 << 40)
    refuse(lambda: read_regular(path, largest=1 << 20), "must have at most 1 MB; it has more")
    # 200 MB of one line each, in 200 kB.
    bomb = tmp_path / "bomb.csv.gz"
    bomb.write_bytes(gzip.compress(b"4000,1\n" * 28_000_000, 1))
    refuse(lambda: read_spectrum(bomb), "must unpack to a spectrum; it unpacks to 128 MB or more")


def fits_of(**cards):
    """A FITS table of ten rows whose cards are changed afterwards."""
    content = io.BytesIO()
    table = fits.BinTableHDU(Table({"wavelength": np.arange(10.0) + 4000, "flux": np.ones(10)}))
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(content)
    text = content.getvalue()
    for key, value in cards.items():
        at = text.index(f"{key:8}= ".encode())
        text = text[:at] + f"{key:8}= {value:>20}".ljust(80).encode() + text[at + 80 :]
    return text


@pytest.mark.parametrize(
    ("cards", "words"),
    [
        ({"NAXIS2": "100000000"}, "is truncated in HDU 1: 1599998400 bytes are missing"),
        ({"NAXIS1": "0", "NAXIS2": "100000000"}, "must hold its rows; it has 100000000 in"),
        ({"NAXIS1": "8"}, "must have rows as long as its columns; got 8 and 16 bytes"),
        ({"TFORM1": "'99999999D'"}, "must have rows as long as its columns"),
        ({"TFORM1": "'Z'"}, "TFORM1 in HDU 1"),
        ({"TFIELDS": "1000000"}, "must have at most 999 columns; got 1000000"),
        ({"NAXIS2": "-5"}, "NAXIS2 in HDU 1"),
        ({"NAXIS2": "'ten'"}, "must be a whole number"),
        ({"BITPIX": "7"}, "BITPIX in HDU 0"),
        ({"PCOUNT": "9999999999999"}, "is truncated in HDU 1"),
    ],
)
def test_what_a_fits_header_promises_must_be_there(tmp_path, cards, words):
    check_fits(fits_of(), "sound.fits")
    content, path = fits_of(**cards), tmp_path / "promise.fits"
    path.write_bytes(content)
    refuse(lambda: check_fits(content, path), words, str(path))
    refuse(lambda: read_spectrum(path), str(path))
    refuse(lambda: read_table(path), str(path))


def test_headers_end():
    content = fits_of()
    refuse(
        lambda: check_fits(content[:2880].replace(b"END", b"EMD"), "a.fits"),
        "truncated in the header of HDU 0",
    )
    endless = content[:2880].replace(b"END", b"EMD") + b"COMMENT x".ljust(80) * 36 * 1000
    refuse(lambda: check_fits(endless, "a.fits"), "headers of at most 20000 lines")


def test_a_compressed_image_may_not_swell():
    content = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(np.zeros((100, 100), "f4"))]).writeto(content)
    text = content.getvalue()
    check_fits(text, "sound.fits")
    at = text.index(b"ZNAXIS1 = ")
    swollen = text[: at + 10] + b"9999999999".rjust(20) + text[at + 30 :]
    refuse(lambda: check_fits(swollen, "a.fits"), "must have at most 1024 MB")


def test_votables_and_parquet_may_not_promise_more_than_they_hold(tmp_path):
    head = b'<VOTABLE><RESOURCE><TABLE nrows="%d">' % 10**12
    refuse(lambda: check_votable(head, "a.xml"), "must hold what it promises", "nrows")
    refuse(lambda: check_votable(b'<FIELD arraysize="9999x99999"/>', "a.xml"), "arraysize")
    refuse(lambda: check_votable(b"<FIELD/>" * 1001, "a.xml"), "at most 1000 columns; it has 1001")
    import pyarrow
    import pyarrow.parquet

    # A run of equal values takes some bytes, however long.
    content = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"flux": np.zeros(150_000_000, "f4")}), content)
    assert content.tell() < 1 << 20
    refuse(lambda: check_parquet(content.getvalue(), "a.parquet"), "must unpack to at most 1024 MB")


# Words


@pytest.mark.parametrize(
    "text",
    [
        "a(" * 9_999,
        "a(b" * 6_666,
        "(" * 19_999,
        "a" * 19_999,
        "flux " * 4_000,
        "a ( " * 4_999,
        "[a" * 9_999 + "]",
        "redshift" + "9" * 19_980,
        "redshift" + " " * 19_980,
        "air vac" + "1" * 19_980,
    ],
)
def test_reading_a_line_takes_no_time_that_grows_faster_than_it(text):
    """At the longest line that is read; twice as long takes twice as long, with room for a busy machine."""

    def measure(read, words):
        start = time.process_time()
        read(words)
        return time.process_time() - start

    readers = [lambda words: _split_header(words, None), name_role, medium_in_text]
    readers.append(lambda words: redshift_in_comments([words]))
    for read in readers:
        short, long = (
            min(measure(read, words) for _ in range(3)) for words in (text[: len(text) // 4], text)
        )
        assert long < 10 * short + 0.02


def test_what_steers_a_reader_is_escaped():
    assert escape_text("NGC 1é 星 Å−") == "NGC 1é 星 Å−"
    assert escape_text(b"gal\xe9".decode("utf-8", "surrogateescape")) == r"gal\xe9"
    assert escape_text("a$\\frac{$") == r"a\x24\frac{\x24"
    assert (
        escape_text("a\nb\r\t\x1b[2J\u202e\u2028\U000e0001") == r"a\x0ab\x0d\x09\x1b[2J\u202e\u2028\U000e0001"
    )
    assert str(AgnError("two\nlines\r\nor three\u2028lines")) == "two lines or three lines"
    assert summarise_error(KeyError("x")) == "KeyError: 'x'"
    assert summarise_error(MemoryError()) == "MemoryError"


def test_any_name_makes_a_file_name(tmp_path):
    names = ["a/../b", "x" * 300, "x" * 301, "星" * 90, "..", "", "a.b", "\x00", "con\n"]
    files = [name_file(name, ".png") for name in names]
    assert len(set(files)) == len(names)
    for file in files:
        assert os.path.basename(file) == file
        (tmp_path / file).touch()


@pytest.mark.parametrize("suffix", [".ecsv", ".csv", ".fits", ".parquet"])
def test_tables_take_any_name_and_no_formula_reaches_a_spreadsheet(tmp_path, suffix):
    names = ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "'quoted", "plain", 'with "quotes", commas']
    write_table(Table({"name": names, "n": np.arange(7) - 3.5}), tmp_path / f"t{suffix}")
    assert read_table(tmp_path / f"t{suffix}")["name"].tolist() == names
    if suffix == ".csv":
        lines = (tmp_path / "t.csv").read_text().splitlines()[1:]
        assert not [line for line in lines if line.lstrip('"').startswith(("=", "+", "-", "@"))]
        assert lines[0].endswith(",-3.5")


def test_the_limits_are_said(capsys):
    assert main(["formats"]) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith(
        "Limits: regular files of at most 1024 MB, unpacked, text of 128 MB; 1000 columns (FITS: 999),"
    )


# Indices


def test_an_index_that_was_found_stays_in_its_folder_and_one_that_was_named_need_not(tmp_path):
    (tmp_path / "spectra").mkdir()
    line = "wavelength,flux\n" + "".join(f"{x},1\n" for x in range(4000, 5000, 2))
    for path in ("outside.csv", "spectra/inside.csv"):
        (tmp_path / path).write_text(line)
    index = tmp_path / "spectra" / "index.csv"
    index.write_text(f"file,label\ninside.csv,\n../outside.csv,\n{tmp_path}/outside.csv,\n/dev/zero,\n")
    found = list(read_spectra(tmp_path / "spectra"))
    reasons = [each.reason for each in found if isinstance(each, Rejected)]
    # Two rows for one file are one.
    assert len(reasons) == 2 and len(found) == 3
    assert all(
        "file must lie in the folder of its index, unless the index itself is named" in r for r in reasons[:2]
    )
    named = list(read_entries(read_index(index)).values())
    assert not [entry for entry in named if "must lie" in entry.problem]


@pytest.mark.parametrize(
    "content",
    [
        b"file\xff\xfe\n",
        b"a,b\nc\n",
        b"",
        b"file,file\na,b\n",
        b"z,column 0,column 1,file\n0,1,2,a\n",
        b"f" + b",x" * 1500 + b"\n",
        b'file\n"a\nb,\n',
    ],
)
def test_an_index_of_any_bytes_is_read_or_refused(tmp_path, content):
    (tmp_path / "index.csv").write_bytes(content)
    try:
        read_entries(read_index(tmp_path / "index.csv"))
    except AgnError as error:
        assert "\n" not in str(error)
