"""What an agent refuses, and says so: environments, networks, settings and observations that do not fit."""

import sys

import gymnasium
import numpy as np
import pytest

import deltarule as dr
from deltarule.dqn import replay
from deltarule.dqn.exploration import AtLeast
from deltarule.dqn.fitting import fit
from dqn.games import OneState, OneStateOnHost
from dqn.small import RUN, small

DENSE = dr.Chain(dr.Dense(3), dr.ReLU())


class Odd(gymnasium.Env):
    """Spaces that an agent cannot use."""

    def __init__(self, observations=None, actions=None):
        self.observation_space = observations or gymnasium.spaces.Box(-1, 1, (3,))
        self.action_space = actions or gymnasium.spaces.Discrete(2)


def odd(**spaces):
    return lambda: Odd(**spaces)


BOX, BYTES = gymnasium.spaces.Box(-1, 1, (3,)), gymnasium.spaces.Box(0, 255, (6, 5), np.uint8)


@pytest.mark.parametrize(
    ("given", "settings", "words"),
    [
        (odd(actions=BOX), {}, r"has continuous actions, Box\(.*wrap the environment such that"),
        (odd(actions=gymnasium.spaces.MultiDiscrete([2, 3])), {}, "has MultiDiscrete actions"),
        (odd(actions=gymnasium.spaces.Discrete(2, start=1)), {}, "counts from 1, .* counts from 0"),
        ("Pendulum-v1", {"path": "gymnasium"}, "Pendulum-v1 has continuous actions"),
        (
            odd(observations=gymnasium.spaces.Dict(a=BOX)),
            {},
            "of the kind Dict; expected an array .*FlattenObserv",
        ),
        (odd(observations=gymnasium.spaces.Tuple([BOX])), {}, "of the kind Tuple"),
        (odd(observations=gymnasium.spaces.Box(-1, 1, ())), {}, "of the kind Box"),
        ("CartPole-v9", {}, "there is no environment 'CartPole-v9' here"),
        ("NoSuchGame", {}, "there is no environment 'NoSuchGame' here"),
        ("NoSuchGame", {"path": "compiled"}, "NoSuchGame is not written in JAX here.*Acrobot-v1, CartPole-v1"),
        ("CartPole-v1", {"path": "quick"}, "path must be auto, compiled or gymnasium, got 'quick'"),
        (7, {}, "expected the name of an environment, .* got int; write lambda: gymnasium.make"),
        (odd(), {"vector": "thread"}, "vector must be 'sync' or 'async', got 'thread'"),
        ("CartPole-v1", {"gama": 0.9}, "unknown setting gama; expected some of .*gamma"),
        ("CartPole-v1", {"net": dr.Dense(3)}, r"CartPole-v1 has 2 actions, .* must give \(1, 2\), got \(1, 3\)"),
        (
            "CartPole-v1",
            {"net": dr.Convolution(3, 2)},
            r"the network does not take what CartPole-v1 shows, \(4,\)",
        ),
        ("CartPole-v1", {"net": DENSE, "sequence": 3}, r"must give \(1, 1, 2\), got \(1, 1, 3\)"),
        ("CartPole-v1", {"sequence": 3, "hidden": ()}, "sequence needs a width in hidden at least"),
        (
            "CartPole-v1",
            {"net": dr.Chain(dr.Recurrent(dr.GRU(4)), dr.Dense(2)), "sequence": 3},
            r"sequence is for a network that carries .* this one does not; put .*carry=True\) into it",
        ),
        (
            "CartPole-v1",
            {"net": dr.Chain(dr.Recurrent(dr.GRU(4), carry=True), dr.BatchNorm(), dr.Dense(2)), "sequence": 3},
            r"has no batch to take statistics of; put LayerNorm\(\) where BatchNorm is",
        ),
        ("CartPole-v1", {"seed": -1}, r"seed must be a whole number from 0 to 2\^64 - 1, got -1"),
        ("CartPole-v1", {"seed": 0.5}, "seed must be a whole number"),
        ("CartPole-v1", {"gamma": 1.5}, "gamma must be from 0 to 1, got 1.5"),
        ("CartPole-v1", {"tau": float("nan")}, "tau must be from 0 to 1, got nan"),
        ("CartPole-v1", {"alpha": -0.1}, "alpha must be from 0 to 1, got -0.1"),
        ("CartPole-v1", {"beta": 2}, "beta must be from 0 to 1, got 2"),
        ("CartPole-v1", {"beta_steps": 0}, "beta_steps must be positive, got 0"),
        ("CartPole-v1", {"epsilon": -0.1}, "epsilon must be from 0 to 1, got -0.1"),
        ("CartPole-v1", {"batch_size": 0}, "batch_size must be a whole number of at least 1, got 0"),
        ("CartPole-v1", {"n_step": 1.5}, "n_step must be a whole number of at least 1, got 1.5"),
        ("CartPole-v1", {"warm_up": -1}, "warm_up must be a whole number of at least 0, got -1"),
        ("CartPole-v1", {"environments": 3, "every": 4}, r"every \(4\) must be a multiple of environments \(3\)"),
        ("CartPole-v1", {"eta": 1.1}, "eta must be from 0 to 1, got 1.1"),
        ("CartPole-v1", {"burn_in": 3}, "burn_in is for a recurrent network; say sequence, too"),
        ("CartPole-v1", {"capacity": 4, "n_step": 2, "every": 2}, "capacity 4 is too small; .* at least 5 steps"),
    ],
)
def test_what_cannot_be_is_refused(given, settings, words):
    with pytest.raises(dr.SettingError, match=words):
        dr.DQN(given, **{"hidden": (3,), "capacity": 1000, "every": 4} | settings)


