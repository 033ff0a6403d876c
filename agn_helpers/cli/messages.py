"""What the commands say: results on stdout, what went wrong on stderr."""

import sys
from pathlib import Path

#: Lines of one kind that are printed: a million of them would help nobody.
MOST_LINES = 50


def report(kind, message, *, file=""):
    """Print one line on stderr: its kind ("error"), the file it is about, and the message."""
    # What servers say must not steer a terminal.
    message = "".join(letter for letter in " ".join(str(message).split()) if letter.isprintable())
    if file and Path(file).name not in message:
        message = f"{file}: {message}"
    print(f"{kind}: {message}", file=sys.stderr)


def report_all(kind, messages, what):
    """Print the first of many messages, a line each, and how many more `what` there are."""
    for message in messages[:MOST_LINES]:
        report(kind, message)
    if len(messages) > MOST_LINES:
        report(kind, f"and {len(messages) - MOST_LINES} more {what}.")
