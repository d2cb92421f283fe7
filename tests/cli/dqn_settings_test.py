"""The settings of `deltarule dqn`: each reaches the agents; a recurrent one and one with a replay in files run."""

import json
from pathlib import Path

import pytest

import deltarule as dr
from cli.dqn_test import refused, stopped
from deltarule.cli import dqn
from deltarule.cli.main import main
from deltarule.dqn.tuned import TUNED
from deltarule.experiment.dqn_job import agents_of
from experiment.games import learned


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Every test has a folder of its own to work in."""
    monkeypatch.chdir(tmp_path)


class Parsed(Exception):
    """Carries the job that a command line means."""


def agent_of(monkeypatch, *arguments: str) -> dr.DQN:
    """The first agent that a command line means, before training."""

    def train(job, **settings):
        raise Parsed(job)

    monkeypatch.setattr(dqn, "train", train)
    with pytest.raises(Parsed) as parsed:
        dqn.main([*arguments])
    return agents_of(parsed.value.args[0])[0]


@pytest.mark.parametrize(
    ("flags", "name", "expected"),
    [
        ("CartPole-v1 --sequence 8", "rules.sequence", 8),
        ("CartPole-v1 --sequence 8 --burn-in 3", "rules.burn_in", 3),
        ("CartPole-v1 --sequence 8 --hidden 5", "net.layers", (dr.Recurrent(dr.GRU(5), carry=True), dr.Dense(2))),
        ("CartPole-v1 --eta 0.5", "rules.eta", 0.5),
        ("CartPole-v1 --time-limits-end", "rules.time_limits_end", True),
        ("CartPole-v1", "rules.double", False),
        ("CartPole-v1 --double", "rules.double", True),
        ("CartPole-v1", "rules.dueling", False),
        ("CartPole-v1 --dueling", "rules.dueling", True),
        ("CartPole-v1 --loss squared", "step.loss", dr.SquaredError()),
        ("CartPole-v1 --optimizer rmsprop", "step.optimizer", dr.RMSProp(2.3e-3)),
        ("CartPole-v1 --optimizer sgd --learning-rate 0.1", "step.optimizer", dr.SGD(0.1)),
        ("CartPole-v1 --clip-norm inf", "step.clip_norm", float("inf")),
        ("CartPole-v1 --replay-folder there", "replay_folder", Path("there")),
        ("CartPole-v1 --replay-folder there", "path", "gymnasium"),
        ("CartPole-v1 --path gymnasium --vector async", "vector", "async"),
    ],
)
def test_a_flag_reaches_the_agents(flags, name, expected, monkeypatch):
    found = agent_of(monkeypatch, *flags.split())
    for part in name.split("."):
        found = getattr(found, part)
    assert found == expected


@pytest.mark.parametrize("left", [(), ("double",), ("dueling",)])
def test_what_is_known_to_work_can_be_left(left, monkeypatch):
    for name in ("double", "dueling"):
        monkeypatch.setitem(TUNED["CartPole-v1"], name, True)
    agent = agent_of(monkeypatch, "CartPole-v1", *(f"--no-{name}" for name in left))
    assert agent.rules.double == ("double" not in left)
    assert agent.rules.dueling == ("dueling" not in left) == (agent.net.layers[-1] == dr.Dueling())


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--double --no-double", "--double and --no-double exclude each other"),
        ("--dueling --no-dueling", "--dueling and --no-dueling exclude each other"),
        ("--burn-in 3", "burn_in is for a recurrent network; say sequence, too"),
        ("--replay-folder there --path compiled", 'replay="file" goes with path="gymnasium"'),
        ("--replay-folder there --prioritised", "leave prioritised out"),
        ("--no-double --resume .", "--resume . goes on with its own settings; leave double out"),
    ],
)
def test_settings_that_do_not_go_together_are_named(flags, words, capsys):
    environment = [] if "--resume" in flags else ["CartPole-v1"]
    assert words in refused(capsys, "dqn", *environment, *flags.split())
    assert not list(Path().iterdir())


def test_a_recurrent_agent_is_stopped_goes_on_to_the_same_end_and_plays(tmp_path, monkeypatch, capsys):
    flags = ["CartPole-v1", "--steps", "480", "--sequence", "6", "--burn-in", "2", "--prioritised", "--no-double"]
    whole = learned(tmp_path / "whole", capsys, *flags)
    folder = stopped(monkeypatch, *flags)
    capsys.readouterr()
    assert main(["dqn", "--resume", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["returns"] == whole["returns"]
    assert main(["play", str(folder), "--episodes", "1"]) == 0
    page, settings = (
        (folder / "report.html").read_text(),
        json.loads((folder / "record.json").read_text())["settings"],
    )
    assert "Recurrent(GRU(8), carry=True)" in page
    assert {"sequence": 6, "burn_in": 2, "eta": 0.9, "double": False}.items() <= settings.items()
    assert "time_limits_end" not in settings


def test_a_replay_in_files_is_learned_from_and_gone_with_the_run(monkeypatch, capsys):
    """A run that was stopped goes on with its files; once it is done, nothing needs them."""
    flags = ["CartPole-v1", "--steps", "480", "--seeds", "2", "--path", "gymnasium"]
    returns = {}
    for kind, more in (("device", []), ("files", ["--replay-folder", "replay"])):
        folder = stopped(monkeypatch, *flags, *more, "--runs", kind, runs=kind)
        assert len(list(Path().glob("replay/*.npy"))) == (4 if more else 0)
        capsys.readouterr()
        assert main(["dqn", "--resume", str(folder), "--json"]) == 0
        returns[kind] = json.loads(capsys.readouterr().out.splitlines()[-1])["returns"]
        assert not list(Path().glob("replay/*.npy"))
    assert returns["files"] == returns["device"]
