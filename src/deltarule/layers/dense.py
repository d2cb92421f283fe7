"""A dense layer: every output is a weighted sum of all inputs, Y = X W + b.

Rows are examples. Texts that write y = W x + b for one column x mean by W the transpose of ours.
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from deltarule.errors import ShapeError
from deltarule.kernels.product import weighted, weighted_dparams, weighted_dx
from deltarule.kernels.wide import wide
from deltarule.layers.initializers import Glorot, Initializer, require_rules
from deltarule.layers.layer import Cost, Equations, Layer, size
from deltarule.settings import settle_whole


@dataclass(frozen=True)
class Dense(Layer):
    """`features` weighted sums of the last axis of x: (..., i) to (..., o), in the type of W.

    Args:
        features: o, the number of outputs.
        bias: whether b is added.
        W_init: rule for W (i, o); Glorot uniform by default. PyTorch draws from ±1/√i instead.

    Raises:
        SettingError: features that are no whole number of at least 1, or no rule for W.
        ShapeError: x has no axis besides the examples.

    >>> Dense(3).shape((8, 5))
    (8, 3)
    >>> Dense(3).cost((8, 5)).forward  # n·i·o multiply-adds at two FLOPs, n·o for the bias
    264
    """

    features: int
    bias: bool = True
    W_init: Initializer = Glorot()

    rectifies = masks = True

    equations = Equations(
        forward=(r"Y = X W + b",),
        backward=(r"dX = dY\, W^\top", r"dW = X^\top dY", r"db = \sum_n dY_n"),
        source="Rumelhart, Hinton and Williams 1986",
    )

    def __post_init__(self):
        settle_whole(self, "features")
        require_rules(self, "W_init")

    def mixes_steps(self, x):
        return len(x) < 3

    def shape(self, x):
        if len(x) < 2:
            raise ShapeError(
                f"Dense({self.features}): expected an input of shape (n, ..., i), got {x}; "
                "reshape single numbers to (n, 1)"
            )
        return (*x[:-1], self.features)

    def init(self, rng, x):
        i, o = x[-1], self.features
        params = {"W": self.W_init(rng, (i, o), i, o)}
        if self.bias:
            params["b"] = np.zeros(o, np.float32)
        return params

    def forward(self, params, x, context):
        return self.weigh(params, x)

    def forward_rectified(self, params, x):
        return self.weigh(params, x, rectified=True)

    def weigh(self, params, x, rectified=False):
        """(y, saved), or max(0, y)."""
        x = x.astype(params["W"].dtype)
        y = weighted(rows(x), params["W"], params.get("b"), rectified)  # (n, o)
        return y.reshape(self.shape(x.shape)), x

    def backward(self, params, saved, dy):
        return self.derive(params, saved, dy)

    def backward_masked(self, params, saved, dy):
        return self.derive(params, saved, dy, rows(saved))

    def derive(self, params, x, dy, y=None):
        """(dx, dparams), dx masked by y (n, i) where that is given."""
        dy = rows(dy).astype(x.dtype)  # (n, o)
        dx = weighted_dx(dy, params["W"], y)  # (n, i)
        return dx.reshape(x.shape), weighted_dparams(rows(x), dy, self.bias)

    def example_norms(self, params, x, dy, context):
        """‖x_n‖² ‖dy_n‖²; of several rows Σ_{r,s} (x_nr · x_ns) (dy_nr · dy_ns), where that takes less memory."""
        n, (i, o) = len(x), params["W"].shape
        r = size(x.shape[1:-1])
        if r * (i + o) > i * o:
            return super().example_norms(params, x, dy, context)
        x, dy = wide(x.astype(params["W"].dtype)).reshape(n, r, i), wide(dy).reshape(n, r, o)
        squares = (gram(x) * gram(dy)).sum((1, 2))  # (n,)
        return squares + (dy.sum(1) ** 2).sum(-1) if self.bias else squares

    def cost(self, x):
        n, i, o = size(x[:-1]), x[-1], self.features
        bias = int(self.bias)
        return Cost(
            forward=2 * n * i * o + bias * n * o,
            backward=4 * n * i * o + bias * (n - 1) * o,
            input_gradient=2 * n * i * o,
            parameters=i * o + bias * o,
            keeps_x=True,
        )

    @classmethod
    def examples(cls):
        yield cls(3), (7, 5)
        yield cls(3, bias=False), (7, 5)
        yield cls(6), (2, 3, 5)


def rows(x):
    """All examples, and what lies between them and the features, one below the other."""
    return x.reshape(-1, x.shape[-1])  # (n, i)


def gram(x):
    """The products of each example's rows (n, r, i) with each other."""
    if x.shape[1] == 1:
        return (x * x).sum(-1, keepdims=True)  # (n, 1, 1)
    return jnp.einsum("nri,nsi->nrs", x, x)
