"""Spectra through specutils, an optional package: objects in memory, and formats not read here."""

import warnings

import numpy as np
from astropy import units as u
from astropy.nddata import StdDevUncertainty

from ..errors import SpectrumError
from .assemble import Layout, assemble
from .medium import check_medium, medium_in_header
from .observed import ObservedSpectrum
from .roles import Column

# Readers that know what they read by its header; those that take columns and images by their position are
# left out.
_TRUSTED = ("6dFGS", "2SLAQ", "GALAH", "HST/", "JWST", "MUSCLES", "APOGEE", "Subaru", "SDSS-V mwm")


def read_with_specutils(path):
    """Let specutils read the file at `path` (pathlib.Path), where it knows its format for certain.

    Returns
    -------
    list of Layout
        Empty where specutils is not installed or does not know the file.

    Raises
    ------
    SpectrumError
        Where it knows the format and cannot read the file.
    """
    try:
        from specutils import SpectrumList
        from specutils.io.registers import identify_spectrum_format
    except ImportError:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            formats = identify_spectrum_format(str(path), SpectrumList)
        except Exception:  # Thirty recognisers raise whatever they like.
            return []
        formats = [formats] if isinstance(formats, str) else list(formats or ())
        known = next((name for name in formats if name.startswith(_TRUSTED)), None)
        if known is None:
            return []
        try:
            spectra = [s for s in SpectrumList.read(str(path), format=known) if s.flux.ndim == 1]
        except Exception as error:  # Its readers raise whatever they like.
            reason = str(error).strip().split("\n")[0]
            raise SpectrumError(
                f"{path} must be laid out as {known} does; specutils, reading it so, says: {reason}."
            ) from error
    layouts = [layout_of_specutils(spectrum, format=known) for spectrum in spectra]
    for number, layout in enumerate(layouts, start=1):
        layout.name = str(number) if len(layouts) > 1 else ""
    return layouts


def layout_of_specutils(spectrum, *, format="specutils"):
    """The arrays of a specutils.Spectrum as columns.

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
    columns = [
        Column("wavelength", wavelength.value, "Angstrom"),
        Column("flux", spectrum.flux.value, spectrum.flux.unit.to_string()),
    ]
    if spectrum.uncertainty is not None:
        with np.errstate(all="ignore"):
            deviation = spectrum.uncertainty.represent_as(StdDevUncertainty)
        unit = deviation.unit or spectrum.flux.unit
        columns.append(Column("error", np.asarray(deviation.array), unit.to_string()))
    if spectrum.mask is not None:
        columns.append(Column("mask", np.broadcast_to(spectrum.mask, spectrum.flux.shape)))
    redshift = float(np.squeeze(spectrum.redshift))
    header = spectrum.meta.get("header") or {}
    return Layout(
        columns,
        format,
        redshift=redshift if redshift != 0 else np.nan,
        medium=medium_in_header(header) if hasattr(header, "comments") else _medium_in_dict(header),
        mask_known=True,
    )


def _medium_in_dict(header):
    if header.get("VACUUM") is True:
        return "vacuum"
    air = str(header.get("CTYPE1", "")).startswith("AWAV") or str(header.get("AIRORVAC", "")).lower() == "air"
    return "air" if air else None


def from_specutils(spectrum, *, redshift=None, label=None, name="", medium=None):
    """Take over a spectrum that specutils holds in memory.

    Parameters
    ----------
    spectrum : specutils.Spectrum
        One-dimensional, its spectral axis in any unit and either direction; masked pixels get ivar 0.
        Without an uncertainty, ivar comes from `estimate_noise` and ``meta["noise"]`` says so.
    redshift : float, optional
        Goes before what the spectrum states; 0, specutils' default, counts as none there.
    label, name : str, optional
        Type and name of the object.
    medium : "vacuum" or "air", optional
        What the wavelengths were measured in, by default what the header says (VACUUM, CTYPE1,
        AIRORVAC), else vacuum.  Wavelengths in air are converted.  ``meta["medium"]`` says which it was.

    Returns
    -------
    ObservedSpectrum

    Raises
    ------
    SpectrumError
        For several spectra in one object, and for axes that are no wavelength or flux density.
    """
    check_medium(medium)
    layout = layout_of_specutils(spectrum)
    fields = assemble(layout, name or "a specutils.Spectrum", medium=medium)
    return make_spectrum({**fields, "name": name}, redshift=redshift, label=label)


def make_spectrum(fields, *, redshift=None, label=None):
    """An ObservedSpectrum of the fields that a reader gives; the user goes before the file.

    Parameters
    ----------
    fields : dict
    redshift : float, optional
        From the user; a difference from the file's of more than 0.001 is said in ``meta["assumptions"]``.
    label : str, optional

    Returns
    -------
    ObservedSpectrum
    """
    notes = fields["meta"].setdefault("assumptions", [])
    if redshift is not None and not np.isnan(redshift):
        stated = fields.get("redshift", np.nan)
        if abs(stated - redshift) > 1e-3:
            notes.append(f"redshift {redshift:g} as told, while the file says {stated:.5g}")
        fields = {**fields, "redshift": redshift}
    return ObservedSpectrum(**fields, label=label)
