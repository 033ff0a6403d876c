"""What `pip install .` brings, without this folder: every file of the package, and a program that works."""

import os
import shutil
import subprocess
import sys
from zipfile import ZipFile

import pytest
from astropy.table import Table

from agn_helpers.spectra import write_spec_lite
from agn_helpers.survey import simulate_survey

from .conftest import ROOT
from .small_run import write_small_run


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of what it is built from, without network."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "agn_helpers", source / "agn_helpers", ignore=without)
    pip(["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", target, source])
    [path] = target.glob("*.whl")
    return path


def pip(argv):
    command = [sys.executable, "-m", "pip", "--quiet", "--no-cache-dir", *argv, "--no-index"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_wheel_holds_every_file_of_the_package(wheel):
    ours = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "agn_helpers").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    # Public names are read from the stubs at run time, the style by matplotlib, the mark by type checkers.
    needed = ("__init__.pyi", "agn.mplstyle", "py.typed", "spectra/__init__.pyi", "cli/app.py")
    assert {f"agn_helpers/{name}" for name in needed} <= ours
    assert {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name} == ours


def test_an_installed_program_classifies_in_a_folder_of_its_own(wheel, tmp_path):
    site, work = tmp_path / "site", tmp_path / "work"
    pip(["install", "--no-deps", "--target", site, wheel])
    write_small_run(work, run="mine", n_type1=30, n_intermediate=30, n_type2=60)
    spectrum = simulate_survey(n_type1=1, n_intermediate=0, n_type2=0, random_state=7)[0][0]
    write_spec_lite(spectrum, work / "spectrum.fits")
    environment = {**os.environ, "AGN_SHARED": str(tmp_path / "nowhere")}
    environment["PYTHONPATH"] = os.pathsep.join([str(site), environment["PYTHONPATH"]])

    def agn(*argv):
        # As the script does; it would take the first Python of its own environment.
        program = "import agn_helpers, sys; from agn_helpers.cli.app import main; sys.exit(main())"
        command = [sys.executable, "-P", "-c", program, *argv]
        return subprocess.run(command, capture_output=True, text=True, cwd=work, env=environment)

    where = subprocess.run(
        [sys.executable, "-P", "-c", "import agn_helpers; print(agn_helpers.__file__)"],
        **{"capture_output": True, "text": True, "cwd": work, "env": environment},
    )
    assert where.stdout.startswith(str(site))
    assert (site / "bin" / "agn").is_file()
    help_page = agn("--help")
    assert help_page.returncode == 0 and "classify" in help_page.stdout

    done = agn("classify", "spectrum.fits", "--run", "mine", "--explain")
    assert done.returncode == 0, done.stderr
    assert list(Table.read(work / "classified.ecsv")["name"]) == [spectrum.name]
    assert list((work / "classified_saliency").glob("*.png"))

    # Without the model of a run it says how to make one.
    refused = agn("classify", "spectrum.fits", "--run", "synthetic")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("error: ") and "Traceback" not in refused.stderr
