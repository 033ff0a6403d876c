"""Spectra in the layouts of other people, with their right values; the files are not part of the project."""

import csv

import numpy as np
import pytest
from numpy.testing import assert_allclose

from agn_helpers.errors import SpectrumError
from agn_helpers.spectra import read_index, read_spectra, read_spectrum

# Of DESI's arms, which the table describes before they are merged.
_BEFORE_MERGING = "coadd-one.fits"


def test_every_case_is_read_right(shared):
    """Redshift, ends, median flux and ivar of each; or refused where that is right."""
    folder = shared / "cases/reading"
    if not folder.is_dir():
        pytest.skip(f"there is no folder {folder}")
    with open(folder / "cases.csv") as table:
        rows = [row for row in csv.DictReader(table) if not row["file"].startswith("index")]
    assert len(rows) > 40
    for row in rows:
        path = folder / row["file"]
        if "clear refusal" in row["what"]:
            with pytest.raises(SpectrumError, match="HDF5"):
                read_spectrum(path)
            continue
        try:
            spectrum = read_spectrum(path)
        except SpectrumError as error:
            assert "refuse" in row["what"], error
            continue
        used = spectrum.ivar > 0
        found = {
            "redshift": spectrum.redshift,
            "first_wavelength": spectrum.wavelength[used][0],
            "last_wavelength": spectrum.wavelength[used][-1],
            "median_flux": np.median(spectrum.flux[used]),
            "median_ivar": np.median(spectrum.ivar[used]),
        }
        for key, value in found.items():
            if key == "redshift" and not row[key]:
                assert np.isnan(value) or row["file"] == "sdss_hbeta_missing.fits", row["file"]
            if row[key] and not (row["file"] == _BEFORE_MERGING and key.startswith("median")):
                # 2dF's, where the header states no medium, are in air.
                tolerance = 4e-4 if "wavelength" in key else 2e-3
                assert_allclose(value, float(row[key]), rtol=tolerance, err_msg=f"{row['file']} {key}")
        assert isinstance(spectrum.meta["assumptions"], list)


def test_cases_of_an_index(shared, tmp_path):
    """As a spreadsheet saves it, with a byte-order mark; and with z for redshift."""
    folder = shared / "cases/reading"
    if not folder.is_dir():
        pytest.skip(f"there is no folder {folder}")
    (tmp_path / "air_comment.txt").write_bytes((folder / "air_comment.txt").read_bytes())
    for name in ("index_bom.csv", "index_z.csv"):
        (tmp_path / "index.csv").write_bytes((folder / name).read_bytes())
        assert list(read_index(tmp_path)["redshift"]) == [0.2]
        assert [item.redshift for item in read_spectra(tmp_path)] == [0.2]


@pytest.fixture
def real(shared):
    """Real public files."""
    folder = shared / "cases/real"
    if not folder.is_dir():
        pytest.skip(f"there is no folder {folder}")
    return folder


def medians(spectrum):
    used = spectrum.ivar > 0
    return np.median(spectrum.flux[used]), np.median(spectrum.ivar[used])


def test_real_lamost(real):
    """Rows of the image by their names, not those of spSpec."""
    spectrum = read_spectrum(real / "spec-55877-B7708_sp06-154.fits")
    assert_allclose(spectrum.redshift, 9.173e-05)
    assert_allclose(spectrum.wavelength[[0, -1]], [3699.986, 9099.135], rtol=1e-6)
    assert_allclose(medians(spectrum), (246.56, 0.0012016), rtol=1e-4)
    assert spectrum.meta["class"] == "STAR" and spectrum.meta["medium"] == "vacuum"


def test_real_desi(real):
    """Arms merged, target and redshift found in the file and beside it."""
    spectrum = read_spectrum(real / "coadd-special-dark-27247.fits")
    assert spectrum.name == "desi-39089837499744649"
    assert_allclose(spectrum.redshift, 0.00726967, rtol=1e-6)
    assert_allclose(spectrum.wavelength[[0, -1]], [3600, 9824])
    # Outside of the overlaps each arm is itself.
    for low, high, flux, ivar in ((3600, 5760, 0.0743, 56.6), (7620, 9824, 0.0398, 366.7)):
        arm = (spectrum.wavelength >= low) & (spectrum.wavelength < high)
        assert_allclose(np.median(spectrum.flux[arm]), flux, rtol=0.1)
        assert_allclose(np.median(spectrum.ivar[arm]), ivar, rtol=0.1)
    with pytest.raises(SpectrumError, match="holds no spectrum"):
        read_spectrum(real / "redrock-special-dark-27247.fits")


def test_real_eso_and_iraf(real):
    """A row of arrays per nm; log-linear pixels with A for Å; images by name."""
    xshooter = read_spectrum(real / "XShooter_XQ100.fits.gz")
    assert_allclose(xshooter.wavelength[[0, -1]], [9817.5134, 18234.998], rtol=1e-7)
    assert_allclose(medians(xshooter), (1.6548e-16, 7.2909e-18**-2), rtol=2e-3)
    assert xshooter.meta["medium"] == "vacuum"
    iraf = read_spectrum(real / "PH957_f.fits")
    assert_allclose(iraf.wavelength[[0, -1]], [3811.511, 10931.566], rtol=1e-6)
    assert_allclose(np.median(iraf.flux), 0.98505, rtol=1e-4)
    images = read_spectrum(real / "specexample1.fits")
    assert_allclose(images.wavelength[[0, -1]], [1721.1311, 1749.9060], rtol=1e-7)
    assert_allclose(medians(images), (5.65647e-16, 1.50349e-16**-2), rtol=1e-4)


def test_real_2dfdr_and_mpdaf(real):
    """2dfdr counts air wavelengths from a reference pixel; MPDAF's variance is STAT."""
    aaomega = read_spectrum(real / "quasarLinearSkyAirNoHelio.fits")
    in_air = 6294.4355 + 1.0377364 * (np.arange(4938) + 1 - 2469)
    assert_allclose(aaomega.wavelength / in_air - 1, 2.77e-4, atol=1e-5)
    assert_allclose(medians(aaomega), (70.431, 1 / 212.726), rtol=1e-3)
    mpdaf = read_spectrum(real / "Spectrum_lines.fits")
    assert_allclose(mpdaf.wavelength[[0, -1]], [6550, 6550 + 2047 * 1.25549590587616])
    assert_allclose(medians(mpdaf), (9.5044, 1 / 7.0557), rtol=1e-3)
    image = read_spectrum(real / "Spectrum_Variance.fits")
    assert_allclose(image.wavelength[[0, 1]], [4602.6040, 4602.6040 + 0.63044822], rtol=1e-8)
    assert any("HDU 1" in note for note in image.meta["assumptions"])


def test_real_arrays_without_wavelengths_are_refused(real):
    """A bare array is no spectrum, whatever its pixels are called."""
    with pytest.raises(SpectrumError, match="must have wavelengths"):
        read_spectrum(real / "SDSSJ220248.31+123656.3_c.fits")


def test_real_epochs_of_one_quasar(real):
    """Three SDSS files of one object, with its redshift."""
    for path in sorted(real.glob("spec-73*.fits.gz")):
        assert_allclose(read_spectrum(path).redshift, 0.456, atol=1e-3)
