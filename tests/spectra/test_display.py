"""An ObservedSpectrum says in a line what it is, draws itself, and goes to specutils and back."""

import numpy as np
import pytest
from astropy import units as u

from agn_helpers.errors import SpectrumError
from agn_helpers.spectra import ObservedSpectrum, from_specutils


@pytest.fixture
def spectrum():
    wavelength = np.linspace(3800, 9200, 3000)
    flux = 2 + np.sin(wavelength / 100)
    ivar = np.where(np.arange(3000) < 10, 0, 25.0)
    meta = {"flux_unit": "1E-17 erg/cm^2/s/Ang", "file": "a.fits"}
    return ObservedSpectrum(wavelength, flux, ivar, redshift=0.1, name="<b>x</b>", label="type 2", meta=meta)


def test_it_is_said_in_a_line(spectrum):
    assert repr(spectrum) == "<ObservedSpectrum <b>x</b>: 3000 pixels, 3800 to 9200 Å, z = 0.1000, type 2>"
    bare = ObservedSpectrum([1.0, 2.0], [1.0, 1.0], [0.0, 0.0])
    assert repr(bare) == "<ObservedSpectrum without a name: 2 pixels, 1 to 2 Å, redshift unknown>"
    assert "unknown" in bare._repr_html_()


def test_a_notebook_shows_units_and_what_is_masked_and_no_markup_of_a_name(spectrum):
    page = spectrum._repr_html_()
    assert "1E-17 erg/cm^2/s/Ang" in page and "3000, 10 of them masked" in page and "vacuum" in page
    assert "<b>" not in page and "&lt;b&gt;x" in page


def test_flux_has_the_unit_that_the_file_states(spectrum):
    assert spectrum.flux_quantity.unit == u.Unit("1e-17 erg / (s cm2 AA)")
    spectrum.meta["flux_unit"] = "furlongs"
    with pytest.raises(SpectrumError, match="'furlongs'"):
        _ = spectrum.flux_quantity
    del spectrum.meta["flux_unit"]
    with pytest.raises(SpectrumError, match="states one"):
        _ = spectrum.flux_quantity


def test_specutils_takes_it_and_gives_it_back(spectrum):
    pytest.importorskip("specutils", reason="would check the way to specutils and back; it is not installed")
    theirs = spectrum.to_specutils()
    assert theirs.mask.sum() == 10 and theirs.flux.unit == u.Unit("1e-17 erg / (s cm2 AA)")
    back = from_specutils(theirs)
    for key in ("wavelength", "flux", "ivar", "redshift"):
        np.testing.assert_allclose(getattr(back, key), getattr(spectrum, key), rtol=1e-12)
    del spectrum.meta["flux_unit"]
    assert spectrum.to_specutils().flux.unit == u.dimensionless_unscaled


def test_it_draws_itself(spectrum, plot_style):
    ax = spectrum.plot()
    assert "type 2, z = 0.100" in ax.get_title(loc="left")
