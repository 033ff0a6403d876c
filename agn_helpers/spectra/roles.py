"""What a column or an image of a file is: wavelength, flux, error …, by its name, unit and UCD."""

import re
from dataclasses import dataclass, field

import numpy as np

from ..errors import SpectrumError
from .units import axis_of_unit, kind_of_unit

#: What can be said with ``columns={role: name}``.
ROLES = ("wavelength", "flux", "error", "variance", "ivar", "mask", "good", "sky", "model", "continuum")

_AXIS = (
    r"wavelengths?|waves?|wavel|wav|wlen|wl|wvl|lambdas?|lam|lbda|awav|spectralaxis|spectralcoord|dispersion"
)

_FLUX = (
    r"fluxes|fluxdensity|fluxdens|fluxlambda|fluxlam|fluxnu|flux|flambda|flam|fnu|fl|spectrum|spectra|spec"
    r"|science|sci|data(?:array)?|intensity|relativeflux|relflux"
)

_ERROR = (
    r"staterrors?|staterr|errors?|errs|err|er|sigma|sig|stddev|stdev|std|uncertainty|uncertainties|uncert|unc"
    r"|noise|rms|onesigma|1sigma"
)

_MASK = r"masks?|masked|qual|quality|dq|dqflags?|flags?|badpix(?:els?)?|bpm|isbad"

_UNIT = r"(?P<unit>a|aa|ang|angstroms?|nm|um|microns?|hz|ghz|thz|ev|kev|jy|mjy|ujy)?"

_ENERGY = (
    r"lambda(?:flambda|flam|flux)|lam(?:flambda|flam|flux)|lf(?:lam|lambda)|nuf?nu|nufnu|nuflux|energyflux"
)

# The first that fits the whole word holds; a word is a name in lower case without marks and bracketed unit.
_WORDS = {
    "rest": rf"(?:(?:rest|rf|restframe|emitted)(?:{_AXIS})|(?:{_AXIS})(?:rest|rf|restframe)){_UNIT}",
    "loglam": rf"log(?:10)?(?:vac|air|obs)?(?:{_AXIS})(?:vac|vacuum|air|obs)?{_UNIT}",
    "lnlam": rf"ln(?:{_AXIS})",
    "wavelength": rf"(?:obs|observed|vac|vacuum|air|opt|helio|bary)?(?:{_AXIS})"
    rf"(?:obs|observed|(?:in)?(?:vac|vacuum|air)|helio|bary)?{_UNIT}",
    "frequency": rf"freq(?:uency)?(?:obs)?{_UNIT}|nu",
    "energy": rf"energy{_UNIT}|photonenergy",
    "wavenumber": r"wavenum(?:ber)?s?|kayser",
    "ivar": rf"(?:{_FLUX}|err)?(?:ivar|invvar|inversevariance|inversevar|inverse)(?:{_FLUX})?",
    "variance": rf"(?:{_FLUX})?(?:variances?|vari|var|stat|sigma2|sigmasq|err2|errsq)(?:{_FLUX})?",
    "energy flux": _ENERGY,
    "magnitude": r"(?:ab|st)?mag(?:s|ab|st|nitudes?)?|magnitude(?:ab|st)",
    "counts": r"counts?|cts|adu|electrons?|photons?|dn",
    "flux": rf"(?:opt|box)?(?:{_FLUX}){_UNIT}",
    "error": rf"(?:{_ERROR})(?:{_FLUX})?(?:err)?|(?:{_FLUX})(?:{_ERROR}|e|stat)|(?:d|e|u|s|delta)(?:{_FLUX})"
    rf"|(?:mag)(?:{_ERROR})|(?:{_ERROR}|e|d)(?:mag|abmag)",
    "bits": r"(?:and|or)masks?|maskbits",
    "mask": rf"(?:pix|pixel|flux|spec|data|bad)?(?:qual|quality)?(?:{_MASK})|bad",
    "good": r"(?:is)?good(?:pix(?:els?)?|flags?)?(?:mask)?|maskgood|gpm|(?:is)?valid|usable|use|isok|ok",
    "sky": rf"sky(?:{_FLUX}|model|level)?|(?:{_FLUX})sky|background|bkg|bg|telluric",
    "model": rf"(?:{_FLUX}|best)?(?:model|bestfit|fit|template|synth|synthetic)(?:{_FLUX})?",
    "continuum": rf"(?:{_FLUX})?(?:continuum|cont)(?:{_FLUX})?",
    "redshift": r"z|redshift|zspec|zbest|specz|zhelio",
}

