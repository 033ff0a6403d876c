"""DESI coadd and spectra files: three arms of many targets, merged a block of targets at once."""

import contextlib
import re
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.io import fits

from ..errors import AgnError, SpectrumError
from ..limits import check_fits, summarise_error
from .redshifts import describe_row, known_redshift, remark_on
from .rice import RiceMask, is_rice

_ARM = re.compile(r"([A-Z]+)_WAVELENGTH")

_BLOCK = 64

_UNIT = "1e-17 erg / (Angstrom s cm2)"


def is_desi(hdus):
    """Whether a FITS file has a map of fibres and arms, each with wavelength, flux and ivar."""
    names = {hdu.name for hdu in hdus}
    arms = [match[1] for match in map(_ARM.fullmatch, names) if match]
    return any({f"{arm}_FLUX", f"{arm}_IVAR"} <= names for arm in arms)


def place_arms(wavelengths):
    """Lay the pixels of several arms on one axis.

    Parameters
    ----------
    wavelengths : list of (n_arm,) arrays
        Increasing, Å.

    Returns
    -------
    wavelength : (n_pixels,) array
        Increasing; pixels of two arms closer than a twentieth of their step are one.
    places : list of (n_arm,) arrays of int
        Where the pixels of each arm are on it.
    """
    together = np.concatenate(wavelengths)
    order = np.argsort(together, kind="stable")
    step = min(np.median(np.diff(wavelength)) for wavelength in wavelengths)
    group = np.cumsum(np.r_[0, np.diff(together[order]) > 0.05 * step])
    places = np.empty(together.size, dtype=int)
    places[order] = group
    ends = np.cumsum([wavelength.size for wavelength in wavelengths])[:-1]
    return together[order][np.searchsorted(group, np.arange(group[-1] + 1))], np.split(places, ends)


def merge_arms(places, n_pixels, arms):
    """Merge the arms of many targets: a pixel of two arms becomes their mean, weighed by inverse variance.

    Parameters
    ----------
    places : list of (n_arm,) arrays of int
        As of `place_arms`.
    n_pixels : int
    arms : list of (flux, ivar, bad)
        Each (n_targets, n_arm); ivar of pixels that are `bad` (or None) counts as 0.

    Returns
    -------
    flux, ivar : (n_targets, n_pixels) arrays
        In single precision, as DESI's files have them, where all arms are; means are rounded to it.
    """
    number, kind = (
        len(arms[0][0]),
        np.result_type(np.float32, *(each.dtype for arm in arms for each in arm[:2])),
    )
    flux, ivar = (np.zeros((number, n_pixels), dtype=kind.newbyteorder("=")) for _ in range(2))
    count = np.bincount(np.concatenate(places), minlength=n_pixels)
    shared = np.flatnonzero(count > 1)
    weighed, total = np.zeros((2, number, shared.size))
    for where, (arm_flux, arm_ivar, bad) in zip(places, arms):
        # Most arms lie in one piece: a slice is faster than an index.
        piece = slice(where[0], where[-1] + 1) if where[-1] - where[0] == where.size - 1 else where
        flux[:, piece] = arm_flux
        ivar[:, piece] = arm_ivar if bad is None else np.where(bad, 0, arm_ivar)
        own = np.flatnonzero(count[where] > 1)
        at = np.searchsorted(shared, where[own])
        own_flux, own_ivar = (each[:, where[own]].astype(float) for each in (flux, ivar))
        own_ivar = np.where((own_ivar > 0) & np.isfinite(own_ivar * own_flux), own_ivar, 0)
        weighed[:, at] += np.where(own_ivar > 0, own_flux, 0) * own_ivar
        total[:, at] += own_ivar
    with np.errstate(all="ignore"):
        flux[:, shared] = np.where(total > 0, weighed / total, flux[:, shared])
        ivar[:, shared] = total
    return flux, ivar


def read_desi(hdus, path):
    """The targets of a coadd or spectra file, with the redshifts of redrock's file beside it.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList
    path : pathlib.Path

    Returns
    -------
    DesiTargets
        Has a length and names; iterating gives the fields of an ObservedSpectrum of each target.

    Raises
    ------
    SpectrumError
        For arms of unequal shapes.
    """
    return DesiTargets(hdus, path)


