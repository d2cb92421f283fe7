"""`deltarule train --resume`: a stopped run goes on in its folder, and ends as if it had never stopped."""

import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
from safetensors.numpy import load_file

from deltarule.cli.main import main
from deltarule.experiment.run_folder import metrics_writer

BUNDLED = Path(sklearn.datasets.__file__).parent / "data" / "iris.csv"
QUICK = ["--epochs", "8", "--hidden", "8", "--learning-rate", "0.02", "--watch", "update"]
TEXT = "the quick brown fox jumps over the lazy dog. pack my box with five dozen liquor jugs! " * 30


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Every test has a folder of its own to work in, with data."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(BUNDLED, "iris.csv")
    Path("words.txt").write_text(TEXT)


def trained(*arguments):
    """The folder of a run that nothing stopped."""
    assert main(["train", *arguments, "--runs", "whole", "--json"]) == 0
    return Path("whole") / (Path(arguments[0]).stem + "-1")


def stopped(monkeypatch, *arguments, number=signal.SIGTERM, at=3):
    """The folder of a run that a signal stopped after an epoch."""

    def writer(path):
        write = metrics_writer(path)

        def send(row):
            write(row)
            if row["epoch"] == at:
                signal.raise_signal(number)

        return send

    with monkeypatch.context() as patched:
        patched.setattr("deltarule.experiment.run.metrics_writer", writer)
        assert main(["train", *arguments, "--runs", "runs"]) == 128 + number
    return Path("runs") / (Path(arguments[0]).stem + "-1")


def rows(folder):
    read = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in read]


def equal(one, other):
    """Two run folders with the same parameters and metrics, bit for bit."""
    assert rows(one) == rows(other)
    assert sorted(path.name for path in one.iterdir()) == sorted(path.name for path in other.iterdir())
    arrays = [load_file(folder / "model.safetensors") for folder in (one, other)]
    assert list(arrays[0]) == list(arrays[1])
    for name, array in arrays[0].items():
        np.testing.assert_array_equal(array, arrays[1][name])


@pytest.mark.parametrize(
    "arguments",
    [
        ["iris.csv", *QUICK],
        ["words.txt", "--epochs", "5", "--hidden", "8", "--window", "16", "--batch-size", "4", "--patience", "1"],
    ],
    ids=["table", "text"],
)
def test_a_run_that_a_signal_stopped_goes_on_to_the_same_end(arguments, monkeypatch, capsys):
    folder = stopped(monkeypatch, *arguments)
    said = " ".join(capsys.readouterr().err.split())
    assert f"SIGTERM stopped the run; deltarule train --resume {folder} goes on with it" in said
    assert (folder / "run.toml").exists()
    with (folder / "metrics.jsonl").open("a") as file:  # what a run that went on further left
        file.write('{"epoch": 4, "loss": 0.1}\n{"epoch": 5, "lo')
    assert main(["train", "--resume", str(folder), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["run"] == str(folder)
    equal(folder, trained(*arguments))


def test_an_interrupt_from_the_keyboard_has_its_own_status(monkeypatch):
    stopped(monkeypatch, "iris.csv", *QUICK, number=signal.SIGINT)


def test_a_finished_run_says_so_and_gives_its_summary(capsys):
    folder = trained("iris.csv", *QUICK)
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert main(["train", "--resume", str(folder)]) == 0
    assert f"{folder} is finished" in capsys.readouterr().out
    assert main(["train", "--resume", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == summary
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(capsys):
    whole = trained("iris.csv", *QUICK)
    killed = Path("runs/iris-1")
    killed.mkdir(parents=True)
    shutil.copy(whole / "run.toml", killed)
    (killed / "metrics.jsonl").write_text('{"epoch": 1, "loss": 9.0}\n{"ep')
    assert main(["train", "--resume", str(killed)]) == 0
    assert "there is no checkpoint yet" in " ".join(capsys.readouterr().err.split())
    equal(killed, whole)


def test_the_data_may_have_moved_but_not_changed(monkeypatch, capsys):
    folder = stopped(monkeypatch, "iris.csv", *QUICK)
    text = Path("iris.csv").read_text()
    Path("iris.csv").write_text(text.replace("5.1,3.5", "5.2,3.5"))
    assert main(["train", "--resume", str(folder)]) == 2
    assert "cannot go on from here. training data sha256: " in " ".join(capsys.readouterr().err.split())
    Path("iris.csv").unlink()
    assert main(["train", "--resume", str(folder)]) == 2
    Path("there.csv").write_text(text)
    assert main(["train", "--resume", str(folder), "there.csv"]) == 0
    equal(folder, trained("there.csv", *QUICK))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--resume"], "--resume expects the folder of a run"),
        (["--resume", "none"], "none: expected the folder of a run that deltarule train began, but there is no"),
        (
            ["--resume", "empty"],
            "empty: expected the folder of a run that deltarule train began, but it has no run",
        ),
        (
            ["--resume", "run", "--config", "run/run.toml"],
            "--resume takes the settings of its run; leave --config",
        ),
        (["--resume=run", "--epochs", "9"], "--resume run goes on with epochs = 8; leave the setting out"),
    ],
)
def test_what_cannot_be_gone_on_with_is_said(arguments, words, capsys):
    Path("empty").mkdir()
    Path("run").mkdir()
    Path("run/run.toml").write_text('data = "iris.csv"\nepochs = 8\n')
    assert main(["train", *arguments]) == 2
    assert words in " ".join(capsys.readouterr().err.split())


def test_a_refused_run_leaves_no_folder(capsys):
    assert main(["train", "iris.csv", "--batch-size", "1000"]) == 2
    assert not list(Path("runs").iterdir())
