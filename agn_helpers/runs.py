"""Where a run keeps its files, data/<run>/ and figures/<run>/, and how notebooks write tables there."""

import re
from pathlib import Path
from typing import NamedTuple

from .errors import AgnError
from .files import whole_file, write_table

#: Name of the simulated survey, and of its run.
SYNTHETIC = "synthetic"

#: Name of the survey of fetched spectra, and their folder within a project.
SDSS = "sdss"
SDSS_CACHE = Path("data", "sdss", "spectra")

#: Folder of fetched radio images within a project.
FIRST_CACHE = Path("data", "first")


class RunFolders(NamedTuple):
    """The two folders of a run: tables, model and maps in `data`, images in `figures`."""

    data: Path
    figures: Path


def find_project():
    """Folder that holds notebooks/, data/ and figures/, wherever commands and notebooks are started.

    The nearest folder, from the current one upwards, with numbered notebooks or a run of them; else the
    checkout that this package runs from; else the current folder.
    """
    here = Path.cwd().resolve()
    for folder in (here, *here.parents, Path(__file__).resolve().parent.parent):
        if any(folder.glob("notebooks/01_*.ipynb")) or any(folder.glob("data/*/notebooks")):
            return folder
    return here


def list_notebooks(folder, *, only=None):
    """Paths ``NN_name.ipynb`` of a folder in order; only those of `only`, numbers (``"2"``) or names.

    Raises AgnError for a folder without any, and for a number or name that there is not.
    """
    notebooks = {path.stem: path for path in sorted(Path(folder).glob("[0-9][0-9]_*.ipynb"))}
    if not notebooks:
        raise AgnError(f"{folder} holds no numbered notebooks; run this in the project's folder.")
    if only is None:
        return list(notebooks.values())
    wanted = set()
    for name in only:
        stems = [stem for stem in notebooks if name.zfill(2) in (stem, stem[:2])]
        if not stems:
            raise AgnError(f"there is no notebook {name!r}; choose among {', '.join(notebooks)}.")
        wanted.update(stems)
    return [path for stem, path in notebooks.items() if stem in wanted]


def name_run(survey):
    """Name of a run after its survey: `SYNTHETIC`, `SDSS`, a folder, a table, an index's folder."""
    if survey in (SYNTHETIC, SDSS):
        return survey
    survey = Path(survey)
    name = survey.parent.name if survey.stem == "index" else survey.stem if survey.suffix else survey.name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._") or "run"


def run_folders(run, *, root=None):
    """Folders of a run below `root`, the project's by default; neither is created.

    Raises AgnError where `run` cannot name a folder.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", str(run)):
        raise AgnError(
            f"run must hold letters, digits, '.', '_' and '-' and start with a letter or digit; got {run!r}."
        )
    root = find_project() if root is None else Path(root)
    return RunFolders(root / "data" / run, root / "figures" / run)


def require_file(path, *, written_by):
    """Return `path` as a Path; AgnError where it is missing says which notebook it is `written_by`."""
    path = Path(path)
    if not path.is_file():
        raise AgnError(f"{path} is missing; run {written_by} with the same run name first.")
    return path


def write_frame(frame, path, *, survey, shown=None):
    """Write a DataFrame, its index first, as a table for programs and one for a paper.

    The table at `path` has a last column that says which survey it was made from; the LaTeX file beside it,
    of the same name with the suffix .tex, says so in a comment and needs the package booktabs.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns in one level.
    path : path
        Its suffix says the format, see `agn_helpers.files.write_table`.
    survey : str
        Where the spectra come from.
    shown : pandas.DataFrame, optional
        What the LaTeX file shows instead of `frame`, e.g. its numbers as text; columns in one or two levels.

    Raises
    ------
    AgnError
        For a suffix that stands for no table, or where a file cannot be written.
    """
    from astropy.table import Table

    write_table(Table.from_pandas(frame.reset_index().assign(survey=survey)), path)
    shown = frame if shown is None else shown
    with whole_file(Path(path).with_suffix(".tex")) as temporary:
        temporary.write_text(
            f"% survey = {' '.join(survey.split())}\n{_format_latex(shown)}", encoding="utf-8"
        )


def _format_latex(frame):
    """A LaTeX table in the style of booktabs."""
    # The names of the index stand in the line of the columns' own names, not of their groups.
    table = frame.reset_index(col_level=-1) if frame.columns.nlevels > 1 else frame.reset_index()
    style = table.style.hide(axis="index").format(_format_cell, escape="latex")
    style = style.format_index(escape="latex", axis="columns")
    n_names = frame.index.nlevels
    column_format = "l" * n_names + "r" * (table.shape[1] - n_names)
    return style.to_latex(hrules=True, column_format=column_format, multicol_align="c")


def _format_cell(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)
