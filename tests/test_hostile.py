"""Inputs that once ended a call, hung it, ate memory or were believed; no one of them spoils the others."""

import io
import os
import resource
import shutil
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
import skops.io
from astropy.io import fits

from agn_helpers.archive import read_catalogue, read_missing
from agn_helpers.archive.manifest import Manifest
from agn_helpers.classifier import (
    NoveltyDetector,
    ProbabilisticSVC,
    SpectrumCompleter,
    TrainedModel,
    calibrate_sets,
    load_model,
    save_model,
)
from agn_helpers.cli.app import main
from agn_helpers.errors import AgnError
from agn_helpers.files import read_table, write_table
from agn_helpers.maps import read_map
from agn_helpers.reduction import read_sample, reduce_spectra, sample_arrays
from agn_helpers.spectra import ObservedSpectrum
from agn_helpers.survey import simulate_survey

from .fuzz.seeds import make_cache_tables, make_manifests, make_maps, make_model, make_samples


@pytest.fixture(scope="module")
def simulated():
    return list(simulate_survey(random_state=3, n_type1=30, n_intermediate=30, n_type2=60)[0])


@pytest.fixture(scope="module")
def model_file(simulated, tmp_path_factory):
    """A model with all of its extras."""
    sample, _ = reduce_spectra(simulated)
    (X, y), ivar = sample_arrays(sample), np.asarray(sample["ivar"], dtype=float)
    options = {"C": 0.07, "kernel": "linear", "class_weight": "balanced", "random_state": 0}
    estimator = ProbabilisticSVC(**options).fit(X, y)
    extras = {
        "completion": SpectrumCompleter(10).fit(X, ivar),
        "novelty": NoveltyDetector(n_components=8, random_state=0).fit(X, ivar, grid=sample.grid),
        "prediction_sets": calibrate_sets(estimator, X, y),
    }
    path = tmp_path_factory.mktemp("model") / "model.skops"
    save_model(TrainedModel(estimator, sample.grid, {"survey": "synthetic"}, extras), path)
    return path


