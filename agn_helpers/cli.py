"""The command line: `agn fetch`, `agn reproduce` and `agn classify`; thin, the work is done elsewhere.

Exit codes: 0 all went well; 1 an error, no half-written file under a final name; 2 a wrong command line;
3 some files were rejected and the others classified; 130 interrupted (Ctrl-C).
"""

import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from .cli_explore import explore
from .cli_fetch import fetch
from .errors import AgnError

# Everything else is imported where it is used: help, and errors of typing, should not wait for it.

_SYNTHETIC = "synthetic"
_MOST_LINES = 50

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True
)
app.command()(fetch)
app.command()(explore)


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Without the program's name; that of the process by default.

    Returns
    -------
    int
        The exit code.
    """
    argv = sys.argv[1:] if argv is None else argv
    try:
        app(_join_parameters(argv), prog_name="agn")
    except AgnError as error:
        # Only unforeseen failures of a notebook's cell come with one.
        if getattr(error, "traceback", ""):
            print(error.traceback, file=sys.stderr)
        _report("error", error)
        return 1
    except SystemExit as stop:
        if stop.code == 130:
            _report("interrupted", "every file under its final name is whole; the rest was not written.")
        return stop.code or 0
    except KeyboardInterrupt:
        return 130
    return 0


def find_project():
    """Folder of notebooks/, data/ and figures/.

    Returns
    -------
    Path
        The current folder where it holds numbered notebooks, else the checkout that this package runs
        from, else the current folder.
    """
    here = Path.cwd()
    for folder in (here, Path(__file__).resolve().parent.parent):
        if any(folder.glob("notebooks/01_*.ipynb")):
            return folder
    return here


def _print_version(wanted: bool):
    if wanted:
        print(metadata.version("agn-helpers"))
        raise typer.Exit


@app.callback()
def _explain_program(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Say it and stop.")
    ] = False,
):
    """Which parts of a galaxy's spectrum made a classifier call it a type 1, type 2 or intermediate AGN?"""


@app.command()
def reproduce(
    survey: Annotated[
        str,
        typer.Option(
            metavar="synthetic|sdss|FOLDER|TABLE",
            help="The embedded survey, what agn fetch brought, a folder of spectra with an index.csv "
            "(columns file, redshift, label), or such a table.",
        ),
    ] = _SYNTHETIC,
    run: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of the run; that of the survey, FOLDER or TABLE by default."),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "-p", "--parameter", metavar="NAME VALUE", help="A notebook's parameter; may be repeated."
        ),
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="01,02", help="Run only these notebooks, on the others' outputs.")
    ] = None,
):
    """Run the notebooks in order: tables, figures, executed notebooks and HTML pages.

    They are written to data/NAME and figures/NAME in the project: the current folder where it holds
    notebooks/, else the checkout that this program was installed from.

    Exit code: 0, 1 at the first failing cell or another error, 2 for a wrong command line, 130 for Ctrl-C.
    """
    from .batch import run_notebooks
    from .surveys import SDSS, open_survey

    project = find_project()
    if survey == SDSS:
        run = run or SDSS
        open_survey(survey, root=project)
    elif survey != _SYNTHETIC:
        survey = Path(survey).expanduser().resolve()
        run = run or _name_run(survey)
        if run == _SYNTHETIC:
            raise AgnError(
                f"run {_SYNTHETIC} is kept for the embedded survey; give another --run for {survey}."
            )
        # What is wrong with it as a whole is said before the first notebook runs.
        open_survey(survey)
    run = run or _SYNTHETIC
    paths = run_notebooks(
        project / "notebooks",
        project=project,
        run=run,
        survey=survey,
        parameters=dict(_split_parameter(pair) for pair in parameter or []),
        only=[name.strip() for name in only.split(",")] if only else None,
    )
    print(f"Executed notebooks and HTML pages: {paths[0].parent}")


