"""The products of a convolution: XLA's forms against autodiff, and the native ones against XLA's."""

from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deltarule import errors
from deltarule.inspect.count import count_flops
from deltarule.kernels import convolution, native, unrolled
from deltarule.kernels.convolution import convolve, convolve_dK, convolve_dparams, convolve_dx
from deltarule.kernels.product import product
from deltarule.kernels.window import Window, window
from deltarule.layers import ConvolutionTranspose

SHAPES = [  # x, kernel, stride, padding, dilation, groups, features
    ((3, 9, 2), 3, 1, "same", 1, 1, 5),
    ((5, 9, 4), 3, 2, ((4, 5),), 2, 4, 8),
    ((3, 7, 8, 4), (3, 2), (2, 1), ((1, 2), (0, 1)), 1, 1, 6),
    ((3, 7, 8, 4), (3, 2), (2, 3), "same", (1, 2), 2, 6),
    ((5, 9, 8, 6), 3, 1, 1, 1, 6, 6),
    ((5, 9, 8, 6), 3, 1, 1, 1, 6, 12),
    ((1, 9, 8, 6), 5, 1, 2, 1, 1, 12),
    ((3, 8, 9, 5), 1, 2, "valid", 1, 1, 7),
    ((2, 4, 5, 6, 2), (1, 2, 3), (1, 2, 2), 1, 1, 1, 3),
]
IN_TILES = [  # natively, of enough features
    ((3, 23, 9), 3, 2, ((4, 0),), 3, 1, 33),
    ((3, 7, 11, 16), (3, 2), (2, 3), ((1, 2), (0, 1)), 1, 1, 18),
    ((13, 4, 5, 8), 3, 1, 1, 1, 1, 70),
    ((5, 2, 7, 10), 5, 1, 2, 1, 1, 8),
    ((3, 9, 8, 20), 3, (1, 2), 1, 1, 20, 20),
    ((3, 9, 8, 16), 1, (1, 2), "valid", 1, 1, 9),
    ((2, 4, 5, 11, 8), (1, 2, 3), (1, 2, 1), 1, (1, 1, 2), 1, 16),
]
MANY = ((7, 64, 64, 3), 3, 1, 1, 1, 1, 48)  # several chunks a thread, of unequal size
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
installed = pytest.mark.skipif(native.companion()[0] is None, reason=f"the kernels are {native.described()}")


