"""The README says what the run says whose numbers `make readme` has collected."""

import json
import tomllib
from xml.etree import ElementTree

import pandas as pd
import pytest
import yaml

from agn_helpers.images import DIRECT, PUBLISHED

from .conftest import ROOT
from .readme import NUMBERS, collect_numbers


def test_the_numbers_of_the_readme_are_those_of_the_run():
    if not NUMBERS.is_file():
        pytest.skip(f"{NUMBERS.relative_to(ROOT)} is missing; make readme collects it from data/synthetic")
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    missing = {key: words for key, words in json.loads(NUMBERS.read_text()).items() if words not in text}
    assert not missing, f"the README must say {missing}; change its text"


def test_numbers_are_read_from_the_tables_of_a_run(tmp_path):
    at1, at2 = "type 1 : intermediate | at type 1", "intermediate : type 2 | at type 2"
    names = ["foot intermediate", "foot type 2"]
    names += ["opposite 500 type 1", "opposite 150 type 1", "opposite 150 intermediate"]
    tables = {
        "audit_scores": {"score": ["F macro"], "mean": [0.9262], "std": [0.0137]},
        "audit_claims": {"claim": names, "n": 16, "median": 0.5, "low": [0, 0.1, 0.2, 0.3, 0.4], "high": 1.0},
        "audit_concepts": {
            "effect": [
                f"narrow Hβ, 1000 km/s | {at2}",
                f"broad Hβ | {at2}",
                f"broad Hβ | {at1}",
                f"host light | {at1}",
            ],
            "median": [1.0, 4.0, 0.31, -3.21],
        },
        "saliency_faithfulness": {
            "method": ["gradient", "random order"],
            "rank_one_host": [1.0, 0.08],
            "rank_each_host": [0.75, 0.08],
            "labels_permuted": [0.023, None],
        },
        "map_bridges": {
            "map": ["a", "b"],
            "perplexity": ["full space", "20"],
            "share": [0.48, 0.45],
            "nearest": [0.9, 0.98],
        },
        "audit_bridge": {"claim": ["bridge share"], "low": [0.451], "high": [0.539]},
        "radio_scores": {"way": ["all"], "accuracy": 0.87, "low": 0.815, "high": 0.913},
        "radio_segmentations": {"segments": ["emission"], "spearman": 0.973, "r2": 0.811},
        "bars_methods": {"method": [PUBLISHED, f"{DIRECT}, 150 labels", f"{DIRECT}, 600 labels"]}
        | {"r": [-0.061, 0.73, 0.769]},
    }
    (tmp_path / "tables").mkdir()
    for name, columns in tables.items():
        pd.DataFrame(columns).to_csv(tmp_path / "tables" / f"{name}.csv", index=False)
    assert collect_numbers(tmp_path) == {
        "F macro": "0.926 ± 0.014",
        "foot intermediate": "intermediates 0.50 [0.00, 1.00]",
        "foot type 2": "type 2 0.50 [0.10, 1.00]",
        "opposite 500 type 1": "type 1 at 500 km/s 0.50 [0.20, 1.00]",
        "opposite 150 type 1": "type 1 at 150 km/s 0.50 [0.30, 1.00]",
        "opposite 150 intermediate": "intermediates at 150 km/s 0.50 [0.40, 1.00]",
        "surveys": "16 independent surveys",
        "host light": "30 % of host light moves type 1 by -3.2 nats",
        "broad line": "a broad Hβ of 10 Å by 0.3",
        "narrow line": "0.25 of what a broad one of 4000 km/s does",
        "one host": "rank accuracy 1.00; 0.08 by chance",
        "each host": "a host galaxy of its own, 0.75",
        "permuted labels": "rank correlation 0.02",
        "bridge": "45 % of its intermediates stand between",
        "bridges": "45 % to 48 % over maps and full spaces",
        "bridge, surveys": "in the space of standardised fluxes, 45 % to 54 %",
        "nearest to type 1": "98 % are intermediates",
        "radio": "0.87 [0.81, 0.91]",
        "lime": "rank correlation between seeds 0.97, R² 0.81",
        "bars, published rule": "r = -0.06 by the published rule",
        "bars, direct": "0.77 by a network that learned lengths",
    }


def test_badges_say_what_the_project_says():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for label, value in (("version", project["version"]), ("python", project["requires-python"])):
        badge = ElementTree.parse(NUMBERS.with_name(f"badge_{label}.svg")).getroot()
        assert badge.get("aria-label") == f"{label}: {value}"


def test_citation_and_documentation_name_the_same_version_and_paper():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    cite = (ROOT / "docs" / "cite.md").read_text(encoding="utf-8")
    assert citation["version"] == project["version"] and f"{{{project['version']}}}" in cite
    doi = citation["preferred-citation"]["doi"]
    assert doi in cite and doi in (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(author["family-names"] in cite for author in citation["preferred-citation"]["authors"])
