"""The main job: files that nobody prepared, trained on, predicted and measured; and what is left when it fails."""

import dataclasses
import errno
import json
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import sklearn.datasets

import deltarule as dr
from deltarule import experiment
from deltarule.data.arrays import split
from deltarule.data.target import strata
from deltarule.errors import DataError, DivergedError, FileError, SettingError
from deltarule.experiment import (
    evaluate,
    metrics_writer,
    new_folder,
    predict,
    train,
)
from deltarule.job import Job, read_settings, write_settings
from deltarule.layers import Embedding

BUNDLED = Path(sklearn.datasets.__file__).parent / "data"
SUMMARY = {"task", "metric", "validation", "loss", "epochs", "seconds", "parameters", "run"}
QUICK = Job(data="", hidden=(8,), learning_rate=0.02, epochs=3)


def houses(rows: int = 200) -> pl.DataFrame:
    """A table with numbers, a category, missing values, and a price that follows from them."""
    random = np.random.default_rng(0)
    size, age = random.uniform(40, 200, rows), random.uniform(0, 50, rows)
    town = random.choice(["Bonn", "Köln", "Ulm"], rows)
    price = 3 * size - 2 * age + 80 * (town == "Köln") + random.normal(0, 5, rows)
    age = [None if each > 47 else each for each in age]
    return pl.DataFrame({"size": size, "age": age, "town": town, "price": price})


def run(tmp_path: Path, data: str | Path, **settings):
    """What a quick job on the file gives."""
    return train(dataclasses.replace(QUICK, data=str(data), runs=str(tmp_path / "runs"), **settings))


def table(tmp_path: Path, frame: pl.DataFrame, name: str = "houses.csv") -> Path:
    """The frame as a file."""
    path = tmp_path / name
    frame.write_parquet(path) if path.suffix == ".parquet" else frame.write_csv(path)
    return path


def arrays(tmp_path: Path, **found) -> Path:
    """The arrays as a .npz file."""
    np.savez(tmp_path / "arrays.npz", **found)
    return tmp_path / "arrays.npz"


