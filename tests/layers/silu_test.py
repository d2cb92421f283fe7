import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.layers import SiLU
from layers.reference import agree_with_torch


@pytest.mark.torch
@pytest.mark.parametrize("x", [(5, 3), (2, 3, 4), [[-800.0, 0.0, 800.0]]], ids=str)
def test_silu_is_that_of_torch_far_out_too(torch, x):
    agree_with_torch(SiLU(), torch.nn.functional.silu, x)


def test_far_out_silu_is_0_or_x_and_its_derivative_0_or_1():
    y, saved = SiLU().forward({}, jnp.array([[-1e4, 1e4]]), None)
    np.testing.assert_array_equal(y, [[0.0, 1e4]])
    np.testing.assert_array_equal(SiLU().backward({}, saved, jnp.array([[5.0, 7.0]]))[0], [[0.0, 7.0]])
