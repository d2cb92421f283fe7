"""Softmax, P_k = e^{X_k} / Σ_j e^{X_j}, with its own derivative: nothing is assumed of the loss above it."""

from dataclasses import dataclass

import jax.numpy as jnp

from deltarule.errors import ShapeError
from deltarule.kernels.wide import wide
from deltarule.layers.layer import Cost, Equations, Layer, size


@dataclass(frozen=True)
class Softmax(Layer):
    """Positive numbers that sum to one along `axis`.

    Each row is shifted by its maximum, which changes nothing and overflows nowhere. To train a classifier
    leave this layer out: `SoftmaxCrossEntropy` holds it, fused with the logarithm.

    Args:
        axis: the axis that sums to one; the last by default. Axis 0 would mix the examples.

    Raises:
        ShapeError: the input has no such axis.

    >>> Softmax().forward({}, jnp.array([[1000.0, 1000.0]]), None)[0].tolist()
    [[0.5, 0.5]]
    """

    axis: int = -1

    equations = Equations(
        forward=(r"P_k = \frac{e^{X_k - \max X}}{\sum_j e^{X_j - \max X}}",),
        backward=(r"dX = P \odot (dP - \sum_k dP_k P_k)",),
        source="Bridle 1990",
    )

    def mixes_steps(self, x):
        return self.axis % len(x) == 1

    def shape(self, x):
        if not (-len(x) < self.axis < len(x)) or self.axis == 0:
            raise ShapeError(
                f"Softmax: expected an axis other than the examples' axis 0, got axis {self.axis} of {x}"
            )
        return x

    def forward(self, params, x, context):
        e = jnp.exp(wide(x) - x.max(self.axis, keepdims=True))  # (n, ..., k)
        p = (e / e.sum(self.axis, keepdims=True)).astype(x.dtype)  # (n, ..., k)
        return p, p

    def backward(self, params, saved, dy):
        p = wide(saved)
        dx = p * (dy - (dy * p).sum(self.axis, keepdims=True))  # (n, ..., k)
        return dx.astype(dy.dtype), {}

    def cost(self, x):
        rows = size(x) // x[self.axis]
        forward, backward = 5 * size(x) - 2 * rows, 4 * size(x) - rows
        return Cost(forward=forward, backward=backward, input_gradient=backward, keeps_y=True)

    @classmethod
    def examples(cls):
        yield cls(), (5, 3)
        yield cls(axis=1), (2, 3, 4)
