"""Reading a file of any known format, whatever its name, into the spectrum or the spectra that it holds."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import logging
import lzma
import zlib
from os import PathLike
from pathlib import Path

import numpy as np

from ..errors import AgnError, SpectrumError
from ..limits import (
    LARGEST_FILE,
    LARGEST_TEXT,
    check_fits,
    read_at_most,
    read_regular,
    summarise_error,
)
from .assemble import assemble
from .fits_files import read_fits
from .medium import air_to_vacuum, check_medium
from .observed import ObservedSpectrum
from .sdss import read_sdss
from .specutils_io import make_spectrum, read_with_specutils
from .tables import read_table, table_format
from .text import read_text

logger = logging.getLogger(__name__)

_LARGE_FITS = 16 << 20

# First bytes of what is often found where a spectrum should be.
_NOT_SPECTRA = {
    b"\xff\xd8\xff": "a JPEG image",
    b"\x89PNG": "a PNG image",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a zip archive (or a spreadsheet); unpack it, or save it as CSV",
    b"\xd0\xcf\x11\xe0": "a document of an office program; save it as CSV",
    b"<": "a web page or XML, perhaps an archive's error message",
}

_COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}

_SUFFIXES = (".gz", ".bz2", ".xz", ".fz", ".Z")


def read_spectrum(
    path: str | PathLike,
    *,
    redshift: float | None = None,
    label: str | None = None,
    columns: dict | None = None,
    medium: str | None = None,
    which: str | int | None = None,
) -> ObservedSpectrum:
    """Read one spectrum; its format is recognised by the file's content, whatever its name.

    ``agn formats`` lists what is read.  Columns and images are taken for wavelength, flux, error … by name,
    unit and the definition of the format; where that is not clear, the error says what was found and how to
    say which is meant.  What was assumed is in ``meta["assumptions"]``.  Without errors in the file, ivar
    comes from
    `estimate_noise`.

    Parameters
    ----------
    path : str or path-like
    redshift : float, optional
        Goes before what the file states.
    label : str, optional
        A key of `agn_helpers.lines.AGN_TYPES`.
    columns : dict, optional
        Which column or image is what, by role (wavelength, flux, error, variance, ivar, mask where 0 is good,
        good where 1 is): ``{"flux": "FLUX_REDUCED"}``, with a unit: ``{"flux": "f2 [erg/s/cm2/A]"}``.
    medium : "air" or "vacuum", optional
        Goes before what the file says of its wavelengths; those in air are converted.
    which : str or int, optional
        Name or number (from 0) of one spectrum in a file of many.

    Returns
    -------
    ObservedSpectrum
        ``meta`` holds ``file``, ``format``, ``flux_unit``, ``assumptions`` and what else there is, such as
        ``zwarning`` and ``class``.

    Raises
    ------
    SpectrumError
        In one line, for whatever is not a readable spectrum, and for a file of many without `which`.
    """
    path = Path(path)
    spectra = find_spectra(path, columns=columns, medium=medium)
    names = [name_in_file(path, item, spectra.count) for item in spectra.names]
    if which is None and spectra.count != 1:
        raise SpectrumError(
            f"{path} holds {spectra.count} spectra "
            f"({', '.join(names[:3])}{' …' if len(names) > 3 else ''}); choose "
            f"one: which={names[0]!r}, or read all: read_spectra({str(path)!r})."
            if spectra.count
            else f"{path} holds no spectrum of an object."
        )
    number = 0 if which is None else _find_number(which, names, path)
    item = next(itertools.islice(iter(spectra.items), number, None))
    return finish_spectrum(
        item, names[number], path, redshift=redshift, label=label, columns=columns, medium=medium
    )


def _find_number(which, names, path):
    if isinstance(which, int | np.integer) and -len(names) <= which < len(names):
        return int(which) % len(names)
    matches = [i for i, name in enumerate(names) if str(which) in (name, name.removeprefix("desi-"))]
    matches = matches or [i for i, name in enumerate(names) if name.endswith(f"-{which}")]
    if len(matches) != 1:
        raise SpectrumError(
            f"which must be the name or the number of one of the {len(names)} spectra of {path}, such as "
            f"{names[0]!r}; got {which!r}."
        )
    return matches[0]


class _Spectra:
    """What a file holds: names ("" for that of the file) and, in the same order, Layouts or fields."""

    def __init__(self, names, items):
        self.names, self.items, self.count = names, items, len(names)


def find_spectra(path, *, columns=None, medium=None):
    """Recognise a file and find its spectra, without bringing them into their final form.

    Returns
    -------
    object with names, items and count
    """
    check_medium(medium)
    try:
        found = (
            read_fits(None, path, columns)
            if _is_large_fits(path)
            else _recognise(read_content(path), path, columns)
        )
    except AgnError as error:
        raise SpectrumError(str(error)) from error
    except Exception as error:  # Whatever a damaged file makes of a reader, it is that file's failure.
        raise _explain(path, error) from error
    if isinstance(found, dict):
        return _Spectra([found.get("name", "")], [found])
    if isinstance(found, list):
        return _Spectra(_make_unique([layout.name for layout in found]), found)
    return _Spectra(found.names, found)


def _is_large_fits(path):
    """Whether a file is FITS, not compressed, and better read from the disk piece by piece."""
    try:
        if not path.is_file() or path.stat().st_size < _LARGE_FITS:
            return False
        with open(path, "rb") as file:
            return file.read(9) == b"SIMPLE  ="
    except OSError:
        return False


def _recognise(content, path, columns):
    """Fields of one SDSS spectrum, a list of Layouts, or the targets of a DESI file."""
    if content.startswith(b"SIMPLE  ="):
        check_fits(content, path)
        fields = None if columns else read_sdss(content, path)
        if fields is not None:
            return fields
        try:
            return read_fits(content, path, columns)
        except SpectrumError:
            others = [] if columns else read_with_specutils(path)
            if not others:
                raise
            return others
    kind = table_format(content)
    if kind is not None:
        return read_table(content, kind, path)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return read_text(content, path, columns)
    if b"\0" in content[:65536]:
        begins = content[:8].decode("latin-1").encode("unicode_escape").decode()
        raise SpectrumError(
            f"{path} must be of a known format (agn formats lists them); it is binary and begins with "
            f"{begins}."
        )
    if len(content) > LARGEST_TEXT:
        raise SpectrumError(f"{path} must be a spectrum; it is text of {len(content) >> 20} MB.")
    return read_text(content, path, columns)


def _make_unique(names):
    """Names of which each is there once; repeated ones are numbered."""
    seen, unique = {}, []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return unique


def name_in_file(path, name, count):
    """The name of a spectrum in its sample: its own where that is known everywhere, else with the file's."""
    if not name:
        return name_of(path)
    if count == 1 or name.startswith(("desi-", "DESI-", "SDSS-", "BOSS-", "spec-")):
        return name
    return f"{name_of(path)}-{name}"


