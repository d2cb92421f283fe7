"""`deltarule dqn` and `deltarule play`: agents, their run folder, and what is said where there can be none."""

import json
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

import deltarule as dr
from deltarule.cli.main import main
from deltarule.experiment import dqn
from experiment.games import QUICK, learned, register, rows

register()
CART = ("CartPole-v1", "--steps", "480", "--seeds", "3")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Every test has a folder of its own to work in."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a quick run of three agents."""
    folder = tmp_path_factory.mktemp("run")
    assert main(["dqn", *CART, *QUICK, "--runs", str(folder)]) == 0
    return folder / "CartPole-v1-1"


def refused(capsys, *arguments: str) -> str:
    """What is said where a command ends with status 2."""
    assert main([*arguments]) == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert "Traceback" not in printed.err
    return " ".join(printed.err.split("deltarule: ")[-1].split())


@pytest.mark.parametrize("path", ["compiled", "gymnasium"])
def test_the_last_line_is_the_summary(path, tmp_path, capsys):
    summary = learned(tmp_path, capsys, "CartPole-v1", "--steps", "320", "--seeds", "2", "--path", path)
    assert (summary["path"], summary["environment"]) == (path, "CartPole-v1")
    assert len(summary["returns"]) == summary["seeds"] == 2
    assert summary["mean"] == pytest.approx(np.mean(summary["returns"]))
    assert summary["interval"][0] <= summary["interquartile_mean"] <= summary["interval"][1]
    assert summary["returns"][summary["best_seed"]] == max(summary["returns"])
    made = summary["steps_per_second"] * summary["seconds"]
    assert 0.85 * 2 * 320 < made < 2 * 320  # but for the rows of last observations
    assert Path(summary["run"]) == tmp_path / "CartPole-v1-1"


def test_the_run_folder_holds_all_of_the_run(run):
    assert sorted(path.name for path in run.iterdir()) == [
        *("agent-0.safetensors", "agent-1.safetensors", "agent-2.safetensors", "agent.safetensors", "film.gif"),
        *("metrics.jsonl", "record.json", "report.html", "run.toml"),
    ]
    found = rows(run)
    assert [row["seed"] for row in found[:3]] == [0, 1, 2]
    assert {row["steps"] for row in found} == set(range(16, 481, 16))
    assert found[0]["epsilon"] == pytest.approx(1 - 0.96 * 16 / 8_000)
    assert {"return", "loss", "q", "evaluated", "promised", "promised_double", "came"} <= set(found[-1])
    record = json.loads((run / "record.json").read_text())
    assert [row["return"] for row in record["seeds"]] == record["summary"]["returns"]
    best = load_file(run / f"agent-{record['summary']['best_seed']}.safetensors")
    for name, array in load_file(run / "agent.safetensors").items():
        np.testing.assert_array_equal(array, best[name])
    assert dr.load_agent(run / "agent.safetensors").path == "compiled"


