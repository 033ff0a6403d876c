from .curves import average_curves
from .measure import measure_faithfulness

__all__ = [
    "average_curves",
    "measure_faithfulness",
]
