"""The report of a run: its front page, and two runs side by side."""

import platform
import re
import shutil
from dataclasses import replace
from importlib import metadata
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import numpy as np

from ..classifier import load_model
from ..errors import AgnError
from ..files import make_folder, read_table, whole_file
from ..locks import claim_run
from ..maps import read_map
from ..plotting import place_figure
from ..reduction import read_sample
from ..runs import run_folders
from ..saliency import explain
from .executed import plain_text, read_executed, render_markdown
from .explorer import write_explorer
from .objects import write_object_pages
from .pages import fill_page
from .summary import collect_numbers
from .words import TABLE_TITLES, name_column, write_table

#: Versions that a report states.
PACKAGES = (
    "agn-helpers",
    "numpy",
    "scipy",
    "scikit-learn",
    "astropy",
    "matplotlib",
    "opentsne",
    "pandas",
    "bokeh",
)


class ShownFile(NamedTuple):
    """A figure or a table of a report.

    Attributes
    ----------
    path : Path
    title, caption : str
        The caption in Markdown.
    notebook : str
        Stem of the notebook that made it, "" where none says so.
    """

    path: Path
    title: str
    caption: str
    notebook: str


def write_report(run, *, root=None, progress=True):
    """Write the report of a run: an index, a page for each explained spectrum, and the explorer.

    Parameters
    ----------
    run : str
        Name of the run.
    root : path, optional
        Of the project.
    progress : bool
        Show a bar while pages are drawn.

    Returns
    -------
    Path
        ``data/<run>/report/index.html``.

    Raises
    ------
    AgnError
        Where the run has no executed notebook.
    """
    folders = run_folders(run, root=root)
    notebooks = _read_notebooks(folders, run)
    with claim_run(folders.data):
        return _write_index(folders, notebooks, run, progress=progress)


def _write_index(folders, notebooks, run, *, progress):
    """All pages; the index last, since it says which others there are."""
    folder = make_folder(folders.data / "report")
    survey, pages, n_explorer, problem = "", [], 0, ""
    files = {name: folders.data / name for name in ("sample.fits", "model.skops", "split.ecsv", "map.fits")}
    if files["sample.fits"].is_file():
        sample = read_sample(files["sample.fits"])
        survey = str(sample.meta["survey"])
        if files["model.skops"].is_file():
            try:
                pages, n_explorer = _write_spectra(folder, folders, files, sample, run, progress=progress)
            except AgnError as error:
                # Of an earlier run, a model or a map may not fit what this one has made.
                problem = str(error)
    figures = _collect_figures(folders, notebooks)
    shutil.rmtree(folder / "figures", ignore_errors=True)
    for each in figures:
        shutil.copyfile(each.path, make_folder(folder / "figures") / each.path.name)
    tables = _collect_tables(folders, notebooks)
    links = {page.name: f"objects/{quote(page.file)}" for page in pages}
    page = fill_page(
        "index.html",
        title=f"Report: {run}",
        run=run,
        survey=survey,
        numbers=_group(collect_numbers(folders.data / "tables")),
        notebooks=notebooks,
        figures=[_show_figure(each) for each in figures],
        tables=[_show_table(each, links) for each in tables],
        pages=pages,
        n_explorer=n_explorer,
        problem=problem,
        versions=_list_versions(),
    )
    path = folder / "index.html"
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="replace")
    return path


