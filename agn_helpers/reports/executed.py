"""Executed notebooks: what they ask, draw and write, and a page of each with its code folded."""

import ast
import re
from html import escape, unescape
from pathlib import Path
from typing import NamedTuple

import nbformat

from .pages import fill_page
from .words import clean_table

# What a cell writes: "04_lines.png", f"table{number}.csv"; braces stand for anything.
_WRITTEN = re.compile(r"""["']([\w{}\[\]()., '-]+\.(?:png|csv|ecsv|fits|skops))["']""")


class Mention(NamedTuple):
    """A file that a cell writes.

    Attributes
    ----------
    pattern : str
        Regular expression of its name.
    title : str
        The heading above the cell.
    caption : str
        Markdown that says what to notice in it; "" for none.
    notebook : str
        Stem of the notebook.
    """

    pattern: str
    title: str
    caption: str
    notebook: str


class ExecutedNotebook(NamedTuple):
    """What a report says of a notebook.

    Attributes
    ----------
    stem, title, question : str
    seconds : float or None
        That it took.
    parameters : list of (str, str, str)
        Name, value and meaning of each.
    mentions : list of Mention
    """

    stem: str
    title: str
    question: str
    seconds: float | None
    parameters: list
    mentions: list


def read_executed(path):
    """Read an executed notebook; returns an ExecutedNotebook."""
    path, notebook = Path(path), nbformat.read(path, as_version=4)
    first = next((cell.source for cell in notebook.cells if cell.cell_type == "markdown"), "")
    title = re.search(r"^# (.+)$", first, re.MULTILINE)
    question = re.search(r"\*\*Question\.\*\* (.+)", first)
    seconds = notebook.metadata.get("papermill", {}).get("duration")
    return ExecutedNotebook(
        path.stem,
        title[1].strip() if title else path.stem,
        question[1].strip() if question else "",
        seconds,
        _list_parameters(notebook),
        _list_mentions(notebook, path.stem),
    )


def _list_parameters(notebook):
    """Name, value as it was run with, and meaning of each parameter."""
    given = notebook.metadata.get("papermill", {}).get("parameters", {})
    rows = []
    for cell in notebook.cells:
        if "parameters" not in cell.metadata.get("tags", []):
            continue
        lines = cell.source.splitlines()
        for statement in ast.parse(cell.source).body:
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                name = statement.targets[0].id
                value = repr(given[name]) if name in given else ast.unparse(statement.value)
                _, _, meaning = lines[statement.end_lineno - 1].partition("  # ")
                rows.append((name, value, meaning.strip()))
    return rows


def _list_mentions(notebook, stem):
    """Files that cells write, with what is said of them before and behind."""
    mentions, title = [], ""
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            headings = re.findall(r"^#+ (.+)$", cell.source, re.MULTILINE)
            title = headings[-1] if headings else title
            continue
        caption = _caption_behind(notebook, number)
        for name in _WRITTEN.findall(cell.source):
            pattern = ".+".join(map(re.escape, re.split(r"\{[^{}]*\}", name)))
            mentions.append(Mention(pattern, title, caption, stem))
    return mentions


def _caption_behind(notebook, number):
    """What the prose behind a cell says to notice."""
    prose = (cell.source for cell in notebook.cells[number + 1 :] if cell.cell_type == "markdown")
    source = next(prose, "")
    found = re.search(r"\*\*What to (?:notice|conclude)\.\*\*\s*(.+?)(?:\n\s*\n|\Z)", source, re.DOTALL)
    return " ".join(found[1].split()) if found else ""


def render_notebook(notebook, *, stem, before=None, after=None, report="../report/index.html"):
    """Make a page of an executed notebook that needs no other file, its code folded.

    Parameters
    ----------
    notebook : NotebookNode
        With its outputs.
    stem : str
        Its name, ``NN_name``.
    before, after : str, optional
        Stems of its neighbours, whose pages stand beside.
    report : str
        Address of the report.

    Returns
    -------
    str
        HTML without scripts and without requests.
    """
    body, contents, heading = [], [], ""
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            html, found = _render_markdown(cell.source, number)
            contents += [item for item in found if item[0] > 1]
            heading = found[-1][2] if found else heading
            body.append(f'<section class="prose">{html}</section>')
        elif cell.cell_type == "code":
            outputs = _render_outputs(cell.outputs, heading, _caption_behind(notebook, number))
            body.append(_fold_code(cell) + outputs)
    return fill_page(
        "notebook.html",
        title=stem,
        body=_number_regions("\n".join(body)),
        contents=contents,
        before=before,
        after=after,
        report=report,
    )


