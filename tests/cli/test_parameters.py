"""Parameters reach the notebooks that declare them, with the declared types; anything else is refused."""

import math

import nbformat
import pytest

from agn_helpers.cli.parameters import NotebookError, match_parameters, parse_parameter, read_parameters


def write_notebook(path, source, tags=("parameters",)):
    cell = nbformat.v4.new_code_cell(source)
    cell.metadata["tags"] = list(tags)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    return path


def test_parameters_cell_is_read_with_its_comments(tmp_path):
    source = """
run = "synthetic"  # name of the run; run = folder under data/
step = 0.01        # relative, e.g. step=0.01
# a comment alone
shift = -1.5
sizes = (
    1,
    2,
)
mark = "#"
seed = None
"""
    declared = read_parameters(write_notebook(tmp_path / "a.ipynb", source))
    assert declared == {
        "run": "synthetic",
        "step": 0.01,
        "shift": -1.5,
        "sizes": (1, 2),
        "mark": "#",
        "seed": None,
    }


def test_notebook_without_the_cell_declares_nothing(tmp_path):
    assert read_parameters(write_notebook(tmp_path / "a.ipynb", "run = 1", tags=())) == {}


@pytest.mark.parametrize("source", ["x = range(3)", "x = ", "x.y = 1"])
def test_defaults_must_be_literals(tmp_path, source):
    with pytest.raises(NotebookError, match=r"a\.ipynb must be a notebook whose parameters cell holds only"):
        read_parameters(write_notebook(tmp_path / "a.ipynb", source))


def test_other_files_are_no_notebooks(tmp_path):
    (tmp_path / "a.ipynb").write_text("<<<<<<< HEAD\n")
    with pytest.raises(NotebookError, match=r"a\.ipynb must be a notebook") as caught:
        read_parameters(tmp_path / "a.ipynb")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "default", "value"),
    [
        ("3", 1, 3),
        ("-3", 1, -3),
        ("3", 1.0, 3.0),
        ("1e-3", 1.0, 1e-3),
        ("True", False, True),
        ("false", True, False),
        ("linear", "rbf", "linear"),
        ("3", "rbf", "3"),
        ("None", "rbf", "None"),
        ("[5, 50]", [30], [5, 50]),
        ("(5, 50)", [30], (5, 50)),
        ("{'C': 1.0}", {}, {"C": 1.0}),
        ("None", None, None),
        ("balanced", None, "balanced"),
        ("0.5", None, 0.5),
        (7, 1, 7),
    ],
)
def test_values_get_the_declared_type(text, default, value):
    parsed = parse_parameter("x", text, default)
    assert parsed == value
    assert type(parsed) is type(value)


def test_nan_is_a_float():
    assert math.isnan(parse_parameter("x", "nan", 1.0))


@pytest.mark.parametrize(
    ("text", "default"),
    [
        ("2.5", 1),
        ("True", 1),
        ("True", 1.0),
        ("1", True),
        ("many", 1),
        ("many", 1.0),
        ("5", [30]),
        ("None", 1),
        ("__import__('os')", 1),
        (3, "rbf"),
    ],
)
def test_values_of_another_type_are_refused(text, default):
    rule = f"parameter size must be of type {type(default).__name__}, like its default"
    with pytest.raises(NotebookError, match=rule) as caught:
        parse_parameter("size", text, default)
    assert repr(text) in str(caught.value)


DECLARED = {
    "01_one": {"run": "x", "survey": "y", "n_type1": 680},
    "02_two": {"run": "x", "kernel": "rbf", "perplexity": 50},
}


def test_each_notebook_gets_what_it_declares():
    matched = match_parameters(DECLARED, {"n_type1": "10", "kernel": "linear"})
    assert matched == {"01_one": {"n_type1": 10}, "02_two": {"kernel": "linear"}}


def test_undeclared_parameter_is_refused_with_the_nearest():
    with pytest.raises(NotebookError, match=r"'perplexty'\. Did you mean perplexity\?") as caught:
        match_parameters(DECLARED, {"perplexty": "30"})
    assert "kernel, n_type1, perplexity" in str(caught.value)


@pytest.mark.parametrize("name", ["run", "survey"])
def test_what_an_option_sets_is_refused_as_a_parameter(name):
    with pytest.raises(NotebookError, match=f"is set by --{name}"):
        match_parameters(DECLARED, {name: "z"})
