"""The spectrum picker without a browser: state, widget, exports, and the errors of its page."""

import asyncio
import gc
import re
import threading
import time

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from matplotlib import cbook
from PIL import Image
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from agn_helpers.classifier import ProbabilisticSVC, SpectrumCompleter, TrainedModel
from agn_helpers.cli.app import main
from agn_helpers.errors import AgnError
from agn_helpers.lines import LINES
from agn_helpers.maps import embed_spectra, place_on_map
from agn_helpers.picker import SpectrumPicker, front_end
from agn_helpers.picker.canvas import screen_style
from agn_helpers.picker.controls import plan_page
from agn_helpers.picker.state import PickerState
from agn_helpers.picker.tasks import ExplainTask
from agn_helpers.plotting import tabulate_statistics
from agn_helpers.reduction import SpectrumChange, perturb_spectrum, sample_arrays
from agn_helpers.saliency import METHODS, explain, gradient
from agn_helpers.spectra import write_spec_lite
from agn_helpers.survey import simulate_survey


def test_what_was_not_observed_is_completed_and_has_no_attribution(run):
    sample = run.sample.copy()
    sample["ivar"][5, 300:500] = 0
    model = TrainedModel(run.model.estimator, run.model.grid, run.model.meta)
    model.extras["completion"] = SpectrumCompleter(10).fit(sample["flux"], sample["ivar"])
    state = PickerState(sample, model, run.spectrum_map, split=run.split)
    completed = model.completion.complete(sample["flux"], sample["ivar"])
    np.testing.assert_array_equal(state.X, completed.astype(np.float32))
    table = model.predict(sample)
    for name, column in (("type 1", "p_type1"), ("type 2", "p_type2")):
        np.testing.assert_allclose(state.probability[:, state.classes.index(name)], table[column], rtol=1e-6)
    state.pick_row(5)
    shown = state.show()
    unobserved = np.asarray(sample["ivar"])[5] == 0
    exact = gradient(model.estimator, completed[5:6].astype(np.float32), target=shown.target)[0]
    assert "undetermined" not in shown.title
    assert not shown.attribution[unobserved].any()
    np.testing.assert_allclose(shown.attribution[~unobserved], exact[~unobserved], rtol=1e-6)
    np.testing.assert_allclose(shown.uncertainty[unobserved], np.abs(exact[unobserved]), rtol=1e-6)
    sample["ivar"][5] = np.where(np.abs(LINES["Hbeta"].velocity(run.model.grid)) < 3000, 0, sample["ivar"][5])
    state = PickerState(sample, model, run.spectrum_map, split=run.split)
    state.pick_row(5)
    assert f"undetermined, most probable {state.predicted[5]}" in state.show().title


def message(picker):
    return picker.view.controls.message.value


def test_at_first_the_least_certain_spectrum_is_picked(state, run):
    X, _ = sample_arrays(run.sample)
    certainty = run.model.estimator.predict_proba(X).max(axis=1)
    assert state.row == certainty.argmin()


def test_what_is_shown_is_what_the_classifier_says(state, run):
    X, _ = sample_arrays(run.sample)
    state.pick(state.name[17])
    shown = state.show()
    assert shown.name == run.sample["name"][17]
    np.testing.assert_allclose(shown.flux, X[17])
    np.testing.assert_allclose(shown.probability, run.model.estimator.predict_proba(X[17:18])[0])
    np.testing.assert_allclose(shown.attribution, gradient(run.model.estimator, X[17:18])[0])
    assert shown.target == run.model.estimator.predict(X[17:18])[0]
    state.explain(target="type 1")
    np.testing.assert_allclose(
        state.show().attribution, gradient(run.model.estimator, X[17:18], target="type 1")[0]
    )


def test_a_change_goes_through_classifier_gradient_and_map(state, run):
    state.pick(state.name[40])
    state.what_if(broad_hbeta_flux=50, noise=0.02)
    state.what_if(broad_hbeta_width=3000)
    flux, _ = perturb_spectrum(
        state.grid,
        run.sample["flux"][40],
        run.sample["ivar"][40],
        SpectrumChange(broad_hbeta_flux=50, broad_hbeta_width=3000, noise=0.02),
    )
    shown = state.show()
    np.testing.assert_allclose(shown.flux, flux)
    np.testing.assert_allclose(shown.probability, run.model.estimator.predict_proba(flux[None])[0])
    np.testing.assert_allclose(shown.before, state.probability[40])
    np.testing.assert_allclose(shown.attribution, gradient(run.model.estimator, flux[None])[0])
    np.testing.assert_allclose(shown.place, place_on_map(run.spectrum_map, flux[None])[0], atol=1e-6)
    state.reset()
    back = state.show()
    np.testing.assert_allclose(back.flux, run.sample["flux"][40])
    assert back.place is None


