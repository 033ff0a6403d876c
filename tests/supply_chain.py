"""What the lock brings: versions, licences, known holes.  `python -m tests.supply_chain`, offline too.

Offline it compares the lock with the holes listed here, each with the version that closed it, by its
advisory.  Where pip-audit is installed (it is in no lock of ours), what it knows of the lock is said as well.
Exit code: 1 where a locked version, or one that a lower bound allows, has a known hole.
"""

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]

#: Package, first version without the hole, advisory; from the packages' release notes.
HOLES = (
    ("aiohttp", "3.13.3", "CVE-2025-69223 and others: requests that exhaust a server"),
    ("bleach", "3.3.0", "CVE-2021-23980: script in what was cleaned"),
    ("certifi", "2024.7.4", "CVE-2024-39689: a root that is trusted no more"),
    ("cryptography", "44.0.1", "CVE-2024-12797: raw public keys go unverified"),
    ("fonttools", "4.60.2", "CVE-2025-66034: files written where a font says"),
    ("h11", "0.16.0", "CVE-2025-43859: chunked bodies that end elsewhere"),
    ("jinja2", "3.1.6", "CVE-2025-27516: a way out of the sandbox"),
    ("jupyter-core", "5.8.1", "CVE-2025-30167: configuration of others is read (Windows)"),
    (
        "jupyterlab",
        "4.4.8",
        "CVE-2024-43805, CVE-2025-59842: pages that reach the document, links without noopener",
    ),
    ("nbconvert", "7.17", "CVE-2025-53000: a program of the current folder is run (Windows)"),
    ("pillow", "12.1.1", "CVE-2026-25990: writes out of bounds (PSD)"),
    ("playwright", "1.56", "CVE-2025-59288: browsers are installed unverified (macOS)"),
    ("pyarrow", "23.0.1", "CVE-2023-47248, CVE-2026-25087: use after free in IPC files"),
    ("pytest", "9.0.3", "CVE-2025-71176: a temporary folder of a guessable name"),
    ("requests", "2.32.4", "CVE-2024-47081: .netrc goes to other hosts"),
    ("scikit-learn", "1.5.0", "CVE-2024-5206: words of the training data are kept"),
    ("setuptools", "78.1.1", "CVE-2025-47273: files written anywhere by a download"),
    ("skops", "0.13", "CVE-2025-54412, CVE-2025-54413, CVE-2025-54886: code runs when a model is opened"),
    ("torch", "2.8", "CVE-2025-32434, CVE-2025-3730: code runs when weights are loaded"),
    ("tornado", "6.5.3", "CVE-2025-47287, CVE-2025-67724 to 67726: requests that exhaust a server"),
    ("tqdm", "4.66.3", "CVE-2024-34062: code in arguments of its command line"),
    ("urllib3", "2.6.3", "CVE-2025-50181, CVE-2025-66471, CVE-2026-21441: redirects, bombs of decompression"),
    ("voila", "0.5.6", "CVE-2024-30265: files of the server are read"),
)


def read_lock(path=ROOT / "requirements.lock"):
    """The pins of the lock: Requirement to its hashes, a list of str."""
    pins, lines = {}, Path(path).read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    for line in lines:
        pin, *hashes = re.split(r"\s+--hash=", line.strip())
        pins[Requirement(pin)] = hashes
    return pins


def find_holes(pins):
    """Pins (name, version) that have a known hole: lines that say which."""
    fixed = {name: (Version(version), advisory) for name, version, advisory in HOLES}
    return [
        f"{name} {version} has a known hole, closed in {fixed[name][0]}: {fixed[name][1]}"
        for name, version in pins
        if name in fixed and Version(version) < fixed[name][0]
    ]


def list_bounds():
    """Name and lowest allowed version of everything that pyproject.toml asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for lines in (project["dependencies"], *project["optional-dependencies"].values()):
        for required in map(Requirement, lines):
            [bound] = [each.version for each in required.specifier if each.operator == ">="]
            yield canonicalize_name(required.name), bound


def _find_licence(name):
    try:
        found = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return "not installed here"
    licence = found.get("License-Expression") or (found.get("License") or "").split("\n")[0][:40]
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in found.get_all("Classifier", [])
        if line.startswith("License ::")
    ]
    return licence or ", ".join(classifiers) or "not stated"


def main():
    """Print the lock with licences, and its holes."""
    pins = read_lock()
    locked = [(pin.name, str(pin.specifier).removeprefix("==")) for pin in pins]
    for (name, version), hashes in zip(locked, pins.values()):
        print(f"{name:28} {version:24} {len(hashes):3} hashes  {_find_licence(name)}")
    unhashed = [name for (name, _), hashes in zip(locked, pins.values()) if not hashes]
    problems = [f"{name} has no hash" for name in unhashed] + find_holes(locked)
    problems += [f"{line} (lower bound of pyproject.toml)" for line in find_holes(list_bounds())]
    print(f"{len(locked)} pins, {len(HOLES)} holes looked for, {len(problems)} problems.")
    print(*problems, sep="\n")
    if find_spec("pip_audit") is None:
        print(
            "pip-audit is not installed: pip install pip-audit in an environment of its own, for what is new."
        )
        return 1 if problems else 0
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes"]
    done = subprocess.run([*command, "-r", ROOT / "requirements.lock"], check=False)
    return 1 if problems or done.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
