"""The explorer and the report in Chromium, opened from disk."""

import io
import re
import time

import nbformat
import numpy as np
import pytest
from PIL import Image

from agn_helpers.reduction import read_sample
from agn_helpers.reports import render_notebook, write_report
from agn_helpers.spectra import list_sky_pages

from ..reports.conftest import HOSTILE, hostile_run  # noqa: F401
from .pages import check_accessibility


@pytest.fixture(scope="module")
def report(hostile_run):  # noqa: F811
    folder = write_report("small", root=hostile_run, progress=False).parent
    for path in folder.parent.glob("notebooks/*.ipynb"):
        page = render_notebook(nbformat.read(path, as_version=4), stem=path.stem)
        path.with_suffix(".html").write_text(page, encoding="utf-8")
    return folder


@pytest.fixture
def opened(chromium):
    """Function that opens a page of a width; the page has lists of what it asked for and complained of."""
    contexts = []

    def open_page(path, width=1280, scheme="light"):
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
        page.goto(path.as_uri())
        if path.name == "explorer.html":
            page.wait_for_function("document.documentElement.dataset.ready === 'yes'", timeout=60000)
        return page

    yield open_page
    for context in contexts:
        context.close()


def verdict(page):
    return page.locator("#verdict").inner_text()


def test_the_explorer_steps_searches_and_is_clicked_without_any_request(report, opened):
    page = opened(report / "explorer.html")
    page.select_option("#order", "unsure")
    first = verdict(page)
    page.click("#next")
    second = verdict(page)
    assert first != second and re.search(r": predicted (type 1|intermediate|type 2), P = 0\.\d{3}", second)
    page.keyboard.press("ArrowLeft")
    assert verdict(page) == first

    painted = "() => Bokeh.documents.map((d) => d.get_model_by_name('painted')).find(Boolean).data.colour"
    assert len(set(page.evaluate(painted))) > 20

    page.fill("#search", "99001")
    found = page.locator("#found button")
    assert found.count() == 12 and "more" in page.locator("#found").inner_text()
    found.nth(1).click()
    assert verdict(page).startswith(found.nth(1).inner_text())

    # A point is found where the map has drawn it.
    place = page.evaluate(
        """() => { const figure = Bokeh.documents.map((d) => d.roots()[0]).find((m) => m.name === "map");
        const view = Bokeh.index.get_one(figure), points = figure.document.get_model_by_name("points type 1");
        const frame = view.canvas_view.el.getBoundingClientRect(), k = 3;
        return { row: points.get_column("row")[k],
          x: frame.x + view.frame.x_scale.compute(points.get_column("x")[k]),
          y: frame.y + view.frame.y_scale.compute(points.get_column("y")[k]) }; }"""
    )
    before = verdict(page)
    page.mouse.click(place["x"], place["y"])
    page.wait_for_function("(said) => document.querySelector('#verdict').textContent !== said", arg=before)
    assert "spec-99001" in verdict(page)
    assert page.locator("#details a").count() == 4
    assert all(url.startswith(("file:", "data:", "blob:")) for url in page.asked)
    assert page.complaints == []


