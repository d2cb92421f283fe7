"""A run: what its folder holds, what comes back from it, and what is left when it fails."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.data.arrays import split
from deltarule.data.target import strata
from deltarule.errors import DataError, DivergedError, FileError, SettingError
from deltarule.experiment import evaluate, predict
from experiment.jobs import BUNDLED, QUICK, houses, left, run, table


@pytest.fixture(scope="module")
def iris(tmp_path_factory):
    """A quick job on the irises."""
    return run(tmp_path_factory.mktemp("iris"), BUNDLED / "iris.csv")


def held_out(path: Path) -> pl.DataFrame:
    """The rows of the file that a quick job holds out."""
    frame = pl.read_csv(path)
    return frame[split(len(frame), QUICK.validation, QUICK.seed, strata(frame, QUICK.target))[1]]


@pytest.mark.parametrize("data", ["iris", "houses"])
def test_evaluate_gives_the_validation_figures_on_the_same_rows(data, iris, tmp_path):
    path = BUNDLED / "iris.csv" if data == "iris" else table(tmp_path, houses())
    result = iris if data == "iris" else run(tmp_path, path)
    rows = held_out(path)
    measured, _ = evaluate(result.summary["run"], str(table(tmp_path, rows, "held.csv")))
    assert measured["rows"] == len(rows)
    assert measured[result.summary["metric"]] == pytest.approx(result.summary["validation"], abs=1e-6)
    assert measured["loss"] == pytest.approx(result.summary["loss"], rel=1e-5)


def test_the_run_folder_holds_all_of_the_run(iris):
    assert sorted(path.name for path in iris.folder.iterdir()) == [
        *("confusion.svg", "curves.svg", "metrics.jsonl", "model.safetensors", "record.json", "report.html"),
        "run.toml",
    ]
    lines = (iris.folder / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == iris.model.history.rows
    assert len(lines) == iris.summary["epochs"] == QUICK.epochs


def test_the_saved_model_is_the_one_that_was_measured(iris):
    x = np.random.default_rng(0).normal(size=(9, 4))
    loaded = dr.load(iris.folder / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict(x), iris.model.predict(x))


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"batch_size": 1000}, SettingError, "batch_size 1000 is larger than the 160 training examples"),
        ({"target": "prize"}, DataError, "Nearest: 'price'"),
        ({"hidden": (0,)}, SettingError, "Dense: features must be a whole number of at least 1, got 0"),
        ({"epochs": 0}, SettingError, "epochs must be a whole number of at least 1"),
        ({"patience": -1}, SettingError, "patience must be .*at least 1"),
        ({"validation": 0.0}, DataError, "between 0 and 1"),
        ({"learning_rate": -1.0}, SettingError, "learning rate: expected a number of at least 0"),
        ({"task": "classification"}, DataError, "expected classes that repeat"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, error, words, tmp_path):
    with pytest.raises(error, match=words):
        run(tmp_path, table(tmp_path, houses()), **settings)
    assert not left(tmp_path)


def test_a_lost_loss_leaves_the_last_good_model(tmp_path):
    with pytest.raises(DivergedError, match=r"lost in epoch \d+, step \d+ .*smaller learning rate"):
        run(tmp_path, table(tmp_path, houses()), learning_rate=2.0, optimizer="sgd", hidden=(), epochs=100)
    folder = tmp_path / "runs" / "houses-1"
    epochs = len((folder / "metrics.jsonl").read_text().splitlines())
    model = dr.load(folder / "model.safetensors")
    assert len(model.history.rows) == epochs > 0
    columns, _ = predict(str(folder), str(tmp_path / "houses.csv"))
    assert np.isfinite(columns["price"]).all()


@pytest.mark.parametrize("stage", ["run.toml", "metrics.jsonl", "model.safetensors", "curves.svg"])
def test_a_full_disk_leaves_nothing_half_written(stage, tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if stage == "metrics.jsonl":
        monkeypatch.setattr(Path, "open", full)
    else:
        files = {"run.toml": 0, "model.safetensors": 1, "curves.svg": 4}[stage]  # that are written before
        fsync, done = os.fsync, iter(range(2 * files))  # of each file, and of its folder
        monkeypatch.setattr(os, "fsync", lambda file: full() if next(done, None) is None else fsync(file))
    with pytest.raises(FileError, match=rf"{stage} cannot be written: {os.strerror(errno.ENOSPC)}"):
        run(tmp_path, BUNDLED / "iris.csv")
    monkeypatch.undo()
    assert not [name for name in left(tmp_path) if name == stage or name.startswith(".")]
    if stage == "curves.svg":
        dr.load(tmp_path / "runs" / "iris-1" / "model.safetensors")


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "runs").write_text("mine")
    with pytest.raises(FileError, match="runs cannot be made"):
        run(tmp_path, BUNDLED / "iris.csv")
    assert (tmp_path / "runs").read_text() == "mine"


def test_a_model_of_arrays_predicts_no_table(tmp_path):
    model = dr.Model(dr.Dense(1), loss=dr.SquaredError())
    model.fit([[0.0], [1.0]], [0.0, 1.0], epochs=1, batch_size=2)
    model.save(tmp_path / "model.safetensors")
    with pytest.raises(FileError, match="trained on arrays, not on a table"):
        predict(str(tmp_path), str(BUNDLED / "iris.csv"))


def test_a_seed_that_cannot_be_is_named(tmp_path):
    with pytest.raises(SettingError, match="seed"):
        run(tmp_path, BUNDLED / "iris.csv", seed=-1)


def test_an_interrupted_run_leaves_what_it_learned(tmp_path, monkeypatch):
    def interrupt(row):
        if row["epoch"] == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("deltarule.experiment.run.metrics_writer", lambda path: interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, BUNDLED / "iris.csv", epochs=9)
    history = dr.load(tmp_path / "runs" / "iris-1" / "model.safetensors").history
    assert len(history.rows) == 3


def test_a_batch_of_none_is_refused(tmp_path):
    with pytest.raises(SettingError, match="batch_size"):
        run(tmp_path, BUNDLED / "iris.csv", batch_size=0)


def test_a_refused_run_leaves_no_folder(tmp_path):
    with pytest.raises(SettingError):
        run(tmp_path, BUNDLED / "iris.csv", batch_size=1000)
    assert not any(tmp_path.glob("runs/*"))
