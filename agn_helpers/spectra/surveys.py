"""What surveys and pipelines do their own way: LAMOST, PypeIt, the AAT, MUSE, ESO, VIPERS."""

import re
import warnings

import numpy as np

from ..errors import SpectrumError
from .assemble import Layout
from .redshifts import redshift_in_header
from .roles import Column

# What specutils' SpectrumList reads best, by a card of the primary header: what it must hold, and the
# format's name.
_DATA_CENTRAL = (
    ("REFERENC", "ozdes", "OzDES"),
    ("REFCODE", "2018MNRAS.474.4151D", "WiggleZ"),
)

_IN_SURVEY = {"2QZ": "GAMA-2QZ", "2SLAQ-QSO": "GAMA-2SLAQ-QSO", "MGC": "GAMA-MGC"}

_IN_SURVEY |= {"WiggleZ": "GAMA-WiggleZ", "2dFGRS": "GAMA-2dFGRS"}


def read_survey(hdus, path):
    """Read files of surveys whose layout names nothing; None for all others.

    Returns
    -------
    list of Layout or None
    """
    header = hdus[0].header
    if str(header.get("IMAGE", "")).strip() in ("SKYCHART", "SPECTRUM"):
        return _read_2dfgrs(hdus)
    names = [name for key, word, name in _DATA_CENTRAL if word in str(header.get(key, ""))]
    if "GAMANAME" in header:
        names += [name for word, name in _IN_SURVEY.items() if word in str(header.get("SURVEY", ""))]
        names += ["GAMA"] if "GAMA" in str(header.get("ORIGIN", "")) else []
        names += ["GAMA-LT"] if "Liverpool JMU" in str(header.get("ORIGIN", "")) else []
    if any(
        hdu.header.get("DMODCLS") == "SpecObj"
        or "OPT_WAVE" in ((getattr(hdu, "columns", None) and hdu.columns.names) or ())
        for hdu in hdus[1:]
    ):
        return _read_pypeit_objects(hdus)
    return _read_data_central(hdus, names[0], path) if names else None


def _read_2dfgrs(hdus):
    """2dFGRS: an HDU a spectrum, its rows flux, variance and sky."""
    layouts = []
    for hdu in hdus:
        if str(hdu.header.get("IMAGE", "")).strip() == "SKYCHART" or hdu.data is None or hdu.data.ndim != 2:
            continue
        header, data = hdu.header, np.asarray(hdu.data)
        start, step, reference = (float(header[key]) for key in ("CRVAL1", "CDELT1", "CRPIX1"))
        wavelength = start + step * (np.arange(data.shape[1]) + 1 - reference)
        columns = [Column("wavelength", wavelength, "Angstrom"), Column("flux", data[0], "counts")]
        columns += [Column("variance", data[1])] if len(data) > 1 else []
        redshift, meta = redshift_in_header(header)
        number = len(layouts) + 1
        layouts.append(
            Layout(
                columns,
                "2dFGRS",
                name=str(number),
                redshift=redshift,
                usual_medium="air",
                counts=True,
                meta=meta,
            )
        )
    if len(layouts) == 1:
        layouts[0].name = ""
    return layouts


