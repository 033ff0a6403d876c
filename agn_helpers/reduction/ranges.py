"""The range of wavelengths that spectra share: the paper's Table 1."""

import numpy as np
import pandas as pd

from ..lines import AGN_TYPES
from .rest_frame import to_rest_frame

_PAPER = pd.DataFrame(
    [[2713.93, 5265.95], [3728.91, 8318.88], [3727.07, 6955.60], [3728.91, 5265.95]],
    index=["type 1", "intermediate", "type 2", "adopted"],
    columns=["min (paper)", "max (paper)"],
)


def tabulate_ranges(spectra, grid):
    """Wavelengths at rest that the spectra of each type share, beside the paper's.

    Parameters
    ----------
    spectra : sequence of ObservedSpectrum
        Those without a redshift are left out.
    grid : (n_grid,) array
        The adopted wavelengths, vacuum Å.

    Returns
    -------
    pandas.DataFrame
        Index ``type``: the types that occur, then "adopted".  Columns ``min`` and ``max``: the largest of the
        first wavelengths and the smallest of the last, Å; ``min (paper)``, ``max (paper)``.
    """
    usable = [spectrum for spectrum in spectra if np.isfinite(spectrum.redshift)]
    ends = [to_rest_frame(spectrum.wavelength[[0, -1]], spectrum.redshift) for spectrum in usable]
    labels = np.array([spectrum.label for spectrum in usable])
    table = pd.DataFrame(ends, columns=["min", "max"]).groupby(labels).agg({"min": "max", "max": "min"})
    table = table.reindex([name for name in AGN_TYPES if any(each.label == name for each in spectra)])
    table.loc["adopted"] = np.asarray(grid)[[0, -1]]
    return table.join(_PAPER).rename_axis("type").round(2)
