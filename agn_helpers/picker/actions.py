"""What is done on the page of the picker, by mouse, keys and controls, and what the picker is told of it."""

import asyncio
import json
import re
from pathlib import Path

from matplotlib.path import Path as Outline

from ..errors import AgnError
from .canvas import MapLasso, screen_style
from .markup import code_html, matches_html, readout_html, tag_html, turns_html
from .panels import shift_lines

# Nearer than this to a point, in pixels of the page, the mouse has it named.
_HOVER = 9

# Names of a list on the page.
_MOST_MATCHES = 24

# Widths that differ by less are the same: a scroll bar comes and goes.
_STEADY = 18

# Seconds without a turn of the wheel after which the lower spectrum is drawn anew.
_PAUSE = 0.08

# Steps of the slider of redshifts are half as large.
_SAME_REDSHIFT = 2e-4


class PageActions:
    """The half of `PickerView` that hears: it calls the picker's methods, which have the other half show."""

    def _connect(self):
        controls, picker = self.controls, self._picker
        clicks = {
            controls.previous: lambda: picker.step(-1),
            controls.next: lambda: picker.step(1),
            controls.reset: picker.reset,
            controls.turn: self._find_turns,
            controls.cancel: self._cancel,
            controls.show_selection: picker.show_selection,
            controls.end_selection: lambda: picker.select([]),
            controls.add: self._add_path,
            controls.home: self._whole_map,
            controls.show_code: self._show_code,
        }
        for kind, button in controls.exports.items():
            clicks[button] = lambda kind=kind: picker.export(kind, folder=controls.folder.value)
        for button, action in clicks.items():
            button.on_click(lambda _, action=action: action())
        changes = {
            controls.search: self._search,
            controls.order: lambda value: picker.arrange(order=value),
            controls.keep: lambda value: picker.arrange(keep=value),
            controls.upload: self._add_uploaded,
            controls.size: self._resize,
            controls.drag: self._use_tool,
            controls.own_lines: self._mark_lines,
            controls.redshift: self._try_redshift,
        }
        for name, slider in controls.sliders.items():
            changes[slider] = lambda value, name=name: picker.what_if(**{name: value})
        for choice in (controls.method, controls.target, controls.number, controls.smooth, controls.fade):
            changes[choice] = self._explain
        for widget, action in changes.items():
            widget.observe(lambda change, action=action: self._quiet or action(change["new"]), "value")
        controls.signal.observe(lambda change: self._hear(change["new"]), "value")
        for canvas, handlers in (
            (controls.map_figure.canvas, {"motion_notify_event": self._hover, "scroll_event": self._zoom}),
            (
                controls.spectrum_figure.canvas,
                {
                    "motion_notify_event": self._read,
                    "scroll_event": self._look_closer,
                    "button_press_event": self._look_there,
                },
            ),
        ):
            handlers |= {"figure_enter_event": self._enter, "figure_leave_event": self._leave}
            self._connections += [
                (canvas, canvas.mpl_connect(name, handler)) for name, handler in handlers.items()
            ]
        self._throw_lasso()

    def _throw_lasso(self):
        def inside(vertices):
            outline = Outline(self.map.to_map(vertices))
            self._picker.select_inside(outline.contains_points)

        def pick(x, y):
            self._picker.pick_near(*self.map.to_map((x, y)), scale=self.map.pixels_per_unit())

        self._lasso = MapLasso(self.map, on_click=pick, on_select=inside)

    def _hear(self, text):
        """Act on signals of the page that are new; see ``page.js``."""
        try:
            signals = json.loads(text)
        except ValueError:
            return
        for signal in signals:
            if signal.get("number", 0) > self._heard:
                self._heard = signal["number"]
                self._act(signal)

    def _act(self, signal):
        picker, kind = self._picker, signal.get("kind")
        if kind == "room":
            self._take_room(signal)
        elif kind == "key":
            self._press(signal["key"])
        elif kind == "pick":
            picker.pick(signal["name"])
        elif kind == "sort":
            column = signal["column"]
            self._descending = column == self._sorted and not self._descending
            self._sorted = column
            self._show_table(self._state)
        elif kind == "try":
            picker.try_concept(signal["concept"], signal["amount"])

    def _press(self, key):
        picker, place = self._picker, self.map.to_figure(self._state.places[self._state.row])
        actions = {
            **dict.fromkeys(("ArrowRight", "ArrowDown", "n"), lambda: picker.step(1)),
            **dict.fromkeys(("ArrowLeft", "ArrowUp", "p"), lambda: picker.step(-1)),
            "Home": lambda: picker.pick_end(0),
            "End": lambda: picker.pick_end(-1),
            "+": lambda: self._zoom_about(*place, 0.8),
            "-": lambda: self._zoom_about(*place, 1.25),
            "0": self._whole_map,
            "Escape": self._escape,
            "?": lambda: setattr(self.controls.tabs, "selected_index", len(self.controls.tabs.titles) - 1),
        }
        actions.get(key, lambda: None)()

    def _escape(self):
        if len(self._state.selection):
            self._picker.select([])
        else:
            self._picker.reset()

    def _take_room(self, room):
        old, dark = self._room, bool(room.get("dark"))
        width, height = int(room["width"]), int(room["height"])
        is_same = abs(width - old["width"]) < _STEADY and abs(height - old["height"]) < _STEADY
        themed = dark != self.map.dark
        if not is_same:
            self._room = {"width": width, "height": height}
        if themed:
            self.map.dark = self.spectrum.dark = dark
        if themed or (not is_same and self.controls.size.value == "auto"):
            self._resize(self.controls.size.value)

    def _rebuild(self):
        with screen_style(dark=self.map.dark):
            self._lasso.disconnect_events()
            self.map.build(self._state)
            self.spectrum.build(self._state)
            self._throw_lasso()
            self.controls.map_figure.canvas.toolbar.update()
            for figure in (self.controls.map_figure, self.controls.spectrum_figure):
                figure.canvas.draw_idle()
            if self._shown is not None:
                self.show(self._state, self._shown)

    def _resize(self, size):
        # A figure that another thread draws keeps its size: to measure letters, matplotlib notes the pixels
        # an inch and sets them again afterwards.
        with screen_style(dark=self.map.dark):
            self.controls.set_size(size, **self._room)
            self._rebuild()

    def _use_tool(self, name):
        toolbar = self.controls.map_figure.canvas.toolbar
        # The toolbar's own functions switch to and fro.
        for tool, mode in (("zoom", "zoom rect"), ("pan", "pan/zoom")):
            if (toolbar.mode == mode) != (tool == name):
                getattr(toolbar, tool)()

    def _zoom(self, event):
        if event.inaxes is self.map.ax:
            self._zoom_about(event.xdata, event.ydata, 0.8**event.step)

    def _zoom_about(self, x, y, factor):
        self.map.zoom(x, y, factor)
        self.controls.tag.value = ""
        self.controls.map_figure.canvas.draw_idle()

    def _whole_map(self):
        self.map.ax.autoscale()
        self.controls.map_figure.canvas.draw_idle()

    def _enter(self, event):
        self._inside = True

    def _leave(self, event):
        # A movement may be told after the mouse has left.
        self._inside = False
        self.controls.tag.value = self.controls.readout.value = ""

    def _hover(self, event):
        busy = event.canvas.toolbar.mode or event.buttons or not self._inside
        row = None
        if not busy and event.inaxes is self.map.ax:
            scale = self.map.pixels_per_unit()
            x, y = self.map.to_map((event.xdata, event.ydata))
            row, distance = self._state.find_near(x, y, scale=scale)
            row = row if distance < _HOVER * event.canvas.device_pixel_ratio else None
        self._name_point(row)

    def _name_point(self, row):
        """Write a spectrum's name and type beside its point, on the page; None takes the words away."""
        if row is None:
            self.controls.tag.value = ""
            return
        state, ax = self._state, self.map.ax
        pixels = ax.transData.transform(self.map.to_figure(state.places[row]))
        across, up = ax.transAxes.inverted().transform(pixels)
        side = "below" if up > 0.8 else "above"
        side += " right" if across < 0.3 else " left" if across > 0.7 else ""
        part = f", {state.part[row]}" if state.part[row] else ""
        words = [str(state.name[row]), f"{state.label[row] or 'type unknown'}{part}"]
        if state.label[row] and state.predicted[row] != state.label[row]:
            words.append(f"predicted {state.predicted[row]}")
        self.controls.tag.value = tag_html(*self.map.page_place(*pixels), words, side=side)

    def _read(self, event):
        panel, words = self.spectrum, ""
        if self._inside and event.inaxes is not None:
            words = panel.read(event.xdata, event.inaxes, self._shown)
        if not words:
            self.controls.readout.value = ""
            return
        box = event.inaxes.bbox
        x, top = panel.page_place(event.x, box.y1)
        _, bottom = panel.page_place(event.x, box.y0)
        self.controls.readout.value = readout_html(words, x=x, top=top, height=bottom - top)

    def _look_closer(self, event):
        """The wheel widens or narrows the lower spectrum about the mouse."""
        if event.inaxes in self.spectrum.axes:
            self._look_at(event.xdata, event.inaxes, 0.8**event.step)

    def _look_there(self, event):
        """A click in the upper spectrum shows its surroundings below."""
        if event.inaxes is self.spectrum.axes[0] and event.button == 1:
            self._look_at(event.xdata, event.inaxes, 1.0)

    def _look_at(self, wavelength, ax, factor):
        low, high = self.spectrum.range
        if ax is self.spectrum.axes[1]:
            # What is under the mouse stays there.
            wavelength += (0.5 * (low + high) - wavelength) * factor
        self.spectrum.look_at(self._state, wavelength, factor)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._draw_part()
            return
        if self._later is not None:
            self._later.cancel()
        self._later = loop.call_later(_PAUSE, self._draw_part)

    def _draw_part(self):
        if self.controls is None:
            return
        state, shown = self._state, self._shown
        with screen_style(dark=self.map.dark):
            self.spectrum.build(state)
            self.spectrum.update(shown, lines=shift_lines(state.lines, state.line_shift))
            self.controls.spectrum_figure.canvas.draw_idle()

    def _search(self, text):
        rows = self._state.find_matches(text) if text.strip() else []
        if len(rows) > 1:
            names = self._state.name[rows[:_MOST_MATCHES]]
            self.controls.matches.value = matches_html(text.strip(), names, total=len(rows))
            self.say(f"{len(rows)} names hold {text.strip()!r}; choose one below.")
        elif text.strip():
            self.controls.matches.value = ""
            self._picker.pick(text)

    def _find_turns(self):
        table = self._picker.what_would_turn()
        if table is not None:
            self._turned = self._shown.name
            self.controls.turns.value = turns_html(table)

    def _show_code(self):
        self.controls.code.value = code_html(self._picker.code())

    def _mark_lines(self, text):
        try:
            lines = parse_lines(text)
        except AgnError as error:
            self.say(str(error), kind="error")
            return
        self._picker.mark_lines(lines)

    def _try_redshift(self, redshift):
        known = self._state.redshift[self._state.row]
        # The slider's own step is no other redshift; where it only echoes what is, the message stays.
        wanted = None if abs(redshift - known) < _SAME_REDSHIFT else redshift
        if wanted != self._state.trial_redshift:
            self._picker.try_redshift(wanted)

    def _explain(self, _):
        controls = self.controls
        self._picker.explain(
            method=controls.method.value,
            target=controls.target.value or None,
            of=controls.number.value,
            smooth=controls.smooth.value,
            fade=controls.fade.value,
        )

    def _cancel(self):
        self._picker.give_up()
        self.say("given up; the gradient stays on view.")

    def _add_path(self):
        path = self.controls.path.value.strip()
        if not path:
            self.say("name a file or a folder, or choose files with the button.", kind="error")
            return
        self._add([Path(path).expanduser()])

    def _add_uploaded(self, files):
        if files:
            self._add({file["name"]: bytes(file["content"]) for file in files})
            with self._quietly():
                self.controls.upload.value = ()

    def _add(self, files):
        text = self.controls.own_redshift.value.strip()
        try:
            redshift = float(text) if text else None
        except ValueError:
            self.say(f"the redshift must be a number; got {text!r}.", kind="error")
            return
        self._picker.add_spectra(files, redshift=redshift)


def parse_lines(text):
    """Pairs of a name and a wavelength (Å) from "name wavelength; name wavelength"; AgnError for others."""
    lines = []
    for entry in filter(None, (part.strip() for part in re.split(r"[;\n]", text))):
        found = re.fullmatch(r"(.*?)[\s:=]*(\d+(?:\.\d+)?)\s*(?:Å|A)?", entry)
        if not found:
            raise AgnError(
                f"a line must be a name and a wavelength in Å, as in [Fe VII] 3759.99; got {entry!r}."
            )
        lines.append((found[1] or found[2], float(found[2])))
    return lines
