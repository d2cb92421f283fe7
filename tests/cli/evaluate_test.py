"""`deltarule evaluate`: how well a model predicts a file, as a sentence or as one line of JSON."""

import json
from pathlib import Path

import polars as pl
import pytest

from deltarule.cli.main import main


def test_the_result_is_one_line_of_json(model, frame, tmp_path, capsys):
    arguments = [str(model), str(model.parent / "table.csv")]
    assert main(["evaluate", *arguments, "--json"]) == 0
    measured = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (measured["task"], measured["metric"], measured["rows"]) == ("classification", "accuracy", 80)
    assert main(["predict", *arguments, "--output", str(tmp_path / "out.csv")]) == 0
    right = (pl.read_csv(tmp_path / "out.csv")["sold"] == frame["sold"]).mean()
    assert measured["accuracy"] == pytest.approx(right)


def test_rows_without_a_target_are_left_out(model, frame, tmp_path, capsys):
    frame.with_columns(sold=pl.when(frame["size"] > 0).then("sold")).write_csv(tmp_path / "part.csv")
    assert main(["evaluate", str(model), str(tmp_path / "part.csv")]) == 0
    assert f"on {(frame['size'] > 0).sum()} examples" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda frame: frame.drop("sold"), "expected the target column 'sold', as in training"),
        (lambda frame: frame.drop("town"), "'town' is missing"),
        (
            lambda frame: frame.with_columns(sold=pl.lit("perhaps")),
            "expected the classes of training ('no', 'yes')",
        ),
        (lambda frame: frame.with_columns(sold=pl.lit(None)), "at least one row"),
    ],
    ids=["no target", "no column", "unknown class", "all missing"],
)
def test_what_cannot_be_measured_is_said(change, words, model, frame, tmp_path: Path, capsys):
    change(frame).write_csv(tmp_path / "new.csv")
    assert main(["evaluate", str(model), str(tmp_path / "new.csv")]) == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert words in " ".join(printed.err.split())
