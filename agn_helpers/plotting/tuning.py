"""Figures of the tuning: F against C and against noise, scores beside the paper's, calibration."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ..lines import AGN_TYPES
from ..tuning import best_result, effective_cost, reliability_curve
from .style import DARK, GREY, SINGLE_COLUMN


def plot_reliability(y, probability, classes, *, bins=10, counted="spectra", ax=None):
    """Draw how often a type is true against its predicted probability; calibrated ones lie on the diagonal.

    Parameters
    ----------
    y : (n_spectra,) array of str
        True types.
    probability : (n_spectra, n_classes) array
        Predicted probabilities.
    classes : (n_classes,) sequence of str
        What the columns are; of two only the second is drawn, whose mirror image the first is.
    bins : int
        Bins of `agn_helpers.tuning.reliability_curve`; those with fewer than 5 spectra are left out. Bars are
        binomial standard errors, which Laplace's rule keeps above zero, cut at 0 and 1; below them stand the
        numbers of spectra in all bins, on a logarithmic scale.
    counted : str
        What these are, where not spectra.

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(SINGLE_COLUMN, SINGLE_COLUMN))[1]
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=0.6, linestyle=(0, (4, 3)))
    curve = reliability_curve(y, probability, classes=classes, n_bins=bins)
    counts, curve = curve, curve[curve["n"] >= 5]
    share = (curve["observed"] * curve["n"] + 1) / (curve["n"] + 2)
    curve = curve.assign(error=np.sqrt(share * (1 - share) / (curve["n"] + 3)))
    below = ax.inset_axes((0, -0.27, 1, 0.2))
    drawn_classes = classes if len(classes) > 2 else classes[-1:]
    for name in [name for name in dict.fromkeys([*AGN_TYPES, *classes]) if name in drawn_classes]:
        part, every = curve[curve["class"] == name], counts[counts["class"] == name]
        if len(part):
            predicted, observed, error = part[["predicted", "observed", "error"]].to_numpy().T
            agn_type = AGN_TYPES.get(name)
            look = {"color": agn_type.colour, "marker": agn_type.marker} if agn_type else {"marker": "o"}
            # One class alone wears no type's colour.
            look |= {} if len(drawn_classes) > 1 else {"color": DARK}
            ends = [np.minimum(error, observed), np.minimum(error, 1 - observed)]
            # Lines between bins would speak of what lies between them.
            style = {**look, "linestyle": "none", "label": name, "elinewidth": 0.7, "markersize": 4.2}
            drawn = ax.errorbar(predicted, observed, yerr=ends, **style)
            look["color"] = drawn[0].get_color()
            below.plot(every["predicted"], every["n"], **look, linewidth=0.7, markersize=2.4)
    ends = (-0.03, 1.03)
    which = "of the type" if len(classes) > 2 else classes[-1]
    ax.set(xlim=ends, ylim=ends, ylabel=f"Share that is {which}")
    below.set(xlim=ends, yscale="log", xlabel="Predicted probability", ylabel=counted.capitalize())
    below.set_ylim(0.7, 2 * max(counts["n"].max(), 5))
    ax.tick_params(labelbottom=False)
    ax.set_aspect("equal")
    if len(classes) > 2:
        ax.legend(loc="upper left")
    return ax


#: Kernels as figures write them, and the number that C is drawn as.
KERNEL_NAMES = {
    "linear": "linear",
    "rbf": "Gaussian (rbf)",
    "poly2": "polynomial, degree 2",
    "poly3": "polynomial, degree 3",
}

_COST_LABELS = {
    "rbf": r"$C$ (with the best $\gamma$ of each)",
    "poly2": r"$C\,\gamma^2$",
    "poly3": r"$C\,\gamma^3$",
}

# (colour, line, marker) of fluxes as they are and of standardised ones.
_SCALINGS = {False: (DARK, "-", "o"), True: (GREY, (0, (4, 2)), "D")}


