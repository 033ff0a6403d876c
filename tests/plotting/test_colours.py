"""Colours: each says one thing, on white and on black, to colour-blind eyes and in grey print."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgb, to_rgba

from agn_helpers.lines import AGN_TYPES
from agn_helpers.maps import SpectrumMap, SpectrumScaler
from agn_helpers.plotting import (
    GREY,
    LOWERS,
    RAISES,
    SALIENCY_COLOURS,
    SALIENCY_ON_DARK,
    plot_curves,
    plot_map,
    plot_method_scores,
)

SCORE_ENDS = ("_low", "_high", "_min", "_max")

# Full severity, Machado, Oliveira & Fernandes (2009), on linear RGB.
EYES = {
    "normal": np.eye(3),
    "deuteranopia": np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]),
    "protanopia": np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]),
    "tritanopia": np.array([[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]]),
}
TYPES = [look.colour for look in AGN_TYPES.values()]
BRIGHT = [SALIENCY_ON_DARK(share) for share in (0.15, 0.85)]


def linear(colour):
    """Linear RGB of a colour (IEC 61966-2-1)."""
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIE L*a*b* (D65) of linear RGB."""
    matrix = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.clip(rgb, 0, 1) @ np.transpose(matrix) / [0.9505, 1, 1.089]
    x, y, z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def distance(one, other, eye):
    """CIE 1976 distance of two colours; some 2.3 can just be noticed."""
    seen = [lab(np.clip(EYES[eye] @ linear(colour), 0, 1)) for colour in (one, other)]
    return np.linalg.norm(seen[0] - seen[1])


def contrast(one, other):
    """Contrast of two colours (WCAG 2.1), 1 to 21."""
    bright, dark = sorted((linear(c) @ [0.2126, 0.7152, 0.0722] for c in (one, other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def on_white(colour):
    """What a colour with its opacity looks like on white paper."""
    *rgb, alpha = to_rgba(colour)
    return np.array(rgb) * alpha + 1 - alpha


def test_marks_show_on_paper_with_the_opacity_that_they_are_drawn_with():
    y = np.repeat(list(AGN_TYPES), 4)
    places = np.random.default_rng(0).normal(size=(12, 2))
    spectrum_map = SpectrumMap(places, np.ones((12, 4)), y, 30.0, SpectrumScaler(), 0)
    share = np.linspace(0, 1, 5)
    curves = pd.DataFrame(
        {f"method {k}": share * k for k in range(1, 10)} | {"random order": share}, index=share
    )
    scores = {f"{column}{end}": [0.5] for column in ("r", "r_scaled") for end in ("", *SCORE_ENDS)}
    drawn = [plot_map(spectrum_map, y), plot_curves(curves)]
    drawn.append(plot_method_scores(pd.DataFrame(scores, index=["one"]), null=0.4))
    marks = [
        *(to_rgba(line.get_color(), line.get_alpha()) for ax in drawn for line in ax.lines),
        *(colour for ax in drawn for each in ax.collections for colour in each.get_facecolor()),
    ]
    plt.close("all")
    assert len(marks) > 15
    assert {
        to_hex(mark): round(contrast(on_white(mark), "white"), 2)
        for mark in marks
        if contrast(on_white(mark), "white") < 3
    } == {}


@pytest.mark.parametrize("eye", EYES)
def test_types_stay_apart_and_so_do_directions(eye):
    for one, other in itertools.combinations(TYPES, 2):
        assert distance(one, other, eye) > 40, (one, other)
    for pair in ((RAISES, LOWERS), BRIGHT):
        assert distance(*pair, eye) > 35


@pytest.mark.parametrize("eye", EYES)
def test_no_direction_is_the_colour_of_a_type(eye):
    # The pair of before was as near as 5 and 7.
    for one, other in itertools.product(TYPES, (RAISES, LOWERS, *BRIGHT)):
        assert distance(one, other, eye) > (29 if eye == "normal" else 19), (one, other)


def test_marks_have_a_contrast_of_three_and_words_more():
    for colour in TYPES:
        assert contrast(colour, "white") >= 3 and contrast(colour, "#111111") >= 3
    for colour in (RAISES, LOWERS, GREY):
        assert contrast(colour, "white") >= 4.45
    for colour in BRIGHT:
        assert contrast(colour, "#111111") >= 4.5


@pytest.mark.parametrize(("colours", "sign"), [(SALIENCY_COLOURS, -1), (SALIENCY_ON_DARK, 1)])
def test_in_grey_print_strength_is_darkness_or_on_a_dark_ground_brightness(colours, sign):
    grey = np.array([lab(linear(colour))[0] for colour in colours(np.linspace(0, 1, 201))])
    assert np.all(sign * np.diff(grey[100:]) > 0) and np.all(sign * np.diff(grey[:101]) < 0)
    # Neither direction looks stronger than the other by half of its strength.
    strength = sign * (grey - grey[100])
    assert np.all(strength[:80][::-1] < 2 * strength[121:]) and np.all(
        strength[121:] < 2 * strength[:80][::-1]
    )
