"""A notebook as a page by Voilà, for this machine and those who have the token; the only Voilà import."""

import contextlib
import json
import os
import secrets
import socket

from jupyter_server.base.handlers import JupyterHandler
from tornado.web import HTTPError, StaticFileHandler, authenticated
from traitlets.config import Config
from voila.app import Voila
from voila.voila_identity_provider import VoilaIdentityProvider


class TokenProvider(VoilaIdentityProvider):
    """Lets in those who have the token, in the address once and then in a cookie; 403 for all others."""

    async def _get_user(self, handler):
        user = await super()._get_user(handler)
        if user is None:
            # The page that says so asks who is looking at it.
            handler.current_user = None
            raise HTTPError(403, "the address must hold the token that agn explore printed.")
        return user


class RunFiles(JupyterHandler, StaticFileHandler):
    """Files of a run for those who have the token: the report, and what it leads to."""

    @authenticated
    def get(self, path, include_body=True):
        if ".." in path.split("/"):
            raise HTTPError(404)
        return StaticFileHandler.get(self, path, include_body)


# What a report leads to; nothing else of a run is given away.
_OF_A_RUN = r"/run/((?:report|notebooks|tables)/[^/].*)"


class RunServer(Voila):
    """Voilà, which serves the report of a run beside its page."""

    data = None

    def init_handlers(self):
        # Before Voilà's own, of which the last takes every address for that of a notebook.
        return [(_OF_A_RUN, RunFiles, {"path": str(self.data)}), *super().init_handlers()]


def serve_notebook(path, *, token, data, port=0, browser=True):
    """Serve the outputs of a notebook, and the report in the folder `data`, to this machine until Ctrl-C."""
    port = port or _find_port()
    print(f"Spectrum picker: http://127.0.0.1:{port}/?token={token}  (Ctrl-C ends it)", flush=True)
    config = Config()
    config.Voila.update(
        ip="127.0.0.1",
        port=port,
        port_retries=0,
        root_dir=str(path.parent),
        token=token,
        open_browser=browser,
        identity_provider_class=TokenProvider,
        log_level="ERROR",
    )
    # A kernel reads the run while the browser starts, and another one, for a second page, some time later.
    config.VoilaConfiguration.update(
        template="agn", file_allowlist=[], preheat_kernel=True, default_pool_size=1
    )
    config.VoilaKernelManager.fill_delay = _LATER
    RunServer.data = data
    RunServer.launch_instance([str(path)], config=config)


_LATER = 15.0  # seconds


def _find_port():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


_HEADING = (
    "# Spectrum picker\n\nRun *{run}*. Click a point of the map, or type a name: the spectrum is drawn in "
    "the colours of what moved the classifier; green raises the probability, purple lowers it. Drag around "
    "points to select them. The tab *Keys* lists what the keyboard does."
)

_REPORT = " The [report](/run/report/index.html) has the run's numbers, figures and explained spectra."

_CELLS = (
    "from agn_helpers import SpectrumPicker\n"
    "picker = SpectrumPicker.open_run({run!r}, root={root!r}, size={size!r}, front_end=True)",
    "picker",
)

# Voilà's own page asks a content network for its icons, which it brings along anyway.
_TEMPLATE = """{% extends 'lab/index.html.j2' %}
{%- block notebook_css -%}
{{ super() | replace('<link rel="stylesheet" href="https://', '<link rel="none" data-left-out="https://') }}
{%- endblock notebook_css -%}
{%- block body_header -%}
{{ super() }}
<script>
  window.update_loading_text = (cell, cells) => {
    const words = document.getElementById("loading_text");
    if (words) words.innerText = cell < cells ? "Reading the spectra …" : "Drawing the picker …";
  };
</script>
{%- endblock body_header -%}
"""


def serve_page(folder, parameters, *, data, port, browser):
    """Serve the picker until Ctrl-C.

    folder : Path, an empty one for the page and its template
    parameters : dict of run, root, size
    data : Path, of the run
    port, browser : as of the command
    """
    import nbformat

    heading = _HEADING + _REPORT * (data / "report" / "index.html").is_file()
    cells = [nbformat.v4.new_markdown_cell(heading.format(run=parameters["run"]))]
    cells += [nbformat.v4.new_code_cell(cell.format(**parameters)) for cell in _CELLS]
    page = folder / "spectrum_picker.ipynb"
    title = {"title": f"Spectrum picker: {parameters['run']}"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=title), page)
    template = folder / "jupyter" / "voila" / "templates" / "agn"
    template.mkdir(parents=True)
    (template / "conf.json").write_text(json.dumps({"base_template": "lab"}), encoding="utf-8")
    (template / "index.html.j2").write_text(_TEMPLATE, encoding="utf-8")
    paths = [str(folder / "jupyter"), os.environ.get("JUPYTER_PATH")]
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, paths))

    serve_notebook(page, token=secrets.token_hex(24), data=data, port=port, browser=browser)