def case(shape, dtype):
    """(window, groups, space) and random x, K, dy."""
    x, k, stride, padding, dilation, groups, o = shape
    found = window("case", x, k, stride, padding, dilation)
    rng = np.random.default_rng(0)
    shapes = [x, (*found.size, x[-1] // groups, o), (x[0], *found.output(x[1:-1]), o)]
    return (found, groups, x[1:-1]), *(jnp.asarray(rng.normal(size=s), dtype) for s in shapes)


def products(geometry, x, K, dy):
    found, groups, space = geometry
    return (
        jax.jit(lambda x, K: convolve(x, K, found, groups))(x, K),
        jax.jit(lambda dy, K: convolve_dx(dy, K, found, space, groups))(dy, K),
        jax.jit(lambda x, dy: convolve_dK(x, dy, found, groups))(x, dy),
    )


def rectified(geometry, x, K, dy):
    """(y, dx, dparams) with a bias, and ReLU taken along."""
    found, groups, space = geometry
    b = jnp.asarray(np.random.default_rng(1).normal(size=dy.shape[-1]), x.dtype)

    @jax.jit
    def both(x, K, dy):
        y = convolve(x, K, found, groups, b, rectified=True)
        dx = convolve_dx(dy, K, found, space, groups, y)
        return y, dx, convolve_dparams(x, dy, found, groups, bias=True, y=y)

    def plain(x, K, b):
        return jnp.maximum(convolve(x, K, found, groups) + b, 0)

    return both, plain, b


def without_native(monkeypatch):
    monkeypatch.setattr(native, "companion", lambda: (None, "XLA"))


@every_shape
def test_the_gradients_are_those_of_autodiff(shape):
    with jax.enable_x64(True):
        geometry, x, K, dy = case(shape, np.float64)
        y, dx, dK = products(geometry, x, K, dy)
        expected_y, vjp = jax.vjp(lambda x, K: convolve(x, K, *geometry[:2]), x, K)
        for got, expected in zip((y, dx, dK), (expected_y, *vjp(dy)), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


@every_shape
def test_bias_and_relu_in_one_pass_are_those_of_autodiff(shape):
    with jax.enable_x64(True):
        geometry, x, K, dy = case(shape, np.float64)
        both, plain, b = rectified(geometry, x, K, dy)
        y, dx, dparams = both(x, K, dy)
        expected_y, vjp = jax.vjp(plain, x, K, b)
        assert set(dparams) == {"K", "b"}
        for got, expected in zip((y, dx, *dparams.values()), (expected_y, *vjp(dy)), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


@every_shape
def test_columns_that_would_not_fit_are_not_made(shape, monkeypatch):
    without_native(monkeypatch)
    given = case(shape, np.float32)
    expected = products(*given)
    monkeypatch.setattr(unrolled, "MOST", 0)
    monkeypatch.setattr(unrolled, "columns", None)
    for got, other in zip(products(*given), expected, strict=True):
        np.testing.assert_allclose(got, other, rtol=1e-5, atol=1e-5 * float(jnp.abs(other).max()))


@every_shape
def test_every_product_counts_the_same_flops_as_xla_does(shape):
    (found, groups, space), x, K, dy = case(shape, np.float32)
    for program, arguments in (
        (lambda x, K: convolve(x, K, found, groups), (x, K)),
        (lambda dy, K: convolve_dx(dy, K, found, space, groups), (dy, K)),
        (lambda x, dy: convolve_dK(x, dy, found, groups), (x, dy)),
    ):
        flops = 2 * x.shape[0] * np.prod([sum(axis) for axis in found.taps(space)]) * K.shape[-2] * K.shape[-1]
        assert count_flops(program, *arguments) == flops


@installed
@pytest.mark.parametrize("shape", [*SHAPES, *IN_TILES], ids=str)
def test_native_equals_xla(shape, monkeypatch):
    given = case(shape, np.float32)
    got = products(*given)
    without_native(monkeypatch)
    for one, other in zip(got, products(*given), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5 * float(jnp.abs(other).max()))


@installed
@pytest.mark.parametrize("shape", [*SHAPES, *IN_TILES, MANY], ids=str)
def test_native_bias_and_relu_in_one_pass_equal_xla(shape, monkeypatch):
    geometry, *arrays = case(shape, np.float32)
    both, *_ = rectified(geometry, *arrays)
    got = both(*arrays)
    jax.tree.map(np.testing.assert_array_equal, both(*arrays), got)  # whoever was free
    without_native(monkeypatch)
    both, *_ = rectified(geometry, *arrays)
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(both(*arrays)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5 * float(jnp.abs(other).max()))


@pytest.mark.parametrize("kernels", ["native", "xla"])
def test_relu_in_the_same_pass_lets_through_what_is_not_a_number(kernels, monkeypatch):
    if kernels == "xla":
        without_native(monkeypatch)
    geometry, x, K, dy = case(SHAPES[2], np.float32)
    both, *_ = rectified(geometry, x, K, dy)
    y, *_ = both(x.at[0, 0, 0, 0].set(np.nan), K, dy)
    assert np.isnan(y[0, 0, 0]).all()
    assert np.isfinite(y[1:]).all()


@pytest.mark.skipif(not getattr(native.companion()[0], "BFLOAT16", False), reason="bfloat16 is not native here")
def test_bias_and_relu_in_bfloat16_are_near_float32():
    geometry, *arrays = case(SHAPES[2], jnp.bfloat16)
    got = rectified(geometry, *arrays)[0](*arrays)
    wide = [a.astype(jnp.float32) for a in arrays]
    for one, other in zip(
        map(jnp.float32, jax.tree.leaves(got)), jax.tree.leaves(rectified(geometry, *wide)[0](*wide)), strict=True
    ):
        differ = np.abs(one - other) > 2**-6 * float(jnp.abs(other).max())
        assert differ.mean() < 0.02  # but for a y whose sign is another


@pytest.mark.skipif(not getattr(native.companion()[0], "BFLOAT16", False), reason="bfloat16 is not native here")
@every_shape
def test_native_in_bfloat16_is_near_float32(shape):
    geometry, *arrays = case(shape, jnp.bfloat16)
    assert native.takes("deltarule_convolution_y", *arrays)
    got = products(geometry, *arrays)
    expected = products(geometry, *(a.astype(jnp.float32) for a in arrays))
    for one, other in zip(got, expected, strict=True):
        assert one.dtype == jnp.bfloat16
        within = 2**-7 * float(jnp.abs(other).max())
        np.testing.assert_allclose(one.astype(jnp.float32), other, rtol=0, atol=within)


@pytest.mark.skipif(not getattr(native.companion()[0], "BFLOAT16", False), reason="bfloat16 is not native here")
def test_products_and_scans_in_bfloat16_are_left_to_xla():
    half = jnp.ones((512, 512), jnp.bfloat16)
    assert product(half, half).dtype == jnp.bfloat16
    assert not native.takes("deltarule_lstm_forward", half)


@installed
def test_native_takes_the_windows_of_a_transpose(monkeypatch):
    layers = [(layer, shape) for layer, shape in ConvolutionTranspose.examples()]
    rng = np.random.default_rng(0)
    for layer, shape in layers:
        params = layer.init(rng, shape)
        x, dy = (jnp.asarray(rng.normal(size=s), jnp.float32) for s in (shape, layer.shape(shape)))
        runs = []
        for _ in range(2):
            y, saved = layer.forward(params, x, None)
            runs.append((y, layer.backward(params, saved, dy)))
            without_native(monkeypatch)
        monkeypatch.undo()
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), *runs)


@installed
def test_native_is_what_a_cpu_program_calls():
    (found, groups, _), x, K, _ = case(SHAPES[2], np.float32)
    text = jax.jit(lambda x, K: convolve(x, K, found, groups)).lower(x, K).compile().as_text()
    assert "deltarule_convolution_y" in text
    assert "convolution(" not in text


@installed
def test_mapped_over_models_native_equals_a_loop():
    (found, groups, _), x, K, _ = case(SHAPES[3], np.float32)
    x, K = jnp.stack([x, 2 * x]), jnp.stack([K, K - 1])
    mapped = jax.vmap(lambda x, K: convolve(x, K, found, groups))(x, K)
    for m in range(2):
        np.testing.assert_allclose(mapped[m], convolve(x[m], K[m], found, groups), rtol=1e-6)


@installed
def test_native_is_safe_from_several_threads():
    cases = [case(shape, np.float32) for shape in SHAPES]
    alone = [products(*each) for each in cases]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda i: products(*cases[i % len(cases)]), range(6 * len(cases))))
    for index, run in enumerate(together):
        for got, expected in zip(run, alone[index % len(cases)], strict=True):
            np.testing.assert_array_equal(got, expected)


