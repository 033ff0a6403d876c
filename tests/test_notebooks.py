"""The notebooks: clean as committed, in the house style, and true from the first cell to the last."""

import ast
import importlib
import io
import re
import shutil
import tokenize
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from agn_helpers.classifier import load_model
from agn_helpers.cli.batch import run_notebooks
from agn_helpers.cli.parameters import NotebookError
from agn_helpers.lines import AGN_TYPES
from agn_helpers.maps import place_on_map, read_map
from agn_helpers.reduction import read_sample, reduce_spectra, sample_arrays, write_sample
from agn_helpers.spectra import read_spectra, write_spec_lite
from agn_helpers.survey import simulate_survey

FOLDER = Path(__file__).parents[1] / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))

OUR_MODULES = {path.stem for path in (FOLDER.parent / "agn_helpers").glob("[a-z]*")}

each_notebook = pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])


def code_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def prose_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]


def count_words(source):
    """Words of a cell's text, without the rows of the table at the head of a notebook."""
    return [word for line in source.splitlines() if not line.startswith("|") for word in line.split()]


def test_there_are_notebooks():
    assert [path.stem[:2] for path in PATHS[:4]] == ["01", "02", "03", "04"]


@each_notebook
def test_clean_no_outputs_no_counts_no_traces_of_a_run(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in code_cells(path):
        assert not cell.outputs
        assert cell.execution_count is None
        assert set(cell.metadata) <= {"tags"}
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    # A version would change with whoever saves the notebook.
    assert "version" not in notebook.metadata.language_info


@each_notebook
def test_begins_with_title_question_and_what_it_reads_and_writes(path):
    first = nbformat.read(path, as_version=4).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith(f"# {path.stem[:2]} · ")
    assert re.search(r"\*\*Question\.\*\* .+\?", first.source)
    for row in ("goal", "reads", "writes", "takes"):
        assert f"\n| {row} | " in first.source


@each_notebook
def test_one_parameters_cell_of_literals_each_with_a_comment(path):
    cells = [cell for cell in code_cells(path) if "parameters" in cell.metadata.get("tags", [])]
    assert len(cells) == 1
    source = cells[0].source
    commented = {
        token.start[0]
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    for statement in ast.parse(source).body:
        assert isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
        ast.literal_eval(statement.value)
        assert statement.lineno in commented, f"{statement.targets[0].id} needs a comment"


@each_notebook
def test_imports_come_first_and_functions_live_in_the_package(path):
    cells = code_cells(path)
    for number, cell in enumerate(cells):
        nodes = list(ast.walk(ast.parse(cell.source)))
        assert not any(isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef) for node in nodes)
        assert number == 0 or not any(isinstance(node, ast.Import | ast.ImportFrom) for node in nodes)


@each_notebook
def test_cells_are_short(path):
    imports, *others = code_cells(path)
    assert len(imports.source.splitlines()) <= 15
    for cell in others:
        assert len(cell.source.splitlines()) <= 20, cell.source
    for cell in prose_cells(path):
        assert len(count_words(cell.source)) <= 120, cell.source


def find_places(path):
    """Packages and modules of ours that a notebook's names come from, itself among them."""
    places = set()
    for node in ast.walk(ast.parse(code_cells(path)[0].source)):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "agn_helpers":
            names = {alias.name for alias in node.names}
            modules = {f"agn_helpers.{name}" for name in names & OUR_MODULES}
            places |= modules if names <= OUR_MODULES else modules | {node.module}
    return places


@each_notebook
def test_names_come_from_the_top_or_from_few_packages(path):
    assert len(find_places(path)) <= (6 if path.stem.startswith("04") else 9)
    tree = ast.parse(code_cells(path)[0].source)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("agn_helpers."):
            assert node.module.count(".") == 1, f"{node.module} is no package's front"
            for alias in node.names:
                assert alias.name in importlib.import_module(node.module).__dir__(), alias.name


@each_notebook
def test_no_housekeeping_no_global_settings_no_expression_tricks(path):
    for cell in code_cells(path):
        tree = ast.parse(cell.source)
        assert not re.search(r"unlink|rmtree|\bos\.remove|pd\.(options|set_option)|rcParams", cell.source)
        for statement in tree.body:
            # A cell that shows something always shows it.
            if isinstance(statement, ast.Expr):
                assert not isinstance(statement.value, ast.IfExp | ast.BoolOp), cell.source
            targets = [node for node in ast.walk(statement) if isinstance(node, ast.NamedExpr)]
            assert not targets, cell.source


# Numbers that prose may hold, since no run changes them; all others are printed by a cell.
LASTING_NUMBERS = [
    r"`[^`]*`",  # names of files and of parameters with their values
    r"^# \d\d · ",
    r"^\| takes \|.*",
    r"\([^()]*\b(?:18|19|20)\d\d\b[^()]*\)",  # a reference, up to its brackets
    r"et al\. (?:18|19|20)\d\d",
    r"[Nn]otebooks? \d\d(?:(?:, | and | to )\d\d)*",
    r"\b(?:Figures?|Tables?) (?:A\.)?\d+(?:(?:, | and | to )(?:A\.)?\d+| \([a-z]+\))*",
    r"\bsections? \d+(?:\.\d+)*",
    r"\b[Tt]ypes? [12](?: (?:and|or|against|from) (?:type )?[12])?\b",
    r"\d[\d.]*(?:(?: and | to )\d[\d.]*)? Å",  # wavelengths
    r"\[(?:O|N|S|Ne) [IV]+\] \d{4}",
    r"\b(?:95|68) %",  # confidence
    r"C = 0\.07",  # the paper's, the default
    r"is 1 where",  # the limit of a measure
    r"n/3",  # the rule of three
]


@each_notebook
def test_prose_holds_no_number_that_a_run_could_change(path):
    for cell in prose_cells(path):
        text = cell.source
        for pattern in LASTING_NUMBERS:
            text = re.sub(pattern, "", text, flags=re.MULTILINE)
        left = re.search(r"[^\s]*\d[^\s]*", text)
        assert not left, f"{left[0]} in: {cell.source}"
        assert not re.search(r"\b(?:per cent|in ten|out of \w+|in twenty)\b", text), cell.source


# Spectra that share a weight vector are not independent: significance is a matter of surveys, in one place.
P_VALUE = r"\bp_?values?\b|\bp = {|binomtest|wilcoxon|mannwhitneyu|ttest_\w+|permutation_test|\.pvalue"


def test_p_values_come_from_independent_surveys_alone():
    for path in PATHS:
        found = [match[0] for cell in code_cells(path) for match in re.finditer(P_VALUE, cell.source)]
        assert not found or path.stem == "06_audit", (path.stem, found)
    # What notebook 06 shows as p is a column of `summarise_surveys`, the only function that makes one.
    makers = {
        path.stem
        for path in (FOLDER.parent / "agn_helpers").rglob("*.py")
        if re.search(r"\.pvalue|binomtest\(.*pvalue", path.read_text(encoding="utf-8"))
    }
    assert makers == {"ensembles"}


FORBIDDEN = (
    r"(?<!vector )machines?\b|\bcards?\b|\bislands?\b|\bhonest|\bcalled\b|\bwhoever\b|\bnobody\b|\blest\b"
    r"|\btold apart\b|\btell(?:s)? apart\b|\bstrangers?\b|\bembedded survey\b|\brooms?\b"
)


@each_notebook
def test_the_words_are_the_fields(path):
    for cell in prose_cells(path):
        found = re.search(FORBIDDEN, re.sub(r"`[^`]*`", "", cell.source), flags=re.IGNORECASE)
        assert not found, f"{found[0]!r} in: {cell.source}"
    for cell in code_cells(path):
        texts = [node.value for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Constant)]
        words = " ".join(text for text in texts if isinstance(text, str) and " " in text)
        assert not re.search(FORBIDDEN, words, flags=re.IGNORECASE), cell.source


