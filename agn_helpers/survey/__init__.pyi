from .emission import BROAD_LINES, FE_II_LINES, NARROW_LINES, line_profile, select_lines, smc_extinction
from .population import POPULATIONS, Population, draw_objects
from .sources import join_truth, open_survey
from .stellar import population_templates
from .synthetic import iter_survey, observe, simulate_survey

__all__ = [
    "BROAD_LINES",
    "FE_II_LINES",
    "NARROW_LINES",
    "POPULATIONS",
    "Population",
    "draw_objects",
    "iter_survey",
    "join_truth",
    "line_profile",
    "observe",
    "open_survey",
    "population_templates",
    "select_lines",
    "simulate_survey",
    "smc_extinction",
]
