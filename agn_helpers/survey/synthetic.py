"""The simulated survey: physical parameters in, spectra out as SDSS would have observed them.  No data.

On an axis equally spaced in log λ, velocity broadening, velocity shifts and redshift are convolutions
and translations, hence products in Fourier space (as in Cappellari 2017, MNRAS 466, 798): each
component is rendered there, exactly and for many objects at once, in single precision like SDSS's files.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Column, vstack
from scipy import fft

from ..errors import AgnError
from ..lines import LINES, SPEED_OF_LIGHT
from ..spectra import ObservedSpectrum
from .constituents import N_STARS
from .emission import (
    BALMER_EDGE,
    BROAD_LINES,
    FE_II_LINES,
    NARROW_LINES,
    OBSERVED_RATIOS,
    balmer_continuum,
    calzetti_extinction,
    fe_ii_humps,
    select_lines,
    smc_extinction,
)
from .instrument import observe_objects
from .population import Population, change_population, draw_objects
from .stellar import population_templates

if TYPE_CHECKING:
    from astropy.table import Table

# SDSS pixels are 1e-4 dex wide; the axis reaches beyond the observed range on both sides.
_DEX = 1e-4

_LOG_START = 3.3

_AXIS = 10 ** (_LOG_START + _DEX * np.arange(8192))

_PIXEL_VELOCITY = SPEED_OF_LIGHT * np.log(10) * _DEX

_FREQUENCY = fft.rfftfreq(_AXIS.size)

_STRIDE = 64

_GAUSSIAN_EXPONENT = (-2 * (np.pi * _FREQUENCY) ** 2).astype(np.float32)

_FWHM_TO_SIGMA = 1 / np.sqrt(8 * np.log(2))

# Scatter (ln) of a metal feature from galaxy to galaxy: 1 to 2 % of the flux.
_SCATTER = 0.12

_BATCH = 256  # objects rendered at once: 256 x 8192 pixels stay in the processor's reach

# All that an SDSS spectrum may reach (log10 Å).
_PART = slice(*(round((log_wavelength - _LOG_START) / _DEX) for log_wavelength in (3.5795, 3.9652)))

_OBSERVED = _AXIS[_PART]

# Wings carry less of the lines that come from further out (De Robertis & Osterbrock 1984, ApJ 286, 171).
_WING_SHARE = {"OIII": 1.0, "NeIII": 0.9, "NeV": 1.0, "OIII4363": 1.0, "FeVII": 1.0, "HeII": 0.7, "ArIV": 1.0}

_WING_SHARE_OF_OTHERS = 0.5

# Parts of Fe II and the columns that they scale with beside the whole of it.
_FE_II_PARTS = {
    "FeII": None,
    "FeII blue": "fe_ii_blue",
    "FeII central": "fe_ii_central",
    "FeII red": "fe_ii_red",
}


def _gaussian(fwhm, resolution):
    """Fourier transform of Gaussians of `fwhm` (n,) km/s, the instrument's added; (n, n_frequencies)."""
    variance = (fwhm**2 + resolution**2) * (_FWHM_TO_SIGMA / _PIXEL_VELOCITY) ** 2
    return np.exp(_GAUSSIAN_EXPONENT * variance[:, None].astype(np.float32))


def _translate(pixels):
    """Fourier transform of translations by `pixels` (n,); (n, n_frequencies)."""
    # Of frequency a stride + b it is the product of those of a stride and of b: few exponentials, in double.
    turns = -2j * np.pi * pixels[:, None]
    fine = np.exp(turns * _FREQUENCY[:_STRIDE]).astype(np.complex64)
    coarse = np.exp(turns * _FREQUENCY[::_STRIDE]).astype(np.complex64)
    return (coarse[:, :, None] * fine[:, None]).reshape(len(pixels), -1)[:, : _FREQUENCY.size]


def _observed_part(transform):
    return fft.irfft(transform)[:, _PART]


def _comb(lines):
    """Fourier transform of each line of a LineList with flux `ratio` (Å times continuum), per Å."""
    position = (np.log10(lines.wavelength) - _LOG_START) / _DEX
    height = lines.ratio / (lines.wavelength * np.log(10) * _DEX)
    return height[:, None].astype(np.float32) * _translate(position)


def _transform(spectra):
    return fft.rfft(spectra.astype(np.float32))


@functools.cache
def _emission():
    """Transforms of narrow lines (a row a line), broad lines, the Balmer series' end, parts of Fe II."""
    broad, high = (_comb(select_lines(BROAD_LINES, species)).sum(axis=0) for species in ("H", "H high"))
    high = high / BALMER_EDGE + _transform(balmer_continuum(_AXIS))
    iron = np.stack([_comb(select_lines(FE_II_LINES, part)).sum(axis=0) for part in _FE_II_PARTS])
    iron[0] += _transform(fe_ii_humps(_AXIS))
    return _comb(NARROW_LINES), broad, high, iron


