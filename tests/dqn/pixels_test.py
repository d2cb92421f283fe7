"""Pictures: the published network, their stacking on both sides, and the Atari games as published."""

from functools import partial

import gymnasium
import jax
import numpy as np
import pytest

from deltarule import networks
from deltarule.dqn.agent import DQN
from deltarule.dqn.draws import of_learning
from deltarule.dqn.environments.opening import Named
from deltarule.dqn.replay import LAST, RUNS, TRUNCATED, empty_rows
from deltarule.dqn.study import study
from deltarule.dqn.tuned import network_for, tuned
from deltarule.errors import SettingError
from deltarule.layers import Chain, Dense, Dueling, Flatten
from deltarule.training.epoch import compiler_options

SMALL = {"capacity": 128, "warm_up": 16, "every": 4, "batch_size": 8, "target_every": 16, "stack": 4}
QUIET = {"progress": False, "keep": "last", "episodes": 1, "evaluate_every": 1_000_000}


class Squares(gymnasium.Env):
    """Pictures all of one grey, the number of the step in them; an episode has 5, 6, 7, 5, ... steps."""

    def __init__(self, size=(84, 84, 1)):
        self.observation_space = gymnasium.spaces.Box(0, 255, size, np.uint8)
        self.action_space = gymnasium.spaces.Discrete(3)
        self.episode = self.number = 0

    def picture(self):
        self.number += 1
        return np.full(self.observation_space.shape, self.number % 251, np.uint8)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode, self.left = self.episode + 1, 5 + self.episode % 3
        return self.picture(), {}

    def step(self, action):
        self.left -= 1
        return self.picture(), float(action == 1), self.left == 0 and self.episode % 2 == 0, self.left == 0, {}


def test_the_network_is_the_published_one():
    net = networks.nature(6)
    assert net.shape((32, 84, 84, 4)) == (32, 6)
    assert net.layers[4].shape((1, 9, 9, 64)) == (1, 7, 7, 64)
    weights = 8 * 8 * 4 * 32 + 4 * 4 * 32 * 64 + 3 * 3 * 64 * 64 + 7 * 7 * 64 * 512 + 512 * 6
    assert net.cost((1, 84, 84, 4)).parameters == weights + 32 + 64 + 64 + 512 + 6


def test_pictures_are_seen_by_convolutions():
    agent = DQN(Squares, **SMALL)
    assert agent.net == networks.nature(3, (256, 256))
    assert network_for(agent.game, (512,), True) == Chain(*networks.nature(4, (512,)).layers, Dueling())
    small = network_for(agent.game._replace(observation=(8, 8, 1)), (16,), False)
    assert isinstance(small, Chain)
    assert isinstance(small.layers[0], Flatten)


@pytest.mark.parametrize("environments", [1, 2])
def test_acting_and_replay_see_the_last_pictures_side_by_side(environments):
    """What the agent acts on, and what it learns from, are the last four pictures that a plain loop remembers."""
    rules = SMALL | {"every": 4 * environments, "environments": environments, "warm_up": 10_000}
    agent = DQN(lambda: Squares((4, 3, 1)), Chain(Flatten(), Dense(3)), epsilon=0.0001, **rules)
    path = agent.new_path(1)
    path.begin([agent.fresh()])
    (loop,), acted = path.loops, []
    act, learn = loop.act, loop.learn

    def watched(arrays, seen, *rest):
        acted.append(np.asarray(seen))
        return act(arrays, seen, *rest)

    def learned(packed, rows, drawn, asked):
        acted.append(np.asarray(asked[0]))
        return learn(packed, rows, drawn, asked)

    loop.act, loop.learn = watched, learned
    path.blocks(11)
    path.close()
    rows = jax.device_get(path.agents[0].replay.rows)
    assert rows.x.dtype == np.uint8
    assert len(acted) == 44 + 1  # what is seen after the last block, too
    for e in range(environments):
        last = []
        for t, seen in enumerate(acted[:-1]):
            x = rows.x[t, e]
            last = [x] * 4 if t == 0 or rows.ends[t - 1, e] == LAST else [*last[1:], x]
            np.testing.assert_array_equal(seen[e], np.concatenate(last, -1))
            assert (x == x.flat[0]).all()
            if t:
                assert int(x.flat[0]) == int(rows.x[t - 1, e].flat[0]) + 1


def test_a_larger_ring_is_not_copied():
    """The compiled program writes into the ring that it is given, and needs no more room for a larger one."""
    taken = []
    for capacity in (128, 1024):
        agent = DQN(Squares, Chain(Flatten(), Dense(3)), **SMALL | {"capacity": capacity})
        step, rules, fresh = agent.step.structure(), agent.rules.structure(), agent.fresh()
        learn = jax.jit(partial(study, step, rules), donate_argnums=0, compiler_options=compiler_options())
        rows = empty_rows(rules.rows, 1, agent.game.observation, agent.game.kind)
        used = learn.lower(fresh, rows, of_learning(rules, fresh.state, fresh.steps)).compile().memory_analysis()
        assert used.alias_size_in_bytes > agent.replay_bytes
        taken.append(used.temp_size_in_bytes)
    assert taken[0] == taken[1]


