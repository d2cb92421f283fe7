"""A table to numbers and back, learned from training rows alone."""

import json
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st

from deltarule.data.arrays import split
from deltarule.data.table import Preprocessing, read_table
from deltarule.data.target import strata
from deltarule.errors import DataError, FileError, ShapeError

BUNDLED = Path(sklearn.__file__).parent / "datasets" / "data"


def saved_and_loaded(preprocessing):
    return Preprocessing.from_json(json.loads(json.dumps(preprocessing.to_json(), allow_nan=False)))


@pytest.mark.parametrize("target", [-1, "-1", "last by name"])
@pytest.mark.parametrize(
    ("name", "shape", "classes", "last", "unnamed"),
    [
        ("iris", (150, 5), 3, "virginica", 0),
        ("wine_data", (178, 14), 3, "column_13", 9),
        ("breast_cancer", (569, 31), 2, "column_30", 27),
    ],
)
def test_bundled_classification_tables_work_as_they_are(name, shape, classes, last, unnamed, target):
    notes = []
    frame = read_table(BUNDLED / f"{name}.csv", notes)
    target = last if target == "last by name" else target
    assert frame.shape == shape
    assert sum(name.startswith("column_") for name in frame.columns) == unnamed
    assert any("numbers as names" in note for note in notes)
    assert any("got the position as a name" in note for note in notes) == bool(unnamed)
    train, held_out = split(len(frame), 0.2, 0, strata(frame, target))
    preprocessing = Preprocessing.fit(frame, target, rows=train)
    x, told = preprocessing.transform(frame[train])
    assert (preprocessing.target_name, preprocessing.task, told) == (last, "classification", ())
    assert preprocessing.classes == tuple(range(classes))
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(x.std(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(preprocessing.target(frame[held_out]), frame[held_out, last].to_numpy())


def test_a_bundled_regression_table_with_spaces_between_works_as_it_is():
    frame = read_table(BUNDLED / "linnerud_physiological.csv")
    assert frame.columns == ["Weight", "Waist", "Pulse"]
    preprocessing = Preprocessing.fit(frame, "Weight")
    assert preprocessing.task == "regression"
    np.testing.assert_allclose(preprocessing.decode(preprocessing.target(frame)), frame["Weight"], rtol=1e-6)


MIXED = pl.DataFrame(
    {
        "size": [1.0, 2.0, None, 4.0, 100.0, float("inf")],
        "city": ["Ulm", "Bonn", None, "Ulm", "Jena", "Jena"],
        "zip": ["1", "2", "3", "1", None, "2"],
        "open": [True, False, True, True, None, False],
        "day": [date(2024, 1, day) for day in (1, 2, 3, 4, 5, 6)],
        "same": [7] * 6,
        "lists": [[1]] * 6,
        "y": ["no", "yes", "no", "yes", "no", None],
    }
)


def test_the_layout_of_x():
    preprocessing = Preprocessing.fit(MIXED, "y", rows=[0, 1, 2, 3], embed=2)
    assert preprocessing.feature_names == (
        "size",
        *("city=Bonn", "city=Ulm", "city=(missing)"),
        *("open=false", "open=true"),
        "day",
        "zip",
    )
    assert preprocessing.width == 8
    assert preprocessing.embedded == ((4, "zip"),)
    assert preprocessing.ignored == ("same", "lists")
    x, notes = preprocessing.transform(MIXED)
    values = np.array([1, 2, 2, 4, 100, 2])  # the median of 1, 2 and 4 stands in
    np.testing.assert_allclose(x[:, 0], (values - values[:4].mean()) / values[:4].std(), rtol=1e-6)
    np.testing.assert_array_equal(
        x[:, 1:6],
        [[0, 1, 0, 0, 1], [1, 0, 0, 1, 0], [0, 0, 1, 0, 1], [0, 1, 0, 0, 1], [0, 0, 0, 0, 0], [0, 0, 0, 1, 0]],
    )
    np.testing.assert_allclose(x[:, 6], (np.arange(6) - 1.5) / np.arange(4).std(), rtol=1e-6)
    np.testing.assert_array_equal(x[:, 7], [1, 2, 3, 1, 0, 2])
    told = " ".join(notes)
    assert "'size': 2 of 6 values are missing or infinite; the training median (2)" in told
    assert "'city': 2 of 6 rows hold values never seen in training ('Jena'); they became zeros" in told
    assert "'zip': 1 of 6 values are missing; they became code 0" in told
    assert "'open': 1 of 6 values are missing; they became zeros" in told


def test_everything_that_was_decided_is_told():
    told = " ".join(Preprocessing.fit(MIXED, "y", embed=2).notes)
    for words in [
        "the task is classification",
        "Target 'y' is missing in 1 of 6 rows; they are left out",
        "'size': 1 of 5 training values are missing",
        "'city': 1 of 5 training values are missing; they are code 0",
        "'open': 1 of 5 training values are missing; they are a level of their own",
        "'day' holds times",
        "'same' is left out: it is 7 in every training row",
        "'lists' is left out: values of the type List",
    ]:
        assert words in told


def test_missing_is_the_code_0_of_an_embedding():
    frame = pl.DataFrame({"zip": ["b", None, "a", None], "y": [0, 1, 0, 1]})
    preprocessing = Preprocessing.fit(frame, "y", embed=0)
    assert preprocessing.embedded == ((3, "zip"),)
    np.testing.assert_array_equal(preprocessing.transform(frame)[0], [[2], [0], [1], [0]])


def test_nothing_is_learned_from_rows_held_out():
    frame = MIXED.with_columns(y=pl.Series(["no", "yes"] * 3))
    changed = frame.with_columns(
        size=pl.Series([1.0, 2.0, None, 4.0, -5e9, 1.0]),
        city=pl.Series(["Ulm", "Bonn", None, "Ulm", "Rome", None]),
        open=pl.Series([True, False, True, True, True, None]),
        zip=pl.Series(["1", "2", "3", "1", "8", "9"]),
        same=pl.Series([7, 7, 7, 7, 8, 9]),
    )
    rows = [0, 1, 2, 3]
    assert Preprocessing.fit(frame, "y", rows=rows) == Preprocessing.fit(changed, "y", rows=rows)
    target = pl.DataFrame({"a": [1.0, 2.0, 3.0], "y": [1.5, 2.0, 900.5]})
    assert Preprocessing.fit(target, "y", rows=[0, 1]).goal.mean == 1.75


def test_rows_without_a_target_are_left_out_of_x_and_y_alike():
    preprocessing = Preprocessing.fit(MIXED, "y")
    x, _ = preprocessing.transform(MIXED, with_target=True)
    np.testing.assert_array_equal(preprocessing.target(MIXED), [0, 1, 0, 1, 0])
    np.testing.assert_array_equal(x, preprocessing.transform(MIXED)[0][:5])
    assert preprocessing.target(MIXED).dtype == np.int32
    assert Preprocessing.fit(MIXED[:5], "y").columns == preprocessing.columns


def test_every_kind_of_column_goes_through_json_to_the_same_bits():
    for embed in ("auto", 0, None):
        preprocessing = Preprocessing.fit(MIXED, "y", embed=embed)
        again = saved_and_loaded(preprocessing)
        assert again == preprocessing
        np.testing.assert_array_equal(again.transform(MIXED)[0], preprocessing.transform(MIXED)[0])


@given(st.lists(st.floats(-1e300, 1e300), min_size=3, max_size=20, unique=True), st.integers(1, 10**6))
def test_numbers_and_regression_go_through_json_and_back(values, divisor):
    frame = pl.DataFrame({"a": values, "y": [value / divisor + 0.5 for value in range(len(values))]})
    preprocessing = Preprocessing.fit(frame, "y", task="regression")
    again = saved_and_loaded(preprocessing)
    x = preprocessing.transform(frame)[0]
    assert np.isfinite(x).all()
    assert again.transform(frame)[0].tobytes() == x.tobytes()
    np.testing.assert_allclose(again.decode(again.target(frame)), frame["y"], atol=1e-6 * (1 + len(values)))


@given(st.lists(st.sampled_from("abcdefg"), min_size=2, max_size=30).filter(lambda values: len(set(values)) > 1))
def test_one_hot_and_codes_name_each_level(values):
    frame = pl.DataFrame({"a": values, "y": [0, 1] * (len(values) // 2) + [0] * (len(values) % 2)})
    levels = sorted(set(values))
    one_hot = Preprocessing.fit(frame, "y").transform(frame)[0]
    codes = Preprocessing.fit(frame, "y", embed=0).transform(frame)[0]
    assert [levels[index] for index in one_hot.argmax(axis=1)] == values
    assert [levels[int(code) - 1] for code in codes[:, 0]] == values
    np.testing.assert_array_equal(one_hot.sum(axis=1), 1)


def test_other_types_of_columns():
    frame = pl.DataFrame(
        {
            "category": pl.Series(["a", "b"] * 10, dtype=pl.Categorical),
            "decimal": [Decimal("1.5"), Decimal("2.5")] * 10,
            "clock": [time(0, 0, 1), time(0, 0, 3)] * 10,
            "wait": [timedelta(seconds=1), timedelta(seconds=3)] * 10,
            "y": [Decimal(1), Decimal(2)] * 10,
        }
    )
    preprocessing = saved_and_loaded(Preprocessing.fit(frame, "y"))
    np.testing.assert_array_equal(preprocessing.transform(frame)[0][:2], [[1, 0, -1, -1, -1], [0, 1, 1, 1, 1]])
    assert preprocessing.classes == (1.0, 2.0)
    assert [column.mean for column in preprocessing.columns[1:]] == [2.0, 2.0, 2.0]


def test_text_that_never_repeats_is_left_out_and_named():
    rows = range(200)
    frame = pl.DataFrame(
        {
            "name": [f"person {row}" for row in rows],
            "comment": [f"words {row // 3 * 2 + row % 2}" for row in rows],
            "zip": [str(row % 40) for row in rows],
            "nothing": [None] * 200,
            "word": ["a"] * 200,
            "row": rows,
            "y": [0, 1] * 100,
        }
    )
    preprocessing = Preprocessing.fit(frame, "y")
    assert preprocessing.ignored == ("name", "comment", "nothing", "word")
    assert preprocessing.embedded == ((41, "zip"),)
    assert preprocessing.feature_names == ("row", "zip")
    told = " ".join(preprocessing.notes)
    assert "'name' is left out: all 200 values differ, as in an identifier" in told
    assert "'comment' is left out: 134 different values in 200 rows, as in free text" in told
    assert "'nothing' is left out: it has no value" in told
    assert "'row' counts the rows" in told
    assert Preprocessing.fit(frame, "y", embed=None).width == 41
    with pytest.raises(DataError, match=r"at least one other column.*'name' is left out"):
        Preprocessing.fit(frame.select("name", "y"), "y")


FITTED = Preprocessing.fit(MIXED, "y")


def test_new_columns_are_ignored_and_told():
    x, notes = FITTED.transform(MIXED.drop("same", "lists", "y").with_columns(extra=pl.lit(1)))
    np.testing.assert_array_equal(x, FITTED.transform(MIXED)[0])
    assert "New columns, not in training, are ignored: 'extra'." in notes


def test_numbers_are_taken_as_labels_where_labels_were():
    frame = MIXED[:2].with_columns(zip=pl.Series([2, 3]))
    np.testing.assert_array_equal(
        FITTED.transform(frame)[0], FITTED.transform(frame.with_columns(zip=pl.Series(["2", "3"])))[0]
    )


def test_a_column_without_any_value_is_taken():
    frame = MIXED[:2].with_columns(size=pl.lit(None), city=pl.lit(None), day=pl.lit(None))
    x, notes = FITTED.transform(frame)
    assert np.isfinite(x).all()
    assert "'day': 2 of 2 values are missing" in " ".join(notes)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (MIXED.drop("city"), "'city' is missing among 'size', 'zip'"),
        (MIXED.drop("city", "day"), "'city', 'day' are missing"),
        (MIXED.clear(), "at least one row"),
        (
            MIXED.with_columns(size=pl.Series(["1", None, "two", "3", "4", "5"])),
            "'size': expected values of the kind number.*got text, for example 'two' in row 2",
        ),
        (MIXED.with_columns(size=pl.lit("1")), "got text, for example '1' in row 0"),
        (MIXED.with_columns(size=pl.lit(True)), "'size': expected values of the kind number.*got boolean"),
        (MIXED.with_columns(day=pl.lit(3)), "'day': expected values of the kind time.*got number"),
        (
            MIXED.with_columns(city="lists"),
            r"'city': expected values of the kind text.*got other, .*\[1\] in row 0",
        ),
        (MIXED.with_columns(open=pl.lit(3)), "'open': expected values of the kind boolean.*got number"),
        (
            MIXED.with_columns(size=pl.lit(1e300)),
            "'size': expected values like those of training.*got 1e.300 in row 0",
        ),
    ],
)
def test_a_table_unlike_that_of_training_is_refused(frame, words):
    with pytest.raises(DataError, match=words):
        FITTED.transform(frame)


def test_a_target_unlike_that_of_training_is_refused():
    with pytest.raises(DataError, match=r"expected the classes of training \('no', 'yes'\), but got 'maybe'"):
        FITTED.target(pl.DataFrame({"y": ["yes", "maybe"]}))
    with pytest.raises(DataError, match="expected the target column 'y'"):
        FITTED.target(MIXED.drop("y"))
    numbered = pl.DataFrame({"a": range(20), "1": range(20)})
    counted = Preprocessing.fit(numbered, "1")
    with pytest.raises(DataError, match="expected the target column '1'"):
        counted.target(numbered.rename({"1": "b"}))
    quantity = Preprocessing.fit(MIXED.with_columns(y=pl.Series([1.5, 2, 3, 4, 5, 6])), "y")
    with pytest.raises(DataError, match="expected numbers, as in training, but got text, for example 'no'"):
        quantity.target(MIXED)


@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 3)])
def test_outputs_of_another_shape_are_refused(shape):
    with pytest.raises(ShapeError, match=r"shape \(n, 2\), one column for each class"):
        FITTED.decode(np.zeros(shape))


@pytest.mark.parametrize("saved", [{}, {**FITTED.to_json(), "columns": [{"type": "Number"}]}])
def test_json_of_something_else_is_refused(saved):
    with pytest.raises(FileError, match="does not fit"):
        Preprocessing.from_json(saved)