def test_a_selection_shows_its_mean_and_the_spread(state, run):
    X, _ = sample_arrays(run.sample)
    rows = [3, 5, 8, 60]
    state.select([state.name[row] for row in rows])
    shown = state.show()
    np.testing.assert_allclose(shown.flux, X[rows].mean(axis=0))
    maps = gradient(run.model.estimator, X[rows])
    np.testing.assert_allclose(shown.attribution, maps.mean(axis=0))
    np.testing.assert_allclose(shown.attribution_band, np.percentile(maps, [16, 84], axis=0))
    np.testing.assert_allclose(shown.probability, state.probability[rows].mean(axis=0))
    assert shown.n_spectra == 4
    # Steps go round the selection, from outside to its next spectrum.
    state.pick(state.name[4])
    walk = []
    for _ in range(5):
        state.step(1)
        walk.append(state.row)
    assert walk == [5, 8, 60, 3, 5]
    state.step(-1)
    assert state.row == 3
    state.select([])
    assert not state.show().name.endswith("selected spectra")


def test_the_nearest_point_counts_in_pixels(state):
    state.places = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 2.0]])
    assert state.find_near(1.0, 1.5)[0] == 2
    assert state.find_near(1.0, 1.5, scale=(0.1, 10.0)) == (2, pytest.approx(np.hypot(0.1, 5)))
    assert state.find_near(1.0, 0.5, scale=(10.0, 0.1))[0] in (0, 2)


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (lambda state: state.pick("spce-99001-60000-0004"), "did you mean spec-99001-60000-0004"),
        (lambda state: state.pick("spec-99001"), "names hold 'spec-99001', such as"),
        (lambda state: state.select_inside(lambda places: np.zeros(len(places), bool)), "holds no spectrum"),
        (lambda state: state.show_selected(), "nothing is selected"),
        (lambda state: state.what_if(broad_halpha=3), "a change must be one of broad_hbeta_flux"),
        (lambda state: state.what_if(noise=-1), "noise must not be negative"),
        (lambda state: state.explain(target="type 3"), "the target must be one of"),
        (lambda state: state.explain(method="guess"), "method must be one of gradient"),
    ],
)
def test_what_cannot_be_done_is_refused_and_the_former_view_stays(state, action, words):
    state.pick(state.name[7])
    state.what_if(slope=0.3)
    before = state.show()
    with pytest.raises(AgnError, match=words):
        action(state)
    after = state.show()
    assert after.name == before.name
    np.testing.assert_array_equal(after.flux, before.flux)


def test_a_part_of_a_name_will_do_where_only_one_has_it(state):
    state.pick("60000-0011")
    assert state.name[state.row].endswith("60000-0011")


def other_grid(run):
    sample = run.sample.copy()
    sample.meta["grid_max"] += 1
    return {"sample": sample}


def other_map(run):
    X, _ = sample_arrays(run.sample)
    return {"spectrum_map": embed_spectra(X[:40], perplexity=5, name=run.sample["name"][:40])}


def short_map(run):
    X, _ = sample_arrays(run.sample)
    return {"spectrum_map": embed_spectra(X[:, ::2], perplexity=5, name=run.sample["name"])}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (other_grid, "must be on the model's grid"),
        (lambda run: {"spectrum_map": None}, "the sample must have a map; it has none"),
        (other_map, "80 of 120 have none"),
        (short_map, "grid of 1000 wavelengths; got 500"),
        (lambda run: {"sample": run.sample[:0]}, "the sample is empty"),
    ],
)
def test_parts_that_do_not_fit_are_a_message_in_the_widget_and_an_error_without_one(run, change, words):
    parts = {**run._asdict(), **change(run)}
    with pytest.raises(AgnError, match=words):
        PickerState(**parts)
    split = parts.pop("split")
    picker = SpectrumPicker(*parts.values(), split=split, front_end=True)
    assert words.replace("'", "&#x27;") in picker.view.page.value
    # Nothing that the notebook does next raises.
    assert picker.pick("anything") is picker.export("csv") is None
    assert "application/vnd.jupyter.widget-view+json" in picker._repr_mimebundle_()
    picker.close()


