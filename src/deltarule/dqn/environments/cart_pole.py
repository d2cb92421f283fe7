"""CartPole: a pole stands on a cart that is pushed left or right; each step that it stands gives 1.

f = (F + m l θ̇² sin θ) / M
θ̈ = (g sin θ − f cos θ) / (l (4/3 − m cos² θ / M))
ẍ = f − m l θ̈ cos θ / M
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from deltarule.dqn.environments.environment import Environment

GRAVITY, POLE, ALL, HALF_LENGTH, FORCE, SECONDS = 9.8, 0.1, 1.1, 0.5, 10.0, 0.02  # g, m, M, l, F, a step


@dataclass(frozen=True)
class CartPole(Environment):
    """Gymnasium's CartPole-v1: (x, ẋ, θ, θ̇), Euler's method, ends where |x| > 2.4 or |θ| > 12°.

    Source: Barto, Sutton and Anderson 1983, Neuronlike adaptive elements; the equations as corrected by Florian
    2007, without friction.

    >>> CartPole().observation, CartPole().actions
    ((4,), 2)
    """

    limit: int | None = 500

    name = "CartPole-v1"
    observation, actions = (4,), 2

    def reset(self, key):
        return jax.random.uniform(key, (4,), minval=-0.05, maxval=0.05)

    def observe(self, world):
        return world

    def step(self, world, action, key):
        x, v, theta, omega = world
        sin, cos = jnp.sin(theta), jnp.cos(theta)
        force = jnp.where(action == 1, FORCE, -FORCE)
        f = (force + POLE * HALF_LENGTH * omega**2 * sin) / ALL
        turning = (GRAVITY * sin - f * cos) / (HALF_LENGTH * (4 / 3 - POLE * cos**2 / ALL))
        push = f - POLE * HALF_LENGTH * turning * cos / ALL
        moved = jnp.stack([x, v, theta, omega]) + SECONDS * jnp.stack([v, push, omega, turning])
        fallen = (jnp.abs(moved[0]) > 2.4) | (jnp.abs(moved[2]) > jnp.deg2rad(12))
        return moved, jnp.float32(1), fallen
