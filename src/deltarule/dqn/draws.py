"""What is drawn at random, of many blocks at once: it depends on the seed and on the number of steps alone.

A random generator takes half as long for one block's few numbers as for those of sixty-four, and then as long as a
small network for its gradient step. What is drawn is the same, bit for bit, however many blocks are drawn at once.
"""

from typing import Any

import jax
import jax.numpy as jnp

from deltarule.dqn.agent_state import ACT, LEARN, keys
from deltarule.dqn.environments.environment import Environment
from deltarule.dqn.rules import Rules
from deltarule.layers.layer import Shape
from deltarule.training.step import State

MOST, WORDS = 64, 2**16  # blocks at most, and words of theirs


def ahead(rules: Rules) -> int:
    """For how many blocks of the loop on the host learning draws at once."""
    return max(1, min(MOST, WORDS // (2 * rules.gradient_steps * rules.batch_size)))


def of_learning(rules: Rules, state: State, steps: jax.Array) -> jax.Array:
    """What learning draws at so many steps: words (2, k, n), of sequences (k, 2, n), by priority u (k, n)."""
    key, n = keys(state, LEARN, steps), rules.batch_size
    if not (rules.prioritised or rules.sequence):
        return words(key, (rules.gradient_steps, n))
    each = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(rules.gradient_steps))
    return jax.vmap(lambda key: jax.random.uniform(key, (n,)) if rules.prioritised else words(key, (n,)))(each)


def of_blocks(rules: Rules, state: State, first: jax.Array) -> jax.Array:
    """What learning draws in `ahead` blocks, of which the first begins at so many steps."""
    steps = first + rules.every * jnp.arange(1, ahead(rules) + 1)
    return jax.vmap(lambda steps: of_learning(rules, state, steps))(steps)


def of_acting(rules: Rules, environment: Environment, state: State, numbers: Any, steps: jax.Array) -> Any:
    """What acting draws in the block that begins at so many steps, (r, e, ...)."""
    r, e = rules.rows, rules.environments
    at = steps + e * jnp.arange(r)  # (r,)
    epsilon = jnp.clip(jnp.broadcast_to(rules.schedule().at(at, numbers["epsilon"]), (r,)), 0, 1)
    explores, action, worlds, reset = jax.random.split(keys(state, ACT, steps), 4)
    return {
        "explores": jax.random.uniform(explores, (r, e)) < epsilon[:, None],
        "action": jax.random.randint(action, (r, e), 0, environment.actions),
        "key": jax.random.split(worlds, (r, e)),
        "fresh": jax.vmap(jax.vmap(environment.reset))(jax.random.split(reset, (r, e))),
    }


def words(key: jax.Array, shape: Shape) -> jax.Array:
    """Random words (2, ...) for `below`."""
    return jax.vmap(lambda half: jax.random.bits(half, shape, jnp.uint32))(jax.random.split(key))


def below(words: jax.Array, count: jax.Array) -> jax.Array:
    """Whole numbers below `count` by words (2, ...): (2³² w_0 + w_1) mod count, as `jax.random.randint`."""
    count = count.astype(jnp.uint32)
    half = 2**16 % count
    return ((words[0] % count * (half * half % count) + words[1] % count) % count).astype(jnp.int32)
