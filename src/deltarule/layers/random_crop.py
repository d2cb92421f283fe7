"""A random crop, Y_{n,j} = X_{n, j + s_n}: a part of each image, from its own corner s_n on."""

from dataclasses import dataclass

import jax.numpy as jnp

from deltarule.errors import ShapeError
from deltarule.kernels.window import check_window
from deltarule.layers.layer import Cost, Equations, Layer, Shape, Static
from deltarule.layers.random_bits import random_words
from deltarule.layers.slices import slice_each


@dataclass(frozen=True)
class RandomCrop(Layer):
    """In training crops each image by itself; predictions take the centre: (n, h, w, i) to (n, height, width, i).

    Where an odd number of pixels is cut, the centre crop leaves the odd one below and right, as Keras does;
    torchvision rounds to the nearest even.

    Args:
        height, width: of the crop; every corner at which it fits is equally likely.

    Raises:
        SettingError: height or width below 1.
        ShapeError: x is not images, or smaller than the crop.

    >>> RandomCrop(28, 24).shape((8, 32, 32, 3))
    (8, 28, 24, 3)
    """

    height: int
    width: int

    equations = Equations(
        forward=(r"s_n \sim U\{0, \ldots, h - h'\}", r"Y_{n,j} = X_{n,j+s_n}"),
        backward=(r"dX_{n,j} = dY_{n,j-s_n}",),
        source="Krizhevsky, Sutskever and Hinton 2012",
    )

    def __post_init__(self):
        check_window("RandomCrop", height=self.height, width=self.width)

    @property
    def draws(self):
        return True

    def shape(self, x):
        if len(x) != 4:
            raise ShapeError(f"RandomCrop: expected images (n, h, w, i), got {x}")
        if x[1] < self.height or x[2] < self.width:
            raise ShapeError(
                f"RandomCrop({self.height}, {self.width}): the crop is larger than the images, {x[1]} × {x[2]} in "
                f"{x}; take a smaller crop, or RandomShift, which pads"
            )
        return (x[0], self.height, self.width, x[3])

    def corners(self, key, x: Shape):
        places = jnp.array([x[1] - self.height + 1, x[2] - self.width + 1], jnp.uint32)
        return (random_words(key, (x[0], 2)) % places).astype(jnp.int32)  # (n, 2)

    def forward(self, params, x, context):
        key, (_, h, w, _) = context.key, self.shape(x.shape)
        s = self.corners(key, x.shape)  # (n, 2)
        y = slice_each(slice_each(x, 1, s[:, 0], h), 2, s[:, 1], w)  # (n, h', w', i)
        return y, (key, Static(x.shape))

    def backward(self, params, saved, dy):
        key, x = saved
        _, h, w, _ = x.shape
        s = self.corners(key, x.shape)  # (n, 2)
        return slice_each(slice_each(dy, 1, -s[:, 0], h), 2, -s[:, 1], w), {}  # (n, h, w, i)

    def predict(self, params, x, memory):
        _, height, width, _ = self.shape(x.shape)
        top, left = (x.shape[1] - height) // 2, (x.shape[2] - width) // 2
        return x[:, top : top + height, left : left + width]  # (n, h', w', i)

    def cost(self, x):
        return Cost(forward=0, backward=0, marks=8)

    @classmethod
    def examples(cls):
        yield cls(3, 2), (5, 4, 6, 2)
        yield cls(4, 5), (3, 4, 6, 2)
