"""DESI coadd and spectra files: three arms of many targets, merged a block of targets at once."""

import re
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits

from ..errors import SpectrumError
from .redshifts import describe_row, known_redshift, remark_on

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
    """
    flux, ivar = (np.zeros((len(arms[0][0]), n_pixels)) for _ in range(2))
    count = np.bincount(np.concatenate(places), minlength=n_pixels)
    shared = np.flatnonzero(count > 1)
    weighed = np.zeros((len(flux), shared.size))
    total = np.zeros_like(weighed)
    for where, (arm_flux, arm_ivar, bad) in zip(places, arms):
        # Most arms lie in one piece: a slice is faster than an index.
        piece = slice(where[0], where[-1] + 1) if where[-1] - where[0] == where.size - 1 else where
        flux[:, piece] = arm_flux
        ivar[:, piece] = arm_ivar
        if bad is not None:
            ivar[:, where] = np.where(bad, 0, ivar[:, where])
        own = np.flatnonzero(count[where] > 1)
        at = np.searchsorted(shared, where[own])
        own_flux, own_ivar = flux[:, where[own]], ivar[:, where[own]]
        own_ivar = np.where((own_ivar > 0) & np.isfinite(own_ivar * own_flux), own_ivar, 0)
        weighed[:, at] += np.where(own_ivar > 0, own_flux, 0) * own_ivar
        total[:, at] += own_ivar
    with np.errstate(divide="ignore", invalid="ignore"):
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

    def __init__(self, hdus, path):
        self._hdus, self._path = hdus, path
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
        parts = [
            {
                key: self._hdus[f"{arm}_{key}"].data
                for key in ("FLUX", "IVAR", "MASK")
                if f"{arm}_{key}" in self._hdus
            }
            for arm in self._arms
        ]
        wavelength, pixels = place_arms(
            [np.asarray(self._hdus[f"{arm}_WAVELENGTH"].data, dtype=float) for arm in self._arms]
        )
        places = [self._column(name) for name in ("TARGET_RA", "TARGET_DEC")]
        status = self._column("COADD_FIBERSTATUS")
        survey = str(self._hdus[0].header.get("SURVEY", "")).strip()
        for start in range(0, len(self), _BLOCK):
            rows = self._rows[start : start + _BLOCK]
            take = slice(rows[0], rows[-1] + 1) if rows[-1] - rows[0] == len(rows) - 1 else rows
            arms = [(arm["FLUX"][take], arm["IVAR"][take], _find_bad(arm.get("MASK"), take)) for arm in parts]
            flux, ivar = merge_arms(pixels, wavelength.size, arms)
            for i, row in enumerate(rows):
                redshift, meta = self._redshifts.get(int(self._targets[start + i]), (np.nan, {}))
                meta = {"format": "DESI", "medium": "vacuum", "flux_unit": _UNIT, **meta}
                meta["object"] = f"desi-{self._targets[start + i]}"
                if survey:
                    meta["program"] = survey
                for key, values in zip(("ra", "dec"), places):
                    if values is not None:
                        meta[key] = float(values[row])
                meta["assumptions"] = remark_on(meta)
                if status is not None and status[row]:
                    meta["assumptions"].append(f"the fibre has COADD_FIBERSTATUS {status[row]}")
                yield {
                    "wavelength": wavelength,
                    "flux": flux[i],
                    "ivar": ivar[i],
                    "redshift": redshift,
                    "name": self.names[start + i],
                    "meta": meta,
                }


def _find_bad(mask, take):
    """Which pixels of some targets are masked; None where none is."""
    bad = None if mask is None else mask[take] != 0
    return bad if bad is not None and bad.any() else None


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
