"""Is a file from an archive the spectrum that was asked for, whole and readable?"""

from pathlib import Path

import numpy as np

from ..errors import SpectrumError
from ..limits import summarise_error
from ..spectra import ObservedSpectrum, read_sdss, split_hdus

_BLOCK = 2880

# Stands in errors where the name of a file would.  A real name would not do: identifiers that a file does
# not state are read out of its name, and here the file itself must state them.
_SENT = Path("the file sent")


def verify_spectrum(content, *, plate, mjd, fiberid):
    """Check that bytes are the SDSS spec or spSpec file of that plate, MJD and fibre, whole and readable.

    Raises SpectrumError for what is no FITS file, is truncated, contradicts its own CHECKSUM or DATASUM,
    belongs to another object (by its header or its catalogue row), or holds no flux that can be read.
    """
    if not content.startswith(b"SIMPLE  ="):
        start = content[:40].decode("latin-1").split("\n")[0]
        raise SpectrumError(f"{_SENT} must be FITS; it begins with {start!r}.")
    try:
        hdus = split_hdus(content, _SENT)
        _verify_sums(content, hdus)
        fields = read_sdss(content, _SENT)
        if fields is None:
            raise SpectrumError(f"{_SENT} must be an SDSS spectrum; it is another FITS file.")
        _verify_identifiers(fields, hdus[0], {"plate": plate, "mjd": mjd, "fiberid": fiberid})
        if not np.isfinite(fields["flux"]).any():
            raise SpectrumError(f"{_SENT} must have finite flux; all of it is NaN or infinite.")
        ObservedSpectrum(**fields)
    except SpectrumError:
        raise
    except Exception as error:  # Whatever is sent, it is no spectrum then.
        raise SpectrumError(f"{_SENT} is damaged ({summarise_error(error)}).") from error


def _verify_identifiers(fields, primary, asked):
    """The catalogue row and the primary header must both be those of the object; either may lack them."""
    header = {key: primary.value(key.upper() + "ID", primary.value(key.upper())) for key in asked}
    header["fiberid"] = primary.value("FIBERID")
    row = {key: fields.get(key, -1) for key in asked}
    stated = [
        {key: int(value) for key, value in source.items() if value is not None and int(value) >= 0}
        for source in (row, header)
    ]
    for source in stated:
        if any(asked[key] != value for key, value in source.items()):
            raise SpectrumError(
                f"{_SENT} must be that of plate, MJD, fibre {_join(asked)}; it says {_join(source)}."
            )
    if not any(len(source) == len(asked) for source in stated):
        raise SpectrumError(f"{_SENT} must state its plate, MJD and fibre; it does not.")


def _join(identifiers):
    return "-".join(str(identifiers.get(key, "?")) for key in ("plate", "mjd", "fiberid"))


def _verify_sums(content, hdus):
    """Compare CHECKSUM and DATASUM where an HDU has them (FITS standard 4.0, section 4.4.2.7)."""
    start = 0
    for number, hdu in enumerate(hdus):
        end = hdu.start - (-hdu.size() // _BLOCK) * _BLOCK
        datasum = hdu.value("DATASUM", "")
        if datasum and _sum_words(content[hdu.start : end]) != int(datasum) % 0xFFFFFFFF:
            raise SpectrumError(f"{_SENT} must agree with its DATASUM; the data of HDU {number} do not.")
        # The card is chosen such that the sum of the whole HDU is zero.
        if hdu.value("CHECKSUM") and _sum_words(content[start:end]):
            raise SpectrumError(f"{_SENT} must agree with its CHECKSUM; HDU {number} does not.")
        start = end


def _sum_words(content):
    """Ones' complement sum of 32-bit words, 0 for both of its zeros."""
    return int(np.frombuffer(content, ">u4").sum(dtype=np.uint64)) % 0xFFFFFFFF