_PATTERNS = {role: re.compile(pattern) for role, pattern in _WORDS.items()}

# Words of which a name of another flux, such as flux_telluric_corrected, is not made.
_NO_FLUX = re.compile(
    rf"^log|log$|norm|rectif|smooth|model|fit|sky|back|cont|templ|resid|raw|mask|qual|bad|ratio|snr|(?:{_ERROR})(?!v)|var$|ivar|fiber"
)

#: Roles of spectral axes, in the order in which they are taken.
AXES = ("wavelength", "loglam", "lnlam", "frequency", "energy", "wavenumber", "rest")


@dataclass
class Column:
    """One array of a file with what the file says of it.

    Attributes
    ----------
    name : str
    values : (n_pixels,) array
        A masked array where the file marks missing values.
    unit, ucd, utype, note : str
        As in the file, "" where it says nothing; `note` is any comment on the column.
    role : str
        Set where the format says what it is; "" where name and UCD do.
    axis : str
        Set once it is taken for the spectral axis: "wavelength", "loglam", "frequency" …
    energy : bool
        Set where it is taken for a flux times wavelength.
    """

    name: str
    values: np.ndarray
    unit: str = ""
    ucd: str = ""
    utype: str = ""
    note: str = ""
    role: str = ""
    axis: str = field(default="wavelength", repr=False)
    energy: bool = field(default=False, repr=False)


_LONGEST_NAME = 200


def split_name(name):
    """The word of a name, in lower case without marks, and the unit in brackets in it ("" if none)."""
    # What is longer is no name, and patterns take long to see it.
    name = name[:_LONGEST_NAME]
    for letter, spelt in {"å": "a", "λ": "lambda", "σ": "sigma", "ν": "nu"}.items():
        name = name if letter not in name.lower() else re.sub(letter, spelt, name, flags=re.IGNORECASE)
    # A function of a quantity is a word of its own.
    name = re.sub(r"^\s*(log10|log|ln)\s*[\[(]\s*([a-z_ ]{3,})[\])]", r"\1\2", name, flags=re.IGNORECASE)
    bracket = re.search(r"[\[(](.*)[\])]", name)
    word = re.sub(r"[\[(].*|[^a-z0-9]", "", name.lower())
    return word, bracket[1].strip() if bracket else ""


def name_role(name, ucd="", utype=""):
    """What a column is by its UCD or utype, else by its name.

    Returns
    -------
    role : str or None
        One of `ROLES`, of the spectral axes, "bits", "counts", "magnitude", "energy flux", "other flux",
        "redshift", or None.
    unit : str
        The unit that the name states.
    """
    word, unit = split_name(name)
    for role, pattern in _PATTERNS.items():
        match = pattern.fullmatch(word)
        if match:
            named, unit = role, unit or match.groupdict().get("unit") or ""
            break
    else:
        other = re.search(r"flux|flam", word) and not _NO_FLUX.search(word)
        named = "other flux" if other else None
    return _ucd_role(ucd.lower(), utype.lower(), named) or named, unit


