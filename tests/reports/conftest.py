"""A small run with executed notebooks, whose spectra have names that would be markup."""

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from agn_helpers.classifier import load_model
from agn_helpers.files import read_table, write_table
from agn_helpers.maps import read_map, write_map
from agn_helpers.reduction import read_sample, write_sample

from ..small_run import write_small_run

HOSTILE = '<img src=x onerror="window.hacked=1">&\'</script><script>window.hacked=2</script>'

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="


def write_executed(path, *, name=HOSTILE):
    """An executed notebook that draws, tabulates and prints."""
    rows = f"<tr><th>share_q16</th></tr><tr><td>{name}</td></tr>"
    table = f"<style>th {{}}</style><table border='1' onclick='x()'>{rows}</table>"
    cells = [
        new_markdown_cell(
            "# 04 · A title\n\n**Question.** What is it, and why?\n\n| | |\n|-|-|\n| goal | this |"
        ),
        new_code_cell('n = 3  # number of things\nrun = "x"  # name', metadata={"tags": ["parameters"]}),
        new_markdown_cell("## Part one: Hβ\n\nText."),
        new_code_cell(
            'save_figure(ax, folders.figures / f"04_shown_{k}.png")\nwrite_frame(t, tables / "shown.csv")',
            outputs=[
                new_output("display_data", {"image/png": PIXEL}),
                new_output("display_data", {"text/html": table}),
                new_output("stream", name="stdout", text=f"read {name}"),
            ],
        ),
        new_markdown_cell("**What to notice.** The *first* is larger.\n\n## Part two"),
    ]
    notebook = new_notebook(cells=cells)
    notebook.metadata["papermill"] = {"duration": 61.2, "parameters": {"n": 5}}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return notebook


@pytest.fixture(scope="session")
def hostile_run(tmp_path_factory):
    """Root of a project with the run "small", the first spectrum of which has a hostile name."""
    root = tmp_path_factory.mktemp("reported")
    folders = write_small_run(root)
    sample = read_sample(folders.data / "sample.fits")
    sample["name"] = np.array([HOSTILE, *sample["name"][1:]])
    sample["ra"], sample["dec"] = np.linspace(1, 200, len(sample)), -np.linspace(0, 50, len(sample))
    write_sample(sample, folders.data / "sample.fits")
    spectrum_map = read_map(folders.data / "map.fits")
    spectrum_map.name = np.array(sample["name"], dtype=str)
    write_map(spectrum_map, folders.data / "map.fits")
    split = read_table(folders.data / "split.ecsv")
    split["name"] = sample["name"]
    write_table(split, folders.data / "split.ecsv")
    predicted = load_model(folders.data / "model.skops").predict(sample)
    predicted["true"], predicted["number"] = sample["label"], np.arange(len(sample)) + 1
    kept = ["number", "p_type1", "p_intermediate", "p_type2", "predicted", "true", "name"]
    for number, rows in ((10, [0, 1]), (11, [2])):
        write_table(predicted[kept][rows], folders.data / "tables" / f"table{number}.csv")
    write_executed(folders.data / "notebooks" / "04_saliency.ipynb")
    folders.figures.mkdir(parents=True)
    (folders.figures / "04_shown_1.png").write_bytes(b"\x89PNG")
    return root
