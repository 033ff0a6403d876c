"""Lists from the network, kept on disk with their address, checksum and date."""

import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path

from .errors import AgnError
from .files import make_folder, whole_file
from .limits import Limits, TransferError
from .transfer import Transfer

# A list of a million rows is some 200 MB, and a database may think for minutes.
_LIMITS = Limits(read_timeout=120, total_time=1800, attempts=5, largest_size=1 << 30)


def download_list(url, folder, *, parse, form=None, key=None, limits=None, fresh=False):
    """A list from an address, or as kept from an earlier call with the same question.

    Parameters
    ----------
    url : str
    folder : path
        Where the list is kept; beside it lies a .json file with its address, sha256, size and date.
    parse : callable
        Makes the list of the bytes.  Where it raises AgnError, as for a busy server's excuse, the answer is
        not kept.
    form : str, optional
        Sent along by POST.
    key : str, optional
        What the file is called after; the last part of the address by default.
    limits : Limits, optional
        Patience with the network.
    fresh : bool
        Whether a list that was kept is asked for again; so is one that is no longer what it was.

    Returns
    -------
    object
        Of `parse`.

    Raises
    ------
    AgnError
        Where it cannot be had, or is none.
    """
    question = hashlib.sha256(f"{url}\n{form or ''}".encode()).hexdigest()
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", key or url.rsplit("/", 1)[-1]).strip("-.")[:60]
    path = Path(folder) / f"{slug}-{question[:12]}"
    notes = path.with_name(path.name + ".json")
    if not fresh and path.is_file() and notes.is_file():
        content = path.read_bytes()
        if _read_notes(notes).get("sha256") == hashlib.sha256(content).hexdigest():
            return parse(content)
    try:
        content = Transfer(url, limits=limits or _LIMITS).get(url, form=form)
    except TransferError as error:
        reason = str(error).rstrip(".")
        raise AgnError(f"a list could not be had: {reason}; try again later or use another.") from error
    found = parse(content)
    make_folder(folder)
    said = {
        "url": url,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with whole_file(path) as temporary:
        temporary.write_bytes(content)
    with whole_file(notes) as temporary:
        temporary.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    return found


def _read_notes(path):
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}
