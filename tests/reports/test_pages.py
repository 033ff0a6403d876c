"""Pages of a run: whole, linked, and with names as text whatever they hold."""

import json
import re
import shutil
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import nbformat
import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from agn_helpers import AgnError, explain, load_model, read_sample
from agn_helpers.files import write_table
from agn_helpers.reduction import write_sample
from agn_helpers.reports import (
    collect_numbers,
    compare_runs,
    describe_doubt,
    describe_verdict,
    format_numbers,
    render_notebook,
    write_report,
)
from agn_helpers.reports.words import clean_table, name_column, write_cell

from .conftest import HOSTILE, write_executed


class Page(HTMLParser):
    """Elements of a page with their attributes, and ids."""

    def __init__(self, path):
        super().__init__()
        self.elements = []
        self.feed(Path(path).read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def report(hostile_run):
    return write_report("small", root=hostile_run, progress=False).parent


def test_every_link_leads_to_a_file_or_a_place(report):
    pages = [*report.glob("*.html"), *report.glob("objects/*.html")]
    assert len(pages) == 2 + 3
    for path in pages:
        page = Page(path)
        ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
        for tag, key in (("a", "href"), ("img", "src")):
            for attributes in page.all(tag):
                address = attributes[key]
                if re.match(r"https://(skyserver|ned|simbad|aladin)\.", address):
                    continue
                file, _, place = address.partition("#")
                if file and not file.startswith("../notebooks"):
                    assert (path.parent / unquote(file)).is_file(), f"{path.name}: {address}"
                elif place:
                    assert place in ids, f"{path.name}: {address}"


def test_a_hostile_name_is_text_on_every_page(report, hostile_run):
    for path in [*report.glob("*.html"), *report.glob("objects/*.html")]:
        page, text = Page(path), path.read_text(encoding="utf-8")
        assert "<img src=x" not in text and "<script>window.hacked" not in text
        for tag, attributes in page.elements:
            assert not any(key.startswith("on") for key in attributes), (path.name, tag, attributes)
        scripts = page.all("script")
        assert len(scripts) == (6 if path.name == "explorer.html" else 0)
        policy = next(each["content"] for each in page.all("meta") if "http-equiv" in each)
        assert policy.startswith("default-src 'none'")
    notebook = write_executed(hostile_run / "spare" / "04_x.ipynb")
    page = render_notebook(notebook, stem="04_x")
    assert "<img src=x" not in page and "<script" not in page and "onclick" not in page
    assert "&lt;script&gt;window.hacked" in page


def test_the_index_shows_figures_tables_spectra_and_parameters(report):
    text = (report / "index.html").read_text()
    assert "simulated; no number here is a measurement" in text
    assert 'alt="Part one: Hβ: The first is larger."' in text
    assert "<p>The <em>first</em> is larger.</p>" in text
    assert "Table 10: misclassified spectra" in text and "P(type 1)" in text and "p_type1" not in text
    assert re.search(r"<code>n</code></td><td><code>5</code></td><td>number of things", text)
    assert text.count('href="objects/') == 2 * 3  # in Tables 10 and 11, and in their own


def test_the_explorer_holds_what_the_run_holds(report, hostile_run):
    """Slices of the file, decoded, are fluxes and attributions within their quantisation."""
    data = hostile_run / "data" / "small"
    sample, model = read_sample(data / "sample.fits"), load_model(data / "model.skops")
    attribution = explain(model, sample)
    page = (report / "explorer.html").read_text()
    parts = dict(re.findall(r'<script type="[a-z/]+" id="(\w+)">(.*?)</script>', page, flags=re.DOTALL))
    told = json.loads(parts["data"])
    assert told["names"] == sample["name"].tolist() and told["names"][0] == HOSTILE
    assert told["part"].count("test") == len(sample) // 5
    for row in (0, len(sample) - 1):
        raw = {}
        for key, length, kind in zip(("flux", "values"), told["n_slice"], ("<u2", np.int8)):
            one = b64decode(parts[key][row * length : (row + 1) * length])
            raw[key] = np.frombuffer(one, dtype=np.uint8)[: 1000 * np.dtype(kind).itemsize].view(kind)
        width = told["high"][row] - told["low"][row]
        flux = told["low"][row] + raw["flux"] / 65535 * width
        np.testing.assert_allclose(flux, attribution.flux[row], atol=width / 65535 + 1e-4 * abs(flux).max())
        seen = raw["values"] != told["unobserved"]
        np.testing.assert_array_equal(seen, np.asarray(sample["ivar"])[row] > 0)
        values = raw["values"] / 127 * told["largest"][row]
        off = np.abs(values - attribution.values[row])[seen]
        assert off.max() < 0.51 / 127 * told["largest"][row]
    assert len(page) < 25e6 * len(sample) / 3346 + 3e6


def test_a_run_that_has_only_begun_has_a_report(hostile_run, tmp_path):
    write_executed(tmp_path / "data" / "new" / "notebooks" / "01_reduce.ipynb")
    text = write_report("new", root=tmp_path, progress=False).read_text()
    assert "None yet: they come from notebooks 02" in text
    with pytest.raises(
        AgnError, match=r"run none must have an executed notebook; .* Run agn reproduce first"
    ):
        write_report("none", root=tmp_path)


def test_a_model_that_does_not_fit_is_said_and_costs_its_pages_only(hostile_run, tmp_path):
    shutil.copytree(hostile_run / "data" / "small", tmp_path / "data" / "small")
    sample = read_sample(tmp_path / "data" / "small" / "sample.fits")
    sample.meta["grid_max"] = float(sample.meta["grid_max"]) + 10
    write_sample(sample, tmp_path / "data" / "small" / "sample.fits")
    text = write_report("small", root=tmp_path, progress=False).read_text()
    assert "Pages of spectra could not be made: the spectra must be on the model&#39;s grid" in text


def test_two_runs_side_by_side(hostile_run, tmp_path):
    for run, value, given in (("a", 0.9, 5), ("b", 0.7, 7)):
        folder = tmp_path / "data" / run
        notebook = write_executed(folder / "notebooks" / "02_x.ipynb")
        notebook.metadata["papermill"]["parameters"]["n"] = given
        nbformat.write(notebook, folder / "notebooks" / "02_x.ipynb")
        row = {"kernel": ["the model"], "f_score": [value], "f_score_low": [value - 0.05]}
        row |= {"f_score_high": [value + 0.05], "f_score_paper": [0.942]}
        write_table(Table(row), folder / "tables" / "table6.csv")
        (tmp_path / "figures" / run).mkdir(parents=True)
        (tmp_path / "figures" / run / "02_scores.png").write_bytes(run.encode())
    shutil.copyfile(hostile_run / "data" / "small" / "sample.fits", tmp_path / "data" / "b" / "sample.fits")
    path = compare_runs("a", "b", root=tmp_path)
    text = path.read_text()
    assert "All spectra of b are simulated" in text
    assert re.search(r"0\.900.*0\.850 to 0\.950.*0\.700.*<strong>−0\.200</strong>.*0\.942", text)
    assert re.search(r"<code>n</code></td><td><code>5</code></td><td><code>7</code>", text)
    for run in "ab":
        assert (path.parent / "compared" / run / "02_scores.png").read_bytes() == run.encode()
    with pytest.raises(AgnError, match="got a twice"):
        compare_runs("a", "a", root=tmp_path)


def test_key_numbers_stand_beside_the_papers(tmp_path):
    assert collect_numbers(tmp_path) == [] == format_numbers([])
    scores = {"score": ["F type 1", "F macro"], "n": [16, 16], "median": [0.98, 0.931]}
    scores |= {"low": [0.9, 0.9], "high": [0.99, 0.99]}
    write_table(Table(scores), tmp_path / "audit_scores.csv")
    faithful = {
        "method": ["gradient", "random order"],
        "rank_one_host": [1.0, 0.08],
        "labels_permuted": [-0.0028, 0],
    }
    write_table(Table(faithful), tmp_path / "saliency_faithfulness.csv")
    numbers = collect_numbers(tmp_path)
    first = numbers[0]
    assert (first.name, first.value, first.interval, first.paper) == (
        "macro F, median",
        0.931,
        (0.9, 0.99),
        0.942,
    )
    assert [each.value for each in numbers if "permuted" in each.name] == [0.0]
    assert np.signbit(next(each.value for each in numbers if "permuted" in each.name)) == np.False_
    lines = format_numbers(numbers)
    assert lines[0].split() == ["this", "run", "interval", "paper"]
    assert lines[1].split() == ["macro", "F,", "median", "0.931", "0.900", "to", "0.990", "0.942"]


def test_a_page_of_a_notebook_folds_code_and_names_what_it_shows(tmp_path):
    notebook = write_executed(tmp_path / "04_x.ipynb")
    page = render_notebook(notebook, stem="04_x", before="03_y", after="05_z")
    assert '<a href="03_y.html" rel="prev">' in page and '<a href="05_z.html" rel="next">' in page
    assert re.search(r'<a href="#s2-0">Part one: Hβ</a>', page) and 'id="s2-0"' in page
    assert 'alt="Figure: Part one: Hβ. The first is larger."' in page
    assert page.count("<details") == page.count("<summary>") == 2 and '<details class="code" open' not in page
    assert "<th>share, 16 %</th>" in page and "share_q16" not in page
    assert not re.search(r"<(script|iframe|link)\b|<img src=(?!\"data:)|@import", page)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("share_q16", "share, 16 %"),
        ("p_type1", "P(type 1)"),
        ("OIII5007", "[O III] 5007"),
        ("f_score_low", "F, low"),
        ("purity_type1_full", "purity type 1, full space"),
        ("elsewhere_as_large", "elsewhere as large"),
        ("type 1_paper", "type 1, paper"),
    ],
)
def test_columns_are_words(key, words):
    assert name_column(key) == words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345678, "0.123"),
        (-0.00001, "-1e-05"),
        (-0.0, "0"),
        (1234.5678, "1235"),
        (np.nan, "–"),
        (np.True_, "yes"),
        ("type 1|type 2", "type 1 or type 2"),
        ("NeIII3869", "[Ne III] 3869"),
        (np.ma.masked, "–"),
    ],
)
def test_cells_are_short(value, text):
    assert write_cell(value) == text


