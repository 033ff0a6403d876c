from .metrics import (
    noise_curve,
    reliability_curve,
    score_predictions,
    score_probabilities,
    tabulate_confusion,
    time_training,
)
from .paper import (
    compare_with_paper,
    effective_cost,
    format_comparison,
    format_search,
    paper_table,
    tabulate_search,
)
from .search import TUNED_KERNELS, best_result, make_classifier, search_grid, split_sample

__all__ = [
    "TUNED_KERNELS",
    "best_result",
    "compare_with_paper",
    "effective_cost",
    "format_comparison",
    "format_search",
    "make_classifier",
    "noise_curve",
    "paper_table",
    "reliability_curve",
    "score_predictions",
    "score_probabilities",
    "search_grid",
    "split_sample",
    "tabulate_confusion",
    "tabulate_search",
    "time_training",
]
