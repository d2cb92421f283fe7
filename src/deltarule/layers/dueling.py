"""Dueling: from a value and an advantage for each action to Q, Q_a = V + A_a − (1/K) Σ_b A_b."""

from dataclasses import dataclass

import jax.numpy as jnp

from deltarule.errors import ShapeError
from deltarule.layers.layer import Cost, Equations, Layer, size


@dataclass(frozen=True)
class Dueling(Layer):
    """The first of the last axis is V, the others are A: (..., 1 + K) to (..., K).

    Taking off the mean makes V and A unique: a number added to all advantages would else be the same Q with
    another value (the paper's equation 9; its equation 8 takes off the maximum).

    Raises:
        ShapeError: fewer than two numbers in the last axis, a value and an advantage.

    >>> Dueling().shape((32, 5))
    (32, 4)
    """

    equations = Equations(
        forward=(r"[V, A] = X", r"Y_k = V + A_k - \tfrac1K \sum_j A_j"),
        backward=(r"dV = \sum_k dY_k", r"dA_k = dY_k - \tfrac1K \sum_j dY_j"),
        source="Wang et al. 2016, Dueling network architectures for deep reinforcement learning, equation 9",
    )

    def mixes_steps(self, x):
        return len(x) < 3

    def shape(self, x):
        if len(x) < 2 or x[-1] < 2:
            raise ShapeError(
                f"Dueling: expected a value and an advantage for each action, (n, ..., 1 + actions), got "
                f"{tuple(x)}; put Dense(1 + actions) before it"
            )
        return (*x[:-1], x[-1] - 1)

    def forward(self, params, x, context):
        self.shape(x.shape)
        v, a = x[..., :1], x[..., 1:]  # (n, 1), (n, k)
        return v + a - a.mean(-1, keepdims=True), ()  # (n, k)

    def backward(self, params, saved, dy):
        dv = dy.sum(-1, keepdims=True)  # (n, 1)
        da = dy - dv / dy.shape[-1]  # (n, k)
        return jnp.concatenate([dv, da], -1), {}

    def cost(self, x):
        n, k = size(x[:-1]), self.shape(x)[-1]
        return Cost(forward=n * (3 * k), backward=n * (2 * k), input_gradient=n * (2 * k))

    @classmethod
    def examples(cls):
        yield cls(), (7, 5)
        yield cls(), (2, 3, 4)
