"""Spectra along wavelength: as observed, as reduced, with the lines marked; one figure a function."""

import re

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator
from scipy.optimize import isotonic_regression

from ..lines import AGN_TYPES, LINES, MARKED_LINES, SPEED_OF_LIGHT
from ..spectra import standard_deviation
from .style import DARK, GREY, apply_layout, current_theme

#: What stands at the axes of a reduced spectrum.
WAVELENGTH_LABEL = "Rest wavelength (Å, vacuum)"

#: What stands at the other axis.
FLUX_LABEL = "Flux / flux at 5100 Å"

#: Lines that spectra are marked with: the paper's, and [Ne III], which is stronger than He I beside it.
NAMED_LINES = (MARKED_LINES[0], "NeIII3869", *MARKED_LINES[1:])

# Narrow lines that may rise out of a figure so that the rest can be read.
_MAY_RUN_OUT = ("OII3727", "NeIII3869", "HeII4686", "OIII4959", "OIII5007")


# Points from a line to the middle of its name beyond which names are shortened.
_FAR = 48


def mark_lines(ax, names=NAMED_LINES, *, labels=True, shift=1.0):
    """Mark spectral lines by dashed verticals, with their names side by side above the Axes.

    Names are moved apart as little as needed and joined to their lines. Call this when the Axes has
    its final size, that is after a colour bar was added.

    Parameters
    ----------
    ax : Axes
        Wavelength in Å along x.
    names : sequence of str
        Keys of `LINES`; those outside the Axes are left out.
    labels : bool
        Whether to write the names.
    shift : float
        By which rest wavelengths are multiplied: 1 + redshift for spectra as observed.

    Returns
    -------
    Axes
    """
    low, high = ax.get_xlim()
    lines = sorted(
        (LINES[name] for name in names if low <= shift * LINES[name].wavelength <= high),
        key=lambda line: line.wavelength,
    )
    for line in lines:
        ax.axvline(shift * line.wavelength, color=GREY, linewidth=0.5, linestyle=(0, (4, 3)), zorder=0.5)
    if not (labels and lines):
        return ax

    figure = ax.get_figure(root=True)
    apply_layout(figure)
    points = 72 / figure.dpi
    at = ax.transData.transform([(shift * line.wavelength, 0) for line in lines])[:, 0]
    size = plt.rcParams["xtick.labelsize"]
    low, high = ax.bbox.x0 - 10 / points, ax.bbox.x1 + 4 / points
    names = [line.label for line in lines]
    # In a narrow or crowded Axes [O III] 5007 is known by its place.
    short = [re.sub(r" \d+$", "", name) for name in names]
    width = _measure_words(ax, names, size)
    if width.sum() > high - low:
        names, width = short, _measure_words(ax, short, size)
    places = separate_labels(at, width, low=low, high=high)
    if names != short and np.abs(places - at).max() > _FAR / points:
        names, places = short, separate_labels(at, _measure_words(ax, short, size), low=low, high=high)
    for line, name, x, place in zip(lines, names, at, places):
        ax.annotate(
            name,
            xy=(shift * line.wavelength, 1),
            xycoords=ax.get_xaxis_transform(),
            xytext=((place - x) * points, 7),
            textcoords="offset points",
            ha="center",
            va="bottom",
            size=size,
            color=current_theme().ink,
            arrowprops={
                "arrowstyle": "-",
                "color": GREY,
                "linewidth": 0.5,
                "relpos": (0.5, 0),
                "shrinkA": 0,
                "shrinkB": 0,
            },
            annotation_clip=False,
        )
    return ax


def _measure_words(ax, words, size):
    """Widths of words in pixels, with a gap of 4 points each."""
    texts = [ax.text(0, 0, word, size=size) for word in words]
    widths = np.array([text.get_window_extent().width for text in texts])
    for text in texts:
        text.remove()
    return widths + 4 * ax.figure.dpi / 72


