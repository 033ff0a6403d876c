"""Kills at random moments, two runs of one name, impatient interrupts: nothing half-written or mixed."""

import os
import random
import re
import signal
import subprocess
import sys
import time

import pytest

from agn_helpers.classifier import ProbabilisticSVC, TrainedModel, save_model
from agn_helpers.files import read_table
from agn_helpers.reduction import reduce_spectra, sample_arrays, sample_grid
from agn_helpers.spectra import write_spec_lite
from agn_helpers.survey import simulate_survey

from .test_batch import write_notebook

#: Kills of each command; more of them: AGN_KILLS=10.
N_KILLS = int(os.environ.get("AGN_KILLS", 3))

PROGRAM = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from agn_helpers.cli.app import main; sys.exit(main())"
)

# Writes the same tables in each run, whole or not at all, for about a second.
WRITE = """
import numpy as np, time
from pathlib import Path
from astropy.table import Table
from agn_helpers.files import write_table
for number in range(12):
    write_table(Table({"x": np.arange(20000.0) + number}), Path("data", run, f"NAME-{number}.fits"))
    time.sleep(0.05)
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in ("01_first", "02_second"):
        write_notebook(tmp_path / "notebooks", name, WRITE.replace("NAME", name))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def spectra(project):
    """A model as run "small", and a folder of spectra."""
    survey = simulate_survey(n_type1=20, n_intermediate=0, n_type2=20)[0]
    sample, _ = reduce_spectra(survey)
    estimator = ProbabilisticSVC(kernel="linear", random_state=0).fit(*sample_arrays(sample))
    save_model(TrainedModel(estimator, sample_grid(sample)), project / "data" / "small" / "model.skops")
    (project / "spectra").mkdir()
    for spectrum in survey[::5]:
        write_spec_lite(spectrum, project / "spectra" / f"{spectrum.name}.fits")


def start(*argv):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(*argv):
    """Run a command to its end: seconds, and what it said; it must go well."""
    begun, process = time.monotonic(), start(*argv)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return time.monotonic() - begun


def read_all(folder):
    """Bytes of all files below a folder, by name; of pages and notebooks, which tell the time, only names."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.suffix in (".fits", ".png") else b""
        for path in folder.rglob("*")
        if path.is_file() and "small" not in path.parts
    }


def assert_whole(folder, expected):
    """Each file under a final name is that of a run that ended."""
    for name, content in read_all(folder).items():
        if ".unfinished-" not in name and not name.endswith(".lock"):
            assert content == expected[name], f"{name} is half-written or mixed"


def kill_at_random(argv, seconds, number):
    rng = random.Random(5)
    for _ in range(number):
        process = start(*argv)
        time.sleep(rng.uniform(0.1, 1) * seconds)
        process.kill()
        process.communicate()
        yield


def test_killed_reproduce_leaves_no_half_file_and_the_next_run_sweeps(project):
    argv = ["reproduce", "--run", "mine"]
    seconds = finish(*argv)
    expected = read_all(project / "data")
    # Two notebooks and their pages, and the report.
    assert len(expected) == 24 + 4 + 1
    for _ in kill_at_random(argv, seconds, N_KILLS):
        assert_whole(project / "data", expected)
    finish(*argv)
    assert read_all(project / "data") == expected
    assert not [path for path in project.rglob("*") if path.name.startswith((".unfinished-", ".lock"))]


@pytest.mark.usefixtures("spectra")
def test_killed_classify_leaves_no_half_file_and_the_next_call_sweeps(project):
    argv = ["classify", "spectra", "--run", "small", "--output", "out/o.fits", "--explain"]
    seconds = finish(*argv)
    expected = read_all(project / "out")
    for _ in kill_at_random(argv, seconds, N_KILLS):
        assert_whole(project / "out", expected)
    finish(*argv)
    assert read_all(project / "out") == expected
    assert len(read_table("out/o.fits")) == len(os.listdir("spectra"))


def wait_for(path, process):
    end = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)


def test_of_two_runs_of_one_name_the_second_is_refused_and_the_first_ends_well(project):
    wait = "import time\nfrom pathlib import Path\nwhile not Path('go').exists():\n    time.sleep(0.1)"
    write_notebook(project / "notebooks", "03_third", wait)
    first = start("reproduce", "--run", "mine")
    wait_for(project / "data" / "mine" / ".lock", first)
    second = start("reproduce", "--run", "mine")
    _, said = second.communicate(timeout=60)
    assert second.returncode == 1
    [line] = [line for line in said.splitlines() if line.startswith("error: ")]
    assert re.search(rf"run mine is being made by process {first.pid} of \S+ since 2\S+; wait until", line)
    assert "Traceback" not in said, said
    # Another run does not wait for it.
    finish("reproduce", "--run", "other", "--only", "01")
    (project / "go").touch()
    _, said = first.communicate(timeout=120)
    assert first.returncode == 0, said


@pytest.mark.parametrize("pause", [0.0, 0.05, 0.3])
def test_who_interrupts_twice_is_still_told_in_one_line(project, pause):
    process = start("reproduce", "--run", "mine")
    wait_for(project / "data" / "mine" / "01_first-0.fits", process)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(pause)
    _, said = process.communicate(timeout=60)
    assert "Traceback" not in said, said
    assert process.returncode in (130, -signal.SIGINT)
    assert said.splitlines()[-1].startswith("interrupted: every file under its final name is whole")
