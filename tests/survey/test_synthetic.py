"""The simulated survey against physics and against published measurements."""

import numpy as np
import pytest
from astropy.table import Table, vstack
from scipy import stats
from scipy.ndimage import gaussian_filter1d

from agn_helpers.errors import AgnError
from agn_helpers.lines import LINES, PAPER_GRID
from agn_helpers.reduction import reduce_spectra, sample_arrays, sample_grid
from agn_helpers.reduction.rest_frame import reduce_spectrum
from agn_helpers.spectra import ObservedSpectrum, read_spectrum, write_spec_lite
from agn_helpers.spectra.noise import estimate_noise
from agn_helpers.survey import (
    BROAD_LINES,
    FE_II_LINES,
    draw_objects,
    iter_survey,
    line_profile,
    select_lines,
    simulate_survey,
    smc_extinction,
)
from agn_helpers.survey.emission import BALMER_EDGE, balmer_continuum, calzetti_extinction
from agn_helpers.survey.population import change_population
from agn_helpers.survey.stellar import POPULATIONS, population_templates
from agn_helpers.survey.synthetic import render_objects

# Lick indices (air Å): index band, blue and red side bands (Worthey et al. 1994; Worthey & Ottaviani 1997).
LICK = {
    "HdeltaA": ((4083.5, 4122.25), (4041.6, 4081.5), (4128.5, 4161.0)),
    "G4300": ((4281.375, 4316.375), (4266.375, 4282.625), (4317.625, 4335.125)),
    "Hbeta": ((4847.875, 4876.625), (4827.875, 4847.875), (4876.625, 4891.625)),
    "Mgb": ((5160.125, 5192.625), (5117.7, 5142.7), (5191.375, 5206.375)),
    "Fe5270": ((5245.65, 5285.65), (5233.15, 5248.15), (5285.65, 5318.15)),
}
# What Bruzual & Charlot (2003) give for 0.1, 1 and 10 Gyr at solar metallicity, with the range that
# 0.05-0.2, 0.7-1.5 and 7-13 Gyr and half to twice solar span; breaks of old light are those of MILES models
# of 7.9 to 12.6 Gyr (1.98 to 2.16; [M/H] = -0.4: 1.81; +0.22: 2.27).
PUBLISHED = {
    "young": {"Dn4000": (1.05, 1.25), "HdeltaA": (4.5, 8.0), "Hbeta": (4.0, 7.0), "Mgb": (0.2, 1.0)},
    "adult": {"Dn4000": (1.25, 1.50), "HdeltaA": (4.0, 8.5), "Hbeta": (3.5, 6.0), "Mgb": (1.0, 2.2),
              "Fe5270": (1.0, 2.2)},
    "old": {"Dn4000": (1.98, 2.16), "HdeltaA": (-4.0, -1.0), "Hbeta": (1.3, 2.0), "Mgb": (3.0, 4.5),
            "Fe5270": (2.5, 3.5), "G4300": (3.8, 6.2)},
    "old metal-poor": {"Dn4000": (1.7, 1.9), "HdeltaA": (-2.5, 1.0), "Mgb": (1.5, 3.0),
                       "Fe5270": (1.5, 2.6)},
    "old Mg-enhanced": {"Dn4000": (1.98, 2.27), "Mgb": (3.8, 5.2), "Fe5270": (2.5, 3.3), "Hbeta": (1.3, 2.0)},
}  # fmt: skip


def measure_index(wavelength, flux, name):
    (low, high), *sides = LICK[name]

    def mean(band):
        return flux[(wavelength >= band[0]) & (wavelength <= band[1])].mean()

    inside = (wavelength >= low) & (wavelength <= high)
    continuum = np.interp(
        wavelength[inside], [np.mean(band) for band in sides], [mean(band) for band in sides]
    )
    return np.sum(1 - flux[inside] / continuum) * (wavelength[1] - wavelength[0])


def measure_break(wavelength, flux):
    """Dn4000 of Balogh et al. (1999): ratio of mean flux per frequency."""
    per_frequency = flux * wavelength**2
    red = per_frequency[(wavelength >= 4000) & (wavelength <= 4100)].mean()
    return red / per_frequency[(wavelength >= 3850) & (wavelength <= 3950)].mean()


def fwhm_of(wavelength, flux):
    above = np.flatnonzero(flux > flux.max() / 2)
    edges = []
    for inside, outside in ((above[0], above[0] - 1), (above[-1], above[-1] + 1)):
        edges.append(np.interp(flux.max() / 2, flux[[outside, inside]], wavelength[[outside, inside]]))
    return edges[1] - edges[0]


