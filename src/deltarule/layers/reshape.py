"""Reshape: the same numbers of each example in another shape."""

import math
from dataclasses import dataclass
from typing import Any

from deltarule.errors import SettingError, ShapeError
from deltarule.layers.layer import Cost, Equations, Layer, Static, size
from deltarule.settings import is_symbol, is_whole


@dataclass(frozen=True, init=False)
class Reshape(Layer):
    """Each example in the shape given, without the examples' axis; one size may be −1 and is inferred.

    Keras's spelling, one tuple, is taken as well.

    Raises:
        SettingError: a size that is neither a positive whole number nor −1, or more than one −1.
        ShapeError: the numbers of an example do not fill the shape.

    >>> Reshape(2, -1).shape((8, 6))
    (8, 2, 3)
    """

    sizes: tuple[int, ...]

    equations = Equations(
        forward=(r"Y = \operatorname{reshape}(X)",),
        backward=(r"dX = \operatorname{reshape}^{-1}(dY)",),
    )

    def __init__(self, *sizes: int | tuple[int, ...]):
        given: Any = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes
        if not all(n != 0 and (is_whole(n, -1) or is_symbol(n)) for n in given) or list(given).count(-1) > 1:
            raise SettingError(
                f"Reshape{tuple(given)}: sizes must be positive whole numbers, and at most one may be -1"
            )
        object.__setattr__(self, "sizes", tuple(n if is_symbol(n) else int(n) for n in given))

    def __repr__(self):
        return f"Reshape({', '.join(map(str, self.sizes))})"

    def shape(self, x):
        given = math.prod(n for n in self.sizes if n != -1)
        numbers = size(x[1:])
        if numbers % given or (-1 not in self.sizes and numbers != given):
            needed = f"a multiple of {given}" if -1 in self.sizes else given
            raise ShapeError(f"{self}: expected {needed} numbers an example, got {numbers}, from {x}")
        return (x[0], *(numbers // given if n == -1 else n for n in self.sizes))

    def mixes_steps(self, x):
        return self.shape(x)[1:2] != tuple(x[1:2])  # else the steps stay one after the other

    def forward(self, params, x, context):
        return x.reshape(self.shape(x.shape)), Static(x.shape)

    def backward(self, params, saved, dy):
        return dy.reshape(saved.shape), {}

    def cost(self, x):
        return Cost(forward=0, backward=0, alias=True)

    @classmethod
    def examples(cls):
        yield cls(3, 2), (5, 6)
        yield cls(-1, 4), (5, 2, 6)
