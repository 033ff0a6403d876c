"""Cut-outs of VLA FIRST by position, to a verified folder of FITS images; may be stopped and begun again."""

from __future__ import annotations

import io
import itertools
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import numpy as np
import pandas as pd
from astropy.coordinates import SkyCoord
from astropy.table import Table
from tqdm import tqdm

from ..errors import AgnError, SpectrumError
from ..files import whole_file
from ..limits import check_fits, read_regular, summarise_error
from .cache import MANIFEST, RECORDS
from .catalogue import find_columns, read_coordinates, read_text
from .fetch import Fetcher, fetch_tasks, open_archive
from .http import TransferError
from .manifest import Manifest, Tally
from .tables import parse_table

#: The cut-out service of FIRST (Becker, White & Helfand 1995).
FIRST_SERVICE = "https://third.ucllnl.org"

_SCRIPT = "/cgi-bin/firstcutout"

# Side of a cut-out, arcmin: 150 pixels of 1.8 arcsec.
_SIDE = 4.5

# How far from the position asked for the middle may lie: the service cuts at whole pixels.
_OFF = 5.0

_PIXEL = (1.7, 1.9)

# What can name a file of a cache.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}")


class Cutout(NamedTuple):
    """An image to be fetched."""

    name: str
    ra: float
    dec: float

    @property
    def folder(self):
        """A folder for each degree of right ascension."""
        return f"{int(self.ra) % 360:03d}"

    def verify(self, content):
        """Raise SpectrumError where these bytes are no image of FIRST around this position."""
        verify_cutout(content, ra=self.ra, dec=self.dec)

    def list_files(self):
        """Its file in a cache."""
        return (f"{self.folder}/{self.name}.fits",)


class CutoutFetcher(Fetcher):
    """Fetches one cut-out; many threads do so with one of these."""

    def _download(self, task):
        url = f"{self.mirror or FIRST_SERVICE}{_SCRIPT}?{_ask(task.ra, task.dec)}"
        try:
            return self.transfer.get(url, task.verify), url, None
        except TransferError as error:
            return None, url, TransferError(f"{task.name}: {error}", kind=error.kind)


def _ask(ra, dec):
    """The fields of the service's form."""
    place = SkyCoord(ra, dec, unit="deg").to_string("hmsdms", sep=" ", precision=3)
    return urlencode(
        {
            "RA": place,
            "Dec": "",
            "Equinox": "J2000",
            "ImageSize": _SIDE,
            "ImageType": "FITS Image",
            "MaxInt": 10,
        }
    )


def verify_cutout(content, *, ra, dec):
    """Check that bytes are a FITS image at FIRST's scale, whole, with this position (degrees) in its middle.

    Raises SpectrumError otherwise: where the survey does not reach, the service answers with text.
    """
    from astropy.io import fits
    from astropy.wcs import WCS

    sent = "the file sent"
    if not content.startswith(b"SIMPLE  ="):
        start = re.sub(r"<[^>]*>", " ", content[:200].decode("latin-1")).split("\n")[0].strip()[:60]
        raise SpectrumError(f"{sent} must be FITS; it begins with {start!r}; is the position within FIRST?")
    try:
        check_fits(content, sent)
        with fits.open(io.BytesIO(content), memmap=False) as hdus:
            header, image = hdus[0].header, np.squeeze(np.asarray(hdus[0].data, dtype=float))
        if image.ndim != 2 or min(image.shape) < 2:
            raise SpectrumError(f"{sent} must be an image; it has the shape {image.shape}.")
        world = WCS(header).celestial
        scale = 3600 * float(np.sqrt(np.abs(np.linalg.det(world.pixel_scale_matrix))))
        middle = world.pixel_to_world((image.shape[1] - 1) / 2, (image.shape[0] - 1) / 2)
        off = middle.separation(SkyCoord(ra, dec, unit="deg", frame=middle.frame.name)).arcsec
    except SpectrumError:
        raise
    except Exception as error:  # Whatever is sent, it is no cut-out then.
        raise SpectrumError(f"{sent} is damaged ({summarise_error(error)}).") from error
    if not _PIXEL[0] <= scale <= _PIXEL[1]:
        raise SpectrumError(f"{sent} must have pixels of 1.8 arcsec; it has {scale:.2f}.")
    if not off <= _OFF:
        raise SpectrumError(f"{sent} must have the position in its middle; it is {off:.0f} arcsec off.")
    if not np.isfinite(image).any():
        raise SpectrumError(f"{sent} must have finite brightness; all of it is NaN.")


