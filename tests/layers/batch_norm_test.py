from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import SettingError, ShapeError
from deltarule.layers import BatchNorm, Chain, Dense, Tanh
from deltarule.layers.layer import Context
from layers.reference import agree_with_torch

OPTIONS = [{}, {"scale": False}, {"offset": False}, {"scale": False, "offset": False}]


@pytest.mark.torch
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("shape", [(7, 5), (4, 2, 5), (2, 3, 4, 5)], ids=str)
def test_training_is_the_batch_norm_of_torch(torch, shape, options):
    def batch_norm(x, params=None):
        params = params or {}
        y = torch.nn.functional.batch_norm(
            x.movedim(-1, 1), None, None, params.get("gamma"), params.get("beta"), training=True, eps=0.01
        )
        return y.movedim(1, -1)

    agree_with_torch(BatchNorm(epsilon=0.01, **options), batch_norm, shape)


@pytest.mark.torch
def test_the_running_statistics_are_those_of_torch_but_for_the_unbiased_variance(torch):
    x = np.random.default_rng(0).normal(2, 3, (7, 5)).astype(np.float32)
    mean, variance = torch.zeros(5), torch.zeros(5)
    torch.nn.functional.batch_norm(torch.tensor(x), mean, variance, training=True, momentum=0.2)
    layer = BatchNorm(momentum=0.8)
    _, saved = layer.forward(layer.init(None, x.shape), jnp.asarray(x), Context())
    moved = layer.remember({"mean": np.zeros(5), "variance": np.zeros(5)}, saved)
    np.testing.assert_allclose(moved["mean"], mean, rtol=1e-5)
    np.testing.assert_allclose(moved["variance"] * 7 / 6, variance, rtol=1e-5)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("shape", [(6, 5), (6, 2, 3, 5)], ids=str)
