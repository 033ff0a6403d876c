"""Types and probabilities of new spectra, by a model that was trained before."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import compress, islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from astropy.table import Table, vstack

from ..errors import AgnError
from ..limits import escape_text, summarise_error
from ..lines import AGN_TYPES
from ..reduction import expect_spectra, find_missing_lines, observed_shares, reduce_spectra, sample_arrays
from .completion import MOST_BRIDGED
from .marginal import Marginal, ensemble_log_proba, marginal_proba
from .novelty import NOVELTY_PARTS

if TYPE_CHECKING:
    from ..spectra import ObservedSpectrum, Rejected
    from .model import TrainedModel

logger = logging.getLogger(__name__)

#: What ``predicted`` says where what was observed does not tell the type.
UNDETERMINED = "undetermined"

_LEAST_OF_HBETA = 0.5

_MOST_ASSUMED = 6

# Columns of the reduced sample that go into the table of types.
_ORIGIN = ("ra", "dec", "class", "zwarning", "assumptions")


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
    spectra: Iterable[ObservedSpectrum | Rejected],
    model: TrainedModel,
    *,
    force: bool = False,
    chunk_size: int = 256,
) -> Iterator[Classified]:
    """Reduce spectra as the model's own were, and classify them, a chunk at a time.

    Parameters
    ----------
    spectra : iterable of ObservedSpectrum or Rejected
        Any number: only a chunk of them is in memory at once.  Labels are not looked at.
    model : TrainedModel
        Its grid and normalisation are used.
    force : bool
        See `predict_types`.
    chunk_size : int
        Number of spectra reduced and classified together.

    Yields
    ------
    Classified
        One for each chunk, in the order of `spectra`.
    """
    spectra, number = iter(spectra), 0
    while chunk := list(islice(spectra, chunk_size)):
        number += len(chunk)
        expect_spectra(number)
        sample, rejected = reduce_spectra(chunk, grid=model.grid, normalisation=model.normalisation)
        files = {each.name: str(getattr(each, "meta", {}).get("file", "")) for each in chunk}
        yield _predict_part(sample, rejected, model, files, force=force)


def _predict_part(sample, rejected, model, files, *, force):
    """Classify a chunk; where that fails, one spectrum after the other, since one of them is to blame."""
    try:
        return Classified(predict_types(sample, model, force=force), rejected, sample)
    except AgnError:
        raise
    except Exception as error:
        logger.debug("%d spectra were not classified together", len(sample), exc_info=error)
    tables, kept, failed = [predict_types(sample[:0], model)], [], []
    for row, name in enumerate(sample["name"].tolist()):
        try:
            tables.append(predict_types(sample[row : row + 1], model, force=force))
            kept.append(row)
        except Exception as error:
            reason = f"{name} cannot be classified ({summarise_error(error)})."
            failed.append((name, escape_text(files.get(name, "")), reason))
    failed = Table(rows=failed or None, names=rejected.colnames, dtype=[str] * 3)
    join = {"metadata_conflicts": "silent"}
    return Classified(vstack(tables, **join), vstack([rejected, failed], **join), sample[kept])


def predict_types(sample, model, *, force=False, marginal=None):
    """Types and probabilities of a reduced sample.

    Parameters
    ----------
    sample : astropy.table.Table
        As from `agn_helpers.reduction.reduce_spectra`, on the model's grid.
    model : TrainedModel
        Its estimator must have `predict_log_proba`; any of the three types that it was not trained on has
        probability 0.
    force : bool
        Predict a type also where Hβ was not observed.
    marginal : Marginal, optional
        Of `weigh_sample`, where the caller has a use for it too.

    Returns
    -------
    astropy.table.Table
        A row a spectrum: ``name, redshift, p_type1, p_intermediate, p_type2, predicted, snr``; ``unobserved``
        (share of the grid), ``missing_lines`` (of `MARKED_LINES`, those with less than half of their window
        observed, ±3000 km/s for Balmer lines and ±1000 km/s for others, joined by |) and ``reason``, "" but
        where ``predicted`` is "undetermined".  Then, where the model's extras hold what tells them,
        ``log_odds_error`` (standard deviation that what was not observed leaves in the log odds of the most
        probable type), ``p_low`` and ``p_high`` (least and largest probability of the most probable type that
        this model and those trained on other surveys of the same population give), ``prediction_set`` (types
        joined by |, the most probable one among them; wider where the novelty is near 1, all where it is
        above; of an undetermined spectrum also all types of a probability of 1 - confidence, 5 %, or more),
        ``novelty`` (in units of its threshold), ``unlike_training`` (novelty above 1) and ``unlike_in`` (of
        "features", "continuum" and "lines" those that are, joined by |).  At last, of the sample, ``ra, dec,
        class, zwarning`` and ``assumptions``.

    Notes
    -----
    What was not observed is completed by the model's `SpectrumCompleter`, and probabilities are averages
    over all that it may have been.  A model without one takes the sample's fluxes as they are, and
    determines no type where more than 5 % of the grid was not observed.
    """
    model.check_sample(sample)
    if other := sorted(set(map(str, model.classes)) - set(AGN_TYPES)):
        raise AgnError(
            f"types are predicted by a model of {', '.join(AGN_TYPES)}; this one has the class {other[0]!r}. "
            "Ask its estimator."
        )
    ivar = np.asarray(sample["ivar"], dtype=float)
    marginal = weigh_sample(sample, model) if marginal is None else marginal
    log_proba, classes = marginal.log_proba, model.estimator.classes_
    probability = dict.fromkeys(AGN_TYPES, np.zeros(len(sample))) | dict(zip(classes, np.exp(log_proba).T))
    types = np.array(list(AGN_TYPES))
    table = Table({"name": sample["name"], "redshift": sample["redshift"]})
    for agn_type in AGN_TYPES.values():
        table[f"p_{agn_type.key}"] = probability[agn_type.name]
    predicted = types[np.argmax([probability[name] for name in types], axis=0)]
    missing = find_missing_lines(model.grid, ivar)
    reason = [""] * len(sample) if force else find_reasons(model, ivar)
    table["predicted"] = np.where(np.array(reason, dtype=str) == "", predicted, UNDETERMINED)
    table["snr"] = sample["snr"]
    table["unobserved"] = np.mean(ivar == 0, axis=1)
    table["missing_lines"] = np.array(["|".join(names) for names in missing], dtype=str)
    table["reason"] = np.array(reason, dtype=str)
    if model.completion is not None:
        table["log_odds_error"] = marginal.log_odds_error
    if ensemble := model.extras.get("ensemble"):
        table["p_low"], table["p_high"] = _find_range(ensemble, marginal)
    detector, novelty = model.extras.get("novelty"), None
    if detector:
        parts = detector.novelty_by_part(marginal.flux, ivar)
        novelty = parts.max(axis=1)
    if sets := model.extras.get("prediction_sets"):
        inside = sets.predict(log_proba, novelty)
        # Sets were calibrated on spectra that were observed: no type that may well be is left out of others'.
        inside |= (np.array(reason, dtype=str)[:, None] != "") & (np.exp(log_proba) >= 1 - sets.confidence)
        inside = dict(zip(classes, inside.T))
        table["prediction_set"] = _join_names({name: inside[name] for name in AGN_TYPES if name in inside})
    if detector:
        table["novelty"] = novelty
        table["unlike_training"] = novelty > 1
        table["unlike_in"] = _join_names(dict(zip(NOVELTY_PARTS, (parts > 1).T)))
    for name in _ORIGIN:
        if name in sample.colnames:
            table[name] = sample[name]
    table.meta["survey"] = sample.meta.get("survey", "unknown")
    return table


def _join_names(chosen):
    """Names joined by |, (n_spectra,), of those that are chosen in bool arrays (n_spectra,) by name."""
    rows = np.stack(list(chosen.values()), axis=1)
    return np.array(["|".join(compress(chosen, row)) for row in rows], dtype=str)


def _find_range(ensemble, marginal):
    """Least and largest probability (n_spectra,) of the most probable type, by model and ensemble."""
    if not len(marginal.flux):
        return np.empty(0), np.empty(0)
    each = np.concatenate([marginal.log_proba[None], ensemble_log_proba(ensemble, marginal.flux)])
    best = marginal.log_proba.argmax(axis=1)[None, :, None]
    probability = np.exp(np.take_along_axis(each, best, axis=2)[..., 0])
    return probability.min(axis=0), probability.max(axis=0)


def weigh_sample(sample, model):
    """Complete the spectra of a reduced sample by a model, and average their probabilities: `Marginal`.

    Without a `SpectrumCompleter` in the model's extras fluxes and probabilities are those of the sample.
    """
    model.check_sample(sample)
    X, ivar = sample_arrays(sample)[0], np.asarray(sample["ivar"], dtype=float)
    if not len(X):
        # scikit-learn's estimators refuse to predict nothing.
        return Marginal(X, np.empty((0, len(model.estimator.classes_))), np.empty(0))
    if model.completion is None:
        return Marginal(X, model.estimator.predict_log_proba(X), np.zeros(len(X)))
    return marginal_proba(model.estimator, model.completion, X, ivar)


def find_reasons(model, ivar):
    """Why the types of spectra are undetermined: a list of str, "" where a type can be told.

    model : TrainedModel
    ivar : (n_spectra, n_grid) array, 0 where not observed
    """
    hbeta = observed_shares(model.grid, ivar).get("Hbeta", np.ones(len(ivar)))
    reasons = []
    for share, of_hbeta in zip(np.mean(ivar == 0, axis=1), hbeta):
        reason = ""
        if of_hbeta < _LEAST_OF_HBETA:
            reason = f"at least half of Hβ ± 3000 km/s must be observed; got {of_hbeta:.0%}"
        elif model.completion is None and share > MOST_BRIDGED:
            reason = (
                f"at least {1 - MOST_BRIDGED:.0%} of the grid must be observed, since this model completes "
                f"no spectra; got {1 - share:.0%}"
            )
        reasons.append(reason)
    return reasons


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


def count_assumptions(assumptions):
    """How many spectra each thing was assumed of, the most frequent first; numbers in it become "…".

    assumptions : (n_spectra,) array of str, entries joined by "; "
    """
    counts = Counter()
    for text in assumptions:
        entries = "" if text is np.ma.masked else re.sub(r"(?<![\w.])[-+]?\d[\w.+-]*(?<!\.)", "…", str(text))
        # In the order of the first, whatever the order of a set.
        counts.update(list(dict.fromkeys(entries.split("; "))))
    counts.pop("", None)
    return dict(counts.most_common())


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
    if "zwarning" in table.colnames and (n_doubted := int(np.sum(table["zwarning"] > 0))):
        sentences.append(f"{n_doubted} with a redshift that its pipeline doubts (column zwarning).")
    if "assumptions" in table.colnames and (assumed := count_assumptions(table["assumptions"])):
        named = [f"{sentence} ({n})" for sentence, n in list(assumed.items())[:_MOST_ASSUMED]]
        more = len(assumed) - len(named)
        named += [f"{more} more (column assumptions)"] if more > 0 else []
        sentences.append(f"assumed: {'; '.join(named)}.")
    if "reason" in table.colnames and (n_undetermined := int(np.sum(table["predicted"] == UNDETERMINED))):
        are = "1 is" if n_undetermined == 1 else f"{n_undetermined} are"
        sentences.append(
            f"{are} {UNDETERMINED} for want of what was not observed (column reason); --force predicts types."
        )
    if "p_low" in table.colnames:
        n_turned = int(np.sum(table["p_low"] < 0.5))
        are = "1 type is" if n_turned == 1 else f"{n_turned} types are"
        sentences.append(f"{are} doubted by a model of another survey (column p_low below 0.5).")
    if "prediction_set" in table.colnames:
        several = sum("|" in types for types in table["prediction_set"])
        sentences.append(f"{several} may well be of more than one type (column prediction_set).")
    if "unlike_training" in table.colnames:
        n_unlike = int(np.sum(table["unlike_training"]))
        spectra = "1 spectrum is" if n_unlike == 1 else f"{n_unlike} spectra are"
        sentences.append(f"{spectra} unlike anything the model was trained on{_count_parts(table)}.")
    return sentences


def _count_parts(table):
    """How many spectra are unlike the training sample in what, in brackets, or ""."""
    if "unlike_in" not in table.colnames:
        return ""
    numbers = {part: sum(part in parts for parts in table["unlike_in"]) for part in NOVELTY_PARTS}
    told = ", ".join(f"{part} {number}" for part, number in numbers.items() if number)
    return told and f" ({told})"
