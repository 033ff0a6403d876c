"""The number that an attribution explains: a spectrum's log p, p, log odds or margin, and its gradient.

With `of="margin"` it is the decision value of the pair of the target and its most probable rival, positive
for the target; the rival is that of the spectrum as it is and stays when the spectrum is changed.  For a
linear kernel this number is linear in the flux, which log p never is.
"""

from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
from scipy.special import logsumexp
from sklearn.utils import gen_batches
from tqdm import tqdm

from ..classifier import (
    encode_target,
    linear_weights,
    log_proba_gradient,
    pair_decisions,
    pair_gradient,
    unwrap_estimator,
)
from ..errors import AgnError

_KINDS = ("log_p", "p", "log_odds", "margin")

#: Float64 elements of a block of spectra that is worked on at once: 32 MiB.
BLOCK_ELEMENTS = 2**22


_report = ContextVar("report", default=None)


@contextmanager
def report_progress(progress):
    """Tell `progress`, a function of int or None, how many spectra the classifier was asked about within."""
    n_done = 0

    def report(n_spectra):
        nonlocal n_done
        n_done += n_spectra
        progress(n_done)

    token = _report.set(progress and report)
    try:
        yield
    finally:
        _report.reset(token)


def tell_progress(n_spectra):
    """Say that the classifier was asked about so many spectra more."""
    report = _report.get()
    if report:
        report(n_spectra)


def check_spectra(estimator, X):
    """Spectra as an array of floats, or the reason why they cannot be explained.

    Parameters
    ----------
    estimator : fitted classifier
    X : (n_spectra, n_grid) array

    Returns
    -------
    X : (n_spectra, n_grid) array
        Float64 or float32; not copied where it is that already.

    Raises
    ------
    AgnError
        For another shape, another number of wavelengths than the estimator was trained on, NaN, infinity.
    """
    X = np.asarray(X)
    if X.dtype not in (np.float32, np.float64):
        X = X.astype(float)
    if X.ndim != 2 or 0 in X.shape:
        raise AgnError(
            f"X must hold spectra, (n_spectra, n_grid); got shape {X.shape}. Write X[None] for one spectrum."
        )
    n_features = getattr(estimator, "n_features_in_", X.shape[1])
    if X.shape[1] != n_features:
        raise AgnError(
            f"X must have {n_features} features, the wavelengths the estimator was trained on; "
            f"got {X.shape[1]}. Resample the spectra onto the model's grid."
        )
    # Sums a row: a mask as large as X would not be bounded.
    for row in np.flatnonzero(~np.isfinite(X.sum(axis=1, dtype=float))):
        if not np.isfinite(X[row]).all():
            raise AgnError(
                f"X must be finite; spectrum {row} holds NaN or infinity. Interpolate it or leave it out."
            )
    return X


def check_wavelengths(grid, n_grid):
    """Return `grid` as floats; AgnError where it is not `n_grid` increasing wavelengths."""
    if grid is None:
        raise AgnError("grid must be the wavelengths of X in Å; got None. Give the model's grid.")
    grid = np.asarray(grid, dtype=float)
    if grid.shape != (n_grid,) or not np.all(np.diff(grid) > 0):
        raise AgnError(
            f"grid must be {n_grid} increasing wavelengths, one a column of X; got shape {grid.shape}. "
            "Give the grid that X is on."
        )
    return grid


def find_target(estimator, X, *, target=None):
    """Column of ``predict_proba`` that is explained for each spectrum.

    Parameters
    ----------
    estimator : fitted classifier
        With ``classes_`` and ``predict_proba``.
    X : (n_spectra, n_grid) array
        Spectra.
    target : str or (n_spectra,) sequence of str, optional
        One class for all or one each; the most probable one of each spectrum by default.

    Returns
    -------
    (n_spectra,) array of int

    Raises
    ------
    AgnError
        For an unknown class, another number of them, an estimator without ``predict_proba``.
    """
    if not hasattr(estimator, "predict_proba"):
        raise AgnError(f"the estimator must have predict_proba; {type(estimator).__name__} has none.")
    if target is not None:
        return encode_target(target, np.asarray(estimator.classes_), len(X))
    return np.concatenate([estimator.predict_proba(X[block]).argmax(axis=1) for block in spectra_blocks(X)])