def flux_limits(wavelength, *fluxes):
    """Limits that clear the continuum and the Balmer lines; higher lines run out, unless hardly higher."""
    flux = np.vstack([np.atleast_2d(flux) for flux in fluxes])
    inside = np.ones(len(wavelength), dtype=bool)
    for name in _MAY_RUN_OUT:
        inside &= np.abs(LINES[name].velocity(wavelength)) > 1500
    if not inside.any():
        inside[:] = True
    low, high = np.percentile(flux[:, inside], [0.1, 99.5])
    hbeta = flux[:, np.abs(LINES["Hbeta"].velocity(wavelength)) < 1500]
    high = max(high, hbeta.max(initial=high))
    if flux.max() < low + 1.4 * (high - low):
        high = flux.max()
    margin = 0.07 * (high - low)
    return low - margin, high + margin


def find_cut_lines(wavelength, flux, top):
    """Where (Å) the flux comes back below `top`, and how high it was: a pair for each line that runs out."""
    cut = np.flatnonzero(flux > top)
    # What is nearer than 4000 km/s gets one note: [O III] 4959 goes with 5007.
    groups = np.split(cut, np.flatnonzero(np.diff(np.log(wavelength[cut])) > 4000 / SPEED_OF_LIGHT) + 1)
    return [(wavelength[group[-1]], flux[group].max()) for group in groups if len(group)]


def add_cut_note(ax, wavelength=0.0, text=""):
    """Add the note of a line that runs out of the top of an Axes; returns the Annotation."""
    theme = current_theme()
    look = {"va": "top", "size": 7, "color": theme.muted, "zorder": 5}
    ground = {"facecolor": theme.ground, "linewidth": 0, "pad": 0.4}
    place = {"xycoords": ax.get_xaxis_transform(), "textcoords": "offset points"}
    return ax.annotate(text, (wavelength, 1), (2.5, -1), bbox=ground, **look, **place)


def note_cut_lines(ax, wavelength, flux):
    """Write the peak flux of whatever runs out of the top of an Axes beside it; returns the Axes."""
    for place, peak in find_cut_lines(wavelength, flux, ax.get_ylim()[1]):
        add_cut_note(ax, place, f"↑{peak:.1f}")
    return ax


def plot_observed(spectrum, *, ax=None):
    """Draw an ObservedSpectrum as observed, its noise beneath, its unused pixels left out.

    Parameters
    ----------
    spectrum : ObservedSpectrum

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots()[1]
    good = spectrum.ivar > 0
    colour = AGN_TYPES[spectrum.label].colour if spectrum.label else DARK
    ax.plot(spectrum.wavelength, np.where(good, spectrum.flux, np.nan), color=colour, linewidth=0.5)
    noise = standard_deviation(spectrum.ivar, unknown=np.nan)
    ax.plot(spectrum.wavelength, noise, color=GREY, linewidth=0.5, label="noise (1σ)")
    low, high = np.percentile(spectrum.flux[good], [0.2, 99.6])
    ax.set_ylim(min(0, low), 1.15 * high)
    ax.set_xlim(spectrum.wavelength[[0, -1]])
    unit = str(spectrum.meta.get("flux_unit") or "")
    # SDSS's own, and what is like it.
    unit = r"$10^{-17}$ erg/s/cm²/Å" if re.match(r"1e-17 erg", unit.replace("1E-17", "1e-17")) else unit
    ax.set(xlabel="Observed wavelength (Å, vacuum)", ylabel=f"Flux density\n({unit or 'unit not stated'})")
    note_cut_lines(ax, spectrum.wavelength[good], spectrum.flux[good])
    if np.isfinite(spectrum.redshift):
        mark_lines(ax, (*NAMED_LINES, "Halpha"), shift=1 + spectrum.redshift)
    # Beside the title, where no line can lie under it.
    named = np.isfinite(spectrum.redshift)
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=2.6 if named else 0.3)
    redshift = f"z = {spectrum.redshift:.3f}" if np.isfinite(spectrum.redshift) else "redshift unknown"
    title = f"{spectrum.name}   {', '.join(filter(None, [spectrum.label, redshift]))}"
    ax.set_title(title, pad=21 if np.isfinite(spectrum.redshift) else None)
    return ax


def plot_mean_spectrum(wavelength, X, *, label=None, ax=None):
    """Draw the mean of spectra and the band that holds the middle 68 % of them at each wavelength.

    Parameters
    ----------
    wavelength : (n_grid,) array
        Rest-frame vacuum Å.
    X : (n_spectra, n_grid) array
        Normalised fluxes.
    label : str, optional
        A key of `AGN_TYPES`; it gives the colour.

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots()[1]
    colour = AGN_TYPES[label].colour if label else DARK
    low, high = np.percentile(X, [16, 84], axis=0)
    mean = X.mean(axis=0)
    ax.fill_between(wavelength, low, high, color=colour, alpha=0.25, linewidth=0, label="middle 68 %")
    ax.plot(wavelength, mean, color=colour, label="mean")
    set_spectrum_axes(ax, wavelength, mean, low, high)
    note_cut_lines(ax, wavelength, mean)
    # Beside the title, above the names of lines.
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=2.6, ncols=2)
    return ax


