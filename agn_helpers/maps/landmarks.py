"""Maps of more spectra than t-SNE can take: some of them make the map, the others are placed among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import AgnError
from .embedding import MapPlacer, embed_spectra
from .spectrum_map import SpectrumMap

# Spectra placed together: some 200 MB of temporary arrays.
_BLOCK = 5000


def embed_landmarks(
    X: np.ndarray,
    *,
    n_landmarks: int = 10_000,
    perplexity: float = 50,
    random_state: int = 0,
    name: Sequence[str] | None = None,
    n_jobs: int | None = None,
    **options: Any,
) -> SpectrumMap:
    """Map many spectra: t-SNE of landmarks drawn at random, all others placed among them in blocks.

    Time and memory grow with `n_landmarks` as those of `embed_spectra`, with the number of spectra only by
    their placing, a tenth of a millisecond each.  The place of a spectrum depends on the landmarks alone.

    Parameters
    ----------
    X : (n_spectra, n_grid) array
        Fluxes on the common grid; they may be memory-mapped: only the landmarks and a block of others are
        copied.
    n_landmarks : int
        Kinds of spectra that are rarer than a few in so many have no cluster of their own on the map.
    perplexity : float
        Effective number of neighbours among the landmarks.
    random_state : int
        Seed of the draw, the initialisation and the neighbour search.
    name : (n_spectra,) sequence of str, optional
        Names; the row numbers by default.
    n_jobs : int, optional
        Threads, as in `embed_perplexities`.
    **options
        ``scaler, initialisation, most_exact``: see `embed_perplexities`.

    Returns
    -------
    SpectrumMap
        Of all spectra, with the rows of its ``landmarks``; None where there are no more than `n_landmarks`.

    Raises
    ------
    AgnError
        As `embed_spectra`, and for a spectrum of NaN or infinity among the others.
    """
    n_spectra, X = len(X), np.asarray(X)
    X = X if X.dtype.kind == "f" and X.itemsize == 4 else X.astype(np.float32)
    names = np.asarray(np.arange(n_spectra) if name is None else name, dtype=str)
    if len(names) != n_spectra:
        raise AgnError(f"there must be one name for each of the {n_spectra} spectra; got {len(names)}.")
    options |= {"perplexity": perplexity, "random_state": random_state, "n_jobs": n_jobs}
    if n_spectra <= n_landmarks:
        return embed_spectra(X, name=names, **options)
    rows = np.sort(np.random.default_rng(random_state).choice(n_spectra, n_landmarks, replace=False))
    made = embed_spectra(X[rows], name=names[rows], **options)
    placer, coordinates = MapPlacer(made, n_jobs=n_jobs or 1), np.empty((n_spectra, 2))
    coordinates[rows] = made.coordinates
    others = np.setdiff1d(np.arange(n_spectra), rows, assume_unique=True)
    for first in range(0, len(others), _BLOCK):
        block = others[first : first + _BLOCK]
        coordinates[block] = placer.place(X[block])
    return replace(made, coordinates=coordinates, X=X, name=names, landmarks=rows)
