import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.errors import ShapeError
from deltarule.layers import Chain, Dense, Reshape
from deltarule.layers.initializers import Constant
from layers.reference import agree_with_torch


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(7, 5), (2, 3, 5), (2, 4, 6, 5)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_dense_is_the_linear_of_torch(torch, shape, bias):
    def linear(x, params):
        return torch.nn.functional.linear(x, params["W"].T, params.get("b"))

    agree_with_torch(Dense(3, bias=bias), linear, shape)


def test_fresh_parameters_are_W_by_its_rule_and_b_zero():
    params = Dense(3, W_init=Constant(2.0)).init(np.random.default_rng(0), (7, 5))
    assert {name: (a.shape, a.dtype) for name, a in params.items()} == {
        "W": ((5, 3), jnp.float32),
        "b": ((3,), jnp.float32),
    }
    assert (params["W"] == 2).all()
    assert not params["b"].any()
    assert set(Dense(3, bias=False).init(np.random.default_rng(0), (7, 5))) == {"W"}


def test_an_input_without_features_is_refused_with_the_way_to_the_layer():
    with pytest.raises(ShapeError, match=r"^Dense\(3\): expected .*\(n, \.\.\., i\), got \(7,\).*\(n, 1\)"):
        Dense(3).shape((7,))
    with pytest.raises(ShapeError, match=r"^layer 1\.1, Dense\(3\): .* got \(7,\)") as caught:
        Chain(Dense(1), Chain(Reshape(), Dense(3))).shape((7, 5))
    assert caught.value.path == (1, 1)


def test_no_features_are_refused():
    with pytest.raises(ValueError, match="Dense: features must be a whole number of at least 1, got 0"):
        Dense(0)
