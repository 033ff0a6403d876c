"""The numbers of Peruzzi et al. (2021, A&A 652, A19), and tables that set ours beside them."""

import numpy as np
import pandas as pd

from ..errors import AgnError
from .search import TUNED_KERNELS, best_result

_KERNELS = pd.Index(TUNED_KERNELS, name="kernel")

_SCORES = ["precision", "recall", "f_score"]

_SEARCH = ["C", "gamma", "f_score"]

_TYPES = ["type 1", "intermediate", "type 2"]

_TABLES = {
    2: pd.DataFrame(
        [[441, 330, 1370], [107, 76, 352], [132, 115, 423]],
        index=pd.Index(["training", "validation", "test"], name="part"),
        columns=_TYPES,
    ),
    3: pd.DataFrame(
        [[0.07, np.nan, 0.920], [34.0, 0.003, 0.912], [0.0005, 0.5, 0.916], [0.0005, 0.05, 0.918]],
        index=_KERNELS,
        columns=_SEARCH,
    ),
    4: pd.DataFrame(
        [[0.4, np.nan, 1.0], [45.0, 0.005, 1.0], [0.00005, 0.6, 1.0], [0.0005, 0.05, 0.997]],
        index=_KERNELS,
        columns=_SEARCH,
    ),
    5: pd.DataFrame(
        [
            [0.92, 0.89, 0.82, 0.74, 0.68, 0.57, 0.56],
            [1.00, 1.00, 1.00, 0.99, 0.83, 0.64, 0.62],
            [0.82, 0.74, 0.63, 0.48, 0.38, 0.33, 0.27],
            [0.95, 0.92, 0.86, 0.76, 0.68, 0.59, 0.60],
        ],
        index=pd.Index(["macro", *_TYPES], name="class"),
        columns=pd.Index([0.1, 0.2, 0.4, 1.0, 2.0, 3.0, 4.0], name="sigma"),
    ),
    6: pd.DataFrame(
        [[0.948, 0.936, 0.942], [0.945, 0.927, 0.935], [0.925, 0.928, 0.927], [0.935, 0.932, 0.933]],
        index=_KERNELS,
        columns=_SCORES,
    ),
    7: pd.DataFrame(1.0, index=_KERNELS, columns=_SCORES),
    8: pd.DataFrame(
        [[1.0, 1.0, 1.0], [0.89, 0.83, 0.86], [0.96, 0.97, 0.96]],
        index=pd.Index(_TYPES, name="type"),
        columns=_SCORES,
    ),
    9: pd.DataFrame({"seconds": [15.13, 13.34, 12.94, 12.96]}, index=_KERNELS),
}


def paper_table(number):
    """Return a table of the paper.

    Parameters
    ----------
    number : int
        2: spectra in each part; 3, 4: parameters and F on the validation part, for three types and for
        types 1 and 2 only; 5: F with noise of standard deviation sigma, in units of the flux at 5100 Å;
        6, 7: scores on the test part, for three types and for two; 8: for the linear kernel type by type;
        9: training times in seconds, on an Intel i7-6700HQ.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    AgnError
        For another number.
    """
    if number not in _TABLES:
        raise AgnError(f"number must be one of {', '.join(map(str, _TABLES))}; got {number!r}.")
    return _TABLES[number].copy()


def paper_grid(number):
    """The paper's best parameters (table 3 or 4) as a `param_grid` of `search_grid`: one point a kernel."""
    table = paper_table(number)
    return {
        name: {"C": [row["C"]]} | ({} if np.isnan(row["gamma"]) else {"gamma": [row["gamma"]]})
        for name, row in table.iterrows()
    }


def compare_with_paper(ours, paper):
    """Set numbers beside the paper's.

    Parameters
    ----------
    ours : pandas.DataFrame
        Has the columns of `paper`, and where they are known ``<column>_low``, ``<column>_high`` (an interval)
        and ``<column>_std`` (a scatter).
    paper : pandas.DataFrame
        As from `paper_table`.

    Returns
    -------
    pandas.DataFrame
        A row a row of `ours`.  For every column of `paper`: ours with all these, ``<column>_paper`` and
        ``<column>_difference`` (ours minus the paper's), NaN where the paper has no such row.
    """
    paper = paper.reindex(ours.index)
    columns = {}
    for name in paper:
        parts = (name, f"{name}_low", f"{name}_high", f"{name}_std")
        columns |= {part: ours[part] for part in parts if part in ours}
        columns |= {f"{name}_paper": paper[name], f"{name}_difference": ours[name] - paper[name]}
    return pd.DataFrame(columns, index=ours.index)


