"""Each kind of file that is read, written small: its numbers come back, and what its format means by them."""

import bz2
import gzip
import lzma

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal

from agn_helpers.errors import SpectrumError
from agn_helpers.spectra import read_spectra, read_spectrum
from agn_helpers.spectra.axes import read_multispec
from agn_helpers.spectra.medium import air_to_vacuum

PIXELS = 200
WAVE = 4300 + 2.0 * np.arange(PIXELS)
_RNG = np.random.default_rng(4)
SIGMA = np.linspace(0.3, 0.6, PIXELS)
FLUX = 20 + 30 * np.exp(-0.5 * ((WAVE - 4500) / 8) ** 2) + _RNG.normal(0, SIGMA)
BAD = np.zeros(PIXELS, dtype=bool)
BAD[[20, 77, 130]] = True
LOG = 10 ** (3.63 + 1e-4 * np.arange(PIXELS))
UNIT = "10**(-17) erg/s/cm2/Angstrom"


def table_hdu(name="", row=False, units=None, **columns):
    """A binary table of the columns, or one row of arrays."""
    units, parts = units or {}, []
    for key, values in columns.items():
        values = np.asarray(values)
        code = {"f": "D", "i": "J", "b": "L", "S": f"{values.dtype.itemsize}A"}[values.dtype.kind]
        array = values[None] if row else values
        parts.append(
            fits.Column(key, f"{values.size}{code}" if row else code, array=array, unit=units.get(key))
        )
    return fits.BinTableHDU.from_columns(parts, name=name)


def write(path, *hdus, **cards):
    """Write HDUs behind an empty primary one with the cards; or those that begin with an image."""
    hdus = list(hdus)
    if not isinstance(hdus[0], fits.PrimaryHDU):
        hdus.insert(0, fits.PrimaryHDU())
    for key, value in cards.items():
        hdus[0].header[key.replace("_", "-") if key == "DC_FLAG" else key] = value
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path


def image(values, name="", primary=False, **cards):
    hdu = (fits.PrimaryHDU if primary else fits.ImageHDU)(np.asarray(values))
    if name:
        hdu.header["EXTNAME"] = name
    for key, value in cards.items():
        hdu.header["DC-FLAG" if key == "DC_FLAG" else key] = value
    return hdu


def assert_spectrum(spectrum, wavelength=WAVE, flux=FLUX, sigma=SIGMA, bad=None, rtol=2e-6):
    """The spectrum has these numbers; ivar is 0 where `bad` and nowhere else; sigma None was estimated."""
    bad = np.zeros(len(wavelength), bool) if bad is None else bad
    assert_allclose(spectrum.wavelength, wavelength, rtol=rtol)
    assert_allclose(spectrum.flux[~bad], np.asarray(flux)[~bad], rtol=rtol)
    if sigma is None:
        assert "noise" in spectrum.meta
    else:
        assert "noise" not in spectrum.meta
        assert_allclose(spectrum.ivar, np.where(bad, 0, np.asarray(sigma) ** -2.0), rtol=2 * rtol)


# SDSS, LAMOST, DESI, SPARCL


def coadd(**changes):
    columns = {
        "FLUX": FLUX,
        "LOGLAM": np.log10(LOG),
        "IVAR": SIGMA**-2.0,
        "AND_MASK": np.full(PIXELS, 1 << 23),
    }
    return table_hdu("COADD", **{**columns, **changes})


@pytest.mark.parametrize("packer", [bz2.compress, gzip.compress, lzma.compress])
def test_sdss_in_any_order_and_packing(tmp_path, packer):
    """The catalogue lies behind the table of lines; the and_mask takes no pixel away."""
    lines = table_hdu("SPZLINE", LINEZ=[0.9], Z=[0.9])
    row = table_hdu("SPECOBJ", Z=[0.2], ZWARNING=[4], CLASS=np.array([b"GALAXY"]))
    path = write(tmp_path / "object.fits", lines, row, coadd())
    path.write_bytes(packer(path.read_bytes()))
    spectrum = read_spectrum(path)
    assert_spectrum(spectrum, LOG)
    assert spectrum.redshift == 0.2
    assert (spectrum.meta["zwarning"], spectrum.meta["class"]) == (4, "GALAXY")
    assert any("ZWARNING 4" in note for note in spectrum.meta["assumptions"])


@pytest.mark.parametrize(
    ("z", "warning", "kind", "known"),
    [(0.0, 4, b"GALAXY", False), (0.0, 0, b"", False), (0.0, 0, b"STAR", True), (-9999.0, 0, b"QSO", False),
     (0.3, 1 << 7, b"QSO", False), (0.3, 4, b"QSO", True), (np.nan, 0, b"QSO", False)],
)  # fmt: skip
def test_redshifts_of_failed_pipelines_are_unknown(tmp_path, z, warning, kind, known):
    """-9999, 0 with a warning or without a class, and any redshift of an unplugged fibre."""
    row = table_hdu("SPALL", Z=[z], ZWARNING=[warning], CLASS=np.array([kind or b" "]))
    spectrum = read_spectrum(write(tmp_path / "object.fits", coadd(), row))
    assert np.isnan(spectrum.redshift) != known


