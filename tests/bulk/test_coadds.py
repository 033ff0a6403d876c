"""Partitions of DESI coadds, divided by targets."""

import numpy as np
import pytest

from agn_helpers.bulk import classify_many
from agn_helpers.bulk.sources import divide_source

from ..coadds import simulate_arms, write_coadd
from .results import read_rows


@pytest.fixture(scope="module")
def coadds(survey, tmp_path_factory):
    folder = tmp_path_factory.mktemp("coadds")
    for number, size in enumerate((30, 12, 8)):
        arms, redshift = simulate_arms(survey, np.random.default_rng(number), number=size)
        path = folder / f"coadd-synthetic-dark-{number}.fits"
        write_coadd(path, arms, redshift, first=1000 * number, sky=[2])
    return folder


def test_targets_are_divided_and_small_coadds_go_together(coadds):
    found = [
        [(item.path[-6], item.start, item.stop) for item in each.items]
        for each in divide_source(coadds, size=20)
    ]
    assert found == [[("0", 0, 20)], [("0", 20, 29), ("1", 0, 11)], [("2", 0, 7)]]
    assert [each.n_spectra for each in divide_source(coadds, size=20)] == [20, 20, 7]


def test_rows_are_those_of_the_model_itself(coadds, model, tmp_path):
    found = classify_many(coadds, model, tmp_path / "out", partition_size=20)
    assert found == (3, 0, 47, 0)
    rows, table = read_rows(tmp_path / "out"), model.classify(coadds)
    for name in ("name", "predicted", "ra", "dec", "redshift", "snr", "zwarning"):
        assert rows[name].tolist() == table[name].tolist()
    np.testing.assert_allclose(rows["p_type1"], table["p_type1"], rtol=1e-9)


def test_another_redrock_beside_is_another_source(coadds, survey, model, tmp_path):
    [before, *_] = [each.key for each in divide_source(coadds / "coadd-synthetic-dark-2.fits")]
    beside = coadds / "redrock-synthetic-dark-2.fits"
    content = beside.read_bytes()
    beside.write_bytes(content + bytes(2880))
    [after, *_] = [each.key for each in divide_source(coadds / "coadd-synthetic-dark-2.fits")]
    beside.write_bytes(content)
    assert before != after


def test_a_damaged_coadd_costs_its_own_rows(coadds, model, tmp_path):
    import shutil

    folder = tmp_path / "damaged"
    shutil.copytree(coadds, folder)
    path = folder / "coadd-synthetic-dark-1.fits"
    path.write_bytes(path.read_bytes()[:200_000])
    found = classify_many(folder, model, tmp_path / "out", partition_size=20)
    assert found[2:] == (36, 1)
    [row] = read_rows(tmp_path / "out", "rejected").to_dict("records")
    assert row["file"] == str(path)
    assert "truncated" in row["reason"]
