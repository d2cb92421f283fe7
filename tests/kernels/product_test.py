"""Products of two matrices and the three of a dense layer, in XLA's form and the native one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.kernels import native
from deltarule.kernels.product import product, weighted, weighted_dparams, weighted_dx

installed = pytest.mark.skipif(native.companion()[0] is None, reason=f"the kernels are {native.described()}")
every_form = pytest.mark.parametrize(("a_transposed", "b_transposed"), [(0, 0), (0, 1), (1, 0), (1, 1)])


def case(rows, inner, columns, a_transposed, b_transposed):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(rows, inner)), rng.normal(size=(inner, columns))
    arguments = [jnp.asarray(m.T if t else m, jnp.float32) for m, t in ((a, a_transposed), (b, b_transposed))]
    return arguments, a @ b


SIZES = [
    (5, 3, 4),
    (64, 257, 300),
    (701, 99, 130),
    (17, 4000, 33),
    (1, 1500, 1501),
    (40, 30, 7),
    (29, 1024, 1040),
    (33, 70, 3),
    (45, 70, 1),
    (67, 33, 2),
    (64, 48, 4),
    (13, 31, 50),
    (1200, 1000, 20),
]
every_size = pytest.mark.parametrize("sizes", SIZES, ids=str)


@pytest.fixture(params=["native", "xla"])
def kernels(request, monkeypatch):
    if request.param == "xla":
        monkeypatch.setattr(native, "companion", lambda: (None, "XLA"))
    return request.param


def near(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@every_form
@every_size
def test_it_is_the_product(sizes, a_transposed, b_transposed):
    (a, b), expected = case(*sizes, a_transposed, b_transposed)
    near(jax.jit(lambda a, b: product(a, b, bool(a_transposed), bool(b_transposed)))(a, b), expected)


@every_size
@pytest.mark.parametrize("bias", [True, False])
def test_bias_and_relu_are_had_in_the_same_pass(sizes, bias, kernels):
    (x, W), expected = case(*sizes, False, False)
    b = np.random.default_rng(1).normal(size=sizes[-1]).astype(np.float32) if bias else None
    expected = expected + b if bias else expected
    near(jax.jit(lambda x, W: weighted(x, W, b))(x, W), expected)
    near(jax.jit(lambda x, W: weighted(x, W, b, rectified=True))(x, W), np.maximum(expected, 0))


@every_size
def test_dx_is_masked_in_the_same_pass(sizes, kernels):
    (dy, W), expected = case(*sizes, False, True)
    y = np.maximum(np.random.default_rng(1).normal(size=expected.shape), 0).astype(np.float32)
    y.flat[:3] = -1, np.nan, 0
    near(jax.jit(lambda dy, W: weighted_dx(dy, W, y))(dy, W), np.where(y > 0, expected, 0))


def test_relu_in_the_same_pass_lets_through_what_is_not_a_number(kernels):
    for sizes in ((64, 65, 70), (29, 1024, 1040), (64, 64, 2)):
        (x, W), _ = case(*sizes, False, False)
        y = jax.jit(lambda x, W: weighted(x, W, W[0], rectified=True))(x.at[3, 1].set(np.nan), W)
        assert np.isnan(y[3]).all()
        assert np.isfinite(np.delete(y, 3, 0)).all()


@pytest.mark.parametrize(("n", "i", "o"), [(1, 3, 5), (129, 40, 17), (700, 300, 310), (64, 256, 2), (50, 1, 1)])
def test_dparams_are_a_product_and_sums(n, i, o):
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(n, i)), rng.normal(size=(n, o))
    for bias in (True, False):
        both = jax.jit(lambda x, dy, bias=bias: weighted_dparams(x, dy, bias))
        dparams = both(jnp.asarray(x, jnp.float32), jnp.asarray(dy, jnp.float32))
        assert set(dparams) == ({"W", "b"} if bias else {"W"})
        np.testing.assert_allclose(dparams["W"], x.T @ dy, rtol=1e-4, atol=1e-4 * n**0.5)
        if bias:
            np.testing.assert_allclose(dparams["b"], dy.sum(0), rtol=1e-5, atol=1e-5 * n**0.5)


def test_rounding_of_sums_hardly_grows_with_their_number():
    x, dy = jnp.ones((1 << 20, 1)), jnp.full((1 << 20, 2), 0.1, jnp.float32)
    dparams = jax.jit(lambda x, dy: weighted_dparams(x, dy, bias=True))(x, dy)
    np.testing.assert_allclose(dparams["b"], (1 << 20) * float(np.float32(0.1)), rtol=1e-4)


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
