from .attribution import METHODS, NUMBERS, Attribution, explain, name_quantity, silence_unobserved
from .gradient_methods import gradient, integrated_gradients, smoothgrad
from .line_shares import cluster_maps, rank_lines, relative_maps, share_in_windows
from .line_statistics import CORE, WINGS, measure_lines, summarise_lines
from .opposition import choose_examples, choose_explained, measure_opposition
from .perturbation_methods import finite_difference, occlusion
from .refits import refit_half_samples, reseed
from .segment_methods import LimeSampling, lime, shap
from .surrogate import KERNEL_WIDTH, Surrogate, draw_kept, fit_surrogate
from .target import TargetScore, check_spectra, check_wavelengths, find_target, spectra_blocks
from .windows import check_baseline, check_segments, class_mean, make_segments, remove_lines

__all__ = [
    "CORE",
    "KERNEL_WIDTH",
    "METHODS",
    "NUMBERS",
    "WINGS",
    "Attribution",
    "LimeSampling",
    "Surrogate",
    "TargetScore",
    "check_baseline",
    "check_segments",
    "check_spectra",
    "check_wavelengths",
    "choose_examples",
    "choose_explained",
    "class_mean",
    "cluster_maps",
    "draw_kept",
    "explain",
    "find_target",
    "finite_difference",
    "fit_surrogate",
    "gradient",
    "integrated_gradients",
    "lime",
    "make_segments",
    "measure_lines",
    "measure_opposition",
    "name_quantity",
    "occlusion",
    "rank_lines",
    "refit_half_samples",
    "relative_maps",
    "remove_lines",
    "reseed",
    "shap",
    "share_in_windows",
    "silence_unobserved",
    "smoothgrad",
    "spectra_blocks",
    "summarise_lines",
]