def plot_search(results, name, *, paper=None, depth=0.25, ax=None):
    """Draw how well one kernel does, by cross-validation, against C.

    Parameters
    ----------
    results : pandas.DataFrame
        From `agn_helpers.tuning.search_grid`; scaled and unscaled results may stand one below the other.
    name : str
        Of the kernel.
    paper : pandas.Series, optional
        The paper's ``C`` and ``gamma``, which are marked.
    depth : float
        How far below the best value of any kernel the F axis reaches.

    Returns
    -------
    Axes
        Lines join the best values of the grid, bands are one standard deviation of the folds, dots the
        refinement, rings the best values.
    """
    ax = ax or plt.subplots(figsize=(SINGLE_COLUMN, 2.4))[1]
    top = results["mean_test_score"].max()
    results = results[results["name"] == name]
    results = results.assign(cost=effective_cost(results["param_C"], results["param_gamma"], name))
    # First, so that limits are found on the logarithmic scale.
    ax.set_xscale("log")
    for scaled, part in results.groupby("scaled"):
        colour, line, marker = _SCALINGS[bool(scaled)]
        grid = part[part["round"] == 0].sort_values("mean_test_score").groupby("cost").last()
        mean, std = grid["mean_test_score"], grid["std_test_score"]
        label = "standardised" if scaled else "fluxes as they are"
        ax.fill_between(grid.index, mean - std, mean + std, color=colour, alpha=0.13, linewidth=0)
        ax.plot(grid.index, mean, color=colour, linestyle=line, marker=marker, markersize=2.6, label=label)
        later = part[part["round"] > 0].groupby("cost")["mean_test_score"].max()
        ax.plot(later.index, later, ".", color=colour, markersize=2, alpha=0.6)
        best = best_result(part)
        ring = {"marker": "o", "markersize": 7, "markerfacecolor": "none", "markeredgewidth": 0.9}
        ax.plot(best["cost"], best["mean_test_score"], color=colour, linestyle="none", **ring)
    ax.plot([], [], ".", color=GREY, markersize=3, label="refinement")
    ax.plot([], [], color=GREY, linestyle="none", label="the best", **ring)
    if paper is not None:
        cost = effective_cost(paper["C"], paper["gamma"], name)
        ax.axvline(cost, color=GREY, linewidth=0.6, linestyle=(0, (1, 2)), zorder=0, label="the paper's")
    if results["cost"].nunique() == 1:
        ax.set_xlim(results["cost"].iloc[0] / 30, results["cost"].iloc[0] * 30)
    ax.set(
        ylim=(max(top - depth, 0), min(top + 0.12 * depth, 1.005)),
        xlabel=_COST_LABELS.get(name, "$C$"),
        ylabel="F (mean over types)",
        title=KERNEL_NAMES.get(name, name),
    )
    ax.xaxis.set_minor_locator(NullLocator())
    return ax


def plot_noise_curve(curve, *, paper=None, ax=None):
    """Draw F against the noise that is added to the spectra.

    Parameters
    ----------
    curve : pandas.DataFrame
        From `agn_helpers.tuning.noise_curve`.
    paper : pandas.DataFrame, optional
        Table 5 of `agn_helpers.tuning.paper_table`, drawn as hollow marks.

    Returns
    -------
    Axes
        Lines join the means over the draws, bands hold 95 % of the draws.
    """
    ax = ax or plt.subplots(figsize=(SINGLE_COLUMN, 2.8))[1]
    looks = {name: (look.colour, look.marker) for name, look in AGN_TYPES.items()} | {"macro": (DARK, "D")}
    for name, (colour, marker) in looks.items():
        part = curve[curve["class"] == name]
        if part.empty:
            continue
        label = "mean over types" if name == "macro" else name
        band = "95 % of the draws" if name == "macro" else None
        ends = part["low"], part["high"]
        ax.plot(part["sigma"], part["mean"], color=colour, marker=marker, label=label)
        ax.fill_between(part["sigma"], *ends, color=colour, alpha=0.2, linewidth=0, label=band)
        if paper is not None and name in paper.index:
            hollow = {
                "markerfacecolor": "white",
                "markeredgewidth": 0.8,
                "linestyle": "none",
                "markersize": 4.5,
            }
            ax.plot(paper.columns, paper.loc[name], color=colour, marker=marker, **hollow)
    if paper is not None:
        ax.plot(
            [],
            [],
            color=GREY,
            marker="o",
            linestyle="none",
            markerfacecolor="white",
            label="hollow: the paper's",
        )
    ax.set(
        xscale="log",
        ylim=(0, 1.02),
        xlabel="Standard deviation of the added noise (flux at 5100 Å)",
        ylabel="F",
    )
    ax.xaxis.set_major_locator(FixedLocator(np.unique(curve["sigma"])))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.legend(loc="lower left")
    return ax


def plot_beside_paper(comparison, *, column="f_score", xlabel="F", ax=None):
    """Draw numbers with their intervals beside the paper's, a line a row.

    Parameters
    ----------
    comparison : pandas.DataFrame
        From `agn_helpers.tuning.compare_with_paper`, with intervals.
    column : str
        Which number.
    xlabel : str
        Its name.

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots(figsize=(SINGLE_COLUMN, 0.5 + 0.28 * len(comparison)))[1]
    place = np.arange(len(comparison))
    value = comparison[column]
    ends = [value - comparison[f"{column}_low"], comparison[f"{column}_high"] - value]
    look = {"color": DARK, "marker": "o", "linestyle": "none", "elinewidth": 0.9, "capsize": 2}
    ax.errorbar(value, place, xerr=ends, label="here, 95 % interval", **look)
    hollow = {"marker": "D", "markersize": 7, "markerfacecolor": "none", "markeredgewidth": 0.8}
    theirs = comparison[f"{column}_paper"]
    ax.plot(theirs, place, color=GREY, zorder=3, linestyle="none", label="the paper's", **hollow)
    ax.set_yticks(place, [KERNEL_NAMES.get(name, name) for name in comparison.index])
    ax.set(xlabel=xlabel, ylim=(len(comparison) - 0.5, -0.5))
    ax.tick_params(axis="y", which="both", length=0)
    ax.yaxis.set_minor_locator(NullLocator())
    ax.grid(axis="x")
    return ax
