"""Spectra through specutils, an optional package: the formats that this one does not read itself."""

import warnings

import numpy as np
from astropy import units as u
from astropy.nddata import InverseVariance

from ..errors import SpectrumError
from .noise import ESTIMATED, estimate_noise, invert_variance


def read_with_specutils(path):
    """Let specutils recognise and read the file at `path` (pathlib.Path).

    Returns
    -------
    dict
        The fields of an ObservedSpectrum, as `take_from_specutils` gives them.

    Raises
    ------
    SpectrumError
        Where specutils is not installed, or cannot read the file.
    """
    try:
        from specutils import Spectrum
    except ImportError as error:
        raise SpectrumError(
            f"{path} must be an SDSS spectrum or text; other formats need specutils: pip install .[formats]"
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            spectrum = Spectrum.read(path)
    except Exception as error:  # Thirty readers raise whatever they like.
        reason = str(error).strip().split("\n")[0]
        raise SpectrumError(
            f"{path} must be an SDSS spectrum, text or what specutils can read ({reason}); "
            "get the file again, or read it in Python and pass it to from_specutils."
        ) from error
    try:
        return take_from_specutils(spectrum)
    except SpectrumError as error:
        raise SpectrumError(f"{path}: {error}") from error


def take_from_specutils(spectrum, *, medium=None):
    """Take the fields of an ObservedSpectrum from a specutils.Spectrum; see `from_specutils`.

    Returns
    -------
    dict
        Wavelength, flux and ivar are Quantities, in order of increasing wavelength.

    Raises
    ------
    SpectrumError
        For several spectra in one object, and for an axis that is no wavelength.
    """
    if spectrum.flux.ndim != 1:
        raise SpectrumError(
            f"flux must be one spectrum; got shape {spectrum.flux.shape}; take one, as in spectrum[0]."
        )
    try:
        wavelength = spectrum.spectral_axis.quantity.to(u.AA, u.spectral())
    except u.UnitsError as error:
        raise SpectrumError(f"spectral_axis must be a wavelength, frequency or energy; {error}.") from error
    medium = medium or _stated_medium(spectrum.meta.get("header") or {})
    if medium == "air":
        from specutils.utils.wcs_utils import air_to_vac

        wavelength = air_to_vac(wavelength)
    order = slice(None, None, -1 if wavelength[0] > wavelength[-1] else 1)
    redshift = float(np.squeeze(spectrum.redshift))
    fields = {
        "wavelength": wavelength[order],
        "flux": spectrum.flux[order],
        "redshift": redshift if redshift != 0 else np.nan,
        "meta": {"format": "specutils", "medium": medium or "not stated, taken for vacuum"},
    }
    if spectrum.uncertainty is None:
        fields["meta"]["noise"] = ESTIMATED
        ivar = invert_variance(estimate_noise(spectrum.flux.value)) * spectrum.flux.unit**-2
    else:
        with np.errstate(all="ignore"):
            inverse = spectrum.uncertainty.represent_as(InverseVariance)
        ivar = u.Quantity(inverse.array, inverse.unit or spectrum.flux.unit**-2)
    if spectrum.mask is not None:
        ivar = np.where(spectrum.mask, 0 * ivar.unit, ivar)
    fields["ivar"] = ivar[order]
    return fields


def _stated_medium(header):
    if header.get("VACUUM") is True:
        return "vacuum"
    air = str(header.get("CTYPE1", "")).startswith("AWAV") or str(header.get("AIRORVAC", "")).lower() == "air"
    return "air" if air else None
