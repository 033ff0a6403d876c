"""Coadd files in DESI's layout, of simulated spectra, with redrock's table beside them."""

import numpy as np
from astropy.io import fits

#: Observed vacuum Å of the three arms, as DESI's.
ARMS = {"B": (3600.0, 5800.0), "R": (5760.0, 7620.0), "Z": (7520.0, 9824.0)}


def arm_wavelengths():
    """Wavelengths of each arm: 0.8 Å a pixel; where arms overlap they share their pixels."""
    return {arm: np.arange(low, high + 0.4, 0.8).round(1) for arm, (low, high) in ARMS.items()}


def prepare_arms(spectra, number):
    """A function of a random generator that draws `number` spectra anew, see `simulate_arms`."""
    waves, which = arm_wavelengths(), np.arange(number) % len(spectra)
    base = {arm: np.empty((2, len(spectra), wave.size), dtype=np.float32) for arm, wave in waves.items()}
    for arm, wave in waves.items():
        for row, spectrum in enumerate(spectra):
            # Without noise of its own: a running mean; beyond the ends, as at the end.
            smooth = np.convolve(np.pad(spectrum.flux, 2, mode="edge"), np.full(5, 0.2), mode="valid")
            used = spectrum.ivar > 0
            base[arm][0, row] = np.interp(wave, spectrum.wavelength, smooth)
            base[arm][1, row] = np.interp(wave, spectrum.wavelength[used], spectrum.ivar[used])
    redshift = np.array([spectra[row].redshift for row in which])

    def draw(rng):
        arms = {}
        for arm, (flux, ivar) in base.items():
            noise = rng.standard_normal((number, flux.shape[1]), dtype=np.float32)
            arms[arm] = flux[which] + noise / np.sqrt(ivar[which]), ivar[which]
        return arms, redshift

    return draw


def simulate_arms(spectra, rng, *, number=None):
    """Fluxes of spectra drawn anew: each is one of `spectra`, with noise of its own, on DESI's pixels.

    spectra : list of ObservedSpectrum
    number : int, default as many as `spectra`

    Returns dict of arm to (flux, ivar), (number, n_arm) float32 arrays, and the redshifts (number,).
    """
    return prepare_arms(spectra, len(spectra) if number is None else number)(rng)


def write_coadd(
    path, arms, redshift, *, first=0, sky=(), masked=True, resolution=False, zwarn=None, rng=None
):
    """Write ``coadd-….fits`` at `path` and ``redrock-….fits`` beside it.

    arms, redshift : of `simulate_arms`
    first : number from which TARGETIDs count
    sky : rows of fibres on the sky
    masked : whether there are masks, compressed as DESI's, with a few bits set
    """
    number = len(redshift)
    rng = np.random.default_rng(first)
    targets = 39_627_000_000_000_000 + first + np.arange(number)
    kinds = np.full(number, "TGT")
    kinds[list(sky)] = "SKY"
    columns = [
        fits.Column("TARGETID", "K", array=targets),
        fits.Column("COADD_FIBERSTATUS", "J", array=np.zeros(number, dtype=np.int32)),
        fits.Column("TARGET_RA", "D", array=rng.uniform(0, 360, number)),
        fits.Column("TARGET_DEC", "D", array=np.degrees(np.arcsin(rng.uniform(-1, 1, number)))),
        fits.Column("OBJTYPE", "3A", array=kinds),
    ]
    primary = fits.PrimaryHDU()
    # Real files name main, sv1 … here; what is simulated says so.
    primary.header.update(SURVEY="synthetic", PROGRAM="dark", HPXNSIDE=64, HPXPIXEL=first, HPXNEST=True)
    exposures = fits.BinTableHDU.from_columns([columns[0]], name="EXP_FIBERMAP")
    hdus = [primary, fits.BinTableHDU.from_columns(columns, name="FIBERMAP"), exposures]
    for arm, wave in arm_wavelengths().items():
        flux, ivar = arms[arm]
        hdus.append(fits.ImageHDU(wave, name=f"{arm}_WAVELENGTH"))
        hdus.append(fits.ImageHDU(flux.astype(np.float32), name=f"{arm}_FLUX"))
        hdus.append(fits.ImageHDU(ivar.astype(np.float32), name=f"{arm}_IVAR"))
        if masked:
            mask = np.zeros(flux.shape, dtype=np.int32)
            rows = rng.choice(number, number // 5, replace=False)
            mask[rows, rng.integers(0, wave.size, rows.size)] = 1 << 7
            hdus.append(fits.CompImageHDU(mask, name=f"{arm}_MASK"))
        if resolution:
            hdus.append(
                fits.ImageHDU(np.zeros((number, 11, wave.size), np.float32), name=f"{arm}_RESOLUTION")
            )
    hdus.append(fits.BinTableHDU.from_columns([columns[0]], name="SCORES"))
    fits.HDUList(hdus).writeto(path, overwrite=True)
    found = [
        columns[0],
        fits.Column("Z", "D", array=redshift),
        fits.Column("ZWARN", "K", array=np.zeros(number, dtype=int) if zwarn is None else zwarn),
        fits.Column("SPECTYPE", "6A", array=np.full(number, "GALAXY")),
    ]
    beside = path.with_name(path.name.replace("coadd-", "redrock-"))
    table = fits.BinTableHDU.from_columns(found, name="REDSHIFTS")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(beside, overwrite=True)
    return path
