"""`agn classify`: types of spectra, by a trained model."""

import logging
import os
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..errors import AgnError
from ..limits import summarise_error
from ..locks import sweep_unfinished
from ..runs import SYNTHETIC, find_project, run_folders
from .bulk_commands import classify_into_folder
from .messages import complete_run, format_table, report_kinds, show_progress

logger = logging.getLogger(__name__)

# Letters of a name in a figure's title: what is longer would leave no room for the spectrum.
_LONGEST_TITLE = 80


def classify_files(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…|FOLDER", help="Spectra; agn formats lists what is read.")
    ],
    run: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            autocompletion=complete_run,
            help="Run whose model is used. 'general' is trained on simulated spectra of every kind, now "
            "where there is none yet; 'synthetic' on the paper's selection.",
        ),
    ] = "general",
    redshift: Annotated[
        float | None,
        typer.Option(
            metavar="Z",
            help="Redshift of the spectra; goes before that of a file, behind that of an index.csv beside it "
            "(columns file, redshift).",
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="ROLE=NAME,…",
            help="Which column is what, where files do not tell: flux=NAME,error=NAME, also with a [unit].",
        ),
    ] = None,
    medium: Annotated[
        str | None,
        typer.Option(
            metavar="air|vacuum", help="What wavelengths were measured in; goes before what files say."
        ),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Draw a summary page of each spectrum, too, with an index.html; in a folder keep the maps "
            "as arrays.",
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Predict types also of spectra whose Hβ was not observed.")
    ] = False,
    output: Annotated[
        str,
        typer.Option(
            metavar="FILE|DIR/",
            help="Table of the results: .ecsv, .csv, .fits or .parquet; or a folder, for many spectra, with "
            "a slash at its end.",
        ),
    ] = "classified.ecsv",
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", help="Into a folder, by so many processes of this machine (Dask)."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Into a folder, by the Dask cluster with that scheduler."),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew in a folder that holds results already.")
    ] = False,
):
    """Give spectra their types, with probabilities.

    Columns: name, redshift, p_type1, p_intermediate, p_type2, predicted, snr, unobserved (share of the
    wavelengths), missing_lines (less than half observed), reason (where predicted is "undetermined"),
    log_odds_error (left by what was not observed), p_low and p_high (of the most probable type, over other
    surveys to train on; where the model has them), prediction_set (for 95 % of spectra like the training
    sample it holds the true type; of an undetermined one also all types of 5 % or more), novelty,
    unlike_training (novelty above 1), unlike_in (features, continuum or lines), ra, dec, class, zwarning (of
    the file's pipeline; -1: unknown), assumptions (made in reading the file, joined by "; ").
    Rejected files are listed with their reasons in a table of the same name with _rejected added; summary
    pages, with saliency maps, are drawn in a folder of the same name with _saliency added, whose index.html
    lists them with what is to be doubted.

    Into a folder results go as Parquet files, a partition of 2000 spectra each, with fluxes and attributions;
    the same command goes on where an earlier one stopped. agn summarise DIR says what it holds.

    In CSV, text that a spreadsheet would take for a formula has an apostrophe before it.

    Exit code: 0, 1 where nothing was classified or for another error, 2 for a wrong command line, 3 where
    some files were rejected and the others classified, 130 for Ctrl-C.
    """
    from ..bulk import check_folder
    from ..classifier import join_parts
    from ..files import check_writable, table_format
    from ..spectra import parse_columns, read_spectra

    if all(not path.exists() for path in files):
        raise AgnError(f"{files[0]} does not exist; name an existing file or folder.")
    into_folder = workers is not None or scheduler is not None or output.endswith(("/", os.sep))
    place = Path(output)
    if into_folder:
        check_folder(place)
    else:
        table_format(place)
    if redshift is not None and not -1 < redshift < float("inf"):
        raise AgnError(
            f"redshift must be greater than -1 and finite; got {redshift}. Give another --redshift."
        )
    reading: dict = {
        "redshift": redshift,
        "columns": parse_columns(columns) if columns else None,
        "medium": medium,
    }
    if into_folder:
        options = {"explain": "arrays" if explain else True, "force": force, "restart": restart, **reading}
        classify_into_folder(files, _find_model(run), place, workers=workers, scheduler=scheduler, **options)
        return
    check_writable(place)
    spectra = read_spectra(files, **reading)
    model = _find_model(run)
    folder = place.with_name(f"{place.stem}_saliency") if explain else None
    if folder is not None:
        sweep_unfinished(folder)
    parts, entries, undrawn = _classify(spectra, model, folder, force=force)
    table, rejected = join_parts(parts, model, run=run)
    report_kinds("error", [(str(row["file"]), str(row["reason"])) for row in rejected])
    _write_results(table, rejected, place)
    if entries:
        from ..reports import write_gallery

        survey = str(table.meta["survey"])
        print(f"Summary pages: {write_gallery(folder, entries, title=place.stem, survey=survey)}")
    if undrawn:
        raise AgnError(f"{len(undrawn)} summary pages could not be drawn; the table is whole. {undrawn[0]}")
    if len(rejected):
        raise typer.Exit(3)


def _classify(spectra, model, folder, *, force):
    """Classify chunk after chunk, and draw into `folder` where there is one.

    Returns the chunks, what the index of the pages says, and why some pages could not be drawn.
    """
    from ..classifier import classify_spectra

    parts, entries, undrawn = [], [], []
    for part in classify_spectra(show_progress(spectra, desc="classify", unit="spectra"), model, force=force):
        if folder is not None and not undrawn:
            entries += _draw_pages(part, model, folder, undrawn)
        # The spectra themselves would not fit into memory, were there a million.
        parts.append(part._replace(sample=None))
    return parts, entries, undrawn


