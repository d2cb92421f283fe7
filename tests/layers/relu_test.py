import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.layers import ReLU
from layers.reference import agree_with_torch


@pytest.mark.torch
@pytest.mark.parametrize("x", [(5, 3), (2, 3, 4), [[-1.0, 0.0, -0.0, 2.0]]], ids=str)
def test_relu_is_that_of_torch_at_zero_too(torch, x):
    agree_with_torch(ReLU(), torch.relu, x)


def test_the_derivative_at_zero_is_zero():
    x, dy = jnp.array([[-2.0, 0.0, 3.0]]), jnp.array([[5.0, 7.0, 11.0]])
    _, saved = ReLU().forward({}, x, None)
    dx, dparams = ReLU().backward({}, saved, dy)
    np.testing.assert_array_equal(dx, [[0.0, 0.0, 11.0]])
    assert dparams == {}