def left(tmp_path: Path) -> list[str]:
    """The names of all files in run folders."""
    return sorted(path.name for path in (tmp_path / "runs").rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def iris(tmp_path_factory):
    """A quick job on the irises."""
    return run(tmp_path_factory.mktemp("iris"), BUNDLED / "iris.csv")


@pytest.mark.parametrize(
    ("name", "score", "features", "classes"),
    [("iris", 0.9, 4, 3), ("wine_data", 0.94, 13, 3), ("breast_cancer", 0.94, 30, 2)],
)
def test_files_that_nobody_prepared_are_learned(name, score, features, classes, tmp_path):
    result = run(tmp_path, BUNDLED / f"{name}.csv", hidden=(32,), epochs=40)
    summary = json.loads(json.dumps(result.summary))
    assert set(summary) >= SUMMARY
    assert (summary["task"], summary["metric"]) == ("classification", "accuracy")
    assert score <= summary["validation"] <= 1
    assert summary["parameters"] == features * 32 + 32 + 32 * classes + classes
    assert 1 <= summary["epochs"] <= 40
    assert Path(summary["run"]).name == f"{name}-1"


def test_a_number_is_predicted_in_its_own_unit(tmp_path):
    frame = houses()
    path = table(tmp_path, frame)
    result = run(tmp_path, path, epochs=60)
    assert (result.summary["task"], result.summary["metric"]) == ("regression", "r2")
    assert result.summary["validation"] > 0.95
    columns, _ = predict(result.summary["run"], str(path))
    assert list(columns) == ["price"]
    measured, _ = evaluate(result.summary["run"], str(path))
    error = columns["price"] - frame["price"].to_numpy()
    assert measured["root_mean_squared_error"] == pytest.approx(np.sqrt(np.mean(error**2)))
    assert any("'age'" in note and "median" in note for note in result.notes)


def test_parquet_gives_what_csv_gives(tmp_path):
    first, second = (run(tmp_path, table(tmp_path, houses(), name)) for name in ("a.csv", "a.parquet"))
    assert first.model.history["loss"] == second.model.history["loss"]


def test_arrays_are_learned_by_their_weights(tmp_path):
    x = np.random.default_rng(0).normal(size=(200, 2, 2))
    trusted = np.arange(200) % 2 == 0
    y = np.where(trusted, x[:, 0, 0] > 0, x[:, 0, 0] < 0).astype(int)
    result = run(tmp_path, arrays(tmp_path, x=x, y=y, weight=trusted.astype(float)), epochs=30, patience=0)
    columns, _ = predict(result.summary["run"], str(arrays(tmp_path, x=x)))
    right = columns["y"] == y
    assert right[trusted].mean() > 0.9
    assert right[~trusted].mean() < 0.1


def test_a_category_of_many_levels_is_embedded(tmp_path):
    random = np.random.default_rng(0)
    shop = random.integers(0, 50, 1000)
    frame = pl.DataFrame({"noise": random.normal(size=1000), "shop": [f"s{i}" for i in shop], "open": shop % 2})
    result = run(tmp_path, table(tmp_path, frame), epochs=30, hidden=(16,))
    assert [layer.layers[1] for layer in result.model.net.layers[0].branches[1:]] == [Embedding(51, 14)]
    assert result.summary["validation"] > 0.95
    unseen = table(tmp_path, pl.DataFrame({"noise": [0.0], "shop": ["new"]}), "unseen.csv")
    _, notes = predict(result.summary["run"], str(unseen))
    assert any("'shop'" in note and "never seen" in note and "'new'" in note for note in notes)


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
        *("confusion.svg", "curves.svg", "metrics.jsonl", "model.safetensors", "run.toml")
    ]
    lines = (iris.folder / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == iris.model.history.rows
    assert len(lines) == iris.summary["epochs"] == QUICK.epochs


def test_the_saved_model_is_the_one_that_was_measured(iris):
    x = np.random.default_rng(0).normal(size=(9, 4))
    loaded = dr.load(iris.folder / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict(x), iris.model.predict(x))


def test_every_run_has_a_folder_of_its_own(tmp_path):
    assert [new_folder(str(tmp_path / "runs"), "a").name for _ in range(3)] == ["a-1", "a-2", "a-3"]


@pytest.mark.parametrize(
    ("found", "error", "words"),
    [
        ({"x": np.ones((8, 2)), "y": np.ones(7)}, DataError, r"y of shape \(8,\).*got \(7,\)"),
        ({"x": np.ones((8, 2)), "y": np.ones((8, 2))}, DataError, r"y of shape \(8,\).*got \(8, 2\)"),
        (
            {"x": np.eye(8), "y": np.full(8, np.datetime64("2020-01-01"))},
            DataError,
            "Target 'y': expected numbers, text",
        ),
        ({"x": np.full((8, 2), np.nan), "y": np.arange(8)}, DataError, "'x0' is left out: it has no value"),
        ({"x": np.eye(8), "y": np.full(8, np.inf)}, DataError, "every training row lacks one"),
        ({"x": np.eye(8), "y": np.ones(8)}, DataError, "at least two classes"),
        ({"y": np.ones(8)}, DataError, "arrays named x and"),
    ],
)
def test_arrays_that_cannot_be_learned_are_refused(found, error, words, tmp_path):
    with pytest.raises(error, match=words):
        run(tmp_path, arrays(tmp_path, **found))
    assert not left(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("size,price\n", "only the line of names"),
        ("size,price\n" + "1,a\n2,a\n" * 9, "at least two classes"),
        ("price\n" + "1\n2\n" * 9, "at least one other column"),
        ("size,price\n" + "1,a\n2,b,c\n" * 9, "as many fields in every row, but line 3 has 3"),
        ("size,price\n1,2\n2,1\n", "at least one example on each side"),
    ],
)
def test_tables_that_cannot_be_learned_are_refused(text, words, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        run(tmp_path, path)
    assert not left(tmp_path)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"batch_size": 1000}, SettingError, "batch_size 1000 is larger than the 160 training examples"),
        ({"target": "prize"}, DataError, "Nearest: 'price'"),
        ({"hidden": (0,)}, SettingError, r"Dense\(0\)"),
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


