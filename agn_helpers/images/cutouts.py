"""Cut-outs of one's own galaxies: read from a list, and brought to the frame of the simulated ones."""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter, map_coordinates

from ..errors import AgnError
from ..files import read_arrays, read_table
from ..limits import check_fits, check_size, read_regular, summarise_error
from .bar_scores import calibrate_lengths
from .bar_trials import ROUTES, BarPlan, draw_pictures, measure_ellipses, measure_route
from .galaxies import RADIUS, SIDE, prepare_image, subtract_profile

# Names that columns of a list, and arrays of an .npz file, give the scale.
_SCALE, _SCALE_SUFFIX = "arcsec_per_pixel", "_arcsec_per_pix"

# Of 90 % light radii; smaller galaxies say nothing of their bars.
_LEAST_RADIUS = 5.0


class Cutout(NamedTuple):
    """An image of one galaxy.

    Attributes
    ----------
    name : str
    image : (height, width) array
        In units of brightness, the galaxy near the middle; NaN where unknown.
    arcsec_per_pixel : float
    bar_length : float
        Of the whole bar, arcsec; NaN where unknown.
    """

    name: str
    image: np.ndarray
    arcsec_per_pixel: float
    bar_length: float = np.nan


class PreparedCutout(NamedTuple):
    """A cut-out in the frame of `simulate_galaxies`.

    Attributes
    ----------
    image : (SIDE, SIDE) float32 array
        Prepared by `prepare_image`.
    diameter : float
        Of the galaxy, twice its 90 % light radius, arcsec.
    pixel : float
        Of the prepared image, arcsec.
    """

    image: np.ndarray
    diameter: float
    pixel: float


def read_cutouts(path):
    """Read cut-outs and their scales.

    Parameters
    ----------
    path : path
        A folder with an ``index.csv`` of the columns ``file`` (FITS or .npy), ``arcsec_per_pixel`` and, where
        known, ``name`` and ``bar_length`` (arcsec); or an .npz file of images, whose scales are arrays
        ``<name>_arcsec_per_pix`` in it or in a list of the same name that ends in .csv, with the column
        ``name`` in place of ``file``.

    Returns
    -------
    list of Cutout

    Raises
    ------
    AgnError
        For a list, file, image or scale that is missing or cannot be used.
    """
    path = Path(path).expanduser()
    if path.suffix == ".npz":
        return _read_npz(path)
    rows = _read_list(path / "index.csv", "file")
    cutouts = []
    for file, row in rows.items():
        name = str(row.get("name", Path(file).stem))
        # A list names what lies beside it.
        if Path(file).is_absolute() or ".." in Path(file).parts:
            raise AgnError(f"files of {path / 'index.csv'} must lie beside it; got {file!r}.")
        cutouts.append(_make_cutout(name, _read_image(path / file), row, path / file))
    return cutouts


def _read_list(path, key):
    table = read_table(path)
    missing = [name for name in (key, _SCALE) if name not in table.colnames]
    if missing or not len(table):
        what = f"{missing[0]} is missing" if missing else "it has no rows"
        raise AgnError(f"{path} must have rows of the columns {key} and {_SCALE}; {what}.")
    return {
        str(row[key]): {name: row[name] for name in table.colnames if row[name] is not np.ma.masked}
        for row in table
    }


def _make_cutout(name, image, row, path):
    try:
        image = np.asarray(image, dtype=float)
        scale, length = float(row.get(_SCALE, np.nan)), float(row.get("bar_length", np.nan))
    except (TypeError, ValueError) as error:
        raise AgnError(f"image, {_SCALE} and bar_length of {name} must be numbers; see {path}.") from error
    if image.ndim != 2 or min(image.shape) < 16:
        raise AgnError(f"{path} must hold an image of at least 16 x 16 pixels; got shape {image.shape}.")
    if not (np.isfinite(scale) and scale > 0):
        raise AgnError(f"{_SCALE} of {name} must be positive; got {scale}; name it in the list of {path}.")
    return Cutout(name, image, scale, length if length > 0 else np.nan)


def _read_npz(path):
    arrays = read_arrays(path)
    listed = path.with_suffix(".csv")
    rows = _read_list(listed, "name") if listed.is_file() else {}
    cutouts = []
    for name, image in arrays.items():
        if image.ndim == 2:
            row = {_SCALE: arrays.get(f"{name}{_SCALE_SUFFIX}", np.nan)} | rows.get(name, {})
            cutouts.append(_make_cutout(name, image, row, path))
    if not cutouts:
        raise AgnError(f"{path} must hold images (height, width); it holds {', '.join(arrays) or 'nothing'}.")
    return cutouts


def _read_image(path):
    content = read_regular(path)
    try:
        if path.suffix == ".npy":
            _check_npy(content, path)
            return np.load(io.BytesIO(content), allow_pickle=False)
        from astropy.io import fits

        check_fits(content, path)
        with fits.open(io.BytesIO(content), memmap=False) as hdus:
            return next(hdu.data for hdu in hdus if hdu.is_image and hdu.data is not None)
    except AgnError:
        raise
    except StopIteration:
        raise AgnError(f"{path} must hold an image; it holds none.") from None
    except Exception as error:  # Readers share no class of errors.
        raise AgnError(f"{path} must be an image, FITS or .npy: {summarise_error(error)}.") from error


