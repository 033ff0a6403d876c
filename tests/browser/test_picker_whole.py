"""The picker of a whole run, on a page of its own: mice of any speed, keys, doubts, order, widths."""

import os
import re
import shutil
import signal

import numpy as np
import pytest
from PIL import Image

from agn_helpers.picker import SpectrumPicker
from agn_helpers.spectra import list_sky_pages, write_spec_lite
from agn_helpers.survey import simulate_survey

from .conftest import ROOT
from .pages import PATIENCE, Page, check_accessibility, check_layout, difference, explore, watch

WIDTHS = ((1024, 768), (1280, 800), (1920, 1080))

# What a run must hold to be opened.
_FILES = ("sample.fits", "model.skops", "split.ecsv", "map.fits")


@pytest.fixture(scope="module")
def run(project, tmp_path_factory):
    """The default run where it was made, that is all its spectra, doubts and gaps; else the small one."""
    whole = ROOT / "data" / "synthetic"
    if not all((whole / name).exists() for name in _FILES) or "AGN_SMALL" in os.environ:
        return project, "small"
    root = tmp_path_factory.mktemp("whole")
    (root / "notebooks").mkdir()
    (root / "notebooks" / "01_data_reduction.ipynb").write_text("{}")
    (root / "data" / "synthetic").mkdir(parents=True)
    for name in _FILES:
        shutil.copy(whole / name, root / "data" / "synthetic")
    return root, "synthetic"


@pytest.fixture(scope="module")
def whole(run):
    """The same picker in this process."""
    picker = SpectrumPicker.open_run(run[1], root=run[0], front_end=True)
    yield picker
    picker.close()


@pytest.fixture(scope="module")
def page(run, whole, chromium, tmp_path_factory, keep):
    """The picker as `agn explore` serves it."""
    server = explore(run[0], run=run[1], log=tmp_path_factory.mktemp("whole-log") / "log.txt")
    try:
        server.wait("/")
        page = chromium.new_context(viewport={"width": 1280, "height": 800}).new_page()
        page.set_default_timeout(2 * PATIENCE)
        page.complaints = watch(page)
        shown = Page(page)
        page.goto(server.address())
        shown.wait()
        page.wait_for_timeout(1000)
        shown.settle()
        shown.match(whole)
        yield shown
        keep(page, "last_of_whole")
        page.context.close()
    finally:
        server.stop(signal.SIGINT)


def resize(page, whole, width, height):
    page.page.set_viewport_size({"width": width, "height": height})
    page.page.wait_for_timeout(400)
    page.settle()
    page.picker.evaluate("element => element.scrollIntoView()")
    page.match(whole)


@pytest.mark.parametrize("pause", [5, 20, 40, 80, 160])
def test_a_mouse_of_any_speed_leaves_no_trace_on_the_map(page, whole, pause):
    before = page.image(0)
    figure, (left, bottom, width, height) = whole.view.controls.map_figure, whole.view.map.ax.bbox.bounds
    rng = np.random.default_rng(pause)
    path = [(left + width * x, bottom + height * y) for x, y in rng.uniform(0.05, 0.95, size=(30, 2))]
    for place in path:
        page.page.mouse.move(*page.place(figure, place))
        page.page.wait_for_timeout(pause)
    # Three steps, and the mouse is outside of everything.
    box = page.canvases.nth(0).locator("canvas").first.bounding_box()
    for x in (box["x"] + 20, box["x"] + 2, 1):
        page.page.mouse.move(x, box["y"] + 0.5 * box["height"])
    page.settle()
    assert not page.picker.locator(".agn-tag").is_visible()
    now = page.image(0)
    assert now.size == before.size
    assert np.sum(np.asarray(now) != np.asarray(before)) == 0


def focus_of(page):
    """What has the keyboard: how a user would call it, and a number of its own; None outside the picker."""
    return page.page.evaluate(
        """() => {
          const at = document.activeElement, root = document.querySelector(".agn-picker");
          if (!root.contains(at)) return null;
          window.agnSeen = window.agnSeen || new Map();
          if (!window.agnSeen.has(at)) window.agnSeen.set(at, window.agnSeen.size);
          const look = getComputedStyle(at);
          const ring = look.outlineStyle !== "none" || look.boxShadow !== "none" ||
            at.closest(".noUi-base, .widget-readout, input, select") !== null;
          return [window.agnSeen.get(at), at.getAttribute("aria-label") || at.title || at.innerText ||
                  (at.labels && at.labels[0] || {}).innerText || "", ring];
        }"""
    )


