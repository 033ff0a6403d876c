from .attribution import METHODS, Attribution, choose_explained, explain, silence_unobserved
from .gradient_methods import gradient, integrated_gradients, smoothgrad
from .line_shares import rank_lines, relative_maps, share_in_windows
from .line_statistics import CORE, WINGS, measure_lines, summarise_lines
from .opposition import choose_examples, measure_opposition, repeat_opposition
from .perturbation_methods import finite_difference, lime, occlusion
from .refits import count_placebo, count_refits, refit_half_samples, reseed, summarise_refits
from .target import TargetScore, check_spectra, check_wavelengths, find_target, spectra_blocks
from .windows import check_baseline, check_segments, class_mean, make_segments, remove_lines

__all__ = [
    "CORE",
    "METHODS",
    "WINGS",
    "Attribution",
    "TargetScore",
    "check_baseline",
    "check_segments",
    "check_spectra",
    "check_wavelengths",
    "choose_examples",
    "choose_explained",
    "class_mean",
    "count_placebo",
    "count_refits",
    "explain",
    "find_target",
    "finite_difference",
    "gradient",
    "integrated_gradients",
    "lime",
    "make_segments",
    "measure_lines",
    "measure_opposition",
    "occlusion",
    "rank_lines",
    "refit_half_samples",
    "relative_maps",
    "remove_lines",
    "repeat_opposition",
    "reseed",
    "share_in_windows",
    "silence_unobserved",
    "smoothgrad",
    "spectra_blocks",
    "summarise_lines",
    "summarise_refits",
]
