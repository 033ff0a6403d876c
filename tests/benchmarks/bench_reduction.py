"""The reduction of spectra in memory, and the drawing of the embedded survey."""

import time

from agn_helpers.reduction import reduce_spectra
from agn_helpers.survey import simulate_survey

from . import Row


def run():
    """Spectra a second on one core; for the survey, seconds for the paper's 3346."""
    start = time.perf_counter()
    spectra, _ = simulate_survey()
    drawn = time.perf_counter() - start
    rates = []
    for _ in range(3):
        start = time.process_time()
        sample, _ = reduce_spectra(spectra)
        rates.append(len(sample) / (time.process_time() - start))
    return [
        Row("embedded survey of 3346 spectra", drawn, "s", "", True),
        Row("reduce_spectra, spectra in memory", max(rates), "spectra/s", ">= 300", max(rates) >= 300),
    ]
