"""What the spectrum picker says in HTML: messages, the table of line statistics, names of a selection."""

from html import escape

import numpy as np

from .lines import LINES
from .saliency_colours import SIGNIFICANT

STYLE = """<style>
.agn-picker { font-size: 13px; }
.agn-picker .widget-label { font-size: 12.5px; }
.agn-picker .widget-tab > .widget-tab-contents { padding: 6px 8px; }
.agn-picker .jupyter-matplotlib-canvas-div:focus { outline: none; }
.agn-table sup { line-height: 0; font-size: 11px; }
.agn-picker .widget-html > .widget-html-content { min-width: 0; }
.agn-message { line-height: 20px; padding: 1px 8px; border-radius: 3px; white-space: nowrap;
  overflow: hidden; text-overflow: ellipsis; }
.agn-message.info { color: #444; background: #f3f5f7; }
.agn-message.error { color: #7a1f00; background: #fdece4; }
.agn-table { border-collapse: collapse; font-size: 12.5px; line-height: 16px; }
.agn-table th { text-align: right; font-weight: 600; border-bottom: 1px solid #999; padding: 0 9px 1px;
  white-space: nowrap; }
.agn-table td { text-align: right; padding: 0 9px; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.agn-table th:first-child, .agn-table td:first-child { text-align: left; padding-left: 2px; }
.agn-table .raises { color: #1f5fa0; }
.agn-table .lowers { color: #b04000; }
.agn-table .faint { color: #888; }
.agn-note { color: #666; font-size: 12px; line-height: 1.35; }
</style>"""

_EXPLAINED = (
    "Mean attribution in the core (|v| < 500 km/s) and the wings (1000 to 5000 km/s) of each line, for"
)
_COLUMNS = {"core": "core", "wings": "wings", "contrast": "core − wings"}


def message_page(text, *, kind="info"):
    """One line of text; `kind` is "info" or "error".  All of it shows where the mouse rests."""
    text = escape(" ".join(str(text).split()))
    return f'<div class="agn-message {kind}" title="{text}">{text or "&nbsp;"}</div>'


def statistics_page(statistics, *, target):
    """Table of line statistics, as from `line_statistics.measure_lines`, a row a line."""
    columns = [name for name in _COLUMNS if name in statistics.columns]
    values = np.abs(statistics[columns].to_numpy(dtype=float))
    largest = np.nanmax(values) if np.isfinite(values).any() else 0
    power = int(np.floor(np.log10(largest))) if largest > 0 else 0
    head = "".join(f"<th>{_COLUMNS[name]}</th>" for name in columns)
    rows = []
    for line, row in statistics.iterrows():
        cells = "".join(
            _number_cell(row[name], row.get(f"{name}_uncertainty", np.nan), 10.0**power) for name in columns
        )
        rows.append(f"<tr><td>{LINES[line].label}</td>{cells}</tr>")
    unit = f" × 10<sup>{power}</sup>".replace("-", "−") if power else ""
    head = f"<tr><th>mean{unit}</th>{head}</tr>"
    return f'<table class="agn-table" title="{_EXPLAINED} P({escape(target)})">{head}{"".join(rows)}</table>'


def _number_cell(value, error, unit):
    if not np.isfinite(value):
        return '<td class="faint">–</td>'
    text = f"{value / unit:+.2f}".replace("-", "−")
    kind = "raises" if value > 0 else "lowers"
    if np.isfinite(error):
        text += f" ± {error / unit:.2f}"
        kind = kind if abs(value) >= SIGNIFICANT * error else "faint"
    return f'<td class="{kind}">{text}</td>'


def selection_page(names, *, most=60):
    """The names of a selection."""
    if not len(names):
        return '<div class="agn-note">Drag around points of the map to select them.</div>'
    more = f" … and {len(names) - most} more" if len(names) > most else ""
    return f'<div class="agn-note">{escape(", ".join(names[:most]))}{more}</div>'


def rejected_page(rejected):
    """Why files were not used: a table with the columns ``name`` and ``reason``."""
    rows = "".join(f'<li class="agn-note">{escape(str(row["reason"]))}</li>' for row in rejected)
    return f'<ul style="margin: 0; padding-left: 16px">{rows}</ul>' if rows else ""
