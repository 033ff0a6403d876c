"""Lists of objects: every format to one table, every source served from localhost, every bad row said."""

import gzip
import io
import itertools
import json
import math
import os
import shutil
import sqlite3
import sys
import urllib.parse

import numpy as np
import pytest
from astropy.io.votable import from_table
from astropy.table import Table

from agn_helpers.archive import (
    fetch_spectra,
    list_urls,
    paper_catalogue,
    read_catalogue,
    resolve_positions,
    skyserver_catalogue,
    vizier_catalogue,
)
from agn_helpers.archive.cache import read_request
from agn_helpers.archive.catalogue import COLUMNS, combine_catalogues, limit_catalogue, make_catalogue
from agn_helpers.archive.http import Limits
from agn_helpers.archive.layout import ARCHIVE
from agn_helpers.archive.manifest import Manifest
from agn_helpers.archive.queries import KAUFFMANN_2003, KEWLEY_2001, SEYFERT_LINER, write_query
from agn_helpers.archive.sparcl import fetch_from_sparcl
from agn_helpers.cli import app as cli
from agn_helpers.errors import AgnError
from agn_helpers.reduction import read_sample
from agn_helpers.spectra import Rejected, read_spectrum, write_spec_lite
from agn_helpers.survey import open_survey, simulate_survey

from ..archive_server import ArchiveServer
from ..conftest import ROOT

LIMITS = Limits(read_timeout=2, attempts=2, first_wait=0.01)
ROWS = [(266, 51630, 158, 0.05, "Sy2"), (3655, 55240, 104, 0.3, "Sy1")]
NAMES = ("plate", "mjd", "fiberid", "z", "type")


@pytest.fixture
def server(tmp_path):
    with ArchiveServer(tmp_path / "served").running() as server:
        yield server


def as_votable(table):
    buffer = io.BytesIO()
    from_table(table).to_xml(buffer)
    return buffer.getvalue()


# Files


def write_list(path):
    table = Table(rows=ROWS, names=NAMES)
    if path.suffix == ".vot":
        path.write_bytes(as_votable(table))
    elif path.suffix == ".txt":
        table.write(path, format="ascii.commented_header")
    else:
        formats = {".csv": "ascii.csv", ".ecsv": "ascii.ecsv", ".tsv": "ascii.tab"}
        table.write(path, format=formats.get(path.suffix, path.suffix[1:]))
    return path


@pytest.mark.parametrize("suffix", ["csv", "ecsv", "fits", "parquet", "vot", "txt", "tsv"])
def test_every_format_says_the_same(tmp_path, suffix):
    path = write_list(tmp_path / f"list.{suffix}")
    for name in (path, shutil.copy(path, tmp_path / "list")):
        catalogue, problems = read_catalogue(name)
        assert len(problems) == 0
        assert catalogue.colnames == list(COLUMNS)
        assert list(catalogue["name"]) == ["spec-0266-51630-0158", "spec-3655-55240-0104"]
        assert list(catalogue["label"]) == ["type 2", "type 1"]
        np.testing.assert_array_equal(catalogue["redshift"], [0.05, 0.3])
        assert list(catalogue["source"]) == [os.path.basename(name)] * 2
        assert np.all(np.isnan(catalogue["ra"]))


@pytest.mark.parametrize(
    "text",
    [
        "266,51630,158\n3655,55240,104\n",
        "266 51630 158\n3655 55240 104\n",
        "# made by hand\nPLATE;MJD;FIBER\n266;51630;158\n3655;55240;104\n",
        "name\nspec-0266-51630-0158\nspec-3655-55240-0104\n",
        "file,label\n0266/spec-0266-51630-0158.fits,\nspSpec-55240-3655-104.fit,\n",
        "spec\n0266-51630-158\n3655-55240-104\n",
        "spec-0266-51630-0158\nspec-3655-55240-0104\n",
        '7 spec-0266-51630-0158 "a b"\n8 spec-3655-55240-0104 c\n',
        '# id file\n7 sp-51630-0266-158 "  G..."\n8 sp-55240-3655-104 G\n',
        '# id what plate mjd fiberid\n7 " G" 266 51630 158\n8 sp-1 3655 55240 104\n',
    ],
)
def test_lists_need_few_words(tmp_path, text):
    (tmp_path / "list").write_text(text)
    catalogue, problems = read_catalogue(tmp_path / "list", label="Seyfert 2")
    assert len(problems) == 0
    assert list(catalogue["name"]) == ["spec-0266-51630-0158", "spec-3655-55240-0104"]
    assert set(catalogue["label"]) == {"type 2"}


