"""Where a run keeps what the picker needs; finding it takes no numerical library."""

from ..runs import require_file, run_folders


def find_run(run, *, root=None):
    """Where the notebooks wrote a run: the paths of its four files, by the arguments of `PickerState`.

    run, root : see `run_folders`

    Raises AgnError, which names the notebook that is to be run first.
    """
    data = run_folders(run, root=root).data
    return {
        key: require_file(data / name, written_by=notebook)
        for key, name, notebook in (
            ("sample", "sample.fits", "01_data_reduction"),
            ("model", "model.skops", "02_classifier_tuning"),
            ("split", "split.ecsv", "02_classifier_tuning"),
            ("spectrum_map", "map.fits", "03_tsne_exploration"),
        )
    }