@pytest.mark.parametrize("stage", ["metrics.jsonl", "model.safetensors", "curves.svg"])
def test_a_full_disk_leaves_nothing_half_written(stage, tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if stage == "metrics.jsonl":
        monkeypatch.setattr(Path, "open", full)
    else:
        fsync, done = os.fsync, iter(range({"model.safetensors": 0, "curves.svg": 2}[stage]))
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


def test_rows_that_cannot_be_written_are_named(tmp_path):
    with pytest.raises(FileError, match="cannot be written: Is a directory"):
        metrics_writer(tmp_path)({"epoch": 1})


def test_a_model_of_arrays_predicts_no_table(tmp_path):
    model = dr.Model(dr.Dense(1), loss=dr.SquaredError())
    model.fit([[0.0], [1.0]], [0.0, 1.0], epochs=1, batch_size=2)
    model.save(tmp_path / "model.safetensors")
    with pytest.raises(FileError, match="trained on arrays, not on a table"):
        predict(str(tmp_path), str(BUNDLED / "iris.csv"))


def test_settings_come_back_as_they_were_written(tmp_path):
    job = dataclasses.replace(QUICK, data="a b.csv", target="größe", batch_size=7)
    write_settings(tmp_path / "run.toml", dataclasses.asdict(job))
    settings = read_settings(str(tmp_path / "run.toml"))
    assert Job(**{**settings, "hidden": tuple(settings["hidden"])}) == job


@pytest.mark.parametrize(
    "found",
    [
        {"x": np.ones(())},
        {"x": np.ones((0, 2))},
        {"x": np.ones((8, 0)), "y": np.arange(8)},
        {"x": np.eye(8), "y": np.full(8, np.datetime64("2020"))},
    ],
    ids=["one number", "no row", "no column", "years"],
)
def test_arrays_that_are_no_table_are_refused(found, tmp_path):
    with pytest.raises(dr.DeltaruleError):
        run(tmp_path, arrays(tmp_path, **found))


@pytest.mark.parametrize("weights", [np.ones(5), np.ones(300), np.float64(1)], ids=["few", "many", "one"])
def test_weights_of_another_length_are_refused(weights, tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 2))
    with pytest.raises(dr.ShapeError, match="weight: expected"):
        run(tmp_path, arrays(tmp_path, x=x, y=x[:, 0], weight=weights))


def test_weights_stay_with_their_rows_where_targets_are_missing(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 2))
    y = np.where(np.arange(60) % 7, x[:, 0], np.nan)
    run(tmp_path, arrays(tmp_path, x=x, y=y, weight=np.ones(60)))


def test_a_seed_that_cannot_be_is_named(tmp_path):
    with pytest.raises(SettingError, match="seed"):
        run(tmp_path, BUNDLED / "iris.csv", seed=-1)


def test_an_interrupted_run_leaves_what_it_learned(tmp_path, monkeypatch):
    def interrupt(row):
        if row["epoch"] == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "metrics_writer", lambda path: interrupt)
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


def test_evaluation_counts_rows_by_their_weights(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 2))
    folder = run(tmp_path, arrays(tmp_path, x=x, y=x[:, 0])).folder
    spoiled = np.where(np.arange(60) < 30, x[:, 0], 100.0)
    weighed = evaluate(str(folder), arrays(tmp_path, x=x, y=spoiled, weight=1.0 * (np.arange(60) < 30)))[0]
    half = evaluate(str(folder), arrays(tmp_path, x=x[:30], y=spoiled[:30]))[0]
    for name in ("r2", "loss", "root_mean_squared_error"):
        assert weighed[name] == pytest.approx(half[name], rel=1e-5)
