"""Both paths are one algorithm: on CartPole their learning curves agree within the noise over seeds."""

import numpy as np
import pytest

import deltarule as dr
from deltarule.dqn.fitting import fit

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
