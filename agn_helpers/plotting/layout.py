"""Words of a figure that are cut off or lie on one another, found by the renderer's own boxes."""

import itertools

from matplotlib.text import Text

# Pixels of overlap that no reader notices.
_TOLERANCE = 1.5


def find_collisions(figure):
    """Words that leave a figure, and pairs of words that overlap.

    Parameters
    ----------
    figure : Figure

    Returns
    -------
    list of str
        A line a problem; empty where every word can be read.
    """
    figure.draw_without_rendering()
    words = [(text, Text.get_window_extent(text)) for text in _list_texts(figure)]
    # What the layout could give no room is outside, too.
    edge = figure.bbox.padded(_TOLERANCE)
    problems = [
        f"cut off: {text.get_text()!r}"
        for text, box in words
        if not (edge.x0 <= box.x0 and box.x1 <= edge.x1 and edge.y0 <= box.y0 and box.y1 <= edge.y1)
    ]
    for (one, first), (other, second) in itertools.combinations(words, 2):
        # The boxes of slanted words say little.
        if one.get_rotation() % 90 and other.get_rotation() % 90:
            continue
        wide = min(first.x1, second.x1) - max(first.x0, second.x0)
        high = min(first.y1, second.y1) - max(first.y0, second.y0)
        if min(wide, high) > _TOLERANCE:
            problems.append(f"overlap: {one.get_text()!r} and {other.get_text()!r}")
    return problems


def _list_texts(figure):
    """Texts that are drawn: visible ones with words, of ticks those within the limits."""
    idle = set()
    for ax in figure.findobj(lambda artist: hasattr(artist, "get_xaxis")):
        for axis, limits in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
            low, high = sorted(limits)
            margin = 1e-9 * (high - low)
            hidden = not (ax.get_visible() and ax.axison and axis.get_visible())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if hidden or not low - margin <= tick.get_loc() <= high + margin:
                    idle.update((tick.label1, tick.label2))
            if hidden:
                idle.update((axis.label, axis.offsetText))
    return [
        text
        for text in figure.findobj(Text)
        if text not in idle and text.get_visible() and text.get_text().strip()
    ]
