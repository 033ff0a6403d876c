"""The explorer: one HTML file with map, spectra and attributions of a run; no server, no request."""

import json
from base64 import b64encode

import numpy as np

from ..files import whole_file
from ..lines import AGN_TYPES, LINES
from ..plotting import (
    FLUX_LABEL,
    NAMED_LINES,
    SALIENCY_COLOURS,
    SALIENCY_ON_DARK,
    WAVELENGTH_LABEL,
    current_theme,
    find_floor,
    flux_limits,
    map_scales,
)
from ..spectra import SKY_PAGES
from .objects import describe_doubt
from .pages import fill_page, read_part

#: Bytes that spectra may take in the file; of more spectra, some are left out.
MOST_BYTES = 20_000_000

# A pixel that was not observed, where attributions go from -127 to 127.
_UNOBSERVED = -128

_MARKERS = {"o": "circle", "^": "triangle", "s": "square"}

# Names of lines stand left of them; right of those whose neighbour to the blue is nearer than this, in Å.
_ROOM = 60


def write_explorer(path, sample, types, attribution, spectrum_map, *, parts=None, title="Explorer", back=""):
    """Write a page that shows map and spectra of a run by pointing at them.

    Parameters
    ----------
    path : path
        Of the page.
    sample, types : astropy.table.Table
        Reduced spectra, and their types by `agn_helpers.classifier.predict_types`, row by row.
    attribution : Attribution
        Of the same spectra.
    spectrum_map : SpectrumMap
        With a place for each.
    parts : mapping of str to str, optional
        Part of the split, by name.
    title : str
    back : str
        Address of the report; "" for none.

    Returns
    -------
    int
        How many spectra it holds: of too many, those of the test part come first.

    Notes
    -----
    A spectrum is 16-bit numbers between its least and its largest flux, an attribution 8-bit numbers of its
    largest, -128 where nothing was observed; both are base64 in slices of equal length, so that a click
    decodes one spectrum only.
    """
    names = np.array(sample["name"], dtype=str)
    place = {str(name): k for k, name in enumerate(spectrum_map.name)}
    part = np.array([str((parts or {}).get(name, "")) for name in names])
    on_map = np.array([name in place for name in names], dtype=bool)
    n_grid = attribution.values.shape[1]
    most = MOST_BYTES // (4 * (-(-2 * n_grid // 3) + -(-n_grid // 3)))
    order = np.flatnonzero(on_map)
    order = np.sort(order[np.argsort(part[order] != "test", kind="stable")][:most])
    attribution, types, part = attribution[order], types[order], part[order]
    sample, names = sample[order], names[order]
    flux, low, high = _quantise_flux(attribution.flux)
    values, largest = _quantise_values(attribution.values, np.asarray(sample["ivar"]) > 0)
    limits = np.array([flux_limits(attribution.grid, one) for one in attribution.flux])
    labels = np.asarray(sample["label"], dtype=str)
    data = {
        "names": names.tolist(),
        "label": labels.tolist(),
        "predicted": [str(name) for name in types["predicted"]],
        "target": attribution.target.tolist(),
        "part": part.tolist(),
        "redshift": _round(sample["redshift"], 5),
        "probability": {name: _round(types[f"p_{each.key}"], 4) for name, each in AGN_TYPES.items()},
        "doubts": [" ".join(describe_doubt(dict(zip(types.colnames, row)))) for row in types],
        "novelty": _round(types["novelty"], 3) if "novelty" in types.colnames else [],
        "ra": _round(np.ma.filled(np.ma.asarray(sample["ra"], dtype=float), np.nan), 6),
        "dec": _round(np.ma.filled(np.ma.asarray(sample["dec"], dtype=float), np.nan), 6),
        "x": _round([spectrum_map.coordinates[place[name], 0] for name in names], 3),
        "y": _round([spectrum_map.coordinates[place[name], 1] for name in names], 3),
        "low": _significant(low),
        "high": _significant(high),
        "largest": _significant(largest),
        "scale": _significant(map_scales(attribution.values)),
        "bottom": _significant(limits[:, 0]),
        "top": _significant(limits[:, 1]),
        "grid": _round(attribution.grid, 3),
        "lines": [
            (LINES[name].label, LINES[name].wavelength)
            for name in NAMED_LINES
            if attribution.grid[0] < LINES[name].wavelength < attribution.grid[-1]
        ],
        "quantity": attribution.quantity,
        "floor": find_floor(attribution.quantity),
        "palettes": [_list_colours(each) for each in (SALIENCY_COLOURS, SALIENCY_ON_DARK)],
        "types": {
            name: {"colour": each.colour, "marker": _MARKERS[each.marker]} for name, each in AGN_TYPES.items()
        },
        "sky": SKY_PAGES,
        "back": back,
        "unobserved": _UNOBSERVED,
        "n_slice": [len(_encode(flux[:1])), len(_encode(values[:1]))],
    }
    page = fill_page(
        "explorer.html",
        title=title,
        survey=attribution.survey,
        back=back,
        n=len(names),
        n_left_out=int(on_map.sum()) - len(names),
        library=_library(),
        program=read_part("explorer.js"),
        figures=_to_script(_make_figures(data, attribution)),
        data=_to_script(data),
        flux=_encode(flux),
        values=_encode(values),
    )
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return len(names)