def read_positions(path):
    """Names, positions and labels of a list of objects.

    Parameters
    ----------
    path : path
        Any table with ra and dec (degrees, or sexagesimal in hours and degrees), and where known name and
        label.

    Returns
    -------
    astropy.table.Table
        ``name, ra, dec, label``.  Names that cannot name a file, or come twice, are made of the position.

    Raises
    ------
    AgnError
        For no table, no positions, positions that are none.
    """
    path = Path(path)
    table = parse_table(read_regular(path), path)
    lower = {name.lower(): name for name in table.colnames}
    found = find_columns(table, {}, path.name)
    if not {"ra", "dec"} <= set(found):
        raise AgnError(f"{path} must have the columns ra and dec; it has {', '.join(table.colnames)}.")
    ra, dec = read_coordinates(table, found)
    wrong = np.flatnonzero(~np.isfinite(ra))
    if len(wrong):
        raise AgnError(
            f"{path} must give a position in each row; row {wrong[0] + 1} has none that can be read."
        )
    given, label = (
        read_text(table, lower, key) if key in lower else np.full(len(table), "") for key in ("name", "label")
    )
    made = [f"FIRST-{a:010.6f}{'p' if d >= 0 else 'n'}{abs(d):09.6f}" for a, d in zip(ra, dec)]
    usable = [bool(_NAME.fullmatch(str(one))) and list(given).count(one) == 1 for one in given]
    return Table(
        {"name": np.where(usable, given, made).astype(str), "ra": ra, "dec": dec, "label": label.astype(str)}
    )


def fetch_cutouts(positions, cache, *, workers=4, mirror=None, limits=None, progress=True):
    """Bring cut-outs of FIRST to disk, each verified; what is there is not fetched again.

    Parameters
    ----------
    positions : astropy.table.Table
        Of `read_positions`.
    cache : path
        A folder; several clients may use it at once.  ``labels.csv`` (name, label) is written into it where
        there are labels, and ``records/missing.csv``.
    workers : int
        Connections at once, at most `MOST_WORKERS`.
    mirror : str, optional
        Address that stands in for the cut-out service.
    limits : http.Limits, optional
        Patience with the network.
    progress : bool

    Returns
    -------
    FetchReport

    Raises
    ------
    AgnError
        For arguments that are no use, where the archive does not answer any more (what was fetched is kept),
        and where the cache cannot be written.
    """
    cache = Path(cache)
    options = {"mirror": mirror, "workers": workers, "limits": limits}
    transfer, mirror, workers = open_archive(cache, FIRST_SERVICE, **options)
    columns = [positions[key].tolist() for key in Cutout._fields]
    tally = Tally()
    with Manifest(cache / RECORDS / MANIFEST) as manifest:
        fetcher = CutoutFetcher(cache, manifest, transfer, release=0, mirror=mirror)
        tasks = itertools.starmap(Cutout, zip(*columns))
        bar = tqdm(
            total=len(positions), desc="fetch", unit=" images", delay=2, disable=None if progress else True
        )
        try:
            with bar:
                for result in fetch_tasks(fetcher, tasks, 2 * workers):
                    tally.add(result)
                    bar.update()
        finally:
            _write_records(cache, positions, tally)
    return tally.report(Table(names=("reason",), dtype=[str]))


def _write_records(cache, positions, tally):
    missing = pd.DataFrame(tally.missing, columns=["name", "outcome", "reason"])
    with whole_file(cache / RECORDS / "missing.csv") as temporary:
        missing.to_csv(temporary, index=False)
    labels = positions[["name", "label"]].to_pandas()
    if not (labels["label"] != "").any():
        return
    path = cache / "labels.csv"
    if path.is_file():
        # Several lists add up; of an image in two the later one's label counts.
        before = pd.read_csv(path, dtype=str, keep_default_na=False)
        labels = pd.concat([before, labels]).drop_duplicates("name", keep="last")
    with whole_file(path) as temporary:
        labels.to_csv(temporary, index=False)