def test_a_run_without_a_map_says_which_notebook_makes_it(root, tmp_path, capsys, monkeypatch):
    with pytest.raises(AgnError, match=r"map\.fits is missing; run 03_tsne_exploration"):
        data = tmp_path / "data" / "half"
        data.mkdir(parents=True)
        for name in ("sample.fits", "model.skops", "split.ecsv"):
            (data / name).write_bytes((root / "data" / "small" / name).read_bytes())
        SpectrumPicker.open_run("half", root=tmp_path, front_end=False)
    picker = SpectrumPicker.open_run("half", root=tmp_path, front_end=True)
    assert "run 03_tsne_exploration" in picker.view.page.value
    picker.close()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "01_data_reduction.ipynb").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert main(["explore", "--run", "half"]) == 1
    assert "run 03_tsne_exploration" in capsys.readouterr().err


def test_without_voila_explore_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr("agn_helpers.cli.reproduce.find_spec", lambda name: None)
    assert main(["explore"]) == 1
    assert "agn explore needs Voilà, which is not installed; pip install" in capsys.readouterr().err


def test_the_widget_follows_what_is_done_from_code(picker):
    name = str(picker.state.name[9])
    picker.pick(name)
    assert picker.view.controls.search.value == name
    assert name in message(picker)
    picker.what_if(broad_hbeta_flux=200, slope=-0.5)
    # Beyond the slider's end the slider grows.
    assert picker.view.controls.sliders["broad_hbeta_flux"].value == 200
    assert picker.view.controls.sliders["slope"].value == -0.5
    picker.explain(target="type 2", smooth=500, fade=True)
    assert picker.view.controls.target.value == "type 2"
    assert picker.view.controls.smooth.value == 500
    assert picker.shown.target == "type 2"
    picker.reset()
    assert picker.view.controls.sliders["broad_hbeta_flux"].value == 0


def test_controls_do_what_they_say(picker):
    controls = picker.view.controls
    controls.sliders["noise"].value = 0.1
    assert picker.state.change.noise == 0.1
    controls.reset.click()
    assert picker.state.change.is_nothing
    row = picker.state.row
    controls.next.click()
    assert picker.state.row == (row + 1) % 120
    controls.previous.click()
    assert picker.state.row == row
    controls.fade.value = True
    assert picker.state.fade
    controls.search.value = str(picker.state.name[50])
    assert picker.state.row == 50
    picker.select(picker.state.name[:3])
    controls.end_selection.click()
    assert not len(picker.state.selection)
    controls.show_selection.click()
    assert "error" in message(picker)
    controls.size.value = "wide"
    left, right = (figure.canvas.layout.width for figure in (controls.map_figure, controls.spectrum_figure))
    assert int(left[:-2]) + int(right[:-2]) == 1120 - 8


def test_an_error_is_a_message_and_the_widget_stays(picker):
    picker.pick(picker.state.name[3])
    before = picker.shown
    picker.pick("spec-nowhere")
    assert "no name is like it" in message(picker)
    assert picker.shown is before
    picker.what_if(broad_hbeta_flux=-3000, broad_hbeta_width=20000, broad_hbeta_shift=12000)
    assert "flux at 5100 Å must be positive" in message(picker)
    assert picker.view.controls.sliders["broad_hbeta_flux"].value == 0


def test_without_a_front_end_the_same_view_is_a_figure(run, picker):
    still = SpectrumPicker(run.sample, run.model, run.spectrum_map, split=run.split, front_end=False)
    bundle = still._repr_mimebundle_()
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert "application/vnd.jupyter.widget-view+json" not in bundle
    figure = still.draw()
    words = " ".join(text.get_text() for part in figure.subfigs for text in part.findobj(plt.Text))
    assert str(still.state.name[still.state.row]) in words
    assert words.count("synthetic survey: simulated spectra") == 2
    with pytest.raises(AgnError, match="there is no spectrum 'spec-nowhere'; no name is like it"):
        still.pick("spec-nowhere")


