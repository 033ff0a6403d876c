"""The picker on a page, as a user sees it, and what tests ask of it."""

import base64
import io
import itertools
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from .conftest import ROOT, Server

# What a browser takes at most, in milliseconds, on a busy machine.
PATIENCE = 60_000

# The page reports the mouse every 33 ms; in seconds.
_QUIET = 0.15

# An image that the kernel sent is decoded before it is drawn; those that are not yet are kept in a set.
_WATCH_IMAGES = """
  window.undrawn = new Set();
  const source = Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, "src");
  Object.defineProperty(HTMLImageElement.prototype, "src", {...source, set(url) {
    window.undrawn.add(this);
    for (const event of ["load", "error"])
      this.addEventListener(event, () => window.undrawn.delete(this), {once: true});
    source.set.call(this, url);
  }});
"""

# After two frames the page has drawn what it had; how many images it is still to draw.
_DRAW = """() => new Promise(resolve =>
  requestAnimationFrame(() => requestAnimationFrame(() => resolve(window.undrawn.size))))"""


class KernelTraffic:
    """Messages between a page and its kernel, of which some may be under way."""

    def __init__(self, page):
        self.pending, self.last = set(), time.monotonic()
        page.on("websocket", self._watch)

    def _watch(self, socket):
        if "/channels" in socket.url:
            socket.on("framesent", self._sent)
            socket.on("framereceived", self._received)

    def _sent(self, payload):
        channel, header, _, _ = read_frame(payload)
        self.last = time.monotonic()
        if channel == "shell":
            self.pending.add(header["msg_id"])

    def _received(self, payload):
        _, header, parent, content = read_frame(payload)
        self.last = time.monotonic()
        if header["msg_type"] == "status" and content["execution_state"] == "idle":
            self.pending.discard(parent.get("msg_id"))


def read_frame(payload):
    """Channel, header, parent header and content of a message (v1.kernel.websocket.jupyter.org, or JSON)."""
    if isinstance(payload, str):
        message = json.loads(payload)
        return message["channel"], message["header"], message["parent_header"], message["content"]
    places = np.frombuffer(payload, "<u8", 1 + int.from_bytes(payload[:8], "little"))[1:]
    parts = [payload[start:end] for start, end in itertools.pairwise(places)]
    return parts[0].decode(), *(json.loads(parts[k]) for k in (1, 2, 4))


class Page:
    """The picker on a page, as a user sees it."""

    def __init__(self, page):
        self.page, self.traffic = page, KernelTraffic(page)
        page.add_init_script(_WATCH_IMAGES)
        self.picker = page.locator(".agn-picker")
        self.canvases = self.picker.locator(".jupyter-matplotlib-canvas-div")

    def wait(self):
        """Wait until both figures are drawn."""
        self.page.wait_for_selector(".agn-picker .jupyter-matplotlib-canvas-div canvas", timeout=PATIENCE)
        self.page.wait_for_function(
            "[...document.querySelectorAll('.agn-picker canvas')].filter(c => c.width > 300 && "
            "c.getContext('2d').getImageData(c.width >> 1, 20, 1, 1).data[3] > 0).length >= 2",
            timeout=PATIENCE,
        )
        self.picker.evaluate("element => element.scrollIntoView()")
        self.settle()

    def settle(self):
        """Wait until the kernel has answered all that the page asked, and the page has drawn the answers."""
        self.traffic.last = time.monotonic()
        end = self.traffic.last + PATIENCE / 1000
        while (
            self.traffic.pending or self.page.evaluate(_DRAW) or self.traffic.last + _QUIET > time.monotonic()
        ):
            assert time.monotonic() < end, "the page does not come to rest."
            self.page.wait_for_timeout(20)

    def image(self, number):
        """What a canvas shows; 0 is the map, 1 the spectrum."""
        url = self.canvases.nth(number).locator("canvas").first.evaluate("canvas => canvas.toDataURL()")
        return Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB")

    def wait_for_change(self, number, before):
        """Wait until a canvas shows something else, and all is at rest; returns what it shows."""
        end = time.monotonic() + PATIENCE / 1000
        while (now := self.image(number)).size == before.size and difference(now, before) == 0:
            assert time.monotonic() < end, "the picture stays as it is."
            self.page.wait_for_timeout(50)
        self.settle()
        return self.image(number)

    def message(self):
        return self.picker.locator(".agn-message").inner_text()

    def name(self):
        return self.picker.get_by_placeholder("name, or a part of it").input_value()

    def place(self, figure, x_y):
        """Where a place on the map (reference's pixels) is on the page."""
        box = self.canvases.nth(0).locator("canvas").first.bounding_box()
        return box["x"] + x_y[0], box["y"] + figure.bbox.height - x_y[1]

    def room(self):
        """What the page told the kernel of itself last."""
        told = self.picker.locator(".agn-signal input").input_value()
        rooms = [signal for signal in json.loads(told or "[]") if signal["kind"] == "room"]
        return rooms[-1] if rooms else None

    def match(self, reference):
        """Give the reference the room that this page has."""
        room = self.picker.evaluate(
            """root => {
              const within = root.closest(".jp-WindowedPanel-outer, .jp-Notebook") ||
                document.documentElement;
              return {width: root.clientWidth, height: Math.min(innerHeight, within.clientHeight),
                      dark: root.classList.contains("agn-dark")};
            }"""
        )
        reference.view._act({"kind": "room", **room})
        for figure in (reference.view.controls.map_figure, reference.view.controls.spectrum_figure):
            figure.canvas.draw()

    def say(self, words):
        """Wait until the message holds `words`."""
        self.page.wait_for_function(
            "words => document.querySelector('.agn-message').innerText.includes(words)",
            arg=words,
            timeout=PATIENCE,
        )
        self.settle()

    def type_name(self, text):
        box = self.picker.get_by_placeholder("name, or a part of it")
        box.fill(text)
        box.press("Enter")

    def drag(self, path):
        """Move the mouse along places of the page with its button held."""
        self.page.mouse.move(*path[0])
        self.page.mouse.down()
        for x, y in path[1:]:
            self.page.mouse.move(x, y, steps=8)
            # The front end reports where the mouse is every 33 ms.
            self.page.wait_for_timeout(60)
        self.page.mouse.up()

    def choose(self, words, value):
        self.picker.locator(".widget-dropdown", has_text=words).locator("select").select_option(value)
        self.settle()


