"""Ready SQL queries for SkyServer: active galaxies of two types within one range of redshift.

Type 1 and type 2 of one range let class and redshift be distinguished, which the paper's samples do not.
Tables and columns are those of the schema browser of SDSS DR17, https://skyserver.sdss.org/dr17.
"""

import re

from ..errors import AgnError
from .tables import parse_table

#: Slope, offset and constant of log([O III]/Hβ) = slope / (log([N II]/Hα) - offset) + constant: the most that
#: starbursts reach (Kewley et al. 2001, ApJ 556, 121, their equation 5), and the edge of pure star formation
#: (Kauffmann et al. 2003, MNRAS 346, 1055, their equation 1).
KEWLEY_2001 = (0.61, 0.47, 1.19)

KAUFFMANN_2003 = (0.61, 0.05, 1.3)

#: Slope and constant of the line between Seyferts, above it, and LINERs (Schawinski et al. 2007, MNRAS 382,
#: 1415).
SEYFERT_LINER = (1.05, 0.45)

#: Names of the ready queries, with the type that their objects are given.
QUERY_LABELS = {"type1": "type 1", "type2": "type 2", "composite": None}

_ROW = "s.plate, s.mjd, s.fiberID AS fiberid, s.run2d, s.ra, s.dec, s.z AS redshift"

_GOOD = "s.zWarning = 0 AND s.snMedian > {snr} AND s.z BETWEEN {low} AND {high}"

# BROADLINE says that the pipeline found a line with a dispersion above 200 km/s.  At low redshift that takes
# in intermediate types, and type 2 with strong winds.
_TYPE1 = "FROM SpecObj AS s WHERE s.class = 'QSO' AND s.subClass LIKE '%BROADLINE%' AND {good}"

# Emission lines of the MPA-JHU group; fluxes are positive where their signal-to-noise ratios are.
_TYPE2 = """FROM SpecObj AS s JOIN galSpecLine AS g ON g.specObjID = s.specObjID
WHERE {good} AND s.subClass NOT LIKE '%BROADLINE%' AND g.sigma_balmer < 500
AND {detected} AND {bpt}"""

_LINES = ("h_beta", "oiii_5007", "h_alpha", "nii_6584")

# A server may take a logarithm before it looks whether the lines were detected.
_RATIO = "LOG10(CASE WHEN g.{0}_flux > 0 AND g.{1}_flux > 0 THEN g.{0}_flux / g.{1}_flux ELSE 1 END)"

_NII = _RATIO.format("nii_6584", "h_alpha")

_OIII = _RATIO.format("oiii_5007", "h_beta")


def write_query(name, *, redshift=(0.02, 0.35), snr=10.0, limit=None):
    """SQL of a ready query.

    Parameters
    ----------
    name : str
        ``"type1"``: quasars with broad lines by the SDSS pipeline, some of which experts would call
        intermediate.  ``"type2"``: Seyferts above the line of Kewley et al. (2001), without broad lines.
        ``"composite"``: between that line and the one of Kauffmann et al. (2003), without a type.
    redshift : (float, float)
        The same for all names, so that one may ask for both types within one range.
    snr : float
        Least median signal-to-noise ratio a pixel.
    limit : int, optional
        Most objects.

    Returns
    -------
    str

    Raises
    ------
    AgnError
        For another name, or a range that is none.
    """
    if name not in QUERY_LABELS:
        raise AgnError(f"a query must be one of {', '.join(QUERY_LABELS)}; got {name!r}.")
    low, high = map(float, redshift)
    if not 0 <= low < high < float("inf"):
        raise AgnError(f"redshift must be two numbers, 0 <= low < high; got {low:g} and {high:g}.")
    good = _GOOD.format(snr=float(snr), low=low, high=high)
    if name == "type1":
        where = _TYPE1.format(good=good)
    else:
        detected = " AND ".join(f"g.{line}_flux > 3 * g.{line}_flux_err" for line in _LINES)
        positive = " AND ".join(f"g.{line}_flux_err > 0" for line in _LINES)
        is_active = _lie_above(KEWLEY_2001)
        slope, constant = SEYFERT_LINER
        bpt = f"{is_active} AND {_OIII} > {slope} * {_NII} + {constant}"
        if name == "composite":
            bpt = f"NOT {is_active} AND {_lie_above(KAUFFMANN_2003)}"
        where = _TYPE2.format(good=good, detected=f"{positive} AND {detected}", bpt=bpt)
    top = f"TOP {int(limit)} " if limit else ""
    return f"SELECT {top}{_ROW} {where}".replace("\n", " ")


def _lie_above(curve):
    """SQL that holds above a curve of log([O III]/Hβ) against log([N II]/Hα)."""
    slope, offset, constant = curve
    # Right of its asymptote a point is above the curve, which has a second branch there.
    return f"({_NII} >= {offset} OR {_OIII} > {slope} / NULLIF({_NII} - {offset}, 0) + {constant})"


def write_position_query(positions, *, radius=3.0):
    """SQL of the nearest primary spectrum within `radius` (arcsec; fibres of SDSS see 3) of some positions.

    `positions` are triples of a number, right ascension and declination in degrees; rows of the answer have
    the number as ``number``, for positions that have a spectrum.
    """
    values = ", ".join(f"({number}, {ra:.6f}, {dec:.6f})" for number, ra, dec in positions)
    return (
        f"SELECT t.number, {_ROW} FROM (VALUES {values}) AS t(number, ra, dec) "
        f"CROSS APPLY dbo.fGetNearestSpecObjEq(t.ra, t.dec, {radius / 60:.6f}) AS n "
        "JOIN SpecObj AS s ON s.specObjID = n.specObjID"
    )


def parse_answer(content, name):
    """The table that SkyServer answers, None where nothing was found; AgnError where it refuses, however."""
    lines = [line for line in content.splitlines() if line.strip() and not line.startswith(b"#")]
    is_table = lines and b"," in lines[0] and not lines[0].lstrip().startswith((b"<", b"[", b"{"))
    if not is_table or b"error_message" in content[:10_000]:
        words = " ".join(re.sub(r"<[^>]*>", " ", content[:2000].decode("utf-8", "replace")).split())[:200]
        raise AgnError(
            f"{name} was refused by SkyServer: {words.rstrip('.') or 'no answer'}; correct the query, or try "
            "again in some minutes."
        )
    return parse_table(b"\n".join(lines), name) if len(lines) > 1 else None
