"""Gymnasium's spaces as a game: which of them an agent can see and act in, and what to do about the others."""

from typing import Any

import numpy as np

from deltarule.dqn.game import Game
from deltarule.errors import SettingError


def seen_of(name: str, observations: Any, actions: Any, limit: int | None = None) -> Game:
    """The game of these spaces.

    Raises:
        SettingError: actions that are not a finite number, or observations that are not an array or a number.
    """
    import gymnasium

    spaces = gymnasium.spaces
    if not isinstance(actions, spaces.Discrete):
        kind = type(actions).__name__
        what = "continuous" if kind == "Box" else kind  # Gymnasium's, or gymnax's
        raise SettingError(
            f"dqn: {name} has {what} actions, {actions}; deep Q-learning takes the best of a finite number of "
            "actions, so wrap the environment such that it has a Discrete action space"
        )
    for space in (actions, observations):
        if isinstance(space, spaces.Discrete) and space.start != 0:
            raise SettingError(
                f"dqn: {name} counts from {space.start}, in {space}; wrap it such that it counts from 0"
            )
    count = int(actions.n)
    if isinstance(observations, spaces.Discrete):
        return Game(name, (1,), "int32", count, limit, int(observations.n))
    if isinstance(observations, spaces.Box) and observations.shape:
        return Game(name, tuple(observations.shape), kind_of(observations.dtype), count, limit)
    if isinstance(observations, spaces.MultiBinary):
        return Game(name, tuple(np.empty(observations.shape).shape), "float32", count, limit)
    hint = "wrap it such that it gives one array"
    if isinstance(observations, spaces.Space):
        hint = "gymnasium.wrappers.FlattenObservation makes one array of them"
    raise SettingError(
        f"dqn: {name} gives observations of the kind {type(observations).__name__}; expected an array (Box) or a "
        f"number (Discrete); {hint}"
    )


def kind_of(dtype: Any) -> str:
    """The type in which the replay holds observations of this one: bytes as they are, all else as float32."""
    return "uint8" if np.dtype(dtype) == np.uint8 else "float32"