def _round(values, digits):
    """Numbers of JSON, None for NaN."""
    return [None if not np.isfinite(value) else round(float(value), digits) for value in values]


def _significant(values):
    return [float(f"{value:.5g}") for value in values]


def _list_colours(palette):
    """255 colours from what lowers to what raises, and that of what is not coloured."""
    return [*(_hex(palette(k / 254)) for k in range(255)), _hex(palette.get_bad())]


def _hex(colour):
    return "#" + "".join(f"{round(255 * share):02x}" for share in colour[:3])


def _quantise_flux(flux):
    """Fluxes as little-endian 16-bit numbers between the ends of each spectrum."""
    low, high = flux.min(axis=1), flux.max(axis=1)
    width = np.where(high > low, high - low, 1)
    return np.rint((flux - low[:, None]) / width[:, None] * 65535).astype("<u2"), low, high


def _quantise_values(values, observed):
    """Attributions as 8-bit numbers in 1/127 of the largest of each spectrum."""
    largest = np.abs(values).max(axis=1)
    largest = np.where(largest > 0, largest, 1)
    small = np.rint(values / largest[:, None] * 127).astype(np.int8)
    small[~observed] = _UNOBSERVED
    return small, largest


def _encode(rows):
    """Base64 of rows, each filled up to whole groups of three bytes, so that each is a slice of the text."""
    raw = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
    filled = np.pad(raw, ((0, 0), (0, -raw.shape[1] % 3)))
    return b64encode(filled.tobytes()).decode("ascii")


def _to_script(data):
    """JSON that may stand in a script element, whatever texts it holds."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    # A lone surrogate, from a file name of no encoding, cannot be written.
    return text.encode("utf-8", "replace").decode("utf-8")


def _library():
    """Bokeh's own script, which the page carries."""
    from bokeh.resources import Resources

    return "\n".join(Resources(mode="inline", components=["bokeh"]).js_raw).replace("</script", "<\\/script")


