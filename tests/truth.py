"""The general model of independent surveys, on real and on simulated spectra: python -m tests.truth -n 16.

Real spectra are those of ../shared/spectra; nothing is chosen by what this prints.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.table import Table, vstack
from joblib import Parallel, delayed

from agn_helpers.audit import CONCEPTS, SHIFTS, inject_concept, measure_completeness
from agn_helpers.reduction import reduce_spectra, sample_arrays
from agn_helpers.survey import simulate_survey
from agn_helpers.tuning import train_general

SPECTRA = Path(__file__).parents[2] / "shared" / "spectra"

# Spectra of each type that a case is tried on.
_N = 200


def main():
    """Train and judge, print values over surveys, and keep them in a file a survey."""
    parser = argparse.ArgumentParser(prog="python -m tests.truth", description=__doc__)
    parser.add_argument("-n", "--number", type=int, default=16, help="surveys")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument(
        "--folder", type=Path, required=True, help="results that are there are not made again"
    )
    choice = parser.parse_args()
    choice.folder.mkdir(parents=True, exist_ok=True)
    tasks = (delayed(judge)(seed, choice.folder / f"{seed}.json") for seed in range(choice.number))
    table = pd.DataFrame(Parallel(n_jobs=choice.jobs)(tasks))
    shown = pd.DataFrame({"median": table.median(), "least": table.min(), "most": table.max()})
    print(shown.to_string(float_format="{:.3f}".format))
    wrong = np.sum((table["real narrow, of 30"] < 29) | (table["real broad, of 117"] < 115))
    print(f"real broad >= 98 % and narrow >= 29 of 30 in {len(table) - wrong} of {len(table)} surveys")


def judge(seed, path):
    """Numbers of one survey's model, from its file where there is one."""
    if path.is_file():
        return json.loads(path.read_text(encoding="utf-8"))
    model = train_general(random_state=seed, n_others=0, n_jobs=1)
    values = judge_real(model) | judge_simulated(model, seed + 1000)
    values = {name: float(value) for name, value in values.items()}
    path.write_text(json.dumps(values), encoding="utf-8")
    return values


def judge_real(model):
    """Types, doubts and sets of real spectra, by their kinds."""
    parts = []
    for name in ("sdss", "sdss2", "text", "text2"):
        sample, rejected = model.reduce(SPECTRA / name)
        assert not len(rejected)
        index = Table.read(SPECTRA / name / "index.csv")
        kinds = {str(row["file"]).rsplit(".", 1)[0]: str(row["kind"]) for row in index}
        table = model.predict(sample)
        table["kind"] = [kinds[each] for each in sample["name"]]
        table["sdss"] = name.startswith("sdss")
        parts.append(table)
    calls = vstack(parts, metadata_conflicts="silent")
    kind, types = np.array(calls["kind"]), np.array(calls["predicted"])
    sets = [set(each.split("|")) - {""} for each in calls["prediction_set"]]
    broad, narrow, forming = (kind == name for name in ("broad", "narrow", "starforming"))
    right = np.where(broad, types != "type 2", types == "type 2")
    covered = np.array(
        [("type 2" in s) if k == "narrow" else bool(s - {"type 2"}) for s, k in zip(sets, kind)]
    )
    unlike, sdss = np.array(calls["unlike_training"]), np.array(calls["sdss"])
    return {
        "real broad, of 117": right[broad].sum(),
        "real narrow, of 30": right[narrow].sum(),
        "real narrow of SDSS, of 16": right[narrow & sdss].sum(),
        "real star-forming, of 15": right[forming].sum(),
        "sets without the predicted type": sum(t not in s for t, s in zip(types, sets)),
        "empty sets": sum(not s for s in sets),
        **{f"covered, {name}": covered[kind == name].mean() for name in ("broad", "narrow")},
        "unlike, broad": unlike[broad].mean(),
        "unlike, narrow of SDSS": unlike[narrow & sdss].mean(),
        "unlike, broad and narrow of SDSS": unlike[(broad | narrow) & sdss].mean(),
        "unlike, narrow of text": unlike[narrow & ~sdss].mean(),
        "unlike, star": unlike[kind == "star"].mean(),
        **{f"wrong {name}": 1.0 for name in sorted(calls["name"][(broad | narrow) & ~right])},
    }