def test_columns_may_be_named(tmp_path):
    table = Table({"p": [266], "m": [51630], "f": [1], "zem": [0.2]})
    columns = {"plate": "p", "mjd": "m", "fiberid": "f", "redshift": "zem"}
    catalogue, _ = make_catalogue(table, source="x", columns=columns)
    assert (catalogue["name"][0], catalogue["redshift"][0]) == ("spec-0266-51630-0001", 0.2)
    with pytest.raises(AgnError, match="must have the column q"):
        make_catalogue(table, source="x", columns={"plate": "q"})


def test_positions_in_degrees_and_in_hours_are_the_same():
    degrees = Table({"RA": [187.27792, 10.0], "Dec": [2.05239, -10.0]})
    hours = Table({"RAJ2000": ["12 29 06.701", "00 40 00"], "DEJ2000": ["+02 03 08.60", "-10 00 00"]})
    found = [make_catalogue(table, source="x")[0] for table in (degrees, hours)]
    for key in ("ra", "dec"):
        np.testing.assert_allclose(found[0][key], found[1][key], atol=1e-5)
    assert set(found[0]["name"]) == {""}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no row"),
        (b"plate,mjd,fiberid\n", "no row"),
        (b"a,b\n1,2\n", "must have columns plate, mjd and fiberid, or ra and dec; it has a, b"),
        (b"<html><body>Sorry</body></html>", "web page"),
        (b"SIMPLE  = nonsense", "is truncated in the header of HDU 0"),
        (b"\x89PNG\x00\x01", "cannot be read as one"),
        (b"1,2\n3,4\n", "needs at least plate, MJD and fibre"),
    ],
)
def test_what_is_no_list_is_an_error(tmp_path, content, words):
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(AgnError, match=words) as error:
        read_catalogue(tmp_path / "list.csv")
    assert "list.csv" in str(error.value) and "\n" not in str(error.value)


def test_absent_lists_and_wrong_labels_are_errors(tmp_path):
    with pytest.raises(AgnError, match="No such file"):
        read_catalogue(tmp_path / "absent.csv")
    with pytest.raises(AgnError, match="label must be one of"):
        read_catalogue(write_list(tmp_path / "list.csv"), label="quasar")


BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;&a;">]>"""
FILE = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>"""


@pytest.mark.parametrize("start", [BOMB, FILE, b'<!doctype x SYSTEM "http://127.0.0.1/x.dtd">'])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_votables_have_no_entities(tmp_path, start, encoding):
    table = as_votable(Table(rows=ROWS, names=NAMES)).decode().split("?>", 1)[1]
    (tmp_path / "list.vot").write_bytes((start.decode() + table).encode(encoding))
    with pytest.raises(AgnError, match="must be a VOTable that holds its data and no entities"):
        read_catalogue(tmp_path / "list.vot")


def test_packed_votables_are_not_unpacked(tmp_path):
    """An archive whose comment looks like a VOTable would get past every check of its text."""
    packed = gzip.compress(BOMB + as_votable(Table(rows=ROWS, names=NAMES)).split(b"?>", 1)[1])
    flags = bytes([packed[3] | 8])
    (tmp_path / "list.vot").write_bytes(packed[:3] + flags + packed[4:10] + b"<votable\0" + packed[10:])
    with pytest.raises(AgnError, match="cannot be read as one"):
        read_catalogue(tmp_path / "list.vot")


def test_votables_hold_their_data(tmp_path, server):
    """A stream that lies elsewhere is neither fetched nor read from disk."""
    buffer = io.BytesIO()
    tree = from_table(Table(rows=ROWS, names=NAMES))
    tree.to_xml(buffer, tabledata_format="binary2")
    for place in (f"{server.url}/data", "file:///etc/passwd"):
        content = buffer.getvalue().replace(b"<STREAM", f'<STREAM href="{place}"'.encode())
        (tmp_path / "list.vot").write_bytes(content)
        with pytest.raises(AgnError, match="holds its data"):
            read_catalogue(tmp_path / "list.vot")
    assert not server.requests


# Rows


def test_bad_rows_are_said_and_the_others_kept():
    table = Table(
        rows=[
            (266, 51630, 158.0),
            (-5, 51630, 1),
            (266, 51630, 1.5),
            (266, 51630, np.nan),
            (266, 5163, 1),
            (267, 51608, 300),
        ],
        names=("plate", "mjd", "fiberid"),
    )
    catalogue, problems = make_catalogue(table, source="mine")
    assert list(catalogue["name"]) == ["spec-0266-51630-0158", "spec-0267-51608-0300"]
    assert [row["reason"].split(" must")[0] for row in problems] == [f"row {n} of mine" for n in (2, 3, 4, 5)]
    assert set(problems["kind"]) == {"unusable"}


def test_masked_cells_are_no_values():
    table = Table(rows=[(266, 51630, 158, 0.05), (266, 51630, 159, 0.05)], names=NAMES[:4], masked=True)
    table["z"].mask[1] = True
    table["plate"].mask[1] = True
    catalogue, problems = make_catalogue(table, source="x")
    assert len(catalogue) == len(problems) == 1


def test_duplicates_and_conflicts_are_reported():
    rows = [
        (266, 51630, 158, "Sy2"),
        (266, 51630, 158, "Sy2"),
        (267, 51608, 300, "Sy1"),
        (267, 51608, 300, "2"),
    ]
    table = Table(rows=rows, names=("plate", "mjd", "fiberid", "label"))
    catalogue, problems = make_catalogue(table, source="mine")
    assert list(catalogue["label"]) == ["type 2", ""]
    assert list(problems["kind"]) == ["duplicate", "conflict"]
    assert (
        "spec-0267-51608-0300 is type 1 in mine and type 2 in mine; it gets no label." in problems["reason"]
    )


def test_catalogues_complete_each_other():
    numbers = {"plate": [266], "mjd": [51630], "fiberid": [158]}
    one, _ = make_catalogue(Table(numbers | {"z": [0.05]}), source="a")
    other, _ = make_catalogue(Table(numbers | {"ra": [10.0], "dec": [1.0]}), source="b", label="type 2")
    for catalogues in ([one, other], [other, one]):
        (row,), problems = combine_catalogues(catalogues)
        assert (row["redshift"], row["ra"], row["label"]) == (0.05, 10.0, "type 2")
        assert len(problems) == 1


def test_unknown_types_and_reductions_are_ignored_with_a_word():
    table = Table(
        rows=[(*ROWS[0][:3], "star", "../.."), (*ROWS[1][:3], "Sy1", "26")],
        names=[*NAMES[:3], "type", "run2d"],
    )
    catalogue, problems = make_catalogue(table, source="mine")
    assert list(catalogue["label"]) == ["", "type 1"]
    assert list(catalogue["run2d"]) == ["", "26"]
    assert [words in reason for words, reason in zip(("'star'", "'../..'"), problems["reason"])] == [
        True,
        True,
    ]


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "a\0b", "x" * 10_000, "spec-", "DESI-DR1-../1", "DESI-DR1-01"]
)
def test_names_are_made_of_numbers_only(name):
    table = Table({"name": [name, name], "plate": [266, 0], "mjd": [51630, 0], "fiberid": [1, 0]})
    catalogue, problems = make_catalogue(table, source="x")
    assert list(catalogue["name"]) == ["spec-0266-51630-0001"]
    assert len(problems) == 1


def test_limit_is_for_each_type():
    labels = ["type 1"] * 5 + ["type 2"] * 2
    table = Table({"plate": range(1, 8), "mjd": [51630] * 7, "fiberid": [1] * 7, "label": labels})
    catalogue = limit_catalogue(make_catalogue(table, source="x")[0], 3)
    assert list(catalogue["plate"]) == [1, 2, 3, 6, 7]


# The paper's lists


def write_paper_lists(shared, server):
    """Serve the lists as the paper's code repository has them: no header; quoted text and a "#" header."""
    type2 = (shared / "catalogues/seyfert2.csv").read_text().split("\n", 1)[1]
    table = Table.read(shared / "catalogues/intermediate.csv")
    lines = ["# specobjid nomefile_1 objTypeName plate mjd fiberid ra dec z_1 run u"]
    for row in table:
        file = f"sp-{row['mjd']}-{row['plate']:04d}-{row['fiberid']:03d}"
        position = f"{row['ra']} {row['dec']} {row['redshift']}"
        lines.append(
            f'  750 {file} "             G..." {row["plate"]} {row["mjd"]} {row["fiberid"]} {position} 1 19.5'
        )
    server.answers["/lists/sey2_dr7.csv"] = type2.encode()
    server.answers["/lists/int_data_flx.txt"] = "\n".join(lines).encode()
    return table


def test_the_papers_sample_is_found_without_type_1(shared, server, tmp_path):
    table = write_paper_lists(shared, server)
    addresses = {"base_url": f"{server.url}/lists", "vizier_url": server.url}
    for _ in range(2):
        catalogue, problems = paper_catalogue(tmp_path / "lists", limits=LIMITS, **addresses)
    labels = list(catalogue["label"])
    assert (labels.count("type 2"), labels.count("intermediate"), len(labels)) == (2153, 521, 2674)
    assert len(set(catalogue["name"])) == 2674
    intermediate = catalogue[catalogue["label"] == "intermediate"]
    for key in ("plate", "mjd", "fiberid", "ra", "dec", "redshift"):
        np.testing.assert_array_equal(intermediate[key], table[key])
    ((_, source, kind, reason),) = problems.iterrows()
    assert (source, kind) == ("J/A+A/555/A89", "absent")
    assert reason.count("could not be had from VizieR") == 1
    assert "agn fetch vizier:J/ApJS/243/21" in reason and "\n" not in reason
    # What could be had is asked for once.
    assert server.counts()["/lists/sey2_dr7.csv"] == 1


