"""The spectral axis of an image by its header: linear, log-linear, IRAF's, any that FITS defines."""

import re
import warnings

import numpy as np
from astropy.wcs import WCS

from ..errors import SpectrumError
from .roles import Column
from .units import is_unit

_SPATIAL = ("RA-", "DEC", "GLON", "GLAT", "PIXEL", "PIX", "STOKES", "X", "Y", "FIBRE", "MULTISPE")


def read_axis(header, n_pixels, *, axis=1):
    """Spectral axis of an image.

    Parameters
    ----------
    header : astropy.io.fits.Header
    n_pixels : int
    axis : int
        FITS number of the axis, 1 for the fastest.

    Returns
    -------
    Column or None
        Wavelengths or their logarithm, with the unit that the header states; None where it is no spectral
        axis.

    Raises
    ------
    SpectrumError
        For a WCS that astropy cannot evaluate.
    """
    if axis == 1 and "COEFF0" in header and "COEFF1" in header:
        # The WCS cards of SDSS and LAMOST claim a linear axis.
        values = _number(header["COEFF0"]) + _number(header["COEFF1"]) * np.arange(n_pixels)
        return Column("COEFF0 + COEFF1 i", values, "", role="loglam")
    kind = str(header.get(f"CTYPE{axis}", "")).strip()
    if re.fullmatch(r"(?:WAVE|AWAV|FREQ|ENER|WAVN|VRAD|VOPT|ZOPT|VELO|BETA)-[A-Z0-9]{3}", kind.upper()):
        if header.get("DC-FLAG") is None or _number(header["DC-FLAG"]) != 1:
            return _from_wcs(header, n_pixels, axis, kind)
    if kind.upper().startswith(_SPATIAL):
        return None
    start, step = header.get(f"CRVAL{axis}"), header.get(f"CD{axis}_{axis}", header.get(f"CDELT{axis}"))
    if start is None or step is None:
        return None
    if _number(header.get("DC-FLAG", 0)) == -1:
        return None
    start, step, reference = _number(start), _number(step), _number(header.get(f"CRPIX{axis}", 1))
    unit = _axis_unit(header, axis)
    label = _label(header, axis)
    if not unit and not label and (start, step) in ((1, 1), (0, 1)):
        return None
    values = start + step * (np.arange(n_pixels) + 1 - reference)
    log = _number(header.get("DC-FLAG", 0)) == 1
    ends = values[[0, -1]]
    log = log or (
        re.search(r"\blog|loglam|wave-log", f"{label} {kind}".lower()) and 1.5 < min(ends) and max(ends) < 6
    )
    if log:
        # The unit is that of the wavelength, not of its logarithm.
        plain = unit if is_unit(unit) and "log" not in unit.lower() else ""
        return Column(f"CTYPE{axis} {kind}".strip(), values, plain, note=label, role="loglam")
    spectral = {"FREQ": "frequency", "ENER": "energy", "WAVN": "wavenumber"}.get(
        kind.upper()[:4], "wavelength"
    )
    if spectral == "wavelength" and kind.upper()[:4] in ("VELO", "VRAD", "VOPT", "ZOPT"):
        return None
    return Column(f"CTYPE{axis} {kind}".strip(), values, unit, note=label, role=spectral)


def _number(value):
    """A card's value as a float, also of Fortran and in quotes."""
    return float(str(value).strip().upper().replace("D", "E"))


def _axis_unit(header, axis):
    unit = str(header.get(f"CUNIT{axis}", "")).strip()
    if not unit:
        found = re.search(r"units\s*=\s*\"?(\w+)", _join_cards(header, f"WAT{axis}_"))
        unit = found[1] if found else ""
    return unit


def _label(header, axis):
    found = re.search(r"label\s*=\s*\"?([\w -]+?)(?:\"| \w+\s*=|$)", _join_cards(header, f"WAT{axis}_"))
    kind = str(header.get(f"CTYPE{axis}", "")).strip()
    return f"{kind} {found[1] if found else ''}".strip()


def _join_cards(header, start):
    """IRAF cuts long text into numbered cards of 68 characters, blanks at the end included."""
    keys = sorted(key for key in header if re.fullmatch(re.escape(start) + r"\d{3}", key))
    return "".join(str(header[key]).ljust(68) if key != keys[-1] else str(header[key]) for key in keys)


def _from_wcs(header, n_pixels, axis, kind):
    """Axes that are linear in something else, by astropy.wcs."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wcs = WCS(header, naxis=axis) if axis == 1 else WCS(header)
            wcs = wcs.sub([axis])
            values = wcs.all_pix2world(np.arange(n_pixels), 0)[0]
    except Exception as error:  # wcslib raises classes of its own.
        reason = str(error).strip().split("\n")[0]
        raise SpectrumError(
            f"the axis {kind} must be one that astropy.wcs can evaluate; it says: {reason}."
        ) from error
    spectral = {"FREQ": "frequency", "ENER": "energy", "WAVN": "wavenumber"}.get(
        kind.upper()[:4], "wavelength"
    )
    return Column(f"CTYPE{axis} {kind}", values, str(wcs.wcs.cunit[0]), note=kind, role=spectral)


def read_multispec(header, n_apertures, n_pixels, path):
    """Spectral axes of IRAF's multispec, one for each aperture.

    Linear, log-linear, Chebyshev and Legendre dispersions (IRAF's help page "specwcs").

    Returns
    -------
    list of Column

    Raises
    ------
    SpectrumError
        For splines and for what is no such description.
    """
    text = _join_cards(header, "WAT2_")
    unit = re.search(r"units\s*=\s*\"?(\w+)", _join_cards(header, "WAT1_"))
    specs = dict(re.findall(r"spec(\d+)\s*=\s*\"([^\"]*)\"", text))
    columns = []
    for aperture in range(1, n_apertures + 1):
        try:
            words = specs[str(aperture)].split()
            values = _disperse(
                [float(word.upper().replace("D", "E").replace("INDEF", "nan")) for word in words], n_pixels
            )
        except (KeyError, IndexError, ValueError) as error:
            raise SpectrumError(
                f"{path} must describe the wavelengths of aperture {aperture} as linear, log-linear, "
                "Chebyshev or "
                f"Legendre (WAT2 spec{aperture}); it does not ({error})."
            ) from error
        columns.append(Column(f"WAT2 spec{aperture}", values, unit[1] if unit else "", role="wavelength"))
    return columns


def _disperse(words, n_pixels):
    """Wavelengths of the pixels by the numbers of one "spec" of multispec."""
    kind, first, step, n_valid, redshift = int(words[2]), words[3], words[4], int(words[5]), words[6]
    pixel = np.arange(1, n_pixels + 1, dtype=float)
    if kind in (0, 1):
        values = first + step * (pixel - 1)
        values = 10**values if kind == 1 else values
    elif kind == 2:
        values, rest = np.zeros(n_pixels), words[9:]
        while rest:
            weight, shift, function, order = rest[0], rest[1], int(rest[2]), int(rest[3])
            if function not in (1, 2):
                raise ValueError(f"function {function}")
            low, high = rest[4:6]
            x = (pixel - 0.5 * (low + high)) / (0.5 * (high - low))
            terms = np.polynomial.chebyshev.chebval if function == 1 else np.polynomial.legendre.legval
            values += weight * (shift + terms(x, rest[6 : 6 + order]))
            rest = rest[6 + order :]
    else:
        raise ValueError(f"no dispersion (type {kind})")
    # Pixels beyond the valid ones are padding.
    return np.where(pixel <= n_valid, values / (1 + redshift), np.nan)
