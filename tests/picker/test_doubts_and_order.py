"""What the picker says beside a picture: doubts, order, what turns a type; the map's shape; code."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from agn_helpers.classifier import NoveltyDetector, calibrate_sets
from agn_helpers.errors import AgnError
from agn_helpers.picker import FILTERS, ORDERS, PickerPair, SpectrumPicker
from agn_helpers.picker.actions import parse_lines
from agn_helpers.picker.doubts import list_badges
from agn_helpers.picker.map_panel import map_aspect, turn_upright
from agn_helpers.picker.markup import matches_html, readout_html, selection_html, tag_html
from agn_helpers.picker.state import read_run
from agn_helpers.reduction import sample_arrays
from agn_helpers.saliency import gradient
from agn_helpers.spectra import list_sky_pages, write_spec_lite
from agn_helpers.survey import simulate_survey

from ..small_run import write_small_run


@pytest.fixture(scope="module")
def run(root):
    """A small run whose model says what it does not know."""
    run = read_run("small", root=root)
    X, y = sample_arrays(run.sample)
    ivar = np.asarray(run.sample["ivar"])
    novelty = NoveltyDetector(n_components=10, random_state=0).fit(X, ivar, grid=run.model.grid)
    run.model.extras["novelty"] = novelty
    run.model.extras["prediction_sets"] = calibrate_sets(run.model.estimator, X, y)
    return run


def test_badges_say_what_the_command_line_says(state, run):
    table = run.model.predict(run.sample)
    judged = state.judge_all()
    for name in ("predicted", "prediction_set", "unlike_training"):
        np.testing.assert_array_equal(judged[name], table[name])
    several = int(np.flatnonzero(["|" in types for types in table["prediction_set"]])[0])
    state.pick_row(several)
    badges = list_badges(state.judge(state.show()))
    assert badges[0].words == table["prediction_set"][several].replace("|", " or ")
    assert badges[0].kind == "doubt"
    # A thing that is no spectrum of the kind: all of it noise.
    state.what_if(noise=0.5)
    assert any(
        b.words.startswith("unlike the training sample") for b in list_badges(state.judge(state.show()))
    )


def test_badges_are_on_the_page_and_in_the_summary_page(picker):
    state = picker.state
    sets = state.judge_all()["prediction_set"]
    picker.pick(str(state.name[int(np.flatnonzero(np.char.find(sets, "|") >= 0)[0])]))
    words = list_badges(state.judge(picker.shown))[0].words
    assert f">{words}</span>" in picker.view.controls.badges.value
    assert 'class="agn-badge doubt"' in picker.view.controls.badges.value
    assert words.encode() in picker.export("svg").read_bytes()


def test_the_map_keeps_its_shape_and_lies_on_its_longer_side(picker):
    panel, places = picker.view.map, picker.state.places
    turn = turn_upright(places)
    np.testing.assert_allclose(turn @ turn.T, np.eye(2), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)
    turned = panel.to_figure(places)
    np.testing.assert_allclose(panel.to_map(turned), places, atol=1e-9)
    assert turned[:, 0].var() > turned[:, 1].var() and map_aspect(places) > 1
    across, up = panel.pixels_per_unit()
    assert across == pytest.approx(up, rel=1e-3)
    # Of a map on its side, too.
    assert map_aspect(places[:, ::-1]) == pytest.approx(map_aspect(places))
    panel.zoom(*turned[3], 0.5)
    picker.view.controls.map_figure.canvas.draw()
    across, up = panel.pixels_per_unit()
    assert across == pytest.approx(up, rel=1e-3)


def test_where_the_classifier_is_certain_log_odds_are_coloured_and_log_p_is_not(picker):
    state = picker.state
    row = int(np.argmax(state.probability.max(axis=1)))
    sure = np.concatenate(
        [state.X[:row], state.X[row : row + 1] * 4 - 3 * state.X.mean(axis=0), state.X[row + 1 :]]
    )
    state.X = sure.astype(np.float32)
    state.probability[row] = state.model.estimator.predict_proba(state.X[row : row + 1])[0]
    picker.pick(str(state.name[row]))
    assert state.probability[row].max() > 1 - 1e-6
    lines = [
        drawn for ax in picker.view.spectrum.axes for drawn in ax.collections if drawn.get_array() is not None
    ]
    assert all(np.ma.getmaskarray(drawn.get_array()).all() for drawn in lines)
    assert "nothing here moves it" in " ".join(note.get_text() for note in picker.view.spectrum._notes)
    picker.explain(of="log_odds")
    assert not any(np.ma.getmaskarray(drawn.get_array()).all() for drawn in lines)
    expected = gradient(state.model.estimator, state.X[row : row + 1], of="log_odds")[0]
    np.testing.assert_allclose(picker.shown.attribution, expected, rtol=1e-6)
    assert "ln(P/(1−P))" in picker.shown.quantity


def test_orders_and_filters_decide_what_comes_next(state):
    assert set(FILTERS) >= {"all", "misclassified", "test only", "unlike training"}
    certainty = state.probability.max(axis=1)
    for order in ORDERS:
        state.arrange(order=order, keep="all")
        assert sorted(state.sequence) == list(range(120))
    state.arrange(order="least certain")
    assert np.all(np.diff(certainty[state.sequence]) >= 0)
    state.pick_end(0)
    walk = [state.row]
    for _ in range(4):
        state.step(1)
        walk.append(state.row)
    assert walk == state.sequence[:5].tolist()
    state.step(-5)
    assert state.row == state.sequence[-1]
    state.arrange(keep="test only")
    assert set(state.part[state.sequence]) == {"test"}
    # From outside the first step leads to the next in the order.
    outside = int(np.flatnonzero(state.part != "test")[0])
    state.pick_row(outside)
    state.step(1)
    later = certainty[state.sequence] >= certainty[outside]
    assert state.row == state.sequence[later][0]
    state.select(state.name[:30])
    assert set(state.sequence) == {row for row in range(30) if state.part[row] == "test"}
    with pytest.raises(AgnError, match="order must be one of as in the file"):
        state.arrange(order="at random")
    state.arrange(keep="added")
    with pytest.raises(AgnError, match="no spectrum of the selection is 'added'"):
        state.step(1)


def test_the_selection_is_a_frame_and_back(picker):
    names = [str(name) for name in picker.state.name[[7, 3, 40]]]
    picker.selection = names
    frame = picker.selection
    assert isinstance(frame, pd.DataFrame) and list(frame.index) == sorted(names)
    np.testing.assert_allclose(frame[["P(type 1)", "P(intermediate)", "P(type 2)"]].sum(axis=1), 1, rtol=1e-6)
    assert frame.loc[names[0], "redshift"] == picker.state.redshift[7]
    picker.selection = frame[frame.index != names[1]]
    assert list(picker.selection.index) == sorted([names[0], names[2]])
    picker.selection = frame.reset_index()
    assert len(picker.selection) == 3
    picker.selection = []
    assert picker.selection.empty


def test_the_table_of_the_selection_sorts_by_its_heads(picker):
    picker.select([str(name) for name in picker.state.name[:20]])
    for _ in range(2):
        picker.view._act({"kind": "sort", "column": "redshift"})
    assert picker.view.controls.selected.value.index("descending") > 0
    shown = picker.view.controls.selected.value
    order = np.argsort(-picker.state.redshift[:20])
    at = [shown.index(str(picker.state.name[row])) for row in order]
    assert at == sorted(at)


def test_signals_are_heard_once_and_in_order(picker):
    rows = []
    for number in range(1, 6):
        text = [{"kind": "key", "key": "n", "number": k} for k in range(1, number + 1)]
        picker.view._hear(str(text).replace("'", '"'))
        rows.append(picker.state.row)
    assert len(set(rows)) == 5
    picker.view._hear("no json")
    assert picker.state.row == rows[-1]


def test_what_would_turn_a_type_turns_it(picker):
    table = picker.what_would_turn()
    turning = table[np.isfinite(table["amount"])]
    assert len(turning)
    for row in turning:
        picker.try_concept(row["concept"], row["amount"])
        assert picker.state.classes[picker.shown.probability.argmax()] == row["turns_to"]
        assert row["concept"] in picker.shown.change and picker.shown.place is not None
    picker.reset()
    assert picker.shown.change == ""
    picker.try_concept("a miracle", 1)
    assert "concept must be one of" in picker.view.controls.message.value


def test_lines_of_ones_own_and_another_redshift(picker):
    assert parse_lines("[Fe VII] 3759.99; Fe II: 4570 Å;") == [("[Fe VII]", 3759.99), ("Fe II", 4570.0)]
    with pytest.raises(AgnError, match="a line must be a name and a wavelength"):
        parse_lines("Fe II")
    picker.mark_lines({"Fe II": 4570.0})
    marks, words = picker.view.spectrum._own[0]
    assert [segment[0][0] for segment in marks.get_segments()] == [4570.0]
    assert words[0].get_text() == "Fe II"
    known = picker.state.redshift[picker.state.row]
    picker.try_redshift(known + 0.01)
    shift = (1.01 + known) / (1 + known)
    assert marks.get_segments()[0][0][0] == pytest.approx(4570 * shift)
    assert len(marks.get_segments()) > 5
    picker.step(1)
    assert picker.state.trial_redshift is None


def test_added_spectra_are_selected_and_stepped_through(picker, tmp_path):
    spectra, _ = simulate_survey(random_state=5, n_type1=2, n_intermediate=0, n_type2=1)
    for number, spectrum in enumerate(spectra):
        spectrum.plate = 12345
        write_spec_lite(spectrum, tmp_path / f"own-{number}.fits")
    picker.select([str(name) for name in picker.state.name[:4]])
    picker.add_spectra(sorted(tmp_path.glob("own*")))
    seen = {picker.state.row}
    for _ in range(2):
        picker.step(1)
        seen.add(picker.state.row)
    assert seen == {120, 121, 122}


def test_letters_are_of_one_font_whatever_else_is_going_on(picker):
    with plt.rc_context({"font.family": "DejaVu Sans", "font.size": 20}):
        picker.view._act({"kind": "room", "width": 1200, "height": 760, "dark": False})
        picker.explain(target="type 2")
        for figure in (picker.view.controls.map_figure, picker.view.controls.spectrum_figure):
            figure.canvas.draw()
        picker.step(1)
    for figure in (picker.view.controls.map_figure, picker.view.controls.spectrum_figure):
        texts = [text for text in figure.findobj(Text) if text.get_text()]
        assert {text.get_fontfamily()[0] for text in texts} == {"STIXGeneral"}
        assert max(text.get_size() for text in texts) < 12


def test_a_dark_page_has_dark_figures_and_a_light_one_light_ones_again(picker):
    for dark in (True, False):
        picker.view._act({"kind": "room", "width": 1000, "height": 760, "dark": dark})
        for figure in (picker.view.controls.map_figure, picker.view.controls.spectrum_figure):
            figure.canvas.draw()
            ground = np.asarray(figure.canvas.buffer_rgba())[2, 2, :3]
            assert (ground.max() < 30) == dark and (ground.min() > 250) != dark


def test_every_picture_is_sent_whole(picker):
    canvas = picker.view.controls.map_figure.canvas
    sent = []
    canvas.send_binary = sent.append
    picker.step(1)
    picker.step(1)
    assert len(sent) == 2 and canvas._image_mode == "full"


def test_the_code_of_a_view_makes_it_again(root, tmp_path):
    picker = SpectrumPicker.open_run("small", root=root, front_end=False)
    picker.select([str(name) for name in picker.state.name[[3, 9, 30]]])
    picker.arrange(order="redshift")
    picker.pick(str(picker.state.name[9]))
    picker.what_if(broad_hbeta_flux=20, slope=0.1)
    picker.mark_lines([("Fe II", 4570.0)])
    picker.explain(target="type 1", of="log_odds", smooth=400.0, fade=True)
    code = picker.code()
    names = {}
    exec(code.removesuffix("\npicker"), names)
    again = names["picker"]
    assert again.code() == code
    for name in ("flux", "attribution", "probability"):
        np.testing.assert_array_equal(getattr(again.shown, name), getattr(picker.shown, name))
    assert again.shown.title == picker.shown.title


def test_two_runs_side_by_side_go_together(root, tmp_path):
    write_small_run(tmp_path, run="other", n_type1=30, n_intermediate=30, n_type2=60)
    first, second = (
        SpectrumPicker.open_run(name, root=place, front_end=True)
        for name, place in (("small", root), ("other", tmp_path))
    )
    pair = PickerPair(first, second)
    name = str(first.state.name[20])
    first.pick(name)
    assert second.shown.name == name
    second.explain(target="type 2", of="margin")
    assert first.shown.target == "type 2" and first.shown.of == "margin"
    second.what_if(slope=0.4)
    assert first.state.change.slope == 0.4
    table = pair.compare()
    assert len(table) == 120 and not table["differ"].any()
    assert "application/vnd.jupyter.widget-view+json" in pair._repr_mimebundle_()
    pair.close()


def test_the_sky_is_linked_where_it_is_known(state):
    pages = list_sky_pages(150.1, 2.2)
    assert set(pages) == {"SkyServer", "NED", "SIMBAD", "Aladin Lite"}
    assert all(url.startswith("https://") and "150.1" in url and "2.2" in url for url in pages.values())
    for place in ((np.nan, 2.0), (None, None), (400.0, 2.0)):
        assert list_sky_pages(*place) == {}
    assert np.isnan(state.ra).all()


def test_names_are_never_markup():
    name = '<img src=x onerror="alert(1)">'
    frame = pd.DataFrame({"type": [name], "redshift": [0.1]}, index=pd.Index([name], name="name"))
    for text in (
        selection_html(frame, total=1),
        matches_html(name, [name], total=2),
        tag_html(1, 2, [name], side="above"),
        readout_html(name),
    ):
        assert "<img" not in text and "&lt;img" in text