def _read_data_central(hdus, name, path):
    """Through specutils' loaders for Data Central; only what is reduced, the combined before the single."""
    try:
        from specutils import SpectrumList
    except ImportError as error:
        raise SpectrumError(
            f"{path} is of {name}, which needs specutils to be read: pip install .[formats]"
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            spectra = list(SpectrumList.read(hdus, format=name))
    except Exception as error:  # Its readers raise whatever they like.
        reason = str(error).strip().split("\n")[0]
        raise SpectrumError(
            f"{path} must be laid out as {name} does; specutils, reading it so, says: {reason}."
        ) from error
    purposes = [str(spectrum.meta.get("purpose", "reduced")) for spectrum in spectra]
    best = "combined" if "combined" in purposes else "reduced"
    from .specutils_io import layout_of_specutils

    layouts = []
    for spectrum, purpose in zip(spectra, purposes):
        if purpose == best:
            layout = layout_of_specutils(spectrum, format=name)
            layout.redshift, meta = redshift_in_header(hdus[0].header)
            layout.meta |= meta
            layout.counts, layout.usual_medium = True, None if name == "GAMA" else "air"
            layouts.append(layout)
    if len(layouts) > 1:
        for number, layout in enumerate(layouts, start=1):
            layout.name = str(number)
    return layouts


def _read_pypeit_objects(hdus):
    """PypeIt spec1d: a table an object; the optimal extraction, flux-calibrated, before the boxcar."""
    layouts = []
    for hdu in hdus[1:]:
        names = getattr(getattr(hdu, "columns", None), "names", ())
        for kind in ("OPT", "BOX"):
            if {f"{kind}_WAVE", f"{kind}_FLAM"} <= set(names) or {f"{kind}_WAVE", f"{kind}_COUNTS"} <= set(
                names
            ):
                break
        else:
            continue
        flux = "FLAM" if f"{kind}_FLAM" in names else "COUNTS"
        unit = "1e-17 erg/s/cm2/A" if flux == "FLAM" else "counts"
        columns = [Column("wavelength", hdu.data[f"{kind}_WAVE"], "Angstrom")]
        columns.append(Column("flux", hdu.data[f"{kind}_{flux}"], unit))
        for name, role in ((f"{kind}_{flux}_IVAR", "ivar"), (f"{kind}_MASK", "good")):
            if name in names:
                columns.append(Column(role, hdu.data[name]))
        layouts.append(
            Layout(columns, "PypeIt spec1d", name=hdu.name, usual_medium="vacuum", mask_known=True)
        )
    if len(layouts) == 1:
        layouts[0].name = ""
    return layouts


def adapt_to_survey(layout, hdus):
    """Set the conventions of the survey or pipeline that a file's headers name: medium, mask, counts."""
    headers = [hdu.header for hdu in hdus[:3]]
    stated = {key: " ".join(str(h.get(key, "")) for h in headers) for key in
              ("TELESCOP", "INSTRUME", "DMODCLS", "PYP_SPEC", "CTYPE1", "ORIGIN", "AUTHOR", "PRODCATG",
              "SURVEY")}  # fmt: skip
    names = {hdu.name.upper() for hdu in hdus}
    if "LAMOST" in stated["TELESCOP"].upper():
        layout.format, layout.usual_medium, layout.mask_known = "LAMOST", "vacuum", True
        for column in layout.columns:
            word = column.name.lower()
            if word in ("flux", "inverse", "invvar", "ivar"):
                column.unit = ""
            if word.startswith("wave"):
                column.unit = column.unit or "Angstrom"
            # 0 is good, and few of the bits make a pixel unusable: ivar says which.
            if word in ("andmask", "ormask", "and_mask", "or_mask"):
                column.name = "or_mask" if word.startswith("or") else "and_mask"
        layout.columns = [c for c in layout.columns if "_mask" not in c.name]
    elif "OneSpec" in stated["DMODCLS"] or stated["PYP_SPEC"].strip():
        layout.format, layout.usual_medium = "PypeIt", "vacuum"
        layout.good_is_1 = layout.mask_known = True
        for column in layout.columns:
            if column.name.lower() == "wave_grid_mid":
                column.name = "grid"
    elif "AAOMEGA" in stated["INSTRUME"].upper() or (
        "VARIANCE" in names and stated["CTYPE1"].split()[:1] == ["Wavelength"]
    ):
        layout.format, layout.usual_medium, layout.counts = "2dfdr", "air", True
    elif "MUSE" in stated["INSTRUME"].upper() or {"DATA", "STAT"} <= names:
        layout.format = "MPDAF"
        if "MUSE" in stated["INSTRUME"].upper():
            layout.usual_medium = "vacuum" if stated["CTYPE1"].split()[:1] == ["WAVE"] else "air"
        for column in layout.columns:
            if re.fullmatch(r"stat", column.name, re.IGNORECASE) and not column.unit:
                column.unit = ""
    elif "SCIENCE.SPECTRUM" in stated["PRODCATG"]:
        layout.format, layout.mask_known = "ESO Phase 3", True
        axis = next((c for c in layout.columns if c.ucd.lower().startswith("em.wl")), None)
        layout.usual_medium = None if axis is None else "air" if "obs.atmos" in axis.ucd.lower() else "vacuum"
    elif "VIPERS" in (stated["SURVEY"] + stated["ORIGIN"]).upper() or any(
        c.name.upper() == "WAVES" for c in layout.columns
    ):
        layout.format, layout.usual_medium = "VIPERS", "air"
        for column in layout.columns:
            if column.name.upper() == "EDIT":
                column.name = "edited"
