"""The command line, `agn`: its commands, their exit codes and their errors; the work is done elsewhere.

Exit codes: 0 all went well; 1 an error, no half-written file under a final name; 2 a wrong command line;
3 some files were rejected, missing or damaged and the others not; 130 interrupted (Ctrl-C).
"""

import signal
import sys
import threading
from importlib import metadata
from typing import Annotated

import typer

from ..errors import AgnError
from ..limits import summarise_error
from .bulk_commands import summarise_folder
from .classify import classify_files
from .fetch import check_folder, fetch_list
from .inspect import inspect_spectrum, print_formats
from .messages import report
from .reproduce import explore_run, report_run, reproduce_run

# Numpy and all else are imported where they are used: help, and errors of typing, should not wait for them.
app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)

app.command("fetch")(fetch_list)
app.command("check")(check_folder)
app.command("reproduce")(reproduce_run)
app.command("report")(report_run)
app.command("classify")(classify_files)
app.command("summarise")(summarise_folder)
app.command("explore")(explore_run)
app.command("formats")(print_formats)
app.command("inspect")(inspect_spectrum)


def main(argv=None):
    """Run a command line (that of the process by default) and return its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler and _in_main_thread():
        signal.signal(signal.SIGINT, _interrupt_once)
    try:
        app(argv, prog_name="agn")
    except AgnError as error:
        # Only unforeseen failures of a notebook's cell come with one.
        if getattr(error, "traceback", ""):
            print(error.traceback, file=sys.stderr)
        report("error", error)
        return 1
    except (MemoryError, OSError) as error:
        # What the machine does not give is nobody's mistake in the code, and a traceback would not help.
        report("error", f"{summarise_error(error)}; free some memory, files or space, and try again.")
        return 1
    except SystemExit as stop:
        return _say_interrupted() if stop.code == 130 else stop.code or 0
    except KeyboardInterrupt:
        return _say_interrupted()
    return 0


def _interrupt_once(number, frame):
    """Interrupt; a second one, in the middle of tidying up, would break locks that are held."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _in_main_thread():
    """Where alone signals can be set."""
    return threading.current_thread() is threading.main_thread()


def _say_interrupted():
    # Who is impatient from here on ends the process at once, without a traceback of its last breath.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    report("interrupted", "every file under its final name is whole; the rest was not written.")
    return 130


def _print_version(wanted: bool):
    if wanted:
        print(metadata.version("agn-helpers"))
        raise typer.Exit


@app.callback()
def _explain_program(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
):
    """Which parts of a galaxy's spectrum made a classifier predict a type 1, type 2 or intermediate AGN?"""
