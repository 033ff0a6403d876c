"""Which parts of a galaxy's spectrum made a classifier call it a type 1, type 2 or intermediate AGN?"""

from importlib import import_module, metadata

__version__ = metadata.version("agn-helpers")

# The public names and the modules they live in, which are imported when a name is first used: whoever
# wants to read a spectrum need not wait for t-SNE.
_PUBLIC = {
    "AGN_TYPES": "lines",
    "AgnError": "errors",
    "Change": "what_if",
    "LINES": "lines",
    "METHODS": "saliency",
    "MapPlacer": "embedding",
    "ObservedSpectrum": "spectra",
    "PAPER_GRID": "reduction",
    "ProbabilisticSVC": "classifier",
    "SpectrumPicker": "widgets",
    "TrainedModel": "models",
    "change_spectrum": "what_if",
    "check_cache": "cache_check",
    "class_mean": "saliency",
    "classify_spectra": "inference",
    "combine_catalogues": "catalogues",
    "embed_perplexities": "embedding",
    "embed_spectra": "embedding",
    "explain": "saliency",
    "fetch_spectra": "download",
    "finite_difference": "saliency",
    "from_specutils": "spectra",
    "gradient": "saliency",
    "integrated_gradients": "saliency",
    "lime": "saliency",
    "load_model": "models",
    "log_proba_gradient": "classifier",
    "make_catalogue": "catalogues",
    "measure_faithfulness": "faithfulness",
    "measure_lines": "line_statistics",
    "measure_maps": "persistence",
    "occlusion": "saliency",
    "open_survey": "surveys",
    "paper_catalogue": "catalogue_sources",
    "place_on_map": "embedding",
    "plot_saliency": "saliency_plots",
    "read_catalogue": "catalogues",
    "read_map": "embedding",
    "read_sample": "reduction",
    "read_spectra": "surveys",
    "read_spectrum": "spectra",
    "reduce_spectra": "reduction",
    "remove_lines": "saliency",
    "saliency_card": "saliency_cards",
    "sample_arrays": "reduction",
    "sample_grid": "reduction",
    "save_model": "models",
    "simulate_survey": "synthetic",
    "skyserver_catalogue": "catalogue_sources",
    "smoothgrad": "saliency",
    "summarise_lines": "line_statistics",
    "vizier_catalogue": "catalogue_sources",
    "write_map": "embedding",
    "write_saliency": "saliency",
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
