"""`deltarule sweep`: many settings in, a table, a page and the best model as a run out."""

import json

import pytest

from deltarule.cli.main import main
from deltarule.experiment.vary import read_space


def swept(*arguments, capsys):
    status = main(["sweep", "flowers.csv", "--epochs", "4", *arguments, "--json"])
    said = capsys.readouterr()
    assert status == 0, said.err
    return json.loads(said.out.splitlines()[-1])


def test_the_best_of_many_is_a_run(flowers, capsys):
    vary = ("--vary", "learning_rate=1e-4..1e-1", "hidden=4,6x6", "dropout=0.1,0.3", "--samples", "3")
    summary = swept(*vary, capsys=capsys)
    assert (summary["configurations"], summary["models"], summary["programs"]) == (12, 12, 2)
    assert summary["ranking"][0]["validation_loss"] == min(row["validation_loss"] for row in summary["ranking"])
    assert summary["best"] == {name: summary["ranking"][0][name] for name in summary["best"]}
    assert summary["loss"] == pytest.approx(summary["ranking"][0]["validation_loss"], rel=1e-5)
    folder = flowers / summary["run"]
    found = json.loads((folder / "sweep.json").read_text())
    assert len(found["rows"]) == 12
    page = (folder / "sweep.html").read_text()
    assert "12 models of 12 configurations were trained in 2 programs" in page
    assert "<svg" in page
    assert main(["predict", str(folder), "flowers.csv"]) == 0
    assert main(["train", "flowers.csv", "--config", str(folder / "run.toml")]) == 0


def test_folds_leave_the_held_out_rows_for_the_best_alone(flowers, capsys):
    summary = swept("--vary", "l2=1e-5,1e-3", "--folds", "3", "--halving", "2", capsys=capsys)
    assert (summary["configurations"], summary["models"]) == (2, 6)
    assert summary["loss"] != summary["ranking"][0]["validation_loss"]


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        (["rate=1"], "unknown setting 'rate'"),
        (["learning-rat=1"], "did you mean 'learning_rate'"),
        (["learning_rate"], "expected NAME=VALUES"),
        (["hidden=4..6"], "a range is for numbers"),
        (["hidden=4xx6"], "does not fit"),
        (["optimizer=adam,adim"], "'adim' does not fit"),
        (["learning_rate=a..b"], "expected LOW..HIGH"),
        (["learning_rate=1e-3..1e-1"], "say how often"),
        (["l2=0", "l2=1"], "varied twice"),
        (["dropout=1.5"], "drop must be in"),
    ],
)
def test_what_cannot_be_varied_is_told(flowers, capsys, vary, message):
    assert main(["sweep", "flowers.csv", "--vary", *vary]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_text_cannot_be_swept(flowers, capsys):
    (flowers / "text.txt").write_text("a text that is long enough to be read. " * 100)
    assert main(["sweep", "text.txt", "--vary", "l2=0,1"]) == 2
    assert "a stream is for one model" in " ".join(capsys.readouterr().err.split())


def test_values_are_read_as_their_settings_take_them():
    space = read_space(["epochs=1,2", "precision=float32", "l2=0.1..0.2"])
    assert space["epochs"] == [1, 2]
    assert space["precision"] == ["float32"]
    assert (space["l2"].low, type(space["l2"]).__name__) == (0.1, "Uniform")