def test_kept_lists_have_checksum_and_date_and_are_not_trusted_blindly(shared, server, tmp_path):
    write_paper_lists(shared, server)
    addresses = {"base_url": f"{server.url}/lists", "vizier_url": server.url}
    paper_catalogue(tmp_path, limits=LIMITS, **addresses)
    (kept,) = tmp_path.glob("sey2-dr7.csv-*[!n]")
    notes = json.loads(kept.with_name(kept.name + ".json").read_text())
    assert notes["url"] == f"{server.url}/lists/sey2_dr7.csv"
    assert notes["date"].startswith("20") and len(notes["sha256"]) == 64
    kept.write_text("1,51630,1\n")
    catalogue, _ = paper_catalogue(tmp_path, limits=LIMITS, **addresses)
    assert len(catalogue) == 2674
    paper_catalogue(tmp_path, limits=LIMITS, fresh=True, **addresses)
    assert server.counts()["/lists/sey2_dr7.csv"] == 3


def test_paper_with_type_1(shared, server, tmp_path):
    write_paper_lists(shared, server)
    quasars = Table({"SDSS": ["0266-51602-0107"], "Plate": [266], "MJD": [51602], "Fiber": [107], "z": [0.5]})
    server.answers["/viz-bin/votable"] = as_votable(quasars)
    addresses = {"base_url": f"{server.url}/lists", "vizier_url": server.url}
    catalogue, problems = paper_catalogue(tmp_path, limits=LIMITS, **addresses)
    assert len(problems) == 0
    (row,) = catalogue[catalogue["label"] == "type 1"]
    assert (row["name"], row["source"]) == ("spec-0266-51602-0107", "VizieR J/A+A/555/A89")


# VizieR


def test_vizier_is_asked_for_all_rows_and_columns(server, tmp_path):
    asked = []
    table = as_votable(Table({"_RAJ2000": [187.27792], "_DEJ2000": [2.05239], "z": [0.158]}))
    server.answers["/viz-bin/votable"] = lambda form: asked.append(form) or table
    catalogue, _ = vizier_catalogue("J/ApJS/243/21", tmp_path, base_url=server.url, limits=LIMITS)
    assert list(catalogue["label"]) == ["type 1"]
    assert "-source=J/ApJS/243/21" in asked[0]
    assert "-out.max=unlimited" in asked[0]
    assert "-out.all" in asked[0]


@pytest.mark.parametrize(
    ("identifier", "instead"),
    [
        ("J/A+A/555/A89", "J/ApJS/243/21"),
        ("J/MNRAS/427/1266/table1", "agn fetch paper"),
        ("J/X/1/2", "https://vizier.cds.unistra.fr"),
    ],
)
@pytest.mark.parametrize("answer", [None, "empty", b"<html>down</html>"])
def test_vizier_names_the_alternative(server, tmp_path, identifier, instead, answer):
    empty = as_votable(Table(names=["z"], dtype=[float]))
    if answer is not None:
        server.answers["/viz-bin/votable"] = empty if answer == "empty" else answer
    with pytest.raises(AgnError, match="could not be had from VizieR") as error:
        vizier_catalogue(identifier, tmp_path, base_url=server.url, limits=LIMITS)
    assert str(error.value).endswith(f"{instead}.") or instead in str(error.value).split("instead: ")[1]
    # A bad day of the server is not kept.
    assert not list(tmp_path.glob("J-*"))


def test_vizier_answers_have_no_entities(server, tmp_path):
    server.answers["/viz-bin/votable"] = FILE + b"<VOTABLE/>"
    with pytest.raises(AgnError, match="no entities"):
        vizier_catalogue("J/ApJS/243/21", tmp_path, base_url=server.url, limits=LIMITS)


def test_odd_identifiers_are_refused(tmp_path):
    with pytest.raises(AgnError, match="must be named like"):
        vizier_catalogue("../x y", tmp_path)


# SkyServer


def as_csv(rows):
    lines = ["#Table1", "plate,mjd,fiberid,run2d,ra,dec,redshift", *(",".join(map(str, row)) for row in rows)]
    return "\n".join(lines).encode()


