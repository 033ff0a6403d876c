"""What the spectrum picker is operated with: its buttons, sliders and canvases, and where they stand."""

from typing import NamedTuple

import ipywidgets as ipw

from ..plotting import say_method
from ..saliency import METHODS
from .canvas import make_figure
from .markup import keys_html, message_html, page_html
from .ordering import FILTERS, ORDERS

#: Widths of the whole in pixels of the page; "auto" is as wide as there is room.
SIZES = {"auto": None, "compact": 850, "wide": 1120, "large": 1480}

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

# Pixels between the columns; below this width of the page there is one column only; heights of the row above
# a canvas, of the sliders below the map, of the tabs below the spectrum, and of all else on a page.
_GAP, _ONE_COLUMN, _HEAD, _WHAT_IF, _TABS, _ELSE = 8, 700, 34, 196, 186, 120


class Plan(NamedTuple):
    """Sizes in pixels of the page: of the map, of the spectrum (width, height), and pixels an inch."""

    map: tuple
    spectrum: tuple
    dpi: float


def plan_page(width, height, aspect):
    """Sizes of both canvases for a picker of so many pixels in a window so high; the map's aspect is kept."""
    dpi = min(max(108 + 0.045 * (width - 900), 104), 140)
    is_one = width < _ONE_COLUMN
    left = width if is_one else int(0.43 * width)
    right = width if is_one else width - left - _GAP
    high = int(min(max(height - _ELSE - _HEAD - _TABS, 330), 0.66 * right + 60))
    # Above and below the map stand its title and its legend, some 1.1 inches.
    wanted = int((left - 0.1 * dpi) / max(aspect, 0.5) + 1.1 * dpi)
    return Plan((left, min(wanted, max(high + _TABS - _WHAT_IF, 260))), (right, high), dpi)


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
    aspect : float
        Width over height of the map.

    Attributes
    ----------
    page : ipywidgets.VBox
        To be displayed.
    map_figure, spectrum_figure : Figure
    signal : ipywidgets.Text
        What the page tells, see ``page.js``.
    """

    def __init__(self, names, classes, *, size, aspect):
        self.map_figure, self.spectrum_figure = (make_figure(name, dpi=110) for name in ("Map", "Spectrum"))
        self._aspect = aspect
        self.message = ipw.HTML(message_html(""), layout={"flex": "1 1 260px", "min_width": "0"})
        self.cancel = _button("Cancel", "times", "Give this explanation up", display="none")
        self.signal = ipw.Text(continuous_update=True).add_class("agn-signal").add_class("agn-hidden")
        self._make_search(names)
        self._make_choices(classes, size)
        self._make_what_if()
        self._make_tabs()
        self._make_tools()
        self._make_page()
        self.set_size(size)

    def _make_page(self):
        self.tag, self.readout = (ipw.HTML().add_class("agn-overlay") for _ in range(2))
        self.badges = ipw.HTML(layout={"flex": "1 1 auto", "min_width": "0"}).add_class("agn-badges")
        self.links = ipw.HTML(layout={"flex": "0 0 auto"}).add_class("agn-links")
        self.matches = ipw.HTML()
        stages = [
            _box(ipw.Box, [figure.canvas, overlay], "agn-stage", kind)
            for figure, overlay, kind in (
                (self.map_figure, self.tag, "agn-map"),
                (self.spectrum_figure, self.readout, "agn-spectrum"),
            )
        ]
        self._left = ipw.VBox([self._tools, stages[0], self._what_if])
        head = _row([self.badges, self.links])
        self._right = ipw.VBox([head, stages[1], self.tabs])
        walk = [self.previous, self.search, self.next, self.order, self.keep]
        choices = [self.method, self.target, self.number, self.smooth, self.fade, self.size]
        self.page = ipw.VBox(
            [
                ipw.HTML(page_html(), layout={"display": "none"}),
                self.signal,
                _row([*walk, self.message, self.cancel]),
                self.matches,
                _row(choices),
                _box(ipw.HBox, [self._left, self._right], "agn-columns"),
            ]
        )
        self.page.add_class("agn-picker")

    def _make_search(self, names):
        where = "spectrum (of the selection, where there is one)"
        self.previous = _button("", "chevron-left", f"Previous {where}")
        self.next = _button("", "chevron-right", f"Next {where}")
        self.search = ipw.Combobox(
            placeholder="name, or a part of it",
            continuous_update=False,
            layout={"width": "180px", "flex": "0 0 auto"},
            tooltip="Type a name or a part of names, and press Enter",
        ).add_class("agn-search")
        self.order = _dropdown("Order", list(ORDERS), "164px")
        self.keep = _dropdown("Only", list(FILTERS), "150px")
        self.offer(names)

    def _make_tools(self):
        self.drag = ipw.ToggleButtons(
            options=[("select", ""), ("zoom", "zoom"), ("move", "pan")],
            tooltips=["Drag around points to select them", "Drag a box to zoom", "Drag the map"],
            style={"button_width": "62px"},
        )
        self.home = _button("", "home", "The whole map")
        self._tools = _row([ipw.Label("Drag to"), self.drag, self.home])
        self._tools.layout.min_height = f"{_HEAD}px"

    def offer(self, names):
        """Names that the search box suggests."""
        self.search.options = tuple(map(str, names)) if len(names) <= _MOST_OFFERED else ()

    def _make_choices(self, classes, size):
        methods = [(say_method(name), name) for name in METHODS]
        self.method = _dropdown("Method", methods, "176px")
        targets = [("predicted type", ""), *((name, name) for name in classes)]
        self.target = _dropdown("Explain", targets, "178px")
        numbers = [("log probability", "log_p"), ("probability", "p")]
        numbers += [("log odds", "log_odds"), ("margin", "margin")]
        self.number = _dropdown("as", numbers, "138px")
        self.smooth = ipw.IntSlider(
            description="Smooth, km/s",
            max=2000,
            step=100,
            continuous_update=True,
            style={"description_width": "initial"},
            layout={"width": "220px"},
        )
        self.fade = ipw.Checkbox(
            description="fade < 2σ",
            indent=False,
            layout={"width": "88px"},
            tooltip="Grey where the map is nearer to zero than twice its uncertainty",
        )
        self.size = _dropdown("Size", list(SIZES), "118px", value=size)

    def _make_what_if(self):
        self.sliders = {
            name: _slider(words, low, high, step, value=5000 if name == "broad_hbeta_width" else 0)
            for name, words, low, high, step in _SLIDERS
        }
        self.reset = _button("Reset", "undo", "Take every change back", width="76px")
        words = "The smallest changes that turn the predicted type"
        self.turn = _button("What turns it?", "random", words, width="146px")
        self.turns = ipw.HTML()
        title = ipw.HTML("<b>What if?</b>", layout={"flex": "1 1 auto", "margin": "0"})
        rows = [ipw.HBox([title, self.turn, self.reset]), *self.sliders.values(), self.turns]
        self._what_if = ipw.VBox(rows, layout={"overflow": "hidden"})

    def _make_tabs(self):
        self.statistics, self.selected, self.rejected, self.code = (ipw.HTML() for _ in range(4))
        self.own_lines = ipw.Text(
            placeholder="own lines: [Fe VII] 3759.99; Fe II 4570",
            continuous_update=False,
            layout={"width": "270px"},
            tooltip="Names and rest wavelengths in vacuum Å, with semicolons between them",
        )
        self.redshift = _slider("Lines at z", 0, 1, 0.0001, format=".4f")
        self.redshift.layout.width = "290px"
        self.show_selection = _button("Show mean", "area-chart", "Mean spectrum and mean map", width="110px")
        self.end_selection = _button("Clear", "eraser", "Select nothing", width="80px")
        self.upload = ipw.FileUpload(
            multiple=True, description="Files", layout={"width": "110px", "flex": "0 0 auto"}
        )
        self.path = ipw.Text(placeholder="or the path of a file", layout={"width": "160px"})
        self.own_redshift = ipw.Text(
            placeholder="z if not in the file", layout={"width": "126px"}, continuous_update=False
        )
        self.add = _button("Add", "plus", "Read and put on the map", width="70px")
        self.folder = ipw.Text(
            description="Folder", style={"description_width": "50px"}, layout={"width": "98%"}
        )
        self.exports = {
            "png": _button("Page, PNG", "image", "Summary page of the picked spectrum", width="112px"),
            "pdf": _button("Page, PDF", "file-pdf-o", "Summary page of the picked spectrum", width="112px"),
            "svg": _button("Page, SVG", "file-image-o", "Summary page of the picked spectrum", width="112px"),
            "csv": _button("Map, CSV", "table", "Flux and attribution, a row a wavelength", width="112px"),
            "txt": _button("Selection", "list", "Names, one a line", width="112px"),
        }
        self.show_code = _button("As code", "code", "A cell that makes this view again", width="100px")
        pages = {
            "Lines": [_row([self.own_lines, self.redshift]), self.statistics],
            "Selection": [_row([self.show_selection, self.end_selection]), self.selected],
            "Own spectra": [_row([self.upload, self.path, self.own_redshift, self.add]), self.rejected],
            "Export": [self.folder, _row([*self.exports.values(), self.show_code]), self.code],
            "Keys": [ipw.HTML(keys_html())],
        }
        layout = {"overflow": "auto", "height": "140px"}
        self.tabs = ipw.Tab([ipw.VBox(page, layout=layout) for page in pages.values()])
        self.tabs.titles = tuple(pages)

    def set_size(self, size, *, width=850, height=700):
        """Give the canvases and what stands below them another size, a key of `SIZES`.

        width, height : int, of the room on the page and of what is seen of it at once, in pixels
        """
        plan = plan_page(SIZES[size] or width, height, self._aspect)
        for figure, (wide, high) in ((self.map_figure, plan.map), (self.spectrum_figure, plan.spectrum)):
            figure.dpi = plan.dpi * figure.canvas.device_pixel_ratio
            figure.set_size_inches(wide / plan.dpi, high / plan.dpi, forward=True)
            # A new layout would leave the old one behind.
            figure.canvas.layout.width, figure.canvas.layout.flex = f"{wide}px", "0 0 auto"
        self._left.layout.width, self._right.layout.width = f"{plan.map[0]}px", f"{plan.spectrum[0]}px"

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
    return ipw.HTML(page_html() + message_html(text, kind="error"))


def _row(parts):
    return _box(ipw.HBox, parts, "agn-row")


def _box(kind, parts, *classes):
    box = kind(parts)
    for name in classes:
        box.add_class(name)
    return box


def _button(words, icon, tooltip, *, width="auto", **layout):
    layout = {"width": width if words else "36px", "margin": "1px 2px", "flex": "0 0 auto", **layout}
    return ipw.Button(description=words, icon=icon, tooltip=tooltip, layout=layout)


def _dropdown(words, options, width, **rest):
    style = {"description_width": "initial"}
    return ipw.Dropdown(description=words, options=options, style=style, layout={"width": width}, **rest)


def _slider(words, low, high, step, *, value=0, format=None):
    return ipw.FloatSlider(
        value=value,
        min=low,
        max=high,
        step=step,
        description=words,
        readout_format=format or (".0f" if step >= 1 else ".3f" if step < 0.01 else ".2f"),
        style={"description_width": "84px"},
        layout={"width": "100%", "margin": "0"},
    )
