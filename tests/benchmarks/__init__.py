"""Benchmarks: each module ``bench_*.py`` has a function ``run()`` that returns a list of `Row`."""

from typing import NamedTuple


class Row(NamedTuple):
    """One measured number; `target` is what is asked of it ("" where nothing is)."""

    name: str
    value: float
    unit: str
    target: str
    reached: bool
