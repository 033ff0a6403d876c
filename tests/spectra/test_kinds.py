"""What names, units, comments and masks mean, one small file each: right, or refused."""

import numpy as np
import pytest
from astropy.io import fits
from numpy.testing import assert_allclose

from agn_helpers.errors import AgnError, SpectrumError
from agn_helpers.spectra import ObservedSpectrum, read_spectrum
from agn_helpers.spectra.medium import air_to_vacuum

from .test_formats import BAD, FLUX, PIXELS, SIGMA, WAVE, assert_spectrum, image, table_hdu, write

WILD = np.where(BAD, 900.0, FLUX)
GOOD = ~BAD
# λ²/c, from flux per Å to flux per Hz, by a factor that is the same everywhere.
PER_FREQUENCY = (WAVE / WAVE[0]) ** 2
C = 2.99792458e18


def write_text(path, head, *columns, mark=","):
    rows = (mark.join(map(str, row)) for row in zip(*(np.asarray(c).tolist() for c in columns)))
    path.write_text(head + "\n" + "\n".join(rows), encoding="utf-8")
    return path


def assert_shape(spectrum, wavelength=WAVE, sigma=SIGMA):
    """Flux and error up to the unit's factor."""
    assert_allclose(spectrum.wavelength, wavelength, rtol=2e-6)
    ratio = spectrum.flux / FLUX
    assert_allclose(ratio, np.median(ratio), rtol=1e-6)
    if sigma is None:
        assert "noise" in spectrum.meta
    else:
        assert_allclose(spectrum.flux * np.sqrt(spectrum.ivar), FLUX / sigma, rtol=1e-5)


@pytest.mark.parametrize(
    "head",
    [
        "wave_obs,flux_obs,err_obs",
        "WAVE,FLUX_CAL,SIGMA_CAL",
        "log10(wavelength),flux,err",
        "wavelength in vacuum,flux,sigma",
        "λ (Å),F_λ (10⁻¹⁷ erg s⁻¹ cm⁻² Å⁻¹),σ",
        "x (nm),y (erg/s/cm2/A),err",
        "wave (um),Fν (µJy),e_Fν (µJy)",
        "wave,fnu,fnu_err",
        "frequency (GHz),flux (mJy),err (mJy)",
        "energy (eV),flux,err",
        "wavenumber (cm-1),flux,err",
        "lnwave,flux,err",
        "wave (A),nuFnu (erg/s/cm2),err (erg/s/cm2)",
        "wave (A),nuFnu,err",
        "wave (A),flux (erg/s/A),err (erg/s/A)",
        "wave (A),flux (photon/s/cm2/A),err (photon/s/cm2/A)",
    ],
)
def test_names_and_units(tmp_path, head):
    """Each in the words and the unit of its first line."""
    names = head.split(",")
    axis = {"log10(": np.log10(WAVE), "x (nm)": WAVE / 10, "(um)": WAVE / 1e4, "GHz": C / WAVE / 1e9}
    axis |= {"(eV)": 12398.4198433 / WAVE, "(cm-1)": 1e8 / WAVE, "lnwave": np.log(WAVE)}
    scale = {"Jy": PER_FREQUENCY, "ν": PER_FREQUENCY, "fnu": PER_FREQUENCY, "nuF": WAVE, "photon": WAVE}
    wavelength = next((values for word, values in axis.items() if word in names[0]), WAVE)
    factor = next((values for word, values in scale.items() if word in names[1]), 1.0)
    path = write_text(tmp_path / "o.csv", head, wavelength, FLUX * factor, SIGMA * factor)
    assert_shape(read_spectrum(path))


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("wave,log_flux,err", "no flux is found among wave, log_flux, err"),
        ("wave,log_flux (erg/s/cm2/A),err", "no flux is found"),
        ("wave,flux (log(erg/s/cm2/A)),err", "must be a flux density"),
        ("wave,smooth_flux (erg/s/cm2/A),err", "no flux is found"),
        ("fwhm (nm),flux,err", "no wavelength is found"),
        ("velocity (km/s),flux,err", "no wavelength is found"),
        ("wave,b (erg/s/cm2/A),c (erg/s/cm2/A)", "no flux is found"),
        ("wave,flux (e-/s),err", "the unit of flux must be known"),
        ("wave,flux (W/Hz),err", "must be a flux density"),
        ("wave,flux1,flux2", "flux may be flux1 and flux2"),
        ("wave,flux,quality_of_life\n", "name for every column"),
    ],
)
def test_what_is_not_clear_is_refused(tmp_path, head, message):
    """No logarithm of a flux, no width of a line, no luminosity per Hz, none of two."""
    columns = (WAVE, FLUX, SIGMA)[: 2 if head.endswith("\n") else 3]
    with pytest.raises(SpectrumError, match=message):
        read_spectrum(write_text(tmp_path / "o.csv", head.rstrip(), *columns))


