"""`deltarule launch`: several processes that train write one run; what cannot be is refused before one starts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import sklearn.datasets

from deltarule.cli.launch import Settings, plan_of
from deltarule.cli.main import main
from deltarule.errors import SettingError

IRIS = str(Path(sklearn.datasets.__file__).parent / "data" / "iris.csv")
COMMAND = [sys.executable, "-m", "deltarule.cli.main"]


def test_processes_that_train_write_one_run_and_one_line(tmp_path):
    """The same as one process, written by process 0 alone, at another address of the loopback."""
    settings = ["--epochs", "2", "--hidden", "8", "--runs", str(tmp_path / "runs"), "--target", "virginica"]
    where = ["launch", "--processes", "2", "--host", "127.0.0.2", "--json", "--"]
    done = subprocess.run(
        [*COMMAND, *where, "train", IRIS, *settings],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    summary = json.loads(line)
    assert summary["placement"].startswith("cpu:0 of process 0, cpu:0 of process 1: each holds the state")
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["iris-1"]
    rows = [json.loads(row) for row in (tmp_path / "runs/iris-1/metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2]
    assert done.stderr.count("epoch 2/2") == 1


@pytest.fixture
def refused(capsys):
    """What the command says where it cannot begin."""

    def said(*arguments: str) -> str:
        assert main(["launch", *arguments]) == 2
        printed = capsys.readouterr()
        assert not printed.out
        return " ".join(printed.err.split())

    return said


TRAIN = ("--", "train", "a.csv")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--processes", "2"], "expected train or a Python script behind --"),
        (["--processes", "2", "--"], "nothing stands there"),
        (["--processes", "2", "--", "predict", "a.csv"], "got 'predict'"),
        (["--processes", "0", *TRAIN], "processes must be at least 1, got 0"),
        (["--processes", "2", "--max-restarts", "-1", *TRAIN], "max_restarts must be at least 0, got -1"),
        (["--processes", "2", "--timeout", "0", *TRAIN], "timeout must be above 0 seconds, got 0"),
        (["--processes", "2", "--rank", "0", *TRAIN], "--address and --rank go together"),
        (["--processes", "2", "--address", "10.0.0.1:7100", *TRAIN], "--address and --rank go together"),
        (["--address", "10.0.0.1:71000", "--rank", "0", *TRAIN], "expected an address HOST:PORT"),
        (["--address", "10.0.0.1:7100", "--rank", "0", *TRAIN], "--rank 0 needs --processes above it"),
        (["--processes", "2", "--address", "10.0.0.1:71", "--rank", "2", *TRAIN], "--rank 2 needs --processes"),
        (["--processes", "2", "--min-processes", "3", *TRAIN], "--min-processes goes with as many --processes"),
        (["--min-processes", "1", *TRAIN], "--min-processes goes with as many --processes"),
    ],
)
def test_what_cannot_be_is_refused(refused, arguments, message):
    assert message in refused(*arguments)


def test_a_cluster_that_is_not_there_is_named(monkeypatch, capfd):
    for name in ("SLURM_JOB_ID", "OMPI_MCA_orte_hnp_uri", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit) as ended:
        main(["launch", *TRAIN])
    assert ended.value.code == 2
    said = " ".join(capfd.readouterr().err.split())
    assert "launch: JAX finds no place for this process in SLURM, Open MPI or Kubernetes" in said


def test_a_place_in_slurm_is_found(monkeypatch, capfd, tmp_path):
    """One process of one; SLURM says so, and nothing else does."""
    script = tmp_path / "place.py"
    script.write_text("import jax\nprint(jax.distributed.is_initialized(), jax.process_count())\n")
    slurm = {"JOB_ID": "7", "STEP_NODELIST": "localhost", "NTASKS": "1", "PROCID": "0", "LOCALID": "0"}
    for name, value in slurm.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    main(["launch", "--", str(script)])
    assert capfd.readouterr().out.split() == ["True", "1"]


def test_ranks_are_all_here_or_one_of_several_machines():
    command = ("train", "a.csv")
    assert plan_of(Settings(processes=3), command).ranks == (0, 1, 2)
    assert plan_of(Settings(processes=3, rank=1, address="10.0.0.1:7100"), command).ranks == (1,)
    assert plan_of(Settings(), command).count is None
    with pytest.raises(SettingError, match="rank must be at least 0"):
        plan_of(Settings(processes=3, rank=-1, address="10.0.0.1:7100"), command)


def test_json_is_asked_of_the_command_once():
    asked = Settings(processes=1, json=True)
    assert plan_of(asked, ("train", "a.csv")).command == ("train", "a.csv", "--json")
    assert plan_of(asked, ("train", "--json", "a.csv")).command == ("train", "--json", "a.csv")
