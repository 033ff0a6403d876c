from .archive import fetch_spectra, read_catalogue
from .classifier import ProbabilisticSVC, TrainedModel, classify_spectra, load_model
from .errors import AgnError
from .faithfulness import measure_faithfulness
from .lines import AGN_TYPES
from .maps import embed_spectra, place_on_map
from .picker import SpectrumPicker
from .plotting import plot_saliency, save_figure
from .reduction import read_sample, reduce_spectra, sample_arrays, sample_grid
from .saliency import explain, measure_lines
from .spectra import ObservedSpectrum, read_spectra, read_spectrum
from .survey import open_survey, simulate_survey

__all__ = [
    "AGN_TYPES",
    "AgnError",
    "ObservedSpectrum",
    "ProbabilisticSVC",
    "SpectrumPicker",
    "TrainedModel",
    "classify_spectra",
    "embed_spectra",
    "explain",
    "fetch_spectra",
    "load_model",
    "measure_faithfulness",
    "measure_lines",
    "open_survey",
    "place_on_map",
    "plot_saliency",
    "read_catalogue",
    "read_sample",
    "read_spectra",
    "read_spectrum",
    "reduce_spectra",
    "sample_arrays",
    "sample_grid",
    "save_figure",
    "simulate_survey",
]
