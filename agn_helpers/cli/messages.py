"""What the commands say: results on stdout, what went wrong on stderr."""

import re
import sys
from collections import defaultdict
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


def report_kinds(kind, rows):
    """Print one line for each kind of reason: the first file with it, and how many more.

    rows : sequence of (str, str), a file and its reason
    """
    kinds = defaultdict(list)
    for file, reason in rows:
        # Two reasons are of one kind that differ in names and numbers only.
        words = reason.replace(str(file), "…").replace(Path(file).name, "…").replace(Path(file).stem, "…")
        kinds[re.sub(r"\S*\d\S*|'[^']*'", "…", words)].append((file, reason))
    alike = sorted(kinds.values(), key=len, reverse=True)
    for few in alike[:MOST_LINES]:
        file, reason = few[0]
        more = f" ({len(few) - 1} more like it)" if len(few) > 1 else ""
        report(kind, f"{reason}{more}", file=file)
    if len(alike) > MOST_LINES:
        report(kind, f"and {len(alike) - MOST_LINES} more kinds of reasons.")


def format_table(columns, *, most=20):
    """Lines of a table for a screen.

    columns : dict of str to list of str; those that are empty in all rows are left out
    most : int, rows that are shown; a last line counts the others
    """
    columns = {name: values for name, values in columns.items() if any(values)}
    n = max(map(len, columns.values()), default=0)
    if not n:
        return []
    rows = [tuple(columns), *list(zip(*columns.values()))[:most]]
    # What files call themselves must not steer a terminal.
    rows = [tuple("".join(filter(str.isprintable, text))[:60] for text in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows]
    return lines + ([f"… and {n - most} more in the table."] if n > most else [])


def show_progress(items, *, desc, unit, total=None):
    """Iterate behind a bar on standard error, shown after two seconds; in a pipe it moves every ten."""
    from tqdm import tqdm

    interval = 0.1 if sys.stderr.isatty() else 10
    bar = {"delay": 2, "mininterval": interval, "maxinterval": 10 * interval, "file": sys.stderr}
    return tqdm(items, desc=desc, unit=f" {unit}", total=total, **bar)


def complete_run(incomplete: str):
    """Names of runs of the project that begin so, for a shell's completion."""
    from ..runs import find_project

    return sorted(path.name for path in find_project().glob(f"data/{incomplete}*") if path.is_dir())
