"""Flatten: all numbers of an example in one row."""

from dataclasses import dataclass

from deltarule.layers.layer import Cost, Equations, Layer, Static, size


@dataclass(frozen=True)
class Flatten(Layer):
    """(n, a, b, ...) to (n, a·b·...), last axis fastest.

    >>> Flatten().shape((8, 4, 4, 3))
    (8, 48)
    """

    equations = Equations(
        forward=(r"Y = \operatorname{flatten}(X)",),
        backward=(r"dX = \operatorname{flatten}^{-1}(dY)",),
    )

    def shape(self, x):
        return (x[0], size(x[1:]))

    def forward(self, params, x, context):
        return x.reshape(self.shape(x.shape)), Static(x.shape)

    def backward(self, params, saved, dy):
        return dy.reshape(saved.shape), {}

    def cost(self, x):
        return Cost(forward=0, backward=0, alias=True)

    @classmethod
    def examples(cls):
        yield cls(), (5, 2, 3)
        yield cls(), (5, 2, 3, 4)
