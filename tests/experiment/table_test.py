"""Tables that nobody prepared, trained on, predicted and measured."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.errors import DataError, SettingError
from deltarule.experiment import evaluate, predict
from deltarule.layers import Embedding
from experiment.jobs import BUNDLED, arrays, houses, left, run, table

SUMMARY = {"task", "metric", "validation", "loss", "epochs", "seconds", "parameters", "run"}


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
    x = np.random.default_rng(0).normal(size=(200, 4))
    trusted = np.arange(200) % 2 == 0
    y = np.where(trusted, x[:, 0] > 0, x[:, 0] < 0).astype(int)
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


def test_evaluation_counts_rows_by_their_weights(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 2))
    folder = run(tmp_path, arrays(tmp_path, x=x, y=x[:, 0])).folder
    spoiled = np.where(np.arange(60) < 30, x[:, 0], 100.0)
    weighed = evaluate(str(folder), arrays(tmp_path, x=x, y=spoiled, weight=1.0 * (np.arange(60) < 30)))[0]
    half = evaluate(str(folder), arrays(tmp_path, x=x[:30], y=spoiled[:30]))[0]
    for name in ("r2", "loss", "root_mean_squared_error"):
        assert weighed[name] == pytest.approx(half[name], rel=1e-5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image_size", "8x8"),
        ("channels", 3),
        ("corrupt", "skip"),
        ("augment", ("flip",)),
        ("network", "convolution"),
        ("network", "resnet"),
    ],
)
def test_settings_of_images_are_refused_for_a_table(name, value, tmp_path):
    found = arrays(tmp_path, x=np.eye(40), y=np.arange(40) % 2)
    with pytest.raises(SettingError, match=f"the setting {name} .*is for images, and this is a table"):
        run(tmp_path, found, **{name: value})
