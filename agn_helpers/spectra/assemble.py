"""From the columns of one spectrum to the fields of an ObservedSpectrum."""

import itertools
import re
from dataclasses import dataclass, field

import numpy as np

from ..errors import SpectrumError
from .masks import find_fillings, find_masked, find_no_errors, find_zeros
from .medium import air_to_vacuum, check_medium, medium_in_name
from .noise import ESTIMATED, estimate_noise, invert_variance
from .redshifts import remark_on
from .roles import assign_roles
from .units import convert_flux, find_no_density, to_angstrom

# Errors this many times the median stand for "none".
_NO_ERROR = 1e6


@dataclass
class Layout:
    """One spectrum of a file, as its format has it.

    Attributes
    ----------
    columns : list of Column
    format : str
    name : str
        Of this spectrum among those of its file; "" for that of the file.
    redshift : float
        As the file states it; NaN where it does not.
    medium, usual_medium : str or None
        What the file says the wavelengths were measured in; what is the custom of the format.
    good_is_1 : bool
        Whether 1 marks a good pixel in the mask.
    mask_known : bool
        Whether the format defines its mask.
    counts : bool
        Whether the format may hold counts.
    comments : list of str
    meta : dict
    notes : list of str
        What was assumed so far.
    """

    columns: list
    format: str
    name: str = ""
    redshift: float = np.nan
    medium: str | None = None
    usual_medium: str | None = None
    good_is_1: bool = False
    mask_known: bool = False
    counts: bool = False
    comments: list = field(default_factory=list)
    meta: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)


def assemble(layout, path, *, columns=None, medium=None, redshift=None):
    """Give the fields of an ObservedSpectrum: vacuum Å increasing, flux per Å, ivar 0 where not to be used.

    Parameters
    ----------
    layout : Layout
    path : path-like
        For errors.
    columns : dict, optional
        Role to name, from the user; see `assign_roles`.
    medium : "air" or "vacuum", optional
        From the user; goes before what the file says.
    redshift : float, optional
        From the user; needed where the file gives rest wavelengths and no redshift.

    Returns
    -------
    dict

    Raises
    ------
    SpectrumError
        In one line, for whatever is not found, not clear or not convertible.
    """
    check_medium(medium)
    roles, notes = assign_roles(layout.columns, columns, path)
    notes = layout.notes + notes
    axis = roles["wavelength"]
    if axis.axis == "wavelength" and _at_rest(layout.comments):
        axis.axis = "rest"
    wavelength, scale = to_angstrom(axis, path)
    if "values" in scale:
        notes.append(f"wavelength unit {scale}")
    kind = next((key for key in ("ivar", "error", "variance") if key in roles), None)
    for role in ("flux", kind, "mask", "good"):
        if role in roles:
            roles[role].values = np.ma.asarray(roles[role].values)
    stays = np.isfinite(wavelength)
    if not stays.all():
        wavelength = wavelength[stays]
        for column in {id(c): c for role, c in roles.items() if role != "wavelength"}.values():
            column.values = column.values[stays]
    flux_column, missing = roles["flux"], np.ma.getmaskarray(np.ma.asarray(roles["flux"].values))
    flux_column.values = np.ma.filled(np.ma.asarray(flux_column.values, dtype=float), np.nan)
    filling = find_fillings(flux_column.values)
    if filling.any():
        notes.append(f"{filling.sum()} pixels with flux {flux_column.values[filling][0]:g} taken for missing")
    zeros = find_zeros(flux_column.values)
    if zeros.any():
        notes.append(f"{zeros.sum()} pixels in stretches of flux 0 taken for not observed")
    bad = missing | filling | zeros
    masked, mask_notes = find_masked(
        roles,
        good_is_1=layout.good_is_1,
        known=layout.mask_known or bool({"mask", "good"} & set(columns or ())),
        comments=layout.comments,
        path=path,
    )
    notes += mask_notes
    if masked is not None:
        bad |= masked
    error = None
    if kind is not None:
        error = kind, roles[kind]
        values = np.ma.filled(np.ma.asarray(roles[kind].values, dtype=float), np.nan)
        roles[kind].values = np.where(find_no_errors(values), np.nan, values) if kind == "error" else values
    if not flux_column.energy:
        flux_column.unit = flux_column.unit or find_no_density(layout.comments)
    flux, sigma, unit, flux_notes = convert_flux(
        flux_column, wavelength, path, counts=layout.counts, error=error
    )
    notes += flux_notes
    wavelength, medium, medium_notes = _to_vacuum(wavelength, axis, layout, medium)
    notes += medium_notes
    if axis.axis == "rest":
        wavelength = _to_observed(wavelength, layout, redshift, path, notes)
    meta = {
        "format": layout.format,
        "medium": medium,
        "wavelength_unit": scale,
        "flux_unit": unit,
        **layout.meta,
    }
    if sigma is None:
        notes.append("errors estimated from the scatter of the flux")
        meta["noise"] = ESTIMATED
    elif not np.isfinite(sigma[~bad]).any():
        raise SpectrumError(
            f"{kind} must be positive numbers; {roles[kind].name} of {path} holds none; name another."
        )
    else:
        sigma = np.where(sigma < _NO_ERROR * np.nanmedian(sigma[~bad]), sigma, np.nan)
    wavelength, flux, ivar = _order(wavelength, flux, sigma, bad, path, notes)
    meta["assumptions"] = notes + remark_on(meta)
    return {"wavelength": wavelength, "flux": flux, "ivar": ivar, "redshift": layout.redshift, "meta": meta}