def test_sdss_v_is_named_by_field_and_catalogue(tmp_path):
    """There are no plates any more."""
    ids = {"FIELD": [15000], "MJD": [59146], "CATALOGID": np.array([4375786564], dtype=np.int64)}
    row = fits.BinTableHDU.from_columns(
        [fits.Column(key, "K", array=value) for key, value in ids.items()]
        + [fits.Column("Z", "D", array=[0.1]), fits.Column("CLASS", "6A", array=["QSO"])],
        name="SPALL",
    )
    spectrum = read_spectrum(write(tmp_path / "object.fits", coadd(), row))
    assert spectrum.name == "spec-015000-59146-4375786564"
    assert (spectrum.plate, spectrum.fiberid) == (-1, -1)


def test_spspec_with_scaled_integers_and_fortran_exponents(tmp_path):
    """BSCALE and BZERO hold, D is an exponent, and Z = -9999 is unknown."""
    rows = np.array([FLUX, FLUX, SIGMA, 0 * FLUX])
    hdu = fits.PrimaryHDU(np.round((rows - 100) / 0.01).astype(np.int16))
    header = {"COEFF0": 3.63, "COEFF1": 1e-4, "Z": -9999.0, "PLATEID": 266, "MJD": 51630, "FIBERID": 158}
    hdu.header.update(header)
    path = tmp_path / "object.fit"
    hdu.writeto(path)
    content = path.read_bytes()
    content = content.replace(b"COEFF0  =                 3.63", b"COEFF0  =             0.363D+1")
    for key, text in ((b"BSCALE", b"1.0D-2"), (b"BZERO", b"1.0D+2")):
        card = b"%-8s= %20s" % (key, text)
        content = content.replace(b"END" + b" " * 77, card.ljust(80) + b"END" + b" " * 77, 1)
        content = content[:2880] + content[2960:] if len(content) % 2880 else content
    path.write_bytes(content)
    spectrum = read_spectrum(path)
    assert_allclose(spectrum.wavelength, LOG)
    assert_allclose(spectrum.flux, FLUX, atol=0.0051)
    assert_allclose(spectrum.ivar, np.round(SIGMA, 2) ** -2.0)
    assert np.isnan(spectrum.redshift)
    assert read_spectrum(path, redshift=0.3).meta["assumptions"] == []


@pytest.mark.parametrize("named", [True, False])
def test_lamost_image(tmp_path, named):
    """Five rows: flux, inverse variance, wavelength, and_mask, or_mask, in this order by the header."""
    rows = np.array([FLUX, np.where(BAD, 0, SIGMA**-2), LOG, 0 * FLUX + 4, 0 * FLUX + 4])
    cards = {
        "TELESCOP": "LAMOST",
        "COEFF0": 3.63,
        "COEFF1": 1e-4,
        "Z": 0.2,
        "CLASS": "QSO",
        "DC_FLAG": 1,
        "VACUUM": True,
    }
    names = {"EXTEN0": "Flux, Inverse, Wavelength, Andmask, Ormask"}
    if named:
        names = {
            f"ROW{i + 1}": name
            for i, name in enumerate(("FLUX", "INVERSE", "WAVELENGTH", "ANDMASK", "ORMASK"))
        }
    path = write(tmp_path / "spec-55859-F5902_sp01-001.fits", image(rows, primary=True, **cards, **names))
    spectrum = read_spectrum(path)
    assert_spectrum(spectrum, LOG, bad=BAD)
    assert (spectrum.redshift, spectrum.name) == (0.2, "spec-55859-F5902_sp01-001")


def test_lamost_row_of_arrays(tmp_path):
    """From DR8 on; masks take no pixel away, ivar does."""
    arrays = {"FLUX": FLUX, "IVAR": np.where(BAD, 0, SIGMA**-2), "WAVELENGTH": LOG}
    masks = {"ANDMASK": np.full(PIXELS, 8), "ORMASK": np.full(PIXELS, 8)}
    path = tmp_path / "spec-57000-HD1_sp01-001.fits.gz"
    write(
        path, table_hdu("COADD", row=True, **arrays, **masks), TELESCOP="LAMOST", Z=-9999.0, CLASS="Unknown"
    )
    spectrum = read_spectrum(path)
    assert_spectrum(spectrum, LOG, bad=BAD)
    assert np.isnan(spectrum.redshift) and spectrum.name == "spec-57000-HD1_sp01-001"


