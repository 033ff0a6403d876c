"""Small sound files of every kind that is read, from which fuzzing starts; all of them made here."""

import bz2
import gzip
import io
import json
import lzma
from functools import cache

import numpy as np
from astropy.io import fits
from astropy.table import Table

from agn_helpers.archive.cache import _COLUMNS
from agn_helpers.files import _prepare_fits

WAVE = np.geomspace(3700, 5300, 80)
FLUX = 2 + np.sin(WAVE / 100) + 5 * np.exp(-0.5 * ((WAVE - 5008) / 8) ** 2)
ERROR = np.full(80, 0.1)


def _lines(*columns, form="{:.2f}", mark=",", head=""):
    rows = [mark.join(form.format(value) for value in row) for row in zip(*columns)]
    return (head + "\n".join(rows) + "\n").encode()


def _fits(*hdus):
    content = io.BytesIO()
    primary = () if isinstance(hdus[0], fits.PrimaryHDU) else (fits.PrimaryHDU(),)
    fits.HDUList([*primary, *hdus]).writeto(content)
    return content.getvalue()


def _table_hdu(name="", **columns):
    return fits.BinTableHDU(Table(columns), name=name)


def _written(form, *, units=True, **columns):
    table = Table(columns or {"wavelength": WAVE, "flux": FLUX, "error": ERROR})
    if units:
        table["wavelength"].unit = "Angstrom"
    content = io.StringIO() if form.startswith("ascii") else io.BytesIO()
    table.write(content, format=form)
    text = content.getvalue()
    return text.encode() if isinstance(text, str) else text


def _image(values, **cards):
    hdu = fits.PrimaryHDU(np.asarray(values, np.float32))
    hdu.header.update(cards)
    return _fits(hdu)


def make_text():
    """Text files of spectra."""
    return [
        _lines(WAVE, FLUX, ERROR, head="# redshift = 0.01\nwavelength,flux,error\n"),
        _lines(WAVE, FLUX, mark=" ", head="# wavelength in nm (air)\n# flux unit: 1e-17 erg/s/cm2/A\n"),
        _lines(WAVE, FLUX, 100 + 0 * WAVE, mark=";", head="lambda [Angstrom];F_lambda [erg/s/cm2/A];ivar\n"),
        _lines(WAVE, FLUX, mark="\t", head="wave (AA)\tflux (mJy)\n"),
        _lines(WAVE, FLUX, ERROR, mark="|", head="|wave|flux|error|\n|double|double|double|\n|A|Jy|Jy|\n"),
        ("\ufeff" + _lines(WAVE, FLUX, ERROR).decode()).encode("utf-16"),
    ]


def make_tables():
    """Tables of spectra with metadata of their own."""
    return [_written("ascii.ecsv"), _written("ascii.mrt"), _votable(wavelength=WAVE, flux=FLUX, error=ERROR)]


def _votable(**columns):
    # By hand: astropy's writer may corrupt memory.
    unit = {"wavelength": ' unit="Angstrom"'}
    fields = "".join(f'<FIELD name="{name}" datatype="double"{unit.get(name, "")}/>' for name in columns)
    rows = "".join(
        "<TR>" + "".join(f"<TD>{value:.6g}</TD>" for value in row) + "</TR>" for row in zip(*columns.values())
    )
    return (
        '<?xml version="1.0"?><VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        f"<RESOURCE><TABLE>{fields}<DATA><TABLEDATA>{rows}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
    ).encode()


