"""Run the ordered notebooks with checked parameters; the only papermill import."""

import ast
import difflib
import logging
import os
import shutil
import tempfile
from pathlib import Path

import nbformat
import papermill
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from nbclient.exceptions import DeadKernelError
from nbconvert import HTMLExporter
from traitlets.config import Config

from ..errors import AgnError
from ..files import make_folder, whole_file
from ..runs import run_folders

# Set by the runner itself, each from its own option.
_RUNNER_PARAMETERS = {"run": "--run", "survey": "--survey"}


class NotebookError(AgnError):
    """A notebook cannot be run with these parameters, or stopped at a failing cell.

    Attributes
    ----------
    traceback : str
        The failing cell's traceback; empty where the message says it all.
    """

    def __init__(self, message, *, traceback=""):
        super().__init__(message)
        self.traceback = traceback


def read_parameters(path):
    """Names and default values that a notebook declares in its ``parameters`` cell.

    Parameters
    ----------
    path : path
        The notebook.

    Returns
    -------
    dict
        Name to value; empty without such a cell.

    Raises
    ------
    NotebookError
        For a file that is no notebook, or a default that is not a literal.
    """
    path = Path(path)
    try:
        notebook = nbformat.read(path, as_version=4)
        cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
        # papermill.inspect_notebook reads the cell by a pattern that loses a line with "=" in its comment.
        statements = ast.parse(cells[0].source).body if cells else []
        return {
            statement.targets[0].id: ast.literal_eval(statement.value)
            for statement in statements
            if isinstance(statement, ast.Assign)
        }
    except (ValueError, SyntaxError, AttributeError) as error:
        raise NotebookError(
            f"{path} must be a notebook whose parameters cell holds only `name = literal`; {error}."
        ) from error


def parse_parameter(name, text, default):
    """Turn `text` from the command line into a value of the type of `default`.

    Parameters
    ----------
    name : str
        The parameter, for the message.
    text : str or any
        Text is read as a Python literal; anything else is taken as it is.
    default : any
        The declared value; an int does for a float, a list for a tuple, anything for None.

    Returns
    -------
    any
        The value.

    Raises
    ------
    NotebookError
        For a value of another type.
    """
    value = text
    if isinstance(text, str) and not isinstance(default, str):
        words = {"true": True, "false": False, "none": None, "null": None, "nan": float("nan")}
        try:
            value = words[text.lower()] if text.lower() in words else ast.literal_eval(text)
        except (ValueError, SyntaxError):
            value = text
    wanted = {float: (int, float), tuple: (list, tuple), list: (list, tuple)}.get(
        type(default), type(default)
    )
    if default is not None and (
        not isinstance(value, wanted) or isinstance(value, bool) != isinstance(default, bool)
    ):
        raise NotebookError(
            f"parameter {name} must be of type {type(default).__name__}, like its default {default!r}; "
            f"got {text!r}."
        )
    return float(value) if isinstance(default, float) else value


def match_parameters(declared, parameters):
    """Give each notebook the parameters that it declares.

    Parameters
    ----------
    declared : dict
        Notebook name to its `read_parameters`.
    parameters : dict
        Name to value or to the text of the command line.

    Returns
    -------
    dict
        Notebook name to its own dict of values.

    Raises
    ------
    NotebookError
        For a name that no notebook declares, one that is set otherwise, or a value of the wrong type.
    """
    known = sorted({name for defaults in declared.values() for name in defaults} - set(_RUNNER_PARAMETERS))
    for name in parameters:
        if name in _RUNNER_PARAMETERS:
            raise NotebookError(
                f"parameter {name} is set by {_RUNNER_PARAMETERS[name]}; leave out -p {name}."
            )
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            guess = f" Did you mean {nearest[0]}?" if nearest else ""
            raise NotebookError(
                f"no notebook among {', '.join(declared)} declares a parameter {name!r}.{guess} "
                f"They declare {', '.join(known) or 'none'}."
            )
    return {
        notebook: {
            name: parse_parameter(name, value, defaults[name])
            for name, value in parameters.items()
            if name in defaults
        }
        for notebook, defaults in declared.items()
    }


# papermill guesses a notebook's parameters line by line and warns where it cannot, e.g. at a comment
# with an "="; here they are read and checked otherwise. nbconvert warns of every figure without alt text.
_quiet_log = logging.getLogger("papermill")

_quiet_log.setLevel(logging.ERROR)

# JupyterLab's page without its four scripts from content networks (require.js, MathJax, mermaid, widgets).
_PAGE = """{% extends 'lab/index.html.j2' %}
{% block html_head_js %}{% endblock %}
{% block jupyter_widgets %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
"""


class _RunningPython(AsyncKernelManager):
    """Starts the kernel with the running Python, whatever "python3" kernelspec is installed elsewhere."""

    @property
    def kernel_spec(self):
        environment = {
            # Over the user's: only inline figures land in the notebook, and none needs a display.
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            # Threads that wait for each other in a busy loop double t-SNE's time on a busy machine.
            "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "passive"),
            # Started from a notebook of JupyterLab or VS Code, this kernel still has nobody who looks on.
            "JPY_SESSION_NAME": "",
            "VSCODE_PID": "",
        }
        # Being told to end, it would complain of an interrupt on our standard error.
        quiet = ["--IPKernelApp.log_level=CRITICAL"]
        return KernelSpec(**get_kernel_dict(extra_arguments=quiet), env=environment)


