"""The product of two matrices, C = A B, with either transposed: what a dense layer is made of."""

import jax

from deltarule.kernels import native

ENOUGH = 1 << 22  # FLOPs: below some 4 million, XLA's call is as fast as waking a second thread for oneDNN's


def product(a: jax.Array, b: jax.Array, a_transposed: bool = False, b_transposed: bool = False) -> jax.Array:
    """C (r, c) from A (r, k) and B (k, c); where it says transposed, from A (k, r) or B (c, k)."""

    def xla(a, b):
        return (a.T if a_transposed else a) @ (b.T if b_transposed else b)  # (r, c)

    rows, inner = a.shape[::-1] if a_transposed else a.shape
    columns = b.shape[0 if b_transposed else 1]
    if 2 * rows * inner * columns < ENOUGH:
        return xla(a, b)
    transposed = {"a_transposed": a_transposed, "b_transposed": b_transposed}
    return native.choose("deltarule_product", xla, xla, a, b, **transposed)
