"""One environment, told three times: pyproject.toml, environment.yml and requirements.lock agree."""

import re
import tomllib
from importlib import metadata
from importlib.util import find_spec

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from agn_helpers.cli.parameters import match_parameters, read_parameters
from agn_helpers.runs import list_notebooks

from . import supply_chain
from .conftest import ROOT
from .supply_chain import find_holes, list_bounds, read_lock

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Extras that pyproject.toml keeps out of the common environment, and why.
LEFT_OUT = {"desi", "docs", "torch"}
EXTRAS = {name: lines for name, lines in PROJECT["optional-dependencies"].items() if name not in LEFT_OUT}
REQUIRED = [Requirement(line) for lines in (PROJECT["dependencies"], *EXTRAS.values()) for line in lines]
PINS = read_lock()
LOCK = [str(pin) for pin in PINS]


def test_environment_yml_names_the_same_packages_and_bounds():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    ours = {f"{canonicalize_name(required.name)}{required.specifier}" for required in REQUIRED}
    assert set(listed) == ours | {f"python{PROJECT['requires-python']}"}


def test_the_lock_is_exact_names_versions_and_hashes_only():
    text = (ROOT / "requirements.lock").read_text().replace("\\\n", " ")
    for line in text.splitlines():
        assert re.fullmatch(r"[a-z0-9.-]+==[0-9][\w.+!]*( ; .+?)?(\s+--hash=sha256:[0-9a-f]{64})+", line), (
            line
        )
    assert re.search(r"pip install .*--require-hashes -r requirements\.lock", (ROOT / "Makefile").read_text())


def test_neither_the_lock_nor_a_lower_bound_has_a_known_hole(capsys):
    assert find_holes([("skops", "0.12.0")])[0].startswith(
        "skops 0.12.0 has a known hole, closed in 0.13: CVE-2025"
    )
    assert find_holes(list_bounds()) == []
    assert find_holes([("jinja2", "3.1.6")]) == []
    if find_spec("pip_audit") is None:
        assert supply_chain.main() == 0
        said = capsys.readouterr().out
        assert f"{len(PINS)} pins, {len(supply_chain.HOLES)} holes looked for, 0 problems." in said
        assert re.search(r"^numpy .* hashes  BSD-3-Clause", said, re.MULTILINE)


@pytest.mark.parametrize("required", REQUIRED, ids=lambda required: required.name)
def test_the_lock_holds_what_is_required(required):
    pinned = [Requirement(line) for line in LOCK]
    versions = [pin.specifier for pin in pinned if pin.name == canonicalize_name(required.name)]
    assert versions, f"{required.name} is not in requirements.lock"
    for version in versions:
        assert required.specifier.contains(str(version).removeprefix("=="))


def test_what_is_installed_is_what_is_locked():
    for line in LOCK:
        pin = Requirement(line)
        if pin.marker is None or pin.marker.evaluate():
            assert pin.specifier.contains(metadata.version(pin.name), prereleases=True), line


# The README's commands, in hooks and CI

CI = {name: (ROOT / name).read_text() for name in (".ci/run", ".github/workflows/ci.yml")}
TARGETS = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


@pytest.mark.parametrize("name", CI)
def test_ci_calls_commands_that_exist_with_parameters_that_notebooks_declare(name):
    assert re.findall(r"\bmake (\w+)", CI[name]) and set(re.findall(r"\bmake (\w+)", CI[name])) <= TARGETS
    given = dict(re.findall(r"-p (\w+)=([^\s\"]+)", CI[name]))
    assert len(given) == CI[name].count("-p ") >= 5
    declared = {path.stem: read_parameters(path) for path in list_notebooks(ROOT / "notebooks")}
    match_parameters(declared, given)


def test_ci_runs_the_pythons_that_are_promised_on_both_systems():
    workflow = yaml.safe_load(CI[".github/workflows/ci.yml"])
    matrix = workflow["jobs"]["check"]["strategy"]["matrix"]
    assert [os.split("-")[0] for os in matrix["os"]] == ["ubuntu", "macos"]
    assert matrix["python"][0] == PROJECT["requires-python"].removeprefix(">=") == "3.11"
    assert matrix["python"] == ["3.11", "3.12", "3.13"]
    # What is promised of the commands there and here is the same.
    made = re.compile(r"make reproduce RUN=ci ARGS=.+")
    assert made.search(CI[".ci/run"])[0] == made.search(CI[".github/workflows/ci.yml"])[0]


def test_hooks_are_local_and_run_what_lint_runs():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    hooks = {hook["id"]: hook["entry"] for hook in config["repos"][0]["hooks"]}
    assert list(hooks) == ["ruff", "ruff-format", "clean-notebooks"]
    assert all("://" not in entry and "pip" not in entry for entry in hooks.values())
