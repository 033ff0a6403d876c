"""Fetching spectra from a server on localhost that does everything wrong that servers do."""

import contextlib
import dataclasses
import io
import json
import multiprocessing
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from tqdm import tqdm

from agn_helpers.archive import check_cache, fetch_spectra, list_urls, summarise_request
from agn_helpers.archive import fetch as fetching
from agn_helpers.archive import layout as archive_urls
from agn_helpers.archive.cache import read_request
from agn_helpers.archive.catalogue import make_catalogue
from agn_helpers.archive.http import (
    AddressError,
    Failure,
    Limits,
    Transfer,
    TransferError,
    check_base,
    follow_redirect,
    is_private,
)
from agn_helpers.archive.layout import ARCHIVE, DR7_ARCHIVE
from agn_helpers.archive.manifest import Entry, Manifest
from agn_helpers.archive.verify import verify_spectrum
from agn_helpers.cli import app as cli
from agn_helpers.errors import AgnError, SpectrumError
from agn_helpers.locks import claim_file
from agn_helpers.spectra import ObservedSpectrum, Rejected, read_spectrum, write_spec_lite
from agn_helpers.survey import open_survey

from ..archive_server import ArchiveServer
from ..disks import small_disk

# Everything that takes seconds in life takes fractions of them here.
LIMITS = Limits(
    connect_timeout=5, read_timeout=1, total_time=5, lowest_rate=20_000, attempts=5, first_wait=0.02
)
N_OBJECTS, N_MANY = 12, 60
TYPES = ("type 1", "intermediate", "type 2")


def make_spectrum(plate, mjd, fiberid, n_pixels=300):
    rng = np.random.default_rng(fiberid)
    return ObservedSpectrum(
        10 ** (3.6 + 1e-4 * np.arange(n_pixels)),
        rng.normal(1, 0.1, n_pixels),
        np.full(n_pixels, 100.0),
        redshift=0.05 + fiberid / 1e4,
        plate=plate,
        mjd=mjd,
        fiberid=fiberid,
    )


