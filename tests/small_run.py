"""A small embedded run on disk, as notebooks 01 to 03 leave it, made in seconds."""

import numpy as np
from astropy.table import Table

from agn_helpers.classifier import ProbabilisticSVC, TrainedModel, save_model
from agn_helpers.files import write_table
from agn_helpers.maps import embed_spectra, write_map
from agn_helpers.reduction import reduce_spectra, sample_arrays, sample_grid, write_sample
from agn_helpers.runs import run_folders
from agn_helpers.survey import simulate_survey


def write_small_run(root, *, run="small", n_type1=60, n_intermediate=60, n_type2=120):
    """Write sample.fits, model.skops, split.ecsv and map.fits of `run` below `root`; returns its folders."""
    spectra, _ = simulate_survey(
        random_state=1, n_type1=n_type1, n_intermediate=n_intermediate, n_type2=n_type2
    )
    sample, _ = reduce_spectra(spectra)
    X, y = sample_arrays(sample)
    folders = run_folders(run, root=root)
    folders.data.mkdir(parents=True)
    write_sample(sample, folders.data / "sample.fits")
    estimator = ProbabilisticSVC(C=0.07, kernel="linear", class_weight="balanced", random_state=0)
    meta = {"survey": "synthetic", "normalisation": sample.meta["normalisation"]}
    test = np.arange(len(y)) % 5 == 0
    model = TrainedModel(estimator.fit(X[~test], y[~test]), grid=sample_grid(sample), meta=meta)
    save_model(model, folders.data / "model.skops")
    parts = Table({"name": sample["name"], "part": np.where(test, "test", "training")}, meta=meta)
    write_table(parts, folders.data / "split.ecsv")
    spectrum_map = embed_spectra(X, perplexity=30, name=sample["name"])
    spectrum_map.meta["survey"] = "synthetic"
    write_map(spectrum_map, folders.data / "map.fits")
    return folders
