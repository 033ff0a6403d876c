"""Which pixels must not be used: the mask of each format, fillings, and stretches of zeros."""

import re

import numpy as np

from ..errors import SpectrumError

_FILLINGS = (-99.0, -999.0, -9999.0, -99999.0, -999999.0, 99999.0, 999999.0, -99.99, -999.99, -9.99e9)

_ZEROS_AT_AN_END, _ZEROS_WITHIN = 3, 6

# Errors that stand for "none" where they are so many times the median.
_NO_ERRORS, _MUCH_LARGER = (99.0, 999.0, 9999.0, 99999.0, 999999.0), 100

_YES, _NO = {"true", "t", "yes", "y"}, {"false", "f", "no", "n"}

_GOOD = {"good", "ok", "okay", "fine", "valid", "used", "unmasked", "unflagged"}

_BAD = {"bad", "masked", "flagged", "invalid", "rejected", "reject", "saturated", "cosmic", "cr"}


def find_masked(roles, *, good_is_1, known, comments, path):
    """Pixels that the file's own mask rejects, and the convention that was followed.

    Parameters
    ----------
    roles : dict
        With at most one of "mask" and "good".
    good_is_1 : bool
        The format's convention for "mask".
    known : bool
        Whether a format or the user says what the numbers mean.
    comments : list of str
        May say so, too: "mask: 1 = good".
    path : path-like

    Returns
    -------
    masked : (n_pixels,) array of bool, or None
    notes : list of str

    Raises
    ------
    SpectrumError
        Where more than half of the pixels would be left out by an unwritten convention, or all by any.
    """
    role = "good" if "good" in roles else "mask"
    column = roles.get(role)
    if column is None:
        return None, []
    said = _convention([*comments, column.note])
    good_is_1 = role == "good" or (good_is_1 if said is None else said)
    values = np.ma.filled(np.ma.asarray(column.values), 0 if good_is_1 else 1)
    if values.dtype.kind not in "biuf":
        raise SpectrumError(f"a mask must be numbers; {column.name} of {path} holds {str(values[0])[:20]!r}.")
    set_ = (values != 0) & ~(values.astype(float) != values.astype(float))
    masked = ~set_ if good_is_1 else set_
    share = masked.mean()
    if share == 1 or (share > 0.5 and not known and said is None and role == "mask"):
        raise SpectrumError(
            f"a mask must leave pixels to use; {column.name} of {path} would leave out {share:.0%}, were "
            f'{"1" if good_is_1 else "0"} good; say which it is: columns={{"mask": "{column.name}"}} '
            "where 0 is good, "
            f'columns={{"good": "{column.name}"}} where 1 is.'
        )
    notes = [] if known or said is not None or role == "good" else [f"0 is taken for good in {column.name}"]
    return masked, notes


def mask_of_words(values, role):
    """The numbers of a mask (or of "good") that is written in words; None where they are not understood.

    values : (n_pixels,) array of str; role : "mask", where 1 is bad, or "good", where 1 is good
    """
    words = [str(value).strip().lower() for value in values]
    if set(words) <= _YES | _NO:
        return np.array([word in _YES for word in words], dtype=int)
    if set(words) <= _GOOD | _BAD:
        return np.array([(word in _GOOD) == (role == "good") for word in words], dtype=int)
    return None


def find_no_errors(sigma):
    """Pixels whose standard deviation is a number that stands for "none", such as 9999, far above others."""
    candidate = np.isin(sigma, _NO_ERRORS)
    if not candidate.any() or candidate.all():
        return candidate & False
    return candidate & (sigma > _MUCH_LARGER * np.nanmedian(sigma[~candidate]))


def _convention(comments):
    """True where comments say that 1 is good, False where 0 is, None where neither."""
    for line in comments:
        line = line[:1000].lower()
        if re.search(
            r"\b(?:1|true|nonzero)\W{0,3}(?:=|:|is|means|for)?\W{0,3}good|\b0\W{0,3}(?:=|:|is|means)?\W{0,3}bad",
            line,
        ):
            return True
        if re.search(
            r"\b(?:0|false|zero)\W{0,3}(?:=|:|is|means|for)?\W{0,3}good|\b1\W{0,3}(?:=|:|is|means)?\W{0,3}bad",
            line,
        ):
            return False
    return None


def find_fillings(flux):
    """Pixels whose flux is a number that stands for "none", such as -9999, far outside of the others."""
    finite = np.isfinite(flux)
    # What single precision does not hold is no filling of anybody's, and refused later.
    huge = (np.abs(flux) >= 1e30) & (np.abs(flux) <= np.finfo(np.float32).max)
    candidate = finite & (np.isin(flux, _FILLINGS) | huge)
    rest = flux[finite & ~candidate]
    if not candidate.any() or not rest.size:
        return candidate & False
    low, high = np.percentile(rest, [1, 99])
    span = high - low
    return candidate & ((flux < low - span) | (flux > high + span))


def find_zeros(flux):
    """Stretches of pixels whose flux is exactly 0: not observed, three at an end, six anywhere."""
    zero = flux == 0
    if not zero.any():
        return zero
    edges = np.flatnonzero(np.diff(np.r_[False, zero, False]))
    found = np.zeros_like(zero)
    for start, stop in zip(edges[::2], edges[1::2]):
        at_an_end = start == 0 or stop == zero.size
        if stop - start >= (_ZEROS_AT_AN_END if at_an_end else _ZEROS_WITHIN):
            found[start:stop] = True
    return found
