from .artists import PaintedSpectrum, ProbabilityBars
from .colours import (
    SALIENCY_COLOURS,
    SIGNIFICANT,
    describe_map,
    format_number,
    full_colour,
    prepare_map,
    shade_windows,
)
from .distributions import plot_histogram, plot_novelty, plot_surveys, plot_truth_pairs
from .faithfulness import plot_curves, plot_faithfulness
from .heatmaps import plot_agreement, plot_confusion, plot_scores
from .line_statistics import (
    plot_attribution_map,
    plot_line_statistics,
    plot_opposite_shares,
    plot_velocity_profile,
)
from .maps import (
    circle_on_map,
    map_size,
    mark_on_map,
    number_on_map,
    plot_clusters,
    plot_decision,
    plot_map,
    plot_map_panels,
    plot_map_values,
    plot_persistence,
)
from .report import ZOOMS, plot_summary_page, tabulate_statistics
from .saliency import plot_methods, plot_saliency, plot_saliency_panels
from .spectra import (
    FLUX_LABEL,
    WAVELENGTH_LABEL,
    mark_lines,
    plot_examples,
    plot_mean_spectrum,
    plot_observed,
)
from .style import DARK, DOUBLE_COLUMN, GREY, SINGLE_COLUMN, save_figure
from .tuning import (
    plot_beside_paper,
    plot_noise_curve,
    plot_reliability,
    plot_search,
)

__all__ = [
    "DARK",
    "DOUBLE_COLUMN",
    "FLUX_LABEL",
    "GREY",
    "SALIENCY_COLOURS",
    "SIGNIFICANT",
    "SINGLE_COLUMN",
    "WAVELENGTH_LABEL",
    "ZOOMS",
    "PaintedSpectrum",
    "ProbabilityBars",
    "circle_on_map",
    "describe_map",
    "format_number",
    "full_colour",
    "map_size",
    "mark_lines",
    "mark_on_map",
    "number_on_map",
    "plot_agreement",
    "plot_attribution_map",
    "plot_beside_paper",
    "plot_clusters",
    "plot_confusion",
    "plot_curves",
    "plot_decision",
    "plot_examples",
    "plot_faithfulness",
    "plot_histogram",
    "plot_line_statistics",
    "plot_map",
    "plot_map_panels",
    "plot_map_values",
    "plot_mean_spectrum",
    "plot_methods",
    "plot_noise_curve",
    "plot_novelty",
    "plot_observed",
    "plot_opposite_shares",
    "plot_persistence",
    "plot_reliability",
    "plot_saliency",
    "plot_saliency_panels",
    "plot_scores",
    "plot_search",
    "plot_summary_page",
    "plot_surveys",
    "plot_truth_pairs",
    "plot_velocity_profile",
    "prepare_map",
    "save_figure",
    "shade_windows",
    "tabulate_statistics",
]
