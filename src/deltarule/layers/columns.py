"""Columns: a part of the last axis, Y = X[..., start:stop]."""

from dataclasses import dataclass

import jax.numpy as jnp

from deltarule.errors import SettingError, ShapeError
from deltarule.layers.layer import Cost, Equations, Layer, Static
from deltarule.settings import settle_whole


@dataclass(frozen=True)
class Columns(Layer):
    """The columns from `start` up to but not including `stop`.

    Raises:
        SettingError: start and stop hold no column between them.
        ShapeError: the input has no such columns.

    >>> Columns(1, 3).shape((8, 5))
    (8, 2)
    """

    start: int
    stop: int

    equations = Equations(
        forward=(r"Y = X_{a \ldots b}",),
        backward=(r"dX_{a \ldots b} = dY, \quad 0 \text{ elsewhere}",),
    )

    def __post_init__(self):
        settle_whole(self, "start", "stop", least=0)
        if not self.start < self.stop:
            raise SettingError(f"Columns({self.start}, {self.stop}): expected 0 <= start < stop")

    def mixes_steps(self, x):
        return len(x) < 3

    def shape(self, x):
        if len(x) < 2 or self.stop > x[-1]:
            raise ShapeError(
                f"Columns({self.start}, {self.stop}): expected an input (n, ..., i) of at least {self.stop} "
                f"columns, got {x}"
            )
        return (*x[:-1], self.stop - self.start)

    def forward(self, params, x, context):
        return x[..., self.start : self.stop], Static(x.shape)  # (..., stop - start)

    def backward(self, params, saved, dy):
        dx = jnp.zeros(saved.shape, dy.dtype)  # (..., i)
        return dx.at[..., self.start : self.stop].set(dy), {}

    def cost(self, x):
        return Cost(forward=0, backward=0)

    @classmethod
    def examples(cls):
        yield cls(1, 3), (5, 4)
        yield cls(0, 2), (5, 3, 7)
