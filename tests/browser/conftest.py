"""A small embedded run, JupyterLab on it, and Chromium: what the browser tests share."""

import contextlib
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from ..small_run import write_small_run

ROOT = Path(__file__).parents[2]
CHROMIUM = Path(os.environ.get("AGN_CHROMIUM", "/usr/bin/chromium"))
#: Screenshots are kept here.
ARTIFACTS = Path(os.environ.get("AGN_ARTIFACTS", Path(__file__).parent / "artifacts"))
_CHROMIUM_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def pytest_collection_modifyitems(items):
    """All tests of this folder drive a browser; without one they are skipped."""
    if "AGN_SCREENSHOT" not in os.environ:
        items[:] = [item for item in items if not item.get_closest_marker("readme")]
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if not CHROMIUM.exists():
                reason = f"there is no {CHROMIUM}; install Chromium or name it in AGN_CHROMIUM"
                item.add_marker(pytest.mark.skip(reason))


@pytest.fixture(scope="package")
def project(tmp_path_factory):
    """A project with notebook 05 and a small run that it can open."""
    root = tmp_path_factory.mktemp("project")
    write_small_run(root)
    # What `agn` takes for a project.
    (root / "notebooks").mkdir()
    (root / "notebooks" / "01_data_reduction.ipynb").write_text("{}")
    return copy_notebook(root, run="small")


def copy_notebook(root, *, run):
    """Put notebook 05 with its parameter `run` into a project; returns the project."""
    notebook = json.loads((ROOT / "notebooks" / "05_spectrum_picker.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            cell["source"] = [
                f'run = "{run}"  # set by the test\n' if line.startswith("run =") else line
                for line in cell["source"]
            ]
    (root / "notebooks" / "05_spectrum_picker.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    return root


# A shell that runs the tests in the background lets its children ignore Ctrl-C.
_INTERRUPTIBLE = (
    "import os, signal, sys\n"
    "signal.signal(signal.SIGINT, signal.SIG_DFL)\n"
    "os.execv(sys.argv[1], sys.argv[1:])"
)


class Server:
    """A server on this machine: its address, its token, and what it and its kernels said."""

    def __init__(self, command, *, folder, log):
        self.token, self.log = secrets.token_hex(16), log
        with contextlib.closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        home = log.parent / "home"
        home.mkdir(exist_ok=True)
        names = "HOME IPYTHONDIR JUPYTER_CONFIG_DIR JUPYTER_DATA_DIR JUPYTER_RUNTIME_DIR MPLCONFIGDIR"
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **dict.fromkeys(names.split(), str(home))}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _INTERRUPTIBLE, *command(self)],
            cwd=folder,
            env=environment,
            stdout=log.open("w"),
            stderr=subprocess.STDOUT,
        )

    def wait(self, path):
        """Wait until `path` answers, whatever it answers."""
        for _ in range(1200):
            with contextlib.suppress(OSError):
                return get_status(f"{self.url}{path}")
            assert self._process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        raise TimeoutError(self.log.read_text())

    def address(self):
        """The address that the server printed."""
        return re.search(r"http://\S+", self.log.read_text()).group()

    def stop(self, sign):
        """End the server and its kernels by a signal; returns its exit code."""
        self._process.send_signal(sign)
        try:
            return self._process.wait(timeout=30)
        finally:
            self._process.kill()


def get_status(url):
    """HTTP status of `url`."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture(scope="package")
def lab(project, tmp_path_factory):
    """JupyterLab in the project, on a free port, with nothing to fetch from elsewhere."""
    folder = tmp_path_factory.mktemp("lab")
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(
        '{"fetchNews": "false", "checkForUpdates": false}'
    )

    def command(server):
        return [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", "--allow-root"),
            f"--port={server.port}",
            f"--IdentityProvider.token={server.token}",
            f"--LabApp.user_settings_dir={folder / 'settings'}",
            f"--LabApp.workspaces_dir={folder / 'workspaces'}",
            "--LabApp.extension_manager=readonly",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--ServerApp.port_retries=0",
        ]

    server = Server(command, folder=project, log=folder / "log.txt")
    server.wait("/api")
    yield server
    # Ctrl-C would have it ask back.
    server.stop(signal.SIGTERM)


@pytest.fixture(scope="package")
def chromium():
    """A headless browser."""
    # It keeps an event loop running, hence the scope: tests elsewhere have loops of their own.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), headless=True, args=list(_CHROMIUM_OPTIONS)
        )
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def keep():
    """Function (page, name) that keeps a screenshot."""
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    return lambda page, name: page.screenshot(path=ARTIFACTS / f"{name}.png")