def only_narrow_lines(objects):
    """The same objects, lines on a flat continuum: no broad lines, no wings, starlight faint and smooth."""
    objects = objects.copy()
    objects["ew_broad_hbeta"] = 0.0
    objects["nucleus_share"] = 1.0
    objects["slope"] = 0.0
    objects["OIII_wing"] = 0.0
    objects["ebv_nucleus"] = 0.0
    return objects


@pytest.mark.parametrize("population", POPULATIONS)
def test_starlight_has_the_published_indices(population):
    air = np.arange(3700, 5700, 0.25)
    template = population_templates(air * 1.00028)[POPULATIONS.index(population)]
    for name, (low, high) in PUBLISHED[population].items():
        measured = measure_break(air, template) if name == "Dn4000" else measure_index(air, template, name)
        assert low < measured < high, f"{name} of {population}: {measured:.2f}"


# Flux per Å relative to that at 5500 Å of MILES models (Vazdekis et al. 2010) of solar metallicity; of -0.4
# dex for the metal-poor, which are the old with two numbers changed.  Vacuum Å.
BANDS = [(3650, 3710), (3740, 3800), (3800, 3860), (3890, 3950), (4010, 4100), (4200, 4300), (4400, 4600)]
MILES = {
    "young": (1.158, 1.427, 1.683, 1.878, 1.919, 1.774, 1.564),
    "adult": (0.582, 0.658, 0.737, 0.808, 1.096, 1.103, 1.151),
    "old": (0.352, 0.315, 0.269, 0.323, 0.583, 0.604, 0.839),
    "old metal-poor": (0.419, 0.404, 0.376, 0.402, 0.669, 0.677, 0.872),
}


@pytest.mark.parametrize("population", MILES)
def test_starlight_has_the_published_shape_about_the_balmer_jump(population):
    wavelength = np.arange(3600, 5600, 0.5)
    template = population_templates(wavelength)[POPULATIONS.index(population)]
    level = template[np.abs(wavelength - 5500) < 50].mean()
    found = [template[(wavelength >= low) & (wavelength < high)].mean() / level for low, high in BANDS]
    np.testing.assert_allclose(found, MILES[population], rtol=0.12 if "poor" in population else 0.05)


def test_broad_balmer_lines_join_their_continuum_without_a_step():
    """Recombination (Storey & Hummer 1995: 15 000 K, 10^10 cm^-3), and the Milne relation beside it."""
    published = {9: 0.1158, 10: 0.0876, 12: 0.0520, 15: 0.0266, 20: 0.0111, 30: 0.0032, 40: 0.0014}
    series = select_lines(BROAD_LINES, "H high")
    level = np.round(2 / np.sqrt(1 - 3647.01 / series.wavelength)).astype(int)
    ratios = dict(zip(level, series.ratio))
    scale = 0.0030 / BALMER_EDGE
    for number, ratio in published.items():
        assert scale * ratios[number] == pytest.approx(ratio, rel=0.06)
    # Free-bound emissivity at the edge (Gaunt factor 0.876) over that of Hβ (9.75e-26 erg cm^3 / s there).
    temperature, hbeta = 15000.0, 9.75e-26
    per_frequency = 6.84e-38 * temperature**-1.5 * 157890 * 2 / 8 * 0.876
    assert scale * BALMER_EDGE == pytest.approx(per_frequency * 2.998e18 / 3646**2 / hbeta, rel=0.03)
    # Seen with lines of 3000 km/s there is no edge.
    wavelength = np.arange(3400, 3800, 0.1)
    edge = BALMER_EDGE * balmer_continuum(wavelength)
    sigma = 3650 * 3000 / 299792.458 / np.sqrt(8 * np.log(2)) / 0.1
    total = line_profile(series, wavelength, fwhm=3000.0) + gaussian_filter1d(edge, sigma)
    inside = (wavelength > 3550) & (wavelength < 3780)
    assert total[inside].min() > 0.9 * BALMER_EDGE and total[inside].max() < 1.03 * BALMER_EDGE


