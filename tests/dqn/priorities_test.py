"""Priorities: drawn in proportion to p, with sums that stay right, open exactly where something can be drawn."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.dqn.draws import of_learning
from deltarule.dqn.priorities import Priorities, draw_by_priority, no_priorities, opened, put
from deltarule.dqn.replay import LAST, append, empty
from deltarule.dqn.rules import Rules
from deltarule.dqn.study import prioritised
from deltarule.dqn.transitions import transitions_at
from dqn.small import RUN, small
from dqn.transitions_test import lived


def table(p, members):
    """Priorities p in groups of so many members."""
    p = np.pad(np.float32(p), (0, -len(p) % members)).reshape(-1, members)
    return Priorities(*map(jnp.asarray, (p, p.sum(-1), np.float32(1))))


def test_draws_are_in_proportion_to_p():
    rng = np.random.default_rng(0)
    p = rng.gamma(0.5, size=45) * (rng.random(45) < 0.8)
    p[14:21] = 0  # a group of which there is nothing
    priorities = table(p, 7)
    draw = jax.jit(jax.vmap(lambda key: draw_by_priority(priorities, jax.random.uniform(key, (5,)), 0.4, 36)[0]))
    places = np.asarray(draw(jax.random.split(jax.random.key(1), 8000)))
    counts = np.bincount(places.ravel(), minlength=49)[:45]
    expected = 40_000 * p / p.sum()
    assert (counts[p == 0] == 0).all()
    likely = expected > 5
    assert likely.sum() > 20
    chi_square = ((counts - expected)[likely] ** 2 / expected[likely]).sum()
    assert chi_square < likely.sum() + 5 * np.sqrt(2 * likely.sum())
    shares = np.cumsum(p) / p.sum() * 5  # the k-th of 5 draws comes from the k-th fifth of the sum
    for k in range(5):
        inside = (shares > k - 1e-5) & (np.concatenate([[0], shares[:-1]]) < k + 1 + 1e-5)
        assert inside[np.unique(places[:, k])].all()


@pytest.mark.parametrize("beta", [0.0, 0.4, 1.0])
def test_weights_undo_the_priorities(beta):
    p = np.random.default_rng(0).uniform(0.1, 2, 30)
    p[7:11] = 0
    u = jax.random.uniform(jax.random.key(0), (16,))
    places, weights = jax.jit(lambda beta: draw_by_priority(table(p, 6), u, beta, 26))(np.float32(beta))
    w = (26 * p[places] / p.sum()) ** -beta
    np.testing.assert_allclose(weights, w / w.max(), rtol=1e-5)
    assert weights.max() == 1


def test_put_keeps_the_sums_right_where_places_come_twice():
    rng = np.random.default_rng(0)
    priorities, write = table(rng.uniform(size=33), 6), jax.jit(put)
    for _ in range(5):
        before = np.asarray(priorities.p).ravel()
        places = rng.integers(0, 33, 20)
        p = rng.uniform(size=20).astype(np.float32)
        priorities = write(priorities, places, p)
        after = np.asarray(priorities.p).ravel()
        assert all(after[place] in p[places == place] for place in places)
        others = np.setdiff1d(np.arange(36), places)
        np.testing.assert_array_equal(after[others], before[others])
        np.testing.assert_allclose(priorities.sums, np.asarray(priorities.p).sum(-1), rtol=1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"n_step": 3},
        {"stack": 3},
        {"n_step": 4, "stack": 2, "every": 2},
        {"sequence": 3, "burn_in": 1, "stack": 2},
    ],
    ids=str,
)
def test_what_can_be_drawn_is_open_and_nothing_else(settings):
    """Rows go around the ring more than twice, and every p that was put is another."""
    rules = Rules(**{"capacity": 36, "environments": 2, "every": 6, "prioritised": True, "warm_up": 0} | settings)
    rows = lived(1, 3 * rules.ring - rules.ring % rules.rows, 2)
    replay, priorities = jax.tree.map(jnp.asarray, (empty(rules.ring, 2, (2,), "float32"), no_priorities(rules)))

    @jax.jit
    def write(replay, priorities, new):
        replay = append(replay, new)
        return replay, opened(priorities, replay, rules)

    for written in range(rules.rows, len(rows.action) + 1, rules.rows):
        new = jax.tree.map(lambda a, t=written: a[t - rules.rows : t], rows)
        most = np.float32(1 + written)
        before = np.asarray(priorities.p).ravel()
        replay, priorities = write(replay, priorities._replace(most=most), new)
        p = np.asarray(priorities.p).ravel()
        expected = np.zeros_like(p)
        oldest = max(written - rules.ring, 0)
        for t in range(oldest + rules.stack - 1, written - rules.reach):
            for e in range(2):
                place = t % rules.ring * 2 + e
                was_there = t + rules.reach < written - rules.rows
                if rows.ends[t, e] != LAST:
                    expected[place] = before[place] if was_there else most
        np.testing.assert_array_equal(p, expected)
        np.testing.assert_allclose(priorities.sums, np.asarray(priorities.p).sum(-1), rtol=1e-6)
    assert (p > 0).sum() > 10


def test_what_was_learned_from_gets_its_error_as_its_priority():
    """One gradient step of an agent that has learned before, worked out in numpy."""
    agent = small(path="gymnasium", alpha=0.7, beta=0.3)
    agent.fit(96, **RUN)
    p = np.asarray(agent.agent.priorities.p)
    p = p * np.random.default_rng(0).uniform(0.2, 3, p.shape).astype(np.float32)
    spread = agent.agent.priorities._replace(p=p, sums=p.sum(-1))
    rules, before = replace(agent.rules, gradient_steps=1), agent.agent._replace(priorities=spread)
    assert rules.beta_steps == 300
    beta = 0.3 + 0.7 * 96 / 300
    u = of_learning(rules, before.state, before.steps)  # (1, n)
    places, weight = draw_by_priority(jax.tree.map(jnp.asarray, before.priorities), u[0], beta, (p > 0).sum())
    state, priorities, learned = jax.jit(lambda agent_: prioritised(agent.step, rules, agent_, u))(before)

    def q(params, x):
        h = np.maximum(x @ params[0]["W"] + params[0]["b"], 0)
        return h @ params[2]["W"] + params[2]["b"]

    batch = transitions_at(jax.tree.map(jnp.asarray, before.replay), rules, 0.99, places // 2, places % 2)
    n = np.arange(rules.batch_size)
    best = q(before.state.params, batch.after).argmax(1)
    y = batch.gain + batch.discount * q(before.target.params, batch.after)[n, best]
    error = np.abs(q(before.state.params, batch.x)[n, batch.action] - y)
    found = np.asarray(priorities.p).ravel()
    np.testing.assert_allclose(found[places], (error + 1e-6) ** 0.7, rtol=1e-3)
    others = np.setdiff1d(np.arange(found.size), places)
    np.testing.assert_array_equal(found[others], np.asarray(before.priorities.p).ravel()[others])
    np.testing.assert_allclose(priorities.sums, np.asarray(priorities.p).sum(-1), rtol=1e-6)
    assert priorities.most == max(before.priorities.most, found[places].max())
    huber = np.where(error < 1, error**2 / 2, error - 0.5)
    np.testing.assert_allclose(learned.loss, [(huber * weight).mean()], rtol=1e-3)  # not over the weights' sum
    assert int(state.step) == int(before.state.step) + 1
