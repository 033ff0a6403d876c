"""In which order spectra are stepped through, and which of them."""

import numpy as np

#: Words -> key of a state (n_spectra,), from the first to the last; None is as in the file.
ORDERS = {
    "as in the file": None,
    "least certain": lambda state: state.probability.max(axis=1),
    "most certain": lambda state: -state.probability.max(axis=1),
    "name": lambda state: np.argsort(np.argsort(state.name)),
    "redshift": lambda state: state.redshift,
    "least like training": lambda state: -_column(state, "novelty", 0.0),
}

#: Words -> which spectra (n_spectra,) of a state.
FILTERS = {
    "all": lambda state: np.ones(len(state.name), dtype=bool),
    "misclassified": lambda state: (state.label != "") & (state.predicted != state.label),
    "test only": lambda state: state.part == "test",
    "training only": lambda state: state.part == "training",
    "several types": lambda state: np.char.find(_column(state, "prediction_set", ""), "|") >= 0,
    "unlike training": lambda state: _column(state, "novelty", 0.0) > 1,
    "added": lambda state: state.part == "added",
}

#: Those that need the doubts of all spectra, which take seconds.
NEED_DOUBTS = ("least like training", "several types", "unlike training")


def _column(state, name, default):
    """A column of the doubts of all spectra; `default` where the model tells none."""
    doubts = state.judge_all()
    if name in doubts.colnames:
        return np.asarray(doubts[name])
    return np.full(len(state.name), default)


def rank_rows(state, order):
    """All rows (n_spectra,) in an order; those alike as in the file, NaN last."""
    key = ORDERS[order]
    return np.arange(len(state.name)) if key is None else np.argsort(key(state), kind="stable")


def find_sequence(state, order, keep):
    """Rows that are stepped through, in their order: of the selection, where there is one, those to keep."""
    wanted = FILTERS[keep](state)
    if len(state.selection):
        inside = np.zeros(len(state.name), dtype=bool)
        inside[state.selection] = True
        wanted &= inside
    ranked = rank_rows(state, order)
    return ranked[wanted[ranked]]


def step_from(ranked, sequence, row, steps):
    """The row so many steps on in a sequence, round and round; from outside to its next in `ranked`."""
    place = np.empty(len(ranked), dtype=int)
    place[ranked] = np.arange(len(ranked))
    at = np.searchsorted(place[sequence], place[row])
    inside = at < len(sequence) and sequence[at] == row
    # Outside, the next one is a step already.
    first = at if inside or steps < 0 else at - 1
    return int(sequence[(first + steps) % len(sequence)])
