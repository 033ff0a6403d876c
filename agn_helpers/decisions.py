"""Decision values of the trained machines, and exact gradients through kernels, sigmoids and coupling."""

import numpy as np
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted, validate_data

from .checks import encode_target
from .coupling import couple_pairs_gradient
from .errors import AgnError

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

    def pair_decisions(self, X):
        """Decision values of the machines, (n_samples, n_pairs); positive for the first class of the pair."""
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
        ValueError
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
        """Derivatives of the log-probability of a class by the pairs' decision values.

        Parameters
        ----------
        decision : (n_samples, n_pairs) array
            As `pair_decisions` returns them.
        index : (n_samples,) int array, optional
            The class's place in `classes_`; the most probable one by default.

        Returns
        -------
        derivatives : (n_samples, n_pairs) array
        """
        by_log_odds = couple_pairs_gradient(self._log_odds(decision), index, len(self.classes_))
        return -self.sigmoids_[:, 0] * by_log_odds

    def pair_gradient(self, X, weights):
        """Exact gradient of a weighted sum of decision values by the features.

        Parameters
        ----------
        X : (n_samples, n_features) array
        weights : (n_samples, n_pairs) array
            Factors of the decision values of `pair_decisions`.

        Returns
        -------
        gradient : (n_samples, n_features) array

        Raises
        ------
        ValueError
            For a precomputed kernel, which has no features.
        """
        X = self._validate(X)
        gradient = np.empty(X.shape)
        for chunk, part, _ in self._chunks(X):
            self._pull_back(part, weights[chunk], out=gradient[chunk])
        return gradient
