"""The spectrum picker on a page: figures and controls that follow the state and tell it what was done."""

import asyncio
import tempfile
from pathlib import Path

from matplotlib.path import Path as Outline

from .canvas import MapLasso
from .controls import (
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
    """The widget of a SpectrumPicker.

    Parameters
    ----------
    picker : SpectrumPicker
        Its methods are called, its state is shown.
    size : str
        A key of `SIZES`.
    problem : str
        Where there is no state: why; it is all that is shown.

    Attributes
    ----------
    page : ipywidgets widget
        To be displayed.
    controls : PickerControls
    map : MapPanel
    spectrum : SpectrumPanel
    """

    def __init__(self, picker, *, size, problem=""):
        self._picker, self._quiet, self._task, self._connections = picker, False, None, []
        # A folder that no message need mention, since it is gone when that is read.
        self._nowhere = "\0"
        state = picker.state
        if state is None:
            self.controls, self.page = None, message_box(problem)
            return
        self.controls = PickerControls(state.name, state.classes, size=size)
        self.page = self.controls.page
        self.map = MapPanel(self.controls.map_figure, state)
        self.spectrum = SpectrumPanel(self.controls.spectrum_figure, state)
        self._connect()
        self.controls.folder.value = str(picker.folder)

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

    def show(self):
        """Show what is picked, selected and changed."""
        picker = self._picker
        self.map.update(picker.state, picker.shown)
        self.map.refresh()
        self.spectrum.update(picker.shown, **picker.look())
        self.spectrum.refresh()
        self.show_controls()

    def show_controls(self):
        """Set the controls as the state is, and fill the tables."""
        picker, controls = self._picker, self.controls
        state = picker.state
        self._quiet = True
        try:
            controls.search.value = str(state.name[state.row])
            for name, slider in controls.sliders.items():
                value = getattr(state.change, name)
                slider.min, slider.max = min(slider.min, value), max(slider.max, value)
                slider.value = value
            controls.method.value, controls.target.value = picker.method, state.target or ""
            controls.smooth.value, controls.fade.value = int(picker.smooth or 0), picker.fade
            controls.statistics.value = statistics_html(picker.line_statistics(), target=picker.shown.target)
            controls.names.value = selection_html(state.name[state.selection])
        finally:
            self._quiet = False

    def say(self, text, *, kind="info"):
        """Show a line of text; `kind` is "info" or "error"."""
        self.controls.message.value = message_html(str(text).replace(self._nowhere, ""), kind=kind)

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
        self.say(f"{self._picker.method.replace('_', ' ')}: {words}, {task.seconds:.0f} s")
        try:
            asyncio.get_running_loop().call_later(0.3, self._tick, task)
        except RuntimeError:
            # Without a loop the task is done before anybody could look.
            return

    def show_added(self, rejected, *, anything):
        """Draw the map with further spectra on it, and say which files were no use."""
        self.controls.rejected.value = rejected_html(rejected).replace(self._nowhere, "")
        if anything:
            self.controls.offer(self._picker.state.name)
            self._rebuild()
            self.show()
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
        state = self._picker.state
        self._lasso.disconnect_events()
        self.map.build(state)
        self.spectrum.build(state)
        self._throw_lasso()
        self.controls.map_figure.canvas.toolbar.update()
        for figure in (self.controls.map_figure, self.controls.spectrum_figure):
            figure.canvas.draw_idle()

    def _resize(self, size):
        self.controls.set_size(size)
        self._rebuild()
        self.show()

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
        row, distance = self._picker.state.find_near(
            event.xdata, event.ydata, scale=self.map.pixels_per_unit()
        )
        self._name_point(row if distance < _HOVER * event.canvas.device_pixel_ratio else None)

    def _name_point(self, row):
        if self.map.name_point(self._picker.state, row):
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
        if not files:
            return
        with tempfile.TemporaryDirectory(prefix="agn-") as folder:
            paths = [Path(folder) / Path(file["name"]).name for file in files]
            for path, file in zip(paths, files):
                path.write_bytes(file["content"])
            self._nowhere = f"{folder}/"
            self._add(paths)
        self._quiet = True
        self.controls.upload.value = ()
        self._quiet = False

    def _add(self, paths):
        text = self.controls.redshift.value.strip()
        try:
            redshift = float(text) if text else None
        except ValueError:
            self.say(f"the redshift must be a number; got {text!r}.", kind="error")
            return
        self._picker.add_spectra(paths, redshift=redshift)
