"""A slice of its own for each example, Y_{n,j} = X_{n, j + s_n}, zero where that lies outside X.

Its transpose is itself with −s_n: that places the slice where it came from.
"""

import jax
import jax.numpy as jnp


def slice_each(x: jax.Array, axis: int, start: jax.Array, length: int) -> jax.Array:
    """`length` positions along `axis` for every example, from its `start` (n,) on.

    >>> slice_each(jnp.array([[1, 2, 3], [4, 5, 6]]), 1, jnp.array([1, -1]), 3).tolist()
    [[2, 3, 0], [0, 4, 5]]
    """
    d = x.shape[axis]
    at = start[:, None] + jnp.arange(length)  # (n, j)
    at = at.reshape(len(x), *(length if other == axis else 1 for other in range(1, x.ndim)))  # (n, .., j, ..)
    y = jnp.take_along_axis(x, jnp.clip(at, 0, d - 1), axis, mode="clip")  # (n, .., j, .., i)
    return jnp.where((at >= 0) & (at < d), y, 0)  # (n, .., j, .., i)
