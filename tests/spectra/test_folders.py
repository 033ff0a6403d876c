"""What an index and a user say goes before what a file says, and what is not there is said in one line."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from agn_helpers.cli.app import main
from agn_helpers.errors import AgnError, SpectrumError
from agn_helpers.spectra import (
    ObservedSpectrum,
    inspect_file,
    parse_columns,
    read_index,
    read_spectra,
    read_spectrum,
)
from agn_helpers.spectra.medium import air_to_vacuum

from .test_formats import image, table_hdu, write

WAVE = 4300 + 2.0 * np.arange(100)
FLUX = 20 + np.random.default_rng(3).normal(0, 0.5, 100)


def write_text(path, header="wave,flux,err", comment="", *, factor=1.0):
    rows = [f"{w},{f * factor},0.5" for w, f in zip(WAVE, FLUX)]
    path.write_text("\n".join([*([comment] if comment else []), header, *rows]) + "\n")
    return path


@pytest.fixture
def folder(tmp_path):
    """Three spectra, one of which states its redshift."""
    for name in ("a.csv", "b.csv"):
        write_text(tmp_path / name)
    write_text(tmp_path / "c.csv", comment="# redshift = 0.31")
    return tmp_path


def spectra_of(folder, **options):
    items = list(read_spectra(folder, **options))
    return {item.name: item for item in items if isinstance(item, ObservedSpectrum)}, [
        item for item in items if not isinstance(item, ObservedSpectrum)
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize(
    "text",
    [
        "file,z,label,ra,dec\na.csv,0.21,Sy1,150.5,-2.25\nb.csv,-9999,,,\nc.csv,0.4,Sy2,,\n",
        "File;Redshift;Label;RA;Dec\na.csv;0,21;Sy1;150,5;-2,25\nb.csv;;;;\nc.csv;0,4;Sy2;;\n",
        "file\tz\tlabel\tra\tdec\na.csv\t0.21\tSy1\t150.5\t-2.25\nb.csv\t\t\t\t\nc.csv\t0.4\tSy2\t\t\n",
    ],
)
def test_index_as_a_spreadsheet_saves_it(folder, text, encoding):
    """Byte-order marks, semicolons and decimal commas, z for redshift, -9999 and blanks for unknown."""
    (folder / "index.csv").write_bytes(text.encode(encoding))
    spectra, rejected = spectra_of(folder)
    assert not rejected
    assert spectra["a"].redshift == 0.21 and spectra["a"].label == "type 1"
    assert (spectra["a"].meta["ra"], spectra["a"].meta["dec"]) == (150.5, -2.25)
    assert np.isnan(spectra["b"].redshift) and "ra" not in spectra["b"].meta
    assert spectra["c"].redshift == 0.4
    assert "redshift 0.4 as told, while the file says 0.31" in spectra["c"].meta["assumptions"]


def test_absent_files_are_one_line(folder):
    """Eighty rows without a file are one rejection, the others are read."""
    rows = "".join(f"absent-{i}.fits,0.1\n" for i in range(80))
    (folder / "index.csv").write_text("file,redshift\na.csv,0.2\n" + rows)
    spectra, rejected = spectra_of(folder)
    assert list(spectra) == ["a", "b", "c"]
    assert len(rejected) == 1
    assert "names 80 files that do not exist, such as absent-0.fits" in rejected[0].reason


def test_bad_rows_and_tables_are_one_line(folder):
    """An empty file name, an unknown medium, wrong columns; a column that is there twice."""
    (folder / "index.csv").write_text("file,medium,columns\n,,\na.csv,water,\nb.csv,,flx=FLUX\nc.csv,,\n")
    spectra, rejected = spectra_of(folder)
    assert list(spectra) == ["c"]
    reasons = " ".join(item.reason for item in rejected)
    assert all(word in reasons for word in ("water", "flx=FLUX"))
    (folder / "index.csv").write_text("file,redshift,File\na.csv,0.1,b.csv\n")
    with pytest.raises(SpectrumError, match="file is there twice"):
        read_index(folder)


def test_columns_and_medium_by_index_and_by_user(folder):
    """Two fluxes are a question; index, arguments and a bracket with the unit answer it."""
    header = "wave,spec,flam,err"
    rows = "\n".join(f"{w},{f},{3 * f},0.5" for w, f in zip(WAVE, FLUX))
    (folder / "a.csv").write_text(f"{header}\n{rows}\n")
    with pytest.raises(SpectrumError, match=r"flux may be spec and flam .* --columns flux=spec"):
        read_spectrum(folder / "a.csv")
    assert_allclose(read_spectrum(folder / "a.csv", columns={"flux": "flam"}).flux, 3 * FLUX)
    told = read_spectrum(folder / "a.csv", columns={"flux": "FLAM [mJy]"}, medium="air")
    assert_allclose(told.flux, 3 * FLUX * 1e-26 * 2.99792458e18 / WAVE**2 / 1e-17, rtol=1e-6)
    assert_allclose(told.wavelength, air_to_vacuum(WAVE))
    (folder / "index.csv").write_text('file,columns,medium\na.csv,"flux=spec,error=err",air\n')
    spectra, _ = spectra_of(folder, medium="vacuum")
    assert_allclose(spectra["a"].flux, FLUX)
    assert_allclose(spectra["a"].wavelength, air_to_vacuum(WAVE))
    assert_allclose(spectra["b"].wavelength, WAVE)
    for wrong, message in (
        ({"flux": "nothing"}, "no column 'nothing' for flux; it holds wave, spec"),
        ({"flx": "a"}, "columns must be of"),
    ):
        with pytest.raises(SpectrumError, match=message):
            read_spectrum(folder / "a.csv", columns=wrong)


def test_columns_on_the_command_line():
    """Roles and names apart by the equals sign; names may hold commas and units."""
    assert parse_columns("flux=F, error = E (1,2),ivar=I [1e34 s2]") == {
        "flux": "F",
        "error": "E (1,2)",
        "ivar": "I [1e34 s2]",
    }
    for text in ("flux", "flx=F", "flux="):
        with pytest.raises(AgnError, match="columns must be written as flux=NAME,error=NAME"):
            parse_columns(text)


def test_inspect_and_formats_print_tables(folder, capsys):
    """What is found, what it is taken for, what is assumed; and the reason where it cannot be read."""
    assert main(["inspect", str(folder / "c.csv"), "--medium", "air"]) == 0
    printed = capsys.readouterr().out
    for words in ("wavelength", "error", "0.31", "assumed: wavelengths converted from air to vacuum"):
        assert words in printed
    (folder / "bad.csv").write_text("wave,flux (counts)\n5000,1\n5001,2\n")
    assert main(["inspect", str(folder / "bad.csv")]) == 1
    captured = capsys.readouterr()
    assert "counts" in captured.out and "flux must be a flux density" in captured.err
    assert main(["inspect", str(folder / "bad.csv"), "--columns", "flux=flux [erg/s/cm2/A]"]) == 0
    assert main(["formats"]) == 0
    assert "LAMOST" in capsys.readouterr().out
    assert inspect_file(folder / "a.csv").columns["taken for"].tolist() == ["wavelength", "flux", "error"]


def test_what_is_not_used_is_not_said_to_be(tmp_path, capsys):
    """Another flux, the model, tables of objects and lines; the flux of an image without a name."""
    lines = table_hdu("LINES", NAME=np.array([b"Hb", b"Ha"]), EW=[1.0, 2.0])
    columns = {"wave": WAVE, "model": FLUX, "flux": FLUX, "flux_corr": 2 * FLUX, "loglam": np.log10(WAVE)}
    path = write(tmp_path / "o.fits", table_hdu("S", **columns), lines)
    found = inspect_file(path)
    assert list(found.columns["taken for"]) == ["wavelength", "-", "flux", "-", "-", "-"]
    assert list(found.columns["place"]) == ["1 S"] * 5 + ["2 LINES"]
    assert main(["inspect", str(path)]) == 0
    assert "unknown" in capsys.readouterr().out
    axis = {"CTYPE1": "LINEAR", "CUNIT1": "Angstrom", "CRVAL1": 4300.0, "CDELT1": 2.0}
    found = inspect_file(write(path, image(FLUX, primary=True, **axis), image(0 * FLUX + 0.5, "ERR")))
    assert list(found.columns["taken for"]) == ["flux", "error", "wavelength"]
    assert list(found.columns["place"]) == ["0 PRIMARY", "1 ERR", "0 PRIMARY"]
    # Where it cannot be read, what would be taken for what.
    found = inspect_file(write(path, table_hdu("S", wave=WAVE, flux1=FLUX, flux2=FLUX + 1)))
    assert "flux may be flux1 and flux2" in found.problem
    assert list(found.columns["taken for"]) == ["wavelength", "other flux", "other flux"]


@pytest.mark.parametrize(
    ("comment", "redshift"),
    [
        ("# redshift 0.2", 0.2), ("# z_spec = 0.2", 0.2), ("# z = 0.2", 0.2), ("# Redshift: 0.2 (NED)", 0.2),
        ("# spectroscopic redshift is 0.2", 0.2), ("# zspec=2d-1", 0.2), ("# redshift (z) = 0.2", 0.2),
        ("# r = 18.12, z = 17.60 (PSF magnitudes)", np.nan), ("# z = 17.6", np.nan),
        ("# z mag = 0.9", np.nan),
        ("# g=0.5 r=0.4 z=0.2", np.nan), ("# zenith distance z = 0.7", np.nan),
        ("# photometric redshift = 0.2", np.nan),
        ("# redshift error 0.001", np.nan), ("# redshift = -9999", np.nan), ("# z_phot = 0.2", np.nan),
        ("# redshift quality 4", np.nan), ("# redshift unknown", np.nan), ("# dz = 0.2", np.nan),
        ("# redshift 2021-03-04", np.nan),
    ],
)  # fmt: skip
def test_redshifts_in_comments(tmp_path, comment, redshift):
    """A statement of a redshift is one; a magnitude, an angle, an error, a quality or a date is none."""
    spectrum = read_spectrum(write_text(tmp_path / "o.csv", comment=comment))
    np.testing.assert_array_equal(spectrum.redshift, redshift)


@pytest.mark.parametrize(
    ("comment", "medium"),
    [
        ("# wavelengths in air", "air"), ("# wavelength scale: vacuum", "vacuum"),
        ("# wavelengths converted from air to vacuum", "vacuum"), ("# wavelength is not in vacuum", "air"),
        ("# airmass 1.2 at mid exposure", None), ("# observed in open air, wavelengths heliocentric", "air"),
        ("# medium: air", "air"), ("# vacuum", "vacuum"), ("# wavelengths (vacuum, not air)", "vacuum"),
        ("# air wavelengths", "air"),
    ],
)  # fmt: skip
def test_media_in_comments(tmp_path, comment, medium):
    """Air, vacuum, conversions and denials; airmass is none of them."""
    spectrum = read_spectrum(write_text(tmp_path / "o.csv", comment=comment))
    assert spectrum.meta["medium"] == (medium or "not stated, taken for vacuum")
    assert_allclose(spectrum.wavelength, air_to_vacuum(WAVE) if medium == "air" else WAVE)
    told = read_spectrum(tmp_path / "o.csv", medium="vacuum")
    assert_allclose(told.wavelength, WAVE)


def test_air_to_vacuum_is_that_of_the_catalogues():
    """[O III], Hβ and Hα as NIST gives them in air and in vacuum; below 2000 Å nothing changes."""
    in_air, in_vacuum = [5006.843, 4861.35, 6562.79], [5008.240, 4862.71, 6564.60]
    assert_allclose(air_to_vacuum(in_air), in_vacuum, atol=0.01)
    assert_allclose(air_to_vacuum([1500.0]), [1500.0])


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("wave,flux (erg/s/cm2),err", "flux must be a flux density"),
        ("wave,flux (counts),err", "flux must be a flux density"),
        ("wave,counts,err", "flux must be a flux density"),
        ("wave,mag,err", "magnitudes of an unstated system"),
        ("wave,flux (mJy),err (K)", "error must be in a unit that fits"),
        ("wave (km),flux,err", "100 Å and 100 µm"),
        ("wave (km/s),flux,err", "wavelength must be in Å, nm or µm"),
        ("rest_wave,flux,err", "gives it at rest, and no redshift"),
        ("wave,flux,flux_norm", None),
        ("wave,flux_norm,err", "no flux is found"),
        ("wave,flux,Flux", "flux may be flux and Flux"),
        ("wave,lambda,flux", "wavelength may be wave and lambda"),
        ("velocity,flux,err", "no wavelength is found"),
        ("wave,model,err", "no flux is found"),
    ],
)
def test_what_cannot_be_known_is_refused(tmp_path, header, message):
    """Each with the columns that were found or the unit that was given, and a way to say what is meant."""
    path = write_text(tmp_path / "o.csv", header)
    if message is None:
        assert "noise" in read_spectrum(path).meta
        return
    with pytest.raises(SpectrumError, match=message) as caught:
        read_spectrum(path)
    assert "\n" not in str(caught.value) and "again" not in str(caught.value)


def test_rest_wavelengths_need_a_redshift(tmp_path):
    """They are multiplied by 1 + z, of the file or of the user."""
    path = write_text(tmp_path / "o.csv", "rest_wave,flux,err", "# z = 0.5")
    assert_allclose(read_spectrum(path).wavelength, 1.5 * WAVE)
    assert_allclose(read_spectrum(path, redshift=0.2).wavelength, 1.2 * WAVE)


@pytest.mark.parametrize(
    ("comment", "good"),
    [("", 0), ("# mask: 1 = good, 0 = bad", 1), ("# mask (0 is good)", 0), ("# in mask 0 = bad", 1)],
)
def test_masks_by_custom_and_comment(tmp_path, comment, good):
    """0 is good unless a comment says otherwise; a mask that would leave out most is a question."""
    bad = np.arange(100) % 10 == 0
    flags = np.where(bad, 1 - good, good)
    path = tmp_path / "o.csv"
    rows = "\n".join(f"{w},{f},0.5,{m}" for w, f, m in zip(WAVE, FLUX, flags))
    path.write_text(f"{comment}\nwave,flux,err,mask\n{rows}\n")
    assert (read_spectrum(path).ivar == 0).tolist() == bad.tolist()
    path.write_text(f"wave,flux,err,mask\n{rows}\n")
    if good == 1:
        with pytest.raises(SpectrumError, match=r'would leave out 90%.*columns=\{"good": "mask"\}'):
            read_spectrum(path)
        assert (read_spectrum(path, columns={"good": "mask"}).ivar == 0).tolist() == bad.tolist()
