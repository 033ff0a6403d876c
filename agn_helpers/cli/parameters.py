"""Parameters of notebooks: what their cells declare, and what a command line says of them."""

import ast
import difflib
from pathlib import Path

import nbformat

from ..errors import AgnError

# Set by the runner itself, each from its own option.
_RUNNER_PARAMETERS = {"run": "--run", "survey": "--survey"}


class NotebookError(AgnError):
    """A notebook cannot be run with these parameters, or stopped at a failing cell.

    Attributes
    ----------
    traceback : str
        The failing cell's traceback; empty where the message says it all.
    """

    def __init__(self, message, *, traceback=""):
        super().__init__(message)
        self.traceback = traceback


def read_parameters(path):
    """Names and default values (literals) that a notebook declares in its ``parameters`` cell, a dict."""
    path = Path(path)
    try:
        notebook = nbformat.read(path, as_version=4)
        cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
        # papermill.inspect_notebook reads the cell by a pattern that loses a line with "=" in its comment.
        statements = ast.parse(cells[0].source).body if cells else []
        return {
            statement.targets[0].id: ast.literal_eval(statement.value)
            for statement in statements
            if isinstance(statement, ast.Assign)
        }
    except (ValueError, SyntaxError, AttributeError) as error:
        raise NotebookError(
            f"{path} must be a notebook whose parameters cell holds only `name = literal`; {error}."
        ) from error


def parse_parameter(name, text, default):
    """Turn `text`, read as a literal, into a value of the type of `default`; anything does for None."""
    value = text
    if isinstance(text, str) and not isinstance(default, str):
        words = {"true": True, "false": False, "none": None, "null": None, "nan": float("nan")}
        try:
            value = words[text.lower()] if text.lower() in words else ast.literal_eval(text)
        except (ValueError, SyntaxError):
            value = text
    wanted = {float: (int, float), tuple: (list, tuple), list: (list, tuple)}.get(
        type(default), type(default)
    )
    if default is not None and (
        not isinstance(value, wanted) or isinstance(value, bool) != isinstance(default, bool)
    ):
        raise NotebookError(
            f"parameter {name} must be of type {type(default).__name__}, like its default {default!r}; "
            f"got {text!r}."
        )
    return float(value) if isinstance(default, float) else value


def match_parameters(declared, parameters):
    """Give each notebook, by name, those of `parameters` that it declares; refuse what none does."""
    known = sorted({name for defaults in declared.values() for name in defaults} - set(_RUNNER_PARAMETERS))
    for name in parameters:
        if name in _RUNNER_PARAMETERS:
            raise NotebookError(
                f"parameter {name} is set by {_RUNNER_PARAMETERS[name]}; leave out -p {name}."
            )
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            guess = f" Did you mean {nearest[0]}?" if nearest else ""
            raise NotebookError(
                f"no notebook among {', '.join(declared)} declares a parameter {name!r}.{guess} "
                f"They declare {', '.join(known) or 'none'}."
            )
    return {
        notebook: {
            name: parse_parameter(name, value, defaults[name])
            for name, value in parameters.items()
            if name in defaults
        }
        for notebook, defaults in declared.items()
    }
