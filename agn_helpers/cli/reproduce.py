"""`agn reproduce`: the notebooks of a run, in order."""

from pathlib import Path
from typing import Annotated

import typer

from ..errors import AgnError
from ..runs import SDSS, SYNTHETIC, find_project, name_run


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
        str | None, typer.Option(metavar="01,02", help="Run only these notebooks, on the others' outputs.")
    ] = None,
):
    """Run the notebooks in order: tables, figures, executed notebooks and HTML pages.

    They are written to data/NAME and figures/NAME in the project: the current folder where it holds
    notebooks/, else the checkout that this program was installed from.

    Exit code: 0, 1 at the first failing cell or another error, 2 for a wrong command line, 130 for Ctrl-C.
    """
    from ..survey import open_survey
    from .batch import run_notebooks

    project = find_project()
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
        only=[name.strip() for name in only.split(",")] if only else None,
    )
    print(f"Executed notebooks and HTML pages: {paths[0].parent}")


def _split_parameter(pair):
    """Name and value of NAME=VALUE."""
    name, equals, value = pair.partition("=")
    if not equals:
        raise typer.BadParameter(f"give a value with the name, as in -p {name}=VALUE.", param_hint="-p")
    return name, value
