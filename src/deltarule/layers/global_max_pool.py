"""Global max pooling, Y_{n,i} = max_j X_{n,j,i}: each channel's largest number over space."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from deltarule.layers.global_average_pool import real_positions, without_space
from deltarule.layers.layer import Cost, Equations, Layer, Shape, Static, size


@dataclass(frozen=True)
class GlobalMaxPool(Layer):
    """The largest number over all positions of space or time: (n, d.., i) to (n, i).

    Where several are largest, the first in row-major order takes the whole δ, as in `MaxPool`; PyTorch's `amax`
    and JAX's `max` divide it among them. Backward keeps the position of each maximum.
    Where the context has a mask (n, t), the padding of time is left out, whatever it holds.

    Raises:
        ShapeError: x has no axis between the examples and the channels.

    >>> GlobalMaxPool().shape((8, 32, 32, 3))
    (8, 3)
    """

    equations = Equations(
        forward=(r"m_{n,i} = \min \operatorname{argmax}_j X_{n,j,i}", r"Y_{n,i} = \max_j X_{n,j,i}"),
        backward=(r"dX_{n,j,i} = [j = m_{n,i}]\, dY_{n,i}",),
        source="Oquab, Bottou, Laptev and Sivic 2015, Is object localization for free?",
    )

    def shape(self, x):
        return without_space("GlobalMaxPool", x)

    def padded(self, x):
        return False

    def forward(self, params, x, context):
        n, i = self.shape(x.shape)
        flat, j = x.reshape(n, -1, i), positions(x.shape)  # (n, j, i)
        real = real_positions(context.mask, x.shape)
        if real is not None:
            flat = jnp.where(real, flat, jnp.finfo(x.dtype).min)  # (n, j, i)
        y = flat.max(1)  # (n, i)
        index = jnp.where(flat == y[:, None], j, j[-1]).min(1)  # (n, i)
        return y, (index, Static(x.shape))

    def backward(self, params, saved, dy):
        index, x = saved
        dx = jnp.where(index[:, None] == positions(x.shape), dy[:, None], 0)  # (n, j, i)
        return dx.reshape(x.shape), {}  # (n, d.., i)

    def advance(self, params, x, context):
        return self.forward(params, x, context)[0], context.memory

    def cost(self, x):
        y = size(self.shape(x))
        return Cost(forward=size(x) - y, backward=0, marks=positions(x).itemsize * y)

    @classmethod
    def examples(cls):
        yield cls(), (3, 5, 2)
        yield cls(), (3, 4, 6, 2)
        yield cls(), (2, 7, 8, 5, 3)


def positions(x: Shape) -> np.ndarray:
    """The numbers of all positions (j, 1) in space, in the smallest type that holds them."""
    last = size(x[1:-1]) - 1
    return np.arange(last + 1, dtype=np.min_scalar_type(last))[:, None]
