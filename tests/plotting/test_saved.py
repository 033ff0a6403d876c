"""What is written beside a figure, and how words that cannot be read are found."""

import matplotlib.pyplot as plt
import pytest

from agn_helpers.errors import AgnError
from agn_helpers.plotting import CAPTIONS, find_caption, find_collisions, save_figure


def test_one_variable_gives_every_figure_in_further_formats(tmp_path, monkeypatch):
    monkeypatch.setenv("AGN_FIGURES", "pdf, svg")
    figure, ax = plt.subplots()
    ax.set_title("Hβ")
    save_figure(figure, tmp_path / "any.png")
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", ".pdf", ".svg"}
    # Words of the vector files are words.
    assert "Hβ" in (tmp_path / "any.svg").read_text(encoding="utf-8")
    monkeypatch.setenv("AGN_FIGURES", "pdf,xyz")
    with pytest.raises(
        AgnError, match=r"suffix of a figure must be one of .*; got xyz, asked for by .*AGN_FIG"
    ):
        save_figure(figure, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_a_caption_is_written_beside_a_figure_of_a_run_and_where_one_is_given(tmp_path):
    figure = plt.figure()
    for name, caption in (("02_noise", ""), ("own", "What it  shows."), ("without", "")):
        save_figure(figure, tmp_path / f"{name}.png", caption=caption)
    assert (tmp_path / "02_noise.txt").read_text(encoding="utf-8") == f"{find_caption('02_noise')}\n"
    assert (tmp_path / "own.txt").read_text(encoding="utf-8") == "What it shows.\n"
    assert not (tmp_path / "without.txt").exists()


def test_captions_are_sentences_without_gaps():
    for pattern in CAPTIONS:
        text = find_caption(pattern.split("|")[0].replace(r"\d+", "1").replace(".+", "x").split("(")[0])
        assert text == "" or (text.endswith(".") and "{" not in text and len(text.split()) > 7)
    assert find_caption("04_misclassified_3") == find_caption("04_correct_12") != ""
    assert find_caption("something else") == ""


def test_words_that_are_cut_off_or_lie_on_one_another_are_found(tmp_path, monkeypatch):
    figure, ax = plt.subplots(figsize=(3, 2), layout="constrained")
    assert find_collisions(figure) == []
    one = ax.text(0.5, 0.5, "one")
    other = ax.text(0.52, 0.5, "other")
    assert find_collisions(figure) == ["overlap: 'one' and 'other'"]
    other.set_visible(False)
    assert find_collisions(figure) == []
    figure.set_layout_engine("none")
    one.set_position((1.12, 0.5))
    assert find_collisions(figure) == ["cut off: 'one'"]
    monkeypatch.setenv("AGN_CHECK_FIGURES", "1")
    with pytest.raises(AgnError, match=r"every word of a\.png must be readable; 1 are not: cut off: 'one'"):
        save_figure(figure, tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()
