"""Train on very many simulated spectra: python -m tests.benchmarks.train_many [--n 100000] [--folder DIR].

Spectra are simulated and reduced a batch at a time into a memory-mapped file (2 ms and 4 kB each), C is tuned
by cross-validation, the linear classifier trained with its sigmoids, and judged on 10 000 spectra of another
survey, beside one trained on the first 10 000.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score

from agn_helpers.classifier import ProbabilisticSVC
from agn_helpers.lines import PAPER_GRID
from agn_helpers.reduction import reduce_spectra, sample_arrays
from agn_helpers.survey import iter_survey
from agn_helpers.tuning import best_result, search_grid

#: A decade each way of the paper's C, three to a decade.
C_VALUES = tuple(0.07 * 10 ** (np.arange(-3, 4) / 3))

_N_FOLDS, _N_JUDGED, _N_FEW, _N_DIFFERENCES = 3, 10_000, 10_000, 5


def simulate(path, n_spectra, *, random_state):
    """Write reduced fluxes of a survey to `path`, in random order; returns the memory map and the types."""
    rare = n_spectra // 4
    numbers = {"n_type1": rare, "n_intermediate": rare, "n_type2": n_spectra - 2 * rare}
    shape = n_spectra, PAPER_GRID.size
    X = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    y, place = np.empty(n_spectra, dtype="U12"), np.random.default_rng(random_state).permutation(n_spectra)
    done = 0
    for spectra, _ in iter_survey(**numbers, random_state=random_state):
        sample, _ = reduce_spectra(spectra)
        rows = place[done : done + len(sample)]
        X[rows], y[rows] = sample_arrays(sample)
        done += len(sample)
    X.flush()
    kept = np.sort(place[:done])
    return np.load(path, mmap_mode="r"), y, kept


def check_gradient(model, X):
    """Largest difference between exact gradients and central differences, relative to the largest."""
    worst, step = 0.0, 1e-4
    for spectrum in X.astype(float):
        exact = model.log_proba_gradient(spectrum[None])[0]
        column = model.predict_log_proba(spectrum[None])[0].argmax()
        moves = step * np.eye(len(spectrum))
        above, below = (model.predict_log_proba(spectrum + sign * moves)[:, column] for sign in (1, -1))
        worst = max(worst, np.abs((above - below) / (2 * step) - exact).max() / np.abs(exact).max())
    return worst


def main():
    """Print what was measured, a line a number; exit with 1 where gradients are not exact."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.train_many")
    parser.add_argument("--n", type=int, default=100_000, help="training spectra")
    parser.add_argument("--folder", help="for the spectra, 4 kB each; a temporary one by default")
    parser.add_argument("--jobs", type=int, default=2, help="threads of the search")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder, prefix="agn-train-") as folder:
        begin = Clock("simulated and reduced")
        X, y, kept = simulate(Path(folder, "train.npy"), chosen.n, random_state=1)
        X_other, y_other, kept_other = simulate(Path(folder, "judge.npy"), _N_JUDGED, random_state=2)
        begin.say()
        if len(kept) < len(X):
            X, y = X[kept], y[kept]
        X_other, y_other = X_other[kept_other], y_other[kept_other]
        clock = Clock("C tuned")
        splits = {"cv": _N_FOLDS, "refine": False, "solver": "primal", "n_jobs": chosen.jobs}
        results = search_grid(X, y, {"linear": {"C": C_VALUES}}, **splits)
        clock.say()
        best = best_result(results)
        print(results[["param_C", "mean_test_score", "std_test_score"]].to_string(index=False))
        training = Clock("trained with sigmoids")
        options = {"kernel": "linear", "class_weight": "balanced", "prior": "sample", "random_state": 0}
        model = ProbabilisticSVC(best["param_C"], solver="primal", **options).fit(X, y)
        training.say()
        few = ProbabilisticSVC(best["param_C"], solver="primal", **options).fit(X[:_N_FEW], y[:_N_FEW])
        for number, each in ((len(X), model), (_N_FEW, few)):
            score = f1_score(y_other, each.predict(X_other), average="macro")
            log_proba = each.predict_log_proba(X_other)
            truth = np.searchsorted(each.classes_, y_other)
            loss = -log_proba[np.arange(len(truth)), truth].mean()
            print(f"{number} spectra, C = {best['param_C']:.3g}: macro F {score:.4f}, log loss {loss:.4f}")
        error = check_gradient(model, X_other[:_N_DIFFERENCES])
        print(f"gradients against central differences: {error:.1e} of the largest")
        print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
    return int(error > 1e-5)


class Clock:
    """Wall-clock and processor time of a step."""

    def __init__(self, step):
        self.step, self.start = step, (time.perf_counter(), time.process_time())

    def say(self):
        """Print both."""
        wall, cpu = time.perf_counter() - self.start[0], time.process_time() - self.start[1]
        print(f"{self.step}: {wall:.1f} s, {cpu:.1f} s of processors", flush=True)


if __name__ == "__main__":
    sys.exit(main())
