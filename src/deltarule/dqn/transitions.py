"""Transitions drawn from the replay memory: n rewards in a row, and what is seen behind them.

    R = Σ_{k<m} γ^k r_{t+k},   Y = R + γ^m Q(x_{t+m}),   m = n, or the steps to the end of the episode

At a terminal state nothing follows, and Y is R alone. Where an episode was cut off something does: x_{t+m} is the
last observation that it had (Pardo et al. 2018, Time limits in reinforcement learning).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from deltarule.dqn.draws import below
from deltarule.dqn.replay import LAST, RUNS, TERMINAL, Replay, place
from deltarule.dqn.rules import Rules


class Transitions(NamedTuple):
    """Transitions (n, ...).

    Attributes:
        gain: R.
        after: x_{t+m}; `discount` is γ^m, or 0 where it is terminal.
        weight: how much each counts; 0 where there is none, in the row of a last observation.
    """

    x: jax.Array
    action: jax.Array
    gain: jax.Array
    after: jax.Array
    discount: jax.Array
    weight: jax.Array


def beginnings(replay: Replay, rules: Rules) -> jax.Array:
    """How many rows a transition or sequence may begin at: those with enough rows before and behind them."""
    return jnp.maximum(replay.filled - rules.reach - (rules.stack - 1), 1)


def draw(replay: Replay, rules: Rules, words: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(row, environment) by words (2, ...), each that learning can begin at as likely as any other."""
    e = rules.environments
    number = below(words, beginnings(replay, rules) * e)
    return place(replay, number // e + rules.stack - 1), number % e


def transitions_at(
    replay: Replay, rules: Rules, gamma: jax.Array, row: jax.Array, environment: jax.Array
) -> Transitions:
    """The transitions that begin at these rows."""
    rows, capacity = replay.rows, replay.capacity
    gain, discount, last = jnp.zeros(row.shape), jnp.ones(row.shape), row
    goes_on = jnp.ones(row.shape, bool)
    for _ in range(rules.n_step):
        reward, ends = rows.reward[last, environment], rows.ends[last, environment]
        gain = gain + jnp.where(goes_on, discount * reward, 0)
        over = (ends != RUNS) if rules.time_limits_end else (ends == TERMINAL)
        discount = jnp.where(goes_on, jnp.where(over, 0.0, gamma * discount), discount)
        last = jnp.where(goes_on, (last + 1) % capacity, last)
        goes_on = goes_on & (ends == RUNS)
    return Transitions(
        x=seen(replay, rules.stack, row, environment),
        action=rows.action[row, environment],
        gain=gain,
        after=seen(replay, rules.stack, last, environment),
        discount=discount,
        weight=(rows.ends[row, environment] != LAST).astype(jnp.float32),
    )


def seen(replay: Replay, stack: int, row: jax.Array, environment: jax.Array) -> jax.Array:
    """What the agent sees at these rows: the last `stack` observations, put together here and kept once.

    Before an episode's first observation stands that one again, as in Gymnasium's FrameStackObservation.
    """
    rows, capacity = replay.rows, replay.capacity
    if stack == 1:
        return rows.x[row, environment]
    at, places = row, [row]
    for _ in range(stack - 1):
        before = (at - 1) % capacity
        at = jnp.where(rows.ends[before, environment] == LAST, at, before)
        places.insert(0, at)
    return jnp.concatenate([rows.x[each, environment] for each in places], -1)
