"""An embedding: a learned row for each code, Y = W[X]."""

from dataclasses import dataclass

import jax.numpy as jnp

from deltarule.errors import SettingError
from deltarule.kernels.wide import wide
from deltarule.layers.dense import gram
from deltarule.layers.initializers import Initializer, Normal, require_rules
from deltarule.layers.layer import Cost, Equations, Layer, size
from deltarule.settings import settle_whole

MOST = 2**24  # codes, which come as float32: it holds whole numbers to there


@dataclass(frozen=True)
class Embedding(Layer):
    """Rows of W (levels, features) by code: (n, ...) to (n, ..., features).

    Codes are whole numbers from 0 to levels − 1, in any number type. Any other number gives NaN, so that it is
    found, and not another code's row. A code has no derivative: dX is zero.

    Args:
        levels, features: how many codes there are, and how many numbers stand for each.
        W_init: rule for W; one unit leads to a row, so d_in is 1.

    Raises:
        SettingError: levels or features below 1, or more levels than 2²⁴.

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

    def __post_init__(self):
        settle_whole(self, "levels", "features")
        require_rules(self, "W_init")
        if isinstance(self.levels, int) and self.levels > MOST:
            raise SettingError(
                f"Embedding: levels must be at most {MOST}, got {self.levels}: codes come as float32, which tells "
                "no larger whole numbers apart; let several codes share a row, code % levels"
            )

    def mixes_steps(self, x):
        return False

    def shape(self, x):
        return (*x, self.features)

    def init(self, rng, x):
        return {"W": self.W_init(rng, (self.levels, self.features), 1, self.features)}

    def forward(self, params, x, context):
        W = jnp.asarray(params["W"])  # (levels, o)
        return W.at[rows(x)].get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False), x  # (n, ..., o)

    def backward(self, params, saved, dy):
        x = saved
        W = params["W"]
        dW = wide(jnp.zeros_like(W))  # (levels, o)
        dW = dW.at[rows(x)].add(wide(dy), mode="drop", wrap_negative_indices=False)
        return jnp.zeros(x.shape, dy.dtype), {"W": dW.astype(W.dtype)}

    def example_norms(self, params, x, dy, context):
        """Σ_{r,s} [x_nr = x_ns] dy_nr · dy_ns over an example's codes, where that takes less memory than dW."""
        codes, dy = rows(x).reshape(len(x), -1), wide(dy).reshape(len(x), -1, self.features)  # (n, r), (n, r, o)
        if codes.shape[1] ** 2 > self.levels * self.features:
            return super().example_norms(params, x, dy, context)
        same = codes[:, :, None] == codes[:, None, :]  # (n, r, r)
        return jnp.where(same, gram(dy), 0).sum((1, 2))  # (n,)

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


def rows(x):
    """Codes as row numbers (n, ...); −1, which is no row, for what is not a whole number."""
    return jnp.where(x == jnp.round(x), x, -1).astype(jnp.int32)
