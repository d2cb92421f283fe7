"""The way back through max pooling: slices in XLA, and on a CPU a native pass over the windows.

XLA computes the index of a maximum inside whatever reads it: once more for every number of dx, from the
convolution that lies below. Slices of few channels it walks number by number besides, and there the native pass,
which reads the index as an array, takes half of the step's time away.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.kernels import native
from deltarule.kernels.shares import EXAMPLES, apart
from deltarule.kernels.taps import write_back
from deltarule.kernels.window import Window

FEW = 16  # channels, from which XLA computes a slice of them side by side


def give_back(window: Window, space: tuple[int, ...], index: jax.Array, dy: jax.Array) -> jax.Array:
    """dx (n, d.., i), from the number of the tap that each window took (n, e.., i) and dy (n, e.., i)."""

    def share(m, index, dy):
        return jnp.where(index == m, dy, 0)

    xla = partial(write_back, window, space, share)
    if index.dtype != np.uint8 or dy.shape[-1] >= FEW:
        return xla(index, dy)
    front = tuple(front for front, _ in window.padding)
    settings = {"size": window.size, "stride": window.stride, "dilation": window.dilation, "front": front}
    computed = partial(native.choose, "deltarule_max_pool_backward", xla, xla, **settings)
    return apart(computed, (index, dy), (EXAMPLES, EXAMPLES), EXAMPLES)