@pytest.mark.parametrize(
    ("name", "values", "note"),
    [
        ("mask", np.where(BAD, "yes", "no"), ""),
        ("mask", np.where(BAD, "BAD", "OK"), ""),
        ("quality", np.where(BAD, "bad", "good"), ""),
        ("good", np.where(BAD, "no", "yes"), ""),
        ("goodmask", GOOD * 1, ""),
        ("mask_good", GOOD * 1, ""),
        ("quality_flag", BAD * 1, ""),
        ("pixel_mask", BAD * (1 << 20), ""),
        ("mask", GOOD * 1, "# mask: 1 = good, 0 = bad\n"),
        ("is_good", GOOD, ""),
    ],
)
def test_masks(tmp_path, name, values, note):
    """0 or 1 for good, bits, words: as the name and the comments say."""
    path = write_text(tmp_path / "o.csv", f"{note}wave,flux,err,{name}", WAVE, WILD, SIGMA, values)
    assert_spectrum(read_spectrum(path), bad=BAD)


@pytest.mark.parametrize(
    "comment",
    [
        "flux is lambda*F_lambda in erg/s/cm2",
        "nu F_nu",
        "log10 flux",
        "flux: log F_lambda",
        "continuum-normalised spectrum",
    ],
)
def test_comments_on_what_is_no_flux_density(tmp_path, comment):
    """Refused, unless a unit says otherwise."""
    path = write_text(tmp_path / "o.csv", f"# {comment}\nwave,flux,err", WAVE, FLUX, SIGMA)
    with pytest.raises(SpectrumError, match=r"flux must be (?:known|a flux density)"):
        read_spectrum(path)
    told = read_spectrum(path, columns={"flux": "flux [erg/s/cm2/A]", "error": "err"})
    assert_spectrum(told)


def test_magnitudes_by_their_names(tmp_path):
    error = 2.5 / np.log(10) * SIGMA / FLUX
    for name, level in (("STmag", 1.0), ("AB_mag", (WAVE / WAVE[0]) ** 2)):
        magnitude = -2.5 * np.log10(FLUX * level)
        path = write_text(tmp_path / "o.csv", f"wave,{name},{name}_err", WAVE, magnitude, error)
        assert_shape(read_spectrum(path))


def test_masks_that_are_not_understood_are_refused_or_said(tmp_path):
    """Words of no known meaning; a name that only sounds like a mask."""
    words = np.where(BAD, "blue", "green")
    path = write_text(tmp_path / "o.csv", "wave,flux,err,mask", WAVE, FLUX, SIGMA, words)
    with pytest.raises(SpectrumError, match="words such as good and bad; mask of"):
        read_spectrum(path)
    path = write_text(tmp_path / "o.ecsv.csv", "wave,flux,err,telluric_flag_2", WAVE, FLUX, SIGMA, BAD * 1)
    assert_spectrum(read_spectrum(path))
    hdu = table_hdu("S", wave=WAVE, flux=FLUX, err=SIGMA, telluric_flag_2=BAD * 1)
    notes = read_spectrum(write(tmp_path / "o.fits", hdu)).meta["assumptions"]
    assert "telluric_flag_2 not used, name it as mask or good if it is one" in notes


