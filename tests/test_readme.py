"""The README says what the run says whose numbers `make readme` has collected."""

import json

import pandas as pd
import pytest

from .conftest import ROOT
from .readme import NUMBERS, collect_numbers


def test_the_numbers_of_the_readme_are_those_of_the_run():
    if not NUMBERS.is_file():
        pytest.skip(f"{NUMBERS.relative_to(ROOT)} is missing; make readme collects it from data/synthetic")
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    missing = {key: words for key, words in json.loads(NUMBERS.read_text()).items() if words not in text}
    assert not missing, f"the README must say {missing}; change its text"


def test_numbers_are_read_from_the_tables_of_a_run(tmp_path):
    tables = {
        "table6": {
            "kernel": ["rbf", "the model"],
            "precision": [0, 0.9562],
            "recall": [0, 0.5],
            "f_score": [0, 0.25],
        },
        "table8": {"type": ["type 2", "intermediate", "type 1"], "f_score": [0.3, 0.2, 0.1]},
        "confusion": {
            "kernel": ["linear (the model)", "rbf"],
            "true": ["intermediate"] * 2,
            "type 1": [2, 9],
            "intermediate": [101, 9],
            "type 2": [11, 9],
        },
        "saliency_hbeta": {
            "half_width": [500.0, 500.0, 150.0],
            "type": ["type 1", "intermediate", "intermediate"],
            "share_opposite": [0.911, 0.307, 0.5],
            "n_opposite": [112.0, 31.0, 50.0],
            "n": [123.0, 101.0, 101.0],
            "p_value": [2.2e-22, 1.0, 0.5],
            "n_opposite_there": [112.0, 0.0, 40.0],
            "n_wings_raise": [122.0, 69.0, 69.0],
        },
        "saliency_faithfulness": {
            "method": ["gradient", "random order"],
            "rank_one_host": [1.0, 0.08],
            "rank_each_host": [0.75, 0.08],
            "labels_permuted": [0.023, None],
        },
        "map_bridges": {
            "perplexity": ["5", "50", "full space"],
            "share": [0.5, 0.123, 0.9],
            "nearest": [0.5, 0.71, 0.9],
        },
    }
    (tmp_path / "tables").mkdir()
    for name, columns in tables.items():
        pd.DataFrame(columns).to_csv(tmp_path / "tables" / f"{name}.csv", index=False)
    assert collect_numbers(tmp_path) == {
        "scores": "0.956, 0.500, 0.250",
        "F of types": "0.100, 0.200, 0.300",
        "intermediates predicted type 2": "11 of 114",
        "type 1 opposite": "91 % of the correctly classified type 1 (112 of 123)",
        "intermediates opposite": "31 %",
        "intermediates with a dip": "in 40 of the 69 intermediates whose wings raise P",
        "one host": "rank accuracy 1.00; 0.08 by chance",
        "each host": "a host galaxy of its own, 0.75",
        "permuted labels": "rank correlation 0.02",
        "bridge": "12 % of its intermediates stand between",
        "bridges": "12 % to 90 % over maps and full spaces",
        "nearest to type 1": "71 % are intermediates",
    }
