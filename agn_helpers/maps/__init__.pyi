from .clusters import compare_clusterings, find_clusters, match_clusters, score_stability
from .embedding import MapPlacer, embed_perplexities, embed_spectra, place_on_map
from .neighbours import find_neighbours, largest_perplexity
from .quality import measure_isthmus, measure_maps, score_components
from .spectrum_map import SpectrumMap, read_map, write_map

__all__ = [
    "MapPlacer",
    "SpectrumMap",
    "compare_clusterings",
    "embed_perplexities",
    "embed_spectra",
    "find_clusters",
    "find_neighbours",
    "largest_perplexity",
    "match_clusters",
    "measure_isthmus",
    "measure_maps",
    "place_on_map",
    "read_map",
    "score_components",
    "score_stability",
    "write_map",
]
