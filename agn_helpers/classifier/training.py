"""What ProbabilisticSVC is made of: kernels with their gradients, and SVMs of pairs on one Gram matrix."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sklearn.svm import SVC

from .coupling import fit_sigmoid

# Held-out decision values are cut at so many times their median size before the sigmoid is fitted: the few
# spectra with extreme lines, on which a polynomial kernel explodes, would otherwise flatten it for all.
_LARGEST_DECISION = 5.0

# The Gram matrix of more spectra (1.2 GB) is not kept: libsvm then works out kernel rows as it needs them.
_LARGEST_GRAM = 12_000


@dataclass(frozen=True)
class Kernel:
    """A kernel function with its parameters.

    Attributes
    ----------
    name : {"linear", "rbf", "poly", "precomputed"}
        x·s, exp(-gamma |x - s|²), (gamma x·s + coef0)**degree, or rows given by the caller.
    gamma, coef0 : float
    degree : int
    """

    name: str
    gamma: float = 1.0
    degree: int = 3
    coef0: float = 0.0

    def apply(self, products, norms_x, norms_y):
        """Kernel values from dot products (n, m) and squared norms (n,), (m,), like `products`.

        All kernels and all values of their parameters can thus share one matrix of products.
        """
        if self.name == "linear":
            return products
        if self.name == "rbf":
            values = products * -2
            values += norms_x[:, None]
            values += norms_y
            # Rounding can leave a tiny negative distance between a spectrum and itself.
            np.maximum(values, 0, out=values)
            values *= -self.gamma
            return np.exp(values, out=values)
        base = products * self.gamma
        base += self.coef0
        return _raise(base, self.degree)

    def matrix(self, X, Y):
        """Kernel values between rows of X (n, n_features) and of Y (m, n_features): (n, m)."""
        return self.apply(X @ Y.T, np.einsum("ij,ij->i", X, X), np.einsum("ij,ij->i", Y, Y))

    def gradient(self, X, Y, weights):
        """Gradient by x_n of sum_m weights[n, m] k(x_n, y_m), like X; rbf and poly only."""
        if self.name == "rbf":
            pull = weights * self.matrix(X, Y)
            return 2 * self.gamma * (pull @ Y - pull.sum(axis=1, keepdims=True) * X)
        base = X @ Y.T
        base *= self.gamma
        base += self.coef0
        return (self.gamma * self.degree) * ((weights * _raise(base, self.degree - 1)) @ Y)


def _raise(base, power):
    # Products are ten times as fast as numpy's general power.
    values = np.ones_like(base) if power == 0 else base.copy()
    for _ in range(power - 1):
        values *= base
    return values


class TrainedPairs(NamedTuple):
    """Trained SVMs, a row a pair (i, j), i < j; f_ij > 0 speaks for class i.

    dual_coef : (n_pairs, n_samples) array, zero where a sample supports nothing
    intercept : (n_pairs,) array
    sigmoids : (n_pairs, 2) array, slope and offset
    n_iter : (n_pairs,) int array, iterations of libsvm, or Newton's
    coef : (n_pairs, n_features) array or None, weights, where they and not the multipliers were sought
    """

    dual_coef: np.ndarray
    intercept: np.ndarray
    sigmoids: np.ndarray
    n_iter: np.ndarray
    coef: np.ndarray | None = None

    @classmethod
    def empty(cls, n_pairs, n_samples):
        """Room for so many pairs."""
        zeros = [np.zeros(shape) for shape in ((n_pairs, n_samples), n_pairs, (n_pairs, 2))]
        return cls(*zeros, np.zeros(n_pairs, dtype=int))


def list_pairs(y):
    """Pairs (i, j), i < j, of classes from 0 on."""
    return list(zip(*np.triu_indices(y.max() + 1, 1)))


def calibrate_pair(decision, is_first, counts, factors=None):
    """Platt's sigmoid of decision values (n,) of held-out members: slope and offset.

    counts : (n,) array, how many members each stands for
    factors : (n,) array or None, class weights that the probabilities shall describe
    """
    limit = _LARGEST_DECISION * _median(np.abs(decision), counts) or np.inf
    if factors is not None:
        counts = counts * factors / np.average(factors, weights=counts)
    return fit_sigmoid(np.clip(decision, -limit, limit), is_first, counts)


def train_pairs(X, y, *, kernel, C, tol, folds, weight, class_weight, prior):
    """Train an SVM and a Platt sigmoid for every pair of classes: `TrainedPairs`.

    `y` holds classes from 0 on, `folds` the (train, held) rows of the sigmoids, `weight` and `class_weight`
    (n_samples,) factors of C; a sample of weight 0 is not used.  The kernel is worked out once and its blocks
    are shared by all pairs and folds; libsvm's own cross-validation works it out anew a dozen times.
    """
    if kernel.name == "precomputed":
        gram = X
    else:
        gram = kernel.matrix(X, X) if len(X) <= _LARGEST_GRAM else None
    cost = weight * class_weight
    svc = SVC(
        C=C,
        kernel=kernel.name if gram is None else "precomputed",
        degree=kernel.degree,
        gamma=kernel.gamma,
        coef0=kernel.coef0,
        tol=tol,
    )

    def train(members, first):
        block = X[members] if gram is None else gram[np.ix_(members, members)]
        svc.fit(block, y[members] != first, sample_weight=cost[members])
        # SVC's decision values speak for the second of two classes, ours for the first.
        return members[svc.support_], -svc.dual_coef_[0], -svc.intercept_[0]

    def decide(rows, support, dual, intercept):
        block = kernel.matrix(X[rows], X[support]) if gram is None else gram[np.ix_(rows, support)]
        return block @ dual + intercept

    pairs = list_pairs(y)
    found = TrainedPairs.empty(len(pairs), len(X))
    for pair, (first, second) in enumerate(pairs):
        in_pair = (weight > 0) & ((y == first) | (y == second))
        members = np.flatnonzero(in_pair)
        held_out = np.zeros(len(X))
        for rows, held in folds:
            held = held[in_pair[held]]
            held_out[held] = decide(held, *train(np.sort(rows[in_pair[rows]]), first))
        factors = class_weight[members] if prior == "weighted" else None
        found.sigmoids[pair] = calibrate_pair(
            held_out[members], y[members] == first, weight[members], factors
        )
        support, dual, found.intercept[pair] = train(members, first)
        found.dual_coef[pair, support] = dual
        found.n_iter[pair] = svc.n_iter_[0]
    return found


def _median(values, counts):
    """Median of values (n,) of which there are so many each, (n,)."""
    order = np.argsort(values)
    below = np.cumsum(counts[order])
    middle = [np.searchsorted(below, below[-1] / 2, side=side) for side in ("left", "right")]
    return values[order[np.minimum(middle, len(values) - 1)]].mean()
