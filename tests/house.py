"""The package's house as a table: `python -m tests.house` prints packages, modules, lines and importers."""

import ast
from collections import defaultdict
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "agn_helpers"
PACKAGES = sorted(path.parent.name for path in SOURCE.glob("*/__init__.py"))
PATHS = {
    path.relative_to(SOURCE).with_suffix("").as_posix().replace("/", "."): path
    for path in sorted(SOURCE.rglob("*.py"))
    if path.name != "__init__.py"
}
MODULES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in PATHS.items()}


def find_top(name):
    """The package, or the ground module, that a module belongs to."""
    return name.split(".")[0]


def find_imports(name, tree, *, types=True):
    """Modules within agn_helpers that a module imports anywhere in it, with the names: (module, names).

    Without `types`, what is imported for type checkers only is left out.
    """
    package = name.split(".")[:-1]
    only_types = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not types:
            only_types.update(node.body)
    for node in ast.walk(tree):
        if node not in only_types and isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            if node.module is None:
                yield from ((".".join([*base, alias.name]), []) for alias in node.names)
            else:
                yield ".".join([*base, node.module]), [alias.name for alias in node.names]


def read_stub(package):
    """What the ``__init__.pyi`` of a package (of the top for ``""``) makes public: name to module."""
    tree = ast.parse((SOURCE / package / "__init__.pyi").read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert all(node.level == 1 and node.module for node in imports)
    return {alias.asname or alias.name: node.module for node in imports for alias in node.names}


def list_modules():
    """One row a module: package, module, lines, and the modules that import it or a public name of it."""
    importers = defaultdict(set)
    for name, tree in MODULES.items():
        for module, names in find_imports(name, tree):
            if module in PACKAGES:
                stub = read_stub(module)
                importers_of = [f"{module}.{stub[each]}" for each in names if each in stub]
            else:
                importers_of = [module]
            for each in importers_of:
                importers[each].add(name)
    return [
        (find_top(name) if "." in name else "", name, _count_lines(PATHS[name]), sorted(importers[name]))
        for name in MODULES
    ]


def _count_lines(path):
    return len(path.read_text(encoding="utf-8").splitlines())


def main():
    """Print the table, and its sums."""
    rows = list_modules()
    for package in ["", *PACKAGES]:
        own = [row for row in rows if row[0] == package]
        public = "" if not package else f", {len(read_stub(package)) if package != 'cli' else 0} public names"
        print(f"{package or '(ground)'}: {len(own)} modules, {sum(row[2] for row in own)} lines{public}")
        for _, name, lines, importers in own:
            others = [other for other in importers if find_top(other) != package]
            print(f"  {name:34}{lines:5}  {len(importers):2} importers, {len(others):2} of other packages")
    lines = sorted(row[2] for row in rows)
    print(
        f"{len(PACKAGES)} packages, {len(rows)} modules, {sum(lines)} lines; "
        f"a module has {lines[0]} to {lines[-1]}, median {lines[len(lines) // 2]}; "
        f"{len(read_stub(''))} public names at the top."
    )


if __name__ == "__main__":
    main()