def test_tab_visits_every_control_once_and_leaves(page):
    page.picker.get_by_role("tab", name="Lines").click()
    page.picker.locator("button[title^=Previous]").focus()
    visited = []
    for _ in range(40):
        where = focus_of(page)
        if where is None:
            break
        visited.append(where)
        page.page.keyboard.press("Tab")
    else:
        pytest.fail(f"the keyboard does not leave the picker: {visited[-5:]}")
    numbers = [number for number, _, _ in visited]
    assert len(set(numbers)) == len(numbers) > 25
    assert all(name.strip() for _, name, _ in visited), visited
    assert all(ring for _, _, ring in visited), [entry for entry in visited if not entry[2]]
    # Nothing that can be operated was passed over.
    passed = page.page.evaluate(
        """() => [...document.querySelectorAll(".agn-picker button, .agn-picker input, .agn-picker select, " +
          ".agn-picker [tabindex='0'], .agn-picker [contenteditable=true]")]
          .filter(e => e.offsetParent && e.tabIndex >= 0 && !e.disabled && e.type !== "file" &&
            !window.agnSeen.has(e) && getComputedStyle(e).visibility !== "hidden")
          .map(e => e.outerHTML.slice(0, 120))"""
    )
    assert not passed


def test_arrows_step_and_a_question_mark_lists_the_keys(page, whole):
    page.page.locator(".agn-stage.agn-map").focus()
    whole.pick(page.name())
    for key, action in (
        ("ArrowRight", lambda: whole.step(1)),
        ("ArrowDown", lambda: whole.step(1)),
        ("ArrowLeft", lambda: whole.step(-1)),
        ("End", lambda: whole.pick_end(-1)),
        ("Home", lambda: whole.pick_end(0)),
    ):
        page.page.keyboard.press(key)
        action()
        page.say(whole.shown.name)
    for _ in range(8):
        page.page.keyboard.press("n")
    whole.step(8)
    page.say(whole.shown.name)
    page.page.keyboard.press("?")
    page.picker.locator(".agn-keys").wait_for(timeout=PATIENCE)
    page.page.keyboard.press("/")
    assert page.page.evaluate("document.activeElement.closest('.agn-search') !== null")
    # Within a field a key is a letter.
    page.page.keyboard.type("n")
    page.settle()
    assert whole.shown.name in page.message()
    page.picker.get_by_role("tab", name="Lines").click()


def test_the_doubts_of_a_spectrum_are_on_its_page(page, whole):
    state = whole.state
    rows = [0, *np.flatnonzero(state.probability.max(axis=1) < 0.55)[:2]]
    for row in rows:
        page.type_name(str(state.name[row]))
        whole.pick(str(state.name[row]))
        page.say(whole.shown.name)
        judged = state.judge(whole.shown)
        words = page.picker.locator(".agn-badge").all_inner_texts()
        if "prediction_set" in judged.colnames:
            assert words[0].replace(" alone", "").replace(" or ", "|") == judged["prediction_set"]
        if "novelty" in judged.colnames:
            unlike = any(word.startswith("unlike the training sample") for word in words)
            assert unlike == bool(judged["unlike_training"])
        if judged["missing_lines"]:
            assert any(word.startswith("missing: ") for word in words)


def test_where_p_is_one_nothing_is_coloured_and_log_odds_are(page, whole):
    state = whole.state
    row = int(np.argmax(state.probability.max(axis=1)))
    page.type_name(str(state.name[row]))
    page.say(str(state.name[row]))
    colours = {}
    for number in ("log_p", "log_odds"):
        page.picker.locator(".widget-dropdown", has_text=re.compile(r"^as")).locator("select").select_option(
            {"log_p": "log probability", "log_odds": "log odds"}[number]
        )
        page.settle()
        pixels = np.asarray(page.image(1), dtype=int)[
            : page.image(1).height // 2, : -page.image(1).width // 6
        ]
        colours[number] = np.mean(np.ptp(pixels, axis=2) > 40)
    if state.probability[row].max() > 1 - 1e-5:
        assert colours["log_p"] < 1e-4
    assert colours["log_odds"] > 0.005
    page.picker.locator(".widget-dropdown", has_text=re.compile(r"^as")).locator("select").select_option(
        "log probability"
    )
    page.settle()