@app.command()
def classify(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…|FOLDER", help="Spectra: SDSS spec or spSpec, text, CSV.")
    ],
    run: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Run whose model is used; 'synthetic' is trained where it has none yet."
        ),
    ] = _SYNTHETIC,
    redshift: Annotated[
        float | None,
        typer.Option(
            metavar="Z",
            help="Redshift of spectra that have none in their file, nor in an index.csv beside it (columns "
            "file, redshift).",
        ),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Draw a saliency map of each spectrum, too.")
    ] = False,
    output: Annotated[
        Path, typer.Option(metavar="FILE", help="Table of the results: .ecsv, .csv, .fits or .parquet.")
    ] = Path("classified.ecsv"),
):
    """Give spectra their types, with probabilities.

    Columns: name, redshift, p_type1, p_intermediate, p_type2, predicted, snr, prediction_set (for 95 %
    of spectra like the training sample it holds the true type), novelty, unlike_training (novelty above 1).
    Rejected files are listed with their reasons in a table of the same name with _rejected added, saliency
    maps are drawn in a folder of the same name with _saliency added.

    Exit code: 0, 1 where nothing was classified or for another error, 2 for a wrong command line, 3 where
    some files were rejected and the others classified, 130 for Ctrl-C.
    """
    from tqdm import tqdm

    from .files import check_writable, table_format, write_table
    from .inference import classify_spectra, describe_doubts, draw_saliency, join_parts
    from .surveys import read_spectra

    table_format(output)
    if redshift is not None and not -1 < redshift < float("inf"):
        raise AgnError(
            f"redshift must be greater than -1 and finite; got {redshift}. Give another --redshift."
        )
    check_writable(output)
    spectra = read_spectra(files, redshift=redshift)
    model = _find_model(run)

    parts, n_rejected = [], 0
    progress = tqdm(spectra, desc="classify", unit=" spectra", delay=2, disable=None)
    for part in classify_spectra(progress, model):
        for row in part.rejected[: max(0, _MOST_LINES - n_rejected)]:
            _report("error", row["reason"], file=row["file"])
        n_rejected += len(part.rejected)
        if explain:
            draw_saliency(part, model, output.with_name(f"{output.stem}_saliency"))
        # The spectra themselves would not fit into memory, were there a million.
        parts.append(part._replace(sample=None))

    table, rejected = join_parts(parts, model, run=run)
    rejected_path = output.with_name(f"{output.stem}_rejected{output.suffix}")
    if not len(table):
        write_table(rejected, rejected_path)
        left = f" {output} is of an earlier call." if output.exists() else ""
        raise AgnError(f"no spectrum could be classified; the reasons are in {rejected_path}.{left}")
    write_table(table, output)
    write_table(rejected, rejected_path)
    counts = ", ".join(
        f"{(table['predicted'] == name).sum()} {name}" for name in ("type 1", "intermediate", "type 2")
    )
    print(f"{len(table)} spectra: {counts}. Table: {output}")
    for line in describe_doubts(table):
        print(line)
    if n_rejected:
        print(f"{n_rejected} rejected; the reasons are in {rejected_path}.", file=sys.stderr)
        raise typer.Exit(3)


def _join_parameters(argv):
    """Make `-p NAME VALUE` one option, `-p NAME=VALUE`, since typer knows no repeated pairs."""
    arguments, joined = list(argv), []
    while arguments:
        argument = arguments.pop(0)
        joined.append(argument)
        if argument in ("-p", "--parameter") and len(arguments) >= 2 and "=" not in arguments[0]:
            joined.append(f"{arguments.pop(0)}={arguments.pop(0)}")
    return joined


def _split_parameter(pair):
    name, equals, value = pair.partition("=")
    if not equals:
        raise typer.BadParameter(f"give a value after the name, as in -p {name} VALUE.", param_hint="-p")
    return name, value


def _report(kind, message, *, file=""):
    message = " ".join(str(message).split())
    if file and Path(file).name not in message:
        message = f"{file}: {message}"
    print(f"{kind}: {message}", file=sys.stderr)


def _name_run(survey):
    """Name of a run after the folder or table of its spectra; a table called index is known by its folder."""
    name = survey.parent.name if survey.stem == "index" else survey.stem if survey.suffix else survey.name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._") or "run"


def _find_model(run):
    from .models import load_model
    from .runs import run_folders

    project = find_project()
    path = run_folders(run, root=project).data / "model.skops"
    if not path.is_file():
        if run != _SYNTHETIC:
            raise AgnError(
                f"{path} does not exist; train it with: agn reproduce --run {run} --survey FOLDER."
            )
        from .batch import run_notebooks

        print(
            "The default model is trained first, on the embedded survey: notebooks 01 and 02.",
            file=sys.stderr,
        )
        run_notebooks(project / "notebooks", project=project, only=["01", "02"])
    return load_model(path)
