import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.layers import Sigmoid
from layers.reference import agree_with_torch


@pytest.mark.torch
@pytest.mark.parametrize("x", [(5, 3), (2, 3, 4), [[-800.0, 0.0, 800.0]]], ids=str)
def test_sigmoid_is_that_of_torch_far_out_too(torch, x):
    agree_with_torch(Sigmoid(), torch.sigmoid, x)


def test_far_out_sigmoid_is_0_or_1_and_its_derivative_is_0():
    y, saved = Sigmoid().forward({}, jnp.array([[-1e4, 0.0, 1e4]]), None)
    np.testing.assert_array_equal(y, [[0.0, 0.5, 1.0]])
    np.testing.assert_array_equal(Sigmoid().backward({}, saved, jnp.ones((1, 3)))[0], [[0.0, 0.25, 0.0]])
