"""Islands on maps of spectra: found by density, followed from map to map."""

import numpy as np
import pandas as pd
from sklearn.cluster import HDBSCAN
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from ..errors import AgnError
from ..lines import AGN_TYPES

#: An island whose best counterparts share less than this of it is dissolved rather than kept (Hennig 2007).
PERSISTENT = 0.6


def find_clusters(spectrum_map, *, fewest=30, finest=False):
    """Find islands of a map by density (HDBSCAN; Campello, Moulavi & Sander 2013).

    Parameters
    ----------
    spectrum_map : SpectrumMap
        The map.
    fewest : int
        Smallest number of spectra that make an island; 2 or more.
    finest : bool
        The islands that hold no smaller ones, which leaves more spectra outside, instead of those that
        last over the widest range of densities.

    Returns
    -------
    (n_spectra,) array of int
        Island of each spectrum, 0 for the largest; -1 for spectra that belong to none.

    Raises
    ------
    ValueError
        For a `fewest` below 2 or above the number of spectra.
    """
    n_spectra = len(spectrum_map.coordinates)
    if not 2 <= fewest <= n_spectra:
        raise AgnError(f"fewest must be from 2 to the {n_spectra} spectra of the map; got {fewest}.")
    method = "leaf" if finest else "eom"
    machine = HDBSCAN(min_cluster_size=fewest, cluster_selection_method=method, copy=True)
    found = machine.fit_predict(spectrum_map.coordinates)
    sizes = np.bincount(found[found >= 0])
    rank = np.empty(len(sizes), dtype=int)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return np.where(found >= 0, np.append(rank, -1)[found], -1)


def compare_clusterings(islands):
    """Agreement of the islands of each pair of maps.

    Parameters
    ----------
    islands : (n_maps, n_spectra) sequence of arrays of int
        From `find_clusters`; the spectra of no island count as one more.

    Returns
    -------
    (n_maps, n_maps) array
        Mutual information adjusted for chance (Vinh, Epps & Bailey 2010): 1 for the same islands, 0 for
        islands that have no more in common than random ones.
    """
    agreement = np.eye(len(islands))
    for a, b in zip(*np.triu_indices(len(islands), 1)):
        agreement[a, b] = agreement[b, a] = adjusted_mutual_info_score(islands[a], islands[b])
    return agreement


def score_stability(islands):
    """How surely each spectrum belongs to its island, whatever the map.

    For two maps it is the Jaccard index of the spectrum's island on one and on the other: the number of
    spectra on both over that on either. A spectrum of no island is an island of its own.

    Parameters
    ----------
    islands : (n_maps, n_spectra) sequence of arrays of int
        From `find_clusters`; two maps or more.

    Returns
    -------
    (n_spectra,) array
        Mean over the pairs of maps, from 0 to 1.

    Raises
    ------
    ValueError
        For fewer than two maps.
    """
    if len(islands) < 2:
        raise AgnError(f"stability needs at least two maps; got {len(islands)}.")
    alone = [_set_apart(found) for found in islands]
    sizes = [np.bincount(found) for found in alone]
    total = np.zeros(len(alone[0]))
    pairs = list(zip(*np.triu_indices(len(alone), 1)))
    for a, b in pairs:
        both = contingency_matrix(alone[a], alone[b], sparse=True)
        common = np.asarray(both[alone[a], alone[b]]).ravel()
        total += common / (sizes[a][alone[a]] + sizes[b][alone[b]] - common)
    return total / len(pairs)


def match_clusters(reference, others, y):
    """Say of each island of one map what it is made of, and how well it is met again on other maps.

    Parameters
    ----------
    reference : (n_spectra,) array of int
        Islands of the map that is read, from `find_clusters`.
    others : sequence of (n_spectra,) arrays of int
        Those of other maps of the same spectra; at least one.
    y : (n_spectra,) array of str
        Types.

    Returns
    -------
    pandas.DataFrame
        A row an island, index ``island``: ``n_spectra``, the share of each type (``type1`` …),
        ``jaccard`` (median over the other maps of the largest Jaccard index with any of their islands),
        ``lowest`` (the smallest of them) and ``persistent`` (median of at least 0.6; Hennig 2007).
    """
    if not len(others):
        raise AgnError("others must hold the islands of at least one other map; got none.")
    y = np.asarray(y)
    rows = []
    for island in range(reference.max() + 1):
        inside = reference == island
        matches = []
        for found in others:
            counts = np.bincount(found[inside & (found >= 0)], minlength=found.max() + 1)
            union = np.bincount(found[found >= 0], minlength=len(counts)) + inside.sum() - counts
            matches.append((counts / union).max(initial=0.0))
        shares = {AGN_TYPES[name].key: (y[inside] == name).mean() for name in AGN_TYPES if (y == name).any()}
        rows.append(
            {"n_spectra": inside.sum(), **shares, "jaccard": np.median(matches), "lowest": min(matches)}
        )
    table = pd.DataFrame(rows, index=pd.RangeIndex(len(rows), name="island"))
    return table.assign(persistent=table["jaccard"] >= PERSISTENT) if rows else table


def _set_apart(found):
    """Number the islands from 0, each spectrum of no island one of its own."""
    apart = found.copy()
    lost = np.flatnonzero(found < 0)
    apart[lost] = found.max() + 1 + np.arange(len(lost))
    return apart
