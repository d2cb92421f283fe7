"""Exploration: with probability ε an action at random, else the greedy one; ε falls by a schedule.

`LinearDecay`, `ExponentialDecay` and `InverseTimeDecay` (1/k) are `deltarule.schedules`; here is the floor that
the last two need.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from deltarule.dqn.delta import best_action
from deltarule.schedules import Schedule, comes_to, positive


@dataclass(frozen=True)
class AtLeast(Schedule):
    """A schedule that never falls below `lowest`: max(α_k, lowest).

    >>> from deltarule.schedules import ExponentialDecay
    >>> float(AtLeast(ExponentialDecay(1.0, factor=0.5), 0.25)(10))
    0.25
    """

    schedule: Schedule
    lowest: float

    def __post_init__(self):
        positive("AtLeast", lowest=self.lowest)

    def at(self, k, n):
        return jnp.maximum(self.schedule.at(k, n["schedule"]), n["lowest"])

    def robbins_monro(self):
        return comes_to(self.lowest, 0)


def epsilon_greedy(q: jax.Array, explores: jax.Array, at_random: jax.Array) -> jax.Array:
    """The action (e,) for values q (e, a): the greedy one, or where it explores the one drawn at random."""
    return jnp.where(explores, at_random, best_action(q).astype(at_random.dtype))