@each_notebook
def test_every_figure_cell_is_followed_by_what_to_notice(path):
    cells = nbformat.read(path, as_version=4).cells
    for number, cell in enumerate(cells):
        if cell.cell_type == "code" and "save_figure(" in cell.source:
            after = [later.source for later in cells[number + 1 :] if later.cell_type == "markdown"]
            assert any(re.search("What to (notice|conclude)", source) for source in after[:1]), cell.source


SMALL = {
    "n_type1": 40,
    "n_intermediate": 40,
    "n_type2": 60,
    "random_state": 1,
    "C_values": [5e-3, 5e0],
    "gamma_values": [0.05],
    "refine": False,
    "n_fits": 1,
    "n_draws": 2,
    "perplexities": [5, 50],
    "n_noise": 5,
    "n_curves": 10,
    "n_explained": 4,
    "n_pairs": 40,
    "n_surveys": 2,
    "scale": 0.05,
    "n_test": 20,
    "n_general": 40,
    "n_jobs": 1,
    "n_sources": 64,
    "n_epochs": 1,
    "n_seeds": 1,
    "n_samples": 50,
    "n_votes": 96,
    "n_passes": 1,
    "n_labels": [6, 16],
    "n_calibration": 8,
    "n_scored": 8,
    "n_noisy": 2,
}