def _to_vacuum(wavelength, axis, layout, medium):
    """Wavelengths in vacuum, what they were in, and what was assumed."""
    said = layout.medium or medium_in_name(axis.name) or medium_in_name(axis.note)
    if medium_in_name(axis.name):
        said = medium_in_name(axis.name)
    notes = []
    if "obs.atmos" in axis.ucd.lower():
        said = "air"
    if medium is not None:
        if said not in (None, medium):
            notes.append(f"wavelengths taken for {medium} as told, while the file says {said}")
    elif said is not None:
        medium = said
    elif layout.usual_medium is not None:
        medium = layout.usual_medium
        notes.append(f"wavelengths in {medium}, as is usual for {layout.format}")
    elif axis.axis in ("frequency", "energy", "wavenumber"):
        medium = "vacuum"
    else:
        return wavelength, "not stated, taken for vacuum", ["medium not stated, taken for vacuum"]
    if medium == "air" and axis.axis not in ("frequency", "energy", "wavenumber"):
        wavelength = air_to_vacuum(wavelength)
        notes.append("wavelengths converted from air to vacuum")
    return wavelength, medium, notes


def _at_rest(comments):
    """Whether comments say that the wavelengths are those at rest."""
    said = r"\brest[- ]?(?:frame)?\s*(?:wave|lambda|spectr)|(?:wave\w*|lambda|spectr\w*)\b[^.;]{0,30}\brest\b"
    said += r"|de-?redshifted|\bshifted (?:in)?to (?:the )?rest"
    lines = [line[:1000].lower() for line in comments]
    return any(re.search(said, line) and not re.search(r"\bobserve|\bnot\b", line) for line in lines)


def _to_observed(wavelength, layout, redshift, path, notes):
    redshift = layout.redshift if redshift is None or np.isnan(redshift) else redshift
    if np.isnan(redshift):
        raise SpectrumError(
            f"wavelength must be as observed; {path} gives it at rest, and no redshift; give it with "
            "--redshift or "
            "in index.csv."
        )
    notes.append(f"rest wavelengths multiplied by 1 + z, z = {redshift:g}")
    return wavelength * (1 + redshift)