def render_markdown(source):
    """Markdown as HTML."""
    # nbconvert takes half a second to import.
    from nbconvert.filters.markdown_mistune import markdown2html_mistune

    return markdown2html_mistune(source)


def _render_markdown(source, number):
    """HTML of a cell, and its headings: (level, id, text)."""
    html, found = render_markdown(source), []

    def mark(heading):
        level, text = int(heading[1]), re.sub(r"<a [^>]*anchor-link.*?</a>", "", heading[2], flags=re.DOTALL)
        place = f"s{number}-{len(found)}"
        found.append((level, place, unescape(re.sub(r"<[^>]+>", "", text)).strip()))
        return f'<h{level} id="{place}">{text}</h{level}>'

    html = re.sub(r"<h([1-6])[^>]*>(.*?)</h\1>", mark, html, flags=re.DOTALL)
    # Rows of the table at the head have names and no headings.
    html = re.sub(r"<thead>\s*<tr>\s*(<th[^>]*></th>\s*)+</tr>\s*</thead>", "", html)
    return re.sub(r"(<table.*?</table>)", _wide, html, flags=re.DOTALL), found


def _number_regions(html):
    """Tables by number, so that a screen reader tells them apart."""
    parts = html.split(_REGION)
    return parts[0] + "".join(f'{_REGION[:-1]} {k}"{part}' for k, part in enumerate(parts[1:], start=1))


_REGION = 'role="region" aria-label="Table"'


def _wide(table):
    """A table that scrolls by itself where the page is too narrow for it."""
    table = table if isinstance(table, str) else table[1]
    return f'<div class="wide" {_REGION} tabindex="0">{table}</div>'


def _fold_code(cell):
    from nbconvert.filters.highlight import Highlight2HTML

    if not cell.source.strip():
        return ""
    tags = cell.metadata.get("tags", [])
    word = "Parameters" if {"parameters", "injected-parameters"} & set(tags) else "Code"
    opened = " open" if "injected-parameters" in tags else ""
    lines = len(cell.source.splitlines())
    code = Highlight2HTML()(cell.source, language="python").replace("<pre>", '<pre tabindex="0">')
    return (
        f'<details class="code"{opened}><summary>{word}, {lines} line{"s" if lines > 1 else ""}</summary>'
        f"{code}</details>"
    )


def _render_outputs(outputs, heading, caption):
    from nbconvert.filters import ansi2html

    images = sum("image/png" in output.get("data", {}) for output in outputs)
    parts, n_image = [], 0
    for output in outputs:
        data = output.get("data", {})
        if "image/png" in data:
            n_image += 1
            which = f", {n_image} of {images}" if images > 1 else ""
            alt = escape(f"Figure: {heading}{which}. {plain_text(caption)}".strip(), quote=True)
            source = "".join(data["image/png"].split())
            parts.append(f'<figure><img src="data:image/png;base64,{source}" alt="{alt}"></figure>')
        elif "text/html" in data:
            parts.append(_wide(clean_table("".join(data["text/html"]))))
        elif "application/vnd.jupyter.widget-view+json" in data:
            continue
        elif output.output_type == "stream" and output.name == "stderr":
            continue
        elif output.output_type == "error":
            parts.append(f'<pre class="error" tabindex="0">{ansi2html(chr(10).join(output.traceback))}</pre>')
        else:
            text = output.get("text", "") or data.get("text/plain", "")
            if text.strip():
                parts.append(f'<pre class="said" tabindex="0">{ansi2html(text)}</pre>')
    return "".join(parts)


def plain_text(markdown, most=300):
    """Markdown without its marks, cut at a word."""
    text = re.sub(r"[*`]|\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    return text if len(text) <= most else text[:most].rsplit(" ", 1)[0] + " …"
