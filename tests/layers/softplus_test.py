import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.layers import Softplus
from layers.reference import agree_with_torch


@pytest.mark.torch
@pytest.mark.parametrize("x", [(5, 3), (2, 3, 4), [[-600.0, -30.0, 0.0, 19.0]]], ids=str)
def test_softplus_is_that_of_torch(torch, x):
    """PyTorch returns x itself above 20, so it is asked below."""
    agree_with_torch(Softplus(), torch.nn.functional.softplus, x)


def test_far_out_softplus_is_0_or_x_and_its_derivative_0_or_1():
    y, saved = Softplus().forward({}, jnp.array([[-1000.0, 0.0, 1000.0]]), None)
    dx, _ = Softplus().backward({}, saved, jnp.array([[5.0, 8.0, 7.0]]))
    np.testing.assert_allclose(y, [[0.0, np.log(2), 1000.0]], rtol=1e-7)
    np.testing.assert_allclose(dx, [[0.0, 4.0, 7.0]], rtol=1e-6)
