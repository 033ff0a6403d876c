"""Runs over many spectra in this process: what they write, go on with, and refuse."""

import os
import time

import numpy as np
import pytest

from agn_helpers.bulk import classify_many, classify_partition, engine, partitions, summarise_results
from agn_helpers.classifier import ProbabilisticSVC, TrainedModel
from agn_helpers.errors import AgnError
from agn_helpers.locks import claim_run
from agn_helpers.reduction import sample_arrays

from ..disks import small_disk
from .results import read_bytes, read_rows, stamp_finished


def test_rows_are_those_of_the_model_itself(files, model, tmp_path):
    found = classify_many(files, model, tmp_path / "out", partition_size=7)
    assert found == (5, 0, 30, 0)
    table, rows = model.classify(files), read_rows(tmp_path / "out")
    for name in table.colnames:
        if table[name].dtype.kind == "f":
            # The last bits of a product depend on how many are multiplied together.
            # Novelty is computed in single precision.
            rtol = 1e-4 if name == "novelty" else 1e-9
            np.testing.assert_allclose(rows[name], table[name], rtol=rtol, atol=1e-12)
        else:
            assert rows[name].tolist() == table[name].tolist()
    sample, _ = model.reduce(files)
    observed = sample["ivar"] > 0
    assert (np.stack(rows["ivar"]) == sample["ivar"]).all()
    assert (np.stack(rows["flux"])[observed] == sample["flux"][observed]).all()


def test_the_same_call_computes_nothing_again(files, model, tmp_path):
    out = tmp_path / "out"
    classify_many(files, model, out, partition_size=7)
    before, stamps = read_bytes(out), stamp_finished(out)
    assert classify_many(files, model, out, partition_size=7) == (5, 5, 30, 0)
    assert (read_bytes(out), stamp_finished(out)) == (before, stamps)
    assert len(stamps) == 10