def finish_spectrum(item, name, path, *, redshift, label, columns, medium):
    """An ObservedSpectrum of a Layout or of fields; SpectrumError whatever is wrong with it."""
    try:
        return _finish(item, name, path, redshift, label, columns, medium)
    except SpectrumError:
        raise
    except Exception as error:  # As in find_spectra.
        raise _explain(path, error) from error


def _explain(path, error):
    """What was not foreseen, in one line, and the rest of it for those who debug."""
    logger.debug("%s cannot be read", path, exc_info=error)
    return SpectrumError(f"{path} must be a sound file; reading it fails ({summarise_error(error)}).")


def _finish(item, name, path, redshift, label, columns, medium):
    fields = (
        item
        if isinstance(item, dict)
        else assemble(item, path, columns=columns, medium=medium, redshift=redshift)
    )
    if isinstance(item, dict) and medium == "air":
        notes = [
            *item["meta"].get("assumptions", ()),
            "wavelengths converted from air to vacuum as told, while the format has vacuum",
        ]
        meta = {**item["meta"], "medium": "air", "assumptions": notes}
        fields = {**item, "wavelength": air_to_vacuum(item["wavelength"]), "meta": meta}
    if not np.isfinite(fields["flux"]).any():
        raise SpectrumError(f"{path} must have finite flux; all of it is NaN or infinite.")
    fields = {"name": name, **fields, "meta": {"file": str(path), **fields["meta"]}}
    if item is not fields and not isinstance(item, dict):
        fields["name"] = name
    return make_spectrum(fields, redshift=redshift, label=label)


def name_of(path):
    """The name of a spectrum that states none: that of its file (pathlib.Path), without suffix."""
    name = path.name
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return Path(name).stem


def read_content(path):
    """The bytes of a file, unpacked where it is compressed.

    Raises
    ------
    SpectrumError
        For what cannot be read, is damaged, too large, or plainly no spectrum.
    """
    try:
        content = read_regular(path)
        unpack = next((opener for magic, opener in _COMPRESSED.items() if content.startswith(magic)), None)
        if unpack is not None:
            with unpack(io.BytesIO(content)) as file:
                start = file.read(16)
                limit = (
                    LARGEST_FILE if start.startswith((b"SIMPLE  =", b"PAR1", b"\x89HDF")) else LARGEST_TEXT
                )
                content = start + read_at_most(file, limit)
            if len(content) > limit:
                raise SpectrumError(
                    f"{path} must unpack to a spectrum; it unpacks to {len(content) >> 20} MB or more."
                )
    except AgnError as error:
        raise SpectrumError(str(error)) from error
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise SpectrumError(
            f"{path} is truncated or damaged (compression: {error}); get the file again."
        ) from error
    if not content:
        raise SpectrumError(f"{path} is empty; get the file again.")
    for magic, what in _NOT_SPECTRA.items():
        if content.startswith(magic) and b"VOTABLE" not in content[:4096]:
            raise SpectrumError(f"{path} must be a spectrum; it is {what}.")
    return content