def test_ready_queries_share_a_range_of_redshift(server, tmp_path):
    asked = []

    def answer(form):
        asked.append(urllib.parse.parse_qs(form)["cmd"][0])
        number = len(asked)
        return as_csv([(266, 51630, number, 26, 10.0, 1.0, 0.05)])

    server.answers["/dr17/en/tools/search/x_results.aspx"] = answer
    found = [
        skyserver_catalogue(
            name, tmp_path, base_url=server.url, limits=LIMITS, redshift=(0.02, 0.1), limit=50
        )[0]
        for name in ("type1", "type2")
    ]
    assert [list(catalogue["label"]) for catalogue in found] == [["type 1"], ["type 2"]]
    assert found[0]["run2d"][0] == "26"
    for sql in asked:
        assert "s.z BETWEEN 0.02 AND 0.1" in sql
        assert "TOP 50" in sql


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"#Table1\nplate,mjd,fiberid\n", "found no object in DR17"),
        (b"<html><h3>Error</h3> Invalid column</html>", "refused by SkyServer: Error Invalid column"),
        (b'[{"error_message": "Incorrect syntax"}]', "Incorrect syntax"),
        (b"Maximum 60 queries allowed per minute.", "refused by SkyServer: Maximum 60 queries"),
        (b"", "refused by SkyServer: no answer"),
    ],
)
def test_refused_queries_are_errors(server, tmp_path, answer, words):
    server.answers["/dr17/en/tools/search/x_results.aspx"] = answer
    with pytest.raises(AgnError, match=words):
        skyserver_catalogue("SELECT plate FROM nowhere", tmp_path, base_url=server.url, limits=LIMITS)
    assert any(tmp_path.glob("SkyServer-*")) == ("found no object" in words)


@pytest.mark.parametrize(
    ("release", "page"),
    [(9, "x_sql.asp"), (10, "x_sql.aspx"), (11, "x_results.aspx"), (18, "x_results.aspx")],
)
def test_every_release_has_its_page_of_queries(server, tmp_path, release, page):
    server.answers[f"/dr{release}/en/tools/search/{page}"] = as_csv([(266, 51630, 1, 26, 10.0, 1.0, 0.05)])
    options = {"base_url": server.url, "limits": LIMITS, "release": release}
    assert len(skyserver_catalogue("type1", tmp_path, **options)[0]) == 1


@pytest.mark.parametrize("options", [{"redshift": (0.3, 0.1)}, {"redshift": (-1, 1)}])
def test_impossible_ranges_are_errors(options):
    with pytest.raises(AgnError, match="redshift must be"):
        write_query("type1", **options)
    with pytest.raises(AgnError, match="must be one of type1"):
        write_query("type3")


def classify_by_hand(nii, oiii):
    """Class in the diagram of Baldwin, Phillips & Terlevich (1981), by the published curves."""

    def above(curve):
        slope, offset, constant = curve
        return nii >= offset or oiii > slope / (nii - offset) + constant

    if above(KEWLEY_2001):
        slope, constant = SEYFERT_LINER
        return "type2" if oiii > slope * nii + constant else "LINER"
    return "composite" if above(KAUFFMANN_2003) else "starforming"


def test_queries_classify_as_the_published_curves(tmp_path):
    """In a database of lines all over the diagram, with undetected and negative ones among them."""
    base = sqlite3.connect(":memory:")
    base.create_function("LOG10", 1, math.log10)
    base.execute(
        "CREATE TABLE SpecObj (specObjID, plate, mjd, fiberID, run2d, ra, dec, z, zWarning, snMedian, class, "
        "subClass)"
    )
    lines = ("h_beta", "oiii_5007", "h_alpha", "nii_6584")
    columns = ", ".join(f"{line}_flux, {line}_flux_err" for line in lines)
    base.execute(f"CREATE TABLE galSpecLine (specObjID, sigma_balmer, {columns})")
    expected = {"type1": {999}, "type2": set(), "composite": set()}
    grid = itertools.product(
        np.linspace(-1.5, 0.7, 23) + 0.003, np.linspace(-1.1, 1.3, 25) + 0.002, (0.01, 1e3)
    )
    for number, (nii, oiii, error) in enumerate(grid):
        fluxes = {"h_beta": 1.0, "oiii_5007": 10**oiii, "h_alpha": 3.0, "nii_6584": 3 * 10**nii}
        values = [value for line in lines for value in (fluxes[line], error)]
        base.execute("INSERT INTO SpecObj VALUES (?,?,1,1,'26',0,0,0.05,0,20,'GALAXY','')", (number, number))
        base.execute(f"INSERT INTO galSpecLine VALUES (?,200,{','.join('?' * 8)})", (number, *values))
        found = classify_by_hand(nii, oiii)
        if error < 1 and found in expected:
            expected[found].add(number)
    others = [
        (2000, 0.05, 0, 20, "GALAXY", "", 200, -1.0),  # a negative flux
        (2001, 0.5, 0, 20, "GALAXY", "", 200, 1.0),  # too distant
        (2002, 0.05, 4, 20, "GALAXY", "", 200, 1.0),  # a warning
        (2003, 0.05, 0, 20, "GALAXY", "AGN BROADLINE", 200, 1.0),
        (2004, 0.05, 0, 20, "GALAXY", "", 900, 1.0),  # broad Balmer lines
        (2005, 0.05, 0, 2, "QSO", "BROADLINE", 200, 1.0),  # noise
        (999, 0.05, 0, 20, "QSO", "STARBURST BROADLINE", 900, 1.0),
    ]
    base.execute("DELETE FROM SpecObj WHERE specObjID = 999")
    base.execute("DELETE FROM galSpecLine WHERE specObjID = 999")
    for names in expected.values():
        names.discard(999)
    expected["type1"] = {999}
    for number, z, warning, snr, kind, subclass, sigma, flux in others:
        base.execute(
            "INSERT INTO SpecObj VALUES (?,?,1,1,'26',0,0,?,?,?,?,?)",
            (number, number, z, warning, snr, kind, subclass),
        )
        base.execute(
            "INSERT INTO galSpecLine VALUES (?,?,1,0.01,10,0.01,3,0.01,?,0.01)", (number, sigma, 3 * flux)
        )
    for name, numbers in expected.items():
        sql = write_query(name, redshift=(0.02, 0.1))
        assert {row[0] for row in base.execute(sql)} == numbers
        assert len(numbers) > (0 if name == "type1" else 30)


