"""What is true of the spectra of a simulated survey, beside what was measured of them."""

from astropy.table import join


def join_truth(sample, truth=None):
    """Numbers of each spectrum that a map can be coloured by.

    Parameters
    ----------
    sample : astropy.table.Table
        A reduced sample.
    truth : astropy.table.Table, optional
        Of the simulated survey: a row a spectrum, by ``name``.

    Returns
    -------
    astropy.table.Table
        Row by row those of the sample: ``name, redshift, snr``, then the columns of the truth that the sample
        does not have itself; masked where the truth has no such spectrum.
    """
    columns = sample["name", "redshift", "snr"]
    if truth is None:
        return columns
    extra = [name for name in truth.colnames if name not in ("redshift", "snr", "label")]
    return join(columns, truth[extra], keys="name", join_type="left", keep_order=True)
