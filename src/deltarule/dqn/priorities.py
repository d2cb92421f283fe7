"""Priorities: transitions drawn in proportion to p, by the sums of p over groups of them.

    P(i) = p_i / Σ p,   p_i = (|error_i| + 1e-6)^α,   w_i = (N P(i))^−β / max_j w_j

A tree of sums has log₂ N floors; here are two, of about √N numbers each, which is what arrays are quick at: a draw
looks for its place among the groups' sums, then within the group.

Source: Schaul, Quan, Antonoglou and Silver 2016, Prioritized experience replay, section 3.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.dqn.replay import LAST, Array, Replay
from deltarule.dqn.rules import Rules

LEAST = 1e-6  # added to every |error|, so that nothing is lost for ever


class Priorities(NamedTuple):
    """p of every place in the ring, (groups, members), those of the last observations being 0.

    Attributes:
        sums: of each group.
        most: the largest p so far, which new transitions get, so that each is seen once.
    """

    p: Array
    sums: Array
    most: Array


def no_priorities(rules: Rules) -> Priorities:
    """Those of an empty ring, on the host."""
    count = rules.ring * rules.environments
    members = int(np.ceil(np.sqrt(count)))
    groups = -(-count // members)
    return Priorities(np.zeros((groups, members), np.float32), np.zeros(groups, np.float32), np.float32(1))


def put(priorities: Priorities, place: jax.Array, p: jax.Array) -> Priorities:
    """With p at these places (k,); of a place that comes twice one counts."""
    table, members = priorities.p, priorities.p.shape[1]
    group = place // members  # (k,)
    table = table.at[group, place % members].set(p)
    return priorities._replace(p=table, sums=priorities.sums.at[group].set(table[group].sum(-1)))


def opened(priorities: Priorities, replay: Replay, rules: Rules) -> Priorities:
    """After rows were written: what can be drawn now has a priority, and what was written over has none.

    The newest rows lack those behind them, so that what is opened lies `reach` rows back; the oldest lack those
    that are stacked before them.
    """
    capacity, e = replay.capacity, rules.environments
    newest = replay.head - 1 - jnp.arange(rules.rows + rules.reach + rules.stack)  # rows, backwards
    back = (newest - rules.reach) % capacity
    back = back[: rules.rows]
    places = (back[:, None] * e + jnp.arange(e)).ravel()
    enough = jnp.arange(rules.rows)[:, None] + rules.reach + rules.stack - 1 < replay.filled
    there = enough & (replay.rows.ends[back] != LAST)
    closed = (newest[: rules.reach] % capacity)[:, None] * e + jnp.arange(e)
    oldest = ((replay.head + jnp.arange(rules.stack - 1)) % capacity)[:, None] * e + jnp.arange(e)
    shut = jnp.concatenate([closed.ravel(), oldest.ravel()])
    priorities = put(priorities, shut, jnp.zeros(shut.shape))
    return put(priorities, places, jnp.where(there.ravel(), priorities.most, 0.0))


def draw_by_priority(
    priorities: Priorities, u: jax.Array, beta: jax.Array, live: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """(places (n,), weights (n,)) by u (n,) in [0, 1): one draw from each of n equal shares of the sum, as the
    paper does. `live` is N, how many priorities are above 0."""
    sums = jnp.cumsum(priorities.sums)  # (groups,)
    u = (jnp.arange(len(u)) + u) / len(u) * sums[-1]
    group = jnp.minimum(jnp.searchsorted(sums, u, side="right"), len(sums) - 1)
    inner = jnp.cumsum(priorities.p[group], -1)  # (n, members)
    rest = u - (sums[group] - priorities.sums[group])
    member = jnp.minimum((inner <= rest[:, None]).sum(-1), inner.shape[1] - 1)
    p = priorities.p[group, member]
    weight = jnp.where(p > 0, (p * (live / sums[-1])) ** -beta, 0.0)
    return group * inner.shape[1] + member, weight / jnp.maximum(weight.max(), 1e-30)