def write_desi(folder, *, targets=(11, 22, 33), kinds=("TGT", "SKY", "TGT"), step=0.8):
    """A coadd of three fibres in three arms that overlap, and redrock's table beside it."""
    rng, hdus, truth = np.random.default_rng(1), [], {}
    ids = fits.Column("TARGETID", "K", array=np.array(targets))
    hdus.append(
        fits.BinTableHDU.from_columns([ids, fits.Column("OBJTYPE", "3A", array=list(kinds))], name="FIBERMAP")
    )
    for arm, (low, high) in {"B": (3600, 5800), "R": (5760, 7620), "Z": (7520, 9824)}.items():
        wave = np.arange(low, high + 0.1, step if arm == "B" else 0.8)
        flux = rng.normal(5, 1, (3, wave.size))
        ivar, mask = rng.uniform(0.5, 2, flux.shape), (rng.random(flux.shape) < 0.02).astype(np.int32)
        truth[arm] = wave, flux, np.where(mask, 0, ivar)
        parts = (("WAVELENGTH", wave), ("FLUX", flux), ("IVAR", ivar), ("MASK", mask))
        hdus += [fits.ImageHDU(values, name=f"{arm}_{part}") for part, values in parts]
    path = write(folder / "coadd-main-dark-1.fits", *hdus)
    redrock = fits.BinTableHDU.from_columns(
        [fits.Column("TARGETID", "K", array=np.array(targets)[::-1]),
         fits.Column("Z", "D", array=[0.3, 0.2, 0.1]),
         fits.Column("ZWARN", "K", array=[0, 0, 4]), fits.Column("SPECTYPE", "6A", array=["QSO", "",
         "GALAXY"])],
        name="REDSHIFTS",
    )  # fmt: skip
    write(folder / "redrock-main-dark-1.fits", redrock)
    return path, truth


def test_desi_gives_each_target_with_its_arms_merged(tmp_path):
    """Names and redshifts by TARGETID, sky fibres left out, overlaps weighed by ivar."""
    path, truth = write_desi(tmp_path)
    spectra = list(read_spectra(tmp_path))
    assert [(s.name, s.redshift) for s in spectra] == [("desi-11", 0.1), ("desi-33", 0.3)]
    assert spectra[0].meta["zwarning"] == 4 and spectra[1].meta["class"] == "QSO"
    wave = np.unique(np.concatenate([np.round(arm[0], 3) for arm in truth.values()]))
    for spectrum, row in zip(spectra, (0, 2)):
        total, weighed = np.zeros(wave.size), np.zeros(wave.size)
        for arm_wave, flux, ivar in truth.values():
            where = np.searchsorted(wave, np.round(arm_wave, 3))
            total[where] += ivar[row]
            weighed[where] += ivar[row] * flux[row]
        assert_allclose(spectrum.wavelength, wave, atol=1e-6)
        assert_allclose(spectrum.ivar, total)
        assert_allclose(spectrum.flux[total > 0], (weighed / np.maximum(total, 1e-9))[total > 0])
    with pytest.raises(
        SpectrumError, match=r"holds 2 spectra \(desi-11, desi-33\); choose one: which='desi-11'"
    ):
        read_spectrum(path)
    for which in ("desi-33", "33", 1, -1):
        assert_array_equal(read_spectrum(path, which=which).flux, spectra[1].flux)
    with pytest.raises(SpectrumError, match="which must be the name or the number"):
        read_spectrum(path, which="desi-22")


def test_desi_arms_on_other_pixels_keep_them_all(tmp_path):
    """Where the arms' pixels do not meet, each stays with its own ivar."""
    _, truth = write_desi(tmp_path, step=0.83)
    spectrum = next(iter(read_spectra(tmp_path)))
    assert spectrum.wavelength.size > sum(arm[0].size for arm in truth.values()) * 0.95
    assert_allclose(spectrum.ivar.sum(), sum(arm[2][0].sum() for arm in truth.values()))


def test_sparcl_rows_are_spectra(tmp_path):
    """Lists in cells; for SDSS the mask is the and_mask and takes nothing away, for DESI it does."""
    import pyarrow
    import pyarrow.parquet

    wild = np.where(BAD, 500.0, FLUX)
    rows = {
        "sparcl_id": ["a", "b"], "specid": [101, 102], "data_release": ["DESI-DR1", "BOSS-DR16"],
        "redshift": [0.1, 0.2], "spectype": ["GALAXY", "QSO"],
        "wavelength": [list(WAVE)] * 2, "flux": [list(wild)] * 2, "ivar": [list(SIGMA**-2.0)] * 2,
        "mask": [list(BAD.astype(int))] * 2, "model": [list(0 * FLUX)] * 2,
    }  # fmt: skip
    path = tmp_path / "sparcl.parquet"
    pyarrow.parquet.write_table(pyarrow.table(rows), path)
    desi, boss = read_spectra(path)
    assert (desi.name, boss.name) == ("DESI-DR1-101", "BOSS-DR16-102")
    assert (desi.redshift, boss.redshift) == (0.1, 0.2)
    assert_spectrum(desi, flux=wild, bad=BAD)
    assert_spectrum(boss, flux=wild)