class DesiTargets:
    """Targets of a DESI file; fibres on the sky are left out."""

    def __init__(self, hdus, path, *, stored=()):
        self._hdus, self._path = hdus, path
        self._masks = {hdu.name: hdu for hdu in stored if hdu.name.endswith("_MASK")}
        names = [hdu.name for hdu in hdus]
        # B, R, Z by wavelength; BRZ where the arms were merged before.
        arms = [match[1] for match in map(_ARM.fullmatch, names) if match and f"{match[1]}_FLUX" in names]
        self._arms = sorted(arms, key=lambda arm: hdus[f"{arm}_WAVELENGTH"].data[0])
        n_targets = {hdus[f"{arm}_FLUX"].shape[0] for arm in self._arms}
        if len(n_targets) != 1:
            raise SpectrumError(
                f"the arms of {path} must hold the same targets; they hold {sorted(n_targets)}."
            )
        self._map = hdus["FIBERMAP"].data if "FIBERMAP" in names else None
        self._columns = {} if self._map is None else {name.upper(): name for name in self._map.names}
        kinds = self._column("OBJTYPE")
        self._rows = np.arange(n_targets.pop())
        if kinds is not None:
            self._rows = self._rows[np.char.strip(np.asarray(kinds).astype(str)) != "SKY"]
        targets = self._column("TARGETID")
        self._targets = self._rows + 1 if targets is None else np.asarray(targets)[self._rows]
        self.names = self._name_targets()
        self._redshifts = _read_redshifts(hdus, path)
        self._places = [self._column(name) for name in ("TARGET_RA", "TARGET_DEC")]
        self._status = self._column("COADD_FIBERSTATUS")
        self._survey = str(hdus[0].header.get("SURVEY", "")).strip()

    def _column(self, name):
        return self._map[self._columns[name]] if name in self._columns else None

    def _name_targets(self):
        names = [f"desi-{target}" for target in self._targets]
        if len(set(names)) < len(names):
            # One spectrum an exposure.
            exposures = self._column("EXPID")
            numbers = range(len(names)) if exposures is None else np.asarray(exposures)[self._rows]
            names = [f"{name}-{number}" for name, number in zip(names, numbers)]
        return names

    def __len__(self):
        return len(self.names)

    def __iter__(self):
        for block in self.blocks():
            for i, name in enumerate(block.name):
                yield {
                    "wavelength": block.wavelength,
                    "flux": block.flux[i],
                    "ivar": block.ivar[i],
                    "redshift": block.redshift[i],
                    "name": name,
                    "meta": block.meta[i],
                }

    def blocks(self, *, targets=None, size=_BLOCK):
        """Yield `SpectrumBlock` of at most `size` targets; of a slice of them where `targets` is one."""
        parts = [
            {
                key: self._hdus[f"{arm}_{key}"]
                for key in ("FLUX", "IVAR", "MASK")
                if f"{arm}_{key}" in self._hdus
            }
            for arm in self._arms
        ]
        masks = {
            name: RiceMask(stored, self._path) for name, stored in self._masks.items() if is_rice(stored)
        }
        wavelength, pixels = place_arms(
            [np.asarray(self._hdus[f"{arm}_WAVELENGTH"].data, dtype=float) for arm in self._arms]
        )
        first, last, _ = (targets or slice(None)).indices(len(self))
        for start in range(first, last, size):
            numbers = slice(start, min(start + size, last))
            rows = self._rows[numbers]
            take = slice(rows[0], rows[-1] + 1) if rows[-1] - rows[0] == len(rows) - 1 else rows
            arms = [
                (arm["FLUX"].data[take], arm["IVAR"].data[take], _find_bad(arm.get("MASK"), take, masks))
                for arm in parts
            ]
            flux, ivar = merge_arms(pixels, wavelength.size, arms)
            found = [self._redshifts.get(int(target), (np.nan, {})) for target in self._targets[numbers]]
            meta = [self._describe(number, known) for number, (_, known) in enumerate(found, start)]
            yield SpectrumBlock(
                wavelength, flux, ivar, [float(z) for z, _ in found], self.names[numbers], meta
            )

    def _describe(self, number, known):
        """The meta of a target, with what is `known` of its redshift."""
        row = self._rows[number]
        meta = {"format": "DESI", "medium": "vacuum", "flux_unit": _UNIT, **known}
        meta["object"] = f"desi-{self._targets[number]}"
        if self._survey:
            meta["program"] = self._survey
        if self._survey == "synthetic":
            meta["survey"] = self._survey
        for key, values in zip(("ra", "dec"), self._places):
            if values is not None:
                meta[key] = float(values[row])
        meta["assumptions"] = remark_on(meta)
        if self._status is not None and self._status[row]:
            meta["assumptions"].append(f"the fibre has COADD_FIBERSTATUS {self._status[row]}")
        return meta


class SpectrumBlock(NamedTuple):
    """Spectra on one axis of wavelengths, as observed, with the fields of an `ObservedSpectrum` each.

    Attributes
    ----------
    wavelength : (n_pixels,) array
        Vacuum Å.
    flux, ivar : (n_spectra, n_pixels) arrays
        ivar 0 where a pixel is masked or a number is not finite.
    redshift : list of float
    name : list of str
    meta : list of dict
    """

    wavelength: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray
    redshift: list
    name: list
    meta: list


