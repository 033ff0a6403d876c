"""`agn fetch`: from a published list to verified spectra on disk."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..errors import AgnError
from .messages import MOST_LINES


def fetch_list(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="paper|FILE|vizier:ID|sql:NAME",
            show_default=False,
            help="The paper's lists; a list of your own (CSV, FITS, VOTable … with plate, mjd, fiberid, or "
            "ra, dec, or specid, dataset); a catalogue of VizieR; a query of SkyServer: sql:type1, "
            "sql:type2, sql:composite, or SQL.",
        ),
    ] = None,
    release: Annotated[int, typer.Option(metavar="N", help="SDSS data release, 7 to 20.")] = 17,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="At most so many objects of each type.")
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="TYPE", help="Type of the objects that the list gives none.")
    ] = None,
    redshift: Annotated[
        tuple[float, float] | None, typer.Option(metavar="LOW HIGH", help="Range of a query sql:NAME.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where spectra go; data/sdss/spectra by default.")
    ] = None,
    mirror: Annotated[
        str | None, typer.Option(metavar="URL", help="Address that stands in for the archives of spectra.")
    ] = None,
    list_mirror: Annotated[
        str | None, typer.Option(metavar="URL", help="Address that stands in for the sources of lists.")
    ] = None,
    workers: Annotated[int, typer.Option(metavar="N", min=1, help="Connections at once, at most 16.")] = 8,
    fresh: Annotated[
        bool,
        typer.Option(
            "--fresh",
            help="Forget the lists fetched before and ask for this one anew; spectra on disk are kept.",
        ),
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Compare the spectra on disk with what was fetched; no network.")
    ] = False,
):
    """Bring the spectra of a list to disk, verified; what is there is not fetched again.

    Several lists add up to one survey, which agn reproduce --survey sdss takes. Interrupted or failed, the
    same command goes on where it ended.

    Exit code: 0, 1 where there is no spectrum or for another error, 2 for a wrong command line, 3 where some
    spectra are missing or damaged and the others there, 130 for Ctrl-C.
    """
    from ..runs import SDSS_CACHE, find_project

    default = find_project() / SDSS_CACHE
    folder = default if cache is None else cache.expanduser()
    if check:
        _check(folder)
        return
    if source is None:
        raise typer.BadParameter("name a list, as in agn fetch paper.", param_hint="source")

    from ..archive import (
        RECORDS,
        SKYSERVER,
        check_base,
        fetch_spectra,
        limit_catalogue,
        list_urls,
        make_problems,
        resolve_positions,
    )

    list_urls(1, 1, 1, release=release)
    list_mirror = None if list_mirror is None else check_base(list_mirror)
    lists = folder / RECORDS / "lists"
    options = {"fresh": fresh, "folder": lists}
    catalogue, problems = _find_list(
        source, release=release, label=label, redshift=redshift, limit=limit, mirror=list_mirror, **options
    )
    catalogue = limit_catalogue(catalogue, limit) if limit else catalogue
    positions = resolve_positions(
        catalogue, release=max(release, 8), base_url=list_mirror or SKYSERVER, **options
    )
    catalogue, problems = positions[0], make_problems([problems, positions[1]])
    _print_list(source, catalogue, problems)
    report = fetch_spectra(
        catalogue,
        folder,
        release=release,
        workers=workers,
        mirror=mirror,
        problems=problems,
        fresh=fresh,
    )
    _print_report(report, problems, folder, "sdss" if cache is None else folder)


def _find_list(source, *, folder, release, label, redshift, limit, mirror, fresh):
    from ..archive import (
        PAPER_LISTS,
        SKYSERVER,
        VIZIER,
        paper_catalogue,
        read_catalogue,
        skyserver_catalogue,
        vizier_catalogue,
    )

    kind, colon, name = source.partition(":")
    options = {"fresh": fresh}
    if redshift is not None and kind != "sql":
        raise AgnError(f"--redshift is for queries such as sql:type1; got it for {source}. Leave it out.")
    if source == "paper":
        return paper_catalogue(folder, base_url=mirror or PAPER_LISTS, vizier_url=mirror or VIZIER, **options)
    if colon and kind == "vizier":
        return vizier_catalogue(name, folder, label=label, base_url=mirror or VIZIER, **options)
    if colon and kind == "sql":
        if " " not in name.strip():
            options |= {"limit": limit} | ({"redshift": redshift} if redshift else {})
        elif redshift:
            raise AgnError("--redshift is for the ready queries; write the range into the SQL.")
        return skyserver_catalogue(
            name, folder, label=label, release=max(release, 8), base_url=mirror or SKYSERVER, **options
        )
    return read_catalogue(Path(source).expanduser(), label=label)


def _print_list(source, catalogue, problems):
    labels = catalogue["label"].tolist()
    counts = ", ".join(f"{labels.count(name)} {name or 'without a type'}" for name in sorted(set(labels)))
    print(f"{source}: {_count(len(labels))}{': ' if counts else ''}{counts}.")
    reasons = [row["reason"] for row in problems]
    if "" in labels:
        reasons.append(f"{_count(labels.count(''))} without a type will teach nothing; give it with --label.")
    _print_lines("list", reasons, "of the list's rows")


def _count(number):
    return f"{number} object" if number == 1 else f"{number} objects"


def _print_report(report, problems, folder, survey):
    for row in report.changed:
        print(
            f"changed: {row['name']} has sha256 {row['now'][:12]}…; it had {row['before'][:12]}… when it was "
            "fetched before.",
            file=sys.stderr,
        )
    _print_lines("list", report.conflicts["reason"], "conflicts with earlier lists")
    _print_lines("error", report.missing["reason"], "missing spectra")
    kept, fetched = (report.counts.get(outcome, 0) for outcome in ("kept", "verified"))
    print(
        f"{kept + fetched} spectra in {folder}: {fetched} fetched now ({report.size / 1e6:.1f} MB), {kept} "
        "were there."
    )
    n_missing = len(report.missing) + sum(problems["kind"] == "unusable")
    if n_missing:
        print(
            f"{n_missing} missing; the reasons are in {folder / 'records' / 'missing.csv'}.", file=sys.stderr
        )
    if not kept + fetched:
        raise AgnError("no spectrum could be had; the reasons are above.")
    print(f"Next: agn reproduce --survey {survey}")
    if n_missing:
        raise typer.Exit(3)


def _check(folder):
    from ..archive import check_cache

    n_good, damaged = check_cache(folder)
    _print_lines("error", damaged["reason"], "damaged spectra")
    print(f"{n_good} spectra in {folder} are what was fetched; {len(damaged)} are not.")
    if len(damaged):
        raise typer.Exit(3)


def _print_lines(kind, reasons, what):
    """The first lines on standard error: a million of them would help nobody."""
    for reason in list(reasons[:MOST_LINES]):
        # What servers say must not steer a terminal.
        line = "".join(letter for letter in " ".join(str(reason).split()) if letter.isprintable())
        print(f"{kind}: {line}", file=sys.stderr)
    if len(reasons) > MOST_LINES:
        print(f"{kind}: and {len(reasons) - MOST_LINES} more {what}.", file=sys.stderr)
