"""Where pages of the sky show a place: addresses to follow, nothing that is asked."""

from __future__ import annotations

import numpy as np

#: Addresses by the names of those who keep the pages; ``{ra}`` and ``{dec}`` in degrees (ICRS).
SKY_PAGES = {
    "SkyServer": "https://skyserver.sdss.org/dr17/VisualTools/navi?ra={ra}&dec={dec}",
    "NED": "https://ned.ipac.caltech.edu/conesearch?search_type=Near%20Position%20Search"
    "&coordinates={ra}d%20{dec}d&radius=0.1&in_csys=Equatorial&in_equinox=J2000",
    "SIMBAD": "https://simbad.cds.unistra.fr/simbad/sim-coo?Coord={ra}%20{dec}&CooFrame=ICRS&Radius=5"
    "&Radius.unit=arcsec",
    "Aladin Lite": "https://aladin.cds.unistra.fr/AladinLite/?target={ra}%20{dec}&fov=0.02",
}


def list_sky_pages(ra: float | None, dec: float | None) -> dict[str, str]:
    """Addresses of pages that show a place of the sky, by the names of their keepers.

    Parameters
    ----------
    ra, dec : float or None
        Degrees (ICRS).

    Returns
    -------
    dict of str to str
        Empty where the place is not known or is none.
    """
    if ra is None or dec is None or not (0 <= ra <= 360 and -90 <= dec <= 90):
        return {}
    place = {"ra": f"{np.float64(ra):.6f}", "dec": f"{np.float64(dec):+.6f}".replace("+", "%2B")}
    return {name: address.format(**place) for name, address in SKY_PAGES.items()}
