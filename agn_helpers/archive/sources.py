"""Published lists of active galaxies: the paper's sample, VizieR, SkyServer; cached once asked for."""

import hashlib
import json
import re
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import numpy as np

from ..errors import AgnError
from ..files import make_folder, whole_file
from .catalogue import combine_catalogues, limit_catalogue, make_catalogue, make_problems, read_catalogue
from .http import Limits, Transfer, TransferError, check_base
from .layout import check_release
from .queries import QUERY_LABELS, parse_answer, write_position_query, write_query
from .tables import parse_table

# A list of a million rows is some 200 MB, and a database may think for minutes.
_LIMITS = Limits(read_timeout=120, total_time=1800, attempts=5, largest_size=1 << 30)


def download_list(url, folder, *, parse, form=None, key=None, limits=None, fresh=False):
    """What `parse` makes of the bytes at an address, or of those cached from the same question before.

    The bytes are cached in `folder`, as a file named after `key` (the last part of the address by default);
    beside it lies a .json file with address, sha256, size and date.  Where `parse` raises AgnError, as for a
    busy server's message, they are not.  A `form` is sent along by POST.  A list is asked for again where
    `fresh`, and where it is no longer what it was.  Raises AgnError where it cannot be had, or is none.
    """
    question = hashlib.sha256(f"{url}\n{form or ''}".encode()).hexdigest()
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", key or url.rsplit("/", 1)[-1]).strip("-.")[:60]
    path = Path(folder) / f"{slug}-{question[:12]}"
    notes = path.with_name(path.name + ".json")
    if not fresh and path.is_file() and notes.is_file():
        content = path.read_bytes()
        if _read_notes(notes).get("sha256") == hashlib.sha256(content).hexdigest():
            return parse(content)
    try:
        content = Transfer(url, limits=limits or _LIMITS).get(url, form=form)
    except TransferError as error:
        reason = str(error).rstrip(".")
        raise AgnError(f"a list could not be had: {reason}; try again later or use another.") from error
    found = parse(content)
    make_folder(folder)
    said = {
        "url": url,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with whole_file(path) as temporary:
        temporary.write_bytes(content)
    with whole_file(notes) as temporary:
        temporary.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    return found


def _read_notes(path):
    """What lies beside a list; nothing where that is missing or damaged."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


#: Folder of the paper's lists in its code repository; the other services by their own addresses.
PAPER_LISTS = "https://raw.githubusercontent.com/TobiaPeruzzi/MasterThesis/HEAD/SDSS_BulkDownload"

VIZIER = "https://vizier.cds.unistra.fr"

SKYSERVER = "https://skyserver.sdss.org"

#: Catalogues of VizieR whose objects are of one type.  The first two identifiers follow from CDS's convention
#: and are not in print.
VIZIER_LABELS = {
    "J/A+A/555/A89": "type 1",  # Marziani et al. 2013, the paper's
    "J/MNRAS/427/1266": None,  # Vaona et al. 2012, type 2 and intermediate
    "J/ApJS/243/21": "type 1",  # Liu et al. 2019, z < 0.35
    "J/AJ/136/2373": "type 2",  # Reyes et al. 2008, z < 0.83
}

_ALTERNATIVES = {
    "J/A+A/555/A89": "agn fetch vizier:J/ApJS/243/21 (Liu et al. 2019, z < 0.35) or agn fetch sql:type1",
    "J/MNRAS/427/1266": "agn fetch paper, which takes the same lists from the paper's code repository",
}

_PAPER = {"sey2_dr7.csv": "type 2", "int_data_flx.txt": "intermediate"}

_TYPE1 = "J/A+A/555/A89"

# What one address can hold.
_POSITIONS = 60


def find_catalogue(
    source, folder, *, release=17, label=None, redshift=None, limit=None, mirror=None, fresh=False
):
    """Objects of a source, by the name that it has on the command line, with plate, MJD and fibre.

    Parameters
    ----------
    source : str
        ``"paper"``, ``"vizier:ID"``, ``"sql:NAME"`` or ``"sql:SELECT …"``, or the path of a list.
    folder : path
        Where downloaded lists are cached.
    release : int
        SDSS data release.
    label : str, optional
        Type of the objects that the list gives none.
    redshift : (float, float), optional
        Range of a ready query ``sql:NAME``.
    limit : int, optional
        Most objects of each type.
    mirror : str, optional
        Address that stands in for those of all sources.
    fresh : bool
        Whether cached lists are asked for again.

    Returns
    -------
    catalogue, problems : astropy.table.Table
        As of `make_catalogue` and `resolve_positions`.

    Raises
    ------
    AgnError
        For arguments that are no use, and where the list cannot be had or is none.
    """
    check_release(release)
    mirror = None if mirror is None else check_base(mirror)
    skyserver = {"release": max(release, 8), "base_url": mirror or SKYSERVER, "fresh": fresh}
    kind, _, name = source.partition(":")
    if redshift is not None and kind != "sql":
        raise AgnError(f"--redshift is for queries such as sql:type1; got it for {source}. Leave it out.")
    if source == "paper":
        addresses = {"base_url": mirror or PAPER_LISTS, "vizier_url": mirror or VIZIER}
        catalogue, problems = paper_catalogue(folder, fresh=fresh, **addresses)
    elif source.startswith("vizier:"):
        options = {"label": label, "base_url": mirror or VIZIER, "fresh": fresh}
        catalogue, problems = vizier_catalogue(name, folder, **options)
    elif source.startswith("sql:"):
        is_sql = " " in name.strip()
        if is_sql and redshift:
            raise AgnError("--redshift is for the ready queries; write the range into the SQL.")
        options = {} if is_sql else {"limit": limit} | ({"redshift": redshift} if redshift else {})
        catalogue, problems = skyserver_catalogue(name, folder, label=label, **skyserver, **options)
    elif not Path(source).expanduser().exists():
        raise AgnError(
            f"there is no file {source!r}; name one, or paper, vizier:ID (a catalogue), or sql:NAME (type1, "
            "type2, composite)."
        )
    else:
        catalogue, problems = read_catalogue(Path(source).expanduser(), label=label)
    catalogue = limit_catalogue(catalogue, limit) if limit else catalogue
    catalogue, unresolved = resolve_positions(catalogue, folder, **skyserver)
    return catalogue, make_problems([problems, unresolved])


def paper_catalogue(folder, *, base_url=PAPER_LISTS, vizier_url=VIZIER, limits=None, fresh=False):
    """The sample of Peruzzi et al. (2021): lists of Vaona et al. (2012) and Marziani et al. (2013).

    Parameters
    ----------
    folder : path
        Where downloaded lists are cached.
    base_url, vizier_url : str
        Of the paper's code repository, for the 2153 + 521 objects, and of VizieR, for the 680 of type 1.
    limits : Limits, optional
        Patience with the network.
    fresh : bool
        Whether cached lists are asked for again.

    Returns
    -------
    catalogue, problems : astropy.table.Table
        As of `make_catalogue`; a type 1 list that could not be had is one of the problems, of kind
        ``"absent"``, and its one sentence says what to do.
    """
    found, options = [], {"limits": limits, "fresh": fresh}
    for name, label in _PAPER.items():
        table = download_list(f"{base_url}/{name}", folder, parse=partial(parse_table, path=name), **options)
        found.append(make_catalogue(table, source=name, label=label))
    try:
        found.append(vizier_catalogue(_TYPE1, folder, base_url=vizier_url, **options))
    except AgnError as error:
        found.append((found[0][0][:0], make_problems([("", _TYPE1, "absent", f"{error}")])))
    catalogues, problems = zip(*found)
    catalogue, repeated = combine_catalogues(catalogues)
    return catalogue, make_problems([*problems, repeated])


def vizier_catalogue(
    identifier, folder, *, label=None, columns=None, base_url=VIZIER, limits=None, fresh=False
):
    """A catalogue of VizieR.

    Parameters
    ----------
    identifier : str
        Such as ``"J/ApJS/243/21"``, or with a table, ``"J/ApJS/243/21/table2"``; of several tables the
        longest is taken.
    folder : path
        Where downloaded lists are cached.
    label : str, optional
        Type of its objects; that of `VIZIER_LABELS` by default.
    columns : dict, optional
        What the catalogue calls a column of ours, see `make_catalogue`.
    base_url : str
        Of VizieR or a mirror.
    limits, fresh
        As of `paper_catalogue`.

    Returns
    -------
    catalogue, problems : astropy.table.Table
        As of `make_catalogue`; objects without plate, MJD and fibre need `resolve_positions`.

    Raises
    ------
    AgnError
        Where there is no such catalogue; the message names another one that is known.
    """
    from astroquery.vizier import Vizier

    if not re.fullmatch(r"[A-Za-z0-9+&./_-]{3,80}", identifier):
        raise AgnError(f"a VizieR catalogue must be named like J/ApJS/243/21; got {identifier!r}.")
    known = next((name for name in VIZIER_LABELS if (identifier + "/").startswith(name + "/")), "")
    query = Vizier(columns=["**", "_RAJ2000", "_DEJ2000"], row_limit=-1)
    form = query.get_catalogs_async(identifier, get_query_payload=True)
    try:
        table = download_list(
            f"{base_url}/viz-bin/votable",
            folder,
            parse=partial(parse_table, path=f"VizieR's {identifier}"),
            form=form,
            key=identifier,
            limits=limits,
            fresh=fresh,
        )
        source = f"VizieR {identifier}"
        return make_catalogue(table, source=source, label=label or VIZIER_LABELS.get(known), columns=columns)
    except AgnError as error:
        instead = _ALTERNATIVES.get(known, "look it up at https://vizier.cds.unistra.fr")
        reason = " ".join(str(error).split()).rstrip(".")
        message = f"{identifier} could not be had from VizieR ({reason}); instead: {instead}."
        raise AgnError(message) from error


def skyserver_catalogue(
    query, folder, *, label=None, release=17, base_url=SKYSERVER, limits=None, fresh=False, **options
):
    """Objects that a query of SkyServer finds.

    Parameters
    ----------
    query : str
        Name of a ready query (see `write_query`), or SQL that gives plate, mjd and fiberid.
    folder : path
        Where downloaded lists are cached.
    label : str, optional
        Type of the objects; that of the ready query by default.
    release : int
        Data release, 8 or later.
    base_url : str
        Of SkyServer or a mirror.
    limits, fresh
        As of `paper_catalogue`.
    **options
        Of `write_query`.

    Returns
    -------
    catalogue, problems : astropy.table.Table
        As of `make_catalogue`.

    Raises
    ------
    AgnError
        Where the server refuses the query or finds nothing.
    """
    is_sql = " " in query.strip()
    sql = query if is_sql else write_query(query, **options)
    name = "SkyServer" if is_sql else f"SkyServer {query}"
    table = _ask_skyserver(sql, name, folder, release, base_url, limits, fresh)
    default = None if is_sql else QUERY_LABELS[query]
    return make_catalogue(table, source=name, label=label or default)


def resolve_positions(
    catalogue, folder, *, release=17, radius=3.0, base_url=SKYSERVER, limits=None, fresh=False
):
    """Find the spectra of objects of which only the position is known, by SkyServer.

    Parameters
    ----------
    catalogue : astropy.table.Table
    folder : path
        Where the answers are cached.
    release : int
    radius : float
        Largest distance, arcsec.
    base_url, limits, fresh
        As of `skyserver_catalogue`.

    Returns
    -------
    catalogue, problems : astropy.table.Table
        With plate, mjd, fiberid and run2d; objects without a spectrum, and those that turn out to be one, are
        among the problems.

    Raises
    ------
    AgnError
        Where the server refuses, or answers something else.
    """
    rows = np.flatnonzero(catalogue["name"] == "")
    if not len(rows):
        return catalogue, make_problems([])
    parts, repeated, matched = [catalogue[catalogue["name"] != ""]], [], set()
    for start in range(0, len(rows), _POSITIONS):
        batch = rows[start : start + _POSITIONS]
        positions = [(row, catalogue["ra"][row], catalogue["dec"][row]) for row in batch.tolist()]
        sql = write_position_query(positions, radius=radius)
        try:
            found = _ask_skyserver(sql, "SkyServer positions", folder, release, base_url, limits, fresh)
        except _NothingError:
            continue
        if "number" not in found.colnames or not np.isin(found["number"], batch).all():
            raise AgnError(
                f"{base_url} must answer with the numbers of the positions; it does not. Try --fresh or "
                "another --list-mirror."
            )
        numbers = np.asarray(found["number"], dtype=int)
        found["label"] = catalogue["label"][numbers]
        for source in np.unique(catalogue["source"][numbers]):
            part, more = make_catalogue(found[catalogue["source"][numbers] == source], source=source)
            parts.append(part)
            repeated.append(more)
        matched.update(numbers.tolist())
    missing = [
        (
            "",
            str(row["source"]),
            "unusable",
            f"RA {row['ra']:.5f}, Dec {row['dec']:.5f} of {row['source']} has no spectrum in DR{release} "
            f"within {radius:g} arcsec; leave it out.",
        )
        for number, row in zip(rows.tolist(), catalogue[rows])
        if number not in matched
    ]
    resolved, more = combine_catalogues(parts)
    return resolved, make_problems([make_problems(missing), *repeated, more])


class _NothingError(AgnError):
    """A query that found nothing."""


def _ask_skyserver(sql, name, folder, release, base_url, limits, fresh):
    """The table that a query gives; _NothingError where it is empty."""
    from astroquery.sdss import SDSSClass

    form = SDSSClass().query_sql_async(sql, data_release=release, get_query_payload=True)
    suffixes = {"OLD": range(10), "10": [10], "NEW": range(11, 1000)}
    key = next(key for key, releases in suffixes.items() if release in releases)
    suffix = getattr(SDSSClass, f"QUERY_URL_SUFFIX_DR_{key}").format(dr=release)
    url = f"{base_url}{suffix}?{urlencode(form)}"
    parse = partial(parse_answer, name=name)
    table = download_list(url, folder, parse=parse, key=name, limits=limits, fresh=fresh)
    if table is None:
        raise _NothingError(f"{name} found no object in DR{release}; ask for a wider range.")
    return table
