"""Images on the command line: a folder in, a run folder, predictions and measures out; one line of JSON each."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.pictures import pixels, truncate, write
from deltarule.cli.main import main

QUICK = ["--network", "dense", "--hidden", "8", "--epochs", "20", "--learning-rate", "0.02"]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Every test works where there is a folder of dark and of light images."""
    monkeypatch.chdir(tmp_path)
    for index in range(20):
        write(Path(f"photos/dark/{index}.png"), pixels(5, 6, seed=index) // 2)
        write(Path(f"photos/light/{index}.png"), pixels(5, 6, seed=index) // 2 + 127)


def answer(capsys, *arguments: str) -> tuple[dict, str]:
    """The JSON of a command, and what it says on standard error."""
    assert main([*arguments, "--json"]) == 0
    printed = capsys.readouterr()
    return json.loads(printed.out.splitlines()[-1]), printed.err


def refused(capsys, *arguments: str) -> str:
    """What a command that cannot be says, in one line."""
    assert main(list(arguments)) == 2
    printed = capsys.readouterr()
    assert not printed.out
    return " ".join(printed.err.split())


def test_a_folder_is_learned_predicted_and_measured(capsys):
    summary, said = answer(capsys, "train", "photos", *QUICK)
    assert (summary["task"], summary["validation"], summary["run"]) == ("classification", 1, "runs/photos-1")
    assert "note: photos: 40 images of 5x6 grey." in said
    measured, _ = answer(capsys, "evaluate", "runs/photos-1", "photos")
    assert (measured["accuracy"], measured["rows"]) == (1, 40)
    predicted, _ = answer(capsys, "predict", "runs/photos-1", "photos/light/3.png", "photos/dark")
    frame = pl.read_csv("3-predictions.csv")
    assert predicted == {"rows": 21, "columns": frame.columns, "output": "3-predictions.csv"}
    assert frame.columns == ["file", "class", "probability of dark", "probability of light"]
    assert frame["file"][0] == "photos/light/3.png"
    assert frame["class"].to_list() == ["light", *["dark"] * 20]


def test_a_run_is_repeated_from_its_own_file(capsys):
    settings = ["--image-size", "4x3", "--channels", "3", "--corrupt", "skip"]
    first, _ = answer(capsys, "train", "photos", *QUICK, *settings)
    second, _ = answer(capsys, "train", "--config", f"{first['run']}/run.toml")
    assert second["run"] != first["run"]
    assert second["loss"] == first["loss"]
    assert second["parameters"] == 4 * 3 * 3 * 8 + 8 + 8 * 2 + 2


def test_the_folder_itself_may_be_a_dot(capsys, monkeypatch):
    monkeypatch.chdir("photos")
    summary, _ = answer(capsys, "train", ".", *QUICK, "--runs", "../runs")
    assert Path(summary["run"]).name == "photos-1"


def test_a_broken_file_is_told_and_skipped_by_choice(capsys):
    truncate("photos/dark/7.png")
    said = refused(capsys, "train", "photos", *QUICK)
    assert "1 of 40 files cannot be read as PNG or JPEG images: photos/dark/7.png (" in said
    assert not Path("runs").exists()
    assert "left out: 'photos/dark/7.png'" in answer(capsys, "train", "photos", *QUICK, "--corrupt", "skip")[1]
    for command in ("predict", "evaluate"):
        assert "cannot be read" in refused(capsys, command, "runs/photos-1", "photos")
        result, said = answer(capsys, command, "runs/photos-1", "photos", "--corrupt", "skip")
        assert result["rows"] == 39
        assert "photos/dark/7.png" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict", "RUN"], "predict: expected data after the model"),
        (["predict", "RUN", "none.png"], "none.png: expected an image or a folder, but there is none"),
        (["predict", "RUN", "photos/dark/1.png", "--output", "photos/dark/1.png"], "is the data itself"),
        (["predict", "RUN", "arrays.npz"], "expected 5x6 grey, as in training, but got 5x7 grey"),
        (["evaluate", "RUN", "photos/dark/1.png"], "but this is a file"),
        (["train", "photos", "--target", "class"], "photos: the setting target is for tables"),
        (["train", "photos/dark"], "expected a folder for each class, but there are only images (20) in it"),
        (["train", "photos/dark/1.png"], "but this is a file"),
    ],
)
def test_what_cannot_be_is_said(arguments, words, capsys):
    np.savez("arrays.npz", x=np.stack([pixels(5, 7)]))
    answer(capsys, "train", "photos", *QUICK)
    assert words in refused(capsys, *[argument.replace("RUN", "runs/photos-1") for argument in arguments])
