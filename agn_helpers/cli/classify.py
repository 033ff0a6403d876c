"""`agn classify`: types of spectra, by a trained model."""

import logging
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from ..errors import AgnError
from ..limits import summarise_error
from ..locks import sweep_unfinished
from ..runs import SYNTHETIC, find_project, run_folders
from .bulk_commands import classify_into_folder
from .messages import MOST_LINES, report

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
            help="Draw a saliency map of each spectrum, too; in a folder keep attributions as arrays.",
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Predict types also of spectra whose Hβ was not observed.")
    ] = False,
    output: Annotated[
        Path,
        typer.Option(
            metavar="FILE|DIR/",
            help="Table of the results: .ecsv, .csv, .fits or .parquet; or a folder, for many spectra.",
        ),
    ] = Path("classified.ecsv"),
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
    Rejected files are listed with their reasons in a table of the same name with _rejected added, saliency
    maps are drawn in a folder of the same name with _saliency added.

    Into a folder results go as Parquet files, a partition of 2000 spectra each, with fluxes and attributions;
    the same command goes on where an earlier one stopped. agn summarise DIR says what it holds.

    In CSV, text that a spreadsheet would take for a formula has an apostrophe before it.

    Exit code: 0, 1 where nothing was classified or for another error, 2 for a wrong command line, 3 where
    some files were rejected and the others classified, 130 for Ctrl-C.
    """
    from ..classifier import join_parts
    from ..files import check_writable, table_format
    from ..spectra import parse_columns, read_spectra

    into_folder = workers is not None or scheduler is not None or not output.suffix or output.is_dir()
    if not into_folder:
        table_format(output)
    if redshift is not None and not -1 < redshift < float("inf"):
        raise AgnError(
            f"redshift must be greater than -1 and finite; got {redshift}. Give another --redshift."
        )
    reading = {
        "redshift": redshift,
        "columns": parse_columns(columns) if columns else None,
        "medium": medium,
    }
    if into_folder:
        options = {"explain": "arrays" if explain else True, "force": force, "restart": restart, **reading}
        classify_into_folder(files, _find_model(run), output, workers=workers, scheduler=scheduler, **options)
        return
    check_writable(output)
    spectra = read_spectra(files, **reading)
    model = _find_model(run)
    folder = output.with_name(f"{output.stem}_saliency") if explain else None
    if folder is not None:
        sweep_unfinished(folder)
    parts, undrawn = _classify(spectra, model, folder, force=force)
    table, rejected = join_parts(parts, model, run=run)
    _write_results(table, rejected, output)
    if undrawn:
        raise AgnError(f"{len(undrawn)} saliency maps could not be drawn; the table is whole. {undrawn[0]}")
    if len(rejected):
        raise typer.Exit(3)


def _classify(spectra, model, folder, *, force):
    """Classify chunk after chunk; report what is rejected, and draw into `folder` where there is one.

    Returns the chunks, and why some saliency maps could not be drawn.
    """
    from tqdm import tqdm

    from ..classifier import classify_spectra

    parts, n_rejected, undrawn = [], 0, []
    progress = tqdm(spectra, desc="classify", unit=" spectra", delay=2, disable=None)
    for part in classify_spectra(progress, model, force=force):
        for row in part.rejected[: max(0, MOST_LINES - n_rejected)]:
            report("error", row["reason"], file=row["file"])
        n_rejected += len(part.rejected)
        if folder is not None and not undrawn:
            undrawn += _draw_saliency(part, model, folder)
        # The spectra themselves would not fit into memory, were there a million.
        parts.append(part._replace(sample=None))
    return parts, undrawn


def _write_results(table, rejected, output):
    """Write both tables and say what they hold; AgnError where nothing was classified."""
    from ..classifier import UNDETERMINED, describe_doubts
    from ..files import write_table
    from ..lines import AGN_TYPES

    rejected_path = output.with_name(f"{output.stem}_rejected{output.suffix}")
    if len(table):
        write_table(table, output)
    write_table(rejected, rejected_path)
    if not len(table):
        left = f" {output} is of an earlier call." if output.exists() else ""
        raise AgnError(f"no spectrum could be classified; the reasons are in {rejected_path}.{left}")
    names = [*AGN_TYPES, *([UNDETERMINED] if UNDETERMINED in table["predicted"] else [])]
    counts = ", ".join(f"{(table['predicted'] == name).sum()} {name}" for name in names)
    print(f"{len(table)} spectra: {counts}. Table: {output}")
    for line in describe_doubts(table):
        print(line)
    if len(rejected):
        print(f"{len(rejected)} rejected; the reasons are in {rejected_path}.", file=sys.stderr)


def _draw_saliency(part, model, folder):
    """Draw each spectrum's saliency map for its most probable type, into a file of its name.

    Returns why some could not be drawn; the table of the results does not depend on figures.
    """
    # Only those who want figures wait for matplotlib, the first time for its list of fonts.
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure

    from ..files import name_file
    from ..lines import AGN_TYPES
    from ..plotting import DOUBLE_COLUMN, save_figure

    if not len(part.table):
        return []
    undrawn = []
    attribution = model.explain(part.sample)
    survey = None if attribution.survey == "unknown" else attribution.survey
    with plt.style.context("agn_helpers.agn"), warnings.catch_warnings():
        # Names may hold letters that the font has not.
        warnings.filterwarnings("ignore", message="Glyph")
        for number, row in enumerate(part.table):
            target = attribution.target[number]
            probability = row[f"p_{AGN_TYPES[target].key}"]
            p = "P" if row["predicted"] == target else f"P({target})"
            type_and_p = f"{row['predicted']}, {p} = {probability:.3f}"
            try:
                ax = attribution.plot(
                    number,
                    title=f"{row['name'][:_LONGEST_TITLE]}, z = {row['redshift']:.4f}: {type_and_p}",
                    ax=Figure(figsize=(DOUBLE_COLUMN, 2.9)).subplots(),
                )
                save_figure(ax, folder / name_file(row["name"], ".png"), survey=survey)
            except Exception as error:
                logger.debug("%s was not drawn", row["name"], exc_info=error)
                undrawn.append(summarise_error(error))
    return undrawn


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