def test_lines_have_the_drawn_flux_width_and_place():
    objects = only_narrow_lines(draw_objects("type 2", 20, random_state=4))
    wavelength, flux = render_objects(objects)
    for row, spectrum in zip(objects, flux):
        rest = wavelength / (1 + row["redshift"])
        for name, expected in (("OIII5007", row["OIII_core"]), ("OIII4959", row["OIII_core"] / 2.98)):
            near = np.abs(LINES[name].velocity(rest)) < 1400
            line = spectrum[near] - 1
            total = np.trapezoid(line, rest[near])
            assert total == pytest.approx(row["ew_hbeta"] * expected, rel=0.02)
            assert np.average(rest[near], weights=line) == pytest.approx(LINES[name].wavelength, abs=0.1)
        velocity = LINES["OIII5007"].velocity(rest)
        near = np.abs(velocity) < 1400
        variance = np.average(velocity[near] ** 2, weights=spectrum[near] - 1)
        expected = np.hypot(row["fwhm_core"], 299792.458 / 1850) / np.sqrt(8 * np.log(2))
        assert np.sqrt(variance) == pytest.approx(expected, rel=0.02)


def test_hbeta_comes_back_to_its_rest_wavelength_after_reduction():
    objects = only_narrow_lines(draw_objects("type 2", 10, random_state=2))
    wavelength, flux = render_objects(objects)
    for row, spectrum in zip(objects, flux):
        observed = ObservedSpectrum(wavelength, spectrum, np.ones(wavelength.size), redshift=row["redshift"])
        reduced, _ = reduce_spectrum(observed)
        near = np.abs(PAPER_GRID - 4862.68) < 20
        centroid = np.average(PAPER_GRID[near], weights=(reduced - 1)[near])
        assert centroid == pytest.approx(4862.7, abs=0.1)


def test_broad_lines_are_as_broad_and_as_strong_as_drawn():
    objects = draw_objects("type 1", 30, random_state=1)
    dark = objects.copy()
    dark["ew_broad_hbeta"] = 0.0
    for table in (objects, dark):
        table["fe_ii_ratio"] = table["balmer_continuum"] = table["very_broad_share"] = 0.0
        table["shift_broad"] = 0.0
    wavelength, bright = render_objects(objects)
    broad = bright - render_objects(dark)[1]
    for row, spectrum in zip(objects, broad):
        rest = wavelength / (1 + row["redshift"])
        if row["fwhm_broad"] > 5000:
            continue  # He II 4686 reaches into the line
        near = np.abs(LINES["Hbeta"].velocity(rest)) < min(6000, 2.5 * row["fwhm_broad"])
        width = fwhm_of(rest[near], spectrum[near]) / 4862.68 * 299792.458
        assert width == pytest.approx(np.hypot(row["fwhm_broad"], 299792.458 / 1850), rel=0.03)
        assert np.trapezoid(spectrum[near], rest[near]) == pytest.approx(row["ew_broad_hbeta"], rel=0.05)


def test_iron_has_its_two_optical_blends_in_the_unit_it_is_drawn_in():
    def band(low, high):
        inside = (FE_II_LINES.wavelength > low) & (FE_II_LINES.wavelength < high)
        centre = np.average(FE_II_LINES.wavelength[inside], weights=FE_II_LINES.ratio[inside])
        return FE_II_LINES.ratio[inside].sum(), centre

    # The blends known as λ4570 and λ5250, of similar strength in I Zw 1 (Boroson & Green 1992).
    (blue, blue_centre), (red, red_centre) = band(4434, 4684), band(5150, 5400)
    assert blue == pytest.approx(1, abs=0.05)
    assert blue_centre == pytest.approx(4570, abs=20) and red_centre == pytest.approx(5250, abs=40)
    assert 0.8 < red / blue < 1.3
    # A quarter of 4400 to 5500 Å is in lines of I Zw 1 that the groups lack (Kovačević et al. 2010).
    shelf = (FE_II_LINES.wavelength > 4400) & (FE_II_LINES.wavelength < 5500)
    assert 0.62 / FE_II_LINES.ratio[shelf].sum() == pytest.approx(0.25, abs=0.02)


def test_iron_varies_in_its_parts_and_not_in_its_unit():
    objects = draw_objects("type 1", 2, random_state=5)[:1]
    for name in ("fe_ii_blue", "fe_ii_central", "fe_ii_red"):
        objects[name] = 1.0
    other = objects.copy()
    other["fe_ii_red"] = 2.0
    wavelength, flux = render_objects(vstack([objects, other]))
    rest = wavelength / (1 + objects["redshift"][0])
    change = (flux[1] - flux[0]) / flux[0]
    assert change[np.abs(rest - 5290) < 40].mean() > 0.01
    assert np.abs(change[(rest < 4700) & (rest > 3800)]).max() < 0.002


