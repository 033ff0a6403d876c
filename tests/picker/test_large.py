"""A picker of more spectra than are completed at once: the same numbers, when they are looked at."""

import numpy as np
import pytest

from agn_helpers.classifier import SpectrumCompleter, TrainedModel
from agn_helpers.picker import mapped_spectra
from agn_helpers.picker import shown as views
from agn_helpers.picker.state import PickerState, read_run


@pytest.fixture(scope="module")
def run(root):
    """A small run with gaps in a third of its spectra, and a model that completes them."""
    run = read_run("small", root=root)
    sample = run.sample.copy()
    sample["ivar"] = np.maximum(sample["ivar"], np.median(sample["ivar"]))
    sample["ivar"][::3, 300:500] = 0
    model = TrainedModel(run.model.estimator, run.model.grid, run.model.meta)
    model.extras["completion"] = SpectrumCompleter(10).fit(sample["flux"], sample["ivar"])
    return run._replace(sample=sample, model=model)


@pytest.fixture
def few_at_once(monkeypatch):
    """Limits that this small run is beyond."""
    monkeypatch.setattr(mapped_spectra, "_MOST_COMPLETED", 50)
    monkeypatch.setattr(mapped_spectra, "_BLOCK", 16)


def test_what_is_looked_at_is_completed_first(run, few_at_once, monkeypatch):
    late = PickerState(**run._asdict())
    monkeypatch.setattr(mapped_spectra, "_MOST_COMPLETED", 20_000)
    whole = PickerState(**run._asdict())
    assert late.n_waiting == 40 and whole.n_waiting == 0
    assert not np.allclose(late.X[3], whole.X[3])
    for row in (3, 4):
        for state in (late, whole):
            state.pick_row(row)
        shown, expected = late.show(), whole.show()
        for name in ("flux", "probability", "attribution", "uncertainty"):
            np.testing.assert_allclose(getattr(shown, name), getattr(expected, name), rtol=1e-5, atol=1e-9)
    assert late.n_waiting == 39
    for state in (late, whole):
        state.select(state.name[:12].tolist())
    np.testing.assert_allclose(late.show().attribution, whole.show().attribution, rtol=1e-4, atol=1e-9)
    assert late.n_waiting == 36
    late.complete(np.arange(len(late.name)))
    assert late.n_waiting == 0
    np.testing.assert_allclose(late.X, whole.X, rtol=1e-6)
    np.testing.assert_allclose(late.probability, whole.probability, rtol=1e-6)
    np.testing.assert_array_equal(late.wrong, whole.wrong)


def test_the_callers_sample_is_left_alone(run, few_at_once):
    before = np.array(run.sample["flux"])
    state = PickerState(**run._asdict())
    state.complete(np.arange(len(state.name)))
    np.testing.assert_array_equal(run.sample["flux"], before)


def test_the_placer_is_made_when_something_is_placed(run):
    state = PickerState(**run._asdict())
    state.pick_row(7)
    state.show()
    assert state._placer is None
    state.what_if(broad_hbeta_flux=40)
    assert state.show().place is not None and state._placer is not None


def test_a_large_selection_is_averaged_over_some_of_it(run, monkeypatch):
    monkeypatch.setattr(views, "_MOST_AVERAGED", 20)
    state = PickerState(**run._asdict())
    state.select_inside(lambda places: np.ones(len(places), bool))
    shown = state.show()
    assert shown.name == "20 of 120 selected spectra" and shown.n_spectra == 20
    assert len(state.selection) == 120
    state._select_rows(np.linspace(0, 119, 20).astype(int))
    np.testing.assert_array_equal(state.show().flux, shown.flux)


def test_a_misspelt_name_is_answered_among_very_many(run, monkeypatch):
    monkeypatch.setattr(mapped_spectra, "_MOST_COMPARED", 6)
    state = PickerState(**run._asdict())
    name = str(state.name[70])
    with pytest.raises(Exception, match=f"did you mean {name[:-1]}"):
        state.find(f"{name}x")