def test_long_tables_of_many_objects_are_told_apart(tmp_path):
    """A row a pixel and a column of names: as many spectra as names."""
    path = tmp_path / "all.csv"
    Table(
        {"targetid": np.repeat([7, 9], PIXELS), "wave": np.tile(WAVE, 2), "flux": np.r_[FLUX, 2 * FLUX],
         "err": np.tile(SIGMA, 2)}
    ).write(path, format="ascii.ecsv")  # fmt: skip
    spectra = list(read_spectra(path))
    assert [s.name for s in spectra] == ["all-7", "all-9"]
    assert_allclose(spectra[1].flux, 2 * FLUX)


def test_spectra_stacked_without_names_are_refused(tmp_path):
    """Two objects below each other are not two arms of one."""
    path = tmp_path / "two.csv"
    lines = [f"{w},{f},{s}" for w, f, s in zip(np.tile(WAVE, 2), np.r_[FLUX, 2 * FLUX], np.tile(SIGMA, 2))]
    path.write_text("wave,flux,err\n" + "\n".join(lines))
    with pytest.raises(SpectrumError, match="start anew 1 times"):
        read_spectrum(path)


# ESO, 4MOST, MUSE, the AAT, PypeIt, VIPERS


@pytest.mark.parametrize("air", [False, True])
def test_eso_phase_3(tmp_path, air):
    """UCDs say which flux is the main one, which error is its own, and whether wavelengths are in air."""
    columns = {
        "WAVE": WAVE / 10, "FLUX_REDUCED": 7 * FLUX, "ERR_REDUCED": 7 * SIGMA, "FLUX": FLUX, "ERR": SIGMA,
        "QUAL": BAD.astype(int), "SNR": FLUX / SIGMA,
    }  # fmt: skip
    hdu = table_hdu(
        "SPECTRUM", row=True, units={"WAVE": "nm", "FLUX": "erg cm**(-2) s**(-1) angstrom**(-1)"}, **columns
    )
    hdu.header["TUCD1"] = "em.wl;obs.atmos" if air else "em.wl"
    hdu.header["TUCD4"] = "phot.flux.density;em.wl;src.net;meta.main"
    hdu.header["TUCD5"] = "stat.error;phot.flux.density;meta.main"
    hdu.header["TUCD2"] = "phot.flux.density;em.wl;src.net"
    spectrum = read_spectrum(write(tmp_path / "ADP.fits", hdu, PRODCATG="SCIENCE.SPECTRUM"))
    assert_spectrum(spectrum, air_to_vacuum(WAVE) if air else WAVE, bad=BAD)
    assert spectrum.meta["medium"] == ("air" if air else "vacuum")


def test_4most_takes_the_flux_and_its_own_error(tmp_path):
    """Flux without sky subtraction lies beside it, with an error of its own."""
    columns = {
        "WAVE": WAVE,
        "FLUX_NOSS": 9 * FLUX,
        "ERR_FLUX_NOSS": 9 * SIGMA,
        "FLUX": FLUX,
        "ERR_FLUX": SIGMA,
    }
    path = write(
        tmp_path / "qmost.fits", table_hdu("PHASE3SPECTRUM", row=True, units={"WAVE": "Angstrom"}, **columns)
    )
    assert_spectrum(read_spectrum(path))


def test_xshooter_and_mpdaf_images(tmp_path):
    """FLUX, ERRS and QUAL images, or DATA and STAT, in any order, with the axis in the header."""
    axis = {"CTYPE1": "WAVE", "CUNIT1": "nm", "CRVAL1": 430.0, "CDELT1": 0.2, "CRPIX1": 1}
    hdus = [image(FLUX, "FLUX", primary=True, **axis), image(BAD.astype(int), "QUAL"), image(SIGMA, "ERRS")]
    assert_spectrum(read_spectrum(write(tmp_path / "x.fits", *hdus)), bad=BAD)
    muse = {"CTYPE1": "AWAV", "CUNIT1": "Angstrom", "CRVAL1": 4300.0, "CDELT1": 2.0, "CRPIX1": 1}
    hdus = [image(FLUX, "DATA", BUNIT="10**(-20)*erg/s/cm**2/Angstrom", **muse)]
    hdus.append(image(SIGMA**2, "STAT", BUNIT="(10**(-20)*erg/s/cm**2/Angstrom)**2"))
    spectrum = read_spectrum(write(tmp_path / "muse.fits", *hdus, INSTRUME="MUSE"))
    assert_spectrum(spectrum, air_to_vacuum(WAVE))


