"""Probabilities averaged over what was not observed of a spectrum, and by other samples to train on."""

import hashlib
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp
from scipy.stats import qmc
from sklearn.base import clone

from ..errors import AgnError
from .coupling import couple_pairs
from .gradients import linear_weights, pair_decisions, unwrap_estimator

# Points at which decision values of a linear kernel are averaged, and draws of a spectrum for other kernels.
_N_NODES = 128

_N_DRAWS = 64

# Spectra worked on together, and draws of spectra: arrays of some 30 MB.
_BATCH = 256

_BATCH_DRAWS = 2**22


class Marginal(NamedTuple):
    """What a classifier makes of spectra after what was observed of them.

    Attributes
    ----------
    flux : (n_spectra, n_grid) array
        Completed spectra: what the classifier sees.
    log_proba : (n_spectra, n_classes) array
        Logarithm of the probabilities' mean over all that was not observed may have been.
    log_odds_error : (n_spectra,) array
        Standard deviation that it leaves in the log odds of the most probable class; 0 without gaps.
    """

    flux: np.ndarray
    log_proba: np.ndarray
    log_odds_error: np.ndarray


def marginal_proba(estimator, completion, X, ivar, *, random_state=0):
    """Complete spectra, and average their probabilities over what was not observed.

    Parameters
    ----------
    estimator : fitted classifier
        With `predict_log_proba`.
    completion : SpectrumCompleter
    X, ivar : (n_spectra, n_grid) arrays
        Fluxes and inverse variances, 0 where not observed.
    random_state : int
        Seed of the draws for kernels that are not linear; those of a spectrum depend on it and on what was
        observed of that spectrum alone.

    Returns
    -------
    Marginal
        Spectra without gaps have exactly the probabilities of `predict_log_proba`.

    Notes
    -----
    The decision values of a linear kernel are normally distributed with the covariance w C w', C that of the
    unobserved fluxes.  They are averaged over fixed points that have exactly that covariance.  For other
    kernels spectra are drawn.
    """
    rows = np.flatnonzero((ivar == 0).any(axis=1))
    weights, flux, errors = linear_weights(estimator), np.array(X, dtype=float), np.zeros(len(X))
    average = _average_draws if weights is None else _average_decisions
    found = []
    for part in np.split(rows, range(_BATCH, len(rows), _BATCH)) if len(rows) else []:
        given = completion.condition(flux[part], ivar[part])
        flux[part] = given.flux
        found.append(average(estimator, completion.components_, given, weights, random_state))
    # All at once, as without gaps: the last bit of a matrix product depends on the matrix's shape.
    log_proba = estimator.predict_log_proba(flux)
    if found:
        values = np.concatenate(found)
        log_proba[rows] = logsumexp(values, axis=1) - np.log(values.shape[1])
        errors[rows] = _log_odds(values, log_proba[rows].argmax(axis=1)).std(axis=1)
    return Marginal(flux, log_proba, errors)


def _average_decisions(estimator, components, given, weights, random_state):
    """Log-probabilities (m, n_nodes, n_classes) at the nodes of the decision values of a linear kernel."""
    n_pairs = len(weights)
    covariance = given.project(weights, components)
    variance, axes = np.linalg.eigh(covariance)
    root = axes * np.sqrt(np.maximum(variance, 0))[:, None]
    decisions = pair_decisions(estimator, given.flux)[:, None] + _nodes(n_pairs) @ root.transpose(0, 2, 1)
    classifier = unwrap_estimator(estimator)[1]
    log_proba = classifier.log_proba_of_decisions(decisions.reshape(-1, n_pairs))
    return log_proba.reshape(*decisions.shape[:2], -1)


