"""Table 1: the range of wavelengths that spectra of a type share."""

import numpy as np

from agn_helpers.reduction import tabulate_ranges
from agn_helpers.spectra import ObservedSpectrum


def make_spectrum(low, high, redshift, label):
    wavelength = np.linspace(low, high, 50)
    return ObservedSpectrum(wavelength, np.ones(50), np.ones(50), redshift, label=label)


def test_the_range_shared_is_that_of_the_largest_first_and_the_smallest_last_wavelength():
    spectra = [
        make_spectrum(4000, 9000, 0.0, "type 2"),
        make_spectrum(4000, 9000, 0.25, "type 2"),
        make_spectrum(4000, 9000, 1.0, "type 1"),
        make_spectrum(1000, 9000, np.nan, "type 1"),
    ]
    table = tabulate_ranges(spectra, np.array([4100.0, 4150.0, 4400.0]))
    assert table.index.tolist() == ["type 1", "type 2", "adopted"]
    assert table[["min", "max"]].to_numpy().tolist() == [[2000, 4500], [4000, 7200], [4100, 4400]]
    assert table.loc["type 1", ["min (paper)", "max (paper)"]].tolist() == [2713.93, 5265.95]
