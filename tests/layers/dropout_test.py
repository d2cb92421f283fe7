import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import SettingError
from deltarule.layers import Chain, Dense, Dropout, SpatialDropout
from deltarule.layers.layer import Context

ONES = jnp.ones((200, 300))


@pytest.mark.parametrize("drop", [0.03, 0.4, 0.9])
def test_the_share_dropped_is_the_probability_and_the_mean_is_kept(drop):
    y, _ = Dropout(drop).forward({}, ONES, Context(jax.random.key(3)))
    sigma = np.sqrt(drop * (1 - drop) / y.size)
    assert abs(np.mean(y == 0) - drop) < 5 * sigma
    assert abs(np.mean(y) - 1) < 5 * sigma / (1 - drop)
    np.testing.assert_allclose(np.unique(y), [0, 1 / (1 - drop)], rtol=1e-6)


@pytest.mark.parametrize("layer", [Dropout(0.4), SpatialDropout(0.4)], ids=str)
def test_backward_draws_the_mask_of_forward_for_every_key_of_a_population(layer):
    x = jnp.ones((6, 5, 7))

    def both(key):
        y, saved = layer.forward({}, x, Context(key))
        return y, layer.backward({}, saved, x)[0]

    keys = jax.random.split(jax.random.key(0), 4)
    y, dx = jax.jit(jax.vmap(both))(keys)
    np.testing.assert_array_equal(y, dx)
    np.testing.assert_array_equal(y, [both(key)[0] for key in keys])
    assert len(np.unique(y.reshape(4, -1), axis=0)) == 4


def test_each_step_and_each_layer_draws_a_mask_of_its_own():
    net = Chain(Dropout(0.5), Dropout(0.5))
    masks = []
    for step in range(2):
        y, _ = Dropout(0.5).forward({}, ONES, Context(jax.random.key(0), path=(step,)))
        masks.append(np.asarray(y > 0))
        both, _ = net.forward(({}, {}), ONES, Context(jax.random.key(0), path=(step,)))
        masks.append(np.asarray(both > 0))
    for mask, share in zip(masks, (0.5, 0.25, 0.5, 0.25), strict=True):
        assert abs(mask.mean() - share) < 5 * np.sqrt(share * (1 - share) / mask.size)
    assert abs((masks[0] & masks[2]).mean() - 0.25) < 5 * np.sqrt(3 / 16 / ONES.size)


def test_a_drop_of_zero_needs_no_key_and_costs_nothing():
    y, saved = Dropout(0.0).forward({}, ONES, Context())
    assert y is ONES
    assert not jax.tree.leaves(saved)
    assert not Chain(Dropout(0.0)).draws
    assert Chain(Dropout(0.1)).draws


def test_a_model_drops_while_it_trains_and_not_while_it_predicts():
    x = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)

    def fitted(drop, seed=0):
        model = dr.Model(Chain(Dropout(drop), Dense(2)), dr.SquaredError(), dr.SGD(0.1), seed=seed)
        model.fit(x, x[:, :2], epochs=3, batch_size=5)
        return model

    model = fitted(0.5)
    (_, dense) = model.state.params
    np.testing.assert_allclose(model.predict(x), x @ dense["W"] + dense["b"], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(model.predict(x), fitted(0.5).predict(x))
    assert np.abs(model.predict(x) - fitted(0.0).predict(x)).max() > 0.01


@pytest.mark.parametrize("drop", [-0.1, 1.0, 1.5, float("nan")])
@pytest.mark.parametrize("kind", [Dropout, SpatialDropout])
def test_a_drop_that_is_no_probability_below_one_is_refused(kind, drop):
    with pytest.raises(SettingError, match=rf"^{kind.__name__}\({drop}\): drop .*\[0, 1\).* probability to keep"):
        kind(drop)
