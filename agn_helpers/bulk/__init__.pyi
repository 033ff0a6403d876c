from .dataset import attributions, read_results
from .engine import classify_many, open_client
from .partitions import classify_partition
from .summary import summarise_results

__all__ = [
    "attributions",
    "classify_many",
    "classify_partition",
    "open_client",
    "read_results",
    "summarise_results",
]
