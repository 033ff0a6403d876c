"""What the picker writes in HTML: messages, badges, tables, lists; all of it escaped."""

from html import escape
from importlib.resources import files

import numpy as np

from ..plotting import COLOUR_WORDS, tabulate_statistics

_EXPLAINED = (
    "Mean attribution in the core (|v| < 500 km/s) and the wings (1000 to 5000 km/s) of each line, for"
)

#: What keys do while the picker has the focus, but within a field to type in.
KEYS = {
    "← → (or p, n)": "previous, next spectrum",
    "Home, End": "first, last spectrum of the order",
    "/": "search",
    "+ −": "zoom the map about what is picked",
    "0": "the whole map",
    "Esc": "end the selection; take every change back",
    "?": "these keys",
    "Tab": "the next control; sliders move by arrows",
}


def page_html():
    """Style and behaviour of the page: the one thing that an HTML widget runs is what its style loads."""
    folder = files(__package__)
    style, script = ((folder / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return f'<style onload="{escape(script)}">{style}</style>'


def message_html(text, *, kind="info"):
    """Two lines of text; `kind` is "info" or "error".  All of it shows where the mouse rests."""
    text = escape(" ".join(str(text).split()))
    return (
        f'<div class="agn-message {kind}" role="status" aria-live="polite" title="{text}">'
        f"{text or '&nbsp;'}</div>"
    )


def badges_html(badges):
    """What is to be known before a probability is believed: a row of `Badge`."""
    return "".join(
        f'<span class="agn-badge {badge.kind}" title="{escape(badge.meaning)}">{escape(badge.words)}</span>'
        for badge in badges
    )


def links_html(pages):
    """Links to pages of the sky, by their names."""
    look = 'target="_blank" rel="noopener noreferrer"'
    return "".join(f'<a href="{escape(url)}" {look}>{escape(name)}</a> ' for name, url in pages.items())


def tag_html(x, y, lines, *, side):
    """A name beside a place of a canvas, in pixels of the page; "" takes it away.

    side : str, where the words go, of left, right, above, below; two of them, with a space between
    """
    if not lines:
        return ""
    words = "<br>".join(map(escape, lines))
    return f'<div class="agn-tag {side}" style="left:{x:.1f}px;top:{y:.1f}px">{words}</div>'


def readout_html(text, *, x=None, top=0.0, height=0.0):
    """What stands at a wavelength, and a line there, in pixels of the page."""
    place = "" if x is None else f"left:{x:.1f}px;top:{top:.1f}px;height:{height:.1f}px"
    line = f'<div class="agn-cursor" style="{place}"></div>' if place else ""
    return f'{line}<div class="agn-readout">{escape(text)}</div>' if text else ""


def statistics_html(statistics, *, target):
    """Line statistics as a table; what raises and lowers P(target) has its colour, grey may be 0."""
    table = tabulate_statistics(statistics)
    head = "".join(f"<th>{name}</th>" for name in table.columns)
    unit = f" × 10<sup>{table.power}</sup>".replace("-", "−") if table.power else ""
    rows = [f"<tr><th>mean{unit}</th>{head}</tr>"]
    for name, cells in table.rows:
        kinds = [
            "faint"
            if cell.significant is False or np.isnan(cell.value)
            else "raises"
            if cell.value > 0
            else "lowers"
            for cell in cells
        ]
        written = "".join(f'<td class="{kind}">{cell.text}</td>' for kind, cell in zip(kinds, cells))
        rows.append(f"<tr><td>{name}</td>{written}</tr>")
    words = ", ".join(f"{word} {verb}" for verb, word in COLOUR_WORDS.items())
    title = f"{_EXPLAINED} P({escape(target)}); {words}"
    return f'<table class="agn-table" title="{title}">{"".join(rows)}</table>'


def selection_html(frame, *, sorted_by="", descending=False, total=0):
    """A selection as a table whose heads sort it and whose names are picked by a click.

    frame : pandas.DataFrame, the rows that are shown; its index holds the names
    total : int, how many rows there are
    """
    if not len(frame):
        return '<div class="agn-note">Drag around points of the map to select them.</div>'
    heads = []
    for column in ("name", *frame):
        mark, order = "", "none"
        if column == sorted_by:
            mark, order = (" ↓", "descending") if descending else (" ↑", "ascending")
        button = f'<button type="button" data-agn-sort="{escape(column)}">{escape(column)}{mark}</button>'
        heads.append(f'<th aria-sort="{order}">{button}</th>')
    rows = []
    for name, row in frame.iterrows():
        cells = "".join(f"<td>{_write_cell(value)}</td>" for value in row)
        rows.append(f"<tr><td>{_name_button(name)}</td>{cells}</tr>")
    more = f'<div class="agn-note">{len(frame)} of {total}; sorting takes all of them.</div>'
    table = f'<table class="agn-table"><tr>{"".join(heads)}</tr>{"".join(rows)}</table>'
    return table + (more if total > len(frame) else "")


def matches_html(text, names, *, total):
    """Names that hold what was searched, to be picked by a click; "" for none."""
    if not len(names):
        return ""
    more = f" and {total - len(names)} more" if total > len(names) else ""
    found = " ".join(_name_button(name) for name in names)
    return f'<div class="agn-matches">{total} names hold “{escape(text)}”: {found}{more}</div>'


def _name_button(name):
    return f'<button type="button" data-agn-pick="{escape(str(name))}">{escape(str(name))}</button>'


def _write_cell(value):
    return escape(f"{value:.3f}" if isinstance(value, float) else str(value))


def rejected_html(rejected):
    """Why files were not used: a table with the columns ``name`` and ``reason``."""
    rows = "".join(f'<li class="agn-note">{escape(str(row["reason"]))}</li>' for row in rejected)
    return f'<ul style="margin: 0; padding-left: 16px">{rows}</ul>' if rows else ""


def turns_html(table):
    """What would turn a prediction, a row a thing that is changed; its amount tries it out.

    table : astropy.table.Table, as of `agn_helpers.audit.what_would_turn`
    """
    rows = []
    for row in table:
        concept, amount = str(row["concept"]), float(row["amount"])
        if np.isnan(amount):
            rows.append(f'<tr><td>{escape(concept)}</td><td class="faint">no amount turns it</td></tr>')
            continue
        words = f"{amount:+.3g} {row['unit']}".replace("-", "−", 1)
        button = (
            f'<button type="button" data-agn-try="{escape(concept)}" data-agn-amount="{amount!r}">'
            f"{escape(words)}</button>"
        )
        then = f"→ {escape(str(row['turns_to']))}"
        rows.append(f"<tr><td>{escape(concept)}</td><td>{button}</td><td>{then}</td></tr>")
    return f'<table class="agn-table">{"".join(rows)}</table>'


def keys_html():
    """The keys and what they do."""
    rows = "".join(f"<tr><td><kbd>{escape(key)}</kbd></td><td>{what}</td></tr>" for key, what in KEYS.items())
    return f'<table class="agn-table agn-keys">{rows}</table>'


def code_html(code):
    """Lines of Python to be copied."""
    return f'<pre class="agn-code" tabindex="0" aria-label="Code of this view">{escape(code)}</pre>'
