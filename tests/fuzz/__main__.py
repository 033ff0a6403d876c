"""Fuzz every reader for as long as told: python -m tests.fuzz --seconds 3600 [--only text,fits].

Prints executions a reader, and every input that made one raise anything but AgnError, take longer than 5 s
or more than 1 GiB; those inputs are kept in the folder that --found names.  Exit code: 1 where there is one.
"""

import argparse
import hashlib
import multiprocessing
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

# Readers that stand on libraries which may end the whole process.
CAN_ABORT = ("parquet", "hdf5", "tables", "list")


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


def fuzz_reader(name, seconds, seed, found, answers):
    """Run one reader for some seconds; send executions and failures, each one line, to `answers`."""
    for which in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(which, _stop)
    rng, contents, failures, number = random.Random(seed), READERS[name].seeds(), {}, 0
    last, end, peak = found / f"{name}-last", time.monotonic() + seconds, _peak()
    while time.monotonic() < end:
        content = _draw(rng, contents)
        if name in CAN_ABORT:
            last.write_bytes(content)
        # Of the process's own time, since others may take the machine; of the clock's for what only waits.
        signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
        signal.setitimer(signal.ITIMER_REAL, 20 * MOST_SECONDS)
        problem = ""
        try:
            run_reader(name, content)
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(frame.filename).name}:{frame.lineno}"
            problem = f"{type(error).__name__} in {place}: {str(error)[:120]!r}"
            key = (type(error).__name__, frame.filename, frame.lineno)
        finally:
            for timer in (signal.ITIMER_PROF, signal.ITIMER_REAL):
                signal.setitimer(timer, 0)
        number += 1
        if (now := _peak()) > peak + MOST_MEMORY:
            problem, key = f"{(now - peak) >> 20} MB", "memory"
            peak = now
        if problem and key not in failures:
            path = found / f"{name}-{hashlib.sha256(content).hexdigest()[:8]}"
            path.write_bytes(content)
            failures[key] = f"{problem}: {path}"
    last.unlink(missing_ok=True)
    answers.send((number, list(failures.values())))


def _run_apart(name, seconds, seed, found):
    """Fuzz in a process of its own, since a library below may end it."""
    answers, end = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(
        target=fuzz_reader, args=(name, seconds, seed, found, end)
    )
    process.start()
    end.close()
    try:
        number, failures = answers.recv()
    except EOFError:
        process.join()
        path = (found / f"{name}-last").rename(found / f"{name}-abort-{seed}")
        number, failures = 0, [f"the process ended with {process.exitcode}: {path}"]
    process.join()
    return number, failures


def main():
    """Run the readers in turn, a stretch each, until the time is over."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--only", default=",".join(READERS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"))
    options = parser.parse_args()
    options.found.mkdir(parents=True, exist_ok=True)
    names, seed = options.only.split(","), 1000 * options.seed
    counts, failures = dict.fromkeys(names, 0), []
    for name in names:
        # What is imported on the way is imported once, and not by each process anew.
        for content in READERS[name].seeds():
            run_reader(name, content)
    end = time.monotonic() + options.seconds
    while (left := end - time.monotonic()) > 0:
        for name in names:
            number, found = _run_apart(name, min(30.0, left / len(names)), seed, options.found)
            counts[name] += number
            seed += 1
            for problem in found:
                print(f"{name}: {problem}", flush=True)
            failures += found
        print(", ".join(f"{name} {number}" for name, number in counts.items()), flush=True)
    print(f"{sum(counts.values())} executions, {len(failures)} failures.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