def spectra_blocks(X, *, copies=1, title=None):
    """Slices of X so small that `copies` of each fit into 32 MiB (one spectrum at least).

    With a `title`, a progress bar shows after two seconds.
    """
    blocks = gen_batches(len(X), max(1, BLOCK_ELEMENTS // (copies * X.shape[1])))
    if title is None:
        return blocks
    # No bar in notebooks, whose pages would keep it.
    return tqdm(list(blocks), desc=title, unit="block", delay=2, disable=None)


class TargetScore:
    """One number a spectrum, of a class that is fixed for the spectrum as it is.

    Parameters
    ----------
    estimator : fitted classifier
        With ``classes_`` and ``predict_proba``.
    X : (n_spectra, n_grid) array
        The spectra that are explained.
    target : label or (n_spectra,) sequence of labels, optional
        The most probable class of each spectrum by default.
    of : {"log_p", "p", "log_odds", "margin"}
        Natural logarithm of the target's probability, that probability, ln p - ln(1 - p), which no
        certainty saturates, or the target's margin over its most probable rival; another estimator than
        `ProbabilisticSVC` gives the latter by the difference of its ``decision_function`` between the two
        classes.

    Attributes
    ----------
    column : (n_spectra,) int array
        The target's index in ``classes_``.

    Raises
    ------
    AgnError
        As `find_target`, for another `of`, and for a margin of an estimator that has none.
    """

    def __init__(self, estimator, X, *, target=None, of="log_p"):
        if of not in _KINDS:
            raise AgnError(f"of must be one of {', '.join(_KINDS)}; got {of!r}.")
        self.estimator, self.of = estimator, of
        self.column = find_target(estimator, X, target=target)
        if of == "margin":
            self.rival = self._find_rival(X)

    def values(self, X, rows):
        """Scores (m,) of spectra X (m, n_grid), each a changed form of the spectrum in `rows` (m,).

        AgnError where the score is log p and p is 0.
        """
        tell_progress(len(X))
        if self.of == "margin":
            return self._margins(X, rows)
        if self.of == "log_odds":
            return self._check_values(self._log_odds(self._log_probabilities(X), rows)[0], rows)
        if self.of == "log_p" and hasattr(self.estimator, "predict_log_proba"):
            with np.errstate(divide="ignore"):
                return self._check_values(self._pick(self.estimator.predict_log_proba(X), rows), rows)
        values = self._pick(self.estimator.predict_proba(X), rows)
        with np.errstate(divide="ignore"):
            return self._check_values(np.log(values) if self.of == "log_p" else values, rows)

    def of_decisions(self, decisions, rows):
        """Scores (m,) by linear pairs' decision values (m, n_pairs) of changed forms of spectra in `rows`."""
        tell_progress(len(decisions))
        if self.of == "margin":
            return (decisions * self._pair_signs(rows)).sum(axis=1)
        log_proba = unwrap_estimator(self.estimator)[1].log_proba_of_decisions(decisions)
        if self.of == "log_odds":
            return self._check_values(self._log_odds(log_proba, rows)[0], rows)
        values = self._check_values(self._pick(log_proba, rows), rows)
        return values if self.of == "log_p" else np.exp(values)

    def _pick(self, values, rows):
        return values[np.arange(len(values)), self.column[rows]]

    def _check_values(self, values, rows):
        """The values; AgnError where one is not finite."""
        hopeless = np.flatnonzero(~np.isfinite(values))
        if len(hopeless):
            raise AgnError(
                "log p and log odds are infinite where p is 0 or 1; spectrum "
                f"{np.arange(len(self.column))[rows][hopeless[0]]}, as it is or changed, has it for target "
                f"{self.estimator.classes_[self.column[rows][hopeless[0]]]}. Use of='p' or another target."
            )
        return values

    def gradients(self, X, rows):
        """Exact gradients (m, n_grid) of `values`; AgnError for an estimator that has none."""
        tell_progress(len(X))
        if self.of == "margin":
            return pair_gradient(self.estimator, X, self._pair_signs(rows))
        gradient = log_proba_gradient(self.estimator, X, self.estimator.classes_[self.column[rows]])
        if self.of == "p":
            gradient *= self.values(X, rows)[:, None]
        elif self.of == "log_odds":
            # d ln(1 - p) = -p / (1 - p) d ln p.
            gradient /= np.exp(self._log_odds(self._log_probabilities(X), rows)[1])[:, None]
        return gradient

    def _log_probabilities(self, X):
        if hasattr(self.estimator, "predict_log_proba"):
            with np.errstate(divide="ignore"):
                return self.estimator.predict_log_proba(X)
        with np.errstate(divide="ignore"):
            return np.log(self.estimator.predict_proba(X))

    def _log_odds(self, log_proba, rows):
        """Log odds and ln(1 - p) (m,) by log-probabilities (m, n_classes), exact where p is nearly 1."""
        of_target, others = self._pick(log_proba, rows), np.array(log_proba)
        others[np.arange(len(others)), self.column[rows]] = -np.inf
        of_others = logsumexp(others, axis=1)
        return of_target - of_others, of_others

    def linear_weights(self):
        """Weights (n_pairs, n_grid) of linear decision values; None for others, or where not log p counts."""
        return linear_weights(self.estimator) if self.of == "log_p" else None

    def by_decision(self, decisions, rows):
        """Derivatives (m, n_pairs) of log p by the pairs' decision values (m, n_pairs)."""
        tell_progress(len(decisions))
        return unwrap_estimator(self.estimator)[1].log_proba_by_decision(decisions, self.column[rows])

    def start(self, X):
        """Scores (n_spectra,) of the spectra as they are."""
        return np.concatenate([self.values(X[block], block) for block in spectra_blocks(X)])

    def _find_rival(self, X):
        if len(self.estimator.classes_) == 2:
            return 1 - self.column
        rival = np.empty_like(self.column)
        for block in spectra_blocks(X):
            proba = self.estimator.predict_proba(X[block])
            proba[np.arange(len(proba)), self.column[block]] = -1
            rival[block] = proba.argmax(axis=1)
        return rival

    def _pair_signs(self, rows):
        """Weights (m, n_pairs) that pick the pair of target and rival out, positive for the target."""
        target, rival = self.column[rows][:, None], self.rival[rows][:, None]
        first, second = np.triu_indices(len(self.estimator.classes_), 1)
        speaks_for = (first == target) & (second == rival)
        return speaks_for - 1.0 * ((first == rival) & (second == target))

    def _margins(self, X, rows):
        decisions = pair_decisions(self.estimator, X)
        if decisions is not None:
            return (decisions * self._pair_signs(rows)).sum(axis=1)
        final = unwrap_estimator(self.estimator)[1]
        if not hasattr(final, "decision_function") or getattr(final, "decision_function_shape", "") == "ovo":
            raise AgnError(
                f"a margin needs a decision_function with a score a class; {type(final).__name__} has none. "
                "Use of='log_p'."
            )
        scores = self.estimator.decision_function(X)
        if scores.ndim == 1:
            return np.where(self.column[rows] == 1, scores, -scores)
        each = np.arange(len(X))
        return scores[each, self.column[rows]] - scores[each, self.rival[rows]]
