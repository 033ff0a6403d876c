"""The exact gradient of a log-probability, carried through a pipeline of affine steps by the chain rule."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler


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
    if hasattr(estimator, "log_proba_gradient"):
        return estimator.log_proba_gradient(X, target)
    if not isinstance(estimator, Pipeline):
        raise ValueError(
            "the exact gradient needs a ProbabilisticSVC, or a Pipeline that ends in one; "
            f"got {type(estimator).__name__}. Use a numerical gradient instead."
        )
    transformer, classifier = estimator[:-1], estimator[-1]
    gradient = log_proba_gradient(classifier, transformer.transform(X) if len(transformer) else X, target)
    return _pull_back(gradient, transformer)


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
        "Use a numerical gradient instead."
    )
