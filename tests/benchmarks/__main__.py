"""Run all benchmarks, or one, and print their table: python -m tests.benchmarks [--only NAME]."""

import argparse
import importlib
import pkgutil
import sys

from . import __path__


def main():
    """Print one table of all rows; exit with 1 where a target is missed."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if module.name.startswith("bench_")]
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    choices = [name.removeprefix("bench_") for name in names]
    parser.add_argument("--only", choices=choices, metavar="NAME", help=f"one of {', '.join(choices)}")
    only = parser.parse_args().only
    missed = False
    print(f"{'benchmark':60} {'value':>9} {'unit':12} {'target':12} reached")
    for name in names if only is None else [f"bench_{only}"]:
        for row in importlib.import_module(f".{name}", __package__).run():
            reached = ("yes" if row.reached else "NO") if row.target else ""
            print(f"{row.name:60} {row.value:9.3g} {row.unit:12} {row.target:12} {reached}", flush=True)
            missed |= not row.reached
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
