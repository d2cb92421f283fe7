"""Batch normalisation and ReLU in one, Y = max(0, γ ⊙ X̂ + β): one pass over memory, where two layers take two."""

from dataclasses import dataclass, replace

import jax.numpy as jnp

from deltarule.layers.batch_norm import BatchNorm
from deltarule.layers.layer import Equations, size


@dataclass(frozen=True)
class BatchNormReLU(BatchNorm):
    """`BatchNorm` and `ReLU`, with the same settings; backward keeps X alone, and finds the sign of Y from it.

    Args:
        momentum, epsilon, scale, offset, axis_name: as BatchNorm.

    Raises:
        SettingError, ShapeError: as BatchNorm.

    >>> BatchNormReLU().cost((8, 3)).saved  # μ and σ²
    6
    """

    rectified = True

    equations = Equations(
        forward=(
            r"\hat X = (X - \mu) / \sqrt{\sigma^2 + \epsilon}",
            r"Y = \max(0, \gamma \odot \hat X + \beta)",
        ),
        backward=(
            r"G = dY \odot [Y > 0]",
            r"d\beta = \sum_n G_n",
            r"d\gamma = \sum_n G_n \odot \hat X_n",
            r"dX = \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}} \odot "
            r"\left(G - \tfrac{1}{N} d\beta - \hat X \odot \tfrac{1}{N} d\gamma\right)",
        ),
        source="Ioffe and Szegedy 2015; Nair and Hinton 2010",
    )

    def output(self, params, xhat):
        return jnp.maximum(super().output(params, xhat), 0)  # (n, ..., i)

    def derive(self, params, x, mu, variance, dy, real=None):
        y = self.normalise_by(params, x, mu, variance)  # (n, ..., i)
        return super().derive(params, x, mu, variance, jnp.where(y > 0, dy, 0), real)

    def cost(self, x):
        cost, numbers = super().cost(x), size(x)
        again = cost.again + numbers
        return replace(
            cost,
            forward=cost.forward + numbers,
            backward=cost.backward + again,  # the sign
            input_gradient=cost.input_gradient + (0 if cost.parameters else again),
            again=again,
        )