@functools.cache
def _populations():
    """Transforms of the stellar populations, (n_variants, n_populations, n_frequencies)."""
    variants = [population_templates(_AXIS, scatter=_SCATTER, random_state=seed) for seed in range(N_STARS)]
    return np.stack([_transform(variant) for variant in variants])


def _starlight(shares, variant):
    """Transforms (n, n_frequencies) of populations mixed by shares (n, 5), each of its variant (n,)."""
    mixed = np.empty((len(shares), _FREQUENCY.size), dtype=np.complex64)
    for number in np.unique(variant):
        rows = variant == number
        mixed[rows] = shares[rows] @ _populations()[number]
    return mixed


_HOST_COLUMNS = ("host_young", "host_adult", "host_old", "host_old_metal_poor", "host_old_enhanced")


def render_objects(objects):
    """Noise-free spectra of objects drawn by `draw_objects`, at their redshifts and SDSS's resolution.

    Parameters
    ----------
    objects : astropy.table.Table
        Physical parameters, a row an object.

    Returns
    -------
    wavelength : (n_pixels,) array
        Observed vacuum Å, equally spaced in log λ, all that an SDSS spectrum may reach.
    flux : (n_objects, n_pixels) array
        Flux density per Å in units of the continuum at 5500 Å at rest.
    """
    column = {name: np.asarray(objects[name]) for name in objects.colnames if objects[name].dtype.kind == "f"}
    single = {name: values.astype(np.float32)[:, None] for name, values in column.items()}
    rest = (_OBSERVED / (1 + column["redshift"][:, None])).astype(np.float32)
    to_observed = _translate(np.log10(1 + column["redshift"]) / _DEX)

    shares = np.concatenate([single[name] for name in _HOST_COLUMNS], axis=1)
    width = column["stellar_sigma"] / _FWHM_TO_SIGMA
    starlight = (
        _starlight(shares, np.asarray(objects["stars"]))
        * _gaussian(width, column["resolution"])
        * to_observed
    )
    dust = calzetti_extinction(rest, single["ebv_host"])
    dust /= calzetti_extinction(np.float32(5500), single["ebv_host"])
    flux = _observed_part(starlight) * dust * (1 - single["nucleus_share"])

    comb, *_ = _emission()
    core, wing = _narrow_weights(single)
    narrow = (core @ comb) * _gaussian(column["fwhm_core"], column["resolution"])
    narrow += (
        (wing @ comb) * _gaussian(column["fwhm_wing"], column["resolution"]) * _shift(column["shift_wing"])
    )
    flux += _observed_part(narrow * to_observed)

    ebv = single["ebv_nucleus"]
    reddening = smc_extinction(rest, ebv)
    power_law = (rest / 5500) ** single["slope"] * reddening / smc_extinction(np.float32(5500), ebv)
    flux += single["nucleus_share"] * power_law
    if np.any(column["ew_broad_hbeta"] > 0):
        # The drawn strength is that of Hβ as observed, behind the dust.
        reddening /= smc_extinction(np.float32(LINES["Hbeta"].wavelength), ebv)
        flux += single["ew_broad_hbeta"] * reddening * _broad_lines(column, single, to_observed)
    return _OBSERVED, flux


def _narrow_weights(single):
    """Flux of each narrow line's core and wing; two (n, n_lines) arrays."""
    # The wing's share of [O III] is measured; other lines have a part of it.
    oiii = single["OIII_core"] + single["OIII_wing"]
    ratios = single | {"H": np.ones_like(oiii), "OIII": oiii}
    total = single["ew_hbeta"] * np.concatenate([ratios[name] for name in NARROW_LINES.species], axis=1)
    dust = calzetti_extinction(NARROW_LINES.wavelength.astype(np.float32), single["ebv_narrow"])
    dust /= calzetti_extinction(np.float32(LINES["Hbeta"].wavelength), single["ebv_narrow"])
    total *= np.where(np.isin(NARROW_LINES.species, OBSERVED_RATIOS), 1, dust)
    share = [_WING_SHARE.get(name, _WING_SHARE_OF_OTHERS) for name in NARROW_LINES.species]
    wing = single["OIII_wing"] / oiii * np.array(share, dtype=np.float32)
    return total * (1 - wing), total * wing


def _shift(velocity):
    return _translate(velocity / _PIXEL_VELOCITY)


def _broad_lines(column, single, to_observed):
    """Broad lines, Fe II and Balmer continuum of a batch for a broad Hβ of flux 1, without dust."""
    _, broad, high, iron = _emission()
    very = single["very_broad_share"]
    resolution = column["resolution"]
    profile = (1 - very) * _gaussian(column["fwhm_broad"], resolution) * _shift(column["shift_broad"])
    profile += very * _gaussian(column["fwhm_very_broad"], resolution) * _shift(column["shift_very_broad"])
    blend = (broad + single["balmer_continuum"] * high) * profile
    parts = [single["fe_ii_ratio"] * single.get(name, 1) for name in _FE_II_PARTS.values()]
    width = column["fe_ii_width"] * column["fwhm_broad"]
    blend += np.concatenate(parts, axis=1) @ iron * _gaussian(width, resolution)
    return _observed_part(blend * to_observed)


