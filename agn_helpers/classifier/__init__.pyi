from .completion import SpectrumCompleter, fit_completion
from .gradients import linear_weights, log_proba_gradient, pair_decisions, pair_gradient, unwrap_estimator
from .marginal import draw_normal, marginal_proba, train_ensemble
from .model import TrainedModel, check_grid, load_model, save_model
from .novelty import NoveltyDetector
from .predict import (
    UNDETERMINED,
    classify_spectra,
    describe_doubts,
    find_reasons,
    join_parts,
    predict_types,
    weigh_sample,
)
from .prediction_sets import calibrate_sets
from .primal import choose_solver, decide_along
from .svc import ProbabilisticSVC
from .training import Kernel
from .validation import encode_classes, encode_target, split_folds

__all__ = [
    "UNDETERMINED",
    "Kernel",
    "NoveltyDetector",
    "ProbabilisticSVC",
    "SpectrumCompleter",
    "TrainedModel",
    "calibrate_sets",
    "check_grid",
    "choose_solver",
    "classify_spectra",
    "decide_along",
    "describe_doubts",
    "draw_normal",
    "encode_classes",
    "encode_target",
    "find_reasons",
    "fit_completion",
    "join_parts",
    "linear_weights",
    "load_model",
    "log_proba_gradient",
    "marginal_proba",
    "pair_decisions",
    "pair_gradient",
    "predict_types",
    "save_model",
    "split_folds",
    "train_ensemble",
    "unwrap_estimator",
    "weigh_sample",
]
