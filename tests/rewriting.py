"""One spectrum in the layouts of other surveys and hands."""

import numpy as np
from astropy.io import fits

from agn_helpers.spectra.medium import air_to_vacuum


def to_air(vacuum):
    """The inverse of `air_to_vacuum`, by secants."""
    air = vacuum
    for _ in range(4):
        air = air - (air_to_vacuum(air) - vacuum)
    return air


def write_lamost(spectrum, path):
    """Rows flux, ivar, wavelength and two masks, with cards that claim another axis."""
    nothing = 0 * spectrum.flux
    hdu = fits.PrimaryHDU(np.array([spectrum.flux, spectrum.ivar, spectrum.wavelength, nothing, nothing]))
    hdu.header.update(TELESCOP="LAMOST", Z=spectrum.redshift, CLASS="QSO", COEFF0=3.6, COEFF1=1e-4)
    hdu.writeto(path, overwrite=True)


def write_desi(spectrum, path):
    """Two arms that share 40 pixels, each with half of their weight; redrock's table in the file."""
    middle, hdus = len(spectrum.flux) // 2, [fits.PrimaryHDU()]
    for arm, part in (("B", slice(0, middle + 40)), ("R", slice(middle, None))):
        own = spectrum.ivar[part].copy()
        own[slice(middle, None) if arm == "B" else slice(0, 40)] /= 2
        hdus.append(fits.ImageHDU(spectrum.wavelength[part], name=f"{arm}_WAVELENGTH"))
        hdus.append(fits.ImageHDU(spectrum.flux[None, part], name=f"{arm}_FLUX"))
        hdus.append(fits.ImageHDU(own[None], name=f"{arm}_IVAR"))
    target = fits.Column("TARGETID", "K", array=[1])
    hdus.append(fits.BinTableHDU.from_columns([target], name="FIBERMAP"))
    columns = [target, fits.Column("Z", "D", array=[spectrum.redshift])]
    columns.append(fits.Column("SPECTYPE", "6A", array=["GALAXY"]))
    hdus.append(fits.BinTableHDU.from_columns(columns, name="REDSHIFTS"))
    fits.HDUList(hdus).writeto(path, overwrite=True)


def write_air(spectrum, path):
    """CSV with wavelengths in air, as a comment says, and standard deviations, 0 where there is none."""
    with np.errstate(divide="ignore"):
        sigma = np.where(spectrum.ivar > 0, spectrum.ivar**-0.5, 0)
    header = f"# wavelengths in air\n# redshift = {spectrum.redshift!r}\nwave,flux,err\n"
    _write_rows(path, header, to_air(spectrum.wavelength), spectrum.flux, sigma)


def write_masked(spectrum, path):
    """CSV in which wild fluxes with a large ivar stand where the mask says so."""
    used = spectrum.ivar > 0
    wild = np.where(used, spectrum.flux, 100 * np.abs(spectrum.flux).max())
    header = f"# z = {spectrum.redshift!r}\nwave,flux,ivar,mask\n"
    ivar = np.where(used, spectrum.ivar, 1.0)
    _write_rows(path, header, spectrum.wavelength, wild, ivar, (~used).astype(int))


def _write_rows(path, header, *columns):
    rows = zip(*(column.tolist() for column in columns))
    path.write_text(header + "\n".join(",".join(map(repr, row)) for row in rows), encoding="utf-8")


LAYOUTS = {
    "lamost.fits": write_lamost,
    "coadd.fits": write_desi,
    "air.csv": write_air,
    "mask.csv": write_masked,
}
