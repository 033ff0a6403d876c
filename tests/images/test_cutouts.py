"""Cut-outs of one's own, in the frame of the simulated galaxies whatever their pixels; bad lists refused."""

import numpy as np
import pytest
from astropy.io import fits

from agn_helpers.errors import AgnError
from agn_helpers.images import RADIUS, SIDE, Cutout, prepare_cutout, read_cutouts


def draw_disc(*, side=201, scale=12.0, centre=(100.0, 100.0), axis_ratio=1.0):
    """An exponential disc and a sky of 2."""
    y, x = np.mgrid[:side, :side].astype(float)
    radius = np.hypot(x - centre[1], (y - centre[0]) / axis_ratio)
    return 100 * np.exp(-radius / scale) + 2.0


def test_an_exponential_disc_gets_its_radius_and_its_place():
    found = prepare_cutout(Cutout("disc", draw_disc(), 0.5))
    # 90 % of the light of an exponential disc lie within 3.89 scale lengths.
    assert found.diameter == pytest.approx(2 * 3.89 * 12 * 0.5, rel=0.03)
    assert found.pixel == pytest.approx(found.diameter / (2 * RADIUS))
    assert found.image.shape == (SIDE, SIDE) and found.image.dtype == np.float32
    moved = prepare_cutout(Cutout("disc", draw_disc(centre=(95.0, 104.0)), 0.5))
    assert np.abs(moved.image - found.image).max() < 0.05


def test_the_frame_does_not_depend_on_pixels_units_or_stars():
    few = prepare_cutout(Cutout("disc", draw_disc(), 0.5))
    many = prepare_cutout(Cutout("disc", 7e-4 * draw_disc(side=401, scale=24.0, centre=(200, 200)), 0.25))
    assert many.diameter == pytest.approx(few.diameter, rel=0.01)
    assert np.abs(many.image - few.image).max() < 0.15
    image = draw_disc()
    image[20:24, 150:154] += 500
    image[180, 10:14] = np.nan
    starred = prepare_cutout(Cutout("disc", image, 0.5))
    assert starred.diameter == pytest.approx(few.diameter, rel=0.02)


def test_real_galaxies_are_centred(shared):
    cutouts = read_cutouts(shared / "images" / "bars" / "spitzer_barred.npz")
    assert [(each.name, each.arcsec_per_pixel) for each in cutouts] == [("n4608", 0.6), ("n1079", 0.75)]
    for cutout in cutouts:
        image = prepare_cutout(cutout).image
        row, column = np.unravel_index(np.argmax(image), image.shape)
        assert abs(row - (SIDE - 1) / 2) <= 1 and abs(column - (SIDE - 1) / 2) <= 1


def write_folder(folder, rows, images):
    folder.mkdir()
    (folder / "index.csv").write_text("\n".join(rows))
    for name, image in images.items():
        if name.endswith(".npy"):
            np.save(folder / name, image)
        else:
            fits.PrimaryHDU(image.astype(np.float32)).writeto(folder / name)


def test_a_folder_and_an_npz_file_give_the_same(tmp_path):
    image = draw_disc().astype(np.float32)
    rows = ["file,arcsec_per_pixel,name,bar_length", "a.fits,0.5,first,12.5", "b.npy,0.4,second,"]
    write_folder(tmp_path / "own", rows, {"a.fits": image, "b.npy": image[:150]})
    first, second = read_cutouts(tmp_path / "own")
    assert (first.name, first.arcsec_per_pixel, first.bar_length) == ("first", 0.5, 12.5)
    assert (second.name, second.arcsec_per_pixel) == ("second", 0.4) and np.isnan(second.bar_length)
    np.testing.assert_array_equal(first.image, image)
    np.testing.assert_array_equal(second.image, image[:150])
    np.savez(tmp_path / "own.npz", first=image, first_arcsec_per_pix=0.5, second=image[:150])
    (tmp_path / "own.csv").write_text("name,arcsec_per_pixel,bar_length\nsecond,0.4,\nfirst,0.5,12.5\n")
    again = read_cutouts(tmp_path / "own.npz")
    for one, other in zip((first, second), again):
        np.testing.assert_array_equal(one.image, other.image)
        assert one[0] == other[0] and one[2] == other[2]


DISC = draw_disc().astype(np.float32)


@pytest.mark.parametrize(
    ("rows", "images", "words"),
    [
        (["file"], {}, "arcsec_per_pixel is missing"),
        (["file,arcsec_per_pixel"], {}, "it has no rows"),
        (["file,arcsec_per_pixel", "a.npy,0.5"], {}, "a.npy cannot be read"),
        (["file,arcsec_per_pixel", "a.npy,-1"], {"a.npy": DISC}, r"must be positive; got -1\.0"),
        (["file,arcsec_per_pixel", "a.npy,wide"], {"a.npy": DISC}, "must be numbers"),
        (["file,arcsec_per_pixel", "../a.npy,0.5"], {}, "must lie beside it"),
        (
            ["file,arcsec_per_pixel", "a.npy,0.5"],
            {"a.npy": DISC[0]},
            r"16 x 16 pixels; got shape \(201,\)",
        ),
        (["file,arcsec_per_pixel", "a.npy,0.5"], {"a.npy": np.array([{}])}, "must be an image"),
    ],
)
def test_folders_that_cannot_be_used_are_refused(tmp_path, rows, images, words):
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    for name, image in images.items():
        np.save(folder / name, image, allow_pickle=True)
    with pytest.raises(AgnError, match=words) as refusal:
        read_cutouts(folder)
    assert "\n" not in str(refusal.value)


def test_files_that_are_no_images_are_refused(tmp_path):
    path = tmp_path / "own.npz"
    path.write_bytes(b"no images")
    with pytest.raises(AgnError, match=r"is no \.npz file of images"):
        read_cutouts(path)
    np.savez(path, numbers=np.arange(3))
    with pytest.raises(AgnError, match=r"must hold images \(height, width\); it holds numbers"):
        read_cutouts(path)
    np.savez(path, galaxy=DISC)
    with pytest.raises(AgnError, match="arcsec_per_pixel of galaxy must be positive; got nan"):
        read_cutouts(path)
    np.savez(path, galaxy=np.array([[{}]]))
    with pytest.raises(AgnError, match=r"is no \.npz file of images"):
        read_cutouts(path)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((40, 40)), "it is blank"),
        (np.full((40, 40), np.nan), "it is blank"),
        (draw_disc(scale=0.8), "at least 5 pixels; got"),
    ],
)
def test_galaxies_that_cannot_be_seen_are_refused(image, words):
    with pytest.raises(AgnError, match=words):
        prepare_cutout(Cutout("galaxy", image, 1.0))