def _ucd_role(ucd, utype, named):
    """Role by UCD (IVOA) or utype (spectral data model); a name may say more than either."""
    if "stat.error" in ucd or "accuracy.staterror" in utype:
        flux = "phot" in ucd or "fluxaxis" in utype
        return None if not flux else named if named in ("variance", "ivar") else "error"
    if "accuracy.quality" in utype or "meta.code.qual" in ucd:
        return "mask"
    if "continuum" in ucd or utype.startswith("continuum:"):
        return "continuum"
    if "background" in utype or "src.sky" in ucd or "instr.background" in ucd:
        return "sky"
    if re.match(r"em\.(wl|freq|energy|wavenumber)", ucd):
        kind = {"wl": "wavelength", "freq": "frequency", "energy": "energy", "wavenumber": "wavenumber"}[
            re.match(r"em\.(\w+)", ucd)[1]
        ]
        return named if named in AXES else kind
    if "spectralaxis.value" in utype:
        return named if named in AXES else "wavelength"
    if "phot.flux" in ucd or "fluxaxis.value" in utype:
        main = "meta.main" in ucd or utype.startswith(("spec:", "spectrum.", "ssa:"))
        keeps = named in ("flux", "energy flux", "counts", "magnitude", "sky", "model", "continuum")
        return named if keeps and not (main and named == "flux") else "flux" if main else "other flux"
    return None


def list_columns(columns):
    """What a file holds, in one phrase for errors."""
    named = (f"{c.name} [{c.unit}]" if c.unit and c.unit not in c.name else c.name for c in columns)
    return ", ".join(named)[:300] or "nothing"


def assign_roles(columns, chosen, path):
    """Find which column is what.

    Parameters
    ----------
    columns : list of Column
        All of one spectrum; those of another length than the flux are left out.
    chosen : dict
        Role to name, from the user: ``{"flux": "FLUX_REDUCED"}``; with the unit where the file states none
        or a wrong one: ``{"flux": "f2 [erg/s/cm2/A]"}``.  Columns without names are numbered from 1.
    path : path-like
        For errors.

    Returns
    -------
    roles : dict
        Role to Column; "wavelength" and "flux" are there, at most one of "error", "variance", "ivar".
    notes : list of str
        What was passed over.

    Raises
    ------
    SpectrumError
        Where wavelength or flux is not found, or two columns may be meant.
    """
    roles, notes = {role: _find_named(role, name, columns, path) for role, name in (chosen or {}).items()}, []
    found, by_unit = {}, {}
    for column in columns:
        role, unit = name_role(column.name, column.ucd, column.utype)
        role = column.role or role
        column.unit = column.unit or unit
        if role is not None and column not in roles.values():
            found.setdefault(role, []).append(column)
        elif role is None and (kind := _kind_by_unit(column)) and column not in roles.values():
            by_unit.setdefault(kind, []).append(column)
    for kind, others in (
        ("flux", ("flux", "energy flux", "magnitude", "counts", "other flux")),
        ("axis", AXES),
    ):
        # What a name does not tell, the unit does, where one column alone has such a one.
        group = by_unit.get(kind, []) if not found.keys() & set(others) else []
        if len(group) == 1 and not (kind == "axis" and _is_disordered(group[0].values)):
            found["flux" if kind == "flux" else axis_of_unit(group[0].unit)] = group
            notes.append(
                f"{group[0].name} taken for {'flux' if kind == 'flux' else 'wavelength'}, by its unit"
            )
    if "flux" not in roles:
        roles["flux"] = _choose_flux(found, columns, path, notes)
    elif name_role(roles["flux"].name)[0] == "energy flux":
        roles["flux"].energy = True
    size = np.size(roles["flux"].values)
    found = {role: [c for c in group if np.size(c.values) == size] for role, group in found.items()}
    if "wavelength" not in roles:
        roles["wavelength"] = _choose_axis(found, columns, path)
    else:
        role = roles["wavelength"].role or name_role(roles["wavelength"].name)[0]
        roles["wavelength"].axis = role if role in AXES else "wavelength"
    if not roles.keys() & {"error", "variance", "ivar"}:
        roles |= _choose_error(found, roles["flux"], columns, path, notes)
    for role in ("mask", "good"):
        if found.get(role) and not roles.keys() & {"mask", "good"}:
            roles[role] = _only(role, found[role], columns, path)
    if not roles.keys() & {"mask", "good"}:
        notes += _name_odd_masks(columns, roles, size)
    for role, column in roles.items():
        if np.size(column.values) != size:
            raise SpectrumError(
                f"{role} must be as long as flux; {column.name} of {path} has "
                f"{np.size(column.values)} values, "
                f"{roles['flux'].name} {size}."
            )
    return roles, notes


