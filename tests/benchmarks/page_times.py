"""Wall times that a user of the picker's page meets, on a machine that does nothing else.

Usage: python -m tests.benchmarks.page_times [--root PROJECT] [--run NAME]

It starts `agn explore` on a finished run, opens the page in Chromium (AGN_CHROMIUM), clicks points of the map
and moves the mouse over others.  Times are taken within the page, from the event of the mouse to the last
picture that is painted on a canvas and to the words that change; medians are printed beside what is promised.
"""

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from agn_helpers.picker import SpectrumPicker

from ..browser.conftest import _CHROMIUM_OPTIONS, CHROMIUM, ROOT
from ..browser.pages import PATIENCE, Page, explore
from . import at_most

_N_PLACES = 15

# Seconds without a new picture after which all is there.
_QUIET = 0.6

# When the mouse did something last, when a canvas was painted last, and when words changed last.
_CLOCK = """() => {
  const picker = document.querySelector(".agn-picker");
  window.agnTimes = {};
  for (const kind of ["mouseup", "mousemove"])
    addEventListener(kind, () => { window.agnTimes[kind] = performance.now(); }, true);
  const paint = CanvasRenderingContext2D.prototype.drawImage;
  CanvasRenderingContext2D.prototype.drawImage = function (...all) {
    paint.apply(this, all);
    window.agnTimes.painted = performance.now();
  };
  new MutationObserver(() => {
    const now = performance.now();
    window.agnTimes.said = now;
    const tag = picker.querySelector(".agn-tag");
    if (tag && tag.innerText !== window.agnTag) window.agnTimes.named = now;
    window.agnTag = tag ? tag.innerText : "";
  }).observe(picker, {subtree: true, childList: true, characterData: true});
}"""


def main():
    """Print the times; exit with 1 where one is longer than promised."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.page_times")
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--run", default="synthetic")
    options = parser.parse_args()
    reference = SpectrumPicker.open_run(options.run, root=options.root, front_end=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(_CHROMIUM_OPTIONS))
        server = explore(options.root, run=options.run, log=Path(folder) / "log.txt")
        try:
            rows = measure(server, browser, reference)
        finally:
            server.stop(signal.SIGINT)
            browser.close()
    for row in rows:
        print(f"{row.name:52} {row.value:8.3g} {row.unit:3} {row.target:9} {'yes' if row.reached else 'NO'}")
    return int(not all(row.reached for row in rows))


def measure(server, browser, reference):
    """Rows of the times of a page: until it is shown, from a click to its pictures, until a name is there."""
    server.wait("/")
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    shown = Page(page)
    began = time.monotonic()
    page.goto(server.address(), timeout=2 * PATIENCE)
    page.wait_for_selector(".agn-picker .jupyter-matplotlib-canvas-div canvas", timeout=2 * PATIENCE)
    shown.wait()
    opened = time.monotonic() - began
    page.wait_for_timeout(1000)
    shown.match(reference)
    page.evaluate(_CLOCK)
    figure, panel = reference.view.controls.map_figure, reference.view.map
    rows = np.random.default_rng(0).integers(0, len(reference.state.name), 2 * _N_PLACES)
    pixels = panel.ax.transData.transform(panel.to_figure(reference.state.places[rows]))
    places = [shown.place(figure, place) for place in pixels]
    clicks, words, names = [], [], []
    for place in places[:_N_PLACES]:
        page.mouse.move(*place)
        page.wait_for_timeout(200)
        page.mouse.click(*place)
        times = wait(page, "painted")
        clicks.append(times["painted"] - times["mouseup"])
        words.append(times["said"] - times["mouseup"])
    for place in places[_N_PLACES:]:
        page.mouse.move(*shown.place(figure, (2, 2)))
        page.wait_for_timeout(300)
        page.mouse.move(*place)
        times = wait(page, "said")
        if times.get("named", 0) > times["mousemove"]:
            names.append(times["named"] - times["mousemove"])
    page.context.close()
    return [
        at_most("page of agn explore, asked for until it is drawn", opened, 6, "s"),
        at_most("click until the last picture is painted, median", np.median(clicks), 300, "ms"),
        at_most("click until all words are there, median", np.median(words), 300, "ms"),
        at_most(f"mouse on a point until its name, median of {len(names)}", np.median(names), 50, "ms"),
    ]


def wait(page, kind):
    """The times once nothing has happened for a while."""
    end = time.monotonic() + PATIENCE / 1000
    while True:
        page.wait_for_timeout(1000 * _QUIET)
        times, now = page.evaluate("[window.agnTimes, performance.now()]")
        if now - max(times.get(kind, 0), times["mousemove"]) > 1000 * _QUIET or time.monotonic() > end:
            return times


if __name__ == "__main__":
    sys.exit(main())
