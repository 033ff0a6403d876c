"""Claims about the classifier, over independent surveys: own objects, own noise, own split, own training.

All test spectra of one survey share one weight vector, so that a test over spectra tests nothing but that
vector.  Here a survey is the unit.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from astropy.table import Table
from joblib import Parallel, delayed
from scipy.stats import binomtest
from tqdm import tqdm

from ..classifier import TrainedModel
from ..errors import AgnError
from ..files import digest_program, make_folder, whole_file
from ..reduction import reduce_spectra
from ..survey import simulate_survey
from ..tuning import split_sample, train_model


class Survey(NamedTuple):
    """One survey of an ensemble, and the classifier of its own.

    Attributes
    ----------
    seed : int
    sample, truth : Table
        All of it, reduced; and the parameters of its objects, row by row the same.
    train, test : int arrays
        Rows that the model was trained on, and the others.
    model : TrainedModel
    """

    seed: int
    sample: Table
    truth: Table
    train: np.ndarray
    test: np.ndarray
    model: TrainedModel


def make_survey(seed: int, *, population: Any = "paper", **sizes: int) -> Survey:
    """Simulate a survey, split it as the paper does, and train the paper's classifier on four fifths."""
    spectra, truth = simulate_survey(population=population, random_state=seed, **sizes)
    sample, _ = reduce_spectra(spectra)
    truth = truth[np.isin(truth["name"], sample["name"])]
    split = split_sample(np.array(sample["label"]), random_state=seed)
    train = np.concatenate([split.train, split.validation])
    model = train_model(sample[train], doubts=False, random_state=seed)
    return Survey(seed, sample, truth, train, split.test, model)


def repeat_surveys(
    measure: Callable[[Survey], dict[str, float]] | Sequence[Callable[[Survey], dict[str, float]]],
    n_surveys: int = 16,
    *,
    population: Any = "paper",
    sizes: dict[str, int] | None = None,
    random_state: int = 0,
    n_jobs: int = 2,
    folder: Path | None = None,
) -> pd.DataFrame:
    """Measure the same on independent surveys, side by side, and go on where an earlier call was stopped.

    Parameters
    ----------
    measure : function of a Survey, or several
        Give numbers by name; must be importable, for they run in other processes.
    n_surveys : int
    population : {"paper", "general"} or Population
    sizes : dict, optional
        ``n_type1, n_intermediate, n_type2``; those of the paper by default.
    random_state : int
        Surveys have seeds of their own that follow from it; the first n of more surveys are the same.
    n_jobs : int
        Processes.
    folder : path, optional
        Results are kept there, a file a survey, and read instead of measured anew where all settings and the
        program are the same.

    Returns
    -------
    pandas.DataFrame
        A row a survey, index ``seed``, a column a number; for several measures columns have two levels, the
        name of the function and that of the number.

    Raises
    ------
    AgnError
        For fewer than two surveys.
    """
    if n_surveys < 2:
        raise AgnError(f"n_surveys must be at least 2; got {n_surveys}. A claim needs 16.")
    sizes = sizes or {}
    seeds = np.random.SeedSequence(random_state).generate_state(n_surveys).tolist()
    several = measure if isinstance(measure, Sequence) else [measure]
    measured = [f"{each.__module__}.{each.__qualname__} {inspect.getsource(each)}" for each in several]
    settings = f"{measured} {population} {sorted(sizes.items())} {digest_program()}"
    key = hashlib.blake2b(settings.encode(), digest_size=8).hexdigest()
    paths = {seed: None if folder is None else Path(folder, f"{key}-{seed}.json") for seed in seeds}
    if folder is not None:
        make_folder(Path(folder))
    tasks = (delayed(_measure_one)(several, seed, population, sizes, paths[seed]) for seed in seeds)
    found = Parallel(n_jobs=n_jobs, return_as="generator")(tasks)
    rows = list(tqdm(found, total=n_surveys, desc="surveys", delay=2, disable=None))
    columns = {name: pd.DataFrame([row[name] for row in rows]) for name in rows[0]}
    table = pd.concat(columns, axis=1).set_axis(pd.Index(seeds, name="seed"))
    return table if isinstance(measure, Sequence) else table.droplevel(0, axis=1)


def _measure_one(several, seed, population, sizes, path):
    """Numbers of one survey by function and name, from its file where there is one."""
    if path is not None and path.is_file():
        return json.loads(path.read_text(encoding="utf-8"))
    survey = make_survey(seed, population=population, **sizes)
    values = {each.__name__: {name: float(value) for name, value in each(survey).items()} for each in several}
    if path is not None:
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(values), encoding="utf-8")
    return values


def summarise_surveys(values: pd.DataFrame, *, null: float | None = None) -> pd.DataFrame:
    """Middle and range of every number over the surveys, and whether they lie on one side of a value.

    Parameters
    ----------
    values : pandas.DataFrame
        Of `repeat_surveys`.
    null : float, optional
        What a number would scatter about if there were nothing in it, e.g. 0.5 for the share of spectra with
        opposite signs.

    Returns
    -------
    pandas.DataFrame
        A row a column of `values`: ``n`` (surveys with a number), ``median, low, high`` (range), ``mean,
        std``; with `null` also ``n_above`` and ``p`` (sign test over surveys, two-sided, with Holm's
        correction for the rows together).
    """
    rows = {}
    for name, column in values.items():
        known = column.dropna()
        row = {"n": len(known), "median": known.median(), "low": known.min(), "high": known.max()}
        row |= {"mean": known.mean(), "std": known.std()}
        if null is not None:
            above, below = int((known > null).sum()), int((known < null).sum())
            row |= {"n_above": above}
            row |= {"p": binomtest(above, above + below).pvalue if above + below else 1.0}
        rows[name] = row
    table = pd.DataFrame.from_dict(rows, orient="index")
    if null is not None:
        table["p"] = _correct_by_holm(table["p"].to_numpy())
    return table


def _correct_by_holm(p):
    order = np.argsort(p)
    corrected = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order]).clip(max=1)
    out = np.empty(len(p))
    out[order] = corrected
    return out