def _name_odd_masks(columns, roles, size):
    """Columns whose names speak of a mask, in words that are not understood: said, since it is not used."""
    odd = [
        column.name
        for column in columns
        if re.search(r"mask|flag|qual|badpix|goodpix", split_name(column.name)[0])
        and name_role(column.name)[0] is None
        and column not in roles.values()
        and np.size(column.values) == size
        and np.asarray(column.values).dtype.kind in "biu"
    ]
    return [f"{', '.join(odd)} not used, name it as mask or good if it is one"] if odd else []


def _kind_by_unit(column):
    """What a column is by its unit, "axis" or "flux", where its name says nothing; else ""."""
    kind, word = kind_of_unit(column.unit), split_name(column.name)[0]
    other = (
        _NO_FLUX.search(word) if kind == "flux" else re.search(r"disp|fwhm|width|res|lsf|step|bin|err", word)
    )
    return "" if other else kind


def _is_disordered(values):
    steps = np.diff(np.ma.compressed(np.ma.masked_invalid(np.ma.asarray(values, dtype=float))))
    return not (steps > 0).all() and not (steps < 0).all()


def _find_named(role, name, columns, path):
    """The column that a user named."""
    if role not in ROLES:
        raise SpectrumError(f"columns must be of {', '.join(ROLES)}; got {role!r} for {path}.")
    match = re.fullmatch(r"(.*?)\s*(?:\[(.+)\])?", str(name).strip())
    wanted = match[1].lower()
    exact = [c for c in columns if c.name == match[1]] or [c for c in columns if c.name.lower() == wanted]
    exact = exact or [c for c in columns if re.sub(r"\s*[\[(].*", "", c.name).lower() == wanted]
    if not exact and wanted.isdigit() and 0 < int(wanted) <= len(columns):
        exact = [columns[int(wanted) - 1]]
    if not exact:
        raise SpectrumError(
            f"{path} has no column {match[1]!r} for {role}; it holds {list_columns(columns)}."
        )
    if match[2]:
        exact[0].unit = match[2]
    return exact[0]


def _only(role, candidates, columns, path):
    """The one candidate; the same numbers twice are one."""
    first = candidates[0]
    for other in candidates[1:]:
        if not np.array_equal(
            first.values, other.values, equal_nan=np.asarray(first.values).dtype.kind == "f"
        ):
            names = " and ".join(c.name for c in candidates)
            raise SpectrumError(
                f"{role} may be {names} of {path}, which holds {list_columns(columns)}; say which is meant: "
                f'columns={{"{role}": "{first.name}"}}, or --columns {role}={first.name}.'
            )
    return first


def _missing(what, columns, path):
    return SpectrumError(
        f"{path} must have columns wavelength and flux; no {what} is found among "
        f"{list_columns(columns)}; say which "
        f'is meant: columns={{"{what}": "NAME"}}, or --columns {what}=NAME.'
    )


def _choose_flux(found, columns, path, notes):
    for role in ("flux", "energy flux", "magnitude", "counts", "other flux"):
        if found.get(role):
            flux = _only("flux", found[role], columns, path)
            break
    else:
        raise _missing("flux", columns, path)
    others = [
        c.name for key in ("energy flux", "magnitude", "counts", "other flux") for c in found.get(key, ())
    ]
    others = [name for name in others if name != flux.name]
    if others:
        notes.append(f"flux is {flux.name}, not {', '.join(others)}")
    flux.energy = role == "energy flux"
    if role == "counts":
        flux.unit = flux.unit or "counts"
    if re.fullmatch(r"f(?:lux)?(?:density)?nu", split_name(flux.name)[0]) and not flux.unit:
        flux.unit = "erg/s/cm2/Hz"
        notes.append(f"{flux.name} taken for a flux density per frequency, by its name")
    if role == "magnitude" and flux.unit.strip().lower() in ("", "mag", "mags"):
        word = split_name(flux.name)[0]
        flux.unit = "AB mag" if "ab" in word else "ST mag" if "st" in word else "mag"
    return flux