def pixels_of(reference, rows):
    """Where rows are on the map, in the reference's pixels."""
    panel = reference.view.map
    return panel.ax.transData.transform(panel.to_figure(reference.state.places[rows]))


def picture_of(reference):
    """What the reference shows of the spectrum."""
    canvas = reference.view.controls.spectrum_figure.canvas
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def difference(one, other):
    """Share of pixels that differ visibly."""
    assert one.size == other.size
    # Letters may stand a fraction of a pixel elsewhere, as matplotlib remembers their widths.
    one, other = (np.asarray(image.filter(ImageFilter.GaussianBlur(2)), dtype=int) for image in (one, other))
    return np.mean(np.abs(one - other).max(axis=2) > 24)


def check_layout(page):
    """Nothing in the picker is clipped or lies on something else."""
    problems = page.evaluate(
        """() => {
          const picker = document.querySelector(".agn-picker");
          const room = picker.closest(".jp-OutputArea-output, body").getBoundingClientRect();
          const kinds = ".widget-button, .widget-dropdown, .widget-combobox, .widget-slider, " +
            ".widget-checkbox, .agn-message, .jupyter-matplotlib-canvas-div, " +
            ".widget-toggle-buttons, .widget-tab, .widget-text";
          const shown = [...picker.querySelectorAll(kinds)].filter(e => e.offsetParent && e.offsetWidth);
          const problems = [], name = e => e.className + ": " + e.innerText.slice(0, 30);
          for (const e of shown) {
            const box = e.getBoundingClientRect();
            if (box.right > room.right + 1 || box.left < room.left - 1)
              problems.push("outside: " + name(e));
            for (let at = e.parentElement; at && at !== picker; at = at.parentElement) {
              const edge = at.getBoundingClientRect();
              if (getComputedStyle(at).overflowX !== "visible" && box.right > edge.right + 1)
                problems.push("cut off: " + name(e));
            }
            for (const label of [e, ...e.querySelectorAll("button, .widget-label, td, th")])
              if (!label.matches(".widget-tab, .widget-slider") && label.scrollWidth > label.clientWidth + 1)
                problems.push("clipped: " + name(label));
            for (const other of shown) {
              const it = other.getBoundingClientRect();
              if (e !== other && !e.contains(other) && !other.contains(e) &&
                  Math.min(box.right, it.right) - Math.max(box.left, it.left) > 2 &&
                  Math.min(box.bottom, it.bottom) - Math.max(box.top, it.top) > 2)
                problems.push("overlap: " + name(e) + " / " + name(other));
            }
          }
          const all = picker.getBoundingClientRect();
          const within = picker.closest(".jp-WindowedPanel-outer, .jp-Notebook") || document.documentElement;
          if (all.width > 700 && all.height > within.clientHeight + 2)
            problems.push("higher than what is seen: " + all.height + " of " + within.clientHeight);
          const small = [...picker.querySelectorAll("*")].filter(e => e.children.length == 0 && e.innerText &&
            parseFloat(getComputedStyle(e).fontSize) < 11);
          return problems.concat(small.map(e => "small letters: " + name(e)));
        }"""
    )
    assert not problems, problems


def check_accessibility(page, scope="body"):
    """axe-core finds no serious violation of WCAG 2.1 AA; skips where there is no axe-core."""
    places = (Path(os.environ.get("AGN_AXE", "")), ROOT / "node_modules/axe-core/axe.min.js")
    script = next((path for path in places if path.is_file()), None)
    if script is None:
        pytest.skip("there is no axe-core; name its axe.min.js in AGN_AXE, or npm install axe-core")
    # As a script tag it would be refused by pages that allow none.
    page.evaluate(script.read_text(encoding="utf-8"))
    found = page.evaluate(
        "scope => axe.run(scope, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']})", scope
    )
    serious = [
        (each["id"], [node["html"][:160] for node in each["nodes"]][:4])
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]
    assert not serious, serious
    assert len(found["passes"]) > 10


def watch(page):
    """Errors of a page's console, as they come."""
    complaints = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return complaints


def explore(folder, *, run, log):
    """A Server that `agn explore` started in a project."""

    def command(server):
        program = "import sys; from agn_helpers.cli.app import main; sys.exit(main())"
        call = ["explore", "--run", run, "--no-browser", f"--port={server.port}"]
        return [sys.executable, "-c", program, *call]

    return Server(command, folder=folder, log=log)
