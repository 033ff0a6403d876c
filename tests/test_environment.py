"""One environment, told three times: pyproject.toml, environment.yml and requirements.lock agree."""

import re
import tomllib
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Extras that pyproject.toml keeps out of the common environment, and why.
LEFT_OUT = {"desi", "torch"}
EXTRAS = {name: lines for name, lines in PROJECT["optional-dependencies"].items() if name not in LEFT_OUT}
REQUIRED = [Requirement(line) for lines in (PROJECT["dependencies"], *EXTRAS.values()) for line in lines]
LOCK = (ROOT / "requirements.lock").read_text().splitlines()


def test_environment_yml_names_the_same_packages_and_bounds():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    ours = {f"{canonicalize_name(required.name)}{required.specifier}" for required in REQUIRED}
    assert set(listed) == ours | {f"python{PROJECT['requires-python']}"}


def test_the_lock_is_exact_names_and_versions_only():
    for line in LOCK:
        assert re.fullmatch(r"[a-z0-9.-]+==[0-9][\w.+!]*( ; .+)?", line), line


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
