import numpy as np
import pytest

from deltarule.errors import ShapeError
from deltarule.layers import Chain, Scale
from layers.reference import agree_with_torch, forward


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(7, 5), (2, 3, 4, 5)], ids=str)
def test_scale_is_the_batch_norm_of_torch_with_statistics_zero_and_one(torch, shape):
    def scale(x, params):
        mean, variance = torch.zeros(5, dtype=x.dtype), torch.ones(5, dtype=x.dtype)
        gamma, beta = params["gamma"], params["beta"]
        y = torch.nn.functional.batch_norm(x.movedim(-1, 1), mean, variance, gamma, beta, eps=0.0)
        return y.movedim(1, -1)

    agree_with_torch(Scale(), scale, shape)


def test_a_fresh_scale_changes_nothing():
    x = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    np.testing.assert_array_equal(forward(Scale(), x), x)


def test_an_input_without_features_is_refused():
    with pytest.raises(ShapeError, match=r"^layer 0, Scale: expected .* got \(7,\); reshape it to \(n, 1\)"):
        Chain(Scale()).shape((7,))
