"""Compressed masks against astropy, which unpacks them all."""

import numpy as np
import pytest
from astropy.io import fits

from agn_helpers.spectra.rice import RiceMask, find_nonzero, is_rice


def draw_masks(rng):
    """Masks of every kind, (60, n) int32."""
    empty = np.zeros((60, 2751), np.int32)
    few = empty.copy()
    few[5], few[6, -1], few[7, 0], few[8, 100:300] = 7, 1, 1, 1 << 30
    many = np.where(rng.random(empty.shape) < 0.01, 128, 0)
    noise = rng.integers(-(2**31), 2**31, empty.shape) * (rng.random(empty.shape) < 0.5)
    steps = rng.integers(0, 2, empty.shape) * rng.integers(0, 2**20, empty.shape)
    short = np.zeros((60, 33), int)
    short[3, 32], short[4] = -1, -5
    return {"empty": empty, "few": few, "many": many, "noise": noise, "steps": steps, "short": short}


@pytest.mark.parametrize("kind", ["empty", "few", "many", "noise", "steps", "short"])
def test_rows_are_unpacked_as_astropy_does(kind, tmp_path):
    mask, path = draw_masks(np.random.default_rng(0))[kind].astype(np.int32), tmp_path / "mask.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(mask)]).writeto(path)
    with fits.open(path, disable_image_compression=True) as stored, fits.open(path) as images:
        assert is_rice(stored[1])
        reader = RiceMask(stored[1], path)
        for rows in (slice(None), slice(3, 9), np.array([4, 8, 59])):
            found, expected = reader.find(rows), images[1].data[rows] != 0
            assert found is None if not expected.any() else np.array_equal(found, expected)
        assert reader.is_sparse(slice(None)) == (kind in ("empty", "few", "short"))


def test_what_is_packed_otherwise_is_left_to_astropy(tmp_path):
    mask, path = np.zeros((4, 64), np.int32), tmp_path / "mask.fits"
    others = [
        fits.CompImageHDU(mask, compression_type="GZIP_1"),
        fits.CompImageHDU(mask, tile_shape=(2, 64)),
        fits.CompImageHDU(mask.astype(np.int16)),
        fits.CompImageHDU(mask.astype(np.uint32)),
    ]
    fits.HDUList([fits.PrimaryHDU(), *others]).writeto(path)
    with fits.open(path, disable_image_compression=True) as stored:
        assert not any(is_rice(table) for table in stored[1:])


def test_a_code_that_ends_too_early_is_an_error():
    with pytest.raises(ValueError, match="3 bytes are too few for 100 compressed pixels"):
        find_nonzero(b"\0" * 3, 100, 32)
    with pytest.raises(ValueError):
        find_nonzero(b"\xff" * 7, 100, 32)