def simulate_survey(
    *,
    n_type1: int = 680,
    n_intermediate: int = 521,
    n_type2: int = 2145,
    population: str | Population = "paper",
    random_state: int = 0,
    **changes: Any,
) -> tuple[list[ObservedSpectrum], Table]:
    """The simulated survey: synthetic spectra in SDSS's form with the sample sizes of the paper.

    Parameters
    ----------
    n_type1, n_intermediate, n_type2 : int
        How many of each type.
    population : {"paper", "general"} or Population
        ``"paper"``: as the paper selected, type 1 at redshifts 0.4 to 0.75, the others at 0.02 to 0.1.
        ``"general"``: all types at 0.02 to 0.8, type 1 in hosts and with narrow or displaced lines, type 2
        quasars, S/N 5 to 40, resolutions of 120 to 600 km/s.
    random_state : int
        Same seed, same spectra; a type's spectra do not depend on how many there are of the others.
    **changes
        Fields of `Population` to draw otherwise: ``mix, profiles, redshift, snr, nucleus_share, resolution,
        redshift_error``, e.g. ``redshift=(0.02, 0.1)``.

    Returns
    -------
    spectra : list of ObservedSpectrum
        Observed frame, vacuum Å, flux in 1e-17 erg/s/cm²/Å; ``meta["survey"] == "synthetic"``.
    truth : astropy.table.Table
        Name, type and every physical parameter drawn, in the order of `spectra`; see
        `draw_objects`.

    Raises
    ------
    AgnError
        For negative numbers of spectra or none at all, and populations that there are not.
    """
    numbers = {"n_type1": n_type1, "n_intermediate": n_intermediate, "n_type2": n_type2}
    batches = iter_survey(**numbers, population=population, random_state=random_state, **changes)
    parts, truths = zip(*batches)
    return [spectrum for part in parts for spectrum in part], vstack(list(truths))


def iter_survey(
    *,
    n_type1: int = 680,
    n_intermediate: int = 521,
    n_type2: int = 2145,
    population: str | Population = "paper",
    random_state: int = 0,
    **changes: Any,
) -> Iterator[tuple[list[ObservedSpectrum], Table]]:
    """Simulate a survey of any length, a batch of at most 256 spectra in memory at a time.

    Parameters
    ----------
    n_type1, n_intermediate, n_type2, population, random_state, **changes
        As for `simulate_survey`, which gives the same spectra all at once.

    Yields
    ------
    spectra : list of ObservedSpectrum
    truth : astropy.table.Table
        As of `simulate_survey`, a row a spectrum.

    Raises
    ------
    AgnError
        As `simulate_survey`, when the first batch is asked for.
    """
    numbers = {"type 1": n_type1, "intermediate": n_intermediate, "type 2": n_type2}
    if min(numbers.values()) < 0 or sum(numbers.values()) == 0:
        raise AgnError(f"numbers of spectra must not be negative, nor all zero; got {numbers}.")
    drawn_from = change_population(population, **changes)
    first = 0
    for (label, n), seed in zip(numbers.items(), np.random.SeedSequence(random_state).spawn(3)):
        if n == 0:
            continue
        drawing, observing = (np.random.default_rng(child) for child in seed.spawn(2))
        objects = draw_objects(label, n, population=drawn_from, random_state=drawing)
        for batch, spectra in _observe_batches(objects, first, observing):
            truth = batch.copy()
            truth.add_column(Column([spectrum.name for spectrum in spectra], name="name"), index=0)
            yield spectra, truth
        first += n


def observe(objects: Table, *, first: int = 0, random_state: Any = 0) -> list[ObservedSpectrum]:
    """Spectra of objects of `draw_objects` as SDSS would have observed them; numbered from `first` on."""
    batches = _observe_batches(objects, first, np.random.default_rng(random_state))
    return [spectrum for _, spectra in batches for spectrum in spectra]


def _observe_batches(objects, first, rng):
    """Yield objects and their spectra, as many as are rendered at once."""
    for start in range(0, len(objects), _BATCH):
        batch = objects[start : start + _BATCH]
        observed = observe_objects(batch, *render_objects(batch), random_state=rng)
        numbers = range(first + start, first + start + len(batch))
        yield batch, [_as_spectrum(*each) for each in zip(numbers, batch, observed)]


def _as_spectrum(number, row, observed):
    # SDSS has no plates of these numbers; 640 fibres a plate.
    plate, fiberid = 99001 + number // 640, 1 + number % 640
    return ObservedSpectrum(
        *observed,
        redshift=row["redshift"] + row["redshift_error"] * (1 + row["redshift"]),
        name=f"spec-{plate}-60000-{fiberid:04d}",
        plate=plate,
        mjd=60000,
        fiberid=fiberid,
        label=str(row["label"]),
        meta={"survey": "synthetic", "flux_unit": "1E-17 erg/cm^2/s/Ang"},
    )
