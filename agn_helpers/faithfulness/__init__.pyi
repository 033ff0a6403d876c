from .curves import average_curves
from .measure import find_relevances, measure_faithfulness

__all__ = [
    "average_curves",
    "find_relevances",
    "measure_faithfulness",
]