def test_extinction_laws():
    # Calzetti et al. (2000): k(V) = 4.05, k(B) - k(V) = 1 by definition of E(B-V).
    magnitudes = -2.5 * np.log10(calzetti_extinction(np.array([4400.0, 5500.0]), 1.0))
    assert magnitudes[1] == pytest.approx(4.05, abs=0.05)
    assert magnitudes[0] - magnitudes[1] == pytest.approx(1, abs=0.1)
    # Small Magellanic Cloud: R_V = 2.74 to 2.93 (Pei 1992; Gordon et al. 2003).
    assert 2.6 < -2.5 * np.log10(smc_extinction(5500.0, 1.0)) < 3.0


@pytest.fixture(scope="module")
def survey():
    return simulate_survey(n_type1=60, n_intermediate=60, n_type2=80, random_state=11)


def test_same_seed_same_survey_and_types_do_not_disturb_each_other(survey):
    spectra, truth = survey
    again, truth_again = simulate_survey(n_type1=60, n_intermediate=60, n_type2=80, random_state=11)
    assert all(np.array_equal(a.flux, b.flux) and a.name == b.name for a, b in zip(spectra, again))
    assert all(np.array_equal(truth[name], truth_again[name]) for name in truth.colnames)
    alone, _ = simulate_survey(n_type1=0, n_intermediate=0, n_type2=80, random_state=11)
    assert all(np.array_equal(a.flux, b.flux) for a, b in zip(spectra[120:], alone))
    other, _ = simulate_survey(n_type1=0, n_intermediate=0, n_type2=80, random_state=12)
    assert not np.array_equal(alone[0].flux, other[0].flux)


def test_spectra_look_like_sdss_files(survey):
    spectra, truth = survey
    assert [spectrum.name for spectrum in spectra] == list(truth["name"])
    assert len({spectrum.name for spectrum in spectra}) == len(spectra)
    for spectrum, row in zip(spectra, truth):
        np.testing.assert_allclose(np.diff(np.log10(spectrum.wavelength)), 1e-4, rtol=1e-6)
        assert 3780 < spectrum.wavelength[0] < 3815 and 9190 < spectrum.wavelength[-1] < 9260
        assert spectrum.label == row["label"] and spectrum.meta["survey"] == "synthetic"
        assert abs(spectrum.redshift - row["redshift"]) < 3e-3
        assert np.mean(spectrum.ivar == 0) < 0.03
    assert np.mean([np.any(spectrum.ivar == 0) for spectrum in spectra]) > 0.9
    z = truth["redshift"]
    assert z[truth["label"] == "type 1"].min() >= 0.4 and z[truth["label"] == "type 1"].max() <= 0.75
    assert z[truth["label"] != "type 1"].min() >= 0.02 and z[truth["label"] != "type 1"].max() <= 0.1
    assert truth.meta["survey"] == "synthetic"


def test_ivar_tells_the_noise_and_signal_to_noise_is_the_drawn_one(survey):
    spectra, truth = survey
    pulls, ratios = [], []
    for spectrum, row in zip(spectra, truth):
        good = spectrum.ivar > 0
        flux = np.where(good, spectrum.flux, np.nan)
        pulls.append(np.nanmedian(estimate_noise(flux) * np.sqrt(spectrum.ivar)))
        rest = spectrum.wavelength / (1 + spectrum.redshift)
        window = good & (rest > PAPER_GRID[0]) & (rest < PAPER_GRID[-1])
        ratios.append(np.median(spectrum.flux[window] * np.sqrt(spectrum.ivar[window])) / row["snr"])
    # Spectral features count as noise in the estimate, a few per cent at these signal-to-noise ratios.
    assert np.median(pulls) == pytest.approx(1.03, abs=0.04)
    assert np.median(ratios) == pytest.approx(1, abs=0.02)
    assert truth["snr"].min() >= 10 and truth["snr"].max() <= 40


def test_the_sky_line_leaves_residuals_that_ivar_does_not_tell(survey):
    spectra, _ = survey
    on, off = [], []
    for spectrum in spectra:
        pixel = np.argmin(np.abs(spectrum.wavelength - 5578.9))
        window = np.r_[pixel - 14 : pixel - 6, pixel + 7 : pixel + 15]
        level = np.median(spectrum.flux[window])
        on.append((spectrum.flux[pixel] - level) * np.sqrt(spectrum.ivar[pixel]))
        off.append((spectrum.flux[window[0]] - level) * np.sqrt(spectrum.ivar[window[0]]))
    assert stats.median_abs_deviation(on) > 2 * stats.median_abs_deviation(off)


