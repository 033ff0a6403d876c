"""From pairwise decision values to class probabilities: Platt's sigmoid and the coupling of pairs.

Sigmoid: Platt (1999, Advances in Large Margin Classifiers, 61) with the Newton iteration of Lin, Lin & Weng
(2007, Machine Learning 68, 267).  Coupling: the second method of Wu, Lin & Weng (2004, JMLR 5, 975).

A pair (i, j), i < j, is described by its log-odds l_ij = log(r_ij / r_ji) for class i, where r_ij + r_ji = 1;
pairs come in the order (0, 1), (0, 2), …, (1, 2), … of `numpy.triu_indices`.
"""

import numpy as np
from scipy.special import expit

# exp(-690) is just above the smallest normal float64: beyond it a ratio r would lose its digits.
_LARGEST_LOG_ODDS = 690.0


def fit_sigmoid(decision, positive, weight=None, *, max_iter=100, tol=1e-10):
    """Fit Platt's sigmoid, P(positive | f) = 1 / (1 + exp(slope f + offset)), to held-out decision values.

    Parameters
    ----------
    decision : (n,) array
        Decision values f, of members that their classifier was not trained on.
    positive : (n,) bool array
        True for members of the positive class.
    weight : (n,) array, optional
        How many members each stands for.
    max_iter : int
        Largest number of Newton steps.
    tol : float
        The iteration stops where the mean gradient is below this.

    Returns
    -------
    slope, offset : float
        `slope` is negative where larger decision values mean the positive class.

    Notes
    -----
    The targets are Platt's: (N+ + 1) / (N+ + 2) and 1 / (N- + 2), so that separable values give no
    step function.
    """
    decision = np.asarray(decision, dtype=float)
    positive = np.asarray(positive, dtype=bool)
    weight = np.ones(decision.shape) if weight is None else np.asarray(weight, dtype=float)
    n_positive, n_negative = weight[positive].sum(), weight[~positive].sum()
    target = np.where(positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    # Decision values in units of their own size keep the 2 x 2 Hessian well scaled for every C.
    unit = np.sqrt(np.average(decision**2, weights=weight)) or 1.0
    features = np.column_stack([decision / unit, np.ones(len(decision))])

    def cross_entropy(parameters):
        z = features @ parameters
        return weight @ (np.logaddexp(0, z) - (1 - target) * z)

    parameters = np.array([0.0, np.log((n_negative + 1) / (n_positive + 1))])
    value = cross_entropy(parameters)
    for _ in range(max_iter):
        p = expit(-(features @ parameters))
        gradient = features.T @ (weight * (target - p))
        if np.abs(gradient).max() < tol * weight.sum():
            break
        hessian = (features.T * (weight * p * (1 - p))) @ features + 1e-12 * np.eye(2)
        step = -np.linalg.solve(hessian, gradient)
        length = 1.0
        while length > 1e-10:
            trial = cross_entropy(parameters + length * step)
            if trial < value + 1e-4 * length * (gradient @ step):
                break
            length /= 2
        else:
            break
        parameters, value = parameters + length * step, trial
    return parameters[0] / unit, parameters[1]


def _pair_ratios(log_odds, n_classes):
    """Turn log-odds (n, n_pairs) into l_ij and r_ij, each (n, n_classes, n_classes), with r_ii = 0."""
    first, second = np.triu_indices(n_classes, 1)
    matrix = np.zeros((len(log_odds), n_classes, n_classes))
    matrix[:, first, second] = np.clip(log_odds, -_LARGEST_LOG_ODDS, _LARGEST_LOG_ODDS)
    matrix -= matrix.transpose(0, 2, 1)
    ratios = expit(matrix)
    ratios[:, np.arange(n_classes), np.arange(n_classes)] = 0
    return matrix, ratios


def _elimination_order(matrix):
    """Order the classes (n, n_classes) so that every one but the last loses to one that comes after it.

    The last is the class with the most wins.  In a tournament such a class beats every other one either
    directly or through a class that it beats (Landau 1953), hence the three levels.  All pivots
    of the elimination are then at least 1/4.
    """
    rows = np.arange(len(matrix))
    winner = (matrix >= 0).sum(axis=2).argmax(axis=1)
    margin = matrix[rows, winner]
    level = np.where(margin >= 0, 1, 2)
    level[rows, winner] = 0
    return np.lexsort((-margin, -level), axis=1)


class _Elimination:
    """Q p = lambda e of Wu, Lin & Weng (their eq. 21), solved for n sets of ratios at once.

    Off-diagonal elements of Q are -r_ij r_ji: no term of the elimination or of the back-substitution
    cancels another but in the last pivot.  The probabilities therefore keep their relative accuracy however
    small they are, where a general solver would lose all below 1e-16.
    """

    def __init__(self, log_odds, n_classes):
        matrix, ratios = _pair_ratios(log_odds, n_classes)
        self.order = _elimination_order(matrix)
        ratios = np.take_along_axis(ratios, self.order[:, :, None], axis=1)
        self.ratios = ratios = np.take_along_axis(ratios, self.order[:, None, :], axis=2)
        self.diagonal = (ratios**2).sum(axis=1)
        self.off_diagonal = ratios * ratios.transpose(0, 2, 1)
        self.factors = np.zeros_like(ratios)
        for k in range(n_classes - 1):
            rest = slice(k + 1, None)
            factor = self.off_diagonal[:, k, rest] / self.diagonal[:, k, None]
            self.factors[:, k, rest] = factor
            self.diagonal[:, rest] -= factor * self.off_diagonal[:, k, rest]
            self.off_diagonal[:, rest, rest] += factor[:, :, None] * self.off_diagonal[:, k, None, rest]
        self.ones = self.forward(np.ones((len(ratios), n_classes, 1)))

    def forward(self, right):
        """Carry right-hand sides (n, n_classes, m) through the elimination, in place."""
        for k in range(right.shape[1] - 1):
            right[:, k + 1 :] += self.factors[:, k, k + 1 :, None] * right[:, k, None]
        return right

    def back(self, right, last):
        """Substitute back from the value `last` (n, m) of the last class."""
        solution = np.empty_like(right)
        solution[:, -1] = last
        for k in range(right.shape[1] - 2, -1, -1):
            known = np.einsum("nj,njm->nm", self.off_diagonal[:, k, k + 1 :], solution[:, k + 1 :])
            solution[:, k] = (right[:, k] + known) / self.diagonal[:, k, None]
        return solution

    def residuals(self, odds):
        """Return r_ji p_i - r_ij p_j, (n, n_classes, n_classes), for `odds` (n, n_classes)."""
        weighted = self.ratios * odds[:, None, :]
        return weighted.transpose(0, 2, 1) - weighted

    def solve(self):
        """Return the classes' odds against the last one, (n, n_classes), in the order of elimination."""
        last = np.ones((len(self.ones), 1))
        multiplier = np.maximum(self.diagonal[:, -1], 0) / self.ones[:, -1, 0]
        # The last pivot is a small difference; the objective at the minimum, a sum of squares, is as large
        # as the multiplier and has an error of second order only.
        for _ in range(2):
            odds = self.back(multiplier[:, None, None] * self.ones, last)[..., 0]
            multiplier = (self.residuals(odds) ** 2).sum(axis=(1, 2)) / 2 / odds.sum(axis=1)
        return self.back(multiplier[:, None, None] * self.ones, last)[..., 0]


def couple_pairs(log_odds, n_classes):
    """Couple pairwise log-odds into log-probabilities of the classes.

    Minimises the sum over pairs of (r_ji p_i - r_ij p_j)**2 for p that sum to one; for two classes p is
    the sigmoid itself.

    Parameters
    ----------
    log_odds : (n, n_pairs) array
        l_ij = log(r_ij / r_ji).
    n_classes : int
        At least two; n_pairs = n_classes (n_classes - 1) / 2.

    Returns
    -------
    log_proba : (n, n_classes) array
        Natural logarithms, accurate also where p is far below the smallest difference from one.
    """
    log_odds = np.asarray(log_odds, dtype=float)
    if n_classes == 2:
        return -np.logaddexp(0, np.concatenate([-log_odds, log_odds], axis=1))
    elimination = _Elimination(log_odds, n_classes)
    odds = elimination.solve()
    largest = odds.argmax(axis=1)[:, None]
    odds /= np.take_along_axis(odds, largest, axis=1)
    others = odds.copy()
    np.put_along_axis(others, largest, 0, axis=1)
    log_proba = np.empty_like(odds)
    # log1p of the others keeps log p of a class that is all but certain.
    values = np.log(odds) - np.log1p(others.sum(axis=1))[:, None]
    np.put_along_axis(log_proba, elimination.order, values, axis=1)
    return log_proba


def couple_pairs_gradient(log_odds, target, n_classes):
    """Differentiate the log-probability of one class by the pairwise log-odds.

    The implicit function theorem on Q p = lambda e, sum p = 1, with d lambda from the envelope theorem.

    Parameters
    ----------
    log_odds : (n, n_pairs) array
        l_ij = log(r_ij / r_ji).
    target : (n,) int array or None
        Index of the class whose log-probability is differentiated; None: the most probable class of each.
    n_classes : int
        At least two.

    Returns
    -------
    gradient : (n, n_pairs) array
        d log p_target / d l_ij.
    """
    log_odds = np.asarray(log_odds, dtype=float)
    if n_classes == 2:
        is_first = log_odds[:, 0] >= 0 if target is None else np.asarray(target) == 0
        sign = np.where(is_first, 1.0, -1.0)[:, None]
        return sign * expit(-sign * log_odds)
    elimination = _Elimination(log_odds, n_classes)
    odds = elimination.solve()
    p = odds / odds.sum(axis=1, keepdims=True)
    # first, second: where the classes of each pair stand in the order of elimination.
    place = np.argsort(elimination.order, axis=1)
    first, second = (place[:, index] for index in np.triu_indices(n_classes, 1))
    rows, pairs = np.ogrid[: len(log_odds), : log_odds.shape[1]]
    win, lose = elimination.ratios[rows, first, second], elimination.ratios[rows, second, first]
    p_first, p_second = p[rows, first], p[rows, second]
    residuals = elimination.residuals(p)[rows, first, second]
    slope = win * lose
    multiplier = (residuals**2).sum(axis=1, keepdims=True)
    d_multiplier = -2 * residuals * slope * (p_first + p_second)
    right = np.zeros((*p.shape, log_odds.shape[1]))
    right[rows, first, pairs] = slope * (residuals + lose * (p_first + p_second))
    right[rows, second, pairs] = slope * (residuals - win * (p_first + p_second))
    right = elimination.forward(right)
    nothing = np.zeros(log_odds.shape)
    # dp = moved + d_lambda' raised + c p with the last class held; c restores the sum.
    moved = elimination.back(right, nothing)
    raised = elimination.back(elimination.ones, nothing[:, :1])
    free = (d_multiplier + multiplier * moved.sum(axis=1)) / (1 - multiplier * raised.sum(axis=1))
    change = moved + free[:, None, :] * raised
    if target is None:
        target = np.take_along_axis(p, place, axis=1).argmax(axis=1)
    here = place[rows[:, 0], target]
    relative = change[rows[:, 0], here] / p[rows[:, 0], here][:, None]
    return relative - change.sum(axis=1)