def test_wavelength_flux_and_attribution_are_read_out_under_the_mouse(page, whole):
    whole.pick(page.name())
    panel = whole.view.spectrum
    for ax, wavelength in ((panel.axes[0], 4200.0), (panel.axes[1], 4870.0)):
        x = ax.transData.transform((wavelength, 1))[0]
        box = page.canvases.nth(1).locator("canvas").first.bounding_box()
        y = whole.view.controls.spectrum_figure.bbox.height - 0.5 * (ax.bbox.y0 + ax.bbox.y1)
        page.page.mouse.move(box["x"] + x - 3, box["y"] + y)
        page.page.mouse.move(box["x"] + x, box["y"] + y, steps=2)
        page.settle()
        said = page.picker.locator(".agn-readout").inner_text()
        near = float(re.match(r"([0-9.]+) Å", said).group(1))
        assert abs(near - wavelength) < 3
        pixel = int(np.argmin(np.abs(whole.state.grid - near)))
        assert f"flux {whole.shown.flux[pixel]:.3f}" in said.replace("−", "-")
        assert f"{whole.shown.attribution[pixel]:+.2g}" in said.replace("−", "-")
    page.page.mouse.move(2, 2)
    page.settle()
    assert not page.picker.locator(".agn-readout").is_visible()


def test_the_wheel_and_a_click_choose_what_is_seen_larger(page, whole):
    before = page.image(1)
    panel = whole.view.spectrum
    low, high = panel.range
    box = page.canvases.nth(1).locator("canvas").first.bounding_box()
    y = box["y"] + whole.view.controls.spectrum_figure.bbox.height - 0.5 * sum(panel.axes[0].bbox.intervaly)

    def click(wavelength):
        x = box["x"] + panel.axes[0].transData.transform((wavelength, 1))[0]
        seen = page.image(1)
        page.page.mouse.click(x, y)
        return page.wait_for_change(1, seen)

    clicked = click(4100.0)
    assert difference(clicked, before) > 0.01
    page.page.mouse.wheel(0, -120)
    closer = page.wait_for_change(1, clicked)
    assert difference(closer, clicked) > 0.005
    # Back to where other tests expect it.
    page.page.mouse.wheel(0, 120)
    page.wait_for_change(1, closer)
    assert difference(click(0.5 * (low + high)), before) < 0.01


def test_order_and_filter_decide_what_comes_next(page, whole):
    for words, value, options in (
        ("Order", "least certain", {"order": "least certain"}),
        ("Only", "misclassified", {"keep": "misclassified"}),
    ):
        page.picker.locator(".widget-dropdown", has_text=re.compile(f"^{words}")).locator(
            "select"
        ).select_option(value)
        page.settle()
        whole.arrange(**options)
    page.say(whole.shown.name)
    for _ in range(3):
        page.picker.locator("button[title^=Next]").click()
        whole.step(1)
        page.say(whole.shown.name)
        row = whole.state.row
        assert whole.state.predicted[row] != whole.state.label[row]
    for words, value in (("Order", "as in the file"), ("Only", "all")):
        page.picker.locator(".widget-dropdown", has_text=re.compile(f"^{words}")).locator(
            "select"
        ).select_option(value)
        page.settle()
    whole.arrange(order="as in the file", keep="all")


