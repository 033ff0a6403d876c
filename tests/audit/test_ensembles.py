"""Claims over surveys: each has its own objects and classifier, and the test counts surveys."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import binomtest

from agn_helpers.audit import measure_claims, repeat_surveys, summarise_surveys
from agn_helpers.errors import AgnError

SIZES = {"n_type1": 30, "n_intermediate": 30, "n_type2": 60}
CALLS = []


def measure_labels(survey):
    """How many are tested, and a number of the survey's own."""
    CALLS.append(survey.seed)
    assert not set(survey.train) & set(survey.test)
    assert list(survey.truth["name"]) == list(survey.sample["name"])
    return {"n": len(survey.test), "flux": np.mean(survey.sample["flux"])}


def test_surveys_are_independent_the_same_for_a_seed_and_not_measured_twice(tmp_path, monkeypatch):
    CALLS.clear()
    options = {"sizes": SIZES, "n_jobs": 1, "folder": tmp_path}
    first = repeat_surveys(measure_labels, 2, **options)
    assert len(CALLS) == 2 and first["flux"].nunique() == 2 and (first["n"] == 24).all()
    more = repeat_surveys(measure_labels, 3, **options)
    assert len(CALLS) == 3
    pd.testing.assert_frame_equal(more.iloc[:2], first)
    # Other settings are other results.
    repeat_surveys(measure_labels, 2, **(options | {"sizes": SIZES | {"n_type1": 31}}))
    assert len(CALLS) == 5
    # So are those of another program.
    monkeypatch.setattr("agn_helpers.audit.ensembles.digest_program", lambda: "another")
    repeat_surveys(measure_labels, 2, **options)
    assert len(CALLS) == 7
    with pytest.raises(AgnError, match="n_surveys must be at least 2; got 1"):
        repeat_surveys(measure_labels, 1)


def test_the_test_counts_surveys_and_corrects_for_how_many_were_asked():
    values = pd.DataFrame(
        {"one sign": np.linspace(0.6, 0.9, 16), "a toss": [0.4, 0.6] * 8, "few": [0.7] * 16}
    )
    values.loc[values.index[5:], "few"] = np.nan
    table = summarise_surveys(values, null=0.5)
    assert list(table["n"]) == [16, 16, 5] and list(table["n_above"]) == [16, 8, 5]
    assert_allclose(table.loc["one sign", ["median", "low", "high"]].astype(float), [0.75, 0.6, 0.9])
    # Holm: the smallest of three p-values times three, the next times two.
    assert table.loc["one sign", "p"] == pytest.approx(3 * binomtest(16, 16).pvalue)
    assert table.loc["few", "p"] == pytest.approx(2 * binomtest(5, 5).pvalue)
    assert table.loc["a toss", "p"] == 1
    assert "p" not in summarise_surveys(values)


def test_claims_are_shares_of_the_surveys_own_test_part():
    values = repeat_surveys(measure_claims, 2, sizes=SIZES, n_jobs=1)
    shares = values[[name for name in values if name.startswith(("opposite", "foot"))]]
    assert {"F macro", "foot intermediate", "opposite 150 type 2"} <= set(values)
    assert ((shares >= 0) & (shares <= 1) | shares.isna()).all(axis=None)
    assert_allclose(values["F macro"], values[["F type 1", "F intermediate", "F type 2"]].mean(axis=1))
