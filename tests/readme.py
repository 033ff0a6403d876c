"""The numbers of the README: `python -m tests.readme` collects them from a run, test_readme.py compares them.

Each is a few words of the README as they must stand there, so that a number cannot be met by accident.
"""

import json
import shutil
import sys

import numpy as np
import pandas as pd
from astropy.table import Table

from agn_helpers import load_model, place_on_map
from agn_helpers.maps import read_map, vote_on_map
from agn_helpers.reduction import read_sample, sample_arrays
from agn_helpers.runs import run_folders
from agn_helpers.tuning import GENERAL

from .conftest import ROOT

NUMBERS = ROOT / "figures" / "readme" / "numbers.json"
# Claims of the README, by their names in the table of notebook 06.
_CLAIMS = {
    "foot intermediate": "intermediates",
    "foot type 2": "type 2",
    "opposite 500 type 1": "type 1 at 500 km/s",
    "opposite 150 type 1": "type 1 at 150 km/s",
    "opposite 150 intermediate": "intermediates at 150 km/s",
}
FIGURES = ("04_saliency_correct.png", "03_map_types.png")


def collect_numbers(data, shared=None):
    """Words of the README by what they say; those on real spectra only where the folder `shared` is given."""
    read = {path.stem: pd.read_csv(path) for path in (data / "tables").glob("*.csv")}
    scores, claims = (
        read[f"audit_{name}"].set_index(key) for name, key in (("scores", "score"), ("claims", "claim"))
    )
    effects = read["audit_concepts"].set_index("effect")["median"]
    maps = read["saliency_faithfulness"].set_index("method")
    gradient, chance = maps.loc["gradient"], maps.loc["random order"]
    # The map for use comes last.
    bridges = read["map_bridges"]
    bridge = bridges[bridges["perplexity"] != "full space"].iloc[-1]
    at1, at2 = "type 1 : intermediate | at type 1", "intermediate : type 2 | at type 2"
    share = effects[f"narrow Hβ, 1000 km/s | {at2}"] / effects[f"broad Hβ | {at2}"]
    numbers = {
        name: f"{row['mean']:.3f} ± {row['std']:.3f}"
        for name, row in scores.filter(like="F ", axis=0).iterrows()
    }
    numbers |= {
        name: f"{words} {row['median']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
        for name, words in _CLAIMS.items()
        for row in [claims.loc[name]]
    }
    numbers |= {
        "surveys": f"{claims['n'].max():.0f} independent surveys",
        "host light": f"30% of host light moves type 1 by {effects[f'host light | {at1}']:.1f} nats",
        "broad line": f"a broad Hβ of 10 Å by {effects[f'broad Hβ | {at1}']:.1f}",
        "narrow line": f"{share:.2f} of what a broad one of 4000 km/s does",
        "one host": f"rank accuracy {gradient['rank_one_host']:.2f}; {chance['rank_one_host']:.2f} by chance",
        "each host": f"a host galaxy of its own, {gradient['rank_each_host']:.2f}",
        "permuted labels": f"rank correlation {gradient['labels_permuted']:.2f}",
        "bridge": f"{bridge['share']:.0%} of its intermediates stand between",
        "bridges": f"{bridges['share'].min():.0%} to {bridges['share'].max():.0%} over maps and full spaces",
        "nearest to type 1": f"{bridge['nearest']:.0%} are intermediates",
    }
    numbers = {key: words.replace("%", " %") for key, words in numbers.items()}
    return numbers if shared is None else numbers | _collect_real(data, shared)


def _collect_real(data, shared):
    """Real spectra that the general model, and the map, put among their kind."""
    model = load_model(run_folders(GENERAL, root=ROOT).data / "model.skops")
    spectrum_map = read_map(data / "map.fits")
    y = sample_arrays(read_sample(data / "sample.fits"))[1]
    kinds, types, votes = [], [], []
    for folder in (shared / "spectra" / name for name in ("sdss", "sdss2", "text", "text2")):
        index = Table.read(folder / "index.csv")
        kind = {str(row["file"]).rsplit(".", 1)[0]: str(row["kind"]) for row in index}
        sample, _ = model.reduce(folder)
        kinds += [kind[name] for name in sample["name"]]
        types += list(model.predict(sample)["predicted"])
        places = place_on_map(spectrum_map, sample_arrays(sample)[0])
        votes += list(vote_on_map(spectrum_map, y, places)["type 2"])
    broad, narrow = (np.array(kinds) == kind for kind in ("broad", "narrow"))
    is_type2, among_type2 = np.array(types) == "type 2", np.array(votes)
    counts = {
        "broad": (~is_type2[broad]).sum(),
        "narrow": is_type2[narrow].sum(),
        "broad on the map": (among_type2[broad] < 0.5).sum(),
        "narrow on the map": (among_type2[narrow] > 0.5).sum(),
    }
    total = {"broad": broad.sum(), "narrow": narrow.sum()}
    return {f"real, {key}": f"{n} of {total[key.split()[0]]}" for key, n in counts.items()}


def main(run="synthetic"):
    """Write the numbers, and copy the figures, of a run."""
    folders, shared = run_folders(run, root=ROOT), ROOT.parent / "shared"
    numbers = collect_numbers(folders.data, shared if shared.is_dir() else None)
    NUMBERS.parent.mkdir(parents=True, exist_ok=True)
    NUMBERS.write_text(json.dumps(numbers, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for name in FIGURES:
        shutil.copyfile(folders.figures / name, NUMBERS.parent / name)
    print(f"{len(numbers)} numbers: {NUMBERS}")


if __name__ == "__main__":
    main(*sys.argv[1:])