def test_a_selection_is_a_table_that_sorts_and_picks(page, whole, keep):
    figure, panel = whole.view.controls.map_figure, whole.view.map
    left, bottom, width, height = panel.ax.bbox.bounds
    corners = [(0.7, 0.1), (0.98, 0.1), (0.98, 0.95), (0.7, 0.95), (0.7, 0.1)]
    page.drag([page.place(figure, (left + width * x, bottom + height * y)) for x, y in corners])
    page.say("selected spectra")
    page.picker.get_by_role("tab", name="Selection").click()
    table = page.picker.locator(".agn-table", has=page.page.locator("[data-agn-sort]"))
    table.locator("[data-agn-sort=redshift]").click()
    page.settle()
    assert table.locator("th[aria-sort=ascending]").inner_text().startswith("redshift")
    shown = [float(text) for text in table.locator("tr td:nth-child(7)").all_inner_texts()]
    assert len(shown) > 3 and shown == sorted(shown)
    table.locator("[data-agn-sort=redshift]").click()
    page.settle()
    name = table.locator("[data-agn-pick]").first.inner_text()
    assert whole.state.redshift[whole.state.find(name)] == pytest.approx(max(shown), abs=0.001) or (
        whole.state.redshift[whole.state.find(name)] > max(shown)
    )
    keep(page.page, "selection")
    table.locator("[data-agn-pick]").first.click()
    page.say(name)
    assert page.name() == name
    page.page.locator(".agn-stage.agn-map").focus()
    page.page.keyboard.press("Escape")
    page.settle()


# Everything that the page says, and whether it is dim, while it changes.
_LISTEN = """() => {
  const picker = document.querySelector(".agn-picker");
  window.agnSaid = [];
  new MutationObserver(() => window.agnSaid.push(
    [picker.querySelector(".agn-message").innerText, picker.closest(".agn-busy") !== null ||
     picker.querySelector(".agn-busy") !== null])
  ).observe(document.body, {subtree: true, childList: true, attributes: true, attributeFilter: ["class"]});
}"""


def test_a_lasso_amid_a_slow_method_says_that_it_computes_and_then_shows_its_mean(page, whole):
    state, panel = whole.state, whole.view.map
    row = int(np.argmin(state.probability.max(axis=1)))
    page.type_name(str(state.name[row]))
    page.say(str(state.name[row]))
    page.page.evaluate(_LISTEN)
    page.picker.locator(".widget-dropdown", has_text=re.compile("^Method")).locator("select").select_option(
        "LIME"
    )
    left, bottom, width, height = panel.ax.bbox.bounds
    corners = [(0.01, 0.02), (0.99, 0.02), (0.99, 0.98), (0.01, 0.98), (0.01, 0.02)]
    figure = whole.view.controls.map_figure
    page.drag([page.place(figure, (left + width * x, bottom + height * y)) for x, y in corners])
    page.say("selected spectra")
    whole.select([str(name) for name in state.name])
    assert page.message() == state.summarise(whole.shown)
    assert not page.picker.locator(".agn-explaining, .agn-busy").count()
    said = page.page.evaluate("window.agnSaid")
    if len(state.name) > 500:
        assert any("computing the mean" in words and is_dim for words, is_dim in said), said
    for number, of in enumerate((figure, whole.view.controls.spectrum_figure)):
        of.canvas.draw()
        expected = Image.fromarray(np.asarray(of.canvas.buffer_rgba())).convert("RGB")
        assert difference(page.image(number), expected) < 0.01
    page.page.locator(".agn-stage.agn-map").focus()
    page.page.keyboard.press("Escape")
    page.choose(re.compile("^Method"), "gradient")
    whole.select([])


def test_what_turns_the_type_is_a_number_that_can_be_tried(page, whole):
    row = int(np.argmin(whole.state.probability.max(axis=1)))
    page.type_name(str(whole.state.name[row]))
    page.say(str(whole.state.name[row]))
    whole.pick(str(whole.state.name[row]))
    page.picker.get_by_role("button", name="What turns it?").click()
    button = page.picker.locator("[data-agn-try]").first
    button.wait_for(timeout=PATIENCE)
    table = whole.what_would_turn()
    turning = table[np.isfinite(table["amount"])][0]
    assert float(button.get_attribute("data-agn-amount")) == pytest.approx(turning["amount"], rel=1e-6)
    button.click()
    page.say("with")
    whole.try_concept(turning["concept"], turning["amount"])
    assert page.message() == whole.state.summarise(whole.shown)
    assert whole.state.classes[whole.shown.probability.argmax()] == turning["turns_to"]
    assert "what if" in page.picker.locator(".agn-badge.change").inner_text()
    page.picker.get_by_role("button", name="Reset").click()
    page.settle()


