"""Environments that others have written in JAX, by the contract of ours: gymnax's, Gymnasium's functional ones."""

from typing import Any

import jax
import jax.numpy as jnp

from deltarule.dqn.environments.environment import Environment
from deltarule.dqn.environments.spaces import seen_of
from deltarule.errors import SettingError


class FromGymnax(Environment):
    """An environment of gymnax, from `gymnax.make(...)`; its own time limit is the limit."""

    def __init__(self, inner: Any, numbers: Any = None):
        self.inner, self.numbers = inner, numbers if numbers is not None else inner.default_params
        self.name, self.actions = inner.name, int(inner.num_actions)
        space = inner.observation_space(self.numbers)
        self.observation, self.kind = tuple(space.shape), kind_of(space.dtype)
        self.limit = int(self.numbers.max_steps_in_episode)

    def reset(self, key):
        return self.inner.reset_env(key, self.numbers)

    def observe(self, world):
        return world[0].astype(self.kind)

    def step(self, world, action, key):
        x, state, reward, terminal, _ = self.inner.step_env(key, world[1], action, self.numbers)
        return (x, state), jnp.float32(reward), terminal


class FromFunctional(Environment):
    """A functional environment of Gymnasium (`gymnasium.experimental.functional.FuncEnv`).

    Args:
        limit: steps after which an episode is cut off; the environment itself does not say.
    """

    def __init__(self, inner: Any, limit: int | None):
        self.inner, self.limit, self.name = inner, limit, type(inner).__name__
        game = seen_of(self.name, inner.observation_space, inner.action_space)
        if game.values is not None:
            raise SettingError(f"dqn: {self.name} numbers its states; its observations must be arrays")
        self.observation, self.kind, self.actions = game.observation, game.kind, game.actions
        self.numbers = inner.default_params

    def reset(self, key):
        return self.inner.initial(key, self.numbers)

    def observe(self, world):
        return self.inner.observation(world, jax.random.key(0), self.numbers).astype(self.kind)

    def step(self, world, action, key):
        moved = self.inner.transition(world, action, key, self.numbers)
        reward = self.inner.reward(world, action, moved, key, self.numbers)
        return moved, jnp.float32(reward), self.inner.terminal(moved, key, self.numbers)


def kind_of(dtype: Any) -> str:
    """The type in which the replay holds observations of this one."""
    return "uint8" if jnp.dtype(dtype) == jnp.uint8 else "float32"
