"""Fuzz every reader for as long as told: python -m tests.fuzz --seconds 3600 [--only text,fits].

Prints executions a reader, and every input that made one raise anything but AgnError, take longer than 5 s
or more than 1 GiB; those inputs are kept in the folder that --found names.  Exit code: 1 where there is one.
"""

import argparse
import hashlib
import random
import resource
import signal
import sys
import time
import traceback
from pathlib import Path

from .edits import KINDS, edit
from .readers import READERS, run_reader

MOST_SECONDS, MOST_MEMORY = 5, 1 << 30


def _draw(rng, contents):
    content = rng.choice(contents)
    edits = [
        (rng.choice(KINDS), rng.random(), rng.getrandbits(16)) for _ in range(rng.choice((1, 1, 1, 2, 3, 8)))
    ]
    return edit(content, edits)


def _stop(*_):
    raise TimeoutError(f"it takes longer than {MOST_SECONDS} s")


def _peak():
    # Kilobytes on Linux, bytes on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def fuzz_reader(name, seconds, rng, found):
    """Run one reader for some seconds; return executions and failures, each one line."""
    contents, failures, number = READERS[name].seeds(), {}, 0
    for content in contents:
        run_reader(name, content)
    end, peak = time.monotonic() + seconds, _peak()
    while time.monotonic() < end:
        content = _draw(rng, contents)
        signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)
        problem = ""
        try:
            run_reader(name, content)
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            problem = (
                f"{type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}: {str(error)[:120]!r}"
            )
            key = (type(error).__name__, frame.filename, frame.lineno)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        number += 1
        if (now := _peak()) > peak + MOST_MEMORY:
            problem, key = f"{now - peak >> 20} MB", "memory"
            peak = now
        if problem and key not in failures:
            failures[key] = problem
            path = found / f"{name}-{hashlib.sha256(content).hexdigest()[:8]}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            print(f"{name}: {problem}: {path}", flush=True)
    return number, failures


def main():
    """Run the readers in turn, a stretch each, until the time is over."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--only", default=",".join(READERS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"))
    options = parser.parse_args()
    signal.signal(signal.SIGALRM, _stop)
    names, rng = options.only.split(","), random.Random(options.seed)
    counts, failures = dict.fromkeys(names, 0), []
    end = time.monotonic() + options.seconds
    while (left := end - time.monotonic()) > 0:
        for name in names:
            number, found = fuzz_reader(name, min(20.0, left / len(names)), rng, options.found)
            counts[name] += number
            failures += [f"{name}: {problem}" for problem in found.values()]
        print(", ".join(f"{name} {number}" for name, number in counts.items()), flush=True)
    print(f"{sum(counts.values())} executions, {len(set(failures))} failures.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
