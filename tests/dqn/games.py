"""Games for the tests, small enough to be worked out by hand."""

import os
from dataclasses import dataclass

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np

from deltarule.dqn.environments.environment import Environment


@dataclass(frozen=True)
class OneState(Environment):
    """One state, which never ends and gives 1 a step: Q is 1 / (1 − γ), whatever cuts the episodes off."""

    limit: int | None = 8

    name = "OneState"
    observation, kind, actions = (1,), "int32", 2

    def reset(self, key):
        return jnp.int32(0)

    def observe(self, world):
        return world[None]

    def step(self, world, action, key):
        return world, jnp.float32(1), jnp.bool_(False)


class OneStateOnHost(gymnasium.Env):
    """The same as an environment of Gymnasium's, for a wrapper to cut off."""

    observation_space, action_space = gymnasium.spaces.Discrete(1), gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        return 0, 1.0, False, False, {}


@dataclass(frozen=True)
class Grid(Environment):
    """3 rows of 4 fields, by number; field 3 gives 1, field 7 takes 1, and both end. A fifth of the moves slips.

    A slip turns the move to one side or the other. Episodes begin anywhere but at an end.
    """

    limit: int | None = 30

    name = "Grid"
    observation, kind, actions = (1,), "int32", 4

    def reset(self, key):
        begins = jnp.array([0, 1, 2, 4, 5, 6, 8, 9, 10, 11], jnp.int32)
        return begins[jax.random.randint(key, (), 0, 10)]

    def observe(self, world):
        return world[None]

    def step(self, world, action, key):
        turned = action + jax.random.choice(key, jnp.array([0, 1, -1]), p=jnp.array([0.8, 0.1, 0.1]))
        down, right = jnp.array([[-1, 0], [0, 1], [1, 0], [0, -1]])[turned % 4]
        field = jnp.clip(world // 4 + down, 0, 2) * 4 + jnp.clip(world % 4 + right, 0, 3)
        reward = jnp.where(field == 3, 1.0, jnp.where(field == 7, -1.0, -0.04))
        return field.astype(jnp.int32), reward, (field == 3) | (field == 7)


@dataclass(frozen=True)
class Recall(Environment):
    """A cue, 1 or −1, is seen at the first step alone; the action of the fourth must be the one it stands for."""

    limit: int | None = None

    name = "Recall"
    observation, actions = (2,), 2

    def reset(self, key):
        return jnp.int32(0), jax.random.bernoulli(key).astype(jnp.int32)

    def observe(self, world):
        t, cue = world
        return jnp.stack([jnp.where(t == 0, 2.0 * cue - 1, 0), jnp.where(t == 3, 1.0, 0)]).astype(jnp.float32)

    def step(self, world, action, key):
        t, cue = world
        return (t + 1, cue), jnp.where((t == 3) & (action == cue), 1.0, 0.0), t == 3


class Failing(gymnasium.Env):
    """Three numbers; after so many steps it fails as it is told to."""

    action_space = gymnasium.spaces.Discrete(2)
    observation_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)

    def __init__(self, after, how):
        self.left, self.how = after, how

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(3, np.float32), {}

    def step(self, action):
        self.left -= 1
        x, reward = self.np_random.uniform(-1, 1, 3).astype(np.float32), 1.0
        if self.left <= 0 and self.how == "raises":
            raise ZeroDivisionError("the cart left the track")
        if self.left <= 0 and self.how == "observes NaN":
            x[1] = np.nan
        if self.left <= 0 and self.how == "rewards NaN":
            reward = np.nan
        return x, reward, self.left % 7 == 0, False, {}


class Counted(Failing):
    """Counts how many are open, and how many were opened."""

    open, opened = 0, 0

    def __init__(self, after=10**9, how=""):
        super().__init__(after, how)
        Counted.open, Counted.opened, self.is_open = Counted.open + 1, Counted.opened + 1, True

    def close(self):
        Counted.open, self.is_open = Counted.open - self.is_open, False


class Dying(Failing):
    """Its process ends in the first step, where it was reset with this seed."""

    def __init__(self, seed):
        super().__init__(10**9, "")
        self.seed, self.dies = seed, False

    def reset(self, *, seed=None, options=None):
        self.dies = seed == self.seed
        return super().reset(seed=seed, options=options)

    def step(self, action):
        if self.dies:
            os._exit(7)
        return super().step(action)
