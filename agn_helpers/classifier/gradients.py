"""Exact gradients of log-probabilities and margins, carried through a pipeline by the chain rule."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from ..errors import AgnError


def unwrap_estimator(estimator):
    """Take a pipeline apart.

    Parameters
    ----------
    estimator : fitted classifier or Pipeline
        Pipelines may hold pipelines.

    Returns
    -------
    steps : list of transformers
        In order, without those that pass everything through.
    classifier
        What comes last.
    """
    *steps, classifier = _flatten(estimator)
    return steps, classifier


def _flatten(step):
    if isinstance(step, Pipeline):
        return [each for _, inner in step.steps for each in _flatten(inner)]
    return [] if step is None or step == "passthrough" else [step]


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
    AgnError
        For any other estimator or step, and for a target that is no class.
    """
    return _differentiate(estimator, X, "log_proba_gradient", target)


def pair_decisions(estimator, X):
    """Decision values of all pairs of classes, (n_samples, n_pairs); None for other estimators.

    The pairs of `ProbabilisticSVC.pair_decisions`; estimators as in `log_proba_gradient`.
    """
    steps, classifier = unwrap_estimator(estimator)
    return classifier.pair_decisions(_transform(X, steps)) if hasattr(classifier, "pair_decisions") else None


def pair_gradient(estimator, X, weights):
    """Exact gradient of the sum over pairs of weights x decision values, like X.

    weights : (n_samples, n_pairs) array
    Raises AgnError for estimators that `log_proba_gradient` refuses.
    """
    return _differentiate(estimator, X, "pair_gradient", weights)


def linear_weights(estimator):
    """Weights of the pairs' decision values, (n_pairs, n_features); None where these are not linear in X."""
    steps, classifier = unwrap_estimator(estimator)
    is_linear = hasattr(classifier, "log_proba_by_decision") and classifier.kernel == "linear"
    return _pull_back(classifier.coef_, steps) if is_linear else None


def _differentiate(estimator, X, method, argument):
    steps, classifier = unwrap_estimator(estimator)
    if not hasattr(classifier, method):
        raise AgnError(
            "the exact gradient needs a ProbabilisticSVC, or a Pipeline that ends in one; got "
            f"{type(classifier).__name__}. finite_difference, occlusion and lime need no gradient."
        )
    return _pull_back(getattr(classifier, method)(_transform(X, steps), argument), steps)


def _transform(X, steps):
    for step in steps:
        X = step.transform(X)
    return X


def _pull_back(gradient, steps):
    """Multiply `gradient` (n, n_out) by the Jacobian of affine steps: (n, n_in)."""
    for step in reversed(steps):
        if isinstance(step, StandardScaler):
            gradient = gradient if step.scale_ is None else gradient / step.scale_
        elif isinstance(step, PCA):
            if step.whiten:
                # The same floor as in PCA.transform.
                spread = np.sqrt(step.explained_variance_)
                gradient = gradient / np.maximum(spread, np.finfo(spread.dtype).eps)
            gradient = gradient @ step.components_
        else:
            raise AgnError(
                f"the exact gradient passes through StandardScaler and PCA only; got {type(step).__name__}. "
                "finite_difference, occlusion and lime need no gradient."
            )
    return gradient