def test_a_person_gets_a_table_and_what_to_look_at(tmp_path, capsys):
    assert main(["dqn", *CART, *QUICK, "--runs", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.splitlines()[1:5]] == ["seed", "0", "1", "2"]
    assert "interquartile mean" in said
    assert "compiling and measuring included" in said
    assert f"{tmp_path}/CartPole-v1-1/report.html" in said


def test_settings_reach_the_agents(tmp_path, capsys):
    flags = ["--double", "--dueling", "--n-step", "3", "--prioritised", "--gamma", "0.9", "--target-every", "7"]
    flags += ["--environments", "4", "--capacity", "2000", "--epsilon-final", "0.2", "--epsilon-decay", "inverse"]
    summary = learned(tmp_path, capsys, "CartPole-v1", "--steps", "64", "--seed", "5", *flags)
    agent = dr.load_agent(Path(summary["run"]) / "agent-5.safetensors")
    rules = agent.rules
    assert (rules.double, rules.dueling, rules.n_step, rules.prioritised) == (True, True, 3, True)
    assert (rules.gamma, rules.target_every, rules.environments, rules.capacity) == (0.9, 7, 4, 2000)
    assert "InverseTimeDecay" in str(rules.epsilon)
    assert str(agent.net.layers[-1]) == "Dueling()"
    assert summary["interval"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "expected the name of an environment, such as CartPole-v1"),
        (["CartPole-v9"], "there is no environment 'CartPole-v9' here"),
        (["Continuous-v0"], "Continuous-v0 has continuous actions, Box(-1.0, 1.0, (1,), float32)"),
        (["Named-v0"], "Named-v0 gives observations of the kind Dict; expected an array"),
        (["Numbers-v0", "--path", "compiled"], "Numbers-v0 is not written in JAX here"),
        (["CartPole-v1", "--steps", "0"], "steps must be a whole number of at least 1, got 0"),
        (["CartPole-v1", "--seeds", "0"], "seeds must be a whole number of at least 1, got 0"),
        (["CartPole-v1", "--episodes", "0"], "episodes must be a whole number of at least 1, got 0"),
        (["CartPole-v1", "--gamma", "1.5"], "gamma must be from 0 to 1, got 1.5"),
        (["CartPole-v1", "--environments", "3"], "every (256) must be a multiple of environments (3)"),
        (["CartPole-v1", "--capacity", "1000000000000"], "choose a smaller capacity"),
        (["CartPole-v1", "--epsilon-final", "2"], "ε must fall from epsilon_start to epsilon_final"),
        (
            ["CartPole-v1", "--epsilon-final", "0", "--epsilon-decay", "inverse"],
            "an inverse decay never comes to 0",
        ),
        (
            ["--resume", "none"],
            "none: expected the folder of a run that deltarule dqn began, but there is no such",
        ),
        (["--resume", "."], ".: expected the folder of a run that deltarule dqn began, but it has no run.toml"),
        (["CartPole-v1", "--resume", "."], "--resume . goes on with its own settings; leave environment out"),
        (["--gamma", "0.9", "--resume", "."], "--resume . goes on with its own settings; leave gamma out"),
    ],
)
def test_what_cannot_be_is_said(arguments, words, capsys):
    assert words in refused(capsys, "dqn", *arguments)
    assert not list(Path().glob("runs/*"))


def test_gymnasium_that_is_not_installed_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    said = refused(capsys, "dqn", "CartPole-v1", "--path", "gymnasium")
    assert said == (
        "dqn: CartPole-v1 is one of Gymnasium's environments, which is not installed; pip install 'deltarule[rl]'"
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NaN-v0", "dqn: the environment NaN-v0 gave an observation that is NaN or infinite"),
        ("Raises-v0", "dqn: the environment Raises-v0 failed: RuntimeError: the robot fell over"),
    ],
)
@pytest.mark.parametrize("every", ["16", "4"])
def test_an_environment_that_fails_leaves_what_was_learned(name, words, every, capsys):
    settings = ["--hidden", "8", "--warm-up", "50", "--every", every, "--seeds", "2", "--evaluate-every", "64"]
    assert refused(capsys, "dqn", name, "--steps", "480", *settings).startswith(f"{words}. runs/")
    folder = Path("runs") / f"{name}-1"
    record = json.loads((folder / "record.json").read_text())
    assert record["error"] == words
    assert "the run broke off" in (folder / "report.html").read_text()
    agent = dr.load_agent(folder / "agent.safetensors")
    assert len(agent.history.rows) == len(rows(folder)) // 2 > 0
    assert np.isfinite(agent.q_values(np.zeros((1, 3)))).all()


def test_a_lost_loss_leaves_the_best_agents(capsys):
    said = refused(capsys, "dqn", *CART, *QUICK, "--learning-rate", "1e38", "--evaluate-every", "48")
    assert "the loss was lost before step" in said
    folder = Path("runs/CartPole-v1-1")
    assert "the loss was lost" in json.loads((folder / "record.json").read_text())["error"]
    assert np.isfinite(dr.load_agent(folder / "agent.safetensors").q_values(np.zeros((1, 4)))).all()


