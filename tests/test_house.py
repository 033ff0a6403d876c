"""Packages in floors: imports lead one way, and only what a package makes public is used outside."""

import ast
import importlib
import inspect
import subprocess
import sys
from graphlib import TopologicalSorter
from types import ModuleType

import pytest

import agn_helpers

from .house import MODULES, PACKAGES, SOURCE, find_imports, find_top, list_modules, main, read_stub

# Imports lead to a lower floor, or stay in the same package.
FLOORS = [
    {"errors", "limits", "locks", "files", "lines", "runs", "dispatch"},
    {"spectra", "maps"},
    {"reduction", "archive"},
    {"survey", "classifier"},
    {"tuning", "saliency"},
    {"faithfulness", "audit", "images"},
    {"plotting"},
    {"reports", "picker", "bulk"},
    {"cli"},
]
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}
# Who alone may import what, beside the packages above it.
KEPT = {"matplotlib": 6, "seaborn": 6, "ipywidgets": 7, "ipympl": 7, "voila": 7, "typer": 8, "papermill": 8}
# What only one package imports: the network.
ONLY = dict.fromkeys(("astroquery", "certifi", "requests", "urllib3"), "archive")
ONLY |= dict.fromkeys(("jax", "equinox", "optax"), "images")

# Packages that others import from.
LISTED = [name for name in PACKAGES if name != "cli"]


def test_every_module_has_its_floor():
    assert {find_top(name) for name in MODULES} | set(PACKAGES) <= set(FLOOR)


@pytest.mark.parametrize("name", MODULES)
def test_imports_lead_downstairs(name):
    tree, own = MODULES[name], find_top(name)
    for module, names in find_imports(name, tree):
        top = find_top(module)
        if top == own:
            continue
        assert FLOOR[top] < FLOOR[own] or FLOOR[own] == FLOOR[top] == 0, f"{name} climbs to {module}"
        if top in PACKAGES:
            assert module == top, f"{name} reaches into {module}"
            public = importlib.import_module(f"agn_helpers.{top}").__all__
            assert set(names) <= set(public), f"{name} takes what {top} does not give: {names}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            roots = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            for root in roots:
                assert root.split(".")[0] != "agn_helpers", f"{name} names the package absolutely"
                assert FLOOR[own] >= KEPT.get(root.split(".")[0], 0), f"{name} imports {root}"
                assert ONLY.get(root.split(".")[0], own) == own, f"{name} imports {root}"


@pytest.mark.parametrize("name", MODULES)
def test_the_only_way_up_is_to_public_functions_by_dispatch(name):
    for node in ast.walk(MODULES[name]):
        words = ast.unparse(node) if isinstance(node, ast.Import | ast.ImportFrom | ast.Attribute) else ""
        assert name == "dispatch" or "import_module" not in words, f"{name} imports by name"
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "call_above":
            package, function = node.args[0].value.split(".")
            assert function in read_stub(package), f"{name} calls {package}.{function}, which is not public"


def test_no_circle():
    graph = {}
    for name, tree in MODULES.items():
        graph[name] = {module for module, _ in find_imports(name, tree, types=False)}
    for name in graph:
        own = find_top(name)
        graph[name] = {other if find_top(other) == own else find_top(other) for other in graph[name]}
    order = list(TopologicalSorter(graph).static_order())
    assert set(MODULES) <= set(order)


def test_numbers(capsys):
    rows = list_modules()
    # 94 when the packages were made; readers of spectra and what was not observed came after.
    assert len(rows) <= 170
    assert len(read_stub("")) <= 30
    assert set(PACKAGES) == set().union(*FLOORS) - FLOORS[0]
    main()
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 1 + len(PACKAGES) + len(rows) + 1
    assert said[-1].startswith(f"{len(PACKAGES)} packages, {len(rows)} modules, ")


def test_a_module_that_nothing_imports_is_an_entrance():
    """What no module and no public name leads to is dead."""
    entrances = {
        f"{package}.{module}"
        for package in PACKAGES
        if package != "cli"
        for module in read_stub(package).values()
    }
    dead = {name for _, name, _, importers in list_modules() if not importers} - entrances
    assert dead == {"cli.app"}


@pytest.mark.parametrize("package", ["", *LISTED])
def test_the_list_of_public_names_is_whole_sorted_and_of_own_modules(package):
    stub, module = read_stub(package), importlib.import_module(f"agn_helpers.{package}".rstrip("."))
    assert sorted(stub) == list(module.__all__) == sorted(set(module.__all__))
    for name, source in stub.items():
        assert f"{package}.{source}".strip(".") in {*MODULES, *PACKAGES}, f"{name} is of no own module"
    tree = ast.parse((SOURCE / package / "__init__.py").read_text())
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert {ast.unparse(node) for node in imported} <= {
        "import lazy_loader",
        "from importlib import metadata",
    }


@pytest.mark.parametrize("package", ["", *PACKAGES])
def test_public_names_are_what_they_say(package):
    module = importlib.import_module(f"agn_helpers.{package}".rstrip("."))
    for name in getattr(module, "__all__", ()):
        value = getattr(module, name)
        assert not isinstance(value, ModuleType), f"{name} is a module"
        assert f"{package}.{name}".strip(".") not in MODULES, f"a module bears the name of {name}"
        # A name is given away by the package that defines it, and by the top.
        home = getattr(value, "__module__", None)
        if package and callable(value) and (home or "").startswith("agn_helpers."):
            assert home.startswith(f"agn_helpers.{package}."), f"{package} re-exports {name} of {home}"
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = module.no_such_name


def list_public_callables():
    """Functions of the top, and constructors and public methods of its classes."""
    for name in sorted(agn_helpers.__all__):
        value = getattr(agn_helpers, name)
        if inspect.isclass(value):
            members = {f"{name}.{key}": each for key, each in vars(value).items() if not key.startswith("_")}
            yield from ((key, each) for key, each in members.items() if inspect.isfunction(each))
            if not issubclass(value, Exception):
                yield name, value.__init__
        elif callable(value):
            yield name, value


@pytest.mark.parametrize(("name", "function"), list(list_public_callables()))
def test_what_is_public_at_the_top_says_its_types(name, function):
    signature = inspect.signature(function)
    # A dataclass's constructor has the annotations of its fields.
    untyped = [key for key, each in signature.parameters.items() if each.annotation is each.empty]
    assert set(untyped) <= {"self"}
    assert signature.return_annotation is not signature.empty


def test_importing_is_light():
    """`agn --help` waits for no numerical library, and a reader of spectra for no widget."""
    program = (
        "import sys, agn_helpers\n"
        "from agn_helpers.cli.app import main\n"
        "assert main(['--help']) == main(['classify', '--help']) == main(['reproduce', '--help']) == 0\n"
        "late = {'numpy', 'sklearn', 'astropy', 'pandas', 'matplotlib', 'papermill'}\n"
        "print(*late & set(sys.modules), file=sys.stderr)\n"
        "import agn_helpers.picker\n"
        "agn_helpers.read_spectrum, agn_helpers.load_model, agn_helpers.explain\n"
        "print(*{'ipywidgets', 'ipympl', 'voila', 'matplotlib'} & set(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.split() == []
