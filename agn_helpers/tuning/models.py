"""Whole models of a sample: the classifier, and beside it what it does not know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from joblib import Parallel, delayed

from ..classifier import (
    NoveltyDetector,
    ProbabilisticSVC,
    TrainedModel,
    calibrate_sets,
    fit_completion,
    load_model,
    save_model,
    train_ensemble,
)
from ..files import digest_program, make_folder
from ..reduction import reduce_spectra, sample_arrays, sample_grid
from ..runs import run_folders
from ..survey import simulate_survey

#: Name of the run that holds the model of the general population.
GENERAL = "general"

#: C of the paper's linear kernel, for fluxes in units of that at 5100 Å.
PAPER_C = 0.07

# Parts of the program whose change changes it.
_WHAT_MAKES_IT = ("classifier", "lines.py", "reduction", "spectra", "survey", "tuning")

# Spectra of each type that the general model is trained on.
_GENERAL_SIZES = {"n_type1": 2000, "n_intermediate": 2000, "n_type2": 4000}

_OTHER_SIZES = {"n_type1": 500, "n_intermediate": 500, "n_type2": 1000}

# As many spectra tell what a sample looks like; more only take longer.
_MOST_FOR_DOUBTS = 3000


def train_model(
    sample: Table,
    *,
    estimator: Any = None,
    meta: dict | None = None,
    doubts: bool = True,
    random_state: int = 0,
) -> TrainedModel:
    """Train a model on a whole reduced sample, with all that says what it does not know.

    Parameters
    ----------
    sample : astropy.table.Table
        A reduced sample with labels.
    estimator : classifier, optional
        Unfitted; by default the paper's linear kernel and C, types weighted by their number.
    meta : dict, optional
        Goes into the model's.
    doubts : bool
        Whether to fit what says it: `SpectrumCompleter`, `NoveltyDetector`, `PredictionSets`.
    random_state : int
        Of folds.
    """
    if estimator is None:
        estimator = ProbabilisticSVC(
            PAPER_C, kernel="linear", class_weight="balanced", prior="sample", random_state=random_state
        )
    (X, y), grid = sample_arrays(sample), sample_grid(sample)
    ivar = np.asarray(sample["ivar"])
    extras = {}
    if doubts:
        rows = np.random.default_rng(random_state).permutation(len(X))[:_MOST_FOR_DOUBTS]
        completion, X = fit_completion(X, ivar, rows, random_state=random_state)
        extras["completion"] = completion
        extras["novelty"] = NoveltyDetector(random_state=random_state).fit(X[rows], ivar[rows], grid=grid)
        extras["prediction_sets"] = calibrate_sets(estimator, X[rows], y[rows], random_state=random_state)
    origin = {"survey": sample.meta["survey"], "normalisation": sample.meta["normalisation"]}
    return TrainedModel(estimator.fit(X, y), grid=grid, meta=origin | (meta or {}), extras=extras)


def train_general(
    *,
    sizes: dict | None = None,
    doubts: bool = True,
    n_others: int = 8,
    random_state: int = 0,
    n_jobs: int = 2,
) -> TrainedModel:
    """Train the model that `agn classify` uses, on the embedded survey's general population.

    Parameters
    ----------
    sizes : dict, optional
        ``n_type1, n_intermediate, n_type2``.
    doubts : bool
        See `train_model`.
    n_others : int
        Other surveys whose classifiers say how far probabilities are a matter of chance; 0 leaves them out.
    random_state : int
        Of the survey, too.
    n_jobs : int
        Processes that draw the surveys of the ensemble while this one trains.

    Notes
    -----
    The paper's representation and C are kept.  On simulated shifts (other redshifts, hosts around type 1,
    displaced and very broad lines, resolutions of 400 to 600 km/s, spectra of other colour) they were
    compared with fluxes without their smooth continuum, logarithms of fluxes, C from 0.01 to 0.5 and rbf
    kernels: none was better in all, and differences were below 0.02 of F.  What makes the difference is the
    population.
    """
    seeds = np.random.SeedSequence(random_state).generate_state(n_others if doubts else 0).tolist()
    others = Parallel(n_jobs=n_jobs, return_as="generator")(delayed(_draw_smaller)(seed) for seed in seeds)
    spectra, _ = simulate_survey(
        population="general", random_state=random_state, **(_GENERAL_SIZES if sizes is None else sizes)
    )
    sample, _ = reduce_spectra(spectra)
    estimator = ProbabilisticSVC(PAPER_C, kernel="linear", prior="sample", random_state=random_state)
    meta = {"population": "general", "random_state": random_state, "C": PAPER_C, "kernel": "linear"}
    meta["program"] = digest_training()
    model = train_model(sample, estimator=estimator, meta=meta, doubts=doubts, random_state=random_state)
    if doubts and n_others:
        model.extras["ensemble"] = train_ensemble(estimator, others)
    return model


def _draw_smaller(seed):
    """Fluxes and labels of another survey of the general population."""
    spectra, _ = simulate_survey(population="general", random_state=seed, **_OTHER_SIZES)
    return sample_arrays(reduce_spectra(spectra)[0])


def digest_training():
    """Digest of what simulates, reduces and trains."""
    return digest_program(*_WHAT_MAKES_IT)


def is_outdated(model: TrainedModel) -> bool:
    """Whether a general model was trained by another version of what simulates, reduces and trains."""
    return model.meta.get("program") != digest_training()


def find_general(*, root: Path | None = None) -> TrainedModel:
    """The general model of a project, trained and saved where there is none yet (a minute)."""
    path = run_folders(GENERAL, root=root).data / "model.skops"
    if not path.is_file():
        make_folder(path.parent)
        save_model(train_general(), path)
    return load_model(path)
