"""Clusters on maps of spectra: found by density, followed from map to map."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.cluster import HDBSCAN
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from ..errors import AgnError
from ..lines import AGN_TYPES

#: A cluster whose best counterparts share less than this of it is dissolved rather than kept (Hennig 2007).
PERSISTENT = 0.6


def find_clusters(spectrum_map, *, min_cluster_size=30, method="eom"):
    """Find clusters of a map by density (HDBSCAN; Campello, Moulavi & Sander 2013).

    Parameters
    ----------
    spectrum_map : SpectrumMap
        The map.
    min_cluster_size : int
        Smallest number of spectra that make a cluster; 2 or more.
    method : {"eom", "leaf"}
        "eom" (excess of mass): the clusters that last over the widest range of densities; "leaf": those that
        hold no smaller ones, which leaves more spectra outside.

    Returns
    -------
    (n_spectra,) array of int
        Cluster of each spectrum, 0 for the largest; -1 for spectra that belong to none.

    Raises
    ------
    AgnError
        For a `min_cluster_size` below 2 or above the number of spectra, or another method.
    """
    n_spectra = len(spectrum_map.coordinates)
    if not 2 <= min_cluster_size <= n_spectra:
        raise AgnError(
            f"min_cluster_size must be from 2 to the {n_spectra} spectra of the map; got {min_cluster_size}."
        )
    if method not in ("eom", "leaf"):
        raise AgnError(f"method must be 'eom' or 'leaf'; got {method!r}.")
    clusterer = HDBSCAN(min_cluster_size=min_cluster_size, cluster_selection_method=method, copy=True)
    found = clusterer.fit_predict(spectrum_map.coordinates)
    sizes = np.bincount(found[found >= 0])
    rank = np.empty(len(sizes), dtype=int)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return np.where(found >= 0, np.append(rank, -1)[found], -1)


def compare_clusterings(clusters):
    """Agreement of the clusters of each pair of maps.

    Parameters
    ----------
    clusters : (n_maps, n_spectra) sequence of arrays of int
        From `find_clusters`; the spectra of no cluster count as one more.

    Returns
    -------
    (n_maps, n_maps) array
        Mutual information adjusted for chance (Vinh, Epps & Bailey 2010): 1 for the same clusters, 0 for
        clusters that have no more in common than random ones.
    """
    agreement = np.eye(len(clusters))
    for a, b in zip(*np.triu_indices(len(clusters), 1)):
        agreement[a, b] = agreement[b, a] = adjusted_mutual_info_score(clusters[a], clusters[b])
    return agreement


def score_stability(clusters):
    """Score how surely each spectrum belongs to its cluster, whatever the map.

    For two maps it is the Jaccard index of the spectrum's cluster on one and on the other: the number of
    spectra on both over that on either. A spectrum of no cluster is a cluster of its own.

    Parameters
    ----------
    clusters : (n_maps, n_spectra) sequence of arrays of int
        From `find_clusters`; two maps or more.

    Returns
    -------
    (n_spectra,) array
        Mean over the pairs of maps, from 0 to 1.

    Raises
    ------
    AgnError
        For fewer than two maps.
    """
    if len(clusters) < 2:
        raise AgnError(f"stability needs at least two maps; got {len(clusters)}.")
    alone = [_set_apart(found) for found in clusters]
    sizes = [np.bincount(found) for found in alone]
    total = np.zeros(len(alone[0]))
    pairs = list(zip(*np.triu_indices(len(alone), 1)))
    for a, b in pairs:
        both = contingency_matrix(alone[a], alone[b], sparse=True)
        common = np.asarray(both[alone[a], alone[b]]).ravel()
        total += common / (sizes[a][alone[a]] + sizes[b][alone[b]] - common)
    return total / len(pairs)


def match_clusters(reference, others, y):
    """Describe each cluster of one map: its types, and its best counterparts on other maps.

    Parameters
    ----------
    reference : (n_spectra,) array of int
        Clusters of the map that is read, from `find_clusters`.
    others : sequence of (n_spectra,) arrays of int
        Those of other maps of the same spectra; at least one.
    y : (n_spectra,) array of str
        Types.

    Returns
    -------
    pandas.DataFrame
        A row a cluster, index ``cluster`` (its number): ``n_spectra``, the share of each type (``type1`` …),
        ``jaccard`` (median over the other maps of the largest Jaccard index with any of their clusters),
        ``lowest`` (the smallest of them) and ``persistent`` (median of at least 0.6; Hennig 2007).
    """
    if not len(others):
        raise AgnError("others must hold the clusters of at least one other map; got none.")
    y = np.asarray(y)
    rows = []
    for cluster in range(reference.max() + 1):
        inside = reference == cluster
        matches = []
        for found in others:
            counts = np.bincount(found[inside & (found >= 0)], minlength=found.max() + 1)
            union = np.bincount(found[found >= 0], minlength=len(counts)) + inside.sum() - counts
            matches.append((counts / union).max(initial=0.0))
        shares = {AGN_TYPES[name].key: (y[inside] == name).mean() for name in AGN_TYPES if (y == name).any()}
        rows.append(
            {"n_spectra": inside.sum(), **shares, "jaccard": np.median(matches), "lowest": min(matches)}
        )
    table = pd.DataFrame(rows, index=pd.RangeIndex(len(rows), name="cluster"))
    return table.assign(persistent=table["jaccard"] >= PERSISTENT) if rows else table


def _set_apart(found):
    """Number the clusters from 0, each spectrum of no cluster one of its own."""
    apart = found.copy()
    lost = np.flatnonzero(found < 0)
    apart[lost] = found.max() + 1 + np.arange(len(lost))
    return apart


#: Kinds of clusters in the tables of a run: methods of `find_clusters`.
KINDS = ("eom", "leaf")


class Followed(NamedTuple):
    """Clusters of one map, followed to other maps; each dict has a key a kind of `KINDS`.

    Attributes
    ----------
    clusters : dict of str to (n_maps, n_spectra) array of int
        Of every map, from `find_clusters`.
    agreement : dict of str to (n_maps, n_maps) array
        From `compare_clusterings`.
    table : pandas.DataFrame
        From `match_clusters`, index ``kind, cluster``.
    stability : (n_spectra,) array
        From `score_stability`, of the leaf clusters.
    """

    clusters: dict
    agreement: dict
    table: pd.DataFrame
    stability: np.ndarray


def follow_clusters(maps, y, *, reference=0, min_cluster_size=20):
    """Find the clusters of several maps of the same spectra, and follow those of one to the others.

    Parameters
    ----------
    maps : sequence of SpectrumMap
        Two at least, e.g. of other perplexities and from other starts.
    y : (n_spectra,) array of str
        Types.
    reference : int
        Number of the map whose clusters are followed.
    min_cluster_size : int
        See `find_clusters`.

    Returns
    -------
    Followed
    """
    clusters, agreement, tables = {}, {}, {}
    for kind in KINDS:
        found = np.array([find_clusters(m, min_cluster_size=min_cluster_size, method=kind) for m in maps])
        clusters[kind], agreement[kind] = found, compare_clusterings(found)
        tables[kind] = match_clusters(found[reference], np.delete(found, reference, axis=0), y)
    return Followed(clusters, agreement, pd.concat(tables, names=["kind"]), score_stability(clusters["leaf"]))