def test_2dfdr_files_of_many_fibres(tmp_path):
    """Targets have names, sky fibres are left out, counts are said; in air unless VACUUM says otherwise."""
    axis = {
        "CTYPE1": "Wavelength",
        "CUNIT1": "Angstroms",
        "CRVAL1": 4300.0,
        "CDELT1": 2.0,
        "CRPIX1": 1,
        "BUNIT": "counts",
    }
    data = np.array([FLUX, 0.1 * FLUX, 2 * FLUX])
    fibres = table_hdu(
        "FIBRES",
        NAME=np.array([b"one", b"sky", b"two"]),
        TYPE=np.array([b"P", b"S", b"P"]),
        MAGNITUDE=[17.0, 0, 18],
    )
    for vacuum in (False, True):
        hdus = [image(data, primary=True, **axis, **({"VACUUM": True} if vacuum else {}))]
        hdus += [image(np.tile(SIGMA**2, (3, 1)), "VARIANCE"), fibres]
        path = write(tmp_path / "field.fits", *hdus, INSTRUME="AAOMEGA-2dF", Z=0.5)
        one, two = read_spectra(path)
        assert (one.name, two.name) == ("field-one", "field-two")
        assert_spectrum(two, WAVE if vacuum else air_to_vacuum(WAVE), 2 * FLUX)
        assert np.isnan(one.redshift)
        assert any("counts" in note for note in one.meta["assumptions"])


def test_rows_named_by_cards(tmp_path):
    """GAMA's image: spectrum, error, the same without calibration, sky; a redshift of quality 1 is none."""
    rows = np.array([FLUX, SIGMA, 50 * FLUX, 50 * SIGMA, 0 * FLUX + 3])
    names = ("Spectrum", "Error", "Spectrum_nocalib", "Error_nocalib", "Sky")
    axis = {"CTYPE1": "Wavelength", "CUNIT1": "Angstroms", "CRVAL1": 4400.0, "CD1_1": 2.0, "CRPIX1": 51}
    for quality, redshift in ((4, 0.2), (1, np.nan)):
        cards = axis | {f"ROW{i + 1}": name for i, name in enumerate(names)} | {"Z": 0.2, "NQ": quality}
        spectrum = read_spectrum(write(tmp_path / "G09.fit", image(rows, primary=True, **cards)))
        assert_spectrum(spectrum)
        assert_array_equal(spectrum.redshift, redshift)


def test_2dfgrs(tmp_path):
    """An HDU a spectrum, rows of counts, variance and sky, in air."""
    axis = {"CRVAL1": 4300.0, "CDELT1": 2.0, "CRPIX1": 1.0, "IMAGE": "SPECTRUM", "Z": 0.11, "QUALITY": 4}
    chart = image(np.zeros((4, 4)), primary=True, IMAGE="SKYCHART")
    path = write(tmp_path / "376339.fits", chart, image(np.array([FLUX, SIGMA**2, FLUX]), **axis))
    spectrum = read_spectrum(path)
    assert_spectrum(spectrum, air_to_vacuum(WAVE))
    assert spectrum.redshift == 0.11


@pytest.mark.parametrize("survey", ["ozdes", "wigglez"])
def test_surveys_through_specutils(tmp_path, survey):
    """Combined flux and variance by specutils' definition; the redshift of the header."""
    pytest.importorskip("specutils")
    axis = {"CTYPE1": "WAVE", "CUNIT1": "Angstrom", "CRVAL1": 4300.0, "CDELT1": 2.0, "CRPIX1": 1}
    axis |= {"BUNIT": "count", "Z": 0.4}
    if survey == "ozdes":
        cards = {"REFERENC": "https://docs.datacentral.org.au/ozdes/"}
        hdus = [
            image(FLUX, primary=True, **axis, **cards),
            image(SIGMA**2, **{**axis, "BUNIT": "count2"}),
            image(BAD * 1.0),
        ]
        hdus += [image(3 * FLUX, **axis), image(SIGMA**2, **axis), image(BAD * 1.0)]
    else:
        cards = {"REFCODE": "2018MNRAS.474.4151D", "EXTNAME": "SPECTRUM"}
        hdus = [
            image(FLUX, primary=True, **axis, **cards),
            image(SIGMA**2, "VARIANCE", **{**axis, "BUNIT": "count2"}),
        ]
    spectrum = read_spectrum(write(tmp_path / "object.fits", *hdus))
    assert_allclose(spectrum.flux, FLUX)
    assert_allclose(spectrum.ivar, SIGMA**-2.0)
    assert_allclose(spectrum.wavelength, air_to_vacuum(WAVE), rtol=1e-6)
    assert spectrum.redshift == 0.4