@pytest.mark.parametrize(
    ("missing", "name", "words"),
    [
        ("gymnasium", "LunarLander-v3", r"which is not installed; pip install 'deltarule\[rl\]'"),
        ("Box2D", "LunarLander-v3", "LunarLander-v3 needs what is not installed: .*[Bb]ox2[Dd]"),
        ("ale_py", "ALE/Pong-v5", r"is an Atari game; pip install 'deltarule\[atari\]'"),
    ],
)
def test_what_is_not_installed_is_named(missing, name, words, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "gymnasium.envs.box2d", raising=False)
    monkeypatch.delitem(sys.modules, "gymnasium.envs.box2d.lunar_lander", raising=False)
    monkeypatch.delitem(sys.modules, "gymnasium.envs.box2d.bipedal_walker", raising=False)
    with pytest.raises(dr.SettingError, match=words):
        dr.DQN(name)


def test_without_gymnax_its_names_are_asked_of_gymnasium(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnax", None)
    with pytest.raises(dr.SettingError, match="there is no environment 'Catch-bsuite' here"):
        dr.DQN("Catch-bsuite")


def test_a_replay_larger_than_memory_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr(replay, "available_memory", lambda: 25_000)
    fits, is_larger = (dr.DQN("CartPole-v1", hidden=(3,), capacity=n, every=8) for n in (1000, 1001))
    assert fits.replay_bytes == 1000 * (4 * 4 + 9)
    fits.fit(8, episodes=1)
    with pytest.raises(
        dr.SettingError, match=r"replay memory takes 25\.2 kB, and 25 kB are free; choose a smaller"
    ):
        is_larger.fit(8, episodes=1)
    assert is_larger.agent is None
    monkeypatch.setattr(replay, "available_memory", lambda: None)
    is_larger.fit(8, episodes=1)


def test_replays_that_do_not_fit_beside_each_other_are_refused_before_any_is_made(monkeypatch):
    """Each takes 25 kB alone; a population is refused when it is made, and agents when they train together."""
    settings = {"hidden": (3,), "capacity": 1000, "every": 8}
    monkeypatch.setattr(replay, "available_memory", lambda: 60_000)
    assert len(dr.DQNPopulation("CartPole-v1", {"seed": range(2)}, **settings).agents) == 2
    with pytest.raises(dr.SettingError, match=r"replay memory takes 75 kB, and 60 kB are free"):
        dr.DQNPopulation("CartPole-v1", {"seed": range(3)}, **settings)
    with pytest.raises(dr.SettingError, match=r"replay memory takes 75 kB, and 60 kB are free"):
        fit([dr.DQN("CartPole-v1", seed=seed, **settings) for seed in range(3)], 8)


def test_an_agent_without_training_has_no_policy(tmp_path):
    agent = small()
    for use in (
        lambda: agent.evaluate(3),
        lambda: agent.act(np.zeros((1, 4))),
        lambda: agent.save(tmp_path / "a"),
    ):
        with pytest.raises(dr.SettingError, match="the agent has not been trained: call fit first, or load"):
            use()


def test_observations_of_another_shape_are_refused():
    agent = small(path="gymnasium")
    agent.fit(24, **RUN)
    for x in (np.zeros(4), np.zeros((3, 5)), np.zeros((2, 3, 4))):
        with pytest.raises(dr.ShapeError, match=r"expected observations \(n, ...\) of \(4,\) each, got "):
            agent.q_values(x)
    assert agent.q_values(np.zeros((3, 4))).shape == (3, 2)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("CartPole-v1", ("compiled", (4,), "float32", 2, 500, None)),
        (OneState(9), ("compiled", (1,), "int32", 2, 9, None)),
        (OneStateOnHost, ("gymnasium", (1,), "int32", 2, None, 1)),
        (lambda: gymnasium.make("MountainCar-v0"), ("gymnasium", (2,), "float32", 3, 200, None)),
        (odd(observations=gymnasium.spaces.MultiBinary(5)), ("gymnasium", (5,), "float32", 2, None, None)),
        (odd(observations=BYTES), ("gymnasium", (6, 5), "uint8", 2, None, None)),
        ("FrozenLake-v1", ("gymnasium", (1,), "int32", 4, 100, 16)),
    ],
)  # fmt: skip
def test_what_an_environment_shows_is_found_out(given, expected):
    table = dr.Chain(dr.Embedding(1, 2), dr.Flatten()) if isinstance(given, OneState) else None
    agent = dr.DQN(given, table, hidden=(3,), path="gymnasium" if given == "FrozenLake-v1" else "auto")
    game = agent.game
    assert (agent.path, game.observation, game.kind, game.actions, game.limit, game.values) == expected
    shape = (7, *game.observation)
    assert agent.net.shape(shape) == (7, game.actions)


def test_epsilon_has_a_floor():
    schedule = AtLeast(dr.InverseTimeDecay(10.0, 10.0), 0.25)
    np.testing.assert_allclose([float(schedule(k)) for k in (0, 10, 30, 300)], [1, 0.5, 0.25, 0.25])
    assert not schedule.robbins_monro().meets_both
    with pytest.raises(dr.SettingError, match="AtLeast: lowest must be a positive number, got 0"):
        AtLeast(dr.ConstantRate(1.0), 0)