def _check_npy(content, path):
    """Raise AgnError where the header of an .npy file promises too much, before memory is asked for it."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = read(file)
    check_size(int(np.prod(shape, dtype=float)) * kind.itemsize, path)


def prepare_cutout(cutout, *, side=SIDE):
    """Bring a galaxy to the frame of the simulated ones: centred, scaled by its 90 % light radius, stretched.

    The centre is the brightest place near the middle; the sky is the median far from it.  The radius that
    holds 90 % of the light is that of the medians of rings, in which stars do not count.

    Parameters
    ----------
    cutout : Cutout
    side : int
        Pixels of the result.

    Returns
    -------
    PreparedCutout

    Raises
    ------
    AgnError
        For an image that is blank, or a galaxy too small to show a bar.
    """
    image = np.where(np.isfinite(cutout.image), cutout.image, np.nan)
    if not np.isfinite(image).any() or np.nanmax(image) == np.nanmin(image):
        raise AgnError(f"the image of {cutout.name} must show a galaxy; it is blank.")
    row, column = _find_centre(np.nan_to_num(image, nan=np.nanmedian(image)))
    y, x = np.indices(image.shape)
    distance = np.hypot(y - row, x - column)
    far = distance > np.quantile(distance, 0.95)
    image = image - (np.nanmedian(image[far]) if np.isfinite(image[far]).any() else 0.0)
    radius = _find_radius(image, distance, min(image.shape) / 2)
    if radius < _LEAST_RADIUS:
        raise AgnError(
            f"the galaxy of {cutout.name} must have a 90 % light radius of at least {_LEAST_RADIUS:g} "
            f"pixels; got {radius:.1f}; is the image centred on it?"
        )
    # Pixels of the original for one of the frame; averaged over before they are left out.
    step = radius / RADIUS * SIDE / side
    smooth = gaussian_filter(np.nan_to_num(image), 0.4 * step if step > 1 else 0)
    places = (np.arange(side) - (side - 1) / 2) * step
    rows, columns = np.meshgrid(row + places, column + places, indexing="ij")
    framed = map_coordinates(smooth, [rows, columns], order=1, mode="constant", cval=0.0)
    scale = cutout.arcsec_per_pixel
    return PreparedCutout(prepare_image(framed), 2 * radius * scale, step * scale)


def measure_cutouts(cutouts, trials, *, plan=None):
    """Lengths of one's own galaxies by the networks, settings and calibrations of trials.

    Parameters
    ----------
    cutouts : list of Cutout
    trials : list of BarTrial
    plan : BarPlan, optional
        Its `noise` and `n_draws`.

    Returns
    -------
    pandas.DataFrame
        A row a galaxy, method and trial: ``galaxy, method, seed, length`` (calibrated) and ``raw``, arcsec;
        for ellipse fits ``raw`` is what the fit says.
    """
    plan = plan or BarPlan()
    prepared = [prepare_cutout(each) for each in cutouts]
    images = np.stack([each.image for each in prepared])
    ellipses, seen = measure_ellipses(images), subtract_profile(images)
    rows = []
    for trial in trials:
        pictures = draw_pictures(
            images, trial.votes, noise=plan.noise, n_draws=plan.n_draws, random_state=trial.seed
        )
        said = {name: measure_route(pictures, name, trial.settings[name]) for name in ROUTES}
        said["ellipse fit"] = ellipses
        said[trial.methods[-1]] = trial.direct.predict(seen)
        known = trial.lengths[trial.lengths["part"] == "calibration"]
        for method, raw in said.items():
            calibrated = calibrate_lengths(known[method], known["measured"]).apply(raw)
            for cutout, frame, *both in zip(cutouts, prepared, calibrated, raw):
                rows.append([cutout.name, method, trial.seed, *(each * frame.diameter for each in both)])
    return pd.DataFrame(rows, columns=["galaxy", "method", "seed", "length", "raw"])


def _find_centre(image):
    """Row and column of the smoothed image's maximum in the middle third, refined by the light around it."""
    height, width = image.shape
    smooth = gaussian_filter(image, max(1.0, min(image.shape) / 100))
    middle = smooth[height // 3 : height - height // 3, width // 3 : width - width // 3]
    top = np.unravel_index(np.argmax(middle), middle.shape)
    row, column = top[0] + height // 3, top[1] + width // 3
    half = max(2, min(image.shape) // 60)
    near = smooth[max(row - half, 0) : row + half + 1, max(column - half, 0) : column + half + 1]
    weight = near - near.min()
    if weight.sum() <= 0:
        return float(row), float(column)
    y, x = np.indices(near.shape)
    return (
        max(row - half, 0) + (weight * y).sum() / weight.sum(),
        max(column - half, 0) + (weight * x).sum() / weight.sum(),
    )


def _find_radius(image, distance, largest):
    """Radius that holds 90 % of the light, by medians of rings of one pixel, pixels."""
    ring = distance.astype(int)
    radii = np.arange(int(largest))
    level = np.array([np.nanmedian(image[ring == each]) for each in radii])
    # What is fainter than the sky's scatter would add up over wide rings.
    level = np.nan_to_num(level).clip(0)
    light = np.cumsum(level * (2 * radii + 1))
    if light[-1] <= 0:
        return 0.0
    return float(np.interp(0.9 * light[-1], light, radii + 1.0))
