"""What the spectrum picker hands out: a summary page, a table, a list of names, and itself as one figure."""

import numpy as np
from astropy.table import Table
from matplotlib.figure import Figure

from ..errors import AgnError
from ..files import name_file, whole_file, write_table
from ..plotting import closing_figures, plot_summary_page, save_figure
from ..saliency import Attribution
from .doubts import list_badges
from .map_panel import MapPanel
from .panels import SpectrumPanel, shift_lines

#: How the files that are written end, by their kind.
ENDINGS = {"png": "_summary.png", "pdf": "_summary.pdf", "svg": "_summary.svg", "csv": "_{}.csv"}


def name_export(shown, kind):
    """Name of the file to which something of that kind is written; the folder alone for none of them."""
    names = {key: name_file(shown.name, ending.format(shown.method)) for key, ending in ENDINGS.items()}
    return {**names, "txt": "selection.txt"}.get(kind, "")


def write_export(state, shown, kind, path):
    """Write a summary page ("png", "pdf", "svg"), a table ("csv") or the names of the selection ("txt").

    Raises AgnError for another kind, and where the file cannot be written.
    """
    kinds = [*ENDINGS, "txt"]
    if kind not in kinds:
        raise AgnError(f"kind must be {', '.join(kinds)}; got {kind!r}.")
    write = {"csv": write_attribution, "txt": lambda state, shown, path: write_selection(state, path)}
    write.get(kind, write_summary_page)(state, shown, path)


def draw_picker(state, shown):
    """The picker's view as one Figure, for pages without a front end."""
    figure = Figure(figsize=(11.2, 4.3), dpi=150, layout="none", facecolor="white")
    left, right = figure.subfigures(1, 2, width_ratios=(4.8, 6.4))
    MapPanel(left, state, live=False).update(state, shown)
    lines = shift_lines(state.lines, state.line_shift)
    SpectrumPanel(right, state, live=False).update(shown, lines=lines)
    return figure


def write_summary_page(state, shown, path):
    """Draw the picked spectrum's `plot_summary_page` to `path`, PNG, PDF or SVG by its suffix.

    Raises AgnError while a selection is shown, AgnError where the file cannot be written.
    """
    if shown.n_spectra > 1:
        raise AgnError("a summary page is of one spectrum; a selection is shown; pick a spectrum first.")
    import matplotlib.pyplot as plt

    explained = Attribution(
        values=shown.attribution[None],
        uncertainty=shown.uncertainty[None] if shown.fade else None,
        method=shown.method,
        target=np.array([shown.target]),
        of=shown.of,
        flux=shown.flux[None],
        grid=state.grid,
        name=np.array([shown.name]),
        survey=shown.survey,
    )
    with plt.style.context("agn_helpers.agn"), closing_figures():
        page = plot_summary_page(
            explained,
            probabilities=dict(zip(state.classes, shown.probability)),
            statistics=state.line_statistics(shown),
            redshift=float(state.redshift[state.row]),
            true_label=state.label[state.row] or None,
            smooth=shown.smooth,
            doubts=[badge.words for badge in list_badges(state.judge(shown))],
        )
        save_figure(page, path)


def write_attribution(state, shown, path):
    """Write what is shown as a table, a row a wavelength; the suffix of `path` says the format.

    Columns: wavelength (Å), flux, ivar, attribution, uncertainty (NaN where the method gives none), and the
    same in every row: name, target, method, change, survey.
    """
    n_grid = len(state.grid)
    table = Table({"wavelength": state.grid, "flux": shown.flux, "ivar": shown.ivar})
    table["attribution"] = shown.attribution
    table["uncertainty"] = np.full(n_grid, np.nan) if shown.uncertainty is None else shown.uncertainty
    words = {"name": shown.name, "target": shown.target, "method": shown.method}
    for key, value in {**words, "change": shown.change, "survey": shown.survey}.items():
        table[key] = np.full(n_grid, value)
    write_table(table, path)


def write_selection(state, path):
    """Write the names of the selected spectra, one a line below a comment that says the survey.

    Raises AgnError where nothing is selected.
    """
    if not len(state.selection):
        raise AgnError("nothing is selected; drag around points of the map first.")
    surveys = ", ".join(sorted(set(state.origin[state.selection].tolist())))
    with whole_file(path) as temporary:
        lines = [f"# survey = {surveys}", *state.name[state.selection]]
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
