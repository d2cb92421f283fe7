"""The exponential linear unit: Y = X where X > 0, α (e^X − 1) elsewhere."""

from dataclasses import dataclass

import jax.numpy as jnp

from deltarule.layers.layer import Cost, Elementwise, Equations, size
from deltarule.settings import positive


@dataclass(frozen=True)
class ELU(Elementwise):
    """y = x where x > 0, else α (e^x − 1). There dy/dx = α e^x = y + α, so backward needs y alone.

    Args:
        alpha: α > 0.

    Raises:
        SettingError: α is not positive.

    >>> ELU().shape((8, 3))
    (8, 3)
    """

    alpha: float = 1.0

    equations = Equations(
        forward=(r"Y = [X > 0] \odot X + [X \le 0] \odot \alpha (e^X - 1)",),
        backward=(r"dX = dY \odot ([Y > 0] + [Y \le 0] \odot (Y + \alpha))",),
        source="Clevert, Unterthiner and Hochreiter 2016",
    )

    def __post_init__(self):
        positive("ELU", alpha=self.alpha)

    def forward(self, params, x, context):
        y = jnp.where(x > 0, x, self.alpha * jnp.expm1(x))  # (n, ...)
        return y, y

    def backward(self, params, saved, dy):
        y = saved
        return dy * jnp.where(y > 0, 1, y + self.alpha), {}  # (n, ...)

    def cost(self, x):
        return Cost(forward=2 * size(x), backward=2 * size(x), input_gradient=2 * size(x), keeps_y=True)

    @classmethod
    def examples(cls):
        yield cls(), (5, 3)
        yield cls(alpha=0.7), (2, 3, 4)
