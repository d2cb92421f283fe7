import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.layers import Embedding
from layers.reference import agree_with_torch, forward


@pytest.mark.torch
@pytest.mark.parametrize("codes", [[[0, 2], [2, 2], [1, 0]], [4, 0, 4, 4]], ids=str)
def test_embedding_is_that_of_torch(torch, codes):
    """Code 3 is never met and others are met often: dW is zero there, and a sum here."""

    def embedding(x, params):
        return torch.nn.functional.embedding(x.long(), params["W"])

    agree_with_torch(Embedding(levels=5, features=3), embedding, codes)


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "float32"])
def test_codes_may_be_of_any_number_type(kind):
    W = np.arange(10.0, dtype=np.float32).reshape(5, 2)
    np.testing.assert_array_equal(forward(Embedding(5, 2), np.array([4, 0], kind), {"W": W}), [[8, 9], [0, 1]])


@pytest.mark.parametrize("code", [5, 6, 1000, -1, -5, -6, np.nan, np.inf])
def test_a_code_out_of_range_gives_nan_and_moves_no_row(code):
    layer, params, x = Embedding(levels=5, features=2), {"W": jnp.ones((5, 2))}, jnp.array([1, code])
    y, saved = layer.forward(params, x, None)
    np.testing.assert_array_equal(y, [[1.0, 1.0], [np.nan, np.nan]])
    dx, dparams = layer.backward(params, saved, jnp.array([[1.0, 2.0], [10.0, 20.0]]))
    np.testing.assert_array_equal(dx, [0.0, 0.0])
    np.testing.assert_array_equal(dparams["W"], [[0, 0], [1, 2], [0, 0], [0, 0], [0, 0]])
