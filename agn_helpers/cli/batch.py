"""Run the numbered notebooks of a run, side by side where they can; the only papermill import."""

import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path

import nbformat
import papermill
from ipykernel.kernelspec import get_kernel_dict
from joblib import cpu_count
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from jupyter_core.utils import run_sync
from nbclient.exceptions import DeadKernelError
from tqdm import tqdm
from traitlets.config import Config
from zmq import IPC_PATH_MAX_LEN

from ..errors import AgnError
from ..files import make_folder, whole_file
from ..locks import claim_run, scratch_folder, sweep_unfinished
from ..reports import render_notebook
from ..runs import list_notebooks, run_folders
from .parameters import NotebookError, match_parameters, read_parameters

# papermill guesses a notebook's parameters line by line and warns where it cannot, e.g. at a comment
# with an "="; in `parameters` they are read and checked otherwise.
_quiet_log = logging.getLogger("papermill")
_quiet_log.setLevel(logging.ERROR)

# A cell with the tag needs-02 is held until notebook 02 of the same run has ended well.
_NEEDS = "needs-"

# Where TMPDIR is too long for sockets.
_SHORT_FOLDERS = ("/tmp", "/var/tmp")

# Of each kernel: small matrices are multiplied faster by one thread than by several that wait for each other.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


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
    """Execute the numbered notebooks, each in a fresh kernel of the running Python with one thread.

    As many run at once as there are cores, and they start in order. A notebook waits for all before it,
    unless its cells say which of them they need: one with the tag ``needs-02`` waits for notebook 02 only.

    A notebook is written as ``data/<run>/notebooks/NN_name.ipynb`` with an HTML page beside it, and
    only when it ended well; a failed one is kept as ``NN_name.failed.ipynb`` and ends those after it. Figures
    ``NN_*`` of an earlier run that it did not draw again are then removed.

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
        As in `agn_helpers.runs.list_notebooks`.
    progress : bool
        Show a bar of cells, and the time that each notebook took.

    Returns
    -------
    list of Path
        The executed notebooks.

    Raises
    ------
    NotebookError
        Before anything runs, for parameters that fit no notebook or tags that name none before it; at the
        first failing cell, first in the order of the notebooks.
    AgnError
        Where the outputs cannot be written, or another process makes a run of that name.
    """
    project = Path(project).resolve()
    folders = run_folders(run, root=project)
    paths = list_notebooks(notebooks_folder, only=only)
    declared = {path.stem: read_parameters(path) for path in paths}
    values = match_parameters(declared, parameters or {})
    for stem, defaults in declared.items():
        if "run" not in defaults:
            raise NotebookError(f"{stem}.ipynb must declare the parameter run in its parameters cell.")
        values[stem] |= {
            name: value for name, value in (("run", run), ("survey", str(survey))) if name in defaults
        }
    folder = folders.data / "notebooks"
    notebooks = [
        _Notebook(path, folder / path.name, values[path.stem], project=project, figures=folders.figures)
        for path in paths
    ]
    make_folder(folder)
    make_folder(folders.figures)
    with claim_run(folders.data) as lock:
        for each in folders:
            sweep_unfinished(each, deep=True)
        for notebook in notebooks:
            notebook.lock = lock
        with tqdm(total=sum(each.n_cells for each in notebooks), unit="cell", disable=not progress) as bar:
            _run_side_by_side(notebooks, bar)
    return [notebook.target for notebook in notebooks]


def _run_side_by_side(notebooks, bar):
    """Run notebooks in threads; at a failure, or Ctrl-C, those after it end too."""
    futures = {}
    with ThreadPoolExecutor(min(cpu_count(), len(notebooks))) as pool:
        for notebook in notebooks:
            futures[notebook.stem] = pool.submit(notebook.run, dict(futures))
        try:
            for notebook in notebooks:
                bar.set_description(notebook.stem)
                # The bar belongs to this thread: where writing fails, tqdm never releases its lock.
                while wait([futures[notebook.stem]], timeout=0.2).not_done:
                    bar.update(sum(each.n_executed for each in notebooks) - bar.n)
                seconds = futures[notebook.stem].result()
                bar.update(sum(each.n_executed for each in notebooks) - bar.n)
                if not bar.disable:
                    bar.write(f"{notebook.stem}: {seconds:.0f} s", file=sys.stderr)
        except BaseException:
            _end(notebooks, list(futures.values()))
            raise


