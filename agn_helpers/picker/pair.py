"""Two runs side by side: what is done in one picker is done in the other, as far as it can be."""

from __future__ import annotations

from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import AgnError
from .widget import SpectrumPicker

if TYPE_CHECKING:
    import pandas as pd


class PickerPair:
    """Pickers of two runs that go together: the same spectrum, selection, change and way of explaining.

    Parameters
    ----------
    first, second : SpectrumPicker
        Spectra are known by their names; those that only one of the two has are shown there alone.

    Attributes
    ----------
    first, second : SpectrumPicker
    """

    def __init__(self, first: SpectrumPicker, second: SpectrumPicker) -> None:
        self.first, self.second, self._busy = first, second, False
        if first.state is None or second.state is None:
            raise AgnError("both pickers must have spectra; one of them could not be opened.")
        for one, other in ((first, second), (second, first)):
            one.on_change(partial(self._mirror, one, other))
        self._mirror(first, second)

    @classmethod
    def open_runs(
        cls,
        first: str,
        second: str,
        *,
        root: str | PathLike | None = None,
        size: str = "auto",
        front_end: bool | None = None,
    ) -> PickerPair:
        """Pickers of two runs; arguments as of `SpectrumPicker.open_run`."""
        options: dict[str, Any] = {"root": root, "size": size, "front_end": front_end}
        return cls(*(SpectrumPicker.open_run(run, **options) for run in (first, second)))

    def compare(self) -> pd.DataFrame:
        """What both runs say of the spectra that they share, a row each; where they differ first."""
        parts = []
        for picker in (self.first, self.second):
            state = picker.state
            parts.append(state.tabulate(np.arange(len(state.name))))
        both = parts[0].join(parts[1], how="inner", lsuffix=" (first)", rsuffix=" (second)")
        differ = both["predicted (first)"] != both["predicted (second)"]
        return both.assign(differ=differ).sort_values("differ", ascending=False, kind="stable")

    def _mirror(self, one, other):
        if self._busy:
            return
        self._busy = True
        try:
            other.follow(one.state)
        finally:
            self._busy = False

    @property
    def page(self):
        """Both widgets beside each other, where there is room, or below."""
        import ipywidgets as ipw

        half = {"flex": "1 1 700px", "min_width": "0"}
        boxes = [ipw.Box([picker.view.page], layout=half) for picker in (self.first, self.second)]
        return ipw.HBox(boxes, layout={"flex_flow": "row wrap", "grid_gap": "12px"})

    def close(self) -> None:
        """Close both."""
        self.first.close()
        self.second.close()

    def _repr_mimebundle_(self, **options):
        if self.first.view and self.second.view:
            return self.page._repr_mimebundle_(**options)
        return {"text/plain": repr(self)}

    def __repr__(self):
        return f"<PickerPair: {self.first!r}, {self.second!r}>"