def place(tree, plate, mjd, fiberid, choice=0, **options):
    """Write a spectrum where the archives have it and return its path there."""
    path = path_of(plate, mjd, fiberid, choice, **options)
    (tree / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
    write_spec_lite(make_spectrum(plate, mjd, fiberid), tree / path.lstrip("/"))
    return path


def path_of(plate, mjd, fiberid, choice=0, **options):
    url = list_urls(plate, mjd, fiberid, **options)[choice]
    return url.removeprefix(ARCHIVE).removeprefix(DR7_ARCHIVE)


def list_objects(number, plate=266):
    rows = [
        (plate + row // 6, 51630, row + 1, 0.05 + (row + 1) / 1e4, TYPES[row % 3]) for row in range(number)
    ]
    table = Table(rows=rows, names=("plate", "mjd", "fiberid", "redshift", "label"))
    return make_catalogue(table, source="test")[0]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Twelve spectra on two plates in the archive's layout."""
    folder = tmp_path_factory.mktemp("archive")
    for row in list_objects(N_OBJECTS):
        place(folder, row["plate"], row["mjd"], row["fiberid"])
    return folder


@pytest.fixture(scope="module")
def larger_tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("larger")
    for row in list_objects(N_MANY):
        place(folder, row["plate"], row["mjd"], row["fiberid"])
    return folder


@pytest.fixture
def server(tree):
    with ArchiveServer(tree).running() as server:
        yield server


@pytest.fixture
def catalogue():
    return list_objects(N_OBJECTS)


def fetch(catalogue, cache, server, **options):
    options = {"limits": LIMITS, "progress": False, "workers": 4, "mirror": server.url} | options
    return fetch_spectra(catalogue, cache, **options)


def assert_whole(cache, tree, paths):
    """Exactly these files of the archive are in the cache, byte by byte, and nothing unfinished is."""
    found = {path.name: path for path in cache.glob("*/*") if path.parent.name != "records"}
    assert set(found) == {path.rsplit("/", 1)[1] for path in paths}
    for path in paths:
        assert found[path.rsplit("/", 1)[1]].read_bytes() == (tree / path.lstrip("/")).read_bytes()


def paths_of(catalogue):
    return [path_of(row["plate"], row["mjd"], row["fiberid"]) for row in catalogue]


# Where the archives keep what


@pytest.mark.parametrize(
    ("numbers", "options", "first"),
    [
        ((266, 51630, 158), {}, "dr17/sdss/spectro/redux/26/spectra/lite/0266/spec-0266-51630-0158.fits"),
        (
            (266, 51630, 158),
            {"release": 18},
            "dr18/spectro/sdss/redux/26/spectra/lite/0266/spec-0266-51630-0158.fits",
        ),
        (
            (3655, 55240, 104),
            {"release": 16},
            "dr16/eboss/spectro/redux/v5_13_0/spectra/lite/3655/spec-3655-55240-0104.fits",
        ),
        (
            (10247, 58162, 218),
            {"run2d": "v5_13_2"},
            "dr17/eboss/spectro/redux/v5_13_2/spectra/lite/10247/spec-10247-58162-0218.fits",
        ),
        (
            (3655, 55240, 104),
            {"release": 12},
            "dr12/boss/spectro/redux/v5_7_0/spectra/lite/3655/spec-3655-55240-0104.fits",
        ),
        (
            (1307, 52999, 323),
            {"run2d": 26, "release": 8},
            "dr8/sdss/spectro/redux/26/spectra/1307/spec-1307-52999-0323.fits",
        ),
    ],
)
def test_addresses_follow_the_layout_of_the_release(numbers, options, first):
    options = {key: str(value) if key == "run2d" else value for key, value in options.items()}
    assert list_urls(*numbers, **options)[0] == f"https://data.sdss.org/sas/{first}"


def test_dr7_is_the_last_resort_of_old_plates_only():
    last = "http://das.sdss.org/raw/spectro/1d_26/0266/1d/spSpec-51630-0266-158.fit"
    assert list_urls(266, 51630, 158)[-1] == last
    assert list_urls(266, 51630, 158, release=7) == [last]
    assert not any("das.sdss.org" in url for url in list_urls(3655, 55240, 104))
    assert all(url.startswith("http://here/") for url in list_urls(266, 51630, 158, mirror="http://here"))


@pytest.mark.parametrize("options", [{"release": 6}, {"release": 99}, {"run2d": "../.."}, {"run2d": "a/b"}])
def test_impossible_releases_and_reductions_are_errors(options):
    with pytest.raises(AgnError, match=r"must be .*; got"):
        list_urls(266, 51630, 158, **options)


# The plain case


def test_spectra_arrive_and_are_not_fetched_again(catalogue, tree, server, tmp_path):
    report = fetch(catalogue, tmp_path, server)
    assert report.counts == {"verified": N_OBJECTS}
    assert report.size == sum((tree / path.lstrip("/")).stat().st_size for path in paths_of(catalogue))
    assert_whole(tmp_path, tree, paths_of(catalogue))
    assert server.counts() == {path: 1 for path in paths_of(catalogue)}
    assert fetch(catalogue, tmp_path, server).counts == {"kept": N_OBJECTS}
    assert len(server.requests) == N_OBJECTS


def test_the_manifest_says_what_came_from_where(catalogue, server, tmp_path):
    fetch(catalogue, tmp_path, server)
    with Manifest(tmp_path / "records/manifest.jsonl") as manifest:
        entries = {name: manifest.get(name) for name in manifest}
    assert sorted(entries) == sorted(catalogue["name"])
    for entry in entries.values():
        content = (tmp_path / entry.file).read_bytes()
        assert (entry.size, entry.outcome, entry.release) == (len(content), "verified", 17)
        assert entry.url.startswith(server.url)
        digest = subprocess.run(["sha256sum"], input=content, capture_output=True).stdout[:64].decode()
        assert entry.sha256 == digest


def test_fetched_spectra_are_a_survey(catalogue, server, tmp_path):
    wanted = list_objects(N_OBJECTS + 1)
    fetch(wanted, tmp_path / "data/sdss/spectra", server)
    found = list(open_survey("sdss", root=tmp_path))
    spectra = [item for item in found if not isinstance(item, Rejected)]
    assert {item.name: item.label for item in spectra} == dict(zip(catalogue["name"], catalogue["label"]))
    (missing,) = (item for item in found if isinstance(item, Rejected))
    assert missing.name == wanted["name"][-1]
    assert "404" in missing.reason
    counts = summarise_request(tmp_path / "data/sdss/spectra")
    assert dict(counts.loc["all"]) == {"asked": 13, "not found": 1, "verified": 12}
    assert counts.loc["type 1", "not found"] == 1
    # The folder is a survey by its own name, too.
    assert len(list(open_survey(tmp_path / "data/sdss/spectra"))) == 13


def test_no_more_connections_than_asked_for_nor_than_polite(larger_tree, tmp_path):
    with ArchiveServer(larger_tree, latency=0.02).running() as server:
        fetch(list_objects(N_MANY), tmp_path / "a", server, workers=3)
        assert server.busiest == 3
        fetch(list_objects(N_MANY), tmp_path / "b", server, workers=500)
        assert 3 < server.busiest <= 16


# What goes wrong once


@pytest.mark.parametrize(
    "faults",
    [
        ["reset"],
        ["truncated"],
        ["truncated_silently"],
        ["claims_more"],
        ["claims_less"],
        ["html"],
        [("status", 429, "0.1")],
        [("status", 500), ("status", 503), ("status", 502)],
        [("stall", 30)],
        [("silence", 30)],
        [("drip", 0.01)],
        ["reset", "html", ("status", 500), "truncated"],
    ],
    ids=str,
)
def test_a_fault_costs_time_only(catalogue, tree, server, tmp_path, faults):
    for path in paths_of(catalogue)[::3]:
        server.faults[path] = list(faults)
    assert fetch(catalogue, tmp_path, server).counts == {"verified": N_OBJECTS}
    assert_whole(tmp_path, tree, paths_of(catalogue))
    counts = server.counts()
    assert counts[paths_of(catalogue)[0]] >= 1 + len(faults)
    assert counts[paths_of(catalogue)[1]] <= 2


def test_another_plates_file_is_asked_for_again(catalogue, tree, server, tmp_path):
    first, second = paths_of(catalogue)[:2]
    server.faults[first] = [("other", (tree / second.lstrip("/")).read_bytes())]
    assert fetch(catalogue, tmp_path, server).counts == {"verified": N_OBJECTS}
    assert_whole(tmp_path, tree, paths_of(catalogue))


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured_and_bounded(server, catalogue, form):
    path = paths_of(catalogue)[0]
    # A date has whole seconds.
    moment = time.time() + 2
    words = "1" if form == "seconds" else time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(moment))
    server.faults[path] = [("status", 429, words), ("status", 503, "3600")]
    start = time.monotonic()
    Transfer(server.url, limits=dataclasses.replace(LIMITS, longest_wait=1.2)).get(server.url + path)
    assert 1.9 < time.monotonic() - start < 30


@pytest.mark.parametrize("words", ["nan", "-5", "soon", "Thu, 99 Foo"])
def test_nonsense_in_retry_after_is_ignored(server, catalogue, words):
    path = paths_of(catalogue)[0]
    server.faults[path] = [("status", 429, words)]
    assert Transfer(server.url, limits=LIMITS).get(server.url + path).startswith(b"SIMPLE")


def test_waits_grow_and_differ(server, catalogue):
    server.faults["*"] = ("status", 500)
    limits = dataclasses.replace(LIMITS, first_wait=0.1, attempts=4)
    times = []
    for _ in range(2):
        server.times.clear()
        with pytest.raises(TransferError, match="500"):
            Transfer(server.url, limits=limits).get(server.url + paths_of(catalogue)[0])
        times.append(np.diff(server.times))
        assert len(times[-1]) == 3
        # Half of the doubled wait at least; how long a busy machine takes besides is its affair.
        assert np.all(times[-1] > 0.05 * 2 ** np.arange(3))
    assert np.all(np.abs(times[0] - times[1]) > 1e-5)


# What stays wrong


@pytest.mark.parametrize(
    ("fault", "outcome", "words"),
    [
        (("status", 404), "not found", "404"),
        ("html", "rejected", "must be FITS; it begins with '<!DOCTYPE html>"),
        ("truncated_silently", "rejected", "truncated"),
        ("claims_less", "rejected", "truncated"),
        ("truncated", "failed", "IncompleteRead"),
        (("status", 403), "failed", "answers 403"),
        (("status", 500), "failed", "answers 500"),
        ("loop", "failed", "more than 5 redirects"),
        (("redirect", "file:///etc/passwd"), "failed", "must be http or https"),
        (("redirect", "ftp://127.0.0.1/x"), "failed", "must be http or https"),
        (("redirect", "http://[127.0.0.1/"), "failed", "must lead to an address"),
        ("claims_huge", "failed", "longer than"),
        ("endless", "failed", "longer than"),
    ],
    ids=str,
)
def test_what_cannot_be_had_is_said_and_stops_no_other(
    catalogue, tree, server, tmp_path, fault, outcome, words
):
    bad = catalogue[0]
    for url in list_urls(bad["plate"], bad["mjd"], bad["fiberid"], mirror=""):
        server.faults[url.removeprefix(ARCHIVE).removeprefix(DR7_ARCHIVE)] = fault
    limits = dataclasses.replace(LIMITS, attempts=2, largest_size=1 << 20)
    report = fetch(catalogue, tmp_path, server, limits=limits)
    assert report.counts == {"verified": N_OBJECTS - 1, outcome: 1}
    ((name, said, reason),) = report.missing.iterrows()
    assert (name, said) == (bad["name"], outcome)
    assert words in reason
    assert "\n" not in reason
    assert_whole(tmp_path, tree, paths_of(catalogue)[1:])
    (row,) = (row for row in read_request(tmp_path) if row["outcome"] != "verified")
    assert (row["name"], row["reason"]) == (name, reason)
    # It may be better tomorrow.
    server.faults.clear()
    assert fetch(catalogue, tmp_path, server).counts == {"kept": N_OBJECTS - 1, "verified": 1}


def test_redirects_are_followed(catalogue, tree, server, tmp_path):
    path = paths_of(catalogue)[0]
    server.faults[path] = [("redirect", "/elsewhere")]
    server.answers["/elsewhere"] = (tree / path.lstrip("/")).read_bytes()
    assert fetch(catalogue, tmp_path, server).counts == {"verified": N_OBJECTS}


def test_what_a_redirect_brings_along_is_not_read(server):
    server.faults["/list"] = ("long_redirect", "/elsewhere")
    server.answers["/elsewhere"] = b"content"
    assert Transfer(server.url, limits=LIMITS).get(f"{server.url}/list") == b"content"
    assert server.requests == ["/list", "/elsewhere"]


def test_a_public_archive_may_not_redirect_into_the_private_network(server):
    server.faults["/list"] = ("redirect", f"{server.url}/secret")
    server.answers["/secret"] = b"secret"
    with pytest.raises(TransferError, match="must not lead to a private address"):
        Transfer("https://93.184.216.34", limits=LIMITS).get(f"{server.url}/list")
    assert server.requests == ["/list"]
    assert Transfer(server.url, limits=LIMITS).get(f"{server.url}/list") == b"secret"


def test_the_proxy_of_the_environment_is_asked(server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url.replace("//", "//me:se%20cret@"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.answers |= {"http://archive.invalid/x": b"by proxy", "/x": b"directly"}
    transfer = Transfer("http://archive.invalid", limits=LIMITS)
    assert transfer.get("http://archive.invalid/x") == b"by proxy"
    assert transfer.get(f"{server.url}/x") == b"directly"
    assert server.requests == ["http://archive.invalid/x", "/x"]


def test_failures_use_no_connection_up(server, tree, catalogue):
    """One connection serves a file after every kind of failure has closed it or given it back."""
    path = paths_of(catalogue)[0]
    faults = ["reset", "truncated", ("status", 500), ("status", 404), ("status", 403), ("stall", 30)]
    faults += ["claims_huge", "loop", ("long_redirect", "/nothing"), ("silence", 30)]
    transfer = Transfer(server.url, limits=dataclasses.replace(LIMITS, attempts=1, read_timeout=0.3))
    survived = []

    def fail_again_and_again():
        for fault in faults:
            server.faults[path] = [fault] * 6
            with contextlib.suppress(TransferError):
                transfer.get(server.url + path)
                return
            server.faults.clear()
            assert transfer.get(server.url + path) == (tree / path.lstrip("/")).read_bytes()
            survived.append(fault)

    # A connection that is not given back would be waited for without end.
    thread = threading.Thread(target=fail_again_and_again, daemon=True)
    thread.start()
    thread.join(timeout=60)
    assert survived == faults


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "10.0.0.1", "192.168.1.1", "169.254.169.254", "[::1]", "0.0.0.0"),
        # Other spellings, and version 4 within version 6.
        *("2130706433", "0177.0.0.1", "0x7f.1", "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]", "[2002:7f00:1::]"),
    ],
)
def test_private_hosts(host):
    assert is_private(f"http://{host}:8000/x")
    with pytest.raises(AddressError, match="private"):
        follow_redirect("http://93.184.216.34/", f"//{host}/x", allow_private=False)
    assert follow_redirect("http://93.184.216.34/", f"//{host}/x", allow_private=True) == f"http://{host}/x"


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1\\@93.184.216.34/",  # some parsers go to 127.0.0.1, urllib says 93.184.216.34
        "http://me:secret@93.184.216.34/",
        "http://[::1/",
        "http://93.184.216.34:99999/",
        "http://x..y/",
        f"http://{'x' * 64}.org/",
        "http://93.184.216.34 127.0.0.1/",
    ],
)
def test_redirects_to_odd_hosts_are_refused(location):
    with pytest.raises(AddressError, match=r"must (be|lead)"):
        follow_redirect("http://93.184.216.34/", location, allow_private=False)


