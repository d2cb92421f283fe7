"""MountainCar: a car in a valley, too weak for the slope, swings until it is over the hill; each step costs 1.

v ← v + 0.001 (a − 1) − 0.0025 cos 3x,   x ← x + v
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from deltarule.dqn.environments.environment import Environment


@dataclass(frozen=True)
class MountainCar(Environment):
    """Gymnasium's MountainCar-v0: (x, v), ends at x ≥ 0.5; to the left there is a wall at −1.2.

    Source: Moore 1990, Efficient memory-based learning for robot control; the numbers are those of Sutton 1996.

    >>> MountainCar().observation, MountainCar().actions
    ((2,), 3)
    """

    limit: int | None = 200

    name = "MountainCar-v0"
    observation, actions = (2,), 3

    def reset(self, key):
        return jnp.stack([jax.random.uniform(key, (), minval=-0.6, maxval=-0.4), jnp.float32(0)])

    def observe(self, world):
        return world

    def step(self, world, action, key):
        x, v = world
        v = jnp.clip(v + 0.001 * (action - 1) - 0.0025 * jnp.cos(3 * x), -0.07, 0.07)
        x = jnp.clip(x + v, -1.2, 0.6)
        v = jnp.where((x == -1.2) & (v < 0), 0.0, v)
        return jnp.stack([x, v]), jnp.float32(-1), (x >= 0.5) & (v >= 0)
