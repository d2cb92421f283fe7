"""Half precision, layer by layer: its types, its distance from float32, and sums that half could not hold."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deltarule import layers
from deltarule.layers.layer import Context, Layer
from deltarule.training.precision import lowered

LAYERS = [kind for kind in vars(layers).values() if isinstance(kind, type) and issubclass(kind, Layer)]
EXAMPLES = [example for kind in LAYERS for example in kind.examples()]
ROUNDINGS = 16  # how many of them in a row may err the same way, relative to the largest number
half_types = pytest.mark.parametrize("half", ["bfloat16", "float16"])


def case(layer, shape, half):
    """Parameters, input and cotangent that both half types hold exactly, and the context; x is off the kinks."""
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda a: rng.normal(size=a.shape).astype("bfloat16"), layer.init(rng, shape))
    params = lowered(in_float32(params), half)
    if isinstance(layer, layers.Embedding):
        x = rng.integers(0, layer.levels, shape).astype("float32")
    else:
        x = (rng.uniform(0.2, 1.5, shape) * rng.choice([-1, 1], shape)).astype("bfloat16").astype(half)
    dy = rng.normal(size=layer.shape(shape)).astype("bfloat16").astype(half)
    return params, x, dy, Context(jax.random.key(0), layer.memory(shape))


def passes(layer, params, x, dy, context):
    """(y, dx, dparams, the memory after)."""
    return all_passes(layer, [(params, x, dy, context)])[0]


def all_passes(layer, cases):
    """The passes of several cases, in one program."""

    def each(arrays):
        for (params, x, dy), (*_, context) in zip(arrays, cases, strict=True):
            y, saved = layer.forward(params, x, context)
            dx, dparams = layer.backward(params, saved, dy)
            yield y, dx, dparams, layer.remember(context.memory, saved)

    return jax.jit(lambda arrays: list(each(arrays)))([arrays for *arrays, _ in cases])


def in_float32(tree):
    return jax.tree.map(lambda a: np.asarray(a, np.float32), tree)


def types(tree):
    return jax.tree.map(lambda a: a.dtype.name, tree)


def near(got, expected, half, roundings=ROUNDINGS):
    """Every number of a tree is finite, and within so many roundings of the largest."""
    largest = max((np.abs(b).max() for b in jax.tree.leaves(expected)), default=0)
    within = roundings * float(jnp.finfo(half).eps) / 2 * largest
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=within), in_float32(got), expected)


@pytest.mark.parametrize(("layer", "shape"), EXAMPLES, ids=lambda value: str(value))
def test_a_layer_in_half_keeps_its_types_and_is_near_float32(layer, shape):
    cases = {half: case(layer, shape, half) for half in ("float32", "bfloat16", "float16")}
    expected, *in_half = all_passes(layer, cases.values())
    for half, got in zip(("bfloat16", "float16"), in_half, strict=True):
        (params, x, _, context), (y, dx, dparams, memory) = cases[half], got
        predicted = jax.eval_shape(layer.predict, params, x, context.memory)
        assert types((y, dx, predicted)) == (half,) * 3
        assert types(dparams) == types(params)
        assert types(memory) == types(context.memory)
        for part, of_float32 in zip(got, expected, strict=True):
            near(part, of_float32, half)


@pytest.mark.parametrize(
    "layer",
    [layers.Dense(3), layers.Convolution(3, 2), layers.ConvolutionTranspose(3, 2)],
    ids=lambda layer: type(layer).__name__,
)
def test_weights_set_the_type_of_what_they_meet(layer):
    """A float32 input, and a float32 δ as a branch beside float32 brings it."""
    params, x, dy, context = case(layer, (4, 5, 2), "float16")
    got = passes(layer, params, *in_float32((x, dy)), context)
    assert types(got[:3]) == ("float16", "float16", types(params))
    jax.tree.map(np.testing.assert_array_equal, got, passes(layer, params, x, dy, context))


@half_types
def test_batch_statistics_are_float32(half):
    """Half would put the mean at 100 or 99.5, and the variance of 5000 values far off."""
    rng, layer = np.random.default_rng(0), layers.BatchNorm(momentum=0.0)
    x, dy = (jnp.asarray(mean + rng.normal(size=(5000, 3)), half) for mean in (100, 0.1))
    params = layer.init(None, x.shape)
    y, dx, dparams, memory = passes(layer, params, x, dy, Context(memory=layer.memory(x.shape)))
    exact = np.asarray(x, np.float64)
    np.testing.assert_allclose(memory["mean"], exact.mean(0), rtol=1e-6)
    np.testing.assert_allclose(memory["variance"], exact.var(0), rtol=1e-5)
    xhat = (exact - exact.mean(0)) / np.sqrt(exact.var(0) + layer.epsilon)
    near(y, xhat, half, 2)
    near(layer.predict(params, x, memory), xhat, half, 2)
    d = np.asarray(dy, np.float64)
    np.testing.assert_allclose(dparams["beta"], d.sum(0), rtol=1e-5)
    np.testing.assert_allclose(dparams["gamma"], (d * xhat).sum(0), rtol=1e-5, atol=0.01)
    slope = 1 / np.sqrt(exact.var(0) + layer.epsilon)
    near(dx, slope * (d - d.mean(0) - xhat * (d * xhat).mean(0)), half, 2)


@pytest.mark.parametrize(
    "layer",
    [layers.LayerNorm(), layers.GroupNorm(2), layers.RMSNorm(), layers.LayerNorm(scale=False, offset=False)],
    ids=lambda layer: str(layer)[:30],
)
def test_squares_that_overflow_float16_are_float32(layer):
    x = jnp.asarray(300 * np.random.default_rng(0).choice([-1.0, 1.0, 2.0], (7, 64)), jnp.float16)
    params, dy = layer.init(None, x.shape), jnp.ones((7, 64), jnp.float16).at[:, ::3].set(300)
    got = passes(layer, params, x, dy, Context())
    near(got, passes(layer, params, *in_float32((x, dy)), Context()), "float16", 3)


@half_types
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Dense(2), (10_000, 3)),
        (layers.Convolution(2, 1), (10, 1000, 3)),
        (layers.ConvolutionTranspose(2, 1), (10, 1000, 3)),
        (layers.Scale(), (10_000, 2)),
        (layers.Embedding(1, 2), (10_000,)),
        (layers.Convolution(2, 1, groups=2), (10, 1000, 2)),
    ],
    ids=lambda value: str(value)[:24],
)
def test_gradients_over_10_000_rows_are_summed_in_float32(layer, shape, half):
    """A sum in half would stop at 256 times a number in bfloat16, and at 2048 times one in float16."""
    params = lowered(layer.init(np.random.default_rng(0), shape), half)
    x = jnp.full(shape, 0.0 if isinstance(layer, layers.Embedding) else 1.0)
    _, _, dparams, _ = passes(layer, params, x, jnp.full(layer.shape(shape), 0.5, half), Context())
    for gradient in jax.tree.leaves(dparams):
        np.testing.assert_allclose(in_float32(gradient), 5000, rtol=0.005)


@half_types
@pytest.mark.parametrize("layer", [layers.Softmax(), layers.LogSoftmax()], ids=str)
def test_a_softmax_over_5000_classes_is_rounded_once(layer, half):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 5000)), half)
    dy = jnp.zeros((3, 5000), half).at[:, :7].set(1)
    y, dx, *_ = passes(layer, {}, x, dy, Context())
    expected_y, expected_dx, *_ = passes(layer, {}, *in_float32((x, dy)), Context())
    np.testing.assert_allclose(in_float32(y), expected_y, rtol=0.51 * float(jnp.finfo(half).eps), atol=3e-8)
    near(dx, expected_dx, half, 8)  # backward's P is that of Y in half


@half_types
@pytest.mark.parametrize(
    "layer",
    [layers.AveragePool(27, stride=1), layers.MaxPool(27, stride=1), layers.GlobalAveragePool()],
    ids=lambda layer: type(layer).__name__,
)
def test_a_pool_is_summed_in_float32(layer, half):
    rng, shape = np.random.default_rng(0), (2, 70, 3)
    x, dy = (jnp.asarray(rng.uniform(1, 2, each), half) for each in (shape, layer.shape(shape)))
    got = passes(layer, {}, x, dy, Context())
    near(got, passes(layer, {}, *in_float32((x, dy)), Context()), half, 1.01)


@half_types
@pytest.mark.parametrize("groups", [1, 6])
def test_a_convolution_is_summed_in_float32_over_taps(groups, half):
    layer, rng = layers.Convolution(6, 32, groups=groups), np.random.default_rng(0)
    x, dy = (jnp.asarray(rng.uniform(1, 2, (2, 50, 6)), half) for _ in range(2))
    params = {"K": jnp.asarray(rng.uniform(1, 2, (32, 6 // groups, 6)), half), "b": jnp.zeros(6, half)}
    got = passes(layer, params, x, dy, Context())
    expected = passes(layer, *in_float32((params, x, dy)), Context())
    for part, of_float32 in zip(got, expected, strict=True):
        near(part, of_float32, half, 1.2)


def test_gelu_tanh_is_finite_over_all_of_float16():
    x = jnp.asarray([-65504.0, -1000.0, -100.0, 100.0, 1000.0, 65504.0], jnp.float16)
    y, dx, *_ = passes(layers.GELUTanh(), {}, x, jnp.ones(6, jnp.float16), Context())
    np.testing.assert_array_equal(y, jnp.maximum(x, 0))
    np.testing.assert_array_equal(dx, x > 0)


@half_types
@pytest.mark.parametrize("net", ["alone", "beside numbers"])
def test_codes_stay_exact(net, half):
    """Neither half type holds 4099; bfloat16 takes 257 for 256."""
    embed = layers.Embedding(5000, 2)
    coded = layers.Chain(layers.Columns(1, 2), embed, layers.Flatten())
    net = coded if net == "alone" else layers.Branch(coded, layers.Columns(0, 1))
    x = jnp.asarray([[0.5, 257.0], [0.5, 4099.0]])
    params = lowered(net.init(np.random.default_rng(0), x.shape), half)
    y, _ = net.forward(params, x, Context())
    [W] = jax.tree.leaves(params)
    np.testing.assert_array_equal(in_float32(y[:, :2]), in_float32(W[jnp.array([257, 4099])]))
