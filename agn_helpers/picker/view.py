"""The spectrum picker on a page: figures and controls that follow the state and tell it what was done."""

import asyncio
import json
import re
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from matplotlib.path import Path as Outline

from ..errors import AgnError
from ..spectra import list_sky_pages
from .canvas import MapLasso
from .controls import PickerControls, message_box
from .doubts import Badge, list_badges
from .map_panel import MapPanel, map_aspect
from .markup import (
    badges_html,
    code_html,
    links_html,
    matches_html,
    message_html,
    readout_html,
    rejected_html,
    selection_html,
    statistics_html,
    tag_html,
    turns_html,
)
from .ordering import NEED_DOUBTS
from .panels import SpectrumPanel, shift_lines

# Nearer than this to a point, in pixels of the page, the mouse has it named.
_HOVER = 9

# Rows of a table and names of a list on the page.
_MOST_ROWS, _MOST_MATCHES = 200, 24

# Widths that differ by less are the same: a scroll bar comes and goes.
_STEADY = 18

# Seconds without a turn of the wheel after which the lower spectrum is drawn anew.
_PAUSE = 0.08

# Spectra in a selection that take a moment.
_MANY = 400


class PickerView:
    """The widget of a picker: it calls the picker's methods, and shows what it is told.

    Parameters
    ----------
    picker : SpectrumPicker
        Its methods are called.
    state : PickerState or None
        Spectra on a map.
    folder : path
        Where exports go until another folder is typed.
    size : str
        A key of `SIZES`.
    problem : AgnError
        Why there is no state; it is all that is shown then.

    Attributes
    ----------
    page : ipywidgets widget
        To be displayed.
    controls : PickerControls
    map : MapPanel
    spectrum : SpectrumPanel
    """

    def __init__(self, picker, state, *, folder, size, problem=None):
        self._picker, self._quiet, self._task, self._connections = picker, False, None, []
        self._state, self._shown = state, None
        if state is None:
            self.controls, self.page = None, message_box(str(problem))
            return
        known = state.part != "added"
        aspect = map_aspect(state.places[known])
        self.controls = PickerControls(state.name, state.classes, size=size, aspect=aspect)
        self.page = self.controls.page
        self.map = MapPanel(self.controls.map_figure, state)
        self.spectrum = SpectrumPanel(self.controls.spectrum_figure, state)
        self._room, self._heard, self._inside, self._later = {"width": 850, "height": 800}, 0, False, None
        self._sorted, self._descending = "", False
        self._connect()
        self.controls.folder.value = str(folder)

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
            controls.redshift: picker.try_redshift,
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

    # What the page shows.

    def show(self, state, shown):
        """Show what is picked, selected and changed."""
        self._state, self._shown = state, shown
        self.map.update(state, shown)
        self.map.refresh()
        self.spectrum.update(shown, lines=shift_lines(state.lines, state.line_shift))
        self.spectrum.refresh()
        self.show_controls(state, shown)
        with self._quietly():
            self.controls.search.value = str(state.name[state.row])
        self.controls.matches.value = ""
        self._show_doubts(state, shown)
        self._show_table(state)

    def show_controls(self, state, shown):
        """Set the controls as the state is; what was typed into the search stays."""
        controls = self.controls
        with self._quietly():
            for name, slider in controls.sliders.items():
                value = getattr(state.change, name)
                slider.min, slider.max = min(slider.min, value), max(slider.max, value)
                slider.value = value
            controls.method.value, controls.target.value = state.method, state.target or ""
            controls.number.value, controls.order.value, controls.keep.value = (
                state.of,
                state.order,
                state.keep,
            )
            controls.smooth.value, controls.fade.value = int(state.smooth or 0), state.fade
            redshift = state.redshift[state.row]
            if np.isfinite(redshift):
                slider, known = controls.redshift, state.trial_redshift
                slider.min, slider.max = min(slider.min, redshift - 0.05), max(slider.max, redshift + 0.05)
                slider.value = float(redshift if known is None else known)
            controls.own_lines.value = "; ".join(f"{name} {place:g}" for name, place in state.lines)
            controls.statistics.value = statistics_html(state.line_statistics(shown), target=shown.target)

    def _show_doubts(self, state, shown):
        judged = state.judge(shown)
        badges = [] if judged is None else list_badges(judged)
        if shown.change:
            badges.append(Badge(f"what if: {shown.change}", "Reset takes it back.", "change"))
        self.controls.badges.value = badges_html(badges)
        one = judged is not None
        pages = list_sky_pages(state.ra[state.row], state.dec[state.row]) if one else {}
        self.controls.links.value = links_html(pages)
        if shown.name != getattr(self, "_turned", shown.name):
            self.controls.turns.value = ""

    def _show_table(self, state):
        frame = state.tabulate(state.selection)
        if self._sorted:
            by = frame.index if self._sorted == "name" else frame[self._sorted]
            order = np.argsort(np.asarray(by), kind="stable")
            frame = frame.iloc[order[::-1] if self._descending else order]
        self.controls.selected.value = selection_html(
            frame[:_MOST_ROWS], sorted_by=self._sorted, descending=self._descending, total=len(frame)
        )

    @contextmanager
    def _quietly(self):
        """Within it, controls that change call no method."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def say(self, text, *, kind="info"):
        """Show a line of text; `kind` is "info" or "error"."""
        self.controls.message.value = message_html(text, kind=kind)

    @contextmanager
    def computing(self, what):
        """Within it, the page says that something takes a moment, and the old view is dim."""
        if self.controls is None or not what:
            yield
            return
        self.say(f"{what} …")
        self.page.add_class("agn-busy")
        try:
            yield
        finally:
            if self.controls is not None:
                self.page.remove_class("agn-busy")

    def name_work(self, *, rows=0, arranged=()):
        """What takes a moment, in words, or ""."""
        if rows > _MANY:
            return f"computing the mean of {rows} spectra"
        return "judging all spectra" if set(arranged) & set(NEED_DOUBTS) else ""

    def show_progress(self, task):
        """Show how far an ExplainTask is, again and again until it is another one; None: there is none."""
        self._task = task
        self.controls.cancel.layout.display = "none" if task is None else ""
        if task is None:
            self.page.remove_class("agn-explaining")
        else:
            self.page.add_class("agn-explaining")
            self._tick(task)

    def _tick(self, task):
        if task is not self._task or self.controls is None:
            return
        words = f"{task.n_classified} spectra classified" if task.n_classified else "under way"
        self.say(
            f"{task.method.replace('_', ' ')}: {words}, {task.seconds:.0f} s; the gradient is shown, dim"
        )
        # Without a loop the task is done at once.
        with suppress(RuntimeError):
            asyncio.get_running_loop().call_later(0.3, self._tick, task)

    def show_added(self, state, rejected, *, anything):
        """Draw the map with further spectra on it, and say which files were no use."""
        self.controls.rejected.value = rejected_html(rejected)
        if anything:
            self.controls.offer(state.name)
            self._rebuild()
            if len(rejected):
                self.say(f"{len(rejected)} not used; the reasons are under Own spectra.", kind="error")

    def close(self):
        """Close all widgets and figures; no callback is left."""
        self._task = None
        if self.controls is None:
            self.page.close()
            return
        for canvas, connection in self._connections:
            canvas.mpl_disconnect(connection)
        self._lasso.disconnect_events()
        self.map.close()
        self.spectrum.close()
        self.controls.close()
        self.controls = None

    # What is done on the page.

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
