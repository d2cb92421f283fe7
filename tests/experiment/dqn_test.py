"""What a run of agents leaves: its page, its film, its figures; and its settings in words."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from browser import laid_out
from deltarule.dqn.agent import DQN
from deltarule.dqn.environments.environment import Environment
from deltarule.dqn.film import WIDTH, Film, filmed, strip
from deltarule.errors import SettingError
from deltarule.experiment.dqn import train
from deltarule.experiment.dqn_job import DqnJob, agents_of, exploration, job_of
from deltarule.experiment.report import report_of
from deltarule.experiment.report.dqn_figures import mean_line
from deltarule.job import write_settings
from experiment.games import register
from outline import outline

register()
QUICK = {"hidden": (8,), "warm_up": 100, "every": 16, "gradient_steps": 2, "episodes": 10}


@pytest.fixture(scope="module")
def cart(tmp_path_factory):
    """Three agents in the compiled loop."""
    folder = tmp_path_factory.mktemp("cart")
    return train(DqnJob("CartPole-v1", steps=480, seeds=3, runs=str(folder), **QUICK))


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    """One agent at a game of Gymnasium's that cannot be drawn, learning by Double's targets."""
    folder = tmp_path_factory.mktemp("numbers")
    return train(DqnJob("Numbers-v0", steps=160, double=True, runs=str(folder), **QUICK))


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """The folder of a run whose environment failed."""
    folder = tmp_path_factory.mktemp("broken")
    with pytest.raises(ValueError, match="keeps what was learned"):
        train(DqnJob("NaN-v0", steps=480, evaluate_every=64, runs=str(folder), **QUICK))
    return folder / "NaN-v0-1"


def test_a_page_is_whole_and_tells_all(cart):
    written = (cart.folder / "report.html").read_bytes()
    found = outline(written)
    found.assert_self_contained()
    parts = [given["id"] for name, given in found.elements if name == "section"]
    assert parts == ["result", "learning", "values", "film", "network", "settings", "environment"]
    labels = [given["aria-label"].split(" from ")[0] for name, given in found.elements if name == "svg"]
    assert labels[:4] == [
        f"Curve of the {each} over the steps,"
        for each in ("return while exploring", "return of the greedy policy", "loss", "ε")
    ]
    assert labels[4].startswith("Curves of the promised values and of the returns that came")
    words = ["3 agents learned CartPole-v1 by deep Q-learning in 480 steps each", "interquartile mean", "compiled"]
    words += ["learned with the maximum as target", "Episodes are cut off after 500 steps", "Dense(8)", "Huber("]
    words += [f"{value:.4g}" for value in cart.summary["returns"]]
    assert [each for each in words if each not in found.text] == []
    assert len(written) < 500_000
    assert report_of([str(cart.folder)])[0] == written


def test_a_page_says_why_it_has_no_pictures(numbers):
    found = outline((numbers.folder / "report.html").read_bytes())
    found.assert_self_contained()
    assert "There are no pictures: Numbers-v0 has no drawing of the kind 'rgb_array'." in found.text
    assert "learned with Double's targets" in found.text
    assert "Its greedy policy has a mean return of" in found.text
    assert "Episodes are cut off" not in found.text
    assert numbers.summary["film"] is None
    assert not (numbers.folder / "film.gif").exists()


def test_the_page_of_a_run_that_broke_off_says_so(broken):
    found = outline((broken / "report.html").read_bytes())
    found.assert_self_contained()
    assert (
        "1 agent learned NaN-v0 by deep Q-learning, and the run broke off: dqn: the environment NaN-v0 gave"
        in (found.text)
    )
    assert "What each agent had measured best before the run broke off" in found.text


def test_the_page_shows_pictures_of_the_film(cart):
    film = (cart.folder / "film.gif").read_bytes()
    page = outline((cart.folder / "report.html").read_bytes())
    shown = [given["src"].partition(",")[2] for name, given in page.elements if name == "img"]
    assert [base64.b64decode(each) for each in shown] == [picture for _, picture in strip(film, 12)]
    assert 2 < len(shown) <= 12


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_lays_the_pages_out(scheme, cart, numbers, broken, tmp_path):
    pages = [(folder / "report.html").read_bytes() for folder in (cart.folder, numbers.folder, broken)]
    for told in laid_out(pages, tmp_path, scheme):
        assert (told["overflow"], told["over"], told["pictures"]) == (0, [], 0)


def test_a_mean_goes_on_where_an_agent_has_no_figure():
    one = [{"steps": 1, "return": 2.0}, {"steps": 2, "return": None}, {"steps": 3, "return": 4.0}]
    other = [{"steps": 1, "return": 4.0}, {"steps": 2, "return": 1.0}, {"steps": 3, "return": None}]
    assert mean_line([one, other], "return") == ([1, 2, 3], [3.0, 1.0, 4.0])


def test_the_speed_is_that_of_the_environments(cart):
    summary = cart.summary
    rows = [json.loads(line) for line in (cart.folder / "metrics.jsonl").read_text().splitlines()]
    assert summary["seconds"] == pytest.approx(rows[-1]["seconds"], abs=1e-3)
    ended = sum(row["episodes"] for row in rows)
    made = round(summary["steps_per_second"] * rows[-1]["seconds"])
    assert (
        3 * 480 - ended <= made <= 3 * 480 - ended + 3
    )  # each episode has a row without a step, but for the last
    assert summary["steps_per_second_training"] > summary["steps_per_second"]


def test_a_film_is_as_long_as_its_episode_and_small():
    agent = DQN("Painted-v0", hidden=(4,))
    agent.fit(16, report_every=16, episodes=1)
    played, film = filmed(agent, 2)
    assert played.length.tolist() == [20, 20]
    assert (film.rate, film.note) == (25, None)
    assert [frame.shape for frame in film.frames] == [(15, WIDTH, 3)] * len(film.frames)
    levels = [int(frame[0, 0, 0]) for frame in film.frames]
    assert levels == 2 * [*range(1, 20, 2), 20]  # each second picture, and the last of an episode
    assert [seconds for seconds, _ in strip(film.gif(), 3)] == pytest.approx([0, 0.4, 0.84])


def test_a_film_ends_where_it_is_full(monkeypatch):
    monkeypatch.setattr("deltarule.dqn.film.MOST", 5)
    agent = DQN("Painted-v0", hidden=(4,))
    agent.fit(16, report_every=16, episodes=1)
    played, film = filmed(agent)
    assert played is None
    assert len(film.frames) == 5


def test_a_film_of_one_picture_is_a_gif():
    film = Film([np.zeros((4, 6, 3), np.uint8)])
    assert len(strip(film.gif(), 12)) == 1


@dataclass(frozen=True)
class Coin(Environment):
    """A game in JAX that Gymnasium does not know."""

    name = "Coin-v0"
    observation, actions, limit = (2,), 2, 5

    def reset(self, key):
        return jnp.zeros(2)

    def observe(self, world):
        return world

    def step(self, world, action, key):
        return world, jnp.float32(action), False


@dataclass(frozen=True)
class OtherCart(Coin):
    """A game in JAX with the name of another one."""

    name = "CartPole-v1"


@pytest.mark.parametrize(
    ("game", "words"),
    [
        (Coin(), "there is no environment 'Coin-v0' here"),
        (OtherCart(), "Gymnasium's CartPole-v1 is another game than the one that was learned"),
        ("Drawn-v0", "Gymnasium cannot draw Drawn-v0: pygame is not installed"),
    ],
)
def test_a_note_says_why_there_is_no_film(game, words):
    agent = DQN(game, hidden=(4,))
    agent.fit(16, report_every=16, episodes=1)
    played, film = filmed(agent)
    assert played is None
    assert film.frames == []
    assert words in film.note


@pytest.mark.parametrize("decay", ["linear", "exponential", "inverse"])
def test_exploration_goes_from_its_start_to_its_end_in_so_many_steps(decay):
    job = DqnJob("CartPole-v1", epsilon_start=0.8, epsilon_final=0.1, epsilon_steps=1000, epsilon_decay=decay)
    schedule = exploration(job)
    at = [float(schedule(k)) for k in (0, 500, 1000, 5000)]
    assert at[::3] == pytest.approx([0.8, 0.1])
    assert at[2] == pytest.approx(0.1, rel=1e-3)
    assert at[1] == pytest.approx(
        {"linear": 0.45, "exponential": 0.08**0.5, "inverse": 0.8 / 4.5}[decay], rel=1e-3
    )


def test_exploration_that_is_not_said_is_what_is_known():
    assert exploration(DqnJob("CartPole-v1")) is None
    said = DqnJob("CartPole-v1", epsilon_start=1.0, epsilon_final=0.2, epsilon_steps=8000)
    assert exploration(DqnJob("CartPole-v1", epsilon_final=0.2)) == exploration(said)
    assert exploration(DqnJob("CartPole-v1", epsilon_start=0.1, epsilon_final=0.1)) == 0.1


def test_settings_that_are_not_said_are_what_is_known():
    known, other = (agents_of(DqnJob("CartPole-v1", hidden=(4,), **more))[0] for more in ({}, {"every": 8}))
    assert (known.rules.every, known.rules.gradient_steps) == (256, 128)
    assert (other.rules.every, other.rules.gradient_steps) == (8, 128)
    assert agents_of(DqnJob("CartPole-v1", hidden=(4,), warm_up=0))[0].rules.warm_up == 0


def test_a_job_comes_back_from_its_file(tmp_path):
    job = DqnJob("CartPole-v1", seeds=2, hidden=(8, 4), dueling=True, gamma=1.0, runs=str(tmp_path))
    write_settings(tmp_path / "run.toml", vars(job))
    assert job_of(str(tmp_path)) == job


def test_a_refused_job_leaves_no_folder(tmp_path):
    with pytest.raises(SettingError, match="n_step"):
        train(DqnJob("CartPole-v1", n_step=0, runs=str(tmp_path)))
    assert not list(Path(tmp_path).iterdir())
