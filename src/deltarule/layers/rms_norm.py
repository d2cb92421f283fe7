"""Normalisation by the root mean square, X̂ = X / √(E[X²] + ε), Y = γ ⊙ X̂, over the features of each example."""

from dataclasses import dataclass

import jax

from deltarule.errors import ShapeError
from deltarule.kernels.wide import wide
from deltarule.layers.layer import Cost, Equations, Layer, size
from deltarule.layers.scale import fresh_scale, scaled, scaled_backward, scaled_cost
from deltarule.settings import positive


@dataclass(frozen=True)
class RMSNorm(Layer):
    """The last axis scaled to a mean square of 1: layer normalisation without its mean.

    X̂ is kept, and one number a row; without γ it is the output, which the layer above keeps anyway.

    Args:
        epsilon: ε, added to the mean square; 1e-6 as in Flax and Keras. ONNX has 1e-5, PyTorch the machine's
            epsilon, 1.2e-7.
        scale: whether there is γ.

    Raises:
        SettingError: epsilon is not positive.
        ShapeError: x has no axis besides the examples.

    >>> import jax.numpy as jnp
    >>> RMSNorm(scale=False).forward({}, jnp.array([[6.0, 0.0, 0.0, 0.0]]), None)[0].round(3).tolist()
    [[2.0, 0.0, 0.0, 0.0]]
    """

    epsilon: float = 1e-6
    scale: bool = True

    equations = Equations(
        forward=(
            r"\hat X = X / \sqrt{\tfrac{1}{d} \sum_i X_i^2 + \epsilon}",
            r"Y = \gamma \odot \hat X",
        ),
        backward=(
            r"d\hat X = \gamma \odot dY",
            r"d\gamma = \sum_n dY_n \odot \hat X_n",
            r"dX = \left(d\hat X - \hat X \tfrac{1}{d} \sum_i d\hat X_i \hat X_i\right) "
            r"/ \sqrt{\tfrac{1}{d} \sum_i X_i^2 + \epsilon}",
        ),
        source="Zhang and Sennrich 2019, Root mean square layer normalization",
    )

    def __post_init__(self):
        positive("RMSNorm", epsilon=self.epsilon)

    def mixes_steps(self, x):
        return len(x) < 3

    def shape(self, x):
        if len(x) < 2:
            raise ShapeError(f"RMSNorm: expected an input of shape (n, ..., i), got {x}; reshape it to (n, 1)")
        return x

    def init(self, rng, x):
        return fresh_scale(x[-1:], self.scale, offset=False)

    def forward(self, params, x, context):
        r = jax.lax.rsqrt((wide(x) * x).mean(-1, keepdims=True) + self.epsilon)  # (n, 1)
        xhat = x * r  # (n, i)
        return scaled(params, xhat).astype(x.dtype), (xhat.astype(x.dtype), r)

    def backward(self, params, saved, dy):
        xhat, r = saved
        dxhat, dparams = scaled_backward(params, xhat, dy)
        through_r = xhat * (dxhat * xhat).mean(-1, keepdims=True)  # (n, i)
        return (r * (dxhat - through_r)).astype(dy.dtype), dparams  # (n, i)

    def cost(self, x):
        numbers, rows = size(x), size(x[:-1])
        forward, backward, input_gradient = scaled_cost(numbers, x[-1], self.scale, offset=False)
        return Cost(
            forward=3 * numbers + 2 * rows + forward,
            backward=backward + 5 * numbers,
            input_gradient=input_gradient + 5 * numbers,
            parameters=int(self.scale) * x[-1],
            keeps_y=not self.scale,
            saved=rows + (numbers if self.scale else 0),
            rebuilt=3 * numbers + 2 * rows,
        )

    @classmethod
    def examples(cls):
        yield cls(), (7, 5)
        yield cls(epsilon=0.1), (2, 3, 5)
        yield cls(scale=False), (7, 5)
