"""The product of two matrices, C = A B, with either transposed, and the three of a dense layer, y = x W + b.

dx = dy Wᵀ    dW = xᵀ dy    db = Σ_n dy_n
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax

from deltarule.kernels import native
from deltarule.kernels.rectified import finished, masked
from deltarule.kernels.shares import EXAMPLES, WHOLE, apart

ENOUGH = 1 << 13  # FLOPs, from which a native call is as fast as XLA's product; where A is transposed it always is


def product(a: jax.Array, b: jax.Array, a_transposed: bool = False, b_transposed: bool = False) -> jax.Array:
    """C (r, c) from A (r, k) and B (k, c); where it says transposed, from A (k, r) or B (c, k).

    The rows of A as it is given are examples, and so are those of B where A is transposed.
    """

    def xla(a, b):
        return (a.T if a_transposed else a) @ (b.T if b_transposed else b)  # (r, c)

    return computed(xla, a, b, a_transposed=a_transposed, b_transposed=b_transposed)


def weighted(x: jax.Array, W: jax.Array, b: jax.Array | None = None, rectified: bool = False) -> jax.Array:
    """y (n, o) from x (n, i) and W (i, o), plus b (o,); max(0, y) where rectified."""

    def xla(x, W, *b):
        return finished(x @ W, *b, rectified=rectified)

    return computed(xla, x, W, b, WHOLE, relu=rectified)


def weighted_dx(dy: jax.Array, W: jax.Array, y: jax.Array | None = None) -> jax.Array:
    """dx (n, i) from dy (n, o) and W (i, o), masked by y (n, i) where that is given."""

    def xla(dy, W, *y):
        return masked(dy @ W.T, *y)

    return computed(xla, dy, W, y, EXAMPLES, b_transposed=True)


def weighted_dparams(x: jax.Array, dy: jax.Array, bias: bool) -> dict[str, jax.Array]:
    """W: dW (i, o), and where there is a bias b: db (o,), from x (n, i) and dy (n, o)."""

    def xla(x, dy):
        dparams = {"W": x.T @ dy}
        return dparams | {"b": dy.sum(0)} if bias else dparams

    return computed(xla, x, dy, a_transposed=True)


def computed(
    xla: Callable,
    a: jax.Array,
    b: jax.Array,
    beside: jax.Array | None = None,
    spec: Any = None,
    a_transposed: bool = False,
    b_transposed: bool = False,
    relu: bool = False,
) -> Any:
    """`xla(a, b, beside)` natively where that takes no longer; `spec` says what the rows of `beside` are."""
    if 2 * a.size * b.shape[0 if b_transposed else 1] < ENOUGH and not a_transposed:
        here = xla
    else:
        settings = {"a_transposed": a_transposed, "b_transposed": b_transposed, "relu": relu}
        here = partial(native.choose, "deltarule_product", xla, xla, **settings)
    ins, outs = ((EXAMPLES, EXAMPLES), WHOLE) if a_transposed else ((EXAMPLES, WHOLE), EXAMPLES)
    if beside is None:
        return apart(here, (a, b), ins, outs)
    return apart(here, (a, b, beside), (*ins, spec), outs)