def plot_examples(wavelength, X, *, names, label=None, ax=None):
    """Draw a few spectra one above the other, each with its name.

    Parameters
    ----------
    wavelength : (n_grid,) array
        Rest-frame vacuum Å.
    X : (n_spectra, n_grid) array
        Normalised fluxes.
    names : (n_spectra,) sequence of str
        Written above each.
    label : str, optional
        A key of `AGN_TYPES`; it gives the colour.

    Returns
    -------
    Axes
    """
    ax = ax or plt.subplots()[1]
    colour = AGN_TYPES[label].colour if label else DARK
    base = 0.0
    for flux, name in zip(X, names):
        low, high = flux_limits(wavelength, flux)
        # What is higher is cut below the next spectrum.
        shown = np.minimum(flux, high) - low + base
        ax.plot(wavelength, shown, color=colour, linewidth=0.6)
        for place, peak in find_cut_lines(wavelength, flux, high):
            note = add_cut_note(ax, place, f"↑{peak:.1f}")
            note.xycoords, note.xy = "data", (place, high - low + base)
            note.set(va="center")
        # Where few lines are, between Hγ and Hβ.
        middle = np.abs(wavelength - 4580.0) < 140.0
        above = (4580.0, shown[middle].max()) if middle.any() else (wavelength[-1], shown.max())
        style = {"size": 6.5, "color": GREY, "ha": "center" if middle.any() else "right"}
        ax.annotate(name, above, xytext=(0, 2), textcoords="offset points", **style)
        base += 1.15 * (high - low)
    ax.set_xlim(wavelength[[0, -1]] + [-8, 8])
    ax.set_ylim(0, base)
    ax.set(xlabel=WAVELENGTH_LABEL, ylabel=f"{FLUX_LABEL}, offset")
    return ax


def set_spectrum_axes(ax, wavelength, *fluxes):
    """Give an Axes the labels and limits of a reduced spectrum; see `flux_limits`."""
    ax.set_xlim(wavelength[[0, -1]] + [-8, 8])
    ax.set_ylim(flux_limits(wavelength, *fluxes))
    ax.set(xlabel=WAVELENGTH_LABEL, ylabel=FLUX_LABEL)
    ax.yaxis.set_major_locator(MaxNLocator(5))


def separate_labels(positions, widths, *, low=-np.inf, high=np.inf):
    """Centres (n,) of intervals on a line moved apart, in order, by the least squares of the moves."""
    positions, widths = np.asarray(positions, dtype=float), np.asarray(widths, dtype=float)
    # Less the width that all before it need, each centre must merely not fall behind its predecessor.
    needed = np.concatenate([[0], np.cumsum(0.5 * (widths[1:] + widths[:-1]))])
    moved = isotonic_regression(positions - needed).x
    return np.clip(moved, low + 0.5 * widths[0], high - needed[-1] - 0.5 * widths[-1]) + needed
