"""The Huber loss: squared near the target, linear far from it."""

from dataclasses import dataclass

import jax.numpy as jnp

from deltarule.layers.layer import Equations
from deltarule.losses.loss import Loss, mean_of, per_example
from deltarule.settings import positive


@dataclass(frozen=True)
class Huber(Loss):
    """½ e² where |e| ≤ c, else c (|e| − ½ c), the mean over outputs; δ = w clip(e, −c, c) / K.

    As PyTorch's HuberLoss; its SmoothL1Loss is this divided by c.

    Args:
        threshold: c > 0.

    Raises:
        SettingError: the threshold is not positive.

    >>> value, dy = Huber(1.0)(jnp.array([[3.0]]), jnp.array([[1.0]]), jnp.ones(1))
    >>> float(value), float(dy[0, 0])
    (1.5, 1.0)
    """

    threshold: float = 1.0

    equations = Equations(
        forward=(
            r"E = Y - T",
            r"C = \operatorname{clip}(E, -c, c)",
            r"\rho = \sum_n w_n \tfrac1K \sum_k C_{nk} (E_{nk} - \tfrac12 C_{nk})",
        ),
        backward=(r"dY_n = \tfrac1K w_n C_n",),
        source="Huber 1964",
    )

    def __post_init__(self):
        positive("Huber", threshold=self.threshold)

    def __call__(self, y, target, weight):
        w = per_example(weight, y)  # (n, 1)
        error = y - target  # (n, k)
        clipped = jnp.clip(error, -self.threshold, self.threshold)  # (n, k)
        return mean_of(clipped * (error - 0.5 * clipped), weight), w * clipped