def test_slow_methods_leave_the_thread_of_the_front_end_free(run):
    state = PickerState(**run._asdict())
    flux = state.show().flux
    options = {"method": "occlusion", "target": "type 1"}
    seen = {}

    async def wait_for_it():
        done = asyncio.get_running_loop().create_future()

        def take(attribution, error):
            seen["thread"] = threading.current_thread()
            done.set_result((attribution, error))

        task = ExplainTask(run.model, flux, on_done=take, **options)
        task.run()
        assert not done.done()
        return await asyncio.wait_for(done, 30), task

    (attribution, error), task = asyncio.run(wait_for_it())
    assert error is None and seen["thread"] is threading.main_thread()
    assert task.n_classified > 0
    np.testing.assert_array_equal(attribution.values, explain(run.model, flux, **options).values)


class Slow:
    """An estimator that takes its time."""

    def __init__(self, estimator):
        self.estimator, self.calls = estimator, 0
        self.classes_, self.n_features_in_ = estimator.classes_, estimator.n_features_in_

    def predict_proba(self, X):
        self.calls += 1
        time.sleep(0.02)
        return self.estimator.predict_proba(X)


def test_what_is_given_up_ends_soon_and_delivers_nothing(run):
    slow, results = Slow(run.model.estimator), []
    flux = np.asarray(run.sample["flux"][0], dtype=float)

    async def give_up():
        task = ExplainTask(
            slow, flux, on_done=lambda *result: results.append(result), method="finite_difference"
        )
        task.run()
        await asyncio.sleep(0.03)
        task.give_up()
        # Its thread ends, and delivers to this loop or does not.
        await asyncio.get_running_loop().shutdown_default_executor()
        await asyncio.sleep(0)

    started = time.monotonic()
    asyncio.run(give_up())
    assert not results
    assert slow.calls <= 3
    assert time.monotonic() - started < 10


def test_a_method_that_fails_says_so_in_the_widget(picker, monkeypatch):
    def fail(*arguments, **options):
        raise AgnError("the classifier is on strike; ask tomorrow.")

    monkeypatch.setattr("agn_helpers.picker.tasks.explain", fail)
    picker.explain(method="lime")
    assert "the classifier is on strike" in message(picker)
    assert picker.shown.method == "gradient"


def test_every_method_explains_a_scaled_pipeline_as_explain_does(run, tmp_path):
    sample = run.sample
    X, y = sample_arrays(sample)
    pipeline = make_pipeline(StandardScaler(), ProbabilisticSVC(C=1e-3, kernel="linear", random_state=0))
    model = TrainedModel(pipeline.fit(X[::2], y[::2]), grid=run.model.grid, meta=run.model.meta)
    picker = SpectrumPicker(sample, model, run.spectrum_map, folder=tmp_path, front_end=False)
    picker.pick(sample["name"][7])
    for method in METHODS:
        picker.explain(method=method, target="type 1")
        noise = {"ivar": np.asarray(sample["ivar"][7])} if method == "smoothgrad" else {}
        expected = explain(model, np.asarray(X[7]), method=method, target="type 1", **noise)
        assert picker.shown.method == method
        np.testing.assert_allclose(picker.shown.attribution, expected.values[0], rtol=1e-9, atol=1e-12)
        assert np.ptp(picker.shown.attribution) > 0
        if method in ("smoothgrad", "lime", "shap"):
            np.testing.assert_allclose(picker.shown.uncertainty, expected.uncertainty[0], rtol=1e-9)


def test_a_row_stays_a_row_whatever_the_names_are(state):
    # Names that would be found elsewhere, were they looked up.
    state.name = np.array(["spec"] * len(state.name))
    state.pick_near(*state.places[31])
    assert state.row == 31
    state.step(1)
    assert state.row == 32


def test_messages_name_uploaded_files_and_no_folder_that_is_gone(picker, tmp_path):
    spectra, _ = simulate_survey(random_state=6, n_type1=1, n_intermediate=0, n_type2=0)
    spectra[0].plate = 12345
    write_spec_lite(spectra[0], tmp_path / "own.fits")
    uploads = {"own.fits": (tmp_path / "own.fits").read_bytes(), "notes.txt": b"Dear diary,\nit rained.\n"}
    rejected = picker.add_spectra(uploads)
    assert picker.state.name[-1] == picker.shown.name and len(picker.state.name) == 121
    assert rejected["file"][0] == "notes.txt" and rejected["reason"][0].startswith("notes.txt must hold")
    assert '<li class="agn-note">notes.txt must hold' in picker.view.controls.rejected.value
    assert picker.add_spectra({"index.csv": b"name\n1\n"}) is None
    assert ">index.csv must have the column file" in message(picker)


