"""Fetching radio images by position from a server on localhost: verified, resumable, with reasons."""

import io
from urllib.parse import parse_qs

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits

from agn_helpers.archive import fetch_cutouts, read_positions
from agn_helpers.archive.cutouts import verify_cutout
from agn_helpers.archive.http import Limits
from agn_helpers.cli import app as cli
from agn_helpers.errors import SpectrumError
from agn_helpers.images import read_radio_images

from ..archive_server import ArchiveServer

LIMITS = Limits(
    connect_timeout=5, read_timeout=1, total_time=5, lowest_rate=20_000, attempts=3, first_wait=0.02
)
SCRIPT = "/cgi-bin/firstcutout"
TEXT = b"<PRE>\nNo FIRST field covers this position.\n</PRE>"


def make_cutout(ra, dec, *, scale=1.8, n_pixels=150, values=None):
    """A FITS image as the service sends it, with two axes of length 1."""
    image = np.random.default_rng(int(ra * 1000)).normal(0, 1.5e-4, (n_pixels, n_pixels))
    image[n_pixels // 2, n_pixels // 2] = 0.02
    hdu = fits.PrimaryHDU(np.float32(image if values is None else values)[None, None])
    for axis, (kind, value, step) in enumerate(
        (
            ("RA---SIN", ra, -scale / 3600),
            ("DEC--SIN", dec, scale / 3600),
            ("FREQ", 1.4e9, 1e6),
            ("STOKES", 1, 1),
        ),
        1,
    ):
        middle = (n_pixels + 1) / 2 if axis < 3 else 1
        hdu.header.update(
            {f"CTYPE{axis}": kind, f"CRVAL{axis}": value, f"CDELT{axis}": step, f"CRPIX{axis}": middle}
        )
    content = io.BytesIO()
    hdu.writeto(content)
    return content.getvalue()


def answer(query):
    """What the service answers: text south of the survey."""
    fields = parse_qs(query)
    assert fields["ImageType"] == ["FITS Image"] and fields["ImageSize"] == ["4.5"]
    words = fields["RA"][0].split()
    place = SkyCoord(" ".join(words[:3]), " ".join(words[3:]), unit=("hourangle", "deg"))
    return TEXT if place.dec.deg < -30 else make_cutout(place.ra.deg, place.dec.deg)


@pytest.fixture
def server(tmp_path):
    with ArchiveServer(tmp_path / "empty").running() as server:
        server.answers[SCRIPT] = answer
        yield server


@pytest.fixture
def positions(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(
        "name,ra,dec,label\n3C1,159.613,41.815,FRI\nb,10:41:09.2,+40:10:59,FRII\n,211.632,9.606,FRI\n"
    )
    return read_positions(path)


def test_images_are_fetched_once_and_read_with_their_labels(server, positions, tmp_path, capsys):
    cache = tmp_path / "cache"
    found = fetch_cutouts(positions, cache, mirror=server.url, limits=LIMITS, progress=False)
    assert found.counts == {"verified": 3} and len(server.requests) == 3
    read = read_radio_images(cache)
    assert read.images.shape == (3, 150, 150) and not len(read.rejected)
    assert dict(zip(read.name, read.label)) == {"3C1": 0, "b": 1, "FIRST-211.632000p09.606000": 0}
    again = fetch_cutouts(positions, cache, mirror=server.url, limits=LIMITS, progress=False)
    assert again.counts == {"kept": 3} and len(server.requests) == 3
    # What is damaged on disk is asked for again, and nothing else.
    (cache / "159" / "3C1.fits").write_bytes(b"SIMPLE")
    assert cli.main(["check", str(cache)]) == 3
    said = capsys.readouterr()
    assert "2 files in" in said.out and "3C1: 159/3C1.fits must have" in said.err
    fetch_cutouts(positions, cache, mirror=server.url, limits=LIMITS, progress=False)
    assert len(server.requests) == 4
    assert cli.main(["check", str(cache)]) == 0


def test_what_fails_on_the_way_is_tried_again(server, positions, tmp_path):
    server.faults["*"] = [("status", 503), "truncated", "reset", "html", None, None, None]
    found = fetch_cutouts(positions, tmp_path / "cache", workers=1, mirror=server.url, limits=LIMITS)
    assert found.counts["verified"] >= 2 and not list((tmp_path / "cache").rglob("*.part"))


def test_positions_outside_the_survey_say_so(server, tmp_path, capsys):
    path = tmp_path / "list.csv"
    path.write_text("ra,dec\n159.613,41.815\n10,-45\n")
    cache = tmp_path / "cache"
    code = cli.main(["fetch", "first", str(path), "--cache", str(cache), "--mirror", server.url])
    said = capsys.readouterr()
    assert code == 3 and "1 images" in said.out and "is the position within FIRST?" in said.err
    assert len(said.err.strip().splitlines()) == 1
    missing = pd.read_csv(cache / "records" / "missing.csv")
    assert list(missing["name"]) == ["FIRST-010.000000n45.000000"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TEXT, "must be FITS; it begins with 'PRE'|must be FITS"),
        (make_cutout(10, 20)[:5000], "damaged"),
        (make_cutout(10.01, 20), "is 34 arcsec off"),
        (make_cutout(10, 20, scale=5), "1.8 arcsec; it has 5.00"),
        (make_cutout(10, 20, values=np.full((150, 150), np.nan)), "all of it is NaN"),
        (fits.PrimaryHDU().header.tostring().encode().ljust(2880), "damaged|must be an image"),
    ],
)
def test_what_is_no_such_image_is_refused(content, message):
    verify_cutout(make_cutout(10, 20), ra=10, dec=20)
    with pytest.raises(SpectrumError, match=message):
        verify_cutout(content, ra=10, dec=20)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("plate,mjd,fiberid\n266,51630,1\n", "must have the columns ra and dec"),
        ("ra,dec\nhere,there\n", "row 1 has none"),
        ("ra,dec\n", "it has no row"),
    ],
)
def test_lists_without_positions_are_refused(text, message, tmp_path, capsys):
    path = tmp_path / "list.csv"
    path.write_text(text)
    assert cli.main(["fetch", "first", str(path), "--cache", str(tmp_path / "cache")]) == 1
    assert message in capsys.readouterr().err


def test_first_needs_a_list_and_nothing_else_takes_one(tmp_path, capsys):
    assert cli.main(["fetch", "first"]) == 1
    assert "agn fetch first LIST" in capsys.readouterr().err
    assert cli.main(["fetch", "paper", str(tmp_path)]) == 1
    assert "only first takes a list" in capsys.readouterr().err
