"""ObservedSpectrum: one spectrum as observed, checked once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from astropy import units as u
from astropy.nddata import InverseVariance

from ..dispatch import call_above
from ..errors import SpectrumError
from ..limits import escape_text
from ..lines import AGN_TYPES
from .units import FLUX_UNIT


class Rejected(NamedTuple):
    """A spectrum that was left out: its name, the file it came from (or ""), and why."""

    name: str
    file: str
    reason: str


@dataclass(repr=False)
class ObservedSpectrum:
    """One spectrum as observed.

    Attributes
    ----------
    wavelength : (n_pixels,) array or Quantity of length
        Vacuum Å in the observed frame, strictly increasing.
    flux : (n_pixels,) array or Quantity
        Flux density per Å in any unit u (SDSS: 1e-17 erg/s/cm²/Å).  A Quantity per frequency is converted;
        the unit of a Quantity is kept in ``meta["flux_unit"]``.
    ivar : (n_pixels,) array or Quantity
        Inverse variance in u**-2; 0 marks a pixel that must not be used.  It is set to 0, and flux left as it
        is, where flux is masked or not finite and where ivar is masked, negative or not finite.
    redshift : float
        Greater than -1; NaN where unknown.
    name : str
        Unique in its sample; for SDSS ``spec-PPPP-MMMMM-FFFF``.  What cannot be printed is escaped, as is $.
    plate, mjd, fiberid : int
        SDSS identifiers; -1 where there are none.
    label : str or None
        A key of `agn_helpers.lines.AGN_TYPES`, or None where the type is unknown.
    meta : dict
        Anything else worth keeping, e.g. ``file``, ``survey``, and ``assumptions``, what was assumed.

    Raises
    ------
    SpectrumError
        For arrays of unequal lengths, wavelengths that do not increase, redshift not above -1, a unit that
        does not fit, an unknown label.
    """

    wavelength: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray
    redshift: float = np.nan
    name: str = ""
    plate: int = -1
    mjd: int = -1
    fiberid: int = -1
    label: str | None = None
    meta: dict = field(default_factory=dict)

    def __post_init__(self):
        """Check everything once, so that nothing behind this border has to."""
        self._check_words()
        self.name = escape_text(self.name)
        file = self.meta.get("file") or self.name or "a spectrum without a name"
        masked = getattr(self.flux, "mask", False) | getattr(self.ivar, "mask", False)
        if any(isinstance(array, u.Quantity) for array in (self.wavelength, self.flux, self.ivar)):
            self._strip_units(file)
        for key in ("wavelength", "flux", "ivar"):
            try:
                array = np.asarray(getattr(self, key))
                if array.dtype.kind == "c":
                    raise SpectrumError(f"{key} must be real numbers; got complex ones for {file}.")
                array = array.astype(float, copy=False)
            except (TypeError, ValueError) as error:
                raise SpectrumError(f"{key} must be numbers; {error}, for {file}.") from error
            if array.ndim != 1:
                raise SpectrumError(f"{key} must be one-dimensional; got shape {array.shape} for {file}.")
            setattr(self, key, array)
        sizes = self.wavelength.size, self.flux.size, self.ivar.size
        if len(set(sizes)) > 1 or sizes[0] < 2:
            raise SpectrumError(
                "wavelength, flux and ivar must be of the same length, at least 2; "
                f"got {sizes[0]}, {sizes[1]} and {sizes[2]} for {file}."
            )
        self._check_wavelength(file)
        bad = masked | ~np.isfinite(self.flux) | ~np.isfinite(self.ivar) | (self.ivar < 0)
        if bad.any():
            self.ivar = np.where(bad, 0, self.ivar)
        if not -1 < self.redshift < np.inf and not np.isnan(self.redshift):
            rule = "greater than -1" if self.redshift < 0 else "finite, or NaN where unknown"
            raise SpectrumError(f"redshift must be {rule}; got {self.redshift:g} for {file}; correct it.")
        for key in ("plate", "mjd", "fiberid"):
            # Tables of samples hold them in four bytes.
            if not -(2**31) <= getattr(self, key) < 2**31:
                raise SpectrumError(
                    f"{key} must be less than 2**31; got {getattr(self, key)} for {file}; correct it."
                )
        if self.label is not None and not (isinstance(self.label, str) and self.label in AGN_TYPES):
            types = ", ".join(AGN_TYPES)
            raise SpectrumError(f"label must be one of {types}; got {self.label!r} for {file}.")

    def __repr__(self):
        low, high = self.wavelength[[0, -1]]
        known = f", z = {self.redshift:.4f}" if np.isfinite(self.redshift) else ", redshift unknown"
        label = f", {self.label}" if self.label else ""
        name = self.name or "without a name"
        return f"<ObservedSpectrum {name}: {len(self.flux)} pixels, {low:.0f} to {high:.0f} Å{known}{label}>"

    def _repr_html_(self):
        used = self.ivar > 0
        rows = {
            "wavelength": f"{self.wavelength[0]:.1f} to {self.wavelength[-1]:.1f} Å (vacuum, observed)",
            "pixels": f"{len(self.flux)}, {np.sum(~used)} of them masked",
            "flux unit": self.meta.get("flux_unit") or "not stated",
            "signal to noise": f"{np.median(self.flux[used] * np.sqrt(self.ivar[used])):.1f} a pixel (median)"
            if used.any()
            else "unknown",
            "redshift": f"{self.redshift:.5f}" if np.isfinite(self.redshift) else "unknown",
            "type": self.label or "unknown",
        }
        cells = "".join(f"<tr><th>{key}</th><td>{escape(value)}</td></tr>" for key, value in rows.items())
        return f"<table><caption>{escape(self.name)}</caption>{cells}</table>"

    @property
    def flux_quantity(self):
        """Flux with its unit, (n_pixels,) Quantity; SpectrumError where the file states none."""
        stated = str(self.meta.get("flux_unit") or "")
        # SDSS writes Ang, which astropy does not know.
        unit = u.Unit(re.sub(r"\bAng\b", "Angstrom", stated), parse_strict="silent")
        if not stated or isinstance(unit, u.UnrecognizedUnit):
            raise SpectrumError(
                f"a flux with a unit needs a file that states one; {self.name or 'this spectrum'} has "
                f"{stated!r}. Set meta['flux_unit']."
            )
        return u.Quantity(self.flux, unit)

    def plot(self, **options: Any) -> Any:
        """Draw the spectrum as observed; see `agn_helpers.plotting.plot_observed`.  Returns Axes."""
        return call_above("plotting.plot_observed", self, **options)

    def to_specutils(self) -> Any:
        """The spectrum as a `specutils.Spectrum`, masked pixels masked; flux has a unit where one is known.

        Raises SpectrumError where specutils is not installed.
        """
        try:
            from specutils import Spectrum
        except ImportError as error:
            raise SpectrumError("this needs specutils: pip install 'agn-helpers[formats]'.") from error
        try:
            flux = self.flux_quantity
        except SpectrumError:
            flux = u.Quantity(self.flux)
        return Spectrum(
            spectral_axis=self.wavelength * u.AA,
            flux=flux,
            uncertainty=InverseVariance(self.ivar, unit=flux.unit**-2),
            mask=self.ivar == 0,
            redshift=self.redshift if np.isfinite(self.redshift) else None,
            meta={**self.meta, "header": {"VACUUM": True}},
        )

    def _check_words(self):
        """Refuse what is no number, integer or text where one must be."""
        if not isinstance(self.meta, dict):
            raise SpectrumError(f"meta must be a dict; got {self.meta!r}.")
        if not isinstance(self.name, str):
            raise SpectrumError(f"name must be text; got {self.name!r}.")
        of = f"for {self.meta.get('file') or self.name or 'a spectrum without a name'}"
        if np.ndim(self.redshift) or not isinstance(self.redshift, Real | np.ndarray):
            raise SpectrumError(
                f"redshift must be a number, or NaN where unknown; got {self.redshift!r} {of}."
            )
        for key in ("plate", "mjd", "fiberid"):
            if not isinstance(getattr(self, key), Integral):
                raise SpectrumError(f"{key} must be an integer; got {getattr(self, key)!r} {of}.")

    def _check_wavelength(self, file):
        finite = np.isfinite(self.wavelength) & (self.wavelength > 0)
        if not finite.all():
            pixel = int(np.argmin(finite))
            raise SpectrumError(
                f"wavelength must be finite and positive; got {self.wavelength[pixel]:g} at pixel {pixel} of "
                f"{file}; remove such pixels."
            )
        increases = np.diff(self.wavelength) > 0
        if not increases.all():
            pixel = int(np.argmin(increases))
            before, after = self.wavelength[pixel : pixel + 2]
            raise SpectrumError(
                f"wavelength must increase from pixel to pixel; got {before:.10g} then {after:.10g} Å at "
                f"pixel {pixel + 1} of {file}; sort the pixels and keep one of each wavelength."
            )

    def _strip_units(self, file):
        """Turn Quantities into plain arrays: Å, flux per Å, and ivar to match."""
        try:
            wavelength, flux = u.Quantity(self.wavelength, u.AA), u.Quantity(self.flux)
            unit, scale = flux.unit, 1.0
            ivar = u.Quantity(self.ivar, unit**-2)
            if unit != u.dimensionless_unscaled and not unit.is_equivalent(FLUX_UNIT):
                scale = (1 * unit).to_value(FLUX_UNIT, u.spectral_density(wavelength))
                unit = FLUX_UNIT
        except ValueError as error:
            raise SpectrumError(
                "wavelength must be a length, flux a flux density or a plain number, ivar that to the "
                f"power -2; {error}, for {file}."
            ) from error
        self.wavelength, self.flux, self.ivar = wavelength.value, flux.value * scale, ivar.value / scale**2
        self.meta = {**self.meta, "flux_unit": unit.to_string()}
