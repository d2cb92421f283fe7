"""Runs: the same seed gives the same bits, a second call goes on, and what is kept is the best, or the last."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.dqn.environments.environment import Environment
from deltarule.dqn.fitting import fit
from deltarule.dqn.host_loop import HostLoop
from deltarule.dqn.run import Standing, keep_best
from deltarule.errors import DataError, DivergedError, FileError
from dqn.games import Failing
from dqn.small import RUN, equal, small

PATHS = pytest.mark.parametrize("path", ["compiled", "gymnasium"])


@PATHS
def test_the_same_seed_gives_the_same_bits_and_another_gives_others(path):
    first, again, other = (small(path=path, seed=seed) for seed in (3, 3, 4))
    for agent in (first, again, other):
        agent.fit(288, **RUN)
    equal(again, first)
    assert first.history["return"] != other.history["return"]
    assert int(first.agent.steps) == 288
    assert first.history["loss"][0] is not None
    evaluated, more = first.evaluate(3, seed=5), again.evaluate(3, seed=5)
    jax.tree.map(np.testing.assert_array_equal, evaluated, more)


@PATHS
def test_the_figures_are_sums_over_what_the_replay_holds(path):
    """The ring is larger than the run, so that all of it can be counted again."""
    agent = small(path=path)
    agent.fit(192, **RUN)
    rows = agent.agent.replay.rows
    ends, reward = rows.ends[:96], rows.reward[:96]
    over = (ends == 1) | (ends == 2)
    history = agent.history
    assert sum(history["episodes"]) == over.sum()
    np.testing.assert_array_equal(ends[1:] == 3, over[:-1])
    starts = np.concatenate([np.zeros((1, 2), int), np.cumsum(over, 0)])[:-1]
    length = [(starts[:, e] == k).sum() - (k > 0) for e in (0, 1) for k in range(over[:, e].sum())]
    told = [(row["episodes"], row["length"], row["return"]) for row in history.rows if row["episodes"]]
    assert sum(n * each for n, each, _ in told) == pytest.approx(sum(length))
    assert sum(n * each for n, _, each in told) == pytest.approx(sum(length))  # each step gives 1
    assert (reward == (ends != 3)).all()


@PATHS
def test_a_second_fit_goes_on(path):
    agent = small(path=path)
    for steps in (96, 192):
        agent.fit(96, **RUN)
        assert int(agent.agent.steps) == steps
        assert agent.history["epsilon"][-1] == pytest.approx(0.99**steps, rel=1e-4)
    assert int(agent.agent.state.step) == 2 * ((192 - 24) // 12 + 1)
    assert int(agent.agent.replay.filled) == 96


def test_a_second_fit_with_gymnasium_makes_no_step_between_two_episodes():
    agent = small("MountainCar-v0", path="gymnasium", prioritised=False)
    for _ in range(2):
        agent.fit(96, **RUN)
    rows = agent.agent.replay.rows
    runs = rows.ends[:95] == 0
    moved = np.abs(rows.x[1:96, :, 0] - rows.x[:95, :, 0])[runs]
    assert moved.max() <= 0.07  # the car's greatest speed
    np.testing.assert_array_equal(rows.ends[46:48], [[2, 2], [3, 3]])


def test_the_best_that_was_measured_is_kept_or_the_last():
    for keep in ("best", "last"):
        agent = small()
        agent.fit(288, **RUN, keep=keep)
        measured = [(row["evaluated"], row["steps"]) for row in agent.history.rows if "evaluated" in row]
        assert len(measured) == 4
        assert agent.best[:2] == (max(measured) if keep == "best" else measured[-1])
    jax.tree.map(np.testing.assert_array_equal, agent.best[2][0], agent.agent.state.params)


def test_a_callback_stops_the_run_and_a_later_one_still_keeps_the_best():
    agent = small()
    agent.fit(288, **RUN, callbacks=[lambda rows: rows[0]["steps"] == 48])
    assert agent.history["steps"] == [24, 48]
    before = agent.act(np.zeros((1, 4)))
    assert before.shape == (1,)
    agent.fit(144, **RUN)
    assert agent.best[0] == max(row["evaluated"] for row in agent.history.rows if "evaluated" in row)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("raises", "the environment Fails failed: ZeroDivisionError: the cart left the track"),
        ("observes NaN", "the environment Fails gave an observation that is NaN or infinite"),
        ("rewards NaN", r"the environment Fails gave a reward that is not finite, \[.*nan"),
    ],
)
@pytest.mark.parametrize("environments", [1, 2])
def test_what_was_learned_is_kept_where_an_environment_fails(how, words, environments):
    def Fails():
        return Failing(100, how)

    agent = small(Fails, environments=environments)
    with pytest.raises(DataError, match=words):
        agent.fit(2400, report_every=48, evaluate_every=2400, episodes=1)
    blocks = 113 * environments // 12  # rows: 99 steps, and 14 last observations
    assert int(agent.agent.steps) == 12 * blocks
    assert len(agent.history.rows) == blocks // 4
    assert int(agent.agent.state.step) == 2 * (blocks - 1)
    assert np.isfinite(agent.q_values(np.zeros((1, 3)))).all()


def test_a_lost_loss_ends_the_run_and_the_best_is_kept():
    agent = small()
    agent.fit(72, **RUN)
    best, state = agent.best, agent.agent.state
    numbers = state.numbers | {"learning_rate": {"rate": np.float32(1e30)}}
    agent.agent = agent.agent._replace(state=state._replace(numbers=numbers))
    with pytest.raises(
        DivergedError, match=r"the loss was lost before step .*smaller learning rate, clip_norm=10"
    ):
        agent.fit(72, **RUN)
    assert not np.isfinite(agent.agent.state.params[0]["W"]).all()
    assert agent.best == best
    assert np.isfinite(agent.q_values(np.zeros((1, 4)))).all()


def test_a_measurement_plays_whole_episodes_and_sums_them():
    agent = small(path="gymnasium", gamma=0.9)
    agent.fit(96, **RUN)
    for played in (agent.evaluate(5), fit_in_jax(agent).evaluate(5)):
        np.testing.assert_array_equal(played.gained, played.length)
        np.testing.assert_allclose(played.discounted, (1 - 0.9**played.length) / 0.1, rtol=1e-4)
        assert (played.double <= played.promised + 1e-6).all()


def fit_in_jax(agent):
    """The same policy, playing the game that is written in JAX."""
    ours = small(gamma=0.9)
    ours.agent, ours.best = agent.agent, agent.best
    ours.agent = ours.fresh()._replace(state=agent.agent.state)
    return ours


def test_standing_tells_the_steps_that_were_made_without_the_rows_of_last_observations():
    agent = small()
    at = fit([agent], 288, **RUN)
    ends = agent.agent.replay.rows.ends
    assert at.moves < 288
    assert 288 - at.moves >= (ends == 3).sum()


def losing(monkeypatch, after):
    """Has learning fail after so many steps, so that the arrays that were given away to the program are lost."""
    block = HostLoop.block

    def fail(loop):
        if loop.steps < after:
            return block(loop)
        jax.tree.map(lambda a: a.delete(), loop.packed.acting)
        raise MemoryError("no room")

    monkeypatch.setattr(HostLoop, "block", fail)


def test_what_fails_while_it_learns_is_told_as_it_is(monkeypatch):
    """Nothing was measured, so that there is nothing to keep but what happened."""
    losing(monkeypatch, 48)
    agent = small(path="gymnasium")
    with pytest.raises(MemoryError, match="no room"):
        agent.fit(96, **RUN)
    assert agent.agent is None
    assert agent.history["steps"] == [24, 48]
    assert agent.history.ended == "MemoryError: no room"


def test_where_an_agent_is_lost_its_best_and_its_history_are_kept(monkeypatch, tmp_path):
    losing(monkeypatch, 168)
    agent = small(path="gymnasium")
    with pytest.raises(MemoryError, match="no room"):
        agent.fit(288, **RUN)
    assert agent.history["steps"] == list(range(24, 169, 24))
    measured = [(row["evaluated"], row["steps"]) for row in agent.history.rows if "evaluated" in row]
    assert agent.best[:2] == max(measured)
    assert int(agent.agent.steps) == agent.best[1]
    agent.save(tmp_path / "cart.safetensors")
    assert np.isfinite(agent.evaluate(2).gained).all()
    monkeypatch.undo()
    agent.fit(96, **RUN)
    assert int(agent.agent.replay.filled) == 48


def test_a_run_that_does_not_begin_leaves_the_agent_its_replay(tmp_path):
    agent = small()
    agent.fit(96, **RUN, checkpoint=tmp_path)
    with pytest.raises(FileError, match="holds the checkpoints of a run"):
        agent.fit(96, **RUN, checkpoint=tmp_path)
    assert int(agent.agent.replay.filled) == 48


@dataclass(frozen=True)
class Broken(Environment):
    """Three numbers in episodes of seven steps; what the fifth gives is not finite."""

    how: str = "nothing"

    name = "Broken"
    observation, actions = (3,), 2

    def reset(self, key):
        return jnp.int32(0)

    def observe(self, world):
        wrong = jnp.nan if self.how == "observation" else 0.0
        return jnp.array([0.1, 0.2, 0.3]) * world + jnp.where(world == 5, wrong, 0.0)

    def step(self, world, action, key):
        wrong = {"NaN": jnp.nan, "infinite": jnp.inf}.get(self.how, 1.0)
        return world + 1, jnp.where(world == 4, wrong, 1.0), world == 6


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("NaN", r"the environment Broken gave a reward that is not finite, \[nan\]"),
        ("infinite", r"the environment Broken gave a reward that is not finite, \[inf\]"),
        ("observation", "the environment Broken gave an observation that is NaN or infinite"),
    ],
)
def test_a_compiled_environment_that_gives_what_is_not_finite_is_named(how, words, tmp_path):
    """And not the learning rate. The agent has learned from it, so that no checkpoint is written."""
    agents = [small(Broken(how), seed=seed, prioritised=False) for seed in (0, 1)]
    with pytest.raises(DataError, match=words):
        fit(agents, 2400, report_every=24, evaluate_every=2400, checkpoint=tmp_path)
    assert agents[0].history.ended.startswith("DataError: dqn: the environment Broken")
    assert not list(tmp_path.glob("checkpoint-*"))


def test_a_measurement_that_is_not_finite_is_the_environments():
    """Nothing was learned yet."""
    agent = small(Broken("NaN"), warm_up=1000)
    words = r"Broken gave a reward that is not finite: episodes of the greedy policy came to \[nan\]"
    with pytest.raises(DataError, match=words):
        agent.fit(96, report_every=24, evaluate_every=24)
    with pytest.raises(DataError, match=words):
        agent.evaluate(3)


@pytest.mark.parametrize(
    ("before", "measured", "after"),
    [(3.0, np.nan, 3.0), (np.nan, 2.0, 2.0), (3.0, 2.0, 3.0), (3.0, 4.0, 4.0), (None, np.nan, np.nan)],
)
def test_what_is_not_a_number_is_not_better(before, measured, after):
    class Params:
        def params(self):
            return ["new"]

    at = Standing([[]], [None if before is None else (before, 24, "old")])
    keep_best(Params(), at, [{"evaluated": measured, "steps": 48}], "best")
    np.testing.assert_equal(at.best[0][0], after)


def test_of_equal_measurements_the_later_is_kept():
    class Params:
        def params(self):
            return ["new"]

    at = Standing([[]], [(3.0, 24, "old")])
    keep_best(Params(), at, [{"evaluated": 3.0, "steps": 48}], "best")
    assert at.best == [(3.0, 48, "new")]
