"""The product of two matrices, C = A B, with either transposed: what a dense layer is made of."""

from functools import partial

import jax

from deltarule.kernels import native
from deltarule.kernels.shares import EXAMPLES, WHOLE, apart

ENOUGH = 1 << 19  # FLOPs, from which oneDNN's call is as fast as XLA's; where A is transposed it always is
LINE = 16  # numbers that a processor multiplies at once


def product(a: jax.Array, b: jax.Array, a_transposed: bool = False, b_transposed: bool = False) -> jax.Array:
    """C (r, c) from A (r, k) and B (k, c); where it says transposed, from A (k, r) or B (c, k).

    The rows of A as it is given are examples, and so are those of B where A is transposed.
    """

    def xla(a, b):
        return (a.T if a_transposed else a) @ (b.T if b_transposed else b)  # (r, c)

    rows, inner = a.shape[::-1] if a_transposed else a.shape
    columns = b.shape[0 if b_transposed else 1]
    if a_transposed and columns < LINE <= rows:
        return product(b, a, a_transposed=not b_transposed).T
    if 2 * rows * inner * columns < ENOUGH and not a_transposed:
        return xla(a, b)
    transposed = {"a_transposed": a_transposed, "b_transposed": b_transposed}
    computed = partial(native.choose, "deltarule_product", xla, xla, **transposed)
    ins, outs = ((EXAMPLES, EXAMPLES), WHOLE) if a_transposed else ((EXAMPLES, WHOLE), EXAMPLES)
    return apart(computed, (a, b), ins, outs)