def test_a_table_loses_all_but_its_structure():
    head = '<table onload="x"><tr><th rowspan="2" style="a">n</th><th></th></tr>'
    body = '<td><a href="javascript:1">&lt;b&gt;</a></td></table>'
    cleaned = clean_table(f"<script>alert(1)</script>{head}{body}<iframe srcdoc=1>in</iframe>")
    assert cleaned == '<table><tr><th rowspan="2">number</th><td></td></tr><td>&lt;b&gt;</td></table>'
    # As pandas writes a table whose index has a name.
    frame = pd.DataFrame({"share": [-0.25, np.nan]}, index=pd.Index(["one", "two"], name="method"))
    rows = re.findall("<tr>(.*?)</tr>", re.sub(r"\n\s*", "", clean_table(frame.to_html())))
    assert rows == [
        "<th>method</th><th>share</th>",
        '<th>one</th><td class="number">−0.25</td>',
        "<th>two</th><td>–</td>",
    ]


def test_verdict_and_doubt_are_sentences():
    row = {"predicted": "type 1", "p_type1": 0.82, "p_intermediate": 0.18, "p_type2": 0.0, "reason": ""}
    assert describe_verdict(row, label="type 1") == "Predicted type 1 with P = 0.82, as it is labelled."
    assert "; its label is type 2." in describe_verdict(row, label="type 2")
    undetermined = {**row, "predicted": "undetermined", "reason": "no Hβ"}
    assert describe_verdict(undetermined).startswith(
        "Undetermined (no Hβ); type 1 would be the most probable"
    )
    assert describe_doubt(row) == []
    doubted = {**row, "prediction_set": "type 1|intermediate", "unlike_training": True, "unlike_in": "lines"}
    doubted |= {"p_low": 0.2, "p_high": 0.9, "unobserved": 0.3, "zwarning": 4}
    assert describe_doubt(doubted) == [
        "It may also be intermediate.",
        "It is unlike the training sample in its lines.",
        "Models of other surveys give P = 0.20 to 0.90.",
        "30% of the wavelengths were not observed.",
        "Its pipeline doubts the redshift.",
    ]