@pytest.mark.parametrize("damage", ["no part", "short part", "other bytes", "no record", "torn record"])
def test_what_is_not_whole_is_done_again_to_the_same_bytes_and_nothing_else(files, model, tmp_path, damage):
    out = tmp_path / "out"
    classify_many(files, model, out, partition_size=7)
    before, stamps = read_bytes(out), stamp_finished(out)
    part, record = out / "spectra" / "part-00002.parquet", out / "done" / "part-00002.json"
    if damage == "no part":
        part.unlink()
    elif damage == "short part":
        os.truncate(part, 1000)
    elif damage == "other bytes":
        content = bytearray(part.read_bytes())
        content[len(content) // 2] ^= 1
        part.write_bytes(content)
    elif damage == "no record":
        record.unlink()
    else:
        os.truncate(record, 20)
    assert classify_many(files, model, out, partition_size=7) == (5, 4, 30, 0)
    assert read_bytes(out) == before
    after = stamp_finished(out)
    assert {key for key in after if after[key] != stamps[key]} == {
        ("spectra", "part-00002"),
        ("rejected", "part-00002"),
    }


def test_another_model_option_or_source_is_refused_or_begun_anew(files, model, survey, tmp_path):
    out = tmp_path / "out"
    classify_many(files, model, out, partition_size=7)
    before = read_bytes(out)
    X, y = sample_arrays(model.reduce(survey)[0])
    estimator = ProbabilisticSVC(C=2.0, kernel="linear", random_state=0).fit(X, y)
    other = TrainedModel(estimator, model.grid, model.meta, model.extras)
    with pytest.raises(AgnError, match=r"are of another model \(\w{12} then, \w{12} now\)\. Name another"):
        classify_many(files, other, out, partition_size=7)
    with pytest.raises(AgnError, match=r"other options \({'force': False} then, {'force': True} now\)"):
        classify_many(files, model, out, partition_size=7, force=True)
    with pytest.raises(AgnError, match=r"other options .*'partition_size': 7"):
        classify_many(files, model, out, partition_size=8)
    touched = files / "a-008.fits"
    os.utime(touched, ns=(0, 0))
    with pytest.raises(AgnError, match=r"other spectra: from partition 1 on, files differ"):
        classify_many(files, model, out, partition_size=7)
    assert read_bytes(out) == before
    assert classify_many(files, other, out, partition_size=7, resume=False) == (5, 0, 30, 0)
    assert read_bytes(out)["spectra/part-00000.parquet"] != before["spectra/part-00000.parquet"]


def test_a_model_and_its_file_are_the_same_model(files, model, model_file, tmp_path):
    from agn_helpers.classifier import load_model

    classify_many(files, model, tmp_path / "out")
    assert classify_many(files, load_model(model_file), tmp_path / "out").n_before == 1


def test_a_folder_of_other_things_is_left_alone(files, model, tmp_path):
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(AgnError, match="must be empty or hold results"):
        classify_many(files, model, tmp_path, resume=False)
    assert (tmp_path / "note.txt").read_text() == "mine"


def test_two_at_one_folder(files, model, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with claim_run(out), pytest.raises(AgnError, match=r"run out is being made by process .* another folder"):
        classify_many(files, model, out)


def test_unknown_options_and_sources(files, model, tmp_path):
    for source, options, said in (
        (files, {"speed": 1}, "options are force, redshift"),
        (files, {"explain": "png"}, "explain must be"),
        (files, {"partition_size": 0}, "at least one"),
        (3, {}, "a source must be"),
        (tmp_path / "spectra" / "none", {}, "is not there|none"),
    ):
        if source == tmp_path / "spectra" / "none":
            source.mkdir()
        with pytest.raises(AgnError, match=said):
            classify_many(source, model, tmp_path / "out", **options)


def test_what_cannot_be_read_is_rejected_with_its_reason(files, model, tmp_path):
    (files / "b-damaged.fits").write_bytes((files / "a-001.fits").read_bytes()[:9000])
    (files / "b-text.fits").write_text("no spectrum\n")
    (files / "b-gone.fits").symlink_to("nowhere")
    found = classify_many(files, model, tmp_path / "out", partition_size=10)
    assert found[1:] == (0, 30, 3)
    rejected = read_rows(tmp_path / "out", "rejected")
    assert rejected["name"].tolist() == ["b-damaged", "b-gone", "b-text"]
    assert "truncated" in rejected["reason"][0]
    assert rejected["file"].str.startswith(str(files)).all()
    assert all("\n" not in reason for reason in rejected["reason"])


def test_a_file_that_hangs_costs_its_row_only(files, model, tmp_path, monkeypatch):
    read_files = partitions.read_files

    def hang(paths, *arguments, **options):
        if paths[0].name == "a-011.fits":
            time.sleep(3600)
        return read_files(paths, *arguments, **options)

    monkeypatch.setattr(partitions, "read_files", hang)
    begun = time.monotonic()
    found = classify_many(files, model, tmp_path / "out", partition_size=30, seconds=2)
    assert found == (1, 0, 29, 1)
    assert time.monotonic() - begun < 60
    [row] = read_rows(tmp_path / "out", "rejected").to_dict("records")
    assert row["name"] == "a-011"
    assert "reading takes longer than 2 s" in row["reason"]
    names = read_rows(tmp_path / "out")["name"].tolist()
    monkeypatch.undo()
    assert names == [name for name in model.classify(files)["name"] if not name.endswith("-0012")]


def test_earlier_results_are_a_source(files, model, tmp_path):
    classify_many(files, model, tmp_path / "out", partition_size=7)
    found = classify_many(tmp_path / "out", model, tmp_path / "again", partition_size=7)
    assert found == (5, 0, 30, 0)
    first, again = read_rows(tmp_path / "out"), read_rows(tmp_path / "again")
    for name in first:
        assert np.array_equal(
            np.stack(first[name]), np.stack(again[name]), equal_nan=first[name].dtype == float
        )


def test_a_full_disk_leaves_only_whole_partitions(files, model, tmp_path):
    out = tmp_path / "disk"
    out.mkdir()
    with small_disk(out):
        # No room for the model: nothing is there.
        with pytest.raises(AgnError, match="the disk is full"):
            classify_many(files, model, out / "run", partition_size=7)
        assert not (out / "run" / "run.json").exists()


def test_a_disk_that_fills_on_the_way(files, model, tmp_path, monkeypatch):
    import errno

    out, full = tmp_path / "out", []
    write_table = engine.write_part.__globals__["pq"].write_table

    def fill(*arguments, **options):
        full.append(1)
        if 4 < len(full) < 40:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_table(*arguments, **options)

    monkeypatch.setattr(engine.write_part.__globals__["pq"], "write_table", fill)
    with pytest.raises(AgnError, match=r"5 attempts failed .* goes on from there.*the disk is full"):
        classify_many(files, model, out, partition_size=7)
    stamps = stamp_finished(out)
    assert len(stamps) == 4
    full[:] = [1] * 50
    assert classify_many(files, model, out, partition_size=7) == (5, 2, 30, 0)
    assert stamps.items() <= stamp_finished(out).items()
    monkeypatch.undo()
    classify_many(files, model, tmp_path / "undisturbed", partition_size=7)
    assert read_bytes(out) == read_bytes(tmp_path / "undisturbed")


def test_an_error_that_passes_costs_a_try(files, model, tmp_path, monkeypatch):
    run, tries = engine.run_partition, []

    def fail_once(partition, job):
        tries.append(partition.number)
        if tries.count(partition.number) == 1 and partition.number % 2:
            raise OSError("a network disk was away")
        return run(partition, job)

    monkeypatch.setattr(engine, "run_partition", fail_once)
    assert classify_many(files, model, tmp_path / "out", partition_size=7) == (5, 0, 30, 0)
    assert sorted(tries) == [0, 1, 1, 2, 3, 3, 4]


def test_what_ends_its_process_is_left_out_at_the_third_try(files, model, tmp_path):
    """The trail of a process that was killed while it read: a fork that ends at once, twice over."""
    from agn_helpers.bulk.sources import divide_source

    out = tmp_path / "out"
    out.mkdir()
    [partition] = divide_source(files, size=100)
    for attempt in range(3):
        child = os.fork()
        if child == 0:
            with engine.Trail(out, partition) as trail:
                if trail.careful:
                    trail.note(3)
                    trail.note(None)
                    trail.note(4)
                os._exit(9)
        os.waitpid(child, 0)
        with engine.Trail(out, partition) as trail:
            assert trail.careful
            assert trail.fatal == (set() if attempt < 2 else {4})
            # As if this one had been killed too, before it began.
            os.ftruncate(trail._file, (attempt + 1) * 8)
            trail._path.rename(out / "kept")
        (out / "kept").rename(trail._path)
    reader = partitions.read_partition(partition, note=lambda number: None, fatal={4})
    [spectra] = reader
    assert [each.name for each in spectra][4] == "a-004"
    assert "ended its process" in spectra[4].reason


def test_summary_counts_what_is_there_and_writes_a_page(files, model, tmp_path):
    (files / "b-text.fits").write_text("no spectrum\n")
    (files / "c-000.fits").write_bytes((files / "a-000.fits").read_bytes())
    out = tmp_path / "out"
    classify_many(files, model, out, partition_size=7)
    summary, rows = summarise_results(out, number=4), read_rows(out)
    assert summary.counts == {
        name: number
        for name in ("type 1", "intermediate", "type 2", "undetermined")
        if (number := (rows["predicted"] == name).sum())
    }
    assert (summary.n_spectra, summary.n_rejected, summary.n_repeated) == (31, 1, 1)
    assert (summary.survey, summary.model_survey) == ("synthetic", "synthetic")
    assert summary.most_unlike["novelty"].tolist() == rows["novelty"].nlargest(4).tolist()
    best = rows[["p_type1", "p_intermediate", "p_type2"]].max(axis=1)
    known = best[rows["predicted"] != "undetermined"]
    assert summary.least_certain["probability"].tolist() == known.nsmallest(4).tolist()
    page = (out / "summary.html").read_text()
    assert "<h1>31 spectra</h1>" in page
    assert page.count("<img") == len(set(summary.counts) - {"undetermined"})
    assert "http" not in page


def test_a_partition_of_none(model):
    import pandas as pd

    empty = classify_partition(pd.DataFrame({"flux": [], "ivar": [], "lambda": [], "Z": []}), model)
    assert len(empty) == 0
