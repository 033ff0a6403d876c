"""Words in figures stay apart."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from agn_helpers.plotting import find_collisions, plot_curves


def test_words_beside_curves_that_end_together_stay_apart():
    share = np.linspace(0, 1, 11)
    alike = ("gradient", "finite_difference", "smoothgrad", "integrated_gradients", "gradient_times_input")
    curves = {name: -3 * share + 1e-4 * k for k, name in enumerate(alike)}
    curves |= {"occlusion": -3.1 * share, "lime": -2.9 * share, "random order": -2.7 * share}
    figure, ax = plt.subplots(figsize=(3.5, 2.9), layout="constrained")
    plot_curves(pd.DataFrame(curves, index=share), ax=ax)
    assert find_collisions(figure) == []
    plt.close(figure)
