from .describe import inspect_file, list_formats
from .desi import SpectrumBlock, open_coadd, read_coadd
from .folders import (
    INDEX_NAMES,
    Entry,
    find_index,
    list_files,
    open_spectra,
    parse_columns,
    read_entries,
    read_files,
    read_index,
    read_spectra,
)
from .noise import standard_deviation
from .observed import ObservedSpectrum, Rejected
from .reading import name_of, read_spectrum
from .sdss import read_sdss, split_hdus, write_spec_lite
from .sky import SKY_PAGES, list_sky_pages
from .specutils_io import from_specutils

__all__ = [
    "INDEX_NAMES",
    "SKY_PAGES",
    "Entry",
    "ObservedSpectrum",
    "Rejected",
    "SpectrumBlock",
    "find_index",
    "from_specutils",
    "inspect_file",
    "list_files",
    "list_formats",
    "list_sky_pages",
    "name_of",
    "open_coadd",
    "open_spectra",
    "parse_columns",
    "read_coadd",
    "read_entries",
    "read_files",
    "read_index",
    "read_sdss",
    "read_spectra",
    "read_spectrum",
    "split_hdus",
    "standard_deviation",
    "write_spec_lite",
]
