"""Spectra of DESI and other surveys through SPARCL (Juneau et al. 2024, arXiv:2401.05576), batch by batch.

Its client, sparclclient, is an extra (pip install "agn-helpers[desi]") and imported when it is first needed.
"""

import hashlib
import time
from pathlib import Path

from ..errors import AgnError, SpectrumError
from ..spectra import ObservedSpectrum, write_spec_lite
from .catalogue import split_survey_name
from .manifest import Entry, Outcome, Result

# SPARCL has been seen to time out from 500 records on.
_BATCH = 200

# Records in a row for which it gave no answer before it is left alone.
_MOST_FAILURES = 3

_FIELDS = ["specid", "redshift", "wavelength", "flux", "ivar"]

_URL = "https://astrosparcl.datalab.noirlab.edu"


def fetch_from_sparcl(names, cache, manifest, *, client=None, batch=_BATCH, attempts=3, first_wait=2.0):
    """Fetch spectra by data set and specid, write them in the spec-lite layout, and yield a Result for each.

    `names` are as ``"DESI-DR1-39627835576420141"``; `client` is any object with the method
    ``retrieve_by_specid`` of sparcl.client.SparclClient.  `batch` records are asked for at once; a call that
    fails after all `attempts`, before each of which the wait in seconds doubles, is split in two.  Raises
    AgnError where sparclclient is not installed, and where SPARCL does not answer any more.
    """
    cache, groups, failures = Path(cache), {}, 0
    for name in names:
        entry = manifest.get(name)
        if entry and entry.outcome == Outcome.VERIFIED and _size(cache / entry.file) == entry.size:
            yield Result(name, Outcome.KEPT, entry)
        else:
            dataset, specid = split_survey_name(name)
            groups.setdefault(dataset, []).append(specid)
    if groups and client is None:
        client = _make_client()
    for dataset, specids in groups.items():
        for start in range(0, len(specids), batch):
            wanted = specids[start : start + batch]
            for specid, found in _retrieve(client, dataset, wanted, attempts, first_wait):
                name = f"{dataset}-{specid}"
                entry = manifest.record(
                    name, found if isinstance(found, Entry) else _write(name, found, cache)
                )
                yield Result(name, Outcome(entry.outcome), entry)
                failures = failures + 1 if entry.outcome == Outcome.FAILED else 0
                if failures >= _MOST_FAILURES:
                    raise AgnError(
                        f"SPARCL failed {failures} times in a row, the last time so: {entry.reason}. Nothing "
                        "that was fetched is lost: give the same command again later."
                    )


def _make_client():
    try:
        from sparcl.client import SparclClient
    except ImportError:
        raise AgnError(
            'spectra of other surveys need sparclclient; install it: pip install "agn-helpers[desi]".'
        ) from None
    return SparclClient()


def _retrieve(client, dataset, specids, attempts, wait):
    """Yield specid and either its record or the Entry that says why there is none."""
    for attempt in range(attempts):
        try:
            answer = client.retrieve_by_specid(
                specid_list=specids,
                include=_FIELDS,
                dataset_list=[dataset],
                # An object may have several records.
                limit=4 * len(specids),
            )
            break
        except Exception as error:  # The client raises classes of its own, of requests, and bare ones.
            failure = f"SPARCL: {' '.join(str(error).split()) or type(error).__name__}"
            if attempt + 1 < attempts:
                time.sleep(wait * 2**attempt)
    else:
        if len(specids) > 1:
            half = len(specids) // 2
            for part in (specids[:half], specids[half:]):
                yield from _retrieve(client, dataset, part, attempts, wait)
        else:
            yield specids[0], Entry(Outcome.FAILED, url=_URL, reason=failure)
        return
    records = {}
    for record in answer.records:
        records.setdefault(int(record["specid"]), record)
    for specid in specids:
        absent = Entry(
            Outcome.ABSENT, url=_URL, reason=f"SPARCL has no {specid} in {dataset}; look at its number."
        )
        yield specid, records.get(specid, absent)


def _write(name, record, cache):
    """Write a record as a spectrum and return its Entry."""
    dataset, specid = split_survey_name(name)
    file = f"{dataset}-{specid % 1000:03d}/{name}.fits"
    try:
        spectrum = ObservedSpectrum(
            *(record[key] for key in ("wavelength", "flux", "ivar", "redshift")),
            name=name,
            meta={"survey": dataset},
        )
        # Of two clients the last one to finish writes; each writes a whole file.
        write_spec_lite(spectrum, cache / file)
    except (SpectrumError, LookupError, TypeError) as error:
        return Entry(Outcome.REJECTED, url=_URL, reason=f"{name}: {error}")
    content = (cache / file).read_bytes()
    return Entry(Outcome.VERIFIED, file, len(content), hashlib.sha256(content).hexdigest(), _URL)


def _size(path):
    return path.stat().st_size if path.is_file() else -1
