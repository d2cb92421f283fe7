"""The launcher: its processes equal one, none of them outlives another or the launcher, and all begin again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from deltarule.launcher import LOST, Launch, Process, again, bracketed, free_port, launch, suspicion
from launched.equal import losses

SCRIPTS = Path(__file__).parent / "launched"
COMMAND = [sys.executable, "-m", "deltarule.cli.main", "launch"]
QUICK = os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # programs compile in half the time


def launched(*arguments: str, **options) -> subprocess.CompletedProcess:
    """What a console sees of `deltarule launch`."""
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=120, env=QUICK, **options
    )


@pytest.mark.parametrize(("count", "epochs"), [(2, 20), (4, 5)])
def test_several_processes_equal_one(count, epochs):
    """Over 80 steps and over 20; over a stream, `streaming_test` holds them to it."""
    alone = losses(epochs)
    done = launched("--processes", str(count), "--", str(SCRIPTS / "equal.py"), str(epochs))
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()  # that of process 0, and nothing of gloo's
    told = json.loads(line)
    assert told["processes"] == count
    assert told["devices"] == [f"cpu:0 of process {rank}" for rank in range(count)]
    np.testing.assert_allclose(told["loss"], alone["loss"], rtol=1e-5)
    np.testing.assert_allclose(told["predicted"], alone["predicted"], rtol=1e-4, atol=1e-6)
    assert len(told["loss"]) == epochs
    assert told["ended"] == "a callback stopped the run"  # which process 0 alone asked for


def test_all_begin_again_with_fewer_where_one_was_killed(tmp_path):
    options = ["--processes", "2", "--max-restarts", "1", "--min-processes", "1"]
    start = time.monotonic()
    done = launched(*options, "--", str(SCRIPTS / "mortal.py"), "killed", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["5", "1", "killed", "--resume", str(tmp_path / "runs/mortal-1")]
    said = " ".join(done.stderr.split())
    assert "was ended by signal SIGKILL, and the run cannot go on without it" in said
    assert "deltarule launch: process 1 (pid " in said
    assert "deltarule launch: restart 1 of 1: " in said
    assert time.monotonic() - start < 60


def test_the_run_ends_where_it_may_not_begin_again_and_the_last_words_are_told(tmp_path):
    done = launched("--processes", "2", "--", str(SCRIPTS / "mortal.py"), "raised", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "deltarule launch: process 1 (pid " in done.stderr
    assert "ended with exit status 1" in done.stderr
    assert done.stderr.rstrip().endswith("RuntimeError: the disk is on fire")


def running(groups: list[int]) -> list[str]:
    """The processes of some groups that are not dead."""
    table = subprocess.run(["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in table.splitlines()]
    return [" ".join(row) for row in rows if int(row[0]) in groups and not row[1].startswith("Z")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_none_outlives_the_launcher(number, tmp_path):
    arguments = ["--processes", "2", "--", str(SCRIPTS / "waiting.py"), str(tmp_path)]
    launcher = subprocess.Popen([*COMMAND, *arguments], stderr=subprocess.DEVNULL)
    until(lambda: len(list(tmp_path.iterdir())) == 2)
    groups = [int(path.name) for path in tmp_path.iterdir()]
    assert len(running(groups)) == 4  # the processes, and the child of each
    launcher.send_signal(number)
    status = launcher.wait(20)
    assert status == (-number if number == signal.SIGKILL else 128 + number)
    until(lambda: not running(groups), 5 if number == signal.SIGKILL else 0.5)


def until(what, seconds: float = 20) -> None:
    """Waits until something holds."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_error_with_a_name_is_told_once_and_not_tried_again(tmp_path, capfd):
    told = []
    missing = Launch(("train", str(tmp_path / "none.csv")), 1, (0,), restarts=3)
    assert launch(missing, told.append) == 2
    assert told == []
    assert " ".join(capfd.readouterr().err.split()).count("none.csv: expected") == 1


def test_a_restart_takes_the_run_that_was_announced(tmp_path):
    file = tmp_path / "run"
    first = Launch(("train", "a.csv", "--resume", "old", "--json"), 3, (0, 1, 2), least=2)
    assert again(first, file).command == first.command
    file.write_text("runs/a-1")
    second = again(first, file)
    assert second.command == ("train", "a.csv", "--json", "--resume", "runs/a-1")
    assert (second.count, second.ranks) == (2, (0, 1))
    third = again(second, file)
    assert third == second


@pytest.mark.parametrize(
    ("statuses", "first"),
    [([LOST, -9, LOST], 1), ([-6, -6, -9], 2), ([LOST, -6, 1], 2), ([None, LOST, -6], 2), ([LOST, LOST], 0)],
)
def test_who_was_lost_is_told_from_those_that_followed(statuses, first):
    class Handle:
        def __init__(self, status):
            self.status = status

        def poll(self):
            return self.status

    started = [Process(rank, Handle(status), None) for rank, status in enumerate(statuses)]  # type: ignore[arg-type]
    assert min([process for process in started if process.status], key=suspicion).rank == first


def test_a_port_is_free_at_the_host():
    assert free_port("127.0.0.1") != free_port("127.0.0.1")
    assert (bracketed("::1"), bracketed("127.0.0.1")) == ("[::1]", "127.0.0.1")
