"""The absolute error, ℓ = |y − t|₁ / K: the mean over the K outputs of an example."""

from dataclasses import dataclass

import jax.numpy as jnp

from deltarule.layers.layer import Equations
from deltarule.losses.loss import Loss, mean_of, per_example


@dataclass(frozen=True)
class AbsoluteError(Loss):
    """Σ_n w_n mean_k |y_nk − t_nk|; δ = w sign(y − t) / K, and 0 where they are equal.

    >>> value, dy = AbsoluteError()(jnp.array([[3.0]]), jnp.array([[1.0]]), jnp.ones(1))
    >>> float(value), float(dy[0, 0])
    (2.0, 1.0)
    """

    equations = Equations(
        forward=(r"\rho = \sum_n w_n \tfrac1K \lVert Y_n - T_n \rVert_1",),
        backward=(r"dY_n = \tfrac1K w_n \operatorname{sign}(Y_n - T_n)",),
    )

    def __call__(self, y, target, weight):
        w = per_example(weight, y)  # (n, 1)
        error = y - target  # (n, k)
        return mean_of(jnp.abs(error), weight), w * jnp.sign(error)
