"""An embedding: a learned row for each code, Y = W[X]."""

from dataclasses import dataclass

import jax.numpy as jnp

from deltarule.layers.initializers import Initializer, Normal
from deltarule.layers.layer import Cost, Equations, Layer, size


@dataclass(frozen=True)
class Embedding(Layer):
    """Rows of W (levels, features) by code: (n, ...) to (n, ..., features).

    Codes are whole numbers from 0 to levels − 1, in any number type. A code out of range gives NaN, so
    that it is found, and not another code's row. A code has no derivative: dX is zero.

    >>> Embedding(levels=12, features=4).shape((8, 1))
    (8, 1, 4)
    """

    levels: int
    features: int
    W_init: Initializer = Normal(1.0)

    equations = Equations(
        forward=(r"Y_n = W_{X_n}",),
        backward=(r"dW_k = \sum_{n : X_n = k} dY_n", r"dX = 0"),
        source="Bengio et al. 2003",
    )

    def shape(self, x):
        return (*x, self.features)

    def init(self, rng, x):
        return {"W": self.W_init(rng, (self.levels, self.features), self.levels, self.features)}

    def forward(self, params, x, context):
        codes = x.astype(jnp.int32)  # (n, ...)
        return params["W"].at[codes].get(mode="fill", fill_value=jnp.nan), x  # (n, ..., o)

    def backward(self, params, saved, dy):
        codes = saved.astype(jnp.int32)  # (n, ...)
        dW = jnp.zeros_like(params["W"]).at[codes].add(dy)  # (levels, o)
        return jnp.zeros_like(saved), {"W": dW}

    def cost(self, x):
        return Cost(
            forward=0,
            backward=size(x) * self.features,
            parameters=self.levels * self.features,
            keeps_x=True,
        )

    @classmethod
    def examples(cls):
        yield cls(levels=3, features=2), (7, 4)
        yield cls(levels=5, features=3), (6,)