def list_notebooks(folder, *, only=None):
    """Ordered notebooks of a folder.

    Parameters
    ----------
    folder : path
        Holds ``NN_name.ipynb``; other notebooks are not looked at.
    only : sequence of str, optional
        Numbers (``"02"``) or names (``"02_classifier_tuning"``) of those wanted; all by default.

    Returns
    -------
    list of Path
        In the order of their numbers.

    Raises
    ------
    NotebookError
        Where there are none, or one of `only` is not among them.
    """
    notebooks = {path.stem: path for path in sorted(Path(folder).glob("[0-9][0-9]_*.ipynb"))}
    if not notebooks:
        raise NotebookError(f"{folder} holds no numbered notebooks; run this in the project's folder.")
    if only is None:
        return list(notebooks.values())
    wanted = set()
    for name in only:
        stems = [stem for stem in notebooks if name in (stem, stem[:2])]
        if not stems:
            raise NotebookError(f"there is no notebook {name!r}; choose among {', '.join(notebooks)}.")
        wanted.update(stems)
    return [path for stem, path in notebooks.items() if stem in wanted]


def run_notebooks(
    notebooks_folder,
    *,
    project,
    run="synthetic",
    survey="synthetic",
    parameters=None,
    only=None,
    progress=True,
):
    """Execute the numbered notebooks in order, each in a fresh kernel of the running Python.

    A notebook is written as ``data/<run>/notebooks/NN_name.ipynb`` with an HTML page beside it, and
    only when it ended well; a failed one is kept as ``NN_name.failed.ipynb`` and ends the run.

    Parameters
    ----------
    notebooks_folder : path
        Holds ``NN_name.ipynb``.
    project : path
        Folder of ``data/`` and ``figures/``; the notebooks run in it.
    run : str
        Name of the run; every notebook must declare it as a parameter.
    survey : str
        ``"synthetic"``, a folder or a labels table; given to the notebooks that declare it.
    parameters : dict, optional
        Further values by name, each given to the notebooks that declare it.
    only : sequence of str, optional
        As in `list_notebooks`.
    progress : bool
        Show a bar of cells a notebook.

    Returns
    -------
    list of Path
        The executed notebooks.

    Raises
    ------
    NotebookError
        Before anything runs, for parameters that fit no notebook; at the first failing cell.
    OutputError
        Where the outputs cannot be written.
    """
    project = Path(project).resolve()
    folders = run_folders(run, root=project)
    notebooks = list_notebooks(notebooks_folder, only=only)
    declared = {path.stem: read_parameters(path) for path in notebooks}
    values = match_parameters(declared, parameters or {})
    for stem, defaults in declared.items():
        if "run" not in defaults:
            raise NotebookError(f"{stem}.ipynb must declare the parameter run in its parameters cell.")
        values[stem] |= {
            name: value for name, value in (("run", run), ("survey", str(survey))) if name in defaults
        }

    folder = make_folder(folders.data / "notebooks")
    make_folder(folders.figures)
    return [
        _run_notebook(path, folder / path.name, values[path.stem], project=project, progress=progress)
        for path in notebooks
    ]


def _run_notebook(source, target, parameters, *, project, progress):
    failed = target.with_suffix(".failed.ipynb")
    with tempfile.TemporaryDirectory(prefix="agn-") as sockets, whole_file(target) as temporary:
        failed.unlink(missing_ok=True)
        try:
            notebook = papermill.execute_notebook(
                _papermill_path(source),
                _papermill_path(temporary),
                parameters,
                kernel_name="python3",
                language="python",
                cwd=str(project),
                progress_bar={"desc": source.stem} if progress else False,
                kernel_manager_class=_RunningPython,
                config=_kernel_config(sockets),
            )
        except papermill.PapermillExecutionError as error:
            _keep_failed(temporary, failed)
            raise _explain_failure(source.stem, error, failed) from None
        except DeadKernelError as error:
            _keep_failed(temporary, failed)
            raise NotebookError(
                f"{source.stem}: its Python process was killed, often for want of memory. "
                f"The half-run notebook is {failed}."
            ) from error
        # Paths of this machine would make the same run differ elsewhere.
        notebook.metadata.papermill.update(input_path=source.name, output_path=target.name)
        nbformat.write(notebook, temporary)
    with whole_file(target.with_suffix(".html")) as temporary:
        temporary.write_text(_render_page(notebook, title=source.stem, folder=project), encoding="utf-8")
    return target


def _kernel_config(folder):
    # A kernel on sockets of the file system needs no network, not even the loopback's.
    transport = "ipc" if os.name == "posix" else "tcp"
    return Config(KernelManager={"connection_file": f"{folder}/kernel.json", "transport": transport})


def _papermill_path(path):
    # papermill formats paths as templates.
    return str(Path(path).resolve()).replace("{", "{{").replace("}", "}}")


def _keep_failed(temporary, failed):
    with whole_file(failed) as path:
        shutil.copyfile(temporary, path)


def _explain_failure(stem, error, failed):
    expected = _names_below(AgnError)
    what = error.evalue if error.ename in expected else f"{error.ename}: {error.evalue}"
    what = " ".join(what.split()).rstrip(".")
    return NotebookError(
        f"{stem}, cell In [{error.exec_count}]: {what}. The half-run notebook is {failed}.",
        traceback="" if error.ename in expected else str(error).strip(),
    )


def _names_below(error_class):
    return {error_class.__name__}.union(*(_names_below(child) for child in error_class.__subclasses__()))


def _render_page(notebook, *, title, folder):
    exporter = HTMLExporter(raw_template=_PAGE, embed_images=True, log=_quiet_log)
    resources = {"metadata": {"name": title, "path": str(folder)}}
    page, _ = exporter.from_notebook_node(notebook, resources=resources)
    return page
