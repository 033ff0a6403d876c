"""`agn explore`: the spectrum picker as a page of its own, served to this machine only."""

from enum import StrEnum
from importlib.util import find_spec
from typing import Annotated

import typer

from ..errors import AgnError
from ..locks import scratch_folder


class Size(StrEnum):
    """The sizes of the picker."""

    compact = "compact"
    wide = "wide"
    large = "large"


def explore_run(
    run: Annotated[str, typer.Option(metavar="NAME", help="Run that is explored.")] = "synthetic",
    size: Annotated[Size, typer.Option(help="Of the picker.")] = Size.wide,
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
    from ..runs import find_project

    if find_spec("voila") is None:
        raise AgnError("agn explore needs Voilà, which is not installed; pip install 'agn-helpers[explore]'.")
    project = find_project().resolve()
    find_run(run, root=project)
    with scratch_folder() as folder:
        serve_page(folder, {"run": run, "root": str(project), "size": size.value}, port=port, browser=browser)