@pytest.fixture
def project(model_file, tmp_path, monkeypatch):
    """A folder with a run "small", in which commands are given."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "01_x.ipynb").touch()
    (tmp_path / "data" / "small").mkdir(parents=True)
    shutil.copy(model_file, tmp_path / "data" / "small")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_csv(spectrum, path, **changes):
    """A spectrum as CSV; `changes` are functions of its columns."""
    columns = {"wavelength": spectrum.wavelength, "flux": spectrum.flux.copy(), "ivar": spectrum.ivar.copy()}
    for name, change in changes.items():
        columns[name] = change(columns[name])
    lines = [",".join(f"{value!r}" for value in row) for row in zip(*(v.tolist() for v in columns.values()))]
    head = f"# redshift = {spectrum.redshift}\nwavelength,flux,ivar\n"
    path.write_text(head + "\n".join(lines) + "\n")
    return path


def classify(*files, output="o.ecsv"):
    """Exit code, names of the table, reasons by file of what was rejected."""
    code = main(["classify", *map(str, files), "--run", "small", "--output", output])
    table, rejected = read_table(output), read_table(output.replace("o.", "o_rejected."))
    for name in table.colnames:
        # Where a spectrum lies may be unknown.
        assert name in ("ra", "dec") or table[name].dtype.kind != "f" or np.isfinite(table[name]).all()
    return code, table, dict(zip(map(os.path.basename, rejected["file"]), rejected["reason"]))


def set_pixels(place, value):
    def change(values):
        values[place] = value
        return values

    return change


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("flux", set_pixels(2500, 1e45)),
        ("flux", set_pixels(slice(2500, 2503), -1e300)),
        ("flux", lambda flux: flux * 1e306),
        ("ivar", set_pixels(slice(1000, 2000), 1e60)),
        ("ivar", lambda ivar: ivar * 1e-60),
    ],
)
def test_numbers_beyond_single_precision_are_refused_and_the_others_done(
    project, simulated, column, change, capsys
):
    good = write_csv(simulated[0], project / "good.csv")
    bad = write_csv(simulated[1], project / "bad.csv", **{column: change})
    code, table, reasons = classify(good, bad)
    assert code == 3 and table["name"].tolist() == ["good"] and list(reasons) == ["bad.csv"]
    assert "single precision" in reasons["bad.csv"] or "ivar" in reasons["bad.csv"]
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("key", ["plate", "mjd", "fiberid"])
def test_identifiers_beyond_four_bytes_are_refused(simulated, key):
    spectrum = simulated[0]
    with pytest.raises(AgnError, match=rf"{key} must be less than 2\*\*31; got 1099511627776"):
        ObservedSpectrum(spectrum.wavelength, spectrum.flux, spectrum.ivar, 0.1, **{key: 1 << 40})


@pytest.mark.parametrize(
    "where", ["reading.find_spectra", "reduction.reduce", "classifier.predict", "plotting"]
)
def test_what_was_not_foreseen_of_one_spectrum_is_its_row_in_rejected(
    project, simulated, where, monkeypatch, caplog
):
    files = [write_csv(spectrum, project / f"s{i}.csv") for i, spectrum in enumerate(simulated[:3])]

    def fail_for(name, function, place):
        def failing(*args, **options):
            part = args[place]
            names = [part.name] if hasattr(part, "name") else list(part["name"])
            if any(str(each).startswith(name) for each in names):
                raise RuntimeError("never\nheard of")
            return function(*args, **options)

        return failing

    import agn_helpers.classifier.predict as predict
    import agn_helpers.reduction.sample as sample
    import agn_helpers.spectra.reading as reading

    if where == "plotting":
        import agn_helpers.plotting as plotting

        monkeypatch.setattr(plotting, "save_figure", lambda *args, **options: 1 / 0)
        arguments = ["classify", *map(str, files), "--run", "small", "--output", "o.ecsv", "--explain"]
        assert main(arguments) == 1
        assert len(read_table("o.ecsv")) == 3
        return
    if where == "reading.find_spectra":
        monkeypatch.setattr(reading, "read_text", fail_for("s1", reading.read_text, 1))
    elif where == "reduction.reduce":
        monkeypatch.setattr(sample, "reduce_spectrum", fail_for("s1", sample.reduce_spectrum, 0))
    else:
        monkeypatch.setattr(predict, "predict_types", fail_for("s1", predict.predict_types, 0))
    caplog.set_level("DEBUG", logger="agn_helpers")
    code, table, rejected = classify(*files)
    assert code == 3 and table["name"].tolist() == ["s0", "s2"]
    assert "RuntimeError: never heard of" in "".join(rejected.values())
    assert any(record.exc_info for record in caplog.records)


# Readers of tables


def change_meta(content, **changes):
    """A FITS table with keys of its header changed, or taken away where None."""
    with fits.open(io.BytesIO(content)) as hdus:
        for key, value in changes.items():
            if value is None:
                del hdus[1].header[key]
            else:
                hdus[1].header[key] = value
        out = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            hdus.writeto(out)
    return out.getvalue()


def change_column(content, name, change, path):
    path.write_bytes(content)
    table = read_table(path)
    table[name] = change(np.asarray(table[name]))
    write_table(table, path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("perplexity", None), ("n_components", "x"), ("n_components", 99), ("random_state", "y")],
)
def test_maps_with_unsound_keys_are_refused(tmp_path, key, value):
    path = tmp_path / "map.fits"
    path.write_bytes(make_maps()[0])
    read_map(path)
    path.write_bytes(change_meta(make_maps()[0], **{key: value}))
    with pytest.raises(AgnError, match=r"must be a map as write_map writes it; reading it says: [^\n]+$"):
        read_map(path)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("flux", lambda flux: np.where(np.arange(80) == 3, np.nan, flux)),
        ("flux", lambda flux: flux[:, :-1]),
        ("ivar", lambda ivar: -ivar),
        ("label", lambda label: np.arange(len(label))),
        ("redshift", lambda z: np.full(len(z), "a")),
    ],
)
def test_samples_with_unsound_columns_are_refused(tmp_path, name, change):
    path = tmp_path / "sample.fits"
    path.write_bytes(make_samples()[0])
    assert len(read_sample(path)) == 6
    change_column(make_samples()[0], name, change, path)
    with pytest.raises(AgnError, match=rf"must be a reduced sample; .*{name}.* Run notebook 01 again\.$"):
        read_sample(path)


def test_a_cache_table_with_numbers_out_of_range_is_refused(tmp_path):
    path = tmp_path / "records" / "missing.csv"
    path.parent.mkdir()
    path.write_bytes(make_cache_tables()[0])
    assert len(read_missing(tmp_path)) == 2
    path.write_bytes(make_cache_tables()[0].replace(b",51630,", b"," + b"9" * 30 + b","))
    with pytest.raises(AgnError, match="must be as agn fetch wrote it; it is not"):
        read_missing(tmp_path)


@pytest.mark.parametrize(
    "value",
    ['"size": "x"', '"file": 3', '"outcome": 5', '"outcome": "x"', '"sha256": [1]', '"release": null'],
)
def test_a_line_of_the_manifest_with_an_unsound_field_is_skipped(tmp_path, value):
    sound = make_manifests()[0].splitlines()[0].decode()
    bad = sound.replace("spec-0266-51630-0158", "bad", 1)[:-1] + f", {value}}}"
    (tmp_path / "manifest.jsonl").write_text(f"{sound}\n{bad}\n{'[' * 5000}\n")
    with Manifest(tmp_path / "manifest.jsonl") as manifest:
        assert list(manifest) == ["spec-0266-51630-0158"]


def test_lists_with_hours_alone_and_with_too_many_columns(tmp_path):
    (tmp_path / "list.csv").write_text(
        "ra,dec\n12:30:09,\n12:30:09,99:00:00\n25:00:00,x\n12:30:09,+45:00:00\n"
    )
    catalogue, problems = read_catalogue(tmp_path / "list.csv")
    assert len(catalogue) == 1 and sum(problems["kind"] == "unusable") == 3
    wide = ",".join(f"c{i}" for i in range(20_000))
    (tmp_path / "wide.csv").write_text(f"{wide}\n{wide}\n")
    start = time.monotonic()
    with pytest.raises(AgnError, match="at most 1000 columns; it has 20000"):
        read_catalogue(tmp_path / "wide.csv")
    assert time.monotonic() - start < 5


# Models


@pytest.mark.parametrize(
    "spoil",
    [
        lambda model: model.estimator.dual_coef_.__setitem__((0, 0), np.nan),
        lambda model: setattr(model.estimator, "coef_", model.estimator.coef_[:, :-1]),
        lambda model: setattr(model.estimator, "sigmoids_", np.full((1, 2), np.inf)),
        lambda model: setattr(model.extras["completion"], "mean_", np.ones(3)),
        lambda model: setattr(model.extras["completion"], "components_", np.full((3, 40), np.inf)),
        lambda model: setattr(model.extras["novelty"], "basis_", np.ones((2, 2))),
        lambda model: model.extras["novelty"].thresholds_.update(features=np.nan),
        lambda model: model.extras.update(novelty=np.ones(3)),
        lambda model: model.extras.update(completion="x"),
        lambda model: model.extras.update(ensemble=np.ones(3)),
        lambda model: model.extras.update(ensemble={"classes": model.classes, "weights": np.ones((1, 3, 2))}),
        lambda model: model.extras.update(prediction_sets=model.extras["novelty"]),
    ],
)
def test_models_with_unsound_weights_or_extras_are_refused_at_load(tmp_path, spoil):
    path = tmp_path / "model.skops"
    path.write_bytes(make_model())
    model = load_model(path)
    spoil(model)
    content = {
        "format": 2,
        "estimator": model.estimator,
        "grid": model.grid,
        "meta": model.meta,
        "extras": model.extras,
    }
    skops.io.dump(content, path)
    with pytest.raises(AgnError, match=r"must be a model that works; its trial says: [^\n]+$"):
        load_model(path)


@pytest.mark.parametrize("kernel", ["rbf", "poly"])
def test_models_of_any_kernel_pass_their_trial(tmp_path, kernel):
    path = tmp_path / "model.skops"
    path.write_bytes(make_model(kernel))
    assert load_model(path).classes.tolist() == ["intermediate", "type 1", "type 2"]


# What the machine does not give

CLASSIFY = """
import resource, sys
kind, number, *files = sys.argv[1:]
from agn_helpers.cli.app import main
import agn_helpers.classifier.model, agn_helpers.spectra.reading, agn_helpers.spectra.folders
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
limit = int(number) + (used if kind == "AS" else 0)
resource.setrlimit(getattr(resource, "RLIMIT_" + kind), (limit, limit))
sys.exit(main(["classify", *files, "--run", "small", "--output", "o.ecsv"]))
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="would check: limits of Linux")
@pytest.mark.parametrize(("kind", "number"), [("AS", 300 << 20), ("NOFILE", 64), ("FSIZE", 200)])
def test_with_little_memory_few_files_or_no_space_one_line_is_said_and_the_others_are_done(
    project, simulated, kind, number
):
    good = write_csv(simulated[0], project / "good.csv")
    large = project / "large.csv"
    with open(large, "wb") as file:
        file.write(b"wavelength,flux\n" + b"4000.5,1.5\n" * 6_000_000)
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CLASSIFY, kind, str(number), str(good), str(large)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in done.stderr and "large.csv" in errors[0], done.stderr
    assert len(errors) == (2 if kind == "FSIZE" else 1)
    if kind == "FSIZE":
        assert done.returncode == 1 and "could not be written" in errors[1]
        assert not list(project.glob("*o*.ecsv")) and not list(project.glob(".unfinished*"))
    else:
        assert done.returncode == 3
        assert read_table("o.ecsv")["name"].tolist() == ["good"]


