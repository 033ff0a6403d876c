"""Examples of README and documentation run; links lead somewhere; the site builds without a warning."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlparse

import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.table import Table
from playwright.sync_api import sync_playwright

from agn_helpers.classifier import NoveltyDetector, TrainedModel, calibrate_sets, load_model, save_model
from agn_helpers.cli import app as cli
from agn_helpers.cli import batch
from agn_helpers.picker.markup import KEYS
from agn_helpers.reduction import read_sample, sample_arrays
from agn_helpers.runs import run_folders
from agn_helpers.spectra import write_spec_lite
from agn_helpers.survey import simulate_survey

from .browser.conftest import CHROMIUM
from .browser.pages import check_accessibility
from .conftest import ROOT
from .small_run import write_small_run

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(path for path in DOCS.rglob("*.md") if "gallery" not in path.parts)]
TARGETS = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

# Its examples need Dask and results of their own: tests/bulk runs them.
ELSEWHERE = {"scale.md"}

each_page = pytest.mark.parametrize("path", PAGES, ids=[str(path.relative_to(ROOT)) for path in PAGES])


def find_blocks(path, language):
    """Code of a language in the fences of a page."""
    return re.findall(
        rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


@pytest.fixture(scope="module")
def documented(tmp_path_factory):
    """A project as pages take it for granted: the runs that they name, and a folder of spectra."""
    root = tmp_path_factory.mktemp("documented")
    for run in ("synthetic", "general"):
        write_small_run(root, run=run, n_type1=40, n_intermediate=40, n_type2=60)
    # The general model tells its doubts.
    path = root / "data" / "general" / "model.skops"
    model, sample = load_model(path), read_sample(path.with_name("sample.fits"))
    X, y = sample_arrays(sample)
    novelty = NoveltyDetector(random_state=0).fit(X, np.asarray(sample["ivar"]), grid=model.grid)
    sets = calibrate_sets(model.estimator, X, y)
    model = TrainedModel(
        model.estimator, model.grid, model.meta, {"novelty": novelty, "prediction_sets": sets}
    )
    save_model(model, path)
    (root / "notebooks").mkdir()
    (root / "notebooks" / "01_data_reduction.ipynb").write_text("{}")
    (root / "folder").mkdir()
    spectra, _ = simulate_survey(random_state=5, n_type1=2, n_intermediate=2, n_type2=2)
    names = ["mine.fits", *(f"{k}.fits" for k in range(1, len(spectra)))]
    for name, spectrum in zip(names, spectra):
        write_spec_lite(spectrum, root / "folder" / name)
    index = {"file": names, "redshift": [each.redshift for each in spectra]}
    index["label"] = [each.label for each in spectra]
    Table(index).write(root / "folder" / "index.csv")
    Table({"ra": [10.0], "dec": [0.0]}).write(root / "list.csv")
    return root


@pytest.fixture
def here(documented, monkeypatch):
    monkeypatch.chdir(documented)
    monkeypatch.syspath_prepend(str(ROOT))
    plt.switch_backend("agg")
    with plt.style.context("default"):
        yield documented


@each_page
def test_python_of_a_page_runs_from_top_to_bottom(path, here):
    if path.name in ELSEWHERE:
        assert path.name in (ROOT / "tests" / "bulk" / "test_hats.py").read_text(encoding="utf-8")
        return
    names = {}
    for code in find_blocks(path, "python"):
        exec(compile(code, f"{path.name}", "exec"), names)


@pytest.fixture
def light(monkeypatch, here):
    """Commands that would take minutes, the network or a browser get no further than their options."""
    run_folders("mine", root=here).data.mkdir(exist_ok=True)
    if not (here / "data" / "mine" / "model.skops").is_file():
        save_model(load_model(here / "data/general/model.skops"), here / "data/mine/model.skops")
    called = []

    def note(name, result=None):
        def call(*arguments, **options):
            called.append(name)
            return result

        return call

    report = here / "data" / "synthetic" / "report" / "index.html"
    monkeypatch.setattr(batch, "run_notebooks", note("run", [here / "data/x/notebooks/a.ipynb"]))
    monkeypatch.setattr("agn_helpers.cli.reproduce.list_notebooks", note("list"))
    monkeypatch.setattr("agn_helpers.reports.write_report", note("report", report))
    monkeypatch.setattr("agn_helpers.reports.compare_runs", note("compare", report))
    monkeypatch.setattr("agn_helpers.survey.open_survey", note("open"))
    monkeypatch.setattr("agn_helpers.picker.serve_page", note("serve"))
    fetched = Table({"label": ["type 1"]})
    monkeypatch.setattr("agn_helpers.archive.find_catalogue", note("list", (fetched, [])))
    monkeypatch.setattr("agn_helpers.cli.fetch._print_report", note("report", 0))
    monkeypatch.setattr("agn_helpers.archive.fetch_spectra", note("fetch"))
    cutouts = SimpleNamespace(counts={"verified": 1}, missing=Table({"reason": []}))
    monkeypatch.setattr("agn_helpers.archive.fetch_cutouts", note("fetch", cutouts))
    monkeypatch.setattr("agn_helpers.archive.check_cache", note("check", (1, Table({"reason": []}))))
    return called


@each_page
def test_commands_of_a_page_are_understood(path, light):
    for code in find_blocks(path, "sh"):
        for line in code.splitlines():
            words = shlex.split(line, comments=True)
            if not words:
                continue
            program, *rest = words
            if program == "make":
                assert {word for word in rest if "=" not in word} <= TARGETS, line
            elif program == "pip":
                (extra,) = re.findall(r"^\.(?:\[(\w+)\])?$", rest[-1])
                assert rest[0] == "install" and (not extra or extra in EXTRAS), line
            elif program == "git":
                assert rest[0] == "clone"
            elif program == "cd":
                assert len(rest) == 1
            else:
                assert program in ("agn", ".venv/bin/agn"), line
                assert cli.main(rest) in (0, 3), line


def test_the_page_of_the_picker_lists_its_keys():
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", (DOCS / "howto/picker.md").read_text(), re.MULTILINE)
    assert dict(rows[2:]).items() >= (KEYS.items() - {("?", KEYS["?"])})


def slug(heading):
    """The anchor that GitHub and MyST give a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@each_page