def test_pypeit(tmp_path):
    """In a coadd 1 is good and padding has wavelength 0; spec1d holds a table an object."""
    wave, good = WAVE.copy(), (~BAD).astype(int)
    wave[-7:], good[-7:] = 0, 0
    columns = {"wave": wave, "wave_grid_mid": wave + 0.01, "flux": FLUX, "ivar": SIGMA**-2.0, "mask": good}
    hdu = table_hdu("SPECTRUM", units={"wave": "Angstrom"}, **columns)
    hdu.header["DMODCLS"], hdu.header["PYP_SPEC"] = "OneSpec", "keck_deimos"
    assert_spectrum(
        read_spectrum(write(tmp_path / "coadd.fits", hdu)), WAVE[:-7], FLUX[:-7], SIGMA[:-7], BAD[:-7]
    )
    columns = {
        "OPT_WAVE": WAVE,
        "OPT_FLAM": FLUX,
        "OPT_FLAM_IVAR": SIGMA**-2.0,
        "OPT_MASK": ~BAD,
        "OPT_COUNTS": 9 * FLUX,
    }
    hdus = [table_hdu(name, **columns) for name in ("SPAT0175-SLIT0195-DET01", "SPAT0234-SLIT0195-DET01")]
    spectra = list(read_spectra(write(tmp_path / "spec1d.fits", *hdus)))
    assert [s.name for s in spectra] == ["spec1d-SPAT0175-SLIT0195-DET01", "spec1d-SPAT0234-SLIT0195-DET01"]
    assert_spectrum(spectra[0], bad=BAD)


def test_vipers(tmp_path):
    """WAVES, FLUXES, NOISE, EDIT and MASK."""
    columns = {"WAVES": WAVE, "FLUXES": FLUX, "NOISE": SIGMA, "EDIT": 3 * FLUX, "MASK": BAD.astype(int)}
    spectrum = read_spectrum(write(tmp_path / "VIPERS_101.fits", table_hdu(**columns), REDSHIFT=0.7))
    assert_spectrum(spectrum, air_to_vacuum(WAVE), bad=BAD)
    assert spectrum.redshift == 0.7


# IRAF and other images


@pytest.mark.parametrize("shape", [(PIXELS,), (1, PIXELS), (PIXELS, 1), (1, 1, PIXELS)])
@pytest.mark.parametrize("log", [False, True])
def test_iraf_equispec(tmp_path, shape, log):
    """Linear and log-linear pixels, the unit in WAT1, axes of length 1 in any place, a D in the header."""
    along = len(shape) - shape.index(PIXELS)
    start, step = (3.63, 1e-4) if log else (4300.0, 2.0)
    cards = {
        f"CTYPE{along}": "LINEAR",
        f"CRVAL{along}": start,
        f"CD{along}_{along}": step,
        f"CRPIX{along}": 1.0,
    }
    cards |= {"DC_FLAG": int(log), "WAT0_001": "system=equispec", "BUNIT": "erg/cm2/s/A"}
    cards[f"WAT{along}_001"] = "wtype=linear label=Wavelength units=angstroms"
    path = write(tmp_path / "iraf.fits", image(FLUX.reshape(shape), primary=True, **cards))
    assert_spectrum(read_spectrum(path), LOG if log else WAVE, sigma=None)


