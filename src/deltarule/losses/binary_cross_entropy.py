"""Sigmoid and binary cross-entropy in one, ℓ = −t log p − (1 − t) log(1 − p): δ = p − t."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.errors import DataError
from deltarule.layers.layer import Equations
from deltarule.losses.loss import Loss, mean_of, numbers_like, per_example


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """The loss of independent yes-or-no outputs that are logits; no Sigmoid layer before it.

    Targets lie in [0, 1], in the shape of the output; ℓ = max(y, 0) − y t + log(1 + e^−|y|), which
    overflows nowhere, and the mean is taken over an example's outputs.

    >>> value, dy = BinaryCrossEntropy()(jnp.array([[0.0]]), jnp.array([[1.0]]), jnp.ones(1))
    >>> round(float(value), 4), float(dy[0, 0])
    (0.6931, -0.5)
    """

    equations = Equations(
        forward=(
            r"\rho = \sum_n w_n \tfrac1K \sum_k "
            r"\left(\max(Y_{nk}, 0) - Y_{nk} T_{nk} + \log(1 + e^{-|Y_{nk}|})\right)",
        ),
        backward=(r"dY_n = \tfrac1K w_n (\sigma(Y_n) - T_n)",),
    )
    task = "classification"
    metric_name = "accuracy"

    def __call__(self, y, target, weight):
        w = per_example(weight, y)  # (n, 1)
        losses = jnp.maximum(y, 0) - y * target + jnp.log1p(jnp.exp(-jnp.abs(y)))  # (n, k)
        return mean_of(losses, weight), w * (jax.lax.logistic(y) - target)

    def prepare(self, target, y):
        array = numbers_like(target, y, "BinaryCrossEntropy")
        if array.size and not (array.min() >= 0 and array.max() <= 1):
            raise DataError(
                f"BinaryCrossEntropy: expected targets from 0 to 1, got {array.min():g} to {array.max():g}; "
                "use SoftmaxCrossEntropy for more than two classes"
            )
        return array

    def predict(self, y):
        return jax.lax.logistic(y)

    def outputs(self, prediction):
        p = np.clip(prediction, np.finfo(np.float32).tiny, 1 - np.finfo(np.float32).epsneg)
        return np.log(p) - np.log1p(-p)

    def metric(self, y, target, weight):
        """The share of outputs on the target's side of one half, by weight."""
        w = per_example(weight / weight.sum(), y)
        return (w * ((y > 0) == (target > 0.5))).sum()
