"""`deltarule predict`: the raw file in, a CSV of predictions out; what the file lacks or adds is told."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from deltarule.cli.main import main


def predicted(model: Path, frame: pl.DataFrame, folder: Path, capsys) -> tuple[int, pl.DataFrame | None, str]:
    """The exit status, the predictions and the words on standard error for a table."""
    frame.write_csv(folder / "new.csv")
    status = main(["predict", str(model), str(folder / "new.csv"), "--output", str(folder / "out.csv")])
    said = " ".join(capsys.readouterr().err.split())
    return status, pl.read_csv(folder / "out.csv") if (folder / "out.csv").exists() else None, said


def test_the_raw_file_is_predicted_with_and_without_its_target(model, frame, tmp_path, capsys):
    status, given, said = predicted(model, frame, tmp_path, capsys)
    assert (status, said) == (0, "")
    assert given.columns == ["sold", "probability of no", "probability of yes"]
    assert (given["sold"] == frame["sold"]).mean() > 0.9
    np.testing.assert_allclose(given["probability of no"] + given["probability of yes"], 1, atol=1e-6)
    assert predicted(model, frame.drop("sold"), tmp_path, capsys)[1].equals(given)


def test_the_order_of_columns_does_not_matter(model, frame, tmp_path, capsys):
    given = predicted(model, frame, tmp_path, capsys)[1]
    assert predicted(model, frame.select("town", "size"), tmp_path, capsys)[1].equals(given)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda frame: frame.with_columns(town=pl.lit("Kiel")), "'town': 80 of 80 rows hold values never seen"),
        (lambda frame: frame.with_columns(moon=pl.lit(1)), "New columns, not in training, are ignored: 'moon'"),
        (lambda frame: frame.with_columns(size=pl.lit(None)), "'size': 80 of 80 values are missing"),
    ],
    ids=["unseen", "new", "missing values"],
)
def test_what_can_be_handled_is_told(change, words, model, frame, tmp_path, capsys):
    status, given, said = predicted(model, change(frame), tmp_path, capsys)
    assert status == 0
    assert len(given) == len(frame)
    assert words in said


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda frame: frame.drop("size"), "expected the columns of training, but 'size' is missing among"),
        (lambda frame: frame.drop("size", "town"), "but 'size', 'town' are missing among"),
        (lambda frame: frame.with_columns(size=pl.lit("big")), "'size': expected values of the kind number"),
        (lambda frame: frame.with_columns(size=pl.lit(1e300)), "'size': expected values like those of training"),
        (lambda frame: frame.head(0), "expected rows of data"),
    ],
    ids=["missing", "two missing", "another type", "too far out", "no rows"],
)
def test_what_cannot_be_predicted_is_said_and_nothing_is_written(change, words, model, frame, tmp_path, capsys):
    status, given, said = predicted(model, change(frame), tmp_path, capsys)
    assert (status, given) == (2, None)
    assert words in said


def test_the_result_is_one_line_of_json(model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["predict", str(model / "model.safetensors"), str(model.parent / "table.csv"), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (summary["rows"], summary["output"]) == (80, "table-predictions.csv")
    assert pl.read_csv("table-predictions.csv").columns == summary["columns"]


@pytest.mark.parametrize(
    ("name", "words"), [("none", "none: no such file"), ("table.csv", "not a whole safetensors file")]
)
def test_what_is_no_model_is_said(name, words, model, capsys):
    assert main(["predict", str(model.parent / name), str(model.parent / "table.csv")]) == 2
    assert words in " ".join(capsys.readouterr().err.split())


def test_predictions_that_cannot_be_written_are_said(model, tmp_path, capsys):
    arguments = ["predict", str(model), str(model.parent / "table.csv"), "--output"]
    assert main([*arguments, str(tmp_path / "none" / "out.csv")]) == 2
    assert "cannot be written: No such file or directory" in " ".join(capsys.readouterr().err.split())
