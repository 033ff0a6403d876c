"""The state of the spectrum picker: what is picked, selected, changed, and whose probability is explained."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from astropy.table import Table

from ..audit import CONCEPTS, inject_concept
from ..classifier import TrainedModel, load_model
from ..errors import AgnError
from ..files import read_table
from ..lines import AGN_TYPES
from ..maps import SpectrumMap, read_map
from ..reduction import SpectrumChange, perturb_spectrum, read_sample
from ..saliency import METHODS, NUMBERS
from .doubts import judge_spectra
from .mapped_spectra import MappedSpectra
from .ordering import FILTERS, ORDERS, find_sequence, rank_rows, step_from
from .run_files import find_run
from .shown import show_selection, show_spectrum, tabulate_lines

# Spectra that are judged at once.
_BLOCK = 512


class PickerInput(NamedTuple):
    """The arguments of `PickerState`."""

    sample: Table
    model: TrainedModel
    spectrum_map: SpectrumMap
    split: Table


def read_run(run, *, root=None):
    """Read the sample, the model, the map and the split of a run; see `find_run`.  Returns PickerInput."""
    paths = find_run(run, root=root)
    return PickerInput(
        sample=read_sample(paths["sample"], mapped=True),
        model=load_model(paths["model"]),
        spectrum_map=read_map(paths["spectrum_map"], mapped=True),
        split=_read_split(paths["split"]),
    )


def _read_split(path):
    split = read_table(path)
    if not {"name", "part"} <= set(split.colnames):
        has = ", ".join(split.colnames)
        raise AgnError(f"{path} must have columns name and part; it has {has}. Run notebook 02 again.")
    return split


class PickerState(MappedSpectra):
    """Spectra on a map, the one that is picked, those that are selected, and a change that is tried out.

    Parameters
    ----------
    sample, model, spectrum_map, split
        As for `MappedSpectra`; the model must have exact gradients.

    Attributes
    ----------
    row : int
        The picked spectrum; at first the one that the classifier is least sure about.
    selection : (n_selected,) array of int
    shows_selection : bool
        Whether the selection is on view and not the picked spectrum.
    change : SpectrumChange
    concept : (str, float) or None
        A key of `agn_helpers.audit.CONCEPTS` and its amount, which the spectrum has more of.
    order, keep : str
        Keys of `ORDERS` and `FILTERS`: what `step` goes through.
    lines : list of (str, float)
        The user's own lines: names and rest wavelengths in vacuum Å.
    trial_redshift : float or None
        Where lines are marked as for another redshift than the spectrum was reduced with.
    target : str or None
        Whose probability is explained; None for the most probable class.
    method, of, smooth, fade
        How it is explained, see `explain`.
    """

    def __init__(self, sample, model, spectrum_map, *, split=None):
        super().__init__(sample, model, spectrum_map, split=split)
        self.row = int(np.argmin(self.probability.max(axis=1)))
        self.selection = np.array([], dtype=int)
        self.shows_selection = False
        self.change, self.concept, self.trial_redshift = SpectrumChange(), None, None
        self.order, self.keep, self.lines, self._doubts = "as in the file", "all", [], None
        self.explain()

    def pick(self, name):
        """Pick the spectrum of this name, see `find`, without any change."""
        self.pick_row(self.find(name))

    def pick_row(self, row):
        """Pick the spectrum of this row, without any change."""
        self.row, self.shows_selection, self.trial_redshift = int(row), False, None
        self.reset()

    def pick_near(self, x, y, *, scale=(1.0, 1.0)):
        """Pick the spectrum nearest to a place on the map, see `find_near`."""
        self.pick_row(self.find_near(x, y, scale=scale)[0])

    def step(self, steps):
        """Pick the spectrum so many steps on in the `sequence`; ends meet."""
        self.pick_row(step_from(rank_rows(self, self.order), self._require_sequence(), self.row, steps))

    def pick_end(self, which):
        """Pick the first (0) or the last (-1) spectrum of the `sequence`."""
        self.pick_row(self._require_sequence()[which])

    @property
    def sequence(self):
        """Rows that `step` goes through: those to keep, of the selection where there is one, in order."""
        return find_sequence(self, self.order, self.keep)

    def _require_sequence(self):
        sequence = self.sequence
        if not len(sequence):
            where = " of the selection" if len(self.selection) else ""
            raise AgnError(f"no spectrum{where} is {self.keep!r}; choose another filter.")
        return sequence

    def arrange(self, *, order=None, keep=None):
        """Choose in which order, and which of the spectra, `step` goes through; None is as before."""
        order, keep = order or self.order, keep or self.keep
        for what, value, known in (("order", order, ORDERS), ("keep", keep, FILTERS)):
            if value not in known:
                raise AgnError(f"{what} must be one of {', '.join(known)}; got {value!r}.")
        self.order, self.keep = order, keep

    def begin_order(self, *, order=None, keep=None):
        """As `arrange`, and pick the first; where nothing is kept all are stepped through, and AgnError."""
        self.arrange(order=order, keep=keep)
        if not len(self.sequence):
            self.arrange(keep="all")
            raise AgnError(f"no spectrum is {keep!r}; all are stepped through.")
        if not self.shows_selection and (order or self.row not in self.sequence):
            self.pick_end(0)

    def begin_with(self, rows):
        """Pick the first of some spectra and select them, for `step` to go through them."""
        self.select(self.name[rows] if len(rows) > 1 else [])
        self.pick_row(rows[0])

    def follow(self, other):
        """Show what another state shows, as far as its spectra are here."""
        here = np.isin(other.name[other.selection], self.name)
        self.select([str(name) for name in other.name[other.selection][here]])
        if not other.shows_selection or not len(self.selection):
            self.pick(str(other.name[other.row]))
        self.change, self.concept = other.change, other.concept
        self.lines, self.order, self.keep = other.lines, other.order, other.keep
        target = other.target if other.target in self.classes else None
        self.explain(method=other.method, target=target, of=other.of, smooth=other.smooth, fade=other.fade)

    def judge_all(self):
        """Types and doubts of all spectra, see `judge_spectra`; seconds at first, then remembered."""
        if self._doubts is None or len(self._doubts) != len(self.name):
            blocks = np.array_split(np.arange(len(self.name)), -(-len(self.name) // _BLOCK))
            self._doubts = judge_spectra(self.model, map(self.as_sample, blocks))
        return self._doubts

    def judge(self, shown):
        """Types and doubts of what is `Shown`: a row of `judge_spectra`, None for a selection."""
        if self.shows_selection:
            return None
        return judge_spectra(self.model, [self.as_sample([self.row], flux=shown.flux[None])])[0]

    def what_would_turn(self):
        """What turns the predicted type of the picked spectrum; see `agn_helpers.audit.what_would_turn`."""
        return self.model.what_would_turn(self.as_sample([self.row]))

    def try_concept(self, concept, amount):
        """Let the picked spectrum have more of a concept of `agn_helpers.audit`, and no other change."""
        if concept not in CONCEPTS:
            raise AgnError(f"concept must be one of {', '.join(CONCEPTS)}; got {concept!r}.")
        self.reset()
        self.concept, self.shows_selection = (concept, float(amount)), False

    def mark_lines(self, lines):
        """Mark lines of one's own: a mapping of names to rest wavelengths in vacuum Å, or pairs of these."""
        pairs = lines.items() if hasattr(lines, "items") else lines
        checked = []
        for name, wavelength in pairs:
            if not (np.isfinite(wavelength) and wavelength > 0):
                raise AgnError(f"a line must have a wavelength in Å; got {wavelength} for {name!r}.")
            checked.append((str(name), float(wavelength)))
        self.lines = checked

    def try_redshift(self, redshift):
        """Mark lines as for another redshift of the picked spectrum; None for its own."""
        if redshift is not None and not (np.isfinite(redshift) and redshift > -1):
            raise AgnError(f"redshift must be greater than -1; got {redshift}.")
        self.trial_redshift = redshift

    @property
    def line_shift(self):
        """By which rest wavelengths are multiplied where lines are marked."""
        known = self.redshift[self.row]
        if self.trial_redshift is None or self.shows_selection or not np.isfinite(known):
            return 1.0
        return (1 + self.trial_redshift) / (1 + known)

    def tabulate(self, rows):
        """What is known of some spectra: a pandas.DataFrame whose index holds their names."""
        columns = {"type": self.label[rows], "predicted": self.predicted[rows]}
        for key in (name for name in AGN_TYPES if name in self.classes):
            columns[f"P({key})"] = self.probability[rows, self.classes.index(key)]
        columns |= {"redshift": self.redshift[rows], "part": self.part[rows]}
        return pd.DataFrame(columns, index=pd.Index(self.name[rows], name="name"))

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
        """Change the picked spectrum; what is not named stays as it was, see `SpectrumChange`."""
        unknown = sorted(set(changes) - set(vars(self.change)))
        if unknown:
            known = ", ".join(vars(self.change))
            raise AgnError(f"a change must be one of {known}; got {unknown[0]!r}.")
        change = SpectrumChange(**{**vars(self.change), **changes})
        self._changed(change)
        self.change, self.shows_selection, self.concept = change, False, None

    def reset(self):
        """Take every change back."""
        self.change, self.concept = SpectrumChange(), None

    def explain(self, *, method=None, target=None, of=None, smooth=None, fade=False):
        """Choose how the spectrum is explained; see `SpectrumPicker.explain`."""
        method = method or "gradient"
        if method not in METHODS:
            raise AgnError(f"method must be one of {', '.join(METHODS)}; got {method!r}.")
        if target is not None and target not in self.classes:
            raise AgnError(f"the target must be one of {', '.join(self.classes)}; got {target!r}.")
        of = of or "log_p"
        if of not in NUMBERS:
            raise AgnError(f"of must be one of {', '.join(NUMBERS)}; got {of!r}.")
        self.method, self.target, self.of = method, target, of
        self.smooth, self.fade = smooth or None, bool(fade)

    def show(self):
        """What there is to see now, with the exact gradient as its map: `Shown`."""
        if self.shows_selection:
            shown = show_selection(self, self.selection, target=self.target, of=self.of)
        else:
            self.complete([self.row])
            flux, ivar = self._changed(self.change)
            change = "" if self.change.is_nothing else self.change.describe()
            if self.concept is not None:
                concept, amount = self.concept
                flux = inject_concept(flux[None], self.grid, concept, amount)[0]
                change = f"{concept} {amount:+.3g} {CONCEPTS[concept].unit}"
            shown = show_spectrum(self, self.row, flux, ivar, target=self.target, of=self.of)
            if change:
                shown = shown._replace(change=change, unchanged=self.X[self.row])
        return shown._replace(smooth=self.smooth, fade=self.fade)

    def show_selected(self):
        """Show what the selection has in common again; AgnError where nothing is selected."""
        if not len(self.selection):
            raise AgnError("nothing is selected; drag around points of the map first.")
        self.shows_selection = True

    def line_statistics(self, shown):
        """Table of line statistics of what is `Shown`, see `tabulate_lines`."""
        return tabulate_lines(shown, self.grid)

    def summarise(self, shown):
        """What is `Shown` in a line of text: the probability of each class, and the name."""
        names = [name for name in AGN_TYPES if name in self.classes]
        values = [f"{name} {shown.probability[self.classes.index(name)]:.3f}" for name in names]
        return f"{', '.join(values)}: {shown.name}{f' with {shown.change}' if shown.change else ''}"

    def _changed(self, change):
        return perturb_spectrum(
            self.grid,
            self.X[self.row],
            self.ivar[self.row],
            change,
            normalisation=self.model.normalisation,
        )

    def _select_rows(self, rows):
        self.selection = np.unique(np.asarray(rows, dtype=int))
        self.shows_selection = len(self.selection) > 0
        self.reset()
