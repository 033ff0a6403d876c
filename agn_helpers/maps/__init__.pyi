from .clusters import compare_clusterings, find_clusters, follow_clusters, match_clusters, score_stability
from .embedding import MapPlacer, embed_perplexities, embed_spectra, place_on_map
from .landmarks import embed_landmarks
from .neighbours import (
    find_neighbours,
    largest_perplexity,
    measure_bridge,
    tabulate_bridges,
    tabulate_neighbours,
    vote_on_map,
)
from .quality import measure_maps, score_components, score_placing
from .spectrum_map import SpectrumMap, SpectrumScaler, read_map, write_map

__all__ = [
    "MapPlacer",
    "SpectrumMap",
    "SpectrumScaler",
    "compare_clusterings",
    "embed_landmarks",
    "embed_perplexities",
    "embed_spectra",
    "find_clusters",
    "find_neighbours",
    "follow_clusters",
    "largest_perplexity",
    "match_clusters",
    "measure_bridge",
    "measure_maps",
    "place_on_map",
    "read_map",
    "score_components",
    "score_placing",
    "score_stability",
    "tabulate_bridges",
    "tabulate_neighbours",
    "vote_on_map",
    "write_map",
]