def test_the_statistics_on_the_page_are_those_of_the_table(picker):
    picker.explain(method="smoothgrad", target="type 1")
    statistics = picker.line_statistics()
    table = tabulate_statistics(statistics)
    page = picker.view.controls.statistics.value
    cells = re.findall(r'<td class="(\w+)">(.*?)</td>', page)
    expected = [cell for _, row in table.rows for cell in row]
    assert [text for _, text in cells] == [cell.text for cell in expected]
    for (kind, _), cell in zip(cells, expected):
        assert kind == ("faint" if not cell.significant else "raises" if cell.value > 0 else "lowers")
    line = statistics.index[0]
    value, error = statistics.loc[line, ["core", "core_error"]]
    unit = 10.0**table.power
    assert expected[0].text == f"{value / unit:+.2f} ± {error / unit:.2f}".replace("-", "−")
    assert LINES[line].label == re.search("<td>(.*?)</td>", page).group(1)


def test_own_spectra_join_the_map_and_what_is_none_is_listed(picker, tmp_path):
    spectra, _ = simulate_survey(random_state=5, n_type1=1, n_intermediate=0, n_type2=1)
    for number, spectrum in enumerate(spectra):
        spectrum.plate = 12345
        write_spec_lite(spectrum, tmp_path / f"own-{number}.fits")
    (tmp_path / "notes.txt").write_text("Dear diary,\ntoday it rained.\n")
    (tmp_path / "picture.fits").write_bytes(b"\x89PNG\r\n")
    files = sorted(tmp_path.glob("*.*"))
    rejected = picker.add_spectra(files)
    assert sorted(rejected["name"]) == ["notes", "picture"]
    assert len(picker.state.name) == 122
    assert picker.state.name[120] == picker.shown.name
    assert picker.shown.survey == "synthetic"
    np.testing.assert_allclose(
        picker.state.places[120],
        place_on_map(picker.state.spectrum_map, picker.shown.flux[None])[0],
        atol=1e-3,
    )
    assert "2 not used" in message(picker)
    assert "it is a PNG image" in picker.view.controls.rejected.value
    # Once more they are on the map already, and nothing changes.
    again = picker.add_spectra(files[1:3])
    assert len(again) == 2 and "on the map already" in message(picker)
    assert len(picker.state.name) == 122
    picker.view.controls.path.value = str(tmp_path / "nowhere")
    picker.view.controls.add.click()
    assert "cannot be read" in message(picker)
    picker.view.controls.own_redshift.value = "high"
    picker.view.controls.add.click()
    assert "the redshift must be a number; got &#x27;high&#x27;" in message(picker)


def test_exports_hold_what_is_shown_and_say_that_it_is_synthetic(picker, tmp_path):
    picker.pick(picker.state.name[11])
    picker.what_if(broad_hbeta_flux=25)
    path = picker.export("csv")
    table = pd.read_csv(path)
    assert path.parent == tmp_path
    np.testing.assert_allclose(table["attribution"], picker.shown.attribution)
    np.testing.assert_allclose(table["flux"], picker.shown.flux)
    assert set(table["survey"]) == {"synthetic"} and set(table["method"]) == {"gradient"}
    assert table["change"][0] == picker.state.change.describe()
    with Image.open(picker.export("png", folder=tmp_path / "pages")) as image:
        assert image.width > 1500
    assert picker.export("pdf").read_bytes().startswith(b"%PDF")
    assert picker.export("txt") is None
    assert "nothing is selected" in message(picker)
    picker.select(picker.state.name[[4, 2]])
    assert picker.export("txt").read_text().splitlines() == [
        "# survey = synthetic",
        *picker.state.name[[2, 4]],
    ]
    assert picker.export("png") is None
    assert "a summary page is of one spectrum" in message(picker)
    assert picker.export("docx") is None
    (tmp_path / "file").write_text("")
    assert picker.export("csv", folder=tmp_path / "file") is None
    assert "could not be written" in message(picker)


