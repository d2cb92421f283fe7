"""Recurrent learning: sequences as they were lived, targets by a plain loop, a burn-in that is a constant."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deltarule as dr
from deltarule.dqn.agent_state import Target, new_agent
from deltarule.dqn.draws import of_learning
from deltarule.dqn.priorities import Priorities, draw_by_priority, no_priorities
from deltarule.dqn.replay import LAST, RUNS, TERMINAL, TRUNCATED, Replay
from deltarule.dqn.rules import Rules
from deltarule.dqn.sequences import sequence_step, sequences_at, targets
from deltarule.dqn.study import prioritised
from deltarule.layers import Chain, Dense, Recurrent, SimpleRNN
from deltarule.layers.layer import Context
from deltarule.losses import SquaredError
from deltarule.optimizers import SGD
from deltarule.training.step import Step
from dqn.games import Recall
from dqn.transitions_test import lived, stacked

GAMMA = 0.8
NET = Chain(Recurrent(SimpleRNN(4), carry=True), Dense(3))


@pytest.mark.parametrize("stack", [1, 2])
def test_sequences_are_rows_in_the_order_of_time(stack):
    """The ring of 20 rows has its oldest in its midst."""
    rules = Rules(sequence=3, burn_in=2, n_step=2, stack=stack, environments=2, every=2)
    rows = lived(3, 27, 2)
    order = np.arange(20, 27).tolist() + np.arange(7, 20).tolist()
    replay = Replay(jax.tree.map(lambda a: jnp.asarray(a[order]), rows), np.int32(7), np.int32(20))
    row, environment = np.array([9, 16, 13]), np.array([1, 0, 1])
    found = jax.jit(lambda r, e: sequences_at(replay, rules, r, e))(row, environment)
    assert found.x.shape == (3, 7, 2 * stack)
    for i, (start, e) in enumerate(zip(np.array(order)[row], environment, strict=True)):
        for k, t in enumerate(range(start, start + 7)):
            np.testing.assert_array_equal(found.x[i, k], stacked(rows, t, e, stack))
            for name in ("action", "reward", "ends"):
                assert getattr(found, name)[i, k] == getattr(rows, name)[t, e]
            assert found.starts[i, k] == (k == 0 or rows.ends[t - 1, e] == LAST)


def plain_target(rules, best, reward, ends, t):
    """(Y, steps that went before, how the last one ended) of the step t of a sequence."""
    y = 0.0
    for k in range(rules.n_step):
        y += GAMMA**k * reward[t + k]
        end = int(ends[t + k])
        if end == TERMINAL or (end == TRUNCATED and rules.time_limits_end):
            break
        if end == TRUNCATED or k == rules.n_step - 1:
            y += GAMMA ** (k + 1) * best[t + k + 1]
            break
    return y, k, end


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("limits_end", [False, True])
@pytest.mark.parametrize("n_step", [1, 2, 4])
def test_targets_are_those_of_a_plain_loop(n_step, limits_end):
    rules = Rules(sequence=5, n_step=n_step, time_limits_end=limits_end)
    rows, rng = lived(4, 5 + n_step, 40), np.random.default_rng(0)
    q, choosing = rng.normal(size=(2, 40, 5 + n_step, 3))
    reward, ends = rows.reward.T.astype(float), rows.ends.T
    y = jax.jit(lambda *given: targets(rules, GAMMA, *given))(q, choosing, reward, ends)
    best = np.take_along_axis(q, choosing.argmax(-1)[..., None], -1)[..., 0]
    tried = set()
    for n, t in np.ndindex(40, 5):
        if ends[n, t] == LAST:
            continue
        expected, *stop = plain_target(rules, best[n], reward[n], ends[n], t)
        tried.add(tuple(stop))
        np.testing.assert_allclose(y[n, t], expected, rtol=1e-12)
    assert tried >= {(k, int(end)) for k in range(n_step) for end in (TERMINAL, TRUNCATED)} | {(n_step - 1, RUNS)}


def plain_reading(params, x, starts, h):
    """(Q (t, a), H) of one sequence, step by step in numpy."""
    qs = []
    for each, begins in zip(x, starts, strict=True):
        h = np.zeros(4) if begins else h
        h = np.tanh(each @ params[0]["W"] + h @ params[0]["U"] + params[0]["b"])
        qs.append(h @ params[1]["W"] + params[1]["b"])
    return np.array(qs), h


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("double", "burn_in"), [(False, 2), (True, 3), (False, 0)])
def test_a_gradient_step_is_that_of_a_plain_reading_with_the_burned_in_state_a_constant(double, burn_in):
    rules = Rules(sequence=4, burn_in=burn_in, n_step=2, double=double)
    rng, length, step = np.random.default_rng(5), burn_in + 6, Step(NET, SquaredError(), SGD(1.0))
    params, old = (jax.tree.map(lambda a: rng.normal(size=a.shape), NET.init(rng, (1, 1, 2))) for _ in range(2))
    rows = lived(6, length + 9, 6)
    replay = Replay(jax.tree.map(jnp.asarray, rows), jnp.int32(0), jnp.int32(length + 9))
    batch = jax.jit(lambda at: sequences_at(replay, rules, at, at))(jnp.arange(6))
    batch = batch._replace(x=batch.x.astype(np.float64), action=batch.action % 3)
    starts = np.asarray(batch.starts)
    assert starts[:, burn_in:].any(1).sum() > 2
    state = step.init((1, 1, 2), 0)._replace(params=params)
    moved, learned = jax.jit(lambda *given: sequence_step(step, rules, *given))(
        state, Target(old, ()), GAMMA, batch
    )

    states, qs, choosing = [], [], []
    for x, begins in zip(np.asarray(batch.x), starts, strict=True):
        h = plain_reading(params, x[:burn_in], begins[:burn_in], np.zeros(4))[1]
        h_old = plain_reading(old, x[:burn_in], begins[:burn_in], np.zeros(4))[1]
        states.append(h)
        qs.append(plain_reading(old, x[burn_in:], begins[burn_in:], h_old)[0])
        choosing.append(plain_reading(params, x[burn_in:], begins[burn_in:], h)[0])
    q, choosing = jnp.asarray(qs), jnp.asarray(choosing if double else qs)
    y = jax.jit(lambda *given: targets(rules, GAMMA, *given))(
        q, choosing, batch.reward[:, burn_in:], batch.ends[:, burn_in:]
    )
    inside = slice(burn_in, burn_in + 4)
    weight = (np.asarray(batch.ends[:, inside]) != LAST) / (np.asarray(batch.ends[:, inside]) != LAST).sum()

    def objective(params, states):
        context = Context(memory=((states,), ()), starts=batch.starts[:, inside])
        q, _ = NET.forward(params, batch.x[:, inside], context)
        error = jnp.take_along_axis(q, batch.action[:, inside, None], -1)[..., 0] - y
        return (weight * error**2).sum()

    value, expected = jax.jit(jax.value_and_grad(objective))(params, jnp.asarray(states))
    dparams = jax.tree.map(np.subtract, params, moved.params)  # the learning rate is 1
    np.testing.assert_allclose(learned.loss, value, rtol=1e-6)  # the zeros of a state are float32
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), dparams, expected)


@pytest.mark.parametrize("eta", [0.0, 0.7, 1.0])
def test_a_sequence_is_drawn_by_its_largest_error_and_by_their_mean(eta):
    """One gradient step on sequences that were drawn by priority, worked out in numpy."""
    rules = Rules(
        sequence=4, burn_in=2, n_step=2, prioritised=True, eta=eta, alpha=0.6, beta=0.5, batch_size=9,
        gamma=GAMMA, environments=2, every=2, capacity=54,
    )  # fmt: skip
    step, rng = Step(NET, SquaredError(), SGD(0.1)), np.random.default_rng(7)
    rows = lived(3, rules.ring, 2)
    rows = rows._replace(action=rows.action % 3)
    p = rng.uniform(0.5, 2, no_priorities(rules).p.shape).astype(np.float32)
    p.flat[(rules.ring - rules.reach) * 2 :] = 0
    agent = new_agent(step, rules, (2,), "float32", 1, None)._replace(
        target=Target(
            jax.tree.map(lambda a: rng.normal(size=a.shape).astype(np.float32), step.init((1, 1, 2), 0).params), ()
        ),
        replay=Replay(rows, np.int32(0), np.int32(rules.ring)),
        priorities=Priorities(p, p.sum(-1), np.float32(1)),
    )
    u = of_learning(rules, agent.state, agent.steps)  # (1, n)
    places, weight = draw_by_priority(jax.tree.map(jnp.asarray, agent.priorities), u[0], 0.5, (p > 0).sum())
    _, after, learned = jax.jit(lambda agent: prioritised(step, rules, agent, u))(agent)

    expected, losses, counted = [], [], 0
    for row, e in zip(*np.divmod(places, 2), strict=True):
        x, action, reward, ends = (part[row : row + 8, e] for part in rows)
        begins = np.concatenate([[True], ends[:-1] == LAST])
        q = plain_reading(agent.state.params, x, begins, np.zeros(4))[0][2:]
        best = plain_reading(agent.target.params, x, begins, np.zeros(4))[0][2:].max(-1)
        error = [
            q[t, action[2 + t]] - plain_target(rules, best, reward[2:], ends[2:], t)[0]
            for t in range(4)
            if ends[2 + t] != LAST
        ]
        missed = np.abs(error)
        expected.append((eta * missed.max() + (1 - eta) * missed.mean() + 1e-6) ** 0.6)
        losses.append((missed**2).sum())
        counted += len(missed)
    assert counted < 36  # there are last observations among the rows
    found = np.asarray(after.p).ravel()
    np.testing.assert_allclose(found[places], expected, rtol=1e-4)
    others = np.setdiff1d(np.arange(found.size), places)
    np.testing.assert_array_equal(found[others], p.ravel()[others])
    assert after.most == max(1, found[places].max())
    np.testing.assert_allclose(learned.loss, [(losses @ np.asarray(weight)) / counted], rtol=1e-4)


GAME = {"gamma": 0.9, "capacity": 6400, "warm_up": 320, "every": 160, "environments": 16, "gradient_steps": 4,
        "target_every": 160, "batch_size": 32, "n_step": 3,
        "epsilon": dr.LinearDecay(1.0, 4000, 0.05)}  # fmt: skip


def test_a_recurrent_agent_recalls_a_cue_that_a_feed_forward_one_cannot():
    net = dr.Chain(dr.Recurrent(dr.GRU(12), carry=True), dr.Dense(2))
    agent = dr.DQN(Recall(), net, learning_rate=1e-2, sequence=6, burn_in=1, **GAME)
    history = agent.fit(8_000, report_every=1600, episodes=200, evaluate_every=8_000)
    assert history.rows[-1]["evaluated"] > 0.98
    by_priority = dr.DQN(
        Recall(), net, learning_rate=1e-2, sequence=6, burn_in=1, prioritised=True, beta_steps=8_000, **GAME
    )
    history = by_priority.fit(8_000, report_every=1600, episodes=200, evaluate_every=8_000)
    assert history.rows[-1]["evaluated"] > 0.98
    blind = dr.DQN(Recall(), hidden=(12,), learning_rate=1e-2, **GAME)
    history = blind.fit(8_000, report_every=1600, episodes=200, evaluate_every=8_000)
    assert history.rows[-1]["evaluated"] < 0.65


def test_a_new_game_begins_with_an_empty_state():
    step = Step(NET, SquaredError(), SGD(0.1))
    agent = new_agent(step, Rules(sequence=3, environments=5, every=5), (2,), "float32", 0, Recall())
    (state,), _ = agent.play.memory
    assert state.shape == (5, 4)
    assert not state.any()
    assert agent.play.fresh.all()
