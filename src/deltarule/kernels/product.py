"""The product of two matrices, C = A B, with either transposed, and the gradients of a dense layer: dW and db."""

from functools import partial

import jax

from deltarule.kernels import native
from deltarule.kernels.shares import EXAMPLES, WHOLE, apart

ENOUGH = 1 << 13  # FLOPs, from which a native call is as fast as XLA's product; where A is transposed it always is


def product(a: jax.Array, b: jax.Array, a_transposed: bool = False, b_transposed: bool = False) -> jax.Array:
    """C (r, c) from A (r, k) and B (k, c); where it says transposed, from A (k, r) or B (c, k).

    The rows of A as it is given are examples, and so are those of B where A is transposed.
    """

    def xla(a, b):
        return (a.T if a_transposed else a) @ (b.T if b_transposed else b)  # (r, c)

    if 2 * a.size * b.shape[0 if b_transposed else 1] < ENOUGH and not a_transposed:
        return xla(a, b)
    transposed = {"a_transposed": a_transposed, "b_transposed": b_transposed}
    computed = partial(native.choose, "deltarule_product", xla, xla, **transposed)
    ins, outs = ((EXAMPLES, EXAMPLES), WHOLE) if a_transposed else ((EXAMPLES, WHOLE), EXAMPLES)
    return apart(computed, (a, b), ins, outs)


def gradients(x: jax.Array, dy: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(dW, db) = (xᵀ dy, Σ_n dy_n), (i, o) and (o,), from inputs x (n, i) and dy (n, o)."""

    def xla(x, dy):
        return x.T @ dy, dy.sum(0)

    computed = partial(native.choose, "deltarule_gradients", xla, xla)
    return apart(computed, (x, dy), (EXAMPLES, EXAMPLES), (WHOLE, WHOLE))
