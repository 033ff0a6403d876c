"""Benchmarks: each module ``bench_*.py`` has a function ``run()`` that returns a list of `Row`."""

import time
from typing import NamedTuple


class Row(NamedTuple):
    """One measured number; `target` is what is asked of it ("" where nothing is)."""

    name: str
    value: float
    unit: str
    target: str
    reached: bool


def time_in_turns(functions, *, rounds=3):
    """Processor time of each function, the least of `rounds` that take turns, and what each returned last.

    Other processes of a busy machine do not count, and what slows it down slows all.
    """
    times, results = [[] for _ in functions], [None] * len(functions)
    for _ in range(rounds):
        for number, function in enumerate(functions):
            start = time.process_time()
            results[number] = function()
            times[number].append(time.process_time() - start)
    return [min(each) for each in times], results


def at_least(name, value, limit, unit="times"):
    """Row of a number that must not be below a limit: two thirds of what is reached."""
    return Row(name, value, unit, f">= {limit:g}", bool(value >= limit))


def at_most(name, value, limit, unit=""):
    """Row of a number that must not be above a limit."""
    return Row(name, value, unit, f"<= {limit:g}", bool(value <= limit))
