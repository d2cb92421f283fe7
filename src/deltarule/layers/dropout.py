"""Dropout, Y = M ⊙ X / (1 − p), M_j = 0 with probability p and 1 otherwise, drawn anew in each step."""

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.layers.layer import Cost, Elementwise, Equations, Shape, size
from deltarule.layers.random_bits import random_words
from deltarule.settings import below_one, is_number


@dataclass(frozen=True)
class Dropout(Elementwise):
    """In training drops each number with probability `drop` and raises the others so that the mean stays.

    Predictions are the identity. Backward keeps the key (8 bytes) and draws the mask again.

    Args:
        drop: p, the probability to drop, in [0, 1), held to float32. The paper's p, and that of many
            texts, is the probability to keep; PyTorch's, Keras's and ONNX's is ours.

    Raises:
        SettingError: drop is out of range.

    >>> import jax, jax.numpy as jnp
    >>> from deltarule.layers.layer import Context
    >>> y, _ = Dropout(0.5).forward({}, jnp.ones(1000), Context(jax.random.key(0)))
    >>> sorted(set(y.tolist()))
    [0.0, 2.0]
    """

    drop: float

    numbers = ("drop",)
    equations = Equations(
        forward=(r"P(M_j = 0) = p", r"Y = \frac{M \odot X}{1 - p}"),
        backward=(r"dX = \frac{M \odot dY}{1 - p}",),
        source="Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov 2014, Dropout",
    )

    def __post_init__(self):
        if not isinstance(self.drop, jax.Array):
            hint = "; it is the probability to drop, where some texts' p is the probability to keep"
            held = np.float32(self.drop) if is_number(self.drop) else self.drop  # 0.99999999 is 1
            below_one(f"{type(self).__name__}({self.drop})", hint, drop=held)

    @property
    def draws(self):
        return not isinstance(self.drop, Real) or self.drop > 0

    def mask_shape(self, x: Shape) -> Shape:
        """The shape of M."""
        return x

    def masked(self, key, x):
        host = np if isinstance(self.drop, Real) else jnp  # a number is known when the step is compiled
        drop = host.asarray(self.drop, jnp.promote_types(x.dtype, jnp.float32))
        threshold = (drop.astype(np.float32) * np.float32(2**32)).astype(np.uint32)
        kept = random_words(key, self.mask_shape(x.shape)) >= threshold  # (n, ...)
        return jnp.where(kept, x * (1 / (1 - drop)).astype(x.dtype), 0)  # (n, ...)

    def forward(self, params, x, context):
        if not self.draws:
            return x, ()
        key = context.key
        return self.masked(key, x), key

    def backward(self, params, saved, dy):
        if not self.draws:
            return dy, {}
        key = saved
        return self.masked(key, dy), {}

    def predict(self, params, x, memory):
        return x

    def cost(self, x):
        if not self.draws:
            return Cost(forward=0, backward=0, alias=True)
        return Cost(forward=size(x), backward=size(x), input_gradient=size(x), marks=8, rebuilt=0)

    @classmethod
    def examples(cls) -> Iterator[tuple[Self, Shape]]:
        yield cls(0.4), (7, 5)
        yield cls(0.2), (2, 3, 4, 5)
        yield cls(0.0), (7, 5)
