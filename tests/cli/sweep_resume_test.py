"""`deltarule sweep --resume`: a sweep that was stopped or killed goes on in its folder, to the same end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deltarule.cli.main import main
from deltarule.model_file import read_model
from deltarule.populations import training

SWEEP = ["sweep", "flowers.csv", "--vary", "learning_rate=1e-3..1e-1", "hidden=4,6", "dropout=0.1,0.3"]
SWEEP += ["--samples", "4", "--halving", "2", "--epochs", "8", "--batch-size", "24"]
MORTAL = """
import sys
from deltarule.cli.main import main
from deltarule.training.checkpoint import Checkpoints
Checkpoints.__init__.__defaults__ = (0.0, None, 3)  # a checkpoint after each round
sys.exit(main(sys.argv[1:]))
"""


pytestmark = pytest.mark.usefixtures("flowers")


def swept_until_stopped(monkeypatch):
    """The folder of a sweep that SIGTERM stopped at its second rung."""
    drops = []

    def drop(*arguments):
        drops.append(arguments)
        if len(drops) == 2:
            signal.raise_signal(signal.SIGTERM)
        training_drop(*arguments)

    training_drop = training.drop
    with monkeypatch.context() as patched:
        patched.setattr(training, "drop", drop)
        assert main(SWEEP) == 143
    return Path("runs/flowers-sweep-1")


def equal(one, other):
    """Two folders of sweeps with the same table and the same best model, bit for bit."""
    assert sorted(path.name for path in one.iterdir()) == sorted(path.name for path in other.iterdir())
    assert (one / "sweep.json").read_text() == (other / "sweep.json").read_text()
    arrays, expected = (read_model(folder / "model.safetensors")[0] for folder in (one, other))
    assert {name: array.tobytes() for name, array in arrays.items()} == {
        name: array.tobytes() for name, array in expected.items()
    }


def test_a_stopped_sweep_goes_on_to_the_same_end(monkeypatch, capsys):
    stopped = swept_until_stopped(monkeypatch)
    said = " ".join(capsys.readouterr().err.split())
    assert f"SIGTERM stopped the run; deltarule sweep --resume {stopped} goes on with it" in said
    assert main(["report", str(stopped)]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "half written: it has sweep.toml, but no model.safetensors. It goes on still, or it was killed" in said
    assert f"or go on: deltarule sweep --resume {stopped}" in said
    assert main(["sweep", "--resume", str(stopped), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["run"] == str(stopped)
    assert main([*SWEEP, "--runs", "whole"]) == 0
    equal(stopped, Path("whole/flowers-sweep-1"))
    capsys.readouterr()
    assert main(["sweep", "--resume", str(stopped), "--json"]) == 0  # it is finished
    assert json.loads(capsys.readouterr().out) == summary
    assert main(["sweep", "--config", str(stopped / "sweep.toml"), "--runs", "again"]) == 0
    equal(stopped, Path("again/flowers-sweep-1"))


def test_a_killed_sweep_goes_on_to_the_same_end(capfd):
    sweep = subprocess.Popen([sys.executable, "-c", MORTAL, *SWEEP], stderr=subprocess.DEVNULL)
    folder = Path("runs/flowers-sweep-1")
    while len(list(folder.glob("checkpoints/checkpoint-00000[3-9].safetensors"))) < 1 and sweep.poll() is None:
        time.sleep(0.001)
    os.kill(sweep.pid, signal.SIGKILL)
    assert sweep.wait() == -signal.SIGKILL
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoints", "sweep.toml"]
    assert main(["sweep", "--resume", str(folder)]) == 0
    assert "there is no checkpoint yet" not in capfd.readouterr().err
    assert main([*SWEEP, "--runs", "whole"]) == 0
    equal(folder, Path("whole/flowers-sweep-1"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--resume"], "--resume expects the folder of a sweep"),
        (["--resume", "none"], "none: expected the folder of a run that deltarule sweep began, but there is no"),
        (
            ["--resume", "run"],
            "run: expected the folder of a run that deltarule sweep began, but it has no",
        ),
        (["--resume", "a", "--config", "b"], "--resume takes the settings of its sweep; leave --config out"),
        (["--resume=sweep", "--halving", "3"], "--resume sweep goes on with halving = 2.0; leave the setting out"),
    ],
)
def test_what_cannot_be_gone_on_with_is_said(arguments, words, capsys):
    Path("run").mkdir()
    Path("run/run.toml").write_text('data = "flowers.csv"\n')
    Path("sweep").mkdir()
    Path("sweep/sweep.toml").write_text('data = "flowers.csv"\nvary = ["l2=0,1"]\nhalving = 2.0\n')
    assert main(["sweep", *arguments]) == 2
    assert words in " ".join(capsys.readouterr().err.split())


def test_a_refused_sweep_leaves_no_folder():
    assert main([*SWEEP, "--batch-size", "1000"]) == 2
    assert not list(Path("runs").iterdir())
