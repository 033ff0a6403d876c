from .claims import measure_claims
from .confounds import SHIFTS, measure_confounds, measure_representations
from .ensembles import Survey, repeat_surveys, summarise_surveys
from .injection import CONCEPTS, inject_concept, measure_completeness, measure_concepts, what_would_turn
from .judge import fit_lines, judge_lines, measure_widths

__all__ = [
    "CONCEPTS",
    "SHIFTS",
    "Survey",
    "fit_lines",
    "inject_concept",
    "judge_lines",
    "measure_claims",
    "measure_completeness",
    "measure_concepts",
    "measure_confounds",
    "measure_representations",
    "measure_widths",
    "repeat_surveys",
    "summarise_surveys",
    "what_would_turn",
]