def make_fits():
    """FITS files of several layouts."""
    coadd = {"flux": FLUX.astype("f4"), "loglam": np.log10(WAVE).astype("f4"), "ivar": np.full(80, 100, "f4")}
    coadd["and_mask"] = np.zeros(80, "i4")
    row = {"Z": [0.01], "PLATE": [266], "MJD": [51630], "FIBERID": [1], "ZWARNING": [0], "CLASS": ["QSO"]}
    arrays = {"WAVE": [WAVE], "FLUX": [FLUX], "ERR": [ERROR], "QUAL": [np.zeros(80, "i4")]}
    axis = {"CRVAL1": 3700.0, "CDELT1": 20.0, "CRPIX1": 1.0, "CTYPE1": "WAVE", "CUNIT1": "Angstrom"}
    iraf = {"WAT0_001": "system=multispec", "WAT1_001": "wtype=multispec label=Wavelength units=angstroms"}
    iraf["WAT2_001"] = 'wtype=multispec spec1 = "1 1 0 3700. 20. 80 0. 1. 1."'
    return [
        _fits(_table_hdu("COADD", **coadd), _table_hdu("SPECOBJ", **row)),
        _fits(_table_hdu("SPECTRUM", **arrays)),
        _fits(_table_hdu("", wavelength=WAVE, flux=FLUX, ivar=1 / ERROR**2)),
        _image(FLUX, **axis, BUNIT="erg/s/cm2/Angstrom"),
        _image([FLUX, ERROR, 0 * FLUX], **axis, **iraf),
        _image([FLUX, FLUX, ERROR, 0 * FLUX], COEFF0=3.568, COEFF1=0.002, PLATEID=266, TELESCOP="SDSS"),
        _fits(
            fits.PrimaryHDU(), fits.ImageHDU(FLUX, name="FLUX"), fits.ImageHDU(ERROR, name="ERRS"),
            fits.ImageHDU(WAVE, name="WAVELENGTH"),
        ),
        _fits(
            fits.BinTableHDU(Table({"TARGETID": [11], "OBJTYPE": ["TGT"]}), name="FIBERMAP"),
            *(
                fits.ImageHDU(values, name=f"{arm}_{name}")
                for arm in "BRZ"
                for name, values in (("WAVELENGTH", WAVE), ("FLUX", FLUX[None]), ("IVAR", FLUX[None]))
            ),
        ),
    ]  # fmt: skip


def make_packed():
    """Compressed files."""
    text, image = make_text()[0], make_fits()[2]
    return [gzip.compress(text), bz2.compress(text), lzma.compress(text), gzip.compress(image)]


def make_parquet():
    """Parquet files: pixels in rows, spectra in rows."""
    import pandas

    arrays = {"flux": list(np.tile(FLUX, (2, 1))), "wavelength": list(np.tile(WAVE, (2, 1)))}
    contents = []
    for columns in ({"wavelength": WAVE, "flux": FLUX, "ivar": FLUX}, arrays):
        content = io.BytesIO()
        pandas.DataFrame(columns).to_parquet(content)
        contents.append(content.getvalue())
    return contents


def make_hdf5():
    """HDF5 files."""
    import h5py

    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for name, values in (("wavelength", WAVE), ("flux", FLUX), ("ivar", FLUX)):
            file[name] = values
        file.attrs["redshift"] = 0.01
    return [content.getvalue()]


def make_index():
    """Tables that say which file is what."""
    return [
        b"file,redshift,label,columns,medium\na.csv,0.01,type 1,flux=f2,air\nb.csv,,2,,\n../c.csv,nan,,,\n",
        "\ufefffile;z\na.csv;0,01\nb.csv;0,5\n".encode(),
        b"file,label\n" + b"s.csv,type 2\n" * 3,
    ]


def make_lists():
    """Lists of objects."""
    rows = b"266,51630,158,0.1,type 1\n267,51608,1,0.2,1.9\n"
    return [
        b"plate,mjd,fiberid,z,label\n" + rows,
        b"ra,dec\n12:30:09,+45:00:00\n187.5,45.0\n",
        b"# plate mjd fiber\n266 51630 158\n267 51608 1\n",
        b"name,run2d\nspec-0266-51630-0158,26\nDESI-DR1-39627835576420141,v5_13_2\n",
        _votable(ra=[10.0, 20.0], dec=[1.0, 2.0]),
        _fits(_table_hdu("", PLATE=[266, 267], MJD=[51630, 51608], FIBERID=[158, 1])),
    ]


