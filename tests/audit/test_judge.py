"""The judge without a classifier measures known lines; confounds are measured on changed surveys."""

import numpy as np
import pandas as pd
import pytest

from agn_helpers import reduce_spectra, simulate_survey
from agn_helpers.audit import (
    SHIFTS,
    fit_lines,
    inject_concept,
    judge_lines,
    measure_confounds,
    measure_representations,
    measure_widths,
)
from agn_helpers.audit.ensembles import make_survey
from agn_helpers.lines import PAPER_GRID
from agn_helpers.survey import NARROW_LINES, line_profile, select_lines

GRID = np.asarray(PAPER_GRID)


@pytest.fixture(scope="module")
def survey():
    # Smaller test parts leave ties between what parts of a spectrum tell.
    return make_survey(1, n_type1=300, n_intermediate=300, n_type2=500)


def test_known_lines_are_measured():
    rng = np.random.default_rng(3)
    narrow = line_profile(select_lines(NARROW_LINES, "OIII"), GRID, fwhm=400.0) * 40
    narrow += line_profile(select_lines(NARROW_LINES, "H"), GRID, fwhm=400.0) * 5
    X = np.stack([1 + narrow, inject_concept(1 + narrow[None], GRID, "broad Hβ", 20.0)[0]])
    ivar = np.full(X.shape, 1 / 0.02**2)
    fits = fit_lines(X + 0.02 * rng.standard_normal(X.shape), ivar, grid=GRID)
    assert list(fits["ew_oiii"]) == pytest.approx([40, 40], rel=0.05)
    assert list(fits["ew_narrow"]) == pytest.approx([5, 5], abs=1.0)
    assert fits["ew_broad"].iloc[1] == pytest.approx(20, abs=5 * fits["ew_broad_error"].iloc[1] + 1)
    assert fits["fwhm_broad"].iloc[1] == 4000
    assert list(judge_lines(fits)) == ["type 2", "intermediate"]


def test_the_rule_is_the_one_stated():
    rows = {
        "ew_broad": [0.0, 10, 10, 60, 2, np.nan],
        "ew_broad_error": [np.nan, 1, 3, 1, 0.1, np.nan],
        "ew_narrow": [5.0, 5, 5, 0, 0, np.nan],
        "ew_oiii": [20.0, 20, 20, 20, 20, np.nan],
    }
    expected = ["type 2", "intermediate", "type 2", "type 1", "type 2", "undetermined"]
    assert list(judge_lines(pd.DataFrame(rows))) == expected


def test_wide_narrow_lines_are_not_broad_ones():
    """Type 2 quasars have [O III] of the same width as Hβ; a broad Hβ has not."""
    spectra, _ = simulate_survey(
        population="general",
        n_type1=0,
        n_intermediate=0,
        n_type2=60,
        mix={"type 2": {"type 2 quasar": 1}},
        snr=(10, 40),
    )
    sample, _ = reduce_spectra(spectra)
    fits = fit_lines(np.asarray(sample["flux"]), np.asarray(sample["ivar"]), grid=GRID)
    assert np.mean(judge_lines(fits) == "type 2") > 0.8


def test_every_shift_is_measured_and_a_wrong_redshift_costs(survey):
    values = measure_confounds(survey)
    assert {name.split(" | ")[1] for name in values} == set(SHIFTS)
    assert values["F macro | redshift error 300 km/s"] < values["F macro | as trained"] - 0.02
    assert values["recall type 1 | hosts around type 1"] <= values["recall type 1 | as trained"]


def test_parts_of_a_spectrum_tell_less(survey):
    values = measure_representations(survey)
    for part in ("continuum only", "no Hβ", "Hβ alone", "no Balmer lines"):
        assert values[f"F macro | {part}"] < values["F macro | everything"]


def test_widths_come_from_fluxes_not_from_saliency(survey):
    values = measure_widths(survey)
    assert values["line fit | type 1"] > 0.5
    assert values["ridge | type 1"] > values["|gradient| | type 1"]
