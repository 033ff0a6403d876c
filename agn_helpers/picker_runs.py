"""What the notebooks wrote for a run, as the spectrum picker needs it."""

from typing import NamedTuple

from astropy.table import Table

from .embedding import SpectrumMap, read_map
from .models import TrainedModel, load_model
from .reduction import read_sample
from .runs import need_file, run_folders


class PickerInput(NamedTuple):
    """The arguments of `picker.PickerState`."""

    sample: Table
    model: TrainedModel
    spectrum_map: SpectrumMap
    split: Table


def find_run(run, *, root=None):
    """Where the notebooks wrote a run: the paths of its four files by the names of `PickerInput`.

    run, root : see `runs.run_folders`

    Raises AgnError, which names the notebook that is to be run first.
    """
    data = run_folders(run, root=root).data
    return {
        key: need_file(data / name, written_by=notebook)
        for key, name, notebook in (
            ("sample", "sample.fits", "01_data_reduction"),
            ("model", "model.skops", "02_classifier_tuning"),
            ("split", "split.ecsv", "02_classifier_tuning"),
            ("spectrum_map", "map.fits", "03_tsne_exploration"),
        )
    }


def read_run(run, *, root=None):
    """Read the sample, the model, the map and the split of a run; see `find_run`.  Returns PickerInput."""
    paths = find_run(run, root=root)
    return PickerInput(
        sample=read_sample(paths["sample"]),
        model=load_model(paths["model"]),
        spectrum_map=read_map(paths["spectrum_map"]),
        split=Table.read(paths["split"]),
    )
