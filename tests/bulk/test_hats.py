"""The recipes of docs/scale.md, as they stand there."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from agn_helpers.bulk import classify_many, classify_partition

from ..conftest import ROOT
from .results import read_rows
from .test_frames import make_frame, nest

PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
CODE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def find(word):
    """The one piece of code with that word in it."""
    [code] = [code for code in CODE if word in code]
    return compile(code, "docs/scale.md", "exec")


@pytest.fixture
def results(survey, model, tmp_path, monkeypatch):
    """A folder ``results`` of spectra that have coordinates."""
    frame = make_frame(survey)
    frame["ra"], frame["dec"] = np.linspace(0, 350, len(frame)), np.linspace(-80, 80, len(frame))
    monkeypatch.chdir(tmp_path)
    dd = pytest.importorskip("dask.dataframe", reason="dask is not installed")
    kinds = dict.fromkeys(("flux", "ivar", "lambda"), pd.ArrowDtype(pa.list_(pa.float64())))
    arrays = frame.reset_index(drop=True).astype({**kinds, "mask": pd.ArrowDtype(pa.list_(pa.bool_()))})
    classify_many(dd.from_pandas(arrays, npartitions=3), model, "results")
    return frame


def test_results_as_lazy_frames_and_arrays(results, capsys):
    names: dict = {}
    exec(find("read_results"), names)
    said = capsys.readouterr().out
    counts = read_rows(results_folder())["predicted"].value_counts()
    assert all(re.search(rf"{name}\s+{count}\b", said) for name, count in counts.items())
    assert "(1000,)" in said


def results_folder():
    from pathlib import Path

    return Path("results")


def test_hats_from_results_crossmatched_and_classified_where_it_is(results, model, capsys):
    lsdb = pytest.importorskip("lsdb", reason="lsdb is not installed")
    pytest.importorskip("hats_import", reason="hats-import is not installed")
    exec(find("ImportArguments"), {})
    # Neighbours of the first five, half an arc second away.
    others = (
        results[:5].reset_index(drop=True)[["object_id", "ra", "dec"]].rename(columns={"object_id": "name"})
    )
    others["dec"] += 0.5 / 3600
    lsdb.from_dataframe(others, catalog_name="others").write_catalog("hats/others")
    names: dict = {}
    exec(find("crossmatch"), names)
    both = names["both"]
    rows = read_rows(results_folder()).set_index("name")
    assert sorted(both["name_classified"]) == sorted(results["object_id"][:5])
    for name, kind in zip(both["name_classified"], both["predicted_classified"]):
        assert kind == rows["predicted"][name]
    classified = lsdb.open_catalog("hats/classified").compute()
    assert len(classified) == len(results)
    flux = np.stack(classified.set_index("name")["flux"].loc[rows.index].to_list())
    assert (flux == np.stack(rows["flux"])).all()

    catalogue = lsdb.from_dataframe(nest(results).reset_index(drop=True), catalog_name="spectra")
    catalogue.write_catalog("hats/spectra")
    exec(find("map_partitions"), names)
    found = names["types"].compute().set_index("name")
    assert found["predicted"].loc[rows.index].tolist() == rows["predicted"].tolist()
    whole = classify_partition(results, model).set_index("name")
    np.testing.assert_allclose(
        found["p_type1"].loc[rows.index].to_numpy(float), whole["p_type1"].to_numpy(float), rtol=1e-9
    )
