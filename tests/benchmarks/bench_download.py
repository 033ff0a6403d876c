"""Fetching verified spectra, against plain parallel transfers over as many connections from the same server.

The server, in a process of its own, waits 50 ms before each answer and sends 20 MB/s in all.
"""

import dataclasses
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from astropy.table import Table

from agn_helpers.archive import fetch_spectra, list_urls
from agn_helpers.archive.catalogue import make_catalogue
from agn_helpers.archive.layout import ARCHIVE
from agn_helpers.spectra import write_spec_lite
from agn_helpers.survey import simulate_survey

from . import Row

N_FILES, WORKERS = 2000, 8
LATENCY, RATE = 0.05, 20e6
_ROUNDS = 2
_session = threading.local()


def run():
    """Rates of two rounds that take turns; the better of each."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        catalogue, paths = _write_tree(folder / "tree")
        size = sum((folder / "tree" / path).stat().st_size for path in paths)
        command = [sys.executable, "-m", "tests.archive_server", folder / "tree"]
        command += ["--latency", str(LATENCY), "--rate", str(RATE)]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            url = server.stdout.readline().strip()
            plain, ours = [], []
            for number in range(_ROUNDS):
                plain.append(_transfer_plainly(url, paths, folder / f"plain{number}"))
                ours.append(_fetch(url, catalogue, folder / f"cache{number}"))
            again = _fetch(url, catalogue, folder / "cache0")
        finally:
            server.kill()
            server.wait()
    ratio = min(plain) / min(ours)
    return [
        Row("plain parallel transfers, 2000 files", N_FILES / min(plain), "files/s", "", True),
        Row("fetch_spectra, verified", N_FILES / min(ours), "files/s", "", True),
        Row("fetch_spectra, verified", size / min(ours) / 1e6, "MB/s", "", True),
        Row("fetch_spectra: share of the plain rate", ratio, "", ">= 0.9", ratio >= 0.9),
        Row("the same list again, all on disk", again, "s", "", True),
    ]


def _write_tree(tree):
    spectra, _ = simulate_survey(n_type1=7, n_intermediate=6, n_type2=7)
    rows, paths = [], []
    for number in range(N_FILES):
        ids = {"plate": 300 + number // 400, "mjd": 52000, "fiberid": 1 + number % 400}
        path = list_urls(*ids.values())[0].removeprefix(f"{ARCHIVE}/")
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        write_spec_lite(dataclasses.replace(spectra[number % len(spectra)], **ids), tree / path)
        rows.append(tuple(ids.values()))
        paths.append(path)
    return make_catalogue(Table(rows=rows, names=("plate", "mjd", "fiberid")), source="bench")[0], paths


def _transfer_plainly(url, paths, folder):
    """What most would write: a pool of threads, a session each, no check of what comes."""
    folder.mkdir()

    def transfer(path):
        if not hasattr(_session, "value"):
            _session.value = requests.Session()
        answer = _session.value.get(f"{url}/{path}", timeout=60)
        answer.raise_for_status()
        (folder / Path(path).name).write_bytes(answer.content)

    start = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(transfer, paths))
    return time.perf_counter() - start


def _fetch(url, catalogue, cache):
    start = time.perf_counter()
    report = fetch_spectra(catalogue, cache, mirror=url, workers=WORKERS, progress=False)
    seconds = time.perf_counter() - start
    assert report.counts in ({"verified": N_FILES}, {"kept": N_FILES}), report
    return seconds