def stopped(monkeypatch, *arguments: str, number=signal.SIGINT, at=240, runs="runs") -> Path:
    """The folder of a run that a signal stopped after a step."""

    def writer(path, job):
        write = metrics_writer(path, job)

        def send(rows):
            write(rows)
            if rows[0]["steps"] == at:
                signal.raise_signal(number)

        return send

    metrics_writer = dqn.metrics_writer
    with monkeypatch.context() as patched:
        patched.setattr(dqn, "metrics_writer", writer)
        assert main(["dqn", *arguments, *QUICK]) == 128 + number
    return Path(runs) / "CartPole-v1-1"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_a_signal_stopped_goes_on_to_the_same_end(number, run, monkeypatch, capsys):
    folder = stopped(monkeypatch, *CART, number=number)
    said = " ".join(capsys.readouterr().err.split())
    assert f"{number.name} stopped the run; deltarule dqn --resume {folder} goes on with it" in said
    with (folder / "metrics.jsonl").open("a") as file:  # what a run that went on further left
        file.write('{"seed": 0, "steps": 256, "return": 1.0}\n{"seed": 1, "ste')
    assert main(["dqn", "--resume", str(folder), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["returns"] == json.loads((run / "record.json").read_text())["summary"]["returns"]
    assert rows(folder) == rows(run)
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in run.iterdir())
    for name in ("agent-0", "agent-1", "agent-2"):
        one, other = (load_file(each / f"{name}.safetensors") for each in (folder, run))
        for array in one:
            np.testing.assert_array_equal(one[array], other[array])


def test_the_checkpoint_of_another_environment_is_refused(monkeypatch, capsys):
    folder = stopped(monkeypatch, *CART)
    capsys.readouterr()
    settings = (folder / "run.toml").read_text()
    (folder / "run.toml").write_text(settings.replace("CartPole-v1", "MountainCar-v0"))
    said = refused(capsys, "dqn", "--resume", str(folder))
    assert "the checkpoint is of another run, which cannot go on from here" in said
    assert "MountainCar-v0" in said
    assert list((folder / "checkpoints").glob("*.safetensors"))


def test_a_finished_run_says_what_it_gave(run, capsys):
    before = {path: path.stat().st_mtime_ns for path in run.iterdir()}
    assert main(["dqn", "--resume", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((run / "record.json").read_text())["summary"]
    assert {path: path.stat().st_mtime_ns for path in run.iterdir()} == before


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ('environment = "CartPole-v1"\ngama = 0.9', "'gama' is no setting of deltarule dqn"),
        ('environment = "CartPole-v1"\ndouble = 1', "double = 1 does not fit; expected true or false"),
        ('environment = "CartPole-v1"\nsteps = "many"', "steps = 'many' does not fit; expected a whole number"),
        ("steps = 3", "the name of the environment is missing"),
        ("steps =", "run.toml cannot be read"),
    ],
)
def test_settings_of_a_run_that_were_altered_are_named(settings, words, capsys):
    Path("run.toml").write_text(settings)
    assert words in refused(capsys, "dqn", "--resume", ".")


def test_an_agent_plays(run, capsys):
    assert main(["play", str(run), "--episodes", "2"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in told[:2]] == ["episode 1", "episode 2"]
    assert main(["play", str(run / "agent-1.safetensors"), "--gif", "out.gif", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["returns"] == [float(length) for length in summary["lengths"]]
    assert len(summary["returns"]) == 3
    with Image.open("out.gif") as film:
        assert film.n_frames > 3
        assert film.size[0] == 320


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none"], "none: no such file"),
        (["."], ".: there is no agent.safetensors in it; name a folder that deltarule dqn made"),
        (["RUN", "--window"], "there is no display for a window here"),
        (["RUN", "--window", "--gif", "x.gif"], "a GIF and a window are two ways to draw"),
        (["RUN", "--episodes", "0"], "episodes must be a whole number of at least 1"),
        (["RUN", "--gif", "no/such/x.gif"], "x.gif cannot be written"),
    ],
)
def test_what_cannot_be_played_is_said(arguments, words, run, monkeypatch, capsys):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    assert words in refused(capsys, "play", *(str(run) if each == "RUN" else each for each in arguments))


def test_a_game_that_cannot_be_drawn_is_played_without(tmp_path, capsys):
    summary = learned(tmp_path, capsys, "Drawn-v0", "--steps", "64")
    assert summary["film"] is None
    assert (
        "There are no pictures: Gymnasium cannot draw Drawn-v0: pygame is not installed"
        in (Path(summary["run"]) / "report.html").read_text()
    )
    assert main(["play", summary["run"]]) == 0
    capsys.readouterr()
    assert "pygame is not installed" in refused(capsys, "play", summary["run"], "--gif", "out.gif")


def test_a_run_has_its_page_written_again(run, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "CartPole-v1-1")
    (tmp_path / "CartPole-v1-1" / "report.html").unlink()
    assert main(["report", str(tmp_path / "CartPole-v1-1")]) == 0
    assert (tmp_path / "CartPole-v1-1" / "report.html").read_bytes() == (run / "report.html").read_bytes()