def _end(notebooks, futures):
    """End notebooks: kernels are interrupted, so that they tidy up, and killed where they do not listen."""
    for notebook, future in zip(notebooks, futures):
        notebook.is_ending = True
        future.cancel()
    try:
        # An interrupt between two cells goes unheard, so it is repeated.
        for _ in range(10):
            for notebook in notebooks:
                notebook.send(signal.SIGINT)
            if not wait(futures, timeout=1).not_done:
                return
    finally:
        for notebook in notebooks:
            notebook.send(signal.SIGKILL)


class _RunningPython(AsyncKernelManager):
    """Starts the kernel with the running Python, whatever "python3" kernelspec is installed elsewhere."""

    notebook = None  # the one that it runs, given by a subclass, since nbclient wants a class

    def __init__(self, **options):
        super().__init__(**options)
        self.notebook.kernel = self

    @property
    def kernel_spec(self):
        environment = {
            **{name: os.environ.get(name, "1") for name in _THREADS},
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

    async def _async_pre_start_kernel(self, **options):
        command, options = await super()._async_pre_start_kernel(**options)
        if os.name == "posix":
            # A kernel outlives a process that is killed by up to a second, and so does its hold on the run.
            options["pass_fds"] = (self.notebook.lock,)
        # Cells' words go into the notebook; what is left are complaints of a kernel that is told to end.
        options["stderr"] = self.notebook.stderr
        return command, options


class _Ended(Exception):
    """A notebook was told to end, or what it needs failed."""


class _Notebook:
    """A notebook of a run, and its kernel while it runs."""

    def __init__(self, source, target, parameters, *, project, figures):
        self.source, self.target, self.parameters = source, target, parameters
        self.project, self.figures = project, figures
        self.stem, self.kernel, self.is_ending = source.stem, None, False
        self.lock = None  # the file descriptor of the run's
        self.stderr = None  # the file of what the kernel says beside its messages
        self.n_executed = 0
        cells = [cell for cell in nbformat.read(source, as_version=4).cells if cell.cell_type == "code"]
        self.n_cells = len(cells) + 1  # papermill adds one of the values
        self.needs = {number for cell in cells for number in _list_needs(cell)}
        for number in self.needs:
            if not list(source.parent.glob(f"{number}_*.ipynb")) or number >= self.stem[:2]:
                raise NotebookError(
                    f"the tag {_NEEDS}{number} of a cell of {source.name} must name an earlier notebook; "
                    "change the tag."
                )

    def run(self, before):
        """Execute it once those of `before` that it needs have ended; returns the seconds that it took."""
        if not self.needs:
            self._wait_for(before.values())

        start, began = time.monotonic(), time.time()

        def hold(cell, cell_index):
            numbers = _list_needs(cell)
            self._wait_for(future for stem, future in before.items() if stem[:2] in numbers)

        def count(cell, cell_index, execute_reply):
            self.n_executed += 1

        failed = self.target.with_suffix(".failed.ipynb")
        with (
            _make_socket_folder() as sockets,
            open(Path(sockets, "stderr"), "wb") as self.stderr,
            whole_file(self.target) as temporary,
        ):
            failed.unlink(missing_ok=True)
            try:
                notebook = self._execute(temporary, sockets, on_cell_execute=hold, on_cell_executed=count)
            except Exception as error:
                if self.is_ending:
                    raise _Ended from None
                if not isinstance(error, papermill.PapermillExecutionError):
                    sys.stderr.write(Path(sockets, "stderr").read_text(encoding="utf-8", errors="replace"))
                if not isinstance(error, papermill.PapermillExecutionError | DeadKernelError):
                    raise
                _keep_failed(temporary, failed)
                raise _explain_failure(self.stem, error, failed) from None
            # Paths of this machine would make the same run differ elsewhere.
            notebook.metadata.papermill.update(input_path=self.source.name, output_path=self.target.name)
            nbformat.write(notebook, temporary)
        for figure in self.figures.glob(f"{self.stem[:2]}_*"):
            # Of an earlier run, with other parameters.
            if figure.is_file() and figure.stat().st_mtime < began:
                figure.unlink()
        with whole_file(self.target.with_suffix(".html")) as temporary:
            before, after = self._find_neighbours()
            page = render_notebook(notebook, stem=self.stem, before=before, after=after)
            temporary.write_text(page, encoding="utf-8")
        return time.monotonic() - start

    def _find_neighbours(self):
        """Stems of the notebooks before and after it, None at the ends."""
        stems = [path.stem for path in list_notebooks(self.source.parent)]
        place = stems.index(self.stem)
        return (stems[place - 1] if place else None), (stems[place + 1] if place + 1 < len(stems) else None)

    def send(self, number):
        """Send a signal to the kernel where there is one."""
        with suppress(RuntimeError, ProcessLookupError):
            if self.kernel is not None:
                run_sync(self.kernel.signal_kernel)(number)

    def _execute(self, path, sockets, **hooks):
        return papermill.execute_notebook(
            _papermill_path(self.source),
            _papermill_path(path),
            self.parameters,
            kernel_name="python3",
            language="python",
            progress_bar=False,
            kernel_manager_class=type("Kernel", (_RunningPython,), {"notebook": self}),
            config=_kernel_config(sockets),
            # papermill's own `cwd` moves the whole process, and others run beside it.
            resources={"metadata": {"path": str(self.project)}},
            **hooks,
        )

    def _wait_for(self, futures):
        for future in futures:
            with suppress(CancelledError):
                if future.exception() is None:
                    continue
            raise _Ended
        if self.is_ending:
            raise _Ended


def _list_needs(cell):
    return {tag.removeprefix(_NEEDS) for tag in cell.metadata.get("tags", []) if tag.startswith(_NEEDS)}


def _make_socket_folder():
    """A temporary folder whose name leaves room for those of sockets, which systems cut at some 100 bytes."""
    parents = [tempfile.gettempdir(), *_SHORT_FOLDERS, Path.home()]
    fitting = [each for each in parents if os.access(each, os.W_OK) and _has_room(f"{each}/{'x' * 16}")]
    return scratch_folder((fitting or parents)[0])


def _has_room(folder):
    return len(os.fsencode(f"{folder}/kernel-ipc-5")) <= IPC_PATH_MAX_LEN


def _kernel_config(folder):
    # A kernel on sockets of the file system needs no network, not even the loopback's.
    transport = "ipc" if os.name == "posix" and _has_room(folder) else "tcp"
    return Config(KernelManager={"connection_file": f"{folder}/kernel.json", "transport": transport})


def _papermill_path(path):
    # papermill formats paths as templates.
    return str(Path(path).resolve()).replace("{", "{{").replace("}", "}}")


def _keep_failed(temporary, failed):
    with whole_file(failed) as path:
        shutil.copyfile(temporary, path)


def _explain_failure(stem, error, failed):
    if isinstance(error, DeadKernelError):
        return NotebookError(
            f"{stem}: its Python process was killed, often for want of memory. "
            f"The half-run notebook is {failed}."
        )
    expected = _names_below(AgnError)
    what = error.evalue if error.ename in expected else f"{error.ename}: {error.evalue}"
    what = " ".join(what.split()).rstrip(".")
    return NotebookError(
        f"{stem}, cell In [{error.exec_count}]: {what}. The half-run notebook is {failed}.",
        traceback="" if error.ename in expected else str(error).strip(),
    )


def _names_below(error_class):
    return {error_class.__name__}.union(*(_names_below(child) for child in error_class.__subclasses__()))
