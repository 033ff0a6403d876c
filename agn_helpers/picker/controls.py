"""What the spectrum picker is operated with: its buttons, sliders and canvases, and where they stand."""

from html import escape

import ipywidgets as ipw
import matplotlib.pyplot as plt
import numpy as np
from ipympl.backend_nbagg import Canvas, FigureManager
from matplotlib.figure import Figure
from matplotlib.widgets import LassoSelector

from ..plotting import tabulate_statistics
from ..saliency import METHODS
from .panels import ON_SCREEN

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
.agn-table .raises { color: #0b6b2e; }
.agn-table .lowers { color: #4a1a9c; }
.agn-table .faint { color: #888; }
.agn-note { color: #666; font-size: 12px; line-height: 1.35; }
</style>"""

_EXPLAINED = (
    "Mean attribution in the core (|v| < 500 km/s) and the wings (1000 to 5000 km/s) of each line, for"
)


def message_html(text, *, kind="info"):
    """One line of text; `kind` is "info" or "error".  All of it shows where the mouse rests."""
    text = escape(" ".join(str(text).split()))
    return f'<div class="agn-message {kind}" title="{text}">{text or "&nbsp;"}</div>'


def statistics_html(statistics, *, target):
    """Line statistics as a table: green raises and purple lowers P(target); grey may be 0."""
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
    return f'<table class="agn-table" title="{_EXPLAINED} P({escape(target)})">{"".join(rows)}</table>'


def selection_html(names, *, most=60):
    """The names of a selection."""
    if not len(names):
        return '<div class="agn-note">Drag around points of the map to select them.</div>'
    more = f" … and {len(names) - most} more" if len(names) > most else ""
    return f'<div class="agn-note">{escape(", ".join(names[:most]))}{more}</div>'


def rejected_html(rejected):
    """Why files were not used: a table with the columns ``name`` and ``reason``."""
    rows = "".join(f'<li class="agn-note">{escape(str(row["reason"]))}</li>' for row in rejected)
    return f'<ul style="margin: 0; padding-left: 16px">{rows}</ul>' if rows else ""


# A lasso smaller than this, in pixels, is a click.
_CLICK = 5


class SteadyCanvas(Canvas):
    """A canvas that keeps its size."""

    def _handle_message(self, canvas, content, buffers):
        super()._handle_message(canvas, content, buffers)
        if content["type"] == "initialized":
            # A new page would let the mouse drag the canvas to another size.
            self.send_state("resizable")

    def draw(self):
        with plt.rc_context(ON_SCREEN):
            super().draw()


class MapLasso(LassoSelector):
    """A lasso that is drawn with the changing artists of a panel, and distinguished from a click.

    Parameters
    ----------
    panel : MapPanel
    on_click : function (x, y)
    on_select : function (vertices)
    """

    def __init__(self, panel, *, on_click, on_select):
        look = {"color": "#cc2a8c", "linewidth": 1.3, "zorder": 20}
        super().__init__(panel.ax, self._finish, button=1, props=look)
        self._panel, self._click, self._select = panel, on_click, on_select
        for artist in self.artists:
            panel.add_changing(artist)

    def update(self):
        """Draw the lasso as it is."""
        self._panel.refresh()

    def _finish(self, vertices):
        for artist in self.artists:
            artist.set_visible(False)
        self._panel.refresh()
        pixels = self.ax.transData.transform(vertices)
        if max(pixels.max(axis=0) - pixels.min(axis=0)) < _CLICK:
            self._click(*vertices[0])
        else:
            self._select(vertices)


def make_figure(name, *, dpi):
    """A Figure on a SteadyCanvas that no other part of matplotlib knows of; `name` is "Map" or "Spectrum"."""
    figure = Figure(dpi=dpi, layout="none", facecolor="white")
    canvas = SteadyCanvas(figure)
    FigureManager(canvas, 0)
    canvas.manager.set_window_title(name)
    canvas.header_visible = canvas.footer_visible = canvas.resizable = False
    canvas.toolbar_visible = False
    canvas.capture_scroll = name == "Map"
    return figure


#: Widths of map and spectrum, their height, all in pixels, and pixels an inch, which make the letters: for
#: JupyterLab in a window of 1280 x 800 with and without its side bar, and of 1920 x 1080.
SIZES = {
    "compact": (320, 508, 376, 110),
    "wide": (428, 678, 392, 112),
    "large": (580, 890, 560, 136),
}

# The row above the map takes this from its height.
_TOOLS = 32

_GAP = {"grid_gap": "8px"}

# Names are offered while one types; a list of more of them would slow the page down.
_MOST_OFFERED = 5000

# What can be tried out: name, words, smallest, largest, step.
_SLIDERS = (
    ("broad_hbeta_flux", "Broad Hβ, Å", -100, 150, 1),
    ("broad_hbeta_width", "FWHM, km/s", 1000, 12000, 100),
    ("broad_hbeta_shift", "Shift, km/s", -3000, 3000, 50),
    ("slope", "Slope", -2, 2, 0.05),
    ("noise", "Noise", 0, 0.5, 0.005),
)


class PickerControls:
    """All widgets of a picker, laid out; `PickerView` connects them.

    Parameters
    ----------
    names : sequence of str
        Offered by the search box.
    classes : sequence of str
        Offered as targets.
    size : str
        A key of `SIZES`.

    Attributes
    ----------
    page : ipywidgets.VBox
        To be displayed.
    map_figure, spectrum_figure : Figure
    """

    def __init__(self, names, classes, *, size):
        self.map_figure, self.spectrum_figure = (
            make_figure(name, dpi=SIZES[size][-1]) for name in ("Map", "Spectrum")
        )
        self.message = ipw.HTML(
            message_html(""),
            layout={"flex": "1 1 0", "min_width": "0", "overflow": "hidden", "margin": "3px 2px 0"},
        )
        self.cancel = _button("Cancel", "times", "Give this explanation up", display="none")
        self._make_search(names)
        self._make_choices(classes, size)
        self._make_what_if()
        self._make_tabs()
        self._make_tools()
        self._map_column = ipw.VBox([self._tools, self.map_figure.canvas])
        wrapped = {"flex_flow": "row wrap", **_GAP}
        rows = [
            ipw.HBox([self.previous, self.search, self.next, self.message, self.cancel]),
            ipw.HBox([self.method, self.target, self.smooth, self.fade, self.size], layout=_GAP),
            ipw.HBox([self._map_column, self.spectrum_figure.canvas], layout=wrapped),
            ipw.HBox([self._what_if, self._tabs], layout=wrapped),
        ]
        self.page = ipw.VBox([ipw.HTML(STYLE, layout={"display": "none"}), *rows])
        self.page.add_class("agn-picker")
        self.set_size(size)

    def _make_search(self, names):
        self.previous = _button(
            "", "chevron-left", "Previous spectrum (of the selection, where there is one)"
        )
        self.next = _button("", "chevron-right", "Next spectrum (of the selection, where there is one)")
        self.search = ipw.Combobox(
            placeholder="name, or a part of it",
            continuous_update=False,
            layout={"width": "190px", "flex": "0 0 auto"},
            tooltip="Type a name, or a part that only one name has, and press Enter",
        )
        self.offer(names)

    def _make_tools(self):
        self.drag = ipw.ToggleButtons(
            options=[("select", ""), ("zoom", "zoom"), ("move", "pan")],
            tooltips=["Drag around points to select them", "Drag a box to zoom", "Drag the map"],
            style={"button_width": "62px"},
        )
        self.home = _button("", "home", "The whole map")
        self._tools = ipw.HBox([ipw.Label("Drag to"), self.drag, self.home])

    def offer(self, names):
        """Names that the search box suggests."""
        self.search.options = tuple(map(str, names)) if len(names) <= _MOST_OFFERED else ()

    def _make_choices(self, classes, size):
        methods = [(name.replace("_", " "), name) for name in METHODS]
        self.method = _dropdown("Method", methods, "176px")
        targets = [("predicted type", ""), *((name, name) for name in classes)]
        self.target = _dropdown("Explain", targets, "168px")
        self.smooth = ipw.IntSlider(
            description="Smooth (km/s)",
            max=2000,
            step=100,
            style={"description_width": "initial"},
            layout={"width": "235px"},
        )
        self.fade = ipw.Checkbox(
            description="fade < 2σ",
            indent=False,
            layout={"width": "92px"},
            tooltip="Grey where the map is nearer to zero than twice its uncertainty",
        )
        self.size = _dropdown("Size", list(SIZES), "120px", value=size)

    def _make_what_if(self):
        self.sliders = {
            name: ipw.FloatSlider(
                value=5000 if name == "broad_hbeta_width" else 0,
                min=low,
                max=high,
                step=step,
                description=words,
                readout_format=".0f" if step >= 1 else ".3f" if step < 0.01 else ".2f",
                style={"description_width": "84px"},
                layout={"width": "100%", "margin": "0"},
            )
            for name, words, low, high, step in _SLIDERS
        }
        self.reset = _button("Reset", "undo", "Take every change back", width="80px")
        title = ipw.HTML("<b>What if?</b>", layout={"flex": "1 1 auto", "margin": "0"})
        self._what_if = ipw.VBox([ipw.HBox([title, self.reset]), *self.sliders.values()])

    def _make_tabs(self):
        self.statistics = ipw.HTML()
        self.names = ipw.HTML()
        self.show_selection = _button("Show mean", "area-chart", "Mean spectrum and mean map", width="110px")
        self.end_selection = _button("Clear", "eraser", "Select nothing", width="80px")
        self.upload = ipw.FileUpload(
            multiple=True, description="Files", layout={"width": "118px", "flex": "0 0 auto"}
        )
        self.path = ipw.Text(placeholder="or the path of a file", layout={"width": "170px"})
        self.redshift = ipw.Text(
            placeholder="z if not in the file", layout={"width": "130px"}, continuous_update=False
        )
        self.add = _button("Add", "plus", "Read and put on the map", width="70px")
        self.rejected = ipw.HTML()
        self.folder = ipw.Text(
            description="Folder", style={"description_width": "50px"}, layout={"width": "98%"}
        )
        self.exports = {
            "png": _button("Page, PNG", "image", "Summary page of the picked spectrum", width="118px"),
            "pdf": _button("Page, PDF", "file-pdf-o", "Summary page of the picked spectrum", width="118px"),
            "csv": _button("Map, CSV", "table", "Flux and attribution, a row a wavelength", width="118px"),
            "txt": _button("Selection", "list", "Names, one a line", width="118px"),
        }
        pages = {
            "Lines": [self.statistics],
            "Selection": [ipw.HBox([self.show_selection, self.end_selection]), self.names],
            "Own spectra": [ipw.HBox([self.upload, self.path, self.redshift, self.add]), self.rejected],
            "Export": [self.folder, ipw.HBox(list(self.exports.values()))],
        }
        self._tabs = ipw.Tab(
            [ipw.VBox(page, layout={"overflow": "auto", "height": "140px"}) for page in pages.values()]
        )
        self._tabs.titles = tuple(pages)

    def set_size(self, size):
        """Give the canvases and what stands below them another size, a key of `SIZES`."""
        map_width, spectrum_width, height, dpi = SIZES[size]
        for figure, width, high in (
            (self.map_figure, map_width, height - _TOOLS),
            (self.spectrum_figure, spectrum_width, height),
        ):
            figure.dpi = dpi * figure.canvas.device_pixel_ratio
            figure.set_size_inches(width / dpi, high / dpi, forward=True)
            # A new layout would leave the old one behind.
            figure.canvas.layout.width, figure.canvas.layout.flex = f"{width}px", "0 0 auto"
        self._map_column.layout.width = self._what_if.layout.width = f"{map_width}px"
        self._tabs.layout.width = f"{spectrum_width - 6}px"
        self.page.layout.width = f"{map_width + spectrum_width + 10}px"

    def close(self):
        """Close every widget; no observer is left."""
        widgets = [self.page]
        while widgets:
            widget = widgets.pop()
            widgets += list(getattr(widget, "children", ()))
            parts = (getattr(widget, name, None) for name in ("layout", "style", "toolbar"))
            widgets += [part for part in parts if isinstance(part, ipw.Widget)]
            widget.unobserve_all()
            widget.close()


def message_box(text):
    """A widget that says only why there is no picker."""
    return ipw.HTML(STYLE + message_html(text, kind="error"))


def _button(words, icon, tooltip, *, width="auto", **layout):
    layout = {"width": width if words else "36px", "margin": "1px 2px", "flex": "0 0 auto", **layout}
    return ipw.Button(description=words, icon=icon, tooltip=tooltip, layout=layout)


def _dropdown(words, options, width, **rest):
    style = {"description_width": "initial"}
    return ipw.Dropdown(description=words, options=options, style=style, layout={"width": width}, **rest)
