"""The logarithm of softmax, Y_k = X_k − log Σ_j e^{X_j}."""

from dataclasses import dataclass

import jax.numpy as jnp

from deltarule.errors import ShapeError
from deltarule.kernels.wide import wide
from deltarule.layers.layer import Cost, Equations, Layer, size


@dataclass(frozen=True)
class LogSoftmax(Layer):
    """Log-probabilities along `axis`, exact where a probability itself would underflow to zero.

    Args:
        axis: the axis whose exponentials sum to one; the last by default.

    Raises:
        ShapeError: the input has no such axis.

    >>> LogSoftmax().forward({}, jnp.array([[0.0, -1000.0]]), None)[0].tolist()
    [[0.0, -1000.0]]
    """

    axis: int = -1

    equations = Equations(
        forward=(r"Y_k = X_k - \max X - \log \sum_j e^{X_j - \max X}",),
        backward=(r"dX = dY - e^Y \sum_k dY_k",),
    )

    def mixes_steps(self, x):
        return self.axis % len(x) == 1

    def shape(self, x):
        if not (-len(x) < self.axis < len(x)) or self.axis == 0:
            raise ShapeError(
                f"LogSoftmax: expected an axis other than the examples' axis 0, got axis {self.axis} of {x}"
            )
        return x

    def forward(self, params, x, context):
        z = wide(x) - x.max(self.axis, keepdims=True)  # (n, ..., k)
        y = (z - jnp.log(jnp.exp(z).sum(self.axis, keepdims=True))).astype(x.dtype)  # (n, ..., k)
        return y, y

    def backward(self, params, saved, dy):
        y = wide(saved)
        dx = dy - jnp.exp(y) * wide(dy).sum(self.axis, keepdims=True)  # (n, ..., k)
        return dx.astype(dy.dtype), {}

    def cost(self, x):
        rows = size(x) // x[self.axis]
        forward, backward = 5 * size(x) - rows, 4 * size(x) - rows
        return Cost(forward=forward, backward=backward, input_gradient=backward, keeps_y=True)

    @classmethod
    def examples(cls):
        yield cls(), (5, 3)
        yield cls(axis=1), (2, 3, 4)
