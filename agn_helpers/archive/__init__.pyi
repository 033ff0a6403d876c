from .cache import check_cache, read_missing, summarise_request
from .catalogue import read_catalogue
from .cutouts import fetch_cutouts, read_positions
from .fetch import fetch_spectra
from .layout import list_urls
from .sources import (
    find_catalogue,
    paper_catalogue,
    resolve_positions,
    skyserver_catalogue,
    vizier_catalogue,
)

__all__ = [
    "check_cache",
    "fetch_cutouts",
    "fetch_spectra",
    "find_catalogue",
    "list_urls",
    "paper_catalogue",
    "read_catalogue",
    "read_missing",
    "read_positions",
    "resolve_positions",
    "skyserver_catalogue",
    "summarise_request",
    "vizier_catalogue",
]
