"""Which numbers are redshifts: in comments, FITS headers and rows of pipelines, and which mean "unknown"."""

import math
import re

# Nothing is tried twice (++, *+), or a line of digits would take for ever.
_NUMBER = r"([-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[ed][-+]?\d++)?)(?![\w.]*\d)"

_LONGEST_COMMENT = 1000

# In the order of trust.
_STATEMENTS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<![\w-])(?:(?:spectroscopic|spec|systemic|heliocentric|best|emission|adopted)[\s_-]*)?redshift"
        rf"(?:\s*+\bz\b|\s*+\([a-z][\w ]{{0,15}}\))?\s*+(?:[:=~,]|\bis\b|\bof\b|\bz\s*+=)?\s*+'?{_NUMBER}",
        rf"\b(?:z_?spec|z_?best|spec_?z|z_?sys|z_?helio|z_?em|z_?vi|z_?pipe|z_?nl)\s*[:=\s]\s*'?{_NUMBER}",
        rf"(?<![\w.+-])z\s*(?:\([a-z]\w{{0,15}}\)\s*)?[:=~≈]\s*'?{_NUMBER}",
    )
)

# Where z is a filter or an angle, or a redshift was not measured from lines.
_OTHER_Z = re.compile(
    r"\bmag|magnitude|\bfilter|\bband|zenith|airmass|distance|\bdeg|photo|phot_?z|z_?phot|pixel|position"
    r"|\babs|absor|\blens|foreground|interven|\bfocus|\bangle|metal|solar|z_?sun"
    r"|(?<![\w.])[ugriyjhk]\s*[:=]\s*[-+]?\d",
    re.IGNORECASE,
)

_CARDS = (
    "REDSHIFT",
    "Z_SPEC",
    "ZSPEC",
    "SPECZ",
    "SPEC_Z",
    "Z_BEST",
    "ZBEST",
    "Z_HELIO",
    "ZHELIO",
    "Z_SYS",
    "Z_VI",
    "Z",
)

_FILLINGS = (9.99, 9.999, 9.9999, 9.99999, -0.99, -0.999, -0.9999)

# Of GAMA, OzDES and WiggleZ, 2dFGRS, VIPERS.
_QUALITIES = ("NQ", "QOP", "Q_Z", "ZQUALITY", "QUALITY", "ZFLG", "ZFLAGS")

# SDSS: SKY, UNPLUGGED, BAD_TARGET, NODATA; of DESI's bits the same ones.
_NO_REDSHIFT = 1 << 0 | 1 << 7 | 1 << 8 | 1 << 9


def known_redshift(redshift, *, zwarning=0, spectral_class="", quality=None):
    """A redshift as a file states it, NaN where the number means that there is none.

    Parameters
    ----------
    redshift : float or text
        -9999 and other fillings, and what is no number, are unknown.
    zwarning : int
        Of SDSS, LAMOST or DESI; a sky fibre or one without data has no redshift, nor has exactly 0 with any.
    spectral_class : str
        Exactly 0 without one is unknown.
    quality : int, optional
        Of GAMA (NQ), OzDES and WiggleZ (QOP) and 2dFGRS; 0 and 1 say that no redshift was found.

    Returns
    -------
    float
    """
    try:
        value = float(redshift)
    except (TypeError, ValueError):
        return math.nan
    if not math.isfinite(value) or value <= -5 or value == -1 or value > 20 or value in _FILLINGS:
        return math.nan
    if value == 0 and (zwarning or not str(spectral_class).strip(" -?")):
        return math.nan
    if int(zwarning) > 0 and int(zwarning) & _NO_REDSHIFT:
        return math.nan
    if quality is not None and quality in (0, 1, 6):
        return math.nan
    return value


def redshift_in_comments(comments):
    """The redshift that comments state, NaN where they state none or several."""
    for statement in _STATEMENTS:
        found = set()
        for line in comments:
            line = line[:_LONGEST_COMMENT]
            match = None if _OTHER_Z.search(line) else statement.search(line)
            if match:
                value = known_redshift(re.sub("[dD]", "e", match[1]), spectral_class="stated")
                # A star's is a statement too; 17.6 is a magnitude.
                if not math.isnan(value) and value < 12:
                    found.add(value)
        if found:
            return found.pop() if max(found) - min(found) <= 1e-3 else math.nan
    return math.nan


def redshift_in_header(header):
    """Redshift and what goes with it (zwarning, class, subclass) as FITS cards state them.

    Returns
    -------
    redshift : float
    meta : dict
    """
    meta = describe_row({key.upper(): header.get(key) for key in ("CLASS", "SUBCLASS", "ZWARNING", "ZWARN")})
    quality = next((header[key] for key in _QUALITIES if key in header), None)
    quality = int(quality) if isinstance(quality, int | float) else None
    if "ZFLG" in header or "ZFLAGS" in header:
        # VIPERS, zCOSMOS, VVDS: 11 is 1 of a broad-line AGN.
        quality = None if quality is None else quality % 10
    for key in _CARDS:
        if key not in header or (key == "Z" and _OTHER_Z.search(str(header.comments[key]))):
            continue
        value = known_redshift(
            header[key],
            zwarning=meta.get("zwarning", 0),
            spectral_class=meta.get("class", ""),
            quality=quality,
        )
        if not math.isnan(value) and -0.1 < value < 12:
            return value, meta
    return math.nan, meta


def describe_row(row):
    """Class, subclass and zwarning of a pipeline's row (column names in upper case) as entries of meta."""
    meta = {}
    for key, names in {
        "class": ("CLASS", "SPECTYPE"),
        "subclass": ("SUBCLASS", "SUBTYPE"),
        "zwarning": ("ZWARNING", "ZWARN", "Z_WARNING"),
    }.items():
        value = next((row[name] for name in names if row.get(name) is not None), None)
        if value is None:
            continue
        if key == "zwarning":
            try:
                meta[key] = int(value)
            except (TypeError, ValueError):
                continue
        else:
            text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            meta[key] = text.strip()
    return meta


def remark_on(meta):
    """What a pipeline's warning says of a redshift, in a list of at most one sentence."""
    warning = meta.get("zwarning", 0)
    return [f"the pipeline doubts its redshift (ZWARNING {warning})"] if warning else []
