"""What the commands say: results on stdout, what went wrong on stderr."""

import sys
from pathlib import Path

#: Lines of one kind that are printed: a million of them would help nobody.
MOST_LINES = 50


def report(kind, message, *, file=""):
    """Print one line on stderr: its kind ("error"), the file it is about, and the message."""
    message = " ".join(str(message).split())
    if file and Path(file).name not in message:
        message = f"{file}: {message}"
    print(f"{kind}: {message}", file=sys.stderr)
