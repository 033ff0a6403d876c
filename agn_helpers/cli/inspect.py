"""`agn inspect` and `agn formats`: what a file holds, how it would be read, and what can be."""

from pathlib import Path
from typing import Annotated

import typer

from ..errors import AgnError


def inspect_spectrum(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A spectrum, or a file of many.")],
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="ROLE=NAME,…", help="Which column is what: flux=NAME,error=NAME, also with a [unit]."
        ),
    ] = None,
    medium: Annotated[
        str | None, typer.Option(metavar="air|vacuum", help="What the wavelengths were measured in.")
    ] = None,
):
    """Print what is found in a file, what each part is taken for, and how it would be read.

    Exit code: 0 where it can be read, 1 where not; the reason stands below the table.
    """
    from ..spectra import inspect_file, parse_columns

    found = inspect_file(file, columns=parse_columns(columns) if columns else None, medium=medium)
    for table in (found.columns, found.spectra):
        if len(table):
            for line in table.pformat(max_lines=60, max_width=-1, align="<"):
                print(line.rstrip())
            print()
    for note in found.assumptions:
        print(f"assumed: {note}")
    if found.problem:
        raise AgnError(found.problem)


def print_formats():
    """List the kinds of spectra that are read, with the medium and the mask that are usual for them.

    "Medium" is what wavelengths are taken to be in where the file does not say; --medium goes before it.
    """
    from ..limits import LARGEST_FILE, LARGEST_TEXT, LONGEST_LINE, MOST_COLUMNS, MOST_HEADER_LINES
    from ..spectra import list_formats

    for line in list_formats().pformat(max_lines=-1, max_width=-1, align="<"):
        print(line.rstrip())
    print(
        "All of them also as .gz, .bz2, .xz and, for FITS, .fz. A file of many spectra gives many. "
        "agn inspect FILE says what is found in a file."
    )
    print(
        f"Limits: regular files of at most {LARGEST_FILE >> 20} MB, unpacked, "
        f"text of {LARGEST_TEXT >> 20} MB; "
        f"{MOST_COLUMNS} columns (FITS: 999), {MOST_HEADER_LINES} lines of a header or comments, "
        f"{LONGEST_LINE} letters a line. Tables must hold what their headers promise."
    )
