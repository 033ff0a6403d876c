from .population import draw_objects
from .sources import join_truth, open_survey
from .synthetic import simulate_survey

__all__ = [
    "draw_objects",
    "join_truth",
    "open_survey",
    "simulate_survey",
]
