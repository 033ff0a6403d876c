"""The map of the picker: all spectra by type, and marks for what is picked, selected, added and changed."""

from dataclasses import replace

import numpy as np
from matplotlib.patches import Rectangle

from ..lines import AGN_TYPES
from ..plotting import circle_on_map, plot_map
from .canvas import screen_style
from .panels import FOOT, Panel, origin_label

# What came from elsewhere: a colour of no type and no direction.
_ADDED = "#0F7F8F"

# More rings than these are drawn smaller.
_MOST_RINGS = 600

# Room for the title above the map and the legend below it, in inches.
_ABOVE, _BELOW = 0.28, 0.62


def turn_upright(places):
    """Rotation (2, 2) that lays the longest extent of places (n, 2) along x, by a right angle at most."""
    _, _, axes = np.linalg.svd(places - places.mean(axis=0), full_matrices=False)
    along = axes[0] if axes[0, 0] >= 0 else -axes[0]
    return np.column_stack([along, [-along[1], along[0]]])


def map_aspect(places):
    """Width over height of a map that lies as `turn_upright` has it."""
    width, height = np.ptp(places @ turn_upright(places), axis=0)
    return width / height if height > 0 else 1.0


class MapPanel(Panel):
    """The map: all spectra by type at equal scales, turned so that it is wider than high.

    Places on the state's map and in this figure differ by a rotation: `to_figure` and `to_map`.
    """

    def __init__(self, figure, state, *, live=True, dark=False):
        super().__init__(figure, live=live, dark=dark)
        self.build(state)

    def build(self, state):
        """Draw everything anew, e.g. at another size or with further spectra."""
        self.clear()
        known = state.part != "added"
        self._turn = turn_upright(state.places[known])
        places = self.to_figure(state.places)
        with screen_style(dark=self.dark):
            self.ax = self._add_axes(0.05, _BELOW, 0.05, _ABOVE)
            self._draw_map(state, places, known)
            self._add_marks()
            self._write(-0.06, -0.05, origin_label(state.survey), **{**FOOT, "color": self.theme.muted})
        # Before the first drawing places must be where they will be drawn.
        self.ax.apply_aspect()

    def to_figure(self, places):
        """Places (n, 2) of the state's map as they lie in this figure."""
        return np.asarray(places) @ self._turn

    def to_map(self, places):
        """Places (n, 2) in this figure as they lie on the state's map."""
        return np.asarray(places) @ self._turn.T

    def _draw_map(self, state, places, known):
        shown = replace(state.spectrum_map, coordinates=places[known])
        plot_map(shown, state.label[known], alpha=0.9 if self.dark else 0.85, ax=self.ax)
        wrong = state.wrong[known[state.wrong]]
        if len(wrong):
            # So many rings that they would hide the map become points.
            size = 24 * min(1, _MOST_RINGS / len(wrong))
            label = f"misclassified ({len(wrong)}{', gaps bridged' if state.n_waiting else ''})"
            circle_on_map(shown, wrong, label=label, size=size, ax=self.ax)
        if not known.all():
            look = {"s": 70, "marker": "*", "color": _ADDED, "edgecolor": self.theme.ground, "linewidth": 0.5}
            label = f"added ({np.sum(~known)})"
            self.ax.scatter(*places[~known].T, label=label, zorder=5, **look)
        self.ax.margins(0.03)
        self._fit_legend()

    def _fit_legend(self):
        """The legend in one row below the map, or in two where one is too long."""
        old = self.ax.get_legend()
        entries = old.legend_handles, [text.get_text() for text in old.get_texts()]
        handles, labels = self.ax.get_legend_handles_labels()
        by_label = dict(zip(labels, handles))
        entries = [by_label[label] for label in entries[1]], entries[1]
        if "added" in labels[-1]:
            entries[0].append(handles[-1])
            entries[1].append(labels[-1])
        look = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.01), "handletextpad": 0.1}
        for columns in (len(labels), -(-len(labels) // 2)):
            legend = self.ax.legend(*entries, ncols=columns, columnspacing=1.0, markerscale=1.3, **look)
            if legend.get_window_extent().width < self.figure.bbox.width:
                break
        for handle in legend.legend_handles:
            handle.set_alpha(1)

    def _add_marks(self):
        ax, hidden, theme = self.ax, {"visible": False}, self.theme
        ring = {"marker": "o", "facecolor": "none"}
        # Over all that is not selected; what is selected is drawn again, on top.
        veil = Rectangle((0, 0), 1, 1, transform=ax.transAxes, color=theme.ground, alpha=0.8, linewidth=0)
        veil.set(zorder=5.5, **hidden)
        self._veil = ax.add_patch(veil)
        self._selected = {}
        for name in ("", *AGN_TYPES):
            look = {"color": theme.muted, "marker": "."}
            if name:
                look = {"color": AGN_TYPES[name].colour, "marker": AGN_TYPES[name].marker}
            self._selected[name] = ax.scatter([], [], s=13, linewidth=0, zorder=6, **look, **hidden)
        arrow = {"arrowstyle": "-|>", "color": theme.ink, "linewidth": 1.2, "shrinkA": 5, "shrinkB": 0}
        self._moved = ax.annotate("", (0, 0), (0, 0), arrowprops=arrow, zorder=9, **hidden)
        self._rings = [
            ax.scatter([], [], s=110, **ring, edgecolor=colour, linewidth=width, zorder=zorder)
            for colour, width, zorder in ((theme.ground, 4, 7), (theme.ink, 1.8, 8))
        ]
        for artist in (self._veil, *self._selected.values(), self._moved, *self._rings):
            self.add_changing(artist)

    def update(self, state, shown):
        """Put the marks where they belong."""
        rows = state.selection
        self._veil.set_visible(len(rows) > 0)
        for name, drawn in self._selected.items():
            mine = rows[state.label[rows] == name]
            drawn.set_visible(len(mine) > 0)
            drawn.set_offsets(self.to_figure(state.places[mine]))
        place = self.to_figure(state.places[state.row])
        for ring in self._rings:
            ring.set_offsets([place])
            ring.set_visible(not state.shows_selection)
        self._moved.set_visible(shown.place is not None)
        if shown.place is not None:
            self._moved.xy, self._moved.xyann = self.to_figure(shown.place), place

    def zoom(self, x, y, factor):
        """Let the map show `factor` times as much about a place that stays where it is."""
        (left, right), (bottom, top) = self.ax.get_xlim(), self.ax.get_ylim()
        self.ax.set_xlim(x + factor * (left - x), x + factor * (right - x))
        self.ax.set_ylim(y + factor * (bottom - y), y + factor * (top - y))

    def pixels_per_unit(self):
        """Pixels of the screen that a step of 1 takes along x and y, (2,) array."""
        corners = self.ax.transData.transform([(0, 0), (1, 1)])
        return np.abs(corners[1] - corners[0])
