"""Is what a cache holds still what was fetched?  Without the network."""

import hashlib
from pathlib import Path

from astropy.table import Table
from tqdm import tqdm

from .cache_index import MANIFEST, RECORDS, read_request, update_index
from .errors import AgnError
from .manifest import Manifest


def check_cache(cache, *, progress=True):
    """Compare every file of a cache with the manifest.

    What is missing or differs is recorded as damaged, is left out of the index, and will be fetched again by
    the next `fetch_spectra` that asks for it.

    Parameters
    ----------
    cache : path
    progress : bool
        Show a bar.

    Returns
    -------
    n_good : int
        Files whose bytes are those that were verified.
    damaged : astropy.table.Table
        Columns name, file, reason.

    Raises
    ------
    AgnError
        For a folder without a manifest.
    """
    cache = Path(cache)
    path = cache / RECORDS / MANIFEST
    if not path.is_file():
        raise AgnError(f"{cache} must be a cache of spectra; it has none: fetch them with agn fetch.")
    n_good, damaged = 0, []
    with Manifest(path) as manifest:
        names = [name for name in manifest if manifest.get(name).file]
        for name in tqdm(names, desc="check", unit=" spectra", delay=2, disable=None if progress else True):
            entry = manifest.get(name)
            found = _hash_file(cache / entry.file)
            if found != (entry.size, entry.sha256):
                # Another client may have fetched it anew since.
                manifest.refresh()
                if manifest.get(name) != entry:
                    entry = manifest.get(name)
                    found = _hash_file(cache / entry.file)
            if found == (entry.size, entry.sha256):
                n_good += 1
                if entry.outcome == "damaged":
                    manifest.record(name, entry._replace(outcome="verified", reason=""))
                continue
            reason = (
                f"{name}: {entry.file} is missing or cannot be read"
                if found is None
                else f"{name}: {entry.file} must have {entry.size} bytes of sha256 {entry.sha256[:12]}…; it "
                f"has {found[0]} of {found[1][:12]}…"
            )
            reason += "; fetch it again."
            if entry.outcome != "damaged" or entry.reason != reason:
                manifest.record(name, entry._replace(outcome="damaged", reason=reason))
            damaged.append((name, entry.file, reason))
        update_index(cache, read_request(cache)[:0], manifest)
    names = ("name", "file", "reason")
    return n_good, Table(rows=damaged or None, names=names, dtype=[str] * 3)


def _hash_file(path):
    """Size and sha256, or None where there is no file that can be read."""
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return file.tell(), digest
    except OSError:
        return None
