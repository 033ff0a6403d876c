"""The spectrum picker on a page: figures and controls that follow the state and tell it what was done."""

import asyncio
from contextlib import contextmanager
from pathlib import Path

from matplotlib.path import Path as Outline

from .controls import (
    MapLasso,
    PickerControls,
    message_box,
    message_html,
    rejected_html,
    selection_html,
    statistics_html,
)
from .panels import MapPanel, SpectrumPanel

# Nearer than this to a point, in pixels of the page, the mouse has it named.
_HOVER = 9


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
        self.controls = PickerControls(state.name, state.classes, size=size)
        self.page = self.controls.page
        self.map = MapPanel(self.controls.map_figure, state)
        self.spectrum = SpectrumPanel(self.controls.spectrum_figure, state)
        self._connect()
        self.controls.folder.value = str(folder)

    def _connect(self):
        controls, picker = self.controls, self._picker
        clicks = {
            controls.previous: lambda: picker.step(-1),
            controls.next: lambda: picker.step(1),
            controls.reset: picker.reset,
            controls.cancel: self._cancel,
            controls.show_selection: picker.show_selection,
            controls.end_selection: lambda: picker.select([]),
            controls.add: self._add_path,
            controls.home: self._whole_map,
        }
        for kind, button in controls.exports.items():
            clicks[button] = lambda kind=kind: picker.export(kind, folder=controls.folder.value)
        for button, action in clicks.items():
            button.on_click(lambda _, action=action: action())
        changes = {
            controls.search: lambda value: value and picker.pick(value),
            controls.upload: self._add_uploaded,
            controls.size: self._resize,
            controls.drag: self._use_tool,
        }
        for name, slider in controls.sliders.items():
            changes[slider] = lambda value, name=name: picker.what_if(**{name: value})
        for choice in (controls.method, controls.target, controls.smooth, controls.fade):
            changes[choice] = self._explain
        for widget, action in changes.items():
            widget.observe(lambda change, action=action: self._quiet or action(change["new"]), "value")
        canvas = controls.map_figure.canvas
        self._connections = [
            canvas.mpl_connect("motion_notify_event", self._hover),
            canvas.mpl_connect("scroll_event", self._zoom),
            canvas.mpl_connect("figure_leave_event", lambda event: self._name_point(None)),
        ]
        self._throw_lasso()

    def _throw_lasso(self):
        self._lasso = MapLasso(
            self.map,
            on_click=lambda x, y: self._picker.pick_near(x, y, scale=self.map.pixels_per_unit()),
            on_select=lambda vertices: self._picker.select_inside(Outline(vertices).contains_points),
        )

    def show(self, state, shown):
        """Show what is picked, selected and changed."""
        self._state, self._shown = state, shown
        self.map.update(state, shown)
        self.map.refresh()
        self.spectrum.update(shown)
        self.spectrum.refresh()
        self.show_controls(state, shown)

    def show_controls(self, state, shown):
        """Set the controls as the state is, and fill the tables."""
        controls = self.controls
        with self._quietly():
            controls.search.value = str(state.name[state.row])
            for name, slider in controls.sliders.items():
                value = getattr(state.change, name)
                slider.min, slider.max = min(slider.min, value), max(slider.max, value)
                slider.value = value
            controls.method.value, controls.target.value = state.method, state.target or ""
            controls.smooth.value, controls.fade.value = int(state.smooth or 0), state.fade
            controls.statistics.value = statistics_html(state.line_statistics(shown), target=shown.target)
            controls.names.value = selection_html(state.name[state.selection])

    @contextmanager
    def _quietly(self):
        """Within it, controls that change call no method."""
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False

    def say(self, text, *, kind="info"):
        """Show a line of text; `kind` is "info" or "error"."""
        self.controls.message.value = message_html(text, kind=kind)

    def show_progress(self, task):
        """Show how far an ExplainTask is, again and again until it is another one; None: there is none."""
        self._task = task
        self.controls.cancel.layout.display = "none" if task is None else ""
        if task is not None:
            self._tick(task)

    def _tick(self, task):
        if task is not self._task or self.controls is None:
            return
        words = f"{task.n_classified} spectra classified" if task.n_classified else "under way"
        self.say(f"{task.method.replace('_', ' ')}: {words}, {task.seconds:.0f} s")
        try:
            asyncio.get_running_loop().call_later(0.3, self._tick, task)
        except RuntimeError:
            # Without a loop the task is done at once.
            return

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
        for connection in self._connections:
            self.controls.map_figure.canvas.mpl_disconnect(connection)
        self._lasso.disconnect_events()
        self.map.close()
        self.spectrum.close()
        self.controls.close()
        self.controls = None

    def _rebuild(self):
        self._lasso.disconnect_events()
        self.map.build(self._state)
        self.spectrum.build(self._state)
        self._throw_lasso()
        self.controls.map_figure.canvas.toolbar.update()
        for figure in (self.controls.map_figure, self.controls.spectrum_figure):
            figure.canvas.draw_idle()
        self.show(self._state, self._shown)

    def _resize(self, size):
        self.controls.set_size(size)
        self._rebuild()

    def _use_tool(self, name):
        toolbar = self.controls.map_figure.canvas.toolbar
        # The toolbar's own functions switch to and fro.
        for tool, mode in (("zoom", "zoom rect"), ("pan", "pan/zoom")):
            if (toolbar.mode == mode) != (tool == name):
                getattr(toolbar, tool)()

    def _zoom(self, event):
        if event.inaxes is self.map.ax:
            self.map.zoom(event.xdata, event.ydata, 0.8**event.step)
            event.canvas.draw_idle()

    def _whole_map(self):
        self.map.ax.autoscale()
        self.controls.map_figure.canvas.draw_idle()

    def _hover(self, event):
        busy = event.canvas.toolbar.mode or event.buttons
        if busy or event.inaxes is not self.map.ax:
            self._name_point(None)
            return
        scale = self.map.pixels_per_unit()
        row, distance = self._state.find_near(event.xdata, event.ydata, scale=scale)
        self._name_point(row if distance < _HOVER * event.canvas.device_pixel_ratio else None)

    def _name_point(self, row):
        if self.map.name_point(self._state, row):
            self.map.refresh()

    def _explain(self, _):
        controls = self.controls
        self._picker.explain(
            method=controls.method.value,
            target=controls.target.value or None,
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
        text = self.controls.redshift.value.strip()
        try:
            redshift = float(text) if text else None
        except ValueError:
            self.say(f"the redshift must be a number; got {text!r}.", kind="error")
            return
        self._picker.add_spectra(files, redshift=redshift)
