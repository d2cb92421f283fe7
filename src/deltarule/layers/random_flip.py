"""A random mirror image, Y_{n,j} = X_{n, w−1−j} with probability p and X_{n,j} otherwise."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from deltarule.errors import SettingError, ShapeError
from deltarule.layers.layer import Cost, Equations, Layer
from deltarule.layers.random_bits import random_words
from deltarule.settings import is_number, settle_whole


@dataclass(frozen=True)
class RandomFlip(Layer):
    """In training mirrors each example by itself along one axis of space; predictions are the identity.

    Args:
        axis: the axis that is mirrored; 2 is the width of images (n, h, w, i), 1 their height.
        probability: p of the mirror image, held to within 2^-32.

    Raises:
        SettingError: a probability outside [0, 1].
        ShapeError: x has no such axis between the examples and the channels.

    >>> RandomFlip().shape((8, 32, 32, 3))
    (8, 32, 32, 3)
    """

    axis: int = 2
    probability: float = 0.5

    equations = Equations(
        forward=(r"P(F_n = 1) = p", r"Y_{n,j} = F_n X_{n,w-1-j} + (1 - F_n) X_{n,j}"),
        backward=(r"dX_{n,j} = F_n\, dY_{n,w-1-j} + (1 - F_n)\, dY_{n,j}",),
        source="Krizhevsky, Sutskever and Hinton 2012",
    )

    def __post_init__(self):
        settle_whole(self, "axis", least=0)
        if not (is_number(self.probability) and 0 <= self.probability <= 1):
            raise SettingError(f"RandomFlip: probability must be a number in [0, 1], got {self.probability!r}")

    @property
    def draws(self):
        return True

    def shape(self, x):
        if not 1 <= self.axis <= len(x) - 2:
            raise ShapeError(
                f"RandomFlip({self.axis}): expected an axis of space, from 1 to {len(x) - 2} (0 are the examples, "
                f"the last the channels), got {x}"
            )
        return x

    def flipped(self, key, x):
        threshold = np.uint32(min(round(self.probability * 2**32), 2**32 - 1))
        flips = random_words(key, (len(x),)) < threshold  # (n,)
        return jnp.where(flips.reshape(-1, *(1 for _ in x.shape[1:])), jnp.flip(x, self.axis), x)  # (n, d.., i)

    def forward(self, params, x, context):
        self.shape(x.shape)
        key = context.key
        return self.flipped(key, x), key

    def backward(self, params, saved, dy):
        key = saved
        return self.flipped(key, dy), {}

    def predict(self, params, x, memory):
        return x

    def cost(self, x):
        return Cost(forward=0, backward=0, marks=8)

    @classmethod
    def examples(cls):
        yield cls(), (5, 3, 4, 2)
        yield cls(axis=1, probability=0.7), (5, 4, 2)
