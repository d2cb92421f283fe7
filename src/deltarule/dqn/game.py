"""What an agent must know of a game: what it sees, what it can do, and where episodes are cut off."""

from typing import NamedTuple

from deltarule.layers.layer import Shape


class Game(NamedTuple):
    """A game with a finite number of actions.

    Attributes:
        observation: the shape of one observation; `kind` is its type, "float32", "uint8" or "int32".
        values: how many there are, where an observation is a number of a state, of shape (1,).
        limit: steps after which an episode is cut off; None where that is not known.
    """

    name: str
    observation: Shape
    kind: str
    actions: int
    limit: int | None = None
    values: int | None = None
