"""ProbabilisticSVC against SVC(probability=True), which the paper used, and its two solvers side by side."""

import tracemalloc
import warnings

import numpy as np
from sklearn.metrics import f1_score, log_loss
from sklearn.svm import SVC

from agn_helpers.classifier import ProbabilisticSVC
from agn_helpers.reduction import reduce_spectra, sample_arrays
from agn_helpers.survey import iter_survey, simulate_survey
from agn_helpers.tuning import split_sample

from . import Row, at_least, at_most, time_in_turns

# How many times as fast as SVC the calibrated fit must be, and as one batch of differences the gradients.
MACHINES = {
    "linear": ({"kernel": "linear", "C": 0.07}, 4.3, 1000),
    "rbf": ({"kernel": "rbf", "C": 34.0, "gamma": 0.003}, 4.9, 470),
    "poly2": ({"kernel": "poly", "degree": 2, "C": 5e-4, "gamma": 0.5}, 3.5, 490),
}

# For the primal solver: training spectra, and how many times as fast as libsvm it must be.
SIZES = {3000: 0.0, 10_000: 0.85}


def difference_in_one_batch(model, spectrum, column):
    """Central differences of a log-probability, all pixels' spectra classified in one call."""
    steps = 1e-3 * np.eye(len(spectrum))
    log_proba = model.predict_log_proba(np.vstack([spectrum + steps, spectrum - steps]))[:, column]
    above, below = np.split(log_proba, 2)
    return (above - below) / 2e-3


def run():
    """Rows for training, gradients and prediction; ratios of processor time within this run."""
    warnings.simplefilter("ignore", FutureWarning)
    sample, _ = reduce_spectra(simulate_survey()[0])
    X, y = sample_arrays(sample)
    split = split_sample(y)
    train, test = np.concatenate([split.train, split.validation]), split.test
    rows = []
    for name, (options, least_fit, least_gradient) in MACHINES.items():
        # SVC's sigmoids count spectra without their class weights: the sample's frequencies.
        ours = ProbabilisticSVC(**options, class_weight="balanced", prior="sample", random_state=0)
        theirs = SVC(**options, class_weight="balanced", probability=True, random_state=0)
        seconds, _ = time_in_turns(
            [
                lambda ours=ours: ours.fit(X[train], y[train]),
                lambda theirs=theirs: theirs.fit(X[train], y[train]),
            ],
            rounds=2,
        )
        rows.append(at_least(f"{name}: calibrated fit, against SVC", seconds[1] / seconds[0], least_fit))
        rows += _compare_scores(name, ours, theirs, X[test], y[test])
        few = X[test[:5]]
        columns = ours.predict_log_proba(few).argmax(axis=1)
        (own, batch), (exact, differences) = time_in_turns(
            [
                lambda ours=ours: ours.log_proba_gradient(X[test])[:5],
                lambda ours=ours, few=few, columns=columns: [
                    difference_in_one_batch(ours, *each) for each in zip(few, columns)
                ],
            ]
        )
        ratio = (batch / len(few)) / (own / len(test))
        error = np.abs(exact - differences).max() / np.abs(exact).max()
        rows.append(at_least(f"{name}: gradients, against one batch of differences", ratio, least_gradient))
        rows.append(at_most(f"{name}: gradients, largest relative difference", error, 1e-4))
        if name == "linear":
            rows += predict_many(ours, theirs, X[test])
    return rows + compare_solvers()


def _compare_scores(name, ours, theirs, X, y):
    """Calibrated fits must be as good: macro F and log loss of the test part."""
    scores = [f1_score(y, each.predict(X), average="macro") for each in (ours, theirs)]
    losses = [log_loss(y, each.predict_proba(X)) for each in (ours, theirs)]
    return [
        at_most(f"{name}: macro F that is lost against SVC", scores[1] - scores[0], 0.01),
        at_most(f"{name}: log loss, more than SVC's", losses[0] - losses[1], 0.01),
    ]


def predict_many(ours, theirs, X):
    """Linear predict_proba of 100 000 spectra; SVC's time is measured on fewer and scaled."""
    many = np.resize(X, (100_000, X.shape[1]))
    (own, peer), _ = time_in_turns([lambda: ours.predict_proba(many), lambda: theirs.predict_proba(X)])
    tracemalloc.start()
    ours.predict_proba(many)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return [
        at_least("linear: predict_proba, against SVC", peer * len(many) / len(X) / own, 33),
        at_most("linear: predict_proba, peak memory beyond the input", peak, 17, "MiB"),
    ]


def compare_solvers():
    """The primal solver against libsvm at the same C, judged on spectra that neither was trained on."""
    numbers = {"n_type1": 3000, "n_intermediate": 3000, "n_type2": 6000}
    parts = [
        sample_arrays(reduce_spectra(spectra)[0]) for spectra, _ in iter_survey(**numbers, random_state=7)
    ]
    X, y = (np.concatenate(each) for each in zip(*parts))
    order = np.random.default_rng(0).permutation(len(X))
    train, test = order[: max(SIZES)], order[max(SIZES) :]
    rows = []
    for size, least in SIZES.items():
        chosen = train[:size]
        options = {"C": 0.07, "kernel": "linear", "class_weight": "balanced", "random_state": 0, "tol": 1e-3}
        fits = [ProbabilisticSVC(**options, solver=solver) for solver in ("primal", "libsvm")]
        (own, peer), _ = time_in_turns(
            [lambda fit=fit, chosen=chosen: fit.fit(X[chosen], y[chosen]) for fit in fits], rounds=1
        )
        title = f"primal solver, {size} spectra, against libsvm"
        rows.append(
            at_least(title, peer / own, least) if least else Row(title, peer / own, "times", "", True)
        )
        rows += [
            row._replace(name=row.name.replace("SVC's", "libsvm's").replace("SVC", "libsvm"))
            for row in _compare_scores(f"primal, {size}", *fits, X[test], y[test])
        ]
        decided = [each.pair_decisions(X[test]) for each in fits]
        apart = np.sqrt(np.mean((decided[0] - decided[1]) ** 2, axis=0)) / decided[1].std(axis=0)
        rows.append(at_most(f"primal, {size}: decision values apart, of their scatter", apart.max(), 0.01))
    return rows
