from .dataset import attributions, check_folder, read_results
from .engine import classify_many, open_client
from .partitions import classify_partition
from .summary import summarise_results

__all__ = [
    "attributions",
    "check_folder",
    "classify_many",
    "classify_partition",
    "open_client",
    "read_results",
    "summarise_results",
]