def format_comparison(comparison, *, digits=3):
    """Write a comparison as one reads it: ours, the paper's, the difference.

    Parameters
    ----------
    comparison : pandas.DataFrame
        From `compare_with_paper`.
    digits : int
        Decimals; the paper's numbers keep their own.

    Returns
    -------
    pandas.DataFrame of str
        Columns in two levels: the number, and "here" (with its scatter after ±, or else its interval in
        brackets), "paper", "difference".
    """
    columns = {}
    for name in [column.removesuffix("_paper") for column in comparison if column.endswith("_paper")]:
        title = name.replace("f_score", "F").replace("macro", "mean over types").replace("_", " ")
        columns[title, "here"] = _format_ours(comparison, name, digits)
        columns[title, "paper"] = _format_numbers(comparison[f"{name}_paper"], "")
        columns[title, "difference"] = _format_numbers(comparison[f"{name}_difference"], f"+z.{digits}f")
    return pd.DataFrame(columns, index=comparison.index)


def _format_ours(table, name, digits):
    parts = {
        end: _format_numbers(table[f"{name}{end}"], f".{digits}f")
        for end in ("", "_low", "_high", "_std")
        if f"{name}{end}" in table
    }
    if "_std" in parts:
        return parts[""] + " ± " + parts["_std"]
    return parts[""] + " [" + parts["_low"] + ", " + parts["_high"] + "]" if "_low" in parts else parts[""]


def _format_numbers(values, form):
    texts = ["" if pd.isna(value) else format(value, form) for value in values]
    return pd.Series(texts, index=values.index, dtype=str)


def effective_cost(C, gamma, kernel):
    """Number on which an SVM depends: C gamma**degree for polynomial kernels (coef0 = 0), C for others.

    C, gamma : numbers or arrays
    kernel : str, e.g. "poly2"
    """
    return C * gamma ** int(kernel.removeprefix("poly")) if kernel.startswith("poly") else C


def tabulate_search(searched, at_paper, paper):
    """Best parameters of each kernel beside the paper's.

    Parameters
    ----------
    searched : pandas.DataFrame
        From `agn_helpers.tuning.search_grid`, scaled and unscaled results one below the other.
    at_paper : pandas.DataFrame
        From `search_grid` with the paper's parameters and unscaled features.
    paper : pandas.DataFrame
        Table 3 or 4 of `paper_table`.

    Returns
    -------
    pandas.DataFrame
        A row a kernel and scaling: ``C``, ``gamma``, ``cost`` (see `effective_cost`), each with the paper's
        beside it; ``f_score`` (mean over the folds), ``f_score_low`` and ``f_score_high`` (two standard
        deviations of the folds away, which is how far a single part of that size scatters),
        ``f_score_at_paper`` (with the paper's parameters on our sample), ``f_score_paper`` (the paper's
        sample), ``f_score_difference`` (ours minus the paper's).
    """
    rows = {}
    for scaled in sorted(set(searched["scaled"])):
        for name in [name for name in TUNED_KERNELS if name in set(searched["name"])]:
            best = best_result(searched[searched["scaled"] == scaled], name)
            score, spread = best["mean_test_score"], best["std_test_score"]
            theirs = paper.loc[name]
            rows[name, "standardised" if scaled else "as they are"] = {
                "C": best["param_C"],
                "C_paper": theirs["C"],
                "gamma": best["param_gamma"],
                "gamma_paper": theirs["gamma"],
                "cost": effective_cost(best["param_C"], best["param_gamma"], name),
                "cost_paper": effective_cost(theirs["C"], theirs["gamma"], name),
                "f_score": score,
                "f_score_low": score - 2 * spread,
                "f_score_high": min(score + 2 * spread, 1.0),
                "f_score_at_paper": best_result(at_paper, name)["mean_test_score"],
                "f_score_paper": theirs["f_score"],
                "f_score_difference": score - theirs["f_score"],
            }
            if scaled:
                # The paper's parameters belong to fluxes as they are.
                theirs_alone = ("C_paper", "gamma_paper", "cost_paper", "f_score_at_paper")
                rows[name, "standardised"] |= dict.fromkeys(theirs_alone, np.nan)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(index=["kernel", "fluxes"])


def format_search(table):
    """Write the table of `tabulate_search` as one reads it; text, columns in two levels."""
    columns = {}
    for name, title in (("C", "C"), ("gamma", "gamma"), ("cost", "effective C")):
        columns[title, "here"] = _format_numbers(table[name], ".3g")
        columns[title, "paper"] = _format_numbers(table[f"{name}_paper"], ".3g")
    columns["F", "here"] = _format_ours(table, "f_score", 3)
    columns["F", "at the paper's C"] = _format_numbers(table["f_score_at_paper"], ".3f")
    columns["F", "paper"] = _format_numbers(table["f_score_paper"], "")
    columns["F", "difference"] = _format_numbers(table["f_score_difference"], "+z.3f")
    return pd.DataFrame(columns, index=table.index)
