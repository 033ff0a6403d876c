"""The spectrum picker on a page: figures and controls that follow the state and tell it what was done."""

import asyncio
from contextlib import contextmanager, suppress

import numpy as np

from ..plotting import say_method
from ..spectra import list_sky_pages
from .actions import PageActions
from .canvas import screen_style
from .controls import PickerControls, message_box
from .doubts import Badge, list_badges
from .map_panel import MapPanel, map_aspect
from .markup import (
    badges_html,
    links_html,
    message_html,
    rejected_html,
    selection_html,
    statistics_html,
)
from .ordering import NEED_DOUBTS
from .panels import SpectrumPanel, shift_lines

# Rows of a table on the page.
_MOST_ROWS = 200

# Spectra in a selection that take a moment.
_MANY = 400


class PickerView(PageActions):
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
        self._room, self._heard, self._inside, self._later = {"width": 850, "height": 700}, 0, False, None
        self._sorted, self._descending = "", False
        self._connect()
        self.controls.folder.value = str(folder)

    # What the page shows.

    def show(self, state, shown):
        """Show what is picked, selected and changed."""
        self._state, self._shown = state, shown
        with screen_style(dark=self.map.dark):
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
        self.say(f"{say_method(task.method)}: {words}, {task.seconds:.0f} s; the gradient is shown, dim")
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