def run_in(folder, **options):
    """Run the notebooks in a project of their own: they find their files by the folder notebooks/."""
    shutil.copytree(FOLDER, folder / "notebooks")
    return run_notebooks(folder / "notebooks", project=folder, progress=False, **options)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The notebooks run on a small embedded survey."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        # No word of any figure is cut off or lies on another one, else its cell fails.
        patch.setenv("AGN_CHECK_FIGURES", "1")
        patch.setenv("AGN_FIGURES", "pdf,svg")
        run_in(folder, run="small", parameters=SMALL)
    return folder


@pytest.mark.notebooks
def test_a_run_writes_what_the_notebooks_promise(project):
    data, figures = project / "data" / "small", project / "figures" / "small"
    for path in PATHS:
        assert (data / "notebooks" / f"{path.stem}.html").is_file()
        promised = nbformat.read(path, as_version=4).cells[0].source.split("| writes | ")[1].split("\n")[0]
        names = re.findall(r"([\w/]+\.(?:fits|ecsv|skops|csv))", promised.replace("data/<run>/", ""))
        assert names
        for name in names:
            assert any((folder / name).is_file() for folder in (data, data / "tables")), name
        drawn = list(figures.glob(f"{path.stem[:2]}_*.png"))
        assert drawn
        for figure in drawn:
            assert all(figure.with_suffix(suffix).stat().st_size > 3000 for suffix in (".pdf", ".svg"))
            if path.stem[:2] <= "06":
                caption = figure.with_suffix(".txt").read_text(encoding="utf-8")
                assert len(caption.split()) > 8 and caption.strip().endswith(".")
    assert sorted(path.name for path in project.iterdir()) == ["data", "figures", "notebooks"]


@pytest.mark.notebooks
def test_everything_a_run_writes_says_that_it_is_synthetic(project):
    data = project / "data" / "small"
    for path in data.glob("tables/*.csv"):
        table = pd.read_csv(path)
        assert (table["survey"] == "synthetic").all(), path
        assert not {"p", "p_value"} & set(table) or {"n", "n_above"} <= set(table), path
    for path in [*data.glob("*.fits"), *data.glob("*.ecsv")]:
        meta = {key.lower(): value for key, value in Table.read(path).meta.items()}
        assert meta["survey"] == "synthetic", path
    assert load_model(data / "model.skops").meta["survey"] == "synthetic"


@pytest.mark.notebooks
def test_the_outputs_of_a_run_fit_together(project):
    data = project / "data" / "small"
    sample = read_sample(data / "sample.fits")
    X, y = sample_arrays(sample)
    model, split = load_model(data / "model.skops"), Table.read(data / "split.ecsv")
    assert list(split["name"]) == list(sample["name"]) == list(read_map(data / "map.fits").name)
    assert [np.sum(split["part"] == part) for part in ("training", "validation", "test")] == [90, 22, 28]

    test = np.array(split["part"] == "test")
    completed = model.completion.complete(X[test], np.asarray(sample["ivar"])[test])
    wrong = set(sample["name"][test][model.predict(sample[test])["predicted"] != y[test]])
    table10, table11 = (pd.read_csv(data / "tables" / f"table{number}.csv") for number in (10, 11))
    assert set(table10["name"]) == wrong
    assert len(table11) == max(len(wrong), 6)
    assert (table11["true"] == table11["predicted"]).all()
    assert [*table10["number"], *table11["number"]] == list(range(1, len(table10) + len(table11) + 1))

    saliency = Table.read(data / "saliency.fits", character_as_bytes=False)
    assert list(saliency["name"]) == list(sample["name"][test])
    observed = np.asarray(sample["ivar"])[test] > 0
    exact = model.estimator.log_proba_gradient(completed) * observed
    np.testing.assert_allclose(saliency["attribution"], exact, rtol=1e-5, atol=1e-6 * np.abs(exact).max())
    assert (saliency["uncertainty"] >= 0).all() and (saliency["uncertainty"] > 0).any()


