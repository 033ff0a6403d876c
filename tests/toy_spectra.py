"""Small spectra around Hβ, quick to learn, on which closed forms of attributions are tested."""

import numpy as np

from agn_helpers.lines import LINES

CLASSES = np.array(["intermediate", "type 1", "type 2"])

#: Rest wavelengths, Å.
GRID = np.linspace(4600, 5200, 151)


def make_spectra(*, n_spectra=120, classes=CLASSES, noise=0.05, random_state=0):
    """Continuum, narrow [O III] and Hβ, and a broad Hβ by class.

    Returns X (n_spectra, 151), ivar of the same shape, y (n_spectra,).
    """
    rng = np.random.default_rng(random_state)
    y = np.asarray(classes)[np.arange(n_spectra) % len(classes)]

    def profile(name, width):
        return np.exp(-0.5 * (LINES[name].velocity(GRID) / width) ** 2)

    height = np.select([y == "type 1", y == "intermediate"], [1.0, 0.5], 0.0) + 0.1 * rng.normal(
        size=n_spectra
    )
    narrow = profile("Hbeta", 300) + 3 * profile("OIII5007", 300) + profile("OIII4959", 300)
    slope = 1 + 0.1 * rng.normal(size=(n_spectra, 1)) * (GRID - 4900) / 300
    X = slope + narrow + height[:, None] * profile("Hbeta", 1500)
    return X + noise * rng.normal(size=X.shape), np.full(X.shape, noise**-2.0), y
