"""Where words and numbers go so that they do not overlap."""

import numpy as np
from scipy.optimize import isotonic_regression


def spread_out(positions, widths, *, low=-np.inf, high=np.inf):
    """Move intervals on a line apart, by the least squares of their moves, keeping their order.

    Parameters
    ----------
    positions : (n,) array
        Wanted centres, increasing.
    widths : (n,) array
        Full widths.
    low, high : float
        Ends between which all must stay where there is room.

    Returns
    -------
    (n,) array
        Centres of intervals that do not overlap.
    """
    positions, widths = np.asarray(positions, dtype=float), np.asarray(widths, dtype=float)
    # Without the room that all before it need, each centre must merely not fall behind its predecessor.
    room = np.concatenate([[0], np.cumsum(0.5 * (widths[1:] + widths[:-1]))])
    moved = isotonic_regression(positions - room).x
    return np.clip(moved, low + 0.5 * widths[0], high - room[-1] - 0.5 * widths[-1]) + room


def step_aside(anchors, *, radius, steps=300):
    """Places near points for discs that overlap neither each other nor the points, where there is room.

    Parameters
    ----------
    anchors : (n, 2) array
        The points.
    radius : float
        Of the discs, in the same unit.
    steps : int
        Rounds of pushing.

    Returns
    -------
    (n, 2) array
        Centres of the discs.
    """
    anchors = np.asarray(anchors, dtype=float)
    # Away from the crowd first; the golden angle parts those that would go the same way.
    angle = np.arange(len(anchors)) * np.pi * (3 - 5**0.5)
    outward = anchors - anchors.mean(axis=0) + 1e-3 * np.column_stack([np.cos(angle), np.sin(angle)])
    places = anchors + 2 * radius * outward / np.linalg.norm(outward, axis=1, keepdims=True)
    for _ in range(steps):
        push = 0.02 * (anchors - places)
        for others, distance in ((places, 2.3 * radius), (anchors, 1.7 * radius)):
            away = places[:, None] - others[None]
            length = np.linalg.norm(away, axis=2)
            overlap = np.clip(distance - length, 0, None) / np.where(length > 0, length, 1)
            push += 0.3 * np.einsum("ij,ijk->ik", overlap, away)
        places = places + push
    return places
