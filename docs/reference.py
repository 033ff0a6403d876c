"""Pages of the API reference: one a package, in the order of the house."""

import ast
from importlib import import_module
from pathlib import Path

from sphinx.pycode import ModuleAnalyzer

import agn_helpers


def list_packages():
    """Names of the packages whose names are public."""
    source = Path(agn_helpers.__file__).parent
    return sorted(path.parent.name for path in source.glob("*/__init__.pyi"))


def write_reference(folder):
    """Write ``<package>.rst`` for each package, and an index."""
    folder.mkdir(exist_ok=True)
    packages = list_packages()
    kept = {"index.rst"}
    for name in packages:
        package = import_module(f"agn_helpers.{name}")
        title = f"agn_helpers.{name}"
        text = f"{title}\n{'=' * len(title)}\n\n{_say(package)}\n\n"
        text += f".. currentmodule:: {title}\n\n"
        homes = _find_homes(name)
        for public in package.__all__:
            value = getattr(package, public)
            if isinstance(value, type):
                text += f".. autoclass:: {public}\n   :members:\n\n"
            elif callable(value):
                text += f".. autofunction:: {public}\n\n"
            else:
                text += f".. py:data:: {public}\n\n{_indent(_read_comment(name, homes[public], public))}\n"
        _write(folder / f"{name}.rst", text)
        kept.add(f"{name}.rst")
    pages = "".join(f"   {name}\n" for name in packages)
    top = "".join(f"* `agn_helpers.{name}`\n" for name in agn_helpers.__all__)
    text = (
        "API reference\n=============\n\n"
        "The names that most people need are given by ``agn_helpers`` itself; each is described in the "
        "package that it comes from:\n\n"
        f".. hlist::\n   :columns: 3\n\n{_indent(top)}\n.. toctree::\n   :maxdepth: 1\n\n{pages}"
    )
    _write(folder / "index.rst", text)
    for path in folder.glob("*.rst"):
        if path.name not in kept:
            path.unlink()


def _find_homes(package):
    """The module of each public name of a package, by its stub."""
    tree = ast.parse(
        (Path(agn_helpers.__file__).parent / package / "__init__.pyi").read_text(encoding="utf-8")
    )
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name: node.module for node in imports for alias in node.names}


def _read_comment(package, module, name):
    """What the comment ``#:`` above a constant says."""
    found = ModuleAnalyzer.for_module(f"agn_helpers.{package}.{module}").find_attr_docs()
    text = "\n".join(found.get(("", name), [f"See ``{module}.py``."]))
    return text.replace("|", r"\|").replace("*", r"\*")


def _say(package):
    return " ".join((package.__doc__ or "").split())


def _indent(text):
    return "".join(f"   {line}\n" for line in text.splitlines())


def _write(path, text):
    # An unchanged page need not be read again.
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
