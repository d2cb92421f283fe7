"""Acrobot: two links hang from a joint, and a motor between them swings the end up; each step costs 1.

With masses, lengths and moments of inertia of 1, centres of mass at ½, and the torque τ between the links,

    d₁ = 7/2 + cos θ₂,   d₂ = 5/4 + ½ cos θ₂
    φ₂ = ½ g cos(θ₁ + θ₂ − π/2)
    φ₁ = −½ θ̇₂² sin θ₂ − θ̇₁ θ̇₂ sin θ₂ + 3/2 g cos(θ₁ − π/2) + φ₂
    θ̈₂ = (τ + d₂ φ₁ / d₁ − ½ θ̇₁² sin θ₂ − φ₂) / (5/4 − d₂² / d₁)
    θ̈₁ = −(d₂ θ̈₂ + φ₁) / d₁
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.dqn.environments.environment import Environment

GRAVITY, SECONDS = 9.8, 0.2
LOWEST = np.array([-np.inf, -np.inf, -4 * np.pi, -9 * np.pi], np.float32)


@dataclass(frozen=True)
class Acrobot(Environment):
    """Gymnasium's Acrobot-v1: (cos θ₁, sin θ₁, cos θ₂, sin θ₂, θ̇₁, θ̇₂), ends where −cos θ₁ − cos(θ₁ + θ₂) > 1.

    A step is one of Runge and Kutta's, of fourth order; the step that ends gives 0.

    Source: Sutton 1996, Generalization in reinforcement learning; Sutton and Barto 2018, section 11.

    >>> Acrobot().observation, Acrobot().actions
    ((6,), 3)
    """

    limit: int | None = 500

    name = "Acrobot-v1"
    observation, actions = (6,), 3

    def reset(self, key):
        return jax.random.uniform(key, (4,), minval=-0.1, maxval=0.1)

    def observe(self, world):
        theta, omega = world[:2], world[2:]
        return jnp.concatenate([jnp.stack([jnp.cos(theta), jnp.sin(theta)], 1).ravel(), omega])

    def step(self, world, action, key):
        torque = action - 1.0
        k1 = motion(world, torque)
        k2 = motion(world + SECONDS / 2 * k1, torque)
        k3 = motion(world + SECONDS / 2 * k2, torque)
        k4 = motion(world + SECONDS * k3, torque)
        world = world + SECONDS / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        angles = (world[:2] + jnp.pi) % (2 * jnp.pi) - jnp.pi
        world = jnp.clip(jnp.concatenate([angles, world[2:]]), LOWEST, -LOWEST)
        up = -jnp.cos(world[0]) - jnp.cos(world[0] + world[1]) > 1
        return world, jnp.where(up, 0.0, -1.0), up


def motion(world: jax.Array, torque: jax.Array) -> jax.Array:
    """(θ̇₁, θ̇₂, θ̈₁, θ̈₂) of a state (θ₁, θ₂, θ̇₁, θ̇₂)."""
    t1, t2, w1, w2 = world
    sin, cos = jnp.sin(t2), jnp.cos(t2)
    d1, d2 = 3.5 + cos, 1.25 + 0.5 * cos
    phi2 = 0.5 * GRAVITY * jnp.sin(t1 + t2)
    phi1 = -0.5 * w2**2 * sin - w1 * w2 * sin + 1.5 * GRAVITY * jnp.sin(t1) + phi2
    a2 = (torque + d2 / d1 * phi1 - 0.5 * w1**2 * sin - phi2) / (1.25 - d2**2 / d1)
    a1 = -(d2 * a2 + phi1) / d1
    return jnp.stack([w1, w2, a1, a2])
