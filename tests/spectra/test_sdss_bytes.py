"""Headers parsed once, wavelengths out of a table, and files written by bytes: the same as the long way."""

import numpy as np
import pytest
from astropy.io import fits

from agn_helpers import limits
from agn_helpers.errors import AgnError
from agn_helpers.limits import check_fits
from agn_helpers.spectra import read_spectrum, sdss, write_spec_lite
from agn_helpers.survey import simulate_survey


@pytest.fixture(scope="module")
def spectra():
    return simulate_survey(n_type1=4, n_intermediate=2, n_type2=4, population="general", random_state=5)[0]


def write_by_astropy(spectrum, path):
    """What `write_spec_lite` writes, left to astropy."""
    flux, ivar = spectrum.flux.astype(np.float32), spectrum.ivar.astype(np.float32)
    mask, unknown, meta = np.where(ivar > 0, 0, 1 << 24), np.zeros_like(flux), spectrum.meta
    primary = fits.PrimaryHDU()
    primary.header.update(
        TELESCOP=("SDSS 2.5-M", "names the layout of this file"),
        VERS2D=("v5", "names the layout of this file"),
        PLATEID=spectrum.plate,
        MJD=spectrum.mjd,
        FIBERID=spectrum.fiberid,
        BUNIT=meta.get("flux_unit", sdss.SDSS_FLUX_UNIT),
        VACUUM=(True, "wavelengths are in vacuum"),
        **({"SURVEY": meta["survey"]} if "survey" in meta else {}),
    )
    ids = {"PLATE": spectrum.plate, "MJD": spectrum.mjd, "FIBERID": spectrum.fiberid}
    pixels = {"flux": flux, "loglam": np.log10(spectrum.wavelength), "ivar": ivar, "and_mask": mask}
    pixels |= {"or_mask": mask, "wdisp": unknown, "sky": unknown, "model": unknown}
    row = {"SURVEY": ("16A", "survey"), "CLASS": ("6A", "class"), "SUBCLASS": ("21A", "subclass")}
    tables = {
        "COADD": [fits.Column(n, "J" if "mask" in n else "E", array=v) for n, v in pixels.items()],
        "SPECOBJ" if spectrum.plate < 3510 else "SPALL": [
            *(fits.Column(name, kind, array=[meta.get(key, "")]) for name, (kind, key) in row.items()),
            fits.Column("Z", "E", array=[spectrum.redshift]),
            fits.Column("ZWARNING", "J", array=[meta.get("zwarning", 0)]),
            *(fits.Column(key, "J", array=[value]) for key, value in ids.items()),
        ],
        "SPZLINE": [
            *(fits.Column(key, "J") for key in ids),
            fits.Column("LINENAME", "13A"),
            fits.Column("LINEZ", "E"),
        ],
    }
    hdus = [fits.BinTableHDU.from_columns(columns, name=name) for name, columns in tables.items()]
    fits.HDUList([primary, *hdus]).writeto(path)


def test_files_are_those_of_astropy_byte_for_byte(spectra, tmp_path):
    spectra[0].meta |= {"class": "QSO", "subclass": "BROADLINE, and more than fits", "zwarning": 4}
    spectra[1].meta["survey"] = "of a name that is longer than a field of sixteen letters"
    spectra[2].plate, spectra[2].mjd = 266, 51630
    del spectra[3].meta["survey"]
    for number, spectrum in enumerate(spectra):
        write_spec_lite(spectrum, tmp_path / "ours.fits")
        write_by_astropy(spectrum, tmp_path / f"{number}.fits")
        assert (tmp_path / "ours.fits").read_bytes() == (tmp_path / f"{number}.fits").read_bytes()
    with fits.open(tmp_path / "ours.fits") as hdus:
        hdus.verify("exception")
        np.testing.assert_array_equal(hdus["COADD"].data["ivar"], spectra[-1].ivar.astype(np.float32))


def test_text_that_fits_does_not_know_is_escaped(spectra, tmp_path):
    spectra[4].meta["class"] = "é"
    write_spec_lite(spectra[4], tmp_path / "spec.fits")
    assert read_spectrum(tmp_path / "spec.fits").meta["class"] == "\\xe9"


def test_wavelengths_out_of_the_table_are_those_of_the_power(spectra):
    for start in (3.41, 3.5797, 3.58123, 3.7):
        loglam = (start + 1e-4 * np.arange(3900)).astype(">f4")
        np.testing.assert_array_equal(sdss._raise_ten(loglam), 10 ** loglam.astype(float))
    # Off the grid by a bit, off its ends, empty, of doubles.
    loglam = (3.58 + 1e-4 * np.arange(50)).astype(">f4")
    loglam[7] = np.nextafter(loglam[7], np.float32(9))
    for other in (
        loglam,
        loglam + np.float32(0.6),
        loglam[:0],
        loglam.astype(">f8"),
        loglam - np.float32(0.5),
    ):
        np.testing.assert_array_equal(sdss._raise_ten(other), 10 ** other.astype(float))


def test_most_files_take_the_table(spectra, monkeypatch):
    exponents, wavelengths = sdss._sdss_grid()
    monkeypatch.setattr(sdss, "_sdss_grid", lambda: (exponents, np.zeros_like(wavelengths)))
    loglam = np.log10(spectra[5].wavelength).astype(">f4")
    assert not sdss._raise_ten(loglam).any()


def test_a_header_seen_before_does_not_excuse_a_file(spectra, tmp_path):
    """What is known of a header is no promise of the file behind it."""
    write_spec_lite(spectra[6], tmp_path / "good.fits")
    content = (tmp_path / "good.fits").read_bytes()
    limits._sound_headers.clear()
    check_fits(content, "good.fits")
    assert len(limits._sound_headers) == 3
    for cut in (100_000, 60_000, 20_000):
        answers = []
        for known in (True, False):
            if not known:
                limits._sound_headers.clear()
            with pytest.raises(AgnError, match="truncated") as caught:
                check_fits(content[:cut], "cut.fits")
            answers.append(str(caught.value))
            check_fits(content, "good.fits")
        assert answers[0] == answers[1]
    before = read_spectrum(tmp_path / "good.fits")
    for clear in (sdss._parse_cards.cache_clear, sdss._lay_out.cache_clear):
        clear()
    np.testing.assert_array_equal(read_spectrum(tmp_path / "good.fits").flux, before.flux)


def test_headers_that_are_kept_are_few(spectra, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "_MOST_HEADERS", 4)
    for number, spectrum in enumerate(spectra[6:]):
        spectrum.flux, spectrum.ivar = spectrum.flux[number:], spectrum.ivar[number:]
        spectrum.wavelength = spectrum.wavelength[number:]
        write_spec_lite(spectrum, tmp_path / "spec.fits")
        check_fits((tmp_path / "spec.fits").read_bytes(), "spec.fits")
        assert len(limits._sound_headers) <= 4
