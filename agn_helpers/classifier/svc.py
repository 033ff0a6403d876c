"""ProbabilisticSVC: a support vector classifier with calibrated probabilities and exact gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted, validate_data

from ..errors import AgnError
from .coupling import couple_pairs, couple_pairs_gradient
from .primal import choose_solver, train_primal
from .training import Kernel, train_pairs
from .validation import (
    check_features,
    check_parameters,
    check_weight,
    encode_classes,
    encode_target,
    resolve_gamma,
    split_folds,
)

# Float64 elements of the largest temporary array at prediction: 128 MiB.
_CHUNK_ELEMENTS = 2**24


class PairDecisions:
    """What a fitted ProbabilisticSVC makes of spectra before and after it calls them probabilities.

    A part of `ProbabilisticSVC`, on whose fitted attributes it works.
    """

    def _validate(self, X):
        check_is_fitted(self)
        return validate_data(self, X, dtype=[np.float64, np.float32], reset=False)

    def _chunks(self, X):
        """Yield slices of X and its decision values (n, n_pairs), a bounded number of rows at a time."""
        rows = max(1, _CHUNK_ELEMENTS // max(X.shape[1], len(self.support_)))
        for chunk in gen_batches(len(X), rows):
            part = X[chunk].astype(np.float64, copy=False)
            if self._kernel.name == "linear":
                decision = part @ self.coef_.T
            elif self._kernel.name == "precomputed":
                decision = part[:, self.support_] @ self.dual_coef_.T
            else:
                decision = self._kernel.matrix(part, self.support_vectors_) @ self.dual_coef_.T
            yield chunk, part, decision + self.intercept_

    def _pull_back(self, part, weights, out):
        """Write the gradient by X of the sum over pairs of weights (n, n_pairs) times decision values."""
        if self._kernel.name == "precomputed":
            raise AgnError("a precomputed kernel has no features to differentiate by; use another kernel.")
        if self._kernel.name == "linear":
            np.matmul(weights, self.coef_, out=out)
        else:
            out[:] = self._kernel.gradient(part, self.support_vectors_, weights @ self.dual_coef_)

    def _log_odds(self, decision):
        return -(decision * self.sigmoids_[:, 0] + self.sigmoids_[:, 1])

    def log_proba_of_decisions(self, decision):
        """Log-probabilities (n_samples, n_classes) by the pairs' decision values (n_samples, n_pairs)."""
        return couple_pairs(self._log_odds(decision), len(self.classes_))

    def pair_decisions(self, X):
        """Decision values of the pairs, (n_samples, n_pairs); positive for the first class of the pair."""
        X = self._validate(X)
        return np.concatenate([decision for _, _, decision in self._chunks(X)])

    def log_proba_gradient(self, X, target=None):
        """Exact gradient of the log-probability of a class by the features.

        Parameters
        ----------
        X : (n_samples, n_features) array
        target : label, (n_samples,) array of labels, or None
            The class whose probability is differentiated; None: the predicted class of each sample.

        Returns
        -------
        gradient : (n_samples, n_features) array
            d log p_target / d X.

        Raises
        ------
        AgnError
            For a target that is no class, or a precomputed kernel, which has no features.
        """
        X = self._validate(X)
        index = None if target is None else encode_target(target, self.classes_, len(X))
        gradient = np.empty(X.shape)
        for chunk, part, decision in self._chunks(X):
            weights = self.log_proba_by_decision(decision, None if index is None else index[chunk])
            self._pull_back(part, weights, out=gradient[chunk])
        return gradient

    def log_proba_by_decision(self, decision, index=None):
        """Derivatives (n_samples, n_pairs) of the log-probability of a class by decision values like these.

        index : (n_samples,) places of the classes in `classes_`; the most probable ones by default
        """
        by_log_odds = couple_pairs_gradient(self._log_odds(decision), index, len(self.classes_))
        return -self.sigmoids_[:, 0] * by_log_odds

    def pair_gradient(self, X, weights):
        """Exact gradient (n_samples, n_features) of the sum over pairs of weights x decision values."""
        X = self._validate(X)
        gradient = np.empty(X.shape)
        for chunk, part, _ in self._chunks(X):
            self._pull_back(part, weights[chunk], out=gradient[chunk])
        return gradient