def test_iraf_bands_and_apertures(tmp_path):
    """Apall's bands by BANDID; each aperture with its own dispersion and name."""
    data = np.array([[FLUX, 2 * FLUX], [0 * FLUX, 0 * FLUX], [SIGMA, 2 * SIGMA]])
    second = "2 2 2 4300. 2.0 200 0. 1 9 1. 0. 2 3 1. 200. 4499. 199. 3."
    text = f'wtype=multispec spec1 = "1 1 0 4300. 2.0 200 0. 1 9" spec2 = "{second}"'
    cards = {
        "CTYPE1": "MULTISPE",
        "WAT0_001": "system=multispec",
        "WAT1_001": "wtype=multispec label=Wavelength units=angstroms",
    }
    cards |= {f"WAT2_{i + 1:03d}": text[68 * i : 68 * i + 68] for i in range(-(-len(text) // 68))}
    bands = (
        "spectrum - background fit, weights variance, clean no",
        "raw - background fit",
        "sigma - background fit",
    )
    cards |= {f"BANDID{i + 1}": band for i, band in enumerate(bands)} | {
        "APID1": "nucleus",
        "APNUM2": "2 2 1.0 4.0",
    }
    one, two = read_spectra(write(tmp_path / "ms.fits", image(data, primary=True, **cards)))
    assert (one.name, two.name) == ("ms-nucleus", "ms-2")
    assert_spectrum(one)
    x = np.linspace(-1, 1, PIXELS)
    assert_spectrum(two, 4499 + 199 * x + 3 * 0.5 * (3 * x**2 - 1), 2 * FLUX, 2 * SIGMA)


def test_iraf_dispersions_by_their_definition():
    """Chebyshev against its cosine form, redshift divided out, log-linear; splines are refused."""

    def axes(spec):
        header = fits.Header({"WAT2_001": f'wtype=multispec spec1 = "{spec}"'})
        return read_multispec(header, 1, PIXELS, "file")[0].values

    angle = np.arccos(np.linspace(-1, 1, PIXELS))
    chebyshev = axes("1 1 2 0. 0. 200 0.1 1 9 1. 0. 1 4 1. 200. 5000. 300. 20. 5.")
    assert_allclose(
        chebyshev * 1.1, 5000 + 300 * np.cos(angle) + 20 * np.cos(2 * angle) + 5 * np.cos(3 * angle)
    )
    assert_allclose(axes("1 1 1 3.63 1e-4 200 0. 1 9"), LOG)
    with pytest.raises(SpectrumError, match="Chebyshev or Legendre"):
        axes("1 1 2 0. 0. 200 0. 1 9 1. 0. 3 4 1. 200. 5000. 300. 20. 5.")


def test_fits_wcs_is_astropys(tmp_path):
    """A log axis of the FITS standard, and frequencies."""
    path = tmp_path / "wcs.fits"
    cards = {"CTYPE1": "WAVE-LOG", "CUNIT1": "Angstrom", "CRVAL1": 4300.0, "CDELT1": 1.0, "CRPIX1": 1.0}
    write(path, image(FLUX, primary=True, **cards))
    assert_spectrum(read_spectrum(path), 4300 * np.exp(np.arange(PIXELS) / 4300), sigma=None)
    cards = {"CTYPE1": "FREQ", "CUNIT1": "THz", "CRVAL1": 500.0, "CDELT1": 0.1, "CRPIX1": 1.0, "BUNIT": "Jy"}
    spectrum = read_spectrum(write(path, image(FLUX, primary=True, **cards)))
    frequency = (500 + 0.1 * np.arange(PIXELS)) * u.THz
    assert_allclose(spectrum.wavelength[::-1], frequency.to_value("AA", u.spectral()))
    assert_allclose(
        spectrum.flux[::-1] / FLUX, (frequency.to_value("Hz") ** 2 / 2.99792458e18 * 1e-23) / 1e-17
    )


@pytest.mark.parametrize("log", [False, True])
def test_images_by_name(tmp_path, log):
    """FLUX, ERROR and WAVELENGTH or LOGLAM, tile-compressed or not, in any order."""
    axis = image(np.log10(WAVE) if log else WAVE, "LOGLAM" if log else "WAVELENGTH")
    flux = fits.CompImageHDU(FLUX, name="FLUX", quantize_level=0, compression_type="GZIP_1")
    assert_spectrum(read_spectrum(write(tmp_path / "i.fits", image(SIGMA, "ERROR"), axis, flux)))


def test_images_of_many_spectra(tmp_path):
    """Stacks of flux and ivar with one axis, a table of as many rows for the names."""
    names = table_hdu("TARGETS", NAME=np.array([b"one", b"two"]), Z=[0.1, -9999.0])
    hdus = [
        image(np.array([FLUX, 2 * FLUX]), "FLUX"),
        image(np.tile(SIGMA**-2.0, (2, 1)), "IVAR"),
        image(WAVE, "WAVE"),
    ]
    one, two = read_spectra(write(tmp_path / "stack.fits", *hdus, names))
    assert (one.name, two.name, one.redshift) == ("stack-one", "stack-two", 0.1)
    assert np.isnan(two.redshift)
    assert_spectrum(two, flux=2 * FLUX)


_NM = {"CTYPE1": "WAVE", "CUNIT1": "nm", "CRVAL1": 430.0, "CDELT1": 0.2}


@pytest.mark.parametrize(
    ("hdus", "message"),
    [
        ([image(FLUX, primary=True)], "must have wavelengths"),
        ([image(FLUX, primary=True, CRVAL1=1.0, CDELT1=1.0)], "must have wavelengths"),
        ([image(FLUX, primary=True, CTYPE1="PIXEL", CRVAL1=1.0, CDELT1=1.0)], "must have wavelengths"),
        ([image(FLUX, primary=True, CTYPE1="WAVE", CUNIT1="Angstrom", CRVAL1=3.6, CDELT1=1e-4)], "100 µm"),
        ([image(FLUX, primary=True, BUNIT="adu", **_NM)], "flux density"),
        ([image(np.ones((50, PIXELS)), primary=True, **_NM)], "rows have no names"),
        ([image(np.ones((5, 6, 7)), primary=True)], "cube of shape"),
    ],
)  # fmt: skip
def test_images_that_are_no_spectra_are_refused(tmp_path, hdus, message):
    """Without an axis, in pixels, of impossible wavelengths, in counts, of two dimensions, cubes."""
    with pytest.raises(SpectrumError, match=message) as caught:
        read_spectrum(write(tmp_path / "image.fits", *hdus))
    assert "again" not in str(caught.value)


# Tables of any kind


def test_tables_of_any_kind(tmp_path):
    """FITS, VOTable, ECSV, IPAC, CDS and Parquet say the same, with units."""
    table = Table({"wave": WAVE / 10, "flux": FLUX, "err": SIGMA}, units={"wave": "nm"})
    kinds = {"fits": "fits", "xml": "votable", "ecsv": "ascii.ecsv", "tbl": "ascii.ipac", "mrt": "ascii.mrt"}
    for suffix, kind in (kinds | {"parquet": "parquet"}).items():
        name = f"t.{suffix}"
        # astropy 8.0.2 writes beyond its buffer in VOTables of text.
        options = {"tabledata_format": "binary2"} if kind == "votable" else {}
        table.write(tmp_path / name, format=kind, overwrite=True, **options)
        spectrum = read_spectrum(tmp_path / name)
        assert_spectrum(spectrum, rtol=2e-4 if kind == "ascii.mrt" else 2e-6)
        assert spectrum.name == "t"


def test_hdf5(tmp_path):
    """Columns as datasets of a group, or one compound dataset, with attributes."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "o.h5", "w") as file:
        group = file.create_group("spectrum")
        group.attrs["redshift"] = 0.3
        for name, values in (("wavelength", WAVE), ("flux", FLUX), ("ivar", SIGMA**-2.0)):
            group[name] = values
    spectrum = read_spectrum(tmp_path / "o.h5")
    assert_spectrum(spectrum)
    assert spectrum.redshift == 0.3


def test_vizier_tsv_and_masked_values(tmp_path):
    """Names, units, dashes; blanks are missing."""
    path = tmp_path / "v.tsv"
    cells = [f"{w / 10}\t{'' if b else f}\t{s}" for w, f, s, b in zip(WAVE, FLUX, SIGMA, BAD)]
    path.write_text(
        "#RESOURCE=yCat\n#Name: J/x\n\nlambda\tFlux\te_Flux\nnm\t1e-17 cW/m2/nm\t1e-17 "
        "cW/m2/nm\n-----\t---\t---\n" + "\n".join(cells)
    )
    assert_spectrum(read_spectrum(path), bad=BAD)


@pytest.mark.parametrize("order", [1, -1])
def test_text_of_many_hands(tmp_path, order):
    """Decimal commas, tabs and blanks mixed, D exponents, quotes, UTF-16, row numbers, other headers."""
    rows = list(zip(WAVE, FLUX, SIGMA))[::order]
    path = tmp_path / "o.txt"

    def lines(form, rows=rows):
        return "\n".join(form.format(*row) for row in rows)

    names, exponents = "wave flux err\n", lines(" {:.6E} {:.9E} {:.9E}").replace("E", "D")
    texts = {
        "comma": "wave;flux;err\n" + lines("{};{:.8f};{:.8f}").replace(".", ","),
        "comma and tab": "wave\tflux\terr\n" + lines("{}\t{:.8f}\t{:.8f}").replace(".", ","),
        "mixed": names + lines("{}\t {:.8f}  {:.8f}"),
        "fortran": "# " + names + exponents,
        "quotes": '"wave","flux","err"\n' + lines('"{}","{:.8f}","{:.8f}"'),
        "units": "wave,flux,err\nAngstrom,erg/s/cm2/A,erg/s/cm2/A\n" + lines("{},{:.8f},{:.8f}"),
        "R": '"wave" "flux" "err"\n'
        + lines('"{}" {} {:.8f} {:.8f}', [(i + 1, *row) for i, row in enumerate(rows)]),
        "columns": "# 1 WAVE  wavelength [Angstrom]\n# 2 FLUX  flux\n# 3 ERR  error\n"
        + lines("{} {:.8f} {:.8f}"),
        "remark": "# wavelength in nm\n# "
        + names
        + lines("{} {:.8f} {:.8f}", [(w / 10, f, s) for w, f, s in rows]),
        "IRAF": "BITPIX  =       -32\nNAXIS   =         1\nEND\n\n" + lines("{} {:.8f} {:.8f}"),
    }
    for kind, text in texts.items():
        for encoding in ("utf-8", "utf-16", "latin-1"):
            path.write_bytes(text.encode(encoding))
            try:
                assert_spectrum(read_spectrum(path))
            except (AssertionError, SpectrumError) as error:
                raise AssertionError(f"{kind}, {encoding}: {error}") from error


def test_the_third_line_of_an_ipac_table_is_of_units(tmp_path):
    """One that is no unit is refused, also where it is the only one."""
    path = tmp_path / "o.tbl"
    rows = "\n".join(f" {w} {f} {s}" for w, f, s in zip(WAVE, FLUX, SIGMA))
    head = "| wave | flux | err |\n| double | double | double |\n| {} | {} |  |\n"
    path.write_text(head.format("", "furlong") + rows)
    with pytest.raises(SpectrumError, match="the unit of flux must be known; got 'furlong'"):
        read_spectrum(path)
    path.write_text(head.format("um", "") + rows)
    with pytest.raises(SpectrumError, match="100 Å and 100 µm"):
        read_spectrum(path)