def test_positions_are_resolved_and_lost_ones_said(server, tmp_path):
    ra = np.linspace(10, 20, 70)
    table = Table({"ra": ra, "dec": ra / 10, "type": ["Sy1"] * 35 + ["Sy2"] * 35})
    catalogue, _ = make_catalogue(table, source="mine")
    queries = []

    def answer(form):
        sql = urllib.parse.parse_qs(form)["cmd"][0]
        values = sql.split("VALUES (")[1].split(")) AS t")[0].split("), (")
        queries.append(sql)
        rows = []
        for value in values:
            number, ra, dec = value.strip("()").split(", ")
            assert float(dec) == pytest.approx(float(ra) / 10, abs=1e-5)
            if int(number) % 10:
                rows.append((number, 266, 51630, int(number) + 1, 26, ra, dec, 0.1))
        lines = ["#Table1", "number,plate,mjd,fiberid,run2d,ra,dec,redshift"]
        return "\n".join([*lines, *(",".join(map(str, row)) for row in rows)]).encode()

    server.answers["/dr17/en/tools/search/x_results.aspx"] = answer
    resolved, problems = resolve_positions(catalogue, tmp_path, base_url=server.url, limits=LIMITS)
    assert len(queries) == 2
    assert len(resolved) == 63
    assert list(resolved["label"]) == ["type 1" if fibre <= 35 else "type 2" for fibre in resolved["fiberid"]]
    assert set(resolved["source"]) == {"mine"}
    assert len(problems) == 7
    assert "RA 10.00000, Dec 1.00000 of mine has no spectrum in DR17 within 3 arcsec" in problems["reason"][0]


def test_positions_that_are_one_spectrum_are_reported(server, tmp_path):
    table = Table({"ra": [10.0, 10.0001, 10.0], "dec": [1.0, 1.0, 1.0], "type": ["Sy1", "Sy2", "Sy1"]})
    catalogue, _ = make_catalogue(table, source="mine")
    rows = "".join(f"{number},266,51630,7,26,10,1,0.1\n" for number in range(3))
    page = "/dr17/en/tools/search/x_results.aspx"
    server.answers[page] = f"number,plate,mjd,fiberid,run2d,ra,dec,redshift\n{rows}".encode()
    resolved, problems = resolve_positions(catalogue, tmp_path, base_url=server.url, limits=LIMITS)
    assert list(resolved["label"]) == [""]
    assert sorted(problems["kind"]) == ["conflict", "duplicate"]
    for answer in (b"number,plate,mjd,fiberid\n3,266,51630,7", b"plate,mjd,fiberid\n266,51630,7"):
        server.answers[page] = answer
        with pytest.raises(AgnError, match="must answer with the numbers of the positions"):
            resolve_positions(catalogue, tmp_path, base_url=server.url, limits=LIMITS, fresh=True)


# agn fetch


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "project/notebooks").mkdir(parents=True)
    shutil.copy(ROOT / "notebooks/01_data_reduction.ipynb", tmp_path / "project/notebooks")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture(scope="module")
