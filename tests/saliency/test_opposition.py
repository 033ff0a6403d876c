"""The paper's claim about Hβ, on maps of which it is known where it holds."""

import numpy as np
import pytest

from agn_helpers.lines import LINES
from agn_helpers.lines import PAPER_GRID as GRID
from agn_helpers.saliency import (
    choose_examples,
    measure_opposition,
)

SPEED = np.abs(LINES["Hbeta"].velocity(GRID))


def make_map(core, wings, *, width=500.0):
    return np.select([SPEED < width, (SPEED > 1000) & (SPEED < 5000)], [core, wings], 0.1)


def test_opposite_signs_are_counted_among_the_correctly_classified():
    maps = np.array([make_map(-1, 1), make_map(1, 1), make_map(2, -1), make_map(-1, 1), make_map(-1, 1)])
    y = np.array(["type 1", "type 1", "type 1", "type 2", "type 2"])
    predicted = np.array(["type 1", "type 1", "type 1", "type 2", "type 1"])
    table = measure_opposition(maps, y, predicted, grid=GRID, cores=(150.0, 500.0))
    assert table.index.tolist() == [(w, name) for w in (500.0, 150.0) for name in ("type 1", "type 2")]
    row = table.loc[(500.0, "type 1")]
    assert row[["n", "n_opposite", "n_wings_raise", "n_opposite_there"]].tolist() == [3, 2, 2, 1]
    assert row["share_opposite"] == pytest.approx(2 / 3)
    assert table.loc[(500.0, "type 2"), "n"] == 1


def test_the_width_of_the_core_decides_where_the_dip_is_narrow():
    maps = make_map(1, 1)[None] - 3.0 * (SPEED < 150)
    table = measure_opposition(maps, ["type 1"], ["type 1"], grid=GRID, cores=(500.0, 150.0))
    assert table["share_opposite"].tolist() == [0, 1]


def test_examples_are_a_correct_intermediate_that_can_be_moved_and_the_most_confident_error():
    y = np.array(["intermediate"] * 6 + ["type 2", "type 2"])
    predicted = np.array(["intermediate"] * 3 + ["type 2", "type 2", "type 1", "type 2", "type 1"])
    certainty = np.array([1.0, 0.5, 0.75, 0.8, 0.95, 0.99, 0.99, 0.5])
    assert choose_examples(y, predicted, certainty) == {"correct": 2, "misclassified": 4}


def test_where_there_is_no_such_spectrum_the_nearest_one_is_taken():
    y = np.array(["type 1", "type 2", "type 1"])
    examples = choose_examples(y, ["type 1", "type 2", "type 2"], [0.65, 0.85, 0.6])
    assert examples == {"correct": 1, "misclassified": 2}
    assert choose_examples(y, y, [0.65, 0.85, 0.6]) == {"correct": 1}
    assert choose_examples(y[:1], ["type 2"], [0.8]) == {"misclassified": 0}
