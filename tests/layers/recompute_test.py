import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import DivergedError, SettingError, ShapeError
from deltarule.inspect.count import count_flops
from deltarule.layers import (
    BatchNorm,
    Chain,
    Dense,
    Dropout,
    LayerNorm,
    Recompute,
    ReLU,
    Reshape,
    Residual,
    Tanh,
)
from deltarule.layers.layer import Context

BODY = (Dense(6), BatchNorm(), Dropout(0.4), Tanh(), Dense(4), Dropout(0.2))


def passes(layer, context, seed=0):
    rng = np.random.default_rng(seed)
    params = jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape)), layer.init(rng, (7, 5)))
    x, dy = (jnp.asarray(rng.normal(size=shape)) for shape in ((7, 5), layer.shape((7, 5))))
    y, saved = layer.forward(params, x, context)
    return y, *layer.backward(params, saved, dy), layer.remember(context.memory, saved)


@pytest.mark.parametrize("place", [(), (3,), (jnp.int32(3), 1, 0)], ids=str)
def test_it_is_the_chain_of_its_layers_with_the_same_masks_and_memory(float64, place):
    context = Context(jax.random.key(0), Chain(*BODY).memory((7, 5)), place)
    ours, expected = passes(Recompute(*BODY), context), passes(Chain(*BODY), context)
    assert jax.tree.structure(ours) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14), ours, expected)


def test_a_model_trains_as_with_the_chain_and_comes_back_from_its_file(tmp_path):
    x = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)
    models = [
        dr.Model(Chain(Dense(5), container(*BODY), Dense(2)), dr.SquaredError(), dr.SGD(0.1))
        for container in (Chain, Recompute)
    ]
    for model in models:
        model.fit(x, x[:, :2], epochs=3, batch_size=4)
    plain, ours = models
    ours_state, state = ((model.state.params, model.state.memory) for model in (ours, plain))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), ours_state, state)
    ours.save(tmp_path / "model.safetensors")
    same = dr.load(tmp_path / "model.safetensors")
    assert same.net == ours.net
    np.testing.assert_array_equal(same.predict(x), ours.predict(x))


def test_of_a_normalised_layer_one_array_is_kept_and_not_two():
    rest = (BatchNorm(), ReLU(), Dense(3))
    assert Chain(Dense(5), Recompute(*rest)).cost((8, 4)).saved == 8 * 5 + 4 * 5 + 2 * 5  # memory twice, and μ, σ²
    assert Chain(Dense(5), *rest).cost((8, 4)).saved == 2 * 8 * 5 + 2 * 5


def temporary_bytes(net, shape):
    """What the compiled forward and backward pass holds besides its arguments and results."""
    params = net.init(np.random.default_rng(0), shape)

    def both(params, x):
        y, saved = net.forward(params, x, Context())
        return net.backward(params, saved, y)

    return jax.jit(both).lower(params, np.zeros(shape, np.float32)).compile().memory_analysis().temp_size_in_bytes


def test_the_compiled_program_of_a_deep_chain_takes_half_the_memory():
    """Sixteen layers keep 16 arrays; in four parts, the inputs of four and the insides of one."""
    part = (Dense(32), Tanh()) * 4
    plain, ours = Chain(*part * 4), Chain(*[Recompute(*part)] * 4)
    n = (1024, 32)
    assert temporary_bytes(ours, n) <= temporary_bytes(plain, n) / 2


@pytest.mark.parametrize("layer", [layer for layer, shape in Recompute.examples() if len(shape) == 2], ids=str)
@pytest.mark.usefixtures("float64")
def test_the_input_gradient_is_what_falls_away_where_nothing_below_learns(layer):
    rng = np.random.default_rng(0)
    params, memory = layer.init(rng, (7, 5)), layer.memory((7, 5))
    _, saved = layer.forward(params, jnp.ones((7, 5)), Context(jax.random.key(0), memory))
    cost, dy = layer.cost((7, 5)), jnp.ones(layer.shape((7, 5)))
    learned = count_flops(lambda p, saved, dy: layer.backward(p, saved, dy)[1], params, saved, dy)
    assert cost.backward - cost.input_gradient == learned


@pytest.mark.parametrize(
    "last",
    [
        Dense(3),
        LayerNorm(),
        Tanh(),
        Chain(Tanh(), Dense(3)),
        Chain(Dense(3), Dropout(0.2)),
        Residual(Chain(Tanh(), Dense(4))),
        Recompute(Dropout(0.2), Dense(3)),
    ],
    ids=str,
)
def test_the_cost_counts_what_backward_computes_again_and_no_more(last):
    layer = Recompute(Dense(4), ReLU(), last)
    params = layer.init(np.random.default_rng(0), (7, 5))
    _, saved = layer.forward(params, jnp.ones((7, 5)), Context(jax.random.key(0)))
    assert layer.cost((7, 5)).backward == count_flops(layer.backward, params, saved, jnp.ones(layer.shape((7, 5))))


def test_a_lost_layer_inside_is_named_by_its_path():
    x = np.ones((8, 3), np.float32)
    net = Chain(Recompute(Dense(3), Dense(2)), Dense(1))
    with pytest.raises(DivergedError, match=r"the output of layer 0\.1 \(Dense\) overflowed first"):
        dr.Model(net, dr.SquaredError(), dr.SGD(1e30)).fit(x, x[:, :1], epochs=2, batch_size=4)


def test_errors_lead_to_the_layer_inside():
    with pytest.raises(ShapeError, match=r"^layer 1\.0, "):
        Chain(Dense(4), Recompute(Reshape(3), Dense(2))).shape((7, 5))
    with pytest.raises(SettingError, match=r"^Recompute: expected a layer at place 1"):
        Recompute(Dense(2), ReLU)
