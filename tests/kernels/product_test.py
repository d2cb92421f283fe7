"""The product of two matrices: XLA's form and the native one, transposed or not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.kernels import native
from deltarule.kernels.product import product

installed = pytest.mark.skipif(native.companion()[0] is None, reason=f"the kernels are {native.described()}")
every_form = pytest.mark.parametrize(("a_transposed", "b_transposed"), [(0, 0), (0, 1), (1, 0), (1, 1)])


def case(rows, inner, columns, a_transposed, b_transposed):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(rows, inner)), rng.normal(size=(inner, columns))
    arguments = [jnp.asarray(m.T if t else m, jnp.float32) for m, t in ((a, a_transposed), (b, b_transposed))]
    return arguments, a @ b


@every_form
@pytest.mark.parametrize(
    "sizes", [(5, 3, 4), (64, 257, 300), (701, 99, 130), (17, 4000, 33), (1, 1500, 1501), (40, 30, 7)]
)
def test_it_is_the_product(sizes, a_transposed, b_transposed):
    (a, b), expected = case(*sizes, a_transposed, b_transposed)
    got = jax.jit(lambda a, b: product(a, b, bool(a_transposed), bool(b_transposed)))(a, b)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@installed
def test_large_products_are_native_and_small_ones_are_not():
    def text(*sizes):
        (a, b), _ = case(*sizes, False, False)
        return jax.jit(product).lower(a, b).compile().as_text()

    assert "deltarule_product" in text(64, 784, 256)
    assert "deltarule_product" not in text(32, 64, 64)


def test_float64_and_unlike_types_are_left_to_xla(float64):
    (a, b), _ = case(64, 784, 256, False, False)
    np.testing.assert_allclose(product(a.astype(jnp.float64), b), a.astype(jnp.float64) @ b, rtol=1e-12)