def _make_figures(data, attribution):
    """Bokeh's description of map, spectrum and strip; the page's program fills and colours them."""
    from bokeh.embed import json_item
    from bokeh.layouts import column
    from bokeh.models import ColumnDataSource, HoverTool, Legend, Range1d, TapTool, WheelZoomTool
    from bokeh.plotting import figure

    # Transparent until the page has given it a colour: what is painted first shines through at the edges.
    fills = ("background_fill_color", "border_fill_color", "outline_line_color")
    look = {"toolbar_location": "above", **dict.fromkeys(fills)}
    plane = figure(
        name="map", tools="pan,box_zoom,reset,save", match_aspect=True, sizing_mode="stretch_both", **look
    )
    wheel = WheelZoomTool()
    plane.add_tools(wheel, TapTool())
    plane.toolbar.active_scroll = wheel
    plane.axis.visible, plane.grid.visible = False, False
    drawn = []
    # The frequent ones first, so that they hide nobody.
    for name in sorted(data["types"], key=data["label"].count, reverse=True):
        each = data["types"][name]
        rows = [k for k, label in enumerate(data["label"]) if (label or data["predicted"][k]) == name]
        columns = {"x": [data["x"][k] for k in rows], "y": [data["y"][k] for k in rows], "row": rows}
        columns |= {key: [data[key][k] for k in rows] for key in ("names", "label", "predicted")}
        drawn.append(
            plane.scatter(
                "x",
                "y",
                source=ColumnDataSource(columns, name=f"points {name}"),
                name=f"marks {name}",
                marker=each["marker"],
                size=6,
                color=each["colour"],
                line_width=0.4,
                nonselection_alpha=1,
            )
        )
    # Names are values, never labels: those are written in a pale blue.
    words = ("@names", "label: @label", "predicted: @predicted")
    plane.add_tools(HoverTool(renderers=drawn, tooltips=[("", each) for each in words]))
    of_type = {each.name.removeprefix("marks "): [each] for each in drawn}
    # Below the map, where no point can lie under it.
    legend = Legend(items=[(name, of_type[name]) for name in data["types"]], orientation="horizontal")
    legend.update(location="center", click_policy="hide", border_line_color=None, padding=4, spacing=14)
    plane.add_layout(legend, "below")
    plane.toolbar.logo = None
    plane.scatter(
        "x",
        "y",
        source=ColumnDataSource({"x": [], "y": []}, name="ring"),
        name="ring mark",
        marker="circle",
        size=17,
        fill_color=None,
        line_width=2.5,
    )
    grid = attribution.grid
    look |= {"min_border_left": 62, "sizing_mode": "stretch_width"}
    ends = Range1d(grid[0], grid[-1], bounds=(grid[0] - 20, grid[-1] + 20))
    heights = Range1d(0, 2, name="flux range")
    tools = "xpan,box_zoom,reset,save"
    spectrum = figure(name="spectrum", tools=tools, x_range=ends, y_range=heights, height=340, **look)
    wheel = WheelZoomTool(dimensions="width")
    spectrum.add_tools(wheel)
    spectrum.toolbar.active_scroll, spectrum.toolbar.logo = wheel, None
    spectrum.xaxis.axis_label = WAVELENGTH_LABEL
    spectrum.yaxis.axis_label = FLUX_LABEL
    spectrum.grid.visible = False
    marks = {"text": [each[0] for each in data["lines"]], "x": [each[1] for each in data["lines"]]}
    is_right = np.diff(marks["x"], prepend=grid[0] - _ROOM / 2) < _ROOM
    marks |= {"offset": np.where(is_right, 3, -3), "side": np.where(is_right, "top", "bottom")}
    marks |= {end: np.zeros(len(is_right)) for end in ("bottom", "top")}
    source = ColumnDataSource({key: list(column) for key, column in marks.items()}, name="lines")
    spectrum.segment("x", "bottom", "x", "top", source=source, name="line marks", line_dash="dotted")
    words = {"text_align": "right", "text_baseline": "side", "x_offset": "offset", "text_font_size": "11px"}
    spectrum.text("x", "top", "text", source=source, name="line words", angle=np.pi / 2, **words)
    outline = ColumnDataSource({"x": [], "y": []}, name="outline")
    look_of = {"name": "outline mark", "color": current_theme().outline, "line_width": 3}
    spectrum.line("x", "y", source=outline, **look_of)
    painted = ColumnDataSource({key: [] for key in ("x0", "y0", "x1", "y1", "colour")}, name="painted")
    spectrum.segment("x0", "y0", "x1", "y1", source=painted, color="colour", line_width=2)
    columns = {key: [] for key in ("x", "flux", "value", "height", "colour", "zero")}
    pixels = ColumnDataSource(columns, name="pixels")
    seen = spectrum.line("x", "flux", source=pixels, alpha=0)
    spectrum.add_tools(
        HoverTool(
            renderers=[seen],
            mode="vline",
            tooltips=[
                ("", "@x{0.0} Å"),
                ("", "flux @flux{0.000}"),
                ("", "attribution @value{0.00e+0}"),
            ],
        )
    )
    look["toolbar_location"] = None
    strip = figure(name="strip", tools="", x_range=ends, y_range=Range1d(-1.05, 1.05), height=95, **look)
    width = float(np.median(np.diff(grid)))
    strip.vbar("x", width, "height", "zero", source=pixels, color="colour")
    strip.yaxis.ticker, strip.xaxis.visible = [-1, 0, 1], False
    strip.yaxis.axis_label = "of full colour"
    strip.grid.visible = False
    below = column(spectrum, strip, sizing_mode="stretch_width")
    return [json_item(plane, "map"), json_item(below, "spectrum")]