def _order(wavelength, flux, sigma, bad, path, notes):
    """Pixels by increasing wavelength, each wavelength once; and the inverse variance."""
    steps = np.diff(wavelength)
    if wavelength.size > 1 and (steps < 0).all():
        wavelength, flux, bad = wavelength[::-1], flux[::-1], bad[::-1]
        sigma = sigma if sigma is None else sigma[::-1]
        steps = np.diff(wavelength)
    if (steps > 0).all():
        return wavelength, flux, _inverse_variance(flux, sigma, bad)
    if (steps < 0).sum() > (steps > 0).sum():
        wavelength, flux, bad = wavelength[::-1], flux[::-1], bad[::-1]
        sigma = sigma if sigma is None else sigma[::-1]
    starts = np.r_[0, np.flatnonzero(np.diff(wavelength) <= 0) + 1, wavelength.size]
    arms = [slice(start, stop) for start, stop in itertools.pairwise(starts)]
    shuffled = len(arms) > max(20, wavelength.size // 10)
    if shuffled:
        order = np.argsort(wavelength, kind="stable")
        wavelength, flux, bad = wavelength[order], flux[order], bad[order]
        sigma = sigma if sigma is None else sigma[order]
        ivar = _inverse_variance(flux, sigma, bad)
        repeated = (np.diff(wavelength) == 0).mean()
        if repeated > 0.1:
            raise SpectrumError(
                f"{path} must hold one spectrum; {repeated:.0%} of its wavelengths are there twice; "
                "keep one of each."
            )
        notes.append("pixels sorted by wavelength")
    else:
        _check_overlap(wavelength, arms, path)
        # The noise of each arm is its own.
        parts = [
            _inverse_variance(flux[arm], None if sigma is None else sigma[arm], bad[arm]) for arm in arms
        ]
        ivar = np.concatenate(parts)
        notes.append(f"{len(arms)} arms that overlap put together")
    return merge_pixels(wavelength, flux, ivar, notes)


def _inverse_variance(flux, sigma, bad):
    if sigma is None:
        sigma = estimate_noise(np.where(bad, np.nan, flux))
    return np.where(bad | ~np.isfinite(flux), 0, invert_variance(sigma))


def _check_overlap(wavelength, arms, path):
    """Arms of one spectrum share less than half of their pixels; two spectra of one object share most."""
    spans = sorted((wavelength[arm][0], wavelength[arm][-1], arm) for arm in arms if arm.stop - arm.start > 1)
    for (_, high, one), (low, _, other) in itertools.pairwise(spans):
        share = min((wavelength[one] >= low).mean(), 1.0), (wavelength[other] <= high).mean()
        if max(share) > 0.6:
            raise SpectrumError(
                f"{path} must hold one spectrum; its wavelengths start anew {len(arms) - 1} times "
                "over the same range; "
                "several spectra must be told apart by a column of their names, or lie in files of their own."
            )


def merge_pixels(wavelength, flux, ivar, notes):
    """Sort pixels; those of one wavelength become their mean, weighed by inverse variance."""
    order = np.argsort(wavelength, kind="stable")
    wavelength, flux, ivar = wavelength[order], flux[order], ivar[order]
    step = np.median(np.diff(np.unique(wavelength))) if np.unique(wavelength).size > 1 else 1.0
    group = np.cumsum(np.r_[0, np.diff(wavelength) > 0.05 * step])
    size = group[-1] + 1
    count = np.bincount(group, minlength=size)
    # A pixel that two arms repeat to the digit was measured once.
    again = np.r_[False, (np.diff(group) == 0) & (np.diff(flux) == 0) & (np.diff(ivar) == 0)]
    ivar = np.where(again, 0, ivar)
    total = np.bincount(group, ivar, size)
    with np.errstate(all="ignore"):
        used = np.where(ivar > 0, flux, 0)
        mean = np.bincount(group, ivar * used, size) / total
    plain = np.bincount(group, np.where(np.isfinite(flux), flux, 0), size) / count
    if (count > 1).any():
        notes.append(f"{(count > 1).sum()} pixels of overlapping arms merged by inverse variance")
    first = np.searchsorted(group, np.arange(size))
    return wavelength[first], np.where(total > 0, mean, plain), total
