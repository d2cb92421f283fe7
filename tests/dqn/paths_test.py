"""Both paths are one algorithm: on CartPole their learning curves agree within the noise over seeds."""

import multiprocessing
import subprocess
import sys

import numpy as np
import pytest

import deltarule as dr
from deltarule.dqn.fitting import evaluate, fit
from dqn.games import Counted, Failing

SEEDS, STEPS = 8, 6_000
RULES = {"hidden": (32,), "every": 16, "gradient_steps": 8, "learning_rate": 2e-3, "target_every": 256}
RULES |= {"epsilon": dr.LinearDecay(1.0, 3_000, 0.1)}


def curves(path):
    """(agents, rows) of return and Q, of agents of several seeds."""
    agents = [dr.DQN("CartPole-v1", seed=seed, path=path, **RULES) for seed in range(SEEDS)]
    fit(agents, STEPS, report_every=STEPS // 6, evaluate_every=STEPS, episodes=1, progress=False)
    return {name: np.array([agent.history[name] for agent in agents]) for name in ("return", "q")}


@pytest.fixture(scope="module")
def both():
    return curves("compiled"), curves("gymnasium")


@pytest.mark.parametrize("name", ["return", "q"])
def test_the_paths_learn_alike(both, name):
    compiled, gymnasium = (each[name][:, 1:-1].astype(float) for each in both)
    noise = np.sqrt((compiled.var(0, ddof=1) + gymnasium.var(0, ddof=1)) / SEEDS)
    apart = (compiled.mean(0) - gymnasium.mean(0)) / noise
    assert np.abs(apart).max() < 4, (compiled.mean(0), gymnasium.mean(0), noise)
    assert compiled.mean(0)[-1] > 2 * compiled.mean(0)[0]  # there is something to agree on


ASKED = """
import sys, jax
from deltarule.experiment.dqn_job import DqnJob, agents_of
agents_of(DqnJob("CartPole-v1", path=sys.argv[1]))
long = jax.jit(lambda x: jax.lax.fori_loop(0, 300, lambda i, c: c @ c / 200, x))
x = long(jax.numpy.ones((200, 200))).block_until_ready()
print(long(x).is_ready())
"""


@pytest.mark.parametrize(("path", "at_once"), [("gymnasium", "True"), ("compiled", "False")])
def test_around_gymnasium_jax_answers_at_once(path, at_once):
    """In a process of its own, since JAX has started in this one: an answer is there when the call comes back."""
    done = subprocess.run([sys.executable, "-c", ASKED, path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == at_once


SMALL = {"hidden": (3,), "capacity": 100, "warm_up": 8, "batch_size": 4, "every": 8, "gradient_steps": 1}
RUN = {"episodes": 3, "progress": False}


@pytest.fixture
def counted(monkeypatch):
    """How many were opened since it was asked last, of which none is open any more."""
    monkeypatch.setattr(Counted, "open", 0)
    monkeypatch.setattr(Counted, "opened", 0)

    def opened():
        assert Counted.open == 0
        count, Counted.opened = Counted.opened, 0
        return count

    return opened


def test_every_environment_that_is_opened_is_closed(counted):
    """To be seen one for each agent; to be played in as many as are asked for; to measure one for each episode."""
    agents = [dr.DQN(Counted, seed=seed, environments=4, **SMALL) for seed in range(2)]
    assert counted() == 2
    for _ in range(2):
        fit(agents, 16, **RUN)
        assert counted() == 2 * 4 + 3
    evaluate(agents, 5)
    assert counted() == 5


def test_environments_are_closed_where_one_cannot_be_opened(counted):
    def make():
        if Counted.opened == 6:
            raise MemoryError("no room for a seventh")
        return Counted()

    agents = [dr.DQN(make, seed=seed, environments=1, **SMALL) for seed in range(5)]
    assert counted() == 5
    Counted.opened = 4
    with pytest.raises(MemoryError, match="a seventh"):
        fit(agents, 16, **RUN)
    assert counted() == 6


def test_no_process_is_left():
    def make():
        return Failing(10**9, "")

    settings = {"path": "gymnasium", "environments": 2, "vector": "async", **SMALL}
    agents = [dr.DQN(make, seed=seed, **settings) for seed in range(2)]
    assert not multiprocessing.active_children()
    fit(agents, 16, **RUN)
    assert not multiprocessing.active_children()
