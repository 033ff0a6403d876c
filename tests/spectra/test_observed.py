"""Spectra come in as they are in the file, whatever its format, or with one line that says why not."""

import gzip
import sys
import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.nddata import StdDevUncertainty, VarianceUncertainty
from numpy.testing import assert_allclose, assert_array_equal

from agn_helpers.errors import SpectrumError
from agn_helpers.lines import LINES
from agn_helpers.spectra import ObservedSpectrum, from_specutils, read_spectrum, write_spec_lite
from agn_helpers.spectra.noise import estimate_noise

PIXELS = 500
FLUX_UNIT = u.Unit("1e-17 erg / (s cm2 AA)")


@pytest.fixture
def spectrum():
    """A spectrum on SDSS pixels with Hβ at redshift 0.1, unit noise and one masked pixel."""
    wavelength = 10 ** (3.7 + 1e-4 * np.arange(PIXELS))
    centre = LINES["Hbeta"].wavelength * 1.1
    flux = 10 + 50 * np.exp(-0.5 * ((wavelength - centre) / 5) ** 2)
    ivar = np.ones(PIXELS)
    ivar[7] = 0
    ids = {"plate": 266, "mjd": 51630, "fiberid": 158}
    return ObservedSpectrum(wavelength, flux, ivar, 0.1, "spec-0266-51630-0158", **ids)


@pytest.fixture
def sdss_file(spectrum, tmp_path):
    """The same as an SDSS spec-lite file."""
    path = tmp_path / "spec-0266-51630-0158.fits"
    write_spec_lite(spectrum, path)
    return path


def assert_refused(path, *words):
    """Reading gives a SpectrumError of one line that names the file and holds `words`."""
    with pytest.raises(SpectrumError) as caught:
        read_spectrum(path)
    message = str(caught.value)
    assert "\n" not in message
    for word in (str(path), *words):
        assert word in message


# The border


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"redshift": -1.2}, "redshift must be greater than -1; got -1.2 for spec-0266-51630-0158.fits."),
        ({"redshift": np.inf}, "redshift must be finite, or NaN where unknown; got inf"),
        ({"label": "type 3"}, "label must be one of type 1, intermediate, type 2; got 'type 3'"),
        ({"flux": np.ones(PIXELS - 1)}, "same length, at least 2; got 500, 499 and 500"),
        ({"flux": np.ones((2, PIXELS))}, r"flux must be one-dimensional; got shape \(2, 500\)"),
        ({"ivar": ["one"] * PIXELS}, "ivar must be numbers"),
        (
            {"wavelength": np.r_[np.nan, 4001:4500]},
            "wavelength must be finite and positive; got nan at pixel 0",
        ),
        (
            {"wavelength": np.r_[4000, 4000:4499]},
            "wavelength must increase .* got 4000 then 4000 Å at pixel 1",
        ),
        ({"wavelength": np.linspace(5000, 4000, PIXELS)}, "wavelength must increase .* got 5000 then"),
        ({"wavelength": np.arange(1, PIXELS + 1) * u.s}, "wavelength must be a length"),
        ({"flux": np.ones(PIXELS) * u.K}, "flux a flux density"),
        ({"flux": np.ones(PIXELS) * FLUX_UNIT, "ivar": np.ones(PIXELS) / u.K}, "ivar that to the power -2"),
    ],
)
def test_wrong_arrays_are_refused_in_one_line(change, message):
    """Each broken rule is named with the value and the file."""
    good = {"wavelength": np.arange(4000, 4000 + PIXELS), "flux": np.ones(PIXELS), "ivar": np.ones(PIXELS)}
    with pytest.raises(SpectrumError, match=message) as caught:
        ObservedSpectrum(**{**good, **change}, meta={"file": "spec-0266-51630-0158.fits"})
    assert "\n" not in str(caught.value)
    assert "spec-0266-51630-0158.fits" in str(caught.value)


