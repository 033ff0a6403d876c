"""The gallery: executed notebooks of a run, as pages of the documentation."""

import re
import shutil

import nbformat

from agn_helpers.reports import clean_table


def collect_gallery(source, target):
    """Copy executed notebooks, without widgets and progress bars, and write the gallery's own page.

    source : Path, ``data/<run>/notebooks``; where it is missing, the page says how to make it
    target : Path, folder of the pages
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    paths = sorted(path for path in source.glob("[0-9][0-9]_*.ipynb") if ".failed" not in path.name)
    cards = []
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        question = re.search(r"\*\*Question\.\*\* (.+)", notebook.cells[0].source)
        title = notebook.cells[0].source.splitlines()[0].lstrip("# ")
        cards.append(f"[{title}]({path.stem}.ipynb)\n: {question[1] if question else ''}\n")
        nbformat.write(_clean(notebook), target / path.name)
    words = (
        "Notebooks of a small run (a tenth of the survey, fewer surveys in the audit): to be read, not "
        "quoted. Their numbers are rougher than those of `make reproduce`. All spectra are simulated."
        if paths
        else "No run was found when this site was built; `make docs` makes one first."
    )
    toc = "".join(f"{path.stem}\n" for path in paths)
    text = f"# Gallery\n\n{words}\n\n" + "\n".join(cards)
    text += f"\n```{{toctree}}\n:hidden:\n\n{toc}```\n" if paths else ""
    (target / "index.md").write_text(text, encoding="utf-8")


def _clean(notebook):
    notebook.metadata.pop("widgets", None)
    for number, cell in enumerate(notebook.cells):
        tags = set(cell.metadata.get("tags", []))
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not _is_bar(output)]
            tables = [output.data for output in cell.outputs if "text/html" in output.get("data", {})]
            for k, data in enumerate(tables, start=1):
                # What is wider than the page scrolls by itself, by the keyboard too.
                frame = f'<div class="wide" role="region" aria-label="Table {number}.{k}" tabindex="0">'
                data["text/html"] = f"{frame}{clean_table(''.join(data['text/html']))}</div>"
            cell.metadata["mystnb"] = {"image": {"alt": f"Figure: {_find_heading(notebook.cells[:number])}"}}
            cell.metadata["tags"] = (
                sorted(tags | {"hide-input"}) if "parameters" not in tags else sorted(tags)
            )
        elif number:
            # A second heading of the first level would be a second title.
            cell.source = re.sub(r"^# ", "## ", cell.source, flags=re.MULTILINE)
            if re.match(r"### ", cell.source) and not _has_section(notebook.cells[:number]):
                cell.source = cell.source[1:]
    return notebook


def _find_heading(cells):
    """The last heading of some cells."""
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return ([""] + re.findall(r"^#+ (.+)$", prose, re.MULTILINE))[-1]


def _has_section(cells):
    prose = (cell.source for cell in cells if cell.cell_type == "markdown")
    return any(re.search(r"^## ", source, re.MULTILINE) for source in prose)


def _is_bar(output):
    """Widgets without a picture, and what was said on standard error."""
    data = output.get("data", {})
    is_widget = "application/vnd.jupyter.widget-view+json" in data and "image/png" not in data
    return is_widget or (output.output_type == "stream" and output.name == "stderr")