def test_twenty_runs_of_a_cell_leave_one_picker_and_closing_leaves_none(run, monkeypatch):
    instances = ipywidgets.widgets.widget._instances
    cell = iter(range(100))
    monkeypatch.setattr(front_end, "running_cell", lambda: ("the cell", next(cell)))

    def open_picker():
        picker = SpectrumPicker(run.sample, run.model, run.spectrum_map, front_end=True)
        picker.what_if(slope=0.1)
        return picker

    def count():
        gc.collect()
        canvases = [thing for thing in gc.get_objects() if type(thing).__name__ == "SteadyCanvas"]
        return len(instances), len(plt.get_fignums()), len(canvases), len(front_end.open_pickers)

    before = count()
    picker = open_picker()
    one = count()
    assert one[0] > before[0] + 30 and one[2] == before[2] + 2
    for _ in range(20):
        picker = open_picker()
    assert count() == one
    slider = picker.view.controls.sliders["slope"]
    map_canvas = picker.view.controls.map_figure.canvas
    picker.close()
    assert not any(slider._trait_notifiers.get("value", {}).values())
    # What is left is the toolbar's and the figure's own, which go with the canvas.
    events = ("draw_event", "figure_leave_event")
    assert not any(map_canvas.callbacks.callbacks.get(name) for name in events)
    del slider, map_canvas, picker
    assert count() == before


def test_pickers_of_other_cells_stay_open(run, monkeypatch):
    cells = iter([("first", 1), ("first", 1), ("second", 2), ("second", 2)])
    monkeypatch.setattr(front_end, "running_cell", lambda: next(cells))
    first = SpectrumPicker(run.sample, run.model, run.spectrum_map, front_end=True)
    second = SpectrumPicker(run.sample, run.model, run.spectrum_map, front_end=True)
    assert first.view and second.view
    first.close()
    second.close()
    second.close()


def test_the_run_that_is_read_is_the_run_that_was_written(run):
    assert isinstance(run.split, Table)
    assert list(run.sample["name"]) == list(run.spectrum_map.name)


def test_two_threads_do_not_draw_in_each_others_style():
    """JupyterLab hears widgets in one thread while cells run in another."""
    grounds, before = {False: set(), True: set()}, dict(plt.rcParams)

    def draw(dark):
        for _ in range(20):
            with screen_style(dark=dark):
                for _ in range(3):
                    grounds[dark].add((plt.rcParams["figure.facecolor"], tuple(plt.rcParams["font.family"])))
                    time.sleep(0.001)

    threads = [threading.Thread(target=draw, args=(dark,)) for dark in grounds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(seen) for seen in grounds.values()] == [1, 1] and grounds[False] != grounds[True]
    assert dict(plt.rcParams) == before


@pytest.mark.parametrize("by", ["room", "canvas"])
def test_a_figure_that_is_being_drawn_keeps_its_size(run, by):
    """To measure letters, matplotlib notes the pixels an inch of a figure and sets them again afterwards."""
    picker = SpectrumPicker(run.sample, run.model, run.spectrum_map, front_end=True)
    view, figure = picker.view, picker.view.controls.spectrum_figure
    before, size = figure.dpi, figure.bbox.size.copy()

    def resize():
        if by == "room":
            view._act({"kind": "room", "width": 1500, "height": 900})
        else:
            message = {"type": "resize", "width": 700, "height": 500, "figure": figure.canvas}
            figure.canvas._handle_message(figure.canvas, message, [])

    thread = threading.Thread(target=resize)
    with screen_style(dark=False), cbook._setattr_cm(figure, dpi=before):
        thread.start()
        thread.join(0.3)
        assert np.array_equal(figure.bbox.size, size)
    thread.join()
    plan = plan_page(1500, 900, view.controls._aspect)
    expected = (700, 500) if by == "canvas" else plan.spectrum
    assert figure.bbox.size == pytest.approx(expected) and not np.allclose(expected, size)
    assert figure.dpi == (before if by == "canvas" else plan.dpi)
    picker.close()


def test_an_echo_of_the_redshift_slider_leaves_the_message(run):
    """The page rounds a value to the slider's steps and sends it back."""
    picker = SpectrumPicker(run.sample, run.model, run.spectrum_map, front_end=True)
    view, slider = picker.view, picker.view.controls.redshift
    view.say("1 not used", kind="error")
    before = slider.value
    slider.value = round(before, 4) + (1e-4 if round(before, 4) == before else 0)
    assert slider.value != before
    assert "1 not used" in view.controls.message.value
    slider.value = before + 0.01
    assert "1 not used" not in view.controls.message.value
    picker.close()