def test_bad_pixels_get_no_weight_and_keep_their_flux():
    """NaN, infinite and masked flux, and impossible ivar, set ivar to 0; flux and the caller's ivar stay."""
    flux = np.ma.masked_array([1, np.nan, np.inf, 4, 5, 6, 7, 8.0], mask=[0, 0, 0, 0, 0, 0, 1, 0])
    ivar = np.array([1, 1, 1, np.nan, -1, np.inf, 1, 2.0])
    spectrum = ObservedSpectrum(np.arange(1, 9), flux, ivar)
    assert_array_equal(spectrum.ivar, [1, 0, 0, 0, 0, 0, 0, 2])
    assert_array_equal(spectrum.flux, flux.data)
    assert ivar[4] == -1


def test_quantities_become_angstrom_and_flux_per_angstrom():
    """F_λ = F_ν c / λ², and the signal-to-noise ratio does not depend on the unit."""
    wavelength = np.array([400.0, 500, 600]) * u.nm
    flux = np.array([1.0, 2, 3]) * u.mJy
    spectrum = ObservedSpectrum(wavelength, flux, 4 / u.mJy**2)
    assert_allclose(spectrum.wavelength, [4000, 5000, 6000])
    # 1 mJy = 1e-26 erg/s/cm²/Hz, c = 2.99792458e18 Å/s.
    assert_allclose(spectrum.flux * 1e-17, flux.value * 1e-26 * 2.99792458e18 / spectrum.wavelength**2)
    assert_allclose(spectrum.flux * np.sqrt(spectrum.ivar), [2, 4, 6])
    assert u.Unit(spectrum.meta["flux_unit"]) == FLUX_UNIT
    kept = ObservedSpectrum(wavelength, [1, 2, 3] * u.Unit("W m-2 um-1"), [1, 1, 1])
    assert_array_equal(kept.flux, [1, 2, 3])
    assert u.Unit(kept.meta["flux_unit"]) == u.Unit("W m-2 um-1")


def test_noise_estimated_from_flux_is_the_noise():
    """DER_SNR finds the noise that was put in, follows its change, and ignores slopes, lines and gaps."""
    rng = np.random.default_rng(1)
    x = np.arange(8000)
    sigma = np.where(x < 4000, 1.0, 3.0)
    flux = 100 + 0.05 * x + 300 * np.exp(-0.5 * ((x - 2000) / 12) ** 2) + rng.normal(0, sigma)
    flux[5000:5050] = np.nan
    noise = estimate_noise(flux)
    # Pixels at the edge of a gap are mixed with it by whoever resampled the spectrum.
    assert_array_equal(np.flatnonzero(np.isnan(noise)), np.arange(4996, 5054))
    for half in (x < 3900, x > 4100):
        assert_allclose(np.nanmedian(noise[half] / sigma[half]), 1, atol=0.03)
    assert noise[1950:2050].max() < 2


# SDSS files


def test_sdss_files_hold_what_astropy_reads_in_them(shared):
    """Bytes taken at computed offsets are the numbers that astropy finds, for each real file."""
    paths = [*sorted((shared / "spectra/sdss").glob("*.fits"))[::6], *(shared / "spectra/odd").glob("*.fits")]
    assert len(paths) > 20
    for path in paths:
        spectrum = read_spectrum(path)
        with fits.open(path) as hdus:
            pixels, row = hdus[1].data, hdus[2].data[0]
            assert_array_equal(spectrum.wavelength, 10 ** pixels["loglam"].astype(float))
            assert_array_equal(spectrum.flux, pixels["flux"])
            assert_array_equal(spectrum.ivar, pixels["ivar"])
            # Exactly 0 with a warning is how the pipeline says that it found none.
            assert spectrum.redshift == row["Z"] or (
                row["Z"] == 0 and row["ZWARNING"] and np.isnan(spectrum.redshift)
            )
            assert (spectrum.plate, spectrum.mjd, spectrum.fiberid) == (
                row["PLATE"],
                row["MJD"],
                row["FIBERID"],
            )
            assert spectrum.meta["class"] == row["CLASS"]
            assert spectrum.meta["subclass"] == row["SUBCLASS"]
            assert spectrum.meta["zwarning"] == row["ZWARNING"]
        assert spectrum.name == path.stem


