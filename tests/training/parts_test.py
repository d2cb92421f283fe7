import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.training.parts import scan_parts


@pytest.mark.parametrize(("n", "size"), [(1, 1), (5, 1), (6, 3), (7, 3), (2, 3), (5, 5)])
def test_every_row_counts_once_and_in_order(n, size):
    rows = {"a": jnp.arange(n), "b": jnp.arange(2 * n).reshape(n, 2)}

    def append(carry, part):
        count, seen = carry
        seen = jax.lax.dynamic_update_slice(seen, part["a"], (count,))
        return (count + len(part["a"]), seen), part["b"]

    (count, seen), outputs, last = scan_parts(append, (0, jnp.full(n + size, -1)), rows, size)
    assert count == n
    assert seen[:n].tolist() == list(range(n))
    together = [outputs.reshape(-1, 2), *([] if last is None else [last])]
    np.testing.assert_array_equal(np.concatenate(together), rows["b"])
    assert (last is None) == (n % size == 0)
