"""Types and probabilities of new spectra, by a model that was trained before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import compress, islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from astropy.table import Table, vstack

from ..lines import AGN_TYPES
from ..reduction import reduce_spectra, sample_arrays
from ..spectra import Rejected

if TYPE_CHECKING:
    from ..spectra import ObservedSpectrum
    from .model import TrainedModel


class Classified(NamedTuple):
    """What became of some spectra.

    Attributes
    ----------
    table : astropy.table.Table
        A row a classified spectrum, see `predict_types`.
    rejected : astropy.table.Table
        ``name, file, reason``.
    sample : astropy.table.Table
        The reduced spectra, row by row those of `table`.
    """

    table: Table
    rejected: Table
    sample: Table


def classify_spectra(
    spectra: Iterable[ObservedSpectrum | Rejected], model: TrainedModel, *, chunk_size: int = 256
) -> Iterator[Classified]:
    """Reduce spectra as the model's own were, and classify them, a chunk at a time.

    Parameters
    ----------
    spectra : iterable of ObservedSpectrum or Rejected
        Any number: only a chunk of them is in memory at once.  Labels are not looked at.
    model : TrainedModel
        Its grid and normalisation are used.
    chunk_size : int
        Number of spectra reduced and classified together.

    Yields
    ------
    Classified
        One for each chunk, in the order of `spectra`.
    """
    spectra = iter(spectra)
    while chunk := list(islice(spectra, chunk_size)):
        # The origin of any of them is said of all, lest simulated spectra pass for others.
        surveys = {
            spectrum.meta.get("survey", "unknown") for spectrum in chunk if not isinstance(spectrum, Rejected)
        }
        sample, rejected = reduce_spectra(
            chunk,
            grid=model.grid,
            normalisation=model.normalisation,
            survey=", ".join(sorted(map(str, surveys))),
        )
        yield Classified(predict_types(sample, model), rejected, sample)


def predict_types(sample, model):
    """Types and probabilities of a reduced sample.

    Parameters
    ----------
    sample : astropy.table.Table
        As from `agn_helpers.reduction.reduce_spectra`, on the model's grid.
    model : TrainedModel
        Its estimator must have `predict_log_proba`; any of the three types that it was not trained on has
        probability 0.

    Returns
    -------
    astropy.table.Table
        ``name, redshift, p_type1, p_intermediate, p_type2, predicted, snr``, a row a spectrum; then, where
        the model's extras hold what tells them, ``prediction_set`` (its types joined by |, "" for none),
        ``novelty`` (in units of its threshold) and ``unlike_training`` (novelty above 1).
    """
    model.check_sample(sample)
    X, _ = sample_arrays(sample)
    classes = model.estimator.classes_
    # scikit-learn's estimators refuse to predict nothing.
    log_proba = model.estimator.predict_log_proba(X) if len(X) else np.empty((0, len(classes)))
    probability = dict.fromkeys(AGN_TYPES, np.zeros(len(X))) | dict(zip(classes, np.exp(log_proba).T))
    types = np.array(list(AGN_TYPES))
    table = Table({"name": sample["name"], "redshift": sample["redshift"]})
    for agn_type in AGN_TYPES.values():
        table[f"p_{agn_type.key}"] = probability[agn_type.name]
    table["predicted"] = types[np.argmax([probability[name] for name in types], axis=0)]
    table["snr"] = sample["snr"]
    if sets := model.extras.get("prediction_sets"):
        inside = dict(zip(classes, sets.predict(log_proba).T))
        names = [name for name in AGN_TYPES if name in inside]
        rows = np.stack([inside[name] for name in names], axis=1)
        table["prediction_set"] = np.array(["|".join(compress(names, row)) for row in rows], dtype=str)
    if detector := model.extras.get("novelty"):
        table["novelty"] = detector.novelty(X, np.asarray(sample["ivar"]))
        table["unlike_training"] = table["novelty"] > 1
    table.meta["survey"] = sample.meta["survey"]
    return table


def join_parts(parts, model, *, run=None):
    """Put the chunks of `classify_spectra` together.

    Parameters
    ----------
    parts : sequence of Classified
        At least one; their samples are not looked at.
    model : TrainedModel
        What classified them.
    run : str, optional
        The model's run.

    Returns
    -------
    table, rejected : astropy.table.Table
        As in `Classified`, with ``survey`` (of the spectra), ``run``, ``model_survey`` (that the model was
        trained on) and ``model_version`` in their meta.
    """
    table, rejected = (
        vstack([getattr(part, name) for part in parts], metadata_conflicts="silent")
        for name in ("table", "rejected")
    )
    surveys = {name for part in parts if len(part.table) for name in part.table.meta["survey"].split(", ")}
    for part in (table, rejected):
        part.meta = {
            "survey": ", ".join(sorted(surveys)) or "unknown",
            **({} if run is None else {"run": run}),
            "model_survey": model.survey,
            "model_version": str(model.meta["package_version"]),
        }
    return table, rejected


def describe_doubts(table):
    """Say how many types are in doubt, and how many spectra are no case for the model at all.

    Parameters
    ----------
    table : astropy.table.Table
        From `predict_types`.

    Returns
    -------
    list of str
        Sentences; none about what the model's extras do not tell.
    """
    sentences = []
    if "prediction_set" in table.colnames:
        sizes = [len(types.split("|")) if types else 0 for types in table["prediction_set"]]
        several, none = sum(size > 1 for size in sizes), sizes.count(0)
        sentences.append(f"{several} may well be of more than one type, {none} are typical of none.")
    if "unlike_training" in table.colnames:
        n_unlike = int(np.sum(table["unlike_training"]))
        spectra = "1 spectrum is" if n_unlike == 1 else f"{n_unlike} spectra are"
        sentences.append(f"{spectra} unlike anything the model was trained on.")
    return sentences