# The cases that people sent, where they are at hand


@pytest.fixture
def hostile(shared):
    return shared / "cases" / "hostile"


@pytest.mark.parametrize(
    "name",
    [
        "pixel_1e45.csv",
        "flux_1e306.csv",
        "plate_int64.fits",
        "text_bomb.csv.gz",
        "stride0_1e8_rows.fits",
        "redos_header.csv",
    ],
)
def test_hostile_spectra_are_rejected_and_the_good_one_classified(hostile, project, name):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.monotonic()
    code, table, reasons = classify(hostile / "good.csv", hostile / name)
    assert code == 3 and table["name"].tolist() == ["good"] and list(reasons) == [name]
    assert time.monotonic() - start < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20


@pytest.mark.parametrize("name", ["pixel_4500_x10000_silent.csv", "pixel_x100_flagged.csv"])
def test_one_wild_pixel_turns_no_type(hostile, project, name):
    code, table, _ = classify(hostile / "good.csv", hostile / name)
    assert code == 0 and table["predicted"][0] == table["predicted"][1]


@pytest.mark.parametrize(
    ("name", "n_rejected"), [("index_blank_file", 1), ("index_fifo_or_device", 1), ("index_nul_ok", None)]
)
def test_hostile_indices_lose_their_bad_rows_only(hostile, project, name, n_rejected):
    folder = project / "six" / "levels" / "deep" / "d"
    folder.mkdir(parents=True)
    shutil.copy(hostile / "good.csv", folder)
    shutil.copy(hostile / f"{name}.csv", folder / "index.csv")
    start = time.monotonic()
    code, table, reasons = classify(folder)
    assert time.monotonic() - start < 10
    assert table["name"].tolist() == ["good"]
    assert n_rejected is None or (code == 3 and len(reasons) == n_rejected)


