"""Global average pooling, Y_{n,i} = 1/k Σ_j X_{n,j,i}: each channel's mean over space.

Of padded sequences only the k_n positions that a mask calls real take part, those where m = 1:

    Y_{n,i} = 1/k_n Σ_j m_{n,j} X_{n,j,i},   dX_{n,j,i} = m_{n,j}/k_n dY_{n,i}.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from deltarule.errors import ShapeError
from deltarule.kernels.wide import wide
from deltarule.layers.layer import Cost, Equations, Layer, Shape, Static, size


@dataclass(frozen=True)
class GlobalAveragePool(Layer):
    """The mean over all k positions of space or time: (n, d.., i) to (n, i).

    Where the context has a mask (n, t), the padding of time counts for nothing.

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

    def padded(self, x):
        return False

    def forward(self, params, x, context):
        n, i = self.shape(x.shape)
        flat, real = x.reshape(n, -1, i), real_positions(context.mask, x.shape)  # (n, j, i), (n, j, 1)
        if real is None:
            return flat.mean(1), (Static(x.shape), None)  # (n, i)
        share = real / jnp.maximum(real.sum(1, keepdims=True), 1)  # (n, j, 1), m/k
        y = (jnp.where(real, wide(flat), 0) * share).sum(1)  # (n, i)
        return y.astype(x.dtype), (Static(x.shape), share)

    def backward(self, params, saved, dy):
        (n, i), (x, share) = dy.shape, saved
        if share is not None:
            return (dy[:, None] * share).astype(dy.dtype).reshape(x.shape), {}  # (n, d.., i)
        dx = dy / size(x.shape[1:-1])  # (n, i)
        return jnp.broadcast_to(dx.reshape(n, *(1 for _ in x.shape[1:-1]), i), x.shape), {}  # (n, d.., i)

    def advance(self, params, x, context):
        return self.forward(params, x, context)[0], context.memory

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


def real_positions(mask: jax.Array | None, x: Shape) -> jax.Array | None:
    """Which positions of x (n, t, d.., i) are real, by the mask (n, t) of its steps: (n, j, 1)."""
    return None if mask is None else jnp.repeat(mask, size(x[2:-1]), axis=1)[..., None]