def test_a_column_good_may_reject_most_pixels(tmp_path):
    few = np.arange(PIXELS) < 40
    path = write_text(tmp_path / "o.csv", "wave,flux,err,good", WAVE, FLUX, SIGMA, few * 1)
    assert_spectrum(read_spectrum(path), bad=~few)


def test_the_comment_of_a_column_says_what_its_mask_means(tmp_path):
    """TTYPE4 = 'mask' / 1 = good pixel."""
    hdu = table_hdu("S", wave=WAVE, flux=WILD, err=SIGMA, mask=GOOD * 1)
    hdu.header.comments["TTYPE4"] = "1 = good pixel"
    assert_spectrum(read_spectrum(write(tmp_path / "o.fits", hdu)), bad=BAD)


@pytest.mark.parametrize("none", [-1, 0, 9999.0, 1e20, np.inf, np.nan, -9999.0])
def test_errors_that_stand_for_none(tmp_path, none):
    path = write_text(tmp_path / "o.csv", "wave,flux,err", WAVE, WILD, np.where(BAD, none, SIGMA))
    assert_spectrum(read_spectrum(path), bad=BAD)


def test_errors_of_another_flux_are_said(tmp_path):
    """A relative error is none of the flux; that it is not used is no secret."""
    path = write_text(tmp_path / "o.csv", "wave,flux,rel_err", WAVE, FLUX, SIGMA / FLUX)
    spectrum = read_spectrum(path)
    assert_spectrum(spectrum, sigma=None)
    assert "rel_err not used, of no known flux" in spectrum.meta["assumptions"]


@pytest.mark.parametrize(
    ("comment", "medium"),
    [
        ("VACUUM = False", "air"),
        ("vacuum: T", "vacuum"),
        ("AIRORVAC = 'air'", "air"),
        ("wavelength_medium: vacuum", "vacuum"),
        ("wavelengths not corrected to vacuum", "air"),
        ("wavelengths converted from air to vacuum", "vacuum"),
        ("airmass 1.2", None),
        ("observed in good air quality", None),
    ],
)
def test_media_in_comments(tmp_path, comment, medium):
    path = write_text(tmp_path / "o.csv", f"# {comment}\nwave,flux,err", WAVE, FLUX, SIGMA)
    spectrum = read_spectrum(path)
    assert_spectrum(spectrum, air_to_vacuum(WAVE) if medium == "air" else WAVE)
    assert spectrum.meta["medium"] == (medium or "not stated, taken for vacuum")


def test_wave_of_the_standard_is_in_vacuum_also_of_muse(tmp_path):
    axis = {"CUNIT1": "Angstrom", "CRVAL1": 4300.0, "CDELT1": 2.0, "CRPIX1": 1}
    for kind, expected in (("WAVE", WAVE), ("AWAV", air_to_vacuum(WAVE)), ("LINEAR", air_to_vacuum(WAVE))):
        hdus = [image(FLUX, "DATA", CTYPE1=kind, **axis), image(SIGMA**2, "STAT")]
        assert_spectrum(read_spectrum(write(tmp_path / "o.fits", *hdus, INSTRUME="MUSE")), expected)