def test_members_of_a_mapped_axis_share_the_statistics_of_the_whole_minibatch(float64, shape, options):
    whole, member = BatchNorm(**options), BatchNorm(axis_name="members", **options)
    rng = np.random.default_rng(0)
    params = {name: jnp.asarray(rng.normal(size=a.shape)) for name, a in whole.init(rng, shape).items()}
    x, dy = jnp.asarray(rng.normal(1, 2, shape)), jnp.asarray(rng.normal(size=shape))
    memory = whole.memory(shape)

    def both(layer, x, dy):
        y, saved = layer.forward(params, x, Context(memory=memory))
        return y, *layer.backward(params, saved, dy), layer.remember(memory, saved)

    y, dx, dparams, moved = both(whole, x, dy)
    split = jax.vmap(lambda x, dy: both(member, x, dy), axis_name="members")
    y_s, dx_s, dparams_s, moved_s = split(x.reshape(2, 3, *shape[1:]), dy.reshape(2, 3, *shape[1:]))
    np.testing.assert_allclose(y_s.reshape(shape), y, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(dx_s.reshape(shape), dx, rtol=1e-12, atol=1e-13)
    for name in dparams:
        np.testing.assert_allclose(dparams_s[name].sum(0), dparams[name], rtol=1e-12, atol=1e-13)
    for name in moved:
        np.testing.assert_allclose(moved_s[name], [moved[name]] * 2, rtol=1e-12)


def test_one_example_on_each_of_two_members_is_enough():
    layer = BatchNorm(axis_name="members", scale=False, offset=False)
    y = jax.vmap(lambda x: layer.forward({}, x, Context())[0], axis_name="members")(jnp.array([[[1.0]], [[3.0]]]))
    np.testing.assert_allclose(y.ravel(), [-1, 1], rtol=1e-5)


@pytest.mark.parametrize("shape", [(256, 5), (4, 16, 16, 3)], ids=str)
def test_numbers_far_from_zero_are_normalised_in_float32(shape):
    x = np.random.default_rng(0).normal(1e4, 1, shape).astype(np.float32)
    y = jax.jit(lambda x: BatchNorm().forward(BatchNorm().init(None, shape), x, Context())[0])(x)
    rows = np.asarray(y, np.float64).reshape(-1, shape[-1])
    np.testing.assert_allclose(rows.mean(0), 0, atol=1e-2)
    np.testing.assert_allclose(rows.std(0), 1, atol=1e-2)


X = np.random.default_rng(1).normal(3, 2, (11, 4)).astype(np.float32)
Y = X[:, :2] - X[:, 2:]


def fitted(net=None, **options):
    model = dr.Model(net or BatchNorm(0.7), dr.SquaredError(), dr.SGD(0.01))
    model.fit(X, X if net is None else Y, order="none", **options)
    return model


def test_fit_moves_the_running_statistics_and_predict_takes_them():
    """Eleven rows in batches of four: steps over 4, 4 and 3 rows."""
    model = fitted(epochs=2, batch_size=4)
    mean, variance = np.zeros(4), np.ones(4)
    for _ in range(2):
        for rows in (X[:4], X[4:8], X[8:]):
            mean = 0.7 * mean + 0.3 * rows.mean(0)
            variance = 0.7 * variance + 0.3 * rows.var(0)
    np.testing.assert_allclose(model.state.memory["mean"], mean, rtol=1e-5)
    np.testing.assert_allclose(model.state.memory["variance"], variance, rtol=1e-5)
    params = model.state.params
    expected = params["gamma"] * (X - mean) / np.sqrt(variance + 1e-5) + params["beta"]
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(model.predict(X[:1]), model.predict(X)[:1])


def test_a_saved_model_keeps_its_running_statistics(tmp_path):
    model = fitted(Chain(Dense(6), BatchNorm(), Tanh(), Dense(2)), epochs=2, batch_size=4)
    model.save(tmp_path / "model.safetensors")
    same = dr.load(tmp_path / "model.safetensors")
    assert np.asarray(model.state.memory[1]["mean"]).any()
    jax.tree.map(np.testing.assert_array_equal, same.state.memory, model.state.memory)
    np.testing.assert_array_equal(same.predict(X), model.predict(X))


@pytest.mark.parametrize("micro_batches", [1, 2])
def test_a_last_batch_of_one_example_is_refused_before_anything_is_trained(micro_batches):
    model = dr.Model(Chain(Dense(3), Chain(Tanh(), BatchNorm()), Dense(2)), dr.SquaredError())
    with pytest.raises(ShapeError, match=r"^layer 1\.1, BatchNorm: .* \(1, 3\); .*batch_size") as caught:
        model.fit(X[:9], Y[:9], batch_size=4, micro_batches=micro_batches)
    assert caught.value.path == (1, 1)
    assert model.state is None


def test_the_input_is_kept_once_for_the_layer_below():
    assert Chain(Tanh(), BatchNorm(), Dense(3)).cost((8, 5)).saved == 2 * 8 * 5 + 2 * 5


def test_fresh_parameters_are_one_and_zero_and_memory_is_the_standard_normal():
    params, memory = BatchNorm().init(np.random.default_rng(0), (7, 5)), BatchNorm().memory((7, 5))
    for values, names in ((params, ("beta", "gamma")), (memory, ("mean", "variance"))):
        assert [(a.dtype, a.tolist()) for a in map(values.get, names)] == [
            (np.float32, [0.0] * 5),
            (np.float32, [1.0] * 5),
        ]
    assert set(replace(BatchNorm(), scale=False).init(None, (7, 5))) == {"beta"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"momentum": 1.0}, r"BatchNorm: momentum must be in \[0, 1\), got 1\.0; .* 1 − PyTorch's"),
        ({"momentum": -0.1}, r"momentum .* got -0\.1"),
        ({"epsilon": 0.0}, r"BatchNorm: epsilon must be positive, got 0\.0"),
    ],
)
def test_settings_out_of_range_are_refused(options, message):
    with pytest.raises(SettingError, match=message):
        BatchNorm(**options)


def test_an_input_without_features_is_refused():
    with pytest.raises(ShapeError, match=r"^layer 0, BatchNorm: expected .* got \(7,\); reshape it to \(n, 1\)"):
        Chain(BatchNorm()).shape((7,))