def _choose_axis(found, columns, path):
    for axis in AXES:
        if found.get(axis):
            candidates = found[axis]
            if len(candidates) > 1 and axis in ("wavelength", "loglam"):
                # The same in air and in vacuum is no question.
                vacuum = [c for c in candidates if "vac" in c.name.lower()]
                candidates = vacuum or candidates
            column = _only("wavelength", candidates, columns, path)
            column.axis = axis
            return column
    raise _missing("wavelength", columns, path)


def _choose_error(found, flux, columns, path, notes):
    """The error of the flux that was chosen: the one of its name, else the one without another's name."""
    word = split_name(flux.name)[0]
    # Of flux_obs: flux_obs_err, err_flux_obs, err_obs.
    last = re.sub(rf"^(?:{_FLUX})", "", word)
    word = f"(?:{re.escape(word)}|{re.escape(last)})" if last else re.escape(word)
    belongs = {
        "error": rf"(?:{_ERROR}|e|d){word}|{word}(?:{_ERROR}|e)",
        "ivar": rf"(?:ivar|invvar){word}|{word}(?:ivar|invvar)",
        "variance": rf"var(?:iance)?{word}|{word}var(?:iance)?",
    }
    kinds = {}
    for kind, pattern in belongs.items():
        named = [c for c in columns if np.size(c.values) == np.size(flux.values)]
        named = [c for c in named if c is not flux and re.fullmatch(pattern, split_name(c.name)[0])]
        candidates = named or found.get(kind, [])
        if len(candidates) > 1 and not named:
            plain = [c for c in candidates if _PATTERNS[kind].fullmatch(split_name(c.name)[0])]
            candidates = plain or candidates
        if not named:
            # With a UCD but under the name of another flux, it is the error of that.
            candidates = [c for c in candidates if _is_plain_error(kind, split_name(c.name)[0])]
        if candidates:
            kinds[kind] = _only(kind, candidates, columns, path)
    if not kinds:
        odd = [c.name for c in columns if re.search(rf"{_ERROR}|var", split_name(c.name)[0])]
        notes += [f"{', '.join(odd)} not used, of no known flux"] if odd else []
    if len(kinds) > 1:
        _check_agreement(kinds, columns, path)
        notes.append("errors are " + " and ".join(c.name for c in kinds.values()) + ", which agree")
    return (
        dict([next((kind, kinds[kind]) for kind in ("ivar", "error", "variance") if kind in kinds)])
        if kinds
        else {}
    )


def _is_plain_error(kind, word):
    """Whether a name says "error" and no more, or nothing at all, so that the UCD alone says what it is."""
    return _PATTERNS[kind].fullmatch(word) or not re.search(rf"flux|fl|var|{_ERROR}", word)


def _check_agreement(kinds, columns, path):
    """Error, variance and ivar in one file must be of the same noise."""
    power = {"error": 1, "variance": 2, "ivar": -2}
    with np.errstate(all="ignore"):
        sigmas = [
            np.where(np.asarray(c.values, float) > 0, np.asarray(c.values, float), np.nan)
            ** (1 / power[kind])
            for kind, c in kinds.items()
        ]
        ratios = [
            np.nanmedian(sigma / sigmas[0]) if np.isfinite(sigma / sigmas[0]).any() else 1 for sigma in sigmas
        ]
    if not np.allclose(ratios, 1, rtol=0.02) and len({c.unit for c in kinds.values()}) == 1:
        kind, column = next(iter(kinds.items()))
        names = " and ".join(c.name for c in kinds.values())
        raise SpectrumError(
            f"errors may be {names} of {path}, which do not agree; say which is meant: "
            f'columns={{"{kind}": "{column.name}"}}, or --columns {kind}={column.name}.'
        )
