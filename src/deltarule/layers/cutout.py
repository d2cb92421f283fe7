"""Cutout, Y_{n,j} = M_{n,j} X_{n,j}: a square of zeros at a random place in each image."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from deltarule.errors import ShapeError
from deltarule.kernels.window import check_window
from deltarule.layers.layer import Cost, Equations, Layer
from deltarule.layers.random_bits import random_words


@dataclass(frozen=True)
class Cutout(Layer):
    """In training sets a square of each example to zero; predictions are the identity.

    The square's centre is any pixel of the image, and what lies outside the image is cut off, as in the paper: so
    most squares at the border are smaller. Images should be centred, so that zero is their mean. In a series the
    square is a stretch of time, in volumes a cube.

    Args:
        size: the side. From the centre c it covers c − ⌊size/2⌋ to c − ⌊size/2⌋ + size − 1; the paper's code
            makes an odd side one smaller.

    Raises:
        SettingError: size below 1.
        ShapeError: x has no axis of space.

    >>> Cutout(8).shape((8, 32, 32, 3))
    (8, 32, 32, 3)
    """

    size: int

    equations = Equations(
        forward=(
            r"M_{n,j} = 1 - [c_n - \lfloor k/2 \rfloor \le j < c_n - \lfloor k/2 \rfloor + k]",
            r"Y = M \odot X",
        ),
        backward=(r"dX = M \odot dY",),
        source="DeVries and Taylor 2017",
    )

    def __post_init__(self):
        check_window("Cutout", size=self.size)

    @property
    def draws(self):
        return True

    def shape(self, x):
        if len(x) < 3:
            raise ShapeError(
                f"Cutout({self.size}): expected an input with axes of space between examples and features, such "
                f"as images (n, h, w, i), got {x}; for single numbers take Dropout"
            )
        return x

    def masked(self, key, x):
        n, *space, _ = self.shape(x.shape)
        centres = (random_words(key, (n, len(space))) % np.array(space, np.uint32)).astype(jnp.int32)  # (n, axes)
        inside = jnp.ones((n, *(1 for _ in space), 1), bool)  # (n, 1.., 1)
        for axis, d in enumerate(space):
            past = jnp.arange(d) - (centres[:, axis, None] - self.size // 2)  # (n, d)
            shape = (n, *(d if other == axis else 1 for other in range(len(space))), 1)
            inside &= ((past >= 0) & (past < self.size)).reshape(shape)  # (n, d.., 1)
        return jnp.where(inside, 0, x)  # (n, d.., i)

    def forward(self, params, x, context):
        key = context.key
        return self.masked(key, x), key

    def backward(self, params, saved, dy):
        key = saved
        return self.masked(key, dy), {}

    def predict(self, params, x, memory):
        return x

    def cost(self, x):
        return Cost(forward=0, backward=0, marks=8)

    @classmethod
    def examples(cls):
        yield cls(3), (5, 6, 7, 2)
        yield cls(2), (5, 6, 2)
        yield cls(2), (2, 3, 4, 5, 2)
