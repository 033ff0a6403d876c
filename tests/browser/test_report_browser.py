"""The explorer and the report in Chromium, opened from disk."""

import re
import time

import nbformat
import pytest

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


def test_the_explorer_opens_soon(report, opened):
    began = time.monotonic()
    opened(report / "explorer.html")
    # Three seconds are promised of an idle machine; this one only finds what hangs.
    assert time.monotonic() - began < 30