@pytest.mark.parametrize("line", ["Halpha", "NII6584", "SII6716", "SII6731"])
def test_spspec_lines_lie_at_their_rest_wavelengths(shared, line):
    """In the old layout an emission line is where the header's redshift says, to a third of a pixel."""
    for path in (shared / "spectra/spspec").glob("*.fits"):
        spectrum = read_spectrum(path)
        velocity = LINES[line].velocity(spectrum.wavelength / (1 + spectrum.redshift))
        around, inside = np.abs(velocity) < 3000, np.abs(velocity) < 250
        weight = spectrum.flux[inside] - np.percentile(spectrum.flux[around], 20)
        assert abs(np.average(velocity[inside], weights=weight)) < 23


def test_spspec_rows_are_flux_and_sigma(shared):
    """Flux and errors are those of specutils; sigma 0 is a bad pixel; identifiers are the header's."""
    specutils = pytest.importorskip("specutils")
    for path in (shared / "spectra/spspec").glob("*.fits"):
        spectrum = read_spectrum(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peer = specutils.Spectrum.read(path, format="SDSS-I/II spSpec")
        # specutils 2.4 takes CRVAL1 for pixel -1, so its wavelengths are one pixel too long.
        assert_allclose(spectrum.wavelength[1:], peer.spectral_axis.to_value("AA")[:-1], rtol=1e-6)
        assert_array_equal(spectrum.flux, peer.flux.value)
        sigma = peer.uncertainty.array.astype(float)
        assert_array_equal(spectrum.ivar > 0, sigma > 0)
        assert_allclose(spectrum.ivar[sigma > 0], sigma[sigma > 0] ** -2)
        header = fits.getheader(path)
        assert spectrum.redshift == header["Z"]
        assert spectrum.name == "spec-{PLATEID:04d}-{MJD}-{FIBERID:04d}".format(**header)


def test_content_decides_not_the_name(sdss_file, spectrum, tmp_path):
    """An SDSS file named like text, gzipped or upper case, and text named .fits, are read all the same."""
    renamed, zipped, text = tmp_path / "object.csv", tmp_path / "object.fits.gz", tmp_path / "text.fits"
    renamed.write_bytes(sdss_file.read_bytes())
    zipped.write_bytes(gzip.compress(sdss_file.read_bytes()))
    text.write_text("wave,flux\n" + "".join(f"{5000 + i},{i % 3}\n" for i in range(9)))
    for path in (renamed, zipped):
        copy = read_spectrum(path)
        assert copy.name == spectrum.name
        assert_array_equal(copy.flux, spectrum.flux.astype(np.float32))
    assert_array_equal(read_spectrum(text).wavelength, 5000 + np.arange(9))


def test_full_files_read_like_lite_ones(sdss_file, spectrum, tmp_path):
    """The exposures behind the fourth HDU change nothing, but a cut among them is seen."""
    path = tmp_path / "full.fits"
    with fits.open(sdss_file) as hdus:
        exposures = [fits.ImageHDU(np.ones((30, 100), np.float32)), hdus[1].copy(), hdus[1].copy()]
        fits.HDUList([*hdus, *exposures]).writeto(path)
    assert_array_equal(read_spectrum(path).flux, read_spectrum(sdss_file).flux)
    path.write_bytes(path.read_bytes()[:-2880])
    assert_refused(path, "truncated in HDU 6: 2880 bytes are missing")


def test_spec_lite_comes_back_through_three_readers(spectrum, sdss_file):
    """Own reader, astropy and specutils, told the format or not, find the same spectrum."""
    own = read_spectrum(sdss_file)
    assert_allclose(own.wavelength, spectrum.wavelength, rtol=3e-7)
    assert_array_equal(own.flux, spectrum.flux.astype(np.float32))
    assert_array_equal(own.ivar, spectrum.ivar)
    assert own.redshift == np.float32(0.1)
    assert (own.name, own.plate, own.mjd, own.fiberid) == (spectrum.name, 266, 51630, 158)
    with fits.open(sdss_file) as hdus:
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "COADD", "SPECOBJ", "SPZLINE"]
        assert hdus[1].columns.names == "flux loglam ivar and_mask or_mask wdisp sky model".split()
        assert_array_equal(hdus[1].data["flux"], own.flux)
    specutils = pytest.importorskip("specutils")
    for options in ({}, {"format": "SDSS-III/IV spec"}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peer = specutils.Spectrum.read(sdss_file, **options)
        assert_array_equal(peer.flux.to_value(FLUX_UNIT), own.flux)
        assert_array_equal(peer.mask, own.ivar == 0)
        again = from_specutils(peer)
        assert_array_equal(again.ivar, own.ivar)
        assert again.meta["medium"] == "vacuum"


@pytest.mark.parametrize("survey", ["synthetic", "eboss"])
def test_survey_stands_in_the_file(spectrum, tmp_path, survey):
    """A synthetic spectrum says so in its header, and still does when it is read back."""
    spectrum.meta["survey"] = survey
    path = tmp_path / "object.fits"
    write_spec_lite(spectrum, path)
    assert fits.getheader(path)["SURVEY"] == survey
    assert read_spectrum(path).meta["survey"] == survey


def test_spec_lite_refuses_what_float32_cannot_hold(spectrum, tmp_path):
    """Wavelengths closer than float32 resolves and overflowing ivar are errors, and leave no file."""
    fine = ObservedSpectrum(5000 + 1e-4 * np.arange(PIXELS), spectrum.flux, spectrum.ivar)
    cgs = ObservedSpectrum(spectrum.wavelength, spectrum.flux * 1e-20, spectrum.ivar * 1e40)
    for wrong, message in ((fine, "wavelengths must differ"), (cgs, "ivar must fit in float32")):
        with pytest.raises(SpectrumError, match=message):
            write_spec_lite(wrong, tmp_path / "object.fits")
    assert not list(tmp_path.iterdir())


def test_scaled_and_other_columns_keep_their_place(spectrum, tmp_path):
    """Columns of every type before the wanted ones shift offsets right; TZERO is added."""
    pixels = [
        fits.Column("bits", "11X", array=np.zeros((PIXELS, 11), bool)),
        fits.Column("lists", "PJ()", array=np.array([[1, 2]] * PIXELS, dtype=object)),
        fits.Column("FLUX", "D", array=spectrum.flux),
        fits.Column("flag", "L", array=np.ones(PIXELS, bool)),
        fits.Column("LOGLAM", "D", array=np.log10(spectrum.wavelength)),
        fits.Column("vector", "3C", array=np.zeros((PIXELS, 3), complex)),
        fits.Column("IVAR", "D", array=spectrum.ivar),
    ]
    row = [
        fits.Column("note", "0A", array=[""]),
        fits.Column("many", "75E", array=np.zeros((1, 75))),
        fits.Column("plate", "I", bzero=32768, array=np.array([40000], dtype=np.uint16)),
        fits.Column("z", "D", array=[0.25]),
    ]
    path = tmp_path / "object.fits"
    tables = [fits.BinTableHDU.from_columns(columns) for columns in (pixels, row)]
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(path)
    own = read_spectrum(path)
    assert_array_equal(own.flux, spectrum.flux)
    assert_allclose(own.wavelength, spectrum.wavelength)
    assert_array_equal(own.ivar, spectrum.ivar)
    assert (own.plate, own.mjd, own.redshift, own.name) == (40000, -1, 0.25, "object")


def test_identifiers_fall_back_to_header_and_file_name(sdss_file, tmp_path):
    """Without columns for them, plate, MJD and fibre come from the header, else from the file's name."""
    with fits.open(sdss_file) as hdus:
        catalogue = fits.BinTableHDU.from_columns([hdus[2].columns["Z"]], name="SPECOBJ")
        header = fits.HDUList([hdus[0], hdus[1], catalogue])
        header.writeto(tmp_path / "header.fits")
        nothing = fits.HDUList([fits.PrimaryHDU(), hdus[1], catalogue])
        nothing.writeto(tmp_path / "spec-11376-58430-0084.fits")
    assert read_spectrum(tmp_path / "header.fits").name == "spec-0266-51630-0158"
    named = read_spectrum(tmp_path / "spec-11376-58430-0084.fits")
    assert (named.plate, named.mjd, named.fiberid) == (11376, 58430, 84)


# Text


@pytest.mark.parametrize(
    ("text", "wavelength", "ivar"),
    [
        ("wave,flux,ivar\n5000,1,4\n5001,2,4\n", [5000, 5001], 4),
        ("5000 1 0.5\n5001 2 0.5\n", [5000, 5001], 4),
        ("# wave (nm)  flux (erg / s / cm2 / A)  err\n500 1 .5\n500.1 2 .5\n", [5000, 5001], 4),
        ("# by hand\n#\nlambda\tFLUX\tFlux_Err\n5000\t1\t0.5\n5001\t2\t0.5\n", [5000, 5001], 4),
        ("flux;variance;Wavelength [um]\n1;0.25;0.5\n2;0.25;0.5001\n", [5000, 5001], 4),
        ('\ufeff"loglam", "flux", "sigma"\n3.7,1,0.5\n3.8,2,0.5\n', [10**3.7, 10**3.8], 4),
        ("3.7 1 0.5\n3.8 2 0.5\n", [10**3.7, 10**3.8], 4),
        ("500 1 0.5\n500.1 2 0.5\n", [5000, 5001], 4),
        ("0.5 1 0.5\n0.5001 2 0.5\n", [5000, 5001], 4),
        (
            "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: wave, unit: nm, datatype: float64}\n"
            "# - {name: flux, datatype: float64}\n# - {name: ivar, datatype: float64}\n"
            "wave flux ivar\n1500 1 4\n1500.1 2 4\n",
            [15000, 15001],
            4,
        ),
    ],
)
def test_text_columns_and_units_are_found(tmp_path, text, wavelength, ivar):
    """Delimiters, headers, comments, units and kinds of errors as people write them."""
    path = tmp_path / "object.txt"
    path.write_text(text, encoding="utf-8")
    spectrum = read_spectrum(path)
    assert_allclose(spectrum.wavelength, wavelength)
    assert_array_equal(spectrum.flux, [1, 2])
    assert_allclose(spectrum.ivar, ivar)
    assert spectrum.name == "object"


def test_text_per_frequency_becomes_per_angstrom(tmp_path):
    """A constant F_ν falls as λ**-2, with its errors."""
    path = tmp_path / "object.txt"
    path.write_text("# wave flux(mJy) err\n4000 1 0.1\n8000 1 0.1\n")
    spectrum = read_spectrum(path)
    assert_allclose(spectrum.flux[0] / spectrum.flux[1], 4)
    assert_allclose(spectrum.flux * np.sqrt(spectrum.ivar), 10)


def test_text_without_errors_says_that_its_noise_is_estimated(tmp_path):
    """Gaps are NaN; ivar is that of the scatter; the redshift may stand in a comment."""
    rng = np.random.default_rng(3)
    path = tmp_path / "object.csv"
    flux = [f"{value:.4f}" for value in rng.normal(20, 2, 1000)]
    flux[500] = ""
    lines = [f"{5000 + i},{value}\n" for i, value in enumerate(flux)]
    path.write_text("# redshift = 0.31\nwavelength,flux\n" + "".join(lines))
    spectrum = read_spectrum(path)
    assert spectrum.redshift == 0.31
    assert "estimated" in spectrum.meta["noise"]
    assert spectrum.ivar[500] == 0
    assert_allclose(np.median(spectrum.ivar[spectrum.ivar > 0]) ** -0.5, 2, rtol=0.1)


def test_real_text_spectra_are_read(shared):
    """The DESI and quasar tables: all lines, vacuum Å, estimated noise where there is no error."""
    for path in [*(shared / "spectra/desi").glob("desi*"), *(shared / "spectra/text").glob("q*")]:
        spectrum = read_spectrum(path)
        assert spectrum.wavelength.size == len(path.read_text().splitlines()) - 1
        assert 3500 < spectrum.wavelength[0] < spectrum.wavelength[-1] < 10000
        assert ("noise" in spectrum.meta) == path.name.startswith("q")
        assert np.median(spectrum.flux[spectrum.ivar > 0] * np.sqrt(spectrum.ivar[spectrum.ivar > 0])) > 2


def test_the_users_redshift_goes_before_the_files(sdss_file, tmp_path):
    """What the user says holds; a difference of more than 0.001 is said, a smaller one is none."""
    text = tmp_path / "object.csv"
    text.write_text("5000,1\n5001,2\n")
    told = read_spectrum(sdss_file, redshift=0.7)
    assert told.redshift == 0.7
    assert told.meta["assumptions"] == ["redshift 0.7 as told, while the file says 0.1"]
    assert read_spectrum(sdss_file, redshift=0.1005).meta["assumptions"] == []
    assert read_spectrum(text, redshift=0.7).redshift == 0.7
    assert np.isnan(read_spectrum(text).redshift)


# specutils


@pytest.mark.parametrize("kind", [StdDevUncertainty, VarianceUncertainty])
def test_specutils_objects_keep_their_meaning(kind):
    """Frequencies become increasing Å; standard deviation and variance become ivar; masked pixels get 0."""
    specutils = pytest.importorskip("specutils")
    wavelength = np.array([4000.0, 5000, 6000])
    flux, sigma, mask = np.array([1.0, 2, 3]), np.array([0.5, 0.25, 0]), np.array([True, False, False])
    spectrum = specutils.Spectrum(
        spectral_axis=(wavelength * u.AA).to(u.THz, u.spectral()),
        flux=flux * FLUX_UNIT,
        uncertainty=kind(sigma if kind is StdDevUncertainty else sigma**2),
        mask=mask,
        redshift=0.2,
    )
    own = from_specutils(spectrum, redshift=0.9, name="object", label="type 2")
    assert_allclose(own.wavelength, wavelength)
    assert_array_equal(own.flux, flux)
    assert_array_equal(own.ivar, [0, 16, 0])
    assert_allclose(own.redshift, 0.9)
    assert_allclose(from_specutils(spectrum).redshift, 0.2)
    assert (own.name, own.label) == ("object", "type 2")


def test_specutils_air_wavelengths_become_vacuum():
    """[O III] in air, 5006.843 Å, comes to 5008.24 Å in vacuum, whether told or stated in the header."""
    specutils = pytest.importorskip("specutils")
    axis = [5006.843, 5007.843] * u.AA
    for meta, medium in (({}, "air"), ({"header": {"AIRORVAC": "air"}}, None)):
        own = from_specutils(
            specutils.Spectrum(spectral_axis=axis, flux=[1, 2] * u.mJy, meta=meta), medium=medium
        )
        assert_allclose(own.wavelength[0], LINES["OIII5007"].wavelength, atol=0.01)
        assert np.isnan(own.redshift)


def test_several_spectra_in_one_object_are_refused():
    """A stack is not a spectrum; the message says how to take one."""
    specutils = pytest.importorskip("specutils")
    stack = specutils.Spectrum(
        spectral_axis=[1, 2, 3] * u.um, flux=np.ones((2, 3)) * u.mJy, spectral_axis_index=1
    )
    with pytest.raises(SpectrumError, match=r"one spectrum; got shape \(2, 3\); take one"):
        from_specutils(stack)


def test_images_with_a_spectral_axis_need_no_specutils(spectrum, tmp_path, monkeypatch):
    """A FITS image with a spectral WCS is read whether specutils is installed or not."""
    monkeypatch.setitem(sys.modules, "specutils", None)
    header = fits.Header(
        {"CTYPE1": "WAVE", "CUNIT1": "Angstrom", "CRVAL1": 5000.0, "CRPIX1": 1.0, "CDELT1": 2.0}
    )
    header["BUNIT"] = "erg / (s cm2 AA)"
    path = tmp_path / "object.fits"
    fits.PrimaryHDU(spectrum.flux, header).writeto(path)
    own = read_spectrum(path)
    assert_allclose(own.wavelength, 5000 + 2 * np.arange(PIXELS))
    assert own.name == "object"


# Bad files


def test_truncated_files_say_how_much_is_missing(sdss_file, tmp_path):
    """Wherever a file is cut, it is refused; within data the number of missing bytes is exact."""
    content = sdss_file.read_bytes()
    for size in (100, 7000, len(content) // 2, len(content) - 3000, len(content) - 1):
        path = tmp_path / f"cut-{size}.fits"
        path.write_bytes(content[:size])
        assert_refused(path, "truncated", "bytes are missing")
    assert_refused(path, " 1 bytes are missing")
    with fits.open(sdss_file) as hdus:
        start = hdus[1].fileinfo()["datLoc"]
        end = start + hdus[1].fileinfo()["datSpan"]
    path.write_bytes(content[: start + 10])
    assert_refused(path, "truncated in HDU 1", f"{end - start - 10} bytes are missing")
    path.write_bytes(gzip.compress(content)[:-5000])
    assert_refused(path, "truncated")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG image"),
        (b"<html>404</html>", "a web page"),
        (b"\x93NUMPY\x01\0", "begins with \\x93NUMPY"),
        (b"SIMPLE  =                    T", "truncated"),
        (b"Dear reader,\nthis is no spectrum.\n", "must hold numbers"),
        (b"# nothing\n", "holds no numbers"),
        (b"wave,flux\n5000,1\n5001\n", "as many columns"),
        (b"wave,flux\n5000,1\n5001,two\n", "must hold numbers; got '5001,two' in line 3"),
        (b"time,flux\n1,2\n2,3\n", "no wavelength is found among time, flux"),
        (b"wave (furlong),flux\n1,2\n2,3\n", "the unit of wavelength must be known; got 'furlong'"),
        (b"1200 1\n1900 2\n", "must state the unit of wavelength"),
        (b"loglam,flux\n8.5,1\n8.6,2\n", "base 10"),
        (b"wave,flux\n5000,1\n5000,2\n", "the same length, at least 2; got 1"),
        (b"5000,nan\n5001,nan\n", "must have finite flux"),
        (b"# z = -1.5\n5000,1\n5001,2\n", "redshift must be greater than -1; got -1.5"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path, content, words):
    """Whatever is in it, the error names the file and the rule."""
    path = tmp_path / "object.fits"
    path.write_bytes(content)
    assert_refused(path, words)


def test_missing_files_and_folders_are_refused(tmp_path):
    """A path that is no readable file."""
    assert_refused(tmp_path, "cannot be read (Is a directory)")
    assert_refused(tmp_path / "nothing.fits", "cannot be read (No such file or directory)")


def test_sdss_files_without_their_catalogue_have_no_redshift(sdss_file, spectrum, tmp_path):
    """COADD alone is a spectrum without a redshift; without a coadd there is no spectrum."""
    path = tmp_path / "object.fits"
    with fits.open(sdss_file) as hdus:
        hdus[:2].writeto(path)
        alone = read_spectrum(path)
        assert np.isnan(alone.redshift)
        assert_array_equal(alone.flux, spectrum.flux.astype(np.float32))
        hdus[:1].writeto(path, overwrite=True)
        assert_refused(path, "holds no spectrum")
        for missing, word in (("flux", "no flux"), ("loglam", "no wavelength")):
            columns = [column for column in hdus[1].columns if column.name != missing]
            table = fits.BinTableHDU.from_columns(columns, name="COADD")
            fits.HDUList([hdus[0], table, hdus[2]]).writeto(path, overwrite=True)
            assert_refused(path, word, "loglam" if missing == "flux" else "flux", "columns=")


def test_damaged_bytes_never_escape_as_another_error(sdss_file, tmp_path):
    """A file with random damage in its headers gives a spectrum or a SpectrumError, never anything else."""
    rng = np.random.default_rng(7)
    content = np.frombuffer(sdss_file.read_bytes(), np.uint8)
    headers = np.flatnonzero(content > 32)
    path = tmp_path / "object.fits"
    for _ in range(300):
        damaged = content.copy()
        damaged[rng.choice(headers, 8)] = rng.integers(32, 127, 8)
        path.write_bytes(damaged.tobytes())
        try:
            read_spectrum(path)
        except SpectrumError as error:
            assert "\n" not in str(error)
