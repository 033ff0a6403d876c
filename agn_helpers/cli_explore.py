"""`agn explore`: the spectrum picker as a page of its own, served to this machine only."""

import json
import os
import secrets
import tempfile
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from .errors import AgnError

# Everything else is imported where it is used, as in the module cli.


class Size(StrEnum):
    """The sizes of the picker."""

    compact = "compact"
    wide = "wide"
    large = "large"


_CELLS = (
    "from agn_helpers.widgets import SpectrumPicker\n"
    "picker = SpectrumPicker.open_run({run!r}, root={root!r}, size={size!r}, front_end=True)",
    "picker",
)
# Voilà's own page asks a content network for its icons, which it brings along anyway.
_TEMPLATE = """{% extends 'lab/index.html.j2' %}
{%- block notebook_css -%}
{{ super() | replace('<link rel="stylesheet" href="https://', '<link rel="none" data-left-out="https://') }}
{%- endblock notebook_css -%}
"""


def explore(
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
    from .cli import find_project
    from .picker_runs import find_run

    if find_spec("voila") is None:
        raise AgnError("agn explore needs Voilà, which is not installed; pip install 'agn-helpers[explore]'.")
    project = find_project().resolve()
    find_run(run, root=project)
    with tempfile.TemporaryDirectory(prefix="agn-") as folder:
        serve_page(
            Path(folder), {"run": run, "root": str(project), "size": size.value}, port=port, browser=browser
        )


def serve_page(folder, parameters, *, port, browser):
    """Serve the picker until Ctrl-C.

    folder : Path, an empty one for the page and its template
    parameters : dict of run, root, size
    port, browser : as of the command
    """
    import nbformat

    cells = [nbformat.v4.new_code_cell(cell.format(**parameters)) for cell in _CELLS]
    page = folder / "spectrum_picker.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), page)
    template = folder / "jupyter" / "voila" / "templates" / "agn"
    template.mkdir(parents=True)
    (template / "conf.json").write_text(json.dumps({"base_template": "lab"}), encoding="utf-8")
    (template / "index.html.j2").write_text(_TEMPLATE, encoding="utf-8")
    paths = [str(folder / "jupyter"), os.environ.get("JUPYTER_PATH")]
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, paths))

    from .picker_server import serve_notebook

    serve_notebook(page, token=secrets.token_hex(24), port=port, browser=browser)
