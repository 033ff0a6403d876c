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
from agn_helpers.lines import AGN_TYPES
from agn_helpers.maps import read_map, vote_on_map
from agn_helpers.reduction import read_sample, sample_arrays
from agn_helpers.runs import run_folders

from .conftest import ROOT

NUMBERS = ROOT / "figures" / "readme" / "numbers.json"
FIGURES = ("04_saliency_correct.png", "03_map_types.png")


def collect_numbers(data, shared=None):
    """Words of the README by what they say; those on real spectra only where the folder `shared` is given."""
    read = {path.stem: pd.read_csv(path) for path in (data / "tables").glob("*.csv")}
    model = read["table6"].set_index("kernel").loc["the model"]
    types = read["table8"].set_index("type").loc[list(AGN_TYPES)]
    confusion = read["confusion"]
    confusion = confusion[confusion["kernel"].str.contains("the model")].set_index("true")
    hbeta = read["saliency_hbeta"].set_index(["half_width", "type"])
    wide, narrow = hbeta.loc[500.0], hbeta.loc[150.0, "intermediate"]
    maps = read["saliency_faithfulness"].set_index("method")
    gradient, chance = maps.loc["gradient"], maps.loc["random order"]
    type1, intermediate = wide.loc["type 1"], wide.loc["intermediate"]
    missed = confusion.loc["intermediate", list(AGN_TYPES)]
    # The map for use comes last.
    bridges = read["map_bridges"]
    bridge = bridges[bridges["perplexity"] != "full space"].iloc[-1]
    numbers = {
        "scores": ", ".join(f"{model[name]:.3f}" for name in ("precision", "recall", "f_score")),
        "F of types": ", ".join(f"{score:.3f}" for score in types["f_score"]),
        "intermediates predicted type 2": f"{missed['type 2']} of {missed.sum()}",
        "type 1 opposite": f"{type1['share_opposite']:.0%} of the correctly classified type 1 "
        f"({type1['n_opposite']:.0f} of {type1['n']:.0f})",
        "intermediates opposite": f"{intermediate['share_opposite']:.0%}",
        "intermediates with a dip": f"in {narrow['n_opposite_there']:.0f} of the "
        f"{narrow['n_wings_raise']:.0f} intermediates whose wings raise P",
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
    """Real spectra that the model, and the map, put among their kind."""
    model, spectrum_map = load_model(data / "model.skops"), read_map(data / "map.fits")
    y = sample_arrays(read_sample(data / "sample.fits"))[1]
    kinds, types, votes = [], [], []
    for folder in (shared / "spectra" / "sdss", shared / "spectra" / "text"):
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