def test_links_of_a_page_lead_somewhere(path):
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for address in re.findall(r"\]\(([^)\s]+)\)", text):
        parts = urlparse(address)
        if parts.scheme:
            assert parts.scheme == "https" and "." in parts.netloc, address
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        # These two are written when the site is built.
        if not {"gallery", "api"} & set(target.relative_to(ROOT).parts[:-1]):
            assert target.exists(), address
            if parts.fragment:
                headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
                assert parts.fragment in map(slug, headings), address


class Links(HTMLParser):
    """Addresses and ids of a page of the site."""

    def __init__(self, path):
        super().__init__()
        self.addresses, self.loaded, self.ids = [], [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if "id" in found:
            self.ids.add(found["id"])
        if tag == "a" and found.get("href"):
            self.addresses.append(found["href"])
        if tag in ("img", "script", "iframe") and found.get("src"):
            self.loaded.append(found["src"])
        if tag == "link" and "stylesheet" in (found.get("rel") or ""):
            self.loaded.append(found["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The documentation, built with every warning an error."""
    for module in ("sphinx", "myst_nb", "pydata_sphinx_theme"):
        if find_spec(module) is None:
            pytest.skip(f"{module} is missing; pip install .[docs]")
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, *"-m sphinx -W --keep-going -q -b html -d".split(), folder / "trees"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run([*command, DOCS, folder / "site"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return folder / "site"


def test_the_site_loads_nothing_from_elsewhere_and_has_no_dead_link(site):
    pages = {path: Links(path) for path in site.rglob("*.html") if "_static" not in path.parts}
    assert len(pages) > 25
    for path, page in pages.items():
        for address in page.loaded:
            assert not urlparse(address).scheme or address.startswith("data:"), f"{path.name} loads {address}"
        for address in page.addresses + page.loaded:
            parts = urlparse(address)
            if parts.scheme or not (parts.path or parts.fragment):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.is_file(), f"{path.relative_to(site)}: {address}"
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].ids, f"{path.relative_to(site)}: {address}"


@pytest.mark.browser
def test_axe_finds_no_serious_violation_in_the_site(site):
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}; install Chromium or name it in AGN_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        for scheme in ("light", "dark"):
            page = browser.new_page(color_scheme=scheme)
            for name in ("index", "start", "saliency", "glossary", "science/methods", "api/saliency"):
                page.goto((site / f"{name}.html").as_uri())
                check_accessibility(page)
        browser.close()


def test_the_reference_has_every_public_name():
    if find_spec("sphinx") is None:
        pytest.skip("sphinx is missing; pip install .[docs]")
    sys.path.insert(0, str(DOCS))
    try:
        from reference import list_packages
    finally:
        sys.path.remove(str(DOCS))
    stubs = {path.parent.name for path in Path(ROOT, "agn_helpers").glob("*/__init__.pyi")}
    assert set(list_packages()) == stubs