@pytest.mark.notebooks
def test_a_small_sample_gets_the_perplexity_that_it_allows(project):
    page = (project / "data" / "small" / "notebooks" / "03_tsne_exploration.html").read_text()
    assert "140 spectra allow perplexities up to 33; larger ones are left out." in page
    # Of the test spectra placed on a map of the others, there are 112 of these.
    assert read_map(project / "data" / "small" / "map.fits").perplexity == 37


@pytest.fixture(scope="module")
def own_spectra(tmp_path_factory):
    """A folder of spectra with a table of their types, of which one is named but missing."""
    folder = tmp_path_factory.mktemp("own") / "seyferts"
    folder.mkdir()
    spectra, _ = simulate_survey(n_type1=12, n_intermediate=12, n_type2=12, random_state=2)
    rows = ["file,redshift,label", "missing.fits,0.05,Sy2"]
    for spectrum in spectra:
        write_spec_lite(spectrum, folder / f"{spectrum.name}.fits")
        rows.append(f"{spectrum.name}.fits,{spectrum.redshift},{spectrum.label}")
    (folder / "index.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture(scope="module")
def own_run(own_spectra, tmp_path_factory):
    """Notebooks 01 to 03 on a folder, normalised by a pixel; the same spectra are placed on the map anew."""
    folder = tmp_path_factory.mktemp("own-project")
    values = {"normalisation": "pixel", "tune": False, "n_fits": 1, "n_bootstrap": 10}
    values |= {"perplexities": [5], "random_starts": 1, "n_draws": 2, "spectra": str(own_spectra)}
    run_in(folder, run="own", survey=own_spectra, parameters=values, only=["01", "02", "03"])
    return folder / "data" / "own"


@pytest.mark.notebooks
def test_a_folder_of_ones_own_spectra_is_trained_on(own_run):
    assert len(read_sample(own_run / "sample.fits")) == 36
    rejected = Table.read(own_run / "rejected.ecsv")
    assert list(rejected["name"]) == ["missing"]
    # Spectra of the simulated survey stay synthetic, whatever folder they lie in.
    assert rejected.meta["survey"] == "synthetic"
    assert set(load_model(own_run / "model.skops").classes) == set(AGN_TYPES)
    assert not (own_run / "truth.fits").exists()


@pytest.mark.notebooks
def test_new_spectra_are_put_on_the_map_with_the_normalisation_of_the_map(own_run, own_spectra):
    spectrum_map = read_map(own_run / "map.fits")
    placed = pd.read_csv(own_run / "tables" / "map_placed.csv", index_col="name")
    places, completion = {}, load_model(own_run / "model.skops").completion
    for normalisation in ("pixel", "window"):
        sample, _ = reduce_spectra(read_spectra(own_spectra), normalisation=normalisation)
        assert list(sample["name"]) == list(placed.index)
        flux = completion.complete(sample["flux"], sample["ivar"]).astype(np.float32)
        places[normalisation] = place_on_map(spectrum_map, flux)
    np.testing.assert_allclose(placed[["x", "y"]], places["pixel"], atol=1e-6)
    assert np.abs(placed[["x", "y"]] - places["window"]).to_numpy().max() > 0.1


@pytest.mark.notebooks
def test_a_sample_of_one_type_is_refused_in_one_sentence(embedded_sample, tmp_path):
    alike = embedded_sample[embedded_sample["label"] == "type 2"][:30]
    write_sample(alike, tmp_path / "data" / "own" / "sample.fits")
    with pytest.raises(NotebookError, match="at least two types with 5 spectra each") as refusal:
        run_in(tmp_path, run="own", only=["02"])
    assert not refusal.value.traceback


@pytest.mark.notebooks
def test_a_wrong_value_is_refused_in_one_sentence(embedded_sample, tmp_path):
    write_sample(embedded_sample[::40], tmp_path / "data" / "own" / "sample.fits")
    with pytest.raises(
        NotebookError, match=r"C of linear must hold positive finite numbers; got \[0.0\]"
    ) as refusal:
        run_in(tmp_path, run="own", parameters={"C_values": "[0]"}, only=["02"])
    assert not refusal.value.traceback
    assert "\n" not in str(refusal.value)
