"""Support vector machines of many spectra, by Newton's method on their weights instead of their multipliers.

libsvm's time and memory grow with the square of the number of spectra.  Here the weights themselves are
sought, as many as there are features (or landmarks, for other kernels than the linear one), by looking at
the spectra a block at a time: time grows linearly, memory not at all, and spectra may stay on the disk.

The hinge, max(0, 1 - s f), has a corner that Newton's method cannot take.  It is rounded within 2 % of the
margin (Huber's hinge), so that the machine is that of libsvm at the same C, decision values differing by a
hundredth of their scatter.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, compute_class_weight

from ..errors import AgnError
from .training import Kernel, TrainedPairs, calibrate_pair, list_pairs

#: More spectra than these are trained on in the primal, where nothing else is asked for.
LARGEST_DUAL = 12_000

# Half-width of the rounded corner of the hinge, and those through which a start from nothing comes to it.
_CORNER, _ROUNDER = 0.02, (1.5, 0.3)

# Spectra looked at together: arrays of some 30 MB.
_BLOCK = 4096

# More spectra than these start from the solution of a quarter of them.
_COARSEST = 4000

# Newton's steps end where they would gain less than this share of what is minimised.
# Of machines that only give the sigmoids held-out values a hundred thousand times as much.
_LEAST_GAIN, _LEAST_GAIN_HELD, _ENOUGH, _MOST_STEPS = 1e-13, 1e-8, 1e-3, 200

# Of the landmarks' kernel matrix, eigenvalues below this share of the largest are rounding.
_LEAST_EIGENVALUE = 1e-10


def choose_solver(solver, kernel, n_samples):
    """Turn "auto" into the solver for so many spectra; AgnError for "primal" of a precomputed kernel."""
    if solver == "primal" and kernel == "precomputed":
        raise AgnError("a precomputed kernel has no features for the primal solver; choose solver='libsvm'.")
    if solver == "auto":
        return "primal" if n_samples > LARGEST_DUAL and kernel != "precomputed" else "libsvm"
    return solver


def _batches(n_rows):
    return [slice(first, min(first + _BLOCK, n_rows)) for first in range(0, n_rows, _BLOCK)]


@dataclass(frozen=True)
class Rows:
    """Spectra, in memory or mapped, of which centred blocks are taken.

    Attributes
    ----------
    X : (n_samples, n_features) array, single or double precision
    centre : (n_features,) array
        The intercept takes it up; sums are the more exact for it.
    scale : (n_features,) array
        By which features are divided.
    """

    X: np.ndarray
    centre: np.ndarray
    scale: np.ndarray

    @classmethod
    def centred(cls, X, rows=None, *, scaled=False):
        """Of all of X, by mean and, where `scaled`, standard deviation of some rows."""
        rows = np.arange(len(X)) if rows is None else rows
        # Shifted by any spectrum, sums of squares do not cancel.
        origin = X[rows[0]].astype(float)
        total, squares = np.zeros((2, X.shape[1]))
        for block in _batches(len(rows)):
            offset = X[rows[block]] - origin
            total += offset.sum(axis=0)
            if scaled:
                squares += np.einsum("ij,ij->j", offset, offset)
        mean, scale = total / len(rows), np.ones(X.shape[1])
        if scaled:
            variance = squares / len(rows) - mean**2
            scale = np.sqrt(np.where(variance > 1e-14 * squares / len(rows), variance, 1))
        return cls(X, origin + mean, scale)

    def decide(self, rows, weights):
        """Decision values (n_rows,) by weights (n_features + 1,), the last of them the intercept."""
        slopes, intercept = self.unfold(weights)
        values = np.empty(len(rows))
        for block in _batches(len(rows)):
            values[block] = self.X[rows[block]].astype(float, copy=False) @ slopes
        return values + intercept

    def add_up(self, rows, factors):
        """Sum (n_features + 1,) of factors (n_rows,) times spectra, with that of the factors behind."""
        total, number = np.zeros(self.X.shape[1]), factors.sum()
        for block in _batches(len(rows)):
            total += factors[block] @ self.X[rows[block]].astype(float, copy=False)
        return np.append((total - number * self.centre) / self.scale, number)

    def products(self, rows, factors):
        """Sum (n_features + 1, n_features + 1) of factors, not negative, times spectrum x spectrum'."""
        n_weights = self.X.shape[1] + 1
        total = np.zeros((n_weights, n_weights))
        for block in _batches(len(rows)):
            part = np.ones((block.stop - block.start, n_weights))
            np.subtract(self.X[rows[block]], self.centre, out=part[:, :-1])
            part *= np.sqrt(factors[block])[:, None]
            total += part.T @ part
        divisor = np.append(self.scale, 1.0)
        return total / divisor / divisor[:, None]

    def unfold(self, weights):
        """Weights (n_features,) and intercept for the spectra as they are."""
        slopes = weights[:-1] / self.scale
        return slopes, weights[-1] - slopes @ self.centre


