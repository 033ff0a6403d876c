"""Truth beside what was measured, row by row those of the sample."""

import numpy as np
from astropy.table import Table

from agn_helpers.survey import join_truth


def test_rows_are_those_of_the_sample_and_its_own_columns_stay():
    sample = Table({"name": ["b", "a", "x"], "redshift": [0.2, 0.1, 0.3], "snr": [5.0, 6.0, 7.0]})
    truth = Table({"name": ["a", "b"], "redshift": [9.0, 9.0], "fwhm_broad": [3000.0, 4000.0]})
    columns = join_truth(sample, truth)
    assert columns.colnames == ["name", "redshift", "snr", "fwhm_broad"]
    assert list(columns["name"]) == ["b", "a", "x"]
    assert list(columns["redshift"]) == [0.2, 0.1, 0.3]
    assert np.ma.filled(columns["fwhm_broad"], np.nan)[:2].tolist() == [4000, 3000]
    assert np.ma.getmaskarray(columns["fwhm_broad"]).tolist() == [False, False, True]
    assert join_truth(sample).colnames == ["name", "redshift", "snr"]