def read_coadd(path, *, targets=None, size=250):
    """Read a DESI coadd (or spectra) file, a block of targets at a time.

    The arms B, R and Z are merged, where they overlap by inverse variance; masked pixels have ivar 0;
    redshift, class and ZWARN are those of redrock's file beside it; fibres on the sky are left out.
    Each target is the spectrum that `read_spectra` gives, in a fraction of the time.

    Parameters
    ----------
    path : str or path-like
    targets : slice, optional
        Of the file's targets; all by default.
    size : int
        Most targets of a block.

    Yields
    ------
    SpectrumBlock

    Raises
    ------
    SpectrumError
        For a file that is missing, damaged, or none of DESI's.

    Notes
    -----
    Layout: https://desidatamodel.readthedocs.io, coadd-SURVEY-PROGRAM-PIXNUM and redrock-….
    """
    with open_coadd(path) as found:
        try:
            for block in found.blocks(targets=targets, size=size):
                for meta in block.meta:
                    meta["file"] = str(path)
                # What is no number is its least and its largest.
                ends = [end(values) for values in block[1:3] for end in (np.min, np.max)]
                if not (np.isfinite(ends).all() and ends[2] >= 0):
                    usable = np.isfinite(block.flux) & np.isfinite(block.ivar) & (block.ivar >= 0)
                    block = block._replace(ivar=np.where(usable, block.ivar, 0))
                yield block
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise SpectrumError(
                f"{path} must be a sound file; reading it on fails ({summarise_error(error)})."
            ) from error


@contextlib.contextmanager
def open_coadd(path):
    """Open a DESI file; what is wrong with it is a SpectrumError.  Gives `DesiTargets`."""
    path = Path(path)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
            file, stored = stack.enter_context(open(path, "rb")), ()
            if file.read(9) == b"SIMPLE  =":
                check_fits(file, path)
                stored = stack.enter_context(fits.open(path, disable_image_compression=True))
            hdus = stack.enter_context(fits.open(path))
            targets = DesiTargets(hdus, path, stored=stored) if is_desi(hdus) else None
        except AgnError as error:
            raise SpectrumError(str(error)) from error
        except Exception as error:  # astropy's readers raise whatever a damaged file makes of them.
            raise SpectrumError(
                f"{path} must be a sound FITS file; reading it says: {summarise_error(error)}."
            ) from error
        if targets is None:
            raise SpectrumError(
                f"{path} must be a DESI coadd, with arms such as B_FLUX and B_IVAR; it has none."
            )
        yield targets


def _find_bad(mask, take, stored):
    """Which pixels of some targets are masked; None where none is."""
    if mask is None:
        return None
    if mask.name in stored and stored[mask.name].is_sparse(take):
        return stored[mask.name].find(take)
    # Masks are compressed target by target: only those of these targets are unpacked.
    compressed = isinstance(mask, fits.CompImageHDU) and isinstance(take, slice)
    bad = np.asarray(mask.section[take] if compressed else mask.data[take]) != 0
    return bad if bad.any() else None


def _read_redshifts(hdus, path):
    """Redshift and meta by target: of this file, else of redrock's (or, before 2022, zbest's) beside it."""
    path, tables = Path(path), [hdu for hdu in hdus if hdu.name in ("REDSHIFTS", "ZBEST")]
    if tables:
        return _by_target(tables[0].data)
    start, dash, rest = path.name.partition("-")
    for kind in ("redrock", "zbest"):
        for name in dict.fromkeys((rest, rest.removesuffix(".gz"), rest + ".gz")):
            beside = path.with_name(f"{kind}-{name}")
            if dash and start in ("coadd", "spectra") and beside.is_file():
                try:
                    with warnings.catch_warnings(), fits.open(beside) as other:
                        warnings.simplefilter("ignore")
                        return _by_target(next(h for h in other if h.name in ("REDSHIFTS", "ZBEST")).data)
                except (OSError, StopIteration, KeyError, ValueError, TypeError) as error:
                    raise SpectrumError(
                        f"{beside} must hold redrock's table REDSHIFTS; it does not ({error})."
                    ) from error
    return {}


def _by_target(rows):
    names = {name.upper(): name for name in rows.names}
    columns = {
        key: rows[names[key]] for key in ("TARGETID", "Z", "ZWARN", "SPECTYPE", "SUBTYPE") if key in names
    }
    found = {}
    for values in zip(*columns.values()):
        row = dict(zip(columns, values))
        meta = describe_row(row)
        redshift = known_redshift(
            row["Z"], zwarning=meta.get("zwarning", 0), spectral_class=meta.get("class", "")
        )
        found.setdefault(int(row["TARGETID"]), (redshift, meta))
    return found
