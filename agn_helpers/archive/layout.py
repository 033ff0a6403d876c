"""Where the archives keep the spectrum of a plate, MJD and fibre, release by release.

The layouts are those of the SDSS data model, https://data.sdss.org/datamodel, and of the DR7 archive.
"""

import re

from ..errors import AgnError

#: The Science Archive Server, DR8 and later, and the DR7 archive, which knows no later files.
ARCHIVE = "https://data.sdss.org"

DR7_ARCHIVE = "http://das.sdss.org"

#: Releases whose layout is known.
RELEASES = range(7, 21)

#: What names of spectra and of their files look like: plate first, or MJD first as in DR7.
SPECTRUM_NAME = re.compile(
    r"(?:^|spec-)(?P<plate>\d{1,6})-(?P<mjd>\d{5})-(?P<fiberid>\d{1,4})(?!\d)"
    r"|(?:spSpec|sp)-(?P<mjd7>\d{5})-(?P<plate7>\d{4,6})-(?P<fiberid7>\d{3,4})(?!\d)"
)

# BOSS began with plate 3510 (MJD 55176); spSpec files exist for the plates before.
_FIRST_BOSS_PLATE = 3510

# SDSS-I/II, and its stellar and SEGUE-2 plates.
_SDSS_RUNS = ("26", "103", "104")

# Reductions of BOSS and eBOSS by release; where two are named, most plates are of the first.
_BOSS_RUNS = {
    9: ("v5_4_45",),
    10: ("v5_5_12",),
    11: ("v5_6_5",),
    12: ("v5_7_0", "v5_7_2"),
    13: ("v5_9_0",),
    14: ("v5_10_0",),
    15: ("v5_10_0",),
    16: ("v5_13_0",),
    17: ("v5_13_2",),
}

#: What a run2d looks like.
RUN2D = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]{0,30}")


def check_release(release):
    """Raise AgnError for a release whose layout is not known."""
    if release not in RELEASES:
        raise AgnError(
            f"release must be one of {RELEASES[0]} to {RELEASES[-1]}; got {release}. Give another --release."
        )


def list_urls(plate, mjd, fiberid, *, run2d="", release=17, mirror=None):
    """Addresses at which a spectrum may be found, the likeliest first.

    Parameters
    ----------
    plate, mjd, fiberid : int
    run2d : str, optional
        Version of the reduction, such as ``"26"`` or ``"v5_13_2"``; where it is not known, those of the
        release that took in such a plate are tried in turn.
    release : int
        Data release, one of `RELEASES`.
    mirror : str, optional
        Address that stands in for both archives; theirs by default.

    Returns
    -------
    list of str
        Spec-lite files, then full ones, then (plates of SDSS-I/II) the spSpec file of DR7.

    Raises
    ------
    AgnError
        For a release whose layout is not known, or a run2d that cannot be one.
    """
    check_release(release)
    if run2d and not RUN2D.fullmatch(run2d):
        raise AgnError(f"run2d must be letters, digits and '_', such as 26 or v5_13_2; got {run2d!r}.")
    is_boss = plate >= _FIRST_BOSS_PLATE
    runs = (run2d,) if run2d else _BOSS_RUNS.get(min(release, 17), ()) if is_boss else _SDSS_RUNS
    urls = []
    if release >= 8:
        name = name_spectrum(plate, mjd, fiberid) + ".fits"
        for kind in _list_kinds(release, is_boss):
            urls += [
                f"{mirror or ARCHIVE}/sas/dr{release}/{_folder(run, release)}/{run}/{kind}/{plate:04d}/{name}"
                for run in runs
            ]
    if not is_boss:
        name = name_dr7_file(plate, mjd, fiberid)
        urls.append(f"{mirror or DR7_ARCHIVE}/raw/spectro/1d_26/{plate:04d}/1d/{name}")
    return urls


def _list_kinds(release, is_boss):
    """Folders of lite and of full files; DR8 began with full ones."""
    full = "spectra/full" if is_boss and release >= 16 else "spectra"
    return (full, "spectra/lite") if release == 8 else ("spectra/lite", full)


def _folder(run, release):
    """Folder of all reductions."""
    if release >= 18:
        return "spectro/sdss/redux"
    if run in _SDSS_RUNS:
        return "sdss/spectro/redux"
    return "eboss/spectro/redux" if release >= 13 else "boss/spectro/redux"


def name_spectrum(plate, mjd, fiberid):
    """Name of a spectrum, as `read_spectrum` gives it: ``spec-PPPP-MMMMM-FFFF``."""
    return f"spec-{plate:04d}-{mjd:05d}-{fiberid:04d}"


def name_dr7_file(plate, mjd, fiberid):
    """Name of a file of DR7."""
    return f"spSpec-{mjd:05d}-{plate:04d}-{fiberid:03d}.fit"
