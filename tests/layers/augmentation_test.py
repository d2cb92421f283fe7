"""What every layer keeps that changes its examples at random: its seed, its predictions, its δ."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deltarule as dr
from deltarule.layers import Chain, Cutout, Dense, Flatten, RandomCrop, RandomFlip, RandomShift
from deltarule.layers.layer import Context
from layers.augment import draw

LAYERS = [RandomFlip(), RandomShift(2), RandomCrop(3, 4), Cutout(3)]
every_layer = pytest.mark.parametrize("layer", LAYERS, ids=str)
X = np.random.default_rng(0).normal(size=(60, 6, 7, 2)).astype(np.float32)
CENTRES = {RandomCrop(3, 4): X[:, 1:4, 1:5]}  # of the others, predictions are the identity


@every_layer
def test_steps_differ_and_a_key_repeats_its_own(layer):
    assert layer.draws
    np.testing.assert_array_equal(draw(layer, X, 0), draw(layer, X, 0))
    assert (draw(layer, X, 0) != draw(layer, X, 1)).any(axis=(1, 2, 3)).mean() > 0.2


@every_layer
def test_predictions_are_the_whole_image_or_its_centre(layer):
    np.testing.assert_array_equal(layer.predict({}, jnp.asarray(X), {}), CENTRES.get(layer, X))


@every_layer
def test_the_delta_goes_back_by_the_draws_of_forward(layer):
    """⟨y, dy⟩ = ⟨x, dx⟩ for every example by itself, and dx is zero where x has no part in y."""
    key, dy = jax.random.key(7), np.random.default_rng(1).normal(size=layer.shape(X.shape)).astype(np.float32)
    forward = jax.jit(lambda x: layer.forward({}, x, Context(key)))
    y, saved = forward(X)
    dx, dparams = layer.backward({}, saved, jnp.asarray(dy))
    np.testing.assert_allclose((y * dy).sum((1, 2, 3)), (X * dx).sum((1, 2, 3)), rtol=1e-4, atol=1e-4)
    assert dparams == {}
    np.testing.assert_array_equal(forward(np.where(dx == 0, 99, X))[0], y)


@every_layer
def test_a_fit_repeats_by_its_seed_and_predicts_without_draws(layer):
    target = X[:, 2:4, 2:4].sum((1, 2, 3))

    def fitted(*layers, seed=3):
        model = dr.Model(Chain(*layers, Flatten(), Dense(1)), dr.SquaredError(), dr.SGD(1e-3), seed=seed)
        model.fit(X, target, epochs=3, batch_size=25)
        return model

    one, again = fitted(layer), fitted(layer)
    np.testing.assert_array_equal(one.predict(X), again.predict(X))
    W, b = one.state.params[-1]["W"], one.state.params[-1]["b"]
    whole = np.asarray(CENTRES.get(layer, X)).reshape(len(X), -1)
    np.testing.assert_allclose(one.predict(X).ravel(), (whole @ W + b).ravel(), rtol=1e-4, atol=1e-5)
    if layer not in CENTRES:
        assert not np.allclose(one.predict(X), fitted(dr.Identity()).predict(X), rtol=1e-3)
