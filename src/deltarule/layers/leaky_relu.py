"""The leaky rectified linear unit: Y = X where X > 0, a X elsewhere."""

from dataclasses import dataclass

import jax.numpy as jnp

from deltarule.layers.layer import Cost, Elementwise, Equations, size
from deltarule.settings import at_least_zero


@dataclass(frozen=True)
class LeakyReLU(Elementwise):
    """y = x where x > 0, else slope · x.

    Args:
        slope: a ≥ 0, so that y has the sign of x and backward can read it off y; 0.01 as in PyTorch
            (Keras takes 0.3).

    Raises:
        SettingError: the slope is negative.

    >>> LeakyReLU(0.1).forward({}, jnp.array([-2.0, 3.0]), None)[0].tolist()
    [-0.20000000298023224, 3.0]
    """

    slope: float = 0.01

    equations = Equations(
        forward=(r"Y = X \odot ([X > 0] + a [X \le 0])",),
        backward=(r"dX = dY \odot ([Y > 0] + a [Y \le 0])",),
        source="Maas, Hannun and Ng 2013",
    )

    def __post_init__(self):
        at_least_zero("LeakyReLU", slope=self.slope)

    def forward(self, params, x, context):
        y = jnp.where(x > 0, x, self.slope * x)  # (n, ...)
        return y, y

    def backward(self, params, saved, dy):
        y = saved
        return jnp.where(y > 0, dy, self.slope * dy), {}  # (n, ...)

    def cost(self, x):
        return Cost(forward=size(x), backward=size(x), input_gradient=size(x), keeps_y=True)

    @classmethod
    def examples(cls):
        yield cls(), (5, 3)
        yield cls(slope=0.3), (2, 3, 4)
