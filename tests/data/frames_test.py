"""Data frames of every kind train as the arrays in them do."""

import datetime

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.data.frames import column_names, frame_features

VALUES = {"a": [1.0, 2, 3, 4], "b": [0.5, 1, 2, 3], "c": [True, False, True, False], "price": [1.0, 3, 2, 5]}


def frames():
    yield "polars", pl.DataFrame
    for module, name in (("pandas", "DataFrame"), ("pyarrow", "table")):
        yield module, lambda values, m=module, n=name: getattr(pytest.importorskip(m), n)(values)
    yield "datasets", lambda values: pytest.importorskip("datasets").Dataset.from_dict(values)


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in frames()])
def test_a_frame_trains_as_its_arrays_do(make):
    frame = make(VALUES)
    x, y = np.stack([np.asarray(VALUES[key], float) for key in "abc"], 1), np.array(VALUES["price"])
    ours, theirs = (dr.Model(dr.Dense(1), loss=dr.SquaredError()) for _ in range(2))
    settings = {"epochs": 2, "progress": False}
    ours.fit(frame, "price", validation=(frame, "price"), **settings)
    theirs.fit(x, y, validation=(x, y), **settings)
    assert ours.history["validation_loss"] == theirs.history["validation_loss"]
    assert ours.evaluate(frame, "price") == theirs.evaluate(x, y)
    backwards = make({key: VALUES[key] for key in ("c", "b", "a")})
    np.testing.assert_array_equal(ours.predict(backwards), theirs.predict(x))


def test_the_columns_are_kept_in_the_file(tmp_path):
    ours = dr.Model(dr.Dense(1), loss=dr.SquaredError())
    ours.fit(pl.DataFrame(VALUES), "price", epochs=1, progress=False)
    ours.save(tmp_path / "model.safetensors")
    again = dr.load(tmp_path / "model.safetensors")
    frame = pl.DataFrame({key: VALUES[key] for key in ("b", "c", "a")})
    np.testing.assert_array_equal(again.predict(frame), ours.predict(frame))
    with pytest.raises(dr.DataError, match="expected the columns a, b, c, but there is no a, c"):
        again.predict(frame[["b"]])
    of_arrays = dr.Model(dr.Dense(1), loss=dr.SquaredError())
    of_arrays.fit(np.zeros((4, 3)), np.zeros(4), epochs=1, progress=False)
    of_arrays.predict(frame)
    assert of_arrays.notes == {}  # what is predicted teaches nothing


def test_pictures_and_classes_of_a_data_set_are_taken():
    datasets = pytest.importorskip("datasets")
    pictures = np.random.default_rng(0).integers(255, size=(6, 8, 5, 3), dtype=np.uint8)
    from PIL import Image

    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["no", "yes"])})
    values = {"image": [Image.fromarray(each) for each in pictures], "label": [0, 1, 0, 1, 1, 0]}
    data = datasets.Dataset.from_dict(values, features=features)
    np.testing.assert_array_equal(frame_features(data, ["image"]), pictures)
    model = dr.Model(dr.Chain(dr.Flatten(), dr.Dense(2)), loss=dr.SoftmaxCrossEntropy())
    model.fit(data, "label", epochs=1, progress=False)
    in_batches = dr.Model(dr.Chain(dr.Flatten(), dr.Dense(2)), loss=dr.SoftmaxCrossEntropy())
    in_batches.fit(lambda: data.with_format("numpy").iter(batch_size=4), epochs=1, progress=False)
    assert model.input_shape == in_batches.input_shape == (8, 5, 3)


def test_missing_values_of_pandas_are_told_as_such():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64")})
    np.testing.assert_array_equal(frame_features(frame, ["a"]), [[1.0], [np.nan], [3.0]])
    with pytest.raises(dr.DataError, match="expected finite numbers, but 1 of 3"):
        dr.Model(dr.Dense(1), loss=dr.SquaredError()).fit(frame, [1.0, 2, 3], progress=False)


def test_mixed_types_are_refused_with_the_names_of_their_columns():
    frame = pl.DataFrame({"a": [1, 2], "town": ["x", "y"], "day": [datetime.date(2024, 1, 1)] * 2, "y": [1, 2]})
    model = dr.Model(dr.Dense(1), loss=dr.SquaredError())
    with pytest.raises(dr.DataError, match=r"got town \(text\), day \(dates\); leave them out"):
        model.fit(frame, "y", progress=False)
    lists = pl.DataFrame({"a": [1, 2], "v": [[1, 2], [3, 4]]}, schema={"a": pl.Int64, "v": pl.Array(pl.Int64, 2)})
    with pytest.raises(dr.DataError, match=r"got arrays in v \(2,\)"):
        frame_features(lists, ["a", "v"])
    with pytest.raises(dr.DataError, match="there is no column 'prize'; the frame has a, town, day, y"):
        model.fit(frame, "prize", progress=False)
    with pytest.raises(dr.SettingError, match="which column of the frame is predicted"):
        model.fit(frame, progress=False)
    with pytest.raises(dr.SettingError, match="'y' names a column, but x is no data frame"):
        model.fit(np.zeros((2, 2)), "y", progress=False)
    twice = pytest.importorskip("pandas").DataFrame([[1, 2, 3]], columns=["a", "a", "b"])
    with pytest.raises(dr.DataError, match="there are several a"):
        frame_features(twice, ["a", "b"])


