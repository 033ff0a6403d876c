"""`agn classify … --output DIR/` and `agn summarise DIR`: very many spectra, in folders of Parquet files."""

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from .messages import report


def classify_into_folder(files, model, output, *, workers=None, scheduler=None, restart=False, **options):
    """Classify any number of spectra into a folder; the same call goes on where an earlier one stopped.

    files : list of paths
    model : TrainedModel
    output : Path
    workers, scheduler : as of `agn_helpers.bulk.open_client`; this process does the work without them
    **options : of `agn_helpers.bulk.classify_many`

    Raises typer.Exit with 3 where some spectra were rejected.
    """
    from tqdm import tqdm

    from ..bulk import classify_many, open_client, summarise_results

    # One folder of earlier results stands by itself.
    source = files[0] if len(files) == 1 else files
    with contextlib.ExitStack() as stack:
        client = None
        if workers is not None or scheduler is not None:
            client = stack.enter_context(open_client(workers=workers, scheduler=scheduler))
            print(f"Dashboard: {client.dashboard_link}", file=sys.stderr)
        bars = []

        def show(n_done, n_all):
            if not bars:
                # What was done before does not count for the rate.
                look = {"desc": "classify", "unit": " spectra", "disable": None}
                bars.append(stack.enter_context(tqdm(total=n_all or None, initial=n_done, **look)))
            bars[0].update(n_done - bars[0].n)

        found = classify_many(
            source, model, output, client=client, resume=not restart, progress=show, **options
        )
    if found.n_before:
        print(f"{found.n_before} of {found.n_partitions} partitions were done before.", file=sys.stderr)
    _print_summary(summarise_results(output, page=False), output)
    if found.n_rejected:
        raise typer.Exit(3)


def summarise_folder(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Results of agn classify --output DIR/.")],
    number: Annotated[
        int, typer.Option(metavar="N", help="How many of the most doubtful spectra to list.")
    ] = 20,
):
    """Count what a folder of results holds, list the most doubtful, and write DIR/summary.html."""
    from ..bulk import summarise_results

    summary = summarise_results(folder, number=number)
    _print_summary(summary, folder)
    shown = ("name", "redshift", "predicted", "probability", "p_low", "novelty")
    columns = [name for name in shown if name in summary.least_certain]
    print("\nThe least certain types:")
    print(summary.least_certain[columns].to_string(index=False, float_format="{:.4g}".format))
    if len(summary.most_unlike):
        print("\nThe most unlike the training sample:")
        print(summary.most_unlike[columns].to_string(index=False, float_format="{:.4g}".format))
    print(f"\nPage: {folder / 'summary.html'}")


def _print_summary(summary, folder):
    counts = ", ".join(f"{number} {name}" for name, number in summary.counts.items()) or "none"
    print(f"{summary.n_spectra} spectra: {counts}. Results: {folder}")
    for doubt, number in summary.doubts.items():
        if number:
            print(f"{number} {doubt}.")
    if summary.n_repeated:
        print(f"{summary.n_repeated} rows repeat a name.")
    if summary.n_done < summary.n_partitions:
        report("unfinished", f"{summary.n_done} of {summary.n_partitions} partitions are done.")
    if summary.n_rejected:
        print(f"{summary.n_rejected} rejected; the reasons are in {folder / 'rejected'}:", file=sys.stderr)
        for reason, number in list(summary.reasons.items())[:5]:
            print(f"  {number} {reason}", file=sys.stderr)
