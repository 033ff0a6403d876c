"""Observed spectra in, the reduced sample out: one table on one grid, and what could not be reduced."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from os import PathLike

import numpy as np
from astropy.table import Table

from ..dispatch import call_above
from ..errors import AgnError, ReductionError
from ..files import read_table, write_table
from ..limits import escape_text, summarise_error
from ..lines import LINES, MARKED_LINES, NORMALISATION_WAVELENGTH, PAPER_GRID
from ..spectra import ObservedSpectrum, Rejected
from .resampling import expect_spectra
from .rest_frame import reduce_spectrum, to_rest_frame
from .wild_pixels import middle

logger = logging.getLogger(__name__)

# Half-widths (km/s) of the windows in which lines are looked for, and the share of one that must be observed.
_BALMER_HALF_WIDTH, _OTHER_HALF_WIDTH = 3000.0, 1000.0

_LEAST_OF_LINE = 0.5


class ReducedSample(Table):
    """Spectra on one rest-frame grid: an astropy Table with a row a spectrum, as `reduce_spectra` makes it.

    Columns ``name, plate, mjd, fiberid, redshift, label ("" where unknown), snr (median per grid point),
    unobserved (share of the grid), missing_lines`` (see `find_missing_lines`, joined by |); ``object, ra,
    dec, class, zwarning`` as the file or its index states them ("", NaN, -1 where it does not) and
    ``assumptions`` (made in reading it, joined by "; "); ``flux, ivar`` (n_grid each), flux in units of the
    flux at 5100 Å, not an observed one where ivar is 0.  ``meta`` holds the grid and the choices.
    """

    @property
    def grid(self):
        """Rest-frame vacuum Å of the fluxes, (n_grid,)."""
        return sample_grid(self)

    def plot(self, rows=0, **options):
        """Draw spectra one above the other; see `agn_helpers.plotting.plot_examples`.

        Parameters
        ----------
        rows : int or sequence of int
        **options
            Such as ``ax`` and ``label``.

        Returns
        -------
        matplotlib.axes.Axes
        """
        rows = np.atleast_1d(rows)
        flux, names = np.asarray(self["flux"])[rows], np.asarray(self["name"])[rows]
        return call_above("plotting.plot_examples", self.grid, flux, names=names, **options)

    def __repr__(self):
        return f"<ReducedSample: {self._describe()}>"

    def _repr_html_(self):
        return f"<p>{self._describe()}; flux in units of the flux at 5100 Å</p>{super()._repr_html_()}"

    def _describe(self):
        spectra = f"{len(self)} spectrum" if len(self) == 1 else f"{len(self)} spectra"
        if "grid_n" not in self.meta:
            return spectra
        low, high = self.meta["grid_min"], self.meta["grid_max"]
        grid = f"{self.meta['grid_n']} wavelengths, {low:.0f} to {high:.0f} Å"
        return f"{spectra} of {grid}; survey {self.meta.get('survey', 'unknown')}"


def shared_grid(spectra, *, n_grid=1000):
    """Equally spaced wavelengths over the rest-frame range that all `spectra` share, as in the paper.

    Spectra without a redshift are left out.  Raises ReductionError where no range is shared.
    """
    ranges = np.array(
        [
            to_rest_frame(spectrum.wavelength[[0, -1]], spectrum.redshift)
            for spectrum in spectra
            if np.isfinite(spectrum.redshift)
        ]
    ).reshape(-1, 2)
    if not len(ranges):
        raise ReductionError("no spectrum has a redshift, so there is no shared range; give redshifts.")
    low, high = ranges[:, 0].max(), ranges[:, 1].min()
    if not low < NORMALISATION_WAVELENGTH < high:
        raise ReductionError(
            f"the shared range must hold 5100 Å at rest; the spectra share {low:.1f} to {high:.1f} Å: "
            "leave out the spectra at the extremes of redshift, or give a grid."
        )
    return np.linspace(low, high, n_grid)


def reduce_spectra(
    spectra: Iterable[ObservedSpectrum | Rejected],
    *,
    grid: str | np.ndarray | None = "paper",
    normalisation: str = "window",
    survey: str | None = None,
) -> tuple[ReducedSample, Table]:
    """Reduce any iterable of spectra; what cannot be reduced is listed with its reason, never dropped.

    Parameters
    ----------
    spectra : iterable of ObservedSpectrum or Rejected
        As `agn_helpers.survey.open_survey` gives them; `Rejected` entries are passed on.
    grid : "paper", (n_grid,) array or None
        Rest-frame vacuum Å, equally spaced; "paper" for `PAPER_GRID`, None for the range that the spectra
        share, which needs all of them in memory at once.
    normalisation : {"window", "pixel"}
        See `agn_helpers.reduction.rest_frame.continuum_level`.
    survey : str, optional
        Where the spectra come from; by default what they say of themselves, each survey once.

    Returns
    -------
    sample : ReducedSample
    rejected : astropy.table.Table
        ``name, file, reason``.
    """
    if normalisation not in ("window", "pixel"):
        raise AgnError(f"normalisation must be 'window' or 'pixel'; got {normalisation!r}.")
    if isinstance(spectra, str | ObservedSpectrum | Table) or not isinstance(spectra, Iterable):
        raise AgnError(
            f"spectra must be a list of ObservedSpectrum; got {type(spectra).__name__}. Read files with "
            "read_spectra, and put a single spectrum in a list."
        )
    if grid is None:
        spectra = list(spectra)
        grid = shared_grid(spectrum for spectrum in spectra if not isinstance(spectrum, Rejected))
    if isinstance(grid, str) and grid != "paper":
        raise AgnError(f"grid must be 'paper', wavelengths in Å or None; got {grid!r}.")
    grid = PAPER_GRID if isinstance(grid, str) else np.asarray(grid, dtype=float)
    steps = np.diff(grid)
    if grid.ndim != 1 or grid.size < 3 or steps[0] <= 0 or not np.allclose(steps, steps[0]):
        raise ReductionError("grid must be equally spaced, increasing wavelengths in Å, at least 3 of them.")
    rows, fluxes, ivars, rejected, surveys = [], [], [], [], set()
    for spectrum in spectra:
        if isinstance(spectrum, Rejected):
            rejected.append(spectrum)
            continue
        if not isinstance(spectrum, ObservedSpectrum):
            kind = type(spectrum).__name__
            raise AgnError(f"spectra must be ObservedSpectrum; got {kind}. Read files with read_spectra.")
        try:
            flux, ivar = reduce_spectrum(spectrum, grid=grid, normalisation=normalisation)
            origin = describe_origin(spectrum.meta)
        except Exception as error:  # Whatever is wrong with one spectrum must not end the others.
            logger.debug("%s was not reduced", spectrum.name, exc_info=error)
            file = str(spectrum.meta.get("file", ""))
            rejected.append(Rejected(spectrum.name, file, summarise_error(error)))
            continue
        used = ivar > 0
        signal = float(middle(flux[used] * np.sqrt(ivar[used])))
        rows.append((*_identify(spectrum), signal, float(np.mean(~used)), *origin))
        expect_spectra(len(rows))
        # Single precision halves the memory of a million spectra and is finer than any real noise.
        fluxes.append(flux.astype(np.float32))
        ivars.append(ivar.astype(np.float32))
        surveys.add(str(spectrum.meta.get("survey") or "unknown"))
    origin = survey or ", ".join(sorted(surveys)) or "unknown"
    return tabulate(rows, fluxes, ivars, rejected, grid=grid, normalisation=normalisation, survey=origin)


def _identify(spectrum):
    ids = (spectrum.name, spectrum.plate, spectrum.mjd, spectrum.fiberid)
    return *ids, float(spectrum.redshift), spectrum.label or ""


def tabulate(rows, flux, ivar, rejected, *, grid, normalisation, survey):
    """Make the two tables of `reduce_spectra`.

    Parameters
    ----------
    rows : list of tuple
        ``name, plate, mjd, fiberid, redshift, label, snr, unobserved`` and the cells of `describe_origin`.
    flux, ivar : sequences of (n_grid,) float32 arrays
    rejected : list of Rejected
    grid, normalisation, survey
        As there.
    """
    names = ("name", "plate", "mjd", "fiberid", "redshift", "label", "snr", "unobserved", *_ORIGIN)
    dtypes = (str, np.int32, np.int32, np.int32, float, str, float, float, *_ORIGIN.values())
    columns = zip(*rows) if rows else [()] * len(names)
    sample = ReducedSample([np.array(values, kind) for values, kind in zip(columns, dtypes)], names=names)
    flux, ivar = (np.asarray(each, dtype=np.float32).reshape(len(rows), grid.size) for each in (flux, ivar))
    missing = find_missing_lines(grid, ivar)
    sample.add_column(
        np.array(["|".join(lines) for lines in missing], dtype=str),
        index=sample.index_column("unobserved") + 1,
        name="missing_lines",
    )
    sample["flux"], sample["ivar"] = flux, ivar
    sample.meta.update(
        survey=escape_text(survey),
        grid_min=float(grid[0]),
        grid_max=float(grid[-1]),
        grid_n=int(grid.size),
        normalisation=normalisation,
        flux_unit="flux at 5100 Angstrom",
    )
    escaped = [tuple(map(escape_text, row)) for row in rejected]
    rejects = Table(rows=escaped or None, names=Rejected._fields, dtype=(str, str, str))
    rejects.meta["survey"] = sample.meta["survey"]
    return sample, rejects


# What is known of a spectrum besides its numbers, and the types of the columns.
_ORIGIN = {"object": str, "ra": float, "dec": float, "class": str, "zwarning": np.int64, "assumptions": str}


def describe_origin(meta):
    """The cells of `_ORIGIN`; what a file says may be of any kind, which raises."""
    unknown = {"object": "", "ra": np.nan, "dec": np.nan, "class": "", "zwarning": -1}
    cells = {key: meta.get(key, value) for key, value in unknown.items()}
    cells["assumptions"] = "; ".join(map(str, meta.get("assumptions", ())))
    return tuple((escape_text if kind is str else kind)(cells[key]) for key, kind in _ORIGIN.items())


def observed_shares(grid, ivar):
    """How much of the window of each line was observed.

    Parameters
    ----------
    grid : (n_grid,) array, rest-frame vacuum Å
    ivar : (n_spectra, n_grid) array, 0 where not observed

    Returns
    -------
    dict of str to (n_spectra,) array
        Of those `MARKED_LINES` whose window, ±3000 km/s for Balmer lines and ±1000 km/s for others, is on the
        grid.
    """
    shares = {}
    for name in MARKED_LINES:
        is_balmer = name.startswith("H") and not name.startswith("He")
        width = _BALMER_HALF_WIDTH if is_balmer else _OTHER_HALF_WIDTH
        window = np.abs(LINES[name].velocity(grid)) <= width
        if window.any():
            shares[name] = np.mean(ivar[:, window] > 0, axis=1)
    return shares


def find_missing_lines(grid, ivar):
    """Names of the lines with less than half of their window observed: a list for each spectrum.

    See `observed_shares`.
    """
    missing: list[list[str]] = [[] for _ in range(len(ivar))]
    for name, share in observed_shares(grid, ivar).items():
        for row in np.flatnonzero(share < _LEAST_OF_LINE):
            missing[row].append(name)
    return missing


def sample_grid(sample: Table) -> np.ndarray:
    """Wavelengths (n_grid,) in rest-frame vacuum Å of a reduced sample; AgnError for any other table."""
    if not {"grid_min", "grid_max", "grid_n"} <= set(sample.meta):
        raise ReductionError(
            "a reduced sample is needed, with its grid in its meta; make it with reduce_spectra."
        )
    return np.linspace(sample.meta["grid_min"], sample.meta["grid_max"], int(sample.meta["grid_n"]))


def sample_arrays(sample: Table) -> tuple[np.ndarray, np.ndarray]:
    """Flux ``X`` (n_spectra, n_grid) in units of the flux at 5100 Å, and types ``y`` (n_spectra,)."""
    return np.asarray(sample["flux"], dtype=float), np.asarray(sample["label"], dtype=str)


def write_sample(sample, path):
    """Write a reduced sample as a FITS table that astropy and TOPCAT open; whole or not at all."""
    write_table(sample, path)


def read_sample(path: str | PathLike, *, mapped: bool = False) -> ReducedSample:
    """Read a reduced sample back: `ReducedSample`.

    Parameters
    ----------
    path : path
    mapped : bool
        Leave the fluxes of a FITS file on the disk until they are looked at.

    Raises
    ------
    AgnError
        Where the file is missing, is no table, or lacks a column or the grid.
    """
    sample = ReducedSample(read_table(path, mapped=mapped), copy=False)
    needed = {"name", "redshift", "label", "flux", "ivar"} - set(sample.colnames)
    needed |= {"survey", "grid_min", "grid_max", "grid_n"} - set(sample.meta)
    if needed:
        raise ReductionError(
            f"{path} must be a reduced sample; it lacks {', '.join(sorted(needed))}. Run notebook 01 again."
        )
    problem = _find_problem(sample)
    if problem:
        raise ReductionError(f"{path} must be a reduced sample; {problem}. Run notebook 01 again.")
    return sample


def _find_problem(sample):
    """What is wrong with the values of a sample that has all of its columns; "" for nothing."""
    low, high, number = (sample.meta[key] for key in ("grid_min", "grid_max", "grid_n"))
    if not all(isinstance(value, int | float) for value in (low, high, number)):
        return f"its grid is {low!r} to {high!r} in {number!r} steps"
    if not (0 < low < high < np.inf and 3 <= number < np.inf and number == int(number)):
        return f"its grid is {low:g} to {high:g} in {number:g} steps"
    for name in ("flux", "ivar"):
        values = sample[name]
        if values.shape != (len(sample), number) or values.dtype.kind != "f":
            return (
                f"{name} must be {len(sample)} by {number:g} numbers; it is {values.dtype} of {values.shape}"
            )
        if not np.isfinite(np.ma.filled(values, np.nan)).all():
            return f"{name} must be finite"
    if len(sample) and np.min(sample["ivar"]) < 0:
        return "ivar must not be negative"
    for name, kinds in (("name", "U"), ("label", "U"), ("redshift", "f")):
        if sample[name].ndim != 1 or (len(sample) and sample[name].dtype.kind not in kinds):
            return f"{name} must be one value a spectrum; it is {sample[name].dtype} of {sample[name].shape}"
    return ""
