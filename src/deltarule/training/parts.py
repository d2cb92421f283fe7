"""A loop over the parts of an array, the last of which may be smaller."""

from collections.abc import Callable
from typing import Any

import jax


def scan_parts(function: Callable, carry: Any, rows: Any, size: int) -> tuple[Any, Any, Any]:
    """`lax.scan` of `function(carry, part)` over groups of `size` rows, then once over the rows that remain.

    The remainder is a second body of the same program, so every row counts, once, and nothing is padded.

    Returns:
        (carry, outputs, last): the stacked outputs of the full groups, and that of the rest or None.

    >>> import jax.numpy as jnp
    >>> total, sums, last = scan_parts(lambda c, x: (c + x.sum(), x.sum()), 0, jnp.arange(5), 2)
    >>> int(total), sums.tolist(), int(last)
    (10, [1, 5], 4)
    """
    n = len(jax.tree.leaves(rows)[0])
    full = n - n % size
    groups = jax.tree.map(lambda a: a[:full].reshape(n // size, size, *a.shape[1:]), rows)
    carry, outputs = jax.lax.scan(function, carry, groups)
    if full == n:
        return carry, outputs, None
    carry, last = function(carry, jax.tree.map(lambda a: a[full:], rows))
    return carry, outputs, last
