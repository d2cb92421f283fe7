"""What is drawn for many blocks at once is what each block would draw by itself, bit for bit."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deltarule as dr
from deltarule.dqn.agent_state import LEARN, keys
from deltarule.dqn.draws import MOST, ahead, below, of_acting, of_blocks, words
from deltarule.dqn.loop import draws
from deltarule.dqn.rules import Rules
from dqn.games import Grid

STATE = SimpleNamespace(key=np.array([3, 4], np.uint32))


@pytest.mark.parametrize("count", [1, 2, 7, 9_999, 2**16, 2**16 + 1, 2**31 - 1])
def test_numbers_below_a_count_are_those_of_jax(count):
    for seed in range(3):
        key = jax.random.key(seed)
        expected = jax.random.randint(key, (5, 40), 0, count)
        found = below(words(key, (5, 40)), jnp.int32(count))
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype


def fold(steps, number):
    return jax.random.fold_in(keys(STATE, LEARN, steps), number)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, lambda steps: words(keys(STATE, LEARN, steps), (3, 5))),
        ({"sequence": 4}, lambda steps: [words(fold(steps, k), (5,)) for k in range(3)]),
        ({"prioritised": True}, lambda steps: [jax.random.uniform(fold(steps, k), (5,)) for k in range(3)]),
    ],
    ids=["transitions", "sequences", "by priority"],
)
def test_what_learning_draws_belongs_to_the_steps_after_its_block(settings, expected):
    rules = Rules(every=8, environments=2, gradient_steps=3, batch_size=5, **settings)
    assert ahead(rules) == MOST
    for first in (0, 8 * MOST):
        drawn = of_blocks(rules, STATE, first)
        assert len(drawn) == MOST
        for block in (0, 1, MOST - 1):
            np.testing.assert_array_equal(drawn[block], np.stack(expected(first + 8 * block + 8)))


def test_what_acting_draws_is_that_of_each_block_and_epsilon_falls_within_one():
    rules = Rules(every=6, environments=2, epsilon=dr.LinearDecay(1.0, 4, 0.0))
    agent = SimpleNamespace(state=STATE, numbers=rules.numbers(), steps=jnp.int32(0))
    together, _ = draws(rules, Grid(), agent, 4)
    assert together["explores"][0, 0].all()
    assert not together["explores"][0, 2].any()
    for block in range(4):
        alone = of_acting(rules, Grid(), STATE, agent.numbers, 6 * block)
        got = jax.tree.map(lambda a, block=block: a[block], together)
        jax.tree.map(np.testing.assert_array_equal, *(jax.tree.map(as_array, d) for d in (got, alone)))
    assert not np.array_equal(together["fresh"][0], together["fresh"][1])


def as_array(drawn):
    return jax.random.key_data(drawn) if jnp.issubdtype(drawn.dtype, jax.dtypes.prng_key) else drawn


@pytest.mark.parametrize(("k", "n", "every", "blocks"), [(1, 128, 10, 64), (128, 64, 256, 4), (500, 500, 4, 1)])
def test_many_words_are_not_drawn_far_ahead(k, n, every, blocks):
    assert ahead(Rules(gradient_steps=k, batch_size=n, every=every)) == blocks
