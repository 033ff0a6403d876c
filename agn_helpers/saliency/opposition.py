"""The paper's claim that the centre and the tails of Hβ are weighed oppositely, counted.

All spectra of one classifier share its weights: their number proves nothing about another one's.  What holds
is asked of independent surveys, see `agn_helpers.audit`.
"""

import numpy as np
import pandas as pd

from .line_statistics import CORE, measure_lines, summarise_lines

_LINE = "Hbeta"

# A probability that can still be moved either way.
_TELLING = 0.8


def measure_opposition(attribution, y, predicted, *, grid, cores=(CORE,)):
    """Share of the correctly classified spectra of each type whose core and wings of Hβ have opposite signs.

    Parameters
    ----------
    attribution : (n_spectra, n_grid) array
    y, predicted : (n_spectra,) arrays of labels
    grid : (n_grid,) array
        Rest wavelengths in vacuum Å, increasing.
    cores : sequence of float
        Half-widths of the core, km/s.

    Returns
    -------
    pandas.DataFrame
        Index ``half_width, type``, the widest core first.  Columns ``n, core_q50, wings_q50, n_opposite,
        share_opposite`` of `summarise_lines`; ``n_wings_raise``, spectra whose wings raise P;
        ``n_opposite_there``, those of them whose core lowers it.
    """
    y, predicted = np.asarray(y), np.asarray(predicted)
    rows = {}
    for core in cores:
        lines = measure_lines(attribution, grid=grid, lines=[_LINE], core=core, relative=True)
        summary = summarise_lines(lines, y=y, predicted=predicted)
        for row in summary[summary["true"] == summary["predicted"]].to_dict("records"):
            raises = (y == row["true"]) & (predicted == y) & (lines.wings[:, 0] > 0)
            rows[core, row["true"]] = {
                **{key: row[key] for key in ("n", "core_q50", "wings_q50", "n_opposite", "share_opposite")},
                "n_wings_raise": raises.sum(),
                "n_opposite_there": lines.opposite[raises, 0].sum(),
            }
    table = pd.DataFrame.from_dict(rows, orient="index").astype(float).rename_axis(["half_width", "type"])
    return table.sort_index(ascending=[False, True])


def choose_examples(y, predicted, certainty):
    """Two spectra for a close look, as in the paper's Figures 5 and 6.

    Parameters
    ----------
    y, predicted : (n,) arrays of types
    certainty : (n,) array
        Probability of the predicted type.

    Returns
    -------
    dict of str to int
        "correct": of the correctly classified intermediates the one whose probability is nearest to 0.8, for
        nothing moves a probability of 1; "misclassified": the intermediate that is predicted type 2 with the
        highest probability.  Where there is no such spectrum
        the nearest to that description; a key is missing where none is correct, or none misclassified.
    """
    y, predicted, certainty = np.asarray(y), np.asarray(predicted), np.asarray(certainty)
    is_intermediate = y == "intermediate"
    order = np.lexsort([np.abs(certainty - _TELLING), ~is_intermediate])
    correct = order[(y == predicted)[order]]
    order = np.lexsort([-certainty, predicted != "type 2", ~is_intermediate])
    missed = order[(y != predicted)[order]]
    examples = {}
    if len(correct):
        examples["correct"] = int(correct[0])
    if len(missed):
        examples["misclassified"] = int(missed[0])
    return examples


def choose_explained(test, right, *, fewest_right=6, random_state=0):
    """Choose which test spectra are explained one by one: every misclassified one, then as many others.

    Parameters
    ----------
    test : (n_test,) array of int
        Rows of the test part.
    right : (n_test,) array of bool
        Whether they are correctly classified.
    fewest_right : int
        Correctly classified ones that are chosen even where fewer are misclassified.
    random_state : int
        Seed of their choice.

    Returns
    -------
    rows : (n,) array of int
        Their rows; spectrum number k of figures and tables is the k-th of them, counted from 1.
    is_wrong : (n,) array of bool
        Whether they are misclassified; these come first.
    """
    wrong_rows, right_rows = test[~right], test[right]
    n_right = min(max(len(wrong_rows), fewest_right), len(right_rows))
    chosen = np.random.default_rng(random_state).choice(right_rows, n_right, replace=False)
    return np.concatenate([wrong_rows, chosen]), np.arange(len(wrong_rows) + n_right) < len(wrong_rows)