def judge_simulated(model, seed):
    """Hosts around type 1, completeness, and what is unlike the training, on spectra of other surveys."""
    values = {}
    for population in ("paper", "general"):
        hosts = _draw(
            n_type1=2 * _N, population=population, random_state=seed, **SHIFTS["hosts around type 1"]
        )
        found = np.array(model.predict(hosts)["predicted"])
        values[f"type 1 in hosts, {population}"] = np.mean(found == "type 1")
    general = {"population": "general", "random_state": seed + 1}
    sample = _draw(n_type1=_N, n_intermediate=_N, n_type2=2 * _N, **general)
    X, y = sample_arrays(sample)
    values["accuracy, general"] = np.mean(np.array(model.predict(sample)["predicted"]) == y)
    hosts = _draw(n_type2=_N, mix={"type 2": {"Seyfert 2": 1}}, **general)
    found = measure_completeness(
        model, hosts, widths=[5000], strengths=[20], shifts=[-3500, -1750, 0, 1750, 3500]
    )
    values["least found, 5000 km/s"] = found["found"].min()
    found = measure_completeness(model, hosts, widths=[12000], strengths=[20])
    values["found, 12000 km/s"] = found["found"].iloc[0]
    values |= _move(model, X[y == "type 2"])
    return values | _flag(model, X, np.asarray(sample["ivar"]))


def _draw(*, n_type1=0, n_intermediate=0, n_type2=0, **changes):
    numbers = {"n_type1": n_type1, "n_intermediate": n_intermediate, "n_type2": n_type2}
    return reduce_spectra(simulate_survey(**numbers, **changes)[0])[0]


def _move(model, X):
    """What a narrow line moves intermediate : type 2 by, over what a broad one does."""
    classes = list(model.estimator.classes_)
    one, other = classes.index("intermediate"), classes.index("type 2")

    def odds(fluxes):
        found = model.estimator.predict_log_proba(fluxes)
        return found[:, one] - found[:, other]

    before = odds(X)
    moved = {
        name: np.median(odds(inject_concept(X, model.grid, name, 10.0)) - before)
        for name in CONCEPTS
        if "1000 km/s" in name or name == "broad Hβ"
    }
    broad = moved.pop("broad Hβ")
    return {f"{name} / broad Hβ": value / broad for name, value in moved.items()}


def _flag(model, X, ivar):
    """Share of spectra flagged as unlike the training, for what no nucleus is."""
    detector, x = model.extras["novelty"], model.grid / 5100
    noise = np.where(ivar > 0, 1 / np.sqrt(np.where(ivar > 0, ivar, 1)), 0)
    noise = noise * np.random.default_rng(0).standard_normal(X.shape)
    cases = {
        "as trained": (X, ivar),
        "power law": (x**-1.5 + noise, ivar),
        "flat": (1 + noise, ivar),
        "λ^6": (X * x**6, ivar / x**12),
        "inverted": (2 - X, ivar),
        "zero + 0.3": (X + 0.3, ivar),
        "zero - 0.3": (X - 0.3, ivar),
        # What a reduction leaves of it: fluxes in units of that at 5100 Å.
        "zero + 0.3, normalised": ((X + 0.3) / 1.3, ivar * 1.3**2),
        "zero - 0.3, normalised": ((X - 0.3) / 0.7, ivar * 0.7**2),
    }
    return {f"unlike, {name}": np.mean(detector.novelty(*case) > 1) for name, case in cases.items()}


if __name__ == "__main__":
    main()