def _average_draws(estimator, components, given, weights, random_state):
    """Log-probabilities (m, n_draws, n_classes) of spectra drawn for what was not observed."""
    n_components, n_grid = components.shape
    found = []
    step = max(1, _BATCH_DRAWS // (_N_DRAWS * n_grid))
    for first in range(0, len(given.flux), step):
        flux, unobserved, precision, variance = (array[first : first + step] for array in given)
        # precision = L L', so that (L')⁻¹ is a root of its inverse.
        root = np.linalg.inv(np.linalg.cholesky(precision)).transpose(0, 2, 1)
        # The last bits of completed fluxes are not always the same.
        seen = np.where(unobserved, 0, flux)
        normal = draw_normal(seen, (_N_DRAWS, n_components + n_grid), random_state)
        spectra = (normal[..., :n_components] @ root.transpose(0, 2, 1)) @ components
        spectra += normal[..., n_components:] * np.sqrt(variance)[:, None]
        spectra = flux[:, None] + spectra * unobserved[:, None]
        log_proba = estimator.predict_log_proba(spectra.reshape(-1, n_grid))
        found.append(log_proba.reshape(len(flux), _N_DRAWS, -1))
    return np.concatenate(found)


@lru_cache
def _nodes(n_dimensions):
    """Points (n_nodes, n_dimensions) with exactly the mean and covariance of the standard normal one."""
    half = qmc.MultivariateNormalQMC(np.zeros(n_dimensions), seed=0).random(_N_NODES // 2)
    nodes = np.concatenate([half, -half])
    return nodes @ np.linalg.inv(np.linalg.cholesky(nodes.T @ nodes / len(nodes))).T


def _log_odds(log_proba, column):
    """Log odds (m, n_draws) of the class in `column` (m,) by log-probabilities (m, n_draws, n_classes)."""
    of_class = np.take_along_axis(log_proba, column[:, None, None], axis=2)
    others = log_proba.copy()
    np.put_along_axis(others, column[:, None, None], -np.inf, axis=2)
    return of_class[..., 0] - logsumexp(others, axis=2)


def draw_normal(X, shape, seed):
    """Standard normal numbers (n_spectra, *shape); each spectrum's flux is part of its seed."""
    draws = np.empty((len(X), *shape))
    for spectrum, out in zip(X, draws):
        digest = hashlib.blake2b(spectrum.tobytes(), digest_size=16).digest()
        sequence = np.random.SeedSequence([seed, int.from_bytes(digest, "little")])
        np.random.Generator(np.random.SFC64(sequence)).standard_normal(out=out)
    return draws


def train_ensemble(estimator, samples):
    """Train a linear classifier on several samples, and keep what tells its probabilities.

    Parameters
    ----------
    estimator : ProbabilisticSVC or Pipeline that ends in one
        Copies of it are fitted, not itself.
    samples : iterable of (X, y)
        Fluxes (n_spectra, n_grid) and labels of independent surveys, all of the same classes; taken one by
        one, so that only one need be in memory.

    Returns
    -------
    dict of arrays
        For each sample: ``weights`` (n_samples, n_pairs, n_grid) and ``intercepts`` (n_samples, n_pairs) of
        the pairs of classes, ``sigmoids`` (n_samples, n_pairs, 2); and ``classes``.

    Raises
    ------
    AgnError
        For no samples, other classes in one than in another, or a kernel that is not linear.
    """
    members = [clone(estimator).fit(X, y) for X, y in samples]
    if not members:
        raise AgnError("an ensemble needs at least one sample to train on; got none.")
    classes = members[0].classes_
    for member in members:
        if not np.array_equal(member.classes_, classes):
            raise AgnError(
                f"all samples of an ensemble must have the classes {', '.join(map(str, classes))}; got "
                f"{', '.join(map(str, member.classes_))}. Make the samples larger."
            )
    weights = [linear_weights(member) for member in members]
    if any(weight is None for weight in weights):
        raise AgnError("an ensemble is of linear kernels; got another one. Leave the ensemble out.")
    origin = np.zeros((1, members[0].n_features_in_))
    return {
        "classes": np.asarray(classes),
        "weights": np.stack(weights),
        "intercepts": np.concatenate([pair_decisions(member, origin) for member in members]),
        "sigmoids": np.stack([unwrap_estimator(member)[1].sigmoids_ for member in members]),
    }


def ensemble_log_proba(ensemble, X):
    """Log-probabilities by each classifier of an ensemble.

    Parameters
    ----------
    ensemble : dict of arrays
        From `train_ensemble`.
    X : (n_spectra, n_grid) array

    Returns
    -------
    (n_members, n_spectra, n_classes) array
    """
    n_classes = len(ensemble["classes"])
    parts = zip(ensemble["weights"], ensemble["intercepts"], ensemble["sigmoids"])
    decisions = [(X @ weights.T + intercept, sigmoids) for weights, intercept, sigmoids in parts]
    return np.stack(
        [
            couple_pairs(-(decision * sigmoids[:, 0] + sigmoids[:, 1]), n_classes)
            for decision, sigmoids in decisions
        ]
    )
