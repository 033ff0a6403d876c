"""A run's folders are the same from the project's root and from notebooks/."""

import pandas as pd
import pytest

from agn_helpers import runs
from agn_helpers.errors import AgnError
from agn_helpers.runs import find_project, require_file, run_folders, write_frame


@pytest.fixture
def project(tmp_path):
    for folder in ("project/notebooks", "project/data/mine/notebooks"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "project" / "notebooks" / "01_first.ipynb").touch()
    return (tmp_path / "project").resolve()


@pytest.mark.parametrize("start", [".", "notebooks", "data/mine/notebooks"])
def test_a_notebook_finds_the_same_folders_wherever_it_is_opened(project, start, monkeypatch):
    monkeypatch.chdir(project / start)
    assert run_folders("mine") == (project / "data" / "mine", project / "figures" / "mine")


def test_elsewhere_the_project_is_the_checkout_and_without_one_the_current_folder(
    project, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runs, "__file__", str(project / "agn_helpers" / "runs.py"))
    assert find_project() == project
    monkeypatch.setattr(runs, "__file__", str(tmp_path / "site-packages" / "agn_helpers" / "runs.py"))
    assert find_project() == tmp_path.resolve()


def test_a_folder_that_holds_a_run_is_a_project(tmp_path, monkeypatch):
    """`run_notebooks` runs them in a folder that has no copy of them."""
    (tmp_path / "data" / "mine" / "notebooks").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert find_project() == tmp_path.resolve()


@pytest.mark.parametrize("run", ["", "..", "a/b", "-x", "two words", "/tmp"])
def test_a_run_is_a_plain_name(run):
    with pytest.raises(AgnError, match="run must"):
        run_folders(run)


def test_a_missing_input_says_which_notebook_writes_it(tmp_path):
    with pytest.raises(AgnError, match="run 02_classifier_tuning"):
        require_file(tmp_path / "model.skops", written_by="02_classifier_tuning")


def test_tables_say_which_survey_they_are_made_from(tmp_path):
    frame = pd.DataFrame({"f_score": [0.9, 1.0]}, index=pd.Index(["type 2", "type 1"], name="type"))
    write_frame(frame, tmp_path / "table.csv", survey="synthetic")
    back = pd.read_csv(tmp_path / "table.csv", index_col="type")
    assert (back["survey"] == "synthetic").all()
    pd.testing.assert_frame_equal(back[["f_score"]], frame, check_index_type=False)


def test_tables_are_written_for_a_paper_too(tmp_path):
    frame = pd.DataFrame(
        {"f_score": [0.91234, 1e-5], "n": [3, 4]}, index=pd.Index(["50 %", "a_b"], name="type")
    )
    write_frame(frame, tmp_path / "table.csv", survey="synthetic")
    assert (tmp_path / "table.tex").read_text() == "\n".join(
        [
            "% survey = synthetic",
            r"\begin{tabular}{lrr}",
            r"\toprule",
            r"type & f\_score & n \\",
            r"\midrule",
            r"50 \% & 0.9123 & 3 \\",
            r"a\_b & 1e-05 & 4 \\",
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def test_what_a_paper_shows_may_differ_from_the_numbers(tmp_path):
    frame = pd.DataFrame({"f": [0.9]}, index=pd.Index(["rbf"], name="kernel"))
    shown = pd.DataFrame({("F", "here"): ["0.9 ± 0.1"], ("F", "paper"): ["0.91"]}, index=frame.index)
    write_frame(frame, tmp_path / "table.csv", survey="one\nline")
    write_frame(frame, tmp_path / "table.csv", survey="one\nline", shown=shown)
    assert pd.read_csv(tmp_path / "table.csv")["f"].tolist() == [0.9]
    lines = (tmp_path / "table.tex").read_text().splitlines()
    assert lines[0] == "% survey = one line"
    assert lines[3:5] == [r" & \multicolumn{2}{c}{F} \\", r"kernel & here & paper \\"]
    assert r"rbf & 0.9 ± 0.1 & 0.91 \\" in lines
    assert sorted(path.name for path in tmp_path.iterdir()) == ["table.csv", "table.tex"]
