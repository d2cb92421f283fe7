"""Global average pooling, Y_{n,i} = 1/k Σ_j X_{n,j,i}: each channel's mean over space."""

from dataclasses import dataclass

import jax.numpy as jnp

from deltarule.errors import ShapeError
from deltarule.layers.layer import Cost, Equations, Layer, Shape, Static, size


@dataclass(frozen=True)
class GlobalAveragePool(Layer):
    """The mean over all k positions of space or time: (n, d.., i) to (n, i).

    Raises:
        ShapeError: x has no axis between the examples and the channels.

    >>> GlobalAveragePool().shape((8, 32, 32, 3))
    (8, 3)
    """

    equations = Equations(
        forward=(r"Y_{n,i} = \frac{1}{k} \sum_j X_{n,j,i}",),
        backward=(r"dX_{n,j,i} = \frac{1}{k}\, dY_{n,i}",),
        source="Lin, Chen and Yan 2014, Network in network",
    )

    def shape(self, x):
        return without_space("GlobalAveragePool", x)

    def forward(self, params, x, context):
        n, i = self.shape(x.shape)
        return x.reshape(n, -1, i).mean(1), Static(x.shape)  # (n, i)

    def backward(self, params, saved, dy):
        (n, i), x = dy.shape, saved.shape
        dx = dy / size(x[1:-1])  # (n, i)
        return jnp.broadcast_to(dx.reshape(n, *(1 for _ in x[1:-1]), i), x), {}  # (n, d.., i)

    def cost(self, x):
        y = size(self.shape(x))
        return Cost(forward=size(x), backward=y, input_gradient=y)

    @classmethod
    def examples(cls):
        yield cls(), (3, 5, 2)
        yield cls(), (3, 4, 6, 2)
        yield cls(), (2, 3, 4, 5, 6)


def without_space(layer: str, x: Shape) -> Shape:
    """(n, i) from (n, d.., i)."""
    if len(x) < 3:
        raise ShapeError(
            f"{layer}: expected an input with axes of space between examples and features, such as images "
            f"(n, h, w, i), got {x}; leave the layer out where there is no space"
        )
    return (x[0], x[-1])