def _read_notebooks(folders, run):
    paths = sorted((folders.data / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    paths = [path for path in paths if not path.name.endswith(".failed.ipynb")]
    if not paths:
        raise AgnError(
            f"run {run} must have an executed notebook; {folders.data} has none. Run agn reproduce first."
        )
    return [read_executed(path) for path in paths]


def _write_spectra(folder, folders, files, sample, run, *, progress):
    """Pages of explained objects and the explorer, as far as the run has come."""
    model = load_model(files["model.skops"])
    names = _list_explained(folders.data / "tables")
    row = {str(name): k for k, name in enumerate(sample["name"])}
    rows = [row[name] for name in names if name in row]
    shutil.rmtree(folder / "objects", ignore_errors=True)
    has_map = files["map.fits"].is_file()
    pages = []
    if rows:
        few = sample[rows]
        noisy = explain(model, few, method="smoothgrad", random_state=0)
        attribution = replace(explain(model, few), uncertainty=noisy.uncertainty)
        pages = write_object_pages(
            folder / "objects",
            few,
            model.predict(few),
            attribution,
            model,
            labels=np.asarray(few["label"], dtype=str),
            explorer="../explorer.html" if has_map else "",
            progress=progress,
        )
    n_explorer = 0
    (folder / "explorer.html").unlink(missing_ok=True)
    if has_map:
        split = read_table(files["split.ecsv"]) if files["split.ecsv"].is_file() else {"name": [], "part": []}
        n_explorer = write_explorer(
            folder / "explorer.html",
            sample,
            model.predict(sample),
            explain(model, sample),
            read_map(files["map.fits"]),
            parts=dict(zip(map(str, split["name"]), map(str, split["part"]))),
            title=f"Explorer: {run}",
            back="index.html",
        )
    return pages, n_explorer


def _list_explained(tables):
    """Names in the tables of the misclassified and of the correctly classified spectra."""
    names = []
    for number in (10, 11):
        path = tables / f"table{number}.csv"
        if path.is_file():
            names += [str(name) for name in read_table(path)["name"]]
    return list(dict.fromkeys(names))


def _find_mention(name, notebooks):
    """What notebooks say of a file, or None; those that name it exactly come first."""
    found = [each for notebook in notebooks for each in notebook.mentions if re.fullmatch(each.pattern, name)]
    return min(found, key=lambda each: (".+" in each.pattern, -len(each.pattern)), default=None)


def _collect_figures(folders, notebooks):
    """Figures of a run, a `ShownFile` each, in the order in which its notebooks draw them."""
    shown = []
    paths = folders.figures.glob("[0-9][0-9]_*.png")
    for path in sorted(paths, key=lambda path: (path.stem[:2], place_figure(path.stem), _natural(path))):
        mention = _find_mention(path.name, notebooks)
        written = path.with_suffix(".txt")
        title = mention.title if mention else name_column(path.stem[3:])
        caption = mention.caption if mention else ""
        if written.is_file():
            # The caption that was saved with the figure.
            caption = written.read_text(encoding="utf-8").strip()
        shown.append(ShownFile(path, title, caption, mention.notebook if mention else ""))
    return shown


def _collect_tables(folders, notebooks):
    shown = []
    for path in sorted((folders.data / "tables").glob("*.csv"), key=_natural):
        mention = _find_mention(path.name, notebooks)
        title = TABLE_TITLES.get(path.stem) or name_column(path.stem).capitalize()
        caption = mention.caption if mention else ""
        shown.append(ShownFile(path, title, caption, mention.notebook if mention else ""))
    return shown


def _natural(path):
    """Numbers within a name by their size."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.stem)]


def _show_figure(each):
    return {
        "address": f"figures/{quote(each.path.name)}",
        "title": each.title,
        "name": each.path.name,
        "alt": f"{each.title}: {plain_text(each.caption, 200) or each.path.stem}",
        "caption": render_markdown(each.caption) if each.caption else "",
        "notebook": each.notebook,
    }


def _show_table(each, links, most=60):
    table = read_table(each.path)
    return {
        "title": each.title,
        "name": each.path.name,
        "id": f"table-{each.path.stem}",
        "address": f"../tables/{quote(each.path.name)}",
        "latex": f"../tables/{quote(each.path.stem)}.tex" if each.path.with_suffix(".tex").is_file() else "",
        "caption": render_markdown(each.caption) if each.caption else "",
        "html": write_table(table, most=most, links=links),
        "n": len(table),
        "n_more": max(0, len(table) - most),
        "notebook": each.notebook,
    }


def _group(numbers):
    """Key numbers by their groups, written out."""
    return [
        (group, [_write_number(each) for each in few])
        for group, few in groupby(numbers, lambda each: each.group)
    ]


def _write_value(number, sign=""):
    return f"{number:{sign}.3f}".replace("-", "−")


def _write_number(each):
    interval = "" if each.interval is None else " to ".join(map(_write_value, each.interval))
    paper = (
        "" if each.paper is None else each.paper if isinstance(each.paper, str) else _write_value(each.paper)
    )
    return {
        "name": each.name,
        "value": _write_value(each.value),
        "interval": interval,
        "meaning": each.meaning,
        "paper": paper,
        "notebook": each.notebook,
    }


def _list_versions():
    found = [("Python", platform.python_version())]
    for name in PACKAGES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            found.append((name, "not installed"))
    return found


def compare_runs(run, other, *, root=None):
    """Write a page with two runs side by side: key numbers, parameters that differ, figures.

    Parameters
    ----------
    run, other : str
        Names of the runs.
    root : path, optional
        Of the project.

    Returns
    -------
    Path
        ``data/<run>/report/compared_with_<other>.html``, which holds copies of the other's figures.

    Raises
    ------
    AgnError
        For one run twice, and where a run has no executed notebook.
    """
    if run == other:
        raise AgnError(f"two runs are compared; got {run} twice. Name another.")
    with claim_run(run_folders(run, root=root).data):
        return _write_comparison(run, other, root)


def _write_comparison(run, other, root):
    both = []
    for each in (run, other):
        folders = run_folders(each, root=root)
        notebooks = _read_notebooks(folders, each)
        figures = {shown.path.name: shown for shown in _collect_figures(folders, notebooks)}
        both.append((folders, notebooks, figures, collect_numbers(folders.data / "tables")))
    samples = {each[0].data.name: each[0].data / "sample.fits" for each in both}
    surveys = {name: read_sample(path).meta["survey"] for name, path in samples.items() if path.is_file()}
    synthetic = [name for name, survey in surveys.items() if "synthetic" in str(survey)]
    folder = make_folder(both[0][0].data / "report")
    shared = [name for name in both[0][2] if name in both[1][2]]
    for name, (_, _, figures, _) in zip((run, other), both):
        target = make_folder(folder / "compared" / name)
        for figure in shared:
            shutil.copyfile(figures[figure].path, target / figure)
    page = fill_page(
        "compare.html",
        title=f"{run} and {other}",
        runs=(run, other),
        synthetic=synthetic,
        numbers=_pair_numbers(both[0][3], both[1][3]),
        parameters=_pair_parameters(both[0][1], both[1][1]),
        figures=[{"name": name, "title": both[0][2][name].title, "file": quote(name)} for name in shared],
        n_single=len(set(both[0][2]) ^ set(both[1][2])),
    )
    path = folder / f"compared_with_{other}.html"
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="replace")
    return path


def _pair_numbers(ours, others):
    """Key numbers of both runs, and whether the second lies outside the interval of the first."""
    values = {(each.group, each.name): each for each in others}
    rows = []
    for each in ours:
        other = values.get((each.group, each.name))
        first, second = _write_number(each), _write_number(other) if other else None
        apart = bool(
            other
            and each.interval
            and other.interval
            and (each.interval[1] < other.interval[0] or other.interval[1] < each.interval[0])
        )
        difference = _write_value(other.value - each.value, sign="+") if other else ""
        rows.append((each.group, first, second, difference, apart))
    return [(group, list(few)) for group, few in groupby(rows, lambda row: row[0])]


def _pair_parameters(ours, others):
    """Parameters that differ: notebook, name, both values, meaning."""
    values = {(notebook.stem, name): value for notebook in others for name, value, _ in notebook.parameters}
    return [
        (notebook.stem, name, value, values[notebook.stem, name], meaning)
        for notebook in ours
        for name, value, meaning in notebook.parameters
        if (notebook.stem, name) in values and values[notebook.stem, name] != value and name != "run"
    ]