class ProbabilisticSVC(PairDecisions, ClassifierMixin, BaseEstimator):
    """Support vector classifier whose class probabilities are calibrated and differentiable in closed form.

    One soft-margin SVM a pair of classes (libsvm, through `sklearn.svm.SVC`, or, of many spectra, Newton's
    method on the weights), a Platt sigmoid a pair, fitted on decision values of held-out folds, and the pairs
    coupled by the second method of Wu, Lin & Weng.

    Parameters
    ----------
    C : float, default=1.0
        Penalty of margin violations, positive.
    kernel : {"linear", "rbf", "poly", "precomputed"}, default="rbf"
        With "precomputed", X is the Gram matrix in `fit` and K(X_test, X_train) afterwards.
    degree : int, default=3
        Degree of the polynomial kernel, at least 1.
    gamma : "scale", "auto" or float, default="scale"
        Kernel coefficient, positive; the words mean the same as in `sklearn.svm.SVC`.
    coef0 : float, default=0.0
        Constant of the polynomial kernel.
    class_weight : dict, "balanced" or None, default=None
        Factors of C, counted over the whole problem as SVC does (not over a pair).  A dict names every class.
    prior : {"weighted", "sample"}, default="weighted"
        Which population the probabilities describe: the sample with `class_weight` applied, so that a class
        of more weight is also predicted more often, as by SVC; or the sample as it is: `class_weight` then
        shapes the SVMs only.
    cv : int, splitter, or iterable of (train, test) rows, default=5
        Inner folds that give the sigmoids their decision values; a number means stratified ones, at least 2.
        Each sample is held out once.
    solver : {"auto", "libsvm", "primal"}, default="auto"
        "libsvm" seeks the multipliers of the spectra; its time and memory grow with their number squared.
        "primal" seeks the weights, in time that grows with their number; X may be memory-mapped, in single
        precision, and of any length.  Its hinge has a corner rounded within 2 % of the margin, so that
        decision values differ by a hundredth of their scatter; kernels that are not linear are
        those of `n_landmarks` spectra (Nyström's method).  "auto" is "libsvm" for up to 12 000 spectra and
        for precomputed kernels.
    n_landmarks : int, default=1000
        Spectra whose kernel functions "primal" combines for rbf and poly; all where there are no more.
    tol : float, default=1e-9
        Stopping tolerance of libsvm; costs little beside the kernel, and at SVC's 1e-3 the third digit of the
        decision values is chance.
    decision_function_shape : {"ovr", "ovo"}, default="ovr"
        What `decision_function` returns.
    random_state : int, RandomState or None, default=None
        Shuffles the inner folds.

    Attributes
    ----------
    classes_, class_weight_ : (n_classes,) arrays
    support_ : (n_support,) int array
        Rows of the training set that support any pair.
    dual_coef_ : (n_pairs, n_support) array
    support_vectors_ : (n_support, n_features) array
        Kernels rbf and poly; the landmarks for the primal solver.
    coef_ : (n_pairs, n_features) array
        Weights; linear kernel, which keeps no support vectors.
    solver_ : {"libsvm", "primal"}
        The one that was used.
    intercept_ : (n_pairs,) array
    sigmoids_ : (n_pairs, 2) array
        Slope and offset: r_ij = 1 / (1 + exp(slope f_ij + offset)).
    n_iter_ : (n_pairs,) int array
        Iterations of libsvm, steps of Newton's method.

    Notes
    -----
    Pairs (i, j), i < j, come in the order (0, 1), (0, 2), …, (1, 2), …; f_ij > 0 speaks for class i.
    Class and sample weights multiply C, as in SVC.  A sample of weight 2 counts as two samples.

    References
    ----------
    Platt 1999, Advances in Large Margin Classifiers, 61; Lin, Lin & Weng 2007, Machine Learning 68, 267;
    Wu, Lin & Weng 2004, JMLR 5, 975; Baehrens et al. 2010, JMLR 11, 1803 (gradients as explanations);
    Chapelle 2007, Neural Computation 19, 1155 (Newton's method in the primal); Williams & Seeger 2001,
    NIPS 13, 682 (Nyström's method).

    Examples
    --------
    >>> import numpy as np
    >>> from agn_helpers.classifier import ProbabilisticSVC
    >>> X = np.linspace(-1, 1, 40)[:, None]
    >>> model = ProbabilisticSVC(kernel="linear", random_state=0).fit(X, X[:, 0] > 0)
    >>> bool(model.log_proba_gradient([[0.1]], target=True)[0, 0] > 0)
    True
    """

    def __init__(
        self,
        C: float = 1.0,
        *,
        kernel: str = "rbf",
        degree: int = 3,
        gamma: str | float = "scale",
        coef0: float = 0.0,
        class_weight: Mapping | str | None = None,
        prior: str = "weighted",
        cv: Any = 5,
        solver: str = "auto",
        n_landmarks: int = 1000,
        tol: float = 1e-09,
        decision_function_shape: str = "ovr",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.C = C
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.class_weight = class_weight
        self.prior = prior
        self.cv = cv
        self.solver = solver
        self.n_landmarks = n_landmarks
        self.tol = tol
        self.decision_function_shape = decision_function_shape
        self.random_state = random_state

    def __sklearn_tags__(self):
        """Say that a precomputed kernel is cut along both axes in cross-validation."""
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.kernel == "precomputed"
        return tags

    def fit(self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None) -> Self:
        """Fit an SVM and a sigmoid for every pair of classes.

        Parameters
        ----------
        X : (n_samples, n_features) array, or (n_samples, n_samples) Gram matrix
        y : (n_samples,) array of labels
        sample_weight : (n_samples,) array, optional
            Factors of C, not negative.

        Returns
        -------
        self

        Raises
        ------
        AgnError
            For a parameter out of its range, NaN or constant features, one class only, a class with fewer
            members than folds, a `class_weight` dict that lacks a class.
        """
        check_parameters(self)
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        self.solver_ = choose_solver(self.solver, self.kernel, len(X))
        if self.solver_ == "libsvm":
            X = X.astype(np.float64, copy=False)
        weight = check_weight(sample_weight, len(X))
        self.classes_, encoded, self.class_weight_ = encode_classes(
            y, weight, class_weight=self.class_weight, shape=X.shape
        )
        check_features(X, self.kernel)
        gamma = 1.0 if self.kernel == "linear" else resolve_gamma(self.gamma, X, weight)
        self._kernel = Kernel(self.kernel, gamma, int(self.degree), float(self.coef0))
        folds = split_folds(
            self.cv, X, encoded, weight, classes=self.classes_, random_state=self.random_state
        )
        options = {
            "kernel": self._kernel,
            "C": self.C,
            "folds": folds,
            "weight": weight,
            "class_weight": self.class_weight_[encoded],
            "prior": self.prior,
        }
        if self.solver_ == "libsvm":
            pairs = train_pairs(X, encoded, tol=self.tol, **options)
        else:
            options |= {"n_landmarks": self.n_landmarks, "random_state": self.random_state}
            pairs = train_primal(X, encoded, **options)
        self.intercept_, self.sigmoids_, self.n_iter_ = pairs.intercept, pairs.sigmoids, pairs.n_iter
        self.support_ = np.flatnonzero(pairs.dual_coef.any(axis=0))
        self.dual_coef_ = pairs.dual_coef[:, self.support_]
        if self.kernel == "linear":
            self.coef_ = self.dual_coef_ @ X[self.support_] if pairs.coef is None else pairs.coef
        elif self.kernel != "precomputed":
            self.support_vectors_ = X[self.support_].astype(np.float64, copy=False)
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Scores of the classes, or decision values of the pairs.

        Parameters
        ----------
        X : (n_samples, n_features) array, or (n_samples, n_training_samples) kernel values

        Returns
        -------
        scores : array
            With ``decision_function_shape="ovo"`` the decision values of the pairs, (n_samples, n_pairs),
            as `SVC` gives them; with "ovr" the classes' log-probabilities, (n_samples, n_classes), which
            unlike SVC's scores are smooth and agree with `predict`.  For two classes (n_samples,), positive
            for the second: the decision value ("ovo") or the log-odds ("ovr").
        """
        check_is_fitted(self)
        if self.decision_function_shape == "ovo" or len(self.classes_) == 2:
            values = self.pair_decisions(X)
            if self.decision_function_shape == "ovr":
                values = self._log_odds(values)
            return values if len(self.classes_) > 2 else -values[:, 0]
        return self.predict_log_proba(X)

    def predict_log_proba(self, X: np.ndarray) -> np.ndarray:
        """Natural logarithms of the class probabilities, (n_samples, n_classes); columns as `classes_`."""
        X = self._validate(X)
        log_proba = np.empty((len(X), len(self.classes_)))
        for chunk, _, decision in self._chunks(X):
            log_proba[chunk] = self.log_proba_of_decisions(decision)
        return log_proba

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Class probabilities, (n_samples, n_classes); columns as `classes_`."""
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Labels of the most probable classes, (n_samples,)."""
        most_probable = self.predict_log_proba(X).argmax(axis=1)
        return self.classes_[most_probable]