def test_an_empty_batch_gives_zeros():
    found = Window((3,), (1,), ((1, 1),), (1,))
    dK = jax.jit(lambda x, dy: convolve_dK(x, dy, found))(jnp.zeros((0, 5, 2)), jnp.zeros((0, 5, 3)))
    np.testing.assert_array_equal(dK, np.zeros((3, 2, 3)))


def test_an_input_without_features_gives_the_bias():
    found, b = Window((3,), (1,), ((1, 1),), (1,)), jnp.arange(4.0)
    y = jax.jit(lambda x, K: convolve(x, K, found, b=b))(jnp.zeros((2, 5, 0)), jnp.zeros((3, 0, 4)))
    np.testing.assert_array_equal(y, np.broadcast_to(b, (2, 5, 4)))


def test_the_environment_chooses_the_kernels(monkeypatch):
    native.companion.cache_clear()
    try:
        monkeypatch.setenv("DELTARULE_KERNELS", "xla")
        assert native.described() == "XLA, as DELTARULE_KERNELS asks"
        native.companion.cache_clear()
        monkeypatch.setenv("DELTARULE_KERNELS", "cuda")
        with pytest.raises(errors.SettingError, match="expected auto, xla or onednn, got 'cuda'"):
            native.described()
        monkeypatch.setitem(__import__("sys").modules, "deltarule_onednn", None)
        monkeypatch.setenv("DELTARULE_KERNELS", "onednn")
        with pytest.raises(errors.SettingError, match=r"deltarule-onednn .*; `make native` builds it"):
            native.described()
        monkeypatch.setenv("DELTARULE_KERNELS", "auto")
        assert native.described().startswith("XLA (deltarule-onednn")
    finally:
        native.companion.cache_clear()


def test_axes_are_named_by_words():
    assert convolution.axes("C_N", "I_O", "_NC", 2).lhs_spec == (3, 0, 1, 2)


@installed
def test_a_companion_of_another_version_is_left_alone_and_told(monkeypatch):
    monkeypatch.delenv("DELTARULE_KERNELS", raising=False)
    monkeypatch.setattr(native, "VERSION", "0.0.9")
    native.companion.cache_clear()
    try:
        assert native.companion()[0] is None
        assert f"it is {native.metadata.version('deltarule-onednn')}, and 0.0.9 is called" in native.described()
    finally:
        native.companion.cache_clear()
