from .population import draw_objects
from .sources import open_survey
from .synthetic import simulate_survey
from .truth import join_truth

__all__ = [
    "draw_objects",
    "join_truth",
    "open_survey",
    "simulate_survey",
]
