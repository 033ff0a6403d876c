"""SpectrumPicker: a map to point at, and what moved the classifier in the spectrum that is picked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import AgnError
from ..runs import run_folders
from .exports import draw_picker, name_export, write_export
from .front_end import close_former, forget, front_end_listens, remember
from .session import describe_files, write_code
from .state import PickerState, read_run
from .tasks import ExplainTask

if TYPE_CHECKING:
    import pandas as pd
    from astropy.table import Table
    from matplotlib.figure import Figure

    from ..classifier import TrainedModel
    from ..maps import SpectrumMap


logger = logging.getLogger(__name__)


class SpectrumPicker:
    """Point at a spectrum on the map and see what moved the classifier; ask what would change its mind.

    In a notebook with a front end this is a widget, elsewhere a figure.  What the mouse does, the methods
    below do too, and the widget follows.  What cannot be done is said in the widget, which stays as it was;
    where there is no widget, it is an AgnError.

    Parameters
    ----------
    sample : astropy.table.Table
        The reduced sample, on the model's grid.
    model : TrainedModel
    spectrum_map : SpectrumMap
        With a place for every spectrum of the sample.
    split : astropy.table.Table, optional
        ``name, part``: who was trained on and who is in the test.
    folder : path
        Where exports go.
    size : {"auto", "compact", "wide", "large"}
        Of the widget: as wide as there is room, or 850, 1120 and 1480 pixels.
    front_end : bool, optional
        Whether there is a front end that shows widgets; found out by default.
    problem : AgnError, optional
        Why there is nothing to pick from; it takes the place of what cannot be read.

    Attributes
    ----------
    state : PickerState or None
        What is picked, selected and changed; None where the arguments do not fit together.
    shown : Shown or None
        What is on view.
    run : (str, path or None) or None
        Name and root of the run that was opened.
    """

    def __init__(
        self,
        sample: Table,
        model: TrainedModel,
        spectrum_map: SpectrumMap,
        *,
        split: Table | None = None,
        folder: str | PathLike = ".",
        size: str = "auto",
        front_end: bool | None = None,
        problem: AgnError | None = None,
    ) -> None:
        self.state: Any = None
        self.shown: Any = None
        self.view, self._task = None, None
        self.run: Any = None
        self.added: list[tuple] = []
        self._listeners: list[Callable[[], None]] = []
        self.folder = Path(folder)
        front_end = front_end_listens() if front_end is None else front_end
        try:
            if problem is not None:
                raise problem
            self.state = PickerState(sample, model, spectrum_map, split=split)
            self.shown = self.state.show()
        except AgnError as error:
            if not front_end:
                raise
            problem = error
        if front_end:
            # A figure alone need not wait for ipywidgets.
            from .view import PickerView

            close_former()
            self.view = PickerView(self, self.state, folder=folder, size=size, problem=problem)
            remember(self)
            self._follow()

    @classmethod
    def open_run(cls, run, *, root=None, size="auto", front_end=None):
        """A picker of what the notebooks wrote for a run; exports go to ``figures/<run>/picker``.

        run, root : see `agn_helpers.runs.run_folders`
        size, front_end : as for the class
        """
        folder = run_folders(run, root=root).figures / "picker"
        try:
            parts = read_run(run, root=root)._asdict()
        except AgnError as error:
            parts = {"sample": None, "model": None, "spectrum_map": None, "problem": error}
        picker = cls(**parts, folder=folder, size=size, front_end=front_end)
        picker.run = (run, root)
        return picker

    def pick(self, name: str) -> None:
        """Pick a spectrum by its name, or a part of it that no other name has."""
        self._do(lambda state: state.pick(name))

    def step(self, steps: int) -> None:
        """Pick the spectrum so many steps on, within the selection where there is one."""
        self._do(lambda state: state.step(steps))

    def pick_near(self, x: float, y: float, *, scale: tuple[float, float] = (1.0, 1.0)) -> None:
        """Pick the spectrum nearest to a place on the map; distances along x and y count `scale` times."""
        self._do(lambda state: state.pick_near(x, y, scale=scale))

    def pick_end(self, which: int) -> None:
        """Pick the first (0) or the last (-1) of the spectra that `step` goes through."""
        self._do(lambda state: state.pick_end(which))

    def arrange(self, *, order: str | None = None, keep: str | None = None) -> None:
        """Choose in which order, and through which of the spectra, `step` goes.

        order : str, a key of `agn_helpers.picker.ORDERS`, such as "least certain"
        keep : str, a key of `agn_helpers.picker.FILTERS`, such as "misclassified"
        """
        slow = {"slow": lambda view: view.name_work(arranged=(order, keep))}
        self._do(lambda state: state.begin_order(order=order, keep=keep), **slow)

    @property
    def selection(self) -> pd.DataFrame:
        """The selected spectra: a pandas.DataFrame with their types, probabilities, redshifts.

        Its index holds the names.  It can be set to names, or to a frame of that kind, e.g. rows of this one.
        """
        return self.state.tabulate(self.state.selection)

    @selection.setter
    def selection(self, names: Any) -> None:
        if hasattr(names, "columns"):
            names = names["name"] if "name" in names.columns else names.index
        self.select([str(name) for name in names])

    def select(self, names: Iterable[str]) -> None:
        """Select spectra by their names and show their mean; an empty list ends the selection."""
        names = [names] if isinstance(names, str) else list(names)
        self._do(lambda state: state.select(names), slow=lambda view: view.name_work(rows=len(names)))

    def select_inside(self, inside: Callable[[np.ndarray], np.ndarray]) -> None:
        """Select the spectra where `inside`, a function of (n, 2) places, is True."""
        slow = {"slow": lambda view: view.name_work(rows=int(inside(self.state.places).sum()))}
        self._do(lambda state: state.select_inside(inside), **slow)

    def show_selection(self) -> None:
        """Show the mean of the selection again."""
        self._do(lambda state: state.show_selected())

    def what_if(self, **changes: float) -> None:
        """Change the picked spectrum.

        broad_hbeta_flux, broad_hbeta_width, broad_hbeta_shift, slope, noise : float
            See `SpectrumChange`; what is not named stays as it was.
        """
        self._do(lambda state: state.what_if(**changes))

    def reset(self) -> None:
        """Take every change back."""
        self._do(lambda state: state.reset())

    def what_would_turn(self) -> Table | None:
        """The smallest changes that turn the type of the picked spectrum, as it was observed.

        A table of ``concept, amount, unit, turns_to``, see `agn_helpers.audit.what_would_turn`; an amount is
        NaN where none in the concept's range turns it.
        """
        found = []

        def find(state):
            found.append(state.what_would_turn())

        done = self._do(find, refresh=False, slow=lambda view: "looking for what turns the type")
        if done and self.view:
            self._say(self.state.summarise(self.shown))
        return found[0] if found else None

    def try_concept(self, concept: str, amount: float) -> None:
        """Let the picked spectrum have more of a concept of the audit, e.g. ``"broad Hβ", 12.0``."""
        self._do(lambda state: state.try_concept(concept, amount))

    def mark_lines(self, lines: Any) -> None:
        """Mark lines of one's own: a mapping of names to rest wavelengths (vacuum Å), or pairs of these."""
        self._do(lambda state: state.mark_lines(lines))

    def try_redshift(self, redshift: float | None) -> None:
        """Mark all lines as for another redshift of the picked spectrum; None for its own."""
        self._do(lambda state: state.try_redshift(redshift))

    def code(self) -> str:
        """Lines of Python that make this view again."""
        return write_code(self)

    def explain(
        self,
        *,
        method: str | None = None,
        target: str | None = None,
        of: str | None = None,
        smooth: float | None = None,
        fade: bool = False,
    ) -> None:
        """Choose how the spectrum is explained.

        Parameters
        ----------
        method : str, optional
            One of `METHODS`; the exact gradient by default.
        target : str, optional
            Class whose probability is explained; the most probable one by default.
        of : str, optional
            The number that is explained: "log_p" (by default), "p", "log_odds" or "margin"; the last two do
            not saturate where the classifier is certain.
        smooth : float, optional
            Width in km/s of a running mean over the map.
        fade : bool
            Grey where the map is nearer to zero than twice its uncertainty.
        """
        self._do(lambda state: state.explain(method=method, target=target, of=of, smooth=smooth, fade=fade))

    def add_spectra(self, files: Any, *, redshift: float | None = None) -> Table | None:
        """Put spectra from files on the map, and show the first of them.

        files : path or sequence of paths, see `read_spectra`; or a mapping of names to contents (bytes)
        redshift : float, of spectra whose files tell none

        Returns the table of what was rejected, ``name, file, reason``; None where nothing could be read.
        """
        rejected = []

        def add(state):
            rows, table = state.add_spectra(files, redshift=redshift)
            rejected.append(table)
            if not len(rows):
                raise AgnError(table["reason"][0] if len(table) else "there was no spectrum to add.")
            state.begin_with(rows)

        done = self._do(add, slow=lambda view: "reading and placing on the map")
        if done:
            self.added.append((describe_files(files), redshift))
        if self.view and rejected:
            self.view.show_added(self.state, rejected[0], anything=done)
        return rejected[0] if rejected else None

    def export(
        self, kind: str = "png", *, folder: str | PathLike | None = None, path: str | PathLike | None = None
    ) -> Path | None:
        """Write what is shown to a file and return its path, or None where that failed.

        kind : {"png", "pdf", "svg", "csv", "txt"}
            The spectrum's summary page, as image or document; its flux and attribution as a table; the names
            of the selection.
        folder : path
            `folder` of the picker by default.
        path : path, optional
            The file itself, instead of a name made from what is shown.
        """
        if self.state is None:
            return None
        target = Path(path or Path(folder or self.folder) / name_export(self.shown, kind))
        if not self._do(lambda state: write_export(state, self.shown, kind, target), refresh=False):
            return None
        self._say(f"written: {target}")
        return target

    def draw(self) -> Figure:
        """The view as one figure, a matplotlib Figure that belongs to no window."""
        return draw_picker(self.state, self.shown)

    def line_statistics(self) -> Any:
        """Statistics of the lines in what is shown, a row a line; see `measure_lines`."""
        return self.state.line_statistics(self.shown)

    def close(self) -> None:
        """Close the widget, its figures and its observers; a running explanation is given up."""
        self.give_up()
        if self.view:
            self.view.close()
            self.view = None
        forget(self)

    def give_up(self) -> None:
        """Give up the explanation that is under way; the gradient stays on view."""
        if self._task:
            self._task.give_up()
            self._task = None
            if self.view:
                self.view.show_progress(None)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call a function after every change of what is shown."""
        self._listeners.append(listener)

    def follow(self, other: Any) -> None:
        """Show what another picker's state shows, as far as its spectra are here."""
        self._do(lambda state: state.follow(other))

    def _do(self, action, *, refresh=True, slow=None):
        """Act on the state and show what follows; True where that went well; `slow` words a wait."""
        if self.state is None:
            return False
        try:
            with self.view.computing(slow(self.view) if slow else "") if self.view else nullcontext():
                action(self.state)
                if refresh:
                    self.shown = self.state.show()
        except Exception as error:
            if not self.view:
                raise
            if not isinstance(error, AgnError):
                logger.exception("the picker met something unforeseen")
            self._say(error, kind="error")
            # A slider may stand where the state did not follow.
            self.view.show_controls(self.state, self.shown)
            return False
        if refresh:
            self._follow()
        return True

    def _say(self, text, *, kind="info"):
        if self.view:
            self.view.say(text, kind=kind)

    def _show(self):
        """Have the view show the state; the message comes last, when all else is on the page."""
        if self.view:
            self.view.show(self.state, self.shown)
            self._say(self.state.summarise(self.shown))

    def _follow(self):
        """Show what the state is now, and begin what takes longer."""
        if self.state is None:
            return
        self.give_up()
        self._show()
        for listener in self._listeners:
            listener()
        if self.state.method == "gradient" or self.state.shows_selection:
            return
        options = {"method": self.state.method, "of": self.state.of, "target": self.shown.target}
        if self.state.method == "smoothgrad":
            options["ivar"] = self.shown.ivar
        self._task = ExplainTask(self.state.model, self.shown.flux, on_done=self._take, **options)
        if self.view:
            self.view.show_progress(self._task)
        self._task.run()

    def _take(self, attribution, error):
        """Take over what the task found."""
        self._task = None
        if self.view:
            self.view.show_progress(None)
        if error is not None:
            if not self.view:
                raise error
            self._say(error, kind="error")
            return
        found, noise = {"method": attribution.method}, attribution.uncertainty
        found["uncertainty"] = None if noise is None else noise[0]
        self.shown = self.shown._replace(attribution=attribution.values[0], **found)
        self._show()

    def _repr_mimebundle_(self, **options):
        if self.view:
            return self.view.page._repr_mimebundle_(**options)
        image = BytesIO()
        self.draw().savefig(image, format="png")
        return {"image/png": image.getvalue(), "text/plain": repr(self)}

    def __repr__(self):
        return f"<SpectrumPicker: {self.shown.name if self.shown else 'nothing to show'}>"
