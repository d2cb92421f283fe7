"""The self-normalising linear unit: an ELU scaled so that mean 0 and variance 1 are a fixed point."""

from dataclasses import dataclass

import jax.numpy as jnp

from deltarule.layers.layer import Cost, Elementwise, Equations, size

ALPHA = 1.6732632423543772848170429916717  # α and λ solve the fixed point of Klambauer et al., equation 14
SCALE = 1.0507009873554804934193349852946


@dataclass(frozen=True)
class SELU(Elementwise):
    """y = λ x where x > 0, else λ α (e^x − 1). There dy/dx = λ α e^x = y + λ α.

    >>> SELU().shape((8, 3))
    (8, 3)
    """

    equations = Equations(
        forward=(r"Y = \lambda ([X > 0] \odot X + [X \le 0] \odot \alpha (e^X - 1))",),
        backward=(r"dX = dY \odot ([Y > 0] \lambda + [Y \le 0] \odot (Y + \lambda\alpha))",),
        source="Klambauer, Unterthiner, Mayr and Hochreiter 2017",
    )

    def forward(self, params, x, context):
        y = SCALE * jnp.where(x > 0, x, ALPHA * jnp.expm1(x))  # (n, ...)
        return y, y

    def backward(self, params, saved, dy):
        y = saved
        return dy * jnp.where(y > 0, SCALE, y + SCALE * ALPHA), {}  # (n, ...)

    def cost(self, x):
        return Cost(forward=3 * size(x), backward=2 * size(x), input_gradient=2 * size(x), keeps_y=True)
