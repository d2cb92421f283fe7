"""Products of two matrices and the gradients of a dense layer, in XLA's form and the native one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.kernels import native
from deltarule.kernels.product import gradients, product

installed = pytest.mark.skipif(native.companion()[0] is None, reason=f"the kernels are {native.described()}")
every_form = pytest.mark.parametrize(("a_transposed", "b_transposed"), [(0, 0), (0, 1), (1, 0), (1, 1)])


def case(rows, inner, columns, a_transposed, b_transposed):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(rows, inner)), rng.normal(size=(inner, columns))
    arguments = [jnp.asarray(m.T if t else m, jnp.float32) for m, t in ((a, a_transposed), (b, b_transposed))]
    return arguments, a @ b


@every_form
@pytest.mark.parametrize(
    "sizes",
    [
        (5, 3, 4),
        (64, 257, 300),
        (701, 99, 130),
        (17, 4000, 33),
        (1, 1500, 1501),
        (40, 30, 7),
        (29, 1024, 1040),
        (33, 70, 3),
        (13, 31, 50),
        (1200, 1000, 20),
    ],
)
def test_it_is_the_product(sizes, a_transposed, b_transposed):
    (a, b), expected = case(*sizes, a_transposed, b_transposed)
    got = jax.jit(lambda a, b: product(a, b, bool(a_transposed), bool(b_transposed)))(a, b)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(("n", "i", "o"), [(1, 3, 5), (129, 40, 17), (700, 300, 310), (64, 256, 2), (50, 1, 1)])
def test_gradients_are_a_product_and_sums(n, i, o):
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(n, i)), rng.normal(size=(n, o))
    dW, db = jax.jit(gradients)(jnp.asarray(x, jnp.float32), jnp.asarray(dy, jnp.float32))
    np.testing.assert_allclose(dW, x.T @ dy, rtol=1e-4, atol=1e-4 * n**0.5)
    np.testing.assert_allclose(db, dy.sum(0), rtol=1e-5, atol=1e-5 * n**0.5)


def test_rounding_of_sums_hardly_grows_with_their_number():
    x, dy = jnp.ones((1 << 20, 1)), jnp.full((1 << 20, 2), 0.1, jnp.float32)
    _, db = jax.jit(gradients)(x, dy)
    np.testing.assert_allclose(db, (1 << 20) * float(np.float32(0.1)), rtol=1e-4)


@installed
def test_all_but_the_smallest_are_native():
    def text(*sizes):
        (a, b), _ = case(*sizes, False, False)
        return jax.jit(product).lower(a, b).compile().as_text()

    assert "deltarule_product" in text(64, 64, 2)
    assert "deltarule_product" not in text(8, 8, 8)


def test_float64_and_unlike_types_are_left_to_xla(float64):
    (a, b), _ = case(64, 784, 256, False, False)
    np.testing.assert_allclose(product(a.astype(jnp.float64), b), a.astype(jnp.float64) @ b, rtol=1e-12)