def test_quasars_follow_eigenvector_1():
    quasars = draw_objects("type 1", 3000, random_state=0)
    iron, width = quasars["fe_ii_ratio"], quasars["fwhm_broad"]
    oiii = quasars["ew_hbeta"] * (quasars["OIII_core"] + quasars["OIII_wing"])
    assert stats.spearmanr(iron, width).statistic < -0.4
    assert stats.spearmanr(iron, oiii).statistic < -0.3
    assert 3500 < np.median(width) < 5000


def test_intermediate_objects_have_the_measured_distributions(shared):
    measured = Table.read(shared / "catalogues" / "intermediate.csv")
    drawn = draw_objects("intermediate", 4000, random_state=1)
    scale = measured["flux_hbeta_narrow"] / measured["continuum_5500"]
    pairs = {
        "ew_hbeta": scale,
        "OII": measured["oii_3727_ratio"],
        "OIII_core": measured["oiii_5007_ratio"],
        "fwhm_core": measured["oiii_5007_fwhm"],
        "fwhm_wing": measured["oiii_5007_wing_fwhm"],
        "stellar_sigma": measured["stellar_sigma"],
        "redshift": measured["redshift"],
        "fwhm_broad": 1070 * (measured["halpha_broad_fwhm"] / 1000) ** 1.03,
    }
    for name, values in pairs.items():
        values = np.ma.compressed(np.ma.masked_invalid(values))
        ours = np.quantile(drawn[name], [0.16, 0.5, 0.84])
        theirs = np.quantile(values, [0.16, 0.5, 0.84])
        np.testing.assert_allclose(np.log(ours), np.log(theirs), atol=0.25, err_msg=name)
    # Narrow Hα / Hβ, which only case B and the drawn dust decide.
    dust = calzetti_extinction(np.array([6564.6, 4862.7]), np.array(drawn["ebv_narrow"])[:, None])
    ours = np.quantile(2.95 * dust[:, 0] / dust[:, 1], [0.16, 0.5, 0.84])
    np.testing.assert_allclose(
        ours, np.quantile(measured["halpha_narrow_ratio"], [0.16, 0.5, 0.84]), rtol=0.1
    )
    # A broad Hβ is measured in 63 % of them.  The limit was fitted together with the ratio's distribution,
    # so the share is partly put in; the strengths of the detected ones are not.
    limit = 4.4 * np.exp(0.92 * np.random.default_rng(0).standard_normal(len(drawn)))
    seen = drawn["ew_broad_hbeta"] > limit
    assert seen.mean() == pytest.approx(np.mean(~measured["hbeta_broad_ratio"].mask), abs=0.05)
    theirs = np.median(np.ma.compressed(measured["hbeta_broad_ratio"] * scale))
    assert np.median(drawn["ew_broad_hbeta"][seen]) == pytest.approx(theirs, rel=0.2)


def test_a_synthetic_spectrum_says_so_after_a_round_trip(survey, tmp_path):
    spectrum = survey[0][0]
    write_spec_lite(spectrum, tmp_path / "spec.fits")
    back = read_spectrum(tmp_path / "spec.fits")
    assert back.meta["survey"] == "synthetic"
    np.testing.assert_array_equal(back.flux, spectrum.flux)


@pytest.mark.parametrize("numbers", [(-1, 2, 3), (0, 0, 0)])
def test_impossible_numbers_of_spectra_are_refused(numbers):
    with pytest.raises(AgnError, match="must not be negative"):
        simulate_survey(n_type1=numbers[0], n_intermediate=numbers[1], n_type2=numbers[2])


def test_signal_to_noise_at_5500_is_the_catalogues(shared):
    """Drawn is the median of the paper's range, catalogued what is at 5500 Å, where noise is less."""
    measured = np.median(Table.read(shared / "catalogues" / "intermediate.csv")["sn_5500"])
    spectra, truth = simulate_survey(n_type1=0, n_intermediate=300, n_type2=0, random_state=1)
    found = []
    for spectrum, redshift in zip(spectra, truth["redshift"]):
        near = (np.abs(spectrum.wavelength / (1 + redshift) - 5500) < 50) & (spectrum.ivar > 0)
        found.append(np.median(spectrum.flux[near] * np.sqrt(spectrum.ivar[near])))
    assert np.median(found) == pytest.approx(measured, rel=0.1)


