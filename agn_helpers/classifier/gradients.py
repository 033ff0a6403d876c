"""Exact gradients of log-probabilities and margins, carried through a pipeline by the chain rule."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from ..errors import AgnError


def log_proba_gradient(estimator, X, target=None):
    """Exact gradient of the log-probability of a class by the features, through a pipeline.

    Parameters
    ----------
    estimator : ProbabilisticSVC or Pipeline
        A fitted classifier, or a fitted pipeline of affine steps (StandardScaler, PCA, "passthrough",
        pipelines of these) that ends in one.
    X : (n_samples, n_features) array
        What the estimator takes: unscaled fluxes for a pipeline that scales.
    target : label, (n_samples,) array of labels, or None
        None: the predicted class of each sample.

    Returns
    -------
    gradient : (n_samples, n_features) array
        d log p_target / d X.

    Raises
    ------
    ValueError
        For any other estimator or step, and for a target that is no class.
    """
    return _through_pipeline(estimator, X, "log_proba_gradient", target)


def pair_decisions(estimator, X):
    """Decision values of all pairs of classes, (n_samples, n_pairs); None for other estimators.

    The pairs of `ProbabilisticSVC.pair_decisions`; estimators as in `log_proba_gradient`.
    """
    if hasattr(estimator, "pair_decisions"):
        return estimator.pair_decisions(X)
    if not isinstance(estimator, Pipeline):
        return None
    transformer, classifier = estimator[:-1], estimator[-1]
    return pair_decisions(classifier, transformer.transform(X) if len(transformer) else X)


def pair_gradient(estimator, X, weights):
    """Exact gradient of the sum over pairs of weights x decision values, like X.

    weights : (n_samples, n_pairs) array
    Raises ValueError for estimators that `log_proba_gradient` refuses.
    """
    return _through_pipeline(estimator, X, "pair_gradient", weights)


def linear_weights(estimator):
    """Weights of the pairs' decision values, (n_pairs, n_features); None where these are not linear in X."""
    if not isinstance(estimator, Pipeline):
        is_svc = hasattr(estimator, "log_proba_by_decision") and estimator.kernel == "linear"
        return estimator.coef_ if is_svc else None
    weights = linear_weights(estimator[-1])
    return None if weights is None else _pull_back(weights, estimator[:-1])


def _through_pipeline(estimator, X, method, argument):
    if hasattr(estimator, method):
        return getattr(estimator, method)(X, argument)
    if not isinstance(estimator, Pipeline):
        raise AgnError(
            "the exact gradient needs a ProbabilisticSVC, or a Pipeline that ends in one; got "
            f"{type(estimator).__name__}. finite_difference, occlusion and lime need no gradient."
        )
    transformer, classifier = estimator[:-1], estimator[-1]
    features = transformer.transform(X) if len(transformer) else X
    return _pull_back(_through_pipeline(classifier, features, method, argument), transformer)


def _pull_back(gradient, step):
    """Multiply `gradient` (n, n_out) by the Jacobian of an affine step: (n, n_in)."""
    if isinstance(step, Pipeline):
        for _, inner in reversed(step.steps):
            gradient = _pull_back(gradient, inner)
        return gradient
    if step is None or step == "passthrough":
        return gradient
    if isinstance(step, StandardScaler):
        return gradient if step.scale_ is None else gradient / step.scale_
    if isinstance(step, PCA):
        if step.whiten:
            # The same floor as in PCA.transform.
            spread = np.sqrt(step.explained_variance_)
            gradient = gradient / np.maximum(spread, np.finfo(spread.dtype).eps)
        return gradient @ step.components_
    raise ValueError(
        f"the exact gradient passes through StandardScaler and PCA only; got {type(step).__name__}. "
        "finite_difference, occlusion and lime need no gradient."
    )
