from .blocks import reduce_block
from .changes import SpectrumChange, perturb_spectrum
from .resampling import expect_spectra, pixel_edges, resample_block
from .rest_frame import tabulate_ranges, to_rest_frame
from .sample import (
    ReducedSample,
    find_missing_lines,
    observed_shares,
    read_sample,
    reduce_spectra,
    sample_arrays,
    sample_grid,
    write_sample,
)

__all__ = [
    "ReducedSample",
    "SpectrumChange",
    "expect_spectra",
    "find_missing_lines",
    "observed_shares",
    "perturb_spectrum",
    "pixel_edges",
    "read_sample",
    "reduce_block",
    "reduce_spectra",
    "resample_block",
    "sample_arrays",
    "sample_grid",
    "tabulate_ranges",
    "to_rest_frame",
    "write_sample",
]
