"""Two runs side by side: key numbers, parameters that differ, figures."""

import shutil
from itertools import groupby
from urllib.parse import quote

from ..errors import AgnError
from ..files import make_folder, whole_file
from ..locks import claim_run
from ..runs import run_folders
from .pages import fill_page
from .run_report import collect_figures, read_notebooks, write_number
from .summary import collect_numbers


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
        notebooks = read_notebooks(folders, each)
        figures = {shown.path.name: shown for shown in collect_figures(folders, notebooks)}
        both.append((folders, notebooks, figures, collect_numbers(folders.data / "tables")))
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
        first, second = write_number(each), write_number(other) if other else None
        apart = bool(
            other
            and each.interval
            and other.interval
            and (each.interval[1] < other.interval[0] or other.interval[1] < each.interval[0])
        )
        difference = f"{other.value - each.value:+.3f}" if other else ""
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