def test_https_is_not_left():
    with pytest.raises(AddressError, match="must not leave https"):
        follow_redirect("https://93.184.216.34/a", "http://93.184.216.34/a", allow_private=False)
    assert follow_redirect("https://93.184.216.34/a", "b", allow_private=False).endswith("34/b")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://data.sdss.org",
        "file:///tmp",
        "data.sdss.org",
        "http://",
        "http://a:b@c",
        "http://:b@c",
        "http://a:x",
    ],
)
def test_bases_are_http(url, catalogue, tmp_path):
    with pytest.raises(AddressError, match="must be"):
        check_base(url)
    with pytest.raises(AddressError, match="must be"):
        fetch_spectra(catalogue, tmp_path / "cache", mirror=url)
    assert not (tmp_path / "cache").exists()


def test_tls_is_verified(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=x"]
    try:
        subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("there is no openssl to make a certificate with")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ArchiveServer(tmp_path)
    server.answers["/x"] = b"content"
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with server.running():
        url = server.url.replace("http:", "https:")
        limits = dataclasses.replace(LIMITS, attempts=2)
        with pytest.raises(TransferError, match=r"(?i)certificate"):
            Transfer(url, limits=limits).get(f"{url}/x")
    assert not server.requests


# Other places of the archives


@pytest.mark.parametrize("choice", range(len(list_urls(266, 51630, 1)) - 1))
def test_every_layout_is_found(choice, tmp_path):
    path = place(tmp_path / "tree", 266, 51630, 1, choice)
    with ArchiveServer(tmp_path / "tree").running() as server:
        assert fetch(list_objects(1), tmp_path / "cache", server).counts == {"verified": 1}
    assert_whole(tmp_path / "cache", tmp_path / "tree", [path])


def write_spspec(path, plate, mjd, fiberid):
    """A file of the layout of DR7."""
    pixels = np.ones((5, 200), np.float32)
    header = fits.Header({"COEFF0": 3.6, "COEFF1": 1e-4, "Z": 0.1})
    header.update(PLATEID=plate, MJD=mjd, FIBERID=fiberid)
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.PrimaryHDU(pixels, header).writeto(path)


@pytest.mark.parametrize("release", [17, 7])
def test_dr7_files_stand_in(release, tmp_path):
    path = path_of(266, 51630, 1, -1)
    write_spspec(tmp_path / "tree" / path.lstrip("/"), 266, 51630, 1)
    with ArchiveServer(tmp_path / "tree").running() as server:
        for outcome in ("verified", "kept"):
            report = fetch(list_objects(1), tmp_path / "cache", server, release=release)
            assert report.counts == {outcome: 1}
    assert_whole(tmp_path / "cache", tmp_path / "tree", [path])
    (spectrum,) = open_survey(tmp_path / "cache")
    assert (spectrum.name, spectrum.label) == ("spec-0266-51630-0001", "type 1")


def test_a_closed_last_resort_does_not_end_the_run(tree, server, tmp_path, monkeypatch):
    """The DR7 archive may be gone for good; what only it could have is missing, and nothing else is."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setattr(archive_urls, "ARCHIVE", server.url)
    monkeypatch.setattr(archive_urls, "DR7_ARCHIVE", f"http://{host}")
    limits = dataclasses.replace(LIMITS, attempts=2)
    report = fetch(list_objects(N_OBJECTS + 6)[::-1], tmp_path, server, mirror=None, limits=limits)
    assert report.counts == {"verified": N_OBJECTS, "failed": 6}
    for reason in report.missing["reason"]:
        assert f"does not have it (404), and {host} does not answer" in reason


def test_real_files_are_served_and_verified(shared, tmp_path):
    rows = []
    files = sorted((shared / "spectra/sdss").glob("*.fits"))[::6]
    for file in files:
        spectrum = read_spectrum(file)
        rows.append((spectrum.plate, spectrum.mjd, spectrum.fiberid))
        target = tmp_path / "tree" / path_of(*rows[-1]).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    catalogue, _ = make_catalogue(Table(rows=rows, names=("plate", "mjd", "fiberid")), source="shared")
    with ArchiveServer(tmp_path / "tree").running() as server:
        assert fetch(catalogue, tmp_path / "cache", server).counts == {"verified": len(files)}
    assert_whole(tmp_path / "cache", tmp_path / "tree", paths_of(catalogue))


# What a verified file is


@pytest.fixture
def sound(tmp_path):
    """A file with checksums."""
    write_spec_lite(make_spectrum(266, 51630, 1), tmp_path / "sound.fits")
    with fits.open(tmp_path / "sound.fits") as hdus:
        hdus.writeto(tmp_path / "sums.fits", checksum=True)
    return (tmp_path / "sums.fits").read_bytes()


def verify(content, **numbers):
    verify_spectrum(content, **{"plate": 266, "mjd": 51630, "fiberid": 1} | numbers)


def test_checksums_are_those_of_astropy(sound):
    verify(sound)
    with fits.open(io.BytesIO(sound)) as hdus:
        data = hdus[1].fileinfo()["datLoc"]
    for position in (data, data + 1001, data + 5000):
        broken = bytearray(sound)
        broken[position] ^= 0x40
        with pytest.raises(SpectrumError, match=r"DATASUM|CHECKSUM"):
            verify(bytes(broken))
    # A header that was altered leaves the data as they are.
    with pytest.raises(SpectrumError, match="CHECKSUM"):
        verify(sound.replace(b"names the layout", b"NAMES the layout", 1))


@pytest.mark.parametrize("numbers", [{"plate": 267}, {"mjd": 51631}, {"fiberid": 2}])
def test_files_of_other_objects_are_refused(sound, numbers):
    with pytest.raises(SpectrumError, match="it says 266-51630-1"):
        verify(sound, **numbers)


def test_header_and_row_must_agree(sound, tmp_path):
    with fits.open(tmp_path / "sound.fits", mode="update") as hdus:
        hdus[0].header["PLATEID"] = 999
    with pytest.raises(SpectrumError, match="it says 999-51630-1"):
        verify((tmp_path / "sound.fits").read_bytes())


def test_unreadable_flux_is_refused(sound, tmp_path):
    with fits.open(tmp_path / "sound.fits", mode="update") as hdus:
        hdus[1].data["flux"] = np.nan
    with pytest.raises(SpectrumError, match="finite flux"):
        verify((tmp_path / "sound.fits").read_bytes())


@pytest.mark.parametrize("size", [0, 9, 2880, 5000, -1])
def test_truncated_files_are_refused(sound, size):
    with pytest.raises(SpectrumError):
        verify(sound[:size])


# Clients and servers that die


@contextlib.contextmanager
def mortal_server(tree, path, seconds):
    """A server that dies at a request for `path`; it is back on its port after some seconds, or never."""
    servers = []

    def serve(port, faults):
        server = ArchiveServer(tree, port=port)
        server.faults |= faults
        servers.append(server)
        server.serve_forever(0.02)

    def live():
        serve(0, {path: ["die"]})
        if seconds is not None:
            time.sleep(seconds)
            serve(servers[0].server_port, {})

    thread = threading.Thread(target=live, daemon=True)
    thread.start()
    while not servers:
        time.sleep(0.01)
    yield servers
    if seconds is not None:
        servers[1].shutdown()
        servers[1].server_close()
    thread.join()


def test_a_server_may_die_and_come_back(catalogue, tree, tmp_path):
    with mortal_server(tree, paths_of(catalogue)[5], 0.5) as servers:
        limits = dataclasses.replace(LIMITS, attempts=9)
        assert fetch(catalogue, tmp_path, servers[0], limits=limits).counts == {"verified": N_OBJECTS}
        assert len(servers) == 2
    assert_whole(tmp_path, tree, paths_of(catalogue))
    counts = servers[0].counts() + servers[1].counts()
    assert sum(counts.values()) <= N_OBJECTS + 8


def test_a_server_that_stays_dead_ends_the_run_and_loses_nothing(tree, tmp_path):
    # Were each object tried in turn this would take a minute.
    many = list_objects(2000)
    limits = dataclasses.replace(LIMITS, attempts=4)
    with mortal_server(tree, paths_of(many)[8], None) as servers:
        with pytest.raises(AgnError, match="Nothing that was fetched is lost: give the same"):
            fetch(many, tmp_path, servers[0], limits=limits, workers=2)
        done = [path for path in tmp_path.glob("*/*.fits") if not path.name.startswith(".")]
        assert done
        request = read_request(tmp_path)
        assert len(request) == 2000
        assert sum(request["outcome"] == "verified") == len(done)
        assert "pending" in request["outcome"]


def test_an_archive_that_fails_for_everything_is_left_alone(tree, tmp_path):
    with ArchiveServer(tree).running() as server:
        server.faults["*"] = ("status", 500)
        limits = dataclasses.replace(LIMITS, attempts=1)
        with pytest.raises(AgnError, match="80 times in a row"):
            fetch(list_objects(1000), tmp_path, server, limits=limits)
        assert len(server.requests) < 150


# Killed processes should not leave the semaphore of their progress bar behind.
tqdm.set_lock(threading.RLock())
# Processes start quickly from one that has imported everything.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([__name__])


def run_client(number, cache, url, workers):
    fetch_spectra(list_objects(number), cache, mirror=url, workers=workers, limits=LIMITS, progress=False)


def test_killed_clients_lose_nothing_and_fetch_nothing_twice(larger_tree, tmp_path):
    rng = random.Random(0)
    killed = 0
    with ArchiveServer(larger_tree, latency=0.05).running() as server:
        for _ in range(10):
            before = len(server.requests)
            client = processes.Process(target=run_client, args=(N_MANY, tmp_path, server.url, 2))
            client.start()
            while len(server.requests) == before and client.is_alive():
                time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.15))
            killed += client.is_alive()
            os.kill(client.pid, signal.SIGKILL)
            client.join()
            finished = {path.name for path in tmp_path.glob("*/spec-*.fits")}
            server.requests.append(finished)
        report = fetch(list_objects(N_MANY), tmp_path, server)
        requests = list(server.requests)
    assert killed == 10
    assert sum(report.counts.values()) == N_MANY
    assert set(report.counts) == {"kept", "verified"}
    assert_whole(tmp_path, larger_tree, paths_of(list_objects(N_MANY)))
    done = set()
    for request in requests:
        if isinstance(request, set):
            assert done <= request
            done = request
        else:
            assert request.rsplit("/", 1)[1] not in done
    assert len(done) > 5
    assert check_cache(tmp_path, progress=False)[0] == N_MANY


def test_two_clients_share_a_cache(larger_tree, tmp_path):
    with ArchiveServer(larger_tree, latency=0.01).running() as server:
        clients = [
            processes.Process(target=run_client, args=(N_MANY, tmp_path, server.url, 3)) for _ in range(2)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        assert [client.exitcode for client in clients] == [0, 0]
        assert server.busiest > 3
        assert server.counts() == {path: 1 for path in paths_of(list_objects(N_MANY))}
    assert_whole(tmp_path, larger_tree, paths_of(list_objects(N_MANY)))
    lines = (tmp_path / "records/manifest.jsonl").read_text().splitlines()
    assert len(lines) == N_MANY
    assert len({json.loads(line)["name"] for line in lines}) == N_MANY
    assert len(read_request(tmp_path)) == N_MANY


def test_interrupted_command_goes_on_where_it_ended(larger_tree, tmp_path):
    names = ",".join(("plate", "mjd", "fiberid"))
    rows = [f"{row['plate']},{row['mjd']},{row['fiberid']}" for row in list_objects(N_MANY)]
    (tmp_path / "list.csv").write_text("\n".join([names, *rows]))
    with ArchiveServer(larger_tree, latency=0.1).running() as server:
        # A shell that runs the tests in the background lets its children ignore Ctrl-C.
        main = (
            "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
            "from agn_helpers.cli.app import main; sys.exit(main(sys.argv[1:]))"
        )
        command = [sys.executable, "-c", main, "fetch", "list.csv", "--mirror", server.url]
        command += ["--cache", "cache", "--workers", "2"]
        client = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        while len(server.requests) < 10:
            time.sleep(0.01)
        client.send_signal(signal.SIGINT)
        start = time.monotonic()
        _, said = client.communicate(timeout=60)
        assert time.monotonic() - start < 10
        assert client.returncode == 130
        assert said.decode().splitlines()[-1].startswith("interrupted: every file under its final name is")
        request = read_request(tmp_path / "cache")
        done = int(np.sum(request["outcome"] == "verified"))
        assert 0 < done < N_MANY and len(request) == N_MANY
        server.latency = 0
        asked = len(server.requests)
        report = fetch(list_objects(N_MANY), tmp_path / "cache", server)
        assert report.counts == {"kept": done, "verified": N_MANY - done}
        assert len(server.requests) - asked == N_MANY - done
    assert_whole(tmp_path / "cache", larger_tree, paths_of(list_objects(N_MANY)))


# The cache over time


def test_torn_and_hostile_lines_of_the_manifest_are_skipped(tmp_path):
    path = tmp_path / "manifest.jsonl"
    good = {"name": "a", "outcome": "verified", "file": "0266/a.fits", "size": 1, "sha256": "x"}
    hostile = [good | {"name": "b", "file": file} for file in ("../b.fits", "/etc/b", "0266/../../b", ".x/y")]
    lines = [json.dumps(line) for line in (good, *hostile, ["no"], {"outcome": "verified"}, 5)]
    lines += [json.dumps(good | odd) for odd in ({"name": ["d"]}, {"name": "d", "size": "1"})]
    path.write_text("\n".join(lines) + "\n\x00\xff garbage\n" + json.dumps(good)[:30])
    with Manifest(path) as manifest:
        assert list(manifest) == ["a"]
        manifest.record("c", Entry("failed", reason="why"))
    with Manifest(path) as manifest:
        assert list(manifest) == ["a", "c"]
        assert manifest.get("c").reason == "why"


def test_late_lines_go_nowhere(tmp_path):
    with Manifest(tmp_path / "m") as manifest:
        pass
    with open(tmp_path / "next", "wb"), pytest.raises((OSError, ValueError)):
        manifest.record("a", Entry("failed"))
    assert (tmp_path / "next").stat().st_size == 0


def test_manifest_takes_lines_of_others_in(tmp_path):
    with Manifest(tmp_path / "m") as one, Manifest(tmp_path / "m") as other:
        one.record("a", Entry("verified", "0001/a", 1, "x"))
        assert other.get("a") is None
        other.refresh()
        assert other.get("a").sha256 == "x"
        assert other.record("a", Entry("verified", "0001/a", 1, "y")).changed == "x"


def test_what_changed_at_the_archive_is_said(catalogue, tree, tmp_path):
    shutil.copytree(tree, tmp_path / "tree")
    name, path = catalogue["name"][0], paths_of(catalogue)[0]
    with ArchiveServer(tmp_path / "tree").running() as server:
        fetch(catalogue, tmp_path / "cache", server)
        file = tmp_path / "cache/0266" / f"{name}.fits"
        old = file.read_bytes()
        file.unlink()
        # The same bytes are no news.
        assert len(fetch(catalogue, tmp_path / "cache", server).changed) == 0
        file.unlink()
        numbers = catalogue[0]["plate"], catalogue[0]["mjd"], catalogue[0]["fiberid"]
        new = make_spectrum(*numbers, n_pixels=250)
        write_spec_lite(new, tmp_path / "tree" / path.lstrip("/"))
        report = fetch(catalogue, tmp_path / "cache", server)
        assert list(report.changed["name"]) == [name]
        assert report.changed["before"][0] != report.changed["now"][0]
        assert file.read_bytes() != old
        assert report.counts == {"kept": N_OBJECTS - 1, "verified": 1}


def test_check_finds_damage_that_has_the_right_size(catalogue, tree, server, tmp_path, capsys):
    fetch(catalogue, tmp_path, server)
    assert cli.main(["check", str(tmp_path)]) == 0
    assert "12 files" in capsys.readouterr().out
    files = sorted(tmp_path.glob("*/spec-*.fits"))
    content = bytearray(files[0].read_bytes())
    content[len(content) // 2] ^= 1
    files[0].write_bytes(content)
    files[1].unlink()
    files[1].mkdir()
    assert cli.main(["check", str(tmp_path)]) == 3
    files[1].rmdir()
    said = capsys.readouterr()
    assert "10 files" in said.out and "2 are not" in said.out
    assert [files[0].stem in said.err, files[1].stem in said.err, said.err.count("\n")] == [True, True, 2]
    assert len(server.requests) == N_OBJECTS
    assert set(read_request(tmp_path)["outcome"]) == {"verified", "damaged"}
    assert len(list(open_survey(tmp_path))) == N_OBJECTS
    assert fetch(catalogue, tmp_path, server).counts == {"kept": N_OBJECTS - 2, "verified": 2}
    assert_whole(tmp_path, tree, paths_of(catalogue))
    assert cli.main(["check", str(tmp_path)]) == 0


def test_check_of_a_folder_that_is_no_cache_is_an_error(tmp_path, capsys):
    assert cli.main(["check", str(tmp_path)]) == 1
    assert "must be a cache of spectra" in capsys.readouterr().err


def test_files_without_a_manifest_are_taken_over(catalogue, tree, server, tmp_path):
    fetch(catalogue, tmp_path, server)
    shutil.rmtree(tmp_path / "records")
    (tmp_path / "index.csv").unlink()
    spoilt = sorted(tmp_path.glob("*/spec-*.fits"))[3]
    spoilt.write_bytes(spoilt.read_bytes()[:5000])
    assert fetch(catalogue, tmp_path, server).counts == {"kept": N_OBJECTS - 1, "verified": 1}
    assert len(server.requests) == N_OBJECTS + 1
    assert_whole(tmp_path, tree, paths_of(catalogue))


def test_lists_add_up_to_one_survey(catalogue, server, tmp_path):
    one, other = catalogue[:6], catalogue[4:].copy()
    # Rows 4 and 5 are in both; row 5 with another type.
    other["label"][1] = "type 1"
    fetch(one, tmp_path, server)
    report = fetch(other, tmp_path, server)
    assert report.counts == {"kept": 2, "verified": 6}
    assert list(report.conflicts["name"]) == [catalogue["name"][5]]
    # Asking once more settles nothing.
    assert len(fetch(other, tmp_path, server).conflicts) == 0
    request = read_request(tmp_path)
    assert sorted(request["name"]) == sorted(catalogue["name"])
    labels = dict(zip(request["name"], request["label"]))
    assert labels[catalogue["name"][5]] == "type 1 / type 2"
    assert labels[catalogue["name"][4]] == catalogue["label"][4]
    (rejected,) = (item for item in open_survey(tmp_path) if isinstance(item, Rejected))
    assert rejected.name == catalogue["name"][5] and "got 'type 1 / type 2'" in rejected.reason
    assert summarise_request(tmp_path).loc["no type", "asked"] == 1
    fetch(one, tmp_path, server, fresh=True)
    assert sorted(read_request(tmp_path)["name"]) == sorted(one["name"])


def test_an_index_of_ones_own_is_not_overwritten(catalogue, server, tmp_path):
    (tmp_path / "index.csv").write_text("file,label\na.fits,Sy2\n")
    with pytest.raises(AgnError, match=r"index\.csv of your own"):
        fetch(catalogue, tmp_path, server)
    assert os.listdir(tmp_path) == ["index.csv"]


@pytest.mark.parametrize("text", ["", "file,label\na.fits,Sy2\n", None])
def test_a_spoilt_index_is_one_error(catalogue, server, tmp_path, text):
    fetch(catalogue[:1], tmp_path, server)
    path = tmp_path / "index.csv"
    path.write_text(path.read_text().replace(",51630,", ",x,") if text is None else text)
    with pytest.raises(AgnError, match="must be as agn fetch wrote it; it is not") as error:
        fetch(catalogue[:1], tmp_path, server)
    assert "\n" not in str(error.value)
    path.unlink()
    assert fetch(catalogue[:1], tmp_path, server).counts == {"kept": 1}
    assert list(read_request(tmp_path)["outcome"]) == ["verified"]


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "a\0b", "x" * 5000, ".."])
def test_names_never_leave_the_cache(server, tree, tmp_path, name):
    cache = tmp_path / "deep/er/cache"
    catalogue = list_objects(2)
    others = list_objects(2)
    others["plate"] = -1
    for table in (catalogue, others):
        table.replace_column("name", [name, name])
    assert fetch(catalogue, cache, server).counts == {"verified": 2}
    assert fetch(others, cache, server, fresh=True).counts == {}
    assert sorted(path.name for path in tmp_path.rglob("*.fits")) == [
        "spec-0266-51630-0001.fits",
        "spec-0266-51630-0002.fits",
    ]
    assert os.listdir(tmp_path) == ["deep"]


def test_full_disk_is_one_error_and_leaves_no_half_file(catalogue, server, tmp_path):
    (tmp_path / "cache").mkdir()
    with small_disk(tmp_path / "cache"):
        with pytest.raises(AgnError, match=r"(?i)no space|disk is full"):
            fetch(catalogue, tmp_path / "cache", server)
        for path in (tmp_path / "cache").glob("*/*.fits"):
            assert path.name.startswith(".") or read_spectrum(path)


def test_nobody_to_connect_to(catalogue, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    limits = dataclasses.replace(LIMITS, attempts=2)
    with pytest.raises(AgnError, match="Connection refused"):
        fetch_spectra(catalogue, tmp_path, mirror=url, limits=limits, progress=False)


def test_absent_files_are_not_asked_for_twice(server):
    with pytest.raises(TransferError, match=r"not found \(404\)") as error:
        Transfer(server.url, limits=LIMITS).get(f"{server.url}/nothing")
    assert error.value.kind == Failure.ABSENT
    assert server.requests == ["/nothing"]


def test_arguments(catalogue, server, tmp_path):
    for options in ({"workers": 0}, {"release": 5}):
        with pytest.raises(AgnError, match="must be"):
            fetch(catalogue, tmp_path / "x", server, **options)
    assert not (tmp_path / "x").exists()
    assert fetch(catalogue[:0], tmp_path / "x", server).counts == {}


# Neighbours that were stopped, and links in the place of folders


def test_a_stopped_neighbour_is_reported_and_not_waited_for(server, catalogue, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(fetching, "_SILENCE", 0.3)
    limits = dataclasses.replace(LIMITS, total_time=1.0)
    name, plate = catalogue["name"][0], catalogue["plate"][0]
    part = tmp_path / f"{plate:04d}" / f".{name}.part"
    part.parent.mkdir()
    started = time.monotonic()
    with claim_file(part):
        report = fetch(catalogue, tmp_path, server, limits=limits)
        assert time.monotonic() - started < 20
        assert report.counts == {"verified": N_OBJECTS - 1, "busy": 1}
        [(missing, outcome, reason)] = report.missing.as_array().tolist()
        assert (missing, outcome) == (name, "busy")
        assert "claimed by another client" in reason and "see whether it was stopped" in reason
        assert [r for r in caplog.records if name in r.message and "Waiting for 1 such" in r.message]
    assert fetch(catalogue, tmp_path, server).counts == {"verified": 1, "kept": N_OBJECTS - 1}


def test_what_dead_clients_began_is_swept(server, catalogue, tmp_path):
    left = tmp_path / "0001" / ".spec-0001-50000-0001.part"
    left.parent.mkdir()
    left.write_bytes(b"half")
    fetch(catalogue, tmp_path, server)
    assert not left.exists()


def test_folders_that_lead_elsewhere_are_refused(server, catalogue, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / f"{catalogue['plate'][0]:04d}").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(AgnError, match="must be a folder of the cache's owner; it is a link or another's"):
        fetch(catalogue, cache, server)
    assert os.listdir(tmp_path / "elsewhere") == []