# How columns of numbers begin that are written to so many digits: more would be noise.
_COMPUTED = ("redshift", "p_", "snr", "unobserved", "log_odds_error", "novelty")
_DIGITS = 8


def _write_results(table, rejected, output):
    """Write both tables and say what they hold; AgnError where nothing was classified."""
    from ..classifier import UNDETERMINED, describe_doubts
    from ..files import write_table
    from ..lines import AGN_TYPES

    for name in table.colnames:
        if name.startswith(_COMPUTED) and table[name].dtype.kind == "f":
            table[name] = [float(f"{value:.{_DIGITS}g}") for value in table[name]]
    rejected_path = output.with_name(f"{output.stem}_rejected{output.suffix}")
    if len(table):
        write_table(table, output)
    write_table(rejected, rejected_path)
    if not len(table):
        left = f" {output} is of an earlier call." if output.exists() else ""
        raise AgnError(f"no spectrum could be classified; the reasons are in {rejected_path}.{left}")
    for line in format_table(_choose_columns(table)):
        print(line)
    names = [*AGN_TYPES, *([UNDETERMINED] if UNDETERMINED in table["predicted"] else [])]
    counts = {name: int((table["predicted"] == name).sum()) for name in names}
    said = ", ".join(f"{n} {name}" for name, n in counts.items() if n)
    print(f"{len(table)} spectr{'um' if len(table) == 1 else 'a'}: {said}. Table: {output}")
    for line in describe_doubts(table):
        print(line)
    if len(rejected):
        print(f"{len(rejected)} rejected; the reasons are in {rejected_path}.", file=sys.stderr)


def _choose_columns(table):
    """What the screen shows of the table of types: name, type, probability, and what doubts there are."""
    from ..lines import AGN_TYPES

    best = [max(row[f"p_{each.key}"] for each in AGN_TYPES.values()) for row in table]
    columns = {
        "name": [str(name) for name in table["name"]],
        "type": [str(name) for name in table["predicted"]],
        "P": [f"{value:.3f}" for value in best],
    }
    if "prediction_set" in table.colnames:
        sets = [str(names).split("|") for names in table["prediction_set"]]
        columns["may be"] = [" or ".join(names) if len(names) > 1 else "" for names in sets]
    if "unlike_training" in table.colnames:
        parts = table["unlike_in"] if "unlike_in" in table.colnames else [""] * len(table)
        words = [str(part).replace("|", ", ") or "yes" for part in parts]
        columns["unlike training"] = [
            each if is_so else "" for each, is_so in zip(words, table["unlike_training"])
        ]
    return columns


def _draw_pages(part, model, folder, undrawn):
    """Draw each spectrum's summary page for its most probable type, into a file of its name.

    Returns what an index says of each; why some could not be drawn is added to `undrawn`, since the table
    of the results does not depend on figures.
    """
    # Only those who want figures wait for matplotlib, the first time for its list of fonts.
    import matplotlib.pyplot as plt
    import numpy as np

    from ..classifier import UNDETERMINED
    from ..files import name_file
    from ..lines import AGN_TYPES
    from ..plotting import closing_figures, plot_summary_page, save_figure
    from ..reports import describe_doubt, describe_verdict
    from ..saliency import measure_lines

    if not len(part.table):
        return []
    attribution, entries = model.explain(part.sample), []
    measured = measure_lines(attribution.values, grid=model.grid).to_frame(name=range(len(part.table)))
    with plt.style.context("agn_helpers.agn"), warnings.catch_warnings():
        # Names may hold letters that the font has not.
        warnings.filterwarnings("ignore", message="Glyph")
        rows = show_progress(part.table, desc="summary pages", unit="pages", total=len(part.table))
        for number, row in enumerate(rows):
            facts = dict(zip(part.table.colnames, row))
            doubts = describe_doubt(facts)
            if row["predicted"] == UNDETERMINED:
                doubts.insert(0, f"Undetermined: {row['reason']}.")
            file = name_file(row["name"], ".png")
            try:
                with closing_figures():
                    page = plot_summary_page(
                        replace(attribution[number], name=np.array([str(row["name"])[:_LONGEST_TITLE]])),
                        probabilities={name: row[f"p_{each.key}"] for name, each in AGN_TYPES.items()},
                        statistics=measured[measured["name"] == number].drop(columns="name"),
                        redshift=row["redshift"],
                        doubts=doubts,
                    )
                    save_figure(page, folder / file)
            except Exception as error:
                logger.debug("%s was not drawn", row["name"], exc_info=error)
                undrawn.append(summarise_error(error))
            else:
                entries.append((str(row["name"]), file, describe_verdict(facts), doubts))
    return entries


def _find_model(run):
    """The model of a run; the general one is trained where there is none yet."""
    from ..classifier import load_model
    from ..tuning import GENERAL, find_general

    project = find_project()
    path = run_folders(run, root=project).data / "model.skops"
    if run == GENERAL:
        if not path.is_file():
            print("The general model is trained first, on simulated spectra: a minute.", file=sys.stderr)
        return find_general(root=project)
    if not path.is_file():
        survey = "" if run == SYNTHETIC else f" --run {run} --survey FOLDER"
        raise AgnError(f"{path} does not exist; train it with: agn reproduce{survey}.")
    return load_model(path)
