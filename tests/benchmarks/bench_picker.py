"""The spectrum picker: kernel time of a pick and of a slider's step, up to the images that are sent."""

import tempfile
import time

import numpy as np

from agn_helpers.picker import SpectrumPicker

from ..small_run import write_small_run
from . import Row, at_least

_N_PICKS = 100


def run():
    """Rows for the whole embedded survey on the map: processor time, and its ratio to drawing anew."""
    with tempfile.TemporaryDirectory() as root:
        write_small_run(root, run="whole", n_type1=680, n_intermediate=521, n_type2=2145)
        picker = SpectrumPicker.open_run("whole", root=root, front_end=True)
    canvases = [picker.view.controls.map_figure.canvas, picker.view.controls.spectrum_figure.canvas]
    for canvas in canvases:
        # As with a front end, which keeps the last image itself.
        canvas.syncing_data_url = False
        canvas.draw()
    names = picker.state.name[np.random.default_rng(0).integers(0, len(picker.state.name), _N_PICKS)]
    pick = median_time(picker.pick, names)

    def redraw(name):
        """What a page without artists in place would do: draw both figures anew."""
        picker.state.pick(name)
        picker.shown = picker.state.show()
        for panel in (picker.view.map, picker.view.spectrum):
            panel.build(picker.state)
        picker.view.map.update(picker.state, picker.shown)
        picker.view.spectrum.update(picker.shown)
        for canvas in canvases:
            canvas.draw()

    naive = median_time(redraw, names[:20])
    for canvas in canvases:
        canvas.draw()
    fluxes = np.linspace(-40, 100, _N_PICKS)
    step = median_time(lambda flux: picker.what_if(broad_hbeta_flux=flux), fluxes)
    n_spectra = len(picker.state.name)
    picker.close()
    return [
        Row(f"picker: a pick among {n_spectra}", 1e3 * pick, "ms of CPU", "", True),
        Row("picker: a step of a slider", 1e3 * step, "ms of CPU", "", True),
        at_least("picker: a pick, against drawing anew", naive / pick, 3),
        at_least("picker: a step of a slider, against drawing anew", naive / step, 1.5),
    ]


def median_time(function, arguments):
    """Median processor time of calls, s; the other processes of a busy machine do not count."""
    times = []
    for argument in arguments:
        start = time.process_time()
        function(argument)
        times.append(time.process_time() - start)
    return np.median(times)
