"""Which parts of a galaxy's spectrum made a classifier call it a type 1, type 2 or intermediate AGN?"""

from importlib import import_module, metadata

__version__ = metadata.version("agn-helpers")

# The public names and the modules they live in, which are imported when a name is first used: whoever
# wants to read a spectrum need not wait for t-SNE.
_PUBLIC = {
    "AGN_TYPES": "lines",
    "LINES": "lines",
    "PAPER_GRID": "reduction",
    "AgnError": "errors",
    "ObservedSpectrum": "spectra",
    "ProbabilisticSVC": "classifier",
    "TrainedModel": "models",
    "classify_spectra": "inference",
    "embed_spectra": "embedding",
    "finite_difference": "saliency",
    "from_specutils": "spectra",
    "load_model": "models",
    "log_proba_gradient": "classifier",
    "open_survey": "surveys",
    "place_on_map": "embedding",
    "read_sample": "reduction",
    "read_spectra": "surveys",
    "read_spectrum": "spectra",
    "reduce_spectra": "reduction",
    "sample_arrays": "reduction",
    "sample_grid": "reduction",
    "save_model": "models",
    "simulate_survey": "synthetic",
    "write_sample": "reduction",
    "write_spec_lite": "spectra",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PUBLIC[name]}", __name__), name)


def __dir__():
    return [*globals(), *__all__]