def test_types_have_the_order_of_colours_of_real_ones():
    """Nuclei are blue, hosts red: type 1 bluest, type 2 reddest."""
    spectra, _ = simulate_survey(n_type1=150, n_intermediate=150, n_type2=150, random_state=2)
    sample, _ = reduce_spectra(spectra)
    X, y = sample_arrays(sample)
    colour = X[:, sample_grid(sample) < 3920].mean(axis=1)
    medians = [np.median(colour[y == name]) for name in ("type 1", "intermediate", "type 2")]
    assert medians[0] > medians[1] > medians[2]


def test_populations_hold_what_they_name():
    objects = draw_objects("type 2", 400, population="general", random_state=0)
    assert {"Seyfert 2", "type 2 quasar"} == set(objects["kind"])
    assert objects["redshift"].max() > 0.7 and objects["redshift"].min() < 0.1
    assert objects["fwhm_core"].max() > 900
    displaced = draw_objects("intermediate", 400, population="general", random_state=0)
    moved = displaced["profile"] == "displaced"
    assert 0.05 < moved.mean() < 0.2
    assert np.abs(displaced["shift_broad"][moved]).max() > 3000
    # Seyfert 1.9, without a broad Hβ, are in the paper's population only.
    assert displaced["ew_broad_hbeta"].min() > 0.3


def holds(row, share):
    """Width (km/s) that holds a share of the flux of [O III], as much on either side."""
    velocity = np.arange(-9000.0, 9000.0, 10.0)
    sigma = np.array([row["fwhm_core"], row["fwhm_wing"]]) / np.sqrt(8 * np.log(2))
    below = [stats.norm.cdf(velocity, shift, width) for shift, width in zip((0, row["shift_wing"]), sigma)]
    wing = row["OIII_wing"] / (row["OIII_wing"] + row["OIII_core"])
    both = (1 - wing) * below[0] + wing * below[1]
    return np.subtract(*np.interp([0.5 + share / 2, 0.5 - share / 2], both, velocity))


def test_narrow_lines_of_type_2_quasars_are_as_wide_as_measured():
    """80 % of [O III] within 752 km/s in the median, 90 % in 370 to 4780 km/s (Zakamska & Greene 2014)."""
    alone = {"type 2": {"type 2 quasar": 1}}
    quasars = draw_objects("type 2", 2000, population=change_population("general", mix=alone), random_state=0)
    w80, w90 = (np.array([holds(row, share) for row in quasars]) for share in (0.8, 0.9))
    assert np.median(w80) == pytest.approx(752, rel=0.06)
    low, high = np.quantile(w90, [0.005, 0.995])
    assert 250 < low < 500 and 2500 < high < 4780
    # Seyfert galaxies' are those of Vaona et al.: half as wide.
    galaxies = draw_objects("type 2", 500, random_state=0)
    assert 400 < np.median([holds(row, 0.8) for row in galaxies]) < 550


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"population": "papre"}, "population must be one of paper, general; got 'papre'"),
        ({"redshifts": (0, 1)}, "a population has no redshifts"),
        ({"redshift": (0.5, 0.1)}, r"redshift must be a range \(low, high\) above 0"),
        ({"mix": {"type 1": {"blazar": 1}}}, "mix must be of kinds that there are"),
        ({"profiles": {"classical": -1}}, "shares must not be negative nor all zero"),
    ],
)
def test_populations_that_there_are_not_are_refused(changes, message):
    with pytest.raises(AgnError, match=message):
        simulate_survey(n_type1=2, n_intermediate=0, n_type2=0, **changes)


def test_a_survey_in_batches_is_the_survey_at_once():
    numbers = {"n_type1": 300, "n_intermediate": 3, "n_type2": 257, "random_state": 6}
    spectra, truth = simulate_survey(**numbers)
    batches = list(iter_survey(**numbers))
    assert [len(part) for part, _ in batches] == [256, 44, 3, 256, 1]
    assert all(len(part) == len(table) for part, table in batches)
    streamed = [spectrum for part, _ in batches for spectrum in part]
    assert [each.name for each in streamed] == [each.name for each in spectra] == truth["name"].tolist()
    assert truth["name"].tolist() == [name for _, table in batches for name in table["name"]]
    for one, other in zip(streamed[::37], spectra[::37]):
        np.testing.assert_array_equal(one.flux, other.flux)
        np.testing.assert_array_equal(one.ivar, other.ivar)