class Machine:
    """The machine of one pair of classes: weights that minimise |w|² / 2 + C Σ cost hinge(1 - sign f).

    Parameters
    ----------
    spectra : Rows
    rows : (n,) array of int
        The pair's members.
    sign : (n,) array
        1 for members of the first class, -1 for the others.
    cost : (n,) array
        Factors of C; members of cost 0 are decided on only.
    """

    def __init__(self, spectra, rows, sign, cost):
        self.spectra, self.rows, self.sign, self.cost = spectra, rows, sign, cost
        self.n_iter = 0
        n_weights = spectra.X.shape[1] + 1
        self.weights, self.decision = np.zeros(n_weights), np.zeros(len(rows))
        # Spectra on the rounded corner, and the sum of their cost x spectrum x spectrum'.
        self._corner, self._products = np.zeros(len(rows), bool), np.zeros((n_weights, n_weights))

    def without(self, cost):
        """A machine that starts from this one, some costs of which are 0 now."""
        other = Machine(self.spectra, self.rows, self.sign, cost)
        other.weights, other.decision = self.weights.copy(), self.decision.copy()
        other._corner, other._products = self._corner & (cost > 0), self._products.copy()
        other._products -= self._sum_products(self._corner & (cost == 0))
        return other

    def train(self, C, *, least=_LEAST_GAIN):
        """Find the weights from where they are, until a step gains less than this share; returns self."""
        widths = (_CORNER,)
        if not self.weights.any():
            used = np.flatnonzero(self.cost > 0)
            if len(used) > _COARSEST:
                some = np.sort(np.random.default_rng(0).choice(used, len(used) // 4, replace=False))
                share = len(some) / len(used)
                few = Machine(self.spectra, self.rows[some], self.sign[some], self.cost[some] / share)
                self.weights = few.train(C).weights
                self.decision = self.spectra.decide(self.rows, self.weights)
            else:
                widths = (*_ROUNDER, _CORNER)
        for width in widths:
            self._descend(C, width, least=least if width == _CORNER else _ENOUGH)
        return self

    def multipliers(self, C):
        """What each spectrum adds to the weights, (n,): sign x cost x C, or a part of it on the corner."""
        return C * self.cost * self.sign * self._slopes(self.decision, _CORNER)

    def _slopes(self, decision, width):
        """Slope of the rounded hinge, from 0 beyond the margin to 1 within."""
        return np.clip((1 - self.sign * decision + width) / (2 * width), 0, 1)

    def _objective(self, C, width):
        gap = 1 - self.sign * self.decision
        hinge = np.where(gap > width, gap, np.clip(gap + width, 0, None) ** 2 / (4 * width))
        return 0.5 * self.weights[:-1] @ self.weights[:-1] + C * (self.cost @ hinge)

    def _descend(self, C, width, *, least):
        for _ in range(_MOST_STEPS):
            gradient, step = self._find_step(C, width)
            gain = -gradient @ step
            if gain <= least * self._objective(C, width):
                return
            along = self.spectra.decide(self.rows, step)
            length = self._find_length(C, width, step, along)
            self.weights = self.weights + length * step
            self.decision = self.decision + length * along
            self.n_iter += 1
        warnings.warn("Newton's method did not converge; scale the features.", ConvergenceWarning, 2)

    def _find_step(self, C, width):
        pull = C * self.cost * self.sign * self._slopes(self.decision, width)
        pulling = np.flatnonzero(pull)
        gradient = -self.spectra.add_up(self.rows[pulling], pull[pulling])
        gradient[:-1] += self.weights[:-1]
        corner = (np.abs(1 - self.sign * self.decision) < width) & (self.cost > 0)
        # From step to step few spectra come to the corner or leave it.
        self._products += self._sum_products(corner & ~self._corner)
        self._products -= self._sum_products(self._corner & ~corner)
        self._corner = corner
        hessian = C / (2 * width) * self._products
        hessian[np.diag_indices(len(hessian))] += 1
        # The intercept is not penalised; this keeps it finite where no spectrum is on the corner.
        hessian[-1, -1] += 1e-8 * C * self.cost.sum() - 1
        try:
            return gradient, -cho_solve(cho_factor(hessian), gradient)
        except LinAlgError:
            # Rounding of a matrix that is nearly singular.
            return gradient, -np.linalg.lstsq(hessian, gradient, rcond=None)[0]

    def _sum_products(self, chosen):
        return self.spectra.products(self.rows[chosen], self.cost[chosen])

    def _find_length(self, C, width, step, along):
        """How far along a step the minimum is, to a hundredth of the slope at its begin."""
        used = self.cost > 0
        decision, along, pull = self.decision[used], along[used], (C * self.cost * self.sign)[used]
        sign, bent, straight = self.sign[used], step[:-1] @ step[:-1], self.weights[:-1] @ step[:-1]

        def slope(length):
            slopes = np.clip((1 - sign * (decision + length * along) + width) / (2 * width), 0, 1)
            return straight + length * bent - (pull * slopes) @ along

        first, low, high = slope(0.0), 0.0, 1.0
        while (here := slope(high)) < 0 and high < 1e6:
            if abs(here) <= 0.01 * abs(first):
                return high
            low, high = high, 2 * high
        length = high
        for _ in range(60):
            here = slope(length)
            if abs(here) <= 0.01 * abs(first):
                break
            low, high = (length, high) if here < 0 else (low, length)
            length = 0.5 * (low + high)
        return length


class FeatureMap(NamedTuple):
    """Features whose dot products are a kernel's, as far as landmarks tell (Nyström's method).

    kernel : Kernel
    landmarks : (n_landmarks,) array of int, rows of the training sample
    vectors : (n_landmarks, n_features) array
    roots : (n_landmarks, n_mapped) array, of the pseudo-inverse of the landmarks' kernel matrix
    """

    kernel: Kernel
    landmarks: np.ndarray
    vectors: np.ndarray
    roots: np.ndarray

    def transform(self, X):
        """Features (n, n_mapped) of spectra (n, n_features), a block at a time, in the precision of X."""
        mapped = np.empty((len(X), self.roots.shape[1]), dtype=X.dtype)
        for block in _batches(len(X)):
            mapped[block] = self.kernel.matrix(X[block].astype(float), self.vectors) @ self.roots
        return mapped


def map_features(X, kernel, *, rows, n_landmarks, random_state):
    """Choose landmarks among rows of X at random, all where there are no more: `FeatureMap`."""
    if len(rows) > n_landmarks:
        rows = np.sort(check_random_state(random_state).choice(rows, n_landmarks, replace=False))
    vectors = X[rows].astype(float)
    values, axes = np.linalg.eigh(kernel.matrix(vectors, vectors))
    kept = values > _LEAST_EIGENVALUE * values.max()
    return FeatureMap(kernel, rows, vectors, axes[:, kept] / np.sqrt(values[kept]))


def train_primal(X, y, *, kernel, C, folds, weight, class_weight, prior, n_landmarks, random_state):
    """Train a machine and a sigmoid for every pair of classes as `train_pairs` does, in the primal.

    Parameters
    ----------
    X, y, kernel, C, folds, weight, class_weight, prior
        As for `train_pairs`; X in single or double precision, and it may be memory-mapped.
    n_landmarks : int
        Of kernels that are not linear.
    random_state : int, RandomState or None
        Draws the landmarks.

    Returns
    -------
    pairs : TrainedPairs
        With the weights; multipliers of the spectra for the linear kernel, of the landmarks for others.
    """
    feature_map = None
    if kernel.name != "linear":
        used = np.flatnonzero(weight > 0)
        feature_map = map_features(X, kernel, rows=used, n_landmarks=n_landmarks, random_state=random_state)
        X = feature_map.transform(X)
    spectra, cost, pairs = Rows.centred(X), weight * class_weight, list_pairs(y)
    found = TrainedPairs.empty(len(pairs), len(X))
    coef = np.zeros((len(pairs), X.shape[1]))
    for pair, (first, second) in enumerate(pairs):
        rows = np.flatnonzero((weight > 0) & ((y == first) | (y == second)))
        sign = np.where(y[rows] == first, 1.0, -1.0)
        machine = Machine(spectra, rows, sign, cost[rows]).train(C)
        held_out = np.empty(len(rows))
        for train, held in folds:
            used = np.isin(rows, train, assume_unique=True)
            part = machine.without(np.where(used, machine.cost, 0)).train(C, least=_LEAST_GAIN_HELD)
            is_held = np.isin(rows, held, assume_unique=True)
            held_out[is_held] = part.decision[is_held]
        found.sigmoids[pair] = calibrate_pair(
            held_out, sign > 0, weight[rows], class_weight[rows] if prior == "weighted" else None
        )
        found.dual_coef[pair, rows] = machine.multipliers(C)
        found.n_iter[pair] = machine.n_iter
        coef[pair], found.intercept[pair] = spectra.unfold(machine.weights)
    if feature_map is None:
        return found._replace(coef=coef)
    found.dual_coef[:] = 0
    found.dual_coef[:, feature_map.landmarks] = coef @ feature_map.roots.T
    return found


def decide_along(
    X, y, train, held, *, kernel, costs, class_weight, scaled=False, n_landmarks=1000, random_state=0
):
    """Decision values of held-out spectra for increasing C, each machine starting from the one before.

    Parameters
    ----------
    X : (n_samples, n_features) array, single or double precision; it may be memory-mapped
    y : (n_samples,) int array
        Classes from 0 on, all of which are among `train`.
    train, held : arrays of row numbers
    kernel : Kernel
    costs : (n_costs,) array, increasing
    class_weight : dict, "balanced" or None
    scaled : bool
        Standardise the features by the training part.
    n_landmarks : int
        Of kernels that are not linear.
    random_state : int
        Draws them.

    Returns
    -------
    (n_costs, n_held, n_pairs) array
        Positive for the first class of the pair.
    """
    factors = compute_class_weight(class_weight, classes=np.arange(y.max() + 1), y=y[train])
    spectra = Rows.centred(X, train, scaled=scaled)
    if kernel.name != "linear":
        rows = np.concatenate([train, held])
        X, y = ((X[rows] - spectra.centre) / spectra.scale).astype(X.dtype) if scaled else X[rows], y[rows]
        train, held = np.arange(len(train)), np.arange(len(train), len(rows))
        features = map_features(X, kernel, rows=train, n_landmarks=n_landmarks, random_state=random_state)
        spectra = Rows.centred(features.transform(X), train)
    pairs = list_pairs(y)
    decision = np.empty((len(costs), len(held), len(pairs)))
    for pair, (first, second) in enumerate(pairs):
        rows = train[(y[train] == first) | (y[train] == second)]
        machine = Machine(spectra, rows, np.where(y[rows] == first, 1.0, -1.0), factors[y[rows]])
        for number, C in enumerate(costs):
            weights = machine.train(C, least=_LEAST_GAIN_HELD).weights
            decision[number, :, pair] = spectra.decide(held, weights)
    return decision
