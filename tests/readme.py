"""The numbers of the README: `python -m tests.readme` collects them from a run, test_readme.py compares them.

Each is a few words of the README as they must stand there, so that a number cannot be met by accident.
"""

import json
import shutil
import sys
import tomllib
from html import escape

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from astropy.table import Table

from agn_helpers import load_model, place_on_map
from agn_helpers.files import read_table
from agn_helpers.images import DIRECT, PUBLISHED
from agn_helpers.lines import LINES
from agn_helpers.maps import read_map, vote_on_map
from agn_helpers.plotting import (
    DARK,
    DOUBLE_COLUMN,
    GREY,
    LOWERS,
    RAISES,
    full_colour,
    plot_map,
    plot_saliency,
    save_figure,
)
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
FIGURES = ("03_map_types.png",)
HERO = NUMBERS.with_name("hero.png")

# Of the spectrum that the README opens with: neither certain, nor a guess.
_PROBABILITY = 0.8


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
    over = read["audit_bridge"].set_index("claim").loc["bridge share"]
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
        # Adding 0 turns a rounded -0 into 0.
        "permuted labels": f"rank correlation {round(gradient['labels_permuted'], 2) + 0:.2f}",
        "bridge": f"{bridge['share']:.0%} of its intermediates stand between",
        "bridges": f"{bridges['share'].min():.0%} to {bridges['share'].max():.0%} over maps and full spaces",
        "bridge, surveys": f"in the space of standardised fluxes, {over['low']:.0%} to {over['high']:.0%}",
        "nearest to type 1": f"{bridge['nearest']:.0%} are intermediates",
    }
    sources = read["radio_scores"].set_index("way").loc["all"]
    lime = read["radio_segmentations"].set_index("segments").loc["emission"]
    bars = read["bars_methods"].set_index("method")["r"]
    numbers |= {
        "radio": f"{sources['accuracy']:.2f} [{sources['low']:.2f}, {sources['high']:.2f}]",
        "lime": f"rank correlation between seeds {lime['spearman']:.2f}, R² {lime['r2']:.2f}",
        "bars, published rule": f"r = {bars[PUBLISHED]:.2f} by the published rule",
        "bars, direct": f"{bars[bars.filter(like=DIRECT).index[-1]]:.2f} by a network that learned lengths",
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


def draw_hero(folders):
    """Draw the map, and beside it what moves the classifier at an intermediate of P about 0.8."""
    sample, model = read_sample(folders.data / "sample.fits"), load_model(folders.data / "model.skops")
    spectrum_map, split = read_map(folders.data / "map.fits"), read_table(folders.data / "split.ecsv")
    is_test = np.isin(sample["name"], split["name"][split["part"] == "test"])
    rows = np.flatnonzero(is_test & (np.asarray(sample["label"]) == "intermediate"))
    types = model.predict(sample[rows])
    off = np.abs(types["p_intermediate"] - _PROBABILITY) + (types["predicted"] != "intermediate")
    row = rows[int(np.argmin(off))]
    p = types["p_intermediate"][int(np.argmin(off))]
    attribution = model.explain(sample[[row]])
    grid, (flux,), (values,) = model.grid, attribution.flux, attribution.values
    near = (grid > 4780) & (grid < 5040)

    with plt.style.context("agn_helpers.agn"):
        fig, (left, right) = plt.subplots(
            1, 2, figsize=(DOUBLE_COLUMN, 2.7), gridspec_kw={"width_ratios": [1.2, 1.5]}
        )
        plot_map(spectrum_map, np.asarray(sample["label"]), size=3, ax=left)
        place = spectrum_map.coordinates[list(spectrum_map.name).index(sample["name"][row])]
        left.plot(*place, "o", ms=8, mfc="none", mec=DARK, mew=1.4)
        left.annotate(
            "this one", place, (0, 42), textcoords="offset points", ha="center", size=8, arrowprops=_ARROW
        )
        left.set_title(f"{len(sample)} spectra on a t-SNE map", y=0.86)
        part = {"target": "intermediate", "scale": full_colour(values), "quantity": attribution.quantity}
        plot_saliency(grid[near], flux[near], values[near], ax=right, **part)
        right.set_title(f"One of them: predicted intermediate, P = {p:.2f}", pad=TITLE_ROOM)
        _point_at(right, grid, flux, values)
        save_figure(fig, HERO, survey=str(sample.meta["survey"]))
    plt.close(fig)


# Points between the title and the names of lines; how arrows look.
TITLE_ROOM = 21
_ARROW = {"arrowstyle": "->", "color": GREY, "lw": 0.9}


def _point_at(ax, grid, flux, values):
    """Arrows to the strongest place on each flank of Hβ, and to its core, with what more flux does there."""
    velocity = LINES["Hbeta"].velocity(grid)
    low, high = ax.get_ylim()
    for where, x in (
        ((velocity > -3500) & (velocity < -500), 4797),
        ((velocity > 500) & (velocity < 3500), 4892),
    ):
        inside = np.flatnonzero(where)
        k = inside[np.argmax(np.abs(values[inside]))]
        word = "more flux here\nraises P" if values[k] > 0 else "more flux here\nlowers P"
        ax.annotate(
            word,
            (grid[k], flux[k]),
            (x, low + 0.77 * (high - low)),
            size=7.5,
            ha="left",
            va="center",
            color=RAISES if values[k] > 0 else LOWERS,
            arrowprops=_ARROW,
        )
    core = int(np.argmin(np.abs(velocity)))
    word = "raises P" if values[core] > 0 else "lowers P"
    colour = RAISES if values[core] > 0 else LOWERS
    ax.text(grid[core] + 4, flux[core], word, size=7.5, va="top", color=colour)


def draw_badge(label, value):
    """A badge as SVG, drawn here and not by a service."""
    left, right = 12 + 6.6 * len(label), 12 + 6.6 * len(value)
    words = "".join(
        f'<text x="{x}" y="14" textLength="{6.6 * len(text):.0f}">{escape(text)}</text>'
        for x, text in ((6, label), (left + 6, value))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right:.0f}" height="20" role="img" '
        f'aria-label="{escape(label)}: {escape(value)}"><rect width="{left:.0f}" height="20" fill="#444"/>'
        f'<rect x="{left:.0f}" width="{right:.0f}" height="20" fill="#0b57a4"/>'
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">{words}</g></svg>\n'
    )


def write_badges():
    """What pyproject.toml says, as badges."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    told = {
        "version": project["version"],
        "python": project["requires-python"],
        "licence": project["license"],
    }
    for label, value in told.items():
        NUMBERS.with_name(f"badge_{label}.svg").write_text(draw_badge(label, value), encoding="utf-8")


def main(run="synthetic"):
    """Write the numbers, and draw and copy the figures, of a run."""
    folders, shared = run_folders(run, root=ROOT), ROOT.parent / "shared"
    numbers = collect_numbers(folders.data, shared if shared.is_dir() else None)
    NUMBERS.parent.mkdir(parents=True, exist_ok=True)
    NUMBERS.write_text(json.dumps(numbers, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for name in FIGURES:
        shutil.copyfile(folders.figures / name, NUMBERS.parent / name)
    draw_hero(folders)
    write_badges()
    print(f"{len(numbers)} numbers: {NUMBERS}")


if __name__ == "__main__":
    main(*sys.argv[1:])