def test_own_spectra_are_selected_and_gone_through(page, tmp_path):
    spectra, _ = simulate_survey(random_state=11, n_type1=2, n_intermediate=0, n_type2=1)
    asked = []
    page.page.context.on("request", lambda request: asked.append(request.url))
    rows = ["file,redshift,ra,dec"]
    for number, spectrum in enumerate(spectra):
        spectrum.plate = 70000 + number
        write_spec_lite(spectrum, tmp_path / f"own-{number}.fits")
        rows.append(f"own-{number}.fits,{spectrum.redshift},{150.125 + number},-2.5")
    (tmp_path / "index.csv").write_text("\n".join(rows))
    page.picker.get_by_role("tab", name="Own spectra").click()
    page.picker.get_by_placeholder("or the path of a file").fill(str(tmp_path))
    page.picker.get_by_role("button", name="Add").click()
    page.say("spec-7000")
    names = [page.name()]
    for _ in range(2):
        page.picker.locator("button[title^=Next]").click()
        page.settle()
        names.append(page.name())
    assert len(set(names)) == 3 and all(name.startswith("spec-7000") for name in names)
    # Where a place of the sky is known, links lead to pages of it, and only a click asks them.
    links = page.picker.locator(".agn-links a")
    expected = list_sky_pages(150.125 + int(names[-1].split("-")[1]) - 70000, -2.5)
    assert dict(zip(links.all_inner_texts(), [a.get_attribute("href") for a in links.all()])) == expected
    for link in links.all():
        assert {"noopener", "noreferrer"} <= set(link.get_attribute("rel").split())
        assert link.get_attribute("target") == "_blank"
    assert all(url.startswith(("http://127.0.0.1:", "blob:", "data:")) for url in asked)
    page.page.locator(".agn-stage.agn-map").focus()
    page.page.keyboard.press("Escape")
    page.settle()


def test_lines_of_ones_own_and_another_redshift_are_marked(page):
    page.picker.get_by_role("tab", name="Lines").click()
    before = page.image(1)
    field = page.picker.get_by_placeholder("own lines")
    field.fill("Fe II 4570; [Fe VII] 3759.99")
    field.press("Enter")
    page.settle()
    assert difference(page.image(1), before) > 5e-4
    field.fill("no wavelength")
    field.press("Enter")
    page.say("a line must be a name and a wavelength")
    field.fill("")
    field.press("Enter")
    page.settle()
    assert difference(page.image(1), before) == 0


def test_the_view_as_code(page):
    page.picker.get_by_role("tab", name="Export").click()
    page.picker.get_by_role("button", name="As code").click()
    code = page.picker.locator(".agn-code")
    code.wait_for(timeout=PATIENCE)
    assert "SpectrumPicker.open_run(" in code.inner_text() and page.name() in code.inner_text()


@pytest.mark.parametrize(("width", "height"), WIDTHS)
def test_nothing_is_cut_off_at_any_width(page, whole, keep, width, height):
    resize(page, whole, width, height)
    for tab in ("Lines", "Selection", "Own spectra", "Export", "Keys"):
        page.picker.get_by_role("tab", name=tab).click()
        page.settle()
        check_layout(page.page)
    page.picker.get_by_role("tab", name="Lines").click()
    page.settle()
    keep(page.page, f"whole_{width}")


def test_axe_finds_no_serious_violation(page):
    check_accessibility(page.page, ".agn-picker")


def test_a_dark_page_has_dark_figures(page, keep):
    page.page.evaluate(
        """() => {
          const colours = {"--jp-layout-color0": "#111111", "--jp-layout-color1": "#1b1b1b",
                           "--jp-layout-color2": "#2a2a2a", "--jp-ui-font-color1": "#e2e2e2",
                           "--jp-ui-font-color2": "#b8b8b8", "--jp-content-link-color": "#8ab4ff",
                           "--jp-widgets-label-color": "#e2e2e2", "--jp-widgets-color": "#e2e2e2"};
          for (const [name, colour] of Object.entries(colours))
            document.documentElement.style.setProperty(name, colour);
          document.body.style.background = "#111111";
          document.body.dataset.jpThemeLight = "false";
        }"""
    )
    page.page.wait_for_timeout(500)
    page.settle()
    for number in (0, 1):
        assert np.asarray(page.image(number))[3, 3].max() < 40
    keep(page.page, "dark")


def test_the_browser_did_not_complain(page):
    assert not page.page.complaints