def test_columns_of_pandas_that_are_no_text_are_kept_as_text(tmp_path):
    pd = pytest.importorskip("pandas")
    x, y = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32), np.arange(8.0)
    numbered = pd.DataFrame(x)
    ours, theirs, named = (dr.Model(dr.Dense(1), loss=dr.SquaredError()) for _ in range(3))
    ours.fit(numbered, y, validation=(numbered[[2, 1, 0]], y), epochs=1, progress=False)
    theirs.fit(x, y, validation=(x, y), epochs=1, progress=False)
    assert ours.history["validation_loss"] == theirs.history["validation_loss"]
    ours.save(tmp_path / "model.safetensors")
    again = dr.load(tmp_path / "model.safetensors")
    assert again.notes == {"columns": ["0", "1", "2"]}
    for frame in (numbered, numbered[[2, 0, 1]], pl.DataFrame({"1": x[:, 1], "0": x[:, 0], "2": x[:, 2]})):
        np.testing.assert_array_equal(again.predict(frame), theirs.predict(x))
    named.fit(numbered, 2, epochs=1, progress=False)
    assert named.notes == {"columns": ["0", "1"]}
    assert named.evaluate(numbered, "2") == named.evaluate(x[:, :2], x[:, 2])
    pairs = pd.DataFrame(x, columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)]))
    np.testing.assert_array_equal(frame_features(pairs, ["('b', 1)", "('a', 1)"]), x[:, [2, 0]])


def test_columns_whose_names_are_the_same_as_text_are_refused():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame([[1.0, 2, 3]], columns=[1, "1", "b"])
    for y in ("b", "1", [1.0]):
        with pytest.raises(dr.DataError, match=r"got both 1 \(int\) and '1' \(str\); rename one of them"):
            dr.Model(dr.Dense(1), loss=dr.SquaredError()).fit(frame, y, progress=False)


@pytest.mark.parametrize("use", ["fit", "evaluate", "trace", "ensemble"])
def test_a_call_that_fails_or_only_measures_leaves_no_columns(use):
    frame = pl.DataFrame(VALUES)
    broken = frame.with_columns(z=pl.lit(float("nan")))
    model = dr.Model(dr.Dense(1), loss=dr.SquaredError())
    if use == "fit":
        for settings in ({}, {"validation": (frame, [1.0])}, {"epochs": 0}, {"batch_size": 5}, {"window": 2}):
            with pytest.raises(dr.DeltaruleError):
                model.fit(frame if settings else broken, "price", progress=False, **settings)
            assert (model.notes, model.state, model.input_shape, model.history.rows) == ({}, None, None, [])
    else:
        model.fit(np.zeros((4, 3)), np.zeros(4), epochs=1, progress=False)
        if use == "evaluate":
            model.evaluate(frame, "price")
        elif use == "trace":
            model.trace(frame, "price")
        else:
            dr.ensemble(model, 2).fit(frame, "price", epochs=1, progress=False)
        assert model.notes == {}
    model.fit(frame.select("b", "a", "c", "price"), "price", epochs=1, progress=False)
    assert model.notes == {"columns": ["b", "a", "c"]}
    with pytest.raises(dr.DataError, match="expected the columns b, a, c, but there is no a"):
        model.fit(frame.select("b", "c", "price"), "price", progress=False)
    assert model.notes == {"columns": ["b", "a", "c"]}


def test_a_run_that_is_stopped_keeps_the_columns_of_its_parameters():
    def stop(row):
        raise KeyboardInterrupt

    model = dr.Model(dr.Dense(1), loss=dr.SquaredError())
    with pytest.raises(KeyboardInterrupt):
        model.fit(pl.DataFrame(VALUES), "price", callbacks=stop, progress=False)
    assert (model.input_shape, model.notes) == ((3,), {"columns": ["a", "b", "c"]})


def test_frames_that_hold_nothing_to_learn_from_are_refused():
    model, frame = dr.Model(dr.Dense(1), loss=dr.SquaredError()), pl.DataFrame(VALUES)
    with pytest.raises(dr.DataError, match="columns to learn from, but it has none beside the target"):
        model.fit(frame.select("price"), "price", progress=False)
    with pytest.raises(dr.DataError, match=r"but got one that is lazy; read it first: frame.collect\(\)"):
        model.fit(frame.lazy(), "price", progress=False)
    with pytest.raises(dr.SettingError, match="the name of one column, or targets, got the names a, price"):
        model.fit(frame, ["a", "price"], progress=False)


def test_an_array_is_no_frame():
    assert column_names(np.zeros(3)) is column_names([1, 2]) is column_names(dr.Dense(1)) is None
