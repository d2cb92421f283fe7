"""Environments that others have written in JAX, by the contract of ours: gymnax's, Gymnasium's functional ones."""

from typing import Any

import jax
import jax.numpy as jnp

from deltarule.dqn.environments.contents import contents
from deltarule.dqn.environments.environment import Environment
from deltarule.dqn.environments.spaces import kind_of, seen_of
from deltarule.errors import SettingError


class Adapted(Environment):
    """An environment of others; two are equal where all attributes and numbers of what they adapt are."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Adapted) and contents(self) == contents(other)

    def __hash__(self) -> int:
        return hash(contents(self))


class FromGymnax(Adapted):
    """An environment of gymnax, from `gymnax.make(...)`; its own time limit is the limit.

    Raises:
        SettingError: actions that are not a finite number, or observations that are not an array or a number.
    """

    def __init__(self, inner: Any, numbers: Any = None):
        self.inner, self.numbers = inner, numbers if numbers is not None else inner.default_params
        self.name = inner.name
        shown, actions = inner.observation_space(self.numbers), inner.action_space(self.numbers)
        game = seen_of(self.name, in_gymnasium(shown), in_gymnasium(actions) if hasattr(actions, "n") else actions)
        self.observation, self.kind, self.actions = game.observation, game.kind, game.actions
        self.values = game.values
        self.limit = int(self.numbers.max_steps_in_episode)

    def reset(self, key):
        return self.inner.reset_env(key, self.numbers)

    def observe(self, world):
        return jnp.asarray(world[0], self.kind).reshape(self.observation)

    def step(self, world, action, key):
        x, state, reward, terminal, _ = self.inner.step_env(key, world[1], action, self.numbers)
        return (x, state), jnp.float32(reward), terminal


class FromFunctional(Adapted):
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


def in_gymnasium(space: Any) -> Any:
    """gymnax's space as Gymnasium's, where it is one that an agent can use; any other as it is."""
    from gymnasium import spaces

    if hasattr(space, "n"):
        return spaces.Discrete(int(space.n))
    if hasattr(space, "low") and len(space.shape):
        kind: Any = kind_of(space.dtype)
        return spaces.Box(0, 1, tuple(space.shape), kind)
    return space
