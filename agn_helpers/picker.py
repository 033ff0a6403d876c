"""The state of the spectrum picker: what is picked, selected, changed, and whose probability is explained."""

import numpy as np

from .errors import AgnError
from .lines import AGN_TYPES
from .picker_shown import show_selection, show_spectrum, tabulate_lines
from .picker_spectra import MappedSpectra
from .what_if import Change, change_spectrum


class PickerState(MappedSpectra):
    """Spectra on a map, the one that is picked, those that are selected, and a change that is tried out.

    Parameters
    ----------
    sample, model, spectrum_map, split
        As for `picker_spectra.MappedSpectra`; the model must have exact gradients.

    Attributes
    ----------
    row : int
        The picked spectrum; at first the one that the classifier is least sure about.
    selection : (n_selected,) array of int
    shows_selection : bool
        Whether the selection is on view and not the picked spectrum.
    change : what_if.Change
    target : str or None
        Whose probability is explained; None for the most probable class.
    """

    def __init__(self, sample, model, spectrum_map, *, split=None):
        super().__init__(sample, model, spectrum_map, split=split)
        self.row = int(np.argmin(self.probability.max(axis=1)))
        self.selection = np.array([], dtype=int)
        self.shows_selection = False
        self.change, self.target = Change(), None

    def pick(self, name):
        """Pick the spectrum of this name, see `find`, without any change."""
        self._pick_row(self.find(name))

    def step(self, steps):
        """Pick the spectrum so many steps on, in the selection where there is one; ends meet."""
        rows = self.selection if len(self.selection) else np.arange(len(self.name))
        at = np.searchsorted(rows, self.row)
        # From outside the selection the first step forward leads to the next of its rows.
        outside = at == len(rows) or rows[at] != self.row
        self._pick_row(int(rows[(at + steps - (outside and steps > 0)) % len(rows)]))

    def select(self, names):
        """Select the spectra of these names and show what they have in common; none to end the selection."""
        self._select_rows([self.find(name) for name in ([names] if isinstance(names, str) else names)])

    def select_inside(self, inside):
        """Select the spectra where `inside`, a function of (n, 2) places, is True; AgnError for none."""
        rows = np.flatnonzero(inside(self.places))
        if not len(rows):
            raise AgnError("the lasso holds no spectrum; draw it around some points.")
        self._select_rows(rows)

    def what_if(self, **changes):
        """Change the picked spectrum; what is not named stays as it was, see `what_if.Change`."""
        unknown = sorted(set(changes) - set(vars(self.change)))
        if unknown:
            known = ", ".join(vars(self.change))
            raise AgnError(f"a change must be one of {known}; got {unknown[0]!r}.")
        change = Change(**{**vars(self.change), **changes})
        self._changed(change)
        self.change, self.shows_selection = change, False

    def reset(self):
        """Take every change back."""
        self.change = Change()

    def explain_class(self, target):
        """Explain the probability of this class; None: of the most probable one.  AgnError for no class."""
        if target is not None and target not in self.classes:
            raise AgnError(f"the target must be one of {', '.join(self.classes)}; got {target!r}.")
        self.target = target

    def show(self):
        """What there is to see now, with the exact gradient as its map: `picker_shown.Shown`."""
        if self.shows_selection:
            return show_selection(self, self.selection, target=self.target)
        return show_spectrum(self, self.row, *self.spectrum(), target=self.target)

    def show_selected(self):
        """Show what the selection has in common again; AgnError where nothing is selected."""
        if not len(self.selection):
            raise AgnError("nothing is selected; drag around points of the map first.")
        self.shows_selection = True

    def spectrum(self, *, changed=True):
        """Flux and ivar, (n_grid,) each, of the picked spectrum, as changed or as it was."""
        return self._changed(self.change if changed else Change())

    def line_statistics(self, shown):
        """Table of line statistics of what is `Shown`, see `picker_shown.tabulate_lines`."""
        return tabulate_lines(shown, self.grid)

    def summarise(self, shown):
        """What is `Shown` in a line of text: the probability of each class, and the name."""
        names = [name for name in AGN_TYPES if name in self.classes]
        values = [f"{name} {shown.probability[self.classes.index(name)]:.3f}" for name in names]
        change = "" if self.change.is_nothing else f" with {self.change.describe()}"
        return f"{', '.join(values)}: {shown.name}{change}"

    def _changed(self, change):
        return change_spectrum(
            self.grid,
            self.X[self.row],
            self.ivar[self.row],
            change,
            normalisation=self.model.meta.get("normalisation", "window"),
        )

    def _pick_row(self, row):
        self.row, self.shows_selection, self.change = row, False, Change()

    def _select_rows(self, rows):
        self.selection = np.unique(np.asarray(rows, dtype=int))
        self.shows_selection, self.change = len(self.selection) > 0, Change()
