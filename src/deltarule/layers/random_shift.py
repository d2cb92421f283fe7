"""A random shift by whole pixels, Y_{n,j} = X_{n, j + s_n}, zero where that lies outside the image."""

from dataclasses import dataclass

import jax.numpy as jnp

from deltarule.errors import ShapeError
from deltarule.kernels.window import check_window
from deltarule.layers.layer import Cost, Equations, Layer, Shape
from deltarule.layers.random_bits import random_words
from deltarule.layers.slices import slice_each


@dataclass(frozen=True)
class RandomShift(Layer):
    """In training moves each example by itself along every axis of space; predictions are the identity.

    This is the recipe of CIFAR: pad with zeros by `pixels` on each side, then crop the old size at random.

    Args:
        pixels: the largest shift; s is −pixels, ..., pixels, all equally likely, drawn for each axis.

    Raises:
        SettingError: pixels below 1.
        ShapeError: x has no axis of space, or one of no more than `pixels`, of which nothing would be left.

    >>> RandomShift(4).shape((8, 32, 32, 3))
    (8, 32, 32, 3)
    """

    pixels: int

    equations = Equations(
        forward=(r"s_n \sim U\{-p, \ldots, p\}", r"Y_{n,j} = X_{n,j+s_n}"),
        backward=(r"dX_{n,j} = dY_{n,j-s_n}",),
        source="He, Zhang, Ren and Sun 2016, Deep residual learning for image recognition, section 4.2",
    )

    def __post_init__(self):
        check_window("RandomShift", pixels=self.pixels)

    @property
    def draws(self):
        return True

    def shape(self, x):
        if len(x) < 3 or any(d <= self.pixels for d in x[1:-1]):
            raise ShapeError(
                f"RandomShift({self.pixels}): expected an input (n, ..., i) with axes of space longer than "
                f"{self.pixels}, got {x}; take fewer pixels"
            )
        return x

    def shifts(self, key, x: Shape):
        words = random_words(key, (x[0], len(x) - 2)) % (2 * self.pixels + 1)  # (n, axes)
        return words.astype(jnp.int32) - self.pixels  # (n, axes)

    def forward(self, params, x, context):
        key = context.key
        s = self.shifts(key, self.shape(x.shape))  # (n, axes)
        for axis in range(1, x.ndim - 1):
            x = slice_each(x, axis, s[:, axis - 1], x.shape[axis])  # (n, d.., i)
        return x, key

    def backward(self, params, saved, dy):
        key, dx = saved, dy
        s = self.shifts(key, dy.shape)  # (n, axes)
        for axis in range(1, dy.ndim - 1):
            dx = slice_each(dx, axis, -s[:, axis - 1], dy.shape[axis])  # (n, d.., i)
        return dx, {}

    def predict(self, params, x, memory):
        return x

    def cost(self, x):
        return Cost(forward=0, backward=0, marks=8)

    @classmethod
    def examples(cls):
        yield cls(2), (7, 5, 4, 2)
        yield cls(1), (3, 4, 2)
        yield cls(1), (2, 3, 2, 4, 2)