def make_cache_tables():
    """What stands beside fetched spectra."""
    head = ",".join(_COLUMNS)
    row = "0266/spec-0266-51630-0158.fits,0.1,type 1,spec-0266-51630-0158,266,51630,158,26,10.0,1.0,list,,"
    return [f"{head}\n{row}\n{row}\n".encode()]


def make_manifests():
    """Manifests of caches."""
    entry = {"name": "spec-0266-51630-0158", "outcome": "verified", "file": "0266/spec-0266-51630-0158.fits"}
    entry |= {
        "size": 3,
        "sha256": "ab",
        "url": "http://127.0.0.1/",
        "release": 17,
        "time": "",
        "reason": "none",
    }
    return [(json.dumps(entry) + "\n").encode() * 3]


def _sample():
    flux, n_grid = np.tile(FLUX, (6, 1)).astype("f4"), len(FLUX)
    table = Table(
        {
            "name": [f"s{i}" for i in range(6)], "plate": np.arange(6), "mjd": np.arange(6),
            "fiberid": np.arange(6), "redshift": np.full(6, 0.1), "label": ["type 1"] * 6,
            "snr": np.full(6, 9.0), "unobserved": np.zeros(6), "ivar": flux + 1,
            "flux": flux + np.arange(6)[:, None],
        }
    )  # fmt: skip
    table.meta = {"survey": "synthetic", "grid_min": 3728.91, "grid_max": 5265.95, "grid_n": n_grid}
    return table


def make_samples():
    """Reduced samples."""
    content = io.BytesIO()
    _prepare_fits(_sample()).write(content, format="fits")
    return [content.getvalue()]


def make_maps():
    """Maps of spectra."""
    table = _sample()["name", "flux"]
    table["x"], table["y"] = np.arange(6.0), np.arange(6.0)
    table.meta = {
        "map_version": 2,
        "perplexity": 3.0,
        "standardise": True,
        "random_state": 0,
        "n_components": 0,
    }
    content = io.BytesIO()
    _prepare_fits(table).write(content, format="fits")
    return [content.getvalue()]


def make_splits():
    """Tables of a run."""
    return [
        _written("ascii.ecsv", units=False, name=["a", "b"], label=["type 1", "type 2"], part=["test", "x"])
    ]


@cache
def make_model(kernel="linear"):
    """A model file of 40 wavelengths, with all of its extras."""
    import tempfile
    from pathlib import Path

    from agn_helpers.classifier import (
        NoveltyDetector,
        ProbabilisticSVC,
        SpectrumCompleter,
        TrainedModel,
        calibrate_sets,
        save_model,
    )

    rng = np.random.default_rng(0)
    grid, y = np.linspace(3728.91, 5265.95, 40), np.repeat(["intermediate", "type 1", "type 2"], 12)
    X = rng.normal(1, 0.1, (36, 40)) + np.arange(36)[:, None] // 12 * np.linspace(0, 1, 40)
    ivar, estimator = np.full(X.shape, 100.0), ProbabilisticSVC(kernel=kernel, random_state=0).fit(X, y)
    extras = {
        "completion": SpectrumCompleter(3).fit(X, ivar),
        "novelty": NoveltyDetector(n_components=3, random_state=0).fit(X, ivar, grid=grid),
        "prediction_sets": calibrate_sets(estimator, X, y),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.skops")
        save_model(TrainedModel(estimator, grid, {"survey": "synthetic"}, extras), path)
        return path.read_bytes()


def make_models():
    """Model files."""
    return [make_model()]


def make_words():
    """Units, names of columns and redshifts as people write them."""
    return [
        b"1E-17 erg/cm^2/s/Ang", b"10**(-17) erg s-1 cm-2 A-1", b"log(Angstrom)", b"F_lambda [erg/s/cm2/A]",
        b"flux=FLUX_REDUCED,error=e [Jy]", b"# redshift: 0.31 +/- 0.01", b"wavelength in nm, air",
    ]  # fmt: skip
