"""Transitions are those that a plain loop over the rows finds, whatever ends where."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.dqn.replay import LAST, RUNS, TERMINAL, TRUNCATED, Rows, append, empty
from deltarule.dqn.rules import Rules
from deltarule.dqn.transitions import seen, transitions_at

RING, E, GAMMA = 23, 3, 0.7


def lived(seed, rows, e, size=2):
    """Rows of episodes of random lengths, each with the row of its last observation."""
    rng = np.random.default_rng(seed)
    ends = np.zeros((rows, e), np.uint8)
    for each in ends.T:
        for t in range(rows):
            over = t > 0 and each[t - 1] in (TERMINAL, TRUNCATED)
            each[t] = LAST if over else rng.choice([RUNS, TERMINAL, TRUNCATED], p=[0.6, 0.2, 0.2])
    return Rows(
        rng.normal(size=(rows, e, size)).astype(np.float32),
        rng.integers(0, 4, (rows, e)).astype(np.int32),
        rng.normal(size=(rows, e)).astype(np.float32),
        ends,
    )


@pytest.fixture(scope="module")
def memory():
    """(all rows in the order of time, the ring with the newest of them, the time of each of its places)."""
    rows = lived(0, 3 * RING - 4, E)
    replay = jax.tree.map(jnp.asarray, empty(RING, E, (2,), "float32"))
    for t in range(len(rows.action)):
        replay = append(replay, jax.tree.map(lambda a, t=t: jnp.asarray(a[t : t + 1]), rows))
    newest = len(rows.action)
    times = np.array([max(t for t in range(newest) if t % RING == place) for place in range(RING)])
    return rows, replay, times


def stacked(rows, t, e, stack):
    """What was seen at t: the last observations of its episode, the first of them again before it."""
    times = [t]
    while len(times) < stack:
        before = times[0] - 1
        times.insert(0, times[0] if rows.ends[before, e] == LAST else before)
    return np.concatenate([rows.x[each, e] for each in times])


def plain(rows, t, e, n_step, limits_end):
    """(R, the time of what is seen behind, its discount) by the definition."""
    gain = 0.0
    for k in range(n_step):
        gain += GAMMA**k * rows.reward[t + k, e]
        end = rows.ends[t + k, e]
        if end == TERMINAL or (limits_end and end == TRUNCATED):
            return gain, None, 0.0
        if end == TRUNCATED or k == n_step - 1:
            return gain, t + k + 1, GAMMA ** (k + 1)
    raise AssertionError


@pytest.mark.parametrize(
    ("n_step", "stack", "limits_end"), [(1, 1, False), (2, 3, False), (3, 1, False), (4, 2, False), (2, 3, True)]
)
def test_transitions_are_those_of_a_plain_loop(memory, n_step, stack, limits_end):
    rows, replay, times = memory
    rules = Rules(n_step=n_step, stack=stack, environments=E, every=E, time_limits_end=limits_end)
    oldest = len(rows.action) - RING
    inside = (times >= oldest + stack - 1) & (times + n_step < len(rows.action))
    row, environment = (part.ravel() for part in np.meshgrid(np.flatnonzero(inside), np.arange(E)))
    found = jax.jit(lambda r, e: transitions_at(replay, rules, jnp.float32(GAMMA), r, e))(row, environment)
    ends = []
    for i, (t, e) in enumerate(zip(times[row], environment, strict=True)):
        if rows.ends[t, e] == LAST:
            assert found.weight[i] == 0
            continue
        gain, after, discount = plain(rows, t, e, n_step, limits_end)
        assert found.weight[i] == 1
        assert found.action[i] == rows.action[t, e]
        np.testing.assert_allclose(found.gain[i], gain, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found.discount[i], discount, rtol=1e-6)
        np.testing.assert_array_equal(found.x[i], stacked(rows, t, e, stack))
        if after is not None:
            np.testing.assert_array_equal(found.after[i], stacked(rows, after, e, stack))
        ends.append((after is None, None if after is None else after - t))
    assert (True, None) in ends
    if not limits_end:
        assert {steps for _, steps in ends} >= set(range(1, n_step + 1))


@pytest.mark.parametrize("stack", [2, 4])
def test_pictures_are_stacked_in_their_last_axis(stack):
    """An episode begins in the fourth row, and the ring has been written once around."""
    x = np.arange(6 * 2 * 3 * 2, dtype=np.uint8).reshape(6, 1, 2, 3, 2)
    ends = np.array([RUNS, TERMINAL, LAST, RUNS, RUNS, RUNS])[:, None]
    zeros = np.zeros((6, 1))
    rows = Rows(*map(jnp.asarray, (x, zeros.astype(np.int32), zeros, ends)))
    replay = empty(6, 1, (2, 3, 2), "uint8")._replace(rows=rows, head=jnp.int32(0), filled=jnp.int32(6))
    found = np.asarray(seen(replay, stack, jnp.array([4, 5]), jnp.array([0, 0])))
    assert found.shape == (2, 2, 3, 2 * stack)
    places = {2: ([3, 4], [4, 5]), 4: ([3, 3, 3, 4], [3, 3, 4, 5])}[stack]
    for got, each in zip(found, places, strict=True):
        np.testing.assert_array_equal(got, np.concatenate([x[at, 0] for at in each], -1))
