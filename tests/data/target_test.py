"""The column to predict: how it is named, which task it is found to be, and what it cannot be."""

import json
from datetime import date

import numpy as np
import polars as pl
import pytest

from deltarule.data.table import Preprocessing
from deltarule.data.target import strata, target_name
from deltarule.errors import DataError, SettingError


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"] * 30, "classification"),
        ([0, 1] * 3, "classification"),
        (list(range(20)) * 10, "classification"),
        (list(range(20)) * 9, "regression"),
        (list(range(21)) * 10, "regression"),
        ([1.0, 2.0, 3.0] * 10, "classification"),
        ([1.0, 2.0, 3.5] * 10, "regression"),
        ([0.5, 1.5] * 10, "regression"),
    ],
)
def test_the_task_is_found(values, task):
    assert Preprocessing.fit(pl.DataFrame({"a": range(len(values)), "y": values}), "y").task == task


def test_the_task_may_be_named():
    frame = pl.DataFrame({"a": range(40), "y": [0, 1] * 20, "z": [0.5, 1.5] * 20})
    assert Preprocessing.fit(frame, "y", task="regression").task == "regression"
    assert Preprocessing.fit(frame, "z", task="classification").classes == (0.5, 1.5)
    assert strata(frame, "y", task="regression") is None


@pytest.mark.parametrize(
    ("y", "arguments", "error", "words"),
    [
        (["a", "b"] * 20, {"task": "regression"}, DataError, "numbers for a regression, but it holds text"),
        (np.linspace(0, 1, 40), {"task": "classification"}, DataError, "holds 40 different values"),
        (list(range(40)), {"task": "classification"}, DataError, "holds 40 different values in 40 rows"),
        ([f"name {row}" for row in range(40)], {}, DataError, "classes that repeat.*Use another target"),
        (["a"] * 40, {}, DataError, "at least two classes, but every training row is 'a'"),
        (["a"] * 20 + ["b"] * 20, {"rows": range(20)}, DataError, "at least two classes"),
        ([1.5] * 40, {}, DataError, "numbers that vary, but it is 1.5"),
        ([None] * 40, {}, DataError, "every training row lacks one"),
        ([date(2024, 1, 1)] * 40, {}, DataError, "got the type Date"),
        ([0, 1] * 20, {"task": "clustering"}, SettingError, "got 'clustering'"),
        ([0, 1] * 20, {"embed": "never"}, SettingError, "got 'never'"),
        ([0, 1] * 20, {"embed": -1}, SettingError, "got -1"),
    ],
)
def test_a_target_that_cannot_be_learned_is_refused(y, arguments, error, words):
    with pytest.raises(error, match=words):
        Preprocessing.fit(pl.DataFrame({"a": range(40), "y": y}), "y", **arguments)


def test_a_target_is_named_or_counted():
    columns = ["age", "income", "3"]
    found = {target: target_name(columns, target) for target in ("income", 0, -1, "-2", "3", "0")}
    assert found == {"income": "income", 0: "age", -1: "3", "-2": "income", "3": "3", "0": "age"}
    for target in (3, -4, "4"):
        with pytest.raises(DataError, match="from 0 to 2"):
            target_name(columns, target)
    with pytest.raises(DataError, match=r"Nearest: 'income'. The columns are 'age', 'income', '3'"):
        target_name(columns, "incomes")
    frame = pl.DataFrame({"a": range(20), "3": range(20)})
    assert "is the column of that name, at position 1" in " ".join(Preprocessing.fit(frame, "3").notes)


def test_a_class_without_a_training_row_is_kept_and_told():
    frame = pl.DataFrame({"a": range(4), "y": ["p", "q", "p", "r"]})
    preprocessing = Preprocessing.fit(frame, "y", rows=[0, 1, 2])
    assert preprocessing.classes == ("p", "q", "r")
    assert "no training row is of the class 'r'" in " ".join(preprocessing.notes)


@pytest.mark.parametrize(
    "labels", [["b", "a"], [True, False], [7, -3], [2.0, 1.0], ["10", "9"], [2**60, 2**60 + 1]]
)
def test_labels_come_back_as_they_were(labels):
    frame = pl.DataFrame({"a": [1, 2] * 20, "y": labels * 20})
    preprocessing = Preprocessing.from_json(json.loads(json.dumps(Preprocessing.fit(frame, "y").to_json())))
    assert preprocessing.task == "classification"
    assert [type(label) for label in preprocessing.classes] == [type(labels[0])] * 2
    decoded = preprocessing.decode(np.eye(2)[preprocessing.target(frame)])
    assert decoded.tolist() == labels * 20