def archive_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive")
    lines = ["plate,mjd,fiberid,redshift,label"]
    for spectrum in simulate_survey(n_type1=20, n_intermediate=20, n_type2=20, random_state=4)[0]:
        numbers = spectrum.plate, spectrum.mjd, spectrum.fiberid
        path = folder / "served" / list_urls(*numbers)[0].removeprefix(f"{ARCHIVE}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_spec_lite(spectrum, path)
        lines.append(",".join(map(str, (*numbers, spectrum.redshift, spectrum.label))))
    lines.append("99001,60000,639,0.1,type 2")
    (folder / "list.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture
def archive(archive_folder, server):
    """Sixty spectra of the simulated survey in the archive's layout, and a list of them and one more."""
    server.folder = archive_folder / "served"
    return archive_folder / "list.csv"


def test_fetch_says_what_it_did_and_what_comes_next(project, archive, server, capsys):
    command = ["fetch", str(archive), "--mirror", server.url]
    assert cli.main([*command, "--limit", "5"]) == 0
    said = capsys.readouterr()
    objects, there, following = said.out.splitlines()
    assert objects.endswith("list.csv: 15 objects: 5 intermediate, 5 type 1, 5 type 2.")
    assert there.startswith("15 spectra in ") and ": 15 fetched now (2.1 MB), 0 were there." in there
    assert following == "Next: agn reproduce --survey sdss"
    assert said.err == ""
    assert cli.main(command) == 3
    said = capsys.readouterr()
    assert ": 45 fetched now (6.2 MB), 15 were there." in said.out
    error, summary = said.err.splitlines()
    assert error == "error: spec-99001-60000-0639: no archive of DR17 has it (404); look at its numbers."
    assert summary.startswith("1 missing; the reasons are in ")
    assert cli.main(["check"]) == 0
    # A place of one's own is named in the next command.
    assert cli.main([*command, "--limit", "1", "--cache", "mine"]) == 0
    assert "Next: agn reproduce --survey mine" in capsys.readouterr().out


def test_objects_without_a_type_are_pointed_out(project, server, capsys):
    (project / "list.csv").write_text("266,51630,158\n")
    cli.main(["fetch", "list.csv", "--mirror", server.url])
    said = capsys.readouterr()
    assert said.out.startswith("list.csv: 1 object: 1 without a type.")
    assert said.err.startswith("list: 1 object without a type will teach nothing; give it with --label.")


def test_reproduce_without_fetched_spectra_names_the_command(project, capsys):
    assert cli.main(["reproduce", "--survey", "sdss"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: survey 'sdss' needs spectra in ")
    assert line.endswith("fetch them: agn fetch paper.")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "Missing argument"),
        (["absent.csv"], 1, "there is no file 'absent.csv'"),
        (["sql:type9"], 1, "must be one of type1"),
        (["vizier:no such"], 1, "must be named like"),
        (["list.csv", "--redshift", "0", "1"], 1, "--redshift is for queries"),
        (["list.csv", "--mirror", "ftp://x"], 1, "must be http or https"),
        (["list.csv", "--list-mirror", "ftp://x"], 1, "must be http or https"),
        (["list.csv", "--release", "3"], 1, "release must be one of"),
        (["list.csv", "--workers", "0"], 2, "workers"),
        (["list.csv", "--label", "quasar"], 1, "label must be one of"),
    ],
)
def test_wrong_command_lines(project, capsys, arguments, code, words):
    write_list(project / "list.csv")
    assert cli.main(["fetch", *arguments]) == code
    assert words in capsys.readouterr().err
    assert not list(project.rglob("*.fits"))


def test_fetch_of_nothing_that_exists_is_an_error(project, server, capsys):
    write_list(project / "list.csv")
    assert cli.main(["fetch", "list.csv", "--mirror", server.url]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "error: no spectrum could be had; the reasons are above."
    assert cli.main(["reproduce", "--survey", "sdss"]) == 1
    assert "it has no row" in capsys.readouterr().err


def test_fetch_paper_names_what_is_absent(project, shared, server, capsys):
    write_paper_lists(shared, server)
    for name in ("sey2_dr7.csv", "int_data_flx.txt"):
        server.answers[f"/{name}"] = server.answers[f"/lists/{name}"]
    (project / "archive").mkdir()
    command = ["fetch", "paper", "--limit", "2", "--list-mirror", server.url, "--mirror", server.url]
    assert cli.main(command) == 1
    said = capsys.readouterr()
    assert said.out.startswith("paper: 4 objects: 2 intermediate, 2 type 2.")
    (line,) = (line for line in said.err.splitlines() if line.startswith("list: "))
    assert "J/A+A/555/A89 could not be had" in line and "agn fetch vizier:J/ApJS/243/21" in line
    assert len(read_request(project / "data/sdss/spectra")) == 4


@pytest.mark.notebooks
def test_from_fetch_to_the_reduced_sample(project, archive, server):
    assert cli.main(["fetch", str(archive), "--mirror", server.url]) == 3
    assert cli.main(["reproduce", "--survey", "sdss", "--only", "01"]) == 0
    sample = read_sample(project / "data/sdss/sample.fits")
    assert len(sample) == 60
    assert [list(sample["label"]).count(name) for name in ("type 1", "intermediate", "type 2")] == [20] * 3
    # Spectra of the simulated survey stay synthetic, wherever they were fetched from.
    assert sample.meta["survey"] == "synthetic"
    (row,) = Table.read(project / "data/sdss/rejected.ecsv")
    assert (row["name"], "404" in row["reason"]) == ("spec-99001-60000-0639", True)
    page = (project / "data/sdss/notebooks/01_data_reduction.html").read_text()
    assert "not found" in page and "60 spectra were read, 1 could not be." in page


# SPARCL


class Sparcl:
    """Stands in for its client: some records, calls that fail, batches that are too long."""

    def __init__(self, records, failures=0, longest=10**6):
        self.records, self.failures, self.longest, self.calls = records, failures, longest, []

    def retrieve_by_specid(self, *, specid_list, include, dataset_list, limit):
        assert set(include) >= {"specid", "wavelength", "flux", "ivar", "redshift"}
        assert limit >= len(specid_list) and all(isinstance(specid, int) for specid in specid_list)
        self.calls.append(len(specid_list))
        if len(specid_list) > self.longest or len(self.calls) <= self.failures:
            raise TimeoutError("the server took too long")
        found = [self.records[specid] for specid in specid_list if specid in self.records]
        return type("Retrieved", (), {"records": found})


def make_records(specids):
    wavelength = np.linspace(3600, 9824, 778)
    return {
        specid: {
            "specid": specid,
            "redshift": 0.1,
            "wavelength": wavelength,
            "flux": np.sin(wavelength) + specid % 7,
            "ivar": np.ones(778),
        }
        for specid in specids
    }


def test_desi_spectra_come_through_sparcl(tmp_path):
    specids = [39627835576420141, 39628473198710603, -5]
    table = Table({"targetid": specids, "dataset": ["DESI-DR1"] * 3, "type": ["Sy1"] * 3})
    catalogue, _ = make_catalogue(table, source="x")
    client = Sparcl(make_records(specids[:2]))
    for outcome in ("verified", "kept"):
        report = fetch_spectra(catalogue, tmp_path, client=client, progress=False)
        assert report.counts == {outcome: 2, "not found": 1}
    found = list(open_survey(tmp_path))
    assert [item.name for item in found] == [f"DESI-DR1-{specid}" for specid in specids]
    assert isinstance(found[2], Rejected)
    assert (found[0].label, found[0].meta["survey"]) == ("type 1", "DESI-DR1")
    assert found[0].redshift == pytest.approx(0.1)
    record = client.records[specids[0]]
    np.testing.assert_allclose(found[0].flux, record["flux"], rtol=1e-5)
    np.testing.assert_allclose(found[0].wavelength, record["wavelength"], rtol=1e-6)


def test_sparcl_is_asked_in_batches_again_and_in_smaller_ones(tmp_path):
    specids = list(range(1, 51))
    names = [f"DESI-EDR-{specid}" for specid in specids]
    client = Sparcl(make_records(specids), failures=1, longest=10)
    (tmp_path / "records").mkdir()
    with Manifest(tmp_path / "records/m") as manifest:
        options = {"client": client, "batch": 20, "attempts": 2, "first_wait": 0}
        results = list(fetch_from_sparcl(names, tmp_path, manifest, **options))
    assert [result.name for result in results] == names
    assert {result.outcome for result in results} == {"verified"}
    assert max(client.calls) == 20
    assert read_spectrum(tmp_path / results[6].entry.file).redshift == pytest.approx(0.1)


def test_sparcl_that_never_answers_is_a_reason(tmp_path):
    (tmp_path / "records").mkdir()
    with Manifest(tmp_path / "records/m") as manifest:
        options = {"client": Sparcl({}, failures=99), "attempts": 2, "first_wait": 0}
        (result,) = fetch_from_sparcl(["DESI-DR1-1"], tmp_path, manifest, **options)
    assert result.outcome == "failed"
    assert "took too long" in result.entry.reason


def test_sparcl_that_is_gone_is_left_alone(tmp_path):
    client = Sparcl({}, failures=10**6)
    (tmp_path / "records").mkdir()
    with (
        Manifest(tmp_path / "records/m") as manifest,
        pytest.raises(AgnError, match="3 times in a row"),
    ):
        options = {"client": client, "attempts": 1}
        list(
            fetch_from_sparcl([f"DESI-DR1-{number}" for number in range(1000)], tmp_path, manifest, **options)
        )
    assert len(client.calls) < 30


def test_sparcl_client_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sparcl.client", None)
    (tmp_path / "records").mkdir()
    with Manifest(tmp_path / "records/m") as manifest, pytest.raises(AgnError, match=r"agn-helpers\[desi\]"):
        list(fetch_from_sparcl(["DESI-DR1-1"], tmp_path, manifest))
