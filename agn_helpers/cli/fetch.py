"""`agn fetch`: from a published list to verified spectra, or images, on disk; `agn check`: are they so?"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..errors import AgnError
from ..runs import FIRST_CACHE, SDSS, SDSS_CACHE, find_project
from .messages import report, report_all


def fetch_list(
    source: Annotated[
        str,
        typer.Argument(
            metavar="paper|FILE|vizier:ID|sql:NAME|first",
            help="The paper's lists; a list of your own (CSV, FITS, VOTable … with plate, mjd, fiberid, or "
            "ra, dec, or specid, dataset); a catalogue of VizieR; a query of SkyServer: sql:type1, "
            "sql:type2, sql:composite, or SQL; or first, for radio images of the positions of a list.",
        ),
    ],
    positions: Annotated[
        Path | None,
        typer.Argument(metavar="[LIST]", help="After first: a table with ra, dec, perhaps name and label."),
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
        Path | None,
        typer.Option(metavar="FOLDER", help="Where they go; data/sdss/spectra, or data/first, by default."),
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
):
    """Bring the spectra of a list to disk, verified; what is there is not fetched again.

    Several lists add up to one survey, which agn reproduce --survey sdss takes. Interrupted or failed, the
    same command goes on where it ended.

    Exit code: 0, 1 where there is no spectrum or for another error, 2 for a wrong command line, 3 where some
    spectra are missing and the others there, 130 for Ctrl-C.
    """
    if source == "first":
        _fetch_images(positions, cache, mirror, workers)
        return
    if positions is not None:
        raise AgnError(f"only first takes a list after it; got {source} {positions}. Leave one out.")
    from ..archive import fetch_spectra, find_catalogue

    folder = find_project() / SDSS_CACHE if cache is None else cache.expanduser()
    catalogue, problems = find_catalogue(
        source,
        folder / "records" / "lists",
        release=release,
        label=label,
        redshift=redshift,
        limit=limit,
        mirror=list_mirror,
        fresh=fresh,
    )
    _print_list(source, catalogue, problems)
    found = fetch_spectra(
        catalogue,
        folder,
        release=release,
        workers=workers,
        mirror=mirror,
        problems=problems,
        fresh=fresh,
    )
    n_missing = _print_report(found, problems, folder)
    print(f"Next: agn reproduce --survey {SDSS if cache is None else folder}")
    if n_missing:
        raise typer.Exit(3)


def _fetch_images(path, cache, mirror, workers):
    """`agn fetch first LIST`: cut-outs of VLA FIRST."""
    from ..archive import fetch_cutouts, read_positions

    if path is None:
        raise AgnError(
            "agn fetch first needs a list of positions: agn fetch first LIST, a table with ra, dec."
        )
    folder = find_project() / FIRST_CACHE if cache is None else cache.expanduser()
    positions = read_positions(path.expanduser())
    found = fetch_cutouts(positions, folder, workers=workers, mirror=mirror)
    report_all("error", found.missing["reason"], "missing images")
    kept, fetched = (found.counts.get(outcome, 0) for outcome in ("kept", "verified"))
    print(f"{kept + fetched} images in {folder}: {fetched} fetched now, {kept} were there.")
    if not kept + fetched:
        raise AgnError("no image could be had; the reasons are above.")
    print(f"Next: agn reproduce --only 07 -p images={folder}")
    if len(found.missing):
        raise typer.Exit(3)


def check_folder(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER]",
            help="Where they were fetched to; data/sdss/spectra by default.",
            show_default=False,
        ),
    ] = None,
):
    """Compare the spectra, or the images, on disk with what was fetched; no network.

    What is damaged is fetched again by the next agn fetch that asks for it.

    Exit code: 0, 1 where nothing was fetched into the folder, 2 for a wrong command line, 3 where some
    spectra are damaged, 130 for Ctrl-C.
    """
    from ..archive import check_cache

    folder = find_project() / SDSS_CACHE if folder is None else folder.expanduser()
    n_good, damaged = check_cache(folder)
    report_all("error", damaged["reason"], "damaged files")
    print(f"{n_good} files in {folder} are what was fetched; {len(damaged)} are not.")
    if len(damaged):
        raise typer.Exit(3)


def _print_list(source, catalogue, problems):
    """How many objects of each type a list has, and what is wrong with it."""
    labels = catalogue["label"].tolist()
    counts = ", ".join(f"{labels.count(name)} {name or 'without a type'}" for name in sorted(set(labels)))
    print(f"{source}: {_count(len(labels))}{': ' if counts else ''}{counts}.")
    reasons = [row["reason"] for row in problems]
    if "" in labels:
        reasons.append(f"{_count(labels.count(''))} without a type will teach nothing; give it with --label.")
    report_all("list", reasons, "of the list's rows")


def _count(number):
    return f"{number} object" if number == 1 else f"{number} objects"


def _print_report(found, problems, folder):
    """What was fetched, and what was not and why; return how many spectra are missing."""
    for row in found.changed:
        before, now = row["before"][:12], row["now"][:12]
        report("changed", f"{row['name']} has sha256 {now}…; it had {before}… when it was fetched before.")
    report_all("list", found.conflicts["reason"], "conflicts with earlier lists")
    report_all("error", found.missing["reason"], "missing spectra")
    kept, fetched = (found.counts.get(outcome, 0) for outcome in ("kept", "verified"))
    megabytes = f"{found.size / 1e6:.1f} MB"
    print(f"{kept + fetched} spectra in {folder}: {fetched} fetched now ({megabytes}), {kept} were there.")
    n_missing = len(found.missing) + sum(problems["kind"] == "unusable")
    if n_missing:
        missing = folder / "records" / "missing.csv"
        print(f"{n_missing} missing; the reasons are in {missing}.", file=sys.stderr)
    if not kept + fetched:
        raise AgnError("no spectrum could be had; the reasons are above.")
    return n_missing
