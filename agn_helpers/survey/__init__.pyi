from .population import draw_objects
from .sources import open_survey
from .synthetic import simulate_survey

__all__ = [
    "draw_objects",
    "open_survey",
    "simulate_survey",
]
