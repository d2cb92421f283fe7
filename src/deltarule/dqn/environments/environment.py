"""The contract of an environment in JAX: pure functions, so that it compiles into one loop with the agent."""

from typing import Any

import jax

from deltarule.layers.layer import Shape

World = Any  # the state of one environment, a tree of arrays


class Environment:
    """A game of one player with a finite number of actions; a frozen dataclass of its numbers.

    Attributes:
        name: by which Gymnasium knows the same game, if it does.
        observation: the shape of what the agent sees; `kind` is its type.
        actions: how many there are.
        values: how many there are, where an observation is a number of a state, of shape (1,) and kind "int32".
        limit: steps after which an episode is cut off (truncated); the state there is not terminal. None has none.
    """

    name: str = ""
    observation: Shape
    kind: str = "float32"
    actions: int
    values: int | None = None
    limit: int | None = None

    def reset(self, key: jax.Array) -> World:
        """A state to begin an episode from."""
        raise NotImplementedError

    def observe(self, world: World) -> jax.Array:
        """What the agent sees of a state."""
        raise NotImplementedError

    def step(self, world: World, action: jax.Array, key: jax.Array) -> tuple[World, jax.Array, jax.Array]:
        """(state, reward, whether it is terminal) after an action."""
        raise NotImplementedError