def test_an_agent_learns_from_pictures():
    net = Chain(Flatten(), Dense(3))
    agent = DQN(lambda: Squares((4, 3, 1)), net, learning_rate=3e-3, gamma=0.0, seed=2, **SMALL)
    history = agent.fit(600, **QUIET)
    assert history.rows[-1]["loss"] < history.rows[2]["loss"]
    assert history.rows[-1]["evaluated"] >= 5


def test_a_second_fit_goes_on_in_new_episodes():
    """Gymnasium's episodes are not those of the first fit, and the ring says so where they meet."""
    agent = DQN(lambda: Squares((4, 3, 1)), Chain(Flatten(), Dense(3)), **SMALL)
    agent.fit(52, **QUIET)
    before = np.asarray(agent.agent.replay.rows.ends)
    agent.fit(8, **QUIET)
    after = np.asarray(agent.agent.replay.rows.ends)
    assert before[50:52, 0].tolist() == [RUNS, RUNS]
    assert after[50:52, 0].tolist() == [TRUNCATED, LAST]
    np.testing.assert_array_equal(before[:50], after[:50])


def test_two_functions_for_one_name_are_equal():
    """Agents of one environment can train together."""
    assert Named("CartPole-v1") == Named("CartPole-v1") != Named("Acrobot-v1")


@pytest.fixture
def atari():
    """The Atari games, or the test is skipped."""
    pytest.importorskip("ale_py")
    pytest.importorskip("cv2")
    from deltarule.dqn.environments.atari import Atari

    return Atari


def played(game, steps, seed=1):
    """(steps, rewards, ended) of random actions; ended games begin anew."""
    rng = np.random.default_rng(seed)
    game.reset(seed=seed)
    told = []
    for _ in range(steps):
        x, reward, terminal, truncated, info = game.step(int(rng.integers(game.action_space.n)))
        told.append((reward, terminal, truncated, info["lives"]))
        if terminal or truncated:
            first, _ = game.reset()
            same = np.array_equal(first, x)
            told[-1] = (*told[-1], same)
    game.close()
    return told


def test_lives_end_episodes_in_training_and_games_when_measured(atari):
    trained = played(atari("ALE/Breakout-v5")(), 700)
    ends = [told for told in trained if told[1]]
    assert {told[3] for told in ends} >= {0, 1, 2, 3, 4}
    assert all(told[4] == (told[3] > 0) for told in ends)  # the game goes on where a life was lost
    measured = played(atari("ALE/Breakout-v5").measured(), 700)
    assert {told[3] for told in measured if told[1]} == {0}


def test_rewards_are_signs_in_training_alone(atari):
    name = "ALE/MsPacman-v5"
    assert {told[0] for told in played(atari(name)(), 120)} <= {-1.0, 0.0, 1.0}
    assert max(told[0] for told in played(atari(name).measured(), 120)) >= 10


def test_games_begin_at_random_and_have_no_sticky_actions(atari):
    games = [atari("ALE/Pong-v5")() for _ in range(4)]
    first = [game.reset(seed=seed) for game, seed in zip(games, (0, 1, 2, 0), strict=True)]
    assert (first[0][0].shape, first[0][0].dtype) == ((84, 84, 1), np.uint8)
    waited = [info["episode_frame_number"] for _, info in first]
    assert waited[0] == waited[3]
    assert len(set(waited)) == 3
    assert games[0].unwrapped.spec.kwargs["repeat_action_probability"] == 0
    assert tuned("ALE/Pong-v5")["stack"] == 4


def test_an_agent_plays_pong(atari):
    agent = DQN("ALE/Pong-v5", capacity=100, warm_up=40, batch_size=8, seed=1)
    assert agent.net == networks.nature(6)
    assert agent.replay_bytes == 100 * (84 * 84 + 9)
    history = agent.fit(48, report_every=24, progress=False, episodes=1, callbacks=[lambda rows: True])
    assert history.rows[0]["steps"] == 24
    assert agent.q_values(np.zeros((2, 84, 84, 4), np.uint8)).shape == (2, 6)


def test_a_run_of_pong_goes_on_with_its_pictures(atari, tmp_path):
    """The ring keeps what was seen before the run was stopped; the game that went on then is cut off in it."""

    def run(stop, resume):
        agent = DQN("ALE/Pong-v5", hidden=(16,), capacity=100, warm_up=40, batch_size=8, seed=1)
        callbacks = [lambda rows: rows[0]["steps"] == stop]
        agent.fit(96, report_every=24, checkpoint=tmp_path, resume=resume, callbacks=callbacks, **QUIET)
        return agent

    first, then = run(48, False), run(72, True)
    assert then.history["steps"] == [24, 48, 72]
    assert then.history["loss"][:2] == first.history["loss"]
    before, after = first.agent.replay, then.agent.replay
    assert (int(before.filled), int(after.filled), int(then.agent.steps)) == (48, 72, 72)
    np.testing.assert_array_equal(after.rows.x[:48], before.rows.x[:48])
    assert before.rows.ends[46:48, 0].tolist() == [RUNS, RUNS]
    assert after.rows.ends[46:48, 0].tolist() == [TRUNCATED, LAST]
    assert after.rows.x[48:72].std(0).any()  # the game goes on to be played
    assert int(then.agent.state.step) == (72 - 40) // 4 + 1


def test_an_unknown_game_is_named(atari):
    with pytest.raises(SettingError, match="no Atari game 'ALE/Nothing-v5'"):
        DQN("ALE/Nothing-v5")