def test_a_hostile_index_with_a_column_twice_is_one_line(hostile, project, capsys):
    (project / "d").mkdir()
    shutil.copy(hostile / "good.csv", project / "d")
    shutil.copy(hostile / "index_file_twice.csv", project / "d" / "index.csv")
    assert main(["classify", "d", "--run", "small"]) == 1
    assert "must have each column once; file is there twice" in capsys.readouterr().err


def test_hostile_lists_maps_samples_splits_manifests_and_models(hostile, tmp_path):
    catalogue, problems = read_catalogue(hostile / "catalogue_ra_hours_dec.csv")
    assert len(catalogue) + sum(problems["kind"] == "unusable") >= 1
    readers = {"map": read_map, "sample": read_sample, "split": read_table, "catalogue_wide": read_catalogue}
    paths = [path for path in sorted(hostile.iterdir()) if path.name.startswith(tuple(readers))]
    assert len(paths) == 18
    for path in paths:
        read = next(read for start, read in readers.items() if path.name.startswith(start))
        start = time.monotonic()
        with pytest.raises(AgnError, match=r"^[^\n]+$"):
            read(path)
        assert time.monotonic() - start < 5, path
    with Manifest(shutil.copy(hostile / "manifest_10987e11.jsonl", tmp_path)) as manifest:
        assert all(isinstance(manifest.get(name).size, int) for name in manifest)
    (tmp_path / "records").mkdir()
    for name, kind in (("index.csv", "index"), ("records/missing.csv", "missing")):
        shutil.copy(hostile / "cacheidx_eef8f593.csv", tmp_path / name)
        if kind == "missing":
            with pytest.raises(AgnError, match="must be as agn fetch wrote it"):
                read_missing(tmp_path)
    with pytest.raises(AgnError, match=r"^[^\n]+$"):
        load_model(hostile / "extras.skops")