def test_a_hostile_name_is_never_markup(report, opened):
    page = opened(report / "explorer.html")
    page.fill("#search", "onerror")
    page.locator("#found button").first.click()
    assert verdict(page).startswith(HOSTILE)
    box = page.locator("#map").bounding_box()
    ring = page.evaluate(
        """() => { const figure = Bokeh.documents.map((d) => d.roots()[0]).find((m) => m.name === "map");
        const view = Bokeh.index.get_one(figure), ring = figure.document.get_model_by_name("ring");
        const frame = view.canvas_view.el.getBoundingClientRect();
        return [frame.x + view.frame.x_scale.compute(ring.get_column("x")[0]),
          frame.y + view.frame.y_scale.compute(ring.get_column("y")[0])]; }"""
    )
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.move(*ring, steps=5)
    page.wait_for_timeout(500)
    for path in [report / "index.html", *(report / "objects").glob("%3Cimg*.html")]:
        page.goto(path.as_uri())
    assert page.evaluate("window.hacked") is None
    page.goto((report / "explorer.html").as_uri())
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src=x]").count() == 0


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_its_window(report, opened, width):
    for path in [*report.glob("*.html"), next(report.glob("objects/*.html"))]:
        page = opened(path, width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path.name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(report, opened, scheme):
    pages = [report / "index.html", next(report.glob("objects/*.html")), report / "explorer.html"]
    for path in (*pages, next(report.parent.glob("notebooks/*.html"))):
        page = opened(path, scheme=scheme)
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        check_accessibility(page)


def test_links_to_the_sky_are_plain_and_ask_nothing_by_themselves(report, opened):
    rows = read_sample(report.parent / "sample.fits")
    expected = list_sky_pages(rows["ra"][1], rows["dec"][1])
    page = opened(next(report.glob(f"objects/{rows['name'][1]}*.html")))
    found = {}
    for link in page.locator("a[rel~=noopener]").all():
        found[link.inner_text()] = link.get_attribute("href")
        assert "noreferrer" in link.get_attribute("rel").split()
    assert found == expected
    explorer = opened(report / "explorer.html")
    explorer.fill("#search", str(rows["name"][1]))
    explorer.keyboard.press("Enter")
    links = explorer.locator("#details a[rel='noopener noreferrer']")
    assert links.all_inner_texts() == list(expected)
    assert all(url.startswith(("file:", "data:", "blob:")) for url in [*page.asked, *explorer.asked])


# What the explorer draws, and on which ground, by the models that draw it; colours as CSS writes them.
_COLOURS = """() => {
  const found = { marks: {}, words: {}, grounds: [] };
  const css = (colour) => typeof colour === "object" ? colour.value : colour;
  for (const document of Bokeh.documents) {
    for (const name of ["marks type 1", "marks intermediate", "marks type 2"]) {
      const model = document.get_model_by_name(name);
      if (model) found.marks[name] = css(model.glyph.fill_color);
    }
    for (const name of ["ring mark", "line marks", "outline mark"]) {
      const model = document.get_model_by_name(name);
      if (model) found.marks[name] = css(model.glyph.line_color);
    }
    const words = document.get_model_by_name("line words");
    if (words) found.words["line words"] = css(words.glyph.text_color);
    const painted = document.get_model_by_name("painted");
    if (painted) {
      // What has the full colour, by the height of its bar.
      const { colour, height } = document.get_model_by_name("pixels").data;
      const full = colour.filter((_, k) => Math.abs(height[k]) === 1);
      for (const each of full) found.marks[`full colour ${each}`] = each;
    }
    for (const name of ["map", "spectrum", "strip"]) {
      const figure = document.get_model_by_name(name);
      if (!figure) continue;
      found.grounds.push(figure.background_fill_color, figure.border_fill_color);
      for (const part of [...figure.left, ...figure.below]) {
        if ("label_text_color" in part.properties) found.words[`legend ${name}`] = part.label_text_color;
        else Object.assign(found.words, { [`ticks ${name}`]: part.major_label_text_color,
          [`label ${name}`]: part.axis_label_text_color });
        if ("axis_line_color" in part.properties) found.marks[`axis ${name}`] = part.axis_line_color;
      }
    }
  }
  // Names of colours and short forms as three numbers.
  const context = document.createElement("canvas").getContext("2d");
  const long = (colour) => { context.fillStyle = colour; return context.fillStyle; };
  for (const kind of ["marks", "words"])
    for (const name in found[kind]) found[kind][name] = long(found[kind][name]);
  found.grounds = [...new Set(found.grounds.map(long))];
  found.page = getComputedStyle(document.body).backgroundColor;
  return found;
}"""


def luminance(colour):
    """Relative luminance of #rrggbb, as WCAG 2.1 defines it."""
    shares = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(one, other):
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_of_the_explorer_follow_the_page_with_contrast(report, opened, keep, scheme):
    page = opened(report / "explorer.html", scheme={"light": "dark", "dark": "light"}[scheme])
    # The reader changes the theme while the page is open.
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function("scheme => matchMedia(`(prefers-color-scheme: ${scheme})`).matches", arg=scheme)
    page.wait_for_timeout(300)
    keep(page, f"explorer_{scheme}")
    found = page.evaluate(_COLOURS)
    (ground,) = found["grounds"]
    assert (luminance(ground) < 0.02) == (scheme == "dark")
    assert found["page"] == f"rgb({', '.join(str(int(ground[k : k + 2], 16)) for k in (1, 3, 5))})"
    # Three types, ring, outline, marked lines, three axes of which two are shown, both ends of the palette.
    assert len(found["marks"]) >= 10 and len(found["words"]) >= 5
    marks = {name: contrast(colour, ground) for name, colour in found["marks"].items()}
    words = {name: contrast(colour, ground) for name, colour in found["words"].items()}
    assert min(marks.values()) >= 3, marks
    assert min(words.values()) >= 4.5, words
    # And so it is on the screen: the ground, and the map's commonest mark on it.
    shot = Image.open(io.BytesIO(page.locator("#map").screenshot())).convert("RGB")
    counts = sorted(shot.getcolors(shot.width * shot.height), reverse=True)
    seen = ["#{:02x}{:02x}{:02x}".format(*colour) for _, colour in counts]
    assert seen[0] == ground
    assert all(colour in seen for name, colour in found["marks"].items() if name.startswith("marks "))


def test_the_explorer_opens_soon(report, opened):
    began = time.monotonic()
    opened(report / "explorer.html")
    # Three seconds are promised of an idle machine; this one only finds what hangs.
    assert time.monotonic() - began < 30
