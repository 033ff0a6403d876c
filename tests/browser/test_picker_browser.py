"""The spectrum picker in JupyterLab and as a page of its own, driven by the mouse of a real browser."""

import os
import re
import shutil
import signal

import nbformat
import numpy as np
import pytest

from agn_helpers.picker import SpectrumPicker
from agn_helpers.spectra import read_spectrum, write_spec_lite
from agn_helpers.survey import simulate_survey

from ..small_run import write_small_run
from .conftest import ROOT, get_status
from .pages import PATIENCE, Page, check_layout, difference, explore, picture_of, pixels_of, watch


@pytest.fixture(scope="package")
def reference(project):
    """The same picker in this process: what the page must show."""
    picker = SpectrumPicker.open_run("small", root=project, front_end=True)
    for figure in (picker.view.controls.map_figure, picker.view.controls.spectrum_figure):
        figure.canvas.draw()
    yield picker
    picker.close()


@pytest.fixture(scope="module")
def notebook(lab, chromium, keep, reference):
    """Notebook 05 in JupyterLab, run from the first cell to the last; its page stays open for all tests."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.complaints = watch(page)
    shown = Page(page)
    page.goto(f"{lab.url}/lab/tree/notebooks/05_spectrum_picker.ipynb?token={lab.token}")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=PATIENCE)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=PATIENCE)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    try:
        shown.wait()
        page.wait_for_timeout(1000)
        shown.settle()
        shown.match(reference)
        yield shown
    finally:
        keep(page, "last_of_notebook")
        context.close()


def test_a_click_shows_that_spectrum(notebook, reference, keep):
    before = notebook.image(1)
    # The one that stands farthest from all others cannot be missed.
    places = pixels_of(reference, np.arange(len(reference.state.name)))
    apart = np.sort(np.hypot(*(places[:, None] - places[None]).T), axis=0)[1]
    apart[reference.state.row] = 0
    row = int(np.argmax(apart))
    name = str(reference.state.name[row])
    notebook.page.mouse.click(*notebook.place(reference.view.controls.map_figure, places[row]))
    notebook.say(name)
    reference.pick(name)
    assert notebook.name() == name
    assert notebook.message() == reference.state.summarise(reference.shown)
    assert difference(notebook.image(1), before) > 0.02
    # The picture is that of the same spectrum drawn here, its title, its probabilities and all.
    assert difference(notebook.image(1), picture_of(reference)) < 1e-3
    check_layout(notebook.page)
    keep(notebook.page, "picked_1280x800")


def test_the_mouse_over_a_point_has_it_named_beside_the_picture(notebook, reference):
    before = notebook.image(0)
    place = pixels_of(reference, [0])[0]
    notebook.page.mouse.move(*notebook.place(reference.view.controls.map_figure, place), steps=4)
    notebook.settle()
    tag = notebook.picker.locator(".agn-tag")
    assert str(reference.state.name[0]) in tag.inner_text()
    box, (_, y) = tag.bounding_box(), notebook.place(reference.view.controls.map_figure, place)
    assert abs(box["y"] + box["height"] + 9 - y) < 4 or abs(box["y"] - 9 - y) < 4
    # Out of the map altogether, and fast.
    notebook.page.mouse.move(5, 5)
    notebook.settle()
    assert not tag.is_visible()
    assert difference(notebook.image(0), before) == 0


def test_a_name_can_be_typed_and_stepped_from(notebook, reference):
    name = str(reference.state.name[100])
    notebook.type_name(name)
    notebook.say(name)
    reference.pick(name)
    assert difference(notebook.image(1), picture_of(reference)) < 1e-3
    notebook.picker.locator("button[title^=Next]").click()
    notebook.say(str(reference.state.name[101]))
    assert notebook.name() == reference.state.name[101]


def test_an_unknown_name_is_answered_by_the_nearest_and_what_was_typed_stays(notebook, reference):
    name = str(reference.state.name[101])
    notebook.type_name(name)
    notebook.say(name)
    before = notebook.image(1)
    notebook.type_name(name.replace("spec", "spce"))
    notebook.say(f"did you mean {name}?")
    assert "error" in notebook.picker.locator(".agn-message").get_attribute("class")
    assert difference(notebook.image(1), before) == 0
    assert notebook.name() == name.replace("spec", "spce")
    # What is like nothing gets no suggestion, and a part of several names a list of them.
    notebook.type_name("NGC 4151")
    notebook.say("no name is like it")
    notebook.type_name("60000-000")
    matches = notebook.picker.locator(".agn-matches button")
    matches.first.wait_for(timeout=PATIENCE)
    expected = [str(each) for each in reference.state.name if "60000-000" in str(each)]
    assert matches.all_inner_texts() == expected[:24] and len(expected) > 1
    matches.nth(1).click()
    notebook.say(expected[1])
    assert notebook.name() == expected[1]


def test_a_broad_line_takes_from_type_2_while_the_slider_moves(notebook, reference, keep):
    rows = np.flatnonzero(reference.state.label == "type 2")
    likely = reference.state.probability[rows, reference.state.classes.index("type 2")]
    row = int(rows[np.argmin(np.abs(likely - 0.85))])
    name = str(reference.state.name[row])
    notebook.type_name(name)
    notebook.say(name)
    slider = notebook.picker.locator(".widget-slider", has_text="Broad Hβ").locator(".noUi-target")
    box = slider.bounding_box()
    y = box["y"] + box["height"] / 2
    # Zero stands at 100 of 250.
    stops = [box["x"] + box["width"] * share for share in (0.4, 0.48, 0.56, 0.64)]
    notebook.page.mouse.move(stops[0], y)
    notebook.page.mouse.down()
    probabilities = [number_after("type 2 ", notebook.message())]
    for x in stops[1:]:
        notebook.page.mouse.move(x, y, steps=4)
        notebook.say("with broad Hβ")
        probabilities.append(number_after("type 2 ", notebook.message()))
    notebook.page.mouse.up()
    notebook.settle()
    assert np.all(np.diff(probabilities) < 0), probabilities
    reference.pick(name)
    reference.what_if(broad_hbeta_flux=number_after("broad Hβ +", notebook.message()))
    assert notebook.message() == reference.state.summarise(reference.shown)
    assert difference(notebook.image(1), picture_of(reference)) < 1e-3
    keep(notebook.page, "what_if_1280x800")
    notebook.picker.get_by_role("button", name="Reset").click()
    notebook.settle()
    assert "with" not in notebook.message()
    assert number_after("type 2 ", notebook.message()) == probabilities[0]


def number_after(words, text):
    return float(re.search(re.escape(words) + r"([0-9.]+)", text).group(1))


def test_a_slower_method_comes_with_its_progress(notebook, reference):
    reference.reset()
    gradient = notebook.image(1)
    notebook.choose("Method", "occlusion")
    notebook.say("type 1 ")
    reference.explain(method="occlusion")
    assert difference(notebook.image(1), picture_of(reference)) < 1e-3
    assert difference(notebook.image(1), gradient) > 0.005
    notebook.choose("Method", "gradient")
    reference.explain()
    assert difference(notebook.image(1), gradient) == 0


def test_a_lasso_selects_what_it_encloses(notebook, reference, keep):
    figure = reference.view.controls.map_figure
    places = pixels_of(reference, np.arange(len(reference.state.name)))
    # From the widest gap right of the middle, where no point is near the lasso, to the right end.
    across = np.sort(places[:, 0])
    across = across[len(across) // 2 : -20]
    gap = int(np.argmax(np.diff(across)))
    left = across[gap : gap + 2].mean()
    box = reference.view.map.ax.bbox
    corners = [(left, box.y0 + 1), (left, box.y1 - 1), (box.x1 - 1, box.y1 - 1), (box.x1 - 1, box.y0 + 1)]
    expected = np.flatnonzero(places[:, 0] > left)
    notebook.drag([notebook.place(figure, corner) for corner in [*corners, corners[0]]])
    notebook.say(f"{len(expected)} selected spectra")
    reference.select(list(reference.state.name[expected]))
    assert notebook.message() == reference.state.summarise(reference.shown)
    assert difference(notebook.image(1), picture_of(reference)) < 1e-3
    keep(notebook.page, "selected_1280x800")
    notebook.picker.locator("button[title^=Next]").click()
    notebook.settle()
    assert notebook.name() in reference.state.name[expected]


def test_an_empty_lasso_is_said_to_be_empty(notebook, reference):
    before = notebook.image(1)
    figure = reference.view.controls.map_figure
    box = reference.view.map.ax.bbox
    places = pixels_of(reference, np.arange(len(reference.state.name)))
    # The corner of the map that is emptiest.
    corners = np.array([(x, y) for x in (box.x0 + 8, box.x1 - 8) for y in (box.y0 + 8, box.y1 - 8)])
    free = np.min(np.hypot(*(corners[:, None] - places[None]).T), axis=0)
    x, y = corners[np.argmax(free)]
    square = [(x - 6, y - 6), (x + 6, y - 6), (x + 6, y + 6), (x - 6, y + 6), (x - 6, y - 6)]
    notebook.drag([notebook.place(figure, corner) for corner in square])
    notebook.say("the lasso holds no spectrum")
    assert difference(notebook.image(1), before) == 0


def test_exports_land_in_the_folder_that_is_said(notebook, reference, project):
    folder = project / "figures" / "small" / "picker"
    notebook.picker.get_by_role("tab", name="Export").click()
    name = notebook.name()
    for words, file in (
        ("Page, PNG", f"{name}_summary.png"),
        ("Page, PDF", f"{name}_summary.pdf"),
        ("Map, CSV", f"{name}_gradient.csv"),
        ("Selection", "selection.txt"),
    ):
        notebook.picker.locator("button.widget-button", has_text=words).click()
        notebook.say(f"written: {folder / file}")
        assert (folder / file).stat().st_size > 1000
    check_layout(notebook.page)
    names = (folder / "selection.txt").read_text().splitlines()
    assert names[0] == "# survey = synthetic"
    assert set(names[1:]) == set(reference.state.name[reference.state.selection])


def test_own_spectra_come_onto_the_map_and_other_files_are_refused(notebook, tmp_path, keep):
    spectra, _ = simulate_survey(random_state=7, n_type1=1, n_intermediate=0, n_type2=0)
    (spectrum,) = spectra
    spectrum.plate = 12345
    write_spec_lite(spectrum, tmp_path / "my-quasar.fits")
    name = read_spectrum(tmp_path / "my-quasar.fits").name
    (tmp_path / "notes.txt").write_text("Dear diary,\ntoday we observed nothing.\n")
    before = notebook.image(0)
    notebook.picker.get_by_role("tab", name="Own spectra").click()
    files = [tmp_path / "my-quasar.fits", tmp_path / "notes.txt"]
    with notebook.page.expect_file_chooser() as chooser:
        notebook.picker.get_by_role("button", name="Files").click()
    chooser.value.set_files(files)
    notebook.say("1 not used")
    assert notebook.name() == name
    assert notebook.picker.locator("li.agn-note").inner_text().startswith("notes.txt must hold numbers")
    assert difference(notebook.image(0), before) > 1e-3
    check_layout(notebook.page)
    keep(notebook.page, "own_1280x800")


@pytest.mark.parametrize(("width", "height"), [(1024, 768), (1920, 1080)])
def test_the_picker_takes_the_room_there_is(notebook, keep, width, height):
    notebook.page.set_viewport_size({"width": width, "height": height})
    notebook.picker.get_by_role("tab", name="Own spectra").click()
    notebook.page.wait_for_timeout(500)
    notebook.settle()
    notebook.picker.evaluate("element => element.scrollIntoView()")
    check_layout(notebook.page)
    room = notebook.picker.evaluate("root => root.clientWidth")
    used = [notebook.image(k).width for k in (0, 1)]
    assert room - 40 < (sum(used) if room > 700 else max(used)) <= room
    keep(notebook.page, f"auto_{width}x{height}")


def test_run_again_the_cells_open_one_picker_that_works(notebook, reference):
    notebook.page.get_by_role("menuitem", name="Run", exact=True).click()
    notebook.page.get_by_text("Run All Cells", exact=True).click()
    notebook.settle()
    notebook.wait()
    assert notebook.picker.count() == 1
    name = str(reference.state.name[5])
    notebook.type_name(name)
    notebook.say(name)


def test_two_runs_side_by_side_go_together(lab, project, chromium, keep):
    write_small_run(project, run="other", n_type1=30, n_intermediate=30, n_type2=60)
    cell = nbformat.v4.new_code_cell(
        "from agn_helpers.picker import PickerPair\n"
        "pair = PickerPair.open_runs('small', 'other', front_end=True)\npair"
    )
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})
    nbformat.write(notebook, project / "notebooks" / "pair.ipynb")
    page = chromium.new_context(viewport={"width": 1600, "height": 900}).new_page()
    complaints, shown = watch(page), Page(page)
    shown.picker = page.locator(".agn-picker").first
    page.goto(f"{lab.url}/lab/tree/notebooks/pair.ipynb?token={lab.token}&reset")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=PATIENCE)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=PATIENCE)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    shown.wait()
    assert page.locator(".agn-picker").count() == 2
    pickers = [SpectrumPicker.open_run(run, root=project, front_end=False) for run in ("small", "other")]
    name = str(next(each for each in pickers[1].state.name[3:] if each in set(pickers[0].state.name)))
    shown.type_name(name)
    shown.say(name)
    shown.settle()
    messages = page.locator(".agn-message").all_inner_texts()
    for picker, said in zip(pickers, messages):
        picker.pick(name)
        # Each says what its own classifier does.
        assert said == picker.state.summarise(picker.shown)
    assert messages[0] != messages[1]
    # Both were built while the page was heard in another thread: the styles of their letters did not mix.
    first = SpectrumPicker.open_run("small", root=project, front_end=True)
    first.pick(name)
    shown.match(first)
    # The first makes room once the second is there, which may take the page a moment.
    for _ in range(40):
        if shown.image(1).size == picture_of(first).size:
            break
        page.wait_for_timeout(250)
        shown.match(first)
    assert difference(shown.image(1), picture_of(first)) < 0.01
    first.close()
    keep(page, "pair_1600x900")
    assert not complaints
    page.context.close()


def test_neither_the_browser_nor_the_kernel_complained(notebook, lab):
    assert not notebook.page.complaints
    said = lab.log.read_text()
    assert not re.search(r"Traceback|Error\b|ERROR", said), said


def test_explore_serves_the_picker_to_those_who_have_the_token(project, tmp_path, chromium, keep):
    server = explore(project, run="small", log=tmp_path / "log.txt")
    try:
        assert server.wait("/") == 403
        address = server.address()
        assert get_status(address.replace("token=", "token=0")) == 403
        # Nor is anything of the run given away without it, and nothing but its pages with it.
        index = project / "data" / "small" / "report" / "index.html"
        index.parent.mkdir(exist_ok=True)
        index.write_text("<title>the report</title>", encoding="utf-8")
        base, _, token = address.partition("?")
        assert get_status(f"{base}run/report/index.html") == 403
        for path in (
            "model.skops",
            "report/../model.skops",
            "report/%2e%2e/model.skops",
            "report//etc/passwd",
        ):
            assert get_status(f"{base}run/{path}?{token}") in (403, 404, 500), path
        page = chromium.new_context(viewport={"width": 1280, "height": 800}).new_page()
        abroad = []
        page.on("request", lambda ask: abroad.append(ask.url) if "127.0.0.1" not in ask.url else None)
        complaints = watch(page)
        shown = Page(page)
        page.goto(address, timeout=2 * PATIENCE)
        shown.wait()
        shown.picker.locator("button[title^=Next]").click()
        shown.settle()
        assert shown.name() in shown.message()
        check_layout(page)
        keep(page, "explore_1280x800")
        assert not complaints
        page.goto(f"{base}run/report/index.html")
        assert page.title() == "the report"
        assert not [url for url in abroad if not url.startswith(("data:", "blob:"))]
        page.context.close()
    finally:
        code = server.stop(signal.SIGINT)
    assert code in (0, 130), server.log.read_text()


@pytest.mark.readme
def test_the_readme_shows_the_picker_of_the_whole_survey(tmp_path, chromium):
    """The image of the README: the default run, a spectrum, and what a broad line would do to it."""
    run = ROOT / "data" / "synthetic"
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "01_data_reduction.ipynb").write_text("{}")
    (tmp_path / "data").mkdir()
    shutil.copytree(run, tmp_path / "data" / "synthetic")
    server = explore(tmp_path, run="synthetic", log=tmp_path / "log.txt")
    try:
        assert server.wait("/") == 403
        window = {"width": 1200, "height": 760}
        page = chromium.new_context(viewport=window, device_scale_factor=2).new_page()
        shown = Page(page)
        page.goto(server.address(), timeout=2 * PATIENCE)
        shown.wait()
        slider = shown.picker.locator(".widget-slider", has_text="Broad Hβ").locator(".noUi-target")
        box = slider.bounding_box()
        page.mouse.click(box["x"] + 0.46 * box["width"], box["y"] + box["height"] / 2)
        shown.say("with broad Hβ")
        shown.picker.screenshot(path=os.environ["AGN_SCREENSHOT"])
        page.context.close()
    finally:
        server.stop(signal.SIGINT)
