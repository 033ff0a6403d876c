from .cache import RECORDS, check_cache, read_missing, summarise_request
from .catalogue import combine_catalogues, limit_catalogue, make_catalogue, make_problems, read_catalogue
from .fetch import fetch_spectra
from .http import check_base
from .layout import list_urls
from .sources import (
    PAPER_LISTS,
    SKYSERVER,
    VIZIER,
    paper_catalogue,
    resolve_positions,
    skyserver_catalogue,
    vizier_catalogue,
)

__all__ = [
    "PAPER_LISTS",
    "RECORDS",
    "SKYSERVER",
    "VIZIER",
    "check_base",
    "check_cache",
    "combine_catalogues",
    "fetch_spectra",
    "limit_catalogue",
    "list_urls",
    "make_catalogue",
    "make_problems",
    "paper_catalogue",
    "read_catalogue",
    "read_missing",
    "resolve_positions",
    "skyserver_catalogue",
    "summarise_request",
    "vizier_catalogue",
]