@pytest.mark.parametrize(
    ("comment", "redshift"),
    [
        ("redshift 0.2", 0.2),
        ("Redshift (spec): 0.2", 0.2),
        ("Redshift,0.2", 0.2),
        ("REDSHIFT = '0.2'", 0.2),
        ("z ~ 0.2", 0.2),
        ("z(lines) = 0.2", 0.2),
        ("z=0.2 zwarn=4", 0.2),
        ("redshift -9999", np.nan),
        ("z = 9.9999", np.nan),
        ("absorption redshift 1.5", np.nan),
        ("lens redshift 0.5, source redshift 1.2", np.nan),
        ("zenith distance z = 0.3", np.nan),
        ("focus z = 0.8", np.nan),
        ("metallicity Z = 0.02", np.nan),
        ("HELIO_RV = 123.4", np.nan),
        ("u=18.1 g=17.9 r=0.5 i=0.4 z=0.3", np.nan),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_redshifts_in_comments(tmp_path, comment, redshift, named):
    """Also above two columns without names, which a comment of two words must not name."""
    head = f"# {comment}" + ("\nwave flux" if named else "")
    spectrum = read_spectrum(write_text(tmp_path / "o.txt", head, WAVE, FLUX, mark=" "))
    assert_spectrum(spectrum, sigma=None)
    np.testing.assert_equal(spectrum.redshift, redshift)


@pytest.mark.parametrize(
    ("cards", "redshift"),
    [
        ({"Z_VI": 0.2}, 0.2),
        ({"REDSHIFT": 0.7, "ZFLG": 3.5}, 0.7),
        ({"REDSHIFT": 0.7, "ZFLG": 0.0}, np.nan),
        ({"REDSHIFT": 0.7, "ZFLG": 14}, 0.7),
        ({"REDSHIFT": 0.7, "ZFLG": 11}, np.nan),
        ({"ZD": 34.0, "AIRMASS": 1.2}, np.nan),
        ({"Z": (0.8, "[m] focus")}, np.nan),
    ],
)
def test_redshifts_in_headers(tmp_path, cards, redshift):
    hdu = table_hdu("S", wave=WAVE, flux=FLUX, err=SIGMA)
    spectrum = read_spectrum(write(tmp_path / "o.fits", hdu, **cards))
    np.testing.assert_equal(spectrum.redshift, redshift)


def test_votables_by_ucd_and_their_parameters(tmp_path):
    """Names that say nothing; a redshift as a parameter; the table of flux behind one of lines."""
    fields = (
        '<FIELD name="c1" datatype="double" unit="nm" ucd="em.wl;obs.atmos"/>'
        '<FIELD name="c2" datatype="double" ucd="phot.flux.density;em.wl"/>'
        '<FIELD name="c3" datatype="double" ucd="stat.error;phot.flux.density;em.wl"/>'
    )
    rows = zip(WAVE / 10, FLUX, SIGMA)
    cells = "".join("<TR>" + "".join(f"<TD>{float(v)!r}</TD>" for v in row) + "</TR>" for row in rows)
    lines = '<TABLE><FIELD name="line" datatype="double"/><DATA><TABLEDATA><TR><TD>1</TD></TR></TABLEDATA>'
    known = '<PARAM name="v" datatype="double" ucd="src.redshift" value="0.25"/>'
    text = f"{lines}</DATA></TABLE><TABLE>{known}{fields}<DATA><TABLEDATA>{cells}</TABLEDATA></DATA></TABLE>"
    path = tmp_path / "o.xml"
    space = 'version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"'
    path.write_text(f'<?xml version="1.0"?><VOTABLE {space}><RESOURCE>{text}</RESOURCE></VOTABLE>')
    spectrum = read_spectrum(path)
    assert_spectrum(spectrum, air_to_vacuum(WAVE))
    assert spectrum.redshift == 0.25


def test_hdf5_of_arrays_in_groups_of_their_own(tmp_path):
    """As Starlink's NDF; what holds no spectrum is listed."""
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "o.h5"
    with h5py.File(path, "w") as file:
        for group, values in (("DATA_ARRAY", FLUX), ("VARIANCE", SIGMA**2), ("AXIS", WAVE)):
            file[f"{group}/DATA"] = values
        file["AXIS/DATA"].attrs["units"] = "Angstrom"
    assert_spectrum(read_spectrum(path))
    with h5py.File(path, "w") as file:
        file["some/numbers"] = FLUX
    with pytest.raises(SpectrumError, match="it holds /some/numbers"):
        read_spectrum(path)


def test_tables_without_known_names(tmp_path):
    """Units tell; where they do not, the columns are listed."""
    units = {"X": "nm", "Y": "erg/s/cm2/Angstrom"}
    path = write(tmp_path / "o.fits", table_hdu("S", X=WAVE / 10, Y=FLUX, units=units))
    spectrum = read_spectrum(path)
    assert_spectrum(spectrum, sigma=None)
    assert "X taken for wavelength, by its unit" in spectrum.meta["assumptions"]
    with pytest.raises(SpectrumError, match="no flux is found among X, Y"):
        read_spectrum(write(path, table_hdu("S", X=WAVE, Y=FLUX)))


def test_4most_names_its_inverse_variance_an_error(tmp_path):
    columns = {"WAVE": WAVE, "FLUX": FLUX, "ERR_IVAR": SIGMA**-2.0, "FLUX_NOSS": 9 * FLUX}
    assert_spectrum(
        read_spectrum(write(tmp_path / "o.fits", table_hdu("PHASE3SPECTRUM", row=True, **columns)))
    )


def test_places_of_many_rows_are_not_that_of_the_header(tmp_path):
    """RA and DEC of the primary header are those of the field."""
    axis = {"CTYPE1": "Wavelength", "CUNIT1": "Angstroms", "CRVAL1": 4300.0, "CDELT1": 2.0}
    names = table_hdu("FIBRES", NAME=np.array([b"one", b"two"]), TYPE=np.array([b"P", b"P"]))
    hdus = [image(np.array([FLUX, FLUX]), primary=True, **axis), image(np.ones((2, PIXELS)), "VARIANCE")]
    path = write(tmp_path / "o.fits", *hdus, names, INSTRUME="AAOMEGA-2dF", RA=150.0, DEC=2.0)
    assert "ra" not in read_spectrum(path, which="one").meta
    hdu = table_hdu("S", wave=WAVE, flux=FLUX, err=SIGMA)
    assert read_spectrum(write(tmp_path / "s.fits", hdu, RA=150.0, DEC=2.0)).meta["ra"] == 150


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"redshift": None}, "redshift must be a number, or NaN where unknown; got None"),
        ({"redshift": "0.2"}, "redshift must be a number, or NaN where unknown; got '0.2'"),
        ({"redshift": [0.2]}, r"redshift must be a number, or NaN where unknown; got \[0.2\]"),
        ({"redshift": 1 + 2j}, "redshift must be a number"),
        ({"name": None}, "name must be text; got None"),
        ({"label": ["type 1"]}, "label must be one of"),
        ({"label": 1}, "label must be one of"),
        ({"plate": "x"}, "plate must be an integer; got 'x'"),
        ({"mjd": None}, "mjd must be an integer; got None"),
        ({"fiberid": 1.5}, "fiberid must be an integer; got 1.5"),
        ({"meta": None}, "meta must be a dict; got None"),
        ({"flux": None}, "flux must be one-dimensional"),
        ({"flux": FLUX + 1j}, "flux must be real numbers"),
        ({"ivar": "x"}, "ivar must be"),
        ({"wavelength": 5.0}, "wavelength must be one-dimensional"),
        ({"wavelength": [["a"]]}, "wavelength must be numbers"),
    ],
)
def test_odd_arguments_are_refused_in_one_line(fields, message):
    sound = {"wavelength": WAVE, "flux": FLUX, "ivar": SIGMA**-2.0}
    with pytest.raises(AgnError, match=message) as caught:
        ObservedSpectrum(**{**sound, **fields})
    assert "\n" not in str(caught.value)


def test_numbers_of_numpy_are_numbers():
    spectrum = ObservedSpectrum(
        WAVE, FLUX, SIGMA**-2.0, redshift=np.float32(0.5), plate=np.int16(266), name=np.str_("a")
    )
    assert (spectrum.redshift, spectrum.plate, spectrum.name) == (0.5, 266, "a")
    assert fits.Card("Z", spectrum.redshift).value == 0.5
