"""A run's folders are the same from the project's root and from notebooks/."""

import pandas as pd
import pytest

from agn_helpers.errors import AgnError
from agn_helpers.runs import need_file, run_folders, write_frame


@pytest.fixture
def project(tmp_path):
    (tmp_path / "pyproject.toml").touch()
    for folder in ("notebooks", "data/mine/notebooks"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path.resolve()


@pytest.mark.parametrize("start", [".", "notebooks", "data/mine/notebooks"])
def test_a_notebook_finds_the_same_folders_wherever_it_is_opened(project, start, monkeypatch):
    monkeypatch.chdir(project / start)
    assert run_folders("mine") == (project / "data" / "mine", project / "figures" / "mine")


def test_a_folder_that_is_no_project_holds_its_own_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_folders("mine").data == tmp_path.resolve() / "data" / "mine"


@pytest.mark.parametrize("run", ["", "..", "a/b", "-x", "two words", "/tmp"])
def test_a_run_is_a_plain_name(run):
    with pytest.raises(AgnError, match="run must"):
        run_folders(run)


def test_a_missing_input_says_which_notebook_writes_it(tmp_path):
    with pytest.raises(AgnError, match="run 02_classifier_tuning"):
        need_file(tmp_path / "model.skops", written_by="02_classifier_tuning")


def test_tables_say_which_survey_they_are_made_from(tmp_path):
    frame = pd.DataFrame({"f_score": [0.9, 1.0]}, index=pd.Index(["type 2", "type 1"], name="type"))
    write_frame(frame, tmp_path / "table.csv", survey="synthetic")
    back = pd.read_csv(tmp_path / "table.csv", index_col="type")
    assert (back["survey"] == "synthetic").all()
    pd.testing.assert_frame_equal(back[["f_score"]], frame, check_index_type=False)
