"""`agn reproduce` and `agn explore`: the notebooks of a run in order, and the picker on what they wrote."""

import os
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from ..errors import AgnError
from ..locks import scratch_folder
from ..runs import SDSS, SYNTHETIC, find_project, list_notebooks, name_run, run_folders
from .messages import complete_run


def reproduce_run(
    survey: Annotated[
        str,
        typer.Option(
            metavar="synthetic|sdss|FOLDER|TABLE",
            help="The simulated survey, what agn fetch brought, a folder of spectra with an index.csv "
            "(columns file, redshift, label), or such a table.",
        ),
    ] = SYNTHETIC,
    run: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of the run; that of the survey, FOLDER or TABLE by default."),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "-p", "--parameter", metavar="NAME=VALUE", help="A notebook's parameter; may be repeated."
        ),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(metavar="1,2", help="Run only these notebooks, on what the others wrote before."),
    ] = None,
    figures: Annotated[
        str, typer.Option(metavar="pdf,svg", help="Formats of all figures beside PNG, for journals.")
    ] = "",
):
    """Run the notebooks in order: tables, figures, executed notebooks, and a report to begin with.

    They are written to data/NAME and figures/NAME in the project: the current folder where it holds
    notebooks/, else the checkout that this program was installed from.

    Exit code: 0, 1 at the first failing cell or another error, 2 for a wrong command line, 130 for Ctrl-C.
    """
    project = find_project()
    # A wrong number is told at once, before a second goes into imports.
    chosen = [name.strip() for name in only.split(",")] if only else None
    list_notebooks(project / "notebooks", only=chosen)
    from ..survey import open_survey
    from .batch import run_notebooks

    if figures:
        # What `plotting.save_figure` looks for in every notebook.
        os.environ["AGN_FIGURES"] = figures
    source = survey if survey in (SYNTHETIC, SDSS) else Path(survey).expanduser().resolve()
    run = run or name_run(source)
    if source != SYNTHETIC:
        if run == SYNTHETIC:
            raise AgnError(
                f"run {SYNTHETIC} is kept for the simulated survey; give another --run for {source}."
            )
        # What is wrong with it as a whole is said before the first notebook runs.
        open_survey(source, root=project)
    paths = run_notebooks(
        project / "notebooks",
        project=project,
        run=run,
        survey=source,
        parameters=dict(_split_parameter(pair) for pair in parameter or []),
        only=chosen,
    )
    print(f"Executed notebooks and HTML pages: {paths[0].parent}")
    _finish(run, project)


def report_run(
    run: Annotated[
        str, typer.Argument(metavar="[RUN]", help="Name of the run.", autocompletion=complete_run)
    ] = SYNTHETIC,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="RUN RUN", help="Put two runs side by side instead.", show_default=False),
    ] = None,
):
    """Write the report of a run anew, from what its notebooks left.

    agn reproduce ends with it; this command is for runs of earlier versions, and for two runs side by side:
    agn report --compare RUN RUN. Pages are written to data/RUN/report.

    Exit code: 0, 1 where a run has no executed notebook or for another error, 2 for a wrong command line.
    """
    project = find_project()
    if compare is None:
        _finish(run, project)
        return
    from ..reports import compare_runs

    print(f"Both runs: {compare_runs(*compare, root=project)}")


def _finish(run, project):
    """Write the report, print the key numbers, and say where to begin reading."""
    from ..reports import collect_numbers, format_numbers, write_report

    index = write_report(run, root=project)
    for line in format_numbers(collect_numbers(index.parents[1] / "tables")):
        print(line)
    print(f"Report: {index}")


def _split_parameter(pair):
    """Name and value of NAME=VALUE."""
    name, equals, value = pair.partition("=")
    if not equals:
        raise typer.BadParameter(f"give a value with the name, as in -p {name}=VALUE.", param_hint="-p")
    return name, value


class Size(StrEnum):
    """The sizes of the picker."""

    auto = "auto"
    compact = "compact"
    wide = "wide"
    large = "large"


def explore_run(
    run: Annotated[
        str, typer.Option(metavar="NAME", help="Run that is explored.", autocompletion=complete_run)
    ] = SYNTHETIC,
    size: Annotated[Size, typer.Option(help="Of the picker.")] = Size.auto,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="Port; 0 for one that is free.")
    ] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page.")] = True,
):
    """Open the spectrum picker as a page of its own; Ctrl-C ends it.

    The page is served to this machine only (127.0.0.1), and only to those who have its token, which is part
    of the address that is printed.  Needs the extra explore: pip install 'agn-helpers[explore]'.

    Exit code: 0, 1 where the run has no map or Voilà is missing, 2 for a wrong command line.
    """
    from ..picker import find_run, serve_page

    if find_spec("voila") is None:
        raise AgnError("agn explore needs Voilà, which is not installed; pip install 'agn-helpers[explore]'.")
    project = find_project().resolve()
    find_run(run, root=project)
    with scratch_folder() as folder:
        parameters = {"run": run, "root": str(project), "size": size.value}
        data = run_folders(run, root=project).data
        serve_page(folder, parameters, data=data, port=port, browser=browser)
