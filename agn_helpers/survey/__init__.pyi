from .population import POPULATIONS, Population, draw_objects
from .sources import join_truth, open_survey
from .synthetic import observe, simulate_survey

__all__ = [
    "POPULATIONS",
    "Population",
    "draw_objects",
    "join_truth",
    "observe",
    "open_survey",
    "simulate_survey",
]
